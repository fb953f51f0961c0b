/* SPDX-License-Identifier: MIT */
/*
 * channel.c - messages between two processes, through shared memory.
 *
 * A channel is a file in /dev/shm of one page: for each direction a number,
 * which grows with each message, and the message, each in cache lines of its
 * own with one writer. The reply has the number of its request. Who waits looks
 * at the number for a while, as long as that has paid lately, then sleeps on it
 * (a futex that is not private, since two processes know it).
 *
 * That the other side lives shows in locks on the file, which end with their
 * process: byte SERVER, byte CLIENT. Who sleeps looks at them now and then.
 *
 * Nothing that the other side writes is used but as numbers to compare and as
 * words to copy, once.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "azalea/ipc.h"

#define MAGIC  0x4c4e484341455a41ULL /* "AZEACHNL" */
#define SERVER 0
#define CLIENT 1

/* How often who sleeps looks whether the other side lives. */
#define LOOK_NS 100000000L
/* Turns of spinning; one is about 20 ns, so that the most is two wake-ups. */
#define SPIN_MAX 1000U
/* A side that has not spun for so many messages tries again. */
#define SPIN_TRY 64U

struct direction {
	_Alignas(64) uint32_t seq; /* futex: grows with each message */
	uint32_t sleeps;           /* 1: the receiver does, wake it */
	_Alignas(64) uint64_t word[AZALEA_IPC_WORDS];
};

struct shared {
	uint64_t magic; /* written last: the channel is ready */
	struct direction request, reply;
};

_Static_assert(sizeof(struct shared) <= 4096, "one page");

struct azalea_channel {
	struct shared *shared;
	int fd, side;
	uint32_t
	    seq; /* client: of its last request; server: of the last it saw */
	uint32_t owes; /* server: a reply */
	uint32_t met;  /* server: a client, which has not gone yet */
	uint32_t spin, waits;
	char name[256];
};

/* --- who is there --- */

