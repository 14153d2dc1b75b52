/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call filters. libseccomp turns the rules into a BPF program; it runs in the agent, once,
 * and the processes of the container only hand the finished program to the kernel.
 */
#include "agent/container/attr/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/attr/seccomp_key.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"

/* Bounds on what a peer may ask us to compile; real profiles have some 400 names in 30 rules. */
#define SECCOMP_RULES_MAX 4096
#define SECCOMP_NAMES_MAX 16384
#define SECCOMP_ARGS_MAX 6
/* The kernel's own limit. */
#define SECCOMP_INSNS_MAX BPF_MAXINSNS

struct word {
	const char *word;
	uint32_t value;
};

static const struct word actions[] = {
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0) },
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
};

static const struct word arches[] = {
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86 },
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 },
	{ "SCMP_ARCH_X32", SCMP_ARCH_X32 },
	{ "SCMP_ARCH_ARM", SCMP_ARCH_ARM },
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64 },
	{ "SCMP_ARCH_MIPS", SCMP_ARCH_MIPS },
	{ "SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64 },
	{ "SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32 },
	{ "SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL },
	{ "SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64 },
	{ "SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32 },
	{ "SCMP_ARCH_PARISC", SCMP_ARCH_PARISC },
	{ "SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64 },
	{ "SCMP_ARCH_PPC", SCMP_ARCH_PPC },
	{ "SCMP_ARCH_PPC64", SCMP_ARCH_PPC64 },
	{ "SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE },
	{ "SCMP_ARCH_S390", SCMP_ARCH_S390 },
	{ "SCMP_ARCH_S390X", SCMP_ARCH_S390X },
	{ "SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64 },
};

static const struct word operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

static const struct word flag_words[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	/* Only means something for notifications, which are refused; harmless alone. */
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 0 },
};

#define find_word(table, name) find_in((table), ARRAY_SIZE(table), (name))

static const struct word *find_in(const struct word *table, size_t nr, const char *name)
{
	for (size_t i = 0; i < nr; i++)
		if (str_eq(table[i].word, name))
			return &table[i];
	return NULL;
}

static int parse_action(const char *name, const uint32_t *errno_ret, uint32_t *ret, struct err *err)
{
	const struct word *word = find_word(actions, name);
	uint32_t errnum = errno_ret ? *errno_ret : EPERM;

	if (str_eq(name, "SCMP_ACT_NOTIFY"))
		return err_set(err, ENOTSUP,
			       "not supported: seccomp action SCMP_ACT_NOTIFY, there is no "
			       "listener in a VM");
	if (!word)
		return err_set(err, EINVAL, "unknown seccomp action %.64s", name ? name : "(none)");
	if (errnum > 0xffff)
		return err_set(err, EINVAL, "seccomp errnoRet %u is too large", errnum);
	*ret = word->value;
	if (str_eq(name, "SCMP_ACT_ERRNO"))
		*ret = SCMP_ACT_ERRNO(errnum);
	else if (str_eq(name, "SCMP_ACT_TRACE"))
		*ret = SCMP_ACT_TRACE(errnum);
	return 0;
}

static int parse_args(const struct oci_seccomp_syscall *rule, struct scmp_arg_cmp *ret,
		      bool *ret_repeated, struct err *err)
{
	unsigned seen = 0;

	if (rule->nr_args > SECCOMP_ARGS_MAX)
		return err_set(err, EINVAL, "seccomp rule with %zu arguments", rule->nr_args);
	*ret_repeated = false;
	for (size_t i = 0; i < rule->nr_args; i++) {
		const struct oci_seccomp_arg *arg = &rule->args[i];
		const struct word *op = find_word(operators, arg->op);

		if (!op)
			return err_set(err, EINVAL, "unknown seccomp operator %.64s",
				       arg->op ? arg->op : "(none)");
		if (arg->index >= SECCOMP_ARGS_MAX)
			return err_set(err, EINVAL, "seccomp argument index %u", arg->index);
		ret[i] = (struct scmp_arg_cmp){
			.arg = arg->index,
			.op = (enum scmp_compare)op->value,
			.datum_a = arg->value,
			.datum_b = arg->value_two,
		};
		if (seen & (1U << arg->index))
			*ret_repeated = true;
		seen |= 1U << arg->index;
	}
	return 0;
}

static int add_rule(scmp_filter_ctx ctx, uint32_t def, const struct oci_seccomp_syscall *rule,
		    struct err *err)
{
	struct scmp_arg_cmp cmp[SECCOMP_ARGS_MAX];
	bool repeated = false;
	uint32_t action;
	int r = parse_action(rule->action, rule->errno_ret, &action, err);

	if (r >= 0)
		r = parse_args(rule, cmp, &repeated, err);
	if (r < 0 || action == def) /* libseccomp refuses rules that say what happens anyway */
		return r;
	for (size_t i = 0; i < rule->names.nr; i++) {
		int nr = seccomp_syscall_resolve_name(rule->names.v[i]);

		if (nr == __NR_SCMP_ERROR)
			continue; /* newer than our library, or of another kernel: nothing to filter
				   */
		if (!repeated) {
			r = seccomp_rule_add_array(ctx, action, nr, (unsigned)rule->nr_args, cmp);
		} else {
			/*
			 * Two conditions on one argument cannot be and-ed by BPF rules; they are
			 * alternatives.
			 */
			for (size_t k = 0; k < rule->nr_args && r >= 0; k++)
				r = seccomp_rule_add_array(ctx, action, nr, 1, &cmp[k]);
		}
		if (r < 0 && r != -EEXIST)
			return err_set_errno(err, r, "seccomp rule for %.64s", rule->names.v[i]);
		r = 0;
	}
	return 0;
}

static int check_bounds(const struct oci_seccomp *seccomp, struct err *err)
{
	size_t names = 0;

	if (!str_empty(seccomp->listener_path))
		return err_set(err, ENOTSUP,
			       "not supported: seccomp listenerPath, there is no listener in a VM");
	if (seccomp->nr_syscalls > SECCOMP_RULES_MAX)
		return err_set(err, E2BIG, "seccomp profile with %zu rules", seccomp->nr_syscalls);
	for (size_t i = 0; i < seccomp->nr_syscalls; i++)
		names += seccomp->syscalls[i].names.nr;
	if (names > SECCOMP_NAMES_MAX)
		return err_set(err, E2BIG, "seccomp profile with %zu names", names);
	return 0;
}

/* The program of one architecture; complete in itself: it ends in return instructions only. */
struct arch_prog {
	uint32_t token; /* SCMP_ARCH_* */
	struct sock_filter *insns;
	size_t nr;
};

struct arch_progs {
	struct arch_prog v[ARRAY_SIZE(arches) + 1]; /* the native one first */
	size_t nr;
};

/*
 * What a profile does not know it does not name: to a program that tries a system call newer than
 * the profile, and has a way to do without, it should look like one that this kernel lacks. Where
 * the default forbids, what is above all named numbers fails with ENOSYS, as under runc.
 */
#define NEWER_INSNS 5

static bool is_permissive(uint32_t def)
{
	return def == SCMP_ACT_ALLOW || def == SCMP_ACT_LOG ||
	       (def & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE;
}

/* Return: the largest number that the profile names, -1 when it names none of this architecture. */
static int newest_call(uint32_t token, const struct oci_seccomp *seccomp)
{
	int newest = -1;

	for (size_t i = 0; i < seccomp->nr_syscalls; i++)
		for (size_t k = 0; k < seccomp->syscalls[i].names.nr; k++) {
			int nr = seccomp_syscall_resolve_name_arch(token,
								   seccomp->syscalls[i].names.v[k]);

			newest = MAX(newest, nr); /* what it does not know is negative */
		}
	return newest;
}

/* libseccomp's program checks the architecture only behind this. */
static size_t emit_newer(uint32_t token, int newest, struct sock_filter *out)
{
	const struct sock_filter insns[NEWER_INSNS] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			 token == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : token, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)newest, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};

	if (newest < 0)
		return 0;
	memcpy(out, insns, sizeof(insns));
	return NEWER_INSNS;
}

/* Lets libseccomp write the program into a memory file and takes it from there. */
static int export_program(scmp_filter_ctx ctx, int newest, struct arch_prog *prog)
{
	cleanup_close int fd = neg_errno(memfd_create("seccomp", MFD_CLOEXEC));
	struct stat st;

	if (fd < 0)
		return fd;
	int r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	size_t nr = (size_t)st.st_size / sizeof(struct sock_filter);
	if (!nr || nr > SECCOMP_INSNS_MAX)
		return -E2BIG;
	prog->insns = calloc(nr + NEWER_INSNS, sizeof(struct sock_filter));
	if (!prog->insns)
		return -ENOMEM;
	size_t before = emit_newer(prog->token, newest, prog->insns);
	prog->nr = before + nr;
	return io_read_full(fd, prog->insns + before, nr * sizeof(struct sock_filter));
}

static int compile_rules(scmp_filter_ctx ctx, uint32_t def, const struct oci_seccomp *seccomp,
			 struct arch_prog *prog, struct err *err)
{
	int r = 0;
	int newest = is_permissive(def) ? -1 : newest_call(prog->token, seccomp);

	for (size_t i = 0; i < seccomp->nr_syscalls && r >= 0; i++)
		r = add_rule(ctx, def, &seccomp->syscalls[i], err);
	if (r < 0)
		return r;
	r = export_program(ctx, newest, prog);
	return r < 0 ? err_set_errno(err, r, "compile seccomp profile") : 0;
}

/*
 * Compiles a profile for one architecture alone: the time libseccomp takes grows much faster than
 * the number of architectures in one filter. Return: 1, 0 when the architecture can never run here,
 * or -errno.
 */
static int compile_arch(uint32_t token, uint32_t def, const struct oci_seccomp *seccomp,
			struct arch_prog *prog, struct err *err)
{
	scmp_filter_ctx ctx = seccomp_init(def);
	uint32_t native = seccomp_arch_native();
	int r = 0;

	if (!ctx)
		return err_set(err, EINVAL, "seccomp default action %s cannot be used",
			       seccomp->default_action);
	prog->token = token;
	if (token != native) {
		r = seccomp_arch_add(ctx, token);
		if (r >= 0)
			r = seccomp_arch_remove(ctx, native);
	}
	if (r == -EDOM || r == -EINVAL) /* of the other byte order, or unknown to this library */
		r = 0;
	else if (r < 0)
		r = err_set_errno(err, r, "seccomp architecture %#x", token);
	else if ((r = compile_rules(ctx, def, seccomp, prog, err)) >= 0)
		r = 1;
	seccomp_release(ctx);
	return r;
}

static int compile_all(uint32_t def, const struct oci_seccomp *seccomp, struct arch_progs *progs,
		       struct err *err)
{
	const struct strv *names = &seccomp->architectures;
	int r = compile_arch(seccomp_arch_native(), def, seccomp, &progs->v[progs->nr++], err);

	for (size_t i = 0; i < names->nr && r >= 0; i++) {
		const struct word *word = find_word(arches, names->v[i]);
		bool done = false;

		if (!word)
			return err_set(err, EINVAL, "unknown seccomp architecture %.64s",
				       names->v[i]);
		for (size_t k = 0; k < progs->nr; k++)
			done |= progs->v[k].token == word->value;
		if (done)
			continue;
		r = compile_arch(word->value, def, seccomp, &progs->v[progs->nr], err);
		progs->nr += r > 0;
	}
	return r;
}

/*
 * Architectures and x32 are told apart in front of the programs; each jump is to a whole program.

 */
#define JOIN_INSNS_PER_ARCH 5
#define X32_SYSCALL_BIT 0x40000000U

static size_t emit_dispatch(const struct arch_prog *prog, struct sock_filter *out)
{
	size_t nr = 0;
	bool x32 = prog->token == SCMP_ARCH_X32;

	/* Apart from x32 libseccomp's tokens are the kernel's AUDIT_ARCH_*. */
	out[nr++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, arch));
	out[nr++] = (struct sock_filter)BPF_JUMP(
		BPF_JMP | BPF_JEQ | BPF_K, x32 ? SCMP_ARCH_X86_64 : prog->token, 0, x32 ? 3 : 1);
	if (x32) {
		out[nr++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
							 offsetof(struct seccomp_data, nr));
		out[nr++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_SYSCALL_BIT,
							 0, 1);
	}
	out[nr++] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA,
						 0); /* its distance is set when it is known */
	return nr;
}

static int join_programs(const struct arch_progs *progs, struct seccomp_prog **ret)
{
	size_t total = progs->nr * JOIN_INSNS_PER_ARCH, nr = 0, jumps[ARRAY_SIZE(progs->v)];

	for (size_t i = 0; i < progs->nr; i++)
		total += progs->v[i].nr;
	if (total > SECCOMP_INSNS_MAX - SECCOMP_KEY_INSNS)
		return -E2BIG;
	struct seccomp_prog *prog = calloc(1, sizeof(*prog) + total * sizeof(struct sock_filter));
	if (!prog)
		return -ENOMEM;
	struct sock_filter *out = (struct sock_filter *)(prog + 1);
	for (size_t i = 1; i < progs->nr; i++) {
		nr += emit_dispatch(&progs->v[i], out + nr);
		jumps[i] = nr - 1;
	}
	for (size_t i = 0; i < progs->nr; i++) {
		if (i)
			out[jumps[i]].k = (uint32_t)(nr - jumps[i] - 1);
		memcpy(out + nr, progs->v[i].insns, progs->v[i].nr * sizeof(*out));
		nr += progs->v[i].nr;
	}
	prog->fprog = (struct sock_fprog){ .len = (unsigned short)nr, .filter = out };
	*ret = prog;
	return 0;
}

static int parse_flags(const struct strv *words, uint32_t *ret, struct err *err)
{
	*ret = 0;
	for (size_t i = 0; i < words->nr; i++) {
		const struct word *word = find_word(flag_words, words->v[i]);

		if (!word)
			return err_set(err, EINVAL, "unknown seccomp flag %.64s", words->v[i]);
		*ret |= word->value;
	}
	return 0;
}

/**
 * seccomp_prog_new() - compile a profile
 * @seccomp: linux.seccomp of the spec
 * @ret: receives the program, freed with seccomp_prog_free()
 * @err: names what is wrong with the profile
 *
 * Return: 0 or -errno, -ENOTSUP for what needs a listener.
 */
int seccomp_prog_new(const struct oci_seccomp *seccomp, struct seccomp_prog **ret, struct err *err)
{
	struct arch_progs progs = { .nr = 0 };
	uint32_t def, flags;
	int r = check_bounds(seccomp, err);

	if (r >= 0)
		r = parse_action(seccomp->default_action, seccomp->default_errno_ret, &def, err);
	if (r >= 0)
		r = parse_flags(&seccomp->flags, &flags, err);
	if (r >= 0)
		r = compile_all(def, seccomp, &progs, err);
	if (r >= 0) {
		r = join_programs(&progs, ret);
		if (r < 0)
			(void)err_set_errno(err, r, "compile seccomp profile");
		else
			(*ret)->flags = flags;
	}
	for (size_t i = 0; i < ARRAY_SIZE(progs.v); i++)
		free(progs.v[i].insns);
	return r < 0 ? r : 0;
}

/**
 * seccomp_prog_free() - free a program
 * @prog: program or NULL
 *
 * Return: NULL.
 */
struct seccomp_prog *seccomp_prog_free(struct seccomp_prog *prog)
{
	free(prog);
	return NULL;
}

/**
 * seccomp_prog_load() - put this process under a filter, for ever
 * @prog: program
 *
 * Needs no_new_privs or CAP_SYS_ADMIN.
 *
 * Return: 0 or -errno.
 */
int seccomp_prog_load(const struct seccomp_prog *prog)
{
	return neg_errno(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, prog->flags, &prog->fprog));
}
