/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root file systems of layers: what containerd's mounts become, storage by storage. Disks are
 * played.
 */
#include "sandbox/storage/erofs_layers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "rpc/pb/agent_msg.h"
#include "sandbox/core/container.h"
#include "sandbox/storage/container_share.h"
#include "sandbox/storage/device.h"

#define FILE_OF_HOST "/dev/null"

static unsigned nr_plugged;
static struct strbuf plugged;

int device_plug_disk(struct sb_container *ctr, int fd, bool read_only, unsigned leave_free,
		     const struct sb_disk **ret, struct err *err)
{
	static struct sb_disk disk;

	(void)fd;
	(void)err;
	disk.id = arena_printf(ctr->arena, "disk%u", nr_plugged);
	disk.guest_path = arena_printf(ctr->arena, "0%u/00", ++nr_plugged);
	*ret = &disk;
	return strbuf_printf(&plugged, "%s%s%u", plugged.len ? " " : "", read_only ? "ro" : "rw",
			     leave_free);
}

/* Not called here; the linker wants the whole of the two files to be played. */
int device_plug_all(struct sb_container *ctr, struct oci_spec *spec, struct agent_device **ret,
		    size_t *ret_nr, struct err *err)
{
	(void)ctr;
	(void)spec;
	(void)ret;
	(void)ret_nr;
	return err_set_errno(err, -ENOSYS, "played");
}

void device_unplug_all(struct sb_container *ctr)
{
	(void)ctr;
}

int sb_container_share(struct sb_container *ctr, int fd, const char *name, unsigned flags,
		       char **ret_guest_path, struct err *err)
{
	(void)ctr;
	(void)fd;
	(void)name;
	(void)flags;
	(void)ret_guest_path;
	return err_set_errno(err, -ENOSYS, "played");
}

void sb_container_unshare_all(struct sb_container *ctr)
{
	(void)ctr;
}

struct fixture {
	struct sb_container ctr;
	struct containerd_mount mounts[200];
	size_t nr;
	struct err err;
};

static void set_up(struct fixture *f)
{
	*f = (struct fixture){ .ctr.id = "c" };
	assert_int_equal(arena_new(&f->ctr.arena), 0);
	nr_plugged = 0;
	strbuf_deinit(&plugged);
}

static void tear_down(struct fixture *f)
{
	(void)arena_free(f->ctr.arena);
	strbuf_deinit(&plugged);
}

/* Options are separated by spaces, those of templates excepted. */
static void add(struct fixture *f, const char *type, const char *source, const char *options)
{
	struct containerd_mount *m = &f->mounts[f->nr++];

	*m = (struct containerd_mount){ .type = type, .source = source };
	while (*options) {
		const char *close = strstr(options, "{{") ? strstr(options, "}}") : NULL;
		size_t len = strcspn(options, " ");
		const char *open = strstr(options, "{{");

		if (open && close && open < options + len)
			len = (size_t)(close - options) + strcspn(close, " ");
		char *option = arena_strndup(f->ctr.arena, options, len);
		assert_non_null(option);
		assert_int_equal(arena_strv_add(f->ctr.arena, &m->options, option), 0);
		options += len + (options[len] == ' ');
	}
}

static int plug(struct fixture *f)
{
	f->err = ERR_NULL;
	return erofs_layers_plug(&f->ctr, f->mounts, f->nr, &f->err);
}

static void assert_storage(const struct fixture *f, size_t i, const char *want)
{
	const struct agent_storage *s = &f->ctr.storages[i];
	cleanup_strbuf struct strbuf got = STRBUF_NULL;

	assert_true(i < f->ctr.nr_storages);
	assert_int_equal(strbuf_printf(&got, "%s %s %s %s:", s->driver, s->source, s->fstype,
				       s->mount_point),
			 0);
	for (size_t o = 0; o < s->options.nr; o++)
		assert_int_equal(strbuf_printf(&got, " %s", s->options.v[o]), 0);
	for (size_t o = 0; o < s->driver_options.nr; o++)
		assert_int_equal(strbuf_printf(&got, " +%s", s->driver_options.v[o]), 0);
	assert_string_equal(got.data, want);
}

static void an_upper_layer_in_a_file_is_a_writable_disk(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	add(&f, "ext4", FILE_OF_HOST, "rw loop");
	add(&f, "erofs", FILE_OF_HOST, "ro loop device=" FILE_OF_HOST);
	add(&f, "erofs", FILE_OF_HOST, "ro loop");
	add(&f, "format/mkdir/overlay", "overlay",
	    "X-containerd.mkdir.path={{ mount 0 }}/upper:0755 upperdir={{ mount 0 }}/upper "
	    "lowerdir={{ overlay 1 2 }} index=off");
	assert_true(erofs_layers_are_for_guest(f.mounts, f.nr));
	assert_int_equal(plug(&f), 0);
	assert_string_equal(plugged.data, "rw0 ro5 ro0 ro4");
	assert_int_equal(f.ctr.nr_storages, 4);
	assert_storage(&f, 0, "blk 01/00 ext4 /run/kata-containers/c/layers/0: rw");
	assert_storage(&f, 1,
		       "blk 02/00 erofs /run/kata-containers/sandbox/layers/disk1: ro "
		       "+io.katacontainers.erofs.device=03/00");
	assert_storage(&f, 2, "blk 04/00 erofs /run/kata-containers/sandbox/layers/disk3: ro");
	assert_storage(&f, 3,
		       "overlayfs overlay overlay /run/kata-containers/c/rootfs: "
		       "upperdir=/run/kata-containers/c/layers/0/upper "
		       "lowerdir=/run/kata-containers/sandbox/layers/disk1:"
		       "/run/kata-containers/sandbox/layers/disk3 index=off "
		       "+io.katacontainers.volume.overlayfs.create_directory="
		       "/run/kata-containers/c/layers/0/upper");
	assert_string_equal(f.ctr.guest_rootfs, "/run/kata-containers/c/rootfs");
	tear_down(&f);
}

