/* SPDX-License-Identifier: MIT */
/*
 * instance.c - the owner of an instance.
 *
 * The process that called instance_run becomes the owner: it maps the memory
 * that the two sides share, tells the unikernel what it must know (az_boot),
 * starts core 0, and then serves: signals, tools on the control socket, and
 * the unikernel's requests for cores and workers. All signals are blocked but
 * while it waits in ppoll, so nothing here races with a handler.
 */
#include "instance/instance.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "boot.h"
#include "carry.h"
#include "instance/image.h"
#include "instance/registry.h"
#include "lib/clock.h"
#include "lib/error.h"
#include "offload/check.h"
#include "offload/creds.h"
#include "offload/worker.h"
#include "patch/hits.h"
#include "plat/plat.h"
#include "plat/process.h"
#include "ring.h"
#include "sandbox/confine.h"
#include "sandbox/sandbox.h"
#include "snapshot/snapshot.h"
#include "stats.h"

#define BOOT  ((struct az_boot *)AZ_BOOT_BASE)
#define STATS ((struct az_stats *)AZ_STATS_BASE)

#define HEAP_MIN 0x4000000ULL /* 64 MiB */
/* The owner's own descriptors: counters, control socket, a pipe, where
 * to trace to, its memory, the platform's. */
#define HIDDEN_FDS 8
/* On kvm one for each core, too. */
#define HIDDEN_MAX      (HIDDEN_FDS + 4 + AZ_MAX_CORES)
#define HIDDEN_AT       1024
#define HWCAP2_FSGSBASE 2 /* arch/x86/include/uapi/asm/hwcap2.h */

static const struct plat *plat;
/* What decides anything is here, not in az_boot, which is the unikernel's to
 * write, too. */
static struct plat_instance self;
static struct az_image_header image;
static uint32_t fd_hidden_lo, fd_hidden_hi;
static uint32_t nhidden = HIDDEN_FDS;
static bool fd_filler[HIDDEN_MAX]; /* hidden, and free for another one */
static int trace_fd = -1, mem_fd = -1;
static int owner_fd = -1; /* this executable */
static struct registry_info info;
static bool plat_auto; /* kvm was our choice */
static int control_fd = -1;
static int stats_fd = -1;
static uint32_t cores_started = 1;
static int (*perf_map)(void); /* of instance_config */

/* --- memory --- */

static int map_at(uint64_t addr, uint64_t len, int fd)
{
	int flags = MAP_FIXED_NOREPLACE | MAP_NORESERVE |
		    (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);

	if (mmap((void *)addr, len, PROT_READ | PROT_WRITE, flags, fd, 0) ==
	    MAP_FAILED)
		return -errno;
	return 0;
}

/* The same anew. MADV_DONTNEED would bring a snapshot's back. */
static int map_fresh(uint64_t addr, uint64_t len)
{
	munmap((void *)addr, len);
	return map_at(addr, len, -1);
}

/* The counters, which tools may map: no longer writable through the fd. */
static int map_stats(void)
{
	int err;

	stats_fd =
	    memfd_create("azalea-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (stats_fd < 0 || ftruncate(stats_fd, AZ_STATS_SIZE))
		return -errno;
	err = map_at(AZ_STATS_BASE, AZ_STATS_SIZE, stats_fd);
	fcntl(stats_fd, F_ADD_SEALS,
	      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
	return err;
}

/* Address space only; a process with little of that (ulimit -v) gets less. */
static int map_heap(void)
{
	uint64_t size = AZ_HEAP_SIZE;
	int err;

	while ((err = map_at(AZ_HEAP_BASE, size, -1)) == -ENOMEM &&
	       size > HEAP_MIN)
		size /= 4;
	BOOT->heap_size = size;
	return err;
}

static int map_shared(uint32_t ncores, uint64_t boot_size)
{
	int err = map_at(AZ_BOOT_BASE, boot_size, -1);

	if (!err)
		err = map_stats();
	if (!err)
		err = map_at(AZ_CORE_BASE, ncores * AZ_CORE_STRIDE, -1);
	if (!err)
		err = map_at(AZ_RING_BASE, ncores * AZ_RING_STRIDE, -1);
	return err ? err : map_heap();
}

/* --- az_boot --- */

static uint64_t timespec_ns(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * 1000000000 + (uint64_t)ts->tv_nsec;
}

/* The best of a few tries: the one with the least time between readings. */
static void sample_time(struct az_time_sample *out)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 4; i++) {
		struct timespec mono, real;
		uint64_t a = __builtin_ia32_rdtsc();
		uint64_t b;

		clock_gettime(CLOCK_MONOTONIC, &mono);
		b = __builtin_ia32_rdtsc();
		clock_gettime(CLOCK_REALTIME, &real);
		if (b - a >= best)
			continue;
		best = b - a;
		out->tsc = a + (b - a) / 2;
		out->mono_ns = timespec_ns(&mono);
		out->real_ns = timespec_ns(&real);
	}
}

