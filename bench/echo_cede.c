/*
 * cede's server, as a user would write it: examples/cede-echo.c, with counting. Clients come from
 * one accept_many, data in buffers of a pool from one recv_many each, and goes back from the buffer
 * that it came in by a request in the headroom before it. Main thread.
 */
#include "bench.h"

#include <stdlib.h>

#include <cede/cede.h>

#include "echo.h"

typedef struct server {
    echo e;
    cede_loop *loop;
    cede_pool *pool;
    cede_handle listener;
    cede_req accept;
    cede_ticket accepting;
} server;

typedef struct client {
    cede_req recv; /* user_data: the server */
    cede_handle handle;
} client;

static void count(server *s, unsigned what, uint64_t number)
{
    if (echo_count(&s->e, what, number)) {
        cede_stop(s->loop);
    }
}

static cede_req *send_of(void *buffer)
{
    return (cede_req *)((char *)buffer - sizeof(cede_req));
}

static void on_sent(cede_req *req, cede_result r)
{
    server *s = req->user_data;
    bench_cede_check(r.status, "send");
    cede_pool_give(s->pool, r.buffer); /* and with it, this request */
    count(s, ECHO_BYTES, r.count);
}

static void on_data(cede_req *req, cede_result item)
{
    const client *c = CEDE_CONTAINER(req, client, recv);
    server *s = req->user_data;
    cede_req *send = send_of(item.buffer);
    send->user_data = s;
    cede_prep_send_all(send, c->handle, item.buffer, item.count);
    cede_submit(s->loop, send, on_sent);
}

static void on_end(cede_req *req, cede_result r)
{
    client *c = CEDE_CONTAINER(req, client, recv);
    server *s = req->user_data;
    if (r.status != CEDE_ECANCELED) {
        bench_cede_check(r.status, "receive");
        cede_drop(c->handle);
    }
    s->e.own_bytes -= sizeof *c;
    free(c);
    count(s, ECHO_ENDS, 1);
}

static void on_client(cede_req *req, cede_result item)
{
    server *s = req->user_data;
    bench_cede_check(item.status, "accept");
    if (s->e.closes) {
        cede_drop(item.handle);
    } else {
        client *c = bench_alloc(1, sizeof *c, 0);
        s->e.own_bytes += sizeof *c;
        c->handle = item.handle;
        c->recv.user_data = s;
        cede_prep_recv_many(&c->recv, c->handle, s->pool, CEDE_CREDIT_ALL, on_data);
        cede_submit(s->loop, &c->recv, on_end);
    }
    count(s, ECHO_CLIENTS, 1);
}

static void on_accept_end(cede_req *req, cede_result r)
{
    (void)req;
    if (r.status != CEDE_ECANCELED) {
        bench_cede_check(r.status, "accept");
    }
}

static void run(void *self)
{
    server *s = self;
    int64_t ran = cede_run(s->loop, CEDE_FOREVER);
    if (ran >= 0 && s->e.closes) {
        ran = cede_run(s->loop, 0); /* what was dropped last is still to be handed over */
    }
    bench_cede_check(ran < 0 ? (int32_t)ran : 0, "run");
}

static void open_(void *self)
{
    server *s = self;
    s->loop = bench_cede_open(s->e.spin_ns);
    bench_cede_check(
        cede_pool_open(s->loop, ECHO_BUFFERS, s->e.buffer_bytes, sizeof(cede_req), &s->pool),
        "cede_pool_open");
    s->listener = cede_import(s->e.listener, CEDE_KIND_LISTENER, 0);
    s->accept.user_data = s;
    cede_prep_accept_many(&s->accept, s->listener, on_client);
    s->accepting = cede_submit(s->loop, &s->accept, on_accept_end);
    cede_run(s->loop, 0);
}

static void close_(void *self)
{
    server *s = self;
    bench_cede_close(s->loop); /* ends what is left */
    cede_pool_close(s->pool);
}

const echo_side echo_cede = {sizeof(server), open_, run, close_};
