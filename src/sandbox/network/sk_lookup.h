/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends every TCP connection to a network namespace's loopback addresses to listening sockets of
 * ours, whatever port it is for.
 */
#pragma once

#include "common/err.h"

/*
 * @v6_fd may be -1. The namespace is as it was when the returned descriptor is closed, which also
 * happens when we die.
 */
int sk_lookup_attach(int netns_fd, int v4_fd, int v6_fd, struct err *err) must_check;
