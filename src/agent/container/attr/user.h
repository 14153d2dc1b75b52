/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/agent/container. Users and user namespaces.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "oci/oci_spec.h"

int user_write_maps(pid_t pid, const struct oci_id_mapping *uids, size_t nr_uids,
		    const struct oci_id_mapping *gids, size_t nr_gids, struct err *err) must_check;
int user_open_mapped_ns(const struct oci_id_mapping *uids, size_t nr_uids,
			const struct oci_id_mapping *gids, size_t nr_gids,
			struct err *err) must_check;
uint32_t user_map_id(const struct oci_id_mapping *map, size_t nr, uint32_t id);
int user_become_ns_root(struct err *err) must_check;
int user_apply(const struct oci_user *user, struct err *err) must_check;
int user_find_home(uint32_t uid, char *ret, size_t size) must_check;
