#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
steady.py - a program that computes has its core to itself: no interrupt, no
fault, no call, by the core's own counters.

    steady.py [--seconds N]
"""
import argparse
import os
import signal
import subprocess
import sys
import time

import metal

COUNTERS = "interrupts kicks flushes timers faults calls halts traps".split()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3)
    args = parser.parse_args()
    metal.need_machine(3)
    tap = metal.Tap()
    log = metal.Log()
    metal.load()
    cpus = sorted(metal.online())[-2:]
    neighbour = metal.Neighbour(cpus[0])
    proc = metal.start([metal.program("steady")], {cpus[1]},
                       stdout=subprocess.PIPE, bufsize=0)
    tap.equal(metal.read_line(proc.stdout), "steady", "it computes")
    time.sleep(1)
    before = metal.info(cpus[1])
    start = time.monotonic()
    time.sleep(args.seconds)
    after = metal.info(cpus[1])
    length = time.monotonic() - start
    for name in COUNTERS:
        tap.equal(after[name] - before[name], 0,
                  f"{name} in {args.seconds:g} s")
    busy = (after["busy_ns"] - before["busy_ns"]) / 1e9
    tap.ok(busy > length / 2, "while it was busy", f"{busy} of {length} s")
    tap.equal(neighbour.problem(), "", "a neighbour computes, too")
    tap.ok(proc.poll() is None, "it would go on")
    tap.equal(metal.kill_session(proc), -signal.SIGKILL, "until it is killed")
    tap.equal(neighbour.stop(), 0, "the neighbour ends by itself")
    tap.equal(metal.states(cpus), {c: "linux" for c in cpus},
              "their CPUs are back")
    tap.equal(metal.unload(), "", "the module goes")
    tap.equal(log.splats(), [], "Linux says nothing of it")
    return tap.done()


if __name__ == "__main__":
    os.chdir("/tmp")
    sys.exit(main())
