/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a sandbox and their rights, read from proc(5) and the cgroup, and from nothing
 * that the project itself remembers. "Own" means: not those of who asks.
 */
#include "runtime/cmd/admin/security_process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/mountinfo.h"
#include "common/str.h"
#include "jail/device_program.h"

#define PROC_FILE_MAX (64 * 1024)
#define PROCESSES_MAX 4096
#define PROGRAM_NAME_MAX 64

static const char *const ns_names[] = { "mnt", "pid", "net", "ipc", "uts" };
static const char *const role_names[] = {
	"shim", "QEMU", "virtiofsd", "kata-proxy", "stand-in", "helper",
};
static const char *const devices_names[] = { "unknown", "all", "listed" };

/* Of <linux/capability.h>, by number. */
static const char *const cap_names[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};

/**
 * security_ns_name() - a namespace as /proc/PID/ns calls it
 * @ns: which
 *
 * Return: its name.
 */
const char *security_ns_name(enum security_ns ns)
{
	return ns_names[ns];
}

/**
 * security_role_name() - what a process is
 * @role: which
 *
 * Return: its name.
 */
const char *security_role_name(enum security_role role)
{
	return role_names[role];
}

/**
 * security_devices_name() - which devices a cgroup lets its processes open
 * @devices: which
 *
 * Return: a word.
 */
const char *security_devices_name(enum security_devices devices)
{
	return devices_names[devices];
}

/**
 * security_seccomp_name() - the mode of seccomp(2)
 * @seccomp: as in /proc/PID/status
 *
 * Return: a word.
 */
const char *security_seccomp_name(unsigned seccomp)
{
	return seccomp == 0 ? "none" : seccomp == 1 ? "strict" : "filter";
}

/**
 * security_caps_name() - capabilities as words
 * @caps: a bit for each
 * @arena: holds the answer
 * @ret: receives "none", "all", or names with commas; many are told by their number
 *
 * Return: 0 or -ENOMEM.
 */
int security_caps_name(uint64_t caps, struct arena *arena, const char **ret)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	unsigned nr = (unsigned)__builtin_popcountll(caps);
	int r = 0;

	if (nr > 8)
		r = strbuf_printf(&text, "%u of them", nr);
	else if (!nr)
		r = strbuf_puts(&text, "none");
	for (unsigned cap = 0; cap < 64 && nr <= 8 && r >= 0; cap++)
		if (caps >> cap & 1)
			r = cap < ARRAY_SIZE(cap_names)
				    ? strbuf_printf(&text, "%s%s", text.len ? "," : "",
						    cap_names[cap])
				    : strbuf_printf(&text, "%s%u", text.len ? "," : "", cap);
	if (r < 0)
		return r;
	*ret = arena_strdup(arena, text.data);
	return *ret ? 0 : -ENOMEM;
}

/* The value of "Name:\tvalue" in proc_pid_status(5). */
static const char *find_field(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line && *line;) {
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " \t");
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return NULL;
}

static int read_number(const char *text, const char *name, int base, unsigned nr,
		       unsigned long long *ret)
{
	const char *value = find_field(text, name);
	char *end;

	while (value && nr--) {
		value += strcspn(value, " \t\n");
		value += strspn(value, " \t");
	}
	if (!value || !isxdigit((unsigned char)*value))
		return -EBADMSG;
	*ret = strtoull(value, &end, base);
	return isspace((unsigned char)*end) || !*end ? 0 : -EBADMSG;
}

/**
 * security_parse_status() - take what /proc/PID/status says
 * @text: the file
 * @p: receives parent, uid, capabilities, seccomp, no_new_privs
 *
 * Return: 0 or -EBADMSG.
 */
int security_parse_status(const char *text, struct security_process *p)
{
	unsigned long long parent, uid, caps, bounding, seccomp, nnp;
	int r = read_number(text, "PPid", 10, 0, &parent);

	if (r == 0)
		r = read_number(text, "Uid", 10, 1, &uid); /* the effective one */
	if (r == 0)
		r = read_number(text, "CapEff", 16, 0, &caps);
	if (r == 0)
		r = read_number(text, "CapBnd", 16, 0, &bounding);
	if (r == 0)
		r = read_number(text, "Seccomp", 10, 0, &seccomp);
	if (r == 0)
		r = read_number(text, "NoNewPrivs", 10, 0, &nnp);
	if (r < 0)
		return r;
	p->parent = (pid_t)parent;
	p->uid = (uid_t)uid;
	p->caps = caps;
	p->bounding = bounding;
	p->seccomp = (unsigned)seccomp;
	p->no_new_privs = nnp;
	return 0;
}

