/*
 * A hash of all that the rest of a run depends on, taken between two actions of a program, when no
 * call of the library is on the stack: the world, the core, the oracle. Two runs of one program
 * with the same hash at the same action go on in the same ways, so that one of them need not be
 * varied.
 *
 * Covered: of the world the clock, each work in flight with its window and outcome, the order of
 * the lists that they stand in, pipes, sockets, open files, the tree; of the core each slot that is
 * in use, the order of its queues, the wheel, the entries of handles, the first of the free slots
 * (a slot's place decides in which order a closing loop cancels); of the oracle what its judgements
 * ask.
 *
 * Left out, because nothing depends on it: generations and addresses, which differ from run to run
 * (slots and entries are named by their place, requests by their number), counters that are only
 * told, the room of arrays. Not covered at all, so that a state with it counts as never seen, and
 * nothing is pruned there: the inbox while something is in it, pools, orphans. Options of sockets
 * are not covered, either: no alphabet sets them.
 *
 * Nothing makes the list complete by force; every.c --validate compares with runs that were not
 * pruned.
 */
#include "state.h"

#include "core/core.h"
#include "sim/net.h"

static uint64_t hash;

static void mix(uint64_t value)
{
    hash = sim_mix(hash, value);
}

static void mix_data(const void *data, size_t count)
{
    mix(count);
    hash = sim_mix_bytes(hash, data, count);
}

/* ---- The world ------------------------------------------------------------------------------- */

/* Chunks and entries are numbered in the order in which they are met. */
static uint32_t chunks[8], entries[64];
static uint32_t chunk_count, entry_count;

static uint64_t place_of(uint64_t id)
{
    uint32_t number = 0;
    if (!id)
        return 0;
    while (number < chunk_count && chunks[number] != id / CEDI_CHUNK_SLOTS)
        number++;
    if (number == chunk_count && chunk_count < sizeof chunks / sizeof *chunks)
        chunks[chunk_count++] = (uint32_t)(id / CEDI_CHUNK_SLOTS);
    return (1 + id % CEDI_CHUNK_SLOTS) | number << 16;
}

static void mix_work(sim_work *work, void *unused)
{
    (void)unused;
    mix(work->op | (uint64_t)work->phase << 8 | (uint64_t)work->stage << 16 |
        (uint64_t)work->deaf << 24 | (uint64_t)work->wished << 25 | (uint64_t)work->at_once << 26 |
        (uint64_t)work->run_user << 27 | (uint64_t)work->split << 28 | (uint64_t)work->how << 32);
    mix(place_of((uint32_t)work->token) | (work->token >> 61) << 32 |
        (uint64_t)work->loop->serial << 40);
    mix(work->due_ns);
    mix(work->latest_ns);
    mix(work->file ? work->file->serial : 0);
    mix(work->moved);
    mix((uint64_t)(int64_t)work->status);
    mix(work->count);
    mix(work->hold);
    mix(work->rest_bytes);
    mix(work->lent_bytes);
}

static void mix_list(const sim_list *list)
{
    for (const sim_work *work = list->first; work; work = work->next)
        mix(place_of((uint32_t)work->token) | (uint64_t)work->loop->serial << 40);
    mix(UINT64_MAX);
}

static void mix_pipe(const cede_sim_pipe *pipe)
{
    mix(pipe->serial);
    mix(pipe->readers | (uint64_t)pipe->writers << 32);
    mix(pipe->filled);
    for (uint64_t i = 0; i < pipe->filled; i++)
        mix(pipe->ring[(pipe->head + i) % pipe->room]);
    mix_list(&pipe->reading);
    mix_list(&pipe->writing);
}

/* Their number from the last on that was made; 0: none. */
static uint64_t socket_number(const cede_sim *world, const sim_socket *which)
{
    uint64_t number = 1;
    if (!which)
        return 0;
    for (const sim_socket *at = world->sockets; at && at != which; at = at->next)
        number++;
    return number;
}

