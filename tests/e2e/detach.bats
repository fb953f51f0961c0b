#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# detach.bats - instances in the background, and what is kept of them
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

load common

# detach ARG... - `azalea run -d` under $NAME
detach() {
	run --separate-stderr "$AZALEA" run -d --name "$NAME" "$@"
	echo "$output $stderr"
	[ "$status" -eq 0 ]
	[ "$output" = "$NAME" ]
	[ -z "$stderr" ]
}

# field PATH - of the JSON that inspect prints for $NAME
field() {
	"$AZALEA" inspect -o json "$NAME" | json "o$1"
}

# wrote LINE - is it all of the log of $NAME?
wrote() {
	[ "$("$AZALEA" logs "$NAME")" = "$1" ]
}

empty_run_dir() {
	[ ! -e "$AZALEA_RUN_DIR" ] || [ -z "$(ls -A "$AZALEA_RUN_DIR")" ]
}

@test "run -d prints the name, and the instance runs on" {
	detach sleep 1000
	running "$NAME"
	[ "$(field .state)" = running ]
	[ "$(ps -o ppid= -p "$(field .pid)")" -eq \
		"$(field .owner.supervisor)" ]
}

@test "a name is made up if none is given" {
	run "$AZALEA" run -d --rm sleep 1000
	[ "$status" -eq 0 ]
	[[ $output =~ ^[a-z]+-[a-z]+-[0-9]+$ ]]
	NAME=$output
	running "$NAME"
	"$AZALEA" rm -f "$NAME"
}

@test "whoever waits for the end of the command's output is not held up" {
	detach sh -c 'echo to the log; read -r x <&3; exec 3<&-; :' 3</dev/null
	[ "$("$AZALEA" run -d --rm --name "$NAME-b" sleep 1000 | cat)" = \
		"$NAME-b" ]
}

@test "output is logged, stdin is empty, no descriptors are inherited" {
	detach sh -c 'read -r x || echo none; echo error >&2; umask; pwd' \
		7</dev/null
	run "$AZALEA" wait "$NAME"
	[ "$output" = 0 ]
	run "$AZALEA" logs "$NAME"
	[ "$output" = "$(printf 'none\nerror\n%s\n%s' "$(umask)" "$PWD")" ]
	detach_ls() { NAME=$NAME-ls; detach ls /proc/self/fd; }
	detach_ls 7</dev/null
	run "$AZALEA" wait "$NAME"
	run "$AZALEA" logs "$NAME"
	[ "$output" = "$(printf '0\n1\n2\n3')" ]
}

@test "logs works while the instance runs, and -f until it ends" {
	mkfifo gate
	detach sh -c 'echo first; read -r x <gate; echo "last $x"'
	eventually wrote first
	"$AZALEA" logs -f "$NAME" >followed 3>&- &
	STARTED+=($!)
	eventually grep -qx first followed
	echo word >gate
	wait "${STARTED[-1]}"
	[ "$(cat followed)" = "$(printf 'first\nlast word')" ]
}

@test "wait prints the status, of one that ended and of one that runs" {
	mkfifo gate
	detach sh -c 'read -r x <gate; exit 23'
	"$AZALEA" wait "$NAME" >waited 3>&- &
	STARTED+=($!)
	sleep 0.2
	[ ! -s waited ]
	echo >gate
	wait "${STARTED[-1]}"
	[ "$(cat waited)" = 23 ]
	run "$AZALEA" wait "$NAME" "$NAME"
	[ "$output" = "$(printf '23\n23')" ]
}

@test "ps -a shows what has ended, and rm forgets it" {
	detach sh -c 'exit 5'
	run "$AZALEA" wait "$NAME"
	run ! running "$NAME"
	run "$AZALEA" ps -a
	grep "^$NAME .*Exited (5).* ago .*sh -c exit 5" <<<"$output"
	[ "$("$AZALEA" ps -a -o json | json o.exit_status)" = 5 ]
	run "$AZALEA" rm "$NAME"
	[ "$status" -eq 0 ]
	[ "$output" = "$NAME" ]
	run "$AZALEA" ps -a -q
	[[ $output != *"$NAME"* ]]
	empty_run_dir
}

