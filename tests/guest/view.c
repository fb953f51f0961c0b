/* SPDX-License-Identifier: MIT */
/*
 * view.c - an instance of one core and 256 MiB shows just that, wherever a
 * program may look.
 */
// azalea-only: yes
// azalea: -m 256M
// modes: direct-1 ring-1
// variants: pie static
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/sysinfo.h>

#include "tap.h"

static char text[1 << 16];

static const char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = 0;
	if (fd >= 0)
		close(fd);
	return text;
}

static int occurs(const char *in, const char *what)
{
	int n = 0;

	while ((in = strstr(in, what))) {
		n++;
		in += strlen(what);
	}
	return n;
}

static void *on_cpu(void *arg)
{
	*(int *)arg = sched_getcpu();
	return NULL;
}

static void check_cpus(void)
{
	cpu_set_t set;
	pthread_t t;
	unsigned int cpu = 99;
	int n = 0, other = 99;
	DIR *d = opendir("/sys/devices/system/cpu");
	struct dirent *e;

	IS(get_nprocs(), 1, "get_nprocs");
	IS(get_nprocs_conf(), 1, "get_nprocs_conf");
	MUST(sched_getaffinity(0, sizeof(set), &set) == 0);
	OK(CPU_COUNT(&set) == 1 && CPU_ISSET(0, &set), "the affinity mask");
	IS(sched_getcpu(), 0, "sched_getcpu");
	MUST(syscall(SYS_getcpu, &cpu, NULL, NULL) == 0);
	IS(cpu, 0, "getcpu");
	MUST(pthread_create(&t, NULL, on_cpu, &other) == 0);
	MUST(pthread_join(t, NULL) == 0);
	IS(other, 0, "in another thread");
	OK(!strcmp(slurp("/sys/devices/system/cpu/online"), "0\n"), "online");
	OK(!strcmp(slurp("/sys/devices/system/cpu/present"), "0\n"), "present");
	OK(!strcmp(slurp("/sys/devices/system/cpu/possible"), "0\n"),
	   "possible");
	MUST(d);
	while ((e = readdir(d)))
		n += !strncmp(e->d_name, "cpu", 3) && e->d_name[3] >= '0' &&
		     e->d_name[3] <= '9';
	closedir(d);
	IS(n, 1, "one directory in /sys/devices/system/cpu");
	ERR(access("/sys/devices/system/cpu/cpu1", F_OK), ENOENT, "no cpu1");
	IS(occurs(slurp("/proc/cpuinfo"), "processor\t:"), 1, "cpuinfo");
	IS(occurs(slurp("/proc/stat"), "\ncpu"), 1, "stat");
	OK(strstr(slurp("/proc/self/status"), "Cpus_allowed_list:\t0\n"),
	   "status");
}

static void check_memory(void)
{
	struct sysinfo si;

	OK(strstr(slurp("/proc/meminfo"), "MemTotal:         262144 kB"),
	   "meminfo");
	MUST(sysinfo(&si) == 0);
	IS((uint64_t)si.totalram * si.mem_unit, 256 << 20, "sysinfo");
	IS(sysconf(_SC_PHYS_PAGES), 65536, "sysconf");
	OK(sysconf(_SC_AVPHYS_PAGES) <= 65536, "what is free");
}

int main(void)
{
	check_cpus();
	check_memory();
	return tap_done();
}
