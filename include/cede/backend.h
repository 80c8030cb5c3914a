/*
 * The seam between the core and a backend: for those who write one.
 *
 * A backend sees work: an operation, a native handle, arguments. It never sees a request, a state
 * or a callback, so it cannot deliver twice, inline or late by design: the core owns exactly-once.
 * What it must do is small. It takes work (start), it may be asked to end it (cancel), and it
 * reports each work that it took exactly once through one door, cede_core_done, whatever came of
 * it. A second report of the same work stops the process.
 *
 * Threads: every function is called on the loop's thread, but wake (any thread) and discard (any
 * thread). The doors are called on the loop's thread, from inside start, cancel or wait; they only
 * queue. A backend with threads of its own brings their results home itself (cede_core_woken,
 * then report from wait).
 *
 * Lifetimes: a cede_work is valid during the call that it is passed to. work->args points into the
 * ceded request: it, and all memory that it names, stays in place until the report; after the
 * report none of it may be touched. In checked builds that memory is poisoned; bracket accesses of
 * your own with cede_core_touch (a kernel's need none).
 */
#ifndef CEDE_BACKEND_H
#define CEDE_BACKEND_H

#include "cede/loop.h"
#include "cede/handle.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CEDE_BACKEND_ABI 1u

/* The loop, as a backend sees it. */
typedef struct cede_core cede_core;

typedef struct cede_work {
    uint64_t token;  /* names the work in reports and cancels; never 0; bits 62 and 63 are clear */
    cede_args *args; /* as prepared (req.h says which member). The host of a look-up is no number
                        address, nor looks like one: the core answers for those */
    intptr_t native; /* the handle's descriptor; -1 if the operation has none */
    intptr_t native_other; /* copy: the destination's; send_file: the file's; else -1 */
    uint64_t moved;        /* whole transfers: bytes that earlier rounds moved; go on behind them */
    uint16_t op;           /* CEDE_OP_... */
    uint16_t kind;         /* the handle's, CEDE_KIND_..., and attach's own bits; 0 if the operation
                              has none */
    uint32_t how;          /* CEDE_WORK_... */
} cede_work;

/* The last round was reported CEDE_REPORT_POLL: wait until the descriptor is ready in the
 * operation's direction, then report CEDE_REPORT_AGAIN. */
#define CEDE_WORK_POLL 0x1u
/* A many-shot: give one item at most, then report. */
#define CEDE_WORK_ONE 0x2u
/* A close of a handle that was never used, perhaps an imported one: attach has not seen it. (What
 * any other operation names it has.) */
#define CEDE_WORK_UNSEEN 0x4u
/* The handle's descriptor is borrowed: what it refers to is its owner's to change. */
#define CEDE_WORK_BORROWED 0x8u

/* Statuses for reports only: the core starts the work again instead of delivering, unless a cause
 * (cancel, deadline, ...) is recorded, which then becomes the outcome. Nothing may have moved.
 *
 * Any work may be reported so, a close too, also that of a dropped handle: it is begun anew, and no
 * cause ends it. A CEDE_OP_WORK that was cancelled before its function began is reported AGAIN, not
 * CEDE_ECANCELED, which is what the function may return. What that returns above 0 or below -999 is
 * reported CEDE_EUNKNOWN, and never as it is.
 *
 * PARK: the work is offered again on the loop's next turns, which come when something has been
 * reported, and else every 10 ms. While nothing is in flight, ready or staged, nobody will make
 * room: at the fourth report of a work in that state, without progress of that work in between (a
 * part of a whole transfer, an item), the core gives up, with CEDE_EAGAIN (law 15). A close it
 * offers for ever. A work that would block each time after it was told that it would not (POLL,
 * then AGAIN) is parked from the eighth time on, every other time, and not given up for that. */
#define CEDE_REPORT_AGAIN (-1000) /* interrupted: at once */
#define CEDE_REPORT_POLL  (-1001) /* would block: with CEDE_WORK_POLL; see PARK, if that is vain */
#define CEDE_REPORT_PARK  (-1002) /* out of room: later */
#define CEDE_REPORT_POOL  (-1003) /* its pool has no buffer: when there is one */

/* What cancel answers. */
enum {
    CEDE_CANCEL_SENT,  /* taken up, or reported already */
    CEDE_CANCEL_AGAIN, /* not now: ask again next turn (a full queue) */
    CEDE_CANCEL_NEVER  /* this work cannot be ended; its report will come by itself */
};

/*
 * A pool, as a backend sees it: buffer n begins at base + n * stride. Buffers are free, the
 * backend's (picked, or handed to the kernel), or out with the caller.
 *
 * A receive from a pool (CEDE_OP_RECV_POOL, CEDE_OP_RECV_MANY; args->many.pool) waits for data
 * first. When there is some, the backend picks a buffer, receives into it, gives it as an item, and
 * reports CEDE_OK with the same count; at the end of the stream it reports 0 and gives no item. It
 * may instead hand buffers to the kernel ahead: those that are free when it first sees the pool, by
 * picking them all, and then what pool_give brings.
 */
