/* SPDX-License-Identifier: MIT */
/*
 * ipc.S - the gates of gate.h: from one thread of the program to another.
 *
 * Runs without a stack, on registers that the program has given up; %rsp and
 * the message words stay what they are. Nothing has happened before the switch
 * at which a gate could not still leave for ipc_slow, which does the same and
 * all that is not done here.
 *
 * The thread that is switched to may have work pending on its core: so the
 * last thing before the program is a look at az_core.pending, and a kick that
 * arrives inside [ipc_exit_begin, ipc_exit_end) sends the core to
 * ipc_exit_slow (plat/: *_signal).
 *
 * The core's time goes to whom it is with when somebody asks for it: the
 * newcomer takes over `since`, as reading the clock costs as much as all the
 * rest. Its time slice it takes over likewise.
 *
 * Offsets t_, e_, c_, s_, f_ come from sched/ipc.c.
 */
#define __ASSEMBLER__ 1
#include "core.h"
#include "gate.h"

/* ipc.c: ENDPOINTS, and sizeof(struct endpoint) as a power of two. */
#define ENDPOINT_MASK 1023
#define ENDPOINT_SHIFT 6
/* thread.h */
#define THREAD_RUNNING 0
#define THREAD_IPC_BARE 5
/* What is in MXCSR beside the status flags, which calls do not preserve. */
#define MXCSR_CONTROL 0xffc0

/* %rbx = the endpoint, locked; %r14 = the calling thread, ready to be left. */
.macro begin slow, unlock
	movl %eax, %ebx
	andl $ENDPOINT_MASK, %ebx
	shlq $ENDPOINT_SHIFT, %rbx
	leaq ipc_endpoints(%rip), %r11
	addq %r11, %rbx
	movq %gs:CORE_CURRENT, %r14
	movq %rcx, t_rip(%r14)
	movq %rsp, t_rsp(%r14)
	movq %rbp, t_rbp(%r14)
	movq %rbx, t_ep(%r14)
	movl $1, %r11d
	/* Full barrier: pairs with ipc.c:ipc_interrupt. */
	xchgl %r11d, e_lock(%rbx)
	testl %r11d, %r11d
	jnz \slow
	cmpl %eax, e_handle(%rbx)
	jne \unlock
	cmpw $0, t_signalled(%r14)
	jne \unlock
.endm

/* %r15 is off its core and may run on this one. */
.macro check unlock
	cmpl $0, t_on_core(%r15)
	jne \unlock
	movl %gs:CORE_INDEX, %r11d
	movl %r11d, %ebp
	shrl $6, %ebp
	movq t_affinity(%r15,%rbp,8), %rbp
	btq %r11, %rbp
	jnc \unlock
.endm

/* Leave %r14, unlock %rbx, go on as %r15. */
.macro switch exit
	rdfsbase %r11
	movq %r11, t_fs(%r14)
	stmxcsr t_mxcsr(%r14)
	fnstcw t_fcw(%r14)
	movl $THREAD_IPC_BARE, t_state(%r14)
	movq t_since(%r14), %r11
	movq %r11, t_since(%r15)
	movq $0, t_ep(%r15)
	movl $THREAD_RUNNING, t_state(%r15)
	movl %gs:CORE_INDEX, %r11d
	movl %r11d, t_core(%r15)
	movl $1, t_on_core(%r15)
	movq t_frame(%r15), %r11
	movq %r11, %gs:CORE_FRAME
	movq %r15, %gs:CORE_CURRENT
	movq %gs:CORE_STATS, %r11
	incq s_switches(%r11)
	cmpw $0, t_signalled(%r15)
	jne 7f
1:	movl t_mxcsr(%r14), %ebp
	xorl t_mxcsr(%r15), %ebp
	andl $MXCSR_CONTROL, %ebp
	movzwl t_fcw(%r14), %r11d
	xorw t_fcw(%r15), %r11w
	orl %r11d, %ebp
	jnz 8f
2:	movl $0, t_on_core(%r14)
	/* Other cores may take %r14 from here on. */
	movl $0, e_lock(%rbx)
	movq t_fs(%r15), %r11
	wrfsbase %r11
	movq t_rsp(%r15), %rsp
	movq t_rbp(%r15), %rbp
	movq t_rip(%r15), %rcx
	xorl %eax, %eax
	jmp \exit
7:	movl $1, %gs:CORE_PENDING
	jmp 1b
8:	fnclex /* else a flag of the one would trap in the other */
	fldcw t_fcw(%r15)
	ldmxcsr t_mxcsr(%r15)
	jmp 2b
.endm

	.text
	.globl ipc_call, ipc_reply, ipc_control, ipc_call_slow, ipc_reply_slow
	.hidden ipc_call, ipc_reply, ipc_control, ipc_call_slow, ipc_reply_slow

