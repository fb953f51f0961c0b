/* SPDX-License-Identifier: MIT */
/*
 * fork.c - a child is a copy: memory, descriptors, signals and threads as
 * Linux has them in it, and its end is seen by its parent.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "tap.h"

#define RW (PROT_READ | PROT_WRITE)

/* Run fn in a child; its wait status. */
static int in_child(int (*fn)(void *), void *arg)
{
	int status = -1;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		_exit(fn(arg));
	MUST(waitpid(pid, &status, 0) == pid);
	return status;
}

static int exit_with(void *arg)
{
	return *(int *)arg;
}

static int die_of(void *arg)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	signal(*(int *)arg, SIG_DFL);
	raise(*(int *)arg);
	return 99;
}

static int divide(void *arg)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	*(volatile int *)arg /= *((volatile int *)arg + 1);
	return 99;
}

static void check_status(void)
{
	int v[2] = { 37, 0 }, sigs[] = { SIGKILL, SIGTERM, SIGSEGV, SIGUSR1 };

	IS(in_child(exit_with, v), 37 << 8, "a child's exit status");
	for (int i = 0; i < 4; i++)
		IS(WTERMSIG(in_child(die_of, &sigs[i])), sigs[i],
		   "a child's signal");
	IS(WTERMSIG(in_child(divide, v)), SIGFPE, "a child's fault");
	ERR(wait(NULL), ECHILD, "no child is left");
}

static int relations(void *arg)
{
	pid_t *p = arg;

	return !(getppid() == p[0] && getpid() != p[0] &&
		 my_tid() == getpid() && getpgrp() == p[1]);
}

static int pattern(void *arg)
{
	char *p = arg;
	int bad = 0;

	for (size_t i = 0; i < 4 << 20; i += 4096)
		bad += p[i] != (char)(i >> 12);
	for (size_t i = 0; i < 4 << 20; i += 4096)
		p[i] = 99;
	for (size_t i = 0; i < 4 << 20; i += 4096)
		bad += p[i] != 99;
	return bad != 0;
}