typedef struct cede_pool_view {
    void *self; /* the backend's, NULL at first */
    char *base;
    size_t stride_bytes;
    uint32_t buffer_bytes;
    uint32_t count;
} cede_pool_view;

typedef struct cede_backend_setup {
    cede_core *core;
    const void *config; /* cede_options.backend_config */
    uint32_t queue_entries;
    uint32_t pool_threads;
    char *why; /* where open writes its reason, never NULL */
    size_t why_bytes;
} cede_backend_setup;

/* In attach's *kind, if the handle was imported with CEDE_IMPORT_APC or CEDE_IMPORT_BORROW, and the
 * backend says that it wants to know. */
#define CEDE_ATTACH_APC    0x10000u
#define CEDE_ATTACH_BORROW 0x20000u
/* Bits of *kind that attach may add for the backend's own use: it finds them again in the kind of
 * each work on that handle. */
#define CEDE_ATTACH_OWN 0xf000u

/* The table stays in place for the life of the process: its handles, and others of its family, know
 * it. A process has room for eight families (`natives`); a loop of a ninth cannot be opened
 * (CEDE_ENOMEM). */
typedef struct cede_backend {
    uint32_t abi;        /* CEDE_BACKEND_ABI */
    const char *name;    /* "io_uring" */
    const char *natives; /* whose descriptors it takes: "fd", "sim", ...; a handle of one family
                            never reaches a backend of another (CEDE_EINVAL) */

    /* Makes an instance. Nothing is kept on failure, and setup->why says what to do. May run on
     * another thread than the loop's. */
    cede_status (*open)(const cede_backend_setup *, void **self);
    /* Frees the instance. All work has been reported and every handle closed or forgotten. */
    void (*close)(void *self);
    /* Once, before the first start, wait or cancel, on the thread that will make all calls. */
    cede_status (*bind)(void *self);
    /* Whether it has the operation. */
    bool (*supports)(void *self, uint32_t op);

    /* Takes a prefix of the batch, in order, and returns its length. Less than `count` means: no
     * room now, offer the rest again after wait. That wait has a timeout of 0 and must return
     * promptly, having made what room it can (flushed its queue): the rest may hold what alone ends
     * the works that it took. Where start takes nothing twice running, the core sleeps up to 10 ms
     * between offers while something is in flight, and else fails the first that is no close with
     * CEDE_EAGAIN. Work whose arguments are bad is taken and reported failed; so is one
     * for which there is no memory (cede_core_starved), because what is behind it may need none.
     * Must not block (a file system that blocks inside the kernel's submit aside). */
    uint32_t (*start)(void *self, const cede_work *batch, uint32_t count);
    /* Asks the kernel to end a work that was taken and not reported. One of CEDE_CANCEL_. The
     * report still comes, exactly once. Where the kernel answers later that it found nothing or
     * could not, say cede_core_cancel_again. */
    int (*cancel)(void *self, uint64_t token);
    /* Flushes what was started and reports what has completed. Waits for at least one report, a
     * cede_core_cancel_again or a wake, at most timeout_ns (0: does not wait; CEDE_FOREVER).
     * CEDE_OK also when nothing came; a failure means that the instance is broken beyond use. */
    cede_status (*wait)(void *self, uint64_t timeout_ns);
    /* Ends a wait, the present or the next. Any thread, also in a signal handler that interrupted
     * any of the others here (cede_stop). Allocates nothing, cannot fail. */
    void (*wake)(void *self);
    /* Monotonic nanoseconds. */
    uint64_t (*now)(void *self);

    /* The loop is about to use a descriptor for the first time, or open has just made it. *kind is
     * what it is said to be, CEDE_KIND_AUTO: find out. */
    cede_status (*attach)(void *self, intptr_t native, uint32_t *kind);
    /* Undoes attach, for cede_release. CEDE_ENOTSUP: cannot. NULL: nothing to undo. */
    cede_status (*detach)(void *self, intptr_t native);
    /* Closes a descriptor that is bound to no loop, and waits for nothing but the system's own work
     * for it. Any thread. */
    void (*discard)(intptr_t native);
    /* A descriptor is the program's from here, by cede_release: attached before or not, bound to a
     * loop or to none. Any thread. NULL: nothing is kept of it elsewhere. */
    void (*released)(intptr_t native);
    /* A descriptor that becomes readable when wait would report something or was woken; -1: none.
     * */
    intptr_t (*waitable)(void *self);
    /* Like now, some milliseconds behind it and cheaper: for the age of requests. NULL: now. */
    uint64_t (*now_coarse)(void *self);
    /* The loop has done with a borrowed descriptor, which lives on: undoes attach as far as it can
     * be undone. NULL: nothing to undo. */
    void (*forget)(void *self, intptr_t native);
    /* CEDE_ATTACH_ flags that attach wants to see. */
    uint32_t attach_flags;
    /* A buffer is free again; it is the backend's. Only for pools whose view->self is set. NULL:
     * the core keeps what is free. */
    void (*pool_give)(void *self, cede_pool_view *, uint32_t number);
    /* No receive uses the pool any more, and none will: frees what view->self stands for. NULL, or
     * view->self NULL: nothing to free. */
    void (*pool_close)(void *self, cede_pool_view *);
} cede_backend;

