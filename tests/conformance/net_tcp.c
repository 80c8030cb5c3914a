/*
 * What TCP has beyond a stream of bytes: halves that end by themselves, resets, names, who waits to
 * be accepted (K5, K6, K15, O3, A3, A6; laws 14, 16).
 */
#include "conformance.h"

#include <string.h>

static cft_rec *shut(cft *t, cede_handle handle)
{
    cft_rec *rec = cft_new(t);
    cede_prep_shutdown(rec->req, handle);
    cft_submit(rec);
    return rec;
}

static void expect_end(cft *t, cede_handle handle)
{
    cft_rec *recv = cft_recv(t, handle, 10);
    cft_await(t, recv);
    CFT_OK(t, recv);
    CFT_EXPECT(t, recv->result.count == 0);
}

static bool is_gone(const cft_rec *rec)
{
    return rec->result.status == CEDE_EPIPE || rec->result.status == CEDE_ECONNRESET;
}

/* Closes so that the peer learns of it by a reset. */
static void reset(cft *t, cede_handle handle)
{
    CFT_OK(t, cft_set(t, handle, CEDE_OPTION_LINGER, 0));
    cft_closed(t, handle);
}

/* K15 */
CFT_CASE(shutdown_ends_sending_only)
{
    char seen[8];
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_await(t, cft_send_all(t, a, "over", 4));
    cft_shut(t, a);
    size_t got = cft_take(t, b, seen, sizeof seen);
    CFT_EXPECT(t, got == 4 && memcmp(seen, "over", 4) == 0);
    cft_await(t, cft_send_all(t, b, "answer", 6));
    got = cft_take(t, a, seen, 6);
    CFT_EXPECT(t, got == 6 && memcmp(seen, "answer", 6) == 0);
    cft_shut(t, b);
    expect_end(t, a);
    expect_end(t, b);
    cft_closed(t, a);
    cft_closed(t, b);
}

/* O3: behind all that was sent before it, held or in flight. */
CFT_CASE(shutdown_takes_its_turn_behind_what_was_sent)
{
    enum { BYTES = 300000 };
    unsigned char *data = cft_alloc(t, 2 * BYTES), *seen = cft_alloc(t, 2 * BYTES + 1);
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_narrow(t, a, b);
    cft_fill(data, 2 * BYTES, 4, 0);
    cft_rec *one = cft_send_all(t, a, data, BYTES);
    cft_rec *two = cft_send_all(t, a, data + BYTES, BYTES);
    cft_rec *end = shut(t, a);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(end));
    size_t got = cft_take(t, b, seen, 2 * BYTES + 1);
    CFT_EXPECT(t, got == 2 * BYTES && memcmp(seen, data, got) == 0);
    cft_await(t, end);
    CFT_OK(t, end);
    CFT_EXPECT(t, cft_is_done(one) && cft_is_done(two) && end->done_at > two->done_at);
    cft_closed(t, a);
    cft_closed(t, b);
}

CFT_CASE(send_after_shutdown_says_epipe)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_rec *end = shut(t, a);
    cft_rec *send = cft_send(t, a, "x", 1);
    cft_await(t, end);
    CFT_OK(t, end);
    cft_await(t, send);
    CFT_STATUS(t, send, CEDE_EPIPE);
    cft_rec *all = cft_send_all(t, a, "x", 1);
    cft_await(t, all);
    CFT_STATUS(t, all, CEDE_EPIPE);
    expect_end(t, b);
    cft_closed(t, a);
    cft_closed(t, b);
}

CFT_CASE(shutdown_twice_is_shutdown_once)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_shut(t, a);
    cft_shut(t, a);
    expect_end(t, b);
    cft_await(t, cft_send_all(t, b, "still", 5));
    cft_rec *recv = cft_recv_all(t, a, 5);
    cft_await(t, recv);
    CFT_MOVED(t, recv, 5);
    cft_closed(t, a);
    cft_closed(t, b);
}

