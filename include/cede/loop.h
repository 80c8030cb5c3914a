/*
 * The loop: takes requests, drives one backend, calls every done.
 *
 * A loop belongs to the thread that first runs it, waits on it or closes it; that thread closes it.
 * Before that, one thread at a time may submit; that only stages. Unless a function says "any
 * thread", it is for the loop's thread; a wrong thread, a forked child, and cede_run or
 * cede_loop_close inside a callback of that loop stop the process with one line (law 17), so do
 * these and cede_wait in what runs inside them and is no callback: a trace hook, an APC of the
 * loop's sleep. (A thread closes its loops before it ends: what is pending on them may not come
 * any more, and the system may give its name to a new thread, which is then not told apart.)
 */
#ifndef CEDE_LOOP_H
#define CEDE_LOOP_H

#include "cede/req.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cede_backend;

/* ---- Opening and closing -------------------------------------------------------------------- */

/* One line of text for people: why something could not be had, whom a close waits for. */
typedef void cede_trace_fn(void *context, const char *line);

/* Start from CEDE_OPTIONS_INIT or all zeros; zero means the default everywhere. */
typedef struct cede_options {
    const char *backend; /* a name ("io_uring", "sim"), NULL: the best there is. The environment
                              variable CEDE_BACKEND overrides a NULL. */
    const struct cede_backend *backend_table; /* a backend of your own; NULL: by name */
    const void *backend_config; /* for the backend: cede_uring_config, cede_sim_config */
    uint32_t queue_entries;     /* a hint: requests handed to the kernel in one go (256) */
    uint32_t pool_threads;      /* threads for blocking work, at most (4); made when needed. Each
                                   cede_prep_work has one while it runs, and so has what the kernel
                                   has no operation for (on Linux readlink, readdir, copy,
                                   set_times, set_mode, spawn and others, transfers at the position
                                   of a file with CEDE_OPEN_DIRECT, the close of a watch, and that
                                   of a socket that lingers, for as long as it does): what finds
                                   none free waits, in order. Closes do not wait for works: where
                                   these have all threads, one more is made */
    uint64_t spin_ns;           /* look for completions so long before sleeping (0) */
    cede_trace_fn *trace;       /* NULL: standard error, and only for what hangs */
    void *trace_context;
    void (*wake)(void *context); /* called on any thread when a sleeping loop should be run; may
                                    be called too often; must not call back into cede; where
                                    cede_stop is called in a signal handler, it is called there */
    void *wake_context;
    char *why; /* on failure, the reason and what to do about it, as text */
    size_t why_bytes;
} cede_options;

#ifdef __cplusplus
#define CEDE_OPTIONS_INIT \
    {                     \
    }
#else
#define CEDE_OPTIONS_INIT \
    {                     \
        0                 \
    }
#endif

/* Opens a loop; options may be NULL. On failure *out is NULL, nothing was kept, and options->why
 * says why: CEDE_ENOTSUP (no such backend), CEDE_EPERM or CEDE_ENOTSUP (io_uring switched off: by
 * which means), CEDE_ENOMEM, CEDE_EMFILE, CEDE_EVERSION, CEDE_EINVAL. In a forked child of a
 * process that has opened one, CEDE_ENOTSUP: fork first (daemons do), or exec. Any thread;
 * allocates. */
static inline cede_status cede_loop_open(const cede_options *options, cede_loop **out);
CEDE_API cede_status cede_loop_open_version(const cede_options *, cede_loop **, uint32_t version);

static inline cede_status cede_loop_open(const cede_options *options, cede_loop **out)
{
    return cede_loop_open_version(options, out, CEDE_VERSION);
}

/* Ends every scope, cancels everything, waits until the kernel has let go of every byte, runs
 * every done, closes the handles that are bound to the loop, and frees it (law 11). CEDE_OK: the
 * loop is gone. CEDE_EDEADLINE after at_most_ns, or what else a broken backend says: it says
 * through trace for whom it waits, refuses new submits (CEDE_EENDED, CEDE_BY_LOOP), and may be
 * called again. Remote submits must have returned before it does. A handle is bound by the first
 * request that is submitted with it: one that was made and never used is no loop's, and stays open
 * (cede_drop closes it). */
CEDE_API cede_status cede_loop_close(cede_loop *, uint64_t at_most_ns);

/* The name of the loop's backend ("io_uring"). Any thread, not after the loop's close. */
CEDE_API const char *cede_backend_name(cede_loop *);

/* Whether the loop's backend has an operation (a CEDE_OP_ number) on this system. One that it has
 * not completes with CEDE_ENOTSUP (law 16). Any thread, not after the loop's close. */
CEDE_API bool cede_supports(cede_loop *, uint32_t op);

