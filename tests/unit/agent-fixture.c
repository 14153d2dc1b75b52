/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See agent-fixture.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent-fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/server/server.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/json.h"
#include "common/proc.h"
#include "common/str.h"
#include "container-fixture.h"
#include "oci/spec.h"
#include "rpc/ttrpc/rpc.h"

uint64_t agent_soon(void)
{
	return loop_deadline_ms(60000);
}

static void must(int r, const char *step)
{
	if (r == -1) {
		perror(step);
		_exit(99);
	}
}

/* Where a guest has its own /run and cgroups the child gets them too. */
static void enter_namespaces(const struct agent_world *w)
{
	if (*w->cgroup) {
		char procs[128];
		(void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", w->cgroup);
		must(io_write_str_at(AT_FDCWD, procs, "0") < 0 ? -1 : 0, "join cgroup");
	}
	must(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP),
	     "unshare");
	must(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL), "private");
	must(mount("tmpfs", "/run", "tmpfs", 0, "mode=755"), "mount /run");
	if (*w->cgroup) {
		/* Not in the cgroup itself: one with processes of its own may not share out
		 * controllers. */
		must(mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL), "mount cgroup2");
	} else {
		(void)umount2("/sys/fs/cgroup", MNT_DETACH);
	}
}

static void run_agent(const struct agent_world *w)
{
	static struct server server;
	struct loop *loop;
	struct agent_config config;
	struct err err = ERR_NULL;

	must(prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
	(void)signal(SIGPIPE, SIG_IGN);
	enter_namespaces(w);
	agent_config_init(&config);
	config.server.type = AGENT_ADDR_UNIX;
	config.hotplug_timeout_ms = 300;
	(void)snprintf(config.server.path, sizeof(config.server.path), "%s", w->path);
	log_init("kata-agent", STDERR_FILENO, LOG_FORMAT_PLAIN,
		 getenv("KATA_TEST_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN);
	must(loop_new(&loop), "loop");
	if (server_init(&server, loop, &config, -1, NULL, &err) < 0) {
		(void)fprintf(stderr, "# %s\n", err.text);
		_exit(98);
	}
	int r = loop_run(loop);
	server_deinit(&server);
	_exit(r < 0 ? 97 : 0);
}

void agent_start(struct agent_world *w)
{
	const char *root = fixture_cgroup_root();
	int fd = -1;

	*w = (struct agent_world){ 0 };
	assert_int_equal(arena_new(&w->arena), 0);
	(void)snprintf(w->path, sizeof(w->path), "%s/agent.sock", fixture_dir());
	(void)unlink(w->path);
	if (root) {
		(void)snprintf(w->cgroup, sizeof(w->cgroup), "%s/kata-test-%d", root,
			       (int)getpid());
		assert_true(mkdir(w->cgroup, 0755) == 0 || errno == EEXIST);
	}
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (w->pid == 0)
		run_agent(w);
	for (uint64_t end = agent_soon(); fd < 0 && loop_now_ns() < end;
	     (void)fiber_sleep_until(loop_deadline_ms(5)))
		fd = fiber_connect_unix(w->path, agent_soon());
	assert_true(fd >= 0);
	assert_int_equal(rpc_client_new(fiber_loop(), fd, &w->client), 0);
}

static void remove_cgroup(const char *path)
{
	char sub[512];
	DIR *dir = opendir(path);

	for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		(void)snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		remove_cgroup(sub);
	}
	if (dir)
		(void)closedir(dir);
	(void)rmdir(path);
}

void agent_stop(struct agent_world *w)
{
	int wstatus = -1, pidfd = proc_open_pidfd(w->pid);

	assert_int_equal(agent_call(w, &agent_destroy_sandbox, NULL, NULL), 0);
	w->client = rpc_client_free(w->client);
	assert_int_equal(fiber_wait_pidfd(pidfd, agent_soon(), &wstatus), 0);
	(void)close(pidfd);
	assert_int_equal(wstatus, 0);
	if (*w->cgroup)
		remove_cgroup(w->cgroup);
	w->arena = arena_free(w->arena);
}

int agent_call(struct agent_world *w, const struct rpc_method *method, const void *req, void *resp)
{
	w->err = ERR_NULL;
	return rpc_call(w->client, method, req, resp, w->arena, agent_soon(), &w->err);
}

void agent_create_pod(struct agent_world *w)
{
	struct agent_create_sandbox_request req = { .hostname = "pod", .sandbox_id = "pod1" };
	int r = agent_call(w, &agent_create_sandbox, &req, NULL);

	if (r < 0)
		fail_msg("CreateSandbox: %s", w->err.text);
}

static char *quote(struct agent_world *w, const char *script)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct json_writer jw;

	json_writer_init(&jw, &out, false);
	json_put_str(&jw, script);
	assert_int_equal(json_writer_finish(&jw), 0);
	return arena_strdup(w->arena, out.data);
}

#define PROCESS_FORMAT                                                                             \
	"{%s \"args\": [\"sh\", \"-c\", %s], \"env\": [\"PATH=/bin\"], \"cwd\": \"/\", \"user\": " \
	"{\"uid\": 0, \"gid\": 0}}"

struct oci_process *agent_process(struct agent_world *w, const char *script, const char *process)
{
	char *text =
		arena_printf(w->arena, PROCESS_FORMAT, process ? process : "", quote(w, script));
	struct oci_process *ret;

	if (oci_process_parse(text, strlen(text), "process.json", w->arena, &ret, &w->err) < 0)
		fail_msg("%s", w->err.text);
	return ret;
}

struct oci_spec *agent_spec(struct agent_world *w, const char *script, const char *process)
{
	char *p = arena_printf(w->arena, PROCESS_FORMAT, process ? process : "", quote(w, script));
	char *text = arena_printf(
		w->arena,
		"{\"ociVersion\": \"1.2.0\", \"process\": %s, \"root\": {\"path\": \"%s/rootfs\"}, "
		"\"mounts\": ["
		"{\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"},"
		"{\"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\"},"
		"{\"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\", "
		"\"options\": [\"newinstance\", \"ptmxmode=0666\", \"mode=0620\"]}], "
		"\"linux\": {\"namespaces\": [{\"type\": \"pid\"}, {\"type\": \"mount\"}, "
		"{\"type\": \"ipc\"}, "
		"{\"type\": \"uts\"}, {\"type\": \"network\", \"path\": \"/proc/1/ns/net\"}]}}",
		p, fixture_dir());
	struct oci_spec *ret;

	if (oci_spec_parse(text, strlen(text), "config.json", w->arena, &ret, &w->err) < 0)
		fail_msg("%s", w->err.text);
	return ret;
}

