/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at the host. Nothing is changed, and everything that is missing is a fact, not an error.
 */
#include "runtime/cmd/admin/host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/proc.h"
#include "common/str.h"
#include "host/kvm_verdict.h"
#include "host/program.h"
#include "kata/state.h"

#define VERSION_MS 3000
#define PROC_FILE_MAX (4U << 20)

/*
 * The value of the first line "key<separator>value" of a text, without quotes; "" when there is
 * none.
 */
static const char *find_value(struct arena *arena, const char *text, const char *key,
			      char separator)
{
	size_t key_len = strlen(key);

	while (text && *text) {
		const char *end = strchrnul(text, '\n');

		const char *value = text + key_len;
		if (strncmp(text, key, key_len) == 0 &&
		    *(value += strspn(value, " \t")) == separator) {
			value++;
			value += strspn(value, " \t\"");
			while (end > value && strchr(" \t\"", end[-1]))
				end--;
			const char *copy = arena_strndup(arena, value, (size_t)(end - value));
			return copy ? copy : "";
		}
		text = *end ? end + 1 : end;
	}
	return "";
}

static bool has_flag(const char *flags, const char *flag)
{
	size_t len = strlen(flag);

	for (const char *p = strstr(flags, flag); p; p = strstr(p + len, flag))
		if ((p == flags || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
	return false;
}

static void probe_cpu(struct host *host, struct arena *arena)
{
	cleanup_free char *text = NULL;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	host->cpu_vendor = host->cpu_model = "";
	host->nr_cpus = cpus > 0 ? (unsigned)cpus : 1;
	if (io_read_file_at(AT_FDCWD, "/proc/cpuinfo", PROC_FILE_MAX, &text) < 0)
		return;
	host->cpu_vendor = find_value(arena, text, "vendor_id", ':');
	host->cpu_model = find_value(arena, text, "model name", ':');
	const char *flags = find_value(arena, text, "flags", ':');
	host->hw_virt = has_flag(flags, "vmx") || has_flag(flags, "svm");
}

static void probe_memory(struct host *host, struct arena *arena)
{
	cleanup_free char *text = NULL;
	unsigned long long kib;

	if (io_read_file_at(AT_FDCWD, "/proc/meminfo", PROC_FILE_MAX, &text) < 0)
		return;
	if (sscanf(find_value(arena, text, "MemTotal", ':'), "%llu", &kib) == 1)
		host->mem_total_kib = kib;
	if (sscanf(find_value(arena, text, "MemAvailable", ':'), "%llu", &kib) == 1)
		host->mem_available_kib = kib;
}

static int probe_system(struct host *host, struct arena *arena)
{
	cleanup_free char *text = NULL;
	struct utsname uts;

	if (uname(&uts) < 0)
		return -errno;
	host->kernel = arena_strdup(arena, uts.release);
	host->arch = arena_strdup(arena, uts.machine);
	host->distro_name = host->distro_version = "";
	if (io_read_file_at(AT_FDCWD, "/etc/os-release", PROC_FILE_MAX, &text) >= 0) {
		host->distro_name = find_value(arena, text, "NAME", '=');
		host->distro_version = find_value(arena, text, "VERSION_ID", '=');
	}
	return host->kernel && host->arch ? 0 : -ENOMEM;
}

static int try_open(const char *path)
{
	cleanup_close int fd = neg_errno(open(path, O_RDWR | O_CLOEXEC));

	return fd < 0 ? fd : 0;
}

static const char *probe_cgroup(void)
{
	struct statfs fs;

	if (statfs("/sys/fs/cgroup", &fs) < 0)
		return "none";
	if (fs.f_type == CGROUP2_SUPER_MAGIC)
		return "v2";
	if (fs.f_type == SYSFS_MAGIC) /* the empty directory that sysfs has for it */
		return "none";
	if (statfs("/sys/fs/cgroup/unified", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
		return "hybrid";
	return "v1";
}

/* Asks "<program> --version" and keeps the first line. */
static const char *ask_version(const char *path, struct arena *arena)
{
	char *const argv[] = { (char *)path, (char *)"--version", NULL };
	char buf[512];
	size_t len = 0;
	int pipe_fds[2];
	struct proc proc = PROC_NULL;
	struct err ignored = ERR_NULL;

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return "";
	cleanup_close int out = pipe_fds[0], in = pipe_fds[1];
	const struct proc_fd fds[] = { { in, STDOUT_FILENO }, { in, STDERR_FILENO } };
	const struct proc_spec spec = {
		.path = path,
		.argv = argv,
		.fds = fds,
		.nr_fds = ARRAY_SIZE(fds),
		.netns_fd = -1,
		.die_with_parent = true,
	};
	if (proc_spawn(&spec, &proc, &ignored) < 0)
		return "";
	(void)fd_close(TAKE_FD(in)); /* the child holds the only end that writes */
	while (len < sizeof(buf) - 1) {
		ssize_t n = fiber_read(out, buf + len, sizeof(buf) - 1 - len,
				       loop_deadline_ms(VERSION_MS));

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	(void)proc_signal(&proc, SIGKILL); /* it has said enough, or nothing */
	(void)fiber_wait_pidfd(proc.pidfd, loop_deadline_ms(VERSION_MS),
			       NULL); /* only to reap it */
	proc_deinit(&proc);
	const char *line = arena_strndup(arena, buf, strcspn((buf[len] = '\0', buf), "\n"));
	return line ? line : "";
}

static struct host_file probe_file(const char *path, int mode)
{
	struct host_file file = { .path = path ? path : "", .version = "" };

	file.r = str_empty(file.path) ? -ENOENT : neg_errno(access(file.path, mode));
	return file;
}

static struct host_file probe_program(const char *path, bool ask, struct arena *arena)
{
	struct host_file file = probe_file(path, X_OK);

	if (ask && file.r == 0)
		file.version = ask_version(file.path, arena);
	return file;
}

static void probe_programs(const struct config *config, struct host *host, struct arena *arena)
{
	struct err ignored = ERR_NULL;
	char self[PATH_MAX], shim[PATH_MAX], proxy[PATH_MAX];

	if (program_find_self(self, sizeof(self)) < 0)
		self[0] = '\0';
	host->self = probe_file(arena_strdup(arena, self), X_OK);
	if (program_find_shim(shim, sizeof(shim), &ignored) < 0)
		shim[0] = '\0';
	if (program_find_proxy(shim, proxy, sizeof(proxy), &ignored) < 0)
		ignored = ERR_NULL; /* the path tells where it was looked for */
	host->shim = probe_program(arena_strdup(arena, shim), false, arena);
	host->proxy = probe_program(arena_strdup(arena, proxy), false, arena);
	host->vmm = probe_program(config->hypervisor.path, true, arena);
	host->virtiofsd = probe_program(config->hypervisor.virtio_fs_daemon, true, arena);
	host->agent_kernel = probe_file(config->hypervisor.kernel, R_OK);
	host->initrd = probe_file(config->hypervisor.initrd, R_OK);
}

/**
 * host_probe() - look at the host
 * @config: effective configuration
 * @arena: holds the strings
 * @ret: receives the facts
 * @err: filled on failure
 *
 * Must run in a fiber. Takes some tens of milliseconds: programs are asked for their versions, KVM
 * is tried.
 *
 * Return: 0 or -errno.
 */
int host_probe(const struct config *config, struct arena *arena, struct host *ret, struct err *err)
{
	struct host host = { 0 };
	int r = probe_system(&host, arena);

	if (r < 0)
		return err_set_errno(err, r, "cannot look at the host");
	probe_cpu(&host, arena);
	probe_memory(&host, arena);
	host.cgroup = probe_cgroup();
	host.vhost_vsock = try_open("/dev/vhost-vsock");
	host.vhost_net = try_open("/dev/vhost-net");
	kvm_verdict_renew(KATA_DEFAULT_ROOT, &host.kvm);
	probe_programs(config, &host, arena);
	*ret = host;
	return 0;
}

/**
 * host_qemu_version() - find the version in what QEMU prints
 * @version: "QEMU emulator version 7.2.9 (Debian ...)"
 * @ret_major: receives 7
 * @ret_minor: receives 2
 *
 * Return: true when there is one.
 */
bool host_qemu_version(const char *version, unsigned *ret_major, unsigned *ret_minor)
{
	const char *p = strstr(version, "version ");

	return p && sscanf(p, "version %u.%u", ret_major, ret_minor) == 2;
}
