/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel vsock lets any user of the host dial any port of the guest. The console is a channel that
 * only the VM's own shim has: it carries a secret, and who does not know that is not served.
 */
#include "agent/server/secret.h"

#include <errno.h>
#include <string.h>

#include "agent/server/console_line.h"
#include "common/hex.h"
#include "common/io.h"
#include "common/loop.h"

/* A host under load answers late; one that does not answer at all ends the VM itself. */
#define ANSWER_MS 60000
#define ANSWER_LEN (4 * KATA_SECRET_LEN)

/* Reads a line that is exactly that long. Return: 0, -EBADMSG for another, or -errno. */
static int read_answer(int fd, struct kata_secret *ret)
{
	char line[ANSWER_LEN + 1];
	ssize_t n = console_line_read(fd, line, sizeof(line), loop_deadline_ms(ANSWER_MS));
	int r = n < 0 ? (int)n : 0;

	if (r == -EMSGSIZE || (r == 0 && n != sizeof(line)))
		r = -EBADMSG;
	if (r == 0)
		r = hex_read(line, sizeof(*ret), ret);
	explicit_bzero(line, sizeof(line));
	return r;
}

/**
 * secret_ask() - ask the host for the sandbox's secret, and wait for it
 * @console_fd: the console
 * @ret: receives the secret
 * @err: filled on failure
 *
 * See KATA_SECRET_ASK in kata/guest.h.
 *
 * Return: 0, -ETIMEDOUT when the host does not answer in a minute, -EBADMSG when what it answers is
 * no secret, or -errno.
 */
int secret_ask(int console_fd, struct kata_secret *ret, struct err *err)
{
	static const char ask[] = KATA_SECRET_ASK "\n";
	struct kata_secret secret;
	int r = console_fd < 0 ? -ENODEV : console_line_set_echo(console_fd, false);

	if (r >= 0)
		r = io_write_full(console_fd, ask, sizeof(ask) - 1);
	if (r >= 0)
		r = read_answer(console_fd, &secret);
	if (r < 0)
		return err_set_errno(err, r, "ask the host for the sandbox's secret");
	*ret = secret;
	explicit_bzero(&secret, sizeof(secret));
	(void)console_line_set_echo(console_fd,
				    true); /* a debug shell there would be blind, no more */
	return 0;
}
