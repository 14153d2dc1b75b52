/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-runtime network: the interfaces and routes of a running sandbox's guest.
 */
#include "runtime/cmd/admin/verbs.h"

#include <fcntl.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "runtime/shim/admin.h"

#define INPUT_MAX (256U << 10)
#define ADDRESSES_MAX 256
#define ROUTES_MAX 1024

/* Indexed by RTN_* of linux/rtnetlink.h; what has 0 there, RTN_UNSPEC, is unicast here. */
static const char *const route_types[] = {
	"unicast",   "unicast",	    "local",	"broadcast", "anycast", "multicast",
	"blackhole", "unreachable", "prohibit", "throw",     "other",
};

struct network {
	struct arena *arena;
	bool update;
	struct agent_interface interface;
	struct agent_routes routes;
};

static int set(void *arg, int key, const char *value, struct err *err)
{
	struct network *net = arg;

	(void)key; /* there is only one */
	(void)value;
	(void)err;
	net->update = true;
	return 0;
}

static int finish(struct admin_query *q, struct json_writer *w, struct err *err)
{
	int r = json_writer_finish(w);

	if (r == 0)
		r = strbuf_puts(&q->out, "\n");
	return r < 0 ? err_set_errno(err, r, "network") : 0;
}

static void put_interface(struct json_writer *w, const struct agent_interface *nic)
{
	json_object(w);
	json_member_str(w, "device", nic->device);
	json_member_str(w, "name", nic->name);
	json_member_str(w, "hwAddr", nic->hw_addr);
	json_member_uint(w, "mtu", nic->mtu);
	json_member_str(w, "type", nic->type);
	json_member_array(w, "IPAddresses");
	for (size_t i = 0; i < nic->nr_ip_addresses; i++) {
		json_object(w);
		json_member_int(w, "family", nic->ip_addresses[i].family);
		json_member_str(w, "address", nic->ip_addresses[i].address);
		json_member_str(w, "mask", nic->ip_addresses[i].mask);
		json_object_end(w);
	}
	json_array_end(w);
	json_object_end(w);
}

static int list_interfaces(struct admin_query *q, struct err *err)
{
	struct agent_interfaces resp = { 0 };
	struct json_writer w;
	int r = admin_query_call(q, &admin_list_interfaces, NULL, &resp, err);

	if (r < 0)
		return r;
	json_writer_init(&w, &q->out, 2);
	json_array(&w);
	for (size_t i = 0; i < resp.nr_interfaces; i++)
		put_interface(&w, &resp.interfaces[i]);
	json_array_end(&w);
	return finish(q, &w, err);
}

static int put_routes(struct admin_query *q, const struct agent_routes *routes, struct err *err)
{
	struct json_writer w;

	json_writer_init(&w, &q->out, 2);
	json_array(&w);
	for (size_t i = 0; i < routes->nr_routes; i++) {
		const struct agent_route *route = &routes->routes[i];

		json_object(&w);
		json_member_str(&w, "dest", route->dest);
		json_member_str(&w, "gateway", route->gateway);
		json_member_str(&w, "device", route->device);
		json_member_str(&w, "source", route->source);
		json_member_uint(&w, "scope", route->scope);
		json_member_int(&w, "family", route->family);
		json_member_uint(&w, "flags", route->flags);
		json_member_uint(&w, "mtu", route->mtu);
		json_member_uint(&w, "metric", route->metric);
		json_member_str(&w, "type",
				route_types[MIN(route->type, ARRAY_SIZE(route_types) - 1)]);
		json_object_end(&w);
	}
	json_array_end(&w);
	return finish(q, &w, err);
}

static int list_or_update_routes(struct admin_query *q, struct err *err)
{
	struct network *net = q->arg;
	const struct agent_update_routes_request req = { .routes = &net->routes };
	struct agent_routes resp = { 0 };
	int r = net->update ? admin_query_call(q, &admin_update_routes, &req, &resp, err)
			    : admin_query_call(q, &admin_list_routes, NULL, &resp, err);

	return r < 0 ? r : put_routes(q, &resp, err);
}

