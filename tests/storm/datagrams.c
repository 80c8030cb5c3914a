/*
 * Datagrams, from every station to every one. Each but the empty ones has a number, a place where
 * it is from and bytes of its own: it comes once at most, whole or cut where it did not fit, and
 * not at all if its send says that it did not go. (One that went may be lost.) The sockets go, with
 * what pends on them, and are made anew.
 */
#include "storm.h"

#define RECEIVERS 4
#define DATA_AT   128 /* in a receiver's buffer, behind the sender's address */

static _Atomic uint64_t empty_sent, empty_came;

static void receive(record *);
static void begin_socket(record *);

static bool is_expected(const cede_result *r)
{
    return r->status == CEDE_OK || r->status == CEDE_ECANCELED || r->status == CEDE_EDEADLINE ||
           r->status == CEDE_EBADF || r->status == CEDE_EENDED;
}

/* ---- Receiving ------------------------------------------------------------------------------ */

static void look_at(const record *rec, const cede_result *r)
{
    cede_address from, home = storm_home();
    bool cut = (r->flags & CEDE_TRUNCATED) != 0;
    if (r->count > rec->bytes || (cut && r->count != rec->bytes))
        storm_fail("recvfrom has room for %llu bytes, and says %llu",
                   (unsigned long long)rec->bytes, (unsigned long long)r->count);
    storm_totals.datagrams_got++;
    if (r->count == 0 && !cut)
        empty_came++;
    if (r->count == 0 || (cut && r->count < 8))
        return; /* nobody can tell which it was */
    uint32_t port = storm_datagram_came(rec->buffer + DATA_AT, r->count, !cut);
    memcpy(&from, rec->buffer, sizeof from);
    home.port = (uint16_t)port;
    if (!cede_address_equal(&from, &home)) {
        char is[CEDE_ADDRESS_TEXT], said[CEDE_ADDRESS_TEXT];
        (void)cede_address_print(&home, is, sizeof is);
        (void)cede_address_print(&from, said, sizeof said);
        storm_fail("a datagram from %s is said to be from %s", is, said);
    }
}

static void on_came(record *rec, cede_result r)
{
    station *at = rec->at;
    if (!is_expected(&r))
        storm_fail("recvfrom says %s", cede_status_name(r.status));
    if (r.status == CEDE_OK)
        look_at(rec, &r);
    memset(rec->buffer, 0xee, SMALL_BYTES);
    if (rec->handle != at->datagrams || storm_phase >= CLOSING) {
        storm_rest(rec);
    } else if (r.status == CEDE_EBADF || (r.flags & CEDE_BY_CLOSE)) {
        at->datagrams_port = 0; /* by a rival */
        begin_socket(rec);
    } else {
        receive(rec);
    }
}

static void receive(record *rec)
{
    uint64_t *random = &rec->at->random;
    rec->stops = true;
    rec->bytes = storm_random(random, 4) ? SMALL_BYTES - DATA_AT : storm_random(random, 40);
    cede_prep_recvfrom(&rec->as.req, rec->handle, rec->buffer + DATA_AT, rec->bytes,
                       (cede_address *)(void *)rec->buffer);
    storm_perhaps_within(rec);
    storm_submit(rec, on_came);
}

/* ---- Sending -------------------------------------------------------------------------------- */

static void on_gone(record *rec, cede_result r)
{
    if (!is_expected(&r) || (r.status == CEDE_OK && r.count != rec->bytes))
        storm_fail("sendto of %llu bytes says %s and %llu", (unsigned long long)rec->bytes,
                   cede_status_name(r.status), (unsigned long long)r.count);
    if (r.status == CEDE_OK) {
        storm_totals.datagrams++;
        if (rec->bytes)
            storm_sent(rec->items, r.count);
        else
            empty_sent++;
    }
    storm_rest(rec);
}

void storm_datagram(station *at)
{
    cede_address to = storm_home();
    bool big = storm_random(&at->random, 16) == 0;
    uint64_t most = big ? BIG_BYTES : SMALL_BYTES;
    to.port = (uint16_t)storm_stations[storm_random(&at->random, STATIONS)].datagrams_port;
    record *rec = to.port && at->datagrams_port ? storm_take(at, big) : NULL;
    if (!rec)
        return;
    if (storm_random(&at->random, 16)) {
        rec->bytes = 8 + storm_random(&at->random, (uint32_t)most - 8);
        rec->items = storm_datagram_new(at->datagrams_port);
        storm_fill(rec->items, 0, rec->buffer, rec->bytes);
    }
    rec->stops = true;
    cede_prep_sendto(&rec->as.req, at->datagrams, rec->buffer, rec->bytes, &to);
    storm_perhaps_within(rec);
    storm_submit(rec, on_gone);
}

/* ---- The socket ----------------------------------------------------------------------------- */

static void on_named(record *rec, cede_result r)
{
    station *at = rec->at;
    cede_address address;
    if (r.status != CEDE_OK) {
        cede_drop(at->datagrams);
        begin_socket(rec);
        return;
    }
    memcpy(&address, rec->buffer, sizeof address);
    at->datagrams_port = address.port;
    if (storm_random(&at->random, 4) == 0)
        storm_show_handle(&at->random, at->datagrams);
    for (uint32_t i = 0; i < RECEIVERS && rec; i++) {
        rec->handle = at->datagrams;
        receive(rec);
        rec = i + 1 < RECEIVERS ? storm_take(at, false) : NULL;
    }
}

static void on_socket(record *rec, cede_result r)
{
    station *at = rec->at;
    if (r.status != CEDE_OK) {
        begin_socket(rec);
        return;
    }
    at->datagrams = r.handle;
    cede_prep_name(&rec->as.req, r.handle, CEDE_NAME_OWN, (cede_address *)(void *)rec->buffer);
    storm_submit(rec, on_named);
}

static void begin_socket(record *rec)
{
    cede_address any = storm_home();
    rec->at->datagrams = 0;
    if (storm_phase >= CLOSING) {
        storm_rest(rec);
        return;
    }
    rec->stops = true;
    cede_prep_datagram(&rec->as.req, &any, 0);
    storm_submit(rec, on_socket);
}

void storm_datagrams_begin(station *at)
{
    begin_socket(storm_take(at, false));
}

void storm_datagrams_turn(station *at)
{
    record *rec = NULL;
    if (at->datagrams_port && storm_random(&at->random, 400) == 0)
        rec = storm_take(at, false);
    if (!rec)
        return;
    at->datagrams_port = 0;
    cede_drop(at->datagrams);
    begin_socket(rec);
}

void storm_datagrams_check(void)
{
    if (empty_came > empty_sent)
        storm_fail("%llu empty datagrams came, and %llu were told as sent",
                   (unsigned long long)empty_came, (unsigned long long)empty_sent);
}
