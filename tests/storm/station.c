/* One loop with its thread: its pools, what it begins at each turn, how it closes. */
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

/* ---- The loop ------------------------------------------------------------------------------- */

/* Of fifty. */
static const struct {
    uint32_t share;
    void (*begin)(station *);
} things[] = {{12, storm_connect}, {4, storm_pair},     {4, storm_accept}, {7, storm_files},
              {10, storm_small},   {5, storm_datagram}, {2, storm_lookup}, {3, storm_watch},
              {2, storm_signal},   {1, storm_child}};

static void begin_something(station *at)
{
    uint32_t choice = storm_random(&at->random, 50);
    for (size_t i = 0; i < sizeof things / sizeof things[0]; i++) {
        if (choice < things[i].share) {
            things[i].begin(at);
            return;
        }
        choice -= things[i].share;
    }
}

static void turn(station *at)
{
    uint32_t busy = storm_busy(at);
    for (uint32_t i = 0; i < 8 && busy < RECORDS / 2; i++)
        begin_something(at);
    for (uint32_t i = busy < RECORDS / 2 ? 2 : 16; i > 0; i--)
        storm_cull(at);
    storm_files_turn(at);
    storm_datagrams_turn(at);
    storm_ear_turn(at);
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
    options.backend_config = storm_config(at->number);
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
    storm_doors_open(at);
    storm_datagrams_begin(at);
    storm_watch_begin(at);
    storm_ear_begin(at);
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

/* What must still be told, though nobody has begun anything any more. The time is for what is lost:
 * that would never be. */
static void hear_the_last(station *at)
{
    uint64_t until = port_now() + 60 * CEDE_SECOND;
    while (at->ear_waits || storm_watch_waits(at)) {
        (void)storm_run(at, CEDE_MILLISECOND);
        give_some(at, POOLED);
        if (port_now() > until)
            storm_fail("station %u: %s was not told", at->number,
                       at->ear_waits ? "a signal" : "a change of its directory");
    }
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
    cede_drop(at->file); /* what nobody has used yet belongs to no loop */
    cede_drop(at->source);
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
    storm_meet(at);
    while (storm_phase < CLOSING)
        turn(at);
    storm_meet(at); /* who sent something to another loop has done so */
    hear_the_last(at);
    close_it(at);
}
