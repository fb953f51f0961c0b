/* SPDX-License-Identifier: MIT */
/*
 * web.c - a small web server for static files.
 *
 *	web [-a ADDRESS] [-p PORT] [DIR]
 *
 * Serves the files below DIR, or without DIR a page that it carries inside.
 * HTTP/1.1, GET and HEAD, connections kept open. One thread: epoll waits, and
 * sendfile lets Linux move the bytes. Knows nothing of Azalea: as a program of
 * Linux, `gcc -O2 web.c`; as an image, `azalea-cc -O2 -o web.azi web.c`.
 *
 * A connection is in one of two states: it reads a request, or it writes the
 * answer (out_left or file_left is not 0). Requests may come in one go; the
 * next one is looked at when the answer to the last is out.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX 8192
#define HEAD_MAX    512
#define EVENTS      64

struct connection {
	int fd, file; /* file: -1 if there is none to send */
	bool close;   /* after this answer */
	size_t in_len, out_at, out_left;
	off_t file_at, file_left;
	const char *body; /* sent after the head; or NULL */
	size_t body_left;
	char in[REQUEST_MAX + 1], out[HEAD_MAX];
};

static const char page[] =
    "<!DOCTYPE html>\n<title>web</title>\n"
    "<p>This page is part of the program that serves it.</p>\n";

static int root = -1; /* of the files, or -1 */
static int poller;

/* --- answers --- */

static const char *type_of(const char *path)
{
	static const char *const types[][2] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".css", "text/css" },
		{ ".js", "text/javascript" },
		{ ".json", "application/json" },
		{ ".txt", "text/plain; charset=utf-8" },
		{ ".svg", "image/svg+xml" },
		{ ".png", "image/png" },
		{ ".jpg", "image/jpeg" },
		{ ".pdf", "application/pdf" },
		{ ".wasm", "application/wasm" },
	};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(dot, types[i][0]) == 0)
			return types[i][1];
	return "application/octet-stream";
}

static void answer_head(struct connection *c, const char *status,
			const char *type, long long length)
{
	char date[64];
	time_t now = time(NULL);
	struct tm tm;
	int n;

	(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT",
		       gmtime_r(&now, &tm));
	n = snprintf(c->out, sizeof(c->out),
		     "HTTP/1.1 %s\r\nDate: %s\r\nServer: web\r\n"
		     "Content-Type: %s\r\nContent-Length: %lld\r\n%s\r\n",
		     status, date, type, length,
		     c->close ? "Connection: close\r\n" : "");
	c->out_at = 0;
	c->out_left = n > 0 && n < HEAD_MAX ? (size_t)n : 0;
}

static void answer_text(struct connection *c, const char *status,
			const char *type, const char *text, bool head)
{
	c->body = text;
	c->body_left = head ? 0 : strlen(text);
	answer_head(c, status, type, (long long)strlen(text));
}

static void answer_error(struct connection *c, const char *status, bool head)
{
	static const char text[] = "It cannot be had.\n";

	answer_text(c, status, "text/plain", text, head);
}

/* path: below root, "" for root itself. */
static void answer_file(struct connection *c, const char *path, bool head)
{
	char index[PATH_MAX];
	struct stat st;
	size_t len = strlen(path);
	int fd;

	if (!len || path[len - 1] == '/') {
		int n = snprintf(index, sizeof(index), "%sindex.html", path);

		if (n < 0 || n >= PATH_MAX) {
			answer_error(c, "414 URI Too Long", head);
			return;
		}
		path = index;
	}
	fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			close(fd);
		answer_error(
		    c, errno == EACCES ? "403 Forbidden" : "404 Not Found",
		    head);
		return;
	}
	c->file = fd;
	c->file_at = 0;
	c->file_left = head ? 0 : st.st_size;
	answer_head(c, "200 OK", type_of(path), st.st_size);
}

/* --- requests --- */

static int hex(char c)
{
	if (!isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : tolower(c) - 'a' + 10;
}

/* %41 becomes A, in place. False: it is none, or would end the string. */
static bool decode(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '%') {
			int hi = hex(s[1]), lo = hi < 0 ? -1 : hex(s[2]);

			if (lo < 0 || hi + lo == 0)
				return false;
			*to++ = (char)(hi * 16 + lo);
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
	return true;
}

/* No component leads up. */
static bool stays_below(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.')
			return false;
		path += n + strspn(path + n, "/");
	}
	return true;
}

static void answer(struct connection *c, char *target, bool head)
{
	target[strcspn(target, "?#")] = '\0';
	if (*target != '/' || !decode(target) || !stays_below(target)) {
		answer_error(c, "400 Bad Request", head);
	} else if (root >= 0) {
		answer_file(c, target + strspn(target, "/"), head);
	} else if (strcmp(target, "/") == 0) {
		answer_text(c, "200 OK", "text/html; charset=utf-8", page,
			    head);
	} else {
		answer_error(c, "404 Not Found", head);
	}
}

/* Is there a line "name: value", value being in it? */
static bool has_header(const char *request, const char *name, const char *value)
{
	size_t len = strlen(name);

	for (const char *p = strchr(request, '\n'); p; p = strchr(p, '\n')) {
		p++;
		if (strncasecmp(p, name, len) == 0 && p[len] == ':') {
			const char *v = p + len + 1;

			v += strspn(v, " \t");
			return strncasecmp(v, value, strlen(value)) == 0;
		}
	}
	return false;
}

