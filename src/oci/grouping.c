/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pod grouping: from the annotations of each container manager to one answer. It knows the
 * managers' words and nothing of sandboxes.
 */
#include "oci/grouping.h"

#include <errno.h>
#include <string.h>

#include "common/arena.h"
#include "common/json.h"
#include "common/str.h"
#include "oci/cpu.h"

struct dialect {
	const char *manager;
	const char *type_key;
	const char *sandbox_value, *member_value;
	const char *id_key;
};

/*
 * A manager that imitates another one sets both's keys, and they agree. Some managers pass the keys
 * of whoever wrote the pod on: where the dialects disagree, one of them was written by a person who
 * wants into another pod's VM.
 */
static const struct dialect dialects[] = {
	{ "containerd", "io.kubernetes.cri.container-type", "sandbox", "container",
	  "io.kubernetes.cri.sandbox-id" },
	{ "cri-o", "io.kubernetes.cri-o.ContainerType", "sandbox", "container",
	  "io.kubernetes.cri-o.SandboxID" },
	{ "cri-dockerd", "io.kubernetes.docker.type", "podsandbox", "container",
	  "io.kubernetes.sandbox.id" },
	{ "kata", "io.katacontainers.pkg.oci.container_type", "pod_sandbox", "pod_container",
	  "io.katacontainers.pkg.oci.sandbox_id" },
};

static const char *const type_words[] = {
	[OCI_CONTAINER_SINGLE] = "a container by itself",
	[OCI_CONTAINER_SANDBOX] = "the sandbox",
	[OCI_CONTAINER_MEMBER] = "a member",
};

/**
 * oci_annotation() - look an annotation up
 * @spec: specification
 * @key: the annotation's name
 *
 * Return: its value, or NULL.
 */
const char *oci_annotation(const struct oci_spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->nr_annotations; i++)
		if (str_eq(spec->annotations[i].key, key))
			return spec->annotations[i].value;
	return NULL;
}

/* Podman uses CRI-O's keys and says who it is. */
static const char *manager_name(const struct dialect *dialect, const struct oci_spec *spec)
{
	const char *manager = oci_annotation(spec, "io.container.manager");

	if (str_eq(manager, "libpod"))
		return "podman";
	return dialect ? dialect->manager : str_eq(manager, "cri-o") ? "cri-o" : NULL;
}

static int apply_dialect(const struct dialect *dialect, const char *id, const char *type,
			 const struct oci_spec *spec, struct oci_grouping *ret, struct err *err)
{
	const char *sandbox_id = oci_annotation(spec, dialect->id_key);

	if (sandbox_id && !str_is_valid_id(sandbox_id))
		return err_set(err, EINVAL, "annotation %s: \"%s\" is not an id", dialect->id_key,
			       sandbox_id);
	if (str_eq(type, dialect->sandbox_value)) {
		ret->type = OCI_CONTAINER_SANDBOX;
		ret->sandbox_id = sandbox_id ? sandbox_id : id;
		return 0;
	}
	if (!str_eq(type, dialect->member_value))
		return err_set(err, EINVAL, "annotation %s: \"%s\" is neither \"%s\" nor \"%s\"",
			       dialect->type_key, type, dialect->sandbox_value,
			       dialect->member_value);
	if (!sandbox_id)
		return err_set(err, EINVAL, "annotation %s is missing, although %s says \"%s\"",
			       dialect->id_key, dialect->type_key, type);
	if (str_eq(sandbox_id, id))
		return err_set(err, EINVAL,
			       "annotation %s: a container cannot be a member of itself",
			       dialect->id_key);
	ret->type = OCI_CONTAINER_MEMBER;
	ret->sandbox_id = sandbox_id;
	return 0;
}

static int check_agreement(const struct dialect *a, const struct oci_grouping *said_a,
			   const struct dialect *b, const struct oci_grouping *said_b,
			   struct err *err)
{
	if (said_a->type == said_b->type && str_eq(said_a->sandbox_id, said_b->sandbox_id))
		return 0;
	return err_set(
		err, EINVAL,
		"the annotations of %s and of %s disagree: by %s this is %s of \"%s\", by %s "
		"%s of \"%s\"",
		a->manager, b->manager, a->type_key, type_words[said_a->type], said_a->sandbox_id,
		b->type_key, type_words[said_b->type], said_b->sandbox_id);
}

/**
 * oci_grouping_find() - which pod a container belongs to, and as what
 * @id: the container's id
 * @spec: its specification; only annotations are read
 * @ret: the answer; points into @id and @spec
 * @err: receives the reason
 *
 * Return: 0, or -EINVAL when the annotations make no sense or contradict each other.
 */
