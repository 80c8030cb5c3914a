/*
 * What is pending on a handle, and in which order (law 14).
 *
 * An entry keeps three lists of slots: free ones (positioned I/O, fsync, pins of copies), inbound
 * and outbound ones of streams and file positions. On the latter two the list is the order: the
 * first that is not sealed runs, those behind it are HELD. What is linked behind a scope stands
 * among the free ones until it is its turn. A slot stays listed until it is delivered, which is
 * what a close waits for. All on the loop's thread.
 */
#include "core.h"

static bool inwards(const cedi_slot *slot)
{
    unsigned order = cedi_ops[slot->op].order;
    return order == CEDI_IN || order == CEDI_TURN_IN;
}

void cedi_order_join(cedi_slot *slot, uint32_t index)
{
    unsigned which = CEDI_LIST_FREE;
    if (slot->bits & CEDI_ORDERED)
        which = inwards(slot) ? CEDI_LIST_IN : CEDI_LIST_OUT;
    cedi_order_append(slot, cedi_entry_at(index), index, which);
    if (which != CEDI_LIST_FREE)
        cedi_order_hold(slot);
}

/* What is linked behind a scope takes its place when the one before it is over: the scope's
 * members, which may use the same stream, would else wait for it, and it for them. */
void cedi_order_late(cedi_slot *slot)
{
    uint32_t index = slot->at.on.entry;
    if (!(slot->bits & CEDI_LISTED) || !(slot->bits & CEDI_ORDERED) || cedi_order_has(slot) ||
        cedi_req_is_ready(slot))
        return;
    cedi_order_unlist(slot, cedi_entry_at(index));
    cedi_order_join(slot, index);
}

/* Nothing more comes of it on its stream, though it is not sealed: see cede_core_gone. */
static bool is_gone(const cedi_slot *slot)
{
    return slot->op == CEDE_OP_SEND_ZERO_COPY && slot->at.on.gone;
}

/* Held, unless all before it are sealed or gone; those form the front of the list but for requests
 * that ended unstarted, so the walk is short. */
void cedi_order_hold(cedi_slot *slot)
{
    for (uint32_t id = slot->at.on.prev; id; id = cedi_slot_at(id)->at.on.prev) {
        if (cedi_req_is_ready(cedi_slot_at(id)))
            continue;
        if (!is_gone(cedi_slot_at(id)) && !CEDI_FAULT(NO_ORDER))
            slot->holds |= CEDI_HOLD_ORDER;
        return;
    }
}

static void start_next(cede_loop *loop, const cedi_slot *slot)
{
    for (uint32_t id = slot->at.on.next; id; id = cedi_slot_at(id)->at.on.next) {
        cedi_slot *next = cedi_slot_at(id);
        if (!cedi_req_is_ready(next)) {
            cedi_req_unhold(loop, next, CEDI_HOLD_ORDER);
            return;
        }
    }
}

void cedi_order_gone(cede_loop *loop, cedi_slot *slot)
{
    if (slot->at.on.gone || cedi_req_is_ready(slot))
        return;
    slot->at.on.gone = 1;
    cedi_entry_at(slot->at.on.entry)->flags |= CEDI_HAS_GONE;
    start_next(loop, slot);
}

/* One before it is gone and not sealed, so it keeps. */
static bool is_too_early(const cedi_slot *slot)
{
    uint32_t id = slot->at.on.prev;
    while (id && cedi_req_is_ready(cedi_slot_at(id)) &&
           !(cedi_slot_at(id)->holds & CEDI_HOLD_ORDER))
        id = cedi_slot_at(id)->at.on.prev;
    return id && !CEDI_FAULT(TOLD_OUT_OF_TURN);
}

/* Those that kept for it, up to the next that is not sealed. */
static void tell_behind(cede_loop *loop, const cedi_slot *slot)
{
    uint32_t id = slot->at.on.next;
    for (; id && cedi_req_is_ready(cedi_slot_at(id)); id = cedi_slot_at(id)->at.on.next) {
        cedi_slot *next = cedi_slot_at(id);
        if (next->holds & CEDI_HOLD_ORDER) {
            next->holds &= (uint8_t)~CEDI_HOLD_ORDER;
            cedi_slot_deliverable(loop, next);
        }
    }
    if (!id || !is_gone(cedi_slot_at(id)))
        cedi_entry_at(slot->at.on.entry)->flags &= (uint8_t)~CEDI_HAS_GONE;
}

