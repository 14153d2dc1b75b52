/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail of a VMM as the configuration has it, with a user that nobody else has.
 */
#include "sandbox/core/vm_jail.h"

#include "config/config.h"
#include "jail/user.h"
#include "kata/state.h"

/**
 * vm_jail_claim() - a user for a VMM, and what it may see
 * @config: settings, which outlive @ret
 * @ret: receives it
 * @err: filled on failure
 *
 * Return: a descriptor that holds the user, -ENOENT when there is to be no jail, or -errno.
 */
int vm_jail_claim(const struct config_hypervisor *config, struct vm_jail *ret, struct err *err)
{
	const struct user_range range = { .first = config->jail_uid_base,
					  .nr = config->jail_uid_count };
	struct vm_jail jail = {
		.paths = (const char *const *)config->jail_paths.v,
		.nr_paths = config->jail_paths.nr,
		.cache_dir = KATA_DEFAULT_ROOT,
	};

	if (!config->jail)
		return -ENOENT;
	int fd = user_claim(KATA_DEFAULT_ROOT, &range, &jail.uid, err);
	if (fd >= 0)
		*ret = jail;
	return fd;
}
