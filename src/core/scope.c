/*
 * Scopes: members, owned handles, and the end (law 12).
 *
 * A scope is a slot whose operation the core runs. It counts what it waits for in at.scope.active:
 * members whose done has not returned, and, once those are gone, owned handles that are not closed.
 * The end has two steps: the last member returned (the scope is ENDED, its reason sealed, its
 * handles are shut), then the last handle closed (it completes).
 *
 * All on the loop's thread. Ending a scope ends nested ones through a list, not by recursion, so
 * that depth costs no stack.
 */
#include "core.h"

cede_status cedi_scope_join(cede_loop *loop, cedi_slot *slot, cede_ticket ticket)
{
    cedi_slot *scope = cedi_ticket_slot(loop, ticket);
    cedi_slot *head;
    if (ticket.id >> CEDI_TICKET_KIND != CEDI_TICKET_SCOPE)
        return CEDE_EINVAL;
    if (!scope) {
        cedi_slot *any = cedi_slot_find(ticket.id);
        cede_loop *home = any ? cedi_slot_loop(any) : NULL;
        bool alive = home && cedi_slot_generation(any) == ticket.generation;
        return alive && home != loop ? CEDE_EINVAL : CEDE_EENDED;
    }
    if (CEDI_FAULT(SCOPE_ENDS_EARLY))
        return CEDE_OK;
    scope->at.scope.active++;
    slot->scope = scope->id;
    slot->scope_prev = 0;
    slot->scope_next = scope->at.scope.members;
    if (scope->at.scope.members) {
        head = cedi_slot_at(scope->at.scope.members);
        head->scope_prev = slot->id;
    }
    scope->at.scope.members = slot->id;
    /* Also one that is sealed, or was refused itself: its done, which may free what the member lies
     * in, has not come yet, and comes after the member's (request.c puts it aside). */
    if (CEDI_FAULT(ENDED_SCOPE_ADMITS))
        return CEDE_OK;
    return cedi_req_is_ready(scope) || cedi_scope_is_ending(scope) ? CEDE_EENDED : CEDE_OK;
}

bool cedi_scope_is_ending(const cedi_slot *scope)
{
    return (scope->cause & CEDE_BY_ANY) || (scope->bits & CEDI_ENDED);
}

void cedi_scope_leave(cedi_slot *slot)
{
    if (slot->scope_next)
        cedi_slot_at(slot->scope_next)->scope_prev = slot->scope_prev;
    if (slot->scope_prev)
        cedi_slot_at(slot->scope_prev)->scope_next = slot->scope_next;
    else
        cedi_slot_at(slot->scope)->at.scope.members = slot->scope_next;
    cedi_slot_at(slot->scope)->count++;
}

static void close_owned(cede_loop *loop, cedi_slot *scope)
{
    scope->at.scope.active++; /* one that is closed at once is not yet the last */
    while (scope->at.scope.owned) {
        uint32_t index = scope->at.scope.owned;
        cedi_entry *entry = cedi_entry_at(index);
        scope->at.scope.owned = entry->owned_next;
        entry->flags |= CEDI_TO_SCOPE;
        scope->at.scope.active++;
        cedi_handle_shut(loop, index, 0, CEDE_BY_SCOPE);
    }
    scope->at.scope.active--;
}

/* Nothing is left to wait for: first its handles, then itself. */
static void settle(cede_loop *loop, cedi_slot *scope)
{
    if (!(scope->bits & CEDI_ENDED)) {
        scope->bits |= CEDI_ENDED;
        if (!(scope->cause & CEDE_BY_ANY))
            scope->status = CEDE_OK;
        else
            scope->status = cedi_req_reason(scope);
        if (scope->bits & CEDI_TIMED)
            cedi_wheel_remove(loop, scope);
        close_owned(loop, scope);
    }
    if (!scope->at.scope.active)
        cedi_req_completed_scope(loop, scope, scope->status);
}

void cedi_scope_returned(cede_loop *loop, uint32_t id)
{
    cedi_slot *scope = cedi_slot_at(id);
    if (--scope->at.scope.active)
        return;
    if (cedi_req_is_ready(scope))
        cedi_scope_resume(loop, scope);
    else
        settle(loop, scope);
}

/* Ends the members of one scope. Nested scopes come onto the loop's list by cedi_scope_end. */
static void end_members(cede_loop *loop, cedi_slot *scope)
{
    uint32_t id = scope->at.scope.members;
    while (id) {
        cedi_slot *member = cedi_slot_at(id);
        id = member->scope_next;
        cedi_req_end(loop, member, CEDE_BY_SCOPE);
    }
    if (CEDI_FAULT(OWNED_CLOSES_EARLY))
        close_owned(loop, scope);
    if (!scope->at.scope.active)
        settle(loop, scope);
}

void cedi_scope_end(cede_loop *loop, cedi_slot *scope)
{
    cedi_list_push(&loop->ending, &scope->link);
    if (loop->ending_now)
        return; /* the outermost call does the work */
    loop->ending_now = true;
    while (!cedi_list_empty(&loop->ending)) {
        cedi_slot *next = cedi_slot_of(loop->ending.next);
        cedi_list_remove(&next->link);
        end_members(loop, next);
    }
    loop->ending_now = false;
}

void cede_own(cede_ticket ticket, cede_handle handle)
{
    cedi_slot *scope = cedi_slot_find(ticket.id);
    cede_loop *loop = scope ? cedi_slot_loop(scope) : NULL;
    uint32_t index;

    if (ticket.id & CEDI_TICKET_ORPHAN) /* it found no slot, and is over, or as good as that */
        loop = cedi_loop_at((uint16_t)ticket.id);
    if (scope && loop && cedi_slot_generation(scope) == ticket.generation) {
        cedi_guard(loop, "own");
        scope = cedi_ticket_slot(loop, ticket);
    } else {
        scope = NULL;
    }
    if (!cedi_handle_may_be_owned(loop, handle))
        return;
    if (!scope || scope->op != CEDE_OP_SCOPE || cedi_req_is_ready(scope) ||
        cedi_scope_is_ending(scope))
        cede_drop(handle);
    else if (cedi_handle_bind(loop, handle, &index) == CEDE_OK)
        cedi_handle_own(loop, index, scope->id);
}

/* ---- Its place among what is ready ----------------------------------------------------------- */

/* A sealed scope that was joined since waits, off the queue, until those have returned. */
bool cedi_scope_put_aside(cede_loop *loop, cedi_slot *slot)
{
    if (slot->op != CEDE_OP_SCOPE || !slot->at.scope.active)
        return false;
    cedi_list_remove(&slot->link);
    cedi_list_init(&slot->link);
    loop->ready_count--;
    return true;
}

void cedi_scope_resume(cede_loop *loop, cedi_slot *slot)
{
    if (!cedi_list_empty(&slot->link))
        return; /* its turn had not come */
    cedi_slot_deliverable(loop, slot);
}

/* ---- What comes too late --------------------------------------------------------------------- */

/* One submitted inside a refused request's done inherits its count plus one (1b: Refusals). */
uint16_t cedi_scope_count_refusal(cede_loop *loop, const cedi_slot *slot)
{
    unsigned count = 1u + (loop->taking ? loop->inherited : cedi_refusals(loop));
    if (count >= 1000)
        cedi_misuse("law 17: submitted a thousand times running to what has ended", slot, NULL);
    loop->counts.refused++;
    return (uint16_t)count;
}