enum {
#define CEDE_OP(NAME, name, handle, order, shape, host, promise) CEDE_OP_##NAME,
#include "cede/ops.def"
    CEDE_OP_COUNT
};

/* The name of an operation ("read_all"); "unknown" if there is none. Static. Any thread. */
CEDE_API const char *cede_op_name(uint32_t op);

/* ---- Ceding --------------------------------------------------------------------------------- */

/* "file:line" of the caller, for the dump and for law 17's line. */
#define CEDE_TEXT_2(x) #x
#define CEDE_TEXT(x)   CEDE_TEXT_2(x)
#define CEDE_HERE      __FILE__ ":" CEDE_TEXT(__LINE__)

/*
 * Cedes a prepared request to the loop. Cannot fail: whatever goes wrong is delivered to done,
 * which is never called from inside (laws 1, 3). The loop's thread. Allocates only while the
 * number of requests in flight grows beyond what it ever was (law 15). Returns the ticket of this
 * submission, which may be kept for ever.
 *
 * Errors that are found here and delivered: CEDE_EINVAL (not prepared, bad argument or flag, a
 * handle or scope of another loop), CEDE_EBADF (no such handle), CEDE_ENOTSUP, CEDE_EENDED (scope
 * or loop ending), CEDE_ENOMEM (later, too: no memory for what the backend keeps of it; that holds
 * up nothing behind it). A NULL loop, request or done, and a request in flight, stop the
 * process (law 17). Whatever comes of it, the handles that it names are the loop's from here.
 * What is submitted in the done of a refused request counts on from there, also if it is another
 * request: who works off a queue so must look for CEDE_EENDED (law 17: a thousand stop it).
 *
 * Without memory for the request's slot the ticket is one that all such requests of the loop share:
 * wishes on it do nothing, and a wait for it delivers all of them.
 *
 * cede_submit is a function and, for the place of submission, a macro over cede_submit_at.
 */
CEDE_API cede_ticket cede_submit(cede_loop *, cede_req *, cede_done *);
CEDE_API cede_ticket cede_submit_at(cede_loop *, cede_req *, cede_done *, const char *where);
#define cede_submit(loop, req, done) cede_submit_at(loop, req, done, CEDE_HERE)

/* The same from any thread; *before (may be NULL) gets the ticket before the request is ceded. The
 * remote submits of one thread keep their order, but for one that finds no memory for its slot: it
 * never starts, and cede_run may tell it behind later ones (law 14 binds what has started). Wakes
 * the loop if it sleeps. Must not be called once cede_loop_close has returned (law 11). */
CEDE_API void cede_submit_remote(cede_loop *, cede_req *, cede_done *, cede_ticket *before);
CEDE_API void cede_submit_remote_at(cede_loop *, cede_req *, cede_done *, cede_ticket *before,
                                    const char *where);
#define cede_submit_remote(loop, req, done, before) \
    cede_submit_remote_at(loop, req, done, before, CEDE_HERE)

/* ---- Wishes --------------------------------------------------------------------------------- */

/* Asks that a submission end soon. Frees nothing, calls nothing, suppresses nothing, allocates
 * nothing, never blocks, cannot be lost; done still comes, once, with the truth (laws 6, 7). On a
 * scope: all its members, nested scopes too. Any thread, any time, any number of times, also when
 * the ticket is stale or the loop closed: then it does nothing. Not from a signal handler, which
 * may interrupt the loop itself: call cede_stop there, and cancel when cede_run has returned.
 * Before the first run, wait or close, which binds the loop to its thread, a wish or drop takes
 * effect with that call, but a submit in its own: a member that is submitted behind the cancel of
 * its scope is admitted then, and ended with it. */
CEDE_API void cede_cancel(cede_ticket);

/* Ends a scope for a reason, which becomes its status unless another came first; its members get
 * CEDE_ECANCELED with CEDE_BY_SCOPE. `why` 0 ends it with CEDE_OK; a number that is no status is
 * passed on as it is. On any other ticket it is cede_cancel. Any thread, like cede_cancel. */
CEDE_API void cede_fail(cede_ticket scope, cede_status why);

/* Moves the deadline of a request or scope, or the expiry of a timer, to in_ns from the loop's
 * next look at its clock; gives a deadline where none was; CEDE_FOREVER takes it away. Does
 * nothing once expiry or another cause is recorded, or the ticket is stale (law 13). */
CEDE_API void cede_extend(cede_ticket, uint64_t in_ns);

/* Completes a pend, with this status and count, which are passed on as they are. The first recorded
 * of this and a cancel wins. Nothing on any other ticket. Any thread, any time; like cede_cancel
 * not from a signal handler. */
