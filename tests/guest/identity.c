/* SPDX-License-Identifier: MIT */
/*
 * identity.c - who and where the program is: ids, names, limits, prctl,
 * random numbers. Values that only Linux knows are printed and compared.
 */
// ignore: USR1
// block: USR2
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "tap.h"

static void show(const char *what, long v)
{
	char line[128];

	snprintf(line, sizeof(line), "%s is %ld", what, v);
	OK(1, line);
}

static void check_ids(void)
{
	gid_t groups[256];
	uid_t r, e, s;
	gid_t g, eg, sg;

	OK(getpid() > 1, "getpid");
	OK(getppid() > 0 && getppid() != getpid(), "getppid");
	show("getuid", getuid());
	show("geteuid", geteuid());
	show("getgid", getgid());
	show("getegid", getegid());
	show("the number of groups", getgroups(256, groups));
	MUST(getresuid(&r, &e, &s) == 0 && getresgid(&g, &eg, &sg) == 0);
	OK(r == getuid() && e == geteuid() && s == e, "getresuid");
	OK(g == getgid() && eg == getegid(), "getresgid");
	OK(getpgrp() == getpgid(0) && getpgid(getpid()) == getpgrp(),
	   "process group");
	OK(getsid(0) == getsid(getpid()) && getsid(0) > 0, "session");
	ERR(getpgid(0x3ffffff), ESRCH, "the group of nobody");
	IS(setuid(getuid()), 0, "setuid to the same");
	IS(setresgid((gid_t)-1, (gid_t)-1, (gid_t)-1), 0, "setresgid of none");
	ERR(waitpid(-1, NULL, WNOHANG), ECHILD, "no children");
}

static void check_names(void)
{
	struct utsname u;
	char line[300], host[128];

	MUST(uname(&u) == 0 && gethostname(host, sizeof(host)) == 0);
	snprintf(line, sizeof(line), "%s %s %s", u.sysname, u.nodename,
		 u.machine);
	OK(1, line);
	snprintf(line, sizeof(line), "release %s", u.release);
	OK(1, line);
	OK(!strcmp(host, u.nodename), "gethostname is uname's");
	snprintf(line, sizeof(line), "domain %s", u.domainname);
	OK(1, line);
}

static void check_inherited(void)
{
	struct sigaction sa;
	sigset_t s;

	MUST(sigaction(SIGUSR1, NULL, &sa) == 0);
	OK(sa.sa_handler == SIG_IGN, "an ignored signal is inherited");
	MUST(sigaction(SIGUSR2, NULL, &sa) == 0);
	OK(sa.sa_handler == SIG_DFL, "others are at their default");
	MUST(sigprocmask(SIG_SETMASK, NULL, &s) == 0);
	OK(sigismember(&s, SIGUSR2), "the mask is inherited");
	OK(!sigismember(&s, SIGUSR1) && !sigismember(&s, SIGTERM),
	   "with nothing else in it");
	raise(SIGUSR1);
	raise(SIGUSR2);
	OK(1, "neither kills");
	MUST(sigpending(&s) == 0);
	OK(sigismember(&s, SIGUSR2), "the blocked one is pending");
}

static void check_limits(void)
{
	static const char *const names[] = {
		"CPU",      "FSIZE", "DATA",   "STACK",
		"CORE",     "RSS",   "NPROC",  "NOFILE",
		"MEMLOCK",  "AS",    "LOCKS",  "SIGPENDING",
		"MSGQUEUE", "NICE",  "RTPRIO", "RTTIME",
	};
	struct rlimit lim, old;
	char line[128];

	for (int i = 0; i < 16; i++) {
		MUST(getrlimit(i, &lim) == 0);
		snprintf(line, sizeof(line), "RLIMIT_%s: %lld %lld", names[i],
			 (long long)lim.rlim_cur, (long long)lim.rlim_max);
		OK(1, line);
	}
	ERR(syscall(SYS_getrlimit, 16, &lim), EINVAL, "no such limit");
	MUST(getrlimit(RLIMIT_CORE, &old) == 0);
	lim = (struct rlimit){ 100, 50 };
	ERR(setrlimit(RLIMIT_CORE, &lim), EINVAL, "soft above hard");
	lim = (struct rlimit){ 0, old.rlim_max };
	IS(syscall(SYS_prlimit64, 0, RLIMIT_CORE, &lim, &old), 0, "prlimit");
	IS(syscall(SYS_prlimit64, getpid(), RLIMIT_CORE, NULL, &old), 0,
	   "prlimit of oneself by pid");
	IS(old.rlim_cur, 0, "holds");
	ERR(syscall(SYS_prlimit64, 0x3ffffff, RLIMIT_CORE, NULL, &old), ESRCH,
	    "prlimit of nobody");
}

