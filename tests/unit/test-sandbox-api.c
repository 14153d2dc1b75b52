/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the Sandbox service, called as containerd calls it: through ttrpc. There is no VM:
 * where one would be started the configuration is missing, and where one would run the state says
 * so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/str.h"
#include "oci/oci_spec.h"
#include "rpc/pb/metrics_msg.h"
#include "rpc/pb/pb_bridge.h"
#include "rpc/ttrpc/rpc.h"
#include "shim/containerd/containerd_frontend.h"
#include "shim/containerd/sandbox_api.h"

#define NO_CONFIG "/nonexistent/configuration.toml"

static const struct rpc_handler handlers[] = { SANDBOX_API_HANDLERS };

struct world {
	struct containerd_shim ctd;
	struct rpc_client *client;
	struct arena *arena;
	struct err err;
};

static void set_up(struct world *w)
{
	int pair[2];

	*w = (struct world){ .ctd.shim = { .ops = &containerd_frontend_ops,
					   .loop = fiber_loop(),
					   .id = "pod1",
					   .namespace = "k8s.io",
					   .state_dir =
						   "/proc/self", /* nothing can be made there */
					   .config_path = NO_CONFIG } };
	assert_int_equal(arena_new(&w->arena), 0);
	assert_int_equal(
		sandbox_new(fiber_loop(), &shim_sandbox_events, &w->ctd.shim, &w->ctd.shim.sandbox),
		0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	assert_int_equal(rpc_server_new(fiber_loop(), handlers, ARRAY_SIZE(handlers), &w->ctd.shim,
					&w->ctd.shim.task_server),
			 0);
	assert_int_equal(rpc_server_add_connection(w->ctd.shim.task_server, pair[1]), 0);
	assert_int_equal(rpc_client_new(fiber_loop(), pair[0], &w->client), 0);
}

static void tear_down(struct world *w)
{
	w->client = rpc_client_free(w->client);
	fiber_yield();
	assert_null(rpc_server_free(w->ctd.shim.task_server));
	sandbox_set_state(w->ctd.shim.sandbox, SANDBOX_STATE_STOPPED);
	assert_null(sandbox_free_for_test(w->ctd.shim.sandbox));
	(void)arena_free(w->arena);
}

static int call_by(struct world *w, const struct rpc_method *method, const void *req, void *resp,
		   uint64_t deadline_ns)
{
	w->err = ERR_NULL;
	return rpc_call(w->client, method, req, resp, w->arena, deadline_ns, &w->err);
}

static int call(struct world *w, const struct rpc_method *method, const void *req, void *resp)
{
	return call_by(w, method, req, resp, loop_deadline_ms(20000));
}

/* Every request of this service has the id first and nothing else that must be set. */
struct id_request {
	const char *sandbox_id;
	uint64_t zero[16];
};

static const struct rpc_method *const by_id[] = {
	&sandboxapi_start_sandbox,    &sandboxapi_platform,	   &sandboxapi_stop_sandbox,
	&sandboxapi_wait_sandbox,     &sandboxapi_sandbox_status,  &sandboxapi_ping_sandbox,
	&sandboxapi_shutdown_sandbox, &sandboxapi_sandbox_metrics,
};

static int create(struct world *w, const struct sandboxapi_create_sandbox_request *more)
{
	struct sandboxapi_create_sandbox_request req = *more;

	req.sandbox_id = req.sandbox_id ? req.sandbox_id : "pod1";
	req.bundle_path = req.bundle_path ? req.bundle_path : "/b";
	return call(w, &sandboxapi_create_sandbox, &req, NULL);
}

static const char *state_of(struct world *w, struct sandboxapi_sandbox_status_response *resp)
{
	const struct sandboxapi_sandbox_status_request req = { "pod1", true };

	*resp = (struct sandboxapi_sandbox_status_response){ 0 };
	if (call(w, &sandboxapi_sandbox_status, &req, resp) < 0)
		fail_msg("%s", w->err.text);
	return resp->state;
}

static int ids_main(void *arg)
{
	struct id_request other = { .sandbox_id = "pod2" }, own = { .sandbox_id = "pod1" };
	struct world w;
	uint64_t response[32];

	(void)arg;
	set_up(&w);
	for (size_t i = 0; i < ARRAY_SIZE(by_id); i++) {
		assert_int_equal(call(&w, by_id[i], &other, response), -ENOENT);
		assert_string_equal(w.err.text, "sandbox pod2 does not exist");
		/* These two can be answered of a sandbox that is not there yet. */
		if (by_id[i] == &sandboxapi_platform || by_id[i] == &sandboxapi_shutdown_sandbox)
			continue;
		assert_int_equal(call(&w, by_id[i], &own, response), -ENOENT);
		assert_string_equal(w.err.text, "sandbox pod1 has not been created");
	}
	assert_int_equal(
		create(&w, &(struct sandboxapi_create_sandbox_request){ .sandbox_id = "pod2" }),
		-ENOENT);
	tear_down(&w);
	return 0;
}

static void every_method_knows_its_sandbox_only(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(ids_main, NULL), 0);
}

