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
#include "core.h"
#include "lib/string.h"
#include "lib/user.h"
#include "sched/thread.h"
#include "sys/dispatch.h"
#include "sys/strace_show.h"
#include "sys/sys.h"

#define LEAST_ADDR 0x10000 /* below: no address */

/* One call as it is being printed. */
struct trace {
	struct line *line;
	const struct az_call_desc *desc;
	uint64_t a[6];
	long result;
	bool done; /* result and what Linux wrote are there */
};

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
		show_sockaddr(t->line, p, (uint32_t)n);
	else if (arg->fmt)
		show_array(t->line, arg->fmt, p, n, arg->size);
	else if (arg->size == 1)
		show_bytes(t->line, p, n);
	else if (arg->size == 4)
		show_array(t->line, AZ_FMT_INTS, p, n, 4);
	else
		show_ptr(t->line, p);
}

static void put_lenptr(const struct trace *t, const struct az_arg *arg,
		       uint64_t p)
{
	uint32_t n;

	if (user_load_32(&n, t->a[arg->len]))
		show_ptr(t->line, p);
	else if (arg->fmt == AZ_FMT_SOCKADDR)
		show_sockaddr(t->line, p, n);
	else if (n == 4)
		show_array(t->line, AZ_FMT_INTS, p, 1, 4);
	else
		show_bytes(t->line, p, n);
}

/* A struct, or as many ints as its size holds. */
static void put_whole(const struct trace *t, const struct az_arg *arg,
		      uint64_t p)
{
	if (arg->fmt == AZ_FMT_INTS || arg->size == 4)
		show_array(t->line, AZ_FMT_INTS, p, arg->size / 4, 4);
	else if (arg->fmt)
		show_elem(t->line, arg->fmt, p, arg->size);
	else
		show_ptr(t->line, p);
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
		show_ptr(l, p);
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
		show_iov(l, p, counter(t, arg), bytes);
		break;
	case AZ_ARG_MSG_IN:
	case AZ_ARG_MSG_OUT:
		show_msg(l, p, bytes);
		break;
	case AZ_ARG_STRVEC:
		show_strvec(l, p);
		break;
	case AZ_ARG_FDSET:
		show_fdset(l, p, (int)t->a[arg->len]);
		break;
	default:
		show_ptr(l, p);
	}
}

static void put_named(const struct trace *t, const struct az_arg *arg,
		      uint32_t v)
{
	const struct flag_set *set = flag_set_find(arg->fmt);

	if (!set)
		show_hex(t->line, v);
	else if (arg->fmt == AZ_FMT_CLONE && v & 0xff) {
		show_flags(t->line, set, v & ~0xffU);
		line_put(t->line, "|");
		show_signal(t->line, v & 0xff);
	} else
		show_flags(t->line, set, v);
}

static void put_arg(const struct trace *t, const struct az_arg *arg, uint64_t v)
{
	struct line *l = t->line;

	switch (arg->kind) {
	case AZ_ARG_INT:
	case AZ_ARG_FD:
	case AZ_ARG_PID:
		show_signed(l, (int32_t)v);
		break;
	case AZ_ARG_UINT:
		line_put(l, "%u", (uint32_t)v);
		break;
	case AZ_ARG_LONG:
		show_signed(l, (int64_t)v);
		break;
	case AZ_ARG_ULONG:
		line_put(l, "%llu", (unsigned long long)v);
		break;
	case AZ_ARG_DIRFD:
		if ((int32_t)v == AT_FDCWD)
			line_put(l, "AT_FDCWD");
		else
			show_signed(l, (int32_t)v);
		break;
	case AZ_ARG_PATH:
		show_string(l, v, 256);
		break;
	case AZ_ARG_STR:
		show_string(l, v, STR_MAX + 1);
		break;
	case AZ_ARG_MODE:
		line_put(l, "%#o", (uint32_t)v);
		break;
	case AZ_ARG_FLAGS:
		put_named(t, arg, (uint32_t)v);
		break;
	case AZ_ARG_SIG:
		show_signal(l, (uint32_t)v);
		break;
	case AZ_ARG_ADDR:
		show_ptr(l, v);
		break;
	case AZ_ARG_HEX:
	case AZ_ARG_SPECIAL:
		show_hex(l, v);
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

	line_put(l, "[%d] ", thread_self()->tid);
	if (t->desc->class == AZ_CLASS_NONE) {
		line_put(l, "syscall_%u(0x%llx, ...", nr,
			 (unsigned long long)t->a[0]);
	} else {
		line_put(l, "%s(", t->desc->name);
	}
	for (unsigned int i = 0; i < t->desc->nargs; i++) {
		if (arg_is_unused(t, i))
			break;
		line_put(l, i ? ", " : "");
		put_arg(t, &t->desc->arg[i], t->a[i]);
	}
	l->max = LINE_MAX;
	if (l->len == LINE_MAX - LINE_TAIL - 1)
		line_put(l, "...");
	line_put(l, ")");
}

static void put_result(struct line *l, uint32_t nr, long result)
{
	const char *name;

	if (result < 0 && result >= -4095) {
		name = errno_name((uint32_t)-result);
		if (name)
			line_put(l, " = %s %s",
				 result <= -ERESTARTSYS ? "?" : "-1", name);
		else
			line_put(l, " = %ld", result);
		return;
	}
	switch (nr) {
	case AZ_SYS_mmap:
	case AZ_SYS_mremap:
	case AZ_SYS_brk:
	case AZ_SYS_shmat:
		line_put(l, " = 0x%lx", (unsigned long)result);
		break;
	default:
		line_put(l, " = %ld", result);
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
	host_call(AZ_SYS_write, (uint64_t)BOOT->trace_fd, (uint64_t)l->buf,
		  l->len, 0, 0, 0);
}

void strace_enter(const struct az_frame *args, uint32_t nr)
{
	if (nr == AZ_SYS_exit || nr == AZ_SYS_exit_group ||
	    nr == AZ_SYS_rt_sigreturn)
		strace_last(args, nr);
}

void strace_last(const struct az_frame *args, uint32_t nr)
{
	struct line line;
	struct trace t = { .result = -1 };

	trace_begin(&t, &line, args, nr);
	put_call(&t, nr);
	line_put(&line, " = ?\n");
	line_write(&line);
}

void strace_call(const struct az_frame *args, uint32_t nr, long result,
		 const char *class, uint64_t ns, bool trapped)
{
	struct line line;
	struct trace t = { .result = result };

	if (nr == AZ_SYS_rt_sigreturn)
		return; /* strace_enter has told */
	t.done = result >= 0 || result < -4095;
	trace_begin(&t, &line, args, nr);
	put_call(&t, nr);
	put_result(&line, nr, result);
	line_put(&line, " <%s> %llu.%lluus%s\n", class,
		 (unsigned long long)ns / 1000,
		 (unsigned long long)ns % 1000 / 100, trapped ? " trap" : "");
	line_write(&line);
}