/* K6 */
CFT_CASE(shutdown_leaves_a_pending_recv_alone)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_rec *own = cft_recv(t, a, 10);
    cft_rec *other = cft_recv(t, b, 10);
    cft_flush(t);
    cft_shut(t, a);
    cft_await(t, other);
    CFT_OK(t, other);
    CFT_EXPECT(t, other->result.count == 0);
    CFT_EXPECT(t, !cft_is_done(own));
    cft_await(t, cft_send_all(t, b, "hello", 5));
    cft_await(t, own);
    CFT_MOVED(t, own, 5);
    cft_closed(t, a);
    cft_closed(t, b);
}

/* K5: what pends learns of it, once, and the handle is good for nothing but a close. */
CFT_CASE(reset_ends_a_pending_recv)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_rec *first = cft_recv(t, b, 10);
    cft_rec *second = cft_recv(t, b, 10);
    cft_flush(t);
    reset(t, a);
    cft_await(t, first);
    CFT_STATUS(t, first, CEDE_ECONNRESET);
    cft_await(t, second);
    CFT_EXPECT(t, second->result.status == CEDE_OK || second->result.status == CEDE_ECONNRESET);
    CFT_EXPECT(t, second->result.count == 0);
    cft_closed(t, b);
}

/* K5: what came before is counted, but the stream did not end there: there may have been more. */
CFT_CASE(reset_within_a_recv_all_is_not_the_end)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_rec *recv = cft_recv_all(t, b, 10);
    cft_flush(t);
    cft_await(t, cft_send_all(t, a, "hello", 5));
    cft_flush(t);
    reset(t, a);
    cft_await(t, recv);
    if (recv->result.status != CEDE_EEOF || !cft_deviates(t, "reset_is_no_news_later"))
        CFT_STATUS(t, recv, CEDE_ECONNRESET);
    CFT_EXPECT(t, recv->result.count <= 5);
    cft_closed(t, b);
}

CFT_CASE(reset_is_told_to_a_later_recv)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    reset(t, a);
    cft_rec *recv = cft_recv(t, b, 10);
    cft_await(t, recv);
    if (recv->result.status != CEDE_OK || !cft_deviates(t, "reset_is_no_news_later"))
        CFT_STATUS(t, recv, CEDE_ECONNRESET);
    CFT_EXPECT(t, recv->result.count == 0);
    cft_rec *send = cft_send(t, b, "x", 1);
    cft_await(t, send);
    CFT_EXPECT(t, is_gone(send));
    cft_closed(t, b);
}

CFT_CASE(reset_ends_a_pending_send)
{
    enum { BYTES = 2000000 };
    unsigned char *data = cft_alloc(t, BYTES);
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_narrow(t, b, a);
    cft_rec *send = cft_new(t);
    cede_prep_send_all(send->req, b, data, BYTES);
    cft_submit(send);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(send));
    reset(t, a);
    cft_await(t, send);
    CFT_EXPECT(t, is_gone(send));
    CFT_EXPECT(t, send->result.count < BYTES);
    cft_closed(t, b);
}

CFT_CASE(shutdown_of_a_gone_connection_says_so)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_rec *recv = cft_recv(t, b, 10);
    reset(t, a);
    cft_await(t, recv); /* it has heard of it */
    cft_rec *end = shut(t, b);
    cft_await(t, end);
    CFT_STATUS(t, end, cft_deviates(t, "shutdown_of_the_gone_succeeds") ? CEDE_OK : CEDE_ENOTCONN);
    cft_closed(t, b);
}

/* The default: a close sends the rest behind the scenes. */
CFT_CASE(close_drops_nothing_that_was_sent)
{
    enum { BYTES = 200000 };
    unsigned char *data = cft_alloc(t, BYTES), *seen = cft_alloc(t, BYTES + 1);
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_fill(data, BYTES, 4, 0);
    cft_rec *send = cft_send(t, a, data, BYTES);
    cft_await(t, send);
    CFT_EXPECT(t, send->result.status == CEDE_OK && send->result.count > 0);
    cft_closed(t, a);
    size_t got = cft_take(t, b, seen, BYTES + 1);
    CFT_EXPECT(t, got == send->result.count && memcmp(seen, data, got) == 0);
    cft_closed(t, b);
}

