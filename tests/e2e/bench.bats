#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bench.bats - azalea bench measures both sides and says what it found
# shellcheck disable=SC2154

load common

setup_file() {
	make -s -C "$BATS_TEST_DIRNAME/../.." AZALEA_DEPS=skip bench-build \
		>&2 3>&-
}

# refuses TEXT ARG... - `azalea bench`, with ${WITH[@]} in its environment, says
# TEXT in one line and does nothing
refuses() {
	local text=$1
	shift
	run -125 --separate-stderr env "${WITH[@]}" "$AZALEA" bench "$@"
	echo "stdout: $output, stderr: $stderr"
	[ -z "$output" ]
	[[ $stderr == "azalea: bench: "*"$text"* ]]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
}

# object EXPRESSION - of the JSON object on stdin, o
object() {
	/usr/bin/python3 -c '
import json, sys
o = json.load(sys.stdin)
sys.exit(not eval("(" + sys.argv[1] + ")"))' "$1"
}

@test "bench lists its questions" {
	run -0 "$AZALEA" bench
	[[ ${lines[0]} == BENCH*QUESTION ]]
	grep -q '^getpid  *What .*?$' <<<"$output"
	grep -q '^hourglass  *.*Hourglass' <<<"$output"
	"$AZALEA" bench -o json | object '
		len(o) >= 15 and all(b["question"] and b["cases"] for b in o)
		and "static" in {b["name"]: b for b in o}["getpid"]["cases"]'
}

