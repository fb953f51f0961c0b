#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# confine.bats - what a policy takes from a program, and that it stays taken
# shellcheck disable=SC2016,SC2154

load common

# denied MESSAGE ARG... - `azalea run ARG...` fails, and the program says MESSAGE
denied() {
	local message=$1
	shift
	run -- "$AZALEA" run "$@"
	[ "$status" -ne 0 ] || {
		echo "not denied: $*"
		return 1
	}
	says "$message"
}

# needs_landlock - or skip the test
needs_landlock() {
	local out
	out=$("$AZALEA" run --allow / true 2>&1) ||
		[[ "$out" != *"need Landlock"* ]] || skip "no Landlock here"
}

needs_namespaces() {
	unshare --user --net --mount true 2>/dev/null ||
		skip "no user namespaces here"
}

EPERM="Operation not permitted"
EACCES="Permission denied"

@test "a class that is denied is EPERM, directly and by ring" {
	local how
	for how in direct ring; do
		denied "$EPERM" --offload $how --deny files-write mkdir d
		denied "$EPERM" --offload $how --deny net \
			bash -c 'exec 3<>/dev/udp/127.0.0.1/9'
	done
	[ ! -e d ]
}

@test "each class of calls, and what is beside it" {
	local py=python3 class
	: >f
	denied "$EPERM" --deny files-write sh -c ': >new'
	denied "$EPERM" --deny files-write ln -s f link
	denied "$EPERM" --deny files-attr chmod 600 f
	denied "$EPERM" --deny ipc ipcmk -S 1
	denied "fork" --deny process sh -c 'ls; true'
	denied "$EPERM" --deny signal sh -c 'kill -0 $PPID'
	"$AZALEA" run --deny files-write --deny files-attr --deny ipc \
		--deny signal --deny creds --deny time --deny net sh -c 'cat f'
	"$AZALEA" run --deny process sh -c 'kill -0 $$ && echo' >out
	type -P python3 || skip "no python3"
	denied "$EPERM" --deny unix $py -c \
		'import socket; socket.socket(socket.AF_UNIX)'
	"$AZALEA" run --deny unix $py -c \
		'import socket; socket.socketpair(); socket.socket()'
	denied "$EPERM" --deny creds $py -c 'import os; os.setuid(os.getuid())'
	denied "$EPERM" --deny time $py -c \
		'import ctypes as c, os
e = c.CDLL(None, use_errno=True)
if e.timerfd_create(1, 0) < 0: exit(os.strerror(c.get_errno()))'
	"$AZALEA" run --deny process $py -c \
		'import threading as t; a = t.Thread(); a.start(); a.join()'
	for class in files-read files-stat; do
		denied "could not load its libraries" --deny $class true
	done
}

@test "a static program without files" {
	cat >p.c <<-'END'
		#include <fcntl.h>
		#include <stdio.h>
		#include <sys/stat.h>
		int main(void)
		{
			struct stat st;
			if (open("p.c", O_RDONLY) < 0)
				perror("open");
			if (open("p.c", O_WRONLY) < 0)
				perror("write");
			if (stat("p.c", &st))
				perror("stat");
			return 0;
		}
	END
	gcc -static -o p p.c
	run -- "$AZALEA" run --deny all ./p
	[ "$status" -eq 0 ]
	says "open: $EPERM"
	says "write: $EPERM"
	says "stat: $EPERM"
	run -- "$AZALEA" run --deny files-read ./p
	[ "$output" = "open: $EPERM" ]
	run -- "$AZALEA" run --deny all --allow files ./p
	[ -z "$output" ]
}

@test "children and other programs have the same policy" {
	: >f
	denied "$EPERM" --deny files-write sh -c '(mkdir a)'
	denied "$EPERM" --deny files-write sh -c 'exec mkdir a'
	denied "$EPERM" --deny files-write env sh -c 'sh -c "mkdir a"; exit $?'
	[ ! -e a ]
}

@test "the last word counts" {
	"$AZALEA" run --deny files-write --allow files-write mkdir a
	"$AZALEA" run --deny all --allow all mkdir b
	denied "$EPERM" --allow files-write --deny files mkdir c ||
		says "could not load"
}

@test "paths: nothing, reading, reading and writing" {
	needs_landlock
	mkdir -p none ro rw/none
	echo text | tee none/f ro/f rw/f rw/none/f >/dev/null
	set -- --deny ./none --allow ./ro:ro --allow ./rw --deny ./rw/none
	denied "$EACCES" "$@" cat none/f
	denied "$EACCES" "$@" ls none
	denied "$EACCES" "$@" cat rw/none/f
	denied "$EACCES" "$@" sh -c 'echo >ro/f'
	denied "$EACCES" "$@" sh -c 'echo >ro/new'
	denied "$EACCES" "$@" rm ro/f
	denied "$EACCES" "$@" truncate -s 0 ro/f
	denied "$EACCES" "$@" ln ro/f ro/g
	"$AZALEA" run "$@" cat ro/f rw/f
	"$AZALEA" run "$@" sh -c 'echo >rw/f'
	[ "$(cat ro/f)" = text ]
}

