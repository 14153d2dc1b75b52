/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process in a jail sees and may do, looked at from inside; and the users that VMs get. All
 * but the parser needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/proc.h"
#include "common/str.h"
#include "jail/identity.h"
#include "jail/landlock.h"
#include "jail/program_files.h"
#include "jail/root.h"
#include "jail/user.h"
#include "sandbox/hypervisor/qemu_jail.h"

#define USER 1879113000U

static char dir[] = "/tmp/kata-jail-XXXXXX";

static int setup(void **state)
{
	char path[64];

	(void)state;
	(void)strcpy(dir + strlen(dir) - 6, "XXXXXX");
	assert_non_null(mkdtemp(dir)); /* mode 0700: nobody else gets here by path */
	(void)snprintf(path, sizeof(path), "%s/secret", dir);
	assert_int_equal(io_replace_file_at(AT_FDCWD, path, "kernel", 6, 0600), 0);
	assert_int_equal(chmod(path, 0600), 0);
	(void)snprintf(path, sizeof(path), "%s/library", dir);
	assert_int_equal(io_replace_file_at(AT_FDCWD, path, "x", 1, 0644), 0);
	assert_int_equal(chmod(path, 0644), 0);
	(void)snprintf(path, sizeof(path), "%s/data", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/data/file", dir);
	assert_int_equal(io_replace_file_at(AT_FDCWD, path, "x", 1, 0755), 0);
	assert_int_equal(chmod(path, 0755), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return io_rm_tree_at(AT_FDCWD, dir);
}

#define CHECK(what)                                                              \
	do {                                                                     \
		if (!(what)) {                                                   \
			dprintf(STDERR_FILENO, "%d: %s: %m\n", __LINE__, #what); \
			return 1;                                                \
		}                                                                \
	} while (0)

struct jail {
	struct root_plan root;
	struct identity id;
};

static int enter(const void *arg, struct err *err)
{
	const struct jail *jail = arg;
	int r = root_build(&jail->root, err);

	return r < 0 ? r : identity_assume(&jail->id, err);
}

/* Runs @inside in a jail of @entries. Return: its exit status, or -errno of the jail. */
static int in_jail(const struct root_entry *entries, size_t nr, uint64_t caps,
		   int (*inside)(void *), struct err *err)
{
	struct jail jail = {
		.root = { .entries = entries, .nr = nr, .owner = USER, .group = USER },
		.id = { .uid = USER, .gid = USER, .caps = caps },
	};
	const struct proc_spec spec = {
		.path = "jailed",
		.run = inside,
		.netns_fd = -1,
		.die_with_parent = true,
		.namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS,
		.confine = enter,
		.confine_arg = &jail,
		/* the words of a test that fails */
		.fds = (const struct proc_fd[]){ { STDERR_FILENO, 3 } },
		.nr_fds = 1,
	};
	struct proc proc = PROC_NULL;
	int wstatus, r = proc_spawn(&spec, &proc, err);

	if (r < 0)
		return r;
	assert_int_equal(waitpid(proc.pid, &wstatus, 0), proc.pid);
	proc_deinit(&proc);
	return proc_exit_code(wstatus);
}

static int looks_around(void *arg)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { { 0 } };
	char path[64], buf[16] = "";
	int death = 0, fd;

	(void)arg;
	(void)dup2(3, STDERR_FILENO);
	CHECK(getpid() == 1 && getppid() == 0);
	CHECK(getuid() == USER && geteuid() == USER && getgid() == USER && getgroups(0, NULL) == 0);
	CHECK(syscall(SYS_capget, &header, caps) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(!caps[i].effective && !caps[i].permitted && !caps[i].inheritable);
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		CHECK(prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0) == 0 && death == SIGKILL);
	CHECK(access("/etc", F_OK) < 0 && access("/proc", F_OK) < 0 && access("/bin", F_OK) < 0);
	CHECK(mkdir("/new", 0700) < 0 && errno == EROFS);
	fd = open("/dev/null", O_RDWR);
	CHECK(fd >= 0);
	CHECK(access("/dev/kmsg", F_OK) < 0);
	(void)snprintf(path, sizeof(path), "%s/secret", dir);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && read(fd, buf, sizeof(buf)) == 6 && memcmp(buf, "kernel", 6) == 0);
	CHECK(open(path, O_WRONLY) < 0);
	CHECK(access("/.copy-0", F_OK) == 0 && access("/.copy-1", F_OK) < 0); /* of the secret */
	(void)snprintf(path, sizeof(path), "%s/library", dir);
	CHECK(open(path, O_RDONLY) >= 0);
	(void)snprintf(path, sizeof(path), "%s/data/file", dir);
	CHECK(open(path, O_RDONLY) >= 0);
	CHECK(execl(path, path, NULL) < 0 && errno == EACCES);
	CHECK(unshare(CLONE_NEWNS) < 0);
	CHECK(mknod("/dev/kmsg", S_IFCHR | 0600, 0x10b) < 0);
	return 0;
}

static void a_jailed_process_sees_what_it_was_given_and_nothing_else(void **state)
{
	char secret[64], data[64], library[64];
	const struct root_entry entries[] = {
		{ ROOT_ENTRY_CODE, library },
		{ ROOT_ENTRY_DIR, data },
		{ ROOT_ENTRY_FILE, secret },
		{ ROOT_ENTRY_DEVICE, "/dev/null" },
	};
	struct err err = ERR_NULL;

	(void)state;
	if (geteuid() != 0)
		skip();
	(void)snprintf(secret, sizeof(secret), "%s/secret", dir);
	(void)snprintf(data, sizeof(data), "%s/data", dir);
	(void)snprintf(library, sizeof(library), "%s/library", dir);
	int r = in_jail(entries, ARRAY_SIZE(entries), 0, looks_around, &err);
	if (r < 0)
		print_error("%s\n", err.text);
	assert_int_equal(r, 0);
}

static int has_chown(void *arg)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { { 0 } };

	(void)arg;
	(void)dup2(3, STDERR_FILENO);
	CHECK(getuid() == USER);
	CHECK(syscall(SYS_capget, &header, caps) == 0);
	CHECK(caps[0].effective == 1U << CAP_CHOWN && !caps[1].effective);
	CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0) == 1);
	CHECK(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 0);
	return 0;
}

