/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls about containers as a whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "agent/container/container.h"
#include "agent/container/process.h"
#include "agent/core/agent.h"
#include "agent/device/guest_devices.h"
#include "agent/device/hotplug.h"
#include "agent/rpc/service.h"
#include "agent/rpc/stats.h"
#include "agent/sandbox/agent_container.h"
#include "agent/sandbox/agent_process.h"
#include "agent/sandbox/late_devices.h"
#include "agent/sandbox/oom.h"
#include "agent/sandbox/pid_ns.h"
#include "agent/sandbox/spec_adapt.h"
#include "agent/storage/storage.h"
#include "agent/util/mounts.h"
#include "agent/util/path.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "kata/guest.h"
#include "oci/spec.h"
#include "oci/namespaces.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define TERMINATION_PATH_KEY "io.kubernetes.container.terminationMessagePath"
#define TERMINATION_LOG_MAX 4096
/* How long a half-made container may take to go. */
#define UNDO_MS 10000

static int check_request(const struct agent_create_container_request *req, struct err *err)
{
	if (!req->oci || !req->oci->process || !req->oci->root || !req->oci->linux_)
		return err_set(err, EINVAL, "create %.128s: the spec lacks process, root or linux",
			       req->container_id);
	if (!str_empty(req->exec_id) && !str_is_valid_id(req->exec_id))
		return err_set(err, EINVAL, "create %.128s: invalid exec id", req->container_id);
	return mounts_check_path(str_empty(req->oci->root->path) ? "" : req->oci->root->path, err);
}

static int check_rootfs(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set_errno(err, -errno, "rootfs %s", path);
	return S_ISDIR(st.st_mode) ? 0
				   : err_set(err, ENOTDIR, "rootfs %s is not a directory", path);
}

/*
 * The file a container may leave its last words in: where the spec mounts it from, or inside the
 * rootfs.
 */
static int note_termination_log(struct agent_container *ctr, const struct oci_spec *spec)
{
	const char *path = NULL;

	for (size_t i = 0; i < spec->nr_annotations; i++)
		if (str_eq(spec->annotations[i].key, TERMINATION_PATH_KEY))
			path = spec->annotations[i].value;
	if (str_empty(path))
		return 0;
	ctr->termination_log = arena_printf(ctr->arena, "%s", path);
	for (size_t i = 0; ctr->termination_log && i < spec->nr_mounts; i++) {
		if (!str_eq(spec->mounts[i].destination, path) || str_empty(spec->mounts[i].source))
			continue;
		ctr->termination_log = arena_strdup(ctr->arena, spec->mounts[i].source);
		ctr->rootfs = "/";
	}
	return ctr->termination_log ? 0 : -ENOMEM;
}

static const char *cgroup_root(void)
{
	struct statfs fs;

	return statfs(CGROUP_ROOT, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC ? CGROUP_ROOT
										 : NULL;
}

/* Only guest hooks read config.json from the bundle, as the specification promises them. */
static int write_config(const char *bundle, const struct oci_spec *spec, struct err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	char path[sizeof(KATA_GUEST_BASE) + CONTAINER_ID_MAX + 16];
	int r = oci_spec_format(spec, 0, &text);

	(void)snprintf(path, sizeof(path), "%s/config.json", bundle);
	if (r >= 0)
		r = io_replace_file_at(AT_FDCWD, path, text.data, text.len, 0600);
	return r < 0 ? err_set_errno(err, r, "write %s", path) : 0;
}

/*
 * The namespace of the container whose processes this one is to see. Return: a descriptor, -ENOENT
 * without @err when it names none, or -errno.
 */
static int open_target_pidns(struct agent *agent, const struct oci_spec *spec, struct err *err)
{
	const struct oci_namespace *ns = oci_namespace_find(spec, "pid");
	const char *id = ns && ns->path ? str_skip_prefix(ns->path, KATA_PIDNS_OF) : NULL;
	cleanup_container struct agent_container *target = NULL;
	char path[48];

	if (!id)
		return -ENOENT;
	int r = agent_container_get(agent, id, EINVAL, &target, err);
	if (r < 0)
		return r;
	if (!target->c || target->c->init->exited)
		return err_set(err, EINVAL,
			       "container %s, whose processes it is to see, does not run", id);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)target->c->init->pid);
	int fd = neg_errno(open(path, O_RDONLY | O_CLOEXEC));
	return fd < 0 ? err_set(err, EINVAL, "PID namespace of container %s: %s", id, strerror(-fd))
		      : fd;
}

