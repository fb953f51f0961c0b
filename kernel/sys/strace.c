/* SPDX-License-Identifier: MIT */
/*
 * strace.c - one line of text for each system call, decoded by the table.
 *
 * A line is built on the stack and written by one host call, so that lines of
 * several cores do not mix. What Linux wrote is shown as it is after the call,
 * and so is what it read: another thread may have changed it meanwhile.
 */
#include "sys/strace.h"

#include <linux/fcntl.h>

#include "calls.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/user.h"
#include "sched/thread.h"
#include "sys/dispatch.h"
#include "sys/strace_names.h"
#include "sys/sys.h"

#define LINE_MAX   1024
#define LINE_TAIL  96 /* kept for the result */
#define STR_MAX    32 /* bytes shown of a string or buffer, as strace(1) */
#define ELEMS_MAX  8  /* elements shown of an array */
#define LEAST_ADDR 0x10000

struct line {
	size_t len, max;
	char buf[LINE_MAX];
};

/* One call as it is being printed. */
struct trace {
	struct line *line;
	const struct az_call_desc *desc;
	uint64_t a[6];
	long result;
	bool done; /* result and what Linux wrote are there */
};

static void __attribute__((format(printf, 2, 3)))
put(struct line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	l->len += fmt_vformat(l->buf + l->len, l->max - l->len, fmt, ap);
	va_end(ap);
	if (l->len >= l->max)
		l->len = l->max - 1;
}

static void put_signed(struct line *l, int64_t v)
{
	put(l, "%lld", (long long)v);
}

static void put_hex(struct line *l, uint64_t v)
{
	put(l, v ? "0x%llx" : "0", (unsigned long long)v);
}

static void put_ptr(struct line *l, uint64_t p)
{
	if (p)
		put_hex(l, p);
	else
		put(l, "NULL");
}

static void put_flags(struct line *l, const struct flag_set *set, uint32_t v)
{
	const char *name = flag_name_find(set, v & set->choice);
	const char *sep = "";
	uint32_t rest = v;

	if (name && (set->choice || !v)) {
		put(l, "%s%s", set->prefix, name);
		rest &= ~set->choice;
		sep = "|";
	}
	for (uint32_t i = 0; i < set->count; i++) {
		uint32_t bits = set->names[i].value;

		if (!bits || bits & set->choice || (rest & bits) != bits)
			continue;
		put(l, "%s%s%s", sep, set->prefix, set->names[i].name);
		rest &= ~bits;
		sep = "|";
	}
	if (rest)
		put(l, "%s0x%x", sep, rest);
	else if (!*sep)
		put(l, "0");
}

static void put_signal(struct line *l, uint32_t sig)
{
	const char *name = signal_name(sig);

	if (name)
		put(l, "SIG%s", name);
	else if (sig >= 32 && sig <= NSIG)
		put(l, "SIGRT_%u", sig - 32);
	else
		put(l, "%d", (int)sig);
}

static void put_sigset(struct line *l, uint64_t set)
{
	uint32_t members = 0;
	const char *sep = "";
	bool most;

	for (uint64_t rest = set; rest; rest &= rest - 1)
		members++;
	most = members > NSIG / 2;
	if (most)
		set = ~set;
	put(l, most ? "~[" : "[");
	for (uint32_t sig = 1; sig <= NSIG; sig++) {
		if (!(set & SIGBIT(sig)))
			continue;
		if (signal_name(sig))
			put(l, "%s%s", sep, signal_name(sig));
		else
			put(l, "%sRT_%u", sep, sig - 32);
		sep = " ";
	}
	put(l, "]");
}

static void put_char(struct line *l, unsigned char c)
{
	const char *from = "\n\t\r\v\f\"\\", *to = "ntrvf\"\\";
	const char *at = c ? strchr(from, c) : NULL;

	if (at)
		put(l, "\\%c", to[at - from]);
	else if (c >= ' ' && c < 0x7f)
		put(l, "%c", c);
	else
		put(l, "\\%03o", c);
}

/* A buffer of n bytes at p. */
static void put_bytes(struct line *l, uint64_t p, uint64_t n)
{
	unsigned char buf[STR_MAX];
	size_t shown = n < STR_MAX ? n : STR_MAX;

	if (!p || copy_from_user(buf, p, shown)) {
		put_ptr(l, p);
		return;
	}
	put(l, "\"");
	for (size_t i = 0; i < shown; i++)
		put_char(l, buf[i]);
	put(l, n > shown ? "\"..." : "\"");
}

