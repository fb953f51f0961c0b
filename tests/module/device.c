/* SPDX-License-Identifier: MIT */
/*
 * device.c - /dev/azalea asked for what it must refuse, and for what it must
 * do, without any unikernel: the programs on the cores are a few bytes.
 *
 *	device check CPU CPU		what the ioctls answer; TAP
 *	device fuzz SEED N CPU...	N ioctls at random, from several threads
 *	device churn CPU N		N instances, one after the other, on a
 *					CPU that is reserved
 *	device hold CPU FD		(itself, after exec)
 *
 * The CPUs are Linux's before and after.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "layout.h"
#include "metal.h"

#define NOBODY 65534

/* Where this program has its guest: code, and blocks of two cores. */
#define CODE   0x100000000ULL
#define BLOCKS 0x200000000ULL
#define STRIDE 0x10000ULL
#define NCORES 4U

static int points, failures;

static void ok(int good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++points, name);
	failures += !good;
	fflush(stdout);
}

static void is(long got, long want, const char *name)
{
	ok(got == want, name);
	if (got != want)
		printf("# got %ld (%s), not %ld (%s)\n", got,
		       got < 0 ? strerrorname_np((int)-got) : "-", want,
		       want < 0 ? strerrorname_np((int)-want) : "-");
}

static long call(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

/* --- programs for a core --- */

#define STR_(x) #x
#define STR(x)  STR_(x)

/* gs:0x7000 is the monitor page (AZ_CORE_PLAT). */
_Static_assert(AZ_CORE_PLAT == 0x7000, "the code below");
_Static_assert(offsetof(struct azm_page, exit_status) == 256, "likewise");

extern const char code_begin[], code_end[], code_exit[], code_spin[],
    code_halt[], code_host[], code_touch[], code_trap[];
__asm__(
    ".section .rodata\n"
    "code_begin:\n"
    "code_exit:	movl $0x2a00, %gs:0x7000+256\n"
    "		movl $" STR(
	0x415a0004) ", %eax\n"
		    "		syscall\n"
		    "		ud2\n"
		    "code_spin:	jmp code_spin\n"
		    "code_halt:	movq $-1, %rdi\n"
		    "		movl $" STR(
			0x415a0000) ", %eax\n"
				    "		syscall\n"
				    "		jmp code_halt\n"
				    "code_host:	movl $" STR(
					0x415a0003) ", %eax\n"
						    "		syscall\n"
						    "		jmp code_host\n"
						    /* Where there is nothing, and then what trap does. */
						    "code_touch:	movl $0x300000000 >> 12, %ecx\n"
						    "		shlq $12, %rcx\n"
						    "		movl $1, (%rcx)\n"
						    "		jmp code_exit\n"
						    /* A fault: its vector is the exit code. */
						    "code_trap:	movl %gs:0x7000+184, %eax\n"
						    "		shll $8, %eax\n"
						    "		movl %eax, %gs:0x7000+256\n"
						    "		movl $" STR(
							0x415a0004) ", %eax\n"
								    "		syscall\n"
								    "		ud2\n"
								    "code_end:\n"
								    ".previous\n");
_Static_assert(offsetof(struct azm_page, vec) == 184, "code_trap");

static uint64_t code(const char *label)
{
	return CODE + (uint64_t)(label - code_begin);
}

static void *map_at(uint64_t at, size_t size, int prot)
{
	void *p = mmap((void *)at, size, prot,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		err(9, "mmap");
	return p;
}

static void guest_map(void)
{
	memcpy(map_at(CODE, 4096, PROT_READ | PROT_WRITE), code_begin,
	       (size_t)(code_end - code_begin));
	if (mprotect((void *)CODE, 4096, PROT_READ | PROT_EXEC))
		err(9, "mprotect");
	map_at(BLOCKS, NCORES * STRIDE, PROT_READ | PROT_WRITE);
}

static struct azm_page *page(uint32_t core)
{
	return (struct azm_page *)(BLOCKS + core * STRIDE + AZ_CORE_PLAT);
}

static struct azm_create create_arg(const char *entry)
{
	return (struct azm_create){
		.version = AZM_VERSION,
		.ncores = NCORES,
		.core_base = BLOCKS,
		.core_stride = STRIDE,
		.page_offset = AZ_CORE_PLAT,
		.trap_stack = 0x7000,
		.guest_end = 0x8000000000,
		.text = CODE,
		.text_end = CODE + 4096,
		.entry = code(entry),
		.trap = code(code_trap),
		.syscall = code(code_trap),
	};
}

static int device(void)
{
	int fd = open(AZM_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(9, AZM_DEVICE);
	return fd;
}

static int instance(const char *entry)
{
	struct azm_create c = create_arg(entry);
	int fd = device();
	long r = call(fd, AZM_CREATE, &c);

	if (r) {
		printf("# AZM_CREATE: %s\n", strerrorname_np((int)-r));
		exit(9);
	}
	return fd;
}

static long start(int fd, uint32_t core, uint32_t cpu)
{
	struct azm_start s = { .core = core, .cpu = cpu };

	return call(fd, AZM_START, &s);
}

/* The reason, or -errno. */
static long run(int fd, uint32_t core)
{
	struct azm_run r = { .core = core };
	long n = call(fd, AZM_RUN, &r);

	return n ? n : (long)r.reason;
}

static long reserve(uint32_t cpu, uint32_t uid, uint32_t gid)
{
	struct azm_reserve r = { .cpu = cpu, .uid = uid, .gid = gid };
	int fd = device();
	long n = call(fd, AZM_RESERVE, &r);

	close(fd);
	return n;
}

static long release(uint32_t cpu)
{
	struct azm_reserve r = { .cpu = cpu };
	int fd = device();
	long n = call(fd, AZM_RELEASE, &r);

	close(fd);
	return n;
}

static uint32_t state(uint32_t cpu)
{
	struct azm_info i = { .cpu = cpu };
	int fd = device();

	if (call(fd, AZM_INFO, &i))
		i.state = 99;
	close(fd);
	return i.state;
}

static int wait_state(uint32_t cpu, uint32_t want)
{
	for (int i = 0; i < 6000 && state(cpu) != want; i++)
		usleep(10000);
	return state(cpu) == want;
}

/* fn in a child, as nobody if so asked; its result, 0 .. 255. */
static int in_child(int (*fn)(uint32_t), uint32_t arg, int nobody)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (nobody && (setresgid(NOBODY, NOBODY, NOBODY) ||
			       setresuid(NOBODY, NOBODY, NOBODY)))
			_exit(99);
		_exit(fn(arg));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		err(9, "child");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}

/* --- what it must refuse --- */

#define REFUSED(field, value, want)                           \
	do {                                                  \
		struct azm_create c_ = create_arg(code_exit); \
		int fd_ = device();                           \
		c_.field = (value);                           \
		is(call(fd_, AZM_CREATE, &c_), want,          \
		   "CREATE with " #field " " #value);         \
		close(fd_);                                   \
	} while (0)

static void creates(void)
{
	REFUSED(version, 0, -ENOEXEC);
	REFUSED(version, AZM_VERSION + 1, -ENOEXEC);
	REFUSED(ncores, 0, -EINVAL);
	REFUSED(ncores, 1025, -EINVAL);
	REFUSED(ncores, ~0U, -EINVAL);
	REFUSED(core_base, 1, -EINVAL);
	REFUSED(core_base, BLOCKS + 8, -EINVAL);
	REFUSED(core_base, 0x8000000000 - STRIDE, -EINVAL);
	REFUSED(core_base, ~0xfffULL, -EINVAL);
	REFUSED(core_base, 0xffff888000000000, -EINVAL);
	REFUSED(core_stride, 0, -EINVAL);
	REFUSED(core_stride, 4096, -EINVAL);
	REFUSED(core_stride, 0x10008, -EINVAL);
	REFUSED(core_stride, 1ULL << 62, -EINVAL);
	REFUSED(page_offset, 1, -EINVAL);
	REFUSED(page_offset, STRIDE, -EINVAL);
	REFUSED(page_offset, 1ULL << 63, -EINVAL);
	REFUSED(trap_stack, 8, -EINVAL);
	REFUSED(trap_stack, STRIDE + 16, -EINVAL);
	REFUSED(trap_stack, ~15ULL, -EINVAL);
	REFUSED(guest_end, 0, -EINVAL);
	REFUSED(guest_end, 0x8000001000, -EINVAL);
	REFUSED(guest_end, 1ULL << 48, -EINVAL);
	REFUSED(guest_end, ~0ULL << 39, -EINVAL);
	REFUSED(text, CODE + 8192, -EINVAL);
	REFUSED(text_end, CODE, -EINVAL);
	REFUSED(text_end, ~0ULL, -EINVAL);
	REFUSED(entry, 0, -EINVAL);
	REFUSED(entry, 0xffffff0000000000, -EINVAL);
	REFUSED(entry, CODE + 4096, -EINVAL);
	REFUSED(trap, 0xffffffff81000000, -EINVAL);
	REFUSED(syscall, 0x1234567812345678, -EINVAL);
	REFUSED(restart[0].begin, CODE + 8, -EINVAL);
	REFUSED(restart[3].end, 8, -EINVAL);
	REFUSED(restart[1].end, 0xffffff0000000000, -EINVAL);
}

static void unknown(void)
{
	static const unsigned long known[] = { AZM_CREATE,  AZM_START,
					       AZM_RUN,     AZM_RESERVE,
					       AZM_RELEASE, AZM_INFO };
	int fd = device(), good = 1;
	char big[16384] = { 0 };

	for (unsigned int nr = 0; nr < 256; nr++)
		if (nr == 0 || nr > 16)
			good &= call(fd, _IOWR(0xa5, nr, struct azm_run),
				     big) == -ENOTTY;
	ok(good, "unknown numbers are ENOTTY");
	good = 1;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		unsigned long c = known[i];

		good &= call(fd, c + (8UL << 16), big) == -ENOTTY;
		good &= call(fd, c & ~(0x3fffUL << 16), big) == -ENOTTY;
		good &= call(fd, c | 0x3fffUL << 16, big) == -ENOTTY;
		good &= call(fd, c ^ 0xc0000000, big) == -ENOTTY;
	}
	ok(good, "other sizes and directions are ENOTTY");
	good = 1;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		good &= call(fd, known[i], NULL) == -EFAULT;
		good &=
		    call(fd, known[i], (void *)0xffff888000000000) == -EFAULT;
		good &= call(fd, known[i], (void *)-8L) == -EFAULT;
		good &=
		    call(fd, known[i], (void *)0x1234567812345678) == -EFAULT;
	}
	ok(good, "bad pointers are EFAULT");
	ok(call(fd, TCGETS, big) == -ENOTTY, "it is no terminal");
	ok(read(fd, big, 1) < 0 && write(fd, big, 1) < 0, "nor a file");
	ok(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED,
	   "nor memory");
	close(fd);
}

static void before_create(void)
{
	int fd = device();

	is(start(fd, 0, 1), -EBADFD, "START before CREATE");
	is(run(fd, 0), -EBADFD, "RUN before CREATE");
	is(call(fd, AZM_KICK, 0), -EBADFD, "KICK before CREATE");
	close(fd);
}

static void reserves(uint32_t cpu)
{
	struct azm_info i = { .cpu = 100000 };
	int fd = device();

	is(reserve(0, AZM_NOBODY, AZM_NOBODY), -ENODEV, "RESERVE CPU 0");
	is(reserve(8191, AZM_NOBODY, AZM_NOBODY), -ENODEV, "an absent CPU");
	is(reserve(~0U, AZM_NOBODY, AZM_NOBODY), -ENODEV, "CPU 2^32-1");
	is(release(cpu), -EINVAL, "RELEASE of what is Linux's");
	is(release(8191), -ENODEV, "RELEASE of an absent CPU");
	is(call(fd, AZM_INFO, &i), -ENODEV, "INFO about an absent CPU");
	is(reserve(cpu, AZM_NOBODY, AZM_NOBODY), 0, "RESERVE");
	is(reserve(cpu, AZM_NOBODY, AZM_NOBODY), -EBUSY, "RESERVE again");
	is(release(cpu), 0, "RELEASE");
	is(release(cpu), -EINVAL, "RELEASE again");
	close(fd);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("# %s: %s\n", path, strerrorname_np(errno));
	close(fd);
}

static void offline_by_hand(uint32_t cpu)
{
	char path[80];
	int fd = instance(code_exit);

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online",
		 cpu);
	write_file(path, "0");
	is(reserve(cpu, AZM_NOBODY, AZM_NOBODY), -ENODEV,
	   "RESERVE of a CPU that others took off-line");
	is(start(fd, 0, cpu), -ENODEV, "START there");
	write_file(path, "1");
	is(state(cpu), AZM_LINUX, "it is Linux's");
	is(reserve(cpu, AZM_NOBODY, AZM_NOBODY), 0, "on-line again: RESERVE");
	fd = open(path, O_WRONLY);
	ok(write(fd, "1", 1) < 0, "a reserved CPU cannot go on-line by hand");
	close(fd);
	is(state(cpu), AZM_RESERVED, "it is still reserved");
	is(release(cpu), 0, "RELEASE");
}

