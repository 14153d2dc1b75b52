/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of drivers and the checks that are the same for all of them: which call is legal in
 * which state. What a call does is in the drivers.
 */
#include "sandbox/hypervisor/hypervisor.h"

#include <assert.h>

#include "common/log.h"
#include "common/str.h"
#include "sandbox/hypervisor/hypervisor_driver.h"

static const struct hypervisor_ops *const drivers[] = {
	&qemu_ops,
	&null_ops,
};

static const char *const state_names[] = {
	[HYPERVISOR_STATE_NEW] = "new",
	[HYPERVISOR_STATE_RUNNING] = "running",
	[HYPERVISOR_STATE_PAUSED] = "paused",
	[HYPERVISOR_STATE_DEAD] = "dead",
};
static_assert(ARRAY_SIZE(state_names) == HYPERVISOR_STATE_COUNT_, "a name for each state");

#define IN(state) (1U << HYPERVISOR_STATE_##state)

static int check_state(const struct hypervisor *hv, const char *what, unsigned allowed,
		       struct err *err)
{
	if (allowed & (1U << hv->state))
		return 0;
	return err_set(err, hv->state == HYPERVISOR_STATE_DEAD ? ESHUTDOWN : EBUSY,
		       "cannot %s a VM that is %s", what, state_names[hv->state]);
}

static int find(const char *name, const struct hypervisor_ops **ret, struct err *err)
{
	*ret = hypervisor_find(name);
	return *ret ? 0 : err_set(err, EINVAL, "there is no hypervisor driver \"%s\"", name);
}

/**
 * hypervisor_find() - look a driver up
 * @name: as in the configuration
 *
 * Return: the driver or NULL.
 */
const struct hypervisor_ops *hypervisor_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (str_eq(drivers[i]->name, name))
			return drivers[i];
	return NULL;
}

/**
 * hypervisor_probe_for_test() - see what the VMM binary can do
 * @name: driver
 * @config: VM; only the path matters
 * @ret: receives the findings
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int hypervisor_probe_for_test(const char *name, const struct vm_config *config,
			      struct hypervisor_caps *ret, struct err *err)
{
	const struct hypervisor_ops *ops;
	int r = find(name, &ops, err);

	return r < 0 ? r : ops->probe(config, ret, err);
}

/**
 * hypervisor_create() - make a VM object
 * @name: driver
 * @loop: loop it lives on
 * @config: VM; must stay until hypervisor_start() returned
 * @fn: gets the events
 * @event_arg: its argument
 * @ret: receives the object, released with hypervisor_destroy()
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int hypervisor_create(const char *name, struct loop *loop, const struct vm_config *config,
		      vm_event_fn fn, void *event_arg, struct hypervisor **ret, struct err *err)
{
	const struct hypervisor_ops *ops;
	struct hypervisor *hv;
	int r = find(name, &ops, err);

	if (r < 0)
		return r;
	r = ops->create(loop, &hv, err);
	if (r < 0)
		return r;
	hv->ops = ops;
	hv->loop = loop;
	hv->state = HYPERVISOR_STATE_NEW;
	hv->config = config;
	hv->on_event = fn;
	hv->event_arg = event_arg;
	*ret = hv;
	return 0;
}

/**
 * hypervisor_start() - start the VM
 * @hv: new VM
 * @deadline_ns: absolute time
 * @err: filled on failure; with the VMM's own words when it died
 *
 * Return: 0 or -errno.
 */
int hypervisor_start(struct hypervisor *hv, uint64_t deadline_ns, struct err *err)
{
	int r = check_state(hv, "start", IN(NEW), err);

	if (r < 0)
		return r;
	r = hv->ops->start(hv, deadline_ns, err);
	hv->config = NULL;
	return r;
}

/**
 * hypervisor_attach() - plug a device into the running VM
 * @hv: VM
 * @dev: device; guest_path is filled
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int hypervisor_attach(struct hypervisor *hv, struct vm_device *dev, uint64_t deadline_ns,
		      struct err *err)
{
	int r = check_state(hv, "attach a device to", IN(RUNNING) | IN(PAUSED), err);

	return r < 0 ? r : hv->ops->attach(hv, dev, deadline_ns, err);
}

/**
 * hypervisor_detach() - take a device away, with the guest's consent
 * @hv: VM
 * @id: device
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0, -ENODEV for an unknown device, -ETIMEDOUT when the guest keeps it, or -errno.
 */
int hypervisor_detach(struct hypervisor *hv, const char *id, uint64_t deadline_ns, struct err *err)
{
	int r = check_state(hv, "detach a device from", IN(RUNNING), err);

	return r < 0 ? r : hv->ops->detach(hv, id, deadline_ns, err);
}

/**
 * hypervisor_set_link() - give a network interface its carrier, or take it away
 * @hv: VM
 * @id: device
 * @up: has a carrier; interfaces are plugged with one
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0, -ENODEV when there is no such interface, or -errno.
 */
