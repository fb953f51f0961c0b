#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""terminal.py (EXPECT KEYS)... -- COMMAND... - run a command on a terminal

For each pair waits until the terminal shows EXPECT, then types KEYS, in which
\\xNN and the like are understood; KEYS may also be a word in angle brackets:
<size ROWS COLUMNS>, <hangup>, <stopped> (wait until the command is stopped,
then continue it). Prints what the terminal showed, and at the end the command's
status as a shell shows it. The last EXPECT may stand alone.

The command is a job of a session leader, as under a shell; a session leader
itself would not be stopped by the terminal.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

LIMIT = 60  # seconds; only a hang takes that long


def lead(command, report, go_on):
    """The session leader: one job in the foreground, reported on to a pipe."""
    for sig in signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, \
            signal.SIGTTOU:
        signal.signal(sig, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        for sig in signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, \
                signal.SIGTSTP, signal.SIGTTOU:
            signal.signal(sig, signal.SIG_DFL)
        os.execvp(command[0], command)
    signal.signal(signal.SIGHUP, lambda *_: os.killpg(job, signal.SIGHUP))
    while True:
        status = os.waitpid(job, os.WUNTRACED)[1]
        os.write(report, struct.pack("i", status))
        if not os.WIFSTOPPED(status):
            os._exit(0)
        os.read(go_on, 1)
        os.killpg(job, signal.SIGCONT)


class Terminal:
    def __init__(self, command):
        self.seen = ""
        self.open = True
        self.deadline = time.monotonic() + LIMIT
        self.reports, report = os.pipe()
        go_on, self.go_on = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self.resize(24, 80, 0)
            lead(command, report, go_on)
        os.close(report)

    def resize(self, rows, columns, fd=None):
        fcntl.ioctl(self.fd if fd is None else fd, termios.TIOCSWINSZ,
                    struct.pack("4H", rows, columns, 0, 0))

    def read(self):
        """What comes within a moment."""
        if time.monotonic() > self.deadline:
            if self.open:
                os.close(self.fd)
            sys.exit("terminal.py: hangs; the terminal shows: " + repr(self.seen))
        if not self.open:
            time.sleep(0.05)
            return
        if not select.select([self.fd], [], [], 0.05)[0]:
            return
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            data = b""
        self.open = bool(data)
        self.seen += data.decode(errors="replace")

    def expect(self, text):
        start = 0
        while (start := self.seen.find(text)) < 0:
            if not self.open:
                sys.exit("terminal.py: ended without " + repr(text) + ": " +
                         repr(self.seen))
            self.read()
        # What was found once is not found again.
        print(self.seen[:start + len(text)], end="")
        self.seen = self.seen[start + len(text):]

    def wait_status(self):
        while not select.select([self.reports], [], [], 0)[0]:
            self.read()
        status = os.read(self.reports, 4)
        return struct.unpack("i", status)[0] if status else None

    def wait_stopped(self):
        if not os.WIFSTOPPED(self.wait_status()):
            sys.exit("terminal.py: ended instead of stopping")
        print("<stopped>", end="")
        os.write(self.go_on, b"x")

    def type(self, keys):
        match = re.fullmatch(r"<(\w+)((?: \d+)*)>", keys)
        if not match:
            os.write(self.fd,
                     keys.encode().decode("unicode_escape").encode())
        elif match[1] == "size":
            self.resize(*(int(n) for n in match[2].split()))
        elif match[1] == "stopped":
            self.wait_stopped()
        elif match[1] == "hangup":
            os.close(self.fd)
            self.open = False

    def finish(self):
        status = self.wait_status()
        os.waitpid(self.pid, 0)
        if status is None:
            sys.exit("terminal.py: the job did not end")
        while self.open and select.select([self.fd], [], [], 0)[0]:
            self.read()
        code = os.waitstatus_to_exitcode(status)
        print(self.seen + f"\n<status {128 - code if code < 0 else code}>")


def main():
    split = sys.argv.index("--")
    steps, command = sys.argv[1:split], sys.argv[split + 1:]
    terminal = Terminal(command)
    for i, word in enumerate(steps):
        if i % 2:
            terminal.type(word)
        else:
            terminal.expect(word)
    terminal.finish()


if __name__ == "__main__":
    main()
