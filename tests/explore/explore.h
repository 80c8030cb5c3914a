/*
 * Programs made of bytes, run on the simulated kernel and held to the laws by an oracle.
 *
 *     program.c    a program: from and to bytes, by a seed, as text
 *     act.c        runs one: each action is a call of the library
 *     kinds_*.c    what the requests are: preparing one, judging its result
 *     laws.c       what holds for each request: once, not inline, truthful, in order
 *     handles.c    which loop a handle is bound to
 *     waits.c      what holds for calls that run callbacks: wait, run, loop close
 *     truth.c      what moved: streams, files, names, buffers
 *     system.c     what children, watches and signals must tell
 *     setup.c      the world, and what is in it at first
 *     stage.c      one run: memory, callbacks, and what must be true at the end
 *     elsewhere.c  calls on another thread, one after the other, so that runs repeat
 *     child.c      a run in a process of its own: what it said, how it ended
 *     shrink.c     the shortest program that still fails
 *     state.c      a hash of all that the rest of a run depends on
 *     seeds.c, every.c, fuzz_program.c, fuzz_address.c    the programs
 *
 * The oracle knows what was asked and what was told, never the core's inside. A law that does not
 * hold ends the process (broken()); the caller is another process, or libFuzzer.
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cede/backend.h"
#include "cede/sim.h"

/* ---- Programs -------------------------------------------------------------------------------- */

enum verb {
#define VERB(NAME, weight, text) V_##NAME,
#include "verbs.def"
    VERB_COUNT
};

enum kind_name {
#define KIND(name, op, group, weight, roles, traits, judge, text) K_##name,
#include "kinds.def"
    KIND_COUNT
};

#define ACTIONS_MOST 48u
#define ACTION_BYTES 8u
#define HEAD_BYTES   4u
#define BYTES_MOST   (HEAD_BYTES + ACTIONS_MOST * ACTION_BYTES)
#define DEPTH_MOST   2u
#define REGISTERS    8u
#define THINGS       32u

/* What makes a submit more than a submit. */
enum {
    A_IN = 0x01,         /* member of the scope in `scope` */
    A_WITHIN = 0x02,     /* a deadline of `time` */
    A_BACKGROUND = 0x04, /* does not hold the loop */
    A_ELSEWHERE = 0x08,  /* by another thread */
    A_LINK = 0x10,       /* the next submit of the same depth is its follower */
    A_REUSE = 0x20,      /* in a done: in the memory of the request that came back */
    A_KEEP = 0x40,       /* buffers of a pool are kept a while */
    A_OTHER = A_LINK,    /* of a wait: by the other loop */
    A_ITEM = 0x80        /* what is to be done in its done is done in its first item */
};

typedef struct action {
    uint8_t verb;
    uint8_t
        depth; /* 0: the program's own; more: in the done of the last submit that is less deep */
    uint8_t kind;
    uint8_t reg;
    uint8_t scope;
    uint8_t thing;
    uint8_t size;
    uint8_t place;
    uint8_t time;
    uint8_t attr;
    uint8_t home; /* which loop */
} action;

typedef struct program {
    uint8_t manners; /* of the world */
    uint16_t seed;   /* of the world */
    uint32_t count;
    action action[ACTIONS_MOST];
} program;

/* Every string of bytes is a program. */
void program_from_bytes(program *, const uint8_t *bytes, size_t count);
size_t program_to_bytes(const program *, uint8_t bytes[BYTES_MOST]);
void program_from_seed(program *, uint64_t seed);
void program_print(const program *, FILE *);
void program_print_action(const action *, FILE *);
uint64_t time_of(uint8_t index);
uint32_t length_of(uint8_t index);
uint32_t offset_of(uint8_t index);

#define SOURCE     0xffffu /* whose pattern the source's content is */
#define FIRST      0xfffeu /* the same of the file's first content */
#define FILE_FIRST 200u
#define PORT       4000
#define POOL_COUNT 3u
#define POOL_BYTES 64u
#define HOMES      2u   /* loops */
#define NAMES      6u   /* in /tmp: four files, two directories */
#define SIGNALS    3u   /* those that programs know, from 1 on */
#define GONE       0xdd /* what the oracle writes over memory that came back */

