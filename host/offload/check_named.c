/* SPDX-License-Identifier: MIT */
/*
 * check_named.c - what depends on the call rather than on the argument's kind,
 * and which calls the unikernel may make for itself.
 *
 * ioctl(2) is open: its commands are the drivers'. Only the start of what its
 * argument points to is checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <linux/tcp.h>
#include <linux/vfio.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/socket.h>

#include "calls.h"
#include "metal.h"
#include "offload/check_private.h"
#include "offload/prctl_list.h"

#define COOKIE_LEN        32 /* NOTIFY_COOKIE_LEN of Linux's ipc/mqueue.c */
#define XATTR_ARGS        16 /* XATTR_ARGS_SIZE_VER0 */
#define IPT_SET_REPLACE   64 /* <linux/netfilter_ipv4/ip_tables.h>, and ip6 */
#define IPT_SET_COUNTERS  65
#define MADV_SOFT_OFFLINE 101    /* <asm-generic/mman-common.h> */
#define IPC_64            0x100U /* or-ed to semctl's command by libc */

/* Replace the argument by a copy of n bytes. NULL: *err, perhaps 0. */
static void *arg_copy(struct checked_call *c, unsigned int i, size_t n,
		      int *err)
{
	void *p = check_copy(c, c->arg[i], n, err);

	if (!p && *err == -EFAULT) {
		c->arg[i] = CHECK_BAD_ADDR;
		*err = 0;
	}
	if (p)
		c->arg[i] = (uint64_t)p;
	return p;
}

static int check_setsockopt(struct checked_call *c)
{
	int level = (int)c->arg[1], opt = (int)c->arg[2];
	struct sock_fprog *prog;
	int err;

	/* Nested pointers that Linux writes to; root's alone. */
	if ((level == IPPROTO_IP || level == IPPROTO_IPV6) &&
	    (opt == IPT_SET_REPLACE || opt == IPT_SET_COUNTERS))
		return -EPERM;
	if (level != SOL_SOCKET ||
	    (opt != SO_ATTACH_FILTER && opt != SO_ATTACH_REUSEPORT_CBPF))
		return 0;
	/* Linux asks for this size exactly. */
	if ((uint32_t)c->arg[4] != sizeof(*prog))
		return 0;
	prog = arg_copy(c, 3, sizeof(*prog), &err);
	if (prog)
		prog->filter =
		    (void *)check_addr(c, (uint64_t)prog->filter,
				       prog->len * sizeof(struct sock_filter));
	return err;
}

static int check_getsockopt(const struct checked_call *c)
{
	/* Holds addresses to write to, more in each version. */
	if ((int)c->arg[1] == IPPROTO_TCP &&
	    (int)c->arg[2] == TCP_ZEROCOPY_RECEIVE)
		return -ENOPROTOOPT;
	return 0;
}

static int check_mq_notify(struct checked_call *c)
{
	struct sigevent *ev;
	int err = 0;

	if (!c->arg[1])
		return 0;
	ev = arg_copy(c, 1, sizeof(*ev), &err);
	if (ev && ev->sigev_notify == SIGEV_THREAD)
		ev->sigev_value.sival_ptr = (void *)check_addr(
		    c, (uint64_t)ev->sigev_value.sival_ptr, COOKIE_LEN);
	return err;
}

/* setxattrat, getxattrat: { value, size, flags }, to grow at its end. */
static int check_xattr_args(struct checked_call *c)
{
	uint64_t size = c->arg[5], value;
	uint32_t len;
	uint8_t *p;
	int err;

	if (size < XATTR_ARGS || size > AZ_PAGE_SIZE)
		return 0; /* EINVAL or E2BIG, before it is read */
	p = arg_copy(c, 4, size, &err);
	if (!p)
		return err;
	memcpy(&value, p, sizeof(value));
	memcpy(&len, p + 8, sizeof(len));
	value = check_addr(c, value, len);
	memcpy(p, &value, sizeof(value));
	return 0;
}

bool check_is_number(const struct checked_call *c, unsigned int i)
{
	switch (c->nr) {
	case AZ_SYS_futex:
		switch ((uint32_t)c->arg[1] & FUTEX_CMD_MASK) {
		case FUTEX_REQUEUE:
		case FUTEX_CMP_REQUEUE:
		case FUTEX_CMP_REQUEUE_PI:
		case FUTEX_WAKE_OP:
			return i == 3; /* val2 */
		}
		return false;
	case AZ_SYS_semctl:
		return ((uint32_t)c->arg[2] & ~IPC_64) == SETVAL;
	default:
		return false;
	}
}

static int check_fcntl(const struct checked_call *c)
{
	int cmd = (int)c->arg[1];

	if ((cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) &&
	    check_fd_hidden(c, c->arg[2]))
		return -EINVAL;
	return 0;
}

static int check_close_range(const struct checked_call *c)
{
	uint32_t first = (uint32_t)c->arg[0], last = (uint32_t)c->arg[1];

	/* It would leave this worker with descriptors of its own. */
	if (c->arg[2] & CLOSE_RANGE_UNSHARE)
		return -EINVAL;
	if (first <= last && first < check_env.fd_hi && last >= check_env.fd_lo)
		return -EBADF;
	return 0;
}

