/* SPDX-License-Identifier: MIT */
/*
 * cores_test.c - host/cores: what is asked, what stands against it, and that
 * a failure at any point leaves everything as it was.
 *
 * The module is played by the functions below, for a machine of 8 CPUs on 2
 * nodes.
 */
/* links: host/cores/amount.c host/cores/machine.c host/cores/plan.c */
/* links: host/cores/user.c host/cores/work.c */
/* links: host/lib/cpulist.c host/lib/size.c host/plat/azm.c */
/* ldlibs: -lhwloc */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cores/amount.h"
#include "cores/device.h"
#include "cores/user.h"
#include "cores/work.h"
#include "lib/error.h"

#define NCPUS  8
#define NNODES 2
#define MIB    (1ULL << 20)

static int ntests, nfailed;
static char said[8192]; /* all messages since they were last cleared */

static void check(bool pass, const char *what)
{
	ntests++;
	nfailed += !pass;
	printf("%sok %d - %s\n", pass ? "" : "not ", ntests, what);
	if (!pass && *said)
		printf("# said: %s\n", said);
}

/* Instead of host/lib/error.c. */
void error_say(const char *fmt, ...)
{
	size_t n = strlen(said);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(said + n, sizeof(said) - n, fmt, ap);
	va_end(ap);
}

const char *error_text(int err)
{
	return strerrordesc_np(abs(err));
}

/* --- the module --- */

static struct azm_info info[NCPUS];
static struct azm_memory memory[NNODES];
static int calls, fail_at, fail_with;
static volatile int stop;
static int stop_at;

static int device_turn(void)
{
	calls++;
	if (calls == stop_at)
		stop = 1;
	return calls == fail_at ? fail_with : 0;
}

int device_reserve(int fd, unsigned int cpu, uint32_t uid, uint32_t gid)
{
	int err = device_turn();

	(void)fd;
	if (err)
		return err;
	if (info[cpu].state != AZM_LINUX)
		return -EBUSY;
	info[cpu].state = AZM_RESERVED;
	info[cpu].uid = uid;
	info[cpu].gid = gid;
	return 0;
}

int device_release(int fd, unsigned int cpu)
{
	int err = device_turn();

	(void)fd;
	if (err)
		return err;
	if (info[cpu].state != AZM_RESERVED && info[cpu].state != AZM_STUCK)
		return -EBUSY;
	info[cpu].state = AZM_LINUX;
	return 0;
}

int device_memory_set(int fd, unsigned int node, uint64_t bytes)
{
	int err = device_turn();

	(void)fd;
	if (!err)
		memory[node].bytes = bytes;
	return err;
}

/* --- the machine --- */

static struct machine_cpu cpu_place[NCPUS];
static struct machine_node node[NNODES];
static char name[NCPUS][NAME_MAX_BYTES];
static struct cores cores;

static void machine_set(void)
{
	unsigned int i;

	memset(&cores, 0, sizeof(cores));
	memset(info, 0, sizeof(info));
	memset(memory, 0, sizeof(memory));
	memset(name, 0, sizeof(name));
	for (i = 0; i < NCPUS; i++) {
		cpu_place[i] = (struct machine_cpu){
			.node = (int)i / 4,
			.fixed = i == 0,
		};
		info[i].uid = info[i].gid = AZM_NOBODY;
		cpulist_add(&cores.machine.present, i);
		cpulist_add(&cores.machine.online, i);
	}
	for (i = 0; i < NNODES; i++)
		node[i] = (struct machine_node){
			.id = i,
			.total = 4096 * MIB,
			.free = 1024 * MIB,
			.cache = 512 * MIB,
		};
	cores.machine.ncpus = NCPUS;
	cores.machine.cpu = cpu_place;
	cores.machine.nnodes = NNODES;
	cores.machine.node = node;
	cores.module = true;
	cores.info = info;
	cores.memory = memory;
	cores.memory_known = true;
	cores.name = name;
	calls = fail_at = stop_at = stop = 0;
	said[0] = '\0';
}

/* cores_is - as in state.c, which reads the real machine. */
bool cores_is(const struct cores *c, unsigned int cpu, uint32_t state)
{
	return c->info[cpu].state == state;
}

