# SPDX-License-Identifier: MIT
# nginx.sh - nginx under test, alone and with master and workers, under
# requests from plain Linux; curl under test.
# needs: nginx curl openssl
# timeout: 60
# modes: auto auto-1 ring-2
. "$TESTS/lib.inc"

# config MASTER WORKERS THREADS - nginx.conf, and the files to serve.
config()
{
	port=$(free_port)
	cat >nginx.conf <<END
user root root;
daemon off;
master_process $1;
worker_processes $2;
pid $PWD/nginx.pid;
error_log $PWD/error.log notice;
events { worker_connections 256; }
http {
	access_log $PWD/access.log;
	client_body_temp_path $PWD/body;
	proxy_temp_path $PWD/proxy;
	fastcgi_temp_path $PWD/fastcgi;
	uwsgi_temp_path $PWD/uwsgi;
	scgi_temp_path $PWD/scgi;
	types { text/plain txt; text/html html; }
	sendfile on;
	$3
	gzip on;
	gzip_min_length 100;
	gzip_types text/plain;
	server {
		listen 127.0.0.1:$port;
		root $PWD/root;
		location /hello { return 200 "hello\n"; }
		location /old { return 302 /hello; }
		location /list/ { alias $PWD/root/; autoindex on; }
		location = /no { deny all; }
		location /proxy/ { proxy_pass http://127.0.0.1:$port/; }
		location ~ ^/re/([a-z]+)\$ { return 200 "\$1 \$request_method\n"; }
	}
}
END
}
start()
{
	# shellcheck disable=SC2086
	$RUN nginx -c "$PWD/nginx.conf" -p "$PWD" 2>nginx.err &
	server=$!
	for _ in $(seq 1200); do
		kill -0 "$server" || break
		curl -s -o /dev/null "http://127.0.0.1:$port/hello" && break
		sleep 0.05
	done
}
get()
{
	curl -s -w '%{http_code} %{content_type} %{size_download}\n' "$@"
}
requests()
{
	url=http://127.0.0.1:$port
	get "$url/hello"
	get "$url/re/word"
	get -o /dev/null "$url/none"
	get -o /dev/null "$url/no"
	get -L "$url/old"
	get -I -o /dev/null "$url/text.txt"
	get -r 100-299 "$url/text.txt" | cksum
	get "$url/text.txt" -o got && cmp got root/text.txt
	get "$url/big" -o got && cmp got root/big
	get --compressed -o got "$url/text.txt" >/dev/null && cmp got root/text.txt
	get -o /dev/null -d a=b "$url/text.txt"
	get "$url/list/" | grep -c href
	get "$url/proxy/text.txt" -o got && cmp got root/text.txt
	get "$url/proxy/hello"
	# One connection, many requests; then many connections.
	curl -s "$url/re/[a-c]" "$url/hello?[1-40]"
	for i in 1 2 3 4 5 6 7 8; do
		curl -s "$url/text.txt" | cksum >sum."$i" &
		clients="${clients:-} $!"
	done
	# shellcheck disable=SC2086
	wait $clients
	clients=
	cat sum.*
}

mkdir root
words 5000 >root/text.txt
bytes 3000000 >root/big

title 'one process'
config off 1 ''
start
requests
kill -TERM "$server"
status wait "$server"
grep -c 'GET /hello' access.log

title 'one process, threads for files'
config off 1 'aio threads; sendfile_max_chunk 64k; output_buffers 2 32k;'
start
requests
kill -QUIT "$server"
status wait "$server"

title 'a master and two workers'
config on 2 ''
start
requests
rm -f access.log
kill -USR1 "$(cat nginx.pid)"
for _ in $(seq 200); do [ -s access.log ] && break; get "$url/hello" >/dev/null; sleep 0.02; done
[ -s access.log ] && echo 'the log was opened anew'
kill -HUP "$(cat nginx.pid)"
sleep 0.3
get "$url/hello"
kill -QUIT "$(cat nginx.pid)"
status wait "$server"
[ -e nginx.pid ] && echo 'the pid file is left over'
grep -cE 'alert|crit|emerg' error.log || true

title 'curl under test'
RUN_CLIENT=$RUN
RUN=
config off 1 ''
start
RUN=$RUN_CLIENT
url=http://127.0.0.1:$port
# shellcheck disable=SC2086
run()
{
	status $RUN curl -s --no-progress-meter "$@"
}
run "$url/hello"
run -L -w '%{http_code}\n' "$url/old"
run -Z --parallel-max 4 "$url/hello?[1-10]" | sort
run -o got "$url/big" && cmp got root/big
run -f "$url/none"
run -m 5 http://127.0.0.1:1/
kill -TERM "$server"
status wait "$server"
