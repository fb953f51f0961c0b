# SPDX-License-Identifier: MIT
# targets.mk - targets beside the build itself: tests, lint, demo, docs.

# --- packages ----------------------------------------------------------------
# Every first step of a build waits (order-only) for the packages that the goals
# on the command line need: one list, one run of apt, none if all are there.
# `make deps` looks again and installs for all goals.
DEPS_SETS := build \
	$(if $(filter demo examples,$(MAKECMDGOALS)),demo) \
	$(if $(filter test test-%,$(MAKECMDGOALS)),test) \
	$(if $(filter lint,$(MAKECMDGOALS)),lint) \
	$(if $(filter bench bench-%,$(MAKECMDGOALS)),bench)
DEPS_NAME := $(shell echo $(DEPS_SETS) | tr ' ' '-')
DEPS := $(B)/deps/$(DEPS_NAME)

$(DEPS): tools/packages.txt tools/deps.sh
	@mkdir -p $(@D)
	$(Q)tools/deps.sh $(DEPS_SETS)
	@touch $@

.PHONY: deps
deps:
	$(Q)tools/deps.sh build demo test lint bench

$(GEN) $(B)/vdso/vdso.so $(KOBJ) $(HOBJ): | $(DEPS)
