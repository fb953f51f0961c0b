/* SPDX-License-Identifier: MIT */
/*
 * ptrace.c - the debugger's way into an instance, whose cores are, or stand
 * behind, threads of another process.
 *
 * Traced are those, and the owner's main thread, which is never held: it tells
 * of new threads, forks and the end. Signals pass to the cores as if nobody was
 * there, since they are how the monitor works; the program's own come up
 * elsewhere (debug_signal).
 *
 * On pico a core is its thread, and is stopped and looked into as a thread. On
 * kvm the thread tells of the core (kvm_debug.h): it is held when it raises the
 * signal that says that the core's registers are in its slip. Which threads
 * are going to be cores is not known before, so all of the owner's are traced.
 *
 * A child of fork gets its text back without breakpoints. A child of vfork
 * runs in this memory, so there are none until it has gone.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot.h"
#include "gdb/breaks.h"
#include "gdb/proc.h"
#include "gdb/ptregs.h"
#include "gdb/slip.h"
#include "gdb/target.h"
#include "monitor.h"

/* siginfo of SIGTRAP, <asm-generic/siginfo.h>; int3 has SI_KERNEL */
#define CODE_BREAK 0x80
#define CODE_STEP  2
#define CODE_HW    4
#define DR6        6
#define DR7        7

#define OPTIONS                                                           \
	(PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | \
	 PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXEC)

struct traced {
	pid_t tid;      /* 0: there is no such core */
	int inject;     /* signal that its resume delivers */
	siginfo_t kick; /* put off by a step; si_signo 0: none */
	struct gdb_event event;
	bool has_event;
	bool running, stepping;
	bool wanted;    /* to run: what stops it otherwise, passes */
	bool listening; /* stopped by job control */
	bool watch_stale;
};

static struct traced cores[AZ_MAX_CORES];
static uint32_t ncores; /* entries that may be in use */
static pid_t owner;
static int signal_fd = -1;
static bool core0_awaited; /* its start is to be told */
static bool apart;         /* kvm */
static bool held;          /* cores that come up are not to run */
static bool gone, has_end;
static struct gdb_event end;
static uint64_t watch_addr[4], watch_dr7;

static long trace(int what, pid_t tid, unsigned long addr, void *data)
{
	return syscall(SYS_ptrace, what, tid, addr, data);
}

/* --- cores --- */

static struct traced *core_of(pid_t tid)
{
	for (uint32_t i = 0; i < ncores; i++)
		if (cores[i].tid == tid)
			return &cores[i];
	return NULL;
}

static uint32_t index_of(const struct traced *c)
{
	return (uint32_t)(c - cores);
}

/* The core that the unikernel knows by this thread, or NULL. */
static struct traced *core_named(pid_t tid)
{
	for (uint32_t i = 0; i < AZ_MAX_CORES; i++) {
		struct az_core az;

		if (proc_read(AZ_CORE_BASE + i * AZ_CORE_STRIDE, &az,
			      sizeof(az)) != (ssize_t)sizeof(az))
			return NULL;
		if (az.started && az.host_tid == (uint32_t)tid) {
			if (i >= ncores)
				ncores = i + 1;
			return &cores[i];
		}
	}
	return NULL;
}

static void core_add(struct traced *c, pid_t tid)
{
	*c = (struct traced){ .tid = tid, .wanted = !held };
	c->watch_stale = watch_dr7 != 0;
}

static void post(struct traced *c, enum gdb_event_kind kind, uint32_t dr6)
{
	c->has_event = true;
	c->event =
	    (struct gdb_event){ .kind = kind, .core = index_of(c), .dr6 = dr6 };
}

static void watch_load(struct traced *c)
{
	c->watch_stale = false;
	if (apart) {
		slip_watch(index_of(c), watch_addr, watch_dr7);
		return;
	}
	(void)trace(PTRACE_POKEUSER, c->tid,
		    offsetof(struct user, u_debugreg[DR7]), NULL);
	for (unsigned long i = 0; i < 4; i++)
		(void)trace(PTRACE_POKEUSER, c->tid,
			    offsetof(struct user, u_debugreg[i]),
			    (void *)watch_addr[i]);
	(void)trace(PTRACE_POKEUSER, c->tid,
		    offsetof(struct user, u_debugreg[DR7]), (void *)watch_dr7);
}

