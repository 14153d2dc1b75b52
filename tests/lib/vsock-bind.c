/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock-bind PORT...: takes vsock ports, and says of each "free" or why not. Linked statically, so that
 * it runs in any root file system.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct sockaddr_vm addr = { .svm_family = AF_VSOCK,
					    .svm_cid = VMADDR_CID_ANY,
					    .svm_port = (unsigned)atoi(argv[i]) };
		int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
		int r = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&addr, sizeof(addr));

		printf("%s: %s\n", argv[i], r < 0 ? strerror(errno) : "free");
	}
	return 0;
}
