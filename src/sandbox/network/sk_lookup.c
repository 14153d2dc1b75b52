/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A BPF program of type SK_LOOKUP (Linux 5.9), see the kernel's Documentation/bpf/prog_sk_lookup.
 * The kernel runs it where it would look for a listening socket. It has 34 instructions and never
 * changes, so it is written as such, without a compiler or a loader.
 */
#include "sandbox/network/sk_lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/macros.h"

/* The sockets' places in the map. */
#define KEY_V4 0
#define KEY_V6 1

#define INSN(code_, dst, src, off_, imm_)     \
	((struct bpf_insn){ .code = (code_),  \
			    .dst_reg = (dst), \
			    .src_reg = (src), \
			    .off = (off_),    \
			    .imm = (imm_) })
#define CTX(member) ((int16_t)offsetof(struct bpf_sk_lookup, member))
#define LOAD(dst, member) INSN(BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_6, CTX(member), 0)
#define MOVE(dst, src) INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define MOVE_IMM(dst, imm) INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define CALL(helper) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
/* Distances are counted from the next instruction. */
#define JUMP_IF(op, reg, imm, distance) INSN(BPF_JMP | (op) | BPF_K, reg, 0, distance, imm)
#define JUMP(distance) INSN(BPF_JMP | BPF_JA, 0, 0, distance, 0)

static int bpf(int cmd, union bpf_attr *attr)
{
	return neg_errno(syscall(SYS_bpf, cmd, attr, sizeof(*attr)));
}

static int make_map(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr)); /* the kernel wants its padding zero, too */
	attr.map_type = BPF_MAP_TYPE_SOCKMAP;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = sizeof(uint64_t);
	attr.max_entries = 2;
	return bpf(BPF_MAP_CREATE, &attr);
}

static int put_socket(int map_fd, uint32_t key, int fd)
{
	uint64_t value = (uint64_t)fd;
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)map_fd;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)&value;
	return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

static int load_program(int map_fd)
{
	enum { V6 = 9, LOOK_UP = 18, PASS = 32 };
	const struct bpf_insn program[] = {
		[0] = MOVE(BPF_REG_6, BPF_REG_1),
		[1] = LOAD(BPF_REG_2, protocol),
		[2] = JUMP_IF(BPF_JNE, BPF_REG_2, IPPROTO_TCP, PASS - 3),
		[3] = LOAD(BPF_REG_2, family),
		[4] = JUMP_IF(BPF_JEQ, BPF_REG_2, AF_INET6, V6 - 5),
		[5] = LOAD(BPF_REG_2, local_ip4),
		[6] = JUMP_IF(BPF_JNE, BPF_REG_2, (int)htonl(INADDR_LOOPBACK), PASS - 7),
		[7] = MOVE_IMM(BPF_REG_2, KEY_V4),
		[8] = JUMP(LOOK_UP - 9),
		[V6] = LOAD(BPF_REG_2, local_ip6[0]),
		[10] = LOAD(BPF_REG_3, local_ip6[1]),
		[11] = INSN(BPF_ALU64 | BPF_OR | BPF_X, BPF_REG_2, BPF_REG_3, 0, 0),
		[12] = LOAD(BPF_REG_3, local_ip6[2]),
		[13] = INSN(BPF_ALU64 | BPF_OR | BPF_X, BPF_REG_2, BPF_REG_3, 0, 0),
		[14] = JUMP_IF(BPF_JNE, BPF_REG_2, 0, PASS - 15),
		[15] = LOAD(BPF_REG_2, local_ip6[3]),
		[16] = JUMP_IF(BPF_JNE, BPF_REG_2, (int)htonl(1), PASS - 17),
		[17] = MOVE_IMM(BPF_REG_2, KEY_V6),
		/* The key goes to the stack, since a look-up takes its address. */
		[LOOK_UP] = INSN(BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, BPF_REG_2, -4, 0),
		/* The only instruction of double size. */
		[19] = INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_fd),
		[20] = INSN(0, 0, 0, 0, 0),
		[21] = MOVE(BPF_REG_2, BPF_REG_10),
		[22] = INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		[23] = CALL(BPF_FUNC_map_lookup_elem),
		[24] = JUMP_IF(BPF_JEQ, BPF_REG_0, 0, PASS - 25),
		[25] = MOVE(BPF_REG_7, BPF_REG_0),
		[26] = MOVE(BPF_REG_1, BPF_REG_6),
		[27] = MOVE(BPF_REG_2, BPF_REG_0),
		[28] = MOVE_IMM(BPF_REG_3, 0),
		[29] = CALL(BPF_FUNC_sk_assign),
		[30] = MOVE(BPF_REG_1, BPF_REG_7),
		[31] = CALL(BPF_FUNC_sk_release),
		[PASS] = MOVE_IMM(BPF_REG_0, SK_PASS),
		[33] = INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SK_LOOKUP;
	attr.expected_attach_type = BPF_SK_LOOKUP;
	attr.insns = (uintptr_t)program;
	attr.insn_cnt = ARRAY_SIZE(program);
	attr.license = (uintptr_t) "Apache-2.0"; /* none of these helpers asks for the GPL */
	return bpf(BPF_PROG_LOAD, &attr);
}

static int attach(int program_fd, int netns_fd)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)program_fd;
	attr.link_create.target_fd = (uint32_t)netns_fd;
	attr.link_create.attach_type = BPF_SK_LOOKUP;
	return bpf(BPF_LINK_CREATE, &attr);
}

/**
 * sk_lookup_attach() - take over the TCP connections to 127.0.0.1 and ::1
 * @netns_fd: network namespace
 * @v4_fd: listening socket in it
 * @v6_fd: the same for IPv6, or -1: those connections are left alone
 * @err: filled on failure
 *
 * The socket a connection is accepted from tells by getsockname(2) where it was meant to go.
 *
 * Return: a descriptor that keeps it so, or -errno (-EPERM without CAP_BPF and CAP_NET_ADMIN).
 */
int sk_lookup_attach(int netns_fd, int v4_fd, int v6_fd, struct err *err)
{
	cleanup_close int map = make_map();
	int r = map;

	if (r >= 0)
		r = put_socket(map, KEY_V4, v4_fd);
	if (r >= 0 && v6_fd >= 0)
		r = put_socket(map, KEY_V6, v6_fd);
	if (r < 0)
		return err_set_errno(err, r, "BPF map of listening sockets");
	cleanup_close int program = load_program(map);
	if (program < 0)
		return err_set_errno(err, program, "load BPF program");
	r = attach(program, netns_fd);
	return r < 0 ? err_set_errno(err, r, "attach BPF program to network namespace") : r;
}
