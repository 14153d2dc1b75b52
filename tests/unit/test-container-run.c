/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers as a whole: namespaces, users, capabilities, exit codes, exec, terminals, failures.
 * Real processes on this machine; skipped without root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "container-fixture.h"

static struct fixture_result res;

#define RUN(...) fixture_run(&(struct fixture_run){ __VA_ARGS__ }, &res)

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" is in \"%s\"", part, text);
}

static void output_and_exit_code_come_back(void **state)
{
	(void)state;
	RUN(.shell = "echo out; echo err >&2; exit 7");
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "out\n");
	assert_string_equal(res.errors, "err\n");
	assert_int_equal(res.exit_code, 7);
}

static void stdin_reaches_the_program(void **state)
{
	(void)state;
	RUN(.args = "[\"cat\"]", .input = "some input");
	assert_string_equal(res.out, "some input");
	assert_int_equal(res.exit_code, 0);
}

static void without_input_stdin_is_the_containers_null_device(void **state)
{
	(void)state;
	RUN(.shell =
		    "readlink /proc/self/fd/0; cat; test /proc/self/fd/0 -ef /dev/null && echo same; "
		    "while [ ! -e /tmp/done ]; do sleep 0.05; done",
	    .no_input = true,
	    .exec = "{\"args\": [\"sh\", \"-c\", \"readlink /proc/self/fd/0; touch /tmp/done\"], "
		    "\"cwd\": \"/\", \"env\": [\"PATH=/bin\"]}",
	    .user = "{\"uid\": 1000, \"gid\": 1000}");
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "/dev/null\nsame\n");
	assert_string_equal(res.exec_out, "/dev/null\n");
}

static void a_signal_gives_128_and_its_number(void **state)
{
	(void)state;
	RUN(.shell = "sh -c 'kill -9 $$'; echo $?");
	assert_string_equal(res.out, "137\n");
}

static void namespaces_are_new(void **state)
{
	char own[64] = "";

	(void)state;
	assert_true(readlink("/proc/self/ns/uts", own, sizeof(own) - 1) > 0);
	RUN(.shell =
		    "echo $$; readlink /proc/self/ns/uts; hostname; ls /proc | grep -c '^[0-9]*$'; "
		    "cat /proc/net/dev | wc -l",
	    .top = ", \"hostname\": \"inside\", \"domainname\": \"example\"");
	assert_int_equal(res.r, 0);
	assert_int_equal(strncmp(res.out, "1\n", 2), 0);
	assert_has(res.out, "inside\n");
	assert_lacks(res.out, own);
}

static void the_old_root_is_gone(void **state)
{
	(void)state;
	RUN(.shell = "ls /; ls /..; cat /proc/self/mountinfo | wc -l; cat /proc/self/mountinfo");
	assert_int_equal(res.r, 0);
	assert_has(res.out, "\n7\n"); /* the rootfs and the six mounts of the spec */
	assert_lacks(res.out, "usr");
}

static void no_pivot_hides_the_old_root_too(void **state)
{
	(void)state;
	RUN(.shell = "ls /; cat /proc/self/mountinfo; cd ../../..; ls; readlink /proc/1/root",
	    .no_pivot = true);
	assert_int_equal(res.r, 0);
	assert_lacks(res.out, "usr");
	assert_lacks(res.out, "/sys/fs/cgroup");
}

static void capabilities_are_exactly_those_given(void **state)
{
	(void)state;
	RUN(.shell = "grep Cap /proc/self/status");
	assert_has(res.out, "CapInh:\t0000000000000000");
	assert_has(res.out, "CapPrm:\t00000000080020eb");
	assert_has(res.out, "CapEff:\t00000000080020eb");
	assert_has(res.out, "CapBnd:\t00000000080020eb");
	assert_has(res.out, "CapAmb:\t0000000000000000");
}

static void ambient_capabilities_reach_a_plain_user(void **state)
{
	(void)state;
	RUN(.shell = "grep Cap /proc/self/status", .user = "{\"uid\": 1000, \"gid\": 1000}",
	    .capabilities = "{\"bounding\": [\"CAP_NET_RAW\"], \"permitted\": [\"CAP_NET_RAW\"], "
			    "\"effective\": [\"CAP_NET_RAW\"], \"inheritable\": [\"CAP_NET_RAW\"], "
			    "\"ambient\": [\"CAP_NET_RAW\", \"CAP_NO_SUCH_THING\"]}");
	assert_int_equal(res.r, 0);
	assert_has(res.out, "CapEff:\t0000000000002000");
	assert_has(res.out, "CapAmb:\t0000000000002000");
	assert_has(res.out, "CapBnd:\t0000000000002000");
}

