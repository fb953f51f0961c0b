# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# lib.sh - what the program tests share. Sourced as `. "$TESTS/lib.sh"`.
#
# A test is a script for `sh -eu`, run in an empty directory: once with RUN
# empty, and then with RUN="azalea run ... --". The programs it tests are
# started as `$RUN program args`; everything else is plain Linux. Its stdout,
# stderr and status are compared, so what varies from run to run is filtered
# out where it is printed, for everyone to see.

# title TEXT - says where in the output we are.
title()
{
	echo "== $*"
}

# status COMMAND... - runs it and prints its exit status.
status()
{
	st=0
	"$@" || st=$?
	echo "status $st"
}

# words N - N lines of numbers and words, always the same ones.
words()
{
	awk -v n="$1" 'BEGIN {
		x = 42
		for (i = 0; i < n; i++) {
			x = (x * 1103515245 + 12345) % 2147483648
			printf "%d %s line-%d %c%c\n", x, x % 7 ? "odd" : "even", \
			    i, 97 + x % 26, 97 + int(x / 26) % 26
		}
	}'
}

# bytes N - N bytes that do not compress, always the same ones.
bytes()
{
	openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff \
	    -iv 00000000000000000000000000000000 -in /dev/zero 2>/dev/null |
	    head -c "$1"
}
