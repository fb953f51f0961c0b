#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""demo.py - the main job: real programs on real data, beside plain Linux.

    demo.py [PHOTOS]     a folder of JPEG or PNG files; default: the
                         photographs of Debian's lomiri-wallpapers-16.04

Finds edges in the photographs with examples/edge on an instance with all the
cores that can be spared, then with the same binary on Linux; so too python3
and sqlite3 from Debian, on what edge wrote. Compares every byte of output and
fails if one differs. Writes to build/demo.
"""

import filecmp
import glob
import json
import os
import shutil
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build")
OUT = os.path.join(BUILD, "demo")
AZALEA = os.path.join(BUILD, "azalea")
EDGE = os.path.join(BUILD, "edge")
STATS = os.path.join(TOP, "examples", "stats")
PACKAGE = "lomiri-wallpapers-16.04"
SIDES = ("azalea", "linux")


def photographs(folder):
    """The files to work on, in order of name."""
    if folder:
        names = glob.glob(os.path.join(glob.escape(folder), "*"))
    else:
        names = subprocess.run(["dpkg", "-L", PACKAGE], text=True, check=False,
                               capture_output=True).stdout.split("\n")
    names = sorted(n for n in names
                   if n.lower().endswith((".jpg", ".jpeg", ".png")))
    if not names:
        sys.exit("demo: no photographs in " +
                 (folder or f"Debian's package {PACKAGE}: run make deps, or"
                            " name a folder: make demo PHOTOS=FOLDER"))
    return names


def spare_cores():
    """All but one in sixteen, which Linux keeps, if there are enough."""
    cores = len(os.sched_getaffinity(0))
    return cores if cores < 4 else cores - (cores + 15) // 16


def timed(command, given, out):
    """(exit status, (seconds, seconds of processor, MiB resident))."""
    start = time.monotonic()
    with subprocess.Popen(command, stdin=given, stdout=out) as process:
        _, status, usage = os.wait4(process.pid, 0)
        took = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, (took, usage.ru_utime + usage.ru_stime,
                                usage.ru_maxrss // 1024)


class Demo:
    """One run of everything; remembers what it measured."""

    def __init__(self, photos):
        self.photos = photos
        self.cores = spare_cores()
        self.spent = {}
        self.stats = {}
        self.differences = []

    def under(self, side, name):
        """The front of a command line that runs the rest on a side."""
        if side == "linux":
            return []
        return [AZALEA, "run", "--cpus", str(self.cores), "--stats",
                self.stats_path(name), "--"]

    @staticmethod
    def stats_path(name):
        return os.path.join(OUT, f"stats-{name}.json")

    def run(self, name, command, stdin=os.devnull):
        """Run command(folder) on both sides; compare what they print."""
        for side in SIDES:
            folder = os.path.join(OUT, side)
            output = os.path.join(folder, name + ".txt")
            with open(output, "wb") as out, open(stdin, "rb") as given:
                status, self.spent[name, side] = timed(
                    self.under(side, name) + command(folder), given, out)
            print(f"  {name} on {side.capitalize()}: "
                  f"{self.spent[name, side][0]:.2f} s", flush=True)
            if status:
                sys.exit(f"demo: {name} on {side}: exit status {status}")
        try:
            with open(self.stats_path(name), encoding="utf-8") as f:
                self.stats[name] = json.load(f)
        except (OSError, ValueError) as why:
            sys.exit(f"demo: what azalea counted: {why}")
        return self.compare(name + ".txt")

    def compare(self, *names):
        """How many of the files named are equal on both sides."""
        equal = 0
        for name in names:
            a, b = (os.path.join(OUT, side, name) for side in SIDES)
            if filecmp.cmp(a, b, shallow=False):
                equal += 1
            else:
                self.differences.append(name)
        return equal

    def edge(self):
        for path in self.photos:  # the page cache is warm for both
            with open(path, "rb") as f:
                while f.read(1 << 20):
                    pass
        self.run("edge", lambda folder: [
            EDGE, "-t", str(self.cores), "-o", folder, *self.photos])
        images = sorted(n for n in os.listdir(os.path.join(OUT, "linux"))
                        if n.endswith(".png"))
        missing = set(images) ^ {
            n for n in os.listdir(os.path.join(OUT, "azalea"))
            if n.endswith(".png")}
        self.differences += sorted(missing)
        images = [n for n in images if n not in missing]
        return self.compare(*images), len(images) + len(missing)

    def python(self):
        # Both sides read the same pictures, so that names cannot differ.
        pictures = sorted(glob.glob(os.path.join(OUT, "linux", "*.png")))
        return self.run("python3", lambda folder: [
            "/usr/bin/python3", os.path.join(STATS, "stats.py"),
            os.path.join(folder, "stats.db"), *pictures])

    def sqlite(self):
        return self.run("sqlite3", lambda folder: [
            "/usr/bin/sqlite3", "-batch", os.path.join(folder, "stats.db")],
            stdin=os.path.join(STATS, "report.sql"))


def table(demo, equal, images):
    """What a reader wants to know, in a dozen lines."""
    stats = demo.stats["edge"]
    counters = stats["counters"]
    print(f"\n{'':<26}{'Azalea':>14}{'Linux':>14}")
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    lines = [("platform", stats["platform"], "-"),
             ("cores", stats["cores"], demo.cores),
             ("memory it may use, MiB", stats["memory_limit"] >> 20,
              total >> 20),
             ("start-up, ms", f"{counters['start_ns'] / 1e6:.2f}", "-")]
    for name in ("edge", "python3", "sqlite3"):
        azalea, linux = (demo.spent[name, side] for side in SIDES)
        calls = demo.stats[name]["counters"]["total"]
        lines += [(f"{name}: wall time, s", f"{azalea[0]:.2f}",
                   f"{linux[0]:.2f}"),
                  ("  processor time, s", f"{azalea[1]:.2f}",
                   f"{linux[1]:.2f}"),
                  ("  memory used, MiB", azalea[2], linux[2]),
                  ("  calls served locally", calls["local"], "-"),
                  ("  calls handed to Linux",
                   calls["direct"] + calls["ring"], "-")]
    for name, azalea, linux in lines:
        print(f"{name:<26}{azalea:>14}{linux:>14}")
    print(f"\n{equal} of {images} pictures and "
          f"{2 - len([d for d in demo.differences if d.endswith('.txt')])} of "
          "2 reports are the same on both sides.")
    print(f"Pictures: {os.path.relpath(OUT)}/azalea/*.png")


def main():
    demo = Demo(photographs(sys.argv[1] if len(sys.argv) > 1 else None))
    shutil.rmtree(OUT, ignore_errors=True)
    for side in SIDES:
        os.makedirs(os.path.join(OUT, side))
    print(f"Finding edges in {len(demo.photos)} photographs, then counting "
          f"with python3 and sqlite3;\n{demo.cores} cores, under Azalea and "
          "then on Linux.", flush=True)
    equal, images = demo.edge()
    demo.python()
    demo.sqlite()
    table(demo, equal, images)
    if demo.differences:
        sys.exit("demo: these differ: " + " ".join(demo.differences))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\ndemo: interrupted")
