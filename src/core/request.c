/*
 * The request machine: the only file that names a state, and the only one that calls a done.
 *
 * A slot goes IDLE -> (CEDED) -> HELD or STAGED -> INFLIGHT -> (CANCELLING) -> READY -> IDLE. Every
 * step is one call of move(), which checks it against the table below, in release builds too. The
 * rest of the core asks for steps by what happened (taken, reported, a cause, a hold lifted); a
 * backend cannot even do that: it reports through cede_core_done. So exactly-once does not depend
 * on anybody's care.
 *
 * Threads: IDLE -> CEDED happens on the submitting thread, before the slot is published; all else
 * on the loop's thread.
 */
#include "core.h"

#include <string.h>

_Static_assert(offsetof(cede_result, count) == offsetof(cedi_outcome, count) &&
                   offsetof(cede_result, handle) == sizeof(cedi_outcome),
               "an outcome is the head of a result");

enum { IDLE, CEDED, HELD, STAGED, INFLIGHT, CANCELLING, READY, STATES };

#define BIT(state) (1u << (state))

/* The table of docs/ownership.md; a test compares the two. */
static const uint8_t leads_to[STATES] = {
    [IDLE] = BIT(CEDED) | BIT(HELD) | BIT(STAGED) | BIT(READY),
    [CEDED] = BIT(HELD) | BIT(STAGED) | BIT(READY),
    [HELD] = BIT(STAGED) | BIT(READY),
    [STAGED] = BIT(INFLIGHT) | BIT(READY),
    [INFLIGHT] = BIT(READY) | BIT(CANCELLING) | BIT(STAGED) | BIT(HELD),
    [CANCELLING] = BIT(READY),
    [READY] = BIT(IDLE),
};

static const char *const state_names[STATES] = {"IDLE",     "CEDED",      "HELD", "STAGED",
                                                "INFLIGHT", "CANCELLING", "READY"};

static inline void move(cedi_slot *slot, unsigned to)
{
    CEDI_MUST(leads_to[slot->state] & BIT(to), slot);
    slot->state = (uint8_t)to;
}

bool cedi_req_is_live(const cedi_slot *slot)
{
    return slot->state != IDLE;
}

bool cedi_req_is_ready(const cedi_slot *slot)
{
    return slot->state == READY;
}

bool cedi_req_is_pending(const cedi_slot *slot)
{
    return slot->state > CEDED && slot->state < READY;
}

const char *cedi_req_state(const cedi_slot *slot)
{
    return state_names[slot->state];
}

const char *cedi_req_state_name(unsigned state)
{
    return state < STATES ? state_names[state] : NULL;
}

unsigned cedi_req_successors(unsigned state)
{
    return state < STATES ? leads_to[state] : 0;
}

/* ---- Towards the kernel --------------------------------------------------------------------- */

static inline void seal(cede_loop *loop, cedi_slot *slot, cede_status status, int32_t os_error)
{
    move(slot, READY);
    slot->status = status;
    slot->u.os_error = os_error;
    if (CEDI_UNLIKELY(slot->holds & CEDI_AGAIN)) {
        cedi_list_remove(&slot->link);
        slot->holds &= (uint8_t)~CEDI_AGAIN;
    }
    if (slot->bits & CEDI_TIMED)
        cedi_wheel_remove(loop, slot);
    if ((slot->bits & CEDI_LISTED) && (slot->at.on.next || slot->at.on.prev)) /* not alone there */
        cedi_order_sealed(loop, slot);
    else
        cedi_slot_deliverable(loop, slot);
}

cede_status cedi_req_reason(const cedi_slot *slot)
{
    if (slot->cause & CEDE_BY_DEADLINE)
        return CEDE_EDEADLINE;
    if (slot->op == CEDE_OP_SCOPE && (slot->cause & CEDE_BY_WISH))
        return slot->status; /* as cede_fail said */
    return CEDE_ECANCELED;
}

/* Sealed by its recorded cause, not by a kernel: the count is what earlier rounds moved. */
void cedi_req_seal_by_cause(cede_loop *loop, cedi_slot *slot)
{
    seal(loop, slot, cedi_req_reason(slot), 0);
}