static uint32_t append_strings(char *const *v, uint32_t *count, uint32_t at)
{
	*count = 0;
	for (; *v; v++, ++*count) {
		size_t n = strlen(*v) + 1;

		memcpy((char *)BOOT + at, *v, n);
		at += (uint32_t)n;
	}
	return at;
}

static size_t strings_size(char *const *v)
{
	size_t n = 0;

	for (; *v; v++)
		n += strlen(*v) + 1;
	return n;
}

static uint64_t boot_size(const struct instance_config *cfg)
{
	return (sizeof(struct az_boot) + strings_size(cfg->argv) +
		strings_size(cfg->envp) + strlen(cfg->exe_path) +
		strlen(cfg->exec_fn) + 2 + AZ_PAGE_SIZE - 1) &
	       ~(AZ_PAGE_SIZE - 1);
}

static void boot_strings(const struct instance_config *cfg)
{
	char *one[2] = { NULL, NULL };
	uint32_t at = sizeof(struct az_boot), count;

	BOOT->args = at;
	at = append_strings(cfg->argv, &BOOT->argc, at);
	BOOT->envs = at;
	at = append_strings(cfg->envp, &BOOT->envc, at);
	BOOT->exe_path = at;
	one[0] = strdupa(cfg->exe_path);
	at = append_strings(one, &count, at);
	BOOT->exec_fn = at;
	one[0] = strdupa(cfg->exec_fn);
	BOOT->size = append_strings(one, &count, at);
}

/*
 * AT_HWCAP as Linux gave it: getauxval of a static C library tells its own
 * idea of it.
 */
static uint64_t real_hwcap(void)
{
	uint64_t auxv[128];
	int fd = open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, auxv, sizeof(auxv));

	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i + 1 < n / (ssize_t)sizeof(auxv[0]); i += 2)
		if (auxv[i] == AT_HWCAP)
			return auxv[i + 1];
	return getauxval(AT_HWCAP);
}

/*
 * Can the TSC be the clock? Where the CPU does not promise that (QEMU's), Linux
 * may have found it good enough for itself.
 */
static bool tsc_is_clock(void)
{
	static const char path[] = "/sys/devices/system/clocksource/"
				   "clocksource0/current_clocksource";
	uint32_t a, b, c, d;
	char name[4] = "";
	ssize_t n = 0;
	int fd;

	__cpuid(0x80000007, a, b, c, d);
	if (d & 1U << 8) /* invariant */
		return true;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, name, sizeof(name));
		close(fd);
	}
	return n == 4 && memcmp(name, "tsc\n", 4) == 0;
}

static void boot_cpu(void)
{
	uint32_t a, b, c, d;

	__cpuid(1, a, b, c, d);
	BOOT->xsave_size = 512;
	BOOT->xsave_mask = 3;
	if (c & bit_OSXSAVE) {
		uint32_t lo, hi;

		BOOT->flags |= AZ_BOOT_XSAVE;
		__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
		BOOT->xsave_mask = (uint64_t)hi << 32 | lo;
		__cpuid_count(0xd, 0, a, b, c, d);
		BOOT->xsave_size = b;
		__cpuid_count(0xd, 1, a, b, c, d);
		if (a & 2)
			BOOT->flags |= AZ_BOOT_XSAVEC;
		if (a & 4)
			BOOT->flags |= AZ_BOOT_XINUSE;
	}
	if (tsc_is_clock())
		BOOT->flags |= AZ_BOOT_TSC;
	if (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)
		BOOT->flags |= AZ_BOOT_FSGSBASE;
	if (getauxval(AT_SECURE))
		BOOT->flags |= AZ_BOOT_SECURE;
	BOOT->hwcap = real_hwcap();
	BOOT->hwcap2 = getauxval(AT_HWCAP2);
	BOOT->clktck = getauxval(AT_CLKTCK);
	BOOT->minsigstksz = getauxval(AT_MINSIGSTKSZ);
}

static void boot_process(void)
{
	BOOT->pid = (uint32_t)getpid();
	BOOT->owner_tid = BOOT->pid;
	BOOT->ppid = (uint32_t)getppid();
	BOOT->pgid = (uint32_t)getpgrp();
	BOOT->sid = (uint32_t)getsid(0);
	BOOT->uid = getuid();
	BOOT->euid = geteuid();
	BOOT->gid = getgid();
	BOOT->egid = getegid();
	for (int i = 0; i < AZ_NRLIMITS; i++) {
		struct rlimit rl;

		prlimit(0, i, NULL, &rl);
		BOOT->rlimit[i].soft = rl.rlim_cur;
		BOOT->rlimit[i].hard = rl.rlim_max;
	}
	if (getrandom(BOOT->random, sizeof(BOOT->random), GRND_NONBLOCK) < 0)
		memcpy(BOOT->random, (void *)getauxval(AT_RANDOM), 16);
}

