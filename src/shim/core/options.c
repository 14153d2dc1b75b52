/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's command line: Go style flags, one dash or two, "-flag value" or "-flag=value".
 */
#include "shim/core/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/str.h"

struct flag {
	const char *name;
	size_t string_offset, bool_offset; /* one of the two, the other is NONE */
};

#define NONE SIZE_MAX
#define STRING(name, member)                                      \
	{                                                         \
		name, offsetof(struct shim_options, member), NONE \
	}
#define BOOL(name, member)                                        \
	{                                                         \
		name, NONE, offsetof(struct shim_options, member) \
	}

static const struct flag flags[] = {
	STRING("namespace", namespace),
	STRING("id", id),
	STRING("bundle", bundle),
	STRING("address", address),
	STRING("publish-binary", publish_binary),
	STRING("socket", socket),
	STRING("config", config),
	STRING("log-format", log_format),
	BOOL("debug", debug),
	BOOL("info", info),
	BOOL("standalone", standalone),
};

static const struct flag *find_flag(const char *arg, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (strlen(flags[i].name) == len && strncmp(flags[i].name, arg, len) == 0)
			return &flags[i];
	return NULL;
}

static int parse_flag(char **argv, int *index, struct shim_options *options)
{
	const char *arg = argv[*index] + (argv[*index][1] == '-' ? 2 : 1);
	const char *equals = strchr(arg, '=');
	const struct flag *flag = find_flag(arg, equals ? (size_t)(equals - arg) : strlen(arg));

	if (!flag) {
		(void)fprintf(stderr, "unknown flag %s\n", argv[*index]);
		return -EINVAL;
	}
	if (flag->bool_offset != NONE) {
		*(bool *)((char *)options + flag->bool_offset) = !equals ||
								 str_eq(equals + 1, "true");
		return 0;
	}
	const char *value = equals ? equals + 1 : argv[++*index];
	if (!value) {
		(void)fprintf(stderr, "flag -%s needs a value\n", flag->name);
		return -EINVAL;
	}
	*(const char **)((char *)options + flag->string_offset) = value;
	return 0;
}

/**
 * shim_options_parse() - read the command line
 * @argc: of main()
 * @argv: of main(); the options point into it
 * @ret: receives the options
 *
 * Return: 0 to go on, 1 when everything has been said, -EINVAL with a line on stderr.
 */
int shim_options_parse(int argc, char **argv, struct shim_options *ret)
{
	*ret = (struct shim_options){ .namespace = "default" };
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (str_eq(arg, "-v") || str_eq(arg, "-version") || str_eq(arg, "--version")) {
			(void)printf("containerd-shim-kata-v2:\n  Version:  %s\n", KATA_VERSION);
			return 1;
		}
		int r = 0;
		if (*arg == '-')
			r = parse_flag(argv, &i, ret);
		else if (!ret->action)
			ret->action = arg;
		else
			r = -EINVAL;
		if (r < 0)
			return r;
	}
	return 0;
}
