#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# strace.bats - azalea run --strace: whole, decoded lines.

setup() {
	AZALEA=${AZALEA:-$BATS_TEST_DIRNAME/../../build/azalea}
	cd "$BATS_TEST_TMPDIR" || return
}

# trace OFFLOAD PYTHON - the lines that the snippet causes, after its mark.
trace() {
	"$AZALEA" run --offload "$1" --strace -- /usr/bin/python3 -c "import os
try: os.stat('/mark')
except OSError: pass
$2" >out 2>trace
	sed -i '1,/"\/mark"/d' trace
}

# line REGEX - one line of the trace matches, whole.
line() {
	grep -Eqx "\[[0-9]+\] $1 <(local|direct|ring)> [0-9]+\.[0-9]us( trap)?" trace || {
		echo "no line like: $1"
		cat trace
		false
	}
}

@test "strings are quoted, escaped and cut at 32 bytes" {
	trace direct "r, w = os.pipe()
os.write(w, b'a\"b\n\x01\\\\')
os.write(w, b'x' * 33)"
	line 'write\([0-9]+, "a\\"b\\n\\001\\\\", 6\) = 6'
	line 'write\([0-9]+, "x{32}"\.\.\., 33\) = 33'
}

@test "flags, modes and directories have names" {
	trace direct "os.open('new', os.O_CREAT | os.O_WRONLY, 0o640)
os.open('new', os.O_RDONLY)"
	line 'openat\(AT_FDCWD, "new", O_WRONLY\|O_CREAT\|O_CLOEXEC, 0640\) = [0-9]+'
	line 'openat\(AT_FDCWD, "new", O_RDONLY\|O_CLOEXEC\) = [0-9]+'
}

@test "errors have names" {
	trace direct "
try: os.mkdir('/nowhere/at/all')
except OSError: pass"
	line 'mkdir\("/nowhere/at/all", 0777\) = -1 ENOENT'
}

@test "what a failed call did not write is an address" {
	trace direct "
try: os.stat('/nowhere')
except OSError: pass"
	line 'newfstatat\(AT_FDCWD, "/nowhere", 0x[0-9a-f]+, 0\) = -1 ENOENT'
}

@test "structures are decoded" {
	trace direct "import socket, select
a, b = socket.socketpair()
p = select.poll()
p.register(a, select.POLLOUT)
p.poll(5)
a.sendmsg([b'one', b'two'])
b.recv(100)
s = socket.socket()
try: s.connect(('127.0.0.1', 1))
except OSError: pass"
	line 'socketpair\(AF_UNIX, SOCK_STREAM\|SOCK_CLOEXEC, 0, \[[0-9]+, [0-9]+\]\) = 0'
	line 'poll\(\[\{fd=[0-9]+, events=POLLOUT, revents=POLLOUT\}\], 1, 5\) = 1'
	line 'sendmsg\([0-9]+, \{msg_name=NULL, msg_iov=\[\{iov_base="one", iov_len=3\}, \{iov_base="two", iov_len=3\}\], .*\}, 0\) = 6'
	line 'recvfrom\([0-9]+, "onetwo", 100, 0, NULL, NULL\) = 6'
	line 'connect\([0-9]+, \{sa_family=AF_INET, sin_port=1, sin_addr=127.0.0.1\}, 16\) = -1 ECONNREFUSED'
}

@test "signals are decoded" {
	trace direct "import signal
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [1, 34])
os.kill(os.getpid(), signal.SIGUSR1)"
	line 'rt_sigaction\(SIGUSR1, \{sa_handler=SIG_IGN, .*\}, \{sa_handler=SIG_DFL, .*\}, 8\) = 0'
	line 'rt_sigprocmask\(SIG_BLOCK, \[HUP RT_2\], \[\], 8\) = 0'
	line 'kill\([0-9]+, SIGUSR1\) = 0'
}

@test "the class says who did it" {
	trace direct "os.getppid(); os.getcwd()"
	grep -q 'getcwd(.* <direct> ' trace
	trace ring "os.getcwd(); os.sched_yield()"
	grep -q 'getcwd(.* <ring> ' trace
	grep -q 'sched_yield() = 0 <local> ' trace
}

@test "a call that does not exist is shown by number" {
	trace direct "import ctypes; ctypes.CDLL(None).syscall(999, 7)"
	line 'syscall_999\(0x7, \.\.\.\) = -1 ENOSYS'
}

@test "the lines of threads do not mix" {
	trace direct "import threading
def work():
	for i in range(300): os.getpgid(0)
ts = [threading.Thread(target=work) for i in range(4)]
[t.start() for t in ts]; [t.join() for t in ts]"
	[ "$(grep -c 'getpgid(' trace)" -eq 1200 ]
	run grep -Ev '^\[[0-9]+\] [a-z0-9_]+\(.*\) = .*$' trace
	[ -z "$output" ] || { echo "$output"; false; }
}

@test "the output of the program is not touched" {
	trace direct "print('out')"
	[ "$(cat out)" = out ]
}

@test "calls that came by a trap say so: a site's first ones only" {
	trace auto "for i in range(20): os.getppid()"
	[ "$(grep -c 'getppid() = ' trace)" -eq 20 ]
	[ "$(grep -c 'getppid() = .* trap$' trace)" -eq 2 ]
}

@test "with --no-patch all calls come by a trap" {
	"$AZALEA" run --no-patch --strace -- /usr/bin/python3 -c \
		"import os
for i in range(20): os.getppid()" 2>trace
	[ "$(grep -c 'getppid() = .* trap$' trace)" -eq 20 ]
}
