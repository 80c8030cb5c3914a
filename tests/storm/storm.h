/*
 * What the files of the storm share. storm.c says what it is and how to run it.
 *
 *   storm.c    the program: starts everything, ends it, checks the whole, prints the totals
 *   station.c  one loop with its thread, its listener, its pools: what it does at each turn
 *   record.c   requests, each a small machine of its own: submitted, done once, kept for a while
 *   ledger.c   the bytes: patterns, and what was sent and received of each stream
 *   ends.c     one end of a stream: how it is born, and how it goes
 *   moves.c    what an end sends and receives
 *   files.c    a file of blocks, and names that come and go
 *   small.c    pends, timers, work, nested scopes, waits
 *   rivals.c   the other threads: wishes, completions, drops, remote submits
 *   count.c    what is asked of the system
 */
#ifndef STORM_H
#define STORM_H

#include <stdatomic.h>

#include "../port.h"
#include "cede/cede.h"

#define STATIONS    3
#define RIVALS      8
#define RECORDS     1024 /* of a station, with small buffers */
#define BIG_RECORDS 48   /* and with big ones */
#define QUARANTINED 128  /* so many rest before the first of them is used again (big: 8) */
#define SMALL_BYTES 2048
#define BIG_BYTES   49152
#define ENDS        256
#define POOLED      64 /* buffers of a pool */
#define BLOCKS      64
#define NAMES       16
#define RECENT      64

#define COUNT_OF_PEND UINT64_C(0x5eed) /* with which pends are completed */

typedef struct record record;
typedef struct station station;
typedef struct end end;

typedef void step(record *, cede_result);

/* Where a record is. CEDED by the loop's own thread; SENT by another. */
enum { AT_REST, MINE, CEDED, SENT };

struct record {
    union {
        cede_req req; /* first, so that a request is its record */
        cede_relay relay;
    } as;
    _Atomic int where;
    _Atomic uint64_t submitted, done; /* how often */
    station *at;
    cede_ticket ticket; /* written and read by the loop's thread */
    step *then, *item;
    record *scope;    /* the scope that counts it */
    uint32_t members; /* a scope: whose done has not returned */
    bool stops;       /* one transfer: a cancel means that nothing has happened */
    bool big;
    end *of;
    cede_pool *pool;
    cede_handle handle, second;
    uint64_t bytes, items; /* asked for; given by its items */
    uint32_t block, known; /* of a file; or of a chain, see small.c */
    cede_vec vec[3];
    record *other, *next;
    unsigned char *buffer;
};

struct end {
    station *at;
    cede_handle handle;
    record *life; /* the scope that owns the handle, if one does */
    uint32_t active;
    bool failed, ended; /* an error was told; the stream's end was received */
    uint64_t out_key, out_at, out_goal;
    uint64_t in_key, in_at;
    unsigned char head[8];
    end *next;
};

/* What rested longest goes first. */
typedef struct shelf {
    atomic_flag busy;
    record *first, *last;
    uint32_t count;
} shelf;

typedef struct held {
    cede_pool *pool;
    void *buffer;
} held;

struct station {
    cede_loop *loop;
    uint32_t number;
    uint64_t random;
    port_thread thread;
    shelf small, big;
    record *records, *bigs;
    unsigned char *memory;
    _Atomic uint64_t submitted, done, items; /* by this program, on this loop */
    _Atomic uint32_t port;                   /* where it listens, or 0 */
    cede_handle listener;
    cede_pool *pool;
    held held[POOLED * 2];
    uint32_t held_count;
    end ends[ENDS], *free_ends;
    cede_handle file;
    uint32_t known[BLOCKS]; /* so many bytes of the block have been written for certain */
    struct {
        record *rec;
        cede_ticket ticket;
        uint64_t submitted;
    } recent[RECENT];
    uint32_t recent_at, waits_deep;
    char folder[256], path[NAMES][300];
};

/* What was done, for the last line. */
typedef struct totals {
    _Atomic uint64_t connections, accepted, bytes, streams, relays, resets, wishes, stale;
    _Atomic uint64_t handed, waits, pooled, canceled, deadlines, files, completed, broken;
} totals;

/* STORM: everything. HUSH: no remote submits of rivals any more. CLOSING: none at all; the loops
 * close. OVER: the loops are gone. */
enum { STORM, HUSH, CLOSING, OVER };

extern totals storm_totals;
extern station storm_stations[STATIONS];
extern _Atomic int storm_phase;
extern const char *storm_backend;
extern uint64_t storm_seed;

/* storm.c */
_Noreturn void storm_fail(const char *format, ...)
#if defined(__GNUC__) && !defined(_WIN32)
    __attribute__((format(printf, 1, 2)))
#endif
    ;
void storm_meet(void); /* of all stations */

/* record.c */
uint32_t storm_random(uint64_t *state, uint32_t below);
void storm_records_make(station *);
void storm_records_check(station *);
record *storm_take(station *, bool big); /* NULL: none is left */
void storm_rest(record *);
void storm_in(record *, record *scope);
void storm_perhaps_within(record *);
void storm_submit(record *, step *then);
void storm_submit_chain(record *, step *then, record *next, step *next_then);
void storm_submit_relay(record *, step *then);
cede_ticket storm_send(record *, step *then); /* from any thread, while that is allowed */
void storm_item(cede_req *, cede_result);
int64_t storm_run(station *, uint64_t at_most_ns);
cede_status storm_close(station *, uint64_t at_most_ns);
void storm_wait(station *, record *, cede_ticket, uint64_t submitted, uint64_t at_most_ns);
void storm_cull(station *); /* cancels some record, so that nothing lasts for ever */
uint32_t storm_busy(station *);

/* rivals.c: tickets and handles that all threads share */
void storm_show_ticket(uint64_t *random, cede_ticket);
void storm_show_pend(uint64_t *random, cede_ticket);
void storm_show_handle(uint64_t *random, cede_handle);
void storm_rivals_make(void);
void storm_rivals_start(void);
void storm_rivals_hush(void); /* when it returns, they submit no more */
void storm_rivals_join(void);
void storm_rivals_stir(uint32_t which);

/* ledger.c */
uint64_t storm_key_new(bool relayed);
void storm_fill(uint64_t key, uint64_t at, unsigned char *to, uint64_t bytes);
void storm_sent(uint64_t key, uint64_t bytes);
void storm_feed(end *, const unsigned char *from, uint64_t bytes);
void storm_stream_ended(end *);
void storm_ledger_check(void);

/* ends.c, moves.c */
void storm_end_begin(station *, cede_handle, bool relayed);
void storm_end_leave(end *, record *); /* the last act of one that sends or receives */
void storm_sender(record *);
void storm_receiver(record *);
void storm_connect(station *);
void storm_pair(station *);

/* station.c */
void storm_station_main(void *);
void storm_hold(station *, cede_pool *, void *buffer); /* keeps it, or gives it back */
void storm_hand_over(station *, cede_handle);

/* files.c, small.c */
void storm_files_open(station *);
void storm_files(station *);
void storm_files_gone(station *);
void storm_small(station *);
void storm_small_remote(station *, uint64_t *random);

/* count.c */
uint64_t storm_count_descriptors(void);
bool storm_tells_resets(void);

#endif
