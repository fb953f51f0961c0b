# SPDX-License-Identifier: MIT
# memcached.sh - a threaded server with real clients: Debian's libmemcached
# tools by unix socket, and Python by TCP. Ends by SIGTERM.
# needs: memcached python3
. "$TESTS/lib.sh"

# The address in use is not the test's to know: a socket in this directory.
$RUN memcached -u root -m 32 -t 4 -s "$PWD/sock" -a 0700 2>err &
server=$!
i=0
while [ ! -S sock ] && [ $i -lt 600 ]; do
	sleep 0.1
	i=$((i + 1))
done

title protocol
python3 - <<'END'
import socket, threading, hashlib
def connect():
    s = socket.socket(socket.AF_UNIX); s.connect("sock")
    return s.makefile("rwb")
f = connect()
def ask(line, n=1):
    f.write(line.encode() + b"\r\n"); f.flush()
    return [f.readline().strip().decode() for _ in range(n)]
print(ask("set k 0 0 5\r\nhello"), ask("get k", 3), ask("get none"))
print(ask("set n 0 0 1\r\n7"), ask("incr n 5"), ask("decr n 2"), ask("delete k"), ask("get k"))
print(ask("add n 0 0 1\r\n1"), ask("append n 0 0 1\r\n0"), ask("get n", 3), ask("nonsense"))
print(ask("touch n 100"), ask("gat 0 n", 3), ask("verbosity 0"), ask("flush_all"))
def work(k, out):
    c = connect()
    for i in range(300):
        v = hashlib.sha256(b"%d.%d" % (k, i)).hexdigest().encode() * (1 + i % 20)
        c.write(b"set %d.%d 0 0 %d\r\n%s\r\n" % (k, i, len(v), v)); c.flush()
        assert c.readline() == b"STORED\r\n"
        c.write(b"get %d.%d\r\n" % (k, i)); c.flush()
        head = c.readline().split()
        assert c.read(int(head[3]) + 2)[:-2] == v and c.readline() == b"END\r\n"
    out.append(k)
out = []
ts = [threading.Thread(target=work, args=(k, out)) for k in range(16)]
[t.start() for t in ts]; [t.join() for t in ts]
print(sorted(out))
f.write(b"stats\r\n"); f.flush()
stats = {}
while (line := f.readline()) != b"END\r\n":
    _, k, v = line.split(None, 2); stats[k.decode()] = v.strip().decode()
print(stats["threads"], stats["curr_items"], stats["get_misses"], int(stats["pid"]) > 1, int(stats["uptime"]) >= 0)
END

title tools
if command -v memccp >/dev/null; then
	words 100 >file
	memccp --servers="$PWD/sock" file
	memccat --servers="$PWD/sock" file | cksum
	memcexist --servers="$PWD/sock" file && echo exists
	memcrm --servers="$PWD/sock" file
	memcexist --servers="$PWD/sock" file || echo gone
fi

title end
kill -TERM "$server"
st=0
wait "$server" || st=$?
echo "status $st"
cat err