int hypervisor_set_link(struct hypervisor *hv, const char *id, bool up, uint64_t deadline_ns,
			struct err *err)
{
	int r = check_state(hv, "change a carrier", IN(RUNNING) | IN(PAUSED), err);

	return r < 0 ? r : hv->ops->set_link(hv, id, up, deadline_ns, err);
}

/**
 * hypervisor_pause_for_test() - let the vCPUs stand still
 * @hv: VM
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int hypervisor_pause_for_test(struct hypervisor *hv, uint64_t deadline_ns, struct err *err)
{
	int r = check_state(hv, "pause", IN(RUNNING), err);

	return r < 0 ? r : hv->ops->set_paused(hv, true, deadline_ns, err);
}

/**
 * hypervisor_resume_for_test() - let the vCPUs run again
 * @hv: VM
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int hypervisor_resume_for_test(struct hypervisor *hv, uint64_t deadline_ns, struct err *err)
{
	int r = check_state(hv, "resume", IN(PAUSED), err);

	return r < 0 ? r : hv->ops->set_paused(hv, false, deadline_ns, err);
}

/**
 * hypervisor_resize() - change the number of vCPUs and the size of the memory
 * @hv: VM
 * @want: what is wanted, 0 in a dimension leaves it
 * @ret: receives what the VM has afterwards, also on failure
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * The guest's agent has yet to bring the new vCPUs online.
 *
 * Return: 0 or -errno.
 */
int hypervisor_resize(struct hypervisor *hv, const struct vm_size *want, struct vm_size *ret,
		      uint64_t deadline_ns, struct err *err)
{
	int r = check_state(hv, "resize", IN(RUNNING), err);

	*ret = (struct vm_size){ 0 };
	if (r < 0)
		return r;
	if (!hv->ops->resize)
		return err_set(err, EOPNOTSUPP, "not supported: hot-plug with the %s driver",
			       hv->ops->name);
	return hv->ops->resize(hv, want, ret, deadline_ns, err);
}

/**
 * hypervisor_save() - write down what a VM is, but for its RAM
 * @hv: VM whose RAM is a file, memory.fd, and which has no device that is served by another process
 * @fd: regular file, written from where it stands
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * It is paused from then on, and only to be ended: the file is its RAM as it was saved.
 *
 * Return: 0 or -errno.
 */
int hypervisor_save(struct hypervisor *hv, int fd, uint64_t deadline_ns, struct err *err)
{
	int r = check_state(hv, "save", IN(RUNNING), err);

	return r < 0 ? r : hv->ops->save(hv, fd, deadline_ns, err);
}

/**
 * hypervisor_info() - the host side of a VM
 * @hv: VM
 * @ret: receives pid, threads and size
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int hypervisor_info(struct hypervisor *hv, struct vm_info *ret, uint64_t deadline_ns,
		    struct err *err)
{
	int r = check_state(hv, "inspect", IN(RUNNING) | IN(PAUSED), err);

	return r < 0 ? r : hv->ops->info(hv, ret, deadline_ns, err);
}

/**
 * hypervisor_console() - the last bytes the guest wrote to its console
 * @hv: VM in any state, also after a failed start
 * @buf: receives at most @len bytes, as the guest wrote them, not terminated
 * @len: size of @buf
 *
 * Return: number of bytes.
 */
size_t hypervisor_console(struct hypervisor *hv, char *buf, size_t len)
{
	return hv->ops->console(hv, buf, len);
}

/**
 * hypervisor_stop() - end the VM
 * @hv: VM; one that is dead or was never started is fine
 * @deadline_ns: absolute time until which to be polite
 * @err: filled on failure
 *
 * Return: 0 when it is gone, or -errno.
 */
int hypervisor_stop(struct hypervisor *hv, uint64_t deadline_ns, struct err *err)
{
	if (hv->state == HYPERVISOR_STATE_NEW)
		return 0;
	return hv->ops->stop(hv, deadline_ns, err);
}

/**
 * hypervisor_destroy() - release a VM, killing it if it runs
 * @hv: VM or NULL
 *
 * Return: NULL.
 */
struct hypervisor *hypervisor_destroy(struct hypervisor *hv)
{
	if (hv)
		hv->ops->destroy(hv);
	return NULL;
}

/**
 * hypervisor_state() - where a VM stands
 * @hv: VM
 *
 * Return: the state.
 */
enum hypervisor_state hypervisor_state(const struct hypervisor *hv)
{
	return hv->state;
}

/**
 * hypervisor_set_state() - the one place where a driver changes the state
 * @hv: VM
 * @state: new state
 */
void hypervisor_set_state(struct hypervisor *hv, enum hypervisor_state state)
{
	log_debug("vm: %s -> %s", state_names[hv->state], state_names[state]);
	hv->state = state;
}

/**
 * hypervisor_emit() - tell the owner of the VM
 * @hv: VM
 * @type: what happened
 * @reason: one line
 */
void hypervisor_emit(struct hypervisor *hv, enum vm_event_type type, const char *reason)
{
	if (hv->on_event)
		hv->on_event(hv->event_arg, type, reason);
}
