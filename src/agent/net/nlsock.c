/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building, sending and reading rtnetlink messages. What they mean is net_link.c's and
 * net_route.c's business.
 */
#include "agent/net/nlsock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fd.h"

/* As large as the parts the kernel sends, which are at most 32 KiB. */
#define NL_RECV_SIZE (32UL * 1024)

/**
 * nlreq_init() - begin a request
 * @req: request
 * @type: RTM_*
 * @flags: NLM_F_* beyond NLM_F_REQUEST
 * @body: fixed part
 * @len: its length
 */
void nlreq_init(struct nlreq *req, uint16_t type, uint16_t flags, const void *body, size_t len)
{
	memset(req, 0, sizeof(*req));
	req->hdr.nlmsg_type = type;
	req->hdr.nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST);
	req->hdr.nlmsg_len = NLMSG_LENGTH((uint32_t)len);
	memcpy(NLMSG_DATA(&req->hdr), body, len);
}

/**
 * nlreq_add() - append an attribute
 * @req: request
 * @type: attribute
 * @data: value
 * @len: its length
 */
void nlreq_add(struct nlreq *req, uint16_t type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(req->hdr.nlmsg_len), size = RTA_LENGTH(len);
	struct rtattr attr = { .rta_len = (uint16_t)size, .rta_type = type };

	if (at + RTA_ALIGN(size) > sizeof(req->buf)) {
		req->r = -EMSGSIZE;
		return;
	}
	memcpy(req->buf + at, &attr, sizeof(attr));
	memcpy(req->buf + at + RTA_LENGTH(0), data, len);
	req->hdr.nlmsg_len = (uint32_t)(at + RTA_ALIGN(size));
}

/**
 * nlreq_add_u32() - append a number
 * @req: request
 * @type: attribute
 * @value: value
 */
void nlreq_add_u32(struct nlreq *req, uint16_t type, uint32_t value)
{
	nlreq_add(req, type, &value, sizeof(value));
}

/**
 * nlsock_open() - open a socket for requests
 *
 * Return: the descriptor, owned by the caller, or -errno.
 */
int nlsock_open(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK };
	cleanup_close int fd =
		neg_errno(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));

	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int send_request(int sock, struct nlreq *req)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (req->r < 0)
		return req->r;
	ssize_t n = neg_errno_sz(sendto(sock, req->buf, req->hdr.nlmsg_len, 0,
					(struct sockaddr *)&kernel, sizeof(kernel)));
	return n < 0 ? (int)n : 0;
}

/* Handles one datagram. Return: 1 when the answer is complete, 0 for more, or -errno. */
static int read_parts(const char *buf, size_t len, nl_part_fn fn, void *arg)
{
	for (const struct nlmsghdr *hdr = (const struct nlmsghdr *)buf; NLMSG_OK(hdr, len);
	     hdr = NLMSG_NEXT(hdr, len)) {
		if (hdr->nlmsg_type == NLMSG_DONE)
			return 1;
		if (hdr->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *e = NLMSG_DATA(hdr);
			if (hdr->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
				return -EBADMSG;
			return e->error < 0 ? e->error : 1;
		}
		int r = fn ? fn(arg, hdr) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int receive(int sock, nl_part_fn fn, void *arg)
{
	cleanup_free char *buf = malloc(NL_RECV_SIZE);

	if (!buf)
		return -ENOMEM;
	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(sock, buf, NL_RECV_SIZE, MSG_TRUNC, (struct sockaddr *)&from,
				     &from_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (from.nl_pid != 0)
			continue; /* not the kernel */
		if ((size_t)n > NL_RECV_SIZE)
			return -EMSGSIZE;
		int r = read_parts(buf, (size_t)n, fn, arg);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

/**
 * nlreq_send() - have a request done
 * @sock: socket
 * @req: request
 *
 * Return: 0, or -errno, the kernel's too.
 */
int nlreq_send(int sock, struct nlreq *req)
{
	req->hdr.nlmsg_flags |= NLM_F_ACK;
	int r = send_request(sock, req);
	return r < 0 ? r : receive(sock, NULL, NULL);
}

/**
 * nlreq_dump() - ask for a list
 * @sock: socket
 * @req: request
 * @fn: called for every part
 * @arg: its argument
 *
 * When @fn fails the rest of the list stays in the socket: use it no more.
 *
 * Return: 0 or -errno.
 */
int nlreq_dump(int sock, struct nlreq *req, nl_part_fn fn, void *arg)
{
	req->hdr.nlmsg_flags |= NLM_F_DUMP;
	int r = send_request(sock, req);
	return r < 0 ? r : receive(sock, fn, arg);
}

/**
 * nl_parse() - find a message's attributes
 * @hdr: message
 * @fixed: length of its fixed part
 * @ret: receives pointers by type, NULL for what is absent
 * @max: last type of interest; @ret has one more element
 *
 * Return: 0, or -EBADMSG when it is shorter than its fixed part.
 */
int nl_parse(const struct nlmsghdr *hdr, size_t fixed, const struct rtattr *ret[], size_t max)
{
	memset(ret, 0, (max + 1) * sizeof(*ret));
	if (hdr->nlmsg_len < NLMSG_LENGTH(fixed))
		return -EBADMSG;
	size_t len = hdr->nlmsg_len - NLMSG_LENGTH(fixed);
	const struct rtattr *attr =
		(const struct rtattr *)((const char *)hdr + NLMSG_LENGTH(0) + NLMSG_ALIGN(fixed));

	for (; RTA_OK(attr, len); attr = RTA_NEXT(attr, len)) {
		unsigned type = attr->rta_type & NLA_TYPE_MASK;
		if (type <= max)
			ret[type] = attr;
	}
	return 0;
}

/**
 * nl_attr_u32() - a number
 * @attr: attribute or NULL
 *
 * Return: its value, 0 when it is absent or too short.
 */
uint32_t nl_attr_u32(const struct rtattr *attr)
{
	uint32_t value = 0;

	if (attr && RTA_PAYLOAD(attr) >= sizeof(value))
		memcpy(&value, RTA_DATA(attr), sizeof(value));
	return value;
}
