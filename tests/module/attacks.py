#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
attacks.py - programs that attack what they run on, one after another, beside
an instance that must not notice.

    attacks.py [--seeds N] [--from-seed N] [--only TEXT]

After each attack: the program has ended or can be ended, its CPUs are free,
Linux's log has no complaint, the neighbour goes on computing and is right, and
nothing of the owner's memory was reached.
"""
import argparse
import os
import subprocess
import sys

import metal

# How long an attack may go on, once it has begun, before it is shot. Not a
# limit that anything is measured by.
LENGTH = 1.5


# What comes to an end by itself, and must have, for its words to be complete.
MUST_END = {"host_owner", "host_device", "tables", "unknown_calls",
            "halt_storm", "timer_storm", "kick_storm", "lose_frame"}


def one(tap, neighbour, log, cpus, name, seed):
    proc = metal.start([metal.program("hostile"), name, str(seed)], cpus,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       bufsize=0)
    begun = metal.read_line(proc.stdout)
    try:
        out, _ = proc.communicate(
            timeout=metal.PATIENCE if name in MUST_END else LENGTH)
        end = f"status {proc.returncode}"
    except subprocess.TimeoutExpired:
        end = "shot"
    metal.kill_session(proc)
    if end == "shot":
        out, _ = proc.communicate(timeout=metal.PATIENCE)
    said = out.decode("utf-8", "replace")
    problems = []
    if begun != "begun":
        problems.append(f"it has not begun, but says '{begun}'")
    if end == "shot" and name in MUST_END:
        problems.append("it does not end")
    if "REACHED" in said or proc.returncode in (2, 3, 4, 125):
        problems.append(f"{end}\n{said[:2000]}")
    bad = metal.wait_states(cpus, "reserved")
    if bad:
        problems.append(f"CPUs: {bad}")
    why = neighbour.problem()
    if why:
        problems.append(why)
    problems += log.splats()
    tap.ok(not problems, f"{name} {seed}", *problems)
    tap.say(f"{end}; {said.splitlines()[0][:60] if said else 'no words'}")
    return not why and not bad


def attack_all(tap, args, cpus, neighbour, log):
    names = subprocess.run([metal.program("hostile"), "list"], check=True,
                           capture_output=True, text=True).stdout.split()
    names = [name for name in names if args.only in name]
    tap.ok(names, "there are attacks to make")
    for seed in range(args.from_seed, args.from_seed + args.seeds):
        for name in names:
            if not one(tap, neighbour, log, cpus, name, seed):
                return


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--from-seed", type=int, default=1)
    args = parser.parse_args()
    metal.need_machine(4)
    tap = metal.Tap()
    log = metal.Log()
    metal.load()
    taken = sorted(metal.online())[-3:]
    for cpu in taken:
        metal.reserve(cpu)
    neighbour = metal.Neighbour(taken[2])
    if tap.ok(not neighbour.problem(), "a neighbour computes"):
        attack_all(tap, args, set(taken[:2]), neighbour, log)
    tap.equal(neighbour.stop(), 0, "the neighbour was right to its end")
    for cpu in taken:
        tap.equal(metal.error_of(metal.release, cpu), "", f"CPU {cpu} goes back")
        tap.ok(cpu in metal.online() and metal.usable(cpu),
               f"CPU {cpu} works for Linux")
    tap.equal(metal.unload(), "", "the module goes")
    tap.ok(not log.splats(), "Linux says nothing of it")
    return tap.done()


if __name__ == "__main__":
    os.chdir("/tmp")
    sys.exit(main())
