/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Theory of operation
 *
 * A process that appears in the PID namespace of a running container can be stopped, read and
 * changed there by who has CAP_SYS_PTRACE, from its first instruction on. So it may have nothing
 * then that the container has not: no rights, no files and no memory of the agent's, and the filter
 * is in force. All of that is prepared by a process outside of the namespace, which nobody in there
 * has a number for. It has joined everything else, and forks the program's process into the
 * namespace as a sibling (CLONE_PARENT): the agent is its parent, too.
 *
 *	agent			in all namespaces but one	in the PID namespace
 *	  clone3 ------------->	  user, capabilities, filter
 *				  clone ----------------------->  setsid, terminal, execve
 *	  reaps it <-----------	  exit
 *	  watches the child that is noted on the shared page
 *
 * The kernel notes the child's number on a page that agent and first process share and the child
 * does not have. The first process makes no system call behind the filter but those that the key of
 * attr/seccomp_key.c lets pass, and its exit.
 */
#include "agent/container/birth.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/attr/seccomp_key.h"
#include "agent/container/launch.h"
#include "agent/container/memory.h"
#include "agent/container/program.h"
#include "agent/container/sync.h"
#include "common/str.h"

#define PAGE_SIZE 4096

struct birth {
	pid_t pid; /* of the child as the agent counts; 0: not born */
};

/* All that the child has of what was planned: one mapping. */
struct capsule {
	struct seccomp_key key;
	int sync_fd;
	bool terminal;
	bool has_nproc;
	struct rlimit nproc;
	char *path, **args, **env;
	char strings[];
};

/**
 * birth_new() - the page on which a birth is noted
 * @ret: receives it, to be known to the child; freed with birth_free()
 *
 * Return: 0 or -errno.
 */
int birth_new(struct birth **ret)
{
	void *page =
		mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	*ret = page;
	return 0;
}

/**
 * birth_free() - release the page
 * @birth: page or NULL
 *
 * Return: NULL.
 */
struct birth *birth_free(struct birth *birth)
{
	if (birth)
		(void)munmap(birth, PAGE_SIZE);
	return NULL;
}

/**
 * birth_pid() - who was born
 * @birth: page, whose writer has ended
 *
 * Return: its number, or 0 when nobody was.
 */
pid_t birth_pid(const struct birth *birth)
{
	return birth->pid;
}

static size_t size_of(char *const *list, size_t *ret_nr)
{
	size_t size = 0;

	for (*ret_nr = 0; list[*ret_nr]; (*ret_nr)++)
		size += strlen(list[*ret_nr]) + 1;
	return size + (*ret_nr + 1) * sizeof(*list);
}

static char *copy_string(char **at, const char *text)
{
	char *copy = *at;

	*at = stpcpy(copy, text) + 1;
	return copy;
}

static int capsule_new(const struct launch_plan *launch, const char *path, char *const *env,
		       struct capsule **ret)
{
	size_t nr_args, nr_env;
	size_t size = sizeof(struct capsule) + strlen(path) + 1 +
		      size_of(launch->process->args.v, &nr_args) + size_of(env, &nr_env);
	const struct rlimit_plan *nproc = limits_find(&launch->limits, RLIMIT_NPROC);
	struct capsule *c =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		return -errno;
	*c = (struct capsule){
		.sync_fd = launch->sync_fd,
		.terminal = launch->process->terminal,
		.has_nproc = nproc != NULL,
		.args = (char **)(void *)c->strings,
	};
	if (nproc)
		c->nproc = (struct rlimit){ nproc->soft, nproc->hard };
	c->env = c->args + nr_args + 1;
	char *at = (char *)(c->env + nr_env + 1);
	c->path = copy_string(&at, path);
	for (size_t i = 0; i < nr_args; i++)
		c->args[i] = copy_string(&at, launch->process->args.v[i]);
	for (size_t i = 0; i < nr_env; i++)
		c->env[i] = copy_string(&at, env[i]);
	*ret = c;
	return 0;
}

/**
 * birth_note_memory() - in the child, which has the agent's /proc: note what is to be forgotten
 * @launch: plan
 * @err: filled on failure
 *
 * What is mapped later is taken into the container.
 *
 * Return: 0 or -errno.
 */
int birth_note_memory(struct launch_plan *launch, struct err *err)
{
	int r = memory_note(&launch->memory);

	return r < 0 ? err_set_errno(err, r, "read the mappings of the process") : 0;
}

/* In the container, where the memory of the plan is gone. */
static int live(const struct capsule *c, struct err *err)
{
	long r = seccomp_key_call(&c->key, SYS_setsid, 0, 0, 0, 0);

	if (r < 0)
		return err_set_errno(err, (int)r, "setsid");
	if (c->terminal)
		r = seccomp_key_call(&c->key, SYS_ioctl, STDIN_FILENO, TIOCSCTTY, 0, 0);
	if (r < 0)
		return err_set_errno(err, (int)r, "make it the controlling terminal");
	if (c->has_nproc)
		r = seccomp_key_call(&c->key, SYS_prlimit64, 0, RLIMIT_NPROC,
				     (long)(uintptr_t)&c->nproc, 0);
	if (r < 0)
		return err_set_errno(err, (int)r, "set RLIMIT_NPROC");
	return program_run(c->path, c->args, c->env, err);
}

static void born(const struct capsule *c)
{
	struct err err = ERR_NULL;

	(void)live(c, &err); /* it failed, or we would be another program */
	(void)err_wrap(&err, "unable to start container process");
	sync_send_error(c->sync_fd, &err);
	_exit(1);
}

/**
 * birth_run() - load the filter, give up the last right, and run the program in a process that is
 * born into the PID namespace
 * @launch: plan, of a process that has become the user in the container's root
 * @path: program
 * @env: environment
 * @err: filled on failure
 *
 * Return: -errno; does not return otherwise.
 */
int birth_run(struct launch_plan *launch, const char *path, char **env, struct err *err)
{
	struct capsule *c;
	int r = capsule_new(launch, path, env, &c);

	if (r >= 0)
		r = memory_forget_on_fork(&launch->memory);
	if (r >= 0)
		r = neg_errno(madvise(launch->birth, PAGE_SIZE, MADV_DONTFORK));
	if (r < 0)
		return err_set_errno(err, r, "prepare the memory of the process");
	r = program_confine(launch, &c->key, err);
	if (r < 0)
		return r;
	long pid = seccomp_key_call(&c->key, SYS_clone, SECCOMP_KEY_CLONE_FLAGS, 0,
				    (long)(uintptr_t)&launch->birth->pid, 0);
	if (pid == 0)
		born(c);
	if (pid == -ENOMEM)
		return err_set(err, ESRCH, "the first process of the pid namespace has ended");
	if (pid < 0)
		return err_set_errno(err, (int)pid, "clone the container process");
	_exit(0);
}
