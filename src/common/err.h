/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: every fallible function returns 0 (or an fd or a count) or -errno; functions that know a
 * story the user can act on fill a struct err as well.
 */
#pragma once

#include <errno.h>
#include <stdarg.h>
#include <sys/types.h>

#include "common/macros.h"

#define ERR_TEXT_MAX 1024

/* An error with words. The zero value is "no error"; nothing in it needs to be freed. */
struct err {
	int code; /* positive errno, 0 when no error is set */
	char text[ERR_TEXT_MAX];
};

#define ERR_NULL ((struct err){ 0 })

int err_set(struct err *err, int code, const char *fmt, ...) printf_format(3, 4);
int err_setv(struct err *err, int code, const char *fmt, va_list ap) printf_format(3, 0);
int err_wrap(struct err *err, const char *fmt, ...) printf_format(2, 3);
int err_set_errno(struct err *err, int r, const char *fmt, ...) printf_format(3, 4);

/* Turns the -1/errno convention of system calls into -errno; any other value passes. */
static inline int must_check neg_errno(long r)
{
	return r == -1 ? -errno : (int)r;
}
static inline ssize_t must_check neg_errno_sz(ssize_t r)
{
	return r == -1 ? -errno : r;
}