static void capabilities_that_are_asked_for_stay_and_no_others(void **state)
{
	struct err err = ERR_NULL;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_jail(NULL, 0, 1ULL << CAP_CHOWN, has_chown, &err), 0);
}

static int unreached(void *arg)
{
	(void)arg;
	return 0;
}

static void what_cannot_be_put_into_a_jail_is_named(void **state)
{
	static const struct root_entry missing[] = { { ROOT_ENTRY_FILE, "/nowhere/firmware" } };
	static const struct root_entry climbing[] = { { ROOT_ENTRY_FILE, "/usr/../etc/passwd" } };
	static const struct root_entry no_device[] = { { ROOT_ENTRY_DEVICE, "/etc/passwd" } };
	struct err err = ERR_NULL;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_jail(missing, 1, 0, unreached, &err), -ENOENT);
	assert_non_null(strstr(err.text, "put /nowhere/firmware into its root: No such file"));
	assert_int_equal(in_jail(climbing, 1, 0, unreached, &err), -EINVAL);
	assert_int_equal(in_jail(no_device, 1, 0, unreached, &err), -ENODEV);
}

static void each_vm_gets_a_user_that_no_other_has(void **state)
{
	const struct user_range range = { .first = USER, .nr = 2 };
	uid_t a = 0, b = 0, c = 0;
	struct err err = ERR_NULL;

	(void)state;
	int first = user_claim(dir, &range, &a, &err), second = user_claim(dir, &range, &b, &err);
	assert_true(first >= 0 && second >= 0);
	assert_int_not_equal(a, b);
	assert_in_range(a, USER, USER + 1);
	assert_in_range(b, USER, USER + 1);
	assert_int_equal(user_claim(dir, &range, &c, &err), -EUSERS);
	assert_non_null(strstr(err.text, "all 2 numbers"));
	(void)fd_close(first);
	first = user_claim(dir, &range, &c, &err);
	assert_true(first >= 0);
	assert_int_equal(c, a);
	(void)fd_close(first);
	(void)fd_close(second);
}

static void a_user_with_living_processes_is_passed_over(void **state)
{
	const struct user_range range = { .first = USER, .nr = 1 };
	struct err err = ERR_NULL;
	uid_t uid = 0;
	int ready[2];
	char byte;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (setuid(USER) == 0 && write(ready[1], "", 1) == 1)
			(void)pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(user_claim(dir, &range, &uid, &err), -EUSERS);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	int fd = user_claim(dir, &range, &uid, &err);
	assert_true(fd >= 0);
	(void)fd_close(fd);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void ranges_with_root_or_beyond_31_bits_are_refused(void **state)
{
	static const struct user_range bad[] = { { 0, 10 }, { 10, 0 }, { INT32_MAX, 2 } };
	struct err err = ERR_NULL;
	uid_t uid;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(user_claim(dir, &bad[i], &uid, &err), -EINVAL);
}

static void a_loaders_list_gives_the_files_that_are_there(void **state)
{
	static const char text[] = "\tlinux-vdso.so.1 (0x00007ffd)\n"
				   "\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f1)\n"
				   "\tlibgone.so.2 => not found\n"
				   "\t/lib64/ld-linux-x86-64.so.2 (0x00007f2)\n";
	cleanup_arena struct arena *arena = NULL;
	struct strv paths = { 0 };

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(program_files_parse_list(text, arena, &paths), 0);
	assert_int_equal(paths.nr, 2);
	assert_string_equal(paths.v[0], "/lib/x86_64-linux-gnu/libz.so.1");
	assert_string_equal(paths.v[1], "/lib64/ld-linux-x86-64.so.2");
}

/* Somebody listens outside: on loopback, and on an abstract name. */
struct listeners {
	int tcp, name;
	struct sockaddr_in in;
	struct sockaddr_un un;
	socklen_t un_len;
};

static void listen_outside(struct listeners *l)
{
	socklen_t len = sizeof(l->in);

	*l = (struct listeners){ .in = { .sin_family = AF_INET,
					 .sin_addr = { htonl(INADDR_LOOPBACK) } },
				 .un = { .sun_family = AF_UNIX } };
	l->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(l->tcp, (struct sockaddr *)&l->in, sizeof(l->in)), 0);
	assert_int_equal(listen(l->tcp, 8), 0);
	assert_int_equal(getsockname(l->tcp, (struct sockaddr *)&l->in, &len), 0);
	int n = snprintf(l->un.sun_path + 1, 64, "kata-test-jail-%d", (int)getpid());
	l->un_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	l->name = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(l->name, (struct sockaddr *)&l->un, l->un_len), 0);
	assert_int_equal(listen(l->name, 8), 0);
}

