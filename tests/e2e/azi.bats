#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# azi.bats - single-file images: azalea build, and what comes out of it
# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154

load common

# compile NAME <<source - a static program that knows nothing of images
compile() {
	musl-gcc -O2 -static -o "$1" -x c -
}

hello() {
	compile hello <<-'END'
	#include <stdio.h>
	#include <stdlib.h>
	#include <unistd.h>

	int main(int argc, char **argv)
	{
		char exe[4096];
		ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
		const char *k = getenv("K"), *opts = getenv("AZALEA_OPTS");

		for (int i = 0; i < argc; i++)
			printf("%s ", argv[i]);
		exe[n > 0 ? n : 0] = 0;
		printf("%s K=%s %s\n", exe, k ? k : "-", opts ? opts : "-");
		return 7;
	}
	END
}

@test "an image takes arguments, environment and gives the exit status" {
	hello
	"$AZALEA" build -e K=image -o app ./hello one 'a b'
	run -7 ./app two
	[ "$output" = "./hello one a b two $PWD/hello K=image -" ]
	run -7 env AZALEA_OPTS='--cpus 1 -m 64M' ./app
	[ "$output" = "./hello one a b $PWD/hello K=image -" ]
}

@test "with --self the program is its image" {
	hello
	"$AZALEA" build --self ./hello
	mkdir else
	cp hello.azi else/name
	export K=caller
	run -7 ./else/name x
	[ "$output" = "./else/name x $PWD/else/name K=caller -" ]
}

@test "an image is small, starts without azalea, and leaves nothing open" {
	compile fds <<-'END'
	#include <fcntl.h>
	#include <stdio.h>

	int main(void)
	{
		for (int fd = 0; fd < 1000; fd++)
			if (fcntl(fd, F_GETFD) >= 0)
				printf("%d ", fd);
		return 0;
	}
	END
	"$AZALEA" build ./fds
	[ "$(stat -c %s fds.azi)" -lt 700000 ]
	run -0 env -i ./fds.azi 3>&- 4>&-
	[ "$output" = "$(./fds 3>&- 4>&-)" ]
}

@test "pipes, signals, forks and threads are as in a run" {
	compile busy <<-'END'
	#include <pthread.h>
	#include <signal.h>
	#include <stdio.h>
	#include <string.h>
	#include <sys/wait.h>
	#include <unistd.h>

	static void *thread(void *arg)
	{
		char c;

		/* Blocks: a worker's work. */
		if (read(((int *)arg)[0], &c, 1) != 1)
			_exit(9);
		return NULL;
	}

	int main(int argc, char **argv)
	{
		char line[100];
		int ends[2], status;
		pthread_t t[8];

		if (argc > 1 && strcmp(argv[1], "die") == 0)
			raise(SIGTERM);
		if (pipe(ends))
			return 1;
		for (int i = 0; i < 8; i++)
			pthread_create(&t[i], NULL, thread, ends);
		for (int i = 0; i < 8; i++)
			if (write(ends[1], "x", 1) != 1)
				return 2;
		for (int i = 0; i < 8; i++)
			pthread_join(t[i], NULL);
		if (fork() == 0)
			_exit(3);
		wait(&status);
		if (!fgets(line, sizeof(line), stdin))
			return 4;
		printf("%d %s", WEXITSTATUS(status), line);
		return 0;
	}
	END
	"$AZALEA" build ./busy
	for opts in '' '--offload ring' '--cpus 1'; do
		run -0 env AZALEA_OPTS="$opts" ./busy.azi <<<word
		[ "$output" = "3 word" ]
	done
	run -143 ./busy.azi die
}

@test "what was asked wrongly is said" {
	hello
	run -125 "$AZALEA" build
	says "no program"
	run -125 "$AZALEA" build -o no/such/dir ./hello
	says "no/such/dir"
	printf '#!/bin/sh\n' >script
	chmod +x script
	run -125 "$AZALEA" build ./script
	says "is a script"
	"$AZALEA" build ./hello
	run -125 env AZALEA_OPTS='--cpus none' ./hello.azi
	says "--cpus none"
	run -125 env AZALEA_OPTS='word' ./hello.azi
	says "AZALEA_OPTS"
}

@test "an image that is cut short is refused" {
	hello
	"$AZALEA" build ./hello
	local size cut
	size=$(stat -c %s hello.azi)
	for cut in 1 8 47 48 49 4096 30000; do
		head -c $((size - cut)) hello.azi >part
		chmod +x part
		run -125 ./part
		says "copy it again"
	done
	cat hello.azi - <<<more >longer
	chmod +x longer
	run -125 ./longer
	says "copy it again"
}

