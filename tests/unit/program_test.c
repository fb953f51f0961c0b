/* SPDX-License-Identifier: MIT */
/*
 * program_test.c - host/lib: finding a program, "#!" lines, ELF headers.
 *
 * Scripts are compared with what Linux makes of them, by executing them.
 */
/* links: host/lib/program.c host/lib/script.c host/lib/elfcheck.c */
/* cflags: -idirafter kernel */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sanitizer/lsan_interface.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/elfcheck.h"
#include "lib/error.h"
#include "lib/program.h"
#include "lib/script.h"

static int ntests, nfailed;
static char said[8192]; /* the last message */
static char dir[] = "/tmp/azalea-program.XXXXXX";
static char self[PATH_MAX]; /* this program: an ELF file that prints argv */

const char *error_text(int err)
{
	return strerrordesc_np(abs(err));
}

int error_fail(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	return status;
}

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

static void file_write(const char *name, const void *data, size_t len,
		       mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len ||
	    fchmod(fd, mode) < 0)
		ok(false, "scratch file %s", name);
	close(fd);
}

/* --- "#!" lines --- */

/* argv as Linux builds it: the words that this program prints, one a line. */
static bool linux_argv(const char *script, char *out, size_t size)
{
	int pipefd[2], wstatus;
	size_t n = 0;
	ssize_t r;
	pid_t pid;

	if (pipe(pipefd) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		dup2(pipefd[1], STDOUT_FILENO);
		execl(script, "zero", "one", "two", NULL);
		_exit(errno == ENOEXEC ? 101 : 100);
	}
	close(pipefd[1]);
	while ((r = read(pipefd[0], out + n, size - n - 1)) > 0)
		n += (size_t)r;
	out[n] = '\0';
	close(pipefd[0]);
	waitpid(pid, &wstatus, 0);
	return WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0;
}

static bool our_argv(const char *script, char *out, size_t size)
{
	char *argv[] = { (char[]){ "" }, (char[]){ "one" }, (char[]){ "two" },
			 NULL };
	static struct program p;
	size_t n = 0, i;
	int status;

	argv[0] = strdup(script);
	/* What becomes the program's argv is never freed. */
	__lsan_disable();
	status = program_open(argv, NULL, &p);
	__lsan_enable();
	free(argv[0]);
	out[0] = '\0';
	if (status)
		return false;
	close(p.fd);
	for (i = 0; p.argv[i]; i++)
		n += (size_t)snprintf(out + n, size - n, "%s\n", p.argv[i]);
	return true;
}

/* A script that begins with head; %s in it stands for this program. */
static void script_like_linux(const char *what, const char *head, size_t len)
{
	static int count;
	char name[64], text[8192], want[8192], got[8192];
	const char *mark = memmem(head, len, "%s", 2);
	size_t before = mark ? (size_t)(mark - head) : len;
	size_t n = strlen(self);
	bool runs, ours;

	memcpy(text, head, before);
	if (mark) {
		memcpy(text + before, self, n);
		memcpy(text + before + n, mark + 2, len - before - 2);
		len += n - 2;
	}
	snprintf(name, sizeof(name), "./script%d", count++);
	file_write(name, text, len, 0700);
	runs = linux_argv(name, want, sizeof(want));
	ours = our_argv(name, got, sizeof(got));
	ok(runs == ours && (!runs || strcmp(want, got) == 0),
	   "#! line %s: as Linux (%s)", what, runs ? "runs" : "does not run");
	if (runs != ours || (runs && strcmp(want, got) != 0))
		printf("# Linux: %s# here: %s# said: %s\n", want, got, said);
}

