/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of config.json: whatever can be read must be writable, give the same text when read again,
 * and survive both validators and the pod grouping.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "oci/grouping.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct strbuf *text, struct arena *arena)
{
	cleanup_strbuf struct strbuf again = STRBUF_NULL;
	struct err err = ERR_NULL;
	struct oci_spec *spec;

	if (oci_spec_parse(text->data, text->len, "again", arena, &spec, &err) < 0 ||
	    oci_spec_format(spec, 0, &again) < 0) {
		if (!faults_hit())
			abort();
	} else if (strcmp(text->data, again.data) != 0) {
		abort();
	}
}

static void use(const struct oci_spec *spec, struct arena *arena)
{
	const struct oci_vm_policy policy = { .in_pod = true };
	struct oci_sandbox_size sandbox_size;
	struct oci_grouping grouping;
	struct err err = ERR_NULL;
	struct strv warnings = { 0 };

	if (oci_spec_validate(spec, arena, &warnings, &err) == 0)
		(void)!oci_spec_validate_vm(spec, &policy, &err); /* either answer is fine */
	if (oci_grouping_find("fuzz", spec, &grouping, &err) == 0 &&
	    oci_sandbox_size_find(&grouping, spec, &sandbox_size, &err) == 0)
		(void)oci_sandbox_size_vcpus(&sandbox_size);
}

static void one(const uint8_t *data, size_t size)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	cleanup_arena struct arena *arena = NULL;
	struct err err = ERR_NULL;
	struct oci_resources *resources;
	struct oci_process *process;
	struct oci_spec *spec;

	if (arena_new(&arena) < 0)
		return;
	if (oci_spec_parse((const char *)data, size, "fuzz", arena, &spec, &err) == 0) {
		if (oci_spec_format(spec, 0, &text) >= 0)
			check_again(&text, arena);
		else if (!faults_hit())
			abort();
		use(spec, arena);
	}
	if (oci_process_parse((const char *)data, size, "fuzz", arena, &process, &err) == 0)
		(void)!oci_process_validate(process, NULL, NULL, &err);
	if (oci_resources_parse((const char *)data, size, "fuzz", arena, &resources, &err) == 0)
		(void)!oci_resources_validate(resources, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	faults_each(one, data, size);
	return 0;
}
