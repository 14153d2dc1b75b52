/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden tests of what the agent is asked to do for real bundles of docker and podman:
 * tests/golden/samples/<x>.json becomes tests/golden/agent/<x>.json.ok. UPDATE_GOLDEN=1 writes the
 * expectations; read the difference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "kata/guest.h"
#include "oci/spec.h"
#include "rpc/pb/agent_msg.h"
#include "sandbox/core/container.h"
#include "sandbox/core/sandbox.h"
#include "sandbox/lifecycle/guest_spec.h"
#include "sandbox/sharefs/share.h"
#include "sandbox/storage/block_io.h"
#include "sandbox/storage/container_share.h"

#define SAMPLES "tests/golden/samples"
#define EXPECTED "tests/golden/agent"

/*
 * The shared tree is played: real mounts need root, and the samples' sources are on other machines.
 * What was shared is noted, since read-only must reach the host's side.
 */
static struct strbuf shared;
static const char *missing_source;
static uint64_t source_attrs;

int share_open(const char *path, bool own)
{
	(void)own;
	if (missing_source && strstr(path, missing_source))
		return -ENOENT;
	return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int share_open_path(const char *path)
{
	return share_open(path, false);
}

int share_mount_attrs(int tree_fd, uint64_t *ret)
{
	(void)tree_fd;
	*ret = source_attrs;
	return 0;
}

int share_add(struct share *share, int tree_fd, const char *name, unsigned flags, struct err *err)
{
	(void)share;
	(void)tree_fd;
	(void)err;
	return strbuf_printf(&shared, "%s %s\n", flags & SHARE_READ_ONLY ? "ro" : "rw", name);
}

/* Not called here; the linker wants the whole of share.c to be played. */
int share_remove(struct share *share, const char *name)
{
	(void)share;
	(void)name;
	return -ENOSYS;
}

int share_set_read_only(struct share *share, const char *name, bool read_only,
			const struct share_exporter *exporter)
{
	(void)share;
	(void)name;
	(void)read_only;
	(void)exporter;
	return -ENOSYS;
}

int share_isolate_mounts(struct err *err)
{
	return err_set_errno(err, -ENOSYS, "played");
}

int share_init(struct share *share, const char *state_dir, struct err *err)
{
	(void)share;
	(void)state_dir;
	return err_set_errno(err, -ENOSYS, "played");
}

void share_deinit(struct share *share)
{
	(void)share;
}

struct fixture {
	struct arena *arena;
	struct sandbox sandbox;
	struct sb_container ctr;
	struct oci_spec *spec; /* ctr.spec, for tests that change it */
	struct config config;
};

static void set_up(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	assert_int_equal(arena_new(&f->arena), 0);
	f->sandbox.arena = f->arena;
	f->sandbox.id = "ctr";
	list_init(&f->sandbox.containers);
	f->sandbox.config = &f->config;
	f->config.runtime.disable_guest_empty_dir = true;
	f->ctr.arena = f->arena;
	f->ctr.sandbox = &f->sandbox;
	f->ctr.id = "ctr";
	f->ctr.bundle = "/bundle";
	strbuf_deinit(&shared);
	missing_source = NULL;
}

static void tear_down(struct fixture *f)
{
	strbuf_deinit(&shared);
	(void)arena_free(f->arena);
}

static void parse(struct fixture *f, const char *text, size_t len, const char *name)
{
	struct err err = ERR_NULL;

	if (oci_spec_parse(text, len, name, f->arena, &f->spec, &err) < 0)
		fail_msg("%s", err.text);
	f->ctr.spec = f->spec;
}

static void load(struct fixture *f, const char *name)
{
	cleanup_free char *data = NULL;
	char path[300];

	(void)snprintf(path, sizeof(path), SAMPLES "/%s", name);
	ssize_t len = io_read_file_at(AT_FDCWD, path, 1 << 20, &data);
	assert_true(len > 0);
	parse(f, data, (size_t)len, name);
}

static void compare(const char *name, const struct strbuf *got)
{
	cleanup_free char *want = NULL;
	char path[300];

	(void)snprintf(path, sizeof(path), EXPECTED "/%s.ok", name);
	if (getenv("UPDATE_GOLDEN")) {
		assert_int_equal(io_mkdir_p(EXPECTED, 0755), 0);
		assert_int_equal(io_replace_file_at(AT_FDCWD, path, got->data, got->len, 0644), 0);
		return;
	}
	ssize_t len = io_read_file_at(AT_FDCWD, path, 1 << 20, &want);
	if (len < 0)
		fail_msg("%s is missing: run with UPDATE_GOLDEN=1", path);
	if ((size_t)len != got->len || memcmp(want, got->data, got->len) != 0)
		fail_msg("%s differs; got:\n%s", path, got->data);
}

static void check_sample(const char *name)
{
	struct fixture f;
	struct oci_spec *spec = NULL;
	struct err err = ERR_NULL;
	cleanup_strbuf struct strbuf out = STRBUF_NULL;

	set_up(&f);
	load(&f, name);
	int r = guest_spec_make(&f.ctr, &spec, &err);
	if (r < 0) {
		assert_int_equal(strbuf_printf(&out, "error: %s\n", err.text), 0);
	} else {
		assert_int_equal(oci_spec_format(spec, 1, &out), 0);
		assert_int_equal(
			strbuf_printf(&out, "\nshared:\n%s", shared.data ? shared.data : ""), 0);
	}
	compare(name, &out);
	tear_down(&f);
}

static void real_bundles_become_the_expected_requests(void **state)
{
	DIR *dir = opendir(SAMPLES);
	size_t nr = 0;

	(void)state;
	assert_non_null(dir);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		if (!strstr(e->d_name, ".config.json"))
			continue;
		check_sample(e->d_name);
		nr++;
	}
	(void)closedir(dir);
	assert_true(nr >= 10);
}

