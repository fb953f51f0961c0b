#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# gdb.bats - debugging: `azalea run --gdb`, `azalea gdb`
#
# What gdb shows is compared with what the source says, by line and by value.
# Each test is done on pico, and on kvm if there is one.
# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154

load common

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	cat >plain.c <<-'END'
		#include <stdio.h>
		int total;
		int add(int a, int b)
		{
			int sum = a + b;
			total += sum;
			return sum;
		}
		int main(void)
		{
			for (int i = 0; i < 3; i++)
				add(i, 10);
			printf("total %d\n", total);
			return 7;
		}
	END
	cat >threads.c <<-'END'
		#include <pthread.h>
		#include <unistd.h>
		static int fds[2];
		static void *reader(void *arg)
		{
			char c;
			return (void *)(read(fds[0], &c, 1) + (long)arg);
		}
		static void ready(void) { }
		int main(void)
		{
			pthread_t t[3];
			void *r;
			if (pipe(fds))
				return 1;
			for (long i = 0; i < 3; i++)
				pthread_create(&t[i], 0, reader, (void *)i);
			usleep(200000);
			ready();
			for (int i = 0; i < 3; i++)
				if (write(fds[1], "x", 1) != 1)
					return 2;
			for (int i = 0; i < 3; i++)
				pthread_join(t[i], &r);
			return 0;
		}
	END
	cat >signals.c <<-'END'
		#include <signal.h>
		#include <unistd.h>
		volatile int taken, *nowhere;
		static void on(int sig) { taken += sig; }
		int main(void)
		{
			signal(SIGUSR1, on);
			raise(SIGUSR1);
			raise(SIGUSR1);
			if (taken != SIGUSR1)
				_exit(taken);
			*nowhere = 1;
			return 0;
		}
	END
	cat >family.c <<-'END'
		#include <spawn.h>
		#include <stdlib.h>
		#include <sys/wait.h>
		#include <unistd.h>
		extern char **environ;
		void visited(void) { }
		int main(void)
		{
			char *argv[] = { "true", NULL };
			int status, sum = 0;
			pid_t pid = fork();
			if (pid == 0) {
				visited();
				_exit(5);
			}
			if (waitpid(pid, &status, 0) != pid)
				return 99;
			sum += WIFEXITED(status) ? WEXITSTATUS(status) : 50;
			posix_spawn(&pid, "/bin/true", 0, 0, argv, environ);
			if (waitpid(pid, &status, 0) != pid || status)
				return 98;
			visited();
			return sum;
		}
	END
	cat >many.c <<-'END'
		#include <pthread.h>
		#include <stdlib.h>
		#include <string.h>
		#include <unistd.h>
		volatile int total;
		__attribute__((noinline)) void visit(void)
		{
			__atomic_fetch_add(&total, 1, __ATOMIC_RELAXED);
		}
		static void *work(void *arg)
		{
			for (int i = 0; i < 20; i++) {
				visit();
				if (i % 10 == 0) {
					char *p = malloc(300000);
					memset(p, i, 300000);
					free(p);
					usleep(100);
				}
			}
			return arg;
		}
		int main(void)
		{
			pthread_t t[4];
			for (int i = 0; i < 4; i++)
				pthread_create(&t[i], 0, work, 0);
			for (int i = 0; i < 4; i++)
				pthread_join(t[i], 0);
			return total != 80;
		}
	END
	cat >loop.c <<-'END'
		#include <unistd.h>
		volatile long turns, stop;
		static void turn(long n)
		{
			turns = n;
			usleep(1000);
		}
		int main(void)
		{
			for (long n = 0; !stop; n++)
				turn(n);
			return 3;
		}
	END
	cat >call.S <<-'END'
		.globl main, one, two, site
		main:	movl $39, %eax
		one:	syscall
		two:	movl %eax, %ebx
			movl $39, %eax
		site:	syscall
			subl %ebx, %eax
			ret
		.section .note.GNU-stack,"",@progbits
	END
	local name
	for name in plain threads signals family many loop; do
		gcc -g -O0 -pthread -o "$name" "$name.c" || return
	done
	gcc -g -O0 -static -o static plain.c && gcc -g -o call call.S
}

platforms() {
	echo pico
	"$AZALEA" info -o json | json o.platforms.kvm.available >/dev/null &&
		echo kvm
	return 0
}

