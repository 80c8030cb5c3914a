/*
 * How sockets end: close, drop, scopes, the loop; and how they change hands (C1 to C7, Z3, L1, L10;
 * laws 6, 10, 11, 12).
 */
#include "conformance.h"

#include <string.h>

static void expect_end(cft *t, cede_handle handle)
{
    cft_rec *recv = cft_recv(t, handle, 10);
    cft_await(t, recv);
    CFT_EXPECT(t, (recv->result.status == CEDE_OK && recv->result.count == 0) ||
                      recv->result.status == CEDE_ECONNRESET);
}

/* C1: both directions pending, some held behind others. */
static void close_ends_all(cft *t, uint32_t kind, bool drops)
{
    enum { BYTES = 2000000 };
    unsigned char *data = cft_alloc(t, BYTES);
    cft_rec *all[6], *close = NULL;
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_narrow(t, a, b);
    for (uint32_t i = 0; i < 3; i++)
        all[i] = cft_recv(t, a, 10);
    for (uint32_t i = 3; i < 6; i++) {
        all[i] = cft_new(t);
        cede_prep_send_all(all[i]->req, a, data, BYTES);
        cft_submit(all[i]);
    }
    cft_flush(t);
    if (drops) {
        cft_drop(t, a);
        for (uint32_t i = 0; i < 6; i++)
            cft_await(t, all[i]);
    } else {
        close = cft_close_of(t, a);
        cft_await(t, close);
        CFT_OK(t, close);
    }
    for (uint32_t i = 0; i < 6; i++) {
        CFT_CHECK(t, cft_is_done(all[i]) && (!close || all[i]->done_at < close->done_at));
        CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_CLOSE);
    }
    cft_rec *late = cft_recv(t, a, 10); /* stale */
    cft_await(t, late);
    CFT_STATUS(t, late, CEDE_EBADF);
    cft_closed(t, b);
}

CFT_CASE(close_of_a_tcp_stream_ends_all_that_pends)
{
    close_ends_all(t, CFT_TCP, false);
}

CFT_CASE(close_of_a_local_stream_ends_all_that_pends)
{
    close_ends_all(t, CFT_LOCAL, false);
}

CFT_CASE(drop_of_a_tcp_stream_ends_all_that_pends)
{
    close_ends_all(t, CFT_TCP, true);
}

CFT_CASE(drop_of_a_local_stream_ends_all_that_pends)
{
    close_ends_all(t, CFT_LOCAL, true);
}

static void close_there(cft_rec *recv)
{
    cft_rec *close = recv->data;
    cede_prep_close(close->req, recv->number);
    cft_submit_on(close, recv->loop);
}

/* C3 */
CFT_CASE(stream_may_be_closed_in_its_own_callback)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_rec *first = cft_new(t), *close = cft_new(t);
    first->then = close_there;
    first->data = close;
    first->number = b;
    cede_prep_recv(first->req, b, cft_buffer(first, 5), 5);
    cft_submit(first);
    cft_rec *second = cft_recv(t, b, 5);
    cft_await(t, cft_send_all(t, a, "x", 1));
    cft_settle(t);
    CFT_EXPECT(t, first->result.status == CEDE_OK && first->result.count == 1);
    CFT_ENDED(t, second, CEDE_ECANCELED, CEDE_BY_CLOSE);
    CFT_OK(t, close);
    expect_end(t, a);
    cft_closed(t, a);
}

/* C2: neither its old requests nor old wishes reach what has its number now. */
CFT_CASE(stale_stream_never_reaches_a_later_one)
{
    cede_handle a = 0, b = 0, c = 0, d = 0;
    cft_connected(t, CFT_PAIR, &a, &b);
    cft_rec *old = cft_recv(t, a, 10);
    cft_flush(t);
    cede_ticket ticket = old->ticket;
    cft_closed(t, a);
    CFT_CHECK(t, cft_is_done(old));
    cft_closed(t, b);
    cft_connected(t, CFT_PAIR, &c, &d);
    cft_rec *recv = cft_recv(t, c, 5);
    cft_flush(t);
    cft_cancel(t, ticket);
    cft_drop(t, a);
    cft_drop(t, b);
    cft_rec *send = cft_send(t, a, "wrong", 5);
    cft_await(t, send);
    CFT_STATUS(t, send, CEDE_EBADF);
    CFT_EXPECT(t, !cft_is_done(recv));
    cft_await(t, cft_send_all(t, d, "right", 5));
    cft_await(t, recv);
    CFT_MOVED(t, recv, 5);
    CFT_EXPECT(t, memcmp(recv->bytes, "right", recv->result.count) == 0);
    cft_closed(t, c);
    cft_closed(t, d);
}

