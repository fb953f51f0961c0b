#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
cycles.py - instances come and go in every way, and no CPU and no page is lost.

    cycles.py [--cycles N] [--seed S]

A cycle starts one to three instances, on CPUs reserved before or taken for
them, lets them end or ends them, and meanwhile tries what must be refused: to
unload the module, to release or to reserve a CPU in use, to bring one on-line
by hand. After it every CPU is where it belongs. What was random is repeated by
the seed that is printed; what was fast or slow is not.
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import time

import metal

# (program, threads at most, ends by itself)
WAYS = [
    ("exit", 3, True), ("crash", 3, True), ("abort", 2, True),
    ("divide", 2, True), ("spin", 3, False), ("wait", 3, False),
    ("calls", 3, False), ("faults", 3, False), ("forks", 1, False),
    ("spawns", 2, False), ("execs", 1, False),
]
PYTHON = ["python3", "-c",
          "import threading, time\n"
          "for i in range(3): threading.Thread(target=sum, "
          "args=(range(20000),)).start()\nprint('ready', flush=True)"]
# Of memory that Linux has in use for itself, between two looks; KiB.
MEMORY_BOUND = 24 << 10


def online_by_hand(cpu):
    try:
        with open(f"{metal.CPU_DIR}/cpu{cpu}/online", "w",
                  encoding="ascii") as f:
            f.write("1")
        return True
    except OSError:
        return False


class Cycle:
    """One of them: what it has, what it finds wrong."""

    def __init__(self, rng, cpus):
        self.rng = rng
        self.free = list(cpus)
        self.forced = rng.random() < 0.3
        self.taken = set()
        self.procs = []
        self.problems = []
        self.words = ["forced" if self.forced else "reserved"]

    def check(self, good, text):
        if not good:
            self.problems.append(text)

    def reserve(self):
        if self.forced:
            return
        for cpu in self.free:
            metal.reserve(cpu)

    def start_one(self):
        rng = self.rng
        count = rng.randint(1, min(3, len(self.free)))
        cpus = set(rng.sample(self.free, count))
        self.free = [c for c in self.free if c not in cpus]
        self.taken |= cpus
        way, most, ends = rng.choice(WAYS)
        argv = [metal.program("victim"), way, str(rng.randint(1, most))]
        if rng.random() < 0.1:
            argv, way, ends = PYTHON, "python3", True
        proc = metal.start(argv, cpus, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, bufsize=0)
        self.procs.append((proc, cpus, way, ends))
        self.words.append(f"{way}*{argv[-1] if way != 'python3' else 4}"
                          f"@{len(cpus)}")

    def started(self):
        """Sometimes they are ended before they have begun: no wait then."""
        if self.rng.random() < 0.25:
            time.sleep(self.rng.random() * 0.3)
            self.words.append("early")
            return False
        for proc, _, way, _ in self.procs:
            said = metal.read_line(proc.stdout)
            if said != "ready":
                err = b""
                if proc.poll() is not None:
                    err = proc.stderr.read()
                self.problems.append(f"{way} says '{said}' {err}")
        return True

    def refused(self):
        """What nobody may do meanwhile."""
        # Between two programs, an instance has neither CPU nor device.
        alive = [(p, cpus) for p, cpus, way, ends in self.procs
                 if not ends and way != "execs" and p.poll() is None]
        if not alive:
            return
        proc, cpus = self.rng.choice(alive)
        what = self.rng.choice(["unload", "release", "online", "reserve"])
        self.words.append(what)
        # A core that no thread has needed yet has not taken its CPU.
        running = [c for c, s in metal.states(cpus).items() if s == "running"]
        if what == "unload":
            why = metal.unload()
            self.check("in use" in why, f"unload: '{why}'")
        elif not running:
            return
        elif what == "online":
            self.check(not online_by_hand(running[0]), "on-line by hand")
        else:
            error = metal.error_of(getattr(metal, what), running[0])
            self.check(error == "EBUSY", f"{what}: '{error}'")
        self.check(proc.poll() is None, "the instance ended of that")

    def churn(self):
        """Other CPUs come and go at the same time."""
        if not self.free or self.rng.random() < 0.5:
            return
        cpu = self.rng.choice(self.free)
        verbs = ["reserve", "release"] if self.forced \
            else ["release", "reserve"]
        for verb in verbs:
            error = metal.error_of(getattr(metal, verb), cpu)
            self.check(not error, f"{verb} of CPU {cpu}: {error}")
        self.words.append("churn")

    def end(self):
        self.rng.shuffle(self.procs)
        for proc, _, way, ends in self.procs:
            if ends and self.rng.random() < 0.7:
                status = proc.wait(metal.PATIENCE)
                want = {"exit": 42, "crash": -11, "abort": -6, "divide": -8,
                        "python3": 0}[way]
                self.check(status == want, f"{way}: status {status}")
            elif self.rng.random() < 0.6:
                if self.rng.random() < 0.3:
                    proc.send_signal(signal.SIGSTOP)
                    self.words.append("stopped")
                proc.kill()
                self.check(proc.wait(metal.PATIENCE) in (-9, 42, -11, -6, -8,
                                                         0), "SIGKILL")
            else:
                self.terminate(proc, way)
            metal.kill_session(proc)
            proc.stdout.close()
            proc.stderr.close()

    def terminate(self, proc, way):
        proc.terminate()
        try:
            proc.wait(metal.PATIENCE)
        except subprocess.TimeoutExpired:
            self.problems.append(f"{way}: SIGTERM does not end it")

    def after(self, cpus):
        bad = metal.wait_states(cpus, "linux" if self.forced else "reserved")
        self.check(not bad, f"CPUs: {bad}")
        if not self.forced:
            for cpu in cpus:
                error = metal.error_of(metal.release, cpu)
                self.check(not error, f"release of CPU {cpu}: {error}")
        gone = set(cpus) - metal.online()
        self.check(not gone, f"not on-line: {gone}")
        for cpu in self.taken - gone:
            self.check(metal.usable(cpu), f"CPU {cpu} does not work")


