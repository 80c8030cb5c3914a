/*
 * Loop close: ends everything, waits until the kernel has let go of every byte, then frees (law
 * 11).
 *
 * The order is what keeps memory safe: causes to every request; turns and deliveries until none is
 * left (each delivered by its own report, never by assumption); handles; the door for other
 * threads; and only then the backend, because tearing down a ring does not stop the kernel's writes
 * (measured: in 20 of 20 rounds it went on).
 */
#include "core.h"

static void end_all(cede_loop *loop)
{
    for (cedi_chunk *chunk = cedi_slot_chunks(loop); chunk; chunk = chunk->next) {
        for (uint32_t i = 0; i < CEDI_CHUNK_SLOTS; i++) {
            cedi_slot *slot = &chunk->slots[i];
            uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
            if ((word & CEDI_TAKEN) && cedi_req_is_pending(slot))
                cedi_req_end(loop, slot, CEDE_BY_LOOP);
        }
    }
}

/* But for what other threads may be sending. So nothing is with the backend either: what it has is
 * a request or a drop. */
static bool nothing_left(const cede_loop *loop)
{
    return loop->counts.submitted == loop->counts.delivered && loop->dropping == 0 &&
           loop->zombies == 0;
}

static bool drained(const cede_loop *loop)
{
    return nothing_left(loop) && cedi_inbox_empty(loop);
}

static cede_status drain(cede_loop *loop, uint64_t until)
{
    bool dropped = false;
    for (;;) {
        cede_status status;
        bool sleeps;
        if (loop->counts.submitted == loop->counts.delivered && !dropped) {
            dropped = true;
            cedi_handle_forget_all(loop);
        }
        if (drained(loop) || CEDI_FAULT(CLOSE_DOES_NOT_DRAIN)) {
            if (cedi_inbox_close(loop))
                return CEDE_OK;
            continue;
        }
        if (loop->zombies)
            cede_os_yield(); /* another thread is inside cede_fail or cede_complete */
        /* What the turn takes from the inbox may have been all that was left, and a wish that does
         * nothing: nobody would end a sleep after that. */
        sleeps = !loop->zombies && !nothing_left(loop);
        status = cedi_turn(loop, sleeps ? until : 0, 0);
        if (status)
            return status;
        while (loop->ready_count || loop->orphan_count) {
            (void)cedi_req_deliver_some(loop, loop->ready_count);
            dropped = false; /* a callback may have opened something */
        }
        if (until != CEDE_FOREVER && (until == 0 || cedi_clock(loop) >= until) && !drained(loop))
            return CEDE_EDEADLINE;
    }
}

cede_status cede_loop_close(cede_loop *loop, uint64_t at_most_ns)
{
    uint64_t until = at_most_ns;
    cede_status status;
    cedi_guard(loop, "close");
    if (loop->frame)
        cedi_misuse_inside(loop, "law 17: loop close inside a callback");
    if (loop->turning)
        cedi_misuse("law 17: loop close inside the loop's own turn (an APC, a hook)", NULL, NULL);
    cedi_bind(loop);
    cedi_inbox_take(loop); /* what was sent before is ended, not refused */
    loop->closing = true;
    loop->express = loop->transfers = 0;
    if (until != 0 && until != CEDE_FOREVER)
        until = cedi_add(cedi_clock(loop), at_most_ns);
    end_all(loop);
    status = drain(loop, until);
    if (status) {
        cedi_say_pending(loop, "cede: loop close waits for");
        return status;
    }
    atomic_store(&loop->open, 0);
    while (atomic_load(&loop->wakers)) /* a thread that is inside wake */
        cede_os_yield();
    CEDI_MUST(loop->inflight == 0 || CEDI_FAULT(CLOSE_DOES_NOT_DRAIN), NULL);
    cedi_pools_left(loop);
    loop->backend->close(loop->self);
    cedi_slot_return_chunks(loop);
    cedi_loop_retire(loop);
    return CEDE_OK;
}
