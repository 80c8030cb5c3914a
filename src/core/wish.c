/*
 * Wishes: cancel, fail, complete, from any thread; extend, from the loop's.
 *
 * On the loop's own thread a wish takes effect in the call. From another it becomes two bits in the
 * slot's word, set by a compare-and-swap with the generation, so that a stale ticket can never
 * reach a successor; the slot then travels through the loop's inbox by a link of its own. Nothing
 * is allocated, nothing blocks, nothing can be lost: until the loop has looked, the bits stand.
 *
 * One wish at a time stands in a word. That is enough: whichever came first is the one that counts
 * (law 7), and what comes second while it is under way would do nothing; but it goes its own way as
 * long as the first may not be in the inbox (CEDI_SENT says that it is): second.c.
 *
 * A thread may be interrupted between the word and the link, and the slot be used again meanwhile:
 * then its link travels for nobody. So the word says whether the link carries what stands in it
 * (CEDI_LINKED); who finds the link taken goes by second.c; and a slot whose link is seen to travel
 * when its request is over is not used again before it has arrived.
 *
 * A fail and a complete carry a payload. Its writer first claims the word (CEDI_WRITING), writes,
 * and then makes the wish visible; a slot that is delivered meanwhile waits for it as a zombie. A
 * wish takes effect when it arrives, so that each thread's order holds, and not when its bits are
 * seen; one that overtakes its submission (by another thread, which had the ticket early) is marked
 * and takes effect when the submission is taken.
 */
#include "second.h"

#define END UINT32_C(0xfffffffe)
#ifndef CEDI_PATIENCE      /* a test may want few */
#define CEDI_PATIENCE 200u /* looks at what another thread does in a few instructions */
#endif

/* ---- From another thread -------------------------------------------------------------------- */

static bool take_link(cedi_slot *slot)
{
    uint32_t zero = 0;
    return atomic_compare_exchange_strong(&slot->inbox, &zero, END);
}

/* The link, which is the caller's, goes to the loop that has the slot. */
static void travel(cedi_slot *slot)
{
    do {
        cede_loop *loop = cedi_slot_loop(slot);
        if (loop && cedi_inbox_push(loop, CEDI_NODE_WISH, slot->id))
            return;
        /* The loop closed meanwhile, so what it carried is stale; but the slot may have a new owner
         * by now, which has seen the link taken, and waits for it. */
        atomic_store(&slot->inbox, 0);
    } while (cedi_slot_loop(slot) && take_link(slot));
}

/* What stands in the word goes with the link that the caller has, whosever wish it is: it was there
 * before the link was sent. */
static void carry(cedi_slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    while ((word & CEDI_WISH) && !(word & CEDI_LINKED) &&
           !atomic_compare_exchange_weak(&slot->word, &word, word | CEDI_LINKED))
        ;
}

/* A wish is on its way, so that who comes later may rely on it. */
static void sent(cedi_slot *slot, cede_ticket ticket)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    while (word >> CEDI_GENERATION == ticket.generation && (word & (CEDI_WISH | CEDI_WRITING)) &&
           !(word & CEDI_SENT)) {
        if (atomic_compare_exchange_weak(&slot->word, &word, word | CEDI_SENT))
            return;
    }
}

/* A wish that stands in the word. The link may be taken by a thread that was interrupted with it,
 * or by what it sent; it waits only if 64 records were needed for the like, and no loop has looked
 * since. */
static void dispatch(cedi_slot *slot, const cedi_second *wish)
{
    cede_loop *loop = cedi_slot_loop(slot);
    for (;;) {
        if (take_link(slot)) {
            carry(slot);
            travel(slot);
            break;
        }
        if (!loop || cedi_second_send(loop, wish))
            break;
        cede_os_yield();
    }
    sent(slot, wish->ticket);
}

/* Whether another thread, which is in the middle of a wish, is through. */
static bool is_through(const cedi_slot *slot, cede_ticket ticket)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    return word >> CEDI_GENERATION != ticket.generation || (word & CEDI_SENT) ||
           !(word & (CEDI_WISH | CEDI_WRITING));
}

/* What this thread sends next must not overtake its wish, though another's came before, and its
 * thread is in the middle of it: not before that is in the inbox. If that thread was interrupted
 * there, this wish goes its own way; it waits as above. */
static void follow(cedi_slot *slot, const cedi_second *wish, uint64_t word)
{
    cede_loop *loop = cedi_slot_loop(slot);
    if (loop && !CEDI_FAULT(SECOND_RELIES)) {
        for (unsigned looks = 0; looks < CEDI_PATIENCE; looks++) {
            if (is_through(slot, wish->ticket))
                return;
        }
        while (!cedi_second_send(loop, wish)) {
            if (is_through(slot, wish->ticket))
                return;
            cede_os_yield();
        }
    }
    /* One that overtakes its submission stands nowhere as long as the other's cannot be seen. */
    if (word & (CEDI_WISH | CEDI_TAKEN))
        sent(slot, wish->ticket);
}

