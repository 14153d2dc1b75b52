/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of saved VMs and of where templates are kept: what is damaged, half made, somebody
 * else's or of another VM is never used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "sandbox/hypervisor/vm_config.h"
#include "sandbox/snapshot/memory_image.h"
#include "sandbox/snapshot/snapshot.h"
#include "sandbox/template/template_key.h"
#include "sandbox/template/template_start.h"
#include "sandbox/template/template_store.h"

#define MEMORY_SIZE ((uint64_t)4 << 20)
#define KEY "00000000000000000000000000000000000000000000000000000000000000"

static struct {
	char path[64];
	int store;
	struct err err;
} t;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(t.path, sizeof(t.path), "/dev/shm/test-template-%d/store", (int)getpid());
	t.err = ERR_NULL;
	t.store = template_store_open(t.path, true, &t.err);
	return t.store < 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)close(t.store);
	*strrchr(t.path, '/') = '\0';
	return io_rm_tree_at(AT_FDCWD, t.path);
}

static void fill(int fd, uint64_t at, char byte, size_t len)
{
	char page[4096];

	memset(page, byte, sizeof(page));
	for (; len; len -= sizeof(page), at += sizeof(page))
		assert_int_equal(pwrite(fd, page, sizeof(page), (off_t)at), sizeof(page));
}

/* A template of a few pages. */
static void make(const char *key)
{
	struct snapshot snapshot = SNAPSHOT_NULL;
	int dir = template_store_begin(t.store, &t.err);

	assert_true(dir >= 0);
	assert_int_equal(snapshot_begin(dir, MEMORY_SIZE, &snapshot, &t.err), 0);
	fill(snapshot.memory_fd, 8192, 'a', 8192);
	fill(snapshot.memory_fd, 65536, 0, 8192);
	fill(snapshot.memory_fd, MEMORY_SIZE - 4096, 'z', 4096);
	assert_int_equal(write(snapshot.state_fd, "state", 5), 5);
	if (snapshot_seal(dir, &snapshot, key, &t.err) < 0)
		fail_msg("%s", t.err.text);
	snapshot_close(&snapshot);
	(void)close(dir);
	assert_int_equal(template_store_commit(t.store, key, &t.err), 0);
}

static bool is_found(const char *key)
{
	struct snapshot snapshot = SNAPSHOT_NULL;
	int r = template_store_find(t.store, key, &snapshot);

	snapshot_close(&snapshot);
	assert_true(r == 0 || r == -ENOENT);
	return r == 0;
}

static bool exists(const char *key)
{
	return faccessat(t.store, key, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void memory_comes_back_with_its_holes(void **state)
{
	struct snapshot snapshot = SNAPSHOT_NULL;
	char page[4096], want[4096];
	struct stat st;

	(void)state;
	make(KEY "01");
	assert_int_equal(template_store_find(t.store, KEY "01", &snapshot), 0);
	/* Pages of zeros are none. */
	assert_int_equal(snapshot.manifest.memory_data, 3 * 4096);
	int fd = memfd_create("copy", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)MEMORY_SIZE), 0);
	assert_int_equal(snapshot_copy_memory(&snapshot, fd), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true((uint64_t)st.st_blocks * 512 <= 4 * 4096);
	memset(want, 'a', sizeof(want));
	assert_int_equal(pread(fd, page, sizeof(page), 12288), sizeof(page));
	assert_memory_equal(page, want, sizeof(page));
	memset(want, 'z', sizeof(want));
	assert_int_equal(pread(fd, page, sizeof(page), MEMORY_SIZE - 4096), sizeof(page));
	assert_memory_equal(page, want, sizeof(page));
	(void)close(fd);
	snapshot_close(&snapshot);
}

static void a_sum_tells_contents_and_places_apart(void **state)
{
	struct memory_measure a, b;
	int fd = memfd_create("image", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)MEMORY_SIZE), 0);
	fill(fd, 0, 'a', 4096);
	assert_int_equal(memory_image_trim(fd, MEMORY_SIZE, &a), 0);
	assert_int_equal(pwrite(fd, "b", 1, 4000), 1);
	assert_int_equal(memory_image_trim(fd, MEMORY_SIZE, &b), 0);
	assert_true(a.sum != b.sum && a.data == b.data);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(ftruncate(fd, (off_t)MEMORY_SIZE), 0);
	fill(fd, 4096, 'a', 4096);
	assert_int_equal(memory_image_trim(fd, MEMORY_SIZE, &b), 0);
	assert_true(a.sum != b.sum && a.data == b.data);
	(void)close(fd);
}

/* What one test does to a template before it is looked for. */
static void damage(const char *what)
{
	char path[160];
	int fd;

	(void)snprintf(path, sizeof(path), KEY "02/%s", what);
	fd = openat(t.store, path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "!", 1, 8200 % (int)lseek(fd, 0, SEEK_END)), 1);
	(void)close(fd);
}

