#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
cores.py - azalea cores with the module: reserve and release in any order,
beside hotplug by hand, other managers, other users, and running instances.

    cores.py [--seed N] [--steps N] [--only NAME]...
"""
import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time

import metal

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
             "--clear-groups"]


class Done:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __str__(self):
        return f"status {self.status}\n{self.out}{self.err}"


def azalea(*args, prefix=()):
    done = subprocess.run(
        list(prefix) + [metal.AZALEA] + [str(a) for a in args], check=False,
        text=True, capture_output=True, stdin=subprocess.DEVNULL,
        timeout=metal.PATIENCE * 3)
    return Done(done.returncode, done.stdout, done.stderr)


def cores(*args, prefix=()):
    return azalea("cores", *args, prefix=prefix)


def listed(prefix=()):
    done = cores("-o", "json", prefix=prefix)
    return json.loads(done.out)


def by_cpu(prefix=()):
    return {c["cpu"]: c for c in listed(prefix)["cpus"]}


def states():
    return {n: c["state"] for n, c in by_cpu().items()}


def text_of(cpus):
    return ",".join(str(c) for c in sorted(cpus))


def refused(tap, done, text, name):
    tap.ok(done.status == 1 and text in done.err and not done.out, name, done)


def hotplug(cpu, value):
    """0, or the error that writing to Linux's switch gives."""
    try:
        with open(f"{metal.CPU_DIR}/cpu{cpu}/online", "w",
                  encoding="ascii") as f:
            f.write(str(value))
    except OSError as e:
        return e.errno
    return 0


# --- the tests ---------------------------------------------------------------
def loading(tap, cpus):
    """Before the module is there."""
    before = by_cpu()
    tap.ok(all(c["state"] == "linux" for c in before.values()) and
           not listed()["module"], "all CPUs are Linux's at first", before)
    done = cores("reserve", cpus[0])
    tap.ok(done.status == 0 and "loaded " in done.err and
           done.out == f"CPU {cpus[0]} reserved for root\n",
           "reserving loads the module, and says so", done)
    tap.equal(metal.online(), metal.present() - {cpus[0]},
              "Linux has all others")
    # Linux has forgotten where they are; the list has not.
    tap.ok(cores("reserve", text_of(cpus[1:])).status == 0,
           "all but CPU 0 can be reserved")
    after = by_cpu()
    tap.equal([(c["node"], c["package"], c["core"]) for c in after.values()],
              [(c["node"], c["package"], c["core"])
               for c in before.values()], "reserved CPUs stay in their place")
    tap.ok(cores("release", "all").status == 0, "all can be released")
    tap.equal(metal.online(), metal.present(), "and are Linux's")
    tap.equal(cores("release", "all").out, "nothing is reserved\n",
              "then there is nothing left to release")


def any_order(tap, cpus, args):
    """A model and the machine, step by step."""
    rand = random.Random(args.seed)
    want = {c: "linux" for c in cpus}
    bad = []
    for _ in range(args.steps):
        chosen = set(rand.sample(cpus, rand.randint(1, len(cpus))))
        reserve = rand.random() < 0.6
        free = all(want[c] == ("linux" if reserve else "reserved")
                   for c in chosen)
        done = cores("reserve" if reserve else "release", text_of(chosen))
        if free:
            want.update({c: "reserved" if reserve else "linux"
                         for c in chosen})
        now = {c: s for c, s in states().items() if c in want}
        if (done.status == 0) != free or now != want:
            bad.append(f"{reserve} {sorted(chosen)}: {done}, {now}")
    tap.equal(bad, [], f"{args.steps} steps as expected, seed {args.seed}")
    cores("release", "all")
    tap.equal(states(), {c: "linux" for c in metal.present()},
              "release all: every CPU is Linux's")
    tap.ok(all(metal.usable(c) for c in cpus), "and works")


def partial(tap, cpus):
    cores("reserve", cpus[1])
    refused(tap, cores("reserve", text_of(cpus[:3])),
            f"CPU {cpus[1]}: reserved already, for root",
            "one of three is reserved: refused")
    tap.equal(states()[cpus[0]], "linux", "and nothing was changed")
    done = cores("reserve", "--partial", text_of(cpus[:3]))
    tap.ok(done.status == 1 and f"{cpus[0]},{cpus[2]} reserved" in done.out or
           f"{cpus[0]}-{cpus[2]} reserved" in done.out,
           "--partial takes the others", done)
    tap.equal([states()[c] for c in cpus[:3]], ["reserved"] * 3,
              "so all three are")
    cores("release", "all")


def wrong(tap):
    most = max(metal.present())
    refused(tap, cores("reserve", f"0-{most}"), "CPU 0: stays with Linux",
            "all CPUs")
    refused(tap, cores("reserve", most + 1),
            f"CPU {most + 1}: there is no such CPU: this machine has 0-{most}",
            "an absent CPU")
    refused(tap, cores("release", most), f"CPU {most}: not reserved",
            "giving back what was not taken")
    tap.equal(metal.online(), metal.present(), "nothing was changed by that")


