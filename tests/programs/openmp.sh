# SPDX-License-Identifier: MIT
# openmp.sh - an OpenMP program: loops, reductions, tasks, locks; with one to
# eight threads, which must not change the result.
# needs: gcc
. "$TESTS/lib.inc"

exe=$CACHE/openmp
if [ ! -x "$exe" ] || [ "$TESTS/openmp.c" -nt "$exe" ]; then
	gcc -O2 -fopenmp -o "$exe.$$" "$TESTS/openmp.c" -lm
	mv "$exe.$$" "$exe"
fi
for n in 1 2 8; do
	title "$n threads"
	OMP_NUM_THREADS=$n $RUN "$exe"
done
OMP_NUM_THREADS=2 OMP_WAIT_POLICY=active $RUN "$exe"
OMP_NUM_THREADS=4 OMP_WAIT_POLICY=passive $RUN "$exe"
OMP_NUM_THREADS=3 OMP_PROC_BIND=true $RUN "$exe"
