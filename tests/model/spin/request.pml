/*
 * The request machine: what src/core/request.c, wish.c, inbox.c, scope.c, handle.c, close.c, wait.c
 * and the turn of loop.c do with a few requests, one handle, one scope, a kernel and other threads.
 *
 * What runs on the loop's thread and is seen by nobody else is one step here. What other threads see
 * (the word of a slot, its link, the inbox, the sleep flag) is a step each, in the order of the code;
 * relacy checks that the memory orders make it so. Names are those of the code.
 *
 * A configuration (configs.pml) says what there is; a mutant (mutants.pml) breaks it, and must be
 * found. The program takes both from its environment. README.md tells how it is run.
 */

#include "mutants.pml"

/* ---- The configuration: what there is -------------------------------------------------------- */

#define N 3 /* slots, not all of them used */
#define NONE 9

#define PEND  1 /* kinds */
#define IO    2 /* on the handle, in order */
#define SCOPE 3
#define CLOSE 4
#define OTHER 5 /* the backend's, on no handle */

#define OPEN    0 /* the handle */
#define SHUT    1
#define CLOSING 2
#define CLOSED  3

byte kind[N];       /* 0: not used */
byte scope[N];      /* whose member it is */
bool endless[N];    /* the kernel ends it only when it is asked to */
bool has_deadline[N];
bool from_thread[N]; /* submitted by a thread of its own */
byte canceller_of[2]; /* threads with tickets: whose; NONE */
byte owner = NONE;  /* the scope that owns the handle */
byte handle;
byte first = N;     /* how many are submitted at the beginning; one more when the program likes */
byte cancels;       /* on the loop's thread, of slot `target` */
byte target;
byte resubmits;     /* of slot 0, when it is free again */
byte waits_for = NONE;
byte bad = 1;       /* how often the kernel does not hear a cancel */
byte redo = 1;      /* how often it reports that work is left, or that there is no room */
bool closes = true; /* the program closes the loop, at any time */
bool by_wish;       /* slot 0 ends by wishes only */
bool wakes_slowly;  /* each step of a wake is one here */

#include "configs.pml"

/* About any slot. */
#define ANY(of) (of(0) || of(1) || of(2))
#define ANY_2(of, x, t) (of(0, x, t) || of(1, x, t) || of(2, x, t))
#define LIVE(i) (state[i] > CEDED)
#define WITH_KERNEL(i) (with_kernel[i])
#define NEWS(i) (report[i] != 0 || note[i])
#define TIMES(i) (again[i] || (state[i] == HELD && (holds[i] & HOLD_PARK)) || (timed[i] && due))
#define NOTHING_LEFT (!ANY(LIVE) && !dropping && !ANY(WITH_KERNEL))
#define ANY_MEMBER(i) ANY_2(MEMBER, i, 0)
#define MEMBER(j, i, x) (scope[j] == i && state[j] > CEDED)

#include "states.pml"

/* ---- Slots ---------------------------------------------------------------------------------- */

#define BY_WISH 1
#define BY_DEADLINE 2
#define BY_CLOSE 3
#define BY_SCOPE 4
#define BY_LOOP 5

#define OK 1 /* outcomes */
#define ECANCELED 2
#define EDEADLINE 3
#define EENDED 4
#define EBADF 5
#define AGAIN 6 /* reports only */
#define PARK 7

#define HOLD_ORDER 1
#define HOLD_CLOSE 2
#define HOLD_PARK 4

byte cause[N];
byte holds[N];
byte outcome[N];
bool asked[N]; /* CEDE_CANCEL_ASKED */
bool again[N]; /* CEDI_AGAIN: on the list of cancels to repeat */
bool staged[N];
bool timed[N]; /* has a deadline that counts */
bool listed[N]; /* on the handle */
byte seq[N];    /* its place there */

/* the word, which others see: generation, CEDI_TAKEN, a wish, CEDI_EARLY; and the link */
byte gen[N];
bool taken[N], wish[N], early[N];
bool linked[N];

