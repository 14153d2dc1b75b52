/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drivers of storages, one function each and a table at the end.
 */
#include "agent/storage/storage_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/core/agent.h"
#include "agent/device/drivers.h"
#include "agent/device/hotplug.h"
#include "agent/storage/fs_group.h"
#include "agent/storage/socket_port.h"
#include "agent/storage/storage.h"
#include "agent/storage/watchable.h"
#include "agent/util/mounts.h"
#include "agent/util/path.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "kata/guest.h"

#define DISK_PATH_MAX 256

static int make_dir(const char *path, struct err *err)
{
	int r = io_mkdir_p(path, 0755);

	return r < 0 ? err_set_errno(err, r, "make directory %s", path) : 0;
}

/* The mount point of a file's bind is a file. */
static int make_file(const char *path, struct err *err)
{
	cleanup_free char *parent = strdup(path);

	if (!parent)
		return err_set(err, ENOMEM, "out of memory");
	*strrchr(parent, '/') = '\0';
	int r = *parent ? make_dir(parent, err) : 0;
	if (r < 0)
		return r;
	int fd = neg_errno(open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
	if (fd < 0)
		return err_set_errno(err, fd, "make file %s", path);
	(void)fd_close(fd);
	return 0;
}

/* Binds take their flags in a second call only, propagation goes in one of its own. */
static int mount_at(const char *source, const char *fstype, const struct storage_mount *m)
{
	const struct storage_options *o = &m->options;
	const char *target = m->storage->mount_point;
	unsigned long bind = o->flags & (MS_BIND | MS_REC), rest = o->flags & ~(MS_BIND | MS_REC);
	int r;

	if (bind & MS_BIND) {
		r = neg_errno(mount(source, target, NULL, bind, NULL));
		if (r >= 0 && rest)
			r = neg_errno(mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | rest, NULL));
	} else {
		r = neg_errno(mount(source, target, fstype, rest, o->data.data));
	}
	if (r >= 0 && o->propagation)
		r = neg_errno(mount(NULL, target, NULL, o->propagation, NULL));
	return r;
}

static int mount_or_say(const char *source, const char *fstype, const struct storage_mount *m,
			struct err *err)
{
	int r = mount_at(source, fstype, m);

	return r < 0 ? drivers_mount_failed(err, r, source, fstype) : 0;
}

struct tag_wait {
	const struct storage_mount *m;
	int r;
};

/* A tag the kernel does not know yet is EINVAL for virtio-fs and ENOENT for 9p. */
static int try_tag(void *arg)
{
	struct tag_wait *wait = arg;

	wait->r = mount_at(wait->m->storage->source, wait->m->storage->fstype, wait->m);
	if (wait->r == -EINVAL || wait->r == -ENOENT)
		return 0;
	return wait->r < 0 ? wait->r : 1;
}

/* The device may be plugged at the time it is asked for. */
static int mount_tag(struct storage_mount *m, struct err *err)
{
	struct tag_wait wait = { .m = m };
	int r = make_dir(m->storage->mount_point, err);

	if (r < 0)
		return r;
	r = uevents_wait(&m->agent->uevents, try_tag, &wait,
			 loop_deadline_ms(m->agent->config.hotplug_timeout_ms));
	if (r >= 0)
		return 0;
	return drivers_mount_failed(err, r == -ETIMEDOUT ? wait.r : r, m->storage->source,
				    m->storage->fstype);
}

/* Where a disk is: a device that is plugged, or a file that is shared. */
static int find_disk(const struct storage_mount *m, const char *source, char *ret, size_t size,
		     struct err *err)
{
	if (!str_skip_prefix(source, KATA_GUEST_SHARED_DIR "/"))
		return hotplug_wait_block(&m->agent->hotplug, m->storage->driver, source, ret, size,
					  err);
	int r = mounts_check_path(source, err);
	if (r >= 0 && snprintf(ret, size, "%s", source) >= (int)size)
		r = err_set(err, ENAMETOOLONG, "disk %.64s", source);
	return r;
}

/* A file system on several disks: its mount names the nodes of all but the first. */
static int add_disk(struct storage_mount *m, const char *source, struct err *err)
{
	struct strbuf *data = &m->options.data;
	char node[DISK_PATH_MAX];
	int r = find_disk(m, source, node, sizeof(node), err);

	if (r < 0)
		return r;
	r = strbuf_printf(data, "%sdevice=%s", data->len ? "," : "", node);
	return r < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
}

