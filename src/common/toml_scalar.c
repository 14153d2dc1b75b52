/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML reader, the small parts: the four kinds of strings, numbers, booleans and times.
 */
#include "common/toml_parser.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "common/utf8.h"

#define NUMBER_MAX 512 /* characters of one number or time */

static int add_text(struct toml_parser *t, const char *s, size_t len)
{
	return strbuf_add(&t->text, s, len) < 0 ? err_set(t->err, ENOMEM, "out of memory") : 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* \uXXXX and \UXXXXXXXX; the cursor stands on the first digit. */
static int read_unicode(struct toml_parser *t, unsigned digits)
{
	char bytes[UTF8_MAX_LEN];
	uint32_t code = 0;
	size_t len;

	for (unsigned i = 0; i < digits; i++, t->p++) {
		int v = hex_value(*t->p); /* the NUL behind the text is no digit */

		if (v < 0)
			return toml_fail(t, "a \\%c escape needs %u hexadecimal digits",
					 digits == 4 ? 'u' : 'U', digits);
		code = code << 4 | (uint32_t)v;
	}
	if (!code)
		return toml_fail(t, "strings with NUL characters are not supported");
	len = utf8_encode(code, bytes);
	if (!len)
		return toml_fail(t, "the escape is not a Unicode character");
	return add_text(t, bytes, len);
}

static int read_escape(struct toml_parser *t)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	const char *known;
	char c = *++t->p;

	if (c == 'u' || c == 'U') {
		t->p++;
		return read_unicode(t, c == 'u' ? 4 : 8);
	}
	known = c ? strchr(from, c) : NULL;
	if (!known)
		return toml_fail(t, "unknown escape in a string");
	t->p++;
	return add_text(t, &to[known - from], 1);
}

/* A backslash at the end of a line swallows all blanks and line ends up to the next character. */
static bool skip_line_continuation(struct toml_parser *t)
{
	const char *p = t->p + 1;

	while (*p == ' ' || *p == '\t')
		p++;
	if (*p != '\n' && !(p[0] == '\r' && p[1] == '\n'))
		return false;
	t->p = p;
	while (*t->p == ' ' || *t->p == '\t' || toml_skip_newline(t))
		if (*t->p == ' ' || *t->p == '\t')
			t->p++;
	return true;
}

static int read_single_line(struct toml_parser *t, char quote)
{
	for (t->p++; *t->p != quote;) {
		size_t run = 0;
		int r;

		while (t->p[run] != quote && !toml_is_control(t->p[run]) &&
		       !(quote == '"' && t->p[run] == '\\'))
			run++;
		r = add_text(t, t->p, run);
		t->p += run;
		if (r == 0 && *t->p == '\\')
			r = read_escape(t);
		else if (r == 0 && *t->p != quote)
			r = toml_fail(t, t->p == t->end || *t->p == '\n' || *t->p == '\r'
						 ? "the string is not closed on its line"
						 : "control character in a string");
		if (r < 0)
			return r;
	}
	t->p++;
	return 0;
}

/*
 * The quotes at the cursor of a multi-line string: text, or the end of it with up to two of them
 * before.
 */
static int read_quotes(struct toml_parser *t, char quote, bool *closed)
{
	size_t n = 0;
	int r;

	while (n < 5 && t->p[n] == quote)
		n++;
	*closed = n >= 3;
	r = add_text(t, t->p, *closed ? n - 3 : n);
	t->p += n;
	return r;
}

static int read_multi_line(struct toml_parser *t, char quote)
{
	bool closed = false;
	int r = 0;

	t->p += 3;
	(void)toml_skip_newline(t); /* the first one is not part of the string */
	while (!closed && r == 0) {
		if (t->p == t->end)
			return toml_fail(t, "the multi-line string is not closed");
		if (*t->p == quote)
			r = read_quotes(t, quote, &closed);
		else if (toml_skip_newline(t))
			r = add_text(t, "\n", 1);
		else if (toml_is_control(*t->p))
			r = toml_fail(t, "control character in a string");
		else if (*t->p != '\\' || quote == '\'')
			r = add_text(t, t->p++, 1);
		else if (!skip_line_continuation(t))
			r = read_escape(t);
	}
	return r;
}

