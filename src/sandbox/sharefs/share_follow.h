/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host mounts and unmounts later below a shared directory (SHARE_FOLLOW).
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "common/macros.h"

struct loop;
struct share;
struct share_follow;

/* Something below @path, "<name given to share_add()>/...", is no more: whoever knows it may forget. */
typedef void (*share_gone_fn)(void *arg, const char *path);

int share_follow_start(struct share *share, struct loop *loop, share_gone_fn gone, void *arg,
		       struct err *err) must_check;
struct share_follow *share_follow_free(struct share_follow *follow);
/* For share.c. */
int share_follow_place(struct share_follow *follow, int tree_fd, const char *name,
		       struct err *err) must_check;
int share_follow_add(struct share_follow *follow, const char *name, unsigned flags,
		     struct err *err) must_check;
void share_follow_remove(struct share_follow *follow, const char *name);
