/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error object: a code and one line of text that grows outwards, each caller putting its
 * context in front.
 */
#include "common/err.h"

#include <stdio.h>
#include <string.h>

#include "common/utf8.h"

/**
 * err_setv() - fill an error from a va_list
 * @err: object to fill; what it held before is overwritten
 * @code: positive errno
 * @fmt: one line without a final full stop or newline
 * @ap: arguments of @fmt; control characters in them become question marks
 *
 * Return: -@code.
 */
int err_setv(struct err *err, int code, const char *fmt, va_list ap)
{
	char text[ERR_TEXT_MAX];

	/* Into a local buffer first: one of the arguments may be err->text. */
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	/* A guest, an image or a spec may have had its say in it, and a person will read it. */
	utf8_make_printable(text, strlen(text), "");
	memcpy(err->text, text, sizeof(text));
	err->code = code;
	return -code;
}

/**
 * err_set() - fill an error
 * @err: object to fill
 * @code: positive errno that decides the exit status or ttrpc code
 * @fmt: one line for the user, naming the thing and the place
 *
 * Return: -@code, so that callers can write `return err_set(...)`.
 */
int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)err_setv(err, code, fmt, ap);
	va_end(ap);
	return -code;
}

/**
 * err_set_errno() - fill an error and append the text of a -errno value
 * @err: object to fill
 * @r: negative errno of the call that failed
 * @fmt: what was tried, as in "open /dev/net/tun"
 *
 * Return: @r.
 */
int err_set_errno(struct err *err, int r, const char *fmt, ...)
{
	char what[ERR_TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(err, -r, "%s: %s", what, strerror(-r));
}

/**
 * err_wrap() - put context in front of an error that is already set
 * @err: error set by a callee
 * @fmt: the context, for example "container foo"
 *
 * Return: the negative code the error carries.
 */
int err_wrap(struct err *err, const char *fmt, ...)
{
	char context[ERR_TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	return err_set(err, err->code, "%s: %s", context, err->text);
}
