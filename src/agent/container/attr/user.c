/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users: id mappings of user namespaces, changing to the user of a process, and the home directory
 * of /etc/passwd. No NSS: the agent is static and the container's idea of users is what its own
 * file says.
 */
#include "agent/container/attr/user.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"

/* The kernel's own limit (user_namespaces(7)). */
#define USER_MAPPINGS_MAX 340
#define USER_GROUPS_MAX 65536
#define USER_PASSWD_MAX (1U << 20)

static int write_map(pid_t pid, const char *file, const struct oci_id_mapping *map, size_t nr,
		     struct err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	char path[64];

	if (nr > USER_MAPPINGS_MAX)
		return err_set(err, E2BIG, "more than %d id mappings", USER_MAPPINGS_MAX);
	for (size_t i = 0; i < nr; i++) {
		int r = strbuf_printf(&text, "%u %u %u\n", map[i].container_id, map[i].host_id,
				      map[i].size);
		if (r < 0)
			return err_set_errno(err, r, "id mappings");
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	int r = io_write_file_at(AT_FDCWD, path, text.data, text.len);
	return r < 0 ? err_set_errno(err, r, "write %s of the container", file) : 0;
}

/**
 * user_write_maps() - give a user namespace its mappings
 * @pid: its first process
 * @uids: user ids
 * @nr_uids: number of them, not 0
 * @gids: group ids
 * @nr_gids: number of them, not 0
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int user_write_maps(pid_t pid, const struct oci_id_mapping *uids, size_t nr_uids,
		    const struct oci_id_mapping *gids, size_t nr_gids, struct err *err)
{
	int r = write_map(pid, "uid_map", uids, nr_uids, err);

	return r < 0 ? r : write_map(pid, "gid_map", gids, nr_gids, err);
}

/**
 * user_open_mapped_ns() - a user namespace that exists only for its mappings, for idmapped mounts
 * @uids: user ids
 * @nr_uids: number of them
 * @gids: group ids
 * @nr_gids: number of them
 * @err: filled on failure
 *
 * Return: descriptor of the namespace, owned by the caller, or -errno.
 */
int user_open_mapped_ns(const struct oci_id_mapping *uids, size_t nr_uids,
			const struct oci_id_mapping *gids, size_t nr_gids, struct err *err)
{
	char path[64];
	pid_t pid = neg_errno(
		(long)syscall(SYS_clone, (unsigned long)CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	if (pid < 0)
		return err_set_errno(err, pid, "make a user namespace for an idmapped mount");
	int fd = user_write_maps(pid, uids, nr_uids, gids, nr_gids, err);
	if (fd >= 0) {
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
		fd = neg_errno(open(path, O_RDONLY | O_CLOEXEC));
		if (fd < 0)
			(void)err_set_errno(err, fd, "open %s", path);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0); /* our child, just killed */
	return fd;
}

/**
 * user_map_id() - an id of the container as the agent sees it
 * @map: mappings
 * @nr: number of them; 0: no user namespace
 * @id: id in the container
 *
 * Return: the id outside; the overflow id when it has none.
 */
uint32_t user_map_id(const struct oci_id_mapping *map, size_t nr, uint32_t id)
{
	if (!nr)
		return id;
	for (size_t i = 0; i < nr; i++)
		if (id >= map[i].container_id && id - map[i].container_id < map[i].size)
			return map[i].host_id + (id - map[i].container_id);
	return 65534;
}

/**
 * user_become_ns_root() - after entering a user namespace: take its id 0
 * @err: filled on failure
 *
 * Until then the process is nobody there. Capabilities in the namespace stay. A namespace without
 * an id 0 is left as it is.
 *
 * Return: 0 or -errno.
 */
int user_become_ns_root(struct err *err)
{
	/* Where setgroups is off there are none to drop. */
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return err_set_errno(err, -errno, "drop groups in the user namespace");
	if (setresgid(0, 0, 0) < 0 && errno != EINVAL)
		return err_set_errno(err, -errno, "become group 0 of the user namespace");
	if (setresuid(0, 0, 0) < 0 && errno != EINVAL)
		return err_set_errno(err, -errno, "become user 0 of the user namespace");
	return 0;
}

/**
 * user_apply() - change to the user of the process, keeping permitted capabilities
 * @user: user
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int user_apply(const struct oci_user *user, struct err *err)
{
	static_assert(sizeof(gid_t) == sizeof(*user->additional_gids),
		      "groups are passed as they are");

	if (user->nr_additional_gids > USER_GROUPS_MAX)
		return err_set(err, E2BIG, "more than %d additional groups", USER_GROUPS_MAX);
	if (setgroups(user->nr_additional_gids, user->additional_gids) < 0 &&
	    !(errno == EPERM && !user->nr_additional_gids))
		return err_set_errno(err, -errno, "set additional groups");
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_set_errno(err, -errno, "keep capabilities");
	if (setresgid(user->gid, user->gid, user->gid) < 0)
		return err_set_errno(err, -errno, "set group %u", user->gid);
	if (setresuid(user->uid, user->uid, user->uid) < 0)
		return err_set_errno(err, -errno, "set user %u", user->uid);
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return err_set_errno(err, -errno, "keep capabilities");
	return 0;
}

/*
 * name:password:uid:gid:comment:home:shell -- Return: home when it is the line of @uid, else NULL.

 */
static const char *passwd_home(char *line, uint32_t uid)
{
	char *fields[7] = { NULL };
	uint32_t number;

	for (size_t i = 0; i < ARRAY_SIZE(fields) && line; i++)
		fields[i] = strsep(&line, ":");
	if (!fields[5] || str_to_u32(fields[2], &number) < 0 || number != uid)
		return NULL;
	return fields[5];
}

/**
 * user_find_home() - the home directory of a user, from /etc/passwd of this root
 * @uid: user
 * @ret: receives the path; "/" when the file has none, or is masked or too large to be one
 * @size: size of @ret
 *
 * Return: 0 or -errno.
 */
int user_find_home(uint32_t uid, char *ret, size_t size)
{
	/* Not blocking: it may be a fifo. */
	cleanup_close int fd =
		neg_errno(open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
	cleanup_free char *data = NULL;
	struct stat st;

	(void)snprintf(ret, size, "/");
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > USER_PASSWD_MAX)
		return 0;
	data = calloc(1, (size_t)st.st_size + 1);
	if (!data)
		return -ENOMEM;
	ssize_t n = neg_errno_sz(read(fd, data, (size_t)st.st_size));
	if (n < 0)
		return (int)n;
	for (char *rest = data, *line; (line = strsep(&rest, "\n"));) {
		const char *home = passwd_home(line, uid);

		if (home && *home && strlen(home) < size) {
			memcpy(ret, home, strlen(home) + 1);
			return 0;
		}
	}
	return 0;
}