static int same_file(const char *a, const char *b, bool *ret)
{
	struct stat sa, sb;

	if (stat(a, &sa) < 0 || stat(b, &sb) < 0)
		return -errno;
	*ret = sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
	return 0;
}

static int read_namespaces(struct security_process *p)
{
	char theirs[64], ours[64];
	bool same = true;
	int r = 0;

	for (unsigned i = 0; i < SECURITY_NS_COUNT_ && r == 0; i++) {
		(void)snprintf(theirs, sizeof(theirs), "/proc/%d/ns/%s", (int)p->pid, ns_names[i]);
		(void)snprintf(ours, sizeof(ours), "/proc/self/ns/%s", ns_names[i]);
		r = same_file(theirs, ours, &same);
		p->own_ns[i] = !same;
	}
	(void)snprintf(theirs, sizeof(theirs), "/proc/%d/root/.", (int)p->pid);
	if (r == 0)
		r = same_file(theirs, "/", &same);
	p->own_root = !same;
	return r;
}

/* A list that names all devices is none. */
static enum security_devices read_list(const char *dir)
{
	cleanup_free char *text = NULL;
	char path[1200];

	(void)snprintf(path, sizeof(path), "%s/devices.list", dir);
	if (io_read_file_at(AT_FDCWD, path, PROC_FILE_MAX, &text) < 0)
		return SECURITY_DEVICES_UNKNOWN;
	return str_skip_prefix(text, "a ") ? SECURITY_DEVICES_ALL : SECURITY_DEVICES_LISTED;
}

static enum security_devices read_program(const char *dir)
{
	cleanup_close int fd = neg_errno(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int nr = fd < 0 ? fd : device_program_count(fd);

	return nr < 0	 ? SECURITY_DEVICES_UNKNOWN
	       : nr == 0 ? SECURITY_DEVICES_ALL
			 : SECURITY_DEVICES_LISTED;
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = words; (p = strstr(p, word)); p += len)
		if ((p == words || p[-1] == ',') && (p[len] == ',' || !p[len]))
			return true;
	return false;
}

/*
 * The hierarchy that rules over devices: version 1's, or version 2's where that does not exist.
 * Return: whether @mount is it.
 */
static bool rules_devices(const struct mountinfo_entry *mount, bool v1)
{
	const char *options = strchr(mount->super_options, ',');

	return v1 ? str_eq(mount->fstype, "cgroup") && options && has_word(options + 1, "devices")
		  : str_eq(mount->fstype, "cgroup2");
}

static void read_devices(struct security_process *p, const char *path, bool v1)
{
	cleanup_mountinfo struct mountinfo mounts = MOUNTINFO_NULL;
	char dir[1024];

	if (mountinfo_read(&mounts) < 0)
		return;
	for (size_t i = 0; i < mounts.nr; i++) {
		if (!rules_devices(&mounts.entries[i], v1))
			continue;
		(void)snprintf(dir, sizeof(dir), "%s%s", mounts.entries[i].mount_point, path);
		p->devices = v1 ? read_list(dir) : read_program(dir);
		return;
	}
}

/* Lines are "number:controllers:path", see cgroups(7). */
static int read_cgroup(struct security_process *p)
{
	cleanup_free char *text = NULL;
	char path[64], *save = NULL;
	bool v1 = false;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)p->pid);
	ssize_t n = io_read_file_at(AT_FDCWD, path, PROC_FILE_MAX, &text);
	if (n < 0)
		return (int)n;
	for (char *line = strtok_r(text, "\n", &save); line && !v1;
	     line = strtok_r(NULL, "\n", &save)) {
		char *controllers = strchr(line, ':');
		char *group = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!group)
			continue;
		*group++ = '\0';
		v1 = has_word(controllers + 1, "devices");
		if (v1 || !controllers[1])
			(void)snprintf(p->cgroup, sizeof(p->cgroup), "%s", group);
	}
	read_devices(p, p->cgroup, v1);
	return 0;
}

/**
 * security_read() - read what a process may do
 * @pid: process
 * @p: receives it; its role is the caller's to say
 * @err: filled on failure
 *
 * Return: 0, -ENOENT or -ESRCH when it has ended, or -errno.
 */
int security_read(pid_t pid, struct security_process *p, struct err *err)
{
	cleanup_free char *text = NULL;
	char path[64];

	*p = (struct security_process){ .pid = pid };
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	ssize_t n = io_read_file_at(AT_FDCWD, path, PROC_FILE_MAX, &text);
	int r = n < 0 ? (int)n : security_parse_status(text, p);
	if (r == 0)
		r = read_namespaces(p);
	if (r == 0)
		r = read_cgroup(p);
	return r < 0 ? err_set_errno(err, r, "read what process %d may do", (int)pid) : 0;
}

