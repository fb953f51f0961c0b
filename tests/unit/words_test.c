/* SPDX-License-Identifier: MIT */
/* words_test.c - host/lib: sizes, CPU lists, names, signals, environment. */
/* links: host/lib/size.c host/lib/cpulist.c host/lib/name.c host/lib/env.c */
/* cflags: -idirafter kernel */
#include <errno.h>
#include <sanitizer/lsan_interface.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cpulist.h"
#include "lib/env.h"
#include "lib/name.h"
#include "lib/size.h"

static int ntests, nfailed;

static void __attribute__((format(printf, 2, 3)))
ok(bool pass, const char *fmt, ...)
{
	va_list ap;

	ntests++;
	nfailed += !pass;
	printf("%sok %d - ", pass ? "" : "not ", ntests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

/* --- sizes --- */

static void size_is(const char *text, uint64_t want)
{
	uint64_t got = ~want;
	int err = size_parse(text, &got);

	ok(!err && got == want, "size %s is %llu", text,
	   (unsigned long long)want);
}

static void size_fails(const char *text, int want)
{
	uint64_t got;

	ok(size_parse(text, &got) == want, "size \"%s\" is refused with %d",
	   text, want);
}

static void size_shown(uint64_t bytes, const char *want)
{
	char buf[SIZE_TEXT_MAX];

	size_format(bytes, buf);
	ok(strcmp(buf, want) == 0, "%llu is shown as %s (%s)",
	   (unsigned long long)bytes, want, buf);
}

static void test_sizes(void)
{
	static const char *const bad[] = { "",      "M",     "-1",   "+1",
					   " 1",    "1 ",    "1x",   "1mm",
					   "1.",    "1.m",   "0x10", "1e3",
					   "1mib1", "1.2.3", "k1",   "1bb" };
	uint64_t n;
	size_t i;

	size_is("0", 0);
	size_is("4096", 4096);
	size_is("7b", 7);
	size_is("1k", 1024);
	size_is("64M", 64ULL << 20);
	size_is("64MB", 64ULL << 20);
	size_is("64mib", 64ULL << 20);
	size_is("2G", 2ULL << 30);
	size_is("1T", 1ULL << 40);
	size_is("3p", 3ULL << 50);
	size_is("1.5g", 3ULL << 29);
	size_is("0.5k", 512);
	size_is("1.0000000001", 1);
	size_is("18446744073709551615", UINT64_MAX);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		size_fails(bad[i], -EINVAL);
	size_fails("18446744073709551616", -ERANGE);
	size_fails("16777216T", -ERANGE);
	size_fails("99999999999999999999999", -ERANGE);
	size_shown(0, "0B");
	size_shown(1023, "1023B");
	size_shown(1024, "1KiB");
	size_shown(1536, "1.5KiB");
	size_shown((1ULL << 20) - 1, "1MiB");
	size_shown(3ULL << 29, "1.5GiB");
	size_shown(UINT64_MAX, "16EiB");
	ok(number_parse("12", 12, &n) == 0 && n == 12, "a number at its limit");
	ok(number_parse("13", 12, &n) == -ERANGE, "a number beyond its limit");
	ok(number_parse("1.5", 12, &n) == -EINVAL, "half a core is no number");
	ok(number_parse("", 12, &n) == -EINVAL, "nothing is no number");
}

/* --- CPU lists --- */

static void list_is(const char *text, const char *want, unsigned int count)
{
	struct cpulist l;
	char buf[64];
	int err = cpulist_parse(text, &l);

	ok(!err && cpulist_count(&l) == count &&
	       strcmp(cpulist_format(&l, buf, sizeof(buf)), want) == 0,
	   "list %.*s is %s", (int)strcspn(text, "\n"), text, want);
}

static void test_lists(void)
{
	static const char *const bad[] = { "",     ",",  "1,",    ",1",
					   "3-1",  "-1", "1-",    "a",
					   "0x1",  "1 ", "1-2-3", "0-8:2",
					   "1\n\n" };
	struct cpulist l;
	char small[8];
	size_t i;

	list_is("0", "0", 1);
	list_is("0-3,8", "0-3,8", 5);
	list_is("8,0-3", "0-3,8", 5);
	list_is("0,1,2", "0-2", 3);
	list_is("1,1,1", "1", 1);
	list_is("63-64", "63-64", 2);
	list_is("0-1\n", "0-1", 2);
	list_is("8191", "8191", 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(cpulist_parse(bad[i], &l) == -EINVAL, "list %zu is refused",
		   i);
	ok(cpulist_parse("8192", &l) == -ERANGE, "CPU 8192 is out of range");
	ok(cpulist_parse("0-99999999999999999999", &l) == -ERANGE,
	   "so is one that fits no integer");
	ok(cpulist_parse("1,3,5,7,9,11", &l) == 0 &&
	       strcmp(cpulist_format(&l, small, sizeof(small)), "1,3,...") == 0,
	   "a list that does not fit is cut: %s", small);
	ok(cpulist_next(&l, 4) == 5 && cpulist_next(&l, 12) == CPULIST_MAX,
	   "the next CPU of a list, and none");
	ok(cpulist_affinity(&l) == 0 &&
	       cpulist_count(&l) == (unsigned int)sysconf(_SC_NPROCESSORS_ONLN),
	   "affinity counts the CPUs on line");
}

/* --- names --- */

static void test_names(void)
{
	char made[NAME_MAX_BYTES], other[NAME_MAX_BYTES], longest[70];

	memset(longest, 'a', sizeof(longest));
	longest[63] = '\0';
	ok(name_valid(longest), "63 letters are a name");
	longest[63] = 'a';
	longest[64] = '\0';
	ok(!name_valid(longest), "64 are not");
	ok(name_valid("a") && name_valid("A1_.-x"), "names");
	ok(!name_valid("") && !name_valid("-a") && !name_valid(".") &&
	       !name_valid("..") && !name_valid("a/b") && !name_valid("a b"),
	   "what is not a name");
	name_generate(1, 42, made);
	name_generate(1ULL << 63, 42, other);
	ok(name_valid(made) && name_valid(other) && strcmp(made, other) != 0,
	   "names are made up: %s, %s", made, other);
	ok(strcmp(strrchr(made, '-'), "-42") == 0, "they end in the pid");
	ok(name_distance("run", "run") == 0 && name_distance("", "ab") == 2 &&
	       name_distance("inspct", "inspect") == 1 &&
	       name_distance("kitten", "sitting") == 3 &&
	       name_distance("a",
			     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") == 99,
	   "distances of words");
}

static void signal_is(const char *text, int want)
{
	ok(signal_parse(text) == want, "signal %s is %d", text, want);
}

static void test_signals(void)
{
	static const char *const bad[] = { "",        "0",       "65",
					   "-9",      "X",       "SIG",
					   "RTMIN-1", "RTMIN+",  "TERM ",
					   "RTMAX+1", "RTMIN+31" };
	size_t i;

	signal_is("TERM", SIGTERM);
	signal_is("sigterm", SIGTERM);
	signal_is("SIGUSR1", SIGUSR1);
	signal_is("9", SIGKILL);
	signal_is("64", 64);
	signal_is("RTMIN", SIGRTMIN);
	signal_is("SIGRTMIN+3", SIGRTMIN + 3);
	signal_is("RTMAX-1", SIGRTMAX - 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		signal_is(bad[i], -EINVAL);
	ok(status_exit(3 << 8) == 3 && status_exit(SIGTERM) == 143 &&
	       status_exit(SIGSEGV | 0x80) == 139,
	   "wait statuses as exit statuses");
}

/* --- environment --- */

static char *const from[] = { (char[]){ "HOME=/root" }, (char[]){ "E=" },
			      (char[]){ "HOMER=x" }, NULL };

static bool env_is(const struct env *e, const char *name, const char *want)
{
	const char *got = env_get(e->v, name);

	return want ? got && strcmp(got, want) == 0 : !got;
}

/* Loads text as a file into a fresh environment. */
static int env_of(const char *text, size_t len, struct env *e,
		  unsigned int *line)
{
	char path[] = "/tmp/azalea-words.XXXXXX";
	int fd = mkstemp(path), err = env_start(e, from);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		ok(false, "a scratch file");
	close(fd);
	/* The strings become a program's and are never freed. */
	__lsan_disable();
	if (!err)
		err = env_load(e, path, from, line);
	__lsan_enable();
	unlink(path);
	return err;
}

static void env_refused(const char *text, size_t len, unsigned int want)
{
	unsigned int line = 0;
	struct env e;
	int err = env_of(text, len, &e, &line);

	ok(err == -EINVAL && line == want, "line %u of a file is refused",
	   want);
	env_free(&e);
}

static void test_env(void)
{
	static const char file[] = "# comment\n\n  A=1\nB=two words \r\n"
				   "HOME\nNOBODY\nC=\"q\"\nA=2\nE2=a=b";
	char word[] = "HOME=/x", name[] = "HOMER", none[] = "NONE",
	     bad[] = "=v";
	unsigned int line;
	struct env e;

	ok(env_start(&e, from) == 0 && e.n == 3, "it begins as a copy");
	ok(env_set(&e, word, from) == 0 && e.n == 3 &&
	       env_is(&e, "HOME", "/x") && env_is(&e, "HOMER", "x"),
	   "a value is replaced, its namesake is not");
	ok(env_set(&e, name, from) == 0 && e.n == 3 && env_is(&e, "HOMER", "x"),
	   "a name alone takes the caller's value");
	ok(env_set(&e, none, from) == 0 && e.n == 3, "or changes nothing");
	ok(env_set(&e, bad, from) == -EINVAL, "no name is refused");
	env_free(&e);
	ok(env_of(file, sizeof(file) - 1, &e, &line) == 0, "a file is read");
	ok(env_is(&e, "A", "2") && env_is(&e, "B", "two words ") &&
	       env_is(&e, "C", "\"q\"") && env_is(&e, "E2", "a=b") &&
	       env_is(&e, "HOME", "/root") && env_is(&e, "NOBODY", NULL),
	   "with its values as they stand");
	env_free(&e);
	env_refused("A=1\nB C=2\n", 10, 2);
	env_refused("A=1\n=2\n", 7, 2);
	env_refused("A=1\n\nB=\0x\n", 10, 3);
	ok(env_start(&e, from) == 0 &&
	       env_load(&e, "/nonexistent", from, &line) == -ENOENT,
	   "a file that is not there");
	env_free(&e);
}

int main(void)
{
	test_sizes();
	test_lists();
	test_names();
	test_signals();
	test_env();
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
