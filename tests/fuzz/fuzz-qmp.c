/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds the QMP client what a hostile QEMU might send. The first byte chooses how the rest is cut
 * into reads.
 */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/hypervisor/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_event(void *arg, const char *name, const struct json *data)
{
	(void)arg;
	(void)name;
	(void)data;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char greeting[] = "{\"QMP\":{}}\n{\"return\":{},\"id\":1}\n";
	static struct loop *loop;
	struct qmp *qmp;
	size_t step;
	int pair[2];

	if (!loop && loop_new(&loop) < 0)
		return 0;
	(void)signal(SIGPIPE, SIG_IGN);
	if (size < 1 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	if (qmp_new(loop, pair[0], on_event, NULL, &qmp) < 0)
		abort();
	step = 1 + (data[0] & 63);
	/* Half of the inputs start behind the handshake. */
	if ((data[0] & 64) && qmp_feed(qmp, greeting, sizeof(greeting) - 1) < 0)
		abort();
	for (size_t pos = 1; pos < size; pos += step)
		if (qmp_feed(qmp, (const char *)data + pos, size - pos < step ? size - pos : step) <
		    0)
			break;
	(void)qmp_free(qmp);
	(void)close(pair[1]);
	return 0;
}
