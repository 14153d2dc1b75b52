/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Kubernetes' volumes
 *
 * kubelet makes every volume at <root>/pods/<uid>/volumes/kubernetes.io~<plugin>/<name>.
 *
 * An emptyDir on a tmpfs (medium: Memory) or on a hugetlbfs (medium: HugePages) is the guest's
 * memory, not the host's: the guest makes a file system of the same size, which all containers of
 * the pod see and which stays until the pod ends. So its pages are the pod's, as Kubernetes counts
 * them. One on a disk is shared as any directory, or, when disable_guest_empty_dir is false, a
 * directory of the sandbox's own root file system.
 *
 * A volume that several containers mount is shared once, so that it is one file system to the
 * guest's kernel: sockets in it connect, locks exclude, mappings are the same. The VM may write to
 * it from when the first container does on; the guest keeps those apart that mount it read-only.
 *
 * A subPath is bound by kubelet at <root>/pods/<uid>/volume-subpaths/<name>/<container>/<index>. Of
 * an emptyDir that is the guest's, it is the path in the guest's file system; which one, the
 * directory tells that kubelet made on the host's.
 *
 * What kubelet rewrites while containers run (configMap, secret, downwardAPI, projected) is copied
 * in the guest by the agent and kept fresh, since the host's changes make no inotify events there.
 */
#include "sandbox/storage/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "kata/guest.h"
#include "rpc/pb/agent_msg.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"

#define VOLUME_EPHEMERAL_DIR KATA_GUEST_SANDBOX_DIR "/ephemeral"
#define VOLUME_WATCHABLE_DIR KATA_GUEST_SANDBOX_DIR "/watchable"
#define VOLUME_SUBPATH_DIR KATA_GUEST_SANDBOX_DIR "/subpaths"
/* What is looked at on the host to find a subPath in its volume. */
#define VOLUME_SUBPATHS_MAX 10000
#define VOLUME_SUBPATH_DEPTH_MAX 64

static const char *const watched_plugins[] = { "configmap", "secret", "projected", "downward-api" };

struct volume {
	const char *plugin, *name; /* @plugin ends at a slash */
};

static const char *last_slash(const char *path, const char *end)
{
	return end ? memrchr(path, '/', (size_t)(end - path)) : NULL;
}

/*
 * ".../volumes/kubernetes.io~<plugin>/<name>" and nothing behind it, but for csi, where "/mount"
 * follows.
 */
static bool parse_path(const char *path, struct volume *ret)
{
	static const char parent[] = "/volumes";
	const char *name = last_slash(path, path + strlen(path));
	const char *dir = last_slash(path, name), *above = last_slash(path, dir);

	if (str_eq(name, "/mount") && above && str_skip_prefix(above, "/kubernetes.io~csi/")) {
		name = dir;
		dir = above;
	}
	const char *plugin = dir ? str_skip_prefix(dir, "/kubernetes.io~") : NULL;
	if (!plugin || (size_t)(dir - path) < strlen(parent) ||
	    strncmp(dir - strlen(parent), parent, strlen(parent)) != 0)
		return false;
	if (!name[1] || str_eq(name, "/.") || str_eq(name, "/.."))
		return false;
	*ret = (struct volume){ .plugin = plugin, .name = name + 1 };
	return true;
}

static bool is_plugin(const struct volume *volume, const char *plugin)
{
	const char *rest = str_skip_prefix(volume->plugin, plugin);

	return rest && *rest == '/';
}

static bool has_destination(const struct sb_container *ctr, const char *mount_point)
{
	for (size_t i = 0; i < ctr->nr_storages; i++)
		if (str_eq(ctr->storages[i].mount_point, mount_point))
			return true;
	return false;
}

/* The mount leads to the storage from now on; a volume that is mounted twice is one storage. */
static int use_storage(struct sb_container *ctr, struct oci_mount *mount,
		       const struct agent_storage *storage, struct err *err)
{
	if (!storage->mount_point || (!has_destination(ctr, storage->mount_point) &&
				      sb_container_add_storage(ctr, storage) < 0))
		return err_set(err, ENOMEM, "out of memory");
	mount->source = arena_strdup(ctr->arena, storage->mount_point);
	return mount->source ? 1 : err_set(err, ENOMEM, "out of memory");
}