static void no_capabilities_means_none(void **state)
{
	(void)state;
	RUN(.shell = "grep Cap /proc/self/status", .capabilities = "{}");
	assert_has(res.out, "CapEff:\t0000000000000000");
	assert_has(res.out, "CapBnd:\t0000000000000000");
}

static void the_user_is_set_with_its_groups_and_home(void **state)
{
	(void)state;
	RUN(.shell = "id -u; id -g; id -G; echo $HOME; umask; echo x > /dev/stdout; echo y > "
		     "/dev/stderr",
	    .user = "{\"uid\": 1000, \"gid\": 1001, \"additionalGids\": [5, 7], \"umask\": 63}");
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "1000\n1001\n1001 5 7\n/home/user\n0077\nx\n");
	assert_string_equal(res.errors, "y\n");
}

static void an_unknown_user_has_the_root_as_home(void **state)
{
	(void)state;
	RUN(.shell = "echo $HOME; umask", .user = "{\"uid\": 4242, \"gid\": 0}");
	assert_string_equal(res.out, "/\n0022\n");
}

static void a_missing_program_is_an_error_of_create(void **state)
{
	(void)state;
	RUN(.args = "[\"no-such-program\"]");
	assert_int_equal(res.r, -ENOENT);
	assert_string_equal(res.step, "create");
	assert_has(res.err.text, "exec: \"no-such-program\": executable file not found in $PATH");
	RUN(.args = "[\"/no/such\"]");
	assert_int_equal(res.r, -ENOENT);
	assert_has(res.err.text, "exec: \"/no/such\": stat /no/such: no such file or directory");
	RUN(.args = "[\"/etc/passwd\"]");
	assert_int_equal(res.r, -EACCES);
	assert_has(res.err.text, "exec: \"/etc/passwd\": permission denied");
	RUN(.args = "[\"/etc\"]");
	assert_int_equal(res.r, -EISDIR);
	assert_has(res.err.text, "exec: \"/etc\": is a directory");
}

static void a_program_of_no_known_format_is_an_error_of_start(void **state)
{
	(void)state;
	assert_int_equal(fixture_write("rootfs/bin/garbage", "\x7f"
							     "ELFnot really"),
			 0);
	RUN(.args = "[\"garbage\"]");
	assert_int_equal(res.r, -ENOEXEC);
	assert_string_equal(res.step, "start");
	assert_int_equal(fixture_write("rootfs/bin/script", "#!/no/interpreter\n"), 0);
	RUN(.args = "[\"script\"]");
	assert_int_equal(res.r, -ENOENT);
	assert_has(res.err.text, "exec /bin/script: no such file or directory");
}

static void the_working_directory_is_made(void **state)
{
	(void)state;
	RUN(.shell = "pwd; stat -c %a:%u .", .cwd = "/made/../made/for/it");
	assert_string_equal(res.out, "/made/for/it\n755:0\n");
	RUN(.shell = "pwd", .cwd = "/etc/passwd");
	assert_string_equal(res.step, "create");
	assert_has(res.err.text, "chdir to cwd (\"/etc/passwd\")");
	/* the way out of CVE-2024-21626 */
	RUN(.shell = "pwd", .cwd = "/proc/self/fd/8/../../..");
	assert_true(res.r < 0 || strcmp(res.out, "/\n") == 0);
}

static void a_rootfs_that_is_no_directory_is_refused(void **state)
{
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/rootfs", fixture_dir());
	assert_int_equal(rename(path, "/tmp/kata-rootfs-aside"), 0);
	RUN(.shell = "true");
	assert_int_equal(res.r, -ENOENT);
	assert_int_equal(fixture_write("rootfs", "a file"), 0);
	RUN(.shell = "true");
	assert_int_equal(res.r, -ENOTDIR);
	assert_has(res.err.text, "rootfs is not a directory");
	fixture_remove("rootfs");
	assert_int_equal(rename("/tmp/kata-rootfs-aside", path), 0);
}

