/* SPDX-License-Identifier: MIT */
/*
 * patch_code.c - calls from code that the program makes, moves, changes and
 * takes away while it runs: what is executed is always what was written last.
 */
// variants: pie static
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "fault.h"

#define PAGE  4096UL
#define TIMES 60

typedef long (*code_fn)(long, long, long);

static long pid, ppid;

/* What a piece of code calls: with its number, so that no two are the same. */
static int emit(uint8_t *p, uint32_t nr, uint8_t answer)
{
	const uint8_t code[] = {
		0xb8,   (uint8_t)nr, (uint8_t)(nr >> 8),
		0,      0,    /* mov $nr,%eax */
		0x0f,   0x05, /* syscall */
		0x48,   0x8d,        0x40,
		answer, /* lea answer(%rax),%rax */
		0xc3,   /* ret */
		0x0f,   0x1f,        0x44,
		0,      0,           0x90 /* padding */
	};

	memcpy(p, code, sizeof(code));
	return sizeof(code);
}

/* The same without room: a number from the caller, nothing around. */
static int emit_short(uint8_t *p)
{
	static const uint8_t code[] = { 0x89, 0xf8, 0x0f, 0x05, 0xc3 };

	memcpy(p, code, sizeof(code));
	return sizeof(code);
}

/* many - call fn often; how many answers were not want. */
static int many(void *fn, long a, long want)
{
	int bad = 0;

	for (int i = 0; i < TIMES; i++) {
		bad += ((code_fn)fn)(a, 0, 0) != want;
		if (i % 20 == 10)
			sleep_ms(1);
	}
	return bad;
}

static void *map_at(void *at, size_t len, int prot)
{
	void *p =
	    mmap(at, len, prot,
		 MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);

	MUST(p != MAP_FAILED);
	return p;
}

static void protect(void *p, size_t len, int prot)
{
	MUST(mprotect(p, len, prot) == 0);
}

#define RW  (PROT_READ | PROT_WRITE)
#define RX  (PROT_READ | PROT_EXEC)
#define RWX (RW | PROT_EXEC)

static void written_then_executed(void)
{
	uint8_t *p = map_at(NULL, PAGE, RW);
	int bad = 0;

	emit(p, SYS_getpid, 0);
	emit(p + 64, SYS_getppid, 0);
	emit_short(p + 128);
	protect(p, PAGE, RX);
	IS(many(p, 0, pid), 0, "RW, then RX");
	IS(many(p + 64, 0, ppid), 0, "RW, then RX: a second site");
	IS(many(p + 128, SYS_getpid, pid), 0, "RW, then RX: a short one");
	for (int i = 0; i < 20; i++) {
		protect(p, PAGE, RW);
		emit(p, i & 1 ? SYS_getpid : SYS_getppid, (uint8_t)i);
		protect(p, PAGE, RX);
		bad += many(p, 0, (i & 1 ? pid : ppid) + i);
		bad += many(p + 64, 0, ppid);
	}
	IS(bad, 0, "writable and back, with another call in the same place");
	bad = 0;
	for (int i = 0; i < 20; i++) {
		protect(p, PAGE, RWX);
		bad += many(p, 0, pid + 19);
		p[10] = (uint8_t)(20 + i);
		bad += many(p, 0, pid + 20 + i);
		p[10] = 19;
		protect(p, PAGE, RX);
		bad += many(p, 0, pid + 19);
	}
	IS(bad, 0,
	   "writable with the same bytes, and a change behind the call");
	protect(p, PAGE, RW);
	bad = p[0] != 0xb8 || p[5] != 0x0f || p[6] != 5 || p[7] != 0x48 ||
	      p[1] != SYS_getpid;
	IS(bad, 0, "writable again, the bytes are those that were written");
	protect(p, PAGE, RX);
	bad = many(p, 0, pid + 19);
	protect(p, PAGE, PROT_NONE);
	FAULT(fault_call(p), SIGSEGV, SEGV_ACCERR, p, "no longer executable");
	protect(p, PAGE, RX);
	bad += many(p, 0, pid + 19);
	IS(bad, 0, "PROT_NONE and back");
	MUST(munmap(p, PAGE) == 0);
}

