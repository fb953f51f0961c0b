/* SPDX-License-Identifier: MIT */
/*
 * signals.c - what platforms share: signals of the process, az_core.
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "boot.h"
#include "plat/plat.h"

#define BOOT               ((struct az_boot *)AZ_BOOT_BASE)
#define KERNEL_SA_RESTORER 0x04000000

struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

static struct kernel_sigaction of_child; /* SIGCHLD's, without SA_NOCLDWAIT */

/* Those whose handler does not return: kernel/plat/pico.c:leave. */
static bool is_upcall(int sig)
{
	return sig == SIGSYS || sig == SIGSEGV || sig == SIGBUS ||
	       sig == SIGFPE || sig == SIGILL || sig == SIGTRAP;
}

int signals_take(uint64_t handler, uint64_t restorer, bool upcalls)
{
	struct kernel_sigaction sa = {
		.handler = handler,
		.restorer = restorer,
	};
	uint64_t ignored = 0;

	for (int sig = 1; sig <= 64; sig++) {
		struct kernel_sigaction old;

		if (sig == SIGKILL || sig == SIGSTOP)
			continue;
		sa.flags = SA_SIGINFO | SA_ONSTACK | KERNEL_SA_RESTORER;
		sa.mask = ~0ULL;
		if (upcalls && is_upcall(sig)) {
			sa.flags |= SA_NODEFER;
			sa.mask = 0;
		}
		if (syscall(SYS_rt_sigaction, sig, &sa, &old, 8))
			return -errno;
		if (old.handler == 1) /* SIG_IGN */
			ignored |= 1ULL << (sig - 1);
		if (sig != SIGCHLD)
			continue;
		of_child = sa;
		if (old.handler == 1)
			BOOT->reaps = 1;
	}
	BOOT->sig_ignored |= ignored;
	return signals_reap();
}

int signals_reap(void)
{
	struct kernel_sigaction sa = of_child;

	if (BOOT->reaps)
		sa.flags |= SA_NOCLDWAIT;
	return syscall(SYS_rt_sigaction, SIGCHLD, &sa, NULL, 8) ? -errno : 0;
}

struct az_core *plat_core_init(uint32_t i)
{
	struct az_core *az = plat_core(i);

	az->self = (uint64_t)az;
	az->index = i;
	az->started = 1;
	az->creds_seq = BOOT->creds_seq;
	return az;
}
