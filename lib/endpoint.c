/* SPDX-License-Identifier: MIT */
/* endpoint.c - endpoints: by Azalea's gates, or else by futexes. */
#include <stddef.h>

#include "azalea/ipc.h"
#include "gate.h"
#include "native.h"
#include "portable.h"

int azalea_endpoint_create(void)
{
	if (azalea_ipc_native)
		return native_control(AZ_IPC_CREATE, 0, NULL);
	return portable_create();
}

int azalea_endpoint_close(int endpoint)
{
	if (azalea_ipc_native)
		return native_control(AZ_IPC_CLOSE, endpoint, NULL);
	return portable_close(endpoint);
}

int azalea_receive(int endpoint, struct azalea_msg *msg)
{
	if (azalea_ipc_native)
		return native_control(AZ_IPC_RECEIVE, endpoint, msg);
	return portable_receive(endpoint, msg);
}

int azalea_reply(int endpoint, const struct azalea_msg *msg)
{
	struct azalea_msg copy = *msg;

	if (azalea_ipc_native)
		return native_control(AZ_IPC_REPLY, endpoint, &copy);
	return portable_reply(endpoint, msg);
}

int azalea_call_function(int endpoint, struct azalea_msg *msg)
{
	if (azalea_ipc_native)
		return azalea_call(endpoint, msg);
	return portable_call(endpoint, msg);
}

int azalea_reply_wait_function(int endpoint, struct azalea_msg *msg)
{
	if (azalea_ipc_native)
		return azalea_reply_wait(endpoint, msg);
	return portable_reply_wait(endpoint, msg);
}
