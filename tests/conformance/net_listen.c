/*
 * Listening, accepting, connecting (A1 to A8, P1; laws 6, 7, 8, 10, 13, 15, 16).
 */
#include "conformance.h"

#include <string.h>

static cft_rec *listen_at(cft *t, const cede_address *at, uint32_t backlog, uint32_t flags)
{
    cft_rec *rec = cft_new(t);
    cede_prep_listen(rec->req, at, backlog, flags);
    cft_do(rec);
    return rec;
}

/* Two rows a case: over TCP, over a local name. */
#define LISTEN_CASE(name)                    \
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

LISTEN_CASE(accept_waits_for_a_client)
{
    cede_address at;
    cede_handle listener = cft_listening(t, kind, &at);
    cft_rec *accept = cft_accept(t, listener);
    cft_turn(t);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(accept));
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cft_await(t, connect);
    CFT_OK(t, connect);
    CFT_EXPECT(t, accept->result.handle != connect->result.handle);
    cft_talk(t, connect->result.handle, accept->result.handle);
    cft_closed(t, listener);
    cft_talk(t, accept->result.handle, connect->result.handle); /* it lives by itself */
}

/* A2, P1 */
LISTEN_CASE(accept_finds_a_client_that_waits)
{
    cede_address at;
    cede_handle listener = cft_listening(t, kind, &at);
    cft_rec *connect = cft_connect(t, &at);
    cft_turn(t);
    cft_flush(t);
    cft_rec *accept = cft_accept(t, listener);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_talk(t, connect->result.handle, accept->result.handle);
    cft_closed(t, listener);
}

/* A1 */
LISTEN_CASE(accept_cancelled_leaves_the_client_to_the_next)
{
    cede_address at;
    cede_handle listener = cft_listening(t, kind, &at);
    cft_rec *accept = cft_accept(t, listener);
    cft_flush(t);
    cft_cancel(t, accept->ticket);
    cft_await(t, accept);
    CFT_ENDED(t, accept, CEDE_ECANCELED, CEDE_BY_WISH);
    cft_rec *connect = cft_connect(t, &at);
    cft_rec *next = cft_accept(t, listener);
    cft_await(t, next);
    CFT_OK(t, next);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_talk(t, connect->result.handle, next->result.handle);
    cft_closed(t, listener);
}

struct client {
    cede_address at;
    cft_rec *connect;
};

static void feed_client(cft *t, void *context)
{
    struct client *client = context;
    client->connect = cft_connect(t, &client->at);
    cft_await(t, client->connect);
    CFT_OK(t, client->connect);
}

/* A2, S3: delivered, or there for the next; never lost, never taken and thrown away. */
LISTEN_CASE(client_and_cancel_lose_no_client)
{
    struct client *client = cft_alloc(t, sizeof *client);
    cede_handle listener = cft_listening(t, kind, &client->at);
    cft_rec *accept = cft_accept(t, listener);
    cft_reach(t, accept, feed_client, client);
    if (!client->connect)
        client->connect = cft_connect(t, &client->at);
    cft_cancel(t, accept->ticket);
    cft_await(t, accept);
    CFT_EXPECT(t, accept->result.status == CEDE_OK || accept->result.status == CEDE_ECANCELED);
    if (accept->result.status != CEDE_OK) {
        accept = cft_accept(t, listener);
        cft_await(t, accept);
    }
    CFT_OK(t, accept);
    cft_await(t, client->connect);
    CFT_OK(t, client->connect);
    cft_talk(t, client->connect->result.handle, accept->result.handle);
    cft_closed(t, listener);
}

/* Many pend; each client is taken by one of them. */
LISTEN_CASE(pending_accepts_take_a_client_each)
{
    enum { CLIENTS = 6 };
    cft_rec *accepts[CLIENTS + 2], *connects[CLIENTS];
    uint32_t taken = 0;
    cede_address at;
    cede_handle listener = cft_listening(t, kind, &at);
    for (uint32_t i = 0; i < CLIENTS + 2; i++)
        accepts[i] = cft_accept(t, listener);
    cft_flush(t);
    for (uint32_t i = 0; i < CLIENTS; i++)
        connects[i] = cft_connect(t, &at);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        cft_await(t, connects[i]);
        CFT_OK(t, connects[i]);
    }
    while (taken < CLIENTS && !cft_faulted(t)) {
        cft_run(t, CEDE_MILLISECOND);
        taken = 0;
        for (uint32_t i = 0; i < CLIENTS + 2; i++)
            taken += cft_is_done(accepts[i]) && accepts[i]->result.status == CEDE_OK;
    }
    cft_closed(t, listener);
    for (uint32_t i = 0; i < CLIENTS + 2; i++) {
        CFT_CHECK(t, cft_is_done(accepts[i]));
        taken -= accepts[i]->result.status == CEDE_OK;
    }
    CFT_EXPECT(t, taken == 0);
}

