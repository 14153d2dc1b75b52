/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent as a whole, driven by RPC as a shim drives it: pods, containers, execs, streams of both
 * kinds, signals, the end. Real processes on this machine; skipped without root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent-fixture.h"
#include "agent/sandbox/pid_ns.h"
#include "common/fd.h"
#include "common/str.h"
#include "container-fixture.h"
#include "kata/guest.h"
#include "rpc/pb/admin_msg.h"
#include "rpc/ttrpc/rpc.h"

static struct agent_world w;

static void ok(int r, const char *what)
{
	if (r < 0)
		fail_msg("%s: %s", what, w.err.text);
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void run(const char *id, const char *script)
{
	ok(agent_create(&w, id, agent_spec(&w, script, NULL), NULL), "create");
	ok(agent_start_container_id(&w, id), "start");
}

static int wait_for(const char *id, const char *exec_id)
{
	int status = -1;

	ok(agent_wait(&w, id, exec_id, &status), "wait");
	return status;
}

static int send_signal(const char *id, const char *exec_id, int signo)
{
	struct agent_signal_process_request req = { .container_id = id,
						    .exec_id = exec_id,
						    .signal = (uint32_t)signo };

	return agent_call(&w, &agent_signal_process, &req, NULL);
}

static int exec_in(const char *id, const char *exec_id, const char *script, const uint32_t ports[3])
{
	struct agent_exec_process_request req = {
		.container_id = id,
		.exec_id = exec_id,
		.process = agent_process(&w, script, NULL),
	};

	if (ports) {
		req.stdin_port = ports[0];
		req.stdout_port = ports[1];
		req.stderr_port = ports[2];
	}
	return agent_call(&w, &agent_exec_process, &req, NULL);
}

static int health_answers(void *arg)
{
	struct health_check_request req = { .service = "" };
	struct health_check_response resp = { 0 };
	struct health_version_check_response version = { 0 };

	(void)arg;
	ok(agent_call(&w, &health_check, &req, &resp), "check");
	assert_int_equal(resp.status, HEALTH_SERVING);
	ok(agent_call(&w, &health_version, &req, &version), "version");
	assert_string_equal(version.grpc_version, "0.0.1");
	assert_int_equal(
		agent_call(&w, &agent_set_policy, &(struct agent_set_policy_request){ 0 }, NULL),
		-EOPNOTSUPP);
	return 0;
}

static int output_comes_by_rpc(void *arg)
{
	(void)arg;
	run("c1", "echo out; hostname; echo err >&2; exit 7");
	assert_string_equal(agent_read_all(&w, "c1", "c1", false), "out\npod\n");
	assert_string_equal(agent_read_all(&w, "c1", "", true), "err\n");
	assert_int_equal(wait_for("c1", "c1"), 7);
	int status;
	assert_int_equal(agent_wait(&w, "c1", "c1", &status), -ENOENT);
	ok(agent_remove(&w, "c1"), "remove");
	assert_int_equal(agent_remove(&w, "c1"), -EINVAL);
	return 0;
}

static int output_can_be_read_after_the_wait(void *arg)
{
	(void)arg;
	run("c1", "echo late");
	assert_int_equal(wait_for("c1", ""), 0);
	assert_string_equal(agent_read_all(&w, "c1", "c1", false), "late\n");
	ok(agent_remove(&w, "c1"), "remove");
	return 0;
}

static int input_goes_by_rpc(void *arg)
{
	struct agent_write_stream_request req = {
		.container_id = "c1",
		.exec_id = "c1",
		.data = (const uint8_t *)"hello\n",
		.data_len = 6,
	};
	struct agent_write_stream_response resp = { 0 };

	(void)arg;
	run("c1", "cat; echo end");
	ok(agent_call(&w, &agent_write_stdin, &req, &resp), "write");
	assert_int_equal(resp.len, 6);
	req.data_len = 0;
	ok(agent_call(&w, &agent_write_stdin, &req, &resp), "close");
	assert_string_equal(agent_read_all(&w, "c1", "c1", false), "hello\nend\n");
	assert_int_equal(wait_for("c1", "c1"), 0);
	ok(agent_remove(&w, "c1"), "remove");
	return 0;
}

/* Writes a pattern and shuts down; in a fiber beside the reader. */
struct feed {
	int fd;
	size_t len;
};

static void feed_main(void *arg)
{
	struct feed *feed = arg;
	char buf[65536];

	memset(buf, 'x', sizeof(buf));
	for (size_t done = 0; done < feed->len; done += sizeof(buf))
		if (fiber_write_full(feed->fd, buf, sizeof(buf), agent_soon()) < 0)
			break;
	(void)shutdown(feed->fd, SHUT_WR);
}

static int streams_carry_all_both_ways(void *arg)
{
	struct feed feed = { .len = 64UL << 20 };
	uint32_t ports[3];
	char buf[65536];
	size_t got = 0;

	(void)arg;
	feed.fd = agent_dial_stream(&w, &ports[0]);
	int out = agent_dial_stream(&w, &ports[1]);
	int errors = agent_dial_stream(&w, &ports[2]);
	ok(agent_create(&w, "c1", agent_spec(&w, "cat; echo done >&2; exit 3", NULL), ports),
	   "create");
	ok(agent_start_container_id(&w, "c1"), "start");
	assert_int_equal(fiber_spawn(fiber_loop(), "feed", feed_main, &feed, NULL), 0);
	for (;;) {
		ssize_t n = fiber_read(out, buf, sizeof(buf), agent_soon());
		assert_true(n >= 0);
		if (!n)
			break;
		got += (size_t)n;
	}
	assert_int_equal(got, feed.len);
	(void)close(out);
	assert_string_equal(agent_drain(&w, errors, 100), "done\n");
	assert_int_equal(wait_for("c1", "c1"), 3);
	/* The agent's end of the input has gone with its reader. */
	assert_int_equal(fiber_read(feed.fd, buf, 1, agent_soon()), 0);
	(void)close(feed.fd);
	ok(agent_remove(&w, "c1"), "remove");
	return 0;
}

struct late {
	uint32_t ports[3];
	int r;
};

static void late_create(void *arg)
{
	struct late *late = arg;

	late->r = agent_create(&w, "c1", agent_spec(&w, "echo here", NULL), late->ports);
}

static int a_stream_may_come_after_its_request(void *arg)
{
	struct late late = { .ports = { KATA_STREAM_NONE, 0, KATA_STREAM_NONE }, .r = 1 };
	struct fiber *fiber;
	int fd = agent_bind_stream(&late.ports[1]);

	(void)arg;
	assert_int_equal(fiber_spawn(fiber_loop(), "late", late_create, &late, &fiber), 0);
	(void)fiber_sleep_until(loop_deadline_ms(100));
	assert_int_equal(late.r, 1); /* it waits */
	agent_connect_stream(&w, fd);
	assert_int_equal(fiber_join(fiber, agent_soon()), 0);
	ok(late.r, "create");
	ok(agent_start_container_id(&w, "c1"), "start");
	assert_string_equal(agent_drain(&w, fd, 100), "here\n");
	assert_int_equal(wait_for("c1", "c1"), 0);
	ok(agent_remove(&w, "c1"), "remove");

	late.ports[1] = 1; /* never comes */
	assert_int_equal(agent_create(&w, "c1", agent_spec(&w, "true", NULL), late.ports),
			 -ETIMEDOUT);
	return 0;
}

static int unwanted_streams_do_not_block(void *arg)
{
	const uint32_t none[3] = { KATA_STREAM_NONE, KATA_STREAM_NONE, KATA_STREAM_NONE };

	(void)arg;
	ok(agent_create(&w, "c1",
			agent_spec(&w, "dd if=/dev/zero bs=65536 count=64; cat; exit 5", NULL),
			none),
	   "create");
	ok(agent_start_container_id(&w, "c1"), "start");
	assert_int_equal(wait_for("c1", "c1"), 5);
	ok(agent_remove(&w, "c1"), "remove");
	return 0;
}

static int a_child_left_behind_does_not_delay_the_exit(void *arg)
{
	uint32_t ports[3] = { KATA_STREAM_NONE, 0, KATA_STREAM_NONE };

	(void)arg;
	run("c1", "sleep 1000");
	int out = agent_dial_stream(&w, &ports[1]);
	ok(exec_in("c1", "e1", "(sleep 0.4; echo from the child) & echo from the parent; exit 4",
		   ports),
	   "exec");
	assert_int_equal(wait_for("c1", "e1"), 4);
	assert_string_equal(agent_drain(&w, out, 1000), "from the parent\nfrom the child\n");
	ok(agent_remove(&w, "c1"), "remove");
	return 0;
}

static int terminals_share_one_connection(void *arg)
{
	struct agent_tty_win_resize_request size = {
		.container_id = "c1", .exec_id = "c1", .row = 33, .column = 77
	};
	uint32_t ports[3];

	(void)arg;
	int conn = agent_dial_stream(&w, &ports[0]);
	ports[1] = ports[0];
	ports[2] = 0;
	struct oci_spec *spec = agent_spec(&w, "read x; stty size; echo got $x; tty",
					   "\"terminal\": true, "
					   "\"consoleSize\": {\"height\": 10, \"width\": 20},");
	ok(agent_create(&w, "c1", spec, ports), "create");
	ok(agent_call(&w, &agent_tty_win_resize, &size, NULL), "resize");
	ok(agent_start_container_id(&w, "c1"), "start");
	assert_int_equal(fiber_write_full(conn, "line\n", 5, agent_soon()), 0);
	const char *text = agent_drain(&w, conn, 1000);
	assert_has(text, "33 77\r\n");
	assert_has(text, "got line\r\n");
	assert_has(text, "/dev/pts/0");
	assert_int_equal(wait_for("c1", "c1"), 0);
	ok(agent_remove(&w, "c1"), "remove");
	return 0;
}

static void exec_wait_main(void *arg)
{
	int *status = arg;

	if (agent_wait(&w, "c1", "e1", status) < 0)
		*status = -1;
}

static int execs_have_their_own_status_for_all_who_wait(void *arg)
{
	struct fiber *fibers[3];
	int status[3] = { 0 };

	(void)arg;
	run("c1", "sleep 1000");
	ok(exec_in("c1", "e1", "cat; exit 9", NULL), "exec");
	assert_int_equal(exec_in("c1", "e1", "true", NULL), -EEXIST);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			fiber_spawn(fiber_loop(), "wait", exec_wait_main, &status[i], &fibers[i]),
			0);
	struct agent_close_stdin_request close_req = { .container_id = "c1", .exec_id = "e1" };
	fiber_yield();
	ok(agent_call(&w, &agent_close_stdin, &close_req, NULL), "close stdin");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fiber_join(fibers[i], agent_soon()), 0);
		assert_int_equal(status[i], 9);
	}
	/* Its id is free again. */
	ok(exec_in("c1", "e1", "echo again", NULL), "exec");
	assert_string_equal(agent_read_all(&w, "c1", "e1", false), "again\n");
	assert_int_equal(wait_for("c1", "e1"), 0);
	assert_true(exec_in("c1", "../x", "true", NULL) == -EINVAL);
	ok(agent_remove(&w, "c1"), "remove");
	return 0;
}

