/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PID namespace ends with its first process. Where no pause container is that process, one of the
 * agent's own is: a holder, in which orphans end up and which lives as long as the pod. Containers
 * see it, so it is a fresh program image, without the agent's memory, rights, files and file system.
 */
#include "agent/sandbox/pid_ns.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/core/agent.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"

#define HOLDER_NAME "pause" /* in a container's list of processes, where users look for it */
#define HOLDER_ROOT "/run/sandbox-ns/empty"
#define HOLDER_UID 65534

/**
 * pid_ns_is_holder() - is this program to be the holder
 * @argc: of main()
 * @argv: of main()
 *
 * Return: true when pid_ns_hold() is what to do.
 */
bool pid_ns_is_holder(int argc, char *const *argv)
{
	return argc == 1 && str_eq(argv[0], HOLDER_NAME) && getpid() == 1;
}

/**
 * pid_ns_hold() - be the first process of the namespace, until killed
 *
 * Whoever ignores SIGCHLD has no zombies, adopted ones included. All other signals of the
 * containers mean nothing to the first process of their namespace.
 */
void pid_ns_hold(void)
{
	(void)prctl(PR_SET_NAME, HOLDER_NAME);
	if (chdir(HOLDER_ROOT) == 0 && chroot(".") == 0 && setgroups(0, NULL) == 0 &&
	    setresgid(HOLDER_UID, HOLDER_UID, HOLDER_UID) == 0 &&
	    setresuid(HOLDER_UID, HOLDER_UID, HOLDER_UID) == 0 &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
	    signal(SIGCHLD, SIG_IGN) != SIG_ERR)
		for (;;)
			(void)pause();
	_exit(1);
}

static _Noreturn void run_holder(void)
{
	char name[] = HOLDER_NAME;
	char *const argv[] = { name, NULL }, *const env[] = { NULL };
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i <= STDERR_FILENO; i++)
		(void)dup2(fd, i);
	if (fd >= 0 && fd_cloexec_from(STDERR_FILENO + 1) >= 0)
		(void)execve("/proc/self/exe", argv, env);
	_exit(1);
}

/**
 * pid_ns_create() - make the namespace
 * @sandbox: sandbox without one; receives it
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int pid_ns_create(struct guest_sandbox *sandbox, struct err *err)
{
	cleanup_close int holder = -1;
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&holder,
		.exit_signal = SIGCHLD,
	};
	sigset_t all, old;
	char path[48];
	int r = io_mkdir_p(HOLDER_ROOT, 0555);

	if (r < 0)
		return err_set_errno(err, r, "make %s", HOLDER_ROOT);
	/* No handler of the agent may run in the child. It keeps them blocked. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	pid_t pid = neg_errno((pid_t)syscall(SYS_clone3, &args, sizeof(args)));
	if (pid == 0)
		run_holder();
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return err_set_errno(err, pid, "make the PID namespace of the pod");
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	sandbox->pid_fd = neg_errno(open(path, O_RDONLY | O_CLOEXEC));
	sandbox->pid_thread_fd = TAKE_FD(holder);
	return sandbox->pid_fd < 0 ? err_set_errno(err, sandbox->pid_fd, "open %s", path) : 0;
}

/**
 * pid_ns_destroy() - let the namespace go, and with it every process in it
 * @sandbox: sandbox; may be done twice
 *
 * The reaper of orphans takes the holder's status.
 */
void pid_ns_destroy(struct guest_sandbox *sandbox)
{
	if (sandbox->pid_thread_fd >= 0)
		(void)syscall(SYS_pidfd_send_signal, sandbox->pid_thread_fd, SIGKILL, NULL, 0);
	sandbox->pid_thread_fd = fd_close(sandbox->pid_thread_fd);
	sandbox->pid_fd = fd_close(sandbox->pid_fd);
}
