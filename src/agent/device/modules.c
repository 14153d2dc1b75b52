/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads modules.dep, modules.alias and modules.builtin of depmod(8) and inserts modules by
 * finit_module(2). What is asked for is a module's name or an alias of it: a device's
 * ("virtio:d00000001v00001AF4"), or a word of the kernel ("fs-overlay"). Not here: options and
 * blacklists of modprobe.d(5), and soft dependencies, which a module that really needs them asks the
 * kernel for by itself.
 *
 * The files are text and searched as such: a guest looks up some twenty names in its life.
 */
#include "agent/device/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/module.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"

#define MODULES_DIR "/lib/modules"
#define MODULES_FILE_MAX (4U << 20)
#define MODULES_NAME_MAX 256
#define MODULES_DEPENDS_MAX 64

struct modules {
	int dir_fd;
	char *dep, *alias, *builtin; /* the files, '-' of names made '_' in the latter two */
	modules_insert_fn insert;
	void *arg;
};

/*
 * Names and aliases do not tell '-' from '_', as modprobe(8) does not. Between brackets a '-' is a
 * range.
 */
static void unify(char *text)
{
	bool range = false;

	for (; *text; text++) {
		if (*text == '[' || *text == ']')
			range = *text == '[';
		else if (*text == '-' && !range)
			*text = '_';
	}
}

/* Takes the next line off @text. Return: NULL at the end. */
static const char *next_line(const char **text, size_t *ret_len)
{
	const char *line = *text;

	if (!*line)
		return NULL;
	*ret_len = strcspn(line, "\n");
	*text = line + *ret_len + (line[*ret_len] == '\n');
	return line;
}

/* The module's name of "kernel/fs/fuse/virtio-fs.ko.xz", cut off where @ret is too short. */
static void name_of_file(const char *file, size_t len, char ret[MODULES_NAME_MAX])
{
	const char *slash = memrchr(file, '/', len);
	size_t skip = slash ? (size_t)(slash + 1 - file) : 0, n = 0;

	while (skip + n < len && n < MODULES_NAME_MAX - 1 && file[skip + n] != '.')
		n++;
	memcpy(ret, file + skip, n);
	ret[n] = '\0';
	unify(ret);
}

/*
 * A module that is there already must not be read and checked again. One that is on its way counts
 * as missing: the kernel lets whoever inserts it again wait for it.
 */
static bool is_live(const char *name)
{
	cleanup_free char *state = NULL;
	char path[MODULES_NAME_MAX + 32];

	(void)snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	return io_read_file_at(AT_FDCWD, path, 32, &state) > 0 && str_skip_prefix(state, "live");
}

/* The insert function of the running kernel; @arg is the directory's descriptor. */
static int insert_into_kernel(void *arg, const char *file, const char *parameters)
{
	const char *suffix = strrchr(file, '.');
	/* A kernel unpacks what its own distribution packs, if it was built for that. */
	int flags = suffix && !str_eq(suffix, ".ko") ? MODULE_INIT_COMPRESSED_FILE : 0;
	char name[MODULES_NAME_MAX];

	name_of_file(file, strlen(file), name);
	if (is_live(name))
		return 0;
	cleanup_close int fd = neg_errno(openat(*(int *)arg, file, O_RDONLY | O_CLOEXEC));
	if (fd < 0)
		return fd;
	int r = neg_errno(syscall(SYS_finit_module, fd, parameters, flags));
	return r == -EEXIST ? 0 : r;
}

static int read_list(struct modules *modules, const char *name, bool needed, char **ret)
{
	ssize_t n = io_read_file_at(modules->dir_fd, name, MODULES_FILE_MAX, ret);

	if (n == -ENOENT && !needed) {
		*ret = strdup("");
		return *ret ? 0 : -ENOMEM;
	}
	return n < 0 ? (int)n : 0;
}

/**
 * modules_open() - read the lists of a directory
 * @dir: directory, /lib/modules/<release>
 * @insert: gives a module to the kernel; NULL: finit_module(2)
 * @arg: argument of it
 * @ret: receives them, owned by the caller
 *
 * Return: 0 or -errno (-ENOENT when there are no modules).
 */
