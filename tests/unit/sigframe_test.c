/* SPDX-License-Identifier: MIT */
/*
 * sigframe_test.c - kernel/sys/sigframe.c beside Linux itself.
 *
 * A handler takes the frame that Linux has built for it, has sigframe.c build
 * one from the same registers at the same place, and compares the two byte by
 * byte. Then it returns through ours, by Linux's own rt_sigreturn.
 */
/* cflags: -DAZ_KERNEL -fno-sanitize=address */
#include <cpuid.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../kernel/sys/sigframe.c"
#include "../../kernel/sys/sigstack.c"

#define ARCH_SET_GS 0x1001
#define FRAME_MAX   16384
#define ALT_SIZE    65536

static int ntests, nfailed;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

/* --- the rest of the unikernel --- */

static struct core core;
static struct thread self;
static struct az_frame program; /* self.frame */
static int forced;
static uint64_t mask_set;
static uint64_t no_access; /* program memory from here on is not there */

static bool there(uint64_t at, size_t n)
{
	return at > 4096 && at + n > at && (!no_access || at + n <= no_access);
}

__attribute__((noinline)) int copy_from_user(void *dst, uint64_t src, size_t n)
{
	if (!there(src, n))
		return -EFAULT;
	memcpy(dst, (const void *)src, n);
	return 0;
}

__attribute__((noinline)) int copy_to_user(uint64_t dst, const void *src,
					   size_t n)
{
	if (!there(dst, n))
		return -EFAULT;
	memcpy((void *)dst, src, n);
	return 0;
}

int zero_user(uint64_t dst, size_t n)
{
	if (!there(dst, n))
		return -EFAULT;
	memset((void *)dst, 0, n);
	return 0;
}

long user_xsave(uint64_t dst, uint64_t mask)
{
	if (!there(dst, BOOT->xsave_size))
		return -EFAULT;
	__asm__ volatile("xsave64 (%0)" ::"r"(dst), "a"((uint32_t)mask),
			 "d"((uint32_t)(mask >> 32))
			 : "memory");
	return 0;
}

static uint64_t restored; /* mask of the last user_xrstor */

long user_xrstor(uint64_t src, uint64_t mask)
{
	if (!there(src, BOOT->xsave_size) || src % 64)
		return -EFAULT;
	restored = mask;
	return 0;
}

void signal_force(const struct siginfo *si)
{
	forced = si->signo;
}

void signal_set_mask(uint64_t mask)
{
	mask_set = mask;
}

/* --- Linux's side --- */

void host_restorer(void);
__asm__("host_restorer:\n"
	"	mov $15, %eax\n"
	"	syscall\n");

static void host_action(int sig, void *handler, uint64_t flags, uint64_t mask)
{
	struct sigact act = { (uint64_t)handler, flags | SA_RESTORER,
			      (uint64_t)host_restorer, mask };

	if (syscall(SYS_rt_sigaction, sig, &act, NULL, 8))
		exit(1);
}

static struct sigact host_act;
static uint8_t theirs[FRAME_MAX], ours[FRAME_MAX];
static size_t compared;
static uint64_t frame_at, fp_at;
static int built, ran;

static struct az_frame frame_of(const struct sigcontext *sc)
{
	return (struct az_frame){
		.r15 = sc->r15,
		.r14 = sc->r14,
		.r13 = sc->r13,
		.r12 = sc->r12,
		.rbp = sc->rbp,
		.rbx = sc->rbx,
		.r11 = sc->r11,
		.r10 = sc->r10,
		.r9 = sc->r9,
		.r8 = sc->r8,
		.rax = sc->rax,
		.rcx = sc->rcx,
		.rdx = sc->rdx,
		.rsi = sc->rsi,
		.rdi = sc->rdi,
		.orig_rax = ~0ULL,
		.rip = sc->rip,
		.cs = 0x33,
		.rflags = sc->eflags,
		.rsp = sc->rsp,
		.ss = 0x2b,
	};
}