/* Mode and, for fsGroup, group are those that kubelet gave the directory on the host. */
static int add_owner(struct sb_container *ctr, const struct stat *st, struct strv *options)
{
	char *text = arena_printf(ctr->arena, "mode=%o", (unsigned)(st->st_mode & 07777));
	int r = text ? arena_strv_add(ctr->arena, options, text) : -ENOMEM;

	if (r < 0 || !st->st_gid)
		return r;
	text = arena_printf(ctr->arena, "fsgid=%u", (unsigned)st->st_gid);
	return text ? arena_strv_add(ctr->arena, options, text) : -ENOMEM;
}

/* What the kernel gives a tmpfs without a size: half of the host's memory, which limits nothing. */
static bool is_default_size(uint64_t bytes)
{
	struct sysinfo info;

	return sysinfo(&info) < 0 || bytes >= (uint64_t)info.totalram * info.mem_unit / 2;
}

static int use_tmpfs(struct sb_container *ctr, struct oci_mount *mount, const struct volume *volume,
		     const struct stat *st, const struct statfs *fs, struct err *err)
{
	struct agent_storage storage = {
		.driver = "ephemeral",
		.source = "tmpfs",
		.fstype = "tmpfs",
		.mount_point = arena_printf(ctr->arena, VOLUME_EPHEMERAL_DIR "/%s", volume->name),
		.shared = true,
	};
	uint64_t bytes = (uint64_t)fs->f_blocks * (uint64_t)fs->f_bsize;
	int r = add_owner(ctr, st, &storage.options);

	if (r >= 0 && !is_default_size(bytes)) {
		char *size = arena_printf(ctr->arena, "size=%llu", (unsigned long long)bytes);

		r = size ? arena_strv_add(ctr->arena, &storage.options, size) : -ENOMEM;
	}
	return r < 0 ? err_set(err, ENOMEM, "out of memory")
		     : use_storage(ctr, mount, &storage, err);
}

/* Page sizes as the specification writes them, "64KB", "2MB", "1GB". */
static uint64_t parse_page_size(const char *text)
{
	static const char units[] = "KMG";
	unsigned long long number;
	char unit;

	if (!text || sscanf(text, "%6llu%cB", &number, &unit) != 2 || !strchr(units, unit))
		return 0;
	return (uint64_t)number << (10 * (unsigned)(strchr(units, unit) - units + 1));
}

static uint64_t huge_page_limit(const struct sb_container *ctr, uint64_t page_size)
{
	const struct oci_resources *res = ctr->spec->linux_ ? ctr->spec->linux_->resources : NULL;

	for (size_t i = 0; res && i < res->nr_hugepage_limits; i++)
		if (parse_page_size(res->hugepage_limits[i].page_size) == page_size)
			return res->hugepage_limits[i].limit;
	return 0;
}

/* Huge pages are what the container was given of them: the host's file system tells no size. */
static int use_hugetlbfs(struct sb_container *ctr, struct oci_mount *mount,
			 const struct volume *volume, const struct stat *st,
			 const struct statfs *fs, struct err *err)
{
	uint64_t page_size = (uint64_t)fs->f_bsize, limit = huge_page_limit(ctr, page_size);
	struct agent_storage storage = {
		.driver = "ephemeral",
		.source = "nodev",
		.fstype = "hugetlbfs",
		.mount_point = arena_printf(ctr->arena, VOLUME_EPHEMERAL_DIR "/%s", volume->name),
		.shared = true,
	};

	if (!limit)
		return err_set(err, EINVAL,
			       "mount %s: a volume of huge pages needs a limit of huge pages of "
			       "%llu KiB, which the container does not have",
			       mount->destination, (unsigned long long)page_size >> 10);
	char *size = arena_printf(ctr->arena, "pagesize=%llu,size=%llu",
				  (unsigned long long)page_size, (unsigned long long)limit);
	int r = size ? arena_strv_add(ctr->arena, &storage.options, size) : -ENOMEM;
	if (r >= 0)
		r = add_owner(ctr, st, &storage.options);
	return r < 0 ? err_set(err, ENOMEM, "out of memory")
		     : use_storage(ctr, mount, &storage, err);
}