static void no_descriptor_of_ours_leaks(void **state)
{
	int fd = open("/etc/hostname", O_RDONLY); /* not close-on-exec */

	(void)state;
	RUN(.shell = "ls /proc/self/fd | wc -l; readlink /proc/$$/fd/3; echo end");
	(void)fd_close(fd);
	/* 0, 1, 2 and the one ls reads the directory with */
	assert_string_equal(res.out, "4\nend\n");
}

static void signals_are_reset(void **state)
{
	/* As some service managers leave them to us: libc's own two signals ignored. */
	const unsigned long ignored[4] = { (unsigned long)SIG_IGN };

	(void)state;
	for (int signo = 32; signo <= 33; signo++)
		assert_int_equal(syscall(SYS_rt_sigaction, signo, ignored, NULL, sizeof(uint64_t)),
				 0);
	/* SIGPIPE is ignored in this program. */
	RUN(.args = "[\"grep\", \"-E\", \"Sig(Blk|Ign)\", \"/proc/1/status\"]");
	assert_string_equal(res.out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void exec_joins_everything(void **state)
{
	(void)state;
	RUN(.shell = "hostname inner 2>/dev/null; read x; readlink /proc/self/ns/net",
	    .top = ", \"hostname\": \"inside\"", .input = "\n",
	    .exec = "{\"args\": [\"sh\", \"-c\", \"hostname; readlink /proc/self/ns/net; id -u; "
		    "pwd; echo $A; cat; "
		    "grep CapEff /proc/self/status; ls /proc/self/fd | wc -l; exit 3\"], \"cwd\": "
		    "\"/tmp\", "
		    "\"env\": [\"PATH=/bin\", \"A=b\"], \"user\": {\"uid\": 1000, \"gid\": 1000}}",
	    .exec_input = "typed\n");
	assert_int_equal(res.r, 0);
	assert_int_equal(res.exec_code, 3);
	assert_int_equal(strncmp(res.exec_out, "inside\n", 7), 0);
	assert_has(res.exec_out, res.out); /* the same network namespace */
	assert_has(res.exec_out, "\n1000\n/tmp\nb\ntyped\nCapEff:\t0000000000000000\n4\n");
}

/* It takes one fork to get there, which the limit of the program does not count. */
static void exec_has_its_limits(void **state)
{
	(void)state;
	RUN(.shell = "read x", .input = "\n",
	    .exec = "{\"args\": [\"sh\", \"-c\", \"ulimit -u; ulimit -n; exit 4\"], \"cwd\": "
		    "\"/\", \"env\": [\"PATH=/bin\"], \"user\": {\"uid\": 4321, \"gid\": 0}, "
		    "\"rlimits\": [{\"type\": \"RLIMIT_NPROC\", \"soft\": 1, \"hard\": 1}, "
		    "{\"type\": \"RLIMIT_NOFILE\", \"soft\": 77, \"hard\": 77}]}");
	assert_int_equal(res.r, 0);
	assert_string_equal(res.exec_out, "1\n77\n");
	assert_int_equal(res.exec_code, 4);
}

static void exec_leads_its_session(void **state)
{
	(void)state;
	RUN(.shell = "read x", .input = "\n",
	    .exec = "{\"args\": [\"sh\", \"-c\", \"cut -d' ' -f1,4-6 /proc/$$/stat; echo $$\"], "
		    "\"cwd\": \"/\", \"env\": [\"PATH=/bin\"]}");
	int pid, parent, group, session, self;
	assert_int_equal(
		sscanf(res.exec_out, "%d %d %d %d\n%d", &pid, &parent, &group, &session, &self), 5);
	assert_int_equal(pid, self);
	assert_int_equal(parent, 0);
	assert_int_equal(group, pid);
	assert_int_equal(session, pid);
}

static void exec_of_a_missing_program_fails_at_once(void **state)
{
	(void)state;
	RUN(.shell = "read x", .input = "\n",
	    .exec = "{\"args\": [\"nope\"], \"cwd\": \"/\", \"env\": [\"PATH=/bin\"]}");
	assert_string_equal(res.step, "exec");
	assert_int_equal(res.r, -ENOENT);
	assert_has(res.err.text, "exec: \"nope\": executable file not found in $PATH");
	assert_int_equal(res.exit_code, 0);
	RUN(.shell = "read x", .input = "\n", .exec = "{\"args\": [\"pwd\"], \"cwd\": \"/gone\"}");
	assert_int_equal(res.r, -ENOENT);
	assert_has(res.err.text, "chdir to cwd (\"/gone\")");
}

static void a_terminal_is_one(void **state)
{
	(void)state;
	RUN(.shell = "tty; stty size; ls -l /dev/console | cut -c1-10; stat -c %u /dev/pts/0; id "
		     "-u; "
		     "read line; echo got $line; sh -c 'echo x > /dev/tty'",
	    .process = "\"terminal\": true, \"consoleSize\": {\"height\": 33, \"width\": 101},",
	    .input = "word\n", .user = "{\"uid\": 1000, \"gid\": 1000}");
	assert_int_equal(res.r, 0);
	assert_int_equal(res.exit_code, 0);
	assert_has(res.out, "/dev/pts/0\r\n"); /* the echo of the input may come anywhere between */
	assert_has(res.out, "33 101\r\ncrw");
	assert_has(res.out, "1000\r\n1000\r\n");
	assert_has(res.out, "got word\r\nx\r\n");
}

static void a_terminal_for_an_exec(void **state)
{
	(void)state;
	RUN(.shell = "read x", .input = "\n",
	    .exec = "{\"terminal\": true, \"args\": [\"sh\", \"-c\", \"tty; stty size; exit 5\"], "
		    "\"cwd\": \"/\", "
		    "\"env\": [\"PATH=/bin\"], \"consoleSize\": {\"height\": 7, \"width\": 9}}");
	assert_int_equal(res.r, 0);
	assert_has(res.exec_out, "/dev/pts/0\r\n7 9\r\n");
	assert_int_equal(res.exec_code, 5);
}

static void resize(struct container *c, struct fixture_run *run)
{
	(void)run;
	assert_int_equal(process_resize(c->init, 50, 132), 0);
}

static void a_terminal_can_be_resized(void **state)
{
	(void)state;
	RUN(.shell = "read x; stty size", .process = "\"terminal\": true,", .running = resize,
	    .input = "\n");
	assert_has(res.out, "50 132\r\n");
}

static void signal_it(struct container *c, struct fixture_run *run)
{
	int fd = c->init->stdout_fd;
	char byte;

	assert_int_equal(fiber_read(fd, &byte, 1, loop_deadline_ms(20000)),
			 1); /* its trap is set */
	assert_int_equal(process_signal(c->init, *(int *)run->arg), 0);
}

static void signals_are_delivered(void **state)
{
	int signo = SIGTERM;

	(void)state;
	RUN(.shell = "trap 'echo term; exit 9' TERM; echo; while :; do sleep 0.1; done",
	    .running = signal_it, .arg = &signo);
	assert_string_equal(res.out, "\nterm\n" + 1);
	assert_int_equal(res.exit_code, 9);
	signo = SIGKILL;
	RUN(.shell = "echo; sleep 1000", .running = signal_it, .arg = &signo);
	assert_int_equal(res.exit_code, 137);
}

static void user_namespace_maps_root(void **state)
{
	(void)state;
	RUN(.shell = "cat /proc/self/uid_map; id -u; id -g; stat -c '%u %t:%T' /dev/null; echo x > "
		     "/dev/null; "
		     "touch /dev/shm/f; stat -c %u /dev/shm/f; echo z > /dev/stdout; cat "
		     "/proc/sys/kernel/msgmax",
	    .namespaces = "[{\"type\": \"pid\"}, {\"type\": \"mount\"}, {\"type\": \"ipc\"}, "
			  "{\"type\": \"uts\"}, "
			  "{\"type\": \"network\"}, {\"type\": \"user\"}, {\"type\": \"cgroup\"}]",
	    .linux_ =
		    ", \"uidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": "
		    "1000}], "
		    "\"gidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 1000}], "
		    "\"sysctl\": {\"kernel.msgmax\": \"1234\"}");
	assert_int_equal(res.r, 0);
	assert_int_equal(res.exit_code, 0);
	assert_has(res.out, "100000");
	assert_has(res.out, "\n0\n0\n0 1:3\n0\nz\n1234\n");
}

static void user_namespace_with_terminal_and_exec(void **state)
{
	(void)state;
	RUN(.shell = "tty; read x; ls -ln /dev/console", .process = "\"terminal\": true,",
	    .input = "\n",
	    .namespaces = "[{\"type\": \"pid\"}, {\"type\": \"mount\"}, {\"type\": \"user\"}]",
	    .linux_ = ", \"uidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": "
		      "2000}], "
		      "\"gidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 2000}]",
	    .exec = "{\"args\": [\"sh\", \"-c\", \"id -u; head -c 30 /proc/self/uid_map; echo hi > "
		    "/dev/stdout\"], "
		    "\"cwd\": \"/\", \"user\": {\"uid\": 1000, \"gid\": 1000}, \"env\": "
		    "[\"PATH=/bin\"]}");
	assert_int_equal(res.r, 0);
	assert_has(res.out, "/dev/pts/0");
	assert_has(res.exec_out, "1000\n");
	assert_has(res.exec_out, "100000");
	assert_has(res.exec_out, "hi\n");
}

/* A namespace of a process that waits. */
static int helper_ns(const char *what, pid_t *ret_pid)
{
	char path[64], command[64];

	(void)snprintf(command, sizeof(command), "-%s", what);
	*ret_pid = fork();
	if (*ret_pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)execlp("unshare", "unshare", command, "sleep", "100", NULL);
		_exit(127);
	}
	const char *name = what[0] == 'u'   ? "uts"
			   : what[0] == 'i' ? "ipc"
			   : what[0] == 'n' ? "net"
					    : "user";
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)*ret_pid, name);
	for (int i = 0; i < 500; i++) {
		char own[64] = "", other[64] = "", own_path[64];

		(void)snprintf(own_path, sizeof(own_path), "/proc/self/ns/%s", name);
		(void)!readlink(own_path, own, sizeof(own) - 1);
		(void)!readlink(path, other, sizeof(other) - 1);
		if (other[0] && strcmp(own, other) != 0)
			return open(path, O_RDONLY | O_CLOEXEC);
		(void)usleep(10000);
	}
	return -1;
}

