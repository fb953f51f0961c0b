/* SPDX-License-Identifier: MIT */
/*
 * patch_setuid.c - the child of a process that has dropped its privileges: what
 * its parent has used may still be written and moved, and is what it was.
 */
// variants: pie static
// modes: auto direct-1
#include <sys/mman.h>
#include <sys/wait.h>

#include "tap.h"

#define PAGE 4096UL

typedef long (*code_fn)(void);

static const uint8_t code[] = { 0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0xc3 };

/* The code, with something in front of it that is code as well. */
static uint8_t *make(void)
{
	uint8_t *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(p != MAP_FAILED);
	memset(p, 0x90, PAGE);
	memcpy(p + 640, code, sizeof(code));
	MUST(mprotect(p, PAGE, PROT_READ | PROT_EXEC) == 0);
	return p;
}

static int used(const uint8_t *p, long want)
{
	int bad = 0;

	for (int i = 0; i < 20; i++)
		bad += ((code_fn)(uintptr_t)(p + 640))() != want;
	return bad;
}

/* In the child: exit status, 0 if all is well. */
static int child(uint8_t *p, long parent)
{
	uint8_t *q;

	if (used(p, parent))
		return 1;
	q = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 16 * PAGE);
	if (q == MAP_FAILED || used(q, parent))
		return 2;
	if (mprotect(q, PAGE, PROT_READ | PROT_WRITE))
		return 3;
	if (memcmp(q + 640, code, sizeof(code)) != 0)
		return 4;
	q[641] = SYS_getpid;
	if (mprotect(q, PAGE, PROT_READ | PROT_EXEC))
		return 5;
	return used(q, getpid()) ? 6 : 0;
}

int main(void)
{
	uint8_t *p = make();
	int status;
	pid_t pid;

	IS(used(p, getppid()), 0, "it works");
	/* Not root: there is nothing to drop, and nothing to fail. */
	if (geteuid() == 0)
		MUST(setresgid(65534, 65534, 65534) == 0 &&
		     setresuid(65534, 65534, 65534) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0)
		_exit(child(p, getppid()));
	MUST(waitpid(pid, &status, 0) == pid);
	IS(status, 0, "in the child as well, and its bytes can be changed");
	IS(used(p, getppid()), 0, "and the parent's are its own");
	return tap_done();
}
