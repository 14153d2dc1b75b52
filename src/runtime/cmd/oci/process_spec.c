/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process of an exec. Ids are numbers only and parsed strictly: a name that silently became 0
 * would be root.
 */
#include "runtime/cmd/oci/process_spec.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "oci/spec.h"
#include "oci/validate.h"

#define PROCESS_GIDS_MAX 65536 /* NGROUPS_MAX */

static int parse_id(const char *text, size_t len, uint32_t *ret)
{
	char number[16];

	if (len == 0 || len >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, len);
	number[len] = '\0';
	return str_to_u32(number, ret);
}

/* Reads "uid" or "uid:gid" into @user; without a gid the group stays as it is. */
static int parse_user(const char *text, struct oci_user *user, struct err *err)
{
	const char *colon = strchr(text, ':');
	uint32_t uid, gid = user->gid;
	int r = parse_id(text, colon ? (size_t)(colon - text) : strlen(text), &uid);

	if (r == 0 && colon)
		r = parse_id(colon + 1, strlen(colon + 1), &gid);
	if (r < 0)
		return err_set(err, EINVAL, "--user needs <uid>[:<gid>] in numbers, not \"%s\"",
			       text);
	user->uid = uid;
	user->gid = gid;
	return 0;
}

static int read_process_file(const char *file, struct arena *arena, struct oci_process **ret,
			     struct err *err)
{
	cleanup_free char *data = NULL;
	ssize_t len = io_read_file_at(AT_FDCWD, file, OCI_SPEC_MAX, &data);

	if (len < 0)
		return err_set_errno(err, (int)len, "cannot read the process file %s", file);
	return oci_process_parse(data, (size_t)len, file, arena, ret, err);
}

static int copy_process(const char *bundle, struct arena *arena, struct oci_process **ret,
			struct err *err)
{
	struct oci_spec *spec;
	int r = oci_spec_load(bundle, arena, &spec, err);

	if (r < 0)
		return r;
	if (!spec->process)
		return err_set(err, EINVAL, "%s/config.json: process is missing", bundle);
	*ret = spec->process;
	(*ret)->terminal = false; /* the container's terminal is not this process's */
	(*ret)->console_size = NULL;
	return 0;
}

static int add_capability(struct oci_process *process, const char *name, struct arena *arena)
{
	struct oci_capabilities *caps = process->capabilities;
	char full[64];
	size_t len = 0;

	if (!caps) {
		caps = process->capabilities = arena_calloc(arena, 1, sizeof(*caps));
		if (!caps)
			return -ENOMEM;
	}
	if (strncasecmp(name, "CAP_", 4) != 0)
		len = (size_t)snprintf(full, sizeof(full), "CAP_");
	for (; *name && len + 1 < sizeof(full); name++)
		full[len++] = (char)toupper((unsigned char)*name);
	full[len] = '\0';
	struct strv *const sets[] = { &caps->bounding, &caps->effective, &caps->permitted };
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		int r = arena_strv_add(arena, sets[i], full);

		if (r < 0)
			return r;
	}
	return 0;
}

static int set_gids(struct oci_process *process, const struct strv *gids, struct arena *arena,
		    struct err *err)
{
	struct oci_user *user = &process->user;

	for (size_t i = 0; i < gids->nr; i++) {
		uint32_t gid;
		int r = str_to_u32(gids->v[i], &gid);

		if (r < 0 || user->nr_additional_gids == PROCESS_GIDS_MAX)
			return err_set(err, EINVAL, "--additional-gids needs numbers, not \"%s\"",
				       gids->v[i]);
		r = arena_grow(arena, &user->additional_gids, &user->nr_additional_gids,
			       sizeof(gid));
		if (r < 0)
			return err_set_errno(err, r, "process");
		user->additional_gids[user->nr_additional_gids - 1] = gid;
	}
	return 0;
}

/* A variable that is there already is replaced where it stands: which of two a program takes differs. */
static int set_variable(struct strv *env, const char *assignment, struct arena *arena)
{
	const char *equals = strchr(assignment, '=');
	size_t len = equals ? (size_t)(equals - assignment) + 1 : 0;

	for (size_t i = 0; len && i < env->nr; i++)
		if (strncmp(env->v[i], assignment, len) == 0) {
			env->v[i] = (char *)assignment;
			return 0;
		}
	return arena_strv_add(arena, env, assignment);
}

static int set_lists(struct oci_process *process, const struct process_options *o,
		     struct arena *arena)
{
	int r = 0;

	process->args = (struct strv){ 0 };
	for (int i = 0; i < o->nr_args && r == 0; i++)
		r = arena_strv_add(arena, &process->args, o->args[i]);
	for (size_t i = 0; i < o->env.nr && r == 0; i++)
		r = set_variable(&process->env, o->env.v[i], arena);
	for (size_t i = 0; i < o->caps.nr && r == 0; i++)
		r = add_capability(process, o->caps.v[i], arena);
	return r;
}

static int apply_options(struct oci_process *process, const struct process_options *o,
			 struct arena *arena, struct err *err)
{
	int r = set_lists(process, o, arena);

	if (r < 0)
		return err_set_errno(err, r, "process");
	if (o->cwd)
		process->cwd = (char *)o->cwd;
	if (o->apparmor)
		process->apparmor_profile = (char *)o->apparmor;
	if (o->label)
		process->selinux_label = (char *)o->label;
	if (o->no_new_privs)
		process->no_new_privileges = true;
	if (o->user) {
		process->user.additional_gids = NULL;
		process->user.nr_additional_gids = 0;
		r = parse_user(o->user, &process->user, err);
		if (r < 0)
			return r;
	}
	return set_gids(process, &o->additional_gids, arena, err);
}

/**
 * process_spec_load() - make the process of an exec
 * @bundle: the container's bundle
 * @options: what was asked for
 * @arena: holds the result
 * @ret: receives the process, validated
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int process_spec_load(const char *bundle, const struct process_options *options,
		      struct arena *arena, struct oci_process **ret, struct err *err)
{
	struct oci_process *process;
	struct strv warnings = { 0 };
	int r = options->file ? read_process_file(options->file, arena, &process, err)
			      : copy_process(bundle, arena, &process, err);

	if (r == 0 && !options->file)
		r = apply_options(process, options, arena, err);
	if (r < 0)
		return r;
	if (options->tty)
		process->terminal = true;
	r = oci_process_validate(process, arena, &warnings, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < warnings.nr; i++)
		log_warn("%s", warnings.v[i]);
	*ret = process;
	return 0;
}
