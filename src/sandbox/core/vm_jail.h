/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail of a VMM as the configuration has it.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"
#include "sandbox/hypervisor/vm_config.h"

struct config_hypervisor;

int vm_jail_claim(const struct config_hypervisor *config, struct vm_jail *ret,
		  struct err *err) must_check;
