/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of a sandbox, top to bottom: helpers, network, VM, agent. Everything is connected
 * through inherited descriptors; no step polls for a path to appear.
 */
#include "sandbox/lifecycle/sandbox_boot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "config/config.h"
#include "host/hooks.h"
#include "host/kvm_verdict.h"
#include "host/program.h"
#include "jail/user.h"
#include "kata/guest.h"
#include "kata/state.h"
#include "sandbox/core/pid_thread.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/hypervisor/vm_config.h"
#include "sandbox/lifecycle/agent_client.h"
#include "sandbox/lifecycle/clock_sync.h"
#include "sandbox/lifecycle/sandbox_cgroup.h"
#include "sandbox/lifecycle/sandbox_exit.h"
#include "sandbox/lifecycle/sandbox_record.h"
#include "sandbox/network/loopback.h"
#include "sandbox/network/network.h"
#include "sandbox/size/sandbox_size.h"

#define SANDBOX_VSOCK_NAME "vsock.sock"
#define SANDBOX_DEVICES_MAX 16

/* Descriptors that live only while the VM is being made. */
struct boot {
	struct sandbox *sb;
	uint64_t deadline_ns;
	int fs_fds[SANDBOX_EXPORTS], vsock_fd;
	struct vm_config vm;
	struct vm_jail jail;
	struct vm_device devices[SANDBOX_DEVICES_MAX];
	size_t nr_devices;
};

static const char *const fs_cache_names[] = {
	[CONFIG_FS_CACHE_AUTO] = "auto",
	[CONFIG_FS_CACHE_NEVER] = "never",
	[CONFIG_FS_CACHE_METADATA] = "metadata",
	[CONFIG_FS_CACHE_ALWAYS] = "always",
};

static const struct {
	const char *id, *tag;
} exports[] = {
	[SANDBOX_EXPORT_ROOTS] = { "fs-shared", KATA_SHARED_TAG },
	[SANDBOX_EXPORT_VOLUMES] = { "fs-volumes", KATA_VOLUMES_TAG },
};

static int start_virtiofsd(struct boot *boot, const struct virtiofsd_program *program,
			   enum sandbox_export_use use, struct err *err)
{
	struct sandbox *sb = boot->sb;
	struct sandbox_export *export = &sb->helpers.exports[use];
	const struct config_hypervisor *hc = &sb->config->hypervisor;
	struct virtiofsd_config config = {
		.path = hc->virtio_fs_daemon,
		.source = sb->storage.share.path,
		.dir = sb->dir.path,
		.cache = fs_cache_names[hc->virtio_fs_cache],
		.current = use == SANDBOX_EXPORT_VOLUMES,
		.extra_args = (const char *const *)hc->virtio_fs_extra_args.v,
		.nr_extra_args = hc->virtio_fs_extra_args.nr,
		.cgroup_fds = sb->cgroup.now.procs_fds,
		.nr_cgroup_fds = sb->cgroup.now.nr,
	};
	int r = virtiofsd_start(sb->loop, &config, program, &export->virtiofsd, &boot->fs_fds[use],
				err);

	if (r < 0)
		return r;
	r = sandbox_watch_virtiofsd(export);
	if (r < 0)
		return err_set_errno(err, r, "watch virtiofsd");
	struct vm_device *dev = &boot->devices[boot->nr_devices++];
	*dev = (struct vm_device){
		.type = VM_DEVICE_FS,
		.fs = { .fd = boot->fs_fds[use],
			.tag = exports[use].tag,
			.queue_size = hc->virtio_fs_queue_size },
	};
	(void)snprintf(dev->id, sizeof(dev->id), "%s", exports[use].id);
	return 0;
}

static int share_by_virtiofs(struct boot *boot, struct err *err)
{
	const char *path = boot->sb->config->hypervisor.virtio_fs_daemon;
	struct virtiofsd_program program;
	int r = virtiofsd_probe(path, &program, err);

	if (r >= 0 && !virtiofsd_can_be_current(&program))
		log_warn("%s %u.%u: names in volumes lead for up to a second to what was there "
			 "before; 1.11 and later do without",
			 path, program.major, program.minor);
	for (size_t i = 0; i < SANDBOX_EXPORTS && r >= 0; i++)
		r = start_virtiofsd(boot, &program, i, err);
	return r;
}

