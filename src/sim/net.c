/*
 * Operations that make and end streams: listening, connecting, accepting, pairs. Bytes on streams
 * are io.c's. Under the world's lock.
 */
#include "net.h"

#define BACKLOG_MOST 4096u /* where none is asked for */

static bool ended(sim_work *work, cede_status status)
{
    work->status = status;
    return true;
}

/* A new socket's descriptor is the outcome, if it could be made. */
static bool made(sim_work *work, cede_status status, const sim_open *open)
{
    work->count = status == CEDE_OK ? (uint64_t)open->native : 0;
    return ended(work, status);
}

/* Asked before anything has an effect. */
static bool is_full(const cede_sim *world, uint32_t more)
{
    uint32_t most = world->config.open_most;
    return most && world->open_count + more > most;
}

/* ---- Listening ------------------------------------------------------------------------------- */

/* A name for a listener: a new one, or one that was left behind. */
static cede_status find_name(cede_sim *world, const cede_args *args, sim_place *place)
{
    cede_status status = sim_walk(world, args->net.address.path, SIM_NAME, place);
    if (status != CEDE_OK)
        return status;
    if (place->too_long)
        return CEDE_ENAMETOOLONG;
    if (place->node && place->node->type == CEDE_FILE_SOCKET && !place->node->socket &&
        (args->net.flags & CEDE_LISTEN_REPLACE)) {
        sim_dir_remove(place->dir, place->name, place->length);
        place->node = NULL;
    }
    if (place->node || place->dots)
        return CEDE_EADDRINUSE;
    return place->slash || place->dir->links == 0 ? CEDE_ENOENT : CEDE_OK;
}

static cede_status listen_locally(sim_socket *socket, const cede_args *args, sim_open **open)
{
    sim_place place;
    if (args->net.flags & CEDE_LISTEN_SHARED)
        return CEDE_ENOTSUP;
    cede_status status = find_name(socket->world, args, &place);
    socket->own.family = CEDE_ADDRESS_LOCAL;
    if (status == CEDE_OK)
        status = sim_socket_open(socket, open);
    if (status != CEDE_OK)
        return status;
    socket->node->mode = 0755;
    socket->node->socket = socket;
    return sim_dir_put(place.dir, place.name, place.length, socket->node);
}

static cede_status listen_at(sim_socket *socket, const cede_args *args, sim_open **open)
{
    if (args->net.address.family == CEDE_ADDRESS_LOCAL)
        return listen_locally(socket, args, open);
    cede_address plain = sim_net_unmapped(&args->net.address);
    enum sim_where where = sim_net_where(&plain);
    if (where == SIM_GROUP && plain.family == CEDE_ADDRESS_IPV6)
        return CEDE_EINVAL;
    if (where == SIM_NOWHERE || where == SIM_AWAY) /* at others of IPv4 nobody ever comes */
        return CEDE_EADDRNOTAVAIL;
    cede_status status = sim_net_bind(socket, &args->net.address, CEDE_LISTEN_SHARED);
    return status == CEDE_OK ? sim_socket_open(socket, open) : status;
}

bool sim_op_listen(cede_sim *world, sim_work *work)
{
    sim_open *open = NULL;
    if (is_full(world, 1))
        return ended(work, CEDE_EMFILE);
    sim_socket *socket = sim_socket_new(world, CEDE_KIND_LISTENER, work->args.net.flags);
    if (!socket)
        return ended(work, CEDE_ENOMEM);
    socket->backlog = work->args.net.count ? work->args.net.count : BACKLOG_MOST;
    cede_status status = listen_at(socket, &work->args, &open);
    if (status != CEDE_OK && open)
        sim_open_close(open);
    else if (status != CEDE_OK)
        sim_socket_close(socket);
    return made(work, status, open);
}

/* ---- Connecting ------------------------------------------------------------------------------ */