/* A kick that a step has put off comes now, as it would have. */
static void kick_late(struct traced *c)
{
	if (!c->kick.si_signo)
		return;
	(void)syscall(SYS_rt_tgsigqueueinfo, owner, c->tid, c->kick.si_signo,
		      &c->kick);
	c->kick.si_signo = 0;
}

/* It stands where it has raised the signal, which it does not get. */
static void go_apart(struct traced *c)
{
	if (c->watch_stale)
		watch_load(c);
	slip_put(SLIP(index_of(c), hold), !c->wanted);
	slip_put(SLIP(index_of(c), step), c->stepping);
	c->running = true;
	(void)trace(PTRACE_CONT, c->tid, 0, NULL);
}

static void go(struct traced *c)
{
	int how = c->stepping ? PTRACE_SINGLESTEP : PTRACE_CONT;
	int sig = c->inject;

	if (apart) {
		go_apart(c);
		return;
	}
	if (c->watch_stale)
		watch_load(c);
	if (!c->stepping)
		kick_late(c);
	c->inject = 0;
	c->running = true;
	if (c->listening)
		(void)trace(PTRACE_LISTEN, c->tid, 0, NULL);
	else
		(void)trace(how, c->tid, 0, (void *)(long)sig);
}

static void pt_resume(uint32_t i, bool step)
{
	struct traced *c = &cores[i];

	if (i >= ncores || !c->tid || c->running)
		return;
	c->has_event = false;
	c->stepping = step;
	c->wanted = true;
	if (step && c->inject) {
		post(c, GDB_DIVERT, 0);
		return;
	}
	go(c);
}

static bool pt_up(uint32_t i)
{
	return i < ncores && cores[i].tid;
}

/* --- what has happened --- */

static void on_trap(struct traced *c)
{
	struct user_regs_struct r;
	siginfo_t si = { .si_code = 0 };
	long dr6;

	(void)trace(PTRACE_GETSIGINFO, c->tid, 0, &si);
	if (trace(PTRACE_GETREGS, c->tid, 0, &r))
		return;
	errno = 0;
	dr6 = ptrace(PTRACE_PEEKUSER, c->tid,
		     offsetof(struct user, u_debugreg[DR6]), NULL);
	if (si.si_code == CODE_BREAK && breaks_at(r.rip - 1)) {
		r.rip--;
		(void)trace(PTRACE_SETREGS, c->tid, 0, &r);
		post(c, GDB_BREAK, 0);
	} else if (si.si_code == CODE_HW && watch_dr7 && (dr6 & 0xf)) {
		(void)trace(PTRACE_POKEUSER, c->tid,
			    offsetof(struct user, u_debugreg[DR6]), NULL);
		post(c, GDB_HW, (uint32_t)dr6);
	} else if (c->stepping && si.si_code != CODE_BREAK) {
		post(c, GDB_STEP, 0);
	} else {
		c->inject = SIGTRAP; /* the program's own */
	}
}

/* A signal is about to reach a core. True: it goes on at once. */
static bool on_core_signal(struct traced *c, int sig)
{
	siginfo_t si = { .si_signo = 0 };

	if (sig == SIGTRAP) {
		on_trap(c);
		return !c->has_event;
	}
	if (c->stepping && sig == AZ_SIG_KICK) {
		(void)trace(PTRACE_GETSIGINFO, c->tid, 0, &si);
		if (!c->kick.si_signo || si.si_code == SI_TIMER)
			c->kick = si;
		return true;
	}
	c->inject = sig;
	if (c->stepping)
		post(c, GDB_DIVERT, 0);
	return !c->stepping;
}