static struct work work_of(bool release, const char *cpus)
{
	struct work w = { .release = release,
			  .uid = 1000,
			  .gid = AZM_NOBODY,
			  .stop = &stop };

	if (*cpus && cpulist_parse(cpus, &w.cpus) < 0)
		abort();
	return w;
}

static const char *reserved(void)
{
	static char text[64];
	struct cpulist l = { 0 };
	unsigned int i;

	for (i = 0; i < NCPUS; i++)
		if (info[i].state == AZM_RESERVED)
			cpulist_add(&l, i);
	return cpulist_format(&l, text, sizeof(text));
}

static bool says(const char *text)
{
	return strstr(said, text) != NULL;
}

/* --- amounts --- */

static void check_amount(const char *text, int err, uint64_t bytes, bool all,
			 int where)
{
	struct amount a;
	int got = amount_parse(text, &a);

	check(got == err && (err || (a.all == all && a.bytes == bytes &&
				     a.node == where)),
	      text);
}

static void amounts(void)
{
	check_amount("8G@node0", 0, 8192 * MIB, false, 0);
	check_amount("8G@0", 0, 8192 * MIB, false, 0);
	check_amount("1.5g@node12", 0, 1536 * MIB, false, 12);
	check_amount("64M", 0, 64 * MIB, false, -1);
	check_amount("1@node1", 0, 2 * MIB, false, 1);
	check_amount("2097153", 0, 4 * MIB, false, -1);
	check_amount("all@node1", 0, 0, true, 1);
	check_amount("all", 0, 0, true, -1);
	check_amount("", -EINVAL, 0, false, 0);
	check_amount("@node0", -EINVAL, 0, false, 0);
	check_amount("0@node0", -EINVAL, 0, false, 0);
	check_amount("8G@", -EINVAL, 0, false, 0);
	check_amount("8G@node", -EINVAL, 0, false, 0);
	check_amount("8G@node-1", -EINVAL, 0, false, 0);
	check_amount("8G@nod0", -EINVAL, 0, false, 0);
	check_amount("8G@node0@node1", -EINVAL, 0, false, 0);
	check_amount("8G @node0", -EINVAL, 0, false, 0);
	check_amount("-8G@node0", -EINVAL, 0, false, 0);
	check_amount("8X@node0", -EINVAL, 0, false, 0);
	check_amount("ALL@node0", -EINVAL, 0, false, 0);
	check_amount("8G@node1024", -ERANGE, 0, false, 0);
	check_amount("99999999999G", -ERANGE, 0, false, 0);
	check_amount("18446744073709551615", -ERANGE, 0, false, 0);
	check_amount("11111111111111111111111111111111111111", -EINVAL, 0,
		     false, 0);
}

/* --- plans for CPUs --- */

/* What is said about one CPU in some state; "": nothing stands against it. */
static void check_cpu(bool release, uint32_t state, const char *want)
{
	struct work w = work_of(release, "3");
	unsigned int problems;
	char what[160];

	info[3].state = state;
	said[0] = '\0';
	problems = work_plan_cpus(&cores, &w);
	(void)snprintf(what, sizeof(what), "%s in state %u: \"%s\"",
		       release ? "release" : "reserve", state, want);
	check(problems == (*want != '\0') && (*want ? says(want) : !*said) &&
		  cpulist_has(&w.cpus, 3) == (*want == '\0'),
	      what);
}

static void plans_by_state(void)
{
	machine_set();
	info[3].pid = 77;
	check_cpu(false, AZM_LINUX, "");
	check_cpu(false, AZM_MOVING, "CPU 3: being moved");
	check_cpu(false, AZM_RESERVED, "reserved already, for root:");
	check_cpu(false, AZM_RUNNING, "in use by process 77");
	check_cpu(false, AZM_STUCK, "azalea cores release 3");
	check_cpu(true, AZM_LINUX, "CPU 3: not reserved");
	check_cpu(true, AZM_MOVING, "CPU 3: being moved");
	check_cpu(true, AZM_RESERVED, "");
	check_cpu(true, AZM_RUNNING, "in use by process 77");
	check_cpu(true, AZM_STUCK, "");
	strcpy(name[3], "web");
	check_cpu(true, AZM_RUNNING,
		  "in use by web (pid 77): wait for it to end, or: azalea "
		  "stop web");
	info[3].uid = 0;
	check_cpu(false, AZM_RESERVED, "for user root:");
	info[3].gid = 0;
	check_cpu(false, AZM_RESERVED, "for user root and group root:");
	info[3].uid = AZM_NOBODY;
	check_cpu(false, AZM_RESERVED, "for group root:");
}

