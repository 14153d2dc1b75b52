/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the virtiofsd driver and of the capture of output. The daemons are shell scripts
 * that print what the real ones print; where the real one is installed it is started too.
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
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/str.h"
#include "sandbox/hypervisor/output_ring.h"
#include "sandbox/sharefs/virtiofsd.h"

#define REAL "/usr/lib/qemu/virtiofsd"

static char dir[] = "/tmp/test-virtiofsd-XXXXXX";

static uint64_t soon(void)
{
	return loop_deadline_ms(3000);
}

static char *script(const char *name, const char *body)
{
	static char path[96];
	char text[1024];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", body);
	assert_int_equal(io_replace_file_at(AT_FDCWD, path, text, strlen(text), 0755), 0);
	return path;
}

static const struct virtiofsd_program in_c = { VIRTIOFSD_C, 7, 2 };
static const struct virtiofsd_program in_rust = { VIRTIOFSD_RUST, 1, 13 };

static void check_argv(const struct virtiofsd_config *config,
		       const struct virtiofsd_program *program, const char *wanted)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	cleanup_arena struct arena *arena = NULL;
	struct err err = ERR_NULL;
	struct strv argv = { 0 };

	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(virtiofsd_argv(config, program, 3, arena, &argv, &err), 0);
	for (size_t i = 0; i < argv.nr; i++)
		assert_int_equal(strbuf_printf(&text, "%s%s", i ? " " : "", argv.v[i]), 0);
	assert_string_equal(text.data, wanted);
}

static void one_in_c_gets_fuse_options(void **state)
{
	static const char *const extra[] = { "--thread-pool-size=4", "--announce-submounts", "-o",
					     "flock" };
	struct virtiofsd_config config = { .path = "/v", .source = "/s" };

	(void)state;
	check_argv(
		&config, &in_c,
		"/v --fd=3 -f -o source=/s -o "
		"sandbox=namespace,cache=always,timeout=1,xattr,posix_acl,killpriv_v2,no_writeback,"
		"no_posix_lock,no_flock,announce_submounts,log_level=err --thread-pool-size=1");
	config = (struct virtiofsd_config){
		.path = "/v",
		.source = "/a,b\\c",
		.cache = "never",
		.no_xattr = true,
		.debug = true,
		.extra_args = extra,
		.nr_extra_args = ARRAY_SIZE(extra),
	};
	check_argv(&config, &in_c,
		   "/v --fd=3 -f -o source=/a\\,b\\\\c -o "
		   "sandbox=namespace,cache=none,no_xattr,no_posix_acl,killpriv_v2,no_writeback,"
		   "no_posix_lock,no_flock,announce_submounts,log_level=info --thread-pool-size=1 "
		   "--thread-pool-size=4 "
		   "-o flock");
}

static void one_in_rust_gets_long_options(void **state)
{
	static const char *const extra[] = { "-o", "announce_submounts", "--announce-submounts",
					     "--no-killpriv-v2" };
	struct virtiofsd_config config = {
		.path = "/v",
		.source = "/a,b",
		.cache = "metadata",
		.extra_args = extra,
		.nr_extra_args = ARRAY_SIZE(extra),
	};

	(void)state;
	check_argv(&config, &in_rust,
		   "/v --fd=3 --shared-dir /a,b --cache=metadata --sandbox=namespace "
		   "--announce-submounts --killpriv-v2 "
		   "--thread-pool-size=1 --xattr --posix-acl --log-level=error --no-killpriv-v2");
	config = (struct virtiofsd_config){
		.path = "/v", .source = "/s", .cache = "always", .no_xattr = true
	};
	check_argv(
		&config, &in_rust,
		"/v --fd=3 --shared-dir /s --cache=always --sandbox=namespace --announce-submounts --killpriv-v2 "
		"--thread-pool-size=1 --log-level=error");
}

static void has_words(const struct virtiofsd_program *program, bool current, const char *words,
		      bool wanted)
{
	/* Whatever the administrator chose for root file systems. */
	struct virtiofsd_config config = {
		.path = "/v", .source = "/s", .cache = "always", .current = current
	};
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	cleanup_arena struct arena *arena = NULL;
	struct err err = ERR_NULL;
	struct strv argv = { 0 };

	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(virtiofsd_argv(&config, program, 3, arena, &argv, &err), 0);
	for (size_t i = 0; i < argv.nr; i++)
		assert_int_equal(strbuf_printf(&text, "%s ", argv.v[i]), 0);
	assert_int_equal(strstr(text.data, words) != NULL, wanted);
}

