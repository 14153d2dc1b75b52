/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KVM probe and the choice of accelerator that follows from it. The test guest itself is
 * kvm_guest.c.
 *
 * Some hosts expose a KVM that only paravirtual guests can use: it opens, reports API version 12
 * and makes VMs, and then hangs or crashes any stock kernel. Only running code tells. That is done
 * in a child process, because the one thing that must not happen is that the caller hangs in an
 * ioctl that no timer can end.
 */
#include "host/kvm_probe.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "common/fd.h"
#include "common/str.h"
#include "host/kvm_guest.h"

/*
 * After SIGKILL the child is given this long to be reaped; one stuck in the kernel is left behind.
 */
#define REAP_MS 10

static const char *const result_names[] = {
	[KVM_PROBE_OK] = "usable",
	[KVM_PROBE_NO_DEVICE] = "no-device",
	[KVM_PROBE_NO_ACCESS] = "no-access",
	[KVM_PROBE_BAD_API] = "bad-api",
	[KVM_PROBE_NO_VM] = "no-vm",
	[KVM_PROBE_SLOW] = "slow",
	[KVM_PROBE_HANG] = "hang",
	[KVM_PROBE_BAD_EXIT] = "bad-exit",
	[KVM_PROBE_WRONG_RESULT] = "wrong-result",
};
static_assert(ARRAY_SIZE(result_names) == KVM_PROBE_COUNT_, "a name for each result");

static uint64_t now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void set_result(struct kvm_probe *probe, enum kvm_probe_result result, const char *fmt, ...)
	printf_format(3, 4);
static void set_result(struct kvm_probe *probe, enum kvm_probe_result result, const char *fmt, ...)
{
	va_list ap;

	probe->result = result;
	va_start(ap, fmt);
	(void)vsnprintf(probe->detail, sizeof(probe->detail), fmt, ap);
	va_end(ap);
}

/* Waits until @pidfd's process is gone. Return: whether it is. */
static bool wait_gone(int pidfd, int timeout_ms)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	uint64_t end = now_us() + (uint64_t)timeout_ms * 1000;
	int r;

	do {
		uint64_t now = now_us();

		r = poll(&pfd, 1, now >= end ? 0 : (int)((end - now + 999) / 1000));
	} while (r < 0 && errno == EINTR);
	return r > 0;
}

/*
 * In the child: nothing but the guest, then out. The timer counts the CPU time of the process, the
 * guest's included, and its signal ends KVM_RUN and the process.
 */
static void attr_noreturn child_main(int kvm_fd, struct kvm_probe *shared)
{
	const struct itimerval limit = { .it_value = { .tv_sec = KVM_PROBE_CPU_MS / 1000,
						       .tv_usec =
							       KVM_PROBE_CPU_MS % 1000 * 1000 } };
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* best effort: the parent kills it anyway */
	(void)sigemptyset(&none);		/* none of these can fail with these arguments */
	(void)signal(SIGPROF, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setitimer(ITIMER_PROF, &limit, NULL);
	kvm_guest_run(kvm_fd, shared);
	_exit(0);
}

static void run_in_child(int kvm_fd, struct kvm_probe *probe, struct kvm_probe *shared)
{
	cleanup_close int pidfd = -1;
	int wstatus = 0;
	pid_t pid;

	/* What stays when the child never gets to an answer. */
	set_result(shared, KVM_PROBE_SLOW,
		   "a 64-bit test guest got too little CPU time to finish within %d s",
		   KVM_PROBE_WALL_MS / 1000);

	pid = fork();
	if (pid < 0) {
		set_result(probe, KVM_PROBE_NO_VM, "starting the test process: %m");
		return;
	}
	if (pid == 0)
		child_main(kvm_fd, shared);

	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		set_result(probe, KVM_PROBE_NO_VM, "watching the test process: %m");
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, WNOHANG); /* a zombie at worst */
		return;
	}
	if (!wait_gone(pidfd, KVM_PROBE_WALL_MS)) {
		(void)kill(pid, SIGKILL); /* not reaped yet, so the pid is still its own */
		(void)wait_gone(pidfd, REAP_MS);
	}
	bool ended = waitpid(pid, &wstatus, WNOHANG) == pid;
	int signo = ended && WIFSIGNALED(wstatus) ? WTERMSIG(wstatus) : 0;
	if (signo == SIGPROF)
		set_result(probe, KVM_PROBE_HANG,
			   "a 64-bit test guest did not finish within %d ms of CPU time",
			   KVM_PROBE_CPU_MS);
	else if (signo && signo != SIGKILL)
		set_result(probe, KVM_PROBE_BAD_EXIT, "the test process died of signal %d", signo);
	else
		*probe = *shared;
}

