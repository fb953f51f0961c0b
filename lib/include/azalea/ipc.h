/* SPDX-License-Identifier: MIT */
/*
 * azalea/ipc.h - messages of 64 bytes from thread to thread, and a reply.
 *
 * Between threads of a process: an endpoint. Under Azalea a call switches
 * straight to the server's thread, with the words in registers; on plain Linux
 * the same is done with futexes. Between processes, whether Azalea runs them
 * or not: a channel, in shared memory.
 *
 * All functions return 0 (or a handle) or a negative errno value.
 * azalea-ipc(3) is the manual.
 */
#ifndef AZALEA_IPC_H
#define AZALEA_IPC_H

#include <errno.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AZALEA_IPC_WORDS 8

struct azalea_msg {
	uint64_t word[AZALEA_IPC_WORDS];
};

/* --- endpoints: between threads of a process --- */

/*
 * azalea_endpoint_create - a handle, greater than 0, for all threads of the
 * process, but not for its children after fork. -EMFILE: 1024 are open.
 */
int azalea_endpoint_create(void);

/*
 * azalea_endpoint_close - all that wait there get -EPIPE. -EBADF: no such
 * endpoint, as with all functions that take one.
 */
int azalea_endpoint_close(int endpoint);

/*
 * azalea_receive - wait for a call; msg becomes its words. From then on, until
 * it ends or takes calls of another endpoint, the thread serves this one. A
 * caller that it has not answered gets -EPIPE.
 * -EINTR: a signal's handler ran; -EPIPE: the endpoint was closed.
 */
int azalea_receive(int endpoint, struct azalea_msg *msg);

/*
 * azalea_reply - answer the last call. -ESRCH: nobody waits for it (any more);
 * -EINVAL: the thread does not serve this endpoint.
 */
int azalea_reply(int endpoint, const struct azalea_msg *msg);

/*
 * azalea_call - send msg to whoever serves the endpoint, first come first
 * served, and wait for the reply, which msg becomes. On an error its words are
 * lost. -EINTR: a signal's handler ran, and whether the message arrived is not
 * known; -EPIPE: who served it has ended, or the endpoint was closed;
 * -EDEADLK: only the calling thread itself serves it.
 *
 * azalea_reply_wait - azalea_reply and azalea_receive in one step. A caller
 * that has given up is no error. After -EINTR, call it again with msg as it
 * was: the reply is sent if it was not before.
 */
static inline int azalea_call(int endpoint, struct azalea_msg *msg);
static inline int azalea_reply_wait(int endpoint, struct azalea_msg *msg);

/* --- channels: between two processes --- */

struct azalea_channel;

/*
 * azalea_channel_create - make a channel under a name as shm_open(3) wants it
 * ("/name"), for processes of the same user, and serve it. The name is there
 * until azalea_channel_close. -EEXIST: it is taken, by a channel whose server
 * lives; or what shm_open, ftruncate and mmap say.
 */
int azalea_channel_create(const char *name, struct azalea_channel **channel);

/*
 * azalea_channel_open - be its client. -ENOENT: there is no such channel (yet);
 * -EBUSY: it has a client; -EPROTO: what has this name is no channel;
 * -EPIPE: its server has ended.
 */
int azalea_channel_open(const char *name, struct azalea_channel **channel);

/*
 * azalea_channel_close - the other side gets -EPIPE from now on, as it does
 * when this process ends.
 */
void azalea_channel_close(struct azalea_channel *channel);

/*
 * The same as with endpoints, for one client and one server. One thread a side
 * uses a channel at a time. -EPIPE: the other side is gone; the server may
 * then azalea_channel_receive the next client's calls. -EINVAL: call is
 * for the client, the others are for the server.
 */
int azalea_channel_call(struct azalea_channel *channel, struct azalea_msg *msg);
int azalea_channel_receive(struct azalea_channel *channel,
			   struct azalea_msg *msg);
int azalea_channel_reply_wait(struct azalea_channel *channel,
			      struct azalea_msg *msg);
