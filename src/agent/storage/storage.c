/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of storages: each mount point once, with a count of those who asked for it. How a
 * driver mounts is storage_drivers.c's business.
 */
#include "agent/storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "agent/core/agent.h"
#include "agent/storage/storage_driver.h"
#include "agent/storage/watchable.h"
#include "agent/util/mounts.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"

/* Storages of one sandbox; a bound, as they come from a peer. */
#define STORAGES_MAX 4096

struct storage {
	struct list node; /* in guest_sandbox.storages */
	unsigned refs;	  /* holders, and requests that wait for it to be mounted */
	char *mount_point;
	const struct storage_driver *driver;
	struct watchable *watch; /* of a watchable-bind */
	bool shared;		 /* stays until the sandbox ends */
	bool mounted;		 /* false while its first request is at it */
	bool failed;		 /* the first request gave up */
	struct fiber_cond settled;
};

static struct storage *find(struct agent *agent, const char *mount_point)
{
	list_for_each(node, &agent->sandbox.storages) {
		struct storage *s = list_entry(node, struct storage, node);

		if (str_eq(s->mount_point, mount_point))
			return s;
	}
	return NULL;
}

static void storage_free(struct storage *s)
{
	list_del(&s->node);
	free(s->mount_point);
	free(s);
}

static int storage_new(struct agent *agent, const struct agent_storage *req, struct storage **ret,
		       struct err *err)
{
	const struct storage_driver *driver = storage_driver_find(req->driver);
	size_t nr = 0;

	if (!driver)
		return err_set(err, ENOTSUP, "not supported: storages of driver %.64s",
			       req->driver);
	list_for_each(node, &agent->sandbox.storages)
		nr++;
	if (nr >= STORAGES_MAX)
		return err_set(err, ENOSPC, "too many storages");
	struct storage *s = calloc(1, sizeof(*s));
	char *mount_point = strdup(req->mount_point);
	if (!s || !mount_point) {
		free(s);
		free(mount_point);
		return err_set(err, ENOMEM, "out of memory");
	}
	*s = (struct storage){
		.refs = 1,
		.mount_point = mount_point,
		.driver = driver,
		.shared = req->shared || driver->has_pod_data,
	};
	fiber_cond_init(&s->settled);
	list_add_tail(&agent->sandbox.storages, &s->node);
	*ret = s;
	return 0;
}

static void undo(struct storage *s)
{
	watchable_stop(s->watch);
	s->watch = NULL;
	if (s->driver->is_directory) {
		int r = io_rm_tree_at(AT_FDCWD, s->mount_point);
		if (r < 0)
			log_warn_errno(r, "remove %s", s->mount_point);
		return;
	}
	/* Lazily: a container that is just ending may still have a copy of the mount. */
	if (umount2(s->mount_point, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
	    errno != ENOENT)
		log_warn_errno(-errno, "unmount %s", s->mount_point);
	/*
	 * Otherwise the empty mount points of a pod's former containers would pile up. One that is
	 * a file, or not empty, stays.
	 */
	(void)rmdir(s->mount_point);
}

static void put(struct storage *s)
{
	if (--s->refs)
		return;
	if (s->mounted)
		undo(s);
	storage_free(s);
}

/* Another request is mounting it right now. */
static int wait_settled(struct storage *s, struct err *err)
{
	while (!s->mounted && !s->failed) {
		int r = fiber_cond_wait(&s->settled, LOOP_FOREVER);

		if (r < 0)
			return err_set_errno(err, r, "storage %s", s->mount_point);
	}
	return s->failed ? err_set(err, EIO, "storage %s: could not be mounted", s->mount_point)
			 : 0;
}

static int mount_first(struct agent *agent, struct storage *s, const struct agent_storage *req,
		       const char *cid, struct err *err)
{
	int r = storage_driver_mount(agent, s->driver, req, cid, &s->watch, err);

	s->mounted = r >= 0;
	s->failed = r < 0;
	fiber_cond_broadcast(&s->settled);
	return r < 0 ? err_wrap(err, "storage %.256s", req->mount_point) : 0;
}

static int add(struct agent *agent, const struct agent_storage *req, const char *cid,
	       struct arena *arena, struct strv *held, struct err *err)
{
	int r = mounts_check_path(req->mount_point, err);

	if (r < 0)
		return err_wrap(err, "storage of driver %.64s", req->driver);
	/* The record first: when there is no memory for it, nothing has been mounted yet. */
	if (arena_strv_add(arena, held, req->mount_point) < 0)
		return err_set(err, ENOMEM, "out of memory");
	struct storage *s = find(agent, req->mount_point);
	if (s) {
		s->refs++;
		r = wait_settled(s, err);
	} else {
		r = storage_new(agent, req, &s, err);
		if (r >= 0)
			r = mount_first(agent, s, req, cid, err);
	}
	if (r >= 0)
		return 0;
	held->nr--;
	if (s)
		put(s);
	return r;
}

/**
 * storage_add_all() - mount storages, or count one more holder of those that are
 * @agent: agent
 * @storages: what is wanted
 * @nr: number of them
 * @container_id: whose they are, NULL: the sandbox's
 * @arena: arena of @held
 * @held: receives the mount points, for storage_release()
 * @err: names the storage that failed
 *
 * Return: 0 or -errno; what was mounted before a failure is in @held and stays.
 */
int storage_add_all(struct agent *agent, const struct agent_storage *storages, size_t nr,
		    const char *container_id, struct arena *arena, struct strv *held,
		    struct err *err)
{
	for (size_t i = 0; i < nr; i++) {
		int r = add(agent, &storages[i], container_id, arena, held, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * storage_release() - give one count back; the last one unmounts what the pod does not keep
 * @agent: agent
 * @mount_point: as recorded by storage_add_all()
 */
void storage_release(struct agent *agent, const char *mount_point)
{
	struct storage *s = find(agent, mount_point);

	if (s && (s->refs > 1 || !s->shared))
		put(s);
}

/**
 * storage_release_all() - unmount everything, the newest first
 * @agent: agent whose sandbox goes; no request is adding storages
 */
void storage_release_all(struct agent *agent)
{
	while (!list_empty(&agent->sandbox.storages)) {
		struct storage *s = list_entry(agent->sandbox.storages.prev, struct storage, node);

		s->refs = 1;
		put(s);
	}
}

/**
 * storage_update_ephemeral() - give tmpfs storages their new size
 * @agent: agent
 * @storages: the storages with their new options; others than ephemeral ones are passed over
 * @nr: number of them
 * @err: names the storage that failed
 *
 * Return: 0 or -errno.
 */
int storage_update_ephemeral(struct agent *agent, const struct agent_storage *storages, size_t nr,
			     struct err *err)
{
	for (size_t i = 0; i < nr; i++) {
		if (!str_eq(storages[i].driver, "ephemeral"))
			continue;
		if (!find(agent, storages[i].mount_point))
			return err_set(err, EINVAL, "no storage is mounted at %.256s",
				       storages[i].mount_point);
		int r = storage_driver_remount(&storages[i], err);
		if (r < 0)
			return err_wrap(err, "storage %.256s", storages[i].mount_point);
	}
	return 0;
}
