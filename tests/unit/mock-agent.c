/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See mock-agent.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mock-agent.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fiber.h"

int mock_answer(void *ctx, struct rpc_request *call, const void *req, void *resp, struct err *err)
{
	(void)ctx;
	(void)call;
	(void)req;
	(void)resp;
	(void)err;
	return 0;
}

int mock_answer_never(void *ctx, struct rpc_request *call, const void *req, void *resp,
		      struct err *err)
{
	(void)ctx;
	(void)call;
	(void)req;
	(void)resp;
	(void)err;
	return fiber_sleep_until(LOOP_FOREVER);
}

struct rpc_server *mock_agent_connect(const struct rpc_handler *handlers, size_t nr, void *ctx,
				      struct rpc_client **ret)
{
	struct rpc_server *server;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	assert_int_equal(rpc_server_new(fiber_loop(), handlers, nr, ctx, &server), 0);
	assert_int_equal(rpc_server_add_connection(server, pair[1]), 0);
	assert_int_equal(rpc_client_new(fiber_loop(), pair[0], ret), 0);
	return server;
}

void mock_on_process(void *arg, struct sb_process *process)
{
	(void)arg;
	(void)process;
}

void mock_on_oom(void *arg, struct sb_container *ctr)
{
	(void)arg;
	(void)ctr;
}

void mock_on_gone(void *arg, const char *reason)
{
	(void)arg;
	(void)reason;
}

int mock_hybrid_listen(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) <
		    sizeof(addr.sun_path));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

int mock_hybrid_accept(int listen_fd, char *line, size_t size)
{
	while (fiber_wait_fd(listen_fd, LOOP_READ, LOOP_FOREVER) >= 0) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			continue;
		ssize_t n = fiber_read(fd, line, size - 1, loop_deadline_ms(5000));

		line[n < 0 ? 0 : n] = '\0';
		return fd;
	}
	return -1;
}

void mock_hybrid_connected(int fd, unsigned port)
{
	char answer[32];
	int len = snprintf(answer, sizeof(answer), "OK %u\n", port);

	(void)fiber_write_full(fd, answer, (size_t)len, loop_deadline_ms(5000));
}
