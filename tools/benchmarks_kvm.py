#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""benchmarks_kvm.py - measure kvm on this machine's /dev/kvm, write its page.

    tools/benchmarks_kvm.py [--keep] [-n ROUNDS]

Three things, into docs/benchmarks-kvm.md: the time from exec to the first
write of a static hello, by turns on Linux, pico, kvm, and what else starts
programs in a sandbox or a virtual machine of their own (runsc, QEMU with a
Linux); many servers at once (tests/density.py); and benches of `azalea bench
--plat kvm`. What does not run here is said to be so, with its last words.
"""
import argparse
import glob
import json
import os
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import benchmarks

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
AZALEA = os.path.join(TOP, "build", "azalea")
HELLO = os.path.join(TOP, "build", "benches", "programs", "hello")
PAGE = os.path.join(TOP, "docs", "benchmarks-kvm.md")
BEGIN = "<!-- begin: written by tools/benchmarks_kvm.py -->\n"
END = "<!-- end -->\n"
BENCHES = "getpid offload start compute touch pingpong".split()
SERVERS = 200
PATIENCE = 40  # seconds for one start: more than any needs that works
QEMU = ("qemu-system-x86_64 -M microvm,acpi=off,x-option-roms=off -m 128M "
        "-smp 1 -nodefaults -no-user-config -nographic -serial stdio "
        "-no-reboot -append").split()
KERNEL_WORDS = "console=ttyS0 quiet reboot=t panic=-1 rdinit=/init"


def newest_kernel():
    found = glob.glob("/boot/vmlinuz-*-cloud-amd64")
    return max(found, key=os.path.getmtime) if found else "/boot/vmlinuz"


def make_initrd(folder):
    """An initrd whose init is the hello; its path."""
    shutil.copy(HELLO, folder + "/init")
    path = folder + "/initrd"
    with open(path, "wb") as f:
        subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], check=True,
                       cwd=folder, input=b"init\n", stdout=f,
                       stderr=subprocess.DEVNULL)
    return path


def sides(folder):
    """(name, command, share of the rounds) of all that is compared."""
    qemu = QEMU + [KERNEL_WORDS, "-kernel", newest_kernel(), "-initrd",
                   make_initrd(folder)]
    run = [AZALEA, "run", "--cpus", "1", "--plat"]
    runsc = ["runsc", "--network=none"]
    return [
        ("Linux", [HELLO], 1),
        ("azalea, pico", run + ["pico", "--", HELLO], 1),
        ("azalea, kvm", run + ["kvm", "--", HELLO], 1),
        ("runsc, ptrace", runsc + ["--platform=ptrace", "do", HELLO], 0.1),
        ("runsc, kvm", runsc + ["--platform=kvm", "do", HELLO], 0.1),
        ("QEMU microvm, KVM", qemu + ["-accel", "kvm", "-cpu", "host"], 0.05),
        ("QEMU microvm, TCG", qemu + ["-accel", "tcg", "-cpu", "max"], 0.05),
    ]


def first_write(argv):
    """Milliseconds from exec to "hello", or why there is none."""
    begin = time.monotonic()
    with tempfile.TemporaryFile() as err:
        try:
            # pylint: disable=consider-using-with
            proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=err,
                                    start_new_session=True)
        except OSError as e:
            return e.strerror
        said, taken = b"", None
        while b"hello" not in said:
            left = begin + PATIENCE - time.monotonic()
            if left <= 0 or not select.select([proc.stdout], [], [], left)[0]:
                break
            data = os.read(proc.stdout.fileno(), 4096)
            if not data:
                break
            said += data
            taken = 1000 * (time.monotonic() - begin)
        try:
            proc.wait(5 if b"hello" in said else 0)
        except subprocess.TimeoutExpired:
            os.killpg(proc.pid, 9)
            proc.wait()
        if b"hello" in said:
            return taken
        err.seek(0)
        words = err.read().decode("utf-8", "replace").split("\n")
        words = [line.strip() for line in words if line.strip()]
        return words[-1] if words else f"nothing in {PATIENCE} s"


def starts(rounds):
    """{name: [ms, ...] or a reason}, by turns."""
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        all_sides = sides(folder)
        for i in range(rounds):
            for name, argv, share in all_sides:
                if i and (isinstance(result[name], str) or
                          len(result[name]) >= max(2, rounds * share)):
                    continue
                took = first_write(argv)
                if isinstance(took, str):
                    result[name] = took
                else:
                    result.setdefault(name, []).append(took)
        return [(name, argv, result[name]) for name, argv, _ in all_sides]


def starts_table(results):
    yield "| | median | least | most | n | started by |"
    yield "|---|---|---|---|---|---|"
    for name, argv, took in results:
        words = " ".join(os.path.basename(word) if "/" in word else word
                         for word in argv).replace("|", "\\|")
        if isinstance(took, str):
            yield f"| {name} | does not run here: {took} | | | | `{words}` |"
            continue
        span = " | ".join(benchmarks.quantity(f(took), "ms") for f in
                          (statistics.median, min, max))
        yield f"| {name} | {span} | {len(took)} | `{words}` |"


def density(plat):
    done = subprocess.run(
        [sys.executable, os.path.join(TOP, "tests", "density.py"), "-n",
         str(SERVERS), "--plat", plat, "--figures"], text=True, check=False,
        stdout=subprocess.PIPE)
    lines = [line.removeprefix("# ") for line in done.stdout.splitlines()
             if line.startswith(("# ", "not ok"))]
    return f"{plat}:\n\n" + "\n".join(f"- {line}" for line in lines) + "\n"


def benches():
    done = subprocess.run([AZALEA, "bench", "--plat", "kvm", "-o", "json"] +
                          BENCHES, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def page(rounds):
    yield "## From exec to the first write\n"
    yield "\n".join(starts_table(starts(rounds))) + "\n"
    yield f"## {SERVERS} servers\n"
    yield from map(density, ("pico", "kvm"))
    for part in benchmarks.page([benches()], []):
        yield part


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--keep", action="store_true",
                        help="print, and leave the page as it is")
    parser.add_argument("-n", type=int, default=40, metavar="ROUNDS")
    args = parser.parse_args()
    text = "\n".join(page(args.n))
    if args.keep:
        print(text)
        return
    with open(PAGE, encoding="utf-8") as f:
        before, rest = f.read().split(BEGIN)
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(before + BEGIN + "\n" + text + "\n" + END +
                rest.split(END)[1])


if __name__ == "__main__":
    main()
