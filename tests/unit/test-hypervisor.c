/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the driver table, the null driver and the QEMU driver's life. QEMU is this very
 * program, started again through /proc/self/exe: it then finds the QMP socket at the number the
 * command line says and plays a QEMU whose behaviour is chosen by the name of the VM.
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

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/str.h"
#include "sandbox/hypervisor/hypervisor.h"
#include "sandbox/hypervisor/vm_config.h"

/* --- the other side --- */

#define MOCK_QMP_FD 3
#define MOCK_CONSOLE_FD 4

static void mock_say(const char *text)
{
	if (io_write_full(MOCK_QMP_FD, text, strlen(text)) < 0)
		_exit(9);
}

static bool mock_read_line(char *line, size_t size)
{
	for (size_t len = 0; len < size - 1; len++) {
		size_t nr = 0;
		int fd = -1;

		if (fd_recv_msg(MOCK_QMP_FD, line + len, 1, &fd, 1, &nr) != 1)
			return false;
		if (nr)
			(void)close(fd);
		if (line[len] == '\n') {
			line[len] = '\0';
			return true;
		}
	}
	return false;
}

/* Copies what stands between @before and the next quote. */
static bool mock_word(const char *line, const char *before, char *word, size_t size)
{
	const char *p = strstr(line, before);

	if (!p)
		return false;
	p += strlen(before);
	(void)snprintf(word, size, "%.*s", (int)strcspn(p, "\""), p);
	return true;
}

/* Over ACPI, a guest says how it went with a vCPU in a report of its own (_OST). */
static void mock_unplug(const char *behaviour, const char *device)
{
	char text[256];

	if (str_eq(behaviour, "sandbox-forgets-devices"))
		return;
	if (str_eq(behaviour, "sandbox-keeps-vcpus")) {
		static const unsigned statuses[] = { 0x84 /* in progress */, 1 /* failed */ };

		for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
			(void)snprintf(
				text, sizeof(text),
				"{\"event\":\"ACPI_DEVICE_OST\",\"data\":{\"info\":{\"device\":\"%s\","
				"\"slot\":\"1\",\"slot-type\":\"CPU\",\"source\":3,\"status\":%u}}}\n",
				device, statuses[i]);
			mock_say(text);
		}
		return;
	}
	(void)snprintf(text, sizeof(text),
		       "{\"event\":\"%s\",\"data\":{\"device\":\"%s\",\"path\":\"/p\"}}\n",
		       str_eq(behaviour, "sandbox-keeps-devices") ? "DEVICE_UNPLUG_GUEST_ERROR"
								  : "DEVICE_DELETED",
		       device);
	mock_say(text);
}

static unsigned long long mock_balloon;

static void mock_answer(const char *behaviour, const char *line)
{
	char text[256], name[48] = "", device[48] = "", value[128] = "{}";
	const char *id = strstr(line, "\"id\":");

	(void)mock_word(line, "\"execute\":\"", name, sizeof(name));
	if (str_eq(name, "query-cpus-fast"))
		(void)snprintf(value, sizeof(value), "[{\"thread-id\":%d}]", (int)getpid());
	if (str_eq(name, "query-hotpluggable-cpus"))
		(void)snprintf(
			value, sizeof(value),
			"[{\"type\":\"x-cpu\",\"props\":{\"socket-id\":1}},"
			"{\"type\":\"x-cpu\",\"qom-path\":\"/m\",\"props\":{\"socket-id\":0}}]");
	/* A guest that gives back what it is asked for, or half of what it was started with. */
	if (str_eq(name, "balloon"))
		mock_balloon = strtoull(strstr(line, "\"value\":") + 8, NULL, 10);
	if (str_eq(name, "query-balloon"))
		(void)snprintf(value, sizeof(value), "{\"actual\":%llu}",
			       str_eq(behaviour, "sandbox-keeps-memory")
				       ? MAX(mock_balloon, 64ULL << 20)
				       : mock_balloon);
	if ((str_eq(name, "device_add") && str_eq(behaviour, "sandbox-refuses-devices")) ||
	    (str_eq(name, "set_link") && !strstr(line, "{\"name\":\"dev-n\",\"up\":false}")))
		(void)snprintf(text, sizeof(text),
			       "{\"error\":{\"class\":\"GenericError\",\"desc\":\"bus is "
			       "full\"},\"id\":%u}\n",
			       (unsigned)atoi(id + 5));
	else
		(void)snprintf(text, sizeof(text), "{\"return\":%s,\"id\":%u}\n", value,
			       (unsigned)atoi(id + 5));
	mock_say(text);
	if (str_eq(name, "device_del") &&
	    mock_word(line, "\"arguments\":{\"id\":\"", device, sizeof(device))) {
		mock_unplug(behaviour, device);
	}
	if (str_eq(name, "quit") && !str_eq(behaviour, "sandbox-ignores-quit"))
		_exit(0);
}