@test "all but some paths" {
	needs_landlock
	local libs
	mkdir in out
	echo text >in/f
	echo text >out/f
	libs=(--allow /usr:ro)
	set -- --deny / "${libs[@]}" --allow ./in
	"$AZALEA" run "$@" sh -c 'cat in/f; echo >in/new; : >/dev/null'
	denied "$EACCES" "$@" cat out/f
	denied "$EACCES" "$@" ls /
	denied "$EACCES" "$@" sh -c ': >out/new'
	# the same, by class
	set -- --deny files-read "${libs[@]}" --allow ./in
	"$AZALEA" run "$@" sh -c 'cat in/f; echo >in/new'
	denied "$EACCES" "$@" cat out/f
	# reading everywhere, writing in one place
	set -- --deny files-write --allow ./in
	"$AZALEA" run "$@" sh -c 'cat out/f; mkdir in/d'
	denied "$EACCES" "$@" mkdir out/d
	denied "$EACCES" "$@" sh -c 'echo >out/f'
	[ "$(cat out/f)" = text ]
}

@test "a way around a path is none" {
	needs_landlock
	mkdir in out
	echo secret >out/f
	ln -s ../out in/link
	ln -s "$PWD/out/f" in/file
	set -- --deny ./out
	denied "$EACCES" "$@" cat in/link/f
	denied "$EACCES" "$@" cat in/file
	denied "$EACCES" "$@" cat in/../out/f
	denied "$EACCES" "$@" cat "/proc/self/root$PWD/out/f"
	denied "$EACCES" "$@" cat "/proc/self/cwd/out/f"
	denied "$EACCES" "$@" sh -c 'cd out && cat f'
	denied "" "$@" mv out moved
	denied "" "$@" ln out/f in/g
	denied "$EACCES" "$@" ls "/proc/$$/cwd/"
	# nor by the link that the policy itself names
	denied "$EACCES" --deny ./in/link cat out/f
}

@test "a file that is denied closes no more than itself" {
	needs_landlock
	mkdir d
	echo a >d/a
	echo b >d/b
	set -- --deny ./d/a
	denied "$EACCES" "$@" cat d/a
	[ "$("$AZALEA" run "$@" sh -c 'cat d/b; ls d')" = $'b\na\nb' ]
	"$AZALEA" run "$@" sh -c 'echo c >d/b'
	[ "$(cat d/b)" = c ]
}

@test "a program under a path policy executes, forks and keeps its limits" {
	needs_landlock
	mkdir none
	: >none/f
	set -- --deny ./none
	"$AZALEA" run "$@" sh -c 'ls / | wc -l; (ls /usr); exec ls /usr' >out
	denied "$EACCES" "$@" sh -c 'exec cat none/f'
	denied "$EACCES" "$@" sh -c 'exec sh -c "(cat none/f)"'
	denied "$EACCES" "$@" --offload ring sh -c '(cat none/f)'
}

@test "a policy of a file" {
	needs_landlock
	mkdir 'a b'
	echo text >'a b/f'
	cat >policy <<-END
		# comments, quotes, several words
		deny net unix   # these
		allow "$PWD/a b":ro
		log-denied
	END
	denied "$EACCES" --policy policy sh -c ': >"a b/g"'
	says 'azalea: denied: files-write: openat("a b/g"): EACCES, '
	denied "$EPERM" --policy policy bash -c 'exec 3<>/dev/udp/127.0.0.1/9'
	says 'azalea: denied: net: socket(): EPERM, '
	"$AZALEA" run --policy policy cat 'a b/f'
	# words after it go before it
	"$AZALEA" run --policy policy --allow './a b' sh -c ': >"a b/g"'
}

@test "a policy that cannot be read: 125, with line and column" {
	printf 'deny net\nallow\n' >p
	fails 125 "--policy p:2:6: allow what?" --policy p true
	printf 'deny net x' >p
	fails 125 "--policy p:1:10: x: no class of calls: files-read" \
		--policy p true
	printf '\n  deny "/x' >p
	fails 125 "--policy p:2:8: a quote that is not closed" --policy p true
	fails 125 "--policy none: cannot read it: No such file" \
		--policy none true
	fails 125 "--deny nothing: column 1: nothing: no class" \
		--deny nothing true
	fails 125 "--deny ./p:ro: column 4: deny takes a path alone" \
		--deny ./p:ro true
	fails 125 "--allow : column 1: an empty word" --allow '' true
	fails 125 "./none: a path of the policy: No such file" \
		--deny ./none true
	fails 125 "--log-denied=/none/f: cannot write it" \
		--log-denied=/none/f true
}

