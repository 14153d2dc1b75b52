/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process must be under its filter before a container can see it, but the container's profile
 * need not allow what is left to do then: to be born and to lead a session. These calls carry a key
 * in their two last arguments, which the kernel does not look at for them: random numbers that are
 * made for one process and that the filter lets pass. The rest of the filter is the container's.
 *
 * The key is worth nothing to who finds it: it opens these calls in this form only.
 */
#include "agent/container/attr/seccomp_key.h"

#include <assert.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/attr/seccomp.h"
#include "common/str.h"

/* Which calls in which form. */
static const struct {
	uint32_t nr;
	unsigned arg;
	uint32_t value;
} calls[] = {
	{ SYS_clone, 0, SECCOMP_KEY_CLONE_FLAGS },
	{ SYS_setsid, 0, 0 },
	{ SYS_ioctl, 1, TIOCSCTTY },
	{ SYS_prlimit64, 1, RLIMIT_NPROC },
};

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(field))
#define ARG(i) (offsetof(struct seccomp_data, args) + (i) * sizeof(uint64_t))
#define LOW(i) (ARG(i) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint32_t) : 0))
#define HIGH(i) (ARG(i) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 0 : sizeof(uint32_t)))
#define EQUAL(value, yes, no) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), (uint8_t)(yes), (uint8_t)(no))

#define INSNS_PER_CALL 4
#define INSNS_OF_KEY 9

static_assert(2 + ARRAY_SIZE(calls) * INSNS_PER_CALL + INSNS_OF_KEY == SECCOMP_KEY_INSNS,
	      "what is left free for it");

/* What comes before the filter: allow, or go on behind it. */
static void emit(const struct seccomp_key *key, struct sock_filter *out)
{
	const size_t key_at = 2 + ARRAY_SIZE(calls) * INSNS_PER_CALL;
	size_t nr = 0;

	out[nr++] = (struct sock_filter)LOAD(offsetof(struct seccomp_data, arch));
	out[nr] = (struct sock_filter)EQUAL(seccomp_arch_native(), 0, SECCOMP_KEY_INSNS - nr - 1);
	nr++;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		out[nr++] = (struct sock_filter)LOAD(offsetof(struct seccomp_data, nr));
		out[nr++] = (struct sock_filter)EQUAL(calls[i].nr, 0, 2);
		out[nr++] = (struct sock_filter)LOAD(LOW(calls[i].arg));
		out[nr] = (struct sock_filter)EQUAL(calls[i].value, key_at - nr - 1,
						    SECCOMP_KEY_INSNS - nr - 1);
		nr++;
	}
	/* No call of the list: past the key. */
	out[nr - 3].jf = (uint8_t)(SECCOMP_KEY_INSNS - (nr - 3) - 1);
	for (unsigned i = 0; i < ARRAY_SIZE(key->word); i++) {
		out[nr++] = (struct sock_filter)LOAD(LOW(4 + i));
		out[nr] = (struct sock_filter)EQUAL(key->word[i], 0, SECCOMP_KEY_INSNS - nr - 1);
		nr++;
		out[nr++] = (struct sock_filter)LOAD(HIGH(4 + i));
		out[nr] = (struct sock_filter)EQUAL(key->word[i] >> 32, 0,
						    SECCOMP_KEY_INSNS - nr - 1);
		nr++;
	}
	out[nr] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
}

/**
 * seccomp_key_load() - put this process under a filter, for ever, but for seccomp_key_call()
 * @prog: program; NULL: none
 * @ret: receives the key
 *
 * Needs no_new_privs or CAP_SYS_ADMIN.
 *
 * Return: 0 or -errno.
 */
int seccomp_key_load(const struct seccomp_prog *prog, struct seccomp_key *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!prog)
		return 0;
	size_t nr = SECCOMP_KEY_INSNS + (size_t)prog->fprog.len;
	struct sock_filter *insns = calloc(nr, sizeof(*insns));
	const struct sock_fprog whole = { .len = (unsigned short)nr, .filter = insns };
	ssize_t n = getrandom(ret, sizeof(*ret), 0);
	int r = !insns ? -ENOMEM : n < 0 ? -errno : n != sizeof(*ret) ? -EIO : 0;

	if (r >= 0) {
		emit(ret, insns);
		memcpy(insns + SECCOMP_KEY_INSNS, prog->fprog.filter,
		       prog->fprog.len * sizeof(*insns));
		r = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, prog->flags, &whole) < 0
			    ? -errno
			    : 0;
	}
	free(insns);
	return r;
}

/**
 * seccomp_key_call() - make a system call of the list above, whatever the filter says
 * @key: key
 * @nr: number of the call
 * @a: first argument
 * @b: second
 * @c: third
 * @d: fourth
 *
 * Return: what the kernel says, -errno for a failure.
 */
long seccomp_key_call(const struct seccomp_key *key, long nr, long a, long b, long c, long d)
{
	long r = syscall(nr, a, b, c, d, key->word[0], key->word[1]);

	return r < 0 ? -errno : r;
}
