/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes. The parent keeps every child unreaped until it asked for the status, so a pid
 * cannot be reused behind a pidfd that is being opened.
 */
#include "common/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/securebits.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/starter.h"
#include "common/str.h"

/*
 * Descriptors are first moved above every target, then to their targets, so that none is
 * overwritten on the way.
 */
#define PROC_FD_PARK 200
#define PROC_FDS_MAX 64
#define PROC_END_MS 1000
#define PROC_START_MS 10000

/* What the child reports when it could not become the program. */
struct child_failure {
	int errnum;
	bool told; /* @step says why, too */
	char step[256];
};

static void attr_noreturn child_report(int report, int errnum, bool told, const char *step)
{
	struct child_failure failure = { .errnum = errnum, .told = told };

	(void)snprintf(failure.step, sizeof(failure.step), "%s", step);
	(void)io_write_full(report, &failure,
			    sizeof(failure)); /* the parent sees the early end anyway */
	_exit(127);
}

static void attr_noreturn child_fail(int report, const char *step)
{
	child_report(report, errno, false, step);
}

/* Returns the report's new descriptor. */
static int child_place_fds(const struct proc_spec *spec, int report)
{
	int parked[PROC_FDS_MAX];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		child_fail(report, "open /dev/null");
	for (size_t i = 0; i < spec->nr_fds; i++) {
		parked[i] = fcntl(spec->fds[i].fd, F_DUPFD_CLOEXEC, PROC_FD_PARK);
		if (parked[i] < 0)
			child_fail(report, "dup");
	}
	null = fcntl(null, F_DUPFD_CLOEXEC, PROC_FD_PARK);
	report = fcntl(report, F_DUPFD_CLOEXEC, PROC_FD_PARK);
	if (fd_cloexec_from(3) < 0)
		child_fail(report, "close_range");
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null, fd) < 0)
			child_fail(report, "dup2");
	for (size_t i = 0; i < spec->nr_fds; i++)
		if (dup2(parked[i], spec->fds[i].target) < 0)
			child_fail(report, "dup2");
	return report;
}

/* Closes the pipe of the report with the rest; the parent reads its end as success. */
static void attr_noreturn child_run(const struct proc_spec *spec, int report)
{
	int first = 3;

	for (size_t i = 0; i < spec->nr_fds; i++)
		first = MAX(first, spec->fds[i].target + 1);
	if (fd_close_from(first, NULL, 0) < 0)
		child_fail(report, "close_range");
	_exit(spec->run(spec->run_arg));
}

static void child_reset_signals(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	for (int signo = 1; signo < NSIG; signo++)
		(void)signal(signo,
			     /* fails for SIGKILL and SIGSTOP, which have no handler to reset */
			     SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_limit_caps(uint64_t caps, int report)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2];

	/*
	 * Fails without CAP_SETPCAP. Then they stay in the bounding set only, from which a user
	 * other than root gets nothing at its exec.
	 */
	for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (!(caps >> cap & 1))
			(void)prctl(PR_CAPBSET_DROP, cap);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capget, &header, sets) < 0)
		child_fail(report, "limit capabilities");
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		sets[i].permitted &= (uint32_t)(caps >> (32 * i));
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, sets) < 0)
		child_fail(report, "limit capabilities");
}

/*
 * The parent may have gone before the signal was armed. It alone has the other end of the report; a
 * number would say nothing, for in a pid namespace of its own a child has no parent.
 */
static void child_check_parent(int report)
{
	struct pollfd pfd = { .fd = report };

	if (poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLERR))
		_exit(127);
}

static void child_confine(const struct proc_spec *spec, int report)
{
	struct err err = ERR_NULL;
	int r = spec->confine(spec->confine_arg, &err);

	if (r < 0)
		child_report(report, -r, true, err.text);
	if (spec->die_with_parent)
		child_check_parent(report);
}

/**
 * proc_child_main() - be the child of proc_spawn()
 * @spec: what and how
 * @report: pipe on which a failure is reported
 */
void attr_noreturn proc_child_main(const struct proc_spec *spec, int report)
{
	child_reset_signals();
	if (spec->die_with_parent) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			child_fail(report, "prctl");
		child_check_parent(report);
	}
	if (spec->new_session && setsid() < 0)
		child_fail(report, "setsid");
	for (size_t i = 0; i < spec->nr_cgroup_fds; i++)
		if (write(spec->cgroup_fds[i], "0", 1) < 0)
			child_fail(report, "join cgroup");
	if (spec->netns_fd >= 0 && setns(spec->netns_fd, CLONE_NEWNET) < 0)
		child_fail(report, "join network namespace");
	if (spec->cwd && chdir(spec->cwd) < 0)
		child_fail(report, "chdir");
	/* Fails for a process without capabilities, which has none to keep. */
	if (spec->keep_caps)
		(void)prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
	report = child_place_fds(spec, report);
	if (spec->caps)
		child_limit_caps(*spec->caps, report);
	if (spec->confine)
		child_confine(spec, report);
	if (spec->run)
		child_run(spec, report);
	if (spec->envp)
		(void)execve(spec->path, spec->argv, spec->envp);
	else
		(void)execv(spec->path, spec->argv);
	child_fail(report, "exec");
}