static int mount_block(struct storage_mount *m, struct err *err)
{
	const struct agent_storage *s = m->storage;
	char node[DISK_PATH_MAX];
	int r = find_disk(m, s->source, node, sizeof(node), err);

	for (size_t i = 0; r >= 0 && i < s->driver_options.nr; i++) {
		const char *option = s->driver_options.v[i];
		const char *disk = str_skip_prefix(option, KATA_EROFS_DEVICE);

		if (disk)
			r = add_disk(m, disk, err);
		else if (str_eq(option, "create_filesystem") ||
			 str_skip_prefix(option, "encryption_key="))
			r = err_set(err, ENOTSUP, "not supported: storage option %.64s", option);
	}
	if (r < 0)
		return r;
	bool raw = str_eq(s->fstype, "bind") || (m->options.flags & MS_BIND);
	if (raw)
		m->options.flags |= MS_BIND;
	r = raw ? make_file(s->mount_point, err) : make_dir(s->mount_point, err);
	return r < 0 ? r : mount_or_say(node, s->fstype, m, err);
}

/* Owner and mode of a volume's root, as "fsgid=" and "mode=" ask for it. */
static int set_owner(const struct storage_mount *m, const char *path, mode_t mode, struct err *err)
{
	if (m->options.has_gid && chown(path, (uid_t)-1, m->options.gid) < 0)
		return err_set_errno(err, -errno, "chown %s", path);
	/* New files get the group of the volume, as Kubernetes promises with fsGroup. */
	if (chmod(path, m->options.has_gid ? mode | S_ISGID : mode) < 0)
		return err_set_errno(err, -errno, "chmod %s", path);
	return 0;
}

static int reserve_hugepages(const char *options, struct err *err)
{
	unsigned long long page = 0, size = 0, got = 0;
	cleanup_free char *text = NULL;
	char path[96], number[32];

	if (sscanf(options, "pagesize=%20llu,size=%20llu", &page, &size) != 2 || !page ||
	    page % 1024)
		return err_set(err, EINVAL,
			       "hugetlbfs options are pagesize=<bytes>,size=<bytes>: %.64s",
			       options);
	(void)snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%llukB/nr_hugepages",
		       page / 1024);
	(void)snprintf(number, sizeof(number), "%llu", size / page);
	int r = io_write_str_at(AT_FDCWD, path, number);
	if (r < 0)
		return err_set_errno(err, r, "write %s", path);
	ssize_t n = io_read_file_at(AT_FDCWD, path, 64, &text);
	if (n < 0)
		return err_set_errno(err, (int)n, "read %s", path);
	got = strtoull(text, NULL, 10);
	if (got < size / page)
		return err_set(err, ENOMEM, "only %llu of %llu huge pages of %llu bytes are free",
			       got, size / page, page);
	return 0;
}

static int mount_ephemeral(struct storage_mount *m, struct err *err)
{
	const struct agent_storage *s = m->storage;
	bool huge = str_eq(s->fstype, "hugetlbfs");
	char mode[24];
	int r = make_dir(s->mount_point, err);

	if (r >= 0 && huge)
		r = reserve_hugepages(m->options.data.data ? m->options.data.data : "", err);
	if (r < 0)
		return r;
	if (!huge && !m->options.has_mode) {
		m->options.mode = 01777;
	}
	(void)snprintf(mode, sizeof(mode), "%smode=%o", m->options.data.len ? "," : "",
		       m->options.mode);
	if (!huge && strbuf_puts(&m->options.data, mode) < 0)
		return err_set(err, ENOMEM, "out of memory");
	r = mount_or_say(str_empty(s->source) ? "tmpfs" : s->source, huge ? "hugetlbfs" : "tmpfs",
			 m, err);
	if (r >= 0 && (m->options.has_gid || (huge && m->options.has_mode)))
		r = set_owner(m, m->storage->mount_point,
			      m->options.has_mode || !huge ? m->options.mode : 0775, err);
	return r;
}

static int make_local(struct storage_mount *m, struct err *err)
{
	int r = make_dir(m->storage->mount_point, err);

	return r < 0 ? r
		     : set_owner(m, m->storage->mount_point,
				 m->options.has_mode ? m->options.mode : 0777, err);
}

