/*
 * The simulated backend: a kernel made of a seed.
 *
 * `cede_sim_backend` is a backend like any other, but behind it is no system: a *world* with its
 * own clock, files, pipes and network, which may delay, reorder, split, fail, lose a cancel or
 * never answer. Same seed, same settings, same program: same run, to the byte (cede_sim_hash proves
 * it). Use it to test your own cancel, deadline and error code:
 *
 *     static int program(cede_sim *world, void *context)      // 0: all was well
 *     {
 *         cede_sim_config config = {.world = world};
 *         cede_options options = {.backend_table = &cede_sim_backend, .backend_config = &config};
 *         cede_loop *loop;
 *         cede_loop_open(&options, &loop);
 *         ...                                                 // your state machine, run and judged
 *         return cede_loop_close(loop, CEDE_FOREVER);
 *     }
 *
 *     cede_sim_config rough = cede_sim_rough(1);
 *     cede_sim_stats stats;
 *     cede_sim_seeds(&rough, program, NULL, 1, 500, &stats);        // 500 runs, 500 kernels
 *     cede_sim_explore(&rough, program, NULL, 12, 100000, &stats);  // every schedule of 12 choices
 *
 * Time is virtual. It stands still while your code runs, and jumps in the loop's wait to the next
 * event, or to the end of the wait: an hour's time-out costs nothing. A wait that only polls, and a
 * look at the clock, move it a little, so that programs that poll get on.
 *
 * Order. A work that the kernel has taken is carried out at some moment between latency_min_ns and
 * latency_max_ns later, each by itself: that is where reordering comes from. Its report may follow
 * at once or later.
 *
 * Files. The tree is empty but for /tmp and /dev/null; relative paths start at the root; permission
 * bits are kept and not enforced; owner and group are 0; new files lose the bits of mask 022. What
 * an operation answers is what Linux answers. There are no terminals or block devices.
 *
 * Network. All sockets of a world, of whichever loop, are on one machine. 127.0.0.0/8, ::1 and the
 * any-addresses are its own; a local address is a name in the tree. 192.0.2.0/24 is a black hole: a
 * connect there pends until it is cancelled, a datagram is lost. Other addresses say
 * CEDE_ENETUNREACH. Ports that the system picks are 49152, 49153, ... A connect is done as soon as
 * there is room in the listener's backlog, and pends until then. Each way of a stream holds 212992
 * bytes, whatever the options say, which are kept and given back. An end that closes with bytes
 * unread, a listener that closes over a client, and a close with CEDE_OPTION_LINGER 0 break the
 * connection off: the other end receives what had arrived and then CEDE_ECONNRESET. A send to an
 * end that is gone says CEDE_EPIPE. A group's members are reached by what is sent to it and their
 * port; interface 1 is the only one.
 *
 * Watches tell of names and data in a directory of the tree whatever changes them, the functions
 * below included; also of a file that is changed by another of its names, elsewhere.
 *
 * Polls say what Linux would say. Signals, children and names of hosts are the world's own: see
 * below. A send_zero_copy over the network has its buffer until a moment behind the sending; if it
 * has changed by then, the process stops (law 5).
 *
 * Work (cede_prep_work) runs on the loop's thread, inside its wait, at a moment like any other.
 * While it runs, nothing else of the loop does: one that waits for a callback, or for a request of
 * the loop, waits for ever here, though on a real system another thread would have it.
 *
 * Threads. A world may be shared by several loops, and any function here may be called on any
 * thread, also while a loop runs; but only programs of one thread are deterministic. A wait of
 * CEDE_FOREVER in which nothing can ever happen sleeps until another thread wakes the loop or
 * changes the world; see CEDE_SIM_DEADLOCK_FAILS and patience_ns.
 *
 * Memory comes from malloc, not from cede's allocator (cede_set_allocator), which has what the core
 * takes: a simulated kernel has memory of its own.
 */
#ifndef CEDE_SIM_H
#define CEDE_SIM_H

#include "cede/cede.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cede_sim cede_sim;           /* a world */
typedef struct cede_sim_pipe cede_sim_pipe; /* a pipe in it; lives as long as its world */

/* The backend: for cede_options.backend_table; by name, "sim". */
extern CEDE_API const struct cede_backend cede_sim_backend;

/* ---- Settings -------------------------------------------------------------------------------- */

