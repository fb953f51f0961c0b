#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# perf.bats - `azalea run --perf-map`: what it names, compared with nm
# shellcheck disable=SC2154

load common

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	cat >busy.c <<-'END'
		#include <stdio.h>
		#include <stdlib.h>
		#include <unistd.h>
		volatile long sum;
		__attribute__((noinline)) void hot(long n)
		{
			while (n--)
				sum += n;
		}
		int main(int argc, char **argv)
		{
			for (int i = argc > 1 ? atoi(argv[1]) : 1; i; i--) {
				hot(100000);
				for (int k = 0; k < 2000; k++)
					getppid();
			}
			printf("%d %p\n", getpid(), (void *)hot);
			return 0;
		}
	END
	gcc -O1 -o busy busy.c && gcc -O1 -static -o static busy.c
}

# check MAP FILE ADDRESS-OF-HOT - all functions of FILE are in MAP, where they
# are; of the unikernel as well
check() {
	/usr/bin/python3 - "$@" "$(dirname "$AZALEA")/azalea.elf" <<-'END'
		import re, subprocess, sys
		path, program, hot, unikernel = sys.argv[1:]
		names = {}
		with open(path) as f:
		    for line in f:
		        m = re.fullmatch(
		            r"([0-9a-f]+) ([0-9a-f]+) (\S+) \[(.+)\]\n", line)
		        assert m, line
		        names.setdefault(m[4], set()).add(
		            (int(m[1], 16), int(m[2], 16), m[3]))
		def functions(elf):
		    out = subprocess.run(["readelf", "-sW", elf], check=True,
		                         capture_output=True, text=True).stdout
		    for line in out.splitlines():
		        w = line.split()
		        if len(w) == 8 and w[3] in ("FUNC", "IFUNC") and \
		                w[6] != "UND" and int(w[2], 0) and w[1] != "Value":
		            yield int(w[1], 16), int(w[2], 0), w[7].split("@")[0]
		def compare(elf, bias):
		    have = names[elf.rsplit("/", 1)[1]]
		    want = {(a + bias, n, name) for a, n, name in functions(elf)}
		    assert want and want <= have, sorted(want - have)[:9]
		    return len(want)
		own = [a for a, _, name in functions(program) if name == "hot"]
		print(compare(program, int(hot, 16) - own[0]),
		      compare(unikernel, 0))
		assert any(name == "syscall_entry" and size
		           for _, size, name in names["azalea.elf"])
	END
}

platforms() {
	echo pico
	"$AZALEA" info -o json | json o.platforms.kvm.available >/dev/null &&
		echo kvm
	return 0
}

@test "the code of program and unikernel is named" {
	local plat program
	for plat in $(platforms); do
		for program in busy static; do
			read -r pid hot < <("$AZALEA" run --plat "$plat" \
				--perf-map "$BATS_FILE_TMPDIR/$program")
			[ "$(stat -c %a "/tmp/perf-$pid.map")" -eq 600 ]
			check "/tmp/perf-$pid.map" \
				"$BATS_FILE_TMPDIR/$program" "$hot"
			[ "$program" = static ] ||
				grep -q ' malloc \[libc.so.6\]$' \
					"/tmp/perf-$pid.map"
			rm "/tmp/perf-$pid.map"
		done
	done
}

@test "so it is after exec, and in a child" {
	read -r pid hot < <("$AZALEA" run --perf-map \
		sh -c "exec $BATS_FILE_TMPDIR/busy")
	check "/tmp/perf-$pid.map" "$BATS_FILE_TMPDIR/busy" "$hot"
	rm "/tmp/perf-$pid.map"
	"$AZALEA" run --perf-map sh -c "$BATS_FILE_TMPDIR/busy; echo \$\$" >out
	{ read -r pid hot && read -r parent; } <out
	check "/tmp/perf-$pid.map" "$BATS_FILE_TMPDIR/busy" "$hot"
	grep -q '\[dash\]$\|\[libc.so.6\]$' "/tmp/perf-$parent.map"
	rm "/tmp/perf-$pid.map" "/tmp/perf-$parent.map"
}

@test "without --perf-map there is no such file" {
	read -r pid hot < <("$AZALEA" run "$BATS_FILE_TMPDIR/busy")
	[ -n "$hot" ]
	[ ! -e "/tmp/perf-$pid.map" ]
}

@test "perf reports both by name" {
	type -P perf >/dev/null || skip "no perf"
	perf record -q -e cpu-clock -o probe true 2>/dev/null ||
		skip "perf may not count here"
	perf record -q -e cpu-clock -o data "$AZALEA" run --plat pico \
		--perf-map "$BATS_FILE_TMPDIR/busy" 300 >out
	read -r pid hot <out
	perf report -i data --stdio >named 2>/dev/null
	grep -E '% +busy +busy +\[\.\] hot' named
	grep -E "% .*tid $pid .*\[\.\] (syscall_entry|pico_call_now) \[azalea" \
		named
	rm "/tmp/perf-$pid.map"
}
