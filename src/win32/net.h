/*
 * Sockets and local streams, inside this folder. A local stream is a named pipe, and to the core a
 * stream like any other.
 *
 *     socket.c   Winsock's calls that do not wait: making, names, options, kinds
 *     net.c      what waits: connect, accept, transfers, datagrams
 *     local.c    local names: listeners of pipes, connects, pairs
 *
 * Threads: socket.c's functions are for any, but those that take a win_file; the rest is the
 * loop's.
 */
#ifndef CEDE_WIN32_NET_H
#define CEDE_WIN32_NET_H

#include "calls.h"

#include <ws2tcpip.h>

#include "cede/net.h"

typedef union win_name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} win_name;

#define WIN_ACCEPT_BYTES 128u /* what AcceptEx wants for a name; AF_UNIX's are the longest, 110 */

/* What an operation on a socket has besides its record; recycled, freed by close. */
typedef struct win_net {
    struct win_net *next;
    SOCKET made; /* connect, accept */
    cede_address *out;
    win_name name;
    int name_bytes;
    unsigned char names[2 * WIN_ACCEPT_BYTES];
} win_net;

/* ---- record.c ------------------------------------------------------------------------------- */

win_net *cedi_win_net_get(win *); /* NULL: out of memory */
void cedi_win_net_put(win *, win_net *);

/* ---- socket.c ------------------------------------------------------------------------------- */

/* Results: 0 or the error. */

void cedi_win_socket_begin(void); /* Winsock, once a process */
bool cedi_win_is_socket(intptr_t native);
/* Of a socket: kind, family, and whether packets for what succeeds at once may be left out. */
uint32_t cedi_win_socket_look(intptr_t native, uint32_t *kind, uint16_t *family, bool *may_skip);
/* How long it is. `family` is that of the socket: IPv6 takes IPv4 as well, in its own form. 0: the
 * socket has no such addresses. */
int cedi_win_name_to_system(const cede_address *, uint16_t family, win_name *);
/* The same of where something is to go to: the any-address leads to this machine, as elsewhere. */
int cedi_win_destination(const cede_address *, uint16_t family, win_name *);
void cedi_win_name_from_system(const win_name *, int bytes, cede_address *);
uint16_t cedi_win_family_of(const cede_address *);
uint32_t cedi_win_socket_make(const win *, uint16_t family, int type, SOCKET *);
uint32_t cedi_win_socket_listen(const win *, const cede_args *, SOCKET *);
uint32_t cedi_win_socket_datagram(const win *, const cede_args *, SOCKET *);
/* What is to be connected to there. */
uint32_t cedi_win_socket_bind_any(const win *, SOCKET, const cede_address *to);
uint32_t cedi_win_socket_shutdown(const win *, SOCKET);
uint32_t cedi_win_socket_group(const win *, SOCKET, const cede_args *);
uint32_t cedi_win_socket_name(SOCKET, uint32_t which, cede_address *);
/* A connect to where nobody listens succeeds if the socket's own port happens to be the one it is
 * to go to: by TCP's simultaneous open (RFC 9293, 3.5). */
bool cedi_win_socket_met_itself(SOCKET);
uint32_t cedi_win_socket_set(const win *, win_file *, uint32_t option, int64_t value);
uint32_t cedi_win_socket_get(const win_file *, uint32_t option, int64_t *value);
bool cedi_win_socket_lingers(intptr_t native);
/* Of one that is to be closed and not waited for: what is unsent is sent behind the scenes. */
void cedi_win_socket_unlinger(intptr_t native);
/* Also one that is not to block and was told to linger, whose close "would block". May block. */
uint32_t cedi_win_socket_close(uint32_t (*close_socket)(uintptr_t), SOCKET);
/* The peer of an accepted one, out of what AcceptEx wrote. */
void cedi_win_socket_peer(SOCKET listener, win_net *, cede_address *);

/* ---- net.c ---------------------------------------------------------------------------------- */

/* Transfers of streams that are sockets: args.io or args.vec is somebody else's affair. */
bool cedi_win_socket_piece(win *, const cede_work *, void *buffer, uint64_t length, bool writes);
/* A record for a receive, to be given its buffer and issued; also of a pipe. */
win_io *cedi_win_net_io(win *, const cede_work *, win_file *);
/* In another lane than the socket's: what has no routine. */
win_io *cedi_win_net_io_in(win *, const cede_work *, win_file *, uint8_t lane);
bool cedi_win_socket_vec(win *, const cede_work *, const cede_vec *, uint64_t count, bool writes);

/* ---- local.c -------------------------------------------------------------------------------- */

/* A listener at a local name has no handle of the system's that stands for it: its native is odd,
 * which no handle is, and known here. */
bool cedi_win_is_local(intptr_t native);
void cedi_win_local_discard(intptr_t native);
cede_status cedi_win_local_attach(win *, win_file *);
bool cedi_win_local_close(win *, const cede_work *);
bool cedi_win_local_listen(win *, const cede_work *);
bool cedi_win_local_connect(win *, const cede_work *);
bool cedi_win_local_accept(win *, const cede_work *, win_file *);
bool cedi_win_local_pair(win *, const cede_work *);

#endif
