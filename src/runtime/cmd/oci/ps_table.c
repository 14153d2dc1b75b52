/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of `kata-runtime ps`. runc gives its options to the host's ps(1) and picks the lines of
 * the container. The guest's processes are none of the host's, so the common options are read here:
 * see ps(1), "STANDARD FORMAT SPECIFIERS". Which processes are listed does not depend on them: it is
 * always all of the container.
 */
#include "runtime/cmd/oci/ps_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/cli/username.h"

#define CELL_MAX 4097

struct row {
	const struct admin_process *p;
	const struct ps_clock *clock;
};

struct ps_column_type {
	const char *name, *header;
	int width; /* negative: to the left, as printf(3) */
	void (*put)(const struct row *row, char *buf, size_t len);
};

static void put_uid(const struct row *row, char *buf, size_t len)
{
	(void)snprintf(buf, len, "%u", row->p->uid);
}

static void put_user(const struct row *row, char *buf, size_t len)
{
	username_of(row->p->uid, buf, len);
}

static void put_pid(const struct row *row, char *buf, size_t len)
{
	(void)snprintf(buf, len, "%u", row->p->pid);
}

static void put_ppid(const struct row *row, char *buf, size_t len)
{
	(void)snprintf(buf, len, "%u", row->p->ppid);
}

static void put_rss(const struct row *row, char *buf, size_t len)
{
	(void)snprintf(buf, len, "%llu", (unsigned long long)(row->p->rss / 1024));
}

static void put_state(const struct row *row, char *buf, size_t len)
{
	(void)snprintf(buf, len, "%s", row->p->state);
}

static void put_tty(const struct row *row, char *buf, size_t len)
{
	(void)snprintf(buf, len, "%s", str_empty(row->p->tty) ? "?" : row->p->tty);
}

static void put_comm(const struct row *row, char *buf, size_t len)
{
	(void)snprintf(buf, len, "%s", row->p->comm);
}

static void put_command(const struct row *row, char *buf, size_t len)
{
	(void)snprintf(buf, len, "%s", row->p->command);
}

static unsigned long long cpu_seconds(const struct row *row)
{
	return row->p->cpu_time / PS_GUEST_TICKS_PER_SEC;
}

static void put_time(const struct row *row, char *buf, size_t len)
{
	unsigned long long sec = cpu_seconds(row);

	(void)snprintf(buf, len, "%02llu:%02llu:%02llu", sec / 3600, sec / 60 % 60, sec % 60);
}

static time_t started(const struct row *row)
{
	return row->clock->boot + (time_t)(row->p->start_time / PS_GUEST_TICKS_PER_SEC);
}

static unsigned long long elapsed(const struct row *row)
{
	time_t begin = started(row);

	return row->clock->now > begin ? (unsigned long long)(row->clock->now - begin) : 0;
}

static void put_etimes(const struct row *row, char *buf, size_t len)
{
	(void)snprintf(buf, len, "%llu", elapsed(row));
}

static void put_etime(const struct row *row, char *buf, size_t len)
{
	unsigned long long sec = elapsed(row), days = sec / 86400, hours = sec / 3600 % 24;
	int n = 0;

	if (days)
		n = snprintf(buf, len, "%llu-%02llu:", days, hours);
	else if (hours)
		n = snprintf(buf, len, "%02llu:", hours);
	(void)snprintf(buf + n, len - (size_t)n, "%02llu:%02llu", sec / 60 % 60, sec % 60);
}

/* Like ps(1): the hour today, the day before. */
static void put_stime(const struct row *row, char *buf, size_t len)
{
	time_t begin = started(row);
	struct tm tm;

	if (!localtime_r(&begin, &tm) ||
	    !strftime(buf, len, elapsed(row) < 86400 ? "%H:%M" : "%b%d", &tm))
		(void)snprintf(buf, len, "?");
}

static double cpu_percent(const struct row *row)
{
	unsigned long long sec = elapsed(row);

	return sec ? (double)row->p->cpu_time * 100 / PS_GUEST_TICKS_PER_SEC / (double)sec : 0;
}

static void put_c(const struct row *row, char *buf, size_t len)
{
	(void)snprintf(buf, len, "%d", (int)cpu_percent(row));
}

