# SPDX-License-Identifier: MIT
# python-threads.sh - CPython with threads, queues, sockets, asyncio and TLS.
# needs: python3 openssl
. "$TESTS/lib.sh"

title threads
$RUN python3 - <<'END'
import threading, queue, time, concurrent.futures, zlib, hashlib
q, out = queue.Queue(10), []
lock = threading.Lock()
def work():
    while (x := q.get()) is not None:
        with lock:
            out.append(x * x)
ts = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in ts]
for i in range(5000):
    q.put(i)
for _ in ts:
    q.put(None)
[t.join() for t in ts]
print(len(out), sum(out))
with concurrent.futures.ThreadPoolExecutor(6) as ex:
    # These give up the interpreter's lock: they run in parallel.
    r = list(ex.map(lambda i: hashlib.sha256(bytes([i]) * 500000).hexdigest(), range(24)))
print(hashlib.md5("".join(r).encode()).hexdigest())
b = threading.Barrier(10); n = []
def meet():
    n.append(b.wait())
ts = [threading.Thread(target=meet) for _ in range(10)]
[t.start() for t in ts]; [t.join() for t in ts]
print(sorted(n))
e = threading.Event(); threading.Timer(0.02, e.set).start(); print(e.wait(10))
c = threading.Condition(); print(c.acquire(), c.wait(0.01)); c.release()
s = threading.Semaphore(3)
def limited():
    with s:
        time.sleep(0.001)
ts = [threading.Thread(target=limited) for _ in range(50)]
[t.start() for t in ts]; [t.join() for t in ts]
local = threading.local(); local.x = 1
print(hasattr(local, "x"), threading.active_count())
END

title sockets
$RUN python3 - <<'END'
import socket, socketserver, threading, http.server, http.client, selectors, urllib.request, os
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
srv = Server(("127.0.0.1", 0), Echo)
threading.Thread(target=srv.serve_forever, daemon=True).start()
res = []
def client(i):
    with socket.create_connection(srv.server_address) as s:
        f = s.makefile("rwb")
        for k in range(50):
            f.write(b"hello %d %d\n" % (i, k)); f.flush()
            assert f.readline() == b"HELLO %d %d\n" % (i, k)
    res.append(i)
ts = [threading.Thread(target=client, args=(i,)) for i in range(12)]
[t.start() for t in ts]; [t.join() for t in ts]
print(sorted(res)); srv.shutdown()
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"x" * 100000
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a):
        pass
web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
threading.Thread(target=web.serve_forever, daemon=True).start()
for _ in range(10):
    print(len(urllib.request.urlopen("http://127.0.0.1:%d/" % web.server_port).read()), end=" ")
print()
a, b = socket.socketpair()
socket.send_fds(a, [b"fd"], [os.open("/dev/zero", os.O_RDONLY)])
msg, fds, _, _ = socket.recv_fds(b, 10, 4)
print(msg, os.read(fds[0], 4))
sel = selectors.DefaultSelector(); sel.register(b, selectors.EVENT_READ)
a.send(b"z"); print(type(sel).__name__, len(sel.select(1)))
END

title asyncio
$RUN python3 - <<'END'
import asyncio, time, os, signal
async def handle(r, w):
    while line := await r.readline():
        w.write(line[::-1].strip() + b"\n"); await w.drain()
    w.close()
async def client(port, i):
    r, w = await asyncio.open_connection("127.0.0.1", port)
    for k in range(20):
        w.write(b"message %d\n" % (i * 100 + k)); await w.drain()
        assert (await r.readline()).strip() == (b"message %d" % (i * 100 + k))[::-1]
    w.close()
    return i
async def main():
    srv = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = srv.sockets[0].getsockname()[1]
    print(sum(await asyncio.gather(*(client(port, i) for i in range(40)))))
    srv.close()
    t = time.monotonic()
    await asyncio.gather(*(asyncio.sleep(0.05) for _ in range(200)))
    print(0.05 <= time.monotonic() - t < 20)
    q = asyncio.Queue()
    async def produce():
        for i in range(1000):
            await q.put(i)
        await q.put(None)
    async def consume():
        s = 0
        while (x := await q.get()) is not None:
            s += x
        return s
    print((await asyncio.gather(produce(), consume()))[1])
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.02)
    except asyncio.TimeoutError:
        print("timed out")
    got = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, got.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(got.wait(), 10); print("signal")
    print(await asyncio.to_thread(lambda: sum(range(1000))))
    print(await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80) != [])
asyncio.run(main())
END

title tls
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem \
    -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null
$RUN python3 - <<'END'
import ssl, socket, threading
srv = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); srv.load_cert_chain("cert.pem", "key.pem")
cli = ssl.create_default_context(cafile="cert.pem")
ls = socket.create_server(("127.0.0.1", 0))
def serve():
    for _ in range(3):
        c, _ = ls.accept()
        with srv.wrap_socket(c, server_side=True) as s:
            data = b""
            while len(data) < 200000:
                data += s.recv(65536)
            s.sendall(data[::-1])
t = threading.Thread(target=serve); t.start()
for i in range(3):
    with cli.wrap_socket(socket.create_connection(ls.getsockname()), server_hostname="localhost") as s:
        s.sendall(bytes(range(250)) * 800)
        got = b""
        while len(got) < 200000:
            got += s.recv(65536)
        print(s.version(), len(got), got == (bytes(range(250)) * 800)[::-1])
t.join()
print(ssl.OPENSSL_VERSION.split()[0], ssl.HAS_TLSv1_3)
END
