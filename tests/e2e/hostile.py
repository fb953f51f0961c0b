#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
hostile.py - make attacks in virtual machines, beside an instance that must not
notice.

    hostile.py AZALEA PROGRAM ATTACK...

PROGRAM is tests/module/hostile.c. Each attack has a second, or as long as it
takes if it ends by itself and has something to say; then it is shot. What it
asks of Linux by chance it does not ask as root, and under a policy.
"""
import os
import signal
import subprocess
import sys

# A limit for hangs, not for speed.
PATIENCE = 60
LENGTH = 1
MUST_END = {"host_owner", "unknown_calls", "lose_frame"}
POLICY = [f"--deny={name}" for name in
          ("signal", "files-write", "files-attr", "ipc")]


def nobody():
    """As root: who else may use /dev/kvm."""
    if os.getuid():
        return {}
    return {"user": 65534, "group": os.stat("/dev/kvm").st_gid,
            "extra_groups": []}


def group_alive(pgid):
    """Is a process of the group left, other than one that has ended?"""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == pgid and fields[0] not in "ZX":
            return True
    return False


def attack(azalea, program, name):
    """What is wrong with the end of one attack, or None."""
    with subprocess.Popen(
            [azalea, "run", "--plat", "kvm", *POLICY, program, name, "1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
            **nobody()) as proc:
        begun = proc.stdout.readline()
        try:
            proc.wait(PATIENCE if name in MUST_END else LENGTH)
        except subprocess.TimeoutExpired:
            if name in MUST_END:
                return "does not end"
        finally:
            # Its children, too: they are of its session.
            for _ in range(100):
                if not group_alive(proc.pid):
                    break
                os.killpg(proc.pid, signal.SIGKILL)
                try:
                    proc.wait(0.1)
                except subprocess.TimeoutExpired:
                    pass
        if group_alive(proc.pid):
            return "outlives SIGKILL"
        said = proc.stdout.read().decode("utf-8", "replace")
        if begun != b"begun\n":
            return f"has not begun: {begun!r} {said[:500]}"
        if "REACHED" in said or proc.wait() in (2, 3, 4):
            return f"status {proc.returncode}: {said[:500]}"
    return None


def main():
    azalea, program, *names = sys.argv[1:]
    bad = 0
    with subprocess.Popen([azalea, "run", "--plat", "kvm", "--cpus", "1",
                           "cat"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as neighbour:
        for name in names:
            why = attack(azalea, program, name)
            neighbour.stdin.write(name.encode() + b"\n")
            neighbour.stdin.flush()
            answer = neighbour.stdout.readline().decode().strip()
            if answer != name:
                why = f"its neighbour says {answer!r}"
            if why:
                print(f"{name}: {why}")
                bad += 1
        neighbour.stdin.close()
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
