/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Isolation
 *
 * The proxy parses what a guest, maybe a hostile one, writes into shared memory. Should it ever be
 * taken over, the process must be worth nothing: it has the guest's memory, the sockets of the
 * guest's own connections, and no way to reach anything else. main() goes through four stages:
 *
 *   1. isolate_descriptors(): what was inherited and is not ours is closed; limits.
 *   2. isolate_namespaces(): empty mount, network, IPC and UTS namespaces; with root's help or in a
 *      user namespace.
 *   3. isolate_identity(): no root, no groups, no capabilities, never again.
 *   4. isolate_syscalls(): in isolation_seccomp.c.
 *
 * A host that denies namespaces (a container without privileges) costs a warning, for the other
 * stages still hold. Those must succeed. There is no PID namespace: it would need a child, and then
 * nobody could track the process by the pidfd of the spawn; the system calls that take pids are not
 * in the filter.
 */
#include "proxy/isolation/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "jail/identity.h"
#include "jail/root.h"

static int limit(int resource, rlim_t value, const char *what, struct err *err)
{
	struct rlimit rl = { .rlim_cur = value, .rlim_max = value };

	if (setrlimit((__rlimit_resource_t)resource, &rl) < 0)
		return err_set_errno(err, -errno, "limit %s", what);
	return 0;
}

/* As many files as all connections need, or as many as the host allows. */
static int limit_files(unsigned max_files, struct err *err)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return err_set_errno(err, -errno, "getrlimit");
	if (rl.rlim_max >= max_files || geteuid() == 0)
		return limit(RLIMIT_NOFILE, max_files, "open files", err);
	log_debug("at most %llu open files instead of %u", (unsigned long long)rl.rlim_max,
		  max_files);
	return limit(RLIMIT_NOFILE, rl.rlim_max, "open files", err);
}

/**
 * isolate_descriptors() - stage 1: close what is not ours, set limits
 * @iso: what to keep
 * @err: error
 *
 * Should: leave the descriptors of the command line, the standard ones and nothing else; forbid
 *	core dumps (they would hold guest memory) and new processes; give up gaining privileges by
 *	exec, which seccomp needs.
 * Mustn't: open anything, nor need any privilege.
 *
 * Return: 0 or -errno.
 */
int isolate_descriptors(const struct isolation *iso, struct err *err)
{
	int r = fd_close_from(STDERR_FILENO + 1, iso->keep_fds, iso->nr_keep_fds);

	if (r < 0)
		return err_set_errno(err, r, "close inherited descriptors");
	(void)umask(0077);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set_errno(err, -errno, "no_new_privs");
	r = limit_files(iso->max_files, err);
	if (r == 0)
		r = limit(RLIMIT_CORE, 0, "core dumps", err);
	return r;
}

/*
 * Makes @dir, or an empty directory, the root of this mount namespace, and the working directory. A
 * mount can be moved and entered by descriptor: the path to it need not be searchable for us.
 */
static int become_root(const char *dir)
{
	cleanup_close int fd = dir ? neg_errno(open_tree(AT_FDCWD, dir,
							 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
								 (unsigned)AT_RECURSIVE))
				   : root_empty(false);

	return fd < 0 ? fd : root_enter(fd);
}

/* One user and one group, ourselves: enough to own the namespaces. */
static int enter_user_namespace(void)
{
	char map[64];
	unsigned uid = geteuid(), gid = getegid();
	int r = neg_errno(unshare(CLONE_NEWUSER));

	if (r < 0)
		return r;
	(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	r = io_write_str_at(AT_FDCWD, "/proc/self/uid_map", map);
	if (r == 0)
		r = io_write_str_at(AT_FDCWD, "/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return r == 0 ? io_write_str_at(AT_FDCWD, "/proc/self/gid_map", map) : r;
}

static int leave_namespaces(const struct isolation *iso)
{
	int r = geteuid() == 0 ? 0 : enter_user_namespace();

	if (r == 0)
		r = neg_errno(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS));
	/* Nothing we do to mounts may travel back to the host. */
	if (r == 0)
		r = neg_errno(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	return r == 0 ? become_root(iso->ports_dir) : r;
}

/**
 * isolate_namespaces() - stage 2: a world without files, network and neighbours
 * @iso: which directory to keep
 * @err: error
 *
 * Should: leave ports_dir, or nothing, as the whole file system; leave no network interface, no
 *	abstract socket, no System V object; work for root and for ordinary users.
 * Mustn't: touch the host's mounts; fail on a host that forbids namespaces.
 *
 * Return: 0, or -errno when not even the directory of the ports can be entered.
 */
int isolate_namespaces(const struct isolation *iso, struct err *err)
{
	int r;

	if (iso->ports_dir && chdir(iso->ports_dir) < 0)
		return err_set_errno(err, -errno, "directory %s", iso->ports_dir);
	struct isolation here = *iso;
	here.ports_dir = iso->ports_dir ? "." : NULL;
	r = leave_namespaces(&here);
	if (r < 0)
		log_warn_errno(
			r,
			"no namespaces of its own, isolated by identity and system call filter only");
	return 0;
}

/**
 * isolate_identity() - stage 3: nobody in particular
 * @iso: whom root becomes
 * @err: error
 *
 * Should: leave no capability in any set and no identity that owns files; be invisible to
 *	debuggers; still die with the parent, which the kernel forgets when the user changes.
 * Mustn't: leave a way back to root.
 *
 * Return: 0 or -errno.
 */
int isolate_identity(const struct isolation *iso, struct err *err)
{
	const struct identity id = { .uid = iso->uid, .gid = iso->gid };
	pid_t parent = getppid();
	int death = 0;

	int r = identity_assume(&id, err);
	if (r == 0)
		r = limit(RLIMIT_NPROC, 0, "processes", err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set_errno(err, -errno, "forbid debuggers");
	/* It may have died in between; then nobody would send the signal. */
	if (prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0) == 0 && death && getppid() != parent)
		return err_set(err, ECHILD, "the parent is gone");
	return 0;
}
