/* SPDX-License-Identifier: MIT */
/*
 * signal.h - signals of the program: actions, masks, queues, delivery.
 *
 * Sets are 64-bit masks, bit n-1 for signal n, as in Linux's kernel ABI.
 */
#ifndef SYS_SIGNAL_H
#define SYS_SIGNAL_H

#include "lib/list.h"
#include "lib/types.h"
#include "monitor.h"

#define NSIG      64
#define SIGBIT(n) (1ULL << ((n)-1))

/* Signal numbers, <asm/signal.h>. */
#define SIGHUP    1
#define SIGINT    2
#define SIGQUIT   3
#define SIGILL    4
#define SIGTRAP   5
#define SIGABRT   6
#define SIGBUS    7
#define SIGFPE    8
#define SIGKILL   9
#define SIGUSR1   10
#define SIGSEGV   11
#define SIGUSR2   12
#define SIGPIPE   13
#define SIGALRM   14
#define SIGTERM   15
#define SIGSTKFLT 16
#define SIGCHLD   17
#define SIGCONT   18
#define SIGSTOP   19
#define SIGTSTP   20
#define SIGTTIN   21
#define SIGTTOU   22
#define SIGURG    23
#define SIGXCPU   24
#define SIGXFSZ   25
#define SIGVTALRM 26
#define SIGPROF   27
#define SIGWINCH  28
#define SIGIO     29
#define SIGPWR    30
#define SIGSYS    31
#define SIGRTMIN  32

/* What can be neither blocked, caught nor ignored. */
#define SIG_UNMASKABLE (SIGBIT(SIGKILL) | SIGBIT(SIGSTOP))

#define SIG_DFL 0ULL
#define SIG_IGN 1ULL

/* sigact.flags, <asm/signal.h>. */
#define SA_NOCLDSTOP      0x00000001
#define SA_NOCLDWAIT      0x00000002
#define SA_SIGINFO        0x00000004
#define SA_EXPOSE_TAGBITS 0x00000800
#define SA_RESTORER       0x04000000
#define SA_ONSTACK        0x08000000
#define SA_RESTART        0x10000000
#define SA_NODEFER        0x40000000
#define SA_RESETHAND      0x80000000

/* siginfo.code, <asm-generic/siginfo.h>. */
#define SI_USER   0
#define SI_KERNEL 0x80
#define SI_QUEUE  (-1)
#define SI_TIMER  (-2)
#define SI_TKILL  (-6)

/* thread_signals.alt_flags. */
#define SS_ONSTACK    1U
#define SS_DISABLE    2U
#define SS_AUTODISARM 0x80000000U

