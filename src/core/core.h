/*
 * The inside of the core: its structures, and what each file does for the others.
 *
 *     request.c   THE state machine: names the states, seals outcomes, calls done
 *     report.c    what a backend's report means
 *     conclude.c  what a delivery sees to besides the callback
 *     submit.c    ceding: from the caller's request to a slot; admission; chains
 *     wish.c second.c second.h  cancel, fail, extend, complete: from any thread to the loop's
 *     loop.c      one turn: intake, expiry, flush, wait; run, stop, waitable
 *     wait.c      cede_wait: which callbacks must come first
 *     close.c     loop close: end, drain, free
 *     item.c      what many-shots give        pool.c      pools of buffers
 *     transfer.c transfer.h  the short way of plain transfers
 *     order.c     the lists of a handle: what is pending, what is held behind what
 *     handle.c    the process-wide table of handles: bind, import, release, drop, close
 *     scope.c     members, owned handles, the end
 *     timer.c     the wheel                         lookup.c lookup.h  hosts: numbers
 *     inbox.c     what other threads send: one lock-free list a loop
 *     slot.c slot.h  chunks of slots, tickets         orphan.c   submissions without a slot
 *     relay.c     stream to stream, by the public calls alone
 *     check.c check_pool.c     checked builds: poison, checksums
 *     guard.c pages.c guard.h  checked builds: memory of pages of their own
 *     trace.c     dump, counters, law 17's line       status.c   names and texts
 *     memory.c    the allocator                       backends.c the list of backends
 *     prep.c prep_*.c                                 preparations
 *
 * Internal names begin with cedi_, so that a program that links the static library keeps its own.
 *
 * Threads: everything here is for the loop's thread but what is marked "any thread". Memory that
 * other threads may look at through an old ticket or handle (slots, entries, loops) is type-stable:
 * recycled, never freed.
 */
#ifndef CEDE_CORE_H
#define CEDE_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cede/backend.h"
#include "cede/cede.h"
#include "list.h"
#include "../mutants.h"
#include "os.h"

#if defined(__GNUC__)
#define CEDI_LIKELY(x)   __builtin_expect(!!(x), 1)
#define CEDI_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define CEDI_NOINLINE    __attribute__((noinline))
#else
#define CEDI_LIKELY(x)   (x)
#define CEDI_UNLIKELY(x) (x)
#define CEDI_NOINLINE
#endif

/* ---- Requests, as prep leaves them ---------------------------------------------------------- */

#define CEDI_PREPARED  UINT64_C(0xcede5eedcede0001)
#define CEDI_IN_FLIGHT UINT64_C(0xcede5eedcede0002)
#define CEDI_ORPHANED  UINT64_C(0xcede5eedcede0003) /* with its address, by exclusive or */
#define CEDI_POSTED    UINT64_C(0xcede5eedcede0004) /* so too */
#define CEDI_RETURNED  UINT64_C(0)

/* cede_req.attributes_ */
enum {
    CEDI_HAS_SCOPE = 0x01,
    CEDI_HAS_WITHIN = 0x02, /* deadline_ns_ is relative */
    CEDI_HAS_UNTIL = 0x04,  /* deadline_ns_ is absolute */
    CEDI_HAS_NEXT = 0x08,
    CEDI_HAS_HANDLE = 0x10,
    CEDI_IS_BACKGROUND = 0x20,
    CEDI_IS_INVALID = 0x40 /* an argument that no backend can take */
};

/* Rows of ops.def. */
enum { CEDI_FREE, CEDI_IN, CEDI_OUT, CEDI_TURN_IN, CEDI_TURN_OUT };
enum { CEDI_PLAIN, CEDI_ONE, CEDI_WHOLE, CEDI_OPENS, CEDI_MANY };
enum { CEDI_CORE, CEDI_BACKEND };

typedef struct cedi_op {
    const char *name;
    uint16_t kinds;
    uint8_t order;
    uint8_t shape;
    uint8_t host;
} cedi_op;

extern const cedi_op cedi_ops[CEDE_OP_COUNT];

