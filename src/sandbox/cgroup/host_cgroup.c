/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host cgroups by plain file operations, and by systemd's leave where it manages them. See
 * cgroups(7) and the kernel's admin-guide/cgroup-v1 and cgroup-v2.
 */
#include "sandbox/cgroup/host_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "sandbox/cgroup/systemd_scope.h"

#define HOST_CGROUP_REMOVE_MS 2000
/* A stand-in ends by itself when it is told to. */
#define HOST_CGROUP_OTHERS_MS 300
#define HOST_CGROUP_RETRY_MS 5
#define HOST_CGROUP_MOVE_ROUNDS 16
#define HOST_CGROUP_PROCS_MAX (1UL << 20)
/* Where the controllers are version 1's, version 2 is there for systemd to see processes go. */
#define HOST_CGROUP_BARE "unified"

static int plan_hierarchy(struct host_cgroup *cg, struct arena *arena, const char *mount_point,
			  const char *controllers, const char *path)
{
	size_t i = cg->nr;

	if (i == HOST_CGROUP_MAX)
		return -E2BIG;
	cg->dirs[i] = arena_printf(arena, "%s/%s", mount_point, path + (*path == '/'));
	cg->controllers[i] = arena_strdup(arena, controllers);
	cg->procs_fds[i] = -1;
	if (!cg->dirs[i] || !cg->controllers[i])
		return -ENOMEM;
	cg->nr++;
	return 0;
}

static bool is_cgroup(const struct mountinfo_entry *mount)
{
	return str_eq(mount->fstype, "cgroup") || str_eq(mount->fstype, "cgroup2");
}

/* A hierarchy is one device, however often it is mounted: the first one counts. */
static bool is_repeated(const struct mountinfo *mounts, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (is_cgroup(&mounts->entries[i]) &&
		    str_eq(mounts->entries[i].device, mounts->entries[nr].device))
			return true;
	return false;
}

static int plan_mount(struct host_cgroup *cg, struct arena *arena,
		      const struct mountinfo_entry *mount, const char *path, const char *want_v2)
{
	if (str_eq(mount->fstype, "cgroup2"))
		return want_v2 ? plan_hierarchy(cg, arena, mount->mount_point, want_v2, path) : 0;
	if (want_v2)
		return 0;
	/* Super options: "rw,cpu,cpuacct" or "rw,name=systemd". */
	const char *controllers = strchr(mount->super_options, ',');
	return plan_hierarchy(cg, arena, mount->mount_point, controllers ? controllers + 1 : "",
			      path);
}

/* @want_v2: what its hierarchy has for controllers, NULL for those of version 1. */
static int plan_all(struct host_cgroup *cg, struct arena *arena, const struct mountinfo *mounts,
		    const char *path, const char *want_v2)
{
	int r = 0;

	for (size_t i = 0; i < mounts->nr && r >= 0; i++)
		if (is_cgroup(&mounts->entries[i]) && !is_repeated(mounts, i))
			r = plan_mount(cg, arena, &mounts->entries[i], path, want_v2);
	return r;
}

/**
 * host_cgroup_plan_on() - decide where the cgroup is, on a host that is described
 * @host: what it has mounted, and whether systemd runs it
 * @cgroups_path: linux.cgroupsPath; NULL or "": none is wanted
 * @systemd: it is slice:prefix:name
 * @arena: holds the strings
 * @ret: receives the plan, empty when none is wanted or the host has no cgroups
 * @err: filled on failure
 *
 * A version 1 host may have version 2 mounted as well, without controllers; then version 1 is what
 * counts. containerd's Task API does not say @systemd: there the form of the path does, and where
 * systemd does not run it names directories only.
 *
 * Return: 0 or -errno.
 */
int host_cgroup_plan_on(const struct host_cgroup_host *host, const char *cgroups_path, bool systemd,
			struct arena *arena, struct host_cgroup *ret, struct err *err)
{
	struct host_cgroup cg = HOST_CGROUP_NULL;
	struct systemd_scope *scope = NULL;
	const char *path = cgroups_path;