/* What is the program's of this is as it was: limits, random numbers. */
static void boot_process_new(void)
{
	struct az_rlimit rlimit[AZ_NRLIMITS];
	uint8_t random[sizeof(BOOT->random)];

	memcpy(rlimit, BOOT->rlimit, sizeof(rlimit));
	memcpy(random, BOOT->random, sizeof(random));
	boot_process();
	memcpy(BOOT->rlimit, rlimit, sizeof(rlimit));
	memcpy(BOOT->random, random, sizeof(random));
}

static void stats_fill(uint64_t mem_bytes, uint64_t start_mono_ns)
{
	STATS->magic = AZ_STATS_MAGIC;
	STATS->version = AZ_STATS_VERSION;
	STATS->ncores = self.ncores;
	STATS->mem_limit = mem_bytes;
	STATS->start_mono_ns = start_mono_ns;
}

/* This process has had a program before. */
static void boot_take_over(const struct instance_config *cfg)
{
	const struct az_exec *x = cfg->before;

	BOOT->sig_ignored = x->sig_ignored;
	BOOT->reaps = x->sig_ignored >> (SIGCHLD - 1) & 1;
	memcpy(BOOT->rlimit, x->rlimit, sizeof(BOOT->rlimit));
	BOOT->carry = x->carry;
	memcpy(BOOT->inbox, cfg->pending, x->npending * sizeof(BOOT->inbox[0]));
	BOOT->inbox_head = BOOT->inbox_tail = x->npending;
}

static void boot_fill(const struct instance_config *cfg)
{
	BOOT->magic = AZ_BOOT_MAGIC;
	BOOT->version = AZ_BOOT_VERSION;
	BOOT->plat = cfg->plat;
	BOOT->ncores = cfg->ncores;
	BOOT->offload = cfg->offload;
	BOOT->flags = cfg->flags;
	if (self.cpus_given)
		BOOT->flags |= AZ_BOOT_CPUS_GIVEN;
	BOOT->mem_bytes = cfg->mem_bytes;
	BOOT->exe_fd = cfg->exe_fd;
	BOOT->exe_offset = cfg->exe_offset;
	BOOT->exe_size = cfg->exe_size;
	BOOT->bundle = (uint64_t)cfg->bundle;
	memcpy(BOOT->host_cpu, cfg->host_cpu, sizeof(BOOT->host_cpu));
	boot_cpu();
	boot_process();
	boot_strings(cfg);
	(void)snprintf(BOOT->name, sizeof(BOOT->name), "%s", cfg->name);
	if (cfg->before)
		boot_take_over(cfg);
	stats_fill(cfg->mem_bytes, cfg->start_mono_ns);
}

/* From a snapshot: what the owner knows better. Signals that wait are kept. */
static void boot_restored(const struct instance_config *cfg)
{
	const uint32_t host = AZ_BOOT_STRACE | AZ_BOOT_NOPATCH | AZ_BOOT_TSC |
			      AZ_BOOT_PERF_MAP | AZ_BOOT_CPUS_GIVEN |
			      AZ_BOOT_CHILD;
	uint32_t inbox_head = BOOT->inbox_head, inbox_tail = BOOT->inbox_tail;
	uint32_t started = cfg->from->header.process.cores_started;
	uint32_t pid = BOOT->snap_pid;
	uint64_t mono = BOOT->snap_mono_ns;
	size_t live = offsetof(struct az_boot, bell_seq);

	memset((char *)BOOT + live, 0, offsetof(struct az_boot, inbox) - live);
	BOOT->inbox_head = inbox_head;
	BOOT->inbox_tail = inbox_tail;
	BOOT->want_cores = started;
	BOOT->ncores = cfg->ncores;
	BOOT->snap_pid = pid;
	BOOT->snap_mono_ns = mono;
	BOOT->plat = cfg->plat;
	if (cfg->offload_given)
		BOOT->offload = cfg->offload;
	BOOT->flags &= ~host;
	BOOT->flags |=
	    cfg->flags | (tsc_is_clock() ? AZ_BOOT_TSC : 0) | AZ_BOOT_RESTORED;
	BOOT->exe_fd = -1;
	memcpy(BOOT->host_cpu, cfg->host_cpu, sizeof(BOOT->host_cpu));
	(void)snprintf(BOOT->name, sizeof(BOOT->name), "%s", cfg->name);
	boot_process_new();
	for (uint32_t i = 0; i < started; i++)
		memset((char *)plat_core(i) + AZ_CORE_PLAT, 0, AZ_PAGE_SIZE);
	stats_fill(cfg->mem_bytes, cfg->start_mono_ns);
	STATS->enter_mono_ns = 0;
	STATS->exited = 0;
}

/* For perf: what there is by now. */
static void name_code(void)
{
	int err = perf_map ? perf_map() : 0;

	if (err)
		error_say("cannot write /tmp/perf-%d.map: %s", getpid(),
			  error_text(err));
}

/* --- descriptors --- */

static bool fd_is_hidden(int fd)
{
	return (uint32_t)fd >= fd_hidden_lo && (uint32_t)fd < fd_hidden_hi;
}

