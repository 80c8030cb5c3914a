/*
 * The order of what goes out on one handle: src/core/order.c, function by function, with a kernel that
 * may say of a send that it has gone (cede_core_gone), let the next go, and keep its memory for a while
 * (docs/decisions/0014). What else there is to a request is request.pml's matter.
 *
 * All of it is on the loop's thread, so this is one process: whatever can happen next, does. Slots are
 * the places on the list, in the order of their submission; none is used twice.
 */

#include "mutants.pml"

#define N 4
#define NONE 9

#include "configs.pml"
#include "states.pml"

#define NEW(i) (state[i] == IDLE && !submitted[i])
#define PENDING(i) (state[i] > CEDED && state[i] < READY)

bool lends[N];        /* a send without a copy: it may go, and keep its memory */
bool submitted[N], listed[N], delivered[N];
bool started[N];      /* the kernel had it, ... */
bool with_kernel[N];  /* ... and has it: its memory, until the report */
bool held[N];         /* CEDI_HOLD_ORDER; of one that is sealed: it keeps for those before it */
bool parked[N];
bool gone[N];         /* as the core knows */
bool went[N];         /* as the kernel does: all its bytes are in the stream */
bool caused[N];
bool has_gone;        /* the mark on the handle's entry */
bool ready[N];        /* on the queue, ... */
byte place[N];        /* ... in this order */
byte pushed;
byte wishes = 2, redo = 1;
byte id, at, before, after; /* 0 between uses */
bool early;

/* ---- order.c -------------------------------------------------------------------------------- */

/* The next on the list, from `from` on; N: none. */
inline next_of(from, out)
{
    out = from + 1;
    do
    :: out < N && !listed[out] -> out++
    :: else -> break
    od
}

/* The one before; NONE: none. */
inline previous_of(from, out)
{
    out = from;
    do
    :: out == 0 -> out = NONE; break
    :: out > 0 && listed[out - 1] -> out--; break
    :: else -> out--
    od
}

inline deliverable(i)
{
    assert(!ready[i] && !delivered[i]); /* law 2 */
    ready[i] = true;
    pushed++;
    place[i] = pushed
}

inline order_hold(i)
{
    previous_of(i, id);
    do
    :: id != NONE && state[id] == READY -> previous_of(id, before); id = before
    :: id != NONE && state[id] != READY -> held[i] = !gone[id] && !FAULT(STARTS_TOO_EARLY); break
    :: id == NONE -> break
    od;
    id = 0;
    before = 0
}

inline begin(i)
{
    move(i, STAGED)
}

inline start_next(i)
{
    next_of(i, at);
    do
    :: at < N && state[at] == READY -> next_of(at, after); at = after
    :: else -> break
    od;
    if
    :: at < N ->
        held[at] = false;
        if
        :: state[at] == HELD && !parked[at] -> begin(at)
        :: else
        fi
    :: else
    fi;
    at = 0;
    after = 0
}

inline order_gone(i)
{
    if
    :: gone[i] || state[i] == READY
    :: else ->
        gone[i] = true;
        has_gone = true;
        start_next(i)
    fi
}

/* `early`: one before it is gone and not sealed. */
inline look_before(i)
{
    previous_of(i, id);
    do
    :: id != NONE && state[id] == READY && !held[id] -> previous_of(id, before); id = before
    :: else -> break
    od;
    early = id != NONE && !FAULT(TOLD_OUT_OF_TURN);
    id = 0;
    before = 0
}

/* Those that kept for it, up to the next that is not sealed. */
inline tell_behind(i)
{
    next_of(i, at);
    do
    :: at < N && state[at] == READY && !FAULT(KEPT_IS_FORGOTTEN) ->
        if
        :: held[at] -> held[at] = FAULT(TOLD_TWICE); deliverable(at)
        :: else
        fi;
        next_of(at, after);
        at = after
    :: else -> break
    od;
    if
    :: at < N && !FAULT(MARK_GOES_EARLY) -> has_gone = gone[at]
    :: else -> has_gone = false
    fi;
    at = 0;
    after = 0
}

inline order_sealed(i)
{
    if
    :: held[i] -> held[i] = false; deliverable(i) /* it never was the first */
    :: else ->
        early = false;
        if
        :: has_gone -> look_before(i)
        :: else
        fi;
        if
        :: early -> early = false; held[i] = true
        :: else ->
            deliverable(i);
            if
            :: has_gone -> tell_behind(i)
            :: else
            fi
        fi;
        start_next(i)
    fi
}

