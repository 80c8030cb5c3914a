/*
 * Relays (relay.h; laws 2, 7, 13, 14): all of it arrives, the count is the truth, and what was
 * received is either sent or handed back, whatever ends it.
 */
#include "conformance.h"
#include "cede/relay.h"

#include <string.h>

enum { ROOM = 6000, MUCH = 40000, KEY = 31 };

/* A relay between two pairs of streams: source -> in | out -> sink. */
typedef struct chain {
    cft *t;
    cede_handle source, in, out, sink;
    cede_relay *relay;
    cede_ticket life;
    cede_result result;
    unsigned char *room;
    uint32_t done;
    uint64_t sent, got;
    unsigned char *data;
    cede_req *behind; /* linked, or NULL */
    cede_result its;
    cft_rec *scope; /* that the relay is in, so that the suite knows of it; over with it */
} chain;

static void on_relayed(cede_req *req, cede_result result)
{
    chain *c = req->user_data;
    c->done++;
    c->result = result;
    c->result.count = c->relay->sent_bytes;
    if (!c->behind)
        cede_fail(c->scope->ticket, CEDE_OK);
}

static void on_behind(cede_req *req, cede_result result)
{
    chain *c = req->user_data;
    CFT_CHECK(c->t, c->done == 1 || result.status != CEDE_OK); /* it may end unstarted */
    c->its = result;
    cede_fail(c->scope->ticket, CEDE_OK);
}

static chain *begin(cft *t, uint64_t length)
{
    chain *c = cft_alloc(t, sizeof *c);
    c->t = t;
    c->relay = cft_alloc(t, sizeof *c->relay);
    c->room = cft_alloc(t, ROOM);
    c->data = cft_alloc(t, MUCH);
    c->relay->req.user_data = c;
    cft_fill(c->data, MUCH, KEY, 0);
    cft_connected(t, CFT_TCP, &c->source, &c->in);
    cft_connected(t, CFT_TCP, &c->out, &c->sink);
    cede_prep_relay(c->relay, c->in, c->out, c->room, ROOM, length);
    c->scope = cft_new(t);
    cede_prep_scope(c->scope->req);
    cft_submit_on(c->scope, cft_loop(t));
    return c;
}

static void start(chain *c)
{
    cede_in(&c->relay->req, c->scope->ticket);
    c->life = cede_submit_relay(cft_loop(c->t), c->relay, on_relayed);
}

static void await(chain *c)
{
    cft_await(c->t, c->scope);
    if (!c->done && cft_faulted(c->t))
        cft_settle(c->t); /* the scope found no memory, and was over before */
    CFT_CHECK(c->t, c->done == 1);
}

/* Everything that the sink can still get, behind what it got. */
static void drain_sink(chain *c, uint64_t most)
{
    unsigned char *bytes = cft_alloc(c->t, MUCH);
    uint64_t count = cft_take(c->t, c->sink, bytes, most);
    CFT_CHECK(c->t, cft_filled(bytes, count, KEY, c->got));
    c->got += count;
}

/* What arrived, what was handed back and what is still in the source's stream follow each other
 * without a gap, and are all that the source gave. */
static void nothing_is_lost(chain *c, uint64_t given)
{
    uint64_t at = c->relay->sent_bytes, count = 1;
    unsigned char *bytes = cft_alloc(c->t, 65536);
    CFT_EXPECT(c->t, c->got == at);
    CFT_CHECK(c->t, c->relay->left_count <= 2);
    for (uint32_t i = 0; i < c->relay->left_count && c->done; i++) {
        const cede_vec *left = &c->relay->left[i];
        CFT_CHECK(c->t, cft_filled(left->base, left->length_bytes, KEY, at));
        at += left->length_bytes;
    }
    cft_settle(c->t); /* what the source sent has its done */
    cft_drop(c->t, c->source);
    while (count && !cft_faulted(c->t)) {
        count = cft_take(c->t, c->in, bytes, 65536);
        CFT_CHECK(c->t, cft_filled(bytes, count, KEY, at));
        at += count;
    }
    CFT_EXPECT(c->t, at == given);
}