/* ---- Things: what handles name --------------------------------------------------------------- */

enum role {
    R_FILE = 0x001,     /* a file, at offsets */
    R_LOG = 0x002,      /* one that is only appended to */
    R_SOURCE = 0x004,   /* one that is read from its position on */
    R_SINK = 0x008,     /* one that is written from its position on */
    R_PIPE_IN = 0x010,  /* the reading end */
    R_PIPE_OUT = 0x020, /* the writing end */
    R_STREAM = 0x040,   /* a connected socket */
    R_LISTENER = 0x080, /* */
    R_DATAGRAM = 0x100, /* */
    R_OTHER = 0x200,    /* what was opened, for closing */
    R_DIR = 0x400,      /* a directory, open */
    R_CHILD = 0x800,    /* a child process */
    R_WATCH = 0x1000,   /* of a directory */
    R_FOREIGN = 0x2000, /* a descriptor that is somebody else's, to be polled */
    R_INPUTS = R_SOURCE | R_PIPE_IN | R_STREAM,
    R_OUTPUTS = R_SINK | R_PIPE_OUT | R_STREAM,
    R_STREAMS_IN = R_PIPE_IN | R_STREAM,
    R_STREAMS_OUT = R_PIPE_OUT | R_STREAM,
    R_SYNCS = R_FILE | R_LOG | R_SINK,
    R_SOCKETS = R_STREAM | R_LISTENER | R_DATAGRAM,
    R_POLLED = R_PIPE_IN | R_PIPE_OUT | R_SOCKETS | R_FOREIGN,
    R_ALL = 0x3fff
};

typedef struct bytes {
    uint8_t *data;
    size_t used, room;
} bytes;

typedef struct call call;
typedef struct home home;

typedef struct thing {
    uint32_t role;
    cede_handle handle;
    struct thing *peer; /* what it is connected to, if that is known */
    bytes in, out;      /* what was received from it and sent into it, by what results told */
    bool accepted;      /* by whom it was connected is found out at the end */
    bool connected;
    bool ended;           /* a receive met the end */
    bool maybe_shut;      /* a close was asked for: operations may say that it is none */
    bool asked_to_close;  /* and not only given to a scope */
    bool shut;            /* it is stale for sure */
    uint8_t named;        /* the homes that named it; it is bound to one of them, ... */
    uint8_t ran;          /* ... that where something on it began */
    bool closed;          /* a close of it was delivered */
    bool relayed;         /* what comes here a child has copied */
    call *owner[HOMES];   /* a scope of each loop, if it took it */
    struct thing *lender; /* whose descriptor it is */
    struct {
        const struct behaviour *runs;
        uint64_t id;
        bool asked, forced; /* somebody may have asked it to end, or ended it */
        bool ends;          /* it has, or will soon, for sure */
        bool told;          /* a wait was, ... */
        uint64_t outcome;   /* ... this */
    } child;
    struct {
        uint8_t name[NAMES]; /* as it was told last: NAME_... */
        uint8_t where;       /* 0: /tmp; else which directory in it, from 1 on */
        bool lost;           /* not all was told */
        bool gone;           /* the directory is, and this was told */
    } watch;
} thing;

enum { NAME_UNKNOWN, NAME_THERE, NAME_ABSENT };

/* ---- Calls: submissions ---------------------------------------------------------------------- */

enum { T_ENDS = 0x1, T_IN = 0x2, T_OUT = 0x4, T_POOL = 0x8 };

typedef struct kind {
    const char *name;
    uint32_t op;
    uint32_t group;
    uint32_t weight;
    uint32_t roles;
    uint32_t traits;
    void (*prep)(call *);
    void (*judge)(call *, const cede_result *);
    const char *text;
} kind;

enum { G_CORE, G_STREAM, G_FILE, G_NET, G_POOL, G_SYSTEM, G_COUNT };

extern const kind kinds[KIND_COUNT];

