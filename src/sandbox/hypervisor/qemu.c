/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The QEMU driver
 *
 * One QEMU process per VM, started with every descriptor it needs and reached over QMP on an
 * inherited socket, so there are no paths, no races for sockets and nothing to clean up after a
 * crash: QEMU dies with its parent.
 *
 * The end of the process is seen on its pidfd, in one place (on_process_exit). Whoever waits for
 * something that will then never come waits on @changed or on a QMP call, and both are answered by
 * that end. Devices: qemu_hotplug.c; vCPUs and memory: qemu_resize.c; the command line:
 * qemu_cmdline.c.
 */
#include "sandbox/hypervisor/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/hex.h"
#include "common/json.h"
#include "common/log.h"
#include "common/run_output.h"
#include "common/str.h"
#include "kata/guest.h"
#include "sandbox/hypervisor/output_ring.h"
#include "sandbox/hypervisor/qemu_cmdline.h"
#include "sandbox/hypervisor/qemu_jail.h"
#include "sandbox/hypervisor/qmp.h"

#define CONSOLE_KEEP (64 * 1024)
#define OUTPUT_KEEP (8 * 1024)
#define PROBE_MS 5000
#define PROBE_OUTPUT_MAX 512
/* A process that was sent SIGKILL is given this long to go. */
#define KILL_MS 5000
/* The pidfd of a process that closed its QMP socket follows within this time. */
#define DEATH_MS 1000
#define VERSION_PREFIX "QEMU emulator version "
#define QEMU_NAME_PREFIX "qemu-system-x86_64: "
#define PANIC_MARK "Kernel panic - not syncing"

static int q_probe(const struct vm_config *config, struct hypervisor_caps *ret, struct err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	struct hypervisor_caps caps = { 0 };
	const char *version;
	int r;

	r = run_output_of(config->path, "--version", PROBE_OUTPUT_MAX, loop_deadline_ms(PROBE_MS),
			  &text, err);
	if (r < 0)
		return r;
	version = str_skip_prefix(text.data, VERSION_PREFIX);
	if (!version || sscanf(version, "%u.%u", &caps.major, &caps.minor) != 2)
		return err_set(err, EINVAL, "%s is not QEMU: it calls itself \"%.40s\"",
			       config->path, text.data);
	(void)snprintf(caps.version, sizeof(caps.version), "%.*s", (int)strcspn(version, " \n"),
		       version);
	*ret = caps;
	return 0;
}

static int q_create(struct loop *loop, struct hypervisor **ret, struct err *err)
{
	struct qemu *qemu = calloc(1, sizeof(*qemu));

	(void)loop;
	if (!qemu)
		return err_set(err, ENOMEM, "out of memory");
	qemu->proc = PROC_NULL;
	qemu->console_in = -1;
	list_init(&qemu->devices);
	fiber_cond_init(&qemu->changed);
	fiber_mutex_init(&qemu->plugging);
	*ret = &qemu->base;
	return 0;
}

/**
 * qemu_command() - a QMP command whose answer does not matter beyond its success
 * @qemu: VM
 * @name: command
 * @arguments: JSON object or NULL
 * @deadline_ns: absolute time
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int qemu_command(struct qemu *qemu, const char *name, const char *arguments, uint64_t deadline_ns,
		 struct err *err)
{
	const struct qmp_command command = { .name = name, .arguments = arguments };

	return qmp_execute(qemu->qmp, &command, NULL, NULL, deadline_ns, err);
}

/* One line on why QEMU is gone, the guest's reasons before QEMU's. */
static void describe_end(struct qemu *qemu, char *buf, size_t len)
{
	const char *line = qemu->complaint;

	output_ring_drain(qemu->output); /* its last words may not have come through the loop yet */
	if (*qemu->panic)
		(void)snprintf(buf, len, "the guest kernel panicked: %s", qemu->panic);
	else if (str_eq(qemu->shutdown, "guest-shutdown"))
		(void)snprintf(buf, len, "the guest powered itself off");
	else if (str_eq(qemu->shutdown, "guest-reset"))
		(void)snprintf(buf, len, "the guest reset itself");
	else if (str_eq(qemu->shutdown, "guest-panic"))
		(void)snprintf(buf, len, "the guest kernel panicked");
	else if (str_eq(qemu->shutdown, "host-qmp-quit"))
		(void)snprintf(buf, len, "the VM was stopped");
	else if (WIFSIGNALED(qemu->wstatus))
		(void)snprintf(buf, len, "QEMU was killed by signal %d%s%s",
			       WTERMSIG(qemu->wstatus), *line ? ": " : "", line);
	else
		(void)snprintf(buf, len, "QEMU exited with status %d%s%s",
			       WEXITSTATUS(qemu->wstatus), *line ? ": " : "", line);
}

