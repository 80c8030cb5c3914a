/*
 * Receives of one buffer from a pool (laws 2, 4, 6 to 8, 10 to 16): they wait while it is empty,
 * hold nothing, and bring what is the callback's own. many.c has those that go on.
 */
#include "conformance.h"

#include <string.h>

#define MOST 8u

/* A pool, and what of it is out. */
typedef struct shelf {
    cede_pool *pool;
    void *kept[MOST];
    uint32_t count;
} shelf;

static void give(shelf *s, uint32_t which)
{
    void *buffer = s->kept[which];
    s->count--;
    memmove(&s->kept[which], &s->kept[which + 1], (s->count - which) * sizeof s->kept[0]);
    cede_pool_give(s->pool, buffer);
}

static void give_all(shelf *s)
{
    while (s->count)
        give(s, s->count - 1);
}

static void give_last(void *context)
{
    give_all(context);
}

/* NULL: an injected failure. */
static shelf *shelf_of(cft *t, uint32_t buffers, uint32_t bytes, uint32_t headroom)
{
    shelf *s = cft_alloc(t, sizeof *s);
    s->pool = cft_pool_open(t, buffers, bytes, headroom);
    if (!s->pool)
        return NULL;
    cft_at_end(t, give_last, s);
    return s;
}

static void keep(cft_rec *rec)
{
    shelf *s = rec->data;
    CFT_CHECK(rec->t, (rec->result.buffer != NULL) == (rec->result.count != 0));
    if (!rec->result.buffer)
        return;
    CFT_CHECK(rec->t, s->count < MOST);
    s->kept[s->count++] = rec->result.buffer;
}

static cft_rec *prepared(cft *t, shelf *s, cede_handle from)
{
    cft_rec *rec = cft_new(t);
    rec->data = s;
    rec->then = keep;
    cede_prep_recv_pool(rec->req, from, s->pool);
    return rec;
}

static cft_rec *receive(cft *t, shelf *s, cede_handle from)
{
    cft_rec *rec = prepared(t, s, from);
    cft_submit(rec);
    return rec;
}

/* So many bytes of key 9, the next. */
static void send(cft *t, cede_handle to, uint64_t *sent, size_t count)
{
    char bytes[512];
    cft_fill(bytes, count, 9, *sent);
    cft_await(t, cft_send_all(t, to, bytes, count));
    *sent += count;
}

/* It brought the bytes from `at` on; returns where they end. */
static uint64_t expect_bytes(cft *t, cft_rec *rec, uint64_t at)
{
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, rec->result.count > 0);
    if (rec->result.count)
        CFT_EXPECT(t, cft_filled(rec->result.buffer, (size_t)rec->result.count, 9, at));
    return at + rec->result.count;
}

typedef struct census {
    uint32_t count;
    cede_ticket whose;
    bool found;
} census;

/* Each is the first on its stream, so that what a held one waits for is a buffer. */
static void count_waiting(void *context, const cede_pending *pending)
{
    census *waiting = context;
    if (strcmp(pending->op, "recv_pool") != 0 || strcmp(pending->state, "HELD") != 0)
        return;
    waiting->count++;
    waiting->found |= pending->ticket.id == waiting->whose.id &&
                      pending->ticket.generation == waiting->whose.generation;
}

static census count(cft *t, const cft_rec *rec)
{
    census waiting = {0, rec->ticket, false};
    cede_dump(cft_loop(t), count_waiting, &waiting);
    return waiting;
}

/* Until so many are. */
static void until_waiting(cft *t, const cft_rec *last, uint32_t wanted)
{
    do
        cft_run(t, CEDE_MILLISECOND);
    while (count(t, last).count < wanted && !cft_is_done(last) && !cft_faulted(t));
}

static void expect_waits(cft *t, const shelf *s, const cft_rec *rec)
{
    until_waiting(t, rec, 1);
    cft_turn(t);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(rec) && cede_pool_out(s->pool) == s->count);
}

/* ---- Waiting -------------------------------------------------------------------------------- */

