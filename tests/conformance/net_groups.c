/*
 * Datagrams to groups (K14; law 16). Each group is made of its sender's port, which nobody else has
 * meanwhile: so groups of other runs on the machine are other groups.
 *
 * IPv4 goes by the loopback interface. IPv6 has no way to groups there on Linux: it goes by the
 * interface that the system chooses, to a group of this machine alone, and never leaves it.
 */
#include "conformance.h"

#include <string.h>

#define LOOPBACK 1 /* the index of the loopback interface, everywhere */

static cft_rec *grouped(cft *t, cede_handle handle, const cede_address *group, uint32_t by,
                        uint32_t what)
{
    cft_rec *rec = cft_new(t);
    cede_prep_group(rec->req, handle, group, by, what);
    cft_do(rec);
    return rec;
}

/* Whether there is an interface for it is the machine's affair; the rest is not. */
CFT_CASE(groups_are_joined_and_left)
{
    cede_address at, group = cede_ipv4(239, 77, 7, 7, 0);
    cede_address foreign = cede_address_any(CEDE_ADDRESS_IPV6, 0);
    foreign.ip[0] = 0xff;
    foreign.ip[1] = foreign.ip[15] = 1;
    cede_handle socket = cft_datagrams(t, CEDE_ADDRESS_IPV4, &at);
    cft_rec *wrong = grouped(t, socket, &foreign, 0, CEDE_GROUP_JOIN);
    CFT_STATUS(t, wrong, CEDE_ENOTSUP);
    cft_rec *early = grouped(t, socket, &group, 0, CEDE_GROUP_LEAVE);
    CFT_EXPECT(t, early->result.status != CEDE_OK);
    cft_rec *join = grouped(t, socket, &group, 0, CEDE_GROUP_JOIN);
    if (join->result.status == CEDE_OK) {
        wrong = grouped(t, socket, &group, 77777, CEDE_GROUP_LEAVE); /* no such interface */
        if (cft_deviates(t, "no_interface_by_index"))
            CFT_STATUS(t, wrong, CEDE_EINVAL);
        else
            CFT_STATUS(t, wrong, CEDE_EADDRNOTAVAIL);
        CFT_OK(t, grouped(t, socket, &group, 0, CEDE_GROUP_LEAVE));
        CFT_OK(t, grouped(t, socket, &group, 0, CEDE_GROUP_JOIN));
    } else {
        CFT_EXPECT(t,
                   join->result.status == CEDE_ENODEV || join->result.status == CEDE_EADDRNOTAVAIL);
    }
    cft_closed(t, socket);
}

CFT_CASE(what_is_no_group_is_neither_joined_nor_left)
{
    static const char *const none[] = {"127.0.0.1", "223.255.255.255",  "240.0.0.0", "0.0.0.0",
                                       "::1",       "::ffff:239.1.1.1", "fe80::1"};
    static const uint16_t families[] = {CEDE_ADDRESS_IPV4, CEDE_ADDRESS_IPV6};
    cede_address at, group;
    for (uint32_t i = 0; i < 2; i++) {
        cede_handle socket = cft_datagrams(t, families[i], &at);
        for (uint32_t k = 0; k < sizeof none / sizeof none[0]; k++) {
            CFT_CHECK(t, cede_address_parse(none[k], 0, &group) == CEDE_OK);
            for (uint32_t by = 0; by < 3; by++) {
                uint32_t index = by == 2 ? 77777 : by;
                CFT_STATUS(t, grouped(t, socket, &group, index, CEDE_GROUP_JOIN), CEDE_EINVAL);
                CFT_STATUS(t, grouped(t, socket, &group, index, CEDE_GROUP_LEAVE), CEDE_EINVAL);
            }
        }
        cft_closed(t, socket);
    }
}

/* ---- What is sent to one -------------------------------------------------------------------- */

typedef struct talk {
    cft *t;
    cede_address any;     /* where members are bound */
    cede_address speaker; /* the sender's address, of which the port counts */
    cede_address group;
    cede_handle sender;
    uint32_t by; /* the interface */
} talk;

static cede_handle bound_to(cft *t, cede_address *at, uint32_t flags)
{
    cft_rec *rec = cft_new(t);
    cede_prep_datagram(rec->req, at, flags);
    cft_do(rec);
    CFT_OK(t, rec);
    (void)cft_name(t, rec->result.handle, CEDE_NAME_OWN, at);
    if (!at->port)
        at->port = 1; /* after an injected failure */
    return rec->result.handle;
}

/* A machine without a network may have no interface for groups. */
static bool has_no_way(cft *t, const cft_rec *rec)
{
    int32_t status = rec->result.status;
    return !cft_faulted(t) && (status == CEDE_ENODEV || status == CEDE_EADDRNOTAVAIL ||
                               status == CEDE_ENETUNREACH || status == CEDE_EHOSTUNREACH);
}

