/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify-wait DIR NAME: says "watching" and ends when inotify tells that NAME was moved into DIR. It runs in
 * containers: link it statically.
 */
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	int fd = inotify_init1(IN_CLOEXEC);
	ssize_t n;

	if (argc != 3 || fd < 0 || inotify_add_watch(fd, argv[1], IN_MOVED_TO) < 0) {
		perror("inotify-wait");
		return 1;
	}
	puts("watching");
	fflush(stdout);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (char *at = buf; at < buf + n;) {
			const struct inotify_event *event = (const struct inotify_event *)at;

			if (event->len && !strcmp(event->name, argv[2]))
				return 0;
			at += sizeof(*event) + event->len;
		}
	}
	perror("inotify-wait");
	return 1;
}
