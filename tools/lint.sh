#!/bin/bash
# SPDX-License-Identifier: MIT
# lint.sh - check the source: all checks, or those named.
#
#	tools/lint.sh [CHECK...]
#
# Prints what a check finds, then `ok CHECK`, `not ok CHECK` or, if the machine
# lacks the tool, `ok CHECK # skip REASON`; in the end
# `N passed, N failed, N skipped`. Runs all of them, then fails if one did. Each
# runs as a process of its own, so that a time-out can end it.
#
# What is checked is what git tracks. The flags of the compiler are asked of
# make, so there is no second list.
set -euo pipefail

checks=(format shell spelling manuals python licence size words generated
	headers cppcheck clang tidy)
jobs=$(nproc)
limit=${LINT_TIMEOUT:-720} # seconds; only a hang is meant

cd "$(dirname "$0")/.."

# tracked PATTERN... - files that git tracks and that are there.
tracked()
{
	git ls-files -z -- "$@" | while IFS= read -r -d '' file; do
		[ ! -f "$file" ] || printf '%s\0' "$file"
	done
}

# need TOOL - the check is skipped on a machine that lacks it.
need()
{
	command -v "$1" >/dev/null && return
	echo "$1 is not installed"
	exit 77
}

# commands - how make compiles with clang, one a line: FILE.c FLAGS. What
# concerns output and linking is left out.
commands()
{
	make -nB CC=clang all build/edge build/adder build/web bench-build \
	    build/genseccomp build/machine/agent build/qemu_count.so |
	    sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' | awk '
	$1 == "clang" || ($1 == "musl-gcc" && / host\/runtime\//) {
		files = flags = ""
		for (i = 2; i <= NF; i++)
			if ($i == "-o")
				i++
			else if ($i ~ /^[^-].*\.c$/)
				files = files " " $i
			else if ($i !~ /^-(Wl,.*|l.*|MMD|MP|c)$/ &&
				 $i !~ /^[^-].*\.[oS]$/)
				flags = flags " " $i
		n = split(files, file, " ")
		for (i = 1; i <= n; i++)
			if (!seen[file[i]]++)
				print file[i] flags
	}'
}

# nothing - passes what is on stdin on; fails if there is any.
nothing()
{
	if grep .; then
		return 1
	fi
}

# each LINES-ON-STDIN COMMAND... - COMMAND with the words of each line, several
# at a time; the output of one is not mixed with another's.
each()
{
	# shellcheck disable=SC2016 # for the inner shell
	xargs -r -P "$jobs" -L 1 sh -c '
		if ! out=$("$@" </dev/null 2>&1); then
			printf "%s\n" "$out"
			exit 1
		fi' each "$@"
}

check_format()
{
	need clang-format
	tracked '*.c' '*.h' | xargs -0 clang-format --dry-run -Werror
}

check_shell()
{
	need shellcheck
	tracked '*.sh' '*.bash' '*.bats' .ci/run tools/azalea-cc '*.bash-completion' \
	    ':!tests/programs' | xargs -0 shellcheck
	# These run under `sh -eu`, and are full of lists of words ($RUN) and of
	# programs in other languages, of which the lesser remarks are. Errors
	# go to stdout and the output to /dev/full; dash knows test -nt.
	tracked 'tests/programs/*.sh' 'tests/programs/*.inc' |
	    xargs -0 shellcheck -s sh -S warning -e SC1122,SC2069,SC3013
}

check_spelling()
{
	need codespell
	# inout: of arguments; ist: of a TSS; nd: mdoc's .Nd; tje: a jump after a tab; to and fro
	tracked | xargs -0 codespell -L inout,ist,ists,nd,tje,fro
}

check_manuals()
{
	need mandoc
	# Whether other manuals are installed here says nothing of ours.
	cd docs/man
	{ mandoc -Tlint -- *.[13] 2>&1 || :; } |
	    { grep -vP 'outdated mandoc.db|not found: Xr (?!azalea)' || :; } |
	    nothing
}

check_python()
{
	tracked '*.py' tools/machine | xargs -0 python3 -W error -c '
import sys
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as f:
        compile(f.read(), name, "exec")'
}

# The text of the licence and the number of the version stand alone.
check_licence()
{
	tracked ':!LICENSE' ':!VERSION' |
	    xargs -0 grep -L -m1 'SPDX-License-Identifier: MIT' |
	    nothing
}

check_size()
{
	tracked | xargs -0 -I{} find {} -size +1023k -printf '%p: %s bytes\n' |
	    nothing
}