/* A string: paths whole, others up to STR_MAX. */
static void put_string(struct line *l, uint64_t p, size_t max)
{
	char buf[256];
	long n;

	if (max > sizeof(buf))
		max = sizeof(buf);
	n = p ? user_string(buf, p, max) : -EFAULT;
	if (n == -EFAULT) {
		put_ptr(l, p);
		return;
	}
	put(l, "\"");
	for (size_t i = 0; i < (n < 0 ? max - 1 : (size_t)n); i++)
		put_char(l, (unsigned char)buf[i]);
	put(l, n < 0 ? "\"..." : "\"");
}

static void put_strvec(struct line *l, uint64_t p)
{
	uint64_t s;

	put(l, "[");
	for (unsigned int i = 0;; i++, p += sizeof(s)) {
		if (copy_from_user(&s, p, sizeof(s)) || !s)
			break;
		put(l, i ? ", " : "");
		if (i == ELEMS_MAX) {
			put(l, "...");
			break;
		}
		put_string(l, s, STR_MAX + 1);
	}
	put(l, "]");
}

static void put_sockaddr(struct line *l, uint64_t p, uint32_t len)
{
	uint8_t b[128] = { 0 };
	uint16_t family;

	if (len > sizeof(b))
		len = sizeof(b);
	if (len < sizeof(family) || copy_from_user(b, p, len)) {
		put_ptr(l, p);
		return;
	}
	memcpy(&family, b, sizeof(family));
	put(l, "{sa_family=");
	put_flags(l, flag_set_find(AZ_FMT_AF), family);
	switch (family) {
	case 1:
		if (len > 2 && !b[2])
			put(l, ", sun_path=@");
		else
			put(l, ", sun_path=");
		p += 2 + (len > 2 && !b[2]);
		put_bytes(l, p, strnlen((char *)b + 2 + !b[2], sizeof(b) - 3));
		break;
	case 2:
		put(l, ", sin_port=%u, sin_addr=%u.%u.%u.%u",
		    (uint32_t)b[2] << 8 | b[3], b[4], b[5], b[6], b[7]);
		break;
	case 10:
		put(l,
		    ", sin6_port=%u, sin6_addr=", (uint32_t)b[2] << 8 | b[3]);
		for (int i = 8; i < 24; i += 2)
			put(l, "%s%x", i > 8 ? ":" : "",
			    (uint32_t)b[i] << 8 | b[i + 1]);
		break;
	}
	put(l, "}");
}

static void put_sigaction(struct line *l, const uint64_t v[4])
{
	put(l, "{sa_handler=");
	if (v[0] <= 1)
		put(l, v[0] ? "SIG_IGN" : "SIG_DFL");
	else
		put_hex(l, v[0]);
	put(l, ", sa_mask=");
	put_sigset(l, v[3]);
	put(l, ", sa_flags=");
	put_flags(l, &sigaction_flags, (uint32_t)v[1]);
	put(l, "}");
}

static void put_limit(struct line *l, uint64_t v)
{
	if (v == UINT64_MAX)
		put(l, "RLIM64_INFINITY");
	else
		put(l, "%llu", (unsigned long long)v);
}

static void put_time(struct line *l, const uint64_t v[2], const char *part)
{
	put(l, "{tv_sec=%lld, tv_%s=%lld}", (long long)v[0], part,
	    (long long)v[1]);
}

static void put_interval(struct line *l, const uint64_t v[4], const char *part)
{
	put(l, "{it_interval=");
	put_time(l, v, part);
	put(l, ", it_value=");
	put_time(l, v + 2, part);
	put(l, "}");
}

static void put_mode(struct line *l, const char *name, uint32_t mode)
{
	put(l, "{%s=", name);
	put_flags(l, &file_types, mode & 0170000);
	put(l, "|%04o", mode & 07777);
}

/* Of struct stat: st_mode at 24, st_size at 48. */
static void put_stat(struct line *l, const uint64_t v[7])
{
	put_mode(l, "st_mode", (uint32_t)v[3]);
	put(l, ", st_size=%lld, ...}", (long long)v[6]);
}

/* Of struct statx: stx_mode at 28 (16 bits), stx_size at 40. */
static void put_statx(struct line *l, const uint64_t v[6])
{
	put_mode(l, "stx_mode", (uint32_t)(v[3] >> 32) & 0xffff);
	put(l, ", stx_size=%lld, ...}", (long long)v[5]);
}

