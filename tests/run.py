#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
run.py - run the tests and say in one last line how many passed.

    tests/run.py [-j N] [-k TEXT]... [-m MODE,...] [-v] [SUITE...]

Suites: unit guest programs kvm e2e fuzz metal (default: these), svm, machine.

unit      tests/unit/*_test.c, hosted, under ASan and UBSan; TAP
guest     tests/guest/*.c: Linux programs, run natively and under Azalea
programs  tests/programs/*.sh: unmodified programs, likewise
kvm       what tests/kvm.list names, on this machine's /dev/kvm: see kvm.py
e2e       tests/e2e/*.bats: the command line
fuzz      tests/fuzz/*_fuzz.c: 20 seconds each
svm       what tests/kvm.list names for hardware's KVM, in a machine of its own
metal     what tests/metal.list names, in a machine of its own: see metal.py
machine   the last two with all of guest, programs and tests/module; hours

A guest test or program passes under Azalea if stdout, stderr and status are
what they are natively. Directives stand at the head of a source, one a line,
as `// word: value`, `/* word: value */` or `# word: value`:

    run: ARGS          arguments; each such line is a case of its own
    env: K=V ...       added to the environment
    variants: ...      of static pie nopie musl bare barepie cxx
    modes: ...         of those in MODES; all for the first variant, the
                       first for the others
    azalea: OPTIONS    further options of `azalea run`
    azalea-only: yes   there is nothing to compare with
    status: any        natively it may fail or die; no TAP is asked for
    stderr: ignore     stderr is not compared
    ignore: SIG        a signal ignored from the start (block: likewise)
    needs: PROGRAM...  skipped without these
    cflags: ...        ldlibs: ...  for the compiler
    links: FILE...     further sources (guest, unit, fuzz)
    timeout: SECONDS   default 120; only ever a hang is meant; multiplied by
                       $TEST_SLOW on a slow machine

