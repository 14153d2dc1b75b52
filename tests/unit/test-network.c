/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the sandbox's network on the host: real network namespaces, made by iproute2. Needs
 * root; no VM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "sandbox/network/diff.h"
#include "sandbox/network/endpoint.h"
#include "sandbox/network/netns.h"
#include "sandbox/network/network.h"
#include "sandbox/network/routers.h"
#include "sandbox/network/tap.h"

#define DUMP_MAX 65536
#define LINK                                                                       \
	"ip link set lo up; ip link add eth0 type veth peer name p0; "             \
	"ip link set eth0 address 02:00:00:00:00:02 mtu 1400; ip link set p0 up; " \
	"ip address add 10.9.0.2/24 dev eth0; ip link set eth0 addrgenmode none up; "

static int netns = -1;

static int run_shell(void *arg, struct err *err)
{
	return system(arg) == 0 ? 0 : err_set(err, EIO, "%s", (char *)arg);
}

static void inside(const char *commands)
{
	struct err err = ERR_NULL;

	if (netns_run(netns, run_shell, (void *)(uintptr_t)commands, &err) < 0)
		fail_msg("%s", err.text);
}

static int new_namespace(void **state)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	(void)state;
	if (own < 0 || unshare(CLONE_NEWNET) < 0)
		return -1;
	netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int r = setns(own, CLONE_NEWNET);
	(void)close(own);
	return netns < 0 ? -1 : r;
}

static int drop_namespace(void **state)
{
	(void)state;
	netns = fd_close(netns);
	return 0;
}

/* States and addresses settle up to two seconds after they were asked for. */
static int read_dump(void *arg, struct err *err)
{
	FILE *f =
		popen("for i in $(seq 60); do "
		      "ip -o link | grep -q LOWERLAYERDOWN || ip -o address | grep -q tentative || "
		      "break; sleep 0.05; done; "
		      "ip -d -o link; ip -o address; ip route show table all; tc qdisc; "
		      "tc filter show dev eth0 ingress; tc filter show dev eth1 ingress 2>&1",
		      "re");

	(void)err;
	if (!f)
		return -errno;
	size_t n = fread(arg, 1, DUMP_MAX - 1, f);
	((char *)arg)[n] = '\0';
	return pclose(f) >= 0 ? 0 : -errno;
}

/* All of the namespace as text; to be freed. */
static char *dump(void)
{
	char *text = calloc(1, DUMP_MAX);
	struct err err = ERR_NULL;

	assert_non_null(text);
	assert_return_code(netns_run(netns, read_dump, text, &err), 0);
	return text;
}

struct look {
	struct arena *arena;
	struct net_snapshot snap;
};

static int take(void *arg, struct err *err)
{
	struct look *look = arg;
	struct nl_sock *sock = nl_socket_alloc();

	if (nl_connect(sock, NETLINK_ROUTE) < 0)
		return err_set(err, EIO, "netlink");
	int r = net_snapshot_take(sock, look->arena, &look->snap, err);
	nl_socket_free(sock);
	return r;
}

static struct look look(void)
{
	struct look ret = { 0 };
	struct err err = ERR_NULL;

	assert_return_code(arena_new(&ret.arena), 0);
	if (netns_run(netns, take, &ret, &err) < 0)
		fail_msg("%s", err.text);
	return ret;
}

static const struct agent_route *find(const struct net_snapshot *snap, const char *dest,
				      const char *gateway)
{
	for (size_t i = 0; i < snap->nr_routes; i++)
		if (strcmp(snap->routes[i].dest, dest) == 0 &&
		    strcmp(snap->routes[i].gateway, gateway) == 0)
			return &snap->routes[i];
	fail_msg("no route to '%s' via '%s'", dest, gateway);
	return NULL;
}

static void a_link_is_seen_with_its_addresses(void **state)
{
	(void)state;
	inside(LINK
	       "ip address add 192.168.7.1 peer 192.168.7.9 dev eth0 noprefixroute; "
	       "ip address add fd09::2/64 dev eth0 nodad; ip address add fe80::77/64 dev eth0 nodad");
	struct look l = look();
	const struct net_link *eth0 = NULL;

	for (size_t i = 0; i < l.snap.nr_links; i++) {
		assert_string_not_equal(l.snap.links[i].name, "lo");
		if (strcmp(l.snap.links[i].name, "eth0") == 0)
			eth0 = &l.snap.links[i];
	}
	assert_non_null(eth0);
	assert_string_equal(eth0->kind, "veth");
	assert_int_equal(eth0->mtu, 1400);
	assert_memory_equal(eth0->mac, "\x02\0\0\0\0\x02", 6);
	assert_int_equal(eth0->nr_addresses, 4);
	for (size_t i = 0; i < eth0->nr_addresses; i++) {
		const struct agent_ip_address *ip = &eth0->addresses[i];

		if (strcmp(ip->address, "192.168.7.1") == 0) {
			assert_string_equal(ip->peer, "192.168.7.9");
			assert_string_equal(ip->mask, "32");
			assert_int_not_equal(ip->flags, 0);
		} else {
			assert_string_equal(ip->peer, "");
			assert_int_equal(ip->flags, 0);
			assert_int_equal(ip->family, strchr(ip->address, ':') ? AGENT_IP_FAMILY_V6
									      : AGENT_IP_FAMILY_V4);
		}
	}
	(void)arena_free(l.arena);
}

