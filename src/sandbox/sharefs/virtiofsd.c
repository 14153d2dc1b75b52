/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Two programs called virtiofsd
 *
 * QEMU up to 7.2 came with one in C, whose options are FUSE-style ("-o cache=auto"); the separate
 * one in Rust has long options. Both are driven with a listening socket that is made and connected
 * to right here: QEMU gets the connected end, so it never waits for a path to appear, and the path
 * is gone before virtiofsd runs. Both confine themselves (own mount, pid and network namespace, seccomp); mounts made
 * later below the exported directory reach them because theirs is a slave of ours.
 *
 * Files are created with the user and group ids of who creates them in the guest, but the protocol
 * does not tell the supplementary groups. The guest's kernel has checked the permissions by all of
 * them, so virtiofsd keeps its capabilities while it creates: otherwise a volume that belongs to a
 * pod's fsGroup could not be written.
 *
 * How long the guest may go by what it knows of names and attributes is each answer's, and the
 * daemon's choice: a second with "auto". Whoever opens a name within it gets the file that it led
 * to, even if the host has removed that since, and what he writes is lost. So what others change
 * too needs a daemon that gives no time. The one in C can be told so, and its guest still has a page
 * cache, which it checks by size and time at each read; the one in Rust does so with
 * "--cache=never" only, which makes all I/O direct, and since 1.11 allows shared mappings of it.
 *
 * "auto" of both also lets the guest drop a file's pages whenever it opens it, so each start of a
 * program reads it anew (and TCG translates it anew). The one in C can be told not to by "always" with
 * the time of "auto": then the pages go when the file's size or time is seen to have changed.
 *
 * Both write with all rights of root, so the host's kernel would leave set-user-ID bits in what
 * somebody else writes. With FUSE_HANDLE_KILLPRIV_V2 the guest's kernel says when they must go;
 * without, it does so itself, but not where opening a file empties it, which is one request.
 *
 * ACLs are checked by the guest's kernel, too, and kept by the host's file system. Whoever makes a
 * file names its umask, which does not count where the directory has a default ACL.
 */
#include "sandbox/sharefs/virtiofsd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/argv.h"
#include "common/fd.h"
#include "common/fiber.h"
#include "common/log.h"
#include "common/run_output.h"
#include "common/str.h"
#include "sandbox/hypervisor/output_ring.h"

#define LISTEN_FD 3
#define SOCKET_NAME "virtiofsd.sock"
#define OUTPUT_KEEP 4096
#define PROBE_MS 3000
#define PROBE_OUTPUT_MAX 512
#define KILL_MS 5000
#define FUSE_MARK "FUSE kernel interface version" /* only the one in C prints it */

/**
 * virtiofsd_probe() - which virtiofsd is it
 * @path: binary
 * @ret: receives kind and version
 * @err: filled on failure
 *
 * Runs in a fiber; takes some milliseconds.
 *
 * Return: 0, -EINVAL for some other program, or -errno.
 */
int virtiofsd_probe(const char *path, struct virtiofsd_program *ret, struct err *err)
{
	struct virtiofsd_program program = { .kind = VIRTIOFSD_RUST };
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	const char *version;
	int r = run_output_of(path, "--version", PROBE_OUTPUT_MAX, loop_deadline_ms(PROBE_MS),
			      &text, err);

	if (r < 0)
		return r;
	/* "virtiofsd version 7.2.22 (...)", "virtiofsd 1.10.0", "virtiofsd backend 1.4.0" */
	version = str_skip_prefix(text.data, "virtiofsd ");
	if (!version)
		return err_set(err, EINVAL, "%s is not virtiofsd: it calls itself \"%.40s\"", path,
			       text.data);
	version += strcspn(version, "0123456789\n");
	if (strstr(text.data, FUSE_MARK))
		program.kind = VIRTIOFSD_C;
	if (sscanf(version, "%4u.%4u", &program.major, &program.minor) != 2)
		return err_set(err, EINVAL, "%s: no version in \"%.40s\"", path, text.data);
	*ret = program;
	return 0;
}

