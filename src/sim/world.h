/*
 * The simulated backend, inside: the world, its loops, the works in flight.
 *
 *     backend.c  the seam: take a batch, cancel, wait, report
 *     run.c      one step: which work goes next, what becomes of it, when it is reported
 *     work.c     records of works: by token, by due time, in lists
 *     choose.c   every decision, and the trace
 *     world.c    making and freeing worlds, settings, counts
 *     native.c   descriptors: numbers in a table of the process
 *     hold.c     works held and failed on purpose
 *     io.c       operations that move bytes      fact.c     the others on open files
 *     name.c     operations on paths             dir.c      directories and looking up paths
 *     node.c     a file's bytes and facts        pipe.c     pipes, both ends
 *     net.c      listening, connecting, streams  datagram.c datagrams and groups
 *     socket.c   sockets and their addresses     option.c   their options
 *     send.c     sends without copies            lookup.c   names of hosts
 *     poll.c     readiness                       signal.c   signals
 *     child.c    programs and child processes    watch.c    changes of directories
 *     peek.c     the tree, directly              explore.c  many runs
 *
 * A world is guarded by one lock, taken at every entry from outside and let go while sleeping,
 * while reporting to the core and while a user's blocking work runs. Everything below assumes that
 * it is held. The table of descriptors has a lock of its own, taken inside it or alone.
 */
#ifndef CEDE_SIM_WORLD_H
#define CEDE_SIM_WORLD_H

#include <stdatomic.h>
#include <string.h>

#include "cede/backend.h"
#include "cede/sim.h"
#include "../core/os.h"

typedef struct sim_work sim_work;
typedef struct sim_loop sim_loop;
typedef struct sim_node sim_node;
typedef struct sim_open sim_open;
typedef struct sim_socket sim_socket;
typedef struct sim_watch sim_watch;
struct sim_child;
struct sim_program;

/* ---- Works ----------------------------------------------------------------------------------- */

enum sim_phase {
    SIM_FREE,
    SIM_QUEUED,  /* in the heap: carried out when due */
    SIM_BLOCKED, /* in a pipe's or socket's list */
    SIM_FROZEN,  /* in the world's list: held, or hanging, nothing done */
    SIM_MIDWAY,  /* in the world's list: held with the effect begun or done */
    SIM_SEALED,  /* in the heap: reported when due */
    SIM_DONE     /* in its loop's list: reported by the next wait */
};

typedef struct sim_list {
    sim_work *first;
    sim_work *last;
} sim_list;

struct sim_work {
    sim_work *next;
    sim_work *prev;
    sim_list *list; /* which list it is in */
    sim_loop *loop;
    uint64_t token;
    uint64_t serial; /* its name in traces, the same in every run */
    uint64_t born_ns;
    uint64_t due_ns;    /* not before */
    uint64_t latest_ns; /* explored worlds: nor after another's */
    cede_args args;
    sim_open *file; /* what native and native_other name; NULL: nothing valid */
    sim_open *to;
    sim_open *opened; /* open of a named pipe: its end is there, and waits for the other */
    intptr_t native;
    uint64_t moved;
    uint32_t op;
    uint32_t how;
    uint32_t heap_at; /* its place in the heap, plus 1; 0: not there */
    uint32_t hold;    /* which hold has it; SIM_HANGS: none, it hangs for ever */
    uint8_t phase;
    uint8_t stage; /* SIM_FRESH: may still be held at start, or fail */
    bool deaf;     /* cancels do not reach it */
    bool wished;   /* a cancel came too late: ends it only should it have to wait */
    bool at_once;  /* carried out inside start */
    bool run_user; /* blocking work: its function is to be run before the report */
    bool to_pool;  /* there is something to receive: into a buffer that is picked at the report */
    bool split;    /* to be held midway: the operation moves a half and leaves the rest below */
    uint32_t cancels;
    /* The outcome. */
    cede_status status;
    uint64_t count;
    struct sim_child *child; /* spawn: the one to be; it has its standard streams already */
    bool stale;              /* one of these was */
    uint32_t come;           /* signals that have, not yet to be told */
    uint32_t told;           /* to be told by the next wait */
    uint64_t lent_bytes;     /* those that the network has, until the report; 0: it made a copy */
    uint64_t lent_hash;
    /* Held midway: the rest of the transfer. */
    uint64_t rest_at;
    uint64_t rest_bytes;
    uint64_t rest_offset;
};

#define SIM_HANGS UINT32_MAX

enum { SIM_FRESH, SIM_UNHELD, SIM_BEGUN };

/* ---- Loops ----------------------------------------------------------------------------------- */

