# SPDX-License-Identifier: MIT
# coreutils.sh - the programs of coreutils, on texts, files and directories.
# needs: sort sha256sum
. "$TESTS/lib.inc"

# --- texts
try cat $GPL
cp $GPL gpl
try tac gpl
try head -n 5 gpl $LICENSES/MPL-2.0
try tail -c 300 gpl
try wc gpl $LICENSES/Apache-2.0
try nl -b a -w 4 gpl
try fold -s -w 40 gpl
try fmt -w 60 gpl
try expand -t 4 gpl
try unexpand -a gpl
try cut -d ' ' -f 2,4- gpl
try paste gpl $LICENSES/GPL-2
try pr -3 -l 40 -h licence -D today gpl
try od -A x -t x1z -N 400 gpl
try base64 gpl
try base32 gpl
try basenc --z85 -w 76 -- $LICENSES/BSD
tr -cs A-Za-z '\n' <gpl >words
try sort words
try sort -u -f words
try sort --parallel=4 -S 64k -r words
try sort -R --random-source=gpl words
sort words >sorted
try uniq -c sorted
tr -cs A-Za-z '\n' <$LICENSES/GPL-2 | sort -u >sorted2
sort -u words >sorted1
try comm -12 sorted1 sorted2
try join -v 1 sorted1 sorted2
try shuf --random-source=gpl -n 50 words
try split -l 100 gpl part.
try csplit -s gpl '/TERMS AND/' '{*}'
try ls
try ptx -w 70 -i sorted1 $LICENSES/BSD
echo 'b c a b d c' >edges
try tsort edges
for sum in md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum cksum
do
	try $sum gpl words sorted
done
sha256sum gpl words >sums
try sha256sum -c sums
echo x >>words
try sha256sum -c sums
# shellcheck disable=SC2086
$RUN tr a-z A-Z <gpl
# shellcheck disable=SC2086
sort words | $RUN uniq -d | $RUN rev | $RUN sort | $RUN head -n 20

# --- numbers and words
try seq 1 3 1000
try factor 1 97 600851475143 18446744073709551557
try /usr/bin/expr 17 \* 3 % 7
try numfmt --to=iec 1024 1234567 99999999999
try /usr/bin/printf '%08.3f|%-10s|%x|%b\n' 3.14159 abc 255 'a\tb'
try /usr/bin/echo -e 'one\ttwo'
try basename /a/b/c.txt .txt
try dirname /a/b/c.txt
try pathchk -p 'a/b:c'
try date -u -d @1700000000 '+%F %T %A %j'
try date -d not-a-date
try /usr/bin/test 3 -gt 4
try '/usr/bin/[' -d . ']'
try /usr/bin/true
try /usr/bin/false
try env -i A=b
try /usr/bin/printenv LC_ALL HOME_OF_NOBODY
try nproc --all --ignore=100
try id
try groups
try whoami
try logname
try tty
try uname -s -r -m
try arch
try hostid
try hostname
try users
try stty -a
try /usr/bin/sleep 0.01
try yes --help
try timeout --version
try nice
try stdbuf --version

# --- files
try mkdir -p -m 750 dir/a/b
try mkdir dir
try touch -d @1000000000 dir/a/f dir/a/b
try cp -a gpl dir/gpl
try cp -r dir copy
try cp gpl dir/none/x
try ln dir/gpl dir/hard
try ln -s gpl dir/soft
try ln -s nowhere dir/dangling
try readlink dir/soft
try readlink -f dir/nothing/at/all
try realpath --relative-to=dir gpl
try stat -c '%n %s %a %h %F' dir/gpl dir/hard dir/soft dir
try stat -f -c '%T' /proc
try ls -lR --time-style=+%s -G -g dir/a
try ls -la --time-style=+ dir/dangling
try ls /nonexistent
try du -a --apparent-size dir
try mv dir/hard dir/moved
try mv dir/nothing dir/x
try chmod -c 600 dir/gpl
try chmod -R u=rwX,go= dir
try chown -c 0:0 dir/gpl
try chgrp 12345678 nothing
try truncate -s 1M sparse
try dd if=/dev/zero of=zeros bs=64k count=20 status=none
try dd if=gpl bs=1000 skip=3 count=2 conv=ucase status=none
try cmp zeros sparse
try sha256sum sparse zeros
try install -m 755 gpl dir/bin
try shred -u -n 1 zeros
try tee out1 out2 <gpl
try cmp out1 out2
try link gpl linked
try unlink linked
try mkfifo fifo
try stat -c %F fifo
try mknod pipe p
try mktemp -u XXXXX --suffix=.x -p . >name
[ "$(wc -l <name)" = 2 ]
try rmdir dir
try rm -v dir/soft dir/dangling
try rm -rf dir copy
try rm dir
try sync -d gpl
try df --output=target .
# shellcheck disable=SC2086
$RUN cat gpl /dev/full 2>&1 >/dev/full || echo "status $?"
# shellcheck disable=SC2086
yes | $RUN head -c 1000000 | $RUN sha1sum
# shellcheck disable=SC2086
$RUN yes | head -n 3
