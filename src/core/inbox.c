/*
 * The inbox: what other threads send to a loop, in two lock-free lists.
 *
 * The list of nodes holds three kinds, each embedded in memory that is never freed: a submission
 * (in its slot), a wish (in its slot, by another link, so that both may be under way; one that
 * comes second has a record of its own, second.c, and goes as a drop with a number that no entry
 * has), a drop (in its handle's entry). Pushing is one
 * compare-and-swap; the loop takes the whole list by one exchange and turns it round. Nodes are
 * named by ids, not pointers, so the head is one word and cannot be confused by reuse: only the
 * loop takes out.
 *
 * The list of posts holds requests: no-ops without attributes or ticket, which nobody can aim at.
 * They travel in their own memory and get a slot on the loop's thread, so that a post moves one
 * line of memory between the processors, and not five. Submissions that found no slot come this way
 * too (see orphan.c).
 *
 * Each thread's order holds (1b: Threads), though there are two lists. A post is only made while
 * the list of nodes is empty, else it goes there, in a slot. The loop takes the nodes first, leaves
 * a mark in their place, and takes the posts then; it deals with the posts, then with the nodes,
 * and then takes the mark away. So of one thread's, a post before a node is among the posts taken,
 * or was before; and a post behind a node found the node, or the mark, and stands behind it. What
 * has no slot cannot stand there: it carries what it found, and is dealt with behind that.
 *
 * The wake: a pusher looks at `sleeping` after it pushed; the loop sets it and then looks at the
 * lists before it sleeps. All in the one total order of sequentially consistent operations, so one
 * of them sees the other.
 */
#include "second.h"

#define KIND_SHIFT 30u
#define ID_MASK    ((UINT32_C(1) << KIND_SHIFT) - 1)
#define END        UINT32_C(0xfffffffe) /* a link that ends the list; 0 says "not in a list" */
#define MARKS      3u                   /* the kind of what is no node: numbered marks, and these */
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
        return id & CEDI_SECOND_NODE ? cedi_second_link(id) : &cedi_entry_at(id)->inbox;
    }
}

static bool is_node(uint32_t head)
{
    return head && head >> KIND_SHIFT != MARKS;
}

bool cedi_inbox_put(cede_loop *loop, uint32_t kind, uint32_t id)
{
    uint32_t node = kind << KIND_SHIFT | id;
    _Atomic uint32_t *link = link_of(node);
    uint32_t head = atomic_load_explicit(&loop->inbox, memory_order_relaxed);
    do {
        if (head == CLOSED)
            return false;
        atomic_store_explicit(link, is_node(head) ? head : END, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak(&loop->inbox, &head, node));
    return true;
}

bool cedi_inbox_push(cede_loop *loop, uint32_t kind, uint32_t id)
{
    bool open = cedi_inbox_put(loop, kind, id);
    if (open)
        cedi_wake(loop);
    return open;
}

/* The head of the posts of a closed loop: no request's address. */
static cede_req shut;

static cede_req *next_post(const cede_req *req)
{
    return (cede_req *)(uintptr_t)req->args_.words[CEDI_ORPHAN_NEXT];
}

static void link_post(cede_req *req, cede_req *next)
{
    req->args_.words[CEDI_ORPHAN_NEXT] = (uintptr_t)next;
}

bool cedi_inbox_post(cede_loop *loop, cede_req *req)
{
    cede_req *head = atomic_load_explicit(&loop->posts, memory_order_relaxed);
    do {
        if (head == &shut)
            return false;
        link_post(req, head);
    } while (!atomic_compare_exchange_weak(&loop->posts, &head, req));
    cedi_wake(loop);
    return true;
}

bool cedi_inbox_send_orphan(cede_loop *loop, cede_req *req)
{
    uint32_t head = atomic_load_explicit(&loop->inbox, memory_order_relaxed);
    req->args_.words[CEDI_ORPHAN_BEHIND] = head;
    while (!cedi_inbox_post(loop, req)) {
        if (atomic_load(&loop->inbox) == CLOSED)
            return false;
        cede_os_yield(); /* the loop was about to close, and does not: see cedi_inbox_close */
    }
    return true;
}

bool cedi_inbox_has_nodes(const cede_loop *loop)
{
    return atomic_load_explicit(&loop->inbox, memory_order_relaxed) != 0;
}

bool cedi_inbox_empty(const cede_loop *loop)
{
    return atomic_load(&loop->inbox) == 0 && atomic_load(&loop->posts) == NULL;
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
        if (id & CEDI_SECOND_NODE)
            cedi_second_arrived(loop, cedi_second_taken(id));
        else
            cedi_handle_drop_arrived(loop, id);
        break;
    }
}

