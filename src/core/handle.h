/*
 * Handles, and what is given through them: their entries, their order; items and pools. Included by
 * core.h, behind the structures. For the loop's thread but what is marked "any thread".
 */
#ifndef CEDE_HANDLE_INNER_H
#define CEDE_HANDLE_INNER_H

/* ---- handle.c, order.c ----------------------------------------------------------------------- */

enum {
    CEDI_LIST_FREE,
    CEDI_LIST_IN,
    CEDI_LIST_OUT,
    CEDI_LISTS,
    CEDI_LIST_ASIDE = CEDI_LISTS /* no handle's, its loop's: see cedi_order_aside */
};

/* entry.flags */
enum {
    CEDI_BORROWED = 0x01,
    CEDI_ATTACHED = 0x02,
    CEDI_SHUT = 0x04,     /* closing: stale for everybody, waits for what is pending */
    CEDI_CLOSING = 0x08,  /* with the backend */
    CEDI_RESERVED = 0x10, /* for an operation that opens */
    CEDI_HAS_GONE = 0x20, /* on its outbound list there may be a send that is gone, not sealed */
    CEDI_TO_SCOPE = 0x40, /* its close is part of the end of scope `owner` */
    CEDI_FREED = 0x80     /* on the free list, or would be but for its inbox link */
};

/* One handle: 64 bytes. */
typedef struct cedi_entry {
    _Atomic uint64_t word; /* generation << 24 | id of the loop it is bound to */
    intptr_t native;
    union {
        struct {
            uint32_t head, tail;
        } list[CEDI_LISTS];
        cedi_item item; /* accepted, and not handed out yet */
    };
    uint32_t owner, owned_next, owned_prev;
    _Atomic uint32_t inbox; /* link in the inbox; 0: not in it, and free to be recycled */
    uint16_t kind;
    uint8_t flags;
    uint8_t family : 4;   /* index of its backend family */
    uint8_t imported : 4; /* CEDE_IMPORT_ flags */
    uint32_t close;       /* slot id of the request that closes it, 0: a drop */
} cedi_entry;

#define CEDI_ENTRY_BITS 24u /* of a handle: its index; the rest is the generation */
#define CEDI_ENTRY_MASK ((UINT64_C(1) << CEDI_ENTRY_BITS) - 1)
#ifndef CEDI_ENTRY_SHIFT /* a test may want few */
#define CEDI_ENTRY_SHIFT 10u
#endif
#define CEDI_ENTRY_CHUNK (1u << CEDI_ENTRY_SHIFT)

extern _Atomic(cedi_entry *) cedi_entry_chunks[];

static inline cedi_entry *cedi_entry_at(uint32_t index)
{
    cedi_entry *chunk =
        atomic_load_explicit(&cedi_entry_chunks[index >> CEDI_ENTRY_SHIFT], memory_order_acquire);
    return &chunk[index & (CEDI_ENTRY_CHUNK - 1)];
}

uint32_t cedi_entry_reserve(cede_loop *);      /* 0: out of memory */
uint32_t cedi_entry_reserve_last(cede_loop *); /* the same for what is there already, and must not
                                                   be lost: some are kept for it */
void cedi_entry_free(uint32_t index);
cede_handle cedi_entry_publish(cede_loop *, uint32_t index, intptr_t native, uint32_t kind);
/* Finds the live entry of a handle and binds it to the loop. Any thread. */
cede_status cedi_handle_bind(cede_loop *, cede_handle, uint32_t *index);
cede_status cedi_handle_attach(cede_loop *, uint32_t index);
/* It is live, unbound or this loop's (NULL: whichever is this thread's), and no scope owns it. */
bool cedi_handle_may_be_owned(const cede_loop *, cede_handle);
void cedi_handle_own(cede_loop *, uint32_t index, uint32_t scope);
void cedi_handle_shut(cede_loop *, uint32_t index, uint32_t close_slot, uint8_t by);
void cedi_handle_left(cede_loop *, uint32_t index); /* one less pending on it */
void cedi_handle_drop_arrived(cede_loop *, uint32_t index);
void cedi_handle_drops_start(cede_loop *);
void cedi_handle_drop_over(cede_loop *, uint32_t index, cede_status, int32_t os_error);
void cedi_handle_drop_again(cede_loop *, uint32_t index, bool parked);
bool cedi_handle_family(cede_loop *);     /* finds loop->family; false: too many */
void cedi_handle_forget_all(cede_loop *); /* loop close: drops what is bound to it */
cede_handle cedi_handle_value(const cedi_entry *, uint32_t index);