What cannot be done on this machine is skipped, with the reason.
"""
import argparse
import concurrent.futures
import difflib
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import kvm
import metal

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build", "tests")
AZALEA = os.environ.get("AZALEA") or os.path.join(TOP, "build", "azalea")
SUITES = ["unit", "guest", "programs", "kvm", "e2e", "fuzz", "metal"]
MORE_SUITES = ["svm", "machine"]
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "20"))

MODES = {
    "auto": [],
    "auto-1": ["--cpus", "1"],
    "direct-1": ["--offload", "direct", "--cpus", "1"],
    "direct-2": ["--offload", "direct", "--cpus", "2"],
    "ring-1": ["--offload", "ring", "--cpus", "1"],
    "ring-2": ["--offload", "ring", "--cpus", "2"],
    "kvm-1": ["--plat", "kvm", "--cpus", "1"],
    "kvm-2": ["--plat", "kvm", "--cpus", "2"],
    "metal-1": ["--plat", "metal", "--cpus", "1"],
    "metal-2": ["--plat", "metal", "--cpus", "2"],
}
FIRST_MODES = "direct-2 ring-2 direct-1 ring-1"
OTHER_MODES = "auto"
PROGRAM_MODES = "auto-1 auto ring-2"

GUEST_FLAGS = ("-std=gnu11 -O2 -g -Wall -Wextra -Werror -pthread "
               "-Wno-missing-field-initializers "
               "-D_GNU_SOURCE -fno-omit-frame-pointer").split()
BARE = "-nostdlib -ffreestanding -fno-stack-protector".split()
VARIANTS = {
    "pie": ["gcc", "-fPIE", "-pie"],
    "static": ["gcc", "-static"],
    "nopie": ["gcc", "-no-pie", "-fno-pie"],
    "musl": ["musl-gcc", "-static", "-idirafter", "/usr/include",
             "-idirafter", "/usr/include/x86_64-linux-gnu"],
    "bare": ["gcc", "-static", "-no-pie"] + BARE,
    "barepie": ["gcc", "-static-pie", "-fPIE"] + BARE,
    "cxx": ["g++", "-fPIE", "-pie"],
}
ALL_VARIANTS = "pie static nopie musl"
SANITIZE = "-fsanitize=address,undefined -fno-sanitize-recover=all".split()

RUN_ID = uuid.uuid4().hex
RUN_DIR = os.path.join(BUILD, "run-" + RUN_ID)
ENDING = threading.Event()  # set by a signal: start nothing more
KEYS = ("run env variants modes azalea azalea-only status stderr ignore block "
        "needs cflags ldlibs links timeout").split()
DIRECTIVE = re.compile(
    r"^(?://|/\*|#)\s*(" + "|".join(KEYS) + r"):[ \t]*(.*?)\s*(?:\*/)?$")


def directives(path):
    """The directives of a source: {word: [value, ...]}."""
    found = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            m = DIRECTIVE.match(line.rstrip("\n"))
            if m:
                found.setdefault(m.group(1), []).append(m.group(2))
    return found


def words(found, key, default=""):
    return shlex.split(" ".join(found.get(key, [default])))


def time_limit(found, default):
    return float(found.get("timeout", [default])[0]) * \
        float(os.environ.get("TEST_SLOW", "1"))


class Report:
    """Counts results and prints what is worth reading. Thread-safe."""

    def __init__(self, verbose):
        self.verbose = verbose
        self.lock = threading.Lock()
        self.counts = {"ok": 0, "not ok": 0, "skip": 0}
        self.skips = {}
        self.failures = []
        self.last = time.monotonic()

    def add(self, name, result, detail="", seconds=0.0):
        with self.lock:
            self.counts[result] += 1
            if result == "not ok":
                self.failures.append(name)
                print(f"not ok {name}")
                for line in detail.splitlines()[:60]:
                    print("    " + line)
            elif result == "skip":
                self.skips.setdefault(detail, []).append(name)
            elif self.verbose:
                print(f"ok {name} ({seconds:.1f} s)")
            if time.monotonic() - self.last > 15:
                self.last = time.monotonic()
                print(f"... {self.counts['ok']} passed so far", flush=True)
            sys.stdout.flush()

    def finish(self):
        for reason, names in sorted(self.skips.items()):
            print(f"skipped {len(names)}: {reason} ({names[0]}"
                  + (", ..." if len(names) > 1 else "") + ")")
        if self.failures:
            print("failed: " + " ".join(sorted(self.failures)))
        print("%d passed, %d failed, %d skipped" % (
            self.counts["ok"], self.counts["not ok"], self.counts["skip"]))
        return 1 if self.counts["not ok"] else 0


def base_env(scratch):
    env = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": scratch,
        "TMPDIR": scratch,
        "LC_ALL": "C",
        "TERM": "dumb",
        "AZALEA_RUN_DIR": RUN_DIR,
        "AZALEA_TEST_ID": RUN_ID,
    }
    for key in ("AZALEA_DEPS", "http_proxy", "https_proxy"):
        if key in os.environ:
            env[key] = os.environ[key]
    return env


def hang_report(pid):
    """Where the threads of a hanging process are, for the reader."""
    out = []
    for task in sorted(os.listdir(f"/proc/{pid}/task"))[:40]:
        fields = []
        for name in ("comm", "wchan", "syscall"):
            try:
                with open(f"/proc/{pid}/task/{task}/{name}") as f:
                    fields.append(f.read().strip())
            except OSError:
                fields.append("?")
        try:
            with open(f"/proc/{pid}/task/{task}/stat") as f:
                fields.append(f.read().rsplit(")", 1)[1].split()[0])
        except OSError:
            pass
        out.append(f"thread {task}: " + " ".join(fields))
    return "\n".join(out)


class Outcome:
    def __init__(self, status, out, err, seconds, hang=""):
        self.status, self.out, self.err = status, out, err
        self.seconds, self.hang = seconds, hang


def execute(argv, scratch, env, timeout):
    """Run argv in a session of its own; at a time-out kill that session."""
    if ENDING.is_set():
        return Outcome(-signal.SIGTERM, b"", b"", 0)
    start = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        proc = subprocess.Popen(argv, cwd=scratch, env=env, stdout=out,
                                stderr=err, stdin=subprocess.DEVNULL,
                                start_new_session=True)
        hang = ""
        try:
            proc.wait(timeout)
        except subprocess.TimeoutExpired:
            try:
                hang = f"no end after {timeout} s\n" + hang_report(proc.pid)
            except OSError as e:
                hang = f"no end after {timeout} s ({e})"
        finally:
            # The group outlives its leader if something was left behind.
            try:
                os.killpg(proc.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            proc.wait()
        out.seek(0)
        err.seek(0)
        return Outcome(proc.returncode, out.read(), err.read(),
                       time.monotonic() - start, hang)


def status_text(status):
    if status < 0:
        try:
            return "signal " + signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"
    return f"exit {status}"


def text(data):
    return data.decode("utf-8", "replace")


def compare(native, other, with_stderr):
    """What differs, as text; empty if nothing does."""
    problems = []
    if other.hang:
        problems.append(other.hang)
    elif native.status != other.status:
        problems.append(f"status: {status_text(other.status)}, natively "
                        f"{status_text(native.status)}")
    streams = [("stdout", native.out, other.out)]
    if with_stderr:
        streams.append(("stderr", native.err, other.err))
    for name, a, b in streams:
        if a != b:
            diff = difflib.unified_diff(
                text(a).splitlines(), text(b).splitlines(),
                f"{name} natively", f"{name} under azalea", n=0, lineterm="")
            problems += list(diff)[:40]
    if problems and not with_stderr or other.hang:
        problems += ["stderr: " + line
                     for line in text(other.err).splitlines()[:10]]
    return "\n".join(problems)


def self_check(outcome, tap):
    """Is this run good by itself? For native runs and azalea-only tests."""
    if outcome.hang:
        return outcome.hang
    if not tap:
        return ""
    bad = [line for line in text(outcome.out).splitlines()
           if line.startswith(("not ok", "Bail out", "#"))]
    if outcome.status != 0 or any(x.startswith("not ok") for x in bad):
        return "\n".join([status_text(outcome.status)] + bad[:30] +
                         text(outcome.err).splitlines()[:10])
    if not re.search(r"^1\.\.\d+$", text(outcome.out), re.M):
        return "no plan: it did not get to its end"
    return ""


class Scratch:
    """A directory of its own for one run; said so if not left empty."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="azt-", dir=BUILD)
        return self.path

    def __exit__(self, *exc):
        shutil.rmtree(self.path, ignore_errors=True)


