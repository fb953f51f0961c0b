#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""footprint.py - what does an instance cost that does nothing?"""

import os
import re
import signal
import subprocess
import sys
import time

from harness import BUILD, Bench, Missing, read

SECONDS = 3


def main():
    bench = Bench("How big is the unikernel, and what does an idle instance"
                  " use?", rounds=5)
    image = os.path.join(BUILD, "azalea.stripped")
    if os.path.exists(image):
        bench.row("image", "KiB", None, [os.path.getsize(image) / 1024],
                  256, "azalea")
    else:
        bench.skip("image", f"{image} is not there")
    try:
        linux, azalea = [], []
        idle = [bench.tool("idle-static")]
        for turn in range(bench.rounds):
            bench.progress(f"{turn + 1} of {bench.rounds}")
            linux.append(watch(idle))
            azalea.append(watch(bench.under() + idle))
        bench.progress("")
        bench.row("idle, private memory", "MiB", [s[0] for s in linux],
                  [s[0] for s in azalea], 5, "azalea")
        bench.row("idle, processor", "%", [s[1] for s in linux],
                  [s[1] for s in azalea], 0.01, "azalea")
    except Missing as why:
        bench.skip("idle instance", why)
    return bench.finish()


def private_mib(pid):
    """Memory that would come back if the process ended."""
    text = read(f"/proc/{pid}/smaps_rollup")
    return sum(int(kib) for kib in re.findall(
        r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE)) / 1024


def cpu_ns(pid):
    """Processor time of all threads, in ns: finer than clock ticks."""
    tasks = f"/proc/{pid}/task"
    return sum(int(read(f"{tasks}/{tid}/schedstat", "0").split()[0])
               for tid in os.listdir(tasks))


def watch(command):
    """(private MiB, % of one processor) of the command while it idles."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout.readline() != b"ready\n":
                raise Missing(" ".join(command) + " did not start")
            time.sleep(0.5)
            before = cpu_ns(process.pid)
            time.sleep(SECONDS)
            used = cpu_ns(process.pid) - before
            memory = private_mib(process.pid)
        finally:
            process.send_signal(signal.SIGKILL)
    return memory, 100 * used / 1e9 / SECONDS


if __name__ == "__main__":
    sys.exit(main())
