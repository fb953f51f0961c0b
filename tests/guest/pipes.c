/* SPDX-License-Identifier: MIT */
/* pipes.c - pipes and fifos: sizes, ends, atomic writes, splice and tee. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "tap.h"

static void check_basic(void)
{
	int p[2], n = -1;
	char buf[100];

	IS(pipe(p), 0, "pipe");
	IS(write(p[1], "hello", 5), 5, "write");
	IS(ioctl(p[0], FIONREAD, &n), 0, "FIONREAD");
	IS(n, 5, "tells");
	IS(read(p[0], buf, 3), 3, "a short read");
	IS(read(p[0], buf, 100), 2, "the rest");
	IS(fcntl(p[0], F_SETFL, O_NONBLOCK), 0, "O_NONBLOCK");
	ERR(read(p[0], buf, 1), EAGAIN, "an empty pipe");
	ERR(read(p[1], buf, 1), EBADF, "reading the write end");
	ERR(lseek(p[0], 0, SEEK_SET), ESPIPE, "no seeking");
	ERR(pread(p[0], buf, 1, 0), ESPIPE, "no pread");
	close(p[1]);
	IS(read(p[0], buf, 1), 0, "end of file when the writer is gone");
	close(p[0]);
	ERR(syscall(SYS_pipe2, p, 0x1234), EINVAL, "bad flags");
	IS(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0, "pipe2");
	IS(fcntl(p[0], F_GETFD), FD_CLOEXEC, "with O_CLOEXEC");
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	ERR(write(p[1], "x", 1), EPIPE, "EPIPE when SIGPIPE is ignored");
	close(p[1]);
}

static volatile int sigpipes;

static void on_pipe(int sig)
{
	(void)sig;
	sigpipes++;
}

static void check_sigpipe(void)
{
	int p[2];

	signal(SIGPIPE, on_pipe);
	MUST(pipe(p) == 0);
	close(p[0]);
	for (int i = 0; i < 5; i++)
		ERR(write(p[1], "x", 1), EPIPE, "write to a broken pipe");
	IS(sigpipes, 5, "SIGPIPE each time");
	close(p[1]);
}

static void check_capacity(void)
{
	static char buf[1 << 20];
	int p[2];
	long total = 0;
	ssize_t n;

	MUST(pipe2(p, O_NONBLOCK) == 0);
	while ((n = write(p[1], buf, 4096)) > 0)
		total += n;
	IS(errno, EAGAIN, "a full pipe");
	IS(total, 65536, "holds 64 KiB");
	IS(fcntl(p[1], F_GETPIPE_SZ), 65536, "F_GETPIPE_SZ");
	IS(fcntl(p[1], F_SETPIPE_SZ, 262144), 262144, "F_SETPIPE_SZ");
	IS(write(p[1], buf, sizeof(buf)), 262144 - 65536, "then fits more");
	close(p[0]);
	close(p[1]);
}

static int big[2];

static void *drain(void *arg)
{
	static char buf[3000];
	long total = 0;
	ssize_t n;

	while ((n = read(big[0], buf, sizeof(buf))) > 0)
		total += n;
	*(long *)arg = total;
	return NULL;
}

static void check_big_write(void)
{
	static char buf[4 << 20];
	long total = 0;
	pthread_t t;

	MUST(pipe(big) == 0);
	MUST(pthread_create(&t, NULL, drain, &total) == 0);
	IS(write(big[1], buf, sizeof(buf)), sizeof(buf),
	   "a write larger than the pipe blocks until all is in");
	close(big[1]);
	MUST(pthread_join(t, NULL) == 0);
	IS(total, sizeof(buf), "and all comes out");
	close(big[0]);
}

/* Writers of up to PIPE_BUF bytes never interleave. */
static int at[2];

static void *write_block(void *arg)
{
	char block[512];

	memset(block, 'a' + (int)(intptr_t)arg, sizeof(block));
	for (int i = 0; i < 300; i++)
		MUST(write(at[1], block, sizeof(block)) == sizeof(block));
	return NULL;
}

static void check_atomic(void)
{
	pthread_t t[6];
	char block[512];
	int bad = 0, count[6] = { 0 };

	MUST(pipe(at) == 0);
	for (intptr_t i = 0; i < 6; i++)
		MUST(pthread_create(&t[i], NULL, write_block, (void *)i) == 0);
	for (int i = 0; i < 1800; i++) {
		size_t have = 0;

		while (have < sizeof(block)) {
			ssize_t n =
			    read(at[0], block + have, sizeof(block) - have);

			MUST(n > 0);
			have += (size_t)n;
		}
		for (size_t k = 1; k < sizeof(block); k++)
			bad += block[k] != block[0];
		count[(block[0] - 'a') % 6]++;
	}
	for (int i = 0; i < 6; i++) {
		MUST(pthread_join(t[i], NULL) == 0);
		bad += count[i] != 300;
	}
	IS(bad, 0, "blocks of six writers come whole and all");
	close(at[0]);
	close(at[1]);
}

static void check_splice(void)
{
	int p[2], q[2], fd = open("splice.tmp", O_RDWR | O_CREAT, 0600);
	char buf[32] = { 0 };
	struct iovec iov = { (char *)"vmspliced", 9 };
	off_t off = 2;

	MUST(pipe(p) == 0 && pipe(q) == 0 && fd >= 0);
	MUST(write(fd, "0123456789", 10) == 10);
	IS(splice(fd, &off, p[1], NULL, 5, 0), 5, "splice from a file");
	IS(off, 7, "moves the offset");
	IS(tee(p[0], q[1], 100, 0), 5, "tee");
	IS(read(p[0], buf, 32), 5, "the first copy");
	OK(!memcmp(buf, "23456", 5), "is right");
	IS(read(q[0], buf, 32), 5, "the second");
	IS(vmsplice(p[1], &iov, 1, 0), 9, "vmsplice");
	off = 10;
	IS(splice(p[0], NULL, fd, &off, 9, 0), 9, "splice to a file");
	IS(pread(fd, buf, 32, 0), 19, "the file");
	OK(!memcmp(buf, "0123456789vmspliced", 19), "has both");
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
	close(fd);
	unlink("splice.tmp");
}

static void *open_writer(void *arg)
{
	int fd = open("fifo.tmp", O_WRONLY);

	MUST(fd >= 0 && write(fd, "through a fifo", 14) == 14);
	close(fd);
	return arg;
}

static void check_fifo(void)
{
	char buf[32];
	pthread_t t;
	int fd;

	IS(mkfifo("fifo.tmp", 0600), 0, "mkfifo");
	ERR(open("fifo.tmp", O_WRONLY | O_NONBLOCK), ENXIO, "no reader yet");
	MUST(pthread_create(&t, NULL, open_writer, NULL) == 0);
	fd = open("fifo.tmp", O_RDONLY);
	OK(fd >= 0, "open waits for the other end");
	IS(read(fd, buf, 32), 14, "and data comes");
	IS(read(fd, buf, 32), 0, "then the end");
	MUST(pthread_join(t, NULL) == 0);
	close(fd);
	unlink("fifo.tmp");
}

int main(void)
{
	check_basic();
	check_sigpipe();
	check_capacity();
	check_big_write();
	check_atomic();
	check_splice();
	check_fifo();
	return tap_done();
}
