/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating a container: see container_create.h. The VM, hooks and mounts are the shim's; here is
 * what a manager sees of it on the host.
 */
#include "runtime/container/container_create.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/proc.h"
#include "common/str.h"
#include "kata/standin.h"
#include "kata/state.h"
#include "oci/spec.h"
#include "oci/state.h"
#include "oci/validate.h"
#include "runtime/container/container_cleanup.h"
#include "runtime/shim/dial.h"
#include "runtime/state/sandbox_rename.h"

#define STANDIN_READY_MS 30000
#define UNDO_MS 15000
#define UNDO_INTERRUPTED_MS 1000 /* somebody waits for the end of the verb */

static int resolve_bundle(struct container_create *c, struct err *err)
{
	char path[PATH_MAX];
	const char *bundle = c->bundle ? c->bundle : ".";

	if (!realpath(bundle, path))
		return err_set_errno(err, -errno, "bundle %s", bundle);
	c->bundle = arena_strdup(c->arena, path);
	return c->bundle ? 0 : err_set(err, ENOMEM, "bundle %s", bundle);
}

static int resolve_rootfs(struct container_create *c, struct err *err)
{
	const char *root = c->spec->root ? c->spec->root->path : NULL;
	struct stat st;

	if (str_empty(root))
		return err_set(err, EINVAL, "config.json: root.path is missing");
	c->rootfs = root[0] == '/' ? root : arena_printf(c->arena, "%s/%s", c->bundle, root);
	if (!c->rootfs)
		return err_set(err, ENOMEM, "rootfs %s", root);
	if (stat(c->rootfs, &st) < 0)
		return err_set_errno(err, -errno, "rootfs %s", c->rootfs);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "rootfs %s is not a directory", c->rootfs);
	return 0;
}

static int check_terminal(const struct container_create *c, struct err *err)
{
	const struct oci_process *process = c->spec->process;

	if (!process)
		return err_set(err, EINVAL, "config.json: process is missing");
	if (process->terminal && !c->attached && !c->console_socket)
		return err_set(err, EINVAL,
			       "cannot allocate a terminal for a detached container without "
			       "--console-socket");
	if (c->console_socket && !process->terminal)
		return err_set(err, EINVAL,
			       "--console-socket is given but process.terminal is false");
	return 0;
}

static int load_spec(struct container_create *c, struct err *err)
{
	struct strv warnings = { 0 };
	int r = oci_spec_load(c->bundle, c->arena, &c->spec, err);

	if (r == 0)
		r = oci_spec_validate(c->spec, c->arena, &warnings, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < warnings.nr; i++)
		log_warn("%s", warnings.v[i]);
	r = check_terminal(c, err);
	return r < 0 ? r : resolve_rootfs(c, err);
}

/**
 * container_create_warn_fds() - say once that descriptors cannot be inherited
 * @preserve_fds: value of --preserve-fds
 */
void container_create_warn_fds(uint64_t preserve_fds)
{
	const char *listen_fds = getenv("LISTEN_FDS");

	if (preserve_fds > 0 || (!str_empty(listen_fds) && !str_eq(listen_fds, "0")))
		log_warn("--preserve-fds and LISTEN_FDS have no effect: descriptors of the host "
			 "cannot reach into a VM");
}

/**
 * container_create_prepare() - fork the stand-in, read and judge the bundle
 * @c: creation with the verb's fields set
 * @err: filled on failure
 *
 * Nothing is made that outlives this process.
 *
 * Return: 0 or -errno.
 */
int container_create_prepare(struct container_create *c, struct err *err)
{
	int r = standin_fork(true, &c->standin, err);

	if (r < 0)
		return r;
	r = arena_new(&c->arena);
	if (r < 0)
		return err_set_errno(err, r, "container \"%s\"", c->id);
	if (!str_is_valid_id(c->id))
		return err_set(err, EINVAL, "invalid container ID format: \"%s\"", c->id);
	r = resolve_bundle(c, err);
	if (r == 0)
		r = load_spec(c, err);
	if (r < 0)
		return r;
	container_create_warn_fds(c->preserve_fds);
	return 0;
}

static int fill_record(struct container_create *c, struct err *err)
{
	struct record *record = &c->session.record;
	struct timespec now;
	char created[64];

	record->bundle = c->bundle;
	record->sandbox_id = c->pod.sandbox_id;
	record->rootfs = c->rootfs;
	record->oci_version = c->spec->oci_version;
	record->owner = getuid();
	record->terminal = c->spec->process->terminal;
	record->annotations = c->spec->annotations;
	record->nr_annotations = c->spec->nr_annotations;
	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	int r = oci_time_format(now.tv_sec, (uint32_t)now.tv_nsec, created, sizeof(created));
	if (r < 0)
		return err_set_errno(err, r, "cannot tell the time");
	record->created = arena_strdup(c->arena, created);
	return record->created ? 0 : err_set(err, ENOMEM, "container \"%s\"", c->id);
}

