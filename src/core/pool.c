/*
 * Pools of buffers: who has which, and who waits.
 *
 * A buffer is free (with the core, or with the backend, if that hands them to its kernel), picked
 * (on its way to a callback), or out (the caller's). Receives that find none wait in the pool's
 * list, HELD. Each turn lets as many go on as there are buffers that are not out, in front of what
 * else is to begin, and says so to the loop, which does not sleep before: one that goes on may find
 * no data and take no buffer, and those behind it may have some. A buffer that is not out may be in
 * a backend's hand (a read of a terminal keeps one while it waits): when all have been tried in
 * vain, nobody is until something has changed.
 *
 * In checked builds a free buffer is shut, with its headroom, until it is picked or filled:
 * check_pool.c.
 *
 * A pool lives until it is closed, no receive uses it and no buffer is out. All on the loop's
 * thread; after the loop's close on one thread at a time.
 */
#include "core.h"

#include <string.h>

enum { FREE, PICKED, OUT };

typedef struct buffer {
    cedi_item item;
    cede_ticket taker; /* of the many-shot that it was received by, if it counts (credit) */
    uint32_t length;
    uint32_t next; /* free: the number of the next, from 1 on */
    uint8_t state;
    uint8_t marked; /* checked builds: has their pattern while it is free */
} buffer;

struct cede_pool {
    cede_pool_view view; /* first */
    cede_loop *loop;     /* NULL: closed */
    cede_pool *next;     /* of the same loop */
    cedi_link waiting;   /* receives, HELD: for a buffer */
    cedi_link spent;     /* for one of their own: their credit is out */
    uint32_t free;       /* number of the first that the core has, from 1 on */
    uint32_t out;        /* picked for an item, or out */
    uint32_t users;      /* receives that are not delivered */
    uint32_t vain;       /* receives that found none since a buffer came or went */
    unsigned shift;      /* of its stride: that many zeros at the end, ... */
    uint64_t inverse;    /* ... and of what is left, the inverse in 64 bits */
    bool closed;
    buffer buffers[];
};

#define ROUND(bytes) (((size_t)(bytes) + 63) & ~(size_t)63)

/* Of headroom. */
static size_t lead_of(const cede_pool *pool)
{
    return pool->view.stride_bytes - ROUND(pool->view.buffer_bytes);
}

/* A buffer with its headroom. */
static void *whole_of(const cede_pool *pool, uint32_t number)
{
    return pool->view.base + number * pool->view.stride_bytes - lead_of(pool);
}

/* Division by the stride, without a division, of what is a multiple of it: by an odd number that is
 * a multiplication by its inverse, which each step gives twice as many bits of. */
static void prepare_division(cede_pool *pool)
{
    uint64_t odd = pool->view.stride_bytes, inverse;
    while (odd % 2 == 0) {
        odd /= 2;
        pool->shift++;
    }
    inverse = odd; /* right in 3 bits */
    for (int bits = 3; bits < 64; bits *= 2)
        inverse *= 2 - odd * inverse;
    pool->inverse = inverse;
}

/* ---- Opening, closing ----------------------------------------------------------------------- */

cede_status cede_pool_open(cede_loop *loop, uint32_t count, uint32_t bytes, uint32_t headroom,
                           cede_pool **out)
{
    size_t lead = ROUND(headroom), stride = lead + ROUND(bytes), records;
    cede_pool *pool;
    cedi_guard(loop, "pool open");
    if (!out || count == 0 || count > CEDE_POOL_MOST || bytes == 0 || bytes > 1u << 30 ||
        headroom > 1u << 30)
        return CEDE_EINVAL;
    records = ROUND(sizeof *pool + count * sizeof *pool->buffers);
    if (stride > (SIZE_MAX - records - 64) / count)
        return CEDE_ENOMEM;
    pool = cedi_memory_get(records + 64 + count * stride);
    if (!pool)
        return CEDE_ENOMEM;
    pool->view.base = (char *)pool + records + lead;
    pool->view.base += (64 - ((uintptr_t)pool->view.base & 63)) & 63;
    pool->view.stride_bytes = stride;
    pool->view.buffer_bytes = bytes;
    pool->view.count = count;
    pool->loop = loop;
    prepare_division(pool);
    cedi_list_init(&pool->waiting);
    cedi_list_init(&pool->spent);
    for (uint32_t number = count; number-- > 0;)
        cede_core_unpick(&pool->view, number);
    pool->next = loop->pools;
    loop->pools = pool;
    *out = pool;
    return CEDE_OK;
}

