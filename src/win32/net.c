/*
 * What waits on sockets: connects, accepts, transfers, datagrams; and what does not, by way of
 * socket.c. Local names go to local.c.
 *
 * A connect and, in the APC lane, an accept report by an event: the one because its socket leads
 * into no port yet (it is bound by the loop that uses it, which may be another), the other because
 * AcceptEx has no routine. The loop's thread.
 */
#include "net.h"

#include <mswsock.h>
#include <string.h>

#define PIECES_MOST 1024u /* of a vector; more than the core lets through */

/* ---- At once -------------------------------------------------------------------------------- */

static bool opened_now(win *self, const cede_work *work, uint32_t error, SOCKET made)
{
    return cedi_win_done_now(self, work, error, error ? 0 : (uint64_t)made);
}

bool cedi_win_start_listen(win *self, const cede_work *work)
{
    SOCKET made;
    uint32_t error;
    if (work->args->net.address.family == CEDE_ADDRESS_LOCAL)
        return cedi_win_local_listen(self, work);
    error = cedi_win_socket_listen(self, work->args, &made);
    return opened_now(self, work, error, made);
}

bool cedi_win_start_datagram(win *self, const cede_work *work)
{
    SOCKET made;
    uint32_t error = cedi_win_socket_datagram(self, work->args, &made);
    return opened_now(self, work, error, made);
}

bool cedi_win_start_pair(win *self, const cede_work *work)
{
    return cedi_win_local_pair(self, work);
}

/* NULL: it is no socket, but a pipe that plays the part of one. */
static win_file *find_socket(const win *self, const cede_work *work)
{
    win_file *file = cedi_win_file_find(self, work->native);
    return file && file->socket ? file : NULL;
}

bool cedi_win_start_shutdown(win *self, const cede_work *work)
{
    if (!find_socket(self, work))
        return cedi_win_done_now(self, work, ERROR_NOT_SUPPORTED, 0);
    return cedi_win_done_now(self, work, cedi_win_socket_shutdown(self, (SOCKET)work->native), 0);
}

bool cedi_win_start_group(win *self, const cede_work *work)
{
    const win_file *file = find_socket(self, work);
    if (file && file->family == AF_INET && work->args->net.address.family == CEDE_ADDRESS_IPV6)
        return cedi_win_done_now(self, work, WSAEOPNOTSUPP, 0); /* the system says it is invalid */
    return cedi_win_done_now(self, work,
                             cedi_win_socket_group(self, (SOCKET)work->native, work->args), 0);
}

bool cedi_win_start_name(win *self, const cede_work *work)
{
    uint32_t which = work->args->net.flags, error = 0;
    cede_address name = {.family = CEDE_ADDRESS_LOCAL};
    if (find_socket(self, work))
        error = cedi_win_socket_name((SOCKET)work->native, which, &name);
    else if (which == CEDE_NAME_PEER && cedi_win_is_local(work->native))
        error = WSAENOTCONN;
    if (error == 0) {
        cede_core_touch(self->core, work->token, true);
        *(cede_address *)work->args->net.out = name;
        cede_core_touch(self->core, work->token, false);
    }
    return cedi_win_done_now(self, work, error, 0);
}

bool cedi_win_start_set_option(win *self, const cede_work *work)
{
    win_file *file = find_socket(self, work);
    uint32_t error = ERROR_NOT_SUPPORTED;
    if (file)
        error = cedi_win_socket_set(self, file, work->args->option.name, work->args->option.value);
    return cedi_win_done_now(self, work, error, 0);
}

bool cedi_win_start_get_option(win *self, const cede_work *work)
{
    const win_file *file = find_socket(self, work);
    int64_t value = 0;
    uint32_t error = ERROR_NOT_SUPPORTED;
    if (file)
        error = cedi_win_socket_get(file, work->args->option.name, &value);
    return cedi_win_done_now(self, work, error, error ? 0 : (uint64_t)value);
}

/* ---- Calls ---------------------------------------------------------------------------------- */

static uint32_t call_with(win *self, win_io *io, win_routine *routine)
{
    SOCKET socket = (SOCKET)io->file->native;
    win_net *net = io->net;
    uint32_t error;
    switch (io->record.op) {
    case CEDE_OP_RECVFROM:
        error = cedi_win_fault(self, "WSARecvFrom");
        return error ? error
                     : self->calls.wsa_recv_from(socket, io->buffer, &io->flags, &net->name,
                                                 &net->name_bytes, &io->overlapped, routine);
    case CEDE_OP_SENDTO:
        error = cedi_win_fault(self, "WSASendTo");
        return error ? error
                     : self->calls.wsa_send_to(socket, io->buffer, &net->name, net->name_bytes,
                                               &io->overlapped, routine);
    default:
        if (io->writes)
            return cedi_win_send(self, socket, io->buffer, io->asked, &io->overlapped, routine);
        return cedi_win_recv(self, socket, io->buffer, io->asked, &io->flags, &io->overlapped,
                             routine);
    }
}

