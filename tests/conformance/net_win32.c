/*
 * What Winsock can do to a backend, each situation a case, on both lanes: results at once, packets
 * of failures, cancels that lie, a connection that is gone before it is whole; and who is told that
 * a socket is connected. Hooks stand in the place of single calls (cede/win32.h).
 *
 * A case's own hooks are static: a process runs one case at a time.
 */
#include <winsock2.h> /* before windows.h */

#include "hooks_win32.h"

#include <stdatomic.h>
#include <string.h>
#include <mswsock.h>

static const cede_win32_calls *real(void)
{
    return cede_win32_system_calls();
}

static bool is_apc(const cft *t)
{
    return strcmp(cft_backend(t), "win32-apc") == 0;
}

static cede_handle listening(cft *t, cede_loop *loop, cede_address *at)
{
    cft_rec *rec = cft_new(t);
    *at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    cede_prep_listen(rec->req, at, 0, 0);
    return hooks_made(t, loop, rec, at);
}

static cft_rec *accept_on(cft *t, cede_loop *loop, cede_handle listener)
{
    cft_rec *rec = cft_new(t);
    cede_prep_accept(rec->req, listener, NULL);
    cft_submit_on(rec, loop);
    return rec;
}

static cft_rec *connect_on(cft *t, cede_loop *loop, const cede_address *at)
{
    cft_rec *rec = cft_new(t);
    cede_prep_connect(rec->req, at, 0);
    cft_submit_on(rec, loop);
    return rec;
}

static cft_rec *recv_on(cft *t, cede_loop *loop, cede_handle handle)
{
    cft_rec *rec = cft_new(t);
    cede_prep_recv(rec->req, handle, cft_buffer(rec, 16), 16);
    cft_submit_on(rec, loop);
    return rec;
}

static cft_rec *send_on(cft *t, cede_loop *loop, cede_handle handle, const char *text)
{
    cft_rec *rec = cft_new(t);
    cede_prep_send_all(rec->req, handle, cft_input(rec, text, strlen(text)), strlen(text));
    cft_submit_on(rec, loop);
    return rec;
}

static void connected_on(cft *t, cede_loop *loop, cede_handle *one, cede_handle *other)
{
    cede_address at;
    cede_handle listener = listening(t, loop, &at);
    cft_rec *accept = accept_on(t, loop, listener), *connect = connect_on(t, loop, &at);
    hooks_await(t, loop, connect);
    hooks_await(t, loop, accept);
    CFT_OK(t, connect);
    CFT_OK(t, accept);
    *one = connect->result.handle;
    *other = accept->result.handle;
    cede_drop(listener);
}

static void talk(cft *t, cede_loop *loop, cede_handle from, cede_handle to)
{
    cft_rec *recv = recv_on(t, loop, to), *send = send_on(t, loop, from, "hello");
    hooks_await(t, loop, send);
    hooks_await(t, loop, recv);
    CFT_MOVED(t, recv, 5);
    CFT_CHECK(t, memcmp(recv->bytes, "hello", 5) == 0);
}

/* ---- Who is told ----------------------------------------------------------------------------- */

static struct {
    uintptr_t socket, listener;
    uint32_t accepts, connects;
    uint32_t refusals;
    bool refuses_connects;
} updates;

static uint32_t note_updates(uintptr_t socket, int level, int option, const void *value, int bytes)
{
    if (level == SOL_SOCKET && option == SO_UPDATE_ACCEPT_CONTEXT) {
        updates.socket = socket;
        updates.listener = 0;
        if (bytes == sizeof updates.listener)
            memcpy(&updates.listener, value, sizeof updates.listener);
        updates.accepts++;
        if (updates.refusals > 0) {
            updates.refusals--;
            return WSAENOTCONN;
        }
    }
    if (level == SOL_SOCKET && option == SO_UPDATE_CONNECT_CONTEXT) {
        updates.connects++;
        if (bytes != 0)
            return WSAEFAULT;
        if (updates.refuses_connects)
            return WSAENOTCONN;
    }
    return real()->set_socket_option(socket, level, option, value, bytes);
}

static uintptr_t accept_listener, accept_socket;

static uint32_t note_accept(uintptr_t listener, uintptr_t socket, void *names, uint32_t name_bytes,
                            void *overlapped)
{
    accept_listener = listener;
    accept_socket = socket;
    return real()->accept_ex(listener, socket, names, name_bytes, overlapped);
}

