# SPDX-License-Identifier: MIT
# common.bash - what the tests of the command line share
#
# $AZALEA is the binary, build/azalea if unset. Each test has a run directory of its own; names of
# instances are unique, since the registry is one for all tests of a machine.
# shellcheck shell=bash disable=SC2154

bats_require_minimum_version 1.5.0

setup() {
	export AZALEA=${AZALEA:-$BATS_TEST_DIRNAME/../../build/azalea}
	export AZALEA_RUN_DIR=$BATS_TEST_TMPDIR/run
	NAME=t$BATS_TEST_NUMBER-$$-$RANDOM
	cd "$BATS_TEST_TMPDIR" || return
	STARTED=()
}

teardown() {
	local pid name
	for pid in "${STARTED[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true # bash is not to report it
	done
	for name in $("$AZALEA" ps -a -q | grep -e "-$$-"); do
		"$AZALEA" rm -f "$name" >/dev/null 2>&1 || true
	done
}

# start ARG... - `azalea run` in the background: $PID, known as $NAME
start() {
	"$AZALEA" run --name "$NAME" "$@" 3>&- &
	PID=$!
	STARTED+=("$PID")
	eventually running "$NAME"
}

running() {
	"$AZALEA" ps -q | grep -qx -e "$1"
}

# eventually COMMAND... - until it succeeds; only a hang makes it fail
eventually() {
	local i
	for ((i = 0; i < 300; i++)); do
		if "$@"; then
			return 0
		fi
		sleep 0.1
	done
	echo "never came true: $*"
	return 1
}

# says TEXT - $output, or else $stderr, contains TEXT
says() {
	[[ "$output$stderr" == *"$1"* ]] || {
		echo "no \"$1\" in: $output $stderr"
		return 1
	}
}

# json EXPRESSION - print the value of a Python expression about the JSON on
# stdin: o is the object, or that of $NAME in a list. Fails if it is False.
json() {
	NAME=$NAME PID=${PID:-0} /usr/bin/python3 -c '
import json, os, sys
from types import SimpleNamespace
o = json.load(sys.stdin, object_hook=lambda d: SimpleNamespace(**d))
if isinstance(o, list):
    o = [one for one in o if one.name == os.environ["NAME"]][0]
pid = int(os.environ["PID"])
value = eval("(" + sys.argv[1] + ")")
print(value)
sys.exit(value is False)' "$1"
}

# fails STATUS TEXT ARG... - `azalea run` says TEXT, in one line, and nothing
# else, and exits with STATUS
fails() {
	local want=$1 text=$2
	shift 2
	run "-$want" --separate-stderr "$AZALEA" run "$@"
	echo "status $status, stdout: $output, stderr: $stderr"
	[ -z "$output" ]
	[[ $stderr == "azalea: run: "*"$text"* ]]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
}