static int programs_that_cannot_run_say_why(void *arg)
{
	struct agent_exec_process_request req = { .container_id = "c1", .exec_id = "e1" };

	(void)arg;
	run("c1", "sleep 1000");
	req.process = agent_process(&w, "true", NULL);
	req.process->args.v[0] = arena_strdup(w.arena, "/no/such/program");
	assert_true(agent_call(&w, &agent_exec_process, &req, NULL) < 0);
	assert_has(w.err.text, "/no/such/program");
	ok(agent_remove(&w, "c1"), "remove");
	struct oci_spec *spec = agent_spec(&w, "true", NULL);
	spec->root->path = arena_strdup(w.arena, "/nowhere");
	assert_int_equal(agent_create(&w, "c1", spec, NULL), -ENOENT);
	assert_has(w.err.text, "/nowhere");
	/* Nothing is left of it. */
	run("c1", "true");
	assert_int_equal(wait_for("c1", "c1"), 0);
	ok(agent_remove(&w, "c1"), "remove");
	return 0;
}

static int signals_arrive(void *arg)
{
	(void)arg;
	run("c1", "sleep 1000 & sleep 1000");
	ok(send_signal("c1", "", SIGKILL), "kill all");
	assert_int_equal(wait_for("c1", "c1"), 137);
	ok(send_signal("c1", "", SIGKILL), "kill the dead");
	assert_int_equal(send_signal("c1", "nobody", SIGTERM), -ENOENT);
	ok(agent_remove(&w, "c1"), "remove");

	run("c2", "trap 'exit 3' TERM; echo set; while true; do sleep 0.05; done");
	struct agent_read_stream_request req = { .container_id = "c2",
						 .exec_id = "c2",
						 .len = 100 };
	struct agent_read_stream_response resp = { 0 };
	ok(agent_call(&w, &agent_read_stdout, &req, &resp), "read");
	ok(send_signal("c2", "c2", SIGTERM), "term");
	assert_int_equal(wait_for("c2", "c2"), 3);
	ok(agent_remove(&w, "c2"), "remove");

	/* Without a handler the first process of a PID namespace would not see it. */
	run("c3", "exec sleep 1000");
	ok(exec_in("c3", "e1", "while [ \"$(cat /proc/1/comm)\" != sleep ]; do true; done", NULL),
	   "exec");
	assert_int_equal(wait_for("c3", "e1"), 0);
	ok(send_signal("c3", "c3", SIGTERM), "term");
	assert_int_equal(wait_for("c3", "c3"), 137);
	ok(agent_remove(&w, "c3"), "remove");
	return 0;
}