/* scopes */
byte counted[N];
bool ended[N], ending[N], aside[N];

/* the handle */
byte closer;     /* the slot that closes it */
bool to_scope;   /* its close is part of that scope's end */
byte next_seq;
bool dropping, drop_staged;

/* the loop */
chan ready = [N] of { byte };
chan inbox = [4] of { byte, byte }; /* as it is taken: the oldest first */
#define SUBMIT 1
#define WISH 2
bool inbox_closed, sleeping, woken, closing, backend_gone;
bool is_open = true;
byte wakers;
bool go;   /* the configuration is set */
bool over; /* the loop is closed */
byte pick;

/* the kernel */
bool with_kernel[N];  /* it may write into the request's memory */
bool cancel_sent[N];  /* a cancel is on its way to it */
bool wants[N];        /* and was heard */
bool note[N];         /* "not found" is on its way back, ... */
byte note_gen[N];     /* for this token */
byte report[N];
bool drop_with_kernel, drop_report;
bool no_room;            /* no room for a cancel now */

/* the world */
bool due;          /* the time of all deadlines has come */
bool close_now;    /* the program wants to close the loop */
byte senders;      /* threads inside cede_submit_remote */

/* What the laws say, as ghosts */
byte submits[N], dones[N]; /* of this slot */
byte wanted;               /* the latest of slot 0 that another thread has begun to cancel */
byte truth[N];             /* what was sealed */
bool moved[N];             /* the kernel did it, and said so */
bool returned[N];          /* the done of the last submission has returned */
byte meant[N];             /* which submission the wish in the word was for */

/* Counters and arguments of the inlines below: 0 between uses. */
byte os, nx, hs, cl, listed_count, en, em, settling, why, ad, rp, ex, rc, up, ho, ck, lv, al;
byte now_report, told;
bool sealing, twice;

/* ---- request.c ------------------------------------------------------------------------------ */

/* Nothing holds it: to the backend's queue, or to the core, which is its kernel. */
inline begin(i)
{
    move(i, STAGED);
    if
    :: kind[i] == PEND || kind[i] == SCOPE -> move(i, INFLIGHT)
    :: else -> staged[i] = true
    fi
}

inline unhold(i, hold)
{
    holds[i] = holds[i] & (7 - hold);
    if
    :: state[i] == HELD && holds[i] == 0 -> begin(i)
    :: else
    fi
}

/* The next on the stream has its turn. */
inline order_sealed(i)
{
    if
    :: !listed[i]
    :: listed[i] && (holds[i] & HOLD_ORDER) -> holds[i] = holds[i] & (7 - HOLD_ORDER)
    :: else ->
        nx = NONE;
        for (os : 0 .. N - 1) {
            if
            :: listed[os] && seq[os] > seq[i] && state[os] != READY &&
               (nx == NONE || seq[os] < seq[nx]) -> nx = os
            :: else
            fi
        }
        os = 0;
        if
        :: nx != NONE -> unhold(nx, HOLD_ORDER)
        :: else
        fi;
        nx = 0
    fi
}

inline seal(i, what)
{
    move(i, READY);
    outcome[i] = what;
    truth[i] = outcome[i];
    assert(!moved[i] || outcome[i] == OK); /* law 7: what happened is told */
    again[i] = false;
    timed[i] = false;
    ready!i;
    order_sealed(i)
}

#define REASON(i) (cause[i] == BY_DEADLINE -> EDEADLINE : ECANCELED)

/* Whether it has been heard tells `again`; `sealing` says that a fault seals it here. */
inline ask_backend(i)
{
    sealing = FAULT(DONE_ON_CANCEL) || (FAULT(DEADLINE_LEAVES_IO) && cause[i] == BY_DEADLINE);
    if
    :: no_room -> again[i] = !FAULT(CANCEL_LOST_WHEN_FULL)
    :: else -> cancel_sent[i] = true
    fi
}

