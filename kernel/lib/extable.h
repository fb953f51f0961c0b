/* SPDX-License-Identifier: MIT */
/* extable.h - instructions of the unikernel that may fault, and what then. */
#ifndef LIB_EXTABLE_H
#define LIB_EXTABLE_H

#include <stdint.h>

/* extable_find - where to go on after a fault at rip; 0: not expected there. */
uint64_t extable_find(uint64_t rip);

#endif
