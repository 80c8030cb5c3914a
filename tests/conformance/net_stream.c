/*
 * Streams: what receives and what sends (K1 to K10, O1, O2, P2 to P4, D; laws 4, 6, 7, 13, 14, 16).
 * Each case has two rows, over TCP and over a local stream.
 */
#include "conformance.h"

#include <string.h>

#define STREAM_CASE(name)                    \
    static void name(cft *t, uint32_t kind); \
    CFT_CASE(tcp_##name)                     \
    {                                        \
        name(t, CFT_TCP);                    \
    }                                        \
    CFT_CASE(local_##name)                   \
    {                                        \
        name(t, CFT_LOCAL);                  \
    }                                        \
    static void name(cft *t, uint32_t kind)

static void expect_bytes(cft *t, const cft_rec *rec, const char *text)
{
    CFT_MOVED(t, rec, strlen(text));
    CFT_EXPECT(t, memcmp(rec->bytes, text, rec->result.count) == 0);
}

static void closed_both(cft *t, cede_handle a, cede_handle b)
{
    cft_drop(t, a);
    cft_drop(t, b);
    cft_flush(t);
}

/* K16 */
STREAM_CASE(streams_carry_bytes_both_ways)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_talk(t, a, b);
    cft_closed(t, a);
    cft_closed(t, b);
}

STREAM_CASE(recv_waits_for_data)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_rec *recv = cft_recv(t, b, 100);
    cft_turn(t);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(recv));
    cft_rec *send = cft_send_all(t, a, "hello", 5);
    cft_await(t, recv);
    expect_bytes(t, recv, "hello");
    cft_await(t, send);
    closed_both(t, a, b);
}

STREAM_CASE(recv_takes_what_is_there_and_no_more)
{
    char rest[8];
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_await(t, cft_send_all(t, a, "hello", 5));
    cft_rec *recv = cft_recv(t, b, 3);
    cft_await(t, recv);
    expect_bytes(t, recv, "hel");
    size_t first = recv->result.count;
    size_t taken = cft_take(t, b, rest, 5 - first);
    CFT_EXPECT(t, taken == 5 - first);
    CFT_EXPECT(t, memcmp(rest, &"hello"[first], 5 - first) == 0);
    closed_both(t, a, b);
}

/* C6, and the end stays the end. */
STREAM_CASE(recv_says_the_end_from_then_on)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_rec *pending = cft_recv(t, b, 10);
    cft_flush(t);
    cft_closed(t, a);
    for (uint32_t i = 0; i < 3; i++) {
        cft_rec *recv = i ? cft_recv(t, b, 10) : pending;
        cft_await(t, recv);
        CFT_OK(t, recv);
        CFT_EXPECT(t, recv->result.count == 0);
    }
    cft_closed(t, b);
}

/* Nothing of what was sent before the end is lost. */
STREAM_CASE(data_comes_before_the_end)
{
    enum { BYTES = 30000 };
    unsigned char *data = cft_alloc(t, BYTES), *seen = cft_alloc(t, BYTES + 1);
    cede_handle a = 0, b = 0;
    cft_fill(data, BYTES, 3, 0);
    cft_connected(t, kind, &a, &b);
    cft_rec *send = cft_send_all(t, a, data, BYTES);
    cft_await(t, send);
    CFT_MOVED(t, send, BYTES);
    cft_closed(t, a);
    size_t taken = cft_take(t, b, seen, BYTES + 1);
    CFT_EXPECT(t, taken == BYTES);
    CFT_EXPECT(t, memcmp(data, seen, BYTES) == 0);
    cft_closed(t, b);
}

/* K1, K3 */
STREAM_CASE(recv_cancelled_leaves_the_stream_whole)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_rec *recv = cft_recv(t, b, 100);
    cft_flush(t);
    cft_cancel(t, recv->ticket);
    cft_cancel(t, recv->ticket);
    cft_await(t, recv);
    CFT_ENDED(t, recv, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_CHECK(t, recv->bytes[0] == 0xee);
    cft_rec *send = cft_send_all(t, a, "hello", 5);
    cft_rec *next = cft_recv(t, b, 100);
    cft_await(t, next);
    expect_bytes(t, next, "hello");
    cft_await(t, send);
    closed_both(t, a, b);
}

static void feed(cft *t, void *context)
{
    cft_rec *send = cft_send_all(t, *(cede_handle *)context, "hello", 5);
    cft_await(t, send);
    CFT_MOVED(t, send, 5);
}