/* Sealed by the facts: whatever cause was recorded did not decide the outcome. */
static inline void seal_by_fact(cede_loop *loop, cedi_slot *slot, cede_status status,
                                int32_t os_error)
{
    slot->cause &= CEDI_FAULT(WISH_IS_NOT_TOLD) ? 0 : CEDE_CANCEL_ASKED;
    seal(loop, slot, status, os_error);
}

void cedi_req_seal_by_fact(cede_loop *loop, cedi_slot *slot, cede_status status, int32_t os_error)
{
    seal_by_fact(loop, slot, status, os_error);
}

void cedi_req_ceded(cedi_slot *slot)
{
    move(slot, CEDED);
}

/* Nothing holds it: to the backend's queue, or to the core, which is the kernel of its own
 * operations. */
static void begin(cede_loop *loop, cedi_slot *slot)
{
    if (slot->op == CEDE_OP_NOP) {
        cedi_req_seal_by_fact(loop, slot, CEDE_OK, 0);
        return;
    }
    move(slot, STAGED);
    if (cedi_ops[slot->op].host == CEDI_BACKEND) {
        cedi_list_push(&loop->staged, &slot->link);
        return;
    }
    move(slot, INFLIGHT);
    if (slot->op == CEDE_OP_TIMER && (slot->bits & CEDI_EXPIRED)) {
        slot->count = 0;
        cedi_req_seal_by_fact(loop, slot, CEDE_OK, 0); /* expired while it was held */
    }
}

static CEDI_NOINLINE cede_ticket express_others(cede_loop *loop, cedi_slot *slot)
{
    slot->u.since_ms = cedi_stamp_ms(loop);
    begin(loop, slot);
    return cedi_slot_ticket(slot);
}

/* All in one, because a post to oneself is a common thing. */
cede_ticket cedi_req_express(cede_loop *loop, cede_req *req, cede_done *done, const char *where)
{
    cedi_slot *slot = cedi_slot_of(loop->free.next);
    loop->free.next = slot->link.next;
    loop->counts.submitted++;
    cedi_slot_fill(slot, req, done, where);
    slot->holds = CEDI_BARE;
    cedi_slot_mark_taken(slot);
    if (slot->op != CEDE_OP_NOP)
        return express_others(loop, slot);
    move(slot, READY);
    slot->status = CEDE_OK;
    slot->u.os_error = 0;
    cedi_slot_deliverable(loop, slot);
    return cedi_slot_ticket(slot);
}

void cedi_req_start(cede_loop *loop, cedi_slot *slot)
{
    if (slot->holds & CEDI_HOLDS)
        move(slot, HELD);
    else
        begin(loop, slot);
}

void cedi_req_stage(cede_loop *loop, cedi_slot *slot)
{
    bool held = slot->holds & CEDI_HOLDS;
    move(slot, held ? HELD : STAGED);
    if (CEDI_LIKELY(!held))
        cedi_list_push(&loop->staged, &slot->link);
}

void cedi_req_unhold(cede_loop *loop, cedi_slot *slot, uint8_t hold)
{
    slot->holds &= (uint8_t)~hold;
    if (slot->state == HELD && !(slot->holds & CEDI_HOLDS))
        begin(loop, slot);
}

void cedi_req_taken(cede_loop *loop, cedi_slot *slot)
{
    move(slot, INFLIGHT);
    loop->inflight++;
    slot->bits &= (uint8_t)~CEDI_POLL;
}

void cedi_req_untaken(cede_loop *loop, cedi_slot *slot)
{
    move(slot, STAGED);
    loop->inflight--;
    slot->link.prev = &loop->staged;
    slot->link.next = loop->staged.next;
    loop->staged.next->prev = &slot->link;
    loop->staged.next = &slot->link;
}

/* Fails before it ever started: bad input, no room, or a follower whose link broke. */
void cedi_req_refuse(cede_loop *loop, cedi_slot *slot, cede_status status, uint8_t by)
{
    if (status == CEDE_EENDED)
        slot->refusals = cedi_scope_count_refusal(loop, slot);
    slot->cause = by;
    slot->count = 0;
    seal(loop, slot, status, 0);
}

