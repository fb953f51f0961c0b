/* SPDX-License-Identifier: MIT */
/*
 * procfs_test.c - paths, virtual files and directory lists, on a real /proc.
 *
 * This process plays the owner; core i of the instance is its CPU n-1-i. The
 * program has two threads and three mappings, made up here. Host calls are
 * real, and so are the descriptors.
 */
/* cflags: -DAZ_KERNEL */
/* links: kernel/sys/vpath.c kernel/sys/text.c kernel/sys/procfs.c */
/* links: kernel/sys/procfs_self.c kernel/sys/procfs_maps.c */
/* links: kernel/sys/procfs_machine.c kernel/sys/files.c kernel/sys/dirs.c */
/* links: kernel/lib/fmt.c kernel/sys/prctl.c kernel/sys/limits.c */
#include <asm/prctl.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syscall.h>
#include <unistd.h>

#include "calls.h"
#include "mm/mm.h"
#include "sched/sched.h"
#include "sys/exec.h"
#include "sys/files.h"
#include "sys/procfs.h"
#include "sys/schedcalls.h"
#include "sys/sys.h"

#define MAP_FIXED_ANY 0x32 /* MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS */
#define TID           0x400001
#define FILE_AT       0x110000000000UL
#define BUF_AT        0x120000000000UL /* where results go */

static int ntests, nfailed;

static void ok(bool pass, const char *name)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, name);
}

/* --- the unikernel around it --- */

struct spinlock threads_lock;
struct list threads = { &threads, &threads };
uint32_t thread_count = 2;
struct exec_layout exec_layout;
static struct thread first, second;
static struct core core0;
static struct vma_info vmas[3];
static const char args[] = "prog\0--flag\0two words";
static const char envs[] = "A=1\0B=2";

