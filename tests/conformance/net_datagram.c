/*
 * Datagrams (K14; laws 6, 7, 13, 16).
 */
#include "conformance.h"

#include <string.h>

struct two {
    cede_handle one, other;
    cede_address one_at, other_at;
};

static struct two *two_of(cft *t, uint16_t family)
{
    struct two *s = cft_alloc(t, sizeof *s);
    s->one = cft_datagrams(t, family, &s->one_at);
    s->other = cft_datagrams(t, family, &s->other_at);
    return s;
}

static void sent(cft *t, cede_handle from, const char *text, const cede_address *to)
{
    cft_rec *send = cft_sendto(t, from, text, strlen(text), to);
    cft_await(t, send);
    CFT_OK(t, send);
    CFT_EXPECT(t, send->result.count == strlen(text));
}

static void expect_text(cft *t, const cft_rec *recv, const char *text)
{
    CFT_OK(t, recv);
    CFT_EXPECT(t, recv->result.count == strlen(text));
    CFT_EXPECT(t, memcmp(recv->bytes, text, strlen(text)) == 0);
    CFT_EXPECT(t, !(recv->result.flags & CEDE_TRUNCATED));
}

static void boundaries(cft *t, uint16_t family)
{
    static const char *const texts[] = {"first", "2", "the third one"};
    cede_address *from = cft_alloc(t, sizeof *from);
    struct two *s = two_of(t, family);
    for (uint32_t i = 0; i < 3; i++)
        sent(t, s->one, texts[i], &s->other_at);
    for (uint32_t i = 0; i < 3; i++) {
        cft_rec *recv = cft_recvfrom(t, s->other, 100, from);
        cft_await(t, recv);
        expect_text(t, recv, texts[i]);
        CFT_EXPECT(t, cede_address_equal(from, &s->one_at));
    }
    cft_closed(t, s->one);
    cft_closed(t, s->other);
}

CFT_CASE(datagrams_keep_their_boundaries_and_name_their_sender)
{
    boundaries(t, CEDE_ADDRESS_IPV4);
}

CFT_CASE(datagrams_over_ipv6_are_the_same)
{
    boundaries(t, CEDE_ADDRESS_IPV6);
}

CFT_CASE(recvfrom_waits_for_a_datagram)
{
    struct two *s = two_of(t, CEDE_ADDRESS_IPV4);
    cft_rec *recv = cft_recvfrom(t, s->other, 100, NULL);
    cft_turn(t);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(recv));
    sent(t, s->one, "hello", &s->other_at);
    cft_await(t, recv);
    expect_text(t, recv, "hello");
    cft_closed(t, s->other);
}

CFT_CASE(datagram_that_does_not_fit_is_cut_and_says_so)
{
    cede_address *from = cft_alloc(t, sizeof *from);
    struct two *s = two_of(t, CEDE_ADDRESS_IPV4);
    sent(t, s->one, "0123456789", &s->other_at);
    sent(t, s->one, "next", &s->other_at);
    cft_rec *recv = cft_recvfrom(t, s->other, 4, from);
    cft_await(t, recv);
    CFT_OK(t, recv);
    CFT_EXPECT(t, recv->result.count == 4 && memcmp(recv->bytes, "0123", 4) == 0);
    CFT_EXPECT(t, recv->result.flags & CEDE_TRUNCATED);
    CFT_EXPECT(t, cede_address_equal(from, &s->one_at));
    cft_rec *next = cft_recvfrom(t, s->other, 4, NULL); /* the rest is lost; this one just fits */
    cft_await(t, next);
    expect_text(t, next, "next");
    cft_closed(t, s->other);
}

/* Pending when it comes. */
CFT_CASE(datagram_that_does_not_fit_a_pending_recvfrom_is_cut)
{
    struct two *s = two_of(t, CEDE_ADDRESS_IPV4);
    cft_rec *recv = cft_recvfrom(t, s->other, 4, NULL);
    cft_flush(t);
    sent(t, s->one, "0123456789", &s->other_at);
    cft_await(t, recv);
    CFT_OK(t, recv);
    CFT_EXPECT(t, recv->result.count == 4 && memcmp(recv->bytes, "0123", 4) == 0);
    CFT_EXPECT(t, recv->result.flags & CEDE_TRUNCATED);
    cft_closed(t, s->other);
}

