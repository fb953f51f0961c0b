/* SPDX-License-Identifier: MIT */
/*
 * sigstop.c - stopping the process.
 *
 * The owner is what Linux stops, and all cores with it; SIGCONT from outside
 * lets it go on where it was.
 */
#include <linux/fcntl.h>

#include "calls.h"
#include "core.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "sys/signal.h"
#include "sys/sys.h"

#define STAT_MAX      512 /* of /proc/PID/stat, as far as we read */
#define ANCESTORS_MAX 4096

struct process {
	int pid, ppid, pgrp, session;
};

/* An int of at most nine digits after blanks; *p is moved behind it. */
static int number(const char **p)
{
	int n = 0;

	while (**p == ' ')
		(*p)++;
	for (int i = 0; i < 9 && **p >= '0' && **p <= '9'; i++)
		n = n * 10 + *(*p)++ - '0';
	return n;
}

/* From /proc/PID/stat, proc(5): "pid (comm) state ppid pgrp session ...". */
static bool process_read(int pid, struct process *p)
{
	char path[32], text[STAT_MAX + 1];
	const char *s;
	long fd, n;

	fmt_format(path, sizeof(path), "/proc/%d/stat", pid);
	fd = host_call(AZ_SYS_openat, (uint64_t)AT_FDCWD, (uint64_t)path,
		       O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (fd < 0)
		return false;
	n = host_call(AZ_SYS_read, (uint64_t)fd, (uint64_t)text, STAT_MAX, 0, 0,
		      0);
	host_call(AZ_SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
	text[n > 0 ? n : 0] = '\0';
	s = strrchr(text, ')');
	if (!s || s[1] != ' ' || !s[2])
		return false;
	s += 3;
	p->pid = pid;
	p->ppid = number(&s);
	p->pgrp = number(&s);
	p->session = number(&s);
	return true;
}

/*
 * Nobody could continue a process whose group has no member with a parent in
 * another group of the session (POSIX: orphaned process group). Looked for
 * along our own ancestors, which is where a shell would be.
 */
static bool group_orphaned(void)
{
	struct process p, parent;

	if (!process_read((int)BOOT->pid, &p))
		return false;
	for (int i = 0; i < ANCESTORS_MAX; i++) {
		if (p.ppid <= 1 || !process_read(p.ppid, &parent))
			return true;
		if (parent.session != p.session)
			return true;
		if (parent.pgrp != p.pgrp)
			return false;
		p = parent;
	}
	return true;
}

void signal_stop(int sig)
{
	if (sig != SIGSTOP && group_orphaned())
		return;
	/* Not kill(2), which a policy may deny. */
	host_call(AZ_SYS_tgkill, BOOT->pid, BOOT->owner_tid, SIGSTOP, 0, 0, 0);
}
