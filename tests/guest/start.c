/* SPDX-License-Identifier: MIT */
/*
 * start.c - what a program finds when it starts: arguments, environment, the
 * auxiliary vector, and how they lie in memory.
 */
// run: one 'two words' '' -- --opt=äöü '*'
// env: GUEST_A=1 GUEST_EMPTY= GUEST_B=x=y
#include <cpuid.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/resource.h>

#include "tap.h"

static const ElfW(auxv_t) * auxv_find(char **envp, unsigned long type)
{
	const ElfW(auxv_t) * av;
	char **p = envp;

	while (*p)
		p++;
	for (av = (const void *)(p + 1); av->a_type != AT_NULL; av++)
		if (av->a_type == type)
			return av;
	return NULL;
}

static void check_args(int argc, char **argv)
{
	char line[400];

	IS(argc, 7, "argc");
	OK(argv[argc] == NULL, "argv ends with NULL");
	OK(strrchr(argv[0], '/') != NULL, "argv[0] is the path given");
	for (int i = 1; i < argc; i++) {
		snprintf(line, sizeof(line), "argv[%d] is <%s>", i, argv[i]);
		OK(1, line);
	}
	for (int i = 0; i + 1 < argc; i++)
		if (argv[i] + strlen(argv[i]) + 1 != argv[i + 1])
			OK(0, "argument strings are contiguous");
}

static void check_env(char **argv, int argc, char **envp)
{
	int n = 0, nguest = 0;

	OK(envp == argv + argc + 1, "envp follows argv");
	OK(envp == environ, "environ is envp");
	for (; envp[n]; n++)
		if (!strncmp(envp[n], "GUEST_", 6))
			nguest++;
	IS(nguest, 3, "the environment came through");
	OK(!strcmp(getenv("GUEST_B") ? getenv("GUEST_B") : "", "x=y"),
	   "a value with an equals sign");
	OK(getenv("GUEST_EMPTY") && !*getenv("GUEST_EMPTY"), "an empty value");
	OK(n && argv[argc - 1] + strlen(argv[argc - 1]) + 1 == envp[0],
	   "environment strings follow the arguments");
}

static void check_random(char **envp)
{
	const ElfW(auxv_t) *av = auxv_find(envp, AT_RANDOM);
	uint64_t r[2] = { 0, 0 };

	OK(av && av->a_un.a_val, "AT_RANDOM");
	if (av)
		memcpy(r, (const void *)av->a_un.a_val, 16);
	OK(r[0] && r[1] && r[0] != r[1], "16 random bytes");
}

