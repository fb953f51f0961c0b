# SPDX-License-Identifier: MIT
"""snapshot_state.py - a program with something of everything that a snapshot
keeps. It sets that up, says so, waits for a line on standard input, and then
says of each thing whether it is as it should be: in the instance that goes on,
and in each that is made of it.
"""
import ctypes
import errno
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
FOLDER = sys.argv[1]
os.chdir(FOLDER)
os.umask(0o137)


def check(what, ok):
    print(("ok " if ok else "not ok ") + what, flush=True)


# --- files ---
with open("read", "wb") as f:
    f.write(b"0123456789" * 1000)
reader = os.open("read", os.O_RDONLY)
os.lseek(reader, 4321, os.SEEK_SET)
copy = os.dup(reader)
other = os.open("read", os.O_RDONLY)
os.lseek(other, 4321, os.SEEK_SET)
log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.write(log, b"before\n")
gone = os.open("gone", os.O_RDWR | os.O_CREAT, 0o600)
os.write(gone, b"without a name")
os.lseek(gone, 8, os.SEEK_SET)
os.unlink("gone")
memfd = os.memfd_create("notes")
os.write(memfd, b"kept in memory")
os.ftruncate(memfd, 4096)
folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
null = os.open("/dev/null", os.O_RDWR)

# --- memory ---
shared = mmap.mmap(-1, 1 << 20)
shared[5000:5006] = b"shared"
mapped_fd = os.open("mapped", os.O_RDWR | os.O_CREAT, 0o600)
os.ftruncate(mapped_fd, 8192)
mapped = mmap.mmap(mapped_fd, 8192)
mapped[0:4] = b"file"
with open("brief", "w+b") as f:
    f.write(b"brief" + bytes(8187))
    f.flush()
    brief = mmap.mmap(f.fileno(), 8192)
private = mmap.mmap(reader, 8192, flags=mmap.MAP_PRIVATE,
                    prot=mmap.PROT_READ | mmap.PROT_WRITE)
private[1:4] = b"own"
sealed = mmap.mmap(memfd, 4096)
SPARSE = 1 << 30
sparse = mmap.mmap(-1, SPARSE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS |
                   0x4000)
