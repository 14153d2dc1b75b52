/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Layers that are disks
 *
 * containerd's erofs snapshotter has a file per layer of an image, and hands over mounts that build
 * on each other: the erofs ones, perhaps an ext4 image for what the container writes, and an
 * overlay of them whose options name the others by number ("lowerdir={{ overlay 0 3 }}"). Every
 * file is plugged into the VM as a disk, and the guest mounts them: the host's kernel reads no
 * image's file system, and needs none.
 *
 * An erofs layer is plugged and mounted once for all containers of the VM that have it. A VM takes
 * few disks: layers for which there is no room are shared as files, which the guest mounts as well.
 *
 * An upper directory on the host cannot be the guest's: an overlay needs more of it than a shared
 * file system gives. It is a tmpfs of the guest instead, which lives as long as the container.
 */
#include "sandbox/storage/erofs_layers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/str.h"
#include "kata/guest.h"
#include "rpc/pb/agent_msg.h"
#include "sandbox/core/container.h"
#include "sandbox/sharefs/share.h"
#include "sandbox/storage/container_share.h"
#include "sandbox/storage/device.h"

/* What layers leave to network interfaces and volumes, which need it. */
#define LAYERS_LEAVE_FREE 4
/* More than an image can have (127) and what lies above. */
#define LAYERS_MAX 130
#define LAYERS_SHARED_DIR KATA_GUEST_SANDBOX_DIR "/layers"
#define OPTION_OF_CONTAINERD "X-containerd."
#define OPTION_MKDIR OPTION_OF_CONTAINERD "mkdir.path="

/* What has been mounted so far, by the numbers that later mounts use. */
struct layers {
	struct sb_container *ctr;
	const char *at[LAYERS_MAX]; /* in the guest */
	size_t nr;
};

static bool is_erofs(const struct containerd_mount *m)
{
	return str_eq(m->type, "erofs");
}

static int out_of_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

/* The type behind "format/" and "mkdir/", which say that there are numbers or directories. */
static const char *base_type(const char *type)
{
	const char *rest;

	while ((rest = str_skip_prefix(type, "format/")) ||
	       (rest = str_skip_prefix(type, "mkdir/")))
		type = rest;
	return type;
}

/**
 * erofs_layers_are_for_guest() - is this what only the guest can put together
 * @mounts: a root file system as containerd describes it
 * @nr_mounts: number of them
 *
 * Return: yes or no.
 */
bool erofs_layers_are_for_guest(const struct containerd_mount *mounts, size_t nr_mounts)
{
	for (size_t i = 0; i < nr_mounts; i++)
		if (is_erofs(&mounts[i]) || base_type(mounts[i].type) != mounts[i].type)
			return true;
	return false;
}

static int add_option(struct sb_container *ctr, struct strv *options, const char *text)
{
	return text ? arena_strv_add(ctr->arena, options, text) : -ENOMEM;
}

static const char *own_place(const struct layers *layers)
{
	return arena_printf(layers->ctr->arena, KATA_GUEST_BASE "/%s/layers/%zu", layers->ctr->id,
			    layers->nr);
}

static int add_paths(const struct layers *layers, unsigned from, unsigned to, struct strbuf *out)
{
	int step = from <= to ? 1 : -1, r = 0;

	if (from >= layers->nr || to >= layers->nr)
		return -EINVAL;
	for (unsigned i = from; r >= 0; i += (unsigned)step) {
		r = strbuf_printf(out, "%s%s", i == from ? "" : ":", layers->at[i]);
		if (i == to)
			break;
	}
	return r;
}

/* Fills in "{{ mount N }}" and "{{ overlay FROM TO }}". */
static int expand(const struct layers *layers, const char *text, const char **ret, struct err *err)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	const char *rest = text;
	int r = strbuf_puts(&out, "");

	for (const char *open; r >= 0 && (open = strstr(rest, "{{"));) {
		unsigned from, to;
		int len = 0;

		r = strbuf_add(&out, rest, (size_t)(open - rest));
		if (sscanf(open, "{{ mount %3u }}%n", &from, &len) == 1 && len)
			to = from;
		else if (sscanf(open, "{{ overlay %3u %3u }}%n", &from, &to, &len) != 2 || !len)
			r = -EINVAL;
		if (r >= 0)
			r = add_paths(layers, from, to, &out);
		rest = open + len;
	}
	if (r == -EINVAL)
		return err_set(err, EINVAL, "mount option %s cannot be filled in", text);
	if (r >= 0)
		r = strbuf_puts(&out, rest);
	*ret = r < 0 ? NULL : arena_strdup(layers->ctr->arena, out.data);
	return *ret ? 0 : out_of_memory(err);
}