def by_hand(tap, cpus):
    """Linux's own switch, in between."""
    tap.equal(hotplug(cpus[0], 0), 0, "a CPU goes off-line by hand")
    tap.equal(states()[cpus[0]], "offline", "the list says so")
    refused(tap, cores("reserve", text_of(cpus[:2])),
            f"CPU {cpus[0]}: taken off-line by other hands", "it is refused")
    tap.equal(states()[cpus[1]], "linux", "with its neighbour")
    tap.equal(hotplug(cpus[0], 1), 0, "it comes back by hand")
    cores("reserve", text_of(cpus[:2]))
    tap.ok(hotplug(cpus[0], 1), "a reserved CPU does not come by hand")
    tap.equal(states()[cpus[0]], "reserved", "it stays reserved")
    hotplug(cpus[0], 0)
    tap.equal(states()[cpus[0]], "reserved", "nor does it go")
    tap.equal(hotplug(cpus[2], 0), 0, "another goes by hand meanwhile")
    tap.ok(cores("release", text_of(cpus[:2])).status == 0,
           "the reserved ones are given back")
    tap.equal(states()[cpus[2]], "offline", "the other is left alone")
    hotplug(cpus[2], 1)
    tap.equal(metal.online(), metal.present(), "all are on-line again")


def managers(tap, cpus):
    """Many at once, for the same CPUs."""
    procs = [subprocess.Popen(
        [metal.AZALEA, "cores", "reserve", text_of(cpus[:3])],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(6)]
    results = []
    for proc in procs:
        out, err = proc.communicate(timeout=metal.PATIENCE * 3)
        results.append(Done(proc.returncode, out, err))
    won = [r for r in results if r.status == 0]
    lost = [r for r in results if r.status != 0]
    tap.equal(len(won), 1, "one of six managers reserves them")
    tap.ok(all("is at work (pid " in r.err or "reserved already" in r.err
               for r in lost), "the others are told why they do not",
           *lost)
    tap.equal([states()[c] for c in cpus[:3]], ["reserved"] * 3,
              "they are reserved")
    cores("release", "all")


def interrupted(tap, cpus):
    """Ended in the middle: all or nothing."""
    found = set()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with subprocess.Popen(
                [metal.AZALEA, "cores", "reserve", text_of(cpus)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True) as proc:
            end = time.monotonic() + metal.PATIENCE
            while metal.online() == metal.present() and \
                    proc.poll() is None and time.monotonic() < end:
                time.sleep(0.005)
            proc.send_signal(number)
            out, err = proc.communicate(timeout=metal.PATIENCE * 3)
        now = {states()[c] for c in cpus}
        good = now == ({"linux"} if proc.returncode else {"reserved"})
        found.add(proc.returncode)
        tap.ok(good, f"{number.name}: all or nothing", now, out, err)
        cores("release", "all")
    tap.ok(1 in found, "and at least once it came in time", found)


def users(tap, cpus):
    refused(tap, cores("reserve", cpus[0], prefix=AS_NOBODY),
            "only root may move CPUs", "nobody reserves nothing")
    refused(tap, cores("release", "all", prefix=AS_NOBODY),
            "only root may move CPUs", "nor releases")
    run = ("run", "--plat", "metal", "--cpuset-cpus")
    cores("reserve", cpus[0])
    cores("reserve", cpus[1], "--user", "nobody")
    cores("reserve", cpus[2], "-g", NOBODY)
    done = azalea(*run, cpus[0], "true", prefix=AS_NOBODY)
    tap.ok(done.status == 125 and "somebody else" in done.err,
           "nobody does not run on root's CPU", done)
    done = azalea(*run, cpus[3], "true", prefix=AS_NOBODY)
    tap.ok(done.status == 125 and "not reserved for you" in done.err,
           "nor on Linux's", done)
    tap.equal(azalea(*run, cpus[1], "true", prefix=AS_NOBODY).status, 0,
              "but on one reserved for nobody")
    tap.equal(azalea(*run, cpus[2], "true", prefix=AS_NOBODY).status, 0,
              "and on one for nobody's group")
    tap.equal(azalea(*run, cpus[1], "true").status, 0, "so does root")
    seen = by_cpu(AS_NOBODY)
    tap.equal([(seen[c]["user"], seen[c]["group"]) for c in cpus[:3]],
              [(None, None), ("nobody", None), (None, "nogroup")],
              "everybody can see for whom they are")
    tap.equal([seen[c]["instances"] for c in cpus[:3]], [0, 2, 1],
              "and how many instances they have run")
    cores("release", "all")


def wait_running(cpus):
    return metal.wait_states(cpus, "running")


def running(tap, cpus):
    """An instance on two reserved CPUs, and one on a CPU taken for it."""
    cores("reserve", text_of(cpus[:2]))
    one = metal.start([metal.program("victim"), "spin", "2"], cpus[:2],
                      ["--name", "cores-one"])
    two = metal.start([metal.program("victim"), "wait"], cpus[2:3],
                      ["--name", "cores-two"])
    tap.equal(wait_running(cpus[:3]), {}, "two instances run")
    seen = by_cpu()
    tap.equal([(seen[c]["instance"]["name"], seen[c]["instance"]["pid"])
               for c in cpus[:3]],
              [("cores-one", one.pid)] * 2 + [("cores-two", two.pid)],
              "the list names them")
    tap.equal(sorted(seen[c]["instance"]["core"] for c in cpus[:2]), [0, 1],
              "and their cores")
    tap.equal([seen[c]["for_one_instance"] for c in cpus[:3]],
              [False, False, True], "and who reserved which")
    tap.ok(f"cores-one (pid {one.pid}, core " in cores().out and
           "this run" in cores().out, "in words, too", cores())
    refused(tap, cores("release", text_of(cpus[:2])),
            f"CPU {cpus[0]}: in use by cores-one (pid {one.pid}): wait for it "
            "to end, or: azalea stop cores-one", "they cannot be released")
    refused(tap, cores("release", "all"), "in use by cores-one",
            "nor with all")
    refused(tap, cores("reserve", cpus[2]), "in use by cores-two",
            "nor reserved once more")
    tap.ok(one.poll() is None and two.poll() is None, "they run all the time")
    azalea("kill", "-s", "KILL", "cores-one")
    azalea("stop", "cores-two")
    one.wait(metal.PATIENCE)
    two.wait(metal.PATIENCE)
    tap.equal(metal.wait_states(cpus[:2], "reserved"), {},
              "killed: they are free for the next")
    tap.equal(metal.wait_states(cpus[2:3], "linux"), {},
              "the other is Linux's again")
    tap.ok(cores("release", "all").status == 0, "now they can be released")


def children(tap, cpus):
    """A child of an instance is one of its own."""
    cores("reserve", text_of(cpus[:2]))
    one = metal.start(["sh", "-c", "while :; do :; done & wait"], cpus[:2],
                      ["--name", "cores-fork"])
    tap.equal(wait_running(cpus[:2]), {}, "parent and child have a CPU each")
    seen = [c["instance"] for c in by_cpu().values() if c.get("instance")]
    tap.ok(len(seen) == 2 and all(
        i["name"] == ("cores-fork" if i["pid"] == one.pid
                      else f"cores-fork.{i['pid']}") for i in seen),
           "the list has the names of both", seen, azalea("ps"))
    metal.kill_session(one)
    tap.equal(metal.wait_states(cpus[:2], "reserved"), {},
              "killed: both are free")
    cores("release", "all")


def memory(tap):
    def held():
        return {n["node"]: n.get("reserved") for n in listed()["nodes"]}

    node = max(held())
    free = {n["node"]: n["free"] for n in listed()["nodes"]}
    if held()[node] is None:
        refused(tap, cores("reserve", "-m", f"64M@node{node}"),
                "this azalea.ko holds no memory back", "no memory")
        return
    done = cores("reserve", "-m", f"64M@node{node}")
    tap.ok(done.status == 0, "64 MiB are reserved", done)
    tap.equal(held()[node], 64 << 20, "and listed")
    tap.ok(cores("reserve", "-m", f"64M@{node}").status == 0 and
           held()[node] == 128 << 20, "and 64 more")
    refused(tap, cores("reserve", "-m", f"{free[node] >> 20}M@node{node}"),
            "ask for less", "more than is free")
    refused(tap, cores("reserve", "-m", "2M@node99"), "no such node",
            "of a node that is not there")
    tap.equal(held()[node], 128 << 20, "which changes nothing")
    tap.ok(cores("release", "-m", f"32M@node{node}").status == 0 and
           held()[node] == 96 << 20, "a part is given back")
    tap.ok(cores("release", "-m", f"all@node{node}").status == 0 and
           held()[node] == 0, "and the rest")
    refused(tap, cores("release", "-m", f"2M@node{node}"),
            "more than is reserved", "but no more")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--only", action="append")
    args = parser.parse_args()
    metal.need_machine(5)
    tap = metal.Tap()
    log = metal.Log()
    cpus = sorted(metal.online())[1:]
    if metal.loaded():
        metal.unload()
    parts = {
            "loading": lambda: loading(tap, cpus),
            "order": lambda: any_order(tap, cpus, args),
            "partial": lambda: partial(tap, cpus),
            "wrong": lambda: wrong(tap),
            "hand": lambda: by_hand(tap, cpus),
            "managers": lambda: managers(tap, cpus),
            "interrupted": lambda: interrupted(tap, cpus),
            "memory": lambda: memory(tap),
            "users": lambda: users(tap, cpus),
            "running": lambda: running(tap, cpus),
            "children": lambda: children(tap, cpus)}
    return metal.run_parts(tap, log, parts, args.only,
                           lambda name: name != "loading" and metal.load())


if __name__ == "__main__":
    os.chdir("/tmp")
    sys.exit(main())
