/*
 * What needs no handle: pends that others complete, timers that are moved, work, scopes in scopes,
 * waits inside callbacks.
 */
#include "storm.h"

static void wait_somewhere(station *at)
{
    if (at->waits_deep >= 3)
        return;
    uint32_t place = storm_random(&at->random, RECENT);
    if (at->recent[place].rec)
        storm_wait(at, at->recent[place].rec, at->recent[place].ticket, at->recent[place].submitted,
                   storm_random(&at->random, 200) * CEDE_MICROSECOND);
}

static void on_small(record *rec, cede_result r)
{
    (void)r;
    station *at = rec->at;
    storm_rest(rec);
    if (storm_random(&at->random, 4) == 0)
        wait_somewhere(at);
}

static void on_pend(record *rec, cede_result r)
{
    if (r.status == CEDE_OK && r.count != COUNT_OF_PEND)
        storm_fail("a pend was completed with %llu", (unsigned long long)r.count);
    if (r.status == CEDE_OK)
        storm_totals.completed++;
    on_small(rec, r);
}

/* For work: whether it ran is known by who gets the argument back. */
static cede_status do_work(void *argument, uint64_t *count)
{
    record *rec = argument;
    rec->items = *count = rec->bytes * 3;
    return CEDE_OK;
}

static void on_worked(record *rec, cede_result r)
{
    if (r.status == CEDE_OK ? r.count != rec->bytes * 3 || rec->items != r.count : rec->items != 0)
        storm_fail("work says %s and %llu, and %s", cede_status_name(r.status),
                   (unsigned long long)r.count, rec->items ? "it ran" : "it did not run");
    on_small(rec, r);
}

static void on_scope(record *rec, cede_result r)
{
    (void)r;
    storm_rest(rec);
}

static void begin_pend(station *at, record *scope)
{
    record *rec = storm_take(at, false);
    if (!rec)
        return;
    cede_prep_pend(&rec->as.req);
    if (scope)
        storm_in(rec, scope);
    if (storm_random(&at->random, 4))
        cede_within(&rec->as.req, storm_random(&at->random, 20) * CEDE_MILLISECOND);
    storm_submit(rec, on_pend);
    storm_show_pend(&at->random, rec->ticket);
}

static void begin_timer(station *at, record *scope)
{
    record *rec = storm_take(at, false);
    if (!rec)
        return;
    cede_prep_timer(&rec->as.req, storm_random(&at->random, 10000) * CEDE_MICROSECOND);
    if (scope)
        storm_in(rec, scope);
    storm_submit(rec, on_small);
    uint32_t place = storm_random(&at->random, RECENT);
    cede_extend(at->recent[place].ticket, storm_random(&at->random, 20) * CEDE_MILLISECOND);
}

static void begin_work(station *at)
{
    record *rec = storm_take(at, false);
    if (!rec)
        return;
    rec->bytes = 1 + storm_random(&at->random, 1000);
    cede_prep_work(&rec->as.req, do_work, rec);
    storm_perhaps_within(rec);
    storm_submit(rec, on_worked);
}

/* Two of a chain, which keep until both are done: the second comes first only if it ends unstarted,
 * by something of its own. */
static void chain_part(record *rec, record *other)
{
    rec->known = 1;
    if (other->known) {
        storm_rest(other);
        storm_rest(rec);
    }
}

static void on_before(record *rec, cede_result r)
{
    rec->items = r.status == CEDE_OK;
    rec->block = storm_phase < CLOSING;
    chain_part(rec, rec->other);
}

static void on_behind(record *rec, cede_result r)
{
    const record *first = rec->other;
    bool by_link = r.status == CEDE_ECANCELED && (r.flags & CEDE_BY_LINK);
    if ((r.status == CEDE_OK && !first->items) || (by_link && (first->items || !first->known)))
        storm_fail("the second of a chain says %s, and the first was %s",
                   cede_status_name(r.status), first->items ? "completed" : "not completed");
    if ((r.flags & CEDE_BY_LOOP) && first->known && first->block && !first->items)
        storm_fail("the second of a chain was not told that the first failed");
    if (by_link)
        storm_totals.broken++;
    chain_part(rec, rec->other);
}