/* Bit sets of operations. Bare: nothing comes of them but the callback. Express: of these, what
 * needs nothing to be armed either. */
#define CEDI_BIT(op)     (UINT64_C(1) << CEDE_OP_##op)
#define CEDI_EXPRESS_OPS (CEDI_BIT(NOP) | CEDI_BIT(ROUNDTRIP) | CEDI_BIT(WORK))
#define CEDI_BARE_OPS    (CEDI_EXPRESS_OPS | CEDI_BIT(TIMER))
/* Transfers of one piece of memory (args.io), on a handle: with nothing but that to look after,
 * they are submitted and delivered by a short way (transfer.c). */
#define CEDI_TRANSFER_OPS                                                          \
    (CEDI_BIT(READ) | CEDI_BIT(WRITE) | CEDI_BIT(READ_ALL) | CEDI_BIT(WRITE_ALL) | \
     CEDI_BIT(APPEND) | CEDI_BIT(RECV) | CEDI_BIT(RECV_ALL) | CEDI_BIT(SEND) | CEDI_BIT(SEND_ALL))
/* Those that receive into buffers of a pool. */
#define CEDI_POOL_OPS (CEDI_BIT(RECV_POOL) | CEDI_MANY_POOL_OPS)
/* Of these, those that give them as items. */
#define CEDI_MANY_POOL_OPS (CEDI_BIT(RECV_MANY) | CEDI_BIT(WATCH_MANY))
/* Those that pend on a second handle, by a pin. */
#define CEDI_PIN_OPS (CEDI_BIT(COPY) | CEDI_BIT(SEND_FILE))
_Static_assert(CEDE_OP_COUNT <= 64, "sets of operations are words");

/* ---- Slots ---------------------------------------------------------------------------------- */

typedef struct cedi_guarded
    cedi_guarded; /* guard.c: of a request in memory from cede_checked_alloc */

/* slot.bits */
enum {
    CEDI_BACKGROUND = 0x01,
    CEDI_ORDERED = 0x02,  /* takes its turn in its handle's direction */
    CEDI_LISTED = 0x04,   /* in one of its handle's lists */
    CEDI_LIST_SHIFT = 3,  /* bits 3 and 4: which one */
    CEDI_TIMED = 0x20,    /* on the wheel, or on its way to it */
    CEDI_BY_TIMER = 0x40, /* what the wheel holds is a timer's expiry, not a deadline */
    CEDI_POLL = 0x80,     /* to be started with CEDE_WORK_POLL */
    CEDI_REFUSED = 0x40,  /* not a timer's: it only stands in its handle's list, unstarted */
    CEDI_ENDED = 0x02,    /* scopes: the last member's done has returned */
    CEDI_EXPIRED = 0x80   /* timers: while they were held */
};

/* slot.holds: why it is HELD */
enum {
    CEDI_HOLD_ORDER = 0x01, /* READY: it is told behind those before it */
    CEDI_HOLD_LINK = 0x02,
    CEDI_HOLD_PARK = 0x04,
    CEDI_HOLD_CLOSE = 0x08,
    CEDI_HOLD_POOL = 0x10, /* no buffer, or no credit */
    CEDI_HOLDS = 0x1f,
    CEDI_BARE = 0x20, /* not a hold: no handle, scope or chain, not in the background: all that
                         there is to its delivery is the callback */
    CEDI_MARK = 0x40, /* not a hold: seen by wait.c, while it looks */
    CEDI_AGAIN = 0x80 /* not a hold: on the list of cancels to repeat */
};

/* In slot.word: the wish of another thread, one at a time; whether the submission was taken. */
enum { CEDI_NO_WISH, CEDI_WISH_CANCEL, CEDI_WISH_FAIL, CEDI_WISH_COMPLETE };
#define CEDI_WISH       UINT64_C(3)
#define CEDI_TAKEN      UINT64_C(4)
#define CEDI_WRITING    UINT64_C(8)   /* a thread writes what its wish carries into the slot */
#define CEDI_ZOMBIE     UINT64_C(16)  /* delivered meanwhile; not used again before it is through */
#define CEDI_EARLY      UINT64_C(32)  /* the wish arrived before the submission was taken */
#define CEDI_SENT       UINT64_C(64)  /* one that stands, or one like it, is in the inbox or was */
#define CEDI_LINKED     UINT64_C(128) /* the link carries the wish; of a zombie: it waits for it */
#define CEDI_GENERATION 8             /* bits below the generation, which has 56 */