# each FUNCTION - on each platform: $PLAT
each() {
	for PLAT in $(platforms); do
		echo "on $PLAT:"
		"$1"
	done
}

# debug PROGRAM [GDB-ARG...] - run it under gdb: $output, $PID, $ended
debug() {
	local program=$1
	shift
	"$AZALEA" run --plat "$PLAT" --cpus 2 --name "$NAME" --gdb unix:here \
		"$BATS_FILE_TMPDIR/$program" >out 2>err 3>&- &
	PID=$!
	STARTED+=("$PID")
	eventually test -S here
	run gdb -nx -batch -ex 'set confirm off' -ex 'target remote here' \
		"$@" 3>&-
	ended=0
	wait "$PID" || ended=$?
	echo "$output"
	echo "ended with $ended; $(cat out err)"
	rm -f here
}

held() {
	debug plain -ex 'break main' -ex c -ex next -ex step -ex 'info args' \
		-ex next -ex 'print sum' -ex bt -ex finish -ex delete -ex c
	says "Breakpoint 1, main () at plain.c:11"
	says "add (a=0, b=10) at plain.c:5"
	says "\$1 = 10"
	[[ $output =~ "#1 "+.*" in main () at plain.c:12" ]]
	says "Value returned is \$2 = 10"
	says "exited with code 07"
	[ "$ended" -eq 7 ]
	grep -qx "total 33" out
}

@test "a program is held at its first instruction, and can be stepped" {
	each held
}

static_program() {
	debug static -ex 'break add if a == 2' -ex c -ex 'print total' \
		-ex 'print total = 100' -ex delete -ex c
	says "add (a=2, b=10)"
	says "\$1 = 21"
	[ "$ended" -eq 7 ]
	grep -qx "total 112" out
}

@test "a static program is debugged alike" {
	each static_program
}

watchpoint() {
	# A KVM that is based on paging has no debug registers for its guests,
	# and QEMU's interpreter takes no notice of those of a guest's guest.
	local hard=1
	[ "$PLAT" = pico ] || hard=0
	debug plain -ex "set can-use-hw-watchpoints $hard" -ex 'break main' \
		-ex c -ex 'watch total' -ex c -ex c -ex delete -ex c
	((!hard)) || says "Hardware watchpoint 2: total"
	says "Old value = 0"
	says "New value = 10"
	says "New value = 21"
	[ "$ended" -eq 7 ]
}

@test "a watchpoint stops where a variable changes" {
	each watchpoint
}

threads() {
	debug threads -ex 'break ready' -ex c -ex 'info threads' \
		-ex 'thread apply all bt' -ex delete -ex c
	[ "$(grep -c '^#.* reader (arg=0x[012]) at threads.c:7' \
		<<<"$output")" -eq 3 ]
	# Each is in a read, and that in the unikernel.
	[ "$(grep -c '^#.* offload (nr=' <<<"$output")" -ge 1 ]
	[[ $output == *" at kernel/sys/"* ]]
	[ "$ended" -eq 0 ]
}

@test "threads are seen on a core and off it, and into the library OS" {
	each threads
}

crowd() {
	cat >count <<-'END'
		target remote here
		set $n = 0
		break visit
		commands
		silent
		set $n = $n + 1
		continue
		end
		continue
		print $n
	END
	"$AZALEA" run --plat "$PLAT" --cpus 2 --gdb unix:here \
		"$BATS_FILE_TMPDIR/many" 3>&- &
	PID=$!
	STARTED+=("$PID")
	eventually test -S here
	run gdb -nx -batch -x count 3>&-
	tail -3 <<<"$output"
	[[ $output == *"\$1 = 80" ]]
	ended=0
	wait "$PID" || ended=$?
	[ "$ended" -eq 0 ]
	rm here
}

@test "of threads that meet a breakpoint all the time none gets past it" {
	each crowd
}

unikernel() {
	debug plain -ex 'break sys_exit_group' -ex c -ex bt -ex 'info sharedlibrary' \
		-ex delete -ex c
	says "sys_exit_group (a="
	[[ $output =~ "main () at plain.c"|"__libc_start" ]]
	[[ $output =~ "Yes "+.*"azalea.elf" ]]
	[ "$ended" -eq 7 ]
}

@test "the unikernel can be debugged like the program" {
	each unikernel
}

