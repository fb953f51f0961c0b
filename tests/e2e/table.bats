#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# table.bats - tools/gencalls.py: what is wrong with a table is said, by line.

setup() {
	TOP=${TOP:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
	table=$BATS_TEST_TMPDIR/table
}

# refuse TEXT TABLE - generating from TABLE fails and says TEXT.
refuse() {
	printf '%b\n' "$2" >"$table"
	run "$TOP/tools/gencalls.py" --header "$BATS_TEST_TMPDIR/out.h" "$table"
	[ "$status" -eq 1 ]
	[[ "$output" == *"$1"* ]] || { echo "$output"; false; }
	[ ! -e "$BATS_TEST_TMPDIR/out.h" ]
}

@test "the project's own table is read, and names every number once" {
	"$TOP/tools/gencalls.py" --header "$BATS_TEST_TMPDIR/out.h" \
	    "$TOP/abi/syscall.tbl"
	names=$(grep -c '^#define AZ_SYS_' "$BATS_TEST_TMPDIR/out.h")
	[ "$names" -ge 380 ]
	printf '#include "out.h"\nint read_nr = AZ_SYS_read;\n' \
	    >"$BATS_TEST_TMPDIR/t.c"
	cc -I"$TOP/abi" -Wall -Wextra -Werror -c -o /dev/null \
	    "$BATS_TEST_TMPDIR/t.c"
}

@test "every call of this machine's Linux headers is in the table, with its number" {
	"$TOP/tools/gencalls.py" --header "$BATS_TEST_TMPDIR/out.h" \
	    "$TOP/abi/syscall.tbl"
	echo '#include <asm/unistd_64.h>' | cc -E -dM -x c - |
	    sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$/\1 \2/p' |
	    sort >"$BATS_TEST_TMPDIR/linux"
	sed -n 's/^#define AZ_SYS_\([a-z0-9_]*\) \([0-9]*\)$/\1 \2/p' \
	    "$BATS_TEST_TMPDIR/out.h" | sort >"$BATS_TEST_TMPDIR/ours"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/linux")" -ge 300 ]
	run comm -23 "$BATS_TEST_TMPDIR/linux" "$BATS_TEST_TMPDIR/ours"
	[ -z "$output" ] || { echo "$output"; false; }
}

@test "the page of calls is the table's" {
	"$TOP/tools/gencalls.py" --markdown "$BATS_TEST_TMPDIR/out.md" \
	    "$TOP/abi/syscall.tbl"
	cmp "$BATS_TEST_TMPDIR/out.md" "$TOP/docs/syscalls.md"
}

@test "a number twice is refused" {
	refuse ':2: 0 is on line 1 too' '0 read offload\n0 write offload'
}

@test "a name twice is refused" {
	refuse ':2: read is on line 1 too' '0 read offload\n1 read offload'
}

@test "numbers out of order are refused" {
	refuse ':2: 3 after 4' '4 read offload\n3 write offload'
}

@test "a number that is none is refused" {
	refuse "'x' is not a number" 'x read offload'
	refuse "'5000' is not a number" '5000 read offload'
}

@test "an unknown class is refused" {
	refuse "unknown class 'forward'" '0 read forward'
}

@test "an unknown attribute, or one that does not go with the class, is refused" {
	refuse "unknown attribute 'slow'" '0 read offload,slow'
	refuse 'class deny has no attributes' '0 read deny,block'
	refuse 'attribute host is for class local' '0 read offload,host'
	refuse 'norestart needs block' '0 read offload,norestart'
}

@test "an unknown kind, format or set of flags is refused" {
	refuse "unknown kind 'file'" '0 read offload fd:file'
	refuse 'no such format' '0 read offload buf:in/page'
	refuse 'no such set of flags' '0 read offload how:flags/page'
}

@test "a buffer without a size, or with a bad count, is refused" {
	refuse 'of what size?' '0 read offload buf:out'
	refuse "no argument 'count'" '0 read offload buf:out[count]'
	refuse "'fd' is not a count" '0 read offload fd:fd buf:out[fd]'
	refuse 'must be inout{4}' '0 read offload buf:out[*n] n:inout{8}'
	refuse 'does not fit 16 bits' '0 read offload buf:in{70000}'
}

@test "seven arguments, or two of one name, are refused" {
	refuse 'more than six' '0 a offload a:int b:int c:int d:int e:int f:int g:int'
	refuse "two arguments 'a'" '0 a offload a:int a:int'
}

@test "a null pointer is for pointers" {
	refuse "'?' on a number" '0 read offload fd:int?'
}

@test "an empty table is refused" {
	refuse 'no calls' '# nothing'
}

@test "policies that do not exist, twice, or where nothing is left to deny" {
	refuse ":1: unknown policy '@net'" '0 read offload,@net'
	refuse ":2: policy '@net' twice" '@net text\n@net text'
	refuse ":2: policy '@net' twice" '@net text\n0 read offload,@net,@net'
	refuse ':1: want: @POLICY TEXT' '@net'
	refuse ':1: want: @POLICY TEXT' '@Net text'
	refuse ':2: class deny has no policy' '@net text\n0 read deny,@net'
}
