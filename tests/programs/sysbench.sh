# SPDX-License-Identifier: MIT
# sysbench.sh - cpu, memory, threads and mutex. Speeds and times vary; counts
# and settings do not.
# needs: sysbench
. "$TESTS/lib.inc"

keep()
{
	grep -E 'Number of threads|Prime numbers limit|total number of events|Total operations|block size|total size|operation:|scope:' |
	    sed 's/(.*per second)//; s/  */ /g'
}

for n in 1 2 4; do
	title "cpu, $n threads"
	$RUN sysbench cpu --cpu-max-prime=5000 --threads=$n --events=2000 \
	    --time=0 run | keep
	title "memory, $n threads"
	$RUN sysbench memory --memory-total-size=256M --threads=$n \
	    --time=0 run | keep
	title "threads, $n threads"
	$RUN sysbench threads --threads=$n --events=500 --thread-yields=100 \
	    --time=0 run | keep
	title "mutex, $n threads"
	$RUN sysbench mutex --threads=$n --mutex-loops=2000 \
	    --mutex-locks=2000 --mutex-num=64 --time=0 run | keep
done
title "by time"
$RUN sysbench cpu --time=1 --threads=2 run | grep -c 'events per second'
