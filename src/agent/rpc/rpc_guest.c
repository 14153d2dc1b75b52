/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls about the guest itself: what it is, its clock and random numbers, processors and memory
 * that were plugged, swap.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/random.h>

#include "agent/core/agent.h"
#include "agent/device/hotplug.h"
#include "agent/rpc/service.h"
#include "agent/storage/storage.h"
#include "agent/util/child.h"
#include "agent/util/mounts.h"
#include "agent/util/version.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/str.h"
#include "rpc/pb/admin_msg.h"

#define CPU_DIR "/sys/devices/system/cpu"
#define MEMORY_DIR "/sys/devices/system/memory"
#define CPUS_MAX 1024
#define RESEED_MAX 4096
#define PROBE_MAX 4096
#define SWAP_PCI_DEPTH_MAX 8
/* Plugged processors show up one by one; their driver takes its time under emulation. */
#define ONLINE_TIMEOUT_MS 10000
/* The kernel waits for all others to leave what they are at, without a bound of its own. */
#define OFFLINE_TIMEOUT_MS 10000

static int add_strings(struct arena *arena, struct strv *list, const char *const *strings)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && strings[i]; i++)
		r = arena_strv_add(arena, list, strings[i]);
	return r;
}

static int describe_agent(struct agent *agent, struct arena *arena, struct agent_details **ret)
{
	static const char *const features[] = { "kata-c", "direct-streams", NULL };
	struct agent_details *details = arena_alloc(arena, sizeof(*details));

	if (!details)
		return -ENOMEM;
	details->version = AGENT_VERSION;
	details->init_daemon = agent->is_init;
	details->supports_seccomp = true;
	int r = add_strings(arena, &details->device_handlers, hotplug_device_types);
	if (r >= 0)
		r = add_strings(arena, &details->storage_handlers, storage_drivers);
	if (r >= 0)
		r = add_strings(arena, &details->extra_features, features);
	*ret = details;
	return r;
}

/* Hexadecimal without 0x. A kernel without memory hot-plug has no such file. */
static int read_block_size(uint64_t *ret)
{
	cleanup_free char *text = NULL;
	ssize_t n = io_read_file_at(AT_FDCWD, MEMORY_DIR "/block_size_bytes", 64, &text);

	if (n == -ENOENT)
		return 0;
	if (n < 0)
		return (int)n;
	*ret = strtoull(text, NULL, 16);
	return 0;
}

/**
 * guest_rpc_details() - GetGuestDetails
 * @ctx: agent
 * @call: request
 * @request: struct agent_guest_details_request
 * @response: struct agent_guest_details_response
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(guest_rpc_details)
{
	const struct agent_guest_details_request *req = request;
	struct agent_guest_details_response *resp = response;
	int r = describe_agent(ctx, call->arena, &resp->agent_details);

	if (r >= 0 && req->mem_block_size)
		r = read_block_size(&resp->mem_block_size_bytes);
	if (r < 0)
		return err_set_errno(err, r, "guest details");
	resp->support_mem_hotplug_probe = req->mem_hotplug_probe &&
					  access(MEMORY_DIR "/probe", W_OK) == 0;
	return 0;
}

/**
 * guest_rpc_set_time() - SetGuestDateTime
 * @ctx: agent
 * @call: request
 * @request: struct agent_set_guest_date_time_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(guest_rpc_set_time)
{
	const struct agent_set_guest_date_time_request *req = request;
	struct timeval tv = { .tv_sec = req->sec, .tv_usec = req->usec };

	(void)ctx;
	(void)call;
	(void)response;
	if (settimeofday(&tv, NULL) < 0)
		return err_set_errno(err, -errno, "set the clock");
	return 0;
}

/**
 * guest_rpc_reseed() - ReseedRandomDev: mix in the host's randomness, and use it at once
 * @ctx: agent
 * @call: request
 * @request: struct agent_reseed_random_dev_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(guest_rpc_reseed)
{
	const struct agent_reseed_random_dev_request *req = request;
	cleanup_close int fd = neg_errno(open("/dev/random", O_RDWR | O_CLOEXEC | O_NONBLOCK));
	int bits = (int)req->data_len * 8;

	(void)ctx;
	(void)call;
	(void)response;
	if (!req->data_len || req->data_len > RESEED_MAX)
		return err_set(err, EINVAL, "reseed takes 1 to %d bytes", RESEED_MAX);
	int r = fd < 0 ? fd : io_write_full(fd, req->data, req->data_len);
	if (r >= 0)
		r = neg_errno(ioctl(fd, RNDADDTOENTCNT, &bits));
	if (r >= 0)
		r = neg_errno(ioctl(fd, RNDRESEEDCRNG));
	return r < 0 ? err_set_errno(err, r, "reseed /dev/random") : 0;
}

struct online {
	const char *dir, *prefix;
	uint32_t wanted; /* 0: all */
	uint32_t done;
};