static int make_container(struct agent_container *ctr,
			  const struct agent_create_container_request *req, const char *bundle,
			  bool no_input, struct rpc_request *call, struct err *err)
{
	struct guest_sandbox *sandbox = &ctr->agent->sandbox;
	struct container_create_args args;
	struct stat root;

	container_create_args_init(&args);
	args.children = &ctr->agent->children;
	cleanup_close int pidns = open_target_pidns(ctr->agent, req->oci, err);
	if (pidns < 0 && pidns != -ENOENT)
		return pidns;
	int r = req->sandbox_pidns && sandbox->pid_fd < 0 ? pid_ns_create(sandbox, err) : 0;
	if (r >= 0)
		r = spec_adapt(sandbox, ctr->id, req->sandbox_pidns, req->oci, call->arena, &args,
			       err);
	if (r < 0)
		return r;
	if (sandbox->hook_path)
		r = write_config(bundle, req->oci, err);
	if (r < 0)
		return r;
	if (pidns >= 0)
		args.ns[CONTAINER_NS_PID] = pidns;
	args.id = ctr->id;
	args.spec = req->oci;
	args.rootfs = req->oci->root->path;
	args.bundle = bundle;
	args.no_input = no_input;
	args.cgroup_root = cgroup_root();
	args.deadline_ns = call->deadline_ns;
	if (stat("/", &root) == 0 && major(root.st_dev)) {
		args.denied_devices = &root.st_dev; /* the guest booted from an image */
		args.nr_denied_devices = 1;
	}
	return container_create(&args, &ctr->c, err);
}

/* A pause container makes the PID namespace that the pod's others may share. */
static void pin_pid_namespace(struct agent_container *ctr)
{
	const struct guest_sandbox *sandbox = &ctr->agent->sandbox;
	char path[48];

	if (sandbox->pid_fd >= 0 || (!str_empty(sandbox->id) && !str_eq(ctr->id, sandbox->id)))
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)ctr->c->init->pid);
	int fd = neg_errno(open(path, O_RDONLY | O_CLOEXEC));
	if (fd < 0)
		log_warn_errno(fd, "container %s: its PID namespace cannot be shared", ctr->id);
	else
		ctr->agent->sandbox.pid_fd = fd;
}

static int create_locked(struct agent_container *ctr,
			 const struct agent_create_container_request *req, struct rpc_request *call,
			 struct err *err)
{
	cleanup_conns struct stdio_conns conns = STDIO_CONNS_NULL;
	const uint32_t ports[STDIO_NR] = { req->stdin_port, req->stdout_port, req->stderr_port };
	struct agent *agent = ctr->agent;
	char bundle[sizeof(KATA_GUEST_BASE) + CONTAINER_ID_MAX + 2];
	int r = stdio_conns_take(agent, ports, &conns, err);

	if (r < 0)
		return r;
	(void)snprintf(bundle, sizeof(bundle), KATA_GUEST_BASE "/%s", ctr->id);
	r = io_mkdir_p(bundle, 0700);
	if (r < 0)
		return err_set_errno(err, r, "make %s", bundle);
	r = hotplug_add_devices(&agent->hotplug, req->devices, req->nr_devices, req->oci,
				call->arena, err);
	if (r >= 0)
		r = guest_devices_adapt(req->oci, "/dev", "/sys", call->arena, err);
	if (r >= 0)
		r = storage_add_all(agent, req->storages, req->nr_storages, ctr->id, ctr->arena,
				    &ctr->storages, err);
	if (r >= 0)
		r = check_rootfs(req->oci->root->path, err);
	if (r < 0)
		return r;
	/*
	 * A process without a value inherits the agent's, which makes it immune to the OOM killer:
	 * then the memory limit would kill nothing.
	 */
	if (!req->oci->process->oom_score_adj)
		req->oci->process->oom_score_adj = &ctr->oom_score_adj;
	ctr->oom_score_adj = *req->oci->process->oom_score_adj;
	ctr->rootfs = arena_strdup(ctr->arena, req->oci->root->path);
	if (!ctr->rootfs || note_termination_log(ctr, req->oci) < 0)
		return err_set(err, ENOMEM, "out of memory");
	r = make_container(ctr, req, bundle, stdio_conns_no_input(&conns), call, err);
	if (r < 0)
		return r;
	pin_pid_namespace(ctr);
	late_devices_watch(ctr, req->oci);
	return agent_process_add(ctr, ctr->c->init,
				 str_empty(req->exec_id) ? ctr->id : req->exec_id, &conns, err);
}

