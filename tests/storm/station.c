/* One loop with its thread: its listener, its pools, what it begins at each turn, how it closes. */
#include "storm.h"

static void say_nothing(void *context, const char *line)
{
    (void)context;
    (void)line;
}

/* ---- Buffers of the pool -------------------------------------------------------------------- */

static void open_pool(station *at)
{
    cede_status status = cede_pool_open(at->loop, POOLED, 1500, 64, &at->pool);
    if (status != CEDE_OK)
        storm_fail("no pool: %s", cede_strerror(status));
}

void storm_hold(station *at, cede_pool *pool, void *buffer)
{
    if (at->held_count < POOLED * 2 && storm_random(&at->random, 4) == 0) {
        at->held[at->held_count].pool = pool;
        at->held[at->held_count++].buffer = buffer;
    } else {
        cede_pool_give(pool, buffer);
    }
}

static void give_some(station *at, uint32_t count)
{
    for (; count > 0 && at->held_count > 0; count--) {
        uint32_t place = storm_random(&at->random, at->held_count);
        held h = at->held[place];
        at->held[place] = at->held[--at->held_count];
        cede_pool_give(h.pool, h.buffer);
    }
}

static uint32_t held_of_pool(const station *at)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < at->held_count; i++)
        count += at->held[i].pool == at->pool;
    return count;
}

/* ---- Clients -------------------------------------------------------------------------------- */

static void on_handed(record *rec, cede_result r)
{
    (void)r;
    storm_totals.handed++;
    storm_end_begin(rec->at, rec->handle, false);
    storm_rest(rec);
}

void storm_hand_over(station *to, cede_handle handle)
{
    record *rec = storm_phase < CLOSING ? storm_take(to, false) : NULL;
    if (!rec) {
        cede_drop(handle);
        return;
    }
    rec->handle = handle;
    cede_prep_nop(&rec->as.req);
    (void)storm_send(rec, on_handed);
}

static void accepted(station *at, cede_handle handle)
{
    storm_totals.accepted++;
    station *to = &storm_stations[storm_random(&at->random, STATIONS)];
    if (to != at && storm_random(&at->random, 2))
        storm_hand_over(to, handle);
    else
        storm_end_begin(at, handle, false);
}

static void on_accepted(record *rec, cede_result r)
{
    if ((r.status == CEDE_OK) != (r.handle != 0))
        storm_fail("accept says %s, and handle %llx", cede_status_name(r.status),
                   (unsigned long long)r.handle);
    if (r.handle)
        accepted(rec->at, r.handle);
    storm_rest(rec);
}

static void on_client(record *rec, cede_result r)
{
    if (!r.handle)
        return; /* no descriptors for now */
    rec->items++;
    accepted(rec->at, r.handle);
    if (storm_random(&rec->at->random, 32) == 0)
        cede_cancel(rec->ticket); /* others may have come by now, and are not lost (law 8) */
}

static void begin_accept(station *at)
{
    record *rec = at->port ? storm_take(at, false) : NULL;
    if (!rec)
        return;
    rec->stops = true;
    cede_prep_accept(&rec->as.req, at->listener, NULL);
    storm_perhaps_within(rec);
    storm_submit(rec, on_accepted);
}

/* ---- The listener: listens, learns its port, takes clients; now and then anew --------------- */

static void begin_listener(record *);

static void on_clients(record *rec, cede_result r)
{
    station *at = rec->at;
    if (r.count != rec->items)
        storm_fail("accept_many says %llu, and there were %llu", (unsigned long long)r.count,
                   (unsigned long long)rec->items);
    if (storm_phase >= CLOSING) {
        storm_rest(rec);
    } else if (storm_random(&at->random, 32) == 0 ||
               !(r.flags & (CEDE_BY_WISH | CEDE_BY_DEADLINE))) {
        at->port = 0;
        cede_drop(at->listener);
        begin_listener(rec);
    } else {
        rec->items = 0;
        cede_prep_accept_many(&rec->as.req, at->listener, storm_item);
        storm_perhaps_within(rec);
        storm_submit(rec, on_clients);
    }
}

static void on_port(record *rec, cede_result r)
{
    station *at = rec->at;
    cede_address address;
    if (r.status != CEDE_OK) {
        cede_drop(at->listener);
        begin_listener(rec);
        return;
    }
    memcpy(&address, rec->buffer, sizeof address);
    at->port = address.port;
    rec->items = 0;
    rec->item = on_client;
    cede_prep_accept_many(&rec->as.req, at->listener, storm_item);
    storm_submit(rec, on_clients);
}

