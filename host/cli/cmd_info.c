/* SPDX-License-Identifier: MIT */
/*
 * cmd_info.c - azalea info [-o FORM]
 *
 * What is said here was tried, not derived from a version number.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot.h"
#include "cli/cli.h"
#include "cli/describe.h"
#include "cli/resources.h"
#include "cli/table.h"
#include "lib/cpulist.h"
#include "lib/error.h"
#include "lib/size.h"
#include "plat/azm.h"
#include "plat/plat.h"
#include "sandbox/landlock.h"

#define DETAIL_MAX      200
#define LIST_TEXT       128
#define HWCAP2_FSGSBASE 2          /* arch/x86/include/uapi/asm/hwcap2.h */
#define CPUID_POWER     0x80000007 /* EDX bit 8: invariant TSC (AMD, Intel) */

struct fact {
	const char *name;
	bool ok;
	char detail[DETAIL_MAX]; /* why, or what follows from it */
};

static const struct option_spec info_options[] = {
	{ 'o', "output", "FORM", "text (default) or json" },
	{ 0, NULL, NULL, NULL },
};

__attribute__((format(printf, 3, 4))) static void fact_set(struct fact *f,
							   bool ok,
							   const char *fmt, ...)
{
	va_list ap;

	f->ok = ok;
	va_start(ap, fmt);
	if (vsnprintf(f->detail, sizeof(f->detail), fmt, ap) < 0)
		f->detail[0] = '\0';
	va_end(ap);
}

/* The first line of a file, or "" if there is none. */
static void line_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd >= 0) {
		n = read(fd, buf, size - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

/* --- what Linux and the CPU can do --- */

static void probe_dispatch(struct fact *f)
{
	const char *why = "";
	int err = plat_pico.probe(&why);

	fact_set(f, !err, "%s",
		 err ? why : "system calls of programs reach the unikernel");
}

static void probe_seccomp(struct fact *f)
{
	unsigned int action = SECCOMP_RET_ERRNO;
	bool ok =
	    syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;

	fact_set(f, ok, "%s",
		 ok ? "owners are confined by a filter"
		    : "needs CONFIG_SECCOMP_FILTER: instances do not start "
		      "without");
}

static void probe_fsgsbase(struct fact *f)
{
	bool ok = getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE;

	fact_set(f, ok, "%s",
		 ok ? "threads are switched without a call of Linux"
		    : "thread switches cost a call of Linux (CPU too old, or "
		      "Linux before 5.9)");
}

static void probe_thp(struct fact *f)
{
	char mode[64];

	line_read("/sys/kernel/mm/transparent_hugepage/enabled", mode,
		  sizeof(mode));
	if (strstr(mode, "[always]") || strstr(mode, "[madvise]"))
		fact_set(f, true, "big memory is backed by big pages");
	else
		fact_set(f, false,
			 "memory is backed by small pages, which is slower: "
			 "echo madvise > /sys/kernel/mm/"
			 "transparent_hugepage/enabled");
}

static void probe_tsc(struct fact *f)
{
	unsigned int a, b, c, d = 0;
	char source[32];
	bool ok = __get_cpuid(CPUID_POWER, &a, &b, &c, &d) && (d & 1U << 8);

	line_read("/sys/devices/system/clocksource/clocksource0/"
		  "current_clocksource",
		  source, sizeof(source));
	ok = ok || strcmp(source, "tsc") == 0;
	fact_set(f, ok, "%s; Linux itself uses %s",
		 ok ? "clocks are read without a call of Linux"
		    : "every reading of a clock is a call of Linux",
		 *source ? source : "an unknown clock");
}

static void probe_overcommit(struct fact *f)
{
	char mode[16];

	line_read("/proc/sys/vm/overcommit_memory", mode, sizeof(mode));
	if (strcmp(mode, "2") == 0)
		fact_set(f, false,
			 "vm.overcommit_memory is 2: programs that reserve "
			 "much address space fail: set it to 0 or 1");
	else
		fact_set(f, true, "reservations cost nothing until touched");
}

static void probe_kvm_device(struct fact *f)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int version;

	if (fd < 0) {
		fact_set(f, false, "/dev/kvm: %s", error_text(errno));
		return;
	}
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	close(fd);
	fact_set(f, version == KVM_API_VERSION,
		 "/dev/kvm can be opened, its version is %d", version);
}

static void probe_landlock(struct fact *f)
{
	int version = landlock_version();

	if (!version)
		fact_set(f, false,
			 "policies cannot name paths: Linux 5.13 and later, "
			 "with landlock among lsm=");
	else
		fact_set(f, true,
			 "policies can name paths; its version is %d%s",
			 version,
			 version >= LANDLOCK_WITH_SCOPES
			     ? ""
			     : ", too old to hold back signals");
}

static void probe_namespaces(struct fact *f)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET |
			      CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)
			  ? errno
			  : 0);
	if (child > 0 && waitpid(child, &status, 0) == child &&
	    WIFEXITED(status))
		status = WEXITSTATUS(status);
	if (status)
		fact_set(f, false, "no --isolate: %s",
			 status > 0 ? error_text(status)
				    : "cannot start a process");
	else
		fact_set(f, true, "--isolate gives a program its own");
}

