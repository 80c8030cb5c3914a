/*
 * See net.h. Facts about options are from ip(7), ipv6(7), tcp(7), socket(7) and unix(7).
 */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__) && !defined(IPV6_MULTICAST_ALL) /* 4.20 */
#define IPV6_MULTICAST_ALL 29
#endif
#ifndef IPV6_ADD_MEMBERSHIP
#define IPV6_ADD_MEMBERSHIP  IPV6_JOIN_GROUP
#define IPV6_DROP_MEMBERSHIP IPV6_LEAVE_GROUP
#endif

/* ---- Addresses ------------------------------------------------------------------------------ */

socklen_t cedi_net_to_system(const cede_address *from, cedi_sockaddr *to)
{
    memset(to, 0, sizeof *to);
    switch (from->family) {
    case CEDE_ADDRESS_IPV4:
        to->v4.sin_family = AF_INET;
        to->v4.sin_port = htons(from->port);
        memcpy(&to->v4.sin_addr, from->ip, 4);
        return sizeof to->v4;
    case CEDE_ADDRESS_IPV6:
        to->v6.sin6_family = AF_INET6;
        to->v6.sin6_port = htons(from->port);
        to->v6.sin6_scope_id = from->scope_id;
        memcpy(&to->v6.sin6_addr, from->ip, 16);
        return sizeof to->v6;
    case CEDE_ADDRESS_LOCAL:
        to->local.sun_family = AF_UNIX;
        strncpy(to->local.sun_path, from->path, sizeof to->local.sun_path - 1);
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(to->local.sun_path) + 1);
    default:
        return 0;
    }
}

void cedi_net_from_system(const cedi_sockaddr *from, socklen_t length, cede_address *out)
{
    cede_address to = {.family = CEDE_ADDRESS_NONE};
    if (length >= sizeof from->v4 && from->any.sa_family == AF_INET) {
        to.family = CEDE_ADDRESS_IPV4;
        to.port = ntohs(from->v4.sin_port);
        memcpy(to.ip, &from->v4.sin_addr, 4);
    } else if (length >= sizeof from->v6 && from->any.sa_family == AF_INET6) {
        to.family = CEDE_ADDRESS_IPV6;
        to.port = ntohs(from->v6.sin6_port);
        to.scope_id = from->v6.sin6_scope_id;
        memcpy(to.ip, &from->v6.sin6_addr, 16);
    } else if (length >= sizeof from->any.sa_family && from->any.sa_family == AF_UNIX) {
        to.family = CEDE_ADDRESS_LOCAL;
    }
    *out = to;
}

/* ---- Making --------------------------------------------------------------------------------- */

static int answer(int result)
{
    return result < 0 ? -errno : result;
}

static int set(int fd, int level, int name, int value)
{
    return answer(setsockopt(fd, level, name, &value, sizeof value));
}

static int family_of(const cede_address *address)
{
    if (address->family == CEDE_ADDRESS_LOCAL)
        return AF_UNIX;
    return address->family == CEDE_ADDRESS_IPV4 ? AF_INET : AF_INET6;
}

int cedi_net_socket(const cede_address *address, int type)
{
    return answer(socket(family_of(address), type | SOCK_CLOEXEC, 0));
}

/* Closes what could not be made whole. */
static int made(int fd, int error)
{
    if (error >= 0)
        return fd;
    (void)close(fd);
    return error;
}

/* A name that is a socket's and where nobody listens is removed: one that died left it. The
 * question is put by a socket of another type, which a live one refuses (EPROTOTYPE); one of the
 * same would be a client to it. */
static void replace(const cedi_sockaddr *name, socklen_t length)
{
    struct stat what;
    int fd;
    if (lstat(name->local.sun_path, &what) != 0 || !S_ISSOCK(what.st_mode))
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, &name->any, length) != 0 && errno == ECONNREFUSED)
        (void)unlink(name->local.sun_path);
    (void)close(fd);
}

static int bind_to(int fd, const cede_address *at, bool dual, bool replaces)
{
    cedi_sockaddr name;
    socklen_t length = cedi_net_to_system(at, &name);
    int error = 0;
    if (at->family == CEDE_ADDRESS_IPV6)
        error = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual);
    if (error < 0)
        return error;
    if (at->family == CEDE_ADDRESS_LOCAL && replaces)
        replace(&name, length);
    return answer(bind(fd, &name.any, length));
}

