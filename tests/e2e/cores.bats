#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cores.bats - azalea cores, as far as it goes without azalea.ko
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

load common

# refused STATUS TEXT ARG... - `azalea cores` says TEXT and prints nothing
refused() {
	local want=$1 text=$2
	shift 2
	run "-$want" --separate-stderr "$AZALEA" cores "$@"
	echo "stdout: $output, stderr: $stderr"
	[ -z "$output" ]
	[[ $stderr == "azalea: cores: "*"$text"* ]]
}

root_only() {
	[ "$(id -u)" -eq 0 ] || skip "not root"
}

@test "list names each CPU, its place and its state" {
	run "$AZALEA" cores
	[ "$status" -eq 0 ]
	[[ ${lines[0]} =~ ^CPU\ +NODE\ +PACKAGE\ +CORE\ +STATE\ +FOR ]]
	[ "$(grep -cE '^[0-9]+ +[0-9]+ +[0-9-]+ +[0-9-]+ +[a-z]+ ' \
		<<<"$output")" -eq "$(getconf _NPROCESSORS_CONF)" ]
	grep -E '^NODE +MEMORY +FREE +RESERVED +LENT$' <<<"$output"
	[ "$("$AZALEA" cores list)" ]
}

@test "list agrees with what Linux says" {
	local cpu dir=/sys/devices/system/cpu
	for cpu in 0 $(($(nproc) - 1)); do
		[ -d "$dir/cpu$cpu/topology" ] || continue
		"$AZALEA" cores -o json | json "[
			(c.package, c.core, c.state) for c in o.cpus
			if c.cpu == $cpu] == [(
			$(cat "$dir/cpu$cpu/topology/physical_package_id"),
			$(cat "$dir/cpu$cpu/topology/core_id"), 'linux')]"
	done
}

@test "without the module all CPUs are Linux's" {
	[ ! -e /dev/azalea ] || skip "the module is loaded"
	run "$AZALEA" cores
	says "azalea.ko is not loaded: all CPUs are Linux's."
	"$AZALEA" cores -o json | json 'not o.module and
		all(c.state in ("linux", "offline") for c in o.cpus) and
		sum(n.memory for n in o.nodes) > 0'
}

@test "lists of nodes and CPUs are as hwloc has them" {
	HWLOC_SYNTHETIC='node:2 package:1 core:4 pu:1' HWLOC_THISSYSTEM=0 \
		"$AZALEA" cores -o json | json '
			[n.node for n in o.nodes] == [0, 1] and
			o.cpus[0].core == 0 and o.cpus[0].package == 0'
}

@test "wrong words are refused, with the right ones" {
	refused 125 'take: list, reserve or release' take
	refused 125 '2-3: list, reserve or release' list 2-3
	refused 125 'one argument too many' reserve 2 3
	refused 125 'reserve what? Name CPUs, as 2-7' reserve
	refused 125 'release what?' release
	refused 125 '2..7: not a list of CPUs: write it as 2-7,9' reserve 2..7
	refused 125 '7-2: not a list' reserve 7-2
	refused 125 'all: not a list' reserve all
	refused 125 '99999: not a list' reserve 99999
	refused 125 'unknown option --json' --json
	refused 125 '--output xml: no such form' -o xml
	refused 125 'leave --memory out' release all -m 1G
}

@test "options are refused where they mean nothing" {
	refused 125 '--user is not for `list`' --user root
	refused 125 '--memory is not for `list`' list -m 1G
	refused 125 '--user is not for `release`' release 2 -u root
	refused 125 '--group is not for `release`' release 2 -g root
	refused 125 '--partial is not for `release`' release --partial 2
	refused 125 '--output is not for `reserve`' reserve 2 -o json
}

@test "amounts of memory and users that there are not are refused" {
	refused 125 '--memory 8G@nod0: not an amount of a node' \
		reserve 1 -m 8G@nod0
	refused 125 '--memory 0: not an amount' reserve -m 0
	refused 125 '--memory 8X@node0: not an' release -m 8X@node0
	refused 125 '--user no:one: no such user' reserve 1 --user no:one
	refused 125 '--group 4294967295: no such group' \
		reserve 1 -g 4294967295
}

@test "only root moves CPUs" {
	root_only
	type -P setpriv >/dev/null || skip "no setpriv"
	run setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin \
		"$AZALEA" cores reserve 1
	[ "$status" -eq 1 ]
	says "only root may move CPUs between Linux and unikernels"
	run setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin \
		"$AZALEA" cores
	[ "$status" -eq 0 ]
}

@test "without a module to load, reserving says how to get one" {
	root_only
	[ ! -e /dev/azalea ] || skip "the module is loaded"
	! modinfo azalea >/dev/null 2>&1 || skip "a module is installed"
	# Alone, so that none is found beside it.
	cp "$AZALEA" alone
	AZALEA=./alone
	refused 1 'azalea.ko, which is not loaded' reserve 1
	says 'build it (make module) and load it (insmod'
	refused 1 'nothing is reserved: azalea.ko is not loaded' release 1
	refused 1 'nothing is reserved: azalea.ko is not loaded' release all
}

@test "a module that is none is not loaded" {
	root_only
	[ ! -e /dev/azalea ] || skip "the module is loaded"
	mkdir module
	cp "$AZALEA" azalea
	echo rubbish >module/azalea.ko
	AZALEA=./azalea
	refused 1 'module/azalea.ko: cannot be loaded: ' reserve 1
}

@test "a second manager is told who is at work" {
	root_only
	mkdir -m 700 "$AZALEA_RUN_DIR"
	echo 4711 >"$AZALEA_RUN_DIR/.cores"
	flock "$AZALEA_RUN_DIR/.cores" sleep 1000 3>&- &
	STARTED+=($!)
	eventually sh -c '! flock -n "$AZALEA_RUN_DIR/.cores" true'
	refused 1 'another `azalea cores` is at work (pid 4711): wait' \
		reserve 1
	refused 1 'at work (pid 4711)' release all
	kill "$(pgrep -P "${STARTED[-1]}")"
	wait "${STARTED[-1]}" || true
	[ -e /dev/azalea ] || refused 1 'nothing is reserved' release all
}

@test "a run directory that others may write is not trusted" {
	root_only
	mkdir -m 777 "$AZALEA_RUN_DIR"
	chmod 777 "$AZALEA_RUN_DIR"
	refused 1 "$AZALEA_RUN_DIR: not only yours to write" reserve 1
}

@test "each option of cores is in its man page, and the other way round" {
	diff <("$AZALEA" help cores | grep -o -e '^  [ -]..* --[a-z-]*' |
		grep -o -e '--[a-z-]*' | sort) \
		<(sed -n 's/^\.It Fl \(. , Fl \)\{0,1\}-\([a-z-]*\).*/--\2/p' \
			"$BATS_TEST_DIRNAME/../../docs/man/azalea-cores.1" |
			sort)
}
