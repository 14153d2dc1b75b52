/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging: formats one line in a local buffer and hands it to the sink with one write(2), so that
 * lines of several processes on one file do not mix. Never fails: a line that cannot be written is
 * lost.
 */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/utf8.h"

#define LOG_LINE_MAX 2048
#define LOG_CONTEXT_MAX 200

static struct {
	const char *name;
	int fd, copy_fd;
	enum log_format format;
	enum log_level level;
	char context_text[LOG_CONTEXT_MAX]; /* " key=value" pairs */
	char context_json[LOG_CONTEXT_MAX]; /* ",\"key\":\"value\"" pairs */
} log_state = { .name = "kata",
		.fd = STDERR_FILENO,
		.copy_fd = -1,
		.format = LOG_FORMAT_PLAIN,
		.level = LOG_LEVEL_INFO };

static const char *const level_names[] = { "error", "warning", "info", "debug" };
_Static_assert(ARRAY_SIZE(level_names) == LOG_LEVEL_DEBUG + 1, "one name per level");

/**
 * log_init() - choose the sink
 * @name: program name, must stay valid
 * @fd: descriptor to write to, borrowed for the life of the process
 * @format: how a line looks
 * @level: least important level that is written
 */
void log_init(const char *name, int fd, enum log_format format, enum log_level level)
{
	log_state.name = name;
	log_state.fd = fd;
	log_state.format = format;
	log_state.level = level;
}

/**
 * log_copy_errors() - show errors in a second place, without time, level and context
 * @fd: descriptor to write to, borrowed for the life of the process; -1: none
 */
void log_copy_errors(int fd)
{
	log_state.copy_fd = fd;
}

/**
 * log_set_level() - change the threshold
 * @level: least important level that is written
 */
void log_set_level(enum log_level level)
{
	log_state.level = level;
}

/**
 * log_set_context() - add a pair to every later line
 * @key: for example "sandbox"; NULL drops all pairs
 * @value: its value; must hold no quotes or control characters (ids do not)
 */
void log_set_context(const char *key, const char *value)
{
	size_t t = strlen(log_state.context_text), j = strlen(log_state.context_json);

	if (!key) {
		log_state.context_text[0] = log_state.context_json[0] = '\0';
		return;
	}
	(void)snprintf(log_state.context_text + t, LOG_CONTEXT_MAX - t, " %s=%s", key, value);
	(void)snprintf(log_state.context_json + j, LOG_CONTEXT_MAX - j, ",\"%s\":\"%s\"", key,
		       value);
}

/**
 * log_enabled() - would a line of this level be written?
 * @level: level
 *
 * Return: true when it would.
 */
bool log_enabled(enum log_level level)
{
	return level <= log_state.level;
}

/* Copies @text as the inside of a JSON (and Go-quoted) string; what does not fit is cut. */
static void escape(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (const unsigned char *p = (const unsigned char *)text; *p && n + 7 < size; p++) {
		if (*p == '"' || *p == '\\')
			n += (size_t)sprintf(out + n, "\\%c", *p);
		else if (*p == '\n')
			n += (size_t)sprintf(out + n, "\\n");
		else if (*p < 0x20)
			n += (size_t)sprintf(out + n, "\\u%04x", *p);
		else
			out[n++] = (char)*p;
	}
	out[n] = '\0';
}

static void timestamp(char *out, size_t size)
{
	struct timespec ts;
	struct tm tm;
	char seconds[32];

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail for this clock */
	(void)gmtime_r(&ts.tv_sec, &tm);
	(void)strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out, size, "%s.%09ldZ", seconds, ts.tv_nsec);
}

static int format_line(char *line, size_t size, enum log_level level, const char *text)
{
	static const int kmsg_levels[] = { 3, 4, 6, 7 };
	char quoted[LOG_LINE_MAX], when[64];

	switch (log_state.format) {
	case LOG_FORMAT_PLAIN:
		return snprintf(line, size, "%s: %s%s\n", log_state.name,
				level == LOG_LEVEL_WARN ? "warning: " : "", text);
	case LOG_FORMAT_KMSG:
		return snprintf(line, size, "<%d>%s:%s %s\n", kmsg_levels[level], log_state.name,
				log_state.context_text, text);
	case LOG_FORMAT_TEXT:
		escape(quoted, sizeof(quoted), text);
		timestamp(when, sizeof(when));
		return snprintf(line, size, "time=\"%s\" level=%s msg=\"%s\"%s\n", when,
				level_names[level], quoted, log_state.context_text);
	case LOG_FORMAT_JSON:
		escape(quoted, sizeof(quoted), text);
		timestamp(when, sizeof(when));
		return snprintf(line, size, "{\"level\":\"%s\",\"msg\":\"%s\",\"time\":\"%s\"%s}\n",
				level_names[level], quoted, when, log_state.context_json);
	}
	return -1;
}

/* @n: length the line would have if LOG_LINE_MAX were enough. */
static void write_line(int fd, char *line, int n)
{
	if (n <= 0)
		return;
	size_t len = MIN((size_t)n, LOG_LINE_MAX - 1);
	line[len - 1] = '\n'; /* also when the line was cut */
	if (write(fd, line, len) < 0) {
		/* There is no other place to report it. */
	}
}

/**
 * log_write() - write one line
 * @level: its level
 * @r: -errno whose text is appended, or 0
 * @fmt: printf format, without newline
 *
 * Preserves errno.
 */
void log_write(enum log_level level, int r, const char *fmt, ...)
{
	char text[LOG_LINE_MAX - 300], line[LOG_LINE_MAX];
	int saved_errno = errno;
	va_list ap;

	if (!log_enabled(level) || log_state.fd < 0)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (r < 0 && n >= 0 && (size_t)n < sizeof(text))
		(void)snprintf(text + n, sizeof(text) - (size_t)n, ": %s", strerror(-r));
	/* What a guest said must neither forge a line nor speak to a terminal. */
	bool is_quoted = log_state.format == LOG_FORMAT_TEXT || log_state.format == LOG_FORMAT_JSON;
	utf8_make_printable(text, strlen(text), is_quoted ? "\n\t" : "");
	write_line(log_state.fd, line, format_line(line, sizeof(line), level, text));
	if (level == LOG_LEVEL_ERROR && log_state.copy_fd >= 0)
		write_line(log_state.copy_fd, line, snprintf(line, sizeof(line), "%s\n", text));
	errno = saved_errno;
}