@test "inspect shows counters of one that runs and of one that has ended" {
	mkfifo gate
	detach sh -c 'echo hello; read -r x <gate; exit 3'
	eventually wrote hello
	[ "$(field .state)" = running ]
	[ "$(field .counters.calls.write)" -ge 1 ]
	[ "$(field .counters.threads)" -eq 1 ]
	echo >gate
	run "$AZALEA" wait "$NAME"
	[ "$output" = 3 ]
	[ "$(field .state)" = exited ]
	[ "$(field .exit_status)" = 3 ]
	[ "$(field .counters.calls.write)" -ge 1 ]
	[ "$(field .counters.start_ns)" -gt 0 ]
	[ "$(field .counters.memory_peak)" -gt 0 ]
	run "$AZALEA" inspect "$NAME"
	says "Exit status:     3"
	says "write"
}

# Calls from two sites, one of which a stub answers; then wait for the gate.
CALLS='import os, sys
for i in range(300): os.getpid(); os.getppid()
print("done", flush=True)
open("gate").read()'

@test "inspect shows call sites that jump, and what they lead to" {
	mkfifo gate
	detach /usr/bin/python3 -c "$CALLS"
	eventually wrote 'done'
	[ "$(field .counters.calls.getpid)" -ge 300 ]
	[ "$(field .counters.calls.getppid)" -ge 300 ]
	[ "$(field .counters.sites.without_trap)" -ge 590 ]
	[ "$(field .counters.sites.rewritten)" -ge 2 ]
	run "$AZALEA" inspect "$NAME"
	says "of calls without a trap"
	says "libc.so.6+0x"
	echo >gate
	run "$AZALEA" wait "$NAME"
	[ "$(field .counters.sites.without_trap)" -ge 590 ]
}

@test "with --no-patch every call traps" {
	run --separate-stderr "$AZALEA" run -d --name "$NAME" --no-patch \
		/usr/bin/python3 -c "${CALLS%open*}"
	run "$AZALEA" wait "$NAME"
	[ "$(field .counters.sites.rewritten)" -eq 0 ]
	[ "$(field .counters.sites.without_trap)" -eq 0 ]
	[ "$(field .counters.total.traps)" -ge 600 ]
}

@test "a running name cannot be taken, nor one that is kept" {
	detach sleep 1000
	fails 125 "--name $NAME: an instance has this name" --name "$NAME" true
	fails 125 "--name $NAME: an instance has this name" -d --name "$NAME" \
		true
	"$AZALEA" stop "$NAME"
	fails 125 "an instance of this name is kept: azalea rm $NAME" \
		--name "$NAME" true
	fails 125 "is kept" -d --name "$NAME" true
	"$AZALEA" rm "$NAME"
	run "$AZALEA" run --name "$NAME" true
	[ "$status" -eq 0 ]
}

@test "--rm keeps nothing" {
	detach --rm sleep 1000
	run "$AZALEA" stop "$NAME"
	[ "$output" = "$NAME" ]
	run "$AZALEA" ps -a -q
	[[ $output != *"$NAME"* ]]
	empty_run_dir
}

@test "wait gets the status even with --rm" {
	mkfifo gate
	detach --rm sh -c 'read -r x <gate; exit 9'
	"$AZALEA" wait "$NAME" >waited 3>&- &
	STARTED+=($!)
	sleep 0.3
	echo >gate
	wait "${STARTED[-1]}"
	[ "$(cat waited)" = 9 ]
}

@test "what cannot start is said at once, and nothing is kept" {
	fails 127 "./none: not there" -d --name "$NAME" ./none
	fails 126 "is a directory" -d --name "$NAME" /
	fails 125 "--memory lots" -d --name "$NAME" -m lots true
	run "$AZALEA" ps -a -q
	[[ $output != *"$NAME"* ]]
	empty_run_dir
}

@test "a program that ends at once was started, whatever its status" {
	local n
	for n in 0 1 125 126 127; do
		NAME=$NAME-$n
		detach sh -c "exit $n"
		run "$AZALEA" wait "$NAME"
		[ "$output" = $n ]
	done
}

