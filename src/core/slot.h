/*
 * What slot.c does, and what of it is inlined: finding, filling, retiring and recycling a slot.
 * Included by core.h, behind the structures. For the loop's thread but what is marked "any thread".
 */
#ifndef CEDE_SLOT_INNER_H
#define CEDE_SLOT_INNER_H

extern _Atomic(cedi_chunk *) cedi_chunks[];

/* slot.tries, without progress in between: so often there was no room (an accept: it was told); so
 * often it would have blocked. */
#define CEDI_PARKS    0x0fu
#define CEDI_POLLS    0x70u
#define CEDI_POLL_ONE 0x10u

/* report.c: a shortage that is over for it; it is to look after a while instead of being told. */
bool cedi_waits_for_nobody(const cede_loop *, cedi_slot *);
bool cedi_polls_in_vain(cedi_slot *);

static inline cedi_slot *cedi_slot_at(uint32_t id)
{
    cedi_chunk *chunk =
        atomic_load_explicit(&cedi_chunks[id >> CEDI_CHUNK_SHIFT], memory_order_relaxed);
    return &chunk->slots[id & (CEDI_CHUNK_SLOTS - 1)];
}

static inline uint64_t cedi_slot_generation(const cedi_slot *slot)
{
    return atomic_load_explicit(&slot->word, memory_order_relaxed) >> CEDI_GENERATION;
}

/* The word of its bit in its chunk's `seen`. */
#define CEDI_SEEN_BIT(id) (UINT64_C(1) << ((id)&63))
static inline uint64_t *cedi_slot_seen(const cedi_slot *slot)
{
    cedi_chunk *chunk =
        atomic_load_explicit(&cedi_chunks[slot->id >> CEDI_CHUNK_SHIFT], memory_order_relaxed);
    return &chunk->seen[(slot->id & (CEDI_CHUNK_SLOTS - 1)) / 64];
}

/* What a backend knows of it. */
static inline uint64_t cedi_slot_token(const cedi_slot *slot)
{
    return (cedi_slot_generation(slot) & 0x1fffffff) << 32 | slot->id;
}

static inline cedi_slot *cedi_slot_of(cedi_link *link)
{
    return CEDE_CONTAINER(link, cedi_slot, link);
}

bool cedi_slot_grow(cede_loop *);              /* one more chunk on the free list */
cedi_slot *cedi_slot_take_remote(cede_loop *); /* any thread */
void cedi_slot_pay_remote(cede_loop *);        /* gives the remote free list what it is owed */
cedi_chunk *cedi_slot_chunks(cede_loop *);     /* all that the loop has by now */
void cedi_slot_return_chunks(cede_loop *);
void cedi_slot_await_link(cedi_slot *);          /* idle, but its link is on its way */
void cedi_slot_revive(cede_loop *, cedi_slot *); /* what it waited for has arrived */
cedi_slot *cedi_slot_find(uint64_t id);          /* any thread; NULL if there is none */
cede_loop *cedi_slot_loop(const cedi_slot *);    /* any thread */
/* The slot, taken (from the inbox if need be) and of this loop, or NULL. The loop's thread. */
cedi_slot *cedi_ticket_slot(cede_loop *, cede_ticket);

static inline cedi_slot *cedi_slot_take(cede_loop *loop)
{
    if (CEDI_UNLIKELY(!loop->free.next) && !cedi_slot_grow(loop))
        return NULL;
    cedi_slot *slot = cedi_slot_of(loop->free.next);
    loop->free.next = slot->link.next;
    return slot;
}

/* From the caller's request, which is prepared: what every submission's slot is given. */
static inline void cedi_slot_fill(cedi_slot *slot, cede_req *req, cede_done *done,
                                  const char *where)
{
    slot->op = req->op_;
    slot->count = 0;
    slot->req = req;
    slot->done = done;
    slot->where = where;
    slot->follower = 0;
    slot->scope = 0;
    req->seal_ = CEDI_IN_FLIGHT;
    req->slot_ = slot->id;
}

/* A slot of the loop's own: nobody else knows its generation yet, so a plain store does. */
static inline void cedi_slot_mark_taken(cedi_slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    atomic_store_explicit(&slot->word, word | CEDI_TAKEN, memory_order_relaxed);
}

/* Ends the generation: tickets of it are stale from here. A plain store: a wish that it overwrites
 * was for the old generation. */
static inline void cedi_slot_retire_plain(cedi_slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    word = (word | ((UINT64_C(1) << CEDI_GENERATION) - 1)) + 1;
    atomic_store_explicit(&slot->word, word, memory_order_release);
}

static inline void cedi_slot_recycle_plain(cede_loop *loop, cedi_slot *slot)
{
    slot->marks = 0;
    if (CEDI_UNLIKELY(atomic_load(&slot->inbox))) {
        cedi_slot_await_link(slot);
        return;
    }
    slot->link.next = loop->free.next;
    loop->free.next = &slot->link;
}

/* Sealed, and all that must come before it is among what is to be delivered. */
static inline void cedi_slot_deliverable(cede_loop *loop, cedi_slot *slot)
{
    cedi_list_push(&loop->ready, &slot->link);
    loop->ready_count++;
}

/* The same for all; pends and scopes take wishes that carry a payload, see slot.c. Such a slot goes
 * back to the free list only when no thread writes into it any more. */
void cedi_slot_retire(cede_loop *, cedi_slot *);
void cedi_slot_recycle(cede_loop *, cedi_slot *);

static inline cede_ticket cedi_slot_ticket(const cedi_slot *slot)
{
    uint64_t kind = 0;
    cede_ticket ticket;
    if (CEDI_UNLIKELY(slot->op == CEDE_OP_SCOPE || slot->op == CEDE_OP_PEND))
        kind = slot->op == CEDE_OP_SCOPE ? CEDI_TICKET_SCOPE : CEDI_TICKET_PEND;
    ticket.id = kind << CEDI_TICKET_KIND | slot->id;
    ticket.generation = cedi_slot_generation(slot);
    return ticket;
}

#endif