static void routes_are_seen_with_all_they_have(void **state)
{
	(void)state;
	inside(LINK
	       "ip route add default via 10.9.0.1; ip route append default via 10.9.0.7; "
	       "ip route add 10.50.0.0/16 via 172.16.0.1 dev eth0 onlink; "
	       "ip route add 10.51.0.0/16 dev eth0 scope link src 10.9.0.2 metric 77 mtu 1200; "
	       "ip route add blackhole 10.60.0.0/16; ip route add prohibit fd60::/16; "
	       "ip route add 10.90.0.0/16 via 10.9.0.1 table 77; "
	       "ip neighbor add 10.9.0.9 lladdr 02:00:00:00:00:99 dev eth0");
	struct look l = look();

	(void)find(&l.snap, "", "10.9.0.1");
	(void)find(&l.snap, "", "10.9.0.7");
	assert_int_equal(find(&l.snap, "10.50.0.0/16", "172.16.0.1")->flags, RTNH_F_ONLINK);
	const struct agent_route *r = find(&l.snap, "10.51.0.0/16", "");
	assert_int_equal(r->scope, RT_SCOPE_LINK);
	assert_int_equal(r->metric, 77);
	assert_int_equal(r->mtu, 1200);
	assert_string_equal(r->source, "10.9.0.2");
	assert_string_equal(r->device, "eth0");
	assert_int_equal(find(&l.snap, "10.60.0.0/16", "")->type, RTN_BLACKHOLE);
	r = find(&l.snap, "fd60::/16", "");
	assert_int_equal(r->type, RTN_PROHIBIT);
	assert_string_equal(r->device, "");
	assert_int_equal(l.snap.nr_routes, 6); /* neither the kernel's nor other tables' */
	assert_int_equal(l.snap.nr_neighbors, 1);
	assert_string_equal(l.snap.neighbors[0].to_ip_address->address, "10.9.0.9");
	assert_string_equal(l.snap.neighbors[0].lladdr, "02:00:00:00:00:99");
	(void)arena_free(l.arena);
}

static void what_routers_said_has_its_life_time_and_can_be_dropped(void **state)
{
	struct strv settings = { 0 };

	(void)state;
	inside(LINK "ip link set p0 addrgenmode none; "
		    "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_ra; "
		    "set -- dev eth0 mngtmpaddr nodad valid_lft 1000 preferred_lft 0; "
		    "ip address add fd77::0:00ff:fe00:2/64 \"$@\"; "
		    "ip address add fd77::7/64 \"$@\"; " /* not made of the MAC */
		    "ip address add fd09::2/64 dev eth0 nodad; "
		    "ip -6 route add default via fd09::1 proto ra expires 500 metric 9 pref high; "
		    "ip -6 route add fd78::/64 via fd09::1 proto static");
	struct look l = look();
	const struct net_link *eth0 = l.snap.links;

	while (strcmp(eth0->name, "eth0") != 0)
		eth0++;
	assert_int_equal(eth0->nr_addresses, 3);
	for (size_t i = 0; i < eth0->nr_addresses; i++) {
		const struct agent_ip_address *ip = &eth0->addresses[i];
		bool routers = strcmp(ip->address, "fd77::ff:fe00:2") == 0;

		assert_string_not_equal(ip->address, "fd77::7");
		assert_int_equal(ip->flags,
				 routers ? IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE : 0);
		assert_true(routers ? ip->valid > 0 && ip->valid <= 1000 : ip->valid == 0);
		assert_int_equal(ip->preferred, 0);
	}
	const struct agent_route *r = find(&l.snap, "", "fd09::1");
	assert_int_equal(r->protocol, RTPROT_RA);
	assert_true(r->expires > 0 && r->expires <= 500);
	assert_int_equal(r->preference, 1);
	assert_int_equal(find(&l.snap, "fd77::/64", "")->protocol, RTPROT_KERNEL);
	assert_int_equal(find(&l.snap, "fd78::/64", "fd09::1")->protocol, RTPROT_STATIC);

	struct net_link other = *eth0;
	assert_return_code(routers_list_conf(&other, eth0, l.arena, &settings), 0);
	assert_int_equal(settings.nr, 0);
	assert_true(net_link_equal(&other, eth0));
	for (size_t i = 0; i < NET_IPV6_CONF_MAX; i++)
		other.ipv6_conf[i] += eth0->ipv6_conf[i] == 0;
	assert_false(net_link_equal(&other, eth0));
	assert_return_code(routers_list_conf(&other, eth0, l.arena, &settings), 0);
	assert_true(settings.nr > 0 && settings.nr < NET_IPV6_CONF_MAX);
	bool listed = false;
	for (size_t i = 0; i < settings.nr; i++)
		listed |= strcmp(settings.v[i], "accept_ra=0") == 0;
	assert_true(listed);

	routers_drop(&l.snap, eth0->ifindex);
	assert_int_equal(eth0->nr_addresses, 2);
	assert_int_equal(l.snap.nr_routes, 1);
	(void)find(&l.snap, "fd78::/64", "fd09::1");
	(void)arena_free(l.arena);
}

