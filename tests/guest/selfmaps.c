/* SPDX-License-Identifier: MIT */
/*
 * selfmaps.c - /proc/self/maps agrees with what the program mapped, names
 * files, heap, stack and vDSO, and shows nothing that is not the program's.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fault.h"

#define PG   4096UL
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW   (PROT_READ | PROT_WRITE)

static char text[1 << 20];

struct map {
	unsigned long start, end, off, ino;
	char perm[8];
	char name[PATH_MAX];
};

static void maps_read(void)
{
	int fd = open("/proc/self/maps", O_RDONLY);
	size_t n = 0;
	ssize_t r;

	MUST(fd >= 0);
	while ((r = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)r;
	text[n] = 0;
	close(fd);
}

static bool map_parse(const char *line, struct map *m)
{
	int at = 0;

	m->name[0] = 0;
	if (sscanf(line, "%lx-%lx %7s %lx %*x:%*x %lu %n", &m->start, &m->end,
		   m->perm, &m->off, &m->ino, &at) < 5)
		return false;
	for (size_t i = 0; line[at] && line[at] != '\n' && i < PATH_MAX - 1;)
		m->name[i++] = line[at++], m->name[i] = 0;
	return true;
}

static const char *next_line(const char *p)
{
	p = strchr(p, '\n');
	return p && p[1] ? p + 1 : NULL;
}

static bool map_at(const void *addr, struct map *m)
{
	unsigned long a = (unsigned long)addr;

	for (const char *p = text; p; p = next_line(p))
		if (map_parse(p, m) && a >= m->start && a < m->end)
			return true;
	return false;
}

static void check_form(void)
{
	struct map m;
	unsigned long last = 0;
	int bad = 0, lines = 0, wx = 0;

	for (const char *p = text; p && *p; p = next_line(p)) {
		lines++;
		if (!map_parse(p, &m) || m.start < last || m.end <= m.start ||
		    strlen(m.perm) != 4)
			bad++, tap_line("# odd line: %.80s", p);
		last = m.end;
		wx += m.perm[1] == 'w' && m.perm[2] == 'x';
	}
	OK(lines >= 5, "there are mappings");
	IS(bad, 0, "every line is well formed and in order");
	IS(wx, 0, "nothing is writable and executable");
}

static void check_names(void)
{
	struct map m;
	char here, exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	MUST(n > 0);
	exe[n] = 0;
	OK(map_at(&here, &m) && !strcmp(m.name, "[stack]"), "the stack");
	OK(!strcmp(m.perm, "rw-p"), "is not executable");
	OK(map_at((void *)(uintptr_t)check_names, &m) && !strcmp(m.name, exe),
	   "the program's text has its file's name");
	OK(!strcmp(m.perm, "r-xp"), "and is read and execute");
	OK(map_at((void *)getauxval(AT_SYSINFO_EHDR), &m) &&
	       !strcmp(m.name, "[vdso]"),
	   "the vDSO");
	OK(map_at((char *)syscall(SYS_brk, 0) - 1, &m) &&
	       !strcmp(m.name, "[heap]"),
	   "the heap");
}

static void check_changes(void)
{
	char *p = mmap(NULL, 8 * PG, RW, ANON, -1, 0);
	struct map m, n;

	MUST(p != MAP_FAILED);
	MUST(mprotect(p + 2 * PG, 2 * PG, PROT_READ) == 0);
	MUST(munmap(p + 5 * PG, PG) == 0);
	MUST(mprotect(p + 7 * PG, PG, PROT_NONE) == 0);
	maps_read();
	OK(map_at(p, &m) && !strcmp(m.perm, "rw-p") &&
	       m.end == (unsigned long)p + 2 * PG,
	   "mprotect splits a mapping");
	OK(map_at(p + 2 * PG, &m) && !strcmp(m.perm, "r--p") &&
	       m.start == (unsigned long)p + 2 * PG &&
	       m.end == (unsigned long)p + 4 * PG,
	   "its middle is read-only");
	OK(!map_at(p + 5 * PG, &m), "a hole is a hole");
	OK(map_at(p + 7 * PG, &m) && !strcmp(m.perm, "---p"), "no access");
	MUST(mprotect(p, 5 * PG, RW) == 0);
	maps_read();
	OK(map_at(p, &m) && map_at(p + 4 * PG, &n) && m.start == n.start,
	   "equal neighbours are one mapping again");
	munmap(p, 8 * PG);
	maps_read();
	OK(!map_at(p, &m) && !map_at(p + 7 * PG, &m), "unmapped is gone");
}

static void check_file(void)
{
	int fd = open("selfmaps.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char path[PATH_MAX + 32];
	struct stat st;
	struct map m;
	char *p, *q;

	MUST(fd >= 0 && ftruncate(fd, 8 * PG) == 0 && fstat(fd, &st) == 0);
	MUST(getcwd(path, PATH_MAX));
	strcat(path, "/selfmaps.tmp");
	p = mmap(NULL, 2 * PG, RW, MAP_SHARED, fd, 3 * PG);
	q = mmap(NULL, PG, PROT_READ, MAP_PRIVATE, fd, PG);
	maps_read();
	OK(map_at(p, &m) && !strcmp(m.perm, "rw-s") && m.off == 3 * PG,
	   "a shared file mapping with its offset");
	OK(!strcmp(m.name, path), "its path");
	IS(m.ino, st.st_ino, "its inode");
	OK(map_at(q, &m) && !strcmp(m.perm, "r--p") && m.off == PG,
	   "a private one");
	munmap(p, 2 * PG);
	munmap(q, PG);
	close(fd);
	unlink("selfmaps.tmp");
}

/* Every readable line can be read, every line without r cannot. */
static void check_true(void)
{
	struct map m;
	int bad = 0;

	maps_read();
	for (const char *p = text; p && *p; p = next_line(p)) {
		bool special, got;

		MUST(map_parse(p, &m));
		special = !strcmp(m.name, "[vsyscall]") ||
			  !strncmp(m.name, "[vvar", 5);
		if (special)
			continue;
		got = fault_read((void *)m.start) == 0;
		if (got != (m.perm[0] == 'r'))
			bad++, tap_line("# not so: %.60s", p);
	}
	IS(bad, 0, "what it says readable is, what not is not");
}

int main(void)
{
	MUST(syscall(SYS_brk, (char *)syscall(SYS_brk, 0) + 16 * PG) > 0);
	fault_init();
	maps_read();
	check_form();
	check_names();
	check_changes();
	check_file();
	check_true();
	return tap_done();
}