static int record_standin(struct container_create *c, struct err *err)
{
	struct record *record = &c->session.record;
	int r = proc_start_time(c->standin.pid, &record->standin_start);

	if (r < 0)
		return err_set_errno(err, r, "cannot watch the stand-in");
	record->standin_pid = c->standin.pid;
	return record_save(record, err);
}

/* A directory of that name is in the way also while others live in the sandbox it was made for. */
static int claim_id(struct container_create *c, struct err *err)
{
	struct record *record = &c->session.record;
	int r = record_claim(record, c->cli->root, c->id, err);

	if (r != -EEXIST)
		return r;
	struct err taken = *err;
	*err = ERR_NULL;
	r = sandbox_rename(record->root_fd, record->root, c->id, err);
	if (r < 0)
		return r;
	if (r == 0) {
		*err = taken;
		return -EEXIST;
	}
	record_deinit(record);
	return record_claim(record, c->cli->root, c->id, err);
}

static int claim(struct container_create *c, struct err *err)
{
	struct record *record = &c->session.record;
	int r = claim_id(c, err);

	if (r < 0)
		return r;
	c->claimed = true;
	record->sandbox_id = c->id; /* until it is known better */
	/* A sandbox that is found keeps its name until the record has it. */
	cleanup_close int lock = record_lock(record->root_fd, LOCK_SH, err);
	if (lock < 0)
		return lock;
	r = pod_find(c->cli, c->id, c->spec, c->arena, &c->pod, err);
	if (r < 0)
		return r;
	const struct oci_vm_policy policy = { .in_pod = c->pod.in_pod };
	r = oci_spec_validate_vm(c->spec, &policy, err);
	if (r < 0)
		return r;
	r = fill_record(c, err);
	return r < 0 ? r : record_standin(c, err);
}

static void get_size(const struct container_create *c, struct terminal_size *ret)
{
	const struct oci_box *size = c->spec->process->console_size;

	*ret = (struct terminal_size){ 0 };
	if (c->attached && terminal_get_size(terminal_own(), ret))
		return;
	if (size && size->height <= USHRT_MAX && size->width <= USHRT_MAX)
		*ret = (struct terminal_size){ (unsigned short)size->height,
					       (unsigned short)size->width };
}

static int set_up_standin(struct container_create *c, int sandbox_fd, struct err *err)
{
	const struct oci_process *process = c->spec->process;
	struct terminal_size size;

	cleanup_close int root_fd =
		neg_errno(open_tree(AT_FDCWD, c->rootfs, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));

	if (root_fd < 0)
		return err_set_errno(err, root_fd, "rootfs %s", c->rootfs);
	get_size(c, &size);
	const struct standin_params params = {
		.root_fd = root_fd,
		.pidns_fd = -1,
		.key = c->id,
		.netns = c->pod.netns,
		.netns_fd = c->pod.netns_fd,
		.sandbox_fd = sandbox_fd,
		.tty_fd = c->pty.slave,
		.terminal = process->terminal,
		.rows = size.rows,
		.columns = size.columns,
		.args = process->args.v,
	};
	return standin_set_up(&c->standin, &params, loop_deadline_ms(STANDIN_READY_MS), err);
}

static int task_create(struct container_create *c, struct err *err)
{
	char uri[sizeof(STANDIN_URI_PREFIX) + STANDIN_KEY_MAX], pid[16];
	const struct kv metadata[] = {
		{ (char *)KATA_META_CLI, (char *)"1" },
		{ (char *)KATA_META_ROOT, (char *)c->cli->root },
		{ (char *)KATA_META_STANDIN_PID, pid },
		{ (char *)KATA_META_SYSTEMD_CGROUP, (char *)(c->cli->systemd_cgroup ? "1" : "0") },
	};
	struct task_create_response resp = { 0 };

	snprintf(uri, sizeof(uri), "%s%s", STANDIN_URI_PREFIX, c->id);
	snprintf(pid, sizeof(pid), "%d", (int)c->standin.pid);
	const struct task_create_request req = {
		.id = c->id,
		.bundle = c->bundle,
		.terminal = c->spec->process->terminal,
		.stdin = uri,
		.stdout = uri,
		.stderr = uri,
	};
	return rpc_call_metadata(c->session.task, &task_v2_create, metadata, ARRAY_SIZE(metadata),
				 &req, &resp, c->session.arena, loop_deadline_ms(CLI_SLOW_MS), err);
}

static int make(struct container_create *c, struct err *err)
{
	const struct oci_process *process = c->spec->process;
	int r = claim(c, err);

	if (r < 0)
		return r;
	if (c->console_socket) {
		r = terminal_pty_open(&c->pty, c->console_socket, process->console_size, err);
		if (r < 0)
			return r;
	}
	if (!c->pod.exists) {
		r = shim_launch_start(c->cli, &c->session.record, &c->launch, err);
		if (r < 0)
			return r;
	}
	cleanup_close int sandbox_fd = record_open_sandbox(&c->session.record, err);
	if (sandbox_fd < 0)
		return sandbox_fd;
	r = arena_new(&c->session.arena);
	if (r < 0)
		return err_set_errno(err, r, "container \"%s\"", c->id);
	r = dial_socket_at(sandbox_fd, KATA_SOCKET_TASK, &c->session.task, err);
	if (r == 0)
		r = set_up_standin(c, sandbox_fd, err);
	if (r == 0)
		r = task_create(c, err);
	if (r == -ENOTCONN && c->pod.exists)
		return err_wrap(err, "the sandbox \"%s\" of container \"%s\" has ended",
				c->pod.sandbox_id, c->id);
	return r;
}

