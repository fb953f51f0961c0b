# SPDX-License-Identifier: MIT
# coreutils.sh - GNU coreutils: text, files, sums, numbers, statuses.
# needs: awk
. "$TESTS/lib.sh"

words 3000 >w

title text
for cmd in cat tac nl rev "head -n 7" "tail -n 7" "tail -c 100" "wc" "sort" \
    "sort -n" "sort -rk2,2 -k1n" "sort --parallel=4 -S 1M" "uniq -c -f1" \
    "cut -d' ' -f2,4" "cut -c3-9" "fold -w 20" "fmt -w 40" "od -A x -t x1z" \
    "expand" "unexpand -a" "pr -t -3" "base64" "base32" "sum" "cksum" \
    "md5sum" "sha1sum" "sha224sum" "sha256sum" "sha384sum" "sha512sum" \
    "b2sum" "paste - - -" "ptx -w 60" "tr a-z A-Z" "shuf --random-source=w" \
    "split -n l/2/3 -" "numfmt --field=1 --to=iec"; do
	command -v "${cmd%% *}" >/dev/null || continue
	title "$cmd"
	case $cmd in
	"split"*) eval "\$RUN split -n l/2/3 w" | cksum ;;
	*) eval "\$RUN $cmd" <w | cksum ;;
	esac
done

title two files
sort w | head -n 1000 >a
sort w | tail -n +500 >b
$RUN comm -12 a b | cksum
$RUN join -1 1 -2 1 a b | cksum
$RUN paste -d, a b | cksum

title numbers
$RUN seq 1 3 100 | $RUN paste -sd+
$RUN factor 1234567890123456789 97 4294967296
$RUN expr 7 '*' '(' 3 + 4 ')'
$RUN expr length "hello world"
$RUN printf '%05d|%-8s|%x|%.3f|%b\n' 42 abc 255 3.14159 'a\tb'
$RUN numfmt --from=iec 1G 512M 3K
$RUN date -u -d @1000000000 '+%Y-%m-%d %H:%M:%S %j %U'
$RUN date -u -d '2024-02-29 + 1 year' +%F
$RUN echo -e 'a\nb'

title statuses
status $RUN true
status $RUN false
status $RUN test 1 -eq 2
status $RUN test -f w
status $RUN [ -d . ]
status $RUN cat nothing
status $RUN ls nothing
status $RUN cp nothing there
status $RUN head -n x w
status $RUN expr 0

title files
$RUN mkdir -p d/e/f
$RUN touch -d '2020-01-02 03:04:05 UTC' d/one
$RUN cp -a w d/copy
$RUN cmp w d/copy
$RUN ln -s copy d/sym
$RUN ln d/copy d/hard
$RUN mv d/one d/e/two
$RUN chmod 640 d/copy
$RUN stat -c '%n %s %a %F %h' d/copy d/sym d/e
$RUN stat -c '%Y' d/e/two
$RUN ls -R d
$RUN ls -l d | awk 'NF > 2 {print $1, $2, $5, $NF}'
$RUN readlink d/sym
$RUN readlink -f d/sym | awk -F/ '{print $NF}'
$RUN realpath --relative-to=. d/e/../e/f
$RUN basename /usr/lib/thing.c .c
$RUN dirname /usr/lib/thing.c
$RUN du -s --apparent-size -b d/copy | cut -f1
$RUN truncate -s 100000 hole
$RUN stat -c %s hole
$RUN dd if=w of=dd.out bs=1000 skip=3 count=20 status=none
$RUN cksum dd.out
$RUN split -l 1000 w part-
$RUN ls part-aa part-ab part-ac
$RUN csplit -s w 100 '{3}'
$RUN wc -l xx00 xx01 xx04
$RUN install -m 600 w installed
$RUN stat -c %a installed
$RUN mkfifo fifo
$RUN stat -c %F fifo
$RUN shred -n 1 hole
$RUN rm -r d hole fifo
status $RUN ls d
$RUN tee t1 t2 <a | cksum
$RUN cksum t1 t2
$RUN sync
$RUN rmdir --ignore-fail-on-non-empty . || :

title environment
GREETING=hello $RUN printenv GREETING
$RUN id -u
$RUN whoami
$RUN uname -sm
$RUN arch
$RUN tty || :
$RUN pwd | awk '{print NF}'

title pipes
yes | $RUN head -n 5
$RUN yes abc | head -n 3
$RUN seq 100000 | $RUN sort -n | $RUN tail -n 1
$RUN cat w w w | $RUN sort -u | $RUN wc -l
$RUN sleep 0.01
$RUN tsort <<END
a b
b c
a d
d c
END
