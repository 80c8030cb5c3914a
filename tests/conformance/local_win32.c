/*
 * Streams at local names, which are named pipes, and sockets that come from elsewhere: cases of the
 * Windows lanes.
 */
#include <winsock2.h>
#include <ws2tcpip.h>

#include "hooks_win32.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* ---- The backlog ----------------------------------------------------------------------------- */

/* More clients than instances, and no accept yet: those that find none free wait on threads. */
CFT_CASE(local_clients_wait_for_a_free_instance)
{
    enum { CLIENTS = 12 };
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_LOCAL, &at);
    cft_rec *connects[CLIENTS], *accepts[CLIENTS];
    uint32_t at_once = 0;
    for (uint32_t i = 0; i < CLIENTS; i++)
        connects[i] = cft_connect(t, &at);
    cft_flush(t);
    cft_run(t, 2 * CEDE_MILLISECOND);
    for (uint32_t i = 0; i < CLIENTS; i++)
        at_once += cft_is_done(connects[i]);
    CFT_EXPECT(t, at_once > 0 && at_once < CLIENTS);
    for (uint32_t i = 0; i < CLIENTS; i++)
        accepts[i] = cft_accept(t, listener);
    cft_settle(t);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        CFT_OK(t, connects[i]);
        CFT_OK(t, accepts[i]);
        cft_drop(t, connects[i]->result.handle);
        cft_drop(t, accepts[i]->result.handle);
    }
    cft_closed(t, listener);
}

static struct {
    bool on;
    uint32_t calls, fails; /* the first is 0 */
} arming;

static int fail_to_arm(void *context, const char *call)
{
    (void)context;
    if (!arming.on || strcmp(call, "ConnectNamedPipe") != 0)
        return 0;
    return arming.calls++ == arming.fails ? ERROR_NO_SYSTEM_RESOURCES : 0;
}

/* Which of the instances a client gets, nobody knows: one that could not be made to wait for it is
 * tended again while an accept waits. */
CFT_CASE(local_client_of_an_instance_that_failed_is_accepted)
{
    enum { CLIENTS = 3 };
    for (uint32_t i = 0; i < 2 + CLIENTS; i++) {
        cft_rec *accepts[CLIENTS], *connects[CLIENTS], *listen = cft_new(t);
        cede_address at = cft_address(t, CFT_LOCAL);
        arming.on = false;
        cede_loop *loop = hooks_open_failing(t, NULL, fail_to_arm, NULL);
        cede_prep_listen(listen->req, &at, 2, 0); /* two instances */
        hooks_do(t, loop, listen);
        CFT_OK(t, listen);
        arming.calls = 0;
        arming.fails = i;
        arming.on = true;
        for (uint32_t k = 0; k < CLIENTS; k++) {
            accepts[k] = cft_new(t);
            cede_prep_accept(accepts[k]->req, listen->result.handle, NULL);
            cft_submit_on(accepts[k], loop);
        }
        hooks_look(t, loop);
        for (uint32_t k = 0; k < CLIENTS; k++) {
            connects[k] = cft_new(t);
            cede_prep_connect(connects[k]->req, &at, 0);
            hooks_do(t, loop, connects[k]);
            CFT_OK(t, connects[k]);
        }
        for (uint32_t k = 0; k < CLIENTS; k++) {
            hooks_await(t, loop, accepts[k]);
            CFT_OK(t, accepts[k]);
        }
        arming.on = false;
    }
}

