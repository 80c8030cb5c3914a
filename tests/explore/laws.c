/*
 * What holds for each request, whatever it is: it comes back once, from inside a call that may call
 * back, in the order that is promised, and its result agrees with what was asked. What cannot be
 * known from outside (when the kernel sealed an outcome, when a remote wish arrived) is left open;
 * what cede_dump tells of a request that pends is known.
 */
#include "explore.h"

#include <stdarg.h>

enum { PLAIN, ONE, WHOLE, OPENS, MANY };

static const uint8_t shapes[CEDE_OP_COUNT] = {
#define CEDE_OP(NAME, name, handle, order, shape, host, promise) [CEDE_OP_##NAME] = shape,
#include "cede/ops.def"
};

void (*explore_broken)(const char *text);

void broken(unsigned law, const call *c, const char *format, ...)
{
    char what[SAID_MOST], text[SAID_MOST + 64];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(what, sizeof what, format, list); /* NOLINT(clang-analyzer-valist*): it is */
    va_end(list);
    if (c)
        (void)snprintf(text, sizeof text, "law %u: %s #%" PRIu32 ": %s", law, c->kind->name,
                       c->serial, what);
    else
        (void)snprintf(text, sizeof text, "law %u: %s", law, what);
    if (explore_broken)
        explore_broken(text);
    fprintf(stderr, "%s\n", text);
    abort();
}

/* ---- What is asked --------------------------------------------------------------------------- */

static bool has_members(const call *scope, const call *but)
{
    for (const call *d = now.calls; d < now.calls + now.call_count; d++) {
        if (d->scope == scope && d != but && !d->dones && d->sure_member)
            return true;
    }
    return false;
}

/* What is known of its scope, and of the scope that owns its handle. */
static void scope_at_submit(call *c)
{
    cede_pending seen;
    if (c->scope && !c->bad_scope && !c->remote && !c->scope->before &&
        laws_pending(c->scope, &seen)) {
        c->must_be_refused = seen.wishes & CEDE_BY_ANY;
        c->sure_member =
            !c->must_be_refused && (c->scope->members == 0 || has_members(c->scope, c));
    }
    const call *owner = handles_owner(c->on);
    c->must_be_open = owner && !c->on->asked_to_close && !c->remote && !c->before &&
                      has_members(owner, c) && laws_pending(owner, &seen);
}

void laws_submitted(call *c)
{
    uint64_t at = cede_sim_now(now.world);
    c->asked = now.step;
    if (c->deadline_ns != CEDE_FOREVER)
        c->deadline_ns += at;
    if (c->due_ns != CEDE_FOREVER)
        c->due_ns += at;
    c->stale_handle = c->kind->roles && (!c->on || c->on->shut);
    c->bad_scope = c->scope && (c->scope->kind->op != CEDE_OP_SCOPE || c->scope->home != c->home);
    c->bad_pool = (c->kind->traits & T_POOL) && (now.pool_closed || c->home != now.homes);
    scope_at_submit(c);
    handles_named(c);
    if (c->kind->op == CEDE_OP_CLOSE && c->on)
        handles_closing(c->on, !c->remote && !c->before && !handles_are_foreign(c));
}

struct sought {
    cede_ticket ticket;
    cede_pending *found;
    bool any;
};

static void look(void *context, const cede_pending *pending)
{
    struct sought *sought = context;
    if (pending->ticket.id == sought->ticket.id &&
        pending->ticket.generation == sought->ticket.generation) {
        *sought->found = *pending;
        sought->any = true;
    }
}

bool laws_pending(const call *c, cede_pending *out)
{
    struct sought sought = {c->ticket, out, false};
    if (c->home->closed || c->orphan)
        return false;
    cede_dump(c->home->loop, look, &sought);
    return sought.any && strcmp(out->state, "READY") != 0;
}

bool call_owns(const call *c)
{
    for (const thing *t = now.things; t < now.things + now.thing_count; t++) {
        if (t->owner[c->home - now.homes] == c)
            return true;
    }
    return false;
}

/* Whether its loop may have been sent what it has not taken yet: by another thread, or a drop by
 * another loop. */