/**
 * kvm_probe_run() - find out whether KVM can run a stock kernel
 * @device: path of the KVM device, NULL for /dev/kvm
 * @ret: filled completely
 *
 * Blocks, for a few milliseconds where KVM works and never longer than KVM_PROBE_WALL_MS and a little.
 * Forks, so it is best called while the process is small.
 */
void kvm_probe_run(const char *device, struct kvm_probe *ret)
{
	cleanup_close int kvm_fd = -1;
	struct kvm_probe *shared;
	uint64_t begin = now_us();
	int version;

	if (!device)
		device = "/dev/kvm";
	*ret = (struct kvm_probe){ 0 };
	kvm_fd = open(device, O_RDWR | O_CLOEXEC);
	if (kvm_fd < 0) {
		bool absent = errno == ENOENT || errno == ENODEV || errno == ENXIO;

		set_result(ret, absent ? KVM_PROBE_NO_DEVICE : KVM_PROBE_NO_ACCESS, "%s: %m",
			   device);
		return;
	}
	version = ioctl(kvm_fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		set_result(ret, KVM_PROBE_BAD_API, "%s does not speak KVM API version %d", device,
			   KVM_API_VERSION);
		return;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED) {
		set_result(ret, KVM_PROBE_NO_VM, "memory for the test: %m");
		return;
	}
	run_in_child(kvm_fd, ret, shared);
	(void)munmap(shared, sizeof(*shared));
	ret->detail[sizeof(ret->detail) - 1] = '\0';
	ret->took_us = (unsigned)(now_us() - begin);
}

/**
 * kvm_probe_result_name() - a word for a result, for machine-readable output
 * @result: what kvm_probe_run() found
 *
 * Return: a static string.
 */
const char *kvm_probe_result_name(enum kvm_probe_result result)
{
	return (size_t)result < ARRAY_SIZE(result_names) ? result_names[result] : "unknown";
}

/**
 * kvm_probe_is_certain() - would another probe of the same KVM find the same?
 * @probe: what was found
 *
 * Return: false for what depends on the moment: how busy the host is, its memory.
 */
bool kvm_probe_is_certain(const struct kvm_probe *probe)
{
	return probe->result != KVM_PROBE_SLOW && probe->result != KVM_PROBE_NO_VM;
}

/* A KVM that nothing speaks against: a host that was too busy for the test is a working one. */
static bool is_usable(const struct kvm_probe *probe)
{
	return probe && (probe->result == KVM_PROBE_OK || probe->result == KVM_PROBE_SLOW);
}

/**
 * kvm_probe_choose() - decide on the accelerator
 * @setting: "auto", "kvm" or "tcg"; NULL means "auto"
 * @allow_tcg: whether emulation, which its authors call no security boundary, will do
 * @probe: what was found; may be NULL when @setting is "tcg"
 * @err: filled on failure
 *
 * Return: 1 for KVM, 0 for TCG, -EINVAL for an unknown setting or one that is not allowed, -ENODEV
 * when KVM is demanded but not usable.
 */
int kvm_probe_choose(const char *setting, bool allow_tcg, const struct kvm_probe *probe,
		     struct err *err)
{
	if (str_eq(setting, "tcg"))
		return allow_tcg ? 0
				 : err_set(err, EINVAL, "accel is \"tcg\" but allow_tcg is false");
	if (!setting || str_eq(setting, "auto"))
		return is_usable(probe) ? 1
		       : allow_tcg	? 0
					: err_set(err, ENODEV,
						  "allow_tcg is false and KVM is not usable: %s",
						  probe ? probe->detail : "it was not probed");
	if (!str_eq(setting, "kvm"))
		return err_set(err, EINVAL, "accel is \"%s\", must be \"auto\", \"kvm\" or \"tcg\"",
			       setting);
	if (!probe)
		return err_set(err, ENODEV, "accel is \"kvm\" but KVM was not probed");
	if (!is_usable(probe))
		return err_set(err, ENODEV, "accel is \"kvm\" but KVM is not usable: %s",
			       probe->detail);
	return 1;
}
