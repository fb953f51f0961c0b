/* SPDX-License-Identifier: MIT */
/*
 * check_nested.c - arguments that point to pointers or descriptors.
 *
 * Each is copied into the checked_call, with all that it points to and that
 * matters, and Linux gets the copy. What Linux writes into such a structure is
 * written back to the program by check_done.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "offload/check_private.h"

#define FD_LIMIT 0x100000U /* sysctl_nr_open of Linux's fs/file.c */

static uint64_t addr_of(const void *p)
{
	return (uint64_t)p;
}

/* Content that cannot be read: Linux shall find that out, in its order. */
static int unreadable(uint64_t *arg, int err)
{
	if (err != -EFAULT)
		return err;
	*arg = CHECK_BAD_ADDR;
	return 0;
}

/* Copy an array of iovecs that *arg points to, and check each. */
static int iov_copy(struct checked_call *c, uint64_t *arg, uint64_t count)
{
	struct iovec *v;
	int err;

	/* None are read, or Linux refuses the count first. */
	if (!count || count > CHECK_IOV_MAX) {
		*arg = check_word(c, *arg);
		return 0;
	}
	v = check_copy(c, *arg, count * sizeof(*v), &err);
	if (!v)
		return unreadable(arg, err);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t len = v[i].iov_len;

		if (len > CHECK_MAX_COUNT)
			len = CHECK_MAX_COUNT;
		v[i].iov_base =
		    (void *)check_addr(c, addr_of(v[i].iov_base), len);
	}
	*arg = addr_of(v);
	return 0;
}

int check_iov(struct checked_call *c, unsigned int i, uint64_t count)
{
	return iov_copy(c, &c->arg[i], count);
}

/* The owner's descriptors must not be sent to anyone. */
static void rights_check(struct checked_call *c, uint8_t *data, size_t n)
{
	for (size_t at = 0; n - at >= sizeof(uint32_t); at += 4) {
		uint32_t fd;

		memcpy(&fd, data + at, sizeof(fd));
		fd = (uint32_t)check_fd(c, fd);
		memcpy(data + at, &fd, sizeof(fd));
	}
}

/* Ancillary data: a row of headers, each followed by its data. */
static void control_check(struct checked_call *c, uint8_t *p, size_t n)
{
	size_t at = 0;

	while (at <= n && n - at >= sizeof(struct cmsghdr)) {
		struct cmsghdr h;
		size_t step;

		memcpy(&h, p + at, sizeof(h));
		/* Linux stops here with EINVAL. */
		if (h.cmsg_len < sizeof(h) || h.cmsg_len > n - at)
			return;
		if (h.cmsg_level == SOL_SOCKET && h.cmsg_type == SCM_RIGHTS)
			rights_check(c, p + at + sizeof(h),
				     h.cmsg_len - sizeof(h));
		step = (h.cmsg_len + 7) & ~7UL;
		at += step;
	}
}

static int control_copy(struct checked_call *c, struct msghdr *m)
{
	uint64_t src = addr_of(m->msg_control);
	void *p;
	int err;

	if (!m->msg_control || !m->msg_controllen)
		return 0;
	if (m->msg_controllen > CHECK_CONTROL_MAX)
		return -ENOBUFS;
	p = check_copy(c, src, m->msg_controllen, &err);
	if (p)
		control_check(c, p, m->msg_controllen);
	else
		err = unreadable(&src, err);
	m->msg_control = p ? p : (void *)src;
	return err;
}

/* All that a header points to. */
static int header_check(struct checked_call *c, struct msghdr *m, bool out)
{
	uint64_t iov = addr_of(m->msg_iov);
	uint64_t name_len = m->msg_namelen;
	uint64_t control_len = m->msg_controllen;
	int err;

	if (name_len > sizeof(struct sockaddr_storage))
		name_len = sizeof(struct sockaddr_storage);
	m->msg_name = (void *)check_addr(c, addr_of(m->msg_name), name_len);
	err = iov_copy(c, &iov, m->msg_iovlen);
	if (err)
		return err;
	m->msg_iov = (void *)iov;
	if (!out)
		return control_copy(c, m);
	if (control_len > CHECK_MAX_COUNT)
		control_len = CHECK_MAX_COUNT;
	m->msg_control =
	    (void *)check_addr(c, addr_of(m->msg_control), control_len);
	return 0;
}

int check_msg(struct checked_call *c, unsigned int i, bool out)
{
	struct msghdr *m;
	uint64_t src = c->arg[i];
	int err;

	m = check_copy(c, src, sizeof(*m), &err);
	if (!m)
		return unreadable(&c->arg[i], err);
	err = header_check(c, m, out);
	if (err)
		return err;
	c->arg[i] = addr_of(m);
	if (out) {
		c->undo = CHECK_UNDO_MSG;
		c->undo_dst = src;
		c->undo_src = (uint8_t *)m;
	}
	return 0;
}

/*
 * As many headers as can be had. Linux does the messages one by one too, and
 * reports how many: fewer are no error once there is one.
 */
static uint32_t mmsg_copy(struct checked_call *c, struct mmsghdr *m,
			  uint64_t src, uint32_t n, bool out, int *err)
{
	for (uint32_t k = 0; k < n; k++, src += sizeof(*m)) {
		*err = -EFAULT;
		if (check_range(c, src, sizeof(*m)))
			*err = check_env.mem.read(&m[k], src, sizeof(*m));
		if (!*err)
			*err = header_check(c, &m[k].msg_hdr, out);
		if (*err)
			return k;
	}
	return n;
}