/* ---- Causes --------------------------------------------------------------------------------- */

/* Whether it has been heard; if not, it is asked again. */
static bool ask_backend(cede_loop *loop, cedi_slot *slot)
{
    int answer;
    loop->counts.cancels_sent++;
    if (slot->tries < UINT8_MAX)
        slot->tries++;
    answer = loop->backend->cancel(loop->self, cedi_slot_token(slot));
    if (CEDI_FAULT(DONE_ON_CANCEL) ||
        (CEDI_FAULT(DEADLINE_LEAVES_IO) && (slot->cause & CEDE_BY_DEADLINE)))
        cedi_req_seal_by_cause(loop, slot);
    if (answer == CEDE_CANCEL_AGAIN && !CEDI_FAULT(CANCEL_LOST_WHEN_FULL))
        cedi_req_cancel_again(loop, slot); /* unless it was reported in the call */
    return !(slot->holds & CEDI_AGAIN);
}

void cedi_req_cancel_again(cede_loop *loop, cedi_slot *slot)
{
    if (slot->state != CANCELLING || (slot->holds & CEDI_AGAIN) || CEDI_FAULT(NOT_FOUND_ENDS_WISH))
        return;
    loop->counts.cancels_again++;
    slot->holds |= CEDI_AGAIN;
    cedi_list_push(&loop->again, &slot->link);
}

/* Takes it off the queue that it waits in, if it does. */
static void withdraw(cedi_slot *slot)
{
    if (slot->state == STAGED || (slot->holds & (CEDI_HOLD_PARK | CEDI_HOLD_POOL)))
        cedi_list_remove(&slot->link);
    if (slot->holds & CEDI_HOLD_LINK) {
        cedi_slot_of(slot->link.prev)->follower = 0; /* its predecessor forgets it */
        slot->holds &= (uint8_t)~CEDI_HOLD_LINK;
    }
    slot->holds &= (uint8_t) ~(CEDI_HOLD_PARK | CEDI_HOLD_POOL);
}

void cedi_req_end(cede_loop *loop, cedi_slot *slot, uint8_t by)
{
    if (slot->op == CEDE_OP_CLOSE && !CEDI_FAULT(CLOSE_IS_CANCELLED))
        return;
    if (slot->state == READY)
        return; /* no cause moves a close; a sealed outcome is the truth (laws 7, 10) */
    if (slot->op == CEDE_OP_SCOPE && (slot->bits & CEDI_ENDED))
        return; /* sealed too, it only waits for its handles' closes (1b: Scopes) */
    slot->cause |= CEDE_CANCEL_ASKED;
    if (CEDI_FAULT(LAST_CAUSE_WINS) && (slot->cause & CEDE_BY_ANY))
        slot->cause = by | CEDE_CANCEL_ASKED;
    if (slot->cause & CEDE_BY_ANY)
        return; /* the first cause counts, and its wish stands */
    slot->cause |= by;
    if (slot->op == CEDE_OP_TIMER)
        slot->count = 0;
    if (slot->state == HELD || slot->state == STAGED) {
        withdraw(slot);
        cedi_req_seal_by_cause(loop, slot);
        return;
    }
    move(slot, CANCELLING);
    slot->tries = 0;
    if (slot->bits & CEDI_TIMED)
        cedi_wheel_remove(loop, slot);
    if (slot->op == CEDE_OP_SCOPE)
        cedi_scope_end(loop, slot);
    else if (cedi_ops[slot->op].host == CEDI_CORE)
        cedi_req_seal_by_cause(loop, slot);
    else if (!ask_backend(loop, slot))
        loop->again_at = loop->again_step_ns = 0; /* a full queue: next turn */
    else
        loop->again_step_ns = 0; /* what the answers to this one are, is not known yet */
}