/* With a limit, the close waits on another thread than the loop's, and is done when all is sent. */
CFT_CASE(lingering_close_does_not_block_the_loop)
{
    enum { BYTES = 200000 };
    unsigned char *data = cft_alloc(t, BYTES), *seen = cft_alloc(t, BYTES + 1);
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_fill(data, BYTES, 4, 0);
    CFT_OK(t, cft_set(t, a, CEDE_OPTION_LINGER, (int64_t)CEDE_SECOND));
    cft_rec *send = cft_send(t, a, data, BYTES);
    cft_await(t, send);
    cft_rec *close = cft_close_of(t, a);
    cft_turn(t);
    if (cft_faulted(t)) /* nobody may take it: nothing to wait for */
        cft_drop(t, b);
    size_t got = cft_take(t, b, seen, BYTES + 1);
    CFT_EXPECT(t, got == send->result.count && memcmp(seen, data, got) == 0);
    cft_await(t, close);
    CFT_OK(t, close);
    cft_closed(t, b);
}

/* A3, A6 */
CFT_CASE(both_ends_agree_on_their_names)
{
    cede_address a_own, a_peer, b_own, b_peer, told;
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_TCP, &at);
    cft_rec *accept = cft_new(t);
    cede_prep_accept(accept->req, listener, cft_buffer(accept, sizeof told));
    cft_submit(accept);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_await(t, accept);
    CFT_OK(t, accept);
    memcpy(&told, accept->bytes, sizeof told);
    cede_handle a = connect->result.handle, b = accept->result.handle;
    CFT_EXPECT(t, cft_name(t, a, CEDE_NAME_OWN, &a_own) == CEDE_OK);
    CFT_EXPECT(t, cft_name(t, a, CEDE_NAME_PEER, &a_peer) == CEDE_OK);
    CFT_EXPECT(t, cft_name(t, b, CEDE_NAME_OWN, &b_own) == CEDE_OK);
    CFT_EXPECT(t, cft_name(t, b, CEDE_NAME_PEER, &b_peer) == CEDE_OK);
    CFT_EXPECT(t, cede_address_equal(&a_own, &b_peer) && cede_address_equal(&a_peer, &b_own));
    CFT_EXPECT(t, cede_address_equal(&told, &a_own) && cede_address_equal(&at, &b_own));
    CFT_EXPECT(t, cft_name(t, listener, CEDE_NAME_PEER, &told) == CEDE_ENOTCONN);
    cft_talk(t, a, b);
    cft_shut(t, b);
    expect_end(t, a);
    cft_closed(t, a);
    cft_closed(t, b);
    cft_closed(t, listener);
}

CFT_CASE(ipv6_is_served_like_ipv4)
{
    cede_address own = {0};
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP6, &a, &b);
    CFT_EXPECT(t, cft_name(t, b, CEDE_NAME_PEER, &own) == CEDE_OK);
    CFT_EXPECT(t, own.family == CEDE_ADDRESS_IPV6 && own.ip[15] == 1 && own.port);
    cft_talk(t, a, b);
    cft_closed(t, a);
    cft_closed(t, b);
}

/* ---- Links ---------------------------------------------------------------------------------- */

