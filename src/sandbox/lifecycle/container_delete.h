/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a container.
 */
#pragma once

#include "common/err.h"

struct sb_container;

/* In fibers. */
int sb_container_delete(struct sb_container *ctr, struct err *err) must_check;
void sb_container_take_apart(struct sb_container *ctr);
