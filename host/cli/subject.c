/* SPDX-License-Identifier: MIT */
/*
 * subject.c - the instances that a verb is about.
 *
 * A pid is taken for good only after a pidfd was opened for it and the owner
 * was then seen to be alive: so it is the owner's, not a later process's.
 */
#include "cli/subject.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "lib/error.h"

#define ANSWER_MS 500 /* a running owner answers in well under one */
#define REAPED_MS 1000

/*
 * struct pidfd_info of <linux/pidfd.h>, Linux 6.15: what it tells about a
 * process that is gone.
 */
struct pidfd_end {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t wstatus;
};
#define PIDFD_END      _IOWR(0xff, 11, struct pidfd_end)
#define PIDFD_END_MASK 8 /* PIDFD_INFO_EXIT */

static void subject_init(struct subject *s, const char *name, uid_t uid)
{
	memset(s, 0, offsetof(struct subject, info));
	memcpy(s->name, name, strnlen(name, sizeof(s->name) - 1));
	s->uid = uid;
	s->pid = -ESRCH;
	s->pidfd = -1;
	s->stats_fd = -1;
}

void subject_close(struct subject *s)
{
	if (s->pidfd >= 0)
		close(s->pidfd);
	if (s->stats_fd >= 0)
		close(s->stats_fd);
	if (s->kept)
		entry_close(&s->entry);
}

/* The owner of one that does not answer. */
static pid_t silent_pid(const struct subject *s)
{
	struct registry_name *list;
	pid_t pid = -ESRCH;
	int i, n = registry_list(s->uid, &list);

	for (i = 0; i < n; i++)
		if (strcmp(list[i].name, s->name) == 0)
			pid = registry_pid(&list[i]);
	free(list);
	return pid;
}

/* Looks the subject up in the registry; sets live and what goes with it. */
static void subject_reach(struct subject *s)
{
	int sock = registry_ask(s->uid, s->name);

	if (sock < 0 && sock != -EAGAIN)
		return;
	s->live = true;
	if (sock >= 0 &&
	    registry_receive(sock, ANSWER_MS, &s->info, &s->stats_fd) == 0) {
		s->known = true;
		s->pid = (pid_t)s->info.pid;
	} else {
		s->stats_fd = -1;
		s->pid = silent_pid(s);
	}
	if (s->pid > 0)
		s->pidfd = pidfd_open(s->pid, 0);
	if (sock >= 0 && !registry_alive(sock))
		s->live = false;
	if (sock < 0 && silent_pid(s) != s->pid)
		s->live = false;
	if (sock >= 0)
		close(sock);
}

/* Looks the subject up among the entries. */
static void subject_lookup(struct subject *s)
{
	if (s->uid != geteuid() || entry_open(s->name, &s->entry) < 0)
		return;
	s->kept = true;
	s->state = entry_state(&s->entry, &s->end);
	if (!s->known &&
	    entry_load(&s->entry, "info", &s->info, sizeof(s->info)) == 0)
		s->known = s->info.magic == REGISTRY_MAGIC &&
			   s->info.version == REGISTRY_VERSION;
}

/* For root: whose instance it is, if it is not root's own. */
static uid_t subject_owner(const char *name)
{
	uid_t uid = geteuid(), found = uid;
	struct registry_name *list;
	int i, n;

	if (uid != 0)
		return uid;
	n = registry_list((uid_t)-1, &list);
	for (i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0) {
			found = list[i].uid;
			break; /* sorted by uid: root's own is first */
		}
	free(list);
	return found;
}

int subject_find(const char *name, struct subject *s)
{
	subject_init(s, name, geteuid());
	if (!name_valid(name))
		return error_fail(1,
				  "%s: not a name of an instance: azalea ps "
				  "-a lists them",
				  name);
	subject_reach(s);
	subject_lookup(s);
	if (!s->live && !s->kept) {
		subject_init(s, name, subject_owner(name));
		subject_reach(s);
	}
	if (s->live || s->kept)
		return 0;
	subject_close(s);
	return error_fail(1, "%s: no such instance: azalea ps -a lists them",
			  name);
}