/**
 * virtiofsd_can_be_current() - can the guest see at once what others change, and still map files
 * @program: from virtiofsd_probe()
 *
 * Return: yes or no.
 */
bool virtiofsd_can_be_current(const struct virtiofsd_program *program)
{
	return program->kind == VIRTIOFSD_C || program->major > 1 || program->minor >= 11;
}

/* FUSE-style options end at a comma; one that belongs to the path is written with a backslash. */
static void add_c_source(struct argv *args, const char *path)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	int r = strbuf_puts(&text, "source=");

	for (; r >= 0 && *path; path++) {
		if (*path == ',' || *path == '\\')
			r = strbuf_puts(&text, "\\");
		if (r >= 0)
			r = strbuf_add(&text, path, 1);
	}
	argv_fail(args, r);
	argv_add2(args, "-o", text.data);
}

/* Modes of the configuration in each program's words; the one in C knows no "metadata". */
static const struct {
	const char *name, *c, *rust;
} cache_modes[] = {
	{ "never", "none", "never" },
	{ "metadata", "auto", "metadata" },
	{ "auto", "always,timeout=1", "auto" },
	{ "always", "always", "always" },
};

static const char *c_cache(const struct virtiofsd_config *config, size_t mode)
{
	return config->current ? "auto,timeout=0" : cache_modes[mode].c;
}

static void build_c(struct argv *args, const struct virtiofsd_config *config, size_t cache,
		    int listen_fd)
{
	argv_addf(args, "--fd=%d", listen_fd);
	argv_add(args, "-f");
	add_c_source(args, config->source);
	argv_add(args, "-o");
	argv_addf(
		args,
		"sandbox=namespace,cache=%s,%s,%s,killpriv_v2,no_writeback,no_posix_lock,no_flock,"
		"announce_submounts,log_level=%s",
		c_cache(config, cache), config->no_xattr ? "no_xattr" : "xattr",
		config->no_xattr ? "no_posix_acl" : "posix_acl", config->debug ? "info" : "err");
	argv_add(args, "--thread-pool-size=1");
}

static void add_rust_cache(struct argv *args, const struct virtiofsd_config *config,
			   const struct virtiofsd_program *program, size_t cache)
{
	if (!config->current)
		argv_addf(args, "--cache=%s", cache_modes[cache].rust);
	else if (virtiofsd_can_be_current(program)) {
		argv_add(args, "--cache=never");
		argv_add(args, "--allow-mmap");
	} else
		argv_add(args, "--cache=auto");
}

static void build_rust(struct argv *args, const struct virtiofsd_config *config,
		       const struct virtiofsd_program *program, size_t cache, int listen_fd)
{
	argv_addf(args, "--fd=%d", listen_fd);
	argv_add(args, "--shared-dir");
	argv_add(args, config->source);
	add_rust_cache(args, config, program, cache);
	argv_add(args, "--sandbox=namespace");
	argv_add(args, "--announce-submounts");
	argv_add(args, "--killpriv-v2");
	argv_add(args, "--thread-pool-size=1");
	if (!config->no_xattr) {
		argv_add(args, "--xattr");
		argv_add(args, "--posix-acl");
	}
	argv_addf(args, "--log-level=%s", config->debug ? "info" : "error");
}

/*
 * --thread-pool-size and --announce-submounts of the configuration's default mean the same to both
 * programs.
 */
static void add_extra(struct argv *args, const struct virtiofsd_config *config,
		      enum virtiofsd_kind kind)
{
	for (size_t i = 0; i < config->nr_extra_args; i++) {
		const char *arg = config->extra_args[i];

		if (str_eq(arg, "--announce-submounts"))
			continue; /* on already, and a FUSE option in the one in C */
		if (kind == VIRTIOFSD_RUST && str_eq(arg, "-o") && i + 1 < config->nr_extra_args &&
		    str_eq(config->extra_args[i + 1], "announce_submounts")) {
			i++;
			continue;
		}
		argv_add(args, arg);
	}
}

