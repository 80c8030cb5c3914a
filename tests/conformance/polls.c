/*
 * Readiness (laws 1, 6, 7, 10, 13, 14, 16).
 */
#include "ends.h"

#include <string.h>

static cft_rec *poll_for(cft *t, cede_handle handle, uint32_t events)
{
    cft_rec *rec = cft_new(t);
    cede_prep_poll(rec->req, handle, events);
    cft_submit(rec);
    return rec;
}

/* At once, or as soon as it holds. */
static void expect_ready(cft *t, cft_rec *rec, uint64_t events)
{
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, (rec->result.count & (CEDE_POLL_IN | CEDE_POLL_OUT)) == events);
}

static void expect_waits(cft *t, const cft_rec *rec)
{
    cft_turn(t);
    cft_flush(t);
    CFT_EXPECT(t, !cft_is_done(rec));
}

CFT_CASE(poll_waits_until_there_is_data_and_takes_none)
{
    cede_handle a = 0, b = 0;
    cft_needs(t, CEDE_OP_POLL);
    cft_connected(t, CFT_TCP, &a, &b);
    cft_rec *poll = poll_for(t, b, CEDE_POLL_IN);
    expect_waits(t, poll);
    cft_await(t, cft_send_all(t, a, "hello", 5));
    expect_ready(t, poll, CEDE_POLL_IN);
    expect_ready(t, poll_for(t, b, CEDE_POLL_IN), CEDE_POLL_IN);
    char seen[8];
    size_t taken = cft_take(t, b, seen, 5);
    CFT_EXPECT(t, taken == 5 && memcmp(seen, "hello", 5) == 0);
    poll = poll_for(t, b, CEDE_POLL_IN);
    expect_waits(t, poll);
    cft_cancel(t, poll->ticket);
    cft_await(t, poll);
    CFT_ENDED(t, poll, CEDE_ECANCELED, CEDE_BY_WISH);
}

/* With `half`, of a stream whose other end sends no more, and reads on. */
static void wait_for_room(cft *t, bool half)
{
    enum { BYTES = 300000 };
    unsigned char *data = cft_alloc(t, BYTES), *seen = cft_alloc(t, BYTES);
    cede_handle a = 0, b = 0;
    cft_needs(t, CEDE_OP_POLL);
    cft_connected(t, CFT_TCP, &a, &b);
    cft_narrow(t, a, b);
    if (half) {
        cft_shut(t, b);
        cft_rec *poll = poll_for(t, a, CEDE_POLL_IN); /* the end is there to be received */
        expect_ready(t, poll, CEDE_POLL_IN);
        CFT_EXPECT(t, cft_faulted(t) || poll->result.count == CEDE_POLL_IN);
    }
    expect_ready(t, poll_for(t, a, CEDE_POLL_OUT), CEDE_POLL_OUT);
    cft_rec *send = cft_new(t);
    if (half && cft_deviates(t, "poll_shortens_a_send")) {
        cede_prep_send(send->req, a, data, BYTES);
        cft_submit(send);
        cft_rec *poll = poll_for(t, a, CEDE_POLL_OUT), *other = poll_for(t, a, CEDE_POLL_OUT);
        cft_await(t, send);
        CFT_OK(t, send);
        CFT_CHECK(t, send->result.count < BYTES);
        cft_cancel(t, other->ticket);
        cft_await(t, other);
        (void)cft_take(t, b, seen, (size_t)send->result.count);
        expect_ready(t, poll, CEDE_POLL_OUT);
        CFT_EXPECT(t, poll->result.count == CEDE_POLL_OUT);
        return;
    }
    cede_prep_send_all(send->req, a, data, BYTES);
    cft_submit(send);
    cft_rec *poll = poll_for(t, a, CEDE_POLL_OUT);
    for (uint32_t waits = 0; waits < 5 && !cft_faulted(t); waits++) { /* until it is full */
        cft_turn(t);
        cft_flush(t);
        if (cft_is_done(poll)) {
            expect_ready(t, poll, CEDE_POLL_OUT);
            poll = poll_for(t, a, CEDE_POLL_OUT);
            waits = 0;
        }
    }
    size_t taken = cft_take(t, b, seen, BYTES);
    CFT_EXPECT(t, taken == BYTES);
    cft_await(t, send);
    CFT_MOVED(t, send, BYTES);
    expect_ready(t, poll, CEDE_POLL_OUT);
    CFT_EXPECT(t, cft_faulted(t) || poll->result.count == CEDE_POLL_OUT);
}

CFT_CASE(poll_for_room_waits_until_there_is_some)
{
    wait_for_room(t, false);
}

CFT_CASE(poll_for_room_waits_though_the_other_end_sends_no_more)
{
    wait_for_room(t, true);
}