/*
 * Linux's frame is at uc - 8. Building ours overwrites it, and nothing else:
 * this function and its callees are below.
 */
__attribute__((noinline)) static void handler(int sig, struct siginfo *si,
					      struct ucontext *uc)
{
	struct sig_taken d = { host_act, *si };
	struct az_frame f = frame_of(&uc->mcontext);
	uint64_t mask = uc->sigmask;

	(void)sig;
	ran++;
	frame_at = (uint64_t)uc - 8;
	fp_at = uc->mcontext.fpstate;
	compared = fp_at + vector_size() - frame_at;
	memcpy(theirs, (void *)frame_at, compared);
	self.sig.trap_nr = uc->mcontext.trapno;
	self.sig.trap_error = uc->mcontext.err;
	self.sig.trap_addr = uc->mcontext.cr2;
	self.sig.alt_sp = uc->stack.sp;
	self.sig.alt_size = uc->stack.size;
	self.sig.alt_flags = (uint32_t)uc->stack.flags;
	/* Linux keeps to itself what it does not write. */
	memset((void *)(fp_at - 8), 0, vector_size() + 8);
	built = sigframe_build(&f, &d, mask);
	program = f;
	memcpy(ours, (void *)frame_at, compared);
	/* Our image has this handler's registers: put the program's back. */
	memcpy((void *)(fp_at + 576), theirs + (fp_at + 576 - frame_at),
	       xstate_size() - 576);
	memcpy((void *)fp_at, theirs + (fp_at - frame_at), 464);
}

static bool same(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (ours[i] != theirs[i]) {
			printf("# byte %zu: %02x, Linux %02x\n", i, ours[i],
			       theirs[i]);
			return false;
		}
	return true;
}

#define UC offsetof(struct rt_sigframe, uc)
#define SC (UC + offsetof(struct ucontext, mcontext))

static void compare(const char *what)
{
	char name[80];
	size_t fp = fp_at - frame_at;
	uint64_t head[2];

	snprintf(name, sizeof(name), "%s: built where Linux builds it", what);
	ok(built == 0 && program.rsp == frame_at, name);
	snprintf(name, sizeof(name), "%s: restorer and ucontext", what);
	/* Linux leaves the padding of stack_t as it was. */
	memset(theirs + UC + 28, 0, 4);
	ok(same(0, SC + offsetof(struct sigcontext, reserved)) &&
	       same(UC + offsetof(struct ucontext, sigmask),
		    UC + sizeof(struct ucontext)),
	   name);
	snprintf(name, sizeof(name), "%s: siginfo", what);
	ok(same(offsetof(struct rt_sigframe, info),
		offsetof(struct rt_sigframe, info) + 48),
	   name);
	snprintf(name, sizeof(name), "%s: software bytes and magic", what);
	ok(same(fp + FX_SOFTWARE, fp + FX_SIZE) &&
	       same(fp + xstate_size(), fp + vector_size()),
	   name);
	memcpy(&head[0], ours + fp + FX_SIZE, 8);
	memcpy(&head[1], theirs + fp + FX_SIZE, 8);
	snprintf(name, sizeof(name), "%s: header of the XSAVE image", what);
	ok((head[0] & 3) == 3 && (head[1] & 3) == 3 &&
	       !(head[0] & ~xfeatures()) &&
	       same(fp + FX_SIZE + 8, fp + FX_SIZE + XHEADER_SIZE),
	   name);
}

static void kill_self(int sig)
{
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig);
}

