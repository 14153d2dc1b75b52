/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stand-in process. After fork it uses no heap, no stdio and no library with state: system
 * calls on a few descriptors only. The verb's end is in runtime/standin/standin.c.
 */
#include "runtime/standin/standin_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/proc_title.h"
#include "runtime/standin/standin_ps.h"

/* One per process, so static: nothing of it is ever freed. */
static struct {
	int control; /* -1 once committed */
	int shim;
	int signals;
	int tty; /* -1 without a terminal of its own */
} self;

static attr_noreturn void give_up(int r, const char *step)
{
	struct standin_reply reply = { .r = r };

	strncpy(reply.step, step, sizeof(reply.step) - 1);
	if (fd_send_msg(self.control, &reply, sizeof(reply), NULL, 0) < 0)
		_exit(STANDIN_EXIT_LOST); /* the parent has gone too */
	_exit(STANDIN_EXIT_LOST);
}

static int enter_netns(const struct standin_setup *setup, int netns_fd)
{
	if (setup->netns == STANDIN_NETNS_NEW)
		return neg_errno(unshare(CLONE_NEWNET));
	if (setup->netns == STANDIN_NETNS_JOIN)
		return neg_errno(setns(netns_fd, CLONE_NEWNET));
	return 0;
}

static int connect_shim(int sandbox_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = neg_errno(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));

	if (fd < 0)
		return fd;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", sandbox_fd,
		 KATA_SOCKET_STANDIN);
	int r = neg_errno(connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	return r < 0 ? r : fd;
}

static void say_hello(const struct standin_setup *setup)
{
	struct standin_msg msg = { .type = STANDIN_HELLO, .terminal = setup->terminal };
	int fds[] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, -1 };

	fds[3] = neg_errno(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
	if (fds[3] < 0)
		give_up(fds[3], "open its network namespace");
	msg.rows = setup->rows;
	msg.columns = setup->columns;
	memcpy(msg.key, setup->key, sizeof(msg.key));
	ssize_t n = fd_send_msg(self.shim, &msg, sizeof(msg), fds, ARRAY_SIZE(fds));
	if (n < 0)
		give_up((int)n, "register with the shim");
	(void)close(fds[3]); /* the shim has its own */
}

static void await_ready(void)
{
	struct standin_msg msg;
	size_t nr_fds;
	struct pollfd fds[] = { { .fd = self.shim, .events = POLLIN },
				{ .fd = self.control, .events = 0 } };

	while (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		; /* every signal is blocked: EINTR only after a stop */
	if (fds[1].revents)
		_exit(STANDIN_EXIT_LOST);
	ssize_t n = fd_recv_msg(self.shim, &msg, sizeof(msg), NULL, 0, &nr_fds);
	if (n != (ssize_t)sizeof(msg) || msg.type != STANDIN_READY)
		give_up(n < 0 ? (int)n : -ECONNRESET, "register with the shim");
}

/* Stdio is the shim's from here on; a kept end would hide the end of file from the manager. */
static void drop_stdio(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			(void)close(fd);
	if (null > STDERR_FILENO)
		(void)close(null);
}

static void take_terminal(int tty_fd)
{
	int r = neg_errno(ioctl(tty_fd, TIOCSCTTY, 0));

	if (r < 0)
		give_up(r, "take its terminal");
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(tty_fd, fd) < 0)
			give_up(-errno, "use its terminal");
	self.tty = tty_fd;
}