/* cede_sim_config.flags. IN_ORDER: works are carried out in the order taken. DEADLOCK_FAILS: a wait
 * that nothing can end returns CEDE_EDEADLK, after a line to the loop's trace for each work that
 * hangs. LENDS: each send_zero_copy keeps its memory when its bytes have gone, also little of it,
 * and on any stream. */
#define CEDE_SIM_IN_ORDER       0x1u
#define CEDE_SIM_DEADLOCK_FAILS 0x2u
#define CEDE_SIM_LENDS          0x4u

/*
 * What a world is like. Zeros are defaults: a polite kernel with some delay. The fields that end in
 * _permille are chances, 0 (never) to 1000 (always). Under cede_sim_explore a chance strictly
 * between is a choice of two that is walked both ways.
 */
typedef struct cede_sim_config {
    cede_sim *world; /* for cede_loop_open: live in this world, and ignore all below (which it got
                        when it was made); NULL: a private world, gone with the loop */
    uint64_t seed;
    uint32_t flags; /* CEDE_SIM_... */

    /* Time */
    uint64_t latency_min_ns; /* from taken to carried out (1 us .. 50 us if both are 0) */
    uint64_t latency_max_ns;
    uint64_t turn_ns;     /* what a wait that only polls costs (1 us) */
    uint64_t look_ns;     /* what a look at the clock costs (100 ns) */
    uint64_t patience_ns; /* real time: before the clock jumps over a time-out with nothing to do,
                             sleep at most so long for a wake from another thread. 0 for programs
                             of one thread; CEDE_FOREVER makes an idle time-out last as long as it
                             says */
    uint64_t waits_most;  /* a run that waits more often than this has got stuck: wait returns
                             CEDE_EDEADLK (0: no bound) */

    /* What may happen to a work */
    uint16_t immediate_permille; /* carried out and reported inside the batch's start */
    uint16_t late_permille;      /* carried out, but reported one more latency later */
    uint16_t batch_permille;     /* one more report is brought along by the same wait */
    uint16_t short_permille;     /* a transfer moves less than it could, at least one byte */
    uint16_t fail_permille;      /* fails with a status that suits the operation, nothing done */
    uint16_t again_permille;     /* interrupted: begun anew by the core */
    uint16_t poll_permille;      /* where it would block: polled for, then begun anew */
    uint16_t park_permille;      /* out of room while others are in flight: parked by the core */
    uint16_t hang_permille;      /* never carried out; only a cancel ends it */

    /* What may happen to a datagram */
    uint16_t lose_permille;     /* it is lost on its way */
    uint16_t overtake_permille; /* it overtakes some of those that wait to be received */

    /* What may happen to a cancel */
    uint16_t cancel_lose_permille;  /* taken up, yet too late: the work succeeds */
    uint16_t cancel_again_permille; /* "not now, ask again" */
    uint16_t cancel_lost_permille;  /* answered later with "not found", though the work lives */
    uint16_t cancel_never_permille; /* "cannot be ended": the work goes on by itself */

    /* What may happen to a batch */
    uint16_t refuse_permille; /* only a part of it is taken, while others are in flight */
    uint16_t starve_permille; /* nothing of it is taken, although nothing is in flight */

    /* Bounds; 0: none */
    uint32_t batch_most;     /* works taken by one start */
    uint32_t in_flight_most; /* works in flight, each loop */
    uint32_t open_most;      /* open files, pipe ends and sockets (CEDE_EMFILE) */
    uint64_t disk_bytes; /* room of the file system (CEDE_ENOSPC), in pages of 4096 bytes; 1 TiB */
    uint64_t file_bytes; /* the longest file (CEDE_EFBIG); 16 TiB less a page */
    uint32_t watch_most; /* changes that a watch keeps; then some are lost (1024) */
    uint64_t without;    /* operations that it has not: bits 1 << CEDE_OP_... */

    /* Called before each fallible step: "open", "bind", "attach", or an operation's name. A status
     * other than CEDE_OK is taken as that step's failure. Must not call into the world. */
    cede_status (*fault)(void *context, const char *step);
    void *fault_context;

    /* Gets each line of the trace when it happens. Must not call into the world. */
    cede_trace_fn *trace;
    void *trace_context;
} cede_sim_config;

/* A kernel of bad manners: every chance above but hang, fail, lose and starve is on. One of them
 * (park) is no room, so that any request may say CEDE_EAGAIN (law 15). */
CEDE_API cede_sim_config cede_sim_rough(uint64_t seed);

/* ---- Worlds ---------------------------------------------------------------------------------- */