@test "every file of bench/ is a bench" {
	local file
	"$AZALEA" bench >list
	for file in "$BATS_TEST_DIRNAME"/../../bench/*.c; do
		file=$(basename "$file" .c)
		[ "$file" = bench ] || grep -q "^$file " list
	done
}

@test "a bench compares both sides, and JSON has all samples" {
	"$AZALEA" bench -n 2 --duration 0.01 -o json getpid/static >out
	object '
		[b["name"] for b in o["benches"]] == ["getpid"] and
		o["machine"]["cpu"] and o["machine"]["linux"]' <out
	object '[r["name"] for r in o["benches"][0]["results"]] == ["static"]
		' <out
	object 'all(len(side["samples"]) == side["n"] >= 10 and
		side["min"] <= side["median"] <= side["p99"] <= side["max"] and
		side["median"] > 0
		for r in o["benches"][0]["results"]
		for side in (r["linux"], r["azalea"]))' <out
	object 'all(abs(r["ratio"] - r["linux"]["median"] /
		r["azalea"]["median"]) < 1e-6 * r["ratio"]
		for r in o["benches"][0]["results"])' <out
}

@test "text has a row a case, the machine, and what a ratio is" {
	run -0 "$AZALEA" bench -n 1 --duration 0.01 clock/monotonic
	grep -q '^clock: What does it cost' <<<"$output"
	[ "$(grep -c '^  monotonic.* [0-9.]*x ' <<<"$output")" -eq 2 ]
	grep -q '^On cpu ' <<<"$output"
	grep -q "^ratio: Linux's median by Azalea's" <<<"$output"
}

@test "commands and idle programs are measured" {
	"$AZALEA" bench -n 1 --duration 0.1 -o json start/static \
		footprint constant/memory >out
	object '[b["name"] for b in o["benches"]] ==
		["start", "footprint", "constant"]' <out
	object 'all(r["azalea"]["processor_ms"]["n"] == 1
		for r in o["benches"][0]["results"])' <out
	object 'o["benches"][1]["results"][0]["azalea"]["median"] > 0.1' <out
	object '"base" in o["benches"][2]["results"][0]' <out
}

@test "noise has pairs and their statistics, and is drawn" {
	"$AZALEA" bench -n 2 --duration 0.2 -o json --plot noise.svg \
		fwq ftq hourglass >out
	object 'all(0.3 < side["seconds"] and side["overhead_percent"] >= 0 and
		all(0 <= when < 1e6 * side["seconds"] + 1 and value >= 0
		for when, value in side["samples"])
		for b in o["benches"] for r in b["results"]
		for side in (r["linux"], r["azalea"]))' <out
	# On the grid: half a millisecond apart.
	object 'all(abs(b[0] - a[0] - 500) < 0.5 for r in
		o["benches"][1]["results"] for s in [r["linux"]["samples"]]
		for a, b in zip(s[:300], s[1:300]))' <out
	/usr/bin/python3 -c '
import sys, xml.dom.minidom
sys.exit("svg" != xml.dom.minidom.parse("noise.svg").documentElement.tagName)'
	[ "$(grep -c 'fwq, \|ftq, \|hourglass, ' noise.svg)" -eq 6 ]
}

@test "bars are drawn" {
	"$AZALEA" bench -n 1 --duration 0.01 --plot b.svg getpid clock >out
	/usr/bin/python3 -c 'import xml.dom.minidom as m; m.parse("b.svg")'
	grep -q 'getpid: What' b.svg
	grep -q 'clock: What' b.svg
}

@test "--check fails exactly if a target is not met" {
	local status=0
	"$AZALEA" bench --check -n 1 --duration 0.01 -o json getpid >out ||
		status=$?
	object "all(t['met'] for r in o['benches'][0]['results']
		for t in r['targets']) == ($status == 0)" <out
	"$AZALEA" bench --check -n 1 --duration 0.01 local >out
	"$AZALEA" bench --check -n 1 --duration 0.1 footprint/private >out
	grep -q '^footprint/private memory .* met$' out
}

# fake NAME CASE... <<BODY - a bench that is a shell script, in $PWD/fakes
#
# Each CASE is the JSON of one; BODY runs for samples, $1 is the case's name.
fake() {
	local name=$1 cases
	shift
	cases=$(printf '%s, ' "$@")
	mkdir -p fakes
	{
		echo '#!/bin/sh'
		echo "[ \"\$1\" = --describe ] && echo '{\"question\": \"?\",
			\"rounds\": 2, \"prepare\": 0,
			\"cases\": [${cases%, }]}' && exit"
		cat
	} >"fakes/$name"
	chmod +x "fakes/$name"
	export AZALEA_BENCHES=$PWD/fakes
}

# case_of NAME [TARGET] - the JSON of a case that takes samples on one CPU
case_of() {
	echo "{\"name\": \"$1\", \"how\": \"samples\", \"unit\": \"ns\",
		\"cpus\": 1, \"cores\": 0, \"dynamic\": 0,
		\"targets\": [${2:-}]}"
}

@test "both sides run on one CPU, the last one" {
	local last
	fake place "$(case_of one)" <<-'BODY'
		while read -r key value; do
			[ "$key" != Cpus_allowed_list: ] || echo "$value"
		done </proc/self/status
	BODY
	last=$(taskset -pc $$ | sed 's/.*[^0-9]\([0-9]*\)$/\1/')
	"$AZALEA" bench -o json place >out
	# An instance has cores, which it counts from 0.
	object "all(r['linux']['samples'] == [$last, $last] and
		r['azalea']['samples'] == [0, 0] and r['cpus'] == '$last'
		for r in o['benches'][0]['results'])" <out
}

@test "targets are met or not by the medians of both sides" {
	# Its stack tells where it runs. Linux: 30, Azalea: 10.
	fake met \
		"$(case_of a '{"what": "faster", "value": 3}')" \
		"$(case_of b '{"what": "faster", "value": 3.01}')" \
		"$(case_of c '{"what": "at most", "value": 10}')" \
		"$(case_of d '{"what": "at most", "value": 9.99}')" \
		"$(case_of e '{"what": "above", "value": -20}')" \
		"$(case_of f '{"what": "above", "value": -20.1}')" <<-'BODY'
		while read -r line; do
			case $line in
			4eff*stack*) echo 10 && exit ;;
			esac
		done </proc/self/maps
		echo 30
	BODY
	run -1 "$AZALEA" bench -n 1 --check
	grep '^  a, ns .* 3.00x  3x faster: met$' <<<"$output"
	grep '^  b, ns .*faster: MISSED$' <<<"$output"
	grep '^  c, ns .*at most 10 ns: met$' <<<"$output"
	grep '^  d, ns .*at most 9.99 ns: MISSED$' <<<"$output"
	grep '^  e, ns .*at most Linux + -20 ns: met$' <<<"$output"
	grep '^  f, ns .*: MISSED$' <<<"$output"
	run -0 "$AZALEA" bench -n 1 --check met/a met/c met/e
	run -1 "$AZALEA" bench -n 1 --check met/a met/f
	run -0 "$AZALEA" bench -n 1 met
}

@test "a bench that fails says why, and the others go on" {
	fake a "$(case_of garbage)" "$(case_of none)" "$(case_of skip)" \
		"$(case_of signal)" "$(case_of good)" <<-'BODY'
		case $1 in
		garbage) printf '1\n2\nthree\n' ;;
		none) ;;
		skip) echo "no such device" >&2; exit 77 ;;
		signal) kill -KILL $$ ;;
		good) printf '1\n2\n' ;;
		esac
	BODY
	run -0 "$AZALEA" bench a
	grep '^  garbage  *not measured: what .* are not samples' <<<"$output"
	grep '^  none  *not measured: what .* are not samples' <<<"$output"
	grep '^  skip  *not measured: no such device' <<<"$output"
	grep '^  signal  *not measured: ended by signal 9' <<<"$output"
	grep '^  good, ns  *1.500 ' <<<"$output"
	"$AZALEA" bench -o json a | object '
		["skipped" in r for r in o["benches"][0]["results"]] ==
		[True, True, True, True, False]'
}

@test "what is not a description is refused" {
	local text
	mkdir fakes
	export AZALEA_BENCHES=$PWD/fakes
	for text in 'no JSON' '[]' '{}' '{"question": "?", "rounds": 0,
		"prepare": 0, "cases": []}' '{"question": "?", "rounds": 1,
		"prepare": 0, "cases": [{"name": "x"}]}' "{\"question\": \"?\",
		\"rounds\": 1, \"prepare\": 0, \"cases\": [$(case_of x \
		'{"what": "else", "value": 1}')]}"; do
		printf '#!/bin/sh\necho '"'%s'\n" "$text" >fakes/x
		chmod +x fakes/x
		refuses "is not a bench of this version"
	done
}

@test "what cannot be measured says why" {
	local cpu
	cpu=$(taskset -pc $$ | sed 's/.*: *\([0-9]*\).*/\1/')
	run "$AZALEA" bench --cpuset-cpus "$cpu" -n 1 scaling/one
	[ "$status" -eq 0 ]
	says "not measured: needs 2 CPUs, and has 1"
	run -1 "$AZALEA" bench --check --cpuset-cpus "$cpu" -n 1 \
		'pingpong/futex, two'
	says "not measured"
	run env PATH=/nowhere "$AZALEA" bench -n 1 compute/xz
	says "not measured: xz: "
}

