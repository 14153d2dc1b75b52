/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: The switch as a whole
 *
 * One thread and one loop. Callbacks of sockets and rings only note what there is to do and put
 * connections in line; two triggers, to_guest and from_guest, do the work, each bounded per run.
 * Connections die in the middle of such work, so their memory is released by a third trigger, after
 * it.
 *
 * When nothing happened for a while the page tables of guest memory are given up (gmem_relax()).
 *
 * A reset of the guest ends its connections; a pause keeps them. When the hypervisor goes, what the
 * guest sent last is still passed on, for a short time, then the process ends.
 */
#include "proxy/vsock/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/fd.h"
#include "common/log.h"
#include "proxy/vsock/from_guest.h"
#include "proxy/vsock/hybrid.h"
#include "proxy/vsock/to_guest.h"

#define CONNECT_TIMEOUT_MS 30000
/* How long clients may take to read the last bytes of a guest that is gone. */
#define LINGER_MS 2000
#define HUPS_PER_RUN 16
#define IDLE_MS 1000

/**
 * proxy_reply_rst() - put an RST that belongs to no connection in line
 * @px: proxy
 * @reply: what to send
 */
void proxy_reply_rst(struct proxy *px, const struct proxy_reply *reply)
{
	unsigned at = px->first_reply + px->nr_replies;

	if (!px->running)
		return;
	if (at == PROXY_REPLIES_MAX && px->first_reply) {
		memmove(px->replies, px->replies + px->first_reply,
			px->nr_replies * sizeof(px->replies[0]));
		px->first_reply = 0;
		at = px->nr_replies;
	}
	if (at == PROXY_REPLIES_MAX)
		return; /* a guest that takes no packets loses some */
	px->replies[at] = *reply;
	px->nr_replies++;
	loop_trigger(px->to_guest);
}

/**
 * proxy_ring_failed() - the guest broke the rules of a ring
 * @px: proxy
 * @ring: ring that is marked broken
 * @r: -errno that says how
 */
void proxy_ring_failed(struct proxy *px, unsigned ring, int r)
{
	log_warn_errno(r,
		       "the guest's %s ring is corrupt; vsock stops until its driver starts anew",
		       ring == VHOST_RING_RX ? "receive" : "transmit");
	vhost_update(&px->vhost);
}

static void on_idle(void *arg)
{
	struct proxy *px = arg;

	px->idle_armed = px->activity != px->activity_seen;
	px->activity_seen = px->activity;
	if (!px->idle_armed)
		gmem_relax(&px->vhost.mem);
	else if (loop_timer_set(px->idle, loop_deadline_ms(IDLE_MS)) < 0)
		px->idle_armed = false;
}

/**
 * proxy_active() - note that guest memory is being used
 * @px: proxy
 */
void proxy_active(struct proxy *px)
{
	px->activity++;
	if (!px->idle_armed)
		px->idle_armed = loop_timer_set(px->idle, loop_deadline_ms(IDLE_MS)) == 0;
}

/* The guest's driver began anew: it knows of no connection. */
static void forget_guest(struct proxy *px)
{
	px->nr_replies = px->first_reply = 0;
	list_for_each_safe(pos, tmp, &px->conns) {
		struct vconn *c = list_entry(pos, struct vconn, all);

		if (c->state == VCONN_CONNECTING)
			hybrid_wait(c);
		else if (c->state == VCONN_ESTABLISHED || c->state == VCONN_CLOSING)
			vconn_guest_gone(c);
	}
}

static void on_started(void *arg, bool kept)
{
	struct proxy *px = arg;

	if (!kept)
		forget_guest(px);
	px->running = true;
	px->from_guest_held = false;
	hybrid_wake(px);
	loop_trigger(px->from_guest);
	loop_trigger(px->to_guest);
}

static void on_stopped(void *arg)
{
	struct proxy *px = arg;

	px->running = false;
	log_debug("device stopped");
}

static void on_kicked(void *arg, unsigned ring)
{
	struct proxy *px = arg;

	if (ring == VHOST_RING_RX)
		to_guest_run(px);
	else
		from_guest_run(px);
}

static void end_if_idle(struct proxy *px)
{
	if (px->ended && !px->nr_conns)
		loop_exit(px->loop, px->exit_code);
}

static void on_linger_end(void *arg)
{
	struct proxy *px = arg;

	loop_exit(px->loop, px->exit_code);
}

static void on_closed(void *arg, int r, const struct err *err)
{
	struct proxy *px = arg;

	if (r < 0)
		log_error("%s", err->text);
	else
		log_debug("the hypervisor closed the connection");
	/*
	 * The guest's last packets may still lie in the ring, its memory is ours as long as we map
	 * it.
	 */
	if (px->running)
		(void)from_guest_drain(px, VQ_NUM_MAX);
	px->running = false;
	px->ended = true;
	px->exit_code = r < 0 ? 1 : 0;
	hybrid_unlisten(px);
	list_for_each_safe(pos, tmp, &px->conns)
		vconn_guest_gone(list_entry(pos, struct vconn, all));
	if (loop_add_timer(px->loop, loop_deadline_ms(LINGER_MS), on_linger_end, px, &px->linger) <
	    0)
		loop_exit(px->loop, px->exit_code);
	end_if_idle(px);
}

