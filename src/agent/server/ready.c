/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line on the console, and the same on a virtio-serial port for hosts that have no vsock yet (a
 * VM that becomes a template). The kernel learns the ports' names some time after it has started,
 * so the port may appear later.
 */
#include "agent/server/ready.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "agent/core/agent.h"
#include "common/err.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"

#define PORTS_DIR "/sys/class/virtio-ports"

static bool has_name(const char *port)
{
	cleanup_free char *name = NULL;
	char path[320];

	(void)snprintf(path, sizeof(path), PORTS_DIR "/%s/name", port);
	ssize_t n = io_read_file_at(AT_FDCWD, path, 256, &name);
	if (n > 0 && name[n - 1] == '\n')
		name[n - 1] = '\0';
	return n > 0 && str_eq(name, READY_PORT);
}

static bool find_port(char *ret, size_t size)
{
	DIR *dir = opendir(PORTS_DIR);
	bool found = false;

	if (!dir)
		return false;
	for (struct dirent *e = readdir(dir); e && !found; e = readdir(dir)) {
		found = e->d_name[0] != '.' && has_name(e->d_name);
		if (found)
			(void)snprintf(ret, size, "/dev/%s", e->d_name);
	}
	(void)closedir(dir);
	return found;
}

/* There is room in the port: write the line that did not fit before. */
static void on_writable(void *arg, unsigned events)
{
	struct ready *ready = arg;

	(void)events;
	if (write(ready->fd, READY_LINE, strlen(READY_LINE)) < 0 && errno == EAGAIN)
		return;
	ready->source = loop_source_free(ready->source);
}

/* Looks for the port now and after every uevent, until it is there. */
static void on_change(void *arg)
{
	struct ready *ready = arg;
	char path[288];

	if (ready->fd >= 0 || !find_port(path, sizeof(path)))
		return;
	/* Held open for ever: to the host a closed port looks like an agent that has gone. */
	ready->fd = neg_errno(open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
	if (ready->fd < 0)
		return;
	if (write(ready->fd, READY_LINE, strlen(READY_LINE)) < 0 && errno == EAGAIN &&
	    loop_add_io(ready->agent->loop, ready->fd, LOOP_WRITE, on_writable, ready,
			&ready->source) < 0)
		log_warn("%s: cannot be written", path);
	uevents_unlisten(&ready->listener);
}

/*
 * Connects to the host and closes again: kata-proxy takes any sign of life as the time to repeat
 * the host's connection that was refused before (docs/proxy.md). Whether anybody listens there does
 * not matter.
 */
static void knock(const struct agent_addr *addr)
{
	struct sockaddr_vm host = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = addr->port,
	};

	if (addr->type != AGENT_ADDR_VSOCK)
		return;
	cleanup_close int fd =
		neg_errno(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (fd < 0 ||
	    (connect(fd, (struct sockaddr *)&host, sizeof(host)) < 0 && errno != EINPROGRESS))
		log_debug("the host does not hear a knock"); /* it looks by itself soon */
}

/**
 * ready_announce() - say that the agent listens
 * @ready: receives the port; must stay in place until ready_deinit()
 * @agent: agent
 */
void ready_announce(struct ready *ready, struct agent *agent)
{
	ready->agent = agent;
	knock(&agent->config.server);
	/* Written past the log: the host waits for this line whatever the log level is. */
	if (agent->console_fd >= 0 && write(agent->console_fd, READY_LINE, strlen(READY_LINE)) < 0)
		log_debug("the console takes no more");
	uevents_listen(&agent->uevents, &ready->listener, on_change, ready);
	on_change(ready);
}

/**
 * ready_deinit() - close the port, which tells the host that the agent has gone
 * @ready: READY_NULL or announced; may be done twice
 */
void ready_deinit(struct ready *ready)
{
	uevents_unlisten(&ready->listener);
	ready->source = loop_source_free(ready->source);
	ready->fd = fd_close(ready->fd);
}
