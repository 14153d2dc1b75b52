/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of "update", with runc's names, as the resources of the OCI spec.
 */
#include "runtime/cmd/oci/update_options.h"

#include <ctype.h>
#include <string.h>

#include "common/arena.h"
#include "common/str.h"

enum {
	KEY_BLKIO_WEIGHT = 0x100,
	KEY_CPU_PERIOD,
	KEY_CPU_QUOTA,
	KEY_CPU_BURST,
	KEY_CPU_SHARE,
	KEY_CPU_RT_PERIOD,
	KEY_CPU_RT_RUNTIME,
	KEY_CPU_IDLE,
	KEY_CPUSET_CPUS,
	KEY_CPUSET_MEMS,
	KEY_MEMORY,
	KEY_MEMORY_RESERVATION,
	KEY_MEMORY_SWAP,
	KEY_KERNEL_MEMORY,
	KEY_PIDS_LIMIT,
	KEY_RDT,
};

static const struct argp_option options[] = {
	{ "resources", 'r', "FILE", 0, "Read LinuxResources as JSON from FILE, \"-\" is stdin", 0 },
	{ "blkio-weight", KEY_BLKIO_WEIGHT, "N", 0, "Weight of I/O, 10 to 1000", 0 },
	{ "cpu-period", KEY_CPU_PERIOD, "USEC", 0, "CFS period", 0 },
	{ "cpu-quota", KEY_CPU_QUOTA, "USEC", 0, "CPU time in a period", 0 },
	{ "cpu-burst", KEY_CPU_BURST, "USEC", 0, "CPU time that may be saved up", 0 },
	{ "cpu-share", KEY_CPU_SHARE, "N", 0, "CPU weight", 0 },
	{ "cpu-rt-period", KEY_CPU_RT_PERIOD, "USEC", 0, "Realtime period", 0 },
	{ "cpu-rt-runtime", KEY_CPU_RT_RUNTIME, "USEC", 0, "Realtime CPU time in a period", 0 },
	{ "cpu-idle", KEY_CPU_IDLE, "0|1", 0, "Run only when nothing else does", 0 },
	{ "cpuset-cpus", KEY_CPUSET_CPUS, "LIST", 0, "CPUs to use", 0 },
	{ "cpuset-mems", KEY_CPUSET_MEMS, "LIST", 0, "Memory nodes to use", 0 },
	{ "memory", 'm', "SIZE", 0, "Memory limit; SIZE takes k, m, g, t", 0 },
	{ "memory-reservation", KEY_MEMORY_RESERVATION, "SIZE", 0, "Soft memory limit", 0 },
	{ "memory-swap", KEY_MEMORY_SWAP, "SIZE", 0,
	  "Limit of memory and swap together, -1 for none", 0 },
	{ "kernel-memory", KEY_KERNEL_MEMORY, "SIZE", OPTION_HIDDEN, NULL, 0 },
	{ "kernel-memory-tcp", KEY_KERNEL_MEMORY, "SIZE", OPTION_HIDDEN, NULL, 0 },
	{ "pids-limit", KEY_PIDS_LIMIT, "N", 0, "Most processes, -1 for no limit", 0 },
	{ "l3-cache-schema", KEY_RDT, "TEXT", OPTION_HIDDEN, NULL, 0 },
	{ "mem-bw-schema", KEY_RDT, "TEXT", OPTION_HIDDEN, NULL, 0 },
	{ 0 },
};

struct parse {
	struct arena *arena;
	struct update_options *o;
};

/**
 * update_parse_size() - read a size
 * @text: number, optionally followed by b, k, m, g, t or p and an optional "b" or "ib"; powers of
 * 1024; -1: no limit
 * @ret: receives bytes
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int update_parse_size(const char *text, int64_t *ret)
{
	static const char units[] = "bkmgtp";
	char number[24];
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits;
	uint64_t value;
	unsigned shift = 0;

	if (str_eq(text, "-1")) {
		*ret = -1;
		return 0;
	}
	if (digits == 0 || digits >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, digits);
	number[digits] = '\0';
	if (*unit) {
		const char *found = strchr(units, tolower((unsigned char)*unit));

		if (!found ||
		    (unit[1] && strcasecmp(unit + 1, "b") != 0 && strcasecmp(unit + 1, "ib") != 0))
			return -EINVAL;
		shift = 10U * (unsigned)(found - units);
	}
	if (str_to_u64(number, &value) < 0 || value > ((uint64_t)INT64_MAX >> shift))
		return -ERANGE;
	*ret = (int64_t)(value << shift);
	return 0;
}

static int put_i64(struct arena *arena, int64_t value, int64_t **ret)
{
	*ret = arena_memdup(arena, &value, sizeof(value));
	return *ret ? 0 : -ENOMEM;
}

static int put_u64(struct arena *arena, int64_t value, uint64_t **ret)
{
	if (value < 0)
		return -ERANGE;
	*ret = arena_memdup(arena, &value, sizeof(value));
	return *ret ? 0 : -ENOMEM;
}

static int put_weight(struct arena *arena, int64_t value, struct oci_block_io *block_io)
{
	uint16_t weight = (uint16_t)value;

	if (value < 0 || value > UINT16_MAX)
		return -ERANGE;
	block_io->weight = arena_memdup(arena, &weight, sizeof(weight));
	return block_io->weight ? 0 : -ENOMEM;
}

/* Makes the objects of the resources that this option lies in. */
static int need_objects(struct arena *arena, struct oci_resources *res)
{
	if (!res->cpu)
		res->cpu = arena_calloc(arena, 1, sizeof(*res->cpu));
	if (!res->memory)
		res->memory = arena_calloc(arena, 1, sizeof(*res->memory));
	if (!res->pids)
		res->pids = arena_calloc(arena, 1, sizeof(*res->pids));
	if (!res->block_io)
		res->block_io = arena_calloc(arena, 1, sizeof(*res->block_io));
	return res->cpu && res->memory && res->pids && res->block_io ? 0 : -ENOMEM;
}

