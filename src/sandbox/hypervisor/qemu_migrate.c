/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Saving and restoring
 *
 * A VM is saved by QEMU's migration to a file, and restored by an incoming one. "x-ignore-shared"
 * leaves out the RAM, which is a shared file of ours: QEMU 7.2 does so for all shared RAM, newer ones
 * for that of memory-backend-file only. What is left are some hundred kilobytes.
 *
 * QEMU reads a section for each device that was saved, and leaves alone what has none: a restored VM
 * may have devices that the saved one had not. Some it has to get between loading and running, see
 * qemu_device_comes_late(). No device comes with a word to the guest: it looks for them,
 * which is quicker than the hot-plug of ACPI, whose interrupt it has switched off until it has found
 * them.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/str.h"
#include "sandbox/hypervisor/qemu.h"
#include "sandbox/hypervisor/qmp.h"
#include "sandbox/hypervisor/vm_config.h"

#define GREETING_MAX 1024
#define FD_NAME "vm-state"

/**
 * qemu_on_migration_event() - QEMU says how far it is
 * @qemu: VM
 * @data: of the event
 */
void qemu_on_migration_event(struct qemu *qemu, const struct json *data)
{
	struct err ignored = ERR_NULL;
	const char *status = NULL;

	if (!data || json_get_str(data, "status", &status, &ignored) < 0 || !status)
		return;
	if (str_eq(status, "completed"))
		qemu->migration = QEMU_MIGRATION_DONE;
	else if (str_eq(status, "failed") || str_eq(status, "cancelled"))
		qemu->migration = QEMU_MIGRATION_FAILED;
	fiber_cond_broadcast(&qemu->changed);
}

/* Begins what @command, of a migration's, does with @fd, and waits for its end. */
static int migrate(struct qemu *qemu, const char *command, int fd, uint64_t deadline_ns,
		   struct err *err)
{
	static const char caps[] =
		"{\"capabilities\":[{\"capability\":\"x-ignore-shared\",\"state\":true},"
		"{\"capability\":\"events\",\"state\":true}]}";
	const struct qmp_command getfd = { .name = "getfd",
					   .arguments = "{\"fdname\":\"" FD_NAME "\"}",
					   .fds = &fd,
					   .nr_fds = 1 };
	int r = qemu_command(qemu, "migrate-set-capabilities", caps, deadline_ns, err);

	qemu->migration = QEMU_MIGRATION_NONE;
	if (r >= 0)
		r = qmp_execute(qemu->qmp, &getfd, NULL, NULL, deadline_ns, err);
	if (r >= 0)
		r = qemu_command(qemu, command, "{\"uri\":\"fd:" FD_NAME "\"}", deadline_ns, err);
	if (r < 0)
		return r;
	while (qemu->migration == QEMU_MIGRATION_NONE && !qemu->exited) {
		r = fiber_cond_wait(&qemu->changed, deadline_ns);
		if (r < 0 && qemu->migration == QEMU_MIGRATION_NONE && !qemu->exited)
			return err_set_errno(err, r, "wait for QEMU's %s", command);
	}
	if (qemu->exited)
		return err_set(err, ECONNRESET, "QEMU ended during its %s", command);
	if (qemu->migration == QEMU_MIGRATION_FAILED)
		return err_set(err, EIO, "QEMU's %s failed", command);
	return 0;
}

/**
 * qemu_save() - hypervisor_save()
 * @hv: VM
 * @fd: file
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int qemu_save(struct hypervisor *hv, int fd, uint64_t deadline_ns, struct err *err)
{
	struct qemu *qemu = qemu_of(hv);
	int r = fiber_lock(&qemu->plugging, deadline_ns);

	if (r < 0)
		return err_set_errno(err, r, "save the VM");
	r = migrate(qemu, "migrate", fd, deadline_ns, err);
	fiber_unlock(&qemu->plugging);
	if (r >= 0)
		hypervisor_set_state(hv, HYPERVISOR_STATE_PAUSED);
	return r;
}

static int plug_late_devices(struct qemu *qemu, const struct vm_config *config,
			     uint64_t deadline_ns, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < config->nr_devices && r >= 0; i++)
		if (qemu_device_comes_late(config, &config->devices[i]))
			r = qemu_attach(&qemu->base, &config->devices[i], deadline_ns, err);
	return r;
}

static int greet(struct qemu *qemu, const struct vm_restore *restore, struct err *err)
{
	char greeting[GREETING_MAX];
	size_t len = restore->greet(restore->arg, greeting, sizeof(greeting));

	/* Nobody has written to it yet: there is room. */
	ssize_t n = write(qemu->console_in, greeting, len);
	explicit_bzero(greeting, sizeof(greeting));
	return len && n == (ssize_t)len ? 0 : err_set(err, EIO, "the guest cannot be greeted");
}

/**
 * qemu_restore() - fill a QEMU that waits for a saved VM
 * @qemu: VM whose QMP connection is up
 * @config: its configuration
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 when its vCPUs run, or -errno.
 */
int qemu_restore(struct qemu *qemu, const struct vm_config *config, uint64_t deadline_ns,
		 struct err *err)
{
	const struct vm_restore *restore = config->restore;
	int r = restore->await_memory(restore->arg, deadline_ns, err);

	if (r >= 0)
		r = migrate(qemu, "migrate-incoming", restore->state_fd, deadline_ns, err);
	if (r >= 0 && restore->await_devices)
		r = restore->await_devices(restore->arg, &deadline_ns, err);
	if (r >= 0)
		r = plug_late_devices(qemu, config, deadline_ns, err);
	if (r >= 0)
		r = greet(qemu, restore, err);
	return r < 0 ? r : qemu_command(qemu, "cont", NULL, deadline_ns, err);
}
