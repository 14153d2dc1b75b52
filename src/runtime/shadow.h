/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of the host that show those of the guest; for a container's stand-in.
 */
#pragma once

void shadow_show(int fd, int nr);
int shadow_timeout_ms(void);
void shadow_end(void);