/* Makes a world; config may be NULL. NULL: out of memory. */
CEDE_API cede_sim *cede_sim_new(const cede_sim_config *);

/* Frees a world and all in it; handles that are still open in it become stale by themselves.
 * CEDE_EBUSY while a loop lives in it. NULL: nothing. */
CEDE_API cede_status cede_sim_free(cede_sim *);

/* The virtual clock: what cede_now reads, but without its cost. */
CEDE_API uint64_t cede_sim_now(cede_sim *);

/* Moves the clock on by `ns` and carries out what falls due meanwhile. What completes is reported
 * by the next wait of its loop: so a program can meet "completed, not yet delivered". */
CEDE_API void cede_sim_advance(cede_sim *, uint64_t ns);

/* Sets config's open_most anew, for a limit that is met in the middle of a run, or passes. */
CEDE_API void cede_sim_limit_open(cede_sim *, uint32_t open_most);

/* A hash over all that has happened in the world so far: takings, answers, effects, reports and
 * choices, with their times. Equal for equal runs. */
CEDE_API uint64_t cede_sim_hash(cede_sim *);

/* The last 256 things that happened, oldest first, a line each. Here and below, a function that is
 * handed in must not call into the world. */
CEDE_API void cede_sim_trace(cede_sim *, cede_trace_fn *, void *context);

typedef struct cede_sim_counts {
    uint64_t in_flight; /* taken and not reported: the sum of the next five */
    uint64_t queued;    /* not begun */
    uint64_t blocked;   /* waiting for the other end of a pipe or connection, or a client */
    uint64_t frozen;    /* by cede_sim_hold, before anything was done; or hanging for ever */
    uint64_t midway;    /* by cede_sim_hold, in the middle or behind the effect */
    uint64_t sealed;    /* the outcome is certain, the report not yet made */
    uint64_t open;      /* open files, pipe ends and sockets, the peers' too */
    uint64_t taken;     /* works taken so far */
    uint64_t reported;
    uint64_t cancels;   /* cancels asked so far */
    uint64_t choices;   /* decisions so far */
    uint64_t waits;     /* calls of wait so far */
    uint64_t deadlocks; /* waits that nothing could end */
    uint64_t children;  /* child processes that run */
} cede_sim_counts;

CEDE_API void cede_sim_count(cede_sim *, cede_sim_counts *out);

/* A line for each work that is in flight. */
CEDE_API void cede_sim_pending(cede_sim *, cede_trace_fn *, void *context);

/* ---- Holding and failing --------------------------------------------------------------------- */

/* Which works are meant. Zeros match everything. */
typedef struct cede_sim_target {
    uint32_t op;      /* a CEDE_OP_; 0: all */
    const char *path; /* works on this path, also as a local address, or on a file opened by any
                         name of it; look-ups of this host, spawns of this program; copied */
    const cede_sim_pipe *pipe; /* works on this pipe */
    uint32_t skip;             /* let so many that match pass by */
    uint32_t most;             /* then catch so many; 0: all */
} cede_sim_target;

/* Where a work is held. */
enum {
    CEDE_SIM_AT_START = 1, /* taken by the kernel, nothing done: a cancel ends it */
    CEDE_SIM_MIDWAY,       /* half of the bytes are moved, the rest follows on release; other
                              operations have taken effect. A cancel changes nothing any more */
    CEDE_SIM_AT_END        /* all is done, the report withheld. A cancel changes nothing any more */
};
#define CEDE_SIM_DEAF \
    0x100u /* beside AT_START: a cancel changes nothing either; the kernel that
                                never answers */

/* Holds the works that match, from now until release, when they get to that point (some latency
 * after they were taken: run the loop or cede_sim_advance until cede_sim_held says so). The first
 * hold that matches has it. Returns the hold's number, never 0; 0 if out of memory or bad. Works
 * of CEDE_OP_WORK and CEDE_OP_CLOSE can be held at start only. */
CEDE_API uint32_t cede_sim_hold(cede_sim *, const cede_sim_target *, uint32_t where);

/* How many works a hold has in its hand; 0 for the number: all holds. */
CEDE_API uint64_t cede_sim_held(cede_sim *, uint32_t hold);

/* Ends a hold and lets its works go on; 0: all holds. */
CEDE_API void cede_sim_release(cede_sim *, uint32_t hold);