static void an_upper_directory_of_the_host_becomes_memory(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	add(&f, "erofs", FILE_OF_HOST, "ro");
	add(&f, "erofs", FILE_OF_HOST, "ro");
	/* Counted downwards, as nobody does yet. */
	add(&f, "format/overlay", "overlay",
	    "workdir=/no/such upperdir=/proc/self/map_files/.. lowerdir={{overlay 1 0}}");
	assert_int_equal(plug(&f), -ENOTSUP);
	assert_non_null(strstr(f.err.text, "/proc/self/map_files/.. is not empty"));
	tear_down(&f);
	set_up(&f);
	add(&f, "erofs", FILE_OF_HOST, "ro");
	add(&f, "format/overlay", "overlay", "workdir=/no/such lowerdir={{ mount 0 }}");
	assert_int_equal(plug(&f), 0);
	assert_storage(&f, 1,
		       "overlayfs overlay overlay /run/kata-containers/c/rootfs: "
		       "lowerdir=/run/kata-containers/sandbox/layers/disk0 "
		       "io.katacontainers.fs-opt.overlay-rw");
	tear_down(&f);
}

static void a_single_layer_is_the_root(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	add(&f, "erofs", FILE_OF_HOST, "ro loop");
	assert_int_equal(plug(&f), 0);
	assert_int_equal(f.ctr.nr_storages, 1);
	assert_string_equal(f.ctr.guest_rootfs, "/run/kata-containers/sandbox/layers/disk0");
	tear_down(&f);
}

static void what_the_guest_cannot_do_is_refused(void **state)
{
	static const struct {
		const char *type, *source, *options, *error;
	} last[] = {
		{ "format/overlay", "o", "lowerdir={{ mount 1 }}", "cannot be filled in" },
		{ "format/overlay", "o", "lowerdir={{ overlay 0 9 }}", "cannot be filled in" },
		{ "format/overlay", "o", "lowerdir={{ mount -1 }}", "cannot be filled in" },
		{ "format/overlay", "o", "lowerdir={{ mount 4294967296 }}", "cannot be filled in" },
		{ "format/overlay", "o", "lowerdir={{ source 0 }}", "cannot be filled in" },
		{ "format/overlay", "o", "lowerdir={{", "cannot be filled in" },
		{ "overlay", "o", "lowerdir=/usr", "option lowerdir=/usr" },
		{ "overlay", "o", "uidmap=0:1:2", "option uidmap=0:1:2" },
		{ "mkdir/overlay", "o", "X-containerd.mkdir.path=/etc:0755",
		  "option X-containerd" },
		{ "format/mkdir/overlay", "o", "X-containerd.mkdir.path={{ mount 0 }}/x:0700",
		  "option X-containerd" },
		{ "mkdir/overlay", "o", "X-containerd.other", "option X-containerd.other" },
		{ "format/bind", "/usr", "ro", "bind mount" },
		{ "erofs", FILE_OF_HOST, "X-containerd.dmverity=/x",
		  "option X-containerd.dmverity" },
		{ "format/tmpfs", "tmpfs", "", "file system format/tmpfs" },
		{ "erofs", "/no/such", "ro", "/no/such: No such file" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(last); i++) {
		struct fixture f;

		set_up(&f);
		add(&f, "erofs", FILE_OF_HOST, "ro");
		add(&f, last[i].type, last[i].source, last[i].options);
		assert_true(plug(&f) < 0);
		if (!strstr(f.err.text, last[i].error))
			fail_msg("%s", f.err.text);
		tear_down(&f);
	}
}

static void too_many_layers_are_refused(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	while (f.nr < ARRAY_SIZE(f.mounts))
		add(&f, "erofs", FILE_OF_HOST, "ro");
	assert_int_equal(plug(&f), -E2BIG);
	assert_int_equal(nr_plugged, 0);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_upper_layer_in_a_file_is_a_writable_disk),
		cmocka_unit_test(an_upper_directory_of_the_host_becomes_memory),
		cmocka_unit_test(a_single_layer_is_the_root),
		cmocka_unit_test(what_the_guest_cannot_do_is_refused),
		cmocka_unit_test(too_many_layers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
