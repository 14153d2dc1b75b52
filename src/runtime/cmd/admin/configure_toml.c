/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Managers with TOML files. podman and CRI-O read folders: a file there is ours as a whole.
 * containerd gets a block between two marks at the end of its file: up to version 1.7 it takes a
 * plugin's whole configuration from the last file that mentions it, so that a file of ours, though
 * it can be imported, would drop all else that is set for Kubernetes. What stands outside the marks
 * is kept byte by byte.
 */
#include "runtime/cmd/admin/configure.h"

#include "common/toml.h"

#define MARK "# Written by \"kata-runtime configure "
#define BEGIN "# BEGIN kata-runtime configure"
/* The line before this one had no end. */
#define BEGIN_AFTER_OPEN_LINE BEGIN " after an open line"
#define END "# END kata-runtime configure\n"

/* A service finds programs here: systemd's default for PATH. */
static const char *const service_dirs[] = { "/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/",
					    "/usr/bin/",	"/sbin/",	   "/bin/" };

/* A whole file of ours with @body behind the mark. */
static int own_file(struct configure *c, const char *body, struct err *err)
{
	if (c->old && !str_skip_prefix(c->old, MARK)) {
		if (c->undo) { /* nothing to take out */
			int r = strbuf_add(&c->text, c->old, c->old_len);
			return r < 0 ? err_set_errno(err, r, "configure") : 0;
		}
		return err_set(err, EEXIST, "%s is not ours: move it away or choose a --file",
			       c->file);
	}
	c->remove = c->undo;
	int r = c->undo ? 0
			: strbuf_printf(&c->text, MARK "%s\"; with --undo it is removed.\n%s",
					c->manager, body ? body : "");
	return r < 0 || !body ? err_set(err, ENOMEM, "configure") : 0;
}

/**
 * configure_podman() - see configure.h
 * @c: the task; its text is filled
 * @err: filled on failure
 *
 * containers.conf(5): tables of containers.conf.d are merged.
 *
 * Return: 0, -EEXIST when the file is somebody else's, or -errno.
 */
int configure_podman(struct configure *c, struct err *err)
{
	return own_file(c,
			arena_printf(c->arena, "[engine.runtimes]\n\"%s\" = [\"%s\"]\n", c->name,
				     c->runtime_path),
			err);
}

/**
 * configure_crio() - see configure.h
 * @c: the task; its text is filled
 * @err: filled on failure
 *
 * crio.conf.d(5), with the shim, as docs/kubernetes.md describes.
 *
 * Return: 0, -EEXIST when the file is somebody else's, or -errno.
 */
int configure_crio(struct configure *c, struct err *err)
{
	return own_file(c,
			arena_printf(c->arena,
				     "[crio.runtime.runtimes.\"%s\"]\n"
				     "runtime_path = \"%s\"\n"
				     "runtime_type = \"vm\"\n"
				     "runtime_root = \"/run/vc\"\n"
				     "privileged_without_host_devices = true\n",
				     c->name, c->shim_path),
			err);
}

/* --- containerd --- */

/* The file's text without our block, of which there may be none. */
static int without_block(struct configure *c, struct err *err)
{
	const char *text = c->old ? c->old : "";
	const char *begin = strstr(text, BEGIN), *end = begin ? strstr(begin, END) : NULL;

	if (!begin) {
		int r = strbuf_puts(&c->text, text);
		return r < 0 ? err_set_errno(err, r, "configure") : 0;
	}
	if (!end)
		return err_set(err, EINVAL, "%s: there is \"%s\" without its end", c->file, BEGIN);
	size_t kept = (size_t)(begin - text);
	if (str_skip_prefix(begin, BEGIN_AFTER_OPEN_LINE) && kept > 0)
		kept--;
	int r = strbuf_add(&c->text, text, kept);
	if (r == 0)
		r = strbuf_puts(&c->text, end + strlen(END));
	return r < 0 ? err_set_errno(err, r, "configure") : 0;
}

/* The version of the file's form; 0 where nothing is set at all. */
static int find_version(const struct configure *c, const struct toml *root, int64_t *ret,
			struct err *err)
{
	const struct toml *version = toml_get(root, "version");

