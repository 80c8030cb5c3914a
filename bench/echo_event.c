/*
 * libevent's servers: plain events with recv and send by their side, and bufferevents, which keep
 * buffers for each client. Main thread.
 */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "echo.h"

typedef struct client client;

typedef struct server {
    echo e;
    struct event_base *base;
    struct evconnlistener *listener;
    unsigned char *buffer;
    client *clients; /* that are left at the end */
} server;

struct client {
    server *s;
    client *next, **place;
    struct event *event;
    struct bufferevent *buffered;
};

static void count(server *s, unsigned what, uint64_t number)
{
    if (echo_count(&s->e, what, number)) {
        event_base_loopbreak(s->base);
    }
}

static client *client_new(server *s)
{
    client *c = bench_alloc(1, sizeof *c, 0);
    s->e.own_bytes += sizeof *c;
    c->s = s;
    c->next = s->clients;
    c->place = &s->clients;
    if (c->next) {
        c->next->place = &c->next;
    }
    s->clients = c;
    return c;
}

static void client_free(client *c)
{
    *c->place = c->next;
    if (c->next) {
        c->next->place = c->place;
    }
    if (c->buffered) {
        bufferevent_free(c->buffered); /* closes */
    } else {
        evutil_socket_t fd = event_get_fd(c->event);
        event_free(c->event);
        close(fd);
    }
    c->s->e.own_bytes -= sizeof *c;
    count(c->s, ECHO_ENDS, 1);
    free(c);
}

/* ---- Plain ----------------------------------------------------------------------------------- */

static void on_readable(evutil_socket_t fd, short what, void *self)
{
    client *c = self;
    server *s = c->s;
    ssize_t got = recv(fd, s->buffer, s->e.buffer_bytes, 0);
    (void)what;
    if (got > 0) {
        ssize_t sent = send(fd, s->buffer, (size_t)got, MSG_NOSIGNAL);
        if (sent != got) {
            echo_bad("libevent", sent);
        }
        count(s, ECHO_BYTES, (uint64_t)sent);
    } else if (got == 0) {
        client_free(c);
    } else if (errno != EAGAIN) {
        bench_check(got, "recv");
    }
}

static void on_client(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
                      int length, void *self)
{
    server *s = self;
    (void)listener, (void)from, (void)length;
    if (s->e.closes) {
        close(fd);
    } else {
        client *c = client_new(s);
        c->event = event_new(s->base, fd, EV_READ | EV_PERSIST, on_readable, c);
        if (!c->event || event_add(c->event, NULL) != 0) {
            bench_die("libevent: no event");
        }
    }
    count(s, ECHO_CLIENTS, 1);
}

/* ---- Buffered -------------------------------------------------------------------------------- */

static void on_data(struct bufferevent *buffered, void *self)
{
    client *c = self;
    struct evbuffer *in = bufferevent_get_input(buffered);
    size_t length = evbuffer_get_length(in);
    bufferevent_write_buffer(buffered, in);
    count(c->s, ECHO_BYTES, length);
}

static void on_event(struct bufferevent *buffered, short what, void *self)
{
    (void)buffered;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
        client_free(self);
    }
}

static void on_buffered_client(struct evconnlistener *listener, evutil_socket_t fd,
                               struct sockaddr *from, int length, void *self)
{
    client *c = client_new(self);
    (void)listener, (void)from, (void)length;
    c->buffered = bufferevent_socket_new(c->s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!c->buffered) {
        bench_die("libevent: no bufferevent");
    }
    bufferevent_setcb(c->buffered, on_data, NULL, on_event, c);
    bufferevent_enable(c->buffered, EV_READ | EV_WRITE);
    count(c->s, ECHO_CLIENTS, 1);
}

/* ---- Both ------------------------------------------------------------------------------------ */

static void run(void *self)
{
    const server *s = self;
    event_base_dispatch(s->base);
    /* A bufferevent has counted what it has not sent yet. */
    event_base_loop(s->base, EVLOOP_NONBLOCK);
}

static void open_(server *s, evconnlistener_cb on_accept)
{
    s->base = bench_event_base(false);
    s->buffer = bench_alloc(1, s->e.buffer_bytes, 64);
    s->listener =
        evconnlistener_new(s->base, on_accept, s, LEV_OPT_CLOSE_ON_FREE, 4096, s->e.listener);
    if (!s->listener) {
        bench_die("libevent: no listener");
    }
}

static void open_plain(void *self)
{
    open_(self, on_client);
}

static void open_buffered(void *self)
{
    open_(self, on_buffered_client);
}

static void close_(void *self)
{
    server *s = self;
    for (client *c = s->clients, *next; c; c = next) {
        next = c->next;
        client_free(c);
    }
    evconnlistener_free(s->listener);
    event_base_free(s->base);
    free(s->buffer);
}

const echo_side echo_event = {sizeof(server), open_plain, run, close_};
const echo_side echo_bufferevent = {sizeof(server), open_buffered, run, close_};
