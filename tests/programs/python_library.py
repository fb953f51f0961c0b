# SPDX-License-Identifier: MIT
"""python_library.py - many modules of the library on real data."""
import base64
import bz2
import collections
import csv
import ctypes
import datetime
import decimal
import fractions
import glob
import gzip
import hashlib
import heapq
import hmac
import io
import itertools
import json
import lzma
import math
import mmap
import os
import pathlib
import pickle
import random
import re
import shutil
import signal
import statistics
import struct
import sys
import tarfile
import tempfile
import textwrap
import time
import unicodedata
import xml.etree.ElementTree as et
import zipfile
import zlib

LICENSES = "/usr/share/common-licenses"


def files():
    return sorted(f for f in glob.glob(LICENSES + "/*")
                  if not os.path.islink(f))


def say(*what):
    print(*what)


data = b"".join(pathlib.Path(f).read_bytes() for f in files())
say(len(data), [os.path.basename(f) for f in files()])

# Digests and compression, there and back.
for name in sorted(hashlib.algorithms_guaranteed):
    h = hashlib.new(name, data)
    say(name, h.hexdigest(16) if "shake" in name else h.hexdigest())
say(hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 2000).hex())
say(hashlib.scrypt(b"pw", salt=b"salt", n=256, r=8, p=1).hex())
say(hmac.new(b"key", data, "sha512").hexdigest())
say(zlib.crc32(data), zlib.adler32(data))
for module in (zlib, bz2, lzma):
    packed = module.compress(data)
    assert module.decompress(packed) == data
    say(module.__name__, len(packed), hashlib.md5(packed).hexdigest())
with gzip.open("data.gz", "wb") as f:
    f.write(data)
with gzip.open("data.gz") as f:
    assert f.read() == data
say(base64.b85encode(data[:100]))

# JSON, pickle, CSV, XML, archives.
words = collections.Counter(re.findall(rb"[A-Za-z]+", data))
table = {w.decode(): n for w, n in words.items()}
text = json.dumps(table, sort_keys=True, indent=1)
assert json.loads(text) == table
say(len(text), words.most_common(12))
big = json.loads("[" + ",".join(text for _ in range(20)) + "]")
say(len(big), sum(sum(t.values()) for t in big))
say(hashlib.sha1(pickle.dumps(table, 4)).hexdigest())
out = io.StringIO()
csv.writer(out).writerows(sorted(table.items())[:50])
say(list(csv.reader(io.StringIO(out.getvalue())))[49])
root = et.Element("words")
for w, n in sorted(table.items())[:20]:
    et.SubElement(root, "w", n=str(n)).text = w
say(et.fromstring(et.tostring(root))[7].attrib)
with tarfile.open("a.tar.xz", "w:xz") as tar:
    for f in files():
        tar.add(f, os.path.basename(f))
with tarfile.open("a.tar.xz") as tar:
    say(sorted(tar.getnames())[:4])
with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.write(files()[0], "first")
with zipfile.ZipFile("a.zip") as z:
    say(z.testzip(), z.infolist()[0].CRC)

# Numbers.
decimal.getcontext().prec = 60
say(decimal.Decimal(2).sqrt(), fractions.Fraction(3, 7) ** 5)
say(math.factorial(500) % (10 ** 9 + 7), pow(3, 10 ** 40, 10 ** 18 + 9))
say(math.fsum([0.1] * 10), math.gamma(7.5), math.erf(0.3), math.inf)
rng = random.Random(42)
sample = [rng.gauss(0, 1) for _ in range(20000)]
say(statistics.fmean(sample), statistics.stdev(sample))
say(heapq.nlargest(3, sample), sum(itertools.accumulate(range(1000))))
say(datetime.datetime.fromtimestamp(1700000000, datetime.timezone.utc))
say(struct.pack("<dQh", 1.5, 2 ** 63, -2).hex())
say(unicodedata.normalize("NFD", "\u00e9\u00fc").encode(),
    textwrap.wrap(data[:200].decode(), 50))

# Files, mappings, the C library.
with tempfile.TemporaryDirectory() as d:
    path = pathlib.Path(d, "f")
    path.write_bytes(data)
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        m[0:4] = b"mmap"
        m.flush()
        say(m.find(b"WARRANTY"), m[-20:])
    say(path.read_bytes()[:8], path.stat().st_size)
    shutil.copytree(LICENSES, os.path.join(d, "copy"), symlinks=True)
    say(len(os.listdir(os.path.join(d, "copy"))))
    for where, dirs, names in os.walk(d):
        say(len(dirs), len(names))
libc = ctypes.CDLL("libc.so.6", use_errno=True)
say(libc.strlen(b"twelve chars"), libc.close(999), ctypes.get_errno())
callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int),
                            ctypes.POINTER(ctypes.c_int))
numbers = (ctypes.c_int * 6)(5, 3, 9, 1, 7, 2)
libc.qsort(numbers, 6, 4, callback(lambda a, b: a[0] - b[0]))
say(list(numbers))

# Signals, time, the machine.
got = []
signal.signal(signal.SIGUSR1, lambda s, f: got.append(s))
signal.signal(signal.SIGALRM, lambda s, f: got.append(s))
os.kill(os.getpid(), signal.SIGUSR1)
signal.setitimer(signal.ITIMER_REAL, 0.01)
while len(got) < 2:
    signal.pause()
say(got)
a, b = time.monotonic(), time.time()
time.sleep(0.02)
say(time.monotonic() - a >= 0.02, time.time() - b >= 0.019,
    time.process_time() > 0)
say(os.uname().sysname, os.uname().machine, os.getcwd() == os.environ["HOME"])
say(sys.maxsize, sys.getrecursionlimit(), os.cpu_count() >= 1)


def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)


sys.setrecursionlimit(20000)
say(deep(15000))
try:
    bytearray(1 << 60)
except MemoryError:
    say("MemoryError")
try:
    open("/nonexistent/file")
except OSError as e:
    say(e)
