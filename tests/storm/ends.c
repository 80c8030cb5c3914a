/*
 * One end of a stream: a sender and a receiver, and either a scope that owns the handle, or none;
 * then who leaves last closes it, by a close, a drop, a reset.
 */
#include "storm.h"

static void settle(end *e)
{
    station *at = e->at;
    /* An error is told once, to a send or a receive: what looks like the end after that need not be
     * it. */
    if (e->ended && !e->failed)
        storm_stream_ended(e);
    e->next = at->free_ends;
    at->free_ends = e;
}

static void on_life(record *rec, cede_result r)
{
    (void)r;
    end *e = rec->of;
    e->life = NULL;
    if (e->active)
        storm_fail("a scope ended, and %u of its end's own go on", e->active);
    settle(e);
    storm_rest(rec);
}

static void on_closed(record *rec, cede_result r)
{
    (void)r;
    storm_rest(rec);
}

static void on_linger(record *rec, cede_result r)
{
    (void)r;
    cede_drop(rec->handle);
    storm_rest(rec);
}

void storm_end_leave(end *e, record *rec)
{
    station *at = e->at;
    if (--e->active) {
        storm_rest(rec);
        return;
    }
    if (e->life) {
        if (storm_random(&at->random, 2))
            cede_cancel(e->life->ticket);
        else
            cede_fail(e->life->ticket, storm_random(&at->random, 2) ? CEDE_OK : CEDE_EPIPE);
        storm_rest(rec);
        return;
    }
    rec->handle = e->handle;
    rec->of = NULL;
    rec->stops = false;
    bool pipe = e->how & (END_SENDS | END_RECEIVES);
    settle(e);
    switch (storm_random(&at->random, 4)) {
    case 0:
        cede_prep_close(&rec->as.req, rec->handle);
        storm_submit(rec, on_closed);
        break;
    case 1:
        if (!pipe) {
            storm_totals.resets++;
            cede_prep_set_option(&rec->as.req, rec->handle, CEDE_OPTION_LINGER, 0);
            storm_submit(rec, on_linger);
            break;
        }
        /* fall through */
    default:
        cede_drop(rec->handle);
        storm_rest(rec);
        break;
    }
}

/* Gives up what was not used; 0 and NULL are nothing. */
static void give_up(cede_handle handle, record *a, record *b, record *c)
{
    cede_drop(handle);
    if (a)
        storm_rest(a);
    if (b)
        storm_rest(b);
    if (c)
        storm_rest(c);
}

static void begin_scope(end *e, record *life)
{
    cede_prep_scope(&life->as.req);
    life->of = e;
    e->life = life;
    if (storm_random(&e->at->random, 4) == 0)
        cede_within(&life->as.req, storm_random(&e->at->random, 100) * CEDE_MILLISECOND);
    storm_submit(life, on_life);
    cede_own(life->ticket, e->handle);
}

/* Behind the first its turn comes, and so do its bytes (law 14). */
static void begin_receiver(end *e, record *rec)
{
    rec->of = e;
    storm_receiver(rec);
}

uint64_t storm_end_begin(station *at, cede_handle handle, uint32_t how)
{
    bool scoped = storm_random(&at->random, 2);
    bool sends = !(how & END_RECEIVES), receives = !(how & END_SENDS);
    record *sender = NULL, *receiver = NULL, *second = NULL, *life = NULL;
    end *e = at->free_ends;
    if (e && storm_phase < CLOSING) {
        sender = sends ? storm_take(at, storm_random(&at->random, 4) == 0) : NULL;
        receiver = receives ? storm_take(at, false) : NULL;
        life = scoped ? storm_take(at, false) : NULL;
    }
    if (!e || (sends && !sender) || (receives && !receiver) || (scoped && !life)) {
        give_up(handle, sender, receiver, life);
        return 0;
    }
    at->free_ends = e->next;
    memset(e, 0, sizeof *e);
    e->at = at;
    e->how = how;
    e->handle = handle;
    e->out_key = sends ? storm_key_new(how & END_RELAYED) : 0;
    e->out_goal = storm_random(&at->random, 8) ? storm_random(&at->random, 20000)
                                               : storm_random(&at->random, 400000);
    if (receives && storm_random(&at->random, 3) == 0)
        second = storm_take(at, false);
    e->active = (sender != NULL) + (receiver != NULL) + (second != NULL);
    if (life)
        begin_scope(e, life);
    if (storm_random(&at->random, 16) == 0)
        storm_show_handle(&at->random, handle);
    uint64_t key = e->out_key;
    if (receiver)
        begin_receiver(e, receiver);
    if (second)
        begin_receiver(e, second);
    if (sender) {
        sender->of = e;
        storm_sender(sender);
    }
    return key;
}

