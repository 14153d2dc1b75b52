/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of "kata-runtime configure": what stands in the managers' files afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "common/json.h"
#include "common/str.h"
#include "common/toml.h"
#include "runtime/cli/cli.h"
#include "runtime/cmd/admin/configure.h"
#include "runtime/cmd/admin/verbs.h"

static struct {
	char dir[64], file[96];
	struct arena *arena;
	struct configure c;
	struct err err;
} t;

static int set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	snprintf(t.dir, sizeof(t.dir), "/tmp/kata-test-XXXXXX");
	assert_non_null(mkdtemp(t.dir));
	snprintf(t.file, sizeof(t.file), "%s/file", t.dir);
	assert_int_equal(arena_new(&t.arena), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	strbuf_deinit(&t.c.text);
	t.arena = arena_free(t.arena);
	return io_rm_tree_at(AT_FDCWD, t.dir);
}

typedef int (*edit_fn)(struct configure *c, struct err *err);

/* What a manager's file holds after @edit, NULL when it shall go; @old NULL: there is no file. */
static const char *edited(edit_fn edit, const char *old, bool undo)
{
	strbuf_deinit(&t.c.text);
	t.c = (struct configure){ .arena = t.arena,
				  .manager = "manager",
				  .file = "/etc/file",
				  .name = "kata",
				  .runtime_path = "/usr/bin/kata-runtime",
				  .shim_path = "/usr/bin/containerd-shim-kata-v2",
				  .undo = undo,
				  .old = old,
				  .old_len = old ? strlen(old) : 0 };
	t.err = ERR_NULL;
	int r = edit(&t.c, &t.err);
	if (r < 0)
		fail_msg("%s", t.err.text);
	return t.c.remove ? NULL : arena_strdup(t.arena, t.c.text.data ? t.c.text.data : "");
}

static int refused(edit_fn edit, const char *old)
{
	struct configure c = { .arena = t.arena,
			       .manager = "manager",
			       .file = "/etc/file",
			       .name = "kata",
			       .runtime_path = "/usr/bin/kata-runtime",
			       .shim_path = "/usr/bin/containerd-shim-kata-v2",
			       .old = old,
			       .old_len = strlen(old) };

	t.err = ERR_NULL;
	int r = edit(&c, &t.err);
	strbuf_deinit(&c.text);
	return r;
}

/* --- docker --- */

static void docker_gets_a_file_and_loses_it(void **state)
{
	(void)state;
	const char *text = edited(configure_docker, NULL, false);

	assert_string_equal(text, "{\n    \"runtimes\": {\n        \"kata\": {\n            "
				  "\"path\": \"/usr/bin/kata-runtime\"\n        }\n    }\n}\n");
	assert_string_equal(edited(configure_docker, text, false), text);
	assert_null(edited(configure_docker, text, true));
	assert_string_equal(edited(configure_docker, " \n", false), text);
}

static void docker_keeps_all_else_in_its_order(void **state)
{
	static const char old[] =
		"{\"log-level\":\"warn\",\"runtimes\":{\"other\":{\"path\":\"/o\"}},"
		"\"max\":18446744073709551615,\"list\":[1,2.5,null,\"\\u00e9\\n\"]}";
	(void)state;
	const char *text = edited(configure_docker, old, false);

	assert_non_null(strstr(text, "\"other\""));
	assert_non_null(strstr(text, "18446744073709551615"));
	assert_non_null(strstr(text, "2.5"));
	assert_true(strstr(text, "log-level") < strstr(text, "runtimes"));
	assert_true(strstr(text, "runtimes") < strstr(text, "max"));
	assert_non_null(strstr(text, "/usr/bin/kata-runtime"));
	const char *without = edited(configure_docker, text, true);
	assert_null(strstr(without, "kata"));
	struct json *a, *b;
	assert_int_equal(json_parse(t.arena, old, strlen(old), "a", NULL, &a, &t.err), 0);
	assert_int_equal(json_parse(t.arena, without, strlen(without), "b", NULL, &b, &t.err), 0);
	struct strbuf left = STRBUF_NULL, right = STRBUF_NULL;
	struct json_writer w;
	json_writer_init(&w, &left, 0);
	json_put_node(&w, a);
	assert_int_equal(json_writer_finish(&w), 0);
	json_writer_init(&w, &right, 0);
	json_put_node(&w, b);
	assert_int_equal(json_writer_finish(&w), 0);
	assert_string_equal(left.data, right.data);
	strbuf_deinit(&left);
	strbuf_deinit(&right);
}

static void docker_text_without_a_change_stays_as_it_is(void **state)
{
	static const char there[] =
		"{ \"runtimes\":\n{\"kata\": {\"path\":\"/usr/bin/kata-runtime\"} } }";
	static const char none[] = "{ \"a\":   1 }";

	(void)state;
	assert_string_equal(edited(configure_docker, there, false), there);
	assert_string_equal(edited(configure_docker, none, true), none);
}

