/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox lives in the host cgroup of the container it was made for. When that one leaves before
 * others that joined the VM, its cgroup is to go with it, as managers expect, and to be free for
 * the container's next life: the VM moves to the cgroup of one that stays. No limits are set there:
 * the guest's own cgroups hold what each container may use, in a VM that does not grow by the move.
 */
#include "sandbox/lifecycle/sandbox_cgroup.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/log.h"
#include "common/str.h"
#include "jail/device_program.h"
#include "sandbox/cgroup/host_cgroup.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/sandbox_record.h"

/**
 * sandbox_cgroup_plan() - decide where the cgroup of a sandbox is
 * @sb: sandbox; its arena holds the strings
 * @id: container whose cgroup it is to be
 * @spec: of that container
 * @ret: receives the plan
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int sandbox_cgroup_plan(struct sandbox *sb, const char *id, const struct oci_spec *spec,
			struct host_cgroup *ret, struct err *err)
{
	const char *path = spec->linux_ ? spec->linux_->cgroups_path : NULL;

	if (str_empty(path))
		path = arena_printf(
			sb->arena, sb->cgroup.by_systemd ? "system.slice:kata:%s" : "/kata/%s", id);
	int r = path ? host_cgroup_plan(path, sb->cgroup.by_systemd, sb->arena, ret, err)
		     : err_set(err, ENOMEM, "out of memory");
	if (r >= 0 && (r = host_cgroup_check_thawed(ret, err)) < 0)
		*ret = HOST_CGROUP_NULL; /* whoever froze it made it */
	if (r < 0)
		return r;
	sb->cgroup.owner = arena_strdup(sb->arena, id);
	return sb->cgroup.owner ? 0 : err_set(err, ENOMEM, "out of memory");
}

static bool device_rule_of(const char *path, struct device_rule *ret)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISCHR(st.st_mode))
		return false;
	*ret = (struct device_rule){ true, BPF_DEVCG_DEV_CHAR, DEVICE_ACCESS_ALL, major(st.st_rdev),
				     minor(st.st_rdev) };
	return true;
}

/**
 * sandbox_cgroup_restrict() - let QEMU and its helpers open the devices that they need, only
 * @sb: sandbox whose cgroup was created, and whose accelerator was chosen
 *
 * Part of QEMU's jail, without which nothing is restricted. A host that cannot do it costs a
 * warning: the nodes of other devices are not in the jail.
 */
void sandbox_cgroup_restrict(struct sandbox *sb)
{
	const struct config_hypervisor *hc = &sb->config->hypervisor;
	const char *const paths[] = {
		"/dev/null",	    "/dev/zero",
		"/dev/random",	    "/dev/urandom",
		hc->entropy_source, sb->size.accel == VM_ACCEL_KVM ? "/dev/kvm" : "",
	};
	/* As runc: virtiofsd makes nodes for the container, and a node is not yet a device. */
	struct device_rule storage[ARRAY_SIZE(paths) + 2] = {
		{ true, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_MKNOD, DEVICES_ANY, DEVICES_ANY },
		{ true, BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_ACC_MKNOD, DEVICES_ANY, DEVICES_ANY },
	};
	struct device_rules rules = { .rules = storage, .nr = 2 };
	struct err err = ERR_NULL;

	if (!hc->jail || !sb->cgroup.now.nr)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		rules.nr += device_rule_of(paths[i], &storage[rules.nr]);
	if (host_cgroup_set_devices(&sb->cgroup.now, &rules, &err) < 0)
		log_warn("QEMU may open any device that it finds a node of: %s", err.text);
}

static struct sb_container *find_remaining(const struct sb_container *leaving)
{
	list_for_each(node, &leaving->sandbox->containers) {
		struct sb_container *ctr = list_entry(node, struct sb_container, node);

		if (ctr != leaving && ctr->spec && ctr->init->state != SB_PROCESS_STATE_STOPPED)
			return ctr;
	}
	return NULL;
}

/* Both cgroups are recorded while both are there. */
static int move_to(struct sandbox *sb, const struct sb_container *remaining, struct err *err)
{
	pid_t pid =
		(pid_t)remaining->init
			->host_pid; /* read now: the container may be deleted while systemd is waited for */
	int r = sandbox_cgroup_plan(sb, remaining->id, remaining->spec, &sb->cgroup.now, err);

	if (r >= 0)
		r = sandbox_record_write(sb, err);
	if (r >= 0)
		r = host_cgroup_create(&sb->cgroup.now, NULL, err);
	if (r >= 0)
		sandbox_cgroup_restrict(sb);
	if (r >= 0)
		r = host_cgroup_move(&sb->cgroup.former, &sb->cgroup.now, err);
	if (r >= 0)
		r = host_cgroup_add(&sb->cgroup.now, pid);
	if (r >= 0)
		host_cgroup_settle(&sb->cgroup.now);
	return r;
}

/**
 * sandbox_cgroup_leave() - move the VM out of a container's cgroup, which then goes
 * @ctr: container that is about to go
 *
 * Nothing happens when no other container runs in the VM, when the VM is in the cgroup of another
 * one, or while it is being moved already: the cgroup is then removed at the end of the VM. The
 * cgroups of a pod with annotations belong to its manager.
 */
void sandbox_cgroup_leave(struct sb_container *ctr)
{
	struct sandbox *sb = ctr->sandbox;
	const struct sb_container *remaining = find_remaining(ctr);
	struct err err = ERR_NULL;

	if (sb->kind == SANDBOX_KIND_POD || !remaining || !str_eq(sb->cgroup.owner, ctr->id) ||
	    !sb->cgroup.now.nr || sb->cgroup.former.nr || sb->state != SANDBOX_STATE_RUNNING)
		return;
	sb->cgroup.former = sb->cgroup.now;
	sb->cgroup.now = HOST_CGROUP_NULL;
	int r = move_to(sb, remaining, &err);
	if (r >= 0) {
		host_cgroup_close(&sb->cgroup.former);
		r = host_cgroup_remove(&sb->cgroup.former, &err);
	}
	if (r >= 0) {
		sb->cgroup.former = HOST_CGROUP_NULL;
		r = sandbox_record_write(sb, &err);
	}
	if (r < 0)
		log_warn("move the VM from the cgroup of container %s to that of %s: %s", ctr->id,
			 sb->cgroup.owner, err.code ? err.text : strerror(-r));
}