static int make_wanted_dirs(const struct storage_mount *m, struct err *err)
{
	const struct strv *options = &m->storage->driver_options;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < options->nr; i++) {
		const char *dir = str_skip_prefix(options->v[i], KATA_OVERLAY_CREATE_DIR);

		if (!dir)
			continue;
		r = mounts_check_path(dir, err);
		if (r >= 0)
			r = make_dir(dir, err);
	}
	return r;
}

/* Makes <base>/<name> and appends "<name>=<it>" to the mount's data. */
static int add_overlay_dir(struct storage_mount *m, const char *base, const char *name,
			   struct err *err)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", base, name);
	int r = make_dir(path, err);
	if (r >= 0 && strbuf_printf(&m->options.data, "%s%s=%s", m->options.data.len ? "," : "",
				    name, path) < 0)
		r = err_set(err, ENOMEM, "out of memory");
	return r;
}

/*
 * What the container writes is kept in memory. A tmpfs of its own keeps it from filling the agent's
 * file system; it goes with the container's directory.
 */
static int add_upper_layer(struct storage_mount *m, struct err *err)
{
	char base[200];

	(void)snprintf(base, sizeof(base), KATA_GUEST_BASE "/%s/upper", m->container_id);
	int r = make_dir(base, err);
	if (r >= 0 && mount("tmpfs", base, "tmpfs", 0, "mode=755") < 0)
		r = err_set_errno(err, -errno, "mount %s", base);
	if (r >= 0)
		r = add_overlay_dir(m, base, "upperdir", err);
	if (r >= 0)
		r = add_overlay_dir(m, base, "workdir", err);
	return r;
}

static int mount_overlay(struct storage_mount *m, struct err *err)
{
	int r = make_dir(m->storage->mount_point, err);

	if (r >= 0)
		r = make_wanted_dirs(m, err);
	if (r >= 0 && m->options.overlay_rw && m->container_id)
		r = add_upper_layer(m, err);
	return r < 0 ? r : mount_or_say("overlay", "overlay", m, err);
}

static const char *find_subpath(const struct agent_storage *s)
{
	for (size_t i = 0; i < s->driver_options.nr; i++) {
		const char *path = str_skip_prefix(s->driver_options.v[i], KATA_SUBPATH);

		if (path)
			return path;
	}
	return NULL;
}

/*
 * A directory that a container made is used as it is; one that is missing is made with the owner
 * and mode that are asked for.
 */
static int open_subpath(const struct storage_mount *m, const char *path, struct err *err)
{
	const char *source = m->storage->source;
	cleanup_close int root = neg_errno(open(source, O_PATH | O_DIRECTORY | O_CLOEXEC));
	int fd = root < 0 ? root : path_open_in(root, path, O_PATH);

	if (fd == -ENOENT && root >= 0) {
		char name[FD_PATH_MAX];
		int r = 0;

		fd = path_make_in(root, path, PATH_DIR, 0700);
		if (fd >= 0 && m->options.has_mode)
			r = set_owner(m, fd_path(fd, name), m->options.mode, err);
		if (r < 0) {
			fd = fd_close(fd);
			return r;
		}
	}
	return fd < 0 ? err_set_errno(err, fd, "%.64s in %.128s", path, source) : fd;
}

static int mount_bind(struct storage_mount *m, struct err *err)
{
	const char *source = m->storage->source, *target = m->storage->mount_point;
	const char *subpath = find_subpath(m->storage);
	cleanup_close int fd = -1;
	char name[FD_PATH_MAX];
	struct stat st;
	int r = mounts_check_path(source, err);

	if (r >= 0)
		r = make_wanted_dirs(m, err);
	if (r >= 0 && subpath)
		r = fd = open_subpath(m, subpath, err);
	if (r < 0)
		return r;
	if (fd >= 0)
		source = fd_path(fd, name);
	if (stat(source, &st) < 0)
		return err_set_errno(err, -errno, "source %.128s", source);
	r = S_ISDIR(st.st_mode) ? make_dir(target, err) : make_file(target, err);
	if (!(m->options.flags & MS_BIND))
		m->options.flags |= MS_BIND | MS_REC;
	return r < 0 ? r : mount_or_say(source, "bind", m, err);
}

/*
 * Small trees are copied and kept fresh. Larger ones are bound from the share: readers see changes
 * there, but inotify does not report them.
 */
