# SPDX-License-Identifier: MIT
# stress-ng.sh - stressors with a number of operations and --verify, which
# compares results. What is printed of speed, times and pids varies.
# needs: stress-ng
. "$TESTS/lib.inc"

stress()
{
	title "$*"
	st=0
	# shellcheck disable=SC2086
	$RUN stress-ng --verify --timeout 60 --temp-path . "$@" >log 2>&1 ||
		st=$?
	echo "status $st"
	sed -n -E 's/^stress-ng: ([a-z]+): *\[[0-9]+\] /\1: /
		s/ in [0-9.]+s.*//; s/ in [0-9]+ min.*//
		/fail|error|unsupported|skip|terminat|success|abort|dispatch/p' log
}

stress --cpu 2 --cpu-ops 30
for method in int64 float matrixprod crc16 queens; do
	stress --cpu 1 --cpu-method $method --cpu-ops 3
done
stress --vm 1 --vm-bytes 16M --vm-ops 200
stress --vm 1 --vm-bytes 4M --vm-method rowhammer --vm-ops 10
stress --mmap 1 --mmap-bytes 4M --mmap-ops 5
stress --mremap 1 --mremap-bytes 4M --mremap-ops 20
stress --mprotect 1 --mprotect-ops 200
stress --madvise 1 --madvise-ops 1
stress --malloc 1 --malloc-bytes 16M --malloc-ops 2000
stress --brk 1 --brk-ops 2000
stress --futex 1 --futex-ops 500
stress --pthread 1 --pthread-ops 50
stress --mutex 1 --mutex-ops 500
stress --switch 1 --switch-ops 500
stress --matrix 2 --matrix-ops 20
stress --memcpy 1 --memcpy-ops 5
stress --qsort 1 --qsort-ops 1
stress --vecmath 1 --vecmath-ops 20
stress --fp 1 --fp-ops 5
stress --hash 1 --hash-ops 50
stress --str 1 --str-ops 10
stress --zlib 1 --zlib-ops 2
stress --pipe 1 --pipe-ops 1000
# It takes all descriptors there are, then forks.
stress --sockpair 1 --sockpair-ops 10
stress --poll 1 --poll-ops 100
stress --eventfd 1 --eventfd-ops 500
stress --signal 1 --signal-ops 500
stress --sigsegv 1 --sigsegv-ops 200
stress --sigfpe 1 --sigfpe-ops 100
stress --sigq 1 --sigq-ops 200
stress --itimer 1 --itimer-ops 50
stress --timer 1 --timer-ops 50
stress --nanosleep 1 --nanosleep-ops 2
stress --hdd 1 --hdd-bytes 2M --hdd-ops 50
stress --seek 1 --seek-ops 200
stress --getrandom 1 --getrandom-ops 50
stress --memfd 1 --memfd-ops 2 --memfd-bytes 4M
stress --atomic 1 --atomic-ops 5
stress --cpu 2 --cpu-ops 5 --pipe 1 --pipe-ops 50
