/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtiofsd as a child process: which of the two programs of that name it is, its command line, its
 * life.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/macros.h"
#include "common/proc.h"

struct output_ring;

enum virtiofsd_kind {
	VIRTIOFSD_C,	/* shipped with QEMU up to 7.2 */
	VIRTIOFSD_RUST, /* the separate project, 1.0 and later */
};

struct virtiofsd_program {
	enum virtiofsd_kind kind;
	unsigned major, minor; /* of its version */
};

struct virtiofsd_config {
	const char *path; /* of the binary */
	/* directory to export; a mount point (MS_SHARED) if later mounts are to be seen */
	const char *source;
	const char *dir;   /* private to root; its socket is there until it has been connected to */
	const char *cache; /* "never", "metadata", "auto", "always"; NULL: "auto" */
	/* whatever @cache says: what others change is seen at once, and can be mapped */
	bool current;
	const char *const *extra_args; /* virtio_fs_extra_args of the configuration */
	size_t nr_extra_args;
	bool no_xattr;
	bool debug;
	const int *cgroup_fds; /* cgroup.procs descriptors it joins */
	size_t nr_cgroup_fds;
};

struct virtiofsd {
	struct proc proc; /* watch proc.pidfd for its death */
	struct output_ring *output;
};

#define VIRTIOFSD_NULL ((struct virtiofsd){ .proc = { .pidfd = -1 } })

int virtiofsd_probe(const char *path, struct virtiofsd_program *ret, struct err *err) must_check;
/* Does it take struct virtiofsd_config's @current? */
bool virtiofsd_can_be_current(const struct virtiofsd_program *program);
int virtiofsd_argv(const struct virtiofsd_config *config, const struct virtiofsd_program *program,
		   int listen_fd, struct arena *arena, struct strv *argv,
		   struct err *err) must_check;
/* *ret_fd is a connected vhost-user socket for struct vm_fs; the caller's. */
int virtiofsd_start(struct loop *loop, const struct virtiofsd_config *config,
		    const struct virtiofsd_program *program, struct virtiofsd *ret, int *ret_fd,
		    struct err *err) must_check;
/* Copies the last line it printed, to explain a death. */
void virtiofsd_last_line(const struct virtiofsd *vfsd, char *buf, size_t len);
int virtiofsd_stop(struct virtiofsd *vfsd, uint64_t deadline_ns) must_check;
void virtiofsd_deinit(struct virtiofsd *vfsd);