static int bad_names_are_refused(void *arg)
{
	static const char *const ids[] = { "", "../c", "a/b", ".", "shared", "sandbox" };

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(agent_create(&w, ids[i], agent_spec(&w, "true", NULL), NULL),
				 -EINVAL);
	run("c1", "sleep 1000");
	assert_int_equal(agent_create(&w, "c1", agent_spec(&w, "true", NULL), NULL), -EEXIST);
	ok(agent_remove(&w, "c1"), "remove");
	struct agent_create_sandbox_request again = { .hostname = "x" };
	assert_int_equal(agent_call(&w, &agent_create_sandbox, &again, NULL), -EEXIST);
	return 0;
}

static int processes_and_counters_are_told(void *arg)
{
	struct admin_processes_request req = { .id = "c1" };
	struct admin_processes_response resp = { 0 };
	struct agent_stats_container_request stats_req = { .container_id = "c1" };
	struct agent_stats_container_response stats = { 0 };
	struct agent_metrics metrics = { 0 };
	bool found = false;
	unsigned nr_first = 0;

	(void)arg;
	run("c1", "sleep 1234 & sleep 1000");
	ok(exec_in("c1", "e1", "while ! ps | grep -q '[1]234'; do true; done", NULL), "exec");
	assert_int_equal(wait_for("c1", "e1"), 0);
	if (*w.cgroup) {
		ok(agent_call(&w, &extra_list_processes, &req, &resp), "list processes");
		for (size_t i = 0; i < resp.nr_processes; i++) {
			found |= str_eq(resp.processes[i].command, "sleep 1234");
			nr_first += str_eq(resp.processes[i].exec_id, "c1");
		}
		assert_true(found);
		assert_int_equal(nr_first, 1);
		ok(agent_call(&w, &agent_stats_container, &stats_req, &stats), "stats");
		assert_non_null(stats.cgroup_stats);
	}
	stats_req.container_id = "nobody";
	assert_int_equal(agent_call(&w, &agent_stats_container, &stats_req, &stats), -EINVAL);
	ok(agent_call(&w, &agent_get_metrics, NULL, &metrics), "metrics");
	assert_has(metrics.metrics, "kata_agent_total_rss ");
	assert_has(metrics.metrics, "kata_guest_meminfo{item=\"memtotal\"} ");
	ok(agent_remove(&w, "c1"), "remove");
	return 0;
}

