#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
run.py - azalea run with the module: which platform and CPUs it chooses, what it
refuses, and that the owner is a process like others.

    run.py [--only NAME]...
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import time

import metal

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
             "--clear-groups"]
FORK = ("import os, sys\n"
        "p = os.fork()\n"
        "if p == 0: os._exit(3)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]))")
# Two programs, one by vfork and one by fork, and errors; then another.
SPAWN = ("import os, subprocess\n"
         "try: os.posix_spawn('/nowhere', ['x'], {})\n"
         "except FileNotFoundError: pass\n"
         "p = os.posix_spawn('/bin/sh', ['sh', '-c', 'exit 5'], os.environ)\n"
         "print(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]))\n"
         "print(subprocess.run(['echo', 'text'], preexec_fn=os.getpid,\n"
         "                     capture_output=True).stdout)\n"
         "os.execv('/bin/sh', ['sh', '-c', 'echo $$; /bin/echo last'])")
COUNT = ("import itertools, os\n"
         "for i in itertools.count(): os.pwrite(1, b'%20d' % i, 0)")


def azalea(*args, prefix=()):
    return subprocess.run(
        list(prefix) + [metal.AZALEA] + [str(a) for a in args], check=False,
        text=True, capture_output=True, stdin=subprocess.DEVNULL,
        timeout=metal.PATIENCE * 3)


def platform(*options, prefix=()):
    """Where `azalea run` puts an instance, as its counters tell."""
    path = f"/tmp/stats.{os.getpid()}"
    done = azalea("run", "--stats", path, *options, "true", prefix=prefix)
    if done.returncode:
        return done.stderr
    with open(path, encoding="ascii") as f:
        got = json.load(f)
    os.unlink(path)
    return got["platform"], got["cpus"]


def choice(*args, prefix=()):
    done = azalea("info", "-o", "json", *args, prefix=prefix)
    return json.loads(done.stdout)["auto"]


def refused(tap, text, *options, prefix=()):
    done = azalea("run", *options, "true", prefix=prefix)
    tap.ok(done.returncode == 125 and text in done.stderr and
           done.stderr.count("\n") == 1, f"refused: {text}", done)


def auto(tap, cpus):
    """--plat auto."""
    tap.equal(choice(), "pico", "nothing is reserved: pico")
    tap.equal(platform()[0], "pico", "and that it is")
    metal.reserve(cpus[0])
    metal.reserve(cpus[1])
    both = sorted(cpus[:2])
    tap.equal(choice(), "metal", "two CPUs are reserved: metal")
    got = platform()
    tap.ok(got[0] == "metal" and sorted(got[1]) == both,
           "with both as cores", got)
    tap.equal(platform("--cpuset-cpus", cpus[1]), ("metal", [cpus[1]]),
              "or the one that is named")
    tap.equal(platform("--cpus", 3)[0] if len(metal.online()) > 2 else "pico",
              "pico", "more than are reserved: pico")
    tap.equal(platform("--plat", "pico", "--cpus", 1)[0], "pico", "or at will")
    tap.equal(choice(prefix=AS_NOBODY), "pico", "for another user: pico")
    for cpu in both:
        metal.release(cpu)


def refusals(tap, cpus):
    """Exit status 125, and one line."""
    free = max(metal.present()) + 1
    asked = ["--plat", "metal", "--cpuset-cpus"]
    refused(tap, "no CPUs are reserved for you", "--plat", "metal")
    refused(tap, "CPU 0 cannot be taken", *asked, "0")
    refused(tap, f"CPU {free} is not there", *asked, free)
    refused(tap, "only 1 can be had", *asked, cpus[0], "--cpus", 2)
    refused(tap, f"CPU {cpus[0]} is not reserved for you", *asked, cpus[0],
            prefix=AS_NOBODY)
    metal.reserve(cpus[0], 1)
    refused(tap, f"CPU {cpus[0]} is reserved for somebody else", *asked,
            cpus[0], prefix=AS_NOBODY)
    metal.release(cpus[0])
    metal.reserve(cpus[0], NOBODY)
    tap.equal(platform("--plat", "metal", prefix=AS_NOBODY),
              ("metal", [cpus[0]]), "reserved for the user: runs")
    proc = metal.start(["sleep", "1000"], {cpus[0]})
    bad = metal.wait_states({cpus[0]}, "running")
    tap.equal(bad, {}, "in use")
    refused(tap, f"is in use by process {proc.pid}", *asked, cpus[0])
    refused(tap, "are in use", "--plat", "metal", prefix=AS_NOBODY)
    tap.equal(choice(prefix=AS_NOBODY), "pico", "auto is pico then")
    metal.kill_session(proc)
    metal.wait_states({cpus[0]}, "reserved")
    metal.release(cpus[0])
    with open(f"{metal.CPU_DIR}/cpu{cpus[0]}/online", "w",
              encoding="ascii") as f:
        f.write("0")
    refused(tap, f"CPU {cpus[0]} is off-line", *asked, cpus[0])
    with open(f"{metal.CPU_DIR}/cpu{cpus[0]}/online", "w",
              encoding="ascii") as f:
        f.write("1")


