/* SPDX-License-Identifier: MIT */
/*
 * filter.c - a seccomp filter for classes of calls.
 *
 * A row of blocks, one a call; Linux compiles it, and asks it nothing for calls
 * that it lets pass whatever their arguments are (seccomp's bitmap of them). A
 * block is entered and left with the call's number in the accumulator, or ends
 * in an answer.
 *
 * Linux takes flags and families as int: the upper half of an argument says
 * nothing, and is not looked at.
 */
#include "sandbox/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/socket.h>

#include "calls.h"

#define READ    (1U << AZ_POLICY_FILES_READ)
#define WRITE   (1U << AZ_POLICY_FILES_WRITE)
#define NET     (1U << AZ_POLICY_NET)
#define LOCAL   (1U << AZ_POLICY_UNIX)
#define CHANGES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

struct call {
	uint32_t nr, mask;
};

#define ENTRY(nr, name, mask) { nr, mask },
static const struct call calls[] = { AZ_POLICY_CALLS(ENTRY) };

#define NCALLS (sizeof(calls) / sizeof(calls[0]))

/* --- what a call is --- */

static uint32_t open_classes(uint32_t flags)
{
	uint32_t mask = 0;

	if (flags & CHANGES)
		mask |= WRITE;
	/* Access 3 asks for both and gives neither; O_PATH gives the name. */
	if ((flags & O_ACCMODE) != O_WRONLY)
		mask |= READ;
	return mask;
}

uint32_t filter_classes(uint32_t nr, const uint64_t arg[6])
{
	switch (nr) {
	case AZ_SYS_open:
		return open_classes((uint32_t)arg[1]);
	case AZ_SYS_openat:
		return open_classes((uint32_t)arg[2]);
	case AZ_SYS_socket:
		return (uint32_t)arg[0] == AF_UNIX ? LOCAL : NET;
	case AZ_SYS_clone:
		if (arg[0] & CLONE_THREAD)
			return 0;
		break;
	}
	for (size_t i = 0; i < NCALLS; i++)
		if (calls[i].nr == nr)
			return calls[i].mask;
	return 0;
}

/* --- the filter --- */

struct builder {
	struct sock_filter *out;
	size_t n;
	const struct filter_config *c;
};

static void emit(struct builder *b, uint16_t code, uint8_t jt, uint8_t jf,
		 uint32_t k)
{
	b->out[b->n++] = (struct sock_filter){ code, jt, jf, k };
}

static void load(struct builder *b, size_t at)
{
	emit(b, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)at);
}

static void load_arg(struct builder *b, unsigned int i)
{
	load(b, offsetof(struct seccomp_data, args) + i * sizeof(uint64_t));
}

static void answer(struct builder *b, uint32_t action)
{
	emit(b, BPF_RET | BPF_K, 0, 0, action);
}

/* For a call of the classes `mask'. */
static uint32_t action(const struct builder *b, uint32_t mask)
{
	if (mask & b->c->denied)
		return b->c->notify ? SECCOMP_RET_USER_NOTIF
				    : SECCOMP_RET_ERRNO | EPERM;
	return mask & b->c->asked ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW;
}

/* The answer if one of `bits' is set. */
static void answer_if_set(struct builder *b, uint32_t bits, uint32_t what)
{
	if (what == SECCOMP_RET_ALLOW)
		return;
	emit(b, BPF_JMP | BPF_JSET | BPF_K, 0, 1, bits);
	answer(b, what);
}

/* The worst that its classes say, at the end. */
static void open_block(struct builder *b, unsigned int arg)
{
	uint32_t write = action(b, WRITE), read = action(b, READ);
	const uint32_t deny =
	    b->c->notify ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ERRNO | EPERM;

	load_arg(b, arg);
	/* What denies goes before what asks. */
	if (write == deny)
		answer_if_set(b, CHANGES, write);
	if (read != SECCOMP_RET_ALLOW) {
		emit(b, BPF_ALU | BPF_AND | BPF_K, 0, 0, O_ACCMODE);
		emit(b, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, O_WRONLY);
		answer(b, read);
		load_arg(b, arg);
	}
	if (write != deny)
		answer_if_set(b, CHANGES, write);
	if (b->c->truncate) {
		/* O_TRUNC without a right to write: Linux truncates. */
		emit(b, BPF_JMP | BPF_JSET | BPF_K, 0, 2, O_TRUNC);
		emit(b, BPF_JMP | BPF_JSET | BPF_K, 1, 0, O_WRONLY | O_RDWR);
		answer(b, SECCOMP_RET_ERRNO | EACCES);
	}
	answer(b, SECCOMP_RET_ALLOW);
}

static void socket_block(struct builder *b)
{
	load_arg(b, 0);
	emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, AF_UNIX);
	answer(b, action(b, LOCAL));
	answer(b, action(b, NET));
}

static void clone_block(struct builder *b, uint32_t mask)
{
	load_arg(b, 0);
	emit(b, BPF_JMP | BPF_JSET | BPF_K, 0, 1, CLONE_THREAD);
	answer(b, SECCOMP_RET_ALLOW);
	answer(b, action(b, mask));
}

/* Its flags are out of reach: as on a Linux that does not have it. */
static void openat2_block(struct builder *b)
{
	answer(b, SECCOMP_RET_ERRNO | ENOSYS);
}

static bool of_interest(const struct filter_config *c, const struct call *call)
{
	if (call->mask & (c->denied | c->asked))
		return true;
	return c->truncate &&
	       (call->mask == (READ | WRITE) || call->nr == AZ_SYS_truncate);
}

static void call_block(struct builder *b, const struct call *call)
{
	size_t jump = b->n;

	emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, call->nr);
	switch (call->nr) {
	case AZ_SYS_open:
		open_block(b, 1);
		break;
	case AZ_SYS_openat:
		open_block(b, 2);
		break;
	case AZ_SYS_openat2:
		openat2_block(b);
		break;
	case AZ_SYS_socket:
		socket_block(b);
		break;
	case AZ_SYS_clone:
		clone_block(b, call->mask);
		break;
	case AZ_SYS_truncate:
		if (b->c->truncate && !(call->mask & b->c->denied)) {
			answer(b, SECCOMP_RET_ERRNO | EACCES);
			break;
		}
		answer(b, action(b, call->mask));
		break;
	default:
		answer(b, action(b, call->mask));
	}
	b->out[jump].jf = (uint8_t)(b->n - jump - 1);
}

size_t filter_build(const struct filter_config *c, struct sock_filter *out)
{
	struct builder b = { .out = out, .c = c };

	/* Another machine's calls: sandbox.c's filter answers. */
	load(&b, offsetof(struct seccomp_data, arch));
	emit(&b, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
	answer(&b, SECCOMP_RET_ALLOW);
	load(&b, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < NCALLS; i++)
		if (of_interest(c, &calls[i]))
			call_block(&b, &calls[i]);
	answer(&b, SECCOMP_RET_ALLOW);
	return b.n;
}
