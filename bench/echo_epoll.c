/*
 * The second floor of the servers: epoll by hand, level-triggered, with recv and send by its side,
 * which is what readiness can do at best. Main thread.
 */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo.h"

enum { EVENTS = 256 };

typedef struct server {
    echo e;
    int epoll;
    unsigned char *buffer;
    struct epoll_event events[EVENTS];
} server;

static void watch(server *s, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    bench_check(epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

static void accept_all(server *s)
{
    int fd;
    while ((fd = accept4(s->e.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (s->e.closes) {
            close(fd);
        } else {
            watch(s, fd);
        }
        echo_count(&s->e, ECHO_CLIENTS, 1);
    }
    if (errno != EAGAIN) {
        bench_check(fd, "accept4");
    }
}

static void readable(server *s, int fd)
{
    ssize_t got = recv(fd, s->buffer, s->e.buffer_bytes, 0);
    if (got > 0) {
        ssize_t sent = send(fd, s->buffer, (size_t)got, MSG_NOSIGNAL);
        if (sent != got) {
            echo_bad("epoll", sent);
        }
        echo_count(&s->e, ECHO_BYTES, (uint64_t)sent);
    } else if (got == 0) {
        close(fd);
        echo_count(&s->e, ECHO_ENDS, 1);
    } else if (errno != EAGAIN) {
        bench_check(got, "recv");
    }
}

static void run(void *self)
{
    server *s = self;
    while (!echo_enough(&s->e)) {
        int count = epoll_wait(s->epoll, s->events, EVENTS, -1);
        bench_check(count, "epoll_wait");
        for (int i = 0; i < count; i++) {
            if (s->events[i].data.fd == s->e.listener) {
                accept_all(s);
            } else {
                readable(s, s->events[i].data.fd);
            }
        }
    }
}

static void open_(void *self)
{
    server *s = self;
    s->epoll = (int)bench_check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    s->buffer = bench_alloc(1, s->e.buffer_bytes, 64);
    watch(s, s->e.listener);
}

static void close_(void *self)
{
    server *s = self;
    close(s->epoll);
    close(s->e.listener);
    free(s->buffer);
}

const echo_side echo_epoll = {sizeof(server), open_, run, close_};
