/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds what is read before a VM is restored, or goes on: the manifest of a saved VM, and the line
 * that wakes a guest.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/guest_wake.h"
#include "common/str.h"
#include "sandbox/snapshot/manifest.h"
#include "faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void wake(const char *text, size_t size)
{
	char line[GUEST_WAKE_LINE_MAX + 1];
	struct guest_wake parsed;

	if (guest_wake_parse(text, size, &parsed) < 0)
		return;
	/* There is one way to say it. */
	if (guest_wake_format(&parsed, line) != size || memcmp(line, text, size) != 0)
		abort();
}

static void manifest(const char *text, size_t size)
{
	cleanup_strbuf struct strbuf again = STRBUF_NULL;
	struct snapshot_manifest parsed, back;
	struct err err = ERR_NULL;

	if (snapshot_manifest_parse(text, size, &parsed, &err) < 0)
		return;
	if (snapshot_manifest_write(&parsed, &again) < 0)
		return;
	if (snapshot_manifest_parse(again.data, again.len, &back, &err) < 0 ||
	    memcmp(&parsed, &back, sizeof(parsed)) != 0) {
		if (!faults_hit())
			abort();
	}
}

static void one(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	wake(text, size);
	manifest(text, size);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	faults_each(one, data, size);
	return 0;
}
