/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of src/config: defaults, the shipped file, keys good and bad, drop-ins and the choice
 * of the file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "common/json.h"
#include "common/str.h"
#include "config/config.h"
#include "config/keys.h"

static struct arena *arena;
static struct err err;

static int setup(void **state)
{
	(void)state;
	err = ERR_NULL;
	assert_int_equal(unsetenv("KATA_CONF_FILE"), 0);
	return arena_new(&arena);
}

static int teardown(void **state)
{
	(void)state;
	arena = arena_free(arena);
	return 0;
}

static struct config *parse(const char *text)
{
	struct config *config = NULL;
	int r = config_parse_for_test(text, strlen(text), "c.toml", arena, &config, &err);

	if (r < 0)
		print_message("# %s\n", err.text);
	assert_int_equal(r, 0);
	return config;
}

static void refuses(const char *text, const char *message)
{
	struct config *config;

	assert_true(config_parse_for_test(text, strlen(text), "c.toml", arena, &config, &err) < 0);
	assert_string_equal(err.text, message);
}

static char *dump(const struct config *config)
{
	cleanup_strbuf struct strbuf out = STRBUF_NULL;
	struct json_writer w;
	char *copy;

	json_writer_init(&w, &out, 1);
	config_write(&w, config);
	assert_int_equal(json_writer_finish(&w), 0);
	copy = arena_strdup(arena, out.data);
	assert_non_null(copy);
	return copy;
}

static void without_a_file_the_defaults_hold(void **state)
{
	const struct config *c = parse("");

	(void)state;
	assert_string_equal(c->hypervisor.path, "/usr/bin/qemu-system-x86_64");
	assert_non_null(strstr(c->hypervisor.kernel, "/share/kata-containers/vmlinux"));
	assert_int_equal(c->hypervisor.accel, CONFIG_ACCEL_AUTO);
	assert_int_equal(c->hypervisor.default_vcpus, 1);
	assert_true(c->hypervisor.default_maxvcpus >= 1);
	assert_int_equal(c->hypervisor.default_memory, 2048);
	assert_int_equal(c->hypervisor.shared_fs, CONFIG_SHARED_FS_VIRTIO_FS);
	assert_null(c->hypervisor.seccompsandbox);
	assert_string_equal(c->hypervisor.kernel_params, "");
	assert_int_equal(c->agent.dial_timeout_ms, 45000);
	assert_int_equal(c->agent.create_container_timeout_ms, 60000);
	assert_int_equal(c->start_timeout_ms, 60000);
	assert_int_equal(c->hypervisor.enable_annotations.nr, 0);
	assert_string_equal(c->hypervisor.valid_hypervisor_paths.v[0], c->hypervisor.path);
	assert_int_equal(c->hypervisor.valid_entropy_sources.nr, 2);
}

static void replace(struct strbuf *text, const char *from, const char *to)
{
	char *at;

	while (text->data && (at = strstr(text->data, from))) {
		char *rest = strdup(at + strlen(from));

		assert_non_null(rest);
		text->len = (size_t)(at - text->data);
		assert_int_equal(strbuf_printf(text, "%s%s", to, rest), 0);
		free(rest);
	}
}

static void the_shipped_file_says_what_the_defaults_are(void **state)
{
	cleanup_strbuf struct strbuf text = STRBUF_NULL;
	cleanup_free char *data = NULL;
	const char *data_dir;
	const struct config *c;

	(void)state;
	assert_true(io_read_file_at(AT_FDCWD, "configuration.toml.in", CONFIG_FILE_MAX, &data) > 0);
	assert_int_equal(strbuf_puts(&text, data), 0);
	data_dir = arena_strndup(arena, parse("")->hypervisor.kernel,
				 strlen(parse("")->hypervisor.kernel) - strlen("/vmlinux"));
	replace(&text, "@DATADIR@", data_dir);
	replace(&text, "@PREFIX@", "/prefix");
	replace(&text, "@LIBEXECDIR@", "/prefix/libexec");
	c = parse(text.data);
	assert_string_equal(dump(c), dump(parse("")));
	assert_int_equal(c->warnings.nr, 0);
	assert_int_equal(c->notes.nr, 0);
	for (size_t i = 0; i < config_nr_keys; i++) {
		bool has_field = config_keys[i].kind != CONFIG_ONLY_WORD &&
				 config_keys[i].kind != CONFIG_ONLY_FALSE;

		if (has_field && !strstr(data, config_keys[i].name))
			fail_msg("configuration.toml.in does not mention %s", config_keys[i].name);
	}
}

