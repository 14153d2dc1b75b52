/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clients of the unix socket, and dialling out.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "common/macros.h"

struct proxy;
struct vconn;

int hybrid_listen(struct proxy *px, int fd, struct err *err) must_check;
void hybrid_unlisten(struct proxy *px);
int hybrid_take_client(struct proxy *px, int fd_consume) must_check;
void hybrid_wait(struct vconn *c);
void hybrid_wake(struct proxy *px);
void hybrid_refused(struct vconn *c);
int hybrid_accepted(struct vconn *c) must_check;
int hybrid_dial(const struct proxy *px, uint32_t port) must_check;
