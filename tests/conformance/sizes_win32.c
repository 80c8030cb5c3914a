/*
 * Transfers that are too large for the system, which says of them what it says where it has no room
 * just now (WSAENOBUFS of a send, ERROR_NO_SYSTEM_RESOURCES of a write over a network), or that a
 * message is too long (a pipe's, Microsoft's article 119218): they go in pieces. On both lanes;
 * hooks stand in the place of single calls (cede/win32.h).
 *
 * A case's own hooks are static: a process runs one case at a time.
 */
#include <winsock2.h> /* before windows.h */

#include "hooks_win32.h"

#include <string.h>

#define LIMIT 131072u /* what the system takes at once, here */
#define BYTES 2000000u

static uint32_t refusals;

static const cede_win32_calls *real(void)
{
    return cede_win32_system_calls();
}

/* ---- Files ----------------------------------------------------------------------------------- */

static uint32_t write_little(void *file, const void *buffer, uint32_t bytes, void *overlapped)
{
    refusals += bytes > LIMIT;
    return bytes > LIMIT ? ERROR_NO_SYSTEM_RESOURCES
                         : real()->write_file(file, buffer, bytes, overlapped);
}

static uint32_t write_little_ex(void *file, const void *buffer, uint32_t bytes, void *overlapped,
                                void (*routine)(void))
{
    refusals += bytes > LIMIT;
    return bytes > LIMIT ? ERROR_NO_SYSTEM_RESOURCES
                         : real()->write_file_ex(file, buffer, bytes, overlapped, routine);
}

/* Nothing else is in flight, so that the fourth try of a piece is its last. */
CFT_CASE(write_that_is_too_large_at_once_goes_in_pieces)
{
    static const cede_win32_calls calls = {.write_file = write_little,
                                           .write_file_ex = write_little_ex};
    static unsigned char bytes[BYTES], got[BYTES];
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cede_handle file = hooks_open_file(t, loop);
    refusals = 0;
    cft_fill(bytes, BYTES, 2, 0);
    cft_rec *write = cft_new(t);
    cede_prep_write_all(write->req, file, bytes, BYTES, 0);
    hooks_do(t, loop, write);
    CFT_MOVED(t, write, BYTES);
    CFT_CHECK(t, refusals > 0);
    CFT_CHECK(t, cft_file_read(t, "f", got, BYTES, 0) == BYTES);
    CFT_CHECK(t, memcmp(got, bytes, BYTES) == 0);
}

/* ---- Sockets --------------------------------------------------------------------------------- */

static uint32_t send_little(uintptr_t socket, void *buffers, uint32_t count, void *overlapped,
                            void (*routine)(void))
{
    const WSABUF *pieces = buffers;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += pieces[i].len;
    refusals += bytes > LIMIT;
    return bytes > LIMIT ? WSAENOBUFS
                         : real()->wsa_send(socket, buffers, count, overlapped, routine);
}

/* Two that are connected. */
static void connect_two(cft *t, cede_loop *loop, cede_handle *one, cede_handle *other)
{
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    cft_rec *listen = cft_new(t), *accept = cft_new(t), *connect = cft_new(t);
    cede_prep_listen(listen->req, &at, 0, 0);
    cede_handle listener = hooks_made(t, loop, listen, &at);
    cede_prep_accept(accept->req, listener, NULL);
    cft_submit_on(accept, loop);
    cede_prep_connect(connect->req, &at, 0);
    hooks_do(t, loop, connect);
    hooks_await(t, loop, accept);
    *one = connect->result.handle;
    *other = accept->result.handle;
    cede_drop(listener);
}

