/* SPDX-License-Identifier: MIT */
/*
 * bundlecalls.c - system calls on bundled files.
 *
 * Asked before the call itself is made, and only in an instance that has such
 * files. What names none of them goes on as if they were not there. No state,
 * no locks.
 */
#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#include "calls.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "lib/user.h"
#include "sys/bundle.h"
#include "sys/files.h"
#include "sys/sys.h"

#define NONE     (-1)  /* no such argument */
#define DEV      0xa21 /* no device has it */
#define W_OK     2
#define X_OK     1
#define BLOCK    4096
#define DT_DIR   4
#define DT_REG   8
#define DT_LNK   10
#define NAME_MAX 255

/* What is done with a path. */
#define DO_OPEN     1U
#define DO_STAT     2U
#define DO_ACCESS   3U
#define DO_READLINK 4U
#define DO_STATX    5U
#define DO_REFUSE   6U /* -err if there is an entry */

/* Calls with a path: which arguments are what. */
struct path_call {
	uint16_t nr;
	int8_t dir, path;  /* directory's descriptor, path */
	int8_t flags;      /* of open or AT_ */
	int8_t arg;        /* the result's place, mode of access or open */
	uint8_t what, err; /* DO_ */
	bool nofollow;     /* of the last component */
};

#define REFUSE(name, dir, path, err, nofollow)                                 \
	{                                                                      \
		AZ_SYS_##name, dir, path, NONE, NONE, DO_REFUSE, err, nofollow \
	}

static const struct path_call path_calls[] = {
	{ AZ_SYS_open, NONE, 0, 1, 2, DO_OPEN, 0, false },
	{ AZ_SYS_openat, 0, 1, 2, 3, DO_OPEN, 0, false },
	{ AZ_SYS_openat2, 0, 1, NONE, NONE, DO_OPEN, 0, false },
	{ AZ_SYS_stat, NONE, 0, NONE, 1, DO_STAT, 0, false },
	{ AZ_SYS_lstat, NONE, 0, NONE, 1, DO_STAT, 0, true },
	{ AZ_SYS_newfstatat, 0, 1, 3, 2, DO_STAT, 0, false },
	{ AZ_SYS_statx, 0, 1, 2, 4, DO_STATX, 0, false },
	{ AZ_SYS_access, NONE, 0, NONE, 1, DO_ACCESS, 0, false },
	{ AZ_SYS_faccessat, 0, 1, NONE, 2, DO_ACCESS, 0, false },
	{ AZ_SYS_faccessat2, 0, 1, 3, 2, DO_ACCESS, 0, false },
	{ AZ_SYS_readlink, NONE, 0, NONE, 1, DO_READLINK, 0, true },
	{ AZ_SYS_readlinkat, 0, 1, NONE, 2, DO_READLINK, 0, true },
	REFUSE(creat, NONE, 0, EROFS, false),
	REFUSE(truncate, NONE, 0, EROFS, false),
	REFUSE(chmod, NONE, 0, EROFS, false),
	REFUSE(chown, NONE, 0, EROFS, false),
	REFUSE(lchown, NONE, 0, EROFS, true),
	REFUSE(fchmodat, 0, 1, EROFS, false),
	REFUSE(fchmodat2, 0, 1, EROFS, false),
	REFUSE(fchownat, 0, 1, EROFS, false),
	REFUSE(utime, NONE, 0, EROFS, false),
	REFUSE(utimes, NONE, 0, EROFS, false),
	REFUSE(futimesat, 0, 1, EROFS, false),
	REFUSE(utimensat, 0, 1, EROFS, false),
	REFUSE(setxattr, NONE, 0, EROFS, false),
	REFUSE(lsetxattr, NONE, 0, EROFS, true),
	REFUSE(removexattr, NONE, 0, EROFS, false),
	REFUSE(lremovexattr, NONE, 0, EROFS, true),
	REFUSE(getxattr, NONE, 0, ENODATA, false),
	REFUSE(lgetxattr, NONE, 0, ENODATA, true),
	REFUSE(listxattr, NONE, 0, EOPNOTSUPP, false),
	REFUSE(llistxattr, NONE, 0, EOPNOTSUPP, true),
	REFUSE(unlink, NONE, 0, EROFS, true),
	REFUSE(unlinkat, 0, 1, EROFS, true),
	REFUSE(rmdir, NONE, 0, EROFS, true),
	REFUSE(rename, NONE, 0, EROFS, true),
	REFUSE(renameat, 0, 1, EROFS, true),
	REFUSE(renameat2, 0, 1, EROFS, true),
	REFUSE(link, NONE, 0, EXDEV, true),
	REFUSE(linkat, 0, 1, EXDEV, true),
	REFUSE(mkdir, NONE, 0, EEXIST, true),
	REFUSE(mkdirat, 0, 1, EEXIST, true),
	REFUSE(mknod, NONE, 0, EEXIST, true),
	REFUSE(mknodat, 0, 1, EEXIST, true),
	REFUSE(symlink, NONE, 1, EEXIST, true),
	REFUSE(symlinkat, 1, 2, EEXIST, true),
	/* A working directory and a root are Linux's. */
	REFUSE(chdir, NONE, 0, EACCES, false),
	REFUSE(chroot, NONE, 0, EACCES, false),
};

