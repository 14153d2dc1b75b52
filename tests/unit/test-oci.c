/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of src/oci: reading, writing and validating config.json. The samples are what docker
 * and podman really write; the golden files are pass-<case>.json with the warnings and
 * fail-<case>.json with the error expected of them, each in a file of the same name ending in .ok.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena-fixture.h"
#include "common/io.h"
#include "oci/spec.h"
#include "oci/validate.h"

#define SAMPLES "tests/golden/samples/"
#define GOLDEN "tests/golden/oci/"

static char *read_text(const char *path, size_t *ret_len)
{
	char *data = NULL, *copy;
	ssize_t len = io_read_file_at(AT_FDCWD, path, OCI_SPEC_MAX, &data);

	if (len < 0)
		fail_msg("%s: %s", path, strerror((int)-len));
	copy = arena_strndup(arena, data, (size_t)len);
	assert_non_null(copy);
	free(data);
	*ret_len = (size_t)len;
	return copy;
}

static struct oci_spec *parse(const char *text)
{
	struct oci_spec *spec = NULL;
	int r = oci_spec_parse(text, strlen(text), "config.json", arena, &spec, &err);

	if (r < 0)
		print_message("# %s\n", err.text);
	assert_int_equal(r, 0);
	return spec;
}

static char *format(const struct oci_spec *spec)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	char *copy;

	assert_int_equal(oci_spec_format(spec, 0, &out), 0);
	copy = arena_strdup(arena, out.data);
	assert_non_null(copy);
	return copy;
}

static bool is_empty(const struct json *node)
{
	switch (node->type) {
	case JSON_NULL:
		return true;
	case JSON_BOOL:
		return !node->b;
	case JSON_INT:
		return !node->i;
	case JSON_STRING:
		return !*node->s;
	case JSON_ARRAY:
	case JSON_OBJECT:
		return !node->nr;
	default:
		return false;
	}
}

/* Everything in @a is in @b; what is zero or empty may be missing. */
static void assert_kept(const char *file, const struct json *a, const struct json *b)
{
	const struct json *other = b->type == JSON_ARRAY ? b->first : NULL;

	if (a->type != b->type)
		fail_msg("%s:%u: %s changed its type", file, a->line,
			 a->key ? a->key : "an element");
	if (a->type == JSON_STRING)
		assert_string_equal(a->s, b->s);
	else if (a->type == JSON_INT)
		assert_true(a->i == b->i);
	else if (a->type == JSON_UINT)
		assert_true(a->u == b->u);
	else if (a->type == JSON_BOOL)
		assert_true(a->b == b->b);
	if (a->type == JSON_ARRAY)
		assert_int_equal(a->nr, b->nr);
	if (a->type != JSON_ARRAY && a->type != JSON_OBJECT)
		return;
	json_for_each(child, a) {
		if (a->type == JSON_OBJECT)
			other = json_get(b, child->key);
		if (!other && !is_empty(child))
			fail_msg("%s:%u: %s was lost", file, child->line, child->key);
		if (other)
			assert_kept(file, child, other);
		if (a->type == JSON_ARRAY)
			other = other->next;
	}
}

static void check_sample(const char *path)
{
	size_t len;
	char *text = read_text(path, &len), *written;
	struct oci_spec *spec;
	struct json *before, *after;
	struct strv warnings = { 0 };

	if (oci_spec_parse(text, len, path, arena, &spec, &err) < 0 ||
	    oci_spec_validate(spec, arena, &warnings, &err) < 0)
		fail_msg("%s: %s", path, err.text);
	assert_int_equal(warnings.nr, 0);
	written = format(spec);
	assert_string_equal(format(parse(written)), written);
	assert_int_equal(json_parse(arena, text, len, path, NULL, &before, &err), 0);
	assert_int_equal(json_parse(arena, written, strlen(written), path, NULL, &after, &err), 0);
	assert_kept(path, before, after);
}