/* The memory that a request lives in. */
typedef struct block {
    cede_req req;
    call *owner;
    struct block *next;
    size_t room;
    cede_vec vec[3];
    cede_address address;
    cede_handle second;
    cede_stat stat;
    cede_spawn spawn;
    uint64_t id;
    uint8_t data[];
} block;

struct call {
    const action *how;
    const kind *kind;
    home *home;
    block *memory;
    cede_req *req;
    uint32_t serial; /* from 1 on */
    uint32_t since;  /* linked: how many calls there were when the one before it was over */
    uint32_t length, offset;
    cede_ticket ticket;
    thing *on;
    call *scope, *before, *after; /* it joined; in its chain */
    uint64_t asked, told;         /* steps: when it was submitted, when its done came */
    uint64_t due_ns;              /* not before this its time is over; CEDE_FOREVER */
    uint64_t deadline_ns;         /* the same of its deadline */
    uint32_t causes;              /* CEDE_BY_ that may have been recorded */
    uint32_t recorded;            /* the one that was, for sure */
    bool asked_while_pending;     /* a cancel, for sure */
    bool remote, background, orphan, stale_handle, bad_scope, bad_pool, behind_close, behind_item;
    bool must_be_refused, must_be_open, sure_member;
    bool entered, returned, item_done, completed, ended_sure;
    uint32_t dones, items, item_bytes, out, ran, members, received;
    cede_status why; /* scope: the first reason, if known; pend: as completed */
    uint64_t completed_count;
    const struct behaviour *runs; /* spawn: what it starts, ... */
    bool has_pipes;               /* ... and whether with now.child_in, child_out */
    uint32_t raised[SIGNALS];     /* signal_many: as often when it was submitted, ... */
    uint32_t heard[SIGNALS];      /* ... and told so often */
    uint32_t owed;                /* bits of those that are still to be told */
    uint32_t mark;
    cede_result result;
};

#define CALLS_MOST 256u
#define FRAMES     32u
#define OUT_MOST   8u

/* ---- The stage: one run ---------------------------------------------------------------------- */

typedef struct frame {
    call *call;
    bool item;
} frame;

/* A call of the library that may call back: a run, a loop close, or a wait for somebody. */
typedef struct caller {
    const home *home;
    const call *target; /* NULL: not a wait */
    uint32_t callbacks;
    uint32_t frames; /* that were on the stack when it began */
} caller;

/* A loop. Programs have one or two, in one thread. */
struct home {
    cede_loop *loop;
    bool bound, stop_asked, closing, closed;
    bool sent;    /* it may have been sent something that it has not taken yet */
    bool keeping; /* its keeper pends: see settle.c */
    cede_req keeper;
};

typedef struct stage {
    const program *program;
    cede_sim *world;
    uint64_t step;
    call calls[CALLS_MOST];
    uint32_t call_count;
    call *reg[REGISTERS];
    thing things[64];
    uint32_t thing_count;
    thing *at[THINGS];
    frame frames[FRAMES];
    uint32_t frame_count;
    caller callers[FRAMES];
    uint32_t caller_count;
    cede_pool *pool;
    uint32_t pool_bytes;
    bool pool_closed;
    struct {
        void *buffer;
        call *from;
    } out[OUT_MOST];
    uint32_t out_count;
    block *blocks;
    home homes[HOMES];
    uint32_t home_count;
    thing source, pipes; /* named beside a request's own handle: what is sent, a child's */
    bool faulted, starved, hungry, limited, narrow, forgetful;
    bool own_world, flooded, settled;
    uint32_t drops;
    uint64_t finished; /* a hash of how it ended, for comparisons */
    uint32_t names[4], directories[2];
    uint32_t removed[2]; /* of the directories */
    uint32_t raised[SIGNALS];
    cede_handle child_in, child_out; /* for the first child that copies; 0: it has them */
    thing *copier;
} stage;

extern stage now;

static inline uint8_t home_bit(const home *h)
{
    return (uint8_t)(1u << (h - now.homes));
}