/* --- what it must do --- */

static void starts(uint32_t cpu, uint32_t cpu2)
{
	int fd = instance(code_spin), other = instance(code_spin);
	struct azm_create c = create_arg(code_exit);

	is(call(fd, AZM_CREATE, &c), -EEXIST, "CREATE twice");
	is(start(fd, NCORES, cpu), -EINVAL, "START of a core too many");
	is(start(fd, ~0U, cpu), -EINVAL, "START of core 2^32-1");
	is(start(fd, 0, 0), -ENODEV, "START on CPU 0");
	is(start(fd, 0, 8191), -ENODEV, "START on an absent CPU");
	is(start(fd, 0, AZM_ANY_CPU), -EBUSY, "START without a reserved CPU");
	is(run(fd, 0), -ENXIO, "RUN before START");
	is(run(fd, NCORES), -EINVAL, "RUN of a core too many");
	is(call(fd, AZM_KICK, 0), -ENXIO, "KICK before START");
	is(ioctl(fd, AZM_KICK, 1UL << 40) < 0 ? -errno : 0, -EINVAL,
	   "KICK core 2^40");
	is(start(fd, 0, cpu), 0, "START");
	is(state(cpu), AZM_RUNNING, "it runs");
	is(start(fd, 0, cpu), -EEXIST, "START of the same core");
	is(start(fd, 1, cpu), -EBUSY, "START of another on the same CPU");
	is(start(other, 0, cpu), -EBUSY, "START of another instance's there");
	is(reserve(cpu, AZM_NOBODY, AZM_NOBODY), -EBUSY, "RESERVE meanwhile");
	is(release(cpu), -EBUSY, "RELEASE meanwhile");
	is(ioctl(fd, AZM_KICK, 0UL) < 0 ? -errno : 0, 0, "KICK");
	is(start(other, 3, cpu2), 0, "another instance on another CPU");
	close(fd);
	is(state(cpu), AZM_LINUX, "close gives the CPU back");
	is(state(cpu2), AZM_RUNNING, "but not the other one's");
	close(other);
	is(state(cpu2), AZM_LINUX, "which then goes, too");
}

