#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""benchmarks_metal.py - measure metal in a QEMU machine, write its page.

    tools/benchmarks_metal.py [--keep] [NAME...]

Boots one machine that counts instructions (tools/qemu_count.c), loads
azalea.ko in it and has `azalea bench --plat metal` measure, both sides by turns
in the same boot. Results go to build/machine/out as JSON and SVG, and from
there, with those of earlier runs, into docs/. NAME is of the list below;
default: all.
"""

import argparse
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
OUT = os.path.join(TOP, "build", "machine", "out")
MACHINE = [os.path.join(TOP, "tools", "machine")]
COUNTERS = f"/dev/shm/azalea-bench-{os.getpid()}"
COUNTERS_SIZE = 65536  # COUNTER_SIZE of bench/counter.h
CPUS = 8
# Not shared among CPUs: those of a host that has fewer only take turns.
FLAGS = ["--name", "bench", "--cpus", str(CPUS), "--tcg"]
SECONDS = 3000  # of one command; only a hang takes as long

# What there is: is it counted; options of `azalea bench`; benches. In order.
RUNS = {
    "noise": (True, "-n 2 --duration 0.2 --plot {out}/noise.svg",
              "fwq ftq hourglass"),
    "calls": (True, "-n 3 --duration 0.05", "getpid local"),
    "quiet": (False, "-n 1 --duration 60", "quiet/interrupts"),
    "quiet-events": (False, "-n 1 --duration 5", "quiet/faults"),
    "boot": (True, "-n 2 --plot {out}/boot.svg", "boot"),
    "claim": (False, "-n 5 --duration 0.1", "claim"),
    "mix": (True, "-n 1 --plot {out}/mix.svg", "mix"),
    "boot-time": (False, "-n 3", "boot/64 boot/1_core boot/6_cores"),
    "cost": (False, "-n 2",
             "offload/umask,_ring touch/256_MiB,_once pingpong/futex,_two"),
}
PICTURES = ("boot", "noise", "mix")


def machine(*args, check=True):
    return subprocess.run(MACHINE + list(args), cwd=TOP, check=check)


def inside(script):
    return machine("exec", "--name", "bench", "--timeout", str(SECONDS), "--",
                   "sh", "-ec", script, check=False).returncode


def result(name):
    return os.path.join(OUT, f"metal-{name}.json")


def bench(name, options, benches, count):
    """One run of `azalea bench`; its name for a case has _ for a blank."""
    words = [f"'{word.replace('_', ' ')}'" for word in benches.split()]
    options = options.format(out=OUT)
    if count:
        options += " --count $counters"
    return inside(f"""
        for d in /sys/bus/pci/devices/*; do
            [ "$(cat $d/device)" != 0x1110 ] || counters=$d/resource2
        done
        /tmp/measured/azalea bench --plat metal -o json {options} {' '.join(words)} \
            >{result(name)}.new
        mv {result(name)}.new {result(name)}""")


def start():
    with open(COUNTERS, "wb") as f:
        f.truncate(COUNTERS_SIZE)
    qemu = f"-plugin {TOP}/build/qemu_count.so,counters={COUNTERS} " \
        f"-object memory-backend-file,id=count,mem-path={COUNTERS}," \
        f"size={COUNTERS_SIZE},share=on " \
        "-device ivshmem-plain,memdev=count"
    machine("start", *FLAGS, f"--qemu={qemu}")
    # Into the machine's memory: nothing that the host does disturbs it then.
    if inside("""
            insmod build/module/azalea.ko
            mkdir /tmp/measured
            cp -r build/azalea build/benches /tmp/measured"""):
        sys.exit("benchmarks_metal: azalea.ko does not load")


def measure(names):
    """Those that failed."""
    failed = []
    for name in names:
        count, options, benches = RUNS[name]
        if bench(name, options, benches, count):
            failed.append(name)
    return failed


def publish():
    """Pictures and figures into docs/, with what earlier runs left."""
    pictures = []
    for name in PICTURES:
        try:
            with open(f"{OUT}/{name}.svg", encoding="utf-8") as f:
                lines = f.read().split("\n", 1)
        except FileNotFoundError:
            lines = []
        if len(lines) < 2:  # not drawn, or not yet
            continue
        pictures += ["--picture", f"metal-{name}.svg"]
        with open(f"{TOP}/docs/metal-{name}.svg", "w", encoding="utf-8") as f:
            f.write(lines[0] + "\n<!-- SPDX-License-Identifier: MIT -->\n" +
                    lines[1])
    subprocess.run([f"{TOP}/tools/benchmarks.py", *pictures,
                    f"{TOP}/docs/benchmarks-metal.md",
                    *filter(os.path.exists, map(result, RUNS))],
                   check=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--keep", action="store_true",
                        help="leave the page as it is")
    parser.add_argument("name", nargs="*", help=" ".join(RUNS))
    args = parser.parse_args()
    for name in set(args.name) - set(RUNS):
        parser.error(f"{name}: no such run: there are {' '.join(RUNS)}")
    try:
        start()
        failed = measure(args.name or RUNS)
    finally:
        machine("stop", "--name", "bench", check=False)
        os.unlink(COUNTERS)
    if failed:
        sys.exit(f"benchmarks_metal: failed: {' '.join(failed)}")
    if not args.keep:
        publish()


if __name__ == "__main__":
    main()
