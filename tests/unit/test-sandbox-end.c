/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of a sandbox that ends while operations of it wait: what they use stays until they have
 * left. A played agent that answers nothing holds them; the address sanitizer sees what was freed too
 * soon. Needs root for network namespaces; no VM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/log.h"
#include "mock-agent.h"
#include "rpc/pb/admin_msg.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/hypervisor/vm_config.h"
#include "sandbox/lifecycle/sandbox_stop.h"
#include "sandbox/network/netns.h"
#include "sandbox/network/network.h"
#include "sandbox/size/sandbox_resize.h"
#include "shim/core/shim.h"
#include "shim/task/admin_service.h"

static struct {
	bool silent;
	unsigned asked; /* calls that it did not answer */
} agent;

static int answer(void *ctx, struct rpc_request *call, const void *req, void *resp, struct err *err)
{
	agent.asked += agent.silent;
	return (agent.silent ? mock_answer_never : mock_answer)(ctx, call, req, resp, err);
}

static const struct rpc_handler handlers[] = {
	{ &agent_update_interface, answer, RPC_HANDLER_CANCELABLE },
	{ &agent_update_routes, answer, RPC_HANDLER_CANCELABLE },
	{ &agent_add_arp_neighbors, answer, RPC_HANDLER_CANCELABLE },
	{ &agent_online_cpu_mem, answer, RPC_HANDLER_CANCELABLE },
	{ &agent_destroy_sandbox, answer, RPC_HANDLER_CANCELABLE },
};

static const struct sandbox_events events = { mock_on_process, mock_on_process, mock_on_oom,
					      mock_on_gone };

struct world {
	struct sandbox *sb;
	struct shim shim;
	struct rpc_server *server;
	struct oci_spec spec;
	struct vm_device devices[4];
	struct err err;
};

static void start_vm(struct world *w)
{
	struct vm_config vm = VM_CONFIG_NULL;

	vm.vcpus = 1;
	vm.memory.mib = 256;
	vm.devices = w->devices;
	vm.nr_devices = network_devices(w->sb->net.network, w->devices, ARRAY_SIZE(w->devices));
	if (hypervisor_create("null", fiber_loop(), &vm, NULL, NULL, &w->sb->hv, &w->err) < 0 ||
	    hypervisor_start(w->sb->hv, LOOP_FOREVER, &w->err) < 0)
		fail_msg("%s", w->err.text);
}

static int inside(void *arg, struct err *err)
{
	return system(arg) == 0 ? 0 : err_set(err, EIO, "%s", (char *)arg);
}

static void make_network(struct world *w)
{
	static char script[] =
		"ip link set lo up; ip link add eth0 type veth peer name p0; ip link set p0 up; "
		"ip address add 10.9.0.2/24 dev eth0; ip link set eth0 up; "
		"ip route add default via 10.9.0.1";
	struct network_params params = { .model = CONFIG_NET_TCFILTER, .nr_queues = 1 };

	params.netns_fd = netns_new(&w->err);
	assert_true(params.netns_fd >= 0);
	if (netns_run(params.netns_fd, inside, script, &w->err) < 0 ||
	    network_new(fiber_loop(), &params, &w->sb->net.network, &w->err) < 0)
		fail_msg("%s", w->err.text);
	(void)close(params.netns_fd);
}

static void set_up(struct world *w, bool network)
{
	*w = (struct world){ .err = ERR_NULL };
	memset(&agent, 0, sizeof(agent));
	assert_int_equal(sandbox_new(fiber_loop(), &events, NULL, &w->sb), 0);
	w->sb->id = "sb";
	w->sb->spec = &w->spec;
	w->shim = (struct shim){ .loop = fiber_loop(), .sandbox = w->sb, .id = "sb" };
	assert_int_equal(config_parse_for_test("", 0, "t", w->sb->arena, &w->sb->config, &w->err),
			 0);
	if (network)
		make_network(w);
	start_vm(w);
	w->server = mock_agent_connect(handlers, ARRAY_SIZE(handlers), NULL, &w->sb->agent);
	if (network && (network_configure_guest(w->sb->net.network, w->sb->agent,
						loop_deadline_ms(20000), &w->err) < 0 ||
			network_watch(w->sb->net.network, w->sb->hv, w->sb->agent, &w->err) < 0))
		fail_msg("%s", w->err.text);
	sandbox_set_state(w->sb, SANDBOX_STATE_RUNNING);
}

static void tear_down(struct world *w)
{
	assert_null(rpc_server_free(w->server));
	(void)fiber_sleep_until(loop_deadline_ms(20)); /* fibers of the server end */
	assert_null(sandbox_free_for_test(w->sb));
}

/* As the guest's end does it: nobody is asked to leave politely. */
static void end_vm(struct world *w)
{
	(void)snprintf(w->sb->end.exit_reason, sizeof(w->sb->end.exit_reason), "the VM ended");
	if (sandbox_stop(w->sb, &w->err) < 0)
		fail_msg("%s", w->err.text);
}

static void await_asked(unsigned asked)
{
	while (agent.asked < asked)
		(void)fiber_sleep_until(loop_deadline_ms(1));
}

struct operation {
	struct world *w;
	struct fiber *fiber;
	int r;
	struct err err;
};

static void begin(struct operation *op, struct world *w, fiber_fn fn)
{
	*op = (struct operation){ .w = w, .r = 1, .err = ERR_NULL };
	assert_int_equal(fiber_spawn(fiber_loop(), "operation", fn, op, &op->fiber), 0);
	fiber_yield();
}

