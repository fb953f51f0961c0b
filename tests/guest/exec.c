/* SPDX-License-Identifier: MIT */
/*
 * exec.c - another program in the same process: what it finds, and what the
 * old one is told when it cannot be.
 */
// variants: static pie musl
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "tap.h"

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

static const char *self;

/* Run fn in a child; its wait status. */
static int in_child(void (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(99);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	return status;
}

/* Become this program again, doing what `what` names. */
static void again(const char *what, const char *arg)
{
	char *argv[] = { (char *)"again", (char *)what, (char *)arg, NULL };
	char *envp[] = { (char *)"A=1", (char *)"AZ=2", NULL };

	execve(self, argv, envp);
}

/* --- what the next program finds; its exit status is 0 if all is right --- */

extern char **environ;

static int see_words(const char *arg)
{
	return !(strcmp(arg, "word with spaces") == 0 && environ[0] &&
		 strcmp(environ[0], "A=1") == 0 && environ[1] &&
		 strcmp(environ[1], "AZ=2") == 0 && !environ[2]);
}

static void words(void)
{
	again("see_words", "word with spaces");
}

static int see_pid(const char *arg)
{
	return !(getpid() == atoi(arg) && my_tid() == getpid());
}

static void same_pid(void)
{
	char pid[16];

	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	again("see_pid", pid);
}

static int see_files(const char *arg)
{
	char c = 0;

	(void)arg;
	return !(fcntl(50, F_GETFD) == 0 && fcntl(51, F_GETFD) == -1 &&
		 read(50, &c, 1) == 1 && c == 'b');
}

static void files(void)
{
	char c;
	int p[2];

	MUST(pipe(p) == 0 && write(p[1], "ab", 2) == 2);
	MUST(dup2(p[0], 50) == 50);
	MUST(dup3(p[0], 51, O_CLOEXEC) == 51);
	MUST(read(50, &c, 1) == 1);
	again("see_files", "");
}

/* Nothing else is open: what would be the owner's is not there. */
static int see_no_more_files(const char *arg)
{
	int n = 0;

	(void)arg;
	for (int fd = 0; fd < 2000; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n != 1;
}

static void no_more_files(void)
{
	for (int fd = 0; fd < 1000; fd++)
		if (fd != 1)
			close(fd);
	again("see_no_more_files", "");
}

static int see_signals(const char *arg)
{
	struct sigaction sa;
	sigset_t set;
	int good = 1;

	(void)arg;
	sigprocmask(SIG_BLOCK, NULL, &set);
	good &= sigismember(&set, SIGUSR1) && sigismember(&set, SIGUSR2) &&
		!sigismember(&set, SIGTERM) && sigismember(&set, SIGRTMIN + 1);
	sigpending(&set);
	good &= sigismember(&set, SIGUSR1) && !sigismember(&set, SIGUSR2) &&
		sigismember(&set, SIGRTMIN + 1);
	sigaction(SIGHUP, NULL, &sa);
	good &= sa.sa_handler == SIG_IGN;
	sigaction(SIGUSR2, NULL, &sa);
	good &= sa.sa_handler == SIG_DFL;
	return !good;
}

static void nothing(int sig)
{
	(void)sig;
}

static void signals(void)
{
	sigset_t set;
	union sigval v = { .sival_int = 7 };

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR2, nothing);
	kill(getpid(), SIGUSR1);
	sigqueue(getpid(), SIGRTMIN + 1, v);
	again("see_signals", "");
}

static int see_value(const char *arg)
{
	struct timespec none = { 0, 0 };
	siginfo_t si = { 0 };
	sigset_t set;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	return !(sigtimedwait(&set, &si, &none) == SIGRTMIN + 1 &&
		 si.si_value.sival_int == 7 && si.si_code == SI_QUEUE &&
		 sigtimedwait(&set, &si, &none) == SIGRTMIN + 1 &&
		 si.si_value.sival_int == 8);
}

static void value(void)
{
	sigset_t set;
	union sigval v = { .sival_int = 7 };

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigqueue(getpid(), SIGRTMIN + 1, v);
	v.sival_int = 8;
	sigqueue(getpid(), SIGRTMIN + 1, v);
	again("see_value", "");
}

static int see_alarm(const char *arg)
{
	struct itimerval it;

	(void)arg;
	getitimer(ITIMER_REAL, &it);
	if (it.it_value.tv_sec < 100 || it.it_value.tv_sec > 1000 ||
	    it.it_interval.tv_sec != 5)
		return 1;
	it.it_value = it.it_interval = (struct timeval){ 0, 0 };
	setitimer(ITIMER_REAL, &it, NULL);
	alarm(1);
	pause();
	return 2; /* it ends this */
}

static void with_alarm(void)
{
	struct itimerval it = { { 5, 0 }, { 1000, 0 } };

	setitimer(ITIMER_REAL, &it, NULL);
	again("see_alarm", "");
}

static int see_process(const char *arg)
{
	struct rlimit stack, core;
	char cwd[100];

	getrlimit(RLIMIT_STACK, &stack);
	getrlimit(RLIMIT_CORE, &core);
	return !(umask(0) == 027 &&
		 strcmp(getcwd(cwd, sizeof(cwd)), "/") == 0 &&
		 getpgrp() == getpid() && stack.rlim_cur == 0x300000 &&
		 core.rlim_cur == 0 && getpriority(PRIO_PROCESS, 0) == 3 &&
		 atoi(arg) == getppid());
}

static void process(void)
{
	struct rlimit rl;
	char parent[16];

	umask(027);
	MUST(chdir("/") == 0 && setpgid(0, 0) == 0);
	getrlimit(RLIMIT_STACK, &rl);
	rl.rlim_cur = 0x300000;
	MUST(setrlimit(RLIMIT_STACK, &rl) == 0);
	getrlimit(RLIMIT_CORE, &rl);
	rl.rlim_cur = 0;
	MUST(setrlimit(RLIMIT_CORE, &rl) == 0);
	MUST(setpriority(PRIO_PROCESS, 0, 3) == 0);
	(void)snprintf(parent, sizeof(parent), "%d", getppid());
	again("see_process", parent);
}

static int see_affinity(const char *arg)
{
	cpu_set_t set;

	(void)arg;
	MUST(sched_getaffinity(0, sizeof(set), &set) == 0);
	return !(CPU_COUNT(&set) == 1 && CPU_ISSET(0, &set));
}

static void affinity(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	MUST(sched_setaffinity(0, sizeof(set), &set) == 0);
	again("see_affinity", "");
}

/* Memory is new, and so is the name. */
static int see_name(const char *arg)
{
	char name[32] = "", exe[200] = "";
	int fd = open("/proc/self/comm", O_RDONLY);

	MUST(read(fd, name, sizeof(name) - 1) > 0);
	name[strcspn(name, "\n")] = '\0';
	MUST(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	return !(strncmp(name, arg, 15) == 0 && strstr(exe, arg));
}

static void name(void)
{
	const char *slash = strrchr(self, '/');

	again("see_name", slash + 1);
}

static void *become_from_thread(void *arg)
{
	again("see_pid", arg);
	return NULL;
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void *spin_for_ever(void *arg)
{
	for (;;)
		__asm__ volatile("" ::: "memory");
	return arg;
}

static void thread(void)
{
	char pid[16];
	pthread_t t[5];

	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL,
			       i & 1 ? wait_for_ever : spin_for_ever, NULL);
	pthread_create(&t[4], NULL, become_from_thread, pid);
	pthread_join(t[0], NULL);
}

/* Many times in one process: nothing piles up. */
static int see_many(const char *arg)
{
	int n = atoi(arg);
	char left[16];

	if (!n)
		return 0;
	(void)snprintf(left, sizeof(left), "%d", n - 1);
	again("see_many", left);
	return 1;
}

static void many(void)
{
	again("see_many", "100");
}

static int see_fd(const char *arg)
{
	(void)arg;
	return 0;
}

static void by_fd(void)
{
	char *argv[] = { (char *)"x", (char *)"see_fd", (char *)"", NULL };
	char *envp[] = { NULL };
	int fd = open(self, O_RDONLY | O_CLOEXEC);

	MUST(fd >= 0);
	syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
}

static void no_argv(void)
{
	syscall(SYS_execve, self, NULL, NULL);
}

/* --- scripts --- */

static void file_write(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	MUST(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	MUST(fchmod(fd, mode) == 0 && close(fd) == 0);
}

static int see_args(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		tap_line("# %s", strcmp(argv[i], self) ? argv[i] : "self");
	return 0;
}

static void script(void)
{
	char text[600];
	char *argv[] = { (char *)"ignored", (char *)"one", (char *)"two words",
			 NULL };
	char *envp[] = { NULL };

	(void)snprintf(text, sizeof(text), "#! %s  see_args with blanks \nx",
		       self);
	file_write("s1", text, 0700);
	file_write("s2", "#!./s1\n", 0700);
	execve("./s2", argv, envp);
}

/* --- what cannot be --- */

static int try(const char *path)
{
	char *argv[] = { (char *)path, NULL }, *envp[] = { NULL };

	return execve(path, argv, envp);
}

static void check_errors(void)
{
	char *argv[] = { (char *)"x", NULL }, *envp[] = { NULL };
	char *far[] = { (char *)"x", (char *)16, NULL };
	static char big[0x21000];
	char *huge[] = { big, NULL };
	char text[500];
	int fd;

	MUST(mkdir("dir", 0700) == 0);
	file_write("plain", "echo plain\n", 0600);
	file_write("text", "echo text\n", 0700);
	file_write("empty", "", 0700);
	file_write("short", "\177ELF\2\1\1", 0700);
	file_write("noname", "#!   \n", 0700);
	file_write("lost", "#!/nowhere/at/all\n", 0700);
	file_write("indir", "#!./dir\n", 0700);
	file_write("loop", "#!./loop\n", 0700);
	memset(text, 'a', sizeof(text));
	memcpy(text, "#!/", 3);
	text[sizeof(text) - 1] = '\0';
	file_write("long", text, 0700);
	ERR(try("nowhere"), ENOENT, "no such file");
	ERR(try(""), ENOENT, "no name");
	ERR(try("plain/x"), ENOTDIR, "a file as a directory");
	ERR(try("dir"), EACCES, "a directory");
	ERR(try("plain"), EACCES, "not executable");
	ERR(try("/dev/null"), EACCES, "a device");
	ERR(try("text"), ENOEXEC, "text without an interpreter");
	ERR(try("empty"), ENOEXEC, "an empty file");
	ERR(try("short"), ENOEXEC, "a short ELF file");
	ERR(try("noname"), ENOEXEC, "a script that names no interpreter");
	ERR(try("long"), ENOEXEC, "one whose name does not fit");
	ERR(try("lost"), ENOENT, "one that is not there");
	ERR(try("indir"), EACCES, "a directory as interpreter");
	ERR(try("loop"), ELOOP, "a script that interprets itself");
	MUST(symlink("round", "round") == 0);
	ERR(try("round"), ELOOP, "a link to itself");
	ERR(syscall(SYS_execve, 16, argv, envp), EFAULT, "a bad path");
	ERR(syscall(SYS_execve, self, 8, envp), EFAULT, "bad arguments");
	ERR(execve(self, far, envp), EFAULT, "a bad argument");
	ERR(syscall(SYS_execve, self, argv, 8), EFAULT, "a bad environment");
	memset(big, 'x', sizeof(big) - 1);
	ERR(execve(self, huge, envp), E2BIG, "an argument of 132 KiB");
	ERR(syscall(SYS_execveat, AT_FDCWD, "", argv, envp, 0), ENOENT,
	    "execveat without a name");
	ERR(syscall(SYS_execveat, 77, "", argv, envp, AT_EMPTY_PATH), EBADF,
	    "a descriptor that is not open");
	ERR(syscall(SYS_execveat, AT_FDCWD, self, argv, envp, 0x8000), EINVAL,
	    "an unknown flag");
	ERR(syscall(SYS_execveat, AT_FDCWD, "round", argv, envp,
		    AT_SYMLINK_NOFOLLOW),
	    ELOOP, "a link that is not to be followed");
	fd = open("dir", O_RDONLY | O_DIRECTORY);
	file_write("dir/there", "", 0600);
	ERR(syscall(SYS_execveat, fd, "there", argv, envp, 0), EACCES,
	    "a name relative to a directory");
	fd = open("busy", O_RDWR | O_CREAT, 0700);
	MUST(write(fd, "#!/bin/true\n", 12) == 12);
	ERR(try("./busy"), ETXTBSY, "a file that is being written");
	close(fd);
}

/* All is as it was after one that failed. */
static void check_after_failure(void)
{
	cpu_set_t before, after;
	sigset_t mask, now;
	int fd;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sched_getaffinity(0, sizeof(before), &before);
	ERR(try("nowhere"), ENOENT, "it is still not there");
	sched_getaffinity(0, sizeof(after), &after);
	sigprocmask(SIG_SETMASK, NULL, &now);
	OK(CPU_EQUAL(&before, &after), "the same CPUs");
	OK(memcmp(&mask, &now, 8) == 0, "the same mask");
	fd = dup(1);
	close(fd);
	for (int i = 0; i < 300; i++)
		try("text");
	IS(dup(1), fd, "no descriptor was left open");
}

#define SEE(name)                                       \
	do {                                            \
		if (strcmp(argv[1], "see_" #name) == 0) \
			return see_##name(argv[2]);     \
	} while (0)

static int see(int argc, char **argv)
{
	if (strcmp(argv[1], "see_args with blanks") == 0)
		return see_args(argc, argv);
	SEE(words);
	SEE(pid);
	SEE(files);
	SEE(no_more_files);
	SEE(signals);
	SEE(value);
	SEE(alarm);
	SEE(process);
	SEE(affinity);
	SEE(name);
	SEE(many);
	SEE(fd);
	return 98;
}

int main(int argc, char **argv)
{
	static char path[4096];

	MUST(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	self = path;
	if (argc == 0 || (argc == 1 && argv[0][0] == '\0'))
		return 33;
	if (argc > 1)
		return see(argc, argv);
	IS(in_child(words), 0, "arguments and environment");
	IS(in_child(same_pid), 0, "the same process");
	IS(in_child(files), 0, "descriptors, but for those closed on exec");
	IS(in_child(no_more_files), 0, "and no others");
	IS(in_child(signals), 0, "masks, pending and ignored signals");
	IS(in_child(value), 0, "values of queued signals, in order");
	IS(in_child(with_alarm), SIGALRM, "interval timers run on");
	IS(in_child(process), 0, "umask, directory, group, limits, priority");
	IS(in_child(affinity), 0, "CPUs");
	IS(in_child(name), 0, "the new program's name");
	IS(in_child(thread), 0, "by a thread, which is then the only one");
	IS(in_child(many), 0, "a hundred times");
	IS(in_child(by_fd), 0, "by descriptor");
	IS(in_child(no_argv), 33 << 8, "without arguments");
	IS(in_child(script), 0, "a script, interpreted by a script");
	check_errors();
	check_after_failure();
	return tap_done();
}