/**
 * container_rpc_create() - CreateContainer: everything up to, but not including, the run of its
 * program
 * @ctx: agent
 * @call: request
 * @request: struct agent_create_container_request; its spec is changed
 * @response: NULL
 * @err: filled on failure, and then nothing is left
 *
 * Return: 0 or -errno.
 */
RPC_FN(container_rpc_create)
{
	const struct agent_create_container_request *req = request;
	struct agent_container *ctr = NULL;
	struct err undo_err = ERR_NULL;
	int r = check_request(req, err);

	(void)response;
	if (r >= 0)
		r = agent_container_new(ctx, req->container_id, &ctr, err);
	if (r < 0)
		return r;
	r = fiber_lock(&ctr->lock, LOOP_FOREVER);
	if (r >= 0) {
		r = create_locked(ctr, req, call, err);
		if (r < 0 && agent_container_destroy(ctr, loop_deadline_ms(UNDO_MS), &undo_err) < 0)
			log_warn("half-made container: %s", undo_err.text);
		fiber_unlock(&ctr->lock);
	}
	(void)agent_container_unref(ctr);
	return r;
}

/* Finds, pins and locks; on success the caller unlocks and drops the reference. */
static int get_locked(struct agent *agent, const char *id, struct rpc_request *call,
		      struct agent_container **ret, struct err *err)
{
	struct agent_container *ctr = NULL;
	int r = agent_container_get(agent, id, EINVAL, &ctr, err);

	if (r < 0)
		return r;
	r = agent_container_lock(ctr, call->deadline_ns, err);
	if (r < 0) {
		(void)agent_container_unref(ctr);
		return r;
	}
	*ret = ctr;
	return 0;
}

static void put_locked(struct agent_container *ctr)
{
	fiber_unlock(&ctr->lock);
	(void)agent_container_unref(ctr);
}

/**
 * container_rpc_start() - StartContainer: run its program
 * @ctx: agent
 * @call: request
 * @request: struct agent_start_container_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(container_rpc_start)
{
	const struct agent_start_container_request *req = request;
	struct agent_container *ctr;
	struct err oom_err = ERR_NULL;
	int r = get_locked(ctx, req->container_id, call, &ctr, err);

	(void)response;
	if (r < 0)
		return r;
	if (oom_watch(ctr, &oom_err) < 0)
		log_warn("container %s: no OOM events: %s", ctr->id, oom_err.text);
	r = container_start(ctr->c, call->deadline_ns, err);
	put_locked(ctr);
	return r;
}

/**
 * container_rpc_remove() - RemoveContainer: kill what runs, unmount, forget
 * @ctx: agent
 * @call: request
 * @request: struct agent_remove_container_request; timeout in seconds, 0: none
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno; -ETIME when the timeout passes.
 */
RPC_FN(container_rpc_remove)
{
	const struct agent_remove_container_request *req = request;
	struct agent_container *ctr;
	uint64_t deadline_ns = req->timeout ? loop_deadline_ms(req->timeout * 1000ULL)
					    : LOOP_FOREVER;
	int r = get_locked(ctx, req->container_id, call, &ctr, err);

	(void)response;
	if (r < 0)
		return r;
	r = agent_container_destroy(ctr, MIN(deadline_ns, call->deadline_ns), err);
	if (r == -ETIMEDOUT)
		r = err_set(err, ETIME, "container %s does not end", ctr->id);
	put_locked(ctr);
	return r;
}