static int listen_at(int fd, const cede_args *args)
{
    const cede_address *at = &args->net.address;
    uint32_t flags = args->net.flags;
    /* The most that there is may be more than SOMAXCONN says: the system cuts it down. listen(2) */
    int backlog = args->net.count && args->net.count < INT32_MAX ? (int)args->net.count : INT32_MAX;
    int error = 0;
    if (at->family != CEDE_ADDRESS_LOCAL)
        error = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (error >= 0 && (flags & CEDE_LISTEN_SHARED))
        error =
            at->family == CEDE_ADDRESS_LOCAL ? -EOPNOTSUPP : set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (error >= 0)
        error = bind_to(fd, at, flags & CEDE_LISTEN_DUAL, flags & CEDE_LISTEN_REPLACE);
#ifdef TCP_FASTOPEN
    if (error >= 0 && (flags & CEDE_LISTEN_FAST_OPEN) && at->family != CEDE_ADDRESS_LOCAL)
        (void)set(fd, IPPROTO_TCP, TCP_FASTOPEN, backlog);
#endif
    return error < 0 ? error : answer(listen(fd, backlog));
}

int cedi_net_listen(const cede_args *args)
{
    int fd = cedi_net_socket(&args->net.address, SOCK_STREAM);
    return fd < 0 ? fd : made(fd, listen_at(fd, args));
}

/* Linux gives a socket what is sent to any group that anybody on this machine has joined, if it is
 * bound to the any-address, unless it is told not to (ip(7)). IPv6 sockets may have both. */
static void only_its_groups(int fd)
{
#ifdef IP_MULTICAST_ALL
    (void)set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
#endif
#ifdef IPV6_MULTICAST_ALL
    (void)set(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
#endif
}

int cedi_net_datagram(const cede_args *args)
{
    int fd = cedi_net_socket(&args->net.address, SOCK_DGRAM), error = 0;
    if (fd < 0)
        return fd;
    only_its_groups(fd);
    if (args->net.flags & CEDE_DATAGRAM_SHARED)
        error = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (error >= 0)
        error = bind_to(fd, &args->net.address, args->net.flags & CEDE_DATAGRAM_DUAL, false);
    return made(fd, error);
}

int cedi_net_pair(uint32_t what, int natives[2])
{
    if (what != CEDE_PAIR_STREAM) {
        int ends[2], error = answer(pipe2(ends, O_CLOEXEC));
        bool writes = what == CEDE_PAIR_TO_CHILD; /* the first does */
        if (error < 0)
            return error;
        natives[0] = ends[writes];
        natives[1] = ends[!writes];
        return 0;
    }
    return answer(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, natives));
}

/* ---- Groups --------------------------------------------------------------------------------- */

int cedi_net_group(int fd, const cede_args *args)
{
    const cede_address *group = &args->net.address;
    bool join = args->net.flags == CEDE_GROUP_JOIN;
    if (group->family == CEDE_ADDRESS_IPV4) {
        struct ip_mreqn wanted = {.imr_ifindex = (int)args->net.count};
        memcpy(&wanted.imr_multiaddr, group->ip, 4);
        return answer(setsockopt(fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP,
                                 &wanted, sizeof wanted));
    }
    struct ipv6_mreq wanted = {.ipv6mr_interface = args->net.count};
    memcpy(&wanted.ipv6mr_multiaddr, group->ip, 16);
    return answer(setsockopt(fd, IPPROTO_IPV6, join ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP,
                             &wanted, sizeof wanted));
}

/* ---- Names and kinds ------------------------------------------------------------------------ */

int cedi_net_name(int fd, uint32_t which, cede_address *out)
{
    cedi_sockaddr name = {.any = {0}};
    socklen_t length = sizeof name;
    int error = answer(which == CEDE_NAME_PEER ? getpeername(fd, &name.any, &length)
                                               : getsockname(fd, &name.any, &length));
    if (error >= 0)
        cedi_net_from_system(&name, length, out);
    return error;
}

bool cedi_net_met_itself(int fd, const cede_address *to)
{
    cede_address own, peer;
    return to->family != CEDE_ADDRESS_LOCAL && cedi_net_name(fd, CEDE_NAME_OWN, &own) >= 0 &&
           own.port == to->port && cedi_net_name(fd, CEDE_NAME_PEER, &peer) >= 0 &&
           cede_address_equal(&own, &peer);
}

static int ask(int fd, int level, int name)
{
    int value = 0;
    socklen_t length = sizeof value;
    int error = answer(getsockopt(fd, level, name, &value, &length));
    return error < 0 ? error : value;
}