static void check_execfn(char **argv)
{
	const char *fn = (const char *)getauxval(AT_EXECFN);
	char exe[PATH_MAX], real[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	OK(fn && !strcmp(fn, argv[0]), "AT_EXECFN is the path as given");
	OK(n > 0, "/proc/self/exe can be read");
	exe[n > 0 ? n : 0] = 0;
	OK(realpath(argv[0], real) && !strcmp(real, exe),
	   "/proc/self/exe is the program");
	OK((uintptr_t)fn > (uintptr_t)argv, "AT_EXECFN lies on the stack");
}

static void check_elf(void)
{
	const ElfW(Phdr) *ph = (const void *)getauxval(AT_PHDR);
	unsigned long n = getauxval(AT_PHNUM), base = 0, entry_ok = 0;
	extern const char __ehdr_start[] __attribute__((visibility("hidden")));
	const ElfW(Ehdr) *eh = (const void *)__ehdr_start;
	unsigned long entry = getauxval(AT_ENTRY);

	IS(getauxval(AT_PHENT), sizeof(*ph), "AT_PHENT");
	IS(n, eh->e_phnum, "AT_PHNUM is the header's");
	OK((const char *)ph == __ehdr_start + eh->e_phoff, "AT_PHDR");
	if (eh->e_type == ET_DYN)
		base = (unsigned long)eh;
	IS(entry, base + eh->e_entry, "AT_ENTRY is the header's");
	for (unsigned long i = 0; i < n; i++)
		if (ph[i].p_type == PT_LOAD && ph[i].p_flags & PF_X &&
		    entry >= base + ph[i].p_vaddr &&
		    entry < base + ph[i].p_vaddr + ph[i].p_memsz)
			entry_ok = 1;
	OK(entry_ok, "AT_ENTRY is inside an executable segment");
}

static void check_vdso(void)
{
	const ElfW(Ehdr) *eh = (const void *)getauxval(AT_SYSINFO_EHDR);

	OK(eh && !memcmp(eh->e_ident, ELFMAG, SELFMAG), "AT_SYSINFO_EHDR");
	OK(eh && eh->e_type == ET_DYN && eh->e_machine == EM_X86_64,
	   "the vDSO is an x86-64 shared object");
}

static void check_values(char **envp)
{
	unsigned int a, b, c, d;
	const char *plat = (const char *)getauxval(AT_PLATFORM);
	const ElfW(auxv_t) * av;

	IS(getauxval(AT_PAGESZ), 4096, "AT_PAGESZ");
	IS(getauxval(AT_CLKTCK), 100, "AT_CLKTCK");
	IS(getauxval(AT_FLAGS), 0, "AT_FLAGS");
	IS(getauxval(AT_SECURE), 0, "AT_SECURE");
	IS(getauxval(AT_UID), getuid(), "AT_UID");
	IS(getauxval(AT_EUID), geteuid(), "AT_EUID");
	IS(getauxval(AT_GID), getgid(), "AT_GID");
	IS(getauxval(AT_EGID), getegid(), "AT_EGID");
	OK(plat && !strcmp(plat, "x86_64"), "AT_PLATFORM");
	__cpuid(1, a, b, c, d);
	/* getauxval() would give glibc's own idea of it. */
	av = auxv_find(envp, AT_HWCAP);
	IS(av ? av->a_un.a_val & ~(1UL << 9) : 0, d & ~(1U << 9),
	   "AT_HWCAP is CPUID's");
	av = auxv_find(envp, 51 /* AT_MINSIGSTKSZ */);
	OK(av && av->a_un.a_val >= 1024 && av->a_un.a_val < 65536,
	   "AT_MINSIGSTKSZ");
	OK(auxv_find(envp, AT_HWCAP2) != NULL, "AT_HWCAP2 is there");
	OK(auxv_find(envp, AT_BASE) != NULL, "AT_BASE is there");
	OK(auxv_find(envp, 33) != NULL, "AT_SYSINFO_EHDR is there");
}

static void check_stack(char **argv)
{
	char here;
	struct rlimit lim;

	OK((uintptr_t)&here < (uintptr_t)argv, "the stack grows down");
	IS((uintptr_t)(argv - 1) % 16, 0, "argc is 16-byte aligned");
	MUST(getrlimit(RLIMIT_STACK, &lim) == 0);
	OK(lim.rlim_cur >= 1024 * 1024, "RLIMIT_STACK as inherited");
	/* 4 MiB of it can be used. */
	if (lim.rlim_cur >= 8U << 20) {
		volatile char *deep = __builtin_alloca(4 << 20);

		for (size_t i = 0; i < 4 << 20; i += 4096)
			deep[i] = 1;
		OK(deep[0] == 1, "four megabytes of stack");
	}
}

static void check_fds(void)
{
	int open_fds = 0;

	for (int fd = 0; fd < 3; fd++)
		open_fds += fcntl(fd, F_GETFD) >= 0;
	IS(open_fds, 3, "stdin, stdout, stderr are open");
	for (int fd = 3; fd < 70000; fd++)
		if (fcntl(fd, F_GETFD) >= 0) {
			tap_line("# descriptor %d is open", fd);
			open_fds++;
		}
	IS(open_fds, 3, "nothing else is");
	IS(open("/dev/null", O_RDONLY), 3, "the first new one is 3");
}

int main(int argc, char **argv, char **envp)
{
	check_args(argc, argv);
	check_env(argv, argc, envp);
	check_random(envp);
	check_execfn(argv);
	check_elf();
	check_vdso();
	check_values(envp);
	check_stack(argv);
	check_fds();
	return tap_done();
}