/* ---- The doors ------------------------------------------------------------------------------ */

/* Reports a work, exactly once. `status` is CEDE_OK, a failure or a CEDE_REPORT_; os_error the
 * system's number or 0; count the bytes moved in this round, or for operations that open, the new
 * native descriptor. A pair's second one is written to the output (as a uint64_t, before the
 * report); a datagram that did not fit has a count above what was asked for. A transfer that was
 * cut off by a cancel reports what moved with CEDE_OK, or CEDE_ECANCELED if nothing did: the core
 * knows why. (Where nobody asked for it, it is taken for CEDE_REPORT_PARK, sixteen times at most:
 * the system lacked what it takes.) */
CEDE_API void cede_core_done(cede_core *, uint64_t token, cede_status status, int32_t os_error,
                             uint64_t count);
/* Reports a work that was offered and for which there is no memory: CEDE_ENOMEM, or, of a close,
 * which does not fail for that, CEDE_REPORT_PARK. It counts as taken. */
CEDE_API void cede_core_starved(cede_core *, const cede_work *, int32_t os_error);

/* Gives an item of a work that was taken and not reported. Of a many-shot accept: `count` is the
 * native descriptor. Of a receive from a pool: `count` bytes in buffer `number`, which was picked
 * (0: it was not used after all, and is free again).
 * (A many-shot accept may also report its last client with CEDE_OK, like a single one. It is then
 * begun anew, and so is a receive that reports a count above 0.) */
CEDE_API void cede_core_item(cede_core *, uint64_t token, uint64_t count, uint32_t number);

/* Signals that have come, of a signal_many that was taken and not reported: an OR of
 * CEDE_SIGNAL_BIT. Those that come again before they were told are told once. */
CEDE_API void cede_core_signals(cede_core *, uint64_t token, uint32_t bits);

/* The descriptor of a handle that work's arguments name besides work->native (spawn's); -1: it is
 * stale. Valid inside start: what is to be used later must be duplicated there. */
CEDE_API intptr_t cede_core_native(cede_core *, cede_handle);

/* The pool of a receive. */
CEDE_API cede_pool_view *cede_core_pool(const cede_work *);
/* Takes a free buffer; false: there is none (report CEDE_REPORT_POOL). The loop's thread. */
CEDE_API bool cede_core_pick(cede_pool_view *, uint32_t *number);
/* Puts a picked one back, unused. */
CEDE_API void cede_core_unpick(cede_pool_view *, uint32_t number);
/* A kernel that was handed buffers has filled this one: before a look of the backend's own at it,
 * because checked builds have shut it. Not needed for one that is only given as an item. */
CEDE_API void cede_core_filled(cede_pool_view *, uint32_t number);

/* A cancel that was sent found nothing, was too early or is not possible yet, and the work has not
 * been reported: the core keeps the wish and asks again, with bounded back-off. It ends a wait like
 * a report: a backend that went on sleeping would keep the core from asking. Harmless if the work
 * has been reported meanwhile. */
CEDE_API void cede_core_cancel_again(cede_core *, uint64_t token);

/* Of a send_zero_copy that was taken: all its bytes have gone, so what is sent behind it may start,
 * though the work is not reported before its memory has been let go of. Whatever behind it is
 * reported sooner keeps until then: its done comes in its turn (law 14). Not to be told if some of
 * the work could be begun anew. Harmless if the work has been reported meanwhile. */
CEDE_API void cede_core_gone(cede_core *, uint64_t token);

/* Whether the handle of a work is on its way to be closed: by a close or drop, with the scope that
 * owns it, with its loop. What nothing but the end of a connection would end may be broken off
 * then. */
CEDE_API bool cede_core_is_leaving(cede_core *, uint64_t token);

/* Whether a pending work is a close (CEDE_OP_CLOSE). */
CEDE_API bool cede_core_is_close(cede_core *, uint64_t token);

/* Checked builds: opens (true) and closes (false) the memory of a pending work to the backend's
 * own accesses. Pairs do not nest. Does nothing in plain builds. */
CEDE_API void cede_core_touch(cede_core *, uint64_t token, bool open);

/* For a backend with threads of its own: there is something to report. Calls wake if the loop
 * sleeps, and the user's wake hook. Any thread, until close is called. */
CEDE_API void cede_core_woken(cede_core *);

/* A line for the loop's trace hook. */
CEDE_API void cede_core_trace(cede_core *, const char *line);

/* Makes a handle of a descriptor of this backend's family, like cede_import. 0: out of memory. */
CEDE_API cede_handle cede_core_adopt(const cede_backend *, intptr_t native, uint32_t kind,
                                     uint32_t flags);

#ifdef __cplusplus
}
#endif
#endif