CFT_CASE(poll_tells_what_it_was_asked_for)
{
    cede_handle a = 0, b = 0;
    cft_needs(t, CEDE_OP_POLL);
    cft_connected(t, CFT_TCP, &a, &b);
    expect_ready(t, poll_for(t, b, CEDE_POLL_IN | CEDE_POLL_OUT), CEDE_POLL_OUT);
    cft_await(t, cft_send_all(t, a, "hello", 5));
    expect_ready(t, poll_for(t, b, CEDE_POLL_IN), CEDE_POLL_IN);
    expect_ready(t, poll_for(t, b, CEDE_POLL_OUT), CEDE_POLL_OUT);
    expect_ready(t, poll_for(t, b, CEDE_POLL_IN | CEDE_POLL_OUT), CEDE_POLL_IN | CEDE_POLL_OUT);
}

CFT_CASE(poll_of_a_listener_sees_a_client)
{
    cede_address at;
    cft_needs(t, CEDE_OP_POLL);
    cede_handle listener = cft_listening(t, CFT_TCP, &at);
    cft_rec *poll = poll_for(t, listener, CEDE_POLL_IN);
    expect_waits(t, poll);
    cft_rec *connect = cft_connect(t, &at);
    expect_ready(t, poll, CEDE_POLL_IN);
    cft_rec *accept = cft_accept(t, listener);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_talk(t, connect->result.handle, accept->result.handle);
}

CFT_CASE(poll_of_a_datagram_socket_sees_a_datagram)
{
    cede_address at, other;
    cft_needs(t, CEDE_OP_POLL);
    cede_handle one = cft_datagrams(t, CEDE_ADDRESS_IPV4, &at);
    cede_handle two = cft_datagrams(t, CEDE_ADDRESS_IPV4, &other);
    cft_rec *poll = poll_for(t, one, CEDE_POLL_IN);
    expect_waits(t, poll);
    cft_await(t, cft_sendto(t, two, "hello", 5, &at));
    expect_ready(t, poll, CEDE_POLL_IN);
    cft_rec *recv = cft_recvfrom(t, one, 10, NULL);
    cft_await(t, recv);
    CFT_MOVED(t, recv, 5);
}

CFT_CASE(poll_sees_the_end_of_a_stream)
{
    cede_handle a = 0, b = 0;
    cft_needs(t, CEDE_OP_POLL);
    cft_connected(t, CFT_TCP, &a, &b);
    cft_rec *poll = poll_for(t, b, CEDE_POLL_IN);
    cft_flush(t);
    cft_closed(t, a);
    expect_ready(t, poll, CEDE_POLL_IN);
    expect_ready(t, poll_for(t, b, CEDE_POLL_IN), CEDE_POLL_IN);
    cft_rec *recv = cft_recv(t, b, 10);
    cft_await(t, recv);
    CFT_MOVED(t, recv, 0);
}

static bool on_windows(const cft *t)
{
    return strncmp(cft_backend(t), "win32", 5) == 0;
}

CFT_CASE(poll_of_a_pipe_works_or_is_not_supported)
{
    cft_needs(t, CEDE_OP_POLL);
    cft_pipe reader = cft_pipe_reader(t), writer = cft_pipe_writer(t);
    if (on_windows(t)) {
        cft_rec *rec = poll_for(t, reader.handle, CEDE_POLL_IN);
        cft_await(t, rec);
        CFT_STATUS(t, rec, CEDE_ENOTSUP);
        return;
    }
    cft_rec *poll = poll_for(t, reader.handle, CEDE_POLL_IN);
    expect_waits(t, poll);
    cft_peer_write(t, &reader, "x", 1);
    expect_ready(t, poll, CEDE_POLL_IN);
    expect_ready(t, poll_for(t, writer.handle, CEDE_POLL_OUT), CEDE_POLL_OUT);
    (void)cft_pipe_fill(t, &writer);
    poll = poll_for(t, writer.handle, CEDE_POLL_OUT);
    expect_waits(t, poll);
    cft_peer_close(t, &writer); /* a write would not wait: it fails */
    expect_ready(t, poll, CEDE_POLL_OUT);
    CFT_EXPECT(t, poll->result.count & (CEDE_POLL_ERROR | CEDE_POLL_HANGUP));
    cft_peer_close(t, &reader);
    cft_pipe *ends[2] = {&reader, &writer};
    for (uint32_t i = 0; i < 2; i++) {
        poll = poll_for(t, ends[i]->handle, CEDE_POLL_IN | CEDE_POLL_OUT);
        expect_ready(t, poll, CEDE_POLL_IN | CEDE_POLL_OUT);
        CFT_EXPECT(t, poll->result.count & (CEDE_POLL_ERROR | CEDE_POLL_HANGUP));
    }
}

