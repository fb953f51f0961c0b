#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gencalls.py - read abi/syscall.tbl; write C (--header) or a page of the
manual (--markdown) from it. The table's own head describes its syntax;
abi/call.h, what the C means."""

import argparse
import re
import sys

CLASSES = ("local", "offload", "deny", "nosys")
ATTRS = ("block", "norestart", "sigpipe", "host", "creds")

# Kinds that take neither a count nor a size.
PLAIN = {
    "int": "INT", "uint": "UINT", "long": "LONG", "ulong": "ULONG",
    "hex": "HEX", "fd": "FD", "dirfd": "DIRFD", "path": "PATH", "str": "STR",
    "mode": "MODE", "sig": "SIG", "pid": "PID", "addr": "ADDR",
    "msgin": "MSG_IN", "msgout": "MSG_OUT", "strvec": "STRVEC",
    "special": "SPECIAL", "sigmaskptr": "SIGMASK_PTR",
}
# Kinds that take the count of their elements, and the size of one.
COUNTED = {
    "iovin": ("IOV_IN", 16), "iovout": ("IOV_OUT", 16),
    "mmsgin": ("MMSG_IN", 64), "mmsgout": ("MMSG_OUT", 64),
    "fdset": ("FDSET", 0),
}
MEMORY = {"in": "IN", "out": "OUT", "inout": "INOUT"}
POINTERS = set(COUNTED) | set(MEMORY) | {
    "path", "str", "msgin", "msgout", "strvec", "special", "sigmaskptr"}
# What an argument that counts may be.
COUNTS = ("int", "uint", "long", "ulong")

FLAG_SETS = ("open prot map at clone futex fcntl seek madv af sock msg clock "
             "sighow rlimit prctl arch ioctl access epollctl wait lock mremap "
             "msync timerabs rusage sol fd").split()
# Formats of memory and the size of one; 1: bytes, as many as are counted.
FORMATS = {
    "timespec": 16, "timeval": 16, "stat": 144, "sigset": 8, "sigaction": 32,
    "sockaddr": 1, "pollfd": 8, "epollev": 12, "rlimits": 16, "ints": 4,
    "utsname": 390, "itimer": 32, "itimerspec": 32, "statx": 256,
}

ARG = re.compile(r"""(?P<name>[a-z_][a-z0-9_]*)
    : (?P<kind>[a-z]+)
    (?: / (?P<fmt>[a-z]+) )?
    (?: \[ (?P<ptr>\*)? (?P<len>[a-z_][a-z0-9_]*) (?: \* (?P<elem>\d+) )? \]
      | \{ (?P<size>\d+) \} )?
    (?P<null>\?)?""", re.VERBOSE)


class TableError(Exception):
    """What is wrong with a line of the table."""


class Arg:
    """One argument, as struct az_arg of abi/call.h has it."""

    def __init__(self, text):
        m = ARG.fullmatch(text)
        if not m:
            raise TableError(f"argument '{text}': want NAME:KIND")
        self.name, self.word, self.fmt = m["name"], m["kind"], m["fmt"]
        self.lenname, self.null_ok = m["len"], m["null"] is not None
        self.len = 0
        if self.null_ok and self.word not in POINTERS:
            raise TableError(f"argument '{text}': '?' on a number")
        self.kind, self.size = self.resolve(text, m)
        if self.size > 0xffff:
            raise TableError(f"argument '{text}': size does not fit 16 bits")

    def resolve(self, text, m):
        """The kind's name in abi/call.h, and the size."""
        extra = m["len"] or m["size"]
        if self.word == "flags":
            if self.fmt not in FLAG_SETS:
                raise TableError(f"argument '{text}': no such set of flags")
            if extra:
                raise TableError(f"argument '{text}': flags have no size")
            return "FLAGS", 0
        if self.word in MEMORY:
            return self.resolve_memory(text, m)
        if self.fmt:
            raise TableError(f"argument '{text}': {self.word} has no format")
        if self.word in PLAIN:
            if extra:
                raise TableError(f"argument '{text}': {self.word} has no size")
            return PLAIN[self.word], 0
        if self.word in COUNTED:
            if not m["len"] or m["elem"] or m["ptr"]:
                raise TableError(f"argument '{text}': want {self.word}[ARG]")
            return COUNTED[self.word]
        raise TableError(f"argument '{text}': unknown kind '{self.word}'")

    def resolve_memory(self, text, m):
        """The same for memory: a buffer, a struct, or *length bytes."""
        if self.fmt and self.fmt not in FORMATS:
            raise TableError(f"argument '{text}': no such format")
        default = FORMATS.get(self.fmt, 0)
        kind = MEMORY[self.word]
        if m["ptr"]:
            if self.word != "out" or m["elem"]:
                raise TableError(f"argument '{text}': want out[*ARG]")
            return "OUT_LENPTR", 1
        if m["len"]:
            return kind, int(m["elem"] or default or 1)
        size = int(m["size"] or default)
        if size == 0 or default == 1:
            raise TableError(f"argument '{text}': of what size?")
        return "STRUCT_" + kind, size

    def bind(self, args):
        """Find the argument that holds the length."""
        if not self.lenname:
            return
        names = [a.name for a in args]
        if self.lenname not in names:
            raise TableError(f"argument '{self.name}': no argument "
                             f"'{self.lenname}' to count it")
        self.len = names.index(self.lenname)
        counter = args[self.len]
        if self.kind == "OUT_LENPTR":
            if counter.kind != "STRUCT_INOUT" or counter.size != 4:
                raise TableError(f"argument '{self.name}': '{self.lenname}' "
                                 "must be inout{4}")
        elif counter.word not in COUNTS:
            raise TableError(f"argument '{self.name}': '{self.lenname}' is "
                             "not a count")

    def c(self):
        """An initializer of struct az_arg."""
        fmt = f"AZ_FMT_{self.fmt.upper()}" if self.fmt else "0"
        return (f"AZ_ARG(AZ_ARG_{self.kind}, {self.len}, {fmt}, "
                f"{int(self.null_ok)}, {self.size})")


