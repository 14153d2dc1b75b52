/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network counters from /proc/net/dev; the cgroup's are container_stats()'s.
 */
#include "agent/rpc/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/io.h"
#include "common/str.h"
#include "rpc/pb/agent_msg.h"

#define NET_DEV_MAX (1U << 20)
#define NET_DEV_HEADER_LINES 2

static int parse_line(char *line, struct arena *arena, struct agent_network_stats *ret)
{
	char *colon = strchr(line, ':');

	if (!colon)
		return -EINVAL;
	*colon = '\0';
	line += strspn(line, " ");
	struct agent_network_stats s = { .name = arena_strdup(arena, line) };
	if (!s.name)
		return -ENOMEM;
	/*
	 * bytes packets errs drop fifo frame compressed multicast, and the same for what was sent
	 */
	int n = sscanf(colon + 1,
		       "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64 "%*u%*u%*u%*u%" SCNu64 "%" SCNu64
		       "%" SCNu64 "%" SCNu64,
		       &s.rx_bytes, &s.rx_packets, &s.rx_errors, &s.rx_dropped, &s.tx_bytes,
		       &s.tx_packets, &s.tx_errors, &s.tx_dropped);
	if (n != 8)
		return -EINVAL;
	*ret = s;
	return 0;
}

/**
 * stats_parse_net_dev() - read /proc/net/dev's text
 * @text: the text; changed
 * @arena: arena of the result
 * @ret: receives one entry per interface but the loopback
 * @ret_nr: their number
 *
 * Return: 0, -ENOMEM, or -EINVAL.
 */
int stats_parse_net_dev(char *text, struct arena *arena, struct agent_network_stats **ret,
			size_t *ret_nr)
{
	struct agent_network_stats *list = NULL;
	char *save = NULL, *line = strtok_r(text, "\n", &save);
	size_t nr = 0;

	for (int i = 0; line; i++, line = strtok_r(NULL, "\n", &save)) {
		struct agent_network_stats entry;

		if (i < NET_DEV_HEADER_LINES)
			continue;
		int r = parse_line(line, arena, &entry);
		if (r < 0)
			return r;
		if (str_eq(entry.name, "lo"))
			continue;
		r = arena_grow(arena, &list, &nr, sizeof(*list));
		if (r < 0)
			return r;
		list[nr - 1] = entry;
	}
	*ret = list;
	*ret_nr = nr;
	return 0;
}

/**
 * stats_network() - the guest's network counters
 * @arena: arena of the result
 * @ret: receives one entry per interface but the loopback
 * @ret_nr: their number
 *
 * Return: 0 or -errno.
 */
int stats_network(struct arena *arena, struct agent_network_stats **ret, size_t *ret_nr)
{
	cleanup_free char *text = NULL;
	ssize_t n = io_read_file_at(AT_FDCWD, "/proc/self/net/dev", NET_DEV_MAX, &text);

	return n < 0 ? (int)n : stats_parse_net_dev(text, arena, ret, ret_nr);
}
