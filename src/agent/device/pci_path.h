/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI paths of the agent protocol ("02/03": a bridge in slot 2 of the root bus, a device in slot 3
 * behind it) and what sysfs has below such a device.
 */
#pragma once

#include <stddef.h>

#include "common/macros.h"

#define PCI_PATH_DEPTH_MAX 8
/* Longest directory pci_path_resolve() can give. */
#define PCI_DIR_MAX 512

/* @sysfs is "/sys", or a test's tree. The result is an absolute path of the device's directory. */
int pci_path_resolve(const char *sysfs, const char *path, char *ret, size_t size) must_check;
/*
 * The name of the one child of <dir>/virtio<N>/<subsystem>, say "vda" for "block". -ENOENT while
 * there is none.
 */
int pci_path_child(const char *dir, const char *subsystem, char *ret, size_t size) must_check;
