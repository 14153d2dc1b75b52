/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells AddressSanitizer about stack switches; nothing in ordinary builds.
 */
#pragma once

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_SANITIZE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_SANITIZE 1
#endif
#endif

#ifdef FIBER_SANITIZE
#include <sanitizer/common_interface_defs.h>
#else
static inline void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size)
{
	(void)save;
	(void)bottom;
	(void)size;
}
static inline void __sanitizer_finish_switch_fiber(void *save, const void **bottom, size_t *size)
{
	(void)save;
	(void)bottom;
	(void)size;
}
#endif