static void leave_loop(cede_pool *pool)
{
    cede_pool **place = &pool->loop->pools;
    const cede_backend *backend = pool->loop->backend;
    while (*place != pool)
        place = &(*place)->next;
    *place = pool->next;
    if (pool->view.self && backend->pool_close)
        backend->pool_close(pool->loop->self, &pool->view);
    pool->view.self = NULL;
    pool->loop = NULL;
}

/* In checked builds: at what was written late; and no poison keeps in memory that is freed. */
static void look_last(const cede_pool *pool)
{
    for (uint32_t number = 0; CEDI_IS_CHECKED && number < pool->view.count; number++)
        cedi_check_picked(whole_of(pool, number), pool->view.stride_bytes,
                          &pool->buffers[number].marked);
}

/* What nobody uses goes. */
static void settle(cede_pool *pool)
{
    if (!pool->closed || pool->users)
        return;
    if (pool->loop)
        leave_loop(pool);
    if (pool->out)
        return;
    look_last(pool);
    cedi_memory_free(pool);
}

static void end_all(cede_loop *loop, const cedi_link *those)
{
    while (!cedi_list_empty(those))
        cedi_req_end(loop, cedi_slot_of(those->next), CEDE_BY_CLOSE);
}

void cede_pool_close(cede_pool *pool)
{
    if (!pool)
        return;
    if (pool->closed)
        cedi_misuse("law 17: a pool closed twice", NULL, NULL);
    if (pool->loop) {
        cedi_guard(pool->loop, "pool close");
        cedi_inbox_take(pool->loop); /* receives that were sent before it keep the pool, too */
    }
    pool->closed = true;
    pool->users++; /* it keeps while its receives end */
    end_all(pool->loop, &pool->waiting);
    end_all(pool->loop, &pool->spent);
    pool->users--;
    settle(pool);
}

void cedi_pools_left(cede_loop *loop)
{
    while (loop->pools)
        leave_loop(loop->pools);
}

/* By its loop, as long as that is open. */
static void guard(const cede_pool *pool, const char *what)
{
    if (pool->loop)
        cedi_guard(pool->loop, what);
}

uint32_t cede_pool_out(const cede_pool *pool)
{
    guard(pool, "pool out");
    return pool->out;
}

/* ---- Picking, giving ------------------------------------------------------------------------ */

bool cede_core_pick(cede_pool_view *view, uint32_t *number)
{
    cede_pool *pool = (cede_pool *)view;
    if (!pool->free)
        return false;
    *number = pool->free - 1;
    pool->free = pool->buffers[*number].next;
    cedi_check_picked(whole_of(pool, *number), pool->view.stride_bytes,
                      &pool->buffers[*number].marked);
    return true;
}

void cede_core_unpick(cede_pool_view *view, uint32_t number)
{
    cede_pool *pool = (cede_pool *)view;
    cedi_check_unused(whole_of(pool, number), view->stride_bytes, &pool->buffers[number].marked);
    pool->buffers[number].next = pool->free;
    pool->free = number + 1;
    pool->vain = 0;
}

void cede_core_filled(cede_pool_view *view, uint32_t number)
{
    const cede_pool *pool = (const cede_pool *)view;
    cedi_check_filled(whole_of(pool, number), view->stride_bytes, lead_of(pool),
                      &pool->buffers[number].marked);
}

static cede_pool *pool_of(const cedi_slot *slot)
{
    cede_pool *pool = cedi_check_args(slot)->many.pool;
    cedi_check_touch(slot, false, false);
    return pool;
}

cede_pool_view *cede_core_pool(const cede_work *work)
{
    return &work->args->many.pool->view;
}

static void *memory_of(const cede_pool *pool, const buffer *taken)
{
    return pool->view.base + (size_t)(taken - pool->buffers) * pool->view.stride_bytes;
}

/* Free again: with who keeps what is free. */
static void give_to_backend(cede_pool *pool, uint32_t number)
{
    pool->vain = 0;
    if (pool->view.self) /* so its loop is open */
        pool->loop->backend->pool_give(pool->loop->self, &pool->view, number);
    else
        cede_core_unpick(&pool->view, number);
}

