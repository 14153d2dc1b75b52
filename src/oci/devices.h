/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the device rules of a spec mean as a whole.
 */
#pragma once

#include <stdbool.h>

#include "oci/oci_spec.h"

bool oci_devices_allow_all(const struct oci_resources *resources);
