#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""local.py - what does a call cost that the unikernel serves itself?"""

import sys

from harness import Bench, Missing, calls

OPERATIONS = ["getpid", "sigmask", "futex-wake", "yield", "clock", "mmap-64k",
              "signal", "pingpong", "thread"]


def main():
    bench = Bench("What does a call cost that the unikernel serves itself?",
                  rounds=10)
    for mode, how in (("entry", ""), ("syscall", ", trapped")):
        try:
            linux, azalea = calls(bench, mode, OPERATIONS, [])
        except Missing as why:
            bench.skip("all" + how, why)
            continue
        for operation in OPERATIONS:
            bench.row(operation + how, "ns", linux[operation],
                      azalea[operation])
    return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
