/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount options: one table of words. What is not in it belongs to the file system and is passed on.
 * Nothing is mounted here.
 */
#include "agent/container/rootfs/mount_options.h"

#include <string.h>
#include <sys/mount.h>

#include "common/str.h"

/* Options of one mount; a bound, as they come from a peer. */
#define MOUNT_OPTIONS_MAX 256

enum option_kind {
	OPTION_SET,   /* attribute on */
	OPTION_CLEAR, /* attribute off */
	OPTION_ATIME, /* one of the values of MOUNT_ATTR__ATIME */
	OPTION_PROPAGATION,
	OPTION_SUPER, /* flag of the superblock, for new file systems only */
	OPTION_IGNORE,
	OPTION_BIND,
	OPTION_REMOUNT,
	OPTION_TMPCOPYUP,
	OPTION_IDMAP,
};

struct option {
	const char *word;
	enum option_kind kind;
	bool recursive;
	uint64_t value; /* MOUNT_ATTR_* or MS_* */
};

#define ATTR(word, value)                         \
	{ word, OPTION_SET, false, value },       \
	{                                         \
		"r" word, OPTION_SET, true, value \
	}
#define ATTR_OFF(word, value)                       \
	{ word, OPTION_CLEAR, false, value },       \
	{                                           \
		"r" word, OPTION_CLEAR, true, value \
	}
#define ATIME(word, value)                          \
	{ word, OPTION_ATIME, false, value },       \
	{                                           \
		"r" word, OPTION_ATIME, true, value \
	}
#define PROPAGATION(word, value)                          \
	{ word, OPTION_PROPAGATION, false, value },       \
	{                                                 \
		"r" word, OPTION_PROPAGATION, true, value \
	}

static const struct option options_table[] = {
	ATTR("ro", MOUNT_ATTR_RDONLY),
	ATTR("nosuid", MOUNT_ATTR_NOSUID),
	ATTR("nodev", MOUNT_ATTR_NODEV),
	ATTR("noexec", MOUNT_ATTR_NOEXEC),
	ATTR("nodiratime", MOUNT_ATTR_NODIRATIME),
	ATTR("nosymfollow", MOUNT_ATTR_NOSYMFOLLOW),
	ATTR_OFF("rw", MOUNT_ATTR_RDONLY),
	ATTR_OFF("suid", MOUNT_ATTR_NOSUID),
	ATTR_OFF("dev", MOUNT_ATTR_NODEV),
	ATTR_OFF("exec", MOUNT_ATTR_NOEXEC),
	ATTR_OFF("diratime", MOUNT_ATTR_NODIRATIME),
	ATTR_OFF("symfollow", MOUNT_ATTR_NOSYMFOLLOW),
	ATIME("relatime", MOUNT_ATTR_RELATIME),
	ATIME("norelatime", MOUNT_ATTR_STRICTATIME),
	ATIME("noatime", MOUNT_ATTR_NOATIME),
	ATIME("atime", MOUNT_ATTR_RELATIME),
	ATIME("strictatime", MOUNT_ATTR_STRICTATIME),
	ATIME("nostrictatime", MOUNT_ATTR_RELATIME),
	PROPAGATION("shared", MS_SHARED),
	PROPAGATION("slave", MS_SLAVE),
	PROPAGATION("private", MS_PRIVATE),
	PROPAGATION("unbindable", MS_UNBINDABLE),
	{ "sync", OPTION_SUPER, false, 0 },
	{ "dirsync", OPTION_SUPER, false, 0 },
	{ "lazytime", OPTION_SUPER, false, 0 },
	{ "mand", OPTION_SUPER, false, 0 },
	{ "async", OPTION_IGNORE, false, 0 },
	{ "nolazytime", OPTION_IGNORE, false, 0 },
	{ "nomand", OPTION_IGNORE, false, 0 },
	{ "iversion", OPTION_IGNORE, false, 0 },
	{ "noiversion", OPTION_IGNORE, false, 0 },
	{ "silent", OPTION_IGNORE, false, 0 },
	{ "loud", OPTION_IGNORE, false, 0 },
	{ "defaults", OPTION_IGNORE, false, 0 },
	{ "bind", OPTION_BIND, false, 0 },
	{ "rbind", OPTION_BIND, true, 0 },
	{ "remount", OPTION_REMOUNT, false, 0 },
	{ "tmpcopyup", OPTION_TMPCOPYUP, false, 0 },
	{ "idmap", OPTION_IDMAP, false, 0 },
	{ "ridmap", OPTION_IDMAP, true, 0 },
};

