/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every OCI runtime refuses in a config.json: the parts outside "linux" and the order of the
 * checks. Nothing is looked up on the host.
 */
#include "oci/validate.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/str.h"
#include "oci/names.h"
#include "oci/namespaces.h"

static const char *skip_digits(const char *s)
{
	const char *start = s;

	while (isdigit((unsigned char)*s))
		s++;
	return s == start ? NULL : s;
}

/* Semantic versions "1.x.y", with or without "-suffix" or "+suffix". */
static int check_version(const char *version, struct err *err)
{
	const char *s;

	if (str_empty(version))
		return err_set(err, EINVAL, "ociVersion is missing");
	s = skip_digits(version);
	if (s && *s == '.')
		s = skip_digits(s + 1);
	else
		s = NULL;
	if (s && *s == '.')
		s = skip_digits(s + 1);
	else
		s = NULL;
	if (!s || (*s && *s != '-' && *s != '+'))
		return err_set(err, EINVAL, "ociVersion: \"%s\" is not a version", version);
	if (strncmp(version, "1.", 2) != 0)
		return err_set(err, EINVAL, "ociVersion: \"%s\" is not supported, only 1.x is",
			       version);
	return 0;
}

static int check_mount(struct oci_check *check, const struct oci_mount *mount, size_t i)
{
	if (str_empty(mount->destination))
		return err_set(check->err, EINVAL, "mounts[%zu].destination must not be empty", i);
	if (!mount->nr_uid_mappings != !mount->nr_gid_mappings)
		return err_set(check->err, EINVAL,
			       "mounts[%zu]: uidMappings and gidMappings must be given together",
			       i);
	if (mount->destination[0] != '/')
		return oci_check_warn(
			check,
			"mounts[%zu].destination: \"%s\" is not absolute, \"/\" is put in front", i,
			mount->destination);
	return 0;
}

static int check_hook_list(struct oci_check *check, const char *kind, const struct oci_hook *hooks,
			   size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (str_empty(hooks[i].path) || hooks[i].path[0] != '/')
			return err_set(check->err, EINVAL,
				       "hooks.%s[%zu].path: \"%s\" is not an absolute path", kind,
				       i, hooks[i].path ? hooks[i].path : "");
		if (hooks[i].timeout && *hooks[i].timeout <= 0)
			return err_set(check->err, EINVAL,
				       "hooks.%s[%zu].timeout: %d is not a number of seconds", kind,
				       i, *hooks[i].timeout);
	}
	return 0;
}

static int check_hooks(struct oci_check *check, const struct oci_hooks *h)
{
	int r;

	if (!h)
		return 0;
	r = check_hook_list(check, "prestart", h->prestart, h->nr_prestart);
	if (r == 0)
		r = check_hook_list(check, "createRuntime", h->create_runtime,
				    h->nr_create_runtime);
	if (r == 0)
		r = check_hook_list(check, "createContainer", h->create_container,
				    h->nr_create_container);
	if (r == 0)
		r = check_hook_list(check, "startContainer", h->start_container,
				    h->nr_start_container);
	if (r == 0)
		r = check_hook_list(check, "poststart", h->poststart, h->nr_poststart);
	if (r == 0)
		r = check_hook_list(check, "poststop", h->poststop, h->nr_poststop);
	return r;
}

static int check_host_names(struct oci_check *check, const struct oci_spec *spec)
{
	if (oci_namespace_find(spec, "uts"))
		return 0;
	if (!str_empty(spec->hostname))
		return err_set(check->err, EINVAL,
			       "hostname: cannot be set without a uts namespace");
	if (!str_empty(spec->domainname))
		return err_set(check->err, EINVAL,
			       "domainname: cannot be set without a uts namespace");
	return 0;
}

/**
 * oci_spec_validate() - would an OCI runtime create this container?
 * @spec: specification as it was read
 * @arena: warnings are allocated here; may be NULL when @warnings is
 * @warnings: list that receives what is odd but harmless; may be NULL
 * @err: receives the reason of a refusal, with the path of the member
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int oci_spec_validate(const struct oci_spec *spec, struct arena *arena, struct strv *warnings,
		      struct err *err)
{
	struct oci_check check = { .arena = arena, .warnings = warnings, .err = err };
	int r = check_version(spec->oci_version, err);

	if (r < 0)
		return r;
	if (!spec->process)
		return err_set(err, EINVAL, "process is missing");
	if (!spec->root || str_empty(spec->root->path))
		return err_set(err, EINVAL, "root.path is missing");
	if (!spec->linux_)
		return err_set(err, EINVAL, "linux is missing");
	r = oci_process_validate(spec->process, arena, warnings, err);
	for (size_t i = 0; r == 0 && i < spec->nr_mounts; i++)
		r = check_mount(&check, &spec->mounts[i], i);
	if (r == 0)
		r = check_hooks(&check, spec->hooks);
	if (r == 0)
		r = oci_check_linux(&check, spec);
	if (r == 0)
		r = check_host_names(&check, spec);
	return r;
}