/* Its child has this memory until it executes or ends. */
static void on_vfork(int event)
{
	if (event == PTRACE_EVENT_VFORK)
		proc_breaks(false);
	else if (event == PTRACE_EVENT_VFORK_DONE)
		proc_breaks(true);
}

/* Is there a SIGTRAP that the thread has not taken yet? */
static bool trap_pending(pid_t tid)
{
	struct __ptrace_peeksiginfo_args args = { .nr = 1 };
	siginfo_t si;

	for (args.off = 0;
	     trace(PTRACE_PEEKSIGINFO, tid, (unsigned long)&args, &si) == 1;
	     args.off++)
		if (si.si_signo == SIGTRAP)
			return true;
	return false;
}

static void on_core_stop(struct traced *c, int status)
{
	int event = status >> 16, sig = WSTOPSIG(status);
	bool at_once = true, pass = false;

	c->running = false;
	c->listening = false;
	switch (event) {
	case 0:
		at_once = on_core_signal(c, sig);
		break;
	case PTRACE_EVENT_STOP:
		c->listening = sig != SIGTRAP;
		/* For that it stops again. */
		pass = !c->listening && trap_pending(c->tid);
		break;
	default:
		on_vfork(event);
		break;
	}
	if (pass || (at_once && c->wanted))
		go(c);
}

/* --- what has happened, on kvm --- */

static void on_slip_break(struct traced *c)
{
	uint32_t i = index_of(c);

	if (!breaks_at(slip_rip(i) - 1))
		return; /* the program's own */
	slip_put(SLIP(i, ours), 1);
	slip_back(i);
	post(c, GDB_BREAK, 0);
}

static void on_slip(struct traced *c)
{
	bool pass = false;

	c->running = false;
	switch (slip_get(SLIP(index_of(c), why))) {
	case KVM_SLIP_BEGIN:
		if (!core0_awaited || c != cores)
			break;
		core0_awaited = false;
		post(c, GDB_STARTED, 0);
		break;
	case KVM_SLIP_BREAK:
		on_slip_break(c);
		pass = !c->has_event;
		break;
	case KVM_SLIP_STEP:
		post(c, GDB_STEP, 0);
		break;
	case KVM_SLIP_WATCH:
		post(c, GDB_HW, slip_get(SLIP(index_of(c), dr6)));
		break;
	case KVM_SLIP_DIVERT:
		post(c, GDB_DIVERT, 0);
		break;
	default:
		break;
	}
	if (pass || (!c->has_event && c->wanted))
		go(c);
}

/* The core that a thread tells of by this signal, or NULL. */
static struct traced *core_told(pid_t tid)
{
	siginfo_t si = { .si_signo = 0 };
	uint32_t v, i;

	if (trace(PTRACE_GETSIGINFO, tid, 0, &si) || si.si_code != SI_QUEUE ||
	    si.si_signo != AZ_SIG_KICK || si.si_pid != owner)
		return NULL;
	v = (uint32_t)si.si_value.sival_int;
	i = v ^ KVM_SLIP_MARK;
	if (i >= AZ_MAX_CORES)
		return NULL;
	if (i >= ncores)
		ncores = i + 1;
	if (cores[i].tid != tid)
		core_add(&cores[i], tid);
	return &cores[i];
}

/* A thread of the owner that may be a core's: but for that, it goes on. */
static void on_thread_stop(pid_t tid, int status)
{
	int event = status >> 16, sig = WSTOPSIG(status);
	struct traced *c = event ? NULL : core_told(tid);

	on_vfork(event);
	if (c)
		on_slip(c);
	else if (event == PTRACE_EVENT_STOP && sig != SIGTRAP)
		(void)trace(PTRACE_LISTEN, tid, 0, NULL);
	else
		(void)trace(PTRACE_CONT, tid, 0,
			    (void *)(long)(event ? 0 : sig));
}

/* The owner's main thread: never held. */
static void on_owner_stop(int status)
{
	int event = status >> 16, sig = WSTOPSIG(status);

	if (event == PTRACE_EVENT_STOP && sig != SIGTRAP)
		(void)trace(PTRACE_LISTEN, owner, 0, NULL);
	else
		(void)trace(PTRACE_CONT, owner, 0,
			    (void *)(long)(event ? 0 : sig));
}

