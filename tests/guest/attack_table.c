/* SPDX-License-Identifier: MIT */
/*
 * attack_table.c - each pointer and each descriptor of every call that Linux
 * may be asked for, with what the program must not name.
 *
 * The program writes calls into its core's ring itself, as an unikernel that it
 * has taken over would. The answer to an address of the owner's, or of the
 * unikernel's if the call is the program's, must be that to an address which no
 * process can have; the answer to a descriptor of the owner's, that to one which
 * nobody has. A call in which a good one makes no difference tells nothing, so
 * those in which it does are counted.
 */
// azalea-only: yes
// cflags: -Iabi -Ibuild/gen
// modes: ring-1 kvm-1
// variants: static
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include "boot.h"
#include "calls.h"
#include "monitor.h"
#include "ring.h"
#include "tap.h"

#define BOOT ((struct az_boot *)AZ_BOOT_BASE)
#define RING ((struct az_ring *)AZ_RING_BASE)

#define BAD_ADDR (1ULL << 63) /* not canonical */
#define BAD_FD   0x7ffffff0ULL
#define FDS_END  20   /* what calls have opened from there on is closed */
#define SLOT     255U /* free, as long as few calls are under way */

#define ENTRY(nr, name, class, attrs, nargs, a0, a1, a2, a3, a4, a5) \
	[nr] = { #name, class, attrs, nargs, 0, { a0, a1, a2, a3, a4, a5 } },
static const struct az_call_desc calls[AZ_NR_CALLS] = { AZ_CALLS(ENTRY) };

#define POLICY(nr, name, mask) [nr] = mask,
static const uint32_t policies[AZ_NR_CALLS] = { AZ_POLICY_CALLS(POLICY) };

static uint8_t *good; /* a page of the program's, zeroed before each call */
static uint64_t foreign[3]; /* the last one is the owner's */
static const char *const whose[] = { "the boot page", "the heap", "the owner" };
static int fds[8];
static unsigned int fds_end; /* what calls open from there on is closed */
static unsigned int told, tried, failures;

/* --- calls by hand --- */

static long ring_call(uint32_t nr, uint32_t flags, const uint64_t a[6])
{
	struct az_slot *s = &RING->slot[SLOT];
	struct az_last *last = &RING->last;
	uint32_t head = last->head, seq = (s->call.seq + 1) & ~AZ_DONE_WAIT;
	struct stat st;

	s->call.nr = nr;
	s->call.flags = flags;
	memcpy(s->call.arg, a, sizeof(s->call.arg));
	s->call.cancel = 0;
	s->call.seq = seq;
	RING->queue[head % AZ_RING_SLOTS] = SLOT;
	__atomic_store_n(&last->begin, head + 1, __ATOMIC_SEQ_CST);
	last->seq = seq;
	last->nr = (uint16_t)nr;
	last->flags = (uint8_t)flags;
	last->slot = SLOT;
	memcpy(last->arg, a, sizeof(last->arg));
	__atomic_store_n(&last->head, head + 1, __ATOMIC_SEQ_CST);
	/* One of its own, so that the unikernel wakes a worker. */
	while (__atomic_load_n(&s->done, __ATOMIC_ACQUIRE) != seq)
		fstat(0, &st);
	return s->result;
}

/* --- which calls --- */

static bool is_pointer(uint8_t kind)
{
	return kind == AZ_ARG_PATH || kind == AZ_ARG_STR ||
	       (kind >= AZ_ARG_IN && kind <= AZ_ARG_SIGMASK_PTR);
}

static bool is_fd(uint8_t kind)
{
	return kind == AZ_ARG_FD || kind == AZ_ARG_DIRFD;
}

/*
 * Not those that would change other processes, the machine's System V objects
 * or this process's user, whatever comes of the pointer.
 */
static bool may_try(uint32_t nr)
{
	const struct az_call_desc *d = &calls[nr];

	if (!d->name ||
	    (d->class != AZ_CLASS_OFFLOAD && !(d->attrs & AZ_ATTR_HOST)))
		return false;
	if (d->attrs & AZ_ATTR_CREDS || nr == AZ_SYS_chroot ||
	    nr == AZ_SYS_futex || nr == AZ_SYS_setrlimit ||
	    policies[nr] & 1U << AZ_POLICY_IPC)
		return false;
	for (unsigned int i = 0; i < d->nargs; i++)
		if (d->arg[i].kind == AZ_ARG_PID)
			return false;
	return true;
}

/* A value for argument i that Linux might like. */
static uint64_t likely(const struct az_arg *a, unsigned int round)
{
	static const uint64_t numbers[] = { 0, 1, 8, 0x1000, 24, 2 };

	if (is_pointer(a->kind))
		return (uint64_t)good;
	if (is_fd(a->kind))
		return (uint64_t)fds[round % 8];
	if (a->kind == AZ_ARG_SIG)
		return 0;
	return numbers[round / 8 % 6];
}

#define ROUNDS 48

static void prepare(void)
{
	/* No path, no time to wait. */
	memset(good, 0, 4096);
	close_range(fds_end, ~0U, 0);
}

/* --- what is compared --- */

static long answer(uint32_t nr, uint32_t flags, const uint64_t a[6],
		   unsigned int i, uint64_t v)
{
	uint64_t b[6];

	memcpy(b, a, sizeof(b));
	b[i] = v;
	prepare();
	return ring_call(nr, flags, b);
}

static void complain(uint32_t nr, unsigned int i, const char *what, long got,
		     long want)
{
	failures++;
	printf("# %s, argument %u, %s: %ld, not %ld\n", calls[nr].name, i, what,
	       got, want);
}

/*
 * Does Linux care about this argument here? Then it must not get what is not
 * the program's: it finds an address that no process has, or, if it looks at
 * none, what it finds for one where nothing is.
 */
static bool try_pointer(uint32_t nr, uint32_t flags, const uint64_t a[6],
			unsigned int i)
{
	long bad = answer(nr, flags, a, i, BAD_ADDR), nowhere;

	if (answer(nr, flags, a, i, (uint64_t)good) == bad)
		return false;
	nowhere = answer(nr, flags, a, i, (uint64_t)good + 4096);
	/* The unikernel itself may name all but the owner's. */
	for (int k = flags & AZ_CALL_INTERNAL ? 2 : 0; k < 3; k++) {
		long r = answer(nr, flags, a, i, foreign[k]);

		if (r != bad && r != nowhere)
			complain(nr, i, whose[k], r, bad);
	}
	return true;
}

static bool try_fd(uint32_t nr, const uint64_t a[6], unsigned int i)
{
	long bad = answer(nr, 0, a, i, BAD_FD);

	/* Closing a good one would take it from those after. */
	if (nr != AZ_SYS_close && answer(nr, 0, a, i, a[i]) == bad)
		return false;
	for (uint32_t fd = BOOT->fd_hidden_lo; fd < BOOT->fd_hidden_hi; fd++) {
		long r = answer(nr, 0, a, i, fd);

		if (r != bad)
			complain(nr, i, "a hidden descriptor", r, bad);
		/* The upper half of an int counts nothing. */
		r = answer(nr, 0, a, i, fd | 1ULL << 32);
		if (r != bad)
			complain(nr, i, "a hidden descriptor + 2^32", r, bad);
	}
	return true;
}

static void try_argument(uint32_t nr, unsigned int i)
{
	const struct az_call_desc *d = &calls[nr];
	bool pointer = is_pointer(d->arg[i].kind), tells = false;

	for (unsigned int round = 0; round < ROUNDS && !tells; round++) {
		uint64_t a[6] = { 0 };

		for (unsigned int k = 0; k < d->nargs; k++)
			a[k] = likely(&d->arg[k], round);
		tells = pointer ? try_pointer(nr, 0, a, i) &&
				      try_pointer(nr, AZ_CALL_INTERNAL, a, i)
				: try_fd(nr, a, i);
	}
	tried++;
	told += tells;
	if (!tells && getenv("VERBOSE"))
		printf("# %s, argument %u tells nothing\n", d->name, i);
}

static void test_arguments(bool pointers)
{
	tried = told = failures = 0;
	for (uint32_t nr = 0; nr < AZ_NR_CALLS; nr++)
		for (unsigned int i = 0; may_try(nr) && i < calls[nr].nargs;
		     i++) {
			uint8_t kind = calls[nr].arg[i].kind;

			if (pointers ? is_pointer(kind) : is_fd(kind))
				try_argument(nr, i);
		}
	OK(!failures, pointers ? "no address that is not the program's"
			       : "no descriptor of the owner's");
	/* What is left needs things that are not here, as mq descriptors. */
	OK(told * 10 >= tried * 6, "most calls tell");
	printf("# %u of %u arguments tell\n", told, tried);
}

/* --- pointers inside --- */

union inside {
	struct iovec iov;
	struct msghdr msg;
	struct mmsghdr mmsg;
	uint64_t word[16];
};

/* Sends itself what it is to receive. */
static int pair_with_data(void)
{
	static int pair[2] = { -1, -1 };
	char junk[64] = "";

	if (pair[0] < 0)
		MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) ==
		     0);
	while (recv(pair[0], junk, sizeof(junk), 0) >= 0)
		;
	for (int i = 0; i < 8; i++)
		MUST(send(pair[1], junk, 16, 0) == 16);
	return pair[0];
}

