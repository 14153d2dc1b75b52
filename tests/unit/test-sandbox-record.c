/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.json: the version it is written in, and which versions are undone.
 */
#include "sandbox/lifecycle/sandbox_record.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"
#include "kata/state.h"
#include "sandbox/core/sandbox.h"

struct world {
	char dir[40];
	int fd;
	struct err err;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/test-sandbox-record-XXXXXX");
	if (!mkdtemp(w->dir))
		return -1;
	w->fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = w;
	return w->fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	(void)unlinkat(w->fd, KATA_STATE_SANDBOX, 0);
	(void)rmdir(w->dir);
	(void)close(w->fd);
	free(w);
	return 0;
}

static bool is_there(const struct world *w)
{
	return faccessat(w->fd, KATA_STATE_SANDBOX, F_OK, 0) == 0;
}

static void put(const struct world *w, const char *text)
{
	assert_int_equal(io_replace_file_at(w->fd, KATA_STATE_SANDBOX, text, strlen(text), 0600),
			 0);
}

static int undo(struct world *w)
{
	w->err = ERR_NULL;
	return sandbox_record_undo(w->fd, &w->err);
}

static void the_version_is_written(void **state)
{
	static const struct oci_spec spec = { 0 };
	struct world *w = *state;
	struct sandbox sb = { .id = "s", .dir = { w->dir, w->fd }, .spec = &spec };
	char *text = NULL;

	assert_int_equal(sandbox_record_write(&sb, &w->err), 0);
	assert_true(io_read_file_at(w->fd, KATA_STATE_SANDBOX, 4096, &text) > 0);
	assert_non_null(strstr(text, "\"version\": 1,"));
	free(text);
	assert_int_equal(undo(w), 0);
	assert_false(is_there(w));
}

static void a_record_without_a_version_is_the_first(void **state)
{
	struct world *w = *state;

	put(w, "{\"sandbox\": \"s\", \"scopes\": [], \"cgroups\": []}");
	assert_int_equal(undo(w), 0);
	assert_false(is_there(w));
}

/* What it lists may have another meaning by then, so nothing of it is touched. */
static void a_newer_record_is_refused_and_left_alone(void **state)
{
	struct world *w = *state;
	char cgroup[60], text[200];

	(void)snprintf(cgroup, sizeof(cgroup), "%s/cgroup", w->dir);
	assert_int_equal(mkdir(cgroup, 0700), 0);
	(void)snprintf(text, sizeof(text), "{\"version\": 2, \"cgroups\": [\"%s\"]}", cgroup);
	put(w, text);
	assert_int_equal(undo(w), -ENOTSUP);
	assert_string_equal(w->err.text, "sandbox.json has version 2, of a newer program: this one "
					 "knows version 1");
	assert_true(is_there(w));
	assert_int_equal(rmdir(cgroup), 0);
}

static void a_version_that_is_no_number_is_refused(void **state)
{
	struct world *w = *state;

	put(w, "{\"version\": \"1\"}");
	assert_int_equal(undo(w), -EINVAL);
	assert_non_null(strstr(w->err.text, "version"));
	assert_true(is_there(w));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_version_is_written),
		T(a_record_without_a_version_is_the_first),
		T(a_newer_record_is_refused_and_left_alone),
		T(a_version_that_is_no_number_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