static struct fact features[] = {
	{ .name = "user_dispatch" }, { .name = "seccomp" },
	{ .name = "fsgsbase" },      { .name = "big_pages" },
	{ .name = "invariant_tsc" }, { .name = "reservations" },
	{ .name = "kvm_device" },    { .name = "landlock" },
	{ .name = "namespaces" },
};

static void (*const feature_probes[])(struct fact *) = {
	probe_dispatch,   probe_seccomp,  probe_fsgsbase,
	probe_thp,        probe_tsc,      probe_overcommit,
	probe_kvm_device, probe_landlock, probe_namespaces,
};

#define NFEATURES (sizeof(features) / sizeof(features[0]))

_Static_assert(sizeof(feature_probes) / sizeof(feature_probes[0]) == NFEATURES,
	       "one probe each");

/* --- platforms --- */

static struct fact platforms[] = {
	{ .name = "pico" },
	{ .name = "kvm" },
	{ .name = "metal" },
};

#define NPLATFORMS (sizeof(platforms) / sizeof(platforms[0]))

/* The CPUs that this user's instances can have now, and why not more. */
static struct azm_cpus reserved;

/* 1: on the CPU's own virtualization; see kvm_ask. */
static int kvm_kind;

static void probe_kvm(struct fact *f)
{
	const char *why = "";

	kvm_kind = plat_kvm.probe(&why);
	if (!kvm_kind)
		kvm_kind = kvm_ask(&why);
	if (kvm_kind < 0)
		fact_set(f, false, "%s", why);
	else
		fact_set(f, true, "%s",
			 kvm_kind ? "virtual machines on the CPU's own "
				    "virtualization"
				  : "virtual machines, based on paging (PVM): "
				    "leaving one is slow");
}

static void probe_metal(struct fact *f)
{
	char list[LIST_TEXT];
	const char *why = "";
	int fd;

	if (plat_metal.probe(&why)) {
		fact_set(f, false, "%s", why);
		return;
	}
	fd = azm_open(&why);
	if (fd < 0 || azm_cpus(fd, &reserved))
		fact_set(f, false, "cannot tell which CPUs are reserved");
	else if (cpulist_count(&reserved.free))
		fact_set(f, true, "CPUs %s are reserved for you, and free",
			 cpulist_format(&reserved.free, list, sizeof(list)));
	else if (cpulist_count(&reserved.busy))
		fact_set(f, true, "all CPUs reserved for you are in use (%s)",
			 cpulist_format(&reserved.busy, list, sizeof(list)));
	else if (azm_admin())
		fact_set(f, true,
			 "with --cpuset-cpus; no CPUs are reserved "
			 "for you: see azalea cores");
	else
		fact_set(f, false,
			 "no CPUs are reserved for you: azalea cores "
			 "reserve, as root");
	if (fd >= 0)
		close(fd);
}

static void probe_platforms(void)
{
	const struct fact *dispatch = &features[0], *seccomp = &features[1];

	if (dispatch->ok && seccomp->ok)
		fact_set(&platforms[0], true, "a core is a thread of Linux");
	else
		fact_set(&platforms[0], false, "%s",
			 dispatch->ok ? seccomp->detail : dispatch->detail);
	probe_kvm(&platforms[1]);
	probe_metal(&platforms[2]);
}

/* --- the machine --- */

/* CPUID leaves 0x80000002 to 0x80000004: the name, padded with blanks. */
static void cpu_model(char *buf, size_t size)
{
	unsigned int r[12] = { 0 }, *w = r, leaf;
	const char *s = (const char *)r, *end = (const char *)&r[12];

	buf[0] = '\0';
	if ((unsigned int)__get_cpuid_max(0x80000000, NULL) < 0x80000004)
		return;
	for (leaf = 0x80000002; leaf <= 0x80000004; leaf++, w += 4)
		__cpuid(leaf, w[0], w[1], w[2], w[3]);
	while (s < end && *s == ' ')
		s++;
	(void)snprintf(buf, size, "%.*s", (int)(end - s), s);
}

