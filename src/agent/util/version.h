/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions the agent tells.
 */
#pragma once

#ifndef KATA_VERSION
#define KATA_VERSION "0"
#endif

#define AGENT_PROTOCOL_VERSION "0.0.1" /* Kata's constant */
#define AGENT_VERSION KATA_VERSION
