/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of the host that show those of the guest; for a container's stand-in.
 */
#pragma once

void standin_ps_show(int fd, int nr);
int standin_ps_timeout_ms(void);
void standin_ps_end(void);
