/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of block I/O name disks by the host's numbers. The host's cgroup of the VM has them all
 * (sandbox/cgroup/host_cgroup_limits.c): it is QEMU and virtiofsd that use the disks. The guest gets
 * those of disks that are plugged into the VM, where each container has its own; the agent knows
 * their numbers there. Weights are a matter of the host's disks.
 */
#include "sandbox/storage/block_io.h"

#include <errno.h>

#include "common/log.h"
#include "common/str.h"
#include "oci/oci_spec.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"

static bool is_plugged(const struct oci_linux *linux_, const struct oci_throttle_device *limit)
{
	for (size_t i = 0; i < linux_->nr_devices; i++) {
		const struct oci_device *device = &linux_->devices[i];

		if (str_eq(device->type, "b") && device->major == limit->major &&
		    device->minor == limit->minor)
			return true;
	}
	return false;
}

/* Return: how many are not the guest's, or -ENOMEM. */
static int keep(struct arena *arena, const struct oci_linux *linux_,
		struct oci_throttle_device **list, size_t *nr)
{
	struct oci_throttle_device *kept = arena_calloc(arena, *nr + 1, sizeof(*kept));
	size_t nr_kept = 0;

	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < *nr; i++)
		if (is_plugged(linux_, &(*list)[i]))
			kept[nr_kept++] = (*list)[i];
	int dropped = (int)(*nr - nr_kept);
	*list = kept;
	*nr = nr_kept;
	return dropped;
}

/**
 * block_io_keep_plugged() - leave in the guest's copy of a spec what the guest can limit
 * @ctr: container
 * @linux_: of the copy; its devices are those that the container gets
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int block_io_keep_plugged(struct sb_container *ctr, struct oci_linux *linux_, struct err *err)
{
	if (!linux_->resources || !linux_->resources->block_io)
		return 0;
	struct oci_resources *res =
		arena_memdup(ctr->arena, linux_->resources, sizeof(*linux_->resources));
	struct oci_block_io *io = res ? arena_memdup(ctr->arena, res->block_io, sizeof(*io)) : NULL;
	if (!io)
		return err_set(err, ENOMEM, "out of memory");
	struct {
		struct oci_throttle_device **list;
		size_t *nr;
	} lists[] = {
		{ &io->throttle_read_bps_device, &io->nr_throttle_read_bps_device },
		{ &io->throttle_write_bps_device, &io->nr_throttle_write_bps_device },
		{ &io->throttle_read_iops_device, &io->nr_throttle_read_iops_device },
		{ &io->throttle_write_iops_device, &io->nr_throttle_write_iops_device },
	};
	bool of_host = io->weight || io->nr_weight_device;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		int r = keep(ctr->arena, linux_, lists[i].list, lists[i].nr);

		if (r < 0)
			return err_set(err, ENOMEM, "out of memory");
		of_host |= r > 0;
	}
	if (of_host && (!ctr->is_first || ctr->sandbox->kind != SANDBOX_KIND_SINGLE))
		log_warn("container %s: its weight and its limits of I/O on disks of the host are "
			 "not applied: other containers are in the same VM",
			 ctr->id);
	io->weight = io->leaf_weight = NULL;
	io->weight_device = NULL;
	io->nr_weight_device = 0;
	res->block_io = io;
	linux_->resources = res;
	return 0;
}