static int plug_file(struct sb_container *ctr, const char *path, bool read_only,
		     unsigned leave_free, const struct sb_disk **ret, struct err *err)
{
	cleanup_close int fd =
		neg_errno(open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK));

	if (fd < 0)
		return err_set_errno(err, fd, "open %s", path);
	int r = device_plug_disk(ctr, fd, read_only, leave_free, ret, err);
	return r < 0 ? err_wrap(err, "plug %s", path) : 0;
}

static int share_file(struct sb_container *ctr, const char *path, const char **ret_source,
		      struct err *err)
{
	cleanup_close int fd = share_open(path, false);
	char name[200];
	char *source;

	if (fd < 0)
		return err_set_errno(err, fd, "open %s", path);
	(void)snprintf(name, sizeof(name), "%s/layer%zu", ctr->id, ctr->shares.nr);
	int r = sb_container_share(ctr, fd, name, SHARE_READ_ONLY, &source, err);
	if (r >= 0)
		*ret_source = source;
	return r;
}

static size_t count_devices(const struct containerd_mount *m)
{
	size_t nr = 0;

	for (size_t i = 0; i < m->options.nr; i++)
		nr += str_skip_prefix(m->options.v[i], "device=") != NULL;
	return nr;
}

/* erofs takes its further parts from where it has the first. */
static int add_device(struct sb_container *ctr, struct agent_storage *storage, const char *path,
		      struct err *err)
{
	const struct sb_disk *disk;
	const char *source;
	bool as_file = *storage->source == '/';
	int r = as_file ? share_file(ctr, path, &source, err)
			: plug_file(ctr, path, true, 0, &disk, err);

	if (r < 0)
		return r;
	const char *option = arena_printf(ctr->arena, KATA_EROFS_DEVICE "%s",
					  as_file ? source : disk->guest_path);
	return add_option(ctr, &storage->driver_options, option) < 0 ? out_of_memory(err) : 0;
}

static int convert_options(struct sb_container *ctr, const struct containerd_mount *m,
			   struct agent_storage *storage, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < m->options.nr; i++) {
		const char *option = m->options.v[i];
		const char *file = is_erofs(m) ? str_skip_prefix(option, "device=") : NULL;

		if (file)
			r = add_device(ctr, storage, file, err);
		else if (str_skip_prefix(option, OPTION_OF_CONTAINERD))
			r = err_set(err, ENOTSUP, "not supported in a VM: mount option %s", option);
		/* "loop" is how a host mounts a file. */
		else if (!str_eq(option, "loop") && add_option(ctr, &storage->options, option) < 0)
			r = out_of_memory(err);
	}
	return r;
}

static bool is_read_only(const struct containerd_mount *m)
{
	for (size_t i = 0; i < m->options.nr; i++)
		if (str_eq(m->options.v[i], "ro"))
			return true;
	return false;
}

/* The agent mounts the file system of @storage, whose source and mount point are known. */
static int add_disk_storage(struct sb_container *ctr, const struct containerd_mount *m,
			    struct agent_storage *storage, struct err *err)
{
	storage->driver = "blk";
	storage->fstype = arena_strdup(ctr->arena, m->type);
	if (!storage->source || !storage->fstype || !storage->mount_point)
		return out_of_memory(err);
	int r = convert_options(ctr, m, storage, err);
	if (r < 0)
		return r;
	return sb_container_add_storage(ctr, storage) < 0 ? out_of_memory(err) : 0;
}

static int plug_writable(struct sb_container *ctr, const struct containerd_mount *m, const char *at,
			 struct err *err)
{
	struct agent_storage storage = { .mount_point = at };
	const struct sb_disk *disk;
	int r = plug_file(ctr, m->source, is_read_only(m), 0, &disk, err);

	if (r < 0)
		return r;
	storage.source = disk->guest_path;
	return add_disk_storage(ctr, m, &storage, err);
}