static void mix_address(const cede_address *address)
{
    mix(address->family | (uint64_t)address->port << 16 | (uint64_t)address->scope_id << 32);
    mix_data(address->ip, sizeof address->ip);
}

static void mix_socket(const sim_socket *at)
{
    const cede_sim *world = at->world;
    mix(at->kind | (uint64_t)at->flags << 32);
    mix_address(&at->own);
    mix_address(&at->peer);
    mix(at->reset | at->broken << 1 | (at->node != NULL) << 2);
    mix(at->in ? at->in->serial : 0);
    mix(at->out ? at->out->serial : 0);
    mix(socket_number(world, at->other));
    mix(socket_number(world, at->listener) | socket_number(world, at->behind) << 32);
    mix(socket_number(world, at->first) | at->waiting << 32);
    mix(at->backlog);
    mix_list(&at->taking);
    mix_list(&at->coming);
    for (const sim_packet *packet = at->packets; packet; packet = packet->next) {
        mix_address(&packet->from);
        mix_data(packet->data, packet->bytes);
    }
}

static void mix_world(cede_sim *world)
{
    sim_lock(world);
    mix(world->now_ns);
    mix(world->now_most_ns);
    sim_each(world, mix_work, NULL);
    for (const sim_loop *loop = world->loops; loop; loop = loop->next) {
        mix_list(&loop->done);
        mix(loop->refused | (uint64_t)atomic_load(&loop->woken) << 1);
        for (size_t i = 0; i < loop->again_count; i++)
            mix(place_of((uint32_t)loop->again[i]));
        for (uint32_t i = 0; i < loop->gone_count; i++)
            mix(place_of((uint32_t)loop->gone[i]));
    }
    for (const cede_sim_pipe *pipe = world->pipes; pipe; pipe = pipe->next)
        mix_pipe(pipe);
    for (const sim_socket *at = world->sockets; at; at = at->next)
        mix_socket(at);
    mix(world->last_port);
    mix_list(&world->lost);
    mix_list(&world->polling);
    for (const sim_open *open = world->opens; open; open = open->next) {
        mix(open->serial);
        mix(open->flags | (uint64_t)(open->native != 0) << 32);
        mix(open->position);
    }
    sim_unlock(world);
    mix(cede_sim_hash_tree(world, "/"));
}

/* ---- The core -------------------------------------------------------------------------------- */

static uint64_t entry_number(uint32_t index)
{
    if (!index)
        return 0;
    for (uint32_t i = 0; i < entry_count; i++) {
        if (entries[i] == index)
            return i + 1;
    }
    if (entry_count < 64)
        entries[entry_count++] = index;
    return entry_count;
}

static uint64_t call_number(const cede_req *req)
{
    return req && req->seal_ ? CEDE_CONTAINER(req, block, req)->owner->serial : 0;
}

static void mix_links(const cedi_link *list)
{
    for (const cedi_link *link = list->next; link != list; link = link->next)
        mix(place_of(cedi_slot_of((cedi_link *)(uintptr_t)link)->id));
    mix(UINT64_MAX);
}

static void mix_slot(const cedi_slot *slot)
{
    uint64_t word = atomic_load(&slot->word);
    mix(place_of(slot->id));
    mix(word & ((UINT64_C(1) << CEDI_GENERATION) - 1));
    mix(slot->marks);
    if (slot->bits & CEDI_TIMED) {
        mix(slot->expiry_ns);
        mix(place_of(atomic_load(&slot->wheel_next)) << 32 | place_of(slot->wheel_prev));
    }
    if (cedi_req_is_ready(slot) || (slot->op == CEDE_OP_SCOPE && cedi_scope_is_ending(slot)))
        mix((uint64_t)slot->status << 32); /* else what was there before */
    mix(slot->count);
    mix(slot->req ? call_number(slot->req) : 0);
    if (slot->bits & CEDI_LISTED) {
        mix(place_of(slot->at.on.next) << 32 | place_of(slot->at.on.prev));
        mix(entry_number(slot->at.on.entry));
        mix(slot->op == CEDE_OP_SEND_ZERO_COPY && slot->at.on.gone);
        mix(slot->op == CEDE_OP_ACCEPT_MANY && slot->at.on.made);
    } else if (slot->op == CEDE_OP_CLOSE) {
        mix(entry_number(slot->at.on.entry));
    } else if (slot->op == CEDE_OP_SCOPE) {
        mix(place_of(slot->at.scope.members));
        mix(entry_number(slot->at.scope.owned));
        mix(slot->at.scope.active);
    }
    mix(place_of(slot->follower) << 32 | place_of(slot->scope));
    mix(place_of(slot->scope_next) << 32 | place_of(slot->scope_prev));
}

