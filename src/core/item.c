/*
 * Items: what a many-shot gives before its done. They stand in one queue of the loop, in the order
 * of their arrival, and go before what is sealed, so that a done is always behind its items. Each
 * lives in what it carries; nothing is allocated for it, and nothing is lost: an item that has
 * arrived is delivered, whatever becomes of its request (law 8). On the loop's thread.
 */
#include "core.h"

#include <string.h>

void cedi_item_push(cede_loop *loop, const cedi_slot *slot, cedi_item *item, uint32_t what,
                    uint32_t carrier)
{
    item->next = NULL;
    item->slot = slot->id;
    item->what = what;
    item->carrier = carrier;
    if (!loop->items)
        loop->items_end = &loop->items;
    *loop->items_end = item;
    loop->items_end = &item->next;
    loop->ready_count++;
}

/* The descriptor is here: where there is no entry for it, not even of those that are kept for this,
 * the peer learns at once that nobody will talk to it. */
void cedi_item_accepted(cede_loop *loop, cedi_slot *slot, intptr_t native)
{
    uint32_t index = slot->at.on.made;
    slot->count++;
    slot->tries = 0;
    if (!index)
        index = cedi_entry_reserve_last(loop);
    if (!index) {
        cedi_say(loop, "cede: a client was turned away: out of memory for its handle");
        loop->backend->discard(native);
        return;
    }
    slot->at.on.made = cedi_entry_reserve(loop);
    if (CEDI_FAULT(ACCEPTED_IS_LOST) && (slot->cause & CEDE_BY_ANY))
        return;
    (void)cedi_entry_publish(loop, index, native, CEDE_KIND_STREAM);
    cedi_item_push(loop, slot, &cedi_entry_at(index)->item, CEDI_ITEM_HANDLE, index);
}

/* Told once, until a client was taken again: without memory for that, the next time that it has to
 * wait. The status stands in an entry that names nothing. */
void cedi_item_waits(cede_loop *loop, cedi_slot *slot, cede_status why, int32_t os_error)
{
    uint32_t index = slot->tries & CEDI_PARKS ? 0 : cedi_entry_reserve(loop);
    cedi_entry *entry;
    if (!index)
        return;
    slot->tries = 1; /* not a count, which would come round */
    entry = cedi_entry_at(index);
    entry->owner = (uint32_t)why;
    entry->close = (uint32_t)os_error;
    cedi_item_push(loop, slot, &entry->item, CEDI_ITEM_NOTE, index);
}

/* They live in the entry that was reserved at submit; what is pending, as its descriptor. */
void cedi_item_signals(cede_loop *loop, cedi_slot *slot, uint32_t bits)
{
    cedi_entry *entry = cedi_entry_at(slot->at.on.made);
    uint32_t pending = (uint32_t)entry->native;
    for (uint32_t fresh = bits & ~pending; fresh; fresh &= fresh - 1)
        slot->count++;
    entry->native = (intptr_t)(pending | bits);
    if (!pending)
        cedi_item_push(loop, slot, &entry->item, CEDI_ITEM_SIGNAL, slot->at.on.made);
}

/* The lowest first; the rest queues anew, behind what others have. */
static void unwrap_signal(cede_loop *loop, cedi_slot *slot, cedi_entry *entry, cede_result *result)
{
    uint32_t pending = (uint32_t)entry->native;
    while (!(pending >> result->count & 1))
        result->count++;
    pending &= pending - 1;
    entry->native = (intptr_t)pending;
    if (pending)
        cedi_item_push(loop, slot, &entry->item, CEDI_ITEM_SIGNAL, slot->at.on.made);
}

/* What it carries becomes the callee's. */
static void unwrap(cede_loop *loop, cedi_slot *slot, const cedi_item *item, cede_result *result)
{
    uint32_t what = item->what, index = item->carrier;
    cedi_entry *entry;
    if (what == CEDI_ITEM_BUFFER) {
        cedi_pool_item(slot, item, result);
        return;
    }
    entry = cedi_entry_at(index);
    memset(entry->list, 0, sizeof entry->list); /* where the item was */
    if (what == CEDI_ITEM_HANDLE) {
        result->handle = cedi_handle_value(entry, index);
        return;
    }
    if (what == CEDI_ITEM_SIGNAL) {
        unwrap_signal(loop, slot, entry, result);
        return;
    }
    result->status = (cede_status)entry->owner;
    result->os_error = (int32_t)entry->close;
    entry->owner = entry->close = 0;
    cedi_entry_free(index);
}

/* One callback: the item's, or that of a request whose turn on the handle was before (law 14): it
 * is sealed, and nobody had delivered it when the item came. */
static void deliver(cede_loop *loop, cedi_item **place)
{
    cedi_item *item = *place;
    cedi_slot *slot = cedi_slot_at(item->slot), *before = cedi_order_before(slot);
    cede_result result = {.status = CEDE_OK};
    cedi_frame frame = {loop->frame, slot, true};
    cede_item *call;
    if (CEDI_UNLIKELY(before)) {
        cedi_req_deliver(loop, before);
        return;
    }
    *place = item->next;
    if (!item->next)
        loop->items_end = place;
    loop->ready_count--;
    loop->counts.items++;
    if (slot->scope)
        result.scope = cedi_slot_ticket(cedi_slot_at(slot->scope));
    unwrap(loop, slot, item, &result);
    cedi_check_touch(slot, true, false); /* borrowed */
    call = slot->req->args_.many.item;
    loop->frame = &frame;
    call(slot->req, result);
    loop->frame = frame.outer;
    cedi_check_borrowed(slot);
}

void cedi_item_deliver(cede_loop *loop)
{
    deliver(loop, &loop->items);
}

bool cedi_items_deliver_one(cede_loop *loop, bool (*wanted)(cedi_slot *, const cedi_slot *),
                            const cedi_slot *target)
{
    for (cedi_item **place = &loop->items; *place; place = &(*place)->next) {
        if (wanted(cedi_slot_at((*place)->slot), target)) {
            deliver(loop, place);
            return true;
        }
    }
    return false;
}

static bool is_its_own(cedi_slot *slot, const cedi_slot *target)
{
    return slot == target;
}

void cedi_items_flush(cede_loop *loop, const cedi_slot *slot)
{
    while (cedi_items_deliver_one(loop, is_its_own, slot))
        continue;
}