static void on_exec(void)
{
	memset(cores, 0, sizeof(cores));
	ncores = 0;
	(void)proc_open(owner);
	core0_awaited = true;
	watch_dr7 = 0;
	end = (struct gdb_event){ .kind = GDB_EXEC };
	has_end = true;
	(void)trace(PTRACE_CONT, owner, 0, NULL);
}

/* A child: a thread of the owner's, or a process with its text. */
static void on_newcomer(pid_t tid, int status)
{
	struct traced *c = NULL;

	if (proc_thread(tid)) {
		if (apart) {
			on_thread_stop(tid, status);
			return;
		}
		c = core_named(tid);
	} else {
		/* Of one by vfork they are away already. */
		proc_breaks_out_of(tid);
	}
	if (!c) {
		(void)trace(PTRACE_DETACH, tid, 0, NULL);
		return;
	}
	core_add(c, tid);
	if (core0_awaited && c == cores) {
		core0_awaited = false;
		post(c, GDB_STARTED, 0);
	} else if (c->wanted) {
		go(c);
	}
}

static void on_gone(pid_t tid, int status)
{
	struct traced *c = core_of(tid);

	if (tid == owner) {
		gone = true;
		has_end = true;
		end = (struct gdb_event){ .kind = GDB_EXIT, .status = status };
	} else if (c) {
		*c = (struct traced){ .tid = 0 };
	}
}

static bool reap(int flags)
{
	int status;
	pid_t tid = waitpid(-1, &status, __WALL | flags);
	struct traced *c = tid > 0 ? core_of(tid) : NULL;

	if (tid <= 0) {
		gone |= tid < 0 && errno == ECHILD;
		return false;
	}
	if (!WIFSTOPPED(status))
		on_gone(tid, status);
	else if (status >> 16 == PTRACE_EVENT_EXEC)
		on_exec();
	else if (tid == owner)
		on_owner_stop(status);
	else if (c && !apart)
		on_core_stop(c, status);
	else
		on_newcomer(tid, status);
	return true;
}

static bool pt_wait(struct gdb_event *ev)
{
	struct signalfd_siginfo si;

	while (read(signal_fd, &si, sizeof(si)) > 0)
		;
	while (!has_end && reap(WNOHANG))
		;
	for (uint32_t i = 0; i < ncores; i++)
		if (cores[i].has_event) {
			cores[i].has_event = false;
			*ev = cores[i].event;
			return true;
		}
	if (!has_end)
		return false;
	has_end = false;
	*ev = end;
	return true;
}

static int pt_wait_fd(void)
{
	return signal_fd;
}

static bool one_runs(void)
{
	for (uint32_t i = 0; i < ncores; i++)
		if (cores[i].tid && cores[i].running)
			return true;
	return false;
}

static void pt_stop(void)
{
	held = true;
	for (uint32_t i = 0; i < ncores; i++) {
		struct traced *c = &cores[i];

		c->wanted = false;
		if (!c->tid || !c->running)
			continue;
		if (!apart) {
			(void)trace(PTRACE_INTERRUPT, c->tid, 0, NULL);
			continue;
		}
		slip_put(SLIP(index_of(c), hold), 1);
		(void)syscall(SYS_tgkill, owner, c->tid, AZ_SIG_KICK);
	}
	while (one_runs() && !has_end)
		if (!reap(0) && errno != EINTR)
			break;
}

static void pt_release(void)
{
	held = false;
}

static int pt_get(uint32_t i, struct gdb_regs *r)
{
	if (!pt_up(i))
		return -ESRCH;
	return apart ? slip_regs(i, r) : ptregs_get(cores[i].tid, r);
}

static int pt_set(uint32_t i, const struct gdb_regs *r)
{
	if (!pt_up(i))
		return -ESRCH;
	return apart ? slip_set_regs(i, r) : ptregs_set(cores[i].tid, r);
}

