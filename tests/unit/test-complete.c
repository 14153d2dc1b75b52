/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of completion: the real verbs' own tables answer, and no verb does anything.
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

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "runtime/cmd/admin/complete.h"

#define WORDS_MAX 16

static const struct verb verbs[] = {
	{ "run", verb_run, "run it" },
	{ "kill", verb_kill, "kill it" },
	{ "exec", verb_exec, "exec in it" },
	{ "list", verb_list, "list them" },
	{ "network", verb_network, "its network" },
	{ "update", verb_update, "its limits" },
	{ "pause", verb_pause, "freeze it" },
	{ "ps", verb_ps, "its processes" },
	{ "hidden", verb_checkpoint, NULL },
};

static struct {
	char dir[64];
	struct cli cli;
	struct strbuf out;
} t;

static int set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	snprintf(t.dir, sizeof(t.dir), "/tmp/kata-test-XXXXXX");
	assert_non_null(mkdtemp(t.dir));
	t.cli = CLI_NULL;
	t.cli.root = t.dir;
	complete_set_verbs(verbs, ARRAY_SIZE(verbs));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	strbuf_deinit(&t.out);
	return io_rm_tree_at(AT_FDCWD, t.dir);
}

static void make_container(const char *root, const char *id)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", root, id);
	assert_int_equal(io_mkdir_p(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/%s/state.json", root, id);
	assert_int_equal(io_replace_file_at(AT_FDCWD, path, "{}", 2, 0600), 0);
}

/* What the last of the words may become, without the help. */
static const char *ask(const char *first, ...)
{
	char *words[WORDS_MAX];
	size_t nr = 0;
	va_list ap;

	va_start(ap, first);
	for (const char *word = first; word; word = va_arg(ap, const char *)) {
		assert_true(nr < WORDS_MAX);
		words[nr++] = (char *)word;
	}
	va_end(ap);
	strbuf_deinit(&t.out);
	assert_int_equal(complete_words(&t.cli, words, nr, &t.out), 0);
	assert_int_equal(strbuf_puts(&t.out, ""), 0);
	char *to = t.out.data;
	for (const char *p = t.out.data; *p; p++) {
		if (*p == '\t')
			p += strcspn(p, "\n");
		*to++ = *p == '\n' ? ' ' : *p;
	}
	*to = '\0';
	return t.out.data;
}

static void verbs_that_are_offered_have_help(void **state)
{
	(void)state;
	assert_string_equal(ask("", NULL),
			    "run kill exec list network update pause ps help version ");
	assert_string_equal(ask("--debug", "p", NULL), "pause ps ");
	assert_string_equal(ask("hid", NULL), "");
	assert_string_equal(ask("help", "p", NULL), "pause ps ");
	assert_string_equal(ask("help", "ps", "", NULL), "");
}

static void help_stands_behind_a_tab(void **state)
{
	char *words[] = { (char *)"paus" };

	(void)state;
	assert_int_equal(complete_words(&t.cli, words, 1, &t.out), 0);
	assert_string_equal(t.out.data, "pause\tfreeze it\n");
}

static void options_come_from_the_table_of_the_verb(void **state)
{
	(void)state;
	assert_string_equal(ask("kill", "-", NULL), "-a --all --help ");
	assert_string_equal(ask("list", "--", NULL), "--format --quiet --help ");
	assert_string_equal(ask("pause", "--", NULL), "--help ");
	assert_string_equal(ask("hidden", "--", NULL), "--help ");
	assert_string_equal(ask("nonsense", "--", NULL), "--help ");
	assert_non_null(strstr(ask("run", "--", NULL), "--detach "));
	assert_non_null(strstr(ask("--", NULL), "--root "));
}

static void hidden_options_are_not_offered_and_aliases_are(void **state)
{
	(void)state;
	assert_string_equal(ask("--log-l", NULL), "");
	assert_string_equal(ask("--kata", NULL), "--kata-config ");
}

static void values_follow_from_what_the_help_calls_them(void **state)
{
	(void)state;
	assert_string_equal(ask("--root", "", NULL), ":directories ");
	assert_string_equal(ask("--root=x", NULL), ":directories ");
	assert_string_equal(ask("--kata-config", "x", NULL), ":files ");
	assert_string_equal(ask("exec", "-p", "", NULL), ":files ");
	assert_string_equal(ask("exec", "-tp", "", NULL), ":files ");
	assert_string_equal(ask("exec", "-pfile", "", NULL), "");
	assert_string_equal(ask("exec", "--console-socket", "", NULL), ":files ");
	assert_string_equal(ask("--log-format", "", NULL), "text json ");
	assert_string_equal(ask("list", "--format=j", NULL), "--format=json ");
	assert_string_equal(ask("update", "--cpu-idle", "", NULL), "0 1 ");
	assert_string_equal(ask("update", "--memory", "", NULL), "");
	assert_string_equal(ask("--nonsense=", NULL), "");
}

static void arguments_are_containers_of_the_root_and_choices(void **state)
{
	char other[128];

	(void)state;
	snprintf(other, sizeof(other), "%s/other", t.dir);
	make_container(t.dir, "web-1");
	make_container(other, "db");
	assert_string_equal(ask("pause", "w", NULL), "web-1 ");
	assert_string_equal(ask("pause", "x", NULL), "");
	assert_string_equal(ask("pause", "web-1", "", NULL), "");
	assert_string_equal(ask("kill", "--all", "", NULL), "web-1 ");
	assert_string_equal(ask("network", "", NULL), "list add del routes ");
	assert_string_equal(ask("network", "list", "", NULL), "web-1 ");
	assert_string_equal(ask("--root", other, "pause", "", NULL), "db ");
	snprintf(other, sizeof(other), "--root=%s/other", t.dir);
	assert_string_equal(ask(other, "pause", "", NULL), "db ");
	assert_string_equal(ask("--root", "/nonexistent", "pause", "", NULL), "");
}

static void signals_are_named(void **state)
{
	(void)state;
	assert_string_equal(ask("kill", "x", "KI", NULL), "KILL ");
	assert_string_equal(ask("kill", "x", "US", NULL), "USR1 USR2 ");
	assert_string_equal(ask("kill", "x", "KILL", "", NULL), "");
}

static void words_of_the_containers_program_are_left_alone(void **state)
{
	(void)state;
	make_container(t.dir, "web-1");
	assert_string_equal(ask("exec", "--user", "1", "", NULL), "web-1 ");
	assert_string_equal(ask("exec", "--", "", NULL), "web-1 ");
	assert_string_equal(ask("exec", "web-1", "ls", "-", NULL), "");
	assert_string_equal(ask("exec", "web-1", "", NULL), "");
	assert_string_equal(ask("pause", "--", "-", NULL), "");
}

static void no_words_are_refused_by_the_verb(void **state)
{
	char *argv[] = { (char *)"complete", NULL };
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(verb_complete(&t.cli, 1, argv, &err), -EINVAL);
}

static void no_script_for_an_unknown_shell(void **state)
{
	char *argv[] = { (char *)"completion", (char *)"tcsh", NULL };
	struct err err = ERR_NULL;

	(void)state;
	assert_int_equal(verb_completion(&t.cli, 2, argv, &err), -EINVAL);
	assert_non_null(strstr(err.text, "\"tcsh\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(verbs_that_are_offered_have_help, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(help_stands_behind_a_tab, set_up, tear_down),
		cmocka_unit_test_setup_teardown(options_come_from_the_table_of_the_verb, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(hidden_options_are_not_offered_and_aliases_are,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(values_follow_from_what_the_help_calls_them, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(arguments_are_containers_of_the_root_and_choices,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(signals_are_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(words_of_the_containers_program_are_left_alone,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_words_are_refused_by_the_verb, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(no_script_for_an_unknown_shell, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