static void begin(cft *t, talk *k, uint16_t family, uint32_t by)
{
    memset(k, 0, sizeof *k);
    k->t = t;
    k->by = by;
    k->speaker = cede_address_any(family, 0);
    k->any = k->speaker;
    k->sender = bound_to(t, &k->speaker, 0);
    k->group = family == CEDE_ADDRESS_IPV4 ? cede_ipv4(239, 77, 0, 0, 0) : k->any;
    k->group.ip[family == CEDE_ADDRESS_IPV4 ? 2 : 14] = (uint8_t)(k->speaker.port >> 8);
    k->group.ip[family == CEDE_ADDRESS_IPV4 ? 3 : 15] = (uint8_t)k->speaker.port;
    if (family == CEDE_ADDRESS_IPV6) {
        k->group.ip[0] = 0xff; /* ff01::/16: this machine's */
        k->group.ip[1] = 0x01;
    }
    CFT_OK(t, cft_set(t, k->sender, CEDE_OPTION_MULTICAST_HOPS, 0));
    cft_rec *choice = cft_set(t, k->sender, CEDE_OPTION_MULTICAST_INTERFACE, k->by);
    if (k->by && cft_deviates(t, "no_interface_by_index")) {
        CFT_STATUS(t, choice, CEDE_ENODEV);
        k->by = 0;
    } else {
        CFT_OK(t, choice);
    }
}

static cede_handle receiver(talk *k)
{
    cede_handle handle = bound_to(k->t, &k->any, CEDE_DATAGRAM_SHARED);
    k->group.port = k->any.port;
    return handle;
}

static void join(talk *k, cede_handle handle)
{
    cft_rec *rec = grouped(k->t, handle, &k->group, k->by, CEDE_GROUP_JOIN);
    if (k->by == 0 && has_no_way(k->t, rec))
        cft_skip(k->t, "no_way_to_groups");
    CFT_OK(k->t, rec);
}

static void say(talk *k, const char *text)
{
    cft_rec *send = cft_sendto(k->t, k->sender, text, strlen(text), &k->group);
    cft_await(k->t, send);
    if (k->by == 0 && has_no_way(k->t, send))
        cft_skip(k->t, "no_way_to_groups");
    CFT_OK(k->t, send);
    CFT_EXPECT(k->t, send->result.count == strlen(text));
}

/* The next that this one hears, of this sender. */
static void hears(talk *k, cede_handle handle, const char *text)
{
    cede_address *from = cft_alloc(k->t, sizeof *from);
    cft_rec *recv;
    do {
        recv = cft_recvfrom(k->t, handle, 100, from);
        cft_await(k->t, recv);
        CFT_OK(k->t, recv);
    } while (!cft_faulted(k->t) && from->port != k->speaker.port);
    CFT_EXPECT(k->t, recv->result.count == strlen(text));
    CFT_EXPECT(k->t, memcmp(recv->bytes, text, strlen(text)) == 0);
}

static void reaches(cft *t, uint16_t family, uint32_t by)
{
    talk k;
    begin(t, &k, family, by);
    cede_handle one = receiver(&k), other = receiver(&k), stranger = receiver(&k);
    join(&k, one);
    join(&k, other);
    say(&k, "all");
    hears(&k, one, "all");
    hears(&k, other, "all");
    CFT_OK(t, grouped(t, other, &k.group, k.by, CEDE_GROUP_LEAVE));
    say(&k, "without you");
    hears(&k, one, "without you");
    join(&k, other);
    join(&k, stranger);
    say(&k, "again");
    hears(&k, one, "again");
    if (cft_deviates(t, "groups_reach_all")) {
        hears(&k, other, "without you");
        hears(&k, stranger, "all");
        hears(&k, stranger, "without you");
    }
    hears(&k, other, "again");
    hears(&k, stranger, "again");
    cft_closed(t, one);
    cft_closed(t, other);
    cft_closed(t, stranger);
    cft_closed(t, k.sender);
}

/* Who has left, and who never joined, hears nothing: the next is what comes after they joined. */
CFT_CASE(group_reaches_its_members_and_nobody_else)
{
    reaches(t, CEDE_ADDRESS_IPV4, LOOPBACK);
}

CFT_CASE(group_over_ipv6_reaches_its_members_and_nobody_else)
{
    reaches(t, CEDE_ADDRESS_IPV6, 0);
}

/* Linux goes by the sender's option, Windows by the receiver's: here one is both. What it sends to
 * itself behind it comes first. */
static void deaf_to_itself(cft *t, uint16_t family)
{
    talk k;
    begin(t, &k, family, 0);
    k.group.port = k.speaker.port;
    join(&k, k.sender);
    say(&k, "I hear myself");
    hears(&k, k.sender, "I hear myself");
    CFT_OK(t, cft_set(t, k.sender, CEDE_OPTION_MULTICAST_LOOP, 0));
    say(&k, "and now I do not");
    k.group = cede_address_loopback(family, k.speaker.port);
    say(&k, "but this I do");
    hears(&k, k.sender, "but this I do");
    cft_closed(t, k.sender);
}

CFT_CASE(group_is_not_heard_on_this_machine_if_so_told)
{
    deaf_to_itself(t, CEDE_ADDRESS_IPV4);
    deaf_to_itself(t, CEDE_ADDRESS_IPV6);
}
