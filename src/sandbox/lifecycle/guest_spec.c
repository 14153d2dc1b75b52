/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: What the guest gets
 *
 * The spec is copied one level deep and parts of it are replaced. Root file system and bind mounts
 * are shared through the sandbox's tree and renamed; kernel file systems (/proc, /sys, /dev) are
 * the guest's own, never the host's. Namespaces with a path lead to the sandbox's. Hooks that
 * belong to the host have been taken out.
 */
#include "sandbox/lifecycle/guest_spec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "kata/guest.h"
#include "oci/validate.h"
#include "sandbox/core/container.h"
#include "sandbox/storage/host_socket.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/storage/volume.h"

static bool has_option(const struct oci_mount *mount, const char *option)
{
	for (size_t i = 0; i < mount->options.nr; i++)
		if (str_eq(mount->options.v[i], option))
			return true;
	return false;
}

static bool is_bind(const struct oci_mount *mount)
{
	return str_eq(mount->type, "bind") || has_option(mount, "bind") ||
	       has_option(mount, "rbind");
}

static bool path_is_below(const char *path, const char *dir)
{
	const char *rest = str_skip_prefix(path, dir);

	return rest && (*rest == '\0' || *rest == '/');
}

/*
 * Kernel file systems of the host mean nothing to the guest, which has its own at the same place.
 */
static bool is_kernel_path(const char *path)
{
	return path_is_below(path, "/proc") || path_is_below(path, "/sys") ||
	       (path_is_below(path, "/dev") && !path_is_below(path, "/dev/shm"));
}

/**
 * guest_spec_share() - share a file or directory with the guest
 * @ctr: container; it notes the name
 * @fd: from share_open(), -1 for what another container shares already
 * @name: below the shared tree
 * @flags: enum share_flag
 * @ret_guest_path: receives where the guest sees it
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int guest_spec_share(struct sb_container *ctr, int fd, const char *name, unsigned flags,
		     char **ret_guest_path, struct err *err)
{
	int r = fd < 0 ? 0 : share_add(&ctr->sandbox->share, fd, name, flags, err);

	if (r < 0)
		return r;
	*ret_guest_path = arena_printf(ctr->arena, "%s/%s", KATA_GUEST_SHARED_DIR, name);
	if (!*ret_guest_path || arena_strv_add(ctr->arena, &ctr->shares, name) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return 0;
}

/* The containers of a pod see each other's shared memory. */
static int use_pod_shm(struct sb_container *ctr, struct oci_mount *mount, struct err *err)
{
	struct strv options = { 0 };

	mount->type = arena_strdup(ctr->arena, "bind");
	mount->source = arena_strdup(ctr->arena, KATA_GUEST_SHM_DIR);
	if (!mount->type || !mount->source || arena_strv_add(ctr->arena, &options, "rbind") < 0)
		return err_set(err, ENOMEM, "out of memory");
	mount->options = options;
	return 0;
}

/*
 * /dev/shm of a manager is a host tmpfs; the guest makes one of the same size instead of sharing
 * its pages.
 */
static int make_guest_shm(struct sb_container *ctr, int fd, struct oci_mount *mount,
			  struct err *err)
{
	struct statfs fs;
	struct strv options = { 0 };
	int r = 0;

	if (fstatfs(fd, &fs) < 0)
		return err_set_errno(err, -errno, "mount %s: %s", mount->destination,
				     mount->source);
	if (ctr->sandbox->pod)
		return use_pod_shm(ctr, mount, err);
	const char *size =
		arena_printf(ctr->arena, "size=%llu",
			     (unsigned long long)fs.f_blocks * (unsigned long long)fs.f_bsize);
	const char *const wanted[] = { "nosuid", "noexec", "nodev", "mode=1777", size };
	for (size_t i = 0; i < ARRAY_SIZE(wanted) && r >= 0; i++)
		r = wanted[i] ? arena_strv_add(ctr->arena, &options, wanted[i]) : -ENOMEM;
	mount->type = arena_strdup(ctr->arena, "tmpfs");
	mount->source = arena_strdup(ctr->arena, "shm");
	if (r < 0 || !mount->type || !mount->source)
		return err_set(err, ENOMEM, "out of memory");
	mount->options = options;
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : "root";
}

