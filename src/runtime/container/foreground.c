/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The foreground. Each signal is carried to the shim by a fiber of its own, so a slow guest holds
 * up nobody.
 */
#include "runtime/container/foreground.h"

#include <signal.h>
#include <stdlib.h>

#include "common/str.h"

/*
 * What a person or a manager sends; faults, job control of this program and SIGCHLD stay as they
 * are.
 */
static const int forwarded[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM,
				 SIGTERM, SIGCONT, SIGPROF, SIGPWR,  SIGIO,   SIGWINCH };
_Static_assert(ARRAY_SIZE(forwarded) <= FOREGROUND_NR_SIGNALS, "room for every signal");

struct delivery {
	struct foreground *fg;
	int signo;
};

static int resize(struct foreground *fg, struct err *err)
{
	struct terminal_size size;

	if (!fg->terminal || !terminal_get_size(terminal_own(), &size))
		return 0;
	const struct task_resize_pty_request req = {
		.id = fg->session->record.id,
		.exec_id = fg->exec_id,
		.width = size.columns,
		.height = size.rows,
	};
	return session_call(fg->session, &task_v2_resize_pty, &req, NULL, CLI_QUICK_MS, err);
}

static void deliver(void *arg)
{
	struct delivery *delivery = arg;
	struct foreground *fg = delivery->fg;
	struct err err = ERR_NULL;
	int r;

	if (delivery->signo == SIGWINCH) {
		r = resize(fg, &err);
	} else {
		const struct task_kill_request req = {
			.id = fg->session->record.id,
			.exec_id = fg->exec_id,
			.signal = (uint32_t)delivery->signo,
		};
		r = session_call(fg->session, &task_v2_kill, &req, NULL, CLI_QUICK_MS, &err);
	}
	if (r < 0)
		log_debug("signal %d is not delivered: %s", delivery->signo, err.text);
	free(delivery);
}

static void on_signal(void *arg)
{
	struct foreground_signal *sig = arg;
	struct foreground *fg = sig->fg;

	if (!fg->running) {
		if (sig->signo == SIGINT || sig->signo == SIGTERM || sig->signo == SIGHUP ||
		    sig->signo == SIGQUIT)
			fiber_cancel(fg->owner);
		return;
	}
	struct delivery *delivery = malloc(sizeof(*delivery));
	if (!delivery)
		return;
	*delivery = (struct delivery){ .fg = fg, .signo = sig->signo };
	if (fiber_spawn(fg->loop, "signal", deliver, delivery, NULL) < 0)
		free(delivery);
}

/**
 * foreground_begin() - catch signals; the calling fiber is cancelled by those that end a program
 * @fg: zeroed; must stay where it is until foreground_end()
 * @session: used once the process runs
 * @exec_id: the exec's, or "" for the container's own process
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int foreground_begin(struct foreground *fg, struct session *session, const char *exec_id,
		     struct err *err)
{
	*fg = (struct foreground){ .loop = fiber_loop(),
				   .owner = fiber_self(),
				   .session = session,
				   .exec_id = exec_id,
				   .raw = TERMINAL_RAW_NULL };

	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++) {
		struct foreground_signal *sig = &fg->signals[i];

		*sig = (struct foreground_signal){ .fg = fg, .signo = forwarded[i] };
		int r = loop_add_signal(fiber_loop(), sig->signo, on_signal, sig, &sig->source);
		if (r < 0)
			return err_set_errno(err, r, "cannot catch signal %d", sig->signo);
		fg->nr_signals++;
	}
	return 0;
}

/**
 * foreground_attach() - give the process the terminal, right before it starts
 * @fg: what was begun
 * @terminal: the process has a terminal
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int foreground_attach(struct foreground *fg, bool terminal, struct err *err)
{
	fg->terminal = terminal;
	return terminal ? terminal_raw_enter(&fg->raw, err) : 0;
}

/**
 * foreground_wait() - forward signals until the process has ended
 * @fg: what was begun
 * @standin: the process's stand-in
 * @err: filled on failure
 *
 * Return: the exit code, or -errno.
 */
int foreground_wait(struct foreground *fg, struct standin_proc *standin, struct err *err)
{
	fg->running = true;
	int code = standin_wait(standin, LOOP_FOREVER);
	fg->running = false;
	terminal_raw_leave(&fg->raw);
	return code < 0 ? err_set_errno(err, code, "cannot wait for the stand-in") : code;
}

/**
 * foreground_end() - give the signals and the terminal back
 * @fg: zeroed or begun
 */
void foreground_end(struct foreground *fg)
{
	for (size_t i = 0; i < fg->nr_signals; i++)
		fg->signals[i].source = loop_source_free(fg->signals[i].source);
	fg->nr_signals = 0;
	terminal_raw_leave(&fg->raw);
}