/* One structure, with `at' in word `w', and all else as it should be. */
static long nested_answer(uint32_t nr, uint32_t flags, uint64_t a[6],
			  const union inside *in, unsigned int w, uint64_t at,
			  bool second)
{
	prepare();
	(void)pair_with_data();
	memcpy(good + 1024, in, sizeof(*in));
	memcpy(good + 2048, &(struct iovec){ good, 8 }, 16);
	/* Second: an iovec that the structure points to. */
	if (second)
		*(uint64_t *)(good + 2048) = at;
	else
		*(uint64_t *)(good + 1024 + w * 8) = at;
	return ring_call(nr, flags, a);
}

static void try_nested(uint32_t nr, uint64_t a[6], const union inside *in,
		       unsigned int w, bool second)
{
	bool tells = false;

	for (uint32_t flags = 0; flags <= AZ_CALL_INTERNAL;
	     flags += AZ_CALL_INTERNAL) {
		long bad = nested_answer(nr, flags, a, in, w, BAD_ADDR, second);
		long nowhere = nested_answer(nr, flags, a, in, w,
					     (uint64_t)good + 4096, second);

		tells |= nested_answer(nr, flags, a, in, w, (uint64_t)good,
				       second) != bad;
		for (int k = flags ? 2 : 0; k < 3; k++) {
			long r = nested_answer(nr, flags, a, in, w, foreign[k],
					       second);

			if (r != bad && r != nowhere)
				complain(nr, 100 + w, whose[k], r, bad);
		}
	}
	tried++;
	told += tells;
	if (!tells && getenv("VERBOSE"))
		printf("# %s, word %u inside tells nothing\n", calls[nr].name,
		       w);
}