static void mock_misbehave(const char *behaviour)
{
	static const char panic[] = "line\nKernel panic - not syncing: test\n";

	if (str_eq(behaviour, "sandbox-panics")) {
		if (io_write_full(MOCK_CONSOLE_FD, panic, strlen(panic)) < 0)
			_exit(9);
		mock_say("{\"event\":\"SHUTDOWN\",\"data\":{\"guest\":true,\"reason\":\"guest-"
			 "reset\"}}\n");
		_exit(0);
	}
	if (str_eq(behaviour, "sandbox-asks")) {
		static const char asks[] = KATA_SECRET_ASK "\n" KATA_SECRET_ASK "\n";
		char answer[4 * KATA_SECRET_LEN + 1];

		/* It is told once, whoever asks again. */
		if (io_write_full(MOCK_CONSOLE_FD, asks, strlen(asks)) < 0 ||
		    io_read_full(MOCK_CONSOLE_FD, answer, sizeof(answer)) < 0 ||
		    recv(MOCK_CONSOLE_FD, answer, 1, MSG_DONTWAIT) > 0 ||
		    io_write_full(MOCK_CONSOLE_FD, answer, sizeof(answer)) < 0)
			_exit(9);
		_exit(0);
	}
	if (str_eq(behaviour, "sandbox-powers-off")) {
		mock_say("{\"event\":\"SHUTDOWN\",\"data\":{\"guest\":true,\"reason\":\"guest-"
			 "shutdown\"}}\n");
		_exit(0);
	}
	if (str_eq(behaviour, "sandbox-crashes"))
		(void)raise(SIGKILL);
}

static int mock_qemu(const char *name)
{
	char behaviour[64], line[4096];

	(void)signal(SIGPIPE, SIG_IGN);
	if (str_eq(name, "--version")) {
		(void)puts("QEMU emulator version 8.1.2 (Mock 1:8.1)\nCopyright");
		return 0;
	}
	(void)snprintf(behaviour, sizeof(behaviour), "%.*s",
		       (int)strcspn(name + strlen("guest="), ","), name + strlen("guest="));
	if (str_eq(behaviour, "sandbox-dies")) {
		(void)fprintf(stderr, "warning: something\nmock: cannot set up guest memory\n");
		return 1;
	}
	if (str_eq(behaviour, "sandbox-is-mute"))
		(void)pause();
	mock_say("{\"QMP\":{}}\n");
	while (mock_read_line(line, sizeof(line))) {
		mock_answer(behaviour, line);
		if (strstr(line, "query-cpus-fast"))
			mock_misbehave(behaviour);
	}
	return 0;
}

/* --- our side --- */

struct test {
	const char *name;
	int (*client)(struct test *test);
	struct hypervisor *hv;
	struct vm_config config;
	struct err err;
	unsigned nr_shutdown, nr_exited;
	char reason[300];
};

static uint64_t soon(void)
{
	return loop_deadline_ms(5000);
}

