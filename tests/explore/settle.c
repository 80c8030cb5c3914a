/*
 * Before the end nothing is held back any more: what was held is let go, what was made to fail is
 * healed, buffers are given back. Then whatever must end by itself, or was asked to, has to; and
 * who waits for what is there has to get it. That is how a lost callback, wish or wake is found.
 */
#include "explore.h"

#define ROUNDS_LEAST 3
#define ROUNDS_MOST  400 /* a kernel may be slow to hear a cancel, and a stream long */

bool held_back(const call *c)
{
    if (c->before && !c->before->dones)
        return true;
    for (const call *d = now.calls; d < now.calls + now.call_count; d++) {
        if (d != c && d->on && d->on == c->on && !d->dones && d->kind->op != CEDE_OP_CLOSE &&
            (c->kind->traits & d->kind->traits & (T_IN | T_OUT)))
            return true;
    }
    return false;
}

/* Something is there to be received, and somebody who waits for it. */
static bool starves(const call *c)
{
    const thing *from = c->on ? c->on->peer : NULL;
    bool all = c->kind->op == CEDE_OP_READ_ALL || c->kind->op == CEDE_OP_RECV_ALL;
    if (!from || !(c->on->role & R_STREAMS_IN) || !(c->kind->traits & T_IN) || held_back(c) ||
        c->on->maybe_shut || from->maybe_shut || now.pool_closed || now.narrow ||
        (c->on->relayed && (!now.copier || now.copier->child.asked || now.copier->child.forced)))
        return false;
    return from->out.used >= c->on->in.used + (all ? c->length : 1);
}

/* Why it should be back; NULL: it need not be. */
static const char *overdue(const call *c, unsigned *law)
{
    uint64_t at = cede_sim_now(now.world);
    bool closes = c->kind->op == CEDE_OP_CLOSE, scope = c->kind->op == CEDE_OP_SCOPE;
    *law = 6;
    if (c->dones || now.starved || c->home->closed)
        return NULL;
    if (c->asked_while_pending && !scope)
        return "a cancel was asked";
    *law = 13;
    if (c->deadline_ns < at && !scope && !closes)
        return "its deadline has passed";
    if (c->kind->op == CEDE_OP_TIMER && c->due_ns < at && !held_back(c))
        return "its time has passed";
    *law = 10;
    if (c->on && c->on->shut && !closes && !c->stale_handle && !(c->before && !c->before->dones))
        return "its handle is closed";
    *law = 14;
    if (starves(c))
        return "there is something to receive";
    if (!held_back(c) && !now.narrow && system_overdue(c))
        return system_overdue(c);
    if ((c->kind->traits & T_ENDS) && !held_back(c) && !now.narrow)
        return "nothing holds it back";
    return NULL;
}

static bool any_overdue(void)
{
    unsigned law;
    for (const call *c = now.calls; c < now.calls + now.call_count; c++) {
        if (overdue(c, &law))
            return true;
    }
    return false;
}

static void on_keeper(cede_req *req, cede_result result)
{
    (void)result;
    CEDE_CONTAINER(req, home, keeper)->keeping = false;
    now.callers[now.caller_count - 1].callbacks++;
}

/* A while, whatever there is to do: background requests, too, get on. */
static void run_on(home *h)
{
    cede_counts before, after;
    if (h->closed)
        return;
    if (h->closing) {
        (void)waits_close(h, 20 * CEDE_MILLISECOND);
        return;
    }
    cede_count(h->loop, &before);
    if (!h->keeping) { /* else the run before was stopped */
        h->keeping = true;
        cede_prep_timer(&h->keeper, 20 * CEDE_MILLISECOND);
        (void)cede_submit(h->loop, &h->keeper, on_keeper);
    }
    waits_run(h, 30 * CEDE_MILLISECOND);
    cede_count(h->loop, &after);
    LAW(15, NULL, after.turns - before.turns < 3000, "%" PRIu64 " turns, where nothing goes on",
        after.turns - before.turns);
    while (now.out_count > 0)
        truth_give();
}

void stage_settle(void)
{
    home *const end = now.homes + now.home_count;
    now.settled = true;
    stage_starving = 0;
    cede_sim_release(now.world, 0);
    cede_sim_heal(now.world);
    cede_sim_limit_open(now.world, 0);
    while (now.out_count > 0)
        truth_give();
    for (home *h = now.homes; h < end; h++) {
        if (h->stop_asked && !h->closed)
            waits_run(h, 0);
    }
    for (uint32_t i = 0; i < ROUNDS_LEAST || (i < ROUNDS_MOST && any_overdue()); i++) {
        for (home *h = now.homes; h < end; h++) {
            if (explore_between && !h->closed)
                explore_between(now.program->count + i * HOMES + (uint32_t)(h - now.homes));
            run_on(h);
        }
    }
    for (const call *c = now.calls; c < now.calls + now.call_count; c++) {
        unsigned law;
        const char *why = overdue(c, &law);
        LAW(law, c, !why, "%s, and it does not come back", why);
    }
    system_final();
}