#define SIM_GONE_MOST 16u

struct sim_loop {
    sim_loop *next;
    struct cede_sim *world;
    cede_core *core;
    cede_os_gate *gate;
    uint32_t serial;
    bool private_world;
    bool refused;  /* some works were, though there is room: the next wait is short */
    bool sleeping; /* its thread is at the gate, or about to be */
    atomic_bool woken;
    sim_list done;
    uint64_t done_count;
    uint64_t in_flight;
    uint64_t *again; /* tokens whose cancel is answered "not found" */
    size_t again_count;
    size_t again_room;
    uint32_t telling;             /* works with signals to be told */
    uint64_t gone[SIM_GONE_MOST]; /* tokens of sends to be told of as gone; of more nobody is */
    uint32_t gone_count;
};

/* ---- The world ------------------------------------------------------------------------------- */

typedef struct sim_event {
    uint64_t at_ns;
    uint64_t work;
    uint64_t value;
    uint32_t loop;
    uint32_t op;
    uint8_t what;
} sim_event;

#define SIM_EVENTS 256u

/* A script of choices: what explored and replayed worlds follow and record. */
typedef struct sim_script {
    const uint16_t *given;
    uint32_t given_count;
    uint32_t depth_most;
    uint32_t made; /* decisions, also those beyond the depth */
    uint16_t choice[CEDE_SIM_DEPTH_MOST];
    uint16_t among[CEDE_SIM_DEPTH_MOST];
} sim_script;

struct sim_hold;
struct sim_fault;
struct sim_token;
struct sim_host;

struct cede_sim {
    atomic_flag lock;
    cede_sim_config config;
    uint64_t now_ns;
    uint64_t now_most_ns; /* scripted worlds: it may be as late as this; see run.c */
    uint64_t random;
    sim_script *script; /* NULL: the seed decides */
    uint32_t entered;   /* by descriptor; guarded by the table's lock */

    sim_loop *loops;
    uint32_t loop_serials;
    sim_work *spare;
    void *chunks;
    uint64_t work_serials;
    struct sim_token *tokens; /* token to work, open addressing */
    size_t token_room;
    size_t token_count;
    sim_work **heap;
    size_t heap_count;
    size_t heap_room;
    sim_list frozen;
    uint64_t in_flight;
    uint64_t last_due_ns; /* CEDE_SIM_IN_ORDER */

    struct sim_hold *holds;
    uint32_t hold_numbers;
    struct sim_fault *faults;

    sim_node *root;
    char *path; /* where one is walked: see dir.c */
    uint64_t node_serials;
    sim_node *nodes; /* all that live */
    uint64_t pages;
    cede_sim_pipe *pipes;
    sim_socket *sockets; /* all, the latest first */
    uint16_t last_port;
    sim_list lost;    /* connects to where nobody ever answers */
    sim_list polling; /* polls of what is not ready */
    sim_list takers;  /* of signals */
    struct sim_host *hosts;
    struct sim_program *programs;
    struct sim_child *children; /* those that live or whose handle does */
    uint64_t child_serials;
    sim_watch *watches;
    uint64_t actors;  /* what may be in the heap beside works */
    sim_loop outside; /* nobody's: the actors' */
    sim_open *opens;
    uint64_t open_serials;
    uint64_t open_count;

    uint64_t hash;
    uint64_t events;
    sim_event event[SIM_EVENTS];
    cede_sim_counts counts;
};

/* Time does not wrap, and is never CEDE_FOREVER. */
static inline uint64_t sim_later(uint64_t time_ns, uint64_t by_ns)
{
    return by_ns > UINT64_MAX - 1 - time_ns ? UINT64_MAX - 1 : time_ns + by_ns;
}

void sim_lock(cede_sim *);
void sim_unlock(cede_sim *);
/* Wakes every loop that sleeps in the world: something has changed. */
void sim_poke(cede_sim *);
cede_sim *sim_new_scripted(const cede_sim_config *, sim_script *);

/* ---- Decisions and the trace (choose.c) ------------------------------------------------------ */

/* Every decision goes through here: a number below n, 0 being the plain way. */
uint64_t sim_choose(cede_sim *, uint64_t n);
bool sim_chance(cede_sim *, uint32_t permille);
/* A length from 1 to n, n being the plain way. */
uint64_t sim_shorten(cede_sim *, uint64_t n);
/* How much of a transfer goes at once. */
uint64_t sim_maybe_short(cede_sim *, uint64_t bytes);