/* The root file system that containerd let us mount is in our own namespace only. */
static int open_source(struct sb_container *ctr, const char *source, bool own)
{
	const char *path = *source == '/' ? source
					  : arena_printf(ctr->arena, "%s/%s", ctr->bundle, source);

	return path ? share_open(path, own) : -ENOMEM;
}

static unsigned share_flags(const struct oci_mount *mount)
{
	unsigned flags = 0;

	if (has_option(mount, "ro") || has_option(mount, "rro"))
		flags |= SHARE_READ_ONLY;
	if (has_option(mount, "slave") || has_option(mount, "rslave"))
		flags |= SHARE_FOLLOW;
	return flags;
}

/*
 * A disk of the host is plugged, as one that the spec lists as a device. Return: 1, the mount is
 * no more, or -ENOMEM.
 */
static int turn_into_device(struct sb_container *ctr, struct oci_linux *linux_,
			    const struct oci_mount *mount, const struct stat *st, struct err *err)
{
	bool read_only = share_flags(mount) & SHARE_READ_ONLY;
	const struct oci_resources *old = linux_->resources;
	size_t nr_rules = old ? old->nr_devices : 0;
	struct oci_device *devices =
		arena_extend(ctr->arena, linux_->devices, linux_->nr_devices, sizeof(*devices));
	struct oci_device_cgroup *rules =
		arena_extend(ctr->arena, old ? old->devices : NULL, nr_rules, sizeof(*rules));
	struct oci_resources *resources = arena_alloc(ctr->arena, sizeof(*resources));
	int64_t *number = arena_calloc(ctr->arena, 2, sizeof(*number));
	uint32_t *mode = arena_alloc(ctr->arena, sizeof(*mode));

	if (!devices || !rules || !resources || !number || !mode)
		return err_set(err, ENOMEM, "out of memory");
	number[0] = major(st->st_rdev);
	number[1] = minor(st->st_rdev);
	*mode = st->st_mode & 07777;
	devices[linux_->nr_devices++] = (struct oci_device){
		.path = mount->destination,
		.type = (char *)(uintptr_t) "b",
		.major = number[0],
		.minor = number[1],
		.file_mode = mode,
	};
	linux_->devices = devices;
	if (old)
		*resources = *old;
	rules[nr_rules] = (struct oci_device_cgroup){
		.allow = true,
		.type = (char *)(uintptr_t) "b",
		.major = &number[0],
		.minor = &number[1],
		.access = (char *)(uintptr_t)(read_only ? "rm" : "rwm"),
	};
	resources->devices = rules;
	resources->nr_devices = nr_rules + 1;
	linux_->resources = resources;
	return 1;
}

/* Return: 1 when the mount has become something else, 0 or -errno. */
static int convert_bind(struct sb_container *ctr, struct oci_spec *spec, size_t index,
			struct oci_mount *mount, struct err *err)
{
	char name[400];
	struct stat st;