static void runs(uint32_t cpu, uint32_t cpu2)
{
	int fd = instance(code_exit);

	is(start(fd, 1, cpu), 0, "START to exit");
	is(run(fd, 1), AZM_RUN_EXIT, "it asks to exit");
	is(page(1)->exit_status, 0x2a00, "with its status");
	is(run(fd, 1), AZM_RUN_EXIT, "and still does");
	close(fd);
	fd = instance(code_touch);
	is(start(fd, 0, cpu), 0, "START to touch what is not there");
	is(run(fd, 0), AZM_RUN_EXIT, "it was told of the fault");
	is(page(0)->exit_status, 14 << 8, "a page fault");
	is(page(0)->addr, 0x300000000, "at that address");
	close(fd);
	map_at(0x300000000, 4096, PROT_READ | PROT_WRITE);
	fd = instance(code_touch);
	is(start(fd, 0, cpu), 0, "START to touch what is there");
	is(run(fd, 0), AZM_RUN_EXIT, "it ran on");
	is(page(0)->exit_status, 0x2a00, "to its end");
	is(*(int *)0x300000000, 1, "what it wrote is seen here");
	close(fd);
	munmap((void *)0x300000000, 4096);
	fd = instance(code_host);
	is(start(fd, 0, cpu2), 0, "START to make calls");
	is(run(fd, 0), AZM_RUN_CALL, "the first");
	is(run(fd, 0), AZM_RUN_CALL, "the second");
	close(fd);
	is(state(cpu), AZM_LINUX, "the first CPU is back");
	is(state(cpu2), AZM_LINUX, "the second CPU is back");
}

