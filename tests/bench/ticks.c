/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The /init of boot.sh: prints the time stamp counter, which counts instructions where QEMU is told
 * to (-icount shift=0), then waits.
 */
#include <stdio.h>
#include <unistd.h>
#include <x86intrin.h>

int main(void)
{
	unsigned long long ticks = __rdtsc();

	printf("ticks %llu\n", ticks);
	fflush(stdout);
	for (;;)
		pause();
}