static int refused_main(void *arg)
{
	struct world w;

	(void)arg;
	set_up(&w);
	assert_int_equal(
		create(&w, &(struct sandboxapi_create_sandbox_request){ .bundle_path = "b" }),
		-EINVAL);
	assert_string_equal(w.err.text, "bundle 'b' is not an absolute path");
	assert_int_equal(create(&w,
				&(struct sandboxapi_create_sandbox_request){
					.options = { .type_url = "runtime.v1.PodSandboxConfig" } }),
			 -EOPNOTSUPP);
	assert_non_null(strstr(w.err.text, "cannot use the host's network"));
	assert_int_equal(create(&w,
				&(struct sandboxapi_create_sandbox_request){
					.netns_path = "/proc/self/ns/net" }),
			 -EOPNOTSUPP);
	assert_non_null(strstr(w.err.text, "is the host's network namespace"));
	assert_int_equal(create(&w,
				&(struct sandboxapi_create_sandbox_request){
					.netns_path = "/nonexistent/netns" }),
			 -ENOENT);
	assert_string_equal(w.err.text,
			    "network namespace /nonexistent/netns: No such file or directory");
	assert_int_equal(create(&w,
				&(struct sandboxapi_create_sandbox_request){
					.options = { .type_url = "runtimeoptions.v1.Options",
						     .value = (const uint8_t *)"\x12\x01x",
						     .value_len = 3 } }),
			 -EINVAL);
	assert_non_null(strstr(w.err.text, "ConfigPath 'x' is not an absolute path"));
	/* A refused one has left nothing: it can be made rightly now, and once only. */
	assert_int_equal(create(&w, &(struct sandboxapi_create_sandbox_request){ 0 }), 0);
	assert_int_equal(create(&w, &(struct sandboxapi_create_sandbox_request){ 0 }), -EEXIST);
	tear_down(&w);
	return 0;
}

static void what_cannot_become_a_sandbox_is_refused(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(refused_main, NULL), 0);
}

static const char *annotation(const struct oci_spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->nr_annotations; i++)
		if (str_eq(spec->annotations[i].key, key))
			return spec->annotations[i].value;
	return NULL;
}

