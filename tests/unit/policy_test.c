/* SPDX-License-Identifier: MIT */
/* policy_test.c - host/sandbox/policy.c: words and files of a policy. */
/* links: host/sandbox/policy.c */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "calls.h"
#include "sandbox/policy.h"

static int ntests, nfailed;

__attribute__((format(printf, 2, 3))) static void ok(bool pass, const char *fmt,
						     ...)
{
	va_list ap;

	ntests++;
	nfailed += !pass;
	printf("%sok %d - ", pass ? "" : "not ", ntests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* What a text comes to, as text: classes, paths in order, the rest. */
static void show(const struct policy *p, char *to, size_t size)
{
	static const char *const levels[] = { "none", "ro", "rw" };
	size_t n = 0;

	*to = '\0';
	for (unsigned int i = 0; policy_class(i); i++)
		if (p->denied & 1U << i)
			n += (size_t)snprintf(to + n, size - n, "-%s ",
					      policy_class(i));
	for (size_t i = 0; i < p->npaths; i++)
		n += (size_t)snprintf(to + n, size - n, "%s=%s ",
				      p->paths[i].path,
				      levels[p->paths[i].level]);
	if (p->isolate)
		n += (size_t)snprintf(to + n, size - n, "isolate ");
	if (p->log)
		n += (size_t)snprintf(to + n, size - n, "log:%s ",
				      p->log_path ? p->log_path : "");
	if (n)
		to[n - 1] = '\0';
}

static void reads(const char *text, const char *want)
{
	struct policy p = { 0 };
	struct policy_error e = { 0 };
	char got[1024];
	int err = policy_parse(&p, text, strlen(text), &e);

	show(&p, got, sizeof(got));
	ok(!err && strcmp(got, want) == 0, "reads: %.40s", want);
	if (err || strcmp(got, want) != 0)
		printf("# %d %u:%u %s\n# got %s\n", err, e.line, e.column,
		       e.why, got);
	policy_free(&p);
}

static void refuses(const char *text, size_t len, unsigned int line,
		    unsigned int column, const char *why)
{
	struct policy p = { 0 };
	struct policy_error e = { 0 };
	int err = policy_parse(&p, text, len, &e);
	bool pass = err == -EINVAL && e.line == line && e.column == column &&
		    strstr(e.why, why);

	ok(pass, "refuses at %u:%u: %s", line, column, why);
	if (!pass)
		printf("# %d %u:%u %s\n", err, e.line, e.column, e.why);
	policy_free(&p);
}

#define REFUSES(text, line, column, why) \
	refuses(text, sizeof(text) - 1, line, column, why)

static void test_files(void)
{
	reads("", "");
	reads("# nothing\n\n \t \n", "");
	reads("deny net", "-net");
	reads("deny net unix\nallow net\n", "-unix");
	reads("deny files", "-files-read -files-stat -files-write -files-attr");
	reads("deny all\nallow files # but\nallow net unix ipc creds time",
	      "-process -signal");
	reads("allow /usr:ro /tmp /var:rw\r\ndeny /home",
	      "/usr=ro /tmp=rw /var=rw /home=none");
	reads("deny /a\nallow /a:ro", "/a=ro");
	reads("allow /a//b/// /:ro //", "/a/b=rw /=rw");
	reads("deny \"/a b\" /c\" \"d \"/e\\\"\\\\f\"",
	      "/a b=none /c d=none /e\"\\f=none");
	reads("isolate\nlog-denied", "isolate log:");
	reads("log-denied \"/var/log/x y\" # there", "log:/var/log/x y");
	reads("log-denied /a\nlog-denied /b", "log:/b");
}

static void test_refusals(void)
{
	REFUSES("permit net", 1, 1, "permit: no statement");
	REFUSES("# one\n  deny\n", 2, 7, "deny what?");
	REFUSES("allow # net", 1, 7, "allow what?");
	REFUSES("deny net\ndeny  nett", 2, 7, "nett: no class of calls");
	REFUSES("deny net,,ipc", 1, 10, "no class");
	REFUSES("deny net,", 1, 10, "no class");
	REFUSES("allow net,ip", 1, 11, "ip: no class");
	REFUSES("deny \"\"", 1, 6, "an empty word");
	REFUSES("allow usr/lib", 1, 7, "begins with /");
	REFUSES("allow ../lib", 1, 7, "begins with /");
	REFUSES("deny /a:ro", 1, 8, "deny takes a path alone");
	REFUSES("deny /a /b:rw", 1, 11, "deny takes a path alone");
	REFUSES("deny \"/a", 1, 6, "a quote that is not closed");
	REFUSES("deny \"/a\\n\"", 1, 9, "after \\ comes");
	REFUSES("deny \"/a\\", 1, 9, "after \\ comes");
	REFUSES("deny \001net", 1, 6, "no text: 0x1");
	REFUSES("deny \"/a\0b\"", 1, 6, "NUL");
	REFUSES("isolate net", 1, 9, "nothing else");
	REFUSES("log-denied log", 1, 12, "begins with /");
	REFUSES("log-denied /a /b", 1, 15, "nothing else");
}

static void word_is(bool allow, const char *word, const char *want)
{
	struct policy p = { .denied = 1U << AZ_POLICY_NET };
	struct policy_error e = { 0 };
	char got[256];
	int err = policy_word(&p, allow, word, strlen(word), &e);

	show(&p, got, sizeof(got));
	ok(!err && strcmp(got, want) == 0, "%s %s: %s",
	   allow ? "allow" : "deny", word, want);
	policy_free(&p);
}

static void test_words(void)
{
	struct policy p = { 0 };
	struct policy_error e = { 0 };
	static char path[5000] = "/";

	word_is(true, "net", "");
	word_is(false, "time", "-net -time");
	word_is(false, "time,ipc,files-attr", "-files-attr -net -ipc -time");
	word_is(true, "./a:ro", "-net ./a=ro");
	word_is(false, "..", "-net ..=none");
	word_is(false, "a/b", "-net a/b=none");
	ok(policy_word(&p, true, "", 0, &e) == -EINVAL, "no word is none");
	ok(policy_word(&p, true, "usr:ro", 6, &e) == -EINVAL,
	   "a name without a slash is a class");
	memset(path + 1, 'a', sizeof(path) - 1);
	ok(policy_word(&p, true, path, 4095, &e) == 0 &&
	       policy_word(&p, true, path, 4096, &e) == -EINVAL,
	   "a path has 4095 bytes at most");
	policy_free(&p);
	for (int i = 0; i < 1024; i++) {
		char word[16];
		int n = snprintf(word, sizeof(word), "/%d", i);

		if (policy_word(&p, true, word, (size_t)n, &e))
			break;
	}
	ok(p.npaths == 1024 && policy_word(&p, true, "/x", 2, &e) == -EINVAL,
	   "1024 paths, and no more");
	policy_free(&p);
}

static void level_is(const struct policy *p, const char *path, int want)
{
	int got = policy_level(p, path);

	ok(got == want, "%s: level %d", path, want);
}

static void test_levels(void)
{
	struct policy p = { 0 };
	struct policy_error e;
	static const char text[] = "deny /a/b\nallow /a:ro /a/b/c";

	ok(policy_empty(&p) && policy_files(&p) == POLICY_RW,
	   "no policy leaves all");
	ok(!policy_parse(&p, text, sizeof(text) - 1, &e), "a tree of levels");
	ok(!policy_empty(&p), "is not empty");
	level_is(&p, "/", POLICY_RW);
	level_is(&p, "/ab", POLICY_RW);
	level_is(&p, "/a", POLICY_RO);
	level_is(&p, "/a/bc", POLICY_RO);
	level_is(&p, "/a/b", POLICY_NONE);
	level_is(&p, "/a/b/d", POLICY_NONE);
	level_is(&p, "/a/b/c/d", POLICY_RW);
	p.denied = 1U << AZ_POLICY_FILES_WRITE | 1U << AZ_POLICY_NET;
	level_is(&p, "/x", POLICY_RO);
	ok(policy_denied(&p) == 1U << AZ_POLICY_NET,
	   "where paths are named, they decide");
	p.denied |= 1U << AZ_POLICY_FILES_READ;
	level_is(&p, "/x", POLICY_NONE);
	ok(!policy_word(&p, true, "/:ro", 4, &e), "the root is a path too");
	level_is(&p, "/x", POLICY_RO);
	policy_free(&p);
	p.denied = 1U << AZ_POLICY_FILES_WRITE;
	ok(policy_denied(&p) == p.denied, "without paths, the class decides");
}

int main(void)
{
	test_files();
	test_refusals();
	test_words();
	test_levels();
	printf("1..%d\n", ntests);
	return nfailed != 0;
}
