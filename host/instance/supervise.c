/* SPDX-License-Identifier: MIT */
/*
 * supervise.c - instances that have a parent of ours.
 *
 * Processes of a detached start: the command, which waits for one word on a
 * pipe; the supervisor, in a session of its own; the owner, its child, which
 * dies with it (PR_SET_PDEATHSIG) and is alone in holding the registry's
 * socket. The supervisor allocates nothing and touches little: what it has in
 * private memory is what fork left it.
 */
#include "instance/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "instance/entry.h"
#include "instance/registry.h"
#include "lib/error.h"

#define START_POLL_MS 1

/* A child that is an instance, seen from its parent. */
struct child {
	pid_t pid;
	int pidfd;
	int sock;     /* on which the counters were asked for */
	int stats_fd; /* -1 until they came */
};

static size_t stats_size(uint32_t ncores)
{
	return offsetof(struct az_stats, core) +
	       ncores * sizeof(struct az_core_stats);
}

/* Did the program's first instruction run? */
static bool child_entered(const struct child *c)
{
	uint64_t ns = 0;

	return pread(c->stats_fd, &ns, sizeof(ns),
		     offsetof(struct az_stats, enter_mono_ns)) == sizeof(ns) &&
	       ns != 0;
}

/* Takes the answer if it is there. */
static void child_receive(struct child *c)
{
	struct registry_info info;

	if (c->stats_fd < 0 &&
	    registry_receive(c->sock, 0, &info, &c->stats_fd) < 0)
		c->stats_fd = -1;
}

/*
 * Waits until the program has begun (true) or the child has ended. The answer
 * comes before the program begins, then the counters tell.
 */
static bool child_wait_entered(struct child *c)
{
	struct pollfd p[2] = {
		{ .fd = c->pidfd, .events = POLLIN },
		{ .fd = c->sock, .events = POLLIN },
	};
	bool asked;

	for (;;) {
		asked = c->stats_fd < 0;
		if (poll(p, asked ? 2 : 1, asked ? -1 : START_POLL_MS) < 0 &&
		    errno != EINTR)
			return false;
		child_receive(c);
		if (c->stats_fd >= 0 && child_entered(c))
			return true;
		if (p[0].revents)
			return false;
	}
}

/*
 * With SIGCHLD ignored, as one may inherit it, there would be no status to
 * wait for. The instance is to find it as the command did.
 */
static pid_t child_fork(struct child *c)
{
	void (*was)(int) = signal(SIGCHLD, SIG_DFL);

	c->pid = fork();
	if (c->pid == 0) {
		(void)signal(SIGCHLD, was);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	} else if (c->pid > 0) {
		c->pidfd = pidfd_open(c->pid, 0);
	}
	return c->pid;
}

static void child_reap(const struct child *c, int *wstatus)
{
	while (waitpid(c->pid, wstatus, 0) < 0 && errno == EINTR)
		;
}

/* --- detached --- */

struct detached {
	struct instance_config *cfg;
	struct entry entry;
	int log;
	int report; /* the supervisor tells the command: int, 0 or a status */
	bool remove;
	struct child child;
};

static void stdio_redirect(int in, int out)
{
	(void)dup2(in, STDIN_FILENO);
	(void)dup2(out, STDOUT_FILENO);
	(void)dup2(out, STDERR_FILENO);
}

static _Noreturn void owner_main(struct detached *d, int null, pid_t parent)
{
	/* Too late for the signal of PR_SET_PDEATHSIG? */
	if (getppid() != parent)
		_exit(EXIT_AZALEA);
	(void)setsid();
	stdio_redirect(null, d->log);
	close(null);
	close(d->log);
	close(d->report);
	close(d->child.sock);
	entry_close(&d->entry);
	(void)instance_run(d->cfg);
	_exit(EXIT_AZALEA);
}

