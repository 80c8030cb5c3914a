/*
 * The seam: what the core calls. One sim_loop is one instance; it lives in a world, its own or one
 * that others share. Each call takes the world's lock, and lets it go before it calls back.
 */
#include "watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../work.h"

static cede_status fault(const cede_sim *world, const char *step)
{
    const cede_sim_config *config = &world->config;
    return config->fault ? config->fault(config->fault_context, step) : CEDE_OK;
}

static cede_status backend_open(const cede_backend_setup *setup, void **self)
{
    const cede_sim_config *config = setup->config;
    bool private_world = !config || !config->world;
    cede_sim *world = private_world ? cede_sim_new(config) : config->world;
    sim_loop *loop = calloc(1, sizeof *loop);
    cede_os_gate *gate = cede_os_gate_new();
    cede_status status = world && loop && gate ? fault(world, "open") : CEDE_ENOMEM;
    if (status != CEDE_OK) {
        (void)snprintf(setup->why, setup->why_bytes, "sim: %s",
                       status == CEDE_ENOMEM ? "out of memory" : "open fails as arranged");
        cede_os_gate_free(gate);
        free(loop);
        if (private_world && world)
            (void)cede_sim_free(world);
        return status;
    }
    loop->core = setup->core;
    loop->gate = gate;
    loop->world = world;
    loop->private_world = private_world;
    atomic_init(&loop->woken, false);
    sim_lock(world);
    loop->serial = ++world->loop_serials;
    loop->next = world->loops;
    world->loops = loop;
    sim_unlock(world);
    *self = loop;
    return CEDE_OK;
}

static void backend_close(void *self)
{
    sim_loop *loop = self;
    cede_sim *world = loop->world;
    sim_lock(world);
    if (loop->in_flight > 0) /* the kernel would write into freed memory */
        cede_os_fatal("cede: sim: the backend was closed with works in flight");
    sim_loop **at = &world->loops;
    while (*at != loop)
        at = &(*at)->next;
    *at = loop->next;
    sim_unlock(world);
    if (loop->private_world)
        (void)cede_sim_free(world);
    cede_os_gate_free(loop->gate);
    free(loop->again);
    free(loop);
}

static cede_status backend_bind(void *self)
{
    const sim_loop *loop = self;
    return fault(loop->world, "bind");
}

static bool backend_supports(void *self, uint32_t op)
{
    const sim_loop *loop = self;
    return sim_has(op) && !(loop->world->config.without >> op & 1);
}

/* ---- Taking ---------------------------------------------------------------------------------- */

static uint32_t limit_batch(sim_loop *loop, uint32_t count)
{
    cede_sim *world = loop->world;
    const cede_sim_config *config = &world->config;
    uint32_t limit = count;
    if (config->batch_most && limit > config->batch_most)
        limit = config->batch_most;
    if (loop->in_flight > 0 && sim_chance(world, config->refuse_permille))
        limit = (uint32_t)sim_choose(world, limit);
    if (loop->in_flight == 0 && sim_chance(world, config->starve_permille))
        limit = 0;
    loop->refused = limit < count;
    if (config->in_flight_most) {
        uint64_t room =
            config->in_flight_most > loop->in_flight ? config->in_flight_most - loop->in_flight : 0;
        if (limit >= room) {
            limit = (uint32_t)room;
            loop->refused = false; /* nothing will do but a report */
        }
    }
    if (limit < count)
        sim_note(world, SIM_REFUSE, NULL, count - limit);
    return limit;
}

static bool take(sim_loop *loop, const cede_work *given)
{
    cede_sim *world = loop->world;
    sim_work *work = sim_work_new(loop, given);
    if (!work)
        return false;
    world->counts.taken++;
    sim_note(world, SIM_TAKE, work, work->file ? work->file->serial : 0);
    if (!backend_supports(loop, work->op)) {
        sim_seal(work, CEDE_ENOTSUP, 0);
    } else if (work->op != CEDE_OP_WORK && sim_chance(world, world->config.immediate_permille)) {
        work->at_once = true;
        sim_perform(work);
    } else {
        sim_schedule(work, SIM_QUEUED);
    }
    return true;
}

/* There is no memory for a record. */
static void starved(sim_loop *loop, const cede_work *given)
{
    sim_unlock(loop->world);
    cede_core_starved(loop->core, given, 0);
    sim_lock(loop->world);
}