void cedi_req_expired(cede_loop *loop, cedi_slot *slot)
{
    if (!(slot->bits & CEDI_BY_TIMER)) {
        cedi_req_end(loop, slot, CEDE_BY_DEADLINE);
        return;
    }
    slot->bits &= (uint8_t)~CEDI_BY_TIMER;
    if (slot->state == INFLIGHT) {
        slot->count = 0;
        cedi_req_seal_by_fact(loop, slot, CEDE_OK, 0);
        return;
    }
    slot->bits |= CEDI_EXPIRED;
    if (slot->count != CEDE_FOREVER) { /* held: now its deadline counts */
        slot->expiry_ns = slot->count;
        cedi_wheel_add(loop, slot);
    }
}

/* Asks once for each that is on the list now. Returns whether some were heard and others not: then
 * the backend's queue has room by and by, and there is no reason to back off. */
bool cedi_req_retry_cancels(cede_loop *loop, unsigned most)
{
    unsigned heard = 0, unheard = 0;
    cedi_link now;
    cedi_list_init(&now);
    cedi_list_append(&now, &loop->again);
    while (most-- && !cedi_list_empty(&now)) {
        cedi_slot *slot = cedi_slot_of(now.next);
        cedi_list_remove(&slot->link);
        slot->holds &= (uint8_t)~CEDI_AGAIN;
        if (ask_backend(loop, slot))
            heard++;
        else
            unheard++;
    }
    cedi_list_append(&now, &loop->again); /* those not asked yet come first, next time */
    cedi_list_append(&loop->again, &now);
    return heard && unheard;
}

void cedi_req_starve(cede_loop *loop)
{
    cedi_link *link = loop->staged.next;
    while (link != &loop->staged && cedi_slot_of(link)->op == CEDE_OP_CLOSE)
        link = link->next; /* a close cannot fail for want of room: it keeps trying (law 10) */
    if (link == &loop->staged)
        return;
    withdraw(cedi_slot_of(link));
    cedi_req_seal_by_fact(loop, cedi_slot_of(link), CEDE_EAGAIN, 0);
}

/* ---- From the kernel ------------------------------------------------------------------------ */

static void park(cede_loop *loop, cedi_slot *slot)
{
    move(slot, HELD);
    slot->holds |= CEDI_HOLD_PARK;
    cedi_list_push(&loop->parked, &slot->link);
    loop->parks++;
}

/* Until there is a buffer, or one of its own was given back; of a closed pool it has no more. */
static void wait_for_buffer(cede_loop *loop, cedi_slot *slot)
{
    move(slot, HELD);
    slot->holds |= CEDI_HOLD_POOL;
    cedi_pool_wait(slot);
    if (cedi_pool_is_shut(slot))
        cedi_req_end(loop, slot, CEDE_BY_CLOSE);
}

/* Work remains: begin anew, unless a cause is recorded (1b: Life). */
void cedi_req_restart(cede_loop *loop, cedi_slot *slot, cede_status why, int32_t os_error)
{
    if (slot->cause & CEDE_BY_ANY) {
        cedi_req_seal_by_cause(loop, slot);
        return;
    }
    if (why == CEDE_REPORT_POOL || (slot->op == CEDE_OP_RECV_MANY && !cedi_pool_has_credit(slot))) {
        wait_for_buffer(loop, slot);
        return;
    }
    loop->counts.restarted++;
    if (why == CEDE_OK)
        slot->tries = 0; /* it went on: what found no room before is over */
    if (why == CEDE_REPORT_PARK) {
        if (cedi_waits_for_nobody(loop, slot)) {
            cedi_req_seal_by_fact(loop, slot, CEDE_EAGAIN, os_error);
            return;
        }
        park(loop, slot);
        return;
    }
    if (why == CEDE_REPORT_POLL && cedi_polls_in_vain(slot)) {
        park(loop, slot);
        return;
    }
    if ((slot->tries & CEDI_POLLS) == CEDI_POLLS)
        loop->parks++; /* what it says is no reason to look again, for nobody */
    if (why == CEDE_REPORT_POLL)
        slot->bits |= CEDI_POLL;
    move(slot, STAGED);
    cedi_list_push(&loop->staged, &slot->link);
}