@test "wrong requests are refused before anything is measured" {
	refuses "did you mean getpid?" getpit
	refuses "no such bench: see" nonsense
	refuses "no case of getpid begins so" getpid getpid/nonsense
	refuses "--rounds 0" -n 0 getpid
	refuses "--duration x" --duration x getpid
	refuses "--duration -1" --duration=-1 getpid
	refuses "no such form" -o xml
	refuses "CPU 8000 may not be used" --cpuset-cpus 8000 getpid
	refuses "not a list of CPUs" --cpuset-cpus 1- getpid
	refuses "ends with .svg" --plot x.png getpid
	refuses "cannot write it" --plot none/x.svg getpid
	[ ! -e x.png ]
}

@test "missing helpers are named" {
	mkdir empty
	WITH=("PATH=$PWD/empty")
	refuses "apt-get install gnuplot-nox" --plot x.svg getpid
	WITH=("AZALEA_BENCHES=$PWD/empty")
	refuses "there are no benches" getpid
	WITH=("AZALEA_BENCHES=$PWD/none")
	refuses "make bench-build" getpid
	cp "$(type -P true)" empty/nothing
	WITH=("AZALEA_BENCHES=$PWD/empty")
	refuses "is not a bench of this version"
}

@test "each copy is an instance on its share of the CPUs" {
	[ "$(nproc)" -ge 2 ] || skip "one CPU"
	fake side "{\"name\": \"two\", \"how\": \"wall\", \"unit\": \"ms\",
		\"cpus\": 2, \"cores\": 0, \"dynamic\": 0, \"copies\": 2,
		\"command\": \"$PWD/fakes/say.sh\", \"targets\": []}" </dev/null
	cat >fakes/say.sh <<-BODY
		#!/bin/sh
		while read -r key value; do
			[ "\$key" != Cpus_allowed_list: ] || echo "\$value"
		done </proc/self/status >>"$PWD/cpus"
	BODY
	chmod +x fakes/say.sh
	"$AZALEA" bench -o json side >out
	object 'len(o["benches"][0]["results"][0]["azalea"]["samples"]) == 2
		' <out
	# Two copies, two rounds and one before. An instance's one core is 0.
	[ "$(grep -cx 0 cpus)" -eq 6 ]
	[ "$(grep -cx '[0-9]*[-,][0-9]*' cpus)" -eq 6 ]
}