def policy_id(name):
    """The name of a policy in C."""
    return "AZ_POLICY_" + name.upper().replace("-", "_")


def policy_read(line, policies):
    """A line that defines a policy: name and text."""
    name, *text = line[1:].split(None, 1)
    if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name) or not text:
        raise TableError("want: @POLICY TEXT")
    if name in policies:
        raise TableError(f"policy '@{name}' twice")
    if len(policies) == 32:
        raise TableError("more than 32 policies")
    policies[name] = text[0]


class Call:
    """One line of the table."""

    def __init__(self, line, policies):
        words = line.split()
        if len(words) < 3:
            raise TableError("want: NR NAME CLASS[,ATTR...] [ARG:KIND ...]")
        if not words[0].isdigit() or int(words[0]) > 1023:
            raise TableError(f"'{words[0]}' is not a number of a call")
        if not re.fullmatch(r"_?[a-z][a-z0-9_]*", words[1]):
            raise TableError(f"'{words[1]}' is not a name of a call")
        self.nr, self.name = int(words[0]), words[1]
        self.cls, *attrs = words[2].split(",")
        self.attrs = [a for a in attrs if not a.startswith("@")]
        self.policies = [a[1:] for a in attrs if a.startswith("@")]
        self.check_class()
        self.check_policies(policies)
        if len(words) > 9:
            raise TableError("more than six arguments")
        self.args = [Arg(w) for w in words[3:]]
        names = [a.name for a in self.args]
        for name in names:
            if names.count(name) > 1:
                raise TableError(f"two arguments '{name}'")
        for arg in self.args:
            arg.bind(self.args)

    def check_class(self):
        """Class and attributes must exist and go together."""
        if self.cls not in CLASSES:
            raise TableError(f"unknown class '{self.cls}'")
        for attr in self.attrs:
            if attr not in ATTRS:
                raise TableError(f"unknown attribute '{attr}'")
            if self.attrs.count(attr) > 1:
                raise TableError(f"attribute '{attr}' twice")
            if self.cls in ("deny", "nosys"):
                raise TableError(f"class {self.cls} has no attributes")
        if "host" in self.attrs and self.cls != "local":
            raise TableError("attribute host is for class local")
        if "norestart" in self.attrs and "block" not in self.attrs:
            raise TableError("attribute norestart needs block")

    def check_policies(self, policies):
        """Those that the call is of must exist, and be worth a word."""
        for name in self.policies:
            if name not in policies:
                raise TableError(f"unknown policy '@{name}'")
            if self.policies.count(name) > 1:
                raise TableError(f"policy '@{name}' twice")
            if self.cls in ("deny", "nosys"):
                raise TableError(f"class {self.cls} has no policy")

    def policy_c(self):
        """One line of AZ_POLICY_CALLS."""
        mask = " | ".join(f"1U << {policy_id(p)}" for p in self.policies)
        return f"\tX({self.nr}, {self.name}, {mask})"

    def c(self):
        """One line of AZ_CALLS."""
        names = list(self.attrs)
        args = [a.c() for a in self.args]
        if any("AZ_ARG_IOV_" in a or "MSG_IN" in a or "MSG_OUT" in a
               for a in args):
            names.append("nested")
        attrs = " | ".join(f"AZ_ATTR_{a.upper()}" for a in names) or "0"
        args += ["AZ_ARG(AZ_ARG_NONE, 0, 0, 0, 0)"] * (6 - len(args))
        return (f"\tX({self.nr}, {self.name}, AZ_CLASS_{self.cls.upper()}, "
                f"{attrs}, {len(self.args)}, " + ", ".join(args) + ")")


