/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: Theory of operation
 *
 * What a process has given up, its children do not have: a system call filter and no_new_privs are
 * inherited for good. Hooks and loggers are other people's programs, which need not bear that. So
 * before it confines itself the process forks a starter, which waits at a socket. proc_spawn() asks
 * it for those programs, and the starter forks them as its siblings (CLONE_PARENT): they are
 * children of who asked, in every other respect as if it had forked them itself. What is asked for
 * lies in a file in memory, beside the descriptors that the program gets.
 *
 * The starter ends with the process.
 */
#include "common/starter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/proc.h"
#include "common/proc_title.h"
#include "common/str.h"

/* Of one message: the order, the report, a network namespace, and the program's. */
#define FIXED_FDS 3
#define ORDER_MAX (8U << 20)
#define STARTER_NAME "kata-starter"

struct order {
	size_t nr_args, nr_env, nr_fds;
	bool has_env, has_netns, has_cwd, new_session, die_with_parent;
	int targets[FD_PASS_MAX];
	/* The strings follow: path, arguments, environment, directory. */
};

static int starter = -1;

/**
 * starter_is_for() - is a program to be started by the starter
 * @spec: what and how
 *
 * Return: whether it is; only a program, with nothing of ours done in the child.
 */
bool starter_is_for(const struct proc_spec *spec)
{
	return starter >= 0 && spec->unfiltered && !spec->run && !spec->confine && !spec->caps &&
	       !spec->namespaces && !spec->nr_cgroup_fds && spec->nr_fds + FIXED_FDS <= FD_PASS_MAX;
}

static int add_string(struct strbuf *out, const char *text)
{
	return strbuf_add(out, text, strlen(text) + 1);
}

static int add_list(struct strbuf *out, char *const *list, size_t *ret_nr)
{
	int r = 0;

	for (*ret_nr = 0; list && list[*ret_nr] && r >= 0; (*ret_nr)++)
		r = add_string(out, list[*ret_nr]);
	return r;
}

static int write_order(const struct proc_spec *spec)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	struct order order = {
		.nr_fds = spec->nr_fds,
		.has_env = spec->envp != NULL,
		.has_netns = spec->netns_fd >= 0,
		.has_cwd = spec->cwd != NULL,
		.new_session = spec->new_session,
		.die_with_parent = spec->die_with_parent,
	};

	for (size_t i = 0; i < spec->nr_fds; i++)
		order.targets[i] = spec->fds[i].target;
	int r = add_string(&text, spec->path);
	if (r >= 0)
		r = add_list(&text, spec->argv, &order.nr_args);
	if (r >= 0)
		r = add_list(&text, spec->envp, &order.nr_env);
	if (r >= 0)
		r = add_string(&text, spec->cwd ? spec->cwd : "");
	cleanup_close int fd = r < 0 ? r : neg_errno(memfd_create("order", MFD_CLOEXEC));
	if (fd < 0)
		return fd;
	r = io_write_full(fd, &order, sizeof(order));
	if (r >= 0)
		r = io_write_full(fd, text.data, text.len);
	return r < 0 ? r : TAKE_FD(fd);
}

/**
 * starter_start() - let the starter fork a program
 * @spec: what and how, one that starter_is_for()
 * @report: pipe on which the child reports
 *
 * Return: the pid, a child of the caller, or -errno.
 */
pid_t starter_start(const struct proc_spec *spec, int report)
{
	cleanup_close int order = write_order(spec);
	int fds[FD_PASS_MAX] = { order, report, spec->netns_fd >= 0 ? spec->netns_fd : report };
	pid_t pid = 0;
	size_t nr = 0;

	if (order < 0)
		return order;
	for (size_t i = 0; i < spec->nr_fds; i++)
		fds[FIXED_FDS + i] = spec->fds[i].fd;
	ssize_t n = fd_send_msg(starter, "", 1, fds, FIXED_FDS + spec->nr_fds);
	if (n >= 0)
		n = fd_recv_msg(starter, &pid, sizeof(pid), NULL, 0, &nr);
	return n < 0 ? (pid_t)n : n != sizeof(pid) ? -ECONNRESET : pid;
}