static int containers_share_the_pod(void *arg)
{
	struct agent_create_container_request req = {
		.container_id = "c2",
		.exec_id = "c2",
		.sandbox_pidns = true,
	};

	(void)arg;
	run("pod1", "exec sleep 4321");
	req.oci =
		agent_spec(&w, "ps | grep -c '[4]321'; readlink /proc/self/ns/ipc; hostname", NULL);
	ok(agent_call(&w, &agent_create_container, &req, NULL), "create");
	ok(agent_start_container_id(&w, "c2"), "start");
	const char *text = agent_read_all(&w, "c2", "c2", false);
	assert_has(text, "1\nipc:");
	assert_has(text, "]\npod\n");
	assert_int_equal(wait_for("c2", "c2"), 0);
	ok(agent_remove(&w, "c2"), "remove");
	ok(agent_remove(&w, "pod1"), "remove");
	return 0;
}

static void run_sharing(const char *id, const char *script)
{
	struct agent_create_container_request req = {
		.container_id = id,
		.exec_id = id,
		.sandbox_pidns = true,
		.oci = agent_spec(&w, script, NULL),
	};

	ok(agent_call(&w, &agent_create_container, &req, NULL), "create");
	ok(agent_start_container_id(&w, id), "start");
}

static int shared_processes_need_no_first_container(void *arg)
{
	(void)arg;
	run("alone", "exec sleep 3333");
	/* An orphan that has ended is nobody's but the holder's, which must reap it. */
	run_sharing("c1", "sh -c 'sleep 0.1 &'; exec sleep 4321");
	run_sharing("c2", "while ! ps | grep -q '[4]321'; do true; done; "
			  "while ps | grep -q '[s]leep 0.1'; do true; done; ps");
	const char *text = agent_read_all(&w, "c2", "c2", false);
	assert_has(text, "    1 65534 ");
	assert_has(text, " pause\n");
	assert_has(text, "sleep 4321");
	assert_null(strstr(text, "3333"));
	assert_null(strstr(text, "[sleep]"));
	assert_int_equal(wait_for("c2", "c2"), 0);
	ok(agent_remove(&w, "c1"), "remove");
	/* Nothing of the holder's can be reached or ended from in there. */
	run_sharing("c3", "kill -9 1; ls /proc/1/root; ls /proc/1/fd; echo lives");
	text = agent_read_all(&w, "c3", "c3", false);
	assert_string_equal(text, "0\n1\n2\nlives\n");
	assert_int_equal(wait_for("c3", "c3"), 0);
	ok(agent_remove(&w, "c3"), "remove");
	ok(agent_remove(&w, "c2"), "remove");
	ok(agent_remove(&w, "alone"), "remove");
	return 0;
}

