/*
 * B8: a stream of 64 KiB sends over loopback, from memory that is not copied, and copied. The
 * load receives and throws away without looking (MSG_TRUNC), so that what is measured is the
 * sender's side. Sixteen pieces of memory take
 * turns.
 *
 * floor     a raw ring, one send under way at a time. Without a copy, a piece is used again
 *           when the kernel has said that it has let go of it, the next is sent before that
 * fixed     the same from registered memory, which the kernel need not look up and hold each time
 * epoll     send until the socket is full, then sleep. Without a copy by MSG_ZEROCOPY, a piece is
 *           used again when the socket's error queue has said so
 * libuv     uv_write of all pieces
 * libevent  a bufferevent that is lent pieces (evbuffer_add_reference)
 * asio      async_write, one piece after the other
 * cede      cede_prep_send_zero_copy, and cede_prep_send_all, of all pieces; each done submits the
 *           next
 *
 * None of the peers can send without a copy; in the copied case they are the same.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cede/cede.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <uv.h>

#include "stream.h"

enum { LENT, COPIED };
/* Newer than liburing 2.3, or than its helpers. */
enum { OP_SEND_ZC = 47, SEND_FIXED_BUFFER = 1 << 2, CQE_F_NOTIF = 1 << 3 };

void stream_ended(stream *s, long result)
{
    if (result != STREAM_BYTES) {
        bench_die("a send of %d bytes gave %ld", STREAM_BYTES, result);
    }
    s->pending--;
}

/* A new sender of so many bytes, which begins with a stream. */
static void *stream_open(size_t bytes)
{
    stream *s = bench_alloc(1, (bytes + 63) & ~(size_t)63, 64);
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;
    int listener = (int)bench_check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bench_check(bind(listener, (struct sockaddr *)&at, sizeof at), "bind");
    bench_check(listen(listener, 1), "listen");
    bench_check(getsockname(listener, (struct sockaddr *)&at, &length), "getsockname");
    s->load = load_start(ntohs(at.sin_port));
    load_tell(s->load, LOAD_CONNECT, 1, 0);
    s->fd =
        (int)bench_check(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), "accept4");
    load_wait(s->load);
    close(listener);
    s->pieces = bench_alloc(STREAM_PIECES, STREAM_BYTES, 4096);
    return s;
}

static void stream_close(stream *s)
{
    load_end(s->load);
    free(s->pieces);
    free(s);
}

static void stream_round(stream *s, bench_run *run, void (*send_all)(stream *))
{
    s->left = run->ops;
    load_pin();
    load_tell(s->load, LOAD_DRAIN, run->ops * STREAM_BYTES, 0);
    bench_start(run);
    send_all(s);
    bench_stop(run);
    load_wait(s->load);
    load_unpin();
    if (s->left || s->pending) {
        bench_die("a sender came short");
    }
}

#define SENDER(which, text, role, open, run, close)        \
    static void round_##which(void *self, bench_run *run_) \
    {                                                      \
        stream_round(self, run_, run);                     \
    }                                                      \
    static const bench_contestant which = {text, role, open, round_##which, close};

/* ---- floor ----------------------------------------------------------------------------------- */

struct rings {
    stream s;
    struct io_uring ring;
    bool lends, registered;
    unsigned free[STREAM_PIECES], free_count;
    bool sending;
};

static void ring_send(struct rings *r)
{
    while (!r->sending && r->free_count && stream_begin(&r->s)) {
        unsigned which = r->free[--r->free_count];
        struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
        io_uring_prep_send(sqe, r->s.fd, stream_piece(&r->s, which), STREAM_BYTES,
                           MSG_WAITALL | MSG_NOSIGNAL);
        sqe->opcode = r->lends ? OP_SEND_ZC : sqe->opcode;
        sqe->ioprio = r->registered ? SEND_FIXED_BUFFER : 0;
        io_uring_sqe_set_data64(sqe, which);
        r->sending = true;
    }
}

static void ring_run(stream *s)
{
    struct rings *r = (struct rings *)(void *)s;
    ring_send(r);
    while (s->pending || r->free_count < STREAM_PIECES) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        bench_check_neg(io_uring_submit_and_wait(&r->ring, 1), "io_uring_enter");
        io_uring_for_each_cqe(&r->ring, head, cqe)
        {
            if (!(cqe->flags & CQE_F_NOTIF)) {
                stream_ended(s, cqe->res);
                r->sending = false;
            }
            if (!(cqe->flags & IORING_CQE_F_MORE)) {
                r->free[r->free_count++] = (unsigned)cqe->user_data;
            }
            count++;
        }
        io_uring_cq_advance(&r->ring, count);
        ring_send(r);
    }
}

static void *ring_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct rings *r = stream_open(sizeof *r);
    (void)env, (void)why;
    bench_ring_open(&r->ring, 64, 0);
    r->lends = of->variant == LENT;
    for (unsigned i = 0; i < STREAM_PIECES; i++) {
        r->free[r->free_count++] = i;
    }
    return r;
}