static int pt_watch(const uint64_t addr[4], uint64_t dr7)
{
	if (apart && slip_get(SLIP(0, no_watch)))
		return -EOPNOTSUPP;
	memcpy(watch_addr, addr, sizeof(watch_addr));
	watch_dr7 = dr7;
	for (uint32_t i = 0; i < ncores; i++)
		cores[i].watch_stale = true;
	return 0;
}

/* --- beginning and end --- */

static void pt_kill(int sig)
{
	(void)kill(owner, sig);
}

/* They go on by themselves when their tracer has ended. */
static void detach_apart(void)
{
	slip_put(SLIP(0, attached), 0);
	for (uint32_t i = 0; i < ncores; i++)
		if (cores[i].tid && !cores[i].running) {
			cores[i].stepping = false;
			go(&cores[i]);
		}
}

static void pt_detach(void)
{
	if (apart) {
		detach_apart();
		return;
	}
	for (uint32_t i = 0; i < ncores; i++) {
		struct traced *c = &cores[i];

		if (!c->tid)
			continue;
		if (c->watch_stale)
			watch_load(c);
		kick_late(c);
		(void)trace(PTRACE_DETACH, c->tid, 0, (void *)(long)c->inject);
		c->tid = 0;
	}
	/* It has to be stopped for that. */
	(void)trace(PTRACE_INTERRUPT, owner, 0, NULL);
	for (int status; waitpid(owner, &status, __WALL) == owner;) {
		int sig = status >> 16 ? 0 : WSTOPSIG(status);

		if (!WIFSTOPPED(status) ||
		    !trace(PTRACE_DETACH, owner, 0, (void *)(long)sig))
			return;
	}
}

static const struct gdb_target ptrace_target = {
	.wait = pt_wait,
	.wait_fd = pt_wait_fd,
	.stop = pt_stop,
	.resume = pt_resume,
	.release = pt_release,
	.up = pt_up,
	.get = pt_get,
	.set = pt_set,
	.watch = pt_watch,
	.read = proc_read,
	.write = proc_write,
	.kill = pt_kill,
	.detach = pt_detach,
};

static int seize(pid_t tid)
{
	if (trace(PTRACE_SEIZE, tid, 0, (void *)(long)OPTIONS))
		return -errno;
	return 0;
}

static void seize_one(pid_t tid)
{
	(void)seize(tid);
}

/* All threads: those that are cores tell when they are wanted. */
static int seize_all(void)
{
	int err = proc_threads(seize_one);

	if (!err)
		slip_put(SLIP(0, attached), 1);
	return err;
}

/* The cores there are; the main thread starts none meanwhile. */
static int seize_cores(void)
{
	for (uint32_t i = 0; i < AZ_MAX_CORES; i++) {
		struct az_core az;

		if (proc_read(AZ_CORE_BASE + i * AZ_CORE_STRIDE, &az,
			      sizeof(az)) != (ssize_t)sizeof(az))
			break;
		if (!az.started || !proc_thread((pid_t)az.host_tid) ||
		    (!apart && seize((pid_t)az.host_tid)))
			continue;
		ncores = i + 1;
		core_add(&cores[i], (pid_t)az.host_tid);
		cores[i].running = true;
	}
	return ncores ? 0 : -ESRCH;
}

int ptrace_attach(pid_t pid, uint32_t plat, bool fresh,
		  const struct gdb_target **out)
{
	sigset_t set;
	int status, err;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	err = proc_open(pid);
	if (signal_fd < 0 || err)
		return err ? err : -errno;
	owner = pid;
	apart = plat != AZ_PLAT_PICO;
	err = seize(pid);
	if (err)
		return err;
	*out = &ptrace_target;
	core0_awaited = fresh;
	if (fresh)
		return 0;
	(void)trace(PTRACE_INTERRUPT, pid, 0, NULL);
	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
		return -ESRCH;
	err = apart ? seize_all() : 0;
	if (!err)
		err = seize_cores();
	on_owner_stop(status);
	return err;
}