/* A buffer is given; the data was there all the time, and is the next. */
static void waits_and_goes_on(cft *t, uint32_t what)
{
    uint64_t sent = 0, at = 0;
    cede_handle from = 0, to = 0;
    shelf *s = shelf_of(t, 1, 64, 0);
    if (!s)
        return;
    if (what == CEDE_PAIR_PIPE)
        cft_pipe_both(t, &from, &to);
    else
        cft_connected(t, CFT_TCP, &to, &from);
    for (uint32_t round = 0; round < 2; round++) {
        cft_rec *first = receive(t, s, from);
        send(t, to, &sent, 20);
        at = expect_bytes(t, first, at);
        if (at == sent)
            send(t, to, &sent, 20);
        cft_rec *second = receive(t, s, from);
        expect_waits(t, s, second);
        give_all(s);
        at = expect_bytes(t, second, at);
        give_all(s);
        while (at < sent && !cft_faulted(t)) {
            at = expect_bytes(t, receive(t, s, from), at);
            give_all(s);
        }
    }
    CFT_CHECK(t, cede_pool_out(s->pool) == 0);
    cft_closed(t, from);
    cft_closed(t, to);
}

CFT_CASE(tcp_recv_pool_waits_while_the_pool_is_empty)
{
    waits_and_goes_on(t, CEDE_PAIR_STREAM);
}

CFT_CASE(pipe_recv_pool_waits_while_the_pool_is_empty)
{
    waits_and_goes_on(t, CEDE_PAIR_PIPE);
}

/* Not all kernels look at the stream before they have a buffer. */
CFT_CASE(end_of_a_stream_waits_while_the_pool_is_empty)
{
    uint64_t sent = 0;
    cede_handle from = 0, to = 0;
    shelf *s = shelf_of(t, 1, 64, 0);
    if (!s)
        return;
    cft_connected(t, CFT_TCP, &to, &from);
    cft_rec *first = receive(t, s, from);
    send(t, to, &sent, 1);
    (void)expect_bytes(t, first, 0);
    cft_closed(t, to);
    cft_rec *end = receive(t, s, from);
    expect_waits(t, s, end);
    give_all(s);
    cft_await(t, end);
    CFT_MOVED(t, end, 0);
    CFT_CHECK(t, cede_pool_out(s->pool) == 0);
    cft_closed(t, from);
}

/* One that waits for a buffer, with data there and the pool's only buffer out. */
static cft_rec *waiting(cft *t, shelf *s, cede_handle from, cede_ticket scope, uint64_t within_ns)
{
    cft_rec *rec = prepared(t, s, from);
    if (scope.generation)
        cede_in(rec->req, scope);
    cede_within(rec->req, within_ns);
    cft_submit(rec);
    expect_waits(t, s, rec);
    return rec;
}

static void expect_nothing(cft *t, const shelf *s, cft_rec *rec, cede_status status, uint32_t by)
{
    cft_await(t, rec);
    CFT_ENDED(t, rec, status, by);
    CFT_CHECK(t, !rec->result.buffer && rec->result.count == 0);
    CFT_CHECK(t, cede_pool_out(s->pool) == s->count);
}

/* By a wish, its deadline, its scope, a close of its handle, of its pool, of the loop; none takes
 * anything from the stream. */
CFT_CASE(recv_pool_that_waits_for_a_buffer_ends_by_whatever_cause)
{
    static const cede_ticket none = {0, 0};
    uint64_t sent = 0, at;
    cede_handle from = 0, to = 0;
    shelf *s = shelf_of(t, 1, 64, 0), *last = shelf_of(t, 1, 64, 0);
    if (!s || !last)
        return;
    cft_connected(t, CFT_TCP, &to, &from);
    cft_rec *first = receive(t, s, from);
    send(t, to, &sent, 8);
    at = expect_bytes(t, first, 0);
    send(t, to, &sent, 8);

    cft_rec *rec = waiting(t, s, from, none, CEDE_FOREVER);
    cft_cancel(t, rec->ticket);
    expect_nothing(t, s, rec, CEDE_ECANCELED, CEDE_BY_WISH);

    uint64_t start = cede_now(cft_loop(t));
    rec = prepared(t, s, from);
    cede_within(rec->req, 3 * CEDE_MILLISECOND);
    cft_do(rec);
    expect_nothing(t, s, rec, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_CHECK(t, cede_now(cft_loop(t)) - start >= 3 * CEDE_MILLISECOND);

    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    rec = waiting(t, s, from, scope->ticket, CEDE_FOREVER);
    cft_fail(t, scope->ticket, CEDE_EIO);
    expect_nothing(t, s, rec, CEDE_ECANCELED, CEDE_BY_SCOPE);
    cft_await(t, scope);
    CFT_CHECK(t, scope->result.status == CEDE_EIO && scope->result.count == 1);

    give_all(s); /* the stream is whole */
    while (at < sent) {
        at = expect_bytes(t, receive(t, s, from), at);
        if (at < sent)
            give_all(s);
    }
    send(t, to, &sent, 8);
    rec = waiting(t, s, from, none, CEDE_FOREVER);
    cft_pool_close(t, s->pool);
    expect_nothing(t, s, rec, CEDE_ECANCELED, CEDE_BY_CLOSE);

    (void)expect_bytes(t, receive(t, last, from), at);
    send(t, to, &sent, 8);
    rec = waiting(t, last, from, none, CEDE_FOREVER);
    cft_rec *close = cft_close_of(t, from);
    cft_await(t, close);
    expect_nothing(t, last, rec, CEDE_ECANCELED, CEDE_BY_CLOSE);
    CFT_CHECK(t, rec->returned_at < close->done_at);

    cft_connected(t, CFT_TCP, &to, &from);
    send(t, to, &sent, 8);
    rec = waiting(t, last, from, none, CEDE_FOREVER);
    CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, rec->result.status == CEDE_ECANCELED && (rec->result.flags & CEDE_BY_LOOP));
    CFT_CHECK(t, !rec->result.buffer && cede_pool_out(last->pool) == 1);
}