/* Lets works that match fail with this status, nothing done: with skip = k and most = 1, the k-th
 * from 0 once; with most = 0, from then on. Close fails but closes. The status may also be
 * CEDE_REPORT_AGAIN or CEDE_REPORT_PARK (backend.h). Stays until cede_sim_heal. CEDE_ENOMEM. */
CEDE_API cede_status cede_sim_fail(cede_sim *, const cede_sim_target *, cede_status);

/* Forgets all that cede_sim_fail arranged. */
CEDE_API void cede_sim_heal(cede_sim *);

/* ---- Files, directly ------------------------------------------------------------------------- */

/* These act at once, in no virtual time. Missing directories of a path are made by put, mkdir and
 * fifo. All return CEDE_OK or what the like operation would fail with. */

/* Makes or replaces a file's content. */
CEDE_API cede_status cede_sim_put(cede_sim *, const char *path, const void *data, size_t bytes);
/* Reads a file from an offset: the number of bytes, or a negative status. */
CEDE_API int64_t cede_sim_get(cede_sim *, const char *path, uint64_t offset, void *data,
                              size_t bytes);
CEDE_API cede_status cede_sim_mkdir(cede_sim *, const char *path);
/* Makes a named pipe, which waits at open for its other end. */
CEDE_API cede_status cede_sim_fifo(cede_sim *, const char *path);
/* What stat says, symbolic links not followed. */
CEDE_API cede_status cede_sim_stat(cede_sim *, const char *path, cede_stat *out);

/* A hash of everything below a path: names, kinds, permission bits, contents (a hole is zeros),
 * link texts, which names are one file; no times. 0 if there is nothing. */
CEDE_API uint64_t cede_sim_hash_tree(cede_sim *, const char *path);

/* A line for each name below a path, sorted. */
CEDE_API void cede_sim_dump_tree(cede_sim *, const char *path, cede_trace_fn *, void *context);

/* ---- Pipes and their peers ------------------------------------------------------------------- */

/* Makes a pipe of that capacity (0: 65536 bytes). An end whose pointer is not NULL becomes a
 * handle; one whose pointer is NULL is the peer's, that is yours, by the functions below. NULL: out
 * of memory, or open_most is reached. */
CEDE_API cede_sim_pipe *cede_sim_pipe_new(cede_sim *, uint64_t capacity, cede_handle *read_end,
                                          cede_handle *write_end);

/* The pipe of a named pipe; NULL if the path is none. Its ends are not the peer's. */
CEDE_API cede_sim_pipe *cede_sim_pipe_at(cede_sim *, const char *path);

/* The peer writes: as much as fits, and says how much that was. */
CEDE_API uint64_t cede_sim_pipe_put(cede_sim_pipe *, const void *data, uint64_t bytes);
/* The peer reads: as much as there is. */
CEDE_API uint64_t cede_sim_pipe_take(cede_sim_pipe *, void *data, uint64_t bytes);
/* How many bytes are in the pipe. */
CEDE_API uint64_t cede_sim_pipe_filled(cede_sim_pipe *);
/* The peer closes its end or ends. */
CEDE_API void cede_sim_pipe_shut(cede_sim_pipe *);

/* ---- Names and signals ----------------------------------------------------------------------- */

/* What a look-up of a host finds from now on, in this order; 0: the name is known and has no
 * address. Small and capital letters are the same. A world knows "localhost", ::1 before 127.0.0.1;
 * all else says CEDE_ENONAME. For CEDE_EAGAIN: cede_sim_fail with the name as the target's path.
 * What is a number, or looks like one (net.h), is asked of no world. */
CEDE_API cede_status cede_sim_name(cede_sim *, const char *host, const cede_address *,
                                   uint32_t count);

/* Raises a signal (CEDE_SIGNAL_): to all that take it, in all loops of the world. Returns how many
 * those are; without any, nothing happens. Each is told at a moment of its own; what is raised
 * again before that is told once. */
CEDE_API uint32_t cede_sim_signal(cede_sim *, uint32_t signal);
/* Whether anybody takes it. */
CEDE_API bool cede_sim_signal_taken(cede_sim *, uint32_t signal);

/* ---- Programs and child processes ------------------------------------------------------------ */

#define CEDE_SIM_COPIES      0x1u /* copies its standard input to its standard output */
#define CEDE_SIM_WAITS       0x2u /* reads its standard input to the end, for nothing */
#define CEDE_SIM_IGNORES_ASK 0x4u /* CEDE_KILL_ASK does not end it */

