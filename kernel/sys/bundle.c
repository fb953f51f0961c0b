/* SPDX-License-Identifier: MIT */
/*
 * bundle.c - finding bundled files, and what stands in for them.
 *
 * The index is sorted and does not change: no state, no locks.
 */
#include "sys/bundle.h"

#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/stat.h>

#include "calls.h"
#include "lib/errno.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/user.h"
#include "sys/sys.h"

#define LINKS_MAX 40 /* as Linux's MAXSYMLINKS */
/*
 * The time that marks a stand-in: in the year 24 million, on a file without a
 * name. Nobody's file has it by chance.
 */
#define MARK 0x2b5a1ea5bead5LL

bool bundle_here(void)
{
	return BOOT->bundle &&
	       (BUNDLE->nentries > 1 || !(BUNDLE->flags & AZ_BUNDLE_SELF));
}

/* --- stubs --- */

void bundle_rip(struct az_frame *frame)
{
	struct az_stub_tail tail;
	uint64_t off, at;

	if (likely(!BOOT->bundle) || frame->rip < BUNDLE->stubs ||
	    frame->rip >= BUNDLE->stubs_end)
		return;
	off = (frame->rip - BUNDLE->stubs) % AZ_STUB_SIZE;
	at = frame->rip - off + AZ_STUB_TAIL;
	if (copy_from_user(&tail, at, sizeof(tail)))
		return;
	/* Behind what was moved only %rcx changes, which a call does anyway. */
	frame->rip =
	    off < tail.moved ? tail.site - tail.moved + off : tail.site;
}

/* --- looking up --- */

