/*
 * Winsock's calls that do not wait. See net.h. What options mean is from Microsoft's pages on
 * SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP and IPPROTO_IPV6.
 */
#include "net.h"

#include <mstcpip.h>
#include <mswsock.h>
#include <string.h>

#ifndef SIO_UDP_CONNRESET
#define SIO_UDP_CONNRESET _WSAIOW(IOC_VENDOR, 12)
#endif
#ifndef SIO_UDP_NETRESET
#define SIO_UDP_NETRESET _WSAIOW(IOC_VENDOR, 15)
#endif
#ifndef TCP_KEEPIDLE /* Windows 10, 1709 */
#define TCP_KEEPIDLE 3
#endif
#ifndef TCP_FASTOPEN
#define TCP_FASTOPEN 15
#endif
#ifndef TCP_KEEPCNT
#define TCP_KEEPCNT 16
#endif
#ifndef TCP_KEEPINTVL
#define TCP_KEEPINTVL 17
#endif

static uint32_t answer(int result)
{
    return result == 0 ? 0 : (uint32_t)WSAGetLastError();
}

/* ---- Winsock itself ------------------------------------------------------------------------- */

static INIT_ONCE begun = INIT_ONCE_STATIC_INIT;

/* Never ended: sockets may outlive every loop. If it fails, making a socket says so. */
static BOOL CALLBACK begin(INIT_ONCE *once, void *parameter, void **context)
{
    WSADATA data;
    (void)once;
    (void)parameter;
    (void)context;
    (void)WSAStartup(MAKEWORD(2, 2), &data);
    return TRUE;
}

void cedi_win_socket_begin(void)
{
    (void)InitOnceExecuteOnce(&begun, begin, NULL, NULL);
}

/* ---- Addresses ------------------------------------------------------------------------------ */

uint16_t cedi_win_family_of(const cede_address *address)
{
    return address->family == CEDE_ADDRESS_IPV6 ? AF_INET6 : AF_INET;
}

