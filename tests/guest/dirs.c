/* SPDX-License-Identifier: MIT */
/* dirs.c - directories, links, renames, and calls relative to a directory. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "tap.h"

static int touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644);

	if (fd < 0)
		return -1;
	return close(fd);
}

static void check_dirs(void)
{
	struct stat st;

	IS(mkdir("d", 0755), 0, "mkdir");
	ERR(mkdir("d", 0755), EEXIST, "twice");
	ERR(mkdir("no/d", 0755), ENOENT, "in nothing");
	IS(touch("d/f"), 0, "a file in it");
	ERR(rmdir("d"), ENOTEMPTY, "rmdir of a full one");
	ERR(rmdir("d/f"), ENOTDIR, "rmdir of a file");
	ERR(unlink("d"), EISDIR, "unlink of a directory");
	IS(unlink("d/f"), 0, "unlink");
	ERR(unlink("d/f"), ENOENT, "twice");
	MUST(stat("d", &st) == 0);
	OK(S_ISDIR(st.st_mode), "stat");
	IS(rmdir("d"), 0, "rmdir");
	ERR(rmdir("."), EINVAL, "rmdir of .");
}

static void check_links(void)
{
	struct stat a, b;
	char buf[100];

	MUST(touch("one") == 0);
	IS(link("one", "two"), 0, "link");
	MUST(stat("one", &a) == 0 && stat("two", &b) == 0);
	OK(a.st_ino == b.st_ino && a.st_nlink == 2, "two names");
	ERR(link("one", "two"), EEXIST, "twice");
	IS(symlink("one", "sym"), 0, "symlink");
	IS(readlink("sym", buf, sizeof(buf)), 3, "readlink");
	OK(!memcmp(buf, "one", 3), "its target");
	IS(readlink("sym", buf, 2), 2, "readlink, cut");
	ERR(readlink("one", buf, 10), EINVAL, "readlink of a file");
	ERR(syscall(SYS_readlink, "sym", buf, 0L), EINVAL,
	    "readlink into nothing");
	MUST(lstat("sym", &b) == 0);
	OK(S_ISLNK(b.st_mode) && b.st_size == 3, "lstat of a symlink");
	MUST(stat("sym", &b) == 0);
	IS(b.st_ino, a.st_ino, "stat follows it");
	ERR(open("sym", O_RDONLY | O_NOFOLLOW), ELOOP, "O_NOFOLLOW");
	MUST(symlink("loop2", "loop1") == 0 && symlink("loop1", "loop2") == 0);
	ERR(open("loop1", O_RDONLY), ELOOP, "a loop");
	MUST(unlink("loop1") == 0 && unlink("loop2") == 0);
	IS(unlink("two") + unlink("sym"), 0, "unlink both");
	MUST(stat("one", &a) == 0);
	IS(a.st_nlink, 1, "one name is left");
	MUST(unlink("one") == 0);
}

static void check_rename(void)
{
	MUST(touch("r1") == 0 && touch("r2") == 0 && mkdir("rd", 0755) == 0);
	IS(rename("r1", "r3"), 0, "rename");
	ERR(access("r1", F_OK), ENOENT, "the old name is gone");
	IS(rename("r3", "r2"), 0, "onto another");
	ERR(rename("r2", "rd"), EISDIR, "a file onto a directory");
	ERR(rename("rd", "r2"), ENOTDIR, "a directory onto a file");
	IS(rename("r2", "rd/r2"), 0, "into a directory");
	ERR(rename("rd", "rd/sub"), EINVAL, "into itself");
	ERR(rename("nothing", "x"), ENOENT, "of nothing");
	MUST(touch("x1") == 0 && touch("x2") == 0);
	ERR(syscall(SYS_renameat2, AT_FDCWD, "x1", AT_FDCWD, "x2", 1), EEXIST,
	    "RENAME_NOREPLACE");
	MUST(unlink("x1") == 0 && unlink("x2") == 0);
	MUST(unlink("rd/r2") == 0 && rmdir("rd") == 0);
}

static void check_at(void)
{
	int dir, fd;
	struct stat st;

	MUST(mkdir("at", 0755) == 0);
	dir = open("at", O_RDONLY | O_DIRECTORY);
	MUST(dir >= 0);
	fd = openat(dir, "f", O_CREAT | O_RDWR, 0644);
	OK(fd >= 0, "openat");
	close(fd);
	IS(access("at/f", F_OK), 0, "in that directory");
	IS(mkdirat(dir, "sub", 0755), 0, "mkdirat");
	IS(symlinkat("f", dir, "s"), 0, "symlinkat");
	IS(linkat(dir, "f", dir, "l", 0), 0, "linkat");
	IS(renameat(dir, "l", dir, "m"), 0, "renameat");
	IS(fchmodat(dir, "m", 0600, 0), 0, "fchmodat");
	IS(fstatat(dir, "m", &st, 0), 0, "fstatat");
	IS(st.st_mode & 0777, 0600, "its mode");
	IS(faccessat(dir, "s", R_OK, 0), 0, "faccessat");
	IS(fchdir(dir), 0, "fchdir");
	IS(access("f", F_OK), 0, "we are in it");
	IS(chdir(".."), 0, "chdir ..");
	IS(unlinkat(dir, "sub", AT_REMOVEDIR), 0, "unlinkat, directory");
	IS(unlinkat(dir, "f", 0) + unlinkat(dir, "s", 0) +
	       unlinkat(dir, "m", 0),
	   0, "unlinkat, files");
	ERR(openat(dir, "f", O_RDONLY), ENOENT, "gone");
	ERR(openat(9999, "f", O_RDONLY), EBADF, "of no descriptor");
	ERR(openat(0, "f", O_RDONLY), ENOTDIR, "of no directory");
	IS(openat(9999, "/dev/null", O_RDONLY) >= 0, 1, "absolute paths");
	close(dir);
	IS(rmdir("at"), 0, "rmdir");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_reading(void)
{
	static char *names[2000];
	char name[32];
	int n = 0, bad = 0, dir;
	DIR *d;
	struct dirent *e;
	char buf[64];

	MUST(mkdir("many", 0755) == 0);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "many/file-%03d", i);
		MUST(touch(name) == 0);
	}
	d = opendir("many");
	MUST(d);
	while ((e = readdir(d)) && n < 2000)
		names[n++] = strdup(e->d_name);
	IS(n, 502, "readdir finds all of them");
	qsort(names, (size_t)n, sizeof(*names), by_name);
	for (int i = 0; i < 500 && n == 502; i++) {
		snprintf(name, sizeof(name), "file-%03d", i);
		bad += strcmp(names[i + 2], name) != 0;
	}
	IS(bad, 0, "each once");
	rewinddir(d);
	n = 0;
	while (readdir(d))
		n++;
	IS(n, 502, "and again after rewinddir");
	closedir(d);
	dir = open("many", O_RDONLY);
	ERR(syscall(SYS_getdents64, dir, buf, 10), EINVAL, "too small");
	ERR(syscall(SYS_getdents64, dir, 8L, 1000), EFAULT, "a bad buffer");
	ERR(syscall(SYS_getdents64, 0, buf, 64), ENOTDIR, "of no directory");
	close(dir);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "many/file-%03d", i);
		MUST(unlink(name) == 0);
	}
	IS(rmdir("many"), 0, "removed");
}

static void check_cwd(void)
{
	char a[PATH_MAX], b[PATH_MAX];

	MUST(getcwd(a, sizeof(a)) && mkdir("cwd", 0755) == 0);
	IS(chdir("cwd"), 0, "chdir");
	MUST(getcwd(b, sizeof(b)));
	OK(!strncmp(a, b, strlen(a)) && !strcmp(b + strlen(a), "/cwd"),
	   "getcwd");
	ERR(syscall(SYS_getcwd, b, 3), ERANGE, "into too little");
	IS(rmdir("../cwd"), 0, "the current directory can be removed");
	ERR(syscall(SYS_getcwd, b, sizeof(b)), ENOENT, "then it has no name");
	IS(chdir(a), 0, "back");
	ERR(chdir("nothing"), ENOENT, "chdir to nothing");
	IS(readlink("/proc/self/cwd", b, sizeof(b)), strlen(a),
	   "/proc/self/cwd");
}

int main(void)
{
	check_dirs();
	check_links();
	check_rename();
	check_at();
	check_reading();
	check_cwd();
	return tap_done();
}