	*ret = cg;
	if (str_empty(cgroups_path))
		return 0;
	if (systemd && !host->systemd)
		return err_set(err, EOPNOTSUPP,
			       "systemd does not run on this host, so its cgroup driver cannot be "
			       "used for '%s'",
			       cgroups_path);
	if (systemd || (strchr(cgroups_path, ':') && *cgroups_path != '/')) {
		int r = systemd_scope_parse(cgroups_path, arena, &scope, err);
		if (r < 0)
			return r;
		path = scope->path;
	}
	if (strstr(path, "..") || str_eq(path, "/"))
		return err_set(err, EINVAL, "linux.cgroupsPath '%s' is not allowed", cgroups_path);
	int r = plan_all(&cg, arena, host->mounts, path, NULL);
	bool v2 = !cg.nr;
	if (r >= 0 && (v2 || (scope && host->systemd)))
		r = plan_all(&cg, arena, host->mounts, path, v2 ? "" : HOST_CGROUP_BARE);
	if (r < 0)
		return err_set_errno(err, r, "find host cgroups");
	if (scope && host->systemd && cg.nr) {
		cg.scope = scope;
		scope->v2 = v2;
	}
	*ret = cg;
	return 0;
}

/**
 * host_cgroup_plan() - decide where the cgroup is, on this host
 * @cgroups_path: linux.cgroupsPath; NULL or "": none is wanted
 * @systemd: it is slice:prefix:name
 * @arena: holds the strings
 * @ret: receives the plan, see host_cgroup_plan_on()
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int host_cgroup_plan(const char *cgroups_path, bool systemd, struct arena *arena,
		     struct host_cgroup *ret, struct err *err)
{
	cleanup_mountinfo struct mountinfo mounts = MOUNTINFO_NULL;
	int r = mountinfo_read(&mounts);

	if (r < 0)
		return err_set_errno(err, r, "find host cgroups");
	/* As sd_booted(3) finds out. */
	const struct host_cgroup_host host = { &mounts, faccessat(AT_FDCWD, "/run/systemd/system/",
								  F_OK, AT_SYMLINK_NOFOLLOW) == 0 };
	return host_cgroup_plan_on(&host, cgroups_path, systemd, arena, ret, err);
}

/* Of what is above a cgroup, the freezer: version 1 tells of it in every group below. */
static bool is_frozen(const char *dir, bool v2)
{
	cleanup_free char *text = NULL;
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, v2 ? "cgroup.freeze" : "freezer.state");
	return io_read_file_at(AT_FDCWD, path, 32, &text) > 0 &&
	       (v2 ? text[0] == '1' : strncmp(text, "THAWED", 6) != 0);
}

static int check_tree(char *dir, bool v2, struct err *err)
{
	for (char *slash = dir + strlen(dir); slash > dir; slash = strrchr(dir, '/')) {
		*slash = '\0';
		if (is_frozen(dir, v2))
			return err_set(err, EBUSY, "the cgroup %s is frozen", dir);
	}
	return 0;
}

static bool is_v2(const struct host_cgroup *cg, size_t i)
{
	return !*cg->controllers[i] || str_eq(cg->controllers[i], HOST_CGROUP_BARE);
}

/**
 * host_cgroup_check_thawed() - refuse a cgroup in which nothing would run
 * @cg: plan; the cgroup itself need not be there
 * @err: names the frozen one of it and its parents
 *
 * Return: 0, -EBUSY or -ENOMEM.
 */