inline withdraw(i)
{
    staged[i] = false;
    holds[i] = holds[i] & (7 - HOLD_PARK)
}

/* A cause; what follows from it for a scope's members is in req_end(). */
inline end_one(i, by)
{
    if
    :: kind[i] == CLOSE || state[i] == IDLE || state[i] == CEDED -> skip
    :: kind[i] != CLOSE && state[i] == READY ->
        if
        :: FAULT(RESULT_IS_REWRITTEN) -> outcome[i] = ECANCELED
        :: else
        fi
    :: kind[i] == SCOPE && state[i] != READY && ended[i] -> skip
    :: else ->
        asked[i] = true;
        if
        :: cause[i] != 0 /* the first counts, and its wish stands */
        :: else ->
            cause[i] = by;
            if
            :: state[i] == HELD || state[i] == STAGED ->
                withdraw(i);
                sealing = true
            :: else ->
                move(i, CANCELLING);
                timed[i] = false;
                if
                :: kind[i] == SCOPE -> ending[i] = true
                :: kind[i] == PEND -> sealing = true
                :: else -> ask_backend(i)
                fi
            fi;
            if
            :: sealing -> sealing = false; seal(i, REASON(i))
            :: else
            fi
        fi
    fi
}

/* ---- handle.c, scope.c ---------------------------------------------------------------------- */

inline count_listed()
{
    for (cl : 0 .. N - 1) {
        listed_count = listed_count + (listed[cl] -> 1 : 0)
    }
    cl = 0
}

inline close_begin()
{
    handle = CLOSING;
    if
    :: closer != NONE -> unhold(closer, HOLD_CLOSE)
    :: else -> drop_staged = true
    fi
}

/* Stale from here; what is pending is ended; then the close. */
inline handle_shut(by_slot, by)
{
    handle = SHUT;
    closer = by_slot;
    dropping = (closer == NONE);
    for (hs : 0 .. N - 1) {
        if
        :: listed[hs] -> end_one(hs, by)
        :: else
        fi
    }
    hs = 0;
    count_listed();
    if
    :: listed_count == 0 || FAULT(CLOSE_COMES_FIRST) -> close_begin()
    :: else
    fi;
    listed_count = 0
}

/* Nothing is left for a scope to wait for: first its handle, then itself. */
inline settle(s)
{
    if
    :: !ended[s] ->
        ended[s] = true;
        timed[s] = false;
        outcome[s] = (cause[s] != 0 -> REASON(s) : OK);
        if
        :: owner == s && handle == OPEN ->
            to_scope = true;
            counted[s]++;
            handle_shut(NONE, BY_SCOPE)
        :: else
        fi
    :: else
    fi;
    if
    :: counted[s] == 0 -> seal(s, outcome[s])
    :: else
    fi
}

inline scope_returned(s)
{
    assert(counted[s] > 0);
    counted[s]--;
    if
    :: counted[s] != 0
    :: counted[s] == 0 && state[s] == READY ->
        if
        :: aside[s] -> aside[s] = false; ready!s
        :: else /* its turn had not come */
        fi
    :: counted[s] == 0 && state[s] != READY -> settle(s)
    fi
}

/* A cause, and what follows from it. */
inline req_end(i, by)
{
    end_one(i, by);
    for (en : 0 .. N - 1) {
        if
        :: ending[en] ->
            for (em : 0 .. N - 1) {
                if
                :: scope[em] == en -> end_one(em, BY_SCOPE)
                :: else
                fi
            }
            em = 0;
            ending[en] = false;
            settling = en + 1
        :: else
        fi
    }
    en = 0;
    if
    :: settling != 0 ->
        settling--;
        if
        :: counted[settling] == 0 && state[settling] != READY -> settle(settling)
        :: else
        fi;
        settling = 0
    :: else
    fi
}

/* ---- submit.c -------------------------------------------------------------------------------- */

