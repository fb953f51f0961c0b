/* SPDX-License-Identifier: MIT */
/*
 * prctl_list.h - what of prctl(2) the program may have Linux do: options that
 * cannot stop the owner from working. For the checker and the seccomp filter.
 */
#ifndef OFFLOAD_PRCTL_LIST_H
#define OFFLOAD_PRCTL_LIST_H

#include <linux/prctl.h>

#define PRCTL_LIST(X)              \
	X(PR_SET_PDEATHSIG)        \
	X(PR_GET_PDEATHSIG)        \
	X(PR_GET_DUMPABLE)         \
	X(PR_SET_DUMPABLE)         \
	X(PR_GET_KEEPCAPS)         \
	X(PR_SET_KEEPCAPS)         \
	X(PR_SET_NAME)             \
	X(PR_GET_NAME)             \
	X(PR_GET_SECCOMP)          \
	X(PR_CAPBSET_READ)         \
	X(PR_CAPBSET_DROP)         \
	X(PR_GET_SECUREBITS)       \
	X(PR_SET_SECUREBITS)       \
	X(PR_SET_TIMERSLACK)       \
	X(PR_GET_TIMERSLACK)       \
	X(PR_MCE_KILL)             \
	X(PR_MCE_KILL_GET)         \
	X(PR_SET_CHILD_SUBREAPER)  \
	X(PR_GET_CHILD_SUBREAPER)  \
	X(PR_SET_NO_NEW_PRIVS)     \
	X(PR_GET_NO_NEW_PRIVS)     \
	X(PR_SET_THP_DISABLE)      \
	X(PR_GET_THP_DISABLE)      \
	X(PR_CAP_AMBIENT)          \
	X(PR_GET_SPECULATION_CTRL) \
	X(PR_SET_SPECULATION_CTRL) \
	X(PR_SET_IO_FLUSHER)       \
	X(PR_GET_IO_FLUSHER)       \
	X(PR_SET_VMA)

#endif