/* Sets bits in the word of a ticket that is not stale and carries no wish yet; if it does, sees to
 * it that this one comes in its turn, too. */
static bool claim(cedi_slot *slot, const cedi_second *wish, uint64_t bits)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    do {
        if (word >> CEDI_GENERATION != wish->ticket.generation && !CEDI_FAULT(STALE_CANCEL_HITS))
            return false;
        if (word & (CEDI_WISH | CEDI_WRITING)) {
            if (!(word & CEDI_SENT))
                follow(slot, wish, word);
            return false;
        }
    } while (!atomic_compare_exchange_weak(&slot->word, &word, word | bits));
    return true;
}

/* The payload is written: the wish becomes visible, unless the request was delivered meanwhile. */
static void written(cedi_slot *slot, const cedi_second *wish)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    uint64_t want;
    do {
        want = (word & ~CEDI_WRITING) | (word & CEDI_ZOMBIE ? 0 : wish->wish);
    } while (!atomic_compare_exchange_weak(&slot->word, &word, want));
    dispatch(slot, wish);
}

static void cancel_remote(cedi_slot *slot, cede_ticket ticket)
{
    const cedi_second wish = {.ticket = ticket, .wish = CEDI_WISH_CANCEL};
    if (claim(slot, &wish, CEDI_WISH_CANCEL))
        dispatch(slot, &wish);
}

/* ---- On the loop's thread ------------------------------------------------------------------- */

static void fail_scope(cede_loop *loop, cedi_slot *slot, cede_status why)
{
    if (cedi_req_is_pending(slot) && (!cedi_scope_is_ending(slot) || CEDI_FAULT(LAST_REASON_WINS)))
        slot->status = why;
    cedi_req_end(loop, slot, CEDE_BY_WISH);
}

static void cancel_local(cede_loop *loop, cedi_slot *slot)
{
    if (slot->op == CEDE_OP_SCOPE)
        fail_scope(loop, slot, CEDE_ECANCELED);
    else
        cedi_req_end(loop, slot, CEDE_BY_WISH);
}

void cedi_wish_apply(cede_loop *loop, cedi_slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    switch (word & CEDI_WISH) {
    case CEDI_WISH_CANCEL:
        cancel_local(loop, slot);
        break;
    case CEDI_WISH_FAIL:
        fail_scope(loop, slot, slot->at.scope.why);
        break;
    case CEDI_WISH_COMPLETE:
        cedi_req_completed_pend(loop, slot, slot->at.pend.status, slot->at.pend.count);
        break;
    default:
        return;
    }
    (void)atomic_fetch_and_explicit(
        &slot->word, ~(CEDI_WISH | CEDI_EARLY | CEDI_SENT | CEDI_LINKED), memory_order_acq_rel);
}

void cedi_wish_arrived(cede_loop *loop, cedi_slot *slot)
{
    /* Before the link is free: until then nobody else can say that it carries what stands there. */
    uint64_t word = atomic_load(&slot->word);
    if (CEDI_UNLIKELY(cedi_slot_loop(slot) != loop)) {
        travel(slot); /* it came to a loop that has the memory of the one that it was sent to */
        return;
    }
    atomic_store(&slot->inbox, 0);
    if ((word & (CEDI_ZOMBIE | CEDI_WRITING)) == CEDI_ZOMBIE)
        cedi_slot_revive(loop, slot);
    else if (!(word & CEDI_LINKED) && !CEDI_FAULT(LINK_CARRIES_ALL))
        return;
    else if (word & CEDI_TAKEN)
        cedi_wish_apply(loop, slot);
    else if (word & CEDI_WISH)
        (void)atomic_fetch_or(&slot->word, CEDI_EARLY);
}

/* One that had no link; one that came before it may be here by now, and then this does nothing. */
void cedi_second_arrived(cede_loop *loop, cedi_second wish)
{
    cedi_slot *slot = cedi_slot_find(wish.ticket.id);
    uint64_t word = atomic_load(&slot->word);
    if (cedi_slot_loop(slot) != loop)
        return;
    if ((word & (CEDI_ZOMBIE | CEDI_WRITING | CEDI_LINKED)) == CEDI_ZOMBIE)
        cedi_slot_revive(loop, slot);
    if (word >> CEDI_GENERATION != wish.ticket.generation)
        return;
    if (!(word & CEDI_TAKEN)) { /* it overtook its submission */
        if (word & CEDI_WISH)
            (void)atomic_fetch_or(&slot->word, CEDI_EARLY);
    } else if (wish.wish == CEDI_WISH_FAIL) {
        fail_scope(loop, slot, wish.status);
    } else if (wish.wish == CEDI_WISH_COMPLETE) {
        cedi_req_completed_pend(loop, slot, wish.status, wish.count);
    } else {
        cancel_local(loop, slot);
    }
}