static void on_hup(void *arg, unsigned events)
{
	struct proxy *px = arg;
	struct epoll_event evs[HUPS_PER_RUN];
	int n = epoll_wait(px->hup_fd, evs, HUPS_PER_RUN, 0);

	(void)events;
	for (int i = 0; i < n; i++)
		/* It may have died just now; the call looks at the state. */
		vconn_on_hup(evs[i].data.ptr);
}

/**
 * proxy_reap() - release the memory of dead connections
 * @px: proxy; no callback of a connection is running
 */
void proxy_reap(struct proxy *px)
{
	list_for_each_safe(pos, tmp, &px->dead) {
		struct vconn *c = list_entry(pos, struct vconn, all);

		list_del(pos);
		free(c);
	}
	end_if_idle(px);
}

static void on_reap(void *arg)
{
	proxy_reap(arg);
}

static int add_sources(struct proxy *px, struct err *err)
{
	int r = loop_add_trigger(px->loop, to_guest_run, px, &px->to_guest);

	if (r == 0)
		r = loop_add_trigger(px->loop, from_guest_run, px, &px->from_guest);
	if (r == 0)
		r = loop_add_trigger(px->loop, on_reap, px, &px->reap);
	if (r == 0)
		r = loop_add_timer(px->loop, LOOP_FOREVER, on_idle, px, &px->idle);
	if (r == 0)
		r = loop_add_timer(px->loop, LOOP_FOREVER, from_guest_taken, px, &px->taken);
	if (r == 0) {
		px->hup_fd = neg_errno(epoll_create1(EPOLL_CLOEXEC));
		r = px->hup_fd < 0
			    ? px->hup_fd
			    : loop_add_io(px->loop, px->hup_fd, LOOP_READ, on_hup, px, &px->hup);
	}
	return r < 0 ? err_set_errno(err, r, "event loop") : 0;
}

static const struct vhost_ops vhost_ops = {
	.started = on_started,
	.stopped = on_stopped,
	.kicked = on_kicked,
	.closed = on_closed,
};

/**
 * proxy_new() - make the switch
 * @loop: event loop
 * @config: what to serve; its strings are copied
 * @ret: receives it; attach the hypervisor with vhost_attach(&px->vhost, ...)
 * @err: error
 *
 * The loop ends with 0 or 1 when the hypervisor closed its connection.
 *
 * Return: 0 or -errno.
 */
int proxy_new(struct loop *loop, const struct proxy_config *config, struct proxy **ret,
	      struct err *err)
{
	const char *prefix = config->port_prefix ? config->port_prefix : "";
	struct proxy *px;

	if (strlen(prefix) >= sizeof(px->port_prefix))
		return err_set(err, ENAMETOOLONG, "the name '%s' is too long for a unix socket",
			       prefix);
	px = calloc(1, sizeof(*px));
	if (!px)
		return err_set(err, ENOMEM, "out of memory");
	px->loop = loop;
	px->cid = config->cid;
	px->max_conns = config->max_conns ? MIN(config->max_conns, PROXY_CONNS_MAX)
					  : PROXY_CONNS_MAX;
	px->connect_timeout_ms = config->connect_timeout_ms ? config->connect_timeout_ms
							    : CONNECT_TIMEOUT_MS;
	px->next_port = PROXY_PORT_FIRST;
	px->hup_fd = px->listen_fd = -1;
	(void)snprintf(px->port_prefix, sizeof(px->port_prefix), "%s", prefix);
	list_init(&px->conns);
	list_init(&px->ready);
	list_init(&px->waiting);
	list_init(&px->dead);
	vhost_init(&px->vhost, loop, px->cid, &vhost_ops, px);
	int r = add_sources(px, err);
	if (r == 0 && config->listen_fd >= 0)
		r = hybrid_listen(px, config->listen_fd, err);
	if (r < 0) {
		(void)proxy_free(px);
		return r;
	}
	*ret = px;
	return 0;
}

/**
 * proxy_free() - release everything
 * @px: proxy or NULL
 *
 * Return: NULL.
 */
struct proxy *proxy_free(struct proxy *px)
{
	if (!px)
		return NULL;
	px->running = px->ended = false;
	hybrid_unlisten(px);
	list_for_each_safe(pos, tmp, &px->conns)
		vconn_kill(list_entry(pos, struct vconn, all));
	proxy_reap(px);
	vhost_deinit(&px->vhost);
	px->linger = loop_source_free(px->linger);
	px->idle = loop_source_free(px->idle);
	px->taken = loop_source_free(px->taken);
	px->hup = loop_source_free(px->hup);
	px->hup_fd = fd_close(px->hup_fd);
	px->reap = loop_source_free(px->reap);
	px->from_guest = loop_source_free(px->from_guest);
	px->to_guest = loop_source_free(px->to_guest);
	free(px);
	return NULL;
}
