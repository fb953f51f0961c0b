# SPDX-License-Identifier: MIT
"""
metal.py - the suite `metal` of run.py: what needs a machine to lose.

It boots one machine (tools/machine), loads the module, reserves cores, and
runs there what tests/metal.list names, or everything: this file is started
again inside, as a program. Results come back as lines of JSON in
build/machine/out, one as soon as it is known: a machine that dies in the
middle costs only what comes after. Everything is compiled before the boot.
"""
import json
import os
import subprocess
import sys
import time
import uuid

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIST = os.path.join(TOP, "tests", "metal.list")
SCRIPTS = os.path.join(TOP, "tests", "module")
MACHINE = os.path.join(TOP, "tools", "machine")
MODULE = os.path.join(TOP, "build", "module", "azalea.ko")
OUT = os.path.join(TOP, "build", "machine", "out")
AZALEA = os.path.join(TOP, "build", "azalea")
PYTHON = "/usr/bin/python3"  # is in the machine, too
SLOW = float(os.environ.get("TEST_SLOW", "1"))
MACHINE_SLOW = 4  # how much slower than here a test may be inside
# For how many seconds it starts tests, and how much longer for all of them. A
# test that hangs ends earlier: it has a limit of its own.
LIMIT = 300 * SLOW
FULL = 24
MODES = {"guest": ["metal-1"], "programs": ["metal-1"]}
ALL_MODES = ["metal-1", "metal-2"]
CORES = "2-7"
SCRIPT_LIMIT = 600  # of one of module: 200 cycles take long
# A library that the scripts share.
NOT_TESTS = {"metal.py"}
MORE = {"cycles.py": ["--cycles", "200"], "attacks.py": ["--seeds", "5"],
        "device.py": ["--seeds", "10", "--calls", "2000", "--churn", "1000"],
        "steady.py": ["--seconds", "60"]}


def listed():
    """[(suite, name, [argument or mode, ...]), ...] of tests/metal.list."""
    with open(LIST, encoding="utf-8") as f:
        lines = [line.split() for line in f
                 if line.strip() and not line.startswith("#")]
    return [(kind, name, more or MODES.get(kind, []))
            for kind, name, *more in lines]


def everything():
    """All of guest and programs, and of module with its own defaults."""
    scripts = sorted(f for f in os.listdir(SCRIPTS) if f.endswith(".py")) \
        if os.path.isdir(SCRIPTS) else []
    return [("module", f, MORE.get(f, [])) for f in scripts
            if f not in NOT_TESTS] + \
        [("guest", "", []), ("programs", "", [])]


def run(argv, **how):
    return subprocess.run(argv, cwd=TOP, text=True, errors="replace",
                          check=False, **how)


# --- outside -----------------------------------------------------------------
def why_not():
    """Why this cannot be done here, or ''."""
    done = run([PYTHON, MACHINE, "check"], capture_output=True)
    if done.returncode:
        return done.stderr.strip().removeprefix("machine: ")
    version = done.stdout.split()[-1]
    if not os.path.exists(f"/lib/modules/{version}/build/Makefile"):
        return f"no headers of Linux {version}"
    return ""


def prepare(chosen):
    """Compile what will run inside. '' or an error."""
    version = run([PYTHON, MACHINE, "check"],
                  capture_output=True).stdout.split()[-1]
    done = run(["make", "-s", "module", f"KDIR=/lib/modules/{version}/build"],
               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        return "make module:\n" + done.stdout
    library = os.path.join(SCRIPTS, "metal.py")
    if os.path.exists(library) and any(c[0] == "module" for c in chosen):
        done = run([PYTHON, library, "build"], stdout=subprocess.PIPE,
                   stderr=subprocess.STDOUT)
        if done.returncode:
            return "tests/module:\n" + done.stdout
    return ""


def tasks(report, runner, full):
    """What run.py has to do for this suite: one thing, or nothing."""
    chosen = everything() if full else [
        one for one in listed()
        if runner.wanted(f"{one[0]}/{one[1]}")]
    if chosen:
        yield (suite, "metal", report, runner, chosen, full)


def suite(_name, report, runner, chosen, full):
    """Run it, and add what comes back to the report."""
    why = why_not()
    if why:
        report.add("metal", "skip", why)
        return
    why = prepare(chosen) or runner.compile_guests(
        [name for kind, name, _ in chosen if kind == "guest"])
    if why:
        report.add("metal/build", "not ok", why)
        return
    os.makedirs(OUT, exist_ok=True)
    results = os.path.join(OUT, uuid.uuid4().hex + ".json")
    limit = LIMIT * (FULL if full else 1)
    argv = [PYTHON, MACHINE, "run", "--check-log",
            "--timeout", str(limit + 240 * SLOW),
            "--env", f"TEST_SLOW={SLOW * MACHINE_SLOW}", "--", PYTHON,
            os.path.abspath(__file__), results, str(limit)] + \
        (["--full"] if full else []) + \
        [word for text in runner.filters for word in ("-k", text)]
    start = time.monotonic()
    done = run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
               stderr=subprocess.STDOUT)
    count = collect(report, results)
    said = done.stdout[-6000:]
    report.add("metal/machine", "not ok" if done.returncode else "ok",
               f"status {done.returncode}\n{said}",
               time.monotonic() - start)
    if not count and not done.returncode:
        report.add("metal/results", "not ok", "there are none")


