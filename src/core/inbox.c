/*
 * The inbox: what other threads send to a loop, in one lock-free list.
 *
 * Three kinds of node, each embedded in memory that is never freed: a submission (in its slot), a
 * wish (in its slot, by another link, so that both may be under way), a drop (in its handle's
 * entry). One list for all keeps each thread's order (1b: Threads). Pushing is one
 * compare-and-swap; the loop takes the whole list by one exchange and turns it round. Nodes are
 * named by ids, not pointers, so the head is one word and cannot be confused by reuse: only the
 * loop takes out.
 *
 * The wake: a pusher looks at `sleeping` after it pushed; the loop sets it and then looks at the
 * list before it sleeps. Both in the one total order of sequentially consistent operations, so one
 * of them sees the other.
 */
#include "core.h"

#define KIND_SHIFT 30u
#define ID_MASK    ((UINT32_C(1) << KIND_SHIFT) - 1)
#define END        UINT32_C(0xfffffffe) /* a link that ends the list; 0 says "not in a list" */
#define CLOSED     UINT32_C(0xffffffff) /* the head of a closed loop */

static _Atomic uint32_t *link_of(uint32_t node)
{
    uint32_t id = node & ID_MASK;
    switch (node >> KIND_SHIFT) {
    case CEDI_NODE_SUBMIT:
        return &cedi_slot_at(id)->wheel_next;
    case CEDI_NODE_WISH:
        return &cedi_slot_at(id)->inbox;
    default:
        return &cedi_entry_at(id)->inbox;
    }
}

bool cedi_inbox_push(cede_loop *loop, uint32_t kind, uint32_t id)
{
    uint32_t node = kind << KIND_SHIFT | id;
    _Atomic uint32_t *link = link_of(node);
    uint32_t head = atomic_load_explicit(&loop->inbox, memory_order_relaxed);
    do {
        if (head == CLOSED)
            return false;
        atomic_store_explicit(link, head ? head : END, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak(&loop->inbox, &head, node));
    cedi_wake(loop);
    return true;
}

bool cedi_inbox_empty(const cede_loop *loop)
{
    return atomic_load(&loop->inbox) == 0 && atomic_load(&loop->orphan_inbox) == NULL;
}

static void arrived(cede_loop *loop, uint32_t node)
{
    uint32_t id = node & ID_MASK;
    switch (node >> KIND_SHIFT) {
    case CEDI_NODE_SUBMIT:
        cedi_take_remote(loop, cedi_slot_at(id));
        break;
    case CEDI_NODE_WISH:
        cedi_wish_arrived(loop, cedi_slot_at(id));
        break;
    default:
        cedi_handle_drop_arrived(loop, id);
        break;
    }
}

void cedi_inbox_take(cede_loop *loop)
{
    uint32_t node = atomic_load_explicit(&loop->inbox, memory_order_relaxed);
    uint32_t ordered = END;
    if (CEDI_LIKELY(node == 0 && !atomic_load_explicit(&loop->orphan_inbox, memory_order_relaxed)))
        return;
    if (node == CLOSED || loop->taking)
        return;
    loop->taking = true;
    node = node ? atomic_exchange(&loop->inbox, 0) : END;
    while (node != END && node != 0) {
        _Atomic uint32_t *link = link_of(node);
        uint32_t next = atomic_load_explicit(link, memory_order_relaxed);
        if (CEDI_FAULT(LAST_SENT_FIRST))
            arrived(loop, node);
        else
            atomic_store_explicit(link, ordered, memory_order_relaxed);
        ordered = CEDI_FAULT(LAST_SENT_FIRST) ? END : node;
        node = next;
    }
    while (ordered != END) {
        uint32_t next = atomic_load_explicit(link_of(ordered), memory_order_relaxed);
        arrived(loop, ordered);
        ordered = next;
    }
    cedi_orphans_collect(loop);
    if (loop->remote_debt)
        cedi_slot_pay_remote(loop);
    loop->taking = false;
}

/* No more pushes. What was pushed before must have been taken: the caller takes until this says
 * that nothing was left. */
bool cedi_inbox_close(cede_loop *loop)
{
    uint32_t empty = 0;
    return atomic_compare_exchange_strong(&loop->inbox, &empty, CLOSED);
}

void cedi_wake(cede_loop *loop)
{
    if (!atomic_load(&loop->sleeping))
        return;
    /* The backend and the hook stay alive while `wakers` is above 0: cede_loop_close waits. */
    atomic_fetch_add(&loop->wakers, 1);
    if (atomic_load(&loop->open) && atomic_exchange(&loop->sleeping, 0)) {
        loop->backend->wake(loop->self);
        if (loop->wake)
            loop->wake(loop->wake_context);
    }
    atomic_fetch_sub(&loop->wakers, 1);
}

void cede_core_woken(cede_core *core)
{
    cedi_wake((cede_loop *)core);
}
