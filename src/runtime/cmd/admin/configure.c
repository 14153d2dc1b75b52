/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime configure: puts the runtime into a container manager's configuration, and takes it
 * out again. This file reads and writes; what stands in docker's file is for configure_docker.c, in
 * the others for configure_toml.c. No manager is restarted: containers may run.
 */
#include "runtime/cmd/admin/configure.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "runtime/cli/cli.h"
#include "host/program.h"
#include "runtime/cmd/admin/verbs.h"

#define FILE_MAX ((size_t)1 << 20)

enum { KEY_UNDO = 0x100, KEY_FILE };

struct options {
	const char *name, *file;
	bool undo, dry_run;
};

static const struct manager {
	const char *name, *file;
	int (*edit)(struct configure *c, struct err *err);
	const char *then; /* what makes it read the file, NULL: it does so anyway */
} managers[] = {
	{ "docker", "/etc/docker/daemon.json", configure_docker, "systemctl reload docker" },
	{ "podman", "/etc/containers/containers.conf.d/50-kata.conf", configure_podman, NULL },
	{ "containerd", "/etc/containerd/config.toml", configure_containerd,
	  "systemctl restart containerd" },
	{ "crio", "/etc/crio/crio.conf.d/99-kata.conf", configure_crio, "systemctl restart crio" },
};

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct options *o = arg;

	switch (key) {
	case 'n':
		if (!str_is_valid_id(value))
			return err_set(err, EINVAL, "--name: \"%s\" is not a name of a runtime",
				       value);
		o->name = value;
		return 0;
	case KEY_FILE:
		o->file = value;
		return 0;
	case KEY_UNDO:
		o->undo = true;
		return 0;
	default:
		o->dry_run = true;
		return 0;
	}
}

/* Links are followed: what they lead to is replaced, they stay. */
static int resolve(struct configure *c, struct err *err)
{
	char path[PATH_MAX];

	if (realpath(c->file, path))
		c->file = arena_strdup(c->arena, path);
	else if (errno != ENOENT)
		return err_set_errno(err, -errno, "%s", c->file);
	return c->file ? 0 : err_set(err, ENOMEM, "configure");
}

static int read_old(struct configure *c, struct err *err)
{
	char *data = NULL;
	ssize_t n = io_read_file_at(AT_FDCWD, c->file, FILE_MAX, &data);

	if (n == -ENOENT)
		return 0;
	if (n < 0)
		return err_set_errno(err, (int)n, "cannot read %s", c->file);
	c->old = arena_strndup(c->arena, data, (size_t)n);
	c->old_len = (size_t)n;
	free(data);
	return c->old ? 0 : err_set(err, ENOMEM, "configure");
}

/* With the mode and the owner that the file at @path has; on the disk when this returns. */
static int write_beside(int fd, const char *path, const struct strbuf *text)
{
	struct stat st = { .st_mode = 0644 };
	int r = neg_errno(stat(path, &st));

	if (r == 0)
		r = neg_errno(fchown(fd, st.st_uid, st.st_gid));
	if (r == 0 || r == -ENOENT)
		r = neg_errno(fchmod(fd, st.st_mode & 07777));
	if (r == 0)
		r = io_write_full(fd, text->data, text->len);
	return r < 0 ? r : neg_errno(fsync(fd));
}