/* One that waits is ended by a wish, a deadline, and by the listener's end. */
CFT_CASE(local_client_that_waits_can_be_ended)
{
    cede_address at = cft_address(t, CFT_LOCAL);
    cft_rec *listen = cft_new(t);
    cede_prep_listen(listen->req, &at, 1, 0); /* one instance */
    cft_do(listen);
    CFT_OK(t, listen);
    cft_rec *first = cft_connect(t, &at);
    cft_await(t, first);
    CFT_OK(t, first);
    cft_rec *wished = cft_connect(t, &at);
    cft_rec *late = cft_new(t);
    cede_prep_connect(late->req, &at, 0);
    cede_within(late->req, 2 * CEDE_MILLISECOND);
    cft_submit(late);
    cft_rec *left = cft_connect(t, &at);
    cft_flush(t);
    cft_await(t, late);
    CFT_ENDED(t, late, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_EXPECT(t, !cft_is_done(wished) && !cft_is_done(left));
    cft_cancel(t, wished->ticket);
    cft_await(t, wished);
    CFT_ENDED(t, wished, CEDE_ECANCELED, CEDE_BY_WISH);
    cft_closed(t, listen->result.handle);
    cft_drop(t, first->result.handle);
    cft_await(t, left);
    CFT_STATUS(t, left, CEDE_ECONNREFUSED);
}

static _Atomic uint32_t opens;

static uint32_t count_opens(const wchar_t *path, uint32_t access, uint32_t share,
                            uint32_t disposition, uint32_t flags, void **out)
{
    atomic_fetch_add(&opens, 1);
    return cede_win32_system_calls()->create_file(path, access, share, disposition, flags, out);
}

/* The end of a client that came before is open, and keeps the name: that is nobody who listens, and
 * ends no wait. So whoever waits asks anew, now and then. */
CFT_CASE(local_client_that_waits_learns_that_nobody_listens)
{
    static const cede_win32_calls calls = {.create_file = count_opens};
    cede_address at = cft_address(t, CFT_LOCAL);
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cft_rec *listen = cft_new(t), *first = cft_new(t), *waits = cft_new(t), *close = cft_new(t);
    cede_prep_listen(listen->req, &at, 1, 0); /* one instance */
    hooks_do(t, loop, listen);
    CFT_OK(t, listen);
    cede_prep_connect(first->req, &at, 0);
    hooks_do(t, loop, first);
    CFT_OK(t, first);
    atomic_store(&opens, 0);
    cede_prep_connect(waits->req, &at, 0);
    cede_within(waits->req, 10 * CEDE_SECOND);
    cft_submit_on(waits, loop);
    while (atomic_load(&opens) < 3 && !cft_is_done(waits))
        CFT_CHECK(t, cft_run_on(loop, CEDE_MILLISECOND) >= 0);
    CFT_CHECK(t, !cft_is_done(waits));
    cede_prep_close(close->req, listen->result.handle);
    hooks_do(t, loop, close);
    CFT_OK(t, close);
    hooks_await(t, loop, waits);
    CFT_STATUS(t, waits, CEDE_ECONNREFUSED);
    cede_drop(first->result.handle);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
}

/* To who connects, a name that an accepted stream keeps is that of a listener that is busy, as the
 * header has it. When it is closed, nobody listens. */
CFT_CASE(local_name_lasts_as_long_as_an_accepted_stream)
{
    static const cede_win32_calls calls = {.create_file = count_opens};
    cede_address at = cft_address(t, CFT_LOCAL);
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    cft_rec *listen = cft_new(t), *client = cft_new(t), *accept = cft_new(t), *waits = cft_new(t);
    cft_rec *close = cft_new(t);
    cede_prep_listen(listen->req, &at, 2, 0);
    hooks_do(t, loop, listen);
    CFT_OK(t, listen);
    cede_prep_connect(client->req, &at, 0);
    hooks_do(t, loop, client);
    cede_prep_accept(accept->req, listen->result.handle, NULL);
    hooks_do(t, loop, accept);
    CFT_CHECK(t, client->result.status == CEDE_OK && accept->result.status == CEDE_OK);
    cede_prep_close(close->req, listen->result.handle);
    hooks_do(t, loop, close);
    atomic_store(&opens, 0);
    cede_prep_connect(waits->req, &at, 0);
    cede_within(waits->req, 10 * CEDE_SECOND);
    cft_submit_on(waits, loop);
    while (atomic_load(&opens) < 3 && !cft_is_done(waits))
        CFT_CHECK(t, cft_run_on(loop, CEDE_MILLISECOND) >= 0);
    CFT_CHECK(t, !cft_is_done(waits));
    cede_drop(accept->result.handle);
    hooks_await(t, loop, waits);
    CFT_STATUS(t, waits, CEDE_ECONNREFUSED);
    cede_drop(client->result.handle);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
}

/* What was written before the accept is there behind it, though the writer has gone. */
CFT_CASE(local_client_that_left_is_read_all_the_same)
{
    char seen[8];
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_LOCAL, &at);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_await(t, cft_send_all(t, connect->result.handle, "bye", 3));
    cft_closed(t, connect->result.handle);
    cft_rec *accept = cft_accept(t, listener);
    cft_await(t, accept);
    CFT_OK(t, accept);
    size_t got = cft_take(t, accept->result.handle, seen, sizeof seen);
    CFT_EXPECT(t, got == 3 && memcmp(seen, "bye", 3) == 0);
    cft_drop(t, accept->result.handle);
    cft_closed(t, listener);
}

