/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See container-fixture.h. Everything a container writes is read with a bound; each run has a
 * deadline.
 */
#include "container-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/str.h"
#include "oci/spec.h"

#define FIXTURE_TIMEOUT_MS 60000

static char dir[64];

static const char *const applets[] = {
	"sh",	    "cat",	"echo",	  "id",	    "ls",      "stat",	"sleep",      "true",
	"false",    "env",	"pwd",	  "mount",  "umount",  "mkdir", "touch",      "grep",
	"hostname", "readlink", "test",	  "kill",   "mknod",   "dd",	"tty",	      "stty",
	"head",	    "wc",	"ps",	  "sysctl", "chown",   "chmod", "rm",	      "ln",
	"date",	    "cut",	"sort",	  "tr",	    "unshare", "nproc", "domainname", "awk",
	"printf",   "sync",	"chroot",
};

bool fixture_can_run(void)
{
	return getuid() == 0 && access("/bin/busybox", X_OK) == 0;
}

const char *fixture_dir(void)
{
	return dir;
}

const char *fixture_cgroup_root(void)
{
	static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		if (statfs(roots[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC &&
		    access(roots[i], W_OK) == 0)
			return roots[i];
	return NULL;
}

int fixture_write(const char *path, const char *text)
{
	char full[256];

	(void)snprintf(full, sizeof(full), "%s/%s", dir, path);
	int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	int r = fd < 0 ? -errno : io_write_full(fd, text, strlen(text));
	(void)fd_close(fd);
	return r;
}

void fixture_remove(const char *path)
{
	char full[256];

	(void)snprintf(full, sizeof(full), "%s/%s", dir, path);
	(void)unlink(full);
}

static int copy_busybox(void)
{
	char to[128], *data = NULL;
	ssize_t n = io_read_file_at(AT_FDCWD, "/bin/busybox", 64 << 20, &data);

	if (n < 0)
		return (int)n;
	(void)snprintf(to, sizeof(to), "%s/rootfs/bin/busybox", dir);
	int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	int r = fd < 0 ? -errno : io_write_full(fd, data, (size_t)n);
	(void)fd_close(fd);
	free(data);
	return r;
}

int fixture_setup(void **state)
{
	static const char *const dirs[] = { "bin", "proc", "sys",  "dev",      "tmp",
					    "etc", "root", "data", "home/user" };
	char path[160];

	(void)state;
	if (!fixture_can_run())
		return 0;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)snprintf(dir, sizeof(dir), "/tmp/kata-containers-XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		(void)snprintf(path, sizeof(path), "%s/rootfs/%s", dir, dirs[i]);
		if (io_mkdir_p(path, 0755) < 0)
			return -1;
	}
	if (copy_busybox() < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(applets); i++) {
		(void)snprintf(path, sizeof(path), "%s/rootfs/bin/%s", dir, applets[i]);
		if (symlink("busybox", path) < 0)
			return -1;
	}
	(void)snprintf(path, sizeof(path), "%s/rootfs/etc/passwd", dir);
	if (fixture_write("rootfs/etc/passwd",
			  "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n") <
	    0)
		return -1;
	return chmod(path, 0644);
}

int fixture_teardown(void **state)
{
	(void)state;
	if (!dir[0])
		return 0;
	if (fixture_cgroup_root()) {
		char path[64];

		(void)snprintf(path, sizeof(path), "%s/kata", fixture_cgroup_root());
		(void)rmdir(path); /* the parent of the default paths */
	}
	(void)umask(022);
	return io_rm_tree_at(AT_FDCWD, dir) < 0 ? -1 : 0;
}

static int quote(const char *script, struct strbuf *out)
{
	int r = strbuf_puts(out, "[\"sh\", \"-c\", \"");

	for (; *script && r >= 0; script++)
		r = *script == '"' || *script == '\\' ? strbuf_printf(out, "\\%c", *script)
		    : *script == '\n'		      ? strbuf_puts(out, "\\n")
						      : strbuf_add(out, script, 1);
	return r < 0 ? r : strbuf_puts(out, "\"]");
}

static const char *or_default(const char *s, const char *def)
{
	return s ? s : def;
}

#define CAPS                                                                            \
	"[\"CAP_CHOWN\", \"CAP_KILL\", \"CAP_SETUID\", \"CAP_SETGID\", \"CAP_MKNOD\", " \
	"\"CAP_NET_RAW\", "                                                             \
	"\"CAP_DAC_OVERRIDE\", \"CAP_FOWNER\"]"

static int build_spec(const struct fixture_run *run, struct strbuf *out)
{
	cleanup_strbuf struct strbuf args = STRBUF_NULL;
	int r = run->shell ? quote(run->shell, &args)
			   : strbuf_puts(&args, or_default(run->args, "[\"true\"]"));

	if (r < 0)
		return r;
	return strbuf_printf(
		out,
		"{\"ociVersion\": \"1.2.0\", \"process\": {%s \"user\": %s, \"args\": %s, "
		"\"env\": [\"PATH=/bin:/usr/bin\", \"GREETING=hello\"], \"cwd\": \"%s\", "
		"\"capabilities\": %s}, "
		"\"root\": {\"path\": \"rootfs\", \"readonly\": %s}, \"mounts\": ["
		"{\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"},"
		"{\"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\", "
		"\"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"]},"
		"{\"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\", "
		"\"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", "
		"\"mode=0620\"]},"
		"{\"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\", "
		"\"options\": [\"nosuid\", \"noexec\", \"nodev\", \"mode=1777\", \"size=1m\"]},"
		"{\"destination\": \"/dev/mqueue\", \"type\": \"mqueue\", \"source\": \"mqueue\", "
		"\"options\": [\"nosuid\", \"noexec\", \"nodev\"]},"
		"{\"destination\": \"/sys\", \"type\": \"sysfs\", \"source\": \"sysfs\", "
		"\"options\": [\"nosuid\", \"noexec\", \"nodev\", \"ro\"]}%s], "
		"\"linux\": {\"namespaces\": %s%s}%s}",
		or_default(run->process, ""), or_default(run->user, "{\"uid\": 0, \"gid\": 0}"),
		args.data, or_default(run->cwd, "/"),
		or_default(run->capabilities, "{\"bounding\": " CAPS ", \"effective\": " CAPS
					      ", \"permitted\": " CAPS "}"),
		run->read_only ? "true" : "false", or_default(run->mounts, ""),
		or_default(run->namespaces,
			   "[{\"type\": \"pid\"}, {\"type\": \"mount\"}, {\"type\": \"ipc\"}, "
			   "{\"type\": \"uts\"}, {\"type\": \"network\"}]"),
		or_default(run->linux_, ""), or_default(run->top, ""));
}

