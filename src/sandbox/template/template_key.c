/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files count by their contents. To read all of QEMU and the kernel takes longer than a start from
 * a template: what was read once is kept in the store, with what says that the file is still the
 * same (device, inode, size, times). Who makes templates reads; a start goes by what it finds.
 */
#include "sandbox/template/template_key.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "sandbox/hypervisor/vm_config.h"

#define CACHE_NAME "digests"
#define CACHE_MAX 16384
/* Changed with whatever makes old templates useless although nothing else has changed. */
#define FORMAT "kata-template 1"

struct key {
	int store_fd;
	bool may_read;
	struct strbuf cache; /* lines "<identity> <digest>" */
	bool learnt;	     /* something that is not in the file yet */
	SHA2_CTX context;
};

static void load_cache(struct key *key)
{
	cleanup_free char *text = NULL;
	ssize_t n = io_read_regular_at(key->store_fd, CACHE_NAME, CACHE_MAX, &text);

	/* Without it files are read anew. */
	if (n > 0 && text[n - 1] == '\n' && strbuf_add(&key->cache, text, (size_t)n) < 0)
		strbuf_deinit(&key->cache);
}

/* Return: the digest behind @identity, or NULL. */
static const char *look_up(const struct key *key, const char *identity)
{
	size_t len = strlen(identity);

	for (const char *line = key->cache.data; line && *line;) {
		const char *end = strchr(line, '\n');

		if (!end)
			return NULL;
		if ((size_t)(end - line) == len + 1 + SNAPSHOT_DIGEST_LEN &&
		    !strncmp(line, identity, len) && line[len] == ' ')
			return line + len + 1;
		line = end + 1;
	}
	return NULL;
}

static int learn(struct key *key, int fd, const struct stat *st, const char *identity,
		 char ret[SNAPSHOT_DIGEST_LEN + 1])
{
	char after[IO_STATE_MAX];
	struct stat now;

	if (!key->may_read)
		return -EAGAIN;
	int r = snapshot_digest(fd, (uint64_t)st->st_size, ret);
	if (r >= 0)
		r = neg_errno(fstat(fd, &now));
	if (r < 0)
		return r;
	io_describe_state(&now, after);
	if (!str_eq(identity, after)) /* somebody writes to it just now */
		return -EAGAIN;
	if (key->cache.len > CACHE_MAX / 2) /* of files that are no more, most likely */
		strbuf_deinit(&key->cache);
	key->learnt = true;
	return strbuf_printf(&key->cache, "%s %s\n", identity, ret);
}

static void add_text(struct key *key, const char *name, const char *value)
{
	char head[64];

	/* With its length, so that no two lists of values are the same text. */
	int n = snprintf(head, sizeof(head), "%s %zu ", name, value ? strlen(value) : 0);
	SHA256Update(&key->context, (const uint8_t *)head, (size_t)n);
	if (value)
		SHA256Update(&key->context, (const uint8_t *)value, strlen(value));
}

static void add_number(struct key *key, const char *name, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	add_text(key, name, text);
}

static int add_file(struct key *key, const char *name, const char *path, struct err *err)
{
	char identity[IO_STATE_MAX], digest[SNAPSHOT_DIGEST_LEN + 1] = "";
	struct stat st;

	if (str_empty(path)) {
		add_text(key, name, NULL);
		return 0;
	}
	cleanup_close int fd = io_open_regular(path, &st);
	if (fd < 0)
		return err_set_errno(err, fd, "read %s", path);
	io_describe_state(&st, identity);
	const char *known = look_up(key, identity);
	if (known)
		memcpy(digest, known, SNAPSHOT_DIGEST_LEN);
	int r = known ? 0 : learn(key, fd, &st, identity, digest);
	if (r < 0)
		return err_set_errno(err, r, "read %s", path);
	add_text(key, name, digest);
	return 0;
}

static int add_files(struct key *key, const struct vm_config *vm, struct err *err)
{
	const struct {
		const char *name, *path;
	} files[] = {
		{ "vmm", vm->path },	      { "kernel", vm->kernel },
		{ "initrd", vm->initrd },     { "firmware", vm->firmware },
		{ "self", "/proc/self/exe" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int r = add_file(key, files[i].name, files[i].path, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static void add_settings(struct key *key, const struct vm_config *vm)
{
	add_text(key, "machine", vm->machine_type);
	add_text(key, "options", vm->machine_accelerators);
	add_number(key, "accel", vm->accel);
	add_text(key, "cpu", vm->cpu_model);
	add_text(key, "features", vm->cpu_features);
	add_text(key, "params", vm->kernel_params);
	add_number(key, "vcpus", vm->vcpus);
	add_number(key, "max_vcpus", vm->max_vcpus);
	add_number(key, "memory", vm->memory.mib);
	add_number(key, "max_memory", vm->memory.max_mib);
	add_number(key, "slots", vm->memory.slots);
	add_number(key, "virtio_mem", vm->memory.virtio_mem);
	add_number(key, "balloon", vm->memory.report_free_pages);
	add_number(key, "bridges", vm->bridges);
	add_number(key, "debug", vm->debug);
}

static void save_cache(const struct key *key)
{
	int r = key->learnt ? io_replace_file_at(key->store_fd, CACHE_NAME, key->cache.data,
						 key->cache.len, 0600)
			    : 0;

	if (r < 0)
		log_debug("digests of files are not kept: %s", strerror(-r));
}

/**
 * template_key_find() - the key of a VM
 * @store_fd: store, with what is known of files
 * @vm: VM, of which the kernel parameters are those without a sandbox's own
 * @may_read: read files of which nothing is known, which takes some tenths of a second
 * @ret: receives it
 * @err: filled on failure
 *
 * Return: 0, -EAGAIN when something is not known that would have to be read, or -errno.
 */
int template_key_find(int store_fd, const struct vm_config *vm, bool may_read,
		      char ret[SNAPSHOT_DIGEST_LEN + 1], struct err *err)
{
	struct key key = { .store_fd = store_fd, .may_read = may_read };

	SHA256Init(&key.context);
	load_cache(&key);
	add_text(&key, "format", FORMAT);
	int r = add_files(&key, vm, err);
	if (r >= 0) {
		add_settings(&key, vm);
		(void)SHA256End(&key.context, ret);
		save_cache(&key);
	}
	strbuf_deinit(&key.cache);
	return r;
}
