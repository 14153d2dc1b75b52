/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns the manager's config.json into what the guest is asked to do: host paths become guest
 * paths, what the host does itself is taken out.
 */
#pragma once

#include "common/err.h"
#include "common/log.h"
#include "oci/oci_spec.h"

struct sb_container;

/*
 * In a fiber (devices may be plugged). @ret lives in the container's arena, as does what it shares
 * with ctr->spec.
 */
int guest_spec_make(struct sb_container *ctr, struct oci_spec **ret, struct err *err) must_check;
void guest_spec_drop_labels(const char *id, struct oci_process *process, enum log_level level);
