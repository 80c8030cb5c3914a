/*
 * The process-wide table of handles.
 *
 * A handle is an entry's index and an odd generation; entries are recycled in order of age and
 * never freed, so a stale handle is found out by one compare. The word holds the generation and the
 * loop that the handle is bound to, so that binding is one compare-and-swap, from any thread (1b:
 * Handles). Everything else in a bound entry is its loop's; in an unbound one the holder's.
 *
 * Closing has steps: shut (stale for everybody, what is pending is ended), close (nothing is
 * pending any more: the backend closes), free. A close that has a request is that request's slot; a
 * drop is the entry's own work, so it allocates nothing.
 */
#include "core.h"

#include <string.h>

#define INDEX_BITS    CEDI_ENTRY_BITS
#define INDEX_MASK    CEDI_ENTRY_MASK
#define ENTRY_SHIFT   CEDI_ENTRY_SHIFT
#define CHUNK_ENTRIES CEDI_ENTRY_CHUNK
#define MAX_CHUNKS    (1u << (INDEX_BITS - ENTRY_SHIFT))
#define END           UINT32_C(0xfffffffe)
#define KEPT          64u /* entries for what must not be lost */

_Atomic(cedi_entry *) cedi_entry_chunks[MAX_CHUNKS];

static uint32_t chunk_count;          /* this and the next three under the process lock */
static uint32_t free_head, free_tail; /* by owned_next */
static uint32_t free_count;
static const cede_backend *families[8];

/* ---- Entries -------------------------------------------------------------------------------- */

static cedi_entry *entry_find(cede_handle handle, uint32_t *index)
{
    cedi_entry *chunk;
    *index = (uint32_t)(handle & INDEX_MASK);
    if (!(handle >> INDEX_BITS & 1))
        return NULL;
    chunk = atomic_load_explicit(&cedi_entry_chunks[*index >> ENTRY_SHIFT], memory_order_acquire);
    return chunk && *index ? &chunk[*index & (CHUNK_ENTRIES - 1)] : NULL;
}

cede_handle cedi_handle_value(const cedi_entry *entry, uint32_t index)
{
    uint64_t word = atomic_load_explicit(&entry->word, memory_order_relaxed);
    return word >> INDEX_BITS << INDEX_BITS | index;
}

/* Under the lock. Oldest first, so that a generation lasts. */
static void free_push(uint32_t index)
{
    cedi_entry *entry = cedi_entry_at(index);
    free_count++;
    entry->owned_next = 0;
    if (free_tail)
        cedi_entry_at(free_tail)->owned_next = index;
    else
        free_head = index;
    free_tail = index;
}

static bool grow(void)
{
    cedi_entry *chunk;
    if (chunk_count >= MAX_CHUNKS)
        return false;
    chunk = cedi_memory_get(CHUNK_ENTRIES * sizeof *chunk);
    if (!chunk)
        return false;
    atomic_store_explicit(&cedi_entry_chunks[chunk_count], chunk, memory_order_release);
    for (uint32_t i = 0; i < CHUNK_ENTRIES; i++) {
        atomic_init(&chunk[i].word, UINT64_C(2) << INDEX_BITS);
        chunk[i].flags = CEDI_FREED;
        if (chunk_count || i)
            free_push(chunk_count << ENTRY_SHIFT | i);
    }
    chunk_count++;
    return true;
}

/* Odd is live, even is free, reserved or stale: so a handle that was never given out names nothing
 * either. Whose loop the entry is bound to stays known. */
static void next_generation(cedi_entry *entry)
{
    uint64_t word = atomic_load_explicit(&entry->word, memory_order_relaxed);
    atomic_store_explicit(&entry->word, word + (UINT64_C(1) << INDEX_BITS), memory_order_release);
}

/* Takes the oldest that is free, if more than `kept` of them are. */
static uint32_t entry_take(uint32_t kept)
{
    uint32_t index = 0;
    cede_os_lock();
    if (free_count > kept || grow()) {
        free_count--;
        cedi_entry *entry;
        index = free_head;
        entry = cedi_entry_at(index);
        free_head = entry->owned_next;
        if (!free_head)
            free_tail = 0;
        memset(entry->list, 0, sizeof entry->list);
        entry->owner = entry->owned_next = entry->owned_prev = entry->close = 0;
        entry->native = 0;
        entry->flags = entry->imported = 0;
    }
    cede_os_unlock();
    return index;
}

/* Under the lock. A generation that came to its end retires its entry; one that is under way in an
 * inbox waits. */