static void report_send(struct detached *d, int status)
{
	/* The command may have been killed: nobody else wants to know. */
	(void)!write(d->report, &status, sizeof(status));
	close(d->report);
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/*
 * A detached instance gets no descriptors but the standard ones: whoever waits
 * for the end of a pipe that the command inherited is not to wait for it.
 */
static void descriptors_close(const struct detached *d, int null)
{
	int keep[] = { STDERR_FILENO,  null,          d->cfg->control_fd,
		       d->cfg->exe_fd, d->log,        d->report,
		       d->entry.dir,   d->entry.exit, d->child.sock };
	const size_t n = sizeof(keep) / sizeof(keep[0]);
	size_t i;

	qsort(keep, n, sizeof(keep[0]), compare_ints);
	for (i = 0; i < n; i++)
		if (i + 1 == n || keep[i + 1] > keep[i] + 1)
			(void)close_range(
			    (unsigned int)keep[i] + 1,
			    i + 1 == n ? ~0U : (unsigned int)keep[i + 1] - 1,
			    0);
}

/* The supervisor has nothing open that keeps others from ending. */
static void supervisor_settle(struct detached *d, int null)
{
	stdio_redirect(null, null);
	close(null);
	close(d->log);
	close(d->cfg->control_fd);
	close(d->cfg->exe_fd);
	(void)!chdir("/");
	(void)prctl(PR_SET_NAME, "azalea-super");
}

static void supervisor_keep(struct detached *d)
{
	size_t size = stats_size(d->cfg->ncores);
	off_t from = 0;
	int fd;

	if (d->child.stats_fd < 0)
		return;
	fd =
	    openat(d->entry.dir, "stats", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	/* sendfile: no buffer here. A file cut short is refused on reading. */
	(void)!sendfile(fd, d->child.stats_fd, &from, size);
	close(fd);
}

static _Noreturn void supervisor_main(struct detached *d)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t self = getpid();
	int wstatus = 0, status;
	bool begun;

	(void)setsid();
	if (null >= 0) {
		descriptors_close(d, null);
		if (child_fork(&d->child) == 0)
			owner_main(d, null, self);
	}
	if (null < 0 || d->child.pid < 0) {
		report_send(d, EXIT_AZALEA);
		_exit(EXIT_AZALEA);
	}
	supervisor_settle(d, null);
	begun = child_wait_entered(&d->child);
	if (begun)
		report_send(d, 0);
	child_reap(&d->child, &wstatus);
	if (!begun) {
		/* The command takes the entry away. */
		status = status_exit(wstatus);
		report_send(d, status ? status : EXIT_AZALEA);
		_exit(EXIT_AZALEA);
	}
	if (d->remove) {
		entry_finish(&d->entry, wstatus);
		(void)entry_remove(d->cfg->name);
		_exit(0);
	}
	supervisor_keep(d);
	entry_finish(&d->entry, wstatus);
	_exit(0);
}

/* What the instance said about why it did not start. */
static void log_show(int dir)
{
	char buf[4096];
	int fd = openat(dir, "log", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write(STDERR_FILENO, buf, (size_t)n) < 0)
			break;
	close(fd);
}

/* The command's half of the start. */
static int detached_wait(struct detached *d, int report)
{
	int status;
	ssize_t n;

	do
		n = read(report, &status, sizeof(status));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(status))
		return error_fail(EXIT_AZALEA,
				  "%s: its supervisor was killed while it "
				  "started: try again",
				  d->cfg->name);
	if (status) {
		log_show(d->entry.dir);
		(void)entry_remove(d->cfg->name);
		error_say("%s: ended with status %d before its program began",
			  d->cfg->name, status);
	}
	return status;
}

static int detached_fork(struct detached *d)
{
	int pipefd[2], status;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return error_fail(EXIT_AZALEA, "cannot make a pipe: %s",
				  error_text(errno));
	pid = fork();
	if (pid == 0) {
		close(pipefd[0]);
		d->report = pipefd[1];
		supervisor_main(d);
	}
	close(pipefd[1]);
	if (pid < 0)
		status = error_fail(EXIT_AZALEA,
				    "cannot start a process: %s: see ulimit -u",
				    error_text(errno));
	else
		status = detached_wait(d, pipefd[0]);
	close(pipefd[0]);
	return status;
}

