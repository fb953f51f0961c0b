/* SPDX-License-Identifier: MIT */
/*
 * boot.h - what the owner tells the unikernel at start.
 *
 * One struct az_boot stands at AZ_BOOT_BASE, filled in by the owner before the
 * first core starts and read-only by agreement afterwards, but for the fields
 * under "live". The strings of the command line follow it.
 */
#ifndef AZ_BOOT_H
#define AZ_BOOT_H

#include <stddef.h>
#include <stdint.h>

#include "layout.h"

#define AZ_BOOT_MAGIC   0x544f4f4241455a41ULL /* "AZEABOOT" */
#define AZ_BOOT_VERSION 1
#define AZ_BOOT_MAX     0x800000ULL /* struct and strings together */

#define AZ_PLAT_PICO  1
#define AZ_PLAT_KVM   2
#define AZ_PLAT_METAL 3

#define AZ_OFFLOAD_AUTO   0
#define AZ_OFFLOAD_RING   1
#define AZ_OFFLOAD_DIRECT 2

#define AZ_BOOT_STRACE       (1U << 0)  /* print decoded calls on fd 2 */
#define AZ_BOOT_TSC          (1U << 1)  /* can be trusted: use it as clock */
#define AZ_BOOT_FSGSBASE     (1U << 2)  /* wrfsbase and friends are enabled */
#define AZ_BOOT_SECURE       (1U << 3)  /* AT_SECURE */
#define AZ_BOOT_XSAVE        (1U << 4)  /* OSXSAVE: xgetbv, xsave, xrstor */
#define AZ_BOOT_XSAVEC       (1U << 5)  /* xsavec too */
#define AZ_BOOT_XINUSE       (1U << 7)  /* xgetbv tells what is in use */
#define AZ_BOOT_STRICT_UNMAP (1U << 8)  /* each munmap is one of the host's */
#define AZ_BOOT_NOPATCH      (1U << 9)  /* leave call sites as they are */
#define AZ_BOOT_PERF_MAP     (1U << 12) /* see az_boot.want_map */
/* For the owner of the next program: see plat_instance. */
#define AZ_BOOT_CPUS_GIVEN (1U << 10)
#define AZ_BOOT_CHILD      (1U << 11)
/* Private memory may be that of a snapshot's file: dropped, it is not zero. */
#define AZ_BOOT_RESTORED (1U << 16)

/* No two are one. */
_Static_assert((AZ_BOOT_STRACE ^ AZ_BOOT_TSC ^ AZ_BOOT_FSGSBASE ^
		AZ_BOOT_SECURE ^ AZ_BOOT_XSAVE ^ AZ_BOOT_XSAVEC ^
		AZ_BOOT_XINUSE ^ AZ_BOOT_STRICT_UNMAP ^ AZ_BOOT_NOPATCH ^
		AZ_BOOT_PERF_MAP ^ AZ_BOOT_CPUS_GIVEN ^ AZ_BOOT_CHILD ^
		AZ_BOOT_RESTORED) ==
		   AZ_BOOT_STRACE + AZ_BOOT_TSC + AZ_BOOT_FSGSBASE +
		       AZ_BOOT_SECURE + AZ_BOOT_XSAVE + AZ_BOOT_XSAVEC +
		       AZ_BOOT_XINUSE + AZ_BOOT_STRICT_UNMAP + AZ_BOOT_NOPATCH +
		       AZ_BOOT_PERF_MAP + AZ_BOOT_CPUS_GIVEN + AZ_BOOT_CHILD +
		       AZ_BOOT_RESTORED,
	       "flags");

/* az_boot.snap_ready */
#define AZ_SNAP_READY 1U
#define AZ_SNAP_VFORK 2U /* not now: a child of vfork has this memory */

#define AZ_INBOX 128U /* entries of az_boot.inbox */

/* Resource limits as Linux numbers them (RLIMIT_CPU is 0). */
#define AZ_NRLIMITS 16

struct az_rlimit {
	uint64_t soft;
	uint64_t hard;
};

/* One reading of the clocks, taken as close together as the owner can. */
struct az_time_sample {
	uint64_t tsc;
	uint64_t mono_ns; /* CLOCK_MONOTONIC */
	uint64_t real_ns; /* CLOCK_REALTIME */
};

/* What a program keeps when it becomes another one: carry.h. */
struct az_carry {
	uint32_t valid;    /* 0: there was none before */
	uint32_t npending; /* signals, in the first entries of az_boot.inbox */
	int32_t nice, policy, rt_priority;
	uint32_t pad;
	uint64_t itimer[3][2]; /* value and interval, ns: setitimer(2) */
	uint64_t affinity[AZ_MAX_CORES / 64]; /* of its one thread */
};

struct az_boot {
	uint64_t magic;
	uint32_t version;
	uint32_t size; /* of struct and strings, bytes */
	uint32_t plat;
	uint32_t ncores;
	uint32_t offload;
	uint32_t flags;
	uint64_t mem_bytes; /* limit on the program's committed memory */

	uint64_t heap_size; /* bytes at AZ_HEAP_BASE; at most AZ_HEAP_SIZE */

