#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# density.bats - many small instances beside each other
# shellcheck disable=SC2154

load common

many() {
	command -v busybox >/dev/null || skip "busybox is not installed"
	/usr/bin/python3 "$BATS_TEST_DIRNAME/../density.py" "$@"
}

@test "forty servers at once answer, idle for free, and go" {
	many -n 40 --plat pico
}

@test "forty of them, each in a virtual machine" {
	if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
		skip "no /dev/kvm for this user"
	fi
	many -n 40 --plat kvm
}

@test "stop tells all before it waits for one" {
	"$AZALEA" run -d --name "$NAME-a" --cpus 1 sh -c '
		trap "until [ -e told ]; do sleep 0.1; done; exit 5" TERM
		while :; do sleep 0.1; done'
	"$AZALEA" run -d --name "$NAME-b" --cpus 1 sh -c '
		trap ": >told; exit 6" TERM
		while :; do sleep 0.1; done'
	run -0 "$AZALEA" stop -t 60 "$NAME-a" "$NAME-b"
	[ "$output" = "$NAME-a"$'\n'"$NAME-b" ]
	run -0 "$AZALEA" wait "$NAME-a" "$NAME-b"
	[ "$output" = $'5\n6' ]
}