static void *fixed_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct rings *r = ring_open(env, of, why);
    const struct iovec all = {r->s.pieces, (size_t)STREAM_PIECES * STREAM_BYTES};
    bench_check_neg(io_uring_register_buffers(&r->ring, &all, 1), "register buffers");
    r->registered = true;
    return r;
}

static void ring_close(void *self)
{
    struct rings *r = self;
    io_uring_queue_exit(&r->ring);
    close(r->s.fd);
    stream_close(&r->s);
}

SENDER(floor_ring, "floor", BENCH_FLOOR, ring_open, ring_run, ring_close)
SENDER(floor_fixed, "fixed", BENCH_FLOOR, fixed_open, ring_run, ring_close)

/* ---- libuv ----------------------------------------------------------------------------------- */

struct uvs {
    stream s;
    uv_loop_t loop;
    uv_tcp_t tcp;
    uv_write_t writes[STREAM_PIECES];
};

static void uv_send(struct uvs *u, uv_write_t *write);

static void on_uv(uv_write_t *write, int status)
{
    struct uvs *u = write->data;
    stream_ended(&u->s, status < 0 ? status : STREAM_BYTES);
    uv_send(u, write);
}

static void uv_send(struct uvs *u, uv_write_t *write)
{
    uv_buf_t buf = uv_buf_init(stream_piece(&u->s, (unsigned)(write - u->writes)), STREAM_BYTES);
    if (stream_begin(&u->s)) {
        write->data = u;
        bench_check_neg(uv_write(write, (uv_stream_t *)&u->tcp, &buf, 1, on_uv), "uv_write");
    }
}

static void uv_run_all(stream *s)
{
    struct uvs *u = (struct uvs *)(void *)s;
    for (unsigned i = 0; i < STREAM_PIECES; i++) {
        uv_send(u, &u->writes[i]);
    }
    uv_run(&u->loop, UV_RUN_DEFAULT);
}

static void *uv_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct uvs *u = stream_open(sizeof *u);
    (void)env, (void)of, (void)why;
    bench_check_neg(uv_loop_init(&u->loop), "uv_loop_init");
    bench_check_neg(uv_tcp_init(&u->loop, &u->tcp), "uv_tcp_init");
    bench_check_neg(uv_tcp_open(&u->tcp, u->s.fd), "uv_tcp_open");
    return u;
}

static void uv_close_(void *self)
{
    struct uvs *u = self;
    uv_close((uv_handle_t *)&u->tcp, NULL);
    uv_run(&u->loop, UV_RUN_DEFAULT);
    bench_check_neg(uv_loop_close(&u->loop), "uv_loop_close");
    stream_close(&u->s);
}

SENDER(peer_uv, "libuv", BENCH_PEER, uv_open, uv_run_all, uv_close_)

/* ---- libevent -------------------------------------------------------------------------------- */

struct events {
    stream s;
    struct event_base *base;
    struct bufferevent *buffered;
};

static void on_gone(const void *memory, size_t length, void *self)
{
    struct events *e = self;
    (void)memory;
    stream_ended(&e->s, (long)length);
}

static void event_send(struct events *e)
{
    struct evbuffer *out = bufferevent_get_output(e->buffered);
    while (e->s.pending < STREAM_PIECES && stream_begin(&e->s)) {
        evbuffer_add_reference(out, stream_piece(&e->s, 0), STREAM_BYTES, on_gone, e);
    }
    if (!e->s.pending) {
        event_base_loopbreak(e->base);
    }
}

static void on_writable(struct bufferevent *buffered, void *self)
{
    (void)buffered;
    event_send(self);
}

static void event_run(stream *s)
{
    struct events *e = (struct events *)(void *)s;
    event_send(e);
    event_base_dispatch(e->base);
}

static void *event_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct events *e = stream_open(sizeof *e);
    (void)env, (void)of, (void)why;
    e->base = bench_event_base(false);
    e->buffered = bufferevent_socket_new(e->base, e->s.fd, BEV_OPT_CLOSE_ON_FREE);
    if (!e->buffered) {
        bench_die("libevent: no bufferevent");
    }
    bufferevent_setcb(e->buffered, NULL, on_writable, NULL, e);
    /* Asks for more while two pieces are still to go. */
    bufferevent_setwatermark(e->buffered, EV_WRITE, STREAM_BYTES * 2, 0);
    bufferevent_enable(e->buffered, EV_WRITE);
    return e;
}

static void event_close(void *self)
{
    struct events *e = self;
    bufferevent_free(e->buffered);
    event_base_free(e->base);
    stream_close(&e->s);
}

SENDER(peer_event, "libevent", BENCH_PEER, event_open, event_run, event_close)

/* ---- What has a file of its own -------------------------------------------------------------- */

