/* SPDX-License-Identifier: MIT */
/*
 * vfork.c - a child that borrows its parent's memory until it is another
 * program or ends: what is shared, what is not, and who waits.
 */
// variants: static pie musl
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tap.h"

extern char **environ;
static volatile int shared, caught;

static int wait_for(pid_t pid)
{
	int status = -1;

	MUST(waitpid(pid, &status, 0) == pid);
	return status;
}

/* fn in a child made by clone, on a stack of its own; its wait status. */
static int in_vfork(int (*fn)(void *), void *arg, int flags)
{
	size_t size = 0x10000;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid = clone(fn, stack + size,
			  CLONE_VM | CLONE_VFORK | SIGCHLD | flags, arg);

	MUST(pid > 0);
	munmap(stack, size);
	return wait_for(pid);
}

static int do_write(void *arg)
{
	shared = *(int *)arg;
	return 5;
}

static int do_process(void *arg)
{
	pid_t parent = *(pid_t *)arg;

	return !(getppid() == parent && getpid() != parent &&
		 my_tid() == getpid());
}

static int do_files(void *arg)
{
	int fd = *(int *)arg;

	if (close(fd) || fcntl(fd, F_GETFD) != -1 || chdir("/"))
		return 1;
	return open("dev/null", O_RDONLY) != fd;
}

static void handler(int sig)
{
	caught += sig;
}

static int do_signals(void *arg)
{
	sigset_t none;

	(void)arg;
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return 0;
}

static int do_raise(void *arg)
{
	signal(*(int *)arg, handler);
	syscall(SYS_tgkill, getpid(), my_tid(), *(int *)arg);
	return caught != *(int *)arg;
}

static int do_die(void *arg)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGSEGV, SIG_DFL);
	*(volatile int *)arg = 1;
	return 3;
}

static int do_killed(void *arg)
{
	(void)arg;
	kill(getpid(), SIGKILL);
	return 3;
}

static int do_sleep(void *arg)
{
	struct timespec ts = { 0, 20000000 };

	nanosleep(&ts, NULL);
	shared = *(int *)arg;
	return 0;
}

static int do_pipe(void *arg)
{
	int *fd = arg;
	char c = 0;

	return !(read(fd[0], &c, 1) == 1 && c == 'x');
}

static unsigned int mxcsr(void)
{
	unsigned int v;

	__asm__ volatile("stmxcsr %0" : "=m"(v));
	return v;
}

static int do_round(void *arg)
{
	unsigned int v = mxcsr() ^ 0x6000; /* how it rounds */

	(void)arg;
	__asm__ volatile("ldmxcsr %0" ::"m"(v));
	return 0;
}

/* Says who it is, and does something for ever. */
struct victim {
	int tell[2], never[2];
	void (*what)(struct victim *v);
};

static void spin(struct victim *v)
{
	(void)v;
	for (;;)
		__asm__ volatile("");
}

static void read_nothing(struct victim *v)
{
	char c;

	(void)!read(v->never[0], &c, 1);
}

static void sleep_long(struct victim *v)
{
	struct timespec ts = { 1000, 0 };

	(void)v;
	nanosleep(&ts, NULL);
}

static void call_always(struct victim *v)
{
	for (;;)
		(void)fcntl(v->tell[0], F_GETFD);
}

static int do_wait(void *arg)
{
	struct victim *v = arg;
	pid_t pid = getpid();

	if (write(v->tell[1], &pid, sizeof(pid)) == sizeof(pid))
		v->what(v);
	return 3;
}

/* How a child of vfork ends that another process kills. */
static int killed(void (*what)(struct victim *v))
{
	struct timespec ts = { 0, 5000000 };
	struct victim v = { .what = what };
	pid_t killer, pid;
	int status;

	MUST(pipe(v.tell) == 0 && pipe(v.never) == 0);
	killer = fork();
	MUST(killer >= 0);
	if (killer == 0) {
		if (read(v.tell[0], &pid, sizeof(pid)) != sizeof(pid))
			_exit(1);
		nanosleep(&ts, NULL); /* it is most likely there */
		_exit(kill(pid, SIGKILL) != 0);
	}
	status = in_vfork(do_wait, &v, 0);
	MUST(wait_for(killer) == 0);
	for (int i = 0; i < 2; i++) {
		close(v.tell[i]);
		close(v.never[i]);
	}
	return status;
}

