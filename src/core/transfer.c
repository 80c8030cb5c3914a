/*
 * The short way of plain transfers: one piece of memory, a handle that this loop uses already, and
 * no scope, chain, deadline or anything else. That is what servers do all day, and what the long
 * way (submit.c) finds out step by step is found out here before anything is done: if there is more
 * to it, or something is wrong, the long way decides. Checked builds take only that. On the loop's
 * thread.
 */
#include "core.h"

/* Live, bound to this loop and attached, or NULL. A stale handle's word has another generation. */
static inline cedi_entry *in_use(const cede_loop *loop, cede_handle handle)
{
    uint32_t index = (uint32_t)(handle & CEDI_ENTRY_MASK);
    cedi_entry *entry =
        atomic_load_explicit(&cedi_entry_chunks[index >> CEDI_ENTRY_SHIFT], memory_order_acquire);
    uint64_t word = (handle & ~CEDI_ENTRY_MASK) | loop->id;
    if (CEDI_UNLIKELY(!entry || !(handle >> CEDI_ENTRY_BITS & 1)))
        return NULL;
    entry += index & (CEDI_ENTRY_CHUNK - 1);
    if (CEDI_UNLIKELY(atomic_load_explicit(&entry->word, memory_order_acquire) != word ||
                      !(entry->flags & CEDI_ATTACHED)))
        return NULL;
    return entry;
}

cede_ticket cedi_transfer_submit(cede_loop *loop, cede_req *req, cede_done *done, const char *where)
{
    const cedi_op *op = &cedi_ops[req->op_];
    cedi_entry *entry = in_use(loop, req->handle_);
    unsigned which =
        op->order == CEDI_IN || op->order == CEDI_TURN_IN ? CEDI_LIST_IN : CEDI_LIST_OUT;
    cedi_slot *slot;
    if (CEDI_UNLIKELY(!entry || !(op->kinds & entry->kind)))
        return cedi_submit_long(loop, req, done, where);
    if ((op->order == CEDI_IN || op->order == CEDI_OUT) && req->args_.io.offset != CEDE_CURRENT) {
        if (CEDI_UNLIKELY(entry->kind & CEDE_KIND_STREAMS))
            return cedi_submit_long(loop, req, done, where);
        which = CEDI_LIST_FREE;
    }
    slot = cedi_slot_of(loop->free.next);
    loop->free.next = slot->link.next;
    loop->counts.submitted++;
    cedi_slot_fill(slot, req, done, where);
    slot->u.since_ms = cedi_stamp_ms(loop);
    slot->at.on.pin = 0;
    cedi_order_append(slot, entry, (uint32_t)(req->handle_ & CEDI_ENTRY_MASK), which);
    if (which != CEDI_LIST_FREE) {
        slot->bits |= CEDI_ORDERED;
        if (slot->at.on.prev)
            cedi_order_hold(slot);
    }
    cedi_slot_mark_taken(slot);
    cedi_req_stage(loop, slot);
    return cedi_slot_ticket(slot);
}