static void try_vectors(void)
{
	static const uint16_t by_vector[] = { AZ_SYS_readv,   AZ_SYS_writev,
					      AZ_SYS_preadv,  AZ_SYS_pwritev,
					      AZ_SYS_preadv2, AZ_SYS_pwritev2 };
	union inside in = { .iov = { good, 8 } };

	for (size_t i = 0; i < sizeof(by_vector) / sizeof(*by_vector); i++) {
		uint64_t a[6] = { (uint64_t)fds[0], (uint64_t)good + 1024, 1 };

		try_nested(by_vector[i], a, &in, 0, false);
	}
}

static void try_messages(void)
{
	/* Word 0 is msg_name, 2 msg_iov, 4 msg_control. */
	static const unsigned int words[] = { 0, 2, 4 };
	static const uint16_t by_message[] = { AZ_SYS_recvmsg, AZ_SYS_sendmsg,
					       AZ_SYS_recvmmsg,
					       AZ_SYS_sendmmsg };
	union inside in = { .msg = { .msg_iov = (void *)(good + 2048),
				     .msg_iovlen = 1 } };

	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < 4; k++) {
			uint64_t a[6] = { (uint64_t)pair_with_data(),
					  (uint64_t)good + 1024 };
			unsigned int w = k < 3 ? words[k] : 2;
			bool many = by_message[i] == AZ_SYS_recvmmsg ||
				    by_message[i] == AZ_SYS_sendmmsg;

			a[2] = many ? 1 : MSG_DONTWAIT;
			a[3] = many ? MSG_DONTWAIT : 0;
			in.msg.msg_namelen = w == 0 ? 16 : 0;
			in.msg.msg_controllen = w == 4 ? 32 : 0;
			try_nested(by_message[i], a, &in, w, k == 3);
		}
}