/* Where a transfer is refused with its routine, the socket leads into somebody's port, perhaps
 * since now only: what has begun before stays in its lane. */
static uint32_t call_transfer(win *self, win_io *io)
{
    uint32_t error;
    if (io->lane == WIN_LANE_EVENT)
        cedi_win_event_ready(io);
    if (io->lane != WIN_LANE_APC)
        return call_with(self, io, NULL);
    error = call_with(self, io, cedi_win_socket_routine());
    if (error != WSAEINVAL && error != ERROR_INVALID_PARAMETER)
        return error;
    if (!cedi_win_event_make(io))
        return ERROR_NOT_ENOUGH_MEMORY;
    io->file->lane = io->lane = WIN_LANE_EVENT;
    cedi_win_event_ready(io);
    return call_with(self, io, NULL);
}

/* A record for this; NULL: no room. */
static win_io *new_io(win *self, const cede_work *work, win_file *file, uint8_t lane, bool with_net)
{
    win_io *io = cedi_win_io_new(self, work);
    if (!io)
        return NULL;
    io->net = with_net ? cedi_win_net_get(self) : NULL;
    if ((with_net && !io->net) || (lane == WIN_LANE_EVENT && !cedi_win_event_make(io))) {
        cedi_win_io_free(self, io);
        return NULL;
    }
    io->file = file;
    io->lane = lane;
    io->flags = 0;
    io->buffer = NULL;
    io->asked = 0;
    io->overlapped.Offset = io->overlapped.OffsetHigh = 0;
    file->pending++;
    return io;
}

win_io *cedi_win_net_io(win *self, const cede_work *work, win_file *file)
{
    win_io *io = new_io(self, work, file, file->lane, false);
    if (io && file->socket)
        io->call = call_transfer;
    return io;
}

win_io *cedi_win_net_io_in(win *self, const cede_work *work, win_file *file, uint8_t lane)
{
    return new_io(self, work, file, lane, false);
}

/* ---- Streams -------------------------------------------------------------------------------- */

/* Winsock keeps no array of WSABUFs beyond the call. */
static bool start_pieces(win *self, const cede_work *work, win_file *file, WSABUF *pieces,
                         uint32_t count, uint32_t length, bool writes)
{
    win_io *io = new_io(self, work, file, file->lane, false);
    if (!io)
        return false;
    io->writes = writes;
    io->buffer = pieces;
    io->asked = count;
    io->length = length;
    io->call = call_transfer;
    cedi_win_issue(self, io);
    return true;
}

bool cedi_win_socket_piece(win *self, const cede_work *work, void *buffer, uint64_t length,
                           bool writes)
{
    win_file *file = cedi_win_file_find(self, work->native);
    WSABUF piece = {cedi_win_most_at_once(file, writes, length), buffer};
    return start_pieces(self, work, file, &piece, 1, piece.len, writes);
}

bool cedi_win_socket_vec(win *self, const cede_work *work, const cede_vec *vec, uint64_t count,
                         bool writes)
{
    WSABUF pieces[PIECES_MOST];
    win_file *file = cedi_win_file_find(self, work->native);
    uint32_t most = cedi_win_most_at_once(file, writes, UINT64_MAX), used = 0;
    uint64_t room = most;
    for (uint64_t i = 0; i < count && room > 0 && used < PIECES_MOST; i++) {
        uint64_t part = vec[i].length_bytes < room ? vec[i].length_bytes : room;
        if (part == 0)
            continue;
        pieces[used].buf = vec[i].base;
        pieces[used++].len = (ULONG)part;
        room -= part;
    }
    return start_pieces(self, work, file, pieces, used, most - (uint32_t)room, writes);
}

bool cedi_win_start_recv(win *self, const cede_work *work)
{
    return cedi_win_transfer(self, work, false, 0);
}

bool cedi_win_start_recv_all(win *self, const cede_work *work)
{
    return cedi_win_transfer(self, work, false, work->moved);
}

bool cedi_win_start_send(win *self, const cede_work *work)
{
    return cedi_win_transfer(self, work, true, 0);
}

bool cedi_win_start_send_all(win *self, const cede_work *work)
{
    return cedi_win_transfer(self, work, true, work->moved);
}

/* From the piece on in which earlier rounds ended; the rest of one that was begun goes alone. */
bool cedi_win_start_sendv(win *self, const cede_work *work)
{
    const cede_vec *vec = work->args->vec.vec;
    uint64_t count = work->args->vec.count, moved = work->moved;
    cede_vec rest;
    while (count && moved >= vec->length_bytes) {
        moved -= vec->length_bytes;
        vec++;
        count--;
    }
    if (moved) {
        rest.base = (char *)vec->base + moved;
        rest.length_bytes = vec->length_bytes - (size_t)moved;
        vec = &rest;
        count = 1;
    }
    return cedi_win_transfer_vec(self, work, vec, count, true);
}