static int set_number(struct arena *arena, struct oci_resources *res, int key, int64_t value)
{
	switch (key) {
	case KEY_BLKIO_WEIGHT:
		return put_weight(arena, value, res->block_io);
	case KEY_CPU_PERIOD:
		return put_u64(arena, value, &res->cpu->period);
	case KEY_CPU_QUOTA:
		return put_i64(arena, value, &res->cpu->quota);
	case KEY_CPU_BURST:
		return put_u64(arena, value, &res->cpu->burst);
	case KEY_CPU_SHARE:
		return put_u64(arena, value, &res->cpu->shares);
	case KEY_CPU_RT_PERIOD:
		return put_u64(arena, value, &res->cpu->realtime_period);
	case KEY_CPU_RT_RUNTIME:
		return put_i64(arena, value, &res->cpu->realtime_runtime);
	case KEY_CPU_IDLE:
		return put_i64(arena, value, &res->cpu->idle);
	case KEY_PIDS_LIMIT:
		return put_i64(arena, value, &res->pids->limit);
	case 'm':
		return put_i64(arena, value, &res->memory->limit);
	case KEY_MEMORY_RESERVATION:
		return put_i64(arena, value, &res->memory->reservation);
	case KEY_MEMORY_SWAP:
		return put_i64(arena, value, &res->memory->swap);
	default: /* KEY_KERNEL_MEMORY: gone from Linux */
		return 0;
	}
}

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct parse *p = arg;
	struct oci_resources *res = &p->o->resources;
	bool is_size = key == 'm' || key == KEY_MEMORY_RESERVATION || key == KEY_MEMORY_SWAP ||
		       key == KEY_KERNEL_MEMORY;
	int64_t number;
	int r = need_objects(p->arena, res);

	if (r < 0)
		return err_set_errno(err, r, "update");
	switch (key) {
	case 'r':
		p->o->file = value;
		return 0;
	case KEY_CPUSET_CPUS:
		res->cpu->cpus = (char *)value;
		return 0;
	case KEY_CPUSET_MEMS:
		res->cpu->mems = (char *)value;
		return 0;
	case KEY_RDT:
		return err_set(err, EOPNOTSUPP,
			       "cache and memory bandwidth schemata are not supported in a VM");
	default:
		break;
	}
	r = is_size ? update_parse_size(value, &number) : str_to_i64(value, &number);
	if (r == 0)
		r = set_number(p->arena, res, key, number);
	return r < 0 ? err_set(err, -r, "\"%s\" is not a value this limit can have", value) : 0;
}

/* Objects that no option has filled are not part of the request. */
static void drop_empty(struct oci_resources *res)
{
	static const struct oci_cpu no_cpu;
	static const struct oci_memory no_memory;

	if (res->cpu && memcmp(res->cpu, &no_cpu, sizeof(no_cpu)) == 0)
		res->cpu = NULL;
	if (res->memory && memcmp(res->memory, &no_memory, sizeof(no_memory)) == 0)
		res->memory = NULL;
	if (res->pids && !res->pids->limit)
		res->pids = NULL;
	if (res->block_io && !res->block_io->weight)
		res->block_io = NULL;
}

/**
 * update_options_parse() - parse the arguments of "update"
 * @argc: number of arguments
 * @argv: arguments
 * @arena: holds the resources
 * @ret: zeroed; filled
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int update_options_parse(int argc, char **argv, struct arena *arena, struct update_options *ret,
			 struct err *err)
{
	static const struct cli_verb verb = {
		.options = options,
		.set = set,
		.args_doc = "ID",
		.doc = "Change the limits of a container.",
		.min_args = 1,
		.max_args = 1,
	};
	struct parse p = { .arena = arena, .o = ret };
	int first;
	int r = cli_parse(&verb, argc, argv, &p, &first, err);

	if (r < 0)
		return r;
	ret->id = argv[first];
	drop_empty(&ret->resources);
	return 0;
}