static void recycle(uint32_t index)
{
    const cedi_entry *entry = cedi_entry_at(index);
    uint64_t word = atomic_load_explicit(&entry->word, memory_order_relaxed);
    if (word >> INDEX_BITS < (UINT64_C(1) << 40) - 2 &&
        atomic_load_explicit(&entry->inbox, memory_order_relaxed) == 0)
        free_push(index);
}

void cedi_entry_free(uint32_t index)
{
    cedi_entry *entry = cedi_entry_at(index);
    uint64_t word = atomic_load_explicit(&entry->word, memory_order_relaxed);
    atomic_store_explicit(&entry->word, (word | INDEX_MASK) ^ INDEX_MASK, memory_order_release);
    cede_os_lock();
    entry->flags = CEDI_FREED;
    recycle(index);
    cede_os_unlock();
}

/* ---- Families of native descriptors --------------------------------------------------------- */

static int family_of(const cede_backend *backend)
{
    int found = -1;
    cede_os_lock();
    for (int i = 0; i < (int)(sizeof families / sizeof *families); i++) {
        if (!families[i])
            families[i] = backend;
        if (strcmp(families[i]->natives, backend->natives) == 0) {
            found = i;
            break;
        }
    }
    cede_os_unlock();
    return found;
}

bool cedi_handle_family(cede_loop *loop)
{
    int family = family_of(loop->backend);
    loop->family = (uint8_t)family;
    return family >= 0;
}

/* ---- Whose they are ------------------------------------------------------------------------- */

/* Each entry that a loop knows stands in one list: its scope's, or the loop's own. */
static uint32_t *list_of(cede_loop *loop, const cedi_entry *entry)
{
    return entry->owner ? &cedi_slot_at(entry->owner)->at.scope.owned : &loop->unowned;
}

static void list_join(cede_loop *loop, uint32_t index)
{
    cedi_entry *entry = cedi_entry_at(index);
    uint32_t *head = list_of(loop, entry);
    entry->owned_prev = 0;
    entry->owned_next = *head;
    if (*head)
        cedi_entry_at(*head)->owned_prev = index;
    *head = index;
}

static void list_leave(cede_loop *loop, cedi_entry *entry)
{
    if (entry->owned_next)
        cedi_entry_at(entry->owned_next)->owned_prev = entry->owned_prev;
    if (entry->owned_prev)
        cedi_entry_at(entry->owned_prev)->owned_next = entry->owned_next;
    else
        *list_of(loop, entry) = entry->owned_next;
}

static bool is_listed(const cedi_entry *entry)
{
    return entry->owner || (entry->flags & CEDI_ATTACHED);
}

void cedi_handle_own(cede_loop *loop, uint32_t index, uint32_t scope)
{
    cedi_entry *entry = cedi_entry_at(index);
    if (is_listed(entry))
        list_leave(loop, entry);
    entry->owner = scope;
    list_join(loop, index);
}

/* ---- Making handles ------------------------------------------------------------------------- */

cede_handle cede_core_adopt(const cede_backend *backend, intptr_t native, uint32_t kind,
                            uint32_t flags)
{
    int family = family_of(backend);
    uint32_t index;
    cedi_entry *entry;
    if (native < 0 || (kind & (kind - 1)) || (kind & ~(uint32_t)CEDE_KIND_ANY) ||
        (flags & ~CEDE_IMPORT_ANY) || family < 0)
        return 0;
    index = entry_take(KEPT);
    if (!index)
        return 0;
    entry = cedi_entry_at(index);
    entry->native = native;
    entry->kind = (uint16_t)kind;
    entry->flags = flags & CEDE_IMPORT_BORROW ? CEDI_BORROWED : 0;
    entry->imported = (uint8_t)(flags & 0xfu);
    entry->family = (uint8_t)(family & 0xf);
    next_generation(entry);
    return cedi_handle_value(entry, index);
}

cede_handle cede_import(intptr_t native, uint32_t kind, uint32_t flags)
{
    if (!cedi_backend_native_has(native))
        return 0;
    return cede_core_adopt(cedi_backend_native(), native, kind, flags);
}

static uint32_t entry_reserve(cede_loop *loop, uint32_t kept)
{
    uint32_t index = entry_take(kept);
    if (index) {
        cedi_entry_at(index)->family = loop->family;
        cedi_entry_at(index)->flags = CEDI_RESERVED;
    }
    return index;
}

uint32_t cedi_entry_reserve(cede_loop *loop)
{
    return entry_reserve(loop, KEPT);
}

uint32_t cedi_entry_reserve_last(cede_loop *loop)
{
    return entry_reserve(loop, 0);
}

