/*
 * cede_wait: runs until one request's done has returned, and calls only that done and those that
 * another law puts before it (law 9).
 *
 * Which those are is asked of each ready request: does a way of must-come-first lead from it to the
 * awaited one? The edges: a member to its scope, a request to the next in its chain, to the next in
 * its handle's order, to the close of its handle, and to the scope that owns its handle. The same
 * question about the callbacks on the stack tells whether waiting would wait for the caller.
 *
 * The search marks what it has seen (CEDI_MARK in slot.holds), so it takes as long as there are
 * slots to see, however many ways lead to one. It costs no stack, however long a way is: what it
 * has seen and not gone on from stands in a short list, and what finds no room there has a bit in
 * its chunk.
 */
#include "core.h"

/* ---- The search ----------------------------------------------------------------------------- */

#define TRAIL 64u

/* With `mark` it looks for the target, from what is not marked yet; without, and without a target,
 * it takes the marks away again, along the same ways. */
typedef struct search {
    const cedi_slot *target;
    uint8_t mark; /* CEDI_MARK or 0 */
    bool more;    /* some have a bit in their chunk */
    uint32_t count;
    uint32_t trail[TRAIL]; /* slot ids: seen, and not gone on from */
} search;

static cedi_slot *slot_or_null(uint32_t id)
{
    return id ? cedi_slot_at(id) : NULL;
}

/* Whether it is the target; else it is gone on from, once. */
static bool see(search *by, uint32_t id)
{
    cedi_slot *slot = slot_or_null(id);
    if (!slot || (slot->holds & CEDI_MARK) == by->mark)
        return false;
    slot->holds = (uint8_t)((slot->holds & ~CEDI_MARK) | by->mark);
    if (slot == by->target)
        return true;
    if (by->count < TRAIL) {
        by->trail[by->count++] = id;
    } else {
        *cedi_slot_seen(slot) |= CEDI_SEEN_BIT(id);
        by->more = true;
    }
    return false;
}

/* Those that found no room, as many as find some now. */
static void recall(search *by, cede_loop *loop)
{
    by->more = false;
    for (cedi_chunk *chunk = cedi_slot_chunks(loop); chunk; chunk = chunk->next) {
        for (uint32_t i = 0; i < CEDI_CHUNK_SLOTS; i++) {
            uint64_t *word = &chunk->seen[i / 64];
            if (*word == 0) {
                i |= 63;
                continue;
            }
            if (!(*word & CEDI_SEEN_BIT(i)))
                continue;
            if (by->count == TRAIL) {
                by->more = true;
                return;
            }
            *word &= ~CEDI_SEEN_BIT(i);
            by->trail[by->count++] = chunk->slots[i].id;
        }
    }
}

static uint32_t behind(const cedi_slot *slot)
{
    if (CEDI_FAULT(WAIT_SKIPS_ORDER))
        return 0;
    return cedi_order_has(slot) ? slot->at.on.next : 0;
}

static bool see_scope_of(search *by, const cede_req *orphan)
{
    return see(by, (uint32_t)orphan->args_.words[CEDI_ORPHAN_SCOPE]);
}

/* The same of scopes without a slot: whichever of them somebody joined, nobody knows. */
static bool see_orphan_scopes(search *by, const cede_req *list)
{
    for (; list; list = cedi_orphan_next(list)) {
        if (list->op_ == CEDE_OP_SCOPE && see_scope_of(by, list))
            return true;
    }
    return false;
}

/* To the close of a handle that found no slot: it may have joined a scope. */
static bool through_orphan(search *by, const cedi_entry *entry, uint32_t index)
{
    uint64_t word = atomic_load_explicit(&entry->word, memory_order_relaxed);
    const cede_loop *loop = cedi_loop_at((uint32_t)(word & CEDI_ENTRY_MASK));
    const cede_req *close = loop->orphan_closes;
    while (close && close->args_.words[CEDI_ORPHAN_ENTRY] != index)
        close = cedi_orphan_next(close);
    if (!close)
        return false; /* a drop */
    if (!cedi_joins_orphan(close))
        return see_scope_of(by, close);
    return see_orphan_scopes(by, loop->orphans) || see_orphan_scopes(by, loop->orphan_closes);
}

