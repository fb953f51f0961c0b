# SPDX-License-Identifier: MIT
# xz.sh - xz with two threads, both ways, and at the memory limit.
# needs: xz openssl
. "$TESTS/lib.sh"

words 200000 >w
bytes 3000000 >r
cat w r w >both

title threads
$RUN xz -k -T2 -1 --block-size=2MiB both
$RUN xz -l both.xz | awk 'NR == 2 {print $1, $2}'
$RUN xz -t both.xz
cksum both.xz
$RUN xz -dc -T2 both.xz | cmp - both
$RUN xz -T4 -3 -c w | xz -dc | cmp - w
$RUN xz -T1 -3 -c w | cksum
$RUN xz -T0 -2 --block-size=1MiB -c r | xz -dc | cmp - r

title formats
$RUN xz --format=lzma -1 -c w | $RUN xz -dc | cmp - w

title errors
head -c 100000 both.xz >cut.xz
status $RUN xz -t cut.xz
status $RUN xz -d nothing.xz
status $RUN xz -9 -M 1MiB -T1 --no-adjust -c w