static int pod_main(void *arg)
{
	struct cri_pod_resources size = { .cpu_period = 100000,
					  .cpu_quota = 150000,
					  .memory_limit_in_bytes = 300 << 20 };
	struct kv sysctls[] = { { (char *)"net.core.somaxconn", (char *)"7" } };
	struct cri_pod_namespaces modes = { .pid = CRI_NAMESPACE_NODE };
	struct cri_pod_security security = { .namespace_options = &modes };
	struct cri_pod_linux lin = { .security_context = &security,
				     .sysctls = sysctls,
				     .nr_sysctls = 1,
				     .cgroup_parent = "/kubepods.slice/kubepods-pod7.slice",
				     .resources = &size };
	struct cri_pod_config config = { .hostname = "podhost", .linux_ = &lin };
	struct kv annotations[] = { { (char *)"io.kubernetes.cri.sandbox-memory", (char *)"1" },
				    { (char *)"example.org/x", (char *)"y" } };
	struct sandboxapi_create_sandbox_request req = { .netns_path = arg,
							 .annotations = annotations,
							 .nr_annotations = 2 };
	struct sandboxapi_sandbox_status_response status;
	struct sandboxapi_start_sandbox_response started = { 0 };
	struct id_request id = { .sandbox_id = "pod1" };
	struct world w;

	set_up(&w);
	assert_int_equal(pb_any_pack(w.arena, &cri_pod_config_type, &config, &req.options), 0);
	assert_true(create(&w, &req) < 0);
	assert_non_null(strstr(w.err.text, "cannot see the host's processes"));
	modes = (struct cri_pod_namespaces){ .pid = 1, .ipc = CRI_NAMESPACE_NODE };
	assert_int_equal(pb_any_pack(w.arena, &cri_pod_config_type, &config, &req.options), 0);
	assert_true(create(&w, &req) < 0);
	assert_non_null(strstr(w.err.text, "cannot share the host's IPC objects"));
	modes.ipc = 0;
	assert_int_equal(pb_any_pack(w.arena, &cri_pod_config_type, &config, &req.options), 0);
	if (create(&w, &req) < 0)
		fail_msg("%s", w.err.text);
	assert_string_equal(state_of(&w, &status), "SANDBOX_NOTREADY");
	assert_int_equal(call(&w, &sandboxapi_ping_sandbox, &id, NULL), 0);
	/* What a container would be refused meanwhile is told by Task.Create's own test. */
	assert_int_equal(call(&w, &sandboxapi_start_sandbox, &id, &started), -ENOENT);
	assert_non_null(strstr(w.err.text, NO_CONFIG));
	const struct oci_spec *spec = w.ctd.shim.sandbox->spec;
	assert_string_equal(spec->hostname, "podhost");
	assert_string_equal(spec->linux_->cgroups_path, "kubepods-pod7.slice:kata:pod1");
	assert_string_equal(annotation(spec, "io.kubernetes.cri.container-type"), "sandbox");
	assert_string_equal(annotation(spec, "io.kubernetes.cri.sandbox-id"), "pod1");
	assert_string_equal(annotation(spec, "io.kubernetes.cri.sandbox-cpu-quota"), "150000");
	assert_string_equal(annotation(spec, "io.kubernetes.cri.sandbox-cpu-period"), "100000");
	assert_null(annotation(spec, "io.kubernetes.cri.sandbox-cpu-shares"));
	/* From the configuration, not from annotations that anybody may write. */
	assert_string_equal(annotation(spec, "io.kubernetes.cri.sandbox-memory"), "314572800");
	assert_string_equal(annotation(spec, "example.org/x"), "y");
	assert_int_equal(spec->linux_->nr_sysctl, 1);
	assert_string_equal(spec->linux_->sysctl[0].value, "7");
	assert_int_equal(call(&w, &sandboxapi_start_sandbox, &id, &started), -EBUSY);
	assert_string_equal(w.err.text, "sandbox pod1 is stopped");
	tear_down(&w);
	return 0;
}

static void a_pod_config_becomes_the_sandbox(void **state)
{
	char path[40];
	cleanup_close int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		skip();
	cleanup_close int other = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", other);
	assert_int_equal(fiber_run_main(pod_main, path), 0);
}

struct waiter {
	struct world *w;
	struct sandboxapi_wait_sandbox_response response;
	int result;
	bool done;
};

static void wait_main(void *arg)
{
	struct waiter *waiter = arg;
	struct id_request id = { .sandbox_id = "pod1" };
	struct err err = ERR_NULL;

	waiter->result = rpc_call(waiter->w->client, &sandboxapi_wait_sandbox, &id,
				  &waiter->response, waiter->w->arena, loop_deadline_ms(20000),
				  &err);
	waiter->done = true;
}