	/* The owner as a Linux process. */
	uint32_t pid, ppid, pgid, sid;
	uint32_t uid, euid, gid, egid;

	/* Auxiliary vector entries that only Linux knows. */
	uint64_t hwcap, hwcap2, clktck, minsigstksz;
	uint64_t xsave_mask; /* XCR0 */
	uint64_t xsave_size; /* bytes of a standard-format XSAVE image */
	uint8_t random[32];

	uint64_t sig_ignored; /* bit n-1: signal n was SIG_IGN at exec */
	uint64_t sig_blocked; /* the mask inherited at exec */
	struct az_rlimit rlimit[AZ_NRLIMITS];

	struct az_time_sample time[2]; /* two readings, in order */

	/*
	 * The program: an open file (never seen by the program), its absolute
	 * path, argv, envp. Offsets are from the start of this struct; args
	 * and env are argc and envc NUL-terminated strings in a row.
	 */
	uint64_t owner_signal; /* handler for signals on the owner's threads */
	uint64_t bundle;       /* address of a struct az_bundle, or 0 */
	uint64_t exe_offset;   /* where in the file the program begins */
	uint64_t exe_size;     /* its size, or 0: all of the file */
	int32_t exe_fd;
	int32_t trace_fd; /* the owner's, for AZ_BOOT_STRACE; or -1 */
	int32_t mem_fd;   /* the owner's /proc/self/mem; or -1 */
	uint32_t pad0;
	uint32_t exe_path;
	uint32_t exec_fn; /* the path as given: AT_EXECFN */
	uint32_t argc, args;
	uint32_t envc, envs;
	/* Descriptors in [fd_hidden_lo, fd_hidden_hi) are the owner's. */
	uint32_t fd_hidden_lo, fd_hidden_hi;

	/* Host CPU of each core, for /proc and /sys. */
	uint16_t host_cpu[AZ_MAX_CORES];
	/* CPUs that this process may use: with no more than cores in use, who
	 * spins only keeps others from what it waits for. */
	uint32_t host_cpus;

	struct az_carry carry;
	char name[64];    /* of the instance */
	int32_t owner_fd; /* the owner's executable, to execute it again */
	/* 1: children leave no zombies, as SIGCHLD's action says. */
	uint32_t reaps;

	/* --- live: written while the instance runs --- */
	_Alignas(64) uint32_t bell_seq; /* workers sleep here (futex) */
	uint32_t bell_sleepers;         /* how many do */
	uint32_t bell_pollers;          /* workers that look at the rings now */
	uint32_t nworkers;              /* workers alive */
	/* Requests to the owner's main thread, see mon_owner. */
	_Alignas(64) uint32_t want_cores; /* cores to have started: 1..ncores */
	uint32_t want_workers;            /* more workers, please */
	uint32_t want_cancel;             /* some slot has call.cancel set */
	uint32_t want_map;   /* name the program's code; 0: it has been done */
	uint32_t want_reaps; /* do as reaps says; 0: it has been done */
	uint32_t owner_tid;  /* the main thread */
	/*
	 * A call that changes credentials, which Linux keeps per thread: the
	 * main thread makes it, and if it succeeds every other thread does.
	 */
	_Alignas(64) uint32_t creds_want; /* 1: asked for; 0: answered */
	uint32_t creds_nr;
	uint64_t creds_arg[6];
	int64_t creds_result;
	uint32_t creds_seq; /* grows with every change */
	uint32_t creds_tid; /* thread asked to make it; 0: it has */
	/*
	 * fork: cores are stopped, the main thread forks. In the child
	 * fork_thread is the thread that goes on, on core 0; else it is 0.
	 */
	_Alignas(64) uint32_t fork_want; /* 1: asked for; 0: answered */
	uint32_t fork_pad;
	int64_t fork_result; /* the child's pid, or -errno */
	uint64_t fork_thread;
	/*
	 * Signals that Linux delivered to the owner, for the program. The
	 * main thread writes entries and inbox_head, cores inbox_tail.
	 */
	_Alignas(64) uint32_t inbox_head;
	/*
	 * Snapshot: the main thread sets snap_want and kicks core 0, which has
	 * all cores suspended (az_core.suspended), sets snap_ready to one of
	 * AZ_SNAP_ and waits until snap_want is 0. snap_pid and snap_mono_ns
	 * say whose memory this is, and when by CLOCK_MONOTONIC of the program.
	 */
	uint32_t snap_want;
	uint32_t snap_ready;
	uint32_t snap_pid;
	uint64_t snap_mono_ns;
	_Alignas(64) uint32_t inbox_tail;
	_Alignas(64) uint8_t inbox[AZ_INBOX][128]; /* siginfo_t */
};

_Static_assert(offsetof(struct az_boot, plat) == 16, "az_boot");

/*
 * az_workers_apart - 1 if there is a CPU for workers that no core is using: so
 * that it makes sense to spin for, or as, a worker. Else 0.
 */
static inline int az_workers_apart(const struct az_boot *b)
{
	return b->host_cpus > __atomic_load_n(&b->want_cores, __ATOMIC_RELAXED);
}

#endif
