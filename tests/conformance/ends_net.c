/*
 * Every way to end an operation, for those of sockets. See ends.c.
 */
#include "ends.h"

#include <string.h>

/* ---- What makes a handle: it is delivered, or there is none ---------------------------------- */

static void listen_prepare(cft *t, stage *s)
{
    cede_address at = cft_address(t, CFT_TCP);
    cede_prep_listen(s->rec->req, &at, 0, 0);
}

static void listen_local_prepare(cft *t, stage *s)
{
    cede_address at = cft_address(t, CFT_LOCAL);
    cede_prep_listen(s->rec->req, &at, 0, 0);
}

static void datagram_prepare(cft *t, stage *s)
{
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    (void)t;
    cede_prep_datagram(s->rec->req, &at, 0);
}

static void connect_to(cft *t, stage *s, uint32_t kind)
{
    cede_address at;
    s->second = cft_listening(t, kind, &at);
    cede_prep_connect(s->rec->req, &at, 0);
}

static void connect_prepare(cft *t, stage *s)
{
    connect_to(t, s, CFT_TCP);
}

static void connect_local_prepare(cft *t, stage *s)
{
    connect_to(t, s, CFT_LOCAL);
}

static void pair_prepare(cft *t, stage *s)
{
    (void)t;
    cft_prep_pair(s->rec, CEDE_PAIR_STREAM);
}

static void pair_check(cft *t, stage *s, bool happened)
{
    CFT_CHECK(t, (s->rec->number != 0) == happened);
    CFT_CHECK(t, !happened || s->rec->number != s->rec->result.handle);
    cft_ends_made(t, s, happened);
    cede_drop(s->rec->number);
}

static void accept_on(cft *t, stage *s, uint32_t kind)
{
    cede_address *at = cft_alloc(t, sizeof *at);
    s->handle = cft_listening(t, kind, at);
    s->rec->data = at;
    cede_prep_accept(s->rec->req, s->handle, cft_buffer(s->rec, sizeof(cede_address)));
}

static void accept_prepare(cft *t, stage *s)
{
    accept_on(t, s, CFT_TCP);
}

static void accept_local_prepare(cft *t, stage *s)
{
    accept_on(t, s, CFT_LOCAL);
}

static void accept_feed(cft *t, stage *s)
{
    cft_rec *connect = cft_connect(t, s->rec->data);
    cft_await(t, connect);
    CFT_OK(t, connect);
    s->second = connect->result.handle;
}

/* ---- Streams -------------------------------------------------------------------------------- */

static void recv_prepare(cft *t, stage *s)
{
    cft_connected(t, CFT_TCP, &s->second, &s->handle);
    cede_prep_recv(s->rec->req, s->handle, cft_buffer(s->rec, 10), 10);
}

static void recv_all_prepare(cft *t, stage *s)
{
    cft_connected(t, CFT_LOCAL, &s->second, &s->handle);
    cede_prep_recv_all(s->rec->req, s->handle, cft_buffer(s->rec, 10), 10);
}

static void recv_feed(cft *t, stage *s)
{
    cft_await(t, cft_send_all(t, s->second, "0123456789", 10));
}

static void recv_check(cft *t, stage *s, bool happened)
{
    uint64_t count = s->rec->result.count;
    CFT_CHECK(t, !happened || count > 0);
    CFT_CHECK(t, memcmp(s->rec->bytes, "0123456789", count) == 0);
    for (uint64_t i = count; i < 10; i++)
        CFT_CHECK(t, s->rec->bytes[i] == 0xee);
}

static void send_prepare(cft *t, stage *s)
{
    cft_connected(t, CFT_TCP, &s->handle, &s->second);
    cede_prep_send(s->rec->req, s->handle, cft_input(s->rec, "0123456789", 10), 10);
}

static void send_all_prepare(cft *t, stage *s)
{
    cft_connected(t, CFT_LOCAL, &s->handle, &s->second);
    cede_prep_send_all(s->rec->req, s->handle, cft_input(s->rec, "0123456789", 10), 10);
}

static void sendv_prepare(cft *t, stage *s)
{
    cede_vec *vec = cft_alloc(t, 2 * sizeof *vec);
    cft_connected(t, CFT_TCP, &s->handle, &s->second);
    vec[0] = (cede_vec){cft_input(s->rec, "0123", 4), 4};
    vec[1] = (cede_vec){cft_input(s->rec, "456789", 6), 6};
    cede_prep_sendv(s->rec->req, s->handle, vec, 2);
}

/* What the peer gets up to the end is what was counted. */
static void send_check(cft *t, stage *s, bool happened)
{
    char seen[16];
    uint64_t count = s->rec->result.count;
    CFT_CHECK(t, !happened || count > 0);
    if (s->round == BY_LOOP) /* the loop has closed, and the peer's end with it */
        return;
    cft_drop(t, s->handle);
    CFT_CHECK(t, cft_take(t, s->second, seen, sizeof seen) == count || cft_faulted(t));
    CFT_EXPECT(t, memcmp(seen, "0123456789", count) == 0);
}

static void shutdown_prepare(cft *t, stage *s)
{
    cft_connected(t, CFT_TCP, &s->handle, &s->second);
    cede_prep_shutdown(s->rec->req, s->handle);
}

static void shutdown_check(cft *t, stage *s, bool happened)
{
    if (s->round == BY_LOOP || (s->rec->result.flags & CEDE_BY_CLOSE))
        return;
    cft_rec *recv = cft_recv(t, s->second, 10);
    cft_turn(t);
    cft_flush(t);
    if (!happened) {
        CFT_EXPECT(t, !cft_is_done(recv) || s->round == BY_CLOSE);
        cft_cancel(t, recv->ticket);
    }
    cft_await(t, recv);
    CFT_EXPECT(t, !happened || (recv->result.status == CEDE_OK && recv->result.count == 0));
}

