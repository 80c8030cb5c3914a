/*
 * What the Windows worlds put between the backend and the system, to make happen what Windows does
 * and Wine does not: file transfers that are truly pending, that succeed at once, with a packet and
 * without; a cancel that says yes and is too late; a limit of open files. The real backend code
 * runs over it.
 *
 * One at a time: a process runs one case at a time. Threads: hooks are called on any.
 */
#ifndef CFT_WIN32_SEAM_H
#define CFT_WIN32_SEAM_H

#include "cede/win32.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SEAM_PLAIN,
    SEAM_AT_ONCE, /* file transfers succeed inside the call */
    SEAM_LATE     /* they pend, and end by the loop's next look; or are cancelled */
};

extern const cede_win32_calls cft_seam_calls;

void cft_seam_begin(uint32_t manner, bool sends_packets, uint64_t seed);
void cft_seam_end(void);

/* From here transfers in this memory pend until thaw. */
void cft_seam_freeze(const void *memory, size_t bytes);
bool cft_seam_frozen(void);
void cft_seam_thaw(void);

/* A console event (CTRL_C_EVENT, ...), on a thread of its own, as the system would; returns when
 * the backend's handler does. False: it does not take it, or is not there. */
bool cft_seam_event(uint32_t event);

/* From here look-ups of names hang, or do not any more. */
void cft_seam_hold_lookups(bool held);
uint32_t cft_seam_hanging_lookups(void);
void cft_seam_await_lookups(void); /* those that did; nothing holds them */

/* From here so many more files can be opened; a close makes room for one. */
void cft_seam_limit(uint32_t more);

#endif
