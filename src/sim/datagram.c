/*
 * Operations on datagram sockets. A datagram goes from the sender to the receiver's queue in one
 * moment; it may be lost there, and may overtake those that wait before it. Under the world's lock.
 */
#include "net.h"

#include <stdlib.h>

#define BYTES_MOST 65535u /* of one datagram with its headers */

static bool ended(sim_work *work, cede_status status)
{
    work->status = status;
    return true;
}

static cede_status bind_to(sim_socket *socket, const cede_address *at)
{
    cede_address plain = sim_net_unmapped(at);
    enum sim_where where = sim_net_where(&plain);
    if (where == SIM_NOWHERE || where == SIM_AWAY)
        return CEDE_EADDRNOTAVAIL;
    return sim_net_bind(socket, at, CEDE_DATAGRAM_SHARED);
}

bool sim_op_datagram(cede_sim *world, sim_work *work)
{
    sim_open *open;
    sim_socket *socket = sim_socket_new(world, CEDE_KIND_DATAGRAM, work->args.net.flags);
    if (!socket)
        return ended(work, CEDE_ENOMEM);
    cede_status status = bind_to(socket, &work->args.net.address);
    if (status == CEDE_OK)
        status = sim_socket_open(socket, &open);
    if (status == CEDE_OK)
        work->count = (uint64_t)open->native;
    else
        sim_socket_close(socket);
    return ended(work, status);
}

static sim_socket *socket_of(const sim_work *work)
{
    sim_socket *socket = work->file ? work->file->socket : NULL;
    return socket && socket->kind == CEDE_KIND_DATAGRAM ? socket : NULL;
}

