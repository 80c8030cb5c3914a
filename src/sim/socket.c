/*
 * Sockets: their addresses, their making and their end. Under the world's lock.
 */
#include "net.h"

#include <stdlib.h>

#define PORT_FIRST 49152u /* of those that are given where none was asked for */

/* ---- Addresses ------------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *bytes, size_t count)
{
    while (count > 0 && bytes[count - 1] == 0)
        count--;
    return count == 0;
}

static size_t ip_bytes(const cede_address *address)
{
    return address->family == CEDE_ADDRESS_IPV4 ? 4 : 16;
}

bool sim_net_is_any(const cede_address *address)
{
    return is_zero(address->ip, ip_bytes(address));
}

enum sim_where sim_net_where(const cede_address *address)
{
    const uint8_t *ip = address->ip;
    if (sim_net_is_any(address))
        return SIM_HERE;
    if (address->family == CEDE_ADDRESS_IPV6) {
        if (ip[0] == 0xff)
            return SIM_GROUP;
        return is_zero(ip, 15) && ip[15] == 1 ? SIM_HERE : SIM_AWAY;
    }
    if (ip[0] == 127) /* the loopback network's, to all in it */
        return (ip[1] & ip[2] & ip[3]) == 255 ? SIM_BROADCAST : SIM_HERE;
    if (ip[0] == 192 && ip[1] == 0 && ip[2] == 2)
        return SIM_NOWHERE;
    if ((ip[0] & 0xf0) == 224)
        return SIM_GROUP;
    return (ip[0] & ip[1] & ip[2] & ip[3]) == 255 ? SIM_BROADCAST : SIM_AWAY;
}

static bool is_mapped(const cede_address *address)
{
    return address->family == CEDE_ADDRESS_IPV6 && is_zero(address->ip, 10) &&
           address->ip[10] == 255 && address->ip[11] == 255;
}

cede_address sim_net_unmapped(const cede_address *address)
{
    cede_address plain = *address;
    if (!is_mapped(address))
        return plain;
    plain.family = CEDE_ADDRESS_IPV4;
    memset(plain.ip, 0, sizeof plain.ip);
    memcpy(plain.ip, address->ip + 12, 4);
    return plain;
}

cede_address sim_net_seen_by(const sim_socket *socket, const cede_address *address)
{
    cede_address mapped = *address;
    if (socket->own.family != CEDE_ADDRESS_IPV6 || address->family != CEDE_ADDRESS_IPV4)
        return mapped;
    mapped.family = CEDE_ADDRESS_IPV6;
    memset(mapped.ip, 0, sizeof mapped.ip);
    mapped.ip[10] = mapped.ip[11] = 255;
    memcpy(mapped.ip + 12, address->ip, 4);
    return mapped;
}

/* How well a socket's address fits; 0: not at all. */
static unsigned fits(const sim_socket *socket, const cede_address *to)
{
    cede_address own = sim_net_unmapped(&socket->own), plain = sim_net_unmapped(to);
    if (own.port != plain.port)
        return 0;
    if (own.family != plain.family) {
        bool dual = own.family == CEDE_ADDRESS_IPV6 && (socket->flags & CEDE_LISTEN_DUAL);
        return dual && sim_net_is_any(&own) ? 1 : 0;
    }
    if (memcmp(own.ip, plain.ip, ip_bytes(&plain)) == 0)
        return 3;
    return sim_net_is_any(&own) ? 2 : 0;
}

sim_socket *sim_net_find(cede_sim *world, uint32_t kind, const cede_address *to)
{
    unsigned best = 1;
    uint64_t equals = 0;
    for (const sim_socket *socket = world->sockets; socket; socket = socket->next) {
        unsigned fit = socket->kind == kind ? fits(socket, to) : 0;
        equals = fit > best ? 1 : equals + (fit == best);
        best = fit > best ? fit : best;
    }
    if (equals == 0)
        return NULL;
    uint64_t chosen = sim_choose(world, equals); /* they share the address */
    for (sim_socket *socket = world->sockets;; socket = socket->next) {
        if (socket->kind == kind && fits(socket, to) == best && chosen-- == 0)
            return socket;
    }
}

/* ---- Ports ----------------------------------------------------------------------------------- */

uint16_t sim_net_free_port(cede_sim *world, bool datagrams)
{
    for (uint32_t tries = PORT_FIRST; tries <= UINT16_MAX; tries++) {
        const sim_socket *socket = world->sockets;
        world->last_port = world->last_port < PORT_FIRST || world->last_port == UINT16_MAX
                               ? PORT_FIRST
                               : (uint16_t)(world->last_port + 1);
        while (socket && !(socket->own.port == world->last_port &&
                           (socket->kind == CEDE_KIND_DATAGRAM) == datagrams))
            socket = socket->next;
        if (!socket)
            return world->last_port;
    }
    return 0;
}

/* Whether something that is sent could be meant for both. */
static bool overlap(const sim_socket *one, const sim_socket *two)
{
    return fits(one, &two->own) > 0 || fits(two, &one->own) > 0;
}

