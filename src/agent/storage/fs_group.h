/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes' fsGroup: giving a volume's files to a group.
 */
#pragma once

#include "common/err.h"

struct agent_fs_group;

/* In a fiber: a large volume takes a while and others get their turn. */
int fs_group_apply(const char *path, const struct agent_fs_group *group,
		   struct err *err) must_check;
