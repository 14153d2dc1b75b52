/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix-socket listen|connect PATH: one says "listening" and sends "hello" to the first that connects, the other prints
 * what it receives. It runs in containers: link it statically.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[16] = "";

	if (argc != 3 || fd < 0)
		return fail("socket");
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", argv[2]);
	if (!strcmp(argv[1], "connect")) {
		if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		    read(fd, text, sizeof(text) - 1) < 0)
			return fail("connect");
		return puts(text) < 0;
	}
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0)
		return fail("listen");
	puts("listening");
	fflush(stdout);
	int peer = accept(fd, NULL, NULL);
	return peer < 0 || write(peer, "hello", 5) != 5 ? fail("accept") : 0;
}
