# SPDX-License-Identifier: MIT
# Makefile - builds everything into build/. `make help` lists the targets.

B := build
ifeq ($(origin CC),default)
CC := gcc
endif
PYTHON ?= python3
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef -Wcast-qual -Wwrite-strings -Wvla \
	-Wimplicit-fallthrough -Wformat=2
ifeq ($(shell $(CC) --version 2>/dev/null | grep -c -i clang),0)
WARN += -Wlogical-op -Wduplicated-cond
endif

# --- the unikernel -----------------------------------------------------------
KCFLAGS := -std=gnu11 -O2 -g -ffreestanding -fPIE -fvisibility=hidden \
	-mgeneral-regs-only -mno-red-zone -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-strict-aliasing -fno-common \
	-ffunction-sections -fdata-sections -fno-omit-frame-pointer \
	-include kernel/lib/hidden.h -DAZ_KERNEL -Iabi -Ikernel -I$(B)/gen $(WARN)
KSRC := $(wildcard kernel/*.c kernel/*/*.c)
KSRC := $(filter-out kernel/vdso/%,$(KSRC))
KASM := $(wildcard kernel/*.S kernel/*/*.S)
KOBJ := $(KSRC:%.c=$(B)/%.o) $(KASM:%.S=$(B)/%.o)
# What nobody waits for, at the size of the image: it is read at every start.
KCOLD := execve snapshot identity strace% procfs% bundle% prctl limits shm sigstop fmt elf print
KCOLD := $(filter $(addprefix $(B)/kernel/sys/,$(KCOLD:%=%.o)) \
	$(addprefix $(B)/kernel/lib/,$(KCOLD:%=%.o)),$(KOBJ))
$(KCOLD): KCFLAGS += -Os

# --- the owner's side --------------------------------------------------------
HCFLAGS := -std=gnu11 -O2 -g -fPIE -D_GNU_SOURCE -Iabi -Ihost -I$(B)/gen \
	-fno-strict-aliasing -DAZ_VERSION=\"$(shell cat VERSION)\" $(WARN)
HSRC := $(filter-out host/runtime/%,$(wildcard host/*/*.c))
HOBJ := $(HSRC:%.c=$(B)/%.o) $(B)/host/patch/plan.o $(B)/host/patch/insn.o
HLIBS := -lhwloc -ljansson -lm

# --- the runtime of single-file images: the owner alone, small ----------------
MUSL := /usr/lib/x86_64-linux-musl
RCFLAGS := $(filter-out -O2 -g,$(HCFLAGS)) -Os -ffunction-sections \
	-fdata-sections -fno-asynchronous-unwind-tables -fno-stack-protector \
	-isystem $(B)/musl-include -include host/lib/musl.h
RSRC := host/cli/request.c host/cli/resources.c host/cli/reserved.c \
	$(filter-out host/bench/% host/cli/% host/cores/% host/gdb/% host/perf/% \
	    %/supervise.c,$(wildcard host/*/*.c))
ROBJ := $(RSRC:host/%.c=$(B)/runtime/%.o)

GEN := $(B)/gen/calls.h

.PHONY: all
all: $(B)/azalea $(B)/azalea-cc

include tools/targets.mk

$(B)/gen/calls.h: abi/syscall.tbl tools/gencalls.py
	@mkdir -p $(@D)
	$(Q)$(PYTHON) tools/gencalls.py --header $@ $<

$(B)/vdso/vdso.so: kernel/vdso/vdso.c kernel/vdso/vdso.lds kernel/vdso/vdso.h
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -ffreestanding -fPIC -shared -nostdlib \
	    -fno-stack-protector -fcf-protection=none -mgeneral-regs-only \
	    -fasynchronous-unwind-tables -fno-jump-tables -DAZ_KERNEL -Iabi \
	    -Ikernel $(WARN) \
	    -Wl,-T,kernel/vdso/vdso.lds -Wl,-soname,linux-vdso.so.1 \
	    -Wl,--hash-style=both -Wl,--build-id=none -Wl,-Bsymbolic \
	    -Wl,--eh-frame-hdr -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack \
	    -Wl,--no-undefined -o $@ kernel/vdso/vdso.c
	$(Q)strip $@

