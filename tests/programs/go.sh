# SPDX-License-Identifier: MIT
# go.sh - a Go program: goroutines, channels, timers, maps, net, http, gc.
# needs: go
. "$TESTS/lib.inc"

exe=$CACHE/go-test
if [ ! -x "$exe" ] || [ "$TESTS/go/main.go" -nt "$exe" ]; then
	GOCACHE=$CACHE/go-cache GOFLAGS=-mod=mod GO111MODULE=off \
	    go build -o "$exe.$$" "$TESTS/go/main.go"
	mv "$exe.$$" "$exe"
fi
$RUN "$exe" all
GOMAXPROCS=1 $RUN "$exe" channels
GOGC=10 $RUN "$exe" memory
status $RUN "$exe" exit
$RUN "$exe" signal
$RUN "$exe" programs
# The trace has addresses in it; its first line does not.
st=0
$RUN "$exe" panic 2>trace || st=$?
echo "status $st"
head -n 1 trace
st=0
$RUN "$exe" nil 2>trace || st=$?
echo "status $st"
sed -n '1p;2s/ pc=.*//p' trace