static const struct path_call *path_call_of(uint32_t nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(path_calls); i++)
		if (path_calls[i].nr == nr)
			return &path_calls[i];
	return NULL;
}

bool bundle_calls(uint32_t nr)
{
	return nr == AZ_SYS_fstat || nr == AZ_SYS_getdents64 ||
	       path_call_of(nr);
}

/* --- which entry --- */

struct found {
	const struct az_bundle_entry *entry; /* or NULL */
	bool led_away; /* no entry, but path is not what was given */
	bool slash;    /* it must be a directory */
	char path[VPATH_MAX];
};

static bool is_type(const struct az_bundle_entry *e, uint32_t type)
{
	return (e->mode & S_IFMT) == type;
}

/* Where a relative path begins: into base, which is empty before. */
static bool base_of(struct found *f, int dirfd)
{
	const struct az_bundle_entry *dir;
	char base[VPATH_MAX];
	long n;

	if (dirfd == AT_FDCWD) {
		n = host_call(AZ_SYS_getcwd, (uint64_t)base, sizeof(base), 0, 0,
			      0, 0);
	} else {
		dir = bundle_of_fd(dirfd);
		if (dir) {
			f->led_away = true;
			return vpath_append(f->path, VPATH_MAX,
					    bundle_string(dir->path));
		}
		n = vpath_of_fd(base, sizeof(base), dirfd);
	}
	return n > 0 && base[0] == '/' &&
	       vpath_append(f->path, VPATH_MAX, base);
}

/* Directories that only lead to bundled files give way to Linux's. */
static bool gives_way(const struct az_bundle_entry *e)
{
	struct stat st;

	return e->flags & AZ_BUNDLE_IMPLIED &&
	       host_call(AZ_SYS_newfstatat, (uint64_t)AT_FDCWD,
			 (uint64_t)bundle_string(e->path), (uint64_t)&st, 0, 0,
			 0) == 0;
}

/*
 * Does given go up from a bundled directory? Linux cannot, if it has none of
 * that name; but where it has one, its idea of ".." counts.
 */
static bool goes_up(const char *base, const char *given)
{
	const struct az_bundle_entry *e;
	char path[VPATH_MAX], part[VPATH_MAX];
	const char *up = given;

	while ((up = strstr(up, "..")) != NULL) {
		size_t n = (size_t)(up - given);

		up += 2;
		if ((n && given[n - 1] != '/') || (*up && *up != '/'))
			continue;
		memcpy(path, base, strlen(base) + 1);
		memcpy(part, given, n);
		part[n] = '\0';
		if (vpath_append(path, sizeof(path), part) &&
		    !bundle_find(path, true, &e) && e && !gives_way(e))
			return true;
	}
	return false;
}