static void on_process_exit(void *arg, unsigned events)
{
	struct qemu *qemu = arg;
	siginfo_t info = { 0 };
	char reason[QEMU_REASON_MAX + 64];

	(void)events;
	if (waitid(P_PIDFD, (id_t)qemu->proc.pidfd, &info, WEXITED | WNOHANG) < 0 || !info.si_pid)
		return;
	qemu->wstatus = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
						   : W_EXITCODE(0, info.si_status);
	qemu->exited = true;
	qemu->proc_watch = loop_source_free(qemu->proc_watch);
	proc_deinit(&qemu->proc);
	output_ring_drain(qemu->console);
	qmp_drain(qemu->qmp);
	fiber_cond_broadcast(&qemu->changed);
	if (qemu->base.state == HYPERVISOR_STATE_NEW)
		return; /* start reports it */
	describe_end(qemu, reason, sizeof(reason));
	hypervisor_set_state(&qemu->base, HYPERVISOR_STATE_DEAD);
	hypervisor_emit(&qemu->base, VM_EVENT_EXITED, reason);
}

/* Only the first who asks is the agent: later there may be containers. */
static void tell_secret(struct qemu *qemu)
{
	size_t len = strlen(qemu->secret);

	/* The console was written to by nobody yet: there is room for it. */
	if (write(qemu->console_in, qemu->secret, len) != (ssize_t)len)
		log_warn("the guest's console does not take the secret of the sandbox");
	explicit_bzero(qemu->secret, sizeof(qemu->secret));
}

/* A guest may say more than a log should hold: whoever has a container in it can write there. */
static void log_line(struct log_budget *budget, const char *who, const char *line)
{
	unsigned left_out = 0;

	if (!log_enabled(LOG_LEVEL_DEBUG) || !log_budget_take(budget, loop_now_ns(), &left_out))
		return;
	if (left_out)
		log_debug("%s: %u lines are left out here", who, left_out);
	log_debug("%s: %s", who, line);
}

static void on_console_line(void *arg, const char *line)
{
	struct qemu *qemu = arg;
	const char *mark = strstr(line, PANIC_MARK);

	log_line(&qemu->console_budget, "guest", line);
	if (str_eq(line, KATA_READY_LINE))
		hypervisor_emit(&qemu->base, VM_EVENT_READY, line);
	if (str_eq(line, KATA_TEMPLATE_LINE))
		hypervisor_emit(&qemu->base, VM_EVENT_ASLEEP, line);
	if (*qemu->secret && str_eq(line, KATA_SECRET_ASK))
		tell_secret(qemu);
	if (mark && !*qemu->panic) {
		mark += strlen(PANIC_MARK);
		mark += strspn(mark, ": ");
		(void)snprintf(qemu->panic, sizeof(qemu->panic), "%s",
			       *mark ? mark : "no reason given");
	}
}

static void on_output_line(void *arg, const char *line)
{
	struct qemu *qemu = arg;
	const char *text = str_skip_prefix(line, QEMU_NAME_PREFIX);

	log_line(&qemu->output_budget, "qemu", line);
	text = text ? text : line;
	if (!str_skip_prefix(text, "Use -")) /* a hint where to read on, not what is wrong */
		(void)snprintf(qemu->complaint, sizeof(qemu->complaint), "%s", text);
}

static void on_shutdown(struct qemu *qemu, const struct json *data)
{
	struct err ignored = ERR_NULL;
	const char *reason = NULL;
	bool guest = false;

	/* Without data it is the connection that broke; the pidfd tells the rest. */
	if (!data || json_get_str(data, "reason", &reason, &ignored) < 0 || !reason ||
	    json_get_bool(data, "guest", &guest, &ignored) < 0)
		return;
	(void)snprintf(qemu->shutdown, sizeof(qemu->shutdown), "%s", reason);
	/*
	 * A kernel that panicked resets the machine; its words may not have come through the loop
	 * yet.
	 */
	output_ring_drain(qemu->console);
	if (*qemu->panic && qemu->base.state != HYPERVISOR_STATE_NEW)
		hypervisor_emit(&qemu->base, VM_EVENT_PANICKED, qemu->panic);
	else if (guest && qemu->base.state != HYPERVISOR_STATE_NEW)
		hypervisor_emit(&qemu->base, VM_EVENT_SHUTDOWN,
				str_eq(reason, "guest-reset") ? "the guest reset itself"
							      : "the guest powered itself off");
}

