/* SPDX-License-Identifier: MIT */
/*
 * clocks.c - clocks never go backwards, agree with the host's, run at its
 * pace; sleeps last at least as long as asked; CPU clocks count work only.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>

#include "tap.h"

static void check_monotonic(clockid_t clock, const char *name)
{
	int64_t last = now_ns(clock);
	int bad = 0;

	for (int i = 0; i < 200000; i++) {
		int64_t t = now_ns(clock);

		bad += t < last;
		last = t;
	}
	IS(bad, 0, name);
}

/* What one thread read is never later than what another reads afterwards. */
static volatile int64_t latest;
static int backwards;

static void *read_clock(void *arg)
{
	for (int i = 0; i < 100000; i++) {
		int64_t seen = __atomic_load_n(&latest, __ATOMIC_SEQ_CST);
		int64_t t = now_ns(CLOCK_MONOTONIC);

		if (t < seen)
			__atomic_add_fetch(&backwards, 1, __ATOMIC_SEQ_CST);
		while (t > seen && !__atomic_compare_exchange_n(
				       &latest, &seen, t, 0, __ATOMIC_SEQ_CST,
				       __ATOMIC_SEQ_CST))
			;
	}
	return arg;
}

static void check_threads(void)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		MUST(pthread_create(&t[i], NULL, read_clock, NULL) == 0);
	for (int i = 0; i < 4; i++)
		MUST(pthread_join(t[i], NULL) == 0);
	IS(backwards, 0, "CLOCK_MONOTONIC among threads");
}

/* A file's times come from the host's clock, to within its tick. */
static int64_t host_real(void)
{
	int fd = open("clock.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct stat st;

	MUST(fd >= 0 && write(fd, "x", 1) == 1 && fstat(fd, &st) == 0);
	close(fd);
	unlink("clock.tmp");
	return st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
}

static void check_host(void)
{
	int bad = 0;
	struct timeval tv;

	for (int i = 0; i < 200; i++) {
		int64_t a = now_ns(CLOCK_REALTIME), h = host_real(),
			b = now_ns(CLOCK_REALTIME);

		if (h < a - 20000000 || h > b + 2000000)
			if (bad++ < 3)
				tap_line("# host differs by %lld us",
					 (long long)(h - a) / 1000);
		sleep_ms(1);
	}
	IS(bad, 0, "CLOCK_REALTIME is the host's");
	MUST(gettimeofday(&tv, NULL) == 0);
	OK(llabs(tv.tv_sec * 1000000000LL + tv.tv_usec * 1000LL -
		 now_ns(CLOCK_REALTIME)) < 1000000000,
	   "gettimeofday is CLOCK_REALTIME");
	OK(llabs(time(NULL) - now_ns(CLOCK_REALTIME) / 1000000000) <= 1,
	   "so is time");
}

static void check_uptime(void)
{
	int fd = open("/proc/uptime", O_RDONLY);
	char buf[64] = { 0 };
	double up;

	MUST(fd >= 0 && read(fd, buf, sizeof(buf) - 1) > 0);
	close(fd);
	up = strtod(buf, NULL);
	OK(up - (double)now_ns(CLOCK_BOOTTIME) / 1e9 < 1 &&
	       up - (double)now_ns(CLOCK_BOOTTIME) / 1e9 > -5,
	   "CLOCK_BOOTTIME is the host's uptime");
}

static void check_relations(void)
{
	int64_t mono = now_ns(CLOCK_MONOTONIC), boot = now_ns(CLOCK_BOOTTIME),
		raw = now_ns(CLOCK_MONOTONIC_RAW),
		coarse = now_ns(CLOCK_MONOTONIC_COARSE),
		tai = now_ns(CLOCK_TAI), real = now_ns(CLOCK_REALTIME);

	OK(boot >= mono, "CLOCK_BOOTTIME is not behind CLOCK_MONOTONIC");
	OK(llabs(raw - mono) < 3600000000000LL, "MONOTONIC_RAW is near it");
	OK(coarse > mono - 100000000 && coarse < mono + 100000000,
	   "MONOTONIC_COARSE is near it");
	OK(llabs(tai - real) < 60000000000LL, "CLOCK_TAI is near REALTIME");
}

static void check_pace(void)
{
	int64_t m0 = now_ns(CLOCK_MONOTONIC), r0 = now_ns(CLOCK_REALTIME);
	int64_t h0 = host_real(), m, r, h;

	sleep_ms(1500);
	m = now_ns(CLOCK_MONOTONIC) - m0;
	r = now_ns(CLOCK_REALTIME) - r0;
	h = host_real() - h0;
	OK(llabs(m - r) < 5000000, "both clocks run alike");
	OK(llabs(h - r) < 50000000, "and like the host's");
}

static void check_sleep(void)
{
	static const long ns[] = {
		0, 1, 1000, 50000, 1000000, 5000000, 30000000
	};
	int bad = 0;

	for (size_t i = 0; i < 7; i++) {
		struct timespec ts = { 0, ns[i] };
		int64_t t0 = now_ns(CLOCK_MONOTONIC);

		MUST(nanosleep(&ts, NULL) == 0);
		bad += now_ns(CLOCK_MONOTONIC) - t0 < ns[i];
	}
	IS(bad, 0, "nanosleep never ends early");
	for (size_t i = 0; i < 7; i++) {
		int64_t at = now_ns(CLOCK_REALTIME) + ns[i];
		struct timespec ts = { at / 1000000000, at % 1000000000 };

		MUST(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts,
				     NULL) == 0);
		bad += now_ns(CLOCK_REALTIME) < at;
	}
	IS(bad, 0, "nor does an absolute clock_nanosleep");
	for (size_t i = 0; i < 7; i++) {
		int64_t at = now_ns(CLOCK_BOOTTIME) + ns[i];
		struct timespec ts = { at / 1000000000, at % 1000000000 };

		MUST(clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &ts,
				     NULL) == 0);
		bad += now_ns(CLOCK_BOOTTIME) < at;
	}
	IS(bad, 0, "nor on CLOCK_BOOTTIME");
	struct timespec past = { 1, 0 };
	IS(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, NULL), 0,
	   "a time in the past is no wait");
	IS(usleep(1000), 0, "usleep");
}