/* It has some again; if it waited for that, it goes on. */
static CEDI_NOINLINE void credit(cede_loop *loop, cede_ticket taker)
{
    cedi_slot *slot = cedi_slot_at((uint32_t)taker.id);
    bool waits;
    if (cedi_slot_generation(slot) != taker.generation)
        return;
    waits = (slot->holds & CEDI_HOLD_POOL) && !cedi_pool_has_credit(slot);
    slot->at.on.out--;
    if (!waits)
        return;
    cedi_list_remove(&slot->link);
    cedi_req_unhold(loop, slot, CEDI_HOLD_POOL);
}

void cede_pool_give(cede_pool *pool, void *memory)
{
    uint64_t at = (uint64_t)((uintptr_t)memory - (uintptr_t)pool->view.base);
    uint64_t number = (at >> pool->shift) * pool->inverse; /* nonsense if it is no multiple */
    buffer *given = &pool->buffers[number < pool->view.count ? number : 0];
    guard(pool, "pool give");
    if (CEDI_UNLIKELY(number >= pool->view.count || number * pool->view.stride_bytes != at ||
                      given->state != OUT))
        cedi_misuse("law 17: a buffer given to a pool that it is not out of: it was given back "
                    "before, or is another's",
                    NULL, NULL);
    cedi_check_give(pool->loop, whole_of(pool, (uint32_t)number), pool->view.stride_bytes);
    cedi_check_given(whole_of(pool, (uint32_t)number), pool->view.stride_bytes, &given->marked);
    given->state = FREE;
    pool->out--;
    give_to_backend(pool, (uint32_t)number);
    if (CEDI_UNLIKELY(given->taker.generation && pool->loop))
        credit(pool->loop, given->taker);
    if (CEDI_UNLIKELY(pool->closed))
        settle(pool);
}

/* ---- Receives ------------------------------------------------------------------------------- */

cede_status cedi_pool_join(cede_loop *loop, uint8_t op, const cede_args *args)
{
    cede_pool *pool = args->many.pool;
    uint32_t least = op == CEDE_OP_WATCH_MANY ? CEDE_WATCH_BYTES : 1;
    if (pool->loop != loop || pool->closed || pool->view.buffer_bytes < least)
        return CEDE_EINVAL;
    pool->users++;
    return CEDE_OK;
}

void cedi_pool_left(cede_loop *loop, const cedi_slot *slot)
{
    cede_pool *pool = slot->req->args_.many.pool; /* it is on its way back: open */
    (void)loop;
    pool->users--;
    pool->vain = 0;
    settle(pool);
}

/* Whether its buffers are counted: it has a credit. */
static bool counts(const cedi_slot *slot)
{
    uint32_t most = cedi_check_args(slot)->many.credit;
    cedi_check_touch(slot, false, false);
    return most != CEDE_CREDIT_ALL;
}

void cedi_pool_received(cede_loop *loop, cedi_slot *slot, uint64_t count, uint32_t number)
{
    cede_pool *pool = pool_of(slot);
    buffer *taken = &pool->buffers[number];
    CEDI_MUST(number < pool->view.count && taken->state == FREE, slot);
    cede_core_filled(&pool->view, number);
    taken->state = PICKED;
    taken->length = (uint32_t)count;
    taken->taker.generation = 0;
    pool->out++;
    pool->vain = 0;
    if (slot->op == CEDE_OP_RECV_POOL) {
        CEDI_MUST(!slot->at.on.made, slot);
        slot->at.on.made = number + 1;
        slot->count = count;
        return;
    }
    if (CEDI_FAULT(PICKED_IS_LOST) && (slot->cause & CEDE_BY_ANY))
        return;
    if (counts(slot)) {
        taken->taker = cedi_slot_ticket(slot);
        slot->at.on.out++;
    }
    slot->tries = 0;
    slot->count += count;
    cedi_item_push(loop, slot, &taken->item, CEDI_ITEM_BUFFER, number);
}

