/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little guest of the KVM probe. For kvm_probe.c only: it may hang or kill its caller, so it
 * runs in a child.
 */
#pragma once

struct kvm_probe;

void kvm_guest_run(int kvm_fd, struct kvm_probe *ret);
