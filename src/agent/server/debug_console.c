/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One shell per connection to agent.debug_console_vport, on a pty; without a port one shell on the
 * console. The shell comes with the guest's image; our own initrd holds none.
 */
#include "agent/server/debug_console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/core/agent.h"
#include "agent/stream/stdio_relay.h"
#include "agent/util/child.h"
#include "common/fd.h"
#include "common/proc.h"

static const char *const shells[] = { "/bin/bash", "/usr/bin/bash", "/bin/sh", "/usr/bin/sh" };

struct shell {
	struct proc proc;
	struct child child;
};

static void reap_main(void *arg)
{
	struct shell *shell = arg;

	/* Its exit status does not matter. */
	(void)proc_wait_fiber(&shell->proc, LOOP_FOREVER, NULL);
	child_reaped(&shell->child);
	proc_deinit(&shell->proc);
	free(shell);
}

static int run_shell(struct agent *agent, int tty, struct err *err)
{
	char *argv[] = { NULL, NULL };
	struct proc_fd fds[] = { { tty, 0 }, { tty, 1 }, { tty, 2 } };
	struct shell *shell = calloc(1, sizeof(*shell));

	for (size_t i = 0; i < ARRAY_SIZE(shells) && !argv[0]; i++)
		if (access(shells[i], X_OK) == 0)
			argv[0] = (char *)(uintptr_t)shells[i];
	struct proc_spec spec = {
		.path = argv[0],
		.argv = argv,
		.fds = fds,
		.nr_fds = ARRAY_SIZE(fds),
		.cwd = "/",
		.netns_fd = -1,
		.new_session = true,
	};
	int r = !shell	   ? err_set(err, ENOMEM, "out of memory")
		: !argv[0] ? err_set(err, ENOENT, "the guest's image has no shell")
			   : proc_spawn(&spec, &shell->proc, err);
	if (r < 0) {
		free(shell);
		return r;
	}
	child_add(&agent->children, &shell->child, shell->proc.pid);
	r = fiber_spawn(agent->loop, "shell", reap_main, shell, NULL);
	/* Without a fiber nobody waits for it: from now on the reaper takes its status. */
	if (r < 0) {
		child_reaped(&shell->child);
		proc_deinit(&shell->proc);
		free(shell);
		return err_set_errno(err, r, "debug console");
	}
	return 0;
}

static int open_pty(int *ret_slave)
{
	cleanup_close int master =
		neg_errno(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
	char name[64];

	if (master < 0)
		return master;
	if (grantpt(master) < 0 || unlockpt(master) < 0 ||
	    ptsname_r(master, name, sizeof(name)) != 0)
		return -errno;
	*ret_slave = neg_errno(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
	return *ret_slave < 0 ? *ret_slave : TAKE_FD(master);
}

/**
 * debug_console_serve() - a shell on a pty, for a connection of the host
 * @agent: agent
 * @conn_consume: connection
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int debug_console_serve(struct agent *agent, int conn_consume, struct err *err)
{
	cleanup_close int conn = conn_consume;
	struct stdio_relay *out, *in;
	int slave = -1, conn_in, tty_in;
	cleanup_close int master = open_pty(&slave);
	int r = master < 0 ? err_set_errno(err, master, "open a pty")
			   : run_shell(agent, slave, err);

	(void)fd_close(slave);
	if (r < 0)
		return r;
	conn_in = neg_errno(fcntl(conn, F_DUPFD_CLOEXEC, 3));
	tty_in = neg_errno(fcntl(master, F_DUPFD_CLOEXEC, 3));
	if (conn_in >= 0 && tty_in >= 0)
		r = stdio_relay_start(&agent->streams, agent->loop, STDIO_OUT, TAKE_FD(conn),
				      TAKE_FD(master), &out);
	else
		r = -EMFILE;
	if (r < 0) {
		(void)fd_close(conn_in);
		(void)fd_close(tty_in);
	} else {
		r = stdio_relay_start(&agent->streams, agent->loop, STDIO_IN, conn_in, tty_in, &in);
	}
	if (r < 0)
		return err_set_errno(err, r, "debug console");
	stdio_relay_link(out, in);
	return 0;
}

/**
 * debug_console_run() - a shell on the guest's console
 * @agent: agent
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int debug_console_run(struct agent *agent, struct err *err)
{
	if (agent->console_fd < 0)
		return err_set(err, ENODEV, "there is no console for a shell");
	cleanup_close int console = neg_errno(open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC));
	return console < 0 ? err_set_errno(err, console, "open /dev/console")
			   : run_shell(agent, console, err);
}