/* The struct of format fmt whose first bytes are in v. */
static void put_struct(struct line *l, uint32_t fmt, const uint64_t v[8],
		       uint64_t p)
{
	switch (fmt) {
	case AZ_FMT_TIMESPEC:
		put_time(l, v, "nsec");
		break;
	case AZ_FMT_TIMEVAL:
		put_time(l, v, "usec");
		break;
	case AZ_FMT_STAT:
		put_stat(l, v);
		break;
	case AZ_FMT_STATX:
		put_statx(l, v);
		break;
	case AZ_FMT_SIGSET:
		put_sigset(l, v[0]);
		break;
	case AZ_FMT_SIGACTION:
		put_sigaction(l, v);
		break;
	case AZ_FMT_RLIMITS:
		put(l, "{rlim_cur=");
		put_limit(l, v[0]);
		put(l, ", rlim_max=");
		put_limit(l, v[1]);
		put(l, "}");
		break;
	case AZ_FMT_UTSNAME:
		put(l, "{sysname=");
		put_string(l, p, STR_MAX);
		put(l, ", nodename=");
		put_string(l, p + 65, STR_MAX);
		put(l, ", ...}");
		break;
	case AZ_FMT_ITIMER:
		put_interval(l, v, "usec");
		break;
	case AZ_FMT_ITIMERSPEC:
		put_interval(l, v, "nsec");
		break;
	case AZ_FMT_POLLFD:
		put(l, "{fd=%d, events=", (int)v[0]);
		put_flags(l, &poll_events, (uint16_t)(v[0] >> 32));
		put(l, ", revents=");
		put_flags(l, &poll_events, (uint16_t)(v[0] >> 48));
		put(l, "}");
		break;
	case AZ_FMT_EPOLLEV:
		put(l, "{events=");
		put_flags(l, &poll_events, (uint32_t)v[0]);
		put(l, ", data=0x%llx}",
		    (unsigned long long)(v[0] >> 32 | v[1] << 32));
		break;
	case AZ_FMT_INTS:
		put(l, "%d", (int)v[0]);
		break;
	default:
		put_ptr(l, p);
	}
}

/* One struct or array element in program memory. */
static void put_elem(struct line *l, uint32_t fmt, uint64_t p, size_t size)
{
	uint64_t v[8] = { 0 };

	if (copy_from_user(v, p, size < sizeof(v) ? size : sizeof(v)))
		put_ptr(l, p);
	else
		put_struct(l, fmt, v, p);
}

static void put_array(struct line *l, uint32_t fmt, uint64_t p, uint64_t n,
		      size_t size)
{
	put(l, "[");
	for (uint64_t i = 0; i < n; i++) {
		put(l, i ? ", " : "");
		if (i == ELEMS_MAX) {
			put(l, "...");
			break;
		}
		put_elem(l, fmt, p + i * size, size);
	}
	put(l, "]");
}

/* bytes: how many the call moved; what is beyond is not shown. */
static void put_iov(struct line *l, uint64_t p, uint64_t n, uint64_t bytes)
{
	uint64_t v[2];

	put(l, "[");
	for (uint64_t i = 0; i < n; i++) {
		put(l, i ? ", " : "");
		if (i == ELEMS_MAX ||
		    copy_from_user(v, p + i * sizeof(v), sizeof(v))) {
			put(l, "...");
			break;
		}
		put(l, "{iov_base=");
		put_bytes(l, v[0], MIN(v[1], bytes));
		put(l, ", iov_len=%llu}", (unsigned long long)v[1]);
		bytes -= MIN(v[1], bytes);
	}
	put(l, "]");
}

static void put_msg(struct line *l, uint64_t p, uint64_t bytes)
{
	uint64_t v[7];

	if (copy_from_user(v, p, sizeof(v))) {
		put_ptr(l, p);
		return;
	}
	put(l, "{msg_name=");
	if (v[0])
		put_sockaddr(l, v[0], (uint32_t)v[1]);
	else
		put(l, "NULL");
	put(l, ", msg_iov=");
	put_iov(l, v[2], v[3], bytes);
	put(l, ", msg_controllen=%llu, msg_flags=", (unsigned long long)v[5]);
	put_flags(l, flag_set_find(AZ_FMT_MSG), (uint32_t)v[6]);
	put(l, "}");
}

static void put_fdset(struct line *l, uint64_t p, int n)
{
	const char *sep = "";
	uint64_t word = 0;

	put(l, "[");
	for (int fd = 0; fd < n && fd < 1024; fd++) {
		if (fd % 64 == 0 &&
		    copy_from_user(&word, p + (uint64_t)fd / 8, sizeof(word)))
			break;
		if (!(word >> fd % 64 & 1))
			continue;
		put(l, "%s%d", sep, fd);
		sep = " ";
	}
	put(l, "]");
}