/* Its name is its own: a second listener is told so; afterwards nobody is there. */
CFT_CASE(local_name_has_one_listener)
{
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_LOCAL, &at);
    for (uint32_t i = 0; i < 2; i++) {
        cft_rec *again = cft_new(t);
        cede_prep_listen(again->req, &at, 0, i ? CEDE_LISTEN_REPLACE : 0);
        cft_do(again);
        CFT_STATUS(t, again,
                   cft_deviates(t, "first_pipe_is_not_first") ? CEDE_OK : CEDE_EADDRINUSE);
        cft_drop(t, again->result.handle);
    }
    cft_rec *accept = cft_accept(t, listener);
    cft_turn(t);
    cft_closed(t, listener);
    CFT_ENDED(t, accept, CEDE_ECANCELED, CEDE_BY_CLOSE);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_STATUS(t, connect, CEDE_ECONNREFUSED);
}

/* The system's own reading of ".." would make files of them, open for reading and writing. */
CFT_CASE(local_name_leads_out_of_the_pipes_nowhere)
{
    static const char *const ways[] = {"..", "/..", "a/../..", "./a/.././.."};
    static const char *const same[] = {"%s/./b", "%s/a/../b", "../%s//b", "x/../%s/b/."};
    char path[CEDE_ADDRESS_PATH + 1], name[24];
    wchar_t units[MAX_PATH];
    cft_file(t, "f", "x", 1, 0);
    DWORD whole = GetFullPathNameW(L".", MAX_PATH, units, NULL);
    CFT_CHECK(t, whole > 0 && whole < MAX_PATH);
    for (uint32_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        int length = snprintf(path, sizeof path, "%s/%ls/%s", ways[i], units, cft_path(t, "f"));
        if (length < 0 || (size_t)length >= sizeof path)
            continue; /* the tests lie too deep */
        cede_address at = cede_address_local(path);
        cft_rec *connect = cft_connect(t, &at);
        cft_await(t, connect);
        CFT_STATUS(t, connect, CEDE_ECONNREFUSED);
    }
    static const char *const nothing[] = {"a/../..", "...", " ", "a/../. ."};
    for (uint32_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        cede_address none = cede_address_local(nothing[i]);
        cft_rec *nameless = cft_connect(t, &none);
        cft_await(t, nameless);
        CFT_STATUS(t, nameless, CEDE_EINVAL);
    }
    (void)snprintf(name, sizeof name, "cede.dots.%lu", (unsigned long)GetCurrentProcessId());
    (void)snprintf(path, sizeof path, "%s/b", name);
    cede_address at = cede_address_local(path);
    cft_rec *listen = cft_new(t);
    cede_prep_listen(listen->req, &at, 0, 0);
    cft_do(listen);
    CFT_OK(t, listen);
    for (uint32_t i = 0; i < sizeof same / sizeof *same; i++) {
        char other[sizeof path];
        (void)snprintf(other, sizeof other, same[i], name);
        at = cede_address_local(other);
        cft_rec *connect = cft_connect(t, &at);
        cft_await(t, connect);
        CFT_OK(t, connect);
        cft_drop(t, connect->result.handle);
    }
    cft_closed(t, listen->result.handle);
}

static cede_loop *another_loop(cft *t)
{
    cede_options options;
    cft_options(t, &options);
    return cft_open(t, &options);
}

static void await_on(cft *t, cede_loop *loop, const cft_rec *rec)
{
    CFT_CHECK(t, cft_wait_on(loop, rec->ticket, 10 * CEDE_SECOND) == CEDE_OK);
    CFT_CHECK(t, cft_is_done(rec));
}

