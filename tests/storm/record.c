/*
 * Requests, each a small machine of its own.
 *
 * A record is submitted, done once, and rests before it is used again. Its where and its two
 * counts tell a done that comes twice, late, on the wrong thread or inside a submit; its buffer is
 * filled when it goes to rest and looked at when it is taken again, which tells who writes late.
 */
#include "storm.h"

#define FILLED 0xe5

static _Thread_local station *running; /* whose callbacks may come on this thread now */
static _Thread_local bool submitting;

uint32_t storm_random(uint64_t *state, uint32_t below)
{
    /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(((z ^ (z >> 31)) >> 32) * below >> 32);
}

/* ---- Taking, resting ------------------------------------------------------------------------ */

static uint64_t room_of(const record *rec)
{
    return rec->big ? BIG_BYTES : SMALL_BYTES;
}

static void put(shelf *s, record *rec)
{
    port_lock(&s->mutex);
    rec->next = NULL;
    if (s->last)
        s->last->next = rec;
    else
        s->first = rec;
    s->last = rec;
    s->count++;
    port_unlock(&s->mutex);
}

void storm_records_make(station *at)
{
    unsigned char *memory = malloc(RECORDS * SMALL_BYTES + BIG_RECORDS * BIG_BYTES);
    at->records = calloc(RECORDS + BIG_RECORDS, sizeof *at->records);
    port_must(memory && at->records, "memory");
    at->memory = memory;
    memset(memory, FILLED, RECORDS * SMALL_BYTES + BIG_RECORDS * BIG_BYTES);
    port_mutex_init(&at->small.mutex);
    port_mutex_init(&at->big.mutex);
    for (uint32_t i = 0; i < RECORDS + BIG_RECORDS; i++) {
        record *rec = &at->records[i];
        rec->at = at;
        rec->big = i >= RECORDS;
        rec->buffer = memory;
        memory += room_of(rec);
        put(rec->big ? &at->big : &at->small, rec);
    }
}

static void untouched(const record *rec, uint64_t from, const char *what)
{
    for (uint64_t i = from; i < room_of(rec); i++) {
        if (rec->buffer[i] != FILLED)
            storm_fail("a buffer was written to %s, at %u", what, (unsigned)i);
    }
}

void storm_untouched(const record *rec, uint64_t from)
{
    untouched(rec, from, "behind what was told");
}

record *storm_take(station *at, bool big)
{
    shelf *s = big ? &at->big : &at->small;
    record *rec = NULL;
    port_lock(&s->mutex);
    if (s->count > (big ? 8 : QUARANTINED)) {
        rec = s->first;
        s->first = rec->next;
        s->count--;
    }
    port_unlock(&s->mutex);
    if (!rec)
        return NULL;
    if (atomic_exchange(&rec->where, MINE) != AT_REST)
        storm_fail("a record that rested was not at rest");
    untouched(rec, 0, "after its done");
    rec->then = rec->item = NULL;
    rec->scope = rec->other = NULL;
    rec->of = NULL;
    rec->part = NULL;
    rec->pool = NULL;
    rec->stops = false;
    rec->handle = rec->second = 0;
    rec->bytes = rec->items = 0;
    rec->members = 0;
    return rec;
}

void storm_rest(record *rec)
{
    memset(rec->buffer, FILLED, room_of(rec));
    if (atomic_exchange(&rec->where, AT_REST) != MINE)
        storm_fail("a record was done with while it was ceded");
    put(rec->big ? &rec->at->big : &rec->at->small, rec);
}

uint32_t storm_busy(station *at)
{
    port_lock(&at->small.mutex);
    uint32_t count = RECORDS - at->small.count;
    port_unlock(&at->small.mutex);
    return count;
}