int agent_create(struct agent_world *w, const char *id, struct oci_spec *spec,
		 const uint32_t ports[3])
{
	struct agent_create_container_request req = { .container_id = id,
						      .exec_id = id,
						      .oci = spec };

	if (ports) {
		req.stdin_port = ports[0];
		req.stdout_port = ports[1];
		req.stderr_port = ports[2];
	}
	return agent_call(w, &agent_create_container, &req, NULL);
}

int agent_start_container_id(struct agent_world *w, const char *id)
{
	struct agent_start_container_request req = { .container_id = id };

	return agent_call(w, &agent_start_container, &req, NULL);
}

int agent_wait(struct agent_world *w, const char *id, const char *exec_id, int *ret_status)
{
	struct agent_wait_process_request req = { .container_id = id, .exec_id = exec_id };
	struct agent_wait_process_response resp = { 0 };
	int r = agent_call(w, &agent_wait_process, &req, &resp);

	if (r >= 0)
		*ret_status = resp.status;
	return r;
}

int agent_remove(struct agent_world *w, const char *id)
{
	struct agent_remove_container_request req = { .container_id = id };

	return agent_call(w, &agent_remove_container, &req, NULL);
}

const char *agent_read_all(struct agent_world *w, const char *id, const char *exec_id,
			   bool err_stream)
{
	struct agent_read_stream_request req = { .container_id = id,
						 .exec_id = exec_id,
						 .len = 32768 };
	cleanup_strbuf struct strbuf out = STRBUF_NULL;

	for (;;) {
		struct agent_read_stream_response resp = { 0 };
		int r = agent_call(w, err_stream ? &agent_read_stderr : &agent_read_stdout, &req,
				   &resp);

		if (r < 0)
			fail_msg("read: %s", w->err.text);
		if (!resp.data_len)
			return arena_strdup(w->arena, out.data ? out.data : "");
		assert_int_equal(strbuf_add(&out, resp.data, resp.data_len), 0);
	}
}

int agent_bind_stream(uint32_t *ret_port)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*ret_port = (uint32_t)strtoul(addr.sun_path + 1, NULL, 16);
	return fd;
}

void agent_connect_stream(struct agent_world *w, int fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s.streams", w->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(fd_set_nonblock(fd, true), 0);
}

int agent_dial_stream(struct agent_world *w, uint32_t *ret_port)
{
	int fd = agent_bind_stream(ret_port);

	agent_connect_stream(w, fd);
	return fd;
}

const char *agent_drain(struct agent_world *w, int fd, size_t max)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	char buf[4096];

	for (;;) {
		ssize_t n = fiber_read(fd, buf, sizeof(buf), agent_soon());

		if (n < 0)
			fail_msg("drain: %s", strerror((int)-n));
		if (n == 0)
			break;
		assert_int_equal(strbuf_add(&out, buf, (size_t)n), 0);
		assert_true(out.len <= max);
	}
	(void)close(fd);
	return arena_strdup(w->arena, out.data ? out.data : "");
}