static void what_went_is_found(void **state)
{
	struct agent_ip_address *gone;
	struct agent_routes routes;
	struct agent_arp_neighbors neighbors;
	size_t nr;

	(void)state;
	inside(LINK
	       "ip address add 10.9.1.2/24 dev eth0; ip route add 10.60.0.0/16 via 10.9.0.1 metric 1; "
	       "ip neighbor add 10.9.0.9 lladdr 02:00:00:00:00:99 dev eth0");
	struct look old = look(), same = look();
	assert_true(net_snapshot_routes_equal(&old.snap, &same.snap));
	assert_true(net_snapshot_neighbors_equal(&old.snap, &same.snap));
	inside("ip address del 10.9.1.2/24 dev eth0; ip address add 10.9.2.2/24 dev eth0; "
	       "ip route del 10.60.0.0/16; ip route add 10.60.0.0/16 via 10.9.0.1 metric 2; "
	       "ip neighbor del 10.9.0.9 dev eth0");
	struct look now = look();

	for (size_t i = 0; i < old.snap.nr_links; i++) {
		const struct net_link *a = &old.snap.links[i];
		const struct net_link *b = net_snapshot_find(&now.snap, a->ifindex);

		assert_true(net_link_equal(a, net_snapshot_find(&same.snap, a->ifindex)));
		if (strcmp(a->name, "eth0") != 0)
			continue;
		assert_false(net_link_equal(a, b));
		assert_return_code(net_diff_addresses(a, b, now.arena, &gone, &nr), 0);
		assert_int_equal(nr, 1);
		assert_string_equal(gone[0].address, "10.9.1.2");
	}
	assert_return_code(net_diff_routes(&old.snap, &now.snap, now.arena, &routes), 0);
	assert_int_equal(routes.nr_routes, 1);
	assert_int_equal(routes.routes[0].metric, 1);
	assert_return_code(net_diff_neighbors(&old.snap, &now.snap, now.arena, &neighbors), 0);
	assert_int_equal(neighbors.nr_arp_neighbors, 1);
	(void)arena_free(old.arena);
	(void)arena_free(same.arena);
	(void)arena_free(now.arena);
}

static int make_network(int fd, struct network **ret, struct err *err)
{
	struct network_params params = {
		.netns_fd = fd, .joined = true, .model = CONFIG_NET_TCFILTER, .nr_queues = 2
	};
	struct loop *loop = NULL; /* used by the watch only */

	return network_new(loop, &params, ret, err);
}

static void the_hosts_namespace_is_refused(void **state)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct err err = ERR_NULL;
	struct network *net;

	(void)state;
	assert_int_equal(make_network(own, &net, &err), -EPERM);
	assert_non_null(strstr(err.text, "host's network"));
	(void)close(own);
}

/* A process in the namespace that is nobody's child here, as the VMM is. */
static pid_t start_foreign_process(void)
{
	pid_t pid = 0;
	int ready[2];

	assert_return_code(pipe(ready), errno);
	pid_t parent = fork();
	if (parent == 0) {
		if (fork() > 0)
			_exit(0);
		pid = getpid();
		if (setns(netns, CLONE_NEWNET) == 0 && write(ready[1], &pid, sizeof(pid)) > 0)
			(void)pause();
		_exit(1);
	}
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &pid, sizeof(pid)), sizeof(pid));
	(void)close(ready[0]);
	return pid;
}

