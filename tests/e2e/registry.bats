#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# registry.bats - instances in the foreground, seen from outside; the texts
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

load common

sockets() {
	grep -c -e "@azalea/$(id -u)/$1\$" /proc/net/unix
}

@test "ps lists what runs, aligned" {
	start --cpus 1 -m 64M sleep 1000
	run "$AZALEA" ps
	[[ ${lines[0]} =~ ^NAME\ +PID\ +PLATFORM\ +CORES\ +CPUS\ +MEMORY ]]
	[[ ${lines[0]} =~ MEMORY\ +PRIVATE\ +TIME\ +STATUS ]]
	grep -E "^$NAME +$PID +pico +1 +[0-9]+ +.* / 64MiB +[0-9.]+[KM]iB \
+[0-9]+\.[0-9][0-9]s +Up .* sleep 1000" \
		<<<"$output"
	[ "$(awk '{ print index($0, "pico") }' <<<"$output" | sort -u |
		grep -vc '^0$')" -eq 1 ]
	run "$AZALEA" ps -q
	grep -qx "$NAME" <<<"$output"
}

@test "ps -o json lists the same" {
	start --cpus 1 -m 64M sleep 1000
	"$AZALEA" ps -o json | json '
		o.pid == pid and o.cores == 1 and o.state == "running" and
		o.platform == "pico" and o.memory_limit == 67108864 and
		o.command == ["sleep", "1000"] and
		0 < o.owner.private_bytes < 4 << 20 and
		0 < o.owner.cpu_ns < 10 ** 9'
}

@test "commands that are no text neither break JSON nor reach the terminal" {
	mkfifo gate
	start sh -c 'read -r x <gate' $'\x1b[31m\xff\n'
	"$AZALEA" ps -o json | json 'o.command[3] == "\x1b[31m\ufffd\n"'
	run "$AZALEA" ps
	grep -q "^$NAME" <<<"$output"
	[[ $output != *$'\x1b'* ]]
}

@test "inspect tells about one in the foreground" {
	start --offload ring --cpus 1 sleep 1000
	"$AZALEA" inspect -o json "$NAME" | json '
		o.pid == pid and o.offload == "ring" and
		o.counters.total.local > 0 and o.counters.start_ns > 0 and
		o.owner.private_bytes > 0 and o.counters.memory_committed > 0'
	run "$AZALEA" inspect "$NAME"
	says "Platform:        pico, offload ring"
	says "COUNTER"
}

@test "an idle instance uses no CPU and little memory" {
	local before after private
	start --cpus 1 sleep 1000
	sleep 0.5
	before=$(awk '{ print $14 + $15 }' "/proc/$PID/stat")
	sleep 2
	after=$(awk '{ print $14 + $15 }' "/proc/$PID/stat")
	[ "$after" -eq "$before" ]
	private=$("$AZALEA" inspect -o json "$NAME" |
		json o.owner.private_bytes)
	echo "$private"
	[ "$private" -le $((5 << 20)) ]
}

@test "a name cannot be taken twice" {
	start sleep 1000
	fails 125 "--name $NAME: an instance has this name: stop it" \
		--name "$NAME" true
}

@test "stop, kill and wait work on one in the foreground" {
	local status=0
	start sh -c 'trap "exit 31" TERM; while :; do :; done'
	"$AZALEA" wait "$NAME" >waited 2>&1 3>&- &
	STARTED+=($!)
	sleep 0.3
	run "$AZALEA" stop "$NAME"
	[ "$output" = "$NAME" ]
	wait "$PID" || status=$?
	[ "$status" -eq 31 ]
	wait "${STARTED[-1]}"
	[ "$(cat waited)" = 31 ]
}

@test "logs of one in the foreground are where it was started" {
	start sleep 1000
	run --separate-stderr "$AZALEA" logs "$NAME"
	[ "$status" -eq 1 ]
	says "was not started with -d"
}

@test "an owner killed with -9 leaves nothing behind" {
	local status=0 before
	before=$(ls -A /dev/shm)
	start sh -c 'while :; do :; done'
	[ "$(sockets "$NAME")" -eq 1 ]
	kill -KILL "$PID"
	wait "$PID" || status=$?
	[ "$status" -eq 137 ]
	[ "$(sockets "$NAME")" -eq 0 ]
	run ! running "$NAME"
	run ! "$AZALEA" inspect "$NAME"
	[ ! -e "$AZALEA_RUN_DIR" ] || [ -z "$(ls -A "$AZALEA_RUN_DIR")" ]
	[ "$(ls -A /dev/shm)" = "$before" ]
	run pgrep -P "$PID"
	[ -z "$output" ]
	# Its name is free.
	run "$AZALEA" run --name "$NAME" true
	[ "$status" -eq 0 ]
}