/* A7 */
LISTEN_CASE(close_ends_eight_accepts_and_then_itself)
{
    cft_rec *accepts[8];
    cede_address at;
    cede_handle listener = cft_listening(t, kind, &at);
    for (uint32_t i = 0; i < 8; i++)
        accepts[i] = cft_accept(t, listener);
    cft_flush(t);
    cft_rec *close = cft_close_of(t, listener);
    cft_await(t, close);
    CFT_OK(t, close);
    for (uint32_t i = 0; i < 8; i++) {
        CFT_CHECK(t, cft_is_done(accepts[i]) && accepts[i]->done_at < close->done_at);
        CFT_ENDED(t, accepts[i], CEDE_ECANCELED, CEDE_BY_CLOSE);
    }
    cft_rec *late = cft_accept(t, listener);
    cft_await(t, late);
    CFT_STATUS(t, late, CEDE_EBADF);
}

/* The listener's close is no end of the clients that nobody took, unless it is told to them. */
LISTEN_CASE(clients_that_nobody_took_learn_of_the_close)
{
    cede_address at;
    cede_handle listener = cft_listening(t, kind, &at);
    cft_rec *connect = cft_connect(t, &at);
    cft_turn(t);
    if (kind == CFT_TCP) { /* a named pipe's client may pend until it is taken */
        cft_await(t, connect);
        CFT_OK(t, connect);
    }
    cft_closed(t, listener);
    cft_await(t, connect);
    if (connect->result.status == CEDE_OK) {
        cft_rec *recv = cft_recv(t, connect->result.handle, 10);
        cft_await(t, recv);
        CFT_EXPECT(t, recv->result.status == CEDE_ECONNRESET ||
                          (recv->result.status == CEDE_OK && recv->result.count == 0));
    }
}

LISTEN_CASE(deadline_ends_a_pending_accept)
{
    cede_address at;
    cede_handle listener = cft_listening(t, kind, &at);
    uint64_t start = cede_now(cft_loop(t));
    cft_rec *accept = cft_new(t);
    cede_prep_accept(accept->req, listener, NULL);
    cede_within(accept->req, 3 * CEDE_MILLISECOND);
    cft_do(accept);
    CFT_ENDED(t, accept, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_EXPECT(t, cede_now(cft_loop(t)) - start >= 3 * CEDE_MILLISECOND);
    cft_rec *connect = cft_connect(t, &at); /* nobody else took it */
    cft_rec *next = cft_accept(t, listener);
    cft_await(t, next);
    CFT_OK(t, next);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_closed(t, listener);
}

/* A client that left is passed over, or delivered as what it is; the listener goes on. */
CFT_CASE(client_that_left_harms_no_accept)
{
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_TCP, &at);
    cft_rec *gone = cft_connect(t, &at);
    cft_await(t, gone);
    CFT_OK(t, gone);
    CFT_OK(t, cft_set(t, gone->result.handle, CEDE_OPTION_LINGER, 0));
    cft_closed(t, gone->result.handle);
    cft_rec *accept = cft_accept(t, listener);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cede_address peer, client;
    cft_name(t, connect->result.handle, CEDE_NAME_OWN, &client);
    if (cft_name(t, accept->result.handle, CEDE_NAME_PEER, &peer) != CEDE_OK ||
        !cede_address_equal(&peer, &client)) {
        cft_rec *recv = cft_recv(t, accept->result.handle, 10);
        cft_await(t, recv);
        CFT_EXPECT(t, recv->result.status == CEDE_ECONNRESET ||
                          (recv->result.status == CEDE_OK && recv->result.count == 0));
        accept = cft_accept(t, listener);
        cft_await(t, accept);
        CFT_OK(t, accept);
    }
    cft_talk(t, connect->result.handle, accept->result.handle);
    cft_closed(t, listener);
}