/* Raise the limit to above the hidden range; *was is what it was. */
static int fds_allow(struct rlimit *was)
{
	struct rlimit more;

	getrlimit(RLIMIT_NOFILE, was);
	more = *was;
	if (more.rlim_cur < fd_hidden_hi)
		more.rlim_cur = fd_hidden_hi;
	if (more.rlim_max < more.rlim_cur)
		more.rlim_max = more.rlim_cur;
	if (more.rlim_cur != was->rlim_cur && setrlimit(RLIMIT_NOFILE, &more))
		return -errno;
	return 0;
}

/*
 * Move one of the owner's descriptors above all that the program can get: the
 * soft limit, raised for a moment. A limit far above HIDDEN_AT would make the
 * descriptor table large for nothing: then a hole at HIDDEN_AT it is.
 */
static int fd_hide(int *fd)
{
	struct rlimit was;
	int high, err;

	if (*fd < 0 || fd_is_hidden(*fd))
		return 0;
	err = fds_allow(&was);
	if (err)
		return err;
	high = fcntl(*fd, F_DUPFD_CLOEXEC, (int)fd_hidden_lo);
	if (high < 0)
		return -errno;
	setrlimit(RLIMIT_NOFILE, &was);
	close(*fd);
	*fd = high;
	return 0;
}

/* A hidden number that is free would be the program's to get, not to use. */
static void fds_fill(void)
{
	for (uint32_t fd = fd_hidden_lo; fd < fd_hidden_hi; fd++) {
		bool unused = fcntl((int)fd, F_GETFD) < 0;

		fd_filler[fd - fd_hidden_lo] = unused;
		if (unused)
			fcntl(stats_fd, F_DUPFD_CLOEXEC, (int)fd);
	}
}

/* Hide one more, after fds_fill, in place of what fills. */
static int fd_hide_late(int *fd)
{
	struct rlimit was;
	uint32_t i = 0;
	int err;

	while (i < nhidden && !fd_filler[i])
		i++;
	if (i == nhidden)
		return -EMFILE;
	err = fds_allow(&was);
	if (err)
		return err;
	if (dup3(*fd, (int)(fd_hidden_lo + i), O_CLOEXEC) < 0)
		err = -errno;
	setrlimit(RLIMIT_NOFILE, &was);
	close(*fd);
	if (err)
		return err;
	fd_filler[i] = false;
	*fd = (int)(fd_hidden_lo + i);
	return 0;
}

static int plat_fds_hide(void)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < plat->nfds; i++)
		err = fd_hide(&plat->fds[i]);
	return err;
}

static void plat_fds_close(void)
{
	for (uint32_t i = 0; i < plat->nfds; i++) {
		if (plat->fds[i] >= 0)
			close(plat->fds[i]);
		plat->fds[i] = -1;
	}
}

/*
 * The program's text is written through its owner's /proc/self/mem, which
 * means that of the process that opened it. Without it, sites go on trapping.
 * On metal, nobody can open it once the instance has been created.
 */
static void mem_open(void)
{
	mem_fd = -1;
	if (BOOT->flags & AZ_BOOT_NOPATCH)
		return;
	/* Registered once, by a process that has one thread: costs nothing. */
	(void)syscall(SYS_membarrier,
		      MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0,
		      0);
	mem_fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
}

/*
 * On kvm a program has no business in its owner's memory: nor has another that
 * it could ask, or become. What counts is whether this process may be dumped
 * (ptrace(2), PR_SET_DUMPABLE); for root nothing of that counts.
 */
static void guard(bool on)
{
	if (plat == &plat_kvm)
		(void)prctl(PR_SET_DUMPABLE, on ? 0 : 1, 0, 0, 0);
}

static bool fds_taken(uint32_t lo)
{
	for (uint32_t fd = lo; fd < lo + nhidden; fd++)
		if (fcntl((int)fd, F_GETFD) >= 0)
			return true;
	return false;
}

/* The numbers to hide behind: not beyond the hard limit, not the program's. */
static void fds_place(void)
{
	uint32_t lo = HIDDEN_AT;
	struct rlimit rl;

	getrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_cur < HIDDEN_AT + nhidden)
		lo = (uint32_t)rl.rlim_cur;
	if (lo + nhidden > rl.rlim_max)
		lo = (uint32_t)(rl.rlim_max > nhidden ? rl.rlim_max - nhidden
						      : 0);
	while (lo && fds_taken(lo))
		lo--;
	BOOT->fd_hidden_lo = fd_hidden_lo = lo;
	BOOT->fd_hidden_hi = fd_hidden_hi = lo + nhidden;
}

/* The owner's executable, for exec. Without /proc there will be none. */
static int owner_open(void)
{
	int err;

	owner_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	err = fd_hide(&owner_fd);
	BOOT->owner_fd = owner_fd;
	return err;
}