/* Registers that sigreturn must bring back, vector ones too. */
static bool registers_survive(int sig)
{
	uint64_t r12 = 0x1212, xmm = 0x1234567890abcdef, got_r12, got_xmm;
	long pid = getpid(), tid = syscall(SYS_gettid);

	__asm__ volatile("movq %[r12v], %%r12\n\t"
			 "movq %[xmmv], %%xmm7\n\t"
			 "std\n\t"
			 "movl $234, %%eax\n\t" /* tgkill */
			 "syscall\n\t"
			 "pushfq\n\t"
			 "cld\n\t"
			 "popq %%rcx\n\t"
			 "movq %%r12, %[got_r12]\n\t"
			 "movq %%xmm7, %[got_xmm]\n\t"
			 "andl $0x400, %%ecx\n\t"
			 "subl $0x400, %%ecx\n\t"
			 "movslq %%ecx, %%rcx\n\t"
			 "addq %%rcx, %[got_r12]\n\t"
			 : [got_r12] "=&m"(got_r12), [got_xmm] "=&m"(got_xmm)
			 : [r12v] "m"(r12), [xmmv] "m"(xmm), "D"(pid), "S"(tid),
			   "d"(sig)
			 : "rax", "rcx", "r11", "r12", "xmm7", "memory");
	return got_r12 == r12 && got_xmm == xmm;
}

static void test_beside_linux(void)
{
	static uint8_t alt[ALT_SIZE];
	struct sigstack ss = { .sp = (uint64_t)alt, .size = ALT_SIZE };
	uint64_t set = SIGBIT(SIGUSR2) | SIGBIT(40);

	host_act = (struct sigact){ (uint64_t)handler, SA_SIGINFO | SA_RESTORER,
				    (uint64_t)host_restorer, 0 };
	host_action(SIGUSR1, handler, SA_SIGINFO, 0);
	syscall(SYS_rt_sigprocmask, 2, &set, NULL, 8);
	kill_self(SIGUSR1);
	compare("plain");
	ok(registers_survive(SIGUSR1) && ran == 2,
	   "Linux's sigreturn takes our frame");

	host_act.flags |= SA_ONSTACK;
	host_action(SIGUSR1, handler, SA_SIGINFO | SA_ONSTACK, 0);
	syscall(SYS_sigaltstack, &ss, NULL);
	kill_self(SIGUSR1);
	ok(frame_at - (uint64_t)alt < ALT_SIZE, "on the alternate stack");
	compare("altstack");

	host_action(SIGSEGV, handler, SA_SIGINFO | SA_ONSTACK, 0);
	host_action(SIGALRM, handler, SA_SIGINFO | SA_ONSTACK, 0);
	*(volatile uint64_t *)&set = 0;
	syscall(SYS_alarm, 1);
	syscall(SYS_pause);
	compare("alarm");
	ss.flags = SS_DISABLE;
	syscall(SYS_sigaltstack, &ss, NULL);
}

/* --- our own way back --- */

static uint64_t stack_top;

/* A frame of ours on a stack of its own, then the handler's ret. */
static struct rt_sigframe *frame_on(uint64_t sp)
{
	struct sig_taken d = {
		{ 0x7000, SA_RESTORER | SA_SIGINFO, 0x8000, 0 },
		{ .signo = SIGUSR1 },
	};

	for (size_t i = 0; i < sizeof(program) / 8; i++)
		((uint64_t *)&program)[i] = 0x100 + i;
	program.rsp = sp;
	program.rflags = 0x246;
	if (sigframe_build(&program, &d, 0xabcd))
		return NULL;
	return (struct rt_sigframe *)program.rsp;
}

static void sigreturn(void)
{
	static const uint64_t a[6];

	forced = 0;
	restored = 0;
	program.rsp += 8;
	program.rax = 15;
	sys_rt_sigreturn(a);
}

