/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls about the sandbox: its making, its end, its mounts.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/container/container.h"
#include "agent/core/agent.h"
#include "agent/core/spawn.h"
#include "agent/rpc/service.h"
#include "agent/sandbox/agent_container.h"
#include "agent/sandbox/oom.h"
#include "agent/sandbox/pid_ns.h"
#include "agent/sandbox/sandbox_ns.h"
#include "agent/storage/storage.h"
#include "agent/stream/stdio_relay.h"
#include "agent/util/child.h"
#include "agent/util/mounts.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "kata/guest.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define SANDBOX_RESOLV_CONF KATA_GUEST_SANDBOX_DIR "/resolv.conf"
#define DNS_LINES_MAX 64
#define DNS_LINE_MAX 1024
#define MODPROBE "/sbin/modprobe"
#define MODULE_PARAMETERS_MAX 32
/* How long each container of a sandbox that ends may take to go. */
#define DESTROY_MS 10000

/* Everything of an earlier sandbox that did not come to its end goes. */
static int make_base(struct err *err)
{
	int r = mounts_remove_tree(KATA_GUEST_BASE, err);

	if (r < 0)
		return r;
	r = io_mkdir_p(KATA_GUEST_SANDBOX_DIR, 0755);
	return r < 0 ? err_set_errno(err, r, "make %s", KATA_GUEST_SANDBOX_DIR) : 0;
}

static int check_hostname(const char *hostname, struct err *err)
{
	if (strlen(hostname) > 64)
		return err_set(err, EINVAL, "host name %.64s... is longer than 64 bytes", hostname);
	return 0;
}

static int note_names(struct guest_sandbox *sb, const struct agent_create_sandbox_request *req,
		      struct err *err)
{
	if (arena_new(&sb->arena) < 0)
		return err_set(err, ENOMEM, "out of memory");
	sb->id = arena_strdup(sb->arena, req->sandbox_id);
	sb->hostname = arena_strdup(sb->arena, req->hostname);
	if (!sb->id || !sb->hostname)
		return err_set(err, ENOMEM, "out of memory");
	if (str_empty(req->guest_hook_path))
		return 0;
	sb->hook_path = arena_strdup(sb->arena, req->guest_hook_path);
	return sb->hook_path ? mounts_check_path(sb->hook_path, err)
			     : err_set(err, ENOMEM, "out of memory");
}

static int load_module(struct agent *agent, const struct agent_kernel_module *module,
		       struct err *err)
{
	char *argv[MODULE_PARAMETERS_MAX + 5] = { (char *)(uintptr_t)MODPROBE,
						  (char *)(uintptr_t) "-v" };
	size_t nr = 2;

	if (module->parameters.nr > MODULE_PARAMETERS_MAX || !*module->name || *module->name == '-')
		return err_set(err, EINVAL, "kernel module %.64s: bad name or too many parameters",
			       module->name);
	argv[nr++] = (char *)(uintptr_t) "--";
	argv[nr++] = (char *)(uintptr_t)module->name;
	for (size_t i = 0; i < module->parameters.nr; i++)
		argv[nr++] = module->parameters.v[i];
	struct spawn_result result = SPAWN_RESULT_NULL;
	int r = spawn_run(agent, argv, NULL, 0, &result, err);
	if (r >= 0 && result.code != 0)
		r = err_set(err, EIO, "modprobe: exit status %d", result.code);
	spawn_result_deinit(&result);
	return r < 0 ? err_wrap(err, "kernel module %.64s", module->name) : 0;
}

