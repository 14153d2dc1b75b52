/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the start action: the three forms of its standard input, and its three answers, as
 * golden byte streams in tests/golden/shim (made by protoc, not by us). The server itself is not
 * started: the bundle belongs to a further container of a pod.
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "shim/containerd/containerd_start.h"
#include "shim/containerd/start_input.h"
#include "shim/task/runtime_options.h"

#define GOLDEN "tests/golden/shim/"
#define CONFIG "/etc/kata-containers/a.toml"
#define BUNDLE_JSON                                                                            \
	"{\"ociVersion\":\"1.0.2\",\"annotations\":{\"io.kubernetes.cri.container-type\":"     \
	"\"container\",\"io.kubernetes.cri.sandbox-id\":\"pod1\"},\"process\":{\"cwd\":\"/\"," \
	"\"args\":[\"true\"]},\"root\":{\"path\":\"rootfs\"}}"

static const struct shim_options options = {
	.namespace = "k8s.io",
	.id = "c1",
	.address = "/run/containerd/containerd.sock",
};

static int golden_fd; /* of the directory: tests change theirs */
static char dir[64];

static size_t load(const char *name, char **ret)
{
	ssize_t n = io_read_file_at(golden_fd, name, 4096, ret);

	if (n < 0)
		fail_msg("%s: %s", name, strerror((int)-n));
	return (size_t)n;
}

static int read_input(const char *data, size_t len, struct arena *arena, struct start_input *ret,
		      struct err *err)
{
	*err = ERR_NULL;
	/* On the heap and exactly as long, so that a read behind its end is seen. */
	char *copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, data, len);
	int r = start_input_read(&options, copy, len, arena, ret, err);
	free(copy);
	return r;
}

static void read_golden(const char *name, struct arena *arena, struct start_input *ret)
{
	cleanup_free char *data = NULL;
	struct err err;
	size_t len = load(name, &data);

	if (read_input(data, len, arena, ret, &err) < 0)
		fail_msg("%s: %s", name, err.text);
}

static void every_form_of_input_is_understood(void **state)
{
	cleanup_arena struct arena *arena = NULL;
	struct start_input input;

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	read_golden("start-empty.in", arena, &input);
	assert_false(input.bootstrap);
	assert_null(input.config);
	assert_null(input.ttrpc_address);
	read_golden("start-any.in", arena, &input);
	assert_false(input.bootstrap);
	assert_string_equal(input.config, CONFIG);
	read_golden("start-bootstrap.in", arena, &input);
	assert_true(input.bootstrap);
	assert_string_equal(input.config, CONFIG);
	assert_string_equal(input.ttrpc_address, "/run/containerd/containerd.sock.ttrpc");
	assert_null(input.socket_dir);
	read_golden("start-bootstrap-socket-dir.in", arena, &input);
	assert_null(input.config);
	assert_string_equal(input.socket_dir, "/run/e");
}

/* The first two fields of both messages have the same numbers and wire types. */
static void parameters_of_another_container_are_no_parameters(void **state)
{
	cleanup_arena struct arena *arena = NULL;
	struct shim_options other = options;
	struct start_input input;
	cleanup_free char *data = NULL;
	struct err err = ERR_NULL;
	size_t len = load("start-bootstrap.in", &data);

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	other.id = "c2";
	int r = start_input_read(&other, data, len, arena, &input, &err);
	assert_false(r == 0 && input.bootstrap);
	other = options;
	other.namespace = "default";
	r = start_input_read(&other, data, len, arena, &input, &err);
	assert_false(r == 0 && input.bootstrap);
}

static void a_cut_input_is_refused_or_says_less(void **state)
{
	static const char *const names[] = { "start-any.in", "start-bootstrap.in",
					     "start-bootstrap-socket-dir.in" };
	size_t refused = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *data = NULL;
		size_t len = load(names[i], &data);

		for (size_t cut = 0; cut < len; cut++) {
			cleanup_arena struct arena *arena = NULL;
			struct start_input input;
			struct err err;

			assert_int_equal(arena_new(&arena), 0);
			if (read_input(data, cut, arena, &input, &err) < 0) {
				assert_true(*err.text);
				refused++;
			}
		}
	}
	assert_true(refused > 100);
}

static int config_of(const char *type_url, const char *value, size_t len, struct arena *arena,
		     const char **ret, struct err *err)
{
	struct pb_any any = { .type_url = type_url,
			      .value = (const uint8_t *)value,
			      .value_len = len };

	*err = ERR_NULL;
	return runtime_options_config(&any, arena, ret, err);
}

static void only_options_of_ours_are_read(void **state)
{
	cleanup_arena struct arena *arena = NULL;
	const char *path;
	struct err err;

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(config_of("", "", 0, arena, &path, &err), 0);
	assert_null(path);
	/* Field 2 of runc's options is a boolean: nothing of it may be looked at. */
	assert_int_equal(
		config_of("containerd.runc.v1.Options", "\x12\x02/x", 4, arena, &path, &err), 0);
	assert_null(path);
	assert_int_equal(
		config_of("xruntimeoptions.v1.Optionsx", "\x12\x02/x", 4, arena, &path, &err), 0);
	assert_null(path);
	assert_int_equal(
		config_of("runtimeoptions.v1.Options", "\x12\x02/x", 4, arena, &path, &err), 0);
	assert_string_equal(path, "/x");
	assert_int_equal(
		config_of("cri.runtimeoptions.v1.Options", "\x12\x02/x", 4, arena, &path, &err), 0);
	assert_string_equal(path, "/x");
	assert_int_equal(config_of("type.googleapis.com/runtimeoptions.v1.Options", "\x12\x02/x", 4,
				   arena, &path, &err),
			 0);
	assert_string_equal(path, "/x");
	assert_int_equal(config_of("runtimeoptions.v1.Options", NULL, 0, arena, &path, &err), 0);
	assert_null(path);
}