int host_cgroup_check_thawed(const struct host_cgroup *cg, struct err *err)
{
	for (size_t i = 0; i < cg->nr; i++) {
		cleanup_free char *dir = strdup(cg->dirs[i]);
		int r = dir ? check_tree(dir, is_v2(cg, i), err)
			    : err_set_errno(err, -ENOMEM, "%s", cg->dirs[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * host_cgroup_thaw() - let go on what somebody has frozen here, for it cannot end otherwise
 * @cg: cgroup
 *
 * What is frozen above it is not this cgroup's to thaw.
 */
void host_cgroup_thaw(const struct host_cgroup *cg)
{
	for (size_t i = 0; i < cg->nr; i++) {
		bool v2 = is_v2(cg, i);
		char path[600];

		if (!is_frozen(cg->dirs[i], v2))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", cg->dirs[i],
			       v2 ? "cgroup.freeze" : "freezer.state");
		int r = io_write_str_at(AT_FDCWD, path, v2 ? "0" : "THAWED");
		if (r < 0)
			log_warn_errno(r, "thaw %s", cg->dirs[i]);
	}
}

/* A new cpuset has no CPUs and accepts no process; version 2 inherits by itself. */
static void inherit_cpuset(const char *dir)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_free char *own = NULL, *parents = NULL;
		char path[600], parent[600];

		(void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		(void)snprintf(parent, sizeof(parent), "%s/../%s", dir, files[i]);
		if (io_read_file_at(AT_FDCWD, path, 4096, &own) > 1 ||
		    io_read_file_at(AT_FDCWD, parent, 4096, &parents) <= 0)
			continue;
		/* A failure shows when the first process cannot join. */
		(void)io_write_str_at(AT_FDCWD, path, parents);
	}
}

/* Version 2: a controller works in a group only when every parent passes it on. */
static void enable_controllers(const char *parent)
{
	static const char *const names[] = { "+cpu",  "+cpuset", "+memory",
					     "+pids", "+io",	 "+hugetlb" };
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", parent);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)io_write_str_at(AT_FDCWD, path,
				      names[i]); /* one this host lacks is not missed */
}

static int make_dirs(const char *dir, const char *controllers)
{
	cleanup_free char *copy = strdup(dir);
	bool cpuset = strstr(controllers, "cpuset");

	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		if (cpuset)
			inherit_cpuset(copy);
		if (c && !*controllers)
			enable_controllers(copy);
		*p = c;
		if (!c)
			return 0;
	}
}

/**
 * host_cgroup_settle() - let the cgroup live by the processes that were added
 * @cg: cgroup
 */
void host_cgroup_settle(struct host_cgroup *cg)
{
	if (cg->scope)
		systemd_scope_release(cg->scope);
}

/**
 * host_cgroup_add() - move a process in
 * @cg: cgroup
 * @pid: process
 *
 * Return: 0 or the first -errno.
 */
int host_cgroup_add(struct host_cgroup *cg, pid_t pid)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", (int)pid);

	for (size_t i = 0; i < cg->nr; i++)
		if (write(cg->procs_fds[i], text, (size_t)len) < 0)
			return -errno;
	return 0;
}

/* Rounds, since a process may fork while the list is read. */
static int move_processes(const char *dir, int procs_fd)
{
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	for (unsigned round = 0; round < HOST_CGROUP_MOVE_ROUNDS; round++) {
		cleanup_free char *pids = NULL;
		char *save = NULL;
		ssize_t n = io_read_file_at(AT_FDCWD, path, HOST_CGROUP_PROCS_MAX, &pids);

		if (n <= 0)
			return (int)n;
		for (char *pid = strtok_r(pids, "\n", &save); pid;
		     pid = strtok_r(NULL, "\n", &save))
			if (write(procs_fd, pid, strlen(pid)) < 0 && errno != ESRCH)
				return -errno;
	}
	return -EBUSY;
}

/**
 * host_cgroup_move() - move all processes of one cgroup to another
 * @from: cgroup
 * @to: cgroup that was created, on the same hierarchies
 * @err: names the directory that failed
 *
 * Return: 0 or -errno.
 */
int host_cgroup_move(const struct host_cgroup *from, struct host_cgroup *to, struct err *err)
{
	for (size_t i = 0; i < MIN(from->nr, to->nr); i++) {
		int r = move_processes(from->dirs[i], to->procs_fds[i]);

		if (r < 0)
			return err_set_errno(err, r, "empty cgroup %s", from->dirs[i]);
	}
	return 0;
}

/**
 * host_cgroup_close() - close what is open; the cgroup stays
 * @cg: cgroup
 */
void host_cgroup_close(struct host_cgroup *cg)
{
	host_cgroup_settle(cg);
	for (size_t i = 0; i < cg->nr; i++)
		cg->procs_fds[i] = fd_close(cg->procs_fds[i]);
}

/* Version 2's tree is systemd's; of version 1's it makes those of the controllers it knows. */
static int open_procs(struct host_cgroup *cg, struct err *err)
{
	for (size_t i = 0; i < cg->nr; i++) {
		char path[600];
		int r = cg->scope && is_v2(cg, i) ? 0 : make_dirs(cg->dirs[i], cg->controllers[i]);

		if (r < 0)
			return err_set_errno(err, r, "create cgroup %s", cg->dirs[i]);
		(void)snprintf(path, sizeof(path), "%s/cgroup.procs", cg->dirs[i]);
		cg->procs_fds[i] = neg_errno(open(path, O_WRONLY | O_CLOEXEC));
		if (cg->procs_fds[i] < 0)
			return err_set_errno(err, cg->procs_fds[i], "open %s", path);
	}
	return 0;
}