static void namespaces_can_be_joined(void **state)
{
	struct fixture_run run = {
		.shell = "hostname; readlink /proc/self/ns/uts",
		.top = ", \"hostname\": \"joined\"",
		.namespaces = "[{\"type\": \"pid\"}, {\"type\": \"mount\"}, {\"type\": \"uts\", "
			      "\"path\": \"/host's\"}]",
	};
	char want[64], path[64];
	pid_t pid;
	int fd = helper_ns("u", &pid);

	(void)state;
	assert_true(fd >= 0);
	run.ns_fd[CONTAINER_NS_UTS] = fd;
	fixture_run(&run, &res);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/uts", (int)pid);
	want[readlink(path, want, sizeof(want) - 1)] = '\0';
	assert_int_equal(res.r, 0);
	assert_has(res.out, "joined\n");
	assert_has(res.out, want);
	/* with a user namespace of its own, which has no rights in the joined one */
	run.shell = "hostname; readlink /proc/self/ns/uts; id -u; cat /proc/self/uid_map; ls "
		    "/dev/mqueue";
	run.namespaces = "[{\"type\": \"pid\"}, {\"type\": \"mount\"}, {\"type\": \"user\"}, "
			 "{\"type\": \"uts\"}]";
	run.linux_ =
		", \"uidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 2000}], "
		"\"gidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 2000}], "
		"\"sysctl\": {\"net.ipv4.ip_unprivileged_port_start\": \"1024\"}";
	run.top = ", \"hostname\": \"other\"";
	fixture_run(&run, &res);
	assert_int_equal(res.r, 0);
	assert_has(res.out, "other\n");
	assert_has(res.out, want);
	assert_has(res.out, "\n0\n");
	(void)fd_close(fd);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void a_user_namespace_can_be_joined(void **state)
{
	struct fixture_run run = {
		.shell = "cat /proc/self/uid_map; echo $$; id -u; hostname",
		.namespaces = "[{\"type\": \"pid\"}, {\"type\": \"mount\"}, {\"type\": \"user\"}, "
			      "{\"type\": \"uts\"}, "
			      "{\"type\": \"network\"}, {\"type\": \"ipc\"}]",
		.linux_ = ", \"uidMappings\": [{\"containerID\": 0, \"hostID\": 0, \"size\": 1}], "
			  "\"gidMappings\": [{\"containerID\": 0, \"hostID\": 0, \"size\": 1}]",
		.top = ", \"hostname\": \"other\"",
	};
	pid_t pid;
	int fd = helper_ns("Ur", &pid);

	(void)state;
	assert_true(fd >= 0);
	(void)usleep(200000); /* unshare -r writes the maps after the namespace is there */
	run.ns_fd[CONTAINER_NS_USER] = fd;
	fixture_run(&run, &res);
	(void)fd_close(fd);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	assert_int_equal(res.r, 0);
	assert_has(res.out, "\n1\n0\nother\n");
}

/* A PID namespace with a first process that waits. */
static int helper_pid_ns(pid_t *ret_pid)
{
	char path[64];
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	*ret_pid = fork();
	if (*ret_pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWPID) == 0 && fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			(void)!write(ready[1], "x", 1);
			(void)sleep(100);
		}
		(void)sleep(100);
		_exit(0);
	}
	char byte;
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid_for_children", (int)*ret_pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void a_pid_namespace_can_be_shared(void **state)
{
	struct fixture_run run = {
		.shell = "echo $$; ls -d /proc/1; read x",
		.input = "\n",
		.cgroup = true,
		.namespaces = "[{\"type\": \"pid\"}, {\"type\": \"mount\"}, {\"type\": \"ipc\"}]",
		.exec = "{\"args\": [\"sh\", \"-c\", \"echo $$\"], \"cwd\": \"/\", \"env\": "
			"[\"PATH=/bin\"]}",
	};
	pid_t pid;
	int fd = helper_pid_ns(&pid);

	(void)state;
	assert_true(fd >= 0);
	run.ns_fd[CONTAINER_NS_PID] = fd;
	fixture_run(&run, &res);
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "2\n/proc/1\n");
	assert_true(atoi(res.exec_out) > 2);
	/* by one with a user namespace of its own, which may not mount the shared one's /proc */
	run.namespaces = "[{\"type\": \"mount\"}, {\"type\": \"user\"}]";
	run.linux_ =
		", \"uidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 2000}], "
		"\"gidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 2000}]";
	run.shell = "echo $$; id -u; read x";
	fixture_run(&run, &res);
	assert_int_equal(res.r, 0);
	assert_has(res.out, "\n0\n");
	(void)fd_close(fd);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void a_mount_namespace_can_be_joined(void **state)
{
	(void)state;
	RUN(.shell = "echo $$", .namespaces = "[{\"type\": \"pid\"}, {\"type\": \"mount\", "
					      "\"path\": \"/proc/self/ns/mnt\"}]");
	assert_int_equal(res.r, 0);
	assert_string_equal(res.out, "1\n");
}