/* Into new namespaces without the C library, whose fork() has no such thing. */
static pid_t start_child(const struct proc_spec *spec, const int reports[2])
{
	if (starter_is_for(spec))
		return starter_start(spec, reports[1]);
	pid_t pid = spec->namespaces ? (pid_t)syscall(SYS_clone, spec->namespaces | SIGCHLD, NULL,
						      NULL, NULL, NULL)
				     : fork();
	if (pid != 0)
		return neg_errno(pid);
	(void)close(reports[0]);
	proc_child_main(spec, reports[1]);
}

/*
 * What a child does before its exec takes no time, but a cgroup that is frozen stops it there. Other
 * fibers run meanwhile only where there is a cgroup: in the guest's PID 1, the reaper would be
 * faster than whoever is to watch the child.
 */
static int await_report(const struct proc_spec *spec, int report)
{
	uint64_t deadline_ns = loop_deadline_ms(PROC_START_MS);

	if (fiber_self() && spec->nr_cgroup_fds)
		return fiber_wait_fd(report, LOOP_READ, deadline_ns);
	return fd_poll_until(report, POLLIN, deadline_ns);
}

static int end_stuck(const struct proc_spec *spec, struct proc *proc, int r, struct err *err)
{
	proc_end_fiber(proc);
	if (r == -ETIMEDOUT)
		return err_set(err, ETIMEDOUT, "%s did not start within %d s%s", spec->path,
			       PROC_START_MS / 1000,
			       spec->nr_cgroup_fds ? ": is its cgroup frozen?" : "");
	return err_set_errno(err, r, "wait for %s to start", spec->path);
}

/**
 * proc_spawn() - start a program, or a function of this one
 * @spec: what and how; netns_fd must be -1 when not used
 * @ret: receives the process; released with proc_deinit()
 * @err: says which step failed
 *
 * Returns after the program has been executed or could not be. Short blocking, no fiber needed; in
 * one, a child that joins cgroups is waited for as fibers wait.
 *
 * Return: 0, -ETIMEDOUT when it does not start within seconds, -ECANCELED, or -errno.
 */
int proc_spawn(const struct proc_spec *spec, struct proc *ret, struct err *err)
{
	struct child_failure failure;
	int report[2];

	if (spec->nr_fds > PROC_FDS_MAX)
		return err_set(err, E2BIG, "%s: too many descriptors", spec->path);
	if (pipe2(report, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "pipe");
	pid_t pid = start_child(spec, report);
	(void)close(report[1]);
	cleanup_close int reports = report[0];
	if (pid < 0)
		return err_set_errno(err, pid, "%s: fork", spec->path);
	struct proc proc = { .pid = pid, .pidfd = proc_open_pidfd(pid) };
	if (proc.pidfd < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0); /* our child, just killed: cannot fail nor last */
		return err_set_errno(err, proc.pidfd, "pidfd_open");
	}
	int r = await_report(spec, reports);
	if (r < 0)
		return end_stuck(spec, &proc, r, err);
	if (io_read_full(reports, &failure, sizeof(failure)) < 0) {
		*ret = proc;
		return 0;
	}
	(void)waitpid(pid, NULL, 0); /* the child has ended by itself */
	proc_deinit(&proc);
	failure.step[sizeof(failure.step) - 1] = '\0';
	if (failure.told)
		return err_set(err, failure.errnum, "%s: %s", spec->path, failure.step);
	return err_set_errno(err, -failure.errnum, "%s: %s", spec->path, failure.step);
}

/**
 * proc_deinit() - forget a process; it is not killed
 * @proc: process or PROC_NULL; is PROC_NULL afterwards
 */
void proc_deinit(struct proc *proc)
{
	(void)fd_close(proc->pidfd);
	*proc = PROC_NULL;
}

/**
 * proc_signal() - send a signal
 * @proc: process
 * @signo: signal
 *
 * Return: 0, -ESRCH when it has ended or there is none, or -errno.
 */