static int storages_are_counted(void *arg)
{
	char *options[] = { (char *)(uintptr_t) "size=1m", (char *)(uintptr_t) "fsgid=77", NULL };
	struct agent_storage storage = {
		.driver = "ephemeral",
		.source = "tmpfs",
		.fstype = "tmpfs",
		.options = { options, 2 },
		.mount_point = KATA_GUEST_SANDBOX_DIR "/ephemeral/data",
	};
	struct agent_create_container_request req = { .storages = &storage, .nr_storages = 1 };
	static const char *const ids[] = { "c1", "c2" };
	struct agent_volume_stats_request vol = { .volume_guest_path = storage.mount_point };
	struct agent_volume_stats_response usage = { 0 };

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		req.container_id = req.exec_id = ids[i];
		req.oci = agent_spec(&w, "sleep 1000", NULL);
		ok(agent_call(&w, &agent_create_container, &req, NULL), "create");
	}
	ok(agent_call(&w, &agent_get_volume_stats, &vol, &usage), "volume stats");
	assert_int_equal(usage.usage[0].total, 1 << 20);
	options[0] = (char *)(uintptr_t) "size=2m";
	struct agent_update_ephemeral_mounts_request update = { .storages = &storage,
								.nr_storages = 1 };
	ok(agent_call(&w, &agent_update_ephemeral_mounts, &update, NULL), "resize");
	ok(agent_remove(&w, "c1"), "remove");
	ok(agent_call(&w, &agent_get_volume_stats, &vol, &usage), "volume stats");
	assert_int_equal(usage.usage[0].total, 2 << 20);
	/* A container that is restarted finds the pod's data again. */
	ok(agent_remove(&w, "c2"), "remove");
	ok(agent_call(&w, &agent_get_volume_stats, &vol, &usage), "volume stats");
	assert_int_equal(usage.usage[0].total, 2 << 20);

	storage.driver = "no-such-driver";
	storage.mount_point = KATA_GUEST_SANDBOX_DIR "/other";
	req.container_id = "c3";
	assert_int_equal(agent_call(&w, &agent_create_container, &req, NULL), -EOPNOTSUPP);
	storage.driver = "ephemeral";
	storage.mount_point = "/run/../etc";
	assert_int_equal(agent_call(&w, &agent_create_container, &req, NULL), -EINVAL);
	storage.driver = "blk";
	storage.source = "1f/1f";
	storage.mount_point = "/run/blk";
	assert_int_equal(agent_call(&w, &agent_create_container, &req, NULL), -ETIMEDOUT);
	return 0;
}

