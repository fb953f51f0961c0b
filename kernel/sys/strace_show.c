/* SPDX-License-Identifier: MIT */
/*
 * strace_show.c - text for values and for what stands in program memory.
 *
 * Without state; program memory is read only through lib/user.h.
 */
#include "sys/strace_show.h"

#include "call.h"
#include "lib/errno.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/user.h"
#include "sys/signal.h"

/* <sys/socket.h> */
#define AF_UNIX  1
#define AF_INET  2
#define AF_INET6 10

void line_put(struct line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	l->len += fmt_vformat(l->buf + l->len, l->max - l->len, fmt, ap);
	va_end(ap);
	if (l->len >= l->max)
		l->len = l->max - 1;
}

void show_signed(struct line *l, int64_t v)
{
	line_put(l, "%lld", (long long)v);
}

void show_hex(struct line *l, uint64_t v)
{
	line_put(l, v ? "0x%llx" : "0", (unsigned long long)v);
}

void show_ptr(struct line *l, uint64_t p)
{
	if (p)
		show_hex(l, p);
	else
		line_put(l, "NULL");
}

void show_flags(struct line *l, const struct flag_set *set, uint32_t v)
{
	const char *name = flag_name_find(set, v & set->choice);
	const char *sep = "";
	uint32_t rest = v;

	if (name && (set->choice || !v)) {
		line_put(l, "%s%s", set->prefix, name);
		rest &= ~set->choice;
		sep = "|";
	}
	for (uint32_t i = 0; i < set->count; i++) {
		uint32_t bits = set->names[i].value;

		if (!bits || bits & set->choice || (rest & bits) != bits)
			continue;
		line_put(l, "%s%s%s", sep, set->prefix, set->names[i].name);
		rest &= ~bits;
		sep = "|";
	}
	if (rest)
		line_put(l, "%s0x%x", sep, rest);
	else if (!*sep)
		line_put(l, "0");
}

void show_signal(struct line *l, uint32_t sig)
{
	const char *name = signal_name(sig);

	if (name)
		line_put(l, "SIG%s", name);
	else if (sig >= 32 && sig <= NSIG)
		line_put(l, "SIGRT_%u", sig - 32);
	else
		line_put(l, "%d", (int)sig);
}

static void show_sigset(struct line *l, uint64_t set)
{
	uint32_t members = 0;
	const char *sep = "";
	bool most;

	for (uint64_t rest = set; rest; rest &= rest - 1)
		members++;
	most = members > NSIG / 2;
	if (most)
		set = ~set;
	line_put(l, most ? "~[" : "[");
	for (uint32_t sig = 1; sig <= NSIG; sig++) {
		if (!(set & SIGBIT(sig)))
			continue;
		if (signal_name(sig))
			line_put(l, "%s%s", sep, signal_name(sig));
		else
			line_put(l, "%sRT_%u", sep, sig - 32);
		sep = " ";
	}
	line_put(l, "]");
}

static void show_char(struct line *l, unsigned char c)
{
	const char *from = "\n\t\r\v\f\"\\", *to = "ntrvf\"\\";
	const char *at = c ? strchr(from, c) : NULL;

	if (at)
		line_put(l, "\\%c", to[at - from]);
	else if (c >= ' ' && c < 0x7f)
		line_put(l, "%c", c);
	else
		line_put(l, "\\%03o", c);
}

/* A buffer of n bytes at p. */
void show_bytes(struct line *l, uint64_t p, uint64_t n)
{
	unsigned char buf[STR_MAX];
	size_t shown = n < STR_MAX ? n : STR_MAX;

	if (!p || copy_from_user(buf, p, shown)) {
		show_ptr(l, p);
		return;
	}
	line_put(l, "\"");
	for (size_t i = 0; i < shown; i++)
		show_char(l, buf[i]);
	line_put(l, n > shown ? "\"..." : "\"");
}

/* A string: paths whole, others up to STR_MAX. */
void show_string(struct line *l, uint64_t p, size_t max)
{
	char buf[256];
	long n;

	if (max > sizeof(buf))
		max = sizeof(buf);
	n = p ? user_string(buf, p, max) : -EFAULT;
	if (n == -EFAULT) {
		show_ptr(l, p);
		return;
	}
	line_put(l, "\"");
	for (size_t i = 0; i < (n < 0 ? max - 1 : (size_t)n); i++)
		show_char(l, (unsigned char)buf[i]);
	line_put(l, n < 0 ? "\"..." : "\"");
}

