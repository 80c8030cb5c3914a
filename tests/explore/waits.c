/*
 * What holds for the calls that call back: whom a wait may call (law 9), when a run ends, what a
 * loop close leaves behind (law 11).
 */
#include "explore.h"

/* ---- Who comes before whom ------------------------------------------------------------------- */

static uint32_t marks;

/* Whether one must come back before the other, by what other laws put before it. More than
 * that may be said here than is so, never less. */
static bool leads_to(call *from, const call *target)
{
    if (!from || from->mark == marks)
        return false;
    from->mark = marks;
    if (from == target || leads_to(from->scope, target) || leads_to(from->after, target))
        return true;
    if (!from->on)
        return false;
    for (uint32_t i = 0; i < HOMES; i++) {
        if (leads_to(from->on->owner[i], target))
            return true;
    }
    uint32_t way = from->kind->traits & (T_IN | T_OUT);
    for (call *c = now.calls; c < now.calls + now.call_count; c++) {
        if (c->on != from->on || c->returned)
            continue;
        bool next = (c->kind->traits & way) && c->serial > from->serial;
        if ((next || c->kind->op == CEDE_OP_CLOSE || (c->remote != from->remote && way)) &&
            leads_to(c, target))
            return true;
    }
    return false;
}

static bool precedes(const call *from, const call *target)
{
    marks++;
    return leads_to((call *)(uintptr_t)from, target);
}

void waits_callback(const call *c)
{
    const caller *by = &now.callers[now.caller_count - 1];
    LAW(9, c, !by->target || now.starved || precedes(c, by->target),
        "called back by a wait for %s #%" PRIu32 ", which it is not before", by->target->kind->name,
        by->target->serial);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static void push(home *h, const call *target)
{
    h->bound = true;
    now.callers[now.caller_count++] = (caller){h, target, 0, now.frame_count};
}

static bool may_be_stuck(const call *target)
{
    for (uint32_t i = 0; i < now.frame_count; i++) {
        if (precedes(now.frames[i].call, target))
            return true;
    }
    return now.starved;
}

static bool must_be_stuck(const call *target)
{
    for (uint32_t i = 0; i < now.frame_count; i++) {
        for (const call *c = now.frames[i].call; c; c = c->scope) {
            if (c == target && (c == now.frames[i].call || !target->dones) && !target->orphan)
                return true;
            if (c->bad_scope || c->orphan || c->remote || (c->scope && c->scope->dones))
                break;
        }
    }
    return false;
}

cede_status waits_wait(home *h, const call *target, uint64_t at_most_ns)
{
    uint64_t start = cede_sim_now(now.world);
    bool must = must_be_stuck(target), was_back = target->returned;
    push(h, target);
    cede_status status = cede_wait(h->loop, target->ticket, at_most_ns);
    now.caller_count--;
    if (h != target->home) {
        cede_status fit = was_back ? CEDE_OK : target->dones ? CEDE_EDEADLK : CEDE_EINVAL;
        LAW(9, target, status == fit || target->orphan, "a wait by another loop says %s",
            cede_status_name(status));
        return status;
    }
    switch (status) {
    case CEDE_OK:
        LAW(9, target, target->returned || target->orphan, "awaited, and not back");
        LAW(9, target, !must || now.starved, "awaited in its own callback, with success");
        break;
    case CEDE_EDEADLK:
        LAW(9, target, may_be_stuck(target), "a wait for it would wait for nobody here");
        LAW(9, target, !was_back, "a wait for what is back");
        break;
    case CEDE_EDEADLINE:
        LAW(9, target, !must || now.starved, "a wait in its own callback ran out of its limit");
        LAW(9, target, !was_back, "a wait for what was back ran out of its limit");
        LAW(9, target, !target->returned || now.starved, "back, and the wait ran out of its limit");
        LAW(13, target, cede_sim_now(now.world) >= start + at_most_ns, "a wait ended early");
        break;
    default:
        broken(9, target, "a wait says %s", cede_status_name(status));
    }
    return status;
}

/* ---- Running --------------------------------------------------------------------------------- */

static uint32_t undelivered(const home *h, bool background)
{
    uint32_t count = 0;
    for (const call *c = now.calls; c < now.calls + now.call_count; c++)
        count += c->home == h && !c->dones && c->background == background;
    return count;
}

void waits_run(home *h, uint64_t at_most_ns)
{
    uint64_t start = cede_sim_now(now.world);
    uint32_t held = undelivered(h, false);
    bool stopped = h->stop_asked;
    push(h, NULL);
    h->sent = h->sent && stopped;
    int64_t ran = cede_run(h->loop, at_most_ns);
    uint32_t callbacks = now.callers[--now.caller_count].callbacks;
    uint64_t took = cede_sim_now(now.world) - start;
    LAW(14, NULL, ran >= 0, "cede_run says %s", cede_status_name((cede_status)ran));
    LAW(14, NULL, (uint64_t)ran == callbacks || now.starved,
        "cede_run says %" PRId64 " callbacks, and there were %" PRIu32, ran, callbacks);
    if (at_most_ns > 0 && took < at_most_ns && !h->stop_asked)
        LAW(14, NULL, undelivered(h, false) == 0, "cede_run ended before its time");
    if (at_most_ns >= CEDE_MILLISECOND && stopped)
        LAW(14, NULL, took < 300 * CEDE_MICROSECOND, "a stop did not end the run");
    if (at_most_ns >= CEDE_MILLISECOND && held == 0 && now.drops == 0 && callbacks == 0 &&
        !h->closing)
        LAW(14, NULL, took < 300 * CEDE_MICROSECOND, "a run with nothing to do went on");
    h->stop_asked = false;
}

cede_status waits_close(home *h, uint64_t at_most_ns)
{
    if (h->closed)
        return CEDE_OK;
    h->closing = true;
    push(h, NULL);
    cede_status status = cede_loop_close(h->loop, at_most_ns);
    now.caller_count--;
    LAW(11, NULL, status == CEDE_OK || (status == CEDE_EDEADLINE && at_most_ns != CEDE_FOREVER),
        "loop close says %s", cede_status_name(status));
    h->closed = status == CEDE_OK;
    handles_shut_with(h);
    for (const call *c = now.calls; h->closed && c < now.calls + now.call_count; c++)
        LAW(11, c, c->returned || c->home != h, "the loop is closed, and it is not back");
    return status;
}