/* ---- Datagrams ------------------------------------------------------------------------------ */

static void recvfrom_prepare(cft *t, stage *s)
{
    cede_address *at = cft_alloc(t, sizeof *at);
    cede_address other;
    s->handle = cft_datagrams(t, CEDE_ADDRESS_IPV4, at);
    s->second = cft_datagrams(t, CEDE_ADDRESS_IPV4, &other);
    s->rec->data = at;
    cede_prep_recvfrom(s->rec->req, s->handle, cft_buffer(s->rec, 10), 10,
                       cft_alloc(t, sizeof(cede_address)));
}

static void recvfrom_feed(cft *t, stage *s)
{
    cft_await(t, cft_sendto(t, s->second, "0123456789", 10, s->rec->data));
}

static void sendto_prepare(cft *t, stage *s)
{
    cede_address at, other;
    s->second = cft_datagrams(t, CEDE_ADDRESS_IPV4, &at);
    s->handle = cft_datagrams(t, CEDE_ADDRESS_IPV4, &other);
    cede_prep_sendto(s->rec->req, s->handle, cft_input(s->rec, "0123456789", 10), 10, &at);
}

static void sendto_check(cft *t, stage *s, bool happened)
{
    CFT_CHECK(t, s->rec->result.count == (happened ? 10u : 0u));
    if (s->round == BY_LOOP)
        return;
    cft_rec *recv = cft_recvfrom(t, s->second, 20, NULL);
    cft_turn(t);
    if (!happened)
        cft_cancel(t, recv->ticket);
    cft_await(t, recv);
    CFT_EXPECT(t, (recv->result.status == CEDE_OK) == happened);
    CFT_EXPECT(t, recv->result.count == s->rec->result.count);
}

/* ---- What is told and set -------------------------------------------------------------------- */

static void name_prepare(cft *t, stage *s)
{
    cede_address at;
    s->handle = cft_listening(t, CFT_TCP, &at);
    cede_prep_name(s->rec->req, s->handle, CEDE_NAME_OWN, cft_buffer(s->rec, sizeof at));
}

static void name_check(cft *t, stage *s, bool happened)
{
    cede_address at;
    memcpy(&at, s->rec->bytes, sizeof at);
    CFT_CHECK(t, !happened || (at.family == CEDE_ADDRESS_IPV4 && at.port && at.ip[0] == 127));
}

static void set_option_prepare(cft *t, stage *s)
{
    cft_connected(t, CFT_TCP, &s->handle, &s->second);
    cede_prep_set_option(s->rec->req, s->handle, CEDE_OPTION_KEEP_ALIVE, 1);
}

static void get_option_prepare(cft *t, stage *s)
{
    cft_connected(t, CFT_TCP, &s->handle, &s->second);
    cede_prep_get_option(s->rec->req, s->handle, CEDE_OPTION_KEEP_ALIVE);
}

static void set_option_check(cft *t, stage *s, bool happened)
{
    if (s->round == BY_LOOP || (s->rec->result.flags & CEDE_BY_CLOSE))
        return;
    cft_rec *get = cft_new(t);
    cede_prep_get_option(get->req, s->handle, CEDE_OPTION_KEEP_ALIVE);
    cft_do(get);
    if (get->result.status == CEDE_OK)
        CFT_CHECK(t, get->result.count == happened);
}

static void group_prepare(cft *t, stage *s)
{
    cede_address own, group = cede_ipv4(239, 1, 2, 3, 0);
    s->handle = cft_datagrams(t, CEDE_ADDRESS_IPV4, &own);
    cede_prep_group(s->rec->req, s->handle, &group,
                    cft_deviates(t, "no_interface_by_index") ? 0 : 1, CEDE_GROUP_JOIN);
}

/* ---- The cases ------------------------------------------------------------------------------ */

ENDS(listen, LISTEN, listen_prepare, NULL, cft_ends_made)
ENDS(listen_local, LISTEN, listen_local_prepare, NULL, cft_ends_made)
ENDS(connect, CONNECT, connect_prepare, NULL, cft_ends_made)
ENDS(connect_local, CONNECT, connect_local_prepare, NULL, cft_ends_made)
ENDS(accept, ACCEPT, accept_prepare, accept_feed, cft_ends_made)
ENDS(accept_local, ACCEPT, accept_local_prepare, accept_feed, cft_ends_made)
ENDS(pair, PAIR, pair_prepare, NULL, pair_check)
ENDS(recv, RECV, recv_prepare, recv_feed, recv_check)
ENDS(recv_all, RECV_ALL, recv_all_prepare, recv_feed, recv_check)
ENDS(send, SEND, send_prepare, NULL, send_check)
ENDS(send_all, SEND_ALL, send_all_prepare, NULL, send_check)
ENDS(sendv, SENDV, sendv_prepare, NULL, send_check)
ENDS(shutdown, SHUTDOWN, shutdown_prepare, NULL, shutdown_check)
ENDS(datagram, DATAGRAM, datagram_prepare, NULL, cft_ends_made)
ENDS(recvfrom, RECVFROM, recvfrom_prepare, recvfrom_feed, recv_check)
ENDS(sendto, SENDTO, sendto_prepare, NULL, sendto_check)
ENDS(group, GROUP, group_prepare, NULL, cft_ends_nothing)
ENDS(name, NAME, name_prepare, NULL, name_check)
ENDS(set_option, SET_OPTION, set_option_prepare, NULL, set_option_check)
ENDS(get_option, GET_OPTION, get_option_prepare, NULL, cft_ends_nothing)
