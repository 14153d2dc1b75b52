/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of its own that makes a template in the background.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"
#include "sandbox/hypervisor/vm_config.h"

struct config_hypervisor;

/* What to make; the maker has its own copy of all of it. */
struct template_order {
	const char *store;   /* directory */
	struct vm_config vm; /* no devices, descriptors or secrets */
	const struct config_hypervisor *config;
};

int template_maker_new(const struct template_order *order, int *ret_go_fd,
		       struct err *err) must_check;
void template_maker_go(int go_fd_consume);
int template_make(const struct template_order *order, struct err *err) must_check;
