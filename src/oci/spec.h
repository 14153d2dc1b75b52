/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing the OCI runtime specification's documents. Syntax and types only: whether a
 * document makes a container is oci/validate.h.
 */
#pragma once

#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/json.h"
#include "oci/oci_spec.h"

/* Greatest config.json accepted. Real ones are 10-60 KB; most of that is seccomp. */
#define OCI_SPEC_MAX ((size_t)8 << 20)
#define OCI_VERSION \
	"1.2.0" /* what we write and the newest whose every Linux field is known to us */

int oci_spec_load(const char *bundle, struct arena *arena, struct oci_spec **ret,
		  struct err *err) must_check;
int oci_spec_parse(const char *data, size_t len, const char *name, struct arena *arena,
		   struct oci_spec **ret, struct err *err) must_check;
int oci_process_parse(const char *data, size_t len, const char *name, struct arena *arena,
		      struct oci_process **ret, struct err *err) must_check;
int oci_resources_parse(const char *data, size_t len, const char *name, struct arena *arena,
			struct oci_resources **ret, struct err *err) must_check;

void oci_spec_write(struct json_writer *w, const struct oci_spec *spec);
void oci_process_write(struct json_writer *w, const struct oci_process *process);
void oci_resources_write(struct json_writer *w, const struct oci_resources *resources);
int oci_spec_format(const struct oci_spec *spec, unsigned indent, struct strbuf *out) must_check;

int oci_features_format(unsigned indent, struct strbuf *out) must_check;
int oci_spec_template(struct strbuf *out) must_check;