static int write_dns(const struct strv *dns, struct err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	int r = 0;

	if (!dns->nr)
		return 0;
	if (dns->nr > DNS_LINES_MAX)
		return err_set(err, EINVAL, "more than %d DNS lines", DNS_LINES_MAX);
	for (size_t i = 0; r >= 0 && i < dns->nr; i++) {
		if (strlen(dns->v[i]) > DNS_LINE_MAX)
			return err_set(err, EINVAL, "a DNS line is longer than %d bytes",
				       DNS_LINE_MAX);
		r = strbuf_printf(&text, "%s\n", dns->v[i]);
	}
	if (r >= 0)
		r = io_replace_file_at(AT_FDCWD, SANDBOX_RESOLV_CONF, text.data, text.len, 0644);
	if (r < 0)
		return err_set_errno(err, r, "write %s", SANDBOX_RESOLV_CONF);
	int fd = neg_errno(open(RESOLV_CONF, O_WRONLY | O_CREAT | O_CLOEXEC,
				0644)); /* something to mount on */
	if (fd < 0)
		return err_set_errno(err, fd, "open %s", RESOLV_CONF);
	(void)fd_close(fd);
	r = neg_errno(mount(SANDBOX_RESOLV_CONF, RESOLV_CONF, NULL, MS_BIND, NULL));
	return r < 0 ? err_set_errno(err, r, "mount %s", RESOLV_CONF) : 0;
}

static int create(struct agent *agent, const struct agent_create_sandbox_request *req,
		  struct err *err)
{
	struct strv held = { 0 };
	int r = check_hostname(req->hostname, err);

	if (r >= 0)
		r = note_names(&agent->sandbox, req, err);
	if (r >= 0)
		r = make_base(err);
	for (size_t i = 0; r >= 0 && i < req->nr_kernel_modules; i++)
		r = load_module(agent, &req->kernel_modules[i], err);
	if (r >= 0)
		r = sandbox_ns_create(&agent->sandbox, req->hostname, err);
	if (r >= 0)
		r = storage_add_all(agent, req->storages, req->nr_storages, NULL,
				    agent->sandbox.arena, &held, err);
	return r >= 0 ? write_dns(&req->dns, err) : r;
}

static void forget(struct agent *agent)
{
	struct guest_sandbox *sb = &agent->sandbox;

	storage_release_all(agent);
	pid_ns_destroy(sb);
	sandbox_ns_destroy(sb);
	(void)umount2(RESOLV_CONF, MNT_DETACH); /* not mounted when there was no DNS */
	sb->arena = arena_free(sb->arena);
	sb->id = sb->hostname = sb->hook_path = NULL;
	sb->exists = false;
}

/**
 * sandbox_rpc_create() - CreateSandbox
 * @ctx: agent
 * @call: request
 * @request: struct agent_create_sandbox_request
 * @response: NULL
 * @err: filled on failure, and then nothing is left
 *
 * Return: 0 or -errno (-EEXIST when there is one: what it has mounted must not be wiped).
 */
RPC_FN(sandbox_rpc_create)
{
	const struct agent_create_sandbox_request *req = request;
	struct agent *agent = ctx;

	(void)call;
	(void)response;
	if (agent->sandbox.exists || agent->ending)
		return err_set(err, EEXIST, "the sandbox exists already");
	if (*req->sandbox_id && !str_is_valid_id(req->sandbox_id))
		return err_set(err, EINVAL, "invalid sandbox id: %.128s", req->sandbox_id);
	/* Set before the rest: a second request that comes meanwhile must fail. */
	agent->sandbox.exists = true;
	int r = create(agent, req, err);
	if (r < 0)
		forget(agent);
	else if (*req->sandbox_id)
		log_set_context("sandbox", req->sandbox_id);
	return r;
}

/* First all are killed, then each is waited for. */
static void destroy_containers(struct agent *agent)
{
	struct err err = ERR_NULL;

	list_for_each(node, &agent->containers) {
		struct agent_container *ctr = list_entry(node, struct agent_container, node);

		if (ctr->c && container_kill_all(ctr->c, &err) < 0)
			log_debug("container %s: %s", ctr->id, err.text);
	}
	while (!list_empty(&agent->containers)) {
		cleanup_container struct agent_container *ctr = agent_container_ref(
			list_entry(agent->containers.next, struct agent_container, node));
		uint64_t deadline_ns = loop_deadline_ms(DESTROY_MS);

		if (fiber_lock(&ctr->lock, deadline_ns) < 0) {
			log_warn("container %s is busy and stays behind", ctr->id);
			return;
		}
		int r = list_empty(&ctr->node) ? 0
					       : agent_container_destroy(ctr, deadline_ns, &err);
		fiber_unlock(&ctr->lock);
		if (r < 0) {
			log_warn("container stays behind: %s", err.text);
			return;
		}
	}
}

