/*
 * Datagrams that Winsock answers for oddly, on both lanes: by warnings, which are told once more,
 * and by what became of another one. Hooks stand in the place of single calls (cede/win32.h).
 *
 * A case's own hooks are static: a process runs one case at a time.
 */
#include <winsock2.h> /* before windows.h */

#include "hooks_win32.h"

#include <string.h>

#define STATUS_OF_A_WARNING 0x80000005u /* STATUS_BUFFER_OVERFLOW */
#define STATUS_OF_AN_ERROR  0xc0000206u /* STATUS_INVALID_BUFFER_SIZE */

typedef void CALLBACK socket_routine(DWORD, DWORD, LPWSAOVERLAPPED, DWORD);

static struct call {
    socket_routine *routine;
    OVERLAPPED *overlapped;
} called;

static uint32_t answer_once, status_once;

static const cede_win32_calls *real(void)
{
    return cede_win32_system_calls();
}

static uint32_t recv_from_oddly(uintptr_t socket, void *buffer, void *flags, void *name,
                                int *name_bytes, void *overlapped, void (*routine)(void))
{
    uint32_t error = answer_once;
    answer_once = 0;
    if (error == WSAEMSGSIZE) /* a warning: it has happened, and will be told */
        called = (struct call){(socket_routine *)routine, overlapped};
    return error ? error
                 : real()->wsa_recv_from(socket, buffer, flags, name, name_bytes, overlapped,
                                         routine);
}

static uint32_t send_to_oddly(uintptr_t socket, void *buffer, const void *name, int name_bytes,
                              void *overlapped, void (*routine)(void))
{
    uint32_t error = answer_once;
    answer_once = 0;
    if (!error)
        return real()->wsa_send_to(socket, buffer, name, name_bytes, overlapped, routine);
    called = (struct call){(socket_routine *)routine, overlapped};
    if (status_once)
        called.overlapped->Internal = status_once;
    return error;
}

static const cede_win32_calls oddly = {.wsa_recv_from = recv_from_oddly,
                                       .wsa_send_to = send_to_oddly,
                                       .create_port = hooks_create_port};

static void CALLBACK run_routine(ULONG_PTR context)
{
    const struct call *call = (const struct call *)context;
    call->routine(WSAEMSGSIZE, (DWORD)call->overlapped->InternalHigh, call->overlapped, 0);
}

/* The system's word about what was called last. */
static void tell(uint32_t status, uint32_t bytes)
{
    called.overlapped->Internal = status;
    called.overlapped->InternalHigh = bytes;
    if (called.routine)
        QueueUserAPC(run_routine, GetCurrentThread(), (ULONG_PTR)&called);
    else
        real()->post_completion(hooks_port, bytes, 1, called.overlapped);
}

static cede_handle datagrams(cft *t, cede_loop *loop, cede_address *at)
{
    cft_rec *rec = cft_new(t);
    *at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    cede_prep_datagram(rec->req, at, 0);
    return hooks_made(t, loop, rec, at);
}

static cft_rec *recvfrom_on(cft *t, cede_loop *loop, cede_handle handle)
{
    cft_rec *rec = cft_new(t);
    cede_prep_recvfrom(rec->req, handle, cft_buffer(rec, 8), 8, NULL);
    cft_submit_on(rec, loop);
    return rec;
}

/* The call says "longer than that", and a packet or routine says it again: one datagram. */
CFT_CASE(warning_about_a_datagram_owes_its_packet)
{
    cede_address at;
    cede_loop *loop = hooks_open(t, &oddly, 0, 0);
    cede_handle handle = datagrams(t, loop, &at);
    answer_once = WSAEMSGSIZE;
    cft_rec *recv = recvfrom_on(t, loop, handle);
    hooks_look(t, loop);
    CFT_CHECK(t, !cft_is_done(recv));
    tell(STATUS_OF_A_WARNING, 8);
    hooks_await(t, loop, recv);
    CFT_MOVED(t, recv, 8);
    CFT_CHECK(t, recv->result.flags & CEDE_TRUNCATED);
}

/* The same number of a send, by which nothing went. What the kernel calls an error, or has not
 * written, is told by the call alone; what it calls a warning it tells again, which the send waits
 * for: else the routine would find memory that is another's. */
