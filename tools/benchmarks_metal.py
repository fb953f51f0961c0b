#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""benchmarks_metal.py - measure metal in a QEMU machine, write its page.

    tools/benchmarks_metal.py [--only time|count] [--out FOLDER]

Boots one machine that counts instructions (tools/qemu_count.c), loads
azalea.ko in it and has `azalea bench --plat metal` measure, first time, then
instructions; both sides by turns in the same boot. Results go to
build/machine/out as JSON and SVG, and from there into docs/.
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

# Name of the result; options of `azalea bench`; benches. In order.
TIME = [
    ("claim", "-n 7 --duration 0.5", "claim"),
    ("boot", "-n 5 --plot {out}/boot.svg", "boot"),
    ("quiet", "-n 1 --duration 60", "quiet/interrupts"),
    ("quiet2", "-n 1 --duration 5", "quiet/faults"),
    ("cost", "-n 3",
     "start/static getpid offload/umask,_ring offload/lseek,_ring "
     "touch/256_MiB,_once pingpong/futex,_two"),
]
COUNT = [
    ("calls", "-n 3", "getpid local"),
    ("noise", "-n 2 --duration 0.3 --plot {out}/noise.svg",
     "fwq ftq hourglass"),
    ("mix", "-n 3 --plot {out}/mix.svg", "mix"),
]
PICTURES = ("boot", "noise", "mix")


def machine(*args, check=True):
    return subprocess.run(MACHINE + list(args), cwd=TOP, check=check)


def inside(script):
    return machine("exec", "--name", "bench", "--timeout", str(SECONDS), "--",
                   "sh", "-ec", script, check=False).returncode


def bench(name, options, benches, count):
    """One run of `azalea bench`; its name for a case has _ for a blank."""
    out = os.path.join(OUT, f"metal-{name}")
    words = [f"'{word.replace('_', ' ')}'" for word in benches.split()]
    options = options.format(out=OUT)
    if count:
        options += " --count $counters"
    return inside(f"""
        for d in /sys/bus/pci/devices/*; do
            [ "$(cat $d/device)" != 0x1110 ] || counters=$d/resource2
        done
        build/azalea bench --plat metal -o json {options} {' '.join(words)} \
            >{out}.json""")


def start():
    with open(COUNTERS, "wb") as f:
        f.truncate(COUNTERS_SIZE)
    qemu = f"-plugin {TOP}/build/qemu_count.so,counters={COUNTERS} " \
        f"-object memory-backend-file,id=count,mem-path={COUNTERS}," \
        f"size={COUNTERS_SIZE},share=on " \
        "-device ivshmem-plain,memdev=count"
    machine("start", *FLAGS, f"--qemu={qemu}")
    if inside("insmod build/module/azalea.ko"):
        sys.exit("benchmarks_metal: azalea.ko does not load")


def measure(only):
    done, failed = [], []
    for kind, runs in (("time", TIME), ("count", COUNT)):
        for name, options, benches in runs if only in (None, kind) else ():
            status = bench(name, options, benches, kind == "count")
            (failed if status else done).append(name)
    return done, failed


def publish(done):
    """Pictures and figures into docs/."""
    pictures = []
    for name in PICTURES:
        try:
            with open(f"{OUT}/{name}.svg", encoding="utf-8") as f:
                lines = f.read().split("\n", 1)
        except FileNotFoundError:
            continue
        pictures += ["--picture", f"metal-{name}.svg"]
        with open(f"{TOP}/docs/metal-{name}.svg", "w", encoding="utf-8") as f:
            f.write(lines[0] + "\n<!-- SPDX-License-Identifier: MIT -->\n" +
                    lines[1])
    subprocess.run([f"{TOP}/tools/benchmarks.py", *pictures,
                    f"{TOP}/docs/benchmarks-metal.md",
                    *(f"{OUT}/metal-{name}.json" for name in done)],
                   check=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--only", choices=("time", "count"))
    parser.add_argument("--keep", action="store_true",
                        help="leave the page as it is")
    args = parser.parse_args()
    try:
        start()
        done, failed = measure(args.only)
    finally:
        machine("stop", "--name", "bench", check=False)
        os.unlink(COUNTERS)
    if failed:
        sys.exit(f"benchmarks_metal: failed: {' '.join(failed)}")
    if not args.keep:
        publish(done)


if __name__ == "__main__":
    main()