/* Where no virtiofsd exists: slower, but QEMU serves it by itself. */
static void share_by_9p(struct boot *boot)
{
	struct vm_device *dev = &boot->devices[boot->nr_devices++];

	*dev = (struct vm_device){
		.type = VM_DEVICE_9P,
		.id = "fs-shared",
		.p9 = { .tag = KATA_SHARED_TAG, .path = boot->sb->storage.share.path },
	};
}

/*
 * The virtiofsd in C can ask the host for locks that fail rather than wait, and answers that waiting
 * is not supported; the one in Rust has none of the host's, and QEMU's 9p grants all. Where a server
 * has none, the guest's kernel grants them; no mount option makes it refuse.
 */
static int check_locks(const struct config_runtime *rc, struct err *err)
{
	if (rc->volume_locks == CONFIG_VOLUME_LOCKS_HOST)
		return err_set(err, ENOTSUP,
			       "volume_locks = \"host\": not supported: nothing that shares files "
			       "waits for a lock of the host's");
	if (rc->volume_locks == CONFIG_VOLUME_LOCKS_REFUSE)
		return err_set(err, ENOTSUP,
			       "volume_locks = \"refuse\": not supported: the guest's kernel "
			       "grants locks that it is not given");
	return 0;
}

static int share_files(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	const struct config_hypervisor *hc = &sb->config->hypervisor;
	int r = check_locks(&sb->config->runtime, err);

	if (r >= 0)
		r = share_init(&sb->storage.share, sb->dir.path, err);
	if (r < 0)
		return r;
	if (hc->shared_fs == CONFIG_SHARED_FS_NONE)
		return err_set(err, ENOTSUP,
			       "shared_fs = \"none\": not supported: root file systems are shared");
	sb->storage.shared_by_9p = hc->shared_fs == CONFIG_SHARED_FS_VIRTIO_9P ||
				   !*hc->virtio_fs_daemon;
	if (!sb->storage.shared_by_9p)
		return share_by_virtiofs(boot, err);
	if (hc->shared_fs == CONFIG_SHARED_FS_VIRTIO_FS)
		log_warn("no virtiofsd was found: sharing files by 9p, which is slow");
	share_by_9p(boot);
	return 0;
}

static int listen_in_state_dir(struct sandbox *sb, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char *path = arena_printf(sb->arena, "%s/" SANDBOX_VSOCK_NAME, sb->dir.path);
	cleanup_close int dir = neg_errno(open(sb->dir.path, O_PATH | O_DIRECTORY | O_CLOEXEC));

	if (dir < 0 || !path)
		return err_set_errno(err, dir < 0 ? dir : -ENOMEM, "open %s", sb->dir.path);
	cleanup_close int fd =
		neg_errno(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (fd < 0)
		return err_set_errno(err, fd, "socket");
	/* State directories may be deeper than a socket address is long. */
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" SANDBOX_VSOCK_NAME,
		       dir);
	(void)unlink(path); /* a socket of a shim that was killed */
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 128) < 0)
		return err_set_errno(err, -errno, "listen on %s", path);
	sb->vsock.dir_fd = TAKE_FD(dir);
	sb->vsock.addr.kind = VSOCK_HYBRID;
	sb->vsock.addr.path =
		arena_printf(sb->arena, "/proc/self/fd/%d/" SANDBOX_VSOCK_NAME, sb->vsock.dir_fd);
	return sb->vsock.addr.path ? TAKE_FD(fd) : err_set(err, ENOMEM, "out of memory");
}

