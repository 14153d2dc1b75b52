/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime exec: one more process in a running container. Each has a stand-in of its own. The
 * options are those of runc; what they make of the process is in process_spec.c.
 */
#include "runtime/cmd/oci/verbs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "kata/standin.h"
#include "kata/state.h"
#include "oci/spec.h"
#include "rpc/pb/admin_msg.h"
#include "runtime/cmd/oci/process_spec.h"
#include "runtime/container/container_create.h"
#include "runtime/container/foreground.h"

#define UNDO_MS 1000 /* the end of the stand-in does the same a little later */
#define STANDIN_READY_MS 30000
#define PROCESS_TYPE_URL "types.containerd.io/opencontainers/runtime-spec/1/Process"

struct exec_options {
	const char *id;
	const char *console_socket, *pid_file, *cgroup;
	bool detach, ignore_paused;
	uint64_t preserve_fds;
	struct process_options process;
};

enum {
	KEY_CONSOLE_SOCKET = 0x100,
	KEY_CWD,
	KEY_PID_FILE,
	KEY_PROCESS_LABEL,
	KEY_APPARMOR,
	KEY_NO_NEW_PRIVS,
	KEY_PRESERVE_FDS,
	KEY_IGNORE_PAUSED,
	KEY_CGROUP,
	KEY_IGNORED,
};

static const struct argp_option options[] = {
	{ "console-socket", KEY_CONSOLE_SOCKET, "SOCKET", 0,
	  "Send the master of the process's pty there", 0 },
	{ "cwd", KEY_CWD, "DIR", 0, "Working directory in the container", 0 },
	{ "env", 'e', "NAME=VALUE", 0, "Add to the environment", 0 },
	{ "tty", 't', NULL, 0, "Give the process a terminal", 0 },
	{ "user", 'u', "UID[:GID]", 0, "Run as this user", 0 },
	{ "additional-gids", 'g', "GID", 0, "Add a group", 0 },
	{ "process", 'p', "FILE", 0,
	  "Read the process from FILE; most other options are then ignored", 0 },
	{ "detach", 'd', NULL, 0, "Return once the process runs", 0 },
	{ "pid-file", KEY_PID_FILE, "FILE", 0, "Write the pid of the process's stand-in to FILE",
	  0 },
	{ "process-label", KEY_PROCESS_LABEL, "LABEL", 0, "SELinux label", 0 },
	{ "apparmor", KEY_APPARMOR, "PROFILE", 0, "AppArmor profile", 0 },
	{ "no-new-privs", KEY_NO_NEW_PRIVS, NULL, 0, "Set no_new_privs", 0 },
	{ "cap", 'c', "CAPABILITY", 0, "Add a capability", 0 },
	{ "preserve-fds", KEY_PRESERVE_FDS, "N", 0,
	  "No effect but a warning: descriptors stay on the host", 0 },
	{ "ignore-paused", KEY_IGNORE_PAUSED, NULL, 0,
	  "In a paused container wait until it goes on", 0 },
	{ "no-subreaper", KEY_IGNORED, NULL, OPTION_HIDDEN, NULL, 0 },
	{ "cgroup", KEY_CGROUP, "PATH", 0, "Only \"/\", the container's own", 0 },
	{ "console", KEY_IGNORED, "PATH", OPTION_HIDDEN, NULL, 0 },
	{ 0 },
};

struct options_parse {
	struct arena *arena;
	struct exec_options *o;
};

static int add(struct options_parse *p, struct strv *strv, const char *value, struct err *err)
{
	int r = arena_strv_add(p->arena, strv, value);

	return r < 0 ? err_set_errno(err, r, "exec") : 0;
}

/* A string option. Returns NULL when @key is not one. */
static const char **find_string(struct exec_options *o, int key)
{
	switch (key) {
	case KEY_CONSOLE_SOCKET:
		return &o->console_socket;
	case KEY_PID_FILE:
		return &o->pid_file;
	case KEY_CWD:
		return &o->process.cwd;
	case KEY_PROCESS_LABEL:
		return &o->process.label;
	case KEY_APPARMOR:
		return &o->process.apparmor;
	case 'u':
		return &o->process.user;
	case 'p':
		return &o->process.file;
	default:
		return NULL;
	}
}

