#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh - install the Debian packages that the named sets need.
#
#	deps.sh [--list] SET...
#
# Prints and does nothing if all of them are there. Otherwise prints the list
# of those missing, once, and installs them with apt-get, through sudo if the
# caller is not root. --list prints what is missing and installs nothing.
# AZALEA_DEPS=skip makes it do nothing at all, for machines that provide the
# same things by other means.
set -eu

list=$(dirname "$0")/packages.txt

die()
{
	echo "deps: $*" >&2
	exit 1
}

# wanted SET... - the packages of the sets, each once.
wanted()
{
	for set in "$@"; do
		sed -n "s/^$set	//p" "$list"
	done | sort -u
}

# missing PACKAGE... - those that are not installed.
missing()
{
	have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" \
	    2>/dev/null | sed -n 's/ installed$//p')
	for package in "$@"; do
		case "
$have
" in
		*"
$package
"*) ;;
		*) echo "$package" ;;
		esac
	done
}

only_list=
[ "${1:-}" = --list ] && only_list=1 && shift
[ $# -gt 0 ] || die "usage: deps.sh [--list] SET..."
[ "${AZALEA_DEPS:-}" != skip ] || exit 0

for set in "$@"; do
	grep -q "^$set	" "$list" || die "no set named '$set' in $list"
done
packages=$(wanted "$@")
command -v dpkg-query >/dev/null ||
    die "this is not a Debian system. Install what these Debian packages" \
	"provide, then set AZALEA_DEPS=skip:
$packages"

# shellcheck disable=SC2086 # a list of words
lacking=$(missing $packages | tr '\n' ' ')
[ -n "$lacking" ] || exit 0
if [ -n "$only_list" ]; then
	echo "$lacking"
	exit 0
fi

by_hand="apt-get install --no-install-recommends $lacking"
as_root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || die "packages are missing, and neither" \
	    "root nor sudo is at hand. As root, run:
	$by_hand"
	as_root=sudo
fi

echo "Installing Debian packages for '$*': $lacking"

# apt_get ARGS... - to a terminal its output is progress; to a log it is
# noise, unless it fails.
apt_get()
{
	set -- $as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q \
	    -o DPkg::Lock::Timeout=600 "$@"
	if [ -t 1 ]; then
		"$@" </dev/null
		return
	fi
	log=$(mktemp)
	if "$@" >"$log" 2>&1 </dev/null; then
		rm -f "$log"
		return 0
	fi
	tail -n 15 "$log" >&2
	rm -f "$log"
	return 1
}

# A package list that cannot be refreshed may still do: installing decides.
apt_get update -o APT::Update::Error-Mode=any ||
    echo "deps: the package lists could not be refreshed; going on" >&2
# shellcheck disable=SC2086
apt_get install --no-install-recommends $lacking ||
    die "could not install the packages. Is the network there, and does" \
	"/etc/apt name a mirror of Debian 12? To try by hand, as root:
	$by_hand"

# shellcheck disable=SC2086
still=$(missing $lacking)
[ -z "$still" ] || die "apt-get succeeded, but these are still missing: $still"
