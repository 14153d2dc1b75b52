/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Shadows
 *
 * docker top asks for the pids of a container and looks them up in the ps(1) of the host, where a
 * guest's processes are not. While somebody asks, the container's stand-in has a child for each of
 * them, with the name, the arguments and the user of the process in the guest. It does nothing else:
 * its times and memory are its own, and a signal to it is for it alone.
 *
 * Shadows live in the stand-in's PID namespace and cgroup, and end with it. They have its root file
 * system, but no descriptors, no capabilities, and cannot be traced by the host's users whose number
 * they have. As everything in a stand-in, this uses no heap.
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
#include "kata/standin.h"
#include "runtime/standin/proctitle.h"

/* A group without rights; which one the guest's process has is not told. */
#define SHADOW_GID 65534

static struct {
	struct shadow {
		pid_t pid; /* 0: unused */
		struct standin_process process;
	} shadows[STANDIN_PROCESSES_MAX];
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

	if (setgroups(0, NULL) < 0 || setresgid(SHADOW_GID, SHADOW_GID, SHADOW_GID) < 0 ||
	    setresuid(uid, uid, uid) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &header, none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return 0;
}

static void take_name(const struct standin_process *process)
{
	proctitle_set(process->command, process->command_len);
	(void)prctl(PR_SET_NAME, process->comm); /* cannot fail */
}

static attr_noreturn void be_shadow(const struct standin_process *process)
{
	take_name(process);
	if (fd_close_from(0, NULL, 0) < 0 || drop_rights(process->uid) < 0)
		_exit(1);
	for (;;)
		(void)pause(); /* all signals are blocked */
}

static void end_one(struct shadow *shadow)
{
	if (!shadow->pid)
		return;
	(void)kill(shadow->pid, SIGKILL); /* a child that was not reaped: the number is its own */
	(void)waitpid(shadow->pid, NULL, 0);
	shadow->pid = 0;
}

/* Somebody may have killed it. */
static void forget_dead(struct shadow *shadow)
{
	if (shadow->pid && waitpid(shadow->pid, NULL, WNOHANG) == shadow->pid)
		shadow->pid = 0;
}

static bool is_sane(const struct standin_process *process)
{
	return process->command_len <= sizeof(process->command) &&
	       memchr(process->comm, '\0', sizeof(process->comm)) && process->uid != UINT_MAX;
}

static struct shadow *find(const struct standin_process *process)
{
	for (size_t i = 0; i < self.nr; i++)
		if (self.shadows[i].pid &&
		    memcmp(&self.shadows[i].process, process, sizeof(*process)) == 0)
			return &self.shadows[i];
	return NULL;
}

static struct shadow *find_unused(void)
{
	for (size_t i = 0; i < self.nr; i++)
		if (!self.shadows[i].pid)
			return &self.shadows[i];
	return self.nr < ARRAY_SIZE(self.shadows) ? &self.shadows[self.nr++] : NULL;
}

/* What cannot be shown is missing in the answer. */
static void show_one(const struct standin_process *process)
{
	struct shadow *shadow = find(process) ? NULL : find_unused();

	if (!shadow)
		return;
	shadow->process = *process;
	pid_t pid = fork();
	if (pid == 0)
		be_shadow(&shadow->process);
	shadow->pid = pid > 0 ? pid : 0;
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
		forget_dead(&self.shadows[i]);
		if (!is_listed(&self.shadows[i].process, list, nr))
			end_one(&self.shadows[i]);
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
		end_one(&self.shadows[i]);
	self.nr = 0;
}
