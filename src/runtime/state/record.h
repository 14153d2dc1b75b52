/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Container records: the state root, a container's directory in it and its state.json, the command
 * line's only memory. What changes while a container runs (its status) is not in it: the shim is
 * asked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/json.h"

/* RECORD_NULL is the start state; deinit may be repeated. Strings live in the arena. */
struct record {
	struct arena *arena;
	int root_fd; /* the state root; a descriptor of its own */
	int dir_fd;  /* <root>/<id> */
	const char *root, *id;
	const char *bundle, *sandbox_id, *rootfs, *oci_version;
	const char *created;	/* RFC 3339 */
	pid_t standin_pid;	/* 0 until it is forked */
	uint64_t standin_start; /* start time in ticks; guards against a reused pid */
	uint32_t owner;
	bool terminal;
	struct kv *annotations;
	size_t nr_annotations;
};

#define RECORD_NULL ((struct record){ .root_fd = -1, .dir_fd = -1 })

/* Calls @fn for the id of every container in the root until it returns non-zero; returns that. */
typedef int (*record_fn)(void *arg, const char *id);

int record_open_root(const char *root, bool create, struct err *err) must_check;
int record_lock(int root_fd, int operation, struct err *err) must_check;
int record_claim(struct record *record, const char *root, const char *id,
		 struct err *err) must_check;
int record_load(struct record *record, const char *root, const char *id,
		struct err *err) must_check;
int record_load_at(struct record *record, int root_fd, const char *root, const char *id,
		   struct err *err) must_check;
int record_save(const struct record *record, struct err *err) must_check;
int record_open_sandbox(struct record *record, struct err *err) must_check;
int record_for_each(int root_fd, record_fn fn, void *arg) must_check;
bool record_standin_alive(const struct record *record);
void record_put_state(const struct record *record, struct json_writer *w, const char *status,
		      const char *owner);
void record_deinit(struct record *record);

#define cleanup_record cleanup_with(record_deinit)