cede_handle cedi_entry_publish(cede_loop *loop, uint32_t index, intptr_t native, uint32_t kind)
{
    cedi_entry *entry = cedi_entry_at(index);
    (void)loop;
    entry->native = native;
    entry->kind = (uint16_t)kind;
    entry->flags = 0;
    next_generation(entry);
    return cedi_handle_value(entry, index);
}

/* ---- Using them ----------------------------------------------------------------------------- */

cede_status cedi_handle_bind(cede_loop *loop, cede_handle handle, uint32_t *index)
{
    cedi_entry *entry = entry_find(handle, index);
    uint64_t word, unbound = handle >> INDEX_BITS << INDEX_BITS;
    if (!entry)
        return CEDE_EBADF;
    word = atomic_load_explicit(&entry->word, memory_order_acquire);
    if (word == (unbound | loop->id) ||
        (CEDI_FAULT(STALE_HANDLE_BINDS) && (word & INDEX_MASK) == loop->id))
        return CEDE_OK;
    if (word == unbound) {
        if (entry->family != loop->family)
            return CEDE_EINVAL;
        if (atomic_compare_exchange_strong_explicit(&entry->word, &word, unbound | loop->id,
                                                    memory_order_acq_rel, memory_order_acquire))
            return CEDE_OK;
        if (word == (unbound | loop->id))
            return CEDE_OK;
    }
    return (word ^ unbound) >> INDEX_BITS ? CEDE_EBADF : CEDE_EINVAL;
}

bool cedi_handle_may_be_owned(const cede_loop *loop, cede_handle handle)
{
    uint32_t index;
    const cedi_entry *entry = entry_find(handle, &index);
    uint64_t word = entry ? atomic_load_explicit(&entry->word, memory_order_acquire) : 0;
    const cede_loop *its;
    if (!entry || (word ^ handle) >> INDEX_BITS)
        return false;
    if (!(word & INDEX_MASK))
        return true;
    its = cedi_loop_at((uint32_t)(word & INDEX_MASK));
    return (!loop || its == loop) && !cedi_is_foreign(its) && !entry->owner;
}

cede_status cedi_handle_attach(cede_loop *loop, uint32_t index)
{
    cedi_entry *entry = cedi_entry_at(index);
    uint32_t kind = entry->kind;
    cede_status status;
    if (CEDI_LIKELY(entry->flags & CEDI_ATTACHED))
        return CEDE_OK;
    if (entry->imported & CEDE_IMPORT_APC)
        kind |= loop->backend->attach_flags & CEDE_ATTACH_APC;
    if (entry->imported & CEDE_IMPORT_BORROW)
        kind |= loop->backend->attach_flags & CEDE_ATTACH_BORROW;
    status = loop->backend->attach(loop->self, entry->native, &kind);
    if (status == CEDE_OK) {
        entry->kind = (uint16_t)kind;
        entry->flags |= CEDI_ATTACHED;
        if (!entry->owner)
            list_join(loop, index);
    }
    return status;
}

/* ---- Closing them --------------------------------------------------------------------------- */

/* Nor is one that has no slot, and names it, to be delivered. */
static bool nothing_pending(const cede_loop *loop, const cedi_entry *entry, uint32_t index)
{
    return !(entry->list[0].head | entry->list[1].head | entry->list[2].head) &&
           (CEDI_LIKELY(!loop->orphans) || !cedi_orphan_names(loop, index));
}

static void drops_push(cede_loop *loop, uint32_t index)
{
    cedi_entry_at(index)->owned_next = 0;
    if (loop->drops_tail)
        cedi_entry_at(loop->drops_tail)->owned_next = index;
    else
        loop->drops = index;
    loop->drops_tail = index;
}

/* Nothing is pending on it any more. */
static void close_begin(cede_loop *loop, uint32_t index)
{
    cedi_entry *entry = cedi_entry_at(index);
    entry->flags |= CEDI_CLOSING;
    if ((entry->flags & CEDI_BORROWED) && (entry->flags & CEDI_ATTACHED) && loop->backend->forget)
        loop->backend->forget(loop->self, entry->native);
    if (entry->close && (entry->flags & CEDI_BORROWED)) {
        cedi_req_close_over(loop, cedi_slot_at(entry->close), CEDE_OK, 0);
    } else if (entry->close) {
        cedi_req_unhold(loop, cedi_slot_at(entry->close), CEDI_HOLD_CLOSE);
    } else if (entry->flags & CEDI_BORROWED) {
        cedi_handle_drop_over(loop, index, CEDE_OK, 0);
    } else {
        drops_push(loop, index);
    }
}