static void mix_wheel(const cedi_wheel *wheel)
{
    mix(wheel->tick);
    mix(wheel->count);
    for (uint32_t i = 0; i < wheel->fresh_count; i++) {
        mix(wheel->fresh[i].slot ? place_of(wheel->fresh[i].slot->id) : 0);
        mix(wheel->fresh[i].ns);
    }
    for (uint32_t row = 0; row <= CEDI_WHEEL_LEVELS; row++) {
        mix(wheel->busy[row]);
        for (uint32_t at = 0; at < CEDI_WHEEL_ROW && wheel->busy[row] >> at; at++)
            mix(wheel->busy[row] >> at & 1 ? place_of(wheel->bucket[row][at]) : 0);
    }
}

static void mix_entry(uint32_t index)
{
    const cedi_entry *entry = cedi_entry_at(index);
    for (int i = 0; i < CEDI_LISTS; i++)
        mix(place_of(entry->list[i].head) << 32 | place_of(entry->list[i].tail));
    mix(entry->kind | (uint64_t)entry->flags << 16 |
        (uint64_t)(atomic_load(&entry->inbox) != 0) << 32);
    mix(place_of(entry->owner) << 32 | place_of(entry->close));
    mix(entry_number(entry->owned_next) << 32 | entry_number(entry->owned_prev));
}

/* Only those of the slots that are next to be used. */
#define FREE_SEEN 10

static void mix_core(const cede_loop *loop)
{
    const cedi_link *at = loop->free.next;
    mix(loop->closing | (uint64_t)loop->bound << 1 | (uint64_t)loop->watched << 2 |
        (uint64_t)atomic_load(&loop->stop) << 3 | (uint64_t)loop->stuck << 32);
    mix(loop->background);
    mix(loop->inflight);
    mix(loop->dropping);
    mix(loop->again_at);
    mix(loop->again_step_ns);
    if (!cedi_list_empty(&loop->parked)) {
        mix(loop->unpark_at);
        mix(loop->reports - loop->parks - loop->unparked);
    }
    mix(cedi_live(loop));
    for (int i = 0; i < FREE_SEEN && at; i++, at = at->next)
        mix(place_of(cedi_slot_of((cedi_link *)(uintptr_t)at)->id));
    mix_links(&loop->ready);
    mix_links(&loop->staged);
    mix_links(&loop->parked);
    mix_links(&loop->again);
    for (const cedi_item *item = loop->items; item; item = item->next)
        mix(place_of(item->slot) | (uint64_t)item->what << 32 |
            entry_number(item->carrier) << 40); /* no pools: it is a handle's */
    for (cedi_chunk *chunk = cedi_slot_chunks((cede_loop *)(uintptr_t)loop); chunk;
         chunk = chunk->next) {
        for (uint32_t i = 0; i < CEDI_CHUNK_SLOTS; i++) {
            if (chunk->slots[i].marks)
                mix_slot(&chunk->slots[i]);
        }
    }
    mix_wheel(&loop->wheel);
    mix(entry_number(loop->unowned));
    mix(entry_number(loop->drops));
}

static void mix_entries(void)
{
    for (uint32_t i = 0; i < entry_count; i++) /* it grows meanwhile */
        mix_entry(entries[i]);
}

/* ---- The oracle ------------------------------------------------------------------------------ */

