#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""offload.py - what does a call cost that Linux serves for the unikernel?"""

import sys

from harness import Bench, Missing, calls

# umask is Linux's cheapest call that is not local; the others use a
# descriptor, which costs more in any process that has a second thread.
OPERATIONS = ["umask", "lseek", "read-zero", "pread-4k", "write-null"]
# Way to Linux, how the program calls, allowed ns above Linux.
WAYS = [("direct", "entry", 60), ("ring", "entry", 200),
        ("direct", "syscall", None), ("ring", "syscall", None)]


def main():
    bench = Bench("What does a call cost that Linux serves, above the same"
                  " call on Linux?", rounds=10)
    for way, mode, target in WAYS:
        how = "" if mode == "entry" else ", trapped"
        try:
            linux, azalea = calls(bench, mode, OPERATIONS,
                                  ["--offload", way])
        except Missing as why:
            bench.skip(f"{way}{how}", why)
            continue
        for operation in OPERATIONS:
            bench.row(f"{operation} {way}{how}", "ns", linux[operation],
                      azalea[operation], target, "difference")
    return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
