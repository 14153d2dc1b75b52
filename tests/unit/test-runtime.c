/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of kata-runtime's verbs against a mock shim over real sockets, and of its stand-ins
 * over real processes. This program is the mock shim, too: $KATA_SHIM names it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "kata/state.h"
#include "mock-shim.h"
#include "runtime/cmd/admin/verbs.h"
#include "runtime/cmd/oci/verbs.h"

#define ARGS_MAX 24
#define WAIT_MS 10000

static struct {
	char dir[64]; /* everything of a test lies below it */
	char root[96], bundle[96], shim_log[96];
	struct cli cli;
	struct err err;
	char out[16384]; /* what the last verb printed */
} t;

static void write_file(const char *path, const char *text)
{
	assert_int_equal(io_replace_file_at(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static char *read_text(const char *path)
{
	static char text[65536];
	char *data = NULL;
	ssize_t n = io_read_file_at(AT_FDCWD, path, sizeof(text) - 1, &data);

	snprintf(text, sizeof(text), "%s", n < 0 ? "" : data);
	free(data);
	return text;
}

#define DEFAULT_NAMESPACES                                                                  \
	"{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{" \
	"\"type\":\"mount\"}"

static void write_bundle(bool terminal, const char *namespaces, const char *annotations)
{
	char text[2048], path[128];

	snprintf(text, sizeof(text),
		 "{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":%s,\"user\":{\"uid\":0,"
		 "\"gid\":0},"
		 "\"args\":[\"/bin/sh\",\"-c\",\"true\"],\"env\":[\"PATH=/bin\"],\"cwd\":\"/"
		 "\",\"consoleSize\":{\"height\":25,"
		 "\"width\":80}},\"root\":{\"path\":\"rootfs\"},\"annotations\":{%s},"
		 "\"linux\":{\"namespaces\":[%s]}}",
		 terminal ? "true" : "false", annotations, namespaces);
	snprintf(path, sizeof(path), "%s/config.json", t.bundle);
	write_file(path, text);
}

static int set_up(void **state)
{
	char path[128];

	(void)state;
	memset(&t, 0, sizeof(t));
	snprintf(t.dir, sizeof(t.dir), "/tmp/kata-test-XXXXXX");
	assert_non_null(mkdtemp(t.dir));
	snprintf(t.root, sizeof(t.root), "%s/root", t.dir);
	snprintf(t.bundle, sizeof(t.bundle), "%s/bundle", t.dir);
	snprintf(t.shim_log, sizeof(t.shim_log), "%s/shim.log", t.dir);
	snprintf(path, sizeof(path), "%s/rootfs", t.bundle);
	assert_int_equal(io_mkdir_p(path, 0755), 0);
	write_bundle(false, DEFAULT_NAMESPACES, "\"a.b\":\"c\"");
	setenv("MOCK_SHIM_LOG", t.shim_log, 1);
	t.cli = CLI_NULL;
	t.cli.root = t.root;
	log_init("test", STDERR_FILENO, LOG_FORMAT_PLAIN, LOG_LEVEL_ERROR);
	return 0;
}

/* Fails when a test leaves a process behind: shims and stand-ins are children of this subreaper. */
static int tear_down(void **state)
{
	uint64_t waited_ms = 0;
	pid_t pid;

	(void)state;
	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 && waited_ms < WAIT_MS) {
		if (pid == 0) {
			(void)poll(NULL, 0, 5);
			waited_ms += 5;
		}
	}
	bool none_left = pid < 0 && errno == ECHILD;
	(void)io_rm_tree_at(AT_FDCWD, t.dir); /* a leftover in /tmp is no failure of the test */
	return none_left ? 0 : -1;
}

/* Runs a verb in this process, its stdout in t.out. */
static int run(verb_fn fn, ...)
{
	char *argv[ARGS_MAX];
	char words[ARGS_MAX][256]; /* argv may be reordered, never written */
	int argc = 0;
	va_list ap;

	va_start(ap, fn);
	for (const char *arg = va_arg(ap, const char *); arg; arg = va_arg(ap, const char *)) {
		snprintf(words[argc], sizeof(words[argc]), "%s", arg);
		argv[argc] = words[argc];
		argc++;
	}
	va_end(ap);
	argv[argc] = NULL;
	t.err = ERR_NULL;
	(void)fflush(stdout);
	int saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	int file = memfd_create("stdout", MFD_CLOEXEC);
	assert_true(saved >= 0 && file >= 0);
	assert_true(dup2(file, STDOUT_FILENO) == STDOUT_FILENO);
	int r = fn(&t.cli, argc, argv, &t.err);
	assert_true(dup2(saved, STDOUT_FILENO) == STDOUT_FILENO);
	ssize_t n = pread(file, t.out, sizeof(t.out) - 1, 0);
	t.out[n > 0 ? n : 0] = '\0';
	(void)close(saved);
	(void)close(file);
	return r;
}

#define RUN(fn, ...) run(fn, #fn, __VA_ARGS__, NULL)
#define assert_contains(text, part)                                             \
	do {                                                                    \
		if (!strstr(text, part))                                        \
			fail_msg("\"%s\" does not contain \"%s\"", text, part); \
	} while (0)

static void await_text(const char *path, const char *part)
{
	for (int ms = 0; ms < WAIT_MS && !strstr(read_text(path), part); ms += 5)
		(void)poll(NULL, 0, 5);
	assert_contains(read_text(path), part);
}

static void await_log(const char *part)
{
	await_text(t.shim_log, part);
}

static bool exists(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", t.dir, name);
	return access(path, F_OK) == 0;
}

static pid_t create(const char *id)
{
	char pid_file[128];

	snprintf(pid_file, sizeof(pid_file), "%s/pid", t.dir);
	int r = RUN(verb_create, "--bundle", t.bundle, "--pid-file", pid_file, id);
	if (r != 0)
		fail_msg("create: %s", t.err.text);
	return (pid_t)atoi(read_text(pid_file));
}

static int exit_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void assert_state(const char *id, const char *status)
{
	char part[64];

	assert_int_equal(RUN(verb_state, id), 0);
	snprintf(part, sizeof(part), "\"status\": \"%s\"", status);
	assert_contains(t.out, part);
}

static void a_container_goes_through_its_life(void **state)
{
	char part[128];

	(void)state;
	pid_t pid = create("life");
	assert_state("life", "created");
	snprintf(part, sizeof(part), "\"pid\": %d", (int)pid);
	assert_contains(t.out, part);
	assert_contains(t.out, "\"a.b\": \"c\"");
	assert_contains(t.out, "\"owner\": \"root\"");
	assert_contains(t.out, t.bundle);
	assert_int_equal(RUN(verb_start, "life"), 0);
	assert_state("life", "running");
	assert_int_equal(RUN(verb_pause, "life"), 0);
	assert_state("life", "paused");
	assert_int_equal(RUN(verb_resume, "life"), 0);
	assert_true(RUN(verb_delete, "life") < 0);
	assert_contains(t.err.text,
			"cannot delete container \"life\" that is not stopped: running");
	assert_int_equal(RUN(verb_kill, "life", "SIGTERM"), 0);
	assert_int_equal(exit_status(pid), 128 + SIGTERM);
	assert_state("life", "stopped");
	assert_contains(t.out, "\"pid\": 0");
	assert_true(RUN(verb_kill, "life", "9") < 0);
	assert_contains(t.err.text, "container not running");
	assert_int_equal(RUN(verb_kill, "--all", "life", "9"), 0);
	assert_int_equal(RUN(verb_delete, "life"), 0);
	assert_false(exists("root/life"));
	assert_true(RUN(verb_delete, "life") < 0);
	assert_contains(t.err.text, "does not exist");
	assert_int_equal(RUN(verb_delete, "--force", "life"), 0);
}

static void the_shim_gets_what_it_needs(void **state)
{
	(void)state;
	t.cli.systemd_cgroup = true;
	t.cli.debug = true;
	(void)create("args");
	const char *log = read_text(t.shim_log);
	assert_contains(log, "arg -id\narg args\n");
	assert_contains(log, "arg --standalone\narg --debug\n");
	assert_contains(log, "hello args terminal 0 size 25x80");
	assert_contains(log, "terminal 0 stdin standin:args");
	assert_contains(log, "metadata kata-cli=1");
	assert_contains(log, "metadata kata-systemd-cgroup=1");
	assert_int_equal(RUN(verb_delete, "--force", "args"), 0);
}

static void the_exit_code_is_the_stand_ins(void **state)
{
	(void)state;
	pid_t pid = create("exit7-a");
	assert_int_equal(RUN(verb_start, "exit7-a"), 0);
	assert_int_equal(exit_status(pid), 7);
	assert_int_equal(RUN(verb_delete, "exit7-a"), 0);
	assert_false(exists("root/exit7-a"));
}

static void a_stand_in_without_shim_ends_as_if_killed(void **state)
{
	char path[128];
	int shim;

	(void)state;
	pid_t pid = create("orphan");
	snprintf(path, sizeof(path), "%s/orphan/%s", t.root, KATA_STATE_SHIM_PID);
	shim = atoi(read_text(path));
	assert_true(shim > 1);
	snprintf(path, sizeof(path), "%s/orphan/%s", t.root, KATA_STATE_SANDBOX);
	write_file(path, "{}");
	assert_int_equal(kill(shim, SIGKILL), 0);
	assert_int_equal(exit_status(pid), 137);
	assert_state("orphan", "stopped");
	assert_true(RUN(verb_exec, "orphan", "true") == 255);
	assert_contains(t.err.text, "container not running");
	assert_int_equal(RUN(verb_delete, "orphan"), 0);
	assert_contains(read_text(t.shim_log), "undone\n");
	assert_false(exists("root/orphan"));
}

static void a_killed_stand_in_ends_its_container(void **state)
{
	(void)state;
	pid_t pid = create("victim");
	assert_int_equal(RUN(verb_start, "victim"), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(exit_status(pid), 1000 + SIGKILL);
	await_log("standin victim is gone");
	assert_state("victim", "stopped");
	assert_int_equal(RUN(verb_delete, "victim"), 0);
}

static void a_signal_to_the_stand_in_is_the_containers(void **state)
{
	(void)state;
	pid_t pid = create("signals");
	assert_int_equal(RUN(verb_start, "signals"), 0);
	assert_int_equal(kill(pid, SIGUSR1), 0);
	await_log("signal signals 10");
	assert_int_equal(RUN(verb_delete, "--force", "signals"), 0);
	assert_int_equal(exit_status(pid), 137);
}

static void the_stand_in_has_its_own_namespaces_and_name(void **state)
{
	static const char *const namespaces[] = { "net", "mnt", "pid", "ipc", "uts", "cgroup" };
	char path[64], name[32];
	struct stat own, theirs;

	(void)state;
	pid_t pid = create("netns");
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, namespaces[i]);
		assert_int_equal(stat(path, &theirs), 0);
		snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
		assert_int_equal(stat(path, &own), 0);
		assert_true(own.st_ino != theirs.st_ino);
	}
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	snprintf(name, sizeof(name), "%s", read_text(path));
	assert_string_equal(name, "sh\n");
	assert_int_equal(RUN(verb_delete, "--force", "netns"), 0);
}

static void a_shared_network_namespace_means_a_shared_sandbox(void **state)
{
	char namespaces[256], path[128];

	(void)state;
	pid_t pid = create("infra");
	snprintf(namespaces, sizeof(namespaces),
		 "{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},"
		 "{\"type\":\"network\",\"path\":\"/proc/%d/ns/net\"}",
		 (int)pid);
	write_bundle(false, namespaces, "");
	(void)create("member");
	assert_false(exists("root/member/shim.sock"));
	snprintf(path, sizeof(path), "%s/member/state.json", t.root);
	assert_contains(read_text(path), "\"sandboxId\":\"infra\"");
	assert_int_equal(RUN(verb_delete, "--force", "infra"), 0);
	assert_true(exists("root/infra/shim.sock")); /* the member still needs it */
	assert_state("member", "created");
	assert_int_equal(RUN(verb_delete, "--force", "member"), 0);
	assert_false(exists("root/infra"));
	assert_false(exists("root/member"));
}

/* The state directory that is shared is the first one's, until that one comes back. */
static void a_member_outlives_the_container_whose_sandbox_it_joined(void **state)
{
	static const char *const orders[][2] = { { "again", "joined" }, { "joined", "again" } };
	char namespaces[256], path[192], moved[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		write_bundle(false, DEFAULT_NAMESPACES, "");
		pid_t pid = create("again");
		snprintf(
			namespaces, sizeof(namespaces),
			"{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},"
			"{\"type\":\"network\",\"path\":\"/proc/%d/ns/net\"}",
			(int)pid);
		write_bundle(false, namespaces, "");
		(void)create("joined");
		snprintf(path, sizeof(path), "%s/again/shim.pid", t.root);
		snprintf(moved, sizeof(moved), "again+%d", atoi(read_text(path)));
		assert_int_equal(RUN(verb_delete, "--force", "again"), 0);
		write_bundle(false, DEFAULT_NAMESPACES, "");
		(void)create("again");
		snprintf(path, sizeof(path), "%s/joined/state.json", t.root);
		assert_non_null(strstr(read_text(path), moved));
		assert_state("again", "created");
		assert_state("joined", "created");
		snprintf(path, sizeof(path), "root/%s", moved);
		assert_true(exists(path));
		assert_int_equal(RUN(verb_delete, "--force", orders[i][0]), 0);
		assert_state(orders[i][1], "created");
		assert_int_equal(RUN(verb_delete, "--force", orders[i][1]), 0);
		assert_false(exists(path));
		assert_false(exists("root/again"));
		assert_false(exists("root/joined"));
	}
}

/* Puts @version where the record of a container has its own; returns the record as it is then. */
static char *set_record_version(const char *id, const char *version)
{
	static char now[4096];
	char path[192];

	snprintf(path, sizeof(path), "%s/%s/state.json", t.root, id);
	char *text = read_text(path), *old = strstr(text, "\"version\":1,");
	assert_non_null(old);
	const char *rest = old + strlen("\"version\":1,");
	snprintf(now, sizeof(now), "%.*s%s%s", (int)(old - text), text, version, rest);
	write_file(path, now);
	return now;
}

static void a_record_without_a_version_is_of_the_first(void **state)
{
	(void)state;
	(void)create("old");
	assert_null(strstr(set_record_version("old", ""), "version\":"));
	assert_state("old", "created");
	assert_null(strstr(t.out, "version\":")); /* what is printed is runc's form */
	assert_int_equal(RUN(verb_delete, "--force", "old"), 0);
	assert_false(exists("root/old"));
}

static void a_record_of_a_newer_version_is_refused_and_left_alone(void **state)
{
	char path[192], was[4096], record[4096];

	(void)state;
	(void)create("other");
	(void)create("newer");
	snprintf(path, sizeof(path), "%s/newer/state.json", t.root);
	snprintf(was, sizeof(was), "%s", read_text(path));
	snprintf(record, sizeof(record), "%s", set_record_version("newer", "\"version\":2,"));
	assert_true(RUN(verb_state, "newer") < 0);
	assert_contains(t.err.text, "root/newer: state.json is of version 2");
	assert_null(strchr(t.err.text, '\n'));
	assert_true(RUN(verb_start, "newer") < 0);
	assert_true(RUN(verb_delete, "newer") < 0);
	assert_true(RUN(verb_delete, "--force", "newer") < 0);
	assert_contains(t.err.text, "root/newer: state.json is of version 2");
	assert_true(RUN(verb_create, "--bundle", t.bundle, "newer") < 0);
	assert_contains(t.err.text, "already exists");
	assert_string_equal(read_text(path), record);
	assert_int_equal(RUN(verb_list, "--format=table"), 0);
	assert_contains(t.out, "other ");
	assert_null(strstr(t.out, "newer "));
	assert_int_equal(RUN(verb_delete, "--force", "other"), 0);
	write_file(path, was);
	assert_state("newer", "created");
	assert_int_equal(RUN(verb_delete, "--force", "newer"), 0);
}

static void join_netns_of(pid_t pid)
{
	char namespaces[256];

	snprintf(namespaces, sizeof(namespaces),
		 "{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},"
		 "{\"type\":\"network\",\"path\":\"/proc/%d/ns/net\"}",
		 (int)pid);
	write_bundle(false, namespaces, "");
}

static void a_newer_member_keeps_its_sandbox(void **state)
{
	char path[192], was[4096];

	(void)state;
	pid_t pid = create("first");
	join_netns_of(pid);
	pid_t member_pid = create("member");
	snprintf(path, sizeof(path), "%s/member/state.json", t.root);
	snprintf(was, sizeof(was), "%s", read_text(path));
	(void)set_record_version("member", "\"version\":2,");
	assert_int_equal(RUN(verb_delete, "--force", "first"), 0);
	assert_true(exists("root/first/shim.sock"));
	/* Its record could not follow if the directory got another name. */
	write_bundle(false, DEFAULT_NAMESPACES, "");
	assert_true(RUN(verb_create, "--bundle", t.bundle, "first") < 0);
	assert_contains(t.err.text, "root/member: state.json is of version 2");
	assert_true(exists("root/first/shim.sock"));
	/* Nor may a second VM take its network namespace. */
	join_netns_of(member_pid);
	assert_true(RUN(verb_create, "--bundle", t.bundle, "third") < 0);
	assert_contains(t.err.text, "root/member: state.json is of version 2");
	assert_false(exists("root/third"));
	write_file(path, was);
	assert_state("member", "created");
	assert_int_equal(RUN(verb_delete, "--force", "member"), 0);
	assert_false(exists("root/first"));
}

static void an_annotated_member_needs_its_sandbox(void **state)
{
	(void)state;
	write_bundle(false, DEFAULT_NAMESPACES,
		     "\"io.kubernetes.cri-o.ContainerType\":\"container\","
		     "\"io.kubernetes.cri-o.SandboxID\":\"nowhere\"");
	assert_true(RUN(verb_create, "-b", t.bundle, "m") < 0);
	assert_contains(t.err.text, "sandbox \"nowhere\", which does not exist");
	assert_false(exists("root/m"));
}

static void the_host_network_is_refused(void **state)
{
	(void)state;
	write_bundle(
		false,
		"{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"}",
		"");
	assert_true(RUN(verb_create, "-b", t.bundle, "host") < 0);
	assert_contains(t.err.text, "host network is not supported");
	write_bundle(
		false,
		"{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},"
		"{\"type\":\"network\",\"path\":\"/proc/self/ns/net\"}",
		"");
	assert_true(RUN(verb_create, "-b", t.bundle, "host") < 0);
	assert_contains(t.err.text, "host network is not supported");
	assert_false(exists("root/host"));
}