def cycle(rng, cpus):
    c = Cycle(rng, cpus)
    c.reserve()
    for _ in range(rng.randint(1, 3)):
        if c.free:
            c.start_one()
    if c.started():
        c.churn()
        c.refused()
    c.end()
    c.after(cpus)
    return c


def pinned():
    got = metal.vmstat("nr_foll_pin_acquired")
    return None if got is None else got - metal.vmstat("nr_foll_pin_released")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int,
                        default=int.from_bytes(os.urandom(4), "big"))
    args = parser.parse_args()
    metal.need_machine(4)
    tap = metal.Tap()
    log = metal.Log()
    cpus = sorted(metal.online())[-3:]
    tap.say(f"--seed {args.seed} --cycles {args.cycles}")
    rng = random.Random(args.seed)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    metal.load()
    pins = pinned()
    memory = metal.settle()
    for i in range(args.cycles):
        if i == min(10, args.cycles // 2):
            memory = metal.settle()
        done = cycle(rng, cpus)
        problems = done.problems + log.splats()
        if not tap.ok(not problems, f"cycle {i}", *done.words, *problems):
            break
        if i % 10 == 9:
            tap.equal(metal.unload(), "", "the module goes")
            metal.load()
    more = metal.settle() - memory
    tap.ok(more < MEMORY_BOUND, "no memory is lost", f"{more} KiB")
    tap.say(f"{more} KiB more in use than after the first cycles")
    tap.equal(pinned(), pins, "no page is left pinned")
    tap.equal(metal.unload(), "", "the module goes")
    tap.equal(log.splats(), [], "Linux says nothing of it")
    return tap.done()


if __name__ == "__main__":
    os.chdir("/tmp")
    sys.exit(main())