int cedi_net_kind(int fd, uint32_t *kind)
{
    int type = ask(fd, SOL_SOCKET, SO_TYPE), listens;
    if (type < 0)
        return type;
    *kind = CEDE_KIND_DATAGRAM;
    if (type == SOCK_DGRAM)
        return 0;
    if (type != SOCK_STREAM)
        return -EOPNOTSUPP; /* messages that are no datagrams: half a one would be lost */
    listens = ask(fd, SOL_SOCKET, SO_ACCEPTCONN);
    *kind = listens > 0 ? CEDE_KIND_LISTENER : CEDE_KIND_STREAM;
    return listens < 0 ? listens : 0;
}

/* Whether any socket of the process was seen to linger, or told to. A client that a listener
 * accepts lingers as that does, and may be closed by whichever loop: it is one word for all.
 * Without it each close would ask the system, which takes a tenth of a close's own time. */
static atomic_bool some_linger;

static bool lingers(int fd)
{
    struct linger linger = {0};
    socklen_t length = sizeof linger;
    return getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length) == 0 && linger.l_onoff &&
           linger.l_linger > 0;
}

void cedi_net_imported(int fd)
{
    if (lingers(fd))
        atomic_store_explicit(&some_linger, true, memory_order_relaxed);
}

bool cedi_net_lingers(int fd)
{
    return atomic_load_explicit(&some_linger, memory_order_relaxed) && lingers(fd);
}

void cedi_net_close_now(int fd)
{
    static const struct linger behind_the_scenes = {0};
    if (lingers(fd))
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &behind_the_scenes, sizeof behind_the_scenes);
    (void)close(fd);
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
static int find(int fd, uint32_t name, option *out)
{
    int domain = ask(fd, SOL_SOCKET, SO_DOMAIN);
    *out = options[name];
    if (domain < 0)
        return domain;
    if (out->level == IPPROTO_IP && ask(fd, SOL_SOCKET, SO_TYPE) != SOCK_DGRAM)
        return -EOPNOTSUPP;
    if (domain == AF_INET6 && out->level_6) {
        out->level = out->level_6;
        out->name = out->name_6;
    }
    return domain == AF_UNIX && out->level != SOL_SOCKET ? -EOPNOTSUPP : 0;
}

/* What a socket does not know is not supported, by one number. */
static int known(int error)
{
    return error == -ENOPROTOOPT ? -EOPNOTSUPP : error;
}

static int set_linger(int fd, int64_t value)
{
    int64_t seconds = value / (int64_t)CEDE_SECOND + (value % (int64_t)CEDE_SECOND > 0);
    struct linger linger = {.l_onoff = value >= 0,
                            .l_linger = seconds > INT32_MAX ? INT32_MAX : (int)seconds};
    if (value < 0)
        linger.l_linger = 0;
    if (value > 0)
        atomic_store_explicit(&some_linger, true, memory_order_relaxed);
    return answer(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
}

/* IPv4 has a structure for it. What it cannot find it has two words for. */
static int set_interface(int fd, const option *found, int index)
{
    struct ip_mreqn of = {.imr_ifindex = index};
    int error = found->level == IPPROTO_IPV6
                    ? set(fd, found->level, found->name, index)
                    : answer(setsockopt(fd, found->level, found->name, &of, sizeof of));
    return error == -EADDRNOTAVAIL ? -ENODEV : error;
}

int cedi_net_set_option(int fd, uint32_t name, int64_t value)
{
    option found;
    int error;
    if (name == CEDE_OPTION_LINGER)
        return set_linger(fd, value);
    error = find(fd, name, &found);
    if (error < 0)
        return error;
    if (found.unit_ns)
        value = value / (int64_t)found.unit_ns + (value % (int64_t)found.unit_ns > 0);
    if (value > INT32_MAX)
        value = INT32_MAX;
    if (name == CEDE_OPTION_MULTICAST_INTERFACE)
        return set_interface(fd, &found, (int)value);
    return known(set(fd, found.level, found.name, (int)value));
}

static int get_linger(int fd, int64_t *value)
{
    struct linger linger = {0};
    socklen_t length = sizeof linger;
    int error = answer(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length));
    *value = linger.l_onoff ? linger.l_linger * (int64_t)CEDE_SECOND : -1;
    return error;
}

int cedi_net_get_option(int fd, uint32_t name, int64_t *value)
{
    option found;
    int result;
    if (name == CEDE_OPTION_LINGER)
        return get_linger(fd, value);
    result = find(fd, name, &found);
    if (result < 0)
        return result;
    if (name == CEDE_OPTION_MULTICAST_INTERFACE && found.level == IPPROTO_IP)
        return -EOPNOTSUPP; /* it tells an address, and 0 if it was set by its index: measured */
    result = known(ask(fd, found.level, found.name));
    *value = found.unit_ns ? (int64_t)found.unit_ns * result : result;
    return result < 0 ? result : 0;
}
