/*
 * Steps: which work goes next, what becomes of it, when it is reported. Under the world's lock;
 * called from a loop's start, cancel and wait, and from cede_sim_advance.
 *
 * In a seeded world each work draws its due time when it is taken, and the earliest goes next. In a
 * scripted one it has a window, and any work whose window is open may go next, as long as no other
 * would be late for it; a time-out may come first if it lies before every window's end. A work that
 * went may have gone at any time up to the first window's end; the clock shows the earliest, and
 * windows of works that are taken then end later by the difference. So a chain of slow operations
 * can meet a deadline, without a choice for each moment.
 */
#include "child.h"
#include "net.h"

#define CANDIDATES_MOST 256u

static sim_op *const operations[CEDE_OP_COUNT] = {
#define SIM_OP_CORE(NAME, name)
#define SIM_OP_BACKEND(NAME, name)                               [CEDE_OP_##NAME] = sim_op_##name,
#define CEDE_OP(NAME, name, handle, order, shape, host, promise) SIM_OP_##host(NAME, name)
#include "cede/ops.def"
#undef SIM_OP_CORE
#undef SIM_OP_BACKEND
};

bool sim_has(uint32_t op)
{
    return op < CEDE_OP_COUNT && operations[op] != NULL;
}

void sim_schedule(sim_work *work, enum sim_phase phase)
{
    cede_sim *world = work->loop->world;
    uint64_t least = world->config.latency_min_ns, most = world->config.latency_max_ns;
    work->phase = (uint8_t)phase;
    work->due_ns = sim_later(world->now_ns, least);
    work->latest_ns =
        sim_later(world->now_most_ns > world->now_ns ? world->now_most_ns : world->now_ns, most);
    if (!world->script)
        work->due_ns = sim_later(work->due_ns, sim_choose(world, most - least + 1));
    if ((world->config.flags & CEDE_SIM_IN_ORDER) && phase == SIM_QUEUED) {
        if (work->due_ns < world->last_due_ns)
            work->due_ns = world->last_due_ns;
        world->last_due_ns = work->due_ns;
    }
    if (work->latest_ns < work->due_ns)
        work->latest_ns = work->due_ns;
    sim_heap_add(world, work);
    sim_poke(world); /* who made room for it need not be who waits */
}

/* ---- Blocking -------------------------------------------------------------------------------- */

/* Not what has no descriptor, or waits for more than that. */
static bool is_polled(uint32_t op)
{
    return op != CEDE_OP_POLL && op != CEDE_OP_CHILD_WAIT && op != CEDE_OP_WATCH_MANY;
}

bool sim_block(sim_work *work, sim_list *list)
{
    cede_sim *world = work->loop->world;
    if (work->wished) {
        work->status = CEDE_ECANCELED;
        return true;
    }
    if (is_polled(work->op) && work->file && !(work->how & CEDE_WORK_POLL) &&
        sim_chance(world, world->config.poll_permille)) {
        work->status = CEDE_REPORT_POLL;
        return true;
    }
    work->phase = SIM_BLOCKED;
    sim_list_add(list, work);
    sim_note(world, SIM_BLOCK, work, 0);
    return false;
}

void sim_unblock(cede_sim *world, sim_list *list)
{
    while (list->first) {
        sim_work *work = list->first;
        sim_list_remove(work);
        sim_schedule(work, SIM_QUEUED);
    }
    if (world->polling.first)
        sim_poll_look(world);
}

/* ---- Carrying out ---------------------------------------------------------------------------- */

static bool hangs(sim_work *work)
{
    cede_sim *world = work->loop->world;
    if (work->op == CEDE_OP_CLOSE || work->wished ||
        !sim_chance(world, world->config.hang_permille))
        return false;
    work->phase = SIM_FROZEN;
    work->hold = SIM_HANGS;
    sim_list_add(&world->frozen, work);
    sim_note(world, SIM_HOLD, work, SIM_HANGS);
    return true;
}

/* The core asked to be told when the descriptor is ready, nothing else. */
static bool poll_only(sim_work *work)
{
    const sim_open *file = work->file;
    bool in = sim_is_input(work->op);
    cede_sim_pipe *pipe = !file ? NULL : in ? file->in : file->out;
    work->status = CEDE_REPORT_AGAIN;
    if (file && file->socket && sim_socket_must_wait(file->socket, work->op))
        return sim_block(work, &file->socket->taking);
    if (!pipe || (in ? sim_pipe_can_read(pipe) : sim_pipe_can_write(pipe, 1)))
        return true;
    return sim_block(work, in ? &pipe->reading : &pipe->writing);
}

