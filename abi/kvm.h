/* SPDX-License-Identifier: MIT */
/*
 * kvm.h - what a unikernel in a virtual machine and its owner share.
 *
 * The monitor page, the upcalls and the monitor calls are those of metal.h.
 * But a monitor call is
 *
 *	movl number, %eax; outl %eax, $AZK_PORT
 *
 * inside the unikernel's text, the one port that CPL 3 may write to, with the
 * argument and the result in the monitor page, and its times are nanoseconds
 * of CLOCK_MONOTONIC.
 */
#ifndef AZ_KVM_H
#define AZ_KVM_H

#include "metal.h"

#define AZK_PORT 0xa0

/* Beside AZM_CALL_HALT, _TIMER, _KICK, _HOST, _EXIT and _SYNC. */
#define AZK_CALL_YIELD  0x415a0010U /* let others run on this CPU */
#define AZK_CALL_CLOCKS 0x415a0011U /* read the clocks: page->clocks */

#endif