/* On the loop's thread: refused, held, or begun. */
inline admit(i)
{
    if
    :: scope[i] != NONE && gen[scope[i]] != 0 ->
        scope[i] = NONE; /* its ticket is stale: delivered alone */
        why = EENDED
    :: scope[i] != NONE && gen[scope[i]] == 0 ->
        counted[scope[i]] = counted[scope[i]] + (FAULT(SCOPE_ENDS_EARLY) -> 0 : 1);
        why = (state[scope[i]] == READY || cause[scope[i]] != 0 || ended[scope[i]] -> EENDED : 0)
    :: else
    fi;
    if
    :: kind[i] == CLOSE -> why = (handle == OPEN -> 0 : EBADF)
    :: kind[i] != CLOSE && closing -> why = EENDED
    :: kind[i] == IO && !closing && why == 0 && handle != OPEN -> why = EBADF
    :: else
    fi;
    if
    :: why != 0 -> seal(i, why)
    :: why == 0 && kind[i] == CLOSE ->
        holds[i] = HOLD_CLOSE;
        move(i, HELD);
        handle_shut(i, BY_CLOSE)
    :: why == 0 && kind[i] != CLOSE ->
        if
        :: kind[i] == IO ->
            for (ad : 0 .. N - 1) {
                if
                :: listed[ad] && state[ad] != READY && !FAULT(ORDER_IS_LOST) ->
                    holds[i] = HOLD_ORDER
                :: else
                fi
            }
            ad = 0;
            listed[i] = true;
            next_seq++;
            seq[i] = next_seq
        :: else
        fi;
        if
        :: holds[i] != 0 -> move(i, HELD)
        :: else -> begin(i)
        fi
    fi;
    why = 0
}

/* What a submission gives to the slot, on whatever thread. */
inline fill(i)
{
    assert(state[i] == IDLE && dones[i] == submits[i]);
    assert(!with_kernel[i] && report[i] == 0); /* no slot is used again while it pends */
    submits[i]++;
    returned[i] = false;
    cause[i] = 0;
    asked[i] = false;
    holds[i] = 0;
    outcome[i] = 0;
    moved[i] = false;
    timed[i] = has_deadline[i]
}

inline submit(i)
{
    fill(i);
    taken[i] = true;
    admit(i)
}

/* ---- Delivery ------------------------------------------------------------------------------- */

/* Up to the call of the done. */
inline conclude(i)
{
    assert(state[i] == READY);
    assert(outcome[i] == truth[i]);             /* law 7: what is sealed stays */
    assert(dones[i] + 1 == submits[i]);         /* law 2: exactly once */
    assert(!with_kernel[i]);                    /* law 4: the kernel has let go */
    assert(kind[i] != SCOPE || !ANY_MEMBER(i)); /* law 12: the last member has returned */
    assert(kind[i] != CLOSE || outcome[i] != OK || handle == CLOSED); /* law 10 */
    if
    :: listed[i] ->
        listed[i] = false;
        count_listed();
        if
        :: listed_count == 0 && handle == SHUT -> close_begin()
        :: else
        fi;
        listed_count = 0
    :: else
    fi;
    move(i, IDLE);
    /* the ticket is stale; a wish that this overwrites was for it */
    gen[i] = gen[i] + (FAULT(GENERATION_STAYS) -> 0 : 1);
    taken[i] = false;
    wish[i] = false;
    early[i] = false;
    dones[i]++
}

inline leave_scope(s)
{
    lv = s;
    scope_returned(lv);
    lv = 0
}

/* The done has returned. */
inline return_from(i)
{
    returned[i] = true;
    if
    :: scope[i] != NONE && !FAULT(SCOPE_ENDS_EARLY) -> leave_scope(scope[i])
    :: else
    fi
}

/* ---- report.c ------------------------------------------------------------------------------- */