/* Reports one work of the list to the core, with the lock let go meanwhile. */
static void report(sim_loop *loop, sim_work *work)
{
    cede_sim *world = loop->world;
    uint64_t token = work->token, count = work->count;
    uint32_t op = work->op;
    cede_status status = work->status;
    cede_work_fn *run = work->run_user ? work->args.work.run : NULL;
    void *argument = run ? work->args.work.argument : NULL;
    uint32_t number = 0;
    if (work->to_pool) {
        if (work->op == CEDE_OP_WATCH_MANY)
            sim_watch_pool(world, work, &number);
        else
            sim_io_pool(world, work, &number);
        status = work->status;
        count = work->count;
    }
    bool item = work->to_pool && count > 0;
    uint32_t signals = sim_signals_take(work);
    sim_note(world, SIM_REPORT, work, (uint64_t)(int64_t)status);
    world->counts.reported++;
    sim_list_remove(work);
    sim_work_free(work);
    sim_unlock(world);
    if (run) {
        count = 0;
        status = cedi_work_run(run, argument, &count);
    } else if (op == CEDE_OP_WORK && status == CEDE_ECANCELED) {
        status = CEDE_REPORT_AGAIN; /* it has not begun: what it returns is its own */
    }
    if (signals)
        cede_core_signals(loop->core, token, signals);
    if (item)
        cede_core_item(loop->core, token, count, number);
    cede_core_done(loop->core, token, status, 0, count);
    sim_lock(world);
}

static uint32_t backend_start(void *self, const cede_work *batch, uint32_t count)
{
    sim_loop *loop = self;
    uint32_t taken = 0;
    sim_lock(loop->world);
    uint32_t limit = limit_batch(loop, count);
    for (; taken < limit; taken++) {
        if (!take(loop, &batch[taken]))
            starved(loop, &batch[taken]);
    }
    if (loop->world->config.immediate_permille > 0) {
        for (sim_work *work = loop->done.first, *next; work; work = next) {
            next = work->next;
            if (work->at_once)
                report(loop, work);
        }
    }
    sim_unlock(loop->world);
    return taken;
}

