/*
 * What the files of the storm share. storm.c says what it is and how to run it.
 *
 *   storm.c    the program: starts everything, ends it, checks the whole, prints the totals
 *   station.c  one loop with its thread and its pools: what it does at each turn, how it closes
 *   doors.c    what it listens at, and the clients that it gets there
 *   record.c   requests, each a small machine of its own: submitted, done once, kept for a while
 *   ledger.c   the bytes: patterns, and what was sent and received of each stream
 *   ends.c     one end of a stream: how it is born, and how it goes
 *   moves.c    what an end sends and receives
 *   files.c    a file of blocks, names that come and go, the file that is sent
 *   datagrams.c  each with a number of its own, to all stations
 *   lookups.c  names of hosts, some of which hang
 *   watches.c  a directory, and what must be told of it
 *   children.c processes that echo, end, are killed, are left alone
 *   signals.c  what is raised, and who hears it
 *   small.c    pends, timers, work, nested scopes, waits
 *   rivals.c   the other threads: wishes, completions, drops, remote submits, signals
 *   os.c       what is asked of the system
 */
#ifndef STORM_H
#define STORM_H

#include <stdatomic.h>

#include "../port.h"
#include "cede/cede.h"

#define STATIONS     3
#define RIVALS       8
#define RECORDS      1024 /* of a station, with small buffers */
#define BIG_RECORDS  48   /* and with big ones */
#define QUARANTINED  128  /* so many rest before the first of them is used again (big: 8) */
#define SMALL_BYTES  2048
#define BIG_BYTES    49152
#define ENDS         256
#define POOLED       64 /* buffers of a pool */
#define BLOCKS       64
#define NAMES        16
#define RECENT       64
#define CHILDREN     3  /* of a station, at a time */
#define SPARE_EVENTS 8  /* that may be more in the end: for some seconds, of idle threads */
#define WATCHED      24 /* names of one era of a watch */

#define COUNT_OF_PEND   UINT64_C(0x5eed) /* with which pends are completed */
#define STORM_ECHO_ENDS 107              /* with this a child that has echoed */

typedef struct record record;
typedef struct station station;
typedef struct end end;

typedef void step(record *, cede_result);

/* Where a record is. CEDED by the loop's own thread, UNSEEN by others; SENT by another. */
enum { AT_REST, MINE, CEDED, UNSEEN, SENT };

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
    void *part; /* the door, the child, ... that it is about */
    cede_pool *pool;
    cede_handle handle, second;
    uint64_t bytes, items; /* asked for; given by its items */
    uint32_t block, known; /* of a file; or of a chain, see small.c; or some number */
    cede_vec vec[3];
    record *other, *next;
    unsigned char *buffer;
};

/* How an end is: what it sends comes another way than by its own stream; it is of this machine, so
 * that its end is always the truth; it is a pipe's, which has one direction. */
enum { END_RELAYED = 1, END_LOCAL = 2, END_SENDS = 4, END_RECEIVES = 8 };

struct end {
    station *at;
    uint32_t how;
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
    port_mutex mutex;
    record *first, *last;
    uint32_t count;
} shelf;

typedef struct held {
    cede_pool *pool;
    void *buffer;
} held;

/* Where a station listens. */
typedef struct door {
    bool local;
    _Atomic uint32_t open; /* its port, or 1; 0: not now */
    cede_handle listener;
    char path[300];
} door;

/* A process that was begun, or will be. */
typedef struct child {
    uint32_t active; /* records that have to do with it; 0: the place is free */
    bool doomed;     /* it may be killed */
    cede_handle process, to, from, its[2];
    uint64_t key;             /* of what it echoes */
    uint64_t ends_with, told; /* should be told by its waits; was, by the first of them */
    char code[12];
    const char *words[4];
    cede_spawn how;
} child;

/* What was done to a name in a watched directory, and what was told of that. */
typedef struct watched {
    uint8_t state; /* see watches.c */
    bool removed;
    uint8_t told_created, told_removed;
    char path[300];
} watched;

typedef struct watch {
    cede_handle handle;
    uint32_t era, next, pending; /* the next name; records that have to do with some */
    bool lost, over;
    char path[280];
    watched names[WATCHED]; /* the last is the mark */
} watch;

struct station {
    cede_loop *loop;
    uint32_t number;
    uint64_t random;
    port_thread thread;
    shelf small, big;
    record *records, *bigs;
    unsigned char *memory;
    _Atomic uint64_t submitted, done, items; /* by this program, on this loop */
    door doors[2];
    cede_handle datagrams;
    _Atomic uint32_t datagrams_port; /* or 0 */
    child children[CHILDREN];
    watch watch;
    bool ear_hears, ear_waits; /* something; what its station has raised */
    cede_pool *pool;
    held held[POOLED * 2];
    uint32_t held_count;
    end ends[ENDS], *free_ends;
    cede_handle file, source;
    uint32_t known[BLOCKS]; /* so many bytes of the block have been written for certain */
    struct {
        record *rec;
        cede_ticket ticket;
        uint64_t submitted;
    } recent[RECENT];
    uint32_t recent_at, waits_deep;
    char folder[256], path[NAMES][300], source_path[300];
};

