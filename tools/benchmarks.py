#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""benchmarks.py - put the figures of runs into a page of docs/.

    azalea bench -o json all >FILE
    tools/benchmarks.py [--picture NAME]... docs/benchmarks.md FILE...

What stands between the two markers of the page is replaced: a table of the
targets, then one of everything that was measured, then the machine of the first
run. The pictures lie beside the page.
"""

import argparse
import json

BEGIN = "<!-- begin: written by tools/benchmarks.py -->\n"
END = "<!-- end -->\n"
STEPS = [("ns", 1000), ("us", 1000), ("ms", 1000), ("s", None)]
COUNTS = [("insns", 1000), ("kinsns", 1000), ("Minsns", None)]
EVEN = 5e-4  # no interrupt takes as little of a quantum
PARTS = ("user", "unikernel", "linux", "stub")
BOUNDS = {"faster": "{}× faster", "at_most": "at most {}",
          "above": "at most {} above Linux"}


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def quantity(value, unit):
    """1234567 ns as 1.23 ms; other units as they are."""
    steps = iter(COUNTS if unit.endswith("insns") else STEPS)
    if unit in ("ns", "us", "ms", "insns", "kinsns"):
        name, factor = next(steps)
        while name != unit:
            name, factor = next(steps)
        while factor and value >= factor:
            value /= factor
            name, factor = next(steps)
        unit = name
    if unit.endswith("insns"):
        return f"{value:.5g} {unit}"  # they are exact
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
            if row["targets"] and not row["unit"].endswith("insns"):
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
            if "linux" in row and not is_noise(row):
                p99 = [quantity(row[side]["p99"], row["unit"])
                       for side in ("linux", "azalea")]
                yield f"{row_text(bench, row)} {p99[0]} | {p99[1]} |"


def split_table(benches):
    """What the middle values are made of."""
    yield "| bench | | all | of that |"
    yield "|---|---|---|---|"
    for bench in benches:
        for row in bench["results"]:
            for side in ("linux", "azalea"):
                text = ", ".join(split(row.get(side, {}), row["unit"]))
                if text:
                    yield f"| {bench['name']}/{row['name']} | " \
                        f"{side.capitalize()} | " \
                        f"{quantity(row[side]['median'], row['unit'])} | " \
                        f"{text} |"


def split(side, unit):
    for key, text in (("offline_ms", "core 0: CPU off-line"),
                      ("enter_ms", "entered")):
        if side.get(key):
            yield f"{text} {quantity(side[key], unit)}"
    if "rest_ms" in side:
        yield f"then {quantity(side['rest_ms']['median'], unit)} to the end"
    if "busiest" in side:
        yield f"busiest CPU {quantity(side['busiest']['median'], unit)}"
    for part in PARTS if "parts" in side else ():
        if side["parts"][part]:
            yield f"{part} {quantity(side['parts'][part], unit)}"


def is_noise(row):
    return "overhead_percent" in row.get("linux", {})


def clean(side, work):
    """How many quanta are as good as the best, within 0.05 %: % of them."""
    values = [value for _, value in side["samples"]]
    best = max(values) if work else min(values)
    even = sum(abs(value - best) <= EVEN * best for value in values)
    return 100 * even / len(values)


def foreign(side):
    """How much of a quantum of work was not the program's, in the mean."""
    values = [value for _, value in side["samples"]]
    best = min(values)
    return sum(value - best for value in values
               if value - best > EVEN * best) / len(values)


def noise_row(name, side, s, unit):
    span = " | ".join(quantity(s[k], unit) for k in ("min", "median", "max"))
    even = f"{clean(s, unit == 'units'):.1f} %" \
        if s["n"] and name != "hourglass" else ""
    lost = quantity(foreign(s), unit) if name == "fwq" else ""
    return f"| {name} | {side.capitalize()} | {span} | " \
        f"{s['overhead_percent']:.3f} % | {even} | {lost} | {s['n']} | " \
        f"{number(s['kurtosis'])} |"


def noise_table(benches):
    yield "| noise | | least | median | most | overhead | undisturbed | " \
        "lost a quantum | n | kurtosis |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for bench in benches:
        for row in bench["results"]:
            for side in ("linux", "azalea"):
                if "overhead_percent" in row.get(side, {}):
                    yield noise_row(bench["name"], side, row[side],
                                    row["unit"])


def page(results, pictures):
    benches = [bench for result in results for bench in result["benches"]]
    for title, table in (("Targets", targets_table), ("Noise", noise_table),
                         ("Everything", all_table), ("Split", split_table)):
        lines = list(table(benches))
        if len(lines) > 2:
            yield f"## {title}\n"
            yield "\n".join(lines) + "\n"
    if pictures:
        yield "## Pictures\n"
    for name in pictures:
        yield f"![{name.rsplit('.', 1)[0]}, Linux and Azalea]({name})\n"
    yield "## The machine\n"
    yield "\n".join(f"- {key}: {value}"
                    for key, value in results[0]["machine"].items()) + "\n"


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--picture", action="append", default=[])
    parser.add_argument("page")
    parser.add_argument("file", nargs="+")
    args = parser.parse_args()
    text = "\n".join(page([load(path) for path in args.file], args.picture))
    with open(args.page, encoding="utf-8") as f:
        before, rest = f.read().split(BEGIN)
    after = rest.split(END)[1]
    with open(args.page, "w", encoding="utf-8") as f:
        f.write(before + BEGIN + "\n" + text + "\n" + END + after)


if __name__ == "__main__":
    main()
