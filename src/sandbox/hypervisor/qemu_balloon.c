/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a guest gives back while it runs. A DIMM can rarely be taken out, so a balloon takes
 * the pages: what is in it is the host's again. The balloon is plugged when the first guest has
 * to give something back; until then nothing is paid for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/json.h"
#include "common/str.h"
#include "sandbox/hypervisor/qemu.h"
#include "sandbox/hypervisor/qmp.h"

#define BALLOON_STEP_MS 20
/* A guest that has let go of nothing for so long will not. */
#define BALLOON_STALL_MS 1500

static int plug(struct qemu *qemu, uint64_t deadline_ns, struct err *err)
{
	char arguments[160], bus[16];
	struct qemu_slot slot;

	if (qemu->has_balloon)
		return 0;
	if (qemu_pci_take(&qemu->pci, true, &slot) < 0)
		return err_set(err, ENOSPC,
			       "no free PCI slot for the balloon (default_bridges gives more)");
	qemu_pci_bus_name(&qemu->pci, &slot, bus, sizeof(bus));
	(void)snprintf(arguments, sizeof(arguments),
		       "{\"driver\":\"virtio-balloon-pci\",\"id\":\"balloon0\",\"bus\":\"%s\","
		       "\"addr\":\"%02x\",\"disable-legacy\":\"on\"}",
		       bus, slot.slot);
	int r = qemu_command(qemu, "device_add", arguments, deadline_ns, err);
	if (r < 0)
		qemu_pci_release(&qemu->pci, &slot);
	else
		qemu->has_balloon = true; /* for good */
	return r;
}

/* What the guest has beside what is in the balloon. */
static int read_actual(struct qemu *qemu, uint64_t *ret_mib, uint64_t deadline_ns, struct err *err)
{
	static const struct qmp_command command = { .name = "query-balloon" };
	cleanup_arena struct arena *arena = NULL;
	const struct json *answer;
	uint64_t bytes = 0;

	if (arena_new(&arena) < 0)
		return err_set(err, ENOMEM, "out of memory");
	int r = qmp_execute(qemu->qmp, &command, arena, &answer, deadline_ns, err);
	if (r >= 0)
		r = json_expect(answer, JSON_OBJECT, err);
	if (r >= 0)
		r = json_get_u64(answer, "actual", &bytes, err);
	if (r >= 0)
		*ret_mib = (bytes >> 20) + (bytes % (1U << 20) != 0);
	return r;
}

/* Waits as long as the guest gets on with it. */
static int follow(struct qemu *qemu, uint64_t want_mib, uint64_t deadline_ns, struct err *err)
{
	uint64_t stalled_ns = loop_deadline_ms(BALLOON_STALL_MS), actual = 0, last = 0;
	int r;

	for (;;) {
		r = read_actual(qemu, &actual, deadline_ns, err);
		if (r < 0)
			return r;
		if (actual != last)
			stalled_ns = loop_deadline_ms(BALLOON_STALL_MS);
		last = actual;
		qemu->ballooned_mib = qemu->plugged_mib - MIN(actual, qemu->plugged_mib);
		uint64_t now = loop_now_ns();
		if (actual == want_mib || now >= stalled_ns || now >= deadline_ns)
			return 0;
		/* BALLOON_CHANGE comes once a second at most, and not for the last step. */
		r = fiber_sleep_until(loop_deadline_ms(BALLOON_STEP_MS));
		if (r < 0)
			return err_set_errno(err, r, "balloon");
	}
}

/**
 * qemu_balloon() - let a guest have less than what is plugged
 * @qemu: VM; the caller holds @plugging
 * @want_mib: what the guest is to have, at most what is plugged
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * What was reached is in @qemu->ballooned_mib; a guest that gives back less than it should is no
 * failure.
 *
 * Return: 0 or -errno.
 */
int qemu_balloon(struct qemu *qemu, uint64_t want_mib, uint64_t deadline_ns, struct err *err)
{
	char arguments[48];

	if (want_mib >= qemu->plugged_mib && !qemu->ballooned_mib)
		return 0;
	if (qemu->hugepages)
		return err_set(err, EOPNOTSUPP, "huge pages cannot be given back");
	int r = plug(qemu, deadline_ns, err);
	if (r < 0)
		return r;
	(void)snprintf(arguments, sizeof(arguments), "{\"value\":%" PRIu64 "}", want_mib << 20);
	r = qemu_command(qemu, "balloon", arguments, deadline_ns, err);
	return r < 0 ? r : follow(qemu, want_mib, deadline_ns, err);
}