static void mix_call(const call *c)
{
    mix((uint64_t)(c->how - now.program->action) | (uint64_t)c->dones << 8 |
        (uint64_t)c->returned << 16 | (uint64_t)c->asked_while_pending << 17 |
        (uint64_t)c->completed << 18 | (uint64_t)c->ended_sure << 19 |
        (uint64_t)c->behind_close << 20 | (uint64_t)c->must_be_refused << 21 |
        (uint64_t)c->must_be_open << 22 | (uint64_t)c->stale_handle << 23 |
        (uint64_t)c->bad_scope << 24 | (uint64_t)c->remote << 25 | (uint64_t)c->sure_member << 26 |
        (uint64_t)(c->home - now.homes) << 27);
    mix(c->causes | (uint64_t)c->recorded << 32);
    mix(c->due_ns);
    mix(c->deadline_ns);
    mix((uint64_t)c->why << 32 | c->members);
    mix((uint64_t)c->result.status << 32 | c->result.flags);
    mix(c->result.count);
    mix(c->items | (uint64_t)c->item_done << 32);
    if (c->kind->group == G_FILE) {
        mix(c->asked);
        mix(c->told);
    }
}

/* 0: nobody's. */
static uint64_t home_number(uint64_t loop)
{
    for (uint32_t i = 0; i < now.home_count; i++) {
        if (!now.homes[i].closed && now.homes[i].loop->id == loop)
            return i + 1;
    }
    return 0;
}

static void mix_thing(const thing *t)
{
    uint32_t index = (uint32_t)(t->handle & 0xffffff);
    uint64_t word = atomic_load(&cedi_entry_at(index)->word);
    mix_data(t->in.data, t->in.used);
    mix_data(t->out.data, t->out.used);
    mix(t->ended | t->maybe_shut << 1 | t->shut << 2 | t->closed << 3 | t->asked_to_close << 4 |
        (word >> 24 == t->handle >> 24) << 5 | home_number(word & 0xffffff) << 6 |
        (uint64_t)t->named << 8 | (uint64_t)t->ran << 16);
    for (uint32_t i = 0; i < HOMES; i++)
        mix(t->owner[i] ? t->owner[i]->serial : 0);
    mix(t->role | (uint64_t)t->accepted << 32 | (uint64_t)t->connected << 33 |
        (t->peer ? (uint64_t)(1 + t->peer - now.things) << 40 : 0));
}

static void mix_oracle(void)
{
    for (const call *c = now.calls; c < now.calls + now.call_count; c++)
        mix_call(c);
    for (const thing *t = now.things; t < now.things + now.thing_count; t++)
        mix_thing(t);
    for (uint32_t i = 0; i < REGISTERS; i++)
        mix(now.reg[i] ? now.reg[i]->serial : 0);
    for (const home *h = now.homes; h < now.homes + now.home_count; h++)
        mix(h->closing | (uint64_t)h->closed << 1 | (uint64_t)h->stop_asked << 2 |
            (uint64_t)h->bound << 3 | (uint64_t)h->keeping << 4 | (uint64_t)h->sent << 5);
    mix(now.drops);
}

uint64_t state_hash(uint32_t next)
{
    home *const end = now.homes + now.home_count;
    if (now.starved || now.pool)
        return 0;
    for (const home *h = now.homes; h < end; h++) {
        if (!h->closed && !cedi_inbox_empty(h->loop))
            return 0;
    }
    hash = chunk_count = entry_count = 0;
    mix(next);
    mix_oracle();
    mix_world(now.world);
    for (const home *h = now.homes; h < end; h++) {
        if (!h->closed)
            mix_core(h->loop);
    }
    mix_entries();
    return hash ? hash : 1;
}

/* What came of it, in whatever order. */
uint64_t state_outcome(void)
{
    hash = 1;
    for (const call *c = now.calls; c < now.calls + now.call_count; c++) {
        mix((uint64_t)c->result.status << 32 | c->result.flags);
        mix(c->result.count);
    }
    for (const thing *t = now.things; t < now.things + now.thing_count; t++) {
        mix_data(t->in.data, t->in.used);
        mix_data(t->out.data, t->out.used);
    }
    return hash;
}