int azalea_channel_reply(struct azalea_channel *channel,
			 const struct azalea_msg *msg);

/* --- how calls are made --- */

/* 1: this process runs under Azalea, with gates as below. */
extern int azalea_ipc_native;

/* The same as functions, which work everywhere. */
int azalea_call_function(int endpoint, struct azalea_msg *msg);
int azalea_reply_wait_function(int endpoint, struct azalea_msg *msg);

/*
 * A jump through %gs, to come back at 1: below, with the message in registers
 * and all others but %rsp and %rbp lost. Not a function, whose return the CPU
 * would predict wrong: the thread that made the call has returned elsewhere.
 */
#define AZALEA_GATE(offset, endpoint, msg, result)                             \
	__extension__({                                                        \
		uint64_t gate_ax = (endpoint);                                 \
		uint64_t gate_di = (msg)->word[0];                             \
		uint64_t gate_si = (msg)->word[1];                             \
		uint64_t gate_dx = (msg)->word[2];                             \
		register uint64_t gate_r8 __asm__("r8") = (msg)->word[3];      \
		register uint64_t gate_r9 __asm__("r9") = (msg)->word[4];      \
		register uint64_t gate_r10 __asm__("r10") = (msg)->word[5];    \
		register uint64_t gate_r12 __asm__("r12") = (msg)->word[6];    \
		register uint64_t gate_r13 __asm__("r13") = (msg)->word[7];    \
		__asm__ volatile(                                              \
		    "leaq 1f(%%rip), %%rcx\n\tjmp *%%gs:%c9\n1:"               \
		    : "+a"(gate_ax), "+D"(gate_di), "+S"(gate_si),             \
		      "+d"(gate_dx), "+r"(gate_r8), "+r"(gate_r9),             \
		      "+r"(gate_r10), "+r"(gate_r12), "+r"(gate_r13)           \
		    : "i"(offset)                                              \
		    : "rbx", "rcx", "r11", "r14", "r15", "cc", "memory", "st", \
		      "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)",    \
		      "st(7)", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", \
		      "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",        \
		      "xmm12", "xmm13", "xmm14", "xmm15" AZALEA_GATE_AVX512);  \
		(msg)->word[0] = gate_di;                                      \
		(msg)->word[1] = gate_si;                                      \
		(msg)->word[2] = gate_dx;                                      \
		(msg)->word[3] = gate_r8;                                      \
		(msg)->word[4] = gate_r9;                                      \
		(msg)->word[5] = gate_r10;                                     \
		(msg)->word[6] = gate_r12;                                     \
		(msg)->word[7] = gate_r13;                                     \
		(result) = (int)gate_ax;                                       \
	})

#ifdef __AVX512F__
#define AZALEA_GATE_AVX512                                                 \
	, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22",   \
	    "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", \
	    "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define AZALEA_GATE_AVX512
#endif

/* Offsets of abi/gate.h, which never change. */
#define AZALEA_GATE_CALL       40
#define AZALEA_GATE_REPLY_WAIT 48

#if defined(__x86_64__) && !defined(__cplusplus)
#define AZALEA_HAS_GATE azalea_ipc_native
#else
#define AZALEA_HAS_GATE 0
#endif

static inline int azalea_call(int endpoint, struct azalea_msg *msg)
{
	int result;

	if (!__builtin_expect(AZALEA_HAS_GATE, 1))
		return azalea_call_function(endpoint, msg);
	AZALEA_GATE(AZALEA_GATE_CALL, (uint32_t)endpoint, msg, result);
	return result;
}

static inline int azalea_reply_wait(int endpoint, struct azalea_msg *msg)
{
	int result;

	if (!__builtin_expect(AZALEA_HAS_GATE, 1))
		return azalea_reply_wait_function(endpoint, msg);
	AZALEA_GATE(AZALEA_GATE_REPLY_WAIT, (uint32_t)endpoint, msg, result);
	return result;
}

#ifdef __cplusplus
}
#endif

#endif
