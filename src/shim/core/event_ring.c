/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of events. A reader that is too slow misses the oldest ones and sees it by the gap in the
 * numbers.
 */
#include "shim/core/event_ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"
#include "rpc/pb/pb_bridge.h"

#define EVENT_RING_MAX 64
#define EVENT_RING_TEXT_MAX 160

struct event_ring_entry {
	uint64_t seq;
	enum admin_event_type type;
	char id[129], exec_id[129], text[EVENT_RING_TEXT_MAX];
	uint32_t exit_status;
	struct pb_timestamp time;
};

struct event_ring {
	struct event_ring_entry
		*entries[EVENT_RING_MAX]; /* made as needed: most sandboxes see few */
	uint64_t last_seq;
	struct fiber_cond added;
};

/**
 * event_ring_new() - make an empty ring
 * @ret: receives it; it lives as long as the process, since requests may wait for it until then
 *
 * Return: 0 or -ENOMEM.
 */
int event_ring_new(struct event_ring **ret)
{
	struct event_ring *ring = calloc(1, sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	fiber_cond_init(&ring->added);
	*ret = ring;
	return 0;
}

/**
 * event_ring_add() - note an event and wake who waits
 * @ring: ring
 * @type: what happened
 * @id: container
 * @exec_id: exec or ""
 * @exit_status: of an exit
 * @text: why, or ""
 *
 * For want of memory the event is lost.
 */
void event_ring_add(struct event_ring *ring, enum admin_event_type type, const char *id,
		    const char *exec_id, uint32_t exit_status, const char *text)
{
	struct event_ring_entry **slot = &ring->entries[(ring->last_seq + 1) % EVENT_RING_MAX];

	if (!*slot)
		*slot = malloc(sizeof(**slot));
	if (!*slot)
		return;
	struct event_ring_entry *entry = *slot;
	entry->seq = ++ring->last_seq;
	entry->type = type;
	entry->exit_status = exit_status;
	entry->time = pb_timestamp_now();
	(void)snprintf(entry->id, sizeof(entry->id), "%s", id);
	(void)snprintf(entry->exec_id, sizeof(entry->exec_id), "%s", exec_id);
	(void)snprintf(entry->text, sizeof(entry->text), "%s", text);
	fiber_cond_broadcast(&ring->added);
}

static const struct event_ring_entry *find_next(const struct event_ring *ring, uint64_t since,
						const char *id)
{
	uint64_t oldest = ring->last_seq >= EVENT_RING_MAX ? ring->last_seq - EVENT_RING_MAX + 1
							   : 1;

	for (uint64_t seq = MAX(since + 1, oldest); seq <= ring->last_seq; seq++) {
		const struct event_ring_entry *entry = ring->entries[seq % EVENT_RING_MAX];

		if (entry && entry->seq == seq && (str_empty(id) || str_eq(entry->id, id)))
			return entry;
	}
	return NULL;
}

/**
 * event_ring_wait() - the next event
 * @ring: ring
 * @since: number of the last one seen, 0 for none
 * @id: only this container's; "" for all
 * @deadline_ns: absolute time
 * @arena: receives the strings
 * @ret: receives the event; of type ADMIN_EVENT_NONE when none came in time
 *
 * Return: 0, -ECANCELED or -ENOMEM.
 */
int event_ring_wait(struct event_ring *ring, uint64_t since, const char *id, uint64_t deadline_ns,
		    struct arena *arena, struct admin_wait_event_response *ret)
{
	const struct event_ring_entry *entry;

	while (!(entry = find_next(ring, since, id))) {
		int r = fiber_cond_wait(&ring->added, deadline_ns);

		if (r == -ETIMEDOUT) {
			ret->seq = since;
			return 0;
		}
		if (r < 0)
			return r;
	}
	*ret = (struct admin_wait_event_response){
		.seq = entry->seq,
		.type = entry->type,
		.id = arena_strdup(arena, entry->id),
		.exec_id = arena_strdup(arena, entry->exec_id),
		.text = arena_strdup(arena, entry->text),
		.exit_status = entry->exit_status,
		.time = entry->time,
	};
	return ret->id && ret->exec_id && ret->text ? 0 : -ENOMEM;
}
