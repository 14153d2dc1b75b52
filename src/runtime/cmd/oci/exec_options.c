/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of "exec", as runc has them. What belongs to the process goes to process_spec.c.
 */
#include "runtime/cmd/oci/exec_options.h"

#include "common/str.h"

enum {
	KEY_CONSOLE_SOCKET = 0x100,
	KEY_CWD,
	KEY_PID_FILE,
	KEY_PROCESS_LABEL,
	KEY_APPARMOR,
	KEY_NO_NEW_PRIVS,
	KEY_PRESERVE_FDS,
	KEY_IGNORE_PAUSED,
	KEY_IGNORED,
};

static const struct argp_option options[] = {
	{ "console-socket", KEY_CONSOLE_SOCKET, "SOCKET", 0,
	  "Send the master of the process's pty there", 0 },
	{ "cwd", KEY_CWD, "DIR", 0, "Working directory in the container", 0 },
	{ "env", 'e', "NAME=VALUE", 0, "Add to the environment", 0 },
	{ "tty", 't', NULL, 0, "Give the process a terminal", 0 },
	{ "user", 'u', "UID[:GID]", 0, "Run as this user", 0 },
	{ "additional-gids", 'g', "GID", 0, "Add a group", 0 },
	{ "process", 'p', "FILE", 0,
	  "Read the process from FILE; most other options are then ignored", 0 },
	{ "detach", 'd', NULL, 0, "Return once the process runs", 0 },
	{ "pid-file", KEY_PID_FILE, "FILE", 0, "Write the pid of the process's stand-in to FILE",
	  0 },
	{ "process-label", KEY_PROCESS_LABEL, "LABEL", 0, "SELinux label", 0 },
	{ "apparmor", KEY_APPARMOR, "PROFILE", 0, "AppArmor profile", 0 },
	{ "no-new-privs", KEY_NO_NEW_PRIVS, NULL, 0, "Set no_new_privs", 0 },
	{ "cap", 'c', "CAPABILITY", 0, "Add a capability", 0 },
	{ "preserve-fds", KEY_PRESERVE_FDS, "N", 0,
	  "No effect but a warning: descriptors stay on the host", 0 },
	{ "ignore-paused", KEY_IGNORE_PAUSED, NULL, 0, "Do it in a paused container too", 0 },
	{ "no-subreaper", KEY_IGNORED, NULL, OPTION_HIDDEN, NULL, 0 },
	{ "cgroup", KEY_IGNORED, "PATH", OPTION_HIDDEN, NULL, 0 },
	{ "console", KEY_IGNORED, "PATH", OPTION_HIDDEN, NULL, 0 },
	{ 0 },
};

struct parse {
	struct arena *arena;
	struct exec_options *o;
};

static int add(struct parse *p, struct strv *strv, const char *value, struct err *err)
{
	int r = arena_strv_add(p->arena, strv, value);

	return r < 0 ? err_set_errno(err, r, "exec") : 0;
}

/* A string option. Returns NULL when @key is not one. */
static const char **find_string(struct exec_options *o, int key)
{
	switch (key) {
	case KEY_CONSOLE_SOCKET:
		return &o->console_socket;
	case KEY_PID_FILE:
		return &o->pid_file;
	case KEY_CWD:
		return &o->process.cwd;
	case KEY_PROCESS_LABEL:
		return &o->process.label;
	case KEY_APPARMOR:
		return &o->process.apparmor;
	case 'u':
		return &o->process.user;
	case 'p':
		return &o->process.file;
	default:
		return NULL;
	}
}

/* The same for flags. */
static bool *find_flag(struct exec_options *o, int key)
{
	switch (key) {
	case 'd':
		return &o->detach;
	case 't':
		return &o->process.tty;
	case KEY_NO_NEW_PRIVS:
		return &o->process.no_new_privs;
	case KEY_IGNORE_PAUSED:
		return &o->ignore_paused;
	default:
		return NULL;
	}
}

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct parse *p = arg;
	const char **string = find_string(p->o, key);
	bool *flag = find_flag(p->o, key);

	if (string)
		*string = str_empty(value) ? NULL : value;
	if (flag)
		*flag = true;
	switch (key) {
	case 'e':
		return add(p, &p->o->process.env, value, err);
	case 'c':
		return add(p, &p->o->process.caps, value, err);
	case 'g':
		return add(p, &p->o->process.additional_gids, value, err);
	case KEY_PRESERVE_FDS:
		if (str_to_u64(value, &p->o->preserve_fds) < 0)
			return err_set(err, EINVAL, "--preserve-fds needs a number, not \"%s\"",
				       value);
		return 0;
	default:
		return 0;
	}
}

/**
 * exec_options_parse() - parse the arguments of "exec"
 * @argc: number of arguments
 * @argv: arguments
 * @arena: holds the lists
 * @ret: zeroed; filled
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int exec_options_parse(int argc, char **argv, struct arena *arena, struct exec_options *ret,
		       struct err *err)
{
	static const struct cli_verb verb = {
		.options = options,
		.set = set,
		.args_doc = "ID [COMMAND [ARGUMENT...]]",
		.doc = "Run one more process in a container.",
		.min_args = 1,
		.max_args = -1,
		.stop_at_arg = true,
	};
	struct parse p = { .arena = arena, .o = ret };
	int first;
	int nr = cli_parse(&verb, argc, argv, &p, &first, err);

	if (nr < 0)
		return nr;
	ret->id = argv[first];
	ret->process.args = argv + first + 1;
	ret->process.nr_args = nr - 1;
	if (nr > 1 && str_eq(argv[first + 1], "--")) {
		ret->process.args++;
		ret->process.nr_args--;
	}
	if (ret->process.nr_args == 0 && !ret->process.file)
		return err_set(err, EINVAL, "exec needs a command or --process");
	return 0;
}
