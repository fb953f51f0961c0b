/* SPDX-License-Identifier: MIT */
/* types.h - the few things that every file of the unikernel uses. */
#ifndef LIB_TYPES_H
#define LIB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x)        __builtin_expect(!!(x), 1)
#define unlikely(x)      __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a)    (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)        ((a) < (b) ? (a) : (b))
#define MAX(a, b)        ((a) > (b) ? (a) : (b))
#define ALIGN_UP(x, a)   (((x) + (a)-1) & ~((uint64_t)(a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((uint64_t)(a)-1))
#define container_of(p, type, member) \
	((type *)(void *)((char *)(p)-offsetof(type, member)))

#define NSEC_PER_SEC 1000000000ULL

/*
 * panic - print a message on fd 2 and end the instance with SIGABRT's status.
 * For broken invariants of the unikernel only, never for program input.
 */
_Noreturn void panic(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

/* printk - print a line "azalea: ..." on fd 2. Same conversions as fmt.h. */
void printk(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define AZ_ASSERT(cond)                                                \
	do {                                                           \
		if (unlikely(!(cond)))                                 \
			panic("%s:%d: assertion failed: %s", __FILE__, \
			      __LINE__, #cond);                        \
	} while (0)

#endif
