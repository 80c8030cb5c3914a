/*
 * Tickets and handles are names: what is not, or no longer, the name of something reaches nothing
 * and hurts nothing (laws 6, 10). Here what the public tests cannot reach: random words, slots at
 * their bounds, generations at their end.
 * Usage: unit_names [--seed N]
 */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "cede/sim.h"
#include "core.h"

#define WITNESSES  64u
#define ROUNDS     200000u
#define INDEX_BITS 24u

static uint64_t seed;
static cede_loop *loop;
static cede_sim *world;

/* What must not be hit: requests that pend, and the two ends of a pipe. */
static cede_req witness[WITNESSES];
static cede_ticket witness_ticket[WITNESSES];
static unsigned gone;
static cede_handle in, out;

static void witness_done(cede_req *req, cede_result r)
{
    (void)req, (void)r;
    gone++;
}

static cede_result last;

static void keep_result(cede_req *req, cede_result r)
{
    (void)req;
    last = r;
}

static cede_result result_of(cede_req *req)
{
    cede_ticket ticket = cede_submit(loop, req, keep_result);
    REQUIRE(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK, "it did not return");
    return last;
}

static void set_up(void)
{
    cede_sim_config config = {0};
    cede_options options = CEDE_OPTIONS_INIT;
    world = cede_sim_new(NULL);
    config.world = world;
    options.backend_table = &cede_sim_backend;
    options.backend_config = &config;
    REQUIRE(cede_loop_open(&options, &loop) == CEDE_OK, "no loop");
    REQUIRE(cede_sim_pipe_new(world, 0, &in, &out), "no pipe");
    for (unsigned i = 0; i < WITNESSES; i++) {
        if (i % 4 == 0)
            cede_prep_scope(&witness[i]);
        else if (i % 4 == 1)
            cede_prep_timer(&witness[i], 1000000 * CEDE_SECOND);
        else
            cede_prep_pend(&witness[i]);
        witness_ticket[i] = cede_submit(loop, &witness[i], witness_done);
    }
}

static void the_witnesses_stand(void)
{
    static cede_req write_it, read_it;
    char byte = 0;
    (void)cede_run(loop, 0);
    REQUIRE(gone == 0, "%u requests were reached by a name that is not theirs", gone);
    cede_prep_write(&write_it, out, "x", 1, CEDE_CURRENT);
    REQUIRE(result_of(&write_it).count == 1, "the pipe's write end was reached");
    cede_prep_read(&read_it, in, &byte, 1, CEDE_CURRENT);
    REQUIRE(result_of(&read_it).count == 1 && byte == 'x', "the pipe's read end was reached");
}

/* ---- Random words --------------------------------------------------------------------------- */

/* The generation of a free slot is the one that it will have next: a name that nobody was given. */
static bool is_a_name(cede_ticket t)
{
    const cedi_slot *slot = cedi_slot_find((uint32_t)t.id);
    return slot && cedi_slot_generation(slot) == t.generation;
}

/* Anything, or nearly the name of a witness. */
static cede_ticket some_ticket(void)
{
    cede_ticket t = {unit_random(&seed) >> unit_below(&seed, 64),
                     unit_random(&seed) >> unit_below(&seed, 64)};
    if (unit_below(&seed, 2) == 0) {
        t = witness_ticket[unit_below(&seed, WITNESSES)];
        if (unit_below(&seed, 2) == 0)
            t.generation += UINT64_C(1) << unit_below(&seed, 64);
        else
            t.id ^= UINT64_C(1) << unit_below(&seed, 64);
    }
    if (is_a_name(t))
        t.generation--;
    return t;
}

static cede_handle some_handle(void)
{
    cede_handle h = unit_random(&seed) >> unit_below(&seed, 64);
    if (unit_below(&seed, 2) == 0)
        h = (unit_below(&seed, 2) ? in : out) ^ UINT64_C(1) << unit_below(&seed, 64);
    return h == in || h == out ? 0 : h;
}

