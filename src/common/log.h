/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging: one line per event, to the sink chosen at start. Library code logs at debug only;
 * whoever handles a failure logs it, once.
 */
#pragma once

#include <stdbool.h>

#include "common/macros.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_format {
	LOG_FORMAT_TEXT,  /* time="..." level=... msg="..." as runc's text form */
	LOG_FORMAT_JSON,  /* {"level":...,"msg":...,"time":...} as runc and containerd read it */
	LOG_FORMAT_PLAIN, /* "name: text", for a person at a terminal */
	LOG_FORMAT_KMSG,  /* "<n>name: text", for the guest's console or kernel log */
};

void log_init(const char *name, int fd, enum log_format format, enum log_level level);
/* Errors are also written to @fd, as plain text; -1: no longer. */
void log_copy_errors(int fd);
void log_set_level(enum log_level level);
void log_set_context(const char *key, const char *value);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, int r, const char *fmt, ...) printf_format(3, 4);

#define log_error(...) log_write(LOG_LEVEL_ERROR, 0, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, 0, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, 0, __VA_ARGS__)
#define log_debug(...)                                              \
	do {                                                        \
		if (log_enabled(LOG_LEVEL_DEBUG))                   \
			log_write(LOG_LEVEL_DEBUG, 0, __VA_ARGS__); \
	} while (0)
/* These append ": <strerror>" of the -errno value @r. */
#define log_error_errno(r, ...) log_write(LOG_LEVEL_ERROR, (r), __VA_ARGS__)
#define log_warn_errno(r, ...) log_write(LOG_LEVEL_WARN, (r), __VA_ARGS__)
