#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
coverage.py - how much of real programs' system calls goes without a trap?

    bench/coverage.py [--azalea FILE] [--scale F] [--check] [--missed] [-o json]
                      [PROGRAM...]

Runs each program under Azalea with work that makes some 300,000 calls (times
--scale), reads the counters of `azalea run --stats`, and prints

    sites     call sites that were used, and of those used more than once
    jumping   the part of these that were rewritten
    traps     calls that trapped, whether or not their site was rewritten later
    calls     the part of all calls that did not trap

--check: exit status 1 unless 95 % of the sites are rewritten, and 99.9 % of the
calls went without a trap; with a scale below 1, the traps that it takes to find
a site (two each) are not counted, which more work would outweigh. --missed
lists the sites that were not rewritten, and why. Programs that are not
installed are skipped.
"""
import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SITES, CALLS = 95.0, 99.9

PYTHON = """
import os, sys, socket, threading, time, tempfile
n = int(sys.argv[1])
r, w = os.pipe()
a, b = socket.socketpair()
for i in range(n):
    os.write(w, b'x'); os.read(r, 1)
    a.send(b'hello'); b.recv(10)
    if i % 4 == 0:
        os.stat('.'); os.getppid(); os.getcwd()
        with open('f', 'w') as f: f.write('x' * 10)
        with open('f') as f: f.read()
        os.rename('f', 'g'); os.unlink('g'); os.access('.', os.R_OK)
    if i % 400 == 0:
        os.listdir('.'); os.mkdir('d'); os.rmdir('d')
        b'x' * 300000
        t = threading.Thread(target=lambda: os.getppid()); t.start(); t.join()
"""
PERL = """
my $n = shift; pipe(my $r, my $w); my $buf;
for my $i (1 .. $n) {
    syswrite($w, 'x'); sysread($r, $buf, 1);
    if ($i % 4 == 0) {
        stat('.'); getppid();
        open(my $f, '>', 'f'); print $f 'x' x 10; close($f);
        open($f, '<', 'f'); my @l = <$f>; close($f);
        rename('f', 'g'); unlink('g'); -r '.';
    }
    if ($i % 50 == 0) {
        opendir(my $d, '.'); my @l = readdir($d); closedir($d);
        mkdir('d'); rmdir('d'); select(undef, undef, undef, 0.00001);
    }
}
"""
MUSL = r"""
#include <fcntl.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
static void *work(void *arg) { getppid(); return arg; }
int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1, p[2], s[2];
	char buf[64];
	struct stat st;

	if (pipe(p) || socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		return 1;
	for (int i = 0; i < n; i++) {
		struct pollfd pf = { p[0], POLLIN, 0 };
		FILE *f;

		write(p[1], "x", 1);
		poll(&pf, 1, -1);
		read(p[0], buf, 1);
		send(s[0], "hello", 5, 0);
		recv(s[1], buf, 64, 0);
		getppid();
		if (i % 4)
			continue;
		stat(".", &st);
		f = fopen("f", "w");
		fprintf(f, "%d", i);
		fclose(f);
		f = fopen("f", "r");
		fscanf(f, "%d", &n);
		fclose(f);
		n = argc > 1 ? atoi(argv[1]) : 1;
		rename("f", "g");
		unlink("g");
		access(".", R_OK);
		if (i % 400 == 0) {
			pthread_t t;
			DIR *d = opendir(".");

			while (readdir(d))
				;
			closedir(d);
			munmap(mmap(0, 65536, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 65536);
			free(malloc(300000));
			pthread_create(&t, 0, work, 0);
			pthread_join(t, 0);
			usleep(1);
		}
	}
	return 0;
}
"""
GO = """
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
)

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(c, c)
		}
	}()
	done := make(chan int)
	for w := 0; w < 4; w++ {
		go func(w int) {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				panic(err)
			}
			buf := make([]byte, 64)
			name := fmt.Sprint("f", w)
			for i := 0; i < n/4; i++ {
				fmt.Fprintf(c, "message %04d", i%10000)
				io.ReadFull(c, buf[:12])
				if i%4 == 0 {
					os.WriteFile(name, buf, 0600)
					os.ReadFile(name)
					os.Stat(name)
					os.Remove(name)
				}
			}
			c.Close()
			done <- w
		}(w)
	}
	for w := 0; w < 4; w++ {
		<-done
	}
}
"""


class Missing(Exception):
    """Something that a workload needs is not installed."""


def need(*names):
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    found = [shutil.which(name, path=path) for name in names]
    if None in found:
        raise Missing(names[found.index(None)])
    return found


def quiet(argv, **more):
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   timeout=600, **more)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A program under test that serves until SIGTERM."""

    def __init__(self, argv, port):
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
        for _ in range(400):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self.proc.poll() is not None:
                break
            time.sleep(0.05)
        self.proc.kill()
        raise RuntimeError(f"{argv}: does not serve")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.proc.terminate()
        try:
            self.proc.wait(60)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            raise


def count(n, scale):
    return str(max(1, int(n * scale)))


def run_python3(run, scale):
    quiet(run + ["/usr/bin/python3", "-c", PYTHON, count(42000, scale)])


def run_perl(run, scale):
    quiet(run + need("perl") + ["-e", PERL, count(50000, scale)])


def run_redis(run, scale):
    server, bench = need("redis-server", "redis-benchmark")
    port = free_port()
    with Server(run + [server, "--port", str(port), "--save", "",
                       "--daemonize", "no"], port):
        quiet([bench, "-p", str(port), "-c", "8", "-t",
               "set,get,lpush,lrange_100", "-n", count(30000, scale)])


