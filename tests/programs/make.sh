# SPDX-License-Identifier: MIT
# make.sh - make and the compiler: programs that start programs that start more.
# needs: make gcc
. "$TESTS/lib.inc"

cat >Makefile <<'END'
all: prog
	./prog $(words $(OBJ))
OBJ := $(patsubst %,m%.o,1 2 3 4)
prog: main.o $(OBJ)
	gcc -o $@ $^
main.c:
	echo '#include <stdio.h>' >$@
	echo 'int main(int c, char **v) { puts(v[c - 1]); return c - 2; }' >>$@
m%.c:
	echo 'int f$*(void) { return $*; }' >$@
%.o: %.c
	@gcc -O1 -c -o $@ $<
sub:
	@$(MAKE) --no-print-directory -f sub.mk
	@echo $(shell expr 2 + 3)
fail:
	@sh -c 'exit 7'
.PHONY: all sub fail
END
printf 'x:\n\t@echo in sub, $(MAKELEVEL)\n' >sub.mk
try make
try make
touch m2.c
try make -n
try make -s -j4 -B
try make sub
try make fail 2>&1 | grep -o 'Error 7'
try make -k fail nothing 2>&1 | grep -c 'make:'