static int fds_hide(const struct instance_config *cfg)
{
	int err;

	fds_place();
	err = plat_fds_hide();
	if (!err)
		err = fd_hide(&stats_fd);
	if (!err)
		err = fd_hide(&control_fd);
	/* Its own, as the program may close its stderr. */
	if (BOOT->flags & AZ_BOOT_STRACE)
		trace_fd = cfg->before ? cfg->before->trace_fd : dup(2);
	if (!err)
		err = fd_hide(&trace_fd);
	BOOT->trace_fd = trace_fd;
	if (!err)
		err = fd_hide(&mem_fd);
	BOOT->mem_fd = mem_fd;
	if (!err)
		err = owner_open();
	process_init(owner_fd, trace_fd, plat->id);
	return err;
}

/* --- signals --- */

static void inbox_post(const siginfo_t *si)
{
	uint32_t head = BOOT->inbox_head;

	/* Full: cores are slow to look. Give them a moment, then drop it, as
	 * Linux drops what exceeds RLIMIT_SIGPENDING. */
	for (int i = 0; i < 1000; i++) {
		if (head -
			__atomic_load_n(&BOOT->inbox_tail, __ATOMIC_ACQUIRE) <
		    AZ_INBOX)
			break;
		sched_yield();
	}
	if (head - __atomic_load_n(&BOOT->inbox_tail, __ATOMIC_ACQUIRE) >=
	    AZ_INBOX)
		return;
	memcpy(BOOT->inbox[head % AZ_INBOX], si, 128);
	__atomic_store_n(&BOOT->inbox_head, head + 1, __ATOMIC_SEQ_CST);
	plat->kick_core(0);
}

static void owner_signal(int sig, siginfo_t *si, void *context)
{
	(void)context;
	if (worker_signal(sig))
		return;
	/* From this process, or from a child of vfork. */
	if (sig == AZ_SIG_KICK && si->si_code == SI_TKILL)
		return; /* ppoll ends: look at the requests */
	if (si->si_code > 0 && (sig == SIGSEGV || sig == SIGBUS ||
				sig == SIGILL || sig == SIGFPE)) {
		/* A bug of the owner: let it end as it would have. */
		(void)signal(sig, SIG_DFL);
		return;
	}
	inbox_post(si);
}

/* --- CPUs --- */

/*
 * Workers share what the cores leave, or everything if nothing is left. On
 * metal cores and workers are never on the same CPU.
 */
static void worker_cpus(cpu_set_t *set)
{
	cpu_set_t all;

	sched_getaffinity(0, sizeof(all), &all);
	*set = all;
	for (uint32_t i = 0; i < self.ncores; i++)
		CPU_CLR(self.host_cpu[i], set);
	if (CPU_COUNT(set) == 0)
		*set = all;
	BOOT->host_cpus = (uint32_t)CPU_COUNT(&all);
	if (plat == &plat_metal)
		BOOT->host_cpus = (uint32_t)CPU_COUNT(set) + self.ncores;
}

static void cpus_tell(void)
{
	memcpy(BOOT->host_cpu, self.host_cpu, sizeof(BOOT->host_cpu));
	memcpy(info.host_cpu, self.host_cpu, sizeof(info.host_cpu));
}

static void settle_workers(void)
{
	cpu_set_t cpus;

	worker_cpus(&cpus);
	worker_init(plat, self.ncores, &cpus);
}

/* --- serving --- */

/* The live part of az_boot, as a new instance has it. */
static void boot_reset(void)
{
	size_t live = offsetof(struct az_boot, bell_seq);
	uint32_t creds_seq = BOOT->creds_seq;
	uint64_t thread = BOOT->fork_thread;

	memset((char *)BOOT + live, 0, sizeof(*BOOT) - live);
	BOOT->creds_seq = creds_seq;
	BOOT->fork_thread = thread;
	BOOT->want_cores = 1;
	boot_process_new();
}

/*
 * A child on metal takes cores that are free, or else goes on as pico: see
 * first_core. So does a program that another has become: it cannot go back. Its
 * cores stand on the CPUs that Linux has, then.
 */
static int go_on_as_pico(void)
{
	const char *why;
	cpu_set_t all;
	uint32_t cpu = 0;

	plat_fds_close();
	plat = &plat_pico;
	BOOT->plat = info.plat = plat->id;
	sched_getaffinity(0, sizeof(all), &all);
	if (!CPU_COUNT(&all))
		return -ENODEV;
	for (uint32_t i = 0; i < self.ncores; i++, cpu++) {
		while (!CPU_ISSET(cpu % CPU_SETSIZE, &all))
			cpu++;
		self.host_cpu[i] = (uint16_t)(cpu % CPU_SETSIZE);
	}
	return plat->create(&self, &why);
}

/*
 * May what goes on do so as pico? A virtual machine that the user asked for is
 * a promise, which the program could break by asking for too much.
 */
static bool may_be_pico(bool goes_on)
{
	return (plat == &plat_metal && goes_on) ||
	       (plat == &plat_kvm && plat_auto);
}

