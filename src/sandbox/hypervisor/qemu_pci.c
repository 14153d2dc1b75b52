/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI addresses of the two machine types. On pc the root bus takes hot-plug through ACPI, so it is
 * filled first and the bridges only serve when it is full. On q35 what is plugged before the start
 * sits on the root bus and everything later in a root port of its own. Root ports rather than one
 * conventional bridge, although that takes 31 devices: with qboot nobody gives a bridge address
 * space for devices to come, but the kernel does so for ports.
 */
#include "sandbox/hypervisor/qemu_pci.h"

#include <errno.h>
#include <stdio.h>

#define SLOTS 32
#define PC_RESERVED ((1U << 0) | (1U << 1))   /* host bridge; ISA, IDE and power management */
#define Q35_RESERVED ((1U << 0) | (1U << 31)) /* host bridge; LPC, SATA and SMBus */
#define BRIDGE_RESERVED \
	(1U << 0) /* behind a bridge, the standard hot-plug controller starts counting at 1 */
#define PORT_RESERVED (~1U) /* a port has one slot, 0 */

static int take_bit(uint32_t *used)
{
	for (int slot = 0; slot < SLOTS; slot++)
		if (!(*used & (1U << slot))) {
			*used |= 1U << slot;
			return slot;
		}
	return -ENOSPC;
}

static void add_bus(struct qemu_pci *pci, int slot, unsigned function, uint32_t used)
{
	pci->bridges[pci->nr_buses] =
		(struct qemu_bridge){ .slot = (uint8_t)slot, .function = (uint8_t)function };
	pci->used[pci->nr_buses++] = used;
}

/**
 * qemu_pci_init() - lay out the buses of a new VM
 * @pci: to fill
 * @express: q35 rather than pc
 * @nr_bridges: bridges (pc) or groups of root ports (q35), cut to QEMU_PCI_BRIDGES_MAX
 * @late: it is saved or restored: there is room for what comes late, without less for hot-plug
 */
void qemu_pci_init(struct qemu_pci *pci, bool express, unsigned nr_bridges, bool late)
{
	*pci = (struct qemu_pci){ .express = express, .nr_buses = 1 };
	pci->used[0] = express ? Q35_RESERVED : PC_RESERVED;
	for (unsigned i = 0; i < MIN(nr_bridges, QEMU_PCI_BRIDGES_MAX); i++) {
		/* Never fails: the root bus has 29 free slots or more. */
		int slot = take_bit(&pci->used[0]);

		for (unsigned function = 0; express && function < QEMU_PCI_PORTS_PER_BRIDGE;
		     function++)
			add_bus(pci, slot, function, PORT_RESERVED);
		if (!express)
			add_bus(pci, slot, 0, BRIDGE_RESERVED);
	}
	if (!express || !late)
		return;
	int slot = take_bit(&pci->used[0]);
	for (unsigned function = 0; function < QEMU_PCI_LATE_PORTS; function++)
		add_bus(pci, slot, function, PORT_RESERVED);
}

/**
 * qemu_pci_take() - find a free address
 * @pci: buses
 * @hot: the VM runs already
 * @ret: receives the address
 *
 * Return: 0 or -ENOSPC.
 */
int qemu_pci_take(struct qemu_pci *pci, bool hot, struct qemu_slot *ret)
{
	for (unsigned bus = pci->express && hot ? 1 : 0; bus < pci->nr_buses; bus++) {
		int slot = take_bit(&pci->used[bus]);

		if (slot >= 0) {
			*ret = (struct qemu_slot){ .bus = bus, .slot = (unsigned)slot };
			return 0;
		}
	}
	return -ENOSPC;
}

/**
 * qemu_pci_count_free() - how many devices can be hot-plugged
 * @pci: buses
 *
 * Return: the number.
 */
unsigned qemu_pci_count_free(const struct qemu_pci *pci)
{
	unsigned nr = 0;

	for (unsigned bus = pci->express ? 1 : 0; bus < pci->nr_buses; bus++)
		nr += (unsigned)__builtin_popcount(~pci->used[bus]);
	return nr;
}

/**
 * qemu_pci_release() - give an address back
 * @pci: buses
 * @slot: what qemu_pci_take() gave
 */
void qemu_pci_release(struct qemu_pci *pci, const struct qemu_slot *slot)
{
	pci->used[slot->bus] &= ~(1U << slot->slot);
}

/**
 * qemu_pci_bus_name() - QEMU's id of a bus
 * @pci: buses
 * @slot: address on that bus
 * @buf: receives the name
 * @len: size of @buf
 */
void qemu_pci_bus_name(const struct qemu_pci *pci, const struct qemu_slot *slot, char *buf,
		       size_t len)
{
	if (slot->bus == 0)
		(void)snprintf(buf, len, "%s", pci->express ? "pcie.0" : "pci.0");
	else
		(void)snprintf(buf, len, "bus%u", slot->bus);
}

/**
 * qemu_pci_guest_path() - the address as the agent reads it
 * @pci: buses
 * @slot: address
 * @buf: receives "SS" on the root bus or "BB/SS" behind the bridge in slot BB, hexadecimal; ".F"
 * follows the slot of a bridge that is not function 0
 * @len: size of @buf
 */
void qemu_pci_guest_path(const struct qemu_pci *pci, const struct qemu_slot *slot, char *buf,
			 size_t len)
{
	const struct qemu_bridge *bridge = &pci->bridges[slot->bus];

	if (slot->bus == 0)
		(void)snprintf(buf, len, "%02x", slot->slot);
	else if (bridge->function)
		(void)snprintf(buf, len, "%02x.%x/%02x", bridge->slot, bridge->function,
			       slot->slot);
	else
		(void)snprintf(buf, len, "%02x/%02x", bridge->slot, slot->slot);
}