static void keys_are_read_into_their_fields(void **state)
{
	const struct config *c = parse(
		"[hypervisor.qemu]\naccel='tcg'\npath='/q'\ndefault_vcpus=-1\n"
		"default_memory=128\nkernel_params='quiet'\nshared_fs='virtio-9p'\n"
		"virtio_fs_extra_args=['-o','x']\nrx_rate_limiter_max_rate=10000000000\n"
		"seccompsandbox=''\nblock_device_logical_sector_size=4096\n"
		"[agent.kata]\nenable_debug=true\nkernel_modules=['e1000e a=1']\ndial_timeout=7\n"
		"[runtime]\ninternetworking_model='macvtap'\ncreate_container_timeout=5\n"
		"hypervisor_name='qemu'\n");

	(void)state;
	assert_int_equal(c->hypervisor.accel, CONFIG_ACCEL_TCG);
	assert_string_equal(c->hypervisor.path, "/q");
	assert_int_equal(c->hypervisor.default_vcpus, c->hypervisor.default_maxvcpus);
	assert_int_equal(c->hypervisor.default_memory, 128);
	assert_int_equal(c->hypervisor.shared_fs, CONFIG_SHARED_FS_VIRTIO_9P);
	assert_int_equal(c->hypervisor.virtio_fs_extra_args.nr, 2);
	assert_true(c->hypervisor.rx_rate_limiter_max_rate == 10000000000);
	assert_string_equal(c->hypervisor.seccompsandbox, "");
	assert_int_equal(c->hypervisor.block_device_logical_sector_size, 4096);
	assert_true(c->agent.enable_debug);
	assert_string_equal(c->agent.kernel_modules.v[0], "e1000e a=1");
	assert_int_equal(c->agent.dial_timeout_ms, 7000);
	assert_int_equal(c->agent.create_container_timeout_ms, 5000);
	assert_int_equal(c->runtime.internetworking_model, CONFIG_NET_MACVTAP);
	assert_int_equal(c->warnings.nr + c->notes.nr, 0);
}

static void a_fraction_of_a_cpu_is_a_whole_one(void **state)
{
	(void)state;
	assert_int_equal(parse("[hypervisor.qemu]\ndefault_vcpus=0.5")->hypervisor.default_vcpus,
			 1);
	assert_int_equal(parse("[hypervisor.qemu]\ndefault_vcpus=0")->hypervisor.default_vcpus, 1);
	assert_int_equal(parse("[hypervisor.qemu]\ndefault_vcpus=1.1\ndefault_maxvcpus=8")
				 ->hypervisor.default_vcpus,
			 2);
	assert_int_equal(parse("[hypervisor.qemu]\ndefault_vcpus=9\ndefault_maxvcpus=8")
				 ->hypervisor.default_vcpus,
			 8);
}

static void unknown_keys_warn_and_known_ones_without_effect_are_noted(void **state)
{
	const struct config *c = parse(
		"[hypervisor.qemu]\nenable_iommu=true\ndefault_memry=1\n[hypervisor.clh]\nx=1\n"
		"[agent.kata]\nmem_agent={mem_agent_enable=true}\n[runtme]\n[proxy.kata]\n"
		"[hypervisor.qemu.factory]\nvm_cache_number=3\nfoo=1\n");

	(void)state;
	assert_int_equal(c->warnings.nr, 3);
	assert_string_equal(c->warnings.v[0],
			    "c.toml:3: hypervisor.qemu.default_memry: unknown key, ignored");
	assert_string_equal(c->warnings.v[1],
			    "c.toml:12: hypervisor.qemu.factory.foo: unknown key, ignored");
	assert_string_equal(c->warnings.v[2], "c.toml:8: runtme: unknown key, ignored");
	assert_int_equal(c->notes.nr, 5);
	assert_string_equal(c->notes.v[0], "c.toml:2: hypervisor.qemu.enable_iommu has no effect");
	assert_string_equal(c->notes.v[1],
			    "c.toml:11: hypervisor.qemu.factory.vm_cache_number has no effect");
	assert_string_equal(c->notes.v[2], "c.toml:4: [hypervisor.clh] has no effect");
	assert_string_equal(c->notes.v[3], "c.toml:7: agent.kata.mem_agent has no effect");
	assert_string_equal(c->notes.v[4], "c.toml:9: proxy has no effect");
}