static bool through_handle(search *by, uint32_t index)
{
    const cedi_entry *entry = cedi_entry_at(index);
    if (see(by, entry->close))
        return true;
    if (CEDI_UNLIKELY(entry->flags & CEDI_SHUT) && !entry->close &&
        through_orphan(by, entry, index))
        return true;
    return see(by, entry->owner);
}

static bool through_handles(search *by, const cedi_slot *slot)
{
    if (!(slot->bits & CEDI_LISTED))
        return false;
    if (through_handle(by, slot->at.on.entry))
        return true;
    return (CEDI_PIN_OPS >> slot->op & 1) && slot->at.on.pin &&
           through_handle(by, cedi_slot_at(slot->at.on.pin)->at.on.entry);
}

/* What comes behind it. */
static bool go_on(search *by, const cedi_slot *slot)
{
    return through_handles(by, slot) || see(by, slot->scope) || see(by, slot->follower) ||
           see(by, behind(slot));
}

/* From a slot, or, without one, from what a request without a slot names. */
static bool walk(cede_loop *loop, const cedi_slot *first, uint32_t index, const cedi_slot *target,
                 uint8_t mark)
{
    search by; /* whose trail need not be cleared */
    bool found;
    by.target = target;
    by.mark = mark;
    by.more = false;
    by.count = 0;
    found = first ? see(&by, first->id) : through_handle(&by, index);
    while (!found && by.count > 0) {
        found = go_on(&by, cedi_slot_at(by.trail[--by.count]));
        if (CEDI_UNLIKELY(by.more) && by.count == 0)
            recall(&by, loop);
    }
    while (CEDI_UNLIKELY(by.more)) { /* a bit would mislead the next search */
        by.count = 0;
        recall(&by, loop);
    }
    return found;
}

static bool is_inside(const cedi_slot *slot, const cedi_slot *target)
{
    while (slot && slot != target)
        slot = slot_or_null(slot->scope);
    return slot;
}

/* The first in the order in which the target stands, too. */
static bool leads_order(const cedi_slot *slot, const cedi_slot *target, const cedi_entry *entry)
{
    unsigned which = cedi_order_list_of(slot);
    return cedi_order_has(slot) && cedi_order_has(target) &&
           target->at.on.entry == slot->at.on.entry && cedi_order_list_of(target) == which &&
           entry->list[which].head == slot->id && !CEDI_FAULT(WAIT_SKIPS_ORDER);
}

/* The usual ways, looked at first: a long order need not be walked for each that stands in it. */
static bool is_near(const cedi_slot *slot, const cedi_slot *target)
{
    const cedi_entry *entry;
    if (is_inside(slot, target))
        return true;
    if (!(slot->bits & CEDI_LISTED))
        return false;
    entry = cedi_entry_at(slot->at.on.entry);
    return leads_order(slot, target, entry) || is_inside(slot_or_null(entry->close), target) ||
           is_inside(slot_or_null(entry->owner), target);
}

/* Leaves its marks when it finds nothing, so that the next search passes over what this one saw;
 * forget() takes them away. */
static bool finds(cedi_slot *from, const cedi_slot *target)
{
    return is_near(from, target) || walk(cedi_slot_loop(from), from, 0, target, CEDI_MARK);
}

static void forget(cedi_slot *from)
{
    (void)walk(cedi_slot_loop(from), from, 0, NULL, 0);
}

static bool precedes(cedi_slot *slot, const cedi_slot *target)
{
    bool found = finds(slot, target);
    forget(slot);
    return found;
}

/* For items: of what is awaited itself, too. */
static bool comes_before(cedi_slot *slot, const cedi_slot *target)
{
    return slot == target || precedes(slot, target);
}

/* ---- Waiting -------------------------------------------------------------------------------- */

