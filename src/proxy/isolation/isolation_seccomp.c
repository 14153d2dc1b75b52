/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage 4 of isolation: the system calls that are left. The list follows the code: every entry says
 * who needs it. A call that is not in it kills the process, which the spawner sees as death by
 * SIGSYS.
 */
#include <malloc.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "proxy/isolation/isolation.h"

static const int allowed[] = {
	/* loop.c, through libevent */
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
#ifdef __SNR_epoll_pwait2
	SCMP_SYS(epoll_pwait2),
#endif
#ifdef __SNR_clock_gettime64
	SCMP_SYS(clock_gettime64),
#endif
	/* vhost_conn.c, vconn_io.c, hybrid.c: sockets */
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),
	SCMP_SYS(shutdown),
	SCMP_SYS(accept4),
	SCMP_SYS(connect),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(close),
	/* vhost.c, vq.c: eventfds; log.c */
	SCMP_SYS(read),
	SCMP_SYS(write),
	/* vhost_msg.c: descriptors of the hypervisor; gmem.c */
	SCMP_SYS(fcntl),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(munmap),
	/* malloc of the C library */
	SCMP_SYS(brk),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(getrandom),
	SCMP_SYS(futex),
	/* the end, and interrupted sleep */
	SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
};

static int allow_narrow(scmp_filter_ctx ctx)
{
	/* vconn.c asks how much is unread. */
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				 SCMP_A1(SCMP_CMP_EQ, FIONREAD, 0));

	/* hybrid.c dials unix sockets. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
	/* Guest memory and malloc: never code. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return r;
}

/**
 * isolate_syscalls() - stage 4: only what serving needs
 * @err: error
 *
 * Should: come after everything that opens, maps code or changes the process; apply to every
 *	thread, of which there is one.
 * Mustn't: leave a call that names a file, but for connect(), or another process.
 *
 * Return: 0 or -errno.
 */
int isolate_syscalls(struct err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = 0;

	if (!ctx)
		return err_set(err, ENOMEM, "seccomp: out of memory");
	for (size_t i = 0; i < ARRAY_SIZE(allowed) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (r == 0)
		r = allow_narrow(ctx);
	/* A tree costs a few comparisons per call instead of one for every rule. */
	if (r == 0)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE,
				       2); /* an older library has no such thing */
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	(void)malloc_trim(0); /* the library took more than all that follows will */
	return r < 0 ? err_set_errno(err, r, "seccomp filter") : 0;
}