static void try_others(void)
{
	union inside in = { .word = { 0 } };
	uint64_t sig[6] = { 0, 0, 0, 0, 0, (uint64_t)good + 1024 };
	uint64_t prog[6] = { (uint64_t)fds[3], SOL_SOCKET, SO_ATTACH_FILTER,
			     (uint64_t)good + 1024, 16 };
	uint64_t xattr[6] = { (uint64_t)AT_FDCWD & 0xffffffff,
			      (uint64_t)good + 3072,
			      0,
			      (uint64_t)good,
			      (uint64_t)good + 1024,
			      16 };

	/* pselect6's { mask, size }; its time, or it would wait. */
	sig[4] = (uint64_t)good + 3072;
	in.word[1] = 8;
	try_nested(AZ_SYS_pselect6, sig, &in, 0, false);
	in.word[0] = 1; /* sock_fprog.len */
	try_nested(AZ_SYS_setsockopt, prog, &in, 1, false);
	in.word[0] = (uint64_t)good;
	in.word[1] = 8;
	try_nested(AZ_SYS_setxattrat, xattr, &in, 0, false);
}

static void test_nested(void)
{
	tried = told = failures = 0;
	try_vectors();
	try_messages();
	try_others();
	OK(!failures, "no such address inside of a structure");
	/* Linux looks at names and control data only if there are some. */
	OK(told * 10 >= tried * 7, "most structures tell");
	printf("# %u of %u tell\n", told, tried);
}

/* --- calls that change the owner --- */

static void refused(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2,
		    uint64_t a3, uint64_t a4)
{
	const uint64_t a[6] = { a0, a1, a2, a3, a4, 0 };

	for (uint32_t flags = 0; flags <= AZ_CALL_INTERNAL;
	     flags += AZ_CALL_INTERNAL) {
		long r = ring_call(nr, flags, a);

		if (r < 0)
			continue;
		failures++;
		printf("# %s: %ld\n", calls[nr].name, r);
	}
}

