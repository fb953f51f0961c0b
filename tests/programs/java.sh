# SPDX-License-Identifier: MIT
# java.sh - the Java virtual machine: interpreter and both compilers, threads,
# collectors, signals, stack walks, files and sockets.
# needs: java javac
# timeout: 200
# modes: auto auto-1 ring-2
. "$TESTS/lib.inc"

exe=$CACHE/java-test
if [ ! -e "$exe/Work.class" ] || [ "$TESTS/Work.java" -nt "$exe/Work.class" ]; then
	mkdir -p "$exe.$$"
	javac -d "$exe.$$" "$TESTS/Work.java"
	rm -rf "$exe"
	mv "$exe.$$" "$exe"
fi
J='-Xmx256m -Xshare:auto -cp '$exe
# shellcheck disable=SC2086
work()
{
	echo "--- $*"
	status $RUN java $J "$@"
}
work Work all
work -Xint Work quick
work -XX:TieredStopAtLevel=1 Work quick
work -XX:+UseSerialGC Work memory
work -XX:+UseParallelGC Work memory
work -XX:+UseG1GC Work memory
work Work exit
work Work hook