/* Reads what a container sees of a file, by cat in an exec. */
static const char *cat_in(const char *id, const char *path)
{
	char *script = arena_printf(w.arena, "cat %s", path);

	ok(exec_in(id, "cat", script, NULL), "exec");
	const char *text = agent_read_all(&w, id, "cat", false);
	(void)wait_for(id, "cat");
	return text;
}

static int watched_mounts_follow_their_source(void *arg)
{
	char *source = arena_printf(w.arena, "%s/rootfs/data", fixture_dir());
	struct agent_storage storage = {
		.driver = "watchable-bind",
		.source = source,
		.fstype = "bind",
		.mount_point = KATA_GUEST_SHARED_DIR "/watchable/config",
	};
	struct oci_spec *spec = agent_spec(&w, "sleep 1000", NULL);
	struct agent_create_container_request req = {
		.container_id = "c1",
		.exec_id = "c1",
		.storages = &storage,
		.nr_storages = 1,
		.oci = spec,
	};
	struct oci_mount *mounts = arena_calloc(w.arena, spec->nr_mounts + 1, sizeof(*mounts));
	const char *text = "";

	(void)arg;
	assert_int_equal(fixture_write("rootfs/data/key", "old"), 0);
	memcpy(mounts, spec->mounts, spec->nr_mounts * sizeof(*mounts));
	mounts[spec->nr_mounts++] = (struct oci_mount){
		.destination = arena_strdup(w.arena, "/etc"),
		.type = arena_strdup(w.arena, "bind"),
		.source = arena_strdup(w.arena, storage.mount_point),
	};
	assert_int_equal(arena_strv_add(w.arena, &mounts[spec->nr_mounts - 1].options, "rbind"), 0);
	spec->mounts = mounts;
	ok(agent_call(&w, &agent_create_container, &req, NULL), "create");
	ok(agent_start_container_id(&w, "c1"), "start");
	assert_string_equal(cat_in("c1", "/etc/key"), "old");
	assert_int_equal(fixture_write("rootfs/data/key", "a new one"), 0);
	assert_int_equal(fixture_write("rootfs/data/more", "more"), 0);
	for (uint64_t end = loop_deadline_ms(10000);
	     !str_eq(text, "a new onemore") && loop_now_ns() < end;) {
		(void)fiber_sleep_until(loop_deadline_ms(200));
		text = cat_in("c1", "/etc/key /etc/more");
	}
	assert_string_equal(text, "a new onemore");
	fixture_remove("rootfs/data/key");
	fixture_remove("rootfs/data/more");
	ok(agent_remove(&w, "c1"), "remove");
	return 0;
}