def run_nginx(run, scale):
    server, client = need("nginx", "wrk")
    port, here = free_port(), os.getcwd()
    os.mkdir("root")
    with open("root/f.txt", "w", encoding="ascii") as f:
        f.write("x" * 5000)
    paths = "".join(f"{name}_temp_path {here}/{name};" for name in (
        "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open("nginx.conf", "w", encoding="ascii") as f:
        f.write(f"user root; daemon off; master_process off; "
                f"pid {here}/pid; error_log {here}/error.log;"
                f"events {{ }} http {{ access_log {here}/log; {paths}"
                f"sendfile on; server {{ listen 127.0.0.1:{port};"
                f"root {here}/root; }} }}")
    with Server(run + [server, "-c", here + "/nginx.conf", "-p", here], port):
        quiet([client, "-t", "1", "-c", "8", "-d",
               count(10, scale) + "s", f"http://127.0.0.1:{port}/f.txt"])


def run_memcached(run, scale):
    (server,) = need("memcached")
    port = free_port()
    with Server(run + [server, "-u", "root", "-l", "127.0.0.1", "-p",
                       str(port), "-U", "0", "-t", "2"], port):
        conns = []
        for _ in range(4):
            conns.append(socket.create_connection(("127.0.0.1", port)))
        for i in range(int(80000 * scale)):
            s = conns[i % 4]
            s.sendall(b"set k%d 0 0 5\r\nhello\r\n" % (i % 1000)
                      if i % 8 < 4 else b"get k%d\r\n" % (i % 1000))
            while not s.recv(4096).endswith((b"STORED\r\n", b"END\r\n")):
                pass
        for s in conns:
            s.close()


def run_sqlite3(run, scale):
    (shell,) = need("sqlite3")
    with open("work.sql", "w", encoding="ascii") as f:
        f.write("pragma synchronous=off; create table t(a, b);\n"
                "create index i on t(a);\n")
        for i in range(int(15000 * scale)):
            f.write(f"insert into t values({i * 7919 % 10007}, 'row {i}');\n")
            if i % 10 == 0:
                f.write(f"select count(*) from t where a > {i};\n")
    quiet(run + [shell, "-init", "/dev/null", "work.db", ".read work.sql"])


def run_go(run, scale):
    (go,) = need("go")
    with open("main.go", "w", encoding="ascii") as f:
        f.write(GO)
    quiet([go, "build", "-o", "prog", "main.go"],
          env=dict(os.environ, GO111MODULE="off", HOME=os.getcwd(),
                   GOCACHE=TOP + "/build/tests/programs/go-cache"))
    quiet(run + ["./prog", count(40000, scale)])


def run_musl(run, scale):
    (cc,) = need("musl-gcc")
    with open("prog.c", "w", encoding="ascii") as f:
        f.write(MUSL)
    quiet([cc, "-static", "-O2", "-w", "-o", "prog", "prog.c"])
    quiet(run + ["./prog", count(35000, scale)])


WORK = {name[4:]: fn for name, fn in list(globals().items())
        if name.startswith("run_")}


def measure(azalea, name, scale):
    """The counters of one run."""
    old = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="coverage-") as scratch:
        os.chdir(scratch)
        try:
            stats = scratch + "/stats.json"
            WORK[name]([azalea, "run", "--stats", stats, "--"], scale)
            with open(stats, encoding="utf-8") as f:
                return json.load(f)["counters"]
        finally:
            os.chdir(old)


def judge(counters, scale):
    sites = counters["sites"]
    traps = counters["total"]["traps"]
    calls = sites["without_trap"] + traps
    late = traps
    if scale < 1:
        late = max(0, traps - 2 * sites["seen"])
    return {
        "seen": sites["seen"],
        "used": sites["used_again"],
        "sites": sites["rewritten_percent"],
        "traps": traps,
        "total": calls,
        "calls": 100.0 * (calls - traps) / calls if calls else 0.0,
        "good": sites["rewritten_percent"] >= SITES and
        calls > 1000 * scale and 100.0 * (calls - late) / calls >= CALLS,
    }


def main():
    parser = argparse.ArgumentParser(description="See the head of the file.")
    parser.add_argument("--azalea", default=TOP + "/build/azalea")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--missed", action="store_true")
    parser.add_argument("-o", "--output", choices=["text", "json"],
                        default="text")
    parser.add_argument("program", nargs="*", metavar="PROGRAM",
                        help=" ".join(WORK))
    args = parser.parse_args()
    azalea = os.path.abspath(args.azalea)
    results, bad = {}, 0
    if args.output == "text":
        print(f"{'program':<12}{'sites':>7}{'again':>7}{'jumping':>9}"
              f"{'calls':>10}{'traps':>8}{'without':>10}", flush=True)
    for name in args.program or WORK:
        if name not in WORK:
            parser.error(f"no program '{name}'; there are: " + " ".join(WORK))
        try:
            counters = measure(azalea, name, args.scale)
        except Missing as e:
            if args.output == "text":
                print(f"{name:<12} skipped: {e} is not installed")
            continue
        r = results[name] = judge(counters, args.scale)
        bad += not r["good"]
        r["missed"] = [s for s in counters["sites"]["list"]
                       if s["reason"] not in ("", "used once")]
        if args.output == "json":
            continue
        print(f"{name:<12}{r['seen']:>7}{r['used']:>7}{r['sites']:>8.1f}%"
              f"{r['total']:>10}{r['traps']:>8}{r['calls']:>9.3f}%", flush=True)
        if args.missed:
            for s in sorted(r["missed"], key=lambda s: -s["traps"]):
                where = s.get("file") or s["address"]
                print(f"    {s['traps']:>8} {where}+{s['offset']:#x}: "
                      f"{s['reason']}")
    if args.output == "json":
        json.dump(results, sys.stdout, indent=1)
        print()
    return 1 if args.check and bad else 0


if __name__ == "__main__":
    sys.exit(main())