static int plug_layer(const struct layers *layers, const struct containerd_mount *m,
		      const char **ret_at, struct err *err)
{
	struct sb_container *ctr = layers->ctr;
	unsigned leave_free = LAYERS_LEAVE_FREE + (unsigned)count_devices(m);
	struct agent_storage storage = { 0 };
	const struct sb_disk *disk;
	int r = plug_file(ctr, m->source, true, leave_free, &disk, err);

	if (r >= 0) {
		storage.source = disk->guest_path;
		storage.mount_point = arena_printf(ctr->arena, LAYERS_SHARED_DIR "/%s", disk->id);
	} else if (r == -ENOSPC) {
		*err = ERR_NULL;
		r = share_file(ctr, m->source, &storage.source, err);
		storage.mount_point = own_place(layers);
	}
	if (r >= 0 && !is_read_only(m) && add_option(ctr, &storage.options, "ro") < 0)
		r = out_of_memory(err);
	if (r >= 0)
		r = add_disk_storage(ctr, m, &storage, err);
	*ret_at = storage.mount_point;
	return r;
}

/*
 * The snapshotter's default is what the agent makes: owned by root, 0755. It comes as
 * "PATH:MODE[:UID:GID]".
 */
static int add_directory(const struct layers *layers, const char *text, struct strv *options,
			 struct err *err)
{
	const char *expanded;
	int r = strstr(text, "{{")
			? expand(layers, text, &expanded, err)
			: err_set(err, ENOTSUP, "not supported in a VM: mount option %s%s",
				  OPTION_MKDIR, text);

	if (r < 0)
		return r;
	const char *mode = strchr(expanded, ':');
	if (!mode || !str_eq(mode, ":0755"))
		return err_set(err, ENOTSUP, "not supported in a VM: mount option %s%s",
			       OPTION_MKDIR, text);
	const char *option = arena_printf(layers->ctr->arena, KATA_OVERLAY_CREATE_DIR "%.*s",
					  (int)(mode - expanded), expanded);
	return add_option(layers->ctr, options, option) < 0 ? out_of_memory(err) : 0;
}

