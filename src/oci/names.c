/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The specification's words, and the predicates over them. Only names: what they mean is decided
 * where they are used.
 */
#include "oci/names.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/str.h"
#include "oci/validate.h"

oci_names oci_names_capabilities = {
	"CAP_AUDIT_CONTROL",   "CAP_AUDIT_READ",   "CAP_AUDIT_WRITE",
	"CAP_BLOCK_SUSPEND",   "CAP_BPF",	   "CAP_CHECKPOINT_RESTORE",
	"CAP_CHOWN",	       "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",	       "CAP_FSETID",	   "CAP_IPC_LOCK",
	"CAP_IPC_OWNER",       "CAP_KILL",	   "CAP_LEASE",
	"CAP_LINUX_IMMUTABLE", "CAP_MAC_ADMIN",	   "CAP_MAC_OVERRIDE",
	"CAP_MKNOD",	       "CAP_NET_ADMIN",	   "CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",   "CAP_NET_RAW",	   "CAP_PERFMON",
	"CAP_SETFCAP",	       "CAP_SETGID",	   "CAP_SETPCAP",
	"CAP_SETUID",	       "CAP_SYSLOG",	   "CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",	       "CAP_SYS_CHROOT",   "CAP_SYS_MODULE",
	"CAP_SYS_NICE",	       "CAP_SYS_PACCT",	   "CAP_SYS_PTRACE",
	"CAP_SYS_RAWIO",       "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",  "CAP_WAKE_ALARM",   NULL,
};

oci_names oci_names_rlimits = {
	"RLIMIT_AS",
	"RLIMIT_CORE",
	"RLIMIT_CPU",
	"RLIMIT_DATA",
	"RLIMIT_FSIZE",
	"RLIMIT_LOCKS",
	"RLIMIT_MEMLOCK",
	"RLIMIT_MSGQUEUE",
	"RLIMIT_NICE",
	"RLIMIT_NOFILE",
	"RLIMIT_NPROC",
	"RLIMIT_RSS",
	"RLIMIT_RTPRIO",
	"RLIMIT_RTTIME",
	"RLIMIT_SIGPENDING",
	"RLIMIT_STACK",
	NULL,
};

oci_names oci_names_namespaces = { "pid",  "network", "mount", "ipc", "uts",
				   "user", "cgroup",  "time",  NULL };

oci_names oci_names_propagation = {
	"private", "rprivate",	 "slave",	"rslave", "shared",
	"rshared", "unbindable", "runbindable", NULL,
};

oci_names oci_names_sched_policies = {
	"SCHED_OTHER", "SCHED_FIFO", "SCHED_RR",       "SCHED_BATCH",
	"SCHED_ISO",   "SCHED_IDLE", "SCHED_DEADLINE", NULL,
};

oci_names oci_names_sched_flags = {
	"SCHED_FLAG_RESET_ON_FORK",  "SCHED_FLAG_RECLAIM",
	"SCHED_FLAG_DL_OVERRUN",     "SCHED_FLAG_KEEP_POLICY",
	"SCHED_FLAG_KEEP_PARAMS",    "SCHED_FLAG_UTIL_CLAMP_MIN",
	"SCHED_FLAG_UTIL_CLAMP_MAX", NULL,
};

oci_names oci_names_ioprio_classes = { "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE",
				       NULL };

oci_names oci_names_seccomp_actions = {
	"SCMP_ACT_KILL",	"SCMP_ACT_KILL_PROCESS",
	"SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
	"SCMP_ACT_ERRNO",	"SCMP_ACT_TRACE",
	"SCMP_ACT_ALLOW",	"SCMP_ACT_LOG",
	"SCMP_ACT_NOTIFY",	NULL,
};

oci_names oci_names_seccomp_operators = {
	"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",	    "SCMP_CMP_EQ",
	"SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ", NULL,
};

/**
 * oci_names_have() - is this one of the words?
 * @names: NULL-terminated list
 * @name: word, may be NULL
 *
 * Return: true when it is.
 */
bool oci_names_have(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (str_eq(*names, name))
			return true;
	return false;
}

/* Reads a number of at most six digits; more CPUs or nodes than that do not exist. */
static const char *skip_number(const char *s, unsigned *ret)
{
	unsigned v = 0, digits = 0;

	for (; isdigit((unsigned char)*s) && digits < 6; s++, digits++)
		v = v * 10 + (unsigned)(*s - '0');
	*ret = v;
	return digits ? s : NULL;
}

/**
 * oci_is_cpu_list() - is this a list of CPUs or memory nodes as the kernel reads it?
 * @s: string; "0-3,7"
 *
 * Return: true when it is.
 */
bool oci_is_cpu_list(const char *s)
{
	for (;;) {
		unsigned first, last;

		s = skip_number(s, &first);
		if (s && *s == '-') {
			s = skip_number(s + 1, &last);
			if (s && last < first)
				return false;
		}
		if (!s)
			return false;
		if (!*s)
			return true;
		if (*s++ != ',')
			return false;
	}
}

/**
 * oci_path_climbs() - has a path a ".." component?
 * @path: path
 *
 * Return: true when it has.
 */
bool oci_path_climbs(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.')
			return true;
		path += len;
		if (!*path++)
			return false;
	}
}

/**
 * oci_words() - the words that the validators know
 * @which: of which field
 *
 * Return: static list that ends with NULL.
 */
const char *const *oci_words(enum oci_words which)
{
	switch (which) {
	case OCI_WORDS_NAMESPACES:
		return oci_names_namespaces;
	case OCI_WORDS_CAPABILITIES:
		return oci_names_capabilities;
	case OCI_WORDS_SECCOMP_ACTIONS:
		return oci_names_seccomp_actions;
	case OCI_WORDS_SECCOMP_OPERATORS:
		break;
	}
	return oci_names_seccomp_operators;
}

/**
 * oci_check_warn() - note something that is odd but no reason to refuse the container
 * @check: where warnings go; they are dropped when there is no list
 * @fmt: text
 *
 * Return: 0 or -ENOMEM.
 */
int oci_check_warn(struct oci_check *check, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	if (!check->warnings)
		return 0;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (arena_strv_add(check->arena, check->warnings, text) < 0)
		return err_set(check->err, ENOMEM, "out of memory");
	return 0;
}