static void blocks_gone(uint32_t cpu)
{
	int fd = instance(code_spin);

	munmap((void *)(BLOCKS + STRIDE), 4096);
	is(start(fd, 1, cpu), -EFAULT, "START without the core's block");
	is(state(cpu), AZM_LINUX, "leaves the CPU alone");
	map_at(BLOCKS + STRIDE, 4096, PROT_READ);
	is(start(fd, 1, cpu), -EFAULT, "nor with one that is read-only");
	map_at(BLOCKS + STRIDE, 4096, PROT_READ | PROT_WRITE);
	is(start(fd, 1, cpu), 0, "but with one");
	/* The page is pinned; the mapping may go under a core that runs. */
	munmap((void *)BLOCKS, NCORES * STRIDE);
	munmap((void *)CODE, 4096);
	close(fd);
	is(state(cpu), AZM_LINUX, "the CPU comes back without any memory");
	guest_map();
}

struct runner {
	int fd;
	uint32_t core;
	long result;
};

static void *run_thread(void *arg)
{
	struct runner *r = arg;

	r->result = run(r->fd, r->core);
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
}

static void two_threads(uint32_t cpu)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct runner r = { .fd = instance(code_halt) };
	pthread_t t;
	long second = -EBUSY + 1;

	sigaction(SIGUSR1, &sa, NULL);
	is(start(r.fd, 0, cpu), 0, "START to halt");
	pthread_create(&t, NULL, run_thread, &r);
	/* A call that comes first is ended by a signal, and tried again. */
	while (second != -EBUSY) {
		pid_t self = getpid(), pid;

		sigaction(SIGUSR2, &sa, NULL);
		pid = fork();
		/* Again and again: one may come before the call. */
		while (pid == 0 && getppid() == self) {
			usleep(100000);
			kill(self, SIGUSR2);
		}
		if (pid == 0)
			_exit(0);
		second = run(r.fd, 0);
		kill(pid, SIGKILL);
		/* It has the file open, too; its signal may end this. */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		if (second != -EBUSY && second != -EINTR)
			break;
	}
	is(second, -EBUSY, "RUN by a second thread");
	pthread_kill(t, SIGUSR1);
	pthread_join(t, NULL);
	is(r.result, -EINTR, "a signal ends RUN");
	close(r.fd);
	is(state(cpu), AZM_LINUX, "the CPU is back");
}