/* K2: whichever comes first. */
STREAM_CASE(data_and_cancel_lose_no_byte)
{
    char stream[8];
    size_t got = 0;
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_rec *recv = cft_recv(t, b, 3);
    cft_reach(t, recv, feed, &a);
    cft_rec *send = cft_late(t) ? NULL : cft_send_all(t, a, "hello", 5);
    cft_cancel(t, recv->ticket);
    cft_await(t, recv);
    CFT_EXPECT(t, recv->result.status == CEDE_OK || recv->result.status == CEDE_ECANCELED);
    if (recv->result.status == CEDE_OK) {
        CFT_EXPECT(t, recv->result.count > 0);
        memcpy(stream, recv->bytes, recv->result.count);
        got = recv->result.count;
    }
    got += cft_take(t, b, stream + got, 5 - got);
    CFT_EXPECT(t, got == 5 && memcmp(stream, "hello", 5) == 0);
    if (send)
        cft_await(t, send);
    closed_both(t, a, b);
}

/* K7 */
STREAM_CASE(of_two_recvs_the_cancelled_one_takes_nothing)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_rec *first = cft_recv(t, b, 5);
    cft_rec *second = cft_recv(t, b, 5);
    cft_flush(t);
    cft_cancel(t, first->ticket);
    cft_await(t, first);
    CFT_ENDED(t, first, CEDE_ECANCELED, CEDE_BY_WISH);
    cft_rec *send = cft_send_all(t, a, "hello", 5);
    cft_await(t, second);
    expect_bytes(t, second, "hello");
    cft_await(t, send);
    closed_both(t, a, b);
}

/* O1 */
STREAM_CASE(recvs_take_the_stream_in_submit_order)
{
    enum { RECVS = 8 };
    unsigned char data[RECVS * 10];
    cft_rec *all[RECVS];
    uint64_t at = 0;
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_fill(data, sizeof data, 7, 0);
    for (uint32_t i = 0; i < RECVS; i++)
        all[i] = cft_recv(t, b, 10);
    cft_flush(t);
    for (uint32_t i = 0; i < RECVS; i++)
        cft_await(t, cft_send_all(t, a, data + 10 * i, 10));
    cft_closed(t, a);
    cft_settle(t);
    for (uint32_t i = 0; i < RECVS; i++) {
        CFT_OK(t, all[i]);
        CFT_EXPECT(t, cft_filled(all[i]->bytes, all[i]->result.count, 7, at));
        at += all[i]->result.count;
        CFT_EXPECT(t, i == 0 || all[i]->done_at > all[i - 1]->done_at);
    }
    cft_closed(t, b);
}

/* O2, O6 */
STREAM_CASE(two_large_sends_do_not_interleave)
{
    enum { BYTES = 300000 };
    unsigned char *data = cft_alloc(t, 2 * BYTES), *seen = cft_alloc(t, 2 * BYTES);
    cede_handle a = 0, b = 0;
    cft_fill(data, 2 * BYTES, 7, 0);
    cft_connected(t, kind, &a, &b);
    cft_narrow(t, a, b);
    cft_rec *one = cft_send_all(t, a, data, BYTES);
    cft_rec *two = cft_send_all(t, a, data + BYTES, BYTES);
    size_t taken = cft_take(t, b, seen, 2 * BYTES);
    CFT_EXPECT(t, taken == 2 * BYTES);
    CFT_EXPECT(t, memcmp(seen, data, 2 * BYTES) == 0);
    cft_await(t, two);
    CFT_EXPECT(t, cft_is_done(one));
    cft_await(t, one);
    CFT_MOVED(t, one, BYTES);
    CFT_MOVED(t, two, BYTES);
    CFT_EXPECT(t, two->done_at > one->done_at);
    closed_both(t, a, b);
}

enum { CLOG_BYTES = 2000000 };

/* A send of more than there is room for, and what its peer has seen. */
typedef struct clog {
    cede_handle a, b;
    unsigned char *data, *seen;
    cft_rec *send;
} clog;

static clog clogged(cft *t, uint32_t kind, uint64_t within_ns)
{
    clog c = {0, 0, cft_alloc(t, CLOG_BYTES), cft_alloc(t, CLOG_BYTES + 1), NULL};
    cft_fill(c.data, CLOG_BYTES, 7, 0);
    cft_connected(t, kind, &c.a, &c.b);
    cft_narrow(t, c.a, c.b);
    c.send = cft_new(t);
    cede_prep_send_all(c.send->req, c.a, c.data, CLOG_BYTES);
    cede_within(c.send->req, within_ns);
    cft_submit(c.send);
    return c;
}

