#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# snapshot.bats - instances that are put into files, and go on from them
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

load common

STATE=$BATS_TEST_DIRNAME/snapshot_state.py

# A program that answers each line with its number, and what it was told first.
COUNT='
import os, sys
first = sys.stdin.readline().strip()
print("warm", first, flush=True)
for n, line in enumerate(sys.stdin, 1):
    print(n, first, line.strip(), flush=True)
'

# program PYTHON ARG... - it runs as $NAME, reads `in` (fd 8), writes `out`
program() {
	local code=$1
	shift
	mkfifo in
	"$AZALEA" run --name "$NAME" "${RUN[@]}" /usr/bin/python3 -c "$code" \
		"$@" <in >out 2>&1 3>&- &
	PID=$!
	STARTED+=("$PID")
	exec 8>in
}

# counter - $COUNT, warmed with the word `told`
counter() {
	program "$COUNT"
	echo told >&8
	eventually grep -q warm out
}

# keep FILE ARG... - a snapshot of $NAME
keep() {
	local file=$1
	shift
	run --separate-stderr "$AZALEA" snapshot "$@" "$NAME" "$file" 8>&-
	echo "status $status, stdout: $output, stderr: $stderr"
	[ "$status" -eq 0 ]
	[[ $output == "$file: "*"; the instance stood still for "*" ms" ]]
}

# refused FILE TEXT ARG... - nothing goes on from FILE, and TEXT is said
refused() {
	local file=$1 text=$2
	shift 2
	fails 125 "--from $file: $text" --from "$file" "$@"
}

# flip FILE AT - another byte there
flip() {
	/usr/bin/python3 - "$1" "$2" <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    byte = f.read(1)[0]
    f.seek(int(sys.argv[2]))
    f.write(bytes([byte ^ 0x40]))
END
}

@test "an instance goes on, and from its snapshot two more, each by itself" {
	counter
	echo x >&8
	eventually grep -q '^1' out
	keep file
	[ "$(stat -c %a file)" = 600 ]
	echo x >&8
	exec 8>&-
	wait "$PID"
	[ "$(cat out)" = "$(printf 'warm told\n1 told x\n2 told x')" ]
	[ "$(printf 'y\nz\n' | "$AZALEA" run --from file)" = \
		"$(printf '2 told y\n3 told z')" ]
	[ "$(echo y | "$AZALEA" run --from file)" = '2 told y' ]
}

@test "what a program had of everything is as it was" {
	mkdir state
	program "$(cat "$STATE")" "$PWD/state"
	eventually grep -q ready out
	keep file
	echo on >&8
	exec 8>&-
	wait "$PID"
	[ "$(grep -vc '^ok' out)" -eq 2 ] # ready, done
	run "$AZALEA" run --from file <<<restored
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(grep -c '^ok' <<<"$output")" -ge 37 ]
	[ "$(grep -v '^ok' <<<"$output")" = "done" ]
}

@test "pico and kvm go on from each other's" {
	"$AZALEA" run --plat kvm true || skip "no kvm here"
	RUN=(--plat kvm)
	counter
	keep file --stop
	[ "$(echo y | "$AZALEA" run --plat pico --from file)" = '1 told y' ]
	"$AZALEA" run --plat pico --from file <in >out 3>&- &
	STARTED+=($!)
	rm "$AZALEA_RUN_DIR" -rf
	exec 8>in
	NAME=$("$AZALEA" ps -q | grep -v -e "$NAME" | tail -1)
	eventually running "$NAME"
	echo z >&8
	eventually grep -q '^1 told z' out
}

@test "threads, timers and calls that wait go on" {
	program '
import os, sys, threading, time
r, w = os.pipe()
done = []
def reader(): done.append(os.read(r, 9))
def sleeper(): time.sleep(1.5); done.append(b"slept")
def counter():
    n = 0
    while not done: n += 1
    done.append(b"counted")
all = [threading.Thread(target=t) for t in (reader, sleeper, counter)]
begin = time.monotonic()
for t in all: t.start()
print("warm", flush=True)
line = sys.stdin.readline()
while b"slept" not in done: time.sleep(0.01)
print("early" if time.monotonic() - begin < 1.5 else "in time", flush=True)
os.write(w, b"read")
for t in all: t.join()
print(sorted(done), flush=True)
'
	eventually grep -q warm out
	keep file --stop
	sleep 2 # longer than the sleep: it is not over, all the same
	run "$AZALEA" run --from file <<<go
	[ "$output" = "$(printf "in time\n[b'counted', b'read', b'slept']")" ]
}

@test "--stop ends the instance, and only when the file is complete" {
	counter
	keep file --stop
	wait "$PID" || [ $? -eq 137 ]
	run ! running "$NAME"
	NAME=$NAME-b
	rm in
	counter
	mkdir full
	run -125 "$AZALEA" snapshot --stop "$NAME" full
	says "full: not a regular file"
	run -125 "$AZALEA" snapshot --stop "$NAME" nowhere/file
	says "nowhere/file: cannot write it: No such file or directory"
	echo x >&8
	eventually grep -q '^1' out
}