/* In the order in which they found none; then each gets one, and one alone for each that is given.
 */
CFT_CASE(receives_that_wait_for_a_buffer_go_on_in_turn)
{
    enum { STREAMS = 5, BUFFERS = 2 };
    cede_handle from[STREAMS] = {0}, to[STREAMS] = {0};
    cft_rec *recs[STREAMS];
    uint64_t sent[STREAMS] = {0};
    uint32_t held;
    shelf *s = shelf_of(t, BUFFERS, 64, 0);
    if (!s)
        return;
    for (uint32_t i = 0; i < STREAMS; i++) {
        cft_connected(t, CFT_PAIR, &from[i], &to[i]);
        send(t, to[i], &sent[i], 20);
        recs[i] = receive(t, s, from[i]);
        if (i < BUFFERS)
            (void)expect_bytes(t, recs[i], 0);
        else
            until_waiting(t, recs[i], i + 1 - BUFFERS);
    }
    give(s, 0);
    cft_flush(t); /* one turn: so many go on as there are buffers, which is the first */
    CFT_CHECK(t, !count(t, recs[BUFFERS]).found);
    for (uint32_t i = BUFFERS + 1; i < STREAMS; i++)
        CFT_CHECK(t, count(t, recs[i]).found);
    for (uint32_t left = STREAMS - BUFFERS;; give(s, 0)) {
        while (s->count < BUFFERS)
            cft_run(t, CEDE_MILLISECOND);
        held = 0;
        for (uint32_t i = BUFFERS; i < STREAMS; i++)
            held += !cft_is_done(recs[i]);
        CFT_CHECK(t, held == left - 1 && cede_pool_out(s->pool) == BUFFERS);
        if (--left == 0)
            break;
    }
    for (uint32_t i = 0; i < STREAMS; i++) {
        CFT_CHECK(t, cft_filled(recs[i]->result.buffer, 1, 9, 0) || i < BUFFERS);
        cft_closed(t, from[i]);
        cft_closed(t, to[i]);
    }
}

typedef struct busy {
    shelf *s;
    cede_handle from;
    const cft_rec *waits;
    uint32_t rounds;
} busy;

enum { ROUNDS = 60 };

/* A pool of one buffer, which is out; somebody waits for it, with data there, and so many bytes are
 * there for another. NULL: an injected failure. */
static busy *one_waits(cft *t, size_t bytes)
{
    cede_handle from[2] = {0}, to[2] = {0};
    uint64_t sent[2] = {0};
    shelf *s = shelf_of(t, 1, 8, 0);
    busy *b = cft_alloc(t, sizeof *b);
    if (!s)
        return NULL;
    for (uint32_t i = 0; i < 2; i++)
        cft_connected(t, CFT_TCP, &to[i], &from[i]);
    send(t, to[0], &sent[0], bytes);
    send(t, to[1], &sent[1], 16);
    (void)expect_bytes(t, receive(t, s, from[1]), 0); /* the only buffer */
    *b = (busy){s, from[0], receive(t, s, from[1]), 0};
    until_waiting(t, b->waits, 1);
    return b;
}