/* The head of a cede_result, which is most of what there is to tell. */
typedef struct cedi_outcome {
    cede_status status;
    int32_t os_error;
    uint64_t count;
} cedi_outcome;

/*
 * One submission. The kernel knows slots, never requests, so a callback may free its request at
 * once. 128 bytes: with the request 256 in all, which a test holds. Two lines of memory: what
 * timers and wishes touch stands in the first, what queues and deliveries do in the second.
 *
 * While it is on the free list all of `marks` is 0, and `req` is NULL; so it is once its done has
 * returned: until then it keeps, as the frame of that callback (cedi_frame).
 */
typedef struct cedi_slot {
    _Atomic uint64_t word; /* generation, CEDI_TAKEN, wish */
    union {
        struct {
            uint8_t state; /* request.c's alone */
            uint8_t op;
            uint8_t cause; /* the first CEDE_BY_ recorded, and CEDE_CANCEL_ASKED */
            uint8_t bits;
            uint8_t holds;
            uint8_t tries; /* CEDI_PARKS, CEDI_POLLS; of a cancel: how often it was asked for */
            union {
                uint16_t fresh;    /* until it is sealed: its place in wheel.fresh, from 1 on */
                uint16_t refusals; /* from then on, and on the way by the inbox */
            };
        };
        uint64_t marks; /* all of them, to be cleared in one store while idle */
    };
    uint32_t id;
    _Atomic uint32_t inbox; /* link in the inbox as a wish; 0: not in it */
    uint64_t expiry_ns;
    _Atomic uint32_t wheel_next; /* also: link in the inbox as a submit, in the remote free list */
    uint32_t wheel_prev;
    union {
        struct {
            cede_status status;
            union {
                uint32_t since_ms; /* until it is sealed */
                int32_t os_error;  /* from then on */
            } u;
            uint64_t count; /* moved so far; timers: the deadline; scopes: members delivered */
        };
        cedi_outcome outcome; /* all three, once it is sealed */
    };
    const char *where;

    cedi_link link; /* the queue it stands in: staged, ready, parked, again; free list: next */
    cede_req *req;
    cede_done *done;
    union {
        struct {
            uint32_t next, prev; /* in its handle's list */
            uint32_t entry;      /* handle index; pair: the second one reserved */
            union {
                uint32_t pin;  /* CEDI_PIN_OPS: the slot that stands for it at the other handle */
                uint32_t made; /* operations that open, accept_many: the handle index reserved,
                                  signal_many: and what its items live in;
                                  recv_pool: the buffer that was picked, from 1 on */
                uint32_t out;  /* CEDI_MANY_POOL_OPS with a credit: buffers not given back */
                uint32_t gone; /* send_zero_copy: its bytes are, its memory is not back yet */
            };
        } on;
        struct {
            uint32_t members, owned; /* list heads */
            uint32_t active;         /* members not returned, owned handles not closed */
            cede_status why;         /* of a wish to fail */
        } scope;
        struct {
            cede_status status;
            uint32_t unused;
            uint64_t count;
        } pend; /* of a wish to complete */
    } at;
    uint32_t follower; /* slot id of the next in its chain */
    uint32_t scope;    /* slot id */
    uint32_t scope_next, scope_prev;
#ifdef CEDI_CHECKED
    uint64_t checksums[4]; /* of the request and its lent inputs, step by step */
    cedi_guarded *guard;   /* if something of it lies in checked memory */
    bool shut;             /* poisoned */
#endif
} cedi_slot;