/**
 * virtiofsd_argv() - write the command line
 * @config: what to export and how
 * @program: which program
 * @listen_fd: number of the listening socket in the child
 * @arena: holds the strings
 * @argv: receives the words, argv[0] included
 * @err: filled on failure
 *
 * Return: 0, -EINVAL for an unknown cache mode, -ENOMEM.
 */
int virtiofsd_argv(const struct virtiofsd_config *config, const struct virtiofsd_program *program,
		   int listen_fd, struct arena *arena, struct strv *argv, struct err *err)
{
	struct argv args = { .arena = arena, .words = argv };
	const char *mode = config->cache ? config->cache : "auto";
	size_t cache = 0;

	while (cache < ARRAY_SIZE(cache_modes) && !str_eq(cache_modes[cache].name, mode))
		cache++;
	if (cache == ARRAY_SIZE(cache_modes))
		return err_set(err, EINVAL,
			       "virtio_fs_cache \"%s\" is not one of never, metadata, auto, always",
			       mode);
	argv_add(&args, config->path);
	if (program->kind == VIRTIOFSD_C)
		build_c(&args, config, cache, listen_fd);
	else
		build_rust(&args, config, program, cache, listen_fd);
	add_extra(&args, config, program->kind);
	return args.r < 0 ? err_set_errno(err, args.r, "virtiofsd's command line") : 0;
}

static int connect_at(int dir_fd, const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_close int fd = neg_errno(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	if (fd < 0)
		return fd;
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
	int r = neg_errno(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)));
	return r < 0 ? r : TAKE_FD(fd);
}

/*
 * A listening socket, and a connection to it. Its name is in a directory of root's, and gone before
 * virtiofsd runs: who connects first has the host's files as root. Nobody accepts yet: the
 * connection waits in the backlog, which for unix sockets means it succeeds.
 */
static int make_sockets(const char *dir, int *ret_listener, int *ret_client)
{
	cleanup_close int dir_fd = neg_errno(open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC));

	if (dir_fd < 0)
		return dir_fd;
	(void)unlinkat(dir_fd, SOCKET_NAME, 0); /* of a shim that was killed */
	cleanup_close int listener = fd_listen_at(dir_fd, SOCKET_NAME, SOCK_STREAM);
	cleanup_close int client = listener < 0 ? listener : connect_at(dir_fd, SOCKET_NAME);
	int r = listener < 0 ? 0 : neg_errno(unlinkat(dir_fd, SOCKET_NAME, 0));
	if (client < 0 || r < 0)
		return client < 0 ? client : r;
	*ret_listener = TAKE_FD(listener);
	*ret_client = TAKE_FD(client);
	return 0;
}

static void on_line(void *arg, const char *line)
{
	(void)arg;
	log_debug("virtiofsd: %s", line);
}

static int spawn(struct loop *loop, const struct virtiofsd_config *config, const struct strv *argv,
		 int listener, struct virtiofsd *ret, struct err *err)
{
	cleanup_close int output = -1, their_output = -1;
	int pipe_fds[2], r;

	r = neg_errno(pipe2(pipe_fds, O_CLOEXEC));
	if (r < 0)
		return err_set_errno(err, r, "pipe");
	output = pipe_fds[0];
	their_output = pipe_fds[1];
	const struct proc_fd fds[] = {
		{ .fd = listener, .target = LISTEN_FD },
		{ .fd = their_output, .target = STDOUT_FILENO },
		{ .fd = their_output, .target = STDERR_FILENO },
	};
	const struct proc_spec spec = {
		.path = config->path,
		.argv = argv->v,
		.fds = fds,
		.nr_fds = ARRAY_SIZE(fds),
		.cwd = "/",
		.netns_fd = -1,
		.cgroup_fds = config->cgroup_fds,
		.nr_cgroup_fds = config->nr_cgroup_fds,
		.new_session = true,
		.die_with_parent = true,
		.keep_caps = true,
	};
	r = output_ring_new(loop, TAKE_FD(output), OUTPUT_KEEP, &ret->output);
	if (r < 0)
		return err_set_errno(err, r, "virtiofsd's output");
	output_ring_on_line(ret->output, on_line, NULL);
	return proc_spawn(&spec, &ret->proc, err);
}