static char *take_string(char **at, const char *end)
{
	char *text = *at, *zero = memchr(text, '\0', (size_t)(end - text));

	if (!zero)
		_exit(1);
	*at = zero + 1;
	return text;
}

static char **take_list(char **at, const char *end, size_t nr)
{
	char **list = nr < ORDER_MAX ? calloc(nr + 1, sizeof(*list)) : NULL;

	if (!list)
		_exit(1);
	for (size_t i = 0; i < nr; i++)
		list[i] = take_string(at, end);
	return list;
}

/* In the child, which has only this to do. */
static void attr_noreturn run_order(const int *fds, size_t nr_fds)
{
	struct proc_fd placed[FD_PASS_MAX];
	struct order order;
	struct stat st;

	if (fstat(fds[0], &st) < 0 || st.st_size < (off_t)sizeof(order) || st.st_size > ORDER_MAX ||
	    pread(fds[0], &order, sizeof(order), 0) != sizeof(order) ||
	    order.nr_fds + FIXED_FDS != nr_fds)
		_exit(1);
	char *text = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fds[0], 0);
	if (text == MAP_FAILED)
		_exit(1);
	char *at = text + sizeof(order), *end = text + st.st_size;
	struct proc_spec spec = {
		.path = take_string(&at, end),
		.argv = take_list(&at, end, order.nr_args),
		.fds = placed,
		.nr_fds = order.nr_fds,
		.netns_fd = order.has_netns ? fds[2] : -1,
		.new_session = order.new_session,
		.die_with_parent = order.die_with_parent,
	};
	char **env = take_list(&at, end, order.nr_env), *cwd = take_string(&at, end);

	spec.envp = order.has_env ? env : NULL;
	spec.cwd = order.has_cwd ? cwd : NULL;
	for (size_t i = 0; i < order.nr_fds; i++)
		placed[i] = (struct proc_fd){ fds[FIXED_FDS + i], order.targets[i] };
	proc_child_main(&spec, fds[1]);
}

static void attr_noreturn serve(int sock)
{
	int fds[FD_PASS_MAX], r = neg_errno(prctl(PR_SET_PDEATHSIG, SIGKILL));

	proc_take_name(STARTER_NAME);
	for (;;) {
		size_t nr = 0;
		char byte;

		if (r < 0 || fd_recv_msg(sock, &byte, 1, fds, FD_PASS_MAX, &nr) <= 0)
			_exit(0);
		pid_t pid = nr < FIXED_FDS
				    ? -EPROTO
				    : (pid_t)neg_errno(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0,
							       0, 0, 0));
		if (pid == 0)
			run_order(fds, nr);
		for (size_t i = 0; i < nr; i++)
			(void)close(fds[i]);
		if (fd_send_msg(sock, &pid, sizeof(pid), NULL, 0) < 0)
			_exit(0);
	}
}

/**
 * starter_begin() - fork the starter
 * @err: filled on failure
 *
 * To be called once, by the only thread, with the rights, namespaces and environment that the
 * programs are to have.
 *
 * Return: 0 or -errno.
 */
int starter_begin(struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	pid_t pid = fork();
	if (pid == 0) {
		/* Whoever waits for the end of a connection of ours must not wait for the starter. */
		int keep = fcntl(pair[1], F_DUPFD_CLOEXEC, 3);

		if (keep < 0 || fd_close_from(3, &keep, 1) < 0)
			_exit(1);
		serve(keep);
	}
	(void)close(pair[1]);
	if (pid < 0) {
		int r = -errno;

		(void)close(pair[0]);
		return err_set_errno(err, r, "fork");
	}
	starter = pair[0];
	return 0;
}
