/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The sandbox core
 *
 * A sandbox is one VM and what belongs to it. It knows nothing of containerd or the command line:
 * the shim's services call it and get its events. Every function that may wait runs in the calling
 * request's fiber. A sandbox is started by its first container and stopped by the shim; everything it
 * makes on the host is a child process, a descriptor or a mount in the shim's own namespace, so the
 * kernel cleans up if the shim is killed, except what sandbox.json lists.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/fiber.h"
#include "common/list.h"
#include "common/proc.h"
#include "config/config.h"
#include "oci/oci_spec.h"
#include "sandbox/cgroup/host_cgroup.h"
#include "sandbox/core/timeline.h"
#include "sandbox/hypervisor/hypervisor.h"
#include "sandbox/sharefs/share.h"
#include "sandbox/sharefs/virtiofsd.h"
#include "sandbox/vsock/vsock.h"

struct sb_container;
struct sb_process;
struct rpc_client;
struct sandbox;
struct network;
struct loopback;
struct hook_owner;
struct host_sockets;

enum sandbox_state {
	SANDBOX_STATE_NEW,	/* nothing runs; sandbox_start() is legal */
	SANDBOX_STATE_STARTING, /* one fiber is in sandbox_start(); others wait for it */
	SANDBOX_STATE_RUNNING,	/* the agent answers; containers may come and go */
	SANDBOX_STATE_STOPPING, /* sandbox_stop() is under way, nothing new is accepted */
	SANDBOX_STATE_STOPPED,	/* no VM; exit statuses can still be asked for */
	SANDBOX_STATE_COUNT_,
};

/* What the front doors want to hear; called in the loop or in a fiber, must not wait. */
struct sandbox_events {
	void (*process_started)(void *arg, struct sb_process *process);
	void (*process_exited)(void *arg, struct sb_process *process);
	void (*oom)(void *arg, struct sb_container *ctr);
	void (*gone)(void *arg, const char *reason); /* the VM ended although nobody stopped it */
};

struct sandbox {
	struct loop *loop;
	struct arena *arena;
	const char *id, *first_id, *state_dir, *bundle;
	int state_fd; /* the state directory, which may be renamed */
	struct config *config;
	const struct oci_spec *spec;
	enum sandbox_state state;
	struct fiber_cond changed; /* broadcast by every change of state */
	const struct sandbox_events *events;
	void *events_arg;

	int netns_fd;
	bool netns_joined; /* the spec named it: it is somebody else's */
	uint32_t host_pid;
	bool systemd_cgroup;
	bool pod; /* its containers share IPC objects, /dev/shm and perhaps processes */
	struct host_cgroup cgroup, former_cgroup; /* the latter only while it is being left */
	const char *cgroup_owner;		  /* id of the container whose cgroup it is */
	struct share share;
	bool shared_by_9p; /* not by virtio-fs */
	struct virtiofsd virtiofsd;
	struct proc proxy;
	struct loop_source *virtiofsd_watch, *proxy_watch;
	struct hypervisor *hv;
	enum vm_accel accel;
	unsigned max_vcpus;		/* of the VM as it was started */
	struct vm_size boot_size, size; /* as it was started, and what the guest uses now */
	struct fiber_mutex resizing;
	pid_t vmm_pid;
	struct vsock_addr vsock;
	int vsock_dir_fd; /* what vsock.path goes through */
	struct rpc_client *agent;
	struct network *network;
	struct dns_relay *dns;	   /* NULL: none is needed */
	struct loopback *loopback; /* NULL: none is needed, or this host cannot */
	struct fiber_mutex opening_sockets;
	struct host_sockets *sockets; /* NULL: no container has one of the host's */
	struct list containers;
	unsigned nr_disks; /* names hot-plugged disks */
	bool hooks_begun;  /* of the first container, whose poststop's must run then, too */
	struct timeline timeline;
	const char *step;      /* what sandbox_start() is doing, for its deadline's error */
	struct fiber *starter; /* which fiber that is; NULL once it does not wait for the VM */
	char exit_reason[256]; /* why the VM ended; "" while it has not */
	char pending_reason
		[250]; /* a helper that ended, the reason unless the VM has a better one */
	struct loop_source *pending_reason_timer;
	bool gone; /* it did so by itself, and whoever waits for the guest was told */
};

int sandbox_new(struct loop *loop, const struct sandbox_events *events, void *events_arg,
		struct sandbox **ret) must_check;
struct sandbox *sandbox_free(struct sandbox *sb);
void sandbox_set_state(struct sandbox *sb, enum sandbox_state state);
const char *sandbox_state_name(enum sandbox_state state);
uint64_t sandbox_request_deadline(const struct sandbox *sb);
void sandbox_step(struct sandbox *sb, const char *step);
struct hook_owner sandbox_hook_owner(const struct sandbox *sb);