/* The first entry whose path is not below the first len bytes of path. */
static uint32_t lower_bound(const char *path, size_t len)
{
	uint32_t lo = 0, hi = BUNDLE->nentries;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const char *s = bundle_string(BUNDLE->entry[mid].path);

		if (strncmp(s, path, len) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct az_bundle_entry *find(const char *path, size_t len)
{
	uint32_t i = lower_bound(path, len);
	const char *s;

	if (i == BUNDLE->nentries || !len)
		return NULL;
	s = bundle_string(BUNDLE->entry[i].path);
	return strncmp(s, path, len) == 0 && !s[len] ? &BUNDLE->entry[i] : NULL;
}

static bool is_link(const struct az_bundle_entry *e)
{
	return (e->mode & S_IFMT) == S_IFLNK;
}

/* A link among the directories that lead to path: its length, or 0. */
static size_t link_above(const char *path, const struct az_bundle_entry **out)
{
	for (size_t i = 1; path[i]; i++) {
		if (path[i] != '/')
			continue;
		*out = find(path, i);
		if (*out && is_link(*out))
			return i;
	}
	return 0;
}

/* Put the target of the link in place of the first len bytes of path. */
static int follow_link(char path[VPATH_MAX], size_t len,
		       const struct az_bundle_entry *link)
{
	const char *target = bundle_string(link->target);
	char rest[VPATH_MAX];

	memcpy(rest, path + len, strlen(path + len) + 1);
	path[len] = '\0';
	if (*target == '/')
		path[0] = '\0';
	else
		*strrchr(path, '/') = '\0';
	if (!vpath_append(path, VPATH_MAX, target) ||
	    !vpath_append(path, VPATH_MAX, rest))
		return -ENAMETOOLONG;
	return 0;
}

int bundle_find(char path[VPATH_MAX], bool follow,
		const struct az_bundle_entry **out)
{
	const struct az_bundle_entry *e;
	size_t len;
	int err;

	for (int links = 0; links < LINKS_MAX; links++) {
		len = strlen(path);
		e = find(path, len);
		if (!e)
			len = link_above(path, &e);
		else if (!is_link(e) || !follow)
			len = 0;
		if (!len) {
			*out = e && !find(path, strlen(path)) ? NULL : e;
			return 0;
		}
		err = follow_link(path, len, e);
		if (err)
			return err;
	}
	return -ELOOP;
}

bool bundle_child(const struct az_bundle_entry *dir, uint32_t *from,
		  const char **name)
{
	const char *path = bundle_string(dir->path);
	size_t len = path[1] ? strlen(path) : 0; /* "/" is no prefix of "//" */
	uint32_t i = MAX(*from, (uint32_t)(dir - BUNDLE->entry) + 1);

	for (; i < BUNDLE->nentries; i++) {
		const char *s = bundle_string(BUNDLE->entry[i].path);

		/* Between a/ and what is in it stand a-b and the like. */
		if (strncmp(s, path, len) != 0)
			return false;
		if (s[len] != '/' || strchr(s + len + 1, '/'))
			continue;
		*from = i;
		*name = s + len + 1;
		return true;
	}
	return false;
}

/* --- stand-ins --- */

uint64_t bundle_ino(const struct az_bundle_entry *e)
{
	/* Contents lie behind the owner's executable; indices are small. */
	if ((e->mode & S_IFMT) == S_IFREG && e->size)
		return e->offset + (1ULL << 32);
	return (uint64_t)(e - BUNDLE->entry) + 1;
}

const struct az_bundle_entry *bundle_of_fd(int fd)
{
	struct stat st;

	if (host_call(AZ_SYS_fstat, (uint64_t)fd, (uint64_t)&st, 0, 0, 0, 0) ||
	    st.st_nlink || st.st_mtime != MARK ||
	    st.st_mtime_nsec >= BUNDLE->nentries)
		return NULL;
	return &BUNDLE->entry[st.st_mtime_nsec];
}

static int standin_write(long fd, const struct az_bundle_entry *e)
{
	uint64_t from = AZ_BUNDLE_BASE + e->offset, left = e->size;

	if ((e->mode & S_IFMT) != S_IFREG)
		return 0;
	while (left) {
		long n =
		    host_call(AZ_SYS_write, (uint64_t)fd, from, left, 0, 0, 0);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		from += (uint64_t)n;
		left -= (uint64_t)n;
	}
	return 0;
}

static int standin_mark(long fd, const struct az_bundle_entry *e)
{
	struct {
		int64_t sec, nsec;
	} times[2] = { { e->mtime, 0 }, { MARK, e - BUNDLE->entry } };
	long err;

	host_call(AZ_SYS_fchmod, (uint64_t)fd, e->mode & 0777, 0, 0, 0, 0);
	err = host_call(AZ_SYS_utimensat, (uint64_t)fd, 0, (uint64_t)times, 0,
			0, 0);
	if (!err)
		err = host_call(AZ_SYS_fcntl, (uint64_t)fd, F_ADD_SEALS,
				F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW |
				    F_SEAL_SEAL,
				0, 0, 0);
	return (int)err;
}

/*
 * What F_GETFL says is to be read-only: another description of the same file,
 * under the same number. Without /proc it stays as it is, which is sealed.
 */
static void standin_reopen(long fd, uint64_t flags)
{
	char name[32];
	long r;

	vpath_fd_name(name, sizeof(name), (int)fd);
	r = host_call(AZ_SYS_openat, (uint64_t)AT_FDCWD, (uint64_t)name,
		      O_RDONLY | O_CLOEXEC | (flags & O_NONBLOCK), 0, 0, 0);
	if (r >= 0) {
		host_call(AZ_SYS_dup3, (uint64_t)r, (uint64_t)fd,
			  flags & O_CLOEXEC, 0, 0, 0);
		host_call(AZ_SYS_close, (uint64_t)r, 0, 0, 0, 0, 0);
		return;
	}
	host_call(AZ_SYS_lseek, (uint64_t)fd, 0, 0, 0, 0, 0);
	host_call(AZ_SYS_fcntl, (uint64_t)fd, F_SETFD,
		  flags & O_CLOEXEC ? FD_CLOEXEC : 0, 0, 0, 0);
}

long bundle_standin(const struct az_bundle_entry *e, uint64_t flags)
{
	const char *path = bundle_string(e->path);
	const char *slash = strrchr(path, '/');
	char name[200]; /* Linux takes 249 bytes */
	long fd;
	int err;

	fmt_format(name, sizeof(name), "%s", slash ? slash + 1 : path);
	fd = host_call(AZ_SYS_memfd_create, (uint64_t)name,
		       MFD_ALLOW_SEALING | MFD_CLOEXEC, 0, 0, 0, 0);
	if (fd < 0)
		return fd;
	err = standin_write(fd, e);
	if (!err)
		err = standin_mark(fd, e);
	if (err) {
		host_call(AZ_SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
		return err;
	}
	standin_reopen(fd, flags);
	return fd;
}