void cedi_handle_shut(cede_loop *loop, uint32_t index, uint32_t close_slot, uint8_t by)
{
    cedi_entry *entry = cedi_entry_at(index);
    next_generation(entry);
    if (is_listed(entry) && !(entry->flags & CEDI_TO_SCOPE)) {
        list_leave(loop, entry);
        entry->owner = 0;
    }
    entry->flags |= CEDI_SHUT;
    entry->close = close_slot;
    if (!close_slot)
        loop->dropping++;
    for (unsigned which = 0; which < CEDI_LISTS; which++) {
        for (uint32_t id = entry->list[which].head; id; id = cedi_slot_at(id)->at.on.next) {
            cedi_slot *slot = cedi_slot_at(id);
            if (!slot->req)
                slot = cedi_slot_at(slot->follower); /* a pin */
            if (!CEDI_FAULT(CLOSE_DOES_NOT_CANCEL))
                cedi_req_end(loop, slot, by);
        }
    }
    if (nothing_pending(loop, entry, index) || CEDI_FAULT(CLOSE_COMES_FIRST))
        close_begin(loop, index);
}

void cedi_handle_left(cede_loop *loop, uint32_t index)
{
    cedi_entry *entry = cedi_entry_at(index);
    if ((entry->flags & (CEDI_SHUT | CEDI_CLOSING)) == CEDI_SHUT &&
        nothing_pending(loop, entry, index))
        close_begin(loop, index);
}

/* Those that are there now: one that is to be begun again keeps for the next turn. Each is off the
 * list before it is offered, because its report may come from inside start and free the entry. */
void cedi_handle_drops_start(cede_loop *loop)
{
    static cede_args none; /* a close has no arguments; never written */
    uint32_t last = loop->drops_tail, index = 0;
    while (loop->drops && index != last) {
        index = loop->drops;
        cedi_entry *entry = cedi_entry_at(index);
        cede_work work = {.token = CEDI_TOKEN_ENTRY | index,
                          .args = &none,
                          .native = entry->native,
                          .native_other = -1,
                          .op = CEDE_OP_CLOSE,
                          .kind = entry->kind,
                          .how = entry->flags & CEDI_ATTACHED ? 0 : CEDE_WORK_UNSEEN};
        loop->drops = entry->owned_next;
        if (!loop->drops)
            loop->drops_tail = 0;
        loop->inflight++;
        if (cedi_offer(loop, &work, 1) != 1) { /* back to the front */
            loop->inflight--;
            entry->owned_next = loop->drops;
            loop->drops = index;
            if (!loop->drops_tail)
                loop->drops_tail = index;
            return;
        }
        loop->started++;
    }
}

void cedi_handle_drop_over(cede_loop *loop, uint32_t index, cede_status status, int32_t os_error)
{
    cedi_entry *entry = cedi_entry_at(index);
    uint32_t scope = entry->flags & CEDI_TO_SCOPE ? entry->owner : 0;
    CEDI_MUST(entry->flags & CEDI_CLOSING, NULL);
    cedi_entry_free(index);
    loop->dropping--;
    if (CEDI_UNLIKELY(loop->orphan_closes))
        cedi_orphan_closed(loop, index, status, os_error);
    if (scope)
        cedi_scope_returned(loop, scope);
}

/* The backend wants it started again, at once or when there is room. */
void cedi_handle_drop_again(cede_loop *loop, uint32_t index, bool parked)
{
    CEDI_MUST(cedi_entry_at(index)->flags & CEDI_CLOSING, NULL);
    loop->counts.restarted++;
    loop->parks += parked ? 1 : 0;
    drops_push(loop, index);
}

/* From the inbox. The entry was not recycled since the drop was made (cede_drop). */
void cedi_handle_drop_arrived(cede_loop *loop, uint32_t index)
{
    cedi_entry *entry = cedi_entry_at(index);
    bool freed;
    cede_os_lock();
    atomic_store_explicit(&entry->inbox, 0, memory_order_relaxed);
    freed = entry->flags & CEDI_FREED;
    if (freed)
        recycle(index);
    cede_os_unlock();
    if (!freed && !(entry->flags & CEDI_SHUT))
        cedi_handle_shut(loop, index, 0, CEDE_BY_CLOSE);
}