cede_status sim_net_bind(sim_socket *socket, const cede_address *at, uint32_t shared)
{
    cede_sim *world = socket->world;
    if (is_mapped(at) && !(socket->flags & CEDE_LISTEN_DUAL))
        return CEDE_EINVAL; /* IPv4's, and the socket is for IPv6 alone */
    socket->own = *at;
    if (at->port == 0) {
        socket->own.port = sim_net_free_port(world, socket->kind == CEDE_KIND_DATAGRAM);
        return socket->own.port ? CEDE_OK : CEDE_EADDRINUSE;
    }
    for (const sim_socket *other = world->sockets; other; other = other->next) {
        if (other != socket && other->kind == socket->kind && overlap(socket, other) &&
            !(socket->flags & other->flags & shared))
            return CEDE_EADDRINUSE;
    }
    return CEDE_OK;
}

/* ---- Making ---------------------------------------------------------------------------------- */

sim_socket *sim_socket_new(cede_sim *world, uint32_t kind, uint32_t flags)
{
    sim_socket *socket = calloc(1, sizeof *socket);
    if (!socket)
        return NULL;
    socket->world = world;
    socket->kind = kind;
    socket->flags = flags;
    sim_option_defaults(socket);
    socket->next = world->sockets;
    if (socket->next)
        socket->next->prev = socket;
    world->sockets = socket;
    return socket;
}

cede_status sim_socket_open(sim_socket *socket, sim_open **out)
{
    sim_node *node = sim_node_new(socket->world, CEDE_FILE_SOCKET, 0777);
    if (!node)
        return CEDE_ENOMEM;
    cede_status status = sim_open_new(socket->world, node, CEDE_OPEN_READ | CEDE_OPEN_WRITE, out);
    if (status == CEDE_OK) {
        socket->node = node;
        (*out)->socket = socket;
        (*out)->in = socket->in;
        (*out)->out = socket->out;
    }
    sim_node_check(node);
    return status;
}

static void lay(cede_sim_pipe *pipe, sim_socket *from, sim_socket *to)
{
    from->out = to->in = pipe;
    from->other = to;
    sim_pipe_ends(pipe, CEDE_OPEN_READ | CEDE_OPEN_WRITE, 1);
}

bool sim_socket_join(sim_socket *one, sim_socket *two)
{
    cede_sim_pipe *there = sim_pipe_bare(one->world, true);
    cede_sim_pipe *back = sim_pipe_bare(one->world, true);
    if (!there || !back) {
        sim_pipe_free(there);
        sim_pipe_free(back);
        return false;
    }
    lay(there, one, two);
    lay(back, two, one);
    return true;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

bool sim_socket_must_wait(const sim_socket *socket, uint32_t op)
{
    if (op == CEDE_OP_RECVFROM)
        return socket->kind == CEDE_KIND_DATAGRAM && !socket->packets;
    return (op == CEDE_OP_ACCEPT || op == CEDE_OP_ACCEPT_MANY) &&
           socket->kind == CEDE_KIND_LISTENER && !socket->first;
}

bool sim_socket_was_reset(sim_socket *socket)
{
    bool reset = socket->reset;
    socket->reset = false;
    return reset;
}

/* ---- The end --------------------------------------------------------------------------------- */

/* The one that stands there leaves its listener's queue. */
static sim_socket *take_from(sim_socket **at)
{
    sim_socket *socket = *at, *listener = socket->listener;
    *at = socket->behind;
    listener->waiting--;
    sim_unblock(socket->world, &listener->coming);
    socket->listener = socket->behind = NULL;
    return socket;
}

sim_socket *sim_socket_take(sim_socket *listener)
{
    return take_from(&listener->first);
}

static void leave_queue(const sim_socket *socket)
{
    sim_socket **at = &socket->listener->first;
    while (*at != socket)
        at = &(*at)->behind;
    (void)take_from(at);
}

/* An end goes. What it has not read is lost, which the other end is told, as is a client that
 * nobody took and one whose end does not linger. */
static void leave_stream(sim_socket *socket)
{
    sim_socket *other = socket->other, *passed_over = NULL;
    bool abrupt =
        socket->own.family != CEDE_ADDRESS_LOCAL && socket->option[CEDE_OPTION_LINGER] == 0;
    if (!socket->in)
        return;
    if (other) {
        other->other = NULL;
        other->reset = other->broken = abrupt || !socket->node || socket->in->filled > 0;
        if (abrupt && other->listener)
            passed_over = other;
    }
    sim_pipe_ends(socket->in, CEDE_OPEN_READ, -1);
    if (socket->out)
        sim_pipe_ends(socket->out, CEDE_OPEN_WRITE, -1);
    if (passed_over)
        sim_socket_close(passed_over);
}

static void stop_listening(sim_socket *socket)
{
    if (socket->node)
        socket->node->socket = NULL;
    while (socket->first)
        sim_socket_close(sim_socket_take(socket));
    sim_unblock(socket->world, &socket->coming);
}

void sim_socket_close(sim_socket *socket)
{
    cede_sim *world = socket->world;
    if (socket->listener)
        leave_queue(socket);
    stop_listening(socket);
    leave_stream(socket);
    while (socket->packets) {
        sim_packet *packet = socket->packets;
        socket->packets = packet->next;
        free(packet);
    }
    while (socket->members) {
        sim_member *member = socket->members;
        socket->members = member->next;
        free(member);
    }
    if (socket->prev)
        socket->prev->next = socket->next;
    else
        world->sockets = socket->next;
    if (socket->next)
        socket->next->prev = socket->prev;
    free(socket);
}