/* What was done, for the last line. */
typedef struct totals {
    _Atomic uint64_t connections, accepted, bytes, streams, relays, resets, wishes, stale;
    _Atomic uint64_t handed, waits, pooled, canceled, deadlines, files, completed, broken;
    _Atomic uint64_t locals, files_sent, datagrams, datagrams_got, lookups, hung, changes, eras;
    _Atomic uint64_t children, waited, killed, raised, heard, ears;
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
void storm_meet(const station *); /* of all stations */

/* record.c */
uint32_t storm_random(uint64_t *state, uint32_t below);
void storm_records_make(station *);
void storm_records_check(station *);
record *storm_take(station *, bool big); /* NULL: none is left */
void storm_rest(record *);
void storm_untouched(const record *, uint64_t from); /* since it was taken */
void storm_in(record *, record *scope);
void storm_perhaps_within(record *);
void storm_submit(record *, step *then);
void storm_submit_unseen(record *, step *then); /* nobody knows its ticket to cancel it */
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
#define PATTERN_BYTES \
    114673u /* of which each part of a stream is a part, its first 8 bytes aside */
extern unsigned char storm_pattern[PATTERN_BYTES];
void storm_ledger_make(void);
uint64_t storm_key_new(bool relayed);
uint64_t storm_place(uint64_t key, uint64_t at); /* in the pattern */
void storm_fill(uint64_t key, uint64_t at, unsigned char *to, uint64_t bytes);
void storm_sent(uint64_t key, uint64_t bytes);
void storm_unsure(uint64_t key); /* some may be lost, and nobody is told */
void storm_feed(end *, const unsigned char *from, uint64_t bytes);
void storm_stream_ended(end *);
uint64_t storm_datagram_new(uint32_t from_port);
uint32_t storm_datagram_came(const unsigned char *data, uint64_t bytes, bool whole); /* the port */
void storm_ledger_check(void);

/* ends.c, moves.c */
uint64_t storm_end_begin(station *, cede_handle, uint32_t how); /* the key of what it sends; 0 */
void storm_end_leave(end *, record *); /* the last act of one that sends or receives */
void storm_sender(record *);
void storm_receiver(record *);
void storm_connect(station *);
void storm_pair(station *);

/* station.c */
void storm_station_main(void *);
void storm_hold(station *, cede_pool *, void *buffer); /* keeps it, or gives it back */

/* doors.c */
void storm_doors_open(station *);
void storm_accept(station *);

/* files.c */
void storm_files_open(station *);
void storm_files(station *);
void storm_files_turn(station *);
void storm_files_gone(station *);

/* datagrams.c, lookups.c, watches.c, children.c, signals.c: what is begun once, what at any time,
 * what is seen to at each turn, what must still come before the loop closes, what is left over */
void storm_datagrams_begin(station *);
void storm_datagrams_turn(station *);
void storm_datagram(station *);
void storm_datagrams_check(void);
void storm_lookups_make(void);
void storm_lookups_over(void);
void storm_lookups_stir(void);
void storm_lookup(station *);
void storm_looking(const char *host); /* on the thread that is about to look it up */
void storm_watch_begin(station *);
void storm_watch(station *);
bool storm_watch_waits(const station *);
void storm_watch_gone(station *);
void storm_child(station *);
void storm_children_gone(void);
void storm_ear_begin(station *);
void storm_ear_turn(station *);
void storm_signal(station *);
void storm_raise_some(uint64_t *random);
void storm_signals_check(void);

/* small.c */
void storm_small(station *);
void storm_small_remote(station *, uint64_t *random);

/* os.c */
void storm_os_make(void);
uint64_t storm_count_descriptors(void); /* but events, */
uint64_t storm_count_events(void);      /* which the system's pool of threads has, too */
void storm_tell_descriptors(void);      /* which they are, where the system says so */
bool storm_tells_resets(void);
cede_address storm_home(void); /* an address of this machine, best one that nobody else uses */
const char *storm_program(void);
int storm_child_main(const char *what);     /* of a child: ends with a number, or echoes */
bool storm_excuses_start(int32_t os_error); /* of a child that was not started */
bool storm_child_is_left(void);
const void *storm_config(uint32_t number); /* of a station's backend */
void storm_folder_make(const char *path);
void storm_local_path(const char *folder, uint32_t number, char *out, size_t room);
extern const bool storm_kills_with_a_code; /* the killed have one, and no signal's number */
extern const uint32_t storm_signals;       /* that can be raised here, of CEDE_SIGNAL_BIT */
extern const uint32_t storm_ear_signal;    /* and one more */
void storm_raise(uint32_t signal);
bool storm_signals_are_back(void); /* what held before holds again */

#endif
