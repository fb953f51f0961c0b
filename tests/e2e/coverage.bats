#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# coverage.bats - real programs' calls go without traps, but for a few: a small
# part of bench/coverage.py, which says what is counted.

load common

setup()
{
	cd "$BATS_TEST_TMPDIR" || return
}

# covered PROGRAM - enough of its sites are rewritten, and calls without a trap.
covered()
{
	run /usr/bin/python3 "$TOP/bench/coverage.py" --azalea "$AZALEA" \
	    --scale 0.05 --check --missed "$1"
	echo "$output"
	if [[ $output =~ skipped:\ (.*) ]]; then
		skip "${BASH_REMATCH[1]}"
	fi
	[ "$status" -eq 0 ]
}

@test "python3 calls without traps" { covered python3; }
@test "redis-server calls without traps" { covered redis; }
@test "perl calls without traps" { covered perl; }
@test "nginx calls without traps" { covered nginx; }
@test "memcached calls without traps" { covered memcached; }
@test "sqlite3 calls without traps" { covered sqlite3; }
@test "a Go program calls without traps" { covered go; }
@test "a musl program calls without traps" { covered musl; }

@test "without rewriting, every call traps" {
	AZALEA_PATCH=0 run /usr/bin/python3 "$TOP/bench/coverage.py" \
	    --azalea "$AZALEA" --scale 0.02 --check perl
	[ "$status" -eq 1 ]
	[[ $output =~ perl\ .*\ 0\.000% ]]
}