static int mount_watchable(struct storage_mount *m, struct err *err)
{
	int r = mounts_check_path(m->storage->source, err);

	if (r < 0)
		return r;
	r = watchable_start(m->agent, m->storage->source, m->storage->mount_point, &m->watch, err);
	return r == -E2BIG ? mount_bind(m, err) : r;
}

static int make_socket(struct storage_mount *m, struct err *err)
{
	const struct agent_storage *s = m->storage;
	struct socket_port_owner owner;
	uint32_t number;

	if (s->driver_options.nr != 1 || str_to_u32(s->source, &number) < 0 ||
	    sscanf(s->driver_options.v[0], "owner=%u:%u,mode=%o", &owner.uid, &owner.gid,
		   &owner.mode) != 3)
		return err_set(err, EINVAL, "socket of the host: bad number or owner");
	int r = make_dir(KATA_GUEST_SOCKET_DIR, err);
	return r < 0 ? r
		     : socket_port_listen(m->agent->sockets, number, s->mount_point, &owner, err);
}

static const struct storage_driver drivers[] = {
	{ "virtio-fs", mount_tag, false, false },
	{ "9p", mount_tag, false, false },
	{ HOTPLUG_BLK, mount_block, false, false },
	{ HOTPLUG_MMIOBLK, mount_block, false, false },
	{ HOTPLUG_SCSI, mount_block, false, false },
	{ HOTPLUG_NVDIMM, mount_block, false, false },
	{ "ephemeral", mount_ephemeral, false, true },
	{ "local", make_local, true, true },
	{ "overlayfs", mount_overlay, false, false },
	{ "watchable-bind", mount_watchable, false, false },
	{ "bind", mount_bind, false, false },
	{ KATA_STORAGE_SOCKET, make_socket, true, true },
};

const char *const storage_drivers[] = {
	"virtio-fs", "9p",    HOTPLUG_BLK, HOTPLUG_MMIOBLK,  HOTPLUG_SCSI, HOTPLUG_NVDIMM,
	"ephemeral", "local", "overlayfs", "watchable-bind", "bind",	   KATA_STORAGE_SOCKET,
	NULL
};
_Static_assert(ARRAY_SIZE(storage_drivers) == ARRAY_SIZE(drivers) + 1, "every driver is announced");

/**
 * storage_driver_find() - look a driver up
 * @name: as the protocol writes it
 *
 * Return: the driver or NULL.
 */
const struct storage_driver *storage_driver_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (str_eq(drivers[i].name, name))
			return &drivers[i];
	return NULL;
}

/**
 * storage_driver_mount() - mount one storage
 * @agent: agent
 * @driver: its driver
 * @storage: request, its mount point checked
 * @container_id: whose it is, NULL: the sandbox's
 * @ret_watch: receives the watch of a watchable mount, NULL for others
 * @err: filled on failure
 *
 * Return: 0 or -errno, and then nothing is mounted.
 */
int storage_driver_mount(struct agent *agent, const struct storage_driver *driver,
			 const struct agent_storage *storage, const char *container_id,
			 struct watchable **ret_watch, struct err *err)
{
	struct storage_mount m = { .agent = agent,
				   .storage = storage,
				   .container_id = container_id };
	int r = storage_options_parse(&storage->options, &m.options, err);

	if (r < 0)
		return r;
	r = driver->mount(&m, err);
	storage_options_deinit(&m.options);
	if (r < 0)
		return r;
	if (storage->fs_group) {
		r = fs_group_apply(storage->mount_point, storage->fs_group, err);
		if (r < 0) {
			watchable_stop(m.watch);
			(void)umount2(storage->mount_point,
				      MNT_DETACH); /* the first failure is the one to report */
			return r;
		}
	}
	*ret_watch = m.watch;
	return 0;
}

/**
 * storage_driver_remount() - apply new options to a mounted tmpfs
 * @storage: request
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int storage_driver_remount(const struct agent_storage *storage, struct err *err)
{
	cleanup_storage_options struct storage_options o = STORAGE_OPTIONS_NULL;
	int r = storage_options_parse(&storage->options, &o, err);

	if (r < 0)
		return r;
	r = neg_errno(mount(NULL, storage->mount_point, NULL, MS_REMOUNT | o.flags, o.data.data));
	return r < 0 ? err_set_errno(err, r, "remount") : 0;
}
