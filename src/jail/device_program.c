/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device access by cgroup. cgroup v2 has no device files: a BPF program attached to the cgroup is
 * asked for every open and mknod. The rules are an ordered list in which a later rule overrides an
 * earlier one; the program walks it from the end and keeps which of the wanted access bits are
 * still undecided.
 */
#include "jail/device_program.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fd.h"

/* Instructions of one rule at most, and of the frame around them. */
#define INSNS_PER_RULE 10
#define INSNS_FRAME 8

static struct bpf_insn insn(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	return (struct bpf_insn){
		.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm
	};
}

/*
 * Registers: r2 device type, r3 access bits not yet decided, r4 major, r5 minor, r6 scratch. Jumps
 * that leave the rule are collected and aimed at its end once that is known.
 */
struct rule_emitter {
	struct bpf_insn *insns;
	size_t nr;
	size_t skips[4];
	size_t nr_skips;
};

static void emit(struct rule_emitter *e, struct bpf_insn i)
{
	e->insns[e->nr++] = i;
}

static void emit_skip_unless(struct rule_emitter *e, uint8_t reg, int32_t value)
{
	e->skips[e->nr_skips++] = e->nr;
	/* 32-bit compare: an immediate is sign extended for a 64-bit one. */
	emit(e, insn(BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, 0, value));
}

static void emit_rule(struct rule_emitter *e, const struct device_rule *rule)
{
	e->nr_skips = 0;
	if (rule->type)
		emit_skip_unless(e, BPF_REG_2, rule->type);
	if (rule->major != DEVICES_ANY)
		emit_skip_unless(e, BPF_REG_4, (int32_t)(uint32_t)rule->major);
	if (rule->minor != DEVICES_ANY)
		emit_skip_unless(e, BPF_REG_5, (int32_t)(uint32_t)rule->minor);
	if (rule->allow) {
		/* These bits are granted; done when none is left. */
		emit(e, insn(BPF_ALU | BPF_AND | BPF_K, BPF_REG_3, 0, 0,
			     (int32_t) ~(uint32_t)rule->access));
		e->skips[e->nr_skips++] = e->nr;
		emit(e, insn(BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_3, 0, 0, 0));
		emit(e, insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1));
	} else {
		/* One undecided bit that is denied decides for all. */
		emit(e, insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_3, 0, 0));
		emit(e, insn(BPF_ALU | BPF_AND | BPF_K, BPF_REG_6, 0, 0, rule->access));
		e->skips[e->nr_skips++] = e->nr;
		emit(e, insn(BPF_JMP32 | BPF_JEQ | BPF_K, BPF_REG_6, 0, 0, 0));
		emit(e, insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0));
	}
	emit(e, insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
	for (size_t i = 0; i < e->nr_skips; i++)
		e->insns[e->skips[i]].off = (int16_t)(e->nr - e->skips[i] - 1);
}

/**
 * device_rules_compile() - rules to instructions
 * @rules: list, at most some thousand
 * @arena: holds the result
 * @ret: receives the instructions
 * @ret_nr: number of them
 *
 * Return: 0 or -ENOMEM.
 */
int device_rules_compile(const struct device_rules *rules, struct arena *arena,
			 struct bpf_insn **ret, size_t *ret_nr)
{
	struct rule_emitter e = { .nr = 0 };

	e.insns = arena_calloc(arena, rules->nr * INSNS_PER_RULE + INSNS_FRAME, sizeof(*e.insns));
	if (!e.insns)
		return -ENOMEM;
	/* access_type holds the access in its upper half and the device type in its lower. */
	emit(&e, insn(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, 0, 0));
	emit(&e, insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0));
	emit(&e, insn(BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff));
	emit(&e, insn(BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16));
	emit(&e, insn(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1, 4, 0));
	emit(&e, insn(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_1, 8, 0));
	for (size_t i = rules->nr; i-- > 0;) {
		const struct device_rule *rule = &rules->rules[i];

		emit_rule(&e, rule);
		/*
		 * Nothing before a rule that matches everything is ever reached; the verifier
		 * refuses dead code.
		 */
		if (!rule->type && rule->major == DEVICES_ANY && rule->minor == DEVICES_ANY &&
		    rule->access == DEVICE_ACCESS_ALL)
			break;
	}
	emit(&e, insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0));
	emit(&e, insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
	*ret = e.insns;
	*ret_nr = e.nr;
	return 0;
}

static int bpf_call(int cmd, union bpf_attr *attr)
{
	return neg_errno(syscall(SYS_bpf, cmd, attr, sizeof(*attr)));
}

/**
 * device_program_attach() - make a program decide for a cgroup, in place of the one before
 * @cgroup_fd: the cgroup's directory
 * @insns: program
 * @nr: number of instructions
 * @prog_fd_inout: the program attached before or -1; the new one on success, owned by the caller
 * @err: filled on failure
 *
 * There is no moment without a program: the kernel exchanges them.
 *
 * Return: 0 or -errno.
 */
int device_program_attach(int cgroup_fd, const struct bpf_insn *insns, size_t nr,
			  int *prog_fd_inout, struct err *err)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = (uint32_t)nr;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	cleanup_close int prog = bpf_call(BPF_PROG_LOAD, &attr);
	if (prog < 0)
		return err_set_errno(err, prog, "load the device program of the cgroup");

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (*prog_fd_inout >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)*prog_fd_inout;
	}
	int r = bpf_call(BPF_PROG_ATTACH, &attr);
	if (r < 0)
		return err_set_errno(err, r, "attach the device program to the cgroup");
	(void)fd_close(*prog_fd_inout);
	*prog_fd_inout = TAKE_FD(prog);
	return 0;
}

/**
 * device_program_count() - how many programs decide about devices for a cgroup
 * @cgroup_fd: the cgroup's directory
 *
 * Those of the cgroups above count, too.
 *
 * Return: the number, or -errno.
 */
int device_program_count(int cgroup_fd)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)cgroup_fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.query_flags = BPF_F_QUERY_EFFECTIVE;
	int r = bpf_call(BPF_PROG_QUERY, &attr);
	return r < 0 ? r : (int)attr.query.prog_cnt;
}
