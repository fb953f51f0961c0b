#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""constant.py - does the cost of an instance depend on its memory limit?"""

import os
import re
import signal
import subprocess
import sys
import time

from harness import Bench, Missing, read

SIZES = ["64M", "1G", "16G", "256G", "1T"]


def main():
    bench = Bench("Do start-up time and memory depend on the memory that an"
                  " instance is given?", rounds=100)
    try:
        measure_start(bench)
        measure_memory(bench)
    except Missing as why:
        bench.skip("all sizes", why)
    return bench.finish()


def measure_start(bench):
    hello = bench.tool("hello-static")
    runs = bench.alternate([instance(bench, size) + [hello] for size in SIZES],
                           warmups=10)
    times = [[s["wall_ns"] / 1e6 for s in run] for run in runs]
    for size, run in zip(SIZES[1:], times[1:]):
        bench.row(f"start {size}/{SIZES[0]}", "ms", times[0], run, 1.05)


def measure_memory(bench):
    idle = bench.tool("idle-static")
    private = []
    for size in SIZES:
        bench.progress(f"idle with {size}")
        private.append([private_mib(instance(bench, size) + [idle])
                        for _ in range(3)])
    bench.progress("")
    for size, run in zip(SIZES[1:], private[1:]):
        bench.row(f"memory {size}/{SIZES[0]}", "MiB", private[0], run, 1.05)


def instance(bench, size):
    """More than the machine has is refused unless said to be meant."""
    return bench.under("--overcommit", "-m", size)


def private_mib(command):
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout.readline() != b"ready\n":
                raise Missing(" ".join(command) + " did not start")
            time.sleep(0.2)
            text = read(f"/proc/{process.pid}/smaps_rollup")
        finally:
            process.send_signal(signal.SIGKILL)
    return sum(int(kib) for kib in re.findall(
        r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE)) / 1024


if __name__ == "__main__":
    sys.exit(main())
