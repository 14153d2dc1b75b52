/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates as an administrator sees them: what "kata-runtime factory" asks the shim's program for.
 */
#include "sandbox/lifecycle/template_tool.h"

#include <errno.h>
#include <time.h>

#include "common/fd.h"
#include "common/log.h"
#include "config/config.h"
#include "oci/oci_spec.h"
#include "sandbox/lifecycle/boot.h"
#include "sandbox/template/template_maker.h"
#include "sandbox/template/template_store.h"

struct tool {
	struct arena *arena;
	struct config *config;
	int store_fd;
};

static int open_tool(const char *config_path, bool make, struct tool *ret, struct err *err)
{
	struct tool tool = { .store_fd = -1 };
	int r = arena_new(&tool.arena);

	if (r < 0)
		return err_set_errno(err, r, "templates");
	r = config_load(config_path, tool.arena, &tool.config, err);
	if (r >= 0)
		r = tool.store_fd =
			template_store_open(tool.config->factory.template_path, make, err);
	/* There is none yet: so there are no templates. */
	if (r == -ENOENT && tool.config) {
		*err = ERR_NULL;
		r = 0;
	}
	if (r < 0)
		(void)arena_free(tool.arena);
	else
		*ret = tool;
	return r < 0 ? r : 0;
}

static void close_tool(struct tool *tool)
{
	(void)fd_close(tool->store_fd);
	(void)arena_free(tool->arena);
}

static int find(const struct tool *tool, struct template_info infos[TEMPLATES_MAX + 1])
{
	return tool->store_fd < 0 ? 0
				  : template_store_list(tool->store_fd, infos, TEMPLATES_MAX + 1);
}

static int order_default(const struct tool *tool, struct err *err)
{
	static const struct oci_spec no_limits = { 0 };
	struct sandbox sb = {
		.arena = tool->arena,
		.id = "template",
		.config = tool->config,
		.spec = &no_limits,
		.kind = SANDBOX_KIND_SINGLE,
	};
	struct boot boot = { .sb = &sb, .vm = VM_CONFIG_NULL, .template = TEMPLATE_START_NULL };
	int r = boot_size_vm(&boot, err);

	if (r < 0)
		return r;
	const char *obstacle = boot_template_obstacle(&boot.vm);
	if (obstacle)
		return err_set(err, ENOTSUP, "a VM with this has no template: %s", obstacle);
	const struct template_order order = { .store = tool->config->factory.template_path,
					      .vm = boot.vm,
					      .config = &tool->config->hypervisor };
	return template_make(&order, err);
}

/**
 * template_tool_init() - make the template of a container without limits, unless there is one
 * @config_path: configuration, or NULL
 * @out: receives what is to be printed
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int template_tool_init(const char *config_path, struct strbuf *out, struct err *err)
{
	struct tool tool;
	int r = open_tool(config_path, true, &tool, err);

	if (r < 0)
		return r;
	if (!tool.config->factory.enable_template)
		r = err_set(err, EINVAL, "enable_template = false in the configuration");
	if (r >= 0)
		r = order_default(&tool, err);
	if (r >= 0)
		r = strbuf_puts(out, "vm factory initialized\n");
	close_tool(&tool);
	return r;
}

/**
 * template_tool_status() - say whether there are templates
 * @config_path: configuration, or NULL
 * @out: receives what is to be printed
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int template_tool_status(const char *config_path, struct strbuf *out, struct err *err)
{
	struct template_info infos[TEMPLATES_MAX + 1];
	struct tool tool;
	uint64_t bytes = 0;
	int r = open_tool(config_path, false, &tool, err);

	if (r < 0)
		return r;
	int nr = find(&tool, infos);
	for (int i = 0; i < nr; i++)
		bytes += infos[i].bytes;
	cleanup_close int lock = tool.store_fd < 0 ? -ENOENT : template_store_lock(tool.store_fd);
	r = strbuf_printf(out, "vm factory is %s\n%d of at most %d templates, %llu MiB, in %s\n%s",
			  tool.config->factory.enable_template ? "on" : "off", MAX(nr, 0),
			  TEMPLATES_MAX, (unsigned long long)(bytes >> 20),
			  tool.config->factory.template_path,
			  lock == -EWOULDBLOCK ? "one is being made\n" : "");
	close_tool(&tool);
	return r;
}

/**
 * template_tool_list() - a line for each template
 * @config_path: configuration, or NULL
 * @out: receives what is to be printed
 * @err: filled on failure
 *
 * Return: 0 or -errno.
 */
int template_tool_list(const char *config_path, struct strbuf *out, struct err *err)
{
	struct template_info infos[TEMPLATES_MAX + 1];
	struct tool tool;
	int r = open_tool(config_path, false, &tool, err);

	if (r < 0)
		return r;
	int nr = find(&tool, infos);
	r = strbuf_printf(out, "%-64s %8s  %s\n", "KEY", "MiB", "LAST USED");
	for (int i = 0; i < nr && r >= 0; i++) {
		char used[40] = "";
		time_t at = (time_t)infos[i].used_s;
		struct tm tm;

		if (gmtime_r(&at, &tm))
			(void)strftime(used, sizeof(used), "%Y-%m-%dT%H:%M:%SZ", &tm);
		r = strbuf_printf(out, "%-64s %8llu  %s\n", infos[i].key,
				  (unsigned long long)(infos[i].bytes >> 20), used);
	}
	close_tool(&tool);
	return r;
}

/**
 * template_tool_destroy() - remove all templates
 * @config_path: configuration, or NULL
 * @out: receives what is to be printed
 * @err: filled on failure
 *
 * Return: 0, -EWOULDBLOCK while one is being made, or -errno.
 */
int template_tool_destroy(const char *config_path, struct strbuf *out, struct err *err)
{
	struct tool tool;
	int r = open_tool(config_path, false, &tool, err);

	if (r < 0)
		return r;
	if (tool.store_fd >= 0)
		r = template_store_empty(tool.store_fd);
	if (r < 0)
		(void)err_set_errno(err, r,
				    r == -EWOULDBLOCK ? "a template is being made"
						      : "remove templates");
	else
		r = strbuf_puts(out, "vm factory destroyed\n");
	close_tool(&tool);
	return r;
}