#define CEDI_TICKET_ORPHAN (UINT64_C(1) << 48) /* a ticket's id: the refusal ticket of loop id */
#define CEDI_TICKET_KIND   32                  /* a ticket's id: bits 32 and 33, see below */
enum { CEDI_TICKET_PLAIN, CEDI_TICKET_SCOPE, CEDI_TICKET_PEND };

#ifndef CEDI_CHUNK_SHIFT /* a test may want few */
#define CEDI_CHUNK_SHIFT 9u
#endif
#define CEDI_CHUNK_SLOTS (1u << CEDI_CHUNK_SHIFT)

typedef struct cedi_chunk {
    _Atomic(cede_loop *) loop; /* whose it is; NULL: in the process-wide pool */
    struct cedi_chunk *next;   /* of the same loop, or in the pool */
    void *older_memory;        /* see chunk_new */
    uint32_t number;
    uint64_t seen[(CEDI_CHUNK_SLOTS + 63) / 64]; /* by wait.c, a bit for each slot */
    _Alignas(64) cedi_slot slots[CEDI_CHUNK_SLOTS];
} cedi_chunk;

#define CEDI_WHEEL_LEVELS 9
#define CEDI_WHEEL_BITS   6
#define CEDI_WHEEL_ROW    (1 << CEDI_WHEEL_BITS)
#define CEDI_TICK_SHIFT   14 /* a tick is 16.4 us */
#define CEDI_FRESH        64 /* relative times that may wait for a reading of the clock */

typedef struct cedi_wheel {
    uint64_t tick;  /* all before it have fired */
    uint64_t count; /* slots that are TIMED: on the wheel, or fresh */
    uint32_t fresh_count;
    struct {
        struct cedi_slot *slot; /* NULL: sealed meanwhile */
        uint64_t ns;
    } fresh[CEDI_FRESH];
    uint64_t busy[CEDI_WHEEL_LEVELS + 1]; /* which buckets of a row hold something */
    uint32_t bucket[CEDI_WHEEL_LEVELS + 1][CEDI_WHEEL_ROW]; /* the last row: what is due */
} cedi_wheel;

/* A callback on the stack. Its slot is idle, its ticket stale by one generation; it goes back to
 * the free list when the callback has returned. That of one without a slot is made up: id 0. */
typedef struct cedi_frame {
    struct cedi_frame *outer;
    const cedi_slot *slot;
    bool item; /* an item's: the slot is live, and its ticket names it */
} cedi_frame;

/* An item on its way to its callback. It lives in what it carries: a handle's entry, a buffer's
 * record. */
typedef struct cedi_item {
    struct cedi_item *next;
    uint32_t slot;
    uint32_t carrier; /* a handle's index, a buffer's number */
    uint32_t what;    /* CEDI_ITEM_... */
} cedi_item;

enum { CEDI_ITEM_HANDLE, CEDI_ITEM_NOTE, CEDI_ITEM_BUFFER, CEDI_ITEM_SIGNAL };

#define CEDI_NOBODY UINTPTR_MAX /* no thread's name */

struct cede_loop {
    _Atomic uintptr_t owner; /* thread; 0 until bound, CEDI_NOBODY when closed */
    const volatile uint32_t *alive;
    /* hot; from here to `wheel` all is zero when another loop takes this memory */
    const cede_backend *backend;
    void *self;
    cedi_link free;   /* singly linked by next */
    cedi_link ready;  /* sealed, to be delivered, in order */
    cedi_link staged; /* to be handed to the backend, in order */
    cedi_item *items; /* to be delivered before what is ready, in order */
    cedi_item **items_end;
    uint64_t ready_count; /* sealed ones, and items */
    uint64_t background;  /* of those undelivered */
    uint64_t inflight;    /* with the backend, drops too */
    cedi_frame *frame;    /* innermost callback */
    uint64_t supported;   /* bit set of operations */
    uint64_t express;     /* those of CEDI_EXPRESS_OPS that it takes: none once it is closing */
    uint64_t transfers;   /* those of CEDI_TRANSFER_OPS, the same */
    bool closing;
    bool running; /* inside cede_run, and not in a wait inside of that: obeys stop */
    bool now_known;
    bool stamp_known;
    bool bound;         /* backend's bind was called */
    bool lost;          /* and failed: nothing will ever be started */
    bool taking;        /* inside cedi_inbox_take */
    bool turning;       /* inside cedi_turn */
    bool awaited_only;  /* a wait's turn: of those that wait for a buffer it lets nobody else go */
    uint32_t takes;     /* from the inbox, of nodes */
    uint16_t inherited; /* refusals, by the remote submission that is being taken */
    bool watched;       /* from outside, by cede_loop_waitable: a wake has to be cleared */
    uint32_t stamp_ms;  /* when what is submitted in this turn was */
    uint64_t now;
    cede_counts counts;