void storm_records_check(station *at)
{
    uint64_t submitted = 0, done = 0;
    for (uint32_t i = 0; i < RECORDS + BIG_RECORDS; i++) {
        record *rec = &at->records[i];
        if (rec->where != AT_REST || rec->submitted != rec->done)
            storm_fail("a record of station %u is not at rest (%d): submitted %llu times, done "
                       "%llu times",
                       at->number, (int)rec->where, (unsigned long long)rec->submitted,
                       (unsigned long long)rec->done);
        submitted += rec->submitted;
        done += rec->done;
    }
    if (submitted != at->submitted || done != at->done || submitted != done)
        storm_fail("station %u: the sums of its records are not its own", at->number);
    free(at->records);
    free(at->memory);
}

/* ---- Done ----------------------------------------------------------------------------------- */

static void check_result(record *rec, const cede_result *r)
{
    uint32_t by = r->flags & CEDE_BY_ANY;
    if (by & (by - 1))
        storm_fail("two causes in one result: %x", (unsigned)r->flags);
    if (r->status == CEDE_ECANCELED && !by)
        storm_fail("cancelled by nobody");
    if (r->status == CEDE_EDEADLINE && by != CEDE_BY_DEADLINE)
        storm_fail("a deadline without one: %x", (unsigned)r->flags);
    if ((r->status == CEDE_ECANCELED || r->status == CEDE_EDEADLINE) && r->count && rec->stops)
        storm_fail("cancelled, and %llu bytes were moved", (unsigned long long)r->count);
    if (cede_req_op(&rec->as.req) == CEDE_OP_SPAWN && storm_excuses_start(r->os_error))
        return;
    switch (r->status) {
    case CEDE_EINVAL:
    case CEDE_EFAULT:
    case CEDE_ENOMEM:
    case CEDE_EUNKNOWN:
    case CEDE_EDEADLK:
        storm_fail("%s says %s (system's error %d)", cede_op_name(cede_req_op(&rec->as.req)),
                   cede_status_name(r->status), (int)r->os_error);
        break;
    case CEDE_ECANCELED:
        storm_totals.canceled++;
        break;
    case CEDE_EDEADLINE:
        storm_totals.deadlines++;
        break;
    default:
        break;
    }
}

static void on_done(cede_req *req, cede_result r)
{
    record *rec = CEDE_CONTAINER(req, record, as.req);
    int was = atomic_exchange(&rec->where, MINE);
    if (was != CEDED && was != SENT && was != UNSEEN)
        storm_fail("a done that nobody waits for (%d): submitted %llu times, done %llu times", was,
                   (unsigned long long)rec->submitted, (unsigned long long)rec->done);
    if (running != rec->at || submitting)
        storm_fail("a done on another thread, or inside a submit (law 3)");
    if (req->user_data != rec)
        storm_fail("user_data was written to");
    rec->done++;
    rec->at->done++;
    check_result(rec, &r);
    record *scope = rec->scope;
    rec->scope = NULL;
    if (rec->members)
        storm_fail("a scope ended before %u of its members (law 12)", rec->members);
    rec->then(rec, r);
    if (scope)
        scope->members--;
}

void storm_item(cede_req *req, cede_result r)
{
    record *rec = CEDE_CONTAINER(req, record, as.req);
    if ((rec->where != CEDED && rec->where != UNSEEN) || running != rec->at || submitting)
        storm_fail("an item of what is not in flight, or at the wrong place");
    rec->at->items++;
    rec->item(rec, r);
}

/* ---- Submitting ----------------------------------------------------------------------------- */

void storm_in(record *rec, record *scope)
{
    cede_in(&rec->as.req, scope->ticket);
    if (scope->where == CEDED) {
        rec->scope = scope;
        scope->members++;
    }
}

void storm_perhaps_within(record *rec)
{
    uint64_t *random = &rec->at->random;
    switch (storm_random(random, 16)) {
    case 0:
        cede_within(&rec->as.req, storm_random(random, 200) * CEDE_MICROSECOND);
        break;
    case 1:
        cede_within(&rec->as.req, storm_random(random, 50) * CEDE_MILLISECOND);
        break;
    case 2:
        cede_until(&rec->as.req, cede_now(rec->at->loop) + storm_random(random, 3000000));
        break;
    default:
        break;
    }
}