/* By one buffer, and by two. */
CFT_CASE(send_that_is_too_large_at_once_goes_in_pieces)
{
    static const cede_win32_calls calls = {.wsa_send = send_little};
    static unsigned char bytes[BYTES], got[BYTES];
    static cede_vec halves[2] = {{bytes, BYTES / 2}, {bytes + BYTES / 2, BYTES / 2}};
    cede_handle one, other;
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    connect_two(t, loop, &one, &other);
    cft_fill(bytes, BYTES, 2, 0);
    for (uint32_t i = 0; i < 2; i++) {
        cft_rec *recv = cft_new(t), *send = cft_new(t);
        refusals = 0;
        memset(got, 0, BYTES);
        cede_prep_recv_all(recv->req, other, got, BYTES);
        cft_submit_on(recv, loop);
        if (i == 0)
            cede_prep_send_all(send->req, one, bytes, BYTES);
        else
            cede_prep_sendv(send->req, one, halves, 2);
        hooks_do(t, loop, send);
        CFT_MOVED(t, send, BYTES);
        hooks_await(t, loop, recv);
        CFT_MOVED(t, recv, BYTES);
        CFT_CHECK(t, refusals > 0 && memcmp(got, bytes, BYTES) == 0);
    }
}

/* ---- Pipes ----------------------------------------------------------------------------------- */

#define STATUS_OF_A_WARNING 0x80000005u /* STATUS_BUFFER_OVERFLOW */
#define MESSAGE_MOST        8192u
#define MESSAGE_BYTES       30000u

static void CALLBACK run_routine(ULONG_PTR unused)
{
    (void)unused;
    hooks_kept.routine(ERROR_MORE_DATA, 0, hooks_kept.overlapped);
}

static uint32_t write_a_message(void *file, const void *buffer, uint32_t bytes, void *overlapped)
{
    if (bytes <= MESSAGE_MOST)
        return real()->write_file(file, buffer, bytes, overlapped);
    refusals++;
    ((OVERLAPPED *)overlapped)->Internal = STATUS_OF_A_WARNING;
    real()->post_completion(hooks_port, 0, 1, overlapped);
    return ERROR_MORE_DATA;
}

static uint32_t write_a_message_ex(void *file, const void *buffer, uint32_t bytes, void *overlapped,
                                   void (*routine)(void))
{
    if (bytes <= MESSAGE_MOST)
        return real()->write_file_ex(file, buffer, bytes, overlapped, routine);
    refusals++;
    hooks_kept.overlapped = overlapped;
    hooks_kept.routine = (void (*)(DWORD, DWORD, LPOVERLAPPED))routine;
    hooks_kept.overlapped->Internal = STATUS_OF_A_WARNING;
    QueueUserAPC(run_routine, GetCurrentThread(), 0);
    return ERROR_MORE_DATA;
}

/* By a warning, as of a message that was longer than its buffer; nothing of it went. */
CFT_CASE(message_that_is_too_long_for_its_pipe_goes_in_pieces)
{
    static const cede_win32_calls calls = {.write_file = write_a_message,
                                           .write_file_ex = write_a_message_ex,
                                           .create_port = hooks_create_port};
    static unsigned char bytes[MESSAGE_BYTES];
    cede_loop *loop = hooks_open(t, &calls, 0, CEDE_WIN32_NO_SKIP_ON_SUCCESS);
    cft_rec *pair = cft_new(t), *write = cft_new(t), *read = cft_new(t);
    cede_handle to;
    refusals = 0;
    cede_prep_pair(pair->req, CEDE_PAIR_PIPE, &to);
    hooks_do(t, loop, pair);
    CFT_OK(t, pair);
    cft_fill(bytes, MESSAGE_BYTES, 2, 0);
    cede_prep_write_all(write->req, to, bytes, MESSAGE_BYTES, CEDE_CURRENT);
    hooks_do(t, loop, write);
    CFT_MOVED(t, write, MESSAGE_BYTES);
    cede_prep_read_all(read->req, pair->result.handle, cft_buffer(read, MESSAGE_BYTES),
                       MESSAGE_BYTES, CEDE_CURRENT);
    hooks_do(t, loop, read);
    CFT_MOVED(t, read, MESSAGE_BYTES);
    CFT_CHECK(t, refusals > 0 && memcmp(read->bytes, bytes, MESSAGE_BYTES) == 0);
}
