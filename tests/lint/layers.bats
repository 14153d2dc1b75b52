#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The checker of the layers sees what it is there for: a small tree of sources, compiled, with one fault each.

setup() {
	checker="$BATS_TEST_DIRNAME/layers.py"
	root=$BATS_TEST_TMPDIR
	mkdir -p "$root/src/low" "$root/src/high"
	cat > "$root/src/layers.txt" <<-'END'
	low:
	high: low
	END
	echo 'int low_count(void);' > "$root/src/low/low.h"
	printf '#include "low/low.h"\nint low_count(void) { return 1; }\n' > "$root/src/low/low.c"
	printf '#include "low/low.h"\nint main(void) { return low_count(); }\n' > "$root/src/high/main.c"
}

check() {
	local source
	for source in "$root"/src/*/*.c; do
		object=$root/obj/${source#"$root/"}
		mkdir -p "$(dirname "$object")"
		gcc -I "$root/src" -c "$source" -o "${object%.c}.o"
	done
	run "$checker" --root "$root" --objects "$root/obj"
}

@test "layers: a good tree passes" {
	check
	[ "$status" -eq 0 ] && [ -z "$output" ]
}

@test "layers: an include upwards fails" {
	echo '#define HIGH 1' > "$root/src/high/high.h"
	mkdir "$root/src/top" && mv "$root/src/high/main.c" "$root/src/top/" && printf 'top: low high\n' >> "$root/src/layers.txt"
	sed -i '1i #include "high/high.h"' "$root/src/low/low.c"
	check
	[ "$status" -eq 1 ]
	[ "$output" = "src/low/low.c:1: low may not use high" ]
}

@test "layers: a call upwards fails without any include" {
	mkdir "$root/src/top" && mv "$root/src/high/main.c" "$root/src/top/" && printf 'top: low high\n' >> "$root/src/layers.txt"
	echo 'int high_count(void) { return 2; }' > "$root/src/high/high.c"
	printf 'int high_count(void);\nint low_count(void) { return high_count(); }\n' > "$root/src/low/low.c"
	check
	[ "$status" -eq 1 ]
	[ "$output" = "src/low/low.c: low may not use high: high_count of src/high/high.c" ]
}

@test "layers: a table that allows a circle fails" {
	sed -i 's/^low:/low: high/' "$root/src/layers.txt"
	check
	[ "$status" -eq 1 ]
	[[ "$output" = *"layers.txt:1: low names high, which does not stand above it: that allows a circle" ]]
}

@test "layers: an exported function without a caller fails, unless it is for tests" {
	echo 'int low_peek_for_test(void) { return 3; }' >> "$root/src/low/low.c"
	check
	[ "$status" -eq 0 ]
	echo 'int low_forgotten(void) { return 3; }' >> "$root/src/low/low.c"
	check
	[ "$status" -eq 1 ]
	[ "$output" = "src/low/low.c: nobody in src calls low_forgotten()" ]
}

@test "layers: a function that lives elsewhere than its header says fails, unless its family is listed" {
	echo 'int low_more(void);' >> "$root/src/low/low.h"
	echo 'int low_more(void) { return 4; }' > "$root/src/low/low_more.c"
	sed -i 's/return low_count()/return low_count() + low_more()/' "$root/src/high/main.c"
	check
	[ "$status" -eq 1 ]
	[ "$output" = "src/low/low.h declares low_more(), which lives in src/low/low_more.c" ]
	echo 'family low/low.h: low low_more' >> "$root/src/layers.txt"
	check
	[ "$status" -eq 0 ]
}

@test "layers: a folder without a row, a row without a folder and a crowded main.c fail" {
	mkdir "$root/src/new"
	echo 'static int unused;' > "$root/src/new/new.c"
	echo 'static int unused;' > "$root/src/high/beside.c"
	echo 'gone: low' >> "$root/src/layers.txt"
	check
	[ "$status" -eq 1 ]
	[ "$output" = "src/high/main.c is not alone in its folder
src/new has no row in src/layers.txt
src/layers.txt: there is nothing in src/gone" ]
}

@test "layers: objects that are missing are said, not skipped" {
	check
	rm "$root/obj/src/low/low.o"
	run "$checker" --root "$root" --objects "$root/obj"
	[ "$status" -eq 1 ]
	[ "$output" = "layers: $root/obj has no object of src/low/low.c: build it first" ]
}
