/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the device program: it is run by a small interpreter of the few instructions it is
 * made of, and compared with the rules applied one by one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "agent/container/cgroup/devices_bpf.h"

#define R BPF_DEVCG_ACC_READ
#define W BPF_DEVCG_ACC_WRITE
#define M BPF_DEVCG_ACC_MKNOD
#define C BPF_DEVCG_DEV_CHAR
#define B BPF_DEVCG_DEV_BLOCK

static struct arena *arena;
static struct err err;

static uint64_t operand(const struct bpf_insn *i, const uint64_t *reg)
{
	return BPF_SRC(i->code) == BPF_X ? reg[i->src_reg] : (uint64_t)(int64_t)i->imm;
}

static uint64_t alu(const struct bpf_insn *i, uint64_t a, uint64_t b)
{
	uint64_t r = 0;

	switch (BPF_OP(i->code)) {
	case BPF_MOV:
		r = b;
		break;
	case BPF_AND:
		r = a & b;
		break;
	case BPF_RSH:
		r = (BPF_CLASS(i->code) == BPF_ALU ? (uint32_t)a : a) >> b;
		break;
	default:
		fail_msg("unexpected operation %#x", i->code);
	}
	return BPF_CLASS(i->code) == BPF_ALU ? (uint32_t)r : r;
}

static bool interpret(const struct bpf_insn *insns, size_t nr, const struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t reg[11] = { 0 };

	for (size_t pc = 0; pc < nr; pc++) {
		const struct bpf_insn *i = &insns[pc];

		switch (BPF_CLASS(i->code)) {
		case BPF_LDX: {
			uint32_t word;
			assert_int_equal(i->src_reg, BPF_REG_1);
			assert_true(i->off >= 0 && (size_t)i->off + 4 <= sizeof(*ctx));
			memcpy(&word, (const char *)ctx + i->off, 4);
			reg[i->dst_reg] = word;
			break;
		}
		case BPF_ALU:
		case BPF_ALU64:
			reg[i->dst_reg] = alu(i, reg[i->dst_reg], operand(i, reg));
			break;
		case BPF_JMP32: {
			bool equal = (uint32_t)reg[i->dst_reg] == (uint32_t)operand(i, reg);
			if (BPF_OP(i->code) == BPF_JEQ ? equal : !equal)
				pc += (size_t)i->off;
			break;
		}
		case BPF_JMP:
			assert_int_equal(i->code, BPF_JMP | BPF_EXIT);
			return reg[0] != 0;
		default:
			fail_msg("unexpected instruction %#x", i->code);
		}
	}
	fail_msg("the program runs off its end");
	return false;
}

/* What the specification says: each bit of the access is decided by the last rule that names it. */
static bool expected(const struct device_rules *rules, uint16_t type, uint16_t access,
		     uint32_t major, uint32_t minor)
{
	for (uint16_t bit = 1; bit <= 4; bit <<= 1) {
		bool allowed = false;

		if (!(access & bit))
			continue;
		for (size_t i = 0; i < rules->nr; i++) {
			const struct device_rule *rule = &rules->rules[i];

			if ((!rule->type || rule->type == type) && (rule->access & bit) &&
			    (rule->major == DEVICES_ANY || (uint32_t)rule->major == major) &&
			    (rule->minor == DEVICES_ANY || (uint32_t)rule->minor == minor))
				allowed = rule->allow;
		}
		if (!allowed)
			return false;
	}
	return true;
}

static void check(const struct device_rules *rules)
{
	static const uint32_t numbers[] = { 0, 1, 3, 5, 8, 10, 136, 200, 259 };
	struct bpf_insn *insns;
	size_t nr;

	assert_int_equal(device_rules_compile(rules, arena, &insns, &nr), 0);
	for (uint16_t type = B; type <= C; type++)
		for (uint16_t access = 1; access <= 7; access++)
			for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
				for (size_t k = 0; k < sizeof(numbers) / sizeof(*numbers); k++) {
					struct bpf_cgroup_dev_ctx ctx = {
						.access_type = ((uint32_t)access << 16) | type,
						.major = numbers[i],
						.minor = numbers[k],
					};
					assert_int_equal(interpret(insns, nr, &ctx),
							 expected(rules, type, access, numbers[i],
								  numbers[k]));
				}
}

static void no_rules_deny_everything(void **state)
{
	(void)state;
	check(&(struct device_rules){ NULL, 0 });
}