/* What a container left there, as under a runtime without a VM, must not vanish unnoticed. */
static int check_empty(const char *path, struct err *err)
{
	cleanup_close int fd = neg_errno(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool empty = true;

	if (!dir)
		return err_set_errno(err, fd < 0 ? fd : -ENOMEM, "upper directory %s", path);
	fd = -1;
	for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
		empty = empty && (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."));
	(void)closedir(dir);
	return empty ? 0
		     : err_set(err, ENOTSUP,
			       "upper directory %s is not empty: the VM has its own, and cannot "
			       "show what is in there",
			       path);
}

static int convert_overlay_option(const struct layers *layers, const char *option,
				  struct agent_storage *storage, bool *ret_in_memory,
				  struct err *err)
{
	const char *expanded, *value = str_skip_prefix(option, OPTION_MKDIR);

	if (value)
		return add_directory(layers, value, &storage->driver_options, err);
	if (!strstr(option, "{{")) {
		value = str_skip_prefix(option, "upperdir=");
		if (value || str_skip_prefix(option, "workdir=")) {
			*ret_in_memory = true;
			return value ? check_empty(value, err) : 0;
		}
		/* Of the host: a directory, numbers of users, or what we do not know. */
		if (str_skip_prefix(option, "lowerdir=") || str_skip_prefix(option, "uidmap=") ||
		    str_skip_prefix(option, "gidmap=") ||
		    str_skip_prefix(option, OPTION_OF_CONTAINERD))
			return err_set(err, ENOTSUP, "not supported in a VM: mount option %s",
				       option);
	}
	int r = expand(layers, option, &expanded, err);
	if (r >= 0 && add_option(layers->ctr, &storage->options, expanded) < 0)
		r = out_of_memory(err);
	return r;
}

static int stack_overlay(const struct layers *layers, const struct containerd_mount *m,
			 const char **ret_at, struct err *err)
{
	struct sb_container *ctr = layers->ctr;
	struct agent_storage storage = {
		.driver = "overlayfs",
		.source = "overlay",
		.fstype = "overlay",
		.mount_point = arena_printf(ctr->arena, KATA_GUEST_BASE "/%s/rootfs", ctr->id),
	};
	bool in_memory = false;
	int r = storage.mount_point ? 0 : out_of_memory(err);

	for (size_t i = 0; r >= 0 && i < m->options.nr; i++)
		r = convert_overlay_option(layers, m->options.v[i], &storage, &in_memory, err);
	if (r < 0)
		return r;
	if ((in_memory && add_option(ctr, &storage.options, KATA_OVERLAY_RW) < 0) ||
	    sb_container_add_storage(ctr, &storage) < 0)
		return out_of_memory(err);
	*ret_at = storage.mount_point;
	return 0;
}

/* Nothing has to be mounted: the root file system is there already, or a directory of one is. */
static int point_at(const struct layers *layers, const struct containerd_mount *m,
		    const char **ret_at, struct err *err)
{
	struct agent_storage storage = { .driver = "bind", .fstype = "bind" };
	struct sb_container *ctr = layers->ctr;
	int r = strstr(m->source, "{{")
			? expand(layers, m->source, &storage.source, err)
			: err_set(err, ENOTSUP, "not supported in a VM: bind mount");

	for (size_t i = 0; r >= 0 && i < m->options.nr; i++) {
		const char *dir = str_skip_prefix(m->options.v[i], OPTION_MKDIR);

		if (dir)
			r = add_directory(layers, dir, &storage.driver_options, err);
		else if (add_option(ctr, &storage.options, m->options.v[i]) < 0)
			r = out_of_memory(err);
	}
	if (r < 0)
		return r;
	storage.mount_point = arena_printf(ctr->arena, KATA_GUEST_BASE "/%s/rootfs", ctr->id);
	if (!storage.mount_point || sb_container_add_storage(ctr, &storage) < 0)
		return out_of_memory(err);
	*ret_at = storage.mount_point;
	return 0;
}

static int add(struct layers *layers, const struct containerd_mount *m, struct err *err)
{
	const char *type = base_type(m->type), *at = NULL;
	int r;

	if (!str_empty(m->target))
		r = err_set(err, ENOTSUP, "not supported in a VM: target %s", m->target);
	else if (is_erofs(m))
		r = plug_layer(layers, m, &at, err);
	else if (str_eq(type, "ext4") || str_eq(type, "xfs"))
		r = plug_writable(layers->ctr, m, at = own_place(layers), err);
	else if (str_eq(type, "overlay"))
		r = stack_overlay(layers, m, &at, err);
	else if (str_eq(type, "bind"))
		r = point_at(layers, m, &at, err);
	else
		r = err_set(err, ENOTSUP, "not supported in a VM: file system %s", m->type);
	layers->at[layers->nr++] = at;
	return r < 0 ? err_wrap(err, "rootfs mount %zu (%s)", layers->nr - 1, m->type) : 0;
}

/**
 * erofs_layers_plug() - plug a root file system's disks and say how the guest puts them together
 * @ctr: container; its VM runs
 * @mounts: mounts in order, the last one is the root file system
 * @nr_mounts: number of them, at least 1
 * @err: says which mount failed
 *
 * What was plugged is noted in ctr->disks, also on failure.
 *
 * Return: 0 or -errno.
 */
int erofs_layers_plug(struct sb_container *ctr, const struct containerd_mount *mounts,
		      size_t nr_mounts, struct err *err)
{
	struct layers layers = { .ctr = ctr };

	if (nr_mounts > LAYERS_MAX)
		return err_set(err, E2BIG, "rootfs: more than %u layers", LAYERS_MAX);
	for (size_t i = 0; i < nr_mounts; i++) {
		int r = add(&layers, &mounts[i], err);

		if (r < 0)
			return r;
	}
	ctr->guest_rootfs = layers.at[nr_mounts - 1];
	return 0;
}

/**
 * erofs_layers_plug_one() - plug a root file system that is one disk
 * @ctr: container; its VM runs
 * @m: a file system on a block device or in a file
 * @err: says what failed
 *
 * Return: 0 or -errno.
 */
int erofs_layers_plug_one(struct sb_container *ctr, const struct containerd_mount *m,
			  struct err *err)
{
	const char *at = arena_printf(ctr->arena, KATA_GUEST_BASE "/%s/rootfs", ctr->id);
	int r = plug_writable(ctr, m, at, err);

	ctr->guest_rootfs = at;
	return r < 0 ? err_wrap(err, "rootfs") : 0;
}