static void put_pcpu(const struct row *row, char *buf, size_t len)
{
	(void)snprintf(buf, len, "%.1f", cpu_percent(row));
}

static const struct ps_column_type types[] = {
	{ "uid", "UID", 5, put_uid },
	{ "euid", "EUID", 5, put_uid },
	{ "user", "USER", -8, put_user },
	{ "euser", "EUSER", -8, put_user },
	{ "uname", "USER", -8, put_user },
	{ "pid", "PID", 7, put_pid },
	{ "tgid", "TGID", 7, put_pid },
	{ "ppid", "PPID", 7, put_ppid },
	{ "rss", "RSS", 6, put_rss },
	{ "rssize", "RSS", 6, put_rss },
	{ "rsz", "RSZ", 6, put_rss },
	{ "s", "S", -1, put_state },
	{ "state", "S", -1, put_state },
	{ "stat", "STAT", -4, put_state },
	{ "tty", "TT", -8, put_tty },
	{ "tt", "TT", -8, put_tty },
	{ "tname", "TTY", -8, put_tty },
	{ "comm", "COMMAND", -15, put_comm },
	{ "ucmd", "CMD", -15, put_comm },
	{ "ucomm", "COMMAND", -15, put_comm },
	{ "args", "COMMAND", -27, put_command },
	{ "command", "COMMAND", -27, put_command },
	{ "cmd", "CMD", -27, put_command },
	{ "time", "TIME", 8, put_time },
	{ "cputime", "TIME", 8, put_time },
	{ "etime", "ELAPSED", 11, put_etime },
	{ "etimes", "ELAPSED", 7, put_etimes },
	{ "stime", "STIME", -5, put_stime },
	{ "start_time", "START", -5, put_stime },
	{ "c", "C", 2, put_c },
	{ "pcpu", "%CPU", 4, put_pcpu },
	{ "%cpu", "%CPU", 4, put_pcpu },
};

static const struct ps_column_type *find_type(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strlen(types[i].name) == len && !strncmp(types[i].name, name, len))
			return &types[i];
	return NULL;
}

/* "pid", "pid=" and, up to the end of the argument, "pid=HEADER". */
static int add_column(struct ps_table *table, const char *spec, size_t len, const char *header,
		      struct err *err)
{
	const struct ps_column_type *type = find_type(spec, len);

	if (!type)
		return err_set(err, EINVAL, "ps: no column \"%.*s\" is known of a guest's process",
			       (int)len, spec);
	if (table->nr == PS_COLUMNS_MAX)
		return err_set(err, E2BIG, "ps: more than %d columns", PS_COLUMNS_MAX);
	struct ps_column *column = &table->columns[table->nr++];
	column->type = type;
	(void)snprintf(column->header, sizeof(column->header), "%s",
		       header ? header : type->header);
	return 0;
}

static int add_columns(struct ps_table *table, const char *list, struct err *err)
{
	int r = 0;

	for (const char *p = list; r == 0;) {
		size_t len;

		p += strspn(p, ", ");
		len = strcspn(p, ", =");
		if (!len)
			break;
		if (p[len] == '=' && p[len + 1] != ',')
			return add_column(table, p, len, p + len + 1, err);
		r = add_column(table, p, len, p[len] == '=' ? "" : NULL, err);
		p += len + (p[len] == '=');
	}
	return r < 0 || table->nr ? r : err_set(err, EINVAL, "ps: -o needs the names of columns");
}

struct asked {
	bool full, user, bsd, no_headers;
};

/* One argument's letters; *ret_list is what follows an "o", NULL without. */
static int parse_letters(struct asked *asked, const char *arg, bool dash, const char **ret_list,
			 struct err *err)
{
	for (const char *c = arg; *c; c++) {
		if (*c == 'o') {
			*ret_list = c + 1;
			return 0;
		}
		if (*c == 'f' && dash)
			asked->full = true;
		else if (*c == 'u' && !dash)
			asked->user = true;
		else if (*c == 'h' && !dash)
			asked->no_headers = true;
		else if (*c == 'x' || (*c == 'a' && !dash))
			asked->bsd = true;
		else if (!strchr("eAadw", *c) && (dash || *c != 'f')) /* who is listed; how wide */
			return err_set(err, EINVAL,
				       "ps: the option \"%s%s\" is not supported for the "
				       "processes of a guest",
				       dash ? "-" : "", arg);
	}
	return 0;
}

