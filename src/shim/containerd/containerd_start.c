/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start, delete and -info actions: short-lived processes that containerd runs beside the
 * serving one. Nothing may reach stderr before a failure, since containerd reads both streams as
 * the answer.
 */
#include "shim/containerd/containerd_start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/str.h"
#include "kata/state.h"
#include "oci/grouping.h"
#include "host/hooks.h"
#include "oci/spec.h"
#include "rpc/pb/pb_bridge.h"
#include "rpc/pb/shim_msg.h"
#include "rpc/pb/task_msg.h"
#include "sandbox/storage/erofs_layers.h"
#include "sandbox/lifecycle/sandbox_record.h"
#include "shim/containerd/containerd_paths.h"
#include "shim/containerd/containerd_serve.h"
#include "shim/containerd/start_input.h"

/* What containerd's own shim accepts on stdin. */
#define BOOTSTRAP_MAX (10UL << 20)
/* How long a server may take until it listens to requests, on a host that is busy. */
#define READY_MS 30000
/* Exit status of a task whose shim has gone: it was killed with it. */
#define DELETE_STATUS (128 + SIGKILL)
/* containerd's name for the document of the runtime specification. */
#define FEATURES_TYPE_URL "types.containerd.io/opencontainers/runtime-spec/1/features/Features"

static int fail(const struct err *err)
{
	(void)fprintf(stderr, "%s\n", err->text);
	return -err->code;
}