    /* cold */
    cedi_link parked; /* HELD for room */
    cedi_link again;  /* cancels to repeat */
    cedi_link ending; /* scopes whose members are to be ended */
    bool ending_now;
    uint64_t again_at, again_step_ns;
    uint64_t reports;             /* that the backend made so far */
    uint64_t parks, parks_before; /* those of them that found no room; before this turn */
    uint64_t unparked;            /* the others, when what was parked was last let go */
    uint64_t unpark_at;           /* and when it will be, if nothing is reported before */
    uint64_t started;             /* works that the backend took */
    uint32_t stuck;               /* turns running in which it took none of what was offered */
    uint32_t drops, drops_tail;   /* entries to be closed without a request; by owned_next */
    uint64_t dropping;            /* drops that are not over */
    uint32_t unowned;             /* entries that it knows and no scope owns; by owned_next */
    uint32_t aside;               /* slots that no handle lists, and name some; by at.on.next */
    cede_pool *pools;             /* open ones, and those with buffers out */
    uint64_t zombies;             /* slots that wait for a wish to arrive */
    cede_req *orphans, *orphans_front, *orphans_last; /* without a slot, to be delivered: queue() */
    uint64_t orphan_count;
    cede_req *late;          /* arrived before what they stand behind: inbox.c */
    cede_req *orphan_closes; /* closes whose handle is not closed yet, scopes that wait for them */
    uint8_t family;          /* of its backend's native descriptors */
    cedi_chunk *chunks;
    uint64_t remote_debt; /* slots owed to the remote free list */
    uint64_t opened_ns, spin_ns;
    cede_trace_fn *trace;
    void *trace_context;
    void (*wake)(void *context);
    void *wake_context;
    cedi_wheel wheel;

    uint32_t id;
    cede_loop *next_free;

    /* shared with other threads, on cache lines of their own */
    char apart_1[64];
    _Atomic uint32_t inbox; /* head: a tagged id, see inbox.c */
    _Atomic uint32_t sleeping;
    _Atomic uint32_t open;
    _Atomic uint32_t wakers;
    _Atomic uint32_t stop;
    _Atomic(cede_req *) posts;      /* head, linked through the words of their arguments */
    _Atomic uint64_t orphan_scopes; /* so many found no slot so far: their stamps */
    char apart_2[64];
    _Atomic uint64_t remote_free; /* tag << 32 | slot id */
};

/* ---- request.c: the machine ----------------------------------------------------------------- */

/* What a slot is asked, without naming a state. */
bool cedi_req_is_live(const cedi_slot *);    /* ceded and not delivered */
bool cedi_req_is_ready(const cedi_slot *);   /* sealed */
bool cedi_req_is_pending(const cedi_slot *); /* taken and not sealed */
const char *cedi_req_state(const cedi_slot *);
/* For the test of the table in docs/ownership.md: names of state i and of those it may lead to. */
const char *cedi_req_state_name(unsigned state);
unsigned cedi_req_successors(unsigned state); /* bit set of states; 0 beyond the last */

