/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-proxy: a vhost-user vsock device in user space. This file reads the command line, gives up
 * every right the process has and starts the loop; the device is in proxy.c.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/str.h"
#include "kata/guest.h"
#include "proxy/isolation/isolation.h"
#include "proxy/vsock/proxy.h"

#define NOBODY 65534
/* Descriptors beside those of connections. */
#define OTHER_FILES 64
#define BACKLOG 128

enum {
	OPT_VHOST_FD = 256,
	OPT_LISTEN_FD,
	OPT_SOCKET,
	OPT_CID,
	OPT_PORTS_DIR,
	OPT_USER,
	OPT_TIMEOUT,
	OPT_LOG,
	OPT_LOG_FORMAT,
	OPT_DEBUG,
};

struct options {
	int vhost_fd, listen_fd;
	char *socket;
	char *ports_dir;
	uint32_t cid, uid, gid, timeout_s;
	const char *log;
	enum log_format log_format;
	enum log_level log_level;
};

const char *argp_program_version = "kata-proxy " KATA_VERSION;

static const struct argp_option option_table[] = {
	{ "vhost-fd", OPT_VHOST_FD, "N", 0,
	  "Connected socket to the hypervisor's vhost-user chardev", 0 },
	{ "listen-fd", OPT_LISTEN_FD, "N", 0, "Listening unix socket for clients of the host", 0 },
	{ "socket", OPT_SOCKET, "PATH", 0, "Make the listening unix socket at PATH instead", 0 },
	{ "cid", OPT_CID, "N", 0, "The guest's context id (default 3)", 0 },
	{ "guest-ports-dir", OPT_PORTS_DIR, "DIR", 0,
	  "Connect the guest's port P of the host to DIR/port_P (default: PATH_P with --socket, else none)",
	  0 },
	{ "user", OPT_USER, "UID[:GID]", 0, "What root becomes (default 65534:65534)", 0 },
	{ "connect-timeout", OPT_TIMEOUT, "SECONDS", 0,
	  "How long a connection may wait for the guest (default 30)", 0 },
	{ "log", OPT_LOG, "FILE", 0, "Log to FILE instead of standard error", 0 },
	{ "log-format", OPT_LOG_FORMAT, "text|json|plain", 0,
	  "How a log line looks (default plain)", 0 },
	{ "debug", OPT_DEBUG, NULL, 0, "Log every message and connection", 0 },
	{ 0 },
};

static uint32_t number(const char *arg, uint32_t min, uint32_t max, const char *what,
		       struct argp_state *state)
{
	uint32_t value = 0;

	if (str_to_u32(arg, &value) < 0 || value < min || value > max)
		argp_error(state, "%s: '%s' is not a number from %u to %u", what, arg, min, max);
	return value;
}

static void parse_user(struct options *o, char *arg, struct argp_state *state)
{
	char *colon = strchr(arg, ':');

	if (colon)
		*colon = '\0';
	o->uid = o->gid = number(arg, 0, UINT32_MAX - 1, "--user", state);
	if (colon)
		o->gid = number(colon + 1, 0, UINT32_MAX - 1, "--user", state);
}

static void parse_format(struct options *o, const char *arg, struct argp_state *state)
{
	if (str_eq(arg, "text"))
		o->log_format = LOG_FORMAT_TEXT;
	else if (str_eq(arg, "json"))
		o->log_format = LOG_FORMAT_JSON;
	else if (str_eq(arg, "plain"))
		o->log_format = LOG_FORMAT_PLAIN;
	else
		argp_error(state, "--log-format: '%s' is none of text, json, plain", arg);
}

static void check(const struct options *o, struct argp_state *state)
{
	if (o->vhost_fd < 0)
		argp_error(state, "--vhost-fd is missing");
	if ((o->listen_fd < 0) == !o->socket)
		argp_error(state, "one of --listen-fd and --socket is needed");
	if (o->vhost_fd == o->listen_fd)
		argp_error(state, "--vhost-fd and --listen-fd are the same descriptor");
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case OPT_VHOST_FD:
		o->vhost_fd = (int)number(arg, STDERR_FILENO + 1, INT32_MAX, "--vhost-fd", state);
		return 0;
	case OPT_LISTEN_FD:
		o->listen_fd = (int)number(arg, STDERR_FILENO + 1, INT32_MAX, "--listen-fd", state);
		return 0;
	case OPT_SOCKET:
		o->socket = arg;
		return 0;
	case OPT_CID:
		o->cid = number(arg, KATA_CID_MIN, UINT32_MAX - 1, "--cid", state);
		return 0;
	case OPT_PORTS_DIR:
		o->ports_dir = arg;
		return 0;
	case OPT_USER:
		parse_user(o, arg, state);
		return 0;
	case OPT_TIMEOUT:
		o->timeout_s = number(arg, 1, 3600, "--connect-timeout", state);
		return 0;
	case OPT_LOG:
		o->log = arg;
		return 0;
	case OPT_LOG_FORMAT:
		parse_format(o, arg, state);
		return 0;
	case OPT_DEBUG:
		o->log_level = LOG_LEVEL_DEBUG;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		return 0;
	case ARGP_KEY_END:
		check(o, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parser = {
	.options = option_table,
	.parser = parse_option,
	.doc = "A vsock device for one virtual machine, in user space.",
};

static int listen_at(const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, ENAMETOOLONG, "--socket: '%s' is too long for a unix socket",
			       path);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	cleanup_close int fd =
		neg_errno(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (fd < 0)
		return err_set_errno(err, fd, "socket");
	(void)umask(0077); /* the socket is for its owner */
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, BACKLOG) < 0)
		return err_set_errno(err, -errno, "listen at %s", path);
	return TAKE_FD(fd);
}