for i in range(0, SPARSE, SPARSE // 64):
    sparse[i + 17] = i // (SPARSE // 64) + 1
dropped = mmap.mmap(-1, 1 << 22, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
dropped[:] = b"\x5a" * (1 << 22)
grown = mmap.mmap(-1, 1 << 21, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
grown[:] = b"\x77" * (1 << 21)
table = {str(i): [i] * 3 for i in range(20000)}

# --- between threads ---
pipe_r, pipe_w = os.pipe()
os.write(pipe_w, b"in the pipe")
pair_a, pair_b = socket.socketpair()
pair_b.send(b"in the pair")
pair_a.setblocking(False)
event = os.eventfd(7, os.EFD_NONBLOCK) if hasattr(os, "eventfd") else \
    libc.eventfd(7, os.O_NONBLOCK)
timer = libc.timerfd_create(1, 0)
TimerSpec = ctypes.c_long * 4
libc.timerfd_settime(timer, 0, TimerSpec(0, 0, 3600, 0), None)
epoll = select.epoll()
epoll.register(pipe_r, select.EPOLLIN)
epoll.register(pair_a.fileno(), select.EPOLLIN)
waiting = os.pipe()
heard = []


def listener():
    heard.append(os.read(waiting[0], 100))


lock = threading.Lock()
lock.acquire()


def locker():
    with lock:
        heard.append(b"lock")


signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
threads = [threading.Thread(target=t) for t in (listener, locker)]
for t in threads:
    t.start()

# --- sockets ---
tcp = socket.create_server(("127.0.0.1", 0))
port = tcp.getsockname()[1]
unix = socket.socket(socket.AF_UNIX)
unix.bind("socket")
unix.listen()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
client = socket.create_connection(("127.0.0.1", port))
server, _ = tcp.accept()

# --- time and signals ---
ticks = []
signal.signal(signal.SIGALRM, lambda *_: ticks.append(time.monotonic()))
signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
hits = []
signal.signal(signal.SIGUSR1, lambda *_: hits.append(1))
os.kill(os.getpid(), signal.SIGUSR2)
mono = time.monotonic()
pid = os.getpid()

print("ready", pid, port, flush=True)
line = sys.stdin.readline()
restored = line.strip() == "restored"

# --- the same again ---
check("position", os.read(reader, 4) == b"1234" and
      os.lseek(copy, 0, os.SEEK_CUR) == 4325 and
      os.lseek(other, 0, os.SEEK_CUR) == 4321)
os.write(log, b"after\n")
with open("log", encoding="ascii") as f:
    check("append", f.read().endswith("after\n"))
check("file without a name", os.read(gone, 100) == b"a name")
check("memfd", os.pread(memfd, 14, 0) == b"kept in memory" and
      sealed[0:4] == b"kept")
os.pwrite(memfd, b"K", 0)
check("one memfd in both", sealed[0:4] == b"Kept")
check("directory", os.path.samestat(os.fstat(folder), os.stat(FOLDER)) and
      os.getcwd() == os.path.realpath(FOLDER))
check("umask", os.umask(0o137) == 0o137)
check("device", os.write(null, b"x") == 1)
check("shared memory", shared[5000:5006] == b"shared")
mapped[100:103] = b"new"
check("shared file", mapped[0:4] == b"file" and
      os.pread(mapped_fd, 3, 100) == b"new")
check("shared file that is gone", brief[0:5] == b"brief" and
      os.path.exists("brief") != restored)
if not restored:
    os.unlink("brief")
check("private file", private[0:6] == b"0own45")
check("sparse memory", all(sparse[i + 17] == i // (SPARSE // 64) + 1 and
                           sparse[i + 4096] == 0
                           for i in range(0, SPARSE, SPARSE // 64)))
dropped.madvise(mmap.MADV_DONTNEED, 1 << 20, 1 << 20)
check("dropped memory is zero",
      dropped[:1 << 20] == b"\x5a" * (1 << 20) and
      dropped[1 << 20:1 << 21] == bytes(1 << 20) and
      dropped[1 << 21:] == b"\x5a" * (1 << 21))
grown.resize(1 << 23)
check("grown memory is zero behind",
      grown[:1 << 21] == b"\x77" * (1 << 21) and
      grown[1 << 21:] == bytes(3 << 21))
check("objects", len(table) == 20000 and table["19999"] == [19999] * 3)
check("epoll", {fd for fd, _ in epoll.poll(0)} == {pipe_r, pair_a.fileno()})
check("pipe", os.read(pipe_r, 100) == b"in the pipe")
check("pair", pair_a.recv(100) == b"in the pair")
try:
    pair_a.recv(1)
    check("flags of a pair", False)
except BlockingIOError:
    check("flags of a pair", True)
pair_b.send(b"more")
check("pair goes on", pair_a.recv(100) == b"more")
check("eventfd", int.from_bytes(os.read(event, 8), "little") == 7)
spec = TimerSpec()
libc.timerfd_gettime(timer, spec)
check("timerfd", 3500 < spec[2] <= 3600)
at = int(time.monotonic() * 1e9) + 50_000_000
libc.timerfd_settime(timer, 1, TimerSpec(0, 0, at // 10**9, at % 10**9), None)
begin = time.monotonic()
os.read(timer, 8)
check("absolute timerfd", 0.04 < time.monotonic() - begin < 30)
os.write(waiting[1], b"line")
lock.release()
for t in threads:
    t.join()
check("threads", sorted(heard) == [b"line", b"lock"])
new = socket.create_connection(("127.0.0.1", port))
check("listening", tcp.accept()[0].fileno() > 0)
again = socket.socket(socket.AF_UNIX)
again.connect("socket")
check("local listening", unix.accept()[0].fileno() > 0)
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.sendto(b"datagram", udp.getsockname())
check("datagrams", udp.recv(100) == b"datagram")
if restored:
    check("lost connection", server.recv(10) == b"")
    try:
        client.send(b"x")
        check("write to a lost connection", False)
    except OSError as e:
        check("write to a lost connection",
              e.errno in (errno.EPIPE, errno.ECONNRESET))
    check("another pid", os.getpid() != pid)
else:
    client.send(b"x")
    check("connection", server.recv(10) == b"x" and os.getpid() == pid)
check("thread id", threading.get_native_id() == os.getpid())
check("clock", 0 <= time.monotonic() - mono < 60 and
      time.clock_gettime(time.CLOCK_MONOTONIC_RAW) > 0)
before = len(ticks)
while len(ticks) == before:
    time.sleep(0.01)
check("timer", len(ticks) > before)
signal.setitimer(signal.ITIMER_REAL, 0)
os.kill(os.getpid(), signal.SIGUSR1)
signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
check("signals", len(hits) == 2 and
      signal.SIGUSR2 in signal.sigpending())
child = os.fork()
if not child:
    os._exit(0 if table["5"] == [5] * 3 and shared[5000:5006] == b"shared"
             else 1)
check("fork", os.waitpid(child, 0)[1] == 0)
check("exec", subprocess.run(["echo", "executed"], capture_output=True,
                             check=False).stdout == b"executed\n")
print("done", flush=True)
