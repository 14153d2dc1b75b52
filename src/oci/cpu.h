/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CPU limits of the specification mean: one rule for everybody who sizes by them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "oci/oci_spec.h"

/* What a quota is counted in where nothing is said: the kernel's own default. */
#define OCI_CPU_PERIOD_US 100000

/* Two numbers that are one value: neither means anything without the other. */
struct oci_bandwidth {
	int64_t quota;	 /* microseconds in a period; -1: unlimited */
	uint64_t period; /* microseconds, never 0 */
};

#define OCI_BANDWIDTH_NONE ((struct oci_bandwidth){ .quota = -1, .period = OCI_CPU_PERIOD_US })

bool oci_cpu_bandwidth(const struct oci_cpu *cpu, struct oci_bandwidth *inout);
uint64_t oci_cpu_period(const struct oci_cpu *cpu);
unsigned oci_cpu_count(int64_t quota, uint64_t period);
uint64_t oci_cpu_thousandths(int64_t quota, uint64_t period);
uint64_t oci_cpu_weight(uint64_t shares);
uint64_t oci_cpu_shares(uint64_t weight);
