#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# run.bats - azalea run wraps a program and changes nothing about it
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

load common

@test "the exit status is the program's" {
	run "$AZALEA" run true
	[ "$status" -eq 0 ]
	run "$AZALEA" run false
	[ "$status" -eq 1 ]
	run "$AZALEA" run sh -c 'exit 42'
	[ "$status" -eq 42 ]
	run "$AZALEA" run sh -c 'exit 255'
	[ "$status" -eq 255 ]
}

@test "a program that a signal ends, ends the wrapper by it" {
	local sig
	for sig in TERM SEGV KILL USR1 PIPE; do
		run "$AZALEA" run sh -c "ulimit -c 0; kill -$sig \$\$; exit 1"
		echo "$sig: $status"
		[ "$status" -eq $((128 + $(kill -l $sig))) ]
	done
}

@test "stdin, stdout and stderr are the caller's" {
	run --separate-stderr "$AZALEA" run sh -c \
		'read -r a; echo "got $a"; echo "no $a" >&2' <<<word
	[ "$status" -eq 0 ]
	[ "$output" = "got word" ]
	[ "$stderr" = "no word" ]
}

@test "a megabyte goes through a pipe unchanged" {
	head -c 1000000 /dev/urandom >data
	"$AZALEA" run cat <data | cat >copy
	cmp data copy
	"$AZALEA" run cat data >copy
	cmp data copy
}

@test "stdin may be closed" {
	"$AZALEA" run sh -c 'read -r a || echo none' <&- >out
	[ "$(cat out)" = none ]
}

@test "further descriptors are inherited, and none of the owner's is seen" {
	echo content >file
	run "$AZALEA" run sh -c 'read -r a <&7; echo "$a"' 7<file
	[ "$output" = content ]
	ls /proc/self/fd 3>&- 7<file >native
	"$AZALEA" run ls /proc/self/fd 3>&- 7<file >inside
	diff native inside
}

@test "the working directory is inherited, and -w changes it" {
	mkdir -p a/b
	cd a
	run "$AZALEA" run pwd -P
	[ "$output" = "$(pwd -P)" ]
	run "$AZALEA" run -w b pwd -P
	[ "$output" = "$(pwd -P)/b" ]
	run "$AZALEA" run --workdir=/ pwd -P
	[ "$output" = / ]
}

@test "-w counts before the program is looked for" {
	mkdir d
	cp "$(type -P true)" d/prog
	run "$AZALEA" run -w d ./prog
	[ "$status" -eq 0 ]
	fails 125 "--workdir nowhere: cannot go there" -w nowhere true
}

@test "umask is inherited" {
	umask 027
	run "$AZALEA" run sh -c 'umask; : >made'
	[ "$output" = 0027 ]
	[ "$(stat -c %a made)" = 640 ]
}

@test "limits are inherited" {
	ulimit -Sn 123
	run "$AZALEA" run sh -c 'ulimit -Sn'
	[ "$output" = 123 ]
	run "$AZALEA" run sh -c 'ulimit -Hn'
	[ "$output" = "$(ulimit -Hn)" ]
}

@test "ignored signals stay ignored" {
	run sh -c 'trap "" TERM; exec "$@"' sh "$AZALEA" run sh -c \
		'kill -TERM $$; echo alive'
	[ "$output" = alive ]
}

@test "arguments arrive as they are" {
	local words=("" "a b" $'line\nend' "--memory" "*" $'\xff\xfe')
	"$AZALEA" run printf '<%s>\n' "${words[@]}" >inside
	printf '<%s>\n' "${words[@]}" >native
	diff native inside
}

@test "options after the program are the program's" {
	run "$AZALEA" run echo -m --name
	[ "$output" = "-m --name" ]
	run "$AZALEA" run -- echo -d
	[ "$output" = -d ]
}

@test "options are written as docker's are" {
	run "$AZALEA" run -m64M --cpus=1 -e=A=1 -eB=2 --env C=3 \
		--strace=false sh -c 'echo $A$B$C'
	[ "$status" -eq 0 ]
	[ "$output" = 123 ]
}

@test "the environment is inherited" {
	FOO='b a r' run "$AZALEA" run sh -c 'echo "$FOO"'
	[ "$output" = "b a r" ]
	env >native
	"$AZALEA" run env >inside
	diff <(grep -v ^_= native) <(grep -v ^_= inside)
}

@test "-e sets, replaces and takes over" {
	export FOO=old KEPT=yes
	run "$AZALEA" run -e FOO=new -e KEPT -e NONE_SUCH -e 'SP=a b' \
		sh -c 'echo "$FOO $KEPT ${NONE_SUCH-unset} $SP"'
	[ "$output" = "new yes unset a b" ]
	fails 125 "--env =x: has no name" -e =x true
}

@test "--env-file sets, and -e goes before it" {
	printf '# comment\n\nA=1\nB=two words\nHOME\nC=file\n' >env1
	printf 'A=2\r\n' >env2
	run "$AZALEA" run -e C=option --env-file env1 --env-file=env2 sh -c \
		'echo "$A|$B|$HOME|$C"'
	[ "$output" = "2|two words|$HOME|option" ]
}