int modules_open(const char *dir, modules_insert_fn insert, void *arg, struct modules **ret)
{
	cleanup_modules struct modules *modules = calloc(1, sizeof(*modules));

	if (!modules)
		return -ENOMEM;
	modules->insert = insert ? insert : insert_into_kernel;
	modules->arg = insert ? arg : &modules->dir_fd;
	modules->dir_fd = neg_errno(open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (modules->dir_fd < 0)
		return modules->dir_fd;
	int r = read_list(modules, "modules.dep", true, &modules->dep);
	if (r >= 0)
		r = read_list(modules, "modules.alias", false, &modules->alias);
	if (r >= 0)
		r = read_list(modules, "modules.builtin", false, &modules->builtin);
	if (r < 0)
		return r;
	unify(modules->alias);
	unify(modules->builtin);
	*ret = TAKE_PTR(modules);
	return 0;
}

/**
 * modules_open_running() - read the lists of the running kernel
 * @ret: receives them, owned by the caller
 *
 * Return: 0 or -errno (-ENOENT when there are no modules for it).
 */
int modules_open_running(struct modules **ret)
{
	char dir[sizeof(MODULES_DIR) + sizeof(((struct utsname *)0)->release)];
	struct utsname names;

	if (uname(&names) < 0)
		return -errno;
	(void)snprintf(dir, sizeof(dir), MODULES_DIR "/%s", names.release);
	return modules_open(dir, NULL, NULL, ret);
}

/**
 * modules_free() - release lists
 * @modules: lists or NULL
 *
 * Return: NULL.
 */
struct modules *modules_free(struct modules *modules)
{
	if (!modules)
		return NULL;
	(void)fd_close(modules->dir_fd);
	free(modules->dep);
	free(modules->alias);
	free(modules->builtin);
	free(modules);
	return NULL;
}

/**
 * modules_know_bus() - is it worth while to look for drivers of a bus
 * @modules: lists
 * @bus: its name, as aliases begin
 *
 * Return: yes or no.
 */
bool modules_know_bus(const struct modules *modules, const char *bus)
{
	char start[MODULES_NAME_MAX];

	(void)snprintf(start, sizeof(start), "alias %s:", bus);
	return strstr(modules->alias, start);
}

static int insert_file(const struct modules *modules, const char *file, size_t len,
		       const char *parameters, struct err *err)
{
	cleanup_free char *path = strndup(file, len);

	if (!path)
		return err_set(err, ENOMEM, "out of memory");
	int r = modules->insert(modules->arg, path, parameters);
	return r < 0 ? err_set_errno(err, r, "insert %s", path) : 0;
}

/*
 * "kernel/a.ko: kernel/b.ko kernel/c.ko": b needs c, and a both, so they go in from the right. The
 * list is complete: what b and c need is in it.
 */
static int insert_line(const struct modules *modules, const char *line, size_t len,
		       const char *parameters, struct err *err)
{
	const char *colon = memchr(line, ':', len), *files[MODULES_DEPENDS_MAX];
	size_t lens[MODULES_DEPENDS_MAX], nr = 0;
	int r = 0;

	for (const char *p = colon + 1, *end = line + len; p < end; p += lens[nr++]) {
		p += strspn(p, " ");
		if (p >= end)
			break;
		if (nr == MODULES_DEPENDS_MAX)
			return err_set(err, E2BIG, "a module needs more than %d others",
				       MODULES_DEPENDS_MAX);
		files[nr] = p;
		lens[nr] = MIN(strcspn(p, " \n"), (size_t)(end - p));
	}
	while (r >= 0 && nr-- > 0)
		r = insert_file(modules, files[nr], lens[nr], "", err);
	return r < 0 ? r : insert_file(modules, line, (size_t)(colon - line), parameters, err);
}

/* Return: 1, 0 when there is no module of this name, -errno with @err filled. */
static int load_by_name(const struct modules *modules, const char *name, const char *parameters,
			struct err *err)
{
	const char *text = modules->dep, *line;
	char found[MODULES_NAME_MAX];
	size_t len;

	while ((line = next_line(&text, &len))) {
		const char *colon = memchr(line, ':', len);

		if (!colon)
			continue;
		name_of_file(line, (size_t)(colon - line), found);
		if (!str_eq(found, name))
			continue;
		int r = insert_line(modules, line, len, parameters, err);
		return r < 0 ? r : 1;
	}
	for (text = modules->builtin; (line = next_line(&text, &len));) {
		name_of_file(line, len, found);
		if (str_eq(found, name))
			return 1;
	}
	return 0;
}

/*
 * Most patterns differ from the name before their first wildcard, and to take a line apart is slow.
 */
static bool may_match(const char *line, const char *name)
{
	const char *pattern = str_skip_prefix(line, "alias ");

	return pattern && strncmp(pattern, name, strcspn(pattern, "*?[\\ \n")) == 0;
}

/*
 * All whose alias fits: which of several drivers takes a device is the kernel's to decide. One that
 * loads is enough. Return: as load_by_name().
 */
static int load_by_alias(const struct modules *modules, const char *name, const char *parameters,
			 struct err *err)
{
	const char *text = modules->alias, *line;
	int result = 0;
	size_t len;

	while ((line = next_line(&text, &len))) {
		char words[2 * MODULES_NAME_MAX], pattern[MODULES_NAME_MAX],
			module[MODULES_NAME_MAX];

		if (len >= sizeof(words) || !may_match(line, name))
			continue;
		memcpy(words, line, len);
		words[len] = '\0';
		if (sscanf(words, "alias %255s %255s", pattern, module) != 2 ||
		    fnmatch(pattern, name, 0) != 0)
			continue;
		int r = load_by_name(modules, module, parameters, err);
		if (r > 0 || result == 0)
			result = r;
	}
	return result;
}

/**
 * modules_load() - load what a name asks for, and what that needs
 * @modules: lists
 * @name: a module's name or an alias; '-' and '_' are the same
 * @parameters: its parameters, "a=1 b=2", or ""
 * @err: filled on failure
 *
 * A module that is loaded or built in already is a success.
 *
 * Return: 0 or -errno (-ENOENT when nothing is known under this name).
 */
int modules_load(struct modules *modules, const char *name, const char *parameters, struct err *err)
{
	char unified[MODULES_NAME_MAX];

	if (strlen(name) >= sizeof(unified))
		return err_set(err, ENAMETOOLONG, "module %.64s...: the name is too long", name);
	(void)snprintf(unified, sizeof(unified), "%s", name);
	unify(unified);
	/* No module's name has a colon, and every device's alias. */
	int r = strchr(unified, ':') ? 0 : load_by_name(modules, unified, parameters, err);
	if (r == 0)
		r = load_by_alias(modules, unified, parameters, err);
	if (r == 0)
		return err_set(err, ENOENT, "there is no module %s", name);
	return MIN(r, 0);
}
