/* SPDX-License-Identifier: MIT */
/*
 * hidden.h - included before every file of the unikernel: what it declares is
 * in the same image, and needs no global offset table.
 */
#pragma GCC visibility push(hidden)