@test "no space: says so, leaves nothing, and the instance goes on" {
	ulimit -f 16384 # KiB
	program "import os; block = os.urandom(1 << 25)
$COUNT"
	echo told >&8
	eventually grep -q warm out
	run -125 --separate-stderr "$AZALEA" snapshot "$NAME" file
	says "file: cannot write it: File too large"
	[ -z "$(find . -name "file*")" ]
	echo x >&8
	eventually grep -q '^1' out
}

@test "what is no snapshot, cut short, or altered is refused" {
	local size at i
	counter
	keep file --stop
	size=$(stat -c %s file)
	echo text >text
	: >empty
	cp file short && truncate -s -1 short
	cp file shorter && truncate -s 4095 shorter
	cp file long && echo >>long
	refused text "not a snapshot"
	refused empty "not a snapshot"
	refused nothing "No such file"
	refused . "not a regular file"
	refused short "cut short"
	refused shorter "cut short"
	refused long "damaged"
	for i in {1..20}; do
		at=$((i == 1 ? 16 : i == 2 ? 4000 : i == 3 ? size - 1 :
			(RANDOM << 15 | RANDOM) % size))
		cp --sparse=always file altered
		flip altered "$at"
		refused altered ""
	done
	cp file version && printf '\x09' | dd of=version bs=1 seek=8 \
		conv=notrunc status=none
	refused version "a snapshot of version 9"
	run -0 "$AZALEA" snapshot --verify file
	run -125 "$AZALEA" snapshot --verify altered
}

@test "a change is found, though the file was whole and its times are set back" {
	counter
	keep file --stop
	[ "$(echo y | "$AZALEA" run --from file)" = '1 told y' ]
	touch -r file stamp
	flip file 123456
	touch -r stamp file
	refused file "damaged"
}

@test "files that the program has mapped must be the same" {
	cp /usr/bin/python3 python
	mkfifo in
	"$AZALEA" run --name "$NAME" ./python -c "$COUNT" <in >out 3>&- &
	STARTED+=($!)
	exec 8>in
	echo told >&8
	eventually grep -q warm out
	keep file --stop
	touch python
	fails 125 "cannot map the snapshot: $PWD/python: it has changed" \
		--from file
	rm python
	fails 125 "$PWD/python: the program has it mapped: No such file" \
		--from file
}

@test "descriptors that are lost are named, and can be refused" {
	local inherited
	exec {inherited}< <(exec sleep 1000 3>&-)
	STARTED+=($!)
	counter
	exec {inherited}<&-
	keep file --stop
	says "descriptor $inherited cannot be kept: a pipe whose other end"
	run -0 "$AZALEA" snapshot --verify file
	says "descriptor $inherited is lost: pipe:"
	fails 125 "--lost refuse" --from file --lost refuse
	[ "$(echo y | "$AZALEA" run --from file)" = '1 told y' ]
	fails 125 "--lost no: no such way" --from file --lost no
	run -125 "$AZALEA" run --lost close true
	says "--lost goes with --from"
}

@test "what an instance has already is refused with --from" {
	counter
	keep file --stop
	local option
	for option in "-m 64M" "--cpus 1" "-e A=B" "-w /" --strict-unmap; do
		# shellcheck disable=SC2086
		fails 125 "does not go with --from" --from file $option
	done
	run -125 "$AZALEA" run --from file true
}

@test "several go on from one file at once, in the background too" {
	local i
	program '
import socket, sys
s = socket.socket(socket.AF_UNIX)
words = [str(i) for i in range(10000)]
print("warm", flush=True)
sys.stdin.readline()
c = socket.socket(socket.AF_UNIX)
print(len(words), flush=True)
sys.stdin.readline()
'
	eventually grep -q warm out
	keep file --stop
	for i in 1 2 3 4; do
		mkfifo in$i
		"$AZALEA" run --name "$NAME-$i" --from file <in$i >out$i 3>&- &
		STARTED+=($!)
		eval "exec 2$i>in$i"
		eval "echo x >&2$i"
	done
	for i in 1 2 3 4; do
		eventually grep -qx 10000 out$i
		running "$NAME-$i"
	done
	run "$AZALEA" run -d --name "$NAME-d" --from file
	[ "$output" = "$NAME-d" ]
	run "$AZALEA" wait "$NAME-d"
	[ "$output" = 0 ]
	run "$AZALEA" logs "$NAME-d"
	[ "$output" = 10000 ]
}

@test "a snapshot of what goes on from a snapshot" {
	counter
	keep file --stop
	"$AZALEA" run --name "$NAME-b" --from file <in >out 3>&- &
	STARTED+=($!)
	exec 8>in
	echo a >&8
	eventually grep -q '^1 told a' out
	NAME=$NAME-b
	keep again --stop
	[ "$(echo b | "$AZALEA" run --from again)" = '2 told b' ]
}

@test "there must be such an instance" {
	run -1 "$AZALEA" snapshot "$NAME" file
	says "no such instance"
	run -125 "$AZALEA" snapshot "$NAME"
	[ ! -e file ]
}
