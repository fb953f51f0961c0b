# SPDX-License-Identifier: MIT
# text.sh - awk (both), sed, grep, bc, diff and jq on real texts.
# needs: mawk gawk sed grep diff
. "$TESTS/lib.inc"

cp $GPL gpl
cat $LICENSES/GPL-[123] $LICENSES/LGPL-* $LICENSES/MPL-* >all

cat >count.awk <<'END'
{ for (i = 1; i <= NF; i++) { w = tolower($i); gsub(/[^a-z]/, "", w); n[w]++ } }
END {
	for (w in n) { k++; sum += n[w] * length(w) }
	printf "%d words, %d letters, %.6f %s\n", k, sum, log(sum), toupper("ok")
	x = 0; for (i = 1; i <= 300000; i++) x = (x * 1103515245 + i) % 2147483648
	print x, substr("abcdef", 2, 3), index("abc", "c"), sprintf("%c%5.2f", 65, 3)
	while ((getline line < "gpl") > 0) lines++
	close("gpl"); print lines > "lines"; print split("a:b:c", parts, ":")
}
END
for awk in mawk gawk; do
	try $awk -f count.awk all
	try cat lines
	try $awk -F: '$3 < 10 { print $1, $NF }' /etc/passwd
	try $awk 'BEGIN { print substr("x", 0), 1e300 * 1e300, -log(0), ENVIRON["LC_ALL"]
		exit 3 }'
	try $awk 'BEGIN { print 1 / 0 }'
	try $awk 'BEGIN { syntax error'
	try $awk '{ print }' /nonexistent
done
try gawk 'BEGIN { PROCINFO["sorted_in"] = "@val_num_desc" }
	{ for (i = 1; i <= NF; i++) n[$i]++ }
	END { for (w in n) if (n[w] > 100) print n[w], w }' all
try gawk 'BEGIN { n = split("b a d c", a); asort(a); for (i = 1; i <= n; i++)
	print a[i], strftime("%F", 86400 * i, 1), gensub(/a/, "x", "g", "banana") }'

try sed -n '/TERMS/,/END OF/p' gpl
try sed -E 's/([A-Z])([a-z]+)/\2\1/g; y/aeiou/AEIOU/; $!N; P; D' gpl
try sed -n '$=' all
try sed '1!G;h;$!d' gpl
try sed -i.bak -e '1,10d' -e 's/GNU/gnu/w changed' gpl
try cmp gpl gpl.bak
try cat changed
try sed -e 's/unterminated' gpl
try sed -z 's/\n/ /g' gpl
try sed p /nonexistent

try grep -n -i 'free software' all
try grep -c -v '^$' all
try grep -o -w -E '[a-z]{14,}' all
try grep -P '(?<=copy)(left|right)(?! notice)' all
try grep -r -l -F 'Lesser General' $LICENSES/GPL-3 $LICENSES/LGPL-3
try grep -A 2 -B 1 -m 3 WARRANTY gpl
try grep -z -c licen all
try grep -q nothing-like-this all
try grep '[' all
try grep x /nonexistent
head -c 20000 /usr/bin/sed >binary
try grep -c ELF binary
try grep -a -b -o ELF binary

try diff -u $LICENSES/GPL-1 $LICENSES/GPL-2
try diff -y -W 100 --suppress-common-lines $LICENSES/LGPL-2 $LICENSES/LGPL-2.1
try diff gpl gpl
try cmp -l gpl gpl.bak
