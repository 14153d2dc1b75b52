/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Events
 *
 * Publishing only queues; one fiber sends in order over one connection, which it makes anew when
 * containerd was restarted. An event that cannot be delivered after several tries is dropped with a
 * line in the log, so that a missing containerd costs bounded memory.
 */
#include "shim/containerd/events.h"

#include <errno.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/str.h"
#include "rpc/pb/events_msg.h"
#include "rpc/pb/pb_bridge.h"
#include "rpc/pb/task_msg.h"
#include "rpc/ttrpc/rpc.h"

#define EVENTS_TRIES 5
#define EVENTS_TIMEOUT_MS 5000
#define EVENTS_RETRY_MS 200
#define EVENTS_QUEUE_MAX 2048

struct event {
	struct list node;
	struct arena *arena;
	struct event_envelope envelope;
};

struct events {
	struct loop *loop;
	char *address, *namespace;
	struct list queue;
	size_t nr_queued;
	struct fiber_cond changed;
	struct fiber *sender;
	struct rpc_client *client;
	bool ending;
};

static int connect_containerd(struct events *events)
{
	const char *path = str_skip_prefix(events->address, "unix://");

	if (events->client && rpc_client_is_connected(events->client))
		return 0;
	events->client = rpc_client_free(events->client);
	int fd = fiber_connect_unix(path ? path : events->address,
				    loop_deadline_ms(EVENTS_TIMEOUT_MS));
	return fd < 0 ? fd : rpc_client_new(events->loop, fd, &events->client);
}

static int send_once(struct events *events, struct event *event)
{
	struct events_forward_request req = { .envelope = &event->envelope };
	struct err err = ERR_NULL;
	int r = connect_containerd(events);

	if (r < 0)
		return r;
	return rpc_call(events->client, &events_forward, &req, NULL, NULL,
			loop_deadline_ms(EVENTS_TIMEOUT_MS), &err);
}

static void event_free(struct event *event)
{
	list_del(&event->node);
	(void)arena_free(event->arena);
}

/* Return: 0 or -ECANCELED. */
static int deliver(struct events *events, struct event *event)
{
	int r = 0;

	for (int try = 0; try < EVENTS_TRIES; try++) {
		r = send_once(events, event);
		if (r >= 0 || r == -ECANCELED)
			return MIN(r, 0);
		if (fiber_sleep_until(loop_deadline_ms(EVENTS_RETRY_MS)) < 0)
			return -ECANCELED;
	}
	log_warn_errno(r, "event %s is lost", event->envelope.topic);
	return 0;
}

static void sender_main(void *arg)
{
	struct events *events = arg;

	for (;;) {
		while (!list_empty(&events->queue)) {
			struct event *event = list_entry(events->queue.next, struct event, node);

			if (deliver(events, event) < 0)
				return;
			event_free(event);
			events->nr_queued--;
		}
		if (events->ending || fiber_cond_wait(&events->changed, LOOP_FOREVER) < 0)
			return;
	}
}

/**
 * events_new() - make a publisher
 * @loop: loop
 * @ttrpc_address: containerd's TTRPC_ADDRESS
 * @namespace: containerd namespace
 * @ret: receives it; released with events_free()
 *
 * Return: 0 or -ENOMEM.
 */
int events_new(struct loop *loop, const char *ttrpc_address, const char *namespace,
	       struct events **ret)
{
	struct events *events = calloc(1, sizeof(*events));

	if (!events)
		return -ENOMEM;
	events->loop = loop;
	events->address = strdup(ttrpc_address);
	events->namespace = strdup(namespace);
	list_init(&events->queue);
	fiber_cond_init(&events->changed);
	if (!events->address || !events->namespace ||
	    fiber_spawn(loop, "events", sender_main, events, &events->sender) < 0) {
		free(events->address);
		free(events->namespace);
		free(events);
		return -ENOMEM;
	}
	*ret = events;
	return 0;
}

/**
 * events_free() - send the rest and release a publisher
 * @events: publisher or NULL
 * @deadline_ns: until when to try
 *
 * Return: NULL.
 */
struct events *events_free(struct events *events, uint64_t deadline_ns)
{
	if (!events)
		return NULL;
	events->ending = true;
	fiber_cond_broadcast(&events->changed);
	if (fiber_join(events->sender, deadline_ns) < 0) {
		fiber_cancel(events->sender);
		(void)fiber_join(events->sender,
				 LOOP_FOREVER); /* a cancelled fiber ends at its next wait */
	}
	while (!list_empty(&events->queue))
		event_free(list_entry(events->queue.next, struct event, node));
	(void)rpc_client_free(events->client);
	free(events->address);
	free(events->namespace);
	free(events);
	return NULL;
}