	*ret = 0;
	if (root->nr == 0)
		return 0;
	if (!version || version->type != TOML_INTEGER || version->i < 2)
		return err_set(err, EINVAL,
			       "%s has no \"version = 2\" or newer: convert it first (containerd "
			       "config migrate)",
			       c->file);
	*ret = version->i;
	return 0;
}

static const struct toml *find_runtime(const struct toml *root, const char *plugin,
				       const char *name)
{
	const char *const path[] = { "plugins", plugin, "containerd", "runtimes", name };

	for (size_t i = 0; root && i < ARRAY_SIZE(path); i++)
		root = root->type == TOML_TABLE ? toml_get(root, path[i]) : NULL;
	return root;
}

static bool is_found_by_services(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(service_dirs); i++) {
		const char *name = str_skip_prefix(path, service_dirs[i]);

		if (name && !strchr(name, '/'))
			return true;
	}
	return false;
}

static int add_block(struct configure *c, const struct toml *root, int64_t version)
{
	const char *plugin = version >= 3 ? "io.containerd.cri.v1.runtime"
					  : "io.containerd.grpc.v1.cri";
	bool is_open = c->text.len > 0 && c->text.data[c->text.len - 1] != '\n';
	int r = strbuf_puts(&c->text, is_open ? "\n" BEGIN_AFTER_OPEN_LINE "\n" : BEGIN "\n");

	if (r == 0 && version == 0)
		r = strbuf_puts(&c->text, "version = 2\n");
	/* Any table of runtimes hides the one that is built in and is the default. */
	if (r == 0 && !find_runtime(root, plugin, "runc"))
		r = strbuf_printf(&c->text,
				  "[plugins.\"%s\".containerd.runtimes.runc]\n"
				  "  runtime_type = \"io.containerd.runc.v2\"\n",
				  plugin);
	if (r == 0)
		r = strbuf_printf(&c->text,
				  "[plugins.\"%s\".containerd.runtimes.\"%s\"]\n"
				  "  runtime_type = \"io.containerd.kata.v2\"\n",
				  plugin, c->name);
	if (r == 0 && !is_found_by_services(c->shim_path))
		r = strbuf_printf(&c->text, "  runtime_path = \"%s\"\n", c->shim_path);
	if (r == 0)
		r = strbuf_puts(&c->text, "  privileged_without_host_devices = true\n"
					  "  pod_annotations = [\"io.katacontainers.*\"]\n" END);
	return r;
}

/* What was written must be a document, too: a table cannot be added to an inline one. */
static int check_result(struct configure *c, struct err *err)
{
	struct toml *root;
	int r = toml_parse(c->arena, c->text.data, c->text.len, c->file, &root, err);

	return r < 0 ? err_wrap(err, "the runtime's table does not fit into the file") : 0;
}

static int add(struct configure *c, struct err *err)
{
	struct toml *root;
	int64_t version;
	int r = toml_parse(c->arena, c->text.data, c->text.len, c->file, &root, err);

	if (r == 0)
		r = find_version(c, root, &version, err);
	if (r < 0)
		return r;
	const struct toml *there = find_runtime(root, "io.containerd.grpc.v1.cri", c->name);
	if (!there)
		there = find_runtime(root, "io.containerd.cri.v1.runtime", c->name);
	if (there)
		return err_set(err, EEXIST,
			       "%s:%u: runtime \"%s\" is not ours: remove it or choose a --name",
			       c->file, there->line, c->name);
	r = add_block(c, root, version);
	return r < 0 ? err_set_errno(err, r, "configure") : check_result(c, err);
}

/**
 * configure_containerd() - see configure.h
 * @c: the task; its text is filled
 * @err: filled on failure
 *
 * Return: 0, -EEXIST when there is a runtime of this name that is not ours, or -errno.
 */
int configure_containerd(struct configure *c, struct err *err)
{
	int r = strbuf_puts(&c->text, ""); /* not NULL, whatever comes */

	if (r < 0)
		return err_set_errno(err, r, "configure");
	r = without_block(c, err);
	if (r == 0 && !c->undo)
		r = add(c, err);
	c->remove = r == 0 && c->undo && c->text.len == 0; /* all of it was ours */
	return r;
}