/* Without a sandbox container, as in the sandbox API, there is no root file system to put it in. */
static int use_local(struct sb_container *ctr, struct oci_mount *mount, const struct volume *volume,
		     const struct stat *st, struct err *err)
{
	const char *sandbox_id = ctr->sandbox->id;
	struct agent_storage storage = {
		.driver = "local",
		.source = "local",
		.fstype = "local",
		.mount_point = arena_printf(ctr->arena, KATA_GUEST_SHARED_DIR "/%s/rootfs/local/%s",
					    sandbox_id, volume->name),
		.shared = true,
	};

	if (!sb_container_find(ctr->sandbox, sandbox_id))
		return 0;
	if (add_owner(ctr, st, &storage.options) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return use_storage(ctr, mount, &storage, err);
}

/* The volume's directory becomes the guest's. Return: as volume_keep_in_guest(). */
static int keep(struct sb_container *ctr, struct oci_mount *mount, const struct volume *volume,
		int fd, struct err *err)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, -errno, "mount %s: %s", mount->destination,
				     mount->source);
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (fs.f_type == TMPFS_MAGIC)
		return use_tmpfs(ctr, mount, volume, &st, &fs, err);
	if (fs.f_type == HUGETLBFS_MAGIC)
		return use_hugetlbfs(ctr, mount, volume, &st, &fs, err);
	return ctr->sandbox->config->runtime.disable_guest_empty_dir
		       ? 0
		       : use_local(ctr, mount, volume, &st, err);
}

/*
 * ".../volume-subpaths/<name>/<container>/<index>": where an emptyDir of that name would be, in the
 * arena. NULL: it is no such path.
 */
static const char *find_parent_volume(struct arena *arena, const char *path)
{
	static const char subpaths[] = "/volume-subpaths/";
	const char *index = last_slash(path, path + strlen(path));
	const char *container = last_slash(path, index), *name = last_slash(path, container);
	const char *dir = last_slash(path, name);

	if (!dir || !str_skip_prefix(dir, subpaths))
		return NULL;
	return arena_printf(arena, "%.*s/volumes/kubernetes.io~empty-dir%.*s", (int)(dir - path),
			    path, (int)(container - name), name);
}

struct search {
	dev_t dev;
	ino_t ino;
	unsigned budget; /* entries that may still be looked at */
	unsigned depth;
	char path[PATH_MAX];
};

/*
 * Where a directory is in a volume that is the guest's: on the host there is only what kubelet made
 * for subPaths.
 * Return: 1, the path, which begins with a slash, is in search->path; 0: it is not there; or
 * -errno.
 */
static int find_below(int parent, const char *name, size_t len, struct search *search)
{
	DIR *dir;
	int r = io_opendir_at(parent, name, &dir);

	if (r < 0)
		return r;
	if (search->depth >= VOLUME_SUBPATH_DEPTH_MAX)
		r = -ELOOP;
	search->depth++;
	for (const struct dirent *e = readdir(dir); e && r == 0; e = readdir(dir)) {
		size_t room = sizeof(search->path) - len;
		struct stat st;

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		size_t n = (size_t)snprintf(search->path + len, room, "/%s", e->d_name);
		if (n >= room || !search->budget--)
			r = -E2BIG;
		else if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
			 S_ISDIR(st.st_mode) && st.st_dev == search->dev)
			r = st.st_ino == search->ino
				    ? 1
				    : find_below(dirfd(dir), e->d_name, len + n, search);
	}
	search->depth--;
	(void)closedir(dir);
	return r;
}

