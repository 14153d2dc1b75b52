/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of src/oci/state and src/oci/grouping: what hooks and `state` print, and which pod a
 * container is in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arena-fixture.h"
#include "oci/grouping.h"
#include "oci/spec.h"
#include "oci/state.h"

static struct kv annotations[] = { { (char *)"a", (char *)"1" }, { (char *)"b", (char *)"two" } };

static const struct oci_state running = {
	.oci_version = (char *)"1.2.0",
	.id = (char *)"box",
	.status = (char *)"running",
	.pid = 42,
	.bundle = (char *)"/b",
	.annotations = annotations,
	.nr_annotations = 2,
};

static void hooks_read_the_state_on_one_line(void **state)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct oci_state *again;

	(void)state;
	assert_int_equal(oci_state_format(&running, &out), 0);
	assert_string_equal(
		out.data,
		"{\"ociVersion\":\"1.2.0\",\"id\":\"box\",\"status\":\"running\",\"pid\":42,"
		"\"bundle\":\"/b\",\"annotations\":{\"a\":\"1\",\"b\":\"two\"}}");
	assert_int_equal(oci_state_parse_for_test(out.data, out.len, "state", arena, &again, &err),
			 0);
	assert_string_equal(again->id, "box");
	assert_int_equal(again->pid, 42);
	assert_int_equal(again->nr_annotations, 2);
}

static void a_stopped_container_has_no_pid_for_hooks_but_zero_for_state(void **state)
{
	struct oci_container_info info = { .rootfs = "/b/rootfs",
					   .created = "2024-01-02T03:04:05Z" };
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct json_writer w;

	(void)state;
	info.state = (struct oci_state){ .oci_version = (char *)"1.2.0",
					 .id = (char *)"box",
					 .status = (char *)"stopped",
					 .bundle = (char *)"/b" };
	assert_int_equal(oci_state_format(&info.state, &out), 0);
	assert_null(strstr(out.data, "pid"));
	strbuf_consume(&out, out.len);
	json_writer_init(&w, &out, 2);
	oci_container_info_write(&w, &info);
	assert_int_equal(json_writer_finish(&w), 0);
	assert_string_equal(
		out.data,
		"{\n  \"ociVersion\": \"1.2.0\",\n  \"id\": \"box\",\n  \"pid\": 0,\n"
		"  \"status\": \"stopped\",\n  \"bundle\": \"/b\",\n  \"rootfs\": \"/b/rootfs\",\n"
		"  \"created\": \"2024-01-02T03:04:05Z\",\n  \"owner\": \"\"\n}");
}