inline core_done(i, what)
{
    assert(state[i] == INFLIGHT || state[i] == CANCELLING); /* else a double report: stops */
    if
    :: kind[i] == CLOSE -> handle = CLOSED; told = OK
    :: kind[i] != CLOSE && what == OK ->
        moved[i] = true;
        told = (FAULT(CAUSE_BEATS_FACT) && cause[i] != 0 -> REASON(i) : OK);
        cause[i] = 0
    :: kind[i] != CLOSE && what != OK && cause[i] != 0 -> told = REASON(i)
    :: kind[i] != CLOSE && what == PARK && cause[i] == 0 ->
        move(i, HELD);
        holds[i] = HOLD_PARK
    :: else -> /* work is left, or the kernel gave up by itself */
        move(i, STAGED);
        staged[i] = true
    fi;
    if
    :: told != 0 -> seal(i, told); told = 0
    :: else
    fi
}

/* cede_core_cancel_again, by token. */
inline cancel_again(i)
{
    if
    :: note_gen[i] == gen[i] && state[i] == CANCELLING && !FAULT(NOT_FOUND_ENDS_WISH) ->
        again[i] = true
    :: else
    fi
}

/* The backend's wait, but for the waiting: reports what has completed. */
inline reap()
{
    for (rp : 0 .. N - 1) {
        now_report = report[rp];
        if
        :: now_report != 0 ->
            with_kernel[rp] = false;
            cancel_sent[rp] = false;
            wants[rp] = false;
            report[rp] = (FAULT(DOUBLE_REPORT) && now_report == OK && !twice -> OK : 0);
            twice = (report[rp] != 0);
            core_done(rp, now_report)
        :: else
        fi;
        if
        :: note[rp] -> note[rp] = false; cancel_again(rp)
        :: else
        fi
    }
    rp = 0;
    now_report = 0;
    if
    :: drop_report ->
        drop_report = false;
        handle = CLOSED;
        dropping = false;
        if
        :: to_scope -> to_scope = false; leave_scope(owner)
        :: else
        fi
    :: else
    fi
}

/* ---- loop.c: one turn ----------------------------------------------------------------------- */

inline expire()
{
    for (ex : 0 .. N - 1) {
        if
        :: timed[ex] && due -> timed[ex] = false; req_end(ex, BY_DEADLINE)
        :: else
        fi
    }
    ex = 0
}

inline retry_cancels()
{
    for (rc : 0 .. N - 1) {
        if
        :: again[rc] -> again[rc] = false; ask_backend(rc)
        :: else
        fi
    }
    rc = 0
}

inline unpark()
{
    for (up : 0 .. N - 1) {
        if
        :: (holds[up] & HOLD_PARK) && state[up] == HELD && !FAULT(PARKED_IS_FORGOTTEN) ->
            unhold(up, HOLD_PARK)
        :: else
        fi
    }
    up = 0
}

/* Law 10: the system's close comes when nothing on the handle is with the kernel; law 14: one of a
 * stream at a time. */
inline check_alone(i)
{
    for (ck : 0 .. N - 1) {
        assert(!(kind[ck] == IO && ck != i && with_kernel[ck]))
    }
    ck = 0
}

inline hand_over()
{
    if
    :: drop_staged ->
        drop_staged = false;
        drop_with_kernel = true;
        check_alone(NONE)
    :: else
    fi;
    for (ho : 0 .. N - 1) {
        if
        :: staged[ho] ->
            staged[ho] = false;
            move(ho, INFLIGHT);
            with_kernel[ho] = true;
            if
            :: kind[ho] == CLOSE || kind[ho] == IO -> check_alone(ho)
            :: else
            fi
        :: else
        fi
    }
    ho = 0
}

/* ---- wish.c, inbox.c: what others see, step by step ------------------------------------------- */

/* A taken slot whose word carries a wish. */
inline wish_apply(i)
{
    if
    :: wish[i] ->
        d_step {
            assert(meant[i] == submits[i]); /* law 6: a stale ticket does nothing */
            req_end(i, BY_WISH)
        };
        d_step { wish[i] = false; early[i] = false }
    :: else
    fi
}

