# SPDX-License-Identifier: MIT
# shell.sh - dash and bash: pipelines, substitutions, jobs, traps, redirections.
# needs: bash dash
. "$TESTS/lib.inc"

cat >common.sh <<'END'
#!/bin/sh
set -u
for i in 1 2 3; do echo "line $i"; done | sort -r | tr a-z A-Z
x=$(echo one; echo two | sed s/two/2/)
echo "$x"
(exit 3); echo "status $?"
/nonexistent; echo "status $?"
nosuchcommand; echo "status $?"
./common.sh.not; echo "status $?"
echo text >out && cat <out | wc -c
sh -c 'kill -TERM $$'; echo "status $?"
{ echo to stderr >&2; } 2>&1 | sed 's/^/got: /'
cat <<EOT | grep -c here
here
and here
EOT
sleep 0.01 & wait $!; echo "waited $?"
(trap 'echo trapped' USR1; kill -USR1 $(sh -c 'echo $PPID'); echo on)
trap 'echo the end' EXIT
yes | head -n 3
seq 2000 | xargs -n 100 echo | wc -l
find /etc/default -name 'use*' -exec basename {} \;
exec 7>seven; sh -c 'echo by child >&7'; exec 7>&-; cat seven
VAR=exported sh -c 'echo $VAR'
cd /; sh -c pwd; cd "$OLDPWD"
umask 027; : >made; ls -l made | cut -c 1-10
ulimit -n 100; sh -c 'ulimit -n'
nice -n 5 nice
env -i A=1 env
timeout 0.05 sleep 10; echo "status $?"
nohup sh -c 'kill -HUP $$; echo survived' 2>/dev/null
i=0; while [ $i -lt 50 ]; do /bin/true || echo bad; i=$((i + 1)); done
exec sh -c 'echo replaced'
END
chmod +x common.sh
try dash common.sh
try bash common.sh
try ./common.sh
try bash -c 'diff <(seq 5) <(seq 2 6); coproc cat; echo hi >&"${COPROC[1]}"
	read -r l <&"${COPROC[0]}"; echo "$l"; shopt -s lastpipe
	seq 3 | mapfile -t a; echo "${a[@]}"; time -p true' 2>&1 | grep -v '^[usr]'
try bash -c 'set -m; sleep 0.5 & fg >/dev/null; echo $?'
try bash -o pipefail -c 'false | true; echo $?; echo "${PIPESTATUS[@]}"'
try sh -c 'echo $0 $@' name a b
try env A=b sh -c 'echo $A'
try xargs -P 4 -n 1 sh -c 'exit 0' <common.sh 2>/dev/null