static int queue_event(struct events *events, const char *topic, const struct pb_type *type,
		       const void *plain)
{
	struct arena *arena;

	if (events->nr_queued == EVENTS_QUEUE_MAX)
		return -ENOBUFS;
	if (arena_new(&arena) < 0)
		return -ENOMEM;
	struct event *event = arena_alloc(arena, sizeof(*event));
	int r = event ? pb_any_pack(arena, type, plain, &event->envelope.event) : -ENOMEM;
	if (r < 0) {
		(void)arena_free(arena);
		return r;
	}
	event->arena = arena;
	event->envelope.timestamp = pb_timestamp_now();
	event->envelope.namespace = events->namespace;
	event->envelope.topic = topic;
	list_add_tail(&events->queue, &event->node);
	events->nr_queued++;
	fiber_cond_broadcast(&events->changed);
	return 0;
}

static void publish(struct events *events, const char *topic, const struct pb_type *type,
		    const void *plain)
{
	int r = events ? queue_event(events, topic, type, plain) : 0;

	if (r < 0)
		log_warn_errno(r, "event %s is lost", topic);
}

/**
 * events_created() - TaskCreate
 * @events: publisher or NULL
 * @req: the call that made the container
 * @pid: its pid
 */
void events_created(struct events *events, const struct task_create_request *req, uint32_t pid)
{
	struct event_task_io io = { req->stdin, req->stdout, req->stderr, req->terminal };
	struct event_task_create event = {
		.container_id = req->id,
		.bundle = req->bundle,
		.rootfs = req->rootfs,
		.nr_rootfs = req->nr_rootfs,
		.io = &io,
		.checkpoint = req->checkpoint,
		.pid = pid,
	};

	publish(events, "/tasks/create", &event_task_create_type, &event);
}

/**
 * events_started() - TaskStart or TaskExecStarted
 * @events: publisher or NULL
 * @process: process that runs now
 */
void events_started(struct events *events, const struct sb_process *process)
{
	struct event_task_start start = { process->container->id, process->host_pid };
	struct event_task_exec_started exec = { process->container->id, process->exec_id,
						process->host_pid };

	if (*process->exec_id)
		publish(events, "/tasks/exec-started", &event_task_exec_started_type, &exec);
	else
		publish(events, "/tasks/start", &event_task_start_type, &start);
}

static struct pb_timestamp exit_time(const struct sb_process *process)
{
	return (struct pb_timestamp){ process->exited_at.tv_sec,
				      (int32_t)process->exited_at.tv_nsec };
}

/**
 * events_deleted() - TaskDelete
 * @events: publisher or NULL
 * @container_id: container; it may be gone
 * @process: its first process
 */
void events_deleted(struct events *events, const char *container_id,
		    const struct sb_process *process)
{
	struct event_task_delete event = {
		.container_id = container_id,
		.pid = process->host_pid,
		.exit_status = (uint32_t)process->exit_status,
		.exited_at = exit_time(process),
		.id = container_id,
	};

	publish(events, "/tasks/delete", &event_task_delete_type, &event);
}

/**
 * events_exec_added() - TaskExecAdded
 * @events: publisher or NULL
 * @exec: the exec
 */
void events_exec_added(struct events *events, const struct sb_process *exec)
{
	struct event_task_exec_added event = { exec->container->id, exec->exec_id };

	publish(events, "/tasks/exec-added", &event_task_exec_added_type, &event);
}

/**
 * events_paused() - TaskPaused or TaskResumed
 * @events: publisher or NULL
 * @ctr: container
 */
void events_paused(struct events *events, const struct sb_container *ctr)
{
	struct event_task_paused paused = { ctr->id };
	struct event_task_resumed resumed = { ctr->id };

	if (ctr->paused)
		publish(events, "/tasks/paused", &event_task_paused_type, &paused);
	else
		publish(events, "/tasks/resumed", &event_task_resumed_type, &resumed);
}

/**
 * events_process_exited() - TaskExit
 * @events: publisher or NULL
 * @process: process that has ended
 */
void events_process_exited(struct events *events, const struct sb_process *process)
{
	struct event_task_exit event = {
		.container_id = process->container->id,
		.id = *process->exec_id ? process->exec_id : process->container->id,
		.pid = process->host_pid,
		.exit_status = (uint32_t)process->exit_status,
		.exited_at = exit_time(process),
	};

	publish(events, "/tasks/exit", &event_task_exit_type, &event);
}

/**
 * events_oom() - TaskOOM
 * @events: publisher or NULL
 * @ctr: container whose memory ran out
 */
void events_oom(struct events *events, const struct sb_container *ctr)
{
	struct event_task_oom event = { ctr->id };

	publish(events, "/tasks/oom", &event_task_oom_type, &event);
}
