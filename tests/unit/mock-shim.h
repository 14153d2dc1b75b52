/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shim without a VM, for tests of the command line: it serves the Task service and stand-ins over
 * the descriptors that a shim inherits, and appends what happens to it to the file named by
 * $MOCK_SHIM_LOG.
 *
 * What a container does is decided by its id: "exit7-..." ends with 7 as soon as it is started,
 * "nocreate-..." cannot be created for want of its program, "kills-..." loses its stand-in
 * meanwhile, "dies-..." takes the shim with it. Others run until they get KILL or TERM. An exec of
 * the program "exit3" prints "out" and ends with 3; others run until they are killed.
 */
#pragma once

#include <stdbool.h>

bool mock_shim_is_asked_for(int argc, char **argv);
int mock_shim_main(int argc, char **argv);