struct apart {
    stream s;
    void *inside;
};

static void epoll_run(stream *s)
{
    stream_epoll_run(((struct apart *)(void *)s)->inside, s);
}

static void *epoll_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct apart *a = stream_open(sizeof *a);
    (void)env, (void)why;
    stream_epoll_open(&a->inside, &a->s, of->variant == LENT);
    return a;
}

static void epoll_close(void *self)
{
    struct apart *a = self;
    stream_epoll_close(a->inside);
    close(a->s.fd);
    stream_close(&a->s);
}

SENDER(floor_epoll, "epoll", BENCH_FLOOR, epoll_open, epoll_run, epoll_close)

static void asio_run(stream *s)
{
    stream_asio_run(((struct apart *)(void *)s)->inside, s);
}

static void *asio_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct apart *a = stream_open(sizeof *a);
    (void)env, (void)of, (void)why;
    stream_asio_open(&a->inside, &a->s);
    return a;
}

static void asio_close(void *self)
{
    struct apart *a = self;
    stream_asio_close(a->inside);
    stream_close(&a->s);
}

SENDER(peer_asio, "asio", BENCH_PEER, asio_open, asio_run, asio_close)

/* ---- cede ------------------------------------------------------------------------------------ */

struct sends {
    stream s;
    cede_loop *loop;
    cede_handle handle;
    bool lends;
    cede_req reqs[STREAM_PIECES];
};

static void cede_send(struct sends *c, cede_req *req);

static void on_sent(cede_req *req, cede_result r)
{
    struct sends *c = req->user_data;
    stream_ended(&c->s, r.status ? r.status : (long)r.count);
    cede_send(c, req);
}

static void cede_send(struct sends *c, cede_req *req)
{
    const char *piece = stream_piece(&c->s, (unsigned)(req - c->reqs));
    if (!stream_begin(&c->s)) {
        return;
    }
    if (c->lends) {
        cede_prep_send_zero_copy(req, c->handle, piece, STREAM_BYTES);
    } else {
        cede_prep_send_all(req, c->handle, piece, STREAM_BYTES);
    }
    req->user_data = c;
    cede_submit(c->loop, req, on_sent);
}

static void cede_run_all(stream *s)
{
    struct sends *c = (struct sends *)(void *)s;
    for (unsigned i = 0; i < STREAM_PIECES; i++) {
        cede_send(c, &c->reqs[i]);
    }
    cede_run(c->loop, CEDE_FOREVER);
}

static void *cede_open(const bench_env *env, const bench_case *of, const char **why)
{
    cede_loop *loop = bench_cede_open(0);
    struct sends *c;
    (void)env;
    if (of->variant == LENT && !cede_supports(loop, CEDE_OP_SEND_ZERO_COPY)) {
        *why = "its backend has no sends without a copy";
        bench_cede_close(loop);
        return NULL;
    }
    c = stream_open(sizeof *c);
    c->loop = loop;
    c->lends = of->variant == LENT;
    c->handle = cede_import(c->s.fd, CEDE_KIND_STREAM, 0);
    return c;
}

static void cede_close_(void *self)
{
    struct sends *c = self;
    cede_drop(c->handle);
    bench_cede_close(c->loop);
    stream_close(&c->s);
}

SENDER(side_cede, "cede", BENCH_CEDE, cede_open, cede_run_all, cede_close_)

/* ---- The row --------------------------------------------------------------------------------- */

static const bench_case cases[] = {
    {
        .name = "64 KiB, lent",
        .variant = LENT,
        .measures = {{"wall", "ns", false}, {"CPU", "ns", false}},
        .contestants = {&floor_ring, &floor_fixed, &floor_epoll, &peer_uv, &peer_event, &peer_asio,
                        &side_cede},
        .goals = {{"1.6 times libuv's rate", BENCH_CONTESTANT, 0, 0, "libuv", 1 / 1.6},
                  {"of the floor", BENCH_SHOWN, 0, 0, "floor", 1},
                  {"CPU of the floor's", BENCH_SHOWN, 1, 0, "floor", 1},
                  {"CPU of epoll by hand", BENCH_SHOWN, 1, 0, "epoll", 1}},
    },
    {
        .name = "64 KiB, copied",
        .variant = COPIED,
        .plotted = 1,
        .measures = {{"wall", "ns", false}, {"CPU", "ns", false}},
        .contestants = {&floor_ring, &floor_epoll, &peer_uv, &peer_event, &peer_asio, &side_cede},
        .goals = {{"CPU of the floor's", BENCH_SHOWN, 1, 0, "floor", 1},
                  {"CPU of epoll by hand", BENCH_SHOWN, 1, 0, "epoll", 1},
                  {"CPU of libuv's", BENCH_SHOWN, 1, 0, "libuv", 1}},
    },
};

const bench_row bench_b8 = {"B8", "stream of sends", cases, 2};
