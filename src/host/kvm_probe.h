/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the KVM of this host one that can run a stock 64-bit kernel? Found by running a little guest,
 * not by trusting that /dev/kvm opens. What bounds the test is the CPU time that it uses: a busy host
 * may take long over it, and a KVM is not broken for that. It never takes longer than
 * KVM_PROBE_WALL_MS, whatever the host's KVM does.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"
#include "common/macros.h"

/* A working KVM needs a few milliseconds of CPU time; one that is emulated itself, a few hundred. */
#define KVM_PROBE_CPU_MS 2000
#define KVM_PROBE_WALL_MS 10000

enum kvm_probe_result {
	KVM_PROBE_OK,
	KVM_PROBE_NO_DEVICE,	/* /dev/kvm is not there */
	KVM_PROBE_NO_ACCESS,	/* it is there but does not open */
	KVM_PROBE_BAD_API,	/* version or capability missing */
	KVM_PROBE_NO_VM,	/* VM, memory or vCPU cannot be made or set up */
	KVM_PROBE_SLOW,		/* no answer in time, and little CPU time was had: not judged */
	KVM_PROBE_HANG,		/* the guest code used up its CPU time */
	KVM_PROBE_BAD_EXIT,	/* it ended in a fault or an exit that no hardware makes */
	KVM_PROBE_WRONG_RESULT, /* it ended with wrong values */
	KVM_PROBE_COUNT_,
};

struct kvm_probe {
	enum kvm_probe_result result;
	char detail[128]; /* one plain-words line, also for KVM_PROBE_OK */
	unsigned took_us;
};

void kvm_probe_run(const char *device, struct kvm_probe *ret);
bool kvm_probe_is_certain(const struct kvm_probe *probe);
const char *kvm_probe_result_name(enum kvm_probe_result result);
/*
 * @setting: "auto", "kvm" or "tcg"; NULL is "auto". @probe: may be NULL when @setting is "tcg".
 * Return: 1 for KVM, 0 for TCG, -EINVAL for an unknown setting, -ENODEV when KVM is demanded but
 * unusable.
 */
int kvm_probe_choose(const char *setting, bool allow_tcg, const struct kvm_probe *probe,
		     struct err *err) must_check;
