/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime update: change the limits of a container. The options have runc's names and become
 * the resources of the OCI spec.
 */
#include "runtime/cmd/oci/verbs.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

#include "common/arena.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "runtime/shim/session.h"

#define RESOURCES_TYPE_URL "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"
#define RESOURCES_MAX (1U << 20)

struct update_options {
	const char *id;
	const char *file; /* "-": stdin; the other options are then ignored */
	struct oci_resources resources;
};

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

/*
 * A number, optionally followed by b, k, m, g, t or p and an optional "b" or "ib": powers of 1024.
 * -1 is no limit.
 */
static int parse_size(const char *text, int64_t *ret)
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
	r = is_size ? parse_size(value, &number) : str_to_i64(value, &number);
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

static int parse_options(int argc, char **argv, struct arena *arena, struct update_options *ret,
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

struct update {
	const struct cli *cli;
	struct update_options options;
	struct arena *arena;
};

static int read_resources(struct update *u, const char *file, struct oci_resources **ret,
			  struct err *err)
{
	cleanup_free char *data = NULL;
	const char *path = str_eq(file, "-") ? "/dev/stdin" : file;
	ssize_t len = io_read_file_at(AT_FDCWD, path, RESOURCES_MAX, &data);

	if (len < 0)
		return err_set_errno(err, (int)len, "cannot read the resources from %s", path);
	return oci_resources_parse(data, (size_t)len, path, u->arena, ret, err);
}

static int update_container(void *arg, struct err *err)
{
	struct update *u = arg;
	cleanup_session struct session s = SESSION_NULL;
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	struct oci_resources *resources = &u->options.resources;
	struct json_writer w;
	int r = u->options.file ? read_resources(u, u->options.file, &resources, err) : 0;

	if (r == 0)
		r = oci_resources_validate(resources, err);
	if (r == 0)
		r = session_open(&s, u->cli, u->options.id, err);
	if (r == 0)
		r = session_need_shim(&s, err);
	if (r < 0)
		return r;
	json_writer_init(&w, &text, 0);
	oci_resources_write(&w, resources);
	r = json_writer_finish(&w);
	if (r < 0)
		return err_set_errno(err, r, "cannot write the resources");
	const struct task_update_request req = {
		.id = u->options.id,
		.resources = { .type_url = RESOURCES_TYPE_URL,
			       .value = (uint8_t *)text.data,
			       .value_len = text.len },
	};
	return session_call(&s, &task_v2_update, &req, NULL, CLI_SLOW_MS, err);
}

/**
 * verb_update() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_update(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct update u = { .cli = cli };
	int r = arena_new(&u.arena);

	if (r < 0)
		return err_set_errno(err, r, "update");
	r = parse_options(argc, argv, u.arena, &u.options, err);
	if (r == 0)
		r = cli_run(update_container, &u, err);
	u.arena = arena_free(u.arena);
	return r;
}
