/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds configuration.toml and its drop-ins, reads them in order over the defaults and completes
 * what depends on the host. Annotations come later, in annotations.c.
 */
#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "common/toml.h"
#include "config/keys.h"
#include "config/load.h"
#include "config/patterns.h"
#include "config/value.h"
#include "paths.h"

#define ENV_CONFIG "KATA_CONF_FILE"
#define DROP_INS_MAX 256

/* Where a configuration is looked for, best first. */
static const char *const search_paths[] = {
	"/etc/kata-containers/configuration.toml",
	KATA_DEFAULTSDIR "/configuration.toml",
	"/usr/share/defaults/kata-containers/configuration.toml",
	"/opt/kata/share/defaults/kata-containers/configuration.toml",
};

/*
 * Only an administrator can write below these, which is why the environment may choose among their
 * files.
 */
static const char *const admin_dirs[] = {
	"/etc/kata-containers/",
	KATA_DEFAULTSDIR "/",
	"/usr/share/defaults/kata-containers/",
	"/opt/kata/share/defaults/kata-containers/",
};

/* Where distributions put virtiofsd; the Rust one first. */
static const char *const virtiofsd_paths[] = {
	"/usr/libexec/virtiofsd",  KATA_LIBEXECDIR "/virtiofsd",  "/usr/lib/virtiofsd",
	"/usr/lib/qemu/virtiofsd", "/opt/kata/libexec/virtiofsd",
};

struct loader {
	struct config *config;
	struct arena *arena;
	const char *file; /* being read */
	struct err *err;
};

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

static int note(struct loader *ld, struct strv *list, const struct toml *node, const char *path,
		const char *what)
{
	char *text = arena_printf(ld->arena, "%s:%u: %s%s", ld->file, node->line, path, what);

	if (!text || arena_strv_add(ld->arena, list, text) < 0)
		return no_memory(ld->err);
	return 0;
}

static int unknown(struct loader *ld, const struct toml *node, const char *prefix)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s%s", prefix, node->key);
	return note(ld, &ld->config->warnings, node, path, ": unknown key, ignored");
}

/*
 * [factory], or as newer files have it [hypervisor.qemu.factory], is a table where others have a
 * value.
 */
static int read_section(struct loader *ld, const struct toml *table, enum config_section section,
			const char *prefix);

static int read_key(struct loader *ld, const struct toml *node, enum config_section section,
		    const char *prefix)
{
	const struct config_key *key = config_key_find(section, node->key);
	char path[256];
	int r;

	if (section == CONFIG_HYPERVISOR && node->type == TOML_TABLE &&
	    str_eq(node->key, "factory"))
		return read_section(ld, node, CONFIG_FACTORY, "hypervisor.qemu.factory.");
	(void)snprintf(path, sizeof(path), "%s%s", prefix, node->key);
	if (!key && config_key_has_no_effect(section, node->key))
		return note(ld, &ld->config->notes, node, path, " has no effect");
	if (!key)
		return unknown(ld, node, prefix);
	r = config_set_toml(key, node, ld->config, ld->arena, ld->err);
	if (r < 0)
		return err_wrap(ld->err, "%s:%u: %s", ld->file, node->line, path);
	return 0;
}

static int read_section(struct loader *ld, const struct toml *table, enum config_section section,
			const char *prefix)
{
	if (table->type != TOML_TABLE)
		return err_set(ld->err, EINVAL, "%s:%u: %.*s: expected a table, found %s", ld->file,
			       table->line, (int)strlen(prefix) - 1, prefix,
			       toml_type_name(table->type));
	toml_for_each(node, table) {
		int r = read_key(ld, node, section, prefix);

		if (r < 0)
			return r;
	}
	return 0;
}