/* K8: sent, and received, as one. */
CFT_CASE(empty_datagrams_are_datagrams)
{
    cede_address *from = cft_alloc(t, sizeof *from);
    struct two *s = two_of(t, CEDE_ADDRESS_IPV4);
    sent(t, s->one, "", &s->other_at);
    sent(t, s->one, "then", &s->other_at);
    cft_rec *recv = cft_recvfrom(t, s->other, 100, from);
    cft_await(t, recv);
    expect_text(t, recv, "");
    CFT_EXPECT(t, cede_address_equal(from, &s->one_at));
    recv = cft_recvfrom(t, s->other, 100, NULL);
    cft_await(t, recv);
    expect_text(t, recv, "then");
    sent(t, s->one, "", &s->other_at);
    recv = cft_recvfrom(t, s->other, 0, NULL); /* into no room at all, it fits */
    cft_await(t, recv);
    expect_text(t, recv, "");
    cft_closed(t, s->other);
}

CFT_CASE(recvfrom_without_room_takes_a_datagram_and_cuts_it)
{
    struct two *s = two_of(t, CEDE_ADDRESS_IPV4);
    cft_rec *recv = cft_recvfrom(t, s->other, 0, NULL);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(recv));
    sent(t, s->one, "lost", &s->other_at);
    cft_await(t, recv);
    CFT_OK(t, recv);
    CFT_EXPECT(t, recv->result.count == 0 && (recv->result.flags & CEDE_TRUNCATED));
    sent(t, s->one, "next", &s->other_at);
    recv = cft_recvfrom(t, s->other, 10, NULL);
    cft_await(t, recv);
    expect_text(t, recv, "next");
    cft_closed(t, s->other);
}

CFT_CASE(datagram_too_large_is_not_sent)
{
    unsigned char *data = cft_alloc(t, 70000);
    struct two *s = two_of(t, CEDE_ADDRESS_IPV4);
    cft_rec *send = cft_sendto(t, s->one, data, 70000, &s->other_at);
    cft_await(t, send);
    CFT_STATUS(t, send, CEDE_EMSGSIZE);
    sent(t, s->one, "small", &s->other_at);
    cft_rec *recv = cft_recvfrom(t, s->other, 100, NULL);
    cft_await(t, recv);
    expect_text(t, recv, "small");
    cft_closed(t, s->other);
}

CFT_CASE(large_datagrams_arrive_whole)
{
    enum { BYTES = 20000 };
    unsigned char *data = cft_alloc(t, BYTES);
    struct two *s = two_of(t, CEDE_ADDRESS_IPV4);
    cft_fill(data, BYTES, 6, 0);
    cft_rec *send = cft_sendto(t, s->one, data, BYTES, &s->other_at);
    cft_await(t, send);
    CFT_OK(t, send);
    CFT_EXPECT(t, send->result.count == BYTES);
    cft_rec *recv = cft_recvfrom(t, s->other, BYTES, NULL);
    cft_await(t, recv);
    CFT_OK(t, recv);
    CFT_EXPECT(t, recv->result.count == BYTES && memcmp(recv->bytes, data, BYTES) == 0);
    cft_closed(t, s->other);
}

/* They are free: which gets which is the system's choice, but each gets one. */
CFT_CASE(pending_recvfroms_take_a_datagram_each)
{
    enum { MANY = 6 };
    static const char letters[] = "abcdef";
    cft_rec *all[MANY];
    uint32_t seen = 0;
    struct two *s = two_of(t, CEDE_ADDRESS_IPV4);
    for (uint32_t i = 0; i < MANY; i++)
        all[i] = cft_recvfrom(t, s->other, 10, NULL);
    cft_flush(t);
    for (uint32_t i = 0; i < MANY; i++)
        cft_await(t, cft_sendto(t, s->one, letters + i, 1, &s->other_at));
    cft_settle(t);
    for (uint32_t i = 0; i < MANY; i++) {
        CFT_OK(t, all[i]);
        CFT_EXPECT(t, all[i]->result.count == 1);
        seen |= 1u << (all[i]->bytes[0] - 'a') % 32;
    }
    CFT_EXPECT(t, seen == (1u << MANY) - 1);
    cft_closed(t, s->other);
}