static void test_owner(void)
{
	uint64_t at = BOOT->owner_signal & ~4095ULL;
	uint64_t p = (uint64_t)good, pid = BOOT->pid;

	failures = 0;
	refused(AZ_SYS_mmap, at, 4096, 3, 0x32, ~0ULL);
	refused(AZ_SYS_mmap, 0, 4096, 3, 0x22, ~0ULL);
	refused(AZ_SYS_munmap, at, 4096, 0, 0, 0);
	refused(AZ_SYS_munmap, AZ_HEAP_BASE, 1ULL << 46, 0, 0, 0);
	refused(AZ_SYS_munmap, 0x10000, 0x4fffffff0000, 0, 0, 0);
	refused(AZ_SYS_mprotect, at, 4096, 7, 0, 0);
	refused(AZ_SYS_mremap, p, 4096, 4096, 3, at);
	refused(AZ_SYS_mremap, at, 4096, 4096, 3, p);
	refused(AZ_SYS_mremap, p, 4096, 1 << 20, 1, 0);
	refused(AZ_SYS_madvise, at, 4096, MADV_DONTNEED, 0, 0);
	refused(AZ_SYS_mlock, at, 4096, 0, 0, 0);
	refused(AZ_SYS_brk, 0, 0, 0, 0, 0);
	refused(AZ_SYS_shmat, 0, at, 0, 0, 0);
	refused(AZ_SYS_shmdt, at, 0, 0, 0, 0);
	refused(AZ_SYS_rt_sigaction, 10, p, 0, 8, 0);
	refused(AZ_SYS_rt_sigprocmask, 0, p, 0, 8, 0);
	refused(AZ_SYS_sigaltstack, p, 0, 0, 0, 0);
	refused(AZ_SYS_set_robust_list, p, 24, 0, 0, 0);
	refused(AZ_SYS_set_tid_address, p, 0, 0, 0, 0);
	refused(AZ_SYS_arch_prctl, 0x1002, p, 0, 0, 0);
	refused(AZ_SYS_clone, 0x100, 0, 0, 0, 0);
	refused(AZ_SYS_clone3, p, 64, 0, 0, 0);
	refused(AZ_SYS_fork, 0, 0, 0, 0, 0);
	refused(AZ_SYS_execve, p, 0, 0, 0, 0);
	refused(AZ_SYS_ptrace, 0, 0, 0, 0, 0);
	refused(AZ_SYS_process_vm_readv, pid, p, 1, p, 1);
	refused(AZ_SYS_process_vm_writev, pid, p, 1, p, 1);
	refused(AZ_SYS_prctl, 22, 2, p, 0, 0); /* PR_SET_SECCOMP */
	refused(AZ_SYS_prctl, 35, 1, p, 0, 0); /* PR_SET_MM */
	refused(AZ_SYS_prctl, 59, 0, 0, 0, 0); /* dispatch of calls off */
	refused(AZ_SYS_prctl, 0x59616d61, pid, 0, 0, 0); /* PR_SET_PTRACER */
	refused(AZ_SYS_seccomp, 1, 0, p, 0, 0);
	refused(AZ_SYS_userfaultfd, 0, 0, 0, 0, 0);
	refused(AZ_SYS_io_uring_setup, 8, p, 0, 0, 0);
	refused(AZ_SYS_bpf, 0, p, 64, 0, 0);
	refused(AZ_SYS_perf_event_open, p, 0, ~0ULL, ~0ULL, 0);
	refused(AZ_SYS_personality, 0x400000, 0, 0, 0, 0);
	refused(AZ_SYS_unshare, 0x20000, 0, 0, 0, 0);
	refused(AZ_SYS_setns, 3, 0, 0, 0, 0);
	refused(AZ_SYS_mount, p, p, p, 0, 0);
	refused(AZ_NR_CALLS, 0, 0, 0, 0, 0);
	refused(0xffff, 0, 0, 0, 0, 0);
	OK(!failures, "nothing that would change the owner");
}

/* --- the ring itself --- */

/* Nonsense in slots and counts, and then calls as ever. */
static void test_ring(void)
{
	static const uint64_t a[6] = { 0 };
	uint32_t head = RING->last.head;

	RING->queue[head % AZ_RING_SLOTS] = 0xffff;
	RING->last.begin = head + 7;
	__atomic_store_n(&RING->last.head, head + 1, __ATOMIC_SEQ_CST);
	OK(ring_call(AZ_SYS_getppid, 0, a) == getppid(),
	   "a slot that is none harms nobody");
	RING->slot[SLOT].call.seq = ~0U;
	OK(ring_call(AZ_SYS_getppid, ~0U & ~AZ_CALL_INTERNAL, a) == getppid(),
	   "nor do flags and counts at their ends");
}