static void writable_and_executable(void)
{
	uint8_t *p = map_at(NULL, PAGE, RWX);
	int bad = 0, wrong = 0;

	for (int i = 0; i < 40; i++) {
		uint32_t nr = i % 3 == 0 ? SYS_getpid : SYS_getppid;
		uint8_t seen[18], wrote[18];

		emit(p, nr, (uint8_t)i);
		emit(wrote, nr, (uint8_t)i);
		bad += many(p, 0, (i % 3 == 0 ? pid : ppid) + i);
		memcpy(seen, p, sizeof(seen));
		wrong += memcmp(seen, wrote, sizeof(seen)) != 0;
	}
	IS(bad, 0, "RWX: rewritten forty times");
	IS(wrong, 0, "RWX: reads back as written");
	/* One byte at a time, between calls: the immediate of the mov. */
	emit(p, SYS_getpid, 0);
	bad = 0;
	for (int i = 0; i < 400; i++) {
		p[1] = i & 1 ? SYS_getppid : SYS_getpid;
		bad += ((code_fn)p)(0, 0, 0) != (i & 1 ? ppid : pid);
		if (i % 100 == 0)
			sleep_ms(1);
	}
	IS(bad, 0, "RWX: the number alone changes between calls");
	/* The syscall becomes something else and back. */
	bad = 0;
	p[1] = SYS_getpid;
	for (int i = 0; i < 200; i++) {
		p[5] = 0x66;
		p[6] = 0x90;
		bad += ((code_fn)p)(0, 0, 0) != SYS_getpid;
		p[5] = 0x0f;
		p[6] = 0x05;
		bad += ((code_fn)p)(0, 0, 0) != pid;
	}
	IS(bad, 0, "RWX: the instruction comes and goes");
	MUST(munmap(p, PAGE) == 0);
}

/* Code that changes the code behind it, in its own page. */
static void changes_itself(void)
{
	/*
	 * mov %esi,1+mov(%rip); [serialise by a taken jump]; mov $0,%eax;
	 * syscall; ret - the store overwrites the next mov's immediate.
	 */
	static const uint8_t code[] = { 0x89, 0x35, 0x03,
					0,    0,    0, /* mov %esi,3(%rip) */
					0xeb, 0x00,    /* jmp next */
					0xb8, 0,    0,
					0,    0, /* mov $..,%eax */
					0x0f, 0x05, 0xc3 };
	uint8_t *p = map_at(NULL, PAGE, RWX);
	int bad = 0;

	memcpy(p, code, sizeof(code));
	for (int i = 0; i < 300; i++) {
		long nr = i % 3 ? SYS_getpid : SYS_getppid;

		bad += ((code_fn)p)(0, nr, 0) != (i % 3 ? pid : ppid);
		if (i % 100 == 50)
			sleep_ms(1);
	}
	IS(bad, 0, "code that changes the number of the call behind it");
	MUST(munmap(p, PAGE) == 0);
}

static void mapped_twice(void)
{
	int fd = memfd_create("code", 0), bad = 0;
	uint8_t *rw, *rx;

	MUST(fd >= 0 && ftruncate(fd, PAGE) == 0);
	rw = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	rx = mmap(NULL, PAGE, RX, MAP_SHARED, fd, 0);
	MUST(rw != MAP_FAILED && rx != MAP_FAILED);
	for (int i = 0; i < 40; i++) {
		uint8_t wrote[18];

		emit(rw, i & 1 ? SYS_getpid : SYS_getppid, (uint8_t)i);
		emit(wrote, i & 1 ? SYS_getpid : SYS_getppid, (uint8_t)i);
		bad += many(rx, 0, (i & 1 ? pid : ppid) + i);
		bad += memcmp(rw, wrote, sizeof(wrote)) != 0;
	}
	IS(bad, 0,
	   "a memfd written through one mapping, executed through another");
	/* By write(2), and a private mapping of what it says now. */
	bad = 0;
	for (int i = 0; i < 10; i++) {
		uint8_t wrote[18];
		uint8_t *q;

		emit(wrote, i & 1 ? SYS_getpid : SYS_getppid, (uint8_t)i);
		MUST(pwrite(fd, wrote, 18, 64) == 18);
		bad += many(rx + 64, 0, (i & 1 ? pid : ppid) + i);
		q = mmap(NULL, PAGE, RX, MAP_PRIVATE, fd, 0);
		MUST(q != MAP_FAILED);
		bad += many(q + 64, 0, (i & 1 ? pid : ppid) + i);
		bad += memcmp(rw + 64, wrote, sizeof(wrote)) != 0;
		MUST(munmap(q, PAGE) == 0);
	}
	IS(bad, 0, "written by write(2), executed shared and private");
	MUST(pread(fd, (char[1]){ 0 }, 1, 0) == 1);
	munmap(rw, PAGE);
	munmap(rx, PAGE);
	close(fd);
}