int oci_grouping_find(const char *id, const struct oci_spec *spec, struct oci_grouping *ret,
		      struct err *err)
{
	struct oci_grouping found = { .type = OCI_CONTAINER_SINGLE, .sandbox_id = id };
	const struct dialect *by = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(dialects); i++) {
		const char *type = oci_annotation(spec, dialects[i].type_key);
		struct oci_grouping said = found;

		if (!type)
			continue;
		int r = apply_dialect(&dialects[i], id, type, spec, &said, err);
		if (r >= 0 && by)
			r = check_agreement(by, &found, &dialects[i], &said, err);
		if (r < 0)
			return r;
		if (!by)
			found = said;
		by = by ? by : &dialects[i];
	}
	found.manager = manager_name(by, spec);
	*ret = found;
	return 0;
}

static int annotation_number(const struct oci_spec *spec, const char *key, int64_t min,
			     int64_t *ret, struct err *err)
{
	const char *text = oci_annotation(spec, key);
	int64_t v;

	if (!text)
		return 0;
	if (str_to_i64(text, &v) < 0 || v < min)
		return err_set(err, EINVAL, "annotation %s: \"%s\" is not a number it may have",
			       key, text);
	*ret = v;
	return 0;
}

static int size_of_pod(const struct oci_spec *spec, struct oci_sandbox_size *size, struct err *err)
{
	int64_t period = 0, shares = 0;
	int r;

	r = annotation_number(spec, "io.kubernetes.cri.sandbox-cpu-period", 0, &period, err);
	if (r == 0)
		r = annotation_number(spec, "io.kubernetes.cri.sandbox-cpu-shares", 0, &shares,
				      err);
	if (r == 0)
		r = annotation_number(spec, "io.kubernetes.cri.sandbox-cpu-quota", INT64_MIN,
				      &size->cpu_quota, err);
	if (r == 0)
		r = annotation_number(spec, "io.kubernetes.cri.sandbox-memory", INT64_MIN,
				      &size->memory, err);
	size->cpu_period = (uint64_t)period;
	size->cpu_shares = (uint64_t)shares;
	return r;
}

#define CRIO_RESOURCES "io.kubernetes.cri-o.PodLinuxResources"

/* CRI's LinuxContainerResources as JSON; "null" for a pod that says nothing. */
static int size_of_crio_pod(const char *text, struct oci_sandbox_size *size, struct err *err)
{
	const struct json_limits limits = { .max_len = 64 << 10,
					    .max_nodes = 1024,
					    .max_depth = 4 };
	cleanup_arena struct arena *arena = NULL;
	struct json *root;
	int r = arena_new(&arena);

	if (r < 0)
		return err_set_errno(err, r, "annotation " CRIO_RESOURCES);
	r = json_parse(arena, text, strlen(text), "annotation " CRIO_RESOURCES, &limits, &root,
		       err);
	if (r < 0 || root->type == JSON_NULL)
		return r;
	r = json_expect(root, JSON_OBJECT, err);
	if (r == 0)
		r = json_get_u64(root, "cpu_period", &size->cpu_period, err);
	if (r == 0)
		r = json_get_u64(root, "cpu_shares", &size->cpu_shares, err);
	if (r == 0)
		r = json_get_i64(root, "cpu_quota", &size->cpu_quota, err);
	if (r == 0)
		r = json_get_i64(root, "memory_limit_in_bytes", &size->memory, err);
	return r;
}

static void size_of_container(const struct oci_resources *resources, struct oci_sandbox_size *size)
{
	const struct oci_cpu *cpu = resources->cpu;

	if (cpu) {
		size->cpu_period = cpu->period ? *cpu->period : 0;
		size->cpu_shares = cpu->shares ? *cpu->shares : 0;
		size->cpu_quota = cpu->quota ? *cpu->quota : 0;
	}
	if (resources->memory && resources->memory->limit)
		size->memory = *resources->memory->limit;
}

/**
 * oci_sandbox_size_find() - how large the manager says the sandbox is
 * @grouping: what oci_grouping_find() said of the container
 * @spec: the container's specification
 * @ret: a pod's size from its annotations, a single container's from its resources, nothing for a
 *	member
 * @err: receives the reason
 *
 * Return: 0, -EINVAL when an annotation is not what it should be, or -ENOMEM.
 */
int oci_sandbox_size_find(const struct oci_grouping *grouping, const struct oci_spec *spec,
			  struct oci_sandbox_size *ret, struct err *err)
{
	const char *crio = oci_annotation(spec, CRIO_RESOURCES);
	struct oci_sandbox_size size = { 0 };
	int r = 0;

	if (grouping->type == OCI_CONTAINER_SANDBOX && crio)
		r = size_of_crio_pod(crio, &size, err);
	else if (grouping->type == OCI_CONTAINER_SANDBOX)
		r = size_of_pod(spec, &size, err);
	else if (grouping->type == OCI_CONTAINER_SINGLE && spec->linux_ && spec->linux_->resources)
		size_of_container(spec->linux_->resources, &size);
	if (r == 0)
		*ret = size;
	return r;
}

/**
 * oci_sandbox_size_vcpus() - the virtual CPUs that a CPU quota needs
 * @size: what the manager said
 *
 * Return: what oci_cpu_count() says of it.
 */
unsigned oci_sandbox_size_vcpus(const struct oci_sandbox_size *size)
{
	return oci_cpu_count(size->cpu_quota, size->cpu_period);
}
