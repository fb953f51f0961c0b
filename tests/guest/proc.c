/* SPDX-License-Identifier: MIT */
/*
 * proc.c - /proc and /sys describe the instance: its threads, memory, cores,
 * executable and arguments, in Linux's formats.
 */
// run: first 'second arg' ''
// env: GUEST_PROC=1
#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "tap.h"

static char text[1 << 18];

static ssize_t slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, total = 0;

	text[0] = 0;
	if (fd < 0)
		return -1;
	while ((n = read(fd, text + total, sizeof(text) - 1 - (size_t)total)) >
	       0)
		total += n;
	close(fd);
	text[total] = 0;
	return total;
}

/* The number behind `key` in a file of `key: number` lines, or -1. */
static long field(const char *path, const char *key)
{
	char *p;

	if (slurp(path) < 0)
		return -1;
	p = text;
	if (strncmp(p, key, strlen(key)) != 0) {
		char want[64];

		snprintf(want, sizeof(want), "\n%s", key);
		p = strstr(text, want);
		if (!p)
			return -1;
		p++;
	}
	p += strlen(key);
	while (*p && !isdigit((unsigned char)*p) && *p != '\n')
		p++;
	return isdigit((unsigned char)*p) ? strtol(p, NULL, 10) : -1;
}

static void check_self(char **argv)
{
	char link[PATH_MAX], real[PATH_MAX], path[64];
	ssize_t n = readlink("/proc/self/exe", link, sizeof(link) - 1);
	size_t want = 0;
	int same = 1;
	char *p;

	link[n > 0 ? n : 0] = 0;
	OK(realpath(argv[0], real) && !strcmp(link, real), "exe is a link");
	snprintf(path, sizeof(path), "/proc/%d/exe", getpid());
	n = readlink(path, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = 0;
	OK(!strcmp(link, real), "also by pid");
	OK(slurp("/proc/self/exe") > 1000 && !memcmp(text, ELFMAG, 4),
	   "and can be opened");
	for (int i = 0; argv[i]; i++)
		want += strlen(argv[i]) + 1;
	IS(slurp("/proc/self/cmdline"), want, "cmdline");
	p = text;
	for (int i = 0; argv[i]; i++) {
		same = same && !strcmp(p, argv[i]);
		p += strlen(p) + 1;
	}
	OK(same, "holds the arguments");
	OK(slurp("/proc/self/environ") > 0 &&
	       memmem(text, sizeof(text), "GUEST_PROC=1", 13),
	   "environ");
	IS(prctl(PR_SET_NAME, "renamed"), 0, "a new name");
	slurp("/proc/self/comm");
	OK(!strcmp(text, "renamed\n"), "shows in comm");
	n = readlink("/proc/self", link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = 0;
	IS(atoi(link), getpid(), "/proc/self is a link to the pid");
}

static void check_auxv(void)
{
	ssize_t n = slurp("/proc/self/auxv");
	const ElfW(auxv_t) *av = (const void *)text;
	int bad = 1;

	for (; n >= (ssize_t)sizeof(*av); av++, n -= (ssize_t)sizeof(*av)) {
		if (av->a_type == AT_NULL)
			break;
		if (av->a_type == AT_PHDR)
			bad = av->a_un.a_val != getauxval(AT_PHDR);
	}
	OK(!bad && av->a_type == AT_NULL, "auxv is the program's");
}

static pthread_barrier_t bar;

static void *idle(void *arg)
{
	pthread_barrier_wait(&bar);
	pthread_barrier_wait(&bar);
	return arg;
}

static int count_tasks(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	MUST(d);
	while ((e = readdir(d)))
		n += isdigit((unsigned char)e->d_name[0]) != 0;
	closedir(d);
	return n;
}

static void check_threads(void)
{
	pthread_t t[5];
	char path[64];

	MUST(pthread_barrier_init(&bar, NULL, 6) == 0);
	for (int i = 0; i < 5; i++)
		MUST(pthread_create(&t[i], NULL, idle, NULL) == 0);
	pthread_barrier_wait(&bar);
	IS(field("/proc/self/status", "Threads:"), 6, "status: Threads");
	IS(count_tasks(), 6, "task lists them");
	pthread_barrier_wait(&bar);
	for (int i = 0; i < 5; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", my_tid());
	slurp(path);
	OK(!strcmp(text, "renamed\n"), "task/TID/comm");
	IS(access("/proc/thread-self/comm", R_OK), 0, "thread-self");
}

static void check_status(void)
{
	long rss, size;
	char *big;

	IS(field("/proc/self/status", "Pid:"), getpid(), "status: Pid");
	IS(field("/proc/self/status", "Tgid:"), getpid(), "status: Tgid");
	IS(field("/proc/self/status", "PPid:"), getppid(), "status: PPid");
	IS(field("/proc/self/status", "Uid:"), getuid(), "status: Uid");
	OK(strstr(text, "Name:\trenamed\n") != NULL, "status: Name");
	size = field("/proc/self/status", "VmSize:");
	rss = field("/proc/self/status", "VmRSS:");
	OK(size > 100 && size < 1L << 34, "status: VmSize");
	OK(rss > 0 && rss <= size, "status: VmRSS");
	big = malloc(32 << 20);
	MUST(big);
	memset(big, 1, 32 << 20);
	__asm__ volatile("" : : "r"(big) : "memory");
	OK(field("/proc/self/status", "VmSize:") >= size + 32 * 1024,
	   "grows with memory");
	OK(field("/proc/self/status", "VmRSS:") >= rss + 30 * 1024,
	   "so does VmRSS");
	free(big);
}

static void check_stat(void)
{
	char *p;
	int n = 0;

	slurp("/proc/self/stat");
	IS(atoi(text), getpid(), "stat: the pid first");
	p = strrchr(text, ')');
	OK(p && strstr(text, "(renamed)"), "stat: the name in parentheses");
	for (p = p ? p + 1 : text; *p; p++)
		n += *p == ' ';
	IS(n, 50, "stat: 52 fields");
	n = 0;
	slurp("/proc/self/statm");
	for (p = text; *p; p++)
		n += *p == ' ';
	IS(n, 6, "statm: 7 numbers");
	OK(atol(text) > 10, "statm: size");
}

static int count_lines(const char *start)
{
	int n = 0;

	for (char *p = text; p; p = strchr(p, '\n')) {
		if (*p == '\n')
			p++;
		if (!strncmp(p, start, strlen(start)) && *p)
			n++;
		if (!*p)
			break;
	}
	return n;
}

static void check_cpus(void)
{
	cpu_set_t set;
	int ncpu, stat_lines = 0, dirs = 0;
	DIR *d;
	struct dirent *e;
	char path[300];

	MUST(sched_getaffinity(0, sizeof(set), &set) == 0);
	ncpu = CPU_COUNT(&set);
	OK(ncpu <= get_nprocs(), "get_nprocs");
	OK(get_nprocs() <= get_nprocs_conf(), "get_nprocs_conf");
	slurp("/proc/cpuinfo");
	IS(count_lines("processor\t:"), get_nprocs(), "/proc/cpuinfo");
	OK(strstr(text, "model name") && strstr(text, "flags\t"),
	   "tells models and flags");
	slurp("/proc/stat");
	for (int i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "cpu%d", i);
		stat_lines += count_lines(path);
	}
	OK(stat_lines >= (get_nprocs() > 10 ? 10 : get_nprocs()), "/proc/stat");
	OK(strstr(text, "btime ") && strstr(text, "ctxt "), "and the rest");
	slurp("/sys/devices/system/cpu/online");
	OK(isdigit((unsigned char)text[0]), "/sys/devices/system/cpu/online");
	d = opendir("/sys/devices/system/cpu");
	MUST(d);
	while ((e = readdir(d)))
		dirs += !strncmp(e->d_name, "cpu", 3) &&
			isdigit((unsigned char)e->d_name[3]);
	closedir(d);
	IS(dirs, get_nprocs_conf(), "a directory for each");
	OK(access("/sys/devices/system/cpu/cpu0", F_OK) == 0, "cpu0");
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d",
		 get_nprocs_conf() + 5000);
	ERR(access(path, F_OK), ENOENT, "and no other");
}

static void check_meminfo(void)
{
	long total = field("/proc/meminfo", "MemTotal:");
	long freemem = field("/proc/meminfo", "MemFree:");
	long avail = field("/proc/meminfo", "MemAvailable:");

	OK(total > 1000, "meminfo: MemTotal");
	OK(freemem > 0 && freemem <= total, "meminfo: MemFree");
	OK(avail > 0 && avail <= total, "meminfo: MemAvailable");
	IS(sysconf(_SC_PHYS_PAGES) * 4, total, "sysconf agrees");
}

static void check_limits(void)
{
	OK(slurp("/proc/self/limits") > 0 && strstr(text, "Max open files"),
	   "limits");
	OK(slurp("/proc/self/mountinfo") > 0, "mountinfo");
	OK(slurp("/proc/uptime") > 0 && slurp("/proc/loadavg") > 0,
	   "uptime and loadavg");
	OK(slurp("/proc/sys/kernel/osrelease") > 0, "/proc/sys");
	OK(slurp("/proc/self/maps") > 500, "maps");
	OK(slurp("/proc/version") > 0 && !strncmp(text, "Linux version", 13),
	   "version");
	OK(slurp("/proc/filesystems") > 0, "filesystems");
}

static void check_files(void)
{
	struct stat st;
	int fd = open("/proc/self/status", O_RDONLY);
	char a[64] = { 0 }, b[64] = { 0 };

	MUST(fd >= 0);
	IS(fstat(fd, &st), 0, "fstat of a virtual file");
	OK(S_ISREG(st.st_mode) && (st.st_mode & 0222) == 0, "is read-only");
	IS(pread(fd, a, 20, 5), 20, "pread");
	IS(lseek(fd, 5, SEEK_SET), 5, "lseek");
	IS(read(fd, b, 20), 20, "read");
	OK(!memcmp(a, b, 20), "agree");
	IS(fcntl(fd, F_GETFD), 0, "no close-on-exec");
	close(fd);
	fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	IS(fcntl(fd, F_GETFD), FD_CLOEXEC, "close-on-exec");
	close(fd);
	MUST(stat("/proc/self/maps", &st) == 0);
	OK(S_ISREG(st.st_mode), "stat by path");
	MUST(lstat("/proc/self/exe", &st) == 0);
	OK(S_ISLNK(st.st_mode), "lstat of exe");
	fd = open("/proc", O_RDONLY | O_DIRECTORY);
	MUST(fd >= 0);
	OK(openat(fd, "self/cmdline", O_RDONLY) >= 0, "openat from /proc");
	MUST(chdir("/proc/self") == 0);
	OK(open("stat", O_RDONLY) >= 0, "relative to /proc/self");
	ERR(open("/proc/self/nothing", O_RDONLY), ENOENT, "no such file");
	ERR(open("/proc/999999999/stat", O_RDONLY), ENOENT, "no such process");
}

int main(int argc, char **argv)
{
	(void)argc;
	check_self(argv);
	check_auxv();
	check_threads();
	check_status();
	check_stat();
	check_cpus();
	check_meminfo();
	check_limits();
	check_files();
	return tap_done();
}