/* The chain that says a last word. */
CFT_CASE(link_of_send_shutdown_and_close)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_rec *send = cft_new(t), *end = cft_new(t), *close = cft_new(t);
    cede_prep_send_all(send->req, a, cft_input(send, "bye", 3), 3);
    cede_prep_shutdown(end->req, a);
    cede_prep_close(close->req, a);
    cft_link(send, end);
    cft_link(end, close);
    cft_submit(send);
    cft_rec *recv = cft_recv_all(t, b, 8);
    cft_settle(t); /* a wait for the peer's would not run what the chain needs */
    CFT_STATUS(t, recv, CEDE_EEOF);
    CFT_EXPECT(t, recv->result.count == 3 && memcmp(recv->bytes, "bye", 3) == 0);
    CFT_MOVED(t, send, 3);
    CFT_OK(t, end);
    CFT_OK(t, close);
    CFT_EXPECT(t, send->done_at < end->done_at && end->done_at < close->done_at);
    cft_closed(t, b);
}

CFT_CASE(link_from_a_recv_to_a_send)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_rec *recv = cft_new(t), *send = cft_new(t);
    cede_prep_recv_all(recv->req, b, cft_buffer(recv, 5), 5);
    cede_prep_send_all(send->req, b, cft_input(send, "after", 5), 5);
    cft_link(recv, send);
    cft_submit(recv);
    cft_rec *back = cft_recv_all(t, a, 5);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(back) && !cft_is_done(send));
    cft_await(t, cft_send_all(t, a, "hello", 5));
    if (cft_faulted(t)) /* in what was to come first: the link waits */
        cft_cancel(t, recv->ticket);
    cft_await(t, send);
    CFT_MOVED(t, send, 5);
    if (cft_faulted(t)) /* in the link: nothing comes back */
        cft_cancel(t, back->ticket);
    cft_await(t, back);
    CFT_MOVED(t, back, 5);
    CFT_EXPECT(t, recv->done_at < send->done_at);
    cft_closed(t, a);
    cft_closed(t, b);
}

CFT_CASE(link_breaks_when_the_peer_is_gone)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_closed(t, a);
    cft_rec *recv = cft_new(t), *send = cft_new(t), *close = cft_new(t);
    cede_prep_recv_all(recv->req, b, cft_buffer(recv, 5), 5);
    cede_prep_send_all(send->req, b, cft_input(send, "after", 5), 5);
    cede_prep_close(close->req, b);
    cft_link(recv, send);
    cft_link(send, close);
    cft_submit(recv);
    cft_await(t, close);
    CFT_STATUS(t, recv, CEDE_EEOF);
    CFT_ENDED(t, send, CEDE_ECANCELED, CEDE_BY_LINK);
    CFT_OK(t, close);
}

/* ---- Who waits to be accepted ---------------------------------------------------------------- */

/* A full backlog makes connects pend or be refused, sooner or later: systems keep some more than
 * they were told. */
CFT_CASE(backlog_is_how_many_may_wait)
{
    enum { ROOM = 6, MORE = 20 };
    cft_rec *listen = cft_new(t), *more = NULL;
    cede_address at = cft_address(t, CFT_TCP);
    cede_prep_listen(listen->req, &at, ROOM, 0);
    cft_do(listen);
    CFT_OK(t, listen);
    cft_name(t, listen->result.handle, CEDE_NAME_OWN, &at);
    for (uint32_t i = 0; i < ROOM; i++) {
        cft_rec *connect = cft_connect(t, &at);
        cft_await(t, connect);
        CFT_OK(t, connect);
    }
    for (uint32_t i = 0; i < MORE; i++) {
        more = cft_connect(t, &at);
        for (uint32_t turns = 0; turns < 20 && !cft_is_done(more); turns++)
            cft_run(t, CEDE_MILLISECOND / 2);
        if (!cft_is_done(more) || more->result.status != CEDE_OK)
            break;
    }
    CFT_CHECK(t, !cft_is_done(more) || more->result.status == CEDE_ECONNREFUSED);
    for (uint32_t i = 0; i < ROOM; i++) {
        cft_rec *accept = cft_accept(t, listen->result.handle);
        cft_await(t, accept);
        CFT_OK(t, accept);
    }
    cft_cancel(t, more->ticket);
    cft_await(t, more);
    cft_closed(t, listen->result.handle);
}