static void docker_runtime_at_another_place_is_moved(void **state)
{
	(void)state;
	const char *text = edited(
		configure_docker,
		"{\"runtimes\":{\"kata\":{\"path\":\"/usr/local/bin/kata-runtime\"},\"b\":{}}}",
		false);

	assert_null(strstr(text, "/usr/local"));
	assert_non_null(strstr(text, "/usr/bin/kata-runtime"));
	assert_non_null(strstr(text, "\"b\""));
}

static void docker_runtime_of_somebody_else_is_left_alone(void **state)
{
	static const char shim[] =
		"{\n\"runtimes\":{\"kata\":{\"runtimeType\":\"io.containerd.kata.v2\"}}}";
	(void)state;

	assert_int_equal(refused(configure_docker, shim), -EEXIST);
	assert_non_null(strstr(t.err.text, "/etc/file:2: runtime \"kata\" is not ours"));
	assert_string_equal(edited(configure_docker, shim, true), shim);
}

static void docker_default_runtime_does_not_go(void **state)
{
	static const char text[] =
		"{\"default-runtime\":\"kata\",\"runtimes\":{\"kata\":{\"path\":\"/bin/kata-runtime\"}}}";
	struct configure c = { .arena = t.arena,
			       .file = "/etc/file",
			       .name = "kata",
			       .undo = true,
			       .old = text,
			       .old_len = strlen(text) };

	(void)state;
	assert_int_equal(configure_docker(&c, &t.err), -EBUSY);
	assert_non_null(strstr(t.err.text, "default-runtime"));
}

static void docker_file_that_is_broken_is_refused(void **state)
{
	(void)state;
	assert_true(refused(configure_docker, "{\"runtimes\":") < 0);
	assert_true(refused(configure_docker, "[]") < 0);
	assert_true(refused(configure_docker, "{\"runtimes\":[]}") < 0);
	assert_non_null(strstr(t.err.text, "runtimes"));
}

/* --- podman, CRI-O --- */

static void own_files_come_and_go(edit_fn edit, const char *path)
{
	struct toml *root;
	const char *text = edited(edit, NULL, false);

	assert_int_equal(toml_parse(t.arena, text, strlen(text), "file", &root, &t.err), 0);
	assert_non_null(strstr(text, path));
	assert_string_equal(edited(edit, text, false), text);
	assert_null(edited(edit, text, true));
	assert_int_equal(refused(edit, "[crio]\n"), -EEXIST);
	assert_string_equal(edited(edit, "[crio]\n", true), "[crio]\n");
}

static void podman_and_crio_have_files_of_ours(void **state)
{
	(void)state;
	own_files_come_and_go(configure_podman, "\"/usr/bin/kata-runtime\"");
	own_files_come_and_go(configure_crio, "\"/usr/bin/containerd-shim-kata-v2\"");
}

/* --- containerd --- */

static const struct toml *runtime_in(const char *text, const char *plugin, const char *name)
{
	struct toml *root;

	if (toml_parse(t.arena, text, strlen(text), "file", &root, &t.err) < 0)
		fail_msg("%s", t.err.text);
	const struct toml *runtimes = toml_get(
		toml_get(toml_get(toml_get(root, "plugins"), plugin), "containerd"), "runtimes");
	return toml_get(runtimes, name);
}

static void check_containerd(const char *old, const char *plugin)
{
	const char *text = edited(configure_containerd, old, false);

	assert_string_equal(toml_get(runtime_in(text, plugin, "kata"), "runtime_type")->s,
			    "io.containerd.kata.v2");
	assert_non_null(runtime_in(text, plugin, "runc"));
	assert_string_equal(edited(configure_containerd, text, false), text);
	assert_memory_equal(text, old, strlen(old));
	assert_string_equal(edited(configure_containerd, text, true), old);
}

static void containerd_gets_a_block_and_loses_it(void **state)
{
	(void)state;
	check_containerd("version = 2\n", "io.containerd.grpc.v1.cri");
	check_containerd("version = 2 # no end of line", "io.containerd.grpc.v1.cri");
	check_containerd("# nothing is set\n", "io.containerd.grpc.v1.cri");
	check_containerd("version = 3\n\n[plugins]\n", "io.containerd.cri.v1.runtime");
	check_containerd(
		"version = 2\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n"
		"    [plugins.\"io.containerd.grpc.v1.cri\".cni]\n      bin_dir = \"/x\"\n",
		"io.containerd.grpc.v1.cri");
	check_containerd("version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n"
			 "snapshotter = \"native\"\n"
			 "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n"
			 "runtime_type = \"mine\"\n",
			 "io.containerd.grpc.v1.cri");
}

static void containerd_without_a_file_gets_one(void **state)
{
	(void)state;
	const char *text = edited(configure_containerd, NULL, false);

	assert_non_null(runtime_in(text, "io.containerd.grpc.v1.cri", "kata"));
	assert_null(strstr(text, "runtime_path")); /* services find it */
	assert_null(edited(configure_containerd, text, true));
}

