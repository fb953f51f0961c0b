# SPDX-License-Identifier: MIT
# busybox.sh - one static binary, many applets.
# needs: busybox openssl awk
. "$TESTS/lib.sh"
bb="$RUN busybox"

words 2000 >w
bytes 200000 >r

title text
for cmd in cat tac "head -n 5" "tail -n 5" wc sort "sort -rn" "uniq -c" \
    "cut -d' ' -f1" "fold -w 30" "od -b" "hexdump -C" md5sum sha1sum \
    sha256sum sha512sum cksum sum "base64" "uuencode x" "tr a-z b-za" \
    "rev" "nl" "expand" "paste - -" "grep -c even" "grep -n 9" "egrep 'a+b'" \
    "fgrep line-1" "sed s/odd/ODD/g" "sed -n 5,9p" "awk '{s+=\$1} END {print s}'" \
    "strings -n 3"; do
	$bb --list | grep -qx "${cmd%% *}" || continue
	title "$cmd"
	eval "\$bb $cmd" <w | cksum
done

title compression
$bb gzip -c w | gzip -dc | cksum
gzip -c w | $bb gunzip -c | cksum
$bb bzip2 -c w | $bb bunzip2 -c | cksum
xz -c w | $bb unxz -c | cksum
$bb gzip -c r | $bb zcat | cksum

title archives
mkdir t
cp w r t
$bb tar cf t.tar t
$bb tar tf t.tar | sort
$bb tar xOf t.tar t/w | cksum
find t | sort | $bb cpio -o -H newc 2>/dev/null | $bb cpio -t 2>/dev/null

title files
$bb mkdir -p a/b/c
$bb touch a/x
$bb cp -r t a/
$bb mv a/x a/y
$bb ln -s y a/z
$bb find a | sort
$bb find a -name 'w' -type f
$bb stat -c '%s %F' a/t/w
$bb ls a
$bb readlink a/z
$bb rm -r a
$bb du -s t | wc -l
$bb dd if=r bs=512 count=3 2>/dev/null | cksum
$bb diff w w
cp w w2
echo more >>w2
status $bb diff w w2
status $bb cmp w w2

title numbers
$bb expr 6 '*' 7
$bb seq 1 5
$bb printf '%d %s\n' 5 five
$bb date -u -d @86400 +%F
$bb factor 123456 || :
echo '2^64 - 1' | $bb bc || :
echo '3 4 + p' | $bb dc || :
$bb ipcalc -n 10.1.2.3 255.255.0.0 || :

title statuses
status $bb true
status $bb false
status $bb test 1 = 2
status $bb cat nothing
status $bb nosuchapplet
$bb basename /a/b.c .c
$bb dirname /a/b.c
$bb id -u
$bb uname -s
$bb env | grep -c PATH
$bb sleep 0.01
$bb usleep 100
$bb yes | head -n 2
$bb vi --version >/dev/null 2>&1 || :

title shell
$bb sh -c 'i=0; while [ $i -lt 1000 ]; do i=$((i + 1)); done; echo $i'
$bb sh -c 'f() { echo "in $1"; }; f function; for x in a b c; do echo $x; done'
$bb sh -c 'case abc in a*) echo matched;; esac; exit 9' || echo "status $?"
$bb sh -c 'read a b; echo "$b $a"' <<END
first second
END
$bb sh -c 'trap "echo got USR1" USR1; kill -USR1 $$; echo after'
$bb sh -c 'set -- *; echo $#'