static int the_network_is_told_and_changed(void *arg)
{
	struct agent_interfaces list = { 0 };
	struct agent_routes routes = { 0 };
	struct agent_interface itf = { .name = "eth0",
				       .device = "eth0",
				       .hw_addr = "02:00:00:00:00:99" };
	struct agent_update_interface_request update = { .interface = &itf };

	(void)arg;
	ok(agent_call(&w, &agent_list_interfaces, NULL, &list), "list interfaces");
	assert_true(list.nr_interfaces >= 1);
	assert_string_equal(list.interfaces[0].name, "lo");
	ok(agent_call(&w, &agent_list_routes, NULL, &routes), "list routes");
	assert_int_equal(agent_call(&w, &agent_update_interface, &update, &itf), -ENOENT);
	assert_has(w.err.text, "Link not found");
	itf.name = "a/b";
	assert_int_equal(agent_call(&w, &agent_update_interface, &update, &itf), -EINVAL);
	return 0;
}

static int waiting_for_oom_events_ends_with_the_deadline(void *arg)
{
	struct agent_oom_event event = { 0 };
	struct err err = ERR_NULL;

	(void)arg;
	/* Nobody runs out of memory: the call waits until its deadline. */
	assert_int_equal(rpc_call(w.client, &agent_get_oom_event, NULL, &event, w.arena,
				  loop_deadline_ms(50), &err),
			 -ETIMEDOUT);
	return 0;
}

#define PLAYED_CPUS "/sys/devices/system/cpu"

/* A second processor, in files that only the agent sees. Return: its switch, open. */
static int play_processor(void)
{
	char text[128];

	(void)snprintf(text, sizeof(text),
		       "nsenter -t %d -m mount -t tmpfs tmpfs " PLAYED_CPUS
		       " && mkdir /proc/%d/root" PLAYED_CPUS "/cpu1",
		       (int)w.pid, (int)w.pid);
	assert_int_equal(system(text), 0); /* NOLINT: words of the test's own */
	(void)snprintf(text, sizeof(text), "/proc/%d/root" PLAYED_CPUS "/cpu1/online", (int)w.pid);
	int fd = open(text, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "1", 1), 1);
	(void)close(fd);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static char switch_of(int fd)
{
	char c = 0;

	assert_int_equal(pread(fd, &c, 1, 0), 1);
	return c;
}

static int processors_are_taken_out_of_use(void *arg)
{
	struct extra_offline_cpus_request req = { .nb_cpus = 1 };
	cleanup_close int fd = play_processor();

	(void)arg;
	ok(agent_call(&w, &extra_offline_cpus, &req, NULL), "offline");
	assert_int_equal(switch_of(fd), '0');
	assert_int_equal(agent_call(&w, &extra_offline_cpus, &req, NULL), -EINVAL);
	assert_has(w.err.text, "the first processor stays in use");
	return 0;
}