/* ---- Connecting ----------------------------------------------------------------------------- */

/* A4 */
CFT_CASE(connect_where_nobody_listens_is_refused)
{
    cede_address at;
    cede_handle listener = cft_listening_alone(t, CFT_TCP, &at);
    cft_closed(t, listener);
    for (uint32_t i = 0; i < 2; i++) {
        cft_rec *connect = cft_connect(t, &at);
        cft_await(t, connect);
        CFT_STATUS(t, connect, CEDE_ECONNREFUSED);
    }
}

CFT_CASE(connect_over_ipv6_where_nobody_listens_is_refused)
{
    cede_address at;
    cede_handle listener = cft_listening_alone(t, CFT_TCP6, &at);
    cft_closed(t, listener);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_STATUS(t, connect, CEDE_ECONNREFUSED);
}

/* TCP connects a socket with itself whose own port is the one it goes to, and Linux gives a connect
 * the even ports of its range one after the other, if twice as many as there are are asked for. */
CFT_CASE(connect_does_not_meet_itself)
{
    enum { ROUNDS = 30000, AT_ONCE = 8 };
    cft_rec *connects[AT_ONCE];
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_TCP, &at);
    at.port ^= 1; /* the listener's is odd as a rule */
    if (at.port % 2)
        cft_closed(t, listener);
    for (uint32_t i = 0; i < AT_ONCE; i++)
        connects[i] = cft_new(t);
    for (uint32_t round = 0; round < ROUNDS; round += AT_ONCE) {
        for (uint32_t i = 0; i < AT_ONCE; i++) {
            cft_reuse(connects[i]);
            cede_prep_connect(connects[i]->req, &at, 0);
            cft_submit(connects[i]);
        }
        for (uint32_t i = 0; i < AT_ONCE; i++) {
            cft_await(t, connects[i]);
            CFT_STATUS(t, connects[i], CEDE_ECONNREFUSED);
        }
    }
}

/* A group has no streams: no system sends anything there. */
CFT_CASE(connect_to_where_no_way_leads_is_told)
{
    cede_address at = cede_ipv4(224, 0, 0, 1, 9);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_EXPECT(t, connect->result.handle == 0);
    CFT_STATUS(t, connect, CEDE_ENETUNREACH);
}

/* A5, law 8: with its handle, or without one and closed (the run's end counts descriptors). */
LISTEN_CASE(connect_and_cancel_leak_no_socket)
{
    cede_address at;
    cede_handle listener = cft_listening(t, kind, &at);
    cft_rec *connect = cft_connect(t, &at);
    cft_reach(t, connect, NULL, NULL);
    cft_cancel(t, connect->ticket);
    cft_await(t, connect);
    CFT_EXPECT(t, connect->result.status == CEDE_OK || connect->result.status == CEDE_ECANCELED);
    cft_rec *accept = cft_accept(t, listener);
    if (connect->result.status == CEDE_OK) {
        cft_await(t, accept);
        CFT_OK(t, accept);
        cft_talk(t, connect->result.handle, accept->result.handle);
    } else { /* the peer may have seen it (law 7's table): then it sees the end */
        cft_turn(t);
        cft_cancel(t, accept->ticket);
        cft_await(t, accept);
        if (accept->result.status == CEDE_OK) {
            cft_rec *recv = cft_recv(t, accept->result.handle, 10);
            cft_await(t, recv);
            CFT_EXPECT(t, recv->result.status == CEDE_ECONNRESET ||
                              (recv->result.status == CEDE_OK && recv->result.count == 0));
        }
    }
    cft_closed(t, listener);
}

/* ---- Listening ------------------------------------------------------------------------------ */

CFT_CASE(address_in_use_is_told_and_free_after_a_close)
{
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_TCP, &at);
    cft_rec *second = listen_at(t, &at, 0, 0);
    CFT_STATUS(t, second, CEDE_EADDRINUSE);
    cft_rec *accept = cft_accept(t, listener); /* it still listens */
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cft_await(t, connect);
    /* This side ends first, which leaves the port with a connection that is remembered. */
    cft_closed(t, accept->result.handle);
    cft_closed(t, listener);
    cft_rec *again = listen_at(t, &at, 0, 0);
    CFT_OK(t, again);
    cft_closed(t, connect->result.handle);
    cft_closed(t, again->result.handle);
}

