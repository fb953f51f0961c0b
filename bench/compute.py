#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compute.py - do programs that compute run as fast as on Linux?"""

import os
import random
import shutil
import sys
import tempfile

from harness import Bench, Missing, last_cpu

PYTHON = """
primes = [n for n in range(2, 12000)
          if all(n % d for d in range(2, int(n ** 0.5) + 1))]
words = {}
for i in range(1000000):
    words[str(i * 7919 % 10007)] = words.get(str(i % 10007), 0) + i
print(len(primes), sum(words.values()))
"""


def main():
    bench = Bench("Do programs that compute run as fast as on Linux?",
                  rounds=10)
    with tempfile.TemporaryDirectory(prefix="azalea-bench-") as folder:
        for name, command in workloads(bench, folder):
            if not shutil.which(command[0]):
                bench.skip(name, f"{command[0]} is not installed")
                continue
            compare(bench, name, command)
    compare(bench, "openmp", [bench.tool("openmp")], cores=None)
    return bench.finish()


def workloads(bench, folder):
    """Programs of Debian that take about half a second, on one core."""
    data = os.path.join(folder, "data")
    words = [f"{n:x}" for n in range(5000)]
    choose = random.Random(1)
    with open(data, "w", encoding="ascii") as f:
        f.writelines(choose.choice(words) + " " for _ in range(400000))
    script = os.path.join(folder, "script.py")
    with open(script, "w", encoding="ascii") as f:
        f.write(PYTHON)
    yield "xz", ["xz", "-k", "-c", "-4", data]
    yield "python3", ["/usr/bin/python3", "-S", "-E", script]
    yield "sysbench cpu", ["sysbench", "cpu", "--time=0", "--events=1000",
                           "--cpu-max-prime=10000", "run"]


def compare(bench, name, command, cores=1):
    """On one core, the same processor on both sides; else on all."""
    cpu = last_cpu()
    native = ["taskset", "-c", cpu, *command] if cores else command
    options = ["--cpuset-cpus", cpu] if cores else []
    path = shutil.which(command[0])
    try:
        linux, azalea = bench.alternate(
            [native, bench.under(*options) + [path, *command[1:]]])
    except Missing as why:
        bench.skip(name, why)
        return
    bench.row(name, "ms", [s["wall_ns"] / 1e6 for s in linux],
              [s["wall_ns"] / 1e6 for s in azalea], 1.02)
    # What a busy machine takes away counts in the first, not in this one.
    bench.row(f"{name}, processor", "ms", [processor(s) for s in linux],
              [processor(s) for s in azalea])


def processor(sample):
    return (sample["user_us"] + sample["system_us"]) / 1e3


if __name__ == "__main__":
    sys.exit(main())