static void expect_end(struct operation *op)
{
	assert_int_equal(fiber_join(op->fiber, loop_deadline_ms(10000)), 0);
}

static void remove_interface_main(void *arg)
{
	struct operation *op = arg;
	struct admin_remove_interface_request req = { .name = "eth0" };
	struct rpc_request call = { .deadline_ns = LOOP_FOREVER };

	for (size_t i = 0; i < nr_admin_handlers; i++)
		if (admin_handlers[i].method == &admin_remove_interface)
			op->r = admin_handlers[i].fn(&op->w->shim, &call, &req, NULL, &op->err);
}

static int network_main(void *arg)
{
	struct world w;
	struct operation one, two;

	(void)arg;
	set_up(&w, true);
	(void)fiber_sleep_until(loop_deadline_ms(100)); /* its first look around */
	agent.silent = true;
	begin(&one, &w, remove_interface_main);
	await_asked(1); /* it waits for the guest, the other one for it */
	begin(&two, &w, remove_interface_main);
	end_vm(&w);
	assert_null(w.sb->net.network);
	expect_end(&one);
	expect_end(&two);
	assert_true(one.r < 0);
	begin(&two, &w, remove_interface_main);
	expect_end(&two);
	assert_int_equal(two.r, -ESHUTDOWN);
	assert_string_equal(two.err.text, "sandbox sb is stopped: the VM ended");
	tear_down(&w);
	return 0;
}

static void the_network_stays_until_who_changes_it_has_left(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(network_main, NULL), 0);
}

static void fit_main(void *arg)
{
	struct operation *op = arg;

	op->r = sandbox_fit_members(op->w->sb, &op->err);
}

static int resize_main(void *arg)
{
	struct world w;
	struct operation one, two;
	struct sb_container *ctr;

	(void)arg;
	set_up(&w, false);
	w.sb->kind = SANDBOX_KIND_POD;
	w.sb->size.max_vcpus = 8;
	w.sb->size.at_boot = (struct vm_size){ .vcpus = 1, .memory_mib = 256 };
	w.sb->size.now = (struct vm_size){ .vcpus = 3, .memory_mib = 256 }; /* grown before */
	assert_int_equal(sb_container_new(w.sb, NULL, "c", "/b", &ctr), 0);
	list_add_tail(&w.sb->containers, &ctr->node);
	ctr->limits = (struct sb_limits){ .memory = 64 << 20, .cpu = 5000 };
	agent.silent = true;
	begin(&one, &w, fit_main);
	await_asked(1);
	begin(&two, &w, fit_main); /* waits for the first one */
	end_vm(&w);
	expect_end(&one);
	expect_end(&two);
	assert_true(one.r < 0);
	assert_int_equal(two.r, 0); /* there is nothing to resize any more */
	assert_null(w.sb->hv);
	sb_container_free(ctr);
	tear_down(&w);
	return 0;
}

static void who_waited_to_resize_finds_out_that_the_vm_is_gone(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(resize_main, NULL), 0);
}

static bool may_leave;

/* Of the kind that waits for something else than the guest. */
static void stay_main(void *arg)
{
	struct operation *op = arg;
	struct sandbox *sb = op->w->sb;

	op->r = sandbox_enter(sb, &op->err);
	if (op->r < 0)
		return;
	while (!may_leave)
		(void)fiber_sleep_until(loop_deadline_ms(5));
	op->r = hypervisor_detach(sb->hv, "disk0", loop_deadline_ms(1000), &op->err);
	sandbox_leave(sb);
}

static void end_main(void *arg)
{
	struct operation *op = arg;

	end_vm(op->w);
	op->r = 0;
}

static int late_main(void *arg)
{
	struct world w;
	struct operation stays, ends;

	(void)arg;
	set_up(&w, false);
	may_leave = false;
	begin(&stays, &w, stay_main);
	begin(&ends, &w, end_main);
	(void)fiber_sleep_until(loop_deadline_ms(50));
	assert_int_equal(w.sb->state, SANDBOX_STATE_STOPPING);
	assert_non_null(w.sb->hv);
	may_leave = true;
	expect_end(&stays);
	assert_true(stays.r < 0);
	assert_non_null(strstr(stays.err.text, "detach a device"));
	expect_end(&ends);
	assert_null(w.sb->hv);
	tear_down(&w);
	return 0;
}

static void the_vm_stays_until_its_last_user_has_left(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(late_main, NULL), 0);
}

static int never_main(void *arg)
{
	struct world w;
	struct operation stays;

	(void)arg;
	set_up(&w, false);
	may_leave = false;
	begin(&stays, &w, stay_main);
	end_vm(&w); /* does not wait for ever */
	assert_int_equal(w.sb->state, SANDBOX_STATE_STOPPED);
	may_leave = true;
	expect_end(&stays);
	assert_true(stays.r < 0); /* and what it used was there */
	w.sb->hv = hypervisor_destroy(w.sb->hv);
	w.sb->agent = rpc_client_free(w.sb->agent);
	tear_down(&w);
	return 0;
}

static void a_user_who_never_leaves_delays_the_end_by_a_bound(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(never_main, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_network_stays_until_who_changes_it_has_left),
		cmocka_unit_test(who_waited_to_resize_finds_out_that_the_vm_is_gone),
		cmocka_unit_test(the_vm_stays_until_its_last_user_has_left),
		cmocka_unit_test(a_user_who_never_leaves_delays_the_end_by_a_bound),
	};

	if (geteuid() != 0)
		return 77;
	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
