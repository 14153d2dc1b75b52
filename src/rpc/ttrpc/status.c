/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table between errno and google.rpc.Code. An errno keeps its meaning across the wire as
 * well as 17 codes allow; the words travel in the status message.
 */
#include "rpc/ttrpc/status.h"

#include <errno.h>

#include "common/macros.h"

struct status_map {
	int code; /* positive errno */
	int status;
};

/* Towards the wire every line counts; from the wire the first line with the status does. */
static const struct status_map map[] = {
	{ ECANCELED, RPC_STATUS_CANCELLED },
	{ EIO, RPC_STATUS_UNKNOWN },
	{ EINVAL, RPC_STATUS_INVALID_ARGUMENT },
	{ EBADMSG, RPC_STATUS_INVALID_ARGUMENT },
	{ ENAMETOOLONG, RPC_STATUS_INVALID_ARGUMENT },
	{ EDOM, RPC_STATUS_INVALID_ARGUMENT },
	{ ETIMEDOUT, RPC_STATUS_DEADLINE_EXCEEDED },
	{ ETIME, RPC_STATUS_DEADLINE_EXCEEDED },
	{ ENOENT, RPC_STATUS_NOT_FOUND },
	{ ESRCH, RPC_STATUS_NOT_FOUND },
	{ ENODEV, RPC_STATUS_NOT_FOUND },
	{ ENXIO, RPC_STATUS_NOT_FOUND },
	{ EEXIST, RPC_STATUS_ALREADY_EXISTS },
	{ EPERM, RPC_STATUS_PERMISSION_DENIED },
	{ EACCES, RPC_STATUS_PERMISSION_DENIED },
	{ ENOSPC, RPC_STATUS_RESOURCE_EXHAUSTED },
	{ EMSGSIZE, RPC_STATUS_RESOURCE_EXHAUSTED },
	{ E2BIG, RPC_STATUS_RESOURCE_EXHAUSTED },
	{ ENOMEM, RPC_STATUS_RESOURCE_EXHAUSTED },
	{ EMFILE, RPC_STATUS_RESOURCE_EXHAUSTED },
	{ ENFILE, RPC_STATUS_RESOURCE_EXHAUSTED },
	{ EDQUOT, RPC_STATUS_RESOURCE_EXHAUSTED },
	{ EBUSY, RPC_STATUS_FAILED_PRECONDITION },
	{ ENOTEMPTY, RPC_STATUS_FAILED_PRECONDITION },
	{ EALREADY, RPC_STATUS_FAILED_PRECONDITION },
	{ ESTALE, RPC_STATUS_ABORTED },
	{ ERANGE, RPC_STATUS_OUT_OF_RANGE },
	{ EOVERFLOW, RPC_STATUS_OUT_OF_RANGE },
	{ EOPNOTSUPP, RPC_STATUS_UNIMPLEMENTED },
	{ ENOSYS, RPC_STATUS_UNIMPLEMENTED },
	{ EIO, RPC_STATUS_INTERNAL },
	{ EAGAIN, RPC_STATUS_UNAVAILABLE },
	{ ENOTTY, RPC_STATUS_UNAVAILABLE },
	{ ECONNRESET, RPC_STATUS_UNAVAILABLE },
	{ ECONNREFUSED, RPC_STATUS_UNAVAILABLE },
	{ ENOTCONN, RPC_STATUS_UNAVAILABLE },
	{ EPIPE, RPC_STATUS_UNAVAILABLE },
	{ EIO, RPC_STATUS_DATA_LOSS },
	{ EACCES, RPC_STATUS_UNAUTHENTICATED },
};

/**
 * rpc_status_from_errno() - the ttrpc status of an error
 * @code: errno, of either sign; 0 is good
 *
 * Return: a google.rpc.Code, INTERNAL for what the table does not name.
 */
int rpc_status_from_errno(int code)
{
	if (code < 0)
		code = -code;
	if (code == 0)
		return RPC_STATUS_OK;
	if (code == EIO)
		return RPC_STATUS_INTERNAL; /* UNKNOWN is for peers that cannot say more */
	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (map[i].code == code)
			return map[i].status;
	return RPC_STATUS_INTERNAL;
}

/**
 * rpc_status_to_errno() - the errno a ttrpc status stands for
 * @status: google.rpc.Code from a peer
 *
 * Return: a positive errno, EIO for an unknown status; 0 for OK.
 */
int rpc_status_to_errno(int status)
{
	if (status == RPC_STATUS_OK)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (map[i].status == status)
			return map[i].code;
	return EIO;
}