static bool leads_to(const cede_req *orphan, const cedi_slot *target)
{
    uint32_t scope = (uint32_t)orphan->args_.words[CEDI_ORPHAN_SCOPE];
    if (orphan->op_ != CEDE_OP_SCOPE)
        return false;
    return !target || (scope && precedes(cedi_slot_at(scope), target));
}

/* Whether a scope without a slot comes before the target; NULL: whether there is one at all. It may
 * be that of any member that has no slot. */
static bool orphan_scope_before(const cede_loop *loop, const cedi_slot *target)
{
    for (const cede_req *req = loop->orphans; req; req = cedi_orphan_next(req)) {
        if (leads_to(req, target))
            return true;
    }
    for (const cede_req *req = loop->orphan_closes; req; req = cedi_orphan_next(req)) {
        if (leads_to(req, target))
            return true;
    }
    return false;
}

/* Whether a close without a slot has to wait for its done: it pends on that handle. */
static bool holds_up_orphan(const cede_loop *loop, const cedi_slot *slot)
{
    uint32_t index, other;
    if (!(slot->bits & CEDI_LISTED))
        return false;
    index = other = slot->at.on.entry;
    if ((CEDI_PIN_OPS >> slot->op & 1) && slot->at.on.pin)
        other = cedi_slot_at(slot->at.on.pin)->at.on.entry;
    for (const cede_req *req = loop->orphan_closes; req; req = cedi_orphan_next(req)) {
        uint64_t its = req->args_.words[CEDI_ORPHAN_ENTRY]; /* a scope's: 0 */
        if (its == index || its == other)
            return true;
    }
    return false;
}

/* Whether the callback is that of the ticket: its done (then the ticket is stale), or an item. */
static bool is_of(const cedi_frame *frame, cede_ticket ticket)
{
    return frame->slot->id == (uint32_t)ticket.id &&
           cedi_slot_generation(frame->slot) ==
               ticket.generation + (!frame->item || CEDI_FAULT(ITEM_AWAITS_ITSELF));
}

/* The same of another loop of this thread: its ticket is stale, and its done has not returned. */
static bool runs_elsewhere(const cede_loop *loop, const cedi_slot *target, cede_ticket ticket)
{
    const cede_loop *home = target ? cedi_slot_loop(target) : NULL;
    if (!home || home == loop ||
        atomic_load_explicit(&home->owner, memory_order_relaxed) != cede_os_thread())
        return false;
    for (const cedi_frame *frame = home->frame; frame; frame = frame->outer) {
        if (is_of(frame, ticket))
            return true;
    }
    return false;
}

static bool would_wait_for_itself(const cede_loop *loop, cede_ticket ticket,
                                  const cedi_slot *target)
{
    bool orphan = ticket.id & CEDI_TICKET_ORPHAN;
    for (const cedi_frame *frame = loop->frame; frame; frame = frame->outer) {
        const cedi_slot *slot = frame->slot;
        if (CEDI_FAULT(WAITS_FOR_ITSELF))
            break;
        if (!orphan && is_of(frame, ticket))
            return true;
        if (target && frame->item && !CEDI_FAULT(ITEM_AWAITS_ITSELF) &&
            comes_before((cedi_slot *)(uintptr_t)slot, target))
            return true;
        if (orphan && frame->item && holds_up_orphan(loop, slot))
            return true;
        if (target && slot->scope && precedes(cedi_slot_at(slot->scope), target))
            return true;
        if (slot->at.scope.active && !slot->id && (target || orphan) &&
            orphan_scope_before(loop, target))
            return true;
    }
    return false;
}

static bool is_stale(const cedi_slot *slot, cede_ticket ticket)
{
    return !slot || cedi_slot_generation(slot) != ticket.generation;
}

static void forget_all(cedi_link *from, const cedi_link *end)
{
    for (; from != end; from = from->next)
        forget(cedi_slot_of(from));
}

/* Asked again after each callback and each turn: what makes the caller wait for itself may have
 * come from another thread, with a chain, with a new member. */
