/* SPDX-License-Identifier: MIT */
/*
 * sigframe.c - a handler's frame on the program's stack, exactly as Linux
 * lays it out (arch/x86/kernel/signal_64.c, fpu/signal.c; the layout is ABI:
 * unwinders, debuggers and language runtimes read it).
 *
 * The unikernel uses general registers only, so the program's vector
 * registers are live here: they are saved straight into the frame and loaded
 * straight from it. What comes back from the program is hostile: user_xrstor
 * survives any image, and only flags that belong to the program are taken.
 */
#include "sys/sigframe.h"

#include "calls.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "lib/user.h"
#include "sched/thread.h"

#define RED_ZONE    128
#define FRAME_ALIGN 16
#define XSAVE_ALIGN 64

/* ucontext.flags, <asm/ucontext.h>. */
#define UC_FP_XSTATE         1
#define UC_SIGCONTEXT_SS     2
#define UC_STRICT_RESTORE_SS 4

/* Linux's selectors for 64-bit programs, <asm/segment.h>. */
#define USER_CS 0x33
#define USER_DS 0x2b

/* RFLAGS, Intel SDM 1 §3.4.3. */
#define FLAG_TF 0x100ULL
#define FLAG_DF 0x400ULL
#define FLAG_RF 0x10000ULL
/* CF PF AF ZF SF TF DF OF RF AC: what sigreturn takes from the frame. */
#define FLAGS_PROGRAM (0x40dd5ULL | FLAG_RF)

/* The XSAVE image, Intel SDM 1 §13.4. */
#define FX_SIZE            512
#define FX_MXCSR           24
#define FX_SOFTWARE        464 /* bytes left to software */
#define XHEADER_SIZE       64
#define XFEATURE_FP_SSE    3ULL
#define XFEATURE_PKRU      (1ULL << 9)
#define XFEATURE_TILE_DATA (1ULL << 18)
#define NXFEATURES         63
#define CPUID_XSTATE       0xd
#define MXCSR_BITS         0xffffU

/* struct _fpx_sw_bytes, <asm/sigcontext.h>. */
#define FP_XSTATE_MAGIC1 0x46505853U
#define FP_XSTATE_MAGIC2 0x46505845U

struct fx_software {
	uint32_t magic1;
	uint32_t extended_size; /* with magic2 */
	uint64_t xfeatures;
	uint32_t xstate_size;
	uint32_t pad[7];
};

_Static_assert(sizeof(struct fx_software) == FX_SIZE - FX_SOFTWARE, "sw");

struct fx_image {
	_Alignas(XSAVE_ALIGN) uint8_t fx[FX_SIZE];
	uint8_t header[XHEADER_SIZE]; /* zero: every component is initial */
};

/* fcw 0x37f, mxcsr 0x1f80: masked exceptions, as at program start. */
static const struct fx_image initial = {
	.fx = { [0] = 0x7f,
		[1] = 0x03,
		[FX_MXCSR] = 0x80,
		[FX_MXCSR + 1] = 0x1f },
};

/* --- vector state --- */

static bool has_xsave(void)
{
	return BOOT->flags & AZ_BOOT_XSAVE;
}

/* Linux leaves AMX tiles out unless the program asked for them. */
static uint64_t xfeatures(void)
{
	return BOOT->xsave_mask & ~XFEATURE_TILE_DATA;
}

static uint32_t xfeature_end(uint32_t i)
{
	uint32_t size = CPUID_XSTATE;
	uint32_t offset;
	uint32_t c = i;
	uint32_t d;

	__asm__("cpuid" : "+a"(size), "=b"(offset), "+c"(c), "=d"(d));
	return offset + size;
}

/* Bytes of the image in a frame. */
static uint32_t xstate_size(void)
{
	static uint32_t size;
	uint32_t n = FX_SIZE + XHEADER_SIZE;

	if (!has_xsave())
		return FX_SIZE;
	if (!(BOOT->xsave_mask & XFEATURE_TILE_DATA))
		return (uint32_t)BOOT->xsave_size;
	if (size) /* cpuid is slow in a virtual machine */
		return size;
	for (uint32_t i = 2; i < NXFEATURES; i++)
		if (xfeatures() >> i & 1)
			n = MAX(n, xfeature_end(i));
	size = n;
	return n;
}

static uint32_t vector_size(void)
{
	return xstate_size() + (has_xsave() ? sizeof(uint32_t) : 0);
}