static void what_was_changed_is_thrown_away(void **state)
{
	static const char *const files[] = { "memory", "state", "manifest" };
	char path[160];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		make(KEY "02");
		assert_true(is_found(KEY "02"));
		damage(files[i]);
		assert_false(is_found(KEY "02"));
		assert_false(exists(KEY "02"));

		make(KEY "02");
		(void)snprintf(path, sizeof(path), KEY "02/%s", files[i]);
		assert_int_equal(unlinkat(t.store, path, 0), 0);
		assert_false(is_found(KEY "02"));
		assert_false(exists(KEY "02"));

		make(KEY "02");
		assert_int_equal(fchmodat(t.store, path, 0644, 0), 0);
		assert_false(is_found(KEY "02"));
		if (geteuid() != 0)
			continue;
		make(KEY "02");
		assert_int_equal(fchownat(t.store, path, 65534, 65534, 0), 0);
		assert_false(is_found(KEY "02"));
	}
}

/* The times of a file can be set back, its contents not: the copy finds it. */
static void memory_that_changed_in_silence_is_found_by_the_copy(void **state)
{
	struct snapshot snapshot = SNAPSHOT_NULL;

	(void)state;
	make(KEY "03");
	assert_int_equal(template_store_find(t.store, KEY "03", &snapshot), 0);
	int fd = openat(t.store, KEY "03/memory", O_RDWR | O_CLOEXEC);
	int copy = memfd_create("copy", MFD_CLOEXEC);
	assert_int_equal(pwrite(fd, "!", 1, 9000), 1);
	assert_int_equal(ftruncate(copy, (off_t)MEMORY_SIZE), 0);
	assert_int_equal(snapshot_copy_memory(&snapshot, copy), -EBADMSG);
	(void)close(fd);
	(void)close(copy);
	snapshot_close(&snapshot);
}

static void one_of_another_key_is_not_used_under_a_new_name(void **state)
{
	(void)state;
	make(KEY "04");
	assert_int_equal(renameat(t.store, KEY "04", t.store, KEY "05"), 0);
	assert_false(is_found(KEY "05"));
}

static void what_is_half_made_is_never_found_and_goes(void **state)
{
	struct snapshot snapshot = SNAPSHOT_NULL;
	int dir = template_store_begin(t.store, &t.err);

	(void)state;
	assert_int_equal(snapshot_begin(dir, MEMORY_SIZE, &snapshot, &t.err), 0);
	snapshot_close(&snapshot);
	assert_int_equal(renameat(t.store, "new", t.store, KEY "06"), 0);
	assert_false(is_found(KEY "06"));
	(void)close(dir);
	dir = template_store_begin(t.store, &t.err);
	int lock = template_store_lock(t.store);
	assert_true(lock >= 0);
	assert_int_equal(template_store_lock(t.store), -EWOULDBLOCK);
	template_store_clean(t.store); /* its maker lives */
	assert_true(exists("new"));
	(void)close(lock);
	template_store_clean(t.store);
	assert_false(exists("new"));
	(void)close(dir);
}

static void the_one_not_used_for_longest_makes_room(void **state)
{
	static const char *const keys[] = { KEY "11", KEY "12", KEY "13", KEY "14", KEY "15" };
	struct template_info infos[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct timespec used[2] = { { .tv_sec = 1000 + (long)i },
						  { .tv_sec = 1000 + (long)i } };

		make(keys[i]);
		assert_int_equal(utimensat(t.store, keys[i], used, 0), 0);
		if (i == 3)
			assert_true(is_found(keys[0])); /* which is a use */
	}
	assert_int_equal(template_store_list(t.store, infos, ARRAY_SIZE(infos)), TEMPLATES_MAX);
	assert_true(exists(keys[0]));
	assert_false(exists(keys[1]));
	assert_true(exists(keys[4]));
	assert_true(infos[0].bytes > 0);
}

static void a_store_that_others_may_read_is_not_used(void **state)
{
	(void)state;
	assert_int_equal(chmod(t.path, 0711), 0);
	assert_int_equal(template_store_open(t.path, true, &t.err), -EPERM);
	assert_int_equal(chmod(t.path, 0700), 0);
	assert_int_equal(template_store_open("/proc", false, &t.err), -EPERM);
	assert_int_equal(template_store_open("/no/such", false, &t.err), -ENOENT);
}