/**
 * container_create_make() - make the container, up to the state "created"
 * @c: prepared creation
 * @err: filled on failure; container_create_undo() is then the caller's duty
 *
 * Must run in a fiber. The stand-in is not committed yet.
 *
 * Return: 0 or -errno.
 */
int container_create_make(struct container_create *c, struct err *err)
{
	int r = make(c, err);

	if (r == 0 && c->pty.master >= 0)
		r = terminal_pty_hand_over(&c->pty, err);
	c->interrupted = r == -ECANCELED;
	if (c->interrupted)
		return err_set(err, ECANCELED, "interrupted while creating container \"%s\"",
			       c->id);
	if (r == -ECONNRESET || r == -EPIPE || r == -ENOTCONN)
		shim_launch_explain(&c->launch, err);
	return r;
}

/**
 * container_create_write_pid_file() - write a pid file so that nobody reads half of it
 * @path: path or NULL for none
 * @pid: process
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int container_create_write_pid_file(const char *path, pid_t pid, struct err *err)
{
	char text[16];

	if (!path)
		return 0;
	int n = snprintf(text, sizeof(text), "%d", (int)pid);
	int r = io_replace_file_at(AT_FDCWD, path, text, (size_t)n, 0644);
	return r < 0 ? err_set_errno(err, r, "cannot write the pid file %s", path) : 0;
}

/**
 * container_create_commit() - write the pid file and let the stand-in go
 * @c: container that was made
 * @err: filled on failure
 *
 * Return: 0, -EPIPE when the stand-in has ended, or -errno.
 */
int container_create_commit(struct container_create *c, struct err *err)
{
	int r = container_create_write_pid_file(c->pid_file, c->standin.pid, err);

	return r < 0 ? r : standin_commit(&c->standin, err);
}

/**
 * container_create_commit_started() - container_create_commit() for a container that was started
 * @c: container that runs
 * @err: filled on failure
 *
 * Its process may have ended by now, and its stand-in with it: somebody waits for that status.
 *
 * Return: 0 or -errno.
 */
int container_create_commit_started(struct container_create *c, struct err *err)
{
	int r = container_create_commit(c, err);

	if (r != -EPIPE)
		return r;
	c->standin.committed = true; /* not to be reaped here */
	*err = ERR_NULL;
	return 0;
}

/* Return: whether the shim has done it. */
static bool undo_by_shim(struct container_create *c)
{
	const struct task_delete_request delete_req = { .id = c->id };
	const struct task_shutdown_request shutdown_req = { .id = c->pod.sandbox_id };
	struct err err = ERR_NULL;
	uint64_t timeout_ms = c->interrupted ? UNDO_INTERRUPTED_MS : UNDO_MS;
	int r = session_call(&c->session, &task_v2_delete, &delete_req, NULL, timeout_ms, &err);

	if (r < 0)
		log_debug("undo: %s", err.text);
	if (r != -ETIMEDOUT && !c->pod.exists) {
		r = session_call(&c->session, &task_v2_shutdown, &shutdown_req, NULL, timeout_ms,
				 &err);
		if (r < 0)
			log_debug("undo: %s", err.text);
	}
	return r != -ETIMEDOUT;
}

/**
 * container_create_undo() - remove what a failed creation has made
 * @c: creation
 *
 * Works also when the fiber was cancelled. A shim that does not play along is killed.
 */
void container_create_undo(struct container_create *c)
{
	struct err err = ERR_NULL;
	bool mask = fiber_mask_cancel(true);

	c->standin.committed = false;
	standin_deinit(&c->standin); /* its end tells the shim to kill what it has started */
	/* Of a shim that is stuck, what it has recorded is undone without it. */
	if (c->claimed && c->session.task && !undo_by_shim(c) && !c->pod.exists)
		(void)proc_signal(&c->launch.proc, SIGKILL); /* our child; it may have ended */
	if (c->claimed && container_cleanup(c->cli, &c->session.record, &err) < 0)
		log_warn("%s", err.text);
	c->claimed = false;
	(void)fiber_mask_cancel(mask);
}

/**
 * container_create_deinit() - release a creation; the container stays as it is
 * @c: creation
 */
void container_create_deinit(struct container_create *c)
{
	terminal_pty_close(&c->pty);
	standin_deinit(&c->standin);
	shim_launch_deinit(&c->launch);
	session_close(&c->session);
	pod_deinit(&c->pod);
	c->arena = arena_free(c->arena);
}
