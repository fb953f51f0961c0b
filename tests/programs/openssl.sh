# SPDX-License-Identifier: MIT
# openssl.sh - digests, ciphers, keys, signatures, and a short speed test.
# needs: openssl
. "$TESTS/lib.sh"
words 30000 >w
K="-K 000102030405060708090a0b0c0d0e0f -iv 0f0e0d0c0b0a09080706050403020100"

title digests
for d in md5 sha1 sha256 sha512 sha3-256 blake2b512 sm3; do
	$RUN openssl dgst -$d w
done
$RUN openssl dgst -sha256 -hmac key w

title ciphers
for c in aes-128-cbc aes-128-ctr camellia-128-cbc sm4-cbc; do
	# shellcheck disable=SC2086 # K is several words
	$RUN openssl enc -$c $K -in w -out e
	cksum e
	# shellcheck disable=SC2086
	$RUN openssl enc -d -$c $K -in e | cmp - w
done
$RUN openssl enc -aes-256-cbc -pbkdf2 -iter 1000 -pass pass:x -S 0102030405060708 -in w | cksum
$RUN openssl enc -base64 -in w | cksum
status $RUN openssl enc -d -aes-128-cbc -pbkdf2 -pass pass:wrong -in w -out /dev/null 2>/dev/null

title keys
$RUN openssl genrsa -out rsa.pem 2048 2>/dev/null
$RUN openssl rsa -in rsa.pem -check -noout
$RUN openssl rsa -in rsa.pem -pubout -out pub.pem 2>/dev/null
$RUN openssl dgst -sha256 -sign rsa.pem -out sig w
$RUN openssl dgst -sha256 -verify pub.pem -signature sig w
openssl dgst -sha256 -verify pub.pem -signature sig w
echo changed >>w
status $RUN openssl dgst -sha256 -verify pub.pem -signature sig w 2>/dev/null
$RUN openssl ecparam -name prime256v1 -genkey -noout -out ec.pem
$RUN openssl ec -in ec.pem -noout -check 2>&1 | tail -n 1
$RUN openssl genpkey -algorithm ed25519 -out ed.pem
$RUN openssl pkey -in ed.pem -text -noout | head -n 1
$RUN openssl req -x509 -new -key rsa.pem -subj /CN=test -days 1 -out c.pem
$RUN openssl verify -CAfile c.pem c.pem
$RUN openssl rand -hex 16 | wc -c
$RUN openssl prime 1000003
$RUN openssl prime 1000001

title speed
# Numbers vary: what was measured is kept, not how fast.
$RUN openssl speed -seconds 1 -bytes 1024 sha256 2>/dev/null |
    awk '/^sha256/ {print $1, ($2 > 1000)}'
$RUN openssl speed -seconds 1 -bytes 1024 -evp aes-128-cbc 2>/dev/null |
    awk '/^AES|^aes/ {print tolower($1), ($2 > 1000)}'
$RUN openssl speed -seconds 1 rsa2048 2>/dev/null |
    awk '/^rsa/ {print $1, $2, ($6 > 1)}'
