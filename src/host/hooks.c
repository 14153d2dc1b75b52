/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hooks run on the host and when, and the notes by which poststop's are not forgotten when
 * the shim is killed.
 */
#include "host/hooks.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "kata/state.h"
#include "oci/hooks.h"
#include "oci/spec.h"

#define HOOK_NOTE_LEN (sizeof(KATA_STATE_POSTSTOP) + NAME_MAX)

static int run_all(const struct hook_owner *owner, const char *kind, const struct oci_hook *hooks,
		   size_t nr, const char *status, int netns_fd, struct err *err)
{
	const struct oci_state state = {
		.oci_version = owner->spec->oci_version,
		.id = (char *)(uintptr_t)owner->id,
		.status = (char *)(uintptr_t)status,
		.pid = str_eq(status, "stopped") ? 0 : (int32_t)owner->pid,
		.bundle = (char *)(uintptr_t)owner->bundle,
		.annotations = owner->spec->annotations,
		.nr_annotations = owner->spec->nr_annotations,
	};
	/* As under runc, hooks that name no environment have the runtime's. */
	const struct hooks_place place = { .cwd = owner->bundle,
					   .netns_fd = netns_fd,
					   .env = environ };

	return hooks_run(kind, hooks, nr, &state, &place, err);
}

static void note_name(const char *id, char *out)
{
	(void)snprintf(out, HOOK_NOTE_LEN, KATA_STATE_POSTSTOP "%s", id);
}

static int note_due(const struct hook_owner *owner, struct err *err)
{
	char name[HOOK_NOTE_LEN];

	if (owner->state_fd < 0 || !owner->spec->hooks->nr_poststop)
		return 0;
	note_name(owner->id, name);
	int r = io_replace_file_at(owner->state_fd, name, owner->bundle, strlen(owner->bundle),
				   0600);
	return r < 0 ? err_set_errno(err, r, "note that poststop hooks are due") : 0;
}

static void forget_due(int state_fd, const char *id)
{
	char name[HOOK_NOTE_LEN];

	note_name(id, name);
	if (state_fd >= 0)
		(void)unlinkat(state_fd, name, 0); /* there is none unless there were hooks */
}

/**
 * hooks_run_early() - the hooks before anything of the container is there: prestart, createRuntime
 * @owner: container
 * @err: names the hook that failed
 *
 * From here on poststop's are due, whatever happens.
 *
 * Return: 0 or -errno; after a failure the caller undoes what there is and runs poststop's hooks.
 */
int hooks_run_early(const struct hook_owner *owner, struct err *err)
{
	const struct oci_hooks *hooks = owner->spec->hooks;

	if (!hooks)
		return 0;
	int r = note_due(owner, err);
	if (r < 0)
		return r;
	r = run_all(owner, "prestart", hooks->prestart, hooks->nr_prestart, "creating", -1, err);
	return r < 0 ? r
		     : run_all(owner, "createRuntime", hooks->create_runtime,
			       hooks->nr_create_runtime, "creating", -1, err);
}

/**
 * hooks_run_create_container() - the hooks between the namespaces and the root's pivot
 * @owner: container
 * @netns_fd: the sandbox's network, -1: the caller's
 * @err: names the hook that failed
 *
 * Their place is the container's namespaces, which are in the guest, and their programs the host's:
 * so they get what there is of both, the sandbox's network and the root file system as it is
 * shared.
 *
 * Return: 0 or -errno.
 */
int hooks_run_create_container(const struct hook_owner *owner, int netns_fd, struct err *err)
{
	const struct oci_hooks *hooks = owner->spec->hooks;

	return hooks ? run_all(owner, "createContainer", hooks->create_container,
			       hooks->nr_create_container, "creating", netns_fd, err)
		     : 0;
}

static void run_late(const struct hook_owner *owner, const char *kind, const struct oci_hook *hooks,
		     size_t nr, const char *status)
{
	for (size_t i = 0; i < nr; i++) {
		struct err err = ERR_NULL;

		if (run_all(owner, kind, &hooks[i], 1, status, -1, &err) < 0)
			log_warn("container %s: %s", owner->id, err.text);
	}
}

/**
 * hooks_run_poststart() - the hooks after the container's program was started
 * @owner: container
 */
void hooks_run_poststart(const struct hook_owner *owner)
{
	const struct oci_hooks *hooks = owner->spec->hooks;

	if (hooks)
		run_late(owner, "poststart", hooks->poststart, hooks->nr_poststart, "running");
}

/**
 * hooks_run_poststop() - the hooks after everything of the container is gone
 * @owner: container that was deleted, or whose creation failed
 */
void hooks_run_poststop(const struct hook_owner *owner)
{
	const struct oci_hooks *hooks = owner->spec->hooks;

	if (hooks)
		run_late(owner, "poststop", hooks->poststop, hooks->nr_poststop, "stopped");
	forget_due(owner->state_fd, owner->id);
}

static void run_noted(int state_fd, const char *id)
{
	cleanup_free char *bundle = NULL;
	cleanup_arena struct arena *arena = NULL;
	struct err err = ERR_NULL;
	struct oci_spec *spec;
	char name[HOOK_NOTE_LEN];

	note_name(id, name);
	ssize_t n = io_read_file_at(state_fd, name, PATH_MAX, &bundle);
	if (n == -ENOENT)
		return;
	int r = n < 0 ? (int)n : arena_new(&arena);
	r = r < 0 ? err_set_errno(&err, r, "read %s", name)
		  : oci_spec_load(bundle, arena, &spec, &err);
	if (r < 0) {
		log_warn("container %s: its poststop hooks cannot run: %s", id, err.text);
		forget_due(state_fd, id);
		return;
	}
	const struct hook_owner owner = {
		.spec = spec, .id = id, .bundle = bundle, .state_fd = state_fd
	};
	hooks_run_poststop(&owner);
}

/**
 * hooks_run_due() - poststop's of containers that went without their shim
 * @state_fd: directory in which they are noted; -1: none are
 * @id: container, or NULL for all that are noted
 */
void hooks_run_due(int state_fd, const char *id)
{
	if (state_fd < 0)
		return;
	if (id) {
		run_noted(state_fd, id);
		return;
	}
	DIR *dir;
	if (io_opendir_at(state_fd, ".", &dir) < 0)
		return;
	for (struct dirent *entry; (entry = readdir(dir));) {
		const char *noted = str_skip_prefix(entry->d_name, KATA_STATE_POSTSTOP);

		if (noted && str_is_valid_id(noted))
			run_noted(state_fd, noted);
	}
	(void)closedir(dir);
}