inline wish_arrived(i)
{
    if
    :: FAULT(LINK_CLEARED_LAST)
    :: else -> linked[i] = false
    fi;
    if
    :: taken[i] -> wish_apply(i)
    :: !taken[i] && wish[i] && !FAULT(EARLY_WISH_IS_LOST) -> early[i] = true
    :: else
    fi;
    if
    :: FAULT(LINK_CLEARED_LAST) -> linked[i] = false
    :: else
    fi
}

inline take_remote(i)
{
    d_step {
        taken[i] = true;
        was_early = early[i];
        admit(i)
    };
    if
    :: was_early -> was_early = false; wish_apply(i)
    :: else
    fi
}

inline inbox_take()
{
    d_step {
        do
        :: inbox?node_kind, node -> mine!node_kind, node
        :: empty(inbox) -> break
        od;
        node_kind = 0;
        node = 0
    };
    do
    :: mine?node_kind, node ->
        if
        :: node_kind == SUBMIT -> take_remote(node)
        :: else -> wish_arrived(node)
        fi
    :: empty(mine) -> break
    od;
    node_kind = 0;
    node = 0
}

/* Everything but delivery. Does not sleep while more than `lying` requests are ready. */
inline turn(may_sleep, lying)
{
    inbox_take();
    d_step {
        expire();
        retry_cancels();
        unpark();
        hand_over();
        stays = !(may_sleep) || len(ready) > lying
    };
    if
    :: stays -> stays = false
    :: else ->
        if
        :: FAULT(CHECK_THEN_SLEEP) ->
            timeout_0 = (len(inbox) > 0);
            sleeping = true
        :: else ->
            sleeping = true;
            timeout_0 = (len(inbox) > 0) /* it came before the flag was up, so nobody woke us */
        fi;
        d_step {
            (timeout_0 || woken || drop_report || ANY(NEWS) || ANY(TIMES) ||
             (close_now && !closing)) -> sleeping = false;
            woken = false;
            timeout_0 = false
        }
    fi;
    d_step { reap() }
}

/* ---- Other threads --------------------------------------------------------------------------- */

/* cedi_wake; in most configurations one step. */
inline wake()
{
    if
    :: !wakes_slowly ->
        d_step {
            if
            :: sleeping -> sleeping = false; woken = true
            :: else
            fi
        }
    :: else ->
        if
        :: sleeping ->
            wakers++;
            if
            :: is_open ->
                d_step { was = sleeping; sleeping = false };
                if
                :: was -> d_step { assert(!backend_gone); woken = true; was = false }
                :: else
                fi
            :: else
            fi;
            wakers--
        :: else
        fi
    fi
}

/* cedi_inbox_push; `pushed` tells. */
inline push(what, i)
{
    d_step {
        pushed = !inbox_closed;
        if
        :: pushed -> inbox!what, i
        :: else
        fi
    };
    if
    :: pushed -> wake()
    :: else
    fi
}

/* cede_cancel from another thread, by the ticket that the slot gave at generation g. */
inline cancel_remote(i, g)
{
    d_step {
        claimed = (gen[i] == g);
        if
        :: claimed && !wish[i] -> wish[i] = true; meant[i] = g + 1
        :: else
        fi
    };
    if
    :: claimed ->
        d_step { claimed = !linked[i]; linked[i] = true };
        if
        :: claimed ->
            push(WISH, i);
            if
            :: !pushed -> linked[i] = false /* the loop has closed: the ticket is stale */
            :: else
            fi
        :: else
        fi
    :: else
    fi
}

/* A thread with a ticket. */
proctype canceller(byte slot)
{
    bool claimed, pushed, was;
    byte g;
    d_step { submits[slot] > 0 -> g = submits[slot] - 1; wanted = g + 1 }
    cancel_remote(slot, g)
}

proctype sender(byte slot)
{
    bool pushed, was;
    d_step { fill(slot); move(slot, CEDED) };
    push(SUBMIT, slot);
    senders--
}

