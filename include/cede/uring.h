/*
 * What only the io_uring backend knows: sizes and capability masks, through
 * cede_options.backend_config. Nobody needs it to use cede; tests and people who tune do.
 */
#ifndef CEDE_URING_H
#define CEDE_URING_H

#include "cede/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As if the kernel were older: features that are then not used, each by its fallback. */
#define CEDE_URING_NO_DEFER_TASKRUN 0x001u
#define CEDE_URING_NO_SINGLE_ISSUER 0x002u
#define CEDE_URING_NO_COOP_TASKRUN  0x004u
#define CEDE_URING_NO_SUBMIT_ALL    0x008u
#define CEDE_URING_NO_REGISTER_RING 0x010u
#define CEDE_URING_NO_SKIP_SUCCESS  0x020u /* a cancel's own completion is always seen */
#define CEDE_URING_NO_PATH_OPS      0x040u /* mkdir, rename, link, ... on the pool */
#define CEDE_URING_NO_TRUNCATE      0x080u
#define CEDE_URING_NO_EXT_ARG       0x100u  /* waits by a timeout entry */
#define CEDE_URING_NO_NOSIGNAL      0x200u  /* SIGPIPE is blocked around the system call */
#define CEDE_URING_NO_BUFFER_RING   0x800u  /* buffers of pools are picked by the library */
#define CEDE_URING_NO_MANY_SHOT     0x1000u /* accepts and receives are begun anew for each item */
#define CEDE_URING_NO_ZERO_COPY     0x2000u
#define CEDE_URING_NO_ANY           0x3bffu

/* With the masks, but of no kernel's age: the loop sleeps in poll, never in the ring's own call.
 * For tools that let no other thread run during a system call that they do not know (valgrind,
 * where checked builds do it by themselves). */
#define CEDE_URING_WAIT_POLLED 0x400u

/* When a work completes is the kernel's affair; these force it, for tests. They cost speed. */
#define CEDE_URING_FORCE_ASYNC 0x1u /* never inside its submission: by a worker, or polled */
#define CEDE_URING_FORCE_AT_SUBMIT \
    0x2u /* what can complete at submission does, and is reported \
                                           before the work's start has returned */

/* Zeros are defaults. */
typedef struct cede_uring_config {
    uint32_t sq_entries; /* exact size of the submission queue, from 1; 0: queue_entries */
    uint32_t cq_entries; /* exact size of the completion queue; 0: generous */
    uint32_t without;    /* CEDE_URING_NO_..., CEDE_URING_WAIT_POLLED */
    uint32_t force;      /* CEDE_URING_FORCE_... */
    /* For tests: called before each fallible system call ("setup", "enter", "register", "eventfd",
     * "mmap", "thread", "pipe", "socket", "accept", "shutdown", "spawn", "kill"); a returned errno
     * is taken as that call's failure, 0 lets it happen. And with "entry" before an entry of the
     * submission queue is taken: an errno, whichever, means that it has no room now. */
    int (*fault)(void *context, const char *call);
    void *fault_context;
    /* For tests: called on the thread that is about to look a host up by its name. While it has not
     * returned, that look-up hangs. */
    void (*looking)(void *context, const char *host);
    void *looking_context;
} cede_uring_config;

#ifdef __cplusplus
}
#endif
#endif
