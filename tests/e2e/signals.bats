#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# signals.bats - signals and terminals: as if the program ran by itself
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

load common

PYTHON=/usr/bin/python3

# tty PAIRS... -- COMMAND... - on a terminal: see terminal.py
tty() {
	run --separate-stderr "$PYTHON" "$BATS_TEST_DIRNAME/terminal.py" "$@"
	echo "$output $stderr"
	[ "$status" -eq 0 ]
}

# A program that says which signals it gets, until it gets one twice.
listener='
import signal, sys
got = set()
def hear(sig, frame):
    print(signal.Signals(sig).name, flush=True)
    if sig in got: sys.exit(17)
    got.add(sig)
for sig in sys.argv[1:]:
    signal.signal(getattr(signal, "SIG" + sig), hear)
print("ready", flush=True)
while True: signal.pause()
'

@test "signals sent to the wrapper reach the program" {
	local sig status=0
	start "$PYTHON" -c "$listener" TERM HUP INT USR1 USR2 CONT >out
	eventually grep -qx ready out
	for sig in TERM HUP INT USR1 USR2 CONT; do
		kill -$sig "$PID"
		eventually grep -qx SIG$sig out
	done
	kill -USR1 "$PID"
	wait "$PID" || status=$?
	[ "$status" -eq 17 ]
}

@test "signals that the program does not handle end it" {
	local sig status
	for sig in TERM HUP USR1 ALRM KILL; do
		NAME=$NAME-$sig
		start sleep 1000
		kill -$sig "$PID"
		status=0
		wait "$PID" || status=$?
		[ "$status" -eq $((128 + $(kill -l $sig))) ]
	done
}

@test "an instance can be stopped and continued" {
	start "$PYTHON" -c "$listener" USR1 CONT >out
	eventually grep -qx ready out
	kill -STOP "$PID"
	eventually grep -q '^State:.*T' "/proc/$PID/status"
	run "$AZALEA" ps
	grep "^$NAME .* $PID .*Not answering" <<<"$output"
	run "$AZALEA" kill -s CONT "$NAME"
	[ "$output" = "$NAME" ]
	eventually grep -qx SIGCONT out
	kill -USR1 "$PID"
	eventually grep -qx SIGUSR1 out
}

@test "a stopped instance can be killed" {
	local status=0
	start sleep 1000
	kill -STOP "$PID"
	run "$AZALEA" kill "$NAME"
	[ "$output" = "$NAME" ]
	wait "$PID" || status=$?
	[ "$status" -eq 137 ]
}

@test "the program is on the terminal" {
	tty -- "$AZALEA" run "$PYTHON" -c '
import os
print(os.isatty(0), os.isatty(1), os.isatty(2), os.get_terminal_size(),
      os.tcgetpgrp(0) == os.getpgrp(), os.ttyname(0) == os.ctermid() or
      os.ttyname(0).startswith("/dev/pts/"))'
	says "True True True os.terminal_size(columns=80, lines=24) True True"
	says "<status 0>"
}

@test "Ctrl-C ends the program: 130" {
	tty ready '\x03' -- "$AZALEA" run sh -c 'echo ready; read -r x'
	says "<status 130>"
	tty ready '\x03' -- "$AZALEA" run "$PYTHON" -c '
import time
try: print("ready", flush=True), time.sleep(1000)
except KeyboardInterrupt: print("interrupted")'
	says interrupted
	says "<status 0>"
}

@test "Ctrl-C ends one that only computes: 130" {
	tty ready '\x03' -- "$AZALEA" run sh -c 'echo ready; while :; do :; done'
	says "<status 130>"
}

@test "Ctrl-\\ ends the program: 131" {
	ulimit -c 0
	tty ready '\x1c' -- "$AZALEA" run sh -c 'echo ready; read -r x'
	says "<status 131>"
}

@test "Ctrl-Z stops the program, which then goes on" {
	tty ready '\x1a' '' '<stopped>' '' 'word\n' -- \
		"$AZALEA" run "$PYTHON" -c '
print("ready", flush=True)
print("got", input())'
	says "<stopped>"
	says "got word"
	says "<status 0>"
}

@test "Ctrl-C and Ctrl-Z work with --stats, too" {
	tty ready '\x1a' '' '<stopped>' '' '\x03' -- \
		"$AZALEA" run --stats s.json sh -c 'echo ready; read -r x'
	says "<stopped>"
	says "<status 130>"
	json 'o.exit_status == 130' <s.json
}

@test "the program learns of a new size of the terminal" {
	tty ready '<size 30 100>' "lines=30" -- "$AZALEA" run "$PYTHON" -c '
import os, signal
signal.signal(signal.SIGWINCH, lambda *a: None)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
print("ready", flush=True)
signal.sigwait([signal.SIGWINCH])
print(os.get_terminal_size())'
	says "os.terminal_size(columns=100, lines=30)"
}

@test "the end of the terminal ends the program: SIGHUP" {
	tty ready '<hangup>' -- "$AZALEA" run --name "$NAME" sh -c \
		'echo ready; read -r x; read -r x; while :; do :; done'
	says "<status 129>"
}

@test "line editing and prompts work: python" {
	tty '>>> ' '6*7\n' '42' '' '>>> ' 'prnt\x7f\x7f\x7frint(8*8)\n' 64 '' \
		'>>> ' '\x04' -- "$AZALEA" run "$PYTHON" -q -i
	says "<status 0>"
}

@test "a full-screen program works: vi" {
	local busybox
	busybox=$(type -P busybox) || skip "no busybox"
	"$busybox" vi --help 2>&1 | grep -q Edit || skip "busybox has no vi"
	echo 'first line' >file
	TERM=xterm tty '- file' 'A' 'I file' 'appended' '' '\x1b' '- file' \
		':wq\n' -- \
		"$AZALEA" run "$busybox" vi file
	says "<status 0>"
	[ "$(cat file)" = "first lineappended" ]
}

@test "passwords are read without echo" {
	tty 'Password: ' 'secret\n' -- "$AZALEA" run "$PYTHON" -c '
import getpass
print(len(getpass.getpass()))'
	says 6
	[[ $output != *secret* ]]
}
