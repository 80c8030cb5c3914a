/*
 * Sends without a copy (K11 to K13; laws 2, 4, 6, 7, 10, 11, 13, 14, 16). A backend may copy all
 * the same: what holds for the caller does not change by it.
 */
#include "ends.h"

#include <string.h>

#define KEY    6u
#define ENOUGH 100000u /* above CEDE_ZERO_COPY_LEAST_BYTES */

static void joined(cft *t, uint32_t kind, cede_handle *a, cede_handle *b)
{
    cft_needs(t, CEDE_OP_SEND_ZERO_COPY);
    cft_connected(t, kind, a, b);
}

/* Bytes of KEY from `at` on, in memory that is gone when done has come. */
static cft_rec *send_zero(cft *t, cede_handle handle, uint64_t at, size_t bytes)
{
    unsigned char *data = cft_alloc(t, bytes);
    cft_rec *rec = cft_new(t);
    cft_fill(data, bytes, KEY, at);
    cede_prep_send_zero_copy(rec->req, handle, cft_input(rec, data, bytes), bytes);
    cft_submit(rec);
    return rec;
}

static void expect_bytes(cft *t, cede_handle peer, uint64_t at, size_t bytes)
{
    unsigned char *seen = cft_alloc(t, bytes);
    size_t taken = cft_take(t, peer, seen, bytes);
    CFT_EXPECT(t, taken == bytes);
    CFT_EXPECT(t, cft_filled(seen, bytes, KEY, at));
}

static void carries(cft *t, cede_handle a, cede_handle b, size_t most)
{
    const size_t sizes[] = {most, 1, CEDE_ZERO_COPY_LEAST_BYTES - 1, CEDE_ZERO_COPY_LEAST_BYTES,
                            most / 2 + 1};
    cft_rec *all[5];
    uint64_t at = 0;
    for (uint32_t i = 0; i < 5; i++) {
        all[i] = send_zero(t, a, at, sizes[i]);
        at += sizes[i];
    }
    expect_bytes(t, b, 0, (size_t)at);
    for (uint32_t i = 0; i < 5; i++) {
        cft_await(t, all[i]);
        CFT_MOVED(t, all[i], sizes[i]);
        CFT_EXPECT(t, i == 0 || all[i]->done_at > all[i - 1]->done_at);
    }
}

CFT_CASE(zero_copy_sends_what_it_was_given)
{
    cede_handle a = 0, b = 0;
    joined(t, CFT_TCP, &a, &b);
    cft_narrow(t, a, b); /* which makes it slow */
    carries(t, a, b, CEDE_ZERO_COPY_LEAST_BYTES + 1);
}

CFT_CASE(zero_copy_sends_over_ipv6_too)
{
    cede_handle a = 0, b = 0;
    joined(t, CFT_TCP6, &a, &b);
    carries(t, a, b, 400000);
}

CFT_CASE(zero_copy_is_taken_by_local_streams)
{
    cede_handle a = 0, b = 0;
    joined(t, CFT_LOCAL, &a, &b);
    carries(t, a, b, 400000);
}

CFT_CASE(zero_copy_is_taken_by_pipes)
{
    cft_needs(t, CEDE_OP_SEND_ZERO_COPY);
    cft_rec *pair = cft_new(t);
    cft_prep_pair(pair, CEDE_PAIR_PIPE);
    cft_do(pair);
    CFT_OK(t, pair);
    carries(t, pair->number, pair->result.handle, 400000);
}

CFT_CASE(zero_copy_of_nothing_succeeds)
{
    cede_handle a = 0, b = 0;
    joined(t, CFT_TCP, &a, &b);
    cft_rec *none = cft_new(t);
    cede_prep_send_zero_copy(none->req, a, NULL, 0);
    cft_do(none);
    CFT_MOVED(t, none, 0);
    cft_rec *bad = cft_new(t);
    cede_prep_send_zero_copy(bad->req, a, NULL, ENOUGH);
    cft_do(bad);
    CFT_STATUS(t, bad, CEDE_EINVAL);
    cft_talk(t, a, b);
}

/* Much room for what was sent, and little for what was received and not read: so that a send has
 * gone, as far as the sender is concerned, long before its peer has had it. */
