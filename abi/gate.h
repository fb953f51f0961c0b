/* SPDX-License-Identifier: MIT */
/*
 * gate.h - the ways into the unikernel that are made for one thing.
 *
 * A program jumps through %gs at these offsets, with the address to return to
 * in %rcx; its stack is not touched. The vDSO's word __azalea_ipc says that
 * they are there. %rax is an endpoint; message words are in %rdi, %rsi, %rdx,
 * %r8, %r9, %r10, %r12, %r13, in this order, both ways. The result comes back
 * in %rax: 0, a handle, or -errno. %rsp and %rbp survive, and the control bits
 * of MXCSR and of the x87; all other registers do not.
 */
#ifndef AZ_GATE_H
#define AZ_GATE_H

#define AZ_GATE_VERSION 1

/*
 * A system call: registers as at a syscall instruction, and before the address
 * in %rcx one such instruction, which is gone back to for a restart.
 */
#define AZ_GATE_SYSCALL 88

#define AZ_GATE_CALL    40 /* send, and wait for the reply */
#define AZ_GATE_REPLY   48 /* reply, and wait for the next call */
#define AZ_GATE_CONTROL 56 /* upper half of %rax: one of AZ_IPC_ */

#define AZ_IPC_CALL       0
#define AZ_IPC_REPLY_WAIT 1
#define AZ_IPC_RECEIVE    2 /* wait for a call, without a reply */
#define AZ_IPC_REPLY      3 /* reply, without waiting */
#define AZ_IPC_CREATE     4 /* the result is a handle */
#define AZ_IPC_CLOSE      5

#define AZ_IPC_WORDS 8

#endif
