/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container may do to a process on its way in. An attacker in the container's PID namespace
 * with CAP_SYS_PTRACE stops whatever appears there, as early as it can, and notes what that may do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber_sanitize.h"
#include "common/io.h"
#include "container-fixture.h"
#include "oci/spec.h"

#define ROUNDS 40
#define OF_CONTAINER (1ULL << CAP_CHOWN | 1ULL << CAP_SYS_PTRACE)
#define CAPS "[\"CAP_CHOWN\", \"CAP_SYS_PTRACE\"]"
#define SECCOMP                                                                              \
	", \"seccomp\": {\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": " \
	"[%s], \"action\": \"SCMP_ACT_ERRNO\"}]}"

struct catch
{
	int nr;			/* processes that were stopped */
	int rights;		/* with more capabilities than the container */
	int filter;		/* without its filter */
	int gain;		/* without no_new_privs */
	int files;		/* with descriptors that it has not been given */
	int memory;		/* with a secret of the agent's in its memory */
	unsigned long long all; /* every capability that was seen */
};

static struct fixture_result res;
static struct catch seen;

/* The agent's memory has things that are not the container's. */
static volatile char *secret;
static const char mark[] = "a secret of another container";

#define RUN(...) fixture_run(&(struct fixture_run){ __VA_ARGS__ }, &res)

static unsigned long long field(const char *status, const char *name, int base)
{
	const char *at = strstr(status, name);

	return at ? strtoull(at + strlen(name), NULL, base) : 0;
}

static void look(pid_t pid, struct catch *catch)
{
	char path[64], byte[sizeof(mark)] = "";
	cleanup_free char *status = NULL;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (io_read_file_at(AT_FDCWD, path, 16384, &status) < 0)
		return;
	unsigned long long caps = field(status, "CapPrm:", 16) | field(status, "CapBnd:", 16);
	catch->nr++;
	catch->all |= caps;
	catch->rights += (caps & ~OF_CONTAINER) != 0;
	catch->filter += field(status, "Seccomp:", 10) != 2;
	catch->gain += field(status, "NoNewPrivs:", 10) != 1;
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	cleanup_close int mem = open(path, O_RDONLY | O_CLOEXEC);
	if (pread(mem, byte, sizeof(mark), (off_t)(uintptr_t)secret) == sizeof(mark))
		catch->memory += memcmp(byte, mark, sizeof(mark)) == 0;
	int files = 0;
	for (int fd = 3; fd < 64; fd++) {
		char target[64];

		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
		files += readlink(path, target, sizeof(target)) > 0;
	}
	/* One tells the agent what has failed. */
	catch->files += files > 1;
}

/* Processes are numbered one after the other. */
static void attack(pid_t last, int report)
{
	for (;;) {
		struct catch catch = { 0 };
		pid_t pid = last + 1;

		while (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
			pid = pid < last + 3 ? pid + 1 : last + 1;
		last = pid;
		(void)ptrace(PTRACE_INTERRUPT, pid, 0, 0);
		(void)waitpid(pid, NULL, __WALL);
		look(pid, &catch);
		(void)ptrace(PTRACE_DETACH, pid, 0, 0);
		(void)!write(report, &catch, sizeof(catch));
	}
}

static void become_the_container(struct container *c, int report)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { OF_CONTAINER, OF_CONTAINER, 0 } };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setns(c->init->pidfd, CLONE_NEWPID | CLONE_NEWNS) < 0)
		_exit(1);
	pid_t pid = fork();
	if (pid != 0) {
		(void)!write(report, &pid, sizeof(pid));
		(void)waitpid(pid, NULL, 0);
		_exit(0);
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (syscall(SYS_capset, &header, data) < 0)
		_exit(1);
	attack(getpid(), report);
}

struct attacker {
	pid_t outside, inside;
	int report;
};

static struct attacker start_attacker(struct container *c)
{
	struct attacker ret = { 0 };
	int ends[2];

	memset(&seen, 0, sizeof(seen));
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	ret.outside = fork();
	if (ret.outside == 0)
		become_the_container(c, ends[1]);
	(void)close(ends[1]);
	ret.report = ends[0];
	assert_int_equal(read(ret.report, &ret.inside, sizeof(ret.inside)), sizeof(ret.inside));
	return ret;
}

