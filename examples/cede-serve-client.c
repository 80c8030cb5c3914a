/*
 * cede-serve: connections. Wait for a request, receive its head, have it answered, send, again.
 * Each callback has one line for what goes wrong; what was begun ends with the connection's scope.
 */
#include "cede-serve.h"

#include <stdlib.h>

#define LINGER_NS (2 * CEDE_SECOND)

static void head(turn *);

/* ---- A connection's life -------------------------------------------------------------------- */

static void on_home(cede_req *req, cede_result r)
{
    client *c = CEDE_CONTAINER(req, client, scope);
    worker *home = c->home;
    (void)r;
    free(c); /* the final act, where it was made */
    client_is_home(home);
}

static void go_home(client *c)
{
    worker *home = c->home;
    if (home == c->worker) {
        on_home(&c->scope, (cede_result){0});
        return;
    }
    cede_prep_nop(&c->scope);
    cede_submit_remote(home->loop, &c->scope, on_home, NULL);
}

/* Nothing of it is under way any more, and the socket is closed. */
static void on_end(cede_req *req, cede_result r)
{
    (void)r;
    go_home(CEDE_CONTAINER(req, client, scope));
}

static void on_request(cede_req *req, cede_result r);

static void wait_for_request(client *c)
{
    worker *w = c->worker;
    if (w->closing) {
        cede_fail(c->life, CEDE_OK);
        return;
    }
    c->next = w->waiting;
    c->place = &w->waiting;
    w->waiting = c;
    if (c->next)
        c->next->place = &c->next;
    cede_prep_recv_pool(&c->wait, c->stream, w->pool);
    cede_in(&c->wait, c->life);
    cede_within(&c->wait, settings.idle_ns);
    c->waiting = cede_submit(w->loop, &c->wait, on_request);
}

void clients_close(worker *w)
{
    for (client *c = w->waiting; c; c = c->next)
        cede_cancel(c->waiting); /* a wish: each leaves the list when its callback has come */
}

static void begin(client *c)
{
    cede_prep_scope(&c->scope);
    cede_in(&c->scope, c->worker->life);
    c->life = cede_submit(c->worker->loop, &c->scope, on_end);
    cede_own(c->life, c->stream);
    c->worker->served_clients++;
    wait_for_request(c);
}

static void on_handed(cede_req *req, cede_result r)
{
    client *c = CEDE_CONTAINER(req, client, scope);
    if (r.status) { /* too late: that worker has ended */
        cede_drop(c->stream);
        go_home(c);
        return;
    }
    begin(c);
}

void client_start(worker *home, worker *at, cede_handle stream)
{
    client *c = malloc(sizeof *c);
    if (!c) {
        cede_drop(stream);
        client_is_home(home);
        return;
    }
    c->home = home;
    c->worker = at;
    c->stream = stream; /* to hand it over is to pass the value */
    if (home == at) {
        begin(c);
        return;
    }
    cede_prep_nop(&c->scope);
    cede_in(&c->scope, at->life);
    cede_submit_remote(at->loop, &c->scope, on_handed, NULL);
}

/* ---- The end of a turn ---------------------------------------------------------------------- */

/* Gives back what it has, and with the buffer the turn itself. */
static void turn_free(turn *t)
{
    cede_drop(t->file); /* 0: nothing */
    free(t->page);
    cede_pool_give(t->client->worker->pool, t->in);
}

void turn_fail(turn *t, cede_status why)
{
    cede_ticket life = t->client->life;
    turn_free(t);
    cede_fail(life, why);
}

static void submit(turn *t, cede_done *done)
{
    cede_in(&t->req, t->client->life);
    cede_submit(t->client->worker->loop, &t->req, done);
}

/* A socket that is closed with bytes unread says so to the client, who may then lose what it has
 * not read of the answer. So read, for a while, what it is still sending. */
static void on_leftover(cede_req *req, cede_result r)
{
    turn *t = CEDE_CONTAINER(req, turn, req);
    if (r.status || r.count == 0) {
        turn_fail(t, CEDE_OK);
        return;
    }
    cede_prep_recv(&t->req, t->client->stream, t->in, IN_BYTES);
    submit(t, on_leftover);
}

static void on_shut(cede_req *req, cede_result r)
{
    turn *t = CEDE_CONTAINER(req, turn, req);
    if (r.status) {
        turn_fail(t, r.status);
        return;
    }
    cede_extend(r.scope, settings.head_ns < LINGER_NS ? settings.head_ns : LINGER_NS);
    cede_prep_recv(&t->req, t->client->stream, t->in, IN_BYTES);
    submit(t, on_leftover);
}

/* Begins a request, whose first bytes may be here. */
static void turn_begin(turn *t)
{
    worker *w = t->client->worker;
    t->head_until_ns = cede_now(w->loop) + settings.head_ns;
    t->close = t->linger = false;
    t->file = 0;
    t->found.native = -1;
    t->left = t->page_bytes = t->page_room = t->out_bytes = 0;
    t->page = NULL;
    head(t);
}

static void turn_end(turn *t)
{
    client *c = t->client;
    c->worker->requests++;
    cede_extend(c->life, CEDE_FOREVER); /* what comes next has its own */
    if (t->close && t->linger) {
        cede_prep_shutdown(&t->req, c->stream);
        submit(t, on_shut);
    } else if (t->close) {
        turn_fail(t, CEDE_OK);
    } else if (t->taken < t->filled) { /* the next request has come behind this one */
        cede_drop(t->file);
        free(t->page);
        t->filled -= t->taken;
        memmove(t->in, t->in + t->taken, t->filled);
        turn_begin(t);
    } else {
        turn_free(t);
        wait_for_request(c);
    }
}