/* Submits an express operation that is prepared, without attributes; the loop has a free slot. */
cede_ticket cedi_req_express(cede_loop *, cede_req *, cede_done *, const char *where);
void cedi_req_ceded(cedi_slot *);              /* a remote submit, before it is published */
void cedi_req_start(cede_loop *, cedi_slot *); /* taken: held, staged, or the core runs it */
void cedi_req_stage(cede_loop *, cedi_slot *); /* the same of one that is the backend's */
void cedi_req_unhold(cede_loop *, cedi_slot *, uint8_t hold); /* starts when none is left */
void cedi_req_taken(cede_loop *, cedi_slot *);                /* offered to the backend */
void cedi_req_untaken(cede_loop *, cedi_slot *); /* it had no room: to the front of the queue */
void cedi_req_end(cede_loop *, cedi_slot *, uint8_t by); /* a cause: cancel, deadline, ... */
void cedi_req_expired(cede_loop *, cedi_slot *);         /* from the wheel */
void cedi_req_completed_pend(cede_loop *, cedi_slot *, cede_status, uint64_t count);
void cedi_req_completed_scope(cede_loop *, cedi_slot *, cede_status);
cede_status cedi_req_reason(const cedi_slot *); /* the status that its recorded cause means */
void cedi_req_refuse(cede_loop *, cedi_slot *, cede_status, uint8_t by);
void cedi_req_close_over(cede_loop *, cedi_slot *, cede_status, int32_t os_error);
void cedi_req_cancel_again(cede_loop *, cedi_slot *);
int64_t cedi_req_deliver_some(cede_loop *, uint64_t most);
void cedi_req_deliver(cede_loop *, cedi_slot *);
void cedi_req_over(cede_loop *, cedi_slot *); /* the kernel has let go of it */
void cedi_req_reported_ok(cede_loop *, cedi_slot *, uint64_t count); /* and this came of it */
/* Seals what the facts decided, whatever cause was recorded; or what its recorded cause did. */
void cedi_req_seal_by_fact(cede_loop *, cedi_slot *, cede_status, int32_t os_error);
void cedi_req_seal_by_cause(cede_loop *, cedi_slot *);
/* Work remains: begins anew, unless a cause is recorded. */
void cedi_req_restart(cede_loop *, cedi_slot *, cede_status why, int32_t os_error);
bool cedi_req_deliver_orphan(cede_loop *, cede_req *before);
bool cedi_req_retry_cancels(cede_loop *, unsigned most);
void cedi_req_starve(cede_loop *); /* no room and nothing in flight: the first staged fails */

/* ---- conclude.c ----------------------------------------------------------------------------- */

void cedi_conclude(cede_loop *, cedi_slot *, cede_result *);
void *cedi_buffer_of(const cede_req *); /* the one that it transfers; NULL: none, or several */

/* ---- submit.c ------------------------------------------------------------------------------- */

cede_ticket cedi_submit_long(cede_loop *, cede_req *, cede_done *, const char *where);
/* Takes a ceded slot: joins its scope, binds its handle, arms its deadline, starts it. */
void cedi_take_remote(cede_loop *, cedi_slot *);
void cedi_take_post(cede_loop *, cede_req *);          /* one that came in its own memory */
void cedi_take_close(cede_loop *, cedi_slot *);        /* a linked close, on its turn */
void cedi_submit_binds(cede_loop *, const cede_req *); /* its handles; any thread */
bool cedi_in_flight(const cede_req *);                 /* any thread */
uint64_t cedi_req_asked(const cedi_slot *);            /* bytes that a transfer was asked for */

#define CEDI_TOKEN_ENTRY (UINT64_C(1) << 61) /* a work's token: closes an entry without request */

/* ---- orphan.c ------------------------------------------------------------------------------- */

/* What the words of an orphan's arguments hold; the first three also those of a post. */
enum {
    CEDI_ORPHAN_DONE,
    CEDI_ORPHAN_NEXT,
    CEDI_ORPHAN_WHERE,
    CEDI_ORPHAN_STAMP = CEDI_ORPHAN_WHERE, /* a scope's: when it was submitted, among these */
    CEDI_ORPHAN_STATUS,                    /* os_error << 32 | status */
    CEDI_ORPHAN_SCOPE, /* refusals << 32 | slot id; on the way by the inbox: those inherited */
    CEDI_ORPHAN_FLAGS,
    CEDI_ORPHAN_BEHIND = CEDI_ORPHAN_FLAGS, /* on the way by the inbox: what it found there */
    CEDI_ORPHAN_ENTRY                       /* the handle that it names; 0: none, or closed */
};