static void read_program_name(pid_t pid, char ret[static PROGRAM_NAME_MAX])
{
	char path[64], link[512];

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	ssize_t n = readlink(path, link, sizeof(link) - 1);
	link[MAX(n, 0)] = '\0';
	const char *slash = strrchr(link, '/');
	(void)snprintf(ret, PROGRAM_NAME_MAX, "%.*s", PROGRAM_NAME_MAX - 1,
		       slash ? slash + 1 : link);
	/* of a program that was replaced meanwhile */
	char *deleted = strstr(ret, " (deleted)");
	if (deleted)
		*deleted = '\0';
}

struct finder {
	pid_t shim, vmm;
	const char *cgroup; /* of QEMU: stand-ins live there */
	struct arena *arena;
	struct security_process *found;
	size_t nr;
};

static bool is_found(const struct finder *f, pid_t pid)
{
	for (size_t i = 0; i < f->nr; i++)
		if (f->found[i].pid == pid)
			return true;
	return false;
}

/* Return: its role in the sandbox, or -ENOENT. */
static int role_of(const struct finder *f, const struct security_process *p)
{
	char name[PROGRAM_NAME_MAX];

	if (p->pid == f->shim)
		return SECURITY_ROLE_SHIM;
	if (p->pid == f->vmm)
		return SECURITY_ROLE_QEMU;
	read_program_name(p->pid, name);
	bool child = is_found(f, p->parent);
	if (str_eq(name, "kata-runtime") && *f->cgroup && str_eq(p->cgroup, f->cgroup))
		return SECURITY_ROLE_STANDIN;
	if (!child)
		return -ENOENT;
	if (strstr(name, "virtiofsd"))
		return SECURITY_ROLE_VIRTIOFSD;
	return str_eq(name, "kata-proxy") ? SECURITY_ROLE_PROXY : SECURITY_ROLE_HELPER;
}

static int add_process(struct finder *f, pid_t pid, struct err *err)
{
	struct err ignored = ERR_NULL;
	struct security_process p;
	int r = is_found(f, pid) ? -EEXIST : security_read(pid, &p, &ignored);

	/* It is known, has ended meanwhile, or is the kernel's. */
	if (r < 0)
		return 0;
	int role = role_of(f, &p);
	if (role < 0)
		return 0;
	p.role = (enum security_role)role;
	r = f->nr == PROCESSES_MAX ? -E2BIG
				   : arena_grow(f->arena, &f->found, &f->nr, sizeof(*f->found));
	if (r < 0)
		return err_set_errno(err, r, "processes of the sandbox");
	f->found[f->nr - 1] = p;
	return 0;
}

/* Parents are found before their children, so it is done until nothing new is found. */
static int find_all(struct finder *f, struct err *err)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return err_set_errno(err, -errno, "open /proc");
	while (r == 0 && (entry = readdir(dir))) {
		uint32_t pid;

		if (str_to_u32(entry->d_name, &pid) == 0)
			r = add_process(f, (pid_t)pid, err);
	}
	(void)closedir(dir);
	return r;
}

/* One of the two virtiofsd only waits for the one that serves. */
static void tell_waiting(struct finder *f)
{
	for (size_t i = 0; i < f->nr; i++)
		for (size_t j = 0; j < f->nr; j++)
			if (f->found[i].role == SECURITY_ROLE_VIRTIOFSD &&
			    f->found[j].role == SECURITY_ROLE_VIRTIOFSD &&
			    f->found[j].parent == f->found[i].pid)
				f->found[i].role = SECURITY_ROLE_HELPER;
}

/**
 * security_find() - find the processes of a sandbox
 * @shim: its shim
 * @vmm: its QEMU
 * @arena: holds the answer
 * @ret: receives them, the shim and QEMU first
 * @ret_nr: number of them
 * @err: filled on failure
 *
 * Return: 0, -ESRCH when it has no shim or QEMU any more, or -errno.
 */
int security_find(pid_t shim, pid_t vmm, struct arena *arena, struct security_process **ret,
		  size_t *ret_nr, struct err *err)
{
	struct finder f = { .shim = shim, .vmm = vmm, .cgroup = "", .arena = arena };
	size_t before;
	int r = add_process(&f, shim, err);

	if (r == 0)
		r = add_process(&f, vmm, err);
	if (r < 0)
		return r;
	if (f.nr != 2)
		return err_set(err, ESRCH, "the sandbox has no shim or no QEMU any more");
	f.cgroup = arena_strdup(arena, f.found[1].cgroup);
	if (!f.cgroup)
		return err_set(err, ENOMEM, "out of memory");
	do {
		before = f.nr;
		r = find_all(&f, err);
	} while (r == 0 && f.nr > before);
	tell_waiting(&f);
	*ret = f.found;
	*ret_nr = f.nr;
	return r;
}
