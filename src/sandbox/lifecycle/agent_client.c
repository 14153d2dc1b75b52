/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of the agent connection: dialling until the guest listens, and the calls that make
 * the sandbox.
 */
#include "sandbox/lifecycle/agent_client.h"

#include <errno.h>
#include <stdio.h>
#include <sys/vfs.h>

#include "common/fiber.h"
#include "common/log.h"
#include "common/str.h"
#include "kata/guest.h"
#include "rpc/pb/agent_msg.h"
#include "rpc/ttrpc/rpc.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"

/*
 * Kernel vsock cannot tell when the agent listens; the console does. These are the pauses between
 * two tries after that, and while it has said nothing, as an agent that is not ours may.
 */
#define AGENT_REDIAL_MS 5
#define AGENT_REDIAL_UNTOLD_MS 250
/* Between two events: a guest that has no end of them does not keep the host busy. */
#define AGENT_OOM_PAUSE_MS 50
/* Far more than any answer has; reading that many costs some 20 ms. */
#define REPLY_FIELDS_MAX (1U << 16)
/* What managers give a pod that says nothing. */
#define SHM_DEFAULT (64ULL << 20)

/* Until it makes sense to dial again. */
static int await_agent(struct sandbox *sb, uint64_t deadline_ns)
{
	if (sb->start.agent_listens || sb->vsock.addr.kind != VSOCK_KERNEL)
		return fiber_sleep_until(MIN(deadline_ns, loop_deadline_ms(AGENT_REDIAL_MS)));
	int r = fiber_cond_wait(&sb->start.agent_changed,
				MIN(deadline_ns, loop_deadline_ms(AGENT_REDIAL_UNTOLD_MS)));
	return r == -ETIMEDOUT ? 0 : r;
}

/**
 * agent_client_connect() - connect to the agent as soon as it listens
 * @sb: sandbox whose VM runs
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * While the guest boots, a dial may fail with whatever the transport has for a peer that is not
 * there yet: kernel vsock has a time-out of its own, two seconds (vsock(7)). Only our deadline, the
 * end of the VM and a cancelled start count.
 *
 * Return: 0 or -errno.
 */
int agent_client_connect(struct sandbox *sb, uint64_t deadline_ns, struct err *err)
{
	deadline_ns = MIN(deadline_ns, loop_deadline_ms(sb->config->agent.dial_timeout_ms));
	for (;;) {
		int fd = vsock_dial_wait(&sb->vsock.addr, KATA_PORT_AGENT, deadline_ns, NULL, err);

		if (fd >= 0) {
			int r = rpc_client_new(sb->loop, fd, &sb->agent);

			if (r < 0)
				return err_set_errno(err, r, "agent connection");
			rpc_client_set_max_fields(sb->agent, REPLY_FIELDS_MAX);
			return 0;
		}
		/* -EACCES: somebody else is where the agent should be. */
		if (*sb->end.exit_reason || fd == -ECANCELED || fd == -EACCES)
			return fd;
		if (loop_now_ns() >= deadline_ns)
			return err_set(err, ETIMEDOUT, "the agent did not answer: %s", err->text);
		int r = await_agent(sb, deadline_ns);
		if (r < 0)
			return err_set_errno(err, r, "dial the agent");
	}
}