void sim_perform(sim_work *work)
{
    cede_sim *world = work->loop->world;
    cede_status fault = CEDE_OK;
    if (work->op == CEDE_OP_NONE) {
        sim_child_step(world, work);
        return;
    }
    if (work->stage == SIM_FRESH) {
        work->stage = SIM_UNHELD;
        if (sim_hold_here(work, CEDE_SIM_AT_START) || hangs(work))
            return;
    }
    if (work->stage == SIM_UNHELD) {
        work->stage = SIM_BEGUN;
        fault = sim_fault_here(work);
        if (fault && work->op != CEDE_OP_CLOSE) {
            sim_seal(work, fault, 0);
            return;
        }
    }
    work->status = CEDE_OK;
    work->count = 0;
    if (work->op == CEDE_OP_WORK) {
        work->run_user = true;
        sim_finish(work);
        return;
    }
    sim_note(world, SIM_RUN, work, 0);
    work->split = sim_hold_midway(work);
    sim_touch(work, true);
    bool over = work->how & CEDE_WORK_POLL ? poll_only(work) : operations[work->op](world, work);
    sim_touch(work, false);
    if (!over)
        return;
    if (fault)
        work->status = fault;
    sim_after(work);
}

void sim_after(sim_work *work)
{
    if (work->op == CEDE_OP_CLOSE ||
        (!sim_hold_here(work, CEDE_SIM_MIDWAY) && !sim_hold_here(work, CEDE_SIM_AT_END)))
        sim_seal(work, work->status, work->count);
}

/* Its count is a descriptor's number, which differs from run to run of one process. */
static bool makes_native(uint32_t op)
{
    return op == CEDE_OP_OPEN || op == CEDE_OP_LISTEN || op == CEDE_OP_CONNECT ||
           op == CEDE_OP_ACCEPT || op == CEDE_OP_ACCEPT_MANY || op == CEDE_OP_PAIR ||
           op == CEDE_OP_DATAGRAM || op == CEDE_OP_SPAWN || op == CEDE_OP_WATCH;
}

void sim_seal(sim_work *work, cede_status status, uint64_t count)
{
    sim_loop *loop = work->loop;
    cede_sim *world = loop->world;
    work->status = status;
    work->count = count;
    uint64_t told = status != CEDE_OK ? (uint64_t)(int64_t)status : count;
    sim_note(world, SIM_SEAL, work, status == CEDE_OK && makes_native(work->op) ? 0 : told);
    if (status == CEDE_OK && work->lent_bytes) {
        sim_lend(work);
        if (count == work->args.io.length_bytes - work->moved && loop->gone_count < SIM_GONE_MOST)
            loop->gone[loop->gone_count++] = work->token;
        sim_schedule(work, SIM_SEALED);
    } else if (sim_chance(world, world->config.late_permille)) {
        sim_schedule(work, SIM_SEALED);
    } else {
        sim_finish(work);
    }
}

void sim_finish(sim_work *work)
{
    sim_loop *loop = work->loop;
    work->phase = SIM_DONE;
    sim_list_add(&loop->done, work);
    if (loop->sleeping)
        cede_os_gate_open(loop->gate);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static void fire(cede_sim *world, sim_work *work)
{
    sim_heap_remove(world, work);
    if (world->now_ns < work->due_ns)
        world->now_ns = work->due_ns;
    if (work->phase == SIM_QUEUED) {
        sim_perform(work);
    } else {
        sim_lent_back(work);
        sim_finish(work);
    }
}

/* When the first window closes: nothing may come after. */
static uint64_t first_latest(const cede_sim *world)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < world->heap_count; i++) {
        if (world->heap[i]->latest_ns < least)
            least = world->heap[i]->latest_ns;
    }
    return least;
}

/* All works that may go next, the oldest first, so that choice 0 always gets on. */
static size_t candidates(const cede_sim *world, uint64_t until_ns, sim_work **out)
{
    size_t count = 0;
    for (size_t i = 0; i < world->heap_count; i++) {
        sim_work *work = world->heap[i];
        if (work->due_ns > until_ns)
            continue;
        size_t at = count < CANDIDATES_MOST ? count++ : CANDIDATES_MOST;
        for (; at > 0 && out[at - 1]->serial > work->serial; at--) {
            if (at < CANDIDATES_MOST)
                out[at] = out[at - 1];
        }
        if (at < CANDIDATES_MOST)
            out[at] = work;
    }
    if (world->config.flags & CEDE_SIM_IN_ORDER) {
        /* Of those not begun only the first. */
        size_t kept = 0;
        bool begun = false;
        for (size_t i = 0; i < count; i++) {
            bool queued = out[i]->phase == SIM_QUEUED;
            if (!queued || !begun)
                out[kept++] = out[i];
            begun = begun || queued;
        }
        count = kept;
    }
    return count;
}