/* struct sigaction as rt_sigaction(2) of the kernel takes it. */
struct sigact {
	uint64_t handler; /* address, SIG_DFL or SIG_IGN */
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

/* siginfo_t as Linux's kernel ABI has it: 128 bytes. */
struct siginfo {
	int32_t signo, err, code, pad;
	union {
		struct {
			int32_t pid;
			uint32_t uid;
			uint64_t value;
		} rt; /* SI_USER, SI_QUEUE, SI_TKILL */
		struct {
			int32_t tid, overrun;
			uint64_t value;
		} timer; /* SI_TIMER */
		struct {
			uint64_t addr;
			uint64_t lsb;
		} fault;
		uint8_t raw[112];
	};
};

_Static_assert(sizeof(struct sigact) == 32, "struct sigaction");
_Static_assert(sizeof(struct siginfo) == 128, "siginfo_t");

/* Signals that wait for delivery; siglock guards it. */
struct sigqueue {
	uint64_t set;      /* which are pending */
	struct list infos; /* of struct sigqueue_entry, in order of arrival */
};

/* One signal that waits. `queue` is NULL while it is in none. */
struct sigqueue_entry {
	struct list link;
	struct sigqueue *queue;
	struct siginfo info;
	bool owned; /* part of a POSIX timer, not to be freed here */
};

/* What each thread has. Others' sig is changed under siglock only. */
struct thread_signals {
	uint64_t mask;
	uint64_t saved_mask; /* to put back after sigsuspend, ppoll, ... */
	bool restore_mask;
	struct sigqueue pending;
	uint64_t alt_sp, alt_size;
	uint32_t alt_flags;
	uint64_t waiting; /* sigtimedwait's set: taken although blocked */
	/* The last fault, for struct sigcontext. */
	uint64_t trap_nr, trap_error, trap_addr;
	struct sigact *actions; /* its own, of a child of vfork; or NULL */
};

struct thread;

/* signal_init_thread - before t runs; parent is NULL for the first one. */
void signal_init_thread(struct thread *t, const struct thread *parent);

/*
 * signal_free_thread - drop what is still queued for t, which is no longer in
 * the list of threads, and let others take what it would have taken. Its
 * processor time becomes the process's.
 */
void signal_free_thread(struct thread *t);

/* signal_copy_actions - for a child; clear: forget handlers (clone3(2)). */
void signal_copy_actions(struct sigact to[NSIG], bool clear);

/*
 * signal_carry - what the calling thread's next program keeps: signals that are
 * pending, max at most, their number; what is ignored and what blocked.
 */
uint32_t signal_carry(struct siginfo *out, uint32_t max, uint64_t *ignored_set,
		      uint64_t *mask);

/* signal_fork_child - in the child of a fork, whose only thread t is. */
void signal_fork_child(struct thread *t);

/*
 * signal_post - queue a signal for thread t, or for the process if t is NULL,
 * and get somebody to take it. 0, or -EAGAIN (queue full, real-time signals).
 * No lock may be held; t must not go away meanwhile.
 */
int signal_post(struct thread *t, const struct siginfo *si);

/*
 * signal_force - a synchronous fault of the calling thread: delivered even if
 * blocked or ignored (then with the default action).
 */
void signal_force(const struct siginfo *si);

/*
 * signal_fault - a fault of the program as the CPU (monitor.h: AZ_VEC_) tells
 * it: make it good, or force the signal that Linux sends for it.
 */
void signal_fault(uint32_t vec, uint64_t error, uint64_t addr,
		  struct az_frame *frame);

/*
 * signal_pending - is there a signal that the calling thread must take? If so
 * it is taken on the way out to the program, at the latest.
 */
bool signal_pending(void);

/*
 * signal_interrupts - must a blocked call end? Performs the default actions of
 * pending signals that have no handler, and is true if one is left that has.
 * A call that keeps a deadline of its own goes on waiting when it is false.
 */
bool signal_interrupts(void);

/*
 * signal_exit - called on the way back to the program: take the signals that
 * are pending, building frames on the program's stack or performing default
 * actions. Settles -ERESTART* in frame->rax: frame->orig_rax is the call's
 * number, or -1 if the program was not in a call. To make a call again, rip
 * goes back by two: the bytes there must make the call that rax numbers.
 */
void signal_exit(struct az_frame *frame);

/*
 * sigmask_set_temp - a mask for the duration of one call, as ppoll(2) has it:
 * uaddr 0 leaves the mask alone. 0, -EINVAL or -EFAULT.
 */
int sigmask_set_temp(uint64_t uaddr, uint64_t size);

/*
 * sigmask_end_temp - after the call: put the old mask back at once, unless the
 * call was interrupted; then signal_exit does it after delivery.
 */
void sigmask_end_temp(bool interrupted);

/* --- for kernel/sys only --- */

/* One signal off the queues, and what to do about it. */
struct sig_taken {
	struct sigact act;
	struct siginfo info;
};

/* signal_action - read (old) and replace (new) an action; either may be NULL */
void signal_action(int sig, const struct sigact *new, struct sigact *old);

/* signal_set_mask - the calling thread's mask. */
void signal_set_mask(uint64_t mask);

/* signal_set_waiting - signals to be told of although blocked; 0: no more. */
void signal_set_waiting(uint64_t set);

/*
 * signal_take - take the next signal that has a handler, performing default
 * actions on the way. False: there is none.
 */
bool signal_take(struct sig_taken *d);

/* signal_set - what is pending for the calling thread and the process. */
uint64_t signal_set(void);

/*
 * signal_send_tid - to thread tid of this process. signo 0 only looks. 0,
 * -ESRCH or -EAGAIN.
 */
int signal_send_tid(int tid, const struct siginfo *si);

/* signal_send_process - to the process, from inside it. 0 or -EAGAIN. */
int signal_send_process(const struct siginfo *si);

/* signal_thread_exists - tid is a thread of this process. */
bool signal_thread_exists(int tid);

/*
 * signal_send_timer - queue a timer's own entry for thread tid, or for the
 * process if tid is 0. 1: it is queued; 0: not, as the signal is ignored;
 * -ESRCH: there is no such thread.
 */
int signal_send_timer(int tid, struct sigqueue_entry *e);

/* signal_unqueue - take a timer's entry back; true if it was queued. */
bool signal_unqueue(struct sigqueue_entry *e);

/*
 * signal_take_of - take a pending signal of `set`, whatever the mask. Its
 * number, or 0.
 */
int signal_take_of(uint64_t set, struct siginfo *si);

/* signal_force_default - as signal_force, with the default action always. */
void signal_force_default(const struct siginfo *si);

/* signal_stop - stop the process as `sig` (SIGSTOP, SIGTSTP, ...) does. */
void signal_stop(int sig);

#endif