/* Made on one loop, used on another: before its first use a handle belongs to none. */
static void hand_over(cft *t, uint32_t kind)
{
    cede_address at;
    cede_loop *other = another_loop(t);
    cft_rec *listen = cft_new(t), *accept = cft_new(t), *recv = cft_new(t), *send = cft_new(t);
    if (kind == CFT_LOCAL) { /* asking a TCP listener for its port would bind it */
        at = cft_address(t, kind);
        cede_prep_listen(listen->req, &at, 0, 0);
        cft_do(listen);
        cede_prep_accept(accept->req, listen->result.handle, NULL);
    } else {
        cede_prep_accept(accept->req, cft_listening(t, kind, &at), NULL);
    }
    cft_submit_on(accept, kind == CFT_LOCAL ? other : cft_loop(t));
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_OK(t, connect);
    await_on(t, kind == CFT_LOCAL ? other : cft_loop(t), accept);
    CFT_OK(t, accept);
    cede_prep_recv_all(recv->req, accept->result.handle, cft_buffer(recv, 5), 5);
    cft_submit_on(recv, other);
    cede_prep_send_all(send->req, connect->result.handle, cft_input(send, "hello", 5), 5);
    cft_submit_on(send, other);
    await_on(t, other, send);
    await_on(t, other, recv);
    CFT_MOVED(t, recv, 5);
}

CFT_CASE(tcp_streams_are_used_on_another_loop)
{
    hand_over(t, CFT_TCP);
}

CFT_CASE(local_listener_is_used_on_another_loop)
{
    hand_over(t, CFT_LOCAL);
}

/* A listener that no loop has used is closed in the call. */
CFT_CASE(local_listener_that_nobody_used_is_dropped)
{
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_LOCAL, &at);
    cede_drop(listener);
    cft_turn(t);
    listener = cft_listening(t, CFT_LOCAL, &at);
    cft_closed(t, listener);
}

/* ---- Sockets from elsewhere ------------------------------------------------------------------ */

static SOCKET raw(cft *t, int type, struct sockaddr_in *at)
{
    int bytes = sizeof *at;
    SOCKET made = socket(AF_INET, type, 0);
    CFT_CHECK(t, made != INVALID_SOCKET);
    memset(at, 0, sizeof *at);
    at->sin_family = AF_INET;
    at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CFT_CHECK(t, bind(made, (struct sockaddr *)at, bytes) == 0);
    CFT_CHECK(t, getsockname(made, (struct sockaddr *)at, &bytes) == 0);
    return made;
}

static cede_handle take(cft *t, SOCKET socket, uint32_t flags)
{
    cede_handle handle = cede_import((intptr_t)socket, CEDE_KIND_AUTO, flags);
    CFT_CHECK(t, handle != 0);
    return handle;
}

static cede_address address_of(const struct sockaddr_in *at)
{
    return cede_address_loopback(CEDE_ADDRESS_IPV4, ntohs(at->sin_port));
}

/* What each is, the system says; an unused one is closed as the socket that it is. */
CFT_CASE(imported_sockets_are_known_for_what_they_are)
{
    struct sockaddr_in at, from;
    cede_loop *loop = cft_loop(t);
    CFT_CHECK(t, loop != NULL);
    SOCKET listens = raw(t, SOCK_STREAM, &at), datagrams = raw(t, SOCK_DGRAM, &from);
    CFT_CHECK(t, listen(listens, 1) == 0);
    cede_handle listener = take(t, listens, 0), datagram = take(t, datagrams, CEDE_IMPORT_APC);
    cede_address self = address_of(&from);
    cft_rec *accept = cft_accept(t, listener);
    SOCKET client = raw(t, SOCK_STREAM, &from);
    CFT_CHECK(t, connect(client, (struct sockaddr *)&at, sizeof at) == 0);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cede_handle stream = take(t, client, 0);
    cft_talk(t, stream, accept->result.handle);
    cft_rec *send = cft_sendto(t, datagram, "self", 4, &self);
    cft_await(t, send);
    CFT_MOVED(t, send, 4);
    cft_rec *recv = cft_recvfrom(t, datagram, 16, NULL);
    cft_await(t, recv);
    CFT_MOVED(t, recv, 4);
    cft_rec *wrong = cft_recv(t, listener, 4);
    cft_await(t, wrong);
    CFT_STATUS(t, wrong, CEDE_EINVAL);
    cede_drop(take(t, raw(t, SOCK_STREAM, &from), 0));
    cft_drop(t, accept->result.handle);
    cft_closed(t, stream);
    cft_closed(t, datagram);
    cft_closed(t, listener);
}

