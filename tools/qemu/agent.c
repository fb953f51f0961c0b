// SPDX-License-Identifier: MIT
/*
 * agent.c - process 1 of the test machine: runs what tools/machine asks for.
 *
 * It speaks with the host through a virtio port. A frame is a type, the length
 * of its body (32 bits, little endian) and the body:
 *
 *	H	to agent: sixteen bytes, which come back as they are. A new
 *		client skips all that it reads before them. Since it may have
 *		changed files, the machine forgets their names first
 *	R	to agent: run a command. Words, each ended by a NUL: directory,
 *		K=V..., an empty one, arguments
 *	I	to agent: bytes for its standard input; none: the end
 *	K	to agent: end it and all of its session
 *	o e	from agent: bytes of standard output and error
 *	x	from agent: its status, 32 bits, as wait4 encodes it
 *	b	from agent: nothing; a sign of life, every two seconds
 *
 * One command at a time. What a command leaves behind runs on, unheard. If the
 * host goes away, a command that runs is ended. One thread.
 *
 * Started with a directory, it runs a shell there, on the console, as well, and
 * stops the machine when that ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT       "/dev/vport0p1"
#define BODY_MAX   (1U << 20)
#define BEAT_MS    2000
#define KLOG_LEVEL 8 /* SYSLOG_ACTION_CONSOLE_LEVEL, syslog(2) */

static int port;
static pid_t child; /* the command, or 0 */
static pid_t shell; /* the one on the console, or 0 */
static int input = -1, output[2] = { -1, -1 };
/* What the host sent for `input`, and it did not take yet; it may end then. */
static char *pending;
static size_t npending;
static int input_ends;

static const char *const environment[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"TERM=linux",
	"LANG=C.UTF-8",
	"AZALEA_MACHINE=1",
};
#define NENVIRONMENT (sizeof(environment) / sizeof(environment[0]))

static void die(const char *what)
{
	dprintf(2, "agent: %s: %m; the machine stops\n", what);
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die("write to the host");
		at += n;
		size -= (size_t)n;
	}
}

static void send_frame(char type, const void *body, uint32_t size)
{
	char head[5] = { type };

	memcpy(head + 1, &size, 4);
	write_all(port, head, sizeof(head));
	write_all(port, body, size);
}

/* 0 if the host went away in the middle. */
static int read_all(void *data, size_t size)
{
	char *at = data;

	while (size) {
		ssize_t n = read(port, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			die("read from the host");
		if (n <= 0)
			return 0;
		at += n;
		size -= (size_t)n;
	}
	return 1;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void take_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static int same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strcspn(b, "=") == n && memcmp(a, b, n) == 0;
}

/* The `n` words of `more`, and those of ours that are not among them. */
static char **make_environment(char **more, size_t n)
{
	char **env = calloc(n + NENVIRONMENT + 1, sizeof(*env));
	size_t at = n;

	if (!env)
		die("memory");
	for (size_t i = 0; i < n; i++)
		env[i] = more[i];
	for (size_t i = 0; i < NENVIRONMENT; i++) {
		size_t j = 0;

		while (j < n && !same_name(more[j], environment[i]))
			j++;
		if (j == n)
			env[at++] = strdup(environment[i]);
	}
	return env;
}

/* In the child: become the command in `words`. */
static _Noreturn void become(char *words, size_t size, const int fds[3])
{
	char **argv = calloc(size + 1, sizeof(*argv));
	char **more = calloc(size + 1, sizeof(*more));
	char *end = words + size, *at = words + strlen(words) + 1;
	size_t nargs = 0, nmore = 0;
	int in_args = 0;

	if (!argv || !more)
		die("memory");
	take_signals();
	setsid();
	for (int i = 0; i < 3; i++)
		dup2(fds[i], i);
	close_range(3, ~0U, 0);
	for (; at < end; at += strlen(at) + 1) {
		if (in_args)
			argv[nargs++] = at;
		else if (*at)
			more[nmore++] = at;
		else
			in_args = 1;
	}
	if (chdir(words)) {
		dprintf(2, "machine: %s: %m\n", words);
		_exit(125);
	}
	if (nargs)
		execvpe(argv[0], argv, make_environment(more, nmore));
	dprintf(2, "machine: %s: %m\n", nargs ? argv[0] : "no command");
	_exit(errno == ENOENT ? 127 : 126);
}

static void run(char *words, size_t size)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) ||
	    pipe2(err, O_CLOEXEC))
		die("pipe");
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0)
		become(words, size, (int[3]){ in[0], out[1], err[1] });
	close(in[0]);
	close(out[1]);
	close(err[1]);
	input = in[1];
	fcntl(input, F_SETFL, O_NONBLOCK);
	npending = 0;
	input_ends = 0;
	output[0] = out[0];
	output[1] = err[0];
	for (int i = 0; i < 2; i++)
		fcntl(output[i], F_SETFL, O_NONBLOCK);
}

