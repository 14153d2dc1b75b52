/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals by number or name, with or without SIG, in any case, and the real-time ones as RTMIN+n
 * and RTMAX-n. The numbers are Linux's own, not the C library's, which keeps a few real-time
 * signals for itself.
 */
#include "runtime/cli/signal_name.h"

#include <ctype.h>
#include <signal.h>
#include <string.h>

#include "common/str.h"

#define KERNEL_RTMIN 32
#define KERNEL_RTMAX 64
#define RTMIN_USABLE 34 /* what kill -l calls RTMIN */

static const struct {
	const char *name;
	int signo;
} names[] = {
	{ "ABRT", SIGABRT },	 { "ALRM", SIGALRM },	    { "BUS", SIGBUS },
	{ "CHLD", SIGCHLD },	 { "CLD", SIGCHLD },	    { "CONT", SIGCONT },
	{ "FPE", SIGFPE },	 { "HUP", SIGHUP },	    { "ILL", SIGILL },
	{ "INT", SIGINT },	 { "IO", SIGIO },	    { "IOT", SIGABRT },
	{ "KILL", SIGKILL },	 { "PIPE", SIGPIPE },	    { "POLL", SIGIO },
	{ "PROF", SIGPROF },	 { "PWR", SIGPWR },	    { "QUIT", SIGQUIT },
	{ "SEGV", SIGSEGV },	 { "STKFLT", SIGSTKFLT },   { "STOP", SIGSTOP },
	{ "SYS", SIGSYS },	 { "TERM", SIGTERM },	    { "TRAP", SIGTRAP },
	{ "TSTP", SIGTSTP },	 { "TTIN", SIGTTIN },	    { "TTOU", SIGTTOU },
	{ "URG", SIGURG },	 { "USR1", SIGUSR1 },	    { "USR2", SIGUSR2 },
	{ "VTALRM", SIGVTALRM }, { "WINCH", SIGWINCH },	    { "XCPU", SIGXCPU },
	{ "XFSZ", SIGXFSZ },	 { "RTMIN", RTMIN_USABLE }, { "RTMAX", KERNEL_RTMAX },
};

static int parse_realtime(const char *name)
{
	uint32_t n;
	const char *rest = NULL;
	int signo = -1;

	if (strncasecmp(name, "RTMIN+", 6) == 0)
		rest = name + 6;
	else if (strncasecmp(name, "RTMAX-", 6) == 0)
		rest = name + 6;
	if (!rest || str_to_u32(rest, &n) < 0 || n > KERNEL_RTMAX - KERNEL_RTMIN)
		return -1;
	signo = name[5] == '+' ? RTMIN_USABLE + (int)n : KERNEL_RTMAX - (int)n;
	return signo >= KERNEL_RTMIN && signo <= KERNEL_RTMAX ? signo : -1;
}

/**
 * signal_name_parse() - read a signal
 * @text: "9", "KILL", "SIGKILL", "sigrtmin+3"
 * @ret: receives the number
 * @err: filled on failure
 *
 * Return: 0 or -EINVAL.
 */
int signal_name_parse(const char *text, int *ret, struct err *err)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	uint32_t number;
	int signo;

	if (str_to_u32(text, &number) == 0 && number <= KERNEL_RTMAX) {
		*ret = (int)number;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcasecmp(name, names[i].name) == 0) {
			*ret = names[i].signo;
			return 0;
		}
	}
	signo = parse_realtime(name);
	if (signo < 0)
		return err_set(err, EINVAL, "unknown signal \"%s\"", text);
	*ret = signo;
	return 0;
}