static int add_interface(struct admin_query *q, struct err *err)
{
	struct network *net = q->arg;
	const struct agent_update_interface_request req = { .interface = &net->interface };
	struct agent_interface resp = { 0 };
	struct json_writer w;
	int r = admin_query_call(q, &admin_update_interface, &req, &resp, err);

	if (r < 0)
		return r;
	json_writer_init(&w, &q->out, 2);
	put_interface(&w, &resp);
	return finish(q, &w, err);
}

static int remove_interface(struct admin_query *q, struct err *err)
{
	struct network *net = q->arg;
	const struct admin_remove_interface_request req = { .name = net->interface.name };

	return admin_query_call(q, &admin_remove_interface, &req, NULL, err);
}

static int read_input(struct network *net, enum json_type type, const struct json **ret,
		      struct err *err)
{
	cleanup_free char *data = NULL;
	struct json *doc;
	ssize_t len = io_read_file_at(AT_FDCWD, "/dev/stdin", INPUT_MAX, &data);

	if (len < 0)
		return err_set_errno(err, (int)len, "cannot read stdin");
	int r = json_parse(net->arena, data, (size_t)len, "stdin", NULL, &doc, err);
	if (r == 0)
		r = json_expect(doc, type, err);
	if (r < 0)
		return r;
	*ret = doc;
	return 0;
}

static int parse_family(const struct json *object, int32_t *ret, struct err *err)
{
	int64_t family = 0;
	int r = json_get_i64(object, "family", &family, err);

	if (r == 0 && (family < 0 || family > 1))
		return json_error(object, err, "family is 0 (IPv4) or 1 (IPv6)");
	*ret = (int32_t)family;
	return r;
}

