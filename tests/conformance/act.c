/*
 * Acting by the schedule's way: directly, on a thread that lives on (S5) or exits (S10), inside a
 * callback (S6); and bringing a request to the schedule's point (S1 to S4).
 *
 * An act on a thread has returned when cft_act returns, so a case means the same under every
 * schedule. Races proper are run by cft_thread.
 */
#include "inner.h"

#include <stdlib.h>

/* ---- The actor: one thread that does what it is told ----------------------------------------- */

struct cft_actor {
    cft_gate *gate;
    cft_os_thread *thread;
    void (*fn)(void *);
    void *context;
    uint64_t random;
    bool busy;
    bool stop;
};

void cft_dawdle(uint64_t *state)
{
    *state = cft_mix(*state, 1);
    uint32_t spins = (uint32_t)(*state % 4 == 0 ? *state / 4 % 2000 : *state / 4 % 50);
    for (uint32_t i = 0; i < spins; i++) {
        atomic_signal_fence(memory_order_seq_cst);
        if (i % 256 == 255)
            cft_os_yield();
    }
    if (*state >> 62 == 0)
        cft_os_yield();
}

static void actor_main(void *argument)
{
    struct cft_actor *actor = argument;
    cft_gate_lock(actor->gate);
    for (;;) {
        while (!actor->busy && !actor->stop)
            cft_gate_wait(actor->gate);
        if (!actor->busy)
            break;
        cft_gate_unlock(actor->gate);
        cft_dawdle(&actor->random);
        actor->fn(actor->context);
        cft_gate_lock(actor->gate);
        actor->busy = false;
        cft_gate_signal(actor->gate);
    }
    cft_gate_unlock(actor->gate);
}

static void on_actor(cft *t, void (*fn)(void *), void *context)
{
    struct cft_actor *actor = t->actor;
    if (!actor) {
        actor = t->actor = calloc(1, sizeof *actor);
        if (!actor)
            abort();
        actor->gate = cft_gate_new();
        actor->random = cft_mix(t->seed, 77);
        actor->thread = cft_os_start(actor_main, actor);
    }
    cft_gate_lock(actor->gate);
    actor->fn = fn;
    actor->context = context;
    actor->busy = true;
    cft_gate_signal(actor->gate);
    while (actor->busy)
        cft_gate_wait(actor->gate);
    cft_gate_unlock(actor->gate);
}

void cft_actor_stop(cft *t)
{
    struct cft_actor *actor = t->actor;
    if (!actor)
        return;
    cft_gate_lock(actor->gate);
    actor->stop = true;
    cft_gate_signal(actor->gate);
    cft_gate_unlock(actor->gate);
    cft_os_join(actor->thread);
    cft_gate_free(actor->gate);
    free(actor);
    t->actor = NULL;
}

struct act {
    void (*fn)(void *);
    void *context;
    bool ran;
};

static void act_in_callback(cft_rec *rec)
{
    struct act *act = rec->data;
    act->fn(act->context);
    act->ran = true;
}

static void on_callback(cft *t, void (*fn)(void *), void *context)
{
    struct act act = {fn, context, false};
    cft_rec *rec = cft_new(t);
    cede_prep_nop(rec->req);
    rec->then = act_in_callback;
    rec->data = &act;
    cft_submit_on(rec, cft_loop(t));
    /* Only this done runs: whatever else is ready keeps. */
    CFT_CHECK(t, cft_wait_on(t->loop, rec->ticket, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, act.ran);
}

void cft_act(cft *t, void (*fn)(void *), void *context)
{
    bool at_home = cft_os_self() == t->thread && cft_here.depth == 0;
    if (t->schedule == 5 && at_home) {
        on_actor(t, fn, context);
    } else if (t->schedule == 10 && at_home) {
        cft_os_thread *thread = cft_os_start(fn, context);
        cft_os_join(thread);
    } else if (t->schedule == 6 && at_home) {
        on_callback(t, fn, context);
    } else {
        fn(context);
    }
}

/* ---- Threads of the case --------------------------------------------------------------------- */

struct start {
    void (*fn)(void *);
    void *context;
    uint64_t random;
};

static void delayed(void *argument)
{
    struct start *start = argument;
    cft_dawdle(&start->random);
    start->fn(start->context);
}

void cft_thread(cft *t, void (*fn)(void *), void *context)
{
    CFT_CHECK(t, t->thread_count < CFT_THREADS);
    struct start *start = cft_alloc(t, sizeof *start);
    start->fn = fn;
    start->context = context;
    start->random = cft_random(t);
    t->threads[t->thread_count++] = cft_os_start(delayed, start);
}

void cft_join(cft *t)
{
    for (uint32_t i = 0; i < t->thread_count; i++)
        cft_os_join(t->threads[i]);
    t->thread_count = 0;
}

/* ---- Wishes --------------------------------------------------------------------------------- */

enum wish_kind { WISH_CANCEL, WISH_FAIL, WISH_COMPLETE, WISH_DROP };

struct wish {
    enum wish_kind kind;
    cede_ticket ticket;
    cede_handle handle;
    cede_status status;
    uint64_t count;
};

static void make_wish(void *context)
{
    const struct wish *wish = context;
    cft_here.inside++;
    switch (wish->kind) {
    case WISH_CANCEL:
        cede_cancel(wish->ticket);
        break;
    case WISH_FAIL:
        cede_fail(wish->ticket, wish->status);
        break;
    case WISH_COMPLETE:
        cede_complete(wish->ticket, wish->status, wish->count);
        break;
    case WISH_DROP:
        cede_drop(wish->handle);
        break;
    }
    cft_here.inside--;
}

static void act_wish(cft *t, struct wish wish)
{
    cft_step(t);
    cft_act(t, make_wish, &wish);
}

void cft_cancel(cft *t, cede_ticket ticket)
{
    act_wish(t, (struct wish){WISH_CANCEL, ticket, 0, 0, 0});
}

void cft_fail(cft *t, cede_ticket ticket, cede_status why)
{
    act_wish(t, (struct wish){WISH_FAIL, ticket, 0, why, 0});
}

void cft_complete(cft *t, cede_ticket ticket, cede_status status, uint64_t count)
{
    act_wish(t, (struct wish){WISH_COMPLETE, ticket, 0, status, count});
}

void cft_drop(cft *t, cede_handle handle)
{
    act_wish(t, (struct wish){WISH_DROP, {0, 0}, handle, 0, 0});
}

/* ---- The schedule's point -------------------------------------------------------------------- */

static void bequeath(cft *t, cft_rec *rec)
{
    cft_rec *heir = cft_new(t);
    heir->is_heir_ = true;
    rec->heir_ = heir;
}

void cft_reach(cft *t, cft_rec *rec, void (*feed)(cft *, void *), void *context)
{
    cft_step(t);
    switch (t->schedule) {
    case 1:
        break;
    case 2:
        cft_flush(t);
        if (t->frozen)
            cft_frozen_await(t);
        break;
    case 3:
        if (t->frozen)
            cft_thaw(t);
        if (t->world->complete)
            t->world->complete(t, t->state);
        if (feed)
            feed(t, context);
        if (t->world->complete)
            t->world->complete(t, t->state);
        break;
    case 4:
        if (t->frozen)
            cft_thaw(t);
        bequeath(t, rec);
        if (feed)
            feed(t, context);
        cft_await(t, rec);
        break;
    default:
        cft_flush(t);
        break;
    }
}
