// SPDX-License-Identifier: Apache-2.0

// Package tools names the modules that the program is built from; it is nothing itself.
package tools

import (
	_ "sigs.k8s.io/cri-tools/pkg/benchmark"
	_ "sigs.k8s.io/cri-tools/pkg/framework"
	_ "sigs.k8s.io/cri-tools/pkg/validate"
)