/* ---- The kernel, and the time ---------------------------------------------------------------- */

#define LIVES(i) (with_kernel[i] && report[i] == 0)

#define KERNEL_ON(i) \
    :: d_step { LIVES(i) && !endless[i] -> report[i] = OK } \
    :: d_step { LIVES(i) && wants[i] -> report[i] = ECANCELED } \
    :: d_step { LIVES(i) && wants[i] -> report[i] = OK } \
    :: d_step { LIVES(i) && kind[i] != CLOSE && redo > 0 -> redo--; report[i] = AGAIN } \
    :: d_step { LIVES(i) && kind[i] != CLOSE && redo > 0 -> redo--; report[i] = PARK } \
    :: d_step { LIVES(i) && cancel_sent[i] -> cancel_sent[i] = false; wants[i] = true } \
    :: d_step { with_kernel[i] && cancel_sent[i] && bad > 0 -> \
           bad--; cancel_sent[i] = false; note[i] = true; note_gen[i] = gen[i] }

active proctype kernel()
{
    go;
end:
    do
    KERNEL_ON(0)
    KERNEL_ON(1)
    KERNEL_ON(2)
    :: d_step { drop_with_kernel -> drop_with_kernel = false; drop_report = true }
    :: d_step { bad > 0 && !no_room && ANY(LIVES) -> bad--; no_room = true }
    :: d_step { no_room -> no_room = false }
    od
}

active proctype clock()
{
    go;
    if
    :: has_deadline[0] -> due = true
    :: else
    fi;
    close_now = closes
}

/* ---- The program ----------------------------------------------------------------------------- */

/* In a done, or between turns: a wish on the loop's thread, the next submit, a drop. */
inline program()
{
    if
    :: true
    :: cancels > 0 -> d_step { cancels--; req_end(target, BY_WISH) }
    :: first < N && !closing -> d_step { first++; pick = first - 1; submit(pick); pick = 0 }
    :: resubmits > 0 && !closing &&
       (returned[0] || (FAULT(REUSED_TOO_EARLY) && asked[0])) ->
        d_step { resubmits--; endless[0] = false; submit(pick) }
    fi
}

/* Delivers one that is ready: the caller has taken it off the queue. */
inline deliver(i)
{
    d_step {
        if
        :: kind[i] == SCOPE && counted[i] > 0 -> aside[i] = true
        :: else -> conclude(i)
        fi
    };
    if
    :: aside[i]
    :: else ->
        program();
        d_step { return_from(i) }
    fi
}

inline deliver_some()
{
    atomic {
        quota = len(ready);
        do
        :: quota > 0 && len(ready) > 0 ->
            quota--;
            ready?who;
            deliver(who)
        :: else -> break
        od;
        who = 0;
        quota = 0
    }
}

/* cede_wait: of what is ready only that which comes before the target. */
#define EDGE(x, y) (scope[x] == y || (listed[x] && closer == y) || (listed[x] && owner == y) || \
                    (kind[y] == IO && listed[x] && listed[y] && seq[x] < seq[y]))
#define VIA(y, x, t) (EDGE(x, y) && EDGE(y, t))
#define PRECEDES(x, t) (x == t || EDGE(x, t) || ANY_2(VIA, x, t))

inline deliver_before(t)
{
    quota = len(ready);
    do
    :: quota > 0 && gen[t] == awaited ->
        d_step { quota--; ready?who };
        if
        :: PRECEDES(who, t) -> any = true; deliver(who)
        :: else -> kept!who
        fi
    :: else -> break
    od;
    skip;
    d_step {
        do
        :: ready?who -> kept!who
        :: empty(ready) -> break
        od;
        do
        :: kept?who -> ready!who
        :: empty(kept) -> break
        od;
        who = 0;
        quota = 0
    }
}