static void check_memory(void)
{
	char *p = mmap(NULL, 4 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int *shared = mmap(NULL, 4096, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int bad = 0;

	MUST(p != MAP_FAILED && shared != MAP_FAILED);
	for (size_t i = 0; i < 4 << 20; i += 4096)
		p[i] = (char)(i >> 12);
	IS(in_child(pattern, p), 0, "a child sees and changes its copy");
	for (size_t i = 0; i < 4 << 20; i += 4096)
		bad += p[i] != (char)(i >> 12);
	IS(bad, 0, "the parent's memory is as it was");
	pid_t pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		*shared = 4711;
		_exit(0);
	}
	MUST(waitpid(pid, NULL, 0) == pid);
	IS(*shared, 4711, "shared memory is shared");
	munmap(p, 4 << 20);
	munmap(shared, 4096);
}

static int use_everything(void *arg)
{
	char *p = malloc(3 << 20);
	void *m = mmap(NULL, 1 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct timespec ts = { 0, 2000000 };

	(void)arg;
	if (!p || m == MAP_FAILED || nanosleep(&ts, NULL))
		return 1;
	memset(p, 1, 3 << 20);
	memset(m, 1, 1 << 20);
	free(p);
	if (munmap(m, 1 << 20) || mprotect(m, 4096, PROT_READ) != -1)
		return 2;
	return now_ns(CLOCK_MONOTONIC) <= 0;
}

static void *thread_add(void *arg)
{
	__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static int make_threads(void *arg)
{
	pthread_t t[8];
	int n = 0;

	(void)arg;
	for (int i = 0; i < 8; i++)
		if (pthread_create(&t[i], NULL, thread_add, &n))
			return 1;
	for (int i = 0; i < 8; i++)
		if (pthread_join(t[i], NULL))
			return 2;
	return n != 8;
}

static volatile int handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static int signals_here(void *arg)
{
	sigset_t s;
	struct itimerval it;

	(void)arg;
	sigpending(&s);
	if (sigismember(&s, SIGUSR2))
		return 1; /* pending signals are not inherited */
	sigprocmask(SIG_SETMASK, NULL, &s);
	if (!sigismember(&s, SIGUSR2))
		return 2; /* the mask is */
	getitimer(ITIMER_REAL, &it);
	if (it.it_value.tv_sec || it.it_value.tv_usec)
		return 3; /* timers are not */
	handled = 0;
	raise(SIGUSR1);
	return handled != 1; /* handlers are */
}

static void check_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t s;

	MUST(sigaction(SIGUSR1, &sa, NULL) == 0);
	MUST(sigaction(SIGUSR2, &sa, NULL) == 0);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	MUST(sigprocmask(SIG_BLOCK, &s, NULL) == 0);
	raise(SIGUSR2);
	alarm(1000);
	IS(in_child(signals_here, NULL), 0, "signals in a child");
	OK(alarm(0) > 0, "the parent's alarm still runs");
	MUST(sigprocmask(SIG_UNBLOCK, &s, NULL) == 0);
	sleep_ms(20); /* for SIGCHLD of the child before, see below */
	MUST(sigaction(SIGCHLD, &sa, NULL) == 0);
	handled = 0;
	int zero = 0;
	IS(in_child(exit_with, &zero), 0, "a child");
	/* An instance may learn of it a little after wait did. */
	for (int i = 0; i < 2000 && !handled; i++)
		sleep_ms(1);
	IS(handled, 1, "its end is a SIGCHLD");
	signal(SIGCHLD, SIG_DFL);
}

static int sleep_long(void *arg)
{
	(void)arg;
	sleep(1000);
	return 1;
}

static void check_kill(void)
{
	int status;
	siginfo_t si;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		_exit(sleep_long(NULL));
	IS(waitpid(pid, &status, WNOHANG), 0, "WNOHANG while it runs");
	IS(kill(pid, SIGTERM), 0, "kill the child");
	memset(&si, 0, sizeof(si));
	IS(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0, "waitid");
	OK(si.si_pid == pid && si.si_code == CLD_KILLED &&
	       si.si_status == SIGTERM,
	   "tells how");
	IS(waitpid(pid, &status, 0), pid, "waitpid");
	IS(status, SIGTERM, "the same");
	ERR(kill(pid, 0), ESRCH, "it is gone");
}

static void check_pipe(void)
{
	int down[2], up[2], v = 0, status, sum = 0;
	pid_t pid;

	MUST(pipe(down) == 0 && pipe(up) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		close(down[1]);
		close(up[0]);
		while (read(down[0], &v, sizeof(v)) == sizeof(v)) {
			v *= 2;
			if (write(up[1], &v, sizeof(v)) != sizeof(v))
				_exit(1);
		}
		_exit(0);
	}
	close(down[0]);
	close(up[1]);
	for (int i = 0; i < 500; i++) {
		MUST(write(down[1], &i, sizeof(i)) == sizeof(i));
		MUST(read(up[0], &v, sizeof(v)) == sizeof(v));
		sum += v;
	}
	close(down[1]);
	MUST(waitpid(pid, &status, 0) == pid);
	OK(sum == 249500 && status == 0, "five hundred words with a child");
	close(up[0]);
}

static void check_offset(void)
{
	int fd = open("fork.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600), status;
	pid_t pid;

	MUST(fd >= 0 && write(fd, "parent", 6) == 6);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0)
		_exit(write(fd, "child", 5) != 5 || close(fd));
	MUST(waitpid(pid, &status, 0) == pid);
	IS(lseek(fd, 0, SEEK_CUR), 11, "the position in a file is shared");
	close(fd);
	unlink("fork.tmp");
}

static volatile int stop;

static void *spin(void *arg)
{
	while (!stop)
		*(volatile int *)arg += 1;
	return NULL;
}

static int count_threads(void *arg)
{
	char buf[4096];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	int before = *(volatile int *)arg;

	buf[n > 0 ? n : 0] = 0;
	sleep_ms(20);
	return !strstr(buf, "\nThreads:\t1\n") ||
	       before != *(volatile int *)arg;
}

static void check_threads(void)
{
	static int counter;
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		MUST(pthread_create(&t[i], NULL, spin, &counter) == 0);
	IS(in_child(count_threads, &counter), 0,
	   "only the calling thread is in the child");
	IS(in_child(make_threads, NULL), 0, "which can make others");
	stop = 1;
	for (int i = 0; i < 3; i++)
		MUST(pthread_join(t[i], NULL) == 0);
}

static void *fork_here(void *arg)
{
	int v = 5;

	(void)arg;
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(use_everything(NULL) ? 1 : exit_with(&v));
		if (pid < 0 || waitpid(pid, &status, 0) != pid ||
		    status != 5 << 8)
			return (void *)1;
	}
	return NULL;
}

static void check_many(void)
{
	pthread_t t[4];
	int bad = 0;
	pid_t pids[10];

	for (int i = 0; i < 4; i++)
		MUST(pthread_create(&t[i], NULL, fork_here, NULL) == 0);
	for (int i = 0; i < 4; i++) {
		void *r;

		MUST(pthread_join(t[i], &r) == 0);
		bad += r != NULL;
	}
	IS(bad, 0, "four threads fork five children each");
	for (int i = 0; i < 10; i++) {
		pids[i] = fork();
		MUST(pids[i] >= 0);
		if (pids[i] == 0) {
			sleep_ms(10);
			_exit(i);
		}
	}
	for (int i = 9; i >= 0; i--) {
		int status;

		bad +=
		    waitpid(pids[i], &status, 0) != pids[i] || status != i << 8;
	}
	IS(bad, 0, "ten children at once");
}

static int grandchild(void *arg)
{
	int v = 3;

	(void)arg;
	return in_child(exit_with, &v) != 3 << 8;
}

static void check_full(void)
{
	struct rlimit old, low;
	int last = -1, fd, v = 5;

	MUST(getrlimit(RLIMIT_NOFILE, &old) == 0);
	low = old;
	low.rlim_cur = 50;
	MUST(setrlimit(RLIMIT_NOFILE, &low) == 0);
	while ((fd = dup(0)) >= 0)
		last = fd;
	MUST(last >= 0 && errno == EMFILE);
	IS(in_child(exit_with, &v), 5 << 8, "with no descriptor left");
	for (fd = 3; fd <= last; fd++)
		close(fd);
	MUST(setrlimit(RLIMIT_NOFILE, &old) == 0);
	while ((fd = dup(0)) >= 0)
		last = fd;
	IS(in_child(exit_with, &v), 5 << 8, "with none of the usual number");
	for (fd = 3; fd <= last; fd++)
		close(fd);
}

int main(void)
{
	pid_t ids[2] = { getpid(), getpgrp() };

	check_status();
	IS(in_child(relations, ids), 0, "its ids");
	check_memory();
	IS(in_child(use_everything, NULL), 0, "memory and time in a child");
	IS(in_child(make_threads, NULL), 0, "threads in a child");
	IS(in_child(grandchild, NULL), 0, "a child's child");
	check_signals();
	check_kill();
	check_pipe();
	check_offset();
	check_threads();
	check_many();
	check_full();
	return tap_done();
}