def compile_to(target, argv, sources):
    """Compile if a source or a header beside it is newer. '' or an error."""
    inputs = list(sources) + [os.path.abspath(__file__)]
    for source in sources:
        folder = os.path.dirname(source)
        inputs += [os.path.join(folder, f) for f in os.listdir(folder)
                   if f.endswith(".h")]
    newest = max(os.path.getmtime(f) for f in inputs)
    if os.path.exists(target) and os.path.getmtime(target) > newest:
        return ""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    # Under a name of its own: another run may build the same thing.
    new = f"{target}.{RUN_ID}"
    done = subprocess.run(argv + ["-o", new], cwd=TOP, text=True,
                          env={**os.environ, "AZALEA_TEST_ID": RUN_ID},
                          capture_output=True)
    if done.returncode:
        return shlex.join(argv) + "\n" + done.stderr
    os.rename(new, target)
    return ""


def missing_program(names):
    for name in names:
        if not shutil.which(name, path="/usr/local/bin:/usr/sbin:/usr/bin:"
                                       "/sbin:/bin:/usr/local/sbin:/usr/games"):
            return f"{name} is not installed"
    return ""


def mode_missing(mode):
    if mode.endswith("-2") and len(os.sched_getaffinity(0)) < 2:
        return "needs two CPUs"
    return ""