/* Without these calls a socket has no names and no halves on Windows; Wine does not mind. */
CFT_CASE(sockets_are_told_that_they_are_connected)
{
    static const cede_win32_calls calls = {.set_socket_option = note_updates,
                                           .accept_ex = note_accept};
    cede_handle one, other;
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    memset(&updates, 0, sizeof updates);
    connected_on(t, loop, &one, &other);
    CFT_CHECK(t, updates.accepts == 1 && updates.connects == 1);
    CFT_CHECK(t, updates.socket == accept_socket && updates.listener == accept_listener);
    talk(t, loop, one, other);
}

/* Its client left between the packet and the update: it is passed over, and leaves nothing. */
CFT_CASE(client_that_is_gone_at_the_update_is_passed_over)
{
    static const cede_win32_calls calls = {.set_socket_option = note_updates};
    cede_address at;
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cede_handle listener = listening(t, loop, &at);
    memset(&updates, 0, sizeof updates);
    updates.refusals = 1;
    cft_rec *accept = accept_on(t, loop, listener);
    cft_rec *first = connect_on(t, loop, &at);
    hooks_await(t, loop, first);
    hooks_look(t, loop);
    CFT_CHECK(t, updates.accepts == 1 && !cft_is_done(accept));
    cft_rec *second = connect_on(t, loop, &at);
    hooks_await(t, loop, second);
    hooks_await(t, loop, accept);
    CFT_OK(t, accept);
    talk(t, loop, second->result.handle, accept->result.handle);
}

/* The other way round: its peer has reset it by then. */
CFT_CASE(connection_that_is_gone_at_the_update_was_reset)
{
    static const cede_win32_calls calls = {.set_socket_option = note_updates};
    cede_address at;
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    (void)listening(t, loop, &at);
    memset(&updates, 0, sizeof updates);
    updates.refuses_connects = true;
    cft_rec *connect = connect_on(t, loop, &at);
    hooks_await(t, loop, connect);
    CFT_STATUS(t, connect, CEDE_ECONNRESET);
    CFT_CHECK(t, updates.connects == 1);
}

/* ---- Results at once ------------------------------------------------------------------------- */

typedef void CALLBACK socket_routine(DWORD, DWORD, LPWSAOVERLAPPED, DWORD);

static bool sends_packets;
static uint32_t at_once;

static OVERLAPPED *here_begin(OVERLAPPED *here)
{
    memset(here, 0, sizeof *here);
    here->hEvent = (HANDLE)((uintptr_t)CreateEventW(NULL, TRUE, FALSE, NULL) | 1);
    return here;
}

/* What was made elsewhere is told of as if it had succeeded inside the call. */
static uint32_t here_end(OVERLAPPED *here, uint32_t error, OVERLAPPED *overlapped, bool by_port)
{
    if (error == ERROR_IO_PENDING)
        WaitForSingleObject(here->hEvent, INFINITE);
    CloseHandle((HANDLE)((uintptr_t)here->hEvent & ~(uintptr_t)1));
    overlapped->InternalHigh = here->InternalHigh;
    overlapped->Internal = here->Internal;
    at_once++;
    if (by_port && sends_packets)
        real()->post_completion(hooks_port, (uint32_t)here->InternalHigh, 1, overlapped);
    return 0;
}

static uint32_t accept_at_once(uintptr_t listener, uintptr_t socket, void *names,
                               uint32_t name_bytes, void *overlapped)
{
    OVERLAPPED here;
    uint32_t error = real()->accept_ex(listener, socket, names, name_bytes, here_begin(&here));
    return here_end(&here, error, overlapped, ((OVERLAPPED *)overlapped)->hEvent == NULL);
}

static uint32_t connect_at_once(uintptr_t socket, const void *name, int name_bytes,
                                void *overlapped)
{
    OVERLAPPED here;
    uint32_t error = real()->connect_ex(socket, name, name_bytes, here_begin(&here));
    return here_end(&here, error, overlapped, false);
}

struct call {
    socket_routine *routine;
    OVERLAPPED *overlapped;
    DWORD error;
};
static struct call called;

static void CALLBACK run_routine(ULONG_PTR context)
{
    const struct call *call = (const struct call *)context;
    call->routine(call->error, (DWORD)call->overlapped->InternalHigh, call->overlapped, 0);
}

