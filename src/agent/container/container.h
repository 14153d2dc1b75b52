/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers and their processes, as the OCI runtime specification wants them, built from kernel
 * primitives only. Knows nothing of RPC, storages or the sandbox; whoever calls owns the list of
 * containers.
 *
 * Everything that takes a deadline must be called in a fiber and suspends. A container must not be
 * destroyed while another fiber is inside one of these calls for it: its owner keeps a lock of its
 * own around calls that change it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/fiber.h"
#include "common/list.h"
#include "oci/oci_spec.h"

#define CONTAINER_ID_MAX 255

enum container_ns {
	CONTAINER_NS_USER,
	CONTAINER_NS_MOUNT,
	CONTAINER_NS_PID,
	CONTAINER_NS_NETWORK,
	CONTAINER_NS_IPC,
	CONTAINER_NS_UTS,
	CONTAINER_NS_CGROUP,
	CONTAINER_NS_TIME,
	CONTAINER_NS_NR,
};

/* Values of container_create_args.ns[] that are no descriptors. */
#define CONTAINER_NS_BY_SPEC (-1) /* new when it is listed, or joined when it has a path */
#define CONTAINER_NS_OWN (-2)	  /* the caller's, whatever the spec says */

/* What is legal in which state; the calls say so when it is not. */
enum container_state {
	CONTAINER_STATE_CREATED, /* init waits before its execve; all calls but pause, resume */
	CONTAINER_STATE_RUNNING, /* all but start, resume */
	CONTAINER_STATE_PAUSED,	 /* frozen; all calls but start, exec, pause */
	CONTAINER_STATE_STOPPED, /* init has ended; stats, update and destroy only */
};

struct cgroup;
struct children;
struct process;
struct seccomp_prog;

struct container {
	struct arena *arena; /* strings and lists below */
	char *id;
	char *bundle; /* as told to hooks */
	enum container_state state;
	struct process *init;
	struct list processes; /* struct process.node, init first */
	struct cgroup *cgroup; /* NULL when cgroups are off */
	struct loop *loop;
	struct children *children;   /* of the agent, may be NULL */
	struct fiber_cond idle_cond; /* private: a process has ended or lost its last waiter */
	/* What an exec and the end need of the spec. */
	struct oci_capabilities *capabilities; /* NULL: none */
	char *apparmor_profile, *selinux_label;
	struct oci_personality *personality;
	struct oci_hooks *hooks;
	struct kv *annotations;
	size_t nr_annotations;
	char *oci_version;
	struct seccomp_prog *seccomp;
	uint32_t own_ns; /* bits of enum container_ns that differ from the caller's */
	bool no_new_keyring;
	int time_ns_fd; /* -1 unless in a time namespace of its own */
	struct oci_id_mapping *uid_mappings, *gid_mappings;
	size_t nr_uid_mappings, nr_gid_mappings;
	int sync_fd; /* to init, until it was started */
};

struct container_create_args {
	const char *id;
	const struct oci_spec *spec; /* borrowed until the call returns */
	const char *rootfs;	     /* mounted already; spec->root->path is not looked at */
	const char *bundle;	     /* absolute; writable; relative mount sources begin here */
	const char *cgroup_root;     /* "/sys/fs/cgroup"; NULL: no cgroups */
	int ns[CONTAINER_NS_NR];     /* CONTAINER_NS_* or a descriptor to join, borrowed */
	bool no_new_keyring;
	bool no_input;		     /* stdin is /dev/null */
	bool no_pivot;		     /* move the root and chroot instead */
	struct children *children;   /* where its processes become known; NULL: nowhere */
	const dev_t *denied_devices; /* of the guest: denied even to the privileged */
	size_t nr_denied_devices;
	uint64_t deadline_ns;
};

void container_create_args_init(struct container_create_args *args);
int container_create(const struct container_create_args *args, struct container **ret,
		     struct err *err) must_check;
int container_start(struct container *c, uint64_t deadline_ns, struct err *err) must_check;

/*
 * @oci is borrowed; the exec'ed program runs when this returns 0. With terminal the pty is
 * process->tty_fd.
 */
int container_exec(struct container *c, const char *exec_id, const struct oci_process *oci,
		   uint64_t deadline_ns, bool no_input, struct process **ret,
		   struct err *err) must_check;

/*
 * Kills what is left, waits, removes the cgroup and frees @c. On failure (-ETIMEDOUT) @c is still
 * there.
 */
int container_destroy(struct container *c, uint64_t deadline_ns, struct err *err) must_check;

struct process *container_find_process(struct container *c, const char *exec_id);

int container_kill_all(struct container *c, struct err *err) must_check;
int container_pause(struct container *c, uint64_t deadline_ns, struct err *err) must_check;
int container_resume(struct container *c, uint64_t deadline_ns, struct err *err) must_check;
int container_update(struct container *c, const struct oci_resources *res,
		     struct err *err) must_check;
int container_pids(struct container *c, struct arena *arena, pid_t **ret, size_t *ret_nr,
		   struct err *err) must_check;

struct agent_cgroup_stats;
int container_stats(struct container *c, struct arena *arena, struct agent_cgroup_stats **ret,
		    struct err *err) must_check;

/*
 * OOM: wait for LOOP_READ on the returned descriptor (the caller owns it), then ask how many kills
 * there were so far. The descriptor must be drained by container_oom_kills() (it reads it) or it
 * stays readable.
 */
int container_oom_watch(struct container *c, struct err *err) must_check;
int container_oom_kills(struct container *c, int watch_fd, uint64_t *ret,
			struct err *err) must_check;
