/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device rules of a specification, an ordered list in which a later rule overrides an earlier
 * one, with what every container may use.
 */
#include "agent/container/cgroup/devices_bpf.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "common/str.h"

#define DEVICE_RULES_MAX 1024

#define RW (BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

/* What every container may use, whatever it was given: as runc has it. */
static const struct device_rule default_rules[] = {
	{ true, BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_MKNOD, DEVICES_ANY, DEVICES_ANY },
	{ true, BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_ACC_MKNOD, DEVICES_ANY, DEVICES_ANY },
	{ true, BPF_DEVCG_DEV_CHAR, DEVICE_ACCESS_ALL, 1, 3 },		   /* null */
	{ true, BPF_DEVCG_DEV_CHAR, DEVICE_ACCESS_ALL, 1, 5 },		   /* zero */
	{ true, BPF_DEVCG_DEV_CHAR, DEVICE_ACCESS_ALL, 1, 7 },		   /* full */
	{ true, BPF_DEVCG_DEV_CHAR, DEVICE_ACCESS_ALL, 1, 8 },		   /* random */
	{ true, BPF_DEVCG_DEV_CHAR, DEVICE_ACCESS_ALL, 1, 9 },		   /* urandom */
	{ true, BPF_DEVCG_DEV_CHAR, DEVICE_ACCESS_ALL, 5, 0 },		   /* tty */
	{ true, BPF_DEVCG_DEV_CHAR, DEVICE_ACCESS_ALL, 5, 1 },		   /* console */
	{ true, BPF_DEVCG_DEV_CHAR, DEVICE_ACCESS_ALL, 5, 2 },		   /* ptmx */
	{ true, BPF_DEVCG_DEV_CHAR, DEVICE_ACCESS_ALL, 136, DEVICES_ANY }, /* pts */
};

static int parse_access(const char *access, uint16_t *ret)
{
	*ret = 0;
	if (str_empty(access))
		*ret = DEVICE_ACCESS_ALL;
	for (const char *p = access; p && *p; p++) {
		if (*p == 'r')
			*ret |= BPF_DEVCG_ACC_READ;
		else if (*p == 'w')
			*ret |= BPF_DEVCG_ACC_WRITE;
		else if (*p == 'm')
			*ret |= BPF_DEVCG_ACC_MKNOD;
		else
			return -EINVAL;
	}
	return 0;
}

static int parse_number(const int64_t *number, int64_t *ret)
{
	*ret = number ? *number : DEVICES_ANY;
	return *ret < DEVICES_ANY || *ret > UINT32_MAX ? -EINVAL : 0;
}

static int parse_rule(const struct oci_device_cgroup *oci, struct device_rule *ret, struct err *err)
{
	struct device_rule rule = { .allow = oci->allow };
	int r = parse_access(oci->access, &rule.access);

	if (r >= 0)
		r = parse_number(oci->major, &rule.major);
	if (r >= 0)
		r = parse_number(oci->minor, &rule.minor);
	if (r < 0)
		return err_set(err, EINVAL, "device rule with wrong access \"%.16s\" or number",
			       oci->access ? oci->access : "");
	if (str_empty(oci->type) || str_eq(oci->type, "a")) {
		/*
		 * "a" has always meant every device and every access, whatever else the rule says.

		 */
		rule = (struct device_rule){ oci->allow, 0, DEVICE_ACCESS_ALL, DEVICES_ANY,
					     DEVICES_ANY };
	} else if (str_eq(oci->type, "c") || str_eq(oci->type, "u")) {
		rule.type = BPF_DEVCG_DEV_CHAR;
	} else if (str_eq(oci->type, "b")) {
		rule.type = BPF_DEVCG_DEV_BLOCK;
	} else {
		return err_set(err, EINVAL, "device rule of unknown type \"%.16s\"", oci->type);
	}
	*ret = rule;
	return 0;
}

/*
 * A manager that lists devices but has had its rules stripped on the way still means them to be
 * usable.
 */
static void add_listed_devices(const struct oci_linux *linux_, struct device_rules *rules)
{
	for (size_t i = 0; i < linux_->nr_devices; i++) {
		const struct oci_device *dev = &linux_->devices[i];

		if (str_eq(dev->type, "p"))
			continue;
		rules->rules[rules->nr++] = (struct device_rule){
			true,
			str_eq(dev->type, "b") ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR,
			DEVICE_ACCESS_ALL,
			dev->major,
			dev->minor,
		};
	}
}

/**
 * device_rules_new() - the complete list of rules of a container
 * @arena: holds the result
 * @linux_: the spec's linux object
 * @denied: block devices denied whatever the spec says
 * @nr_denied: number of them
 * @ret: receives the list
 * @err: says which rule is wrong
 *
 * Starts from "nothing": what is not listed, the guest's own disks first of all, can not be opened.
 *
 * Return: 0 or -errno.
 */
int device_rules_new(struct arena *arena, const struct oci_linux *linux_, const dev_t *denied,
		     size_t nr_denied, struct device_rules *ret, struct err *err)
{
	const struct oci_resources *res = linux_->resources;
	size_t nr_spec = res ? res->nr_devices : 0;
	struct device_rules rules = { 0 };

	if (nr_spec > DEVICE_RULES_MAX || linux_->nr_devices > DEVICE_RULES_MAX ||
	    nr_denied > DEVICE_RULES_MAX)
		return err_set(err, E2BIG, "more than %d device rules", DEVICE_RULES_MAX);
	rules.rules = arena_calloc(
		arena, nr_spec + linux_->nr_devices + ARRAY_SIZE(default_rules) + nr_denied,
		sizeof(*rules.rules));
	if (!rules.rules)
		return err_set_errno(err, -ENOMEM, "device rules");
	for (size_t i = 0; i < nr_spec; i++) {
		int r = parse_rule(&res->devices[i], &rules.rules[rules.nr++], err);

		if (r < 0)
			return r;
	}
	if (nr_spec == 0)
		add_listed_devices(linux_, &rules);
	memcpy(rules.rules + rules.nr, default_rules, sizeof(default_rules));
	rules.nr += ARRAY_SIZE(default_rules);
	for (size_t i = 0; i < nr_denied; i++)
		rules.rules[rules.nr++] = (struct device_rule){
			false,
			BPF_DEVCG_DEV_BLOCK,
			DEVICE_ACCESS_ALL,
			major(denied[i]),
			minor(denied[i]),
		};
	*ret = rules;
	return 0;
}