static uint32_t recv_at_once(uintptr_t socket, void *buffers, uint32_t count, void *flags,
                             void *overlapped, void (*routine)(void))
{
    OVERLAPPED here;
    uint32_t error = real()->wsa_recv(socket, buffers, count, flags, here_begin(&here), NULL);
    error = here_end(&here, error, overlapped, !routine);
    if (routine) {
        called = (struct call){(socket_routine *)routine, overlapped, 0};
        QueueUserAPC(run_routine, GetCurrentThread(), (ULONG_PTR)&called);
    }
    return error;
}

static const cede_win32_calls all_at_once = {.accept_ex = accept_at_once,
                                             .connect_ex = connect_at_once,
                                             .wsa_recv = recv_at_once,
                                             .create_port = hooks_create_port};

static void expect_all_once(cft *t, uint32_t without)
{
    cede_address at;
    cede_loop *loop = hooks_open(t, &all_at_once, 0, without);
    cede_handle listener = listening(t, loop, &at);
    at_once = 0;
    cft_rec *connect = connect_on(t, loop, &at); /* the backlog takes it */
    hooks_await(t, loop, connect);
    CFT_OK(t, connect);
    cft_rec *accept = accept_on(t, loop, listener);
    hooks_await(t, loop, accept);
    CFT_OK(t, accept);
    cft_rec *send = send_on(t, loop, connect->result.handle, "abc");
    hooks_await(t, loop, send);
    cft_rec *recv = recv_on(t, loop, accept->result.handle);
    hooks_await(t, loop, recv);
    CFT_MOVED(t, recv, 3);
    hooks_look(t, loop);
    CFT_CHECK(t, at_once == 3);
    send = send_on(t, loop, accept->result.handle, "defg");
    hooks_await(t, loop, send);
    recv = recv_on(t, loop, connect->result.handle);
    hooks_await(t, loop, recv);
    CFT_MOVED(t, recv, 4);
}

/* Skip-on-success holds, and a routine comes all the same. */
CFT_CASE(sockets_succeed_at_once_without_a_packet)
{
    sends_packets = false;
    expect_all_once(t, 0);
}

CFT_CASE(sockets_succeed_at_once_with_a_packet)
{
    sends_packets = true;
    expect_all_once(t, CEDE_WIN32_NO_SKIP_ON_SUCCESS);
}

/* ---- Cancels that lie ------------------------------------------------------------------------ */

static uint32_t say_yes(void *file, void *overlapped)
{
    (void)file, (void)overlapped;
    return 0;
}

/* The system says yes, and a client comes all the same: it is delivered (law 8). */
CFT_CASE(accept_whose_cancel_was_too_late_is_delivered)
{
    static const cede_win32_calls calls = {.cancel_io_ex = say_yes};
    cede_address at;
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cft_rec *accept = accept_on(t, loop, listening(t, loop, &at));
    hooks_look(t, loop);
    cede_cancel(accept->ticket);
    hooks_look(t, loop);
    CFT_CHECK(t, !cft_is_done(accept));
    cft_rec *connect = connect_on(t, loop, &at);
    hooks_await(t, loop, connect);
    hooks_await(t, loop, accept);
    CFT_OK(t, accept);
    CFT_CHECK(t, accept->result.handle && (accept->result.flags & CEDE_CANCEL_ASKED));
    talk(t, loop, connect->result.handle, accept->result.handle);
}

static uint32_t denials;

static uint32_t deny_some(void *file, void *overlapped)
{
    if (denials > 0) {
        denials--;
        return ERROR_NOT_FOUND;
    }
    return real()->cancel_io_ex(file, overlapped);
}

CFT_CASE(cancel_on_a_socket_that_finds_nothing_is_repeated)
{
    static const cede_win32_calls calls = {.cancel_io_ex = deny_some};
    cede_address at;
    cede_handle one, other;
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    connected_on(t, loop, &one, &other);
    cft_rec *all[] = {recv_on(t, loop, one), accept_on(t, loop, listening(t, loop, &at))};
    hooks_look(t, loop);
    for (uint32_t i = 0; i < 2; i++) {
        denials = 5;
        cede_cancel(all[i]->ticket);
        hooks_await(t, loop, all[i]);
        CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_WISH);
        CFT_CHECK(t, denials == 0);
    }
    talk(t, loop, other, one);
}

/* ---- Failures -------------------------------------------------------------------------------- */

static uint32_t keep(uintptr_t socket, void *buffers, uint32_t count, void *flags, void *overlapped,
                     void (*routine)(void))
{
    (void)socket, (void)buffers, (void)count, (void)flags;
    called = (struct call){(socket_routine *)routine, overlapped, 0};
    return ERROR_IO_PENDING;
}