static void the_last_rule_decides(void **state)
{
	struct device_rule rules[] = {
		{ true, 0, R | W | M, DEVICES_ANY, DEVICES_ANY },
		{ false, C, W, 1, DEVICES_ANY },
		{ true, C, R | W, 1, 3 },
		{ false, 0, M, 8, 0 },
	};

	(void)state;
	for (size_t nr = 1; nr <= 4; nr++)
		check(&(struct device_rules){ rules, nr });
}

static void random_rules_agree_with_the_specification(void **state)
{
	static const int64_t numbers[] = { DEVICES_ANY, 0, 1, 3, 5, 8, 10, 136 };
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 60; round++) {
		struct device_rule rules[12];
		size_t nr = (size_t)(rand_r(&seed) % 13);

		for (size_t i = 0; i < nr; i++)
			rules[i] = (struct device_rule){
				.allow = rand_r(&seed) % 2,
				.type = (uint16_t)(rand_r(&seed) % 3),
				.access = (uint16_t)(rand_r(&seed) % 8),
				.major = numbers[rand_r(&seed) % 8],
				.minor = numbers[rand_r(&seed) % 8],
			};
		check(&(struct device_rules){ rules, nr });
	}
}

static bool allows(const struct oci_linux *l, const dev_t *denied, size_t nr_denied, uint16_t type,
		   uint16_t access, uint32_t major, uint32_t minor)
{
	struct device_rules rules;

	assert_int_equal(device_rules_new(arena, l, denied, nr_denied, &rules, &err), 0);
	check(&rules);
	return expected(&rules, type, access, major, minor);
}

static void disks_of_the_guest_are_denied_by_default(void **state)
{
	struct oci_linux l = { 0 };

	(void)state;
	assert_false(allows(&l, NULL, 0, B, R, 259, 0));
	assert_true(allows(&l, NULL, 0, B, M, 259, 0));
	assert_true(allows(&l, NULL, 0, C, R | W, 1, 3));
	assert_false(allows(&l, NULL, 0, C, R, 10, 200));
}

static void privileged_reaches_all_but_what_is_denied_to_all(void **state)
{
	struct oci_device_cgroup all = { .allow = true, .access = (char *)"rwm" };
	struct oci_resources res = { .devices = &all, .nr_devices = 1 };
	struct oci_linux l = { .resources = &res };
	dev_t root = makedev(259, 0);

	(void)state;
	assert_true(allows(&l, NULL, 0, B, R, 259, 0));
	assert_false(allows(&l, &root, 1, B, R, 259, 0));
	assert_false(allows(&l, &root, 1, B, M, 259, 0));
	assert_true(allows(&l, &root, 1, B, R, 259, 1));
}

static void listed_devices_count_when_there_are_no_rules(void **state)
{
	struct oci_device dev = {
		.type = (char *)"c", .path = (char *)"/dev/net/tun", .major = 10, .minor = 200
	};
	struct oci_linux l = { .devices = &dev, .nr_devices = 1 };

	(void)state;
	assert_true(allows(&l, NULL, 0, C, R | W, 10, 200));
}

static void wrong_rules_are_refused(void **state)
{
	int64_t minus = -7;
	struct oci_device_cgroup rules[] = {
		{ .allow = true, .type = (char *)"x" },
		{ .allow = true, .type = (char *)"c", .access = (char *)"rwx" },
		{ .allow = true, .type = (char *)"c", .major = &minus },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct oci_resources res = { .devices = &rules[i], .nr_devices = 1 };
		struct oci_linux l = { .resources = &res };
		struct device_rules out;

		assert_int_equal(device_rules_new(arena, &l, NULL, 0, &out, &err), -EINVAL);
	}
}

static int setup(void **state)
{
	(void)state;
	return arena_new(&arena);
}

static int teardown(void **state)
{
	(void)state;
	arena = arena_free(arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_rules_deny_everything),
		cmocka_unit_test(the_last_rule_decides),
		cmocka_unit_test(random_rules_agree_with_the_specification),
		cmocka_unit_test(disks_of_the_guest_are_denied_by_default),
		cmocka_unit_test(privileged_reaches_all_but_what_is_denied_to_all),
		cmocka_unit_test(listed_devices_count_when_there_are_no_rules),
		cmocka_unit_test(wrong_rules_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
