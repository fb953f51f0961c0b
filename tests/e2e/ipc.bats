#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# ipc.bats - messages between programs on both sides of the line, by the example of the library.
# shellcheck disable=SC2154 # of bats and common.bash

load common

TOP=$BATS_TEST_DIRNAME/../..

setup_file() {
	gcc -O2 -D_GNU_SOURCE -pthread -I"$TOP/lib/include" -I"$TOP/abi" \
		-o "$BATS_FILE_TMPDIR/adder" "$TOP/examples/ipc/adder.c" "$TOP"/lib/*.c
}

# talk SERVER-PREFIX -- CLIENT-PREFIX - 1000 calls from the one to the other
talk() {
	local channel=/azalea-$NAME server=()
	while [ "$1" != -- ]; do
		server+=("$1")
		shift
	done
	shift
	"${server[@]}" "$BATS_FILE_TMPDIR/adder" serve "$channel" 3>&- &
	STARTED+=($!)
	run -0 "$@" "$BATS_FILE_TMPDIR/adder" call "$channel" 1000
	[ "$output" = 500500 ]
	wait "${STARTED[-1]}"
	[ ! -e "/dev/shm$channel" ]
}

@test "two threads of an instance" {
	run -0 "$AZALEA" run -- "$BATS_FILE_TMPDIR/adder" threads 1000
	[ "$output" = 500500 ]
}

@test "two threads on plain Linux" {
	run -0 "$BATS_FILE_TMPDIR/adder" threads 1000
	[ "$output" = 500500 ]
}

@test "two instances" {
	talk "$AZALEA" run -- "$AZALEA" run --cpus 1
}

@test "an instance serves a plain program" {
	talk "$AZALEA" run --cpus 1 -- env
}

@test "a plain program serves an instance" {
	talk env -- "$AZALEA" run
}

@test "two plain programs" {
	talk env -- env
}
