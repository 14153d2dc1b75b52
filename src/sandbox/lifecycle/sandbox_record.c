/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: What has to be remembered
 *
 * Processes end with the shim (PR_SET_PDEATHSIG), mounts with its namespace, taps with their
 * descriptors. Cgroup directories and systemd's scope stay, and so do traffic rules on the
 * interfaces of a network namespace that others keep. They are listed here before they are made,
 * and `delete` in another process can remove them after the shim was killed. That process may be of
 * another release: the file has a version.
 */
#include "sandbox/lifecycle/sandbox_record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/json.h"
#include "common/str.h"
#include "kata/state.h"
#include "oci/namespaces.h"
#include "sandbox/cgroup/host_cgroup.h"
#include "sandbox/cgroup/systemd_scope.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/network/network.h"

#define RECORD_MAX 65536
/*
 * Another number when a program that knows only this one would undo too little or the wrong thing.
 * Records from before there was a number are of version 1.
 */
#define RECORD_VERSION 1

/* The inode tells another namespace that the path may lead to later. */
static void put_netns(struct json_writer *w, const struct sandbox *sb)
{
	const struct oci_namespace *ns = oci_namespace_find(sb->spec, "network");
	struct stat st;

	if (!sb->net.netns_joined || !ns || !ns->path || fstat(sb->net.netns_fd, &st) < 0)
		return;
	json_member_str(w, "netns", ns->path);
	json_member_uint(w, "netnsInode", st.st_ino);
}

static void put_dirs(struct json_writer *w, const struct host_cgroup *cg)
{
	for (size_t i = 0; i < cg->nr; i++)
		json_put_str(w, cg->dirs[i]);
}

static void put_scope(struct json_writer *w, const struct host_cgroup *cg)
{
	if (cg->scope)
		json_put_str(w, cg->scope->name);
}

/**
 * sandbox_record_write() - write sandbox.json
 * @sb: sandbox whose cgroup has been planned
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int sandbox_record_write(const struct sandbox *sb, struct err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	struct json_writer w;

	json_writer_init(&w, &text, 1);
	json_object(&w);
	json_member_uint(&w, "version", RECORD_VERSION);
	json_member_str(&w, "sandbox", sb->id);
	json_member_array(&w, "scopes");
	put_scope(&w, &sb->cgroup.former);
	put_scope(&w, &sb->cgroup.now);
	json_array_end(&w);
	json_member_array(&w, "cgroups");
	put_dirs(&w, &sb->cgroup.former);
	put_dirs(&w, &sb->cgroup.now);
	json_array_end(&w);
	put_netns(&w, sb);
	json_object_end(&w);
	int r = json_writer_finish(&w);
	if (r >= 0)
		r = io_replace_file_at(sb->dir.fd, KATA_STATE_SANDBOX, text.data, text.len, 0600);
	return r < 0 ? err_set_errno(err, r, "write %s/" KATA_STATE_SANDBOX, sb->dir.path) : 0;
}

static int check_version(const struct json *doc, struct err *err)
{
	uint64_t version = RECORD_VERSION;
	int r = json_get_u64(doc, "version", &version, err);

	if (r >= 0 && version > RECORD_VERSION)
		return err_set(err, ENOTSUP,
			       KATA_STATE_SANDBOX " has version %llu, of a newer program: this one "
						  "knows version %d",
			       (unsigned long long)version, RECORD_VERSION);
	return r;
}

static int undo_scopes(const struct json *doc, struct err *err)
{
	const struct json *scopes = NULL;
	int r = json_get_array(doc, "scopes", &scopes, err);

	if (r < 0 || !scopes)
		return r;
	json_for_each(node, scopes) {
		const char *name;

		r = json_to_str(node, &name, err);
		if (r >= 0)
			r = systemd_scope_stop(name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int undo_cgroups(const struct json *doc, struct err *err)
{
	const struct json *cgroups = NULL;
	int r = json_get_array(doc, "cgroups", &cgroups, err);
	char *dirs[2 * HOST_CGROUP_MAX]; /* two cgroups while the VM moves */
	size_t nr = 0;

	if (r < 0 || !cgroups)
		return r;
	json_for_each(node, cgroups) {
		const char *dir;

		r = json_to_str(node, &dir, err);
		if (r < 0)
			return r;
		if (nr == ARRAY_SIZE(dirs))
			return err_set(err, E2BIG, "%s names too many cgroups", KATA_STATE_SANDBOX);
		dirs[nr++] = (char *)(uintptr_t)dir;
	}
	r = host_cgroup_remove_dirs(dirs, nr);
	return r < 0 ? err_set_errno(err, r, "remove cgroup %s", dirs[0]) : 0;
}

static int undo_network(const struct json *doc, struct err *err)
{
	const char *path = "";
	uint64_t inode = 0;
	struct stat st;
	int r = json_get_str(doc, "netns", &path, err);

	if (r >= 0)
		r = json_get_u64(doc, "netnsInode", &inode, err);
	if (r < 0 || str_empty(path))
		return r;
	cleanup_close int fd = neg_errno(open(path, O_RDONLY | O_CLOEXEC));
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != inode)
		return 0; /* it is gone, and all that was in it */
	return network_undo(fd, err);
}

/**
 * sandbox_record_undo() - clean up after a sandbox whose shim is gone
 * @state_dir_fd: its state directory
 * @err: filled on failure
 *
 * Return: 0 or -errno; the file stays after a failure, so that it can be tried again. -ENOTSUP for a
 * file of a newer program, of which nothing is undone.
 */
int sandbox_record_undo(int state_dir_fd, struct err *err)
{
	cleanup_free char *text = NULL;
	cleanup_arena struct arena *arena = NULL;
	struct json *doc;
	ssize_t n = io_read_file_at(state_dir_fd, KATA_STATE_SANDBOX, RECORD_MAX, &text);

	if (n == -ENOENT)
		return 0;
	if (n < 0 || arena_new(&arena) < 0)
		return err_set_errno(err, n < 0 ? (int)n : -ENOMEM, "read " KATA_STATE_SANDBOX);
	int r = json_parse(arena, text, (size_t)n, KATA_STATE_SANDBOX, NULL, &doc, err);
	if (r >= 0)
		r = check_version(doc, err);
	if (r >= 0)
		r = undo_scopes(doc, err);
	if (r >= 0)
		r = undo_cgroups(doc, err);
	if (r >= 0)
		r = undo_network(doc, err);
	if (r < 0)
		return r;
	r = neg_errno(unlinkat(state_dir_fd, KATA_STATE_SANDBOX, 0));
	return r < 0 ? err_set_errno(err, r, "remove " KATA_STATE_SANDBOX) : 0;
}
