/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of struct agent. What makes it answer is in agent/server/.
 */
#include "agent/core/agent.h"

#include <unistd.h>

/* How long the peers have to read their last answers. */
#define AGENT_END_MS 1000

static void on_end(void *arg)
{
	struct agent *agent = arg;

	loop_exit(agent->loop, 0);
}

/**
 * agent_end() - leave the loop once the peers have gone, or soon
 * @agent: agent whose sandbox has been destroyed
 *
 * The server leaves the loop when the last RPC connection goes; this makes sure that it ends even
 * when one does not.
 */
void agent_end(struct agent *agent)
{
	if (loop_add_timer(agent->loop, loop_deadline_ms(AGENT_END_MS), on_end, agent,
			   &agent->end_timer) < 0)
		on_end(agent);
}

/**
 * agent_init() - an agent without a sandbox
 * @agent: receives it; must stay in place
 * @loop: loop
 * @config: settings, copied
 * @console_fd: where "ready" is said, borrowed; -1: nowhere
 * @err: says what failed
 *
 * Return: 0 or -errno; agent_deinit() is due in both cases.
 */
int agent_init(struct agent *agent, struct loop *loop, const struct agent_config *config,
	       int console_fd, struct err *err)
{
	*agent = (struct agent){
		.loop = loop,
		.config = *config,
		.is_init = getpid() == 1,
		.console_fd = console_fd,
		.hotplug = { &agent->uevents, config->hotplug_timeout_ms },
		.sandbox = { .ipc_fd = -1, .uts_fd = -1, .pid_fd = -1, .pid_thread_fd = -1 },
	};
	children_init(&agent->children);
	list_init(&agent->containers);
	list_init(&agent->sandbox.storages);
	list_init(&agent->oom.events);
	fiber_cond_init(&agent->oom.cond);
	streams_init(&agent->streams);
	int r = uevents_init(&agent->uevents, loop);
	return r < 0 ? err_set_errno(err, r, "listen to uevents") : 0;
}

/**
 * agent_deinit() - release what agent_init() made
 * @agent: agent whose loop has ended
 */
void agent_deinit(struct agent *agent)
{
	agent->end_timer = loop_source_free(agent->end_timer);
	guest_clock_deinit(&agent->clock);
	streams_deinit(&agent->streams);
	uevents_deinit(&agent->uevents);
}
