/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict is a small file of root's. It is about one KVM of one boot, and its first lines say
 * which: the boot's id, the kernel, the device's numbers, the modules as they were loaded. Nothing
 * here can fail for the caller: without a file that can be read, the host is probed.
 */
#include "host/kvm_verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"

#define VERDICT_NAME ".kvm" /* not a valid id, so no container's directory */
#define VERDICT_VERSION 1
#define VERDICT_MAX 2048
#define DEVICE "/dev/kvm"

/* Reads a line of a small file of the kernel's, "-" for one that is not there. */
static void read_line(const char *path, char *buf, size_t len)
{
	cleanup_free char *data = NULL;
	ssize_t n = io_read_file_at(AT_FDCWD, path, VERDICT_MAX, &data);

	(void)snprintf(buf, len, "%.*s", n > 0 ? (int)strcspn(data, "\n") : 1, n > 0 ? data : "-");
}

/* A module that was loaded anew has a new folder, so its inode's number tells loads apart. */
static void describe_module(const char *name, char *buf, size_t len)
{
	char path[64], version[64];
	struct stat st = { 0 };

	(void)snprintf(path, sizeof(path), "/sys/module/%s", name);
	(void)stat(path, &st); /* not loaded: zeros */
	(void)snprintf(path, sizeof(path), "/sys/module/%s/srcversion", name);
	read_line(path, version, sizeof(version));
	(void)snprintf(buf, len, "%s %s %llu", name, version, (unsigned long long)st.st_ino);
}

/* Which KVM of which boot. Return: whether there is one, and one that can be told from others. */
static bool identify(char *buf, size_t len)
{
	char boot[64], kvm[128], amd[128], intel[128];
	struct utsname uts;
	struct stat st;

	if (stat(DEVICE, &st) < 0 || !S_ISCHR(st.st_mode) || uname(&uts) < 0)
		return false;
	read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	if (str_eq(boot, "-"))
		return false;
	describe_module("kvm", kvm, sizeof(kvm));
	describe_module("kvm_amd", amd, sizeof(amd));
	describe_module("kvm_intel", intel, sizeof(intel));
	int n = snprintf(buf, len, "%d\n%s\n%s %s\n%u:%u %llu\n%s\n%s\n%s\n", VERDICT_VERSION, boot,
			 uts.release, uts.version, major(st.st_rdev), minor(st.st_rdev),
			 (unsigned long long)st.st_ino, kvm, amd, intel);
	return n > 0 && (size_t)n < len;
}

/* Only what root, or who runs this, has written is believed. */
static ssize_t read_own_file(const char *dir, char text[VERDICT_MAX + 1])
{
	char path[256];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/" VERDICT_NAME, dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	cleanup_close int fd =
		neg_errno(open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 022))
		return -EPERM;
	ssize_t n = neg_errno_sz(read(fd, text, VERDICT_MAX));
	text[MAX(n, 0)] = '\0';
	return n;
}

static bool load(const char *dir, const char *identity, struct kvm_probe *ret)
{
	char text[VERDICT_MAX + 1];
	unsigned result, took_us;
	int begin = 0;

	if (read_own_file(dir, text) <= 0)
		return false;
	const char *rest = str_skip_prefix(text, identity);
	if (!rest || sscanf(rest, "%u %u %n", &result, &took_us, &begin) != 2 || !begin ||
	    result >= KVM_PROBE_COUNT_)
		return false;
	*ret = (struct kvm_probe){ .result = (enum kvm_probe_result)result, .took_us = took_us };
	(void)snprintf(ret->detail, sizeof(ret->detail), "%.*s", (int)strcspn(rest + begin, "\n"),
		       rest + begin);
	return kvm_probe_is_certain(ret);
}

/* Several starts may do this at once: each writes a file of its own, and one of them stays. */
static void save(const char *dir, const char *identity, const struct kvm_probe *probe)
{
	char own[300], path[256], text[VERDICT_MAX];
	int len = snprintf(text, sizeof(text), "%s%u %u %s\n", identity, (unsigned)probe->result,
			   probe->took_us, probe->detail);

	if (len >= (int)sizeof(text) ||
	    snprintf(path, sizeof(path), "%s/" VERDICT_NAME, dir) >= (int)sizeof(path))
		return;
	(void)snprintf(own, sizeof(own), "%s.%d", path, (int)getpid());
	if (io_mkdir_p(dir, 0711) < 0 ||
	    io_replace_file_at(AT_FDCWD, own, text, (size_t)len, 0600) < 0 || rename(own, path) < 0)
		(void)unlink(own); /* the next start probes again */
}

/**
 * kvm_verdict_renew() - probe the host's KVM and keep what was found
 * @dir: where to keep it, a directory of root's that does not outlive the boot; made if missing
 * @ret: filled completely
 *
 * Blocks as kvm_probe_run() does. What depends on the moment is not kept.
 */
void kvm_verdict_renew(const char *dir, struct kvm_probe *ret)
{
	char identity[VERDICT_MAX / 2];

	kvm_probe_run(DEVICE, ret);
	if (kvm_probe_is_certain(ret) && identify(identity, sizeof(identity)))
		save(dir, identity, ret);
}

/**
 * kvm_verdict_get() - what is known of the host's KVM; it is probed where nothing is
 * @dir: as for kvm_verdict_renew()
 * @ret: filled completely
 */
void kvm_verdict_get(const char *dir, struct kvm_probe *ret)
{
	char identity[VERDICT_MAX / 2];

	if (access(DEVICE, R_OK | W_OK) == 0 && identify(identity, sizeof(identity)) &&
	    load(dir, identity, ret))
		return;
	kvm_verdict_renew(dir, ret);
}