/* Return: 1 when the next argument was used, too, 0, or -errno. */
static int parse_arg(struct ps_table *table, struct asked *asked, const char *arg, const char *next,
		     struct err *err)
{
	const char *list = NULL, *value = str_skip_prefix(arg, "--format=");
	int r = 0;

	if (value)
		return add_columns(table, value, err);
	if (str_eq(arg, "--no-headers") || str_eq(arg, "--no-heading")) {
		asked->no_headers = true;
		return 0;
	}
	if (str_eq(arg, "--format"))
		list = "";
	else if (str_eq(arg, "-aux")) /* as ps(1) reads it where there is no user "x" */
		r = parse_letters(asked, arg + 1, false, &list, err);
	else
		r = parse_letters(asked, arg + (*arg == '-'), *arg == '-', &list, err);
	if (r < 0 || !list)
		return r;
	if (*list)
		return add_columns(table, list, err);
	r = add_columns(table, next ? next : "", err);
	return r < 0 ? r : 1;
}

/**
 * ps_table_parse() - what options of ps(1) ask for
 * @table: zeroed; receives the columns
 * @args: options; none are as "-ef", which is what runc asks for then
 * @nr: number of them
 * @err: names what is not known of a guest's processes
 *
 * Return: 0 or -errno.
 */
int ps_table_parse(struct ps_table *table, char *const *args, size_t nr, struct err *err)
{
	struct asked asked = { .full = nr == 0 };

	for (size_t i = 0; i < nr; i++) {
		int r = parse_arg(table, &asked, args[i], i + 1 < nr ? args[i + 1] : NULL, err);

		if (r < 0)
			return r;
		i += (size_t)r;
	}
	table->no_headers = asked.no_headers;
	if (table->nr)
		return 0;
	if (asked.user)
		return add_columns(table, "user,pid,%cpu,rss,tname,stat,start_time,time,args", err);
	if (asked.full) {
		int r = add_column(table, "user", 4, "UID", err);

		return r < 0 ? r : add_columns(table, "pid,ppid,c,stime,tname,time,cmd", err);
	}
	return add_columns(table, asked.bsd ? "pid,tname,stat,time,args" : "pid,tname,time,ucmd",
			   err);
}

/* Names come from the container: a terminal must not obey them. */
static void make_harmless(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

static int put_cell(const struct ps_table *table, size_t i, const char *text, struct strbuf *out)
{
	bool last = i + 1 == table->nr;
	int width = table->columns[i].type->width;

	/* What is to the left has no blanks behind it at the end of a line. */
	return strbuf_printf(out, "%s%*s", i ? " " : "", last && width < 0 ? 0 : width, text);
}

static bool has_headers(const struct ps_table *table)
{
	for (size_t i = 0; i < table->nr; i++)
		if (*table->columns[i].header)
			return !table->no_headers;
	return false;
}

/**
 * ps_table_print() - print processes
 * @table: its columns
 * @clock: times of the guest
 * @processes: what the guest says of each
 * @nr: number of them
 * @out: receives the lines
 *
 * Return: 0 or -ENOMEM.
 */
int ps_table_print(const struct ps_table *table, const struct ps_clock *clock,
		   const struct admin_process *processes, size_t nr, struct strbuf *out)
{
	char text[CELL_MAX];
	int r = 0;

	for (size_t i = 0; i < table->nr && r == 0 && has_headers(table); i++)
		r = put_cell(table, i, table->columns[i].header, out);
	if (r == 0 && has_headers(table))
		r = strbuf_puts(out, "\n");
	for (size_t k = 0; k < nr && r == 0; k++) {
		const struct row row = { &processes[k], clock };

		for (size_t i = 0; i < table->nr && r == 0; i++) {
			table->columns[i].type->put(&row, text, sizeof(text));
			make_harmless(text);
			r = put_cell(table, i, text, out);
		}
		if (r == 0)
			r = strbuf_puts(out, "\n");
	}
	return r;
}