static void times_have_no_trailing_zeros(void **state)
{
	char buf[40];

	(void)state;
	assert_int_equal(oci_time_format(1704164645, 123450000, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "2024-01-02T03:04:05.12345Z");
	assert_int_equal(oci_time_format(1704164645, 0, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "2024-01-02T03:04:05Z");
	assert_int_equal(oci_time_format(1704164645, 7, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "2024-01-02T03:04:05.000000007Z");
	assert_int_equal(oci_time_format(1704164645, 0, buf, 5), -ENOSPC);
	assert_int_equal(oci_time_format(INT64_MAX, 0, buf, sizeof(buf)), -EOVERFLOW);
}

/* "key=value" annotations, ended by NULL. */
static struct oci_spec *annotated(const char *first, ...)
{
	struct oci_spec *spec = arena_alloc(arena, sizeof(*spec));
	va_list ap;

	assert_non_null(spec);
	va_start(ap, first);
	for (const char *s = first; s; s = va_arg(ap, const char *)) {
		const char *eq = strchr(s, '=');
		struct kv kv = { arena_strndup(arena, s, (size_t)(eq - s)),
				 arena_strdup(arena, eq + 1) };

		assert_int_equal(
			arena_grow(arena, &spec->annotations, &spec->nr_annotations, sizeof(kv)),
			0);
		spec->annotations[spec->nr_annotations - 1] = kv;
	}
	va_end(ap);
	return spec;
}

static void groups(const struct oci_spec *spec, enum oci_container_type type,
		   const char *sandbox_id, const char *manager)
{
	struct oci_grouping g;
	int r = oci_grouping_find("me", spec, &g, &err);

	if (r < 0)
		print_message("# %s\n", err.text);
	assert_int_equal(r, 0);
	assert_int_equal(g.type, type);
	assert_string_equal(g.sandbox_id, sandbox_id);
	if (manager)
		assert_string_equal(g.manager, manager);
	else
		assert_null(g.manager);
}

static void each_manager_groups_in_its_own_words(void **state)
{
	(void)state;
	groups(annotated(NULL), OCI_CONTAINER_SINGLE, "me", NULL);
	groups(annotated("io.kubernetes.cri.container-type=sandbox",
			 "io.kubernetes.cri.sandbox-id=me", NULL),
	       OCI_CONTAINER_SANDBOX, "me", "containerd");
	groups(annotated("io.kubernetes.cri.container-type=container",
			 "io.kubernetes.cri.sandbox-id=pod", NULL),
	       OCI_CONTAINER_MEMBER, "pod", "containerd");
	groups(annotated("io.container.manager=cri-o",
			 "io.kubernetes.cri-o.ContainerType=container",
			 "io.kubernetes.cri-o.SandboxID=pod", NULL),
	       OCI_CONTAINER_MEMBER, "pod", "cri-o");
	groups(annotated("io.container.manager=libpod", "io.kubernetes.cri-o.ContainerType=sandbox",
			 "io.kubernetes.cri-o.SandboxID=pod", NULL),
	       OCI_CONTAINER_SANDBOX, "pod", "podman");
	groups(annotated("io.container.manager=libpod", NULL), OCI_CONTAINER_SINGLE, "me",
	       "podman");
	groups(annotated("io.kubernetes.docker.type=podsandbox", NULL), OCI_CONTAINER_SANDBOX, "me",
	       "cri-dockerd");
	groups(annotated("io.kubernetes.docker.type=container", "io.kubernetes.sandbox.id=pod",
			 NULL),
	       OCI_CONTAINER_MEMBER, "pod", "cri-dockerd");
	groups(annotated("io.katacontainers.pkg.oci.container_type=pod_sandbox", NULL),
	       OCI_CONTAINER_SANDBOX, "me", "kata");
}

static void grouping_fails(const struct oci_spec *spec, const char *text)
{
	struct oci_grouping g;

	assert_int_equal(oci_grouping_find("me", spec, &g, &err), -EINVAL);
	assert_string_equal(err.text, text);
}

static void annotations_that_make_no_sense_are_refused(void **state)
{
	(void)state;
	grouping_fails(
		annotated("io.kubernetes.cri.container-type=pod", NULL),
		"annotation io.kubernetes.cri.container-type: \"pod\" is neither \"sandbox\" nor \"container\"");
	grouping_fails(
		annotated("io.kubernetes.cri.container-type=container", NULL),
		"annotation io.kubernetes.cri.sandbox-id is missing, although io.kubernetes.cri.container-type "
		"says \"container\"");
	grouping_fails(annotated("io.kubernetes.cri.container-type=container",
				 "io.kubernetes.cri.sandbox-id=../x", NULL),
		       "annotation io.kubernetes.cri.sandbox-id: \"../x\" is not an id");
	grouping_fails(
		annotated("io.kubernetes.cri.container-type=container",
			  "io.kubernetes.cri.sandbox-id=me", NULL),
		"annotation io.kubernetes.cri.sandbox-id: a container cannot be a member of itself");
}

/* CRI-O passes annotations on that the pod's author wrote. */
static void dialects_that_disagree_are_refused(void **state)
{
	(void)state;
	groups(annotated("io.kubernetes.cri.container-type=container",
			 "io.kubernetes.cri.sandbox-id=pod",
			 "io.kubernetes.cri-o.ContainerType=container",
			 "io.kubernetes.cri-o.SandboxID=pod", NULL),
	       OCI_CONTAINER_MEMBER, "pod", "containerd");
	grouping_fails(
		annotated("io.kubernetes.cri-o.ContainerType=sandbox",
			  "io.kubernetes.cri-o.SandboxID=me",
			  "io.kubernetes.cri.container-type=container",
			  "io.kubernetes.cri.sandbox-id=victim", NULL),
		"the annotations of containerd and of cri-o disagree: by io.kubernetes.cri.container-type this is "
		"a member of \"victim\", by io.kubernetes.cri-o.ContainerType the sandbox of \"me\"");
	grouping_fails(
		annotated("io.kubernetes.cri.container-type=container",
			  "io.kubernetes.cri.sandbox-id=pod",
			  "io.katacontainers.pkg.oci.container_type=pod_container",
			  "io.katacontainers.pkg.oci.sandbox_id=victim", NULL),
		"the annotations of containerd and of kata disagree: by io.kubernetes.cri.container-type this is "
		"a member of \"pod\", by io.katacontainers.pkg.oci.container_type a member of \"victim\"");
}

static void a_pod_is_sized_by_annotations(void **state)
{
	const struct oci_grouping pod = { .type = OCI_CONTAINER_SANDBOX };
	struct oci_sandbox_size size;

	(void)state;
	assert_int_equal(
		oci_sandbox_size_find(&pod,
				      annotated("io.kubernetes.cri.sandbox-cpu-period=100000",
						"io.kubernetes.cri.sandbox-cpu-quota=150000",
						"io.kubernetes.cri.sandbox-cpu-shares=1536",
						"io.kubernetes.cri.sandbox-memory=268435456", NULL),
				      &size, &err),
		0);
	assert_int_equal(size.memory, 268435456);
	assert_int_equal(size.cpu_shares, 1536);
	assert_int_equal(oci_sandbox_size_vcpus(&size), 2);
	assert_int_equal(oci_sandbox_size_find(
				 &pod, annotated("io.kubernetes.cri.sandbox-cpu-quota=-1", NULL),
				 &size, &err),
			 0);
	assert_int_equal(oci_sandbox_size_vcpus(&size), 0);
	assert_int_equal(
		oci_sandbox_size_find(&pod, annotated("io.kubernetes.cri.sandbox-memory=1G", NULL),
				      &size, &err),
		-EINVAL);
	assert_string_equal(
		err.text,
		"annotation io.kubernetes.cri.sandbox-memory: \"1G\" is not a number it may have");
}

static void a_pod_of_crio_is_sized_by_one_annotation(void **state)
{
	const struct oci_grouping pod = { .type = OCI_CONTAINER_SANDBOX };
	struct oci_sandbox_size size;

	(void)state;
	assert_int_equal(
		oci_sandbox_size_find(
			&pod,
			annotated("io.kubernetes.cri-o.PodLinuxResources={\"cpu_period\":100000,"
				  "\"cpu_quota\":150000,\"cpu_shares\":1536,"
				  "\"memory_limit_in_bytes\":268435456,\"unified\":{\"a\":\"b\"}}",
				  NULL),
			&size, &err),
		0);
	assert_int_equal(size.memory, 268435456);
	assert_int_equal(size.cpu_shares, 1536);
	assert_int_equal(oci_sandbox_size_vcpus(&size), 2);
	/* What Go writes for a pod without limits. */
	assert_int_equal(
		oci_sandbox_size_find(&pod,
				      annotated("io.kubernetes.cri-o.PodLinuxResources=null", NULL),
				      &size, &err),
		0);
	assert_int_equal(size.memory, 0);
	assert_int_equal(
		oci_sandbox_size_find(
			&pod,
			annotated("io.kubernetes.cri-o.PodLinuxResources={\"cpu_period\":-1}",
				  NULL),
			&size, &err),
		-EINVAL);
	assert_int_equal(oci_sandbox_size_find(
				 &pod, annotated("io.kubernetes.cri-o.PodLinuxResources={", NULL),
				 &size, &err),
			 -EINVAL);
}

static void a_single_container_is_sized_by_its_resources(void **state)
{
	static const char text[] =
		"{\"linux\":{\"resources\":{\"memory\":{\"limit\":1000},\"cpu\":{\"quota\":250000}}}}";
	const struct oci_grouping single = { .type = OCI_CONTAINER_SINGLE },
				  member = { .type = OCI_CONTAINER_MEMBER };
	struct oci_sandbox_size size;
	struct oci_spec *spec;

	(void)state;
	assert_int_equal(oci_spec_parse(text, strlen(text), "config.json", arena, &spec, &err), 0);
	assert_int_equal(oci_sandbox_size_find(&single, spec, &size, &err), 0);
	assert_int_equal(size.memory, 1000);
	assert_int_equal(oci_sandbox_size_vcpus(&size), 3);
	assert_int_equal(oci_sandbox_size_find(&member, spec, &size, &err), 0);
	assert_int_equal(size.memory, 0);
	size = (struct oci_sandbox_size){ .cpu_quota = INT64_MAX, .cpu_period = 1 };
	assert_int_equal(oci_sandbox_size_vcpus(&size), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARENA_TEST(hooks_read_the_state_on_one_line),
		ARENA_TEST(a_stopped_container_has_no_pid_for_hooks_but_zero_for_state),
		ARENA_TEST(times_have_no_trailing_zeros),
		ARENA_TEST(each_manager_groups_in_its_own_words),
		ARENA_TEST(annotations_that_make_no_sense_are_refused),
		ARENA_TEST(dialects_that_disagree_are_refused),
		ARENA_TEST(a_pod_is_sized_by_annotations),
		ARENA_TEST(a_pod_of_crio_is_sized_by_one_annotation),
		ARENA_TEST(a_single_container_is_sized_by_its_resources),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