/* Z3: the object of two streams, as in the contract's example. */
CFT_CASE(scope_owns_its_sockets)
{
    cede_handle a = 0, b = 0, c = 0, d = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_connected(t, CFT_TCP, &c, &d);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cft_turn(t);
    cede_own(scope->ticket, b);
    cede_own(scope->ticket, d);
    cft_rec *members[3];
    for (uint32_t i = 0; i < 3; i++) {
        members[i] = cft_new(t);
        cede_prep_recv(members[i]->req, i < 2 ? b : d, cft_buffer(members[i], 10), 10);
        cede_in(members[i]->req, scope->ticket);
        cft_submit(members[i]);
    }
    cft_flush(t);
    cft_fail(t, scope->ticket, CEDE_EIO);
    cft_await(t, scope);
    CFT_STATUS(t, scope, CEDE_EIO);
    for (uint32_t i = 0; i < 3; i++) {
        CFT_EXPECT(t, cft_is_done(members[i]) && members[i]->returned_at < scope->done_at);
        CFT_ENDED(t, members[i], CEDE_ECANCELED, CEDE_BY_SCOPE);
    }
    if (cft_faulted(t)) /* there may have been no scope to own them */
        return;
    expect_end(t, a);
    expect_end(t, c);
    cft_rec *late = cft_recv(t, b, 10);
    cft_await(t, late);
    CFT_STATUS(t, late, CEDE_EBADF);
    cft_closed(t, a);
    cft_closed(t, c);
}

/* L1 */
CFT_CASE(loop_close_ends_sockets_with_everything_pending)
{
    enum { BYTES = 2000000, MANY = 12 };
    unsigned char *data = cft_alloc(t, BYTES);
    cft_rec *all[MANY];
    cede_address at, dgram;
    cede_handle a = 0, b = 0, c = 0, d = 0;
    cede_handle listener = cft_listening(t, CFT_TCP, &at);
    cede_handle socket = cft_datagrams(t, CEDE_ADDRESS_IPV4, &dgram);
    cft_connected(t, CFT_TCP, &a, &b);
    cft_connected(t, CFT_LOCAL, &c, &d);
    cft_narrow(t, a, b);
    all[0] = cft_accept(t, listener);
    all[1] = cft_accept(t, listener);
    all[2] = cft_recvfrom(t, socket, 10, NULL);
    all[3] = cft_recvfrom(t, socket, 10, NULL);
    all[4] = cft_recv(t, a, 10);
    all[5] = cft_recv(t, a, 10);
    all[6] = cft_recv_all(t, c, 10);
    all[7] = cft_recv(t, d, 10);
    for (uint32_t i = 8; i < 10; i++) {
        all[i] = cft_new(t);
        cede_prep_send_all(all[i]->req, a, data, BYTES);
        cft_submit(all[i]);
    }
    all[10] = cft_new(t);
    cede_prep_shutdown(all[10]->req, a);
    cft_submit(all[10]);
    all[11] = cft_new(t);
    cede_prep_accept(all[11]->req, listener, cft_alloc(t, sizeof at));
    cft_submit(all[11]);
    cft_flush(t);
    CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    for (uint32_t i = 0; i < MANY; i++) {
        CFT_CHECK(t, cft_is_done(all[i]));
        CFT_EXPECT(t, all[i]->result.status == CEDE_ECANCELED);
    }
}

CFT_CASE(dropped_listener_ends_its_accepts)
{
    cede_address at;
    cede_handle listener = cft_listening_alone(t, CFT_TCP, &at);
    cft_rec *accept = cft_accept(t, listener);
    cft_flush(t);
    cft_drop(t, listener);
    cft_await(t, accept);
    CFT_ENDED(t, accept, CEDE_ECANCELED, CEDE_BY_CLOSE);
    cft_settle(t); /* the drop is over */
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_STATUS(t, connect, CEDE_ECONNREFUSED);
}

/* ---- Changing hands ------------------------------------------------------------------------- */

