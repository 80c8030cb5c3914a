/* On io_uring, a close of a socket that lingers blocked its loop if another loop, the listener, or
 * the program had told the socket so (law 10), and needed memory (law 15). Each way by a process of
 * its own: what one shows the library of, another may not have to find out. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "memory.h"

#include "cede/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_SECONDS 30

static note made, closed;

static cede_loop *open_loop(void)
{
    const cede_options options = {.backend = "io_uring"};
    cede_loop *loop;
    cede_status status = cede_loop_open(&options, &loop);
    if (status == CEDE_EPERM || status == CEDE_ENOTSUP)
        exit(77);
    CHECK(status == CEDE_OK);
    return loop;
}

static cede_result perform(cede_loop *loop)
{
    CHECK(cede_wait(loop, cede_submit(loop, &made.req, note_done), 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(made.result.status == CEDE_OK);
    return made.result;
}

static void tell_system(int fd)
{
    const struct linger linger = {1, LINGER_SECONDS};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
}

/* A connection: the listener, who accepts, who connects. */
static void connect_both(int fds[3])
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof name;
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fds[2] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fds[0] >= 0 && fds[2] >= 0);
    CHECK(bind(fds[0], (struct sockaddr *)&name, sizeof name) == 0 && listen(fds[0], 1) == 0);
    CHECK(getsockname(fds[0], (struct sockaddr *)&name, &bytes) == 0);
    CHECK(connect(fds[2], (struct sockaddr *)&name, sizeof name) == 0);
    fds[1] = -1;
}

/* Until no more goes. */
static void stuff(int fd)
{
    static const char bytes[65536];
    while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
    CHECK(errno == EAGAIN);
}

static cede_handle accept_by(cede_loop *loop, cede_handle listener)
{
    cede_prep_accept(&made.req, listener, NULL);
    return perform(loop).handle;
}

/* A client who comes now; the one before does not linger as the listener was told to later. */
static cede_handle accept_late(cede_loop *loop, cede_handle listener, int native, int *peer)
{
    struct sockaddr_in name;
    socklen_t bytes = sizeof name;
    cede_drop(accept_by(loop, listener));
    *peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(*peer >= 0 && getsockname(native, (struct sockaddr *)&name, &bytes) == 0);
    CHECK(connect(*peer, (struct sockaddr *)&name, sizeof name) == 0);
    return accept_by(loop, listener);
}

/* The handle is used, its peer does not read, and then it does. */
static void use(cede_loop *loop, cede_handle handle)
{
    static const char bytes[1 << 20];
    do {
        memset(&made, 0, sizeof made);
        cede_prep_send(&made.req, handle, bytes, sizeof bytes);
        cede_within(&made.req, 20 * CEDE_MILLISECOND);
        cede_ticket ticket = cede_submit(loop, &made.req, note_done);
        CHECK(cede_wait(loop, ticket, 10 * CEDE_SECOND) == CEDE_OK);
    } while (made.result.status == CEDE_OK);
    CHECK(made.result.status == CEDE_EDEADLINE);
}

static void close_it(cede_loop *loop, cede_handle handle, int peer)
{
    static char taken[1 << 16];
    memory_is_out = true;
    memory_asked = 0;
    cede_prep_close(&closed.req, handle);
    cede_ticket ticket = cede_submit(loop, &closed.req, note_done);
    CHECK(cede_run(loop, 0) == 0 && cede_run(loop, 0) == 0);
    CHECK(closed.calls == 0); /* it waits elsewhere */
    while (read(peer, taken, sizeof taken) > 0)
        continue;
    CHECK(cede_wait(loop, ticket, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(closed.calls == 1 && closed.result.status == CEDE_OK && memory_asked == 0);
    memory_is_out = false;
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

static void accepted_by_another_loop(void)
{
    cede_loop *acceptor = open_loop(), *loop = open_loop();
    int fds[3];
    connect_both(fds);
    cede_handle listener = cede_import(fds[0], CEDE_KIND_AUTO, 0);
    cede_prep_set_option(&made.req, listener, CEDE_OPTION_LINGER, LINGER_SECONDS * CEDE_SECOND);
    (void)perform(acceptor);
    int peer;
    cede_handle handle = accept_late(acceptor, listener, fds[0], &peer);
    use(loop, handle);
    close_it(loop, handle, peer);
    CHECK(cede_loop_close(acceptor, CEDE_FOREVER) == CEDE_OK);
}

static void accepted_by_an_imported_listener(void)
{
    cede_loop *loop = open_loop();
    int fds[3];
    connect_both(fds);
    tell_system(fds[0]);
    cede_handle listener = cede_import(fds[0], CEDE_KIND_LISTENER, 0);
    int peer;
    cede_handle handle = accept_late(loop, listener, fds[0], &peer);
    use(loop, handle);
    close_it(loop, handle, peer);
}

static void imported_as_a_stream(void)
{
    cede_loop *loop = open_loop();
    int fds[3];
    connect_both(fds);
    tell_system(fds[2]);
    CHECK((fds[1] = accept(fds[0], NULL, NULL)) >= 0);
    cede_handle handle = cede_import(fds[2], CEDE_KIND_STREAM, 0);
    use(loop, handle);
    close_it(loop, handle, fds[1]);
}

static void never_used(uint32_t kind)
{
    cede_loop *loop = open_loop();
    int fds[3];
    connect_both(fds);
    tell_system(fds[2]);
    CHECK((fds[1] = accept(fds[0], NULL, NULL)) >= 0);
    stuff(fds[2]);
    cede_prep_nop(&made.req); /* the loop has its slots */
    (void)perform(loop);
    close_it(loop, cede_import(fds[2], kind, 0), fds[1]);
}

static void imported_and_never_used(void)
{
    never_used(CEDE_KIND_AUTO);
}

static void imported_as_a_stream_and_never_used(void)
{
    never_used(CEDE_KIND_STREAM);
}

/* There is no loop that could have a thread: what is to be sent is, behind the scenes. */
static void dropped_unbound(void)
{
    static char taken[1 << 16];
    uint64_t began = port_now();
    int fds[3];
    connect_both(fds);
    tell_system(fds[2]);
    CHECK((fds[1] = accept(fds[0], NULL, NULL)) >= 0);
    stuff(fds[2]);
    cede_drop(cede_import(fds[2], CEDE_KIND_AUTO, 0));
    CHECK(port_now() - began < LINGER_SECONDS * CEDE_SECOND / 2);
    ssize_t count;
    while ((count = read(fds[1], taken, sizeof taken)) > 0)
        continue;
    CHECK(count == 0); /* and no reset */
}

REGRESSION(lingering_close_blocks_nobody)
{
    static void (*const ways[])(void) = {
        accepted_by_another_loop, accepted_by_an_imported_listener,    imported_as_a_stream,
        imported_and_never_used,  imported_as_a_stream_and_never_used, dropped_unbound};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        pid_t child = fork();
        int status = 0;
        if (child == 0) {
            memory_watch();
            ways[i]();
            exit(0);
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
        if (WEXITSTATUS(status) != 0) {
            printf("way %zu ends with %d\n", i, WEXITSTATUS(status));
            return WEXITSTATUS(status);
        }
    }
    return 0;
}