/* A call that Linux itself takes, on pico: from the unikernel's text. */
static long native(long nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
		   uint64_t a4, uint64_t a5)
{
	const struct az_image_header *image = NULL;
	register uint64_t r10 __asm__("r10") = a3;
	register uint64_t r8 __asm__("r8") = a4;
	register uint64_t r9 __asm__("r9") = a5;
	const uint8_t *site;

	for (uint64_t at = AZ_IMAGE_BASE; !image; at += AZ_PAGE_SIZE)
		if (*(const uint64_t *)at == AZ_IMAGE_MAGIC)
			image = (const void *)at;
	site = (const uint8_t *)image->text;
	while (site[0] != 0x0f || site[1] != 0x05 || site[2] != 0xc3)
		site++;
	__asm__ volatile("call *%[site]"
			 : "+a"(nr)
			 : "D"(a0), "S"(a1), "d"(a2), "r"(r10), "r"(r8),
			   "r"(r9), [site] "r"(site)
			 : "rcx", "r11", "memory");
	return nr;
}

static void find_foreign(void)
{
	const uint64_t at = AZ_OWNER_BASE + (1ULL << 40);

	foreign[0] = AZ_BOOT_BASE + 2048;
	foreign[1] = AZ_HEAP_BASE;
	/* Its text; on pico, a page of the owner's that it could write to. */
	foreign[2] = BOOT->owner_signal & ~4095ULL;
	if (BOOT->plat != AZ_PLAT_PICO)
		return;
	MUST(native(AZ_SYS_mmap, at, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~0ULL,
		    0) == (long)at);
	memset((void *)at, 0x5a, 4096);
	foreign[2] = at;
}

/* Whatever the answers were, this must not have changed. */
static bool is_untouched(void)
{
	const uint8_t *p = (const void *)foreign[2];

	for (int i = 0; BOOT->plat == AZ_PLAT_PICO && i < 4096; i++)
		if (p[i] != 0x5a)
			return false;
	return true;
}

/* Whatever comes of it shall not be done by root, nor to others' files. */
static void settle(char *dir)
{
	MUST(mkdtemp(dir) && chdir(dir) == 0);
	if (getuid() == 0)
		MUST(chown(dir, 65534, 65534) == 0 && setgroups(0, NULL) == 0 &&
		     setresgid(65534, 65534, 65534) == 0 &&
		     setresuid(65534, 65534, 65534) == 0);
}

int main(void)
{
	char dir[] = "/tmp/attack.XXXXXX", name[] = "XXXXXX";
	int pipes[2];

	settle(dir);

	good = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(good != MAP_FAILED);
	MUST(munmap(good + 4096, 4096) == 0);
	find_foreign();
	MUST((fds[0] = mkstemp(name)) >= 0);
	MUST(unlink(name) == 0 && ftruncate(fds[0], 65536) == 0);
	MUST(pipe2(pipes, O_NONBLOCK) == 0);
	fds[1] = pipes[0];
	fds[2] = pipes[1];
	fds[3] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	fds[4] = epoll_create1(0);
	fds[5] = open(".", O_RDONLY | O_DIRECTORY);
	fds[6] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	fds[7] = inotify_init1(IN_NONBLOCK);
	for (int i = 0; i < 8; i++)
		MUST(fds[i] >= 0);
	(void)pair_with_data();
	fds_end = (unsigned int)dup(0);
	test_arguments(true);
	test_arguments(false);
	test_nested();
	test_owner();
	test_ring();
	(void)rmdir(dir);
	OK(is_untouched(), "the owner's memory is as it was");
	return tap_done();
}
