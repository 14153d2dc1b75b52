/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fits a spec into the guest. Paths of namespaces in it were the host's and mean nothing here:
 * which namespaces are shared is the sandbox's affair.
 */
#include "agent/sandbox/spec_adapt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/core/agent.h"
#include "agent/util/mounts.h"
#include "common/str.h"
#include "oci/namespaces.h"

/* Guest hooks of one kind; a bound, the directory is part of the guest's image. */
#define GUEST_HOOKS_MAX 64

static int need_ns(struct oci_spec *spec, const char *type, struct arena *arena)
{
	struct oci_linux *linux_ = spec->linux_;

	if (oci_namespace_find(spec, type))
		return 0;
	struct oci_namespace *grown =
		arena_extend(arena, linux_->namespaces, linux_->nr_namespaces, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	grown[linux_->nr_namespaces].type = arena_strdup(arena, type);
	if (!grown[linux_->nr_namespaces].type)
		return -ENOMEM;
	linux_->namespaces = grown;
	linux_->nr_namespaces++;
	return 0;
}

/*
 * A user namespace of the container's own has no rights over namespaces made outside of it:
 * mounting mqueue or setting the host name would fail, so such a container gets its own IPC and UTS
 * namespaces.
 */
static int adapt_namespaces(const struct guest_sandbox *sandbox, bool sandbox_pidns,
			    struct oci_spec *spec, struct arena *arena,
			    struct container_create_args *args)
{
	struct oci_linux *linux_ = spec->linux_;
	bool own_user = oci_namespace_find(spec, "user");
	int r = need_ns(spec, "mount", arena);

	/*
	 * A container never gets the guest's own PID namespace, even when the host shares its own
	 * with it.
	 */
	if (r >= 0)
		r = need_ns(spec, "pid", arena);
	if (r < 0)
		return r;
	for (size_t i = 0; i < linux_->nr_namespaces; i++)
		linux_->namespaces[i].path = NULL;
	args->ns[CONTAINER_NS_NETWORK] = CONTAINER_NS_OWN; /* the guest's network is the pod's */
	if (!own_user && sandbox->ipc_fd >= 0 && oci_namespace_find(spec, "ipc"))
		args->ns[CONTAINER_NS_IPC] = sandbox->ipc_fd;
	if (!own_user && sandbox->uts_fd >= 0 && oci_namespace_find(spec, "uts"))
		args->ns[CONTAINER_NS_UTS] = sandbox->uts_fd;
	if (sandbox_pidns && sandbox->pid_fd >= 0)
		args->ns[CONTAINER_NS_PID] = sandbox->pid_fd;
	return 0;
}

/*
 * systemd's form ("slice:prefix:name") has no meaning without systemd; the root of the tree is the
 * agent's.
 */
static int adapt_cgroup(struct oci_linux *linux_, const char *id, struct arena *arena)
{
	struct err err = ERR_NULL;
	const char *path = linux_->cgroups_path ? linux_->cgroups_path : "";

	while (*path == '/')
		path++;
	if (*path && !strchr(path, ':')) {
		char *absolute = arena_printf(arena, "/%s", path);
		if (!absolute)
			return -ENOMEM;
		if (mounts_check_path(absolute, &err) >= 0) {
			linux_->cgroups_path = absolute;
			return 0;
		}
	}
	linux_->cgroups_path = arena_printf(arena, "/%s", id);
	return linux_->cgroups_path ? 0 : -ENOMEM;
}

static int append_hook(struct oci_hook **hooks, size_t *nr, char *path, struct arena *arena)
{
	struct oci_hook *grown = arena_extend(arena, *hooks, *nr, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	grown[*nr].path = path;
	int r = arena_strv_add(arena, &grown[*nr].args, path);
	if (r < 0)
		return r;
	*hooks = grown;
	(*nr)++;
	return 0;
}

static int add_hooks_of(const char *base, const char *kind, struct oci_hook **hooks, size_t *nr,
			struct arena *arena)
{
	char *dir_path = arena_printf(arena, "%s/%s", base, kind);
	DIR *dir = dir_path ? opendir(dir_path) : NULL;
	int r = 0;

	if (!dir)
		return dir_path ? 0 : -ENOMEM;
	for (struct dirent *e = readdir(dir); r >= 0 && e && *nr < GUEST_HOOKS_MAX;
	     e = readdir(dir)) {
		struct stat st;

		if (fstatat(dirfd(dir), e->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode) ||
		    !(st.st_mode & 0111))
			continue;
		char *path = arena_printf(arena, "%s/%s", dir_path, e->d_name);
		r = path ? append_hook(hooks, nr, path, arena) : -ENOMEM;
	}
	(void)closedir(dir);
	return r;
}

static int adapt_hooks(const char *base, struct oci_spec *spec, struct arena *arena)
{
	if (!base)
		return 0;
	if (!spec->hooks)
		spec->hooks = arena_alloc(arena, sizeof(*spec->hooks));
	if (!spec->hooks)
		return -ENOMEM;
	struct oci_hooks *h = spec->hooks;
	int r = add_hooks_of(base, "prestart", &h->prestart, &h->nr_prestart, arena);
	if (r >= 0)
		r = add_hooks_of(base, "poststart", &h->poststart, &h->nr_poststart, arena);
	if (r >= 0)
		r = add_hooks_of(base, "poststop", &h->poststop, &h->nr_poststop, arena);
	return r;
}

/**
 * spec_adapt() - fit a spec into the guest
 * @sandbox: the pod
 * @id: container id
 * @sandbox_pidns: join the pod's PID namespace, if there is one yet
 * @spec: spec with linux; changed
 * @arena: arena of what is added
 * @args: its ns[] is filled; borrows the sandbox's descriptors
 * @err: filled on failure
 *
 * Return: 0 or -ENOMEM.
 */
int spec_adapt(const struct guest_sandbox *sandbox, const char *id, bool sandbox_pidns,
	       struct oci_spec *spec, struct arena *arena, struct container_create_args *args,
	       struct err *err)
{
	int r = adapt_namespaces(sandbox, sandbox_pidns, spec, arena, args);

	if (r >= 0)
		r = adapt_cgroup(spec->linux_, id, arena);
	if (r >= 0)
		r = adapt_hooks(sandbox->hook_path, spec, arena);
	return r < 0 ? err_set_errno(err, r, "spec of %s", id) : 0;
}