/* The one that waits is, before the other has had all of its rounds. */
static void until_served(cft *t, busy *b)
{
    while (!cft_is_done(b->waits) && b->rounds < ROUNDS)
        cft_run(t, CEDE_MILLISECOND);
    cft_note(t, "rounds %u", b->rounds);
    CFT_CHECK(t, b->rounds < ROUNDS);
    give_all(b->s);
}

/* Gives what it got and begins anew: there is always data for it. */
static void go_round(cft_rec *rec)
{
    busy *b = rec->data;
    if (!rec->result.buffer)
        return;
    b->rounds++;
    cede_pool_give(b->s->pool, rec->result.buffer);
    if (cft_is_done(b->waits))
        return;
    cede_prep_recv_pool(rec->req, b->from, b->s->pool);
    cft_submit_on(rec, rec->loop);
}

/* Others that come later and have data do not keep the buffers to themselves. */
CFT_CASE(receive_that_waits_for_a_buffer_is_not_passed_over)
{
    busy *b = one_waits(t, 8 * ROUNDS);
    if (!b)
        return;
    cft_rec *rec = cft_new(t);
    rec->data = b;
    rec->then = go_round;
    cede_prep_recv_pool(rec->req, b->from, b->s->pool);
    give_all(b->s);
    cft_submit_on(rec, cft_loop(t));
    until_served(t, b);
    cft_settle(t);
}

static void give_item(cede_req *req, cede_result item)
{
    const cft_rec *rec = req->user_data;
    busy *b = rec->data;
    b->rounds++;
    cede_pool_give(b->s->pool, item.buffer);
}

/* Nor does a many-shot that goes on and on, whatever its credit. */
static void beside_many(cft *t, uint32_t credit)
{
    busy *b = one_waits(t, 8 * ROUNDS);
    if (!b)
        return;
    cft_rec *many = cft_new(t);
    many->data = b;
    cede_prep_recv_many(many->req, b->from, b->s->pool, credit, give_item);
    cft_submit(many);
    give_all(b->s);
    until_served(t, b);
    cft_cancel(t, many->ticket);
    cft_settle(t);
}

CFT_CASE(receive_that_waits_for_a_buffer_is_not_passed_over_by_a_many_shot)
{
    beside_many(t, CEDE_CREDIT_ALL);
    beside_many(t, 2);
}

/* The only buffer is given back, and another receive awaited, with data there; but somebody else
 * waits for that buffer, whose done would not run in the wait. */
static void give_and_await(cft_rec *rec)
{
    busy *b = rec->data;
    cft_rec *again = prepared(rec->t, b->s, b->from);
    give_all(b->s);
    cft_submit_on(again, rec->loop);
    b->rounds += cft_wait_on(rec->loop, again->ticket, CEDE_FOREVER) == CEDE_OK;
}

CFT_CASE(wait_for_a_receive_is_not_held_up_by_those_that_wait_for_a_buffer)
{
    busy *b = one_waits(t, 8);
    if (!b)
        return;
    cft_rec *rec = cft_new(t);
    cede_prep_nop(rec->req);
    rec->data = b;
    rec->then = give_and_await;
    cft_do(rec);
    CFT_EXPECT(t, b->rounds == 1);
    give_all(b->s);
    cft_settle(t);
}

/* ---- What is brought ------------------------------------------------------------------------ */

#define BYTES    100u
#define HEADROOM 40u
#define LEAD     64u /* of headroom, rounded up to its alignment */

/* Its owner may write to all of it, and to its headroom. */
static void make_ones_own(cft *t, void *buffer, uint64_t key)
{
    CFT_CHECK(t, ((uintptr_t)buffer & 63) == 0);
    cft_fill((char *)buffer - LEAD, LEAD + BYTES, key, 0);
}

static void expect_own(cft *t, const void *buffer, uint64_t key)
{
    CFT_CHECK(t, cft_filled((const char *)buffer - LEAD, LEAD + BYTES, key, 0));
}

