/*
 * libuv's servers: one that tries to write at once, from a buffer that all clients share, and one
 * that gives uv_write a request from a free list, which keeps the buffer. Main thread.
 */
#include "bench.h"

#include <stdlib.h>
#include <unistd.h>

#include <uv.h>

#include "echo.h"

/* What was received, and the request that sends it back. */
typedef struct piece {
    uv_write_t write;
    struct piece *next;
    size_t length;
    char bytes[];
} piece;

typedef struct server {
    echo e;
    uv_loop_t loop;
    uv_tcp_t listener;
    bool tries;
    char *buffer;
    piece *free;
} server;

static void count(server *s, unsigned what, uint64_t number)
{
    if (echo_count(&s->e, what, number)) {
        uv_stop(&s->loop);
    }
}

static void on_closed(uv_handle_t *handle)
{
    server *s = handle->data;
    s->e.own_bytes -= sizeof(uv_tcp_t);
    free(handle);
    if (!s->e.closes) {
        count(s, ECHO_ENDS, 1);
    }
}

static void on_ended(uv_stream_t *stream)
{
    uv_close((uv_handle_t *)stream, on_closed);
}

/* ---- At once --------------------------------------------------------------------------------- */

static void alloc_shared(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    const server *s = handle->data;
    (void)wanted;
    *buf = uv_buf_init(s->buffer, s->e.buffer_bytes);
}

static void on_read_shared(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    server *s = stream->data;
    if (got > 0) {
        uv_buf_t back = uv_buf_init(buf->base, (unsigned)got);
        int sent = uv_try_write(stream, &back, 1);
        if (sent != got) {
            echo_bad("libuv", sent);
        }
        count(s, ECHO_BYTES, (uint64_t)sent);
    } else if (got < 0) {
        on_ended(stream);
    }
}

/* ---- By requests ----------------------------------------------------------------------------- */

static void alloc_piece(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    server *s = handle->data;
    piece *p = s->free;
    (void)wanted;
    if (p) {
        s->free = p->next;
    } else {
        p = bench_alloc(1, sizeof *p + s->e.buffer_bytes, 0);
    }
    *buf = uv_buf_init(p->bytes, s->e.buffer_bytes);
}

static void give(server *s, piece *p)
{
    p->next = s->free;
    s->free = p;
}

static void on_written(uv_write_t *write, int status)
{
    server *s = write->handle->data;
    piece *p = (piece *)((char *)write - offsetof(piece, write));
    bench_check_neg(status, "uv_write");
    give(s, p);
    count(s, ECHO_BYTES, p->length);
}

static void on_read_piece(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    server *s = stream->data;
    piece *p = buf->base ? (piece *)(void *)(buf->base - offsetof(piece, bytes)) : NULL;
    if (got > 0 && p) {
        uv_buf_t back = uv_buf_init(p->bytes, (unsigned)got);
        p->length = (size_t)got;
        bench_check_neg(uv_write(&p->write, stream, &back, 1, on_written), "uv_write");
        return;
    }
    if (p) {
        give(s, p);
    }
    if (got < 0) {
        on_ended(stream);
    }
}

/* ---- Both ------------------------------------------------------------------------------------ */

static void on_client(uv_stream_t *listener, int status)
{
    server *s = listener->data;
    uv_tcp_t *client = bench_alloc(1, sizeof *client, 0);
    bench_check_neg(status, "uv_listen");
    s->e.own_bytes += sizeof *client;
    bench_check_neg(uv_tcp_init(&s->loop, client), "uv_tcp_init");
    client->data = s;
    bench_check_neg(uv_accept(listener, (uv_stream_t *)client), "uv_accept");
    if (s->e.closes) {
        uv_close((uv_handle_t *)client, on_closed);
    } else if (s->tries) {
        uv_read_start((uv_stream_t *)client, alloc_shared, on_read_shared);
    } else {
        uv_read_start((uv_stream_t *)client, alloc_piece, on_read_piece);
    }
    count(s, ECHO_CLIENTS, 1);
}

static void run(void *self)
{
    server *s = self;
    uv_run(&s->loop, UV_RUN_DEFAULT);
}

static void open_(server *s, bool tries)
{
    s->tries = tries;
    s->buffer = bench_alloc(1, s->e.buffer_bytes, 64);
    bench_check_neg(uv_loop_init(&s->loop), "uv_loop_init");
    bench_check_neg(uv_tcp_init(&s->loop, &s->listener), "uv_tcp_init");
    bench_check_neg(uv_tcp_open(&s->listener, s->e.listener), "uv_tcp_open");
    s->listener.data = s;
    bench_check_neg(uv_listen((uv_stream_t *)&s->listener, 4096, on_client), "uv_listen");
}

static void open_trying(void *self)
{
    open_(self, true);
}

static void open_writing(void *self)
{
    open_(self, false);
}

static void close_left(uv_handle_t *handle, void *self)
{
    server *s = self;
    if (!uv_is_closing(handle)) {
        uv_close(handle, handle == (uv_handle_t *)&s->listener ? NULL : on_closed);
    }
}

static void close_(void *self)
{
    server *s = self;
    uv_walk(&s->loop, close_left, s);
    s->e.target = UINT64_MAX; /* nobody stops it now */
    uv_run(&s->loop, UV_RUN_DEFAULT);
    bench_check_neg(uv_loop_close(&s->loop), "uv_loop_close");
    while (s->free) {
        piece *p = s->free;
        s->free = p->next;
        free(p);
    }
    free(s->buffer);
}

const echo_side echo_uv = {sizeof(server), open_trying, run, close_};
const echo_side echo_uv_write = {sizeof(server), open_writing, run, close_};
