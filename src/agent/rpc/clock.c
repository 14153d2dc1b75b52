/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SyncClock: the host reads and corrects the guest's clock.
 */
#include <errno.h>
#include <time.h>

#include "agent/core/agent.h"
#include "agent/rpc/service.h"
#include "rpc/pb/admin_msg.h"

/**
 * clock_rpc_sync() - SyncClock
 * @ctx: agent
 * @call: request
 * @request: struct extra_sync_clock_request
 * @response: struct extra_sync_clock_response, as the clocks are after the correction
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(clock_rpc_sync)
{
	const struct extra_sync_clock_request *req = request;
	struct extra_sync_clock_response *resp = response;
	struct agent *agent = ctx;
	int r = 0;

	(void)call;
	if (req->set_rate)
		r = guest_clock_set_rate(&agent->clock, req->rate_ppb);
	if (r >= 0 && req->correct_ns)
		r = guest_clock_correct(&agent->clock, agent->loop, req->correct_ns, req->step);
	if (r < 0)
		return err_set_errno(err, r, "correct the clock");
	resp->realtime_ns = loop_clock_ns(CLOCK_REALTIME);
	resp->raw_ns = loop_clock_ns(CLOCK_MONOTONIC_RAW);
	return 0;
}
