/* SPDX-License-Identifier: MIT */
/*
 * instance.h - what the command line asks of an owner.
 */
#ifndef INSTANCE_INSTANCE_H
#define INSTANCE_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

struct policy;

struct instance_config {
	const char *name;
	uint32_t plat;    /* AZ_PLAT_, 0: not decided yet */
	bool plat_auto;   /* kvm, or else pico */
	uint32_t offload; /* AZ_OFFLOAD_ */
	uint32_t flags;   /* AZ_BOOT_STRACE */
	/* A snapshot to go on from, or NULL; exe_, envp, bundle are its own. */
	struct snapshot *from;
	bool offload_given; /* else as in the snapshot */
	uint32_t ncores;
	uint16_t host_cpu[AZ_MAX_CORES];
	bool cpus_given; /* the user named them: take no others */
	uint64_t mem_bytes;
	int exe_fd;
	uint64_t exe_offset;  /* where in the file the program begins */
	uint64_t exe_size;    /* its size, or 0: all of the file */
	const void *bundle;   /* struct az_bundle at AZ_BUNDLE_BASE, or NULL */
	const char *exe_path; /* absolute */
	const char *interp;   /* its loader, or NULL or "" */
	const char *exec_fn;  /* as execve got it: AT_EXECFN */
	char *const *argv;
	char *const *envp;
	/* perf_map_write, for AZ_BOOT_PERF_MAP; or NULL */
	int (*perf_map)(void);
	int debug_fd;          /* where a debugger waits for this owner, or 0 */
	struct policy *policy; /* what is taken from it, or NULL */
	int control_fd;        /* listening socket of the registry, or -1 */
	uint64_t start_mono_ns;
	/* What the program before has left, and its signals; or NULL. */
	const struct az_exec *before;
	const void *pending;
};

/*
 * instance_run - become the owner of an instance: returns only if it could
 * not start: -errno after printing why.
 */
int instance_run(const struct instance_config *cfg);

#endif