CFT_CASE(buffer_of_a_receive_is_its_owners_with_its_headroom)
{
    uint64_t sent = 0, at = 0;
    cede_handle from = 0, to = 0;
    shelf *s = shelf_of(t, 3, BYTES, HEADROOM);
    if (!s)
        return;
    cft_connected(t, CFT_TCP, &to, &from);
    send(t, to, &sent, 4 * BYTES);
    for (uint32_t i = 0; i < 3; i++) {
        at = expect_bytes(t, receive(t, s, from), at);
        if (s->count <= i)
            return; /* an injected failure */
        make_ones_own(t, s->kept[i], 100 + i);
        for (uint32_t before = 0; before < i; before++) {
            CFT_CHECK(t, s->kept[before] != s->kept[i]);
            expect_own(t, s->kept[before], 100 + before);
        }
    }
    void *given = s->kept[1];
    give(s, 1);
    (void)expect_bytes(t, receive(t, s, from), at); /* there is no other */
    CFT_EXPECT(t, s->count == 3 && s->kept[2] == given);
    expect_own(t, s->kept[0], 100);
    expect_own(t, s->kept[1], 102);
    cft_closed(t, from);
    cft_closed(t, to);
}

/* The rest stays in the stream. */
CFT_CASE(recv_pool_takes_what_a_buffer_has_room_for)
{
    uint64_t sent = 0, at = 0;
    cede_handle from = 0, to = 0;
    shelf *s = shelf_of(t, 2, BYTES, 0);
    if (!s)
        return;
    cft_connected(t, CFT_TCP, &to, &from);
    send(t, to, &sent, 5 * BYTES / 2);
    cft_rec *rec = receive(t, s, from);
    at = expect_bytes(t, rec, at);
    CFT_MOVED(t, rec, BYTES);
    while (at < sent && !cft_faulted(t)) {
        give_all(s);
        rec = receive(t, s, from);
        at = expect_bytes(t, rec, at);
        CFT_CHECK(t, rec->result.count <= BYTES);
    }
    CFT_EXPECT(t, at == sent);
    cft_closed(t, from);
    cft_closed(t, to);
}

/* Among the other receives of its stream. */
CFT_CASE(recv_pool_takes_its_turn)
{
    uint64_t sent = 0, at;
    cede_handle from = 0, to = 0;
    shelf *s = shelf_of(t, 2, 10, 0);
    if (!s)
        return;
    cft_connected(t, CFT_TCP, &to, &from);
    cft_rec *recs[4];
    recs[0] = cft_recv(t, from, 10);
    recs[1] = receive(t, s, from);
    recs[2] = receive(t, s, from);
    recs[3] = cft_recv(t, from, 10);
    cft_flush(t);
    send(t, to, &sent, 40);
    cft_await(t, recs[0]);
    CFT_OK(t, recs[0]);
    CFT_EXPECT(t, cft_filled(recs[0]->bytes, (size_t)recs[0]->result.count, 9, 0));
    at = expect_bytes(t, recs[1], recs[0]->result.count);
    at = expect_bytes(t, recs[2], at);
    cft_await(t, recs[3]);
    CFT_OK(t, recs[3]);
    CFT_EXPECT(t, cft_filled(recs[3]->bytes, (size_t)recs[3]->result.count, 9, at));
    for (uint32_t i = 0; i < 3; i++)
        CFT_EXPECT(t, recs[i]->returned_at < recs[i + 1]->done_at);
    cft_closed(t, from);
    cft_closed(t, to);
}

CFT_CASE(recv_pool_brings_no_buffer_at_the_end_or_with_a_failure)
{
    cede_handle from = 0, to = 0;
    shelf *s = shelf_of(t, 1, 64, 0);
    if (!s)
        return;
    for (uint32_t round = 0; round < 2; round++) {
        cft_connected(t, CFT_TCP, &to, &from);
        cft_rec *rec = receive(t, s, from);
        cft_flush(t);
        if (round == 1)
            CFT_OK(t, cft_set(t, to, CEDE_OPTION_LINGER, 0)); /* its close is a reset */
        cft_closed(t, to);
        cft_await(t, rec);
        CFT_STATUS(t, rec, round == 1 ? CEDE_ECONNRESET : CEDE_OK);
        CFT_CHECK(t, !rec->result.buffer && rec->result.count == 0);
        CFT_CHECK(t, cede_pool_out(s->pool) == 0);
        cft_closed(t, from);
    }
}

CFT_CASE(recv_pool_of_what_only_writes_is_told)
{
    cft_pipe pipe = cft_pipe_writer(t);
    shelf *s = shelf_of(t, 1, 64, 0);
    if (!s)
        return;
    cft_rec *rec = receive(t, s, pipe.handle);
    cft_await(t, rec);
    CFT_STATUS(t, rec, CEDE_EBADF);
    CFT_CHECK(t, !rec->result.buffer && cede_pool_out(s->pool) == 0);
    cft_closed(t, pipe.handle);
}
