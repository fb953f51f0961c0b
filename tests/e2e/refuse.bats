#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# refuse.bats - bad input: one line that says what to do, and the right status
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

load common

@test "a program that is not there: 127" {
	fails 127 "nonexistent-program: not found in PATH: install it" \
		nonexistent-program
	fails 127 "./none: not there: check the path" ./none
	fails 127 "name is empty" ''
}

@test "a directory: 126" {
	mkdir d
	fails 126 "./d: is a directory" ./d
	fails 126 "/: is a directory" /
}

@test "a file that is not executable: 126" {
	cp "$(type -P true)" prog
	chmod -x prog
	fails 126 "./prog: no permission" ./prog
}

@test "an empty file, text without #!, other files: 126" {
	: >empty
	echo 'echo hello' >text
	mkfifo fifo
	chmod +x empty text fifo
	fails 126 "./empty: is empty" ./empty
	fails 126 "./text: is neither an ELF program nor a script" ./text
	fails 126 "./fifo: is not a regular file" ./fifo
	fails 126 "/dev/null: is not a regular file" /dev/null
}

@test "a truncated program: 126, wherever it was cut" {
	local n
	for n in 10 63 100 4096 20000; do
		head -c $n "$(type -P true)" >"cut"
		chmod +x cut
		fails 126 "./cut: is truncated" ./cut
	done
}

# foreign BYTES - the program true for a machine of that number
foreign() {
	cp "$(type -P true)" foreign
	printf '%b' "$1" | dd of=foreign bs=1 seek=18 conv=notrunc status=none
}

@test "a program for another machine: 126" {
	foreign '\xb7\x00'
	fails 126 "./foreign: is built for aarch64" ./foreign
	foreign '\xf3\x00'
	fails 126 "RISC-V" ./foreign
	foreign '\x03\x00'
	fails 126 "32-bit x86" ./foreign
	cp "$(type -P true)" x32
	printf '\x01' | dd of=x32 bs=1 seek=4 conv=notrunc status=none
	fails 126 "x32" ./x32
}

@test "an object file: 126" {
	cp "$(type -P true)" object
	printf '\x01' | dd of=object bs=1 seek=16 conv=notrunc status=none
	fails 126 "is an object file: link it" ./object
}

@test "a program whose interpreter is not there: 127, and which one" {
	sed 's,/lib64/ld-linux-x86-64.so.2,/lib64/ld-lost0-x86-64.so.2,' \
		"$(type -P true)" >lost
	chmod +x lost
	fails 127 "its interpreter /lib64/ld-lost0-x86-64.so.2 is not there" \
		./lost
}

@test "a script whose interpreter is not there: 127, and which one" {
	printf '#!/no/such/interpreter -x\n' >script
	printf '#!/bin/sh\r\necho\r\n' >dos
	printf '#!\n' >none
	printf '#!/\n' >dir
	chmod +x script dos none dir
	fails 127 "./script: its interpreter /no/such/interpreter: not there" \
		./script
	fails 127 "its #! line ends in CR LF" ./dos
	fails 126 "names no interpreter" ./none
	fails 126 "is a directory" ./dir
}

@test "an unknown option, a missing value, no program: 125" {
	fails 125 "unknown option --frobnicate: see \`azalea help run\`" \
		--frobnicate true
	fails 125 "unknown option -Z" -Z true
	fails 125 "--memory: needs a value" --memory
	fails 125 "--detach=maybe: a flag takes true or false" \
		--detach=maybe true
	fails 125 "no program" -m 64M
	fails 125 "no program" --
}

@test "memory that is no size, too little, too much: 125" {
	fails 125 "--memory lots: not a size" -m lots true
	fails 125 "--memory -1: not a size" -m -1 true
	fails 125 "--memory 64Q: not a size" -m 64Q true
	fails 125 "--memory 1M: too little" -m 1M true
	fails 125 "--memory 0: too little" -m 0 true
	fails 125 "more than this machine has, which is" -m 900T true
	fails 125 "more than this machine has" -m 99999999999999999999T true
}

