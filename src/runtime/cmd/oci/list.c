/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime list: the containers of a root, as a table, as JSON or as ids.
 */
#include "runtime/cmd/oci/verbs.h"

#include <string.h>

#include "common/fd.h"
#include "common/str.h"
#include "runtime/cli/username.h"
#include "runtime/shim/session.h"

#define LIST_COLUMNS 6
#define LIST_PADDING 3

enum list_format { LIST_TABLE, LIST_JSON, LIST_IDS };

struct list_containers {
	const struct cli *cli;
	enum list_format format;
	struct strbuf out;
	struct json_writer w;
};

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct list_containers *list = arg;

	if (key == 'q')
		list->format = LIST_IDS;
	else if (str_eq(value, "json"))
		list->format = LIST_JSON;
	else if (str_eq(value, "table"))
		list->format = LIST_TABLE;
	else
		return err_set(err, EINVAL, "--format is \"table\" or \"json\", not \"%s\"", value);
	return 0;
}

static int put_container(struct list_containers *list, struct session *s)
{
	struct err err = ERR_NULL;
	enum task_status status;
	char owner[USERNAME_MAX];
	const struct record *record = &s->record;

	if (session_status(s, &status, &err) < 0) {
		log_warn("%s", err.text); /* the others are worth showing */
		status = TASK_STATUS_UNKNOWN;
	}
	username_of(record->owner, owner, sizeof(owner));
	if (list->format == LIST_JSON) {
		record_put_state(record, &list->w, session_status_name(status), owner);
		return 0;
	}
	return strbuf_printf(&list->out, "%s\t%d\t%s\t%s\t%s\t%s\n", record->id,
			     status == TASK_STATUS_STOPPED ? 0 : (int)record->standin_pid,
			     session_status_name(status), record->bundle,
			     record->created ? record->created : "", owner);
}

static int visit(void *arg, const char *id)
{
	struct list_containers *list = arg;
	struct err err = ERR_NULL;
	cleanup_session struct session s = SESSION_NULL;

	if (list->format == LIST_IDS) {
		cleanup_record struct record record = RECORD_NULL;

		/* Another runtime's are not ours to name. */
		if (record_load(&record, list->cli->root, id, &err) < 0 && err.code != EOPNOTSUPP)
			return 0;
		return strbuf_printf(&list->out, "%s\n", id);
	}
	if (session_open(&s, list->cli, id, &err) < 0) {
		if (err.code != ENOENT) /* deleted while we look */
			log_warn("%s", err.text);
		return 0;
	}
	return put_container(list, &s);
}

static int collect(struct list_containers *list)
{
	struct err ignored = ERR_NULL;
	int r = 0;

	if (list->format == LIST_JSON) {
		json_writer_init(&list->w, &list->out, 0);
		json_array(&list->w);
	} else if (list->format == LIST_TABLE) {
		r = strbuf_puts(&list->out, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n");
	}
	cleanup_close int root_fd = record_open_root(list->cli->root, false, &ignored);
	if (root_fd >= 0 && r == 0) /* no root: no containers */
		r = record_for_each(root_fd, visit, list);
	if (list->format == LIST_JSON) {
		json_array_end(&list->w);
		int finished = json_writer_finish(&list->w);
		if (r == 0)
			r = finished;
		if (r == 0)
			r = strbuf_puts(&list->out, "\n");
	}
	return r;
}

/* The next cell and what ends it: a tab, a newline, or '\0' at the end of the text. */
static size_t cell_len(const char *text)
{
	return strcspn(text, "\t\n");
}

static void measure(const char *text, size_t widths[LIST_COLUMNS])
{
	size_t column = 0;

	for (; *text; text += *text ? 1 : 0) {
		size_t len = cell_len(text);

		if (column < LIST_COLUMNS)
			widths[column] = MAX(widths[column], len + LIST_PADDING);
		text += len;
		column = *text == '\t' ? column + 1 : 0;
	}
}

/* Every column as wide as its widest cell, at least as wide as runc makes it. */
static int align(const char *text, struct strbuf *ret)
{
	size_t widths[LIST_COLUMNS] = { 12, 12, 12, 12, 12, 0 };
	size_t column = 0;
	int r = 0;

	measure(text, widths);
	for (; *text && r == 0; text += *text ? 1 : 0) {
		size_t len = cell_len(text);
		bool last = text[len] != '\t';

		r = strbuf_printf(ret, "%-*.*s%s",
				  last || column >= LIST_COLUMNS ? 0 : (int)widths[column],
				  (int)len, text, last ? "\n" : "");
		text += len;
		column = last ? 0 : column + 1;
	}
	return r;
}

static int print_list(void *arg, struct err *err)
{
	struct list_containers *list = arg;
	cleanup_strbuf struct strbuf table = STRBUF_NULL;
	int r = collect(list);

	if (r == 0 && list->format == LIST_TABLE)
		r = align(list->out.data, &table);
	if (r < 0)
		return err_set_errno(err, r, "cannot list %s", list->cli->root);
	return list->format == LIST_TABLE ? cli_print(table.data, table.len, err)
					  : cli_print(list->out.data, list->out.len, err);
}

/**
 * verb_list() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_list(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct argp_option options[] = {
		{ "format", 'f', "FORMAT", 0, "\"table\" (default) or \"json\"", 0 },
		{ "quiet", 'q', NULL, 0, "Print ids only", 0 },
		{ 0 },
	};
	static const struct cli_verb verb = { .options = options,
					      .set = set,
					      .doc = "List the containers." };
	struct list_containers list = { .cli = cli, .out = STRBUF_NULL };
	int r = cli_parse(&verb, argc, argv, &list, NULL, err);

	if (r == 0)
		r = cli_run(print_list, &list, err);
	strbuf_deinit(&list.out);
	return r;
}