/* ---- What has no slot ----------------------------------------------------------------------- */

typedef struct line {
    cede_req *first, *last;
} line;

static void append(line *to, cede_req *req)
{
    link_post(req, NULL);
    if (to->first)
        link_post(to->last, req);
    else
        to->first = req;
    to->last = req;
}

/* In a list of nodes as they were pushed. */
static bool stands_in(uint32_t list, uint32_t node)
{
    while (is_node(list) && list != node)
        list = atomic_load_explicit(link_of(list), memory_order_relaxed);
    return is_node(list);
}

/* Dealt with now, or behind one of the nodes that were taken, or, if the node that it found was
 * pushed since, the next time. */
static void place_orphan(cede_loop *loop, cede_req *req, uint32_t nodes, uint32_t mark,
                         line *behind, line *late)
{
    uint32_t found = (uint32_t)req->args_.words[CEDI_ORPHAN_BEHIND];
    if (mark && (found == mark || (is_node(found) && stands_in(nodes, found))))
        append(behind, req);
    else if (is_node(found) && stands_in(atomic_load(&loop->inbox), found))
        append(late, req);
    else
        cedi_orphan_arrived(loop, req);
}

/* Those behind this node; 0: all that are left. */
static void deal_behind(cede_loop *loop, line *behind, uint32_t node)
{
    cede_req *req = behind->first;
    line rest = {NULL, NULL};
    while (req) {
        cede_req *next = next_post(req);
        if (node && req->args_.words[CEDI_ORPHAN_BEHIND] != node)
            append(&rest, req);
        else
            cedi_orphan_arrived(loop, req);
        req = next;
    }
    *behind = rest;
}

/* ---- Taking --------------------------------------------------------------------------------- */

static void take_posts(cede_loop *loop, uint32_t nodes, uint32_t mark, line *behind)
{
    cede_req *list = atomic_exchange(&loop->posts, NULL), *ordered = NULL;
    line late = {NULL, NULL};
    while (list) {
        cede_req *next = next_post(list);
        link_post(list, ordered);
        ordered = list;
        list = next;
    }
    while (CEDI_UNLIKELY(loop->late)) { /* they came before; they are few, if any */
        cede_req *req = loop->late;
        loop->late = next_post(req);
        place_orphan(loop, req, nodes, mark, behind, &late);
    }
    while (ordered) {
        cede_req *req = ordered;
        ordered = next_post(req);
        if (CEDI_LIKELY(req->seal_ == (CEDI_POSTED ^ (uintptr_t)req)))
            cedi_take_post(loop, req);
        else
            place_orphan(loop, req, nodes, mark, behind, &late);
    }
    loop->late = late.first;
}

static void take_nodes(cede_loop *loop, uint32_t node, line *behind)
{
    uint32_t ordered = END;
    while (node != END) {
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
        if (CEDI_UNLIKELY(behind->first))
            deal_behind(loop, behind, ordered);
        ordered = next;
    }
    deal_behind(loop, behind, 0);
    if (loop->remote_debt)
        cedi_slot_pay_remote(loop);
}

void cedi_inbox_take(cede_loop *loop)
{
    uint32_t nodes = atomic_load_explicit(&loop->inbox, memory_order_relaxed), mark = 0;
    line behind = {NULL, NULL};
    const cede_req *post = atomic_load_explicit(&loop->posts, memory_order_relaxed);
    if (CEDI_LIKELY(nodes == 0 && !post) || loop->taking)
        return;
    loop->taking = true;
    if (nodes) {
        mark = MARKS << KIND_SHIFT | (++loop->takes & ID_MASK >> 1); /* not END, not CLOSED */
        nodes = atomic_exchange(&loop->inbox, mark);
    }
    take_posts(loop, nodes, mark, &behind);
    if (nodes) {
        take_nodes(loop, nodes, &behind);
        (void)atomic_compare_exchange_strong(&loop->inbox, &mark, 0); /* else there are new ones */
    }
    loop->taking = false;
}

/* No more pushes. What was pushed before must have been taken: the caller takes until this says
 * that nothing was left. */
bool cedi_inbox_close(cede_loop *loop)
{
    uint32_t no_node = 0;
    cede_req *no_post = NULL;
    if (!atomic_compare_exchange_strong(&loop->posts, &no_post, &shut))
        return false;
    if (atomic_compare_exchange_strong(&loop->inbox, &no_node, CLOSED))
        return true;
    atomic_store(&loop->posts, NULL); /* meanwhile posts went the other way */
    return false;
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