static int check_ioctl(const struct checked_call *c)
{
	switch ((uint32_t)c->arg[1]) {
	case TIOCSTI:
	case TIOCLINUX:
	/* Cores of one's own choice would see the owner's memory. */
	case AZM_CREATE:
	case AZM_START:
	case AZM_RUN:
	/* So would a machine of one's own, or a device's DMA. */
	case KVM_CREATE_VM:
	case VFIO_IOMMU_MAP_DMA:
		return -EPERM;
	default:
		return 0;
	}
}

/* With a null address, Linux would choose one in the owner's part. */
static int check_shm(uint64_t addr)
{
	return addr < AZ_GUEST_MIN || addr >= AZ_GUEST_END ? -EINVAL : 0;
}

static int check_prctl(struct checked_call *c)
{
#define CASE(option) case option:
	switch ((int)c->arg[0]) {
		PRCTL_LIST(CASE)
		break;
	default:
		return -EINVAL;
	}
	/* Whoever may dump the owner may write to its memory. */
	if ((int)c->arg[0] == PR_SET_DUMPABLE && check_env.guarded)
		return -EPERM;
	if ((int)c->arg[0] != PR_SET_VMA)
		return 0;
	c->arg[2] = check_addr(c, c->arg[2], c->arg[3]);
	return c->arg[2] == CHECK_BAD_ADDR ? -ENOMEM : 0;
}

static int check_close(struct checked_call *c)
{
	int32_t exe = __atomic_load_n(&check_env.exe_fd, __ATOMIC_RELAXED);

	/* The number may soon be another file of the owner's. */
	if (c->internal && exe >= 0 && (int32_t)c->arg[0] == exe)
		c->undo = CHECK_UNDO_EXE_CLOSE;
	return 0;
}

int check_named(struct checked_call *c)
{
	switch (c->nr) {
	case AZ_SYS_close:
		return check_close(c);
	case AZ_SYS_close_range:
		return check_close_range(c);
	case AZ_SYS_fcntl:
		return check_fcntl(c);
	case AZ_SYS_getsockopt:
		return check_getsockopt(c);
	case AZ_SYS_ioctl:
		return check_ioctl(c);
	case AZ_SYS_mq_notify:
		return check_mq_notify(c);
	case AZ_SYS_msgrcv:
	case AZ_SYS_msgsnd:
		c->arg[1] = check_addr(c, c->arg[1], 1);
		return 0;
	case AZ_SYS_personality:
		/* Asking is all that it may: it would change this thread. */
		return (uint32_t)c->arg[0] == UINT32_MAX ? 0 : -EPERM;
	case AZ_SYS_prctl:
		return check_prctl(c);
	case AZ_SYS_setsockopt:
		return check_setsockopt(c);
	case AZ_SYS_setxattrat:
	case AZ_SYS_getxattrat:
		return check_xattr_args(c);
	case AZ_SYS_shmat:
		return check_shm(c->arg[1]);
	case AZ_SYS_shmdt:
		return check_shm(c->arg[0]);
	default:
		return 0;
	}
}

/* Is [addr, addr + len) the program's, or all of it the unikernel's heap? */
static bool mapping_ok(uint64_t addr, uint64_t len)
{
	if (addr >= AZ_HEAP_BASE)
		return addr <= AZ_HEAP_BASE + AZ_HEAP_SIZE &&
		       len <= AZ_HEAP_BASE + AZ_HEAP_SIZE - addr;
	return addr >= AZ_GUEST_MIN && addr <= AZ_GUEST_END &&
	       len <= AZ_GUEST_END - addr;
}

/* Unless the address is fixed, Linux would choose one in the owner's part. */
static bool mmap_ok(const struct checked_call *c)
{
	return c->arg[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE) &&
	       mapping_ok(c->arg[0], c->arg[1]);
}

static bool mremap_ok(const struct checked_call *c)
{
	uint64_t flags = c->arg[3];

	if (!mapping_ok(c->arg[0], c->arg[1]))
		return false;
	if (flags & MREMAP_FIXED)
		return mapping_ok(c->arg[4], c->arg[2]);
	return !(flags & MREMAP_MAYMOVE) && mapping_ok(c->arg[0], c->arg[2]);
}

int check_internal(struct checked_call *c)
{
	bool ok = false;

	switch (c->nr) {
	case AZ_SYS_mmap:
		ok = mmap_ok(c);
		break;
	case AZ_SYS_mremap:
		ok = mremap_ok(c);
		break;
	case AZ_SYS_mincore:
		c->arg[2] =
		    check_addr(c, c->arg[2], c->arg[1] >> AZ_PAGE_SHIFT);
		ok = mapping_ok(c->arg[0], c->arg[1]);
		break;
	case AZ_SYS_madvise:
		ok = (int)c->arg[2] != MADV_HWPOISON &&
		     (int)c->arg[2] != MADV_SOFT_OFFLINE &&
		     mapping_ok(c->arg[0], c->arg[1]);
		break;
	case AZ_SYS_munmap:
	case AZ_SYS_mprotect:
	case AZ_SYS_msync:
	case AZ_SYS_mlock:
	case AZ_SYS_mlock2:
	case AZ_SYS_munlock:
		ok = mapping_ok(c->arg[0], c->arg[1]);
		break;
	}
	return ok ? 0 : -EPERM;
}