@test "cores that are not there: 125, and which are" {
	local all
	all=$(nproc)
	fails 125 "--cpus 0: not a number of cores" --cpus 0 true
	fails 125 "--cpus 1.5: not a number of cores: cores are whole" \
		--cpus 1.5 true
	fails 125 "--cpus $((all + 1)): only $all can be had" \
		--cpus $((all + 1)) true
	fails 125 "only $all can be had" --cpus 99999999999999999999 true
	fails 125 "choose from" --cpuset-cpus 8000 true
	fails 125 "choose from" --cpuset-cpus 0-99999999 true
	fails 125 "not a list of CPUs" --cpuset-cpus one true
	fails 125 "not a list of CPUs" --cpuset-cpus 3-1 true
	fails 125 "only 1 can be had" --cpuset-cpus 0 --cpus 2 true
}

@test "platforms that are not there: 125" {
	fails 125 "--plat xen: no such platform" --plat xen true
	fails 125 "--offload maybe: no such way" --offload maybe true
}

@test "kvm that is missing, another's, or something else: 125, and which" {
	unshare -m true 2>/dev/null || skip "no mount namespaces here"
	in_mounts() { # SCRIPT, then PROGRAM
		run unshare -m sh -c "$1; exec \"$AZALEA\" run --plat kvm true"
		[ "$status" -eq 125 ]
	}
	in_mounts "mount -t tmpfs none /dev"
	[[ "$output" == *"--plat kvm: /dev/kvm: No such file"* ]]
	[ -e /dev/kvm ] || skip "no /dev/kvm here"
	in_mounts "mount --bind /dev/null /dev/kvm"
	[[ "$output" == *"/dev/kvm: not the API of KVM"* ]]
	command -v setpriv >/dev/null || skip "no setpriv here"
	[ "$(id -u)" -eq 0 ] || skip "not root"
	run setpriv --reuid 65534 --clear-groups "$AZALEA" run --plat kvm true
	[ "$status" -eq 125 ]
	[[ "$output" == *"/dev/kvm: Permission denied: join the group"* ]]
}

@test "metal without its module: 125, and how to have it" {
	[ ! -e /dev/azalea ] || skip "azalea.ko is loaded"
	fails 125 "--plat metal: azalea.ko is not loaded" --plat metal true
	fails 125 "azalea.ko is not loaded" --plat metal --cpuset-cpus 1 true
}

@test "AZALEA_PLAT is the default of --plat" {
	AZALEA_PLAT=xen fails 125 "AZALEA_PLAT=xen: no such platform" true
	AZALEA_PLAT=xen "$AZALEA" run --plat pico true
	AZALEA_PLAT='' "$AZALEA" run true
}

@test "names that are none: 125" {
	fails 125 "--name a/b: not a name" --name a/b true
	fails 125 "--name -x: not a name" --name=-x true
	fails 125 "not a name" --name '' true
	fails 125 "not a name" --name "$(printf '%064d' 0)" true
}

@test "verbs that are none: 125" {
	run --separate-stderr "$AZALEA"
	[ "$status" -eq 125 ]
	says "no verb: see \`azalea help\`"
	run --separate-stderr "$AZALEA" inspct
	[ "$status" -eq 125 ]
	says "inspct: no such verb: did you mean \`azalea inspect\`?"
	run --separate-stderr "$AZALEA" frobnicate
	[ "$status" -eq 125 ]
	says "frobnicate: no such verb: see \`azalea help\`"
	run --separate-stderr "$AZALEA" -m 64M
	[ "$status" -eq 125 ]
	says "options follow the verb"
}

@test "each verb refuses options and names that are none" {
	local verb
	for verb in stop kill wait logs inspect rm; do
		run --separate-stderr "$AZALEA" $verb
		[ "$status" -eq 125 ]
		says "azalea: $verb: needs NAME"
		run --separate-stderr "$AZALEA" $verb --nosuch
		[ "$status" -eq 125 ]
		says "see \`azalea help $verb\`"
		run --separate-stderr "$AZALEA" $verb "none-$$-x"
		[ "$status" -eq 1 ]
		says "none-$$-x: no such instance: azalea ps -a lists them"
		run --separate-stderr "$AZALEA" $verb ../../etc
		[ "$status" -eq 1 ]
	done
	run "$AZALEA" stop -t soon x
	[ "$status" -eq 125 ]
	run "$AZALEA" kill -s NOSUCH x
	[ "$status" -eq 125 ]
	run "$AZALEA" ps -o xml
	[ "$status" -eq 125 ]
	run "$AZALEA" ps extra
	[ "$status" -eq 125 ]
}

@test "a closed or full stdout is reported" {
	run --separate-stderr bash -c '"$AZALEA" help >/dev/full'
	[ "$status" -eq 1 ]
	says "cannot write to stdout: No space left on device"
}
