# SPDX-License-Identifier: MIT
"""python_net.py - sockets and TLS: servers and clients in threads.

Expects cert.pem and key.pem of "localhost" in the working directory.
"""
import hashlib
import http.client
import http.server
import os
import select
import socket
import socketserver
import ssl
import tempfile
import threading
import urllib.request

DATA = bytes(i * i % 251 for i in range(200000))


def receive(sock, n):
    got = b""
    while len(got) < n:
        part = sock.recv(n - len(got))
        if not part:
            break
        got += part
    return got


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while part := self.request.recv(65536):
            self.request.sendall(part)


class EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = False


def tcp():
    with EchoServer(("127.0.0.1", 0), Echo) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()

        def client(results, i):
            with socket.create_connection(server.server_address) as s:
                sender = threading.Thread(target=s.sendall, args=(DATA,))
                sender.start()
                results[i] = receive(s, len(DATA)) == DATA
                sender.join()
                s.shutdown(socket.SHUT_WR)
                results[i] = results[i] and s.recv(1) == b""

        results = {}
        clients = [threading.Thread(target=client, args=(results, i))
                   for i in range(6)]
        for t in clients:
            t.start()
        for t in clients:
            t.join()
        server.shutdown()
        serving.join()
        print("tcp", sorted(results.items()))
    try:
        socket.create_connection(server.server_address)
    except OSError as e:
        print(e.errno)


def udp_and_unix():
    with socket.socket(type=socket.SOCK_DGRAM) as a, \
            socket.socket(type=socket.SOCK_DGRAM) as b:
        a.bind(("127.0.0.1", 0))
        b.sendto(b"datagram", a.getsockname())
        print("udp", a.recvfrom(100)[0])
        a.settimeout(0.02)
        try:
            a.recv(1)
        except TimeoutError as e:
            print(e)
    # A name in a directory may be too long for a socket's address.
    os.chdir(os.environ["HOME"])
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("unix")
        server.listen()
        client = socket.socket(socket.AF_UNIX)
        client.connect("unix")
        conn, _ = server.accept()
        with tempfile.TemporaryFile() as f:
            f.write(b"by descriptor")
            f.flush()
            socket.send_fds(client, [b"fd"], [f.fileno()])
        msg, fds, _, _ = socket.recv_fds(conn, 10, 1)
        print(msg, os.pread(fds[0], 100, 0))
        poller = select.poll()
        poller.register(conn, select.POLLIN)
        print(poller.poll(0))
        client.close()
        print([event for _, event in poller.poll(1000)])
        conn.close()
    os.unlink("unix")
    print(socket.getaddrinfo("127.0.0.1", 80, proto=socket.IPPROTO_TCP))


def tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("cert.pem", "key.pem")
    trusting = ssl.create_default_context(cafile="cert.pem")
    listener = socket.create_server(("127.0.0.1", 0))
    refused = []

    def serve():
        for _ in range(5):
            conn, _ = listener.accept()
            try:
                with context.wrap_socket(conn, server_side=True) as s:
                    n = int.from_bytes(receive(s, 4), "big")
                    s.sendall(hashlib.sha256(receive(s, n)).digest())
            except ssl.SSLError as e:
                refused.append(e.reason)

    serving = threading.Thread(target=serve)
    serving.start()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for size in (10, len(DATA)):
            trusting.maximum_version = version
            with socket.create_connection(listener.getsockname()) as raw, \
                    trusting.wrap_socket(raw, server_hostname="localhost") as s:
                s.sendall(size.to_bytes(4, "big") + DATA[:size])
                same = receive(s, 32) == hashlib.sha256(DATA[:size]).digest()
                print("tls", s.version(), s.cipher()[0], same)
    with socket.create_connection(listener.getsockname()) as raw:
        try:
            ssl.create_default_context().wrap_socket(
                raw, server_hostname="localhost")
        except ssl.SSLCertVerificationError as e:
            print(e.verify_message)
    serving.join()
    print(refused)
    listener.close()


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        self.wfile.write(DATA)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()
        self.wfile.write(hashlib.md5(body).hexdigest().encode())

    def log_message(self, format, *args):
        pass


def web():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        where = "http://127.0.0.1:%d/" % server.server_address[1]
        for _ in range(5):
            with urllib.request.urlopen(where) as answer:
                print("http", answer.status, answer.read() == DATA)
        with urllib.request.urlopen(where, data=DATA) as answer:
            print("http", answer.status, answer.read())
        conn = http.client.HTTPConnection(*server.server_address)
        conn.request("DELETE", "/")
        print("http", conn.getresponse().status)
        conn.close()
        server.shutdown()
        serving.join()


tcp()
tls()
web()
udp_and_unix()