static int start_proxy(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	int pair[2];

	cleanup_close int listen_fd = listen_in_state_dir(sb, err);
	if (listen_fd < 0)
		return listen_fd;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	cleanup_close int proxy_end = pair[1];
	boot->vsock_fd = pair[0];
	char *argv[] = { (char *)"kata-proxy", (char *)"--vhost-fd",
			 (char *)"3",	       (char *)"--listen-fd",
			 (char *)"4",	       (char *)"--cid",
			 (char *)"3",	       NULL };
	struct proc_fd fds[] = { { proxy_end, 3 }, { listen_fd, 4 }, { STDERR_FILENO, 2 } };
	char path[PATH_MAX];
	int r = program_find_proxy(NULL, path, sizeof(path), err);
	if (r < 0)
		return r;
	struct proc_spec spec = {
		.path = path,
		.argv = argv,
		.fds = fds,
		.nr_fds = ARRAY_SIZE(fds),
		.netns_fd = -1,
		.die_with_parent = true,
		.cwd = "/",
		.cgroup_fds = sb->cgroup.now.procs_fds,
		.nr_cgroup_fds = sb->cgroup.now.nr,
	};
	r = proc_spawn(&spec, &sb->helpers.proxy, err);
	if (r < 0)
		return r;
	r = sandbox_watch_proxy(sb);
	return r < 0 ? err_set_errno(err, r, "watch kata-proxy") : 0;
}

/* Any program of the host can dial a guest by kernel vsock. */
static int add_secret(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	int r = vsock_secret_new(&sb->vsock.secret);

	if (r < 0)
		return err_set_errno(err, r, "a secret for the guest's agent");
	boot->vm.kernel_params =
		arena_printf(sb->arena, "%s agent.secret=console", boot->vm.kernel_params);
	boot->vm.secret = sb->vsock.addr.secret = &sb->vsock.secret;
	return boot->vm.kernel_params ? 0 : err_set_errno(err, -ENOMEM, "kernel parameters");
}

static int add_vsock(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	struct vm_device *dev = &boot->devices[boot->nr_devices++];
	struct err ignored = ERR_NULL;
	uint32_t cid = 0;

	*dev = (struct vm_device){ .type = VM_DEVICE_VSOCK, .id = "vsock" };
	boot->vsock_fd = vsock_claim_cid(&cid, &ignored);
	if (boot->vsock_fd >= 0) {
		sb->vsock.addr = (struct vsock_addr){ .kind = VSOCK_KERNEL, .cid = cid };
		dev->vsock = (struct vm_vsock){ .fd = boot->vsock_fd, .cid = cid };
		return sb->config->agent.require_secret ? add_secret(boot, err) : 0;
	}
	log_debug("no kernel vsock (%s): using kata-proxy", ignored.text);
	int r = start_proxy(boot, err);
	dev->vsock =
		(struct vm_vsock){ .vhost_user = true, .fd = boot->vsock_fd, .cid = VM_GUEST_CID };
	return r;
}

static int choose_accel(struct sandbox *sb, enum vm_accel *ret, struct err *err)
{
	struct kvm_probe probe = { 0 };
	const struct config_hypervisor *hypervisor = &sb->config->hypervisor;
	const char *setting = config_accel_name(hypervisor->accel);

	if (!str_eq(setting, "tcg"))
		kvm_verdict_get(KATA_DEFAULT_ROOT, &probe);
	int r = kvm_probe_choose(setting, hypervisor->allow_tcg, &probe, err);
	if (r < 0)
		return r;
	if (r == 0 && !str_eq(setting, "tcg"))
		log_warn("KVM is not usable here (%s): the VM is emulated by TCG, which is slow",
			 probe.detail);
	if (r == 1 && probe.result == KVM_PROBE_SLOW)
		log_info("KVM is used without a test: %s", probe.detail);
	*ret = r ? VM_ACCEL_KVM : VM_ACCEL_TCG;
	return 0;
}

