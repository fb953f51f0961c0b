#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
density.py - many instances of a small server at once.

    density.py [-n COUNT] [--plat PLATFORM] [--figures]

Starts COUNT instances of busybox's httpd in one go and asks: do all answer,
each its own file; does idling cost nothing; what does each hold beyond what
the program alone does; is all gone after `azalea stop`? TAP; --figures adds
what was measured, and the same of plain Linux.
"""
import argparse
import concurrent.futures
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
AZALEA = os.environ.get("AZALEA") or os.path.join(TOP, "build", "azalea")
PORT = 8080
MOST = 4 << 20  # bytes that an instance may hold beyond its program's
IDLE_SECONDS = 2


class Tap:
    def __init__(self):
        self.count = self.bad = 0

    def point(self, good, what, why=""):
        self.count += 1
        self.bad += not good
        print(f"{'' if good else 'not '}ok {self.count} - {what}")
        for line in [] if good else str(why).splitlines():
            print("# " + line)
        sys.stdout.flush()


def meminfo(key="MemAvailable"):
    """A line of /proc/meminfo, in bytes."""
    with open("/proc/meminfo", encoding="ascii") as f:
        for line in f:
            if line.startswith(key + ":"):
                return int(line.split()[1]) << 10
    raise KeyError(key)


def cpu_seconds(pid):
    """Of all threads; clock_getcpuclockid(3) makes such a number."""
    return time.clock_gettime((~pid << 3) | 2)


def private_bytes(pid):
    total = 0
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            if line.startswith("Private_"):
                total += int(line.split()[1]) << 10
    return total


class Servers:
    """The directory that each serves, and where each listens."""

    def __init__(self, folder, count):
        self.count = count
        self.net = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}"
        self.run_id = f"density-{os.getpid()}"
        self.folders = []
        for i in range(count):
            path = os.path.join(folder, str(i))
            os.mkdir(path)
            with open(path + "/name", "w", encoding="ascii") as f:
                f.write(f"this is {i}\n")
            self.folders.append(path)

    def name(self, i):
        return f"{self.run_id}-{i}"

    def names(self):
        return [self.name(i) for i in range(self.count)]

    def address(self, i):
        return f"{self.net}.{i + 1}:{PORT}"

    def argv(self, i):
        return ["busybox", "httpd", "-f", "-p", self.address(i), "-h",
                self.folders[i]]

    def answer(self, i):
        """What it says; an exception if that is not its own."""
        last = None
        for _ in range(600):
            try:
                with urllib.request.urlopen(
                        f"http://{self.address(i)}/name", timeout=60) as f:
                    said = f.read().decode()
                if said != f"this is {i}\n":
                    raise ValueError(f"{i} said {said!r}")
                return said
            except urllib.error.URLError as e:
                last = e
                time.sleep(0.1)
        raise last

    def ask_all(self):
        """Why it is not so that all answer, or ''."""
        wrong = []
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for i, answer in enumerate([pool.submit(self.answer, i)
                                        for i in range(self.count)]):
                if answer.exception():
                    wrong.append(f"{i}: {answer.exception()}")
        return "\n".join(wrong)


def settled(pids):
    """Wait until nobody has work left of its start."""
    for _ in range(100):
        before = sum(map(cpu_seconds, pids))
        time.sleep(0.3)
        if sum(map(cpu_seconds, pids)) - before < 0.001:
            return


def natively(servers):
    """The same on plain Linux: (bytes of the machine, private bytes), each."""
    before = meminfo()
    procs = [subprocess.Popen(servers.argv(i), stdin=subprocess.DEVNULL)
             for i in range(servers.count)]
    try:
        why = servers.ask_all()
        if why:
            raise RuntimeError("natively: " + why)
        private = sum(private_bytes(p.pid) for p in procs)
        return (before - meminfo()) / servers.count, private / servers.count
    finally:
        for p in procs:
            p.kill()
            p.wait()


def start_all(servers, plat):
    """Seconds that it took, and '' or what went wrong."""
    begin = time.monotonic()
    procs = [subprocess.Popen(
        [AZALEA, "run", "-d", "--rm", "--cpus", "1", "-m", "64M",
         "--plat", plat, "--name", servers.name(i), "--"] + servers.argv(i),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True) for i in range(servers.count)]
    wrong = [err for err in (p.communicate()[1] for p in procs) if err]
    wrong += [f"status {p.returncode}" for p in procs if p.returncode]
    return time.monotonic() - begin, "\n".join(wrong)


def listed(servers):
    """What `azalea ps` says of ours: {name: description}."""
    done = subprocess.run([AZALEA, "ps", "-a", "-o", "json"], text=True,
                          stdout=subprocess.PIPE, check=True)
    ours = set(servers.names())
    return {one["name"]: one for one in json.loads(done.stdout)
            if one["name"] in ours}


def stop_all(servers):
    begin = time.monotonic()
    done = subprocess.run([AZALEA, "stop"] + servers.names(), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    return (time.monotonic() - begin,
            "" if done.returncode == 0 else done.stdout)


def left_behind(servers):
    """Processes and listening sockets of ours."""
    left = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if servers.net.encode() + b"." in f.read():
                    left.append(f"process {pid}")
        except OSError:
            pass
    return left


def mib(n):
    return f"{n / (1 << 20):.2f} MiB"


def measured(tap, servers, plat, own, say):
    """Start, ask, measure."""
    before = meminfo()
    seconds, why = start_all(servers, plat)
    tap.point(not why, f"{servers.count} start in one go", why)
    why = servers.ask_all()
    tap.point(not why, "each answers, and with its own file", why)
    there = listed(servers)
    tap.point(len(there) == servers.count and
              all(one["state"] == "running" for one in there.values()),
              "azalea ps knows all of them", there)
    pids = [one["pid"] for one in there.values()]
    settled(pids)
    held = [one["owner"]["private_bytes"]
            for one in listed(servers).values()]
    tap.point(held and max(held) - own <= MOST, "none holds more than "
              f"{mib(MOST)} beyond its program's own",
              f"the most is {mib(max(held))}, the program's {mib(own)}")
    each = (before - meminfo()) / servers.count
    used = sum(map(cpu_seconds, pids))
    time.sleep(IDLE_SECONDS)
    used = sum(map(cpu_seconds, pids)) - used
    share = 100 * used / IDLE_SECONDS / servers.count
    tap.point(share < 0.1, "while idle they use no processor time",
              f"{share:.3f} % each")
    used = [one["owner"]["cpu_ns"] for one in listed(servers).values()]
    say(f"started in {seconds:.2f} s, {1000 * seconds / servers.count:.1f} ms "
        f"each; {sum(used) / 1e6 / servers.count:.1f} ms of processor time "
        "each so far")
    say(f"each: {mib(each)} of the machine's memory, private "
        f"{mib(sum(held) / len(held))} (most {mib(max(held))}), "
        f"idle {share:.3f} % of a CPU")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=40)
    parser.add_argument("--plat", default="auto")
    parser.add_argument("--figures", action="store_true")
    args = parser.parse_args()
    tap = Tap()

    def say(line):
        if args.figures:
            print("# " + line, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(folder, args.n)
        linux, own = natively(servers)
        say(f"plain Linux: {mib(linux)} of the machine's memory each, "
            f"private {mib(own)}")
        try:
            measured(tap, servers, args.plat, own, say)
            seconds, why = stop_all(servers)
            say(f"stopped in {seconds:.2f} s")
            tap.point(not why, "azalea stop ends all", why)
        finally:
            subprocess.run([AZALEA, "rm", "-f"] + servers.names(), check=False,
                           stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        left = left_behind(servers) + list(listed(servers))
        tap.point(not left, "and nothing is left", "\n".join(left))
    print(f"1..{tap.count}")
    return 1 if tap.bad else 0


if __name__ == "__main__":
    sys.exit(main())
