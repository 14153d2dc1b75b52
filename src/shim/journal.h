/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last things that happened in the sandbox, numbered, for `kata-runtime events`.
 */
#pragma once

#include "common/fiber.h"
#include "rpc/admin_msg.h"

struct journal;

int journal_new(struct journal **ret) must_check;
struct journal *journal_free(struct journal *journal);
void journal_add(struct journal *journal, enum admin_event_type type, const char *id,
		 const char *exec_id, uint32_t exit_status, const char *text);
/* In a fiber: the first entry after @since about @id ("": any). Strings go into @arena. */
int journal_wait(struct journal *journal, uint64_t since, const char *id, uint64_t deadline_ns,
		 struct arena *arena, struct admin_wait_event_response *ret) must_check;
