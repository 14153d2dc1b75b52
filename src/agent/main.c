/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-agent: PID 1 of the guest, or, for tests, an ordinary process that serves a unix socket.
 */
#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/device/modprobe.h"
#include "agent/sandbox/pid_ns.h"
#include "agent/server/guest_init.h"
#include "agent/server/server.h"
#include "agent/server/wake.h"
#include "agent/util/version.h"
#include "common/log.h"

const char *argp_program_version = "kata-agent " AGENT_VERSION;

static const struct argp_option options[] = {
	{ "server", 's', "ADDRESS", 0,
	  "listen on vsock://-1:PORT or unix:///PATH (KATA_AGENT_SERVER_ADDR)", 0 },
	{ "log", 'l', "LEVEL", 0, "debug, info, warn or error (KATA_AGENT_LOG_LEVEL)", 0 },
	{ 0 },
};

static void set(struct agent_config *config, const char *key, const char *value)
{
	struct err err = ERR_NULL;

	if (value && agent_config_set(config, key, value, &err) < 0)
		log_warn("ignored: %s", err.text);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	if (key == 's')
		set(state->input, "server_addr", arg);
	else if (key == 'l')
		set(state->input, "log", arg);
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static void read_settings(struct agent_config *config, int argc, char **argv)
{
	const struct argp argp = { .options = options,
				   .parser = parse_option,
				   .doc = "The agent of Kata containers" };

	set(config, "server_addr", getenv("KATA_AGENT_SERVER_ADDR"));
	set(config, "log", getenv("KATA_AGENT_LOG_LEVEL"));
	/*
	 * The kernel hands PID 1 every word of its command line it does not know itself: not
	 * options of ours.
	 */
	if (getpid() != 1)
		(void)argp_parse(&argp, argc, argv, 0, NULL,
				 config); /* ends the process when it fails */
	log_init("kata-agent", STDERR_FILENO, LOG_FORMAT_PLAIN, config->log_level);
}

static void on_terminate(void *arg)
{
	loop_exit(arg, 0);
}

/* An ordinary process ends when it is told to. */
static int catch_signals(struct loop *loop, struct loop_source *sources[2])
{
	int r = loop_add_signal(loop, SIGTERM, on_terminate, loop, &sources[0]);

	return r < 0 ? r : loop_add_signal(loop, SIGINT, on_terminate, loop, &sources[1]);
}

/* Until here every guest is the same: what makes it one of its own follows. */
static int sleep_until_woken(int console, struct guest_wake *wake,
			     const struct kata_secret **ret_secret, struct err *err)
{
	int r = wake_await(console, wake, err);

	if (r >= 0 && wake->has_secret)
		*ret_secret = &wake->secret;
	return r;
}

int main(int argc, char **argv)
{
	static struct server server;
	static struct guest_wake wake;
	const struct kata_secret *secret = NULL;
	struct loop_source *sources[2] = { NULL };
	struct agent_config config;
	struct loop *loop = NULL;
	struct err err = ERR_NULL;
	bool is_init = getpid() == 1;
	int console = STDERR_FILENO, r = 0;

	if (pid_ns_is_holder(argc, argv))
		pid_ns_hold();
	if (modprobe_is_asked(argc, argv))
		return modprobe_main(argc, argv);
	agent_config_init(&config);
	read_settings(&config, argc, argv);
	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail for this signal */
	if (is_init)
		r = guest_init(&config, &console, &err);
	if (r >= 0 && is_init && config.sleeps)
		r = sleep_until_woken(console, &wake, &secret, &err);
	if (r >= 0 && (loop_new(&loop) < 0 || (!is_init && catch_signals(loop, sources) < 0)))
		r = err_set(&err, ENOMEM, "out of memory");
	if (r >= 0)
		r = server_init(&server, loop, &config, console, secret, &err);
	explicit_bzero(&wake, sizeof(wake));
	if (r < 0) {
		/*
		 * There is no sandbox yet to be lost, and the host sees at once that there will be
		 * none.
		 */
		log_error("%s", err.text);
		if (is_init)
			guest_power_off();
		return EXIT_FAILURE;
	}
	/*
	 * NO EXIT BELOW THIS LINE: the end of PID 1 is the end of every container. Only
	 * DestroySandbox leaves.
	 */
	do
		r = loop_run(loop);
	while (is_init && !server.agent.ending);
	if (is_init)
		guest_power_off();
	server_deinit(&server);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
