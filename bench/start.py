#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""start.py - how long does a small program take, exec to exit?"""

import sys

from harness import Bench, Missing

MILLISECOND = 1e6


def main():
    bench = Bench("How much longer than on Linux does a program take to start"
                  " and end?", rounds=200)
    for name, options in (("static hello", []),
                          ("static hello, 1 core", ["--cpus", "1"])):
        hello = [bench.tool("hello-static")]
        compare(bench, name, hello, options, 1.5)
    compare(bench, "dynamic hello", [bench.tool("hello")], [], None)
    return bench.finish()


def compare(bench, name, command, options, target):
    try:
        linux, azalea = bench.alternate(
            [command, bench.under(*options) + command], warmups=10)
    except Missing as why:
        bench.skip(name, why)
        return
    bench.row(name, "ms", [s["wall_ns"] / MILLISECOND for s in linux],
              [s["wall_ns"] / MILLISECOND for s in azalea],
              target, "difference")


if __name__ == "__main__":
    sys.exit(main())