static void random_tickets_reach_nothing(void)
{
    cede_req req;
    for (unsigned round = 0; round < ROUNDS; round++) {
        cede_ticket t = some_ticket();
        cede_status status;
        switch (unit_below(&seed, 8)) {
        case 0:
            cede_cancel(t);
            break;
        case 1:
            cede_fail(t, CEDE_EIO);
            break;
        case 2:
            cede_complete(t, CEDE_OK, 1);
            break;
        case 3:
            cede_extend(t, 0);
            break;
        case 4:
            status = cede_wait(loop, t, 0);
            REQUIRE(status == CEDE_OK || status == CEDE_EINVAL, "wait says %s",
                    cede_status_name(status));
            break;
        case 5:
            cede_own(t, 0);
            break;
        default:
            cede_prep_nop(&req);
            cede_in(&req, t);
            status = result_of(&req).status;
            REQUIRE(status == CEDE_EINVAL || status == CEDE_EENDED, "a member of nothing: %s",
                    cede_status_name(status));
            break;
        }
    }
    the_witnesses_stand();
}

static void random_handles_reach_nothing(void)
{
    cede_req req;
    char buffer[16];
    cede_stat stat;
    intptr_t native;
    for (unsigned round = 0; round < ROUNDS; round++) {
        cede_handle h = some_handle();
        switch (unit_below(&seed, 6)) {
        case 0:
            cede_drop(h);
            continue;
        case 1:
            cede_own(witness_ticket[0], h);
            continue;
        case 2:
            REQUIRE(cede_release(h, &native) == CEDE_EBADF, "%" PRIx64 " was released", h);
            continue;
        case 3:
            cede_prep_close(&req, h);
            break;
        case 4:
            cede_prep_stat_handle(&req, h, &stat);
            break;
        default:
            cede_prep_read(&req, h, buffer, sizeof buffer, CEDE_CURRENT);
            break;
        }
        REQUIRE(result_of(&req).status == CEDE_EBADF, "%" PRIx64 ": %s", h,
                cede_status_name(last.status));
    }
    the_witnesses_stand();
}

/* A backend's own mistake: a report of what nobody ceded stops the process elsewhere (request.c); a
 * late "cancel found nothing" is harmless (backend.h). */
static void late_answers_are_harmless(void)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        cedi_slot *slot = cedi_slot_find(witness_ticket[unit_below(&seed, WITNESSES)].id);
        uint64_t token = cedi_slot_token(slot);
        cede_core_cancel_again((cede_core *)loop, token ^ UINT64_C(1) << (32 + round % 29));
        cede_core_cancel_again((cede_core *)loop, token); /* not cancelled: nothing to repeat */
    }
    the_witnesses_stand();
}

/* ---- Bounds --------------------------------------------------------------------------------- */

static void ids_have_bounds(void)
{
    for (uint64_t id = UINT64_C(1) << 34; id; id <<= 1)
        REQUIRE(cedi_slot_find(id | 5) == NULL, "id %" PRIx64 " names a slot", id | 5);
    REQUIRE(cedi_slot_find(0) == NULL, "id 0 names a slot");
    REQUIRE(cedi_slot_find(UINT32_MAX) == NULL, "the last id names a slot");
    REQUIRE(cedi_slot_find(UINT64_C(1) << 25) == NULL, "an id behind the last chunk names a slot");
    for (unsigned i = 0; i < WITNESSES; i++) {
        const cedi_slot *slot = cedi_slot_find(witness_ticket[i].id);
        REQUIRE(slot && slot->req == &witness[i], "witness %u is not found", i);
    }
}

