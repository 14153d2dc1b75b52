/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix-socket listen|connect|pipe PATH: one says "listening" and sends "hello" to the first that connects, the other
 * prints what it receives; the third sends its standard input and prints what it receives, until that ends. It runs in
 * containers: link it statically.
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

static int copy(int from, int to)
{
	char buf[65536];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(to, buf, (size_t)n) != n)
			return -1;
	return (int)n;
}

int main(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[16] = "";

	if (argc != 3 || fd < 0)
		return fail("socket");
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", argv[2]);
	if (!strcmp(argv[1], "pipe")) {
		if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
			return fail("connect");
		if (fork() == 0)
			return copy(STDIN_FILENO, fd) < 0 || shutdown(fd, SHUT_WR) < 0;
		return copy(fd, STDOUT_FILENO) < 0;
	}
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
