/*
 * Records of works: found by token, ordered by due time, kept in lists. Recycled, so that the
 * steady state allocates nothing. Under the world's lock.
 */
#include "child.h"

#include <stdlib.h>

#define CHUNK 64u

struct sim_token {
    uint64_t token; /* 0: empty */
    sim_work *work;
};

struct chunk {
    struct chunk *next;
    sim_work work[CHUNK];
};

/* ---- By token: open addressing, linear probing, at most half full ---------------------------- */

/* A token is a name within its loop only. */
static size_t slot_of(const cede_sim *world, const sim_loop *loop, uint64_t token)
{
    return (size_t)sim_mix(loop->serial, token) & (world->token_room - 1);
}

static void token_put(cede_sim *world, sim_work *work)
{
    size_t at = slot_of(world, work->loop, work->token);
    while (world->tokens[at].token)
        at = (at + 1) & (world->token_room - 1);
    world->tokens[at].token = work->token;
    world->tokens[at].work = work;
}

static bool token_grow(cede_sim *world)
{
    size_t old_room = world->token_room;
    struct sim_token *old = world->tokens;
    if (2 * (world->token_count + 1) <= old_room)
        return true;
    size_t room = old_room ? 2 * old_room : 64;
    struct sim_token *fresh = calloc(room, sizeof *fresh);
    if (!fresh)
        return false;
    world->tokens = fresh;
    world->token_room = room;
    for (size_t i = 0; i < old_room; i++) {
        if (old[i].token)
            token_put(world, old[i].work);
    }
    free(old);
    return true;
}

sim_work *sim_work_find(sim_loop *loop, uint64_t token)
{
    const cede_sim *world = loop->world;
    if (world->token_room == 0)
        return NULL;
    for (size_t at = slot_of(world, loop, token); world->tokens[at].token;
         at = (at + 1) & (world->token_room - 1)) {
        if (world->tokens[at].token == token && world->tokens[at].work->loop == loop)
            return world->tokens[at].work;
    }
    return NULL;
}

static void token_remove(cede_sim *world, const sim_work *work)
{
    size_t mask = world->token_room - 1;
    size_t hole = slot_of(world, work->loop, work->token);
    while (world->tokens[hole].work != work)
        hole = (hole + 1) & mask;
    /* Close the gap: what was pushed beyond it comes back, so that no marker is needed. */
    for (size_t at = (hole + 1) & mask; world->tokens[at].token; at = (at + 1) & mask) {
        size_t home = slot_of(world, world->tokens[at].work->loop, world->tokens[at].token);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            world->tokens[hole] = world->tokens[at];
            hole = at;
        }
    }
    world->tokens[hole].token = 0;
    world->tokens[hole].work = NULL;
    world->token_count--;
}

/* ---- By due time: a binary heap -------------------------------------------------------------- */

static bool heap_grow(cede_sim *world)
{
    /* Room for everything in flight, so that sim_heap_add cannot fail. */
    uint64_t needed = world->in_flight + world->actors + 2; /* a spawn brings two */
    size_t room = world->heap_room ? world->heap_room : 64;
    if (needed <= world->heap_room)
        return true;
    while (room < needed)
        room *= 2;
    sim_work **fresh = realloc(world->heap, room * sizeof *fresh);
    if (!fresh)
        return false;
    world->heap = fresh;
    world->heap_room = room;
    return true;
}

static bool before(const sim_work *a, const sim_work *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->serial < b->serial;
}

static void heap_set(cede_sim *world, size_t at, sim_work *work)
{
    world->heap[at] = work;
    work->heap_at = (uint32_t)at + 1;
}

static void heap_up(cede_sim *world, size_t at, sim_work *work)
{
    while (at > 0 && before(work, world->heap[(at - 1) / 2])) {
        heap_set(world, at, world->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(world, at, work);
}

static void heap_down(cede_sim *world, size_t at, sim_work *work)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= world->heap_count)
            break;
        if (child + 1 < world->heap_count && before(world->heap[child + 1], world->heap[child]))
            child++;
        if (!before(world->heap[child], work))
            break;
        heap_set(world, at, world->heap[child]);
        at = child;
    }
    heap_set(world, at, work);
}

void sim_heap_add(cede_sim *world, sim_work *work)
{
    heap_up(world, world->heap_count++, work);
}

void sim_heap_remove(cede_sim *world, sim_work *work)
{
    size_t at = work->heap_at - 1;
    sim_work *last = world->heap[--world->heap_count];
    work->heap_at = 0;
    if (last == work)
        return;
    if (at > 0 && before(last, world->heap[(at - 1) / 2]))
        heap_up(world, at, last);
    else
        heap_down(world, at, last);
}