static void on_qmp_event(void *arg, const char *name, const struct json *data)
{
	struct qemu *qemu = arg;

	if (str_eq(name, "SHUTDOWN")) {
		on_shutdown(qemu, data);
	} else if (str_eq(name, "GUEST_PANICKED")) {
		output_ring_drain(qemu->console);
		if (!*qemu->panic)
			(void)snprintf(qemu->panic, sizeof(qemu->panic), "no reason given");
		if (qemu->base.state != HYPERVISOR_STATE_NEW)
			hypervisor_emit(&qemu->base, VM_EVENT_PANICKED, qemu->panic);
	} else if (str_eq(name, "RESUME")) {
		hypervisor_emit(&qemu->base, VM_EVENT_RESUMED, "");
	} else if (str_eq(name, "MIGRATION")) {
		qemu_on_migration_event(qemu, data);
	} else {
		qemu_on_unplug_event(qemu, name, data);
	}
}

/*
 * qboot does the little that a directly loaded kernel needs and saves 0.03 s under TCG; without it
 * QEMU's own default serves. Which firmware a machine takes is a fact of the PC machines only.
 */
static const char *find_firmware(void)
{
	static const char *const places[] = {
		"/usr/share/qemu/qboot.rom",
		"/usr/share/qemu-kvm/qboot.rom",
		"/usr/local/share/qemu/qboot.rom",
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (access(places[i], R_OK) == 0)
			return places[i];
	return NULL;
}

/* A connected pair: *ret_ours stays here, *ret_theirs goes to QEMU. */
static int make_pair(int *ret_ours, int *ret_theirs)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	*ret_ours = pair[0];
	*ret_theirs = pair[1];
	return 0;
}

/* Remembers what hot-plug must know of the configuration, which is the caller's and goes away. */
static int adopt_config(struct qemu *qemu, const struct vm_config *config,
			const struct qemu_slot *slots)
{
	unsigned fdset = 0;

	qemu->size = (struct vm_size){ .vcpus = config->vcpus, .memory_mib = config->memory.mib };
	qemu->boot_memory_mib = config->memory.mib;
	qemu->plugged_mib = config->memory.mib;
	qemu->has_balloon = config->memory.report_free_pages;
	qemu->max_memory_mib = config->memory.max_mib;
	qemu->memory_slots = config->memory.slots;
	qemu->virtio_mem = config->memory.virtio_mem;
	qemu->max_vcpus = MAX(config->vcpus, config->max_vcpus);
	qemu->keeps_vcpus = config->accel == VM_ACCEL_TCG;
	qemu->hugepages = config->memory.hugepages;
	for (size_t i = 0; i < config->nr_devices; i++) {
		const struct vm_device *dev = &config->devices[i];

		if (qemu_device_comes_late(config, dev))
			continue;
		int r = qemu_adopt_device(qemu, dev, &slots[i],
					  dev->type == VM_DEVICE_BLOCK ? ++fdset : 0);

		if (r < 0)
			return r;
	}
	qemu->next_fdset = fdset + 1;
	return 0;
}

static int spawn(struct qemu *qemu, const struct vm_config *config, const struct qemu_links *links,
		 struct err *err)
{
	cleanup_free struct qemu_slot *slots = NULL;
	cleanup_arena struct arena *arena = NULL;
	struct qemu_cmdline cmd;
	int r;

	slots = calloc(config->nr_devices + 1, sizeof(*slots));
	if (!slots || arena_new(&arena) < 0)
		return err_set(err, ENOMEM, "out of memory");
	qemu_pci_init(&qemu->pci, qemu_machine_is_express(config), config->bridges,
		      config->to_save || config->restore);
	r = qemu_cmdline_build(config, links, &qemu->pci, slots, arena, &cmd, err);
	if (r < 0)
		return r;
	r = adopt_config(qemu, config, slots);
	if (r < 0)
		return err_set_errno(err, r, "QEMU's devices");
	for (size_t i = 0; log_enabled(LOG_LEVEL_DEBUG) && i < cmd.argv.nr; i++)
		log_debug("qemu argv[%zu]: %s", i, cmd.argv.v[i]);
	const uint64_t caps = qemu_jail_caps(config);
	struct qemu_jail jail = { 0 };
	r = config->jail ? qemu_jail_plan(config, links->firmware, arena, &jail, err) : 0;
	if (r < 0)
		return r;
	const struct proc_spec spec = {
		.path = config->path,
		.argv = cmd.argv.v,
		.caps = config->jail ? NULL : &caps,
		.namespaces = jail.namespaces,
		.confine = config->jail ? qemu_jail_enter : NULL,
		.confine_arg = &jail,
		.fds = cmd.fds,
		.nr_fds = cmd.nr_fds,
		.cwd = "/",
		.netns_fd = config->netns_fd,
		.cgroup_fds = config->cgroup_fds,
		.nr_cgroup_fds = config->nr_cgroup_fds,
		/* a Ctrl-C at the terminal is for the container, not for the VMM */
		.new_session = true,
		.die_with_parent = true,
	};
	r = proc_spawn(&spec, &qemu->proc, err);
	if (r < 0)
		return r;
	r = loop_add_io(qemu->base.loop, qemu->proc.pidfd, LOOP_READ, on_process_exit, qemu,
			&qemu->proc_watch);
	return r < 0 ? err_set_errno(err, r, "watch QEMU") : 0;
}

