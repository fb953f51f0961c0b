/* SPDX-License-Identifier: MIT */
/*
 * signals.c - handlers: when they run, what they are told, which signals are
 * blocked meanwhile, and the ways to send one to oneself.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "tap.h"

static volatile int count, last_sig, last_code, last_value, depth, max_depth;
static volatile pid_t last_pid;
static volatile uid_t last_uid;
static volatile int order[32];

static void on_info(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	last_sig = sig;
	last_code = si->si_code;
	last_pid = si->si_pid;
	last_uid = si->si_uid;
	last_value = si->si_value.sival_int;
	if (count < 32)
		order[count] = sig;
	count++;
}

static void set(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = fn;
	sa.sa_flags = SA_SIGINFO | flags;
	MUST(sigaction(sig, &sa, NULL) == 0);
	count = 0;
}

static void block(int how, int sig)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, sig);
	MUST(sigprocmask(how, &s, NULL) == 0);
}

static void check_sending(void)
{
	union sigval v = { .sival_int = 4711 };

	set(SIGUSR1, on_info, 0);
	IS(kill(getpid(), SIGUSR1), 0, "kill");
	OK(count == 1 && last_sig == SIGUSR1 && last_code == SI_USER,
	   "arrives before kill returns, as SI_USER");
	OK(last_pid == getpid() && last_uid == getuid(), "with the sender");
	IS(syscall(SYS_tgkill, getpid(), my_tid(), SIGUSR1), 0, "tgkill");
	OK(count == 2 && last_code == SI_TKILL && last_pid == getpid(),
	   "arrives as SI_TKILL");
	IS(syscall(SYS_tkill, my_tid(), SIGUSR1), 0, "tkill");
	OK(count == 3 && last_code == SI_TKILL, "too");
	IS(raise(SIGUSR1), 0, "raise");
	IS(count, 4, "arrives");
	IS(sigqueue(getpid(), SIGUSR1, v), 0, "sigqueue");
	OK(count == 5 && last_code == SI_QUEUE && last_value == 4711,
	   "arrives with its value");
	IS(pthread_kill(pthread_self(), SIGUSR1), 0, "pthread_kill");
	IS(count, 6, "arrives");
	IS(kill(getpid(), 0), 0, "signal 0");
	IS(count, 6, "does nothing");
	IS(kill(0, 0), 0, "signal 0 to the group");
}

/* By what stands for this process: a pidfd, its directory in /proc. */
static void check_pidfd(void)
{
	char path[32];
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	set(SIGUSR2, on_info, 0);
	IS(syscall(SYS_pidfd_send_signal, fd, SIGUSR2, NULL, 0), 0, "a pidfd");
	OK(count == 1 && last_sig == SIGUSR2 && last_code == SI_USER,
	   "arrives before the call returns");
	close(fd);
	(void)snprintf(path, sizeof(path), "/proc/%d", (int)getpid());
	fd = open(path, O_RDONLY | O_DIRECTORY);
	IS(syscall(SYS_pidfd_send_signal, fd, SIGUSR2, NULL, 0), 0,
	   "our directory in /proc");
	OK(count == 2 && last_sig == SIGUSR2 && last_code == SI_USER,
	   "arrives before the call returns, too");
	close(fd);
}

static void on_mask(int sig, siginfo_t *si, void *uc)
{
	sigset_t now;

	(void)si;
	(void)uc;
	sigprocmask(SIG_SETMASK, NULL, &now);
	last_value = sigismember(&now, sig) << 2 |
		     sigismember(&now, SIGUSR2) << 1 |
		     sigismember(&now, SIGALRM);
	count++;
}

