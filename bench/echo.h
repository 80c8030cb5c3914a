/*
 * The servers of rows B5 to B7, B13 and B14: one for each contestant, which echoes what it is sent,
 * or closes whom it accepts. What they share is here: the listener, the load, and what is counted.
 * Main thread.
 */
#ifndef CEDE_BENCH_ECHO_H
#define CEDE_BENCH_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a server counts, of these the one it is told to. */
enum { ECHO_CLIENTS, ECHO_BYTES, ECHO_ENDS };

/* Kinds of case: bench_case.variant. */
enum { ECHO_SMALL, ECHO_LARGE, ECHO_SPIN, ECHO_ACCEPTS, ECHO_ALLOCATIONS };

enum { ECHO_BUFFERS = 256, ECHO_SPIN_NS = 10000000 };

struct echo_side;

/* What every server's own structure begins with. */
typedef struct echo {
    const struct echo_side *side;
    load *load;
    int listener; /* non-blocking; the server's own */
    uint32_t message_bytes, buffer_bytes;
    bool closes;      /* whom it accepts */
    uint64_t spin_ns; /* for servers that can */
    unsigned counting;
    uint64_t done, target;
    uint64_t own_bytes; /* of the heap that the program, not the library, has for clients */
} echo;

/* How one contestant does it. */
typedef struct echo_side {
    size_t bytes;         /* of its structure */
    void (*open)(void *); /* begins to listen */
    void (*run)(void *);  /* runs its loop until echo_enough */
    void (*close)(void *);
} echo_side;

static inline bool echo_enough(const echo *e)
{
    return e->done >= e->target;
}

/* Counts so many of these. true: enough, the loop is to stop. */
static inline bool echo_count(echo *e, unsigned what, uint64_t number)
{
    if (what != e->counting) {
        return false;
    }
    e->done += number;
    return echo_enough(e);
}

extern const echo_side echo_ring, echo_epoll, echo_cede, echo_uv, echo_uv_write, echo_event,
    echo_bufferevent, echo_asio;

/* A server with its listener and its load, and nobody connected. */
void *echo_new(const echo_side *, uint32_t variant);
/* Runs it until it has counted that. */
void echo_run(echo *, unsigned counting, uint64_t target);
/* So many more clients, accepted. */
void echo_connect(echo *, uint64_t clients);
/* All clients leave, and the server has seen it. */
void echo_leave(echo *, uint64_t clients);
void echo_free(echo *);

/* The process that looks at one contestant's idle clients: b13_idle.c. */
int idle_main(const char *who, uint64_t clients);

/* A short transfer on a socket that has room: nobody's code here goes on from there. */
void echo_bad(const char *who, long result);

#ifdef __cplusplus
}
#endif
#endif