static int life_main(void *arg)
{
	struct id_request id = { .sandbox_id = "pod1" };
	struct sandboxapi_sandbox_status_response status;
	struct sandboxapi_platform_response platform = { 0 };
	struct sandboxapi_sandbox_metrics_response metrics = { 0 };
	struct sandboxapi_wait_sandbox_response waited = { 0 };
	struct utsname names;
	struct fiber *fiber;
	struct world w;
	struct waiter waiter = { .w = &w };
	uint64_t response[32];

	(void)arg;
	set_up(&w);
	assert_int_equal(create(&w, &(struct sandboxapi_create_sandbox_request){ 0 }), 0);
	assert_int_equal(call(&w, &sandboxapi_platform, &id, &platform), 0);
	assert_string_equal(platform.platform->os, "linux");
	assert_int_equal(uname(&names), 0);
	if (str_eq(names.machine, "x86_64"))
		assert_string_equal(platform.platform->architecture, "amd64");
	sandbox_set_state(w.ctd.shim.sandbox, SANDBOX_STATE_RUNNING);
	w.ctd.shim.sandbox->vmm_pid = 4321;
	assert_string_equal(state_of(&w, &status), "SANDBOX_READY");
	assert_string_equal(status.sandbox_id, "pod1");
	assert_int_equal(status.pid, 4321);
	assert_int_equal(status.nr_info, 1);
	assert_string_equal(status.info[0].value, "running");
	/* Nothing runs in it, so nobody is asked and everything is 0. */
	assert_int_equal(call(&w, &sandboxapi_sandbox_metrics, &id, &metrics), 0);
	assert_string_equal(metrics.metrics->id, "pod1");
	assert_true(metrics.metrics->timestamp.seconds > 0);
	assert_true(pb_any_is(&metrics.metrics->data, &cgroup1_metrics_type) ||
		    pb_any_is(&metrics.metrics->data, &cgroup2_metrics_type));
	/* A deadline ends a Wait, and nothing else. */
	assert_int_equal(call_by(&w, &sandboxapi_wait_sandbox, &id, &waited, loop_deadline_ms(30)),
			 -ETIMEDOUT);
	assert_int_equal(fiber_spawn(fiber_loop(), "waiter", wait_main, &waiter, &fiber), 0);
	assert_int_equal(call(&w, &sandboxapi_ping_sandbox, &id, NULL), 0);
	assert_false(waiter.done);
	/* The VM dies by itself. */
	(void)snprintf(w.ctd.shim.sandbox->end.exit_reason,
		       sizeof(w.ctd.shim.sandbox->end.exit_reason), "QEMU ended");
	sandbox_set_state(w.ctd.shim.sandbox, SANDBOX_STATE_STOPPED);
	assert_int_equal(fiber_join(fiber, loop_deadline_ms(20000)), 0);
	assert_int_equal(waiter.result, 0);
	assert_int_equal(waiter.response.exit_status, 128 + SIGKILL);
	assert_true(waiter.response.exited_at.seconds > 0);
	assert_int_equal(call(&w, &sandboxapi_wait_sandbox, &id, &waited), 0);
	assert_int_equal(waited.exited_at.nanos, waiter.response.exited_at.nanos);
	assert_string_equal(state_of(&w, &status), "SANDBOX_NOTREADY");
	assert_int_equal(status.nr_info, 2);
	assert_string_equal(status.info[1].value, "QEMU ended");
	assert_true(call(&w, &sandboxapi_ping_sandbox, &id, NULL) < 0);
	assert_string_equal(w.err.text, "sandbox pod1 has stopped: QEMU ended");
	assert_int_equal(call(&w, &sandboxapi_sandbox_metrics, &id, &metrics), -EBUSY);
	assert_int_equal(call(&w, &sandboxapi_stop_sandbox, &id, response), 0);
	assert_int_equal(call(&w, &sandboxapi_shutdown_sandbox, &id, response), 0);
	assert_true(w.ctd.shim.ending);
	tear_down(&w);
	return 0;
}

static void a_sandbox_lives_and_its_end_is_told(void **state)
{
	(void)state;
	assert_int_equal(fiber_run_main(life_main, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_knows_its_sandbox_only),
		cmocka_unit_test(what_cannot_become_a_sandbox_is_refused),
		cmocka_unit_test(a_pod_config_becomes_the_sandbox),
		cmocka_unit_test(a_sandbox_lives_and_its_end_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
