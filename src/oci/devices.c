/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules. One entry, evaluated in order by the kernel's controller: the last that matches
 * wins.
 */
#include "oci/devices.h"

#include <string.h>

#include "common/str.h"

static bool is_any(const int64_t *number)
{
	return !number || *number < 0;
}

/**
 * oci_devices_allow_all() - is this a privileged container?
 * @resources: resources of a spec, may be NULL
 *
 * The specification has no flag for it; what managers write for a privileged container is a last
 * rule that allows every access to every device.
 *
 * Return: true if the last rule allows everything.
 */
bool oci_devices_allow_all(const struct oci_resources *resources)
{
	if (!resources || !resources->nr_devices)
		return false;
	const struct oci_device_cgroup *last = &resources->devices[resources->nr_devices - 1];
	bool all_types = str_empty(last->type) || str_eq(last->type, "a");
	bool all_access = !last->access || (strchr(last->access, 'r') &&
					    strchr(last->access, 'w') && strchr(last->access, 'm'));

	return last->allow && all_types && all_access && is_any(last->major) && is_any(last->minor);
}