/* A thread is inside RUN when its file is closed by another one. */
static void close_under_run(uint32_t cpu)
{
	struct runner r = { .fd = instance(code_halt) };
	pthread_t t;

	is(start(r.fd, 0, cpu), 0, "START to halt");
	pthread_create(&t, NULL, run_thread, &r);
	usleep(100000);
	close(r.fd);
	is(state(cpu), AZM_RUNNING, "RUN keeps what was closed");
	pthread_kill(t, SIGUSR1);
	pthread_join(t, NULL);
	is(r.result, -EINTR, "it can be ended");
	ok(wait_state(cpu, AZM_LINUX), "and with it the instance");
}

static int shared_fd;

static int child_uses(uint32_t cpu)
{
	return start(shared_fd, 2, cpu) == -EIO && run(shared_fd, 0) == -EIO &&
	       call(shared_fd, AZM_KICK, 0) == -EIO;
}

static int child_runs_own(uint32_t cpu)
{
	int fd = instance(code_exit);
	int good = start(fd, 0, cpu) == 0 && run(fd, 0) == AZM_RUN_EXIT;

	close(fd);
	return good;
}

static void by_fork(uint32_t cpu, uint32_t cpu2)
{
	shared_fd = instance(code_spin);
	is(start(shared_fd, 0, cpu), 0, "START before a fork");
	is(in_child(child_uses, cpu2, 0), 1, "a child cannot use it: EIO");
	is(state(cpu), AZM_RUNNING, "and does not end it");
	is(in_child(child_runs_own, cpu2, 0), 1, "but one of its own");
	close(shared_fd);
	is(state(cpu), AZM_LINUX, "the CPU is back");
}

