/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CPU limits of the specification mean: one rule for everybody who sizes by them.
 */
#pragma once

#include <stdint.h>

#include "oci/oci_spec.h"

/* What a quota is counted in where nothing is said: the kernel's own default. */
#define OCI_CPU_PERIOD_US 100000

uint64_t oci_cpu_period(const struct oci_cpu *cpu);
unsigned oci_cpu_count(int64_t quota, uint64_t period);
uint64_t oci_cpu_thousandths(int64_t quota, uint64_t period);
uint64_t oci_cpu_weight(uint64_t shares);