/* The kernel picked it, and put nothing into it. */
void cedi_pool_unused(const cedi_slot *slot, uint32_t number)
{
    cede_pool *pool = pool_of(slot);
    CEDI_MUST(number < pool->view.count && pool->buffers[number].state == FREE, slot);
    cedi_check_unused(whole_of(pool, number), pool->view.stride_bytes,
                      &pool->buffers[number].marked);
    give_to_backend(pool, number);
}

void cedi_pool_reported(const cedi_slot *slot, bool found_none)
{
    cede_pool *pool = pool_of(slot);
    pool->vain = found_none ? pool->vain + 1 : 0;
}

void cedi_pool_item(const cedi_slot *slot, const cedi_item *item, cede_result *result)
{
    cede_pool *pool = pool_of(slot);
    buffer *taken = &pool->buffers[item->carrier];
    taken->state = OUT;
    result->buffer = memory_of(pool, taken);
    result->count = taken->length;
}

void *cedi_pool_taken(const cedi_slot *slot)
{
    cede_pool *pool = slot->req->args_.many.pool;
    buffer *taken;
    if (!slot->at.on.made)
        return NULL;
    taken = &pool->buffers[slot->at.on.made - 1];
    taken->state = OUT;
    return memory_of(pool, taken);
}

bool cedi_pool_has_credit(const cedi_slot *slot)
{
    uint32_t most = cedi_check_args(slot)->many.credit;
    cedi_check_touch(slot, false, false);
    return most == CEDE_CREDIT_ALL || CEDI_FAULT(CREDIT_IS_ENDLESS) || slot->at.on.out < most;
}

/* ---- Waiting -------------------------------------------------------------------------------- */

void cedi_pool_wait(cedi_slot *slot)
{
    cede_pool *pool = pool_of(slot);
    cedi_list_push(cedi_pool_has_credit(slot) ? &pool->waiting : &pool->spent, &slot->link);
}

bool cedi_pool_is_shut(const cedi_slot *slot)
{
    return pool_of(slot)->closed;
}

/* Of those that found none, each may have begun before the last change, once. */
static uint32_t could_go(const cede_pool *pool)
{
    if (CEDI_UNLIKELY(pool->vain / 2 >= pool->users))
        return 0;
    return cedi_list_empty(&pool->waiting) ? 0 : pool->view.count - pool->out;
}

/* In front of all that is staged: who has just given a buffer back and receives again, or goes on
 * by itself, would else have it each time. */
static void let_go(cede_pool *pool, cedi_link *those, uint32_t most)
{
    cede_loop *loop = pool->loop;
    cedi_link staged;
    cedi_list_init(&staged);
    if (!CEDI_FAULT(POOL_IS_RUSHED))
        cedi_list_append(&staged, &loop->staged);
    for (; most && !cedi_list_empty(those); most--) {
        cedi_slot *slot = cedi_slot_of(those->next);
        cedi_list_remove(&slot->link);
        cedi_req_unhold(loop, slot, CEDI_HOLD_POOL);
    }
    cedi_list_append(&loop->staged, &staged);
}

void cedi_pools_turn(cede_loop *loop)
{
    for (cede_pool *pool = loop->pools; pool && !loop->awaited_only; pool = pool->next) {
        uint32_t most = CEDI_FAULT(POOL_FORGETS) ? 0 : could_go(pool);
        if (most)
            let_go(pool, &pool->waiting, most);
    }
}

void cedi_pools_await(cede_loop *loop, const cedi_slot *target,
                      bool (*before)(cedi_slot *, const cedi_slot *))
{
    for (cede_pool *pool = loop->pools; pool; pool = pool->next) {
        uint32_t most = could_go(pool);
        cedi_link awaited, *next;
        cedi_list_init(&awaited);
        for (cedi_link *link = pool->waiting.next; most && link != &pool->waiting; link = next) {
            next = link->next;
            if (!before(cedi_slot_of(link), target))
                continue;
            cedi_list_remove(link);
            cedi_list_push(&awaited, link);
        }
        let_go(pool, &awaited, most);
        cedi_list_append(&awaited, &pool->waiting); /* what is left stays in front */
        cedi_list_append(&pool->waiting, &awaited);
    }
}

bool cedi_pools_busy(const cede_loop *loop)
{
    for (const cede_pool *pool = loop->pools; pool; pool = pool->next) {
        if (could_go(pool))
            return true;
    }
    return false;
}