static void test_scripts(void)
{
#define LINE(what, text) script_like_linux(what, text, sizeof(text) - 1)
	char longest[600];
	size_t i;

	LINE("plain", "#!%s\nbody\n");
	LINE("with an argument", "#!%s -x\n");
	LINE("with two words, one argument", "#!%s -x  -y\n");
	LINE("with blanks all over", "#! \t %s \t -x -y \t \n");
	LINE("that ends with the file", "#!%s");
	LINE("with an argument that ends with the file", "#!%s -x ");
	LINE("with a NUL", "#!%s\0-x\n");
	LINE("with a NUL in the argument", "#!%s -x\0y\n");
	LINE("with CR LF", "#!%s\r\n");
	LINE("empty", "#!\n%s\n");
	LINE("of blanks", "#!   \n");
	LINE("cut off", "#!");
	LINE("of a missing interpreter", "#!/nonexistent/x\n");
	LINE("of a directory", "#!/\n");
#undef LINE
	/* Around the 256 bytes that Linux looks at. */
	for (i = 240; i < 270; i++) {
		memset(longest, 'a', sizeof(longest));
		memcpy(longest, "#!%s -", 6);
		longest[i - strlen(self) + 2] = '\n';
		script_like_linux("near the limit", longest, sizeof(longest));
	}
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "#!/", 3);
	script_like_linux("without end", longest, sizeof(longest));
	memset(longest, ' ', sizeof(longest));
	memcpy(longest, "#!", 2);
	script_like_linux("of blanks without end", longest, sizeof(longest));
}

static void test_chains(void)
{
	char name[64], line[PATH_MAX + 8], want[4096], got[4096];
	bool runs, ours;
	int i;

	snprintf(line, sizeof(line), "#!%s c0\n", self);
	file_write("./chain0", line, strlen(line), 0700);
	for (i = 1; i < 8; i++) {
		snprintf(line, sizeof(line), "#!./chain%d c%d\n", i - 1, i);
		snprintf(name, sizeof(name), "./chain%d", i);
		file_write(name, line, strlen(line), 0700);
	}
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "./chain%d", i);
		runs = linux_argv(name, want, sizeof(want));
		ours = our_argv(name, got, sizeof(got));
		ok(runs == ours && (!runs || strcmp(want, got) == 0),
		   "a chain of %d scripts %s, as on Linux", i + 1,
		   runs ? "runs" : "does not run");
	}
}

/* --- finding --- */

static void refused(const char *what, const char *word, const char *search,
		    int want, const char *says)
{
	char *argv[] = { (char *)(uintptr_t)word, NULL };
	static struct program p;
	int status;

	said[0] = '\0';
	status = program_open(argv, search, &p);
	ok(status == want && strstr(said, says), "%s: status %d, \"%s\"", what,
	   want, says);
	if (status != want || !strstr(said, says))
		printf("# status %d, %s\n", status, said);
	if (!status)
		close(p.fd);
}

static void found(const char *what, const char *word, const char *search,
		  const char *exec_fn)
{
	char *argv[] = { (char *)(uintptr_t)word, NULL };
	static struct program p;
	int status = program_open(argv, search, &p);

	ok(!status && strcmp(p.exec_fn, exec_fn) == 0 &&
	       strcmp(p.path, self) == 0 && p.argv == argv,
	   "%s: %s", what, exec_fn);
	if (status)
		printf("# status %d, %s\n", status, said);
	else
		close(p.fd);
}

