/*
 * The any-address as a destination, which Winsock refuses and Wine does not: hooks refuse it
 * (cede/win32.h).
 */
#include <winsock2.h> /* before windows.h */

#include "hooks_win32.h"

#include <string.h>
#include <ws2tcpip.h>

static const cede_win32_calls *real(void)
{
    return cede_win32_system_calls();
}

static bool is_any(const void *name)
{
    static const unsigned char none[4];
    const struct sockaddr_in *v4 = name;
    const struct sockaddr_in6 *v6 = name;
    const unsigned char *ip = (const unsigned char *)&v6->sin6_addr;
    if (v4->sin_family == AF_INET)
        return v4->sin_addr.s_addr == 0;
    return memcmp(ip + 12, none, 4) == 0; /* ::, or ::ffff:0.0.0.0 */
}

static uint32_t connect_somewhere(uintptr_t socket, const void *name, int name_bytes,
                                  void *overlapped)
{
    return is_any(name) ? (uint32_t)WSAEADDRNOTAVAIL
                        : real()->connect_ex(socket, name, name_bytes, overlapped);
}

static uint32_t send_somewhere(uintptr_t socket, void *buffer, const void *name, int name_bytes,
                               void *overlapped, void (*routine)(void))
{
    return is_any(name)
               ? (uint32_t)WSAEADDRNOTAVAIL
               : real()->wsa_send_to(socket, buffer, name, name_bytes, overlapped, routine);
}

static const cede_win32_calls somewhere = {.connect_ex = connect_somewhere,
                                           .wsa_send_to = send_somewhere};

/* 0.0.0.0, ::, ::ffff:0.0.0.0; and where each leads. */
static cede_address any_of(uint32_t which, uint16_t port)
{
    cede_address any = cede_address_any(which ? CEDE_ADDRESS_IPV6 : CEDE_ADDRESS_IPV4, port);
    if (which == 2)
        any.ip[10] = any.ip[11] = 0xff;
    return any;
}

static cede_address here_of(uint32_t which)
{
    return cede_address_loopback(which == 1 ? CEDE_ADDRESS_IPV6 : CEDE_ADDRESS_IPV4, 0);
}

CFT_CASE(any_address_is_connected_to_on_this_machine)
{
    cede_loop *loop = hooks_open(t, &somewhere, 0, 0);
    for (uint32_t i = 0; i < 3; i++) {
        cede_address at = here_of(i), to;
        cft_rec *listen = cft_new(t), *connect = cft_new(t);
        cede_prep_listen(listen->req, &at, 0, 0);
        (void)hooks_made(t, loop, listen, &at);
        to = any_of(i, at.port);
        cede_prep_connect(connect->req, &to, 0);
        hooks_do(t, loop, connect);
        CFT_OK(t, connect);
    }
}

CFT_CASE(any_address_is_sent_to_on_this_machine)
{
    cede_loop *loop = hooks_open(t, &somewhere, 0, 0);
    for (uint32_t i = 0; i < 3; i++) {
        cede_address at = here_of(i), own = cede_address_any(at.family, 0), to;
        cft_rec *made = cft_new(t), *recv = cft_new(t), *from = cft_new(t), *send = cft_new(t);
        cede_prep_datagram(made->req, &at, 0);
        cede_handle taker = hooks_made(t, loop, made, &at);
        if (i == 2)
            own = cede_address_any(CEDE_ADDRESS_IPV6, 0);
        cede_prep_datagram(from->req, &own, i == 2 ? CEDE_DATAGRAM_DUAL : 0);
        cede_handle sender = hooks_made(t, loop, from, &own);
        cede_prep_recvfrom(recv->req, taker, cft_buffer(recv, 8), 8, NULL);
        cft_submit_on(recv, loop);
        to = any_of(i, at.port);
        cede_prep_sendto(send->req, sender, cft_input(send, "here", 4), 4, &to);
        hooks_do(t, loop, send);
        CFT_MOVED(t, send, 4);
        hooks_await(t, loop, recv);
        CFT_MOVED(t, recv, 4);
    }
}