static int prepare_network(struct boot *boot, unsigned vcpus, struct err *err)
{
	struct sandbox *sb = boot->sb;
	const struct config *config = sb->config;
	struct network_params params = {
		.netns_fd = sb->net.netns_fd,
		.joined = sb->net.netns_joined,
		.model = config->runtime.internetworking_model,
		.nr_queues = config->hypervisor.network_queues ? config->hypervisor.network_queues
							       : vcpus,
		.rx_rate = config->hypervisor.rx_rate_limiter_max_rate,
		.tx_rate = config->hypervisor.tx_rate_limiter_max_rate,
		.vhost = !config->hypervisor.disable_vhost_net,
	};

	if (sb->net.netns_fd < 0)
		return 0;
	int r = network_new(sb->loop, &params, &sb->net.network, err);
	if (r < 0)
		return r;
	boot->nr_devices += network_devices(sb->net.network, boot->devices + boot->nr_devices,
					    SANDBOX_DEVICES_MAX - boot->nr_devices);
	return 0;
}

static int size_vm(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	int r = choose_accel(sb, &boot->vm.accel, err);

	if (r < 0)
		return r;
	sb->size.accel = boot->vm.accel;
	sandbox_vm_config(sb, &boot->vm);
	return sandbox_size_vm(sb, &boot->vm, err);
}

/* A user for QEMU, and what it may see. */
static int prepare_jail(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	const struct config_hypervisor *hc = &sb->config->hypervisor;
	const struct user_range range = { .first = hc->jail_uid_base, .nr = hc->jail_uid_count };

	if (hc->rootless && !hc->jail)
		return err_set(err, EINVAL,
			       "rootless = true: QEMU gets a user of its own with its jail, but "
			       "jail = false");
	if (!hc->jail) {
		log_warn("QEMU runs as root of the host: \"jail = false\" in the configuration");
		return 0;
	}
	boot->jail = (struct vm_jail){
		.paths = (const char *const *)hc->jail_paths.v,
		.nr_paths = hc->jail_paths.nr,
		.cache_dir = KATA_DEFAULT_ROOT,
	};
	sb->helpers.user_fd = user_claim(KATA_DEFAULT_ROOT, &range, &boot->jail.uid, err);
	if (sb->helpers.user_fd < 0)
		return sb->helpers.user_fd;
	boot->vm.jail = &boot->jail;
	return 0;
}

static int start_vm(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	struct vm_config *vm = &boot->vm;
	int r;

	sandbox_step(sb, "preparing the network");
	r = prepare_network(boot, vm->vcpus, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "starting the VM");
	r = prepare_jail(boot, err);
	if (r < 0)
		return r;
	vm->netns_fd = sb->net.netns_fd;
	vm->cgroup_fds = sb->cgroup.now.procs_fds;
	vm->nr_cgroup_fds = sb->cgroup.now.nr;
	vm->devices = boot->devices;
	vm->nr_devices = boot->nr_devices;
	r = hypervisor_create(sb->driver, sb->loop, vm, sandbox_on_vm_event, sb, &sb->hv, err);
	if (r >= 0)
		r = hypervisor_start(sb->hv, boot->deadline_ns, err);
	if (r < 0)
		return r;
	network_find_devices(sb->net.network, boot->devices, boot->nr_devices);
	struct vm_info *info = arena_alloc(sb->arena, sizeof(*info));
	if (!info)
		return err_set(err, ENOMEM, "out of memory");
	r = hypervisor_info(sb->hv, info, boot->deadline_ns, err);
	sb->vmm_pid = info->pid;
	return r;
}

static int run_hooks(struct sandbox *sb, struct err *err)
{
	struct hook_owner owner = sandbox_hook_owner(sb);
	struct pid_thread *thread = NULL;
	int r = 0;

	/* Hooks that make the network find it by the number of a process, and there is none yet. */
	if (!owner.pid && sb->net.netns_fd >= 0 && sb->spec->hooks)
		r = pid_thread_new(sb->net.netns_fd, &thread);
	if (r < 0)
		return err_set_errno(err, r, "enter the network namespace");
	if (thread)
		owner.pid = (uint32_t)pid_thread_pid(thread);
	sb->first.hooks_begun = true;
	r = hooks_run_early(&owner, err);
	(void)pid_thread_free(thread);
	return r;
}