CEDE_API void cede_complete(cede_ticket pend, cede_status, uint64_t count);

/* ---- Running -------------------------------------------------------------------------------- */

/* Runs callbacks until at_most_ns have passed (0: one turn without waiting), or the loop is idle
 * (nothing undelivered but background requests), or cede_stop was called. Returns the number of
 * callbacks run, without those that a cede_wait in one of them ran, or a negative status when the
 * backend is broken beyond use. */
CEDE_API int64_t cede_run(cede_loop *, uint64_t at_most_ns);

/* Ends one cede_run: the present one, or the next. Remembered once. Any thread, also from a signal
 * handler; not once cede_loop_close has returned CEDE_OK (law 17). */
CEDE_API void cede_stop(cede_loop *);

/* Runs until that request's done has returned (law 9). Calls that done and exactly those that
 * another law puts before it (order on a stream, link, close, scope); all others keep for
 * cede_run. May be called inside a callback: the one place where callbacks of one loop nest (of
 * another loop of the thread a callback may call cede_run and cede_loop_close, too).
 * CEDE_OK: its done has returned (or the ticket was stale already). CEDE_EDEADLK: it, or one that
 * must come before it, is on this thread's callback stack. CEDE_EDEADLINE: at_most_ns passed.
 * CEDE_EINVAL: the ticket of another loop, whose done does not run now. In all these the request is
 * as it was. (Where memory was out at its submit, the ticket is not its alone: a wait inside its
 * own done waits for the others. A receive from a pool gets no buffer here while the last ones are
 * on their way to callbacks of others, which keep for cede_run.) */
CEDE_API cede_status cede_wait(cede_loop *, cede_ticket, uint64_t at_most_ns);

/* The loop's monotonic clock, in nanoseconds, read at most once a turn. */
CEDE_API uint64_t cede_now(cede_loop *);

/* Whether a callback of the loop is on the stack of the calling thread. */
CEDE_API bool cede_in_callback(cede_loop *);

/* To live in a foreign loop: a descriptor (Linux) or event that becomes ready when cede_run(loop,
 * 0) has something to do, and the longest time until it should be called anyway (*timeout_ns,
 * CEDE_FOREVER: none). Call it before each sleep: it also flushes what is staged. -1: the backend
 * has none, or there was no descriptor for it, which is made at the first call.
 * Windows: make the sleep an alertable one (MsgWaitForMultipleObjectsEx with MWMO_ALERTABLE,
 * WaitForMultipleObjectsEx with TRUE). Transfers of the backend win32-apc, and of handles that were
 * imported with CEDE_IMPORT_APC, report by completion routines, which the system calls in such a
 * sleep alone: in another the event is not set for them, and nothing wakes it. An alertable sleep
 * may end with WAIT_IO_COMPLETION: then, too, call cede_run. */
CEDE_API intptr_t cede_loop_waitable(cede_loop *, uint64_t *timeout_ns);

/* ---- Looking in ----------------------------------------------------------------------------- */

/* One pending request. */
typedef struct cede_pending {
    cede_ticket ticket;
    cede_ticket scope;
    const char *op;    /* "read" */
    const char *state; /* "INFLIGHT" */
    const char *where; /* "copy.c:88", where it was submitted */
    cede_handle handle;
    uint64_t age_ns;       /* in steps of 1 ms */
    uint32_t wishes;       /* CEDE_BY_ flag recorded, CEDE_CANCEL_ASKED */
    uint32_t cancel_tries; /* how often the backend was asked to end it */
} cede_pending;

typedef void cede_dump_fn(void *context, const cede_pending *);

/* Reports every pending request, in no order. The function must not submit, cancel or run. */
CEDE_API void cede_dump(cede_loop *, cede_dump_fn *, void *context);

/* What the loop has done so far. */
typedef struct cede_counts {
    uint64_t submitted;   /* requests taken, remote ones and links too */
    uint64_t delivered;   /* calls of done */
    uint64_t undelivered; /* pending now, background ones too */
    uint64_t background;  /* of these, background */
    uint64_t remote;      /* taken from other threads */
    uint64_t turns;
    uint64_t cancels_sent;  /* to the backend, repeats too */
    uint64_t cancels_again; /* answered "ask me again" */
    uint64_t restarted;     /* operations begun anew: EINTR, would block, the rest of a transfer */
    uint64_t refused;       /* completed with CEDE_EENDED */
    uint64_t items;         /* calls of item callbacks */
    uint64_t slots;         /* slots that the loop holds memory for, 128 bytes each on Linux */
} cede_counts;

CEDE_API void cede_count(cede_loop *, cede_counts *out);

#ifdef __cplusplus
}
#endif
#endif