static int child_plat(void)
{
	const char *why;
	int err;

	self.child = true;
	self.debugged = false;
	BOOT->flags |= AZ_BOOT_CHILD;
	process_init(owner_fd, trace_fd, plat->id);
	if (plat == &plat_pico)
		return 0;
	err = plat->create(&self, &why);
	if (!err)
		err = plat_fds_hide();
	return err && may_be_pico(true) ? go_on_as_pico() : err;
}

/* The first core of what must go on: on metal, if one is free. */
static int first_core(void)
{
	const char *why;
	int err = plat->start_core(0, &why);

	if (err && may_be_pico(true)) {
		err = go_on_as_pico();
		if (err)
			return err;
		fds_fill();
		settle_workers();
		cpus_tell();
		err = plat->start_core(0, &why);
	}
	return err;
}

/* Is one for parent and child? */
static bool fd_is_shared(int fd)
{
	for (uint32_t i = 0; i < plat->nshared; i++)
		if (fd == plat->fds[i])
			return true;
	return fd == trace_fd || fd == owner_fd;
}

/* The descriptors of a child, whose program may hold all that it may have. */
static int child_fds(void)
{
	static char name[REGISTRY_NAME_MAX];
	struct rlimit was;
	bool moved = fds_allow(&was);
	int err;

	/* The parent's, but for what is one for both. */
	for (uint32_t fd = fd_hidden_lo; fd < fd_hidden_hi; fd++)
		if (!fd_is_shared((int)fd))
			close((int)fd);
	BOOT->fd_hidden_lo = fd_hidden_lo;
	BOOT->fd_hidden_hi = fd_hidden_hi;
	if (moved) { /* the program has lowered its hard limit */
		fds_place();
		(void)fd_hide(&trace_fd);
		(void)fd_hide(&owner_fd);
	}
	BOOT->owner_fd = owner_fd;
	BOOT->trace_fd = trace_fd;
	BOOT->exe_fd = -1; /* loaded, and closed */
	munmap((void *)AZ_STATS_BASE, AZ_STATS_SIZE);
	err = map_stats();
	if (err)
		return err;
	stats_fill(BOOT->mem_bytes, clock_mono_ns());
	(void)snprintf(name, sizeof(name), "%.48s.%u", info.name, BOOT->pid);
	control_fd = registry_listen(name);
	memcpy(info.name, name, sizeof(info.name));
	memcpy(BOOT->name, name, sizeof(BOOT->name));
	info.pid = BOOT->pid;
	guard(false);
	mem_open();
	err = child_plat();
	guard(true);
	if (!err)
		err = fd_hide(&stats_fd);
	if (!err && control_fd >= 0)
		err = fd_hide(&control_fd);
	if (!err)
		err = fd_hide(&mem_fd);
	BOOT->mem_fd = mem_fd;
	if (!err)
		err = check_init(BOOT, NULL);
	setrlimit(RLIMIT_NOFILE, &was);
	return err;
}

/*
 * The child of a fork: an instance of its own over the same memory, but for
 * what describes cores and calls under way, none of which exist here.
 */
static int become_child(void)
{
	int err;

	boot_reset();
	self.resume = 0;
	worker_forked();
	cores_started = 1;
	err = map_fresh(AZ_CORE_BASE, self.ncores * AZ_CORE_STRIDE);
	if (!err)
		err = map_fresh(AZ_RING_BASE, self.ncores * AZ_RING_STRIDE);
	if (!err)
		err = child_fds();
	if (err)
		return err;
	fds_fill();
	return first_core();
}

static void serve_fork(void)
{
	pid_t pid;
	int err;

	if (!__atomic_load_n(&BOOT->fork_want, __ATOMIC_SEQ_CST))
		return;
	pid = fork();
	if (pid == 0) {
		err = become_child();
		if (err) {
			error_say("fork: %s", error_text(err));
			_exit(EXIT_AZALEA);
		}
		return;
	}
	BOOT->fork_result = pid < 0 ? -errno : pid;
	__atomic_store_n(&BOOT->fork_want, 0, __ATOMIC_RELEASE);
}

/* Nobody is to wait for it: kernel/sched/stop.c:stop_cores. */
static void core_does_not_start(uint32_t i)
{
	__atomic_store_n(&plat_core(i)->started, 0, __ATOMIC_SEQ_CST);
}

static void start_more_cores(void)
{
	uint32_t want = __atomic_load_n(&BOOT->want_cores, __ATOMIC_SEQ_CST);

	if (want > self.ncores)
		want = self.ncores;
	while (cores_started < want) {
		const char *why = NULL;
		int err = plat->start_core(cores_started, &why);

		if (err)
			core_does_not_start(cores_started);
		/* Cores that nobody asked for by number may be others' now. */
		if (err && (err != -EBUSY || self.cpus_given))
			error_say("core %u does not start: %s", cores_started,
				  why ? why : error_text(err));
		if (err && cores_started < self.resume)
			_exit(EXIT_AZALEA); /* threads are on it */
		cores_started++;
		if (plat == &plat_metal)
			cpus_tell();
	}
}

