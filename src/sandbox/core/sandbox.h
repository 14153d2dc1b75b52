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
struct clock_sync;

enum sandbox_state {
	SANDBOX_STATE_NEW,	/* nothing runs; sandbox_start() is legal */
	SANDBOX_STATE_STARTING, /* one fiber is in sandbox_start(); others wait for it */
	SANDBOX_STATE_RUNNING,	/* the agent answers; containers may come and go */
	SANDBOX_STATE_STOPPING, /* sandbox_stop() is under way, nothing new is accepted */
	SANDBOX_STATE_STOPPED,	/* no VM; exit statuses can still be asked for */
	SANDBOX_STATE_COUNT_,
};

enum sandbox_kind {
	SANDBOX_KIND_SINGLE, /* made for one container; others may join it by its network */
	SANDBOX_KIND_POD,    /* its containers share IPC objects, /dev/shm and perhaps processes */
};

/* What the front doors want to hear; called in the loop or in a fiber, must not wait. */
struct sandbox_events {
	void (*process_started)(void *arg, struct sb_process *process);
	void (*process_exited)(void *arg, struct sb_process *process);
	void (*oom)(void *arg, struct sb_container *ctr);
	void (*gone)(void *arg, const char *reason); /* the VM ended although nobody stopped it */
};

/* Its state directory, which may be renamed while it is used. */
struct sandbox_dir {
	const char *path; /* as it was at the start */
	int fd;
};

/* The container that the sandbox is started for; hooks are told of it. */
struct sandbox_first {
	const char *id; /* which a pod need not share */
	const char *bundle;
	uint32_t host_pid; /* what hooks are told; 0: the VMM's */
	bool hooks_begun;  /* so its poststop hooks must run, also when the start fails */
	bool made;	   /* another one of that id is not the one it was started for */
};

/* Where on the host its processes live; see lifecycle/sandbox_cgroup.c. */
struct sandbox_cgroup {
	struct host_cgroup now, former; /* the latter only while it is being left */
	const char *owner;		/* id of the container whose cgroup it is */
	bool by_systemd;		/* linux.cgroupsPath is slice:prefix:name */
};

/* Files, disks and sockets of the host that the guest has; used by storage/. */
struct sandbox_storage {
	struct share share;
	bool shared_by_9p;	      /* not by virtio-fs */
	unsigned nr_disks;	      /* names hot-plugged disks */
	struct host_sockets *sockets; /* NULL: no container has one of the host's */
	struct fiber_mutex opening_sockets;
};

/*
 * The shared tree is exported twice: root file systems are the containers' own, and what the guest
 * knows of them it may go by for a while; volumes others change too.
 */
enum sandbox_export_use { SANDBOX_EXPORT_ROOTS, SANDBOX_EXPORT_VOLUMES, SANDBOX_EXPORTS };

struct sandbox_export {
	struct sandbox *sandbox;
	struct virtiofsd virtiofsd;
	struct loop_source *watch;
};

/* Programs beside the VMM that end with it. */
struct sandbox_helpers {
	struct sandbox_export exports[SANDBOX_EXPORTS]; /* none with 9p, which the VMM does */
	struct proc proxy;
	struct loop_source *proxy_watch;
	int user_fd; /* holds the VMM's user id; -1: it has none of its own */
};

/* What the VM has of CPUs and memory; used by size/. */
struct sandbox_size {
	enum vm_accel accel;
	unsigned max_vcpus; /* of the VM as it was started */
	bool on_top;	    /* of the container's memory limit is what the VM itself needs */
	uint64_t most_mib;  /* RAM that the guest's kernel ever had to describe */
	uint64_t vmm_mib;   /* what the VMM and its helpers need beside the guest's RAM */
	struct vm_size at_boot, now;
	struct fiber_mutex changing;
};

struct sandbox_vsock {
	struct vsock_addr addr;
	struct kata_secret secret; /* of addr, where that has one */
	int dir_fd;		   /* what addr.path goes through; -1: kernel vsock */
};

struct sandbox_net {
	int netns_fd;
	bool netns_joined; /* the spec named it: it is somebody else's */
	struct network *network;
	struct dns_relay *dns;	   /* NULL: no container needs it */
	struct loopback *loopback; /* NULL: no pod, or this host cannot */
};

/*
 * What uses the VM, its agent or its network and waits in between does so inside of the gate. The
 * end closes it, wakes who waits, and frees these once nobody is inside.
 */
struct sandbox_gate {
	unsigned nr_inside;
	bool closed;
	struct fiber_cond left;
};

/* How far a start is. */
struct sandbox_start {
	struct timeline timeline;
	const char *step;		 /* what it is doing, for its deadline's error */
	struct fiber *fiber;		 /* that does it; NULL once it does not wait for the VM */
	bool agent_listens;		 /* by the console's word */
	bool restoring;			 /* from a template: without it, it goes on */
	bool restore_failed;		 /* the VM or a helper ended meanwhile */
	struct fiber_cond agent_changed; /* broadcast when any of these changes */
};

/* Why the VM ended; see lifecycle/sandbox_exit.c. */
struct sandbox_end {
	char exit_reason[256];	  /* "" while it has not */
	char pending_reason[250]; /* a helper ended: the reason unless the VM has a better one */
	struct loop_source *pending_reason_timer;
	bool gone; /* it ended by itself, and whoever waits for the guest was told */
};

struct sandbox {
	struct loop *loop;
	struct arena *arena;
	const char *id;
	struct config *config;
	const struct oci_spec *spec; /* of the first container */
	enum sandbox_kind kind;
	enum sandbox_state state;
	struct fiber_cond changed; /* broadcast by every change of state */
	const struct sandbox_events *events;
	void *events_arg;
	struct sandbox_dir dir;
	struct sandbox_first first;
	struct sandbox_cgroup cgroup;
	struct sandbox_storage storage;
	struct sandbox_helpers helpers;
	const char *driver; /* of hv: "qemu", other ones in tests */
	struct hypervisor *hv;
	pid_t vmm_pid;
	struct sandbox_size size;
	struct sandbox_vsock vsock;
	struct rpc_client *agent;
	struct clock_sync *clock; /* NULL: the guest has not been reached yet */
	struct sandbox_net net;
	struct list containers;
	struct sandbox_gate gate;
	struct sandbox_start start;
	struct sandbox_end end;
};

int sandbox_new(struct loop *loop, const struct sandbox_events *events, void *events_arg,
		struct sandbox **ret) must_check;
struct sandbox *sandbox_free_for_test(struct sandbox *sb);
void sandbox_set_state(struct sandbox *sb, enum sandbox_state state);
const char *sandbox_state_name(enum sandbox_state state);
uint64_t sandbox_request_deadline(const struct sandbox *sb);
int sandbox_enter(struct sandbox *sb, struct err *err) must_check;
void sandbox_leave(struct sandbox *sb);
int sandbox_wait_left(struct sandbox *sb, uint64_t deadline_ns) must_check;
void sandbox_step(struct sandbox *sb, const char *step);
const struct share_exporter *sandbox_exporter(const struct sandbox *sb, enum sandbox_export_use use,
					      struct share_exporter *ret);
struct hook_owner sandbox_hook_owner(const struct sandbox *sb);