	if (str_empty(mount->source))
		return err_set(err, EINVAL, "mounts[%zu] (%s): bind mount without a source", index,
			       mount->destination);
	if (ctr->sandbox->pod && (has_option(mount, "shared") || has_option(mount, "rshared")))
		return err_set(err, ENOTSUP,
			       "mounts[%zu] (%s): Bidirectional propagation: what a container in a "
			       "VM mounts cannot appear on the host",
			       index, mount->destination);
	bool of_kernel = is_kernel_path(mount->source);
	if (of_kernel && !path_is_below(mount->source, "/dev"))
		return 0;
	cleanup_close int fd = open_source(ctr, mount->source, false);
	if (fd >= 0 && fstat(fd, &st) >= 0 && S_ISBLK(st.st_mode))
		return turn_into_device(ctr, spec->linux_, mount, &st, err);
	if (of_kernel)
		return 0;
	/* Without a sandbox container nobody has made the pod's on the host. */
	if (fd == -ENOENT && ctr->sandbox->pod && str_eq(mount->destination, "/dev/shm"))
		return use_pod_shm(ctr, mount, err);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, fd < 0 ? fd : -errno, "mounts[%zu] (%s): source %s",
				     index, mount->destination, mount->source);
	int r = volume_keep_in_guest(ctr, mount, fd, err);
	if (r != 0)
		return MIN(r, 0);
	if (str_eq(mount->destination, "/dev/shm"))
		return make_guest_shm(ctr, fd, mount, err);
	if (S_ISCHR(st.st_mode))
		return err_set(err, ENOTSUP,
			       "mounts[%zu] (%s): %s is a character device of the host, which a VM "
			       "cannot use",
			       index, mount->destination, mount->source);
	if (S_ISSOCK(st.st_mode)) {
		r = host_socket_offer(ctr, mount, err);
		return r < 0 ? err_wrap(err, "mounts[%zu] (%s)", index, mount->destination) : 0;
	}
	if (mount->nr_uid_mappings || has_option(mount, "idmap") || has_option(mount, "ridmap"))
		return err_set(err, ENOTSUP,
			       "mounts[%zu] (%s): ids cannot be mapped in what is shared with a VM",
			       index, mount->destination);
	(void)snprintf(name, sizeof(name), "%s-%zu-%.200s", ctr->id, index,
		       base_name(mount->source));
	unsigned flags = share_flags(mount);
	const char *host_path = mount->source, *shared;
	bool known;
	r = volume_find(ctr, host_path, fd, flags, name, &shared, &known, err);
	if (r >= 0)
		r = guest_spec_share(ctr, known ? -1 : fd, shared, flags, &mount->source, err);
	if (r < 0 || !(flags & SHARE_READ_ONLY))
		return r;
	return volume_watch(ctr, mount, host_path, name, err);
}

/*
 * Without a sandbox container a manager has no /dev/shm of the pod to bind: it asks for a tmpfs,
 * and says by the namespace that the container's IPC is the pod's.
 */
static bool wants_pod_shm(const struct sb_container *ctr, const struct oci_spec *spec,
			  const struct oci_mount *mount)
{
	const struct oci_namespace *ipc = oci_namespace_find(spec, "ipc");

	return ctr->sandbox->pod && str_eq(mount->destination, "/dev/shm") &&
	       str_eq(mount->type, "tmpfs") && str_eq(mount->source, "shm") && ipc &&
	       !str_empty(ipc->path);
}

static int convert_mounts(struct sb_container *ctr, struct oci_spec *spec, struct err *err)
{
	struct oci_mount *mounts =
		arena_memdup(ctr->arena, spec->mounts, spec->nr_mounts * sizeof(*mounts));
	size_t nr = 0;

	if (!mounts)
		return err_set(err, ENOMEM, "out of memory");
	spec->mounts = mounts;
	for (size_t i = 0; i < spec->nr_mounts; i++) {
		int r = is_bind(&mounts[i]) ? convert_bind(ctr, spec, i, &mounts[i], err) : 0;

		if (r == 0 && wants_pod_shm(ctr, spec, &mounts[i]))
			r = use_pod_shm(ctr, &mounts[i], err);
		if (r < 0)
			return r;
		if (r == 0)
			mounts[nr++] = mounts[i];
	}
	spec->nr_mounts = nr;
	return 0;
}

