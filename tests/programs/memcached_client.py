# SPDX-License-Identifier: MIT
"""memcached_client.py - talk to a memcached: "host:port" or a socket's path."""
import hashlib
import os
import socket
import sys
import threading

WHERE = sys.argv[1]


def connect():
    if ":" in WHERE:
        host, port = WHERE.split(":")
        s = socket.create_connection((host, int(port)))
    else:
        s = socket.socket(socket.AF_UNIX)
        s.connect(WHERE)
    return s.makefile("rwb")


def ask(f, line, lines=1):
    f.write(line.encode() + b"\r\n")
    f.flush()
    return [f.readline().strip().decode() for _ in range(lines)]


def protocol(f):
    print(ask(f, "set k 0 0 5\r\nhello"), ask(f, "get k", 3), ask(f, "get x"))
    print(ask(f, "set n 0 0 1\r\n7"), ask(f, "incr n 5"), ask(f, "decr n 2"))
    print(ask(f, "delete k"), ask(f, "get k"), ask(f, "add n 0 0 1\r\n1"))
    print(ask(f, "append n 0 0 1\r\n0"), ask(f, "get n", 3))
    print(ask(f, "nonsense"), ask(f, "touch n 100"), ask(f, "gat 0 n", 3))
    print(ask(f, "set big 0 0 2000000\r\n" + "x" * 2000000))
    print(ask(f, "verbosity 0"), ask(f, "flush_all"), ask(f, "get n"))


def work(k, done):
    f = connect()
    for i in range(200):
        value = hashlib.sha256(b"%d.%d" % (k, i)).hexdigest().encode()
        value *= 1 + i % 20
        f.write(b"set %d.%d 0 0 %d\r\n%s\r\n" % (k, i, len(value), value))
        f.flush()
        assert f.readline() == b"STORED\r\n"
        f.write(b"get %d.%d\r\n" % (k, i))
        f.flush()
        size = int(f.readline().split()[3])
        assert f.read(size + 2)[:-2] == value
        assert f.readline() == b"END\r\n"
    done.append(k)


def main():
    f = connect()
    protocol(f)
    done = []
    threads = [threading.Thread(target=work, args=(k, done))
               for k in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(sorted(done))
    f.write(b"stats\r\n")
    f.flush()
    stats = {}
    while (line := f.readline()) != b"END\r\n":
        _, key, value = line.split(None, 2)
        stats[key.decode()] = value.strip().decode()
    for key in ("threads", "curr_items", "get_misses", "cmd_set",
                "total_connections", "limit_maxbytes"):
        print(key, stats[key])
    os.kill(int(stats["pid"]), 0)


main()
