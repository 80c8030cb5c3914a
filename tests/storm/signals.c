/*
 * Signals that all threads raise and all stations take, now and then. A request is told of what it
 * asked for alone, and not more often than it was raised since. One request of each station, which
 * nobody cancels, must hear what its station has raised.
 */
#include "storm.h"

static _Atomic uint64_t begun[CEDE_SIGNAL_COUNT], raised[CEDE_SIGNAL_COUNT];

static void raise_it(uint32_t signal)
{
    begun[signal]++;
    storm_raise(signal);
    raised[signal]++;
    storm_totals.raised++;
}

static uint32_t some_signal(uint64_t *random)
{
    uint32_t signal;
    do
        signal = 1 + storm_random(random, CEDE_SIGNAL_COUNT - 1);
    while (!(storm_signals & CEDE_SIGNAL_BIT(signal)));
    return signal;
}

void storm_raise_some(uint64_t *random)
{
    raise_it(some_signal(random));
}

/* ---- Those who take them now and then ------------------------------------------------------- */

static uint64_t sum(const _Atomic uint64_t *counts, uint32_t signals)
{
    uint64_t total = 0;
    for (uint32_t i = 1; i < CEDE_SIGNAL_COUNT; i++)
        total += signals & CEDE_SIGNAL_BIT(i) ? counts[i] : 0;
    return total;
}

static void check_item(const record *rec, const cede_result *r)
{
    if (r->count >= CEDE_SIGNAL_COUNT || !(rec->block & CEDE_SIGNAL_BIT(r->count)))
        storm_fail("signal %llu is told to one that takes %x", (unsigned long long)r->count,
                   (unsigned)rec->block);
}

static void on_signal(record *rec, cede_result r)
{
    check_item(rec, &r);
    rec->items++;
    storm_totals.heard++;
    if (rec->items > sum(begun, rec->block) - rec->bytes)
        storm_fail("signals are told more often than they are raised");
    if (storm_random(&rec->at->random, 8) == 0)
        cede_cancel(rec->ticket);
}

static void on_hush(record *rec, cede_result r)
{
    if (r.status != CEDE_ECANCELED && r.status != CEDE_EDEADLINE && r.status != CEDE_EENDED)
        storm_fail("signal_many says %s", cede_status_name(r.status));
    if (r.count != rec->items)
        storm_fail("signal_many says %llu, and there were %llu", (unsigned long long)r.count,
                   (unsigned long long)rec->items);
    storm_rest(rec);
}

void storm_signal(station *at)
{
    record *rec = storm_take(at, false);
    if (!rec)
        return;
    rec->block =
        CEDE_SIGNAL_BIT(some_signal(&at->random)) | CEDE_SIGNAL_BIT(some_signal(&at->random));
    rec->bytes = sum(raised, rec->block);
    rec->item = on_signal;
    cede_prep_signal_many(&rec->as.req, rec->block, storm_item);
    storm_perhaps_within(rec);
    storm_submit(rec, on_hush);
}

/* ---- The one that hears all ----------------------------------------------------------------- */

static void on_heard(record *rec, cede_result r)
{
    check_item(rec, &r);
    rec->items++;
    rec->at->ear_heard++;
    if (rec->at->ear_waits == r.count)
        rec->at->ear_waits = 0;
}

void storm_ear_begin(station *at)
{
    record *rec = storm_take(at, false);
    rec->block = storm_signals;
    rec->item = on_heard;
    cede_prep_signal_many(&rec->as.req, rec->block, storm_item);
    storm_submit_unseen(rec, on_hush);
}

/* Whoever has heard something is heard by the system, too. */
void storm_ear_turn(station *at)
{
    if (at->ear_waits || storm_random(&at->random, 64))
        return;
    uint32_t signal = some_signal(&at->random);
    at->ear_waits = at->ear_heard > 0 ? signal : 0;
    raise_it(signal);
}

void storm_signals_check(void)
{
    if (!storm_signals_are_back())
        storm_fail("a signal's disposition is not what it was before");
}