/**
 * toml_read_string() - the string at the cursor, which stands on its first quote
 * @t: parser
 * @may_be_multi_line: false for keys
 * @ret: the string, without quotes and escapes
 *
 * Return: 0 or -errno with t->err set.
 */
int toml_read_string(struct toml_parser *t, bool may_be_multi_line, const char **ret)
{
	char quote = *t->p;
	bool multi_line = may_be_multi_line && t->p[1] == quote && t->p[2] == quote;
	const char *s;
	int r;

	strbuf_consume(&t->text, t->text.len);
	r = multi_line ? read_multi_line(t, quote) : read_single_line(t, quote);
	if (r < 0)
		return r;
	s = arena_strndup(t->arena, t->text.data ? t->text.data : "", t->text.len);
	if (!s)
		return err_set(t->err, ENOMEM, "out of memory");
	*ret = s;
	return 0;
}

/*
 * Copies digits of @base without the underscores, which must stand between digits. Returns their
 * number, 0 if wrong.
 */
static size_t copy_digits(const char **s, int base, char *out)
{
	size_t n = 0;

	for (;;) {
		int v = hex_value(**s);

		if (v < 0 || v >= base)
			return 0; /* also for a leading, doubled or trailing underscore */
		out[n++] = *(*s)++;
		if (**s == '_')
			(*s)++;
		else if ((v = hex_value(**s)) < 0 || v >= base)
			return n;
	}
}

static int read_based_integer(struct toml_parser *t, const char *text, struct toml *node)
{
	int base = text[1] == 'x' ? 16 : text[1] == 'o' ? 8 : 2;
	const char *s = text + 2;
	char digits[NUMBER_MAX];
	size_t n = copy_digits(&s, base, digits);
	uint64_t v = 0;

	if (!n || *s)
		return toml_fail(t, "\"%s\" is not a number", text);
	for (size_t i = 0; i < n; i++)
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)hex_value(digits[i]), &v) || v > INT64_MAX)
			return toml_fail(t, "the number \"%s\" does not fit into 64 bits", text);
	node->type = TOML_INTEGER;
	node->i = (int64_t)v;
	return 0;
}

/*
 * The optional fraction and exponent behind the integer part. Returns false when they are
 * malformed.
 */
static bool copy_float_tail(const char **s, char *out, size_t *len, bool *is_float)
{
	size_t n;

	if (**s == '.') {
		out[(*len)++] = *(*s)++;
		n = copy_digits(s, 10, out + *len);
		if (!n)
			return false;
		*len += n;
		*is_float = true;
	}
	if (**s == 'e' || **s == 'E') {
		out[(*len)++] = *(*s)++;
		if (**s == '+' || **s == '-')
			out[(*len)++] = *(*s)++;
		n = copy_digits(s, 10, out + *len);
		if (!n)
			return false;
		*len += n;
		*is_float = true;
	}
	return !**s;
}

static int read_decimal(struct toml_parser *t, const char *text, struct toml *node)
{
	char out[NUMBER_MAX + 1];
	const char *s = text;
	size_t len = 0, n;
	bool is_float = false;

	if (*s == '+' || *s == '-')
		out[len++] = *s++;
	n = copy_digits(&s, 10, out + len);
	if (!n || (n > 1 && out[len] == '0')) /* no leading zeros */
		return toml_fail(t, "\"%s\" is not a value", text);
	len += n;
	if (!copy_float_tail(&s, out, &len, &is_float))
		return toml_fail(t, "\"%s\" is not a number", text);
	out[len] = '\0';
	if (is_float) {
		node->type = TOML_FLOAT;
		node->f = strtod(out, NULL);
		return 0;
	}
	node->type = TOML_INTEGER;
	if (str_to_i64(out[0] == '+' ? out + 1 : out, &node->i) < 0)
		return toml_fail(t, "the number \"%s\" does not fit into 64 bits", text);
	return 0;
}

static bool read_special_float(const char *text, struct toml *node)
{
	const char *word = text + (*text == '+' || *text == '-');
	double v;

	if (str_eq(word, "inf"))
		v = INFINITY;
	else if (str_eq(word, "nan"))
		v = NAN;
	else
		return false;
	node->type = TOML_FLOAT;
	node->f = *text == '-' ? -v : v;
	return true;
}