static void on_event(void *arg, enum vm_event_type type, const char *reason)
{
	struct test *test = arg;

	test->nr_shutdown += type == VM_EVENT_SHUTDOWN;
	test->nr_exited += type == VM_EVENT_EXITED;
	(void)snprintf(test->reason, sizeof(test->reason), "%s", reason);
}

static int in_fiber(void *arg)
{
	struct test *test = arg;
	int r;

	test->config = VM_CONFIG_NULL;
	test->config.name = test->name;
	test->config.path = "/proc/self/exe";
	test->config.kernel = "/kernel";
	test->config.vcpus = 1;
	test->config.max_vcpus = 2;
	test->config.accel = VM_ACCEL_KVM; /* so that vCPUs are taken back */
	test->config.memory.mib = 128;
	test->config.memory.max_mib = 1024;
	test->config.memory.slots = 2;
	test->config.bridges = 1;
	assert_int_equal(hypervisor_create("qemu", fiber_loop(), &test->config, on_event, test,
					   &test->hv, &test->err),
			 0);
	r = test->client(test);
	test->hv = hypervisor_destroy(test->hv);
	return r;
}

static int play(struct test *test)
{
	return fiber_run_main(in_fiber, test);
}

static int start(struct test *test)
{
	return hypervisor_start(test->hv, soon(), &test->err);
}

static int life_client(struct test *test)
{
	struct vm_info info;

	assert_int_equal(hypervisor_pause_for_test(test->hv, soon(), &test->err), -EBUSY);
	assert_int_equal(start(test), 0);
	assert_int_equal(start(test), -EBUSY);
	assert_int_equal(hypervisor_resume_for_test(test->hv, soon(), &test->err), -EBUSY);
	assert_int_equal(hypervisor_pause_for_test(test->hv, soon(), &test->err), 0);
	assert_int_equal(hypervisor_state(test->hv), HYPERVISOR_STATE_PAUSED);
	assert_int_equal(hypervisor_resume_for_test(test->hv, soon(), &test->err), 0);
	assert_int_equal(hypervisor_info(test->hv, &info, soon(), &test->err), 0);
	assert_true(info.pid > 0 && info.nr_vcpus == 1 && info.vcpu_tids[0] == info.pid);
	assert_int_equal(hypervisor_stop(test->hv, soon(), &test->err), 0);
	assert_int_equal(hypervisor_state(test->hv), HYPERVISOR_STATE_DEAD);
	assert_int_equal(hypervisor_stop(test->hv, soon(), &test->err), 0);
	assert_int_equal(hypervisor_pause_for_test(test->hv, soon(), &test->err), -ESHUTDOWN);
	assert_int_equal(kill(info.pid, 0), -1); /* gone and reaped */
	return 0;
}

static void life_goes_through_its_states(void **state)
{
	struct test test = { .name = "lives", .client = life_client };

	(void)state;
	assert_int_equal(play(&test), 0);
	assert_int_equal(test.nr_exited, 1);
	assert_string_equal(test.reason, "QEMU exited with status 0");
}

static void death_at_start_is_told_in_qemus_words(void **state)
{
	struct test test = { .name = "dies", .client = start };

	(void)state;
	assert_int_equal(play(&test), -EIO);
	assert_string_equal(test.err.text,
			    "QEMU exited with status 1: mock: cannot set up guest memory");
	assert_int_equal(test.nr_exited, 0);
}

static int absent_client(struct test *test)
{
	test->config.path = "/nonexistent/qemu";
	return start(test);
}

static void absent_binary_is_named(void **state)
{
	struct test test = { .name = "x", .client = absent_client };

	(void)state;
	assert_int_equal(play(&test), -ENOENT);
	assert_non_null(strstr(test.err.text, "/nonexistent/qemu"));
}

static int mute_client(struct test *test)
{
	return hypervisor_start(test->hv, loop_deadline_ms(100), &test->err);
}

static void mute_qemu_runs_into_the_deadline(void **state)
{
	struct test test = { .name = "is-mute", .client = mute_client };

	(void)state;
	assert_int_equal(play(&test), -ETIMEDOUT);
	assert_non_null(strstr(test.err.text, "handshake"));
}

