/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to the guest's agent: the host's kernel, or kata-proxy.
 */
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
#include "config/config.h"
#include "host/program.h"
#include "sandbox/lifecycle/boot.h"
#include "sandbox/lifecycle/sandbox_exit.h"

#define SANDBOX_VSOCK_NAME "vsock.sock"

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
	boot->vm.secret = sb->vsock.addr.secret = &sb->vsock.secret;
	return 0;
}

/**
 * boot_add_vsock() - make the way to the agent, and add its device
 * @boot: start
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int boot_add_vsock(struct boot *boot, struct err *err)
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