/*
 * Linux starts no thread of a process (EAGAIN) while one of its cores executes
 * another program: if that fails, soon again.
 */
static int worker_add(void)
{
	static const struct timespec soon = { .tv_nsec = 1000000 };
	int err = worker_start();

	for (int i = 0; i < 20 && err == -EAGAIN; i++) {
		(void)nanosleep(&soon, NULL);
		err = worker_start();
	}
	return err;
}

static void serve_requests(void)
{
	start_more_cores();
	if (__atomic_exchange_n(&BOOT->want_workers, 0, __ATOMIC_SEQ_CST)) {
		int err = worker_add();

		if (err)
			error_say("no thread for offloaded calls: %s",
				  error_text(err));
	}
	if (__atomic_exchange_n(&BOOT->want_cancel, 0, __ATOMIC_SEQ_CST) &&
	    worker_cancel())
		__atomic_store_n(&BOOT->want_cancel, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&BOOT->want_map, __ATOMIC_SEQ_CST)) {
		name_code();
		__atomic_store_n(&BOOT->want_map, 0, __ATOMIC_RELEASE);
	}
	creds_change();
	if (__atomic_load_n(&BOOT->want_reaps, __ATOMIC_SEQ_CST)) {
		(void)signals_reap();
		__atomic_store_n(&BOOT->want_reaps, 0, __ATOMIC_RELEASE);
	}
	serve_fork();
	snapshot_serve(control_fd);
}

_Noreturn static void serve(void)
{
	/* Between two tries to interrupt a call. */
	static const struct timespec again = { .tv_nsec = 1000000 };
	struct pollfd pfd = { .fd = control_fd, .events = POLLIN };
	sigset_t none;

	sigemptyset(&none);
	for (;;) {
		serve_requests();
		pfd.fd = snapshot_asked() ? -1 : control_fd;
		if (ppoll(&pfd, 1, BOOT->want_cancel ? &again : NULL, &none) <=
		    0)
			continue;
		hits_collect(cores_started);
		if (registry_serve(control_fd, stats_fd, &info)) {
			snapshot_ask();
			plat->kick_core(0);
		}
	}
}

/* --- start --- */

/*
 * Core 0 goes to the CPU that this thread runs on, if it is one of them: the
 * program then starts in a warm cache and without waking another CPU. On metal
 * that one would have to be taken from this thread first.
 */
static void order_cpus(void)
{
	int here = sched_getcpu();

	for (uint32_t i = 1; i < self.ncores; i++)
		if (self.host_cpu[i] == here) {
			self.host_cpu[i] = self.host_cpu[0];
			self.host_cpu[0] = (uint16_t)here;
		}
}

static void set_comm(const char *path)
{
	const char *slash = strrchr(path, '/');

	prctl(PR_SET_NAME, slash ? slash + 1 : path);
}

/* Does somebody trace this process, as before it executed this program? */
static bool traced(void)
{
	static const char key[] = "TracerPid:\t";
	char text[1024];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	const char *at;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, key);
	return at && at[sizeof(key) - 1] != '0';
}

/* The instance as the command line wants it. */
static void self_fill(const struct instance_config *cfg)
{
	plat = cfg->plat == AZ_PLAT_METAL ? &plat_metal
	       : cfg->plat == AZ_PLAT_KVM ? &plat_kvm
					  : &plat_pico;
	if (plat == &plat_kvm)
		nhidden += 4 + cfg->ncores;
	plat_auto = cfg->plat_auto;
	self.image = &image;
	self.signal = owner_signal;
	self.hide_fd = fd_hide_late;
	self.ncores = cfg->ncores;
	self.cpus_given = cfg->cpus_given;
	perf_map = cfg->perf_map;
	self.child = cfg->flags & AZ_BOOT_CHILD;
	self.debugged = cfg->debug_fd || (cfg->before && traced());
	memcpy(self.host_cpu, cfg->host_cpu, sizeof(self.host_cpu));
}

/*
 * A debugger is to have this process before the program begins: it says who
 * it is, and is told whom to take.
 */
static void await_debugger(int fd)
{
	uint32_t tracer;
	char byte = 0;

	if (read(fd, &tracer, sizeof(tracer)) == sizeof(tracer)) {
		(void)prctl(PR_SET_PTRACER, (unsigned long)tracer, 0, 0, 0);
		if (write(fd, &byte, 1) == 1 && read(fd, &byte, 1) != 1)
			error_say("the server for gdb has ended: the program "
				  "runs without");
	}
	close(fd);
}

/* What a policy needs while there is one thread, and all is allowed. */
static int confine_begin(const struct instance_config *cfg, const char **what)
{
	const char *const keep[] = { cfg->exe_path, cfg->exec_fn, cfg->interp,
				     NULL };
	/* Its children make virtual machines, too. */
	const char *device = plat == &plat_kvm ? "/dev/kvm" : NULL;

	return cfg->policy ? confine_prepare(cfg->policy, keep, device, what)
			   : 0;
}

