/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime complete -- WORD...: what the last of the words may become.
 *
 * DOC: Theory of operation
 *
 * The shells' scripts (completion.c) know nothing of verbs and options: they hand over the words
 * typed so far, and this file answers from the table of verbs and each verb's own argp table, so
 * the two cannot differ. A verb's table is had by calling the verb while cli_observe() is on. The
 * kind of a value follows from the name it has in the help: FILE and SOCKET are files, DIR is a
 * directory, ID a container, SIGNAL a signal, "a|b" one of these, FORMAT one of the words that the
 * option's help has in quotes.
 *
 * The answer has one candidate in a line, with what it is behind a tab; ":files" or ":directories"
 * asks the shell for its own completion of the word, or of what stands behind its first "=".
 */
#include "runtime/cmd/admin/complete.h"

#include <ctype.h>
#include <signal.h>
#include <string.h>

#include "common/fd.h"
#include "runtime/state/record.h"
#include "runtime/cmd/admin/verbs.h"

/* The words before the one being typed, read as argp would read them. */
struct walk {
	const struct argp_option *options;
	bool stop_at_arg;
	const struct argp_option *pending; /* the word being typed is the value of this option */
	bool only_args;			   /* no options from here on */
	size_t nr_args, first_arg;
};

struct complete {
	struct cli *cli;
	char **words;
	size_t nr;	   /* at least 1; the last is being typed */
	const char *typed; /* what of it a candidate must begin with */
	const char *root;  /* the state root that the words name, NULL: the usual one */
	size_t prefix_len; /* of "--option=" in front of @typed */
	struct strbuf *out;
};

static const struct verb *all_verbs;
static size_t nr_verbs;

/**
 * complete_set_verbs() - say which verbs there are
 * @verbs: the table; stays the caller's and must stay
 * @nr: number of lines in it
 */
void complete_set_verbs(const struct verb *verbs, size_t nr)
{
	all_verbs = verbs;
	nr_verbs = nr;
}

/* --- argp's tables --- */

static bool is_end(const struct argp_option *o)
{
	return !o->name && !o->key && !o->doc && !o->group;
}

static bool is_short(const struct argp_option *o)
{
	return o->key > 0 && o->key <= 127 && isgraph(o->key);
}

/* An alias has what the option above it has. */
static const struct argp_option *origin(const struct argp_option *o)
{
	while (o->flags & OPTION_ALIAS)
		o--;
	return o;
}

