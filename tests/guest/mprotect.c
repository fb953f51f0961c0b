/* SPDX-License-Identifier: MIT */
/*
 * mprotect.c - protection is real: each access that it forbids faults with
 * the right signal, code and address, and works again when allowed again.
 */
#include <sys/mman.h>

#include "fault.h"

#define PG   4096UL
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW   (PROT_READ | PROT_WRITE)

static void check_matrix(char *p)
{
	p[0] = 7;
	MUST(mprotect(p, PG, PROT_READ) == 0);
	IS(fault_read(p), 0, "PROT_READ can be read");
	FAULT(fault_write(p + 5), SIGSEGV, SEGV_ACCERR, p + 5,
	      "PROT_READ cannot be written");
	MUST(mprotect(p, PG, PROT_NONE) == 0);
	FAULT(fault_read(p + 9), SIGSEGV, SEGV_ACCERR, p + 9,
	      "PROT_NONE cannot be read");
	FAULT(fault_write(p + 9), SIGSEGV, SEGV_ACCERR, p + 9,
	      "PROT_NONE cannot be written");
	MUST(mprotect(p, PG, RW) == 0);
	IS(fault_write(p + 1), 0, "writable again");
	IS(p[0], 7, "the contents stayed");
	FAULT(fault_call(p), SIGSEGV, SEGV_ACCERR, p,
	      "data cannot be executed");
	MUST(mprotect(p, PG, PROT_WRITE) == 0);
	IS(fault_read(p), 0, "PROT_WRITE implies reading on x86");
	MUST(mprotect(p, PG, RW) == 0);
}

static void check_exec(char *p)
{
	/* mov $42, %eax; ret */
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };

	memcpy(p, code, sizeof(code));
	MUST(mprotect(p, PG, PROT_READ | PROT_EXEC) == 0);
	IS(((int (*)(void))(void *)p)(), 42,
	   "code written and made executable");
	FAULT(fault_write(p), SIGSEGV, SEGV_ACCERR, p, "it is read-only");
	MUST(mprotect(p, PG, RW) == 0);
	p[1] = 43;
	MUST(mprotect(p, PG, PROT_READ | PROT_EXEC) == 0);
	IS(((int (*)(void))(void *)p)(), 43, "changed code runs changed");
	MUST(mprotect(p, PG, RW | PROT_EXEC) == 0);
	p[1] = 44;
	IS(((int (*)(void))(void *)p)(), 44, "writable and executable");
	MUST(mprotect(p, PG, RW) == 0);
}

/* A program's own system call from freshly made code. */
static void check_exec_syscall(char *p)
{
	/* mov $39, %eax; syscall; ret */
	static const unsigned char code[] = { 0xb8, 39,   0,    0,
					      0,    0x0f, 0x05, 0xc3 };

	memcpy(p, code, sizeof(code));
	MUST(mprotect(p, PG, PROT_READ | PROT_EXEC) == 0);
	for (int i = 0; i < 3; i++)
		if (((int (*)(void))(void *)p)() != getpid())
			OK(0, "getpid from made code");
	OK(1, "a system call from made code");
	MUST(mprotect(p, PG, RW) == 0);
}

static void check_split(char *p)
{
	int bad = 0;

	memset(p, 3, 16 * PG);
	for (int i = 0; i < 16; i += 2)
		MUST(mprotect(p + i * PG, PG, PROT_READ) == 0);
	for (int i = 0; i < 16; i++)
		bad += (fault_write(p + i * PG) != 0) != (i % 2 == 0);
	IS(bad, 0, "every second page read-only");
	MUST(mprotect(p + PG, 10 * PG, PROT_NONE) == 0);
	for (int i = 0; i < 16; i++)
		bad += (fault_read(p + i * PG) != 0) != (i >= 1 && i < 11);
	IS(bad, 0, "a range across them without access");
	MUST(mprotect(p, 16 * PG, RW) == 0);
	for (int i = 0; i < 16; i++)
		bad += fault_write(p + i * PG) != 0;
	IS(bad, 0, "all writable again");
	for (int i = 0; i < 16; i++)
		bad += p[i * PG + 100] != 3;
	IS(bad, 0, "all as it was");
}

static void check_kernel_access(char *p)
{
	int fd[2];

	MUST(pipe(fd) == 0);
	MUST(mprotect(p, PG, PROT_READ) == 0);
	MUST(write(fd[1], "abcd", 4) == 4);
	ERR(read(fd[0], p, 4), EFAULT, "read(2) into read-only memory");
	MUST(mprotect(p, PG, PROT_NONE) == 0);
	ERR(write(fd[1], p, 4), EFAULT, "write(2) from PROT_NONE memory");
	MUST(mprotect(p, PG, RW) == 0);
	/* Whether the failed read took the data is Linux's affair. */
	MUST(write(fd[1], "abcd", 4) == 4);
	OK(read(fd[0], p, 4) == 4, "read(2) after it was allowed again");
	close(fd[0]);
	close(fd[1]);
}

static void check_bad_addresses(void)
{
	FAULT(fault_read(NULL), SIGSEGV, SEGV_MAPERR, 0, "address 0");
	FAULT(fault_write((void *)8), SIGSEGV, SEGV_MAPERR, 8, "address 8");
	FAULT(fault_call(NULL), SIGSEGV, SEGV_MAPERR, 0, "a jump to 0");
	FAULT(fault_read((void *)0x7ffffffff000), SIGSEGV, SEGV_MAPERR,
	      0x7ffffffff000, "the last user page");
	FAULT(fault_read((void *)0x800000000000), SIGSEGV, SI_KERNEL, 0,
	      "an address that is not canonical");
	FAULT(fault_read((void *)0xffff800000000000), SIGSEGV, SEGV_MAPERR,
	      0xffff800000000000, "the kernel's half");
	FAULT(fault_read((void *)-1UL), SIGSEGV, SEGV_MAPERR, -1UL,
	      "the very last byte");
}

int main(void)
{
	char *p;

	fault_init();
	p = mmap(NULL, 16 * PG, RW, ANON, -1, 0);
	MUST(p != MAP_FAILED);
	check_matrix(p);
	check_exec(p);
	check_exec_syscall(p);
	check_split(p);
	check_kernel_access(p);
	check_bad_addresses();
	return tap_done();
}