static void a_second_create_of_one_id_fails(void **state)
{
	(void)state;
	(void)create("twin");
	assert_true(RUN(verb_create, "-b", t.bundle, "twin") < 0);
	assert_contains(t.err.text, "container with given ID already exists");
	assert_state("twin", "created");
	assert_int_equal(RUN(verb_delete, "--force", "twin"), 0);
}

static void a_failed_create_leaves_nothing(void **state)
{
	char path[128];

	(void)state;
	assert_true(RUN(verb_create, "-b", t.bundle, "nocreate-a") < 0);
	assert_contains(t.err.text, "executable file not found in $PATH");
	assert_false(exists("root/nocreate-a"));
	assert_true(RUN(verb_create, "-b", t.bundle, "dies-a") < 0);
	assert_contains(t.err.text, "the shim ended: the kernel does not boot");
	assert_false(exists("root/dies-a"));
	assert_true(RUN(verb_create, "-b", t.bundle, "kills-a") < 0);
	assert_contains(t.err.text, "the stand-in has ended");
	assert_false(exists("root/kills-a"));
	assert_true(RUN(verb_run, "-b", t.bundle, "nostart-a") < 0);
	assert_contains(t.err.text, "permission denied");
	assert_false(exists("root/nostart-a"));
	snprintf(path, sizeof(path), "%s/no/such/dir/pid", t.dir);
	assert_true(RUN(verb_create, "-b", t.bundle, "--pid-file", path, "nopid") < 0);
	assert_contains(t.err.text, "pid file");
	assert_false(exists("root/nopid"));
}

