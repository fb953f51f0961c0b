#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# install.bats - make install: all of it is there, works there, and goes again
# shellcheck disable=SC2154

load common

setup_file() {
	export TREE=$BATS_FILE_TMPDIR/tree
	make -s -C "$BATS_TEST_DIRNAME/../.." install DESTDIR="$TREE" \
		PREFIX=/usr 3>&-
}

@test "what is installed runs" {
	run "$TREE/usr/bin/azalea" run sh -c 'exit 31'
	[ "$status" -eq 31 ]
	[ "$("$TREE/usr/bin/azalea" version)" = "$("$AZALEA" version)" ]
}

@test "the compiler finds what it needs" {
	type -P musl-gcc >/dev/null || skip "no musl-gcc"
	printf '#include <linux/kvm.h>\n#include <azalea/ipc.h>\n%s\n' \
		'int main(void) { return 29; }' >x.c
	"$TREE/usr/bin/azalea-cc" -o x x.c
	run ./x
	[ "$status" -eq 29 ]
}

@test "every verb with a page of its own has it" {
	local verb
	for verb in run ps stop logs inspect cores build info bench; do
		[ -s "$TREE/usr/share/man/man1/azalea-$verb.1" ]
	done
	[ -s "$TREE/usr/share/man/man3/azalea-ipc.3" ]
}

@test "bash loads the completion by itself, and completes" {
	local dir=$TREE/usr/share/bash-completion/completions
	run env -i PATH="$TREE/usr/bin:$PATH" bash --norc -c "
		source '$dir/azalea' && complete -p azalea &&
		COMP_WORDS=(azalea cor) && COMP_CWORD=1 &&
		_azalea azalea cor azalea && echo \"\${COMPREPLY[@]}\""
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "complete -o default -F _azalea azalea" ]
	[ "${lines[1]}" = cores ]
}

@test "uninstalling leaves no file" {
	make -s -C "$BATS_TEST_DIRNAME/../.." uninstall DESTDIR="$TREE" \
		PREFIX=/usr 3>&-
	run find "$TREE" ! -type d
	[ -z "$output" ] || { echo "$output"; false; }
}