static void check_mask(void)
{
	struct sigaction sa;
	sigset_t now;

	set(SIGUSR1, on_mask, 0);
	raise(SIGUSR1);
	IS(last_value, 4, "a signal is blocked in its own handler");
	set(SIGUSR1, on_mask, SA_NODEFER);
	raise(SIGUSR1);
	IS(last_value, 0, "not with SA_NODEFER");
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_mask;
	sa.sa_flags = SA_SIGINFO;
	sigaddset(&sa.sa_mask, SIGUSR2);
	MUST(sigaction(SIGUSR1, &sa, NULL) == 0);
	raise(SIGUSR1);
	IS(last_value, 6, "sa_mask is added");
	sigprocmask(SIG_SETMASK, NULL, &now);
	OK(!sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2),
	   "and taken away afterwards");
}

static void check_pending(void)
{
	sigset_t p;

	set(SIGUSR1, on_info, 0);
	block(SIG_BLOCK, SIGUSR1);
	for (int i = 0; i < 3; i++)
		raise(SIGUSR1);
	IS(count, 0, "a blocked signal waits");
	IS(sigpending(&p), 0, "sigpending");
	IS(sigismember(&p, SIGUSR1), 1, "shows it");
	IS(sigismember(&p, SIGUSR2), 0, "and no other");
	block(SIG_UNBLOCK, SIGUSR1);
	IS(count, 1, "and comes once when unblocked");
	sigpending(&p);
	IS(sigismember(&p, SIGUSR1), 0, "no longer pending");
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	sigpending(&p);
	IS(sigismember(&p, SIGUSR1), 0, "ignoring it drops it");
	block(SIG_UNBLOCK, SIGUSR1);
	IS(count, 1, "for good");
}

static void check_order(void)
{
	static const int sigs[] = { SIGUSR2, SIGHUP, SIGTERM, SIGUSR1 };

	for (size_t i = 0; i < 4; i++) {
		set(sigs[i], on_info, 0);
		block(SIG_BLOCK, sigs[i]);
		raise(sigs[i]);
	}
	sigset_t s;
	sigfillset(&s);
	MUST(sigprocmask(SIG_UNBLOCK, &s, NULL) == 0);
	IS(count, 4, "four pending signals come together");
	/* Frames stack up: the lowest number is on the bottom, runs last. */
	OK(order[0] == SIGTERM && order[1] == SIGUSR2 && order[2] == SIGUSR1 &&
	       order[3] == SIGHUP,
	   "in Linux's order");
	for (size_t i = 0; i < 4; i++)
		signal(sigs[i], SIG_DFL);
}

static void on_nested(int sig, siginfo_t *si, void *uc)
{
	(void)si;
	(void)uc;
	depth++;
	if (depth > max_depth)
		max_depth = depth;
	if (sig == SIGUSR1)
		raise(SIGUSR2);
	else if (depth < 8)
		raise(SIGUSR2);
	depth--;
}

static void check_nested(void)
{
	set(SIGUSR1, on_nested, 0);
	set(SIGUSR2, on_nested, SA_NODEFER);
	raise(SIGUSR1);
	IS(max_depth, 8, "handlers nest");
	IS(depth, 0, "and all return");
}

static void check_reset(void)
{
	struct sigaction sa;

	set(SIGUSR1, on_info, SA_RESETHAND);
	raise(SIGUSR1);
	IS(count, 1, "SA_RESETHAND calls the handler once");
	MUST(sigaction(SIGUSR1, NULL, &sa) == 0);
	OK(sa.sa_handler == SIG_DFL, "and then it is the default");
}

static void check_ignored(void)
{
	struct sigaction sa;

	signal(SIGUSR1, SIG_IGN);
	IS(raise(SIGUSR1), 0, "an ignored signal");
	static const int harmless[] = { SIGCHLD, SIGURG, SIGWINCH, SIGCONT };
	for (size_t i = 0; i < 4; i++)
		IS(raise(harmless[i]), 0, "one ignored by default");
	MUST(sigaction(SIGUSR1, NULL, &sa) == 0);
	OK(sa.sa_handler == SIG_IGN, "sigaction tells so");
	set(SIGUSR1, on_info, SA_RESTART | SA_NODEFER);
	MUST(sigaction(SIGUSR1, NULL, &sa) == 0);
	OK(sa.sa_sigaction == on_info, "the handler is told");
	IS(sa.sa_flags & (SA_RESTART | SA_NODEFER | SA_SIGINFO),
	   SA_RESTART | SA_NODEFER | SA_SIGINFO, "so are the flags");
}

