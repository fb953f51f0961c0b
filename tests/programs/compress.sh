# SPDX-License-Identifier: MIT
# compress.sh - xz with threads, gzip and zip's relatives, there and back.
# needs: xz gzip
. "$TESTS/lib.inc"

# About 3 MB of text and of code, several blocks of xz.
cat $LICENSES/* /usr/include/*.h /usr/bin/perl /usr/bin/openssl \
	/lib/x86_64-linux-gnu/libc.so.6 | head -c 3000000 >data
sha256sum <data >sum

# under TOOL ARG... - a filter under test, which must say nothing.
under()
{
	echo "--- $*" >&2
	# shellcheck disable=SC2086
	$RUN "$@"
}

# Packed under test, the same bytes as natively; and
# each side's output unpacked by the other.
try xz -k -1 -T2 --block-size=800000 data
sha256sum <data.xz
xz -dc data.xz | sha256sum -c sum
try xz -l data.xz
try xz -t -v data.xz
mv data.xz here.xz
xz -k -1 -T2 --block-size=800000 data
cmp data.xz here.xz && echo same
rm here.xz
try xz -d -T2 -k -c data.xz >out
tail -n +2 out | cmp - data && echo same
under xz -T2 -3 -F lzma -c <$GPL | sha256sum
under xz -T0 -0 --check=sha256 <data | xz -t && echo whole
truncate -s -1000 data.xz
try xz -t data.xz
echo garbage >bad.xz
try xz -d bad.xz

try gzip -n -k -6 data
sha256sum <data.gz
gzip -dc data.gz | sha256sum -c sum
try gzip -l data.gz
try gzip -t data.gz
under gzip -dc <data.gz | sha256sum
under gzip -n -9 <data | gzip -d | sha256sum -c sum
try gzip -n data
truncate -s 100000 data.gz
try gzip -t data.gz
try gzip -d /nonexistent.gz