static void reused(void)
{
	/* add %rsi,%rdi; mov %rdi,%rax; ret, over what was a call */
	static const uint8_t other[] = { 0x90, 0x90, 0x90, 0x90, 0x90,
					 0x48, 0x8d, 0x04, 0x37, 0xc3 };
	uint8_t *p = map_at(NULL, PAGE, RW);
	int bad = 0;

	for (int i = 0; i < 30; i++) {
		emit(p, SYS_getpid, (uint8_t)i);
		protect(p, PAGE, RX);
		bad += many(p, 0, pid + i);
		if (i % 2) {
			MUST(munmap(p, PAGE) == 0);
			MUST(map_at(p, PAGE, RW) == p);
		} else {
			map_at(p, PAGE, RW);
		}
		memcpy(p, other, sizeof(other));
		protect(p, PAGE, RX);
		for (long k = 0; k < 50; k++)
			bad += ((code_fn)p)(k, i, 0) != k + i;
		protect(p, PAGE, RW);
	}
	IS(bad, 0, "unmapped or mapped over, and other code in its place");
	/* In quick succession: whatever looks at it may come too late. */
	bad = 0;
	for (int i = 0; i < 400; i++) {
		map_at(p, PAGE, RW);
		if (i & 1)
			memcpy(p, other, sizeof(other));
		else
			emit(p, SYS_getppid, 0);
		protect(p, PAGE, RX);
		for (int k = 0; k < 3; k++)
			bad += ((code_fn)p)(7, 8, 0) != (i & 1 ? 15 : ppid);
	}
	IS(bad, 0, "four hundred times in quick succession");
	MUST(munmap(p, PAGE) == 0);
	FAULT(fault_call(p), SIGSEGV, SEGV_MAPERR, p, "gone is gone");
}

static void advised_away(void)
{
	char name[] = "codeXXXXXX";
	int fd = mkstemp(name), bad = 0;
	uint8_t wrote[18], *p;

	MUST(fd >= 0 && unlink(name) == 0 && ftruncate(fd, PAGE) == 0);
	emit(wrote, SYS_getpid, 5);
	MUST(pwrite(fd, wrote, 18, 0) == 18);
	p = mmap(NULL, PAGE, RX, MAP_PRIVATE, fd, 0);
	MUST(p != MAP_FAILED);
	for (int i = 0; i < 10; i++) {
		bad += many(p, 0, pid + 5);
		MUST(madvise(p, PAGE, MADV_DONTNEED) == 0);
		bad += many(p, 0, pid + 5);
	}
	IS(bad, 0, "a private file mapping, MADV_DONTNEED again and again");
	emit(wrote, SYS_getppid, 9);
	MUST(pwrite(fd, wrote, 18, 0) == 18);
	MUST(madvise(p, PAGE, MADV_DONTNEED) == 0);
	IS(many(p, 0, ppid + 9), 0, "and with a file that has changed");
	MUST(pread(fd, wrote, 18, 0) == 18);
	IS(wrote[0] == 0xb8 && wrote[5] == 0x0f && wrote[6] == 5, 1,
	   "the file is as it was written");
	munmap(p, PAGE);
	close(fd);
}