static void a_missing_shim_is_said_so(void **state)
{
	char *saved = strdup(getenv("KATA_SHIM"));

	(void)state;
	setenv("KATA_SHIM", "/nonexistent/shim", 1);
	assert_true(RUN(verb_create, "-b", t.bundle, "noshim") < 0);
	assert_contains(t.err.text, "/nonexistent/shim");
	assert_false(exists("root/noshim"));
	setenv("KATA_SHIM", saved, 1);
	free(saved);
}

static void bad_bundles_end_in_one_clear_line(void **state)
{
	char path[128];

	(void)state;
	assert_true(RUN(verb_create, "-b", "/nonexistent", "bad") < 0);
	assert_contains(t.err.text, "/nonexistent");
	assert_true(RUN(verb_create, "-b", t.bundle, "../bad") < 0);
	assert_contains(t.err.text, "invalid container ID format");
	snprintf(path, sizeof(path), "%s/rootfs", t.bundle);
	assert_int_equal(rmdir(path), 0);
	assert_true(RUN(verb_create, "-b", t.bundle, "bad") < 0);
	assert_contains(t.err.text, "rootfs");
	write_file(path, "");
	assert_true(RUN(verb_create, "-b", t.bundle, "bad") < 0);
	assert_contains(t.err.text, "is not a directory");
	snprintf(path, sizeof(path), "%s/config.json", t.bundle);
	write_file(path, "{");
	assert_true(RUN(verb_create, "-b", t.bundle, "bad") < 0);
	assert_contains(t.err.text, "config.json");
	assert_null(strchr(t.err.text, '\n'));
	assert_int_equal(unlink(path), 0);
	assert_true(RUN(verb_create, "-b", t.bundle, "bad") < 0);
	assert_contains(t.err.text, "config.json");
	assert_false(exists("root/bad"));
}