static void drop_remote(cede_loop *loop, cedi_entry *entry, uint32_t index, uint64_t word)
{
    bool pushed = false;
    cede_os_lock(); /* so that the generation holds, and nobody relies on a push that is to come */
    if (atomic_load_explicit(&entry->word, memory_order_relaxed) == word &&
        atomic_load_explicit(&entry->inbox, memory_order_relaxed) == 0) {
        atomic_store_explicit(&entry->inbox, END, memory_order_relaxed);
        pushed = cedi_inbox_put(loop, CEDI_NODE_DROP, index);
        CEDI_MUST(pushed, NULL); /* a loop is closed behind its handles, which takes this lock */
    }
    cede_os_unlock();
    if (pushed)
        cedi_wake(loop);
}

void cede_drop(cede_handle handle)
{
    uint32_t index;
    cedi_entry *entry = entry_find(handle, &index);
    uint64_t word, unbound = handle >> INDEX_BITS << INDEX_BITS;
    cede_loop *loop;
    if (!entry)
        return;
    word = atomic_load_explicit(&entry->word, memory_order_acquire);
    if (word == unbound && atomic_compare_exchange_strong(&entry->word, &word,
                                                          unbound + (UINT64_C(1) << INDEX_BITS))) {
        if (!(entry->flags & CEDI_BORROWED))
            families[entry->family]->discard(entry->native);
        cedi_entry_free(index);
        return;
    }
    if ((word ^ unbound) >> INDEX_BITS)
        return;
    if (CEDI_UNLIKELY(*cede_os_alive() != 1))
        cedi_misuse("law 17: a drop in a forked child", NULL, NULL);
    loop = cedi_loop_at((uint32_t)(word & INDEX_MASK));
    if (atomic_load_explicit(&loop->owner, memory_order_relaxed) != cede_os_thread()) {
        drop_remote(loop, entry, index, word);
        return;
    }
    cedi_inbox_take(loop); /* what this thread sent before comes before */
    if (atomic_load_explicit(&entry->word, memory_order_relaxed) == word)
        cedi_handle_shut(loop, index, 0, CEDE_BY_CLOSE);
}

cede_status cede_release(cede_handle handle, intptr_t *native)
{
    uint32_t index;
    cedi_entry *entry = entry_find(handle, &index);
    uint64_t word, unbound = handle >> INDEX_BITS << INDEX_BITS;
    cede_loop *loop;
    cede_status status;
    if (!native)
        return CEDE_EINVAL;
    if (!entry)
        return CEDE_EBADF;
    word = atomic_load_explicit(&entry->word, memory_order_acquire);
    if ((word ^ unbound) >> INDEX_BITS)
        return CEDE_EBADF;
    if (strcmp(families[entry->family]->natives, cedi_backend_native()->natives) != 0)
        return CEDE_ENOTSUP;
    if (word & INDEX_MASK) {
        loop = cedi_loop_at((uint32_t)(word & INDEX_MASK));
        cedi_guard(loop, "release");
        cedi_inbox_take(loop); /* what was sent before pends on it, too, or is its end */
        if (atomic_load_explicit(&entry->word, memory_order_relaxed) != word)
            return CEDE_EBADF;
        if (entry->owner || !nothing_pending(loop, entry, index) ||
            cedi_order_aside_names(loop, handle))
            return CEDE_EBUSY;
        status = entry->flags & CEDI_ATTACHED && loop->backend->detach
                     ? loop->backend->detach(loop->self, entry->native)
                     : CEDE_OK;
        if (status)
            return status;
        if (is_listed(entry))
            list_leave(loop, entry);
        next_generation(entry);
    } else if (!atomic_compare_exchange_strong(&entry->word, &word,
                                               unbound + (UINT64_C(1) << INDEX_BITS))) {
        return CEDE_EBADF;
    }
    if (families[entry->family]->released)
        families[entry->family]->released(entry->native);
    *native = entry->native;
    cedi_entry_free(index);
    return CEDE_OK;
}

/* Loop close, when no request is left: drops every handle that is bound to it. */
void cedi_handle_forget_all(cede_loop *loop)
{
    uint32_t count;
    while (loop->unowned) /* in an order that does not depend on what the process did before */
        cedi_handle_shut(loop, loop->unowned, 0, CEDE_BY_LOOP);
    cede_os_lock();
    count = chunk_count << ENTRY_SHIFT;
    cede_os_unlock();
    for (uint32_t index = 1; index < count; index++) {
        cedi_entry *entry = cedi_entry_at(index);
        uint64_t word = atomic_load_explicit(&entry->word, memory_order_acquire);
        if ((word & INDEX_MASK) == loop->id && !(entry->flags & CEDI_SHUT))
            cedi_handle_shut(loop, index, 0, CEDE_BY_LOOP);
    }
}