static void test_round_trip(void)
{
	struct az_frame before;
	struct rt_sigframe *f = frame_on(stack_top);
	uint64_t fp;

	ok(f && program.rip == 0x7000 && program.rdi == SIGUSR1 &&
	       program.rsi == (uint64_t)&f->info &&
	       program.rdx == (uint64_t)&f->uc && program.rax == 0 &&
	       (program.rsp & 15) == 8,
	   "a handler's registers");
	ok(program.rsp + sizeof(*f) <= stack_top - RED_ZONE,
	   "the red zone is left alone");
	memset(&before, 0, sizeof(before));
	before = frame_of(&f->uc.mcontext);
	fp = f->uc.mcontext.fpstate;
	program.r8 = program.rbx = 0;
	program.rflags = 0x202;
	sigreturn();
	program.cs = before.cs;
	program.ss = before.ss;
	ok(!memcmp(&before, &program, sizeof(before)) && !forced &&
	       mask_set == 0xabcd && restored == xfeatures() && fp,
	   "come back as they were");
}

static void test_hostile_flags(void)
{
	struct rt_sigframe *f = frame_on(stack_top);

	f->uc.mcontext.eflags = ~0ULL;
	f->uc.mcontext.cs = 0x10;
	f->uc.mcontext.ss = 0;
	program.rflags = 0x202;
	sigreturn();
	ok(!forced && program.rflags == (0x202 | FLAGS_PROGRAM) &&
	       program.cs == 0x111 && program.ss == 0x114,
	   "only flags of the program, no segments");
}

/* What a damaged image leads to. */
static void test_hostile_image(void)
{
	struct rt_sigframe *f = frame_on(stack_top);
	uint32_t word;
	uint64_t fp = f->uc.mcontext.fpstate;

	f->uc.mcontext.fpstate += 8;
	sigreturn();
	ok(forced == SIGSEGV, "an image that XRSTOR refuses: SIGSEGV");
	f = frame_on(stack_top);
	f->uc.mcontext.fpstate = 16;
	sigreturn();
	ok(forced == SIGSEGV && program.rax == 0 && program.orig_rax == ~0ULL,
	   "no image there: SIGSEGV");
	f = frame_on(stack_top);
	word = 0;
	memcpy((void *)(fp + FX_SOFTWARE), &word, sizeof(word));
	sigreturn();
	ok(!forced && !restored, "no magic: x87 and SSE only");
	f = frame_on(stack_top);
	memcpy((void *)(fp + xstate_size()), &word, sizeof(word));
	sigreturn();
	ok(!forced && !restored, "no second magic: the same");
	f = frame_on(stack_top);
	word = ~0U;
	memcpy((void *)(fp + FX_SOFTWARE), &(uint32_t){ 0 }, sizeof(word));
	memcpy((void *)(fp + FX_MXCSR), &word, sizeof(word));
	sigreturn();
	ok(forced == SIGSEGV, "reserved bits in MXCSR: SIGSEGV");
	f = frame_on(stack_top);
	memset((void *)(fp + FX_SOFTWARE + 8), 0xff, 8);
	sigreturn();
	ok(!forced && restored == xfeatures(), "features that are not there");
	f = frame_on(stack_top);
	f->uc.mcontext.fpstate = 0;
	sigreturn();
	ok(!forced && !restored, "no image at all is allowed");
	frame_on(stack_top);
	program.rsp = 24;
	sigreturn();
	ok(forced == SIGSEGV, "no frame: SIGSEGV");
}

static void test_no_room(void)
{
	int failed = 0, n = 0;
	uint64_t at;

	frame_on(stack_top);
	/* The stack ends inside each part of the frame. */
	for (at = stack_top - RED_ZONE - 1; at > stack_top - FRAME_MAX;
	     at -= 64) {
		no_access = at;
		n++;
		failed += frame_on(stack_top) == NULL;
	}
	no_access = 0;
	ok(failed > 10 && failed < n, "a frame that cannot be written fails");
	self.sig.alt_sp = stack_top - FRAME_MAX;
	self.sig.alt_size = 1000;
	ok(frame_place(stack_top, SA_ONSTACK, &at) == 0,
	   "an alternate stack that is too small");
	ok(frame_place(stack_top, 0, &at) != 0,
	   "is not used without SA_ONSTACK");
	self.sig.alt_size = 0;
}