static void on_listening(record *rec, cede_result r)
{
    if (r.status != CEDE_OK) {
        begin_listener(rec);
        return;
    }
    rec->at->listener = r.handle;
    cede_prep_name(&rec->as.req, r.handle, CEDE_NAME_OWN, (cede_address *)(void *)rec->buffer);
    storm_submit(rec, on_port);
}

static void begin_listener(record *rec)
{
    cede_address any = cede_ipv4(127, 0, 0, 1, 0);
    if (storm_phase >= CLOSING) {
        storm_rest(rec);
        return;
    }
    cede_prep_listen(&rec->as.req, &any, 0, 0);
    storm_submit(rec, on_listening);
}

/* ---- The loop ------------------------------------------------------------------------------- */

static void begin_something(station *at)
{
    switch (storm_random(&at->random, 10)) {
    case 0:
    case 1:
    case 2:
        storm_connect(at);
        break;
    case 3:
        storm_pair(at);
        break;
    case 4:
        begin_accept(at);
        break;
    case 5:
    case 6:
        storm_files(at);
        break;
    default:
        storm_small(at);
        break;
    }
}

static void turn(station *at)
{
    uint32_t busy = storm_busy(at);
    for (uint32_t i = 0; i < 8 && busy < RECORDS / 2; i++)
        begin_something(at);
    for (uint32_t i = busy < RECORDS / 2 ? 2 : 16; i > 0; i--)
        storm_cull(at);
    give_some(at, storm_random(&at->random, 8));
    if (storm_random(&at->random, 500) == 0) {
        cede_pool_close(at->pool); /* with buffers out, and receives that wait for one */
        open_pool(at);
    }
    (void)storm_run(at, storm_random(&at->random, 4) * 500 * CEDE_MICROSECOND);
}

static void begin(station *at)
{
    char why[256] = "";
    cede_options options = CEDE_OPTIONS_INIT;
    options.backend = storm_backend;
    options.trace = say_nothing;
    options.why = why;
    options.why_bytes = sizeof why;
    options.queue_entries = 32u << storm_random(&at->random, 4);
    if (cede_loop_open(&options, &at->loop) != CEDE_OK)
        storm_fail("no loop: %s", why);
    for (uint32_t i = 0; i < ENDS; i++) {
        at->ends[i].next = at->free_ends;
        at->free_ends = &at->ends[i];
    }
    storm_records_make(at);
    storm_files_open(at);
    open_pool(at);
    begin_listener(storm_take(at, false));
}

static void check_counts(station *at)
{
    cede_counts c;
    cede_count(at->loop, &c);
    if (c.submitted != c.delivered + c.undelivered)
        storm_fail("station %u: %llu submitted, %llu delivered, %llu undelivered", at->number,
                   (unsigned long long)c.submitted, (unsigned long long)c.delivered,
                   (unsigned long long)c.undelivered);
    /* A relay's own come on top. */
    if (c.delivered < at->done || c.items != at->items)
        storm_fail("station %u: counts %llu done, %llu items; there were %llu and %llu", at->number,
                   (unsigned long long)c.delivered, (unsigned long long)c.items,
                   (unsigned long long)at->done, (unsigned long long)at->items);
}

/* With everything pending. At first with a limit that may be too short. */
static void close_it(station *at)
{
    check_counts(at);
    cede_status status = storm_close(at, storm_random(&at->random, 2) * CEDE_MILLISECOND);
    if (status == CEDE_EDEADLINE) {
        check_counts(at);
        status = storm_close(at, CEDE_FOREVER);
    }
    if (status != CEDE_OK)
        storm_fail("the loop's close says %s", cede_status_name(status));
    if (cede_pool_out(at->pool) != held_of_pool(at))
        storm_fail("station %u: %u buffers are out, and it holds %u", at->number,
                   cede_pool_out(at->pool), held_of_pool(at));
    give_some(at, at->held_count);
    if (cede_pool_out(at->pool) != 0)
        storm_fail("station %u: %u buffers did not come back", at->number, cede_pool_out(at->pool));
    cede_pool_close(at->pool);
}

void storm_station_main(void *context)
{
    station *at = context;
    begin(at);
    storm_meet();
    while (storm_phase < CLOSING)
        turn(at);
    storm_meet(); /* who sent something to another loop has done so */
    close_it(at);
}
