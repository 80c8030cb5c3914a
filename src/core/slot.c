/*
 * Slots: where they live and how names reach them.
 *
 * Slots come in chunks of 512. A chunk belongs to one loop at a time; when that closes, it goes to
 * a process-wide pool, never back to the system, so that an old ticket always finds memory to look
 * at (1b: Names and room). Generations are 56 bits and never wrap; they are never reset, so a
 * ticket of a closed loop stays stale for the next owner of the chunk.
 *
 * A loop's thread takes slots from a plain free list. Other threads (remote submits) pop a second,
 * lock-free list, which the loop keeps filled with what they took.
 */
#include "core.h"

#include <string.h>

#define MAX_CHUNKS 65536u

_Atomic(cedi_chunk *) cedi_chunks[MAX_CHUNKS];

static cedi_chunk *pool;           /* under the process lock */
static uint32_t chunk_numbers = 1; /* 0 is nobody's: slot id 0 names nothing */

/* Leak checkers want to see the start of what was allocated, which alignment hides: a list of all
 * starts, from the newest on. */
static void *newest_memory;

static cedi_chunk *chunk_new(void)
{
    unsigned char *memory;
    cedi_chunk *chunk;
    if (chunk_numbers >= MAX_CHUNKS)
        return NULL;
    memory = cedi_memory_get(sizeof *chunk + 63); /* never given back */
    if (!memory)
        return NULL;
    chunk = (cedi_chunk *)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
    chunk->number = chunk_numbers++;
    chunk->older_memory = newest_memory;
    newest_memory = memory;
    for (uint32_t i = 0; i < CEDI_CHUNK_SLOTS; i++) {
        chunk->slots[i].id = chunk->number << CEDI_CHUNK_SHIFT | i;
        atomic_init(&chunk->slots[i].word, UINT64_C(1) << CEDI_GENERATION);
    }
    atomic_store_explicit(&cedi_chunks[chunk->number], chunk, memory_order_release);
    return chunk;
}

/* A chunk that is this loop's from now on; all its slots are idle. Any thread. */
static cedi_chunk *chunk_for(cede_loop *loop)
{
    cedi_chunk *chunk;
    cede_os_lock();
    chunk = pool;
    if (chunk)
        pool = chunk->next;
    else
        chunk = chunk_new();
    if (chunk) {
        chunk->next = loop->chunks;
        loop->chunks = chunk;
        loop->counts.slots += CEDI_CHUNK_SLOTS;
        atomic_store(&chunk->loop, loop); /* before it looks at a link: see travel in wish.c */
    }
    cede_os_unlock();
    return chunk;
}

bool cedi_slot_grow(cede_loop *loop)
{
    cedi_chunk *chunk = chunk_for(loop);
    if (!chunk)
        return false;
    for (uint32_t i = CEDI_CHUNK_SLOTS; i-- > 0;) {
        chunk->slots[i].link.next = loop->free.next;
        loop->free.next = &chunk->slots[i].link;
    }
    return true;
}

/* The slot must not be used again while a thread writes the payload of a wish into it. Then it
 * keeps, and cedi_wish_arrived revives it. */
static void retire_with_payload(cede_loop *loop, cedi_slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    uint64_t next;
    do {
        next = ((word >> CEDI_GENERATION) + 1) << CEDI_GENERATION;
        if (word & CEDI_WRITING)
            next |= CEDI_WRITING | CEDI_ZOMBIE;
    } while (!atomic_compare_exchange_weak_explicit(&slot->word, &word, next, memory_order_acq_rel,
                                                    memory_order_relaxed));
    loop->zombies += next & CEDI_ZOMBIE ? 1 : 0;
}

void cedi_slot_retire(cede_loop *loop, cedi_slot *slot)
{
    if (slot->op == CEDE_OP_PEND || slot->op == CEDE_OP_SCOPE)
        retire_with_payload(loop, slot);
    else
        cedi_slot_retire_plain(slot);
}

void cedi_slot_recycle(cede_loop *loop, cedi_slot *slot)
{
    slot->req = NULL;
    if (atomic_load_explicit(&slot->word, memory_order_relaxed) & CEDI_ZOMBIE)
        slot->marks = 0;
    else
        cedi_slot_recycle_plain(loop, slot);
}

/* Used again only when its link is free, so that who wishes next finds it so. The generation is
 * nobody's yet: a plain store does. */
void cedi_slot_await_link(cedi_slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    atomic_store_explicit(&slot->word, word | CEDI_ZOMBIE | CEDI_LINKED, memory_order_relaxed);
    slot->req = NULL;
}

void cedi_slot_revive(cede_loop *loop, cedi_slot *slot)
{
    uint64_t word =
        atomic_fetch_and_explicit(&slot->word, ~(CEDI_ZOMBIE | CEDI_LINKED), memory_order_relaxed);
    if (!(word & CEDI_LINKED)) /* else nobody writes into it: a close need not wait */
        loop->zombies--;
    if (!slot->req) /* its done has returned */
        cedi_slot_recycle(loop, slot);
}

/* ---- For other threads ---------------------------------------------------------------------- */