bool laws_may_be_sent(const call *c)
{
    return c->home->sent || (now.home_count > 1 && now.drops);
}

/* By the loop's thread it takes effect in the call, behind what was sent before; before the loop is
 * bound, as by another's. */
void laws_asked(call *c, cede_status why, bool here)
{
    cede_pending seen;
    if (c->dones)
        return;
    c->causes |= CEDE_BY_WISH;
    c->home->sent |= here && !c->home->bound;
    if (!here || !c->home->bound || c->kind->op == CEDE_OP_CLOSE || laws_may_be_sent(c) ||
        !laws_pending(c, &seen))
        return;
    if (call_owns(c)) /* it may have ended, and only wait for what it owns (1b: Scopes) */
        return;
    bool first = !(seen.wishes & CEDE_BY_ANY);
    c->asked_while_pending = true;
    c->recorded = first ? CEDE_BY_WISH : seen.wishes & CEDE_BY_ANY;
    if (first && c->kind->op == CEDE_OP_SCOPE) {
        c->why = why;
        c->ended_sure = true;
    }
}

/* ---- What may have been the cause ------------------------------------------------------------ */

static bool scope_may_end(const call *scope)
{
    for (; scope; scope = scope->scope) {
        if ((scope->causes & CEDE_BY_WISH) || scope->dones || scope->bad_scope ||
            scope->members > 0 || scope->orphan || scope->deadline_ns <= cede_sim_now(now.world))
            return true;
    }
    return false;
}

static bool complete(const call *c)
{
    return c->result.status == CEDE_OK &&
           (shapes[c->kind->op] != ONE || c->result.count == c->length);
}

static bool may_be(const call *c, uint32_t by)
{
    switch (by) {
    case CEDE_BY_WISH:
        return c->causes & CEDE_BY_WISH;
    case CEDE_BY_DEADLINE:
        return c->deadline_ns <= cede_sim_now(now.world);
    case CEDE_BY_SCOPE:
        return (c->scope && (c->home->closing || scope_may_end(c->scope))) ||
               (c->on && (c->on->owner[0] || c->on->owner[1]));
    case CEDE_BY_CLOSE:
        return (c->on && c->on->maybe_shut) || ((c->kind->traits & T_POOL) && now.pool_closed);
    case CEDE_BY_LINK:
        return c->before && (!c->before->dones || !complete(c->before) || now.starved);
    case CEDE_BY_LOOP:
        return c->home->closing;
    default:
        return false;
    }
}

/* ---- Its result ------------------------------------------------------------------------------ */

static void status_agrees(const call *c, const cede_result *r)
{
    uint32_t by = r->flags & CEDE_BY_ANY;
    bool scope = c->kind->op == CEDE_OP_SCOPE;
    switch (r->status) {
    case CEDE_ECANCELED:
        LAW(7, c, by && by != CEDE_BY_DEADLINE, "cancelled, and nothing says why");
        break;
    case CEDE_EDEADLINE:
        LAW(13, c, by == CEDE_BY_DEADLINE, "a deadline that is none");
        break;
    case CEDE_EENDED:
        LAW(12, c, by == CEDE_BY_LOOP || by == CEDE_BY_SCOPE, "ended, and nothing says why");
        break;
    case CEDE_EBADF:
        LAW(10, c, handles_may_be_shut(c), "CEDE_EBADF on a handle that is open");
        break;
    case CEDE_EINVAL:
        LAW(16, c,
            c->bad_scope || c->bad_pool || handles_are_foreign(c) || c->kind == &kinds[K_again] ||
                c->kind == &kinds[K_readlink] || /* of what is no symbolic link */
                (c->after && c->after->kind == &kinds[K_again]),
            "CEDE_EINVAL, and all was valid");
        break;
    case CEDE_ENOMEM:
        LAW(15, c, now.starved || now.hungry || now.faulted, "there was memory");
        break;
    case CEDE_EAGAIN:
        LAW(15, c, now.hungry || now.faulted, "there was room");
        break;
    case CEDE_EMFILE:
        LAW(15, c, now.limited && c->kind->roles != R_LISTENER,
            "out of descriptors, where one waits for them");
        break;
    case CEDE_ENOTSUP:
    case CEDE_EDEADLK:
    case CEDE_EVERSION:
    case CEDE_EUNKNOWN:
        broken(16, c, "%s", cede_status_name(r->status));
    default:
        LAW(7, c, !by || scope, "%s, and a cause is told", cede_status_name(r->status));
        break;
    }
}