/* It has ended: what went is what the peer gets, of which it has `got` already. */
static void expect_what_went(cft *t, const clog *c, size_t got)
{
    cft_closed(t, c->a);
    got += cft_take(t, c->b, c->seen + got, CLOG_BYTES + 1 - got);
    CFT_EXPECT(t, c->send->result.count == got && got < CLOG_BYTES);
    CFT_EXPECT(t, memcmp(c->seen, c->data, got) == 0);
    cft_closed(t, c->b);
}

/* K4, P3 */
STREAM_CASE(partly_taken_send_cancelled_tells_the_count)
{
    enum { TAKEN = 20000 };
    clog c = clogged(t, kind, CEDE_FOREVER);
    size_t got = cft_take(t, c.b, c.seen, TAKEN);
    CFT_EXPECT(t, got == TAKEN && !cft_is_done(c.send));
    cft_cancel(t, c.send->ticket);
    cft_await(t, c.send);
    CFT_ENDED(t, c.send, CEDE_ECANCELED, CEDE_BY_WISH);
    expect_what_went(t, &c, got);
}

/* What its peer had room for has gone, and is counted; the rest has not. */
STREAM_CASE(send_to_a_peer_that_never_reads_ends_at_its_deadline)
{
    clog c = clogged(t, kind, 20 * CEDE_MILLISECOND);
    cft_await(t, c.send);
    CFT_ENDED(t, c.send, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    expect_what_went(t, &c, 0);
}

/* K8: without a look at the stream, but on its turn. */
STREAM_CASE(zero_bytes_succeed_without_data_or_room)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_move_nothing(t, b, b, CEDE_OK);
    cft_talk(t, a, b); /* the peer has received nothing of it */
    cft_rec *first = cft_recv(t, b, 10);
    cft_rec *second = cft_new(t);
    cede_prep_recv(second->req, b, NULL, 0);
    cft_submit(second);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(first) && !cft_is_done(second));
    cft_closed(t, a);
    cft_await(t, second);
    CFT_EXPECT(t, cft_is_done(first) && second->done_at > first->done_at);
    CFT_OK(t, second);
    cft_closed(t, b);
}

/* Nor at whether there is anybody. */
STREAM_CASE(zero_bytes_succeed_when_the_peer_is_gone)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_await(t, cft_send_all(t, a, "unread", 6));
    cft_closed(t, b);
    cft_await(t, cft_recv(t, a, 10)); /* it has been heard that it is gone */
    cft_move_nothing(t, a, a, CEDE_OK);
    cft_closed(t, a);
}

/* K9: a gather send goes on where it was, in the middle of a piece or between two. */
STREAM_CASE(gather_send_resumes)
{
    enum { PIECES = 60, BYTES = 600000 };
    unsigned char *data = cft_alloc(t, BYTES), *seen = cft_alloc(t, BYTES + 1);
    cede_vec *vec = cft_alloc(t, PIECES * sizeof *vec);
    size_t at = 0;
    cede_handle a = 0, b = 0;
    cft_fill(data, BYTES, 7, 0);
    for (uint32_t i = 0; i < PIECES; i++) {
        size_t length = i % 7 == 3 ? 0 : cft_below(t, 2 * BYTES / PIECES);
        if (length > BYTES - at || i == PIECES - 1)
            length = BYTES - at;
        vec[i] = (cede_vec){data + at, length};
        at += length;
    }
    cft_connected(t, kind, &a, &b);
    cft_narrow(t, a, b);
    cft_rec *send = cft_new(t);
    cede_prep_sendv(send->req, a, vec, PIECES);
    cft_submit(send);
    size_t taken = cft_take(t, b, seen, BYTES);
    CFT_EXPECT(t, taken == BYTES);
    CFT_EXPECT(t, memcmp(seen, data, BYTES) == 0);
    cft_await(t, send);
    CFT_MOVED(t, send, BYTES);
    closed_both(t, a, b);
}

struct echo {
    cede_handle handle;
    cft_rec *send;
};

static void send_back(cft_rec *recv)
{
    struct echo *echo = recv->data;
    if (recv->result.status != CEDE_OK || recv->result.count == 0)
        return;
    cede_prep_send_all(echo->send->req, echo->handle,
                       cft_input(echo->send, recv->bytes, recv->result.count), recv->result.count);
    cft_submit_on(echo->send, recv->loop);
}