static void a_namespace_with_processes_is_refused(void **state)
{
	struct err err = ERR_NULL;
	struct network *net;
	char expected[32];

	(void)state;
	inside(LINK);
	pid_t pid = start_foreign_process();
	char *before = dump();
	int r = make_network(netns, &net, &err);
	char *after = dump();
	(void)kill(pid, SIGKILL);
	assert_int_equal(r, -EPERM);
	(void)snprintf(expected, sizeof(expected), "process %d", pid);
	assert_non_null(strstr(err.text, expected));
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void the_namespace_is_as_before_afterwards(void **state)
{
	struct vm_device devices[4];
	struct err err = ERR_NULL;
	struct network *net;

	(void)state;
	inside(LINK);
	char *before = dump();
	for (int i = 0; i < 2; i++) {
		if (make_network(netns, &net, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(network_devices(net, devices, 4), 2); /* p0 is here too */
		assert_int_equal(devices[0].net.nr_queues, 2);
		char *during = dump();
		assert_non_null(strstr(during, "tap0_kata"));
		assert_non_null(strstr(during, "qdisc ingress"));
		free(during);
		(void)network_free(net);
		char *after = dump();
		assert_string_equal(before, after);
		free(after);
	}
	free(before);
}

static void rules_of_others_stop_it_and_stay(void **state)
{
	struct err err = ERR_NULL;
	struct network *net;

	(void)state;
	inside(LINK
	       "ip link add eth1 type veth peer name p1; ip link set p1 up; ip link set eth1 up; "
	       "tc qdisc add dev eth1 ingress; tc filter add dev eth1 parent ffff: protocol ip u32 "
	       "match u32 0 0 action mirred egress redirect dev lo");
	char *before = dump();
	assert_int_equal(make_network(netns, &net, &err), -EBUSY);
	assert_non_null(strstr(err.text, "eth1"));
	char *after = dump();
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static int leave_rules(void *arg, struct err *err)
{
	struct nl_sock *sock = nl_socket_alloc();
	int fd, r = nl_connect(sock, NETLINK_ROUTE) < 0 ? -EIO : 0;

	(void)arg;
	if (r >= 0)
		r = tap_open("tap0_kata", 1, &fd, err);
	if (r >= 0) {
		unsigned eth0 = if_nametoindex("eth0");
		r = tap_mirror(sock, (int)eth0, r, err);
		if (r >= 0)
			r = tap_limit(sock, (int)eth0, 8000000, err);
		(void)close(fd);
	}
	nl_socket_free(sock);
	return r;
}

static void what_a_killed_sandbox_left_is_removed(void **state)
{
	struct err err = ERR_NULL;
	struct network *net;

	(void)state;
	inside(LINK);
	char *before = dump();
	assert_return_code(netns_run(netns, leave_rules, NULL, &err), 0);
	char *left = dump();
	assert_string_not_equal(before, left);
	assert_return_code(network_undo(netns, &err), 0);
	char *after = dump();
	assert_string_equal(before, after);

	assert_return_code(netns_run(netns, leave_rules, NULL, &err), 0);
	assert_return_code(make_network(netns, &net, &err), 0);
	(void)network_free(net);
	free(after);
	after = dump();
	assert_string_equal(before, after);
	free(before);
	free(left);
	free(after);
}

static int limit_too_much(void *arg, struct err *err)
{
	return tap_limit(NULL, 1, *(uint64_t *)arg, err);
}

static void a_rate_out_of_range_is_refused(void **state)
{
	uint64_t rates[] = { 1, 7, (uint64_t)8 << 31, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		struct err err = ERR_NULL;
		assert_int_equal(limit_too_much(&rates[i], &err), -EINVAL);
	}
}

/* A path of a spec: nobody writes into that FIFO, and the one thread must not wait for it. */
static void opening_a_namespace_waits_for_nobody(void **state)
{
	char dir[] = "/tmp/test-network-XXXXXX", fifo[40];
	struct err err = ERR_NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	int fd = netns_open(fifo, &err);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(unlink(fifo), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(netns_open(fifo, &err), -ENOENT);
	assert_non_null(strstr(err.text, "network namespace /tmp/test-network-"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opening_a_namespace_waits_for_nobody),
#define T(name) cmocka_unit_test_setup_teardown(name, new_namespace, drop_namespace)
		T(a_link_is_seen_with_its_addresses),
		T(routes_are_seen_with_all_they_have),
		T(what_routers_said_has_its_life_time_and_can_be_dropped),
		T(what_went_is_found),
		T(the_hosts_namespace_is_refused),
		T(a_namespace_with_processes_is_refused),
		T(the_namespace_is_as_before_afterwards),
		T(rules_of_others_stop_it_and_stay),
		T(what_a_killed_sandbox_left_is_removed),
		T(a_rate_out_of_range_is_refused),
	};

	if (geteuid() != 0 || access("/dev/net/tun", F_OK) < 0) {
		puts("1..0 # SKIP needs root and /dev/net/tun");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