static const struct option *find_option(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(options_table); i++)
		if (str_eq(options_table[i].word, word))
			return &options_table[i];
	return NULL;
}

static void change_set(struct mount_change *change, uint64_t set, uint64_t clear)
{
	change->set = (change->set & ~clear) | set;
	change->clear = (change->clear & ~set) | clear;
}

static int add_propagation(const struct option *option, struct mount_options *ret, struct err *err)
{
	if (ret->nr_propagation == MOUNT_PROPAGATIONS_MAX)
		return err_set(err, EINVAL, "more than %d propagation options",
			       MOUNT_PROPAGATIONS_MAX);
	ret->propagation[ret->nr_propagation++] =
		(struct mount_propagation){ .flag = option->value, .recursive = option->recursive };
	return 0;
}

/* Passes "a=1,b" on as "a=1" and "b"; a comma behind a backslash does not separate. */
static int add_data(struct arena *arena, struct strv *data, const char *text)
{
	while (*text) {
		size_t len = 0;

		while (text[len] && text[len] != ',')
			len += text[len] == '\\' && text[len + 1] ? 2 : 1;
		if (len) {
			char *one = arena_strndup(arena, text, len);
			int r = one ? arena_strv_add(arena, data, one) : -ENOMEM;
			if (r < 0)
				return r;
		}
		text += len;
		text += *text == ',';
	}
	return 0;
}

static int apply_option(struct arena *arena, const char *word, struct mount_options *ret,
			struct err *err)
{
	const struct option *option = find_option(word);

	if (!option) {
		int r = add_data(arena, &ret->data, word);
		return r < 0 ? err_set_errno(err, r, "mount option %.100s", word) : 0;
	}
	struct mount_change *change = option->recursive ? &ret->tree : &ret->self;
	switch (option->kind) {
	case OPTION_SET:
		change_set(change, option->value, 0);
		return 0;
	case OPTION_CLEAR:
		change_set(change, 0, option->value);
		return 0;
	case OPTION_ATIME:
		/* The kernel wants all bits of the old value cleared in the same call. */
		change->clear |= MOUNT_ATTR__ATIME;
		change->set = (change->set & ~(uint64_t)MOUNT_ATTR__ATIME) | option->value;
		return 0;
	case OPTION_PROPAGATION:
		return add_propagation(option, ret, err);
	case OPTION_SUPER: {
		int r = arena_strv_add(arena, &ret->super, word);
		return r < 0 ? err_set_errno(err, r, "mount option %s", word) : 0;
	}
	case OPTION_IGNORE:
		return 0;
	case OPTION_BIND:
		ret->bind = true;
		ret->recursive |= option->recursive;
		return 0;
	case OPTION_REMOUNT:
		ret->remount = true;
		return 0;
	case OPTION_TMPCOPYUP:
		ret->tmpcopyup = true;
		return 0;
	case OPTION_IDMAP:
		ret->idmap = true;
		ret->recursive_idmap |= option->recursive;
		return 0;
	}
	return 0;
}

/**
 * mount_options_parse() - understand the options of one mount
 * @arena: holds the result
 * @options: list of words of the spec
 * @ret: receives the result
 * @err: names the option that is wrong
 *
 * Return: 0 or -errno.
 */
int mount_options_parse(struct arena *arena, const struct strv *options, struct mount_options *ret,
			struct err *err)
{
	struct mount_options parsed = { 0 };

	if (options->nr > MOUNT_OPTIONS_MAX)
		return err_set(err, E2BIG, "more than %d mount options", MOUNT_OPTIONS_MAX);
	for (size_t i = 0; i < options->nr; i++) {
		int r = apply_option(arena, options->v[i], &parsed, err);

		if (r < 0)
			return r;
	}
	*ret = parsed;
	return 0;
}

/**
 * mount_propagation_parse() - understand linux.rootfsPropagation
 * @word: "rprivate" ...
 * @ret: receives the flag
 *
 * Return: 0 or -EINVAL.
 */
int mount_propagation_parse(const char *word, struct mount_propagation *ret)
{
	const struct option *option = find_option(word);

	if (!option || option->kind != OPTION_PROPAGATION)
		return -EINVAL;
	*ret = (struct mount_propagation){ .flag = option->value, .recursive = option->recursive };
	return 0;
}