/* ---- What opens ----------------------------------------------------------------------------- */

static void report(win *self, win_io *io, cede_status status, uint32_t error, uint64_t count)
{
    uint64_t token = io->record.token;
    cedi_win_io_left(self, io);
    cede_core_done(self->core, token, status, (int32_t)error, count);
}

/* A socket that is connected now, or is not. The update makes it whole: without it neither its
 * names nor a shutdown are to be had (AcceptEx, ConnectEx). */
static uint32_t update(win *self, win_io *io, uint32_t error, int option, SOCKET *listener)
{
    if (error == 0)
        error = cedi_win_set_option(self, io->net->made, SOL_SOCKET, option, listener,
                                    listener ? sizeof *listener : 0);
    if (error)
        (void)self->calls.close_socket(io->net->made);
    return error;
}

static void connected(win *self, win_io *io, uint32_t error, uint32_t bytes)
{
    (void)bytes;
    error = update(self, io, error, SO_UPDATE_CONNECT_CONTEXT, NULL);
    if (error == WSAENOTCONN)
        error = WSAECONNRESET; /* it was, and is no more */
    if (error == 0 && cedi_win_socket_met_itself(io->net->made)) {
        (void)self->calls.close_socket(io->net->made);
        error = WSAECONNREFUSED;
    }
    report(self, io, cedi_error_status(error), error, (uint64_t)io->net->made);
}

static uint32_t call_connect(win *self, win_io *io)
{
    cedi_win_event_ready(io);
    return cedi_win_connect_ex(self, io->net->made, &io->net->name, io->net->name_bytes,
                               &io->overlapped);
}

/* The file's record is this connect's alone: nobody finds it, and it ends with it. */
static bool start_connect(win *self, const cede_work *work, SOCKET made)
{
    const cede_address *to = &work->args->net.address;
    win_file *file = cedi_win_file_new(self);
    win_io *io;
    if (!file)
        return false;
    io = new_io(self, work, file, WIN_LANE_EVENT, true);
    if (!io) {
        cedi_win_file_free(self, file);
        return false;
    }
    file->native = (intptr_t)made;
    file->lane = WIN_LANE_EVENT;
    file->socket = true;
    file->closed = true;
    io->net->made = made;
    io->net->name_bytes = cedi_win_destination(to, cedi_win_family_of(to), &io->net->name);
    io->call = call_connect;
    io->over = connected;
    cedi_win_issue(self, io);
    return true;
}

bool cedi_win_start_connect(win *self, const cede_work *work)
{
    const cede_address *to = &work->args->net.address;
    SOCKET made;
    uint32_t error;
    if (to->family == CEDE_ADDRESS_LOCAL)
        return cedi_win_local_connect(self, work);
    error = cedi_win_socket_make(self, cedi_win_family_of(to), SOCK_STREAM, &made);
    if (error)
        return cedi_win_done_now(self, work, error, 0);
    error = cedi_win_socket_bind_any(self, made, to); /* ConnectEx wants it bound */
    if (error == 0 && start_connect(self, work, made))
        return true;
    (void)self->calls.close_socket(made);
    return error ? cedi_win_done_now(self, work, error, 0) : false;
}

static void tell(win *self, const win_io *io, const cede_address *address)
{
    if (!io->net->out)
        return;
    cede_core_touch(self->core, io->record.token, true);
    *io->net->out = *address;
    cede_core_touch(self->core, io->record.token, false);
}

/* A shortage is one of memory: then the core lets it wait. */
static void accepted(win *self, win_io *io, uint32_t error, uint32_t bytes)
{
    SOCKET listener = (SOCKET)io->file->native;
    cede_address peer;
    (void)bytes;
    error = update(self, io, error, SO_UPDATE_ACCEPT_CONTEXT, &listener);
    if (error == WSAENOTCONN)
        error = WSAECONNABORTED; /* the client has left again */
    if (error == 0) {
        cedi_win_socket_peer(listener, io->net, &peer);
        tell(self, io, &peer);
    }
    report(self, io, cedi_error_is_shortage(error) ? CEDE_ENOMEM : cedi_error_status(error), error,
           (uint64_t)io->net->made);
}

static uint32_t call_accept(win *self, win_io *io)
{
    if (io->lane == WIN_LANE_EVENT)
        cedi_win_event_ready(io);
    return cedi_win_accept_ex(self, (SOCKET)io->file->native, io->net->made, io->net->names,
                              WIN_ACCEPT_BYTES, &io->overlapped);
}

