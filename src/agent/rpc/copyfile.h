/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files sent by RPC, for a guest without a shared file system.
 */
#pragma once

#include "common/err.h"

struct agent_copy_file_request;

/* @base is the directory nothing gets out of, KATA_GUEST_SHARED_DIR but for tests. */
int copyfile_store(const char *base, const struct agent_copy_file_request *req,
		   struct err *err) must_check;
