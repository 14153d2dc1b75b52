/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this runtime knows of the specification, as the document that managers ask for. It says what
 * works with the guest kernel built here.
 */
#include "oci/spec.h"

#include "common/str.h"
#include "oci/validate.h"

static const char *const hooks[] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
	NULL,
};

/* Options that are flags of a mount; what else is in "options" goes to the file system as it is. */
static const char *const mount_options[] = {
	"async",
	"atime",
	"bind",
	"defaults",
	"dev",
	"diratime",
	"dirsync",
	"exec",
	"iversion",
	"lazytime",
	"loud",
	"mand",
	"noatime",
	"nodev",
	"nodiratime",
	"noexec",
	"noiversion",
	"nolazytime",
	"nomand",
	"norelatime",
	"nostrictatime",
	"nosuid",
	"nosymfollow",
	"private",
	"ratime",
	"rbind",
	"rdev",
	"rdiratime",
	"relatime",
	"remount",
	"rexec",
	"rnoatime",
	"rnodev",
	"rnodiratime",
	"rnoexec",
	"rnorelatime",
	"rnostrictatime",
	"rnosuid",
	"rnosymfollow",
	"ro",
	"rprivate",
	"rrelatime",
	"rro",
	"rrw",
	"rshared",
	"rslave",
	"rstrictatime",
	"rsuid",
	"rsymfollow",
	"runbindable",
	"rw",
	"shared",
	"silent",
	"slave",
	"strictatime",
	"suid",
	"symfollow",
	"sync",
	"tmpcopyup",
	"unbindable",
	NULL,
};

static const char *const seccomp_archs[] = { "SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32",
					     NULL };

static const char *const seccomp_flags[] = {
	"SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	NULL,
};

static void put_list(struct json_writer *w, const char *key, const char *const *names)
{
	json_member_array(w, key);
	for (; *names; names++)
		json_put_str(w, *names);
	json_array_end(w);
}

static void put_enabled(struct json_writer *w, const char *key, bool enabled)
{
	json_member_object(w, key);
	json_member_bool(w, "enabled", enabled);
	json_object_end(w);
}

static void put_seccomp(struct json_writer *w)
{
	json_member_object(w, "seccomp");
	json_member_bool(w, "enabled", true);
	json_member_array(w, "actions");
	for (const char *const *name = oci_words(OCI_WORDS_SECCOMP_ACTIONS); *name; name++)
		if (!str_eq(*name, "SCMP_ACT_NOTIFY")) /* would need a listener on the host */
			json_put_str(w, *name);
	json_array_end(w);
	put_list(w, "operators", oci_words(OCI_WORDS_SECCOMP_OPERATORS));
	put_list(w, "archs", seccomp_archs);
	put_list(w, "knownFlags", seccomp_flags);
	put_list(w, "supportedFlags", seccomp_flags);
	json_object_end(w);
}

static void put_linux(struct json_writer *w)
{
	json_member_object(w, "linux");
	put_list(w, "namespaces", oci_words(OCI_WORDS_NAMESPACES));
	put_list(w, "capabilities", oci_words(OCI_WORDS_CAPABILITIES));
	json_member_object(w, "cgroup");
	json_member_bool(w, "v1", true);
	json_member_bool(w, "v2", true);
	json_member_bool(w, "systemd", true);
	json_member_bool(w, "systemdUser", false);
	json_member_bool(w, "rdma", true);
	json_object_end(w);
	put_seccomp(w);
	/* The guest kernel runs neither; the host's policy means nothing there. */
	put_enabled(w, "apparmor", false);
	put_enabled(w, "selinux", false);
	put_enabled(w, "intelRdt", false);
	/* virtiofsd cannot serve mounts with mapped ids. */
	json_member_object(w, "mountExtensions");
	put_enabled(w, "idmap", false);
	json_object_end(w);
	json_object_end(w);
}

/**
 * oci_features_format() - the features document
 * @indent: spaces per level, 0: one line
 * @out: receives it
 *
 * Return: 0 or -errno.
 */
int oci_features_format(unsigned indent, struct strbuf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, indent);
	json_object(&w);
	json_member_str(&w, "ociVersionMin", "1.0.0");
	json_member_str(&w, "ociVersionMax", OCI_VERSION);
	put_list(&w, "hooks", hooks);
	put_list(&w, "mountOptions", mount_options);
	put_linux(&w);
	json_member_object(&w, "annotations");
	json_member_str(&w, "io.katacontainers.version", KATA_VERSION);
	json_member_str(&w, "org.opencontainers.runc.checkpoint.enabled", "false");
	json_object_end(&w);
	json_object_end(&w);
	return json_writer_finish(&w);
}