static bool has_started(const call *c)
{
    return c->result.status == CEDE_OK || c->result.count > 0;
}

static void agrees(const call *c, const cede_result *r)
{
    uint32_t by = r->flags & CEDE_BY_ANY;
    LAW(7, c, (by & (by - 1)) == 0, "two causes are told: 0x%" PRIx32, r->flags);
    LAW(13, c, by != CEDE_BY_DEADLINE || may_be(c, by), "a deadline that has not passed");
    LAW(7, c, !by || may_be(c, by), "a cause is told that there was not: 0x%" PRIx32, by);
    LAW(7, c, !by || !c->recorded || by == c->recorded,
        "cause 0x%" PRIx32 " is told, and 0x%" PRIx32 " came first", by, c->recorded);
    LAW(7, c, !c->asked_while_pending || (r->flags & CEDE_CANCEL_ASKED),
        "a cancel was asked while it was pending, and is not told");
    LAW(12, c, !c->must_be_refused || r->status != CEDE_OK || c->kind->op == CEDE_OP_CLOSE,
        "it joined a scope that was ending, and succeeded");
    LAW(12, c, !c->must_be_open || r->status != CEDE_EBADF,
        "its handle was closed, and the scope that owns it has members");
    const call *owner = handles_owner(c->on);
    LAW(12, c, by != CEDE_BY_SCOPE || c->scope || !owner || !has_members(owner, c),
        "its handle is being closed, and the scope that owns it has members");
    status_agrees(c, r);
    bool nothing = r->status == CEDE_ECANCELED || r->status == CEDE_EDEADLINE;
    uint32_t shape = shapes[c->kind->op];
    LAW(7, c,
        !nothing || r->count == 0 || shape == WHOLE || shape == MANY ||
            c->kind->op == CEDE_OP_SCOPE,
        "%s, and a count of %" PRIu64, cede_status_name(r->status), r->count);
    if (has_started(c))
        handles_of_one_loop(c);
    LAW(12, c, !c->bad_scope || r->status != CEDE_OK || c->kind->op == CEDE_OP_CLOSE,
        "it joined what is no scope of its loop, and succeeded");
    LAW(15, c, !c->bad_pool || r->status != CEDE_OK, "no pool of its loop, and it succeeded");
    LAW(10, c, !c->stale_handle || !has_started(c) || c->kind->op == CEDE_OP_CLOSE,
        "it reached a handle that was closed before");
    LAW(7, c, !r->handle || shape == OPENS, "a handle, from an operation that makes none");
}

/* ---- Order ----------------------------------------------------------------------------------- */

/* What is linked behind a scope takes its place when that is over. */
static bool is_late(const call *c)
{
    while (c->before && c->before->kind->op != CEDE_OP_SCOPE)
        c = c->before;
    return c->before;
}

/* Whether a certainly took its place before b. */
static bool taken_before(const call *a, const call *b)
{
    bool late = is_late(a), its = is_late(b);
    if ((late && !a->before->entered) || (its && !b->before->entered))
        return false;
    if (late ? (its ? a->since >= b->since : a->since >= b->serial)
             : (its ? a->serial > b->since : a->serial >= b->serial))
        return false;
    return late || !a->remote || (b->remote && !its);
}

static void in_order(const call *c)
{
    uint32_t way = c->kind->traits & (T_IN | T_OUT);
    if (!way || !c->on || !has_started(c))
        return;
    LAW(14, c, !c->behind_item, "an item of one behind it on the same handle came first");
    for (const call *d = now.calls; d < now.calls + now.call_count; d++)
        LAW(14, c,
            !(d->on == c->on && (d->kind->traits & way) && taken_before(c, d) && d->dones &&
              has_started(d)),
            "%s #%" PRIu32 " was submitted later on the same handle, and came first", d->kind->name,
            d->serial);
}