static void begin_chain(station *at)
{
    record *rec = storm_take(at, false), *next = rec ? storm_take(at, false) : NULL;
    if (!next) {
        if (rec)
            storm_rest(rec);
        return;
    }
    cede_prep_pend(&rec->as.req);
    cede_within(&rec->as.req, storm_random(&at->random, 20) * CEDE_MILLISECOND);
    cede_prep_nop(&next->as.req);
    rec->other = next;
    next->other = rec;
    rec->known = next->known = 0;
    storm_submit_chain(rec, on_before, next, on_behind);
    storm_show_pend(&at->random, rec->ticket);
}

/* A scope in a scope in a scope, with members on each level; a wish ends one of them. */
static void begin_nest(station *at)
{
    record *above = NULL, *levels[3];
    uint32_t deep = 0;
    for (; deep < 3; deep++) {
        record *rec = storm_take(at, false);
        if (!rec)
            break;
        cede_prep_scope(&rec->as.req);
        if (above)
            storm_in(rec, above);
        if (storm_random(&at->random, 3) == 0)
            cede_within(&rec->as.req, storm_random(&at->random, 20) * CEDE_MILLISECOND);
        storm_submit(rec, on_scope);
        above = levels[deep] = rec;
        for (uint32_t i = storm_random(&at->random, 4); i > 0; i--) {
            if (storm_random(&at->random, 2))
                begin_pend(at, rec);
            else
                begin_timer(at, rec);
        }
    }
    if (deep && storm_random(&at->random, 2))
        cede_fail(levels[storm_random(&at->random, deep)]->ticket, CEDE_EIO);
    else if (deep) /* else somebody else does, or its members are done and it is culled */
        cede_extend(levels[0]->ticket, storm_random(&at->random, 50) * CEDE_MILLISECOND);
}

static void begin_nop(station *at)
{
    record *rec = storm_take(at, false);
    if (!rec)
        return;
    uint64_t submitted = rec->submitted + 1;
    if (storm_random(&at->random, 2))
        cede_prep_nop(&rec->as.req);
    else
        cede_prep_roundtrip(&rec->as.req);
    storm_submit(rec, on_small);
    if (cede_in_callback(at->loop) && at->waits_deep < 3 && storm_random(&at->random, 4) == 0)
        storm_wait(at, rec, rec->ticket, submitted, CEDE_FOREVER);
}

static void on_spark(record *rec, cede_result r)
{
    station *at = rec->at;
    (void)r;
    storm_rest(rec);
    if (storm_phase < CLOSING)
        begin_nop(at);
}

void storm_small(station *at)
{
    record *rec;
    switch (storm_random(&at->random, 7)) {
    case 0:
        begin_pend(at, NULL);
        break;
    case 1:
        begin_timer(at, NULL);
        break;
    case 2:
        begin_work(at);
        break;
    case 3:
        begin_nest(at);
        break;
    case 4:
        begin_chain(at);
        break;
    case 5:
        rec = storm_take(at, false); /* so that the next begins in a callback */
        if (rec) {
            cede_prep_nop(&rec->as.req);
            storm_submit(rec, on_spark);
        }
        break;
    default:
        begin_nop(at);
        break;
    }
}

void storm_small_remote(station *at, uint64_t *random)
{
    record *rec = storm_take(at, false);
    cede_ticket ticket;
    if (!rec)
        return;
    switch (storm_random(random, 4)) {
    case 0:
        cede_prep_pend(&rec->as.req);
        cede_within(&rec->as.req, storm_random(random, 20) * CEDE_MILLISECOND);
        ticket = storm_send(rec, on_pend);
        storm_show_pend(random, ticket);
        break;
    case 1:
        cede_prep_timer(&rec->as.req, storm_random(random, 10000) * CEDE_MICROSECOND);
        ticket = storm_send(rec, on_small);
        break;
    case 2:
        rec->bytes = 7;
        cede_prep_work(&rec->as.req, do_work, rec);
        ticket = storm_send(rec, on_worked);
        break;
    default:
        cede_prep_nop(&rec->as.req);
        ticket = storm_send(rec, on_spark);
        break;
    }
    storm_show_ticket(random, ticket);
}