static int a_processor_that_the_kernel_keeps_stops_nobody(void *arg)
{
	struct extra_offline_cpus_request req = { .nb_cpus = 1 };
	struct health_check_request check = { .service = "" };
	struct health_check_response resp = { 0 };
	struct err err = ERR_NULL;
	cleanup_close int fd = play_processor();

	(void)arg;
	/* Opening it for writing waits until who has the lease lets go of it, see fcntl(2). */
	(void)signal(SIGIO, SIG_IGN);
	assert_int_equal(fcntl(fd, F_SETLEASE, F_RDLCK), 0);
	assert_int_equal(rpc_call(w.client, &extra_offline_cpus, &req, NULL, w.arena,
				  loop_deadline_ms(300), &err),
			 -ETIMEDOUT);
	ok(agent_call(&w, &health_check, &check, &resp), "check");
	assert_int_equal(resp.status, HEALTH_SERVING);
	assert_int_equal(switch_of(fd), '1');
	assert_int_equal(fcntl(fd, F_SETLEASE, F_UNLCK), 0);
	return 0;
}

static int in_world(int (*fn)(void *arg))
{
	agent_start(&w);
	agent_create_pod(&w);
	int r = fn(NULL);
	agent_stop(&w);
	return r;
}

static int world_main(void *arg)
{
	return in_world(*(int (**)(void *))arg);
}

static void live(int (*fn)(void *arg))
{
	if (!fixture_can_run())
		skip();
	assert_int_equal(fiber_run_main(world_main, &fn), 0);
}

#define LIVE(name)                            \
	static void test_##name(void **state) \
	{                                     \
		(void)state;                  \
		live(name);                   \
	}
LIVE(health_answers)
LIVE(output_comes_by_rpc)
LIVE(output_can_be_read_after_the_wait)
LIVE(input_goes_by_rpc)
LIVE(streams_carry_all_both_ways)
LIVE(a_stream_may_come_after_its_request)
LIVE(unwanted_streams_do_not_block)
LIVE(a_child_left_behind_does_not_delay_the_exit)
LIVE(terminals_share_one_connection)
LIVE(execs_have_their_own_status_for_all_who_wait)
LIVE(programs_that_cannot_run_say_why)
LIVE(signals_arrive)
LIVE(bad_names_are_refused)
LIVE(processes_and_counters_are_told)
LIVE(containers_share_the_pod)
LIVE(shared_processes_need_no_first_container)
LIVE(storages_are_counted)
LIVE(watched_mounts_follow_their_source)
LIVE(the_network_is_told_and_changed)
LIVE(waiting_for_oom_events_ends_with_the_deadline)
LIVE(processors_are_taken_out_of_use)
LIVE(a_processor_that_the_kernel_keeps_stops_nobody)

#define TEST(name)                                   \
	{                                            \
#name, test_##name, NULL, NULL, NULL \
	}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(health_answers),
		TEST(output_comes_by_rpc),
		TEST(output_can_be_read_after_the_wait),
		TEST(input_goes_by_rpc),
		TEST(streams_carry_all_both_ways),
		TEST(a_stream_may_come_after_its_request),
		TEST(unwanted_streams_do_not_block),
		TEST(a_child_left_behind_does_not_delay_the_exit),
		TEST(terminals_share_one_connection),
		TEST(execs_have_their_own_status_for_all_who_wait),
		TEST(programs_that_cannot_run_say_why),
		TEST(signals_arrive),
		TEST(bad_names_are_refused),
		TEST(processes_and_counters_are_told),
		TEST(containers_share_the_pod),
		TEST(shared_processes_need_no_first_container),
		TEST(storages_are_counted),
		TEST(watched_mounts_follow_their_source),
		TEST(the_network_is_told_and_changed),
		TEST(waiting_for_oom_events_ends_with_the_deadline),
		TEST(processors_are_taken_out_of_use),
		TEST(a_processor_that_the_kernel_keeps_stops_nobody),
	};

	if (pid_ns_is_holder(argc, argv))
		pid_ns_hold();
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