/* Whether the ticket is one of the calling thread's loop, which has taken it. */
static bool is_local(const cedi_slot *slot, cede_ticket ticket, cede_loop **loop)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    cede_loop *home = cedi_slot_loop(slot);
    bool stale = word >> CEDI_GENERATION != ticket.generation && !CEDI_FAULT(STALE_CANCEL_HITS);
    if (!home || stale ||
        atomic_load_explicit(&home->owner, memory_order_relaxed) != cede_os_thread())
        return false;
    cedi_inbox_take(home); /* what this thread sent before comes before */
    *loop = home;
    return atomic_load_explicit(&slot->word, memory_order_acquire) & CEDI_TAKEN;
}

/* ---- The calls ------------------------------------------------------------------------------ */

static void fork_check(const cedi_slot *slot, cede_ticket ticket)
{
    if (CEDI_UNLIKELY(*cede_os_alive() != 1))
        cedi_misuse("law 17: a wish in a forked child",
                    cedi_slot_generation(slot) == ticket.generation ? slot : NULL, NULL);
}

void cede_cancel(cede_ticket ticket)
{
    cedi_slot *slot = cedi_slot_find(ticket.id);
    cede_loop *loop;
    if (!slot)
        return;
    fork_check(slot, ticket);
    if (is_local(slot, ticket, &loop))
        cancel_local(loop, slot);
    else
        cancel_remote(slot, ticket);
}

void cede_fail(cede_ticket ticket, cede_status why)
{
    cedi_slot *slot = cedi_slot_find(ticket.id);
    cede_loop *loop;
    if (ticket.id >> CEDI_TICKET_KIND != CEDI_TICKET_SCOPE || !slot) {
        cede_cancel(ticket);
        return;
    }
    fork_check(slot, ticket);
    if (is_local(slot, ticket, &loop)) {
        fail_scope(loop, slot, why);
    } else {
        const cedi_second wish = {.ticket = ticket, .wish = CEDI_WISH_FAIL, .status = why};
        if (!claim(slot, &wish, CEDI_WRITING))
            return;
        slot->at.scope.why = why;
        written(slot, &wish);
    }
}

void cede_complete(cede_ticket ticket, cede_status status, uint64_t count)
{
    cedi_slot *slot = cedi_slot_find(ticket.id);
    cede_loop *loop;
    if (ticket.id >> CEDI_TICKET_KIND != CEDI_TICKET_PEND || !slot)
        return;
    fork_check(slot, ticket);
    if (is_local(slot, ticket, &loop)) {
        cedi_req_completed_pend(loop, slot, status, count);
    } else {
        const cedi_second wish = {ticket, CEDI_WISH_COMPLETE, status, count};
        if (!claim(slot, &wish, CEDI_WRITING))
            return;
        slot->at.pend.status = status;
        slot->at.pend.count = count;
        written(slot, &wish);
    }
}

/* A timer is on the wheel by whichever comes first, its expiry or its deadline (slot->count). One
 * that has expired while it was held stays so, wherever the wheel has it. */
static void extend_timer(cede_loop *loop, cedi_slot *slot, uint64_t expiry)
{
    if (expiry <= slot->count) {
        slot->bits |= CEDI_BY_TIMER;
        cedi_wheel_move(loop, slot, expiry);
    } else {
        slot->bits &= (uint8_t)~CEDI_BY_TIMER;
        cedi_wheel_move(loop, slot, slot->count);
    }
}

/* The usual case: what is moved is the only time that the request has. */
static void extend_one(cede_loop *loop, cedi_slot *slot, uint64_t in_ns)
{
    if (slot->op == CEDE_OP_TIMER)
        slot->bits |= CEDI_BY_TIMER;
    cedi_wheel_move_in(loop, slot, in_ns);
}

void cede_extend(cede_ticket ticket, uint64_t in_ns)
{
    cedi_slot *slot = cedi_slot_find(ticket.id);
    cede_loop *loop;
    uint64_t at, word;
    if (!slot || CEDI_FAULT(EXTEND_DOES_NOTHING))
        return;
    word = atomic_load_explicit(&slot->word, memory_order_acquire);
    if (word >> CEDI_GENERATION != ticket.generation || !(loop = cedi_slot_loop(slot)))
        return;
    cedi_guard(loop, "extend");
    if (CEDI_UNLIKELY(!(word & CEDI_TAKEN)) && !cedi_ticket_slot(loop, ticket))
        return;
    if (slot->op == CEDE_OP_CLOSE)
        return;
    if (!cedi_req_is_pending(slot) || (slot->cause & CEDE_BY_ANY))
        return;
    if (in_ns != CEDE_FOREVER && (slot->op != CEDE_OP_TIMER || slot->count == CEDE_FOREVER)) {
        extend_one(loop, slot, in_ns);
        return;
    }
    at = in_ns == CEDE_FOREVER ? CEDE_FOREVER : cedi_add(cedi_clock(loop), in_ns);
    if (slot->op == CEDE_OP_TIMER)
        extend_timer(loop, slot, at);
    else
        cedi_wheel_move(loop, slot, at);
}
