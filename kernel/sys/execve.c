/* SPDX-License-Identifier: MIT */
/*
 * execve.c - becoming another program.
 *
 * The core itself, or its thread in the owner, executes the owner's executable,
 * with the new arguments and environment: Linux ends all other threads, closes what is to be closed on
 * exec, and leaves everything else of the process as it is. What the unikernel
 * keeps instead of Linux goes along in a word of the environment (abi/carry.h).
 * All errors that the caller must see are found first: the program is open and
 * has been looked at when there is no way back.
 *
 * One struct image per call, nothing shared, no locks.
 */
#include <asm/stat.h>
#include <linux/fcntl.h>

#include "calls.h"
#include "carry.h"
#include "lib/elf.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "sched/thread.h"
#include "sys/dispatch.h"
#include "sys/files.h"
#include "sys/identity.h"
#include "sys/itimer.h"
#include "sys/limits.h"
#include "sys/offload.h"
#include "sys/strace.h"
#include "sys/sys.h"
#include "sys/vfork.h"

#define MODE_TYPE    0170000
#define MODE_REGULAR 0100000
#define X_OK         1
#define SIG_SETMASK  2
#define SCRIPT_HEAD  256U        /* bytes of a "#!" line: BINPRM_BUF_SIZE */
#define SCRIPT_DEPTH 5           /* fs/exec.c:exec_binprm */
#define STRINGS_MAX  0x600000ULL /* of pointers: fs/exec.c, 3/4 of _STK_LIM */
#define OPEN_FLAGS   (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* The digits of abi/carry.h. */
#define DIGIT(n) ((char)('a' + (n)))

_Static_assert(sizeof(struct siginfo) == 128, "AZ_EXEC_WORD");
_Static_assert(ELF_PATH_MAX == AZ_EXEC_PATH, "AZ_EXEC_WORD");

struct image {
	int fd;
	uint32_t depth; /* "#!" lines followed */
	uint64_t size;
	size_t head_len;
	struct elf_info elf;
	_Alignas(8) char head[ELF_HEAD_SIZE];
	char path[ELF_PATH_MAX];   /* as given: AT_EXECFN */
	char interp[ELF_PATH_MAX]; /* of an ELF file */
	char line[SCRIPT_DEPTH][SCRIPT_HEAD];
	/* Words in front of argv[1], last one first: path, argument, ... */
	uint64_t word[2 * SCRIPT_DEPTH + 1];
	uint32_t nwords;
	uint32_t pad;
	uint64_t argc, envc; /* pointers in vector, without the null ones */
	struct az_exec state;
	struct siginfo pending[AZ_EXEC_PENDING];
	char env[AZ_EXEC_WORD];
	uint64_t vector[]; /* argv, envp */
};

/* --- the file --- */

/* Somebody has the file open for writing, as far as Linux tells us. */
static bool is_busy(int fd)
{
	long r =
	    host_call(AZ_SYS_fcntl, (uint64_t)fd, F_SETLEASE, F_RDLCK, 0, 0, 0);

	if (!r)
		host_call(AZ_SYS_fcntl, (uint64_t)fd, F_SETLEASE, F_UNLCK, 0, 0,
			  0);
	return r == -EAGAIN;
}

static long look_at(struct image *im)
{
	struct stat st;
	long r = host_call(AZ_SYS_fstat, (uint64_t)im->fd, (uint64_t)&st, 0, 0,
			   0, 0);

	if (r)
		return r;
	if ((st.st_mode & MODE_TYPE) != MODE_REGULAR)
		return -EACCES;
	r = host_call(AZ_SYS_faccessat2, (uint64_t)im->fd, (uint64_t) "", X_OK,
		      AT_EMPTY_PATH | AT_EACCESS, 0, 0);
	if (!r && is_busy(im->fd))
		r = -ETXTBSY;
	if (r)
		return r;
	im->size = (uint64_t)st.st_size;
	r = host_call(AZ_SYS_pread64, (uint64_t)im->fd, (uint64_t)im->head,
		      sizeof(im->head), 0, 0, 0);
	im->head_len = r < 0 ? 0 : (size_t)r;
	return r < 0 ? r : 0;
}

/* Another file in place of the present one. r: what opening it gave. */
static long take(struct image *im, long r)
{
	if (r < 0)
		return r;
	if (im->fd >= 0)
		host_call(AZ_SYS_close, (uint64_t)im->fd, 0, 0, 0, 0, 0);
	im->fd = (int)r;
	return look_at(im);
}