static void check_list(const char *cpus, const char *left, const char *want)
{
	struct work w = work_of(false, cpus);
	char text[64], what[160];
	unsigned int problems;

	said[0] = '\0';
	problems = work_plan_cpus(&cores, &w);
	(void)cpulist_format(&w.cpus, text, sizeof(text));
	(void)snprintf(what, sizeof(what), "reserve %s: \"%s\" left, \"%s\"",
		       cpus, left, want);
	check((problems > 0) == (*want != '\0') && says(want) &&
		  strcmp(text, left) == 0,
	      what);
}

static void plans_by_cpu(void)
{
	machine_set();
	check_list("1-7", "1-7", "");
	check_list("0", "", "CPU 0: stays with Linux");
	check_list("0-7", "1-7", "CPU 0: stays with Linux");
	check_list("7-9", "7",
		   "CPU 9: there is no such CPU: this machine has "
		   "0-7");
	check_list("8191", "", "no such CPU");
	cpulist_remove(&cores.machine.online, 5);
	check_list("4-6", "4,6", "CPU 5: taken off-line by other hands");
	cpu_place[6].fixed = true;
	check_list("6", "", "CPU 6: Linux cannot take it off-line");
	machine_set();
	memset(&cores.machine.online, 0, sizeof(cores.machine.online));
	cpulist_add(&cores.machine.online, 4);
	cpulist_add(&cores.machine.online, 5);
	check_list("4", "4", "");
	check_list("4-5", "", "all CPUs that Linux has");
}

static void plans_notes(void)
{
	struct work w = work_of(false, "4-7");

	machine_set();
	work_notes(&cores, &w);
	check(says("no CPU of node 1 is left"), "the last CPUs of a node");
	said[0] = '\0';
	w = work_of(false, "1-3,5-7");
	work_notes(&cores, &w);
	check(!*said, "no note if one is left on each node");
	w = work_of(true, "4-7");
	work_notes(&cores, &w);
	check(!*said, "no note about giving back");
}

/* --- plans for memory --- */

static void check_memory(bool release, const char *cpus, const char *text,
			 uint64_t after, const char *want)
{
	struct work w = work_of(release, cpus);
	struct amount a;
	unsigned int problems;
	char what[160];

	said[0] = '\0';
	if (amount_parse(text, &a) < 0)
		abort();
	problems = work_plan_memory(&cores, &w, &a, 1);
	(void)snprintf(what, sizeof(what), "%s \"%s\" --memory %s: \"%s\"",
		       release ? "release" : "reserve", cpus, text, want);
	check(*want ? problems == 1 && w.nmemory == 0 && says(want)
		    : problems == 0 && w.nmemory == 1 &&
			  w.memory[0].after == after && !*said,
	      what);
}

static void plans_memory(void)
{
	struct amount two[2] = { { .bytes = 2 * MIB, .node = 1 },
				 { .bytes = 2 * MIB, .node = 1 } };
	struct work w = work_of(false, "");

	machine_set();
	check_memory(false, "", "1536M@node1", 1536 * MIB, "");
	check_memory(false, "", "1538M@node1", 0,
		     "free there, which is 1.5GiB");
	check_memory(false, "", "8G@node2", 0, "node 2: there is no such node");
	check_memory(false, "", "8M", 0, "of which node?");
	check_memory(false, "2,6", "8M", 0, "of which node?");
	check_memory(false, "5-7", "8M", 8 * MIB, "");
	check_memory(false, "", "all@node0", 0, "say how much");
	memory[0].bytes = 100 * MIB;
	memory[0].lent = 60 * MIB;
	check_memory(false, "", "8M@node0", 108 * MIB, "");
	check_memory(true, "", "40M@node0", 60 * MIB, "");
	check_memory(true, "", "42M@node0", 0, "60MiB of it is lent");
	check_memory(true, "", "102M@node0", 0, "more than is reserved there");
	check_memory(true, "", "all@node0", 0, "60MiB of it is lent");
	memory[0].lent = 0;
	check_memory(true, "", "all@node0", 0, "");
	said[0] = '\0';
	check(work_plan_memory(&cores, &w, two, 2) == 1 && says("node 1 twice"),
	      "a node twice");
	cores.memory_known = false;
	check_memory(false, "", "8M@node0", 0, "holds no memory back");
	cores.memory_known = true;
	cores.machine.nnodes = 1;
	check_memory(false, "", "8M", 108 * MIB, "");
}

