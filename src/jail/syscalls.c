/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of a program that manages a VM, and of what it starts: a filter is inherited.
 * It leaves the kernel's less used and less tested half out of reach: tracing and reading other
 * processes, kernel modules and images, keys, performance events, userfaultfd, clocks, swap, quota,
 * accounting, old and foreign system calls. What it starts has tighter filters of its own.
 *
 * A call that is not in the list fails with ENOSYS, as on a kernel that has no such call: libraries
 * try newer ones first.
 */
#include "jail/syscalls.h"

#include <errno.h>
#include <malloc.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>

#include "common/fiber_sanitize.h"
#include "common/str.h"

/* For each purpose the names, with a space behind each. */
static const char *const allowed[] = {
	/* files by descriptor and by name: configuration, state, the shared tree, disks, firmware */
	"access faccessat faccessat2 open openat openat2 creat close close_range read "
	"write pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 lseek "
	"_llseek stat fstat lstat newfstatat fstatat64 stat64 fstat64 lstat64 statx "
	"statfs fstatfs statfs64 fstatfs64 readlink readlinkat getdents getdents64 "
	"mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat "
	"symlink symlinkat mknod mknodat chmod fchmod fchmodat fchmodat2 chown fchown "
	"lchown fchownat chown32 fchown32 lchown32 utime utimes utimensat "
	"utimensat_time64 futimesat truncate ftruncate truncate64 ftruncate64 "
	"fallocate fadvise64 fadvise64_64 arm_fadvise64_64 fsync fdatasync sync syncfs "
	"sync_file_range readahead copy_file_range sendfile sendfile64 splice tee "
	"vmsplice getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr listxattr "
	"llistxattr flistxattr removexattr lremovexattr fremovexattr setxattrat "
	"getxattrat listxattrat removexattrat flock fcntl fcntl64 ioctl dup dup2 dup3 "
	"pipe pipe2 chdir fchdir getcwd umask chroot inotify_init inotify_init1 "
	"inotify_add_watch inotify_rm_watch name_to_handle_at open_by_handle_at "
	"memfd_create cachestat ",
	/* mounts and namespaces: the shared tree, the jail, virtiofsd's and kata-proxy's own */
	"mount umount2 pivot_root setns unshare open_tree open_tree_attr move_mount "
	"mount_setattr fsopen fsconfig fsmount fspick statmount listmount sethostname ",
	/* waiting */
	"poll ppoll ppoll_time64 select pselect6 pselect6_time64 _newselect "
	"epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 "
	"eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime "
	"timerfd_gettime timerfd_settime64 timerfd_gettime64 timer_create "
	"timer_settime timer_gettime timer_delete timer_getoverrun timer_settime64 "
	"timer_gettime64 alarm setitimer getitimer nanosleep clock_nanosleep "
	"clock_nanosleep_time64 clock_gettime clock_gettime64 clock_getres "
	"clock_getres_time64 gettimeofday time times pause ",
	/* sockets: the manager, agent, QMP, netlink, vsock */
	"socket socketpair bind listen accept accept4 connect getsockname getpeername "
	"getsockopt setsockopt shutdown sendto sendmsg sendmmsg recvfrom recvmsg "
	"recvmmsg recvmmsg_time64 socketcall ",
	/* memory, of QEMU for its guest above all */
	"brk mmap mmap2 munmap mremap mprotect madvise msync mincore mlock mlock2 "
	"munlock mlockall munlockall membarrier mbind set_mempolicy get_mempolicy "
	"set_mempolicy_home_node pkey_alloc pkey_free pkey_mprotect mseal "
	"map_shadow_stack shmget shmat shmdt shmctl ",
	/* processes and threads */
	"fork vfork clone clone3 execve execveat exit exit_group wait4 waitid waitpid "
	"kill tkill tgkill pidfd_open pidfd_send_signal pidfd_getfd getpid gettid "
	"getppid getpgid getpgrp getsid setpgid setsid set_tid_address set_robust_list "
	"get_robust_list rseq arch_prctl set_tls prctl futex futex_time64 futex_waitv "
	"futex_wake futex_wait futex_requeue rt_sigaction rt_sigprocmask rt_sigreturn "
	"rt_sigsuspend rt_sigpending rt_sigtimedwait rt_sigtimedwait_time64 "
	"rt_sigqueueinfo sigaltstack sigreturn restart_syscall sched_yield "
	"sched_getaffinity sched_setaffinity sched_getscheduler sched_setscheduler "
	"sched_getparam sched_setparam sched_getattr sched_setattr "
	"sched_get_priority_max sched_get_priority_min getpriority setpriority "
	"ioprio_get ioprio_set getcpu getrlimit setrlimit ugetrlimit prlimit64 "
	"getrusage sysinfo uname getrandom seccomp landlock_create_ruleset "
	"landlock_restrict_self ",
	/* identities: helpers give theirs up, virtiofsd acts for the users of the guest */
	"getuid geteuid getgid getegid getuid32 geteuid32 getgid32 getegid32 getresuid "
	"getresgid getresuid32 getresgid32 getgroups getgroups32 setuid setgid "
	"setreuid setregid setresuid setresgid setuid32 setgid32 setreuid32 setregid32 "
	"setresuid32 setresgid32 setgroups setgroups32 setfsuid setfsgid setfsuid32 "
	"setfsgid32 capget capset landlock_create_ruleset landlock_add_rule "
	"landlock_restrict_self ",
	/* asynchronous I/O of QEMU's disks */
	"io_setup io_submit io_getevents io_pgetevents io_pgetevents_time64 io_cancel "
	"io_destroy io_uring_setup io_uring_enter io_uring_register ",
	/* device lists of cgroups, and where sockets of the host's network are looked up */
	"bpf ",
#ifdef FIBER_SANITIZE
	/* LeakSanitizer stops the process at its end. */
	"ptrace ",
#endif
};

static int allow(scmp_filter_ctx ctx, const char *names)
{
	int r = 0;

	while (*names && r == 0) {
		size_t len = strcspn(names, " ");
		char name[32];

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, names);
		names += len + 1;
		int nr = seccomp_syscall_resolve_name(name);
		/* Of another architecture, or younger than the library: as if it were not there. */
		if (nr >= 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	}
	return r;
}

static int load(scmp_filter_ctx ctx)
{
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 1);

	for (size_t i = 0; i < ARRAY_SIZE(allowed) && r == 0; i++)
		r = allow(ctx, allowed[i]);
	if (r == 0)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE,
				       2); /* an older library has no such thing */
	return r == 0 ? seccomp_load(ctx) : r;
}

/**
 * syscalls_confine() - leave this process, and all that it starts, the calls above
 * @err: filled on failure
 *
 * Should: come before anything of the guest is read; be the only thread.
 * Mustn't: be called before the starter of others' programs was made (common/starter.h): they
 *	would inherit the filter, and gain no privileges.
 *
 * Return: 0 or -errno.
 */
int syscalls_confine(struct err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));

	if (!ctx)
		return err_set(err, ENOMEM, "seccomp: out of memory");
	int r = load(ctx);
	seccomp_release(ctx);
	(void)malloc_trim(0); /* the library took more than all that follows will */
	return r < 0 ? err_set_errno(err, r, "seccomp filter") : 0;
}
