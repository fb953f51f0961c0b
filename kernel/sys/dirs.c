/* SPDX-License-Identifier: MIT */
/*
 * dirs.c - getdents64(2): directories that list the owner's things.
 *
 * /proc/self/fd loses the owner's descriptors, /sys/devices/system/cpu the
 * CPUs that the instance does not have, /proc/self/task is made here. Which
 * directory a descriptor is open on is asked only if it is on the file system
 * of one of these; their device numbers are learnt once.
 */
#include <linux/fcntl.h>

#include "calls.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "sched/thread.h"
#include "sys/files.h"
#include "sys/sys.h"
#include "sys/text.h"
#include "sys/vpath.h"

#define STAT_SIZE 144
#define DT_DIR    4
#define MAX_TIDS  65536U

/* struct linux_dirent64 */
struct dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[5]; /* and on; this much is there always, as reclen is 24 */
};

#define DIRENT_MIN offsetof(struct dirent64, name)

/* Their devices: 0 unknown yet, ~0 not there. */
static const char *const special[] = { "/proc/self", "/sys" };
static uint64_t special_dev[ARRAY_SIZE(special)];

typedef bool entry_hidden_fn(const char *name);

static uint64_t device_of(long r, const char st[STAT_SIZE])
{
	uint64_t dev;

	memcpy(&dev, st, sizeof(dev)); /* st_dev comes first */
	return r ? ~0ULL : dev;
}

static uint64_t device_of_special(size_t i)
{
	uint64_t dev = __atomic_load_n(&special_dev[i], __ATOMIC_RELAXED);
	char st[STAT_SIZE];

	if (dev)
		return dev;
	dev = device_of(host_call(AZ_SYS_newfstatat, (uint64_t)AT_FDCWD,
				  (uint64_t)special[i], (uint64_t)st, 0, 0, 0),
			st);
	__atomic_store_n(&special_dev[i], dev, __ATOMIC_RELAXED);
	return dev;
}

/* Is fd open on a directory of /proc or /sys? Its path. */
static bool is_special(int fd, char *path, size_t size)
{
	char st[STAT_SIZE];
	uint64_t dev = device_of(host_call(AZ_SYS_fstat, (uint64_t)fd,
					   (uint64_t)st, 0, 0, 0, 0),
				 st);

	if (dev == ~0ULL ||
	    (dev != device_of_special(0) && dev != device_of_special(1)))
		return false;
	return vpath_of_fd(path, size, fd) > 0;
}

static bool fd_entry_hidden(const char *name)
{
	const char *s = name;
	uint64_t n = text_number(&s);

	return s > name && !*s && fd_hidden(n);
}

static bool cpu_entry_hidden(const char *name)
{
	const char *s = name + 3;

	if (strncmp(name, "cpu", 3) != 0 || *s < '0' || *s > '9')
		return false;
	return text_number(&s) >= BOOT->ncores && !*s;
}

/* Take hidden entries out of buf; how much is left. */
static size_t filter(char *buf, size_t len, entry_hidden_fn *hidden)
{
	size_t kept = 0;
	uint16_t reclen;

	for (size_t at = 0; at + DIRENT_MIN < len; at += reclen) {
		memcpy(&reclen, buf + at + offsetof(struct dirent64, reclen),
		       sizeof(reclen));
		/* Others of the program's threads may write there too. */
		if (reclen <= DIRENT_MIN || reclen > len - at ||
		    strnlen(buf + at + DIRENT_MIN, reclen - DIRENT_MIN) ==
			reclen - DIRENT_MIN)
			break;
		if (hidden(buf + at + DIRENT_MIN))
			continue;
		memmove(buf + kept, buf + at, reclen);
		kept += reclen;
	}
	return kept;
}

static long list_filtered(const uint64_t a[6], entry_hidden_fn *hidden)
{
	for (;;) {
		long n = offload(AZ_SYS_getdents64, a);
		size_t kept = 0;
		char *buf;
		int err;

		if (n <= 0)
			return n;
		buf = kalloc((size_t)n);
		if (!buf)
			return -ENOMEM;
		err = copy_from_user(buf, a[1], (size_t)n);
		if (!err) {
			kept = filter(buf, (size_t)n, hidden);
			err = copy_to_user(a[1], buf, kept);
		}
		kfree(buf);
		if (err || kept)
			return err ? err : (long)kept;
	}
}

/* --- /proc/self/task --- */

/*
 * The ids of all threads, ascending: the list is in order of creation, the
 * first thread's id is below all others. Free it with kfree.
 */
