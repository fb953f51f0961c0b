#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
device.py - /dev/azalea asked for what it must refuse, and the module loaded
and unloaded at the wrong moments.

    device.py [--seeds N] [--calls N] [--churn N]
"""
import argparse
import os
import subprocess
import sys

import metal

ROUNDS = 4


def checks(tap, cpus):
    """device.c's own points, counted as ours."""
    done = subprocess.run(
        [metal.program("device"), "check"] + [str(c) for c in cpus],
        check=False, text=True, capture_output=True,
        timeout=metal.PATIENCE * 5)
    lines = done.stdout.splitlines()
    for i, line in enumerate(lines):
        if not line.startswith(("ok", "not ok")):
            continue
        after = [x for x in lines[i + 1:i + 3] if x.startswith("#")]
        tap.ok(line.startswith("ok"), line.split(" - ", 1)[1],
               *[x[2:] for x in after])
    tap.ok(any(x.startswith("1..") for x in lines),
           "it comes to its end", done.returncode, "\n".join(lines[-5:]),
           done.stderr)


def fuzz(tap, log, cpus, seed, calls, nobody):
    """Any sequence of ioctls, from several threads."""
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534",
                 "--clear-groups"] if nobody else []
    done = subprocess.run(
        as_nobody + [metal.program("device"), "fuzz", str(seed), str(calls)] +
        [str(c) for c in cpus],
        check=False, text=True, capture_output=True,
        timeout=metal.PATIENCE * 5)
    who = "nobody" if nobody else "root"
    tap.ok(done.returncode == 0 and "calls" in done.stdout,
           f"{calls} ioctls of {who}, seed {seed}", done.returncode,
           done.stdout, done.stderr)
    want = "reserved" if nobody else "linux"
    tap.equal(metal.wait_states(cpus, want), {}, f"the CPUs are {want}")
    tap.equal(log.splats(), [], "Linux says nothing of it")


def churn(tap, cpus, count):
    """A page lost by each of many instances, or CPUs taken, is seen."""
    for cpu in cpus:
        metal.reserve(cpu)
    argv = [metal.program("device"), "churn", str(cpus[0])]
    subprocess.run(argv + ["20"], check=True, timeout=metal.PATIENCE)
    # Linux's own use of memory goes up and down by megabytes: what each
    # instance loses is lost in every round.
    rounds = []
    while len(rounds) < ROUNDS and (not rounds or rounds[-1] >= count * 3):
        before = metal.settle()
        done = subprocess.run(argv + [str(count)], check=False,
                              timeout=metal.PATIENCE * 5)
        tap.equal(done.returncode, 0, f"{count} instances come and go")
        rounds.append(metal.settle() - before)
    tap.ok(rounds[-1] < count * 3, "without a page lost", f"KiB: {rounds}")
    tap.say(f"KiB more in use: {rounds}")
    for cpu in cpus:
        tap.equal(metal.error_of(metal.release, cpu), "", "their CPUs go back")


def loading(tap, cpus):
    again = subprocess.run(["insmod", metal.MODULE], check=False, text=True,
                           capture_output=True)
    tap.ok(again.returncode != 0 and "exists" in again.stderr,
           "the module cannot be loaded twice", again.stderr)
    metal.reserve(cpus[0])
    tap.equal(metal.unload(), "", "it goes while a CPU is reserved")
    tap.ok(cpus[0] in metal.online() and metal.usable(cpus[0]),
           "and gives it back")
    metal.load()
    proc = metal.start([metal.program("victim"), "spin"], {cpus[0]},
                       stdout=subprocess.PIPE, bufsize=0)
    tap.equal(metal.read_line(proc.stdout), "ready", "an instance runs")
    tap.ok("in use" in metal.unload(), "the module stays under it")
    tap.ok(proc.poll() is None, "and so does the instance")
    metal.kill_session(proc)
    tap.equal(metal.states(cpus), {c: "linux" for c in cpus},
              "killed and waited for: its CPU is back")


def sleeping(tap, cpus):
    """Linux cannot suspend while it lacks CPUs."""
    try:
        with open("/sys/power/state", encoding="ascii") as f:
            kinds = f.read().split()
    except OSError:
        kinds = []
    if not kinds:
        tap.say("this kernel cannot suspend: not tried")
        return
    metal.reserve(cpus[0])
    try:
        with open("/sys/power/state", "w", encoding="ascii") as f:
            f.write("freeze" if "freeze" in kinds else kinds[0])
        refused = ""
    except OSError as e:
        refused = str(e)
    tap.ok(refused, "no suspend while a CPU is reserved")
    metal.release(cpus[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--churn", type=int, default=200)
    args = parser.parse_args()
    metal.need_machine(3)
    tap = metal.Tap()
    log = metal.Log()
    cpus = sorted(metal.online())[-2:]
    metal.load()
    checks(tap, cpus)
    tap.equal(log.splats(), [], "Linux says nothing of it")
    churn(tap, cpus, args.churn)
    loading(tap, cpus)
    sleeping(tap, cpus)
    tap.equal(log.splats(), [], "Linux says nothing of that, either")
    for seed in range(1, args.seeds + 1):
        fuzz(tap, log, cpus, seed, args.calls, False)
    for cpu in cpus:
        metal.reserve(cpu, 65534)
    for seed in range(1, args.seeds + 1):
        fuzz(tap, log, cpus, seed, args.calls, True)
    tap.equal(metal.unload(), "", "the module goes")
    for cpu in cpus:
        tap.ok(cpu in metal.online() and metal.usable(cpu),
               f"CPU {cpu} works for Linux")
    tap.equal(log.splats(), [], "Linux says nothing of it")
    return tap.done()


if __name__ == "__main__":
    os.chdir("/tmp")
    sys.exit(main())
