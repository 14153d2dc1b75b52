/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container of a sandbox: its bundle, what it shares with the guest, its processes.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "common/fiber.h"
#include "common/list.h"
#include "oci/cpu.h"
#include "oci/grouping.h"
#include "oci/oci_spec.h"
#include "sandbox/core/process.h"

struct sandbox;
struct agent_storage;
struct hook_owner;
struct pid_thread;

/* What it may use; 0: no limit. */
struct sb_limits {
	uint64_t memory; /* bytes */
	uint64_t cpu;	 /* thousandths of one */
	struct oci_bandwidth bandwidth;
};

/* A volume of a pod, shared for one container or for several. */
struct sb_volume {
	const char *path; /* on the host; "": a subPath, whose paths differ */
	dev_t dev;
	ino_t ino;
	unsigned flags;	  /* enum share_flag */
	const char *name; /* below the shared tree */
};

/* A disk that was plugged for a container. */
struct sb_disk {
	const char *id; /* the VM's name for it */
	const char *guest_path;
	dev_t dev;
	ino_t ino;
	bool shareable; /* read-only: other containers may have it too */
};

struct sb_container {
	struct list node; /* in sandbox->containers */
	struct sandbox *sandbox;
	struct arena *arena;
	const char *id, *bundle;
	const struct oci_spec *spec; /* as the manager wrote it, judged before it came here */
	enum oci_container_type type;
	const char *manager; /* as in struct oci_grouping; static */
	bool is_first;	     /* the sandbox was started for it */
	struct sb_process *init;
	struct pid_thread *pid_thread; /* NULL: its number is another process's */
	struct list execs;	       /* struct sb_process */
	/*
	 * One life-cycle call at a time; never held while waiting for an exit. Only container.c
	 * touches it: see sb_container_lock().
	 */
	struct fiber_mutex lock;
	struct strv shares;	   /* names below the shared tree */
	struct sb_volume *volumes; /* those of them that other containers may share */
	size_t nr_volumes;
	struct sb_disk *disks;
	size_t nr_disks;
	struct agent_storage *storages; /* what the agent is to mount for it */
	size_t nr_storages;
	char *rootfs_mount;	  /* mounted by us, absolute; NULL: none */
	const char *guest_rootfs; /* on disks: the guest's path; NULL: it is shared */
	struct sb_limits limits;
	bool in_guest; /* the agent knows it */
	bool paused, oom_killed, deleted;
	struct timespec created_at;
};

struct sb_container *sb_container_find(struct sandbox *sb, const char *id);
bool sb_container_pid_is_pinned(const struct sb_container *ctr);
const struct sb_container *sb_container_pid_target(const struct sb_container *ctr);
int sb_container_add_storage(struct sb_container *ctr,
			     const struct agent_storage *storage) must_check;
struct sb_process *sb_container_find_process(struct sb_container *ctr, const char *exec_id);
int sb_container_new(struct sandbox *sb, struct arena *arena, const char *id, const char *bundle,
		     struct sb_container **ret) must_check;
int sb_container_get(struct sandbox *sb, const char *id, struct sb_container **ret,
		     struct err *err) must_check;
int sb_container_lock(struct sandbox *sb, const char *id, struct sb_container **ret,
		      struct err *err) must_check;
void sb_container_unlock(struct sb_container *ctr);
bool sb_container_is_pause(const struct sb_container *ctr);
void sb_container_free(struct sb_container *ctr);
void sb_container_forget_process(struct sb_process *process);
struct hook_owner sb_container_hook_owner(const struct sb_container *ctr);
