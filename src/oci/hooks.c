/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host hooks: one child process each, the container's state on its stdin, its output kept for the
 * error.
 */
#include "oci/hooks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/json.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/str.h"
#include "kata/state.h"
#include "oci/spec.h"
#include "oci/state.h"

#define HOOK_OUTPUT_MAX 512
#define HOOK_NOTE_LEN (sizeof(KATA_STATE_POSTSTOP) + NAME_MAX)

struct hook_env {
	struct oci_state state; /* written to each hook's stdin */
	const char *cwd;	/* the bundle */
	int netns_fd;		/* -1: the caller's network */
};

struct hook_pipes {
	int in[2], out[2];
};

static void close_pipes(struct hook_pipes *pipes)
{
	int *fds[] = { &pipes->in[0], &pipes->in[1], &pipes->out[0], &pipes->out[1] };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		*fds[i] = fd_close(*fds[i]);
}

static int open_pipes(struct hook_pipes *pipes)
{
	int r = neg_errno(pipe2(pipes->in, O_CLOEXEC));

	if (r >= 0)
		r = neg_errno(pipe2(pipes->out, O_CLOEXEC));
	/* Only our ends: the hook expects ordinary blocking ones. */
	if (r >= 0)
		r = fd_set_nonblock(pipes->in[1], true);
	return r < 0 ? r : fd_set_nonblock(pipes->out[0], true);
}

/* Reads the hook's output to its end, keeping the last bytes. */
static int drain(int fd, char *tail, size_t size, uint64_t deadline_ns)
{
	char buf[HOOK_OUTPUT_MAX];
	size_t len = 0;

	for (;;) {
		ssize_t n = fiber_read(fd, buf, sizeof(buf), deadline_ns);

		if (n <= 0) {
			while (len && (tail[len - 1] == '\n' || tail[len - 1] == ' '))
				len--;
			tail[len] = '\0';
			return (int)n;
		}
		size_t keep = MIN(len, size - 1 - MIN((size_t)n, size - 1));
		size_t add = MIN((size_t)n, size - 1 - keep);
		memmove(tail, tail + len - keep, keep);
		memcpy(tail + keep, buf + n - add, add);
		len = keep + add;
	}
}

static int run_hook(const struct oci_hook *hook, const struct strbuf *state,
		    const struct hook_env *env, struct hook_pipes *pipes, struct err *err)
{
	uint64_t deadline_ns = hook->timeout ? loop_deadline_ms((uint64_t)*hook->timeout * 1000)
					     : LOOP_FOREVER;
	struct proc_fd fds[] = { { pipes->in[0], 0 }, { pipes->out[1], 1 }, { pipes->out[1], 2 } };
	char *no_args[] = { hook->path, NULL }, *no_env[] = { NULL }, output[HOOK_OUTPUT_MAX];
	struct proc_spec spec = {
		.path = hook->path,
		.argv = hook->args.nr ? hook->args.v : no_args,
		.envp = hook->env.nr ? hook->env.v : no_env,
		.fds = fds,
		.nr_fds = ARRAY_SIZE(fds),
		.cwd = env->cwd,
		.netns_fd = env->netns_fd,
		.die_with_parent = true,
	};
	struct proc proc = PROC_NULL;
	int wstatus = 0, r = proc_spawn(&spec, &proc, err);

	if (r < 0)
		return r;
	pipes->in[0] = fd_close(pipes->in[0]);
	pipes->out[1] = fd_close(pipes->out[1]);
	/* A hook need not read its input. */
	r = fiber_write_full(pipes->in[1], state->data, state->len, deadline_ns);
	pipes->in[1] = fd_close(pipes->in[1]);
	if (r >= 0 || r == -EPIPE)
		r = drain(pipes->out[0], output, sizeof(output), deadline_ns);
	if (r >= 0)
		r = proc_wait_fiber(&proc, deadline_ns, &wstatus);
	if (r < 0) {
		proc_end_fiber(&proc);
		return r == -ETIMEDOUT
			       ? err_set(err, ETIMEDOUT, "timed out after %d s", *hook->timeout)
			       : err_set_errno(err, r, "wait");
	}
	if (wstatus)
		return err_set(err, EIO, "exit status %d%s%s", proc_exit_code(wstatus),
			       *output ? ": " : "", output);
	return 0;
}

static int run_all(const char *kind, const struct oci_hook *hooks, size_t nr_hooks,
		   const struct hook_env *env, struct err *err)
{
	cleanup_strbuf struct strbuf state = STRBUF_NULL;

	if (!nr_hooks)
		return 0;
	int r = oci_state_format(&env->state, &state);
	if (r < 0)
		return err_set_errno(err, r, "format state for hooks");
	for (size_t i = 0; i < nr_hooks; i++) {
		struct hook_pipes pipes = { { -1, -1 }, { -1, -1 } };

		r = open_pipes(&pipes);
		r = r < 0 ? err_set_errno(err, r, "pipe")
			  : run_hook(&hooks[i], &state, env, &pipes, err);
		close_pipes(&pipes);
		if (r < 0)
			return err_wrap(err, "%s hook %s", kind, hooks[i].path);
	}
	return 0;
}

static struct hook_env make_env(const struct hook_owner *owner, const char *status)
{
	return (struct hook_env){
		.state = {
			.oci_version = owner->spec->oci_version,
			.id = (char *)(uintptr_t)owner->id,
			.status = (char *)(uintptr_t)status,
			.pid = str_eq(status, "stopped") ? 0 : (int32_t)owner->pid,
			.bundle = (char *)(uintptr_t)owner->bundle,
			.annotations = owner->spec->annotations,
			.nr_annotations = owner->spec->nr_annotations,
		},
		.cwd = owner->bundle,
		.netns_fd = -1,
	};
}

