/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads mount options. Mounting is storage.c's business.
 */
#include "agent/storage/storage_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "kata/guest.h"

/* The kernel takes one page of data. */
#define MOUNT_DATA_MAX 4095

static const struct flag_word {
	const char *word;
	unsigned long set, clear;
} flag_words[] = {
	{ "async", 0, MS_SYNCHRONOUS },
	{ "atime", 0, MS_NOATIME },
	{ "bind", MS_BIND, 0 },
	{ "defaults", 0, 0 },
	{ "dev", 0, MS_NODEV },
	{ "diratime", 0, MS_NODIRATIME },
	{ "dirsync", MS_DIRSYNC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "iversion", MS_I_VERSION, 0 },
	{ "lazytime", MS_LAZYTIME, 0 },
	{ "loud", 0, MS_SILENT },
	{ "mand", MS_MANDLOCK, 0 },
	{ "noatime", MS_NOATIME, 0 },
	{ "nodev", MS_NODEV, 0 },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "noexec", MS_NOEXEC, 0 },
	{ "noiversion", 0, MS_I_VERSION },
	{ "nomand", 0, MS_MANDLOCK },
	{ "norelatime", 0, MS_RELATIME },
	{ "nostrictatime", 0, MS_STRICTATIME },
	{ "nosuid", MS_NOSUID, 0 },
	{ "rbind", MS_BIND | MS_REC, 0 },
	{ "relatime", MS_RELATIME, 0 },
	{ "remount", MS_REMOUNT, 0 },
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "silent", MS_SILENT, 0 },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "sync", MS_SYNCHRONOUS, 0 },
};

static const struct {
	const char *word;
	unsigned long flags;
} propagation_words[] = {
	{ "private", MS_PRIVATE },	 { "rprivate", MS_PRIVATE | MS_REC },
	{ "shared", MS_SHARED },	 { "rshared", MS_SHARED | MS_REC },
	{ "slave", MS_SLAVE },		 { "rslave", MS_SLAVE | MS_REC },
	{ "unbindable", MS_UNBINDABLE }, { "runbindable", MS_UNBINDABLE | MS_REC },
};

static bool parse_flag(const char *word, struct storage_options *opts)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_words); i++) {
		if (!str_eq(flag_words[i].word, word))
			continue;
		opts->flags = (opts->flags & ~flag_words[i].clear) | flag_words[i].set;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(propagation_words); i++) {
		if (!str_eq(propagation_words[i].word, word))
			continue;
		opts->propagation = propagation_words[i].flags;
		return true;
	}
	return false;
}

static int parse_mode(const char *text, mode_t *ret)
{
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (!*text || *end || mode > 07777 || *text == '-')
		return -EINVAL;
	*ret = (mode_t)mode;
	return 0;
}

static int parse_gid(const char *text, gid_t *ret)
{
	uint32_t gid;
	int r = str_to_u32(text, &gid);

	if (r >= 0)
		*ret = gid;
	return r;
}

static int add_data(struct storage_options *opts, const char *word)
{
	if (opts->data.len + strlen(word) + 1 > MOUNT_DATA_MAX)
		return -E2BIG;
	if (opts->data.len && strbuf_puts(&opts->data, ",") < 0)
		return -ENOMEM;
	return strbuf_puts(&opts->data, word);
}

static int parse_word(const char *word, struct storage_options *opts)
{
	const char *value;
	int r;

	if (str_empty(word) || parse_flag(word, opts))
		return 0;
	if ((value = str_skip_prefix(word, "fsgid="))) {
		r = parse_gid(value, &opts->gid);
		opts->has_gid = r >= 0;
		return r;
	}
	if ((value = str_skip_prefix(word, "mode="))) {
		r = parse_mode(value, &opts->mode);
		opts->has_mode = r >= 0;
		return r;
	}
	if (str_eq(word, KATA_OVERLAY_RW)) {
		opts->overlay_rw = true;
		return 0;
	}
	/* Other words of that family are notes between host components. */
	if (str_skip_prefix(word, "io.katacontainers."))
		return 0;
	return add_data(opts, word);
}

/**
 * storage_options_parse() - sort mount options
 * @options: one option each; some peers join several with commas
 * @ret: receives them; released with storage_options_deinit()
 * @err: names the option that is wrong
 *
 * Return: 0 or -errno.
 */
int storage_options_parse(const struct strv *options, struct storage_options *ret, struct err *err)
{
	cleanup_storage_options struct storage_options opts = STORAGE_OPTIONS_NULL;

	for (size_t i = 0; i < options->nr; i++) {
		int r = parse_word(options->v[i], &opts);

		if (r < 0)
			return err_set_errno(err, r, "mount option %s", options->v[i]);
	}
	*ret = opts;
	opts.data = STRBUF_NULL;
	return 0;
}

/**
 * storage_options_deinit() - release what parsing allocated
 * @options: options or STORAGE_OPTIONS_NULL
 */
void storage_options_deinit(struct storage_options *options)
{
	strbuf_deinit(&options->data);
}