/* ---- Sending -------------------------------------------------------------------------------- */

/* In pieces, each of which must be gone in time: the connection's deadline moves on with them. */
static void on_sent(cede_req *req, cede_result r)
{
    turn *t = CEDE_CONTAINER(req, turn, req);
    t->client->worker->sent_bytes += r.count;
    if (r.status) {
        turn_fail(t, r.status);
        return;
    }
    t->out_bytes = 0;
    if (t->left)
        turn_send(t);
    else
        turn_end(t);
}

static void send_out(turn *t)
{
    cede_extend(t->client->life, settings.send_ns);
    if (t->page_bytes) {
        t->parts[0] = (cede_vec){t->out, t->out_bytes};
        t->parts[1] = (cede_vec){t->page, t->page_bytes};
        cede_prep_sendv(&t->req, t->client->stream, t->parts, 2);
    } else {
        cede_prep_send_all(&t->req, t->client->stream, t->out, t->out_bytes);
    }
    submit(t, on_sent);
}

static void on_read(cede_req *req, cede_result r)
{
    turn *t = CEDE_CONTAINER(req, turn, req);
    if (r.status) { /* CEDE_EEOF: it has become shorter than the head said */
        turn_fail(t, r.status);
        return;
    }
    t->out_bytes += (uint32_t)r.count;
    t->offset += r.count;
    t->left -= r.count;
    send_out(t);
}

/* The head goes with the first piece of the file, the rest without a way through this program. */
void turn_send(turn *t)
{
    uint64_t room = OUT_BYTES - t->out_bytes;
    if (t->left == 0) {
        send_out(t);
    } else if (t->out_bytes || !t->client->worker->sends_files) {
        cede_prep_read_all(&t->req, t->file, t->out + t->out_bytes, t->left < room ? t->left : room,
                           (int64_t)t->offset);
        submit(t, on_read);
    } else {
        uint64_t piece = t->left < PIECE_MOST ? t->left : PIECE_MOST;
        cede_extend(t->client->life, settings.send_ns);
        cede_prep_send_file(&t->req, t->client->stream, t->file, t->offset, piece);
        t->offset += piece;
        t->left -= piece;
        submit(t, on_sent);
    }
}

/* ---- Receiving ------------------------------------------------------------------------------ */

static void refuse(turn *t, int status)
{
    t->client->worker->refused++;
    t->request.keep_alive = false;
    t->linger = true;
    answer_status(t, status);
}

/* The body of a request, which nobody wants: it is taken off the stream. */
static void on_body(cede_req *req, cede_result r)
{
    turn *t = CEDE_CONTAINER(req, turn, req);
    uint64_t room = IN_BYTES - t->taken;
    if (r.status == CEDE_EDEADLINE) {
        refuse(t, 408);
        return;
    }
    if (r.status) {
        turn_fail(t, r.status);
        return;
    }
    t->body_left -= r.count;
    if (t->body_left == 0) {
        answer(t);
        return;
    }
    cede_prep_recv_all(&t->req, t->client->stream, t->in + t->taken,
                       t->body_left < room ? t->body_left : room);
    cede_until(&t->req, t->head_until_ns);
    submit(t, on_body);
}

/* The head is there. */
static void body(turn *t)
{
    uint32_t here = t->filled - t->taken;
    if (t->request.chunked || (t->request.expects && t->request.body_bytes)) {
        /* It is answered without the body, and nothing behind that can be understood. */
        t->request.keep_alive = false;
        t->linger = true;
        answer(t);
    } else if (t->request.body_bytes > BODY_MOST) {
        refuse(t, 413);
    } else if (t->request.body_bytes <= here) {
        t->taken += (uint32_t)t->request.body_bytes;
        answer(t);
    } else {
        t->body_left = t->request.body_bytes;
        t->filled = t->taken;
        on_body(&t->req, (cede_result){.count = here});
    }
}

static void on_more(cede_req *req, cede_result r)
{
    turn *t = CEDE_CONTAINER(req, turn, req);
    if (r.status == CEDE_EDEADLINE) {
        refuse(t, 408);
        return;
    }
    if (r.status || r.count == 0) { /* or it has gone in the middle of its request */
        turn_fail(t, r.status);
        return;
    }
    t->filled += (uint32_t)r.count;
    head(t);
}

static void head(turn *t)
{
    int length = serve_parse(t->in, t->filled, &t->request);
    if (length < 0) {
        refuse(t, -length);
    } else if (length > 0) {
        t->taken = (uint32_t)length;
        body(t);
    } else {
        cede_prep_recv(&t->req, t->client->stream, t->in + t->filled, IN_BYTES - t->filled);
        cede_until(&t->req, t->head_until_ns);
        submit(t, on_more);
    }
}

/* The first bytes of a request, after the connection was opened or an answer is complete. */
static void on_request(cede_req *req, cede_result r)
{
    client *c = CEDE_CONTAINER(req, client, wait);
    turn *t;
    *c->place = c->next;
    if (c->next)
        c->next->place = c->place;
    if (!r.buffer) { /* no further request, no time left, or the server is closing */
        cede_fail(c->life, CEDE_OK);
        return;
    }
    t = (turn *)(void *)((char *)r.buffer - sizeof(turn));
    t->client = c;
    t->in = r.buffer;
    t->filled = (uint32_t)r.count;
    turn_begin(t);
}