def forks(tap, cpus):
    """A child has a core if one is reserved, else it is on pico."""
    python = ["run", "--plat", "metal", "--cpuset-cpus"]
    done = azalea(*python, cpus[0], "python3", "-c", FORK)
    tap.ok(done.stdout == "3\n" and done.returncode == 0,
           "the child has no core to go to", done)
    metal.reserve(cpus[0])
    metal.reserve(cpus[1])
    runs = metal.info(cpus[1])["instances"]
    done = azalea("run", "--cpus", 2, "python3", "-c", FORK)
    tap.ok(done.stdout == "3\n" and done.returncode == 0,
           "the child has one", done)
    tap.equal(sum(metal.info(c)["instances"] for c in cpus[:2]), runs + 2,
              "and was there")
    for cpu in cpus[:2]:
        metal.release(cpu)


def programs(tap, cpus):
    """Other programs, after exec and as children: on a free core, or pico."""
    def spawns(name, *options):
        with subprocess.Popen(
                [metal.AZALEA, "run", "--plat", "metal", *map(str, options),
                 "python3", "-u", "-c", SPAWN], text=True, stdout=subprocess.PIPE,
                stdin=subprocess.DEVNULL) as proc:
            out = proc.communicate(timeout=metal.PATIENCE * 3)[0]
        tap.equal((out, proc.returncode),
                  (f"5\nb'text\\n'\n{proc.pid}\nlast\n", 0), name)

    spawns("a CPU that root takes, for each program anew",
           "--cpuset-cpus", cpus[0])
    tap.equal(metal.wait_states(cpus, "linux"), {}, "it is given back")
    metal.reserve(cpus[0])
    spawns("one that is reserved", "--cpuset-cpus", cpus[0])
    metal.reserve(cpus[1])
    runs = sum(metal.info(c)["instances"] for c in cpus[:2])
    spawns("two: the children have one")
    # Python, sh, the child of a fork and then echo; sh, and then echo.
    tap.equal(sum(metal.info(c)["instances"] for c in cpus[:2]) - runs, 6,
              "and were there")
    for cpu in cpus[:2]:
        metal.release(cpu)


def counted(path):
    with open(path, "rb") as f:
        return int(f.read() or b"0")


def process(tap, cpus):
    """Signals, and the exit status."""
    asked = ["run", "--plat", "metal", "--cpuset-cpus", cpus[0]]
    tap.equal(azalea(*asked, "sh", "-c", "exit 7").returncode, 7, "exit 7")
    tap.equal(azalea(*asked, "sh", "-c", "kill -9 $$").returncode, -9,
              "killed is killed")
    path = f"/tmp/count.{os.getpid()}"
    with open(path, "wb") as f:
        proc = metal.start(["python3", "-c", COUNT], {cpus[0]}, stdout=f)
    while not counted(path) and proc.poll() is None:
        time.sleep(0.1)
    os.kill(proc.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, proc.pid, os.WSTOPPED | os.WNOWAIT)
    was = counted(path)
    time.sleep(1)
    tap.equal(counted(path), was, "stopped, the program stands still")
    os.kill(proc.pid, signal.SIGCONT)
    while counted(path) == was and proc.poll() is None:
        time.sleep(0.1)
    os.kill(proc.pid, signal.SIGTERM)
    tap.equal(proc.wait(metal.PATIENCE), -15, "continued, and terminated")
    os.unlink(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append")
    args = parser.parse_args()
    metal.need_machine(4)
    tap = metal.Tap()
    log = metal.Log()
    cpus = sorted(metal.online())[1:]
    metal.load()
    parts = {"auto": lambda: auto(tap, cpus),
             "refusals": lambda: refusals(tap, cpus),
             "forks": lambda: forks(tap, cpus),
             "programs": lambda: programs(tap, cpus),
             "process": lambda: process(tap, cpus)}
    return metal.run_parts(tap, log, parts, args.only)


if __name__ == "__main__":
    os.chdir("/tmp")
    sys.exit(main())
