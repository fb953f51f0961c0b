/* SPDX-License-Identifier: MIT */
/*
 * vdso.c - the vDSO: its symbols are found the way a C library does it, and
 * each function agrees with the system call of the same name.
 */
#include <elf.h>
#include <link.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/time.h>

#include "tap.h"

static const char *base;
static const ElfW(Sym) * symtab;
static const char *strtab;
static const ElfW(Half) * versym;
static const ElfW(Verdef) * verdef;
static unsigned long nsyms;

static int vdso_open(void)
{
	const ElfW(Ehdr) *eh = (const void *)getauxval(AT_SYSINFO_EHDR);
	const ElfW(Phdr) * ph;
	const ElfW(Dyn) *dyn = NULL;
	unsigned long load = 0;
	const uint32_t *hash = NULL;

	if (!eh)
		return 0;
	base = (const char *)eh;
	ph = (const void *)(base + eh->e_phoff);
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			load = (unsigned long)base + ph[i].p_offset -
			       ph[i].p_vaddr;
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(base + ph[i].p_offset);
	}
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		const void *p = (const void *)(load + dyn->d_un.d_ptr);

		if (dyn->d_tag == DT_SYMTAB)
			symtab = p;
		if (dyn->d_tag == DT_STRTAB)
			strtab = p;
		if (dyn->d_tag == DT_HASH)
			hash = p;
		if (dyn->d_tag == DT_VERSYM)
			versym = p;
		if (dyn->d_tag == DT_VERDEF)
			verdef = p;
	}
	base = (const char *)load;
	nsyms = hash ? hash[1] : 0;
	return symtab && strtab && nsyms;
}

static const char *sym_version(unsigned long i)
{
	const ElfW(Verdef) *d = verdef;

	while (d && versym) {
		const ElfW(Verdaux) * aux;

		aux = (const void *)((const char *)d + d->vd_aux);
		if (d->vd_ndx == (versym[i] & 0x7fff))
			return strtab + aux->vda_name;
		if (!d->vd_next)
			break;
		d = (const void *)((const char *)d + d->vd_next);
	}
	return "";
}

static void *vdso_sym(const char *name)
{
	for (unsigned long i = 1; i < nsyms; i++)
		if (!strcmp(strtab + symtab[i].st_name, name) &&
		    symtab[i].st_shndx != SHN_UNDEF &&
		    !strcmp(sym_version(i), "LINUX_2.6"))
			return (void *)(base + symtab[i].st_value);
	return NULL;
}

typedef int clock_fn(clockid_t clock, struct timespec *ts);

static int64_t by_call(clockid_t clock)
{
	struct timespec ts;

	MUST(syscall(SYS_clock_gettime, clock, &ts) == 0);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int64_t by_vdso(clock_fn *fn, clockid_t clock)
{
	struct timespec ts = { -1, -1 };

	if (fn(clock, &ts))
		return -1;
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Call, vDSO, call: the readings must not go backwards. */
static void check_clock(clock_fn *fn, clockid_t clock, const char *name)
{
	int wrong = 0;

	for (int i = 0; i < 2000; i++) {
		int64_t a = by_call(clock), b = by_vdso(fn, clock),
			c = by_call(clock);

		if (a > b || b > c)
			if (wrong++ < 3)
				tap_line("# %lld %lld %lld", (long long)a,
					 (long long)b, (long long)c);
	}
	IS(wrong, 0, name);
}

static void check_gettimeofday(void)
{
	int (*fn)(struct timeval *, struct timezone *) =
	    (int (*)(struct timeval *, struct timezone *))vdso_sym(
		"__vdso_gettimeofday");
	struct timeval a, b, c;
	struct timezone tz = { -5, -5 };
	int64_t ta, tb, tc;

	OK(fn != NULL, "__vdso_gettimeofday");
	if (!fn)
		return;
	MUST(syscall(SYS_gettimeofday, &a, NULL) == 0);
	IS(fn(&b, &tz), 0, "gettimeofday returns 0");
	MUST(syscall(SYS_gettimeofday, &c, NULL) == 0);
	ta = a.tv_sec * 1000000LL + a.tv_usec;
	tb = b.tv_sec * 1000000LL + b.tv_usec;
	tc = c.tv_sec * 1000000LL + c.tv_usec;
	OK(ta <= tb && tb <= tc, "gettimeofday agrees with the call");
	OK(tz.tz_minuteswest == 0 && tz.tz_dsttime == 0, "the time zone");
	IS(fn(NULL, NULL), 0, "gettimeofday of nothing");
}

static void check_time(void)
{
	time_t (*fn)(time_t *) = (time_t(*)(time_t *))vdso_sym("__vdso_time");
	time_t a, b, c, d = 0;

	OK(fn != NULL, "__vdso_time");
	if (!fn)
		return;
	a = syscall(SYS_time, NULL);
	b = fn(&d);
	c = syscall(SYS_time, NULL);
	OK(a <= b && b <= c, "time agrees with the call");
	OK(b == d, "time stores what it returns");
}

static void check_getcpu(void)
{
	long (*fn)(unsigned int *, unsigned int *, void *) = (long (*)(
	    unsigned int *, unsigned int *, void *))vdso_sym("__vdso_getcpu");
	unsigned int cpu = 9999, node = 9999;

	OK(fn != NULL, "__vdso_getcpu");
	if (!fn)
		return;
	IS(fn(&cpu, &node, NULL), 0, "getcpu returns 0");
	OK(cpu < (unsigned int)sysconf(_SC_NPROCESSORS_CONF), "a CPU we have");
	OK(node < 64, "a node");
	IS(fn(NULL, NULL, NULL), 0, "getcpu of nothing");
}

int main(void)
{
	clock_fn *fn, *res;
	struct timespec ts;

	OK(vdso_open(), "the vDSO has symbols and a hash table");
	fn = (clock_fn *)vdso_sym("__vdso_clock_gettime");
	OK(fn != NULL, "__vdso_clock_gettime");
	if (fn) {
		check_clock(fn, CLOCK_REALTIME, "CLOCK_REALTIME");
		check_clock(fn, CLOCK_MONOTONIC, "CLOCK_MONOTONIC");
		check_clock(fn, CLOCK_REALTIME_COARSE, "REALTIME_COARSE");
		check_clock(fn, CLOCK_MONOTONIC_COARSE, "MONOTONIC_COARSE");
		check_clock(fn, CLOCK_MONOTONIC_RAW, "MONOTONIC_RAW");
		check_clock(fn, CLOCK_BOOTTIME, "CLOCK_BOOTTIME");
		check_clock(fn, CLOCK_PROCESS_CPUTIME_ID, "PROCESS_CPUTIME");
		check_clock(fn, CLOCK_THREAD_CPUTIME_ID, "THREAD_CPUTIME");
		check_clock(fn, CLOCK_TAI, "CLOCK_TAI");
		IS(fn(99, &ts), -EINVAL, "an unknown clock");
		IS(fn(-1, &ts), -EINVAL, "a negative clock");
	}
	check_gettimeofday();
	check_time();
	check_getcpu();
	res = (clock_fn *)vdso_sym("__vdso_clock_getres");
	OK(res != NULL, "__vdso_clock_getres");
	if (res) {
		IS(res(CLOCK_MONOTONIC, &ts), 0, "clock_getres");
		OK(ts.tv_sec == 0 && ts.tv_nsec == 1, "of one nanosecond");
		IS(res(99, &ts), -EINVAL, "clock_getres of no clock");
	}
	return tap_done();
}
