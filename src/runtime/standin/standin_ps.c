/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The guest's processes in the host's ps
 *
 * docker top asks for the pids of a container and looks them up in the ps(1) of the host, where a
 * guest's processes are not. While somebody asks, the container's stand-in has one child for each
 * process in the guest, with its name, arguments and user, for ps to show. The children only wait:
 * their times and memory are their own, and a signal to one does not reach the guest.
 *
 * They live in the stand-in's PID namespace and cgroup, and end with it. They have its root file
 * system, but no descriptors, no capabilities, and cannot be traced by the host's users whose
 * number they have. As everything in a stand-in, this uses no heap.
 */
#include "runtime/standin/standin_ps.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/proc_title.h"
#include "kata/standin.h"

/* A group without rights; which one the guest's process has is not told. */
#define SHOWN_GID 65534

static struct {
	struct shown {
		pid_t pid; /* the child that shows it, 0: unused */
		struct standin_process process;
	} shown[STANDIN_PROCESSES_MAX];
	size_t nr;   /* entries behind that are unused */
	long end_ms; /* on the monotonic clock */
} self;

static long now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int drop_rights(uid_t uid)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (setgroups(0, NULL) < 0 || setresgid(SHOWN_GID, SHOWN_GID, SHOWN_GID) < 0 ||
	    setresuid(uid, uid, uid) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &header, none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return 0;
}

static void take_name(const struct standin_process *process)
{
	proc_title_set(process->command, process->command_len);
	(void)prctl(PR_SET_NAME, process->comm); /* cannot fail */
}

static attr_noreturn void child_main(const struct standin_process *process)
{
	take_name(process);
	if (fd_close_from(0, NULL, 0) < 0 || drop_rights(process->uid) < 0)
		_exit(1);
	for (;;)
		(void)pause(); /* all signals are blocked */
}

static void end_one(struct shown *shown)
{
	if (!shown->pid)
		return;
	(void)kill(shown->pid, SIGKILL); /* a child that was not reaped: the number is its own */
	(void)waitpid(shown->pid, NULL, 0);
	shown->pid = 0;
}

/* Reaps a child that somebody has killed. */
static void forget_dead(struct shown *shown)
{
	if (shown->pid && waitpid(shown->pid, NULL, WNOHANG) == shown->pid)
		shown->pid = 0;
}

static bool is_sane(const struct standin_process *process)
{
	return process->command_len <= sizeof(process->command) &&
	       memchr(process->comm, '\0', sizeof(process->comm)) && process->uid != UINT_MAX;
}

static struct shown *find(const struct standin_process *process)
{
	for (size_t i = 0; i < self.nr; i++)
		if (self.shown[i].pid &&
		    memcmp(&self.shown[i].process, process, sizeof(*process)) == 0)
			return &self.shown[i];
	return NULL;
}

static struct shown *find_unused(void)
{
	for (size_t i = 0; i < self.nr; i++)
		if (!self.shown[i].pid)
			return &self.shown[i];
	return self.nr < ARRAY_SIZE(self.shown) ? &self.shown[self.nr++] : NULL;
}

/* Without a free entry or a child, ps does not show it: no harm is done. */
static void show_one(const struct standin_process *process)
{
	struct shown *shown = find(process) ? NULL : find_unused();

	if (!shown)
		return;
	shown->process = *process;
	pid_t pid = fork();
	if (pid == 0)
		child_main(&shown->process);
	shown->pid = pid > 0 ? pid : 0;
}

static bool is_listed(const struct standin_process *process, const struct standin_process *list,
		      int nr)
{
	for (int i = 0; i < nr; i++)
		if (memcmp(&list[i], process, sizeof(*process)) == 0)
			return true;
	return false;
}

static void show_all(const struct standin_process *list, int nr)
{
	for (size_t i = 0; i < self.nr; i++) {
		forget_dead(&self.shown[i]);
		if (!is_listed(&self.shown[i].process, list, nr))
			end_one(&self.shown[i]);
	}
	for (int i = 0; i < nr; i++) {
		if (!is_sane(&list[i]))
			continue;
		if (list[i].itself)
			take_name(&list[i]);
		else
			show_one(&list[i]);
	}
}

/**
 * standin_ps_show() - show these processes, and no others, for a while
 * @fd: memfd with their descriptions
 * @nr: number of them
 */
void standin_ps_show(int fd, int nr)
{
	struct stat st;
	size_t len = (size_t)nr * sizeof(struct standin_process);

	if (nr < 0 || nr > STANDIN_PROCESSES_MAX || fstat(fd, &st) < 0 || (size_t)st.st_size < len)
		return;
	const struct standin_process *list = nr ? mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0)
						: NULL;
	if (list == MAP_FAILED)
		return;
	show_all(list, nr);
	if (list)
		(void)munmap((void *)list, len);
	self.end_ms = now_ms() + STANDIN_PROCESSES_MS;
}

/**
 * standin_ps_timeout_ms() - when is standin_ps_end() due?
 *
 * Return: milliseconds from now, -1 while nothing is shown.
 */
int standin_ps_timeout_ms(void)
{
	if (!self.nr)
		return -1;
	long left = self.end_ms - now_ms();
	return left > 0 ? (int)left : 0;
}

/**
 * standin_ps_end() - show nothing any more
 */
void standin_ps_end(void)
{
	for (size_t i = 0; i < self.nr; i++)
		end_one(&self.shown[i]);
	self.nr = 0;
}
