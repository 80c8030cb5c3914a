/*
 * Preparations for sockets.
 */
#include "prep.h"

#include <string.h>

#define LONGEST_NAME   253u /* of a host, with its dots (RFC 1035) */
#define MOST_ADDRESSES 65536u

static cede_args *transfer(cede_req *req, uint8_t op, cede_handle handle, const void *buffer,
                           uint64_t length)
{
    cede_args *args = cedi_prep_on(req, op, handle);
    args->io.buffer = (void *)(uintptr_t)buffer;
    args->io.length_bytes = length;
    args->io.offset = CEDE_CURRENT;
    cedi_prep_require(req, (buffer || length == 0) && length <= INT64_MAX);
    return args;
}

/* An address that a socket can be at, of a family that `local` may be among. */
static void require_address(cede_req *req, const cede_address *address, bool local)
{
    switch (address->family) {
    case CEDE_ADDRESS_IPV4:
        cedi_prep_require(req, address->scope_id == 0);
        break;
    case CEDE_ADDRESS_IPV6:
        break;
    case CEDE_ADDRESS_LOCAL:
        cedi_prep_require(req, local && address->path && address->path[0] &&
                                   strlen(address->path) <= CEDE_ADDRESS_PATH);
        break;
    default:
        cedi_prep_require(req, false);
        break;
    }
}

static cede_args *at_address(cede_req *req, uint8_t op, const cede_address *address, bool local,
                             uint32_t flags)
{
    cede_args *args = cedi_prep(req, op, 0);
    memset(&args->net, 0, sizeof args->net);
    args->net.flags = flags;
    cedi_prep_require(req, address != NULL);
    if (!address)
        return args;
    args->net.address = *address;
    require_address(req, address, local);
    return args;
}

void cede_prep_listen(cede_req *req, const cede_address *at, uint32_t backlog, uint32_t flags)
{
    cede_args *args = at_address(req, CEDE_OP_LISTEN, at, true, flags);
    args->net.count = backlog;
    cedi_prep_require(req, !(flags & ~CEDE_LISTEN_ANY));
}

void cede_prep_connect(cede_req *req, const cede_address *to, uint32_t flags)
{
    const cede_args *args = at_address(req, CEDE_OP_CONNECT, to, true, flags);
    cedi_prep_require(req, flags == 0);
    cedi_prep_require(req, args->net.address.family == CEDE_ADDRESS_LOCAL ||
                               args->net.address.port != 0);
}

void cede_prep_accept(cede_req *req, cede_handle listener, cede_address *peer)
{
    cede_args *args = cedi_prep_on(req, CEDE_OP_ACCEPT, listener);
    memset(&args->net, 0, sizeof args->net);
    args->net.out = peer;
}

void cedi_prep_many(cede_req *req, uint8_t op, cede_handle handle, cede_pool *pool, uint32_t credit,
                    cede_item *item)
{
    cede_args *args = cedi_prep_on(req, op, handle);
    args->many.pool = pool;
    args->many.item = item;
    args->many.credit = credit;
    cedi_prep_require(req,
                      (pool || op == CEDE_OP_ACCEPT_MANY) && (item || op == CEDE_OP_RECV_POOL));
}

void cede_prep_accept_many(cede_req *req, cede_handle listener, cede_item *item)
{
    cedi_prep_many(req, CEDE_OP_ACCEPT_MANY, listener, NULL, 0, item);
}

void cede_prep_recv_pool(cede_req *req, cede_handle handle, cede_pool *pool)
{
    cedi_prep_many(req, CEDE_OP_RECV_POOL, handle, pool, 0, NULL);
}

void cede_prep_recv_many(cede_req *req, cede_handle handle, cede_pool *pool, uint32_t credit,
                         cede_item *item)
{
    cedi_prep_many(req, CEDE_OP_RECV_MANY, handle, pool, credit, item);
}

void cede_prep_pair(cede_req *req, uint32_t what, cede_handle *second)
{
    cede_args *args = cedi_prep(req, CEDE_OP_PAIR, 0);
    memset(&args->net, 0, sizeof args->net);
    args->net.out = second;
    args->net.flags = what;
    cedi_prep_require(req, second && what <= CEDE_PAIR_FROM_CHILD);
}

void cede_prep_recv(cede_req *req, cede_handle handle, void *buffer, uint64_t length_bytes)
{
    (void)transfer(req, CEDE_OP_RECV, handle, buffer, length_bytes);
}

void cede_prep_recv_all(cede_req *req, cede_handle handle, void *buffer, uint64_t length_bytes)
{
    (void)transfer(req, CEDE_OP_RECV_ALL, handle, buffer, length_bytes);
}

void cede_prep_send(cede_req *req, cede_handle handle, const void *buffer, uint64_t length_bytes)
{
    (void)transfer(req, CEDE_OP_SEND, handle, buffer, length_bytes);
}

void cede_prep_send_all(cede_req *req, cede_handle handle, const void *buffer,
                        uint64_t length_bytes)
{
    (void)transfer(req, CEDE_OP_SEND_ALL, handle, buffer, length_bytes);
}

void cede_prep_send_zero_copy(cede_req *req, cede_handle handle, const void *buffer,
                              uint64_t length_bytes)
{
    (void)transfer(req, CEDE_OP_SEND_ZERO_COPY, handle, buffer, length_bytes);
}

