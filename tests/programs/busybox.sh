# SPDX-License-Identifier: MIT
# busybox.sh - the static busybox and many of its applets.
# needs: busybox
. "$TESTS/lib.inc"

box()
{
	try busybox "$@"
}

box
box --list
box nonsuch

cp $GPL gpl
for applet in cat tac rev md5sum sha1sum sha256sum sha512sum sha3sum cksum \
	crc32 wc sum od hexdump xxd base64 sort uniq nl strings fold expand \
	unexpand unix2dos uuencode
do
	busybox --list | grep -qx "$applet" || continue
	if [ $applet = uuencode ]; then
		box uuencode gpl name
	else
		box $applet gpl
	fi
done
box head -n 3 gpl
box tail -n 3 gpl
box cut -c 1-20 gpl
box tr a-z A-Z <gpl
box grep -n -i warranty gpl
box egrep -c '^ +[0-9]+\.' gpl
box sed -n -e 's/[Ll]icense/LICENCE/gp' gpl
box awk '{ n += NF; for (i = 1; i <= NF; i++) w[$i]++ }
	END { print NR, n, length(w), w["the"] }' gpl
box seq 1 7 100
box factor 1234567890
box expr 6 '*' 7
echo '2 20 ^ p' >sum
box dc sum
box cal 2 2024
box printf '%s-%05d\n' a 42
box date -u -d @1700000000 +%c
box dirname /x/y/z
box basename /x/y/z
box test 1 = 2
box true
box false
echo '2^64 - 1' >sum
box bc sum
box uname -s -m
box id -u
box env -i X=1
box stat -c '%n %s %f' gpl
box mkdir -p d/e/f
box cp gpl d/e
box ln -s e/gpl d/link
box ls d
find d | sort >names
box cpio -o -H newc -F d.cpio <names
box cpio -t -F d.cpio
box find d -type f
box find d -name 'g*' -size +10
box readlink d/link
box realpath d/e/../e/gpl | sed "s|$PWD|.|"
box du -s /nonexistent
box mv d/e/gpl d/e/f/gpl2
box chmod 640 d/e/f/gpl2
box stat -c %a d/e/f/gpl2
box tar cf d.tar d
box tar tf d.tar
box mkdir out
box tar xf d.tar -C out
box cmp gpl out/d/e/f/gpl2
box gzip -k gpl
box gunzip -c gpl.gz
gunzip -c gpl.gz | cmp - gpl
xz -k gpl
box unxz -c gpl.xz
tail -n +2 gpl >less1
box diff gpl less1
diff -u gpl less1 >patch1 || :
box patch gpl patch1
box cmp gpl less1
box dd if=gpl of=copy bs=512 count=7
box truncate -s 123456 copy
box md5sum copy
split -l 200 gpl part
box paste partaa partab
box shuf -i 1-1 -n 1
box rm -r d out
box rmdir nothing
box ps -o nonsense
box usleep 1000
box sleep 0
box ipcalc -b -n -m 10.1.2.3/20
box which nothing
box dos2unix gpl
box mkpasswd -m sha512 -S saltsalt secret
box vi --nonsense

# The shell, with what needs no program: its own loops, arithmetic, functions,
# (`read` takes a call a byte.)
# here-documents, traps and patterns.
head -n 40 gpl >top
cat >script <<'END'
fib() { if [ $1 -lt 2 ]; then r=$1; else
	local n=$1 a; fib $((n - 1)); a=$r; fib $((n - 2)); r=$((a + r)); fi }
i=0
while [ $i -lt 12 ]; do fib $i; printf '%d ' $r; i=$((i + 1)); done; echo
while read -r a b; do case $a in GNU|The) echo "$a|$b";; esac; done <top
echo "${0##*/} $# ${1:-none} ${2#*.}"
trap 'echo leaving' EXIT
trap 'echo usr1' USR1
kill -USR1 $$
set -- x y z; shift; echo "$*"
x=abcabc; echo ${x%b*} ${#x} ${x/b/_}
exit 7
END
box ash script one two.three
# shellcheck disable=SC2086
busybox cat gpl | $RUN busybox sort | $RUN busybox uniq -c |
	$RUN busybox sort -n | $RUN busybox tail -n 5