/* Best effort: an image without /proc shows its own processes to nobody. */
static void mount_own_proc(void)
{
	int dir = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int fs = dir < 0 ? -1 : fsopen("proc", FSOPEN_CLOEXEC);
	int tree = fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0
			   ? -1
			   : fsmount(fs, FSMOUNT_CLOEXEC,
				     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);

	if (tree >= 0)
		(void)move_mount(tree, "", dir, "",
				 MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	(void)fd_close(tree);
	(void)fd_close(fs);
	(void)fd_close(dir);
}

/*
 * From here on the process's root is the container's. Nothing is opened by name in it: its files
 * are the guest's to change. Managers copy files through it; a program of the host that enters it
 * runs none of the guest's and opens none of its devices. See pivot_root(2), "pivot_root(".", ".")".
 */
static void enter_root(int root_fd)
{
	struct mount_attr inert = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
						MOUNT_ATTR_NOEXEC };

	if (mount_setattr(root_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &inert, sizeof(inert)) < 0)
		give_up(-errno, "make the root file system inert");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		give_up(-errno, "leave the host's mounts");
	/* Any directory serves for the moment; this one exists everywhere. */
	if (move_mount(root_fd, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		give_up(-errno, "mount the root file system");
	/* The copy of a shared mount is shared, and pivot_root(2) takes only a private one. */
	if (fchdir(root_fd) < 0 || mount(NULL, ".", NULL, MS_PRIVATE, NULL) < 0 ||
	    syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		give_up(-errno, "enter the root file system");
	mount_own_proc();
	(void)fd_close(root_fd);
}

/*
 * setns(2) puts only later children into a PID namespace. CLONE_PARENT makes this one a child of
 * the verb, which it replies to once it is set up; this process tells its pid and ends.
 */
static void enter_pidns(int pidns_fd)
{
	struct standin_reply reply = { 0 };

	if (setns(pidns_fd, CLONE_NEWPID) < 0)
		give_up(-errno, "join the PID namespace");
	reply.pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, 0);
	if (reply.pid < 0)
		give_up(-errno, "fork in the PID namespace");
	if (reply.pid > 0) {
		ssize_t n = fd_send_msg(self.control, &reply, sizeof(reply), NULL, 0);
		_exit(n < 0 ? STANDIN_EXIT_LOST : 0);
	}
	if (setsid() < 0)
		give_up(-errno, "lead a session");
}

/*
 * What is left to do is to wait, to show the guest's processes under their users for a while
 * (runtime/standin/standin_ps.c) and to lock memory once, after an OOM kill.
 */
static void drop_rights(void)
{
	const uint32_t kept = 1U << CAP_KILL | 1U << CAP_SETUID | 1U << CAP_SETGID |
			      1U << CAP_IPC_LOCK;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, now) < 0)
		give_up(-errno, "see its capabilities");
	for (size_t i = 0; i < ARRAY_SIZE(now); i++) {
		now[i].permitted &= i == 0 ? kept : 0;
		now[i].effective = now[i].permitted;
		now[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, now) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		give_up(-errno, "drop its rights");
}

static void set_up(void)
{
	static struct standin_setup setup; /* not on the stack: the process should stay small */
	static const struct standin_reply ok;
	int fds[STANDIN_SETUP_FDS];
	size_t nr_fds;
	ssize_t n = fd_recv_msg(self.control, &setup, sizeof(setup), fds, ARRAY_SIZE(fds), &nr_fds);

	if (n != (ssize_t)sizeof(setup) || nr_fds != 1U + (setup.netns == STANDIN_NETNS_JOIN) +
							     setup.has_tty + setup.has_root +
							     setup.has_pidns)
		_exit(STANDIN_EXIT_LOST); /* the parent ended, or changed its mind */
	const int *next = fds + 1;
	int netns_fd = setup.netns == STANDIN_NETNS_JOIN ? *next++ : -1;
	int tty_fd = setup.has_tty ? *next++ : -1;
	int root_fd = setup.has_root ? *next++ : -1;
	int pidns_fd = setup.has_pidns ? *next++ : -1;
	if (pidns_fd >= 0)
		enter_pidns(pidns_fd);
	int r = enter_netns(&setup, netns_fd);
	if (r < 0)
		give_up(r, setup.netns == STANDIN_NETNS_NEW ? "make a network namespace"
							    : "join the network namespace");
	if (tty_fd >= 0)
		take_terminal(tty_fd);
	proc_title_set(setup.title, setup.title_len);
	self.shim = connect_shim(fds[0]);
	if (self.shim < 0)
		give_up(self.shim, "connect to the shim");
	say_hello(&setup);
	await_ready();
	drop_stdio();
	if (root_fd >= 0)
		enter_root(root_fd);
	(void)close(fds[0]);
	(void)fd_close(netns_fd);
	(void)fd_close(pidns_fd);
	drop_rights();
	n = fd_send_msg(self.control, &ok, sizeof(ok), NULL, 0);
	if (n < 0)
		_exit(STANDIN_EXIT_LOST);
}

static void send_shim(const struct standin_msg *msg)
{
	ssize_t n = fd_send_msg(self.shim, msg, sizeof(*msg), NULL, 0);

	(void)n; /* a shim that cannot take it is about to end: seen by poll */
}

static void handle_signal(void)
{
	struct signalfd_siginfo info;
	struct standin_msg msg = { .type = STANDIN_SIGNAL };
	struct winsize size;

	if (read(self.signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGCHLD:
	case SIGPIPE:
	case SIGURG:
		return;
	case SIGWINCH:
		if (self.tty < 0 || ioctl(self.tty, TIOCGWINSZ, &size) < 0)
			return;
		msg.type = STANDIN_RESIZE;
		msg.rows = size.ws_row;
		msg.columns = size.ws_col;
		break;
	default:
		msg.value = (int)info.ssi_signo;
	}
	send_shim(&msg);
}

/*
 * Managers learn of an OOM kill from the container's cgroup on the host, where there is none when
 * the guest's kernel does the killing. A child repeats it there: the shim has set the limit a
 * little above what is used, after the VM has gone, and the child takes memory until the kernel
 * ends it.
 */
static void run_out_of_memory(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (size_t taken = 0; taken < STANDIN_OOM_MAX; taken += STANDIN_OOM_STEP) {
			void *p = mmap(NULL, STANDIN_OOM_STEP, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1,
				       0);
			if (p == MAP_FAILED)
				break;
			memset(p, 1, STANDIN_OOM_STEP);
		}
		_exit(0);
	}
	if (pid > 0)
		(void)waitpid(
			pid, NULL,
			/* bounded by the two constants; how it ended is the kernel's business */
			0);
}

static void handle_shim(void)
{
	struct standin_msg msg;
	int fd = -1;
	size_t nr_fds = 0;
	ssize_t n = fd_recv_msg(self.shim, &msg, sizeof(msg), &fd, 1, &nr_fds);

	if (n == (ssize_t)sizeof(msg) && msg.type == STANDIN_EXIT)
		_exit(msg.value & 0xff);
	if (n == (ssize_t)sizeof(msg) && msg.type == STANDIN_OOM) {
		run_out_of_memory();
		return;
	}
	if (n == (ssize_t)sizeof(msg) && msg.type == STANDIN_PROCESSES && nr_fds == 1) {
		standin_ps_show(fd, msg.value);
		(void)close(fd);
		send_shim(&msg);
		return;
	}
	if (nr_fds)
		(void)close(fd);
	if (n != -EAGAIN && n != -EINTR)
		_exit(STANDIN_EXIT_LOST);
}

static void handle_control(void)
{
	char commit;

	if (recv(self.control, &commit, 1, 0) != 1)
		_exit(STANDIN_EXIT_LOST);
	(void)close(self.control);
	self.control = -1;
}

/**
 * standin_child() - be a stand-in, from fork to end
 * @control: socket to the parent; every other descriptor but stdio is closed
 */
void standin_child(int control)
{
	sigset_t all;

	self.control = control;
	self.shim = -1;
	self.tty = -1;
	(void)sigfillset(&all); /* both cannot fail with these arguments */
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	if (setsid() < 0)
		give_up(-errno, "lead a session");
	if (chdir("/") < 0)
		give_up(-errno, "leave its directory");
	int r = fd_close_from(STDERR_FILENO + 1, &control, 1);
	if (r < 0)
		give_up(r, "close descriptors");
	set_up();
	self.signals = neg_errno(signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
	if (self.signals < 0)
		give_up(self.signals, "receive signals");
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = self.shim, .events = POLLIN },
			{ .fd = self.signals, .events = POLLIN },
			{ .fd = self.control, .events = POLLIN }, /* skipped when -1 */
		};

		if (poll(fds, ARRAY_SIZE(fds), standin_ps_timeout_ms()) < 0)
			continue;
		if (standin_ps_timeout_ms() == 0)
			standin_ps_end();
		/*
		 * The status first: a parent or a signal that comes at the same moment must not win
		 * over it.
		 */
		if (fds[0].revents)
			handle_shim();
		if (fds[2].revents)
			handle_control();
		if (fds[1].revents)
			handle_signal();
	}
}
