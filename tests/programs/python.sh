# SPDX-License-Identifier: MIT
# python.sh - CPython's standard library: data, numbers, compression, files.
# needs: python3
. "$TESTS/lib.sh"

title data
$RUN python3 - <<'END'
import json, re, struct, random, decimal, fractions, collections, itertools
import string, textwrap, datetime, base64, pickle, copy, heapq, bisect, math

r = random.Random(7)
data = {f"k{i}": [r.random() for _ in range(20)] for i in range(500)}
text = json.dumps(data, sort_keys=True)
assert json.loads(text) == data
print(len(text), hash(tuple(sorted(len(k) for k in data))) != 0)
words = re.findall(r"\d{4}", text)
print(len(words), collections.Counter(w[0] for w in words).most_common(3))
print(struct.unpack("<IhB", struct.pack("<IhB", 1 << 31, -5, 200)))
decimal.getcontext().prec = 60
print(decimal.Decimal(2).sqrt(), fractions.Fraction(355, 113) + 1)
print(math.factorial(200) % 10**9, pow(3, 10**5, 10**9 + 7))
print(sum(1 for p in itertools.permutations(range(8)) if p[0] < p[-1]))
print(pickle.loads(pickle.dumps(data)) == copy.deepcopy(data))
print(datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc) +
      datetime.timedelta(days=366))
h = [r.randrange(10**6) for _ in range(5000)]
heapq.heapify(h)
print([heapq.heappop(h) for _ in range(5)])
print(base64.b64encode(bytes(range(30))).decode())
END

title sums
$RUN python3 - <<'END'
import hashlib, zlib, bz2, lzma, gzip, io, binascii, hmac, secrets
data = bytes((i * i >> 3) & 255 for i in range(300000))
for n in sorted(hashlib.algorithms_guaranteed):
    h = hashlib.new(n, data)
    print(n, h.hexdigest(16) if "shake" in n else h.hexdigest())
print(hashlib.pbkdf2_hmac("sha256", b"pw", b"salt", 10000).hex())
print(hashlib.scrypt(b"pw", salt=b"salt", n=1024, r=8, p=1).hex()[:32])
for m in zlib, bz2, lzma:
    c = m.compress(data)
    print(m.__name__, len(c) < len(data), m.decompress(c) == data)
print(zlib.crc32(data), zlib.adler32(data))
buf = io.BytesIO()
with gzip.GzipFile(fileobj=buf, mode="wb", mtime=0) as g:
    g.write(data)
print(hashlib.md5(buf.getvalue()).hexdigest())
print(len(secrets.token_bytes(32)), hmac.digest(b"k", b"m", "sha1").hex())
END

title files
$RUN python3 - <<'END'
import os, sys, tempfile, shutil, mmap, glob, pathlib, stat, fcntl, errno
import csv, configparser, zipfile, tarfile, io
with tempfile.TemporaryDirectory() as d:
    p = pathlib.Path(d)
    for i in range(50):
        (p / f"f{i:02}").write_bytes(b"x" * i * 1000)
    print(sum(f.stat().st_size for f in p.iterdir()), len(os.listdir(d)))
    shutil.copytree(d, d + "/copy", dirs_exist_ok=True,
                    ignore=lambda a, b: ["copy"])
    print(sorted(x.name for x in p.glob("copy/f4*")))
    with open(p / "map", "w+b") as f:
        f.truncate(1 << 20)
        with mmap.mmap(f.fileno(), 0) as m:
            m[12345:12350] = b"hello"
            print(m.find(b"hello"), len(m))
            m.resize(2 << 20)
            print(len(m))
        f.seek(12345)
        print(f.read(5))
        fcntl.flock(f, fcntl.LOCK_EX)
    with zipfile.ZipFile(p / "z.zip", "w", zipfile.ZIP_DEFLATED) as z:
        for f in sorted(p.glob("f0*")):
            z.write(f, f.name)
        print(z.testzip(), len(z.namelist()))
    with tarfile.open(p / "t.tar.xz", "w:xz") as t:
        t.add(p / "f49", "f49")
    print(tarfile.open(p / "t.tar.xz").getnames())
    try:
        open(p / "none")
    except OSError as e:
        print(e.errno == errno.ENOENT)
    os.symlink("f01", p / "ln")
    print(os.readlink(p / "ln"), stat.filemode(os.lstat(p / "ln").st_mode))
m = mmap.mmap(-1, 1 << 20)
m[:5] = b"anon!"
print(m[:6])
out = io.StringIO()
csv.writer(out).writerows([[1, "a,b"], [2, 'q"q']])
print(repr(out.getvalue()))
print("end")
END

title machine
$RUN python3 - <<'END'
import os, sys, time, platform, resource, signal, select, threading
print(platform.machine(), platform.system(), sys.byteorder)
print(os.getpid() == os.getpid(), os.path.basename(os.readlink("/proc/self/exe")).startswith("python3"))
print(len(os.sched_getaffinity(0)) >= 1, os.cpu_count() >= 1)
t = time.monotonic(); time.sleep(0.02); print(time.monotonic() - t >= 0.02)
print(abs(time.time() - os.stat(".").st_mtime) < 1e6)
hits = []
signal.signal(signal.SIGUSR1, lambda *a: hits.append(a[0]))
os.kill(os.getpid(), signal.SIGUSR1); print(hits)
signal.signal(signal.SIGALRM, lambda *a: hits.append(a[0]))
signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause(); print(hits)
r, w = os.pipe(); os.write(w, b"x"); print(select.select([r], [], [], 1)[0] == [r])
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 10)
print(signal.sigtimedwait([signal.SIGUSR2], 0.01))
print(threading.active_count(), os.uname().sysname)
END
