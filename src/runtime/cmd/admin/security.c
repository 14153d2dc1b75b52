/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime security: what each process of a running sandbox may do to the host.
 */
#include "runtime/cmd/admin/verbs.h"

#include <errno.h>
#include <string.h>

#include "common/json.h"
#include "common/str.h"
#include "config/config.h"
#include "jail/landlock.h"
#include "runtime/cmd/admin/security_process.h"
#include "runtime/shim/admin.h"

#define VERDICT_MAX 512

struct security {
	struct admin_query q;
	bool json;
	bool weaker; /* out */
	struct json_writer w;
};

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct security *s = arg;

	(void)key; /* there is only one */
	s->json = str_eq(value, "json");
	if (s->json || str_eq(value, "table"))
		return 0;
	return err_set(err, EINVAL, "--format is \"table\" or \"json\", not \"%s\"", value);
}

static void put_json(struct json_writer *w, const struct security_process *p, const char *caps,
		     const char *verdict, bool ok)
{
	json_object(w);
	json_member_str(w, "process", security_role_name(p->role));
	json_member_uint(w, "pid", (uint64_t)p->pid);
	json_member_uint(w, "uid", p->uid);
	json_member_str(w, "capabilities", caps);
	json_member_object(w, "namespaces");
	for (unsigned i = 0; i < SECURITY_NS_COUNT_; i++)
		json_member_str(w, security_ns_name(i), p->own_ns[i] ? "own" : "host");
	json_object_end(w);
	json_member_str(w, "root", p->own_root ? "own" : "host");
	json_member_str(w, "seccomp", security_seccomp_name(p->seccomp));
	json_member_bool(w, "noNewPrivileges", p->no_new_privs);
	json_member_str(w, "devices", security_devices_name(p->devices));
	json_member_str(w, "cgroup", p->cgroup);
	json_member_bool(w, "ok", ok);
	json_member_str(w, "verdict", verdict);
	json_object_end(w);
}

static int put_row(struct strbuf *out, const struct security_process *p, const char *caps,
		   const char *verdict)
{
	int r = strbuf_printf(out, "%-10s %-8d %-10u %-15s ", security_role_name(p->role),
			      (int)p->pid, (unsigned)p->uid, caps);

	for (unsigned i = 0; i < SECURITY_NS_COUNT_ && r == 0; i++)
		r = strbuf_printf(out, "%-4s ", p->own_ns[i] ? "own" : "host");
	if (r == 0)
		r = strbuf_printf(out, "%-4s %-7s %-8s %-7s %s   %s\n",
				  p->own_root ? "own" : "host", security_seccomp_name(p->seccomp),
				  p->no_new_privs ? "yes" : "no", security_devices_name(p->devices),
				  p->cgroup, verdict);
	return r;
}

static int put_process(struct security *s, const struct security_process *p,
		       const struct security_policy *policy)
{
	char verdict[VERDICT_MAX];
	const char *caps;
	bool ok = security_judge(p, policy, verdict, sizeof(verdict));
	int r = security_caps_name(p->caps, s->q.session.arena, &caps);

	s->weaker |= !ok;
	if (r < 0)
		return r;
	if (!s->json)
		return put_row(&s->q.out, p, caps, verdict);
	put_json(&s->w, p, caps, verdict, ok);
	return 0;
}

static int put_all(struct security *s, const struct security_process *all, size_t nr,
		   const struct security_policy *policy)
{
	int r = 0;

	if (s->json) {
		json_writer_init(&s->w, &s->q.out, 0);
		json_array(&s->w);
	} else {
		r = strbuf_printf(&s->q.out,
				  "%-10s %-8s %-10s %-15s %-4s %-4s %-4s %-4s %-4s %-4s %-7s %-8s "
				  "%-7s %s   %s\n",
				  "PROCESS", "PID", "UID", "CAPABILITIES", "MNT", "PID", "NET",
				  "IPC", "UTS", "ROOT", "SECCOMP", "NO-PRIVS", "DEVICES", "CGROUP",
				  "VERDICT");
	}
	for (size_t i = 0; i < nr && r == 0; i++)
		r = put_process(s, &all[i], policy);
	if (!s->json || r < 0)
		return r;
	json_array_end(&s->w);
	r = json_writer_finish(&s->w);
	return r < 0 ? r : strbuf_puts(&s->q.out, "\n");
}

/* A process that has given up by Landlock does not show it: this is what there is to give up. */
static int put_landlock(struct security *s, const struct security_policy *policy)
{
	int version = landlock_version();

	if (s->json)
		return 0;
	if (!version)
		return strbuf_puts(&s->q.out,
				   "Landlock: the host's kernel has none, so QEMU is held "
				   "by the rest of the jail\n");
	if (!policy->jail)
		return strbuf_puts(&s->q.out, "Landlock: not used without a jail\n");
	return strbuf_printf(&s->q.out, "Landlock: version %d, so QEMU has given up%s%s%s\n",
			     version, policy->shared_by_9p ? "" : " making and removing files",
			     version < 4	    ? ""
			     : policy->shared_by_9p ? " TCP"
						    : ", TCP",
			     version < 6 ? "" : ", abstract sockets and signals to others");
}

static bool has_virtiofsd(const struct security_process *all, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (all[i].role == SECURITY_ROLE_VIRTIOFSD)
			return true;
	return false;
}

static int print_security(struct admin_query *q, struct err *err)
{
	struct security *s = container_of(q, struct security, q);
	struct admin_ping_response pong = { 0 };
	struct security_process *all;
	struct config *config;
	size_t nr;
	int r = admin_query_call(q, &admin_ping, NULL, &pong, err);

	if (r == 0)
		r = config_load(q->cli->config, q->session.arena, &config, err);
	if (r == 0)
		r = security_find((pid_t)pong.shim_pid, (pid_t)pong.vmm_pid, q->session.arena, &all,
				  &nr, err);
	if (r < 0)
		return r;
	const struct config_hypervisor *hc = &config->hypervisor;
	const struct security_policy policy = {
		.jail = hc->jail,
		.uid_base = hc->jail_uid_base,
		.uid_count = hc->jail_uid_count,
		.qemu_filter = !hc->seccompsandbox ||
			       (*hc->seccompsandbox && !str_eq(hc->seccompsandbox, "off")),
		.shared_by_9p = !has_virtiofsd(all, nr),
	};
	r = put_all(s, all, nr, &policy);
	if (r == 0)
		r = put_landlock(s, &policy);
	return r < 0 ? err_set_errno(err, r, "security") : 0;
}

/**
 * verb_security() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code, 1 when a process is less confined than configured, or -errno.
 */
int verb_security(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct argp_option options[] = {
		{ "format", 'f', "FORMAT", 0, "\"table\" (default) or \"json\"", 0 },
		{ 0 },
	};
	static const struct cli_verb verb = {
		.options = options,
		.set = set,
		.args_doc = "ID",
		.doc = "Print what each process of a sandbox may do to the host, as the kernel says.",
		.min_args = 1,
		.max_args = 1,
	};
	struct security s = { .q = { .cli = cli, .fn = print_security } };
	int first;
	int r = cli_parse(&verb, argc, argv, &s, &first, err);

	if (r < 0)
		return r;
	s.q.id = argv[first];
	r = admin_query_run(&s.q, err);
	return r < 0 ? r : s.weaker;
}