static int detached_entry(struct detached *d)
{
	char path[PATH_MAX];
	struct registry_info info;
	int err = entry_create(d->cfg->name, &d->entry);

	if (err == -EEXIST)
		return error_fail(EXIT_AZALEA,
				  "%s: an instance of this name is kept: "
				  "`azalea rm %s`, or take another --name",
				  d->cfg->name, d->cfg->name);
	if (err) {
		(void)entry_root(false, path);
		return error_fail(EXIT_AZALEA,
				  "%s: cannot keep the instance there: %s: "
				  "set AZALEA_RUN_DIR to a directory of yours "
				  "that nobody else can write to",
				  path, error_text(err));
	}
	memset(&info, 0, sizeof(info));
	registry_describe(&info, d->cfg);
	info.pid = 0; /* there is no owner yet */
	err = entry_save(&d->entry, "info", &info, sizeof(info));
	d->log = openat(d->entry.dir, "log",
			O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (!err && d->log < 0)
		err = -errno;
	if (!err)
		return 0;
	(void)entry_remove(d->cfg->name);
	entry_close(&d->entry);
	return error_fail(EXIT_AZALEA, "%s: cannot write its log: %s",
			  d->cfg->name, error_text(err));
}

static int child_ask(struct child *c, const char *name)
{
	c->pidfd = -1;
	c->stats_fd = -1;
	c->sock = registry_ask(geteuid(), name);
	return c->sock < 0 ? error_fail(EXIT_AZALEA,
					"%s: cannot reach the registry: %s",
					name, error_text(c->sock))
			   : 0;
}

int supervise_detached(struct instance_config *cfg, bool remove)
{
	struct detached d = { .cfg = cfg, .remove = remove };
	int status = detached_entry(&d);

	if (status)
		return status;
	status = child_ask(&d.child, cfg->name);
	if (!status)
		status = detached_fork(&d);
	else
		(void)entry_remove(cfg->name);
	close(d.log);
	entry_close(&d.entry);
	return status;
}

/* --- attached --- */

/* The counters as they are, or NULL. */
static struct az_stats *child_stats(const struct child *c, uint32_t ncores)
{
	struct az_stats *st;

	if (c->stats_fd < 0)
		return NULL;
	st = calloc(1, sizeof(*st));
	if (st && pread(c->stats_fd, st, stats_size(ncores), 0) < 0) {
		free(st);
		st = NULL;
	}
	return st;
}

/*
 * One signal of ours. What the terminal sends (si_code > 0) goes to the whole
 * foreground group, and so to the child already. true: the child has ended.
 */
static bool attached_signal(const struct child *c, const siginfo_t *si,
			    int *wstatus)
{
	if (si->si_signo != SIGCHLD) {
		if (si->si_code <= 0)
			(void)kill(c->pid, si->si_signo);
		return false;
	}
	if (waitpid(c->pid, wstatus, WNOHANG | WUNTRACED) != c->pid)
		return false;
	if (!WIFSTOPPED(*wstatus))
		return true;
	(void)raise(SIGSTOP);
	(void)kill(c->pid, SIGCONT);
	return false;
}

static void attached_relay(const struct child *c, const sigset_t *set,
			   int *wstatus)
{
	siginfo_t si;

	do
		while (sigwaitinfo(set, &si) < 0)
			;
	while (!attached_signal(c, &si, wstatus));
}

int supervise_attached(struct instance_config *cfg, int *wstatus,
		       struct az_stats **stats)
{
	struct child c;
	sigset_t all, old;
	pid_t self = getpid();

	if (child_ask(&c, cfg->name) != 0)
		return EXIT_AZALEA;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &old);
	if (child_fork(&c) == 0) {
		(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
		close(c.sock);
		if (getppid() == self)
			(void)instance_run(cfg);
		_exit(EXIT_AZALEA);
	}
	if (c.pid < 0)
		return error_fail(EXIT_AZALEA,
				  "cannot start a process: %s: see ulimit -u",
				  error_text(errno));
	close(cfg->control_fd);
	close(cfg->exe_fd);
	attached_relay(&c, &all, wstatus);
	child_receive(&c);
	*stats = child_stats(&c, cfg->ncores);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return 0;
}