static bool is_decided(const cede_loop *loop, const cedi_slot *target, cede_ticket ticket)
{
    return is_stale(target, ticket) ||
           (CEDI_UNLIKELY(loop->frame) && would_wait_for_itself(loop, ticket, target));
}

/* Whether one without a slot comes first: a member of what is awaited, or of such a scope that is,
 * or it names a handle whose close is. */
static bool orphan_precedes(cede_loop *loop, const cede_req *req, const cedi_slot *target)
{
    cedi_slot *scope = slot_or_null((uint32_t)req->args_.words[CEDI_ORPHAN_SCOPE]);
    uint32_t index = (uint32_t)req->args_.words[CEDI_ORPHAN_ENTRY];
    bool found = false;
    if (scope && precedes(scope, target))
        return true;
    if (index) {
        found = walk(loop, NULL, index, target, CEDI_MARK);
        (void)walk(loop, NULL, index, NULL, 0);
    }
    return found || (cedi_joins_orphan(req) && orphan_scope_before(loop, target));
}

static bool orphans_before(cede_loop *loop, const cedi_slot *target, cede_ticket ticket)
{
    uint64_t most = loop->orphan_count;
    cede_req *before = NULL, *req = loop->orphans;
    bool any = false;
    while (req && most-- && !is_decided(loop, target, ticket)) {
        if (!orphan_precedes(loop, req, target)) {
            before = req;
            req = cedi_orphan_next(req);
            continue;
        }
        any |= cedi_req_deliver_orphan(loop, before);
        before = NULL; /* the callback may have waited too */
        req = loop->orphans;
    }
    return any;
}

/* Delivers what must come first, in the order in which it was sealed: of what is ready now, so that
 * callbacks that make others ready do not keep the loop from its turns. Returns whether any was. */
static bool deliver_before(cede_loop *loop, const cedi_slot *target, cede_ticket ticket)
{
    uint64_t most = loop->ready_count;
    bool any = CEDI_UNLIKELY(loop->orphans) && orphans_before(loop, target, ticket);
    while (CEDI_UNLIKELY(loop->items) && !CEDI_FAULT(WAIT_LEAVES_ITEMS) &&
           !is_decided(loop, target, ticket) && most &&
           cedi_items_deliver_one(loop, comes_before, target)) {
        any = true;
        most--;
    }
    cedi_link *from, *link; /* between them: searched in vain */
    from = link = loop->ready.next;
    while (link != &loop->ready && most && !is_stale(target, ticket)) { /* a done may have waited */
        cedi_slot *slot = cedi_slot_of(link);
        uint64_t delivered = loop->counts.delivered;
        cedi_link *before = link->prev;
        cedi_slot *earlier;
        if (!finds(slot, target) && !CEDI_FAULT(WAIT_RUNS_ALL)) {
            link = link->next;
            continue;
        }
        forget_all(from, link->next);
        /* A callback may have led what was searched in vain to the target: not out of its order. */
        earlier = CEDI_FAULT(WAIT_GOES_ON) || CEDI_FAULT(WAIT_SKIPS_ORDER)
                      ? NULL
                      : cedi_order_before(slot);
        if (CEDI_UNLIKELY(earlier)) {
            slot = earlier;
            before = &loop->ready;
        }
        if (!cedi_scope_put_aside(loop, slot)) {
            cedi_req_deliver(loop, slot);
            any = true;
            most = is_decided(loop, target, ticket) ? 0 : most - 1;
        }
        /* What it has made ready stands behind it. If it waited too, begin again: what stood before
         * it may have been delivered, or set aside (then it is linked to itself). */
        if (loop->counts.delivered - delivered > 1 || before->next == before)
            before = &loop->ready;
        from = link = before->next;
    }
    forget_all(from, link);
    return any;
}

static bool is_over(cede_loop *loop, uint64_t until)
{
    return until != CEDE_FOREVER && (until == 0 || cedi_clock(loop) >= until);
}