void cedi_order_join(cedi_slot *, uint32_t entry); /* may hold it */
void cedi_order_late(cedi_slot *);                 /* what joined without a place; may, too */
void cedi_order_hold(cedi_slot *);                 /* joined: unless all before it are over */
void cedi_order_gone(cede_loop *, cedi_slot *);    /* lets the next start */
void cedi_order_sealed(cede_loop *, cedi_slot *);  /* the same, and tells it in its turn */
void cedi_order_leave(cede_loop *, cedi_slot *);
/* It names handles, which do not wait for it with their close, but are not released: it stands in
 * the loop's list until it is delivered. A close to come, a spawn. */
void cedi_order_aside(cede_loop *, cedi_slot *);
void cedi_order_leave_aside(cede_loop *, cedi_slot *);
bool cedi_order_aside_names(const cede_loop *, cede_handle);
/* What is to be delivered before its items, or before it, and is ready; NULL: nothing. */
cedi_slot *cedi_order_before(const cedi_slot *);

static inline unsigned cedi_order_list_of(const cedi_slot *slot)
{
    return slot->bits >> CEDI_LIST_SHIFT & 3u;
}

/* At the end of one of its handle's lists. */
static inline void cedi_order_append(cedi_slot *slot, cedi_entry *entry, uint32_t index,
                                     unsigned which)
{
    uint32_t tail = entry->list[which].tail;
    slot->bits |= (uint8_t)(CEDI_LISTED | which << CEDI_LIST_SHIFT);
    slot->at.on.entry = index;
    slot->at.on.next = 0;
    slot->at.on.prev = tail;
    if (tail)
        cedi_slot_at(tail)->at.on.next = slot->id;
    else
        entry->list[which].head = slot->id;
    entry->list[which].tail = slot->id;
}

static inline void cedi_order_unlist(cedi_slot *slot, cedi_entry *entry)
{
    unsigned which = cedi_order_list_of(slot);
    if (slot->at.on.next)
        cedi_slot_at(slot->at.on.next)->at.on.prev = slot->at.on.prev;
    else
        entry->list[which].tail = slot->at.on.prev;
    if (slot->at.on.prev)
        cedi_slot_at(slot->at.on.prev)->at.on.next = slot->at.on.next;
    else
        entry->list[which].head = slot->at.on.next;
    slot->bits &= (uint8_t)~CEDI_LISTED;
}

/* Whether it stands in an order: a follower of a scope that is yet to come does not (order.c). */
static inline bool cedi_order_has(const cedi_slot *slot)
{
    return (slot->bits & CEDI_LISTED) && (slot->bits & CEDI_ORDERED) &&
           cedi_order_list_of(slot) != CEDI_LIST_FREE;
}

/* ---- item.c, pool.c -------------------------------------------------------------------------- */

void cedi_item_accepted(cede_loop *, cedi_slot *, intptr_t native);
void cedi_item_waits(cede_loop *, cedi_slot *, cede_status why, int32_t os_error);
void cedi_item_signals(cede_loop *, cedi_slot *, uint32_t bits);
void cedi_item_push(cede_loop *, const cedi_slot *, cedi_item *, uint32_t what, uint32_t carrier);
void cedi_item_deliver(cede_loop *);                   /* the first, or what is before it */
void cedi_items_flush(cede_loop *, const cedi_slot *); /* those of one slot, before its done */
/* Delivers the first item of a slot for which `wanted` says so, or what is before it. */
bool cedi_items_deliver_one(cede_loop *, bool (*wanted)(cedi_slot *, const cedi_slot *),
                            const cedi_slot *target);

cede_status cedi_pool_join(cede_loop *, uint8_t op, const cede_args *); /* will use it */
void cedi_pool_left(cede_loop *, const cedi_slot *);                    /* which is over */
void cedi_pool_received(cede_loop *, cedi_slot *, uint64_t count, uint32_t number);
void cedi_pool_unused(const cedi_slot *, uint32_t number);
void cedi_pool_reported(const cedi_slot *, bool found_none); /* not OK */
bool cedi_pool_has_credit(const cedi_slot *);
void cedi_pool_wait(cedi_slot *);          /* HELD: no buffer is there, or no credit left */
bool cedi_pool_is_shut(const cedi_slot *); /* it waits in vain */
void cedi_pools_turn(cede_loop *);         /* lets go on what can */
/* In a wait: lets go on what stands before its target, or is it, and in the turn nobody else, whose
 * done would keep for cede_run, and with it the buffer. */
void cedi_pools_await(cede_loop *, const cedi_slot *target,
                      bool (*before)(cedi_slot *, const cedi_slot *));
bool cedi_pools_busy(const cede_loop *);  /* something could */
void cedi_pools_left(cede_loop *);        /* loop close: the pools live on without it */
void *cedi_pool_taken(const cedi_slot *); /* recv_pool, delivered: the buffer goes out */
void cedi_pool_item(const cedi_slot *, const cedi_item *, cede_result *);

#endif