static int do_map(void *arg)
{
	char *p = mmap(NULL, 0x400000, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	p[5] = 7;
	*(char **)arg = p;
	return 0;
}

static int do_exec(void *arg)
{
	char *argv[] = { (char *)"sh", (char *)"-c", arg, NULL };

	execve("/bin/sh", argv, environ);
	shared = errno;
	return 4;
}

static int do_exec_missing(void *arg)
{
	char *argv[] = { arg, NULL };

	execve(arg, argv, environ);
	shared = errno;
	return 4;
}

static void check_sharing(void)
{
	int v = 77, fd = open("/dev/null", O_RDONLY), p[2];
	struct sigaction sa;
	pid_t pid = getpid();
	char cwd[2][1000], *made = NULL;
	sigset_t set, now;

	IS(in_vfork(do_write, &v, 0), 5 << 8, "a child that returns");
	IS(shared, 77, "its writes are its parent's");
	IS(in_vfork(do_process, &pid, 0), 0, "it is a process");
	IS(getpid(), pid, "and so is its parent, as before");
	MUST(getcwd(cwd[0], 1000));
	IS(in_vfork(do_files, &fd, 0), 0, "it has descriptors of its own");
	IS(fcntl(fd, F_GETFD), 0, "its parent's are still open");
	MUST(getcwd(cwd[1], 1000));
	OK(strcmp(cwd[0], cwd[1]) == 0, "and a directory");
	IS(in_vfork(do_files, &fd, CLONE_FILES | CLONE_FS), 0,
	   "or those of its parent");
	MUST(getcwd(cwd[1], 1000));
	OK(strcmp("/", cwd[1]) == 0, "as it is told");
	MUST(chdir(cwd[0]) == 0);
	signal(SIGUSR1, handler);
	signal(SIGUSR2, handler);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_SETMASK, &set, NULL);
	kill(getpid(), SIGUSR2);
	IS(in_vfork(do_signals, NULL, 0), 0, "it changes its signals");
	sigaction(SIGUSR1, NULL, &sa);
	OK(sa.sa_handler == handler, "not its parent's");
	sigprocmask(SIG_SETMASK, NULL, &now);
	OK(memcmp(&set, &now, 8) == 0, "nor their mask");
	IS(caught, 0, "nor does it take them");
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	IS(caught, SIGUSR2, "as its parent does");
	caught = 0;
	v = SIGHUP;
	IS(in_vfork(do_raise, &v, 0), 0, "it takes its own");
	IS(WTERMSIG(in_vfork(do_die, (void *)8, 0)), SIGSEGV,
	   "it dies of a fault");
	IS(WTERMSIG(in_vfork(do_killed, NULL, 0)), SIGKILL, "it is killed");
	IS(killed(spin), SIGKILL, "by another, while it computes");
	IS(killed(call_always), SIGKILL, "or calls");
	IS(killed(read_nothing), SIGKILL, "or waits for input");
	IS(killed(sleep_long), SIGKILL, "or for a time");
	v = (int)mxcsr();
	IS(in_vfork(do_round, NULL, 0), 0, "it rounds");
	IS(mxcsr(), v, "not its parent");
	v = SIGHUP;
	IS(in_vfork(do_sleep, &v, 0), 0, "it sleeps");
	IS(shared, v, "and its parent with it");
	MUST(pipe(p) == 0 && write(p[1], "x", 1) == 1);
	IS(in_vfork(do_pipe, p, 0), 0, "it reads");
	IS(in_vfork(do_map, &made, 0), 0, "it maps memory");
	IS(made[5], 7, "that its parent has then");
}

static void check_exec(void)
{
	pid_t pid;

	IS(in_vfork(do_exec, (void *)"exit 9", 0), 9 << 8, "another program");
	IS(in_vfork(do_exec_missing, (void *)"/nowhere", 0), 4 << 8,
	   "one that is not there");
	IS(shared, ENOENT, "its parent learns why");
	pid = vfork();
	if (pid == 0)
		_exit(11);
	IS(wait_for(pid), 11 << 8, "by vfork itself");
}

int main(void)
{
	check_sharing();
	check_exec();
	return tap_done();
}