void cede_prep_send_file(cede_req *req, cede_handle stream, cede_handle file, uint64_t offset,
                         uint64_t length_bytes)
{
    cede_args *args = cedi_prep_on(req, CEDE_OP_SEND_FILE, stream);
    uint64_t known = length_bytes == CEDE_TO_END ? 0 : length_bytes;
    args->copy.other = file;
    args->copy.from_offset = offset;
    args->copy.to_offset = 0;
    args->copy.length_bytes = length_bytes;
    cedi_prep_require(req, offset <= INT64_MAX && known <= INT64_MAX - offset);
}

void cede_prep_sendv(cede_req *req, cede_handle handle, const cede_vec *vec, uint32_t count)
{
    cede_prep_writev(req, handle, vec, count, CEDE_CURRENT);
    req->op_ = CEDE_OP_SENDV;
}

void cede_prep_shutdown(cede_req *req, cede_handle handle)
{
    (void)cedi_prep_on(req, CEDE_OP_SHUTDOWN, handle);
}

void cede_prep_datagram(cede_req *req, const cede_address *at, uint32_t flags)
{
    (void)at_address(req, CEDE_OP_DATAGRAM, at, false, flags);
    cedi_prep_require(req, !(flags & ~CEDE_DATAGRAM_ANY));
}

void cede_prep_recvfrom(cede_req *req, cede_handle handle, void *buffer, uint64_t length_bytes,
                        cede_address *from)
{
    cede_args *args = transfer(req, CEDE_OP_RECVFROM, handle, buffer, length_bytes);
    args->datagram.from = from;
}

void cede_prep_sendto(cede_req *req, cede_handle handle, const void *buffer, uint64_t length_bytes,
                      const cede_address *to)
{
    cede_args *args = transfer(req, CEDE_OP_SENDTO, handle, buffer, length_bytes);
    args->datagram.from = NULL;
    cedi_prep_require(req, to != NULL);
    if (!to)
        return;
    args->datagram.address = *to;
    require_address(req, to, false);
    cedi_prep_require(req, to->port != 0);
}

static bool is_group(const cede_address *address)
{
    if (address->family == CEDE_ADDRESS_IPV4)
        return (address->ip[0] & 0xf0) == 0xe0;
    return address->family == CEDE_ADDRESS_IPV6 && address->ip[0] == 0xff;
}

/* What is no group is refused here: of leaving one, systems say that it was not joined, or that it
 * is none, by its family. */
void cede_prep_group(cede_req *req, cede_handle handle, const cede_address *group,
                     uint32_t interface_index, uint32_t what)
{
    cede_args *args = at_address(req, CEDE_OP_GROUP, group, false, what);
    req->handle_ = handle;
    req->attributes_ |= CEDI_HAS_HANDLE;
    args->net.count = interface_index;
    cedi_prep_require(req, what <= CEDE_GROUP_LEAVE && is_group(&args->net.address));
}

void cede_prep_name(cede_req *req, cede_handle handle, uint32_t which, cede_address *out)
{
    cede_args *args = cedi_prep_on(req, CEDE_OP_NAME, handle);
    memset(&args->net, 0, sizeof args->net);
    args->net.out = out;
    args->net.flags = which;
    cedi_prep_require(req, out && which <= CEDE_NAME_PEER);
}

static void option(cede_req *req, uint8_t op, cede_handle handle, uint32_t name, int64_t value)
{
    cede_args *args = cedi_prep_on(req, op, handle);
    args->option.name = name;
    args->option.value = value;
    cedi_prep_require(req, name > 0 && name < CEDE_OPTION_COUNT);
}

static bool is_switch(uint32_t name)
{
    return name == CEDE_OPTION_NO_DELAY || name == CEDE_OPTION_KEEP_ALIVE ||
           name == CEDE_OPTION_BROADCAST || name == CEDE_OPTION_MULTICAST_LOOP;
}

/* Linux takes any number for on, but not for IPv6's CEDE_OPTION_MULTICAST_LOOP. */
void cede_prep_set_option(cede_req *req, cede_handle handle, uint32_t name, int64_t value)
{
    if (is_switch(name) && value > 1)
        value = 1;
    option(req, CEDE_OP_SET_OPTION, handle, name, value);
    cedi_prep_require(req, value >= (name == CEDE_OPTION_LINGER ? -1 : 0));
}

void cede_prep_get_option(cede_req *req, cede_handle handle, uint32_t name)
{
    option(req, CEDE_OP_GET_OPTION, handle, name, 0);
}

/* ---- Names ---------------------------------------------------------------------------------- */

void cede_prep_lookup(cede_req *req, const char *host, uint16_t port, uint32_t flags,
                      cede_address *out, uint32_t room)
{
    cede_args *args = cedi_prep(req, CEDE_OP_LOOKUP, 0);
    args->path.path = host;
    args->path.to = NULL;
    args->path.out = out;
    args->path.length_bytes = room;
    args->path.flags = flags;
    args->path.mode = port;
    cedi_prep_require(req, host && host[0] && strlen(host) <= LONGEST_NAME);
    cedi_prep_require(req, (out || room == 0) && room <= MOST_ADDRESSES);
    cedi_prep_require(req, !(flags & ~CEDE_LOOKUP_ANY));
}
