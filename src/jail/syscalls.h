/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that are left to a program that manages a VM.
 */
#pragma once

#include "common/err.h"
#include "common/macros.h"

int syscalls_confine(struct err *err) must_check;
