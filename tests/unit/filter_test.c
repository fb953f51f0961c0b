/* SPDX-License-Identifier: MIT */
/*
 * filter_test.c - host/sandbox/filter.c: the answer for every call, with every
 * argument that decides, by running the filter as Linux would.
 */
/* links: host/sandbox/filter.c */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "calls.h"
#include "sandbox/filter.h"

#define EPERM_ANSWER (SECCOMP_RET_ERRNO | EPERM)
#define BAD_FILTER   0xdead0000U

static int ntests, nfailed;

static void ok(bool pass, const char *what)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, what);
}

struct call {
	uint32_t nr, mask;
};

#define ENTRY(nr, name, mask) { nr, mask },
static const struct call calls[] = { AZ_POLICY_CALLS(ENTRY) };
#define NCALLS (sizeof(calls) / sizeof(calls[0]))

/* The instructions that filter.c uses; all else, or an end that is missed: bad. */
static uint32_t run(const struct sock_filter *f, size_t n,
		    const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &f[pc];
		bool yes = false;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k % 4 || i->k > sizeof(*d) - 4)
				return BAD_FILTER;
			memcpy(&a, (const char *)d + i->k, 4);
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			continue;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_JMP | BPF_JEQ | BPF_K:
			yes = a == i->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			yes = a & i->k;
			break;
		default:
			return BAD_FILTER;
		}
		pc += yes ? i->jt : i->jf;
	}
	return BAD_FILTER;
}

/* What filter.h promises, from the call's classes. */
static uint32_t promised(const struct filter_config *c,
			 const struct seccomp_data *d)
{
	uint32_t mask =
	    filter_classes((uint32_t)d->nr, (const uint64_t *)d->args);

	if (mask & c->denied)
		return c->notify ? SECCOMP_RET_USER_NOTIF : EPERM_ANSWER;
	if (mask & c->asked)
		return SECCOMP_RET_USER_NOTIF;
	return SECCOMP_RET_ALLOW;
}

static const uint64_t values[] = {
	0,
	O_WRONLY,
	O_RDWR,
	3,
	O_RDONLY | O_CREAT,
	O_RDONLY | O_TRUNC,
	O_WRONLY | O_TRUNC,
	O_PATH,
	O_DIRECTORY | O_CLOEXEC,
	O_TMPFILE | O_RDWR,
	AF_UNIX,
	AF_INET,
	CLONE_THREAD,
	CLONE_VM | CLONE_VFORK,
	1ULL << 32 | O_WRONLY,
	1ULL << 32,
	~0ULL,
};
#define NVALUES (sizeof(values) / sizeof(values[0]))

static unsigned int wrong_of(const struct filter_config *c,
			     const struct sock_filter *f, size_t n)
{
	unsigned int wrong = 0;

	for (uint32_t nr = 0; nr < AZ_NR_CALLS; nr++)
		for (size_t v = 0; v < NVALUES; v++) {
			struct seccomp_data d = { .nr = (int)nr,
						  .arch = AUDIT_ARCH_X86_64 };
			uint32_t got, want;

			for (int i = 0; i < 6; i++)
				d.args[i] = values[v];
			got = run(f, n, &d);
			want = promised(c, &d);
			if (nr == AZ_SYS_openat2 && want != SECCOMP_RET_ALLOW)
				want = SECCOMP_RET_ERRNO | ENOSYS;
			if (got != want && wrong++ < 4)
				printf("# call %u, %#llx: %#x, not %#x\n", nr,
				       (unsigned long long)values[v], got,
				       want);
		}
	return wrong;
}

static void test_all(void)
{
	static struct sock_filter f[FILTER_MAX];
	unsigned int wrong = 0, longest = 0;
	const uint32_t all = (1U << (AZ_POLICY_TIME + 1)) - 1;

	/* Each class alone, every pair, and all. */
	for (uint32_t denied = 0; denied <= all; denied++) {
		uint32_t more = denied & (denied - 1);

		if (denied != all && (more & (more - 1)))
			continue;
		for (int how = 0; how < 4; how++) {
			struct filter_config c = {
				.denied = how == 2 ? 0 : denied,
				.asked = how >= 2 ? denied >> (how - 2) : 0,
				.notify = how,
			};
			size_t n = filter_build(&c, f);

			longest = n > longest ? (unsigned int)n : longest;
			wrong += wrong_of(&c, f, n);
		}
	}
	ok(!wrong, "every call is answered as its classes say");
	ok(longest <= FILTER_MAX, "the longest filter has room");
	printf("# %u instructions\n", longest);
}

/* One call that lacks a block would be of classes and never denied. */
static void test_several(void)
{
	unsigned int lost = 0;

	for (size_t i = 0; i < NCALLS; i++) {
		uint32_t seen = 0;

		for (size_t v = 0; v < NVALUES; v++) {
			uint64_t arg[6];

			for (int k = 0; k < 6; k++)
				arg[k] = values[v];
			seen |= filter_classes(calls[i].nr, arg);
		}
		lost += seen != calls[i].mask;
	}
	ok(!lost, "a call is of each class that the table names, and no other");
}

static uint32_t answer_of(const struct filter_config *c, uint32_t nr,
			  uint64_t a1, uint64_t a2)
{
	static struct sock_filter f[FILTER_MAX];
	struct seccomp_data d = { .nr = (int)nr,
				  .arch = AUDIT_ARCH_X86_64,
				  .args = { 0, a1, a2 } };

	return run(f, filter_build(c, f), &d);
}

static void test_truncate(void)
{
	struct filter_config c = { .truncate = true };
	const uint32_t no = SECCOMP_RET_ERRNO | EACCES;

	ok(answer_of(&c, AZ_SYS_truncate, 0, 0) == no,
	   "without Landlock's help, truncate is refused");
	ok(answer_of(&c, AZ_SYS_openat, 0, O_TRUNC) == no &&
	       answer_of(&c, AZ_SYS_open, O_TRUNC | O_CREAT, 0) == no,
	   "and O_TRUNC of what is opened for reading");
	ok(answer_of(&c, AZ_SYS_openat, 0, O_TRUNC | O_WRONLY) ==
		   SECCOMP_RET_ALLOW &&
	       answer_of(&c, AZ_SYS_openat, 0, 0) == SECCOMP_RET_ALLOW,
	   "and not where Landlock sees that it writes");
	ok(answer_of(&c, AZ_SYS_openat2, 0, 0) == (SECCOMP_RET_ERRNO | ENOSYS),
	   "and openat2, whose flags cannot be seen, is not there");
	ok(answer_of(&c, AZ_SYS_ftruncate, 0, 0) == SECCOMP_RET_ALLOW,
	   "but not what needs a descriptor for writing");
}

static void test_others(void)
{
	static struct sock_filter f[FILTER_MAX];
	struct filter_config c = { .denied = ~0U };
	struct seccomp_data d = { .nr = AZ_SYS_fork, .arch = AUDIT_ARCH_I386 };
	size_t n = filter_build(&c, f);

	ok(run(f, n, &d) == SECCOMP_RET_ALLOW,
	   "another machine's numbers mean nothing here");
}

int main(void)
{
	test_all();
	test_several();
	test_truncate();
	test_others();
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
