/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest of a saved VM: a JSON object of numbers and digests. One of another version is not
 * read: nothing outlives the host's boot, so there is nothing to convert.
 */
#include "sandbox/snapshot/manifest.h"

#include <errno.h>
#include <string.h>

#include "common/json.h"

#define VERSION 1

static const struct json_limits limits = { .max_len = SNAPSHOT_MANIFEST_MAX,
					   .max_nodes = 64,
					   .max_depth = 4 };

static void write_file(struct json_writer *w, const char *name, const struct snapshot_file *file)
{
	json_member_object(w, name);
	json_member_uint(w, "size", file->size);
	json_member_uint(w, "inode", file->ino);
	json_member_uint(w, "ctime", file->ctime_ns);
	json_object_end(w);
}

/**
 * snapshot_manifest_write() - as text
 * @manifest: what
 * @out: receives it
 *
 * Return: 0 or -ENOMEM.
 */
int snapshot_manifest_write(const struct snapshot_manifest *manifest, struct strbuf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, 0);
	json_object(&w);
	json_member_uint(&w, "version", VERSION);
	json_member_str(&w, "key", manifest->key);
	write_file(&w, "memory", &manifest->memory);
	write_file(&w, "state", &manifest->state);
	json_member_str(&w, "state_digest", manifest->state_digest);
	json_member_uint(&w, "memory_data", manifest->memory_data);
	json_member_uint(&w, "memory_sum", manifest->memory_sum);
	json_object_end(&w);
	return json_writer_finish(&w);
}

static int read_u64(const struct json *object, const char *name, uint64_t *ret, struct err *err)
{
	const struct json *node = json_get(object, name);

	return node ? json_to_u64(node, UINT64_MAX, ret, err)
		    : err_set(err, EBADMSG, "%s is missing", name);
}

static int read_digest(const struct json *object, const char *name, char *ret, struct err *err)
{
	const char *text = NULL;
	int r = json_get_str(object, name, &text, err);

	if (r < 0)
		return r;
	if (!text || !snapshot_is_digest(text))
		return err_set(err, EBADMSG, "%s is no digest", name);
	strcpy(ret, text);
	return 0;
}

static int read_file(const struct json *root, const char *name, struct snapshot_file *ret,
		     struct err *err)
{
	const struct json *object = NULL;
	int r = json_get_object(root, name, &object, err);

	if (r >= 0 && !object)
		r = err_set(err, EBADMSG, "%s is missing", name);
	if (r >= 0)
		r = read_u64(object, "size", &ret->size, err);
	if (r >= 0)
		r = read_u64(object, "inode", &ret->ino, err);
	return r < 0 ? r : read_u64(object, "ctime", &ret->ctime_ns, err);
}

/**
 * snapshot_manifest_parse() - read one
 * @text: bytes
 * @len: their number
 * @ret: receives it
 * @err: says what is wrong
 *
 * Return: 0 or -errno.
 */
int snapshot_manifest_parse(const char *text, size_t len, struct snapshot_manifest *ret,
			    struct err *err)
{
	cleanup_arena struct arena *arena = NULL;
	struct snapshot_manifest manifest = { 0 };
	uint64_t version = 0;
	struct json *root;
	int r = arena_new(&arena);

	if (r < 0)
		return err_set_errno(err, r, "manifest");
	r = json_parse(arena, text, len, "manifest", &limits, &root, err);
	if (r >= 0)
		r = json_expect(root, JSON_OBJECT, err);
	if (r >= 0)
		r = read_u64(root, "version", &version, err);
	if (r >= 0 && version != VERSION)
		return err_set(err, EPROTONOSUPPORT, "a manifest of version %llu",
			       (unsigned long long)version);
	if (r >= 0)
		r = read_digest(root, "key", manifest.key, err);
	if (r >= 0)
		r = read_file(root, "memory", &manifest.memory, err);
	if (r >= 0)
		r = read_file(root, "state", &manifest.state, err);
	if (r >= 0)
		r = read_digest(root, "state_digest", manifest.state_digest, err);
	if (r >= 0)
		r = read_u64(root, "memory_data", &manifest.memory_data, err);
	if (r >= 0)
		r = read_u64(root, "memory_sum", &manifest.memory_sum, err);
	if (r >= 0)
		*ret = manifest;
	return r;
}