/* request: ends in an empty line, without a body. */
static void handle(struct connection *c, char *request)
{
	char *target = strchr(request, ' ');
	char *version = target ? strchr(target + 1, ' ') : NULL;
	bool head = strncmp(request, "HEAD ", 5) == 0;

	c->close = true;
	if (!version || version > strchr(request, '\n') ||
	    strncmp(version, " HTTP/1.", 8) != 0) {
		answer_error(c, "400 Bad Request", head);
		return;
	}
	if (version[8] == '0')
		c->close = !has_header(request, "Connection", "keep-alive");
	else
		c->close = has_header(request, "Connection", "close");
	if (!head && strncmp(request, "GET ", 4) != 0) {
		c->close = true; /* there may be a body */
		answer_error(c, "405 Method Not Allowed", head);
		return;
	}
	*version = '\0';
	answer(c, target + 1, head);
}

/* A whole request is there: answer it. False: there is none yet. */
static bool take_request(struct connection *c)
{
	char request[REQUEST_MAX + 1];
	char *end;
	size_t len;

	c->in[c->in_len] = '\0';
	end = strstr(c->in, "\r\n\r\n");
	if (!end) {
		if (c->in_len < REQUEST_MAX && strlen(c->in) == c->in_len)
			return false;
		c->in_len = 0;
		c->close = true;
		answer_error(c, "400 Bad Request", false);
		return true;
	}
	len = (size_t)(end - c->in) + 4;
	memcpy(request, c->in, len);
	request[len] = '\0';
	c->in_len -= len;
	memmove(c->in, c->in + len, c->in_len);
	handle(c, request);
	return true;
}

/* --- connections --- */

static void connection_end(struct connection *c)
{
	if (c->file >= 0)
		close(c->file);
	close(c->fd);
	free(c);
}

/* 1: all is out; 0: later more; -1: the other side is gone. */
static int send_answer(struct connection *c)
{
	ssize_t n;

	while (c->out_left || c->body_left || c->file_left) {
		if (c->out_left) {
			n = send(c->fd, c->out + c->out_at, c->out_left,
				 c->body_left || c->file_left ? MSG_MORE : 0);
			if (n > 0) {
				c->out_at += (size_t)n;
				c->out_left -= (size_t)n;
			}
		} else if (c->body_left) {
			n = send(c->fd, c->body, c->body_left, 0);
			if (n > 0) {
				c->body += n;
				c->body_left -= (size_t)n;
			}
		} else {
			n = sendfile(c->fd, c->file, &c->file_at,
				     (size_t)c->file_left);
			if (n > 0)
				c->file_left -= n;
		}
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0) /* a file that became shorter cannot be mended */
			return -1;
	}
	if (c->file >= 0)
		close(c->file);
	c->file = -1;
	return c->close ? -1 : 1;
}

/* True: go on, there may be more to read; false: it is over, or not yet. */
static bool receive(struct connection *c, bool *over)
{
	ssize_t n = read(c->fd, c->in + c->in_len, REQUEST_MAX - c->in_len);

	*over = n == 0 || (n < 0 && errno != EAGAIN);
	if (n > 0)
		c->in_len += (size_t)n;
	return n > 0;
}

/* Edge-triggered: go on until nothing moves. */
static void connection_run(struct connection *c)
{
	bool over = false;

	for (;;) {
		int sent = send_answer(c);

		if (sent < 0) {
			connection_end(c);
			return;
		}
		if (sent == 0)
			return;
		if (!take_request(c) && !receive(c, &over)) {
			if (over)
				connection_end(c);
			return;
		}
	}
}

static void connections_accept(int listener)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int fd, on = 1;

	while ((fd = accept4(listener, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *c = malloc(sizeof(*c));

		if (!c) {
			close(fd);
			return;
		}
		c->fd = fd;
		c->file = -1;
		c->close = false;
		c->in_len = c->out_left = c->body_left = 0;
		c->file_left = 0;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		ev.data.ptr = c;
		if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &ev) < 0)
			connection_end(c);
	}
}

/* --- start --- */

static int fail(const char *what)
{
	(void)fprintf(stderr, "web: %s: %s\n", what, strerror(errno));
	return -1;
}

static int listen_on(const char *address, int port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port) };
	socklen_t len = sizeof(sa);
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (inet_pton(AF_INET, address, &sa.sin_addr) != 1) {
		errno = EINVAL;
		return fail(address);
	}
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return fail("cannot listen");
	(void)printf("http://%s:%u/\n", address, ntohs(sa.sin_port));
	(void)fflush(stdout);
	return fd;
}

static void serve(int listener)
{
	struct epoll_event ev[EVENTS];
	int n;

	for (;;) {
		n = epoll_wait(poller, ev, EVENTS, -1);
		for (int i = 0; i < n; i++)
			if (ev[i].data.ptr)
				connection_run(ev[i].data.ptr);
			else
				connections_accept(listener);
		if (n < 0 && errno != EINTR)
			return;
	}
}

int main(int argc, char **argv)
{
	struct epoll_event ev = { .events = EPOLLIN };
	const char *address = "127.0.0.1";
	int port = 8080, listener, o;

	while ((o = getopt(argc, argv, "a:p:")) != -1) {
		if (o == 'a')
			address = optarg;
		else if (o == 'p')
			port = (int)strtol(optarg, NULL, 10);
		else
			return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (optind < argc) {
		root = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (root < 0)
			return fail(argv[optind]) ? 1 : 0;
	}
	listener = listen_on(address, port);
	if (listener < 0)
		return 1;
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &ev) < 0)
		return fail("epoll") ? 1 : 0;
	serve(listener);
	return fail("epoll_wait") ? 1 : 0;
}
