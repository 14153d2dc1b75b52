/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the agent's parts: what it reads from the host and from the kernel. No guest, no
 * root needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/util/cmdline.h"
#include "agent/rpc/copyfile.h"
#include "agent/util/mounts.h"
#include "agent/net/net_link.h"
#include "agent/net/nlsock.h"
#include "agent/device/pci_path.h"
#include "agent/rpc/processes.h"
#include "agent/rpc/stats.h"
#include "agent/storage/storage_options.h"
#include "agent/stream/streams.h"
#include "common/fd.h"
#include "common/io.h"
#include "kata/guest.h"
#include "rpc/pb/agent_msg.h"

static char dir[] = "/tmp/kata-agent-test-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return io_rm_tree_at(AT_FDCWD, dir) < 0 ? -1 : 0;
}

static const char *below(const char *path)
{
	static char full[1024];

	(void)snprintf(full, sizeof(full), "%s/%s", dir, path);
	return full;
}

static void cmdline_sets_what_it_knows(void **state)
{
	struct agent_config c;

	(void)state;
	agent_config_init(&c);
	assert_int_equal(c.server.type, AGENT_ADDR_VSOCK);
	assert_int_equal(c.server.port, KATA_PORT_AGENT);
	agent_config_read_cmdline(
		&c, "console=ttyS0 agent.log=debug agent.log_vport=1025 quiet agent.debug_console "
		    "agent.debug_console_vport=1026 \"agent.server_addr=vsock://-1:2048\" "
		    "agent.passfd_listener_port=1028 agent.hotplug_timeout=7 "
		    "agent.container_pipe_size=65536 agent.unified_cgroup_hierarchy=true\n");
	assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(c.log_vport, 1025);
	assert_true(c.debug_console);
	assert_int_equal(c.debug_console_vport, 1026);
	assert_int_equal(c.server.port, 2048);
	assert_int_equal(c.passfd_port, 1028);
	assert_int_equal(c.hotplug_timeout_ms, 7000);
	assert_int_equal(c.pipe_size, 65536);
}

