/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real containers on the machine the tests run on: a busybox rootfs, specs from pieces of JSON, run
 * to their end. Needs root; whoever uses it skips without.
 */
#pragma once

#include <stdbool.h>

#include "agent/container/container.h"
#include "agent/container/process.h"
#include "common/err.h"
#include "oci/oci_spec.h"

/* Pieces of a config.json; NULL leaves the default. */
struct fixture_run {
	const char *args;    /* "[\"sh\", \"-c\", \"...\"]" */
	const char *shell;   /* instead of args: a script for sh -c, quoted here */
	const char *process; /* further members of process, each with a comma behind: "\"terminal\":
				true," */
	const char *user;    /* object */
	const char *cwd;
	const char *capabilities; /* object */
	const char *mounts;	  /* further mounts, each with a comma before */
	const char *namespaces;	  /* list instead of pid, mount, ipc, uts, network */
	const char *linux_;	  /* further members of linux, each with a comma before */
	const char *top;	  /* further members of the document, each with a comma before */
	const char *input;	  /* written to stdin */
	const char *exec; /* process document to exec after the start; its output comes first */
	const char *exec_input;
	bool no_input; /* of both: they get /dev/null */
	bool read_only;
	bool no_pivot;
	bool cgroup;		    /* in a cgroup */
	int ns_fd[CONTAINER_NS_NR]; /* 0: not given */
	void (*running)(struct container *c,
			struct fixture_run *run); /* called after the start, in a fiber */
	void *arg;
};

struct fixture_result {
	int r;		  /* of the first call that failed */
	const char *step; /* its name: "create", "start", "exec", "destroy" */
	struct err err;
	char out[65536];   /* stdout or the terminal */
	char errors[8192]; /* stderr */
	int exit_code;
	char exec_out[16384];
	int exec_code;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
const char *fixture_dir(void);	       /* rootfs is below it */
const char *fixture_cgroup_root(void); /* NULL: none */
bool fixture_can_run(void);
void fixture_run(struct fixture_run *run, struct fixture_result *ret);
int fixture_write(const char *path, const char *text); /* below fixture_dir() */
void fixture_remove(const char *path);