static void wrong_types_name_file_line_and_key(void **state)
{
	(void)state;
	refuses("[hypervisor.qemu]\n\ndefault_memory = \"2048\"\n",
		"c.toml:3: hypervisor.qemu.default_memory: expected an integer, found a string");
	refuses("[runtime]\nenable_debug = 1\n",
		"c.toml:2: runtime.enable_debug: expected a boolean, found an integer");
	refuses("[hypervisor.qemu]\npath = true\n",
		"c.toml:2: hypervisor.qemu.path: expected a string, found a boolean");
	refuses("[agent.kata]\nkernel_modules = 'x'\n",
		"c.toml:2: agent.kata.kernel_modules: expected an array, found a string");
	refuses("[agent.kata]\nkernel_modules = [1]\n",
		"c.toml:2: agent.kata.kernel_modules: expected a string, found an integer");
	refuses("[hypervisor.qemu]\ndefault_vcpus = '1'\n",
		"c.toml:2: hypervisor.qemu.default_vcpus: expected an integer, found a string");
	refuses("runtime = 1\n", "c.toml:1: runtime: expected a table, found an integer");
	refuses("hypervisor = 1\n", "c.toml:1: hypervisor: expected a table, found an integer");
	refuses("[hypervisor]\nqemu = 1\n",
		"c.toml:2: hypervisor.qemu: expected a table, found an integer");
	refuses("a = \n", "c.toml:1:5: expected a value");
}

static void values_out_of_bounds_are_refused(void **state)
{
	(void)state;
	refuses("[hypervisor.qemu]\ndefault_memory = 1\n",
		"c.toml:2: hypervisor.qemu.default_memory: 1 is not between 64 and 16777216");
	refuses("[hypervisor.qemu]\nmemory_slots = -1\n",
		"c.toml:2: hypervisor.qemu.memory_slots: -1 is not between 0 and 255");
	refuses("[hypervisor.qemu]\nqueue_size = 100\n",
		"c.toml:2: hypervisor.qemu.queue_size: 100 is not a power of two");
	refuses("[hypervisor.qemu]\ndefault_vcpus = nan\n",
		"c.toml:2: hypervisor.qemu.default_vcpus: nan is not a number of CPUs up to 1024");
	refuses("[hypervisor.qemu]\naccel = 'hvf'\n",
		"c.toml:2: hypervisor.qemu.accel: \"hvf\" is not one of \"auto\", \"kvm\", \"tcg\"");
	refuses("[hypervisor.qemu]\npath = 'qemu'\n",
		"c.toml:2: hypervisor.qemu.path: \"qemu\" is not an absolute path");
	refuses("[hypervisor.qemu]\nmachine_type = 'q35,accel=kvm'\n",
		"c.toml:2: hypervisor.qemu.machine_type: \"q35,accel=kvm\" may hold only letters, digits and \"._-\"");
	refuses("[hypervisor.qemu]\nkernel_params = \"a\\nb\"\n",
		"c.toml:2: hypervisor.qemu.kernel_params: control characters are not allowed");
	refuses("[hypervisor.qemu]\ndefault_memory = 512\ndefault_maxmemory = 256\n",
		"default_memory: 512 MiB is above default_maxmemory, 256 MiB");
	refuses("[hypervisor.qemu]\nenable_annotations = ['(']\n",
		"enable_annotations: \"(\" is not an extended regular expression");
}