static uint32_t *tids_list(uint32_t *n)
{
	uint32_t room = __atomic_load_n(&thread_count, __ATOMIC_RELAXED) + 16;
	uint32_t *tid = kalloc(MIN(room, MAX_TIDS) * sizeof(*tid));

	*n = 0;
	if (!tid)
		return NULL;
	spin_lock(&threads_lock);
	list_for_each(e, &threads) {
		if (*n == MIN(room, MAX_TIDS))
			break;
		tid[(*n)++] = (uint32_t)list_entry(e, struct thread, all)->tid;
	}
	spin_unlock(&threads_lock);
	return tid;
}

static int put_entry(uint64_t *to, uint64_t *room, const char *name,
		     uint64_t ino, int64_t next)
{
	size_t len = strlen(name) + 1;
	uint16_t reclen = (uint16_t)ALIGN_UP(DIRENT_MIN + len, 8);
	char buf[64] = { 0 };
	struct dirent64 d = {
		.ino = ino, .off = next, .reclen = reclen, .type = DT_DIR
	};

	if (reclen > *room)
		return -EINVAL;
	memcpy(buf, &d, DIRENT_MIN);
	memcpy(buf + DIRENT_MIN, name, len);
	if (copy_to_user(*to, buf, reclen))
		return -EFAULT;
	*to += reclen;
	*room -= reclen;
	return 0;
}

/*
 * Positions in the directory: 0 and 1 for the dots, then 2 + the smallest
 * thread id that was not listed yet, so that threads may come and go. The
 * position is kept where Linux keeps it, so lseek and dup work.
 */
static int put_tasks(uint64_t *to, uint64_t *room, int64_t *pos,
		     const uint32_t *tid, uint32_t n)
{
	int err = 0;

	while (*pos < 2 && !err) {
		err =
		    put_entry(to, room, *pos ? ".." : ".", BOOT->pid, *pos + 1);
		if (!err)
			(*pos)++;
	}
	for (uint32_t i = 0; i < n && !err; i++) {
		char name[16];

		if ((int64_t)tid[i] + 2 < *pos)
			continue;
		fmt_format(name, sizeof(name), "%u", tid[i]);
		err = put_entry(to, room, name, tid[i], (int64_t)tid[i] + 3);
		if (!err)
			*pos = (int64_t)tid[i] + 3;
	}
	return err;
}

static long list_tasks(const uint64_t a[6])
{
	uint64_t to = a[1];
	uint64_t room = (uint32_t)a[2];
	int64_t pos = host_call(AZ_SYS_lseek, a[0], 0, 1, 0, 0, 0);
	uint32_t n;
	uint32_t *tid;
	int err;

	if (pos < 0)
		return pos;
	tid = tids_list(&n);
	if (!tid)
		return -ENOMEM;
	err = put_tasks(&to, &room, &pos, tid, n);
	kfree(tid);
	host_call(AZ_SYS_lseek, a[0], (uint64_t)pos, 0, 0, 0, 0);
	return err && to == a[1] ? err : (long)(to - a[1]);
}

/* path is /proc/<own pid>/<what>, or .../task/<any>/<what>. */
static bool is_own(const char *path, const char *what)
{
	char prefix[32];
	size_t n = fmt_format(prefix, sizeof(prefix), "/proc/%u/", BOOT->pid);

	if (strncmp(path, prefix, n) != 0)
		return false;
	path += n;
	if (strncmp(path, "task/", 5) == 0) {
		path += 5;
		text_number(&path);
		path += *path == '/';
	}
	return strcmp(path, what) == 0;
}

/* With a buffer that is not the program's: Linux's error, whichever it is. */
static long list_nowhere(const uint64_t a[6])
{
	const uint64_t b[6] = { a[0], ~0ULL, a[2] };

	return offload(AZ_SYS_getdents64, b);
}

long sys_getdents64(const uint64_t a[6])
{
	char path[VPATH_MAX];

	if (fd_hidden(a[0]))
		return -EBADF;
	if (!user_range_ok(a[1], (uint32_t)a[2]))
		return list_nowhere(a);
	if (likely(!is_special((int)a[0], path, sizeof(path))))
		return offload(AZ_SYS_getdents64, a);
	if (strcmp(path, "/sys/devices/system/cpu") == 0)
		return list_filtered(a, cpu_entry_hidden);
	if (is_own(path, "fd") || is_own(path, "fdinfo"))
		return list_filtered(a, fd_entry_hidden);
	if (is_own(path, "task"))
		return list_tasks(a);
	return offload(AZ_SYS_getdents64, a);
}
