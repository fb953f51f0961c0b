# SPDX-License-Identifier: MIT
# stress-ng.sh - stressors with a number of operations and --verify, which
# compares results. What is printed of speed and pids varies.
# needs: stress-ng
. "$TESTS/lib.sh"

stress()
{
	title "$*"
	st=0
	$RUN stress-ng --verify --timeout 60 --oom-avoid "$@" >log 2>&1 || st=$?
	echo "status $st"
	sed 's/\[[0-9]*\]/[pid]/; s/ in [0-9.]*s.*//; s/ in 1 min.*//' log |
	    grep -E 'fail|error|unsupported|skipped|terminated|successful|abort' || :
}

stress --cpu 2 --cpu-ops 40
stress --cpu 1 --cpu-method int64 --cpu-ops 20
stress --vm 1 --vm-bytes 16M --vm-ops 200
stress --mmap 1 --mmap-bytes 8M --mmap-ops 20
stress --futex 1 --futex-ops 1000
stress --pthread 1 --pthread-ops 100
stress --malloc 1 --malloc-bytes 16M --malloc-ops 2000