def table_read(path):
    """All calls of the table, by number, and its policies: {name: text}."""
    calls, policies, seen, bad = [], {}, {}, 0
    with open(path, encoding="ascii") as f:
        for lineno, line in enumerate(f, 1):
            line = line.split("#", 1)[0].strip()
            if not line:
                continue
            try:
                if line.startswith("@"):
                    policy_read(line, policies)
                    continue
                call = Call(line, policies)
                for key in (call.nr, call.name):
                    if key in seen:
                        raise TableError(f"{key} is on line {seen[key]} too")
                    seen[key] = lineno
                if calls and call.nr < calls[-1].nr:
                    raise TableError(f"{call.nr} after {calls[-1].nr}")
                calls.append(call)
            except TableError as e:
                print(f"{path}:{lineno}: {e}", file=sys.stderr)
                bad += 1
    if not calls and not bad:
        print(f"{path}: no calls", file=sys.stderr)
        bad = 1
    if bad:
        sys.exit(1)
    return calls, policies


def header(calls, policies, out):
    """calls.h, see abi/call.h."""
    def emit(text=""):
        print(text, file=out)

    emit("/* SPDX-License-Identifier: MIT */")
    emit("/* calls.h - made by tools/gencalls.py; do not edit. */")
    emit("#ifndef GEN_CALLS_H\n#define GEN_CALLS_H\n")
    emit('#include "call.h"\n')
    for c in calls:
        emit(f"#define AZ_SYS_{c.name} {c.nr}")
    emit(f"\n#define AZ_NR_CALLS {calls[-1].nr + 1}\n")
    emit("#define AZ_ARG(kind, len, fmt, null_ok, size) \\")
    emit("\t{ kind, len, fmt, null_ok, size }\n")
    emit("#define AZ_CALLS(X) \\")
    emit(" \\\n".join(c.c() for c in calls))
    emit("\n#define AZ_LOCAL_CALLS(X) \\")
    emit(" \\\n".join(f"\tX({c.nr}, {c.name})" for c in calls
                      if c.cls == "local"))
    emit("\n#define AZ_POLICIES(X) \\")
    emit(" \\\n".join(f'\tX({policy_id(name)}, "{name}", "{text}")'
                      for name, text in policies.items()))
    emit("\n#define AZ_POLICY_CALLS(X) \\")
    emit(" \\\n".join(c.policy_c() for c in calls if c.policies))
    emit()
    for i, name in enumerate(policies):
        emit(f"#define {policy_id(name)} {i}")
    emit("\n#ifdef AZ_KERNEL")
    for c in calls:
        if c.cls == "local":
            emit(f"long sys_{c.name}(const uint64_t a[6]);")
    emit("#endif\n\n#endif")


INTRO = """\
<!-- SPDX-License-Identifier: MIT -->
<!-- Made by `tools/gencalls.py --markdown` from abi/syscall.tbl. -->
# System calls

Every system call of Linux on x86-64 and what Azalea does with it.

| class | meaning | calls |
|---|---|---|"""
MEANING = {
    "local": "done by the unikernel itself",
    "local+host": "looked at by the unikernel, which may pass it to Linux",
    "offload": "done by Linux, with checked arguments",
    "deny": "refused with EPERM",
    "nosys": "not provided: ENOSYS",
}

NOTES = """\
Notes: *block*, may block without bound; *norestart*, EINTR after a signal
handler even with SA_RESTART; *sigpipe*, may raise SIGPIPE or SIGXFSZ; *creds*,
made on every thread of the owner. Numbers that are not listed give ENOSYS.
*@POLICY*: what `azalea run --deny` calls a class of calls; of several it is
one, by the call's arguments.

| policy | what such calls do |
|---|---|"""


def call_class(call):
    """The class as the page names it."""
    return "local+host" if "host" in call.attrs else call.cls


def markdown(calls, policies, out):
    """docs/syscalls.md."""
    print(INTRO, file=out)
    for cls, text in MEANING.items():
        count = sum(call_class(c) == cls for c in calls)
        print(f"| {cls} | {text} | {count} |", file=out)
    print(f"| | total | {len(calls)} |\n", file=out)
    print(NOTES, file=out)
    for name, text in policies.items():
        print(f"| @{name} | {text} |", file=out)
    print("\n| nr | call | class | arguments | notes |\n|---:|---|---|---|---|",
          file=out)
    for c in calls:
        args = ", ".join(a.name for a in c.args)
        notes = ", ".join([a for a in c.attrs if a != "host"] +
                          [f"@{p}" for p in c.policies])
        print(f"| {c.nr} | `{c.name}` | {call_class(c)} | {args} | {notes} |",
              file=out)


def main():
    """Command line."""
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--header", metavar="OUT")
    ap.add_argument("--markdown", metavar="OUT")
    ap.add_argument("table")
    args = ap.parse_args()
    calls, policies = table_read(args.table)
    for path, write in ((args.header, header), (args.markdown, markdown)):
        if path:
            with open(path, "w", encoding="ascii") as out:
                write(calls, policies, out)


if __name__ == "__main__":
    main()