static void note_name(const char *id, char *out)
{
	(void)snprintf(out, HOOK_NOTE_LEN, KATA_STATE_POSTSTOP "%s", id);
}

static int note_due(const struct hook_owner *owner, struct err *err)
{
	char name[HOOK_NOTE_LEN];

	if (owner->state_fd < 0 || !owner->spec->hooks->nr_poststop)
		return 0;
	note_name(owner->id, name);
	int r = io_replace_file_at(owner->state_fd, name, owner->bundle, strlen(owner->bundle),
				   0600);
	return r < 0 ? err_set_errno(err, r, "note that poststop hooks are due") : 0;
}

static void forget_due(int state_fd, const char *id)
{
	char name[HOOK_NOTE_LEN];

	note_name(id, name);
	if (state_fd >= 0)
		(void)unlinkat(state_fd, name, 0); /* there is none unless there were hooks */
}

/**
 * hooks_run_early() - the hooks before anything of the container is there: prestart, createRuntime
 * @owner: container
 * @err: names the hook that failed
 *
 * From here on poststop's are due, whatever happens.
 *
 * Return: 0 or -errno; after a failure the caller undoes what there is and runs poststop's hooks.
 */
int hooks_run_early(const struct hook_owner *owner, struct err *err)
{
	const struct oci_hooks *hooks = owner->spec->hooks;
	struct hook_env env = make_env(owner, "creating");

	if (!hooks)
		return 0;
	int r = note_due(owner, err);
	if (r < 0)
		return r;
	r = run_all("prestart", hooks->prestart, hooks->nr_prestart, &env, err);
	return r < 0 ? r
		     : run_all("createRuntime", hooks->create_runtime, hooks->nr_create_runtime,
			       &env, err);
}

/**
 * hooks_run_create_container() - the hooks between the namespaces and the root's pivot
 * @owner: container
 * @netns_fd: the sandbox's network, -1: the caller's
 * @err: names the hook that failed
 *
 * Their place is the container's namespaces, which are in the guest, and their programs the host's:
 * so they get what there is of both, the sandbox's network and the root file system as it is
 * shared.
 *
 * Return: 0 or -errno.
 */
int hooks_run_create_container(const struct hook_owner *owner, int netns_fd, struct err *err)
{
	const struct oci_hooks *hooks = owner->spec->hooks;
	struct hook_env env = make_env(owner, "creating");

	env.netns_fd = netns_fd;
	return hooks ? run_all("createContainer", hooks->create_container,
			       hooks->nr_create_container, &env, err)
		     : 0;
}

static void run_late(const struct hook_owner *owner, const char *kind, const struct oci_hook *hooks,
		     size_t nr, const char *status)
{
	struct hook_env env = make_env(owner, status);
	struct err err = ERR_NULL;

	if (run_all(kind, hooks, nr, &env, &err) < 0)
		log_warn("container %s: %s", owner->id, err.text);
}

/**
 * hooks_run_poststart() - the hooks after the container's program was started
 * @owner: container
 */
void hooks_run_poststart(const struct hook_owner *owner)
{
	const struct oci_hooks *hooks = owner->spec->hooks;

	if (hooks)
		run_late(owner, "poststart", hooks->poststart, hooks->nr_poststart, "running");
}

/**
 * hooks_run_poststop() - the hooks after everything of the container is gone
 * @owner: container that was deleted, or whose creation failed
 */
void hooks_run_poststop(const struct hook_owner *owner)
{
	const struct oci_hooks *hooks = owner->spec->hooks;

	if (hooks)
		run_late(owner, "poststop", hooks->poststop, hooks->nr_poststop, "stopped");
	forget_due(owner->state_fd, owner->id);
}

static void run_noted(int state_fd, const char *id)
{
	cleanup_free char *bundle = NULL;
	cleanup_arena struct arena *arena = NULL;
	struct err err = ERR_NULL;
	struct oci_spec *spec;
	char name[HOOK_NOTE_LEN];

	note_name(id, name);
	ssize_t n = io_read_file_at(state_fd, name, PATH_MAX, &bundle);
	if (n == -ENOENT)
		return;
	int r = n < 0 ? (int)n : arena_new(&arena);
	r = r < 0 ? err_set_errno(&err, r, "read %s", name)
		  : oci_spec_load(bundle, arena, &spec, &err);
	if (r < 0) {
		log_warn("container %s: its poststop hooks cannot run: %s", id, err.text);
		forget_due(state_fd, id);
		return;
	}
	const struct hook_owner owner = {
		.spec = spec, .id = id, .bundle = bundle, .state_fd = state_fd
	};
	hooks_run_poststop(&owner);
}

/**
 * hooks_run_due() - poststop's of containers that went without their shim
 * @state_fd: directory in which they are noted; -1: none are
 * @id: container, or NULL for all that are noted
 */
void hooks_run_due(int state_fd, const char *id)
{
	if (state_fd < 0)
		return;
	if (id) {
		run_noted(state_fd, id);
		return;
	}
	int fd = neg_errno(openat(state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		const char *noted = str_skip_prefix(entry->d_name, KATA_STATE_POSTSTOP);

		if (noted && str_is_valid_id(noted))
			run_noted(state_fd, noted);
	}
	if (dir)
		(void)closedir(dir);
	else
		(void)fd_close(fd);
}
