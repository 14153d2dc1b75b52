/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree a sandbox shares with its guest: an empty, read-only directory into which root file
 * systems and volumes are bind-mounted. It lives in the shim's private mount namespace, so that
 * nothing is left when the shim dies.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"

/* What is exported cannot be run on the host, opened as a device or followed as a link there. */
#define SHARE_FORBIDDEN \
	(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW)

struct share_follow;

struct share {
	int entries_fd;		     /* writable side: where mount points are made */
	int mounts_fd;		     /* exported side: where they are mounted over */
	char *path;		     /* of the exported side */
	struct share_follow *follow; /* NULL: what the host mounts later is not looked at */
};

#define SHARE_NULL ((struct share){ .entries_fd = -1, .mounts_fd = -1 })

/* Who exports a tree from a mount namespace of its own. */
struct share_exporter {
	pid_t pid;
	const char *path; /* of the tree below its root, "": it is the root */
};

int share_isolate_mounts(struct err *err) must_check;
int share_init(struct share *share, const char *state_dir, struct err *err) must_check;
void share_deinit(struct share *share);
/*
 * A detached copy of the mounts at an absolute path, as the process saw it before
 * share_isolate_mounts(), or with @own as it sees it now.
 */
int share_open(const char *path, bool own) must_check;
int share_open_path(const char *path) must_check;
/* MOUNT_ATTR_NOSUID, _NODEV, _NOEXEC and _NOSYMFOLLOW as they are set for a mount. */
int share_mount_attrs(int tree_fd, uint64_t *ret) must_check;
enum share_flag {
	SHARE_READ_ONLY = 1,	 /* enforced on the host */
	SHARE_FOLLOW = 2,	 /* what the host mounts below it later appears in the guest too */
	SHARE_VOLUME = 4,	 /* others change it too: the guest is to ask about it anew */
	SHARE_READ_ONLY_TOP = 8, /* with READ_ONLY: what is mounted below stays as it is */
};
/* @name is one path component, or "<dir>/<name>"; @tree_fd comes from share_open(). */
int share_add(struct share *share, int tree_fd, const char *name, unsigned flags,
	      struct err *err) must_check;
/* @exporter: the process whose mount namespace has a copy of the tree; NULL: none. */
int share_set_read_only(struct share *share, const char *name, bool read_only,
			const struct share_exporter *exporter) must_check;
int share_remove(struct share *share, const char *name) must_check;