CFT_CASE(recvfrom_cancelled_takes_nothing)
{
    struct two *s = two_of(t, CEDE_ADDRESS_IPV4);
    cft_rec *recv = cft_recvfrom(t, s->other, 10, NULL);
    cft_flush(t);
    cft_cancel(t, recv->ticket);
    cft_await(t, recv);
    CFT_ENDED(t, recv, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_CHECK(t, recv->bytes[0] == 0xee);
    sent(t, s->one, "hello", &s->other_at);
    cft_rec *next = cft_recvfrom(t, s->other, 10, NULL);
    cft_await(t, next);
    expect_text(t, next, "hello");
    cft_closed(t, s->other);
}

static void feed(cft *t, void *context)
{
    struct two *s = context;
    sent(t, s->one, "hello", &s->other_at);
}

CFT_CASE(datagram_and_cancel_lose_no_datagram)
{
    struct two *s = two_of(t, CEDE_ADDRESS_IPV4);
    cft_rec *recv = cft_recvfrom(t, s->other, 10, NULL);
    cft_reach(t, recv, feed, s);
    if (!cft_late(t))
        feed(t, s);
    cft_cancel(t, recv->ticket);
    cft_await(t, recv);
    if (recv->result.status == CEDE_ECANCELED) {
        recv = cft_recvfrom(t, s->other, 10, NULL);
        cft_await(t, recv);
    }
    expect_text(t, recv, "hello");
    cft_closed(t, s->other);
}

CFT_CASE(deadline_ends_a_pending_recvfrom)
{
    struct two *s = two_of(t, CEDE_ADDRESS_IPV4);
    uint64_t start = cede_now(cft_loop(t));
    cft_rec *recv = cft_new(t);
    cede_prep_recvfrom(recv->req, s->other, cft_buffer(recv, 10), 10, NULL);
    cede_within(recv->req, 3 * CEDE_MILLISECOND);
    cft_do(recv);
    CFT_ENDED(t, recv, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_EXPECT(t, cede_now(cft_loop(t)) - start >= 3 * CEDE_MILLISECOND);
    sent(t, s->one, "later", &s->other_at);
    recv = cft_recvfrom(t, s->other, 10, NULL);
    cft_await(t, recv);
    expect_text(t, recv, "later");
    cft_closed(t, s->other);
}

/* What the network says of it reaches nobody: neither a pending receive, nor later sends. */
CFT_CASE(datagram_that_nobody_takes_is_lost_in_silence)
{
    struct two *s = two_of(t, CEDE_ADDRESS_IPV4);
    /* Not that of a socket that was closed: another program may have it now, and be surprised. */
    cede_address gone = cede_address_loopback(CEDE_ADDRESS_IPV4, 9);
    cft_closed(t, s->other);
    cft_rec *recv = cft_recvfrom(t, s->one, 10, NULL);
    cft_flush(t);
    for (uint32_t i = 0; i < 3; i++) {
        sent(t, s->one, "hello?", &gone);
        cft_turn(t);
    }
    CFT_EXPECT(t, !cft_is_done(recv));
    sent(t, s->one, "myself", &s->one_at);
    cft_await(t, recv);
    expect_text(t, recv, "myself");
    cft_closed(t, s->one);
}

CFT_CASE(close_ends_pending_recvfroms_and_then_itself)
{
    cft_rec *all[5];
    struct two *s = two_of(t, CEDE_ADDRESS_IPV4);
    for (uint32_t i = 0; i < 5; i++)
        all[i] = cft_recvfrom(t, s->other, 10, NULL);
    cft_flush(t);
    cft_rec *close = cft_close_of(t, s->other);
    cft_await(t, close);
    CFT_OK(t, close);
    for (uint32_t i = 0; i < 5; i++) {
        CFT_CHECK(t, cft_is_done(all[i]) && all[i]->done_at < close->done_at);
        CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_CLOSE);
    }
}

static cft_rec *datagram_at(cft *t, const cede_address *at, uint32_t flags)
{
    cft_rec *rec = cft_new(t);
    cede_prep_datagram(rec->req, at, flags);
    cft_do(rec);
    return rec;
}

CFT_CASE(datagram_address_in_use_is_told)
{
    enum { TRIES = 5 }; /* another program may be quicker to take what was given back */
    cede_address at, peer;
    cft_rec *second = NULL;
    for (uint32_t i = 0; i < TRIES; i++) {
        cede_handle one = cft_datagrams(t, CEDE_ADDRESS_IPV4, &at);
        second = datagram_at(t, &at, 0);
        CFT_STATUS(t, second, CEDE_EADDRINUSE);
        CFT_EXPECT(t, cft_name(t, one, CEDE_NAME_PEER, &peer) == CEDE_ENOTCONN);
        cft_closed(t, one);
        second = datagram_at(t, &at, 0);
        if (second->result.status != CEDE_EADDRINUSE)
            break;
    }
    CFT_OK(t, second);
    cft_closed(t, second->result.handle);
}

CFT_CASE(shared_datagram_addresses_can_be_had_twice)
{
    cede_address at = cede_address_any(CEDE_ADDRESS_IPV4, 0);
    cft_rec *one = datagram_at(t, &at, CEDE_DATAGRAM_SHARED);
    CFT_OK(t, one);
    cft_name(t, one->result.handle, CEDE_NAME_OWN, &at);
    cft_rec *two = datagram_at(t, &at, CEDE_DATAGRAM_SHARED);
    CFT_OK(t, two);
    cft_closed(t, one->result.handle);
    cft_closed(t, two->result.handle);
}

CFT_CASE(dual_datagram_sockets_hear_ipv4)
{
    cede_address at = cede_address_any(CEDE_ADDRESS_IPV6, 0), where, own;
    cede_address *from = cft_alloc(t, sizeof *from);
    cft_rec *dual = datagram_at(t, &at, CEDE_DATAGRAM_DUAL);
    CFT_OK(t, dual);
    cft_name(t, dual->result.handle, CEDE_NAME_OWN, &where);
    cede_handle four = cft_datagrams(t, CEDE_ADDRESS_IPV4, &own);
    cede_address to = cede_address_loopback(CEDE_ADDRESS_IPV4, where.port ? where.port : 1);
    sent(t, four, "four", &to);
    cft_rec *recv = cft_recvfrom(t, dual->result.handle, 10, from);
    cft_await(t, recv);
    expect_text(t, recv, "four");
    CFT_EXPECT(t, from->family == CEDE_ADDRESS_IPV6 && from->ip[10] == 0xff &&
                      from->ip[12] == 127 && from->port == own.port);
    cft_closed(t, four);
    cft_closed(t, dual->result.handle);
}

/* From one at any address and from one at a mapped address, and back. */
CFT_CASE(datagrams_to_mapped_addresses_go_by_ipv4)
{
    cede_address own, where, at = cede_address_any(CEDE_ADDRESS_IPV6, 0), to;
    cede_address *four = cft_alloc(t, sizeof *four);
    cede_handle other = cft_datagrams(t, CEDE_ADDRESS_IPV4, &own);
    to = cft_mapped_loopback(own.port ? own.port : 1);
    for (int i = 0; i < 2; i++, at = cft_mapped_loopback(0)) {
        cft_rec *dual = datagram_at(t, &at, CEDE_DATAGRAM_DUAL);
        CFT_OK(t, dual);
        sent(t, dual->result.handle, "mapped", &to);
        cft_rec *recv = cft_recvfrom(t, other, 10, four);
        cft_await(t, recv);
        expect_text(t, recv, "mapped");
        cft_name(t, dual->result.handle, CEDE_NAME_OWN, &where);
        where = cede_address_loopback(CEDE_ADDRESS_IPV4, where.port ? where.port : 1);
        sent(t, other, "back", &where);
        recv = cft_recvfrom(t, dual->result.handle, 10, four);
        cft_await(t, recv);
        expect_text(t, recv, "back");
        CFT_EXPECT(t, cede_address_equal(four, &to));
        cft_closed(t, dual->result.handle);
    }
    at = cft_mapped_loopback(0);
    cft_rec *alone = datagram_at(t, &at, 0);
    CFT_STATUS(t, alone, CEDE_EINVAL);
    cft_closed(t, other);
}

/* A socket for IPv6 alone sends to no IPv4 address, by whatever name it goes. */
CFT_CASE(datagram_to_where_no_way_leads_is_told)
{
    cede_address at, other, mapped;
    cede_handle socket = cft_datagrams(t, CEDE_ADDRESS_IPV6, &at);
    cede_handle four = cft_datagrams(t, CEDE_ADDRESS_IPV4, &other);
    mapped = cft_mapped_loopback(other.port);
    cft_rec *recv = cft_recvfrom(t, four, 10, NULL);
    cft_rec *send = cft_sendto(t, socket, "hello", 5, &mapped);
    cft_await(t, send);
    CFT_STATUS(t, send, CEDE_ENETUNREACH);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(recv));
    cft_cancel(t, recv->ticket);
    cft_await(t, recv);
    cft_closed(t, socket);
    cft_closed(t, four);
}