static long open_named(const char *path)
{
	return host_call(AZ_SYS_openat, (uint64_t)AT_FDCWD, (uint64_t)path,
			 OPEN_FLAGS, 0, 0, 0);
}

/* The program as execveat names it. */
static long open_program(struct image *im, int dirfd, uint64_t upath, int flags)
{
	uint64_t at[6] = { (uint64_t)dirfd, upath, OPEN_FLAGS };
	char proc[32];
	long n;

	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	n = user_string(im->path, upath, sizeof(im->path));
	if (n < 0)
		return n;
	if (!n && !(flags & AT_EMPTY_PATH))
		return -ENOENT;
	if (!n) {
		fmt_format(proc, sizeof(proc), "/proc/self/fd/%d", dirfd);
		fmt_format(im->path, sizeof(im->path), "/dev/fd/%d", dirfd);
		if (fd_hidden((uint32_t)dirfd))
			return -EBADF;
		n = open_named(proc);
		return take(im, n == -ENOENT ? -EBADF : n);
	}
	if (flags & AT_SYMLINK_NOFOLLOW)
		at[2] |= O_NOFOLLOW;
	n = syscall_run(AZ_SYS_openat, at);
	if (*im->path != '/' && dirfd != AT_FDCWD) {
		long len = user_string(im->head, upath, 2048);

		fmt_format(im->path, sizeof(im->path), "/dev/fd/%d/%s", dirfd,
			   len < 0 ? "" : im->head);
	}
	return take(im, n);
}

/* --- "#!" --- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char *word_end(char *s)
{
	while (*s && !is_blank(*s))
		s++;
	return s;
}

static char *skip_blanks(char *s)
{
	while (is_blank(*s))
		s++;
	return s;
}

static void push(struct image *im, const char *word)
{
	im->word[im->nwords++] = (uint64_t)word;
}

/*
 * The head is a script's: its interpreter takes its place, as in Linux's
 * fs/binfmt_script.c.
 */
static long follow_script(struct image *im)
{
	char *line, *name, *arg, *end;
	size_t n = MIN(im->head_len, (size_t)SCRIPT_HEAD - 1);

	if (im->depth == SCRIPT_DEPTH)
		return -ELOOP;
	line = im->line[im->depth];
	memcpy(line, im->head, n);
	line[n] = '\0';
	for (end = line; *end && *end != '\n'; end++)
		;
	name = skip_blanks(line + 2);
	/* Cut off by the end of the buffer: in the name it must not be. */
	if (!*end && im->head_len >= SCRIPT_HEAD && !*word_end(name))
		return -ENOEXEC;
	*end = '\0';
	while (end > name && is_blank(end[-1]))
		*--end = '\0';
	if (!*name)
		return -ENOEXEC;
	arg = word_end(name);
	if (*arg)
		*arg++ = '\0';
	arg = skip_blanks(arg);
	if (!im->depth) /* else the name of what is being read is there */
		push(im, im->path);
	if (*arg)
		push(im, arg);
	push(im, name);
	im->depth++;
	return take(im, open_named(name));
}

/* --- ELF --- */

static long parse_elf(struct image *im)
{
	long r = elf_parse(im->head, im->head_len, im->size, &im->elf);

	if (r == -ERANGE) {
		uint64_t len = (uint64_t)im->elf.phnum * ELF_PHDR_SIZE;

		r = host_call(AZ_SYS_pread64, (uint64_t)im->fd,
			      (uint64_t)im->head, MIN(len, sizeof(im->head)),
			      im->elf.phoff, 0, 0);
		if (r >= 0)
			r = elf_parse_phdrs(im->head, (size_t)r, im->size,
					    &im->elf);
	}
	return r;
}

/* The interpreter: there, and one. im's own file stays open in *keep. */
static long check_interp(struct image *im)
{
	struct elf_info *e = &im->elf;
	int keep = im->fd;
	long r;

	if (!e->interp_size)
		return 0;
	r = host_call(AZ_SYS_pread64, (uint64_t)im->fd, (uint64_t)im->interp,
		      MIN(e->interp_size, ELF_PATH_MAX), e->interp_off, 0, 0);
	if (r != (long)e->interp_size ||
	    elf_parse_interp(im->interp, e->interp_size, e))
		return -ENOEXEC;
	im->fd = -1;
	r = take(im, open_named(im->interp));
	if (!r && parse_elf(im))
		r = -ELIBBAD;
	if (im->fd >= 0)
		host_call(AZ_SYS_close, (uint64_t)im->fd, 0, 0, 0, 0, 0);
	im->fd = keep;
	return r;
}

