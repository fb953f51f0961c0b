#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# kvm.bats - what platform kvm has that no other has
# shellcheck disable=SC2016,SC2154

load common

need_kvm() {
	if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
		skip "no /dev/kvm for this user"
	fi
}

nobody() { # COMMAND...
	type -P setpriv >/dev/null || skip "no setpriv"
	[ "$(id -u)" -eq 0 ] || skip "not root"
	setpriv --reuid=65534 --regid=65534 \
		--groups="$(stat -c %g /dev/kvm)" "$@"
}

@test "status and output of a program in a virtual machine" {
	need_kvm
	run "$AZALEA" run --plat kvm sh -c 'echo in; exit 7'
	[ "$status" -eq 7 ]
	[ "$output" = in ]
	run "$AZALEA" run --plat kvm sh -c 'kill -SEGV $$'
	[ "$status" -eq 139 ]
}

@test "no program opens its owner's memory, nor a child its parent's" {
	need_kvm
	local try='( exec 3<>/proc/$$/mem ) 2>/dev/null && echo opened'
	run nobody "$AZALEA" run --plat pico sh -c "$try"
	[ "$output" = opened ] || skip "not even on pico"
	run nobody "$AZALEA" run --plat kvm sh -c "$try"
	[ "$output" = "" ]
}

@test "a kill ends the virtual machine, wherever it is" {
	need_kvm
	start --plat kvm sh -c 'echo on; while :; do :; done' >out
	eventually grep -q on out
	kill -KILL "$PID"
	run wait "$PID"
	run "$AZALEA" ps -q
	[[ "$output" != *"$NAME"* ]]
}
