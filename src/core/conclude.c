/*
 * What a delivery has to see to besides the callback: the next of its chain, the buffer and handle
 * of the result, its place on its handle and in its scope. request.c calls it, just before the
 * done.
 */
#include "core.h"

/* Whether the next in the chain may start: OK, and all that was asked. */
static bool complete(const cedi_slot *slot)
{
    if (slot->status != CEDE_OK)
        return false;
    return cedi_ops[slot->op].shape != CEDI_ONE || slot->count == cedi_req_asked(slot) ||
           CEDI_FAULT(SHORT_LINKS_ON);
}

static void start_follower(cede_loop *loop, cedi_slot *slot)
{
    cedi_slot *next = cedi_slot_at(slot->follower);
    slot->follower = 0;
    next->holds &= (uint8_t)~CEDI_HOLD_LINK;
    if (next->op == CEDE_OP_CLOSE) {
        cedi_take_close(loop, next); /* its turn comes also when the link broke (1b: Links) */
    } else if (complete(slot)) {
        cedi_order_late(next);
        cedi_req_unhold(loop, next, CEDI_HOLD_LINK);
    } else if (!CEDI_FAULT(REFUSED_IS_LOST)) {
        cedi_req_refuse(loop, next, CEDE_ECANCELED, CEDE_BY_LINK);
    }
}

void *cedi_buffer_of(const cede_req *req)
{
    switch (req->op_) {
    case CEDE_OP_READ:
    case CEDE_OP_WRITE:
    case CEDE_OP_READ_ALL:
    case CEDE_OP_WRITE_ALL:
    case CEDE_OP_APPEND:
    case CEDE_OP_READDIR:
    case CEDE_OP_RECV:
    case CEDE_OP_RECV_ALL:
    case CEDE_OP_SEND:
    case CEDE_OP_SEND_ALL:
    case CEDE_OP_SEND_ZERO_COPY:
        return req->args_.io.buffer;
    case CEDE_OP_RECVFROM:
    case CEDE_OP_SENDTO:
        return req->args_.datagram.buffer;
    case CEDE_OP_READLINK:
        return req->args_.path.out;
    default:
        return NULL;
    }
}

/* What a delivery has to see to besides the callback: its chain, its handle, its scope. */
void cedi_conclude(cede_loop *loop, cedi_slot *slot, cede_result *result)
{
    if (slot->follower)
        start_follower(loop, slot);
    cedi_check_return(slot, slot->count);
    if ((CEDI_POOL_OPS >> slot->op & 1) &&
        (slot->bits & (CEDI_LISTED | CEDI_REFUSED)) == CEDI_LISTED) {
        if (slot->op == CEDE_OP_RECV_POOL)
            result->buffer = cedi_pool_taken(slot);
        cedi_pool_left(loop, slot);
    }
    if (cedi_ops[slot->op].host == CEDI_BACKEND)
        result->buffer = result->buffer ? result->buffer : cedi_buffer_of(slot->req);
    if (cedi_ops[slot->op].shape == CEDI_OPENS) {
        result->handle = slot->status == CEDE_OK ? slot->count : 0;
        result->count = 0;
        if (slot->at.on.made)
            cedi_entry_free(slot->at.on.made);
        if (slot->op == CEDE_OP_PAIR && slot->at.on.entry)
            cedi_entry_free(slot->at.on.entry);
    } else if ((slot->op == CEDE_OP_ACCEPT_MANY || slot->op == CEDE_OP_SIGNAL_MANY) &&
               slot->at.on.made) {
        cedi_entry_free(slot->at.on.made);
    }
    if (slot->bits & CEDI_LISTED)
        cedi_order_leave(loop, slot);
    else if (cedi_order_list_of(slot) == CEDI_LIST_ASIDE)
        cedi_order_leave_aside(loop, slot);
    if (slot->scope) {
        result->scope = cedi_slot_ticket(cedi_slot_at(slot->scope));
        cedi_scope_leave(slot);
    }
}
