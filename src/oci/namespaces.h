/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespaces of a container, "Linux Container Configuration" of the specification.
 */
#pragma once

#include "oci/oci_spec.h"

const struct oci_namespace *oci_namespace_find(const struct oci_spec *spec, const char *type);
