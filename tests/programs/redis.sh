# SPDX-License-Identifier: MIT
# redis.sh - redis-server under test, with clients on plain Linux: data types,
# scripts, expiry, pipelines, saving by a child, reading it back; and
# redis-cli and redis-benchmark under test.
# needs: redis-server redis-cli redis-benchmark
# timeout: 60
# modes: auto auto-1 ring-2
. "$TESTS/lib.inc"

# start OPTION... - a server at the socket ./sock.
start()
{
	# shellcheck disable=SC2086
	$RUN redis-server --port 0 --unixsocket "$PWD/sock" --dir "$PWD" \
	    --daemonize no --save '' --logfile log "$@" &
	server=$!
	for _ in $(seq 1200); do
		kill -0 "$server" || break
		[ "$(cli ping 2>&1)" = PONG ] && break
		sleep 0.05
	done
}
finish()
{
	cli shutdown "$@" || true
	status wait "$server"
	[ -e sock ] && echo 'the socket is left over'
	grep -c 'bye bye' log || true
	rm -f log
}
cli()
{
	redis-cli -s sock "$@"
}

title 'values of every type'
start
cli set greeting hello
cli append greeting ' world'
cli get greeting
cli incrbyfloat number 10.5
cli rpush list a b c d
cli lrange list 0 -1
cli sadd set x y z x
cli smembers set | sort
cli zadd zset 3 three 1 one 2 two
cli zrange zset 0 -1 withscores
cli hset hash f1 v1 f2 v2
cli hgetall hash
cli xadd stream 1-1 k v
cli xrange stream - +
cli pfadd hll a b c d
cli pfcount hll
cli setbit bits 7 1
cli bitcount bits
cli geoadd geo 13.361389 38.115556 Palermo
cli geohash geo Palermo
cli type geo
cli expire greeting 100
cli persist greeting
cli set short lived px 30
sleep 0.2
cli get short
cli eval 'local t = {} for i = 1, 100 do t[i] = redis.call("incr", KEYS[1]) end
	return t[100]' 1 counter
cli multi
cli object encoding list
cli lpush

title 'many keys by a pipe'
awk 'BEGIN {
	for (i = 0; i < 20000; i++)
		printf "SET key%d value-%d-%d\r\n", i, i, i * i % 7919
}' >many
cli --pipe <many | tail -1
cli dbsize
cli get key19999
cli debug digest-value key7 key777

title 'a child saves, the server goes on'
cli bgsave >said
cat said
for _ in $(seq 400); do
	cli info persistence >info
	grep -q 'rdb_bgsave_in_progress:0' info && break
	cli incr while-saving >/dev/null
	sleep 0.02
done
grep -o 'rdb_last_bgsave_status:[a-z]*' info
cli config set appendonly yes
cli set in-the-log yes
for _ in $(seq 400); do
	cli info persistence >info
	grep -q 'aof_rewrite_in_progress:0' info && break
	sleep 0.02
done
grep -o 'aof_last_bgrewrite_status:[a-z]*' info
cli config set appendonly no
cli lpop list
cli save
finish nosave

title 'and reads it back; several io threads'
start --io-threads 3 --io-threads-do-reads yes
cli dbsize >size
[ "$(cat size)" -ge 20010 ] && echo 'all there'
cli get key4711
cli lrange list 0 -1
cli get in-the-log
redis-benchmark -s sock -n 120 -c 10 -q -t set,get,lrange_100 |
    tr '\r' '\n' | grep -c 'requests per second'
finish nosave

title 'publish and subscribe, blocked clients'
start
cli --csv subscribe news >heard &
subscriber=$!
cli blpop queue 30 >popped &
blocked=$!
for _ in $(seq 400); do
	[ "$(cli publish news now)" = 1 ] && break
	sleep 0.02
done
cli lpush queue item
wait "$blocked"
cat popped
{ kill "$subscriber"; wait "$subscriber" || true; } 2>kill.err
tail -n 1 heard
finish nosave

title 'clients under test'
RUN_SERVER=$RUN
RUN=
start
RUN=$RUN_SERVER
try redis-cli -s sock set a 1
try redis-cli -s sock incr a
try redis-cli -s sock --pipe <many | tail -n 1
# shellcheck disable=SC2086
$RUN redis-benchmark -s sock -n 2000 -c 10 -q -t set,get,incr |
    tr '\r' '\n' | grep -c 'requests per second'
# shellcheck disable=SC2086
$RUN redis-benchmark -s sock -n 2000 -c 10 --threads 2 -q -t ping |
    tr '\r' '\n' | grep -c 'requests per second'
finish nosave