/* --- doing it --- */

static struct work big_work(bool release)
{
	struct work w = work_of(release, "1-3,6");

	w.nmemory = 2;
	w.memory[0] = (struct work_memory){ .node = 0, .after = 8 * MIB };
	w.memory[1] = (struct work_memory){
		.node = 1,
		.before = 2 * MIB,
		.after = 4 * MIB,
	};
	return w;
}

static bool untouched(void)
{
	return strcmp(reserved(), "") == 0 && memory[0].bytes == 0 &&
	       memory[1].bytes == 2 * MIB;
}

static void doing_all_or_nothing(void)
{
	bool clean = true, said_why = true;
	struct work w;
	int n, failed = 1;

	for (n = 1; failed && n < 20; n++) {
		machine_set();
		memory[1].bytes = 2 * MIB;
		w = big_work(false);
		fail_at = n;
		fail_with = n % 2 ? -EBUSY : -ENOMEM;
		failed = work_do(3, &w);
		if (failed) {
			clean = clean && untouched() && w.nmemory == 0 &&
				cpulist_count(&w.cpus) == 0;
			said_why = said_why && *said;
		}
	}
	check(n == 8 && !failed, "six steps: the seventh failure is none");
	check(clean, "a failure at any step leaves all as it was");
	check(said_why, "and is said");
	check(strcmp(reserved(), "1-3,6") == 0 && info[2].uid == 1000 &&
		  info[2].gid == AZM_NOBODY && memory[0].bytes == 8 * MIB &&
		  memory[1].bytes == 4 * MIB,
	      "without one all is done");
}

static void doing_interrupted(void)
{
	bool clean = true;
	struct work w;
	int n, failed = 1;

	for (n = 1; failed && n < 20; n++) {
		machine_set();
		memory[1].bytes = 2 * MIB;
		w = big_work(false);
		stop_at = n;
		failed = work_do(3, &w);
		clean = clean && (!failed || untouched());
	}
	check(n == 7 && !failed && clean,
	      "an interruption before the last step undoes the others");
}

static void doing_partial(void)
{
	struct work w = big_work(false);

	machine_set();
	w.partial = true;
	fail_at = 4;
	fail_with = -EBUSY;
	check(work_do(3, &w) == 1 && strcmp(reserved(), "1,3,6") == 0 &&
		  cpulist_count(&w.cpus) == 3 && !cpulist_has(&w.cpus, 2) &&
		  w.nmemory == 2 && says("CPU 2: Linux needs it"),
	      "partial: all but the one that failed");
	w = big_work(false);
	machine_set();
	w.partial = true;
	fail_at = 1;
	fail_with = -ENOMEM;
	check(work_do(3, &w) == 1 && strcmp(reserved(), "1-3,6") == 0 &&
		  w.nmemory == 1 && w.memory[0].node == 1 &&
		  memory[0].bytes == 0,
	      "partial: all but the memory that is not there");
}

static void doing_release(void)
{
	struct work w = work_of(true, "1-3,6");
	int i;

	machine_set();
	for (i = 1; i < NCPUS; i++)
		info[i].state = AZM_RESERVED;
	info[3].state = AZM_STUCK;
	fail_at = 2;
	fail_with = -EBUSY;
	check(work_do(3, &w) == 1 && strcmp(reserved(), "2,4-5,7") == 0 &&
		  says("CPU 2: in use") && cpulist_count(&w.cpus) == 3,
	      "release: the others are given back all the same");
	said[0] = '\0';
	w = work_of(true, "2");
	check(work_do(3, &w) == 0 && strcmp(reserved(), "4-5,7") == 0 && !*said,
	      "release: again");
}