signals() {
	debug signals -ex c -ex 'print $_siginfo.si_signo' -ex c \
		-ex 'signal 0' -ex bt -ex c
	says "received signal SIGUSR1"
	says "\$1 = 10"
	says "received signal SIGSEGV"
	[[ $output =~ "#0 "+.*"main () at signals.c:12" ]]
	says "terminated with signal SIGSEGV"
	[ "$ended" -eq 139 ]
}

@test "gdb is asked about signals, and decides" {
	each signals
}

family() {
	debug family -ex 'break visited' -ex c -ex bt -ex 'info threads' -ex c
	[ "$(grep -c 'Breakpoint 1, visited' <<<"$output")" -eq 1 ]
	says "main () at family.c:22"
	[ "$ended" -eq 5 ]
}

@test "children of fork and posix_spawn run without gdb's breakpoints" {
	each family
}

over_call() {
	debug call -ex 'break one' -ex c -ex stepi -ex 'info symbol $pc' \
		-ex 'print $eax' -ex 'break site' -ex c -ex stepi \
		-ex 'print $eax == $ebx' -ex delete -ex c
	says "two in section .text"
	[[ $output =~ "\$1 = "([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" -eq "$PID" ]
	says "\$2 = 1"
	[ "$ended" -eq 0 ]
}

@test "a step over a system call ends behind it" {
	each over_call
}

follow() {
	"$AZALEA" run --plat "$PLAT" --gdb unix:here sh -c "exec $BATS_FILE_TMPDIR/plain" \
		>out 3>&- &
	PID=$!
	STARTED+=("$PID")
	eventually test -S here
	run gdb -nx -batch -ex 'set breakpoint pending on' \
		-ex 'target remote here' -ex 'catch exec' -ex c \
		-ex 'break add' -ex c -ex bt -ex delete -ex c 3>&-
	echo "$output"
	says "is executing new program: $BATS_FILE_TMPDIR/plain"
	says "add (a=0, b=10) at plain.c:5"
	ended=0
	wait "$PID" || ended=$?
	[ "$ended" -eq 7 ]
	rm here
}

@test "gdb follows the program through exec" {
	each follow
}

attach() {
	local before
	start --plat "$PLAT" "$BATS_FILE_TMPDIR/loop"
	run "$AZALEA" gdb "$NAME" -nx -batch -ex 'break turn' -ex c -ex bt \
		-ex 'print n == turns + 1' -ex delete -ex finish -ex detach
	echo "$output"
	says "turn (n="
	[[ $output =~ "#1 "+.*" in main () at loop.c:11" ]]
	says "\$1 = 1"
	running "$NAME"
	before=$("$AZALEA" inspect -o json "$NAME" | json o.counters.total.local)
	eventually more_calls "$before"
	run "$AZALEA" gdb "$NAME" -nx -batch -ex 'set var stop = 1' -ex detach
	ended=0
	wait "$PID" || ended=$?
	[ "$ended" -eq 3 ]
}

@test "gdb attaches to what runs, and lets it go again" {
	each attach
}

more_calls() {
	[ "$("$AZALEA" inspect -o json "$NAME" |
		json o.counters.total.local)" -gt "$1" ]
}

protocol() {
	"$AZALEA" run --plat "$PLAT" --gdb unix:here \
		"$BATS_FILE_TMPDIR/loop" 3>&- &
	PID=$!
	STARTED+=("$PID")
	eventually test -S here
	run /usr/bin/python3 "$BATS_TEST_DIRNAME/rsp.py" here
	echo "$output"
	[ "$status" -eq 0 ]
	ended=0
	wait "$PID" || ended=$?
	[ "$ended" -eq 137 ]
	rm here
}

@test "the protocol: Ctrl-C, wrong packets, a lost connection" {
	each protocol
}

@test "what cannot be debugged is said so" {
	run -1 "$AZALEA" gdb nobody
	says "nobody: no such instance"
	fails 125 "--gdb nowhere: not a place to wait at" --gdb nowhere true
	fails 125 "--gdb 70000: not a place to wait at" --gdb 70000 true
	fails 125 "--gdb does not go with --from" --gdb 1 --from x
	fails 125 "--gdb unix:/nonexistent/x: cannot wait there" \
		--gdb unix:/nonexistent/x true
}