/* [hypervisor.NAME] and [agent.NAME]: of each, only the table called @ours is read. */
static int read_named(struct loader *ld, const struct toml *table, enum config_section section,
		      const char *ours, const char *prefix)
{
	if (table->type != TOML_TABLE)
		return err_set(ld->err, EINVAL, "%s:%u: %s: expected a table, found %s", ld->file,
			       table->line, table->key, toml_type_name(table->type));
	toml_for_each(node, table) {
		char path[256];
		int r;

		(void)snprintf(path, sizeof(path), "[%s.%s]", table->key, node->key);
		if (str_eq(node->key, ours))
			r = read_section(ld, node, section, prefix);
		else if (node->type == TOML_TABLE)
			r = note(ld, &ld->config->notes, node, path, " has no effect");
		else
			r = unknown(ld, node,
				    section == CONFIG_HYPERVISOR ? "hypervisor." : "agent.");
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_old_section(const char *name)
{
	return str_eq(name, "proxy") || str_eq(name, "shim") || str_eq(name, "netmon");
}

static int read_document(struct loader *ld, const char *data, size_t len)
{
	struct toml *root;
	int r = toml_parse(ld->arena, data, len, ld->file, &root, ld->err);

	if (r < 0)
		return r;
	toml_for_each(node, root) {
		if (str_eq(node->key, "hypervisor"))
			r = read_named(ld, node, CONFIG_HYPERVISOR, "qemu", "hypervisor.qemu.");
		else if (str_eq(node->key, "agent"))
			r = read_named(ld, node, CONFIG_AGENT, "kata", "agent.kata.");
		else if (str_eq(node->key, "factory"))
			r = read_section(ld, node, CONFIG_FACTORY, "factory.");
		else if (str_eq(node->key, "runtime"))
			r = read_section(ld, node, CONFIG_RUNTIME, "runtime.");
		else if (is_old_section(node->key))
			r = note(ld, &ld->config->notes, node, node->key, " has no effect");
		else
			r = unknown(ld, node, "");
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_file(struct loader *ld, const char *path)
{
	struct stat st;
	cleanup_close int fd = io_open_regular(path, &st);
	cleanup_free char *data = NULL;
	size_t len;
	int r;

	if (fd == -EINVAL)
		return err_set(ld->err, EINVAL, "%s: not a regular file", path);
	if (fd < 0)
		return err_set_errno(ld->err, fd, "%s", path);
	if (st.st_mode & S_IWOTH)
		return err_set(ld->err, EPERM, "%s: everybody may write to it, so it is not used",
			       path);
	if ((uintmax_t)st.st_size > CONFIG_FILE_MAX)
		return err_set(ld->err, E2BIG, "%s: %jd bytes long, at most %zu are accepted", path,
			       (intmax_t)st.st_size, CONFIG_FILE_MAX);
	len = (size_t)st.st_size;
	data = malloc(len + 1);
	ld->file = arena_strdup(ld->arena, path);
	if (!data || !ld->file || arena_strv_add(ld->arena, &ld->config->files, path) < 0)
		return no_memory(ld->err);
	r = io_read_full(fd, data, len);
	if (r < 0)
		return err_set_errno(ld->err, r, "read %s", path);
	return read_document(ld, data, len);
}

static int is_drop_in(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && str_eq(entry->d_name + len - 5, ".toml");
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name,
		      (*b)->d_name); /* not alphasort(), which depends on the locale */
}

/* config.d/ beside the file that was read, not beside a symbolic link to it. */
static int read_drop_ins(struct loader *ld, const char *file)
{
	cleanup_free char *real = realpath(file, NULL);
	struct dirent **entries = NULL;
	char *slash = real ? strrchr(real, '/') : NULL, *dir;
	int nr, r = 0;

	if (!slash)
		return err_set_errno(ld->err, -errno, "%s", file);
	dir = arena_printf(ld->arena, "%.*s/config.d", (int)(slash - real), real);
	if (!dir)
		return no_memory(ld->err);
	nr = scandir(dir, &entries, is_drop_in, compare_names);
	if (nr < 0)
		return errno == ENOENT ? 0 : err_set_errno(ld->err, -errno, "%s", dir);
	if (nr > DROP_INS_MAX)
		r = err_set(ld->err, E2BIG, "%s: %d files, at most %d are accepted", dir, nr,
			    DROP_INS_MAX);
	for (int i = 0; i < nr; i++) {
		char *path = r == 0 ? arena_printf(ld->arena, "%s/%s", dir, entries[i]->d_name)
				    : NULL;

		if (r == 0)
			r = path ? read_file(ld, path) : no_memory(ld->err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

static int default_list(struct strv *list, const char *value, struct arena *arena, struct err *err)
{
	if (list->nr || str_empty(value))
		return 0;
	return arena_strv_add(arena, list, value) < 0 ? no_memory(err) : 0;
}

/* Where the file has no list of allowed values, an annotation may name the configured one only. */
static int default_lists(struct config_hypervisor *hv, struct arena *arena, struct err *err)
{
	bool sources_given = hv->valid_entropy_sources.nr > 0;
	int r = default_list(&hv->valid_hypervisor_paths, hv->path, arena, err);

	if (r == 0)
		r = default_list(&hv->valid_virtio_fs_daemon_paths, hv->virtio_fs_daemon, arena,
				 err);
	if (r == 0)
		r = default_list(&hv->valid_kernel_paths, hv->kernel, arena, err);
	if (r == 0)
		r = default_list(&hv->valid_initrd_paths, hv->initrd, arena, err);
	if (r == 0)
		r = default_list(&hv->valid_firmware_paths, hv->firmware, arena, err);
	if (r == 0 && !sources_given)
		r = default_list(&hv->valid_entropy_sources, "/dev/urandom", arena, err);
	if (r == 0 && !sources_given &&
	    arena_strv_add(arena, &hv->valid_entropy_sources, "/dev/random") < 0)
		r = no_memory(err);
	return r;
}

/* It becomes one word of the guest's kernel command line; what it means is the agent's to say. */
static int check_policy(const struct strv *policy, struct err *err)
{
	size_t len = 0;

	for (size_t i = 0; i < policy->nr; i++) {
		const char *rule = policy->v[i];

		for (const char *p = rule; *p; p++)
			if (*p <= ' ' || *p > '~' || strchr("\",;", *p))
				return err_set(err, EINVAL,
					       "policy: \"%s\" has a character that "
					       "no rule may have",
					       rule);
		len += strlen(rule) + 1;
		if (!*rule || len > CONFIG_POLICY_MAX)
			return err_set(err, ERANGE, "policy: %s",
				       *rule ? "the rules are too long together"
					     : "a rule is empty");
	}
	return 0;
}

/**
 * config_complete() - fill in what depends on the host and on other keys, and check keys against
 * each other
 * @config: configuration whose keys have been read
 * @err: receives the reason
 *
 * May be repeated after keys were changed.
 *
 * Return: 0 or -ERANGE.
 */
int config_complete(struct config *config, struct err *err)
{
	struct config_hypervisor *hv = &config->hypervisor;
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t host = online > 0 ? (uint32_t)MIN(online, 1024) : 1;

	if (!hv->default_maxvcpus)
		hv->default_maxvcpus = host;
	if (!hv->default_vcpus)
		hv->default_vcpus = host;
	hv->default_vcpus =
		MIN(hv->default_vcpus, hv->default_maxvcpus); /* as Kata Containers has it */
	if (hv->default_maxmemory && hv->default_memory > hv->default_maxmemory)
		return err_set(err, ERANGE,
			       "default_memory: %u MiB is above default_maxmemory, %ju MiB",
			       hv->default_memory, (uintmax_t)hv->default_maxmemory);
	if (hv->jail_uid_count > INT32_MAX - hv->jail_uid_base)
		return err_set(err, ERANGE, "jail_uid_count: %u numbers from %u on are too many",
			       hv->jail_uid_count, hv->jail_uid_base);
	int r = check_policy(&config->agent.policy, err);
	if (r < 0)
		return r;
	for (size_t i = 0; str_empty(hv->virtio_fs_daemon) && i < ARRAY_SIZE(virtiofsd_paths); i++)
		if (access(virtiofsd_paths[i], X_OK) == 0)
			hv->virtio_fs_daemon = virtiofsd_paths[i];
	return 0;
}

static int config_new(struct arena *arena, struct config **ret, struct err *err)
{
	struct config *config = arena_alloc(arena, sizeof(*config));

	if (!config)
		return no_memory(err);
	for (size_t i = 0; i < config_nr_keys; i++) {
		int r = config_set_default(&config_keys[i], config, arena, err);

		if (r < 0)
			return err_wrap(err, "default of %s", config_keys[i].name);
	}
	*ret = config;
	return 0;
}

static int finish(struct config *config, struct arena *arena, struct err *err)
{
	int r = config_complete(config, err);

	if (r == 0)
		r = config_patterns_check(&config->hypervisor.enable_annotations, err);
	if (r == 0)
		r = config_patterns_check(&config->runtime.enable_annotations, err);
	for (size_t i = 0; r == 0 && i < config->notes.nr; i++)
		log_debug("%s", config->notes.v[i]);
	return r < 0 ? r : default_lists(&config->hypervisor, arena, err);
}

/**
 * config_parse_for_test() - read a configuration from memory, without drop-ins
 * @data: text of it
 * @len: length of that
 * @name: what errors call it
 * @arena: receives the configuration
 * @ret: the configuration
 * @err: receives the reason, with file, line and key
 *
 * Return: 0, -EINVAL, -ERANGE, -EOPNOTSUPP, -E2BIG or -ENOMEM.
 */
int config_parse_for_test(const char *data, size_t len, const char *name, struct arena *arena,
			  struct config **ret, struct err *err)
{
	struct loader ld = { .arena = arena, .file = name, .err = err };
	int r = config_new(arena, &ld.config, err);

	if (r == 0)
		r = read_document(&ld, data, len);
	if (r == 0)
		r = finish(ld.config, arena, err);
	if (r == 0)
		*ret = ld.config;
	return r;
}

/*
 * A file named by the environment, which is not to be trusted: an administrator must have put it
 * where it is.
 */
static int check_environment(const char *path, struct err *err)
{
	char real[PATH_MAX];

	if (!realpath(path, real))
		return err_set_errno(err, -errno, ENV_CONFIG "=%s", path);
	for (size_t i = 0; i < ARRAY_SIZE(admin_dirs); i++)
		if (str_skip_prefix(real, admin_dirs[i]))
			return 0;
	return err_set(err, EPERM,
		       ENV_CONFIG
		       "=%s: only files below /etc/kata-containers and the defaults folders of "
		       "an installation may be chosen that way",
		       path);
}

/**
 * config_find_file() - which configuration file is to be read?
 * @path: the file a trusted caller names (--config, the container manager's own configuration), or
 *	NULL
 * @arena: receives the answer
 * @ret: its path; NULL when there is none and the defaults hold
 * @err: receives the reason
 *
 * Return: 0, -ENOENT when a file that was named does not exist, -EPERM when the environment names
 * one it may not.
 */
int config_find_file(const char *path, struct arena *arena, const char **ret, struct err *err)
{
	const char *env = secure_getenv(ENV_CONFIG), *found = NULL;

	if (!str_empty(path)) {
		found = path;
	} else if (!str_empty(env)) {
		int r = check_environment(env, err);

		if (r < 0)
			return r;
		found = env;
	} else {
		for (size_t i = 0; !found && i < ARRAY_SIZE(search_paths); i++)
			if (access(search_paths[i], F_OK) == 0)
				found = search_paths[i];
	}
	if (found && access(found, R_OK) < 0)
		return err_set_errno(err, -errno, "configuration %s", found);
	*ret = found ? arena_strdup(arena, found) : NULL;
	return found && !*ret ? no_memory(err) : 0;
}

/**
 * config_load() - read the configuration with its drop-ins
 * @path: file a trusted caller names, or NULL to search
 * @arena: receives the configuration
 * @ret: the configuration; its warnings have not been logged yet
 * @err: receives the reason, with file, line and key
 *
 * Without any file the defaults hold.
 *
 * Return: 0, -ENOENT, -EPERM, -EINVAL, -ERANGE, -EOPNOTSUPP, -E2BIG or -ENOMEM.
 */
int config_load(const char *path, struct arena *arena, struct config **ret, struct err *err)
{
	struct loader ld = { .arena = arena, .err = err };
	const char *file = NULL;
	int r = config_find_file(path, arena, &file, err);

	if (r == 0)
		r = config_new(arena, &ld.config, err);
	if (r == 0 && file)
		r = read_file(&ld, file);
	if (r == 0 && file)
		r = read_drop_ins(&ld, file);
	if (r == 0)
		r = finish(ld.config, arena, err);
	if (r == 0)
		*ret = ld.config;
	return r;
}

/**
 * config_write() - the configuration in force, as one JSON object
 * @w: writer, where a value may stand
 * @config: the configuration
 */
void config_write(struct json_writer *w, const struct config *config)
{
	static const char *const names[CONFIG_NR_SECTIONS] = { "hypervisor", "factory", "agent",
							       "runtime" };

	json_object(w);
	for (unsigned section = 0; section < CONFIG_NR_SECTIONS; section++) {
		json_member_object(w, names[section]);
		for (size_t i = 0; i < config_nr_keys; i++)
			if (config_keys[i].section == section)
				config_write_value(w, &config_keys[i], config);
		json_object_end(w);
	}
	json_object_end(w);
}
