# SPDX-License-Identifier: MIT
"""
kvm.py - the suites `kvm` and `svm` of run.py: both kinds of KVM.

`kvm` runs what tests/kvm.list names for it with this machine's own /dev/kvm,
whichever kind that is, as run.py runs any test. `svm` boots a machine
(tools/machine --svm) and runs there what the list names for it, or, in the
suite `machine`, everything: this file is started again inside. How results
come back, and what is compared, is as in metal.py.
"""
import fcntl
import os
import subprocess
import sys
import time
import uuid

import metal
from metal import FULL, OUT, PYTHON, SLOW, TOP

LIST = os.path.join(TOP, "tests", "kvm.list")
DEVICE = "/dev/kvm"
GET_API_VERSION = 0xae00  # _IO(KVMIO, 0), <linux/kvm.h>
API_VERSION = 12
MODES = ["kvm-1"]
ALL_MODES = ["kvm-1", "kvm-2"]
CPUS = 2
LIMIT = 150 * SLOW  # of seconds for which it starts tests; see metal.py
# A vCPU's exit is a hundred times slower there than on a real CPU.
MACHINE_SLOW = 8


def listed(suite):
    """[(kind, name, [mode, ...]), ...] of the list's lines for a suite."""
    with open(LIST, encoding="utf-8") as f:
        lines = [line.split() for line in f
                 if line.strip() and not line.startswith("#")]
    return [(kind, name, modes or MODES)
            for whose, kind, name, *modes in lines if whose == suite]


# --- on this machine ---------------------------------------------------------
def unusable():
    """Why /dev/kvm cannot be used here, or ''."""
    try:
        with open(DEVICE, "rb+", buffering=0) as f:
            version = fcntl.ioctl(f, GET_API_VERSION)
    except OSError as e:
        return f"{DEVICE}: {e.strerror}"
    if version != API_VERSION:
        return f"{DEVICE}: its API is {version}, not {API_VERSION}"
    return ""


class Prefixed:
    """A report for a runner of this suite: names begin with it."""

    def __init__(self, report, prefix):
        self.report, self.prefix = report, prefix

    def add(self, name, *rest):
        self.report.add(self.prefix + name, *rest)


def tasks(report, make_runner):
    """What run.py has to do for `kvm`: a task for each line."""
    runner = make_runner(Prefixed(report, "kvm/"))
    chosen = [one for one in listed("kvm")
              if runner.wanted(f"kvm/{one[0]}/{one[1]}")]
    why = unusable()
    if why and chosen:
        report.add("kvm", "skip", why)
        return
    runner.filters = []
    guests = {task[1]: task for task in runner.guest_tasks()}
    programs = {task[1]: task for task in runner.program_tasks()}
    for kind, name, modes in chosen:
        label = f"{kind}/{name}"
        if kind == "guest":
            what, _, source, variant, _, found = guests[label]
            yield (what, label, source, variant, modes, found)
        else:
            yield programs[label] + (modes,)


# --- in a machine ------------------------------------------------------------
def machine_tasks(report, runner, full):
    """What run.py has to do for `svm`: one thing, or nothing."""
    chosen = [("guest", "", ALL_MODES), ("programs", "", ALL_MODES)] \
        if full else [one for one in listed("svm")
                      if runner.wanted(f"svm/{one[0]}/{one[1]}")]
    if chosen:
        yield (suite, "svm", report, runner, chosen, full)


def suite(_name, report, runner, chosen, full):
    """Run it, and add what comes back to the report."""
    done = metal.run([PYTHON, metal.MACHINE, "check"], capture_output=True)
    if done.returncode:
        why = done.stderr.strip().removeprefix("machine: ")
        report.add("svm", "skip", why)
        return
    filters = runner.filters
    runner.filters = []
    why = runner.compile_guests(
        [name for kind, name, _ in chosen if kind == "guest"])
    runner.filters = filters
    if why:
        report.add("svm/build", "not ok", why)
        return
    os.makedirs(OUT, exist_ok=True)
    results = os.path.join(OUT, uuid.uuid4().hex + ".json")
    limit = LIMIT * (FULL if full else 1)
    argv = [PYTHON, metal.MACHINE, "run", "--svm", "--check-log", "--cpus",
            str(CPUS), "--nodes", "1", "--timeout", str(limit + 240 * SLOW),
            "--env", f"TEST_SLOW={SLOW * MACHINE_SLOW}", "--", PYTHON,
            os.path.abspath(__file__), results, str(limit)] + \
        (["--full"] if full else []) + \
        [word for text in filters for word in ("-k", text)]
    start = time.monotonic()
    done = metal.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                     stderr=subprocess.STDOUT)
    count = metal.collect(report, results, "svm/")
    report.add("svm/machine", "not ok" if done.returncode else "ok",
               f"status {done.returncode}\n{done.stdout[-6000:]}",
               time.monotonic() - start)
    if not count and not done.returncode:
        report.add("svm/results", "not ok", "there are none")


def inside(argv):
    import run as tests  # pylint: disable=import-outside-toplevel
    results = metal.Results(argv[0])
    full = "--full" in argv
    filters = [argv[i + 1] for i, word in enumerate(argv) if word == "-k"]
    why = unusable()
    results.add("kvm", "not ok" if why else "ok", why)
    if why:
        return 0
    wanted = tests.Runner(results, filters).wanted
    runner = tests.Runner(results, filters if full else [])
    clock = metal.Clock(results, float(argv[1]))
    for kind, name, modes in \
            [("guest", "", ALL_MODES), ("programs", "", ALL_MODES)] \
            if full else listed("svm"):
        if full or wanted(f"svm/{kind}/{name}"):
            metal.compared(runner, clock, kind, name, modes)
    return 0


if __name__ == "__main__":
    sys.exit(inside(sys.argv[1:]))