inline wait_for(t)
{
    awaited = gen[t];
    do
    :: FAULT(WAIT_GOES_BY_SEAL) && state[t] == READY -> assert(returned[t]); break
    :: else ->
        deliver_before(t);
        if
        :: gen[t] != awaited -> assert(returned[t]); break /* law 9 */
        :: else
        fi;
        if
        :: gives_up -> gives_up = false; break /* its limit has come */
        :: true
        fi;
        turn(!any, len(ready));
        any = false
    od;
    skip;
    d_step { any = false; awaited = 0 }
}

inline loop_close()
{
    inbox_take();
    d_step {
        closing = true;
        for (al : 0 .. N - 1) {
            if
            :: taken[al] && state[al] > CEDED && state[al] < READY -> req_end(al, BY_LOOP)
            :: else
            fi
        }
        al = 0
    };
    do
    :: true -> d_step {
            if
            :: !ANY(LIVE) && handle == OPEN -> handle_shut(NONE, BY_LOOP)
            :: else
            fi;
            sleeps = !NOTHING_LEFT || FAULT(CLOSE_SLEEPS)
        };
        if
        :: (NOTHING_LEFT && len(inbox) == 0) || FAULT(CLOSE_DOES_NOT_DRAIN) ->
            d_step { inbox_closed = (len(inbox) == 0); sleeps = false };
            if
            :: inbox_closed -> break
            :: else
            fi
        :: else ->
            turn(sleeps, 0);
            do
            :: len(ready) > 0 -> deliver_some()
            :: else -> break
            od
        fi
    od;
    is_open = false;
    (wakers == 0 || FAULT(WAKERS_NOT_AWAITED));
    d_step {
        backend_gone = true;
        assert(!ANY(WITH_KERNEL) && !drop_with_kernel); /* law 11: the kernel writes no more */
        assert(!ANY(LIVE) && handle == CLOSED)
    };
    over = true
}

active proctype loop()
{
    bool any, sleeps, stays, was_early, timeout_0;
    byte awaited, node_kind, node, who, quota;
    chan mine = [4] of { byte, byte }; /* taken from the inbox, and not dealt with yet */
    bool gives_up = true;
    chan kept = [N] of { byte };

    d_step {
        c_code {
            atexit(tell_moves);
            now.mutant = getenv("MUTANT") ? atoi(getenv("MUTANT")) : 0;
            now.config = getenv("CONFIG") ? atoi(getenv("CONFIG")) : 1;
        };
        closer = NONE;
        handle = CLOSED;
        for (node : 0 .. N - 1) {
            scope[node] = NONE
        }
        canceller_of[0] = NONE;
        canceller_of[1] = NONE;
        configure();
        for (node : 0 .. N - 1) {
            senders = senders + (from_thread[node] -> 1 : 0)
        }
    };
    for (node : 0 .. N - 1) {
        if
        :: from_thread[node] -> run sender(node)
        :: !from_thread[node] && kind[node] != 0 && node < first -> d_step { submit(node) }
        :: else
        fi
    }
    for (node : 0 .. 1) {
        if
        :: canceller_of[node] != NONE -> run canceller(canceller_of[node])
        :: else
        fi
    }
    node = 0;
    go = true;
    do
    :: close_now && senders == 0 -> break
    :: !(close_now && senders == 0) ->
        atomic { program() };
        if
        :: waits_for != NONE && taken[waits_for] && submits[waits_for] == 1 ->
            wait_for(waits_for)
        :: else
        fi;
        turn(true, 0);
        deliver_some()
    od;
    loop_close();
    for (node : 0 .. N - 1) {
        assert(dones[node] == submits[node]) /* law 2 */
    }
}

/* Laws 2 and 6 where nobody closes the loop: each is delivered, and a wish is heard. */
#ifdef LIVELY
ltl lively { [] ((dones[0] < wanted -> <> (dones[0] >= wanted)) && \
                 (submits[0] > dones[0] && !by_wish -> <> (dones[0] == submits[0]))) }
#endif
