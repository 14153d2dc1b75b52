/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: QEMU's jail
 *
 * QEMU serves a guest that may be hostile. Should it ever be taken over, the process must be worth
 * nothing: its descriptors are the VM's own, and it cannot get others. It is a user that owns
 * nothing, without capabilities; it sees no process, no System V object and no file of the host,
 * but what it loads and reads itself, at the same paths; and the devices that it opens by name.
 * Everything lives in its own mount namespace and goes with it.
 *
 * The jail is entered between fork and exec. Where QEMU serves the shared files itself (9p), these
 * are in the jail, and it has the capabilities to act for the guest's users on them.
 */
#include "sandbox/hypervisor/qemu_jail.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include "common/str.h"
#include "jail/landlock.h"
#include "jail/program_files.h"

struct plan {
	struct arena *arena;
	struct root_entry *entries;
	size_t nr;
	int r; /* what failed first */
};

static void add(struct plan *p, enum root_entry_kind kind, const char *path)
{
	if (p->r < 0 || str_empty(path))
		return;
	p->r = arena_grow(p->arena, &p->entries, &p->nr, sizeof(*p->entries));
	if (p->r >= 0)
		p->entries[p->nr - 1] = (struct root_entry){ .kind = kind, .path = path };
}

static enum root_entry_kind kind_of(const char *path, enum root_entry_kind file)
{
	struct stat st = { 0 };

	(void)stat(path, &st); /* what is not there is found missing later */
	return S_ISDIR(st.st_mode)   ? ROOT_ENTRY_DIR
	       : S_ISCHR(st.st_mode) ? ROOT_ENTRY_DEVICE
				     : file;
}

static const struct vm_device *find_9p(const struct vm_config *config)
{
	for (size_t i = 0; i < config->nr_devices; i++)
		if (config->devices[i].type == VM_DEVICE_9P)
			return &config->devices[i];
	return NULL;
}

/**
 * qemu_jail_caps() - the capabilities that QEMU needs
 * @config: VM
 *
 * Where QEMU serves the shared files itself, these belong to anybody. Without a jail the kernel and
 * the initrd are paths that may be below somebody's home.
 *
 * Return: a bit for each.
 */
uint64_t qemu_jail_caps(const struct vm_config *config)
{
	static const unsigned for_files[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID,
					      CAP_MKNOD };
	uint64_t caps = config->jail ? 0 : 1ULL << CAP_DAC_READ_SEARCH;

	for (size_t i = 0; find_9p(config) && i < ARRAY_SIZE(for_files); i++)
		caps |= 1ULL << for_files[i];
	return caps;
}

/**
 * qemu_jail_plan() - say what the jail of a VM's QEMU is
 * @config: VM, with a jail
 * @firmware: that QEMU is told to load when @config names none; may be NULL
 * @arena: holds the plan
 * @ret: receives it
 * @err: filled on failure
 *
 * Runs in a fiber.
 *
 * Return: 0 or -errno.
 */
int qemu_jail_plan(const struct vm_config *config, const char *firmware, struct arena *arena,
		   struct qemu_jail *ret, struct err *err)
{
	const struct vm_jail *jail = config->jail;
	const struct vm_device *shared = find_9p(config);
	const char *entropy = str_empty(config->entropy_source) ? "/dev/urandom"
								: config->entropy_source;
	struct plan p = { .arena = arena };
	struct program_files files = { 0 };
	int r = program_files_get(jail->cache_dir, config->path, arena, &files, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < files.nr; i++)
		add(&p, files.entries[i].kind, files.entries[i].path);
	for (size_t i = 0; i < jail->nr_paths; i++)
		add(&p, kind_of(jail->paths[i], ROOT_ENTRY_CODE), jail->paths[i]);
	add(&p, ROOT_ENTRY_FILE, str_empty(config->firmware) ? firmware : config->firmware);
	add(&p, ROOT_ENTRY_FILE, config->kernel);
	add(&p, ROOT_ENTRY_FILE, config->initrd);
	add(&p, kind_of(entropy, ROOT_ENTRY_FILE), entropy);
	if (config->accel == VM_ACCEL_KVM)
		add(&p, ROOT_ENTRY_DEVICE, "/dev/kvm");
	if (shared)
		add(&p, ROOT_ENTRY_TREE, shared->p9.path);
	/* It reaches attributes and modes of files, and RAM that it inherits, by /proc/self/fd. */
	if (shared || config->memory.fd >= 0)
		add(&p, ROOT_ENTRY_PROC, "/proc");
	if (p.r < 0)
		return err_set_errno(err, p.r, "QEMU's jail");
	*ret = (struct qemu_jail){
		.id = { .uid = jail->uid, .gid = jail->uid, .caps = qemu_jail_caps(config) },
		.root = { .entries = p.entries,
			  .nr = p.nr,
			  .owner = jail->uid,
			  .group = jail->uid },
		.namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
			      (config->netns_fd < 0 ? CLONE_NEWNET : 0),
		.keeps_files = shared,
	};
	return 0;
}

/**
 * qemu_jail_enter() - give up what is not in the jail, in the child that becomes QEMU
 * @jail: a struct qemu_jail
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int qemu_jail_enter(const void *jail, struct err *err)
{
	const struct qemu_jail *j = jail;
	int r = root_build(&j->root, err);

	if (r >= 0)
		r = identity_assume(&j->id, err);
	return r < 0 ? r : landlock_give_up(!j->keeps_files, err);
}