/* 0, or -errno that is the call's result. */
static int find(struct found *f, int dirfd, uint64_t upath, bool follow)
{
	char given[VPATH_MAX], base[VPATH_MAX], before[VPATH_MAX];
	long n = user_string(given, upath, sizeof(given));
	int err;

	f->entry = NULL;
	f->led_away = false;
	f->path[0] = '\0';
	/* Linux says what is wrong with it. */
	if (n <= 0)
		return 0;
	f->slash = given[n - 1] == '/';
	if (*given != '/' && !base_of(f, dirfd)) {
		f->led_away = false;
		return 0;
	}
	memcpy(base, f->path, sizeof(base));
	if (!vpath_append(f->path, VPATH_MAX, given)) {
		f->led_away = false;
		return 0;
	}
	if (!f->path[0])
		memcpy(f->path, "/", 2);
	memcpy(before, f->path, sizeof(before));
	f->led_away |= goes_up(base, given);
	err = bundle_find(f->path, follow || f->slash, &f->entry);
	if (err)
		return err;
	if (strcmp(before, f->path) != 0)
		f->led_away = true;
	if (f->entry && gives_way(f->entry))
		f->entry = NULL;
	if (f->entry && f->slash && !is_type(f->entry, S_IFDIR))
		return -ENOTDIR;
	return 0;
}

/* --- what is said of an entry --- */

static void fill_stat(const struct az_bundle_entry *e, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_dev = DEV;
	st->st_ino = bundle_ino(e);
	st->st_nlink = is_type(e, S_IFDIR) ? 2 : 1;
	st->st_mode = e->mode;
	st->st_uid = BOOT->euid;
	st->st_gid = BOOT->egid;
	st->st_size = (long)e->size;
	st->st_blksize = BLOCK;
	st->st_blocks = (long)(ALIGN_UP(e->size, BLOCK) / 512);
	st->st_atime = st->st_mtime = st->st_ctime = (unsigned long)e->mtime;
}

static long give_stat(const struct az_bundle_entry *e, uint64_t ubuf)
{
	struct stat st;

	fill_stat(e, &st);
	return copy_to_user(ubuf, &st, sizeof(st));
}

static long give_statx(const struct az_bundle_entry *e, uint64_t ubuf)
{
	struct statx x;
	struct stat st;

	fill_stat(e, &st);
	memset(&x, 0, sizeof(x));
	x.stx_mask = STATX_BASIC_STATS;
	x.stx_blksize = BLOCK;
	x.stx_nlink = (uint32_t)st.st_nlink;
	x.stx_uid = st.st_uid;
	x.stx_gid = st.st_gid;
	x.stx_mode = (uint16_t)st.st_mode;
	x.stx_ino = st.st_ino;
	x.stx_size = e->size;
	x.stx_blocks = (uint64_t)st.st_blocks;
	x.stx_atime.tv_sec = x.stx_mtime.tv_sec = x.stx_ctime.tv_sec = e->mtime;
	x.stx_dev_major = DEV >> 8;
	x.stx_dev_minor = DEV & 0xff;
	return copy_to_user(ubuf, &x, sizeof(x));
}

static long give_link(const struct az_bundle_entry *e, uint64_t ubuf, int size)
{
	if (size <= 0 || !is_type(e, S_IFLNK))
		return -EINVAL;
	size = (int)MIN(e->size, (uint64_t)size);
	return copy_to_user(ubuf, bundle_string(e->target), (size_t)size)
		   ? -EFAULT
		   : size;
}

static long may_access(const struct az_bundle_entry *e, uint64_t mode)
{
	if (mode & ~7ULL)
		return -EINVAL;
	if (mode & W_OK)
		return -EROFS;
	if (mode & X_OK && !is_type(e, S_IFDIR) && !(e->mode & 0111))
		return -EACCES;
	return 0;
}