static cede_status no_socket(const sim_work *work)
{
    return work->file ? CEDE_EINVAL : CEDE_EBADF;
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* Into a receiver's queue, at a place that the world chooses. A full one loses it. */
static cede_status deliver(sim_socket *to, const cede_address *from, const sim_work *work)
{
    cede_sim *world = to->world;
    uint64_t bytes = work->args.datagram.length_bytes;
    if (sim_chance(world, world->config.lose_permille) ||
        (to->packets && to->packet_bytes + bytes > (uint64_t)to->option[CEDE_OPTION_RECV_BYTES]))
        return CEDE_OK;
    sim_packet *packet = malloc(sizeof *packet + (size_t)bytes);
    if (!packet)
        return CEDE_ENOMEM;
    packet->from = sim_net_seen_by(to, from);
    packet->bytes = bytes;
    if (bytes > 0)
        memcpy(packet->data, work->args.datagram.buffer, (size_t)bytes);
    uint64_t before = 0;
    for (const sim_packet *other = to->packets; other; other = other->next)
        before++;
    if (before > 0 && sim_chance(world, world->config.overtake_permille))
        before = sim_choose(world, before);
    sim_packet **at = &to->packets;
    while (*at && before-- > 0)
        at = &(*at)->next;
    packet->next = *at;
    *at = packet;
    to->packet_bytes += bytes;
    sim_unblock(world, &to->taking);
    return CEDE_OK;
}

static bool is_member(const sim_socket *socket, const cede_address *group)
{
    for (const sim_member *member = socket->members; member; member = member->next) {
        if (member->group.family == group->family &&
            memcmp(member->group.ip, group->ip, sizeof group->ip) == 0)
            return true;
    }
    return false;
}

/* To members of the group, or for a broadcast to all, at that port. */
static cede_status deliver_to_many(const sim_socket *sender, const cede_address *from,
                                   const cede_address *to, const sim_work *work)
{
    cede_status status = CEDE_OK;
    bool group = sim_net_where(to) == SIM_GROUP;
    if (group && sender->option[CEDE_OPTION_MULTICAST_LOOP] == 0)
        return CEDE_OK; /* there is no other machine */
    for (sim_socket *socket = sender->world->sockets; socket; socket = socket->next) {
        bool meant =
            socket->kind == CEDE_KIND_DATAGRAM && socket->own.port == to->port &&
            (sim_net_is_any(&socket->own) || memcmp(socket->own.ip, to->ip, sizeof to->ip) == 0);
        if (meant && (group ? is_member(socket, to) : socket->own.family == to->family) &&
            status == CEDE_OK)
            status = deliver(socket, from, work);
    }
    return status;
}

/* Whether a socket can send to an address of that family at all. */
static cede_status check_family(const sim_socket *socket, const cede_address *given)
{
    if (socket->own.family == CEDE_ADDRESS_IPV4)
        return given->family == CEDE_ADDRESS_IPV4 ? CEDE_OK : CEDE_ENOTSUP;
    cede_address own = sim_net_unmapped(&socket->own);
    if (sim_net_unmapped(given).family == CEDE_ADDRESS_IPV6)
        return own.family == CEDE_ADDRESS_IPV6 ? CEDE_OK : CEDE_ENOTSUP;
    return own.family == CEDE_ADDRESS_IPV4 ||
                   (sim_net_is_any(&own) && (socket->flags & CEDE_DATAGRAM_DUAL))
               ? CEDE_OK
               : CEDE_ENETUNREACH;
}

static cede_status send_it(sim_socket *socket, const sim_work *work)
{
    cede_address given = work->args.datagram.address, from = sim_net_unmapped(&socket->own);
    if (from.family != socket->own.family && sim_net_is_any(&given))
        given = cede_address_loopback(from.family, given.port); /* `::` is any of the socket's */
    cede_address to = sim_net_unmapped(&given);
    uint64_t headers = to.family == CEDE_ADDRESS_IPV4 ? 28 : 8;
    cede_status status = check_family(socket, &given);
    if (status != CEDE_OK)
        return status;
    if (work->args.datagram.length_bytes > BYTES_MOST - headers)
        return CEDE_EMSGSIZE;
    if (sim_net_where(&from) != SIM_HERE || sim_net_is_any(&from))
        from = cede_address_loopback(to.family, socket->own.port);
    if (sim_net_is_any(&to))
        to = cede_address_loopback(to.family, to.port);
    switch (sim_net_where(&to)) {
    case SIM_HERE: {
        sim_socket *receiver = sim_net_find(socket->world, CEDE_KIND_DATAGRAM, &to);
        return receiver ? deliver(receiver, &from, work) : CEDE_OK;
    }
    case SIM_NOWHERE:
        return CEDE_OK;
    case SIM_BROADCAST:
        if (socket->option[CEDE_OPTION_BROADCAST] == 0)
            return CEDE_EACCES;
        return deliver_to_many(socket, &from, &to, work);
    case SIM_GROUP:
        return deliver_to_many(socket, &from, &to, work);
    default:
        return CEDE_ENETUNREACH;
    }
}

bool sim_op_sendto(cede_sim *world, sim_work *work)
{
    sim_socket *socket = socket_of(work);
    (void)world;
    if (!socket)
        return ended(work, no_socket(work));
    cede_status status = send_it(socket, work);
    work->count = status == CEDE_OK ? work->args.datagram.length_bytes : 0;
    return ended(work, status);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

bool sim_op_recvfrom(cede_sim *world, sim_work *work)
{
    sim_socket *socket = socket_of(work);
    uint64_t room = work->args.datagram.length_bytes;
    (void)world;
    if (!socket)
        return ended(work, no_socket(work));
    if (!socket->packets)
        return sim_block(work, &socket->taking);
    sim_packet *packet = socket->packets;
    socket->packets = packet->next;
    socket->packet_bytes -= packet->bytes;
    if (room > packet->bytes)
        room = packet->bytes;
    if (room > 0)
        memcpy(work->args.datagram.buffer, packet->data, (size_t)room);
    if (work->args.datagram.from)
        *work->args.datagram.from = packet->from;
    work->count = packet->bytes;
    free(packet);
    return ended(work, CEDE_OK);
}

/* ---- Groups ---------------------------------------------------------------------------------- */

static cede_status join_group(sim_socket *socket, const cede_address *group)
{
    if (is_member(socket, group))
        return CEDE_EADDRINUSE;
    sim_member *member = malloc(sizeof *member);
    if (!member)
        return CEDE_ENOMEM;
    member->group = *group;
    member->next = socket->members;
    socket->members = member;
    return CEDE_OK;
}

static cede_status leave_group(sim_socket *socket, const cede_address *group)
{
    if (!is_member(socket, group))
        return CEDE_EADDRNOTAVAIL;
    sim_member **at = &socket->members, *member;
    while ((*at)->group.family != group->family ||
           memcmp((*at)->group.ip, group->ip, sizeof group->ip) != 0)
        at = &(*at)->next;
    member = *at;
    *at = member->next;
    free(member);
    return CEDE_OK;
}

bool sim_op_group(cede_sim *world, sim_work *work)
{
    sim_socket *socket = socket_of(work);
    const cede_address *group = &work->args.net.address;
    (void)world;
    if (!socket)
        return ended(work, no_socket(work));
    if (group->family == CEDE_ADDRESS_IPV6 && socket->own.family == CEDE_ADDRESS_IPV4)
        return ended(work, CEDE_ENOTSUP);
    if (work->args.net.flags == CEDE_GROUP_LEAVE) /* there is one interface */
        return ended(work,
                     work->args.net.count > 1 ? CEDE_EADDRNOTAVAIL : leave_group(socket, group));
    return ended(work, work->args.net.count > 1 ? CEDE_ENODEV : join_group(socket, group));
}