static int convert_root(struct sb_container *ctr, struct oci_spec *spec, struct err *err)
{
	struct oci_root *root = arena_memdup(ctr->arena, spec->root, sizeof(*root));
	char name[200];
	struct stat st;

	if (!root)
		return err_set(err, ENOMEM, "out of memory");
	if (ctr->guest_rootfs) {
		root->path = (char *)(uintptr_t)ctr->guest_rootfs;
		spec->root = root;
		return 0;
	}
	cleanup_close int fd = open_source(ctr, root->path, ctr->rootfs_mount);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, fd < 0 ? fd : -errno, "rootfs %s", root->path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "rootfs %s: not a directory", root->path);
	(void)snprintf(name, sizeof(name), "%s/rootfs", ctr->id);
	/* Read-only is the guest's doing here: it must still be able to create mount points. */
	int r = guest_spec_share(ctr, fd, name, SHARE_FOLLOW, &root->path, err);
	spec->root = root;
	return r;
}

static int convert_namespaces(struct sb_container *ctr, struct oci_linux *linux_, struct err *err)
{
	struct oci_namespace *from = linux_->namespaces;
	struct oci_namespace *to = arena_calloc(ctr->arena, linux_->nr_namespaces, sizeof(*to));
	const struct sb_container *target = sb_container_pid_target(ctr);
	size_t nr = 0;

	if (!to)
		return err_set(err, ENOMEM, "out of memory");
	if (!target && sb_container_pid_is_pinned(ctr))
		return err_set(
			err, EOPNOTSUPP,
			"linux.namespaces: the path of the PID namespace does not say whose "
			"processes container %s is to see, and its pod does not run exactly one "
			"other container",
			ctr->id);
	for (size_t i = 0; i < linux_->nr_namespaces; i++) {
		/*
		 * The guest has one network; a path means nothing there, joining is decided by the
		 * sandbox.
		 */
		if (str_eq(from[i].type, "network"))
			continue;
		if (target && str_eq(from[i].type, "pid")) {
			to[nr].path = arena_printf(ctr->arena, KATA_PIDNS_OF "%s", target->id);
			if (!to[nr].path)
				return err_set(err, ENOMEM, "out of memory");
		}
		to[nr++].type = from[i].type;
	}
	linux_->namespaces = to;
	linux_->nr_namespaces = nr;
	return 0;
}

/* Only startContainer hooks run in the guest: their paths are the container's. */
static int convert_hooks(struct sb_container *ctr, struct oci_spec *spec, struct err *err)
{
	struct oci_hooks *hooks;

	if (!spec->hooks)
		return 0;
	hooks = arena_alloc(ctr->arena, sizeof(*hooks));
	if (!hooks)
		return err_set(err, ENOMEM, "out of memory");
	hooks->start_container = spec->hooks->start_container;
	hooks->nr_start_container = spec->hooks->nr_start_container;
	spec->hooks = hooks;
	return 0;
}

/* Profiles that managers set by themselves where the host has AppArmor; nobody asked for them. */
static bool is_default_apparmor(const char *profile)
{
	return str_eq(profile, "unconfined") || str_eq(profile, "docker-default") ||
	       str_eq(profile, "cri-containerd.apparmor.d") || str_eq(profile, "crio-default") ||
	       str_skip_prefix(profile, "containers-default-");
}

/**
 * guest_spec_drop_labels() - take away what speaks of the host's security policy
 * @id: container, for the log
 * @process: process that will run in the guest
 * @level: how the log tells of it
 *
 * The VM is the boundary, and the guest has no such policy. An AppArmor profile that somebody has
 * chosen stays: the guest refuses it unless it has AppArmor.
 */
void guest_spec_drop_labels(const char *id, struct oci_process *process, enum log_level level)
{
	if (process->apparmor_profile && is_default_apparmor(process->apparmor_profile)) {
		log_write(level, 0, "container %s: the AppArmor profile %s is not used in the VM",
			  id, process->apparmor_profile);
		process->apparmor_profile = NULL;
	}
	if (!str_empty(process->selinux_label))
		log_write(level, 0, "container %s: the SELinux label %s is not used in the VM", id,
			  process->selinux_label);
	process->selinux_label = NULL;
}