CFT_CASE(address_of_another_machine_is_not_to_be_had)
{
    cede_address at = cede_ipv4(192, 0, 2, 1, 0); /* for documentation only (RFC 5737) */
    cft_rec *listen = listen_at(t, &at, 0, 0);
    CFT_STATUS(t, listen, CEDE_EADDRNOTAVAIL);
    cft_rec *datagram = cft_new(t);
    cede_prep_datagram(datagram->req, &at, 0);
    cft_do(datagram);
    CFT_STATUS(t, datagram,
               cft_deviates(t, "datagram_binds_anywhere") ? CEDE_OK : CEDE_EADDRNOTAVAIL);
}

CFT_CASE(ipv6_listeners_leave_ipv4_alone_unless_told)
{
    cede_address at = cede_address_any(CEDE_ADDRESS_IPV6, 0), where, peer, four;
    cft_closed(t, cft_listening_alone(t, CFT_TCP, &four));
    at.port = four.port; /* no other program listens there by IPv4 */
    cft_rec *listen = listen_at(t, &at, 0, 0);
    CFT_OK(t, listen);
    cft_rec *connect = cft_connect(t, &four);
    cft_await(t, connect);
    CFT_STATUS(t, connect, CEDE_ECONNREFUSED);
    cft_closed(t, listen->result.handle);
    at.port = 0;
    listen = listen_at(t, &at, 0, CEDE_LISTEN_DUAL);
    CFT_OK(t, listen);
    cft_name(t, listen->result.handle, CEDE_NAME_OWN, &where);
    four.port = where.port;
    cft_rec *accept = cft_new(t);
    cede_prep_accept(accept->req, listen->result.handle, cft_buffer(accept, sizeof peer));
    cft_submit(accept);
    connect = cft_connect(t, &four);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_await(t, accept);
    CFT_OK(t, accept);
    memcpy(&peer, accept->bytes, sizeof peer);
    CFT_EXPECT(t, peer.family == CEDE_ADDRESS_IPV6 && peer.ip[10] == 0xff && peer.ip[12] == 127);
    cft_closed(t, listen->result.handle);
}

/* To a listener of either kind; the client's own names are as it was told to go. */
static void connect_mapped(cft *t, cede_handle listener, uint16_t port)
{
    cede_address to = cft_mapped_loopback(port), own = {0}, peer = {0};
    cft_rec *accept = cft_accept(t, listener), *connect = cft_connect(t, &to);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cft_name(t, connect->result.handle, CEDE_NAME_OWN, &own);
    cft_name(t, connect->result.handle, CEDE_NAME_PEER, &peer);
    CFT_EXPECT(t, own.family == CEDE_ADDRESS_IPV6 && memcmp(own.ip, to.ip, sizeof to.ip) == 0);
    CFT_EXPECT(t, cede_address_equal(&peer, &to));
    cft_talk(t, connect->result.handle, accept->result.handle);
    cft_closed(t, connect->result.handle);
    cft_closed(t, accept->result.handle);
}

CFT_CASE(connect_to_a_mapped_address_is_one_over_ipv4)
{
    cede_address at;
    cede_handle listener = cft_listening_alone(t, CFT_TCP, &at);
    connect_mapped(t, listener, at.port ? at.port : 1);
    cft_closed(t, listener);
    cede_address nobody = cft_mapped_loopback(at.port ? at.port : 1);
    cft_rec *connect = cft_connect(t, &nobody);
    cft_await(t, connect);
    CFT_STATUS(t, connect, CEDE_ECONNREFUSED);
}

CFT_CASE(listener_at_a_mapped_address_is_one_of_ipv4)
{
    cede_address at = cft_mapped_loopback(0), where, four;
    cft_rec *listen = listen_at(t, &at, 0, 0);
    CFT_STATUS(t, listen, CEDE_EINVAL);
    listen = listen_at(t, &at, 0, CEDE_LISTEN_DUAL);
    CFT_OK(t, listen);
    cft_name(t, listen->result.handle, CEDE_NAME_OWN, &where);
    CFT_EXPECT(t, memcmp(where.ip, at.ip, sizeof at.ip) == 0);
    connect_mapped(t, listen->result.handle, where.port ? where.port : 1);
    four = cede_address_loopback(CEDE_ADDRESS_IPV4, where.port ? where.port : 1);
    cft_rec *accept = cft_accept(t, listen->result.handle), *connect = cft_connect(t, &four);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cft_closed(t, listen->result.handle);
}