/* ---- request.c, report.c -------------------------------------------------------------------- */

inline seal(i)
{
    move(i, READY); /* a second time is no step of the table */
    order_sealed(i)
}

inline submit(i)
{
    submitted[i] = true;
    listed[i] = true;
    order_hold(i);
    if
    :: held[i] -> move(i, HELD)
    :: else -> begin(i)
    fi
}

inline end(i)
{
    caused[i] = true;
    if
    :: state[i] == HELD || state[i] == STAGED -> parked[i] = false; seal(i)
    :: state[i] == INFLIGHT -> move(i, CANCELLING)
    :: else
    fi
}

/* Law 14: one at a time, but for those that have gone; and none before those that are before it. */
inline hand_over(i)
{
    for (at : 0 .. N - 1) {
        assert(at >= i || !listed[at] || state[at] == READY || (with_kernel[at] && went[at]))
    }
    at = 0;
    started[i] = true;
    with_kernel[i] = true;
    move(i, INFLIGHT)
}

/* It is over, and the kernel has let go of it. */
inline report(i)
{
    with_kernel[i] = false;
    seal(i)
}

/* Work is left: begun anew, or parked, unless a cause is recorded. */
inline again(i, parks)
{
    with_kernel[i] = false;
    if
    :: caused[i] -> seal(i)
    :: else ->
        redo--;
        if
        :: parks -> parked[i] = true; move(i, HELD)
        :: else -> move(i, STAGED)
        fi
    fi
}

/* ---- The laws of a delivery ----------------------------------------------------------------- */

inline deliver(i)
{
    assert(state[i] == READY && !with_kernel[i]); /* law 4 */
    for (at : 0 .. N - 1) {
        assert(!(at < i && started[at] && started[i]) || delivered[at]); /* law 14 */
    }
    at = 0;
    ready[i] = false;
    place[i] = 0;
    delivered[i] = true;
    listed[i] = false;
    move(i, IDLE)
}

/* ---- All that can happen -------------------------------------------------------------------- */

/* Who keeps the memory of what is sent until the next has started. */
#define WITHHOLDS(i) (config == WITHHELD && went[i] && i + 1 < N && PENDING(i + 1) && !started[i + 1])

/* A run delivers who is the first on the queue; a wait leaves those lying that are behind its target. */
#define AHEAD(j, i) (j < i && ready[j] && place[j] < place[i])
#define ITS_TURN(i) (ready[i] && !AHEAD(0, i) && !AHEAD(1, i) && !AHEAD(2, i))

#define HAPPENS(i) \
    :: d_step { ITS_TURN(i) -> deliver(i) } \
    :: d_step { NEW(i) && (i == 0 || submitted[i - 1]) -> submit(i) } \
    :: d_step { NEW(i) && (i == 0 || submitted[i - 1]) -> lends[i] = true; submit(i) } \
    :: d_step { PENDING(i) && !caused[i] && wishes > 0 -> wishes--; end(i) } \
    :: d_step { state[i] == STAGED -> hand_over(i) } \
    :: d_step { state[i] == HELD && parked[i] -> parked[i] = false; \
           if :: !held[i] -> begin(i) :: else fi } \
    :: d_step { with_kernel[i] && lends[i] && !went[i] -> went[i] = true } \
    :: d_step { with_kernel[i] && went[i] && !gone[i] && !FAULT(GONE_IS_NOT_HEARD) -> \
           order_gone(i); if :: FAULT(GONE_SEALS) -> seal(i) :: else fi } \
    :: d_step { with_kernel[i] && !WITHHOLDS(i) -> went[i] = true; report(i) } \
    :: d_step { state[i] == CANCELLING && !went[i] -> report(i) } \
    :: d_step { with_kernel[i] && !went[i] && redo > 0 -> again(i, false) } \
    :: d_step { with_kernel[i] && !went[i] && redo > 0 -> again(i, true) }

active proctype loop()
{
    d_step {
        c_code {
            atexit(tell_moves);
            now.mutant = getenv("MUTANT") ? atoi(getenv("MUTANT")) : 0;
            now.config = getenv("CONFIG") ? atoi(getenv("CONFIG")) : SENDS;
        };
        if
        :: config == WITHHELD -> wishes = 0
        :: else
        fi
    };
    do
    HAPPENS(0)
    HAPPENS(1)
    HAPPENS(2)
    HAPPENS(3)
    :: delivered[0] && delivered[1] && delivered[2] && delivered[3] -> break
    od
}