@test "an image of which one bit is altered is refused" {
	hello
	"$AZALEA" build ./hello
	# Whatever bit it is, from the program on; before that it is the
	# executable, which may not come so far as to look at itself.
	/usr/bin/python3 - <<-'END'
	import subprocess, struct
	image = bytearray(open("hello.azi", "rb").read())
	size = len(image)
	index = struct.unpack("<Q", image[-24:-16])[0]
	start = image.rindex(b"\x7fELF", 0, index)
	places = list(range(start, size, 997)) + list(range(size - 48, size))
	for n, at in enumerate(places):
	    image[at] ^= 1 << n % 8
	    with open("altered", "wb") as f:
	        f.write(image)
	    subprocess.run(["chmod", "+x", "altered"])
	    r = subprocess.run(["./altered"], capture_output=True)
	    assert r.returncode == 125, (at, r)
	    assert b"again" in r.stderr and not r.stdout, (at, r)
	    image[at] ^= 1 << n % 8
	END
}

# alone DIR COMMAND... - with DIR as the root: nothing else is there
alone() {
	if [ "$(id -u)" -eq 0 ]; then
		chroot "$@"
	else
		unshare -r chroot "$@" || skip "needs chroot"
	fi
}

@test "a dynamic program runs where nothing at all is installed" {
	gcc -O2 -shared -fPIC -o libgreet.so -x c - <<-'END'
	const char *greet(void)
	{
		return "from a library";
	}
	END
	gcc -O2 -o greet -x c - -L. -lgreet <<-'END'
	#include <stdio.h>

	const char *greet(void);

	int main(int argc, char **argv)
	{
		printf("%s, %s\n", greet(), argv[argc - 1]);
		return 5;
	}
	END
	run -125 "$AZALEA" build ./greet
	says "libgreet.so: cannot open"
	# Where no cache or rule would find it but the image's.
	"$AZALEA" build -e LD_LIBRARY_PATH="$PWD" ./greet
	mkdir empty
	mv greet.azi empty
	rm libgreet.so greet
	run -5 ./empty/greet.azi here
	[ "$output" = "from a library, here" ]
	run -5 alone empty /greet.azi there
	[ "$output" = "from a library, there" ]
}

