/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime check: what this host offers and what will be used, in plain words. The exit code is
 * 1 when something is missing without which no container can run.
 */
#include "runtime/cmd/admin/verbs.h"

#include <stdio.h>
#include <string.h>

#include "common/str.h"
#include "config/config.h"
#include "runtime/cmd/admin/check.h"
#include "runtime/cmd/admin/host.h"

#define QEMU_MAJOR_MIN 7
#define QEMU_MINOR_MIN 2

struct check {
	const struct config *config;
	const struct host *host;
	struct strbuf *out;
	bool missing; /* something that is needed */
	int r;	      /* the first failure to write */
};

enum verdict { CHECK_GOOD, CHECK_NOTE, CHECK_MISSING };

static void say(struct check *c, enum verdict verdict, const char *what, const char *fmt, ...)
	printf_format(4, 5);

static void say(struct check *c, enum verdict verdict, const char *what, const char *fmt, ...)
{
	static const char *const words[] = { "ok", "note", "MISSING" };
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut: a path that long tells enough */
	va_end(ap);
	if (verdict == CHECK_MISSING)
		c->missing = true;
	int r = strbuf_printf(c->out, "%-8s %-14s %s\n", words[verdict], what, text);
	if (c->r == 0)
		c->r = r;
}

static void check_accel(struct check *c)
{
	struct err err = ERR_NULL;
	const char *setting = config_accel_name(c->config->hypervisor.accel);
	const struct kvm_probe *kvm = &c->host->kvm;
	bool good = kvm->result == KVM_PROBE_OK;
	int use = kvm_probe_choose(setting, c->config->hypervisor.allow_tcg, kvm, &err);

	say(c, CHECK_GOOD, "CPU", "%s, %u online, %s",
	    str_empty(c->host->cpu_model) ? c->host->arch : c->host->cpu_model, c->host->nr_cpus,
	    c->host->hw_virt ? "with hardware virtualization"
			     : "hardware virtualization not announced");
	say(c, good ? CHECK_GOOD : CHECK_NOTE, "KVM", "%s (probed in %u us)", kvm->detail,
	    kvm->took_us);
	if (use < 0)
		say(c, CHECK_MISSING, "accelerator", "%s", err.text);
	else
		say(c, use ? CHECK_GOOD : CHECK_NOTE, "accelerator",
		    "will use %s (accel = \"%s\")%s", use ? "KVM" : "TCG", setting,
		    use ? "" : ": correct but several times slower than KVM");
}

static void check_file(struct check *c, const char *what, const struct host_file *file)
{
	if (file->r == 0)
		say(c, CHECK_GOOD, what, "%s", file->path);
	else if (str_empty(file->path))
		say(c, CHECK_MISSING, what, "not found");
	else
		say(c, CHECK_MISSING, what, "%s: %s", file->path, strerror(-file->r));
}

static void check_vmm(struct check *c)
{
	const struct host_file *vmm = &c->host->vmm;
	unsigned major = 0, minor = 0;

	if (vmm->r < 0) {
		check_file(c, "QEMU", vmm);
		return;
	}
	bool known = host_qemu_version(vmm->version, &major, &minor);
	bool old = known &&
		   (major < QEMU_MAJOR_MIN || (major == QEMU_MAJOR_MIN && minor < QEMU_MINOR_MIN));
	say(c,
	    old	    ? CHECK_MISSING
	    : known ? CHECK_GOOD
		    : CHECK_NOTE,
	    "QEMU", "%s: %s%s", vmm->path, known ? vmm->version : "does not tell its version",
	    old ? ": 7.2 or newer is needed" : "");
}

static void check_vsock(struct check *c)
{
	if (c->host->vhost_vsock == 0)
		say(c, CHECK_GOOD, "vsock", "will use the kernel's vhost-vsock");
	else if (c->host->proxy.r == 0)
		say(c, CHECK_NOTE, "vsock", "no /dev/vhost-vsock (%s): will use %s",
		    strerror(-c->host->vhost_vsock), c->host->proxy.path);
	else
		say(c, CHECK_MISSING, "vsock",
		    "no /dev/vhost-vsock (%s) and no kata-proxy (%s: %s)",
		    strerror(-c->host->vhost_vsock), c->host->proxy.path,
		    strerror(-c->host->proxy.r));
	if (c->config->hypervisor.disable_vhost_net)
		say(c, CHECK_NOTE, "vhost-net",
		    "switched off by the configuration: packets pass through QEMU");
	else if (c->host->vhost_net == 0)
		say(c, CHECK_GOOD, "vhost-net", "will be used");
	else
		say(c, CHECK_NOTE, "vhost-net", "no /dev/vhost-net (%s): packets pass through QEMU",
		    strerror(-c->host->vhost_net));
}