static int backend_cancel(void *self, uint64_t token)
{
    sim_loop *loop = self;
    sim_lock(loop->world);
    sim_work *work = sim_work_find(loop, token);
    int answer = work ? sim_cancel(work) : CEDE_CANCEL_SENT;
    sim_unlock(loop->world);
    return answer;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static void say_pending(sim_work *work, void *context)
{
    cede_core *core = context;
    char line[240] = "sim: nothing can end this wait: ";
    size_t used = strlen(line);
    sim_describe(work, line + used, sizeof line - used);
    cede_core_trace(core, line);
}

static cede_status stuck(sim_loop *loop)
{
    loop->world->counts.deadlocks++;
    sim_note(loop->world, SIM_DEADLOCK, NULL, loop->world->in_flight);
    sim_each(loop->world, say_pending, loop->core);
    return CEDE_EDEADLK;
}

/* Sleeps in real time, for another thread to change something. Returns how long. */
static uint64_t sleep_at_gate(sim_loop *loop, uint64_t most_ns)
{
    uint64_t since = cede_os_now();
    loop->sleeping = true;
    sim_unlock(loop->world);
    cede_os_gate_wait(loop->gate, most_ns);
    sim_lock(loop->world);
    loop->sleeping = false;
    return cede_os_now() - since;
}

/* Until there is news, or the time is over. */
static cede_status wait_until(sim_loop *loop, uint64_t until_ns)
{
    cede_sim *world = loop->world;
    uint64_t patience = world->script ? 0 : world->config.patience_ns;
    for (;;) {
        sim_run_for(loop, until_ns);
        if (sim_has_news(loop))
            return CEDE_OK;
        if (until_ns == CEDE_FOREVER) {
            if (world->config.flags & CEDE_SIM_DEADLOCK_FAILS)
                return stuck(loop);
            (void)sleep_at_gate(loop, CEDE_FOREVER);
            continue;
        }
        if (world->now_ns >= until_ns)
            return CEDE_OK;
        if (patience > 0) {
            uint64_t idle = until_ns - world->now_ns;
            uint64_t slept = sleep_at_gate(loop, idle < patience ? idle : patience);
            if (patience != CEDE_FOREVER)
                patience = slept < patience ? patience - slept : 0;
            else if (slept < idle)
                world->now_ns = sim_later(world->now_ns, slept);
            else
                patience = 0;
            continue;
        }
        world->now_ns = world->now_most_ns = until_ns;
        sim_note(world, SIM_JUMP, NULL, 0);
        return CEDE_OK;
    }
}

static void deliver(sim_loop *loop)
{
    /* What is reported while we are at it keeps for the next wait: a bounded turn. */
    const sim_work *last = loop->done.last;
    bool more = last != NULL;
    for (uint32_t left = loop->gone_count; left > 0; left--) {
        uint64_t token = loop->gone[--loop->gone_count];
        sim_unlock(loop->world);
        cede_core_gone(loop->core, token);
        sim_lock(loop->world);
    }
    while (more && loop->done.first) {
        more = loop->done.first != last;
        report(loop, loop->done.first);
    }
    for (sim_work *work; (work = sim_signals_next(loop)) != NULL;) {
        uint64_t token = work->token;
        uint32_t bits = sim_signals_take(work);
        sim_note(loop->world, SIM_SIGNAL, work, bits);
        sim_unlock(loop->world);
        cede_core_signals(loop->core, token, bits);
        sim_lock(loop->world);
    }
    for (size_t left = loop->again_count; left > 0; left--) {
        uint64_t token = loop->again[--loop->again_count];
        sim_unlock(loop->world);
        cede_core_cancel_again(loop->core, token);
        sim_lock(loop->world);
    }
}

static cede_status backend_wait(void *self, uint64_t timeout_ns)
{
    sim_loop *loop = self;
    cede_sim *world = loop->world;
    cede_status status = CEDE_OK;
    sim_lock(world);
    world->counts.waits++;
    if (timeout_ns == 0)
        world->now_ns = sim_later(world->now_ns, world->config.turn_ns);
    if (loop->refused && timeout_ns > world->config.turn_ns)
        timeout_ns = world->config.turn_ns; /* there is room: the rest is to be offered again */
    loop->refused = false;
    uint64_t until = CEDE_FOREVER;
    if (timeout_ns != CEDE_FOREVER)
        until = sim_later(world->now_ns, timeout_ns);
    if (world->config.waits_most && world->counts.waits > world->config.waits_most)
        status = stuck(loop);
    else
        status = wait_until(loop, until);
    atomic_store(&loop->woken, false);
    deliver(loop);
    sim_unlock(world);
    return status;
}

static void backend_wake(void *self)
{
    sim_loop *loop = self;
    atomic_store(&loop->woken, true);
    cede_os_gate_open(loop->gate);
}

static uint64_t backend_now(void *self)
{
    sim_loop *loop = self;
    sim_lock(loop->world);
    uint64_t now = sim_later(loop->world->now_ns, loop->world->config.look_ns);
    loop->world->now_ns = now;
    sim_unlock(loop->world);
    return now;
}

static uint64_t backend_now_coarse(void *self)
{
    const sim_loop *loop = self;
    return cede_sim_now(loop->world);
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

static cede_status backend_attach(void *self, intptr_t native, uint32_t *kind)
{
    sim_loop *loop = self;
    sim_lock(loop->world);
    const sim_open *open = sim_native_find(loop->world, native);
    cede_status status = open ? fault(loop->world, "attach") : CEDE_EBADF;
    if (status == CEDE_OK && *kind == CEDE_KIND_AUTO)
        *kind = sim_open_kind(open);
    sim_unlock(loop->world);
    return status;
}

static cede_status backend_detach(void *self, intptr_t native)
{
    (void)self;
    (void)native;
    return CEDE_ENOTSUP; /* it would name nothing of the system */
}

static void backend_discard(intptr_t native)
{
    sim_open *open;
    cede_sim *world = sim_native_enter(native, &open);
    if (!world)
        return;
    sim_note(world, SIM_CLOSE, NULL, open->serial);
    sim_open_close(open);
    sim_poke(world);
    sim_native_leave(world);
}

static intptr_t backend_waitable(void *self)
{
    (void)self;
    return -1;
}

const cede_backend cede_sim_backend = {
    .abi = CEDE_BACKEND_ABI,
    .name = "sim",
    .natives = "sim",
    .open = backend_open,
    .close = backend_close,
    .bind = backend_bind,
    .supports = backend_supports,
    .start = backend_start,
    .cancel = backend_cancel,
    .wait = backend_wait,
    .wake = backend_wake,
    .now = backend_now,
    .attach = backend_attach,
    .detach = backend_detach,
    .discard = backend_discard,
    .waitable = backend_waitable,
    .now_coarse = backend_now_coarse,
};