class Runner:
    def __init__(self, report, filters, modes=None):
        self.report = report
        self.filters = filters
        self.modes = modes  # instead of those that a test names

    def wanted(self, name):
        return not self.filters or any(f in name for f in self.filters)

    # --- guest -------------------------------------------------------------
    def guest_tasks(self):
        folder = os.path.join(TOP, "tests", "guest")
        for file in sorted(os.listdir(folder)):
            stem, ext = os.path.splitext(file)
            if ext not in (".c", ".cc"):
                continue
            source = os.path.join(folder, file)
            found = directives(source)
            variants = words(found, "variants", ALL_VARIANTS if ext == ".c"
                             else "cxx")
            for i, variant in enumerate(variants):
                modes = words(found, "modes", FIRST_MODES)
                if i > 0:
                    modes = modes[:1] if "modes" in found \
                        else OTHER_MODES.split()
                name = f"guest/{stem}.{variant}"
                modes = self.modes or modes
                if self.wanted(name):
                    yield (self.guest, name, source, variant, modes, found)

    @staticmethod
    def compile_guest(target, source, variant, found):
        compiler = VARIANTS[variant]
        flags = [f for f in GUEST_FLAGS
                 if compiler[0] != "g++" or f != "-std=gnu11"]
        sources = [source] + [os.path.join(TOP, f)
                              for f in words(found, "links")]
        return compile_to(target, compiler + flags + words(found, "cflags") +
                          sources + words(found, "ldlibs"), sources)

    def compile_guests(self, names):
        """Those of guest that are named, '' for all. '' or errors."""
        errors = []
        for _, name, source, variant, _, found in self.guest_tasks():
            wanted = {"", name.removeprefix("guest/")} & set(names)
            needs = [VARIANTS[variant][0]] + words(found, "needs")
            if wanted and not missing_program(needs):
                errors.append(self.compile_guest(
                    os.path.join(BUILD, name), source, variant, found))
        return "\n".join(filter(None, errors))

    def guest(self, name, source, variant, modes, found):
        compiler = VARIANTS[variant]
        why = missing_program([compiler[0]] + words(found, "needs"))
        if why:
            return self.report.add(name, "skip", why)
        target = os.path.join(BUILD, name)
        error = self.compile_guest(target, source, variant, found)
        if error:
            return self.report.add(name, "not ok", error)
        for case in found.get("run", [""]):
            label = f"{name}({case})" if case else name
            self.guest_case(label, target, shlex.split(case), modes, found)

    def guest_case(self, label, program, args, modes, found):
        tap = "status" not in found
        only = "azalea-only" in found
        native = None
        if not only:
            native = self.run_guest(program, args, None, found)
            why = self_check(native, tap)
            self.report.add(label + ":native", "not ok" if why else "ok", why,
                            native.seconds)
        for mode in modes:
            why = mode_missing(mode)
            if why:
                self.report.add(f"{label}:{mode}", "skip", why)
                continue
            got = self.run_guest(program, args, mode, found)
            why = self_check(got, tap) if only else \
                compare(native, got, "stderr" not in found)
            self.report.add(f"{label}:{mode}", "not ok" if why else "ok", why,
                            got.seconds)

    def run_guest(self, program, args, mode, found):
        argv = [program] + args
        if mode is not None:
            argv = [AZALEA, "run"] + MODES[mode] + words(found, "azalea") + \
                ["--"] + argv
        for key in ("ignore", "block"):
            if key in found:
                argv = ["env", f"--{key}-signal=" + found[key][0]] + argv
        with Scratch() as scratch:
            env = base_env(scratch)
            env.update(kv.split("=", 1) for kv in words(found, "env"))
            return execute(argv, scratch, env,
                           time_limit(found, 120))

    # --- programs ----------------------------------------------------------
    def program_tasks(self):
        folder = os.path.join(TOP, "tests", "programs")
        for file in sorted(os.listdir(folder)) \
                if os.path.isdir(folder) else []:
            if file.endswith(".sh") and self.wanted("programs/" + file[:-3]):
                yield (self.program, "programs/" + file[:-3],
                       os.path.join(folder, file))

    def program(self, name, script, modes=None):
        found = directives(script)
        why = missing_program(words(found, "needs"))
        if why:
            return self.report.add(name, "skip", why)
        native = self.run_program(script, [], found)
        why = native.hang
        if not why and native.status:
            why = status_text(native.status) + "\n" + text(native.err)
        if not why and not native.out:
            why = "no output: this test compares nothing"
        self.report.add(name + ":native", "not ok" if why else "ok", why,
                        native.seconds)
        for mode in modes or self.modes or \
                words(found, "modes", PROGRAM_MODES):
            why = mode_missing(mode)
            if why:
                self.report.add(f"{name}:{mode}", "skip", why)
                continue
            run = [AZALEA, "run"] + MODES[mode] + words(found, "azalea") + \
                ["--"]
            got = self.run_program(script, run, found)
            why = compare(native, got, "stderr" not in found)
            self.report.add(f"{name}:{mode}", "not ok" if why else "ok", why,
                            got.seconds)

    def run_program(self, script, run, found):
        with Scratch() as scratch:
            env = base_env(scratch)
            env.update(kv.split("=", 1) for kv in words(found, "env"))
            env["RUN"] = shlex.join(run)
            env["TESTS"] = os.path.dirname(script)
            env["CACHE"] = os.path.join(BUILD, "programs")
            os.makedirs(env["CACHE"], exist_ok=True)
            return execute(["sh", "-eu", script], scratch, env,
                           time_limit(found, 240))

    # --- unit, e2e, fuzz ---------------------------------------------------
    def add_tap(self, name, outcome):
        """Count each point of a TAP stream as a test of its own."""
        lines = text(outcome.out).splitlines()
        points = bad = 0
        plan = None
        for i, line in enumerate(lines):
            m = re.match(r"(not )?ok\b *(\d*) *-? *(.*)", line)
            if re.match(r"1\.\.\d+", line):
                plan = int(line[3:].split()[0])
            if not m:
                continue
            points += 1
            label = f"{name}: {m.group(3) or m.group(2)}"
            skip = re.search(r"# *skip:? *(.*)", m.group(3), re.I)
            if skip:
                self.report.add(label, "skip", skip.group(1) or "no reason")
            elif m.group(1):
                bad += 1
                more = []
                for follow in lines[i + 1:]:
                    if not follow.startswith("#"):
                        break
                    more.append(follow)
                self.report.add(label, "not ok", "\n".join(more))
            else:
                self.report.add(label, "ok")
        end = outcome.hang
        if not end and plan != points:
            end = f"planned {plan}, ran {points}"
        if not end and outcome.status and not bad:
            end = status_text(outcome.status)
        if end:
            self.report.add(name, "not ok", end + "\n" +
                            text(outcome.err)[-3000:])

    def unit_tasks(self):
        folder = os.path.join(TOP, "tests", "unit")
        for file in sorted(os.listdir(folder)):
            if file.endswith("_test.c") and self.wanted("unit/" + file[:-2]):
                yield (self.unit, "unit/" + file[:-2],
                       os.path.join(folder, file))

    def unit(self, name, source):
        found = directives(source)
        sources = [source] + [os.path.join(TOP, f)
                              for f in words(found, "links")]
        target = os.path.join(BUILD, name)
        error = compile_to(
            target, ["gcc", "-std=gnu11", "-O1", "-g", "-D_GNU_SOURCE",
                     "-Wall", "-Wextra", "-Ikernel", "-Iabi", "-Ihost",
                     "-Ibuild/gen"] + SANITIZE + words(found, "cflags") +
            sources + words(found, "ldlibs"), sources)
        if error:
            return self.report.add(name, "not ok", error)
        with Scratch() as scratch:
            env = base_env(scratch)
            env["ASAN_OPTIONS"] = "detect_leaks=1:abort_on_error=0"
            self.add_tap(name, execute(
                [target], scratch, env, time_limit(found, 120)))

    def e2e_tasks(self):
        folder = os.path.join(TOP, "tests", "e2e")
        for file in sorted(os.listdir(folder)):
            if file.endswith(".bats") and self.wanted("e2e/" + file[:-5]):
                yield (self.e2e, "e2e/" + file[:-5],
                       os.path.join(folder, file))

    def e2e(self, name, script):
        why = missing_program(["bats"])
        if why:
            return self.report.add(name, "skip", why)
        with Scratch() as scratch:
            env = base_env(scratch)
            env["AZALEA"] = AZALEA
            env["TOP"] = TOP
            self.add_tap(name, execute(["bats", "--tap", script], scratch,
                                       env, 600))

    def fuzz_tasks(self):
        folder = os.path.join(TOP, "tests", "fuzz")
        for file in sorted(os.listdir(folder)):
            if file.endswith("_fuzz.c") and self.wanted("fuzz/" + file[:-2]):
                yield (self.fuzz, "fuzz/" + file[:-2],
                       os.path.join(folder, file))

    def fuzz(self, name, source):
        why = missing_program(["clang"])
        if why:
            return self.report.add(name, "skip", why)
        found = directives(source)
        sources = [source] + [os.path.join(TOP, f)
                              for f in words(found, "links")]
        target = os.path.join(BUILD, name)
        error = compile_to(
            target, ["clang", "-std=gnu11", "-O1", "-g", "-D_GNU_SOURCE",
                     "-fsanitize=fuzzer", "-Ikernel", "-Iabi", "-Ihost",
                     "-Ibuild/gen"] + SANITIZE + words(found, "cflags") +
            sources + words(found, "ldlibs"), sources)
        if error:
            return self.report.add(name, "not ok", error)
        corpus = os.path.join(BUILD, name + ".corpus")
        seeds = os.path.join(os.path.dirname(source), "corpus",
                             os.path.basename(name))
        os.makedirs(corpus, exist_ok=True)
        argv = [target, f"-max_total_time={FUZZ_SECONDS}", "-rss_limit_mb=2048",
                "-timeout=10", "-print_final_stats=1",
                f"-artifact_prefix={corpus}-", corpus]
        if os.path.isdir(seeds):
            argv.append(seeds)
        got = execute(argv, BUILD, base_env(BUILD), FUZZ_SECONDS * 3 + 120)
        why = got.hang
        if not why and got.status:
            why = status_text(got.status) + "\n" + text(got.err)[-3000:]
        runs = re.search(rb"number_of_executed_units: (\d+)", got.err)
        if not why and (not runs or int(runs.group(1)) < 100):
            why = "hardly ran: " + text(got.err)[-500:]
        self.report.add(name, "not ok" if why else "ok", why, got.seconds)