static void cede_it(record *rec, step *then, int where)
{
    rec->then = then;
    rec->as.req.user_data = rec;
    rec->submitted++;
    rec->at->submitted++;
    if (atomic_exchange(&rec->where, where) != MINE)
        storm_fail("a record was ceded twice");
}

static void remember(record *rec, cede_ticket ticket)
{
    station *at = rec->at;
    uint32_t place = at->recent_at++ % RECENT;
    rec->ticket = ticket;
    at->recent[place].rec = rec;
    at->recent[place].ticket = ticket;
    at->recent[place].submitted = rec->submitted;
    storm_show_ticket(&at->random, ticket);
    if (at->recent_at % 32 == 0)
        storm_rivals_stir(at->recent_at / 32);
}

void storm_submit(record *rec, step *then)
{
    cede_it(rec, then, CEDED);
    submitting = true;
    cede_ticket ticket = cede_submit(rec->at->loop, &rec->as.req, on_done);
    submitting = false;
    remember(rec, ticket);
}

void storm_submit_unseen(record *rec, step *then)
{
    cede_it(rec, then, UNSEEN);
    submitting = true;
    rec->ticket = cede_submit(rec->at->loop, &rec->as.req, on_done);
    submitting = false;
}

void storm_submit_chain(record *rec, step *then, record *next, step *next_then)
{
    cede_it(next, next_then, CEDED);
    cede_link(&rec->as.req, &next->as.req, on_done);
    next->ticket = (cede_ticket){0, 0};
    storm_submit(rec, then);
}

void storm_submit_relay(record *rec, step *then)
{
    cede_it(rec, then, CEDED);
    submitting = true;
    cede_ticket ticket = cede_submit_relay(rec->at->loop, &rec->as.relay, on_done);
    submitting = false;
    remember(rec, ticket);
}

cede_ticket storm_send(record *rec, step *then)
{
    cede_ticket ticket;
    cede_it(rec, then, SENT);
    /* From here on it may be done, and somebody else's. */
    cede_submit_remote(rec->at->loop, &rec->as.req, on_done, &ticket);
    return ticket;
}

/* ---- Running, waiting ----------------------------------------------------------------------- */

int64_t storm_run(station *at, uint64_t at_most_ns)
{
    running = at;
    int64_t count = cede_run(at->loop, at_most_ns);
    running = NULL;
    if (count < 0)
        storm_fail("cede_run says %s", cede_status_name((cede_status)count));
    return count;
}

cede_status storm_close(station *at, uint64_t at_most_ns)
{
    running = at;
    cede_status status = cede_loop_close(at->loop, at_most_ns);
    running = NULL;
    return status;
}

void storm_wait(station *at, record *rec, cede_ticket ticket, uint64_t submitted,
                uint64_t at_most_ns)
{
    station *before = running;
    running = at;
    at->waits_deep++;
    cede_status status = cede_wait(at->loop, ticket, at_most_ns);
    at->waits_deep--;
    running = before;
    storm_totals.waits++;
    if (status != CEDE_OK && status != CEDE_EDEADLINE && status != CEDE_EDEADLK)
        storm_fail("cede_wait says %s", cede_status_name(status));
    if (status == CEDE_EDEADLINE && at_most_ns == CEDE_FOREVER)
        storm_fail("a wait for ever came to an end of its time");
    if (status == CEDE_OK && rec->submitted == submitted && rec->done != submitted)
        storm_fail("a wait returned before the done that it waited for (law 9)");
}

void storm_cull(station *at)
{
    record *rec = &at->records[storm_random(&at->random, RECORDS + BIG_RECORDS)];
    if (rec->where == CEDED)
        cede_cancel(rec->ticket);
}
