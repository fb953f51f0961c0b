# SPDX-License-Identifier: MIT
# openssl.sh - openssl: digests, ciphers, keys, certificates, TLS, speed.
# needs: openssl
# timeout: 100
. "$TESTS/lib.inc"

cat $LICENSES/* >data
try openssl version
for digest in md5 sha1 sha256 sha512 sha3-256 blake2b512 sm3; do
	try openssl dgst -$digest data
done
try openssl dgst -sha256 -hmac key data

# Sealed under test and opened natively, and the reverse.
for cipher in aes-128-cbc aes-256-ctr chacha20 camellia-256-cbc sm4-cbc; do
	try openssl enc -$cipher -pbkdf2 -S 0011223344556677 -pass pass:x \
		-in data -out sealed
	sha256sum <sealed
	openssl enc -d -$cipher -pbkdf2 -S 0011223344556677 -pass pass:x \
		-in sealed | cmp - data && echo same
	openssl enc -$cipher -pbkdf2 -pass pass:x -in data -out sealed
	try openssl enc -d -$cipher -pbkdf2 -pass pass:x -in sealed -out opened
	cmp opened data && echo same
done
openssl enc -aes-128-cbc -pbkdf2 -S 0011223344556677 -pass pass:x -in data \
	-out sealed
try openssl enc -d -aes-128-cbc -pbkdf2 -S 0011223344556677 -pass pass:wrong \
	-in sealed -out x 2>errors
try openssl base64 -in $GPL
try openssl passwd -6 -salt saltsalt secret
try openssl prime 18446744073709551557
try openssl rand -hex 16 >random
[ "$(tail -n 1 random | wc -c)" = 33 ] && echo random

# Keys, signatures, certificates; each made under test and checked natively.
for kind in RSA:rsa_keygen_bits:2048 EC:ec_paramgen_curve:P-256; do
	key=${kind%%:*}
	try openssl genpkey -quiet -algorithm "$key" -pkeyopt "${kind#*:}" \
		-out "$key.key"
	try openssl pkey -in "$key.key" -check -noout
	try openssl req -x509 -new -key "$key.key" -subj "/CN=$key" -days 2 \
		-out "$key.crt"
	openssl verify -CAfile "$key.crt" "$key.crt"
	openssl pkey -in "$key.key" -pubout -out "$key.pub"
	try openssl dgst -sha256 -sign "$key.key" -out signature data
	openssl dgst -sha256 -verify "$key.pub" -signature signature data
	openssl dgst -sha256 -sign "$key.key" -out signature data
	try openssl dgst -sha256 -verify "$key.pub" -signature signature data
	try openssl dgst -sha256 -verify "$key.pub" -signature signature \
		$GPL 2>errors
done
try openssl genpkey -algorithm ed25519 -out ed.key
openssl pkey -in ed.key -text -noout | head -n 1

# A TLS server of each side, a client of the other. The server reverses lines
# and ends with the one that says CLOSE.
# shellcheck disable=SC2086,SC2317
under()
{
	$RUN "$@"
}
serve()
{
	"$@" -accept "127.0.0.1:$port" -cert "$key.crt" -key "$key.key" \
		-naccept 1 -rev -quiet -no_ign_eof 2>>errors
}
talk()
{
	until printf 'hello there\nCLOSE\n' | "$@" -CAfile "$key.crt" -quiet \
		-connect "127.0.0.1:$port" -verify_return_error 2>>errors
	do
		kill -0 "$server" || return
		sleep 0.1
	done
}
key=RSA
port=$(free_port)
serve under openssl s_server &
server=$!
talk openssl s_client
wait $server || echo "server's status $?"
key=EC
port=$(free_port)
serve openssl s_server &
server=$!
talk under openssl s_client
wait $server || echo "server's status $?"

# That it measures, and what, but not how much.
for what in sha256 '-evp aes-128-cbc'; do
	# shellcheck disable=SC2086
	$RUN openssl speed -seconds 1 -bytes 1024 $what 2>speed |
		awk 'tolower($1) ~ /^(sha256|aes)/ { print $1, ($2 + 0 > 1000) }'
	grep -c 'Doing .* for 1s on 1024' speed
done
# shellcheck disable=SC2086
$RUN openssl speed -seconds 1 rsa2048 2>speed |
	awk '/^rsa/ { print $1, $2, ($6 > 1) }'