/* ---- Relays --------------------------------------------------------------------------------- */

static void on_relayed(record *rec, cede_result r)
{
    (void)r;
    cede_relay *relay = &rec->as.relay;
    uint64_t left = 0;
    for (uint32_t i = 0; i < relay->left_count; i++)
        left += relay->left[i].length_bytes;
    if (left > rec->bytes || (r.status == CEDE_OK && left))
        storm_fail("a relay keeps %llu bytes", (unsigned long long)left);
    storm_totals.relays++;
    cede_drop(rec->handle);
    cede_drop(rec->second);
    storm_rest(rec);
}

/* A pair, one end for a sender, the other relayed to the connection that the record has. */
static void on_relay_pair(record *rec, cede_result r)
{
    station *at = rec->at;
    cede_handle to = rec->handle;
    record *relay = r.status == CEDE_OK ? storm_take(at, true) : NULL;
    if (!relay) {
        if (r.status == CEDE_OK)
            cede_drop(rec->second);
        cede_drop(r.handle);
        cede_drop(to);
        storm_rest(rec);
        return;
    }
    relay->handle = rec->second;
    relay->second = to;
    relay->bytes = 1000 + storm_random(&at->random, BIG_BYTES - 1000);
    cede_prep_relay(&relay->as.relay, relay->handle, to, relay->buffer, relay->bytes, CEDE_TO_END);
    storm_perhaps_within(relay);
    storm_submit_relay(relay, on_relayed);
    storm_rest(rec);
    (void)storm_end_begin(at, r.handle, END_LOCAL | END_RELAYED);
}

static void on_pair(record *rec, cede_result r)
{
    if (r.status == CEDE_OK) {
        (void)storm_end_begin(rec->at, rec->second, END_LOCAL);
        (void)storm_end_begin(rec->at, r.handle, END_LOCAL);
    } else if (r.handle) {
        storm_fail("a pair that failed has a handle");
    }
    storm_rest(rec);
}

void storm_pair(station *at)
{
    record *rec = storm_take(at, false);
    if (!rec)
        return;
    rec->stops = true;
    cede_prep_pair(&rec->as.req, CEDE_PAIR_STREAM, &rec->second);
    storm_perhaps_within(rec);
    storm_submit(rec, on_pair);
}

/* ---- Connecting ----------------------------------------------------------------------------- */

static void on_connected(record *rec, cede_result r)
{
    station *at = rec->at;
    if ((r.status == CEDE_OK) != (r.handle != 0))
        storm_fail("connect: %s, and handle %llx", cede_status_name(r.status),
                   (unsigned long long)r.handle);
    if (r.status != CEDE_OK) {
        storm_rest(rec);
        return;
    }
    const door *d = rec->part;
    storm_totals.connections++;
    storm_totals.locals += d->local;
    if (storm_phase >= CLOSING || storm_random(&at->random, 8)) {
        (void)storm_end_begin(at, r.handle, d->local ? END_LOCAL : 0);
        storm_rest(rec);
        return;
    }
    rec->handle = r.handle;
    cede_prep_pair(&rec->as.req, CEDE_PAIR_STREAM, &rec->second);
    storm_perhaps_within(rec);
    storm_submit(rec, on_relay_pair);
}

/* Some at once to the same listener, so that several clients wait there. */
void storm_connect(station *at)
{
    station *there = &storm_stations[storm_random(&at->random, STATIONS)];
    door *d = &there->doors[storm_random(&at->random, 3) == 0];
    uint32_t open = d->open;
    cede_address to = d->local ? cede_address_local(d->path) : storm_home();
    to.port = d->local ? 0 : (uint16_t)open;
    for (uint32_t i = storm_random(&at->random, 4); open && i > 0; i--) {
        record *rec = storm_take(at, false);
        if (!rec)
            return;
        rec->part = d;
        cede_prep_connect(&rec->as.req, &to, 0);
        storm_perhaps_within(rec);
        storm_submit(rec, on_connected);
    }
}
