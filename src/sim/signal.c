/*
 * Signals: each goes to all works that take it, of all loops. What has come and was not told is a
 * set in the work; it is handed to the core at a moment of its own, in a wait. Under the world's
 * lock.
 */
#include "fs.h"

bool sim_op_signal_many(cede_sim *world, sim_work *work)
{
    if (work->wished) { /* what has come is told with its end */
        work->status = CEDE_ECANCELED;
        return true;
    }
    if (work->come && !work->told)
        work->loop->telling++;
    work->told |= work->come;
    work->come = 0;
    return sim_block(work, &world->takers);
}

uint32_t sim_signals_take(sim_work *work)
{
    uint32_t bits = work->told | work->come;
    if (work->told)
        work->loop->telling--;
    work->told = work->come = 0;
    return bits;
}

sim_work *sim_signals_next(sim_loop *loop)
{
    sim_work *work = loop->telling ? loop->world->takers.first : NULL;
    while (work && !(work->loop == loop && work->told))
        work = work->next;
    return work;
}

struct raised {
    uint32_t bit;
    uint32_t takers;
};

/* What has not begun, or is held at its start, has not come to the kernel. */
static void count_taker(sim_work *work, void *context)
{
    struct raised *raised = context;
    if (work->op == CEDE_OP_SIGNAL_MANY && work->stage == SIM_BEGUN &&
        (work->args.many.credit & raised->bit) &&
        (work->phase == SIM_BLOCKED || work->phase == SIM_QUEUED))
        raised->takers++;
}

static void raise_at(sim_work *work, void *context)
{
    struct raised *raised = context;
    bool blocked = work->phase == SIM_BLOCKED;
    uint32_t before = raised->takers;
    count_taker(work, context);
    if (raised->takers == before)
        return;
    if (work->told) { /* with those */
        work->told |= raised->bit;
        return;
    }
    work->come |= raised->bit;
    if (!blocked)
        return;
    sim_list_remove(work);
    sim_schedule(work, SIM_QUEUED);
}

uint32_t cede_sim_signal(cede_sim *world, uint32_t signal)
{
    struct raised raised = {signal < CEDE_SIGNAL_COUNT ? CEDE_SIGNAL_BIT(signal) : 0, 0};
    sim_lock(world);
    sim_note(world, SIM_SIGNAL, NULL, signal);
    sim_each(world, raise_at, &raised);
    sim_poke(world);
    sim_unlock(world);
    return raised.takers;
}

bool cede_sim_signal_taken(cede_sim *world, uint32_t signal)
{
    struct raised raised = {signal < CEDE_SIGNAL_COUNT ? CEDE_SIGNAL_BIT(signal) : 0, 0};
    sim_lock(world);
    sim_each(world, count_taker, &raised);
    sim_unlock(world);
    return raised.takers > 0;
}
