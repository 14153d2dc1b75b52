/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the host a container's guest sees: names below the sandbox's shared tree.
 */
#pragma once

#include "common/err.h"

struct sb_container;

/* Noted in ctr->shares. */
int sb_container_share(struct sb_container *ctr, int fd, const char *name, unsigned flags,
		       char **ret_guest_path, struct err *err) must_check;
void sb_container_protect_root(struct sb_container *ctr);
void sb_container_unshare_all(struct sb_container *ctr);