/* im->fd is open on the ELF file that is to run, or there is an error. */
static long find(struct image *im, int dirfd, uint64_t upath, int flags)
{
	long r = open_program(im, dirfd, upath, flags);

	while (!r && im->head_len >= 2 && im->head[0] == '#' &&
	       im->head[1] == '!')
		r = follow_script(im);
	if (!r)
		r = parse_elf(im);
	return r ? r : check_interp(im);
}

/* --- arguments and environment --- */

/* How many pointers there are at uaddr, which may be 0. */
static long count(uint64_t uaddr)
{
	uint64_t n = 0, p;

	if (!uaddr)
		return 0;
	for (;; n++) {
		if (copy_from_user(&p, uaddr + n * 8, 8))
			return -EFAULT;
		if (!p)
			return (long)n;
		if (n * 8 >= STRINGS_MAX)
			return -E2BIG;
		if (p >= AZ_GUEST_END)
			return -EFAULT;
	}
}

static char *put_hex(char *s, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (; n; n--, p++) {
		*s++ = DIGIT(*p & 15);
		*s++ = DIGIT(*p >> 4);
	}
	return s;
}

static void state_fill(struct image *im)
{
	struct thread *t = thread_self();
	struct az_exec *x = &im->state;

	x->magic = AZ_EXEC_MAGIC;
	x->size = sizeof(*x);
	x->pid = core_self()->up;
	x->plat = BOOT->plat;
	x->ncores = BOOT->ncores;
	x->offload = BOOT->offload;
	x->flags = BOOT->flags;
	if (core_self()->vfork)
		x->flags |= AZ_BOOT_CHILD;
	x->exe_fd = im->fd;
	x->trace_fd = BOOT->trace_fd;
	x->mem_bytes = BOOT->mem_bytes;
	memcpy(x->name, BOOT->name, sizeof(x->name));
	memcpy(x->host_cpu, BOOT->host_cpu, sizeof(x->host_cpu));
	for (uint32_t i = 0; i < AZ_NRLIMITS; i++)
		x->rlimit[i] = limits_get(i);
	inbox_drain();
	x->npending = signal_carry(im->pending, AZ_EXEC_PENDING,
				   &x->sig_ignored, &x->sig_blocked);
	x->carry = (struct az_carry){
		.valid = 1,
		.npending = x->npending,
		.nice = t->nice,
		.policy = t->policy,
		.rt_priority = t->rt_priority,
	};
	memcpy(x->carry.affinity, t->affinity, sizeof(t->affinity));
	if (!core_self()->vfork) /* its timers are its parent's */
		itimer_carry(x->carry.itimer);
}

static void env_fill(struct image *im)
{
	char *s = im->env;

	memcpy(s, AZ_EXEC_ENV, sizeof(AZ_EXEC_ENV) - 1);
	s += sizeof(AZ_EXEC_ENV) - 1;
	s = put_hex(s, &im->state, sizeof(im->state));
	s = put_hex(s, im->pending,
		    im->state.npending * sizeof(struct siginfo));
	*s++ = ':';
	memcpy(s, im->path, strlen(im->path) + 1);
}

/* Both vectors, one behind the other. *envp: the second. 0 or -EFAULT. */
static int vectors_fill(struct image *im, uint64_t uargv, uint64_t argc,
			uint64_t uenvp, uint64_t envc, uint64_t **envp)
{
	uint64_t *v = im->vector;
	uint64_t skip = im->nwords ? 1 : 0; /* argv[0] */

	for (uint32_t i = im->nwords; i > 0; i--)
		*v++ = im->word[i - 1];
	if (argc > skip) {
		argc -= skip;
		if (copy_from_user(v, uargv + 8 * skip, 8 * argc))
			return -EFAULT;
		v += argc;
	}
	im->argc = (uint64_t)(v - im->vector);
	im->envc = envc + 1;
	*v++ = 0;
	*envp = v;
	*v++ = (uint64_t)im->env;
	if (envc && copy_from_user(v, uenvp, 8 * envc))
		return -EFAULT;
	v[envc] = 0;
	return 0;
}

/* --- the step --- */

