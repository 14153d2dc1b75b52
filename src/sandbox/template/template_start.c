/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RAM is copied by a child in the pod's cgroup, so that the pod pays for it as for all of its
 * VM's memory, beside everything else that a start does. A mapping of the template that is copied
 * page by page when the guest writes would do less, but vhost-user's back ends could not share it.
 */
#include "sandbox/template/template_start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/guest_wake.h"
#include "common/log.h"
#include "common/loop.h"
#include "sandbox/template/template_key.h"
#include "sandbox/template/template_store.h"

#define STOP_MS 5000
#define DAMAGED_STATUS 2

/* Places of the child's descriptors. */
enum { COPY_FROM_FD = 3, COPY_TO_FD };

/**
 * template_start_find() - is there a template for a VM
 * @store: directory of templates
 * @vm: VM, without what is the sandbox's own
 * @ret: TEMPLATE_START_NULL; template_start_deinit() is due in any case. Holds the key if it is known
 *
 * Return: 0, -ENOENT when there is none, -EAGAIN when that cannot be told, or -errno when there can
 * be none.
 */
int template_start_find(const char *store, const struct vm_config *vm, struct template_start *ret)
{
	struct err err = ERR_NULL;

	ret->store_fd = template_store_open(store, true, &err);
	if (ret->store_fd < 0) {
		log_debug("no templates: %s", err.text);
		return ret->store_fd;
	}
	template_store_clean(ret->store_fd);
	int r = template_key_find(ret->store_fd, vm, false, ret->key, &err);
	if (r < 0) {
		log_debug("no template: %s", err.text);
		*ret->key = '\0';
		return r;
	}
	r = template_store_find(ret->store_fd, ret->key, &ret->snapshot);
	if (r >= 0 && ret->snapshot.manifest.memory.size != vm->memory.mib << 20) {
		template_store_discard(ret->store_fd, ret->key, "its RAM has another size");
		r = -ENOENT;
	}
	return r;
}

static int copy_main(void *arg)
{
	struct snapshot snapshot = { .memory_fd = COPY_FROM_FD,
				     .state_fd = -1,
				     .manifest = *(const struct snapshot_manifest *)arg };
	int r = snapshot_copy_memory(&snapshot, COPY_TO_FD);

	return r == -EBADMSG ? DAMAGED_STATUS : r < 0;
}

static int await_memory(void *arg, uint64_t deadline_ns, struct err *err)
{
	struct template_start *start = arg;
	int wstatus = 0;

	if (start->copied)
		return 0;
	int r = proc_wait_fiber(&start->copier, deadline_ns, &wstatus);
	if (r < 0)
		return err_set_errno(err, r, "copy the template's memory");
	start->copied = WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0;
	if (WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == DAMAGED_STATUS)
		return err_set(err, EBADMSG, "its memory is damaged");
	return start->copied ? 0 : err_set(err, EIO, "its memory could not be copied");
}

static size_t greet(void *arg, char *buf, size_t size)
{
	const struct template_start *start = arg;
	struct guest_wake wake = { .has_secret = start->secret };

	if (size <= GUEST_WAKE_LINE_MAX)
		return 0;
	if (getrandom(wake.entropy, sizeof(wake.entropy), 0) != (ssize_t)sizeof(wake.entropy))
		return 0; /* then it does not wake */
	if (start->secret)
		wake.secret = *start->secret;
	wake.realtime_ns = (uint64_t)loop_clock_ns(CLOCK_REALTIME);
	size_t len = guest_wake_format(&wake, buf);
	explicit_bzero(&wake, sizeof(wake));
	return len;
}

/**
 * template_start_copy() - begin to make the new VM's RAM
 * @start: with a template; @restore is what the VM needs, with @memory_fd as its RAM
 * @payer: whose memory it is
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int template_start_copy(struct template_start *start, const struct template_payer *payer,
			struct err *err)
{
	start->memory_fd = neg_errno(memfd_create("kata-ram", MFD_CLOEXEC));
	if (start->memory_fd < 0)
		return err_set_errno(err, start->memory_fd, "memfd");
	if (ftruncate(start->memory_fd, (off_t)start->snapshot.manifest.memory.size) < 0)
		return err_set_errno(err, -errno, "RAM of the VM");
	const struct proc_fd fds[] = { { start->snapshot.memory_fd, COPY_FROM_FD },
				       { start->memory_fd, COPY_TO_FD } };
	const struct proc_spec spec = {
		.path = "the copy of a template",
		.run = copy_main,
		.run_arg = &start->snapshot.manifest,
		.fds = fds,
		.nr_fds = ARRAY_SIZE(fds),
		.netns_fd = -1,
		.cwd = "/",
		.cgroup_fds = payer->cgroup_fds,
		.nr_cgroup_fds = payer->nr_cgroup_fds,
		.die_with_parent = true,
	};
	start->restore = (struct vm_restore){ .state_fd = start->snapshot.state_fd,
					      .await_memory = await_memory,
					      .greet = greet,
					      .arg = start };
	return proc_spawn(&spec, &start->copier, err);
}

/**
 * template_start_discard() - the template was of no use: nobody shall try it again
 * @start: start from it
 * @why: for the log
 */
void template_start_discard(struct template_start *start, const char *why)
{
	template_store_discard(start->store_fd, start->key, why);
}

/**
 * template_start_deinit() - release what a start needed
 * @start: or TEMPLATE_START_NULL, which it is afterwards
 *
 * In a fiber when a copy was begun.
 */
void template_start_deinit(struct template_start *start)
{
	if (start->copier.pidfd >= 0)
		proc_end_fiber(&start->copier);
	snapshot_close(&start->snapshot);
	(void)fd_close(start->memory_fd);
	(void)fd_close(start->store_fd);
	*start = TEMPLATE_START_NULL;
}