/* It leads into somebody else's port: served by events, and that port hears nothing. */
CFT_CASE(socket_of_a_foreign_port_is_served_by_events)
{
    OVERLAPPED_ENTRY entry;
    ULONG count = 0;
    struct sockaddr_in at, from;
    CFT_CHECK(t, cft_loop(t) != NULL);
    SOCKET listens = raw(t, SOCK_STREAM, &at), client = raw(t, SOCK_STREAM, &from);
    HANDLE foreign = CreateIoCompletionPort((HANDLE)listens, NULL, 99, 0);
    CFT_CHECK(t, foreign && CreateIoCompletionPort((HANDLE)client, foreign, 98, 0));
    CFT_CHECK(t, listen(listens, 1) == 0);
    CFT_CHECK(t, connect(client, (struct sockaddr *)&at, sizeof at) == 0);
    cede_handle listener = take(t, listens, 0), stream = take(t, client, 0);
    cft_rec *accept = cft_accept(t, listener);
    cft_await(t, accept);
    CFT_OK(t, accept);
    for (uint32_t i = 0; i < 5; i++)
        cft_talk(t, stream, accept->result.handle);
    cft_rec *recv = cft_recv(t, stream, 4);
    cft_flush(t);
    cft_cancel(t, recv->ticket);
    cft_await(t, recv);
    CFT_ENDED(t, recv, CEDE_ECANCELED, CEDE_BY_WISH);
    cft_drop(t, accept->result.handle);
    cft_closed(t, stream);
    cft_closed(t, listener);
    CFT_CHECK(t, !GetQueuedCompletionStatusEx(foreign, &entry, 1, &count, 0, FALSE));
    CloseHandle(foreign);
}

/* ---- A close that does not close ------------------------------------------------------------- */

static _Atomic uint32_t closes;

static uint32_t close_not_yet(uintptr_t socket)
{
    if (atomic_fetch_add(&closes, 1) == 0)
        return WSAEWOULDBLOCK;
    return cede_win32_system_calls()->close_socket(socket);
}

/* Of a socket that is not to block and was told to linger closesocket says that it would block, and
 * has closed nothing. */
CFT_CASE(socket_that_may_not_wait_and_lingers_is_closed)
{
    static const cede_win32_calls calls = {.close_socket = close_not_yet};
    struct linger linger = {1, 1};
    struct sockaddr_in at, from;
    u_long yes = 1;
    char byte;
    cede_loop *loop = hooks_open(t, &calls, 0, 0);
    SOCKET listens = raw(t, SOCK_STREAM, &at), client = raw(t, SOCK_STREAM, &from);
    CFT_CHECK(t, listen(listens, 1) == 0);
    CFT_CHECK(t, connect(client, (struct sockaddr *)&at, sizeof at) == 0);
    SOCKET peer = accept(listens, NULL, NULL);
    CFT_CHECK(t, peer != INVALID_SOCKET && ioctlsocket(client, FIONBIO, &yes) == 0);
    CFT_CHECK(t, setsockopt(client, SOL_SOCKET, SO_LINGER, (char *)&linger, sizeof linger) == 0);
    atomic_store(&closes, 0);
    cft_rec *close = cft_new(t);
    cede_prep_close(close->req, take(t, client, 0));
    cft_submit_on(close, loop);
    hooks_await(t, loop, close);
    CFT_OK(t, close);
    CFT_CHECK(t, atomic_load(&closes) == 2);
    CFT_CHECK(t, recv(peer, &byte, 1, 0) == 0);
    closesocket(peer);
    closesocket(listens);
}