CFT_CASE(warning_about_a_send_owes_its_packet)
{
    static const uint32_t statuses[] = {STATUS_OF_AN_ERROR, 0, STATUS_OF_A_WARNING};
    cede_address at;
    cede_loop *loop = hooks_open(t, &oddly, 0, 0);
    cede_handle handle = datagrams(t, loop, &at);
    for (uint32_t i = 0; i < 3; i++) {
        cft_rec *send = cft_new(t);
        answer_once = WSAEMSGSIZE, status_once = statuses[i];
        cede_prep_sendto(send->req, handle, cft_input(send, "self", 4), 4, &at);
        cft_submit_on(send, loop);
        hooks_look(t, loop);
        CFT_CHECK(t, answer_once == 0);
        CFT_CHECK(t, cft_is_done(send) == (statuses[i] != STATUS_OF_A_WARNING));
        if (!cft_is_done(send))
            tell(STATUS_OF_A_WARNING, 0);
        hooks_await(t, loop, send);
        CFT_STATUS(t, send, CEDE_EMSGSIZE);
        CFT_CHECK(t, send->result.count == 0);
    }
}

/* Too large, and only its end says so: not as WriteFile does that has too many pending. */
CFT_CASE(datagram_may_be_found_too_large_at_its_end)
{
    cede_address at;
    cede_loop *loop = hooks_open(t, &oddly, 0, 0);
    cede_handle handle = datagrams(t, loop, &at);
    cft_rec *send = cft_new(t);
    answer_once = ERROR_IO_PENDING, status_once = 0;
    cede_prep_sendto(send->req, handle, cft_input(send, "self", 4), 4, &at);
    cft_submit_on(send, loop);
    hooks_look(t, loop);
    CFT_CHECK(t, answer_once == 0 && !cft_is_done(send));
    tell(STATUS_OF_AN_ERROR, 0);
    hooks_await(t, loop, send);
    CFT_STATUS(t, send, CEDE_EMSGSIZE);
    CFT_CHECK(t, send->result.count == 0);
}

/* That an earlier one was not taken is not the receiver's affair. */
CFT_CASE(receive_survives_what_became_of_a_datagram)
{
    cede_address at;
    cede_loop *loop = hooks_open(t, &oddly, 0, 0);
    cede_handle handle = datagrams(t, loop, &at);
    answer_once = WSAECONNRESET;
    cft_rec *recv = recvfrom_on(t, loop, handle), *send = cft_new(t);
    hooks_look(t, loop);
    CFT_CHECK(t, answer_once == 0 && !cft_is_done(recv));
    cede_prep_sendto(send->req, handle, cft_input(send, "self", 4), 4, &at);
    hooks_do(t, loop, send);
    hooks_await(t, loop, recv);
    CFT_MOVED(t, recv, 4);
}

static uint32_t recv_from_no_more(uintptr_t socket, void *buffer, void *flags, void *name,
                                  int *name_bytes, void *overlapped, void (*routine)(void))
{
    const WSABUF *piece = buffer;
    return piece->len > 65536 ? WSAENOBUFS
                              : real()->wsa_recv_from(socket, buffer, flags, name, name_bytes,
                                                      overlapped, routine);
}

/* The largest one comes whole all the same. */
CFT_CASE(receive_asks_for_no_more_than_a_datagram_has)
{
    enum { ROOM = 1 << 20, LARGEST = 65507 };
    static const cede_win32_calls calls = {.wsa_recv_from = recv_from_no_more};
    static unsigned char bytes[LARGEST];
    cede_address at;
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cede_handle handle = datagrams(t, loop, &at);
    cft_rec *recv = cft_new(t), *send = cft_new(t);
    cede_prep_recvfrom(recv->req, handle, cft_buffer(recv, ROOM), ROOM, NULL);
    cft_submit_on(recv, loop);
    hooks_look(t, loop);
    CFT_CHECK(t, !cft_is_done(recv));
    cft_fill(bytes, LARGEST, 3, 0);
    cede_prep_sendto(send->req, handle, bytes, LARGEST, &at);
    hooks_do(t, loop, send);
    hooks_await(t, loop, recv);
    CFT_MOVED(t, recv, LARGEST);
    CFT_CHECK(t, cft_filled(recv->bytes, LARGEST, 3, 0));
}
