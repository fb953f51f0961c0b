# SPDX-License-Identifier: MIT
# targets.mk - targets beside the build itself: tests, lint, demo, docs.

# --- packages ----------------------------------------------------------------
# Every first step of a build waits (order-only) for the packages that the goals
# on the command line need: one list, one run of apt, none if all are there.
# `make deps` looks again and installs for all goals.
DEPS_SETS := build \
	$(if $(filter demo examples lint,$(MAKECMDGOALS)),demo) \
	$(if $(filter module benchmarks-metal,$(MAKECMDGOALS)),module) \
	$(if $(filter test test-%,$(MAKECMDGOALS)),test) \
	$(if $(filter lint,$(MAKECMDGOALS)),lint) \
	$(if $(filter bench bench-% benchmarks%,$(MAKECMDGOALS)),bench) \
	$(if $(filter machine benchmarks-metal,$(MAKECMDGOALS)),machine) \
	$(if $(filter benchmarks-kvm,$(MAKECMDGOALS)),compare)
DEPS_NAME := $(shell echo $(DEPS_SETS) | tr ' ' '-')
DEPS := $(B)/deps/$(DEPS_NAME)

$(DEPS): tools/packages.txt tools/deps.sh
	@mkdir -p $(@D)
	$(Q)tools/deps.sh $(DEPS_SETS)
	@touch $@

.PHONY: deps
deps:
	$(Q)tools/deps.sh build demo test lint bench

$(GEN) $(B)/vdso/vdso.so $(KOBJ) $(HOBJ) $(ROBJ) $(LOBJ): | $(DEPS)

.PHONY: help
help:
	@echo 'make            build $(B)/azalea and libazalea'
	@echo 'make module     $(B)/module/azalea.ko [KDIR=HEADERS OF A KERNEL]'
	@echo 'make lib        $(B)/lib/libazalea.a; its headers: lib/include'
	@echo 'make demo       the main job, beside Linux [PHOTOS=FOLDER]'
	@echo 'make test       all tests'
	@echo 'make lint       all checks of the source'
	@echo 'make bench      all benches; make bench-NAME: one [BENCHFLAGS=...]'
	@echo 'make benchmarks all benches, and the figures into docs/'
	@echo 'make machine    a QEMU machine with this tree, to crash [MACHINEFLAGS=]'
	@echo 'make benchmarks-metal  the same for metal, in a QEMU machine'
	@echo 'make benchmarks-kvm    the same for kvm, beside runsc and QEMU'
	@echo 'make examples   $(B)/edge, the program of the demo; $(B)/web.azi'
	@echo 'make deps       install the Debian packages for all of these'
	@echo 'make install    into PREFIX, /usr/local [DESTDIR=]; the module, too,'
	@echo '                if it was made; make uninstall'
	@echo 'make clean      remove $(B)'
	@echo 'V=1 shows commands; AZALEA_DEPS=skip installs no packages.'