static void nothing_of_a_real_config_is_lost(void **state)
{
	glob_t files;

	(void)state;
	assert_int_equal(glob(SAMPLES "*.config.json", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++)
		check_sample(files.gl_pathv[i]);
	globfree(&files);
}

static void real_processes_and_resources_come_back_as_they_were(void **state)
{
	static const char limits[] =
		"{\"memory\":{\"limit\":67108864,\"swap\":-1},\"cpu\":{\"shares\":0,\"cpus\":\"0-1\"},"
		"\"pids\":{\"limit\":0},\"unified\":{\"memory.high\":\"1\"}}";
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct oci_resources *resources;
	struct oci_process *process;
	struct json_writer w;
	glob_t files;

	(void)state;
	assert_int_equal(glob(SAMPLES "*.process.json", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		size_t len;
		char *text = read_text(files.gl_pathv[i], &len);

		assert_int_equal(oci_process_parse(text, len, "process", arena, &process, &err), 0);
		assert_int_equal(oci_process_validate(process, NULL, NULL, &err), 0);
		assert_true(process->args.nr > 0);
	}
	globfree(&files);
	assert_int_equal(
		oci_resources_parse(limits, strlen(limits), "resources", arena, &resources, &err),
		0);
	assert_int_equal(oci_resources_validate(resources, &err), 0);
	assert_true(*resources->memory->swap == -1);
	assert_null(resources->memory->reservation);
	json_writer_init(&w, &out, 0);
	oci_resources_write(&w, resources);
	assert_int_equal(json_writer_finish(&w), 0);
	assert_string_equal(out.data, limits);
}

static void every_member_of_the_specification_is_kept(void **state)
{
	size_t len;
	char *text = read_text(GOLDEN "pass-everything.json", &len), *written = format(parse(text));
	struct json *before, *after;

	(void)state;
	assert_int_equal(json_parse(arena, text, len, "everything", NULL, &before, &err), 0);
	assert_int_equal(json_parse(arena, written, strlen(written), "written", NULL, &after, &err),
			 0);
	assert_kept("everything", before, after);
	assert_kept("written", after, before); /* and nothing is made up */
}

/* The error of reading or validating a document, or its warnings, one line each. */
static int verdict(const char *path, struct strbuf *out)
{
	const struct oci_vm_policy policy = { 0 };
	struct strv warnings = { 0 };
	struct oci_spec *spec;
	size_t len;
	char *text = read_text(path, &len);
	int r = oci_spec_parse(text, len, "config.json", arena, &spec, &err);

	if (r == 0)
		r = oci_spec_validate(spec, arena, &warnings, &err);
	if (r == 0 && strstr(path, "-vm-"))
		r = oci_spec_validate_vm(spec, &policy, &err);
	if (r < 0)
		assert_int_equal(strbuf_printf(out, "%s\n", err.text), 0);
	for (size_t i = 0; r == 0 && i < warnings.nr; i++)
		assert_int_equal(strbuf_printf(out, "%s\n", warnings.v[i]), 0);
	return r;
}

static void check_golden(const char *pattern, bool passes)
{
	glob_t files;
	unsigned wrong = 0;

	assert_int_equal(glob(pattern, 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		cleanup_strbuf struct strbuf out = STRBUF_NULL;
		const char *path = files.gl_pathv[i];
		char *ok =
			arena_printf(arena, "%.*s.ok", (int)(strlen(path) - strlen(".json")), path);
		size_t len;
		bool passed = verdict(path, &out) == 0;
		const char *said = out.data ? out.data : "";

		if (getenv("UPDATE_GOLDEN"))
			assert_int_equal(io_replace_file_at(AT_FDCWD, ok, said, strlen(said), 0644),
					 0);
		if (passed != passes || strcmp(said, read_text(ok, &len)) != 0) {
			print_message("# %s: %s: %s", path, passed ? "passed" : "failed", said);
			wrong++;
		}
	}
	globfree(&files);
	assert_int_equal(wrong, 0);
}

static void good_documents_pass_with_their_warnings(void **state)
{
	(void)state;
	check_golden(GOLDEN "pass-*.json", true);
}

static void bad_documents_fail_with_their_errors(void **state)
{
	(void)state;
	check_golden(GOLDEN "fail-*.json", false);
}

static void absent_differs_from_zero(void **state)
{
	struct oci_spec *spec =
		parse("{\"process\":{\"oomScoreAdj\":0,\"user\":{\"uid\":1,\"umask\":0}},"
		      "\"linux\":{\"devices\":[{\"fileMode\":0}]}}");

	(void)state;
	assert_non_null(spec->process->oom_score_adj);
	assert_non_null(spec->process->user.umask);
	assert_non_null(spec->linux_->devices[0].file_mode);
	assert_null(spec->linux_->devices[0].uid);
	assert_null(spec->root);
}

static void lists_can_be_appended_to_after_reading(void **state)
{
	struct oci_spec *spec =
		parse("{\"process\":{\"env\":[\"a=1\",\"b=2\",\"c=3\"]},\"mounts\":[{},{},{}]}");

	(void)state;
	for (int i = 0; i < 9; i++) {
		assert_int_equal(arena_strv_add(arena, &spec->process->env, "x=y"), 0);
		assert_int_equal(
			arena_grow(arena, &spec->mounts, &spec->nr_mounts, sizeof(*spec->mounts)),
			0);
	}
	assert_int_equal(spec->process->env.nr, 12);
	assert_null(spec->process->env.v[12]);
	assert_string_equal(spec->process->env.v[2], "c=3");
}

static void the_template_is_a_valid_bundle(void **state)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	const struct oci_vm_policy policy = { 0 };
	struct strv warnings = { 0 };
	struct oci_spec *spec;

	(void)state;
	assert_int_equal(oci_spec_template(&out), 0);
	spec = parse(out.data);
	assert_int_equal(oci_spec_validate(spec, arena, &warnings, &err), 0);
	assert_int_equal(warnings.nr, 0);
	assert_int_equal(oci_spec_validate_vm(spec, &policy, &err), 0);
	assert_string_equal(spec->process->args.v[0], "sh");
	assert_true(spec->process->terminal);
}

static void a_bundle_is_read_and_its_absence_named(void **state)
{
	char dir[] = "/tmp/kata-oci-XXXXXX", path[64], text[256];
	struct oci_spec *spec = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/config.json", dir);
	assert_int_equal(oci_spec_load(dir, arena, &spec, &err), -ENOENT);
	(void)snprintf(text, sizeof(text), "%s: No such file or directory", path);
	assert_string_equal(err.text, text);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(oci_spec_load(dir, arena, &spec, &err), -EINVAL);
	(void)snprintf(text, sizeof(text), "%s: not a regular file", path);
	assert_string_equal(err.text, text);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(io_replace_file_at(AT_FDCWD, path, "{\"hostname\":\"h\"}", 16, 0600), 0);
	assert_int_equal(oci_spec_load(dir, arena, &spec, &err), 0);
	assert_string_equal(spec->hostname, "h");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void a_vm_accepts_what_a_pod_shares(void **state)
{
	struct oci_spec *spec =
		parse("{\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},"
		      "{\"type\":\"network\"},{\"type\":\"ipc\",\"path\":\"/proc/9/ns/ipc\"}]}}");
	struct oci_vm_policy policy = { 0 };

	(void)state;
	assert_int_equal(oci_spec_validate_vm(spec, &policy, &err), -EOPNOTSUPP);
	policy.in_pod = true;
	assert_int_equal(oci_spec_validate_vm(spec, &policy, &err), -EOPNOTSUPP);
	assert_string_equal(
		err.text,
		"linux.namespaces: no uts namespace; a container in a VM cannot share the host's "
		"name");
}

static void namespaces_that_only_the_host_has_are_refused(void **state)
{
	static const char *const types[] = { "mount", "cgroup", "user", "time" };
	const struct oci_vm_policy policy = { .in_pod = true };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		char text[400];

		(void)snprintf(text, sizeof(text),
			       "{\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"},"
			       "{\"type\":\"uts\"},{\"type\":\"network\"},"
			       "{\"type\":\"%s\",\"path\":\"/proc/9/ns/x\"}]}}",
			       types[i]);
		assert_int_equal(oci_spec_validate_vm(parse(text), &policy, &err), -EOPNOTSUPP);
		assert_non_null(strstr(err.text, types[i]));
		assert_non_null(strstr(err.text, "/proc/9/ns/x"));
	}
}

static bool in_host_network(void)
{
	struct stat ours, host;

	assert_int_equal(stat("/proc/self/ns/net", &ours), 0);
	return stat("/proc/1/ns/net", &host) < 0 ||
	       (host.st_dev == ours.st_dev && host.st_ino == ours.st_ino);
}

static void the_hosts_network_is_recognised_under_any_name(void **state)
{
	struct oci_spec *spec = parse(
		"{\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"},"
		"{\"type\":\"uts\"},{\"type\":\"network\",\"path\":\"/proc/self/ns/net\"}]}}");
	const struct oci_vm_policy policy = { 0 };

	(void)state;
	if (!in_host_network()) {
		print_message(
			"# skipped: this process does not live in the host's network namespace\n");
		return;
	}
	assert_int_equal(oci_spec_validate_vm(spec, &policy, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "the host's network namespace"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARENA_TEST(nothing_of_a_real_config_is_lost),
		ARENA_TEST(real_processes_and_resources_come_back_as_they_were),
		ARENA_TEST(every_member_of_the_specification_is_kept),
		ARENA_TEST(good_documents_pass_with_their_warnings),
		ARENA_TEST(bad_documents_fail_with_their_errors),
		ARENA_TEST(absent_differs_from_zero),
		ARENA_TEST(lists_can_be_appended_to_after_reading),
		ARENA_TEST(the_template_is_a_valid_bundle),
		ARENA_TEST(a_bundle_is_read_and_its_absence_named),
		ARENA_TEST(a_vm_accepts_what_a_pod_shares),
		ARENA_TEST(namespaces_that_only_the_host_has_are_refused),
		ARENA_TEST(the_hosts_network_is_recognised_under_any_name),
	};

	return cmocka_run_group_tests_name("oci", tests, NULL, NULL);
}
