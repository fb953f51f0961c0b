# SPDX-License-Identifier: MIT
"""stats.py - put what the edges of photographs look like into a database.

    stats.py DATABASE PICTURE...

Reads grey PNG files as examples/edge writes them, some at a time, and writes
two tables: picture (name, size, digest, mean) and tone (how many of its pixels
have each brightness). Only Python's own library is used.
"""

import hashlib
import json
import os
import sqlite3
import struct
import sys
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

SCHEMA = """
CREATE TABLE picture(name TEXT PRIMARY KEY, width INT, height INT,
                     sha256 TEXT, mean REAL);
CREATE TABLE tone(name TEXT REFERENCES picture, tone INT, pixels INT,
                  PRIMARY KEY (name, tone)) WITHOUT ROWID;
"""


def chunks(data):
    """The (type, content) pairs of a PNG file, checked."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("not a PNG file")
    at = 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8:at + 8 + size]
        (crc,) = struct.unpack_from(">I", data, at + 8 + size)
        if zlib.crc32(kind + content) != crc:
            raise ValueError("a damaged chunk")
        yield kind, content
        at += size + 12


def rows(data):
    """(width, height, rows of bytes) of an 8-bit grey unfiltered PNG."""
    packed = []
    for kind, content in chunks(data):
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack_from(">IIBB", content)
            if (depth, colour) != (8, 0):
                raise ValueError("not 8-bit grey")
        elif kind == b"IDAT":
            packed.append(content)
    lines = zlib.decompress(b"".join(packed))
    if lines[::width + 1].strip(b"\0"):
        raise ValueError("filtered rows")
    return width, height, [lines[y * (width + 1) + 1:(y + 1) * (width + 1)]
                           for y in range(height)]


def look(path):
    with open(path, "rb") as f:
        data = f.read()
    width, height, lines = rows(data)
    tones = Counter()
    for line in lines[::8]:  # every eighth row: enough for the shares
        tones.update(line)
    seen = sum(tones.values())
    return {"name": os.path.basename(path), "width": width, "height": height,
            "sha256": hashlib.sha256(data).hexdigest(),
            "mean": sum(tone * n for tone, n in tones.items()) / seen,
            "tones": dict(sorted(tones.items()))}


def main(database, paths):
    with ThreadPoolExecutor() as pool:
        found = []
        for at, picture in enumerate(pool.map(look, paths), 1):
            found.append(picture)
            if sys.stderr.isatty():
                print(f"\r{at} of {len(paths)} pictures", end="",
                      file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    with sqlite3.connect(database) as db:
        db.executescript(SCHEMA)
        for p in found:
            db.execute("INSERT INTO picture VALUES (?, ?, ?, ?, ?)",
                       (p["name"], p["width"], p["height"], p["sha256"],
                        p["mean"]))
            db.executemany("INSERT INTO tone VALUES (?, ?, ?)",
                           [(p["name"], tone, n)
                            for tone, n in p["tones"].items()])
    for p in found:
        del p["tones"]
        print(json.dumps(p))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