/* ---- Lists ----------------------------------------------------------------------------------- */

void sim_list_add(sim_list *list, sim_work *work)
{
    work->list = list;
    work->next = NULL;
    work->prev = list->last;
    if (list->last)
        list->last->next = work;
    else
        list->first = work;
    list->last = work;
}

void sim_list_remove(sim_work *work)
{
    sim_list *list = work->list;
    if (!list)
        return;
    if (work->prev)
        work->prev->next = work->next;
    else
        list->first = work->next;
    if (work->next)
        work->next->prev = work->prev;
    else
        list->last = work->prev;
    work->list = NULL;
    work->next = work->prev = NULL;
}

/* ---- Records --------------------------------------------------------------------------------- */

static bool chunk_new(cede_sim *world)
{
    struct chunk *chunk = malloc(sizeof *chunk);
    if (!chunk)
        return false;
    chunk->next = world->chunks;
    world->chunks = chunk;
    for (unsigned i = CHUNK; i-- > 0;) {
        chunk->work[i].phase = SIM_FREE;
        chunk->work[i].next = world->spare;
        world->spare = &chunk->work[i];
    }
    return true;
}

static sim_open *borrow(cede_sim *world, intptr_t native)
{
    sim_open *open = native > 0 ? sim_native_find(world, native) : NULL;
    if (open)
        open->uses++;
    return open;
}

/* So that a cancel need not allocate. */
static bool again_grow(sim_loop *loop)
{
    if (loop->in_flight + 1 <= loop->again_room)
        return true;
    size_t room = loop->again_room ? 2 * loop->again_room : 64;
    uint64_t *fresh = realloc(loop->again, room * sizeof *fresh);
    if (!fresh)
        return false;
    loop->again = fresh;
    loop->again_room = room;
    return true;
}

sim_work *sim_work_new(sim_loop *loop, const cede_work *given)
{
    cede_sim *world = loop->world;
    if (!token_grow(world) || !heap_grow(world) || !again_grow(loop) ||
        (!world->spare && !chunk_new(world)))
        return NULL;
    bool stale = false;
    struct sim_child *child = NULL;
    if (given->op == CEDE_OP_SPAWN && sim_has(CEDE_OP_SPAWN)) {
        child = sim_child_take(loop, given, &stale);
        if (!child)
            return NULL;
    }
    sim_work *work = world->spare;
    world->spare = work->next;
    *work = (sim_work){
        .loop = loop,
        .token = given->token,
        .serial = ++world->work_serials,
        .born_ns = world->now_ns,
        .native = given->native,
        .moved = given->moved,
        .op = given->op,
        .how = given->how,
        .phase = SIM_QUEUED,
        .child = child,
        .stale = stale,
    };
    /* The arguments lie in the ceded request. */
    if (given->args) {
        cede_core_touch(loop->core, work->token, true);
        work->args = *given->args;
        cede_core_touch(loop->core, work->token, false);
    }
    work->file = borrow(world, given->native);
    work->to = borrow(world, given->native_other);
    token_put(world, work);
    world->token_count++;
    world->in_flight++;
    loop->in_flight++;
    return work;
}

void sim_work_free(sim_work *work)
{
    cede_sim *world = work->loop->world;
    token_remove(world, work);
    world->in_flight--;
    work->loop->in_flight--;
    if (work->file)
        sim_open_release(work->file);
    if (work->to)
        sim_open_release(work->to);
    if (work->child)
        sim_child_leave(work->child);
    work->phase = SIM_FREE;
    work->next = world->spare;
    world->spare = work;
}

static int by_serial(const void *a, const void *b)
{
    const sim_work *first = *(sim_work *const *)a, *second = *(sim_work *const *)b;
    return (first->serial > second->serial) - (first->serial < second->serial);
}

void sim_each(cede_sim *world, void (*fn)(sim_work *, void *), void *context)
{
    size_t count = 0, most = (size_t)world->in_flight;
    sim_work **all = malloc((most + 1) * sizeof(sim_work *));
    if (!all)
        return;
    for (struct chunk *chunk = world->chunks; chunk; chunk = chunk->next) {
        for (unsigned i = 0; i < CHUNK; i++) {
            if (chunk->work[i].phase != SIM_FREE && count < most)
                all[count++] = &chunk->work[i];
        }
    }
    qsort(all, count, sizeof(sim_work *), by_serial);
    for (size_t i = 0; i < count; i++)
        fn(all[i], context);
    free(all);
}

void sim_works_free(cede_sim *world)
{
    for (struct chunk *chunk = world->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    free(world->tokens);
    free(world->heap);
}