@test "users do not see or reach each other's instances; root does" {
	[ "$(id -u)" -eq 0 ] || skip "not root"
	type -P setpriv >/dev/null || skip "no setpriv"
	local as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	chmod 755 "$BATS_TEST_TMPDIR"
	cp "$AZALEA" "$BATS_RUN_TMPDIR/azalea-all"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/azalea-all"
	"${as[@]}" "$BATS_RUN_TMPDIR/azalea-all" version ||
		skip "others may not enter $BATS_RUN_TMPDIR"
	unset AZALEA_RUN_DIR XDG_RUNTIME_DIR
	start sleep 1000
	run "${as[@]}" "$BATS_RUN_TMPDIR/azalea-all" ps -a -q
	[ "$status" -eq 0 ]
	[[ $output != *"$NAME"* ]]
	run "${as[@]}" "$BATS_RUN_TMPDIR/azalea-all" stop "$NAME"
	[ "$status" -eq 1 ]
	"${as[@]}" "$BATS_RUN_TMPDIR/azalea-all" run --name "$NAME-nobody" \
		sleep 1000 3>&- &
	STARTED+=($!)
	eventually running "$NAME-nobody"
	run "$AZALEA" kill "$NAME-nobody"
	[ "$output" = "$NAME-nobody" ]
	kill -TERM "$PID"
}

@test "info tells of each platform, and why not" {
	run "$AZALEA" info
	[ "$status" -eq 0 ]
	grep -E '^pico +yes' <<<"$output"
	grep -E '^kvm +(yes +virtual machines|no +/dev/kvm)' <<<"$output"
	grep -E '^metal +no ' <<<"$output"
	grep -E 'auto chooses (pico|kvm): ' <<<"$output"
	"$AZALEA" info -o json | json 'o.platforms.pico.available and
		o.auto in ("pico", "kvm") and o.features.user_dispatch.available'
	[ "$("$AZALEA" info -o json | json o.machine.cores)" -eq "$(nproc)" ]
}

@test "help, version, and --help of each verb" {
	local verb
	run "$AZALEA" version
	[[ $output =~ ^azalea\ [0-9]+\.[0-9]+ ]]
	run "$AZALEA" --version
	[ "$status" -eq 0 ]
	run "$AZALEA" help
	[ "$status" -eq 0 ]
	for verb in run ps stop kill wait logs inspect rm cores info version \
		help; do
		grep -q "^  $verb " <<<"$("$AZALEA" help)"
		run "$AZALEA" help $verb
		[ "$status" -eq 0 ]
		[[ $output == "Usage: azalea $verb"* ]]
		[ "$("$AZALEA" $verb --help)" = "$output" ]
	done
	run "$AZALEA" help nosuch
	[ "$status" -eq 125 ]
}

@test "each option of run is in its man page, and the other way round" {
	local man=$BATS_TEST_DIRNAME/../../docs/man/azalea-run.1
	diff <("$AZALEA" help run | grep -o -e '^  [ -]..* --[a-z-]*' |
		grep -o -e '--[a-z-]*' | sort) \
		<(sed -n 's/^\.It Fl \(. , Fl \)\{0,1\}-\([a-z-]*\).*/--\2/p' \
			"$man" | sort)
}

@test "completion knows verbs, options, values and names" {
	# shellcheck source=/dev/null
	source "$BATS_TEST_DIRNAME/../../tools/azalea.bash-completion"
	complete_words() {
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_azalea "$AZALEA" "${COMP_WORDS[COMP_CWORD]}" \
			"${COMP_WORDS[COMP_CWORD - 1]}"
		echo "$*: ${COMPREPLY[*]}"
	}
	start sleep 1000
	complete_words azalea ins
	[ "${COMPREPLY[*]}" = inspect ]
	complete_words azalea run --cpus
	[ "${COMPREPLY[*]}" = "--cpus --cpuset-cpus" ]
	complete_words azalea run --offload ''
	[ "${COMPREPLY[*]}" = "auto ring direct" ]
	complete_words azalea stop "$NAME"
	[ "${COMPREPLY[*]}" = "$NAME" ]
	complete_words azalea cores re
	[ "${COMPREPLY[*]}" = "reserve release" ]
	complete_words azalea cores reserve --user roo
	[ "${COMPREPLY[*]}" = root ]
	complete_words azalea cores reserve --par
	[ "${COMPREPLY[*]}" = --partial ]
	complete_words azalea cores release al
	[ "${COMPREPLY[*]}" = all ]
}