static void volumes_are_asked_for_anew_and_can_be_mapped(void **state)
{
	static const struct virtiofsd_program old = { VIRTIOFSD_RUST, 1, 10 };
	static const struct virtiofsd_program next = { VIRTIOFSD_RUST, 2, 0 };

	(void)state;
	has_words(&in_c, true, ",cache=auto,timeout=0,", true);
	has_words(&in_c, false, "timeout", false);
	has_words(&in_rust, true, " --cache=never --allow-mmap ", true);
	has_words(&in_rust, false, " --cache=always --sandbox", true);
	has_words(&next, true, " --cache=never --allow-mmap ", true);
	/* It would refuse the option, and without it mappings. */
	has_words(&old, true, " --cache=auto --sandbox", true);
	assert_true(virtiofsd_can_be_current(&in_c));
	assert_false(virtiofsd_can_be_current(&old));
}

static void unknown_cache_mode_is_named(void **state)
{
	struct virtiofsd_config config = { .path = "/v", .source = "/s", .cache = "some" };
	cleanup_arena struct arena *arena = NULL;
	struct err err = ERR_NULL;
	struct strv argv = { 0 };

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(virtiofsd_argv(&config, &in_c, 3, arena, &argv, &err), -EINVAL);
	assert_non_null(strstr(err.text, "\"some\""));
}

static void probe(const char *path, enum virtiofsd_kind kind, unsigned major, unsigned minor)
{
	struct virtiofsd_program program;
	struct err err = ERR_NULL;

	assert_int_equal(virtiofsd_probe(path, &program, &err), 0);
	assert_int_equal(program.kind, kind);
	assert_int_equal(program.major, major);
	assert_int_equal(program.minor, minor);
}

static int probing(void *arg)
{
	struct virtiofsd_program program;
	struct err err = ERR_NULL;

	(void)arg;
	probe(script("c", "echo 'virtiofsd version 7.2.9 (Debian)'\n"
			  "echo 'using FUSE kernel interface version 7.36'"),
	      VIRTIOFSD_C, 7, 2);
	probe(script("r", "echo 'virtiofsd 1.13.0'"), VIRTIOFSD_RUST, 1, 13);
	probe(script("b", "echo 'virtiofsd backend 1.4.0'"), VIRTIOFSD_RUST, 1, 4);
	assert_int_equal(virtiofsd_probe(script("n", "echo virtiofsd x"), &program, &err), -EINVAL);
	assert_int_equal(virtiofsd_probe("/bin/cat", &program, &err), -EINVAL);
	assert_int_equal(virtiofsd_probe(script("f", "exit 3"), &program, &err), -EIO);
	assert_int_equal(virtiofsd_probe("/nonexistent", &program, &err), -ENOENT);
	return 0;
}

static void program_is_known_by_its_version(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(probing, NULL), 0);
}

