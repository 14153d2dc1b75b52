/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU limits as numbers of CPUs and as version 2's weights. A period of 0 is none, as everywhere in
 * the specification's CPU limits.
 */
#include "oci/cpu.h"

#include "common/macros.h"

/**
 * oci_cpu_period() - what a CPU quota is counted in
 * @cpu: limits, or NULL
 *
 * Return: microseconds, the kernel's default where nothing is said.
 */
uint64_t oci_cpu_period(const struct oci_cpu *cpu)
{
	return cpu && cpu->period && *cpu->period ? *cpu->period : OCI_CPU_PERIOD_US;
}

/**
 * oci_cpu_bandwidth() - what limits make of a quota and its period
 * @cpu: new limits, or NULL; what is absent or 0 stays as it is
 * @inout: what holds, and then what is to hold
 *
 * Return: does @cpu say anything?
 */
bool oci_cpu_bandwidth(const struct oci_cpu *cpu, struct oci_bandwidth *inout)
{
	bool quota = cpu && cpu->quota && *cpu->quota;
	bool period = cpu && cpu->period && *cpu->period;

	if (quota)
		inout->quota = *cpu->quota < 0 ? -1 : *cpu->quota;
	if (period)
		inout->period = *cpu->period;
	return quota || period;
}

/**
 * oci_cpu_count() - the CPUs that a quota needs
 * @quota: microseconds in a period; 0 or less: unlimited
 * @period: microseconds; 0: the kernel's default
 *
 * Return: quota divided by period, rounded up; 0 when it is unlimited.
 */
unsigned oci_cpu_count(int64_t quota, uint64_t period)
{
	if (quota <= 0)
		return 0;
	if (!period)
		period = OCI_CPU_PERIOD_US;
	uint64_t n = (uint64_t)quota / period + ((uint64_t)quota % period != 0);
	return n > UINT32_MAX ? UINT32_MAX : (unsigned)n;
}

/**
 * oci_cpu_thousandths() - a quota as a part of one CPU, to be added to others
 * @quota: microseconds in a period; 0 or less: unlimited
 * @period: microseconds; 0: the kernel's default
 *
 * Rounded down: three thirds of a CPU are one. The sum is rounded up, by oci_cpu_count() with a
 * period of 1000.
 *
 * Return: thousandths of a CPU; 0 when it is unlimited.
 */
uint64_t oci_cpu_thousandths(int64_t quota, uint64_t period)
{
	if (quota <= 0)
		return 0;
	unsigned __int128 n =
		(unsigned __int128)quota * 1000 / (period ? period : OCI_CPU_PERIOD_US);
	return (uint64_t)MIN(n, INT64_MAX);
}

/**
 * oci_cpu_weight() - cpu.shares of cgroup version 1 as cpu.weight of version 2
 * @shares: 2 to 262144; others are cut
 *
 * Linear between the ends of both ranges, as runc has done it for years.
 *
 * Return: 1 to 10000.
 */
uint64_t oci_cpu_weight(uint64_t shares)
{
	shares = MIN(MAX(shares, 2U), 262144U);
	return 1 + (shares - 2) * 9999 / 262142;
}

/**
 * oci_cpu_shares() - cpu.weight of version 2 as cpu.shares of version 1
 * @weight: 1 to 10000; others are cut
 *
 * Return: the smallest number of shares that oci_cpu_weight() makes this weight of.
 */
uint64_t oci_cpu_shares(uint64_t weight)
{
	weight = MIN(MAX(weight, 1U), 10000U);
	return 2 + ((weight - 1) * 262142 + 9998) / 9999;
}