static void remote_push(cede_loop *loop, cedi_slot *first, cedi_slot *last)
{
    uint64_t head = atomic_load_explicit(&loop->remote_free, memory_order_relaxed);
    uint64_t want;
    do {
        atomic_store_explicit(&last->wheel_next, (uint32_t)head, memory_order_relaxed);
        want = ((head >> 32) + 1) << 32 | first->id;
    } while (!atomic_compare_exchange_weak_explicit(&loop->remote_free, &head, want,
                                                    memory_order_release, memory_order_relaxed));
}

static bool remote_grow(cede_loop *loop)
{
    cedi_chunk *chunk = chunk_for(loop);
    if (!chunk)
        return false;
    for (uint32_t i = 0; i + 1 < CEDI_CHUNK_SLOTS; i++)
        atomic_store_explicit(&chunk->slots[i].wheel_next, chunk->slots[i + 1].id,
                              memory_order_relaxed);
    remote_push(loop, &chunk->slots[0], &chunk->slots[CEDI_CHUNK_SLOTS - 1]);
    return true;
}

cedi_slot *cedi_slot_take_remote(cede_loop *loop)
{
    uint64_t head = atomic_load_explicit(&loop->remote_free, memory_order_acquire);
    for (;;) {
        cedi_slot *slot;
        uint64_t want;
        if (!(uint32_t)head) {
            if (!remote_grow(loop))
                return NULL;
            head = atomic_load_explicit(&loop->remote_free, memory_order_acquire);
            continue;
        }
        slot = cedi_slot_at((uint32_t)head);
        /* The tag changes with each pop and push, so a stale link is never installed. */
        want = ((head >> 32) + 1) << 32 |
               atomic_load_explicit(&slot->wheel_next, memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(&loop->remote_free, &head, want,
                                                  memory_order_acq_rel, memory_order_acquire))
            return slot;
    }
}

void cedi_slot_pay_remote(cede_loop *loop)
{
    cedi_slot *first = NULL, *last = NULL;
    while (loop->remote_debt && loop->free.next) {
        cedi_slot *slot = cedi_slot_of(loop->free.next);
        loop->free.next = slot->link.next;
        loop->remote_debt--;
        if (last)
            atomic_store_explicit(&last->wheel_next, slot->id, memory_order_relaxed);
        else
            first = slot;
        last = slot;
    }
    if (first)
        remote_push(loop, first, last);
}

/* ---- Names ---------------------------------------------------------------------------------- */

cedi_slot *cedi_slot_find(uint64_t id)
{
    cedi_chunk *chunk;
    uint64_t number = (uint32_t)id >> CEDI_CHUNK_SHIFT;
    if (number >= MAX_CHUNKS || id >> (CEDI_TICKET_KIND + 2))
        return NULL;
    chunk = atomic_load_explicit(&cedi_chunks[number], memory_order_acquire);
    return chunk ? &chunk->slots[(uint32_t)id & (CEDI_CHUNK_SLOTS - 1)] : NULL;
}

cede_loop *cedi_slot_loop(const cedi_slot *slot)
{
    cedi_chunk *chunk =
        atomic_load_explicit(&cedi_chunks[slot->id >> CEDI_CHUNK_SHIFT], memory_order_acquire);
    return atomic_load_explicit(&chunk->loop, memory_order_acquire);
}

cedi_slot *cedi_ticket_slot(cede_loop *loop, cede_ticket ticket)
{
    cedi_slot *slot = cedi_slot_find(ticket.id);
    uint64_t word;
    if (!slot)
        return NULL;
    word = atomic_load_explicit(&slot->word, memory_order_acquire);
    if (word >> CEDI_GENERATION != ticket.generation || cedi_slot_loop(slot) != loop)
        return NULL;
    if (CEDI_UNLIKELY(!(word & CEDI_TAKEN))) { /* another thread's, still in the inbox */
        cedi_inbox_take(loop);
        word = atomic_load_explicit(&slot->word, memory_order_acquire);
    }
    return word & CEDI_TAKEN ? slot : NULL;
}

cedi_chunk *cedi_slot_chunks(cede_loop *loop)
{
    cedi_chunk *chunks;
    cede_os_lock(); /* a remote submit may be adding one */
    chunks = loop->chunks;
    cede_os_unlock();
    return chunks;
}

void cedi_slot_return_chunks(cede_loop *loop)
{
    cede_os_lock();
    while (loop->chunks) {
        cedi_chunk *chunk = loop->chunks;
        loop->chunks = chunk->next;
        atomic_store_explicit(&chunk->loop, NULL, memory_order_release);
        for (uint32_t i = 0; i < CEDI_CHUNK_SLOTS; i++) {
            cedi_slot *slot = &chunk->slots[i];
            slot->link.next = NULL;
            if (atomic_load_explicit(&slot->word, memory_order_relaxed) & CEDI_ZOMBIE)
                (void)atomic_fetch_and(&slot->word, ~(CEDI_ZOMBIE | CEDI_LINKED));
        }
        chunk->next = pool;
        pool = chunk;
    }
    loop->free.next = NULL;
    atomic_store_explicit(&loop->remote_free, 0, memory_order_relaxed);
    cede_os_unlock();
}
