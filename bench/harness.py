# SPDX-License-Identifier: MIT
"""harness.py - what the benches share: options, samples, tables, JSON.

A bench is a script with one question. It makes a Bench, gathers samples of
the same work on Linux and under Azalea by turns, reports each comparison with
row(), and ends with finish(). Every bench takes the same options.
"""

import argparse
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build")


def median(samples):
    return statistics.median(samples)


def percentile(samples, share):
    """The smallest sample that at least that share of them do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def read(path, default=""):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read().strip()
    except OSError:
        return default


def machine():
    """What must be equal for two results to be comparable."""
    model = re.search(r"model name\s*: (.*)", read("/proc/cpuinfo"))
    thp = re.search(r"\[(\w+)\]", read(
        "/sys/kernel/mm/transparent_hugepage/enabled"))
    total = re.search(r"MemTotal:\s*(\d+)", read("/proc/meminfo"))
    version = subprocess.run(
        ["git", "-C", TOP, "describe", "--always", "--dirty"],
        capture_output=True, text=True, check=False).stdout.strip()
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mib": int(total.group(1)) // 1024 if total else 0,
        "linux": platform.release(),
        "virtual": "hypervisor" in read("/proc/cpuinfo"),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/"
                         "scaling_governor", "none"),
        "big_pages": thp.group(1) if thp else "none",
        "azalea": version or read(os.path.join(TOP, "VERSION")),
        "load": os.getloadavg()[0],
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


class Missing(Exception):
    """This machine or this build cannot answer; the text says why."""


class Bench:
    """One bench: its options, its rows, its report."""

    def __init__(self, question, rounds):
        self.name = os.path.basename(sys.argv[0]).removesuffix(".py")
        self.question = question
        parser = argparse.ArgumentParser(description=question)
        parser.add_argument("-n", "--rounds", type=int, default=rounds,
                            help="repeats of each (default: %(default)s)")
        parser.add_argument("-o", "--output", choices=["text", "json"],
                            default="text",
                            help="json: with all raw samples")
        parser.add_argument("--azalea",
                            default=os.path.join(BUILD, "azalea"),
                            help="the binary to measure")
        parser.add_argument("--check", action="store_true",
                            help="exit with 1 if a target is missed")
        self.options = parser.parse_args()
        self.rounds = self.options.rounds
        self.azalea = self.options.azalea
        self.rows = []
        if not os.access(self.azalea, os.X_OK):
            sys.exit(f"{self.name}: {self.azalea} is not there: run make")
        if self.options.output == "text":
            print(f"{self.name}: {question}")

    def tool(self, name):
        """A program that make bench has built."""
        path = os.path.join(BUILD, "bench", name)
        if not os.access(path, os.X_OK):
            sys.exit(f"{self.name}: {path} is not there: run make bench-build")
        return path

    def under(self, *options):
        """The front of a command line that runs the rest under Azalea."""
        return [self.azalea, "run", *options, "--"]

    def progress(self, text):
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def alternate(self, commands, rounds=None, warmups=2):
        """Run the commands by turns; for each a list of sample dicts."""
        rounds = rounds or self.rounds
        line = [self.tool("alternate"), "-n", str(rounds), "-w", str(warmups)]
        for command in commands:
            line += [":::", *command]
        line.remove(":::")
        samples = [[] for _ in commands]
        with subprocess.Popen(line, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            for text in process.stdout:
                at, turn, wall, user, system, rss = map(int, text.split())
                samples[at].append({"wall_ns": wall, "user_us": user,
                                    "system_us": system, "rss_kib": rss})
                self.progress(f"{turn + 1} of {rounds}")
            errors = process.stderr.read()
        self.progress("")
        if process.returncode:
            raise Missing("a command failed: " + errors.strip())
        return samples

    def row(self, name, unit, linux, azalea, target=None, what="ratio"):
        """Report one comparison.

        linux may be None: then there is nothing to compare with. target is
        the largest allowed value of what: the "ratio" or the "difference" of
        the medians, or the median itself ("azalea").
        """
        row = {"name": name, "unit": unit, "linux": self.summary(linux),
               "azalea": self.summary(azalea), "target": target, "what": what}
        if linux:
            if median(linux):
                row["ratio"] = median(azalea) / median(linux)
            row["difference"] = median(azalea) - median(linux)
        if target is not None:
            value = row["azalea"]["median"] if what == "azalea" else row[what]
            row["met"] = value <= target
        self.rows.append(row)
        if self.options.output == "text":
            self.print_row(row)

    def skip(self, name, why):
        self.rows.append({"name": name, "skipped": str(why)})
        if self.options.output == "text":
            print(f"  {name:<30} not measured: {why}")

    @staticmethod
    def summary(samples):
        if not samples:
            return None
        return {"median": median(samples), "p99": percentile(samples, 0.99),
                "n": len(samples), "samples": samples}

    def print_row(self, row):
        if len([r for r in self.rows if "unit" in r]) == 1:
            print(f"  {'':<30} {'Linux':>10} {'p99':>10} {'Azalea':>10} "
                  f"{'p99':>10} {'n':>6} {'ratio':>7}  target")
        linux, azalea = row["linux"], row["azalea"]
        text = f"  {row['name'] + ', ' + row['unit']:<30}"
        for side in (linux, azalea):
            if side:
                text += f" {side['median']:>10.4g} {side['p99']:>10.4g}"
            else:
                text += f" {'-':>10} {'-':>10}"
        text += f" {azalea['n']:>6}"
        text += f" {row['ratio']:>7.3f}" if "ratio" in row else f" {'-':>7}"
        if row["target"] is not None:
            bound = {"ratio": "ratio <= {:g}", "difference": "<= Linux + {:g}",
                     "azalea": "<= {:g}"}[row["what"]]
            text += "  " + bound.format(row["target"])
            text += ": met" if row["met"] else ": MISSED"
        print(text)

    def finish(self):
        """Print what is left to print; the exit status."""
        fingerprint = machine()
        if self.options.output == "json":
            json.dump({"bench": self.name, "question": self.question,
                       "machine": fingerprint, "results": self.rows},
                      sys.stdout, indent=1)
            print()
        else:
            print("  on " + ", ".join(f"{k} {v}"
                                      for k, v in fingerprint.items()))
        missed = [r for r in self.rows if r.get("met") is False]
        failed = [r for r in self.rows if "skipped" in r]
        return 1 if self.options.check and (missed or failed) else 0


def last_cpu():
    """The processor to measure on: the first ones serve interrupts."""
    return str(max(os.sched_getaffinity(0)))


def calls(bench, mode, operations, options):
    """Run calls.c by turns; (Linux, Azalea): lists of ns by operation."""
    tool = bench.tool("calls")
    sides = ({name: [] for name in operations},
             {name: [] for name in operations})
    cpu = last_cpu()
    commands = (["taskset", "-c", cpu, tool, "syscall"],
                bench.under("--cpuset-cpus", cpu, *options) + [tool, mode])
    for turn in range(bench.rounds):
        bench.progress(f"{turn + 1} of {bench.rounds}")
        for side, command in zip(sides, commands):
            result = subprocess.run([*command, "20", *operations], text=True,
                                    capture_output=True, check=False)
            if result.returncode:
                bench.progress("")
                raise Missing("the program has no __azalea_syscall"
                              if result.returncode == 77 else
                              f"exit status {result.returncode}: " +
                              result.stderr.strip())
            for line in result.stdout.splitlines():
                name, took = line.split()
                side[name].append(float(took))
    bench.progress("")
    return sides
