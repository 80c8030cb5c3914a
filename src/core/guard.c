/*
 * Requests in checked memory: from submit to done nobody can touch the pages that they have to
 * themselves, and nobody can change those that they were lent.
 *
 * A page is shut if every byte that its allocation has of it is ceded by one request, and read-only
 * if every byte is ceded or lent by one. Elsewhere sums tell at done: check.c's over the request
 * and its inputs, and one over each output, which nothing changes meanwhile. For no kernel is given
 * memory that may be shut: it would lose data that it cannot deliver, or hang. The backend is shown
 * a copy of the arguments, whose outputs are bounces; they have the content and, to a page, the
 * alignment of what they stand for, and are copied back before done. Inputs are read where they
 * are.
 *
 * Threads: as check.c's callers. What blocks keep is changed under the process lock.
 */
#include "guard.h"

#ifdef CEDI_CHECKED

#include <string.h>

#define CONGRUENT 4096u /* as strict as any alignment that a file may ask for */

/* A run of pages that a request keeps from others. */
typedef struct cedi_hold {
    cedi_block *block;
    uint32_t first, count;
    bool lent;
} cedi_hold;

typedef struct cedi_bounce {
    void *user, *copy;
    void *memory; /* that the copy lies in */
    size_t bytes;
    uint64_t sum;
} cedi_bounce;

/* ---- What lies in checked memory ------------------------------------------------------------ */

typedef struct gathering {
    const cedi_slot *slot;
    cedi_guarded *guard;
    uint32_t parts;   /* found by now */
    uint32_t outputs; /* of those before the inputs */
    bool filling, lent;
} gathering;

static void gather(const void *memory, uint64_t bytes, void *context)
{
    gathering *found = context;
    uintptr_t from = (uintptr_t)memory;
    cedi_block *block = memory && bytes ? cedi_block_of(from) : NULL;
    if (!block)
        return;
    if (!block->live)
        cedi_misuse("law 5: ceded or lent after cede_checked_free", found->slot, NULL);
    if (from < block->from || from > block->to || bytes > block->to - from)
        cedi_misuse("law 5: ceded or lent beyond the end of checked memory", found->slot, NULL);
    if (!cedi_block_is_sound(block))
        cedi_misuse("law 5: beside checked memory was written, before this", found->slot, NULL);
    if (found->filling)
        found->guard->parts[found->parts] = (cedi_part){.block = block,
                                                        .from = from,
                                                        .to = from + (uintptr_t)bytes,
                                                        .slot = found->slot->id,
                                                        .lent = found->lent};
    found->parts++;
}

static void gather_all(gathering *found, const cedi_slot *slot, bool arguments)
{
    const cede_args *args = &slot->req->args_;
    found->parts = 0;
    found->lent = false;
    cede_os_lock(); /* canaries are looked at, where another thread may be about to shut a page */
    gather(slot->req, sizeof *slot->req, found);
    if (arguments)
        cedi_each_output(slot->op, args, gather, found);
    found->outputs = found->parts;
    found->lent = true;
    if (arguments)
        cedi_each_input(slot->op, args, gather, found);
    cede_os_unlock();
}

/* ---- Bounces -------------------------------------------------------------------------------- */

/* Where the backend is to write what is for `user`; NULL: out of memory. */
static void *bounced(cedi_guarded *guard, void *user, uint64_t length)
{
    size_t bytes = (size_t)length;
    cedi_bounce *bounce = &guard->bounces[guard->bounce_count];
    if (!user || bytes == 0 || !cedi_block_of((uintptr_t)user))
        return user;
    bounce->memory = cedi_memory_get(bytes + CONGRUENT);
    if (!bounce->memory)
        return NULL;
    guard->bounce_count++;
    bounce->user = user;
    bounce->bytes = bytes;
    bounce->copy = (void *)((uintptr_t)bounce->memory +
                            (((uintptr_t)user - (uintptr_t)bounce->memory) & (CONGRUENT - 1)));
    memcpy(bounce->copy, user, bytes);
    bounce->sum = cedi_mix(0, user, bytes);
    return bounce->copy;
}

