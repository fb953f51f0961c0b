# SPDX-License-Identifier: MIT
"""
metal.py - what the tests of metal share: they run as root in a machine that
can be lost (tools/machine), with azalea.ko in build/module.

    metal.py build      compile the programs beside this file, and stop

A test is a script that prints TAP; options make it longer (tests/metal.py). It leaves every CPU on-line and the module
unloaded.
"""
import errno
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
HERE = os.path.join(TOP, "tests", "module")
BUILD = os.path.join(TOP, "build", "tests", "module")
AZALEA = os.environ.get("AZALEA") or os.path.join(TOP, "build", "azalea")
MODULE = os.path.join(TOP, "build", "module", "azalea.ko")
CPU_DIR = "/sys/devices/system/cpu"
PROGRAMS = "device hostile neighbour steady victim".split()
# For a hang only: no test says how long something takes.
PATIENCE = 60 * float(os.environ.get("TEST_SLOW", "1"))

SPLAT = re.compile(
    r"WARNING: |BUG: |kernel BUG at|Oops|rcu: INFO|Kernel panic|"
    r"INFO: task .* blocked|unable to handle|soft lockup|hard LOCKUP|"
    r"general protection fault, |Bad page|bad page state|refcount_t:|"
    r"scheduling while atomic|list_(add|del) corruption|"
    r"azalea: .*(bug|stub died|does not answer)", re.I)


# --- the programs ------------------------------------------------------------
def program(name):
    return os.path.join(BUILD, name)


def build():
    """Compile what is older than its source. Best done before the boot."""
    os.makedirs(BUILD, exist_ok=True)
    headers = [os.path.join(TOP, "abi", f)
               for f in os.listdir(os.path.join(TOP, "abi"))]
    newest = max(os.path.getmtime(f) for f in headers)
    for name in PROGRAMS:
        source = os.path.join(HERE, name + ".c")
        target = program(name)
        if os.path.exists(target) and os.path.getmtime(target) > \
                max(newest, os.path.getmtime(source)):
            continue
        subprocess.run(
            ["gcc", "-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror",
             "-pthread", "-D_GNU_SOURCE", "-mfsgsbase", "-static",
             "-I" + os.path.join(TOP, "abi"), "-o", target, source],
            check=True)


# --- TAP ---------------------------------------------------------------------
class Tap:
    """Points are printed as they are made; done() is the exit status."""

    def __init__(self):
        self.count = self.bad = 0

    def ok(self, good, name, *details):
        self.count += 1
        if not good:
            self.bad += 1
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}")
        if not good:
            for detail in details:
                for line in str(detail).splitlines()[:40]:
                    print("# " + line)
        sys.stdout.flush()
        return good

    def equal(self, got, want, name):
        return self.ok(got == want, name, f"got {got!r}", f"not {want!r}")

    def say(self, text):
        print("# " + str(text), flush=True)

    def done(self):
        print(f"1..{self.count}", flush=True)
        return 1 if self.bad else 0


# --- Linux's side ------------------------------------------------------------
def cpu_list(text):
    """{2, 3, 4, 7} of '2-4,7'."""
    found = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def online():
    with open(f"{CPU_DIR}/online", encoding="ascii") as f:
        return cpu_list(f.read())


def present():
    with open(f"{CPU_DIR}/present", encoding="ascii") as f:
        return cpu_list(f.read())


def usable(cpu):
    """Does a program run there? This one, for a moment."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {cpu})
        return sum(range(1000)) == 499500 and os.sched_getaffinity(0) == {cpu}
    except OSError:
        return False
    finally:
        os.sched_setaffinity(0, before | {cpu})


class Log:
    """What Linux's kernel says from now on."""

    def __init__(self):
        # pylint: disable=consider-using-with
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.fd, 0, os.SEEK_END)

    def lines(self):
        found = []
        while True:
            try:
                record = os.read(self.fd, 8192).decode("utf-8", "replace")
            except BlockingIOError:
                return found
            except OSError as e:
                found.append(f"BUG: the kernel's log overran: {e}")
                continue
            found.append(record.split(";", 1)[-1].splitlines()[0])

    def splats(self):
        """What it complains of, with what follows."""
        lines = self.lines()
        for i, line in enumerate(lines):
            if SPLAT.search(line):
                return lines[i:i + 30]
        return []


def meminfo():
    with open("/proc/meminfo", encoding="ascii") as f:
        return {line.split(":")[0]: int(line.split()[1]) for line in f}


def in_use():
    """Memory that Linux has in use and could not give back; KiB."""
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
        f.write("3")
    m = meminfo()
    return m["MemTotal"] - m["MemFree"] - m["Cached"] - m["Buffers"] - \
        m["SReclaimable"]


def settle():
    """The least of some looks: RCU and work queues free things later."""
    least = in_use()
    for _ in range(5):
        time.sleep(0.2)
        least = min(least, in_use())
    return least


def vmstat(name):
    with open("/proc/vmstat", encoding="ascii") as f:
        for line in f:
            key, value = line.split()
            if key == name:
                return int(value)
    return None


# --- the module --------------------------------------------------------------
def loaded():
    return os.path.isdir("/sys/module/azalea")


def load():
    if not loaded():
        subprocess.run(["insmod", MODULE], check=True)


def unload():
    """'' or why not."""
    done = subprocess.run(["rmmod", "azalea"], check=False, text=True,
                          capture_output=True)
    return "" if done.returncode == 0 else done.stderr.strip() or "?"