static void containerd_keeps_what_was_added_behind_the_block(void **state)
{
	(void)state;
	const char *text = edited(configure_containerd, "version = 2\n", false);
	const char *more = arena_printf(t.arena, "%s[debug]\n", text);

	assert_string_equal(edited(configure_containerd, more, true), "version = 2\n[debug]\n");
}

static void containerd_files_that_cannot_be_extended_are_refused(void **state)
{
	(void)state;
	assert_int_equal(refused(configure_containerd, "root = \"/x\"\n"), -EINVAL);
	assert_non_null(strstr(t.err.text, "version = 2"));
	assert_int_equal(refused(configure_containerd, "version = 1\n"), -EINVAL);
	assert_int_equal(refused(configure_containerd,
				 "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd."
				 "runtimes.kata]\n"),
			 -EEXIST);
	assert_non_null(strstr(t.err.text, "/etc/file:2: "));
	assert_true(refused(configure_containerd, "version = 2\nplugins = {}\n") < 0);
	assert_non_null(strstr(t.err.text, "does not fit"));
	assert_true(refused(configure_containerd, "version = \n") < 0);
	assert_int_equal(
		refused(configure_containerd, "version = 2\n# BEGIN kata-runtime configure\n"),
		-EINVAL);
}

/* --- the verb --- */

static int run(const char *first, ...)
{
	char *argv[12] = { (char *)"configure" };
	int argc = 1;
	struct cli cli = CLI_NULL;
	va_list ap;

	va_start(ap, first);
	for (const char *word = first; word; word = va_arg(ap, const char *))
		argv[argc++] = (char *)word;
	va_end(ap);
	argv[argc] = NULL;
	t.err = ERR_NULL;
	(void)fflush(stdout);
	int out = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY);
	assert_int_equal(dup2(null, STDOUT_FILENO), STDOUT_FILENO);
	int r = verb_configure(&cli, argc, argv, &t.err);
	assert_int_equal(dup2(out, STDOUT_FILENO), STDOUT_FILENO);
	close(out);
	close(null);
	return r;
}

static void a_file_keeps_its_mode_and_links_stay(void **state)
{
	char link[128];
	struct stat st;

	(void)state;
	snprintf(link, sizeof(link), "%s/link", t.dir);
	assert_int_equal(io_replace_file_at(AT_FDCWD, t.file, "{}", 2, 0600), 0);
	assert_int_equal(chmod(t.file, 0640), 0);
	assert_int_equal(symlink("file", link), 0);
	assert_int_equal(run("--file", link, "docker", NULL), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(t.file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_true(st.st_size > 2);
}

static void dry_run_writes_nothing(void **state)
{
	(void)state;
	assert_int_equal(run("--dry-run", "--file", t.file, "docker", NULL), 0);
	assert_int_equal(access(t.file, F_OK), -1);
	assert_int_equal(run("--undo", "--file", t.file, "docker", NULL), 0);
	assert_int_equal(access(t.file, F_OK), -1);
}

static void folders_are_made_and_the_name_is_taken(void **state)
{
	char file[128], *data = NULL;

	(void)state;
	snprintf(file, sizeof(file), "%s/a/b/c", t.dir);
	assert_int_equal(run("--name", "vm", "--file", file, "podman", NULL), 0);
	assert_true(io_read_file_at(AT_FDCWD, file, 4096, &data) > 0);
	assert_non_null(strstr(data, "\"vm\" = [\""));
	free(data);
	assert_int_equal(run("--undo", "--name", "vm", "--file", file, "podman", NULL), 0);
	assert_int_equal(access(file, F_OK), -1);
}

static void unknown_managers_and_bad_names_are_refused(void **state)
{
	(void)state;
	assert_int_equal(run("lxc", NULL), -EINVAL);
	assert_non_null(strstr(t.err.text, "\"lxc\""));
	assert_int_equal(run("--name", "a\"b", "docker", NULL), -EINVAL);
	assert_int_equal(run(NULL), -EINVAL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(docker_gets_a_file_and_loses_it),
		TEST(docker_keeps_all_else_in_its_order),
		TEST(docker_text_without_a_change_stays_as_it_is),
		TEST(docker_runtime_at_another_place_is_moved),
		TEST(docker_runtime_of_somebody_else_is_left_alone),
		TEST(docker_default_runtime_does_not_go),
		TEST(docker_file_that_is_broken_is_refused),
		TEST(podman_and_crio_have_files_of_ours),
		TEST(containerd_gets_a_block_and_loses_it),
		TEST(containerd_without_a_file_gets_one),
		TEST(containerd_keeps_what_was_added_behind_the_block),
		TEST(containerd_files_that_cannot_be_extended_are_refused),
		TEST(a_file_keeps_its_mode_and_links_stay),
		TEST(dry_run_writes_nothing),
		TEST(folders_are_made_and_the_name_is_taken),
		TEST(unknown_managers_and_bad_names_are_refused),
	};

	/* The shim is named in files, not run. */
	setenv("KATA_SHIM", "/bin/true", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