static bool scripted_step(cede_sim *world, uint64_t until_ns, bool may_pass)
{
    sim_work *choice[CANDIDATES_MOST];
    uint64_t end = first_latest(world);
    size_t count = candidates(world, until_ns < end ? until_ns : end, choice);
    if (count == 0)
        return false;
    bool pass = may_pass && until_ns < end;
    uint64_t chosen = sim_choose(world, count + (pass ? 1 : 0));
    if (chosen >= count)
        return false;
    world->now_most_ns = end;
    fire(world, choice[chosen]);
    return true;
}

bool sim_step(cede_sim *world, uint64_t until_ns, bool may_pass)
{
    if (world->heap_count == 0)
        return false;
    if (world->script)
        return scripted_step(world, until_ns, may_pass);
    if (world->heap[0]->due_ns > until_ns)
        return false;
    fire(world, world->heap[0]);
    return true;
}

bool sim_has_news(sim_loop *loop)
{
    return loop->done.first || loop->again_count > 0 || loop->telling > 0 || loop->gone_count > 0 ||
           atomic_load(&loop->woken);
}

void sim_run_for(sim_loop *loop, uint64_t until_ns)
{
    cede_sim *world = loop->world;
    while (!sim_has_news(loop)) {
        if (!sim_step(world, until_ns, true))
            return;
    }
    if (!loop->done.first)
        return;
    /* What else has come about when the loop gets to look. */
    if (!world->script) {
        while (sim_step(world, world->now_ns, false))
            continue;
    }
    uint64_t end = sim_later(world->now_ns, world->config.latency_max_ns);
    if (end > until_ns)
        end = until_ns;
    while (world->heap_count > 0 && sim_chance(world, world->config.batch_permille)) {
        if (!sim_step(world, end, false))
            break;
    }
}

/* ---- Cancelling ------------------------------------------------------------------------------ */

static int answer(sim_work *work, int how)
{
    sim_note(work->loop->world, SIM_CANCEL, work, (uint64_t)how);
    return how;
}

/* The kernel will answer "not found", though the work lives. */
static bool lose(sim_work *work)
{
    sim_loop *loop = work->loop;
    if (loop->again_count == loop->again_room ||
        !sim_chance(loop->world, loop->world->config.cancel_lost_permille))
        return false;
    loop->again[loop->again_count++] = work->token;
    sim_note(loop->world, SIM_CANCEL_LOST, work, 0);
    return true;
}

static void take_away(sim_work *work)
{
    cede_sim *world = work->loop->world;
    if (work->heap_at)
        sim_heap_remove(world, work);
    sim_list_remove(work);
}

int sim_cancel(sim_work *work)
{
    cede_sim *world = work->loop->world;
    const cede_sim_config *config = &world->config;
    world->counts.cancels++;
    work->cancels++;
    if (work->phase == SIM_DONE && work->run_user) {
        work->run_user = false;
        work->status = CEDE_ECANCELED;
    }
    if (work->op == CEDE_OP_CLOSE)
        return answer(work, CEDE_CANCEL_NEVER);
    if (work->phase == SIM_MIDWAY || work->phase == SIM_SEALED || work->phase == SIM_DONE)
        return answer(work, CEDE_CANCEL_SENT);
    if (work->deaf) {
        work->wished = true; /* once it is released it must not come to wait for good */
        return answer(work, CEDE_CANCEL_SENT);
    }
    if (sim_chance(world, config->cancel_again_permille))
        return answer(work, CEDE_CANCEL_AGAIN);
    if (lose(work))
        return answer(work, CEDE_CANCEL_SENT);
    if (work->phase == SIM_QUEUED) {
        /* Neither answer may leave a work behind that nothing ends: see sim_block. */
        if (sim_chance(world, config->cancel_never_permille)) {
            work->wished = true;
            return answer(work, CEDE_CANCEL_NEVER);
        }
        if (sim_chance(world, config->cancel_lose_permille)) {
            work->wished = true;
            return answer(work, CEDE_CANCEL_SENT);
        }
    }
    take_away(work);
    sim_opened_drop(work);
    work->come = sim_signals_take(work); /* to be told with its end */
    work->hold = 0;
    work->status = CEDE_ECANCELED;
    work->count = 0;
    if (work->op == CEDE_OP_LOOKUP)
        sim_finish(work); /* whoever was asked goes on unheard */
    else
        sim_schedule(work, SIM_SEALED);
    return answer(work, CEDE_CANCEL_SENT);
}
