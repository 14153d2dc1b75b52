/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pod does a container belong to? Each container manager says it with annotations of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "oci/oci_spec.h"

enum oci_container_type {
	OCI_CONTAINER_SINGLE,  /* no pod: it gets a sandbox of its own */
	OCI_CONTAINER_SANDBOX, /* the pod's first */
	OCI_CONTAINER_MEMBER,  /* joins the sandbox called sandbox_id */
};

struct oci_grouping {
	enum oci_container_type type;
	/*
	 * The pod: the container's own id, or what the manager says. Points into the arguments of
	 * oci_grouping_find(). Podman gives the pod an id that none of its containers has, and may
	 * make a pod without a sandbox container.
	 */
	const char *sandbox_id;
	/* "containerd", "cri-o", "podman", "cri-dockerd", "kata"; NULL: says nothing */
	const char *manager;
};

/* How large the manager says the pod is; 0 where it does not say. */
struct oci_sandbox_size {
	uint64_t cpu_period, cpu_shares;
	int64_t cpu_quota; /* <= 0: unlimited */
	int64_t memory;	   /* bytes; <= 0: unlimited */
};

int oci_grouping_find(const char *id, const struct oci_spec *spec, struct oci_grouping *ret,
		      struct err *err) must_check;
int oci_sandbox_size_find(const struct oci_grouping *grouping, const struct oci_spec *spec,
			  struct oci_sandbox_size *ret, struct err *err) must_check;
const char *oci_annotation(const struct oci_spec *spec, const char *key);
unsigned oci_sandbox_size_vcpus(const struct oci_sandbox_size *size);
