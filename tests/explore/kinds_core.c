/*
 * The table of what programs submit, and what the core itself runs of it.
 */
#include "kinds.h"

const kind kinds[KIND_COUNT] = {
#define KIND(name, op, group, weight, roles, traits, judge, text) \
    {#name, CEDE_OP_##op, G_##group, weight, roles, traits, prep_##name, judge_##judge, text},
#include "kinds.def"
};

void judge_plain(call *c, const cede_result *r)
{
    (void)c;
    (void)r;
}

void prep_nop(call *c)
{
    cede_prep_nop(c->req);
}

void prep_roundtrip(call *c)
{
    cede_prep_roundtrip(c->req);
}

/* ---- Timers ---------------------------------------------------------------------------------- */

void prep_timer(call *c)
{
    c->due_ns = time_of(c->how->time);
    cede_prep_timer(c->req, c->due_ns);
}

void judge_timer(call *c, const cede_result *r)
{
    LAW(13, c, r->status != CEDE_OK || cede_sim_now(now.world) >= c->due_ns,
        "it fired %" PRIu64 " ns before its time", c->due_ns - cede_sim_now(now.world));
}

/* ---- Pends ----------------------------------------------------------------------------------- */

void prep_pend(call *c)
{
    cede_prep_pend(c->req);
}

void judge_pend(call *c, const cede_result *r)
{
    if (r->status == CEDE_OK) {
        LAW(7, c, c->completed, "it completed, and nobody completed it");
        LAW(7, c, c->completed_count == UINT64_MAX || r->count == c->completed_count,
            "completed with %" PRIu64 ", and it says %" PRIu64, c->completed_count, r->count);
    } else {
        LAW(7, c, !c->ended_sure, "it was completed first, and says %s",
            cede_status_name(r->status));
    }
}

/* ---- Scopes ---------------------------------------------------------------------------------- */

void prep_scope(call *c)
{
    cede_prep_scope(c->req);
}

void judge_scope(call *c, const cede_result *r)
{
    if (now.starved)
        return;
    LAW(12, c, r->count == c->members, "%" PRIu32 " members were delivered, and it says %" PRIu64,
        c->members, r->count);
    LAW(12, c, !c->ended_sure || call_owns(c) || r->status == c->why,
        "its first reason was %s, and it says %s", cede_status_name(c->why),
        cede_status_name(r->status));
}

/* ---- Work ------------------------------------------------------------------------------------ */

static cede_status run_work(void *argument, uint64_t *count)
{
    call *c = argument;
    c->ran++;
    *count = 7;
    return CEDE_OK;
}

void prep_work(call *c)
{
    cede_prep_work(c->req, run_work, c);
}

void judge_work(call *c, const cede_result *r)
{
    LAW(7, c, c->ran == (r->status == CEDE_OK ? 1u : 0u), "%s, and it ran %" PRIu32 " times",
        cede_status_name(r->status), c->ran);
}

/* ---- What was not prepared ------------------------------------------------------------------- */

void prep_again(call *c)
{
    (void)c; /* what is there was consumed by its submit, or is zeros */
}

void judge_again(call *c, const cede_result *r)
{
    LAW(1, c, r->status != CEDE_OK, "it was not prepared, and succeeded");
}