static void check_prctl(void)
{
	char name[32] = { 0 };
	int v = -1;

	IS(prctl(PR_SET_NAME, "a name that is too long"), 0, "PR_SET_NAME");
	IS(prctl(PR_GET_NAME, name), 0, "PR_GET_NAME");
	OK(!strcmp(name, "a name that is "), "cuts at 15");
	show("PR_GET_DUMPABLE", prctl(PR_GET_DUMPABLE));
	IS(prctl(PR_SET_DUMPABLE, 0), 0, "PR_SET_DUMPABLE");
	IS(prctl(PR_GET_DUMPABLE), 0, "holds");
	ERR(prctl(PR_SET_DUMPABLE, 7), EINVAL, "with a bad value");
	IS(prctl(PR_GET_PDEATHSIG, &v), 0, "PR_GET_PDEATHSIG");
	IS(v, 0, "is none");
	IS(prctl(PR_SET_PDEATHSIG, SIGTERM), 0, "PR_SET_PDEATHSIG");
	IS(prctl(PR_GET_PDEATHSIG, &v), 0, "again");
	IS(v, SIGTERM, "holds");
	MUST(prctl(PR_SET_PDEATHSIG, 0) == 0);
	ERR(prctl(PR_SET_PDEATHSIG, 99), EINVAL, "no such signal");
	show("PR_GET_KEEPCAPS", prctl(PR_GET_KEEPCAPS));
	IS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0, "PR_GET_NO_NEW_PRIVS");
	IS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0, "PR_SET_NO_NEW_PRIVS");
	IS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1, "holds");
	ERR(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL, "not back");
	show("PR_GET_TIMERSLACK", prctl(PR_GET_TIMERSLACK));
	IS(prctl(PR_SET_TIMERSLACK, 1000), 0, "PR_SET_TIMERSLACK");
	IS(prctl(PR_GET_TIMERSLACK), 1000, "holds");
	show("PR_GET_THP_DISABLE", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	show("PR_CAPBSET_READ", prctl(PR_CAPBSET_READ, 0));
	ERR(prctl(PR_CAPBSET_READ, 99), EINVAL, "no such capability");
	ERR(prctl(123456), EINVAL, "no such option");
	ERR(prctl(PR_SET_NAME, 8L), EFAULT, "a bad name");
}

static void check_random(void)
{
	unsigned char a[64] = { 0 }, b[64] = { 0 };

	IS(getrandom(a, 64, 0), 64, "getrandom");
	IS(getrandom(b, 64, GRND_NONBLOCK), 64, "GRND_NONBLOCK");
	OK(memcmp(a, b, 64) != 0, "differs each time");
	ERR(getrandom(a, 64, 0x100), EINVAL, "bad flags");
	ERR(getrandom(a, 64, GRND_RANDOM | 4), EINVAL, "contradicting flags");
	IS(getrandom(a, 0, 0), 0, "of nothing");
	IS(getentropy(a, 32), 0, "getentropy");
}

static void check_arch(void)
{
	unsigned long fs = 0, self;

	IS(syscall(SYS_arch_prctl, 0x1003 /* GET_FS */, &fs), 0, "ARCH_GET_FS");
	__asm__("mov %%fs:0, %0" : "=r"(self));
	IS(fs, self, "is the thread pointer");
	ERR(syscall(SYS_arch_prctl, 0x9999, 0), EINVAL, "no such code");
	ERR(syscall(SYS_arch_prctl, 0x1002 /* SET_FS */, 1UL << 47), EPERM,
	    "ARCH_SET_FS to the kernel's half");
}

static void check_misc(void)
{
	struct sysinfo si;

	IS(sysinfo(&si), 0, "sysinfo");
	OK(si.uptime > 0 && si.procs > 0 && si.mem_unit > 0 &&
	       si.freeram <= si.totalram,
	   "is plausible");
	IS(syscall(SYS_personality, 0xffffffff), 0, "personality");
	IS(nice(0), getpriority(PRIO_PROCESS, 0), "nice");
	errno = 0;
	show("getpriority", getpriority(PRIO_PROCESS, 0));
	IS(setpriority(PRIO_PROCESS, 0, 5), 0, "setpriority");
	IS(getpriority(PRIO_PROCESS, 0), 5, "holds");
	ERR(setpriority(99, 0, 5), EINVAL, "setpriority of no kind");
	ERR(getpriority(PRIO_PROCESS, 0x3ffffff), ESRCH, "of nobody");
}

int main(void)
{
	check_ids();
	check_names();
	check_inherited();
	check_limits();
	check_prctl();
	check_random();
	check_arch();
	check_misc();
	return tap_done();
}
