/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a document that was read make a container? One check for what every OCI runtime refuses, one
 * for what only a container inside a VM must refuse.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "oci/oci_spec.h"

/* What else the caller knows when it asks whether a container fits into a VM. */
struct oci_vm_policy {
	/* a path of a pid, ipc or uts namespace then means the pod's, which the guest has */
	bool in_pod;
};

int oci_spec_validate(const struct oci_spec *spec, struct arena *arena, struct strv *warnings,
		      struct err *err) must_check;
int oci_process_validate(const struct oci_process *process, struct arena *arena,
			 struct strv *warnings, struct err *err) must_check;
int oci_resources_validate(const struct oci_resources *resources, struct err *err) must_check;
int oci_spec_validate_vm(const struct oci_spec *spec, const struct oci_vm_policy *policy,
			 struct err *err) must_check;

/* The words a field may hold, as lists that end with NULL. */
enum oci_words {
	OCI_WORDS_NAMESPACES,
	OCI_WORDS_CAPABILITIES,
	OCI_WORDS_SECCOMP_ACTIONS,
	OCI_WORDS_SECCOMP_OPERATORS,
};

const char *const *oci_words(enum oci_words which);