/**
 * container_rpc_update() - UpdateContainer: new limits
 * @ctx: agent
 * @call: request
 * @request: struct agent_update_container_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(container_rpc_update)
{
	const struct agent_update_container_request *req = request;
	struct agent_container *ctr;

	(void)response;
	if (!req->resources)
		return err_set(err, EINVAL, "update %.128s: no resources", req->container_id);
	int r = get_locked(ctx, req->container_id, call, &ctr, err);
	if (r < 0)
		return r;
	r = container_update(ctr->c, req->resources, err);
	put_locked(ctr);
	return r;
}

/**
 * container_rpc_stats() - StatsContainer: counters of the cgroup and the network; takes no lock
 * @ctx: agent
 * @call: request
 * @request: struct agent_stats_container_request
 * @response: struct agent_stats_container_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(container_rpc_stats)
{
	const struct agent_stats_container_request *req = request;
	struct agent_stats_container_response *resp = response;
	cleanup_container struct agent_container *ctr = NULL;
	int r = agent_container_get(ctx, req->container_id, EINVAL, &ctr, err);

	if (r >= 0)
		r = container_stats(ctr->c, call->arena, &resp->cgroup_stats, err);
	if (r < 0)
		return r;
	r = stats_network(call->arena, &resp->network_stats, &resp->nr_network_stats);
	return r < 0 ? err_set_errno(err, r, "network counters") : 0;
}

/**
 * container_rpc_pause() - PauseContainer
 * @ctx: agent
 * @call: request
 * @request: struct agent_pause_container_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(container_rpc_pause)
{
	const struct agent_pause_container_request *req = request;
	struct agent_container *ctr;
	int r = get_locked(ctx, req->container_id, call, &ctr, err);

	(void)response;
	if (r < 0)
		return r;
	r = container_pause(ctr->c, call->deadline_ns, err);
	put_locked(ctr);
	return r;
}

/**
 * container_rpc_resume() - ResumeContainer
 * @ctx: agent
 * @call: request
 * @request: struct agent_resume_container_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(container_rpc_resume)
{
	const struct agent_resume_container_request *req = request;
	struct agent_container *ctr;
	int r = get_locked(ctx, req->container_id, call, &ctr, err);

	(void)response;
	if (r < 0)
		return r;
	r = container_resume(ctr->c, call->deadline_ns, err);
	put_locked(ctr);
	return r;
}

/* The container wrote the file: links in its path must not lead out of it. */
static ssize_t read_last_words(const struct agent_container *ctr, char *buf, size_t size)
{
	cleanup_close int root = neg_errno(open(ctr->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC));

	if (root < 0)
		return root;
	cleanup_close int fd = path_open_in(root, ctr->termination_log, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	return neg_errno_sz(read(fd, buf, size));
}

/**
 * container_rpc_diagnostic_data() - GetDiagnosticData: a container's termination message
 * @ctx: agent
 * @call: request
 * @request: struct agent_get_diagnostic_data_request; log_type is "termination-log"
 * @response: struct agent_get_diagnostic_data_response; empty when there is no such file
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(container_rpc_diagnostic_data)
{
	const struct agent_get_diagnostic_data_request *req = request;
	struct agent_get_diagnostic_data_response *resp = response;
	cleanup_container struct agent_container *ctr = NULL;

	if (!str_eq(req->log_type, "termination-log"))
		return err_set(err, EINVAL, "unknown kind of diagnostic data: %.64s",
			       req->log_type);
	int r = agent_container_get(ctx, req->container_id, EINVAL, &ctr, err);
	if (r < 0)
		return r;
	resp->data = "";
	char *buf = arena_alloc(call->arena, TERMINATION_LOG_MAX + 1);
	if (!buf)
		return err_set(err, ENOMEM, "out of memory");
	ssize_t n = ctr->termination_log ? read_last_words(ctr, buf, TERMINATION_LOG_MAX) : -ENOENT;
	if (n > 0 && !memchr(buf, '\0', (size_t)n))
		resp->data = buf;
	else if (n < 0 && n != -ENOENT)
		return err_set_errno(err, (int)n, "termination message of %s", ctr->id);
	return 0;
}