static void lopsided(cft *t, cede_handle *a, cede_handle *b)
{
    joined(t, CFT_TCP, a, b);
    CFT_OK(t, cft_set(t, *b, CEDE_OPTION_RECV_BYTES, 65536));
    CFT_OK(t, cft_set(t, *a, CEDE_OPTION_SEND_BYTES, 1 << 19));
}

/* K11: law 4. The recorder destroys the memory in done: a kernel that still looks at it then sends
 * what it is destroyed by. */
CFT_CASE(memory_of_a_zero_copy_send_is_free_in_its_callback)
{
    enum { SENDS = 6 };
    cft_rec *all[SENDS];
    cede_handle a = 0, b = 0;
    lopsided(t, &a, &b);
    for (uint32_t i = 0; i < SENDS; i++) {
        all[i] = send_zero(t, a, i * ENOUGH, ENOUGH);
        for (uint32_t turns = 0; turns < 3; turns++)
            cft_flush(t);
    }
    expect_bytes(t, b, 0, SENDS * ENOUGH);
    for (uint32_t i = 0; i < SENDS; i++) {
        cft_await(t, all[i]);
        CFT_MOVED(t, all[i], ENOUGH);
    }
}

/* K13: before it has gone, half way, and when only its peer's word is still to come. */
static void cancelled(cft *t, size_t bytes, size_t first)
{
    unsigned char *seen = cft_alloc(t, bytes + 1);
    cede_handle a = 0, b = 0;
    lopsided(t, &a, &b);
    cft_rec *send = send_zero(t, a, 0, bytes);
    cft_flush(t);
    cft_flush(t);
    size_t got = cft_take(t, b, seen, first);
    cft_cancel(t, send->ticket);
    cft_cancel(t, send->ticket);
    cft_flush(t);
    cft_rec *end = cft_new(t);
    cede_prep_shutdown(end->req, a);
    cft_submit(end);
    got += cft_take(t, b, seen + got, bytes + 1 - got);
    cft_await(t, send);
    if (send->result.status != CEDE_OK)
        CFT_ENDED(t, send, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_EXPECT(t, send->result.count == got);
    CFT_EXPECT(t, (send->result.status == CEDE_OK) == (got == bytes));
    CFT_EXPECT(t, cft_filled(seen, got, KEY, 0));
    cft_await(t, end);
    CFT_OK(t, end);
}

CFT_CASE(zero_copy_cancelled_half_way_tells_the_count)
{
    cancelled(t, 2000000, 20000);
}

CFT_CASE(zero_copy_cancelled_when_it_has_gone_is_a_success)
{
    cancelled(t, 2 * ENOUGH, 0);
}

CFT_CASE(zero_copy_cancelled_at_each_point_tells_the_truth)
{
    unsigned char *seen = cft_alloc(t, ENOUGH + 1);
    cede_handle a = 0, b = 0;
    joined(t, CFT_TCP, &a, &b);
    cft_rec *send = send_zero(t, a, 0, ENOUGH);
    cft_reach(t, send, NULL, NULL);
    cft_cancel(t, send->ticket);
    cft_flush(t);
    cft_rec *end = cft_new(t);
    cede_prep_shutdown(end->req, a);
    cft_submit(end);
    size_t got = cft_take(t, b, seen, ENOUGH + 1);
    cft_await(t, send);
    CFT_EXPECT(t, send->result.count == got && cft_filled(seen, got, KEY, 0));
    CFT_EXPECT(t, send->result.status == (got == ENOUGH ? CEDE_OK : CEDE_ECANCELED));
}

/* K12: told once each, and nothing that comes late reaches those behind. */
CFT_CASE(zero_copy_learns_that_its_peer_is_gone)
{
    cede_handle a = 0, b = 0;
    lopsided(t, &a, &b);
    cft_rec *pending = send_zero(t, a, 0, 2000000);
    cft_flush(t);
    cft_closed(t, b);
    cft_await(t, pending);
    CFT_EXPECT(t,
               pending->result.status == CEDE_EPIPE || pending->result.status == CEDE_ECONNRESET);
    CFT_EXPECT(t, pending->result.count < 2000000);
    for (uint32_t i = 0; i < 5; i++) {
        cft_rec *again = send_zero(t, a, 0, ENOUGH);
        cft_await(t, again);
        CFT_EXPECT(t,
                   again->result.status == CEDE_EPIPE || again->result.status == CEDE_ECONNRESET);
        CFT_EXPECT(t, again->result.count == 0);
    }
    cft_turn(t);
    cft_closed(t, a);
}

CFT_CASE(zero_copy_takes_its_turn_among_sends)
{
    char seen[8];
    cede_handle a = 0, b = 0;
    joined(t, CFT_TCP, &a, &b);
    cft_narrow(t, a, b);
    cft_rec *head = cft_send_all(t, a, "head", 4);
    cft_rec *body = send_zero(t, a, 0, ENOUGH);
    cft_rec *tail = cft_send_all(t, a, "tail", 4);
    size_t taken = cft_take(t, b, seen, 4);
    CFT_EXPECT(t, taken == 4 && memcmp(seen, "head", 4) == 0);
    expect_bytes(t, b, 0, ENOUGH);
    taken = cft_take(t, b, seen, 4);
    CFT_EXPECT(t, taken == 4 && memcmp(seen, "tail", 4) == 0);
    cft_await(t, tail);
    CFT_EXPECT(t, head->done_at < body->done_at && body->done_at < tail->done_at);
    CFT_MOVED(t, body, ENOUGH);
}

/* The peer reads nothing, so the first has gone and its memory is not back: the second moves what
 * there is room for, and is told behind it. */
CFT_CASE(zero_copy_that_has_gone_lets_the_next_go)
{
    enum { MORE = 2000000 };
    unsigned char *data = cft_alloc(t, MORE), *seen = cft_alloc(t, ENOUGH + MORE);
    cede_handle a = 0, b = 0;
    lopsided(t, &a, &b);
    cft_rec *first = send_zero(t, a, 0, ENOUGH);
    cft_fill(data, MORE, KEY, ENOUGH);
    cft_rec *second = cft_send_all(t, a, data, MORE);
    cft_rec *timer = cft_new(t);
    cede_prep_timer(timer->req, 2 * CEDE_MILLISECOND);
    cft_do(timer);
    cft_cancel(t, second->ticket);
    for (uint32_t turns = 0; turns < 3; turns++)
        cft_flush(t);
    CFT_CHECK(t, cft_is_done(first) || !cft_is_done(second));
    cft_rec *end = cft_new(t);
    cede_prep_shutdown(end->req, a);
    cft_submit(end);
    size_t got = cft_take(t, b, seen, ENOUGH + MORE);
    cft_await(t, second);
    CFT_ENDED(t, second, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_MOVED(t, first, ENOUGH);
    CFT_EXPECT(t, first->done_at < second->done_at);
    CFT_EXPECT(t, second->result.count > 0);
    CFT_EXPECT(t, got == ENOUGH + second->result.count && cft_filled(seen, got, KEY, 0));
    cft_await(t, end);
    CFT_OK(t, end);
}

/* Though the peer reads nothing: it learns that it was broken off. */
CFT_CASE(close_ends_zero_copy_sends_that_nobody_reads)
{
    cede_handle a = 0, b = 0;
    lopsided(t, &a, &b);
    cft_rec *first = send_zero(t, a, 0, 4 * ENOUGH);
    cft_flush(t);
    cft_flush(t);
    cft_cancel(t, first->ticket);
    cft_flush(t);
    cft_rec *second = send_zero(t, a, 0, 2000000);
    cft_flush(t);
    cft_rec *close = cft_close_of(t, a);
    cft_await(t, close);
    CFT_OK(t, close);
    CFT_EXPECT(t, cft_is_done(first) && first->returned_at < close->done_at);
    CFT_EXPECT(t, cft_is_done(second) && second->returned_at < close->done_at);
    if (first->result.status != CEDE_OK)
        CFT_ENDED(t, first, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_ENDED(t, second, CEDE_ECANCELED, CEDE_BY_CLOSE);
}

CFT_CASE(scope_ends_zero_copy_sends_that_nobody_reads)
{
    cede_handle a = 0, b = 0;
    lopsided(t, &a, &b);
    cft_rec *scope = cft_new(t), *outer = cft_new(t);
    cede_prep_scope(outer->req);
    cft_submit(outer);
    cede_prep_scope(scope->req);
    cede_in(scope->req, outer->ticket);
    cft_submit(scope);
    cede_own(outer->ticket, a);
    unsigned char *data = cft_alloc(t, 2000000);
    cft_rec *send = cft_new(t);
    cede_prep_send_zero_copy(send->req, a, cft_input(send, data, 2000000), 2000000);
    cede_in(send->req, scope->ticket);
    cft_submit(send);
    cft_flush(t);
    cft_flush(t);
    cft_cancel(t, outer->ticket);
    cft_await(t, outer);
    CFT_EXPECT(t, cft_is_done(send) && cft_is_done(scope));
    CFT_ENDED(t, send, CEDE_ECANCELED, CEDE_BY_SCOPE);
}

CFT_CASE(deadline_ends_a_zero_copy_send_that_pends)
{
    enum { BYTES = 2000000 };
    unsigned char *seen = cft_alloc(t, BYTES), *data = cft_alloc(t, BYTES);
    cede_handle a = 0, b = 0;
    lopsided(t, &a, &b);
    uint64_t start = cede_now(cft_loop(t));
    cft_fill(data, BYTES, KEY, 0);
    cft_rec *send = cft_new(t);
    cede_prep_send_zero_copy(send->req, a, cft_input(send, data, BYTES), BYTES);
    cede_within(send->req, 3 * CEDE_MILLISECOND);
    cft_submit(send);
    cft_rec *timer = cft_new(t); /* what has gone is to be read before the send is over */
    cede_prep_timer(timer->req, 5 * CEDE_MILLISECOND);
    cft_do(timer);
    cft_rec *end = cft_new(t);
    cede_prep_shutdown(end->req, a);
    cft_submit(end);
    size_t got = cft_take(t, b, seen, BYTES);
    cft_await(t, send);
    CFT_ENDED(t, send, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_EXPECT(t, cede_now(cft_loop(t)) - start >= 3 * CEDE_MILLISECOND);
    CFT_EXPECT(t, send->result.count == got && cft_filled(seen, got, KEY, 0));
}

/* Law 11: the kernel has let go of all memory when the loop has closed, also of what it had sent
 * to a peer that does not read. */
CFT_CASE(loop_close_waits_for_zero_copy_sends)
{
    cede_handle a = 0, b = 0;
    lopsided(t, &a, &b);
    cft_rec *gone = send_zero(t, a, 0, ENOUGH);
    cft_rec *pends = send_zero(t, a, ENOUGH, 2000000);
    cft_flush(t);
    cft_flush(t);
    CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, cft_is_done(gone) && cft_is_done(pends));
}

/* ---- Every way to end it -------------------------------------------------------------------- */

static void send_zero_copy_prepare(cft *t, stage *s)
{
    unsigned char *data = cft_alloc(t, ENOUGH);
    joined(t, CFT_TCP, &s->handle, &s->second);
    cft_fill(data, ENOUGH, KEY, 0);
    cede_prep_send_zero_copy(s->rec->req, s->handle, cft_input(s->rec, data, ENOUGH), ENOUGH);
}

static void send_zero_copy_check(cft *t, stage *s, bool happened)
{
    unsigned char *seen = cft_alloc(t, ENOUGH + 1);
    uint64_t count = s->rec->result.count;
    CFT_CHECK(t, count == ENOUGH || !happened);
    if (s->round == BY_LOOP)
        return;
    cft_drop(t, s->handle);
    if (s->round == BY_CLOSE || s->round == BY_SCOPE) /* it may have been broken off */
        return;
    CFT_CHECK(t, cft_take(t, s->second, seen, ENOUGH + 1) == count || cft_faulted(t));
    CFT_EXPECT(t, cft_filled(seen, count, KEY, 0));
}

ENDS(send_zero_copy, SEND_ZERO_COPY, send_zero_copy_prepare, NULL, send_zero_copy_check)
