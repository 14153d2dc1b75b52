// SPDX-License-Identifier: Apache-2.0

// Package tools names the module whose programs are built; it is nothing itself.
package tools

import _ "github.com/opencontainers/runtime-tools/generate"