static void joining_what_is_no_namespace_is_refused(void **state)
{
	(void)state;
	RUN(.namespaces = "[{\"type\": \"mount\"}, {\"type\": \"net\"}]");
	assert_int_equal(res.r, -EINVAL);
	RUN(.namespaces = "[{\"type\": \"mount\"}, {\"type\": \"network\", \"path\": "
			  "\"/proc/self/ns/uts\"}]");
	assert_has(res.err.text, "is not a network namespace");
	RUN(.namespaces = "[{\"type\": \"pid\"}]");
	assert_has(res.err.text, "needs a mount namespace");
	RUN(.namespaces = "[{\"type\": \"mount\"}, {\"type\": \"user\"}]");
	assert_has(res.err.text, "uidMappings");
}

static void time_namespace_has_offsets(void **state)
{
	(void)state;
	RUN(.shell = "cat /proc/uptime; read x",
	    .namespaces = "[{\"type\": \"pid\"}, {\"type\": \"mount\"}, {\"type\": \"time\"}]",
	    .linux_ = ", \"timeOffsets\": {\"boottime\": {\"secs\": 1000000000}, \"monotonic\": "
		      "{\"secs\": 5}}",
	    .input = "\n",
	    .exec = "{\"args\": [\"cat\", \"/proc/uptime\"], \"cwd\": \"/\", \"env\": "
		    "[\"PATH=/bin\"]}");
	assert_int_equal(res.r, 0);
	assert_int_equal(strncmp(res.out, "10000", 5), 0);
	assert_int_equal(strncmp(res.exec_out, "10000", 5), 0);
}

