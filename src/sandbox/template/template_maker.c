/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Who makes templates
 *
 * A start that finds no template forks the maker before it mounts anything, so that this holds
 * nothing of a container's, and lets it go once the sandbox runs. From then on the two know nothing
 * of each other: the maker outlives the shim, and may be killed at any time. Its QEMU dies with it,
 * and what it had begun is never seen under a template's name.
 *
 * It has the shim's code and nothing else: descriptors, cgroup and priority are its own, since what
 * a template takes is not the pod's to pay.
 */
#include "sandbox/template/template_maker.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/fiber.h"
#include "common/io.h"
#include "common/log.h"
#include "common/mountinfo.h"
#include "common/proc.h"
#include "common/proc_title.h"
#include "common/str.h"
#include "config/config.h"
#include "kata/guest.h"
#include "sandbox/core/vm_jail.h"
#include "sandbox/hypervisor/hypervisor.h"
#include "sandbox/template/template_key.h"
#include "sandbox/template/template_store.h"

/* On a host that has nothing to do it takes seconds; where it never gets to run, it gives up. */
#define MAKE_MS 180000
#define STOP_MS 5000
#define NICE 10
#define GO_FD 3
#define PARAMS_MAX 8192

struct making {
	const struct template_order *order;
	struct err *err;
	int store_fd;
	char key[SNAPSHOT_DIGEST_LEN + 1];
	char params[PARAMS_MAX];
	struct fiber_cond changed;
	bool asleep, ended;
	char reason[256];
};

static void on_event(void *arg, enum vm_event_type type, const char *reason)
{
	struct making *making = arg;

	making->asleep |= type == VM_EVENT_ASLEEP;
	if (type == VM_EVENT_EXITED || type == VM_EVENT_PANICKED) {
		making->ended = true;
		(void)snprintf(making->reason, sizeof(making->reason), "%s", reason);
	}
	fiber_cond_broadcast(&making->changed);
}

static int await_sleep(struct making *making, uint64_t deadline_ns, struct err *err)
{
	while (!making->asleep && !making->ended) {
		int r = fiber_cond_wait(&making->changed, deadline_ns);

		if (r < 0)
			return err_set_errno(err, r, "wait for the guest's agent");
	}
	return making->ended ? err_set(err, EIO, "%s", making->reason) : 0;
}

/* The VM as it is before it has a sandbox. */
static int describe_vm(struct making *making, struct vm_config *ret, struct err *err)
{
	int n = snprintf(making->params, sizeof(making->params), "%s%s" KATA_TEMPLATE_PARAM,
			 str_empty(ret->kernel_params) ? "" : ret->kernel_params,
			 str_empty(ret->kernel_params) ? "" : " ");

	if (n < 0 || (size_t)n >= sizeof(making->params))
		return err_set(err, E2BIG, "the kernel's parameters are too long");
	ret->name = "template";
	ret->to_save = true;
	ret->kernel_params = making->params;
	return 0;
}

static int run_and_save(struct making *making, const struct snapshot *snapshot, struct err *err)
{
	struct vm_config vm = making->order->vm;
	struct hypervisor *hv = NULL;
	struct err ignored = ERR_NULL;
	struct vm_jail jail;
	uint64_t deadline_ns = loop_deadline_ms(MAKE_MS);

	cleanup_close int user_fd = vm_jail_claim(making->order->config, &jail, err);
	if (user_fd < 0 && making->order->config->jail)
		return user_fd;
	vm.jail = making->order->config->jail ? &jail : NULL;
	vm.memory.fd = snapshot->memory_fd;
	int r = describe_vm(making, &vm, err);
	if (r >= 0)
		r = hypervisor_create("qemu", fiber_loop(), &vm, on_event, making, &hv, err);
	if (r < 0)
		return r;
	r = hypervisor_start(hv, deadline_ns, err);
	if (r >= 0)
		r = await_sleep(making, deadline_ns, err);
	if (r >= 0)
		r = hypervisor_save(hv, snapshot->state_fd, deadline_ns, err);
	if (hypervisor_stop(hv, loop_deadline_ms(STOP_MS), &ignored) < 0)
		log_debug("stop the template's VM: %s", ignored.text);
	(void)hypervisor_destroy(hv);
	return r;
}

static int make_one(struct making *making, struct err *err)
{
	const struct vm_memory *memory = &making->order->vm.memory;
	struct snapshot snapshot = SNAPSHOT_NULL;

	cleanup_close int dir = template_store_begin(making->store_fd, err);
	if (dir < 0)
		return dir;
	int r = snapshot_begin(dir, memory->mib << 20, &snapshot, err);
	if (r >= 0)
		r = run_and_save(making, &snapshot, err);
	if (r >= 0)
		r = snapshot_seal(dir, &snapshot, making->key, err);
	snapshot_close(&snapshot);
	return r < 0 ? r : template_store_commit(making->store_fd, making->key, err);
}

