/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices the host gives: waiting until the guest's kernel has them, and entering them into a
 * container's spec.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "oci/oci_spec.h"

struct agent_device;
struct uevents;

#define HOTPLUG_NODE_MAX 64 /* "/dev/<name>" */

/*
 * How a block device is named by the host: the driver strings of storages and the type strings of
 * devices.
 */
#define HOTPLUG_BLK "blk"	  /* PCI path, or "/dev/..." */
#define HOTPLUG_MMIOBLK "mmioblk" /* "/dev/vdX" */
#define HOTPLUG_SCSI "scsi"	  /* "<id>:<lun>" */
#define HOTPLUG_NVDIMM "nvdimm"	  /* "/dev/pmemN" */
#define HOTPLUG_VFIO_GK \
	"vfio-pci-gk" /* options "<host address>=<PCI path>"; the guest's driver keeps it */

/* How devices are waited for. */
struct hotplug {
	struct uevents *uevents;
	uint64_t timeout_ms;
};

extern const char *const hotplug_device_types[]; /* NULL-terminated */

/* In a fiber. */
int hotplug_wait_block(const struct hotplug *hotplug, const char *type, const char *address,
		       char *ret_node, size_t size, struct err *err) must_check;
int hotplug_wait_net(const struct hotplug *hotplug, const char *pci_path, char *ret_name,
		     size_t size, struct err *err) must_check;
int hotplug_add_devices(const struct hotplug *hotplug, const struct agent_device *devices,
			size_t nr, struct oci_spec *spec, struct arena *arena,
			struct err *err) must_check;