static int parse_addresses(struct network *net, const struct json *list, struct err *err)
{
	struct agent_interface *nic = &net->interface;

	if (!list || list->nr == 0)
		return 0;
	if (list->nr > ADDRESSES_MAX)
		return json_error(list, err, "more than %d addresses", ADDRESSES_MAX);
	nic->ip_addresses = arena_calloc(net->arena, list->nr, sizeof(*nic->ip_addresses));
	if (!nic->ip_addresses)
		return err_set(err, ENOMEM, "network");
	json_for_each(item, list) {
		struct agent_ip_address *address = &nic->ip_addresses[nic->nr_ip_addresses++];
		int r = json_expect(item, JSON_OBJECT, err);

		if (r == 0)
			r = json_get_str(item, "address", &address->address, err);
		if (r == 0)
			r = json_get_str(item, "mask", &address->mask, err);
		if (r == 0)
			r = parse_family(item, &address->family, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_interface(struct network *net, struct err *err)
{
	struct agent_interface *nic = &net->interface;
	const struct json *doc, *addresses = NULL;
	int r = read_input(net, JSON_OBJECT, &doc, err);

	if (r == 0)
		r = json_get_str(doc, "device", &nic->device, err);
	if (r == 0)
		r = json_get_str(doc, "name", &nic->name, err);
	if (r == 0)
		r = json_get_str(doc, "hwAddr", &nic->hw_addr, err);
	if (r == 0)
		r = json_get_str(doc, "type", &nic->type, err);
	if (r == 0)
		r = json_get_u64(doc, "mtu", &nic->mtu, err);
	if (r == 0)
		r = json_get_array(doc, "IPAddresses", &addresses, err);
	return r < 0 ? r : parse_addresses(net, addresses, err);
}

static int parse_type(const struct json *object, struct agent_route *route, struct err *err)
{
	const char *type = "";
	int r = json_get_str(object, "type", &type, err);

	if (r < 0 || str_empty(type))
		return r;
	for (uint32_t i = 0; i < ARRAY_SIZE(route_types) - 1; i++)
		if (str_eq(route_types[i], type)) {
			route->type = i;
			return 0;
		}
	return json_error(object, err, "type %s is not a route type", type);
}

static int parse_route(const struct json *object, struct agent_route *route, struct err *err)
{
	int r = json_expect(object, JSON_OBJECT, err);

	if (r == 0)
		r = json_get_str(object, "dest", &route->dest, err);
	if (r == 0)
		r = json_get_str(object, "gateway", &route->gateway, err);
	if (r == 0)
		r = json_get_str(object, "device", &route->device, err);
	if (r == 0)
		r = json_get_str(object, "source", &route->source, err);
	if (r == 0)
		r = json_get_u32(object, "scope", &route->scope, err);
	if (r == 0)
		r = json_get_u32(object, "flags", &route->flags, err);
	if (r == 0)
		r = json_get_u32(object, "mtu", &route->mtu, err);
	if (r == 0)
		r = json_get_u32(object, "metric", &route->metric, err);
	if (r == 0)
		r = parse_type(object, route, err);
	return r < 0 ? r : parse_family(object, &route->family, err);
}

static int parse_routes(struct network *net, struct err *err)
{
	const struct json *doc;
	int r = read_input(net, JSON_ARRAY, &doc, err);

	if (r < 0)
		return r;
	if (doc->nr > ROUTES_MAX)
		return json_error(doc, err, "more than %d routes", ROUTES_MAX);
	net->routes.routes = arena_calloc(net->arena, doc->nr + 1, sizeof(*net->routes.routes));
	if (!net->routes.routes)
		return err_set(err, ENOMEM, "network");
	json_for_each(item, doc) {
		r = parse_route(item, &net->routes.routes[net->routes.nr_routes++], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Removes the addresses that the input names; without any, the interface itself. */
static int prepare_del(struct network *net, struct admin_query *q, struct err *err)
{
	struct agent_interface *nic = &net->interface;

	if (str_empty(nic->name))
		return err_set(err, EINVAL, "network del: the interface has no name");
	q->fn = nic->nr_ip_addresses ? add_interface : remove_interface;
	nic->gone = nic->ip_addresses;
	nic->nr_gone = nic->nr_ip_addresses;
	nic->ip_addresses = NULL;
	nic->nr_ip_addresses = 0;
	return 0;
}

static int run(struct network *net, const char *action, struct admin_query *q, struct err *err)
{
	int r = 0;

	if (str_eq(action, "list")) {
		q->fn = list_interfaces;
	} else if (str_eq(action, "routes")) {
		q->fn = list_or_update_routes;
		r = net->update ? parse_routes(net, err) : 0;
	} else if (str_eq(action, "add")) {
		q->fn = add_interface;
		r = parse_interface(net, err);
	} else if (str_eq(action, "del")) {
		r = parse_interface(net, err);
		if (r == 0)
			r = prepare_del(net, q, err);
	} else {
		return err_set(err, EINVAL,
			       "network takes \"list\", \"add\", \"del\" or \"routes\", not \"%s\"",
			       action);
	}
	return r < 0 ? r : admin_query_run(q, err);
}

/**
 * verb_network() - see kata-runtime(8)
 * @cli: global options
 * @argc: number of arguments
 * @argv: arguments
 * @err: filled on failure
 *
 * Return: exit code or -errno.
 */
int verb_network(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct argp_option options[] = {
		{ "update", 'u', NULL, 0, "With \"routes\": add those in the JSON array on stdin",
		  0 },
		{ 0 },
	};
	static const struct cli_verb verb = {
		.options = options,
		.set = set,
		.args_doc = "list|add|del|routes ID",
		.doc = "Show or change the network of a sandbox's guest; \"add\" and \"del\" read an "
		       "interface with addresses as JSON from stdin.",
		.min_args = 2,
		.max_args = 2,
	};
	struct network net = { 0 };
	struct admin_query q = { .cli = cli, .arg = &net };
	int first;
	int r = cli_parse(&verb, argc, argv, &net, &first, err);

	if (r < 0)
		return r;
	r = arena_new(&net.arena);
	if (r < 0)
		return err_set_errno(err, r, "network");
	q.id = argv[first + 1];
	r = run(&net, argv[first], &q, err);
	net.arena = arena_free(net.arena);
	return r;
}
