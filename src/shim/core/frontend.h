/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Front ends
 *
 * A shim is driven by containerd or by the command line. Both use the Task service; what differs
 * between them is one table of functions: that of shim/containerd/containerd_frontend.c or that of
 * shim/cli/cli_frontend.c. The folders core and task know neither of the two and call them by this
 * table only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "sandbox/core/process.h"

struct oci_spec;
struct oci_vm_policy;
struct rpc_request;
struct sb_container;
struct shim;
struct task_create_request;
struct task_pids_response;

/* What a Task call says of the streams of a process; URIs may be empty. */
struct stdio_request {
	const char *id; /* of the container or the exec; for loggers */
	const char *in, *out, *err;
	bool terminal;
};

/* What a front end opened for a process. */
struct shim_streams {
	struct sb_process_io io;
	int netns_fd;	   /* network namespace that came with them, or -1 */
	uint32_t host_pid; /* of the host process that stands for this one; 0: there is none */
};

enum shim_event {
	SHIM_EVENT_STARTED, /* a container or an exec runs */
	SHIM_EVENT_PAUSED,  /* the container was paused or resumed; its state says which */
	SHIM_EVENT_OOM,
	SHIM_EVENT_DELETED, /* process->container is NULL then */
};

struct shim_frontend_ops {
	/* For Create, before the VM exists: is this what a VM can do? Must not wait. */
	int (*validate)(const struct oci_spec *spec, const struct oci_vm_policy *policy,
			struct err *err);
	/* For Create and Exec, in a fiber. @ret is the caller's to close. */
	int (*open_streams)(struct shim *shim, const struct stdio_request *req,
			    struct shim_streams *ret, struct err *err);
	/*
	 * A container was made; in a fiber, with its lock held. After a failure nobody wants it any
	 * more, and it is deleted.
	 */
	int (*created)(struct shim *shim, const struct task_create_request *req,
		       struct sb_process *init, struct err *err);
	/* An exec was added, with the container's lock held. Must not wait. */
	void (*exec_added)(struct shim *shim, const struct stdio_request *req,
			   struct sb_process *exec);
	/* Something happened to a container. @process is its first one. Must not wait. */
	void (*event)(struct shim *shim, enum shim_event event, const char *container_id,
		      const struct sb_process *process);
	/*
	 * A process has ended; must not wait. Return: true when the VM is to end with it and nobody
	 * has seen to that yet.
	 */
	bool (*exited)(struct shim *shim, struct sb_process *process);
	/* For Pids, in a fiber: the numbers by which the host knows a container's processes. */
	int (*list_pids)(struct shim *shim, struct sb_container *ctr, struct rpc_request *call,
			 struct task_pids_response *resp);
	/* May the shim end by itself now? It asks whenever something has come to its end. */
	bool (*may_end)(const struct shim *shim);
	/*
	 * The process ends when this returns; in a fiber. What the manager has still to be told is
	 * told until @deadline_ns, and lost then.
	 */
	void (*finish)(struct shim *shim, uint64_t deadline_ns);
};
