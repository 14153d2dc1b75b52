/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of a process after the stages of kata-proxy's isolation. Each test looks from
 * inside, in a child.
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "proxy/isolation/isolation.h"

#define NOBODY 65534
#define KEPT_FD 200
#define SKIP 77

static char dir[] = "/tmp/kata-isolation-XXXXXX";

static int setup(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	log_init("test", STDERR_FILENO, LOG_FORMAT_PLAIN, LOG_LEVEL_WARN);
	(void)strcpy(dir + strlen(dir) - 6, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/port_1", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(chmod(addr.sun_path, 0666), 0);
	assert_int_equal(listen(fd, 8), 0);
	return 0; /* the socket lives as long as the test program */
}

static int teardown(void **state)
{
	char path[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/port_1", dir);
	assert_int_equal(unlink(path), 0);
	return rmdir(dir);
}

#define CHECK(what)                                                              \
	do {                                                                     \
		if (!(what)) {                                                   \
			dprintf(STDERR_FILENO, "%d: %s: %m\n", __LINE__, #what); \
			_exit(1);                                                \
		}                                                                \
	} while (0)

static void go_to_stage_3(bool with_dir)
{
	static const int keep[] = { KEPT_FD };
	struct isolation iso = {
		.uid = NOBODY,
		.gid = NOBODY,
		.ports_dir = with_dir ? dir : NULL,
		.keep_fds = keep,
		.nr_keep_fds = 1,
		.max_files = 300,
	};
	struct err err = ERR_NULL;

	CHECK(dup2(STDERR_FILENO, KEPT_FD) == KEPT_FD && dup2(STDERR_FILENO, KEPT_FD + 1) > 0);
	CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0);
	CHECK(isolate_descriptors(&iso, &err) == 0);
	CHECK(isolate_namespaces(&iso, &err) == 0);
	CHECK(isolate_identity(&iso, &err) == 0);
}

static int run(void (*fn)(void))
{
	int wstatus;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	if (WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == SKIP)
		skip();
	return wstatus;
}

static void nobody_with_nothing(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { { 0 } };
	struct rlimit rl;
	int death = 0;

	if (geteuid() != 0)
		_exit(SKIP);
	go_to_stage_3(false);
	CHECK(getuid() == NOBODY && geteuid() == NOBODY && getegid() == NOBODY &&
	      getgroups(0, NULL) == 0);
	CHECK(setuid(0) < 0);
	CHECK(syscall(SYS_capget, &header, caps) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(!caps[i].effective && !caps[i].permitted && !caps[i].inheritable);
	CHECK(prctl(PR_CAPBSET_READ, 0, 0, 0, 0) == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	CHECK(prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0) == 0 && death == SIGKILL);
	CHECK(fcntl(KEPT_FD, F_GETFD) >= 0);
	CHECK(fcntl(KEPT_FD + 1, F_GETFD) < 0 && errno == EBADF);
	CHECK(getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_max == 300);
	CHECK(getrlimit(RLIMIT_CORE, &rl) == 0 && rl.rlim_max == 0);
	CHECK(getrlimit(RLIMIT_NPROC, &rl) == 0 && rl.rlim_max == 0);
}

static bool namespaces_work(void)
{
	pid_t pid = fork();
	int wstatus;

	if (pid == 0)
		_exit(unshare((geteuid() ? CLONE_NEWUSER : 0) | CLONE_NEWNS | CLONE_NEWNET) < 0);
	return waitpid(pid, &wstatus, 0) == pid && wstatus == 0;
}

static void no_files(void)
{
	if (!namespaces_work())
		_exit(SKIP);
	go_to_stage_3(false);
	CHECK(access("/etc", F_OK) < 0 && errno == ENOENT);
	CHECK(access("/proc", F_OK) < 0 && errno == ENOENT);
	CHECK(open("x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0);
	CHECK(open("..", O_PATH | O_CLOEXEC) >= 0 && access("../etc", F_OK) < 0);
}

static void only_the_ports(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "port_1" };
	int fd;

	if (!namespaces_work())
		_exit(SKIP);
	go_to_stage_3(true);
	CHECK(access("/etc", F_OK) < 0 && errno == ENOENT);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
}

static void as_ordinary_user(void)
{
	if (geteuid() == 0)
		CHECK(setresgid(12345, 12345, 12345) == 0 && setresuid(12345, 12345, 12345) == 0);
	/* What exec would have done. */
	CHECK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
	only_the_ports();
	CHECK(setuid(0) < 0);
}

static void calls_outside_the_list(void)
{
	struct err err = ERR_NULL;

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(isolate_syscalls(&err) == 0);
	CHECK(write(STDERR_FILENO, "", 0) == 0);
	(void)open("/", O_RDONLY | O_CLOEXEC);
}

static void sockets_of_the_network(void)
{
	struct err err = ERR_NULL;

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(isolate_syscalls(&err) == 0);
	CHECK(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	(void)socket(AF_INET, SOCK_STREAM, 0);
}

static void assert_killed(int wstatus)
{
	assert_true(WIFSIGNALED(wstatus));
	assert_int_equal(WTERMSIG(wstatus), SIGSYS);
}

static void root_becomes_nobody_with_nothing(void **state)
{
	(void)state;
	assert_int_equal(run(nobody_with_nothing), 0);
}

static void without_ports_there_are_no_files(void **state)
{
	(void)state;
	assert_int_equal(run(no_files), 0);
}

static void the_ports_directory_is_the_only_one(void **state)
{
	(void)state;
	assert_int_equal(run(only_the_ports), 0);
}

static void an_ordinary_user_is_isolated_as_well(void **state)
{
	(void)state;
	assert_int_equal(run(as_ordinary_user), 0);
}

static void a_call_outside_the_list_kills(void **state)
{
	(void)state;
	assert_killed(run(calls_outside_the_list));
}

static void a_network_socket_kills(void **state)
{
	(void)state;
	assert_killed(run(sockets_of_the_network));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(root_becomes_nobody_with_nothing),	T(without_ports_there_are_no_files),
		T(the_ports_directory_is_the_only_one), T(an_ordinary_user_is_isolated_as_well),
		T(a_call_outside_the_list_kills),	T(a_network_socket_kills),
	};

	return cmocka_run_group_tests_name("proxy-isolation", tests, NULL, NULL);
}