static void what_cannot_be_made_is_not_tried_again_at_once(void **state)
{
	const struct timespec long_ago[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	(void)state;
	assert_false(template_store_has_failed(t.store, KEY "07"));
	template_store_abandon(t.store, KEY "07", "why");
	assert_true(template_store_has_failed(t.store, KEY "07"));
	assert_int_equal(utimensat(t.store, KEY "07.failed", long_ago, 0), 0);
	assert_false(template_store_has_failed(t.store, KEY "07"));
	assert_false(exists(KEY "07.failed"));
}

static struct vm_config vm_of(const char *kernel)
{
	struct vm_config vm = VM_CONFIG_NULL;

	vm.name = "one";
	vm.path = "/proc/self/exe";
	vm.kernel = vm.initrd = kernel;
	vm.kernel_params = "a";
	vm.vcpus = vm.max_vcpus = 1;
	vm.memory.mib = 256;
	return vm;
}

static void write_kernel(char path[96], const char *text)
{
	(void)snprintf(path, 96, "%s/kernel", t.path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
	(void)close(fd);
}

static void a_key_changes_with_every_input_and_with_nothing_else(void **state)
{
	char path[96], key[SNAPSHOT_DIGEST_LEN + 1] = "", other[SNAPSHOT_DIGEST_LEN + 1] = "";
	struct vm_config vm, changed;

	(void)state;
	write_kernel(path, "kernel");
	vm = vm_of(path);
	assert_int_equal(template_key_find(t.store, &vm, false, key, &t.err), -EAGAIN);
	assert_int_equal(template_key_find(t.store, &vm, true, key, &t.err), 0);
	assert_int_equal(template_key_find(t.store, &vm, false, other, &t.err), 0);
	assert_string_equal(key, other);
	changed = vm;
	changed.name = "two";
	changed.tcg_cache_mib = 64;
	assert_int_equal(template_key_find(t.store, &changed, false, other, &t.err), 0);
	assert_string_equal(key, other);
#define CHANGE(field, value)                                                                     \
	do {                                                                                     \
		changed = vm;                                                                    \
		changed.field = value;                                                           \
		assert_int_equal(template_key_find(t.store, &changed, false, other, &t.err), 0); \
		assert_string_not_equal(key, other);                                             \
	} while (0)
	CHANGE(memory.mib, 257);
	CHANGE(memory.max_mib, 512);
	CHANGE(memory.slots, 1);
	CHANGE(memory.report_free_pages, true);
	CHANGE(vcpus, 2);
	CHANGE(max_vcpus, 2);
	CHANGE(bridges, 1);
	CHANGE(accel, VM_ACCEL_KVM);
	CHANGE(kernel_params, "ab");
	CHANGE(machine_type, "pc");
	CHANGE(machine_accelerators, "a=b");
	CHANGE(cpu_model, "max");
	CHANGE(cpu_features, "pmu=off");
	CHANGE(initrd, NULL);
	CHANGE(firmware, path);
	CHANGE(debug, true);
	/* Nothing can be moved from one setting to the next. */
	changed = vm;
	changed.cpu_model = "max,x";
	assert_int_equal(template_key_find(t.store, &changed, false, key, &t.err), 0);
	changed.cpu_model = "max";
	changed.cpu_features = "x";
	assert_int_equal(template_key_find(t.store, &changed, false, other, &t.err), 0);
	assert_string_not_equal(key, other);
}

static void a_file_counts_by_its_contents(void **state)
{
	char path[96], key[SNAPSHOT_DIGEST_LEN + 1] = "", other[SNAPSHOT_DIGEST_LEN + 1] = "";
	struct vm_config vm;

	(void)state;
	write_kernel(path, "kernel");
	vm = vm_of(path);
	assert_int_equal(template_key_find(t.store, &vm, true, key, &t.err), 0);
	assert_int_equal(unlink(path), 0);
	write_kernel(path, "kernel");
	assert_int_equal(template_key_find(t.store, &vm, true, other, &t.err), 0);
	assert_string_equal(key, other);
	write_kernel(path, "kernex");
	assert_int_equal(template_key_find(t.store, &vm, false, other, &t.err), -EAGAIN);
	assert_int_equal(template_key_find(t.store, &vm, true, other, &t.err), 0);
	assert_string_not_equal(key, other);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(template_key_find(t.store, &vm, true, other, &t.err), -ENOENT);
}

static void nonsense_in_the_list_of_digests_is_passed_over(void **state)
{
	char path[96], key[SNAPSHOT_DIGEST_LEN + 1] = "", other[SNAPSHOT_DIGEST_LEN + 1] = "";
	struct vm_config vm;

	(void)state;
	write_kernel(path, "kernel");
	vm = vm_of(path);
	assert_int_equal(template_key_find(t.store, &vm, true, key, &t.err), 0);
	assert_int_equal(io_replace_file_at(t.store, "digests", "a b\n\nc", 6, 0600), 0);
	assert_int_equal(template_key_find(t.store, &vm, true, other, &t.err), 0);
	assert_string_equal(key, other);
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_STORE(memory_comes_back_with_its_holes),
		WITH_STORE(a_sum_tells_contents_and_places_apart),
		WITH_STORE(what_was_changed_is_thrown_away),
		WITH_STORE(memory_that_changed_in_silence_is_found_by_the_copy),
		WITH_STORE(one_of_another_key_is_not_used_under_a_new_name),
		WITH_STORE(what_is_half_made_is_never_found_and_goes),
		WITH_STORE(the_one_not_used_for_longest_makes_room),
		WITH_STORE(a_store_that_others_may_read_is_not_used),
		WITH_STORE(what_cannot_be_made_is_not_tried_again_at_once),
		WITH_STORE(a_key_changes_with_every_input_and_with_nothing_else),
		WITH_STORE(a_file_counts_by_its_contents),
		WITH_STORE(nonsense_in_the_list_of_digests_is_passed_over),
	};

	log_init("test", -1, LOG_FORMAT_PLAIN, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