static int dying_client(struct test *test)
{
	struct vm_info info;
	uint64_t deadline = soon();

	assert_int_equal(start(test), 0);
	/* The answer to this one is its last act; which of the two we see first is open. */
	(void)!hypervisor_info(test->hv, &info, soon(), &test->err);
	while (!test->nr_exited && loop_now_ns() < deadline)
		(void)fiber_sleep_until(loop_deadline_ms(2));
	return hypervisor_attach(test->hv,
				 &(struct vm_device){ .type = VM_DEVICE_VSOCK, .id = "v" }, soon(),
				 &test->err);
}

static void every_way_to_die_is_told_apart(void **state)
{
	static const struct {
		const char *name, *reason;
		unsigned nr_shutdown;
	} deaths[] = {
		{ "panics", "the guest kernel panicked: test", 0 },
		{ "powers-off", "the guest powered itself off", 1 },
		{ "crashes", "QEMU was killed by signal 9", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(deaths); i++) {
		struct test test = { .name = deaths[i].name, .client = dying_client };

		assert_int_equal(play(&test), -ESHUTDOWN);
		assert_string_equal(test.reason, deaths[i].reason);
		assert_int_equal(test.nr_shutdown, deaths[i].nr_shutdown);
		assert_int_equal(test.nr_exited, 1);
	}
}

static int console_client(struct test *test)
{
	char text[64] = "";
	size_t n;

	(void)!dying_client(test);
	n = hypervisor_console(test->hv, text, sizeof(text) - 1);
	assert_int_equal(n, strlen("line\nKernel panic - not syncing: test\n"));
	assert_true(str_skip_prefix(text, "line\nKernel panic") != NULL);
	return 0;
}

static void console_outlives_the_guest(void **state)
{
	struct test test = { .name = "panics", .client = console_client };

	(void)state;
	assert_int_equal(play(&test), 0);
}

static int asking_client(struct test *test)
{
	struct kata_secret secret = { .dialler = { 0x01, 0xfe }, .agent = { 0x80 } };
	char text[512] = "", expected[512] = KATA_SECRET_ASK "\n" KATA_SECRET_ASK "\n";
	char *answer = expected + strlen(expected);

	test->config.secret = &secret;
	memset(answer, '0', 4 * KATA_SECRET_LEN);
	memcpy(answer, "01fe", 4);
	memcpy(answer + 2 * KATA_SECRET_LEN, "80", 2);
	strcpy(answer + 4 * KATA_SECRET_LEN, "\n");
	(void)!dying_client(test);
	assert_true(hypervisor_console(test->hv, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, expected);
	return 0;
}

static void the_agent_that_asks_is_told_the_secret_once(void **state)
{
	struct test test = { .name = "asks", .client = asking_client };

	(void)state;
	assert_int_equal(play(&test), 0);
}

static int stubborn_client(struct test *test)
{
	assert_int_equal(start(test), 0);
	return hypervisor_stop(test->hv, loop_deadline_ms(50), &test->err);
}

static void qemu_that_does_not_quit_is_killed(void **state)
{
	struct test test = { .name = "ignores-quit", .client = stubborn_client };

	(void)state;
	assert_int_equal(play(&test), 0);
	assert_int_equal(test.nr_exited, 1);
	assert_string_equal(test.reason, "QEMU was killed by signal 9");
}

static struct vm_device block_device(const char *id)
{
	struct vm_device device = { .type = VM_DEVICE_BLOCK };

	(void)snprintf(device.id, sizeof(device.id), "%s", id);
	device.block.fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	assert_true(device.block.fd >= 0);
	return device;
}

static int plug_client(struct test *test)
{
	struct vm_device first = block_device("one"), second = block_device("two");
	struct vm_device vsock = { .type = VM_DEVICE_VSOCK,
				   .id = "v",
				   .vsock = { .vhost_user = true } };
	struct vm_device p9 = { .type = VM_DEVICE_9P,
				.id = "n",
				.p9 = { .tag = "t", .path = "/" } };

	vsock.vsock.fd = first.block.fd;
	assert_int_equal(start(test), 0);
	assert_int_equal(hypervisor_attach(test->hv, &first, soon(), &test->err), 0);
	assert_string_equal(first.guest_path, "01/00");
	assert_int_equal(hypervisor_attach(test->hv, &first, soon(), &test->err), -EEXIST);
	assert_int_equal(hypervisor_attach(test->hv, &second, soon(), &test->err), 0);
	assert_string_equal(second.guest_path, "01.1/00");
	assert_int_equal(hypervisor_attach(test->hv, &vsock, soon(), &test->err), 0);
	assert_int_equal(hypervisor_attach(test->hv, &p9, soon(), &test->err), -EOPNOTSUPP);
	assert_int_equal(hypervisor_detach(test->hv, "one", soon(), &test->err), 0);
	assert_int_equal(hypervisor_detach(test->hv, "one", soon(), &test->err), -ENODEV);
	assert_int_equal(hypervisor_attach(test->hv, &first, soon(), &test->err), 0);
	assert_string_equal(first.guest_path, "01/00"); /* the freed place is used again */
	(void)close(first.block.fd);
	(void)close(second.block.fd);
	return 0;
}

static void devices_come_and_go(void **state)
{
	struct test test = { .name = "plugs", .client = plug_client };

	(void)state;
	assert_int_equal(play(&test), 0);
}

static int link_client(struct test *test)
{
	struct vm_device device = { .type = VM_DEVICE_NET, .id = "n", .net = { .nr_queues = 1 } };
	struct vm_device disk = block_device("one");

	device.net.tap_fds[0] = disk.block.fd;
	assert_int_equal(hypervisor_set_link(test->hv, "n", true, soon(), &test->err), -EBUSY);
	assert_int_equal(start(test), 0);
	assert_int_equal(hypervisor_set_link(test->hv, "n", true, soon(), &test->err), -ENODEV);
	assert_int_equal(hypervisor_attach(test->hv, &device, soon(), &test->err), 0);
	assert_int_equal(hypervisor_attach(test->hv, &disk, soon(), &test->err), 0);
	assert_int_equal(hypervisor_set_link(test->hv, "one", true, soon(), &test->err), -ENODEV);
	/* The only change that the mock accepts. */
	assert_int_equal(hypervisor_set_link(test->hv, "n", false, soon(), &test->err), 0);
	assert_int_equal(hypervisor_set_link(test->hv, "n", true, soon(), &test->err), -EIO);
	(void)close(disk.block.fd);
	return 0;
}

static void carrier_of_an_interface_is_set_by_the_name_qemu_knows(void **state)
{
	struct test test = { .name = "links", .client = link_client };

	(void)state;
	assert_int_equal(play(&test), 0);
}

static int attach_client(struct test *test)
{
	struct vm_device device = block_device("one");
	int r;

	assert_int_equal(start(test), 0);
	r = hypervisor_attach(test->hv, &device, soon(), &test->err);
	if (r >= 0)
		r = hypervisor_detach(test->hv, "one", loop_deadline_ms(50), &test->err);
	(void)close(device.block.fd);
	return r;
}

static void refused_device_leaves_its_place_free(void **state)
{
	struct test test = { .name = "refuses-devices", .client = attach_client };

	(void)state;
	assert_int_equal(play(&test), -EIO);
	assert_string_equal(test.err.text, "plug device one: QEMU: bus is full");
}

static void guest_may_keep_a_device(void **state)
{
	struct test test = { .name = "keeps-devices", .client = attach_client };

	(void)state;
	assert_int_equal(play(&test), -EBUSY);
	test = (struct test){ .name = "forgets-devices", .client = attach_client };
	assert_int_equal(play(&test), -ETIMEDOUT);
	assert_non_null(strstr(test.err.text, "does not let go"));
}

static int resize_client(struct test *test)
{
	struct vm_size want = { .vcpus = 2, .memory_mib = 130 }, got;

	assert_int_equal(start(test), 0);
	assert_int_equal(hypervisor_resize(test->hv, &want, &got, soon(), &test->err), 0);
	assert_int_equal(got.vcpus, 2);
	assert_int_equal(got.memory_mib, 256); /* in steps of 128 */
	want = (struct vm_size){ .vcpus = 1 };
	assert_int_equal(hypervisor_resize(test->hv, &want, &got, soon(), &test->err), 0);
	assert_int_equal(got.vcpus, 1);
	want = (struct vm_size){ .vcpus = 3 };
	assert_int_equal(hypervisor_resize(test->hv, &want, &got, soon(), &test->err), -ENOSPC);
	want = (struct vm_size){ .memory_mib = 4096 };
	assert_int_equal(hypervisor_resize(test->hv, &want, &got, soon(), &test->err), -ENOSPC);
	assert_int_equal(got.memory_mib, 256);
	return 0;
}

static int shrink_client(struct test *test)
{
	struct vm_size want = { .memory_mib = 32 }, got;

	assert_int_equal(start(test), 0);
	assert_int_equal(hypervisor_resize(test->hv, &want, &got, soon(), &test->err), 0);
	assert_int_equal(got.memory_mib, str_eq(test->name, "keeps-memory") ? 64 : 32);
	/* What is in the balloon comes back before anything is plugged. */
	want.memory_mib = 128;
	assert_int_equal(hypervisor_resize(test->hv, &want, &got, soon(), &test->err), 0);
	assert_int_equal(got.memory_mib, 128);
	want.memory_mib = 130;
	assert_int_equal(hypervisor_resize(test->hv, &want, &got, soon(), &test->err), 0);
	assert_int_equal(got.memory_mib, 256);
	want.memory_mib = 200;
	assert_int_equal(hypervisor_resize(test->hv, &want, &got, soon(), &test->err), 0);
	assert_int_equal(got.memory_mib, 200);
	return 0;
}

static void memory_goes_into_a_balloon_and_comes_back(void **state)
{
	struct test test = { .name = "gives-memory", .client = shrink_client };

	(void)state;
	assert_int_equal(play(&test), 0);
	test = (struct test){ .name = "keeps-memory", .client = shrink_client };
	assert_int_equal(play(&test), 0);
}

static void size_changes_within_what_the_vm_was_made_for(void **state)
{
	struct test test = { .name = "resizes", .client = resize_client };

	(void)state;
	assert_int_equal(play(&test), 0);
}

static int keep_client(struct test *test)
{
	struct vm_size want = { .vcpus = 2 }, got;
	int r;

	assert_int_equal(start(test), 0);
	assert_int_equal(hypervisor_resize(test->hv, &want, &got, soon(), &test->err), 0);
	want.vcpus = 1;
	r = hypervisor_resize(test->hv, &want, &got, loop_deadline_ms(100), &test->err);
	assert_int_equal(got.vcpus, 2);
	return r;
}

static void guest_may_keep_a_vcpu(void **state)
{
	struct test test = { .name = "keeps-vcpus", .client = keep_client };

	(void)state;
	assert_int_equal(play(&test), -EBUSY);
	assert_string_equal(test.err.text,
			    "vCPUs of the VM: unplug device cpu-1: the guest refused");
	test = (struct test){ .name = "forgets-devices", .client = keep_client };
	assert_int_equal(play(&test), -ETIMEDOUT);
}

static int tcg_client(struct test *test)
{
	test->hv = hypervisor_destroy(test->hv);
	test->config.accel = VM_ACCEL_TCG;
	assert_int_equal(hypervisor_create("qemu", fiber_loop(), &test->config, on_event, test,
					   &test->hv, &test->err),
			 0);
	return keep_client(test);
}

static void emulated_vcpus_are_not_unplugged(void **state)
{
	struct test test = { .name = "has-tcg", .client = tcg_client };

	(void)state;
	assert_int_equal(play(&test), 0);
}

static int probing(void *arg)
{
	struct vm_config config = VM_CONFIG_NULL;
	struct hypervisor_caps caps;
	struct err err = ERR_NULL;

	(void)arg;
	config.path = "/proc/self/exe";
	assert_int_equal(hypervisor_probe_for_test("qemu", &config, &caps, &err), 0);
	assert_string_equal(caps.version, "8.1.2");
	assert_int_equal(caps.major, 8);
	assert_int_equal(caps.minor, 1);
	config.path = "/bin/echo";
	assert_int_equal(hypervisor_probe_for_test("qemu", &config, &caps, &err), -EINVAL);
	assert_int_equal(hypervisor_probe_for_test("vapourware", &config, &caps, &err), -EINVAL);
	assert_string_equal(err.text, "there is no hypervisor driver \"vapourware\"");
	return 0;
}

static void binary_is_asked_for_its_version(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(probing, NULL), 0);
}

static int null_life(void *arg)
{
	struct vm_device device = { .type = VM_DEVICE_VSOCK, .id = "v" };
	struct test test = { .config = VM_CONFIG_NULL };
	struct vm_size got;

	(void)arg;
	test.config.vcpus = 1;
	test.config.memory.mib = 1;
	assert_int_equal(hypervisor_create("null", fiber_loop(), &test.config, on_event, &test,
					   &test.hv, &test.err),
			 0);
	assert_int_equal(start(&test), 0);
	assert_int_equal(hypervisor_attach(test.hv, &device, soon(), &test.err), 0);
	assert_int_equal(hypervisor_resize(test.hv, &(struct vm_size){ .vcpus = 4 }, &got, soon(),
					   &test.err),
			 0);
	assert_int_equal(got.vcpus, 4);
	assert_int_equal(hypervisor_set_link(test.hv, "v", false, soon(), &test.err), 0);
	assert_int_equal(hypervisor_detach(test.hv, "v", soon(), &test.err), 0);
	assert_int_equal(hypervisor_detach(test.hv, "v", soon(), &test.err), -ENODEV);
	assert_int_equal(hypervisor_set_link(test.hv, "v", false, soon(), &test.err), -ENODEV);
	assert_int_equal(hypervisor_stop(test.hv, soon(), &test.err), 0);
	assert_int_equal(test.nr_exited, 1);
	assert_null(hypervisor_destroy(test.hv));
	assert_null(hypervisor_destroy(NULL));
	return 0;
}

static void null_driver_keeps_the_contract(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(null_life, NULL), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(life_goes_through_its_states),
		cmocka_unit_test(death_at_start_is_told_in_qemus_words),
		cmocka_unit_test(absent_binary_is_named),
		cmocka_unit_test(mute_qemu_runs_into_the_deadline),
		cmocka_unit_test(every_way_to_die_is_told_apart),
		cmocka_unit_test(console_outlives_the_guest),
		cmocka_unit_test(the_agent_that_asks_is_told_the_secret_once),
		cmocka_unit_test(qemu_that_does_not_quit_is_killed),
		cmocka_unit_test(devices_come_and_go),
		cmocka_unit_test(carrier_of_an_interface_is_set_by_the_name_qemu_knows),
		cmocka_unit_test(refused_device_leaves_its_place_free),
		cmocka_unit_test(guest_may_keep_a_device),
		cmocka_unit_test(size_changes_within_what_the_vm_was_made_for),
		cmocka_unit_test(memory_goes_into_a_balloon_and_comes_back),
		cmocka_unit_test(guest_may_keep_a_vcpu),
		cmocka_unit_test(emulated_vcpus_are_not_unplugged),
		cmocka_unit_test(binary_is_asked_for_its_version),
		cmocka_unit_test(null_driver_keeps_the_contract),
	};

	if (argc == 2 && str_eq(argv[1], "--version"))
		return mock_qemu(argv[1]);
	if (argc > 2 && str_eq(argv[1], "-name"))
		return mock_qemu(argv[2]);
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