static int replace(const char *path, const struct strbuf *text)
{
	cleanup_free char *tmp = NULL, *dir = strdup(path);

	if (!dir || asprintf(&tmp, "%s.kata-new", path) < 0)
		return -ENOMEM;
	char *slash = strrchr(dir, '/');
	int r = 0;
	if (slash) {
		slash[slash == dir] = '\0';
		r = io_mkdir_p(dir, 0755);
	}
	if (r < 0)
		return r;
	(void)unlink(tmp); /* of one that was killed */
	cleanup_close int fd =
		neg_errno(open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
	if (fd < 0)
		return fd;
	r = write_beside(fd, path, text);
	if (r == 0)
		r = neg_errno(rename(tmp, path));
	if (r < 0)
		(void)unlink(tmp); /* the first failure is the one to report */
	return r;
}

static bool is_changed(const struct configure *c)
{
	if (c->remove)
		return c->old;
	return !c->old || c->old_len != c->text.len ||
	       memcmp(c->old, c->text.data, c->text.len) != 0;
}

/* Folders that replace() may have made: those that are empty now. */
static void remove_folders(const char *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", file);
	for (int i = 0; i < 2; i++) {
		*strrchr(path, '/') = '\0';
		if (rmdir(path) < 0)
			return; /* somebody has something there */
	}
}

static int write_new(const struct configure *c, const struct manager *m, struct err *err)
{
	int r = c->remove ? neg_errno(unlink(c->file)) : replace(c->file, &c->text);

	if (r < 0)
		return err_set_errno(err, r, "cannot %s %s", c->remove ? "remove" : "write",
				     c->file);
	if (c->remove && str_eq(c->file, m->file))
		remove_folders(m->file); /* not of a --file: they are the caller's */
	return 0;
}

static int say(const struct configure *c, const struct manager *m, bool changed)
{
	const char *then = changed && m->then ? m->then : NULL;

	if (c->undo)
		printf(changed ? "%s: runtime \"%s\" is out of %s%s%s\n"
			       : "%s: there is no runtime \"%s\" of ours in %s%s%s\n",
		       c->manager, c->name, c->file, then ? "; now: " : "", then ? then : "");
	else
		printf(changed ? "%s: runtime \"%s\" is in %s%s%s\n"
			       : "%s: runtime \"%s\" was in %s already%s%s\n",
		       c->manager, c->name, c->file, then ? "; now: " : "", then ? then : "");
	return fflush(stdout) == 0 ? 0 : CLI_EXIT_FAILURE;
}

static int show(const struct configure *c, struct err *err)
{
	if (c->remove) {
		printf("# %s would be removed\n", c->file);
		return fflush(stdout) == 0 ? 0 : CLI_EXIT_FAILURE;
	}
	return cli_print(c->text.data ? c->text.data : "", c->text.len, err);
}

static int run(struct configure *c, const struct manager *m, bool dry_run, struct err *err)
{
	int r = resolve(c, err);

	if (r == 0)
		r = read_old(c, err);
	if (r == 0 && c->undo && !c->old)
		return dry_run ? 0 : say(c, m, false);
	if (r == 0)
		r = m->edit(c, err);
	if (r < 0)
		return r;
	if (dry_run)
		return show(c, err);
	bool changed = is_changed(c);
	if (changed)
		r = write_new(c, m, err);
	return r < 0 ? r : say(c, m, changed);
}

static const struct manager *find_manager(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(managers); i++)
		if (str_eq(name, managers[i].name))
			return &managers[i];
	return NULL;
}

static int find_programs(struct configure *c, struct err *err)
{
	char path[PATH_MAX];
	ssize_t n = neg_errno_sz(readlink("/proc/self/exe", path, sizeof(path) - 1));

	if (n < 0)
		return err_set_errno(err, (int)n, "/proc/self/exe");
	c->runtime_path = arena_strndup(c->arena, path, (size_t)n);
	int r = program_find_shim(path, sizeof(path), err);
	if (r < 0)
		return r;
	c->shim_path = arena_strdup(c->arena, path);
	if (!c->runtime_path || !c->shim_path)
		return err_set(err, ENOMEM, "configure");
	if (strpbrk(c->runtime_path, "\"\\\n") || strpbrk(c->shim_path, "\"\\\n"))
		return err_set(err, EINVAL, "no configuration can name %s", c->runtime_path);
	return 0;
}

/**
 * verb_configure() - see cli.h and kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_configure(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct argp_option argp_options[] = {
		{ "dry-run", 'd', NULL, 0, "Print what the file would hold, change nothing", 0 },
		{ "file", KEY_FILE, "FILE", 0, "The manager's file, if not in its usual place", 0 },
		{ "name", 'n', "NAME", 0, "What the runtime is called, by default \"kata\"", 0 },
		{ "undo", KEY_UNDO, NULL, 0, "Take it out again", 0 },
		{ 0 },
	};
	static const struct cli_verb verb = {
		.options = argp_options,
		.set = set,
		.args_doc = "docker|podman|containerd|crio",
		.doc = "Tell a container manager of this runtime.",
		.min_args = 1,
		.max_args = 1,
	};
	struct options o = { .name = "kata" };
	cleanup_arena struct arena *arena = NULL;
	int first;
	int r = cli_parse(&verb, argc, argv, &o, &first, err);

	(void)cli;
	if (r < 0)
		return r;
	const struct manager *m = find_manager(argv[first]);
	if (!m)
		return err_set(err, EINVAL, "there is no manager \"%s\": %s", argv[first],
			       verb.args_doc);
	r = arena_new(&arena);
	if (r < 0)
		return err_set_errno(err, r, "configure");
	struct configure c = { .arena = arena,
			       .manager = m->name,
			       .file = o.file ? o.file : m->file,
			       .name = o.name,
			       .undo = o.undo };
	r = find_programs(&c, err);
	if (r == 0)
		r = run(&c, m, o.dry_run, err);
	strbuf_deinit(&c.text);
	return r;
}
