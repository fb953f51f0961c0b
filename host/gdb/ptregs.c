/* SPDX-License-Identifier: MIT */
/* ptregs.c - the registers of a thread that is traced and stopped. */
#include "gdb/ptregs.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

#define NT_XSTATE   0x202 /* <elf.h>: NT_X86_XSTATE */
#define XSTATE_ROOM 16384

static long trace(int what, pid_t tid, unsigned long addr, void *data)
{
	return syscall(SYS_ptrace, what, tid, addr, data);
}

static void regs_from(struct gdb_regs *r, const struct user_regs_struct *u)
{
	r->rax = u->rax, r->rbx = u->rbx, r->rcx = u->rcx, r->rdx = u->rdx;
	r->rsi = u->rsi, r->rdi = u->rdi, r->rbp = u->rbp, r->rsp = u->rsp;
	r->r8 = u->r8, r->r9 = u->r9, r->r10 = u->r10, r->r11 = u->r11;
	r->r12 = u->r12, r->r13 = u->r13, r->r14 = u->r14, r->r15 = u->r15;
	r->rip = u->rip;
	r->eflags = (uint32_t)u->eflags;
	r->cs = (uint32_t)u->cs, r->ss = (uint32_t)u->ss;
	r->ds = (uint32_t)u->ds, r->es = (uint32_t)u->es;
	r->fs = (uint32_t)u->fs, r->gs = (uint32_t)u->gs;
	r->orig_rax = u->orig_rax;
	r->fs_base = u->fs_base;
	r->gs_base = u->gs_base;
}

static void regs_to(struct user_regs_struct *u, const struct gdb_regs *r)
{
	u->rax = r->rax, u->rbx = r->rbx, u->rcx = r->rcx, u->rdx = r->rdx;
	u->rsi = r->rsi, u->rdi = r->rdi, u->rbp = r->rbp, u->rsp = r->rsp;
	u->r8 = r->r8, u->r9 = r->r9, u->r10 = r->r10, u->r11 = r->r11;
	u->r12 = r->r12, u->r13 = r->r13, u->r14 = r->r14, u->r15 = r->r15;
	u->rip = r->rip;
	u->eflags = r->eflags;
	u->orig_rax = r->orig_rax;
	u->fs_base = r->fs_base;
	u->gs_base = r->gs_base;
}

/* All of the image, as it has to be given back as a whole. */
static size_t xstate_get(pid_t tid, uint8_t *image)
{
	struct iovec iov = { image, XSTATE_ROOM };

	memset(image, 0, XSTATE_ROOM);
	if (trace(PTRACE_GETREGSET, tid, NT_XSTATE, &iov))
		return 0;
	return iov.iov_len;
}

int ptregs_get(pid_t tid, struct gdb_regs *r)
{
	static uint8_t image[XSTATE_ROOM];
	struct user_regs_struct u;
	size_t n;

	memset(r, 0, sizeof(*r));
	if (trace(PTRACE_GETREGS, tid, 0, &u))
		return -ESRCH;
	regs_from(r, &u);
	r->known = REGS_KEPT | REGS_GENERAL | REGS_BASES;
	n = xstate_get(tid, image);
	if (!n)
		return 0;
	memcpy(r->xsave, image, n < REGS_XSAVE ? n : REGS_XSAVE);
	r->known |= REGS_X87 | REGS_SSE | (n >= REGS_XSAVE ? REGS_AVX : 0);
	return 0;
}

int ptregs_set(pid_t tid, const struct gdb_regs *r)
{
	static uint8_t image[XSTATE_ROOM];
	struct user_regs_struct u;
	struct iovec iov = { image, 0 };

	if (trace(PTRACE_GETREGS, tid, 0, &u))
		return -ESRCH;
	regs_to(&u, r);
	if (trace(PTRACE_SETREGS, tid, 0, &u))
		return -errno;
	iov.iov_len = xstate_get(tid, image);
	if (iov.iov_len < REGS_XSAVE)
		return 0;
	memcpy(image, r->xsave, REGS_XSAVE);
	if (trace(PTRACE_SETREGSET, tid, NT_XSTATE, &iov))
		return -errno;
	return 0;
}
