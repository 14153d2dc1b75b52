/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the table of `kata-runtime ps`: options of ps(1), and what they print.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cmd/oci/ps_table.h"

static const struct admin_process processes[] = {
	{ .pid = 7,
	  .ppid = 1,
	  .start_time = 500,
	  .cpu_time = 1200,
	  .rss = 2 << 20,
	  .tty = "pts/0",
	  .state = "S",
	  .comm = "sh",
	  .command = "sh -c x\033[1m" },
	{ .pid = 123,
	  .ppid = 7,
	  .uid = 4123456,
	  .start_time = 6500,
	  .cpu_time = 0,
	  .rss = 512 << 10,
	  .tty = "",
	  .state = "R",
	  .comm = "sleep",
	  .command = "sleep 5" },
};
/* The guest was up for 90061 s: a day, an hour, a minute and a second. */
static const struct ps_clock when = { .now = 1000090061, .boot = 1000000000 };

/* Return: the table, or the error; of the last call only. */
static const char *ps(const char *options)
{
	static char text[4096];
	char copy[256], *args[16], *save = NULL;
	struct ps_table table = { .nr = 0 };
	struct strbuf out = STRBUF_NULL;
	struct err err = ERR_NULL;
	size_t nr = 0;

	strcpy(copy, options);
	for (char *arg = strtok_r(copy, "|", &save); arg; arg = strtok_r(NULL, "|", &save))
		args[nr++] = arg;
	if (ps_table_parse(&table, args, nr, &err) < 0) {
		strcpy(text, err.text);
		return text;
	}
	assert_int_equal(ps_table_print(&table, &when, processes, ARRAY_SIZE(processes), &out), 0);
	strcpy(text, out.data ? out.data : "");
	strbuf_deinit(&out);
	return text;
}

static void without_options_it_is_the_full_format(void **state)
{
	char plain[4096];

	(void)state;
	strcpy(plain, ps(""));
	assert_string_equal(ps("-ef"), plain);
	assert_string_equal(ps("-e|-f"), plain);
	assert_non_null(strstr(plain, "UID          PID    PPID  C STIME TTY          TIME CMD\n"
				      "root           7       1  0 "));
	assert_non_null(strstr(plain, " pts/0    00:00:12 sh -c x?[1m\n"
				      "4123456      123       7  0 "));
	assert_non_null(strstr(plain, " ?        00:00:00 sleep 5\n"));
}

static void options_choose_the_columns(void **state)
{
	static const struct {
		const char *options, *table;
	} cases[] = {
		{ "-e", "    PID TTY          TIME CMD\n"
			"      7 pts/0    00:00:12 sh\n"
			"    123 ?        00:00:00 sleep\n" },
		{ "-e|-x", "    PID TTY      STAT     TIME COMMAND\n"
			   "      7 pts/0    S    00:00:12 sh -c x?[1m\n"
			   "    123 ?        R    00:00:00 sleep 5\n" },
		{ "-o|pid,comm", "    PID COMMAND\n      7 sh\n    123 sleep\n" },
		{ "-opid,comm", "    PID COMMAND\n      7 sh\n    123 sleep\n" },
		{ "-eo|pid|-o|comm", "    PID COMMAND\n      7 sh\n    123 sleep\n" },
		{ "axo|pid=,rss=", "      7   2048\n    123    512\n" },
		{ "-o|pid=THE PID", "THE PID\n      7\n    123\n" },
		{ "--format|uid,etime",
		  "  UID     ELAPSED\n    0  1-01:00:56\n4123456  1-00:59:56\n" },
		{ "--no-headers|--format=ppid", "      1\n      7\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(ps(cases[i].options), cases[i].table);
	assert_non_null(strstr(ps("aux"), "USER         PID %CPU    RSS TTY      STAT START"));
	assert_non_null(strstr(ps("-aux"), "USER         PID"));
}

static void what_cannot_be_told_is_refused(void **state)
{
	(void)state;
	assert_string_equal(ps("-o|pid,wchan"),
			    "ps: no column \"wchan\" is known of a guest's process");
	assert_string_equal(ps("-eL"),
			    "ps: the option \"-eL\" is not supported for the processes of a guest");
	assert_string_equal(ps("-o"), "ps: -o needs the names of columns");
	assert_non_null(strstr(ps("--sort=pid"), "--sort=pid"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_options_it_is_the_full_format),
		cmocka_unit_test(options_choose_the_columns),
		cmocka_unit_test(what_cannot_be_told_is_refused),
	};

	return cmocka_run_group_tests_name("ps-table", tests, NULL, NULL);
}