@test "stop sends TERM, and KILL to one that does not care" {
	detach sh -c 'trap "exit 44" TERM; echo ready; while :; do :; done'
	eventually wrote ready
	run "$AZALEA" stop "$NAME"
	[ "$output" = "$NAME" ]
	run "$AZALEA" wait "$NAME"
	[ "$output" = 44 ]
	# Once more: fine.
	run "$AZALEA" stop "$NAME"
	[ "$status" -eq 0 ]
	NAME=$NAME-b
	detach sh -c 'trap "" TERM; echo ready; while :; do :; done'
	eventually wrote ready
	run "$AZALEA" stop -t 1 "$NAME"
	[ "$output" = "$NAME" ]
	run "$AZALEA" wait "$NAME"
	[ "$output" = 137 ]
}

@test "kill sends the signal that is asked for" {
	detach sleep 1000
	run "$AZALEA" kill --signal=SIGUSR2 "$NAME"
	[ "$output" = "$NAME" ]
	run "$AZALEA" wait "$NAME"
	[ "$output" = $((128 + $(kill -l USR2))) ]
	run "$AZALEA" kill "$NAME"
	[ "$status" -eq 1 ]
	says "does not run any more"
}

@test "several names, one of them wrong: the others are dealt with" {
	local first=$NAME-1 second=$NAME-2
	NAME=$first detach sleep 1000
	NAME=$second detach sleep 1000
	run --separate-stderr "$AZALEA" stop "$first" "$NAME-none" "$second"
	[ "$status" -eq 1 ]
	[ "$output" = "$(printf '%s\n%s' "$first" "$second")" ]
	says "$NAME-none: no such instance"
	run "$AZALEA" rm "$first" "$second"
	[ "$status" -eq 0 ]
}

@test "rm does not forget what runs, unless forced" {
	detach sleep 1000
	run --separate-stderr "$AZALEA" rm "$NAME"
	[ "$status" -eq 1 ]
	says "$NAME: runs: stop it first"
	running "$NAME"
	run "$AZALEA" rm -f "$NAME"
	[ "$status" -eq 0 ]
	run ! running "$NAME"
	empty_run_dir
}

@test "an owner killed with -9 is recorded as such" {
	detach sleep 1000
	kill -KILL "$(field .pid)"
	run "$AZALEA" wait "$NAME"
	[ "$output" = 137 ]
	run ! running "$NAME"
}

@test "a killed supervisor takes the instance along; its entry is lost" {
	local owner
	detach sleep 1000
	owner=$(field .pid)
	kill -KILL "$(field .owner.supervisor)"
	eventually test ! -e "/proc/$owner"
	run "$AZALEA" ps -a
	grep "^$NAME .*Lost (killed)" <<<"$output"
	run --separate-stderr "$AZALEA" wait "$NAME"
	[ "$status" -eq 1 ]
	says "its status is lost"
	run "$AZALEA" rm "$NAME"
	[ "$status" -eq 0 ]
	empty_run_dir
}

@test "the supervisor costs little" {
	local pid kib
	detach sleep 1000
	pid=$(field .owner.supervisor)
	kib=$(awk '/^Private/ { n += $2 } END { print n }' \
		"/proc/$pid/smaps_rollup")
	echo "$kib KiB"
	[ "$kib" -lt 128 ]
	[ "$(readlink "/proc/$pid/cwd")" = / ]
}

@test "a run directory that others can write to is refused" {
	mkdir -m 777 "$AZALEA_RUN_DIR"
	fails 125 "set AZALEA_RUN_DIR to a directory of yours" -d \
		--name "$NAME" true
	rmdir "$AZALEA_RUN_DIR"
	ln -s /tmp "$AZALEA_RUN_DIR"
	fails 125 "set AZALEA_RUN_DIR" -d --name "$NAME" true
	rm "$AZALEA_RUN_DIR"
	: >"$AZALEA_RUN_DIR"
	fails 125 "set AZALEA_RUN_DIR" -d --name "$NAME" true
	rm "$AZALEA_RUN_DIR"
}

@test "ten at once" {
	local i names=()
	for i in 1 2 3 4 5 6 7 8 9 10; do
		"$AZALEA" run -d --name "$NAME-$i" sh -c "exit $i" 3>&- &
		names+=("$NAME-$i")
	done
	wait
	run "$AZALEA" wait "${names[@]}"
	[ "$output" = "$(seq 10)" ]
	run "$AZALEA" rm "${names[@]}"
	[ "$status" -eq 0 ]
	empty_run_dir
}
