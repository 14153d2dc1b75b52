/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of who may join a sandbox. Needs root for network namespaces; no VM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "oci/spec.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/sandbox_admit.h"
#include "sandbox/network/netns.h"

struct world {
	struct arena *arena;
	struct sandbox sb;
	int pod, other; /* network namespaces */
	char pod_path[64], other_path[64];
	struct err err;
};

static void set_up(struct world *w)
{
	*w = (struct world){ .err = ERR_NULL };
	assert_int_equal(arena_new(&w->arena), 0);
	w->pod = netns_new(&w->err);
	w->other = netns_new(&w->err);
	assert_true(w->pod >= 0 && w->other >= 0);
	(void)snprintf(w->pod_path, sizeof(w->pod_path), "/proc/self/fd/%d", w->pod);
	(void)snprintf(w->other_path, sizeof(w->other_path), "/proc/self/fd/%d", w->other);
	w->sb = (struct sandbox){ .id = "pod",
				  .state = SANDBOX_STATE_RUNNING,
				  .net = { .netns_fd = w->pod } };
	list_init(&w->sb.containers);
}

static void tear_down(struct world *w)
{
	(void)close(w->pod);
	(void)close(w->other);
	(void)arena_free(w->arena);
}

/* A network namespace: NULL for none, "" for a new one, or a path. */
static int ask(struct world *w, const char *annotations, const char *netns, int netns_fd)
{
	char text[1000], path[100] = "", *network = arena_strdup(w->arena, "");
	struct oci_spec *spec;

	if (netns && *netns)
		(void)snprintf(path, sizeof(path), ",\"path\":\"%s\"", netns);
	if (netns)
		network = arena_printf(w->arena, ",{\"type\":\"network\"%s}", path);
	(void)snprintf(text, sizeof(text),
		       "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"annotations\":{%s},"
		       "\"linux\":{\"namespaces\":[{\"type\":\"pid\"}%s]}}",
		       annotations, network);
	w->err = ERR_NULL;
	if (oci_spec_parse(text, strlen(text), "t", w->arena, &spec, &w->err) < 0)
		fail_msg("%s", w->err.text);
	struct sandbox_candidate candidate = { .id = "c", .spec = spec, .netns_fd = netns_fd };
	assert_int_equal(oci_grouping_find("c", spec, &candidate.grouping, &w->err), 0);
	return sandbox_admit(&w->sb, &candidate, &w->err);
}

#define MEMBER_OF(pod)                                                                               \
	"\"io.kubernetes.cri.container-type\":\"container\",\"io.kubernetes.cri.sandbox-id\":\"" pod \
	"\""

/* Each manager's words for a member, and none for one that joins by its network only. */
static const char *const dialects[] = {
	"",
	MEMBER_OF("pod"),
	"\"io.kubernetes.cri-o.ContainerType\":\"container\",\"io.kubernetes.cri-o.SandboxID\":\"pod\"",
	"\"io.kubernetes.docker.type\":\"container\",\"io.kubernetes.sandbox.id\":\"pod\"",
	"\"io.katacontainers.pkg.oci.container_type\":\"pod_container\","
	"\"io.katacontainers.pkg.oci.sandbox_id\":\"pod\"",
};

static void a_member_is_in_its_sandboxs_network_in_every_dialect(void **state)
{
	struct world w;

	(void)state;
	set_up(&w);
	for (size_t i = 0; i < ARRAY_SIZE(dialects); i++) {
		/* Annotations open nothing to a container without; the manager's own call does. */
		int without = *dialects[i] ? -EPERM : 0;

		assert_int_equal(ask(&w, dialects[i], w.pod_path, -1), 0);
		assert_int_equal(ask(&w, dialects[i], w.other_path, -1), -EPERM);
		assert_string_equal(w.err.text,
				    "container c may not join sandbox pod: it is not in "
				    "that sandbox's network namespace");
		assert_int_equal(ask(&w, dialects[i], "", -1), without);
		assert_int_equal(ask(&w, dialects[i], NULL, -1), without);
		assert_int_equal(ask(&w, dialects[i], "/nonexistent", -1), -ENOENT);
		assert_string_equal(w.err.text,
				    "network namespace /nonexistent: No such file or directory");
		/* Where a process stands for it, that one's counts and not what the spec says. */
		assert_int_equal(ask(&w, dialects[i], "", w.pod), 0);
		assert_int_equal(ask(&w, dialects[i], NULL, w.pod), 0);
		assert_int_equal(ask(&w, dialects[i], w.pod_path, w.other), -EPERM);
	}
	tear_down(&w);
}

static void a_sandbox_without_a_network_takes_containers_without_one(void **state)
{
	struct world w;

	(void)state;
	set_up(&w);
	w.sb.net.netns_fd = -1;
	assert_int_equal(ask(&w, MEMBER_OF("pod"), "", -1), 0);
	assert_int_equal(ask(&w, MEMBER_OF("pod"), NULL, -1), 0);
	assert_int_equal(ask(&w, MEMBER_OF("pod"), w.other_path, -1), -EPERM);
	assert_int_equal(ask(&w, MEMBER_OF("pod"), "", w.other), -EPERM);
	tear_down(&w);
}

static void nobody_joins_what_it_does_not_belong_to(void **state)
{
	struct world w;
	struct sb_container there = { .id = "c" };

	(void)state;
	set_up(&w);
	assert_int_equal(ask(&w, MEMBER_OF("victim"), w.pod_path, -1), -EPERM);
	assert_string_equal(w.err.text,
			    "container c may not join sandbox pod: by its annotations it "
			    "belongs to victim");
	assert_int_equal(ask(&w,
			     "\"io.kubernetes.cri.container-type\":\"sandbox\","
			     "\"io.kubernetes.cri.sandbox-id\":\"pod\"",
			     w.pod_path, -1),
			 -EPERM);
	assert_string_equal(w.err.text,
			    "container c may not join sandbox pod: by its annotations it "
			    "is a sandbox by itself");
	list_add_tail(&w.sb.containers, &there.node);
	assert_int_equal(ask(&w, MEMBER_OF("pod"), w.pod_path, -1), -EEXIST);
	tear_down(&w);
}

static void a_member_starts_no_sandbox(void **state)
{
	struct world w;

	(void)state;
	set_up(&w);
	w.sb = (struct sandbox){ .state = SANDBOX_STATE_NEW, .net.netns_fd = -1 };
	assert_int_equal(ask(&w, MEMBER_OF("pod"), w.pod_path, -1), -EBUSY);
	assert_string_equal(w.err.text, "sandbox pod has not been started");
	assert_int_equal(ask(&w, "", "", -1), 0);
	tear_down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_is_in_its_sandboxs_network_in_every_dialect),
		cmocka_unit_test(a_sandbox_without_a_network_takes_containers_without_one),
		cmocka_unit_test(nobody_joins_what_it_does_not_belong_to),
		cmocka_unit_test(a_member_starts_no_sandbox),
	};

	if (geteuid() != 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