static void check_errors(void)
{
	struct sigaction sa;
	sigset_t s;
	char *bad = (char *)8;

	memset(&sa, 0, sizeof(sa));
	ERR(sigaction(SIGKILL, &sa, NULL), EINVAL, "no handler for SIGKILL");
	ERR(sigaction(SIGSTOP, &sa, NULL), EINVAL, "nor for SIGSTOP");
	IS(syscall(SYS_rt_sigaction, SIGKILL, NULL, &sa, 8), 0,
	   "but one may ask");
	ERR(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8), EINVAL, "signal 0");
	ERR(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8), EINVAL, "signal 65");
	ERR(syscall(SYS_rt_sigaction, 10, NULL, NULL, 4), EINVAL,
	    "a set of four bytes");
	ERR(syscall(SYS_rt_sigaction, 10, bad, NULL, 8), EFAULT,
	    "a bad pointer");
	ERR(syscall(SYS_rt_sigprocmask, 17, &s, NULL, 8), EINVAL,
	    "no such way to mask");
	ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, NULL, 8), EFAULT,
	    "a bad set");
	ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, bad, 8), EFAULT,
	    "a bad old set");
	ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &s, NULL, 16), EINVAL,
	    "a set of 16 bytes");
	ERR(syscall(SYS_rt_sigpending, bad, 8), EFAULT, "sigpending");
	ERR(syscall(SYS_rt_sigsuspend, bad, 8), EFAULT, "sigsuspend");
	ERR(syscall(SYS_rt_sigsuspend, &s, 7), EINVAL, "sigsuspend, size");
	ERR(syscall(SYS_tgkill, getpid(), my_tid(), 65), EINVAL,
	    "tgkill of signal 65");
	ERR(syscall(SYS_tgkill, getpid(), 0, 0), EINVAL, "tgkill of 0");
	ERR(syscall(SYS_tgkill, getpid(), 0x3ffffff, 0), ESRCH,
	    "tgkill of nobody");
	ERR(syscall(SYS_tgkill, getpid() + 1, my_tid(), 0), ESRCH,
	    "tgkill in another group");
	ERR(syscall(SYS_tkill, 0x3ffffff, 0), ESRCH, "tkill of nobody");
	ERR(kill(0x3ffffff, 0), ESRCH, "kill of nobody");
	ERR(kill(getpid(), 65), EINVAL, "kill with signal 65");
	ERR(kill(getpid(), -1), EINVAL, "kill with signal -1");
	s = (sigset_t){ 0 };
	sigaddset(&s, SIGKILL);
	sigaddset(&s, SIGSTOP);
	IS(sigprocmask(SIG_BLOCK, &s, NULL), 0, "blocking SIGKILL");
	sigprocmask(SIG_BLOCK, NULL, &s);
	OK(!sigismember(&s, SIGKILL) && !sigismember(&s, SIGSTOP), "does not");
}

static void on_modify(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)sig;
	(void)si;
	sigaddset(&uc->uc_sigmask, SIGUSR2);
	count++;
}

static void check_return_mask(void)
{
	sigset_t now;

	set(SIGUSR1, on_modify, 0);
	raise(SIGUSR1);
	sigprocmask(SIG_SETMASK, NULL, &now);
	OK(sigismember(&now, SIGUSR2),
	   "the mask after a handler is the context's");
	block(SIG_UNBLOCK, SIGUSR2);
}

int main(void)
{
	check_sending();
	check_pidfd();
	check_mask();
	check_pending();
	check_order();
	check_nested();
	check_reset();
	check_ignored();
	check_errors();
	check_return_mask();
	return tap_done();
}