struct reader {
	int fd;
	char *buf;
	size_t size;
};

/* A terminal whose last process has gone gives EIO where a pipe gives the end. */
static void reader_main(void *arg)
{
	struct reader *reader = arg;
	size_t len = 0;

	while (reader->fd >= 0 && len + 1 < reader->size) {
		ssize_t n = fiber_read(reader->fd, reader->buf + len, reader->size - len - 1,
				       loop_deadline_ms(FIXTURE_TIMEOUT_MS));
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	reader->buf[len] = '\0';
}

static int collect(struct process *p, const char *input, char *out, size_t out_size, char *errors,
		   size_t errors_size, int *ret_code)
{
	uint64_t deadline = loop_deadline_ms(FIXTURE_TIMEOUT_MS);
	struct reader readers[] = {
		{ p->terminal ? p->tty_fd : p->stdout_fd, out, out_size },
		{ p->stderr_fd, errors, errors_size },
	};
	struct fiber *fibers[2];

	for (int i = 0; i < 2; i++)
		if (fiber_spawn(fiber_loop(), "reader", reader_main, &readers[i], &fibers[i]) < 0)
			return -ENOMEM;
	if (input)
		(void)!fiber_write_full(p->terminal ? p->tty_fd : p->stdin_fd, input, strlen(input),
					deadline);
	p->stdin_fd = fd_close(p->stdin_fd);
	int r = process_wait(p, deadline, ret_code);
	for (int i = 0; i < 2; i++)
		if (fiber_join(fibers[i], deadline) < 0)
			return -ETIMEDOUT;
	return r;
}

struct call {
	struct fixture_run *run;
	struct fixture_result *ret;
};

static int fail(struct fixture_result *ret, const char *step, int r)
{
	ret->step = step;
	ret->r = r;
	return r;
}

static void exec_in(struct container *c, struct call *call, struct arena *arena)
{
	struct fixture_result *ret = call->ret;
	struct oci_process *oci;
	struct process *p;
	char errors[4096];

	int r = oci_process_parse(call->run->exec, strlen(call->run->exec), "process.json", arena,
				  &oci, &ret->err);
	if (r >= 0)
		r = container_exec(c, "exec1", oci, loop_deadline_ms(FIXTURE_TIMEOUT_MS),
				   call->run->no_input, &p, &ret->err);
	if (r >= 0)
		r = collect(p, call->run->exec_input, ret->exec_out, sizeof(ret->exec_out), errors,
			    sizeof(errors), &ret->exec_code);
	if (r < 0)
		(void)fail(ret, "exec", r);
}

static int run_main(void *arg)
{
	struct call *call = arg;
	struct fixture_run *run = call->run;
	struct fixture_result *ret = call->ret;
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	cleanup_arena struct arena *arena = NULL;
	struct container_create_args args;
	char rootfs[96];
	struct oci_spec *spec;
	struct container *c;

	int r = arena_new(&arena);
	if (r >= 0)
		r = build_spec(run, &text);
	if (r >= 0)
		r = oci_spec_parse(text.data, text.len, "config.json", arena, &spec, &ret->err);
	if (r < 0)
		return fail(ret, "spec", r);
	container_create_args_init(&args);
	(void)snprintf(rootfs, sizeof(rootfs), "%s/rootfs", dir);
	args.id = "test";
	args.spec = spec;
	args.rootfs = rootfs;
	args.bundle = dir;
	args.no_pivot = run->no_pivot;
	args.no_input = run->no_input;
	args.cgroup_root = run->cgroup ? fixture_cgroup_root() : NULL;
	args.deadline_ns = loop_deadline_ms(FIXTURE_TIMEOUT_MS);
	for (int i = 0; i < CONTAINER_NS_NR; i++)
		if (run->ns_fd[i])
			args.ns[i] = run->ns_fd[i];
	r = container_create(&args, &c, &ret->err);
	if (r < 0)
		return fail(ret, "create", r);
	r = container_start(c, loop_deadline_ms(FIXTURE_TIMEOUT_MS), &ret->err);
	if (r < 0)
		(void)fail(ret, "start", r);
	if (r >= 0 && run->running)
		run->running(c, run);
	if (r >= 0 && run->exec)
		exec_in(c, call, arena);
	if (r >= 0) {
		r = collect(c->init, run->input, ret->out, sizeof(ret->out), ret->errors,
			    sizeof(ret->errors), &ret->exit_code);
		if (r < 0)
			(void)fail(ret, "wait", r);
	}
	struct err err = ERR_NULL;
	r = container_destroy(c, loop_deadline_ms(FIXTURE_TIMEOUT_MS), &err);
	if (r < 0) {
		ret->err = err;
		return fail(ret, "destroy", r);
	}
	return 0;
}

void fixture_run(struct fixture_run *run, struct fixture_result *ret)
{
	struct call call = { .run = run, .ret = ret };

	memset(ret, 0, sizeof(*ret));
	int r = fiber_run_main(run_main, &call);
	if (r < 0 && !ret->step)
		(void)fail(ret, "loop", r);
	if (ret->r < 0)
		(void)fprintf(stderr, "# %s: %d: %s\n", ret->step, ret->r, ret->err.text);
}