/* Of a scope that found no slot. (What was not prepared may say so too, and is refused by that.) */
static inline bool cedi_joins_orphan(const cede_req *req)
{
    return (req->attributes_ & CEDI_HAS_SCOPE) && (req->scope_.id & CEDI_TICKET_ORPHAN);
}

cede_ticket cedi_orphan_ticket(const cede_loop *);
void cedi_orphan_send(cede_loop *, cede_req *, cede_done *); /* any thread */
void cedi_orphan_arrived(cede_loop *, cede_req *);
void cedi_orphan_chain(cede_loop *, cede_req *, cede_done *, cede_status, uint32_t flags);
void cedi_orphan_closed(cede_loop *, uint32_t index, cede_status, int32_t os_error);
/* The one behind `before`, or the first; NULL: a scope, which was set aside. */
cede_req *cedi_orphan_take(cede_loop *, cede_req *before);
cede_req *cedi_orphan_next(const cede_req *);
bool cedi_orphan_names(const cede_loop *, uint32_t index); /* one that is not delivered */

#include "slot.h"

#include "handle.h"

/* ---- scope.c -------------------------------------------------------------------------------- */

cede_status cedi_scope_join(cede_loop *, cedi_slot *, cede_ticket scope);
void cedi_scope_leave(cedi_slot *member);              /* delivered: off the list of members */
void cedi_scope_returned(cede_loop *, uint32_t scope); /* a done returned, a handle closed */
void cedi_scope_end(cede_loop *, cedi_slot *scope);    /* a cause was recorded on it */
bool cedi_scope_is_ending(const cedi_slot *scope);
uint16_t cedi_scope_count_refusal(cede_loop *, const cedi_slot *); /* by what has ended */
bool cedi_scope_put_aside(cede_loop *, cedi_slot *); /* sealed, but joined since: not yet */
void cedi_scope_resume(cede_loop *, cedi_slot *);

/* ---- timer.c -------------------------------------------------------------------------------- */

void cedi_wheel_init(cedi_wheel *, uint64_t now);
void cedi_wheel_add(cede_loop *, cedi_slot *); /* by expiry_ns */
void cedi_wheel_remove(cede_loop *, cedi_slot *);
void cedi_wheel_move(cede_loop *, cedi_slot *, uint64_t expiry_ns);
void cedi_wheel_move_in(cede_loop *, cedi_slot *, uint64_t ns); /* or add: `ns` from now on */
void cedi_wheel_settle(cede_loop *, uint64_t now); /* the clock was read: what is fresh gets its
                                                      place */
void cedi_wheel_expire(cede_loop *, uint64_t now);
uint64_t cedi_wheel_next(const cede_loop *); /* when to look again, or CEDE_FOREVER */

/* ---- inbox.c -------------------------------------------------------------------------------- */

enum { CEDI_NODE_SUBMIT = 0, CEDI_NODE_WISH = 1, CEDI_NODE_DROP = 2 };

bool cedi_inbox_push(cede_loop *, uint32_t node, uint32_t id); /* any thread; false: closed */
bool cedi_inbox_put(cede_loop *, uint32_t node, uint32_t id);  /* without a wake */
void cedi_inbox_take(cede_loop *);
bool cedi_inbox_post(cede_loop *, cede_req *);        /* any thread; false: closed */
bool cedi_inbox_send_orphan(cede_loop *, cede_req *); /* the same; it keeps its turn */
bool cedi_inbox_has_nodes(const cede_loop *);         /* any thread */
bool cedi_inbox_empty(const cede_loop *);
bool cedi_inbox_close(cede_loop *); /* false: something was pushed meanwhile */
void cedi_wake(cede_loop *);        /* any thread */