struct other {
    cft *t;
    cede_loop *loop;
    cede_handle handle;
    cft_rec *recv, *send;
};

/* What one thread accepted, another serves: passing the value is enough. */
static void serve(void *context)
{
    struct other *other = context;
    cede_prep_recv_all(other->recv->req, other->handle, cft_buffer(other->recv, 5), 5);
    cft_submit_on(other->recv, other->loop);
    CFT_CHECK(other->t, cft_run_on(other->loop, CEDE_FOREVER) >= 0);
    cede_prep_send_all(other->send->req, other->handle,
                       cft_input(other->send, other->recv->bytes, 5), 5);
    cft_submit_on(other->send, other->loop);
    CFT_CHECK(other->t, cft_run_on(other->loop, CEDE_FOREVER) >= 0);
    CFT_CHECK(other->t, cft_close_on(other->t, other->loop, CEDE_FOREVER) == CEDE_OK);
}

CFT_CASE(accepted_stream_is_served_by_another_loop_and_thread)
{
    cede_options options;
    struct other *other = cft_alloc(t, sizeof *other);
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_options(t, &options);
    other->t = t;
    other->loop = cft_open(t, &options);
    other->handle = b;
    other->recv = cft_new(t);
    other->send = cft_new(t);
    cft_rec *send = cft_send_all(t, a, "hello", 5);
    cft_await(t, send);
    cft_thread(t, serve, other);
    cft_rec *back = cft_recv_all(t, a, 5);
    cft_await(t, back);
    CFT_MOVED(t, back, 5);
    CFT_EXPECT(t, memcmp(back->bytes, "hello", 5) == 0);
    cft_join(t);
    expect_end(t, a); /* that loop's close closed it */
    cft_closed(t, a);
}

CFT_CASE(stream_of_another_loop_is_invalid)
{
    cede_options options;
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_talk(t, a, b); /* bound */
    cft_options(t, &options);
    cede_loop *loop = cft_open(t, &options);
    cft_rec *recv = cft_new(t);
    cede_prep_recv(recv->req, a, cft_buffer(recv, 5), 5);
    cft_submit_on(recv, loop);
    CFT_CHECK(t, cft_wait_on(loop, recv->ticket, CEDE_FOREVER) == CEDE_OK);
    CFT_STATUS(t, recv, CEDE_EINVAL);
    cft_talk(t, a, b);
    cft_closed(t, a);
    cft_closed(t, b);
}

/* Released and imported again, AUTO: the kind is asked of the system. */
CFT_CASE(released_sockets_are_known_when_they_come_back)
{
    cede_address at, dgram, peer;
    cede_handle all[3], b = 0;
    cft_connected(t, CFT_TCP, &all[0], &b);
    all[1] = cft_listening(t, CFT_TCP, &at);
    all[2] = cft_datagrams(t, CEDE_ADDRESS_IPV4, &dgram);
    for (uint32_t i = 0; i < 3; i++) {
        intptr_t native = -1;
        cede_status status = cede_release(all[i], &native);
        if (status == CEDE_ENOTSUP) /* a port cannot be left */
            continue;
        CFT_CHECK(t, status == CEDE_OK);
        cede_handle handle = cede_import(native, CEDE_KIND_AUTO, 0);
        CFT_CHECK(t, handle != 0);
        cft_keep_handle(t, handle);
        all[i] = handle;
    }
    cft_talk(t, all[0], b);
    cft_rec *accept = cft_accept(t, all[1]);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cft_rec *send = cft_sendto(t, all[2], "self", 4, &dgram);
    cft_await(t, send);
    CFT_OK(t, send);
    cft_rec *wrong = cft_accept(t, all[2]);
    cft_await(t, wrong);
    CFT_STATUS(t, wrong, CEDE_EINVAL);
    wrong = cft_recv(t, all[1], 1);
    cft_await(t, wrong);
    CFT_STATUS(t, wrong, CEDE_EINVAL);
    wrong = cft_recvfrom(t, all[0], 1, NULL);
    cft_await(t, wrong);
    CFT_STATUS(t, wrong, CEDE_EINVAL);
    CFT_EXPECT(t, cft_name(t, all[0], CEDE_NAME_PEER, &peer) == CEDE_OK);
    for (uint32_t i = 0; i < 3; i++)
        cft_closed(t, all[i]);
    cft_closed(t, b);
}