static int reach(int family, const void *addr, socklen_t len)
{
	cleanup_close int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : neg_errno(connect(fd, addr, len));
}

static int makes_and_removes(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/made", dir);
	int r = neg_errno(mkdir(path, 0755));
	return r < 0 ? r : neg_errno(rmdir(path));
}

static int gives_up(const struct listeners *l, bool files)
{
	const struct sockaddr_in any = { .sin_family = AF_INET };
	const int version = landlock_version();
	cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cleanup_close int file = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct err err = ERR_NULL;

	CHECK(reach(AF_INET, &l->in, sizeof(l->in)) == 0);
	CHECK(reach(AF_UNIX, &l->un, l->un_len) == 0);
	CHECK(kill(getppid(), 0) == 0);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(landlock_give_up(files, &err) == 0);
	CHECK(reach(AF_INET, &l->in, sizeof(l->in)) == (version >= 4 ? -EACCES : 0));
	CHECK(bind(fd, (const struct sockaddr *)&any, sizeof(any)) == (version >= 4 ? -1 : 0));
	CHECK(reach(AF_UNIX, &l->un, l->un_len) == (version >= 6 ? -EPERM : 0));
	CHECK(kill(getppid(), 0) == (version >= 6 ? -1 : 0));
	CHECK(makes_and_removes() == (files ? -EACCES : 0));
	CHECK(file < 0 || write(file, "x", 1) == 1); /* what it has it keeps */
	return 0;
}

static void what_landlock_knows_is_given_up(void **state)
{
	struct listeners l;

	(void)state;
	if (!landlock_version()) {
		struct err err = ERR_NULL;

		assert_int_equal(landlock_give_up(true, &err), 0);
		skip();
	}
	listen_outside(&l);
	for (int files = 0; files < 2; files++) {
		int wstatus;
		pid_t pid = fork();

		if (pid == 0)
			_exit(gives_up(&l, files));
		assert_int_equal(waitpid(pid, &wstatus, 0), pid);
		assert_int_equal(wstatus, 0);
	}
	(void)close(l.tcp);
	(void)close(l.name);
}

static int qemu_reaches(void *arg)
{
	const struct listeners *l = arg;

	CHECK(reach(AF_INET, &l->in, sizeof(l->in)) == (landlock_version() >= 4 ? -EACCES : 0));
	CHECK(reach(AF_UNIX, &l->un, l->un_len) == (landlock_version() >= 6 ? -EPERM : 0));
	return 0;
}

static void qemu_gives_it_up_in_its_jail(void **state)
{
	const struct qemu_jail jail = {
		.root = { .owner = USER, .group = USER },
		.id = { .uid = USER, .gid = USER },
	};
	struct listeners l;
	const struct proc_spec spec = {
		.path = "jailed",
		.run = qemu_reaches,
		.run_arg = &l,
		.netns_fd = -1,
		.die_with_parent = true,
		.namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS,
		.confine = qemu_jail_enter,
		.confine_arg = &jail,
	};
	struct proc proc = PROC_NULL;
	struct err err = ERR_NULL;
	int wstatus = -1;

	(void)state;
	listen_outside(&l);
	assert_int_equal(proc_spawn(&spec, &proc, &err), 0);
	assert_int_equal(waitpid(proc.pid, &wstatus, 0), proc.pid);
	assert_int_equal(wstatus, 0);
	proc_deinit(&proc);
	(void)close(l.tcp);
	(void)close(l.name);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_jailed_process_sees_what_it_was_given_and_nothing_else),
		TEST(capabilities_that_are_asked_for_stay_and_no_others),
		TEST(what_cannot_be_put_into_a_jail_is_named),
		TEST(each_vm_gets_a_user_that_no_other_has),
		TEST(a_user_with_living_processes_is_passed_over),
		TEST(ranges_with_root_or_beyond_31_bits_are_refused),
		TEST(a_loaders_list_gives_the_files_that_are_there),
		TEST(what_landlock_knows_is_given_up),
		TEST(qemu_gives_it_up_in_its_jail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
