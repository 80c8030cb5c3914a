/*
 * What Windows is told of a listener: by a hook in the place of the call (cede/win32.h), and by the
 * system's own word. How many may wait cannot be asked there; net_tcp.c shows it.
 */
#include <winsock2.h> /* before windows.h */

#include "hooks_win32.h"

#include <ws2tcpip.h>

#ifndef TCP_FASTOPEN
#define TCP_FASTOPEN 15
#endif

static struct {
    uint32_t calls, answer;
    DWORD value;
} asked; /* for fast open */

static uint32_t note_option(uintptr_t socket, int level, int option, const void *value, int bytes)
{
    uint32_t answer =
        cede_win32_system_calls()->set_socket_option(socket, level, option, value, bytes);
    if (level == IPPROTO_TCP && option == TCP_FASTOPEN && bytes == sizeof asked.value) {
        asked.calls++;
        asked.answer = answer;
        asked.value = *(const DWORD *)value;
    }
    return answer;
}

/* Whether the system says that it is on. */
static bool listen_and_ask(cft *t, cede_loop *loop, uint16_t family, uint32_t flags)
{
    cede_address at = cede_address_loopback(family, 0);
    cft_rec *rec = cft_new(t);
    intptr_t native = -1;
    DWORD on = 0;
    int bytes = sizeof on;
    cede_prep_listen(rec->req, &at, 7, flags);
    cft_submit_on(rec, loop);
    hooks_await(t, loop, rec);
    CFT_OK(t, rec);
    CFT_CHECK(t, cede_release(rec->result.handle, &native) == CEDE_OK);
    if (getsockopt((SOCKET)native, IPPROTO_TCP, TCP_FASTOPEN, (char *)&on, &bytes) != 0)
        on = 0;
    CFT_CHECK(t, cede_win32_system_calls()->close_socket((uintptr_t)native) == 0);
    return on != 0;
}

CFT_CASE(fast_open_is_asked_of_the_system)
{
    static const cede_win32_calls calls = {.set_socket_option = note_option};
    static const uint16_t families[] = {CEDE_ADDRESS_IPV4, CEDE_ADDRESS_IPV6};
    bool has = !cft_deviates(t, "no_fast_open");
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    for (uint32_t i = 0; i < 2; i++) {
        asked.calls = 0;
        CFT_CHECK(t, listen_and_ask(t, loop, families[i], CEDE_LISTEN_FAST_OPEN) == has);
        CFT_CHECK(t, asked.calls == 1 && asked.value == 1);
        CFT_CHECK(t, asked.answer == (has ? 0u : (uint32_t)WSAENOPROTOOPT));
        CFT_CHECK(t, !listen_and_ask(t, loop, families[i], 0) && asked.calls == 1);
    }
}
