/*
 * What Linux was told of a listener, by its own word, and ways that lead nowhere, in a network that
 * has them. Cases of io_uring alone.
 */
#define _GNU_SOURCE
#include "conformance.h"

#include <net/route.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- Listeners ------------------------------------------------------------------------------ */

typedef struct told {
    int fast_open;    /* how many may wait with data that they have sent; 0: there is none */
    uint32_t backlog; /* how many may wait */
} told;

/* What the system says of a listener, which is made for the question. */
static told what_was_told(cft *t, uint16_t family, uint32_t backlog, uint32_t flags)
{
    told said = {-1, 0};
    struct tcp_info info;
    socklen_t bytes = sizeof said.fast_open;
    intptr_t native = -1;
    cede_address at = cede_address_loopback(family, 0);
    cft_rec *rec = cft_new(t);
    cede_prep_listen(rec->req, &at, backlog, flags);
    cft_do(rec);
    CFT_OK(t, rec);
    CFT_CHECK(t, cede_release(rec->result.handle, &native) == CEDE_OK);
    CFT_CHECK(t, getsockopt((int)native, IPPROTO_TCP, TCP_FASTOPEN, &said.fast_open, &bytes) == 0);
    bytes = sizeof info;
    CFT_CHECK(t, getsockopt((int)native, IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0);
    CFT_CHECK(t, info.tcpi_state == TCP_LISTEN);
    said.backlog = info.tcpi_sacked; /* of a listener it is that */
    CFT_CHECK(t, close((int)native) == 0);
    return said;
}

CFT_CASE(fast_open_is_asked_of_the_system)
{
    static const uint16_t families[] = {CEDE_ADDRESS_IPV4, CEDE_ADDRESS_IPV6};
    for (uint32_t i = 0; i < 2; i++) {
        CFT_CHECK(t, what_was_told(t, families[i], 7, CEDE_LISTEN_FAST_OPEN).fast_open == 7);
        CFT_CHECK(t, what_was_told(t, families[i], 0, CEDE_LISTEN_FAST_OPEN).fast_open > 7);
        CFT_CHECK(t, what_was_told(t, families[i], 7, 0).fast_open == 0);
    }
}

/* As much as the system lets anybody have. */
static uint32_t the_most(cft *t)
{
    unsigned most = 0;
    FILE *file = fopen("/proc/sys/net/core/somaxconn", "r");
    CFT_CHECK(t, file && fscanf(file, "%u", &most) == 1);
    (void)fclose(file);
    return most;
}

CFT_CASE(backlog_is_told_to_the_system)
{
    CFT_CHECK(t, what_was_told(t, CEDE_ADDRESS_IPV4, 1, 0).backlog == 1);
    CFT_CHECK(t, what_was_told(t, CEDE_ADDRESS_IPV6, 7, 0).backlog == 7);
    CFT_CHECK(t, what_was_told(t, CEDE_ADDRESS_IPV4, 0, 0).backlog == the_most(t));
    CFT_CHECK(t, what_was_told(t, CEDE_ADDRESS_IPV4, UINT32_MAX, 0).backlog == the_most(t));
}

/* As where nothing listens: a name of nobody, or of a file. */
CFT_CASE(connect_to_a_name_of_datagrams_is_refused)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    cede_address at = cede_address_local(cft_path(t, "s"));
    (void)snprintf(name.sun_path, sizeof name.sun_path, "%s", cft_path(t, "s"));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CFT_CHECK(t, fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_STATUS(t, connect, CEDE_ECONNREFUSED);
    CFT_CHECK(t, close(fd) == 0);
}

/* ---- Ways that lead nowhere ------------------------------------------------------------------ */

/* Puts this process into a network of its own, in which a route says that nobody is to be reached
 * at 192.0.2.0/24 (RFC 5737: for documentation). What it has of the machine's goes with it. */
static void leave_the_network(cft *t)
{
    static bool left;
    struct rtentry route = {.rt_flags = RTF_UP | RTF_REJECT};
    struct sockaddr_in to = {.sin_family = AF_INET}, mask = {.sin_family = AF_INET};
    if (left)
        return;
    cft_alone(t);
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        cft_skip(t, "no_network_of_its_own");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CFT_CHECK(t, fd >= 0);
    to.sin_addr.s_addr = htonl(0xc0000200);
    mask.sin_addr.s_addr = htonl(0xffffff00);
    memcpy(&route.rt_dst, &to, sizeof to);
    memcpy(&route.rt_genmask, &mask, sizeof mask);
    int error = ioctl(fd, SIOCADDRT, &route);
    CFT_CHECK(t, close(fd) == 0);
    if (error)
        cft_skip(t, "no_network_of_its_own");
    left = true;
}

CFT_CASE(host_that_no_way_leads_to_is_told)
{
    cede_address host = cede_ipv4(192, 0, 2, 1, 9), elsewhere = cede_ipv4(198, 51, 100, 1, 9);
    cede_address any = cede_address_any(CEDE_ADDRESS_IPV4, 0);
    leave_the_network(t);
    cft_rec *connect = cft_connect(t, &host);
    cft_await(t, connect);
    CFT_STATUS(t, connect, CEDE_EHOSTUNREACH);
    connect = cft_connect(t, &elsewhere); /* of which no route says anything */
    cft_await(t, connect);
    CFT_STATUS(t, connect, CEDE_ENETUNREACH);
    cft_rec *socket = cft_new(t);
    cede_prep_datagram(socket->req, &any, 0);
    cft_do(socket);
    CFT_OK(t, socket);
    cft_rec *send = cft_sendto(t, socket->result.handle, "x", 1, &host);
    cft_await(t, send);
    CFT_STATUS(t, send, CEDE_EHOSTUNREACH);
    send = cft_sendto(t, socket->result.handle, "x", 1, &elsewhere);
    cft_await(t, send);
    CFT_STATUS(t, send, CEDE_ENETUNREACH);
    cft_closed(t, socket->result.handle);
}