static const struct argp_option *find_long(const struct argp_option *o, const char *name,
					   size_t len)
{
	for (; o && !is_end(o); o++)
		if (o->name && strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return origin(o);
	return NULL;
}

static const struct argp_option *find_short(const struct argp_option *o, char c)
{
	for (; o && !is_end(o); o++)
		if (is_short(o) && o->key == c)
			return origin(o);
	return NULL;
}

/* --- reading the words --- */

/* Takes the value of @o from word @i, if there is one in front of the word being typed. */
static size_t take_value(struct complete *c, struct walk *w, const struct argp_option *o, size_t i)
{
	if (i == c->nr - 1)
		w->pending = o;
	else if (str_eq(o->name, "root"))
		c->root = c->words[i];
	return i;
}

static size_t walk_long(struct complete *c, struct walk *w, size_t i)
{
	const char *name = c->words[i] + 2, *equals = strchr(name, '=');
	const struct argp_option *o =
		find_long(w->options, name, equals ? (size_t)(equals - name) : strlen(name));

	if (!o || !o->arg)
		return i;
	if (!equals)
		return take_value(c, w, o, i + 1);
	if (str_eq(o->name, "root"))
		c->root = equals + 1;
	return i;
}

static size_t walk_short(struct complete *c, struct walk *w, size_t i)
{
	for (const char *p = c->words[i] + 1; *p; p++) {
		const struct argp_option *o = find_short(w->options, *p);

		if (o && o->arg)
			return p[1] ? i : take_value(c, w, o, i + 1);
	}
	return i;
}

static void walk(struct complete *c, struct walk *w, size_t first)
{
	for (size_t i = first; i < c->nr - 1; i++) {
		const char *word = c->words[i];

		if (!w->only_args && str_eq(word, "--")) {
			w->only_args = true;
		} else if (!w->only_args && str_skip_prefix(word, "--")) {
			i = walk_long(c, w, i);
		} else if (!w->only_args && word[0] == '-' && word[1]) {
			i = walk_short(c, w, i);
		} else {
			if (w->nr_args++ == 0)
				w->first_arg = i;
			if (w->stop_at_arg) {
				w->nr_args = c->nr - 1 - i;
				w->only_args = true;
				return;
			}
		}
	}
}

/* --- candidates --- */

static int offer(struct complete *c, const char *candidate, size_t len, const char *help)
{
	const char *word = c->words[c->nr - 1];
	size_t typed = strlen(c->typed);

	if (len < typed || memcmp(candidate, c->typed, typed) != 0)
		return 0;
	return strbuf_printf(c->out, "%.*s%.*s%s%s\n", (int)c->prefix_len, word, (int)len,
			     candidate, help ? "\t" : "", help ? help : "");
}

static int offer_id(void *arg, const char *id)
{
	return offer(arg, id, strlen(id), NULL);
}

static int offer_ids(struct complete *c)
{
	struct err ignored = ERR_NULL;
	cleanup_close int root_fd =
		record_open_root(c->root ? c->root : c->cli->root, false, &ignored);

	return root_fd < 0 ? 0 : record_for_each(root_fd, offer_id, c); /* no root: no ids */
}

/* Offers the words of @list between @separator, up to its end or a blank. */
static int offer_choices(struct complete *c, const char *list)
{
	for (;;) {
		size_t len = strcspn(list, "| ]");
		int r = offer(c, list, len, NULL);

		if (r < 0 || list[len] != '|')
			return r;
		list += len + 1;
	}
}

static int offer_quoted(struct complete *c, const char *help)
{
	const char *end;
	int r = 0;

	for (const char *p = help; r == 0 && p && (p = strchr(p, '"')); p = end + 1) {
		end = strchr(++p, '"');
		if (!end)
			break;
		r = offer(c, p, (size_t)(end - p), NULL);
	}
	return r;
}

static int offer_signals(struct complete *c)
{
	int r = 0;

	for (int i = 1; r == 0 && i < SIGRTMIN; i++) {
		const char *name = sigabbrev_np(i);

		if (name)
			r = offer(c, name, strlen(name), sigdescr_np(i));
	}
	return r;
}

static bool is_kind(const char *kind, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(kind, name, len) == 0;
}

/* @kind: how the help calls it; @help: of the option, may be NULL. */
static int offer_value(struct complete *c, const char *kind, const char *help)
{
	size_t len = strcspn(kind, " ]");

	if (memchr(kind, '|', len))
		return offer_choices(c, kind);
	if (is_kind(kind, len, "ID"))
		return offer_ids(c);
	if (is_kind(kind, len, "SIGNAL"))
		return offer_signals(c);
	if (is_kind(kind, len, "FORMAT"))
		return offer_quoted(c, help);
	if (is_kind(kind, len, "DIR"))
		return strbuf_puts(c->out, ":directories\n");
	if (is_kind(kind, len, "FILE") || is_kind(kind, len, "SOCKET"))
		return strbuf_puts(c->out, ":files\n");
	return 0;
}

static int offer_options(struct complete *c, const struct argp_option *o)
{
	char name[64];
	int r = 0;

	for (; r == 0 && o && !is_end(o); o++) {
		if ((o->flags | origin(o)->flags) & OPTION_HIDDEN)
			continue;
		if (is_short(o)) {
			snprintf(name, sizeof(name), "-%c", o->key);
			r = offer(c, name, strlen(name), origin(o)->doc);
		}
		if (r == 0 && o->name) {
			snprintf(name, sizeof(name), "--%s", o->name);
			r = offer(c, name, strlen(name), origin(o)->doc);
		}
	}
	return r == 0 ? offer(c, "--help", strlen("--help"), "Give this help list") : r;
}

static int offer_verbs(struct complete *c, bool with_built_in)
{
	static const struct verb built_in[] = {
		{ "help", NULL, "print the verbs, or the options of one" },
		{ "version", NULL, "print the version" },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < nr_verbs; i++)
		if (all_verbs[i].help)
			r = offer(c, all_verbs[i].name, strlen(all_verbs[i].name),
				  all_verbs[i].help);
	for (size_t i = 0; r == 0 && with_built_in && i < ARRAY_SIZE(built_in); i++)
		r = offer(c, built_in[i].name, strlen(built_in[i].name), built_in[i].help);
	return r;
}

/*
 * The word being typed, if it is an option or an option's value. Returns 1 when it was, 0 when it
 * is an argument, or -errno.
 */
static int complete_option(struct complete *c, const struct walk *w)
{
	char *word = c->words[c->nr - 1];
	int r;

	c->typed = word;
	if (w->pending) {
		r = offer_value(c, w->pending->arg, w->pending->doc);
		return r < 0 ? r : 1;
	}
	if (w->only_args || word[0] != '-')
		return 0;
	const char *equals = strchr(word, '=');
	if (!equals || !str_skip_prefix(word, "--")) {
		r = offer_options(c, w->options);
		return r < 0 ? r : 1;
	}
	const struct argp_option *o = find_long(w->options, word + 2, (size_t)(equals - word) - 2);
	c->typed = equals + 1;
	c->prefix_len = (size_t)(equals + 1 - word);
	r = o && o->arg ? offer_value(c, o->arg, o->doc) : 0;
	return r < 0 ? r : 1;
}

/* The argument with index @nr of those that @args_doc names: "ID [COMMAND [ARGUMENT...]]". */
static int complete_argument(struct complete *c, const char *args_doc, size_t nr)
{
	const char *p = args_doc ? args_doc : "";

	for (; *p && nr > 0; nr--) {
		p += strcspn(p, " ");
		p += strspn(p, " ");
	}
	p += strspn(p, "[");
	return *p ? offer_value(c, p, NULL) : 0;
}

static void keep(void *arg, const struct cli_verb *verb)
{
	*(struct cli_verb *)arg = *verb;
}

/* What a verb takes; nothing when there is no such verb or it parses nothing. */
static struct cli_verb ask_verb(struct cli *cli, const char *name)
{
	struct cli_verb ret = { .options = NULL };
	struct err ignored = ERR_NULL;

	for (size_t i = 0; i < nr_verbs; i++) {
		if (!str_eq(all_verbs[i].name, name))
			continue;
		char *argv[] = { (char *)all_verbs[i].name, NULL };

		cli_observe(keep, &ret);
		(void)all_verbs[i].fn(cli, 1, argv, &ignored); /* -ECANCELED */
		cli_observe(NULL, NULL);
	}
	return ret;
}

/**
 * complete_words() - what the last word of a command line may become
 * @cli: global options; its root is where containers are looked for unless the words name another
 * @words: the words behind the program's name, the last one as far as it is typed, maybe empty
 * @nr: number of words, at least 1
 * @out: the candidates are appended, in the form that this file's head tells
 *
 * Return: 0 or -errno.
 */
int complete_words(struct cli *cli, char **words, size_t nr, struct strbuf *out)
{
	struct complete c = { .cli = cli, .words = words, .nr = nr, .out = out };
	struct walk global = { .options = cli_global_options(), .stop_at_arg = true };

	walk(&c, &global, 0);
	if (global.nr_args == 0) {
		int r = complete_option(&c, &global);
		return r == 0 ? offer_verbs(&c, true) : r < 0 ? r : 0;
	}
	const char *name = words[global.first_arg];
	struct cli_verb verb = ask_verb(cli, name);
	struct walk w = { .options = verb.options, .stop_at_arg = verb.stop_at_arg };

	walk(&c, &w, global.first_arg + 1);
	int r = complete_option(&c, &w);
	if (r != 0)
		return r < 0 ? r : 0;
	if (str_eq(name, "help"))
		return w.nr_args == 0 ? offer_verbs(&c, false) : 0;
	return complete_argument(&c, verb.args_doc, w.nr_args);
}

/**
 * verb_complete() - see cli.h; the scripts of verb_completion() call it
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_complete(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct cli_verb verb = {
		.args_doc = "-- WORD...",
		.doc = "Print what the last word of a command line may become.",
		.min_args = 1,
		.max_args = -1,
		.stop_at_arg = true,
	};
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	int first;
	int nr = cli_parse(&verb, argc, argv, NULL, &first, err);

	if (nr < 0)
		return nr;
	int r = complete_words(cli, argv + first, (size_t)nr, &out);
	if (r < 0)
		return err_set_errno(err, r, "complete");
	return cli_print(out.data, out.len, err);
}