@test "a wrong --env-file is refused with the line" {
	printf 'A=1\nB C=2\n' >env1
	fails 125 "--env-file env1: line 2 is not" --env-file env1 true
	fails 125 "--env-file none: cannot read it: No such file" \
		--env-file none true
}

@test "the program is looked for in the PATH that it gets" {
	mkdir bin
	printf '#!/bin/sh\necho found\n' >bin/prog-of-mine
	chmod +x bin/prog-of-mine
	run "$AZALEA" run -e PATH=bin prog-of-mine
	[ "$output" = found ]
	fails 127 "prog-of-mine: not found in PATH" prog-of-mine
}

@test "a script is run by its interpreter" {
	printf '#!/bin/sh -e\necho "$0:$*:$-"\n' >script
	chmod +x script
	./script a 'b c' >native
	"$AZALEA" run ./script a 'b c' >inside
	diff native inside
}

@test "scripts of scripts are followed as far as Linux does" {
	local i
	printf '#!/bin/sh\necho last "$@"\n' >s1
	for i in 2 3 4 5 6; do
		printf '#!./s%d a%d\n' $((i - 1)) $i >s$i
	done
	chmod +x s?
	./s5 >native
	"$AZALEA" run ./s5 >inside
	diff native inside
	run ./s6
	[ "$status" -ne 0 ]
	fails 126 "more than 5 #! lines" ./s6
}

@test "--cpus and --cpuset-cpus give cores" {
	local first
	run "$AZALEA" run nproc
	[ "$output" = "$(nproc)" ]
	run "$AZALEA" run --cpus 1 nproc
	[ "$output" = 1 ]
	first=$(taskset -pc $$ | sed 's/.*: *\([0-9]*\).*/\1/')
	run "$AZALEA" run --cpuset-cpus "$first" nproc
	[ "$output" = 1 ]
	run taskset -c "$first" "$AZALEA" run nproc
	[ "$output" = 1 ]
}

@test "--memory limits what the program sees" {
	run "$AZALEA" run -m 64M grep MemTotal: /proc/meminfo
	[ "$(awk '{ print $2 }' <<<"$output")" = 65536 ]
	run "$AZALEA" run -m 1.5g grep MemTotal: /proc/meminfo
	[ "$(awk '{ print $2 }' <<<"$output")" = 1572864 ]
}

@test "without --memory it is 75 % of the machine's" {
	local total
	total=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
	run "$AZALEA" run grep MemTotal: /proc/meminfo
	total=$((total * 3 / 4))
	# In whole chunks of 2 MiB.
	[ "$(awk '{ print $2 }' <<<"$output")" -eq $((total - total % 2048)) ]
}

@test "--overcommit accepts what the machine does not have" {
	run "$AZALEA" run -m 64T true
	[ "$status" -eq 125 ]
	run "$AZALEA" run -m 1T --overcommit true
	[ "$status" -eq 0 ]
}

@test "each way to offload runs" {
	local how
	for how in auto ring direct; do
		run "$AZALEA" run --offload $how --cpus 1 sh -c 'echo $((6 * 7))'
		[ "$status" -eq 0 ]
		[ "$output" = 42 ]
	done
}

@test "--strace prints calls on stderr" {
	run --separate-stderr "$AZALEA" run --strace echo hello
	[ "$status" -eq 0 ]
	[ "$output" = hello ]
	grep -F 'write(1, "hello\n", 6) = 6' <<<"$stderr"
	grep -F 'exit_group(0)' <<<"$stderr"
}

@test "--stats writes the counters and keeps the status" {
	run "$AZALEA" run --stats out.json sh -c 'echo hi; exit 7'
	[ "$status" -eq 7 ]
	[ "$output" = hi ]
	json 'o.exit_status == 7 and o.command[0] == "sh" and
		o.counters.calls.write >= 1 and o.counters.total.local > 0 and
		o.counters.start_ns > 0 and
		len(o.counters.cores) == o.cores' <out.json
}

@test "--stats keeps the signal, and passes signals on" {
	run "$AZALEA" run --stats out.json sh -c 'kill -USR1 $$'
	[ "$status" -eq $((128 + $(kill -l USR1))) ]
	start --stats out2.json sleep 100
	kill -TERM "$PID"
	wait "$PID" || status=$?
	[ "$status" -eq 143 ]
	json 'o.exit_status == 143' <out2.json
}

@test "an instance leaves nothing behind when it ends" {
	run "$AZALEA" run --name "$NAME" true
	[ "$status" -eq 0 ]
	run ! running "$NAME"
	[ ! -e "$AZALEA_RUN_DIR" ] || [ -z "$(ls -A "$AZALEA_RUN_DIR")" ]
	run "$AZALEA" run --name "$NAME" true
	[ "$status" -eq 0 ]
}
