/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the sandbox of a new container. Kubernetes' managers name it in annotations. Podman and
 * docker name it by a network namespace: two containers that share one share the machine it is made
 * of, so the second joins the first's VM.
 */
#include "runtime/container/pod.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"
#include "config/config.h"
#include "oci/namespaces.h"
#include "runtime/state/record.h"

struct netns_search {
	const struct cli *cli;
	int root_fd;
	struct stat netns;
	struct arena *arena;
	const char *found; /* sandbox id */
	struct err *err;   /* says what cannot be joined */
};

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int match_netns(void *arg, const char *id)
{
	struct netns_search *search = arg;
	struct err load_err = ERR_NULL;
	char path[64];
	struct stat st;
	cleanup_record struct record record = RECORD_NULL;

	/* A record that is being removed, or damaged, is not the one. */
	int r = record_load_at(&record, search->root_fd, search->cli->root, id, &load_err);
	if (r < 0 && r != -EOPNOTSUPP)
		return 0;
	if (!record_standin_alive(&record))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)record.standin_pid);
	if (stat(path, &st) < 0 || !same_file(&st, &search->netns))
		return 0;
	if (r < 0) {
		*search->err = load_err;
		return r;
	}
	search->found = arena_strdup(search->arena, record.sandbox_id);
	return search->found ? 1 : -ENOMEM;
}

static int find_by_netns(const struct cli *cli, const struct stat *netns, struct arena *arena,
			 const char **ret, struct err *err)
{
	struct netns_search search = { .cli = cli, .netns = *netns, .arena = arena, .err = err };
	cleanup_close int root_fd = record_open_root(cli->root, true, err);

	if (root_fd < 0)
		return root_fd;
	search.root_fd = root_fd;
	int r = record_for_each(root_fd, match_netns, &search);
	if (r < 0 && err->code)
		return r;
	if (r < 0)
		return err_set_errno(err, r, "cannot search %s", cli->root);
	*ret = search.found;
	return 0;
}

static bool is_host_netns(const struct stat *netns)
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st) == 0 && same_file(&st, netns))
		return true;
	return stat("/proc/1/ns/net", &st) == 0 && same_file(&st, netns);
}

/* Read only when a container asks for the host's network: that is rare, and the file costs time. */
static int check_host_network(const struct cli *cli, struct arena *arena, struct err *err)
{
	struct config *config;
	int r = config_load(cli->config, arena, &config, err);

	if (r < 0)
		return r;
	if (config->runtime.disable_new_netns)
		return 0;
	return err_set(err, EOPNOTSUPP,
		       "host network is not supported: the container runs in a VM, which cannot "
		       "use the host's own "
		       "interfaces; give it a network namespace");
}

static int open_netns(const char *path, struct stat *ret_st, struct err *err)
{
	cleanup_close int fd = neg_errno(open(path, O_RDONLY | O_CLOEXEC));

	if (fd < 0)
		return err_set_errno(err, fd, "network namespace %s", path);
	if (fstat(fd, ret_st) < 0)
		return err_set_errno(err, -errno, "network namespace %s", path);
	return TAKE_FD(fd);
}

static int find_netns(const struct cli *cli, const struct oci_spec *spec, struct arena *arena,
		      struct pod *pod, struct stat *ret_st, struct err *err)
{
	const struct oci_namespace *ns = oci_namespace_find(spec, "network");

	if (ns && str_empty(ns->path)) {
		pod->netns = STANDIN_NETNS_NEW;
		return 0;
	}
	pod->netns = STANDIN_NETNS_KEEP;
	if (!ns)
		return check_host_network(cli, arena, err);
	pod->netns_fd = open_netns(ns->path, ret_st, err);
	if (pod->netns_fd < 0)
		return pod->netns_fd;
	if (is_host_netns(ret_st))
		return check_host_network(cli, arena, err);
	pod->netns = STANDIN_NETNS_JOIN;
	return 0;
}

static int sandbox_must_exist(const struct cli *cli, const struct pod *pod, const char *id,
			      struct err *err)
{
	cleanup_close int root_fd = record_open_root(cli->root, true, err);

	if (root_fd < 0)
		return root_fd;
	if (faccessat(root_fd, pod->sandbox_id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return err_set(err, ENOENT,
		       "container \"%s\" belongs to sandbox \"%s\", which does not exist in %s", id,
		       pod->sandbox_id, cli->root);
}

/**
 * pod_find() - find or name the sandbox of a new container
 * @cli: global options
 * @id: container id
 * @spec: its validated spec
 * @arena: holds the id of the sandbox
 * @ret: receives the answer; POD_NULL before
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int pod_find(const struct cli *cli, const char *id, const struct oci_spec *spec,
	     struct arena *arena, struct pod *ret, struct err *err)
{
	struct oci_grouping grouping;
	struct stat netns;
	const char *by_netns = NULL;
	int r = oci_grouping_find(id, spec, &grouping, err);

	if (r < 0)
		return r;
	r = find_netns(cli, spec, arena, ret, &netns, err);
	if (r < 0)
		return r;
	ret->sandbox_id = id;
	ret->in_pod = grouping.type != OCI_CONTAINER_SINGLE;
	if (grouping.type == OCI_CONTAINER_MEMBER) {
		ret->sandbox_id = grouping.sandbox_id;
		ret->exists = true;
		return sandbox_must_exist(cli, ret, id, err);
	}
	if (grouping.type == OCI_CONTAINER_SINGLE && ret->netns == STANDIN_NETNS_JOIN) {
		r = find_by_netns(cli, &netns, arena, &by_netns, err);
		if (r < 0)
			return r;
	}
	if (by_netns) {
		ret->sandbox_id = by_netns;
		ret->exists = ret->in_pod = true;
	}
	return 0;
}

/**
 * pod_deinit() - release what pod_find() found
 * @pod: pod or POD_NULL
 */
void pod_deinit(struct pod *pod)
{
	(void)fd_close(pod->netns_fd); /* read-only */
	*pod = POD_NULL;
}
