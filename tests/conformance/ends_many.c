/*
 * Every way to end an operation, for many-shots and receives from a pool. See ends.c.
 *
 * What came before one was ended is told by its items, and counted; what did not is there for the
 * next; and no buffer is missing from its pool (laws 2, 7, 8).
 */
#include "ends.h"

#include <stdio.h>
#include <string.h>

#define DATA       "0123456789"
#define DATA_BYTES 10u

/* What a round's items brought. */
typedef struct came {
    cede_pool *pool; /* NULL: none, or an injected failure */
    cede_address at;
    bool fed;
    uint32_t items;
    uint64_t bytes;
    char data[DATA_BYTES];
    cede_handle client; /* that was taken */
    uint32_t created;
} came;

/* Of requests by themselves: items know no stage. */
static came *came_of(const cft_rec *rec)
{
    return rec->data;
}

static came *prepared(cft *t, stage *s)
{
    came *c = cft_alloc(t, sizeof *c);
    s->own = s->rec->data = c;
    return c;
}

static void check_item(cft_rec *rec, const cede_result *item)
{
    cft *t = rec->t;
    CFT_CHECK(t, cede_in_callback(rec->loop) && item->status == CEDE_OK && item->flags == 0);
    CFT_CHECK(t, rec->done + 1 == rec->submitted); /* its done comes last */
    came_of(rec)->items++;
}

/* ---- Clients -------------------------------------------------------------------------------- */

static void on_client(cede_req *req, cede_result item)
{
    cft_rec *rec = req->user_data;
    if (!item.handle) { /* it waits for room, which only an injected failure can have taken */
        CFT_EXPECT(rec->t, item.status == CEDE_OK);
        return;
    }
    check_item(rec, &item);
    CFT_CHECK(rec->t, !came_of(rec)->client);
    cft_keep_handle(rec->t, item.handle);
    came_of(rec)->client = item.handle;
}

static void accept_on(cft *t, stage *s, uint32_t kind)
{
    came *c = prepared(t, s);
    s->handle = cft_listening(t, kind, &c->at);
    cede_prep_accept_many(s->rec->req, s->handle, on_client);
}

static void accept_prepare(cft *t, stage *s)
{
    accept_on(t, s, CFT_TCP);
}

static void accept_local_prepare(cft *t, stage *s)
{
    accept_on(t, s, CFT_LOCAL);
}

static void accept_feed(cft *t, stage *s)
{
    came *c = s->own;
    cft_rec *connect = cft_connect(t, &c->at);
    cft_await(t, connect);
    CFT_OK(t, connect);
    s->second = connect->result.handle;
    c->fed = true;
    cft_ends_behind_item(t, s, &c->items);
}

/* Who came is an item, or waits for the next accept. */
static void accept_check(cft *t, stage *s, bool happened)
{
    came *c = s->own;
    CFT_CHECK(t, !happened && s->rec->result.count == c->items && c->items <= c->fed);
    if (!c->fed || s->round == BY_LOOP)
        return;
    if (!c->client && cft_ends_open(s)) {
        cft_rec *next = cft_accept(t, s->handle);
        cft_await(t, next);
        CFT_OK(t, next);
        c->client = next->result.handle;
    }
    if (c->client) {
        cft_talk(t, s->second, c->client);
        cft_closed(t, c->client);
    }
}

/* ---- Pools ---------------------------------------------------------------------------------- */

static came *pooled(cft *t, stage *s, uint32_t bytes)
{
    came *c = prepared(t, s);
    c->pool = cft_pool_open(t, 2, bytes, 0);
    return c;
}

static void take_bytes(cft *t, came *c, const cede_result *r)
{
    CFT_CHECK(t, r->count > 0 && r->count <= DATA_BYTES - c->bytes);
    memcpy(c->data + c->bytes, r->buffer, (size_t)r->count);
    c->bytes += r->count;
    cede_pool_give(c->pool, r->buffer);
}

static void on_bytes(cede_req *req, cede_result item)
{
    cft_rec *rec = req->user_data;
    check_item(rec, &item);
    CFT_CHECK(rec->t, item.buffer && !item.handle);
    take_bytes(rec->t, came_of(rec), &item);
}

static void on_received(cft_rec *rec)
{
    if (rec->result.buffer)
        take_bytes(rec->t, came_of(rec), &rec->result);
}

static void recv_pool_prepare(cft *t, stage *s)
{
    came *c = pooled(t, s, 64);
    cft_connected(t, CFT_TCP, &s->second, &s->handle);
    s->rec->then = on_received;
    cede_prep_recv_pool(s->rec->req, s->handle, c->pool);
}

static void recv_many_prepare(cft *t, stage *s)
{
    came *c = pooled(t, s, 64);
    cft_connected(t, CFT_TCP, &s->second, &s->handle);
    cede_prep_recv_many(s->rec->req, s->handle, c->pool, CEDE_CREDIT_ALL, on_bytes);
}

static void recv_feed(cft *t, stage *s)
{
    came *c = s->own;
    cft_await(t, cft_send_all(t, s->second, DATA, DATA_BYTES));
    c->fed = true;
}

/* And the end, which is its own. */
static void recv_many_feed(cft *t, stage *s)
{
    recv_feed(t, s);
    cft_shut(t, s->second);
}

