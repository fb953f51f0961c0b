# SPDX-License-Identifier: MIT
# memcached.sh - memcached, a server with threads, under test, with clients on
# plain Linux; and clients under test, with a server on plain Linux.
# needs: memcached memccp python3
# timeout: 120
. "$TESTS/lib.inc"

# await WHERE - until the server $server answers there, or is gone.
await()
{
	for _ in $(seq 600); do
		kill -0 "$server" || return
		/usr/bin/python3 -c 'import socket, sys
where = sys.argv[1]
s = socket.socket(socket.AF_INET if ":" in where else socket.AF_UNIX)
sys.exit(s.connect_ex(("127.0.0.1", int(where.split(":")[1]))
	 if ":" in where else where) != 0)' "$1" && return
		sleep 0.05
	done
}
finish()
{
	kill -TERM "$server"
	status wait "$server"
}

words 100 >file
title 'server under test, by TCP'
port=$(free_port)
# shellcheck disable=SC2086
$RUN memcached -u root -m 32 -t 4 -l 127.0.0.1 -p "$port" -U 0 &
server=$!
await "127.0.0.1:$port"
/usr/bin/python3 "$TESTS/memcached_client.py" "127.0.0.1:$port"
memccp --servers="127.0.0.1:$port" file
memccat --servers="127.0.0.1:$port" file | cmp - file && echo same
finish

title 'server under test, by a socket of this directory'
# shellcheck disable=SC2086
$RUN memcached -u root -m 32 -t 2 -s "$PWD/sock" -a 0700 &
server=$!
await "$PWD/sock"
/usr/bin/python3 "$TESTS/memcached_client.py" "$PWD/sock"
finish

title 'clients under test'
port=$(free_port)
memcached -u root -m 32 -t 2 -l 127.0.0.1 -p "$port" -U 0 &
server=$!
await "127.0.0.1:$port"
# shellcheck disable=SC2086
$RUN /usr/bin/python3 "$TESTS/memcached_client.py" "127.0.0.1:$port"
for tool in memccp memccat memcexist memcrm memcexist; do
	title $tool
	st=0
	# shellcheck disable=SC2086
	$RUN $tool --servers="127.0.0.1:$port" file >said || st=$?
	echo "status $st"
	cksum <said
done
finish