bool cedi_win_start_accept(win *self, const cede_work *work)
{
    win_file *file;
    win_io *io;
    SOCKET made;
    uint32_t error;
    if (!cedi_win_file_use(self, work, &file))
        return true;
    if (file && file->local)
        return cedi_win_local_accept(self, work, file);
    if (!file || file->lane == WIN_LANE_SYNC)
        return cedi_win_done_now(self, work, ERROR_NOT_SUPPORTED, 0);
    error = cedi_win_socket_make(self, file->family, SOCK_STREAM, &made);
    if (error) {
        cede_core_done(self->core, work->token,
                       cedi_error_is_shortage(error) ? CEDE_ENOMEM : cedi_error_status(error),
                       (int32_t)error, 0);
        return true;
    }
    io = new_io(self, work, file, file->lane == WIN_LANE_PORT ? WIN_LANE_PORT : WIN_LANE_EVENT,
                true);
    if (!io) {
        (void)self->calls.close_socket(made);
        return false;
    }
    io->net->made = made;
    io->net->out = work->op == CEDE_OP_ACCEPT ? work->args->net.out : NULL;
    io->call = call_accept;
    io->over = accepted;
    cedi_win_issue(self, io);
    return true;
}

/* A client at a time: the core begins it anew. */
bool cedi_win_start_accept_many(win *self, const cede_work *work)
{
    return cedi_win_start_accept(self, work);
}

/* ---- Datagrams ------------------------------------------------------------------------------ */

#define DATAGRAM_MOST 65536u /* none is as long: its length has 16 bits (RFC 768) */

/* A buffer that is much larger may be refused for want of memory (size.c). What is to be sent is
 * for the system to call too large. */
static bool start_datagram(win *self, const cede_work *work, win_io *io)
{
    uint64_t length = work->args->datagram.length_bytes;
    uint32_t most = io->writes ? WIN_ROUND_BYTES : DATAGRAM_MOST;
    WSABUF piece = {length < most ? (ULONG)length : most, work->args->datagram.buffer};
    io->buffer = &piece;
    io->asked = piece.len;
    io->call = call_transfer;
    cedi_win_issue(self, io);
    return true;
}

/* What became of a datagram that was sent earlier is nobody's affair here. */
static bool is_of_another(uint32_t error)
{
    return error == WSAECONNRESET || error == WSAENETRESET || error == WSAENETUNREACH ||
           error == WSAEHOSTUNREACH;
}

static cede_status datagram_status(uint32_t error)
{
    return cedi_error_is_shortage(error) ? CEDE_REPORT_PARK : cedi_error_status(error);
}

/* How long one was that did not fit is not told. */
static void received(win *self, win_io *io, uint32_t error, uint32_t bytes)
{
    uint64_t count = bytes;
    cede_address from;
    if (error == ERROR_MORE_DATA || error == WSAEMSGSIZE) {
        count = (uint64_t)io->asked + 1;
        error = 0;
    }
    if (error == 0) {
        cedi_win_name_from_system(&io->net->name, io->net->name_bytes, &from);
        tell(self, io, &from);
    }
    report(self, io, is_of_another(error) ? CEDE_REPORT_AGAIN : datagram_status(error), error,
           count);
}

bool cedi_win_start_recvfrom(win *self, const cede_work *work)
{
    win_file *file;
    win_io *io;
    if (!cedi_win_file_use(self, work, &file))
        return true;
    if (!file || file->lane == WIN_LANE_SYNC)
        return cedi_win_done_now(self, work, ERROR_NOT_SUPPORTED, 0);
    io = new_io(self, work, file, file->lane, true);
    if (!io)
        return false;
    memset(&io->net->name, 0, sizeof io->net->name);
    io->net->name_bytes = sizeof io->net->name;
    io->net->out = work->args->datagram.from;
    io->over = received;
    return start_datagram(self, work, io);
}

static void sent(win *self, win_io *io, uint32_t error, uint32_t bytes)
{
    if (error == ERROR_MORE_DATA) /* as a packet says it */
        error = WSAEMSGSIZE;
    report(self, io, datagram_status(error), error, bytes);
}

bool cedi_win_start_sendto(win *self, const cede_work *work)
{
    win_file *file;
    win_name name;
    win_io *io;
    int name_bytes;
    if (!cedi_win_file_use(self, work, &file))
        return true;
    if (!file || file->lane == WIN_LANE_SYNC)
        return cedi_win_done_now(self, work, ERROR_NOT_SUPPORTED, 0);
    name_bytes = cedi_win_destination(&work->args->datagram.address, file->family, &name);
    if (name_bytes == 0)
        return cedi_win_done_now(self, work, WSAEAFNOSUPPORT, 0);
    io = new_io(self, work, file, file->lane, true);
    if (!io)
        return false;
    io->net->name = name;
    io->net->name_bytes = name_bytes;
    io->writes = true;
    io->over = sent;
    return start_datagram(self, work, io);
}