void show_strvec(struct line *l, uint64_t p)
{
	uint64_t s;

	line_put(l, "[");
	for (unsigned int i = 0;; i++, p += sizeof(s)) {
		if (copy_from_user(&s, p, sizeof(s)) || !s)
			break;
		line_put(l, i ? ", " : "");
		if (i == ELEMS_MAX) {
			line_put(l, "...");
			break;
		}
		show_string(l, s, STR_MAX + 1);
	}
	line_put(l, "]");
}

/* b: the address, copied from p and zeroed beyond len. */
static void show_sun_path(struct line *l, const uint8_t *b, uint64_t p,
			  uint32_t len)
{
	bool abstract = len > 3 && !b[2];

	if (len <= 2)
		return; /* without a name */
	line_put(l, abstract ? ", sun_path=@" : ", sun_path=");
	if (abstract)
		show_bytes(l, p + 3, len - 3);
	else
		show_bytes(l, p + 2, strnlen((const char *)b + 2, len - 2));
}

void show_sockaddr(struct line *l, uint64_t p, uint32_t len)
{
	uint8_t b[128] = { 0 };
	uint16_t family;

	if (len > sizeof(b))
		len = sizeof(b);
	if (len < sizeof(family) || copy_from_user(b, p, len)) {
		show_ptr(l, p);
		return;
	}
	memcpy(&family, b, sizeof(family));
	line_put(l, "{sa_family=");
	show_flags(l, flag_set_find(AZ_FMT_AF), family);
	switch (family) {
	case AF_UNIX:
		show_sun_path(l, b, p, len);
		break;
	case AF_INET:
		line_put(l, ", sin_port=%u, sin_addr=%u.%u.%u.%u",
			 (uint32_t)b[2] << 8 | b[3], b[4], b[5], b[6], b[7]);
		break;
	case AF_INET6:
		line_put(l, ", sin6_port=%u, sin6_addr=",
			 (uint32_t)b[2] << 8 | b[3]);
		for (int i = 8; i < 24; i += 2)
			line_put(l, "%s%x", i > 8 ? ":" : "",
				 (uint32_t)b[i] << 8 | b[i + 1]);
		break;
	}
	line_put(l, "}");
}

static void show_sigaction(struct line *l, const uint64_t v[4])
{
	line_put(l, "{sa_handler=");
	if (v[0] <= 1)
		line_put(l, v[0] ? "SIG_IGN" : "SIG_DFL");
	else
		show_hex(l, v[0]);
	line_put(l, ", sa_mask=");
	show_sigset(l, v[3]);
	line_put(l, ", sa_flags=");
	show_flags(l, &sigaction_flags, (uint32_t)v[1]);
	line_put(l, "}");
}

static void show_limit(struct line *l, uint64_t v)
{
	if (v == UINT64_MAX)
		line_put(l, "RLIM64_INFINITY");
	else
		line_put(l, "%llu", (unsigned long long)v);
}

static void show_time(struct line *l, const uint64_t v[2], const char *part)
{
	line_put(l, "{tv_sec=%lld, tv_%s=%lld}", (long long)v[0], part,
		 (long long)v[1]);
}

static void show_interval(struct line *l, const uint64_t v[4], const char *part)
{
	line_put(l, "{it_interval=");
	show_time(l, v, part);
	line_put(l, ", it_value=");
	show_time(l, v + 2, part);
	line_put(l, "}");
}

static void show_mode(struct line *l, const char *name, uint32_t mode)
{
	line_put(l, "{%s=", name);
	show_flags(l, &file_types, mode & 0170000);
	line_put(l, "|%04o", mode & 07777);
}

/* Of struct stat: st_mode at 24, st_size at 48. */
static void show_stat(struct line *l, const uint64_t v[7])
{
	show_mode(l, "st_mode", (uint32_t)v[3]);
	line_put(l, ", st_size=%lld, ...}", (long long)v[6]);
}

/* Of struct statx: stx_mode at 28 (16 bits), stx_size at 40. */
static void show_statx(struct line *l, const uint64_t v[6])
{
	show_mode(l, "stx_mode", (uint32_t)(v[3] >> 32) & 0xffff);
	line_put(l, ", stx_size=%lld, ...}", (long long)v[5]);
}

