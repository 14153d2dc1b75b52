/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel vsock lets any user of the host dial any port of the guest. The console is a channel that
 * only the VM's own shim has: it carries a secret, and who does not know that is not served.
 */
#include "agent/server/secret.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/io.h"
#include "common/loop.h"

/* A host under load answers late; one that does not answer at all ends the VM itself. */
#define ANSWER_MS 60000
#define ANSWER_LEN (4 * KATA_SECRET_LEN)

static int hex_value(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse(const char *digits, uint8_t *ret, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int high = hex_value(digits[2 * i]), low = hex_value(digits[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* Reads a line that is exactly that long. Return: 0, -EBADMSG for another, or -errno. */
static int read_answer(int fd, char answer[ANSWER_LEN])
{
	uint64_t deadline_ns = loop_deadline_ms(ANSWER_MS);
	char line[ANSWER_LEN + 1];
	size_t len = 0;

	while (len < sizeof(line)) {
		uint64_t now_ns = loop_now_ns();
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		if (now_ns >= deadline_ns)
			return -ETIMEDOUT;
		(void)poll(&pfd, 1, (int)((deadline_ns - now_ns) / 1000000) + 1);
		ssize_t n = read(fd, line + len, sizeof(line) - len);
		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
		if (memchr(line, '\n', len))
			break;
	}
	if (len != sizeof(line) || line[ANSWER_LEN] != '\n')
		return -EBADMSG;
	memcpy(answer, line, ANSWER_LEN);
	return 0;
}

/* The answer must not be seen on the console, where the host logs what the guest says. */
static int set_echo(int fd, bool on)
{
	struct termios tio;

	if (tcgetattr(fd, &tio) < 0)
		return errno == ENOTTY ? 0 : -errno;
	tio.c_lflag = on ? tio.c_lflag | ECHO : tio.c_lflag & ~(tcflag_t)ECHO;
	return neg_errno(tcsetattr(fd, TCSANOW, &tio));
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
	char answer[ANSWER_LEN];
	int r = console_fd < 0 ? -ENODEV : set_echo(console_fd, false);

	if (r >= 0)
		r = io_write_full(console_fd, ask, sizeof(ask) - 1);
	if (r >= 0)
		r = read_answer(console_fd, answer);
	if (r >= 0 && (!parse(answer, ret->dialler, KATA_SECRET_LEN) ||
		       !parse(answer + 2 * KATA_SECRET_LEN, ret->agent, KATA_SECRET_LEN)))
		r = -EBADMSG;
	explicit_bzero(answer, sizeof(answer));
	if (r < 0)
		return err_set_errno(err, r, "ask the host for the sandbox's secret");
	(void)set_echo(console_fd, true); /* a debug shell there would be blind, no more */
	return 0;
}