void cedi_order_sealed(cede_loop *loop, cedi_slot *slot)
{
    bool gone_before = cedi_order_list_of(slot) == CEDI_LIST_OUT &&
                       (cedi_entry_at(slot->at.on.entry)->flags & CEDI_HAS_GONE);
    if (cedi_order_list_of(slot) == CEDI_LIST_FREE || (slot->holds & CEDI_HOLD_ORDER)) {
        /* It never was the first: nobody's turn changes. */
        slot->holds &= (uint8_t)~CEDI_HOLD_ORDER;
        cedi_slot_deliverable(loop, slot);
        return;
    }
    if (gone_before && is_too_early(slot)) {
        slot->holds |= CEDI_HOLD_ORDER;
        cedi_list_init(&slot->link);
    } else {
        cedi_slot_deliverable(loop, slot);
        if (gone_before)
            tell_behind(loop, slot);
    }
    start_next(loop, slot);
}

void cedi_order_leave(cede_loop *loop, cedi_slot *slot)
{
    uint32_t index = slot->at.on.entry;
    cedi_order_unlist(slot, cedi_entry_at(index));
    if ((CEDI_PIN_OPS >> slot->op & 1) && slot->at.on.pin) {
        cedi_slot *pin = cedi_slot_at(slot->at.on.pin);
        uint32_t other = pin->at.on.entry;
        cedi_order_unlist(pin, cedi_entry_at(other));
        cedi_slot_retire(loop, pin);
        cedi_slot_recycle(loop, pin);
        if (other != index) /* else the first look below might free what the second looks at */
            cedi_handle_left(loop, other);
    }
    cedi_handle_left(loop, index);
}

/* Of a request that has started all before it are sealed; the first of them that is not delivered,
 * or NULL: also of one that ended unstarted, behind one that is not sealed. */
cedi_slot *cedi_order_before(const cedi_slot *slot)
{
    cedi_slot *first;
    if (!cedi_order_has(slot) || !slot->at.on.prev)
        return NULL;
    first = cedi_slot_at(cedi_entry_at(slot->at.on.entry)->list[cedi_order_list_of(slot)].head);
    return cedi_req_is_ready(first) ? first : NULL;
}

/* ---- What no handle lists ------------------------------------------------------------------- */

void cedi_order_aside(cede_loop *loop, cedi_slot *slot)
{
    slot->bits |= CEDI_LIST_ASIDE << CEDI_LIST_SHIFT;
    slot->at.on.next = loop->aside;
    slot->at.on.prev = 0;
    if (loop->aside)
        cedi_slot_at(loop->aside)->at.on.prev = slot->id;
    loop->aside = slot->id;
}

void cedi_order_leave_aside(cede_loop *loop, cedi_slot *slot)
{
    if (slot->at.on.next)
        cedi_slot_at(slot->at.on.next)->at.on.prev = slot->at.on.prev;
    if (slot->at.on.prev)
        cedi_slot_at(slot->at.on.prev)->at.on.next = slot->at.on.next;
    else
        loop->aside = slot->at.on.next;
    slot->bits &= (uint8_t) ~(CEDI_LIST_ASIDE << CEDI_LIST_SHIFT);
}

static bool names(const cedi_slot *slot, cede_handle handle)
{
    const cede_spawn *how = NULL;
    bool found = false;
    cedi_check_touch(slot, true, false);
    if (slot->op == CEDE_OP_SPAWN)
        how = slot->req->args_.spawn.how;
    else
        found = slot->req->handle_ == handle;
    cedi_check_touch(slot, false, false);
    for (unsigned i = 0; i < 3 && how; i++) /* NULL: it was refused */
        found |= how->stdio[i] == handle;
    return found;
}

bool cedi_order_aside_names(const cede_loop *loop, cede_handle handle)
{
    uint32_t id = loop->aside;
    while (id && !names(cedi_slot_at(id), handle))
        id = cedi_slot_at(id)->at.on.next;
    return id;
}
