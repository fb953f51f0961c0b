/* SPDX-License-Identifier: MIT */
/*
 * plat.h - the host half of the platform contract.
 *
 * One implementation in each of host/plat/<name>.c, behind one struct, since
 * one binary holds them all and the platform is chosen at run time.
 *
 * The unikernel can write az_boot and the per-core blocks. On metal it is a
 * stranger to its owner: what decides anything comes from here instead.
 */
#ifndef PLAT_PLAT_H
#define PLAT_PLAT_H

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "monitor.h"

/* What a platform must know of the instance; all of it is the owner's own. */
struct plat_instance {
	const struct az_image_header *image;
	void (*signal)(int sig, siginfo_t *si, void *context);
	uint32_t ncores;
	bool cpus_given; /* by the user: take no others */
	bool debugged;   /* a debugger traces it already: kvm_debug.h */
	bool child;      /* of a process that has the CPUs of cores */
	uint32_t resume; /* cores before this one go on from a snapshot */
	uint16_t host_cpu[AZ_MAX_CORES]; /* start_core may change one */
	/* Hide one more, that start_core has opened: 0 or -errno. */
	int (*hide_fd)(int *fd);
};

struct plat {
	uint32_t id; /* AZ_PLAT_ */
	const char *name;
	/* Its open files after create, to be hidden from the program. */
	int *fds;
	uint32_t nfds;
	uint32_t nshared; /* so many of them, the first, are a child's, too */
	/*
	 * probe - 0 if instances of this platform can run here, else -errno
	 * and *why says what is missing.
	 */
	int (*probe)(const char **why);
	/*
	 * create - prepare this process for p, which stays; az_boot is filled.
	 * 0 or -errno, *why as with start_core.
	 */
	int (*create)(struct plat_instance *p, const char **why);
	/*
	 * start_core - run core i, on p->host_cpu[i], from the image's entry.
	 * 0, or -errno: then *why may say more, or be left alone.
	 */
	int (*start_core)(uint32_t i, const char **why);
	/* kick_core - make core i look at az_core.pending, see mon_kick. */
	void (*kick_core)(uint32_t i);
};

extern const struct plat plat_pico;
extern const struct plat plat_kvm;
extern const struct plat plat_metal;

/*
 * kvm_hardware - is this a KVM on the CPU's own virtualization, as far as can
 * be told without asking it? Else it is based on paging, or there is none.
 */
bool kvm_hardware(void);

/*
 * kvm_ask - make a virtual machine, and see: 1 if it is hardware's, 0 if it is
 * based on paging (PVM). Or -errno, *why as with probe. For a process that is
 * no owner.
 */
int kvm_ask(const char **why);

/*
 * signals_take - all signals of this process go to handler, on whatever thread
 * they arrive; restorer is its SA_RESTORER. Those of the CPU's exceptions are
 * not blocked meanwhile if upcalls is set. Signals ignored so far are noted
 * for the program (az_boot.sig_ignored). 0 or -errno.
 */
int signals_take(uint64_t handler, uint64_t restorer, bool upcalls);

/*
 * signals_reap - children that end leave no zombies, or do, as az_boot.reaps
 * says. 0 or -errno.
 */
int signals_reap(void);

/* plat_core - core i's block, as both sides have it. */
static inline struct az_core *plat_core(uint32_t i)
{
	return (struct az_core *)(AZ_CORE_BASE + i * AZ_CORE_STRIDE);
}

/* plat_core_stack - where the stack of core i begins when it starts. */
static inline uint64_t plat_core_stack(const struct plat_instance *p,
				       uint32_t i)
{
	return (uint64_t)plat_core(i) +
	       (i < p->resume ? AZ_CORE_RESUME_STACK : AZ_CORE_STACK);
}

/* start_core's beginning: what az_core i must hold. */
struct az_core *plat_core_init(uint32_t i);

#endif