CFT_CASE(shared_listeners_share_an_address_or_say_that_they_cannot)
{
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    cft_rec *one = listen_at(t, &at, 0, CEDE_LISTEN_SHARED);
    if (one->result.status == CEDE_ENOTSUP)
        return;
    CFT_OK(t, one);
    cft_name(t, one->result.handle, CEDE_NAME_OWN, &at);
    cft_rec *two = listen_at(t, &at, 0, CEDE_LISTEN_SHARED);
    CFT_OK(t, two);
    cft_rec *first = cft_accept(t, one->result.handle);
    cft_rec *second = cft_accept(t, two->result.handle);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_OK(t, connect);
    while (!cft_is_done(first) && !cft_is_done(second) && !cft_faulted(t))
        cft_run(t, CEDE_MILLISECOND);
    CFT_EXPECT(t, cft_is_done(first) != cft_is_done(second));
    cft_closed(t, one->result.handle);
    cft_closed(t, two->result.handle);
}

/* Where there is no such thing, it is a listener like any other. */
CFT_CASE(fast_open_is_for_those_who_ask)
{
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    cft_rec *listen = listen_at(t, &at, 0, CEDE_LISTEN_FAST_OPEN);
    CFT_OK(t, listen);
    cft_name(t, listen->result.handle, CEDE_NAME_OWN, &at);
    cft_rec *accept = cft_accept(t, listen->result.handle);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_await(t, accept);
    CFT_OK(t, accept);
    if (!cft_faulted(t))
        cft_talk(t, connect->result.handle, accept->result.handle);
    cft_closed(t, listen->result.handle);
}

/* A8, law 15: the accept waits until there are descriptors again; the listener survives. */
CFT_CASE(accept_at_the_descriptor_limit_waits)
{
    enum { MOST = 200 };
    cede_handle held[MOST];
    uint32_t count = 0;
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_TCP, &at);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_limit_descriptors(t, 6);
    for (;;) {
        cede_address any = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
        cft_rec *fill = cft_new(t);
        cede_prep_datagram(fill->req, &any, 0);
        cft_do(fill);
        if (fill->result.status != CEDE_OK) {
            CFT_STATUS(t, fill, CEDE_EMFILE);
            break;
        }
        held[count++] = fill->result.handle;
        CFT_CHECK(t, count < MOST);
    }
    cft_rec *accept = cft_accept(t, listener);
    for (uint32_t i = 0; i < 5; i++)
        cft_run(t, CEDE_MILLISECOND);
    CFT_EXPECT(t, !cft_is_done(accept));
    cft_rec *other = cft_accept(t, listener);
    cft_turn(t);
    cft_cancel(t, other->ticket); /* while it waits */
    cft_await(t, other);
    CFT_ENDED(t, other, CEDE_ECANCELED, CEDE_BY_WISH);
    for (uint32_t i = 0; i < count; i++)
        cft_closed(t, held[i]);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cft_talk(t, connect->result.handle, accept->result.handle);
    cft_closed(t, listener);
}

/* ---- Many ----------------------------------------------------------------------------------- */

CFT_CASE(a_thousand_connections_come_and_go)
{
    enum { ROUNDS = 50, AT_ONCE = 20 };
    cft_rec *accepts[AT_ONCE], *connects[AT_ONCE];
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_TCP, &at);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < AT_ONCE; i++) {
            accepts[i] = cft_accept(t, listener);
            connects[i] = cft_connect(t, &at);
        }
        for (uint32_t i = 0; i < AT_ONCE; i++) {
            cft_await(t, accepts[i]);
            CFT_OK(t, accepts[i]);
            cft_await(t, connects[i]);
            CFT_OK(t, connects[i]);
        }
        for (uint32_t i = 0; i < AT_ONCE; i++) {
            /* With a reset, so that no port is kept from others for a minute. */
            CFT_OK(t, cft_set(t, connects[i]->result.handle, CEDE_OPTION_LINGER, 0));
            cft_drop(t, connects[i]->result.handle);
            if (i % 2)
                cft_drop(t, accepts[i]->result.handle);
            else
                cft_closed(t, accepts[i]->result.handle);
        }
    }
    cft_closed(t, listener);
}
