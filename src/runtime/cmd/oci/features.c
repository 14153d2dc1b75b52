/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime features.
 */
#include "runtime/cmd/oci/verbs.h"

#include "common/str.h"
#include "oci/spec.h"

/**
 * verb_features() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_features(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct cli_verb verb = {
		.doc = "Print what this runtime implements, as JSON."
	};
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	int r = cli_parse(&verb, argc, argv, NULL, NULL, err);

	(void)cli;
	if (r < 0)
		return r;
	r = oci_features_format(2, &out);
	if (r == 0)
		r = strbuf_puts(&out, "\n");
	return r < 0 ? err_set_errno(err, r, "features") : cli_print(out.data, out.len, err);
}