static json_t *info_machine(void)
{
	char cpu[64], list[256] = "";
	struct cpulist cpus;
	struct utsname u;
	unsigned int n = 0;

	if (cpulist_affinity(&cpus) == 0) {
		n = cpulist_count(&cpus);
		(void)cpulist_format(&cpus, list, sizeof(list));
	}
	cpu_model(cpu, sizeof(cpu));
	if (uname(&u) < 0)
		memset(&u, 0, sizeof(u));
	return json_pack("{s:o, s:o, s:i, s:i, s:s, s:I, s:I}", "cpu",
			 describe_text(cpu), "linux", describe_text(u.release),
			 "cpus_online", (int)sysconf(_SC_NPROCESSORS_ONLN),
			 "cores", (int)n, "cpus", list, "memory",
			 (json_int_t)resources_memory_total(), "memory_default",
			 (json_int_t)resources_memory_default());
}

static json_t *info_facts(const struct fact *f, size_t n)
{
	json_t *o = json_object();

	for (; n; n--, f++)
		(void)json_object_set_new(o, f->name,
					  json_pack("{s:b, s:o}", "available",
						    (int)f->ok, "why",
						    describe_text(f->detail)));
	return o;
}

/* As `azalea run` would choose, without further options. */
static const char *auto_choice(const char **why)
{
	if (cpulist_count(&reserved.free)) {
		*why = "cores are reserved for you";
		return "metal";
	}
	if (!platforms[0].ok) {
		*why = "no platform is available";
		return NULL;
	}
	if (platforms[1].ok && kvm_kind > 0 && kvm_hardware()) {
		*why = "a virtual machine costs little here";
		return "kvm";
	}
	*why = platforms[1].ok   ? "kvm is slower here"
	       : platforms[2].ok ? "no reserved core is free for metal"
				 : "metal and kvm are not available";
	return "pico";
}

static json_t *info_json(void)
{
	const char *why, *choice = auto_choice(&why);

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:s}", "version",
			 AZ_VERSION, "machine", info_machine(), "platforms",
			 info_facts(platforms, NPLATFORMS), "features",
			 info_facts(features, NFEATURES), "auto",
			 choice ? json_string(choice) : json_null(), "auto_why",
			 why);
}

static void print_facts(const char *head, const struct fact *f, size_t n)
{
	struct table t = { .columns = 3 };

	table_cell(&t, "%s", head);
	table_cell(&t, "AVAILABLE");
	table_cell(&t, "WHY");
	for (; n; n--, f++) {
		table_cell(&t, "%s", f->name);
		table_cell(&t, "%s", f->ok ? "yes" : "no");
		table_cell(&t, "%s", f->detail);
	}
	(void)printf("\n");
	table_print(&t);
}

static void print_text(json_t *o)
{
	const json_t *m = json_object_get(o, "machine");
	const char *choice = json_string_value(json_object_get(o, "auto"));
	char total[SIZE_TEXT_MAX], share[SIZE_TEXT_MAX];

	(void)printf("azalea %s, Linux %s\n", AZ_VERSION,
		     json_string_value(json_object_get(m, "linux")));
	(void)printf("CPU:     %s\n",
		     json_string_value(json_object_get(m, "cpu")));
	(void)printf(
	    "Cores:   %lld can be used (CPUs %s), %lld are on line\n",
	    (long long)json_integer_value(json_object_get(m, "cores")),
	    json_string_value(json_object_get(m, "cpus")),
	    (long long)json_integer_value(json_object_get(m, "cpus_online")));
	(void)printf("Memory:  %s, of which an instance gets %s by default\n",
		     size_format(resources_memory_total(), total),
		     size_format(resources_memory_default(), share));
	print_facts("PLATFORM", platforms, NPLATFORMS);
	(void)printf("auto chooses %s: %s\n", choice ? choice : "none",
		     json_string_value(json_object_get(o, "auto_why")));
	print_facts("FEATURE", features, NFEATURES);
	json_decref(o);
}

static int cmd_info(struct option_parser *p)
{
	int o, status, json = 0;
	size_t i;

	while ((o = option_next(p)) >= 0) {
		json = output_json(p->value);
		if (json < 0)
			return EXIT_AZALEA;
	}
	status = options_end(p, o);
	if (status < 0)
		status = operands_need(p, 0, 0);
	if (status >= 0)
		return status;
	for (i = 0; i < NFEATURES; i++)
		feature_probes[i](&features[i]);
	probe_platforms();
	if (json)
		return describe_print(info_json(), stdout);
	print_text(info_json());
	return 0;
}

const struct verb verb_info = {
	.name = "info",
	.operands = "",
	.summary = "Tell what this machine can do for each platform",
	.options = info_options,
	.mixed = true,
	.run = cmd_info,
};