/* The mount is of a directory in a volume that is the guest's, whose path @mount has already. */
static int use_subpath(struct sb_container *ctr, struct oci_mount *mount, const char *path,
		       const struct stat *st, struct err *err)
{
	char *option = arena_printf(ctr->arena, KATA_SUBPATH "%s", path);
	struct agent_storage storage = {
		.driver = "bind",
		.source = mount->source,
		.fstype = "bind",
		.mount_point = arena_printf(ctr->arena, VOLUME_SUBPATH_DIR "/%s-%zu", ctr->id,
					    ctr->nr_storages),
	};

	if (!option || arena_strv_add(ctr->arena, &storage.driver_options, option) < 0 ||
	    add_owner(ctr, st, &storage.options) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return use_storage(ctr, mount, &storage, err);
}

static int keep_subpath(struct sb_container *ctr, struct oci_mount *mount, int fd, struct err *err)
{
	const char *parent = find_parent_volume(ctr->arena, mount->source);
	struct stat st, parent_st;
	struct volume volume;

	if (!parent || !parse_path(parent, &volume))
		return 0;
	cleanup_close int parent_fd = share_open(parent, false);
	if (parent_fd < 0 || fstat(parent_fd, &parent_st) < 0 || fstat(fd, &st) < 0 ||
	    st.st_dev != parent_st.st_dev || !S_ISDIR(st.st_mode))
		return 0;
	struct search search = { .dev = st.st_dev,
				 .ino = st.st_ino,
				 .budget = VOLUME_SUBPATHS_MAX };
	int r = keep(ctr, mount, &volume, parent_fd, err);
	if (r <= 0)
		return r;
	r = find_below(parent_fd, ".", 0, &search);
	if (r <= 0)
		return err_set_errno(err, r < 0 ? r : -ENOENT, "mount %s: find it in %s",
				     mount->destination, parent);
	return use_subpath(ctr, mount, search.path, &st, err);
}

/**
 * volume_keep_in_guest() - volumes that are the guest's own
 * @ctr: container; its sandbox has its configuration
 * @mount: a bind mount; its source becomes the guest's when this is such a volume
 * @fd: the source
 * @err: says why it cannot be had
 *
 * Return: 1 when it was, 0 when it is an ordinary mount, or -errno.
 */
int volume_keep_in_guest(struct sb_container *ctr, struct oci_mount *mount, int fd, struct err *err)
{
	struct volume volume;

	if (!parse_path(mount->source, &volume))
		return keep_subpath(ctr, mount, fd, err);
	return is_plugin(&volume, "empty-dir") ? keep(ctr, mount, &volume, fd, err) : 0;
}

static struct sb_volume *find_shared(const struct sb_container *ctr, const char *path,
				     const struct stat *st, unsigned flags)
{
	list_for_each(node, &ctr->sandbox->containers) {
		const struct sb_container *other = list_entry(node, struct sb_container, node);

		for (size_t i = 0; i < other->nr_volumes; i++) {
			struct sb_volume *v = &other->volumes[i];

			if (str_eq(v->path, path) && v->dev == st->st_dev && v->ino == st->st_ino &&
			    (v->flags | SHARE_READ_ONLY) == (flags | SHARE_READ_ONLY))
				return v;
		}
	}
	return NULL;
}

/* So far it is shared read-only. What the host has mounted read-only stays so. */
static int make_writable(const struct sb_container *ctr, const char *name, int fd, struct err *err)
{
	struct sandbox *sb = ctr->sandbox;
	struct share_exporter exporter;
	struct statvfs fs;
	int r = neg_errno(fstatvfs(fd, &fs));

	if (r >= 0 && !(fs.f_flag & ST_RDONLY))
		r = share_set_read_only(&sb->storage.share, name, false,
					sandbox_exporter(sb, SANDBOX_EXPORT_VOLUMES, &exporter));
	if (r < 0)
		return err_set_errno(err, r, "let the VM write to %s", name);
	list_for_each(node, &sb->containers) {
		struct sb_container *other = list_entry(node, struct sb_container, node);

		for (size_t i = 0; i < other->nr_volumes; i++)
			if (str_eq(other->volumes[i].name, name))
				other->volumes[i].flags &= ~(unsigned)SHARE_READ_ONLY;
	}
	return 0;
}

static int note_volume(struct sb_container *ctr, const struct sb_volume *volume)
{
	int r = arena_grow(ctr->arena, &ctr->volumes, &ctr->nr_volumes, sizeof(*ctr->volumes));

	if (r >= 0)
		ctr->volumes[ctr->nr_volumes - 1] = *volume;
	return r;
}

/**
 * volume_find() - choose the name below the shared tree for the source of a bind mount
 * @ctr: container; it notes what it uses
 * @host_path: source
 * @fd: the source
 * @flags: enum share_flag
 * @name: a unique name, for what is not shared with other containers
 * @ret_name: receives the name
 * @ret_known: it is shared already
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int volume_find(struct sb_container *ctr, const char *host_path, int fd, unsigned flags,
		const char *name, const char **ret_name, bool *ret_known, struct err *err)
{
	struct volume volume;
	struct stat st;

	*ret_name = name;
	*ret_known = false;
	/* Each container has a path of its own to a subPath: it is told by what it leads to. */
	if (find_parent_volume(ctr->arena, host_path))
		host_path = "";
	else if (!parse_path(host_path, &volume))
		return 0;
	if (fstat(fd, &st) < 0)
		return err_set_errno(err, -errno, "stat");
	const struct sb_volume *known = find_shared(ctr, host_path, &st, flags);
	if (known && (known->flags & ~flags & SHARE_READ_ONLY)) {
		int r = make_writable(ctr, known->name, fd, err);

		if (r < 0)
			return r;
	}
	const struct sb_volume own = {
		.path = arena_strdup(ctr->arena, host_path),
		.dev = st.st_dev,
		.ino = st.st_ino,
		.flags = known ? known->flags : flags,
		.name = arena_strdup(ctr->arena, known ? known->name : name),
	};
	if (!own.path || !own.name || note_volume(ctr, &own) < 0)
		return err_set(err, ENOMEM, "out of memory");
	*ret_name = own.name;
	*ret_known = known;
	return 0;
}