def ours_left():
    """Processes that still carry this run's mark."""
    left = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                if f"AZALEA_TEST_ID={RUN_ID}".encode() not in f.read():
                    continue
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                left.append((int(pid), text(f.read().replace(b"\0", b" "))))
        except OSError:
            continue
    return left


def on_signal(number, _frame):
    """End, and with us all that we have started."""
    ENDING.set()
    for _ in range(20):  # a thread may just be starting another
        for pid, _cmd in ours_left():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
        if not ours_left():
            break
    shutil.rmtree(RUN_DIR, ignore_errors=True)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def check_leftovers(report):
    """Nothing of ours may run on, and the run directory must be empty."""
    for _ in range(20):
        left = ours_left()
        if not left:
            break
        time.sleep(0.25)
    report.add("leftover/processes", "not ok" if left else "ok",
               "\n".join(f"{pid} {cmd}" for pid, cmd in left))
    for pid, _ in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    files = [os.path.join(d, f) for d, _, fs in os.walk(RUN_DIR) for f in fs]
    report.add("leftover/run-dir", "not ok" if files else "ok",
               "\n".join(files))
    shutil.rmtree(RUN_DIR, ignore_errors=True)
    with open("/proc/net/unix") as f:
        names = [line for line in f if f"@azalea/{os.getuid()}/" in line]
    # Another person's instances are not ours to complain about.
    report.add("leftover/sockets", "ok" if not names else "skip",
               "" if not names else "other instances run on this machine")