# --- azalea.ko ---------------------------------------------------------------
# make module [KDIR=headers]: for the running kernel, if it has headers here;
# else for the newest that has some. Out of tree, into $(B)/module.
KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	$(lastword $(sort $(wildcard /lib/modules/*/build))))
MODULE_SRC := $(wildcard module/*.c module/*.h module/*.S) module/Kbuild

.PHONY: module
module: | $(DEPS)
	$(Q)test -n "$(KDIR)" || { echo "make module: no kernel headers" \
	    "in /lib/modules: install linux-headers-amd64, or give KDIR=" >&2; \
	    exit 1; }
	@mkdir -p $(B)/module
	$(Q)ln -sf $(addprefix $(CURDIR)/,$(MODULE_SRC)) $(B)/module/
	$(Q)$(MAKE) -s -C $(KDIR) M=$(abspath $(B)/module) AZ_TOP=$(CURDIR) \
	    modules

# --- installation --------------------------------------------------------------
# All that belongs together stands in one folder, as in $(B): azalea looks for
# module/azalea.ko beside itself, azalea-cc for all that it needs.
PREFIX ?= /usr/local
HOME_DIR := $(DESTDIR)$(PREFIX)/lib/azalea
MAN_DIR := $(DESTDIR)$(PREFIX)/share/man
COMPLETION := $(DESTDIR)$(PREFIX)/share/bash-completion/completions/azalea
INSTALLED := $(DESTDIR)$(PREFIX)/bin/azalea $(DESTDIR)$(PREFIX)/bin/azalea-cc \
	$(COMPLETION) $(patsubst docs/man/%,$(MAN_DIR)/man1/%, \
	    $(wildcard docs/man/*.1)) \
	$(patsubst docs/man/%,$(MAN_DIR)/man3/%,$(wildcard docs/man/*.3))

.PHONY: install uninstall
install: all
	$(Q)install -d $(HOME_DIR)/lib $(HOME_DIR)/include/azalea \
	    $(sort $(dir $(INSTALLED)))
	$(Q)install -s $(B)/azalea $(HOME_DIR)
	$(Q)install $(B)/azalea-cc $(HOME_DIR)
	$(Q)install -m 644 $(B)/azalea.elf $(HOME_DIR)
	$(Q)cp -a $(B)/musl-include $(HOME_DIR)
	$(Q)install -m 644 $(B)/lib/libazalea.a $(HOME_DIR)/lib
	$(Q)install -m 644 lib/include/azalea/*.h $(HOME_DIR)/include/azalea
	$(Q)ln -sf ../lib/azalea/azalea ../lib/azalea/azalea-cc \
	    $(DESTDIR)$(PREFIX)/bin
	$(Q)install -m 644 docs/man/*.1 $(MAN_DIR)/man1
	$(Q)install -m 644 docs/man/*.3 $(MAN_DIR)/man3
	$(Q)install -m 644 tools/azalea.bash-completion $(COMPLETION)
	$(Q)if [ -e $(B)/module/azalea.ko ]; then \
	    install -D -m 644 $(B)/module/azalea.ko \
	        $(HOME_DIR)/module/azalea.ko; \
	else \
	    echo "without azalea.ko: make module builds it"; \
	fi

uninstall:
	$(Q)rm -rf $(HOME_DIR)
	$(Q)rm -f $(INSTALLED)

# --- examples, demo, benches -------------------------------------------------
# Ordinary Linux programs: they know nothing of Azalea.
PCFLAGS := -std=gnu11 -O2 -g -D_GNU_SOURCE -pthread $(WARN)
EDGE_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard examples/edge/*.c))

$(B)/examples/%.o: examples/%.c | $(DEPS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PCFLAGS) -MMD -MP -c -o $@ $<

$(B)/examples/ipc/%.o: PCFLAGS += -Ilib/include

$(B)/adder: $(B)/examples/ipc/adder.o $(B)/lib/libazalea.a
	$(Q)$(CC) -pthread -o $@ $^

$(B)/edge: $(EDGE_OBJ)
	$(Q)$(CC) -pthread -o $@ $^ -ljpeg -lpng -lm

-include $(EDGE_OBJ:.o=.d) $(B)/examples/ipc/adder.d

# The web server, as a program of Linux and as an image.
$(B)/web: $(B)/examples/web/web.o
	$(Q)$(CC) -o $@ $^

$(B)/web.azi: examples/web/web.c $(B)/azalea $(B)/azalea-cc
	$(Q)$(B)/azalea-cc -O2 -o $@ $<

.PHONY: examples
examples: $(B)/edge $(B)/adder $(B)/web $(B)/web.azi

# make demo [PHOTOS=FOLDER]
.PHONY: demo
demo: $(B)/azalea $(B)/edge
	$(Q)tools/demo.py $(PHOTOS)

# A bench is one file of bench/, linked with bench.c; static, and those that
# ask for it a second time for the dynamic linker. programs/ has what they run.
# `azalea bench` looks for all of them beside itself.
BENCHES := $(filter-out bench,$(basename $(notdir $(wildcard bench/*.c))))
BENCH_DYNAMIC := $(notdir $(basename \
	$(shell grep -l '[.]dynamic = 1' $(wildcard bench/*.c))))
BENCH_LINKED := $(notdir $(basename \
	$(shell grep -l '[.]linked = 1' $(wildcard bench/*.c))))
BENCH_DIR := $(B)/benches
BENCH_PROGRAMS := $(BENCHES:%=$(BENCH_DIR)/%) \
	$(BENCH_DYNAMIC:%=$(BENCH_DIR)/%.dynamic) \
	$(BENCH_LINKED:%=$(BENCH_DIR)/%.azi) \
	$(addprefix $(BENCH_DIR)/programs/,first hello hello.dynamic idle job \
	openmp steady)

$(BENCH_DIR)/programs/openmp: PCFLAGS += -fopenmp
$(BENCH_DIR)/ipc: PCFLAGS += -Ilib/include
$(BENCH_DIR)/claim: PCFLAGS += -Iabi
$(BENCH_DIR)/ipc: $(B)/lib/libazalea.a
$(BENCH_DIR)/%.dynamic: bench/%.c bench/bench.c bench/bench.h | $(DEPS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PCFLAGS) -o $@ $(filter %.c %.a,$^)

# Linked with the unikernel, by azalea-cc.
$(BENCH_DIR)/%.azi: bench/%.c bench/bench.c bench/bench.h $(B)/azalea-cc \
    $(B)/azalea | $(DEPS)
	@mkdir -p $(@D)
	$(Q)$(B)/azalea-cc -std=gnu11 -O2 -D_GNU_SOURCE -o $@ $(filter %.c,$^)

$(BENCH_DIR)/programs/%.dynamic: bench/programs/%.c | $(DEPS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PCFLAGS) -o $@ $<

$(BENCH_DIR)/programs/openmp: bench/programs/openmp.c | $(DEPS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PCFLAGS) -o $@ $<

$(BENCH_DIR)/programs/%: bench/programs/%.c bench/cpus.h | $(DEPS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PCFLAGS) -static -o $@ $<

$(BENCH_DIR)/%: bench/%.c bench/bench.c bench/bench.h bench/counter.h \
    bench/cpus.h bench/noise.h | $(DEPS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PCFLAGS) -static -o $@ $(filter %.c %.a,$^)

# What counts a machine's instructions for `azalea bench --count`.
$(B)/qemu_count.so: tools/qemu_count.c bench/counter.h | $(DEPS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PCFLAGS) -shared -fPIC -fvisibility=hidden -o $@ $<

.PHONY: bench bench-build $(BENCHES:%=bench-%)
bench-build: $(B)/azalea $(BENCH_PROGRAMS)

$(BENCHES:%=bench-%): bench-%: bench-build
	$(Q)$(B)/azalea bench $(BENCHFLAGS) $*

bench: bench-build
	$(Q)$(B)/azalea bench $(BENCHFLAGS) all

# The figures and the picture of the documentation; takes ten quiet minutes.
.PHONY: benchmarks
benchmarks: bench-build
	$(Q)$(B)/azalea bench -o json --plot $(B)/bench.svg $(BENCHFLAGS) all \
	    >$(B)/bench.json
	$(Q)$(B)/azalea bench --plot docs/noise.svg $(BENCHFLAGS) fwq ftq hourglass
	$(Q)sed -i '1a <!-- SPDX-License-Identifier: MIT -->' docs/noise.svg
	$(Q)tools/benchmarks.py --picture noise.svg docs/benchmarks.md \
	    $(B)/bench.json

# The same for metal, in a machine of QEMU, into docs/benchmarks-metal.md.
.PHONY: benchmarks-metal
benchmarks-metal: bench-build module $(B)/qemu_count.so
	$(Q)tools/benchmarks_metal.py $(BENCHFLAGS)

# The same for kvm, on this machine, into docs/benchmarks-kvm.md.
.PHONY: benchmarks-kvm
benchmarks-kvm: bench-build
	$(Q)tools/benchmarks_kvm.py $(BENCHFLAGS)

# --- generated from the table of calls ---------------------------------------
$(B)/genseccomp: tools/genseccomp.c tools/bpf_ranges.c tools/bpf_ranges.h \
    host/offload/prctl_list.h $(GEN) | $(DEPS)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -D_GNU_SOURCE -Itools -Iabi -Ihost -I$(B)/gen $(WARN) \
	    -o $@ $(filter %.c,$^) -lseccomp

$(B)/gen/sandbox_filter.h: $(B)/genseccomp
	@mkdir -p $(@D)
	$(Q)$(B)/genseccomp >$@.new && mv $@.new $@

HGEN += $(B)/gen/sandbox_filter.h

docs/syscalls.md: abi/syscall.tbl tools/gencalls.py
	$(Q)$(PYTHON) tools/gencalls.py --markdown $@ $<

all: docs/syscalls.md

# --- the test machine ---------------------------------------------------------
$(B)/machine/agent: tools/qemu/agent.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(PCFLAGS) -static -o $@ $<

.PHONY: machine
machine: $(B)/azalea $(B)/machine/agent | $(DEPS)
	$(Q)tools/machine shell $(MACHINEFLAGS)

# --- tests and checks --------------------------------------------------------
# make test [TESTFLAGS='-v -k NAME -j N']; test-SUITE runs one of the suites
# unit, guest, programs, e2e, fuzz, metal; test-machine: see tests/metal.py.
.PHONY: test lint $(addprefix test-,unit guest programs kvm e2e fuzz svm metal machine)
test: $(B)/azalea
	$(Q)tests/run.py $(TESTFLAGS)

test-guest test-programs test-kvm test-e2e test-svm test-metal test-machine: test-%: $(B)/azalea
	$(Q)tests/run.py $(TESTFLAGS) $*

test-unit test-fuzz: test-%: $(GEN)
	$(Q)tests/run.py $(TESTFLAGS) $*

lint: $(GEN) $(HGEN)
	$(Q)tools/lint.sh