static int vector_save(uint64_t fp)
{
	uint32_t size = xstate_size();
	uint32_t magic2 = FP_XSTATE_MAGIC2;
	struct fx_software sw = {
		.magic1 = FP_XSTATE_MAGIC1,
		.extended_size = size + (uint32_t)sizeof(magic2),
		.xfeatures = xfeatures(),
		.xstate_size = size,
	};
	uint64_t in_image;

	if (!has_xsave())
		return (int)user_xsave(fp, 0);
	if (zero_user(fp + FX_SIZE, XHEADER_SIZE) ||
	    user_xsave(fp, xfeatures()) ||
	    copy_to_user(fp + FX_SOFTWARE, &sw, sizeof(sw)) ||
	    copy_to_user(fp + size, &magic2, sizeof(magic2)) ||
	    copy_from_user(&in_image, fp + FX_SIZE, sizeof(in_image)))
		return -EFAULT;
	/* Handlers edit x87 and SSE state without setting these bits. */
	in_image |= XFEATURE_FP_SSE;
	return copy_to_user(fp + FX_SIZE, &in_image, sizeof(in_image));
}

/* Bring `features` into their initial state. */
static void vector_reset(uint64_t features)
{
	if (!has_xsave())
		__asm__ volatile("fxrstor64 %0" ::"m"(initial));
	else
		__asm__ volatile("xrstor64 %0" ::"m"(initial),
				 "a"((uint32_t)features),
				 "d"((uint32_t)(features >> 32)));
}

/* What an image without (valid) software bytes holds: x87 and SSE. */
static int vector_restore_fx(uint64_t fp)
{
	struct fx_image image;
	uint32_t mxcsr;

	if (fp % FRAME_ALIGN || copy_from_user(image.fx, fp, sizeof(image.fx)))
		return -EFAULT;
	memcpy(&mxcsr, image.fx + FX_MXCSR, sizeof(mxcsr));
	if (mxcsr & ~MXCSR_BITS)
		return -EFAULT;
	vector_reset(xfeatures() & ~XFEATURE_FP_SSE);
	__asm__ volatile("fxrstor64 %0" ::"m"(image));
	return 0;
}

static int vector_restore(uint64_t fp)
{
	struct fx_software sw;
	uint32_t size = xstate_size();
	uint32_t magic2;

	if (!fp) {
		vector_reset(xfeatures() & ~XFEATURE_PKRU);
		return 0;
	}
	if (!has_xsave())
		return (int)user_xrstor(fp, 0);
	if (copy_from_user(&sw, fp + FX_SOFTWARE, sizeof(sw)))
		return -EFAULT;
	if (sw.magic1 != FP_XSTATE_MAGIC1 || sw.xstate_size > size ||
	    sw.xstate_size < FX_SIZE + XHEADER_SIZE ||
	    sw.xstate_size > sw.extended_size)
		return vector_restore_fx(fp);
	if (copy_from_user(&magic2, fp + size, sizeof(magic2)))
		return -EFAULT;
	if (magic2 != FP_XSTATE_MAGIC2)
		return vector_restore_fx(fp);
	sw.xfeatures &= xfeatures();
	if (user_xrstor(fp, sw.xfeatures))
		return -EFAULT;
	if (sw.xfeatures != xfeatures())
		vector_reset(xfeatures() & ~sw.xfeatures & ~XFEATURE_PKRU);
	return 0;
}

/* --- building --- */

/*
 * Where the frame goes for code that runs on `from`, and *fp, where the vector
 * state goes. 0: the alternate stack is too small.
 */
static uint64_t frame_place(uint64_t from, uint64_t flags, uint64_t *fp)
{
	const struct thread_signals *s = &thread_self()->sig;
	uint64_t sp = from - RED_ZONE;
	bool on_alt = sigstack_flags(from) == SS_ONSTACK;

	if ((flags & SA_ONSTACK) && sigstack_flags(sp) == 0) {
		sp = s->alt_sp + s->alt_size;
		on_alt = true;
	}
	*fp = ALIGN_DOWN(sp - vector_size(), XSAVE_ALIGN);
	/* As after a call: rsp + 8 is aligned. */
	sp = ALIGN_DOWN(*fp - sizeof(struct rt_sigframe), FRAME_ALIGN) - 8;
	if (on_alt && !sigstack_holds(sp))
		return 0;
	return sp;
}

