/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of oci/vm_memory: what a VM needs on top of a memory limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "oci/vm_memory.h"

#define MIB (UINT64_C(1) << 20)

static void the_guest_has_the_limit_and_what_its_kernel_takes(void **state)
{
	struct vm_overhead overhead;

	(void)state;
	vm_memory_on_top(16 * MIB, false, &overhead);
	assert_int_equal(vm_memory_ram_mib(16 * MIB, &overhead), 16 + 64 + 1);
	/* A started MiB is a whole one: the guest must never have less than the limit. */
	assert_int_equal(vm_memory_ram_mib(16 * MIB + 1, &overhead), 17 + 64 + 1);
	/* The descriptions of its pages grow with the RAM. */
	vm_memory_on_top(8192 * MIB, false, &overhead);
	assert_int_equal(vm_memory_ram_mib(8192 * MIB, &overhead), 8192 + 64 + 256);
}

static void translated_code_is_bounded_and_only_under_emulation(void **state)
{
	struct vm_overhead overhead;

	(void)state;
	vm_memory_on_top(16 * MIB, false, &overhead);
	assert_int_equal(overhead.cache, 0);
	vm_memory_on_top(16 * MIB, true, &overhead);
	assert_int_equal(overhead.cache, 64);
	vm_memory_on_top(1024 * MIB, true, &overhead);
	assert_int_equal(overhead.cache, 128);
	vm_memory_on_top(INT64_MAX, true, &overhead);
	assert_int_equal(overhead.cache, 256);
	assert_int_equal(overhead.vmm, 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guest_has_the_limit_and_what_its_kernel_takes),
		cmocka_unit_test(translated_code_is_bounded_and_only_under_emulation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
