/* SPDX-License-Identifier: MIT */
/* strace_names.h - the names of flags, signals and errors. */
#ifndef SYS_STRACE_NAMES_H
#define SYS_STRACE_NAMES_H

#include "lib/types.h"

struct flag_name {
	uint32_t value;
	const char *name; /* without the set's prefix */
};

/*
 * The names of one AZ_FMT_ set. Bits in `choice` hold one value out of
 * several; all others are flags of their own.
 */
struct flag_set {
	const char *prefix;
	const struct flag_name *names;
	uint32_t count;
	uint32_t choice;
};

/* flag_set_find - the set of an AZ_FMT_; NULL: it has no names. */
const struct flag_set *flag_set_find(uint32_t fmt);

/* flag_name_find - the name of one value; NULL: it has none. */
const char *flag_name_find(const struct flag_set *set, uint32_t value);

/* The events of poll and epoll. */
extern const struct flag_set poll_events;
/* The type of a file in st_mode. */
extern const struct flag_set file_types;
/* The flags of sigaction. */
extern const struct flag_set sigaction_flags;

/* signal_name - without SIG; NULL for real-time signals and nonsense. */
const char *signal_name(uint32_t sig);

/* errno_name - with its E; also of -ERESTART*. NULL: no such error. */
const char *errno_name(uint32_t err);

#endif
