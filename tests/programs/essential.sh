# SPDX-License-Identifier: MIT
# essential.sh - grep, sed, awk, gzip, tar, find, diff: what every Debian has.
# needs: awk openssl
. "$TESTS/lib.sh"

words 20000 >w
bytes 500000 >r

title grep
$RUN grep -c even w
$RUN grep -n 'line-1[0-9]\{3\} a' w | cksum
$RUN grep -E '^[0-9]+ (odd|even) line-[0-9]*7 [a-f]' w | cksum
$RUN grep -F line-77 w | cksum
$RUN grep -v odd w | cksum
$RUN grep -o '[a-z][a-z]$' w | sort | uniq -c | cksum
$RUN grep -P '(?<=line-)\d{3}(?= )' w | cksum
$RUN grep -r -l even . | sort
status $RUN grep nothing-like-it w
status $RUN grep x nofile

title sed
$RUN sed 's/\([0-9]*\) \([a-z]*\)/\2 \1/' w | cksum
$RUN sed -n '/line-100 /,/line-200 /p' w | cksum
$RUN sed -e '1!G;h;$!d' w | cksum
$RUN sed -E 's/(.)(.)/\2\1/g;y/abc/xyz/' w | cksum
cp w s
$RUN sed -i.bak 's/even/EVEN/' s
cksum s s.bak

title awk
for awk in mawk gawk; do
	command -v $awk >/dev/null || continue
	title $awk
	$RUN $awk '{n[$2]++; s += $1} END {print n["odd"], n["even"], s}' w
	$RUN $awk 'BEGIN {for (i = 0; i < 300000; i++) x = (x * 7 + i) % 1009
	    print x}'
	$RUN $awk '{print length($0), toupper($4), substr($3, 6)}' w | cksum
	$RUN $awk 'BEGIN {printf "%.10f %s %d\n", atan2(0, -1), exp(1), 1e9}'
	$RUN $awk -F- '{a[NR] = $2} END {for (i = NR; i > 0; i -= 1000)
	    print a[i]}' w
	$RUN $awk 'BEGIN {while ((getline line <"w") > 0) n++; print n}'
	status $RUN $awk 'BEGIN {exit 3}'
done

title gzip
$RUN gzip -k w
$RUN gzip -t w.gz
$RUN gzip -dc w.gz | cksum
$RUN gzip -9 -c r | $RUN gzip -d | cksum
cp w.gz broken.gz
printf 'xxxx' | dd of=broken.gz bs=1 seek=5000 conv=notrunc status=none
status $RUN gzip -t broken.gz

title bzip2 and xz
command -v bzip2 >/dev/null && $RUN bzip2 -c w | $RUN bzip2 -dc | cksum
command -v xz >/dev/null && $RUN xz -1 -c w | $RUN xz -dc | cksum

title tar
mkdir t
cp w r t
ln -s w t/link
$RUN tar cf t.tar --owner=0 --group=0 --mtime=@0 --sort=name t
cksum t.tar
$RUN tar tf t.tar
mkdir out
$RUN tar xf t.tar -C out
cmp w out/t/w
readlink out/t/link

title find
$RUN find t out -type f | sort
$RUN find . -name '*.tar' -size +10k
$RUN find t -printf '%f %s %y\n' | grep -v '^t ' | sort

title diff
cp w w2
sed -i '500d;7000s/.*/changed/' w2
status $RUN diff w w2
$RUN diff -u w w2 | grep '^[-+][^-+]'
status $RUN cmp w w2
status $RUN cmp w w
