/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes' volumes that are more than a directory of the host: those that live in the guest, and
 * those whose changes a container wants to hear of. What a volume is, its path tells.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "common/err.h"
#include "oci/oci_spec.h"

struct sb_container;

/*
 * A bind mount whose source is open as @fd. Return: 1 when it became the guest's own and nothing is
 * to be shared, 0 when it is as any other.
 */
int volume_keep_in_guest(struct sb_container *ctr, struct oci_mount *mount, int fd,
			 struct err *err) must_check;
/* The name it has, or will have, below the shared tree; *@ret_known: another container shares it. */
int volume_find(struct sb_container *ctr, const char *host_path, int fd, unsigned flags,
		const char *name, const char **ret_name, bool *ret_known,
		struct err *err) must_check;
bool volume_is_noted(const struct sb_container *ctr, const char *name);
bool volume_is_shared(const struct sb_container *ctr, const char *name);
/* A mount that has been shared, whose source is a path of the guest by now. */
int volume_watch(struct sb_container *ctr, struct oci_mount *mount, const char *host_path,
		 const char *name, struct err *err) must_check;