static struct sigcontext context_of(const struct az_frame *f, uint64_t mask,
				    uint64_t fp)
{
	const struct thread_signals *s = &thread_self()->sig;

	return (struct sigcontext){
		.r8 = f->r8,
		.r9 = f->r9,
		.r10 = f->r10,
		.r11 = f->r11,
		.r12 = f->r12,
		.r13 = f->r13,
		.r14 = f->r14,
		.r15 = f->r15,
		.rdi = f->rdi,
		.rsi = f->rsi,
		.rbp = f->rbp,
		.rbx = f->rbx,
		.rdx = f->rdx,
		.rax = f->rax,
		.rcx = f->rcx,
		.rsp = f->rsp,
		.rip = f->rip,
		.eflags = f->rflags,
		.cs = USER_CS,
		.ss = USER_DS,
		.err = s->trap_error,
		.trapno = s->trap_nr,
		.oldmask = mask,
		.cr2 = s->trap_addr,
		.fpstate = fp,
	};
}

int sigframe_build(struct az_frame *f, const struct sig_taken *d, uint64_t mask)
{
	const struct thread_signals *s = &thread_self()->sig;
	struct rt_sigframe frame;
	uint64_t fp;
	uint64_t sp = frame_place(f->rsp, d->act.flags, &fp);
	size_t size = d->act.flags & SA_SIGINFO
			  ? sizeof(frame)
			  : offsetof(struct rt_sigframe, info);

	if (!sp || !(d->act.flags & SA_RESTORER) || vector_save(fp))
		return -EFAULT;
	frame = (struct rt_sigframe){
		.restorer = d->act.restorer,
		.uc = {
			.flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS |
				 (has_xsave() ? UC_FP_XSTATE : 0),
			.stack = { s->alt_sp, (int32_t)s->alt_flags, 0,
				   s->alt_size },
			.mcontext = context_of(f, mask, fp),
			.sigmask = mask,
		},
		.info = d->info,
	};
	if (copy_to_user(sp, &frame, size))
		return -EFAULT;
	f->rdi = (uint64_t)d->info.signo;
	f->rsi = sp + offsetof(struct rt_sigframe, info);
	f->rdx = sp + offsetof(struct rt_sigframe, uc);
	f->rax = 0;
	f->orig_rax = ~0ULL;
	f->rip = d->act.handler;
	f->rsp = sp;
	f->rflags &= ~(FLAG_DF | FLAG_RF | FLAG_TF);
	vector_reset(xfeatures() & ~XFEATURE_PKRU);
	return 0;
}

/* --- returning --- */

static void registers_restore(struct az_frame *f, const struct sigcontext *sc)
{
	f->r8 = sc->r8;
	f->r9 = sc->r9;
	f->r10 = sc->r10;
	f->r11 = sc->r11;
	f->r12 = sc->r12;
	f->r13 = sc->r13;
	f->r14 = sc->r14;
	f->r15 = sc->r15;
	f->rdi = sc->rdi;
	f->rsi = sc->rsi;
	f->rbp = sc->rbp;
	f->rbx = sc->rbx;
	f->rdx = sc->rdx;
	f->rax = sc->rax;
	f->rcx = sc->rcx;
	f->rsp = sc->rsp;
	f->rip = sc->rip;
	f->rflags = (f->rflags & ~FLAGS_PROGRAM) | (sc->eflags & FLAGS_PROGRAM);
}

long sys_rt_sigreturn(const uint64_t a[6])
{
	struct az_frame *f = thread_self()->frame;
	struct siginfo si = { .signo = SIGSEGV, .code = SI_KERNEL };
	uint64_t at = f->rsp - sizeof(uint64_t);
	struct ucontext uc;
	struct sigstack ss;

	(void)a;
	f->orig_rax = ~0ULL; /* nothing to restart */
	if (copy_from_user(&uc, at + offsetof(struct rt_sigframe, uc),
			   sizeof(uc)))
		goto out_bad;
	signal_set_mask(uc.sigmask);
	memcpy(&ss, &uc.stack, sizeof(ss));
	sigstack_set(&ss, f->rsp); /* errors are of no interest, as in Linux */
	registers_restore(f, &uc.mcontext);
	if (vector_restore(uc.mcontext.fpstate))
		goto out_bad;
	return (long)f->rax;
out_bad:
	f->rax = 0;
	signal_force(&si);
	return 0;
}
