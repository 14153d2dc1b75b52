/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime spec: a config.json to start from.
 */
#include "runtime/cmd/oci/verbs.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "oci/spec.h"

static int set(void *arg, int key, const char *value, struct err *err)
{
	(void)err;
	if (key == 'b')
		*(const char **)arg = value;
	return 0;
}

static int write_template(const char *bundle, struct err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	cleanup_close int dir = neg_errno(open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	if (dir < 0)
		return err_set_errno(err, dir, "bundle %s", bundle);
	cleanup_close int fd = neg_errno(
		openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
	if (fd == -EEXIST)
		return err_set(err, EEXIST, "%s/config.json exists: remove it first", bundle);
	if (fd < 0)
		return err_set_errno(err, fd, "cannot make %s/config.json", bundle);
	int r = oci_spec_template(&text);
	if (r == 0)
		r = io_write_full(fd, text.data, text.len);
	return r < 0 ? err_set_errno(err, r, "cannot write %s/config.json", bundle) : 0;
}

/**
 * verb_spec() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_spec(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct argp_option options[] = {
		{ "bundle", 'b', "DIR", 0, "Where to write it, by default the working directory",
		  0 },
		{ "rootless", 'r', NULL, OPTION_HIDDEN, NULL, 0 },
		{ 0 },
	};
	static const struct cli_verb verb = {
		.options = options,
		.set = set,
		.doc = "Write a config.json that runs a shell.",
	};
	const char *bundle = ".";
	int r = cli_parse(&verb, argc, argv, &bundle, NULL, err);

	(void)cli;
	return r < 0 ? r : write_template(bundle, err);
}