/* Sets <dir>/<prefix><N>/online to 1 where it is 0. */
static int online_some(struct online *o)
{
	DIR *dir = opendir(o->dir);

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	for (struct dirent *e = readdir(dir); e && (!o->wanted || o->done < o->wanted);
	     e = readdir(dir)) {
		const char *number = str_skip_prefix(e->d_name, o->prefix);
		cleanup_free char *text = NULL;
		char path[64];
		uint64_t n;

		if (!number || str_to_u64(number, &n) < 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s%" PRIu64 "/online", o->prefix, n);
		/* The first processor has no such file. */
		if (io_read_file_at(dirfd(dir), path, 16, &text) < 0 || *text != '0')
			continue;
		int r = io_write_str_at(dirfd(dir), path, "1");
		if (r < 0)
			log_warn_errno(r, "%s/%s", o->dir, path);
		else
			o->done++;
	}
	(void)closedir(dir);
	return 0;
}

static int online_ready(void *arg)
{
	struct online *o = arg;
	int r = online_some(o);

	return r < 0 ? r : o->done >= o->wanted;
}

/**
 * guest_rpc_online() - OnlineCPUMem: use processors and memory that were plugged
 * @ctx: agent
 * @call: request
 * @request: struct agent_online_cpu_mem_request
 * @response: NULL
 * @err: filled on failure
 *
 * With wait set it waits until that many processors have appeared; a kernel that brings them up by
 * itself leaves none to be done, and then the time passes. An empty cpuset follows by itself in
 * cgroup v2.
 *
 * Return: 0 or -errno.
 */
RPC_FN(guest_rpc_online)
{
	const struct agent_online_cpu_mem_request *req = request;
	struct agent *agent = ctx;
	struct online cpus = { .dir = CPU_DIR, .prefix = "cpu", .wanted = req->nb_cpus };
	struct online memory = { .dir = MEMORY_DIR, .prefix = "memory" };
	int r = 0;

	(void)response;
	if (req->nb_cpus && req->wait)
		r = uevents_wait(&agent->uevents, online_ready, &cpus,
				 MIN(call->deadline_ns, loop_deadline_ms(ONLINE_TIMEOUT_MS)));
	else if (req->nb_cpus)
		r = online_some(&cpus);
	if (r == -ETIMEDOUT)
		return err_set(err, ETIMEDOUT, "only %u of %u processors could be brought up",
			       cpus.done, req->nb_cpus);
	if (r >= 0 && !req->cpu_only)
		r = online_some(&memory);
	return r < 0 ? err_set_errno(err, r, "bring up processors and memory") : 0;
}

/* Return: the highest processor that is in use and can be taken out of it, or -ENOENT. */
static int last_online_cpu(void)
{
	for (int n = CPUS_MAX - 1; n > 0; n--) {
		cleanup_free char *text = NULL;
		char path[64];

		(void)snprintf(path, sizeof(path), CPU_DIR "/cpu%d/online", n);
		if (io_read_file_at(AT_FDCWD, path, 16, &text) > 0 && *text == '1')
			return n;
	}
	return -ENOENT;
}

/* In the child. Return: 0 or an errno, which is its exit status. */
static int write_offline(void *arg)
{
	return -io_write_str_at(AT_FDCWD, arg, "0");
}

/*
 * A child of the agent waits in the kernel, so that the agent answers whatever the kernel does. One
 * that is not done in time is left to the reaper.
 */
static int take_offline(struct agent *agent, char *path, uint64_t deadline_ns, struct err *err)
{
	struct child child;
	const struct proc_watch watch = child_watch(&agent->children, &child);
	const struct proc_spec spec = {
		.path = path, .run = write_offline, .run_arg = path, .netns_fd = -1
	};
	struct proc proc = PROC_NULL;
	int wstatus = 0;
	int r = proc_spawn(&spec, &proc, err);

	if (r < 0)
		return r;
	proc_watch_spawned(&watch, &proc);
	r = proc_wait_fiber(&proc, deadline_ns, &wstatus);
	proc_deinit(&proc);
	proc_watch_reaped(&watch);
	if (r >= 0)
		r = -proc_exit_code(wstatus);
	return r < 0 ? err_set_errno(err, r, "%s", path) : 0;
}

/**
 * guest_rpc_offline_cpus() - OfflineCPUs: take processors out of use
 * @ctx: agent
 * @call: request
 * @request: struct extra_offline_cpus_request
 * @response: NULL
 * @err: names the processor that stays in use
 *
 * Return: 0, -ETIMEDOUT when the kernel is at it for ten seconds, or -errno.
 */
RPC_FN(guest_rpc_offline_cpus)
{
	const struct extra_offline_cpus_request *req = request;
	uint64_t deadline_ns = MIN(call->deadline_ns, loop_deadline_ms(OFFLINE_TIMEOUT_MS));

	(void)response;
	for (uint32_t i = 0; i < req->nb_cpus; i++) {
		char path[64];
		int n = last_online_cpu();

		if (n < 0)
			return err_set(err, EINVAL, "the first processor stays in use");
		(void)snprintf(path, sizeof(path), CPU_DIR "/cpu%d/online", n);
		int r = take_offline(ctx, path, deadline_ns, err);
		if (r < 0)
			return err_wrap(err, "processor %d stays in use", n);
	}
	return 0;
}

/**
 * guest_rpc_probe_memory() - MemHotplugByProbe: tell a kernel without ACPI about memory
 * @ctx: agent
 * @call: request
 * @request: struct agent_mem_hotplug_by_probe_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(guest_rpc_probe_memory)
{
	const struct agent_mem_hotplug_by_probe_request *req = request;
	char text[32];

	(void)ctx;
	(void)call;
	(void)response;
	if (req->nr_mem_hotplug_probe_addr > PROBE_MAX)
		return err_set(err, EINVAL, "more than %d addresses", PROBE_MAX);
	for (size_t i = 0; i < req->nr_mem_hotplug_probe_addr; i++) {
		(void)snprintf(text, sizeof(text), "0x%" PRIx64, req->mem_hotplug_probe_addr[i]);
		int r = io_write_str_at(AT_FDCWD, MEMORY_DIR "/probe", text);
		if (r < 0)
			return err_set_errno(err, r, "write %s to %s/probe", text, MEMORY_DIR);
	}
	return 0;
}

static int swap_on(const char *path, struct err *err)
{
	return swapon(path, 0) < 0 ? err_set_errno(err, -errno, "swap on %s", path) : 0;
}

/**
 * guest_rpc_add_swap() - AddSwap: a block device by its PCI path, one number per slot
 * @ctx: agent
 * @call: request
 * @request: struct agent_add_swap_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(guest_rpc_add_swap)
{
	const struct agent_add_swap_request *req = request;
	char path[SWAP_PCI_DEPTH_MAX * 3 + 1] = "", node[HOTPLUG_NODE_MAX];
	size_t len = 0;

	(void)call;
	(void)response;
	if (!req->nr_pci_path || req->nr_pci_path > SWAP_PCI_DEPTH_MAX)
		return err_set(err, EINVAL, "a PCI path has 1 to %d elements", SWAP_PCI_DEPTH_MAX);
	for (size_t i = 0; i < req->nr_pci_path; i++) {
		if (req->pci_path[i] > 0x1f)
			return err_set(err, EINVAL, "there is no PCI slot %u", req->pci_path[i]);
		len += (size_t)snprintf(path + len, sizeof(path) - len, "%s%02x", i ? "/" : "",
					req->pci_path[i]);
	}
	struct agent *agent = ctx;
	int r = hotplug_wait_block(&agent->hotplug, HOTPLUG_BLK, path, node, sizeof(node), err);
	return r < 0 ? r : swap_on(node, err);
}

/**
 * guest_rpc_add_swap_path() - AddSwapPath: a device or file by its path
 * @ctx: agent
 * @call: request
 * @request: struct agent_add_swap_path_request
 * @response: NULL
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
RPC_FN(guest_rpc_add_swap_path)
{
	const struct agent_add_swap_path_request *req = request;
	int r = mounts_check_path(req->path, err);

	(void)ctx;
	(void)call;
	(void)response;
	return r < 0 ? r : swap_on(req->path, err);
}
