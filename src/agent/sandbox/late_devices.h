/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that appear while a privileged container lives: it gets their nodes.
 */
#pragma once

struct agent_container;
struct oci_spec;

void late_devices_watch(struct agent_container *ctr, const struct oci_spec *spec);
void late_devices_unwatch(struct agent_container *ctr);