static long open_entry(const struct az_bundle_entry *e, uint64_t flags)
{
	bool dir = is_type(e, S_IFDIR);

	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (is_type(e, S_IFLNK))
		return -ELOOP;
	if (flags & O_DIRECTORY && !dir)
		return -ENOTDIR;
	if (!(flags & O_PATH) &&
	    (flags & O_ACCMODE || flags & (O_TRUNC | (dir ? O_CREAT : 0))))
		return dir ? -EISDIR : -EROFS;
	return bundle_standin(e, flags);
}

/* --- calls --- */

static int open_how(const struct path_call *c, const uint64_t a[6],
		    struct open_how *how)
{
	memset(how, 0, sizeof(*how));
	if (c->nr != AZ_SYS_openat2) {
		how->flags = (uint32_t)a[c->flags];
		how->mode = a[c->arg];
		return 0;
	}
	if (a[3] < sizeof(*how) || copy_from_user(how, a[2], sizeof(*how)) ||
	    how->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
		return -EINVAL;
	return 0;
}

static bool follows(const struct path_call *c, const uint64_t a[6],
		    const struct open_how *how)
{
	if (c->what == DO_OPEN)
		return !(how->flags & O_NOFOLLOW) &&
		       (how->flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
	if (c->nofollow)
		return false;
	return c->flags == NONE || !(a[c->flags] & AT_SYMLINK_NOFOLLOW);
}

static long do_entry(const struct path_call *c, const uint64_t a[6],
		     const struct az_bundle_entry *e,
		     const struct open_how *how)
{
	switch (c->what) {
	case DO_OPEN:
		return open_entry(e, how->flags);
	case DO_STAT:
		return give_stat(e, a[c->arg]);
	case DO_STATX:
		return give_statx(e, a[c->arg]);
	case DO_ACCESS:
		return may_access(e, a[c->arg]);
	case DO_READLINK:
		return give_link(e, a[c->arg], (int)a[c->arg + 1]);
	default:
		return -(long)c->err;
	}
}

static long host_at(uint32_t nr, const char *path, uint64_t a2, uint64_t a3,
		    uint64_t a4)
{
	return host_call(nr, (uint64_t)AT_FDCWD, (uint64_t)path, a2, a3, a4, 0);
}

/* A bundled link or directory has led to where Linux may have something. */
static bool do_host(const struct path_call *c, const uint64_t a[6],
		    const char *path, const struct open_how *how, long *r)
{
	uint64_t follow = follows(c, a, how) ? 0 : AT_SYMLINK_NOFOLLOW;
	char buf[VPATH_MAX];

	switch (c->what) {
	case DO_OPEN:
		*r = host_at(AZ_SYS_openat, path, how->flags, how->mode, 0);
		return true;
	case DO_STAT:
		*r = host_at(AZ_SYS_newfstatat, path, (uint64_t)buf, follow, 0);
		if (!*r)
			*r = copy_to_user(a[c->arg], buf, sizeof(struct stat));
		return true;
	case DO_STATX:
		*r = host_at(AZ_SYS_statx, path, follow, STATX_BASIC_STATS,
			     (uint64_t)buf);
		if (!*r)
			*r = copy_to_user(a[c->arg], buf, sizeof(struct statx));
		return true;
	case DO_ACCESS:
		*r = host_at(AZ_SYS_faccessat, path, a[c->arg], 0, 0);
		return true;
	case DO_READLINK:
		*r = host_at(
		    AZ_SYS_readlinkat, path, (uint64_t)buf,
		    MIN((uint64_t)MAX((int)a[c->arg + 1], 0), sizeof(buf)), 0);
		if (*r > 0 && copy_to_user(a[c->arg], buf, (size_t)*r))
			*r = -EFAULT;
		return true;
	default:
		return false;
	}
}

/* stat of a descriptor: by fstat, or with AT_EMPTY_PATH and no path. */
static bool do_fd(const struct path_call *c, const uint64_t a[6], long *r)
{
	const struct open_how none = { 0 };
	const struct az_bundle_entry *e;
	char first = 0;

	if (!c || c->flags == NONE || !(a[c->flags] & AT_EMPTY_PATH) ||
	    (c->what != DO_STAT && c->what != DO_STATX) ||
	    (a[c->path] && (copy_from_user(&first, a[c->path], 1) || first)))
		return false;
	e = fd_hidden(a[0]) ? NULL : bundle_of_fd((int)a[0]);
	if (e)
		*r = do_entry(c, a, e, &none);
	return e;
}

static bool do_path(const struct path_call *c, const uint64_t a[6], long *r)
{
	int dirfd = c->dir == NONE ? AT_FDCWD : (int)a[c->dir];
	struct open_how how = { 0 };
	struct found f;

	if (dirfd != AT_FDCWD && fd_hidden((uint32_t)dirfd))
		return false;
	if (c->what == DO_OPEN && open_how(c, a, &how))
		return false;
	*r = find(&f, dirfd, a[c->path], follows(c, a, &how));
	if (*r)
		return true;
	if (f.entry) {
		*r = do_entry(c, a, f.entry, &how);
		return true;
	}
	return f.led_away && do_host(c, a, f.path, &how, r);
}

/* --- listing --- */

struct dirent {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[NAME_MAX + 10];
};

#define DIRENT_MIN offsetof(struct dirent, name)

static uint8_t type_of(const struct az_bundle_entry *e)
{
	return is_type(e, S_IFDIR)   ? DT_DIR
	       : is_type(e, S_IFLNK) ? DT_LNK
				     : DT_REG;
}

/* One entry at *to, if there is room: 1; else 0; -errno. */
static int put_entry(uint64_t *to, uint64_t end,
		     const struct az_bundle_entry *e, const char *name,
		     int64_t next)
{
	size_t len = strlen(name) + 1;
	struct dirent d = { .ino = bundle_ino(e),
			    .off = next,
			    .reclen = (uint16_t)ALIGN_UP(DIRENT_MIN + len, 8),
			    .type = type_of(e) };

	if (d.reclen > end - *to)
		return 0;
	memcpy(d.name, name, len);
	if (copy_to_user(*to, &d, d.reclen))
		return -EFAULT;
	*to += d.reclen;
	return 1;
}

/*
 * Positions: 0 and 1 for the dots, then 2 + an index. They are kept where Linux
 * keeps them, so lseek works.
 */
static long list(const struct az_bundle_entry *dir, const uint64_t a[6])
{
	int64_t pos = host_call(AZ_SYS_lseek, a[0], 0, 1, 0, 0, 0);
	uint64_t to = a[1], end = to + (uint32_t)a[2];
	const char *name = ".";
	int put = 1;

	if (!is_type(dir, S_IFDIR))
		return -ENOTDIR;
	if (!user_range_ok(to, (uint32_t)a[2]))
		return -EFAULT;
	for (; pos < 2 && put > 0; pos += put > 0)
		put = put_entry(&to, end, dir, pos ? ".." : ".", pos + 1);
	while (put > 0) {
		uint32_t i = (uint32_t)(pos - 2);

		if (pos - 2 >= UINT32_MAX || !bundle_child(dir, &i, &name))
			break;
		put = put_entry(&to, end, &BUNDLE->entry[i], name,
				(int64_t)i + 3);
		if (put > 0)
			pos = (int64_t)i + 3;
	}
	host_call(AZ_SYS_lseek, a[0], (uint64_t)pos, 0, 0, 0, 0);
	if (to != a[1])
		return (long)(to - a[1]);
	return put == 0 ? -EINVAL : MIN(put, 0);
}

bool bundle_call(uint32_t nr, const uint64_t a[6], long *result)
{
	const struct az_bundle_entry *e = NULL;
	const struct path_call *c;

	if (nr == AZ_SYS_fstat || nr == AZ_SYS_getdents64) {
		e = fd_hidden(a[0]) ? NULL : bundle_of_fd((int)a[0]);
		if (e)
			*result = nr == AZ_SYS_fstat ? give_stat(e, a[1])
						     : list(e, a);
		return e;
	}
	c = path_call_of(nr);
	return c && (do_fd(c, a, result) || do_path(c, a, result));
}