/* The kernel has let go of it. */
void cedi_req_over(cede_loop *loop, cedi_slot *slot)
{
    CEDI_MUST(slot->state == INFLIGHT || slot->state == CANCELLING, slot);
    loop->inflight--;
}

/* A report that decides: it is over, and this came of it, whatever cause was recorded. */
void cedi_req_reported_ok(cede_loop *loop, cedi_slot *slot, uint64_t count)
{
    CEDI_MUST(slot->state == INFLIGHT || slot->state == CANCELLING, slot);
    loop->inflight--;
    slot->count = count;
    seal_by_fact(loop, slot, CEDE_OK, 0);
}

/* The core itself reports: a pend that was completed, unless a cause came first, ... */
void cedi_req_completed_pend(cede_loop *loop, cedi_slot *slot, cede_status status, uint64_t count)
{
    if (slot->state == READY)
        return;
    if (slot->state != INFLIGHT)
        withdraw(slot); /* completed before its turn in a chain came */
    slot->count = count;
    cedi_req_seal_by_fact(loop, slot, status, 0);
}

/* ... and a scope whose last member has returned; its cause is its reason. */
void cedi_req_completed_scope(cede_loop *loop, cedi_slot *slot, cede_status status)
{
    seal(loop, slot, status, 0);
}

/* The system's close was made, or there was nothing to close. From HELD (nothing was pending, and
 * a borrowed descriptor needs no system call) or INFLIGHT. */
void cedi_req_close_over(cede_loop *loop, cedi_slot *slot, cede_status status, int32_t os_error)
{
    uint32_t entry = slot->at.on.entry;
    slot->at.on.entry = 0;
    slot->holds = 0;
    cedi_req_seal_by_fact(loop, slot, status, os_error);
    cedi_entry_free(entry);
}

/* ---- Back to the caller --------------------------------------------------------------------- */

/* The one place where a done is called: with the result of a bare slot (`joined` is NULL), or with
 * that of another, or of an orphan. What a bare slot has to tell is copied as it stands, in one
 * piece, because a result put together from parts has to wait for each to reach the cache. */
static inline void call(cede_loop *loop, cede_done *done, cede_req *req, const cedi_slot *slot,
                        const cede_result *joined)
{
    static const cede_result nothing; /* a no-op's */
    loop->counts.delivered++;
    req->seal_ = CEDI_FAULT(SUBMIT_KEEPS_ALL) ? CEDI_PREPARED : CEDI_RETURNED;
    if (joined) {
        done(req, *joined); /* req is the callee's from here */
    } else if (slot->op == CEDE_OP_NOP) {
        done(req, nothing);
    } else {
        cede_result result = {.flags = slot->cause};
        memcpy(&result, &slot->outcome, sizeof slot->outcome);
        done(req, result);
    }
    if (CEDI_FAULT(DONE_TWICE) && (slot->cause & CEDE_BY_WISH))
        done(req, nothing);
}

static CEDI_NOINLINE void deliver_joined(cede_loop *loop, cedi_slot *slot)
{
    cede_req *req = slot->req;
    cede_result result;
    if (CEDI_UNLIKELY(loop->items) && cedi_ops[slot->op].shape == CEDI_MANY)
        cedi_items_flush(loop, slot);
    result = (cede_result){.status = slot->status,
                           .os_error = slot->u.os_error,
                           .count = slot->count,
                           .flags = slot->cause};
    loop->background -= slot->bits & CEDI_BACKGROUND;
    cedi_conclude(loop, slot, &result);
    move(slot, IDLE);
    cedi_slot_retire(loop, slot);
    call(loop, slot->done, req, slot, &result);
    if (slot->scope)
        cedi_scope_returned(loop, slot->scope);
    cedi_slot_recycle(loop, slot);
}

/* Of what deliver_joined does, what a plain transfer needs. */
static inline void deliver_transfer(cede_loop *loop, cedi_slot *slot)
{
    cede_req *req = slot->req;
    const cede_result result = cedi_transfer_conclude(loop, slot);
    move(slot, IDLE);
    cedi_slot_retire_plain(slot);
    call(loop, slot->done, req, slot, &result);
    cedi_slot_recycle_plain(loop, slot);
}

