/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of the agent. The kernel command line belongs to many readers, so an unknown or
 * malformed parameter is worth a line in the log and never an error, but for a policy: one that
 * cannot be understood allows nothing.
 */
#include "agent/util/cmdline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"
#include "kata/guest.h"

#define HOTPLUG_TIMEOUT_MS 10000
#define HOTPLUG_TIMEOUT_MAX_S 600
/* The kernel's default limit, see fs.pipe-max-size. */
#define PIPE_SIZE_MAX (1UL << 20)

/**
 * agent_config_init() - the defaults
 * @config: receives them
 */
void agent_config_init(struct agent_config *config)
{
	*config = (struct agent_config){
		.log_level = LOG_LEVEL_INFO,
		.server = { .type = AGENT_ADDR_VSOCK, .port = KATA_PORT_AGENT },
		.hotplug_timeout_ms = HOTPLUG_TIMEOUT_MS,
	};
}

/**
 * agent_addr_parse() - read a listen address
 * @text: "vsock://<cid>:<port>" or "unix://<path>"; the CID is the guest's own and not looked at
 * @ret: receives the address
 *
 * Return: 0, -EINVAL, or -ENAMETOOLONG.
 */
int agent_addr_parse(const char *text, struct agent_addr *ret)
{
	struct agent_addr addr = { 0 };
	const char *rest = str_skip_prefix(text, "unix://");

	if (rest) {
		addr.type = AGENT_ADDR_UNIX;
		if (*rest != '/')
			return -EINVAL;
		if (strlen(rest) >= sizeof(addr.path))
			return -ENAMETOOLONG;
		memcpy(addr.path, rest, strlen(rest) + 1);
		*ret = addr;
		return 0;
	}
	rest = str_skip_prefix(text, "vsock://");
	const char *colon = rest ? strrchr(rest, ':') : NULL;
	if (!colon)
		return -EINVAL;
	addr.type = AGENT_ADDR_VSOCK;
	if (str_to_u32(colon + 1, &addr.port) < 0 || !addr.port)
		return -EINVAL;
	*ret = addr;
	return 0;
}

static int parse_level(const char *value, enum log_level *ret)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {
		{ "trace", LOG_LEVEL_DEBUG },	 { "debug", LOG_LEVEL_DEBUG },
		{ "info", LOG_LEVEL_INFO },	 { "warn", LOG_LEVEL_WARN },
		{ "warning", LOG_LEVEL_WARN },	 { "error", LOG_LEVEL_ERROR },
		{ "critical", LOG_LEVEL_ERROR }, { "fatal", LOG_LEVEL_ERROR },
		{ "panic", LOG_LEVEL_ERROR },
	};

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (str_eq(levels[i].name, value)) {
			*ret = levels[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_bool(const char *value, bool *ret)
{
	if (str_eq(value, "") || str_eq(value, "1") || str_eq(value, "true"))
		*ret = true;
	else if (str_eq(value, "0") || str_eq(value, "false"))
		*ret = false;
	else
		return -EINVAL;
	return 0;
}

static int parse_timeout(const char *value, uint64_t *ret_ms)
{
	uint32_t seconds;
	int r = str_to_u32(value, &seconds);

	if (r < 0)
		return r;
	if (!seconds || seconds > HOTPLUG_TIMEOUT_MAX_S)
		return -ERANGE;
	*ret_ms = seconds * 1000ULL;
	return 0;
}

/* What is done on the console, and can be nowhere else. */
static int parse_console(const char *value, bool *ret)
{
	if (!str_eq(value, "console"))
		return -EINVAL;
	*ret = true;
	return 0;
}

static int parse_pipe_size(const char *value, size_t *ret)
{
	uint64_t size;
	int r = str_to_u64(value, &size);

	if (r >= 0 && size > PIPE_SIZE_MAX)
		r = -ERANGE;
	if (r >= 0)
		*ret = (size_t)size;
	return r;
}

/**
 * agent_config_set() - apply one parameter
 * @config: settings
 * @key: name without its "agent." prefix
 * @value: value, "" for a bare name
 * @err: says what is wrong with the value
 *
 * Return: 0, -ENOENT for a name that is not ours, or -errno for a bad value; then nothing has
 * changed.
 */
int agent_config_set(struct agent_config *config, const char *key, const char *value,
		     struct err *err)
{
	int r;

	if (str_eq(key, "log"))
		r = parse_level(value, &config->log_level);
	else if (str_eq(key, "log_vport"))
		r = str_to_u32(value, &config->log_vport);
	else if (str_eq(key, "debug_console"))
		r = parse_bool(value, &config->debug_console);
	else if (str_eq(key, "debug_console_vport"))
		r = str_to_u32(value, &config->debug_console_vport);
	else if (str_eq(key, "server_addr"))
		r = agent_addr_parse(value, &config->server);
	else if (str_eq(key, "passfd_listener_port"))
		r = str_to_u32(value, &config->passfd_port);
	else if (str_eq(key, "hotplug_timeout"))
		r = parse_timeout(value, &config->hotplug_timeout_ms);
	else if (str_eq(key, "secret"))
		r = parse_console(value, &config->asks_secret);
	else if (str_eq(key, "template"))
		r = parse_console(value, &config->sleeps);
	else if (str_eq(key, "container_pipe_size"))
		r = parse_pipe_size(value, &config->pipe_size);
	else if (str_eq(key, "policy"))
		return policy_add(&config->policy, value, err);
	else
		return err_set(err, ENOENT, "agent.%s is not known", key);
	return r < 0 ? err_set_errno(err, r, "agent.%s=%s", key, value) : 0;
}

static void apply_word(struct agent_config *config, char *word)
{
	struct err err = ERR_NULL;
	char *key = (char *)(uintptr_t)str_skip_prefix(word, "agent.");

	if (!key)
		return;
	char *equals = strchr(key, '=');
	if (equals)
		*equals = '\0';
	int r = agent_config_set(config, key, equals ? equals + 1 : "", &err);
	if (r == -ENOENT)
		log_debug("kernel parameter ignored: %s", err.text);
	else if (r < 0)
		log_warn("kernel parameter ignored: %s", err.text);
}

/**
 * agent_config_read_cmdline() - apply a kernel command line
 * @config: settings
 * @cmdline: contents of /proc/cmdline; a word may be in double quotes, as the kernel reads it
 */
void agent_config_read_cmdline(struct agent_config *config, const char *cmdline)
{
	char word[POLICY_TEXT_MAX + 64];
	size_t len = 0;
	bool quoted = false, cut = false;

	for (const char *p = cmdline;; p++) {
		if (*p == '"') {
			quoted = !quoted;
			continue;
		}
		if (*p && (quoted || !strchr(" \t\n", *p))) {
			if (len + 1 < sizeof(word))
				word[len++] = *p;
			else
				cut = true;
			continue;
		}
		word[len] = '\0';
		if (len && !cut)
			apply_word(config, word);
		if (cut && str_skip_prefix(word, "agent.policy="))
			config->policy.broken = true;
		len = 0;
		cut = false;
		if (!*p)
			return;
	}
}
