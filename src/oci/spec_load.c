/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the config.json of a bundle from the disk. What is in it is oci/spec_parse.c's matter.
 */
#include "oci/spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"

/* The contents of a regular file. */
static int read_regular(const char *path, char **ret, size_t *ret_len, struct err *err)
{
	struct stat st;
	cleanup_close int fd = io_open_regular(path, &st);
	cleanup_free char *data = NULL;
	int r;

	if (fd == -EINVAL)
		return err_set(err, EINVAL, "%s: not a regular file", path);
	if (fd < 0)
		return err_set_errno(err, fd, "%s", path);
	if ((uintmax_t)st.st_size > OCI_SPEC_MAX)
		return err_set(err, E2BIG, "%s: %jd bytes long, at most %zu are accepted", path,
			       (intmax_t)st.st_size, OCI_SPEC_MAX);
	*ret_len = (size_t)st.st_size;
	data = malloc(*ret_len + 1);
	if (!data)
		return err_set(err, ENOMEM, "out of memory");
	r = io_read_full(fd, data, *ret_len);
	if (r < 0)
		return err_set_errno(err, r, "read %s", path);
	*ret = TAKE_PTR(data);
	return 0;
}

/**
 * oci_spec_load() - read the config.json of a bundle
 * @bundle: the bundle's directory
 * @arena: receives the structs
 * @ret: the specification; types are checked, contents are not
 * @err: receives the reason
 *
 * Return: 0, -ENOENT when there is no bundle or no config.json in it, -EINVAL, -E2BIG, -ENOMEM, or
 * what reading gave.
 */
int oci_spec_load(const char *bundle, struct arena *arena, struct oci_spec **ret, struct err *err)
{
	cleanup_free char *data = NULL, *path = NULL;
	size_t len = 0;
	int r;

	if (asprintf(&path, "%s/config.json", bundle) < 0) {
		path = NULL; /* undefined after a failure */
		return err_set(err, ENOMEM, "out of memory");
	}
	r = read_regular(path, &data, &len, err);
	if (r < 0)
		return r;
	return oci_spec_parse(data, len, path, arena, ret, err);
}