/* Who listens; CEDE_OK and NULL: nobody ever answers. */
static cede_status find_listener(cede_sim *world, cede_address *to, sim_socket **out)
{
    sim_node *node;
    *out = NULL;
    if (to->family == CEDE_ADDRESS_LOCAL) {
        cede_status status = sim_find(world, to->path, SIM_FOLLOW, &node);
        to->path = NULL;
        if (status == CEDE_OK)
            *out = node->type == CEDE_FILE_SOCKET ? node->socket : NULL;
        return (status == CEDE_OK && !*out) || status == CEDE_ENOENT ? CEDE_ECONNREFUSED : status;
    }
    *to = sim_net_unmapped(to);
    enum sim_where where = sim_net_where(to);
    if (where == SIM_NOWHERE)
        return CEDE_OK;
    if (where != SIM_HERE)
        return CEDE_ENETUNREACH;
    if (sim_net_is_any(to))
        *to = cede_address_loopback(to->family, to->port);
    *out = sim_net_find(world, CEDE_KIND_LISTENER, to);
    return *out ? CEDE_OK : CEDE_ECONNREFUSED;
}

/* Both ends, the client's open and the other in the queue. */
static cede_status connect_to(sim_socket *listener, const cede_address *given,
                              const cede_address *to, sim_open **open)
{
    cede_sim *world = listener->world;
    cede_address from = {.family = CEDE_ADDRESS_LOCAL};
    if (to->family != CEDE_ADDRESS_LOCAL)
        from = cede_address_loopback(to->family, sim_net_free_port(world, false));
    if (to->family != CEDE_ADDRESS_LOCAL && from.port == 0)
        return CEDE_EADDRNOTAVAIL;
    sim_socket *client = sim_socket_new(world, CEDE_KIND_STREAM, 0);
    sim_socket *server = sim_socket_new(world, CEDE_KIND_STREAM, 0);
    cede_status status =
        client && server && sim_socket_join(client, server) ? CEDE_OK : CEDE_ENOMEM;
    if (status == CEDE_OK)
        status = sim_socket_open(client, open);
    if (status != CEDE_OK) {
        if (client)
            sim_socket_close(client);
        if (server)
            sim_socket_close(server);
        return status;
    }
    client->own.family = given->family;
    client->peer = sim_net_seen_by(client, to);
    client->own = sim_net_seen_by(client, &from);
    server->own = sim_net_seen_by(listener, to);
    server->peer = sim_net_seen_by(listener, &from);
    memcpy(server->option, listener->option, sizeof server->option);
    sim_socket **at = &listener->first;
    while (*at)
        at = &(*at)->behind;
    *at = server;
    server->listener = listener;
    listener->waiting++;
    sim_unblock(world, &listener->taking);
    return CEDE_OK;
}

bool sim_op_connect(cede_sim *world, sim_work *work)
{
    cede_address to = work->args.net.address;
    sim_open *open = NULL;
    sim_socket *listener;
    if (is_full(world, 1))
        return ended(work, CEDE_EMFILE);
    cede_status status = find_listener(world, &to, &listener);
    if (status == CEDE_OK && !listener)
        return sim_block(work, &world->lost);
    if (status == CEDE_OK && listener->waiting >= listener->backlog)
        return sim_block(work, &listener->coming);
    if (status == CEDE_OK)
        status = connect_to(listener, &work->args.net.address, &to, &open);
    return made(work, status, open);
}

/* ---- Accepting ------------------------------------------------------------------------------- */

static bool take_client(cede_sim *world, sim_work *work, cede_address *peer)
{
    sim_open *open = NULL;
    sim_socket *listener = work->file ? work->file->socket : NULL;
    if (!listener || listener->kind != CEDE_KIND_LISTENER)
        return ended(work, work->file ? CEDE_EINVAL : CEDE_EBADF);
    if (!listener->first)
        return sim_block(work, &listener->taking);
    if (is_full(world, 1))
        return ended(work, CEDE_EMFILE); /* the client keeps */
    cede_status status = sim_socket_open(listener->first, &open);
    if (status == CEDE_OK) {
        const sim_socket *socket = sim_socket_take(listener);
        if (peer)
            *peer = socket->peer;
    }
    return made(work, status, open);
}

bool sim_op_accept(cede_sim *world, sim_work *work)
{
    return take_client(world, work, work->args.net.out);
}

/* One at a time: the core begins it anew. */
bool sim_op_accept_many(cede_sim *world, sim_work *work)
{
    return take_client(world, work, NULL);
}