static void options_that_cannot_be_followed_are_refused(void **state)
{
	cleanup_arena struct arena *arena = NULL;
	const char *path;
	struct err err;

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(config_of("runtimeoptions.v1.Options",
				   "\x12\x03"
				   "a/x",
				   5, arena, &path, &err),
			 -EINVAL);
	assert_string_equal(err.text, "runtime options: ConfigPath 'a/x' is not an absolute path");
	assert_int_equal(
		config_of("runtimeoptions.v1.Options", "\x1a\x02[]", 4, arena, &path, &err),
		-ENOTSUP);
	assert_non_null(strstr(err.text, "name a file in ConfigPath"));
	assert_true(config_of("runtimeoptions.v1.Options", "\x12\x09/x", 4, arena, &path, &err) <
		    0);
	assert_non_null(strstr(err.text, "runtime options"));
}

static void a_relative_socket_directory_is_refused(void **state)
{
	static const char input[] = "\x0a\x02"
				    "c1"
				    "\x12\x06k8s.io"
				    "\x4a\x03run";
	cleanup_arena struct arena *arena = NULL;
	struct start_input ret;
	struct err err;

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(read_input(input, sizeof(input) - 1, arena, &ret, &err), -EINVAL);
	assert_string_equal(err.text, "socket_dir 'run' is not an absolute path");
}

static int child_start(const char *bundle, const char *input, int out)
{
	cleanup_close int in = openat(golden_fd, input, O_RDONLY | O_CLOEXEC);

	if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || chdir(bundle) < 0)
		return 100;
	return containerd_start(&options) < 0 ? 101 : 0;
}

/* Both output streams are one, as containerd reads them. */
static void check_answer(const char *name, const char *bundle, const char *input,
			 const char *expected)
{
	cleanup_free char *want = NULL;
	char path[128], got[512];
	int out[2], status;
	size_t want_len = load(expected, &want);

	(void)snprintf(path, sizeof(path), "%s/%s/c1", dir, bundle);
	assert_int_equal(io_mkdir_p(path, 0700), 0);
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(
		io_replace_file_at(fd, "config.json", BUNDLE_JSON, strlen(BUNDLE_JSON), 0600), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(child_start(path, input, out[1]));
	(void)close(out[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	ssize_t n = read(out[0], got, sizeof(got));
	(void)close(out[0]);
	if (status != 0)
		fail_msg("%s: status %x: %.*s", name, status, (int)n, got);
	assert_int_equal(n, want_len);
	assert_memory_equal(got, want, want_len);
}

static void each_containerd_gets_the_answer_it_reads(void **state)
{
	(void)state;
	check_answer("1.6", "io.containerd.runtime.v2.task/k8s.io", "start-empty.in",
		     "start-address.out");
	check_answer("1.7", "io.containerd.runtime.v2.task/k8s.io", "start-any.in",
		     "start-address.out");
	check_answer("1.7, sandbox API", "io.containerd.sandbox.controller.v1.local/k8s.io",
		     "start-any.in", "start-address.out");
	check_answer("2.0, sandbox API", "io.containerd.sandbox.controller.v1.shim/k8s.io",
		     "start-any.in", "start-json.out");
	check_answer("2.3", "io.containerd.runtime.v2.task/k8s.io", "start-bootstrap.in",
		     "start-bootstrap.out");
	check_answer("2.3, sandbox API", "io.containerd.sandbox.controller.v1.shim/k8s.io",
		     "start-bootstrap.in", "start-bootstrap.out");
	check_answer("2.3, own directory", "io.containerd.runtime.v2.task/k8s.io",
		     "start-bootstrap-socket-dir.in", "start-bootstrap-socket-dir.out");
}

static int set_up_group(void **state)
{
	(void)state;
	golden_fd = open(GOLDEN, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(dir, sizeof(dir), "/tmp/kata-test-XXXXXX");
	return golden_fd >= 0 && mkdtemp(dir) ? 0 : -1;
}

static int tear_down_group(void **state)
{
	(void)state;
	(void)close(golden_fd);
	return io_rm_tree_at(AT_FDCWD, dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_input_is_understood),
		cmocka_unit_test(parameters_of_another_container_are_no_parameters),
		cmocka_unit_test(a_cut_input_is_refused_or_says_less),
		cmocka_unit_test(only_options_of_ours_are_read),
		cmocka_unit_test(options_that_cannot_be_followed_are_refused),
		cmocka_unit_test(a_relative_socket_directory_is_refused),
		cmocka_unit_test(each_containerd_gets_the_answer_it_reads),
	};

	return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