/* The same for flags. */
static bool *find_flag(struct exec_options *o, int key)
{
	switch (key) {
	case 'd':
		return &o->detach;
	case 't':
		return &o->process.tty;
	case KEY_NO_NEW_PRIVS:
		return &o->process.no_new_privs;
	case KEY_IGNORE_PAUSED:
		return &o->ignore_paused;
	default:
		return NULL;
	}
}

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct options_parse *p = arg;
	const char **string = find_string(p->o, key);
	bool *flag = find_flag(p->o, key);

	if (string)
		*string = str_empty(value) ? NULL : value;
	if (flag)
		*flag = true;
	switch (key) {
	case 'e':
		return add(p, &p->o->process.env, value, err);
	case 'c':
		return add(p, &p->o->process.caps, value, err);
	case 'g':
		return add(p, &p->o->process.additional_gids, value, err);
	case KEY_CGROUP:
		p->o->cgroup = value;
		return 0;
	case KEY_PRESERVE_FDS:
		if (str_to_u64(value, &p->o->preserve_fds) < 0)
			return err_set(err, EINVAL, "--preserve-fds needs a number, not \"%s\"",
				       value);
		return 0;
	default:
		return 0;
	}
}

static int parse_options(int argc, char **argv, struct arena *arena, struct exec_options *ret,
			 struct err *err)
{
	static const struct cli_verb verb = {
		.options = options,
		.set = set,
		.args_doc = "ID [COMMAND [ARGUMENT...]]",
		.doc = "Run one more process in a container.",
		.min_args = 1,
		.max_args = -1,
		.stop_at_arg = true,
	};
	struct options_parse p = { .arena = arena, .o = ret };
	int first;
	int nr = cli_parse(&verb, argc, argv, &p, &first, err);

	if (nr < 0)
		return nr;
	ret->id = argv[first];
	ret->process.args = argv + first + 1;
	ret->process.nr_args = nr - 1;
	if (nr > 1 && str_eq(argv[first + 1], "--")) {
		ret->process.args++;
		ret->process.nr_args--;
	}
	if (ret->process.nr_args == 0 && !ret->process.file)
		return err_set(err, EINVAL, "exec needs a command or --process");
	return 0;
}

struct exec {
	struct exec_options options;
	const struct cli *cli;
	struct arena *arena;
	struct session session;
	struct oci_process *process;
	struct standin_proc standin;
	struct terminal_pty pty;
	char exec_id[32];
	bool added; /* the shim knows it */
	bool started;
};

static int wait_for_event(struct exec *e, struct rpc_client *admin, uint64_t *since,
			  struct err *err)
{
	const struct admin_wait_event_request req = { .since = *since, .id = e->options.id };
	struct admin_wait_event_response event = { 0 };
	cleanup_arena struct arena *arena = NULL;
	int r = arena_new(&arena);

	if (r < 0)
		return err_set_errno(err, r, "exec");
	r = rpc_call(admin, &admin_wait_event, &req, &event, arena, LOOP_FOREVER, err);
	*since = event.seq;
	return r;
}

/* As runc's, the process is in the frozen container, and runs when that goes on. */
static int await_resumed(struct exec *e, struct err *err)
{
	enum task_status status = TASK_STATUS_PAUSED;
	struct rpc_client *admin = NULL;
	uint64_t since = 0;
	int r = session_admin(&e->session, &admin, err);

	while (r == 0 && status == TASK_STATUS_PAUSED) {
		r = wait_for_event(e, admin, &since, err);
		if (r < 0 && r != -ECONNRESET) /* the shim may have ended */
			break;
		*err = ERR_NULL;
		r = session_status(&e->session, &status, err);
	}
	admin = rpc_client_free(admin);
	if (r == 0 && status == TASK_STATUS_STOPPED)
		return err_set(err, ESRCH, "cannot exec in a stopped container: \"%s\"",
			       e->options.id);
	return r;
}

static int check_container(struct exec *e, struct err *err)
{
	enum task_status status;
	int r = session_need_shim(&e->session, err);

	if (r == 0)
		r = session_status(&e->session, &status, err);
	if (r < 0)
		return r;
	if (status == TASK_STATUS_STOPPED)
		return err_set(err, ESRCH, "cannot exec in a stopped container: \"%s\"",
			       e->options.id);
	if (status == TASK_STATUS_PAUSED && !e->options.ignore_paused)
		return err_set(err, EBUSY,
			       "cannot exec in a paused container (use --ignore-paused to "
			       "override): \"%s\"",
			       e->options.id);
	return status == TASK_STATUS_PAUSED ? await_resumed(e, err) : 0;
}