static void on_taken(cft_rec *rec)
{
    chain *c = rec->data;
    if (rec->result.status != CEDE_OK || rec->result.count == 0)
        return;
    CFT_CHECK(c->t, cft_filled(rec->bytes, rec->result.count, KEY, c->got));
    c->got += rec->result.count;
    rec->then = on_taken;
    cede_prep_recv(rec->req, c->sink, cft_buffer(rec, 5000), 5000);
    cft_submit_on(rec, cft_loop(c->t));
}

static cft_rec *take_all(chain *c)
{
    cft_rec *rec = cft_new(c->t);
    rec->data = c;
    rec->then = on_taken;
    cede_prep_recv(rec->req, c->sink, cft_buffer(rec, 5000), 5000);
    cft_submit_on(rec, cft_loop(c->t));
    return rec;
}

static cft_rec *feed(chain *c, uint64_t bytes)
{
    cft_rec *rec = cft_new(c->t);
    cede_prep_send_all(rec->req, c->source, c->data + c->sent, bytes);
    cft_submit_on(rec, cft_loop(c->t));
    c->sent += bytes;
    return rec;
}

/* The end is not passed on: it is what the relay's user has to say. */
CFT_CASE(relay_moves_all_up_to_the_end)
{
    chain *c = begin(t, CEDE_TO_END);
    cft_rec *send = feed(c, MUCH);
    cft_rec *shut = cft_new(t);
    cede_prep_shutdown(shut->req, c->source);
    cft_submit_on(shut, cft_loop(t));
    take_all(c);
    start(c);
    await(c);
    cft_await(t, send);
    CFT_EXPECT(t, c->done == 1 && c->result.status == CEDE_OK && c->result.count == MUCH);
    cft_drop(t, c->out);
    cft_settle(t);
    CFT_EXPECT(t, c->got == MUCH && c->relay->left_count == 0);
}

CFT_CASE(relay_moves_so_much_and_leaves_the_rest)
{
    chain *c = begin(t, 10000);
    feed(c, 12000);
    start(c);
    await(c);
    CFT_EXPECT(t, c->result.status == CEDE_OK && c->result.count == 10000);
    drain_sink(c, 10000);
    nothing_is_lost(c, 12000);
}

CFT_CASE(relay_that_ends_early_says_so)
{
    chain *c = begin(t, 10000);
    feed(c, 7000);
    start(c);
    cft_shut(t, c->source);
    await(c);
    CFT_EXPECT(t, c->result.status == CEDE_EEOF && c->result.count == 7000);
    drain_sink(c, 7000);
    nothing_is_lost(c, 7000);
}

CFT_CASE(relay_of_nothing_is_over_at_once)
{
    chain *c = begin(t, 0);
    start(c);
    CFT_CHECK(t, c->done == 0);
    await(c);
    CFT_EXPECT(t, c->result.status == CEDE_OK && c->result.count == 0);
}

CFT_CASE(relay_without_room_is_refused)
{
    chain *c = begin(t, CEDE_TO_END);
    cede_prep_relay(c->relay, c->in, c->out, c->room, 1, CEDE_TO_END);
    start(c);
    await(c);
    CFT_EXPECT(t, c->result.status == CEDE_EINVAL && c->result.count == 0);
}

static void wish(void *context)
{
    cede_cancel(((chain *)context)->life);
}