static void moved(void)
{
	uint8_t *p = map_at(NULL, 2 * PAGE, RW), *q;
	int bad = 0;

	emit(p + PAGE - 6, SYS_getpid, 3);
	emit(p + 64, SYS_getppid, 4);
	protect(p, 2 * PAGE, RX);
	for (int i = 0; i < 20; i++) {
		bad += many(p + PAGE - 6, 0, pid + 3);
		bad += many(p + 64, 0, ppid + 4);
		q = map_at(NULL, 2 * PAGE, PROT_NONE);
		MUST(mremap(p, 2 * PAGE, 2 * PAGE,
			    MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
		bad += fault_call(p + 64) != SIGSEGV;
		p = q;
	}
	IS(bad, 0, "moved by mremap, twenty times");
	bad = 0;
	for (int i = 0; i < 10; i++) {
		/* The second page away and back: half a site remains. */
		q = map_at(NULL, PAGE, PROT_NONE);
		MUST(mremap(p + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			    q) == q);
		bad += fault_call(p + PAGE - 6) != SIGSEGV;
		bad += many(p + 64, 0, ppid + 4);
		MUST(mremap(q, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			    p + PAGE) == p + PAGE);
		bad += many(p + PAGE - 6, 0, pid + 3);
	}
	IS(bad, 0, "half of a site moved away and back");
	munmap(p, 2 * PAGE);
}

static void on_borders(void)
{
	uint8_t *p = map_at(NULL, 4 * PAGE, RW);
	int bad = 0;

	for (unsigned at = 0; at < 18; at++) {
		memset(p + PAGE - 64, 0xcc, 128);
		emit(p + PAGE - at, SYS_getpid, (uint8_t)at);
		protect(p, 4 * PAGE, RX);
		bad += many(p + PAGE - at, 0, pid + at);
		protect(p, 4 * PAGE, RW);
	}
	IS(bad, 0, "a site across the border of two pages, at every offset");
	bad = 0;
	for (unsigned at = 0; at < 64; at++) {
		emit(p + 2 * PAGE + 256 * (at / 8) + at % 8 * 24 + at,
		     SYS_getpid, (uint8_t)at);
	}
	protect(p, 4 * PAGE, RX);
	for (unsigned at = 0; at < 64; at++)
		bad += many(p + 2 * PAGE + 256 * (at / 8) + at % 8 * 24 + at, 0,
			    pid + at);
	IS(bad, 0, "and of cache lines, and of words");
	protect(p, 4 * PAGE, RW);
	/* Two pages of different rights: the site's second half goes away. */
	bad = 0;
	emit(p + PAGE - 6, SYS_getpid, 0);
	for (int i = 0; i < 10; i++) {
		protect(p, 2 * PAGE, RX);
		bad += many(p + PAGE - 6, 0, pid);
		protect(p + PAGE, PAGE, PROT_READ);
		bad += fault_call(p + PAGE - 6) != SIGSEGV;
		bad += fault_last.addr != (uintptr_t)p + PAGE;
		protect(p + PAGE, PAGE, RW);
		p[PAGE + 4] = (uint8_t)i; /* the answer */
		protect(p + PAGE, PAGE, RX);
		bad += many(p + PAGE - 6, 0, pid + i);
		protect(p, 2 * PAGE, RW);
		p[PAGE + 4] = 0;
	}
	IS(bad, 0, "one half of a site becomes unexecutable, then other code");
	munmap(p, 4 * PAGE);
}

/* Instructions behind a syscall, whose answer says which of them ran. */
static void thrown_over(void)
{
	uint8_t *p = map_at(NULL, 64 * PAGE, RW);
	uint8_t *far;
	int bad = 0;

	for (int i = 0; i < 64; i++)
		emit(p + i * PAGE + 8 * i, SYS_getpid, (uint8_t)i);
	protect(p, 64 * PAGE, RX);
	for (int i = 0; i < 64; i++)
		for (int k = 0; k < 20; k++)
			bad += ((code_fn)(p + i * PAGE + 8 * i))(0, 0, 0) !=
			       pid + i;
	sleep_ms(2);
	/*
	 * Whatever somebody has put near it is thrown over: mappings are made
	 * at all free addresses around, without touching what is there.
	 */
	for (long d = -40; d <= 40; d++) {
		uint8_t *at = p + d * 0x1000000;

		far = mmap(at, 16 * PAGE, RW,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			   -1, 0);
		if (far == MAP_FAILED)
			continue;
		bad += far != at;
		memset(far, 0xcc, 16 * PAGE);
		for (int i = 0; i < 64; i += 7)
			bad += ((code_fn)(p + i * PAGE + 8 * i))(0, 0, 0) !=
			       pid + i;
		munmap(far, 16 * PAGE);
	}
	for (int i = 0; i < 64; i++)
		bad += many(p + i * PAGE + 8 * i, 0, pid + i);
	IS(bad, 0, "mappings made and filled all around");
	munmap(p, 64 * PAGE);
}

/* Everything that /proc/self/maps does not show may be mapped over. */
static void between_mappings(void)
{
	static uintptr_t lo[4096], hi[4096];
	int n = 0, bad = 0, made = 0;
	char line[512];
	uint8_t *p = map_at(NULL, PAGE, RW);
	FILE *f;

	emit(p, SYS_getpid, 1);
	protect(p, PAGE, RX);
	bad += many(p, 0, pid + 1);
	f = fopen("/proc/self/maps", "r");
	MUST(f);
	while (fgets(line, sizeof(line), f) && n < 4095) {
		if (sscanf(line, "%lx-%lx", &lo[n], &hi[n]) != 2)
			continue;
		/* What grows down keeps its gap. */
		if (strstr(line, "[stack]"))
			lo[n] -= 0x10000000;
		n++;
	}
	fclose(f);
	/* The 64 KiB before and behind each mapping, if nobody is there. */
	for (int i = 0; i < 2 * n; i++) {
		uintptr_t at = i & 1 ? hi[i / 2] : lo[i / 2] - 16 * PAGE;
		int taken = at < 0x100000 || at > 0x7ffffff00000;

		for (int k = 0; k < n; k++)
			taken |= at < hi[k] && lo[k] < at + 16 * PAGE;
		if (taken)
			continue;
		made++;
		bad += mmap((void *)at, 16 * PAGE, RW,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			    0) != (void *)at;
		memset((void *)at, 0xcc, 16 * PAGE);
		bad += syscall(SYS_getpid) != pid;
		bad += ((code_fn)p)(0, 0, 0) != pid + 1;
		MUST(munmap((void *)at, 16 * PAGE) == 0);
	}
	bad += many(p, 0, pid + 1);
	bad += syscall(SYS_getppid) != ppid;
	IS(bad, 0, "MAP_FIXED and munmap of all that nobody is said to have");
	OK(made > 0, "there was something to map over");
	munmap(p, PAGE);
}

/* Many sites: more than whatever table somebody keeps is likely to hold. */
static void many_sites(void)
{
	size_t n = 20000, len = n * 24;
	uint8_t *p = map_at(NULL, len, RW);
	int bad = 0;

	for (size_t i = 0; i < n; i++)
		emit(p + i * 24, SYS_getpid, (uint8_t)(i & 0x7f));
	protect(p, len, RX);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < n; i++)
			bad += ((code_fn)(p + i * 24))(0, 0, 0) !=
			       pid + (long)(i & 0x7f);
	IS(bad, 0, "twenty thousand sites, three times each");
	munmap(p, len);
}

static void copied(void)
{
	uint8_t *p = map_at(NULL, PAGE, RW), *q = map_at(NULL, PAGE, RW);
	int bad = 0;

	/* Before it runs: what a program that relocates itself does. */
	emit(p, SYS_getpid, 6);
	memcpy(q, p, 64);
	protect(p, PAGE, RX);
	protect(q, PAGE, RX);
	bad += many(p, 0, pid + 6);
	bad += many(q, 0, pid + 6);
	IS(bad, 0, "code that was copied before it ran");
	munmap(p, PAGE);
	munmap(q, PAGE);
}

int main(void)
{
	pid = syscall(SYS_getpid);
	ppid = syscall(SYS_getppid);
	fault_init();
	written_then_executed();
	writable_and_executable();
	changes_itself();
	mapped_twice();
	reused();
	advised_away();
	moved();
	on_borders();
	thrown_over();
	between_mappings();
	many_sites();
	copied();
	return tap_done();
}