static int check_terminal(const struct exec *e, struct err *err)
{
	bool terminal = e->process->terminal;

	if (terminal && e->options.detach && !e->options.console_socket)
		return err_set(err, EINVAL,
			       "cannot allocate a terminal for a detached process without "
			       "--console-socket");
	if (!terminal && e->options.console_socket)
		return err_set(err, EINVAL,
			       "--console-socket is given but the process has no terminal");
	return 0;
}

static int make_exec_id(struct exec *e, struct err *err)
{
	unsigned long long random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_set_errno(err, -errno, "getrandom");
	snprintf(e->exec_id, sizeof(e->exec_id), "exec-%016llx", random);
	return 0;
}

/* A namespace of the container's stand-in, for both to be in; -1 when it cannot be had. */
static int open_namespace(const struct exec *e, const char *name)
{
	char path[64];

	if (!record_standin_alive(&e->session.record))
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)e->session.record.standin_pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void get_size(const struct exec *e, struct terminal_size *ret)
{
	const struct oci_box *size = e->process->console_size;

	*ret = (struct terminal_size){ 0 };
	if (!e->process->terminal)
		return;
	if (!e->options.console_socket && terminal_get_size(terminal_own(), ret))
		return;
	if (size && size->height <= USHRT_MAX && size->width <= USHRT_MAX)
		*ret = (struct terminal_size){ (unsigned short)size->height,
					       (unsigned short)size->width };
}

static int set_up_standin(struct exec *e, struct err *err)
{
	char key[STANDIN_KEY_MAX];
	struct terminal_size size;
	cleanup_close int netns_fd = open_namespace(e, "net");
	cleanup_close int pidns_fd = open_namespace(e, "pid");
	cleanup_close int sandbox_fd = record_open_sandbox(&e->session.record, err);

	if (sandbox_fd < 0)
		return sandbox_fd;
	if (snprintf(key, sizeof(key), "%s/%s", e->options.id, e->exec_id) >= (int)sizeof(key))
		return err_set(err, ENAMETOOLONG, "container id \"%s\"", e->options.id);
	get_size(e, &size);
	const struct standin_params params = {
		.root_fd = -1,
		.pidns_fd = pidns_fd,
		.key = key,
		.netns = netns_fd >= 0 ? STANDIN_NETNS_JOIN : STANDIN_NETNS_KEEP,
		.netns_fd = netns_fd,
		.sandbox_fd = sandbox_fd,
		.tty_fd = e->pty.slave,
		.terminal = e->process->terminal,
		.rows = size.rows,
		.columns = size.columns,
		.args = e->process->args.v,
	};
	return standin_set_up(&e->standin, &params, loop_deadline_ms(STANDIN_READY_MS), err);
}

static int task_exec(struct exec *e, struct err *err)
{
	cleanup_strbuf struct strbuf spec = STRBUF_NULL;
	struct json_writer w;
	char uri[sizeof(STANDIN_URI_PREFIX) + STANDIN_KEY_MAX], pid[16];
	const struct kv metadata[] = {
		{ (char *)KATA_META_CLI, (char *)"1" },
		{ (char *)KATA_META_STANDIN_PID, pid },
	};

	json_writer_init(&w, &spec, 0);
	oci_process_write(&w, e->process);
	int r = json_writer_finish(&w);
	if (r < 0)
		return err_set_errno(err, r, "cannot write the process");
	snprintf(uri, sizeof(uri), "%s%s/%s", STANDIN_URI_PREFIX, e->options.id, e->exec_id);
	snprintf(pid, sizeof(pid), "%d", (int)e->standin.pid);
	const struct task_exec_request req = {
		.id = e->options.id,
		.exec_id = e->exec_id,
		.terminal = e->process->terminal,
		.stdin = uri,
		.stdout = uri,
		.stderr = uri,
		.spec = { .type_url = PROCESS_TYPE_URL,
			  .value = (const uint8_t *)spec.data,
			  .value_len = spec.len },
	};
	r = rpc_call_metadata(e->session.task, &task_v2_exec, metadata, ARRAY_SIZE(metadata), &req,
			      NULL, NULL, loop_deadline_ms(CLI_SLOW_MS), err);
	e->added = r == 0;
	return r;
}