static uint32_t connect_to_itself(uintptr_t socket, const void *name, int name_bytes,
                                  void *overlapped)
{
    struct sockaddr_in to = *(const struct sockaddr_in *)name, own;
    int bytes = sizeof own;
    (void)name_bytes;
    if (getsockname((SOCKET)socket, (struct sockaddr *)&own, &bytes) == 0)
        to.sin_port = own.sin_port;
    return real()->connect_ex(socket, &to, sizeof to, overlapped);
}

/* Of the ports that nobody listens at the system may give the socket the very one. */
CFT_CASE(socket_that_meets_itself_is_refused)
{
    static const cede_win32_calls calls = {.connect_ex = connect_to_itself};
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 9);
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cft_rec *connect = connect_on(t, loop, &at);
    hooks_await(t, loop, connect);
    CFT_STATUS(t, connect, CEDE_ECONNREFUSED);
}

/* The kernel's word for a failure, and Winsock's. */
static const struct {
    uint32_t status, error;
    cede_status expected;
} failures[] = {
    {0xC000020D, WSAECONNRESET, CEDE_ECONNRESET},     /* STATUS_CONNECTION_RESET */
    {0xC0000241, WSAECONNABORTED, CEDE_ECONNRESET},   /* STATUS_CONNECTION_ABORTED */
    {0xC00000B5, WSAETIMEDOUT, CEDE_ETIMEDOUT},       /* STATUS_IO_TIMEOUT */
    {0xC000023C, WSAENETUNREACH, CEDE_ENETUNREACH},   /* STATUS_NETWORK_UNREACHABLE */
    {0xC000023D, WSAEHOSTUNREACH, CEDE_EHOSTUNREACH}, /* STATUS_HOST_UNREACHABLE */
    {0xC0000350, WSAEHOSTDOWN, CEDE_EHOSTUNREACH},    /* STATUS_HOST_DOWN */
    {0xC00000BE, WSAENETUNREACH, CEDE_ENETUNREACH},   /* STATUS_BAD_NETWORK_PATH */
    {0xC000013F, WSAETIMEDOUT, CEDE_ETIMEDOUT},       /* STATUS_LINK_TIMEOUT */
    {0xC0000140, WSAENOTCONN, CEDE_ENOTCONN},         /* STATUS_INVALID_CONNECTION */
};

CFT_CASE(packet_of_a_failed_receive_is_delivered)
{
    static const cede_win32_calls calls = {.wsa_recv = keep, .create_port = hooks_create_port};
    cede_handle one, other;
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    connected_on(t, loop, &one, &other);
    for (uint32_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        cft_rec *recv = recv_on(t, loop, one);
        hooks_look(t, loop);
        CFT_CHECK(t, !cft_is_done(recv) && (called.routine != NULL) == is_apc(t));
        called.overlapped->Internal = failures[i].status;
        called.error = failures[i].error;
        if (called.routine)
            QueueUserAPC(run_routine, GetCurrentThread(), (ULONG_PTR)&called);
        else
            real()->post_completion(hooks_port, 0, 1, called.overlapped);
        hooks_await(t, loop, recv);
        CFT_STATUS(t, recv, failures[i].expected);
        CFT_CHECK(t, recv->result.os_error == (int32_t)failures[i].error);
    }
}

/* Of a connect, which comes by an event on both lanes. */
static const struct {
    uint32_t status;
    cede_status expected;
} refusals[] = {
    {0xC0000236, CEDE_ECONNREFUSED},  /* STATUS_CONNECTION_REFUSED */
    {0xC00000BC, CEDE_ECONNREFUSED},  /* STATUS_REMOTE_NOT_LISTENING */
    {0xC000020A, CEDE_EADDRINUSE},    /* STATUS_ADDRESS_ALREADY_EXISTS */
    {0xC0000207, CEDE_EADDRNOTAVAIL}, /* STATUS_INVALID_ADDRESS_COMPONENT */
};

static uint32_t connect_status;

static uint32_t connect_to_nobody(uintptr_t socket, const void *name, int name_bytes,
                                  void *overlapped)
{
    OVERLAPPED *told = overlapped;
    (void)socket, (void)name, (void)name_bytes;
    told->Internal = connect_status;
    SetEvent((HANDLE)((uintptr_t)told->hEvent & ~(uintptr_t)1));
    return ERROR_IO_PENDING;
}