static void run_waits_and_deletes(void **state)
{
	(void)state;
	assert_int_equal(RUN(verb_run, "--bundle", t.bundle, "exit7-run"), 7);
	assert_false(exists("root/exit7-run"));
	assert_int_equal(RUN(verb_run, "--keep", "--bundle", t.bundle, "exit7-keep"), 7);
	assert_state("exit7-keep", "stopped");
	assert_int_equal(RUN(verb_delete, "exit7-keep"), 0);
	assert_int_equal(RUN(verb_run, "-d", "--bundle", t.bundle, "bg"), 0);
	assert_state("bg", "running");
	assert_int_equal(RUN(verb_delete, "-f", "bg"), 0);
}

/* A child runs the verb; this process sends it a signal once the container runs. */
static void signals_in_the_foreground_are_forwarded(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0)
		_exit(RUN(verb_run, "-b", t.bundle, "fg"));
	await_log("start fg");
	(void)poll(NULL, 0, 50); /* the answer to Start is on its way */
	assert_int_equal(kill(pid, SIGUSR1), 0);
	await_log("kill fg 10");
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(exit_status(pid), 128 + SIGTERM);
	assert_false(exists("root/fg"));
}

static void exec_carries_output_and_status(void **state)
{
	char pid_file[128];

	(void)state;
	(void)create("box");
	assert_int_equal(RUN(verb_start, "box"), 0);
	assert_int_equal(
		RUN(verb_exec, "-e", "A=b", "--user", "5:6", "--cwd", "/tmp", "box", "exit3", "-x"),
		3);
	assert_string_equal(t.out, "out\n");
	const char *log = read_text(t.shim_log);
	assert_contains(log, "\"uid\":5,\"gid\":6");
	assert_contains(log, "\"args\":[\"exit3\",\"-x\"]");
	assert_contains(log, "\"A=b\"");
	assert_contains(log, "\"cwd\":\"/tmp\"");
	assert_int_equal(
		RUN(verb_exec, "-e", "PATH=/mine", "-e", "A=b", "-e", "A=c", "box", "exit3"), 3);
	log = read_text(t.shim_log);
	assert_contains(log, "\"PATH=/mine\"");
	assert_contains(log, "\"A=c\"");
	log = strstr(log, "PATH=/mine");
	assert_null(strstr(log, "\"A=b\""));
	assert_null(strstr(log, "\"PATH=/bin\""));
	assert_int_equal(RUN(verb_exec, "--cgroup", "sub", "box", "exit3"), CLI_EXIT_EXEC_FAILURE);
	assert_contains(t.err.text, "--cgroup");
	assert_int_equal(RUN(verb_exec, "--cgroup", "/", "box", "exit3"), 3);
	assert_int_equal(RUN(verb_exec, "box", "nope"), CLI_EXIT_EXEC_FAILURE);
	assert_contains(t.err.text, "executable file not found in $PATH");
	assert_int_equal(RUN(verb_exec, "--user", "root", "box", "true"), CLI_EXIT_EXEC_FAILURE);
	assert_contains(t.err.text, "--user");
	snprintf(pid_file, sizeof(pid_file), "%s/exec.pid", t.dir);
	assert_int_equal(RUN(verb_exec, "--detach", "--pid-file", pid_file, "box", "sleep"), 0);
	pid_t pid = (pid_t)atoi(read_text(pid_file));
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(exit_status(pid), 1000 + SIGKILL);
	await_log("is gone");
	assert_int_equal(RUN(verb_pause, "box"), 0);
	assert_int_equal(RUN(verb_exec, "box", "true"), CLI_EXIT_EXEC_FAILURE);
	assert_contains(t.err.text, "paused");
	/* Somebody else lets it go on when it is waited for. */
	pid = fork();
	if (pid == 0) {
		await_log("wait box");
		_exit(RUN(verb_resume, "box"));
	}
	assert_int_equal(RUN(verb_exec, "--ignore-paused", "box", "exit3"), 3);
	assert_int_equal(exit_status(pid), 0);
	assert_int_equal(RUN(verb_delete, "--force", "box"), 0);
}