static int convert_process(struct sb_container *ctr, struct oci_spec *spec, struct err *err)
{
	struct oci_process *process = arena_memdup(ctr->arena, spec->process, sizeof(*process));

	if (!process)
		return err_set(err, ENOMEM, "out of memory");
	guest_spec_drop_labels(ctr->id, process, LOG_LEVEL_INFO);
	spec->process = process;
	spec->linux_->mount_label = NULL;
	if (ctr->sandbox->config->runtime.disable_guest_seccomp)
		spec->linux_->seccomp = NULL;
	return 0;
}

/* CPU and node numbers are the host's; its cgroup keeps the VM to them. */
static int convert_resources(struct sb_container *ctr, struct oci_linux *linux_, struct err *err)
{
	struct oci_resources *resources;
	struct oci_cpu *cpu;

	if (!linux_->resources || !linux_->resources->cpu)
		return 0;
	resources = arena_memdup(ctr->arena, linux_->resources, sizeof(*resources));
	cpu = arena_memdup(ctr->arena, linux_->resources->cpu, sizeof(*cpu));
	if (!resources || !cpu)
		return err_set(err, ENOMEM, "out of memory");
	cpu->cpus = NULL;
	cpu->mems = NULL;
	resources->cpu = cpu;
	linux_->resources = resources;
	return 0;
}

/* Those of a pod are its sandbox container's; without one, each container brings them along. */
static int add_pod_sysctls(struct sb_container *ctr, struct oci_linux *linux_, struct err *err)
{
	const struct oci_spec *pod = ctr->sandbox->spec;
	size_t nr = pod && pod->linux_ && !pod->process ? pod->linux_->nr_sysctl : 0;

	if (!nr)
		return 0;
	struct kv *all = arena_calloc(ctr->arena, nr + linux_->nr_sysctl, sizeof(*all));
	if (!all)
		return err_set(err, ENOMEM, "out of memory");
	memcpy(all, pod->linux_->sysctl, nr * sizeof(*all));
	if (linux_->nr_sysctl)
		memcpy(all + nr, linux_->sysctl, linux_->nr_sysctl * sizeof(*all));
	linux_->sysctl = all;
	linux_->nr_sysctl += nr;
	return 0;
}

/**
 * guest_spec_make() - the spec for the agent
 * @ctr: container with its spec; the shared tree exists
 * @ret: receives the converted spec, in the container's arena
 * @err: names the mount or device that cannot be had in a guest
 *
 * What was shared is noted in ctr->shares, also on failure.
 *
 * Return: 0 or -errno.
 */
int guest_spec_make(struct sb_container *ctr, struct oci_spec **ret, struct err *err)
{
	struct oci_spec *spec = arena_memdup(ctr->arena, ctr->spec, sizeof(*spec));

	if (!spec)
		return err_set(err, ENOMEM, "out of memory");
	spec->linux_ = arena_alloc(ctr->arena, sizeof(*spec->linux_));
	if (!spec->linux_)
		return err_set(err, ENOMEM, "out of memory");
	if (ctr->spec->linux_)
		*spec->linux_ = *ctr->spec->linux_;
	int r = convert_root(ctr, spec, err);
	if (r >= 0)
		r = convert_mounts(ctr, spec, err);
	if (r >= 0)
		r = convert_namespaces(ctr, spec->linux_, err);
	if (r >= 0)
		r = convert_hooks(ctr, spec, err);
	if (r >= 0)
		r = convert_process(ctr, spec, err);
	if (r >= 0)
		r = convert_resources(ctr, spec->linux_, err);
	if (r >= 0)
		r = add_pod_sysctls(ctr, spec->linux_, err);
	if (r < 0)
		return r;
	*ret = spec;
	return 0;
}