static void test_search(void)
{
	char longest[PATH_MAX + 10];

	mkdir("./bin", 0700);
	mkdir("./bin2", 0700);
	mkdir("./bin2/prog", 0700);
	if (symlink(self, "./bin/prog") < 0 || symlink(self, "./here") < 0)
		ok(false, "scratch links");
	file_write("./bin/plain", "#!/bin/sh\n", 10, 0600);
	found("a path", "./bin/prog", NULL, "./bin/prog");
	found("in PATH", "prog", "bin", "bin/prog");
	found("a directory of that name is passed over", "prog", "bin2:bin",
	      "bin/prog");
	found("an empty part of PATH is here", "here", "bin::bin2", "here");
	found("at the end, too", "here", "bin:", "here");
	found("one that cannot be executed is passed over", "prog",
	      "/nonexistent:bin2:./bin", "./bin/prog");
	refused("not in PATH", "nosuch", "bin", 127, "not found in PATH");
	refused("only a directory", "prog", "bin2", 126, "not an executable");
	refused("only a plain file", "plain", "bin", 126, "not an executable");
	refused("empty PATH means here", "prog", "", 127, "not found");
	refused("empty name", "", "bin", 127, "empty");
	refused("missing", "./nosuch", NULL, 127, "not there");
	refused("below a file", "./bin/plain/x", NULL, 127, "not there");
	refused("a directory", "./bin", NULL, 126, "is a directory");
	refused("not executable", "./bin/plain", NULL, 126, "no permission");
	refused("a device", "/dev/null", NULL, 126, "not a regular file");
	if (mkfifo("./fifo", 0700) == 0)
		refused("a FIFO does not block", "./fifo", NULL, 126,
			"not a regular file");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	refused("too long", longest, "bin", 126, "longer than");
	longest[4000] = '\0';
	refused("too long with PATH before it", longest,
		"/0123456789012345678901234567890123456789012345678901234567890"
		"123456789012345678901234567890123456789",
		127, "not found");
}

/* --- ELF --- */

static unsigned char image[65536];
static size_t image_len;

static void elf_is(const char *what, int want, const char *says)
{
	char reason[ELFCHECK_REASON_MAX] = "";
	_Alignas(8) char head[4096];
	size_t len = image_len < 4096 ? image_len : 4096;
	int fd, err;

	file_write("./elf", image, image_len, 0700);
	fd = open("./elf", O_RDONLY | O_CLOEXEC);
	memcpy(head, image, len);
	err = elfcheck_file(fd, head, len, image_len, reason);
	close(fd);
	ok(err == want && strstr(reason, says), "ELF %s: %s", what,
	   want ? says : "fine");
	if (err != want || !strstr(reason, says))
		printf("# %d, %s\n", err, reason);
}

/* A small program: header, two program headers, and an interpreter. */
static Elf64_Phdr *elf_reset(void)
{
	Elf64_Ehdr *eh = (Elf64_Ehdr *)(void *)image;
	Elf64_Phdr *ph = (Elf64_Phdr *)(void *)(image + sizeof(*eh));

	memset(image, 0, sizeof(image));
	memcpy(eh->e_ident, ELFMAG, SELFMAG);
	eh->e_ident[EI_CLASS] = ELFCLASS64;
	eh->e_ident[EI_DATA] = ELFDATA2LSB;
	eh->e_machine = EM_X86_64;
	eh->e_type = ET_DYN;
	eh->e_phoff = sizeof(*eh);
	eh->e_phnum = 2;
	eh->e_phentsize = sizeof(*ph);
	memcpy(image + 512, "/bin/sh", 8);
	ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_filesz = 1024 };
	ph[1] =
	    (Elf64_Phdr){ .p_type = PT_INTERP, .p_offset = 512, .p_filesz = 8 };
	image_len = 1024;
	return ph;
}

static void test_elf_header(void)
{
	Elf64_Ehdr *eh = (Elf64_Ehdr *)(void *)image;

	elf_reset();
	elf_is("small but complete", 0, "");
	image_len = 0;
	elf_is("empty", -ENOEXEC, "is empty");
	image_len = 3;
	elf_is("of 3 bytes", -ENOEXEC, "neither an ELF program");
	image_len = 63;
	elf_is("of 63 bytes", -ENOEXEC, "truncated");
	elf_reset();
	image[0] = 'x';
	elf_is("without magic", -ENOEXEC, "neither an ELF program");
	elf_reset();
	eh->e_machine = EM_AARCH64;
	elf_is("for aarch64", -ENOEXEC, "aarch64");
	elf_reset();
	eh->e_machine = __builtin_bswap16(EM_S390);
	eh->e_ident[EI_DATA] = ELFDATA2MSB;
	elf_is("for s390x, big-endian", -ENOEXEC, "s390x");
	elf_reset();
	eh->e_machine = EM_386;
	eh->e_ident[EI_CLASS] = ELFCLASS32;
	elf_is("for i386", -ENOEXEC, "32-bit x86");
	elf_reset();
	eh->e_ident[EI_CLASS] = ELFCLASS32;
	elf_is("for x32", -ENOEXEC, "x32");
	elf_reset();
	eh->e_machine = 0xfeed;
	elf_is("for something unknown", -ENOEXEC, "ELF machine 65261");
	elf_reset();
	eh->e_type = ET_REL;
	elf_is("object", -ENOEXEC, "object file");
	elf_reset();
	eh->e_type = ET_CORE;
	elf_is("core dump", -ENOEXEC, "core dump");
}