static void burn(int64_t ns)
{
	int64_t t0 = now_ns(CLOCK_THREAD_CPUTIME_ID);

	while (now_ns(CLOCK_THREAD_CPUTIME_ID) - t0 < ns)
		;
}

static void *burn_thread(void *arg)
{
	clockid_t id;
	int64_t t0 = now_ns(CLOCK_THREAD_CPUTIME_ID);

	MUST(pthread_getcpuclockid(pthread_self(), &id) == 0);
	burn(50000000);
	*(int64_t *)arg = now_ns(id);
	return t0 < 50000000 ? NULL : arg;
}

static void check_cpu(void)
{
	int64_t p0, t0, other = 0;
	struct rusage ru0, ru;
	struct tms tms0, tms;
	pthread_t t;
	void *r;
	clockid_t id;

	p0 = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	t0 = now_ns(CLOCK_THREAD_CPUTIME_ID);
	sleep_ms(300);
	OK(now_ns(CLOCK_THREAD_CPUTIME_ID) - t0 < 200000000,
	   "a sleeping thread uses no CPU time");
	OK(now_ns(CLOCK_PROCESS_CPUTIME_ID) - p0 < 250000000,
	   "a sleeping process next to none");
	MUST(getrusage(RUSAGE_SELF, &ru0) == 0 && times(&tms0) != -1);
	p0 = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	t0 = now_ns(CLOCK_THREAD_CPUTIME_ID);
	burn(100000000);
	MUST(pthread_create(&t, NULL, burn_thread, &other) == 0);
	MUST(pthread_join(t, &r) == 0);
	OK(r == NULL, "a new thread's clock starts at 0");
	OK(other >= 50000000, "a thread's clock by its id");
	OK(now_ns(CLOCK_PROCESS_CPUTIME_ID) - p0 >= 145000000,
	   "the process's clock sums its threads");
	t0 = now_ns(CLOCK_THREAD_CPUTIME_ID) - t0;
	OK(t0 >= 100000000, "the thread's counts its own");
	MUST(getrusage(RUSAGE_SELF, &ru) == 0 && times(&tms) != -1);
	t0 = (ru.ru_utime.tv_sec - ru0.ru_utime.tv_sec + ru.ru_stime.tv_sec -
	      ru0.ru_stime.tv_sec) *
		 1000000LL +
	     ru.ru_utime.tv_usec - ru0.ru_utime.tv_usec + ru.ru_stime.tv_usec -
	     ru0.ru_stime.tv_usec;
	/*
	 * A fifth of it: an instance counts the time that a thread has its
	 * core, Linux what the host gave; they differ on a busy machine.
	 */
	OK(t0 >= 20000, "getrusage counts it");
	OK(tms.tms_utime - tms0.tms_utime + tms.tms_stime - tms0.tms_stime >= 2,
	   "times counts it");
	MUST(getrusage(RUSAGE_THREAD, &ru) == 0);
	OK(ru.ru_utime.tv_sec + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec > 0,
	   "RUSAGE_THREAD");
	IS(clock_getcpuclockid(0, &id), 0, "clock_getcpuclockid");
	OK(now_ns(id) > 0, "can be read");
	OK(clock() > 0, "clock()");
}