static void links_hold(const call *c)
{
    if (!c->before || c->kind->op == CEDE_OP_CLOSE || !has_started(c))
        return;
    LAW(14, c, c->before->entered, "it started before the one that it is linked behind was over");
    LAW(7, c, complete(c->before), "it started though its link was broken");
}

static void close_comes_last(call *c)
{
    cede_status status = c->result.status;
    if (c->kind->op != CEDE_OP_CLOSE) {
        LAW(10, c, !c->on || !c->on->closed || !has_started(c),
            "its handle's close was delivered before");
        LAW(10, c,
            !c->behind_close || status == CEDE_EENDED || status == CEDE_EINVAL ||
                status == CEDE_ENOMEM,
            "it was pending on a handle whose close was delivered before");
        return;
    }
    if (!c->on || status == CEDE_EBADF || status == CEDE_EINVAL || c->orphan)
        return;
    for (call *d = now.calls; d < now.calls + now.call_count; d++) {
        if (d->on == c->on && !d->dones && d->kind->op != CEDE_OP_CLOSE && !d->stale_handle &&
            d->home == c->home && taken_before(d, c))
            d->behind_close = true; /* it never was on the handle, or a law is broken */
    }
    c->on->closed = c->on->shut = c->on->maybe_shut = true;
}

static void scope_comes_last(const call *c)
{
    if (c->kind->op != CEDE_OP_SCOPE || now.starved)
        return;
    for (const call *d = now.calls; d < now.calls + now.call_count; d++)
        LAW(12, c, d->scope != c || d->returned || d->remote || d->bad_scope,
            "it ended, and its member %s #%" PRIu32 " is not back", d->kind->name, d->serial);
}

/* ---- Callbacks ------------------------------------------------------------------------------- */

static void push(call *c, bool item)
{
    caller *by = now.caller_count ? &now.callers[now.caller_count - 1] : NULL;
    LAW(3, c, by, "called back from inside a call that does not call back");
    LAW(3, c, by->home == c->home, "called back by another loop");
    LAW(3, c, by->frames == now.frame_count, "called back from inside another callback");
    by->callbacks++;
    waits_callback(c);
    if (now.frame_count < FRAMES)
        now.frames[now.frame_count++] = (frame){c, item};
    now.step++;
}

static void mix(uint64_t value)
{
    now.finished = (now.finished ^ value) * UINT64_C(0xd6e8feb86659fd93);
    now.finished ^= now.finished >> 32;
}

void laws_entered(call *c, const cede_result *r)
{
    c->dones++;
    LAW(2, c, c->dones == 1, "done for the %" PRIu32 ". time", c->dones);
    c->entered = true;
    if (c->after)
        c->after->since = now.call_count;
    c->result = *r;
    c->told = now.step;
    push(c, false);
    mix(c->serial << 16 | r->flags);
    mix((uint64_t)r->status << 40 ^ (c->kind->op == CEDE_OP_GET_OPTION ? 0 : r->count));
    agrees(c, r);
    in_order(c);
    links_hold(c);
    close_comes_last(c);
    scope_comes_last(c);
    c->kind->judge(c, r);
    if (c->scope && !c->scope->dones && !c->bad_scope)
        c->scope->members++;
}

void laws_returned(call *c)
{
    c->returned = true;
    now.frame_count--;
}

void laws_item(call *c, const cede_result *r)
{
    LAW(2, c, c->dones == 0, "an item behind its done");
    push(c, true);
    c->items++;
    mix(c->serial << 16 | 1);
    mix(r->count);
    for (call *d = now.calls; d < now.calls + now.call_count; d++) {
        if (d->on == c->on && c->on && !d->dones && taken_before(d, c) &&
            (d->kind->traits & c->kind->traits & T_IN))
            d->behind_item = true;
    }
    LAW(7, c, !(r->flags & (CEDE_BY_ANY | CEDE_CANCEL_ASKED)), "an item with a cause");
}