static int prepare_cgroup(struct sandbox *sb, struct err *err)
{
	const struct oci_linux *linux_ = sb->spec->linux_;
	struct sandbox_host_limits storage;
	int r = sandbox_cgroup_plan(sb, sb->id, sb->spec, &sb->cgroup.now, err);

	if (r >= 0)
		r = sandbox_record_write(sb, err);
	if (r >= 0)
		r = host_cgroup_create(&sb->cgroup.now,
				       sandbox_host_limits(sb, linux_ ? linux_->resources : NULL,
							   sb->size.now.memory_mib, &storage),
				       err);
	if (r >= 0)
		sandbox_cgroup_restrict(sb);
	if (r >= 0 && sb->first.host_pid) {
		r = host_cgroup_add(&sb->cgroup.now, (pid_t)sb->first.host_pid);
		if (r < 0)
			return err_set_errno(err, r, "move process %u into its cgroup",
					     sb->first.host_pid);
	}
	return r;
}

/*
 * A sandbox that lacks it works; only PortForward fails, and says so. Single containers are left
 * alone: their managers have no port-forward, and docker has listeners of its own in their
 * namespaces.
 */
static void serve_loopback(struct sandbox *sb)
{
	struct err err = ERR_NULL;

	if (sb->net.netns_fd < 0 || sb->kind != SANDBOX_KIND_POD)
		return;
	if (loopback_new(sb->loop, &sb->vsock.addr, sb->net.netns_fd, &sb->net.loopback, &err) < 0)
		log_info("ports of the guest's loopback cannot be forwarded: %s", err.text);
}

static int boot_steps(struct boot *boot, struct err *err)
{
	struct sandbox *sb = boot->sb;
	int r;

	sandbox_step(sb, "sizing the VM");
	r = size_vm(boot, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "preparing the host's cgroup");
	r = prepare_cgroup(sb, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "sharing the file system");
	r = share_files(boot, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "preparing vsock");
	r = add_vsock(boot, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "running hooks");
	r = run_hooks(sb, err);
	if (r < 0)
		return r;
	r = start_vm(boot, err);
	if (r < 0)
		return r;
	host_cgroup_settle(&sb->cgroup.now);
	sandbox_step(sb, "waiting for the guest's agent");
	r = agent_client_connect(sb, boot->deadline_ns, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "setting the guest's clock");
	r = clock_sync_new(sb->loop, sb->agent, sb->vmm_pid, boot->deadline_ns, &sb->clock, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "creating the sandbox in the guest");
	r = agent_client_create_sandbox(sb, boot->deadline_ns, err);
	if (r < 0)
		return r;
	sandbox_step(sb, "configuring the guest's network");
	r = network_configure_guest(sb->net.network, sb->agent, boot->deadline_ns, err);
	if (r >= 0)
		r = network_watch(sb->net.network, sb->hv, sb->agent, err);
	if (r < 0)
		return r;
	serve_loopback(sb);
	r = agent_client_watch_oom(sb);
	return r < 0 ? err_set_errno(err, r, "watch memory of the guest") : 0;
}

/**
 * sandbox_boot() - start everything a sandbox needs
 * @sb: sandbox with its parameters and configuration
 * @deadline_ns: absolute time for the whole start
 * @err: filled on failure; sb->start.step says during what
 *
 * What was started before a failure is left to sandbox_shut_down().
 *
 * Return: 0 or -errno.
 */
int sandbox_boot(struct sandbox *sb, uint64_t deadline_ns, struct err *err)
{
	struct boot boot = {
		.sb = sb,
		.deadline_ns = deadline_ns,
		.fs_fds = { -1, -1 },
		.vsock_fd = -1,
		.vm = VM_CONFIG_NULL,
	};
	int r = boot_steps(&boot, err);

	/* QEMU has its duplicates by now. */
	for (size_t i = 0; i < SANDBOX_EXPORTS; i++)
		(void)fd_close(boot.fs_fds[i]);
	(void)fd_close(boot.vsock_fd);
	return r;
}
