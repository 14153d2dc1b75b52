/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Configuration by annotation
 *
 * A pod's annotations "io.katacontainers.config.<section>.<key>" change the configuration of its
 * own sandbox. Who writes a pod is not who administers the host, so everything is denied that the
 * configuration does not list:
 *
 *	hypervisor.<key>	<key> must match an extended regular expression of [hypervisor.qemu]
 *			enable_annotations
 *	runtime.<key>		"runtime.<key>" must match one of [runtime] enable_annotations
 *	agent.<key>		"agent.<key>" must match one of [runtime] enable_annotations
 *
 * and a path must also match a glob of its valid_*_paths list. The expressions are anchored at both
 * ends. A few keys that affect the pod alone need no permission. Kata Containers itself does not
 * filter runtime.* and agent.*; there, kernel_modules makes any pod load modules, and that is not
 * followed. Annotations known to have no effect are ignored in runtime and agent, where every pod
 * may carry them. A denied annotation is an error, because a pod that runs without what its
 * annotations promise may be less safe than its author thinks.
 */
#include "config/config.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "common/str.h"
#include "config/keys.h"
#include "config/load.h"
#include "config/patterns.h"
#include "config/value.h"

#define PREFIX "io.katacontainers.config."
#define NAME_MAX_LEN 128

static const struct {
	const char *prefix;
	enum config_section section;
} sections[] = {
	{ "hypervisor.", CONFIG_HYPERVISOR },
	{ "agent.", CONFIG_AGENT },
	{ "runtime.", CONFIG_RUNTIME },
};

/*
 * @name as the lists of the configuration write it: hypervisor keys alone, others with their
 * section.
 */
static int is_listed(const struct config *config, enum config_section section, const char *name,
		     const char *suffix, struct err *err)
{
	if (strlen(suffix) > NAME_MAX_LEN) /* bounds what the expressions are run on */
		return 0;
	if (section == CONFIG_HYPERVISOR)
		return config_patterns_match(&config->hypervisor.enable_annotations, name, err);
	return config_patterns_match(&config->runtime.enable_annotations, suffix, err);
}

/**
 * config_path_is_listed() - is a path among those that the configuration allows
 * @globs: patterns; they match neither across a '/' nor ".", ".." and hidden names, so what matches
 *	lies in the folder they name
 * @path: path
 *
 * Return: true when it is absolute and one of them matches.
 */
bool config_path_is_listed(const struct strv *globs, const char *path)
{
	for (size_t i = 0; path[0] == '/' && i < globs->nr; i++)
		if (fnmatch(globs->v[i], path, FNM_PATHNAME | FNM_PERIOD | FNM_NOESCAPE) == 0)
			return true;
	return false;
}

static int check_path(const struct config_key *key, const struct config *config, const char *path,
		      struct err *err)
{
	const struct strv *allowed = CONFIG_FIELD_CONST(struct strv, config, key->allowed_offset);

	if (config_path_is_listed(allowed, path))
		return 0;
	return err_set(err, EPERM, "\"%s\" is not among the paths that the configuration allows",
		       path);
}

static int set(const struct config_key *key, const char *value, struct config *config,
	       struct arena *arena, struct err *err)
{
	if (key->flags & CONFIG_APPEND) {
		const char *old = *CONFIG_FIELD(const char *, config, key->offset);

		value = arena_printf(arena, "%s%s%s", old, str_empty(old) ? "" : " ", value);
		if (!value)
			return err_set(err, ENOMEM, "out of memory");
	}
	return config_set_text(key, value, config, arena, err);
}

static int apply(struct config *config, enum config_section section, const char *name,
		 const char *suffix, const char *value, struct arena *arena, struct err *err)
{
	const struct config_key *key = config_key_find_annotation(section, name);
	bool no_effect = !key && config_key_has_no_effect(section, name);
	int r;

	if (no_effect && section != CONFIG_HYPERVISOR)
		return 0;
	if (key && key->access == CONFIG_ADMIN)
		return err_set(err, EPERM, "can be set in the configuration only");
	if (!key || key->access == CONFIG_LISTED) {
		r = is_listed(config, section, name, suffix, err);
		if (r < 0)
			return r;
		if (r == 0)
			return err_set(err, EPERM,
				       "not enabled by enable_annotations in the configuration");
	}
	if (!key && !no_effect)
		return err_set(err, EINVAL, "there is no such setting");
	if (!key)
		return 0;
	if (key->allowed_offset) {
		r = check_path(key, config, value, err);
		if (r < 0)
			return r;
	}
	return set(key, value, config, arena, err);
}

/**
 * config_apply_annotations() - change a sandbox's configuration as its pod asks
 * @config: configuration from config_load(), which is changed
 * @annotations: of the pod's first container; those that are not about configuration are skipped
 * @nr: number of them
 * @arena: arena of @config
 * @err: receives the reason, with the annotation's name
 *
 * Return: 0, -EPERM for an annotation that is not allowed, -EINVAL or -ERANGE for a bad value,
 * -ENOMEM. After an error the configuration must not be used.
 */
int config_apply_annotations(struct config *config, const struct kv *annotations, size_t nr,
			     struct arena *arena, struct err *err)
{
	for (size_t i = 0; i < nr; i++) {
		const char *suffix = str_skip_prefix(annotations[i].key, PREFIX), *name = NULL;
		size_t s = 0;
		int r;

		if (!suffix)
			continue;
		for (; !name && s < ARRAY_SIZE(sections); s++)
			name = str_skip_prefix(suffix, sections[s].prefix);
		if (name)
			r = apply(config, sections[s - 1].section, name, suffix,
				  annotations[i].value, arena, err);
		else
			r = err_set(err, EINVAL, "there is no such setting");
		if (r < 0)
			return err_wrap(err, "annotation %s", annotations[i].key);
	}
	return config_complete(config, err);
}