/* ::ffff:a.b.c.d, which is IPv4's. */
static bool is_mapped(const cede_address *address)
{
    static const uint8_t before[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return address->family == CEDE_ADDRESS_IPV6 && memcmp(address->ip, before, sizeof before) == 0;
}

int cedi_win_name_to_system(const cede_address *from, uint16_t family, win_name *to)
{
    memset(to, 0, sizeof *to);
    if (family == AF_INET && from->family == CEDE_ADDRESS_IPV4) {
        to->v4.sin_family = AF_INET;
        to->v4.sin_port = htons(from->port);
        memcpy(&to->v4.sin_addr, from->ip, 4);
        return sizeof to->v4;
    }
    if (family != AF_INET6)
        return 0;
    to->v6.sin6_family = AF_INET6;
    to->v6.sin6_port = htons(from->port);
    if (from->family == CEDE_ADDRESS_IPV6) {
        to->v6.sin6_scope_id = from->scope_id;
        memcpy(&to->v6.sin6_addr, from->ip, 16);
    } else {
        unsigned char *ip = (unsigned char *)&to->v6.sin6_addr; /* ::ffff:a.b.c.d */
        ip[10] = ip[11] = 0xff;
        memcpy(ip + 12, from->ip, 4);
    }
    return sizeof to->v6;
}

/* Winsock refuses it (WSAEADDRNOTAVAIL, the page of connect). */
int cedi_win_destination(const cede_address *to, uint16_t family, win_name *name)
{
    static const uint8_t none[16];
    cede_address here = *to;
    if (to->family == CEDE_ADDRESS_IPV4 && memcmp(to->ip, none, 4) == 0)
        here = cede_address_loopback(CEDE_ADDRESS_IPV4, to->port);
    else if (to->family == CEDE_ADDRESS_IPV6 && memcmp(to->ip, none, 16) == 0)
        here = cede_address_loopback(CEDE_ADDRESS_IPV6, to->port);
    else if (is_mapped(to) && memcmp(to->ip + 12, none, 4) == 0)
        memcpy(here.ip + 12, cede_address_loopback(CEDE_ADDRESS_IPV4, 0).ip, 4);
    return cedi_win_name_to_system(&here, family, name);
}

void cedi_win_name_from_system(const win_name *from, int bytes, cede_address *out)
{
    cede_address to = {.family = CEDE_ADDRESS_NONE};
    if (bytes >= (int)sizeof from->v4 && from->any.sa_family == AF_INET) {
        to.family = CEDE_ADDRESS_IPV4;
        to.port = ntohs(from->v4.sin_port);
        memcpy(to.ip, &from->v4.sin_addr, 4);
    } else if (bytes >= (int)sizeof from->v6 && from->any.sa_family == AF_INET6) {
        to.family = CEDE_ADDRESS_IPV6;
        to.port = ntohs(from->v6.sin6_port);
        to.scope_id = from->v6.sin6_scope_id;
        memcpy(to.ip, &from->v6.sin6_addr, 16);
    }
    *out = to;
}

/* ---- Making --------------------------------------------------------------------------------- */

static uint32_t set(const win *self, SOCKET socket, int level, int option, DWORD value)
{
    return cedi_win_set_option(self, socket, level, option, &value, sizeof value);
}

uint32_t cedi_win_socket_make(const win *self, uint16_t family, int type, SOCKET *out)
{
    return cedi_win_make_socket(self, family, type, out);
}

static uint32_t bind_to(const win *self, SOCKET socket, const win_name *name, int bytes)
{
    uint32_t error = cedi_win_fault(self, "bind");
    return error ? error : answer(bind(socket, &name->any, bytes));
}

/* Of its own family alone, or of both. */
static uint32_t bind_at(const win *self, SOCKET socket, const cede_address *at, bool dual)
{
    win_name name;
    uint16_t family = cedi_win_family_of(at);
    int bytes = cedi_win_name_to_system(at, family, &name);
    uint32_t error = 0;
    if (is_mapped(at) && !dual)
        return WSAEINVAL; /* as Linux says it; what Windows says is not documented */
    if (family == AF_INET6)
        error = set(self, socket, IPPROTO_IPV6, IPV6_V6ONLY, !dual);
    return error ? error : bind_to(self, socket, &name, bytes);
}

/* An IPv6 socket comes as one for that family alone, and must be for both before it is bound. */
uint32_t cedi_win_socket_bind_any(const win *self, SOCKET socket, const cede_address *to)
{
    uint16_t family = cedi_win_family_of(to);
    uint32_t error = 0;
    win_name any;
    memset(&any, 0, sizeof any);
    any.any.sa_family = family;
    if (is_mapped(to))
        error = set(self, socket, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (error)
        return error;
    return bind_to(self, socket, &any, family == AF_INET6 ? sizeof any.v6 : sizeof any.v4);
}

/* Closes what could not be made whole. */
static uint32_t made(const win *self, SOCKET *socket, uint32_t error)
{
    if (error && *socket != INVALID_SOCKET) {
        (void)self->calls.close_socket(*socket);
        *socket = INVALID_SOCKET;
    }
    return error;
}

/* Exclusively: without that another program could take the port away by SO_REUSEADDR. */
static uint32_t listen_at(const win *self, SOCKET socket, const cede_args *args)
{
    uint32_t flags = args->net.flags, count = args->net.count;
    int backlog = count && count < INT32_MAX ? (int)count : SOMAXCONN;
    uint32_t error = set(self, socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
    if (error == 0)
        error = bind_at(self, socket, &args->net.address, flags & CEDE_LISTEN_DUAL);
    if (error == 0 && (flags & CEDE_LISTEN_FAST_OPEN))
        (void)set(self, socket, IPPROTO_TCP, TCP_FASTOPEN, 1);
    if (error == 0)
        error = cedi_win_fault(self, "listen");
    return error ? error : answer(listen(socket, backlog));
}

uint32_t cedi_win_socket_listen(const win *self, const cede_args *args, SOCKET *out)
{
    uint32_t error;
    *out = INVALID_SOCKET;
    if (args->net.flags & CEDE_LISTEN_SHARED)
        return WSAEOPNOTSUPP;
    error = cedi_win_socket_make(self, cedi_win_family_of(&args->net.address), SOCK_STREAM, out);
    return error ? error : made(self, out, listen_at(self, *out, args));
}

/* Without this a receive fails because of what became of an earlier datagram that was sent. */
static void no_errors_of_others(SOCKET socket)
{
    BOOL no = FALSE;
    DWORD got;
    (void)WSAIoctl(socket, SIO_UDP_CONNRESET, &no, sizeof no, NULL, 0, &got, NULL, NULL);
    (void)WSAIoctl(socket, SIO_UDP_NETRESET, &no, sizeof no, NULL, 0, &got, NULL, NULL);
}

uint32_t cedi_win_socket_datagram(const win *self, const cede_args *args, SOCKET *out)
{
    const cede_address *at = &args->net.address;
    uint32_t flags = args->net.flags;
    uint32_t error = cedi_win_socket_make(self, cedi_win_family_of(at), SOCK_DGRAM, out);
    if (error)
        return error;
    no_errors_of_others(*out);
    error = set(self, *out, SOL_SOCKET,
                flags & CEDE_DATAGRAM_SHARED ? SO_REUSEADDR : SO_EXCLUSIVEADDRUSE, 1);
    if (error == 0)
        error = bind_at(self, *out, at, flags & CEDE_DATAGRAM_DUAL);
    return made(self, out, error);
}

/* ---- What it is ----------------------------------------------------------------------------- */

static uint32_t ask(SOCKET socket, int level, int option, DWORD *value)
{
    int bytes = sizeof *value;
    *value = 0;
    return answer(getsockopt(socket, level, option, (char *)value, &bytes));
}

bool cedi_win_is_socket(intptr_t native)
{
    DWORD type;
    return GetFileType((HANDLE)native) == FILE_TYPE_PIPE &&
           ask((SOCKET)native, SOL_SOCKET, SO_TYPE, &type) == 0;
}

/* A provider whose sockets are the system's handles tells the port of nothing but what the system
 * tells it of. */
uint32_t cedi_win_socket_look(intptr_t native, uint32_t *kind, uint16_t *family, bool *may_skip)
{
    SOCKET socket = (SOCKET)native;
    WSAPROTOCOL_INFOW info;
    int bytes = sizeof info;
    DWORD listens;
    uint32_t error =
        answer(getsockopt(socket, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&info, &bytes));
    if (error)
        return error;
    *family = (uint16_t)info.iAddressFamily;
    *may_skip = (info.dwServiceFlags1 & XP1_IFS_HANDLES) && info.iSocketType == SOCK_STREAM;
    if (*kind != CEDE_KIND_AUTO)
        return 0;
    *kind = CEDE_KIND_DATAGRAM;
    if (info.iSocketType == SOCK_DGRAM)
        return 0;
    error = ask(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens);
    *kind = listens ? CEDE_KIND_LISTENER : CEDE_KIND_STREAM;
    return error;
}

uint32_t cedi_win_socket_name(SOCKET socket, uint32_t which, cede_address *out)
{
    union {
        win_name name;
        SOCKADDR_STORAGE room; /* of families that have no cede_address, too */
    } its;
    int bytes = sizeof its;
    uint32_t error = answer(which == CEDE_NAME_PEER ? getpeername(socket, &its.name.any, &bytes)
                                                    : getsockname(socket, &its.name.any, &bytes));
    if (error == 0)
        cedi_win_name_from_system(&its.name, bytes, out);
    return error;
}

bool cedi_win_socket_met_itself(SOCKET socket)
{
    cede_address own, peer;
    return cedi_win_socket_name(socket, CEDE_NAME_OWN, &own) == 0 &&
           cedi_win_socket_name(socket, CEDE_NAME_PEER, &peer) == 0 &&
           cede_address_equal(&own, &peer);
}

void cedi_win_socket_peer(SOCKET listener, win_net *net, cede_address *out)
{
    GUID id = WSAID_GETACCEPTEXSOCKADDRS;
    LPFN_GETACCEPTEXSOCKADDRS call = NULL;
    struct sockaddr *own = NULL, *peer = NULL;
    int own_bytes = 0, peer_bytes = 0;
    DWORD got;
    memset(&net->name, 0, sizeof net->name);
    if (WSAIoctl(listener, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &call, sizeof call,
                 &got, NULL, NULL) == 0)
        call(net->names, 0, WIN_ACCEPT_BYTES, WIN_ACCEPT_BYTES, &own, &own_bytes, &peer,
             &peer_bytes);
    if (peer_bytes > (int)sizeof net->name)
        peer_bytes = sizeof net->name;
    if (peer)
        memcpy(&net->name, peer, (size_t)peer_bytes);
    cedi_win_name_from_system(&net->name, peer_bytes, out);
}

/* ---- Halves, groups ------------------------------------------------------------------------- */

/* Of a connection that is gone there are many words; a second time is no failure. */
uint32_t cedi_win_socket_shutdown(const win *self, SOCKET socket)
{
    uint32_t error = cedi_win_fault(self, "shutdown");
    if (error == 0)
        error = answer(shutdown(socket, SD_SEND));
    switch (error) {
    case WSAECONNRESET:
    case WSAECONNABORTED:
    case WSAENETRESET:
        return WSAENOTCONN;
    case WSAESHUTDOWN:
        return 0;
    default:
        return error;
    }
}

#define INDEX_MOST 0xffffffu /* an interface by its index: as an IPv4 address below 1.0.0.0 */

uint32_t cedi_win_socket_group(const win *self, SOCKET socket, const cede_args *args)
{
    const cede_address *group = &args->net.address;
    bool join = args->net.flags == CEDE_GROUP_JOIN;
    if (group->family == CEDE_ADDRESS_IPV4) {
        struct ip_mreq wanted = {0};
        if (args->net.count > INDEX_MOST)
            return WSAEADDRNOTAVAIL;
        memcpy(&wanted.imr_multiaddr, group->ip, 4);
        wanted.imr_interface.s_addr = htonl(args->net.count);
        return cedi_win_set_option(self, socket, IPPROTO_IP,
                                   join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &wanted,
                                   sizeof wanted);
    }
    struct ipv6_mreq wanted = {.ipv6mr_interface = args->net.count};
    memcpy(&wanted.ipv6mr_multiaddr, group->ip, 16);
    return cedi_win_set_option(self, socket, IPPROTO_IPV6,
                               join ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP, &wanted,
                               sizeof wanted);
}

/* ---- Options -------------------------------------------------------------------------------- */

typedef struct option {
    int level, level_6; /* of IPv6 sockets, if it is another */
    int name, name_6;
    uint64_t unit_ns; /* of times; 0: a plain number */
} option;

static const option options[CEDE_OPTION_COUNT] = {
    [CEDE_OPTION_NO_DELAY] = {IPPROTO_TCP, 0, TCP_NODELAY, 0, 0},
    [CEDE_OPTION_KEEP_ALIVE] = {SOL_SOCKET, 0, SO_KEEPALIVE, 0, 0},
    [CEDE_OPTION_KEEP_ALIVE_IDLE] = {IPPROTO_TCP, 0, TCP_KEEPIDLE, 0, CEDE_SECOND},
    [CEDE_OPTION_KEEP_ALIVE_BETWEEN] = {IPPROTO_TCP, 0, TCP_KEEPINTVL, 0, CEDE_SECOND},
    [CEDE_OPTION_KEEP_ALIVE_COUNT] = {IPPROTO_TCP, 0, TCP_KEEPCNT, 0, 0},
    [CEDE_OPTION_SEND_BYTES] = {SOL_SOCKET, 0, SO_SNDBUF, 0, 0},
    [CEDE_OPTION_RECV_BYTES] = {SOL_SOCKET, 0, SO_RCVBUF, 0, 0},
    [CEDE_OPTION_BROADCAST] = {SOL_SOCKET, 0, SO_BROADCAST, 0, 0},
    [CEDE_OPTION_MULTICAST_HOPS] = {IPPROTO_IP, IPPROTO_IPV6, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS,
                                    0},
    [CEDE_OPTION_MULTICAST_LOOP] = {IPPROTO_IP, IPPROTO_IPV6, IP_MULTICAST_LOOP,
                                    IPV6_MULTICAST_LOOP, 0},
    [CEDE_OPTION_MULTICAST_INTERFACE] = {IPPROTO_IP, IPPROTO_IPV6, IP_MULTICAST_IF,
                                         IPV6_MULTICAST_IF, 0},
};

/* Which option it is for this socket. */
static uint32_t find(const win_file *file, uint32_t name, option *out)
{
    *out = options[name];
    if (file->kind == CEDE_KIND_DATAGRAM ? out->level == IPPROTO_TCP : out->level == IPPROTO_IP)
        return WSAENOPROTOOPT;
    if (file->family == AF_INET6 && out->level_6) {
        out->level = out->level_6;
        out->name = out->name_6;
    }
    return 0;
}

static uint32_t set_linger(const win *self, SOCKET socket, int64_t value)
{
    int64_t seconds = value / (int64_t)CEDE_SECOND + (value % (int64_t)CEDE_SECOND > 0);
    struct linger linger = {.l_onoff = value >= 0,
                            .l_linger = (u_short)(seconds > UINT16_MAX ? UINT16_MAX : seconds)};
    if (value < 0)
        linger.l_linger = 0;
    return cedi_win_set_option(self, socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* Before Windows 10, 1709, the times of probes can be set together and not be asked for
 * (SIO_KEEPALIVE_VALS), and only while there are probes. So they are kept, and set when those
 * begin. */
static bool kept_here(uint32_t name, uint32_t error)
{
    return error == WSAENOPROTOOPT &&
           (name == CEDE_OPTION_KEEP_ALIVE_IDLE || name == CEDE_OPTION_KEEP_ALIVE_BETWEEN);
}

static uint32_t *kept(win_file *file, uint32_t name)
{
    return name == CEDE_OPTION_KEEP_ALIVE_IDLE ? &file->keep_idle_ms : &file->keep_between_ms;
}

#define KEEP_IDLE_MS    (2u * 3600 * 1000) /* what Windows has if nobody says otherwise */
#define KEEP_BETWEEN_MS 1000u

static uint32_t keep_alive(const win *self, const win_file *file)
{
    SOCKET socket = (SOCKET)file->native;
    struct tcp_keepalive values = {1, file->keep_idle_ms, file->keep_between_ms};
    DWORD on, got;
    uint32_t error = ask(socket, SOL_SOCKET, SO_KEEPALIVE, &on);
    if (error || !on || (!file->keep_idle_ms && !file->keep_between_ms))
        return error;
    if (values.keepalivetime == 0)
        values.keepalivetime = KEEP_IDLE_MS;
    if (values.keepaliveinterval == 0)
        values.keepaliveinterval = KEEP_BETWEEN_MS;
    error = cedi_win_fault(self, "WSAIoctl");
    return error ? error
                 : answer(WSAIoctl(socket, SIO_KEEPALIVE_VALS, &values, sizeof values, NULL, 0,
                                   &got, NULL, NULL));
}

static uint32_t keep(const win *self, win_file *file, uint32_t name, int64_t value_ns)
{
    const int64_t unit = (int64_t)CEDE_MILLISECOND;
    int64_t ms = value_ns / unit + (value_ns % unit > 0);
    if (ms == 0)
        return WSAEINVAL;
    *kept(file, name) = ms > INT32_MAX ? INT32_MAX : (uint32_t)ms;
    return keep_alive(self, file);
}

/* What it cannot find it has several words for. */
static uint32_t set_interface(const win *self, SOCKET socket, const option *found, DWORD index)
{
    bool is_4 = found->level == IPPROTO_IP;
    uint32_t error = WSAEADDRNOTAVAIL;
    if (!is_4 || index <= INDEX_MOST)
        error = set(self, socket, found->level, found->name, is_4 ? htonl(index) : index);
    return error == WSAEADDRNOTAVAIL || error == WSAEINVAL ? ERROR_DEV_NOT_EXIST : error;
}

/* One that was set by its address, which cede does not do, has no index here. */
static uint32_t get_interface(const option *found, DWORD *number)
{
    if (found->level == IPPROTO_IP)
        *number = ntohl(*number);
    return found->level == IPPROTO_IP && *number > INDEX_MOST ? WSAEOPNOTSUPP : 0;
}

uint32_t cedi_win_socket_set(const win *self, win_file *file, uint32_t name, int64_t value)
{
    SOCKET socket = (SOCKET)file->native;
    option found;
    int64_t number = value;
    uint32_t error;
    if (name == CEDE_OPTION_LINGER)
        return set_linger(self, socket, value);
    error = find(file, name, &found);
    if (error)
        return error;
    if (found.unit_ns)
        number = value / (int64_t)found.unit_ns + (value % (int64_t)found.unit_ns > 0);
    if (number > INT32_MAX)
        number = INT32_MAX;
    if (name == CEDE_OPTION_MULTICAST_INTERFACE)
        return set_interface(self, socket, &found, (DWORD)number);
    error = set(self, socket, found.level, found.name, (DWORD)number);
    if (kept_here(name, error))
        return keep(self, file, name, value);
    return error == 0 && name == CEDE_OPTION_KEEP_ALIVE ? keep_alive(self, file) : error;
}

static uint32_t get_linger(SOCKET socket, struct linger *out)
{
    int bytes = sizeof *out;
    memset(out, 0, sizeof *out);
    return answer(getsockopt(socket, SOL_SOCKET, SO_LINGER, (char *)out, &bytes));
}

bool cedi_win_socket_lingers(intptr_t native)
{
    struct linger linger;
    return get_linger((SOCKET)native, &linger) == 0 && linger.l_onoff && linger.l_linger > 0;
}

void cedi_win_socket_unlinger(intptr_t native)
{
    static const struct linger behind_the_scenes = {0};
    if (cedi_win_socket_lingers(native))
        (void)setsockopt((SOCKET)native, SOL_SOCKET, SO_LINGER, (const char *)&behind_the_scenes,
                         sizeof behind_the_scenes);
}

/* Such a close has closed nothing (closesocket): it is made again as one that blocks. */
uint32_t cedi_win_socket_close(uint32_t (*close_socket)(uintptr_t), SOCKET socket)
{
    uint32_t error = close_socket(socket);
    u_long no = 0;
    if (error != WSAEWOULDBLOCK || ioctlsocket(socket, FIONBIO, &no) != 0)
        return error;
    return close_socket(socket);
}

uint32_t cedi_win_socket_get(const win_file *file, uint32_t name, int64_t *value)
{
    SOCKET socket = (SOCKET)file->native;
    option found;
    DWORD number = 0;
    uint32_t error;
    if (name == CEDE_OPTION_LINGER) {
        struct linger linger;
        error = get_linger(socket, &linger);
        *value = linger.l_onoff ? linger.l_linger * (int64_t)CEDE_SECOND : -1;
        return error;
    }
    error = find(file, name, &found);
    if (error)
        return error;
    error = ask(socket, found.level, found.name, &number);
    if (error == 0 && name == CEDE_OPTION_MULTICAST_INTERFACE)
        error = get_interface(&found, &number);
    if (kept_here(name, error)) {
        bool idle = name == CEDE_OPTION_KEEP_ALIVE_IDLE;
        number = idle ? file->keep_idle_ms : file->keep_between_ms;
        if (number == 0)
            number = idle ? KEEP_IDLE_MS : KEEP_BETWEEN_MS;
        *value = (int64_t)CEDE_MILLISECOND * number;
        return 0;
    }
    *value = found.unit_ns ? (int64_t)found.unit_ns * number : (int64_t)number;
    return error;
}