static int make_main(void *arg)
{
	struct making *making = arg;
	struct err *err = making->err;
	struct snapshot there = SNAPSHOT_NULL;

	cleanup_close int store = template_store_open(making->order->store, true, err);
	if (store < 0)
		return store;
	making->store_fd = store;
	cleanup_close int lock = template_store_lock(store);
	if (lock < 0)
		return err_set_errno(err, lock, "another template is being made");
	int r = template_key_find(store, &making->order->vm, true, making->key, err);
	if (r >= 0 && template_store_find(store, making->key, &there) >= 0) {
		snapshot_close(&there);
		return 0;
	}
	if (r >= 0)
		r = make_one(making, err);
	if (r < 0)
		template_store_abandon(store, making->key, err->text);
	return r;
}

/**
 * template_make() - make a template, unless there is one
 * @order: of what
 * @err: filled on failure
 *
 * Outside of fibers and loops: it has its own.
 *
 * Return: 0, -EWOULDBLOCK when somebody else makes one, or -errno.
 */
int template_make(const struct template_order *order, struct err *err)
{
	struct making making = { .order = order, .err = err, .store_fd = -1 };

	fiber_cond_init(&making.changed);
	return fiber_run_main(make_main, &making);
}

/* Version 1 has a hierarchy for each controller. */
static void leave_cgroups(void)
{
	cleanup_mountinfo struct mountinfo mounts = MOUNTINFO_NULL;
	char path[4096];

	if (mountinfo_read(&mounts) < 0)
		return;
	for (size_t i = 0; i < mounts.nr; i++) {
		const struct mountinfo_entry *mount = &mounts.entries[i];

		if (!str_eq(mount->fstype, "cgroup") && !str_eq(mount->fstype, "cgroup2"))
			continue;
		(void)snprintf(path, sizeof(path), "%s/cgroup.procs", mount->mount_point);
		if (io_write_str_at(AT_FDCWD, path, "0") < 0)
			log_debug("the maker stays in a cgroup of %s", mount->mount_point);
	}
}

/* The end of the pipe without a word: there was no sandbox that ran. */
static bool await_go(void)
{
	char go;

	return io_read_full(GO_FD, &go, 1) >= 0;
}

static int maker_main(const struct template_order *order)
{
	struct err err = ERR_NULL;

	proc_take_name("kata-template");
	if (!await_go())
		return 0;
	(void)setpriority(PRIO_PROCESS, 0, NICE);
	(void)io_write_str_at(AT_FDCWD, "/proc/self/oom_score_adj", "500"); /* before a container */
	leave_cgroups();
	return template_make(order, &err) < 0;
}

/* The maker is nobody's child: who started it does not have to wait for it. */
static int fork_maker(void *arg)
{
	log_init("kata-template", STDERR_FILENO, LOG_FORMAT_PLAIN, LOG_LEVEL_ERROR);
	pid_t pid = fork();

	return pid == 0 ? maker_main(arg) : pid < 0;
}

/**
 * template_maker_new() - have a maker ready
 * @order: what it is to make
 * @ret_go_fd: receives what template_maker_go() wants; when it is closed instead, the maker ends
 * @err: filled on failure
 *
 * In a fiber.
 *
 * Return: 0 or -errno.
 */
int template_maker_new(const struct template_order *order, int *ret_go_fd, struct err *err)
{
	struct proc proc = PROC_NULL;
	int pair[2], wstatus = 0;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "pipe");
	cleanup_close int theirs = pair[0], ours = pair[1];
	const struct proc_fd fds[] = { { theirs, GO_FD } };
	const struct proc_spec spec = {
		.path = "the maker of a template",
		.run = fork_maker,
		.run_arg = (void *)(uintptr_t)order,
		.fds = fds,
		.nr_fds = ARRAY_SIZE(fds),
		.netns_fd = -1,
		.cwd = "/",
		.new_session = true,
		.namespaces = CLONE_NEWNS,
	};
	int r = proc_spawn(&spec, &proc, err);
	if (r >= 0)
		r = proc_wait_fiber(&proc, loop_deadline_ms(STOP_MS), &wstatus);
	proc_deinit(&proc);
	if (r < 0)
		return r;
	*ret_go_fd = TAKE_FD(ours);
	return 0;
}

/**
 * template_maker_go() - let a maker begin
 * @go_fd_consume: from template_maker_new(), or -1
 */
void template_maker_go(int go_fd_consume)
{
	cleanup_close int fd = go_fd_consume;

	if (fd >= 0 && io_write_full(fd, "g", 1) < 0)
		log_debug("the maker of a template has gone");
}