# The tree stands for itself: it names no machine or person's folder, and no
# number of an issue or of the session that wrote it.
check_words()
{
	{ git grep -nIiE -e '/w[o]rk/' -e '/tmp/[h]/' -e '\bissues? #?[0-9]' \
	    -e '\b[s]ession #?[0-9]' -e '(fixes|closes|see) #[0-9]' \
	    -e '<{7} |>{7} ' || :; } | nothing
}

check_generated()
{
	local new
	new=$(mktemp)
	python3 tools/gencalls.py --markdown "$new" abi/syscall.tbl
	diff -u docs/syscalls.md "$new" || {
		rm -f "$new"
		return 1
	}
	rm -f "$new"
}

# flags_of FILE.c - as make compiles it.
flags_of()
{
	commands | sed -n "s,^$1 ,,p"
}

# Each header alone, with the flags of its side.
check_headers()
{
	local kernel host lib
	lib=$(flags_of lib/native.c)
	kernel=$(flags_of kernel/main.c)
	host=$(flags_of host/cli/main.c)
	[ -n "$kernel" ] && [ -n "$host" ] && [ -n "$lib" ]
	{
		tracked 'abi/*.h' 'kernel/*.h' | tr '\0' '\n' |
		    sed "s,.*,$kernel -include &,"
		tracked 'abi/*.h' 'host/*.h' | tr '\0' '\n' |
		    sed "s,.*,$host -include &,"
		tracked 'lib/*.h' | tr '\0' '\n' |
		    sed "s,.*,$lib -include &,"
	} | each clang -fsyntax-only -x c /dev/null
}

# Style is left to clang-tidy. Lists of hundreds of calls in one macro take
# cppcheck 12 seconds for every file that sees them: it gets short ones.
check_cppcheck()
{
	local gen status=0
	need cppcheck
	gen=$(mktemp -d)
	cp build/gen/*.h "$gen"
	sed -i '/^\tX([0-9]*, .*\\$/{/X([0-2],/!d}' "$gen/calls.h"
	cppcheck -q -j"$jobs" --std=c11 --inline-suppr --error-exitcode=1 \
	    --enable=warning,performance,portability \
	    --suppress=unmatchedSuppression -D__x86_64__ -DAZ_KERNEL -Iabi \
	    -Ikernel -Ihost -I"$gen" kernel host || status=1
	cppcheck -q -j"$jobs" --std=c11 --inline-suppr --error-exitcode=1 \
	    --enable=warning,performance,portability -D__x86_64__ \
	    -Iabi -Ihost -Ilib/include -I"$gen" tools examples bench lib || status=1
	rm -rf "$gen"
	return "$status"
}

# All of it builds with clang without a warning, as it does with gcc.
check_clang()
{
	local out status=0
	need clang
	out=$(mktemp -d)
	make -k -j"$jobs" CC=clang B="$out" AZALEA_DEPS=skip all "$out/edge" \
	    "$out/adder" bench-build || status=1
	rm -rf "$out"
	return "$status"
}

# Tests are left out: they do on purpose what it warns of.
check_tidy()
{
	local missing
	need clang-tidy
	missing=$(tracked 'abi/*.c' 'bench/*.c' 'examples/*.c' 'host/*.c' \
	    'kernel/*.c' 'lib/*.c' 'tools/*.c' | tr '\0' '\n' | sort |
	    comm -23 - <(commands | cut -d ' ' -f 1 | sort))
	if [ -n "$missing" ]; then
		echo "make compiles none of these: $missing"
		return 1
	fi
	commands | sed -e 's/ / -- /' -e 's/ -W[^ ]*//g' |
	    each timeout 300 clang-tidy --quiet
}

run_check()
{
	local log status=0
	log=$(mktemp)
	timeout "$limit" nice -n 5 "$0" --check "$1" </dev/null >"$log" 2>&1 ||
	    status=$?
	case $status in
	0)
		echo "ok $1"
		passed=$((passed + 1))
		;;
	77)
		echo "ok $1 # skip $(tail -n 1 "$log")"
		skipped=$((skipped + 1))
		;;
	*)
		head -c 200000 "$log"
		[ "$status" != 124 ] || echo "no end after $limit s"
		echo "not ok $1"
		failed=$((failed + 1))
		;;
	esac
	rm -f "$log"
}

if [ "${1:-}" = --check ]; then
	"check_$2"
	exit
fi

for check in "$@"; do
	case " ${checks[*]} " in
	*" $check "*) ;;
	*)
		echo "lint: no check '$check'; there are: ${checks[*]}" >&2
		exit 2
		;;
	esac
done
[ $# -eq 0 ] || checks=("$@")

# Of a make that started this one, nothing is meant for those below.
unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES
make -s build/gen/calls.h build/gen/sandbox_filter.h
passed=0 failed=0 skipped=0
for check in "${checks[@]}"; do
	run_check "$check"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