static const struct oci_mount *find_mount(const struct oci_spec *spec, const char *destination)
{
	for (size_t i = 0; i < spec->nr_mounts; i++)
		if (str_eq(spec->mounts[i].destination, destination))
			return &spec->mounts[i];
	return NULL;
}

static struct oci_spec *convert(struct fixture *f, const char *mounts, struct err *err)
{
	char text[2000];
	struct oci_spec *spec = NULL;

	(void)snprintf(text, sizeof(text),
		       "{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"true\"]},"
		       "\"root\":{\"path\":\"rootfs\"},\"mounts\":[%s],\"linux\":{}}",
		       mounts);
	parse(f, text, strlen(text), "t");
	return guest_spec_make(&f->ctr, &spec, err) < 0 ? NULL : spec;
}

static void kernel_file_systems_are_the_guests_own(void **state)
{
	struct fixture f;
	struct err err = ERR_NULL;

	(void)state;
	set_up(&f);
	struct oci_spec *spec = convert(
		&f,
		"{\"destination\":\"/s\",\"source\":\"/sys\",\"options\":[\"rbind\"]},"
		"{\"destination\":\"/p\",\"source\":\"/procfoo\",\"options\":[\"rbind\",\"ro\"]}",
		&err);
	assert_non_null(spec);
	assert_string_equal(find_mount(spec, "/s")->source, "/sys");
	assert_string_equal(find_mount(spec, "/p")->source,
			    KATA_GUEST_VOLUMES_DIR "/ctr-1-procfoo");
	assert_string_equal(shared.data, "rw ctr/rootfs\nro ctr-1-procfoo\n");
	tear_down(&f);
}

static void a_volume_has_the_flags_of_its_source_but_for_its_own(void **state)
{
	static const char *const wanted[] = { "nosuid", "noexec", "rbind", "exec" };
	struct fixture f;
	struct err err = ERR_NULL;

	(void)state;
	set_up(&f);
	source_attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	struct oci_spec *spec = convert(
		&f, "{\"destination\":\"/v\",\"source\":\"/src\",\"options\":[\"rbind\",\"exec\"]}",
		&err);
	source_attrs = 0;
	assert_non_null(spec);
	const struct strv *options = &find_mount(spec, "/v")->options;
	assert_int_equal(options->nr, ARRAY_SIZE(wanted));
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		assert_string_equal(options->v[i], wanted[i]);
	tear_down(&f);
}