def collect(report, path, prefix="metal/"):
    """What came back, into the report; how many results it was."""
    count = 0
    try:
        with open(path, encoding="utf-8") as f:
            for line in f:
                one = json.loads(line)
                report.add(prefix + one["name"], one["result"],
                           one["detail"], one["seconds"])
                count += 1
        os.unlink(path)
    except OSError:
        pass
    return count


# --- inside ------------------------------------------------------------------
class Results:
    """
    Stands in for run.py's Report: writes down what that will be told. What the
    emulated machine itself fails (SSE exceptions, narrow times) without azalea
    cannot be judged there, unless both do the same.
    """

    def __init__(self, path):
        # pylint: disable=consider-using-with
        self.file = open(path, "a", encoding="utf-8", buffering=1)
        self.unjudged = set()

    def add(self, name, result, detail="", seconds=0.0):
        label, _, how = name.rpartition(":")
        if result == "not ok" and how == "native":
            self.unjudged.add(label)
        if result == "not ok" and label in self.unjudged:
            first = " ".join(detail.split())[:100]
            result = "skip"
            detail = f"this machine fails it without azalea: {first}"
        self.file.write(json.dumps({"name": name, "result": result,
                                    "detail": detail[:20000],
                                    "seconds": seconds}) + "\n")


def online():
    with open("/sys/devices/system/cpu/online", encoding="ascii") as f:
        return f.read().strip()


def step(results, name, argv):
    """A command that must succeed; does it?"""
    done = run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    results.add("metal/" + name, "not ok" if done.returncode else "ok",
                f"{argv}: {done.returncode}\n{done.stdout}")
    return done.returncode == 0


class Clock:
    """What it runs before this is over; it starts nothing after."""

    def __init__(self, results, seconds):
        self.results = results
        self.end = time.monotonic() + seconds

    def over(self, name):
        if time.monotonic() < self.end:
            return False
        self.results.add(name, "skip", "no time is left in the machine: "
                         "make test-machine runs everything")
        return True


def compared(runner, clock, kind, name, modes):
    """One of guest or programs, or all; one after another."""
    tasks = runner.guest_tasks if kind == "guest" else runner.program_tasks
    for task in tasks():
        if name not in ("", task[1].partition("/")[2]) or clock.over(task[1]):
            continue
        if kind == "guest":
            runner.guest(*task[1:4], modes or ALL_MODES, task[5])
        else:
            runner.program(*task[1:3], modes or ALL_MODES)


def on_metal(results, runner, clock, chosen):
    """All that runs on reserved cores."""
    before = online()
    if not chosen or not step(results, "load", ["insmod", MODULE]):
        return
    if step(results, "reserve", [AZALEA, "cores", "reserve", CORES]):
        for one in chosen:
            compared(runner, clock, *one)
        step(results, "release", [AZALEA, "cores", "release", "all"])
    step(results, "unload", ["rmmod", "azalea"])
    after = online()
    results.add("metal/on-line", "ok" if before == after else "not ok",
                f"before: {before}, after: {after}")


def script(runner, clock, execute, name, args):
    """One of module: prints TAP; loads the module itself."""
    label = f"module/{name}"
    if runner.wanted(label) and not clock.over(label):
        argv = [PYTHON, os.path.join(SCRIPTS, name)] + args
        runner.add_tap(label, execute(argv, "/tmp", dict(os.environ),
                                      SCRIPT_LIMIT * SLOW))


def inside(argv):
    import run as tests  # pylint: disable=import-outside-toplevel
    results = Results(argv[0])
    full = "--full" in argv
    chosen = everything() if full else listed()
    filters = [argv[i + 1] for i, word in enumerate(argv) if word == "-k"]
    runner = tests.Runner(results, filters)
    # Each part has its share, however long the other takes.
    clock = Clock(results, float(argv[1]) * 0.6)
    for kind, name, args in chosen:
        if kind == "module":
            script(runner, clock, tests.execute, name, args)
    clock = Clock(results, float(argv[1]) * 0.4)
    on_metal(results, runner, clock,
             [one for one in chosen if one[0] != "module"])
    return 0


if __name__ == "__main__":
    sys.exit(inside(sys.argv[1:]))
