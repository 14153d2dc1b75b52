/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime update: change the limits of a container.
 */
#include "runtime/cmd/oci/verbs.h"

#include <fcntl.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "runtime/cmd/oci/update_options.h"
#include "runtime/shim/session.h"

#define RESOURCES_TYPE_URL "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"
#define RESOURCES_MAX (1U << 20)

struct update {
	const struct cli *cli;
	struct update_options options;
	struct arena *arena;
};

static int read_resources(struct update *u, const char *file, struct oci_resources **ret,
			  struct err *err)
{
	cleanup_free char *data = NULL;
	const char *path = str_eq(file, "-") ? "/dev/stdin" : file;
	ssize_t len = io_read_file_at(AT_FDCWD, path, RESOURCES_MAX, &data);

	if (len < 0)
		return err_set_errno(err, (int)len, "cannot read the resources from %s", path);
	return oci_resources_parse(data, (size_t)len, path, u->arena, ret, err);
}

static int update_container(void *arg, struct err *err)
{
	struct update *u = arg;
	cleanup_session struct session s = SESSION_NULL;
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	struct oci_resources *resources = &u->options.resources;
	struct json_writer w;
	int r = u->options.file ? read_resources(u, u->options.file, &resources, err) : 0;

	if (r == 0)
		r = oci_resources_validate(resources, err);
	if (r == 0)
		r = session_open(&s, u->cli, u->options.id, err);
	if (r == 0)
		r = session_need_shim(&s, err);
	if (r < 0)
		return r;
	json_writer_init(&w, &text, 0);
	oci_resources_write(&w, resources);
	r = json_writer_finish(&w);
	if (r < 0)
		return err_set_errno(err, r, "cannot write the resources");
	const struct task_update_request req = {
		.id = u->options.id,
		.resources = { .type_url = RESOURCES_TYPE_URL,
			       .value = (uint8_t *)text.data,
			       .value_len = text.len },
	};
	return session_call(&s, &task_v2_update, &req, NULL, CLI_SLOW_MS, err);
}

/**
 * verb_update() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_update(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct update u = { .cli = cli };
	int r = arena_new(&u.arena);

	if (r < 0)
		return err_set_errno(err, r, "update");
	r = update_options_parse(argc, argv, u.arena, &u.options, err);
	if (r == 0)
		r = cli_run(update_container, &u, err);
	u.arena = arena_free(u.arena);
	return r;
}