@test "denied calls are logged, a limited number of lines a second" {
	run -- "$AZALEA" run --log-denied=log --deny files-write \
		sh -c 'mkdir d1; exec mkdir d2'
	[ "$status" -eq 1 ]
	grep -q 'azalea: denied: files-write: mkdir("d1"): EPERM, mkdir\[' log
	grep -q 'azalea: denied: files-write: mkdir("d2"): EPERM, mkdir\[' log
	[[ "$output" != *azalea* ]]
	"$AZALEA" run --log-denied=many --deny files-write \
		bash -c 'for ((i = 0; i < 500; i++)); do : >x; done' || true
	eventually grep -q 'more, not shown' many
	[ "$(wc -l <many)" -lt 400 ]
	grep -c 'openat("x")' many
}

@test "the log is nobody's child and keeps nothing open" {
	[ "$("$AZALEA" run --log-denied --deny net sh -c \
		'wait; ls -l /proc/self/fd | wc -l' | cat)" = \
		"$("$AZALEA" run sh -c 'ls -l /proc/self/fd | wc -l' | cat)" ]
	run -- timeout 20 "$AZALEA" run --log-denied --deny net true
	[ "$status" -eq 0 ]
}

@test "namespaces: a network, IPC and host name of its own, the same files" {
	needs_namespaces
	echo text >f
	run -- "$AZALEA" run --isolate sh -c \
		'cat f; id -u; tail -n +3 /proc/net/dev | wc -l; ls /dev/shm'
	[ "$output" = "text"$'\n'"$(id -u)"$'\n'1 ]
	"$AZALEA" run --isolate sh -c 'echo new >g; (exec cat g)'
	[ "$(stat -c %u:%g g)" = "$(id -u):$(id -g)" ]
	ipcmk -Q >queue
	[ "$("$AZALEA" run --isolate ipcs -q | grep -c 0x)" -eq 0 ]
	ipcrm -q "$(tr -dc 0-9 <queue)"
	[ "$(readlink /proc/self/ns/net)" != \
		"$("$AZALEA" run --isolate readlink /proc/self/ns/net)" ]
}

@test "namespaces: the loopback is up, and nothing else is there" {
	needs_namespaces
	type -P python3 || skip "no python3"
	"$AZALEA" run --isolate python3 -c '
import socket, threading
s = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(s.getsockname())
s.accept()[0].sendall(b"x")
assert c.recv(1) == b"x"
try:
    socket.create_connection(("192.0.2.1", 9), 5)
    exit("connected")
except OSError as e:
    assert e.errno == 101, e
'
}

@test "namespaces: signals do not leave" {
	needs_namespaces
	needs_landlock
	sleep 60 3>&- &
	STARTED+=($!)
	run -- "$AZALEA" run --isolate sh -c "kill -0 $!"
	[ "$status" -ne 0 ] || skip "Landlock is older than its version 6"
	says "$EPERM"
	"$AZALEA" run --isolate sh -c 'sleep 9 & kill $! && wait $! || [ $? = 143 ]'
}

@test "what goes on from a snapshot has the policy that it is started with" {
	needs_landlock
	mkdir none
	echo text >none/f
	start sh -c 'until [ -e go ]; do sleep 0.1; done; cat none/f' >first
	"$AZALEA" snapshot "$NAME" image
	: >go
	wait "$PID"
	[ "$(cat first)" = text ]
	denied "$EACCES" --from image --deny ./none --log-denied
	says 'azalea: denied: files-read: openat("none/f"): EACCES, cat['
}

@test "without namespaces: 125, and why" {
	needs_namespaces
	run -- unshare --user --map-root-user sh -c \
		"echo 0 >/proc/sys/user/max_user_namespaces &&
		exec \"$AZALEA\" run --isolate true"
	[ "$status" -eq 125 ]
	says "true: cannot have namespaces of its own: No space left on device"
}

@test "without root: namespaces and paths just the same" {
	[ "$(id -u)" = 0 ] || skip "is so for all of these tests"
	needs_namespaces
	needs_landlock
	cd "$(mktemp -d /tmp/azalea-confine.XXXXXX)"
	chmod 755 .
	mkdir no
	echo text | tee f no/f >/dev/null
	as() { setpriv --reuid 65534 --regid 65534 --clear-groups \
		env -i "PATH=$PATH" "AZALEA_RUN_DIR=/nonexistent" "$@"; }
	as cat "$PWD/f"
	run -- as "$AZALEA" run --isolate --deny ./no sh -c \
		'cat f; id -u; grep -c . /proc/net/dev; cat no/f'
	echo "$output"
	[ "$output" = "text"$'\n'65534$'\n'"3"$'\n'"cat: no/f: $EACCES" ]
	run -- as "$AZALEA" run --isolate sh -c 'grep CapEff /proc/self/status'
	[[ "$output" == *0000000000000000 ]]
	rm -r "$PWD"
}