/* The same, as the core's thread does it: abi/metal.h. */
static long step_by_thread(const struct image *im)
{
	const uint64_t a[6] = { (uint64_t)im->fd, im->argc, im->envc,
				(uint64_t)im->vector };
	long r = mon_direct_now(AZ_SYS_execveat, a);

	vfork_look();
	return r;
}

/*
 * This thread becomes the owner's main thread: it may run where that may, and
 * a kick must not end it before there is a handler.
 */
static long step(const struct image *im, const uint64_t *envp)
{
	uint64_t all[AZ_MAX_CORES / 64] = { 0 },
				    here[AZ_MAX_CORES / 64] = { 0 };
	uint64_t every = ~0ULL, was;
	long r, n;

	if (!mon_direct_ok())
		return step_by_thread(im);
	host_call(AZ_SYS_rt_sigprocmask, SIG_SETMASK, (uint64_t)&every,
		  (uint64_t)&was, 8, 0, 0);
	n = host_call(AZ_SYS_sched_getaffinity, 0, sizeof(here), (uint64_t)here,
		      0, 0, 0);
	r = host_call(AZ_SYS_sched_getaffinity, BOOT->owner_tid, sizeof(all),
		      (uint64_t)all, 0, 0, 0);
	if (r > 0)
		host_call(AZ_SYS_sched_setaffinity, 0, (uint64_t)r,
			  (uint64_t)all, 0, 0, 0);
	host_call(AZ_SYS_fcntl, (uint64_t)im->fd, F_SETFD, 0, 0, 0, 0);
	if (BOOT->trace_fd >= 0)
		host_call(AZ_SYS_fcntl, (uint64_t)BOOT->trace_fd, F_SETFD, 0, 0,
			  0, 0);
	r = host_call(AZ_SYS_execveat, (uint64_t)BOOT->owner_fd, (uint64_t) "",
		      (uint64_t)im->vector, (uint64_t)envp, AT_EMPTY_PATH, 0);
	if (BOOT->trace_fd >= 0)
		host_call(AZ_SYS_fcntl, (uint64_t)BOOT->trace_fd, F_SETFD,
			  FD_CLOEXEC, 0, 0, 0);
	if (n > 0)
		host_call(AZ_SYS_sched_setaffinity, 0, (uint64_t)n,
			  (uint64_t)here, 0, 0, 0);
	host_call(AZ_SYS_rt_sigprocmask, SIG_SETMASK, (uint64_t)&was, 0, 8, 0,
		  0);
	return r;
}

/* The vectors of execve, and how many pointers each has. */
struct vectors {
	uint64_t argv, envp;
	long argc, envc;
};

static long become(struct image *im, const struct vectors *v)
{
	uint64_t *envp;
	long r = vectors_fill(im, v->argv, (uint64_t)v->argc, v->envp,
			      (uint64_t)v->envc, &envp);

	if (r)
		return r;
	state_fill(im);
	env_fill(im);
	if (BOOT->flags & AZ_BOOT_STRACE)
		strace_last(thread_self()->frame,
			    (uint32_t)thread_self()->frame->orig_rax);
	return step(im, envp);
}

static long execute(int dirfd, uint64_t upath, uint64_t uargv, uint64_t uenvp,
		    int flags)
{
	struct vectors v = { .argv = uargv, .envp = uenvp };
	struct vfork *vf = core_self()->vfork;
	struct image *im;
	size_t size;
	long r;

	v.argc = count(uargv);
	v.envc = v.argc < 0 ? v.argc : count(uenvp);
	if (v.envc < 0)
		return v.envc;
	size = sizeof(*im) +
	       ((uint64_t)(v.argc + v.envc) + ARRAY_SIZE(im->word) + 4) * 8;
	im = kalloc_pages(size);
	if (!im)
		return -ENOMEM;
	if (vf) { /* whose memory goes on when this succeeds */
		vf->room = im;
		vf->size = size;
	}
	im->fd = -1;
	r = find(im, dirfd, upath, flags);
	if (!r)
		r = become(im, &v);
	if (im->fd >= 0)
		host_call(AZ_SYS_close, (uint64_t)im->fd, 0, 0, 0, 0, 0);
	if (vf)
		vf->room = NULL;
	kfree_pages(im, size);
	return r;
}

long sys_execve(const uint64_t a[6])
{
	return execute(AT_FDCWD, a[0], a[1], a[2], 0);
}

long sys_execveat(const uint64_t a[6])
{
	return execute((int)a[0], a[1], a[2], a[3], (int)a[4]);
}