/* 1 if there was something. */
static int pass_on(int i)
{
	static char data[1 << 16];
	ssize_t n = read(output[i], data, sizeof(data));

	if (n > 0) {
		send_frame("oe"[i], data, (uint32_t)n);
		return 1;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(&output[i]);
	return 0;
}

static void ended(int status)
{
	uint32_t word = (uint32_t)status;

	for (int i = 0; i < 2; i++) {
		while (output[i] >= 0 && pass_on(i))
			;
		close_fd(&output[i]);
	}
	close_fd(&input);
	child = 0;
	send_frame('x', &word, sizeof(word));
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == child)
			ended(status);
		if (pid == shell) {
			sync();
			reboot(RB_POWER_OFF);
		}
	}
}

static void end_command(void)
{
	if (child)
		kill(-child, SIGKILL);
}

/* Give the command as much of its input as it takes without waiting. */
static void feed(void)
{
	ssize_t n = 0;

	if (input >= 0 && npending)
		n = write(input, pending, npending);
	if (n > 0) {
		npending -= (size_t)n;
		memmove(pending, pending + n, npending);
	}
	if ((n < 0 && errno != EAGAIN && errno != EINTR) ||
	    (!npending && input_ends))
		close_fd(&input);
}

static void queue_input(const char *data, size_t size)
{
	if (!size)
		input_ends = 1;
	pending = realloc(pending, npending + size + 1);
	if (!pending)
		die("memory");
	memcpy(pending + npending, data, size);
	npending += size;
	feed();
}

/* An overlay does not look again at names that its lower half dropped. */
static void forget_names(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	/* 4: say so in the log no more; 2: what has no memory of its own */
	if (fd < 0 || pwrite(fd, "4", 1, 0) != 1)
		die("drop_caches");
	/* What was used lately survives the first times. */
	for (int i = 0; i < 3; i++)
		if (pwrite(fd, "2", 1, 0) != 1)
			die("drop_caches");
	close(fd);
}

/* 0 if the host went away. */
static int serve(void)
{
	static char body[BODY_MAX + 1];
	char head[5];
	uint32_t size;

	if (!read_all(head, sizeof(head)))
		return 0;
	memcpy(&size, head + 1, 4);
	if (size > BODY_MAX) {
		errno = EPROTO;
		die("frame");
	}
	if (!read_all(body, size))
		return 0;
	body[size] = '\0';
	if (head[0] == 'H') {
		forget_names();
		send_frame('H', body, size);
	} else if (head[0] == 'R' && !child)
		run(body, size);
	else if (head[0] == 'I')
		queue_input(body, size);
	else if (head[0] == 'K')
		end_command();
	return 1;
}

static void start_shell(const char *dir)
{
	static char name[] = "sh", interactive[] = "-i";
	char *argv[] = { name, interactive, NULL };
	char **env;
	int fd;

	shell = fork();
	if (shell)
		return;
	setsid();
	fd = open("/dev/ttyS0", O_RDWR | O_CLOEXEC);
	if (fd < 0 || chdir(dir))
		_exit(1);
	ioctl(fd, TIOCSCTTY, 1);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	take_signals();
	env = make_environment(NULL, 0);
	execvpe("bash", argv, env);
	execvpe("sh", argv, env);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct pollfd polls[5];
	sigset_t set;
	int signals;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	port = open(PORT, O_RDWR | O_CLOEXEC);
	if (port < 0)
		die(PORT);
	klogctl(KLOG_LEVEL, NULL, 7); /* now that booting is over */
	if (argc > 1 && argv[1][0])
		start_shell(argv[1]);
	for (;;) {
		struct signalfd_siginfo info;

		polls[0] = (struct pollfd){ .fd = port, .events = POLLIN };
		polls[1] = (struct pollfd){ .fd = signals, .events = POLLIN };
		polls[2] = (struct pollfd){ .fd = output[0], .events = POLLIN };
		polls[3] = (struct pollfd){ .fd = output[1], .events = POLLIN };
		polls[4] = (struct pollfd){ .fd = npending ? input : -1,
					    .events = POLLOUT };
		if (poll(polls, 5, BEAT_MS) == 0 && child)
			send_frame('b', NULL, 0);
		while (read(signals, &info, sizeof(info)) > 0)
			;
		for (int i = 0; i < 2; i++)
			if (polls[2 + i].revents && output[i] >= 0)
				pass_on(i);
		if (polls[4].revents)
			feed();
		reap();
		/* poll() does not wait for a host that went away. */
		if (polls[0].revents && !serve()) {
			end_command();
			usleep(BEAT_MS * 1000 / 10);
		}
	}
}