static int list_entries(bool all, struct subject *list, int n,
			char (*names)[NAME_MAX_BYTES], int count)
{
	int i, k;

	for (i = 0; i < count; i++) {
		for (k = 0; k < n; k++)
			if (strcmp(list[k].name, names[i]) == 0 &&
			    list[k].uid == geteuid())
				break;
		if (k == n) {
			subject_init(&list[n], names[i], geteuid());
			n++;
		}
		subject_lookup(&list[k]);
		if (k == n - 1 && !list[k].live && (!list[k].kept || !all)) {
			subject_close(&list[k]);
			n--;
		}
	}
	return n;
}

static int compare_subjects(const void *a, const void *b)
{
	const struct subject *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : (x->uid > y->uid) - (x->uid < y->uid);
}

int subject_list(bool all, struct subject **out)
{
	uid_t who = geteuid() == 0 ? (uid_t)-1 : geteuid();
	char(*names)[NAME_MAX_BYTES];
	struct registry_name *reg;
	int nreg = registry_list(who, &reg), nent = entry_list(&names);
	int i, n = 0;

	*out = NULL;
	if (nreg < 0) {
		free(names);
		return nreg;
	}
	if (nent < 0)
		nent = 0; /* a bad run directory hides no running ones */
	*out = calloc((size_t)(nreg + nent) + 1, sizeof(**out));
	for (i = 0; *out && i < nreg; i++) {
		subject_init(&(*out)[n], reg[i].name, reg[i].uid);
		subject_reach(&(*out)[n]);
		if ((*out)[n].live)
			n++;
		else
			subject_close(&(*out)[n]);
	}
	if (*out) {
		n = list_entries(all, *out, n, names, nent);
		qsort(*out, (size_t)n, sizeof(**out), compare_subjects);
	}
	free(names);
	free(reg);
	return *out ? n : -ENOMEM;
}

int subject_signal(const struct subject *s, int sig)
{
	if (!s->live || s->pidfd < 0)
		return -ESRCH;
	return pidfd_send_signal(s->pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

bool subject_wait(const struct subject *s, int timeout_ms)
{
	struct pollfd p = { .fd = s->pidfd, .events = POLLIN };
	int r;

	if (!s->live || s->pidfd < 0)
		return true;
	do
		r = poll(&p, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	return r > 0;
}

/* What Linux remembers of a process after its parent has fetched the status */
static int reaped_status(const struct subject *s, int *wstatus)
{
	struct pidfd_end end = { .mask = PIDFD_END_MASK };
	struct pollfd p = { .fd = s->pidfd };

	if (s->pidfd < 0 || poll(&p, 1, REAPED_MS) <= 0)
		return -ENODATA;
	if (ioctl(s->pidfd, PIDFD_END, &end) < 0 ||
	    !(end.mask & PIDFD_END_MASK))
		return -ENODATA;
	*wstatus = end.wstatus;
	return 0;
}

/* What the unikernel said last, if it got to say it. */
static int told_status(const struct subject *s, int *wstatus)
{
	const off_t at = offsetof(struct az_stats, exit_status);
	uint32_t word[2];

	_Static_assert(offsetof(struct az_stats, exited) ==
			   offsetof(struct az_stats, exit_status) + 4,
		       "read in one go");
	if (s->stats_fd < 0 ||
	    pread(s->stats_fd, word, sizeof(word), at) != sizeof(word) ||
	    word[1] != 1)
		return -ENODATA;
	*wstatus = (int)word[0];
	return 0;
}

int subject_status(struct subject *s, int *wstatus)
{
	if (s->kept) {
		s->state = entry_state(&s->entry, &s->end);
		*wstatus = s->end.wstatus;
		return s->state == ENTRY_EXITED ? 0 : -ENODATA;
	}
	if (told_status(s, wstatus) == 0)
		return 0;
	return reaped_status(s, wstatus);
}

int subject_stats(const struct subject *s, struct az_stats *out)
{
	size_t size = s->known
			  ? offsetof(struct az_stats, core) +
				s->info.ncores * sizeof(struct az_core_stats)
			  : 0;
	ssize_t n;

	if (!size)
		return -ENODATA;
	if (s->stats_fd < 0)
		return s->kept ? entry_load(&s->entry, "stats", out, size)
			       : -ENODATA;
	n = pread(s->stats_fd, out, size, 0);
	return n == (ssize_t)size && out->magic == AZ_STATS_MAGIC ? 0 : -EPROTO;
}