static uint64_t counter(const struct trace *t, const struct az_arg *arg)
{
	uint64_t n = t->a[arg->len];

	switch (t->desc->arg[arg->len].kind) {
	case AZ_ARG_INT:
	case AZ_ARG_UINT:
		return (uint32_t)n;
	default:
		return n;
	}
}

/* A counted buffer or array of structs. */
static void put_buffer(const struct trace *t, const struct az_arg *arg,
		       uint64_t p)
{
	uint64_t n = counter(t, arg);

	if (arg->kind == AZ_ARG_OUT && (uint64_t)t->result < n)
		n = (uint64_t)t->result;
	if (arg->fmt == AZ_FMT_SOCKADDR)
		put_sockaddr(t->line, p, (uint32_t)n);
	else if (arg->fmt)
		put_array(t->line, arg->fmt, p, n, arg->size);
	else if (arg->size == 1)
		put_bytes(t->line, p, n);
	else if (arg->size == 4)
		put_array(t->line, AZ_FMT_INTS, p, n, 4);
	else
		put_ptr(t->line, p);
}

static void put_lenptr(const struct trace *t, const struct az_arg *arg,
		       uint64_t p)
{
	uint32_t n;

	if (user_load_32(&n, t->a[arg->len]))
		put_ptr(t->line, p);
	else if (arg->fmt == AZ_FMT_SOCKADDR)
		put_sockaddr(t->line, p, n);
	else if (n == 4)
		put_array(t->line, AZ_FMT_INTS, p, 1, 4);
	else
		put_bytes(t->line, p, n);
}

/* A struct, or as many ints as its size holds. */
static void put_whole(const struct trace *t, const struct az_arg *arg,
		      uint64_t p)
{
	if (arg->fmt == AZ_FMT_INTS || arg->size == 4)
		put_array(t->line, AZ_FMT_INTS, p, arg->size / 4, 4);
	else if (arg->fmt)
		put_elem(t->line, arg->fmt, p, arg->size);
	else
		put_ptr(t->line, p);
}

/* Does the call fill this argument, so that a failed one shows nothing? */
static bool arg_is_output(const struct az_arg *arg)
{
	switch (arg->kind) {
	case AZ_ARG_OUT:
	case AZ_ARG_STRUCT_OUT:
	case AZ_ARG_OUT_LENPTR:
	case AZ_ARG_IOV_OUT:
	case AZ_ARG_MSG_OUT:
	case AZ_ARG_MMSG_OUT:
		return true;
	default:
		return false;
	}
}

static void put_pointer(const struct trace *t, const struct az_arg *arg,
			uint64_t p)
{
	struct line *l = t->line;
	uint64_t bytes = UINT64_MAX;

	if (p < LEAST_ADDR || (arg_is_output(arg) && !t->done)) {
		put_ptr(l, p);
		return;
	}
	if (arg_is_output(arg))
		bytes = (uint64_t)t->result;
	switch (arg->kind) {
	case AZ_ARG_IN:
	case AZ_ARG_OUT:
	case AZ_ARG_INOUT:
		put_buffer(t, arg, p);
		break;
	case AZ_ARG_STRUCT_IN:
	case AZ_ARG_STRUCT_OUT:
	case AZ_ARG_STRUCT_INOUT:
		put_whole(t, arg, p);
		break;
	case AZ_ARG_OUT_LENPTR:
		put_lenptr(t, arg, p);
		break;
	case AZ_ARG_IOV_IN:
	case AZ_ARG_IOV_OUT:
		put_iov(l, p, counter(t, arg), bytes);
		break;
	case AZ_ARG_MSG_IN:
	case AZ_ARG_MSG_OUT:
		put_msg(l, p, bytes);
		break;
	case AZ_ARG_STRVEC:
		put_strvec(l, p);
		break;
	case AZ_ARG_FDSET:
		put_fdset(l, p, (int)t->a[arg->len]);
		break;
	default:
		put_ptr(l, p);
	}
}

static void put_named(const struct trace *t, const struct az_arg *arg,
		      uint32_t v)
{
	const struct flag_set *set = flag_set_find(arg->fmt);

	if (!set)
		put_hex(t->line, v);
	else if (arg->fmt == AZ_FMT_CLONE && v & 0xff) {
		put_flags(t->line, set, v & ~0xffU);
		put(t->line, "|");
		put_signal(t->line, v & 0xff);
	} else
		put_flags(t->line, set, v);
}