/* Take a side's lock: 0, or -EBUSY if somebody has it. */
static int side_take(int fd, int side)
{
	struct flock l = { .l_type = F_WRLCK, .l_start = side, .l_len = 1 };

	if (fcntl(fd, F_OFD_SETLK, &l) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

/* Does somebody else hold it? */
static int side_lives(int fd, int side)
{
	struct flock l = { .l_type = F_WRLCK, .l_start = side, .l_len = 1 };

	return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

/* --- waiting and waking --- */

static uint32_t seq_of(const struct direction *d)
{
	return __atomic_load_n(&d->seq, __ATOMIC_ACQUIRE);
}

static void send(struct direction *d, uint32_t seq,
		 const struct azalea_msg *msg)
{
	for (int i = 0; i < AZALEA_IPC_WORDS; i++)
		__atomic_store_n(&d->word[i], msg->word[i], __ATOMIC_RELAXED);
	/* Pairs with sleep_on: it says that it sleeps, then looks. */
	__atomic_store_n(&d->seq, seq, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&d->sleeps, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&d->sleeps, 0, __ATOMIC_RELAXED);
		syscall(SYS_futex, &d->seq, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
}

static void take(const struct direction *d, struct azalea_msg *msg)
{
	for (int i = 0; i < AZALEA_IPC_WORDS; i++)
		msg->word[i] = __atomic_load_n(&d->word[i], __ATOMIC_RELAXED);
}

/* Look for d to become other than seq, as long as that pays. 1: it has. */
static int spin(struct azalea_channel *c, const struct direction *d,
		uint32_t seq)
{
	uint32_t turns = c->spin;

	if (++c->waits % SPIN_TRY == 0)
		turns = SPIN_MAX;
	for (uint32_t i = 0; i < turns; i++) {
		if (seq_of(d) != seq) {
			c->spin = SPIN_MAX;
			return 1;
		}
		__builtin_ia32_pause();
	}
	c->spin /= 2;
	return seq_of(d) != seq;
}

/* Sleep while d is seq. 0: look again; -EINTR; -EPIPE: nobody is there. */
static int sleep_on(struct azalea_channel *c, struct direction *d, uint32_t seq)
{
	struct timespec time = { 0, LOOK_NS };
	long r = 0;

	__atomic_store_n(&d->sleeps, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&d->seq, __ATOMIC_SEQ_CST) == seq)
		r = syscall(SYS_futex, &d->seq, FUTEX_WAIT, seq, &time, NULL,
			    0);
	__atomic_store_n(&d->sleeps, 0, __ATOMIC_RELAXED);
	if (r == 0 || errno == EAGAIN)
		return 0;
	if (errno == EINTR)
		return -EINTR;
	if (side_lives(c->fd, c->side == SERVER ? CLIENT : SERVER))
		return 0;
	/* It may have written before it went. */
	if (seq_of(d) != seq)
		return 0;
	if (c->side == SERVER && !c->met)
		return 0; /* the client is yet to come */
	c->met = 0;
	return -EPIPE;
}

static int wait_for(struct azalea_channel *c, struct direction *d, uint32_t seq)
{
	int r = 0;

	while (seq_of(d) == seq && !spin(c, d, seq) && r == 0)
		r = sleep_on(c, d, seq);
	return r;
}

/* --- messages --- */

int azalea_channel_call(struct azalea_channel *channel, struct azalea_msg *msg)
{
	struct direction *d = &channel->shared->reply;
	uint32_t seen;
	int r;

	if (channel->side != CLIENT)
		return -EINVAL;
	send(&channel->shared->request, ++channel->seq, msg);
	/* Replies to calls that were given up may come before. */
	while ((seen = seq_of(d)) != channel->seq) {
		r = wait_for(channel, d, seen);
		if (r)
			return r;
	}
	take(d, msg);
	return 0;
}

static int receive(struct azalea_channel *c, struct azalea_msg *msg)
{
	struct direction *d = &c->shared->request;
	int r = wait_for(c, d, c->seq);

	if (r)
		return r;
	c->seq = seq_of(d);
	c->owes = c->met = 1;
	take(d, msg);
	return 0;
}

int azalea_channel_receive(struct azalea_channel *channel,
			   struct azalea_msg *msg)
{
	if (channel->side != SERVER)
		return -EINVAL;
	channel->owes = 0;
	return receive(channel, msg);
}

int azalea_channel_reply(struct azalea_channel *channel,
			 const struct azalea_msg *msg)
{
	if (channel->side != SERVER)
		return -EINVAL;
	if (!channel->owes)
		return -ESRCH;
	channel->owes = 0;
	send(&channel->shared->reply, channel->seq, msg);
	return 0;
}

int azalea_channel_reply_wait(struct azalea_channel *channel,
			      struct azalea_msg *msg)
{
	int r = azalea_channel_reply(channel, msg);

	return r == -EINVAL ? r : receive(channel, msg);
}

/* --- making and ending --- */

/* Map it; a fresh one if its size is to be set. */
static int map(struct azalea_channel *c)
{
	struct stat st;

	if (c->side == SERVER && ftruncate(c->fd, sizeof(struct shared)))
		return -errno;
	if (fstat(c->fd, &st))
		return -errno;
	if (st.st_size == 0)
		return -ENOENT; /* about to be made */
	if (st.st_size != sizeof(struct shared))
		return -EPROTO;
	c->shared = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED, c->fd, 0);
	if (c->shared == MAP_FAILED) {
		c->shared = NULL;
		return -errno;
	}
	return 0;
}

static void destroy(struct azalea_channel *c)
{
	if (c->shared)
		munmap(c->shared, sizeof(struct shared));
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

static int channel_new(const char *name, int side, struct azalea_channel **c)
{
	size_t n = strlen(name) + 1;

	if (n > sizeof((*c)->name))
		return -ENAMETOOLONG;
	*c = calloc(1, sizeof(**c));
	if (!*c)
		return -ENOMEM;
	memcpy((*c)->name, name, n);
	(*c)->fd = -1;
	(*c)->side = side;
	(*c)->spin = SPIN_MAX;
	return 0;
}

/* A channel, and not something else that happens to have the name? */
static int is_channel(int fd)
{
	struct stat st;
	uint64_t magic;

	return fstat(fd, &st) == 0 && st.st_size == sizeof(struct shared) &&
	       pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) &&
	       magic == MAGIC;
}

/* The name is taken: 0 if by a channel whose server is gone; it is not now. */
static int remove_stale(const char *name)
{
	int fd = shm_open(name, O_RDWR | O_CLOEXEC, 0), r = -EEXIST;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (is_channel(fd) && side_take(fd, SERVER) == 0)
		r = shm_unlink(name) && errno != ENOENT ? -errno : 0;
	close(fd);
	return r;
}

static int create_file(struct azalea_channel *c)
{
	int r = 0;

	do {
		c->fd = shm_open(c->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
				 0600);
		if (c->fd < 0)
			r = errno == EEXIST ? remove_stale(c->name) : -errno;
	} while (c->fd < 0 && r == 0);
	if (c->fd < 0)
		return r;
	return side_take(c->fd, SERVER) ? -EEXIST : 0;
}

int azalea_channel_create(const char *name, struct azalea_channel **channel)
{
	struct azalea_channel *c;
	int r = channel_new(name, SERVER, &c);

	if (r)
		return r;
	r = create_file(c);
	if (r == 0) {
		r = map(c);
		if (r)
			shm_unlink(name);
	}
	if (r) {
		destroy(c);
		return r;
	}
	/* Pairs with azalea_channel_open. */
	__atomic_store_n(&c->shared->magic, MAGIC, __ATOMIC_RELEASE);
	*channel = c;
	return 0;
}

static int open_client(struct azalea_channel *c)
{
	uint64_t magic;
	int r;

	c->fd = shm_open(c->name, O_RDWR | O_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	r = map(c);
	if (r)
		return r;
	magic = __atomic_load_n(&c->shared->magic, __ATOMIC_ACQUIRE);
	if (magic != MAGIC)
		return magic ? -EPROTO : -ENOENT;
	if (!side_lives(c->fd, SERVER))
		return -EPIPE;
	r = side_take(c->fd, CLIENT);
	c->seq = seq_of(&c->shared->request);
	return r;
}

int azalea_channel_open(const char *name, struct azalea_channel **channel)
{
	struct azalea_channel *c;
	int r = channel_new(name, CLIENT, &c);

	if (r)
		return r;
	r = open_client(c);
	if (r)
		destroy(c);
	else
		*channel = c;
	return r;
}

/* Wake who sleeps: it finds nobody there. */
void azalea_channel_close(struct azalea_channel *channel)
{
	if (channel->side == SERVER)
		shm_unlink(channel->name);
	destroy(channel);
}
