/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was found out about this host's KVM, kept until the host or its KVM changes: a start does not
 * pay for the probe, and does not depend on how busy the host is at that moment.
 */
#pragma once

#include "host/kvm_probe.h"

void kvm_verdict_get(const char *dir, struct kvm_probe *ret);
void kvm_verdict_renew(const char *dir, struct kvm_probe *ret);