static int exec_it(uint32_t cpu)
{
	char fd[16], n[16];
	int keep = fcntl(shared_fd, F_DUPFD, 100);

	if (keep < 0 || start(shared_fd, 0, cpu))
		return 98;
	snprintf(fd, sizeof(fd), "%d", keep);
	snprintf(n, sizeof(n), "%u", cpu);
	execl("/proc/self/exe", "device", "hold", n, fd, (char *)NULL);
	return 97;
}

static int own_and_exec(uint32_t cpu)
{
	shared_fd = instance(code_spin);
	return exec_it(cpu);
}

/* After exec: the memory of the instance is gone, its file is not. */
static int hold(uint32_t cpu, int fd)
{
	if (!wait_state(cpu, AZM_LINUX))
		return 96;
	return start(fd, 1, cpu) == -EIO && run(fd, 0) == -EIO ? 1 : 95;
}

static int die_holding(uint32_t cpu)
{
	int fd = instance(code_spin);

	if (start(fd, 0, cpu))
		return 98;
	kill(getpid(), SIGKILL);
	return 97;
}

/* The creator sends its file away and dies. */
static int send_away(uint32_t cpu)
{
	char buf[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = buf,
			    .msg_controllen = sizeof(buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int fd = instance(code_spin);

	if (start(fd, 0, cpu))
		return 98;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(shared_fd, &m, 0) == 1 ? 1 : 97;
}

static void by_socket(uint32_t cpu)
{
	char buf[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = buf,
			    .msg_controllen = sizeof(buf) };
	int s[2], fd;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		err(9, "socketpair");
	shared_fd = s[1];
	is(in_child(send_away, cpu, 0), 1, "a file sent away");
	ok(wait_state(cpu, AZM_LINUX), "its creator's death ends it");
	if (recvmsg(s[0], &m, 0) != 1)
		err(9, "recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	is(start(fd, 0, cpu), -EIO, "who has the file cannot use it");
	is(run(fd, 0), -EIO, "in any way");
	close(fd);
	close(s[0]);
	close(s[1]);
}

static int as_nobody(uint32_t cpu)
{
	struct azm_memory m = { .node = 0 };
	int fd = instance(code_exit);

	return reserve(cpu, NOBODY, NOBODY) == -EPERM &&
	       release(cpu) == -EPERM && start(fd, 0, cpu) == -EPERM &&
	       call(fd, AZM_MEMORY, &m) < 0;
}

static int nobody_finds_none(uint32_t cpu)
{
	int fd = instance(code_exit);

	return start(fd, 0, cpu) == -EPERM &&
	       start(fd, 0, AZM_ANY_CPU) == -EBUSY;
}

static int nobody_runs(uint32_t cpu)
{
	int fd = instance(code_exit);

	return start(fd, 0, cpu) == 0 && run(fd, 0) == AZM_RUN_EXIT &&
	       start(fd, 1, AZM_ANY_CPU) == -EBUSY;
}

static void permissions(uint32_t cpu)
{
	is(in_child(as_nobody, cpu, 1), 1, "nobody may take no CPU");
	is(reserve(cpu, AZM_NOBODY, AZM_NOBODY), 0, "RESERVE for root");
	is(in_child(nobody_finds_none, cpu, 1), 1, "nobody may not use it");
	is(release(cpu), 0, "RELEASE");
	is(reserve(cpu, 12345, AZM_NOBODY), 0, "RESERVE for somebody");
	is(in_child(nobody_finds_none, cpu, 1), 1, "nobody may not, either");
	is(release(cpu), 0, "RELEASE");
	is(reserve(cpu, NOBODY, AZM_NOBODY), 0, "RESERVE for nobody");
	is(in_child(nobody_runs, cpu, 1), 1, "now he may");
	is(state(cpu), AZM_RESERVED, "and afterwards it is reserved");
	is(in_child(nobody_runs, cpu, 1), 1, "as often as he likes");
	is(release(cpu), 0, "RELEASE");
	is(reserve(cpu, AZM_NOBODY, NOBODY), 0, "RESERVE for a group");
	is(in_child(nobody_runs, cpu, 1), 1, "who is in it may, too");
	is(release(cpu), 0, "RELEASE");
}

static int check(uint32_t cpu, uint32_t cpu2)
{
	signal(SIGPIPE, SIG_IGN);
	guest_map();
	creates();
	unknown();
	before_create();
	reserves(cpu);
	offline_by_hand(cpu);
	starts(cpu, cpu2);
	runs(cpu, cpu2);
	blocks_gone(cpu);
	two_threads(cpu);
	close_under_run(cpu);
	by_fork(cpu, cpu2);
	is(in_child(own_and_exec, cpu, 0), 1, "exec ends an instance");
	is(in_child(die_holding, cpu, 0), 200 + SIGKILL, "so does SIGKILL");
	is(state(cpu), AZM_LINUX,
	   "its CPU is back when it has been waited for");
	by_socket(cpu);
	permissions(cpu);
	printf("1..%d\n", points);
	return failures ? 1 : 0;
}

/* --- everything at random --- */

static uint32_t fuzz_cpu[64];
static int fuzz_cpus, fuzz_fd[8];
static long fuzz_calls;

static uint64_t rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static uint64_t odd(uint64_t *s)
{
	static const uint64_t some[] = { 0,
					 1,
					 2,
					 3,
					 4096,
					 ~0ULL,
					 0x7fffffff,
					 0xffffffff,
					 CODE,
					 BLOCKS,
					 STRIDE,
					 0x8000000000,
					 0xffff888000000000,
					 0xffffff0000000000 };

	return rnd(s) % 2 ? some[rnd(s) % (sizeof(some) / sizeof(some[0]))]
			  : rnd(s) >> (rnd(s) % 64);
}

static uint32_t some_cpu(uint64_t *s)
{
	return rnd(s) % 4 ? fuzz_cpu[rnd(s) % (uint32_t)fuzz_cpus]
			  : (uint32_t)odd(s) | 1U << 14;
}

/* One ioctl; most arguments are nearly right, for the deeper paths. */
static void fuzz_one(uint64_t *s)
{
	static const char *const entries[] = {
		code_exit, code_spin,  code_halt,
		code_host, code_touch, code_trap
	};
	int *slot = &fuzz_fd[rnd(s) % 8], fd = __atomic_load_n(slot, 5);
	struct azm_create c = create_arg(entries[rnd(s) % 6]);
	struct azm_start st = { .core = (uint32_t)(rnd(s) % NCORES),
				.cpu = some_cpu(s) };
	struct azm_reserve r = { .cpu = some_cpu(s),
				 .uid = rnd(s) % 2 ? NOBODY : AZM_NOBODY,
				 .gid = AZM_NOBODY };
	struct azm_run run_arg = { .core = st.core };
	struct azm_info info = { .cpu = some_cpu(s) };
	uint64_t rubbish[32];

	switch (rnd(s) % 12) {
	case 0:
		fd = __atomic_exchange_n(slot, device(), 5);
		close(fd);
		break;
	case 1:
		if (rnd(s) % 3 == 0)
			((uint64_t *)&c)[rnd(s) % (sizeof(c) / 8)] = odd(s);
		call(fd, AZM_CREATE, &c);
		break;
	case 2:
	case 3:
		call(fd, AZM_START, &st);
		break;
	case 4:
		call(fd, AZM_RUN, &run_arg);
		break;
	case 5:
		ioctl(fd, AZM_KICK, rnd(s) % 2 ? rnd(s) % NCORES : odd(s));
		break;
	case 6:
		call(fd, AZM_RESERVE, &r);
		break;
	case 7:
		call(fd, AZM_RELEASE, &r);
		break;
	case 8:
		call(fd, AZM_INFO, &info);
		break;
	case 9:
		for (int i = 0; i < 32; i++)
			rubbish[i] = odd(s);
		ioctl(fd, AZM_IOC(rnd(s) % 10, struct azm_info),
		      rnd(s) % 2 ? (uint64_t)rubbish : odd(s));
		break;
	case 10:
		ioctl(fd, odd(s) | 0xa500, odd(s));
		break;
	default:
		/* The owner's memory changes under its cores. */
		if (rnd(s) % 2)
			madvise((void *)BLOCKS, NCORES * STRIDE, MADV_DONTNEED);
		else
			map_at(0x300000000, 4096 << rnd(s) % 6,
			       (int)(rnd(s) % 4));
	}
	__atomic_fetch_add(&fuzz_calls, 1, 5);
}

struct fuzzer {
	uint64_t seed;
	long n;
};

static void *fuzz_thread(void *arg)
{
	struct fuzzer *f = arg;

	while (f->n-- > 0)
		fuzz_one(&f->seed);
	return NULL;
}

/* RUN waits for ever where nothing happens: a signal now and then. */
static void fuzz(uint64_t seed, long n)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct fuzzer f[3];
	pthread_t t[3];
	int i, left = 3;

	sigaction(SIGUSR1, &sa, NULL);
	guest_map();
	for (i = 0; i < 8; i++)
		fuzz_fd[i] = device();
	for (i = 0; i < 3; i++) {
		f[i].seed = (seed * 3 + (uint64_t)i) * 0x9e3779b97f4a7c15 | 1;
		f[i].n = n / 3;
		pthread_create(&t[i], NULL, fuzz_thread, &f[i]);
	}
	while (left) {
		struct timespec soon;

		left = 3;
		for (i = 0; i < 3; i++) {
			clock_gettime(CLOCK_REALTIME, &soon);
			soon.tv_nsec += 20000000;
			if (soon.tv_nsec >= 1000000000) {
				soon.tv_sec++;
				soon.tv_nsec -= 1000000000;
			}
			if (!t[i] || !pthread_timedjoin_np(t[i], NULL, &soon)) {
				t[i] = 0;
				left--;
			} else {
				pthread_kill(t[i], SIGUSR1);
			}
		}
	}
	for (i = 0; i < 8; i++)
		close(fuzz_fd[i]);
	if (geteuid() == 0)
		for (i = 0; i < fuzz_cpus; i++)
			release(fuzz_cpu[i]);
	printf("%ld calls\n", fuzz_calls);
}

static int churn(uint32_t cpu, long n)
{
	guest_map();
	for (long i = 0; i < n; i++) {
		int fd = instance(i % 3 ? code_exit : code_touch);

		if (start(fd, (uint32_t)i % NCORES, cpu) ||
		    run(fd, (uint32_t)i % NCORES) != AZM_RUN_EXIT)
			return 1;
		close(fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "check"))
		return check((uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[3]));
	if (argc == 4 && !strcmp(argv[1], "churn"))
		return churn((uint32_t)atoi(argv[2]), atol(argv[3]));
	if (argc == 4 && !strcmp(argv[1], "hold"))
		return hold((uint32_t)atoi(argv[2]), atoi(argv[3]));
	if (argc >= 5 && !strcmp(argv[1], "fuzz")) {
		for (int i = 4; i < argc && fuzz_cpus < 64; i++)
			fuzz_cpu[fuzz_cpus++] = (uint32_t)atoi(argv[i]);
		fuzz(strtoull(argv[2], NULL, 0), atol(argv[3]));
		return 0;
	}
	errx(2, "usage: see the head of device.c");
}
