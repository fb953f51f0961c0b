#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# azi.bats - single-file images: azalea build, and what comes out of it
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

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
		head -c $((size - cut)) hello.azi >cut
		chmod +x cut
		run -125 ./cut
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