/**
 * sandbox_rpc_destroy() - DestroySandbox: everything ends, then the guest
 * @ctx: agent
 * @call: request
 * @request: NULL
 * @response: NULL
 * @err: not used: nobody can do anything about what does not end
 *
 * Return: 0.
 */
RPC_FN(sandbox_rpc_destroy)
{
	struct agent *agent = ctx;

	(void)call;
	(void)request;
	(void)response;
	(void)err;
	if (agent->ending)
		return 0;
	agent->ending = true;
	destroy_containers(agent);
	stdio_relay_cancel_all(&agent->streams);
	oom_end(agent);
	forget(agent);
	sync();
	agent_end(agent);
	return 0;
}

/**
 * sandbox_rpc_update_ephemeral_mounts() - UpdateEphemeralMounts: tmpfs volumes follow the memory's
 * size
 * @ctx: agent
 * @call: request
 * @request: struct agent_update_ephemeral_mounts_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(sandbox_rpc_update_ephemeral_mounts)
{
	const struct agent_update_ephemeral_mounts_request *req = request;

	(void)call;
	(void)response;
	return storage_update_ephemeral(ctx, req->storages, req->nr_storages, err);
}

/**
 * sandbox_rpc_remove_stale_mounts() - RemoveStaleVirtiofsShareMounts
 * @ctx: agent
 * @call: request
 * @request: NULL
 * @response: NULL
 * @err: filled on failure
 *
 * A look at each mount in the shared trees makes the host's virtiofsd drop what it held of those
 * that have gone.
 *
 * Return: 0 or -errno.
 */
RPC_FN(sandbox_rpc_remove_stale_mounts)
{
	(void)ctx;
	(void)call;
	(void)request;
	(void)response;
	static const char *const trees[] = { KATA_GUEST_SHARED_DIR, KATA_GUEST_VOLUMES_DIR };

	for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
		int r = mounts_stat_below(trees[i]);

		if (r < 0)
			return err_set_errno(err, r, "mounts below %s", trees[i]);
	}
	return 0;
}

/**
 * sandbox_rpc_volume_stats() - GetVolumeStats: bytes and inodes of a mounted volume
 * @ctx: agent
 * @call: request
 * @request: struct agent_volume_stats_request
 * @response: struct agent_volume_stats_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(sandbox_rpc_volume_stats)
{
	const struct agent_volume_stats_request *req = request;
	struct agent_volume_stats_response *resp = response;
	struct statvfs fs;
	int r = mounts_check_path(req->volume_guest_path, err);

	(void)ctx;
	if (r < 0)
		return r;
	if (statvfs(req->volume_guest_path, &fs) < 0)
		return err_set_errno(err, -errno, "volume %.256s", req->volume_guest_path);
	struct agent_volume_usage *usage = arena_calloc(call->arena, 2, sizeof(*usage));
	if (!usage)
		return err_set(err, ENOMEM, "out of memory");
	usage[0] = (struct agent_volume_usage){
		.available = fs.f_bavail * fs.f_frsize,
		.total = fs.f_blocks * fs.f_frsize,
		.used = (fs.f_blocks - fs.f_bfree) * fs.f_frsize,
		.unit = AGENT_VOLUME_BYTES,
	};
	usage[1] = (struct agent_volume_usage){
		.available = fs.f_favail,
		.total = fs.f_files,
		.used = fs.f_files - fs.f_ffree,
		.unit = AGENT_VOLUME_INODES,
	};
	resp->usage = usage;
	resp->nr_usage = 2;
	return 0;
}

/**
 * sandbox_rpc_get_oom_event() - GetOOMEvent: the next container that ran out of memory
 * @ctx: agent
 * @call: request
 * @request: NULL
 * @response: struct agent_oom_event
 * @err: filled on failure
 *
 * Return: 0 or -errno; -ESHUTDOWN when the sandbox ends.
 */
RPC_FN(sandbox_rpc_get_oom_event)
{
	struct agent_oom_event *event = response;

	(void)request;
	return oom_take(ctx, call->deadline_ns, call->arena, &event->container_id, err);
}