CFT_CASE(poll_of_a_foreign_object_works)
{
    cft_needs(t, CEDE_OP_POLL);
    cft_pipe pipe = cft_pipe_reader(t);
    cede_handle object = cede_import(pipe.native, CEDE_KIND_OBJECT, CEDE_IMPORT_BORROW);
    CFT_EXPECT(t, object != 0);
    cft_keep_handle(t, object);
    cft_rec *poll = poll_for(t, object, CEDE_POLL_IN);
    expect_waits(t, poll);
    cft_peer_write(t, &pipe, "x", 1);
    expect_ready(t, poll, CEDE_POLL_IN);
    cft_rec *wrong = cft_recv(t, object, 1);
    cft_await(t, wrong);
    CFT_STATUS(t, wrong, CEDE_EINVAL);
    cft_closed(t, object);
    cft_rec *recv = cft_recv(t, pipe.handle, 1);
    cft_await(t, recv);
    CFT_MOVED(t, recv, 1);
}

CFT_CASE(polls_of_one_stream_are_all_told)
{
    enum { POLLS = 5 };
    cft_rec *all[POLLS];
    cede_handle a = 0, b = 0;
    cft_needs(t, CEDE_OP_POLL);
    cft_connected(t, CFT_TCP, &a, &b);
    for (uint32_t i = 0; i < POLLS; i++)
        all[i] = poll_for(t, b, CEDE_POLL_IN);
    cft_flush(t);
    cft_await(t, cft_send_all(t, a, "hello", 5));
    for (uint32_t i = 0; i < POLLS; i++)
        expect_ready(t, all[i], CEDE_POLL_IN);
}

CFT_CASE(poll_cancelled_changes_nothing)
{
    cede_handle a = 0, b = 0;
    cft_needs(t, CEDE_OP_POLL);
    cft_connected(t, CFT_TCP, &a, &b);
    cft_rec *poll = poll_for(t, b, CEDE_POLL_IN);
    cft_flush(t);
    cft_cancel(t, poll->ticket);
    cft_cancel(t, poll->ticket);
    cft_await(t, poll);
    CFT_ENDED(t, poll, CEDE_ECANCELED, CEDE_BY_WISH);
    uint64_t start = cede_now(cft_loop(t));
    cft_rec *late = cft_new(t);
    cede_prep_poll(late->req, b, CEDE_POLL_IN);
    cede_within(late->req, 3 * CEDE_MILLISECOND);
    cft_submit(late);
    cft_await(t, late);
    CFT_ENDED(t, late, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_EXPECT(t, cede_now(cft_loop(t)) - start >= 3 * CEDE_MILLISECOND);
    cft_talk(t, a, b);
}

CFT_CASE(close_ends_polls_and_then_itself)
{
    enum { POLLS = 8 };
    cft_rec *all[POLLS];
    cede_handle a = 0, b = 0;
    cft_needs(t, CEDE_OP_POLL);
    cft_connected(t, CFT_TCP, &a, &b);
    for (uint32_t i = 0; i < POLLS; i++)
        all[i] = poll_for(t, b, CEDE_POLL_IN);
    cft_flush(t);
    cft_rec *close = cft_close_of(t, b);
    cft_await(t, close);
    CFT_OK(t, close);
    for (uint32_t i = 0; i < POLLS; i++) {
        CFT_EXPECT(t, cft_is_done(all[i]) && all[i]->returned_at < close->done_at);
        CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_CLOSE);
    }
}

CFT_CASE(poll_refuses_what_cannot_be)
{
    cede_handle a = 0, b = 0;
    cft_needs(t, CEDE_OP_POLL);
    cft_connected(t, CFT_TCP, &a, &b);
    cft_file(t, "f", NULL, 10, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    const struct {
        cede_handle handle;
        uint32_t events;
        cede_status status;
    } rows[] = {{a, 0, CEDE_EINVAL},
                {a, CEDE_POLL_HANGUP, CEDE_EINVAL},
                {a, CEDE_POLL_IN | 0x100, CEDE_EINVAL},
                {file, CEDE_POLL_IN, CEDE_EINVAL},
                {0, CEDE_POLL_IN, CEDE_EBADF}};
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cft_rec *rec = poll_for(t, rows[i].handle, rows[i].events);
        cft_await(t, rec);
        CFT_STATUS(t, rec, rows[i].status);
    }
}

/* ---- Every way to end it -------------------------------------------------------------------- */

static void poll_prepare(cft *t, stage *s)
{
    cft_needs(t, CEDE_OP_POLL);
    cft_connected(t, CFT_TCP, &s->handle, &s->second);
    cede_prep_poll(s->rec->req, s->handle, CEDE_POLL_IN);
}

static void poll_feed(cft *t, stage *s)
{
    cft_await(t, cft_send_all(t, s->second, "0123456789", 10));
}

static void poll_check(cft *t, stage *s, bool happened)
{
    (void)t;
    CFT_CHECK(t, s->rec->result.count == (happened ? CEDE_POLL_IN : 0u));
}

ENDS(poll, POLL, poll_prepare, poll_feed, poll_check)
