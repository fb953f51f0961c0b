# SPDX-License-Identifier: MIT
"""python_threads.py - threads, locks, queues, pools, timers."""
import concurrent.futures
import hashlib
import os
import queue
import sys
import threading
import time
import zlib

# A pool on work that lets go of the interpreter's lock.
blocks = [bytes([i]) * 300000 + b"x" * i for i in range(64)]


def work(block):
    return hashlib.sha256(zlib.compress(block)).hexdigest()


with concurrent.futures.ThreadPoolExecutor(8) as pool:
    found = list(pool.map(work, blocks))
assert found == [work(b) for b in blocks]
print(hashlib.sha256("".join(found).encode()).hexdigest())

# Many threads on one counter, one condition, one queue.
total = 0
lock = threading.Lock()


def count():
    global total
    for _ in range(500):
        with lock:
            total += 1


sys.setswitchinterval(0.0005)
threads = [threading.Thread(target=count) for _ in range(40)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(total)

todo, done = queue.Queue(10), queue.Queue()


def serve():
    while True:
        item = todo.get()
        if item is None:
            return
        done.put(item * item)


servers = [threading.Thread(target=serve) for _ in range(4)]
for t in servers:
    t.start()
for i in range(1000):
    todo.put(i)
for _ in servers:
    todo.put(None)
for t in servers:
    t.join()
print(sum(done.get() for _ in range(1000)))

barrier = threading.Barrier(10)
order = []


def meet(i):
    for turn in range(20):
        barrier.wait()
        if i == turn % 10:
            order.append(turn)


threads = [threading.Thread(target=meet, args=(i,)) for i in range(10)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(order)

# Ping-pong between two, time-outs, timers, thread-local data.
ping, pong = threading.Event(), threading.Event()


def answer():
    for _ in range(300):
        ping.wait()
        ping.clear()
        pong.set()


t = threading.Thread(target=answer)
t.start()
for _ in range(300):
    ping.set()
    pong.wait()
    pong.clear()
t.join()
start = time.monotonic()
print(threading.Event().wait(0.05), time.monotonic() - start >= 0.049)
fired = threading.Event()
threading.Timer(0.02, fired.set).start()
print(fired.wait(60))
local = threading.local()
local.x = 1
seen = []
t = threading.Thread(target=lambda: seen.append(hasattr(local, "x")))
t.start()
t.join()
print(seen, threading.active_count())

# A pipe between threads: a blocked reader holds up nobody.
r, w = os.pipe()
got = []


def read():
    while True:
        part = os.read(r, 65536)
        if not part:
            return
        got.append(part)


t = threading.Thread(target=read)
t.start()
for i in range(100):
    os.write(w, bytes([i]) * 10000)
os.close(w)
t.join()
print(len(b"".join(got)), zlib.crc32(b"".join(got)))

# 500 threads, one after the other, then a daemon that is still there at exit.
for _ in range(500):
    t = threading.Thread(target=int)
    t.start()
    t.join()
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()


def fail():
    raise RuntimeError("in a thread")


def hook(args):
    print(args.exc_type.__name__, args.exc_value)


threading.excepthook = hook
t = threading.Thread(target=fail)
t.start()
t.join()
print(threading.active_count())
