# SPDX-License-Identifier: MIT
# targets.mk - targets beside the build itself: tests, lint, demo, docs.