/**
 * volume_is_noted() - may other containers use it, too
 * @ctr: container
 * @name: name below the shared tree that volume_find() chose
 *
 * Return: yes or no.
 */
bool volume_is_noted(const struct sb_container *ctr, const char *name)
{
	for (size_t i = 0; i < ctr->nr_volumes; i++)
		if (str_eq(ctr->volumes[i].name, name))
			return true;
	return false;
}

/**
 * volume_is_shared() - does another container use it too
 * @ctr: container that gives it up
 * @name: name below the shared tree
 *
 * Return: yes or no.
 */
bool volume_is_shared(const struct sb_container *ctr, const char *name)
{
	list_for_each(node, &ctr->sandbox->containers) {
		const struct sb_container *other = list_entry(node, struct sb_container, node);

		for (size_t i = 0; other != ctr && i < other->nr_volumes; i++)
			if (str_eq(other->volumes[i].name, name))
				return true;
	}
	return false;
}

/**
 * volume_watch() - have the agent keep a fresh copy of a volume that kubelet rewrites
 * @ctr: container
 * @mount: read-only bind mount; its source is shared already and becomes the copy
 * @host_path: what its source was on the host
 * @name: unique name for the copy, one path component
 * @err: filled on failure
 *
 * Return: 0 also when it is no such volume, or -errno.
 */
int volume_watch(struct sb_container *ctr, struct oci_mount *mount, const char *host_path,
		 const char *name, struct err *err)
{
	struct volume volume;
	struct agent_storage storage = {
		.driver = "watchable-bind",
		.source = mount->source,
		.fstype = "bind",
	};
	bool watched = false;

	if (!parse_path(host_path, &volume))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(watched_plugins) && !watched; i++)
		watched = is_plugin(&volume, watched_plugins[i]);
	if (!watched)
		return 0;
	storage.mount_point = arena_printf(ctr->arena, VOLUME_WATCHABLE_DIR "/%s", name);
	int r = use_storage(ctr, mount, &storage, err);
	return r < 0 ? r : 0;
}