static void what_kubelet_rewrites_is_watched_when_it_is_read_only(void **state)
{
	static const char dir[] = "/var/lib/kubelet/pods/1/volumes";
	struct fixture f;
	struct err err = ERR_NULL;
	char mounts[1000];

	(void)state;
	set_up(&f);
	(void)snprintf(
		mounts, sizeof(mounts),
		"{\"destination\":\"/a\",\"source\":\"%s/kubernetes.io~configmap/a\",\"options\":[\"rbind\",\"ro\"]},"
		"{\"destination\":\"/b\",\"source\":\"%s/kubernetes.io~secret/b\",\"options\":[\"rbind\",\"rw\"]},"
		"{\"destination\":\"/c\",\"source\":\"%s/kubernetes.io~csi/c\",\"options\":[\"rbind\",\"ro\"]},"
		"{\"destination\":\"/d\",\"source\":\"%s/kubernetes.io~projected/d/token\",\"options\":[\"rbind\",\"ro\"]}",
		dir, dir, dir, dir);
	struct oci_spec *spec = convert(&f, mounts, &err);
	assert_non_null(spec);
	assert_int_equal(f.ctr.nr_storages, 1);
	assert_string_equal(f.ctr.storages[0].driver, "watchable-bind");
	assert_string_equal(f.ctr.storages[0].source, KATA_GUEST_VOLUMES_DIR "/ctr-0-a");
	assert_string_equal(f.ctr.storages[0].mount_point,
			    KATA_GUEST_SANDBOX_DIR "/watchable/ctr-0-a");
	assert_string_equal(find_mount(spec, "/a")->source,
			    KATA_GUEST_SANDBOX_DIR "/watchable/ctr-0-a");
	assert_string_equal(find_mount(spec, "/b")->source, KATA_GUEST_VOLUMES_DIR "/ctr-1-b");
	assert_string_equal(find_mount(spec, "/c")->source, KATA_GUEST_VOLUMES_DIR "/ctr-2-c");
	assert_string_equal(find_mount(spec, "/d")->source, KATA_GUEST_VOLUMES_DIR "/ctr-3-token");
	tear_down(&f);
}

static void seccomp_filters_stay_or_go_as_configured(void **state)
{
	struct err err = ERR_NULL;
	struct fixture f;

	(void)state;
	set_up(&f);
	struct oci_spec *spec = NULL;
	load(&f, "docker-run.config.json");
	assert_int_equal(guest_spec_make(&f.ctr, &spec, &err), 0);
	assert_non_null(spec->linux_->seccomp);
	f.config.runtime.disable_guest_seccomp = true;
	load(&f, "docker-run.config.json");
	assert_int_equal(guest_spec_make(&f.ctr, &spec, &err), 0);
	assert_null(spec->linux_->seccomp);
	tear_down(&f);
}

static void an_empty_dir_is_local_when_the_configuration_says_so(void **state)
{
	static const char mount[] =
		"{\"destination\":\"/e\",\"source\":\"/k/pods/1/volumes/kubernetes.io~empty-dir/e\","
		"\"options\":[\"rbind\"]}";
	struct fixture f;
	struct config config = { .runtime = { .disable_guest_empty_dir = true } };
	struct err err = ERR_NULL;

	(void)state;
	set_up(&f);
	f.sandbox.config = &config;
	struct oci_spec *spec = convert(&f, mount, &err);
	assert_non_null(spec);
	assert_string_equal(find_mount(spec, "/e")->source, KATA_GUEST_VOLUMES_DIR "/ctr-0-e");
	config.runtime.disable_guest_empty_dir = false;
	list_add_tail(&f.sandbox.containers, &f.ctr.node);
	spec = convert(&f, mount, &err);
	assert_non_null(spec);
	assert_string_equal(find_mount(spec, "/e")->source,
			    KATA_GUEST_SHARED_DIR "/ctr/rootfs/local/e");
	assert_int_equal(f.ctr.nr_storages, 1);
	assert_string_equal(f.ctr.storages[0].driver, "local");
	tear_down(&f);
}

static void a_pod_cannot_propagate_mounts_to_the_host(void **state)
{
	struct fixture f;
	struct err err = ERR_NULL;

	(void)state;
	set_up(&f);
	f.sandbox.kind = SANDBOX_KIND_POD;
	assert_null(convert(
		&f,
		"{\"destination\":\"/b\",\"source\":\"/x\",\"options\":[\"rbind\",\"rshared\"]}",
		&err));
	assert_non_null(strstr(err.text, "Bidirectional"));
	tear_down(&f);
}

static void a_missing_source_names_the_mount(void **state)
{
	struct fixture f;
	struct err err = ERR_NULL;

	(void)state;
	set_up(&f);
	missing_source = "/gone";
	assert_null(convert(
		&f,
		"{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"/gone\",\"options\":[]}",
		&err));
	assert_string_equal(err.text, "mounts[0] (/d): source /gone: No such file or directory");
	tear_down(&f);
}