/* K10 */
STREAM_CASE(send_inside_a_recv_callback)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    struct echo *echo = cft_alloc(t, sizeof *echo);
    echo->handle = b;
    echo->send = cft_new(t);
    cft_rec *recv = cft_new(t);
    recv->then = send_back;
    recv->data = echo;
    cede_prep_recv_all(recv->req, b, cft_buffer(recv, 5), 5);
    cft_submit(recv);
    cft_rec *send = cft_send_all(t, a, "hello", 5);
    cft_rec *back = cft_recv_all(t, a, 5);
    cft_settle(t); /* a wait for the answer would not run the callback that sends it */
    expect_bytes(t, back, "hello");
    CFT_MOVED(t, echo->send, 5);
    CFT_MOVED(t, send, 5);
    closed_both(t, a, b);
}

STREAM_CASE(recv_all_that_meets_the_end_says_so_with_its_count)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_rec *recv = cft_recv_all(t, b, 10);
    cft_await(t, cft_send_all(t, a, "hello", 5));
    cft_closed(t, a);
    cft_await(t, recv);
    CFT_STATUS(t, recv, CEDE_EEOF);
    CFT_EXPECT(t, recv->result.count == 5 && memcmp(recv->bytes, "hello", 5) == 0);
    CFT_EXPECT(t, recv->bytes[5] == 0xee);
    cft_closed(t, b);
}

STREAM_CASE(recv_all_cancelled_half_way_tells_what_it_has)
{
    char rest[16];
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_rec *recv = cft_recv_all(t, b, 10);
    cft_await(t, cft_send_all(t, a, "01234", 5));
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(recv));
    cft_cancel(t, recv->ticket);
    cft_await(t, recv);
    CFT_ENDED(t, recv, CEDE_ECANCELED, CEDE_BY_WISH);
    size_t got = recv->result.count;
    CFT_EXPECT(t, got <= 5);
    cft_await(t, cft_send_all(t, a, "56789", 5));
    memcpy(rest, recv->bytes, got <= 10 ? got : 0);
    got += cft_take(t, b, rest + got, 10 - got);
    CFT_EXPECT(t, got == 10);
    CFT_EXPECT(t, memcmp(rest, "0123456789", 10) == 0);
    closed_both(t, a, b);
}

/* P2: told, and no signal ends the process. */
STREAM_CASE(send_to_a_peer_that_is_gone_is_told)
{
    unsigned char *data = cft_alloc(t, 100000);
    cede_status status = CEDE_OK;
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_closed(t, b);
    for (uint32_t i = 0; i < 100 && status == CEDE_OK && !cft_faulted(t); i++) {
        cft_rec *send = cft_send_all(t, a, data, 100000);
        cft_await(t, send);
        status = send->result.status;
    }
    CFT_EXPECT(t, status == CEDE_EPIPE || status == CEDE_ECONNRESET);
    cft_rec *again = cft_send(t, a, data, 10);
    cft_await(t, again);
    CFT_EXPECT(t, again->result.status == CEDE_EPIPE || again->result.status == CEDE_ECONNRESET);
    cft_closed(t, a);
}

STREAM_CASE(pending_send_learns_that_the_peer_went)
{
    enum { BYTES = 2000000 };
    unsigned char *data = cft_alloc(t, BYTES);
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_narrow(t, a, b);
    cft_rec *send = cft_new(t);
    cede_prep_send_all(send->req, a, data, BYTES);
    cft_submit(send);
    cft_turn(t);
    cft_flush(t);
    CFT_EXPECT(t, !cft_is_done(send));
    cft_closed(t, b);
    cft_await(t, send);
    CFT_EXPECT(t, send->result.status == CEDE_EPIPE || send->result.status == CEDE_ECONNRESET);
    CFT_EXPECT(t, send->result.count < BYTES);
    cft_closed(t, a);
}

/* D1, D4: really stopped, never early. */
STREAM_CASE(deadline_ends_a_pending_recv_and_takes_nothing)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    uint64_t start = cede_now(cft_loop(t));
    cft_rec *recv = cft_new(t);
    cede_prep_recv(recv->req, b, cft_buffer(recv, 100), 100);
    cede_within(recv->req, 3 * CEDE_MILLISECOND);
    cft_submit(recv);
    cft_await(t, recv);
    CFT_ENDED(t, recv, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_EXPECT(t, cede_now(cft_loop(t)) - start >= 3 * CEDE_MILLISECOND);
    CFT_CHECK(t, recv->bytes[0] == 0xee);
    cft_talk(t, a, b);
    closed_both(t, a, b);
}