/**
 * virtiofsd_start() - start one
 * @loop: loop that reads its output
 * @config: what to export and how
 * @program: what virtiofsd_probe() said of its binary
 * @ret: receives the process; released with virtiofsd_deinit()
 * @ret_fd: receives the connected vhost-user socket, for struct vm_fs; the caller's
 * @err: filled on failure
 *
 * Runs in a fiber. It ends by itself when the other end of the connection is closed.
 *
 * Return: 0 or -errno.
 */
int virtiofsd_start(struct loop *loop, const struct virtiofsd_config *config,
		    const struct virtiofsd_program *program, struct virtiofsd *ret, int *ret_fd,
		    struct err *err)
{
	cleanup_close int listener = -1, client = -1;
	struct virtiofsd vfsd = VIRTIOFSD_NULL;
	cleanup_arena struct arena *arena = NULL;
	struct strv argv = { 0 };
	int r;

	r = arena_new(&arena);
	if (r < 0)
		return err_set_errno(err, r, "virtiofsd");
	r = virtiofsd_argv(config, program, LISTEN_FD, arena, &argv, err);
	if (r < 0)
		return r;
	r = make_sockets(config->dir, &listener, &client);
	if (r < 0)
		return err_set_errno(err, r, "sockets for virtiofsd");
	r = spawn(loop, config, &argv, listener, &vfsd, err);
	if (r < 0) {
		virtiofsd_deinit(&vfsd);
		return r;
	}
	*ret = vfsd;
	*ret_fd = TAKE_FD(client);
	return 0;
}

/**
 * virtiofsd_last_line() - the last thing it said
 * @vfsd: process, alive or not
 * @buf: receives a line, "" when it said nothing
 * @len: size of @buf, at least 1
 */
void virtiofsd_last_line(const struct virtiofsd *vfsd, char *buf, size_t len)
{
	if (vfsd->output)
		output_ring_drain(vfsd->output);
	output_ring_last_line(vfsd->output, buf, len);
}

/**
 * virtiofsd_stop() - wait for its end, or bring it about
 * @vfsd: process whose VM has ended
 * @deadline_ns: absolute time until which it may end by itself
 *
 * Runs in a fiber. Watches on its pidfd must have been removed.
 *
 * Return: 0, or -ETIMEDOUT when not even SIGKILL helps.
 */
int virtiofsd_stop(struct virtiofsd *vfsd, uint64_t deadline_ns)
{
	bool masked;
	int r;

	if (vfsd->proc.pidfd < 0 || proc_wait_fiber(&vfsd->proc, deadline_ns, NULL) >= 0)
		return 0;
	masked = fiber_mask_cancel(true);
	(void)proc_signal(&vfsd->proc, SIGKILL); /* fails only when it has just ended */
	r = proc_wait_fiber(&vfsd->proc, loop_deadline_ms(KILL_MS), NULL);
	(void)fiber_mask_cancel(masked);
	return r;
}

/**
 * virtiofsd_deinit() - release, killing it if it runs
 * @vfsd: process or VIRTIOFSD_NULL; is VIRTIOFSD_NULL afterwards
 */
void virtiofsd_deinit(struct virtiofsd *vfsd)
{
	if (vfsd->proc.pidfd >= 0)
		(void)proc_signal(&vfsd->proc, SIGKILL);
	proc_deinit(&vfsd->proc);
	(void)output_ring_free(vfsd->output);
	*vfsd = VIRTIOFSD_NULL;
}