static void host_policy_stays_on_the_host(void **state)
{
	static const char text[] =
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"true\"],"
		"\"apparmorProfile\":\"docker-default\",\"selinuxLabel\":\"a:b:c\"},\"root\":{\"path\":\"r\"},"
		"\"linux\":{\"resources\":{\"cpu\":{\"cpus\":\"7\",\"mems\":\"1\",\"shares\":512}}}}";
	struct fixture f;
	struct oci_spec *spec = NULL;
	struct err err = ERR_NULL;

	(void)state;
	set_up(&f);
	parse(&f, text, strlen(text), "t");
	assert_int_equal(guest_spec_make(&f.ctr, &spec, &err), 0);
	assert_null(spec->process->apparmor_profile);
	assert_null(spec->process->selinux_label);
	assert_null(spec->linux_->resources->cpu->cpus);
	assert_null(spec->linux_->resources->cpu->mems);
	assert_true(*spec->linux_->resources->cpu->shares == 512);
	/* The manager's own document is not changed. */
	assert_string_equal(f.ctr.spec->process->apparmor_profile, "docker-default");
	/* A profile that somebody chose is passed on: the guest says clearly that it has none. */
	f.spec->process->apparmor_profile = arena_strdup(f.arena, "mine");
	assert_int_equal(guest_spec_make(&f.ctr, &spec, &err), 0);
	assert_string_equal(spec->process->apparmor_profile, "mine");
	tear_down(&f);
}

/* The host's numbers are the guest's business only where the agent can tell which disk is meant. */
static void limits_of_io_on_plugged_disks_are_for_the_guest(void **state)
{
	struct fixture f;
	struct err err = ERR_NULL;
	uint16_t weight = 100;
	struct oci_throttle_device limits[] = { { 254, 0, 1000 },
						{ 7, 3, 2000 },
						{ 254, 1, 3000 } };
	struct oci_weight_device heavy = { .major = 7, .minor = 3, .weight = &weight };
	struct oci_block_io io = {
		.weight = &weight,
		.weight_device = &heavy,
		.nr_weight_device = 1,
		.throttle_read_bps_device = limits,
		.nr_throttle_read_bps_device = 3,
		.throttle_write_iops_device = limits,
		.nr_throttle_write_iops_device = 1,
	};
	struct oci_resources resources = { .block_io = &io };
	struct oci_device devices[] = {
		{ .path = (char *)"/dev/c", .type = (char *)"c", .major = 254, .minor = 0 },
		{ .path = (char *)"/dev/b", .type = (char *)"b", .major = 7, .minor = 3 },
	};
	struct oci_linux linux_ = { .devices = devices, .nr_devices = 2, .resources = &resources };

	(void)state;
	set_up(&f);
	f.ctr.is_first = true;
	assert_int_equal(block_io_keep_plugged(&f.ctr, &linux_, &err), 0);
	const struct oci_block_io *guests = linux_.resources->block_io;
	assert_ptr_not_equal(guests, &io); /* the spec itself is the host's */
	assert_int_equal(io.nr_throttle_read_bps_device, 3);
	assert_int_equal(guests->nr_throttle_read_bps_device, 1);
	assert_int_equal(guests->throttle_read_bps_device[0].minor, 3);
	assert_int_equal(guests->throttle_read_bps_device[0].rate, 2000);
	assert_int_equal(guests->nr_throttle_write_iops_device, 0);
	assert_null(guests->weight);
	assert_int_equal(guests->nr_weight_device, 0);
	linux_.resources = NULL;
	assert_int_equal(block_io_keep_plugged(&f.ctr, &linux_, &err), 0);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_bundles_become_the_expected_requests),
		cmocka_unit_test(kernel_file_systems_are_the_guests_own),
		cmocka_unit_test(host_policy_stays_on_the_host),
		cmocka_unit_test(a_volume_has_the_flags_of_its_source_but_for_its_own),
		cmocka_unit_test(what_kubelet_rewrites_is_watched_when_it_is_read_only),
		cmocka_unit_test(seccomp_filters_stay_or_go_as_configured),
		cmocka_unit_test(an_empty_dir_is_local_when_the_configuration_says_so),
		cmocka_unit_test(a_pod_cannot_propagate_mounts_to_the_host),
		cmocka_unit_test(a_missing_source_names_the_mount),
		cmocka_unit_test(limits_of_io_on_plugged_disks_are_for_the_guest),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