/* Of the callback that runs now, if it is a done: what is submitted in it may be a retry. */
static inline uint16_t cedi_refusals(const cede_loop *loop)
{
    return loop->frame && !loop->frame->item ? loop->frame->slot->refusals : 0;
}

/* ---- loop.c --------------------------------------------------------------------------------- */

uint64_t cedi_now(cede_loop *);      /* read at most once a turn */
uint64_t cedi_clock(cede_loop *);    /* read now */
uint32_t cedi_stamp_ms(cede_loop *); /* since the loop was opened; coarse, read once a turn */
/* Everything but delivery. Sleeps at most until until_ns (0: not at all), and not at all while more
 * than `ready` requests are ready: those that cede_wait leaves lying. */
cede_status cedi_turn(cede_loop *, uint64_t until_ns, uint64_t ready);
void cedi_bind(cede_loop *);                                         /* to the calling thread */
uint32_t cedi_offer(cede_loop *, const cede_work *, uint32_t count); /* to the backend */
cede_loop *cedi_loop_at(uint32_t id);
void cedi_loop_retire(cede_loop *);

/* Undelivered, but for background ones. */
static inline uint64_t cedi_live(const cede_loop *loop)
{
    return loop->counts.submitted - loop->counts.delivered - loop->background;
}

static inline bool cedi_stop_asked(const cede_loop *loop)
{
    return atomic_load(&loop->stop) && loop->running;
}

static inline uint64_t cedi_add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* ---- wish.c --------------------------------------------------------------------------------- */

void cedi_wish_arrived(cede_loop *, cedi_slot *); /* from the inbox */
void cedi_wish_apply(cede_loop *, cedi_slot *);   /* a taken slot whose word carries a wish */

/* ---- trace.c -------------------------------------------------------------------------------- */

_Noreturn void cedi_misuse(const char *what, const cedi_slot *, const char *where);
_Noreturn void cedi_misuse_of(const char *what, const cede_req *, const char *where);
/* Of a loop that is not there, closed, another thread's or a forked child's. */
_Noreturn void cedi_misuse_foreign(const cede_loop *, const char *what, const cede_req *,
                                   const char *where);
_Noreturn void cedi_misuse_inside(const cede_loop *, const char *what); /* a callback */
_Noreturn void cedi_broken(const char *what, const cedi_slot *);
void cedi_say(cede_loop *, const char *line);
void cedi_say_pending(cede_loop *, const char *title);

/* Every thread-bound call: an open loop, the right thread, and not a forked child. */
static inline bool cedi_is_foreign(const cede_loop *loop)
{
    uintptr_t owner = loop ? atomic_load_explicit(&loop->owner, memory_order_relaxed) : 0;
    return !loop || *loop->alive != 1 || (owner && owner != cede_os_thread());
}

static inline void cedi_guard(const cede_loop *loop, const char *what)
{
    if (CEDI_UNLIKELY(cedi_is_foreign(loop)))
        cedi_misuse_foreign(loop, what, NULL, NULL);
}

/* Those that any thread may make: an open loop. */
static inline void cedi_guard_open_loop(const cede_loop *loop, const char *what)
{
    if (CEDI_UNLIKELY(!loop || !atomic_load_explicit(&loop->open, memory_order_acquire)))
        cedi_misuse_foreign(loop, what, NULL, NULL);
}

/* An invariant of the library's own; a compare, in release builds too. */
#define CEDI_MUST(condition, slot)         \
    do {                                   \
        if (CEDI_UNLIKELY(!(condition)))   \
            cedi_broken(#condition, slot); \
    } while (0)

#include "check.h"

#include "transfer.h"

/* ---- memory.c, backends.c ------------------------------------------------------------------- */

void *cedi_memory_get(size_t bytes); /* zeroed; any thread */
void cedi_memory_free(void *);

const cede_backend *cedi_backend_by_name(const char *name); /* NULL: the best there is */
const cede_backend *cedi_backend_native(void);              /* whose natives cede_import takes */
bool cedi_backend_native_has(intptr_t); /* whether a descriptor can have this number */

#endif