# abi/metal.h; sizes are part of the numbers, so a stale one is ENOTTY.
STATES = "linux moving reserved running stuck".split()
INFO = [("cpu", "I"), ("state", "I"), ("uid", "I"), ("gid", "I"),
        ("pid", "i"), ("core", "I"), ("forced", "I"), ("package", "i"),
        ("package_core", "i"), ("pad", "I"), ("reserved_ns", "Q"),
        ("busy_ns", "Q"), ("instances", "Q"), ("interrupts", "Q"),
        ("kicks", "Q"), ("flushes", "Q"), ("timers", "Q"), ("nmis", "Q"),
        ("faults", "Q"), ("calls", "Q"), ("halts", "Q"), ("traps", "Q")]
INFO_FORMAT = "".join(kind for _, kind in INFO)
RESERVE_FORMAT = "IIIIQ"
NOBODY = 0xffffffff


def ioctl(number, form, *values):
    """The struct that comes back, as a tuple. OSError."""
    data = bytearray(struct.pack(form, *values))
    fd = os.open("/dev/azalea", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, 3 << 30 | len(data) << 16 | 0xa5 << 8 | number, data)
    finally:
        os.close(fd)
    return struct.unpack(form, data)


def reserve(cpu, uid=NOBODY):
    """Seconds that it took. OSError."""
    return ioctl(5, RESERVE_FORMAT, cpu, uid, NOBODY, 0, 0)[4] / 1e9


def release(cpu):
    return ioctl(6, RESERVE_FORMAT, cpu, 0, 0, 0, 0)[4] / 1e9


def error_of(call, *args):
    """The errno's name of a call, '' if it succeeds."""
    try:
        call(*args)
    except OSError as e:
        return errno.errorcode[e.errno]
    return ""


def info(cpu):
    """What AZM_INFO says, a dictionary."""
    got = ioctl(7, INFO_FORMAT, cpu, *[0] * (len(INFO) - 1))
    found = dict(zip([name for name, _ in INFO], got))
    found["state"] = STATES[found["state"]]
    return found


def states(which):
    return {cpu: info(cpu)["state"] for cpu in which}


def wait_states(which, state):
    """Wait until all of them are in it, for as long as there is hope."""
    end = time.monotonic() + PATIENCE
    while True:
        now = states(which)
        bad = {c: s for c, s in now.items() if s != state}
        if not bad or time.monotonic() > end:
            return bad
        time.sleep(0.05)


# --- instances ---------------------------------------------------------------
def run_argv(argv, cpuset=None, options=()):
    out = [AZALEA, "run", "--plat", "metal"]
    if cpuset is not None:
        out += ["--cpuset-cpus", ",".join(map(str, sorted(cpuset)))]
    return out + list(options) + ["--"] + list(argv)


def start(argv, cpuset=None, options=(), **more):
    """The owner of a new instance, in a session of its own."""
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("stdout", subprocess.DEVNULL)
    more.setdefault("stderr", subprocess.DEVNULL)
    return subprocess.Popen(run_argv(argv, cpuset, options),
                            start_new_session=True, **more)


def kill_session(proc):
    """SIGKILL to it and what it left behind; reaps it."""
    try:
        os.killpg(proc.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return proc.wait(PATIENCE)


def read_line(stream, patience=PATIENCE):
    """A line of an unbuffered pipe, or '' if none comes."""
    line = b""
    end = time.monotonic() + patience
    while not line.endswith(b"\n"):
        left = end - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            return ""
        byte = os.read(stream.fileno(), 1)
        if not byte:
            return ""
        line += byte
    return line.decode("utf-8", "replace").strip()


class Neighbour:
    """An instance that computes all the time, and must go on being right."""

    def __init__(self, cpu):
        self.proc = start([program("neighbour")], {cpu},
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, bufsize=0)

    def problem(self):
        """'' if it computed something right since the question."""
        try:
            self.proc.stdin.write(b"?\n")
        except BrokenPipeError:
            pass
        said = read_line(self.proc.stdout)
        if said.endswith(" right"):
            return ""
        if self.proc.poll() is not None:
            said += f" status {self.proc.returncode}: " + \
                self.proc.stderr.read().decode("utf-8", "replace")
        return f"the neighbour says '{said}'"

    def stop(self):
        self.proc.stdin.close()
        return self.proc.wait(PATIENCE)


def run_parts(tap, log, parts, only, before=lambda name: None):
    """Run those of parts (name: function) that only names, or all; and end."""
    for name, test in parts.items():
        if only and name not in only:
            continue
        before(name)
        tap.say(name)
        test()
        tap.equal(log.splats(), [], "Linux says nothing of it")
    tap.equal(unload(), "", "the module goes")
    tap.equal(online(), present(), "all CPUs are on-line")
    return tap.done()


def need_machine(cpus_wanted):
    """End with a skip or a failure if this is no place for such tests."""
    why = ""
    if os.geteuid() != 0:
        why = "needs root"
    elif not os.path.exists("/run/machine-agent"):
        why = "runs in the test machine only (tools/machine)"
    elif len(online()) < cpus_wanted:
        why = f"needs {cpus_wanted} CPUs"
    if why:
        print(f"1..0 # SKIP {why}")
        sys.exit(0)
    if not os.path.exists(MODULE):
        print(f"Bail out! {MODULE} is missing: make module")
        sys.exit(1)
    # Not in the machine, where it takes long, unless nobody has before.
    if not all(os.path.exists(program(name)) for name in PROGRAMS):
        build()


if __name__ == "__main__":
    if sys.argv[1:] != ["build"]:
        sys.exit("usage: metal.py build")
    build()