static void promises_that_cannot_be_kept_are_errors(void **state)
{
	(void)state;
	refuses("[hypervisor.qemu]\nconfidential_guest = true\n",
		"c.toml:2: hypervisor.qemu.confidential_guest: true is not supported");
	refuses("[runtime]\nhypervisor_name = 'cloud-hypervisor'\n",
		"c.toml:2: runtime.hypervisor_name: \"cloud-hypervisor\" is not one of \"qemu\"");
	assert_int_equal(parse("[hypervisor.qemu]\nconfidential_guest = false\n")->notes.nr, 0);
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(io_replace_file_at(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static void drop_ins_are_read_in_the_order_of_their_names(void **state)
{
	char dir[] = "/tmp/kata-config-XXXXXX", path[64], link_path[64], text[256];
	struct config *c = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/configuration-qemu.toml", dir);
	(void)snprintf(link_path, sizeof(link_path), "%s/link.toml", dir);
	put(dir, "configuration-qemu.toml",
	    "[hypervisor.qemu]\ndefault_memory=100\nmemory_slots=1\nqueue_size=2\n");
	assert_int_equal(symlink("configuration-qemu.toml", link_path), 0);
	(void)snprintf(text, sizeof(text), "%s/config.d", dir);
	assert_int_equal(mkdir(text, 0755), 0);
	put(dir, "config.d/20-b.toml", "[hypervisor.qemu]\ndefault_memory=300\n");
	put(dir, "config.d/10-a.toml", "[hypervisor.qemu]\ndefault_memory=200\nmemory_slots=2\n");
	put(dir, "config.d/ignored.conf", "nonsense");
	put(dir, "config.d/.hidden.toml", "nonsense");
	assert_int_equal(config_load(link_path, arena, &c, &err), 0);
	assert_int_equal(c->hypervisor.default_memory, 300);
	assert_int_equal(c->hypervisor.memory_slots, 2);
	assert_int_equal(c->hypervisor.queue_size, 2);
	assert_int_equal(c->files.nr, 3);
	put(dir, "config.d/30.toml", "[runtime]\nenable_debug=2\n");
	assert_int_equal(config_load(path, arena, &c, &err), -EINVAL);
	(void)snprintf(text, sizeof(text),
		       "%s/config.d/30.toml:2: runtime.enable_debug: expected a boolean, found an "
		       "integer",
		       dir);
	assert_string_equal(err.text, text);
	assert_int_equal(io_rm_tree_at(AT_FDCWD, dir), 0);
}

static void only_safe_files_are_used(void **state)
{
	char dir[] = "/tmp/kata-config-XXXXXX", path[64], text[160];
	struct config *c = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/c.toml", dir);
	assert_int_equal(config_load(path, arena, &c, &err), -ENOENT);
	(void)snprintf(text, sizeof(text), "configuration %s: No such file or directory", path);
	assert_string_equal(err.text, text);
	put(dir, "c.toml", "");
	assert_int_equal(setenv("KATA_CONF_FILE", path, 1), 0);
	assert_int_equal(config_load(NULL, arena, &c, &err), -EPERM);
	assert_non_null(strstr(err.text, "only files below /etc/kata-containers"));
	assert_int_equal(config_load(path, arena, &c, &err),
			 0); /* a named one goes before the environment */
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(config_load(path, arena, &c, &err), -EPERM);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(config_load(path, arena, &c, &err), -EINVAL);
	assert_int_equal(unsetenv("KATA_CONF_FILE"), 0);
	assert_int_equal(io_rm_tree_at(AT_FDCWD, dir), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_file_the_defaults_hold),
		TEST(the_shipped_file_says_what_the_defaults_are),
		TEST(keys_are_read_into_their_fields),
		TEST(a_fraction_of_a_cpu_is_a_whole_one),
		TEST(unknown_keys_warn_and_known_ones_without_effect_are_noted),
		TEST(wrong_types_name_file_line_and_key),
		TEST(values_out_of_bounds_are_refused),
		TEST(promises_that_cannot_be_kept_are_errors),
		TEST(drop_ins_are_read_in_the_order_of_their_names),
		TEST(only_safe_files_are_used),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