static bool make_bounces(cedi_guarded *guard, uint8_t op)
{
    const cede_args *given = &guard->given;
    cede_args *shown = &guard->shown;
    switch (op) {
    case CEDE_OP_READ:
    case CEDE_OP_READ_ALL:
    case CEDE_OP_READDIR:
    case CEDE_OP_RECV:
    case CEDE_OP_RECV_ALL:
        shown->io.buffer = bounced(guard, given->io.buffer, given->io.length_bytes);
        return shown->io.buffer || !given->io.buffer;
    case CEDE_OP_RECVFROM:
        shown->datagram.buffer =
            bounced(guard, given->datagram.buffer, given->datagram.length_bytes);
        shown->datagram.from = bounced(guard, given->datagram.from, sizeof(cede_address));
        return (shown->datagram.buffer || !given->datagram.buffer) &&
               (shown->datagram.from || !given->datagram.from);
    case CEDE_OP_ACCEPT:
    case CEDE_OP_NAME:
    case CEDE_OP_PAIR:
        shown->net.out = bounced(guard, given->net.out,
                                 op == CEDE_OP_PAIR ? sizeof(cede_handle) : sizeof(cede_address));
        return shown->net.out || !given->net.out;
    case CEDE_OP_READV:
        shown->vec.vec = guard->vec;
        for (uint64_t i = 0; i < given->vec.count; i++) {
            guard->vec[i] = given->vec.vec[i];
            guard->vec[i].base = bounced(guard, guard->vec[i].base, guard->vec[i].length_bytes);
            if (!guard->vec[i].base && given->vec.vec[i].base)
                return false;
        }
        return true;
    case CEDE_OP_STAT:
    case CEDE_OP_STAT_HANDLE:
        shown->path.out = bounced(guard, given->path.out, sizeof(cede_stat));
        return shown->path.out || !given->path.out;
    case CEDE_OP_READLINK:
        shown->path.out = bounced(guard, given->path.out, given->path.length_bytes);
        return shown->path.out || !given->path.out;
    case CEDE_OP_LOOKUP:
        shown->path.out =
            bounced(guard, given->path.out, given->path.length_bytes * sizeof(cede_address));
        return shown->path.out || !given->path.out;
    case CEDE_OP_SPAWN:
        shown->spawn.id = bounced(guard, given->spawn.id, sizeof *given->spawn.id);
        return shown->spawn.id || !given->spawn.id;
    default:
        return true;
    }
}

/* ---- Life ----------------------------------------------------------------------------------- */

/* All in one piece of memory. A part makes at most three runs of pages: its first page, its last,
 * and those between. */
static cedi_guarded *guard_get(const gathering *found, uint64_t pieces)
{
    size_t parts = found->parts * sizeof(cedi_part), holds = 3 * found->parts * sizeof(cedi_hold);
    size_t bounces = found->outputs * sizeof(cedi_bounce);
    cedi_guarded *guard = cedi_memory_get(sizeof *guard + parts + holds + bounces +
                                          (size_t)pieces * sizeof(cede_vec));
    if (!guard)
        return NULL;
    guard->parts = (cedi_part *)(void *)(guard + 1);
    guard->holds = (cedi_hold *)(void *)((char *)guard->parts + parts);
    guard->bounces = (cedi_bounce *)(void *)((char *)guard->holds + holds);
    guard->vec = (cede_vec *)(void *)((char *)guard->bounces + bounces);
    return guard;
}

void cedi_guard_free(cedi_guarded *guard)
{
    for (uint32_t i = 0; i < guard->bounce_count; i++)
        cedi_memory_free(guard->bounces[i].memory);
    cedi_memory_free(guard);
}

cedi_guarded *cedi_guard_new(const cedi_slot *slot, bool arguments)
{
    gathering found = {.slot = slot};
    cedi_guarded *guard;
    gather_all(&found, slot, arguments);
    if (!found.parts)
        return NULL;
    guard =
        guard_get(&found, arguments && slot->op == CEDE_OP_READV ? slot->req->args_.vec.count : 0);
    if (!guard)
        return NULL;
    found.guard = guard;
    found.filling = true;
    gather_all(&found, slot, arguments);
    guard->part_count = found.parts;
    guard->arguments = arguments;
    guard->given = guard->shown = slot->req->args_;
    if (arguments && !make_bounces(guard, slot->op)) {
        cedi_guard_free(guard);
        return NULL;
    }
    return guard;
}

/* ---- Pages ---------------------------------------------------------------------------------- */

/* Whether all bytes from `at` to `to` are in parts of the request. */
static bool is_covered(const cedi_guarded *guard, uintptr_t at, uintptr_t to, bool lent_too)
{
    bool moved = true;
    while (at < to && moved) {
        moved = false;
        for (uint32_t i = 0; i < guard->part_count; i++) {
            const cedi_part *part = &guard->parts[i];
            if (part->from <= at && part->to > at && (lent_too || !part->lent)) {
                at = part->to;
                moved = true;
            }
        }
    }
    return at >= to;
}

