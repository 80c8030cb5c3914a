/*
 * Signals that all threads raise and all stations take, now and then. A request is told of what it
 * asked for alone, and not more often than it was raised since. One request of each station, its
 * ear, is cancelled by nobody, and hears one signal that only stations raise, in turns: who has
 * raised it passes it on when it has heard it. So one that is lost ends that, and is seen at the
 * end.
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
    uint32_t one = some_signal(&at->random), other = some_signal(&at->random);
    rec->block = CEDE_SIGNAL_BIT(one) | CEDE_SIGNAL_BIT(other);
    rec->bytes = sum(raised, rec->block);
    rec->item = on_signal;
    cede_prep_signal_many(&rec->as.req, rec->block, storm_item);
    storm_perhaps_within(rec);
    storm_submit(rec, on_hush);
}

/* ---- Ears ----------------------------------------------------------------------------------- */

static _Atomic uint32_t turn; /* whose it is to raise the ears' signal */

static void on_heard(record *rec, cede_result r)
{
    station *at = rec->at;
    check_item(rec, &r);
    rec->items++;
    at->ear_hears = true;
    if (r.count != storm_ear_signal || !at->ear_waits)
        return;
    at->ear_waits = false;
    turn = (at->number + 1) % STATIONS;
    storm_totals.ears++;
}

void storm_ear_begin(station *at)
{
    record *rec = storm_take(at, false);
    rec->block = storm_signals | CEDE_SIGNAL_BIT(storm_ear_signal);
    rec->item = on_heard;
    cede_prep_signal_many(&rec->as.req, rec->block, storm_item);
    storm_submit_unseen(rec, on_hush);
}

/* One that has heard something is known to the system. */
void storm_ear_turn(station *at)
{
    if (storm_random(&at->random, 64) == 0)
        storm_raise_some(&at->random);
    if (turn != at->number || at->ear_waits || !at->ear_hears)
        return;
    at->ear_waits = true;
    raise_it(storm_ear_signal);
}

void storm_signals_check(void)
{
    if (!storm_signals_are_back())
        storm_fail("a signal's disposition is not what it was before");
}