CFT_CASE(connect_that_fails_says_why)
{
    static const cede_win32_calls calls = {.connect_ex = connect_to_nobody};
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 9);
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    for (uint32_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        connect_status = refusals[i].status;
        cft_rec *connect = connect_on(t, loop, &at);
        hooks_await(t, loop, connect);
        CFT_STATUS(t, connect, refusals[i].expected);
    }
}

static uint32_t refusal;

static uint32_t refuse_recv(uintptr_t socket, void *buffers, uint32_t count, void *flags,
                            void *overlapped, void (*routine)(void))
{
    uint32_t error = refusal;
    refusal = 0;
    return error ? error : real()->wsa_recv(socket, buffers, count, flags, overlapped, routine);
}

/* Refused in the call, nothing follows; a lack of room is waited out. */
CFT_CASE(receive_that_is_refused_is_over)
{
    static const cede_win32_calls calls = {.wsa_recv = refuse_recv};
    cede_handle one, other;
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    connected_on(t, loop, &one, &other);
    talk(t, loop, other, one);
    for (uint32_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        refusal = failures[i].error;
        cft_rec *recv = recv_on(t, loop, one);
        hooks_await(t, loop, recv);
        CFT_STATUS(t, recv, failures[i].expected);
    }
    refusal = WSAENOBUFS;
    talk(t, loop, other, one);
    CFT_CHECK(t, refusal == 0);
}

static uint32_t connect_refusal;

static uint32_t refuse_connect(uintptr_t socket, const void *name, int name_bytes, void *overlapped)
{
    return connect_refusal ? connect_refusal
                           : real()->connect_ex(socket, name, name_bytes, overlapped);
}

/* The socket is closed: the run's end counts them. */
CFT_CASE(connect_that_is_refused_leaves_nothing)
{
    static const cede_win32_calls calls = {.connect_ex = refuse_connect};
    static const struct {
        uint32_t error;
        cede_status expected;
    } all[] = {{WSAECONNREFUSED, CEDE_ECONNREFUSED},
               {WSAETIMEDOUT, CEDE_ETIMEDOUT},
               {ERROR_SEM_TIMEOUT, CEDE_ETIMEDOUT},
               {ERROR_CONNECTION_REFUSED, CEDE_ECONNREFUSED},
               {ERROR_NETWORK_UNREACHABLE, CEDE_ENETUNREACH},
               {WSAEHOSTUNREACH, CEDE_EHOSTUNREACH},
               {WSAEADDRNOTAVAIL, CEDE_EADDRNOTAVAIL}};
    cede_address at;
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    listening(t, loop, &at);
    for (uint32_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        connect_refusal = all[i].error;
        cft_rec *connect = connect_on(t, loop, &at);
        hooks_await(t, loop, connect);
        CFT_STATUS(t, connect, all[i].expected);
        CFT_CHECK(t, !connect->result.handle);
    }
}

/* ---- Files to streams ------------------------------------------------------------------------ */

static uint32_t transmits, transmit_answer;

static uint32_t answer_to_transmit(uintptr_t socket, void *file, uint32_t bytes, void *overlapped)
{
    (void)socket, (void)file, (void)bytes, (void)overlapped, transmits++;
    return transmit_answer;
}

static void send_file_although_told(cft *t, uint32_t answer)
{
    static const cede_win32_calls calls = {.transmit_file = answer_to_transmit};
    enum { BYTES = 200000 };
    cede_handle from, to;
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    transmits = 0, transmit_answer = answer;
    connected_on(t, loop, &from, &to);
    cft_rec *file = cft_new(t), *recv = cft_new(t), *send = cft_new(t);
    cede_prep_open(file->req, cft_file(t, "f", NULL, BYTES, 4), CEDE_OPEN_READ, 0);
    hooks_do(t, loop, file);
    cede_prep_recv_all(recv->req, to, cft_buffer(recv, BYTES), BYTES);
    cft_submit_on(recv, loop);
    cede_prep_send_file(send->req, from, file->result.handle, 0, BYTES);
    hooks_do(t, loop, send);
    hooks_await(t, loop, recv);
    CFT_MOVED(t, send, BYTES);
    CFT_MOVED(t, recv, BYTES);
    CFT_CHECK(t, cft_filled(recv->bytes, BYTES, 4, 0) && transmits == 1);
}

CFT_CASE(file_goes_another_way_where_none_is_transmitted)
{
    send_file_although_told(t, WSAEOPNOTSUPP);
}

CFT_CASE(file_ends_where_its_size_says)
{
    send_file_although_told(t, ERROR_HANDLE_EOF);
}
