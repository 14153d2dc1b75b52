/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shim gives up before it serves.
 */
#pragma once

void confine_shim(void);
