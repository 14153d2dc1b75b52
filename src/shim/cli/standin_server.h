/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's end of the stand-in connections (protocol: include/kata/standin.h).
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/loop.h"
#include "sandbox/core/process.h"

struct standin;
struct standin_server;

int standin_server_new(struct loop *loop, int listen_fd_consume,
		       struct standin_server **ret) must_check;
struct standin_server *standin_server_free(struct standin_server *server);

/* The stand-in that said HELLO with this key and serves no process yet, or NULL. */
struct standin *standin_server_find(struct standin_server *server, const char *key);
/* Moves its stdio out, and its network namespace (-1 when there is none). */
void standin_take(struct standin *standin, struct sb_process_io *ret_io, int *ret_netns_fd);
pid_t standin_pid(const struct standin *standin);
/* From here on the end of either one ends the other. */
void standin_bind(struct standin *standin, struct sb_process *process);
/*
 * In a fiber: lets the stand-in of a container show processes of the guest as children of its own.
 * @memfd holds @nr times struct standin_process.
 */
int standin_show(struct sb_process *process, int memfd, size_t nr, uint64_t deadline_ns) must_check;
void standin_report_oom(struct standin *standin);
void standin_report_exit(struct standin *standin, int exit_status);