/* Keeps the way to the console, and what is told there. */
static int keep_console(struct qemu *qemu, const struct kata_secret *secret, int console)
{
	qemu->console_in = neg_errno(fcntl(console, F_DUPFD_CLOEXEC, 0));
	if (secret) {
		hex_write(secret, sizeof(*secret), qemu->secret);
		strcat(qemu->secret, "\n");
	}
	return qemu->console_in < 0 ? qemu->console_in : 0;
}

/* Makes the standing connections and the process. */
static int launch(struct qemu *qemu, struct err *err)
{
	cleanup_close int qmp = -1, console = -1, output = -1, their_qmp = -1, their_console = -1,
			  their_output = -1;
	struct loop *loop = qemu->base.loop;
	int r = make_pair(&qmp, &their_qmp);

	if (r >= 0)
		r = make_pair(&console, &their_console);
	if (r >= 0)
		r = make_pair(&output, &their_output);
	if (r >= 0)
		r = qmp_new(loop, TAKE_FD(qmp), on_qmp_event, qemu, &qemu->qmp);
	if (r >= 0)
		r = keep_console(qemu, qemu->base.config->secret, console);
	if (r >= 0)
		r = output_ring_new(loop, TAKE_FD(console), CONSOLE_KEEP, &qemu->console);
	if (r >= 0)
		r = output_ring_new(loop, TAKE_FD(output), OUTPUT_KEEP, &qemu->output);
	if (r < 0)
		return err_set_errno(err, r, "connections to QEMU");
	output_ring_on_line(qemu->console, on_console_line, qemu);
	output_ring_on_line(qemu->output, on_output_line, qemu);
	const struct qemu_links links = {
		.firmware = find_firmware(),
		.qmp_fd = their_qmp,
		.console_fd = their_console,
		.stderr_fd = their_output,
	};
	return spawn(qemu, qemu->base.config, &links, err);
}

/* Waits for the end of the process. Return: 0 when it is gone. */
static int wait_exit(struct qemu *qemu, uint64_t deadline_ns)
{
	while (!qemu->exited && qemu->proc.pidfd >= 0) {
		int r = fiber_cond_wait(&qemu->changed, deadline_ns);

		if (r < 0 && !qemu->exited)
			return r;
	}
	return 0;
}

static int kill_and_wait(struct qemu *qemu)
{
	bool masked = fiber_mask_cancel(true);
	int r;

	(void)proc_signal(&qemu->proc, SIGKILL); /* fails only when it has ended */
	r = wait_exit(qemu, loop_deadline_ms(KILL_MS));
	(void)fiber_mask_cancel(masked);
	return r;
}

/* After a failed start: says why if QEMU died, and makes sure it is dead. */
static int fail_start(struct qemu *qemu, int r, struct err *err)
{
	char reason[QEMU_REASON_MAX];

	if (r == -ECONNRESET && wait_exit(qemu, loop_deadline_ms(DEATH_MS)) == 0) {
		describe_end(qemu, reason, sizeof(reason));
		r = err_set(err, EIO, "%s", reason);
	}
	/* one stuck in the kernel is no reason to lose the first error */
	(void)kill_and_wait(qemu);
	qemu->qmp = qmp_free(qemu->qmp);
	while (!list_empty(&qemu->devices))
		qemu_device_forget(qemu, list_entry(qemu->devices.next, struct qemu_device, node));
	hypervisor_set_state(&qemu->base, HYPERVISOR_STATE_DEAD);
	return r;
}