/* With a frame that the caller has put on the loop. */
static inline void deliver(cede_loop *loop, cedi_slot *slot, cedi_frame *frame)
{
    frame->slot = slot;
    cedi_list_remove(&slot->link);
    loop->ready_count--;
    if (!(slot->holds & CEDI_BARE)) {
        if (cedi_transfer_is_plain(slot))
            deliver_transfer(loop, slot);
        else
            deliver_joined(loop, slot);
        return;
    }
    move(slot, IDLE);
    cedi_slot_retire_plain(slot);
    call(loop, slot->done, slot->req, slot, NULL);
    cedi_slot_recycle_plain(loop, slot);
}

void cedi_req_deliver(cede_loop *loop, cedi_slot *slot)
{
    cedi_frame frame = {.outer = loop->frame};
    loop->frame = &frame;
    deliver(loop, slot, &frame);
    loop->frame = frame.outer;
}

static void deliver_orphan(cede_loop *loop, cede_req *req)
{
    const uint64_t *words = req->args_.words;
    cede_done *done = (cede_done *)(uintptr_t)words[CEDI_ORPHAN_DONE];
    cedi_slot *scope = cedi_slot_find((uint32_t)words[CEDI_ORPHAN_SCOPE]);
    cede_result result = {.status = (cede_status)(uint32_t)words[CEDI_ORPHAN_STATUS],
                          .os_error = (int32_t)(words[CEDI_ORPHAN_STATUS] >> 32),
                          .flags = (uint32_t)words[CEDI_ORPHAN_FLAGS]};
    const cedi_slot shown = {.scope = scope ? scope->id : 0,
                             .at.scope.active = cedi_joins_orphan(req), /* for wait.c */
                             .refusals = (uint16_t)(words[CEDI_ORPHAN_SCOPE] >> 32),
                             .op = req->op_};
    cedi_frame frame = {.outer = loop->frame, .slot = &shown};
    if (words[CEDI_ORPHAN_ENTRY])
        cedi_handle_left(loop, (uint32_t)words[CEDI_ORPHAN_ENTRY]);
    if (req->op_ != CEDE_OP_NOP) /* a post has come another way */
        result.buffer = (void *)(uintptr_t)req->deadline_ns_;
    if (scope) {
        result.scope = cedi_slot_ticket(scope);
        scope->count++;
    }
    loop->frame = &frame;
    call(loop, done, req, &shown, &result);
    if (scope)
        cedi_scope_returned(loop, scope->id);
    loop->frame = frame.outer;
}

/* See orphan.c: the one behind `before`, or the first. Whether it was its turn. */
bool cedi_req_deliver_orphan(cede_loop *loop, cede_req *before)
{
    cede_req *req = cedi_orphan_take(loop, before);
    if (req)
        deliver_orphan(loop, req);
    return req;
}

int64_t cedi_req_deliver_some(cede_loop *loop, uint64_t most)
{
    int64_t count = 0;
    cedi_frame frame;
    uint64_t orphans = loop->orphan_count; /* those that come back meanwhile keep */
    frame.outer = loop->frame;
    frame.item = false;
    loop->frame = &frame;
    for (; most; most--) {
        cedi_slot *slot = cedi_slot_of(loop->ready.next);
        if (CEDI_UNLIKELY(loop->items)) {
            loop->frame = frame.outer;
            cedi_item_deliver(loop);
            loop->frame = &frame;
            count++;
            if (cedi_stop_asked(loop))
                break;
            continue;
        }
        if (cedi_list_empty(&loop->ready))
            break;
        if (CEDI_UNLIKELY(slot->op == CEDE_OP_SCOPE) && cedi_scope_put_aside(loop, slot))
            continue;
        deliver(loop, slot, &frame);
        count++;
        if (cedi_stop_asked(loop))
            break;
    }
    loop->frame = frame.outer;
    for (; CEDI_UNLIKELY(orphans) && loop->orphans && !cedi_stop_asked(loop); orphans--)
        count += cedi_req_deliver_orphan(loop, NULL);
    return count;
}