/* As large as the manager made the pod's on the host. */
static uint64_t shm_bytes(const struct sandbox *sb)
{
	struct statfs fs;

	for (size_t i = 0; i < sb->spec->nr_mounts; i++) {
		const struct oci_mount *mount = &sb->spec->mounts[i];

		if (str_eq(mount->destination, "/dev/shm") && mount->source &&
		    *mount->source == '/' && statfs(mount->source, &fs) == 0)
			return (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
	}
	return SHM_DEFAULT;
}

/* "name parameter=value ..." of the configuration, taken apart. */
static int kernel_modules(struct sandbox *sb, struct agent_create_sandbox_request *req)
{
	const struct strv *lines = &sb->config->agent.kernel_modules;

	req->kernel_modules = arena_calloc(sb->arena, lines->nr, sizeof(*req->kernel_modules));
	if (lines->nr > 0 && !req->kernel_modules)
		return -ENOMEM;
	for (size_t i = 0; i < lines->nr; i++) {
		struct agent_kernel_module *module = &req->kernel_modules[req->nr_kernel_modules];
		char *line = arena_strdup(sb->arena, lines->v[i]), *save = NULL;
		char *word = line ? strtok_r(line, " ", &save) : NULL;
		int r = line ? 0 : -ENOMEM;

		module->name = word;
		while (r == 0 && word && (word = strtok_r(NULL, " ", &save)))
			r = arena_strv_add(sb->arena, &module->parameters, word);
		if (r < 0)
			return r;
		if (module->name)
			req->nr_kernel_modules++;
	}
	return 0;
}

/**
 * agent_client_create_sandbox() - CreateSandbox with the shared tree
 * @sb: sandbox with its agent connected
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int agent_client_create_sandbox(struct sandbox *sb, uint64_t deadline_ns, struct err *err)
{
	char msize[32];
	char *options_9p[] = { (char *)"trans=virtio", (char *)"version=9p2000.L",
			       (char *)"cache=mmap", msize, NULL };
	char shm_size[40];
	char *shm_options[] = { (char *)"nosuid", (char *)"noexec", (char *)"nodev",
				(char *)"mode=1777", shm_size };
	struct agent_storage storages[3] = { 0 };
	size_t nr = 0;
	struct agent_storage shared = {
		.driver = sb->storage.shared_by_9p ? "9p" : "virtio-fs",
		.source = KATA_SHARED_TAG,
		.fstype = sb->storage.shared_by_9p ? "9p" : "virtiofs",
		.mount_point = KATA_GUEST_SHARED_DIR,
	};

	(void)snprintf(msize, sizeof(msize), "msize=%u", sb->config->hypervisor.msize_9p);
	if (sb->storage.shared_by_9p)
		shared.options = (struct strv){ options_9p, ARRAY_SIZE(options_9p) - 1 };
	storages[nr++] = shared;
	if (!sb->storage.shared_by_9p) {
		shared.source = KATA_VOLUMES_TAG;
		shared.mount_point = KATA_GUEST_VOLUMES_DIR;
		storages[nr++] = shared;
	}
	storages[nr] = (struct agent_storage){
		.driver = "ephemeral",
		.source = "shm",
		.fstype = "tmpfs",
		.mount_point = KATA_GUEST_SHM_DIR,
		.options = { shm_options, ARRAY_SIZE(shm_options) },
	};
	(void)snprintf(shm_size, sizeof(shm_size), "size=%llu", (unsigned long long)shm_bytes(sb));
	struct agent_create_sandbox_request req = {
		.hostname = sb->spec->hostname,
		.storages = storages,
		.nr_storages = sb->kind == SANDBOX_KIND_POD ? nr + 1 : nr,
		.sandbox_id = sb->id,
		.guest_hook_path = sb->config->hypervisor.guest_hook_path,
	};

	int r = kernel_modules(sb, &req);

	if (r < 0)
		return err_set_errno(err, r, "kernel modules");
	return rpc_call(sb->agent, &agent_create_sandbox, &req, NULL, NULL, deadline_ns, err);
}

static void oom_main(void *arg)
{
	struct sandbox *sb = arg;

	for (;;) {
		cleanup_arena struct arena *arena = NULL;
		struct agent_oom_event event = { 0 };
		struct err err = ERR_NULL;

		if (!sb->agent || arena_new(&arena) < 0)
			return;
		if (rpc_call(sb->agent, &agent_get_oom_event, NULL, &event, arena, LOOP_FOREVER,
			     &err) < 0)
			return; /* the agent says so when the sandbox ends */
		/* The id is the guest's word: only one that we know is passed on. */
		struct sb_container *ctr = sb_container_find(sb, event.container_id);
		if (ctr && !ctr->oom_killed) {
			ctr->oom_killed = true;
			sb->events->oom(sb->events_arg, ctr);
		}
		(void)fiber_sleep_until(
			loop_deadline_ms(AGENT_OOM_PAUSE_MS)); /* nobody cancels it */
	}
}

/**
 * agent_client_watch_oom() - follow out-of-memory events
 * @sb: sandbox with its agent connected
 *
 * Return: 0 or -ENOMEM.
 */
int agent_client_watch_oom(struct sandbox *sb)
{
	return fiber_spawn(sb->loop, "oom", oom_main, sb, NULL);
}

/**
 * agent_client_destroy_sandbox() - let the guest end by itself
 * @sb: sandbox
 * @deadline_ns: absolute time
 *
 * A guest that does not answer is ended by the caller anyway.
 */
void agent_client_destroy_sandbox(struct sandbox *sb, uint64_t deadline_ns)
{
	struct err err = ERR_NULL;

	if (sb->agent &&
	    rpc_call(sb->agent, &agent_destroy_sandbox, NULL, NULL, NULL, deadline_ns, &err) < 0)
		log_debug("destroy sandbox: %s", err.text);
}