/* What a program does when it is started, in this order. A write to a pipe that nobody reads ends
 * it by signal 13, CEDE_KILL_ASK by 15, CEDE_KILL_FORCE by 9. Nothing is written to its standard
 * error. */
typedef struct cede_sim_behaviour {
    const void *output; /* writes this to its standard output; copied */
    size_t output_bytes;
    uint32_t flags;     /* CEDE_SIM_: what it does with its standard input */
    uint32_t exit_code; /* then it ends with this, */
    uint64_t runs_ns;   /* after so long a time (CEDE_FOREVER: when it is killed) */
} cede_sim_behaviour;

/* Decides when a program is started, by its arguments, environment, directory: *does is what the
 * program was installed with. Must not call into the world. */
typedef void cede_sim_begin(void *context, const cede_spawn *how, cede_sim_behaviour *does);

/* Installs a program, or another in its place: cede_prep_spawn of this path starts it; a name
 * without a slash is looked for as it is and in /bin. Nothing else can be started: CEDE_EACCES for
 * what is in the tree, or CEDE_ENOEXEC if it is a file that may be run, else CEDE_ENOENT. It needs
 * no file. behaviour may be NULL (it ends with 0 at once), begin too. Children number from 1. A
 * child lives on when its handle or its loop is closed (cede_sim_counts tells how many run) and
 * goes with its world. */
CEDE_API cede_status cede_sim_executable(cede_sim *, const char *path, const cede_sim_behaviour *,
                                         cede_sim_begin *begin, void *context);

/* ---- Many runs ------------------------------------------------------------------------------- */

/* A program to be run again and again, each time in a new world. It opens its own loops in it
 * (.world = world), judges what came of it, and returns 0 if all was well, else a number of its
 * own. It must do the same things when the world makes the same choices: no real time, no random
 * numbers, no threads, no order by address. */
typedef int cede_sim_program(cede_sim *world, void *context);

#define CEDE_SIM_DEPTH_MOST 1024u

/* A decision of the program's own, below n (1 to 65535), 0 being the plain one: when to cancel,
 * say. From the seed, or a choice like the world's own. */
CEDE_API uint32_t cede_sim_choose(cede_sim *, uint32_t n);

typedef struct cede_sim_stats {
    uint64_t runs;    /* schedules walked */
    uint64_t choices; /* decisions made in all of them */
    uint32_t deepest; /* most decisions in one run */
    bool complete;    /* explore: every schedule within the depth was walked */
    bool cut;         /* explore: some run had more decisions than the depth; those beyond it were
                           not varied */
    int failure;      /* what the failing run returned; CEDE_EDEADLK if it got stuck; else 0 */
    bool by_seed;     /* the next says how the failure is met; else the choices do */
    uint64_t seed;    /* seeds: the failing seed */
    uint32_t choice_count; /* explore: the failing run's choices, for cede_sim_replay */
    uint16_t choice[CEDE_SIM_DEPTH_MOST];
} cede_sim_stats;

/* Runs the program for `count` seeds from `first`, and stops at the first failure. CEDE_OK: none
 * failed; CEDE_EUNKNOWN: one did, stats says which; CEDE_ENOMEM. A run in which a wait could never
 * end has failed, whatever the program says (CEDE_SIM_DEADLOCK_FAILS is on). */
CEDE_API cede_status cede_sim_seeds(const cede_sim_config *, cede_sim_program *, void *context,
                                    uint64_t first, uint64_t count, cede_sim_stats *stats);

/* Runs the program once for every sequence of choices of at most depth_most decisions (what lies
 * beyond takes the plain way), and stops at the first failure or after runs_most (0: no bound).
 * Who goes next, what shares a wait, whether a deadline comes first, and each chance that the
 * settings leave open, is a decision. As cede_sim_seeds; CEDE_EINVAL: the program did not repeat
 * itself. */
CEDE_API cede_status cede_sim_explore(const cede_sim_config *, cede_sim_program *, void *context,
                                      uint32_t depth_most, uint64_t runs_most,
                                      cede_sim_stats *stats);

/* Runs the program once along these choices, and returns what it returned (CEDE_EDEADLK if it got
 * stuck, CEDE_ENOMEM). Set config->trace to see it. */
CEDE_API int cede_sim_replay(const cede_sim_config *, cede_sim_program *, void *context,
                             const uint16_t *choice, uint32_t count);

/* Says in one line how a failure is met again: "choices 0 1 0 2" or "seed 17". Returns text. */
CEDE_API char *cede_sim_explain(const cede_sim_stats *, char *text, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