/* runc's "controller:path" is of version 1, which the guest does not have. */
static int check_cgroup(const struct exec *e, struct err *err)
{
	if (str_empty(e->options.cgroup) || str_eq(e->options.cgroup, "/"))
		return 0;
	return err_set(err, EOPNOTSUPP,
		       "--cgroup %s: only \"/\" is supported, the cgroup of the container",
		       e->options.cgroup);
}

static int prepare(struct exec *e, struct err *err)
{
	int r = check_cgroup(e, err);

	if (r == 0)
		r = session_open(&e->session, e->cli, e->options.id, err);
	if (r == 0)
		r = check_container(e, err);
	if (r == 0)
		r = process_spec_load(e->session.record.bundle, &e->options.process, e->arena,
				      &e->process, err);
	if (r == 0)
		r = check_terminal(e, err);
	if (r == 0)
		r = make_exec_id(e, err);
	if (r == 0 && e->options.console_socket)
		r = terminal_pty_open(&e->pty, e->options.console_socket, e->process->console_size,
				      err);
	return r;
}

static int start(struct exec *e, struct foreground *fg, struct err *err)
{
	const struct task_start_request req = { .id = e->options.id, .exec_id = e->exec_id };
	int r = prepare(e, err);

	if (r == 0)
		r = set_up_standin(e, err);
	if (r == 0)
		r = task_exec(e, err);
	if (r == 0 && e->pty.master >= 0)
		r = terminal_pty_hand_over(&e->pty, err);
	else if (r == 0 && !e->options.detach)
		r = foreground_attach(fg, e->process->terminal, err);
	if (r == 0)
		r = session_call(&e->session, &task_v2_start, &req, NULL, CLI_SLOW_MS, err);
	e->started = r == 0;
	if (r == 0)
		r = container_create_write_pid_file(e->options.pid_file, e->standin.pid, err);
	if (r == 0)
		r = standin_commit(&e->standin, err);
	if (r == -EPIPE &&
	    e->started) { /* its process has ended already: the status is for who reaps it */
		e->standin.committed = true;
		*err = ERR_NULL;
		r = 0;
	}
	return r == -ECANCELED ? err_set(err, ECANCELED, "interrupted") : r;
}

static void undo(struct exec *e)
{
	const struct task_delete_request req = { .id = e->options.id, .exec_id = e->exec_id };
	struct err err = ERR_NULL;
	bool mask = fiber_mask_cancel(true);

	e->standin.committed = false;
	standin_deinit(&e->standin); /* its end kills a process that has started */
	if (e->added && session_call(&e->session, &task_v2_delete, &req, NULL, UNDO_MS, &err) < 0)
		log_debug("undo: %s", err.text);
	(void)fiber_mask_cancel(mask);
}

static int exec_process(void *arg, struct err *err)
{
	struct exec *e = arg;
	cleanup_foreground struct foreground fg = FOREGROUND_NULL;
	int r = foreground_begin(&fg, &e->session, e->exec_id, err);

	if (r == 0)
		r = start(e, &fg, err);
	if (r < 0) {
		terminal_raw_leave(&fg.raw);
		undo(e);
		return r;
	}
	return e->options.detach ? 0 : foreground_wait(&fg, &e->standin, err);
}

static int run(struct exec *e, struct err *err)
{
	int r = standin_fork(false, &e->standin, err);

	if (r < 0)
		return r;
	container_create_warn_fds(e->options.preserve_fds);
	return cli_run(exec_process, e, err);
}

/**
 * verb_exec() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code, in the foreground the process's, CLI_EXIT_EXEC_FAILURE with @err filled when
 * there is none; or -errno for bad arguments.
 */
int verb_exec(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct exec e = { .cli = cli,
			  .session = SESSION_NULL,
			  .standin = STANDIN_PROC_NULL,
			  .pty = TERMINAL_PTY_NULL };
	int r = arena_new(&e.arena);

	if (r < 0)
		return err_set_errno(err, r, "exec");
	r = parse_options(argc, argv, e.arena, &e.options, err);
	if (r == 0) {
		r = run(&e, err);
		if (r < 0)
			r = CLI_EXIT_EXEC_FAILURE;
	}
	terminal_pty_close(&e.pty);
	standin_deinit(&e.standin);
	session_close(&e.session);
	e.arena = arena_free(e.arena);
	return r;
}