/* For ever, and for all that the program may become. */
static int confine(const struct instance_config *cfg, const char **what)
{
	int err = 0;

	if (cfg->before)
		return 0; /* it is in force */
	if (cfg->policy)
		err = confine_enter(cfg->policy, what);
	if (err)
		return err;
	*what = "cannot install the seccomp filter";
	return sandbox_enter();
}

/* Core 0, last of all. again: this process has had a program before. */
static int start_first(bool again, const char **what, const char **why)
{
	int err;

	guard(true);
	if (!self.resume)
		BOOT->want_cores = 1;
	sample_time(&BOOT->time[1]);
	*what = "cannot start core 0";
	err = again ? first_core() : plat->start_core(0, why);
	if (!err && plat == &plat_metal)
		cpus_tell();
	return err;
}

/* Memory and az_boot of an instance that begins. */
static int start_new(const struct instance_config *cfg, const sigset_t *blocked,
		     const char **what)
{
	const struct az_image_header *header;
	int err;

	*what = "cannot reserve address space";
	err = map_shared(cfg->ncores, boot_size(cfg));
	if (err)
		return err;
	*what = "cannot map the unikernel";
	err = image_map(&header);
	if (err)
		return err;
	image = *header;
	if (cfg->flags & AZ_BOOT_PERF_MAP) {
		err = image_anonymous(&image);
		if (err)
			return err;
		name_code();
	}
	boot_fill(cfg);
	if (cfg->before)
		BOOT->sig_blocked = cfg->before->sig_blocked;
	else
		memcpy(&BOOT->sig_blocked, blocked, sizeof(BOOT->sig_blocked));
	return 0;
}

/* The same of one that goes on from a snapshot; and its descriptors. */
static int start_restored(const struct instance_config *cfg, const char **what,
			  const char **why)
{
	int *const keep[] = { &control_fd, &confine_log };
	const struct az_image_header *header;
	int err;

	*what = "cannot move its descriptors";
	err = snapshot_clear(cfg->from, keep, 2);
	if (err)
		return err;
	*what = "cannot map the unikernel";
	err = image_map(&header);
	if (!err)
		err = map_stats();
	if (err)
		return err;
	image = *header;
	stats_fd = fd_above(stats_fd);
	*what = "cannot map the snapshot";
	err = snapshot_map(cfg->from, why);
	if (err)
		return err;
	*what = "cannot go on";
	err = snapshot_settle(cfg->from, why);
	if (err)
		return err;
	close(cfg->from->fd);
	boot_restored(cfg);
	/* What the unikernel says of itself decides nothing here. */
	self.resume = cfg->from->header.process.cores_started;
	return 0;
}

static int plat_create(const struct instance_config *cfg, const char **why)
{
	int err = plat->create(&self, why);

	if (!err || !may_be_pico(cfg->before))
		return err;
	if (plat_auto)
		error_say("platform pico, since kvm is not available: %s",
			  *why ? *why : error_text(err));
	*why = NULL;
	return go_on_as_pico();
}

static int start(const struct instance_config *cfg, const sigset_t *blocked,
		 const char **what, const char **why)
{
	struct az_time_sample first;
	int err;

	if (cfg->debug_fd)
		await_debugger(cfg->debug_fd);
	sample_time(&first);
	/* What goes on has sockets, and is to have them where it will be. */
	err = cfg->from ? confine_begin(cfg, what)
			: start_new(cfg, blocked, what);
	if (!err)
		err = cfg->from ? start_restored(cfg, what, why)
				: confine_begin(cfg, what);
	if (err)
		return err;
	BOOT->time[0] = first;
	BOOT->owner_signal = (uint64_t)owner_signal;
	mem_open();
	*what = "cannot create it";
	err = plat_create(cfg, why);
	if (err)
		return err;
	*what = "cannot hide its descriptors";
	err = fds_hide(cfg);
	if (err)
		return err;
	registry_describe(&info, cfg);
	info.plat = plat->id;
	*what = "cannot check calls";
	err = check_init(BOOT, NULL);
	if (err)
		return err;
	fds_fill();
	if (plat != &plat_metal) {
		order_cpus();
		cpus_tell();
	}
	settle_workers();
	set_comm(cfg->exe_path);
	if (control_fd >= 0)
		(void)registry_serve(control_fd, stats_fd, &info);
	err = confine(cfg, what);
	return err ? err : start_first(cfg->before, what, why);
}

int instance_run(const struct instance_config *cfg)
{
	const char *what = NULL, *why = NULL;
	sigset_t all, old;
	int err;

	self_fill(cfg);
	control_fd = cfg->control_fd;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = start(cfg, &old, &what, &why);
	if (err) {
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		error_say("%s: %s: %s", cfg->exec_fn, what,
			  why ? why : error_text(err));
		return err;
	}
	serve();
}
