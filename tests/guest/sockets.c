/* SPDX-License-Identifier: MIT */
/*
 * sockets.c - unix, TCP and UDP sockets among threads of one program:
 * descriptors passed, options, half-close, large transfers, time-outs.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "tap.h"

static void check_pair(void)
{
	int s[2], type = 0;
	socklen_t len = sizeof(type);
	char buf[100];

	IS(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0, "socketpair");
	IS(send(s[0], "stream", 6, 0), 6, "send");
	IS(recv(s[1], buf, 3, MSG_PEEK), 3, "MSG_PEEK");
	IS(recv(s[1], buf, 100, 0), 6, "recv");
	IS(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &type, &len), 0, "SO_TYPE");
	IS(type, SOCK_STREAM, "is stream");
	ERR(recv(s[1], buf, 1, MSG_DONTWAIT), EAGAIN, "MSG_DONTWAIT");
	IS(shutdown(s[0], SHUT_WR), 0, "shutdown");
	IS(recv(s[1], buf, 1, 0), 0, "end of stream");
	IS(send(s[1], "back", 4, 0), 4, "the other way still works");
	IS(recv(s[0], buf, 4, MSG_WAITALL), 4, "and arrives");
	signal(SIGPIPE, SIG_DFL);
	ERR(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE, "MSG_NOSIGNAL");
	close(s[0]);
	close(s[1]);
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) == 0);
	MUST(send(s[0], "first", 5, 0) == 5 && send(s[0], "2nd", 3, 0) == 3);
	IS(recv(s[1], buf, 2, MSG_TRUNC), 5, "SOCK_SEQPACKET, MSG_TRUNC");
	IS(recv(s[1], buf, 100, 0), 3, "keeps records");
	close(s[0]);
	close(s[1]);
}

static void send_fds(int to, int *fds, int n)
{
	char control[CMSG_SPACE(sizeof(int) * 4)] = { 0 };
	struct iovec iov = { (char *)"fds", 3 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen =
				  CMSG_SPACE(sizeof(int) * (size_t)n) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n);
	IS(sendmsg(to, &msg, 0), 3, "sendmsg with descriptors");
}

static int recv_fds(int from, int *fds, int max, struct ucred *cred)
{
	char control[256] = { 0 }, text[16];
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int n = 0;

	MUST(recvmsg(from, &msg, MSG_CMSG_CLOEXEC) >= 0);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c;
	     c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_type == SCM_RIGHTS) {
			n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(fds, CMSG_DATA(c),
			       sizeof(int) * (size_t)(n > max ? max : n));
		}
		if (c->cmsg_type == SCM_CREDENTIALS && cred)
			memcpy(cred, CMSG_DATA(c), sizeof(*cred));
	}
	return n;
}

static void check_rights(void)
{
	int s[2], p[2], got[4] = { -1, -1, -1, -1 }, one = 1;
	struct ucred cred = { 0, 1, 1 };
	char c = 0;
	socklen_t len = sizeof(cred);

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe(p) == 0);
	send_fds(s[0], p, 2);
	IS(recv_fds(s[1], got, 4, NULL), 2, "two descriptors come through");
	OK(got[0] > 2 && got[0] != p[0] && fcntl(got[0], F_GETFD) == 1,
	   "as new numbers, close-on-exec");
	MUST(write(got[1], "!", 1) == 1 && read(p[0], &c, 1) == 1);
	IS(c, '!', "and are the same pipe");
	IS(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)), 0,
	   "SO_PASSCRED");
	MUST(write(s[0], "x", 1) == 1);
	recv_fds(s[1], got, 4, &cred);
	OK(cred.pid == getpid() && cred.uid == getuid(), "SCM_CREDENTIALS");
	IS(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &cred, &len), 0,
	   "SO_PEERCRED");
	IS(cred.pid, getpid(), "is ourselves");
}

static void check_abstract(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX }, b;
	socklen_t len, blen = sizeof(b);
	int srv = socket(AF_UNIX, SOCK_STREAM, 0), cli, acc;

	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			  (socklen_t)snprintf(a.sun_path + 1, 90,
					      "azalea-guest-%d", getpid()));
	IS(bind(srv, (void *)&a, len), 0, "an abstract address");
	IS(listen(srv, 5), 0, "listen");
	cli = socket(AF_UNIX, SOCK_STREAM, 0);
	IS(connect(cli, (void *)&a, len), 0, "connect");
	acc = accept4(srv, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	OK(acc >= 0, "accept4");
	IS(fcntl(acc, F_GETFL) & O_NONBLOCK, O_NONBLOCK, "non-blocking");
	IS(getpeername(cli, (void *)&b, &blen), 0, "getpeername");
	OK(blen == len && !memcmp(&a, &b, len), "its address");
	close(srv);
	close(cli);
	close(acc);
	memset(&a, 0, sizeof(a));
	a.sun_family = AF_UNIX;
	strcpy(a.sun_path, "sock.tmp");
	srv = socket(AF_UNIX, SOCK_DGRAM, 0);
	IS(bind(srv, (void *)&a, sizeof(a)), 0, "an address in a directory");
	ERR(bind(socket(AF_UNIX, SOCK_DGRAM, 0), (void *)&a, sizeof(a)),
	    EADDRINUSE, "twice");
	cli = socket(AF_UNIX, SOCK_DGRAM, 0);
	IS(sendto(cli, "dgram", 5, 0, (void *)&a, sizeof(a)), 5, "sendto");
	IS(recv(srv, &b, sizeof(b), 0), 5, "recv");
	unlink("sock.tmp");
	ERR(sendto(cli, "dgram", 5, 0, (void *)&a, sizeof(a)), ENOENT,
	    "a name that is gone");
	close(srv);
	close(cli);
}

static int tcp_listen(struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	memset(at, 0, sizeof(*at));
	at->sin_family = AF_INET;
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(s >= 0);
	MUST(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	MUST(bind(s, (void *)at, len) == 0 && listen(s, 64) == 0);
	MUST(getsockname(s, (void *)at, &len) == 0);
	return s;
}

static void *echo(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[8192];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t done = 0; done < n;) {
			ssize_t w = write(fd, buf + done, (size_t)(n - done));

			MUST(w > 0);
			done += w;
		}
	close(fd);
	return NULL;
}

static void *server(void *arg)
{
	int s = (int)(intptr_t)arg;
	pthread_attr_t attr;

	MUST(pthread_attr_init(&attr) == 0);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 16; i++) {
		pthread_t t;
		int fd = accept(s, NULL, NULL);

		MUST(fd >= 0);
		MUST(pthread_create(&t, &attr, echo, (void *)(intptr_t)fd) ==
		     0);
	}
	return NULL;
}

static struct sockaddr_in server_at;

static void *client(void *arg)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);
	unsigned char out[1000], in[1000];
	intptr_t bad = 0, me = (intptr_t)arg;

	MUST(s >= 0);
	MUST(connect(s, (void *)&server_at, sizeof(server_at)) == 0);
	for (int i = 0; i < 100; i++) {
		for (size_t k = 0; k < sizeof(out); k++)
			out[k] =
			    (unsigned char)(k * 7 + (size_t)i + (size_t)me);
		MUST(write(s, out, sizeof(out)) == sizeof(out));
		for (size_t have = 0; have < sizeof(in);) {
			ssize_t n = read(s, in + have, sizeof(in) - have);

			MUST(n > 0);
			have += (size_t)n;
		}
		bad += memcmp(in, out, sizeof(in)) != 0;
	}
	close(s);
	return (void *)bad;
}

static void check_tcp_echo(void)
{
	int s = tcp_listen(&server_at);
	pthread_t srv, t[16];
	intptr_t bad = 0;

	MUST(pthread_create(&srv, NULL, server, (void *)(intptr_t)s) == 0);
	for (intptr_t i = 0; i < 16; i++)
		MUST(pthread_create(&t[i], NULL, client, (void *)i) == 0);
	for (int i = 0; i < 16; i++) {
		void *r;

		MUST(pthread_join(t[i], &r) == 0);
		bad += (intptr_t)r;
	}
	MUST(pthread_join(srv, NULL) == 0);
	IS(bad, 0, "sixteen TCP clients and an echo server");
	close(s);
}

static void check_tcp(void)
{
	struct sockaddr_in at, peer;
	int s = tcp_listen(&at), c, a, one = 1, err = -1;
	socklen_t len = sizeof(peer);
	struct pollfd p;
	struct timeval tv = { 0, 30000 };
	char buf[10];
	int64_t t0;

	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ERR(connect(c, (void *)&at, sizeof(at)), EINPROGRESS,
	    "a connect that does not block");
	a = accept(s, (void *)&peer, &len);
	OK(a >= 0 && len == sizeof(peer) &&
	       peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK),
	   "accept tells who");
	p = (struct pollfd){ .fd = c, .events = POLLOUT };
	IS(poll(&p, 1, 5000), 1, "poll for the connection");
	len = sizeof(err);
	IS(getsockopt(c, SOL_SOCKET, SO_ERROR, &err, &len), 0, "SO_ERROR");
	IS(err, 0, "is none");
	IS(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0,
	   "TCP_NODELAY");
	MUST(setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	t0 = now_ns(CLOCK_MONOTONIC);
	ERR(recv(a, buf, 10, 0), EAGAIN, "SO_RCVTIMEO ends a recv");
	OK(now_ns(CLOCK_MONOTONIC) - t0 >= 29000000, "not too early");
	MUST(send(c, "urgent", 6, 0) == 6);
	IS(recv(a, buf, 6, MSG_WAITALL), 6, "MSG_WAITALL");
	close(c);
	IS(recv(a, buf, 10, 0), 0, "closed");
	close(a);
	close(s);
	c = socket(AF_INET, SOCK_STREAM, 0);
	ERR(connect(c, (void *)&at, sizeof(at)), ECONNREFUSED,
	    "nobody listens any more");
	close(c);
	ERR(socket(AF_INET, 77, 0), EINVAL, "no such type");
	ERR(socket(9999, SOCK_STREAM, 0), EAFNOSUPPORT, "no such family");
}

static void check_udp(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET }, from;
	socklen_t len = sizeof(at);
	int a = socket(AF_INET, SOCK_DGRAM, 0),
	    b = socket(AF_INET, SOCK_DGRAM, 0);
	char buf[3][32];
	struct iovec iov[3];
	struct mmsghdr mm[3];

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(a >= 0 && b >= 0);
	MUST(bind(a, (void *)&at, sizeof(at)) == 0);
	MUST(getsockname(a, (void *)&at, &len) == 0);
	IS(sendto(b, "datagram", 8, 0, (void *)&at, sizeof(at)), 8, "sendto");
	len = sizeof(from);
	IS(recvfrom(a, buf[0], 32, 0, (void *)&from, &len), 8, "recvfrom");
	OK(from.sin_port != 0, "tells the sender");
	IS(sendto(a, "answer", 6, 0, (void *)&from, len), 6, "an answer");
	IS(recv(b, buf[0], 32, 0), 6, "comes back");
	memset(mm, 0, sizeof(mm));
	for (int i = 0; i < 3; i++) {
		iov[i] = (struct iovec){ (char *)"0123456789", 3 + i * 2U };
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
		mm[i].msg_hdr.msg_name = &at;
		mm[i].msg_hdr.msg_namelen = sizeof(at);
	}
	IS(sendmmsg(b, mm, 3, 0), 3, "sendmmsg");
	for (int i = 0; i < 3; i++) {
		iov[i] = (struct iovec){ buf[i], 32 };
		mm[i].msg_hdr.msg_name = NULL;
		mm[i].msg_hdr.msg_namelen = 0;
	}
	IS(recvmmsg(a, mm, 3, 0, NULL), 3, "recvmmsg");
	OK(mm[0].msg_len == 3 && mm[1].msg_len == 5 && mm[2].msg_len == 7,
	   "tells each length");
	IS(connect(b, (void *)&at, sizeof(at)), 0, "a connected socket");
	IS(write(b, "w", 1), 1, "write");
	IS(read(a, buf[0], 32), 1, "read");
	close(a);
	close(b);
}

static void *slurp(void *arg)
{
	int fd = *(int *)arg;
	uint32_t sum = 0;
	static unsigned char buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 31 + buf[i];
	return (void *)(uintptr_t)sum;
}

static void check_sendfile(void)
{
	int s[2], fd = open("send.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
	static unsigned char data[1 << 20];
	uint32_t sum = 0;
	off_t off = 0;
	pthread_t t;
	void *r;

	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = (unsigned char)(i * i >> 3);
		sum = sum * 31 + data[i];
	}
	MUST(fd >= 0 && write(fd, data, sizeof(data)) == sizeof(data));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	MUST(pthread_create(&t, NULL, slurp, &s[1]) == 0);
	while (off < (off_t)sizeof(data))
		MUST(syscall(SYS_sendfile, s[0], fd, &off, sizeof(data)) > 0);
	close(s[0]);
	MUST(pthread_join(t, &r) == 0);
	IS((uintptr_t)r, sum, "a megabyte by sendfile");
	close(s[1]);
	close(fd);
	unlink("send.tmp");
}

int main(void)
{
	check_pair();
	check_rights();
	check_abstract();
	check_tcp_echo();
	check_tcp();
	check_udp();
	check_sendfile();
	return tap_done();
}