def main():
    parser = argparse.ArgumentParser(
        description="Run the tests. See the head of this file.")
    parser.add_argument("suites", nargs="*", metavar="SUITE",
                        help=" ".join(SUITES + MORE_SUITES))
    parser.add_argument("-j", "--jobs", type=int,
                        default=len(os.sched_getaffinity(0)))
    parser.add_argument("-k", action="append", default=[], metavar="TEXT",
                        help="only tests with TEXT in their name")
    parser.add_argument("-m", "--modes", metavar="MODE,...",
                        help="of guest and programs: " + " ".join(MODES))
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    suites = args.suites or SUITES
    for suite in suites:
        if suite not in SUITES + MORE_SUITES:
            parser.error(f"no suite '{suite}'; there are: "
                         f"{' '.join(SUITES + MORE_SUITES)}")
    if not os.access(AZALEA, os.X_OK) and set(suites) - {"unit", "fuzz"}:
        sys.exit(f"run.py: {AZALEA} is missing: run `make` first")
    os.makedirs(BUILD, exist_ok=True)
    report = Report(args.verbose)
    modes = args.modes.split(",") if args.modes else None
    for mode in modes or []:
        if mode not in MODES:
            parser.error(f"no mode '{mode}'; there are: {' '.join(MODES)}")
    runner = Runner(report, args.k, modes)
    makers = {"unit": runner.unit_tasks, "guest": runner.guest_tasks,
              "programs": runner.program_tasks, "e2e": runner.e2e_tasks,
              "fuzz": runner.fuzz_tasks,
              "kvm": lambda: kvm.tasks(
                  report, lambda to: Runner(to, args.k)),
              "svm": lambda: kvm.machine_tasks(report, runner, full=False),
              "metal": lambda: metal.tasks(report, runner, full=False),
              "machine": lambda: itertools.chain(
                  kvm.machine_tasks(report, runner, full=True),
                  metal.tasks(report, runner, full=True))}
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    os.environ["AZALEA_TEST_ID"] = RUN_ID  # of what metal.py starts, too
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for suite in suites:
            print(f"== {suite}", flush=True)
            futures = {pool.submit(task[0], *task[1:]): task[1]
                       for task in makers[suite]()}
            for future in concurrent.futures.as_completed(futures):
                if future.exception():
                    report.add(futures[future], "not ok",
                               repr(future.exception()))
    check_leftovers(report)
    print(f"{time.monotonic() - start:.0f} s")
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