@test "instructions are counted only by what counts" {
	refuses "cannot read counters" --count none getpid
	truncate -s 65536 still
	run -0 "$AZALEA" bench -n 1 --count still getpid/static
	says "not measured: getpid: $PWD/still does not count CPU" ||
		says "not measured: getpid: still does not count CPU"
	run -0 "$AZALEA" bench -n 1 --count still footprint/processor
	says "is about time, not instructions"
}

@test "what only metal has is left out of all, and refused by name" {
	run -0 "$AZALEA" bench quiet
	says "not measured: needs --plat metal"
	fake some "$(case_of here)" \
		"$(case_of there | sed 's/"cores"/"metal": 1, "cores"/')" <<-'BODY'
		echo 1
	BODY
	"$AZALEA" bench -n 1 -o json all >out
	object '[r["name"] for r in o["benches"][0]["results"]] == ["here"]' <out
	"$AZALEA" bench -n 1 -o json --plat pico all >out
	object '"azalea" in o["benches"][0]["results"][0]' <out
}

@test "an installed azalea finds its benches" {
	local real
	real=$(realpath "$AZALEA")
	mkdir -p usr/bin usr/libexec/azalea
	cp "$real" usr/bin/azalea
	cp -r "$(dirname "$real")/benches" usr/libexec/azalea/
	usr/bin/azalea bench -n 1 --duration 0.01 -o json getpid/static |
		object '"azalea" in o["benches"][0]["results"][0]'
}

@test "a signal ends it at once, and nothing stays behind" {
	local pid status=0 sig
	for sig in INT TERM; do
		# A shell has its background jobs ignore SIGINT.
		env --default-signal=INT TMPDIR="$PWD" "$AZALEA" bench \
			-n 1000 compute/xz >out 2>&1 3>&- &
		pid=$!
		STARTED+=("$pid")
		eventually grep -q '^compute:' out
		eventually test -e azalea-bench-*/words
		kill -$sig "$pid"
		status=0
		wait "$pid" || status=$?
		echo "status $status"
		[ "$status" -eq $((128 + $(kill -l $sig))) ]
		[ -z "$(ls -d azalea-bench-* 2>/dev/null)" ]
		[ -z "$(pgrep -P "$pid")" ]
	done
}
