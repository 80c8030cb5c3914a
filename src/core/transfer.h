/*
 * What of transfer.c is inlined into the delivery: the short way of plain transfers. Included by
 * core.h, behind handle.h. For the loop's thread.
 */
#ifndef CEDE_TRANSFER_INNER_H
#define CEDE_TRANSFER_INNER_H

/* Submits a transfer without attributes; by the long way, if its handle needs looking after. The
 * loop has a free slot. */
cede_ticket cedi_transfer_submit(cede_loop *, cede_req *, cede_done *, const char *where);

/* Whether its handle is all that there is to look after when it is delivered. */
static inline bool cedi_transfer_is_plain(const cedi_slot *slot)
{
    return !CEDI_IS_CHECKED && (CEDI_TRANSFER_OPS >> slot->op & 1) &&
           !(slot->follower | slot->scope) &&
           (slot->bits & (CEDI_LISTED | CEDI_BACKGROUND)) == CEDI_LISTED;
}

/* What cedi_conclude does, of it what such a one needs: its result, and it leaves its handle. */
static inline cede_result cedi_transfer_conclude(cede_loop *loop, cedi_slot *slot)
{
    uint32_t index = slot->at.on.entry;
    cedi_entry *entry = cedi_entry_at(index);
    const cede_result result = {.status = slot->status,
                                .os_error = slot->u.os_error,
                                .count = slot->count,
                                .buffer = slot->req->args_.io.buffer,
                                .flags = slot->cause};
    cedi_order_unlist(slot, entry);
    if (CEDI_UNLIKELY(entry->flags & CEDI_SHUT))
        cedi_handle_left(loop, index);
    return result;
}

#endif