/* Send the words to a server that waits at endpoint %rax; wait for a reply. */
	.balign 64
ipc_call:
	begin ipc_call_busy, ipc_call_unlock
	movq e_idle(%rbx), %r15
	testq %r15, %r15
	jz ipc_call_unlock
	check ipc_call_unlock
	movq t_next(%r15), %r11
	movq %r11, e_idle(%rbx)
	movq %r14, t_caller(%r15)
	movq %r15, t_server(%r14)
	switch ipc_call_exit

/* Reply to the caller; wait for the next call at endpoint %rax. */
	.balign 64
ipc_reply:
	begin ipc_reply_busy, ipc_reply_unlock
	movq t_caller(%r14), %r15
	testq %r15, %r15
	jz ipc_reply_unlock
	cmpq %rbx, t_ep(%r15) /* so this thread serves it */
	jne ipc_reply_unlock
	cmpq $0, e_first(%rbx)
	jne ipc_reply_unlock
	check ipc_reply_unlock
	movq e_idle(%rbx), %r11
	movq %r11, t_next(%r14)
	movq %r14, e_idle(%rbx)
	movq $0, t_caller(%r14)
	movq $0, t_server(%r15)
	switch ipc_reply_exit

/* Two of them, so that each jump has a destination of its own to learn. */
	.globl ipc_exit_begin, ipc_exit_end, ipc_exit_slow
	.hidden ipc_exit_begin, ipc_exit_end, ipc_exit_slow
	.balign 64
ipc_exit_begin:
ipc_call_exit:
	cmpl $0, %gs:CORE_PENDING
	jne ipc_exit_slow
	jmp *%rcx
ipc_reply_exit:
	cmpl $0, %gs:CORE_PENDING
	jne ipc_exit_slow
	jmp *%rcx
ipc_exit_end:

/* The program's registers to the frame of the current thread, in %rbx. */
.macro save
	movq %gs:CORE_FRAME, %rbx
	movq %r13, f_r13(%rbx)
	movq %r12, f_r12(%rbx)
	movq %rbp, f_rbp(%rbx)
	movq %r10, f_r10(%rbx)
	movq %r9, f_r9(%rbx)
	movq %r8, f_r8(%rbx)
	movq %rax, f_rax(%rbx)
	movq %rcx, f_rcx(%rbx)
	movq %rdx, f_rdx(%rbx)
	movq %rsi, f_rsi(%rbx)
	movq %rdi, f_rdi(%rbx)
	movq $-1, f_orig(%rbx)
	movq %rcx, f_rip(%rbx)
	movq %rsp, f_rsp(%rbx)
	movl %cs, %eax
	movq %rax, f_cs(%rbx)
	movl %ss, %eax
	movq %rax, f_ss(%rbx)
	movq %rbx, %rsp
	pushfq
	popq f_flags(%rbx)
	pushq $2 /* DF, NT and AC are the program's */
	popfq
	xorl %ebp, %ebp
.endm

ipc_exit_slow:
	save
	jmp exit_to_program

ipc_call_unlock:
	movl $0, e_lock(%rbx)
ipc_call_busy:
	movq t_rbp(%r14), %rbp
ipc_call_slow:
	movl $AZ_IPC_CALL, %r11d
	jmp slow

ipc_reply_unlock:
	movl $0, e_lock(%rbx)
ipc_reply_busy:
	movq t_rbp(%r14), %rbp
ipc_reply_slow:
	movl $AZ_IPC_REPLY_WAIT, %r11d
	jmp slow

ipc_control:
	movq %rax, %r11
	shrq $32, %r11
	movl %eax, %eax
slow:
	save
	movq %rbx, %rdi
	movl %r11d, %esi
	call ipc_slow
	testl %eax, %eax
	jz exit_to_program
	/* Again: nobody but a signal's handler has changed the frame. */
	movq %gs:CORE_FRAME, %rbx
	movq f_r13(%rbx), %r13
	movq f_r12(%rbx), %r12
	movq f_rbp(%rbx), %rbp
	movq f_r10(%rbx), %r10
	movq f_r9(%rbx), %r9
	movq f_r8(%rbx), %r8
	movq f_rcx(%rbx), %rcx
	movq f_rdx(%rbx), %rdx
	movq f_rsi(%rbx), %rsi
	movq f_rdi(%rbx), %rdi
	movq f_rsp(%rbx), %rsp
	cmpl $AZ_IPC_CALL + 1, %eax
	movq f_rax(%rbx), %rax
	je 1f
	jmp *%gs:AZ_GATE_REPLY
1:	jmp *%gs:AZ_GATE_CALL

/* Where a thread goes on that left through a gate, and was not switched to. */
	.globl ipc_resume
	.hidden ipc_resume
ipc_resume:
	xorl %ebp, %ebp
	call ipc_arrived
	jmp exit_to_program

	.section .note.GNU-stack,"",@progbits