static void check_shared_fs(struct check *c)
{
	const struct host_file *vfsd = &c->host->virtiofsd;

	if (c->config->hypervisor.shared_fs == CONFIG_SHARED_FS_NONE)
		say(c, CHECK_NOTE, "shared files", "none, by the configuration");
	else if (c->config->hypervisor.shared_fs == CONFIG_SHARED_FS_VIRTIO_9P)
		say(c, CHECK_NOTE, "shared files", "will use 9p, by the configuration");
	else if (vfsd->r == 0)
		say(c, CHECK_GOOD, "shared files", "will use virtio-fs: %s: %s", vfsd->path,
		    vfsd->version);
	else if (str_empty(vfsd->path))
		say(c, CHECK_NOTE, "shared files",
		    "no virtiofsd was found: will use 9p, which is slower");
	else
		say(c, CHECK_MISSING, "shared files", "virtio_fs_daemon %s: %s", vfsd->path,
		    strerror(-vfsd->r));
}

/**
 * check_report() - judge a host
 * @config: effective configuration
 * @host: what is there
 * @out: receives one line for each finding
 * @ret_capable: receives whether containers can run
 *
 * Return: 0 or -errno of the buffer.
 */
int check_report(const struct config *config, const struct host *host, struct strbuf *out,
		 bool *ret_capable)
{
	struct check check = { .config = config, .host = host, .out = out }, *c = &check;

	check_accel(c);
	check_vmm(c);
	check_vsock(c);
	check_shared_fs(c);
	check_file(c, "guest kernel", &host->agent_kernel);
	check_file(c, "guest initrd", &host->initrd);
	check_file(c, "shim", &host->shim);
	if (str_eq(host->cgroup, "none"))
		say(c, CHECK_MISSING, "cgroups", "not mounted at /sys/fs/cgroup");
	else
		say(c, CHECK_GOOD, "cgroups", "%s", host->cgroup);
	if (config->files.nr == 0)
		say(c, CHECK_NOTE, "configuration", "no file: the defaults hold");
	for (size_t i = 0; i < config->files.nr; i++)
		say(c, CHECK_GOOD, "configuration", "%s", config->files.v[i]);
	for (size_t i = 0; i < config->warnings.nr; i++)
		say(c, CHECK_NOTE, "configuration", "%s", config->warnings.v[i]);
	*ret_capable = !c->missing;
	return c->r;
}

static int print_report(void *arg, struct err *err)
{
	const struct cli *cli = arg;
	cleanup_arena struct arena *arena = NULL;
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct config *config;
	struct host host;
	bool capable = false;
	int r = arena_new(&arena);

	if (r == 0)
		r = config_load(cli->config, arena, &config, err);
	if (r == 0)
		r = host_probe(config, arena, &host, err);
	if (r < 0)
		return r;
	r = check_report(config, &host, &out, &capable);
	if (r == 0)
		r = strbuf_puts(&out,
				capable ? "\nThis host can run containers.\n"
					: "\nThis host cannot run containers yet: see what is "
					  "MISSING.\n");
	if (r < 0)
		return err_set_errno(err, r, "check");
	r = cli_print(out.data, out.len, err);
	return r < 0 ? r : capable ? 0 : CLI_EXIT_FAILURE;
}

static int set(void *arg, int key, const char *value, struct err *err)
{
	(void)arg; /* the options of older versions: nothing here is found on a network */
	(void)key;
	(void)value;
	(void)err;
	return 0;
}

/**
 * verb_check() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_check(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct argp_option options[] = {
		{ "verbose", 'V', NULL, OPTION_HIDDEN, NULL, 0 },
		{ "no-network-checks", 'n', NULL, OPTION_HIDDEN, NULL, 0 },
		{ "strict", 's', NULL, OPTION_HIDDEN, NULL, 0 },
		{ 0 },
	};
	static const struct cli_verb verb = {
		.options = options,
		.set = set,
		.doc = "Say what this host offers and what will be used.",
	};
	int r = cli_parse(&verb, argc, argv, NULL, NULL, err);

	return r < 0 ? r : cli_run(print_report, cli, err);
}
