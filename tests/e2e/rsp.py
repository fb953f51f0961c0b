#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""rsp.py PATH - speak gdb's protocol to a program that loops, and kill it."""
import socket
import sys


class Gdb:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(60)
        self.s.connect(path)
        self.buf = b""

    def byte(self):
        if not self.buf:
            self.buf = self.s.recv(4096)
            if not self.buf:
                raise EOFError
        c, self.buf = self.buf[:1], self.buf[1:]
        return c

    def raw(self, data):
        self.s.sendall(data)

    def send(self, text):
        data = text.encode()
        self.raw(b"$%s#%02x" % (data, sum(data) % 256))
        assert self.byte() == b"+", "no acknowledgement"

    def reply(self):
        assert self.byte() == b"$"
        data = b""
        while (c := self.byte()) != b"#":
            data += c
        digits = self.byte() + self.byte()
        assert int(digits, 16) == sum(data) % 256, "checksum"
        try:
            self.raw(b"+")
        except BrokenPipeError:
            pass  # that was its last word
        return data.decode()

    def ask(self, text):
        self.send(text)
        return self.reply()


def main():
    gdb = Gdb(sys.argv[1])
    assert gdb.ask("?").startswith("T05thread:")
    # A wrong checksum is refused, and the packet can come again.
    gdb.raw(b"$?#00")
    assert gdb.byte() == b"-"
    assert gdb.ask("?").startswith("T05thread:")
    for text in ("yyy", "vNothing", "qNothing", "", "Z9,0,0", "\x01"):
        assert gdb.ask(text) == "", text
    for text in ("m", "mfffffffffffffff0,8", "m0,10", "p", "pfff", "P0",
                 "P0=zz", "M0,4:zz", "Z0,", "X0,ffffffff:", "vCont;q",
                 "Hg12345", "T12345", "qXfer:auxv:read::",
                 "qXfer:siginfo:read::0,80", "Z2,1003,8"):
        assert gdb.ask(text)[0] == "E", text
    regs = gdb.ask("g")
    assert len(regs) >= 2 * 560
    rip = int.from_bytes(bytes.fromhex(gdb.ask("p10")), "little")
    assert gdb.ask("m%x,4" % rip)[0] != "E"
    # What is written is read, also under a breakpoint.
    text = gdb.ask("m%x,8" % rip)
    assert gdb.ask("Z0,%x,1" % rip) == "OK"
    assert gdb.ask("m%x,8" % rip) == text
    assert gdb.ask("M%x,8:%s" % (rip, text)) == "OK"
    assert gdb.ask("z0,%x,1" % rip) == "OK"
    assert gdb.ask("m%x,8" % rip) == text
    for _ in range(3):
        gdb.send("vCont;c")
        gdb.raw(b"\x03")
        assert gdb.reply().startswith("T02thread:")
    # The connection is lost while it runs, and while it is stopped.
    gdb.send("vCont;c")
    gdb.s.close()
    gdb = Gdb(sys.argv[1])
    assert gdb.ask("?").startswith("T05thread:")
    gdb.s.close()
    gdb = Gdb(sys.argv[1])
    gdb.send("vCont;c")
    gdb.raw(b"\x03")
    assert gdb.reply().startswith("T02thread:")
    assert gdb.ask("vKill;1") == "OK"
    print("all done")


main()