enum verdict { LEAVE, SHUT, LEND };

static enum verdict judge(const cedi_guarded *guard, const cedi_part *part, uint32_t page)
{
    uintptr_t from, to;
    cedi_page_bounds(part->block, page, &from, &to);
    if (part->from <= from && part->to >= to)
        return part->lent ? LEND : SHUT;
    for (const cedi_part *other = guard->parts; other < part; other++) {
        if (other->from < to && other->to > from)
            return LEAVE; /* the page was looked at for that one */
    }
    if (is_covered(guard, from, to, false))
        return SHUT;
    return is_covered(guard, from, to, true) ? LEND : LEAVE;
}

static void hold_pages(cedi_guarded *guard, const cedi_part *part)
{
    uint32_t page = cedi_page_of(part->block, part->from);
    uint32_t end = cedi_page_of(part->block, part->to - 1) + 1;
    while (page < end) {
        enum verdict verdict = judge(guard, part, page);
        cedi_hold *hold = &guard->holds[guard->hold_count];
        uint32_t next = page + 1;
        while (next < end && judge(guard, part, next) == verdict)
            next++;
        if (verdict != LEAVE) {
            *hold = (cedi_hold){part->block, page, next - page, verdict == LEND};
            guard->hold_count++;
            cedi_pages_hold(hold->block, hold->first, hold->count, hold->lent, part->slot);
        }
        page = next;
    }
}

void cedi_guard_shut(const cedi_slot *slot)
{
    cedi_guarded *guard = slot->guard;
    cede_os_lock();
    for (uint32_t i = 0; i < guard->part_count; i++) {
        cedi_part *part = &guard->parts[i];
        part->next = part->block->parts;
        if (part->next)
            part->next->prev = part;
        part->block->parts = part;
        hold_pages(guard, part);
    }
    cede_os_unlock();
}

/* The pages of the request itself. */
void cedi_guard_touch(const cedi_slot *slot, bool open)
{
    cedi_guarded *guard = slot->guard;
    uintptr_t from = (uintptr_t)slot->req;
    cedi_block *block = cedi_block_of(from);
    if (guard->open == open)
        return;
    guard->open = open;
    if (!block)
        return;
    cede_os_lock();
    for (uint32_t i = cedi_page_of(block, from);
         i <= cedi_page_of(block, from + sizeof *slot->req - 1); i++)
        cedi_page_open(block, i, open);
    cede_os_unlock();
}

void cedi_guard_open(const cedi_slot *slot)
{
    cedi_guarded *guard = slot->guard;
    bool sound = true;
    cede_os_lock();
    for (uint32_t i = 0; i < guard->hold_count; i++) {
        const cedi_hold *hold = &guard->holds[i];
        cedi_pages_let_go(hold->block, hold->first, hold->count, hold->lent);
    }
    for (uint32_t i = 0; i < guard->part_count; i++) {
        cedi_part *part = &guard->parts[i];
        if (part->next)
            part->next->prev = part->prev;
        if (part->prev)
            part->prev->next = part->next;
        else
            part->block->parts = part->next;
        sound = sound && cedi_block_is_sound(part->block);
    }
    cede_os_unlock();
    if (!sound)
        cedi_misuse("law 5: beside what was ceded or lent, checked memory was overrun", slot, NULL);
}

void cedi_guard_return(const cedi_slot *slot)
{
    const cedi_guarded *guard = slot->guard;
    for (uint32_t i = 0; i < guard->bounce_count; i++) {
        const cedi_bounce *bounce = &guard->bounces[i];
        if (bounce->sum != cedi_mix(0, bounce->user, bounce->bytes))
            cedi_misuse("law 5: an output was changed while it was ceded", slot, NULL);
        memcpy(bounce->user, bounce->copy, bounce->bytes);
    }
}

const cedi_slot *cedi_guard_in_flight(const cede_req *req)
{
    const cedi_slot *slot = NULL;
    cedi_block *block = cedi_block_of((uintptr_t)req);
    cede_os_lock();
    if (block && block->live) {
        const cedi_part *part = block->parts;
        while (part && (part->lent || part->from != (uintptr_t)req))
            part = part->next;
        slot = part ? cedi_slot_at(part->slot) : NULL;
    }
    cede_os_unlock();
    return slot;
}

#endif