static int q_start(struct hypervisor *hv, uint64_t deadline_ns, struct err *err)
{
	struct qemu *qemu = qemu_of(hv);
	int r = launch(qemu, err);

	if (r >= 0)
		r = qmp_handshake(qemu->qmp, deadline_ns, err);
	if (r >= 0 && hv->config->restore)
		r = qemu_restore(qemu, hv->config, deadline_ns, err);
	if (r < 0)
		return fail_start(qemu, r, err);
	if (qemu->exited) /* between the handshake and now */
		return fail_start(qemu, -ECONNRESET, err);
	hypervisor_set_state(hv, HYPERVISOR_STATE_RUNNING);
	return 0;
}

static int q_set_paused(struct hypervisor *hv, bool paused, uint64_t deadline_ns, struct err *err)
{
	int r = qemu_command(qemu_of(hv), paused ? "stop" : "cont", NULL, deadline_ns, err);

	/* QEMU may have died meanwhile. */
	if (r >= 0 && hv->state != HYPERVISOR_STATE_DEAD)
		hypervisor_set_state(hv,
				     paused ? HYPERVISOR_STATE_PAUSED : HYPERVISOR_STATE_RUNNING);
	return r;
}

static int q_info(struct hypervisor *hv, struct vm_info *ret, uint64_t deadline_ns, struct err *err)
{
	static const struct qmp_command command = { .name = "query-cpus-fast" };
	struct qemu *qemu = qemu_of(hv);
	cleanup_arena struct arena *arena = NULL;
	const struct json *cpus;
	int r;

	*ret = (struct vm_info){ .pid = qemu->proc.pid, .size = qemu->size };
	if (arena_new(&arena) < 0)
		return err_set(err, ENOMEM, "out of memory");
	r = qmp_execute(qemu->qmp, &command, arena, &cpus, deadline_ns, err);
	if (r >= 0)
		r = json_expect(cpus, JSON_ARRAY, err);
	if (r < 0)
		return r;
	json_for_each(cpu, cpus) {
		int64_t tid = 0;

		r = json_get_i64(cpu, "thread-id", &tid, err);
		if (r < 0)
			return r;
		if (tid > 0 && tid <= INT32_MAX && ret->nr_vcpus < VM_VCPUS_MAX)
			ret->vcpu_tids[ret->nr_vcpus++] = (pid_t)tid;
	}
	return 0;
}

static size_t q_console(struct hypervisor *hv, char *buf, size_t len)
{
	return output_ring_copy(qemu_of(hv)->console, buf, len);
}

static int q_stop(struct hypervisor *hv, uint64_t deadline_ns, struct err *err)
{
	struct qemu *qemu = qemu_of(hv);
	struct err ignored = ERR_NULL;

	if (qemu->exited || qemu->proc.pidfd < 0)
		return 0;
	/*
	 * QEMU writes its block caches back before it ends; an answer is not waited for longer than
	 * its end. Without time it is not asked.
	 */
	if (deadline_ns > loop_now_ns() &&
	    qemu_command(qemu, "quit", NULL, deadline_ns, &ignored) >= 0 &&
	    wait_exit(qemu, deadline_ns) == 0)
		return 0;
	if (kill_and_wait(qemu) < 0)
		return err_set(err, ETIMEDOUT, "QEMU (pid %d) does not end even by SIGKILL",
			       (int)qemu->proc.pid);
	return 0;
}

static void q_destroy(struct hypervisor *hv)
{
	struct qemu *qemu = qemu_of(hv);

	(void)loop_source_free(qemu->proc_watch);
	if (qemu->proc.pidfd >= 0) {
		(void)proc_signal(&qemu->proc, SIGKILL);
		/*
		 * Not gone yet, most likely: it is reaped when this process ends. q_stop() before
		 * avoids that.
		 */
		(void)waitid(P_PIDFD, (id_t)qemu->proc.pidfd, &(siginfo_t){ 0 }, WEXITED | WNOHANG);
		proc_deinit(&qemu->proc);
	}
	(void)qmp_free(qemu->qmp);
	(void)output_ring_free(qemu->console);
	(void)fd_close(qemu->console_in);
	explicit_bzero(qemu->secret, sizeof(qemu->secret));
	(void)output_ring_free(qemu->output);
	while (!list_empty(&qemu->devices))
		qemu_device_forget(qemu, list_entry(qemu->devices.next, struct qemu_device, node));
	free(qemu);
}

const struct hypervisor_ops qemu_ops = {
	.name = "qemu",
	.probe = q_probe,
	.create = q_create,
	.start = q_start,
	.attach = qemu_attach,
	.detach = qemu_detach,
	.set_link = qemu_set_link,
	.set_paused = q_set_paused,
	.resize = qemu_resize,
	.save = qemu_save,
	.info = q_info,
	.console = q_console,
	.stop = q_stop,
	.destroy = q_destroy,
};