int check_mmsg(struct checked_call *c, unsigned int i, unsigned int len,
	       bool out)
{
	uint32_t n = (uint32_t)c->arg[len];
	uint64_t src = c->arg[i];
	struct mmsghdr *m;
	int err = 0;

	if (n > CHECK_IOV_MAX)
		n = CHECK_IOV_MAX;
	if (!n) {
		c->arg[i] = check_word(c, src);
		return 0;
	}
	m = check_alloc(c, n * sizeof(*m));
	if (!m)
		return -ENOMEM;
	n = mmsg_copy(c, m, src, n, out, &err);
	if (!n)
		return unreadable(&c->arg[i], err);
	c->arg[i] = addr_of(m);
	c->arg[len] = n;
	c->undo = out ? CHECK_UNDO_MMSG_OUT : CHECK_UNDO_MMSG_IN;
	c->undo_dst = src;
	c->undo_src = (uint8_t *)m;
	return 0;
}

int check_sigmask(struct checked_call *c, unsigned int i)
{
	uint64_t *pair;
	int err;

	if (!c->arg[i])
		return 0;
	pair = check_copy(c, c->arg[i], 2 * sizeof(*pair), &err);
	if (!pair)
		return unreadable(&c->arg[i], err);
	pair[0] = check_addr(c, pair[0], sizeof(uint64_t));
	c->arg[i] = addr_of(pair);
	return 0;
}

/*
 * Only an array that names a descriptor of the owner is replaced by its copy:
 * the rest hold no pointers, and a change after the look tells the program no
 * more than whether such a descriptor is ready.
 */
int check_poll(struct checked_call *c, unsigned int i, uint32_t count)
{
	uint64_t src = c->arg[i];
	struct pollfd *p;
	bool hidden = false;
	int err;

	c->arg[i] = check_addr(c, src, (uint64_t)count * sizeof(*p));
	/* More than can be open: Linux refuses the count. */
	if (!count || count > CHECK_MAX / sizeof(*p))
		return 0;
	p = check_copy(c, src, count * sizeof(*p), &err);
	if (!p)
		return unreadable(&c->arg[i], err);
	for (uint32_t k = 0; k < count; k++) {
		if (!check_fd_hidden(c, (uint32_t)p[k].fd))
			continue;
		p[k].fd = CHECK_BAD_FD;
		hidden = true;
	}
	if (!hidden)
		return 0;
	c->arg[i] = addr_of(p);
	c->undo = CHECK_UNDO_POLL;
	c->undo_dst = src;
	c->undo_src = (uint8_t *)p;
	c->undo_count = count;
	return 0;
}

int check_fdset(struct checked_call *c, unsigned int i, int count)
{
	uint64_t src = c->arg[i];
	uint32_t n = count > 0 ? (uint32_t)count : 0;
	uint32_t first = check_env.fd_lo / 64 * 64;
	uint64_t *words;
	int err;

	/* Linux looks no further than its table of descriptors is long. */
	if (n > FD_LIMIT)
		n = FD_LIMIT;
	c->arg[i] = check_addr(c, src, (n + 63ULL) / 64 * 8);
	n = n < check_env.fd_hi ? n : check_env.fd_hi;
	if (!src || n <= check_env.fd_lo)
		return 0;
	words =
	    check_copy(c, src + first / 8, (n - first + 63ULL) / 64 * 8, &err);
	/* Past the end of a short table: nothing that Linux would read. */
	if (!words)
		return err == -EFAULT ? 0 : err;
	for (uint32_t fd = check_env.fd_lo; fd < n; fd++) {
		if (words[(fd - first) / 64] >> (fd - first) % 64 & 1)
			return -EBADF;
	}
	return 0;
}

static int undo_header(uint64_t dst, const struct msghdr *m)
{
	int err =
	    check_env.mem.write(dst + offsetof(struct msghdr, msg_namelen),
				&m->msg_namelen, sizeof(m->msg_namelen));

	if (err)
		return err;
	/* msg_controllen and msg_flags, side by side. */
	return check_env.mem.write(
	    dst + offsetof(struct msghdr, msg_controllen), &m->msg_controllen,
	    sizeof(m->msg_controllen) + sizeof(m->msg_flags));
}

static int undo_mmsg(struct checked_call *c, long count)
{
	const struct mmsghdr *m = (const void *)c->undo_src;
	uint64_t dst = c->undo_dst;
	int err = 0;

	for (long k = 0; !err && k < count; k++, dst += sizeof(*m)) {
		err =
		    check_env.mem.write(dst + offsetof(struct mmsghdr, msg_len),
					&m[k].msg_len, sizeof(m[k].msg_len));
		if (!err && c->undo == CHECK_UNDO_MMSG_OUT)
			err = undo_header(dst, &m[k].msg_hdr);
	}
	return err;
}

static int undo_poll(struct checked_call *c)
{
	const struct pollfd *p = (const void *)c->undo_src;
	uint64_t dst = c->undo_dst + offsetof(struct pollfd, revents);
	int err = 0;

	for (uint32_t k = 0; !err && k < c->undo_count; k++, dst += sizeof(*p))
		err = check_env.mem.write(dst, &p[k].revents,
					  sizeof(p[k].revents));
	return err;
}

long check_undo_msg(struct checked_call *c, long result)
{
	int err;

	if (result < 0)
		return result;
	if (c->undo == CHECK_UNDO_MSG)
		err = undo_header(c->undo_dst, (const void *)c->undo_src);
	else if (c->undo == CHECK_UNDO_POLL)
		err = undo_poll(c);
	else
		err = undo_mmsg(c, result);
	return err ? err : result;
}