static cede_status wait_for(cede_loop *loop, const cedi_slot *target, cede_ticket ticket,
                            uint64_t until)
{
    for (bool first = true;; first = false) {
        cede_status status;
        bool any;
        if (!first && is_decided(loop, target, ticket))
            return CEDE_EDEADLK; /* the turn has called nothing, so it is not over */
        any = deliver_before(loop, target, ticket);
        if (is_stale(target, ticket))
            return CEDE_OK;
        if (!first && is_over(loop, until))
            return CEDE_EDEADLINE;
        if (CEDI_UNLIKELY(loop->pools) && !CEDI_FAULT(WAIT_LETS_ALL_GO)) {
            cedi_pools_await(loop, target, comes_before);
            loop->awaited_only = true;
        }
        /* What a callback did may have made others come first. */
        status = cedi_turn(loop, any ? 0 : until, loop->ready_count + loop->orphan_count);
        loop->awaited_only = false;
        if (status)
            return status;
    }
}

/* Of what is ready, what their closes wait for; then these are under way. */
static bool deliver_before_orphans(cede_loop *loop)
{
    uint64_t most = loop->ready_count;
    bool any = false;
    for (cedi_link *link = loop->ready.next; link != &loop->ready && most; most--) {
        cedi_slot *slot = cedi_slot_of(link), *before = cedi_order_before(slot);
        link = link->next;
        if (!holds_up_orphan(loop, slot))
            continue;
        cedi_req_deliver(loop, before ? before : slot); /* law 14: it is ready, being sealed */
        any = true;
        link = loop->ready.next; /* the callback may have waited too */
    }
    return any;
}

/* The refusal ticket names all that have no slot; but for those whose done is on the stack. */
static cede_status wait_for_orphans(cede_loop *loop, cede_ticket ticket, uint64_t until)
{
    for (bool first = true;; first = false) {
        uint64_t most;
        cede_status status;
        bool any;
        cedi_inbox_take(loop);
        if (loop->frame && would_wait_for_itself(loop, ticket, NULL))
            return CEDE_EDEADLK;
        for (most = loop->orphan_count; most-- && loop->orphans;)
            (void)cedi_req_deliver_orphan(loop, NULL);
        any = CEDI_UNLIKELY(loop->orphan_closes) && deliver_before_orphans(loop);
        if (!loop->orphans && !loop->orphan_closes && !loop->late)
            return CEDE_OK;
        if (!first && is_over(loop, until))
            return CEDE_EDEADLINE;
        status = cedi_turn(loop, any ? 0 : until, loop->ready_count);
        if (status)
            return status;
    }
}

static cede_status wait_by_ticket(cede_loop *loop, cede_ticket ticket, uint64_t at_most_ns)
{
    bool orphan = ticket.id & CEDI_TICKET_ORPHAN;
    cedi_slot *target = cedi_slot_find(ticket.id);
    uint64_t until = at_most_ns;
    if (orphan && (uint32_t)ticket.id != loop->id)
        return CEDE_EINVAL;
    if (!orphan) {
        bool stale = is_stale(target, ticket);
        if (would_wait_for_itself(loop, ticket, stale ? NULL : target))
            return CEDE_EDEADLK;
        if (stale)
            return runs_elsewhere(loop, target, ticket) ? CEDE_EDEADLK : CEDE_OK;
        if (cedi_slot_loop(target) != loop)
            return CEDE_EINVAL;
    } else if (would_wait_for_itself(loop, ticket, NULL)) {
        return CEDE_EDEADLK;
    }
    if (until != 0 && until != CEDE_FOREVER)
        until = cedi_add(cedi_clock(loop), at_most_ns);
    return orphan ? wait_for_orphans(loop, ticket, until) : wait_for(loop, target, ticket, until);
}

cede_status cede_wait(cede_loop *loop, cede_ticket ticket, uint64_t at_most_ns)
{
    cede_status status;
    bool running;
    cedi_guard(loop, "wait");
    cedi_bind(loop);
    running = loop->running;
    loop->running = false; /* a stop is for runs */
    status = wait_by_ticket(loop, ticket, at_most_ns);
    loop->running = running;
    return status;
}
