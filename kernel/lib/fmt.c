/* SPDX-License-Identifier: MIT */
/*
 * fmt.c - formatted text.
 *
 * No state and no locks: safe in any context. A conversion that fmt.h does not
 * name is copied as it stands, so that a wrong format shows.
 */
#include "lib/fmt.h"

#include <stdbool.h>
#include <stdint.h>

#include "lib/string.h"

struct out {
	char *buf;
	size_t size; /* of buf, NUL included */
	size_t len;  /* of the whole text so far */
};

struct spec {
	bool zero, left, alt;
	bool has_prec;
	size_t width, prec;
	int size; /* of an integer argument, bytes */
};

/* A va_list that can be handed on by address, whatever its type is. */
struct args {
	va_list ap;
};

static void put_char(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void put_fill(struct out *o, char c, size_t n)
{
	while (n--)
		put_char(o, c);
}

static void put_bytes(struct out *o, const char *s, size_t n)
{
	while (n--)
		put_char(o, *s++);
}

static void put_padded(struct out *o, const struct spec *sp, const char *s,
		       size_t n)
{
	size_t pad = sp->width > n ? sp->width - n : 0;

	if (!sp->left)
		put_fill(o, ' ', pad);
	put_bytes(o, s, n);
	if (sp->left)
		put_fill(o, ' ', pad);
}

static void put_string(struct out *o, const struct spec *sp, const char *s)
{
	if (!s)
		s = "(null)";
	put_padded(o, sp, s, sp->has_prec ? strnlen(s, sp->prec) : strlen(s));
}

static unsigned int number_base(char conv)
{
	if (conv == 'o')
		return 8;
	return conv == 'd' || conv == 'u' ? 10 : 16;
}

/* conv: one of d u x X o p. neg: v is the magnitude of a negative number. */
static void put_number(struct out *o, const struct spec *sp, char conv,
		       uint64_t v, bool neg)
{
	const char *set = conv == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	unsigned int base = number_base(conv);
	char digits[24];
	const char *prefix = "";
	size_t n = 0, nprefix, zeros, all;

	if (conv == 'p' || (sp->alt && v && base == 16))
		prefix = conv == 'X' ? "0X" : "0x";
	else if (neg)
		prefix = "-";
	nprefix = strlen(prefix);
	for (uint64_t r = v; r; r /= base)
		digits[sizeof(digits) - ++n] = set[r % base];
	zeros = sp->has_prec ? sp->prec : 1;
	if (conv == 'o' && sp->alt && zeros <= n)
		zeros = n + 1;
	zeros = zeros > n ? zeros - n : 0;
	if (sp->zero && !sp->left && !sp->has_prec &&
	    sp->width > nprefix + zeros + n)
		zeros = sp->width - nprefix - n;
	all = nprefix + zeros + n;

	if (!sp->left && sp->width > all)
		put_fill(o, ' ', sp->width - all);
	put_bytes(o, prefix, nprefix);
	put_fill(o, '0', zeros);
	put_bytes(o, digits + sizeof(digits) - n, n);
	if (sp->left && sp->width > all)
		put_fill(o, ' ', sp->width - all);
}

static const char *parse_count(const char *f, size_t *n, struct args *args,
			       bool *negative)
{
	*n = 0;
	*negative = false;
	if (*f == '*') {
		int v = va_arg(args->ap, int);

		*negative = v < 0;
		*n = v < 0 ? -(size_t)v : (size_t)v;
		return f + 1;
	}
	while (*f >= '0' && *f <= '9')
		*n = *n * 10 + (size_t)(*f++ - '0');
	return f;
}

static const char *parse_spec(const char *f, struct spec *sp, struct args *args)
{
	bool neg;

	*sp = (struct spec){ .size = sizeof(int) };
	for (;; f++) {
		if (*f == '0')
			sp->zero = true;
		else if (*f == '-')
			sp->left = true;
		else if (*f == '#')
			sp->alt = true;
		else
			break;
	}
	f = parse_count(f, &sp->width, args, &neg);
	sp->left |= neg;
	if (*f == '.') {
		f = parse_count(f + 1, &sp->prec, args, &neg);
		sp->has_prec = !neg;
	}
	if (*f == 'l' || *f == 'z') {
		f += f[0] == 'l' && f[1] == 'l' ? 2 : 1;
		sp->size = 8;
	} else if (*f == 'h') {
		sp->size = f[1] == 'h' ? 1 : 2;
		f += f[1] == 'h' ? 2 : 1;
	}
	return f;
}

static uint64_t arg_unsigned(const struct spec *sp, struct args *args)
{
	uint64_t v = sp->size == 8 ? va_arg(args->ap, uint64_t)
				   : va_arg(args->ap, unsigned int);

	if (sp->size < 4)
		v &= (1ULL << (8 * sp->size)) - 1;
	return v;
}

static int64_t arg_signed(const struct spec *sp, struct args *args)
{
	uint64_t v = sp->size == 8 ? va_arg(args->ap, uint64_t)
				   : va_arg(args->ap, unsigned int);
	int unused = 64 - 8 * sp->size;

	return (int64_t)(v << unused) >> unused;
}

/* False: there is no such conversion. */
static bool put_conv(struct out *o, const struct spec *sp, char conv,
		     struct args *args)
{
	int64_t v;
	char c;

	switch (conv) {
	case 'd':
	case 'i':
		v = arg_signed(sp, args);
		put_number(o, sp, 'd', v < 0 ? -(uint64_t)v : (uint64_t)v,
			   v < 0);
		return true;
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		put_number(o, sp, conv, arg_unsigned(sp, args), false);
		return true;
	case 'p':
		put_number(o, sp, 'p', (uintptr_t)va_arg(args->ap, void *),
			   false);
		return true;
	case 'c':
		c = (char)va_arg(args->ap, int);
		put_padded(o, sp, &c, 1);
		return true;
	case 's':
		put_string(o, sp, va_arg(args->ap, const char *));
		return true;
	case '%':
		put_char(o, '%');
		return true;
	default:
		return false;
	}
}

size_t fmt_vformat(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { .buf = buf, .size = size };
	struct spec sp;
	struct args args;

	va_copy(args.ap, ap);
	while (*fmt) {
		const char *start = fmt;

		if (*fmt != '%') {
			put_char(&o, *fmt++);
			continue;
		}
		fmt = parse_spec(fmt + 1, &sp, &args);
		if (*fmt && put_conv(&o, &sp, *fmt, &args))
			fmt++;
		else
			put_bytes(&o, start, (size_t)(fmt - start));
	}
	va_end(args.ap);
	if (size)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return o.len;
}

size_t fmt_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = fmt_vformat(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