/* Exactly @n digits with a value from @min to @max; advances the string. */
static bool read_two(const char **s, unsigned n, unsigned min, unsigned max, unsigned *ret)
{
	unsigned v = 0;

	for (unsigned i = 0; i < n; i++, (*s)++) {
		if (!isdigit((unsigned char)**s))
			return false;
		v = v * 10 + (unsigned)(**s - '0');
	}
	*ret = v;
	return v >= min && v <= max;
}

static bool skip_char(const char **s, const char *set)
{
	if (!**s || !strchr(set, **s))
		return false;
	(*s)++;
	return true;
}

static bool skip_date(const char **s)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year, month, day, last;

	if (!read_two(s, 4, 0, 9999, &year) || !skip_char(s, "-") ||
	    !read_two(s, 2, 1, 12, &month) || !skip_char(s, "-"))
		return false;
	last = days[month - 1];
	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		last++;
	return read_two(s, 2, 1, last, &day);
}

static bool skip_time(const char **s)
{
	unsigned v;

	if (!read_two(s, 2, 0, 23, &v) || !skip_char(s, ":") || !read_two(s, 2, 0, 59, &v) ||
	    !skip_char(s, ":") || !read_two(s, 2, 0, 60, &v)) /* 60: leap seconds exist */
		return false;
	if (!skip_char(s, "."))
		return true;
	if (!isdigit((unsigned char)**s))
		return false;
	while (isdigit((unsigned char)**s))
		(*s)++;
	return true;
}

static bool skip_offset(const char **s)
{
	unsigned v;

	if (skip_char(s, "zZ"))
		return true;
	return skip_char(s, "+-") && read_two(s, 2, 0, 23, &v) && skip_char(s, ":") &&
	       read_two(s, 2, 0, 59, &v);
}

/* Times look like no number from their third or fifth character on. */
static bool looks_like_time(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return (digits == 4 && text[4] == '-') || (digits == 2 && text[2] == ':');
}

static int read_time(struct toml_parser *t, const char *text, struct toml *node)
{
	const char *s = text;
	bool good;

	if (text[2] == ':') {
		node->type = TOML_LOCAL_TIME;
		good = skip_time(&s) && !*s;
	} else {
		node->type = TOML_LOCAL_DATE;
		good = skip_date(&s);
		if (good && *s) {
			node->type = TOML_LOCAL_DATETIME;
			good = skip_char(&s, "Tt ") && skip_time(&s);
		}
		if (good && *s) {
			node->type = TOML_OFFSET_DATETIME;
			good = skip_offset(&s) && !*s;
		}
	}
	if (!good)
		return toml_fail(t, "\"%s\" is not a date or time", text);
	node->s = arena_strdup(t->arena, text);
	return node->s ? 0 : err_set(t->err, ENOMEM, "out of memory");
}

/*
 * The characters of a number, word or time. A blank belongs to it only between a date and a time.
 */
static size_t scalar_len(const struct toml_parser *t)
{
	const char *p = t->p;

	while (isalnum((unsigned char)*p) || (*p && strchr("+-_.:", *p)))
		p++;
	if (p - t->p == 10 && looks_like_time(t->p) && *p == ' ' && isdigit((unsigned char)p[1]))
		for (p++; isalnum((unsigned char)*p) || (*p && strchr("+-.:", *p));)
			p++;
	return (size_t)(p - t->p);
}

/**
 * toml_read_scalar() - the boolean, number or time at the cursor
 * @t: parser
 * @node: receives type and value
 *
 * Return: 0 or -errno with t->err set, the cursor on the value.
 */
int toml_read_scalar(struct toml_parser *t, struct toml *node)
{
	size_t len = scalar_len(t);
	char text[NUMBER_MAX];
	int r = 0;

	if (!len)
		return toml_fail(t, "expected a value");
	if (len >= sizeof(text))
		return toml_fail(t, "a number with more than %d characters", NUMBER_MAX - 1);
	memcpy(text, t->p, len);
	text[len] = '\0';
	if (str_eq(text, "true") || str_eq(text, "false")) {
		node->type = TOML_BOOL;
		node->b = text[0] == 't';
	} else if (looks_like_time(text)) {
		r = read_time(t, text, node);
	} else if (text[0] == '0' && text[1] && strchr("xob", text[1])) {
		r = read_based_integer(t, text, node);
	} else if (!read_special_float(text, node)) {
		r = read_decimal(t, text, node);
	}
	if (r == 0)
		t->p += len;
	return r;
}
