/* SPDX-License-Identifier: MIT */
/*
 * apart.h - cores that are no threads of Linux: those of kvm and metal.
 *
 * Each has a thread in the owner that stands for it: it sits in the ioctl that
 * runs the core, makes the calls that the unikernel needs without a ring, and
 * bears the core's CPU time. It runs C code of the owner only.
 *
 * The unikernel is a stranger to its owner here: az_core, az_boot and the
 * monitor page may change at any time and hold anything.
 */
#ifndef PLAT_APART_H
#define PLAT_APART_H

#include <signal.h>
#include <stdint.h>

#include "boot.h"
#include "metal.h"
#include "plat/plat.h"

/* What a platform does with the thread of a core. */
struct apart {
	/* begin - in it, first: 0, or -errno and *why; start_core's answer. */
	int (*begin)(uint32_t core, const char **why);
	/* run - then, until the instance ends. */
	void (*run)(uint32_t core);
	/* kicked - AZ_SIG_KICK has come: in its handler. May be NULL. */
	void (*kicked)(uint32_t core, const siginfo_t *si);
	/* ending - the process is about to end, from core. May be NULL. */
	void (*ending)(uint32_t core);
	/* kick - kick_core of the platform. */
	void (*kick)(uint32_t core);
	/*
	 * resume - this process stands for the core in place of another one,
	 * which may have left something half done. May be NULL.
	 */
	void (*resume)(uint32_t core);
};

/*
 * apart_create - the part of create that both have: p stays, and all signals
 * of this process are taken. 0 or -errno.
 */
int apart_create(struct plat_instance *p, const struct apart *threads);

/* apart_start - start_core: a thread for core i. As begin, or -errno. */
int apart_start(uint32_t i, const char **why);

/* apart_page - core i's monitor page. */
static inline struct azm_page *apart_page(uint32_t i)
{
	return (struct azm_page *)((char *)plat_core(i) + AZ_CORE_PLAT);
}

/*
 * apart_call - page->call, checked as if it came by a ring: what the unikernel
 * may ask for there, it may ask for here.
 */
void apart_call(uint32_t core);

/*
 * apart_stand - this thread stands for core from now on: core's own, or for a
 * while a child of vfork (process.h); in a call of the core's, or not. Was the
 * one before?
 * apart_signal - send AZ_SIG_KICK to whoever does.
 */
bool apart_stand(uint32_t core, bool calling);
void apart_signal(uint32_t core);

/* apart_end - core ends the process, as its program did: see wait4(2). */
_Noreturn void apart_end(uint32_t core, int status);
/* apart_die - the same for a process that only stands for a core. */
_Noreturn void apart_die(int status);

/* apart_lost - core ends without its program's doing, and all with it. */
_Noreturn void apart_lost(uint32_t core, const char *why);

#endif