/* Whatever it is that takes no sends; then the source is as it was. */
CFT_CASE(relay_into_what_takes_nothing_is_refused)
{
    static const cede_status wanted[] = {CEDE_EBADF, CEDE_EBADF, CEDE_EINVAL};
    chain *c = begin(t, CEDE_TO_END);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    cede_handle sinks[] = {0, c->out, file};
    cft_closed(t, c->out); /* a stale one */
    for (uint32_t i = 0; i < 3 && !cft_faulted(t); i++) {
        c->done = 0;
        cede_prep_relay(c->relay, c->in, sinks[i], c->room, ROOM, CEDE_TO_END);
        c->life = cede_submit_relay(cft_loop(t), c->relay, on_relayed);
        CFT_CHECK(t, cft_wait_on(cft_loop(t), c->life, CEDE_FOREVER) == CEDE_OK && c->done == 1);
        CFT_EXPECT(t, c->result.status == wanted[i]);
        CFT_CHECK(t, c->relay->sent_bytes == 0 && c->relay->left_count == 0);
    }
    cft_talk(t, c->source, c->in); /* as it was */
    cft_settle(t);
}

/* While it waits for the source; then the streams are as they were. */
CFT_CASE(relay_cancelled_while_it_waits_loses_nothing)
{
    chain *c = begin(t, CEDE_TO_END);
    feed(c, 3000);
    start(c);
    cft_rec *taker = take_all(c);
    while (c->got < 3000 && !cft_faulted(t))
        cft_run(t, CEDE_MILLISECOND);
    cft_cancel(t, taker->ticket);
    cft_act(t, wish, c);
    await(c);
    cft_await(t, taker);
    CFT_EXPECT(t, c->result.status == CEDE_ECANCELED && (c->result.flags & CEDE_BY_WISH));
    CFT_EXPECT(t, c->result.count == 3000 && c->relay->left_count == 0);
    cft_talk(t, c->source, c->in);
    cft_talk(t, c->out, c->sink);
}

/* While the sink takes nothing: what was received and not sent is handed back. */
CFT_CASE(relay_cancelled_while_it_is_stuck_hands_back_the_rest)
{
    chain *c = begin(t, CEDE_TO_END);
    uint64_t before = 1;
    cft_narrow(t, c->out, c->sink);
    cft_narrow(t, c->source, c->in);
    start(c);
    c->data = cft_alloc(t, 4 << 20);
    cft_fill(c->data, 4 << 20, KEY, 0);
    cft_rec *send = feed(c, 4 << 20);
    while (before != c->relay->sent_bytes && !cft_faulted(t)) { /* until nothing moves any more */
        before = c->relay->sent_bytes;
        cft_run(t, 5 * CEDE_MILLISECOND);
    }
    cft_act(t, wish, c);
    await(c);
    CFT_EXPECT(t, c->result.status == CEDE_ECANCELED);
    cft_cancel(t, send->ticket);
    cft_drop(t, c->out);
    take_all(c);
    cft_settle(t);
    nothing_is_lost(c, send->result.count);
}

CFT_CASE(relay_whose_sink_is_gone_hands_back_the_rest)
{
    chain *c = begin(t, CEDE_TO_END);
    cft_rec *shut = cft_new(t);
    cede_prep_shutdown(shut->req, c->out);
    cft_do(shut);
    feed(c, 6000); /* the second half may come as the first one fails */
    start(c);
    await(c);
    CFT_EXPECT(t, c->result.status == CEDE_EPIPE && c->result.count == 0);
    CFT_EXPECT(t, c->relay->left_count >= 1);
    nothing_is_lost(c, 6000);
}

/* All that was asked for was received; it is not moved before it is sent. */
CFT_CASE(relay_whose_last_send_fails_says_so)
{
    chain *c = begin(t, 2000);
    cft_rec *shut = cft_new(t);
    cede_prep_shutdown(shut->req, c->out);
    cft_do(shut);
    feed(c, 2000);
    start(c);
    await(c);
    cft_settle(t);
    CFT_EXPECT(t, c->result.status == CEDE_EPIPE && c->result.count == 0);
    nothing_is_lost(c, 2000);
}

CFT_CASE(relay_has_a_deadline)
{
    chain *c = begin(t, CEDE_TO_END);
    cede_within(&c->relay->req, 2 * CEDE_MILLISECOND);
    start(c);
    await(c);
    CFT_EXPECT(t, c->result.status == CEDE_EDEADLINE && (c->result.flags & CEDE_BY_DEADLINE));
    cft_talk(t, c->source, c->in);
}