/* A send that pends holds up no receive on its handle, and the other way round. */
STREAM_CASE(directions_do_not_hold_each_other_up)
{
    enum { BYTES = 2000000 };
    unsigned char *data = cft_alloc(t, BYTES);
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_narrow(t, a, b);
    cft_rec *full = cft_new(t);
    cede_prep_send_all(full->req, a, data, BYTES);
    cft_submit(full);
    cft_rec *recv = cft_recv(t, a, 10);
    cft_turn(t);
    cft_rec *pending = cft_recv_all(t, b, BYTES);
    cft_rec *send = cft_send_all(t, b, "hello", 5);
    cft_await(t, send);
    cft_await(t, recv);
    expect_bytes(t, recv, "hello");
    cft_await(t, full);
    CFT_MOVED(t, full, BYTES);
    cft_await(t, pending);
    CFT_MOVED(t, pending, BYTES);
    closed_both(t, a, b);
}

/* Code that does not care what its bytes come from. */
STREAM_CASE(streams_are_read_and_written_like_files)
{
    cede_vec *vec = cft_alloc(t, 2 * sizeof *vec), *in = cft_alloc(t, 2 * sizeof *in);
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_rec *write = cft_new(t);
    cede_prep_write_all(write->req, a, cft_input(write, "01234", 5), 5, CEDE_CURRENT);
    cft_do(write);
    CFT_MOVED(t, write, 5);
    cft_rec *writev = cft_new(t);
    vec[0] = (cede_vec){cft_input(writev, "56", 2), 2};
    vec[1] = (cede_vec){cft_input(writev, "789", 3), 3};
    cede_prep_writev(writev->req, a, vec, 2, CEDE_CURRENT);
    cft_do(writev);
    CFT_MOVED(t, writev, 5);
    uint64_t there = 5 + writev->result.count;
    cft_rec *wrong = cft_new(t);
    cede_prep_read(wrong->req, b, cft_buffer(wrong, 10), 10, 0);
    cft_do(wrong);
    CFT_STATUS(t, wrong, CEDE_ESPIPE);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, b, cft_buffer(read, 3), 3, CEDE_CURRENT);
    cft_do(read);
    expect_bytes(t, read, "012");
    cft_rec *readv = cft_new(t);
    unsigned char *pieces = cft_alloc(t, 2);
    in[0] = (cede_vec){pieces + 1, 1};
    in[1] = (cede_vec){pieces, 1};
    cede_prep_readv(readv->req, b, in, 2, CEDE_CURRENT);
    cft_do(readv);
    CFT_MOVED(t, readv, 2);
    uint64_t at = read->result.count;
    CFT_EXPECT(t, pieces[1] == '0' + at);
    CFT_EXPECT(t, readv->result.count == 1 || pieces[0] == '1' + at);
    at += readv->result.count;
    cft_rec *all = cft_new(t);
    uint64_t rest = cft_faulted(t) ? 1 : there - at;
    cede_prep_read_all(all->req, b, cft_buffer(all, rest), rest, CEDE_CURRENT);
    cft_do(all);
    CFT_MOVED(t, all, rest);
    CFT_EXPECT(t, memcmp(all->bytes, &"0123456789"[at], rest) == 0);
    closed_both(t, a, b);
}

/* Law 4: when done comes, what was lent is the caller's; the peer has what it held before. */
STREAM_CASE(memory_of_a_send_is_free_in_its_callback)
{
    enum { SENDS = 10, BYTES = 5000 }; /* what fits into any stream that nobody reads */
    unsigned char *seen = cft_alloc(t, SENDS * BYTES), *data = cft_alloc(t, BYTES);
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    for (uint32_t i = 0; i < SENDS; i++) {
        cft_fill(data, BYTES, 5, i * BYTES);
        cft_rec *send = cft_send_all(t, a, data, BYTES); /* its copy is destroyed in done */
        cft_await(t, send);
        CFT_MOVED(t, send, BYTES);
    }
    size_t taken = cft_take(t, b, seen, SENDS * BYTES);
    CFT_EXPECT(t, taken == SENDS * BYTES);
    CFT_EXPECT(t, cft_filled(seen, SENDS * BYTES, 5, 0));
    closed_both(t, a, b);
}