static void collect(int report)
{
	struct catch one;

	while (read(report, &one, sizeof(one)) == sizeof(one)) {
		seen.nr += one.nr;
		seen.rights += one.rights;
		seen.filter += one.filter;
		seen.gain += one.gain;
		seen.files += one.files;
		seen.memory += one.memory;
		seen.all |= one.all;
	}
}

static void end_attacker(const struct attacker *attacker)
{
	(void)kill(attacker->inside, SIGKILL);
	(void)waitpid(attacker->outside, NULL, 0);
	collect(attacker->report);
	(void)close(attacker->report);
	(void)fprintf(
		stderr,
		"# %d processes stopped; more rights: %d (%llx), no filter: %d, may gain: %d, "
		"files: %d, memory: %d\n",
		seen.nr, seen.rights, seen.all, seen.filter, seen.gain, seen.files, seen.memory);
}

static void assert_nothing_to_gain(void)
{
	assert_true(seen.nr > ROUNDS / 2);
	assert_int_equal(seen.rights, 0);
	assert_int_equal(seen.filter, 0);
	assert_int_equal(seen.gain, 0);
	assert_int_equal(seen.files, 0);
#ifndef FIBER_SANITIZE
	assert_int_equal(seen.memory, 0);
#endif
}

#define EXEC                                                                             \
	"{\"args\": [\"sleep\", \"0.02\"], \"cwd\": \"/\", \"env\": [\"PATH=/bin\"], %s" \
	"\"noNewPrivileges\": true}"

static void attack_execs(struct container *c, struct fixture_run *run)
{
	cleanup_arena struct arena *arena = NULL;
	struct err err = ERR_NULL;
	struct oci_process *oci;
	char text[512];
	int code, done = 0;

	(void)snprintf(text, sizeof(text), EXEC, (const char *)run->arg);
	if (arena_new(&arena) < 0 ||
	    oci_process_parse(text, strlen(text), "process.json", arena, &oci, &err) < 0)
		return;
	const struct attacker attacker = start_attacker(c);
	for (int i = 0; i < ROUNDS; i++) {
		struct process *p;
		int r = container_exec(c, "exec", oci, loop_deadline_ms(20000), true, &p, &err);

		if (r >= 0)
			r = process_wait(p, loop_deadline_ms(20000), &code);
		if (r < 0)
			(void)fprintf(stderr, "# exec: %s\n", err.text);
		done += r >= 0 && code == 0;
		if (r >= 0)
			process_remove(p);
	}
	end_attacker(&attacker);
	if (done < ROUNDS)
		(void)fprintf(stderr, "# %d execs of %d worked\n", done, ROUNDS);
	seen.nr = done < ROUNDS ? 0 : seen.nr;
}

#define CONTAINER                                                                                \
	.shell = "read x", .input = "\n", .running = attack_execs,                               \
	.capabilities = "{\"bounding\": " CAPS ", \"effective\": " CAPS ", \"permitted\": " CAPS \
			"}"

static char filter[256];

static const char *without(const char *names)
{
	(void)snprintf(filter, sizeof(filter), SECCOMP, names);
	return filter;
}

static void an_exec_has_no_more_than_its_container(void **state)
{
	(void)state;
	RUN(CONTAINER, .linux_ = without("\"swapon\""), .arg = "");
	assert_int_equal(res.r, 0);
	assert_nothing_to_gain();
}

/* The filter is there before the process is, but does not count for how it comes to be. */
static void a_filter_may_forbid_to_fork(void **state)
{
	(void)state;
	RUN(CONTAINER, .arg = "",
	    .linux_ = without("\"clone\", \"clone3\", \"fork\", \"vfork\", \"setsid\""));
	assert_int_equal(res.r, 0);
	assert_nothing_to_gain();
}

static void an_exec_with_a_terminal_has_no_more(void **state)
{
	(void)state;
	RUN(CONTAINER, .arg = "\"terminal\": true, ",
	    .linux_ = without("\"clone\", \"clone3\", \"setsid\""));
	assert_int_equal(res.r, 0);
	assert_nothing_to_gain();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exec_has_no_more_than_its_container),
		cmocka_unit_test(a_filter_may_forbid_to_fork),
		cmocka_unit_test(an_exec_with_a_terminal_has_no_more),
	};
	char *copy = strdup(mark);

	if (!fixture_can_run()) {
		(void)fprintf(stderr, "skipped: needs root and /bin/busybox\n");
		return 77;
	}
	secret = copy;
	int r = cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
	free(copy);
	return r;
}