/* The struct of format fmt whose first bytes are in v. */
static void show_struct(struct line *l, uint32_t fmt, const uint64_t v[8],
			uint64_t p)
{
	switch (fmt) {
	case AZ_FMT_TIMESPEC:
		show_time(l, v, "nsec");
		break;
	case AZ_FMT_TIMEVAL:
		show_time(l, v, "usec");
		break;
	case AZ_FMT_STAT:
		show_stat(l, v);
		break;
	case AZ_FMT_STATX:
		show_statx(l, v);
		break;
	case AZ_FMT_SIGSET:
		show_sigset(l, v[0]);
		break;
	case AZ_FMT_SIGACTION:
		show_sigaction(l, v);
		break;
	case AZ_FMT_RLIMITS:
		line_put(l, "{rlim_cur=");
		show_limit(l, v[0]);
		line_put(l, ", rlim_max=");
		show_limit(l, v[1]);
		line_put(l, "}");
		break;
	case AZ_FMT_UTSNAME:
		line_put(l, "{sysname=");
		show_string(l, p, STR_MAX);
		line_put(l, ", nodename=");
		show_string(l, p + 65, STR_MAX);
		line_put(l, ", ...}");
		break;
	case AZ_FMT_ITIMER:
		show_interval(l, v, "usec");
		break;
	case AZ_FMT_ITIMERSPEC:
		show_interval(l, v, "nsec");
		break;
	case AZ_FMT_POLLFD:
		line_put(l, "{fd=%d, events=", (int)v[0]);
		show_flags(l, &poll_events, (uint16_t)(v[0] >> 32));
		line_put(l, ", revents=");
		show_flags(l, &poll_events, (uint16_t)(v[0] >> 48));
		line_put(l, "}");
		break;
	case AZ_FMT_EPOLLEV:
		line_put(l, "{events=");
		show_flags(l, &poll_events, (uint32_t)v[0]);
		line_put(l, ", data=0x%llx}",
			 (unsigned long long)(v[0] >> 32 | v[1] << 32));
		break;
	case AZ_FMT_INTS:
		line_put(l, "%d", (int)v[0]);
		break;
	default:
		show_ptr(l, p);
	}
}

/* One struct or array element in program memory. */
void show_elem(struct line *l, uint32_t fmt, uint64_t p, size_t size)
{
	uint64_t v[8] = { 0 };

	if (copy_from_user(v, p, size < sizeof(v) ? size : sizeof(v)))
		show_ptr(l, p);
	else
		show_struct(l, fmt, v, p);
}

void show_array(struct line *l, uint32_t fmt, uint64_t p, uint64_t n,
		size_t size)
{
	line_put(l, "[");
	for (uint64_t i = 0; i < n; i++) {
		line_put(l, i ? ", " : "");
		if (i == ELEMS_MAX) {
			line_put(l, "...");
			break;
		}
		show_elem(l, fmt, p + i * size, size);
	}
	line_put(l, "]");
}

/* bytes: how many the call moved; what is beyond is not shown. */
void show_iov(struct line *l, uint64_t p, uint64_t n, uint64_t bytes)
{
	uint64_t v[2];

	line_put(l, "[");
	for (uint64_t i = 0; i < n; i++) {
		line_put(l, i ? ", " : "");
		if (i == ELEMS_MAX ||
		    copy_from_user(v, p + i * sizeof(v), sizeof(v))) {
			line_put(l, "...");
			break;
		}
		line_put(l, "{iov_base=");
		show_bytes(l, v[0], MIN(v[1], bytes));
		line_put(l, ", iov_len=%llu}", (unsigned long long)v[1]);
		bytes -= MIN(v[1], bytes);
	}
	line_put(l, "]");
}

void show_msg(struct line *l, uint64_t p, uint64_t bytes)
{
	uint64_t v[7];

	if (copy_from_user(v, p, sizeof(v))) {
		show_ptr(l, p);
		return;
	}
	line_put(l, "{msg_name=");
	if (v[0])
		show_sockaddr(l, v[0], (uint32_t)v[1]);
	else
		line_put(l, "NULL");
	line_put(l, ", msg_iov=");
	show_iov(l, v[2], v[3], bytes);
	line_put(l,
		 ", msg_controllen=%llu, msg_flags=", (unsigned long long)v[5]);
	show_flags(l, flag_set_find(AZ_FMT_MSG), (uint32_t)v[6]);
	line_put(l, "}");
}

void show_fdset(struct line *l, uint64_t p, int n)
{
	const char *sep = "";
	uint64_t word = 0;

	line_put(l, "[");
	for (int fd = 0; fd < n && fd < 1024; fd++) {
		if (fd % 64 == 0 &&
		    copy_from_user(&word, p + (uint64_t)fd / 8, sizeof(word)))
			break;
		if (!(word >> fd % 64 & 1))
			continue;
		line_put(l, "%s%d", sep, fd);
		sep = " ";
	}
	line_put(l, "]");
}