/* An abstract name would be open to everybody on the host, and a path to who comes in time. */
static void nobody_else_can_connect(int fd)
{
	struct sockaddr_un addr = { 0 };
	socklen_t len = sizeof(addr);
	int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(getpeername(fd, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(addr.sun_path[0], '/');
	assert_int_equal(connect(other, (struct sockaddr *)&addr, len), -1);
	(void)close(other);
}

static int starting(void *arg)
{
	struct virtiofsd_config config = { .source = dir, .dir = dir };
	struct virtiofsd vfsd = VIRTIOFSD_NULL;
	struct err err = ERR_NULL;
	char line[64];
	int fd = -1;

	(void)arg;
	/* Must find a listening socket at 3 and nothing at 4, then complains and ends. */
	config.path = script("s", "[ -S /proc/self/fd/3 ] && [ ! -e /proc/self/fd/4 ] && echo all "
				  "is well >&2\nexit 1");
	assert_int_equal(virtiofsd_start(fiber_loop(), &config, &in_rust, &vfsd, &fd, &err), 0);
	nobody_else_can_connect(fd);
	assert_int_equal(virtiofsd_stop(&vfsd, soon()), 0);
	virtiofsd_last_line(&vfsd, line, sizeof(line));
	assert_string_equal(line, "all is well");
	virtiofsd_deinit(&vfsd);
	virtiofsd_deinit(&vfsd);
	(void)close(fd);
	/* One that does not end is killed. */
	config.path = script("h", "exec sleep 60");
	assert_int_equal(virtiofsd_start(fiber_loop(), &config, &in_rust, &vfsd, &fd, &err), 0);
	assert_int_equal(virtiofsd_stop(&vfsd, loop_deadline_ms(10)), 0);
	virtiofsd_deinit(&vfsd);
	(void)close(fd);
	return 0;
}

static void daemon_inherits_a_listening_socket_only(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(starting, NULL), 0);
}

static int real_one(void *arg)
{
	struct virtiofsd_config config = { .path = REAL, .source = dir, .dir = dir };
	struct virtiofsd vfsd = VIRTIOFSD_NULL;
	struct err err = ERR_NULL;
	char line[64];
	int fd = -1;

	(void)arg;
	assert_int_equal(virtiofsd_start(fiber_loop(), &config, &in_c, &vfsd, &fd, &err), 0);
	/* It lives until the connection ends. */
	assert_int_equal(fiber_wait_pidfd(vfsd.proc.pidfd, loop_deadline_ms(300), NULL),
			 -ETIMEDOUT);
	(void)close(fd);
	assert_int_equal(fiber_wait_pidfd(vfsd.proc.pidfd, soon(), NULL), 0);
	virtiofsd_last_line(&vfsd, line, sizeof(line));
	print_message("# last line: \"%s\"\n", line);
	virtiofsd_deinit(&vfsd);
	return 0;
}

static void real_daemon_lives_as_long_as_its_connection(void **state)
{
	(void)state;
	if (access(REAL, X_OK) < 0 || geteuid() != 0)
		skip();
	assert_int_equal(fiber_run_main(real_one, NULL), 0);
}

static void take_line(void *arg, const char *line)
{
	struct strbuf *lines = arg;

	assert_int_equal(strbuf_printf(lines, "<%s>", line), 0);
}

static int capturing(void *arg)
{
	cleanup_strbuf struct strbuf lines = STRBUF_NULL;
	struct output_ring *cap;
	int pipe_fds[2];
	char buf[32];

	(void)arg;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(output_ring_new(fiber_loop(), pipe_fds[0], 10, &cap), 0);
	output_ring_on_line(cap, take_line, &lines);
	output_ring_last_line(cap, buf, sizeof(buf));
	assert_string_equal(buf, "");
	assert_int_equal(write(pipe_fds[1], "first\r\n\x1b[1mbo", 13), 13);
	output_ring_drain(cap);
	assert_string_equal(lines.data, "<first>");
	assert_int_equal(output_ring_copy(cap, buf, sizeof(buf)), 10);
	assert_memory_equal(buf, "st\r\n\x1b[1mbo", 10);
	assert_int_equal(write(pipe_fds[1], "ld\n\n", 4), 4);
	output_ring_drain(cap);
	output_ring_last_line(cap, buf, sizeof(buf));
	assert_string_equal(buf, "?[1mbold");
	output_ring_last_line(cap, buf, 3);
	assert_string_equal(buf, "?[");
	assert_int_equal(output_ring_copy(cap, buf, 3), 3);
	assert_memory_equal(buf, "d\n\n", 3);
	assert_int_equal(write(pipe_fds[1], "end", 3), 3);
	(void)close(pipe_fds[1]);
	output_ring_drain(cap);
	assert_string_equal(lines.data, "<first><?[1mbold><end>");
	assert_null(output_ring_free(cap));
	assert_int_equal(output_ring_copy(NULL, buf, 3), 0);
	return 0;
}

static void capture_keeps_the_tail_and_hands_on_lines(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(capturing, NULL), 0);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return io_rm_tree_at(AT_FDCWD, dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_in_c_gets_fuse_options),
		cmocka_unit_test(one_in_rust_gets_long_options),
		cmocka_unit_test(volumes_are_asked_for_anew_and_can_be_mapped),
		cmocka_unit_test(unknown_cache_mode_is_named),
		cmocka_unit_test(program_is_known_by_its_version),
		cmocka_unit_test(daemon_inherits_a_listening_socket_only),
		cmocka_unit_test(real_daemon_lives_as_long_as_its_connection),
		cmocka_unit_test(capture_keeps_the_tail_and_hands_on_lines),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
