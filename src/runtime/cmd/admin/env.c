/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime env: versions, paths and the effective configuration, as TOML for people and JSON
 * for programs. The sections that Kata Containers has keep their names.
 */
#include "runtime/cmd/admin/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/str.h"
#include "config/config.h"
#include "oci/spec.h"
#include "oci/vm_memory.h"
#include "runtime/cmd/admin/check.h"
#include "runtime/cmd/admin/host.h"
#include "runtime/cmd/admin/toml_write.h"

#define ENV_VERSION "1.0.0" /* of this document's form */

struct env {
	const struct cli *cli;
	bool json;
	struct arena *arena;
	struct config *config;
	struct host host;
};

static int set(void *arg, int key, const char *value, struct err *err)
{
	(void)key; /* there is only one */
	(void)value;
	(void)err;
	((struct env *)arg)->json = true;
	return 0;
}

static void put_file(struct json_writer *w, const char *name, const struct host_file *file)
{
	json_member_object(w, name);
	json_member_str(w, "Path", file->path);
	json_member_bool(w, "Usable", file->r == 0);
	if (!str_empty(file->version))
		json_member_str(w, "Version", file->version);
	json_object_end(w);
}

static void put_runtime(struct json_writer *w, const struct env *e)
{
	json_member_object(w, "Runtime");
	json_member_str(w, "Path", e->host.self.path);
	json_member_bool(w, "Debug", e->config->runtime.enable_debug);
	json_member_object(w, "Version");
	json_member_str(w, "Semver", KATA_VERSION);
	json_member_str(w, "OCI", OCI_VERSION);
	json_object_end(w);
	json_member_object(w, "Config");
	json_member_strv(w, "Paths", &e->config->files);
	json_object_end(w);
	json_object_end(w);
}

/* As kvm_probe_choose(). */
static int choose_accel(const struct env *e)
{
	const struct config_hypervisor *hypervisor = &e->config->hypervisor;
	struct err ignored = ERR_NULL;

	return kvm_probe_choose(config_accel_name(hypervisor->accel), hypervisor->allow_tcg,
				&e->host.kvm, &ignored);
}

static void put_hypervisor(struct json_writer *w, const struct env *e)
{
	int use = choose_accel(e);

	json_member_object(w, "Hypervisor");
	json_member_str(w, "Path", e->host.vmm.path);
	json_member_str(w, "Version", e->host.vmm.version);
	json_member_str(w, "Accelerator", use < 0 ? "none" : use ? "kvm" : "tcg");
	json_member_str(w, "Vsock",
			e->host.vhost_vsock == 0 ? "vhost"
			: e->host.proxy.r == 0	 ? "kata-proxy"
						 : "none");
	json_member_bool(w, "VhostNet",
			 e->host.vhost_net == 0 && !e->config->hypervisor.disable_vhost_net);
	json_object_end(w);
}

/* What a VM needs on top of a memory limit; the parts of it that grow with the limit are shown as such. */
static void put_overhead(struct json_writer *w, const struct env *e)
{
	static const char *const rule[] = { "on-top", "within" };
	bool emulated = choose_accel(e) != 1;
	struct vm_overhead least, most;

	vm_memory_on_top(0, emulated, &least);
	vm_memory_on_top(VM_MEMORY_CACHE_MAX_MIB << 23, emulated, &most);
	json_member_object(w, "MemoryOverhead");
	json_member_str(w, "Limit", rule[e->config->runtime.memory_limit]);
	json_member_uint(w, "GuestMiB", least.guest);
	json_member_uint(w, "GuestPartOfLimit", VM_MEMORY_ON_TOP_PART);
	json_member_uint(w, "VMMMiB", least.vmm);
	json_member_uint(w, "EmulatorCacheMinMiB", least.cache);
	json_member_uint(w, "EmulatorCacheMaxMiB", most.cache);
	json_object_end(w);
}

