/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modules of a kernel, as depmod(8) lists them: finding those that a name or an alias asks for,
 * and giving them to the kernel, what they need first.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"
#include "common/macros.h"

struct modules;

/* Gives one module to the kernel. @file is relative to the directory. Return: 0 or -errno. */
typedef int (*modules_insert_fn)(void *arg, const char *file, const char *parameters);

int modules_open(const char *dir, modules_insert_fn insert, void *arg,
		 struct modules **ret) must_check;
int modules_open_running(struct modules **ret) must_check;
struct modules *modules_free(struct modules *modules);
/* Is there a driver of devices of this bus ("pci") among the modules? */
bool modules_know_bus(const struct modules *modules, const char *bus);
int modules_load(struct modules *modules, const char *name, const char *parameters,
		 struct err *err) must_check;

DEFINE_CLEANUP(struct modules, modules_free)
#define cleanup_modules cleanup_with(cleanup_modules_free)