int proc_signal(const struct proc *proc, int signo)
{
	if (proc->pidfd < 0)
		return -ESRCH;
	return neg_errno(syscall(SYS_pidfd_send_signal, proc->pidfd, signo, NULL, 0));
}

/**
 * proc_open_pidfd() - pidfd_open(2)
 * @pid: process
 *
 * Return: the descriptor (close-on-exec by the kernel's own rule) or -errno.
 */
int proc_open_pidfd(pid_t pid)
{
	return neg_errno(syscall(SYS_pidfd_open, pid, 0));
}

/**
 * proc_wait_fiber() - wait for the end and reap
 * @proc: process started by proc_spawn(); is PROC_NULL after success
 * @deadline_ns: absolute time
 * @ret_wstatus: receives the status in waitpid(2)'s form; may be NULL
 *
 * Return: 0, -ESRCH when there is none, -ETIMEDOUT, -ECANCELED.
 */
int proc_wait_fiber(struct proc *proc, uint64_t deadline_ns, int *ret_wstatus)
{
	if (proc->pidfd < 0)
		return -ESRCH;
	int r = fiber_wait_pidfd(proc->pidfd, deadline_ns, ret_wstatus);
	if (r >= 0)
		proc_deinit(proc);
	return r;
}

/**
 * proc_end_fiber() - kill a process that is not to live longer, and reap it
 * @proc: process or PROC_NULL; is PROC_NULL afterwards
 *
 * In a fiber or outside; a cancellation does not disturb it. What the kernel cannot end
 * in a second is left behind as a zombie to be.
 */
void proc_end_fiber(struct proc *proc)
{
	if (proc->pidfd < 0)
		return;
	(void)proc_signal(proc, SIGKILL); /* fails only when it has ended */
	if (fiber_self()) {
		bool mask = fiber_mask_cancel(true);

		(void)proc_wait_fiber(proc, loop_deadline_ms(PROC_END_MS), NULL);
		(void)fiber_mask_cancel(mask);
	} else if (fd_poll_until(proc->pidfd, POLLIN, loop_deadline_ms(PROC_END_MS)) == 0) {
		(void)waitid(P_PIDFD, (id_t)proc->pidfd, &(siginfo_t){ 0 }, WEXITED);
	}
	proc_deinit(proc);
}

/**
 * proc_start_time() - when a process began, to tell it from a later one with its pid
 * @pid: process
 * @ret_ticks: clock ticks since boot, field 22 of proc_pid_stat(5)
 *
 * Return: 0, -ESRCH, or -errno.
 */
int proc_start_time(pid_t pid, uint64_t *ret_ticks)
{
	cleanup_free char *stat = NULL;
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	ssize_t n = io_read_file_at(AT_FDCWD, path, 4096, &stat);
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	char *p = strrchr(stat, ')'); /* the name before it may hold blanks and parentheses */
	if (!p)
		return -EINVAL;
	char *save = NULL, *word = strtok_r(p + 1, " ", &save); /* field 3 */
	for (int field = 3; word && field < 22; field++)
		word = strtok_r(NULL, " ", &save);
	return word ? str_to_u64(word, ret_ticks) : -EINVAL;
}

/**
 * proc_open_same() - pidfd_open(2) of a process that is known by pid and start
 * @pid: process
 * @start_ticks: what proc_start_time() said of it
 *
 * Return: the descriptor, -ESRCH when it is not that one any more, or -errno.
 */
int proc_open_same(pid_t pid, uint64_t start_ticks)
{
	uint64_t now;
	int fd = proc_open_pidfd(pid);

	if (fd < 0)
		return fd;
	/* Compared after the descriptor was opened: it stays with the process that is compared. */
	int r = proc_start_time(pid, &now);
	if (r == 0 && now == start_ticks)
		return fd;
	(void)close(fd); /* a pidfd */
	return r < 0 ? r : -ESRCH;
}

/**
 * proc_exit_code() - a wait status as a shell's number
 * @wstatus: status in waitpid(2)'s form
 *
 * Return: 0-255, 128 + signal for a process that was killed.
 */
int proc_exit_code(int wstatus)
{
	return WIFSIGNALED(wstatus) ? 128 + WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
}

/**
 * proc_watch_spawned() - tell who watches that a child is there
 * @watch: who, NULL: nobody
 * @proc: the child, just started
 */
void proc_watch_spawned(const struct proc_watch *watch, const struct proc *proc)
{
	if (watch)
		watch->spawned(watch->arg, proc->pid);
}

/**
 * proc_watch_reaped() - tell who watches that nobody waits for the child any longer
 * @watch: who, NULL: nobody
 */
void proc_watch_reaped(const struct proc_watch *watch)
{
	if (watch)
		watch->reaped(watch->arg);
}
