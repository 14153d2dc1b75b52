/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock-connect CID PORT: connects to a vsock port and says how that ended. Status 0 when somebody
 * answered.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

int main(int argc, char **argv)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (argc != 3)
		return 2;
	if (fd < 0) {
		printf("socket: %s\n", strerror(errno));
		return 3;
	}
	addr.svm_cid = (unsigned)strtoul(argv[1], NULL, 10);
	addr.svm_port = (unsigned)strtoul(argv[2], NULL, 10);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		printf("connect: %s\n", strerror(errno));
		return 1;
	}
	puts("connected");
	return 0;
}
