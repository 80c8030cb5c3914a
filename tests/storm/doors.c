/*
 * Where a station listens, for TCP and at a local name: each listens, learns its port, takes
 * clients; now and then anew. And the clients, some of which are handed to another station.
 */
#include "storm.h"

static uint32_t how_of(const door *d)
{
    return d->local ? END_LOCAL : 0;
}

/* ---- Clients -------------------------------------------------------------------------------- */

static void on_handed(record *rec, cede_result r)
{
    (void)r;
    storm_totals.handed++;
    (void)storm_end_begin(rec->at, rec->handle, rec->block);
    storm_rest(rec);
}

static void hand_over(station *to, cede_handle handle, uint32_t how)
{
    record *rec = storm_phase < CLOSING ? storm_take(to, false) : NULL;
    if (!rec) {
        cede_drop(handle);
        return;
    }
    rec->handle = handle;
    rec->block = how;
    cede_prep_nop(&rec->as.req);
    (void)storm_send(rec, on_handed);
}

static void accepted(station *at, cede_handle handle, const door *d)
{
    station *to = &storm_stations[storm_random(&at->random, STATIONS)];
    storm_totals.accepted++;
    if (to != at && storm_random(&at->random, 2))
        hand_over(to, handle, how_of(d));
    else
        (void)storm_end_begin(at, handle, how_of(d));
}

static void on_accepted(record *rec, cede_result r)
{
    if ((r.status == CEDE_OK) != (r.handle != 0))
        storm_fail("accept says %s, and handle %llx", cede_status_name(r.status),
                   (unsigned long long)r.handle);
    if (r.handle)
        accepted(rec->at, r.handle, rec->part);
    storm_rest(rec);
}

static void on_client(record *rec, cede_result r)
{
    if (!r.handle)
        return; /* no descriptors for now */
    rec->items++;
    accepted(rec->at, r.handle, rec->part);
    if (storm_random(&rec->at->random, 32) == 0)
        cede_cancel(rec->ticket); /* others may have come by now, and are not lost (law 8) */
}

void storm_accept(station *at)
{
    door *d = &at->doors[storm_random(&at->random, 2)];
    record *rec = d->open ? storm_take(at, false) : NULL;
    if (!rec)
        return;
    rec->stops = true;
    rec->part = d;
    cede_prep_accept(&rec->as.req, d->listener, NULL);
    storm_perhaps_within(rec);
    storm_submit(rec, on_accepted);
}

/* ---- Listening ------------------------------------------------------------------------------ */

static void begin_listener(record *);

static void close_door(door *d)
{
    d->open = 0;
    cede_drop(d->listener);
}

static void on_clients(record *rec, cede_result r)
{
    station *at = rec->at;
    door *d = rec->part;
    if (r.count != rec->items)
        storm_fail("accept_many says %llu, and there were %llu", (unsigned long long)r.count,
                   (unsigned long long)rec->items);
    if (storm_phase >= CLOSING) {
        storm_rest(rec);
    } else if (storm_random(&at->random, 32) == 0 ||
               !(r.flags & (CEDE_BY_WISH | CEDE_BY_DEADLINE))) {
        close_door(d);
        begin_listener(rec);
    } else {
        rec->items = 0;
        cede_prep_accept_many(&rec->as.req, d->listener, storm_item);
        storm_perhaps_within(rec);
        storm_submit(rec, on_clients);
    }
}

static void on_port(record *rec, cede_result r)
{
    door *d = rec->part;
    cede_address address;
    if (r.status != CEDE_OK) {
        close_door(d);
        begin_listener(rec);
        return;
    }
    memcpy(&address, rec->buffer, sizeof address);
    if (address.family != (d->local ? CEDE_ADDRESS_LOCAL : CEDE_ADDRESS_IPV4))
        storm_fail("a listener is said to be of family %u", (unsigned)address.family);
    d->open = d->local ? 1 : address.port;
    rec->items = 0;
    rec->item = on_client;
    cede_prep_accept_many(&rec->as.req, d->listener, storm_item);
    storm_submit(rec, on_clients);
}

static void on_listening(record *rec, cede_result r)
{
    door *d = rec->part;
    if (r.status != CEDE_OK) {
        begin_listener(rec);
        return;
    }
    d->listener = r.handle;
    cede_prep_name(&rec->as.req, r.handle, CEDE_NAME_OWN, (cede_address *)(void *)rec->buffer);
    storm_submit(rec, on_port);
}

/* A local name is there until it is taken over; who had it may not have closed yet. */
static void begin_listener(record *rec)
{
    const door *d = rec->part;
    cede_address any = d->local ? cede_address_local(d->path) : storm_home();
    if (storm_phase >= CLOSING) {
        storm_rest(rec);
        return;
    }
    cede_prep_listen(&rec->as.req, &any, 0, d->local ? CEDE_LISTEN_REPLACE : 0);
    storm_submit(rec, on_listening);
}

void storm_doors_open(station *at)
{
    for (uint32_t i = 0; i < 2; i++) {
        door *d = &at->doors[i];
        record *rec = storm_take(at, false);
        d->local = i == 1;
        storm_local_path(at->folder, at->number, d->path, sizeof d->path);
        rec->part = d;
        begin_listener(rec);
    }
}
