#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""benchmarks.py - put the figures of a run into docs/benchmarks.md.

    azalea bench -o json all >FILE; tools/benchmarks.py FILE docs/benchmarks.md

What stands between the two markers of the page is replaced: a table of the
targets, then one of everything that was measured, then the machine.
"""

import json
import sys

BEGIN = "<!-- begin: written by tools/benchmarks.py -->\n"
END = "<!-- end -->\n"
STEPS = [("ns", 1000), ("us", 1000), ("ms", 1000), ("s", None)]
BOUNDS = {"faster": "{}× faster", "at_most": "at most {}",
          "above": "at most {} above Linux"}


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def quantity(value, unit):
    """1234567 ns as 1.23 ms; other units as they are."""
    steps = iter(STEPS)
    if unit in ("ns", "us", "ms"):
        name, factor = next(steps)
        while name != unit:
            name, factor = next(steps)
        while factor and value >= factor:
            value /= factor
            name, factor = next(steps)
        unit = name
    return f"{number(value)} {unit}"


def target_text(target, unit):
    value = target["value"]
    if target["bound"] == "faster":
        return "no slower" if value < 1 else \
            BOUNDS["faster"].format(number(value))
    return BOUNDS[target["bound"]].format(quantity(value, unit))


def ratio_text(row):
    return f"{number(row['ratio'])}×" if row["ratio"] else ""


def row_text(bench, row):
    """Of both tables: what, Linux, Azalea, ratio."""
    name = f"{bench['name']}/{row['name']}"
    if "skipped" in row:
        return f"| {name} | | | not measured: {row['skipped']} |"
    sides = [quantity(side["median"], row["unit"])
             for side in (row.get("linux") or row["base"], row["azalea"])]
    return f"| {name} | {sides[0]} | {sides[1]} | {ratio_text(row)} |"


def targets_table(benches):
    yield "| bench | Linux | Azalea | ratio | target | |"
    yield "|---|---|---|---|---|---|"
    for bench in benches:
        for row in bench["results"]:
            if row["targets"]:
                texts = " and ".join(target_text(t, row["unit"])
                                     for t in row["targets"])
                met = all(t["met"] for t in row["targets"])
                yield f"{row_text(bench, row)} {texts} | " + \
                    ("met |" if met else "**missed** |")


def all_table(benches):
    yield "| bench | Linux | Azalea | ratio | Linux p99 | Azalea p99 |"
    yield "|---|---|---|---|---|---|"
    for bench in benches:
        for row in bench["results"]:
            if "linux" in row and "overhead_percent" not in row["linux"]:
                p99 = [quantity(row[side]["p99"], row["unit"])
                       for side in ("linux", "azalea")]
                yield f"{row_text(bench, row)} {p99[0]} | {p99[1]} |"


def noise_table(benches):
    yield "| noise | | least | median | most | overhead | kurtosis |"
    yield "|---|---|---|---|---|---|---|"
    for bench in benches:
        for row in bench["results"]:
            for side in ("linux", "azalea"):
                s = row.get(side, {})
                if "overhead_percent" in s:
                    span = " | ".join(quantity(s[k], row["unit"])
                                      for k in ("min", "median", "max"))
                    yield f"| {bench['name']} | {side.capitalize()} | " \
                        f"{span} | {s['overhead_percent']:.3f} % | " \
                        f"{number(s['kurtosis'])} |"


def page(result):
    benches = result["benches"]
    for title, table in (("Targets", targets_table), ("Noise", noise_table),
                         ("Everything", all_table)):
        lines = list(table(benches))
        if len(lines) > 2:
            yield f"## {title}\n"
            yield "\n".join(lines) + "\n"
        if len(lines) > 2 and title == "Noise":
            yield "![FWQ, FTQ and Hourglass, side by side](noise.svg)\n"
    yield "## The machine\n"
    yield "\n".join(f"- {key}: {value}"
                    for key, value in result["machine"].items()) + "\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as f:
        result = json.load(f)
    with open(sys.argv[2], encoding="utf-8") as f:
        before, rest = f.read().split(BEGIN)
    after = rest.split(END)[1]
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        f.write(before + BEGIN + "\n" + "\n".join(page(result)) + "\n" + END +
                after)


if __name__ == "__main__":
    main()
