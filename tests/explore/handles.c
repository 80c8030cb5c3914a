/*
 * Handles and their loops: a handle is bound by its first submission, and serves that loop alone
 * (law 10). Which was the first cannot always be known from outside (one that is refused may bind,
 * or not), so what is kept is who named it.
 */
#include "explore.h"

#define NAMES_MOST 3u

/* What a request names: its handle's thing, and those that its arguments name. NULL: none. */
static thing *named_by(const call *c, uint32_t which)
{
    bool pins = c->kind->op == CEDE_OP_SEND_FILE || c->kind->op == CEDE_OP_COPY;
    switch (which) {
    case 0:
        return c->on;
    case 1:
        return pins ? &now.source : NULL;
    default:
        return c->has_pipes ? &now.pipes : NULL;
    }
}

void handles_named(call *c)
{
    for (uint32_t i = 0; i < NAMES_MOST; i++) {
        thing *t = named_by(c, i);
        if (t)
            t->named |= home_bit(c->home);
    }
}

bool handles_are_foreign(const call *c)
{
    for (uint32_t i = 0; i < NAMES_MOST; i++) {
        const thing *t = named_by(c, i);
        if (t && (t->named & ~home_bit(c->home)))
            return true;
    }
    return false;
}

bool handles_may_be_shut(const call *c)
{
    for (uint32_t i = 0; i < NAMES_MOST; i++) {
        const thing *t = named_by(c, i);
        if (t && (t->maybe_shut || (t->lender && t->lender->maybe_shut)))
            return true;
    }
    return c->home->closing || (c->kind->roles && !c->on);
}

void handles_of_one_loop(const call *c)
{
    if (!c->on)
        return;
    c->on->ran |= home_bit(c->home);
    LAW(10, c, !(c->on->ran & ~home_bit(c->home)), "its handle is another loop's");
}

/* An own by a loop that it is not bound to does nothing. */
call *handles_owner(const thing *t)
{
    for (uint32_t i = 0; t && i < HOMES; i++) {
        if (t->owner[i] && !(t->named & ~home_bit(&now.homes[i])))
            return t->owner[i];
    }
    return NULL;
}

void handles_closing(thing *t, bool sure)
{
    t->maybe_shut = t->asked_to_close = true;
    t->shut = t->shut || sure;
}

void handles_shut_with(const home *h)
{
    for (thing *t = now.things; t < now.things + now.thing_count; t++) {
        if (t->named & home_bit(h))
            handles_closing(t, false);
    }
    now.source.maybe_shut = now.source.maybe_shut || (now.source.named & home_bit(h));
    now.pipes.maybe_shut = now.pipes.maybe_shut || (now.pipes.named & home_bit(h));
}