static void test_elf_segments(void)
{
	Elf64_Ehdr *eh = (Elf64_Ehdr *)(void *)image;
	Elf64_Phdr *ph = elf_reset();

	eh->e_phnum = 0;
	elf_is("without program headers", -ENOEXEC, "program headers");
	elf_reset();
	eh->e_phentsize = 32;
	elf_is("with odd program headers", -ENOEXEC, "program headers");
	elf_reset();
	eh->e_phnum = 0xffff;
	elf_is("with too many", -ENOEXEC, "program headers");
	elf_reset();
	eh->e_phoff = 1000;
	elf_is("with headers past the end", -ENOEXEC, "truncated");
	elf_reset();
	eh->e_phoff = UINT64_MAX - 8;
	elf_is("with headers that wrap around", -ENOEXEC, "truncated");
	elf_reset();
	image_len = 1023;
	elf_is("one byte short", -ENOEXEC, "truncated");
	elf_reset();
	ph[0].p_offset = UINT64_MAX - 1000;
	elf_is("with a segment that wraps around", -ENOEXEC, "truncated");
	elf_reset();
	ph[0].p_type = PT_NOTE;
	elf_is("with nothing to load", -ENOEXEC, "nothing to load");
	elf_reset();
	memcpy(image + 512, "/no/sh\0", 8);
	ph[1].p_filesz = 7;
	elf_is("with a missing interpreter", -ENOENT, "/no/sh is not there");
	elf_reset();
	ph[1].p_filesz = 7;
	elf_is("with an unended interpreter", -ENOEXEC, "does not end");
	elf_reset();
	ph[1].p_filesz = 1;
	elf_is("with an interpreter of one byte", -ENOEXEC, "interpreter");
	elf_reset();
	memcpy(image + 512, "/tmp\0\0\0", 8);
	chmod("./bin/plain", 0600);
	memcpy(image + 512, "bin/plain", 10);
	ph[1].p_filesz = 10;
	elf_is("with an interpreter that is not executable", -ENOEXEC,
	       "cannot be read and executed");
	/* Headers where the first page does not reach, and unaligned ones. */
	ph = elf_reset();
	memcpy(image + 8000, ph, 2 * sizeof(*ph));
	image_len = 16384;
	eh->e_phoff = 8000;
	elf_is("with headers far behind", 0, "");
	memmove(image + 601, image + 64, 2 * sizeof(*ph));
	eh->e_phoff = 601;
	elf_is("with unaligned headers", 0, "");
	((Elf64_Phdr *)(void *)(image + 8000))[1].p_filesz = 99999;
	eh->e_phoff = 8000;
	elf_is("with headers far behind that are wrong", -ENOEXEC, "truncated");
}

int main(int argc, char **argv)
{
	char cleanup[64];
	ssize_t n;
	int i;

	/* As the interpreter of a script: say how we were called. */
	if (argc > 1) {
		for (i = 0; i < argc; i++)
			printf("%s\n", argv[i]);
		return 0;
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	test_scripts();
	test_chains();
	test_search();
	test_elf_header();
	test_elf_segments();
	printf("1..%d\n", ntests);
	snprintf(cleanup, sizeof(cleanup), "rm -rf '%s'", dir);
	return chdir("/") < 0 || system(cleanup) != 0 || nfailed;
}