enum sim_what {
    SIM_TAKE,
    SIM_RUN,
    SIM_BLOCK,
    SIM_HOLD,
    SIM_LET_GO,
    SIM_SEAL,
    SIM_REPORT,
    SIM_CANCEL,
    SIM_CANCEL_LOST,
    SIM_REFUSE,
    SIM_JUMP,
    SIM_CHOICE,
    SIM_PEER,
    SIM_CLOSE,
    SIM_DEADLOCK,
    SIM_SIGNAL,
    SIM_CHILD
};

void sim_note(cede_sim *, enum sim_what, const sim_work *, uint64_t value);
uint64_t sim_mix(uint64_t hash, uint64_t value);
uint64_t sim_mix_bytes(uint64_t hash, const void *data, size_t bytes);
/* One line about a work that is in flight. */
void sim_describe(const sim_work *, char *line, size_t bytes);
/* Calls with each work that is in flight, in the order taken. */
void sim_each(cede_sim *, void (*)(sim_work *, void *), void *);

/* ---- Records (work.c) ------------------------------------------------------------------------ */

sim_work *sim_work_new(sim_loop *, const cede_work *); /* NULL: out of memory */
void sim_work_free(sim_work *);
sim_work *sim_work_find(sim_loop *, uint64_t token);
void sim_works_free(cede_sim *);
void sim_list_add(sim_list *, sim_work *);
void sim_list_remove(sim_work *);
/* Into the heap; never fails, room was made by sim_work_new. */
void sim_heap_add(cede_sim *, sim_work *);
void sim_heap_remove(cede_sim *, sim_work *);

/* ---- Steps (run.c) --------------------------------------------------------------------------- */

/* Gives a work its time: between the latencies from now. */
void sim_schedule(sim_work *, enum sim_phase);
/* A blocked work may go on. */
void sim_unblock(cede_sim *, sim_list *);
/* Puts a work that cannot go on into a list. True: it is over instead (polled for, cancelled). */
bool sim_block(sim_work *, sim_list *);
/* Carries out a work; it is somewhere else afterwards. */
void sim_perform(sim_work *);
void sim_seal(sim_work *, cede_status, uint64_t count);
void sim_finish(sim_work *); /* the outcome stands: to the loop's list */
void sim_after(sim_work *);  /* it has been carried out: held there, or sealed */
/* The next event not after `until`. False: there is none, or (may_pass, explored worlds) the time
 * passes first. */
bool sim_step(cede_sim *, uint64_t until_ns, bool may_pass);
/* Whether a wait has something to tell. */
bool sim_has_news(sim_loop *);
/* What a wait does until its loop has something to report. */
void sim_run_for(sim_loop *, uint64_t until_ns);
int sim_cancel(sim_work *);

/* ---- Held and failed on purpose (hold.c) ----------------------------------------------------- */

/* Whether a work that has come to this point is held there; puts it away if so. */
bool sim_hold_here(sim_work *, uint32_t where);
/* Whether it will be held midway: asked before the operation. */
bool sim_hold_midway(sim_work *);
void sim_hold_forget(sim_work *);
/* The failure that is arranged or drawn for a work; CEDE_OK: none. */
cede_status sim_fault_here(sim_work *);
void sim_holds_free(cede_sim *);

/* ---- Operations: expanded from ops.def ------------------------------------------------------- */

/* Carries out one operation. True: done, status and count are set (they are CEDE_OK and 0 before).
 * False: it has been put on a list to wait. */
typedef bool sim_op(cede_sim *, sim_work *);

#define SIM_OP_CORE(name)
#define SIM_OP_BACKEND(name) bool sim_op_##name(cede_sim *, sim_work *);

#define CEDE_OP(NAME, name, handle, order, shape, host, promise) SIM_OP_##host(name)
#include "cede/ops.def"
#undef SIM_OP_CORE
#undef SIM_OP_BACKEND

/* Whether there is such an operation. */
bool sim_has(uint32_t op);
/* A send's buffer is lent beyond the sending, and comes back: it must not have changed. */
void sim_lend(sim_work *);
void sim_lent_back(sim_work *);
/* Begins anew those polls for which something is ready. */
void sim_poll_look(cede_sim *);
/* What has come and was not told, which now is; and a work in a loop that has some to tell. */
uint32_t sim_signals_take(sim_work *);
sim_work *sim_signals_next(sim_loop *);
/* Gives a host's name its addresses. */
cede_status sim_host_put(cede_sim *, const char *name, const cede_address *, uint32_t count);
void sim_hosts_free(cede_sim *);
/* Moves the rest of a transfer that was held midway. */
void sim_io_rest(cede_sim *, sim_work *);

#endif
