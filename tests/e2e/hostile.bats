#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# hostile.bats - programs that attack the virtual machine they run in: whatever
# they do, they can be ended, reach nothing of their owner's, and the instance
# beside them does not notice. tests/module/attacks.py does so on metal.
# shellcheck disable=SC2154

load common

setup_file() {
	local top=$BATS_TEST_DIRNAME/../..
	DIR=$(mktemp -d /tmp/azalea-hostile.XXXXXX)
	export DIR
	chmod 755 "$DIR"
	gcc -std=gnu11 -O2 -pthread -D_GNU_SOURCE -mfsgsbase -static \
		-I"$top/abi" -o "$DIR/hostile" "$top/tests/module/hostile.c"
	printf 'int main(void)\n{\n\tfor (;;)\n\t\t;\n}\n' >"$DIR/spin.c"
	gcc -static -o "$DIR/spin" "$DIR/spin.c"
}

teardown_file() {
	rm -rf "$DIR"
}

needs_kvm() {
	"$AZALEA" run --plat kvm true 2>/dev/null || skip "no /dev/kvm here"
}

attack() {
	needs_kvm
	/usr/bin/python3 "$BATS_TEST_DIRNAME/hostile.py" \
		"$(realpath "$AZALEA")" "$DIR/hostile" "$@"
}

@test "the monitor's calls, out of order, too often, unknown" {
	attack halt_storm timer_storm kick_storm unknown_calls exit_odd fs_odd
	attack kick_war sync_war exit_from_two
}

@test "calls for Linux: any, changed under way, about the owner" {
	attack host_owner host_rubbish host_race ring_unmap wishes
}

@test "what the unikernel and its owner share, overwritten" {
	attack scribble_page scribble_ring scribble_live scribble_boot
	attack scribble_az_core scribble_core lose_frame
}

@test "the unikernel unmapped, protected, dropped, replaced" {
	attack unmap_unikernel protect_unikernel drop_unikernel remap_unikernel
	attack fault_storm
}

@test "jumps into the unikernel, lost %gs, instructions at random" {
	attack jump_into_text jump_to_syscalls gs_and_call gs_and_fault
	attack gs_and_wait gs_selectors vsyscall sysenter int80
	attack rubbish rubbish_children
}

# spin PLATFORM SIGNAL STATUS - a program that never halts, and is ended
spin() {
	local status=0
	start --plat "$1" "$DIR/spin"
	kill -"$2" "$PID"
	wait "$PID" || status=$?
	[ "$status" -eq "$3" ]
	eventually not_running "$NAME"
}

not_running() {
	! running "$1"
}

@test "a program that never halts can be ended" {
	spin pico KILL 137
	spin pico TERM 143
	needs_kvm
	spin kvm KILL 137
	spin kvm TERM 143
}
