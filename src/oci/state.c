/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state document in its three forms: for hooks, for `state`, for `list`. Where the values come
 * from is the caller's business.
 */
#include "oci/state.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "oci/spec.h"
#include "oci/spec_fields.h"

/**
 * oci_state_format() - the state as a hook reads it
 * @state: the state
 * @out: buffer the JSON text, on one line, is appended to
 *
 * Return: 0 or -ENOMEM.
 */
int oci_state_format(const struct oci_state *state, struct strbuf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, 0);
	spec_object_write(&w, &spec_table_state, state);
	return json_writer_finish(&w);
}

/**
 * oci_state_parse_for_test() - read a state document
 * @data: its text
 * @len: length of it
 * @name: what errors call it
 * @arena: receives the structs
 * @ret: the state
 * @err: receives the reason, with line and path
 *
 * Return: 0, -EINVAL, -E2BIG or -ENOMEM.
 */
int oci_state_parse_for_test(const char *data, size_t len, const char *name, struct arena *arena,
			     struct oci_state **ret, struct err *err)
{
	void *object;
	int r = spec_document_parse(data, len, name, &spec_table_state, arena, &object, err);

	if (r == 0)
		*ret = object;
	return r;
}

/**
 * oci_container_info_write() - one container as `state` prints it and as an element of what `list`
 * prints
 * @w: writer, where a value may stand
 * @info: the container; absent strings are left out, the pid is always written
 */
void oci_container_info_write(struct json_writer *w, const struct oci_container_info *info)
{
	const struct oci_state *state = &info->state;

	json_object(w);
	json_member_str(w, "ociVersion", state->oci_version);
	json_member_str(w, "id", state->id);
	json_member_int(w, "pid", state->pid);
	json_member_str(w, "status", state->status);
	json_member_str(w, "bundle", state->bundle);
	json_member_str(w, "rootfs", info->rootfs);
	json_member_str(w, "created", info->created);
	json_member_map(w, "annotations", state->annotations, state->nr_annotations);
	json_member_str(w, "owner", info->owner ? info->owner : "");
	json_object_end(w);
}

/**
 * oci_time_format() - a point in time as RFC 3339 in UTC, the fraction without trailing zeros
 * @sec: seconds since the epoch
 * @nsec: nanoseconds
 * @buf: receives the text; 40 bytes are enough until the year 9999
 * @size: room in @buf
 *
 * Return: 0, -EOVERFLOW for a year no calendar has, -ENOSPC when @buf is too small.
 */
int oci_time_format(int64_t sec, uint32_t nsec, char *buf, size_t size)
{
	time_t t = (time_t)sec;
	char date[40], fraction[16] = "";
	struct tm tm;
	int len;

	if (!gmtime_r(&t, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
		return -EOVERFLOW;
	if (!strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm))
		return -EOVERFLOW;
	if (nsec) {
		len = snprintf(fraction, sizeof(fraction), ".%09u", nsec % 1000000000u);
		while (fraction[len - 1] == '0')
			fraction[--len] = '\0';
		if (len == 1)
			fraction[0] = '\0';
	}
	len = snprintf(buf, size, "%s%sZ", date, fraction);
	return len < 0 || (size_t)len >= size ? -ENOSPC : 0;
}