/* What came and what is left are all that was sent. */
static void recv_check(cft *t, stage *s, bool happened)
{
    came *c = s->own;
    CFT_CHECK(t, s->rec->result.count == c->bytes && (!happened || c->bytes > 0));
    CFT_CHECK(t, cede_pool_out(c->pool) == 0);
    if (cft_ends_open(s)) {
        if (!c->fed)
            recv_feed(t, s);
        size_t left = DATA_BYTES - (size_t)c->bytes;
        size_t got = cft_take(t, s->handle, c->data + c->bytes, left);
        CFT_EXPECT(t, got == left);
        c->bytes = DATA_BYTES;
    }
    CFT_EXPECT(t, memcmp(c->data, DATA, (size_t)c->bytes) == 0);
}

/* ---- Changes -------------------------------------------------------------------------------- */

static void on_changes(cede_req *req, cede_result item)
{
    cft_rec *rec = req->user_data;
    came *c = came_of(rec);
    uint64_t at = 0;
    check_item(rec, &item);
    for (const cede_change *one; (one = cede_next_change(item.buffer, item.count, &at)) != NULL;)
        c->created += one->what == CEDE_CHANGE_CREATED;
    c->bytes += item.count;
    cede_pool_give(c->pool, item.buffer);
}

static void watch_prepare(cft *t, stage *s)
{
    cft_needs(t, CEDE_OP_WATCH);
    came *c = pooled(t, s, CEDE_WATCH_BYTES);
    cft_rec *made = cft_new(t), *watch = cft_new(t);
    cede_prep_mkdir(made->req, cft_path(t, s->name), 0755);
    cft_do(made);
    CFT_OK(t, made);
    cede_prep_watch(watch->req, cft_path(t, s->name), 0);
    cft_do(watch);
    CFT_OK(t, watch);
    s->handle = watch->result.handle;
    cede_prep_watch_many(s->rec->req, s->handle, c->pool, on_changes);
}

static void watch_feed(cft *t, stage *s)
{
    char name[32];
    came *c = s->own;
    (void)snprintf(name, sizeof name, "%s/x", s->name);
    cft_file(t, name, "x", 1, 0);
    c->fed = true;
    cft_ends_behind_item(t, s, &c->items);
}

/* What was not told keeps. */
static void watch_check(cft *t, stage *s, bool happened)
{
    came *c = s->own;
    CFT_CHECK(t, !happened && s->rec->result.count == c->bytes);
    CFT_CHECK(t, cede_pool_out(c->pool) == 0);
    if (!cft_ends_open(s))
        return;
    cft_rec *next = cft_new(t);
    next->data = c;
    cede_prep_watch_many(next->req, s->handle, c->pool, on_changes);
    cft_submit(next);
    if (!c->fed)
        watch_feed(t, s);
    while (!c->created && !cft_is_done(next) && !cft_faulted(t))
        cft_run(t, CEDE_MILLISECOND);
    cft_cancel(t, next->ticket);
    cft_await(t, next);
    CFT_EXPECT(t, c->created == 1);
}

/* ---- Signals -------------------------------------------------------------------------------- */

#define INTERRUPT CEDE_SIGNAL_BIT(CEDE_SIGNAL_INTERRUPT)

static void on_signal(cede_req *req, cede_result item)
{
    cft_rec *rec = req->user_data;
    check_item(rec, &item);
    CFT_CHECK(rec->t, item.count == CEDE_SIGNAL_INTERRUPT && !item.handle && !item.buffer);
}

static void signal_prepare(cft *t, stage *s)
{
    cft_needs(t, CEDE_OP_SIGNAL_MANY);
    prepared(t, s);
    cede_prep_signal_many(s->rec->req, INTERRUPT, on_signal);
}

static void signal_feed(cft *t, stage *s)
{
    came *c = s->own;
    cft_flush(t);
    while (cft_taken(t, CEDE_SIGNAL_INTERRUPT) == 0) /* before that it would end this process */
        cft_run(t, CEDE_MILLISECOND);
    CFT_CHECK(t, cft_raise(t, CEDE_SIGNAL_INTERRUPT));
    c->fed = true;
    cft_ends_behind_item(t, s, &c->items);
}

/* Afterwards it is the system's own affair again. */
static void signal_check(cft *t, stage *s, bool happened)
{
    came *c = s->own;
    CFT_CHECK(t, !happened && s->rec->result.count == c->items && c->items <= c->fed);
    CFT_CHECK(t, cft_taken(t, CEDE_SIGNAL_INTERRUPT) <= 0);
}

/* ---- The cases ------------------------------------------------------------------------------ */

ENDS(accept_many, ACCEPT_MANY, accept_prepare, accept_feed, accept_check)
ENDS(accept_many_local, ACCEPT_MANY, accept_local_prepare, accept_feed, accept_check)
ENDS(recv_pool, RECV_POOL, recv_pool_prepare, recv_feed, recv_check)
ENDS(recv_many, RECV_MANY, recv_many_prepare, recv_many_feed, recv_check)
ENDS(watch_many, WATCH_MANY, watch_prepare, watch_feed, watch_check)
ENDS(signal_many, SIGNAL_MANY, signal_prepare, signal_feed, signal_check)