static void cmdline_survives_bad_values(void **state)
{
	struct agent_config c, d;
	char longest[3000] = "agent.server_addr=unix:///";

	(void)state;
	log_init("test", -1, LOG_FORMAT_PLAIN, LOG_LEVEL_ERROR);
	agent_config_init(&c);
	agent_config_init(&d);
	memset(longest + strlen(longest), 'x', sizeof(longest) - strlen(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	agent_config_read_cmdline(&c, longest);
	agent_config_read_cmdline(
		&c, "agent.log=loud agent.log_vport=-1 agent.hotplug_timeout=0 agent. agent "
		    "agent.server_addr=tcp://1 agent.server_addr=vsock://-1 \"agent.log_vport=1");
	agent_config_read_cmdline(
		&c, "agent.container_pipe_size=99999999999 agent.hotplug_timeout=99999999999 \"");
	agent_config_read_cmdline(&c, "");
	d.log_vport = 1; /* the unfinished quote ends with the line */
	assert_memory_equal(&c, &d, sizeof(c));
}

static void paths_of_a_peer_are_checked(void **state)
{
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(mounts_check_path("/run/x..y/.z/...", &err), 0);
	assert_int_equal(mounts_check_path("/", &err), 0);
	assert_int_equal(mounts_check_path("", &err), -EINVAL);
	assert_int_equal(mounts_check_path("run", &err), -EINVAL);
	assert_int_equal(mounts_check_path("/run/..", &err), -EINVAL);
	assert_int_equal(mounts_check_path("/../run", &err), -EINVAL);
	assert_int_equal(mounts_check_path("/run/./x", &err), -EINVAL);
}

static void pci_paths_are_walked_by_slot(void **state)
{
	static const char *const dirs[] = {
		"devices/pci0000:00/0000:00:02.0/0000:01:03.0/virtio5/block/vdb",
		"devices/pci0000:00/0000:00:02.0/pci_bus/0000:01",
		"devices/pci0000:00/0000:00:05.0/virtio2/net/eth7",
		"devices/pci0000:00/0000:00:05.1",
		"devices/pci0000:20/0000:20:01.0",
	};
	char path[PCI_DIR_MAX], name[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		assert_int_equal(io_mkdir_p(below(dirs[i]), 0755), 0);
	assert_int_equal(pci_path_resolve(dir, "02/03", path, sizeof(path)), 0);
	assert_int_equal(strcmp(path, below("devices/pci0000:00/0000:00:02.0/0000:01:03.0")), 0);
	assert_int_equal(pci_path_child(path, "block", name, sizeof(name)), 0);
	assert_string_equal(name, "vdb");
	assert_int_equal(pci_path_child(path, "net", name, sizeof(name)), -ENOENT);
	assert_int_equal(pci_path_resolve(dir, "5", path, sizeof(path)), 0);
	assert_int_equal(pci_path_child(path, "net", name, sizeof(name)), 0);
	assert_string_equal(name, "eth7");
	assert_int_equal(pci_path_resolve(dir, "05.1", path, sizeof(path)), 0);
	assert_int_equal(pci_path_resolve(dir, "20/01", path, sizeof(path)), 0);
	assert_int_equal(pci_path_resolve(dir, "02/04", path, sizeof(path)), -ENOENT);
	assert_int_equal(pci_path_resolve(dir, "21/01", path, sizeof(path)), -ENOENT);
	assert_int_equal(pci_path_resolve(dir, "02/03", path, 20), -ENAMETOOLONG);
}

static void malformed_pci_paths_are_refused(void **state)
{
	static const char *const bad[] = { "",	  "/",	"zz", "002",   "02/", "02//03", "02.8",
					   "02.", "-1", " 2", "02/20", "20",  "02/..",	"02;03" };
	char path[PCI_DIR_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int r = pci_path_resolve(dir, bad[i], path, sizeof(path));
		if (r != -EINVAL)
			fail_msg("\"%s\": %d", bad[i], r);
	}
}

#define OPTIONS(...)                                     \
	((struct strv){ (char *[]){ __VA_ARGS__, NULL }, \
			sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *) })
#define S(s) ((char *)(uintptr_t)(s))

static void storage_options_are_sorted(void **state)
{
	struct strv list = OPTIONS(S("ro"), S("nosuid"), S("rbind"), S("rslave"), S("size=1m"),
				   S("mode=0750"), S("fsgid=5000"), S("trans=virtio"), S("rw"),
				   S("io.katacontainers.x=y"),
				   S("io.katacontainers.fs-opt.overlay-rw"));
	struct storage_options o = STORAGE_OPTIONS_NULL;
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(storage_options_parse(&list, &o, &err), 0);
	assert_int_equal(o.flags, MS_NOSUID | MS_BIND | MS_REC);
	assert_int_equal(o.propagation, MS_SLAVE | MS_REC);
	assert_true(o.has_gid && o.has_mode && o.overlay_rw);
	assert_int_equal(o.gid, 5000);
	assert_int_equal(o.mode, 0750);
	assert_string_equal(o.data.data, "size=1m,trans=virtio");
	storage_options_deinit(&o);
}

static void bad_storage_options_are_refused(void **state)
{
	struct strv gid = OPTIONS(S("fsgid=-1")), mode = OPTIONS(S("mode=999"));
	char big[5000];
	struct strv huge = OPTIONS(big);
	struct storage_options o = STORAGE_OPTIONS_NULL;
	struct err err = ERR_NULL;

	(void)state;
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_true(storage_options_parse(&gid, &o, &err) < 0);
	assert_true(storage_options_parse(&mode, &o, &err) < 0);
	assert_int_equal(storage_options_parse(&huge, &o, &err), -E2BIG);
}

static int copy(const char *path, mode_t mode, int64_t size, int64_t offset, const char *data)
{
	struct err err = ERR_NULL;
	struct agent_copy_file_request req = {
		.path = path,
		.file_mode = mode,
		.dir_mode = 0755,
		.file_size = size,
		.offset = offset,
		.uid = (int32_t)getuid(),
		.gid = (int32_t)getgid(),
		.data = (const uint8_t *)data,
		.data_len = strlen(data),
	};

	return copyfile_store(dir, &req, &err);
}

static void copied_files_appear_whole(void **state)
{
	char path[1024];
	cleanup_free char *data = NULL;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s", below("a/b/file"));
	assert_int_equal(copy(path, S_IFREG | 0640, 6, 0, "abc"), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(copy(path, S_IFREG | 0640, 6, 3, "def"), 0);
	assert_int_equal(io_read_file_at(AT_FDCWD, path, 100, &data), 6);
	assert_string_equal(data, "abcdef");
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(copy(below("a/dir"), S_IFDIR | 0700, 0, 0, ""), 0);
	assert_int_equal(copy(below("a/link"), S_IFLNK | 0777, 3, 0, "b/x"), 0);
	assert_int_equal(lstat(below("a/link"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(copy(below("a/empty"), S_IFREG | 0600, 0, 0, ""), 0);
	assert_int_equal(access(below("a/empty"), F_OK), 0);
}

static void copied_files_stay_below_their_directory(void **state)
{
	(void)state;
	assert_int_equal(copy("/etc/kata-test", S_IFREG | 0644, 1, 0, "x"), -EINVAL);
	assert_int_equal(copy(below("../kata-test"), S_IFREG | 0644, 1, 0, "x"), -EINVAL);
	assert_int_equal(copy(dir, S_IFREG | 0644, 1, 0, "x"), -EINVAL);
	assert_int_equal(copy(below("/"), S_IFREG | 0644, 1, 0, "x"), -EINVAL);
	/* A link may point anywhere, but nothing is written through it to the outside. */
	assert_int_equal(copy(below("out"), S_IFLNK | 0777, 4, 0, "/tmp"), 0);
	assert_true(copy(below("out/kata-test-escape"), S_IFREG | 0644, 1, 0, "x") < 0);
	assert_int_equal(access("/tmp/kata-test-escape", F_OK), -1);
	assert_int_equal(copy(below("up"), S_IFLNK | 0777, 5, 0, "../.."), 0);
	assert_true(copy(below("up/kata-test-escape"), S_IFDIR | 0755, 0, 0, "") < 0);
	/* The name itself is replaced, not followed. */
	assert_int_equal(copy(below("f"), S_IFLNK | 0777, 11, 0, "/etc/passwd"), 0);
	assert_int_equal(copy(below("f"), S_IFREG | 0644, 1, 0, "x"), 0);
	struct stat st;
	assert_int_equal(lstat(below("f"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void pieces_outside_of_a_file_are_refused(void **state)
{
	(void)state;
	assert_int_equal(copy(below("p"), S_IFREG | 0644, 2, 0, "abc"), -EINVAL);
	assert_int_equal(copy(below("p"), S_IFREG | 0644, 2, 3, ""), -EINVAL);
	assert_int_equal(copy(below("p"), S_IFREG | 0644, -1, 0, ""), -EINVAL);
	assert_int_equal(copy(below("p"), S_IFREG | 0644, INT64_MAX, INT64_MAX, "x"), -EINVAL);
	assert_int_equal(copy(below("p"), S_IFCHR | 0644, 0, 0, ""), -EOPNOTSUPP);
}

static int taking_streams(void *arg)
{
	struct streams streams;
	int pair[2], fds[3];

	(void)arg;
	streams_init(&streams);
	for (uint32_t port = 10; port < 13; port++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		fds[port - 10] = pair[0];
		assert_int_equal(streams_park(&streams, pair[1], port), 0);
	}
	int fd = streams_take(&streams, 11, 0);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	char c;
	assert_int_equal(read(fds[1], &c, 1), 1);
	(void)close(fd);
	assert_int_equal(streams_take(&streams, 11, loop_deadline_ms(5)), -ETIMEDOUT);
	/* A second connection from one port replaces the first. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(streams_park(&streams, pair[1], 10), 0);
	assert_int_equal(read(fds[0], &c, 1), 0);
	assert_int_equal(streams.nr_parked, 2);
	streams_deinit(&streams);
	assert_int_equal(read(fds[2], &c, 1), 0);
	for (int i = 0; i < 3; i++)
		(void)close(fds[i]);
	(void)close(pair[0]);
	return 0;
}

static void streams_are_found_by_port(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(taking_streams, NULL), 0);
}

static int parking_many(void *arg)
{
	struct streams streams;

	(void)arg;
	streams_init(&streams);
	for (uint32_t port = 1; port <= STREAMS_PARKED_MAX + 3; port++)
		assert_int_equal(streams_park(&streams, dup(2), port), 0);
	assert_int_equal(streams.nr_parked, STREAMS_PARKED_MAX);
	assert_int_equal(streams_take(&streams, 3, 0), -ETIMEDOUT);
	streams_deinit(&streams);
	return 0;
}

static void parked_streams_are_bounded(void **state)
{
	(void)state;
	log_init("test", -1, LOG_FORMAT_PLAIN, LOG_LEVEL_ERROR);
	assert_int_equal(fiber_run_main(parking_many, NULL), 0);
}

static void addresses_are_read(void **state)
{
	struct net_addr a;
	uint8_t mac[6];

	(void)state;
	assert_int_equal(net_addr_parse("10.1.2.3", "24", &a), 0);
	assert_int_equal(a.family, AF_INET);
	assert_int_equal(a.prefix_len, 24);
	assert_int_equal(net_addr_parse("10.1.2.0/8", "24", &a), 0);
	assert_int_equal(a.prefix_len, 8);
	assert_int_equal(net_addr_parse("fd00::1", "", &a), 0);
	assert_int_equal(a.prefix_len, 128);
	assert_int_equal(net_addr_parse("10.1.2.3", "33", &a), -EINVAL);
	assert_int_equal(net_addr_parse("10.1.2", "", &a), -EINVAL);
	assert_int_equal(net_addr_parse("fd00::1/129", "", &a), -EINVAL);
	assert_int_equal(net_addr_parse("", "", &a), -EINVAL);
	assert_int_equal(net_mac_parse("02:00:ca:fe:00:01", mac), 0);
	assert_int_equal(mac[3], 0xfe);
	assert_int_equal(net_mac_parse("02:00:ca:fe:00", mac), -EINVAL);
	assert_int_equal(net_mac_parse("02:00:ca:fe:00:01:02", mac), -EINVAL);
}

static void a_request_that_does_not_fit_fails(void **state)
{
	struct rtmsg msg = { 0 };
	struct nlreq req;
	char big[NLREQ_MAX] = { 0 };

	(void)state;
	nlreq_init(&req, RTM_NEWROUTE, 0, &msg, sizeof(msg));
	nlreq_add(&req, RTA_DST, big, sizeof(big));
	nlreq_add_u32(&req, RTA_OIF, 1);
	assert_int_equal(nlreq_send(-1, &req), -EMSGSIZE);
}

static void network_counters_are_read(void **state)
{
	char text[] =
		"Inter-|   Receive                                                |  Transmit\n"
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    "
		"packets errs drop "
		"fifo colls carrier compressed\n"
		"    lo:     100       1    0    0    0     0          0         0      100       "
		"1    0    0    0 "
		"    0       0          0\n"
		"  eth0:    2000      20    1    2    0     0          0         0     3000      "
		"30    3    4    0 "
		"    0       0          0\n";
	char broken[] = "a\nb\neth0: 1 2 3\n";
	struct agent_network_stats *s = NULL;
	cleanup_arena struct arena *arena = NULL;
	size_t nr = 0;

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(stats_parse_net_dev(text, arena, &s, &nr), 0);
	assert_int_equal(nr, 1);
	assert_string_equal(s[0].name, "eth0");
	assert_int_equal(s[0].rx_dropped, 2);
	assert_int_equal(s[0].tx_bytes, 3000);
	assert_int_equal(s[0].tx_dropped, 4);
	assert_int_equal(stats_parse_net_dev(broken, arena, &s, &nr), -EINVAL);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(below(path), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
	(void)close(fd);
}

static void processes_are_described(void **state)
{
	cleanup_arena struct arena *arena = NULL;
	struct admin_process p;

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(io_mkdir_p(below("42"), 0755), 0);
	write_file("42/stat", "42 (a) b (c) S 7 42 42 34816 42 4194560 1 2 3 4 50 60 7 8 20 0 1 0 "
			      "12345 1000000 3 99\n");
	write_file("42/status", "Name:\tx\nUid:\t1000\t1000\t1000\t1000\n");
	write_file("42/cmdline", "");
	assert_int_equal(processes_read(dir, 42, arena, &p), 0);
	assert_int_equal(p.ppid, 7);
	assert_int_equal(p.uid, 1000);
	assert_int_equal(p.start_time, 12345);
	assert_int_equal(p.cpu_time, 110);
	assert_string_equal(p.tty, "pts/0");
	assert_string_equal(p.state, "S");
	assert_string_equal(p.command, "[a) b (c]");
	assert_string_equal(p.comm, "a) b (c");
	assert_int_equal(processes_read(dir, 43, arena, &p), -ESRCH);
	assert_int_equal(processes_read("/proc", getpid(), arena, &p), 0);
	assert_non_null(strstr(p.command, "test-agent"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cmdline_sets_what_it_knows),
		cmocka_unit_test(cmdline_survives_bad_values),
		cmocka_unit_test(paths_of_a_peer_are_checked),
		cmocka_unit_test(pci_paths_are_walked_by_slot),
		cmocka_unit_test(malformed_pci_paths_are_refused),
		cmocka_unit_test(storage_options_are_sorted),
		cmocka_unit_test(bad_storage_options_are_refused),
		cmocka_unit_test(copied_files_appear_whole),
		cmocka_unit_test(copied_files_stay_below_their_directory),
		cmocka_unit_test(pieces_outside_of_a_file_are_refused),
		cmocka_unit_test(streams_are_found_by_port),
		cmocka_unit_test(parked_streams_are_bounded),
		cmocka_unit_test(addresses_are_read),
		cmocka_unit_test(a_request_that_does_not_fit_fails),
		cmocka_unit_test(network_counters_are_read),
		cmocka_unit_test(processes_are_described),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