/* Called between the actions of a program; see every.c. */
extern void (*explore_between)(uint32_t next);
extern FILE *explore_trace; /* says what is done, as it is done */

/* Runs a program in a world: new and of its manners if NULL. */
void program_run(const program *, cede_sim *world);
cede_sim_config manners_of(const program *);
void stage_allocator(void); /* once a process */

void stage_open(const program *, cede_sim *world);
void setup_world(const program *); /* what is in it at first, once the loop is open */
const cede_backend *setup_backend(void);
void stage_settle(void); /* nothing is held back any more: what must end has ended */
/* Whether somebody before it in its chain or on its handle may still hold it back. */
bool held_back(const call *);
void stage_close(void); /* the loop is closed: nothing is left */
thing *thing_new(uint32_t role, cede_handle);
void stage_flood(home *);       /* more requests than one chunk of slots holds */
extern uint32_t stage_starving; /* so many allocations fail */
extern uint32_t stage_starved;  /* so many did */

/* ---- Acting ---------------------------------------------------------------------------------- */

void act_all(const program *);
void act_body(const call *); /* what is to be done in its done */
void on_done(cede_req *, cede_result);
void on_item(cede_req *, cede_result);
void elsewhere(void (*)(void *), void *);

/* ---- The oracle ------------------------------------------------------------------------------ */

_Noreturn void broken(unsigned law, const call *, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define LAW(number, call, condition, ...)          \
    do {                                           \
        if (!(condition))                          \
            broken((number), (call), __VA_ARGS__); \
    } while (0)

extern void (*explore_broken)(const char *text); /* gets the text of what broke, if set */

void laws_submitted(call *);
void laws_entered(call *, const cede_result *);
void laws_returned(call *);
void laws_item(call *, const cede_result *);
void laws_asked(call *, cede_status why, bool here); /* before a wish; a scope's reason */
bool laws_may_be_sent(const call *);
void laws_closing(thing *, bool sure);
void laws_named(thing *, const home *);          /* it is bound to it, if it was to none */
bool call_owns(const call *);                    /* a scope: handles */
bool laws_pending(const call *, cede_pending *); /* by cede_dump */

void handles_named(call *);             /* by its submit */
bool handles_are_foreign(const call *); /* what it names may be bound to another loop */
bool handles_may_be_shut(const call *); /* or stale */
void handles_of_one_loop(const call *); /* something on its handle began */
call *handles_owner(const thing *);     /* the scope, where it is known; NULL: none */
void handles_closing(thing *, bool sure);
void handles_shut_with(const home *); /* a loop's close */

cede_status waits_wait(home *, const call *, uint64_t at_most_ns);
void waits_run(home *, uint64_t at_most_ns);
cede_status waits_close(home *, uint64_t at_most_ns);
void waits_callback(const call *); /* may it run now? */

uint8_t pattern(uint32_t serial, uint64_t at);
void bytes_add(bytes *, const void *, size_t);
void truth_sent(call *, uint64_t count);
void truth_received(call *, const void *, uint64_t count);
void truth_read(const call *, uint64_t count);
void truth_final(void);
void truth_buffer(call *, void *buffer);
void truth_give(void);

/* What a program that children run does. */
typedef struct behaviour {
    const char *path;
    cede_sim_behaviour does;
} behaviour;

extern const behaviour behaviours[8];
bool copies_its_input(const action *); /* a spawn */
void system_raise(uint32_t signal);
const char *system_overdue(const call *); /* why it should be back; NULL: it need not be */
void system_final(void);                  /* nothing is held back any more: all was told */

/* ---- Runs in processes of their own (child.c) ------------------------------------------------ */

#define SAID_MOST 512u

typedef struct verdict {
    bool failed;
    char said[SAID_MOST];
} verdict;

/* Runs the program in a child, with a bound on its time. */
verdict child_try(const program *);
/* Runs the programs of seeds from first on in one child; returns the first that fails, or end. */
uint64_t child_seeds(uint64_t first, uint64_t end, verdict *);
/* Takes away what is not needed for the failure. */
program shrink(const program *, verdict *, unsigned *tries);

#endif