$(B)/kernel/vdso_image.o: $(B)/vdso/vdso.so
	@mkdir -p $(@D)
	$(Q)cd $(B)/vdso && $(LD) -r -b binary -z noexecstack -o $(abspath $@) vdso.so

$(B)/kernel/%.o: kernel/%.c $(GEN)
	@mkdir -p $(@D)
	$(Q)$(CC) $(KCFLAGS) -MMD -MP -c -o $@ $<

$(B)/kernel/%.o: kernel/%.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(KCFLAGS) -MMD -MP -c -o $@ $<

$(B)/azalea.elf: $(KOBJ) $(B)/kernel/vdso_image.o kernel/kernel.lds
	$(Q)$(LD) -static -no-pie --gc-sections -z noexecstack \
	    -z max-page-size=4096 -T kernel/kernel.lds -o $@ \
	    $(KOBJ) $(B)/kernel/vdso_image.o

$(B)/azalea.stripped: $(B)/azalea.elf
	$(Q)strip -o $@ $<

$(B)/azalea.id: $(B)/azalea.stripped
	$(Q)sha256sum <$< | cut -c 1-64 >$@

$(B)/host/instance/blob.o: host/instance/blob.S $(B)/azalea.stripped \
    $(B)/azalea.id
	@mkdir -p $(@D)
	$(Q)$(CC) -c -Wa,-I$(B) -o $@ $<

$(B)/host/%.o: host/%.c $(GEN) $(HGEN)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HCFLAGS) -MMD -MP -c -o $@ $<

# What the unikernel does to running text, `azalea build` does to a file.
$(B)/host/patch/%.o: kernel/patch/%.c $(GEN)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HCFLAGS) -Ikernel -MMD -MP -c -o $@ $<

$(B)/host/cli/direct.o: HCFLAGS += -Ikernel

$(B)/azalea: $(HOBJ) $(B)/host/instance/blob.o $(B)/host/cli/runtime.o
	$(Q)$(CC) -static-pie -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--wrap=dlopen \
	    -o $@ $^ $(HLIBS)

# Linux's own headers, without those of glibc beside them.
$(B)/musl-include:
	@mkdir -p $@
	$(Q)ln -sfn /usr/include/linux /usr/include/asm-generic \
	    /usr/include/x86_64-linux-gnu/asm $@

$(B)/runtime/%.o: host/%.c $(GEN) $(HGEN) | $(B)/musl-include
	@mkdir -p $(@D)
	$(Q)musl-gcc $(RCFLAGS) -MMD -MP -c -o $@ $<

$(B)/azi-runtime: $(ROBJ) $(B)/host/instance/blob.o
	$(Q)$(LD) -static -pie --no-dynamic-linker --gc-sections -s \
	    --build-id=none -z max-page-size=4096 -z noexecstack -z relro -z now \
	    -o $@ $(MUSL)/rcrt1.o $(MUSL)/crti.o $^ $(MUSL)/libc.a \
	    $$($(CC) -print-libgcc-file-name) $(MUSL)/libc.a $(MUSL)/crtn.o

$(B)/host/cli/runtime.o: host/cli/runtime.S $(B)/azi-runtime
	$(Q)$(CC) -c -Wa,-I$(B) -o $@ $<

# --- libazalea: what a program that knows Azalea can call -------------------
LCFLAGS := -std=gnu11 -O2 -g -fPIC -D_GNU_SOURCE -Iabi -Ilib/include $(WARN)
LOBJ := $(patsubst %.c,$(B)/%.o,$(wildcard lib/*.c))

$(B)/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(LCFLAGS) -MMD -MP -c -o $@ $<

$(B)/lib/libazalea.a: $(LOBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

.PHONY: lib
lib: $(B)/lib/libazalea.a

all: lib

$(B)/azalea-cc: tools/azalea-cc | $(B)/musl-include
	$(Q)cp $< $@

.PHONY: clean
clean:
	rm -rf $(B)

-include $(KOBJ:.o=.d) $(HOBJ:.o=.d) $(ROBJ:.o=.d) $(LOBJ:.o=.d)