static void hooks_run_where_they_should(void **state)
{
	char script[256], top[1024];

	(void)state;
	(void)snprintf(script, sizeof(script),
		       "#!/bin/sh\ncat >> %s/hooks.log\necho \" $1\" >> %s/hooks.log\n",
		       fixture_dir(), fixture_dir());
	assert_int_equal(fixture_write("hook", script), 0);
	assert_int_equal(fixture_write("rootfs/bin/inner",
				       "#!/bin/sh\ncat >/tmp/inner.state; id -u > /tmp/inner.id\n"),
			 0);
	(void)snprintf(
		top, sizeof(top),
		", \"hooks\": {\"prestart\": [{\"path\": \"%s/hook\", \"args\": [\"x\", "
		"\"prestart\"]}], "
		"\"createContainer\": [{\"path\": \"%s/hook\", \"args\": [\"x\", "
		"\"createContainer\"], "
		"\"timeout\": 10}], \"startContainer\": [{\"path\": \"/bin/inner\"}], "
		"\"poststart\": [{\"path\": \"%s/hook\", \"args\": [\"x\", \"poststart\"]}], "
		"\"poststop\": [{\"path\": \"%s/hook\", \"args\": [\"x\", \"poststop\"]}]}",
		fixture_dir(), fixture_dir(), fixture_dir(), fixture_dir());
	RUN(.shell = "cat /tmp/inner.state /tmp/inner.id", .top = top);
	assert_int_equal(res.r, 0);
	assert_has(res.out, "\"status\":\"created\",\"pid\":1");
	char log[4096] = "", path[128];
	(void)snprintf(path, sizeof(path), "%s/hooks.log", fixture_dir());
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, log, sizeof(log) - 1) > 0);
	(void)fd_close(fd);
	assert_has(log, "\"status\":\"creating\"");
	assert_has(log, "prestart\n{");
	assert_has(log, "createContainer\n{");
	assert_has(log, "poststart\n{");
	assert_has(log, "\"status\":\"stopped\",\"bundle\"");
	assert_has(log, "poststop\n");
	assert_true(strstr(log, "prestart") < strstr(log, "createContainer"));
	RUN(.shell = "true",
	    .top = ", \"hooks\": {\"createContainer\": [{\"path\": \"/bin/false\"}]}");
	assert_has(res.err.text, "hook /bin/false exited with status 1");
	RUN(.shell = "true",
	    .top = ", \"hooks\": {\"createContainer\": [{\"path\": \"/bin/sleep\", "
		   "\"args\": [\"sleep\", \"30\"], \"timeout\": 1}]}");
	assert_has(res.err.text, "did not end within 1 s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_and_exit_code_come_back),
		cmocka_unit_test(stdin_reaches_the_program),
		cmocka_unit_test(without_input_stdin_is_the_containers_null_device),
		cmocka_unit_test(a_signal_gives_128_and_its_number),
		cmocka_unit_test(namespaces_are_new),
		cmocka_unit_test(the_old_root_is_gone),
		cmocka_unit_test(no_pivot_hides_the_old_root_too),
		cmocka_unit_test(capabilities_are_exactly_those_given),
		cmocka_unit_test(ambient_capabilities_reach_a_plain_user),
		cmocka_unit_test(no_capabilities_means_none),
		cmocka_unit_test(the_user_is_set_with_its_groups_and_home),
		cmocka_unit_test(an_unknown_user_has_the_root_as_home),
		cmocka_unit_test(a_missing_program_is_an_error_of_create),
		cmocka_unit_test(a_program_of_no_known_format_is_an_error_of_start),
		cmocka_unit_test(the_working_directory_is_made),
		cmocka_unit_test(a_rootfs_that_is_no_directory_is_refused),
		cmocka_unit_test(no_descriptor_of_ours_leaks),
		cmocka_unit_test(signals_are_reset),
		cmocka_unit_test(exec_joins_everything),
		cmocka_unit_test(exec_has_its_limits),
		cmocka_unit_test(exec_leads_its_session),
		cmocka_unit_test(exec_of_a_missing_program_fails_at_once),
		cmocka_unit_test(a_terminal_is_one),
		cmocka_unit_test(a_terminal_for_an_exec),
		cmocka_unit_test(a_terminal_can_be_resized),
		cmocka_unit_test(signals_are_delivered),
		cmocka_unit_test(user_namespace_maps_root),
		cmocka_unit_test(user_namespace_with_terminal_and_exec),
		cmocka_unit_test(namespaces_can_be_joined),
		cmocka_unit_test(a_user_namespace_can_be_joined),
		cmocka_unit_test(a_pid_namespace_can_be_shared),
		cmocka_unit_test(a_mount_namespace_can_be_joined),
		cmocka_unit_test(joining_what_is_no_namespace_is_refused),
		cmocka_unit_test(time_namespace_has_offsets),
		cmocka_unit_test(hooks_run_where_they_should),
	};

	if (!fixture_can_run()) {
		(void)fprintf(stderr, "skipped: needs root and /bin/busybox\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
