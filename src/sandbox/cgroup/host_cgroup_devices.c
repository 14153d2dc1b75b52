/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which devices the processes of a sandbox's cgroup may open by name: QEMU and its helpers first of
 * all, which get what belongs to their VM as descriptors.
 */
#include "sandbox/cgroup/host_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "jail/device_program.h"

static void put_number(char *buf, size_t len, int64_t number)
{
	(void)snprintf(buf, len, number == DEVICES_ANY ? "*" : "%lld", (long long)number);
}

/* As in "c 1:9 rwm". */
static void describe(const struct device_rule *rule, char *buf, size_t len)
{
	char major[16], minor[16];

	put_number(major, sizeof(major), rule->major);
	put_number(minor, sizeof(minor), rule->minor);
	(void)snprintf(buf, len, "%c %s:%s %s%s%s", rule->type == BPF_DEVCG_DEV_BLOCK ? 'b' : 'c',
		       major, minor, rule->access & BPF_DEVCG_ACC_READ ? "r" : "",
		       rule->access & BPF_DEVCG_ACC_WRITE ? "w" : "",
		       rule->access & BPF_DEVCG_ACC_MKNOD ? "m" : "");
}

static int write_rules(const char *dir, const struct device_rules *rules, struct err *err)
{
	char path[600], text[64];

	(void)snprintf(path, sizeof(path), "%s/devices.deny", dir);
	int r = io_write_str_at(AT_FDCWD, path, "a");
	if (r < 0)
		return err_set_errno(err, r, "write \"a\" to %s", path);
	(void)snprintf(path, sizeof(path), "%s/devices.allow", dir);
	for (size_t i = 0; i < rules->nr; i++) {
		describe(&rules->rules[i], text, sizeof(text));
		r = io_write_str_at(AT_FDCWD, path, text);
		if (r < 0)
			return err_set_errno(err, r, "write \"%s\" to %s", text, path);
	}
	return 0;
}

static int attach_rules(const char *dir, const struct device_rules *rules, struct err *err)
{
	cleanup_arena struct arena *arena = NULL;
	struct bpf_insn *insns;
	size_t nr;
	int prog = -1;

	cleanup_close int fd = neg_errno(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (fd < 0)
		return err_set_errno(err, fd, "open %s", dir);
	if (arena_new(&arena) < 0 || device_rules_compile(rules, arena, &insns, &nr) < 0)
		return err_set(err, ENOMEM, "out of memory");
	int r = device_program_attach(fd, insns, nr, &prog, err);
	(void)fd_close(prog); /* the cgroup has it */
	return r;
}

static bool has_devices(const char *controllers)
{
	cleanup_free char *copy = strdup(controllers);
	char *save = NULL;

	for (char *word = copy ? strtok_r(copy, ",", &save) : NULL; word;
	     word = strtok_r(NULL, ",", &save))
		if (str_eq(word, "devices"))
			return true;
	return false;
}

/**
 * host_cgroup_set_devices() - let the processes of a cgroup open some devices only
 * @cg: cgroup that was created; it has no children
 * @rules: what is allowed, nothing else is
 * @err: filled on failure
 *
 * See the kernel's admin-guide/cgroup-v1/devices.rst, and bpf(2) for version 2.
 *
 * Return: 0, -ENOENT when this host has no means for it, or -errno.
 */
int host_cgroup_set_devices(const struct host_cgroup *cg, const struct device_rules *rules,
			    struct err *err)
{
	for (size_t i = 0; i < cg->nr; i++) {
		if (!*cg->controllers[i])
			return attach_rules(cg->dirs[i], rules, err);
		if (has_devices(cg->controllers[i]))
			return write_rules(cg->dirs[i], rules, err);
	}
	return err_set(err, ENOENT, "no cgroup of this host knows devices");
}
