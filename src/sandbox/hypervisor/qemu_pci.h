/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sits where on the guest's PCI buses. Book-keeping only: QEMU is told the addresses that are
 * chosen here, so the guest path of every device is known before it is plugged.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

#define QEMU_PCI_BRIDGES_MAX 5
#define QEMU_PCI_PORTS_PER_BRIDGE 8 /* q35: root ports, the functions of one slot */
/* q35: root ports for what a restored VM gets late, two of virtio-fs and vsock. */
#define QEMU_PCI_LATE_PORTS 3
#define QEMU_PCI_BUSES_MAX \
	(1 + QEMU_PCI_BRIDGES_MAX * QEMU_PCI_PORTS_PER_BRIDGE + QEMU_PCI_LATE_PORTS)

/* A bridge (pc) or root port (q35) on the root bus. */
struct qemu_bridge {
	uint8_t slot, function;
};

struct qemu_pci {
	bool express;	   /* q35: the root bus takes no hot-plug, root ports do, one device each */
	unsigned nr_buses; /* the root bus included */
	/* to each bus but the root bus, which is number 0 */
	struct qemu_bridge bridges[QEMU_PCI_BUSES_MAX];
	uint32_t used[QEMU_PCI_BUSES_MAX]; /* slots, as bits */
};

/* One address. */
struct qemu_slot {
	unsigned bus;
	unsigned slot;
};

void qemu_pci_init(struct qemu_pci *pci, bool express, unsigned nr_bridges, bool late);
int qemu_pci_take(struct qemu_pci *pci, bool hot, struct qemu_slot *ret) must_check;
unsigned qemu_pci_count_free(const struct qemu_pci *pci);
void qemu_pci_release(struct qemu_pci *pci, const struct qemu_slot *slot);
void qemu_pci_bus_name(const struct qemu_pci *pci, const struct qemu_slot *slot, char *buf,
		       size_t len);
void qemu_pci_guest_path(const struct qemu_pci *pci, const struct qemu_slot *slot, char *buf,
			 size_t len);