/* Slots are used again at once, so here a stale ticket always meets a successor in its slot. */
static void stale_tickets_miss_their_successors(void)
{
    static cede_req req;
    cede_ticket old, first = {0, 0};
    for (unsigned round = 0; round < ROUNDS; round++) {
        cede_prep_pend(&req);
        old = cede_submit(loop, &req, keep_result);
        if (round == 0)
            first = old;
        cede_cancel(old);
        REQUIRE(cede_wait(loop, old, CEDE_FOREVER) == CEDE_OK, "it did not return");
        cede_prep_pend(&req);
        cede_ticket now = cede_submit(loop, &req, keep_result);
        REQUIRE(now.id == old.id && now.generation == old.generation + 1,
                "the slot was not reused");
        last.count = 0;
        cede_cancel(old);
        cede_complete(old, CEDE_EIO, 1);
        cede_complete(first, CEDE_EIO, 1);
        cede_extend(old, 0);
        REQUIRE(cede_wait(loop, old, 0) == CEDE_OK, "a stale ticket is waited for");
        cede_complete(now, CEDE_OK, 2);
        REQUIRE(cede_wait(loop, now, CEDE_FOREVER) == CEDE_OK, "it did not return");
        REQUIRE(last.count == 2 && last.flags == 0, "a stale ticket reached the successor");
    }
}

/* The word of an entry that is free, reserved or stale is not that of a handle that is to come. */
static void what_was_not_given_out_is_no_handle(void)
{
    intptr_t native;
    for (uint32_t index = 1; index < 1000; index++) {
        cede_handle handle = cedi_handle_value(cedi_entry_at(index), index);
        if (handle == in || handle == out)
            continue;
        REQUIRE(cede_release(handle, &native) == CEDE_EBADF, "%" PRIx64 " was released", handle);
        cede_drop(handle);
    }
    the_witnesses_stand();
}

static uint32_t index_of(cede_handle handle)
{
    return (uint32_t)(handle & ((UINT64_C(1) << INDEX_BITS) - 1));
}

/* A handle's generation has 40 bits. The entry whose generation has come to its end is not used
 * again, so that no handle ever names a second thing. */
static void a_generation_that_ends_retires_its_entry(void)
{
    cede_handle write_end, handle = 0;
    uint64_t end = (UINT64_C(1) << 40) - 1, used = 0;
    uint32_t index;
    REQUIRE(cede_sim_pipe_new(world, 0, &handle, NULL), "no pipe");
    index = index_of(handle);
    atomic_store(&cedi_entry_at(index)->word, (end - 6) << INDEX_BITS);
    handle = cedi_handle_value(cedi_entry_at(index), index);
    for (unsigned round = 0; round < 10000; round++) {
        uint64_t generation = handle >> INDEX_BITS;
        REQUIRE(index_of(handle) != index || generation > end - 7, "the generation went round");
        used += index_of(handle) == index;
        cede_drop(handle);
        cede_drop(handle); /* stale by now */
        REQUIRE(cede_sim_pipe_new(world, 0, NULL, &write_end), "no pipe");
        handle = write_end;
    }
    cede_drop(handle);
    REQUIRE(used >= 2, "the entry came only %" PRIu64 " times", used);
    REQUIRE(atomic_load(&cedi_entry_at(index)->word) >> INDEX_BITS >= end - 2,
            "the entry is still in use");
}

int main(int argc, char **argv)
{
    seed = unit_seed(argc, argv);
    set_up();
    random_tickets_reach_nothing();
    random_handles_reach_nothing();
    late_answers_are_harmless();
    ids_have_bounds();
    stale_tickets_miss_their_successors();
    what_was_not_given_out_is_no_handle();
    a_generation_that_ends_retires_its_entry();
    the_witnesses_stand();
    REQUIRE(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK, "the loop did not close");
    REQUIRE(gone == WITNESSES, "%u of %u came back", gone, WITNESSES);
    for (unsigned i = 0; i < WITNESSES; i++) { /* after the loop, too */
        cede_cancel(witness_ticket[i]);
        cede_complete(witness_ticket[i], CEDE_OK, 0);
        cede_drop(in);
    }
    REQUIRE(cede_sim_free(world) == CEDE_OK, "the world lives on");
    return 0;
}