/* --- sigaltstack --- */

static long altstack(const struct sigstack *new, struct sigstack *old)
{
	const uint64_t a[6] = { (uint64_t) new, (uint64_t)old };

	return sys_sigaltstack(a);
}

/* The same call to Linux must give the same result. */
static bool agrees(uint64_t sp, uint32_t flags, uint64_t size)
{
	struct sigstack ss = { sp, flags, 0, size };
	struct sigstack here = { 0 }, there_ = { 0 };
	long r = altstack(&ss, NULL);
	long host = syscall(SYS_sigaltstack, &ss, NULL);

	altstack(NULL, &here);
	syscall(SYS_sigaltstack, NULL, &there_);
	return r == (host ? -errno : 0) &&
	       !memcmp(&here, &there_, sizeof(here));
}

static void test_altstack(void)
{
	static uint8_t alt[ALT_SIZE];
	uint64_t at = (uint64_t)alt;
	static const uint32_t flags[] = { 0,
					  SS_ONSTACK,
					  SS_DISABLE,
					  3,
					  4,
					  SS_AUTODISARM,
					  SS_AUTODISARM | SS_ONSTACK,
					  SS_AUTODISARM | SS_DISABLE,
					  ~0U };
	static const uint64_t sizes[] = { 0, 2047, 2048, ALT_SIZE };
	bool all = true;
	uint64_t fp, sp;

	sigstack_reset();
	program.rsp = stack_top;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		for (size_t j = 0; j < ARRAY_SIZE(sizes); j++)
			all = agrees(at, flags[i], sizes[j]) && all;
	ok(all, "sigaltstack answers as Linux does");
	ok(altstack((void *)16, NULL) == -EFAULT &&
	       altstack(NULL, (void *)16) == -EFAULT,
	   "EFAULT");
	altstack(&(struct sigstack){ at, 0, 0, ALT_SIZE }, NULL);
	program.rsp = at + 100;
	ok(altstack(&(struct sigstack){ at, 0, 0, 4096 }, NULL) == -EPERM &&
	       sigstack_flags(at + 100) == SS_ONSTACK,
	   "EPERM on the stack itself");
	sp = frame_place(at + ALT_SIZE - 500, SA_ONSTACK, &fp);
	ok(sp < at + ALT_SIZE - 500 && sp > at + ALT_SIZE - FRAME_MAX,
	   "a nested handler goes on below");
	self.sig.alt_flags = SS_AUTODISARM;
	ok(altstack(&(struct sigstack){ at, 0, 0, 4096 }, NULL) == 0,
	   "SS_AUTODISARM: not in use while a handler runs");
	sigstack_reset();
	self.sig.alt_size = 0;
}

static void machine_init(void)
{
	void *at = (void *)AZ_BOOT_BASE;
	uint8_t *stack;
	uint32_t lo, hi, eax, ebx, ecx, edx;

	if (mmap(at, sizeof(struct az_boot), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
		exit(1);
	__cpuid_count(1, 0, eax, ebx, ecx, edx);
	if (!(ecx >> 27 & 1)) {
		printf("1..0 # SKIP this processor has no XSAVE\n");
		exit(0);
	}
	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	__cpuid_count(0xd, 0, eax, ebx, ecx, edx);
	BOOT->flags = AZ_BOOT_XSAVE;
	BOOT->xsave_mask = lo | (uint64_t)hi << 32;
	BOOT->xsave_size = ebx;
	core.az.self = (uint64_t)&core;
	core.current = &self;
	self.frame = &program;
	syscall(SYS_arch_prctl, ARCH_SET_GS, &core);
	stack = mmap(NULL, 4 * FRAME_MAX, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_top = (uint64_t)stack + 3 * FRAME_MAX;
}

int main(void)
{
	machine_init();
	test_beside_linux();
	test_round_trip();
	test_hostile_flags();
	test_hostile_image();
	test_no_room();
	test_altstack();
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
