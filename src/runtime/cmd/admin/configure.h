/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling container managers of the runtime: what configure.c, which reads and writes the file,
 * shares with those that know what has to stand in it.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"

/* The task, and the file's text before and after. */
struct configure {
	struct arena *arena;
	const char *manager;
	const char *file;
	const char *name;		      /* the runtime is called so by users */
	const char *runtime_path, *shim_path; /* absolute */
	bool undo;
	const char *old; /* NUL-terminated; NULL when there is no file */
	size_t old_len;
	struct strbuf text; /* what shall be in the file */
	bool remove;	    /* there shall be no file */
};

int configure_docker(struct configure *c, struct err *err) must_check;
int configure_podman(struct configure *c, struct err *err) must_check;
int configure_crio(struct configure *c, struct err *err) must_check;
int configure_containerd(struct configure *c, struct err *err) must_check;
