#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a person sees while the guest's kernel is built. The kernel is a played one, as a real one takes minutes.

load helpers

# make_source: a tarball that guest/kernel/build.sh takes for a kernel's: its configuration comes true, its patches fit,
# and its build prints what Kbuild prints, or nothing when make is silent.
make_source() {
	local dir=$BATS_TEST_TMPDIR/linux patched line
	mkdir -p "$dir/scripts/kconfig"
	cat > "$dir/scripts/kconfig/merge_config.sh" <<-'SH'
	#!/bin/sh
	shift 2
	out=$1
	shift
	cat "$@" > "$out/.config"
	SH
	chmod +x "$dir/scripts/kconfig/merge_config.sh"
	for patched in "$REPO"/guest/kernel/patches/*.patch; do
		# The lines that the patch wants, at the place where it wants them.
		awk -v dir="$dir" '/^--- a\// { file = dir "/" substr($2, 3); at = 0; system("mkdir -p $(dirname " file ")") }
			/^@@/ { split($2, n, /[-,]/); while (++at < n[2]) print "" > file; at = n[2] - 1; inside = 1; next }
			inside && /^[ -]/ && !/^---/ { print substr($0, 2) > file; at++ }' "$patched"
	done
	cat > "$dir/Makefile" <<-'MAKE'
	.RECIPEPREFIX = >
	quiet := $(findstring s,$(firstword -$(MAKEFLAGS)))
	vmlinux:
	>@$(if $(quiet),,for i in $$(seq 400); do echo "  CC      file$$i.o"; done)
	>@cp /bin/true $(O)/vmlinux
	modules: vmlinux
	modules_install:
	>@mkdir -p $(INSTALL_MOD_PATH)/lib/modules/1
	>@touch $(INSTALL_MOD_PATH)/lib/modules/1/modules.dep $(INSTALL_MOD_PATH)/lib/modules/1/modules.dep.bin
	MAKE
	tar -C "$BATS_TEST_TMPDIR" -cJf "$BATS_TEST_TMPDIR/linux.tar.xz" linux
}

@test "make -s guest shows how far the kernel is" {
	make_source
	local build=$BATS_TEST_TMPDIR/build
	KATA_GUEST_CACHE=$BATS_TEST_TMPDIR/cache run make -s -j2 -C "$REPO" B="$build" \
		KERNEL_SOURCE="$BATS_TEST_TMPDIR/linux.tar.xz" "$build/guest/.built"
	echo "$output"
	[ "$status" -eq 0 ]
	[ -e "$build/guest/vmlinux" ]
	[[ "$output" == *"kernel:  290 objects, about 10%"* ]]
	[[ "$output" == *"kernel: 400 objects, done"* ]]
	[[ "$output" != *jobserver* ]]
	# Of the lists of modules those that the agent reads.
	[ "$(cd "$build/guest/modules/lib/modules" && echo */*)" = 1/modules.dep ]
}
