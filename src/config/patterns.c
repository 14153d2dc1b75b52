/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extended regular expressions (regex(7)) of the enable_annotations lists.
 */
#include "config/patterns.h"

#include <errno.h>
#include <regex.h>

#include "common/str.h"

/* An expression of the configuration, which has to match the whole name. */
static int compile(const char *pattern, regex_t *regex, struct err *err)
{
	cleanup_strbuf struct strbuf anchored = STRBUF_NULL;

	if (strbuf_printf(&anchored, "^(%s)$", pattern) < 0)
		return err_set(err, ENOMEM, "out of memory");
	if (regcomp(regex, anchored.data, REG_EXTENDED | REG_NOSUB) != 0)
		return err_set(err, EINVAL,
			       "enable_annotations: \"%s\" is not an extended regular expression",
			       pattern);
	return 0;
}

/**
 * config_patterns_check() - are these expressions at all?
 * @patterns: an enable_annotations list
 * @err: names the first that is not
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int config_patterns_check(const struct strv *patterns, struct err *err)
{
	for (size_t i = 0; i < patterns->nr; i++) {
		regex_t regex;
		int r = compile(patterns->v[i], &regex, err);

		if (r < 0)
			return r;
		regfree(&regex);
	}
	return 0;
}

/**
 * config_patterns_match() - does one of the expressions match all of a name?
 * @patterns: an enable_annotations list
 * @name: name; its length is the caller's to bound
 * @err: filled on failure
 *
 * Return: 1 when one does, 0 when none does, -EINVAL for what is no expression, -ENOMEM.
 */
int config_patterns_match(const struct strv *patterns, const char *name, struct err *err)
{
	for (size_t i = 0; i < patterns->nr; i++) {
		regex_t regex;
		int r = compile(patterns->v[i], &regex, err);

		if (r < 0)
			return r;
		r = regexec(&regex, name, 0, NULL, 0);
		regfree(&regex);
		if (r == 0)
			return 1;
	}
	return 0;
}