static void put_host(struct json_writer *w, const struct host *host, bool capable)
{
	json_member_object(w, "Host");
	json_member_str(w, "Kernel", host->kernel);
	json_member_str(w, "Architecture", host->arch);
	json_member_bool(w, "VMContainerCapable", capable);
	json_member_str(w, "Cgroup", host->cgroup);
	json_member_object(w, "Distro");
	json_member_str(w, "Name", host->distro_name);
	json_member_str(w, "Version", host->distro_version);
	json_object_end(w);
	json_member_object(w, "CPU");
	json_member_str(w, "Vendor", host->cpu_vendor);
	json_member_str(w, "Model", host->cpu_model);
	json_member_uint(w, "CPUs", host->nr_cpus);
	json_object_end(w);
	json_member_object(w, "Memory");
	json_member_uint(w, "TotalKiB", host->mem_total_kib);
	json_member_uint(w, "AvailableKiB", host->mem_available_kib);
	json_object_end(w);
	json_member_object(w, "KVM");
	json_member_str(w, "Result", kvm_probe_result_name(host->kvm.result));
	json_member_str(w, "Detail", host->kvm.detail);
	json_member_uint(w, "ProbeMicroseconds", host->kvm.took_us);
	json_object_end(w);
	json_object_end(w);
}

static int build(const struct env *e, struct strbuf *out, unsigned indent)
{
	cleanup_strbuf struct strbuf findings = STRBUF_NULL;
	struct json_writer w;
	bool capable;
	int r = check_report(e->config, &e->host, &findings, &capable);

	if (r < 0)
		return r;
	json_writer_init(&w, out, indent);
	json_object(&w);
	json_member_object(&w, "Meta");
	json_member_str(&w, "Version", ENV_VERSION);
	json_object_end(&w);
	put_runtime(&w, e);
	put_file(&w, "Shim", &e->host.shim);
	put_file(&w, "Proxy", &e->host.proxy);
	put_file(&w, "Kernel", &e->host.agent_kernel);
	put_file(&w, "Initrd", &e->host.initrd);
	put_file(&w, "Virtiofsd", &e->host.virtiofsd);
	put_hypervisor(&w, e);
	put_overhead(&w, e);
	put_host(&w, &e->host, capable);
	json_put_key(&w, "Configuration");
	config_write(&w, e->config);
	json_object_end(&w);
	return json_writer_finish(&w);
}

static int print_toml(struct env *e, const struct strbuf *json, struct err *err)
{
	cleanup_strbuf struct strbuf toml = STRBUF_NULL;
	struct json *doc;
	int r = json_parse(e->arena, json->data, json->len, "env", NULL, &doc, err);

	if (r < 0)
		return r;
	r = toml_write(doc, &toml);
	return r < 0 ? err_set_errno(err, r, "env") : cli_print(toml.data, toml.len, err);
}

static int print_env(void *arg, struct err *err)
{
	struct env *e = arg;
	cleanup_strbuf struct strbuf json = STRBUF_NULL;
	int r = config_load(e->cli->config, e->arena, &e->config, err);

	if (r == 0)
		r = host_probe(e->config, e->arena, &e->host, err);
	if (r < 0)
		return r;
	r = build(e, &json, 2);
	if (r == 0)
		r = strbuf_puts(&json, "\n");
	if (r < 0)
		return err_set_errno(err, r, "env");
	return e->json ? cli_print(json.data, json.len, err) : print_toml(e, &json, err);
}

/**
 * verb_env() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_env(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct argp_option options[] = {
		{ "json", 'j', NULL, 0, "Print JSON instead of TOML", 0 },
		{ 0 },
	};
	static const struct cli_verb verb = {
		.options = options,
		.set = set,
		.doc = "Print versions, paths and the effective configuration.",
	};
	struct env e = { .cli = cli };
	int r = arena_new(&e.arena);

	if (r < 0)
		return err_set_errno(err, r, "env");
	r = cli_parse(&verb, argc, argv, &e, NULL, err);
	if (r == 0)
		r = cli_run(print_env, &e, err);
	e.arena = arena_free(e.arena);
	return r;
}
