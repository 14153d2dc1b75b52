/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of a container as the host sees it: the container's first one or an exec. Owns its host
 * descriptors, the relays of its streams, and its exit status.
 *
 * States: CREATED (the guest has not run it; start is legal), RUNNING, STOPPED (exit_status and
 * exited_at are final).
 * PAUSED is a state of the container, shown for its processes too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/fiber.h"
#include "common/list.h"
#include "oci/oci_spec.h"

struct sb_container;
struct sb_process;
struct relay;

/* The host's ends of a process's streams; -1 where there is none. */
struct sb_process_io {
	int fds[3];	/* stdin, stdout, stderr */
	bool terminal;	/* fds[2] is not used */
	bool exclusive; /* nobody shares the open files with us: they may be used as they are */
};

#define SB_PROCESS_IO_NULL ((struct sb_process_io){ .fds = { -1, -1, -1 } })
void sb_process_io_close(struct sb_process_io *io);

enum sb_process_state {
	SB_PROCESS_STATE_CREATED,
	SB_PROCESS_STATE_RUNNING,
	SB_PROCESS_STATE_STOPPED,
	SB_PROCESS_STATE_COUNT_
};

struct sb_process {
	unsigned refs;
	struct list node;		/* in container->execs; unlinked for the first process */
	struct sb_container *container; /* NULL once the container is gone */
	struct arena *arena;		/* of exec_id, spec and uris */
	const char *exec_id;		/* "" for the container's first process */
	const struct oci_process *spec; /* exec only, until it is started */
	enum sb_process_state state;
	bool starting; /* CREATED, and the agent may be starting it */
	struct fiber_cond start_ended;
	struct sb_process_io io; /* until the streams are connected */
	const char *uris[3];	 /* of the streams, as the manager named them; NULL: none */
	struct relay *relays[3];
	uint32_t host_pid; /* what the manager is told */
	int exit_status;
	struct timespec started_at, exited_at;
	struct fiber_cond exited;
	unsigned rows, columns; /* wanted terminal size, applied once it runs; 0: none */
	bool stdin_closed;
	void *user; /* of the front door: the stand-in's connection */
};

int sb_process_new(struct sb_container *container, const char *exec_id,
		   struct sb_process **ret) must_check;
struct sb_process *sb_process_ref(struct sb_process *process);
struct sb_process *sb_process_unref(struct sb_process *process);
DEFINE_CLEANUP(struct sb_process, sb_process_unref)
#define cleanup_process cleanup_with(cleanup_sb_process_unref)
void sb_process_set_state(struct sb_process *process, enum sb_process_state state);
const char *sb_process_state_name(enum sb_process_state state);

/* In a fiber; the caller holds a reference. */
int sb_process_wait(struct sb_process *process, uint64_t deadline_ns) must_check;
int sb_process_wait_start(struct sb_process *process, uint64_t deadline_ns) must_check;
void sb_process_set_starting(struct sb_process *process, bool starting);
void sb_process_drop_streams(struct sb_process *process);
/* The process is over: the guest says so, the VM died, or its start failed. */
void sb_process_exited(struct sb_process *process, int exit_status);