static void exec_reads_a_process_file(void **state)
{
	char file[128];

	(void)state;
	snprintf(file, sizeof(file), "%s/process.json", t.dir);
	write_file(file, "{\"user\":{\"uid\":1,\"gid\":1},\"args\":[\"exit3\"],\"env\":[\"X=y\"],"
			 "\"cwd\":\"/\"}");
	(void)create("file");
	assert_int_equal(RUN(verb_start, "file"), 0);
	assert_int_equal(RUN(verb_exec, "--process", file, "file"), 3);
	assert_contains(read_text(t.shim_log), "\"X=y\"");
	write_file(file, "{\"args\":[]}");
	assert_int_equal(RUN(verb_exec, "--process", file, "file"), CLI_EXIT_EXEC_FAILURE);
	assert_int_equal(RUN(verb_delete, "--force", "file"), 0);
}

static int listen_on(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void the_console_socket_gets_the_terminal(void **state)
{
	char path[128], name[64];
	int master;
	size_t nr_fds;
	struct winsize size;

	(void)state;
	write_bundle(true, DEFAULT_NAMESPACES, "");
	assert_true(RUN(verb_create, "-b", t.bundle, "tty") < 0);
	assert_contains(t.err.text, "--console-socket");
	snprintf(path, sizeof(path), "%s/console.sock", t.dir);
	int listener = listen_on(path);
	assert_int_equal(RUN(verb_create, "-b", t.bundle, "--console-socket", path, "tty"), 0);
	int conn = accept(listener, NULL, NULL);
	assert_true(fd_recv_msg(conn, name, sizeof(name), &master, 1, &nr_fds) > 0);
	assert_int_equal(nr_fds, 1);
	assert_int_equal(ioctl(master, TIOCGWINSZ, &size), 0);
	assert_int_equal(size.ws_row, 25);
	await_log("hello tty terminal 1 size 25x80");
	size = (struct winsize){ .ws_row = 30, .ws_col = 100 };
	assert_int_equal(ioctl(master, TIOCSWINSZ, &size), 0);
	await_log("resize tty 30x100");
	assert_int_equal(RUN(verb_delete, "--force", "tty"), 0);
	(void)close(master);
	(void)close(conn);
	(void)close(listener);
}

static void a_hung_up_terminal_is_a_signal(void **state)
{
	char path[128], name[64];
	int master;
	size_t nr_fds;

	(void)state;
	write_bundle(true, DEFAULT_NAMESPACES, "");
	snprintf(path, sizeof(path), "%s/console.sock", t.dir);
	int listener = listen_on(path);
	assert_int_equal(RUN(verb_create, "-b", t.bundle, "--console-socket", path, "hup"), 0);
	int conn = accept(listener, NULL, NULL);
	assert_true(fd_recv_msg(conn, name, sizeof(name), &master, 1, &nr_fds) > 0);
	(void)close(master);
	await_log("signal hup 1");
	assert_int_equal(RUN(verb_delete, "--force", "hup"), 0);
	(void)close(conn);
	(void)close(listener);
}

static void the_columns_of_a_list_are_as_wide_as_what_is_in_them(void **state)
{
	static const char id[] = "0123456789abcdef0123456789abcdef";

	(void)state;
	(void)create(id);
	(void)create("short");
	assert_int_equal(RUN(verb_list, "--format=table"), 0);
	const char *head = t.out, *first = strstr(t.out, id);
	const char *second = strstr(t.out, "\nshort ");
	assert_true(first && second);
	long status = strstr(head, "STATUS") - head, bundle = strstr(head, "BUNDLE") - head;
	assert_int_equal(strstr(first, "created") - first, status);
	assert_int_equal(strstr(second, "created") - second - 1, status);
	assert_int_equal(strstr(second, t.bundle) - second - 1, bundle);
	assert_int_equal(RUN(verb_delete, "--force", id), 0);
	assert_int_equal(RUN(verb_delete, "--force", "short"), 0);
}

static void lists_have_every_container(void **state)
{
	(void)state;
	assert_int_equal(RUN(verb_list, "-q"), 0);
	assert_string_equal(t.out, "");
	char dir[160], file[200];
	(void)create("two");
	(void)create("one");
	/* Another runtime has the same root. */
	snprintf(dir, sizeof(dir), "%s/between", t.root);
	snprintf(file, sizeof(file), "%s/state.json", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	write_file(file, "{\"id\": \"betw");
	assert_int_equal(RUN(verb_list, "-q"), 0);
	assert_string_equal(t.out, "one\ntwo\n");
	assert_int_equal(RUN(verb_list, "--format", "json"), 0);
	assert_null(strstr(t.out, "between"));
	assert_true(strstr(t.out, "\"one\"") < strstr(t.out, "\"two\""));
	/* A record that is damaged, or no file at all, is no reason to wait or to fail. */
	for (int kind = 0; kind < 4; kind++) {
		assert_int_equal(remove(file), 0);
		if (kind == 0)
			write_file(file, "");
		else if (kind == 1)
			write_file(file,
				   "{\"id\":\"between\",\"init_process_pid\":1,\"config\":{}}");
		else if (kind == 2)
			assert_int_equal(mkfifo(file, 0600), 0);
		else
			assert_int_equal(mkdir(file, 0700), 0);
		assert_int_equal(RUN(verb_list, "-q"), 0);
		assert_string_equal(t.out, "one\ntwo\n");
		assert_int_equal(RUN(verb_list, "--format", "table"), 0);
		assert_null(strstr(t.out, "between"));
		assert_true(RUN(verb_state, "between") < 0);
	}
	assert_int_equal(rmdir(file), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(RUN(verb_list, "--format", "json"), 0);
	assert_contains(t.out, "\"id\":\"one\"");
	assert_contains(t.out, "\"status\":\"created\"");
	assert_int_equal(RUN(verb_list, "--format=table"), 0);
	assert_contains(t.out, "BUNDLE");
	assert_int_equal(RUN(verb_delete, "-f", "one"), 0);
	assert_int_equal(RUN(verb_delete, "-f", "two"), 0);
}

static void ps_update_and_events_ask_the_shim(void **state)
{
	char expected[32], file[128];

	(void)state;
	pid_t pid = create("ask");
	assert_int_equal(RUN(verb_start, "ask"), 0);
	assert_int_equal(RUN(verb_ps, "--format", "json", "ask"), 0);
	snprintf(expected, sizeof(expected), "[%d]\n", (int)pid);
	assert_string_equal(t.out, expected);
	assert_int_equal(RUN(verb_events, "--stats", "ask"), 0);
	assert_contains(t.out, "{\"type\":\"stats\",\"id\":\"ask\",\"data\":{");
	assert_contains(t.out, "\"pids\":{\"current\":5,\"limit\":0}");
	assert_int_equal(RUN(verb_update, "--memory", "64m", "--cpu-quota", "-1", "--pids-limit",
			     "9", "ask"),
			 0);
	const char *log = read_text(t.shim_log);
	assert_contains(log, "\"limit\":67108864");
	assert_contains(log, "\"quota\":-1");
	assert_true(RUN(verb_update, "--memory", "64q", "ask") < 0);
	snprintf(file, sizeof(file), "%s/resources.json", t.dir);
	write_file(file, "{\"cpu\":{\"shares\":77}}");
	assert_int_equal(RUN(verb_update, "--resources", file, "ask"), 0);
	assert_contains(read_text(t.shim_log), "\"shares\":77");
	assert_int_equal(RUN(verb_delete, "--force", "ask"), 0);
}

static void a_stand_in_shows_the_processes_of_the_guest(void **state)
{
	char path[64];
	unsigned shadow;

	(void)state;
	pid_t pid = create("shadowed");
	assert_int_equal(RUN(verb_ps, "--format", "json", "shadowed"), 0);
	await_log("shown shadowed");
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	assert_string_equal(read_text(path), "self\n");
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	assert_int_equal(sscanf(read_text(path), "%u", &shadow), 1);
	snprintf(path, sizeof(path), "/proc/%u/status", shadow);
	await_text(path, "Uid:\t4321\t4321\t4321\t4321");
	await_text(path, "CapEff:\t0000000000000000");
	assert_contains(read_text(path), "Name:\tghost");
	/* The same ones are shown by the same process. */
	assert_int_equal(RUN(verb_ps, "--format", "json", "shadowed"), 0);
	assert_contains(read_text(path), "Name:\tghost");
	assert_int_equal(RUN(verb_delete, "--force", "shadowed"), 0);
	(void)exit_status(pid); /* told or killed: whichever comes first */
	assert_string_equal(read_text(path), "");
}

static void signals_have_many_spellings(void **state)
{
	(void)state;
	(void)create("sig");
	assert_int_equal(RUN(verb_kill, "sig", "hup"), 0);
	assert_int_equal(RUN(verb_kill, "sig", "SIGRTMIN+3"), 0);
	assert_int_equal(RUN(verb_kill, "sig", "12"), 0);
	const char *log = read_text(t.shim_log);
	assert_contains(log, "kill sig 1\n");
	assert_contains(log, "kill sig 37\n");
	assert_contains(log, "kill sig 12\n");
	assert_true(RUN(verb_kill, "sig", "65") < 0);
	assert_true(RUN(verb_kill, "sig", "SIGNOPE") < 0);
	assert_contains(t.err.text, "unknown signal");
	assert_true(RUN(verb_kill, "unknown", "9") < 0);
	assert_contains(t.err.text, "does not exist");
	assert_int_equal(RUN(verb_delete, "--force", "sig"), 0);
}

/* As left by a create that was killed between its first two steps. */
static void force_removes_a_half_made_container(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/half", t.root);
	assert_int_equal(io_mkdir_p(path, 0700), 0);
	assert_true(RUN(verb_state, "half") < 0);
	assert_contains(t.err.text, "does not exist");
	assert_int_equal(RUN(verb_delete, "--force", "half"), 0);
	assert_false(exists("root/half"));
}

static void a_long_root_is_no_obstacle(void **state)
{
	static char root[512];

	(void)state;
	memset(root, 'r', sizeof(root) - 1);
	memcpy(root, t.dir, strlen(t.dir));
	for (size_t i = strlen(t.dir); i < sizeof(root) - 1; i += 100)
		root[i] = '/';
	t.cli.root = root;
	(void)create("deep");
	assert_state("deep", "created");
	assert_int_equal(RUN(verb_delete, "--force", "deep"), 0);
}

/* What lies there names processes to kill and programs to run. */
static void a_root_that_others_may_write_to_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdir(t.root, 0700), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(chmod(t.root, i == 0 ? 01777 : 0711), 0);
		assert_int_equal(chown(t.root, i == 1 ? 12345 : 0, 0), 0);
		assert_int_equal(RUN(verb_state, "x"), i == 2 ? -ENOENT : -EPERM);
		assert_contains(t.err.text,
				i == 2 ? "does not exist" : "somebody else may write to it");
	}
}

static void checkpoint_says_that_it_is_not_supported(void **state)
{
	(void)state;
	assert_true(RUN(verb_checkpoint, "--help") < 0);
	assert_contains(t.err.text, "not supported");
}

int main(int argc, char **argv)
{
	char self[PATH_MAX];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_container_goes_through_its_life, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_shim_gets_what_it_needs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_exit_code_is_the_stand_ins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stand_in_without_shim_ends_as_if_killed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_killed_stand_in_ends_its_container, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_signal_to_the_stand_in_is_the_containers, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_stand_in_has_its_own_namespaces_and_name,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_shared_network_namespace_means_a_shared_sandbox,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_member_outlives_the_container_whose_sandbox_it_joined, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_record_without_a_version_is_of_the_first, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			a_record_of_a_newer_version_is_refused_and_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_newer_member_keeps_its_sandbox, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_annotated_member_needs_its_sandbox, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_host_network_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_second_create_of_one_id_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failed_create_leaves_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_missing_shim_is_said_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_bundles_end_in_one_clear_line, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(run_waits_and_deletes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(signals_in_the_foreground_are_forwarded, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(exec_carries_output_and_status, set_up, tear_down),
		cmocka_unit_test_setup_teardown(exec_reads_a_process_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_console_socket_gets_the_terminal, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_hung_up_terminal_is_a_signal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_columns_of_a_list_are_as_wide_as_what_is_in_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lists_have_every_container, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ps_update_and_events_ask_the_shim, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_stand_in_shows_the_processes_of_the_guest, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(signals_have_many_spellings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(force_removes_a_half_made_container, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_long_root_is_no_obstacle, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_root_that_others_may_write_to_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(checkpoint_says_that_it_is_not_supported, set_up,
						tear_down),
	};

	if (mock_shim_is_asked_for(argc, argv))
		return mock_shim_main(argc, argv);
	if (geteuid() != 0) {
		print_message("skipped: making network namespaces needs root\n");
		return 77;
	}
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return 1;
	self[n] = '\0';
	setenv("KATA_SHIM", self, 1);
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("runtime", tests, NULL, NULL);
}