long host_call(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
	       uint64_t a4, uint64_t a5)
{
	register uint64_t r10 __asm__("r10") = a3;
	register uint64_t r8 __asm__("r8") = a4;
	register uint64_t r9 __asm__("r9") = a5;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"((uint64_t)nr), "D"(a0), "S"(a1), "d"(a2),
			   "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

static int offloads;

long offload(uint32_t nr, const uint64_t a[6])
{
	offloads++;
	return host_call(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

long offload_everywhere(uint32_t nr, const uint64_t a[6])
{
	return offload(nr, a);
}

void *kalloc(size_t size)
{
	return calloc(1, size);
}

void kfree(void *p)
{
	free(p);
}

int copy_from_user(void *dst, uint64_t src, size_t n)
{
	memcpy(dst, (void *)src, n);
	return 0;
}

int copy_to_user(uint64_t dst, const void *src, size_t n)
{
	memcpy((void *)dst, src, n);
	return 0;
}

int user_store_32(uint64_t addr, uint32_t val)
{
	return copy_to_user(addr, &val, sizeof(val));
}

long user_string(char *dst, uint64_t src, size_t size)
{
	size_t n = strnlen((char *)src, size);

	if (n == size)
		return -ENAMETOOLONG;
	memcpy(dst, (char *)src, n + 1);
	return (long)n;
}

bool mm_find(uint64_t addr, struct vma_info *info)
{
	for (size_t i = 0; i < ARRAY_SIZE(vmas); i++)
		if (vmas[i].end > addr) {
			*info = vmas[i];
			return true;
		}
	return false;
}

void mm_usage(struct mm_usage *u)
{
	memset(u, 0, sizeof(*u));
	u->limit = 64 << 20;
	u->committed = 16 << 20;
	u->size = 32 << 20;
}

void mm_set_rlimit(int resource, uint64_t soft)
{
	(void)resource;
	(void)soft;
}

struct thread *thread_find(int tid)
{
	if (tid == first.tid)
		return &first;
	return tid == second.tid ? &second : NULL;
}

uint64_t thread_cpu_ns(struct thread *t)
{
	return t == &second ? 1230000000 : 0;
}

void signal_action(int sig, const struct sigact *new, struct sigact *old)
{
	(void)new;
	memset(old, 0, sizeof(*old));
	if (sig == SIGUSR1)
		old->handler = 0x1234;
	else if (sig == SIGPIPE)
		old->handler = SIG_IGN;
}

uint64_t signal_set(void)
{
	return 0;
}

int32_t nice_base(void)
{
	return 0;
}

/* What spin_lock waits with: nobody else is here. */
void spin_wait(struct spinlock *l)
{
	(void)l;
	abort();
}

uint64_t clock_mono(void)
{
	return 50000000000ULL;
}

int mon_direct_ok(void)
{
	return 1;
}

int mon_sync_cores(void)
{
	return 0;
}

static void set_up(void)
{
	uint32_t ncpu = (uint32_t)sysconf(_SC_NPROCESSORS_CONF);
	char *strings = (char *)(AZ_BOOT_BASE + sizeof(struct az_boot));
	long page;
	int fd;

	page = host_call(SYS_mmap, AZ_BOOT_BASE, AZ_BOOT_MAX, 3, MAP_FIXED_ANY,
			 (uint64_t)-1, 0);
	if (page < 0)
		abort();
	page = host_call(SYS_mmap, AZ_STATS_BASE, AZ_STATS_SIZE, 3,
			 MAP_FIXED_ANY, (uint64_t)-1, 0);
	if (page < 0)
		abort();
	STATS->start_mono_ns = 40000000000ULL;
	STATS->core[0].busy_ns = 3000000000ULL;
	BOOT->pid = (uint32_t)getpid();
	BOOT->ncores = ncpu > 2 ? 2 : ncpu;
	BOOT->clktck = 100;
	BOOT->fd_hidden_lo = 500;
	BOOT->fd_hidden_hi = 508;
	for (uint32_t i = 0; i < BOOT->ncores; i++)
		BOOT->host_cpu[i] = (uint16_t)(ncpu - 1 - i);
	strcpy(strings, "/bin/true");
	BOOT->exe_path = sizeof(struct az_boot);

	first.tid = getpid();
	strcpy(first.name, "first");
	second.tid = TID;
	strcpy(second.name, "second");
	first.affinity[0] = second.affinity[0] = ~0ULL;
	list_append(&threads, &first.all);
	list_append(&threads, &second.all);
	core0.az.self = (uint64_t)&core0;
	core0.current = &second;
	host_call(SYS_arch_prctl, ARCH_SET_GS, (uint64_t)&core0, 0, 0, 0, 0);

	host_call(SYS_mmap, BUF_AT, 4096, 3, MAP_FIXED_ANY, (uint64_t)-1, 0);
	fd = open("/bin/true", O_RDONLY);
	host_call(SYS_mmap, FILE_AT, 0x2000, 1, 0x12, (uint64_t)fd, 0x1000);
	close(fd);
	vmas[0] = (struct vma_info){ FILE_AT, FILE_AT + 0x2000,
				     VMA_READ | VMA_FILE, 0x1000 };
	vmas[1] = (struct vma_info){ FILE_AT + 0x2000, FILE_AT + 0x5000,
				     VMA_READ | VMA_WRITE | VMA_HEAP, 0 };
	vmas[2] = (struct vma_info){ 0x200000000000, 0x200000001000, 0, 0 };
	exec_layout.arg_start = (uint64_t)args;
	exec_layout.arg_end = (uint64_t)args + sizeof(args);
	exec_layout.env_start = (uint64_t)envs;
	exec_layout.env_end = (uint64_t)envs + sizeof(envs);
	dup2(1, 500);
}

/* --- helpers --- */

static long openat_(int dirfd, const char *path, int flags)
{
	const uint64_t a[6] = { (uint64_t)dirfd, (uint64_t)path,
				(uint64_t)flags };

	return sys_openat(a);
}

static char text[1 << 20];

/* All of a file as the program reads it, or "" with *err set. */
static long slurp_at(int dirfd, const char *path)
{
	long fd = openat_(dirfd, path, O_RDONLY);
	long n, len = 0;

	text[0] = '\0';
	if (fd < 0)
		return fd;
	while ((n = read((int)fd, text + len, sizeof(text) - 1 - (size_t)len)) >
	       0)
		len += n;
	text[len] = '\0';
	close((int)fd);
	return len;
}

static long slurp(const char *path)
{
	return slurp_at(AT_FDCWD, path);
}

static bool has(const char *part)
{
	return strstr(text, part);
}

static bool path_is(const char *path, uint32_t kind)
{
	struct vpath v;

	return vpath_find(&v, AT_FDCWD, (uint64_t)path, true) == 0 &&
	       v.kind == kind;
}

/* Names in a directory, as getdents64 lists them by `size` bytes. */
static void list(const char *path, unsigned int size)
{
	long fd = openat_(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
	char *out = text;
	char *buf = (char *)BUF_AT;
	long n = 0;

	*out++ = ' ';
	while (fd >= 0) {
		const uint64_t a[6] = { (uint64_t)fd, (uint64_t)buf, size };

		n = sys_getdents64(a);
		if (n <= 0)
			break;
		for (long at = 0; at < n;) {
			uint16_t reclen;

			memcpy(&reclen, buf + at + 16, sizeof(reclen));
			out += sprintf(out, "%s ", buf + at + 19);
			at += reclen;
		}
	}
	*out = '\0';
	close((int)fd);
}

/* --- tests --- */

static void test_ordinary_paths(void)
{
	static const char *const paths[] = {
		"/etc/passwd",           "/usr/lib/x", "file", "../x", ".", "",
		"/procession/self/maps", "/system/x",
	};
	bool pass = true;
	int before = offloads;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		pass = pass && path_is(paths[i], VPATH_HOST);
	ok(pass, "ordinary paths are left alone");
	openat_(AT_FDCWD, "/nowhere", O_RDONLY);
	ok(offloads == before + 1, "an ordinary open costs one call");
	ok(openat_(AT_FDCWD, "/nowhere", O_RDONLY) == -ENOENT,
	   "Linux's errors come through");
}

static void test_spellings(void)
{
	static const char *const paths[] = {
		"/proc/self/maps",           "//proc//self/./maps",
		"/proc/self/../self/maps",   "/usr/../proc/self/maps",
		"/./proc/self/task/../maps", "/proc/thread-self/maps",
	};
	bool pass = true;
	char own[64];
	int dir;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		pass = pass && path_is(paths[i], VPATH_FILE);
	ok(pass, "odd spellings of one file are found");
	snprintf(own, sizeof(own), "/proc/%d/maps", getpid());
	ok(path_is(own, VPATH_FILE), "by the own pid");
	snprintf(own, sizeof(own), "/proc/self/task/%d/stat", TID);
	ok(path_is(own, VPATH_FILE), "by a thread's id");
	ok(path_is("/proc/1/maps", VPATH_HOST), "other processes are Linux's");
	ok(openat_(AT_FDCWD, "/proc/self/task/77/stat", 0) == -ENOENT,
	   "a thread that is not there");
	dir = open("/proc/self", O_RDONLY);
	ok(slurp_at(dir, "comm") > 0 && strcmp(text, "first\n") == 0,
	   "relative to a directory of /proc");
	close(dir);
	dir = open("/", O_RDONLY);
	ok(slurp_at(dir, "proc/self/comm") > 0 && strcmp(text, "first\n") == 0,
	   "relative to the root");
	close(dir);
	ok(chdir("/proc") == 0 && slurp("self/comm") > 0 &&
	       strcmp(text, "first\n") == 0,
	   "relative to the working directory");
	ok(chdir("/") == 0 && slurp("proc/self/comm") > 0, "from the root");
}

static void test_self(void)
{
	char want[64];

	ok(slurp("/proc/self/cmdline") == (long)sizeof(args) &&
	       memcmp(text, args, sizeof(args)) == 0,
	   "cmdline");
	ok(slurp("/proc/self/environ") == (long)sizeof(envs) &&
	       memcmp(text, envs, sizeof(envs)) == 0,
	   "environ");
	slurp("/proc/self/status");
	snprintf(want, sizeof(want), "\nPid:\t%d\n", getpid());
	ok(has("Name:\tfirst\n") && has("\nThreads:\t2\n") && has(want) &&
	       has("\nSigCgt:\t0000000000000200\n") &&
	       has("\nSigIgn:\t0000000000001000\n") &&
	       has("\nVmSize:\t   32768 kB\n") && has("\nSeccomp:\t0\n"),
	   "status");
	slurp("/proc/thread-self/status");
	ok(has("Name:\tsecond\n") && has("\nPid:\t4194305\n"),
	   "status of a thread");
	slurp("/proc/self/stat");
	snprintf(want, sizeof(want), "%d (first) R ", getpid());
	ok(strncmp(text, want, strlen(want)) == 0 && has(" 33554432 "), "stat");
	slurp("/proc/thread-self/stat");
	ok(strncmp(text, "4194305 (second) R ", 19) == 0 && has(" 123 0 "),
	   "stat of a thread");
	ok(slurp("/proc/self/statm") > 0 && strncmp(text, "8192 ", 5) == 0,
	   "statm");
	slurp("/proc/self/limits");
	ok(has("Max open files ") && has("Soft Limit"), "limits");
	ok(openat_(AT_FDCWD, "/proc/self/mem", O_RDWR) == -EACCES,
	   "mem, which reaches the owner, is refused");
	ok(openat_(AT_FDCWD, "/proc/self/maps", O_RDWR) == -EACCES,
	   "writing is refused");
	ok(openat_(AT_FDCWD, "/proc/self/maps", O_DIRECTORY) == -ENOTDIR,
	   "a file is no directory");
}

static void test_maps(void)
{
	char line[256];

	slurp("/proc/self/maps");
	ok(strncmp(text, "110000000000-110000002000 r--p 00001000 ", 40) == 0 &&
	       has("true\n"),
	   "a file mapping has Linux's name and offset");
	snprintf(line, sizeof(line), "%s%*s\n",
		 "110000002000-110000005000 rw-p 00000000 00:00 0 ", 31,
		 "[heap]");
	ok(has(line), "the heap, in Linux's columns");
	ok(has("\n200000000000-200000001000 ---p 00000000 00:00 0 \n"),
	   "an anonymous mapping");
	ok(!has("[stack]") && !has("libasan"), "nothing of the owner's");
	slurp("/proc/self/smaps");
	ok(has("110000000000-") && has("Rss:") && !has("[stack]"), "smaps");
	slurp("/proc/self/smaps_rollup");
	ok(has("[rollup]\nRss:"), "smaps_rollup");
}

static void test_descriptor(void)
{
	long low = open("/dev/null", O_RDONLY);
	long fd;

	close((int)low);
	fd = openat_(AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC);
	ok(fd == low, "the lowest free descriptor is taken");
	ok(fcntl((int)fd, F_GETFD) == FD_CLOEXEC, "O_CLOEXEC is honoured");
	ok((fcntl((int)fd, F_GETFL) & O_ACCMODE) == O_RDONLY &&
	       write((int)fd, "x", 1) < 0,
	   "it is read-only");
	ok(pread((int)fd, text, 5, 0) == 5 && memcmp(text, "Name:", 5) == 0,
	   "pread works");
	close((int)fd);
	fd = openat_(AT_FDCWD, "/proc/self/status", O_RDONLY);
	ok(fcntl((int)fd, F_GETFD) == 0, "and absent if not asked for");
	close((int)fd);
}

static void test_comm(void)
{
	char path[64];
	uint64_t a[6] = { 0 };
	long fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", TID);
	fd = openat_(AT_FDCWD, path, O_RDWR);
	ok(fd >= 0 && write((int)fd, "renamed", 7) == 7, "comm is written to");
	a[0] = (uint64_t)fd;
	ok(sys_close(a) == 0 && strcmp(second.name, "renamed") == 0,
	   "the thread has the name when it is closed");
	slurp(path);
	ok(strcmp(text, "renamed\n") == 0, "and it is read back");
	strcpy(second.name, "second");
}

static void test_links(void)
{
	char *buf = (char *)BUF_AT;
	uint64_t a[6] = { (uint64_t) "/proc/self/exe", (uint64_t)buf, 63 };
	char want[64];

	memset(buf, 0, 64);
	ok(sys_readlink(a) == 9 && strcmp(buf, "/bin/true") == 0, "exe");
	a[2] = 4;
	ok(sys_readlink(a) == 4, "a short buffer cuts the link");
	a[0] = (uint64_t) "/proc/thread-self";
	a[2] = 63;
	memset(buf, 0, 64);
	snprintf(want, sizeof(want), "%d/task/%d", getpid(), TID);
	sys_readlink(a);
	ok(strcmp(buf, want) == 0, "thread-self");
	a[0] = (uint64_t) "/proc/self/maps";
	ok(sys_readlink(a) == -EINVAL, "a file is no link");
	ok(slurp("/proc/self/exe") > 4 && memcmp(text, "\177ELF", 4) == 0,
	   "exe opens the program");
	ok(openat_(AT_FDCWD, "/proc/self/exe", O_NOFOLLOW) == -ELOOP,
	   "O_NOFOLLOW on a link");
}

static void test_machine(void)
{
	uint32_t n = BOOT->ncores;
	char want[64];

	slurp("/proc/cpuinfo");
	snprintf(want, sizeof(want), "\nprocessor\t: %u\n", n);
	ok(strncmp(text, "processor\t: 0\n", 14) == 0 && !has(want),
	   "cpuinfo has as many CPUs as cores");
	slurp("/proc/stat");
	snprintf(want, sizeof(want), "\ncpu%u ", n);
	ok(has("\ncpu0 ") && !has(want) && has("\nbtime "), "stat likewise");
	slurp("/proc/meminfo");
	ok(strncmp(text,
		   "MemTotal:          65536 kB\nMemFree:           "
		   "49152 kB\n",
		   56) == 0,
	   "meminfo has the instance's memory");
	slurp("/sys/devices/system/cpu/online");
	ok(strcmp(text, n == 2 ? "0-1\n" : "0\n") == 0, "online");
	slurp("/sys/devices/system/cpu/offline");
	ok(strcmp(text, "\n") == 0, "offline");
	slurp("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list");
	ok(text[0] == '0', "a CPU's siblings have the instance's numbers");
	snprintf(want, sizeof(want), "/sys/devices/system/cpu/cpu%u", n);
	ok(openat_(AT_FDCWD, want, 0) == -ENOENT, "one CPU more is not there");
}

static void test_offline(void)
{
	uint16_t cpu = BOOT->host_cpu[0];

	BOOT->host_cpu[0] = 4000;
	slurp("/proc/cpuinfo");
	ok(strncmp(text, "processor\t: 0\nvendor_id", 23) == 0 &&
	       has("\ncore id\t\t: 0\n"),
	   "cpuinfo has a core that Linux does not see");
	slurp("/proc/stat");
	ok(has("\ncpu0 300 0 0 700 0 0 0 0 0 0\n"),
	   "stat likewise, as the unikernel counts");
	BOOT->host_cpu[0] = cpu;
}

static void test_lists(void)
{
	char want[32];

	list("/sys/devices/system/cpu", 4096);
	snprintf(want, sizeof(want), " cpu%u ", BOOT->ncores);
	ok(has(" cpu0 ") && !has(want) && has(" online "), "CPUs are listed");
	list("/proc/self/fd", 4096);
	ok(has(" 0 ") && !has(" 500 "), "the owner's descriptors are not");
	list("/proc/self/task", 32);
	snprintf(want, sizeof(want), " . .. %d %d ", getpid(), TID);
	ok(strcmp(text, want) == 0, "threads, one entry a call");
	list("/proc/self/task", 4096);
	ok(strcmp(text, want) == 0, "threads, all at once");
	list("/proc/self/task", 8);
	ok(strcmp(text, " ") == 0, "a buffer too small for any");
}

static void test_hidden(void)
{
	uint64_t a[6] = { 500, 7 };
	int dup_fd = dup2(1, 499);

	ok(sys_close(a) == -EBADF && sys_dup2(a) == -EBADF &&
	       sys_fcntl(a) == -EBADF && sys_ioctl(a) == -EBADF &&
	       sys_getdents64(a) == -EBADF,
	   "a hidden descriptor is closed to the program");
	ok(openat_(AT_FDCWD, "/proc/self/fd/500", O_WRONLY) == -ENOENT &&
	       openat_(AT_FDCWD, "/dev/fd/500", O_WRONLY) == -ENOENT,
	   "and cannot be opened anew");
	a[0] = 499;
	a[1] = UINT32_MAX;
	ok(sys_close_range(a) == 0 && fcntl(dup_fd, F_GETFD) < 0 &&
	       fcntl(500, F_GETFD) >= 0,
	   "close_range goes around them");
	a[0] = 1;
	a[1] = 502;
	ok(sys_dup2(a) == -EBADF, "nothing is put among them");
	a[1] = F_DUPFD;
	a[2] = 501;
	ok(sys_fcntl(a) == 508, "a duplicate is found a place above them");
	close(508);
}

int main(void)
{
	set_up();
	test_ordinary_paths();
	test_spellings();
	test_self();
	test_maps();
	test_descriptor();
	test_comm();
	test_links();
	test_machine();
	test_offline();
	test_lists();
	test_hidden();
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