/**
 * host_cgroup_create() - make the planned cgroup
 * @cg: plan
 * @resources: its limits, see host_cgroup_limit()
 * @err: names what failed
 *
 * systemd keeps a scope only while there are processes in it: until host_cgroup_settle() there is
 * one.
 *
 * Return: 0 or -errno; close with host_cgroup_close() either way.
 */
int host_cgroup_create(struct host_cgroup *cg, const struct oci_resources *resources,
		       struct err *err)
{
	int r = cg->scope ? systemd_scope_start(cg->scope, resources, err) : 0;

	if (r >= 0)
		r = open_procs(cg, err);
	return r < 0 ? r : host_cgroup_write(cg, resources, err);
}

#define FLAG_EXITING 0x4 /* PF_EXITING, field 9 of proc_pid_stat(5) */

/* Neither on its way out nor just killed. */
static bool goes_on(const char *pid)
{
	cleanup_free char *stat = NULL, *status = NULL;
	unsigned long long pending = 0;
	char path[64], state = 'X';
	unsigned flags = 0;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	if (io_read_file_at(AT_FDCWD, path, 4096, &stat) <= 0)
		return false;
	const char *p = strrchr(stat, ')');
	if (!p || sscanf(p + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%s/status", pid);
	if (io_read_file_at(AT_FDCWD, path, 64 * 1024, &status) > 0 &&
	    (p = strstr(status, "\nShdPnd:")))
		(void)sscanf(p + 8, "%llx", &pending);
	return !strchr("ZX", state) && !(flags & FLAG_EXITING) &&
	       !(pending & (1ULL << (SIGKILL - 1)));
}

/* Somebody else's processes live in it: another container's with the same path, say. */
static bool is_in_use(const char *dir)
{
	cleanup_free char *pids = NULL;
	char path[600], *save = NULL;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	if (io_read_file_at(AT_FDCWD, path, HOST_CGROUP_PROCS_MAX, &pids) <= 0)
		return false;
	for (char *pid = strtok_r(pids, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save))
		if (goes_on(pid))
			return true;
	return false;
}

static int remove_dir(const char *dir, uint64_t patient_ns, uint64_t deadline_ns)
{
	while (rmdir(dir) < 0) {
		if (errno == ENOENT)
			return 0;
		if (errno == EBUSY && loop_now_ns() >= patient_ns && is_in_use(dir)) {
			log_debug("%s stays: others are in it", dir);
			return 0;
		}
		if (errno != EBUSY || loop_now_ns() >= deadline_ns)
			return -errno;
		/* There is no event for "the last process has left" that works on version 1. */
		int r = fiber_sleep_until(loop_deadline_ms(HOST_CGROUP_RETRY_MS));
		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * host_cgroup_remove_dirs() - remove a cgroup from every hierarchy
 * @dirs: its directories
 * @nr: number of them
 *
 * Where others live in it, it stays: it is the last one's to remove.
 *
 * Return: 0 also when it was gone, or the first -errno.
 */
int host_cgroup_remove_dirs(char *const *dirs, size_t nr)
{
	uint64_t patient_ns = loop_deadline_ms(HOST_CGROUP_OTHERS_MS);
	uint64_t deadline_ns = loop_deadline_ms(HOST_CGROUP_REMOVE_MS);
	int first = 0;

	for (size_t i = 0; i < nr; i++) {
		int r = remove_dir(dirs[i], patient_ns, deadline_ns);

		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

/**
 * host_cgroup_remove() - remove a cgroup that was made
 * @cg: cgroup, closed
 * @err: filled on failure
 *
 * Return: 0 also when it was gone, or -errno.
 */
int host_cgroup_remove(const struct host_cgroup *cg, struct err *err)
{
	int r = cg->scope ? systemd_scope_stop(cg->scope->name, err) : 0;

	if (r < 0)
		return r;
	r = host_cgroup_remove_dirs(cg->dirs, cg->nr);
	return r < 0 ? err_set_errno(err, r, "remove cgroup %s", cg->dirs[0]) : 0;
}
