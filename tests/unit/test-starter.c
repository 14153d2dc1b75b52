/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process under the filter of src/jail/syscalls.c, and what it starts: itself and by a starter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fiber_sanitize.h"
#include "common/io.h"
#include "common/proc.h"
#include "common/starter.h"
#include "common/str.h"
#include "jail/syscalls.h"

/* Runs a shell and gives back what it said. */
static int shell(const char *script, bool unfiltered, char *out, size_t size)
{
	char *const argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char *)(uintptr_t)script,
			       NULL };
	char *const envp[] = { (char[]){ "WORD=said" }, (char[]){ "PATH=/bin:/usr/bin" }, NULL };
	struct err err = ERR_NULL;
	struct proc proc;
	int ends[2], status;

	if (pipe(ends) < 0)
		return -errno;
	const struct proc_fd fds[] = { { ends[1], 1 }, { ends[1], 5 } };
	const struct proc_spec spec = {
		.path = "/bin/sh",
		.argv = argv,
		.envp = envp,
		.fds = fds,
		.nr_fds = ARRAY_SIZE(fds),
		.cwd = "/usr",
		.netns_fd = -1,
		.die_with_parent = true,
		.unfiltered = unfiltered,
	};
	int r = proc_spawn(&spec, &proc, &err);
	(void)close(ends[1]);
	ssize_t n = r < 0 ? 0 : io_read_full(ends[0], out, size - 1);
	(void)n;
	(void)close(ends[0]);
	if (r < 0)
		return r;
	(void)waitpid(proc.pid, &status, 0);
	proc_deinit(&proc);
	return WEXITSTATUS(status);
}

#define SCRIPT                                                                              \
	"grep -E '^(PPid|Seccomp|NoNewPrivs):' /proc/$$/status | tr -d '\\t'; echo $WORD; " \
	"pwd >&5; for i in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$i ] && echo $i; done; exit 7"

static void in_the_filter(int report)
{
	struct err err = ERR_NULL;
	char out[512] = "", want[512];
	struct proc proc;
	const struct proc_spec none = {
		.path = "/no/such",
		.argv = (char *[]){ (char[]){ "x" }, NULL },
		.netns_fd = -1,
		.unfiltered = true,
	};

	if (starter_begin(&err) < 0 || syscalls_confine(&err) < 0)
		_exit(2);
	(void)snprintf(want, sizeof(want),
		       "PPid:%d\nNoNewPrivs:0\nSeccomp:0\nsaid\n/usr\n0\n1\n2\n5\n", (int)getpid());
	if (shell(SCRIPT, true, out, sizeof(out)) != 7 || strcmp(out, want) != 0)
		(void)dprintf(report, "by the starter: %s\n", out);
	memset(out, 0, sizeof(out));
	(void)snprintf(want, sizeof(want),
		       "PPid:%d\nNoNewPrivs:1\nSeccomp:2\nsaid\n/usr\n0\n1\n2\n5\n", (int)getpid());
	if (shell(SCRIPT, false, out, sizeof(out)) != 7 || strcmp(out, want) != 0)
		(void)dprintf(report, "by itself: %s\n", out);
	if (proc_spawn(&none, &proc, &err) != -ENOENT || !strstr(err.text, "/no/such: exec"))
		(void)dprintf(report, "no program: %s\n", err.text);
#ifndef FIBER_SANITIZE
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) >= 0 || errno != ENOSYS)
		(void)dprintf(report, "it can trace\n");
#endif
	if (syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -1, 0) >= 0 || errno != ENOSYS ||
	    syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0) >= 0 || errno != ENOSYS ||
	    syscall(SYS_swapoff, "/no") >= 0 || errno != ENOSYS)
		(void)dprintf(report, "a call is left\n");
	_exit(0);
}

static void what_is_ours_is_filtered_and_what_is_not_is_free(void **state)
{
	char said[1024] = "";
	int ends[2], status;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0)
		in_the_filter(ends[1]);
	(void)close(ends[1]);
	(void)!read(ends[0], said, sizeof(said) - 1);
	(void)close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_string_equal(said, "");
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_ours_is_filtered_and_what_is_not_is_free),
	};

	if (getuid() != 0) {
		(void)fprintf(stderr, "skipped: a filter without no_new_privs needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