static void put_arg(const struct trace *t, const struct az_arg *arg, uint64_t v)
{
	struct line *l = t->line;

	switch (arg->kind) {
	case AZ_ARG_INT:
	case AZ_ARG_FD:
	case AZ_ARG_PID:
		put_signed(l, (int32_t)v);
		break;
	case AZ_ARG_UINT:
		put(l, "%u", (uint32_t)v);
		break;
	case AZ_ARG_LONG:
		put_signed(l, (int64_t)v);
		break;
	case AZ_ARG_ULONG:
		put(l, "%llu", (unsigned long long)v);
		break;
	case AZ_ARG_DIRFD:
		if ((int32_t)v == AT_FDCWD)
			put(l, "AT_FDCWD");
		else
			put_signed(l, (int32_t)v);
		break;
	case AZ_ARG_PATH:
		put_string(l, v, 256);
		break;
	case AZ_ARG_STR:
		put_string(l, v, STR_MAX + 1);
		break;
	case AZ_ARG_MODE:
		put(l, "%#o", (uint32_t)v);
		break;
	case AZ_ARG_FLAGS:
		put_named(t, arg, (uint32_t)v);
		break;
	case AZ_ARG_SIG:
		put_signal(l, (uint32_t)v);
		break;
	case AZ_ARG_ADDR:
		put_ptr(l, v);
		break;
	case AZ_ARG_HEX:
	case AZ_ARG_SPECIAL:
		put_hex(l, v);
		break;
	default:
		put_pointer(t, arg, v);
	}
}

/* open's mode means nothing unless a file may be made. */
static bool arg_is_unused(const struct trace *t, unsigned int i)
{
	const struct az_arg *arg = t->desc->arg;

	return i && arg[i].kind == AZ_ARG_MODE &&
	       arg[i - 1].fmt == AZ_FMT_OPEN &&
	       !(t->a[i - 1] & (O_CREAT | __O_TMPFILE));
}

static void put_call(const struct trace *t, uint32_t nr)
{
	struct line *l = t->line;

	put(l, "[%d] ", thread_self()->tid);
	if (t->desc->class == AZ_CLASS_NONE) {
		put(l, "syscall_%u(0x%llx, ...", nr,
		    (unsigned long long)t->a[0]);
	} else {
		put(l, "%s(", t->desc->name);
	}
	for (unsigned int i = 0; i < t->desc->nargs; i++) {
		if (arg_is_unused(t, i))
			break;
		put(l, i ? ", " : "");
		put_arg(t, &t->desc->arg[i], t->a[i]);
	}
	l->max = LINE_MAX;
	if (l->len == LINE_MAX - LINE_TAIL - 1)
		put(l, "...");
	put(l, ")");
}

static void put_result(struct line *l, uint32_t nr, long result)
{
	const char *name;

	if (result < 0 && result >= -4095) {
		name = errno_name((uint32_t)-result);
		if (name)
			put(l, " = %s %s", result <= -ERESTARTSYS ? "?" : "-1",
			    name);
		else
			put(l, " = %ld", result);
		return;
	}
	switch (nr) {
	case AZ_SYS_mmap:
	case AZ_SYS_mremap:
	case AZ_SYS_brk:
	case AZ_SYS_shmat:
		put(l, " = 0x%lx", (unsigned long)result);
		break;
	default:
		put(l, " = %ld", result);
	}
}

static void trace_begin(struct trace *t, struct line *l,
			const struct az_frame *f, uint32_t nr)
{
	const uint64_t a[6] = { f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9 };

	l->len = 0;
	l->max = LINE_MAX - LINE_TAIL;
	t->line = l;
	t->desc = call_desc(nr);
	memcpy(t->a, a, sizeof(a));
}

static void line_write(const struct line *l)
{
	host_call(AZ_SYS_write, 2, (uint64_t)l->buf, l->len, 0, 0, 0);
}

void strace_enter(const struct az_frame *args, uint32_t nr)
{
	struct line line;
	struct trace t = { .result = -1 };

	if (nr != AZ_SYS_exit && nr != AZ_SYS_exit_group &&
	    nr != AZ_SYS_rt_sigreturn)
		return;
	trace_begin(&t, &line, args, nr);
	put_call(&t, nr);
	put(&line, " = ?\n");
	line_write(&line);
}

void strace_call(const struct az_frame *args, uint32_t nr, long result,
		 const char *class, uint64_t ns)
{
	struct line line;
	struct trace t = { .result = result };

	if (nr == AZ_SYS_rt_sigreturn)
		return; /* strace_enter has told */
	t.done = result >= 0 || result < -4095;
	trace_begin(&t, &line, args, nr);
	put_call(&t, nr);
	put_result(&line, nr, result);
	put(&line, " <%s> %llu.%lluus\n", class, (unsigned long long)ns / 1000,
	    (unsigned long long)ns % 1000 / 100);
	line_write(&line);
}