/* Leaves a living shim's socket alone: -EADDRINUSE. */
static int listen_on(const char *dir, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	int r = io_mkdir_p(dir ? dir : CONTAINERD_SOCKET_DIR, 0700);
	if (r < 0)
		return r;
	cleanup_close int fd = neg_errno(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	cleanup_close int probe = neg_errno(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	if (fd < 0 || probe < 0)
		return fd < 0 ? fd : probe;
	if (connect(probe, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return -EADDRINUSE;
	(void)unlink(path); /* nobody answers there: left by a killed shim */
	mode_t mask = umask(0177);
	r = neg_errno(bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
	(void)umask(mask);
	if (r < 0 || listen(fd, 128) < 0)
		return r < 0 ? r : -errno;
	return TAKE_FD(fd);
}

static int write_bundle_file(const char *name, const char *text)
{
	return io_replace_file_at(AT_FDCWD, name, text, strlen(text), 0600);
}

/*
 * One above ours, so that the kernel takes a shim before it takes containerd. See proc(5),
 * oom_score_adj.
 */
static int adjust_oom_score(pid_t pid)
{
	char path[48];
	cleanup_free char *text = NULL;
	ssize_t n = io_read_file_at(AT_FDCWD, "/proc/self/oom_score_adj", 32, &text);
	int64_t score;

	if (n < 0)
		return (int)n;
	text[strcspn(text, "\n")] = '\0';
	if (str_to_i64(text, &score) < 0)
		return -EINVAL;
	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	cleanup_close int fd = neg_errno(open(path, O_WRONLY | O_CLOEXEC));
	if (fd < 0)
		return fd;
	int len = dprintf(fd, "%d", (int)MIN(score + 1, 1000));
	return len < 0 ? -errno : 0;
}

/*
 * What the server says once it serves, or why it does not. No word: it was killed, or there was no
 * memory for more.
 */
static int await_server(int ready_fd, struct err *err)
{
	struct pollfd pfd = { .fd = ready_fd, .events = POLLIN };
	char word[ERR_TEXT_MAX + 1];
	int r = neg_errno(poll(&pfd, 1, READY_MS));
	ssize_t n = r > 0 ? read(ready_fd, word, sizeof(word) - 1) : 0;

	if (r == 0)
		return err_set(err, ETIMEDOUT, "the shim does not begin to serve");
	if (r < 0 || n <= 0)
		return err_set(err, ESHUTDOWN, "the shim has ended before it served");
	word[n] = '\0';
	return str_eq(word, SHIM_READY) ? 0 : err_set(err, ESHUTDOWN, "%s", word);
}

/* Nobody will have its address: it must not stay. It holds nothing but its directory and socket. */
static void end_server(const struct shim_options *options, struct proc *proc, const char *path)
{
	struct pollfd pfd = { .fd = proc->pidfd, .events = POLLIN };
	char dir[PATH_MAX];

	(void)proc_signal(proc, SIGKILL); /* may have ended already */
	(void)poll(&pfd, 1, READY_MS);
	if (containerd_state_dir(options->namespace, options->id, dir, sizeof(dir)) >= 0)
		(void)io_rm_tree_at(AT_FDCWD, dir);
	(void)unlink(path);
}

static int spawn_server(const struct shim_options *options, const char *config, int listen_fd,
			int ready_fd, struct proc *ret, struct err *err)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return err_set_errno(err, -errno, "find own program");
	self[n] = '\0';
	const char *argv[12] = { self,
				 "-namespace",
				 options->namespace,
				 "-id",
				 options->id,
				 "-address",
				 options->address ? options->address : "" };
	size_t nr = 7;

	if (options->debug)
		argv[nr++] = "-debug";
	if (!str_empty(config)) {
		argv[nr++] = "-config";
		argv[nr++] = config;
	}
	struct proc_fd fds[] = { { listen_fd, SHIM_LISTEN_FD }, { ready_fd, SHIM_READY_FD } };
	struct proc_spec spec = {
		.path = self,
		.argv = (char *const *)(uintptr_t)argv,
		.fds = fds,
		.nr_fds = ARRAY_SIZE(fds),
		.netns_fd = -1,
		.new_session = true,
	};
	int r = proc_spawn(&spec, ret, err);

	if (r >= 0)
		(void)adjust_oom_score(
			ret->pid); /* an unprivileged user may not: then it stays as it is */
	return r;
}

static int find_sandbox_id(const struct shim_options *options, struct arena *arena,
			   const char **ret, struct err *err)
{
	struct oci_grouping grouping;
	struct oci_spec *spec;

	if (access("config.json", F_OK) < 0 && errno == ENOENT) {
		*ret = options->id; /* the sandbox API: no pause container, no spec */
		return 0;
	}
	int r = oci_spec_load(".", arena, &spec, err);
	if (r >= 0)
		r = oci_grouping_find(options->id, spec, &grouping, err);
	if (r >= 0)
		*ret = grouping.sandbox_id;
	return r;
}

static int read_input(const struct shim_options *options, struct arena *arena,
		      struct start_input *ret, struct err *err)
{
	cleanup_free char *data = NULL;
	ssize_t n = 0;

	/* A person at a terminal has nothing to say; containerd gives a pipe or nothing. */
	if (!isatty(STDIN_FILENO))
		n = io_read_file_at(AT_FDCWD, "/proc/self/fd/0", BOOTSTRAP_MAX, &data);
	if (n == -ENXIO || n == -ENOENT || n == -EACCES)
		n = 0; /* a socket or a closed descriptor: nothing was said */
	if (n < 0)
		return err_set_errno(err, (int)n, "read standard input");
	return start_input_read(options, data, (size_t)n, arena, ret, err);
}

/*
 * The sandbox controller of containerd 2 keeps its bundles in a directory of this name; that of 1.7
 * was called "local".
 */
static bool is_bundle_of_containerd2(void)
{
	char dir[PATH_MAX];

	return getcwd(dir, sizeof(dir)) &&
	       strstr(dir, "/io.containerd.sandbox.controller.v1.shim/");
}

/*
 * Version 3 spares containerd 2 a process for each further container of a pod. Since 2.3 it
 * announces itself by its parameters and takes a BootstrapResult; before, it takes JSON. 1.7
 * refuses version 3 and 1.6 knows no JSON: what could be one of them gets the plain address.
 */
static int answer_start(const char *address, bool bootstrap, struct arena *arena)
{
	struct bootstrap_result result = { .version = 3, .address = address, .protocol = "ttrpc" };
	uint8_t *data;
	size_t len;

	if (!bootstrap && is_bundle_of_containerd2()) {
		const char *json = arena_printf(
			arena, "{\"version\":3,\"address\":\"%s\",\"protocol\":\"ttrpc\"}",
			address);
		return json ? io_write_full(STDOUT_FILENO, json, strlen(json)) : -ENOMEM;
	}
	if (!bootstrap)
		return io_write_full(STDOUT_FILENO, address, strlen(address));
	int r = pb_encode(&bootstrap_result_type, &result, arena, &data, &len);
	return r < 0 ? r : io_write_full(STDOUT_FILENO, data, len);
}

static int run_server(const struct shim_options *options, const struct start_input *input,
		      int listen_fd, struct proc *proc, struct err *err)
{
	char pid[24];
	int fds[2], r = neg_errno(pipe2(fds, O_CLOEXEC));

	if (r < 0)
		return err_set_errno(err, r, "make a pipe");
	cleanup_close int reader = fds[0];
	r = spawn_server(options, input->config ? input->config : options->config, listen_fd,
			 fds[1], proc, err);
	(void)fd_close(fds[1]);
	if (r >= 0)
		r = await_server(reader, err);
	if (r < 0)
		return r;
	(void)snprintf(pid, sizeof(pid), "%d", (int)proc->pid);
	/* This fails when containerd has removed the bundle meanwhile. */
	r = write_bundle_file("shim.pid", pid);
	return r < 0 ? err_set_errno(err, r, "write shim.pid") : 0;
}

static int start_sandbox(const struct shim_options *options, const struct start_input *input,
			 const char *path, struct err *err)
{
	cleanup_close int fd = listen_on(options->socket_dir, path);
	struct proc proc = PROC_NULL;

	/* It still runs, although containerd has forgotten it: containerd gets its address again. */
	if (fd == -EADDRINUSE)
		return 0;
	if (fd < 0)
		return err_set_errno(err, fd, "listen on %s", path);
	if (input->ttrpc_address && setenv("TTRPC_ADDRESS", input->ttrpc_address, true) < 0)
		return err_set_errno(err, -errno, "set TTRPC_ADDRESS");
	int r = run_server(options, input, fd, &proc, err);
	if (r < 0 && proc.pidfd >= 0)
		end_server(options, &proc, path);
	else if (r < 0)
		(void)unlink(path);
	proc_deinit(&proc);
	return r;
}

static int start(struct shim_options *options, struct arena *arena, struct err *err)
{
	char path[PATH_MAX], address[PATH_MAX + 8];
	struct start_input input;
	const char *sandbox_id;

	if (!str_is_valid_id(options->id) || !str_is_valid_id(options->namespace))
		return err_set(err, EINVAL, "-id or -namespace is missing or not valid");
	int r = read_input(options, arena, &input, err);
	if (r >= 0)
		r = find_sandbox_id(options, arena, &sandbox_id, err);
	if (r < 0)
		return r;
	options->socket_dir = input.socket_dir;
	r = containerd_socket_path(options, sandbox_id, path, sizeof(path));
	if (r < 0)
		return err_set_errno(err, r, "socket path");
	(void)snprintf(address, sizeof(address), "unix://%s", path);
	/* First: a containerd that is started anew meanwhile looks for the server there. */
	r = write_bundle_file("address", address);
	if (r < 0)
		return err_set_errno(err, r, "write the address");
	/* A pod's further containers live in its first one's shim. */
	if (str_eq(sandbox_id, options->id))
		r = start_sandbox(options, &input, path, err);
	if (r < 0)
		return r;
	r = answer_start(address, input.bootstrap, arena);
	return r < 0 ? err_set_errno(err, r, "answer containerd") : 0;
}

/**
 * containerd_start() - the start action: make sure there is a shim, print its address
 * @options: command line; the working directory is the bundle
 *
 * Return: 0, or -errno with one line on stderr.
 */
int containerd_start(const struct shim_options *options)
{
	cleanup_arena struct arena *arena = NULL;
	struct shim_options copy = *options;
	struct err err = ERR_NULL;

	if (arena_new(&arena) < 0)
		return -ENOMEM;
	return start(&copy, arena, &err) < 0 ? fail(&err) : 0;
}

struct delete_call {
	const struct shim_options *options;
	struct err err;
};

static int open_shim(int state_fd)
{
	cleanup_free char *text = NULL;
	unsigned long long start_time;
	int pid;

	if (io_read_file_at(state_fd, KATA_STATE_SHIM_PID, 128, &text) < 0 ||
	    sscanf(text, "%d %llu", &pid, &start_time) != 2 || pid <= 1)
		return -ESRCH;
	return proc_open_same(pid, start_time);
}

/* Ends a shim that still runs: its VM and mounts go with it. */
static void kill_shim(int state_fd)
{
	cleanup_close int pidfd = open_shim(state_fd);
	struct proc proc = { .pid = 0, .pidfd = pidfd };

	if (pidfd < 0)
		return;
	(void)proc_signal(&proc, SIGKILL); /* gone is as good */
	(void)fiber_wait_fd(pidfd, LOOP_READ, loop_deadline_ms(3000));
}

/* A container that was not its pod's first: the hooks it left are in the sandbox's directory. */
static int delete_member(const struct delete_call *call)
{
	cleanup_arena struct arena *arena = NULL;
	struct err ignored = ERR_NULL;
	char dir[PATH_MAX];
	const char *sandbox_id;

	/* Without a bundle, or a sandbox, it was cleaned up already. */
	if (arena_new(&arena) < 0 ||
	    find_sandbox_id(call->options, arena, &sandbox_id, &ignored) < 0 ||
	    containerd_state_dir(call->options->namespace, sandbox_id, dir, sizeof(dir)) < 0)
		return 0;
	cleanup_close int fd = neg_errno(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	cleanup_close int pidfd = fd < 0 ? fd : open_shim(fd);
	if (fd >= 0 && pidfd < 0)
		hooks_run_due(fd, call->options->id);
	return 0;
}

/*
 * The directory of sockets is told to start only, so start wrote the path into the bundle. delete
 * may run outside of the bundle.
 */
static void unlink_socket(const struct shim_options *options)
{
	cleanup_free char *text = NULL;
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/address", options->bundle ? options->bundle : ".");

	if (n > 0 && (size_t)n < sizeof(path) &&
	    io_read_file_at(AT_FDCWD, path, sizeof(path), &text) >= 0 &&
	    str_skip_prefix(text, "unix:///"))
		(void)unlink(str_skip_prefix(text, "unix://"));
	else if (containerd_socket_path(options, options->id, path, sizeof(path)) >= 0)
		(void)unlink(path);
}

static int delete_main(void *arg)
{
	struct delete_call *call = arg;
	const struct shim_options *options = call->options;
	char dir[PATH_MAX];

	if (!str_is_valid_id(options->id) || !str_is_valid_id(options->namespace))
		return err_set(&call->err, EINVAL, "-id or -namespace is missing or not valid");
	int r = containerd_state_dir(options->namespace, options->id, dir, sizeof(dir));
	if (r < 0)
		return err_set_errno(&call->err, r, "state directory");
	cleanup_close int fd = neg_errno(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (fd < 0)
		return delete_member(call);
	kill_shim(fd);
	r = sandbox_record_undo(fd, &call->err);
	if (r < 0)
		return r;
	hooks_run_due(fd, NULL);
	unlink_socket(options);
	r = io_rm_tree_at(AT_FDCWD, dir);
	return r < 0 ? err_set_errno(&call->err, r, "remove %s", dir) : 0;
}

/**
 * containerd_delete() - the delete action: clean up after a shim that has gone, print a
 * DeleteResponse
 * @options: command line
 *
 * Return: 0, or -errno with one line on stderr.
 */
int containerd_delete(const struct shim_options *options)
{
	struct delete_call call = { .options = options, .err = ERR_NULL };
	struct task_delete_response response = { .exit_status = DELETE_STATUS,
						 .exited_at = pb_timestamp_now() };
	cleanup_arena struct arena *arena = NULL;
	uint8_t *data;
	size_t len;

	if (arena_new(&arena) < 0)
		return -ENOMEM;
	if (fiber_run_main(delete_main, &call) < 0)
		return fail(&call.err);
	int r = pb_encode(task_v2_delete.response, &response, arena, &data, &len);
	return r < 0 ? r : io_write_full(STDOUT_FILENO, data, len);
}

/**
 * containerd_info() - the -info flag: print a RuntimeInfo
 * @options: command line
 *
 * Return: 0 or -errno.
 */
int containerd_info(const struct shim_options *options)
{
	struct runtime_version version = { .version = KATA_VERSION };
	char key[] = EROFS_LAYERS_ALLOW_MOUNTS_KEY, value[] = EROFS_LAYERS_ALLOW_MOUNTS;
	struct kv allow_mounts = { key, value };
	struct runtime_info info = { .name = "io.containerd.kata.v2",
				     .version = &version,
				     .features.type_url = FEATURES_TYPE_URL,
				     .annotations = &allow_mounts,
				     .nr_annotations = 1 };
	cleanup_strbuf struct strbuf features = STRBUF_NULL;
	cleanup_arena struct arena *arena = NULL;
	uint8_t *data;
	size_t len;

	(void)options;
	if (arena_new(&arena) < 0)
		return -ENOMEM;
	int r = oci_features_format(0, &features);
	if (r < 0)
		return r;
	info.features.value = (const uint8_t *)features.data;
	info.features.value_len = features.len;
	r = pb_encode(&runtime_info_type, &info, arena, &data, &len);
	return r < 0 ? r : io_write_full(STDOUT_FILENO, data, len);
}