static void check_errors(void)
{
	struct timespec ts = { 0, 0 }, bad = { 0, 1000000000 }, neg = { -1, 0 };

	ERR(syscall(SYS_clock_gettime, 99, &ts), EINVAL, "no such clock");
	ERR(syscall(SYS_clock_gettime, 1, 8L), EFAULT, "a bad pointer");
	ERR(syscall(SYS_clock_getres, 99, &ts), EINVAL, "clock_getres");
	IS(syscall(SYS_clock_getres, 1, NULL), 0, "clock_getres of nothing");
	ERR(syscall(SYS_nanosleep, &bad, NULL), EINVAL, "nanosleep, 1e9 ns");
	ERR(syscall(SYS_nanosleep, &neg, NULL), EINVAL, "nanosleep, negative");
	ERR(syscall(SYS_nanosleep, 8L, NULL), EFAULT, "nanosleep, pointer");
	ERR(syscall(SYS_clock_nanosleep, 99, 0, &ts, NULL), EINVAL,
	    "clock_nanosleep on no clock");
	ERR(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL),
	    EOPNOTSUPP, "clock_nanosleep on one's own CPU clock");
	ERR(syscall(SYS_clock_nanosleep, 1, 0, &bad, NULL), EINVAL,
	    "clock_nanosleep, 1e9 ns");
	ERR(syscall(SYS_gettimeofday, 8L, NULL), EFAULT, "gettimeofday");
	ERR(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &ts), EINVAL,
	    "setting CLOCK_MONOTONIC");
	ERR(syscall(SYS_times, 8L), EFAULT, "times");
	MUST(syscall(SYS_clock_getres, CLOCK_MONOTONIC, &ts) == 0);
	IS(ts.tv_nsec, 1, "CLOCK_MONOTONIC has a resolution of 1 ns");
}

int main(void)
{
	check_monotonic(CLOCK_MONOTONIC, "CLOCK_MONOTONIC never goes back");
	check_monotonic(CLOCK_BOOTTIME, "CLOCK_BOOTTIME never goes back");
	check_monotonic(CLOCK_THREAD_CPUTIME_ID, "THREAD_CPUTIME never");
	check_threads();
	check_host();
	check_uptime();
	check_relations();
	check_pace();
	check_sleep();
	check_cpu();
	check_errors();
	return tap_done();
}