static void doing_badly(void)
{
	struct work w = work_of(false, "1-3");

	machine_set();
	info[3].state = AZM_RUNNING; /* since it was looked at */
	fail_at = 4;                 /* giving 2 back again */
	fail_with = -EIO;
	check(work_do(3, &w) == 1 && strcmp(reserved(), "2") == 0 &&
		  says("CPU 2 stays reserved"),
	      "what cannot be undone is said");
}

/* --- names, and what Linux says --- */

static void users(void)
{
	char buf[USER_NAME_MAX], owners[USER_OWNERS_MAX];
	uint32_t id = 1;

	check(user_parse("root", &id) == 0 && id == 0, "user root");
	check(group_parse("root", &id) == 0 && id == 0, "group root");
	check(user_parse("54321", &id) == 0 && id == 54321, "a number");
	check(user_parse("", &id) == -ENOENT, "no name");
	check(user_parse("roo", &id) == -ENOENT, "a part of a name");
	check(user_parse("root:x", &id) == -ENOENT, "more than a name");
	check(user_parse("-1", &id) == -ENOENT, "a negative number");
	check(user_parse("4294967295", &id) == -ENOENT, "nobody's number");
	check(strcmp(user_name(0, buf), "root") == 0, "name of user 0");
	check(strcmp(user_owners(0, AZM_NOBODY, owners), "user root") == 0 &&
		  strcmp(user_owners(AZM_NOBODY, 0, owners), "group root") ==
		      0 &&
		  strcmp(user_owners(54321, 0, owners),
			 "user 54321 and group root") == 0 &&
		  strcmp(user_owners(AZM_NOBODY, AZM_NOBODY, owners), "root") ==
		      0,
	      "users and groups in words");
	check(strcmp(group_name(54321, buf), "54321") == 0,
	      "a number without name");
}

static void meminfo(void)
{
	char of_node[] = "\nNode 1 MemTotal:  8192 kB\n"
			 "Node 1 MemFree:   1024 kB\nNode 1 MemUsed: 7168 kB\n"
			 "Node 1 Active:    5 kB\nNode 1 Active(file): 100 kB\n"
			 "Node 1 Inactive(file): 10 kB\nNode 1 SReclaimable: 1 "
			 "kB\n";
	char of_all[] = "MemTotal:     8192 kB\nMemFree:       1024 kB\n"
			"HugePages_Total:    9\nActive(file): 111 kB\n";
	struct machine_node n = { 0 };
	FILE *f = fmemopen(of_node, strlen(of_node), "r");

	machine_meminfo(f, &n);
	(void)fclose(f);
	check(n.total == 8 * MIB && n.free == MIB && n.cache == 111 << 10,
	      "meminfo of a node");
	f = fmemopen(of_all, strlen(of_all), "r");
	machine_meminfo(f, &n);
	(void)fclose(f);
	check(n.total == 8 * MIB && n.free == MIB && n.cache == 111 << 10,
	      "meminfo of the machine");
}

static void this_machine(void)
{
	struct cpulist allowed;
	struct machine m;
	unsigned int cpu;
	bool all = true;

	if (machine_read(&m) != 0 || cpulist_affinity(&allowed) != 0) {
		check(false, "this machine can be read");
		return;
	}
	for (cpu = cpulist_next(&allowed, 0); cpu < CPULIST_MAX;
	     cpu = cpulist_next(&allowed, cpu + 1))
		all = all && cpulist_has(&m.present, cpu) &&
		      cpulist_has(&m.online, cpu) && m.cpu[cpu].node >= 0 &&
		      machine_node(&m, (unsigned int)m.cpu[cpu].node);
	check(all, "the CPUs that run this are there, each on a node");
	check(m.nnodes >= 1 && m.node[0].total > m.node[0].free &&
		  m.node[0].free > 0,
	      "nodes have memory, part of it free");
	machine_free(&m);
}

int main(void)
{
	amounts();
	plans_by_state();
	plans_by_cpu();
	plans_notes();
	plans_memory();
	doing_all_or_nothing();
	doing_interrupted();
	doing_partial();
	doing_release();
	doing_badly();
	users();
	meminfo();
	this_machine();
	printf("1..%d\n", ntests);
	return nfailed > 0;
}