/* Where the sockets of guest ports are: the directory, and the start of their names in it. */
static int find_ports(struct options *o, char **ret_dir, const char **ret_prefix, struct err *err)
{
	char *slash = o->socket ? strrchr(o->socket, '/') : NULL;
	static char prefix[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];

	*ret_dir = o->ports_dir;
	*ret_prefix = o->ports_dir ? "port_" : NULL;
	if (o->ports_dir || !o->socket)
		return 0;
	int n = snprintf(prefix, sizeof(prefix), "%s_", slash ? slash + 1 : o->socket);
	if (n < 0 || (size_t)n >= sizeof(prefix))
		return err_set(err, ENAMETOOLONG, "--socket: '%s' is too long", o->socket);
	/* Cuts the name off, which is not needed any more. */
	if (slash)
		slash[slash == o->socket] = '\0';
	*ret_dir = slash ? o->socket : (char *)".";
	*ret_prefix = prefix;
	return 0;
}

static int give_up_rights(const struct options *o, const char *dir, struct err *err)
{
	int keep[] = { MIN(o->vhost_fd, o->listen_fd), MAX(o->vhost_fd, o->listen_fd) };
	struct isolation iso = {
		.uid = o->uid,
		.gid = o->gid,
		.ports_dir = dir,
		.keep_fds = keep,
		.nr_keep_fds = ARRAY_SIZE(keep),
		.max_files = PROXY_CONNS_MAX + OTHER_FILES,
	};
	int r = isolate_descriptors(&iso, err);

	if (r == 0)
		r = isolate_namespaces(&iso, err);
	return r == 0 ? isolate_identity(&iso, err) : r;
}

static int serve(const struct options *o, const char *prefix, struct err *err)
{
	struct proxy_config config = {
		.cid = o->cid,
		.listen_fd = o->listen_fd,
		.port_prefix = prefix,
		.connect_timeout_ms = o->timeout_s * 1000ULL,
	};
	struct loop *loop = NULL;
	struct proxy *px = NULL;
	int r = loop_new(&loop);

	if (r < 0)
		return err_set_errno(err, r, "event loop");
	r = proxy_new(loop, &config, &px, err);
	if (r == 0)
		r = vhost_attach(&px->vhost, o->vhost_fd, err);
	if (r == 0)
		r = isolate_syscalls(err);
	if (r == 0) {
		r = loop_run(loop);
		if (r < 0)
			(void)err_set_errno(err, r, "event loop");
	}
	px = proxy_free(px);
	loop = loop_free(loop);
	return r;
}

/* A file is opened as the highest of the standard descriptors, which stage 1 keeps. */
static int open_log(const struct options *o, struct err *err)
{
	if (!o->log)
		return 0;
	cleanup_close int fd =
		neg_errno(open(o->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600));
	if (fd < 0)
		return err_set_errno(err, fd, "log file %s", o->log);
	return dup3(fd, STDERR_FILENO, O_CLOEXEC) < 0
		       ? err_set_errno(err, -errno, "log file %s", o->log)
		       : 0;
}

int main(int argc, char **argv)
{
	struct options o = {
		.vhost_fd = -1,
		.listen_fd = -1,
		.cid = KATA_CID_MIN,
		.uid = NOBODY,
		.gid = NOBODY,
		.log_format = LOG_FORMAT_PLAIN,
		.log_level = LOG_LEVEL_INFO,
	};
	struct err err = ERR_NULL;
	const char *prefix = NULL;
	char *dir = NULL;

	if (argp_parse(&parser, argc, argv, 0, NULL, &o) != 0)
		return EXIT_FAILURE;
	log_init("kata-proxy", STDERR_FILENO, o.log_format, o.log_level);
	int r = open_log(&o, &err);
	if (r == 0 && o.socket) {
		o.listen_fd = listen_at(o.socket, &err);
		r = MIN(o.listen_fd, 0);
	}
	if (r == 0)
		r = find_ports(&o, &dir, &prefix, &err);
	if (r == 0)
		r = give_up_rights(&o, dir, &err);
	if (r == 0)
		r = serve(&o, prefix, &err);
	if (r < 0)
		log_error("%s", err.text);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