@test "files of an image are seen at their paths, and are read-only" {
	mkdir -p tree/sub/deep
	echo one >tree/one
	echo two >tree/sub/two
	ln -s sub/two tree/link
	ln -s "$PWD/outside" tree/away
	ln -s sub tree/dir
	touch -d @1234567890 tree/one
	chmod 0755 tree/sub/two
	echo outside >outside
	compile look <<-'END'
	#define _GNU_SOURCE
	#include <dirent.h>
	#include <errno.h>
	#include <fcntl.h>
	#include <stdio.h>
	#include <stdlib.h>
	#include <string.h>
	#include <sys/mman.h>
	#include <sys/stat.h>
	#include <unistd.h>

	static int compare(const struct dirent **a, const struct dirent **b)
	{
		return strcmp((*a)->d_name, (*b)->d_name);
	}

	static void show(const char *name)
	{
		struct stat a, b;
		char text[100] = "", link[100] = "";
		int fd = open(name, O_RDONLY), r = stat(name, &a);
		int saved = errno;

		if (fd < 0) {
			printf("%s: %s, stat %d %s\n", name, strerror(errno), r,
			       r ? strerror(saved) : "");
			return;
		}
		if (readlink(name, link, 99) < 0)
			strcpy(link, strerror(errno));
		fstat(fd, &b);
		if (S_ISREG(a.st_mode) && a.st_size) {
			char *p = mmap(NULL, 100, PROT_READ, MAP_SHARED, fd, 0);

			if (read(fd, text, 99) < 0 || strcmp(text, p) ||
			    write(fd, "x", 1) != -1 ||
			    (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
				printf("BAD ");
			text[strcspn(text, "\n")] = 0;
		}
		printf("%s: %o %lld %s %s link %s\n", name, a.st_mode,
		       (long long)a.st_size, text,
		       a.st_ino == b.st_ino && a.st_dev == b.st_dev &&
		       a.st_mode == b.st_mode && a.st_size == b.st_size &&
		       a.st_mtime == b.st_mtime ? "same" : "differs", link);
		close(fd);
	}

	static void list(const char *name)
	{
		struct dirent **d;
		int n = scandir(name, &d, NULL, compare);

		printf("%s:", name);
		for (int i = 0; i < n; i++)
			printf(" %s/%d", d[i]->d_name, d[i]->d_type);
		printf(n < 0 ? " %s\n" : "\n", strerror(errno));
	}

	#define TRY(call) printf(#call ": %s\n", \
				 (call) < 0 ? strerror(errno) : "done")

	int main(int argc, char **argv)
	{
		struct stat st;
		int dir;

		if (argc > 1 && chdir(argv[1]))
			return 1;
		list("tree");
		list("tree/sub");
		list("tree/dir/deep");
		list("tree/one");
		show("tree/one");
		show("tree/sub/two");
		show("tree/sub/../one");
		show("tree/dir/two");
		show("tree/link");
		show("tree/away");
		show("tree/none");
		show("tree/one/");
		dir = open("tree", O_RDONLY | O_DIRECTORY);
		TRY(openat(dir, "sub/two", O_RDONLY));
		TRY(openat(dir, "none", O_RDONLY));
		TRY(openat(dup(dir), "../tree/one", O_RDONLY));
		TRY(fstatat(dir, "link", &st, AT_SYMLINK_NOFOLLOW));
		printf("%o %lld\n", st.st_mode, (long long)st.st_size);
		TRY(open("tree/one", O_RDWR));
		TRY(open("tree/one", O_RDONLY | O_TRUNC));
		TRY(open("tree/one", O_RDONLY | O_CREAT, 0600));
		TRY(open("tree/one", O_RDONLY | O_CREAT | O_EXCL, 0600));
		TRY(open("tree/one", O_RDONLY | O_DIRECTORY));
		TRY(open("tree/link", O_RDONLY | O_NOFOLLOW));
		TRY(open("tree/sub", O_WRONLY));
		TRY(unlink("tree/one"));
		TRY(rename("tree/one", "x"));
		TRY(mkdir("tree/sub", 0700));
		TRY(chmod("tree/one", 0600));
		TRY(access("tree/one", R_OK));
		TRY(access("tree/one", W_OK));
		TRY(access("tree/one", X_OK));
		TRY(access("tree/sub/two", X_OK));
		TRY(access("tree/none", F_OK));
		stat("tree/one", &st);
		printf("%lld\n", (long long)st.st_mtime);
		return 0;
	}
	END
	mkdir away
	mv tree away/
	"$AZALEA" build --file tree=away/tree ./look
	run -0 ./look.azi
	echo "$output"
	cat >expected <<-'END'
	tree: ./4 ../4 away/10 dir/10 link/10 one/8 sub/4
	tree/sub: ./4 ../4 deep/4 two/8
	tree/dir/deep: ./4 ../4
	tree/one: Not a directory
	tree/one: 100644 4 one same link Invalid argument
	tree/sub/two: 100755 4 two same link Invalid argument
	tree/sub/../one: 100644 4 one same link Invalid argument
	tree/dir/two: 100755 4 two same link Invalid argument
	tree/link: 100755 4 two same link sub/two
	END
	diff expected <(head -9 <<<"$output")
	cat >expected <<-'END'
	tree/none: No such file or directory, stat -1 No such file or directory
	tree/one/: Not a directory, stat -1 Not a directory
	openat(dir, "sub/two", O_RDONLY): done
	openat(dir, "none", O_RDONLY): No such file or directory
	openat(dup(dir), "../tree/one", O_RDONLY): done
	fstatat(dir, "link", &st, AT_SYMLINK_NOFOLLOW): done
	120777 7
	open("tree/one", O_RDWR): Read-only file system
	open("tree/one", O_RDONLY | O_TRUNC): Read-only file system
	open("tree/one", O_RDONLY | O_CREAT, 0600): done
	open("tree/one", O_RDONLY | O_CREAT | O_EXCL, 0600): File exists
	open("tree/one", O_RDONLY | O_DIRECTORY): Not a directory
	open("tree/link", O_RDONLY | O_NOFOLLOW): Symbolic link loop
	open("tree/sub", O_WRONLY): Is a directory
	unlink("tree/one"): Read-only file system
	rename("tree/one", "x"): Read-only file system
	mkdir("tree/sub", 0700): File exists
	chmod("tree/one", 0600): Read-only file system
	access("tree/one", R_OK): done
	access("tree/one", W_OK): Read-only file system
	access("tree/one", X_OK): Permission denied
	access("tree/sub/two", X_OK): done
	access("tree/none", F_OK): No such file or directory
	1234567890
	END
	diff expected <(tail -n +11 <<<"$output")
	[[ $output == *"tree/away: 100644 8 outside same link $PWD/outside"* ]]
}

@test "python runs out of an image, without a python beside it" {
	local lib name
	lib=$(/usr/bin/python3 -c 'import os; print(os.path.dirname(os.__file__))')
	local files=()
	for name in "$lib"/*.py "$lib"/{encodings,collections,json,importlib,re} \
		"$lib"/{lib-dynload,ctypes,sqlite3,email,concurrent,asyncio}; do
		files+=(--file "$name")
	done
	"$AZALEA" build -o python.azi "${files[@]}" /usr/bin/python3 -B 2>warnings
	mkdir empty
	mv python.azi empty
	cat >empty/program.py <<-'END'
	import ctypes, hashlib, json, os, sqlite3, sys, threading
	print(sys.argv[1:], sys.executable, os.listdir("/"))
	db = sqlite3.connect(":memory:")
	t = threading.Thread(target=lambda: print(
	    db.execute("select ?", [json.dumps({"a": [1]})]).fetchone()[0]
	    if threading.get_ident() == 0 else hashlib.sha256(b"").hexdigest()))
	t.start()
	t.join()
	print(db.execute("select 6 * 7").fetchone()[0])
	print(os.stat(os.__file__).st_size == len(open(os.__file__, "rb").read()))
	END
	run -0 --separate-stderr alone empty /python.azi /program.py word
	[ "${lines[0]}" = "['word'] /usr/bin/python3 ['program.py', 'python.azi']" ] ||
		[ "${lines[0]}" = "['word'] /usr/bin/python3 ['python.azi', 'program.py']" ]
	[ "${lines[1]}" = "$(printf '' | sha256sum | cut -d' ' -f1)" ]
	[ "${lines[2]} ${lines[3]}" = "42 True" ]
}

# cc NAME [FLAG...] <<source - an image made by azalea-cc
cc() {
	local name=$1
	shift
	"$(dirname "$AZALEA")/azalea-cc" -O2 -o "$name" "$@" -x c -
}

@test "azalea-cc makes images, objects and whatever else a compiler does" {
	cat >one.c <<-'END'
	#include <stdio.h>

	int two(void);

	int main(int argc, char **argv)
	{
		printf("%d %s %d\n", two(), argv[argc - 1], NUMBER);
		return 3;
	}
	END
	echo 'int two(void) { return 2; }' >two.c
	local cc compiler
	cc=$(dirname "$AZALEA")/azalea-cc
	for compiler in gcc clang; do
		export AZALEA_CC=$compiler
		"$cc" -Wall -O2 -c two.c
		"$cc" -Wall -O2 -DNUMBER=1 one.c two.o -o image -lm -pthread
		run -3 ./image word
		[ "$output" = "2 word 1" ]
		"$cc" -D NUMBER=2 one.c two.c
		run -3 ./app.azi word
		[ "$output" = "2 word 2" ]
		"$cc" -E -DNUMBER=3 one.c | grep -q '"%d %s %d.n", two(), argv'
		run -1 "$cc" -shared two.c
		says "no shared libraries"
		run ! "$cc" one.c -o broken
		[ ! -e broken ]
		"$cc" --version | grep -q .
		rm app.azi image two.o
	done
	mkdir bin
	ln -s /bin/bash /usr/bin/{gcc,dirname,readlink,basename} bin
	unset AZALEA_CC
	PATH=$PWD/bin run -1 "$cc" two.c
	says "musl-tools"
	AZALEA_CC=clang PATH=$PWD/bin run -1 "$cc" two.c
	says "apt-get install clang"
}

@test "an image of azalea-cc makes its calls without a trap" {
	cc calls <<-'END'
	#include <fcntl.h>
	#include <pthread.h>
	#include <stdio.h>
	#include <stdlib.h>
	#include <sys/mman.h>
	#include <sys/stat.h>
	#include <time.h>
	#include <unistd.h>

	static void *thread(void *arg)
	{
		return arg;
	}

	int main(void)
	{
		struct timespec t = { 0, 1000 };
		struct stat st;
		pthread_t id;
		char c;
		int fd = open("/dev/zero", O_RDONLY);

		for (int i = 0; i < 1000; i++) {
			pthread_create(&id, NULL, thread, NULL);
			pthread_join(id, NULL);
			if (read(fd, &c, 1) != 1 || fstat(fd, &st) ||
			    stat("/", &st) || getppid() <= 0)
				return 1;
			nanosleep(&t, NULL);
			free(malloc(1 << 20));
		}
		puts("ready");
		fclose(stdout);
		return getchar() != EOF;
	}
	END
	mkfifo in
	AZALEA_OPTS="--name $NAME" ./calls <in >out 3>&- &
	STARTED+=($!)
	exec 9>in
	eventually grep -q ready out
	run -0 "$AZALEA" inspect "$NAME"
	echo "$output"
	exec 9>&-
	[[ $output =~ traps\ +0\  ]]
	wait "${STARTED[0]}"
}

@test "signals do not show the stubs of direct calls" {
	cc stubs <<-'END'
	#define _GNU_SOURCE
	#include <signal.h>
	#include <stdio.h>
	#include <sys/time.h>
	#include <ucontext.h>
	#include <unistd.h>

	extern char __executable_start[], etext[];
	static volatile int outside, taken;

	static void handler(int sig, siginfo_t *si, void *context)
	{
		const ucontext_t *uc = context;
		char *rip = (char *)uc->uc_mcontext.gregs[REG_RIP];

		(void)sig;
		(void)si;
		outside += rip < __executable_start || rip >= etext;
		taken++;
	}

	int main(void)
	{
		struct sigaction sa = { .sa_sigaction = handler,
					.sa_flags = SA_SIGINFO };
		struct itimerval t = { { 0, 200 }, { 0, 200 } };
		long n = 0;

		sigaction(SIGALRM, &sa, NULL);
		setitimer(ITIMER_REAL, &t, NULL);
		while (taken < 2000)
			for (int i = 0; i < 100; i++, n++)
				if (getppid() <= 0)
					return 1;
		printf("%d\n", outside);
		return 0;
	}
	END
	run -0 ./stubs
	[ "$output" = 0 ]
}

@test "a thread that waits in a direct call can be cancelled" {
	cc cancel <<-'END'
	#include <pthread.h>
	#include <time.h>
	#include <unistd.h>

	static void *reader(void *arg)
	{
		char c;

		return read(((int *)arg)[0], &c, 1) < 0 ? arg : NULL;
	}

	/* musl looks where in a call the signal has come. */
	static int cancel(void)
	{
		struct timespec t = { 0, 100000 };
		void *result;
		pthread_t id;
		int ends[2];

		if (pipe(ends) || pthread_create(&id, NULL, reader, ends))
			return -1;
		nanosleep(&t, NULL);
		pthread_cancel(id);
		pthread_join(id, &result);
		close(ends[0]);
		close(ends[1]);
		return result == PTHREAD_CANCELED ? 0 : -1;
	}

	int main(void)
	{
		for (int i = 0; i < 50; i++)
			if (cancel())
				return 1;
		return 0;
	}
	END
	run -0 ./cancel
}

@test "the web server is an image of less than 1 MB that serves files" {
	local url pid
	"$(dirname "$AZALEA")/azalea-cc" -O2 -o web \
		"$BATS_TEST_DIRNAME/../../examples/web/web.c"
	[ "$(stat -c %s web)" -lt 1000000 ]
	mkdir -p root/sub empty
	echo index >root/index.html
	head -c 3000000 /dev/urandom >root/sub/big
	AZALEA_OPTS="--name $NAME" ./web -p 0 root >url 3>&- &
	STARTED+=($!)
	eventually grep -q http url
	url=$(cat url)
	[ "$(curl -s "$url")" = index ]
	curl -s "$url/sub/big" | cmp - root/sub/big
	[ "$(curl -s -o reply -w '%{http_code}' "$url/none")" = 404 ]
	[ "$(curl -s --path-as-is -o reply -w '%{http_code}' \
		"${url}../url")" = 400 ]
	[ "$(curl -s -o reply -w '%{http_code}' "$url%2e%2e/url")" = 400 ]
	[ "$(curl -s -X POST -d x -o reply -w '%{http_code}' "$url")" = 405 ]
	curl -sI "$url/sub/big" | grep -q 'Content-Length: 3000000'
	# Many at a time, and many over one connection.
	for i in {1..8}; do
		curl -s "$url/index.html?"{1..50} >"got$i" &
		pid[i]=$!
	done
	wait "${pid[@]}"
	[ "$(sort got? | uniq -c | xargs)" = "400 index" ]
	run -0 "$AZALEA" inspect "$NAME"
	[[ $output =~ traps\ +0\  ]]
	kill "${STARTED[0]}"
	run -143 wait "${STARTED[0]}"
}