/* What it is made of does not hold the loop either. */
CFT_CASE(relay_in_the_background_lets_the_loop_be_idle)
{
    chain *c = begin(t, CEDE_TO_END);
    cft_fail(t, c->scope->ticket, CEDE_OK);
    cft_await(t, c->scope);
    feed(c, 3000);
    cede_background(&c->relay->req);
    c->life = cede_submit_relay(cft_loop(t), c->relay, on_relayed);
    CFT_CHECK(t, cft_run(t, CEDE_FOREVER) >= 0); /* returns */
    CFT_EXPECT(t, c->done == 0);
    cede_cancel(c->life);
    CFT_CHECK(t, cede_wait(cft_loop(t), c->life, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, c->done == 1);
    CFT_EXPECT(t, c->result.status == CEDE_ECANCELED);
}

CFT_CASE(relay_ends_with_its_scope)
{
    chain *c = begin(t, CEDE_TO_END);
    start(c);
    cft_flush(t);
    cft_fail(t, c->scope->ticket, CEDE_EIO);
    await(c);
    CFT_EXPECT(t, c->done == 1 && c->result.status == CEDE_ECANCELED);
    CFT_EXPECT(t, c->result.flags & CEDE_BY_SCOPE);
    CFT_STATUS(t, c->scope, CEDE_EIO);
}

/* Of either stream, in the order in which it says so; else they would wait for each other. */
CFT_CASE(relay_lets_what_is_linked_behind_it_have_its_streams)
{
    char seen[4], *after = cft_alloc(t, 4);
    for (int what = 0; what < 3 && !cft_faulted(t); what++) {
        chain *c = begin(t, 9000);
        c->behind = cft_alloc(t, sizeof *c->behind);
        c->behind->user_data = c;
        if (what == 0)
            cede_prep_shutdown(c->behind, c->out);
        else if (what == 1)
            cede_prep_send_all(c->behind, c->out, "end", 3);
        else
            cede_prep_recv_all(c->behind, c->in, after, 3);
        cede_in(c->behind, c->scope->ticket);
        cede_link(&c->relay->req, c->behind, on_behind);
        start(c);
        feed(c, 9003);
        await(c);
        drain_sink(c, 9000);
        CFT_EXPECT(t, c->got == 9000 && c->result.status == CEDE_OK && c->result.count == 9000);
        CFT_EXPECT(t, c->its.status == CEDE_OK && c->its.count == (what ? 3 : 0));
        size_t taken = what < 2 ? cft_take(t, c->sink, seen, 3 * (size_t)what) : 0;
        CFT_EXPECT(t, taken == (what == 1 ? 3 : 0));
        CFT_EXPECT(t, what != 1 || memcmp(seen, "end", 3) == 0);
        CFT_EXPECT(t, what != 2 || cft_filled(after, 3, KEY, 9000));
        if (what == 0) {
            cft_rec *end = cft_recv(t, c->sink, 1);
            cft_await(t, end);
            CFT_MOVED(t, end, 0);
        }
    }
}

/* As if both were one. */
CFT_CASE(relay_goes_on_where_another_stopped)
{
    chain *c = begin(t, 9000);
    chain *second = cft_alloc(t, sizeof *second);
    *second = *c;
    second->relay = cft_alloc(t, sizeof *second->relay);
    second->relay->req.user_data = second;
    cede_prep_relay(second->relay, c->in, c->out, cft_alloc(t, ROOM), ROOM, 9000);
    second->scope = cft_new(t);
    cede_prep_scope(second->scope->req);
    cft_submit_on(second->scope, cft_loop(t));
    feed(c, 18000);
    start(c);
    await(c);
    start(second);
    await(second);
    CFT_EXPECT(t, c->result.count == 9000 && second->result.count == 9000);
    drain_sink(c, 18000);
    CFT_EXPECT(t, c->got == 18000);
}