/* ---- Pairs ----------------------------------------------------------------------------------- */

static cede_status pair_of_streams(cede_sim *world, sim_open **one, sim_open **two)
{
    sim_socket *first = sim_socket_new(world, CEDE_KIND_STREAM, 0);
    sim_socket *second = sim_socket_new(world, CEDE_KIND_STREAM, 0);
    cede_status status = first && second && sim_socket_join(first, second) ? CEDE_OK : CEDE_ENOMEM;
    if (status == CEDE_OK) {
        first->own.family = first->peer.family = CEDE_ADDRESS_LOCAL;
        second->own.family = second->peer.family = CEDE_ADDRESS_LOCAL;
        status = sim_socket_open(first, one);
    }
    if (status == CEDE_OK)
        status = sim_socket_open(second, two);
    if (status == CEDE_OK)
        return CEDE_OK;
    if (first && !*one)
        sim_socket_close(first);
    if (second)
        sim_socket_close(second);
    return status;
}

static cede_status pair_of_ends(cede_sim *world, sim_open **one, sim_open **two)
{
    sim_node *node = sim_node_new(world, CEDE_FILE_PIPE, 0600);
    cede_sim_pipe *pipe = sim_pipe_bare(world, false);
    cede_status status = node && pipe ? CEDE_OK : CEDE_ENOMEM;
    if (status == CEDE_OK) {
        node->pipe = pipe;
        status = sim_open_new(world, node, CEDE_OPEN_READ, one);
    }
    if (status == CEDE_OK)
        status = sim_open_new(world, node, CEDE_OPEN_WRITE, two);
    if (!*one) { /* nobody has it */
        sim_pipe_free(pipe);
        if (node)
            sim_node_check(node);
    }
    return status;
}

bool sim_op_pair(cede_sim *world, sim_work *work)
{
    sim_open *one = NULL, *two = NULL;
    uint32_t what = work->args.net.flags;
    cede_status status = CEDE_EMFILE;
    if (!is_full(world, 2))
        status = what == CEDE_PAIR_STREAM     ? pair_of_streams(world, &one, &two)
                 : what == CEDE_PAIR_TO_CHILD ? pair_of_ends(world, &two, &one)
                                              : pair_of_ends(world, &one, &two);
    if (status == CEDE_OK)
        *(uint64_t *)work->args.net.out = (uint64_t)two->native;
    if (status != CEDE_OK && one)
        sim_open_close(one);
    if (status != CEDE_OK && two)
        sim_open_close(two);
    return made(work, status, one);
}

/* ---- Streams and names ----------------------------------------------------------------------- */

static cede_status shut(sim_work *work)
{
    sim_socket *socket = work->file ? work->file->socket : NULL;
    if (!socket || socket->kind != CEDE_KIND_STREAM)
        return work->file ? CEDE_EINVAL : CEDE_EBADF;
    bool gone = socket->broken || (!socket->out && !socket->other);
    if (gone && socket->own.family != CEDE_ADDRESS_LOCAL)
        return CEDE_ENOTCONN;
    if (socket->out) {
        cede_sim_pipe *pipe = socket->out;
        socket->out = work->file->out = NULL;
        sim_unblock(pipe->world, &pipe->writing);
        sim_pipe_ends(pipe, CEDE_OPEN_WRITE, -1);
    }
    return CEDE_OK;
}

bool sim_op_shutdown(cede_sim *world, sim_work *work)
{
    (void)world;
    return ended(work, shut(work));
}

bool sim_op_name(cede_sim *world, sim_work *work)
{
    const sim_socket *socket = work->file ? work->file->socket : NULL;
    bool peer = work->args.net.flags == CEDE_NAME_PEER;
    (void)world;
    if (!socket)
        return ended(work, work->file ? CEDE_EINVAL : CEDE_EBADF);
    bool gone = socket->broken && socket->own.family != CEDE_ADDRESS_LOCAL;
    if (peer && (gone || socket->peer.family == CEDE_ADDRESS_NONE))
        return ended(work, CEDE_ENOTCONN);
    *(cede_address *)work->args.net.out = peer ? socket->peer : socket->own;
    return ended(work, CEDE_OK);
}
