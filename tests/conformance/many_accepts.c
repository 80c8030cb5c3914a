/*
 * Accepts on and on (A1, A7, A8, M1, M4, M5; laws 2, 6, 8, 10, 15).
 */
#include "conformance.h"

typedef struct crowd {
    cft *t;
    cede_handle clients[16];
    uint32_t count;
    uint32_t notes; /* items without a handle */
    cede_status why;
    cede_loop *loop;
} crowd;

static crowd *the_crowd; /* of the run */

static void on_client(cede_req *req, cede_result item)
{
    cft_rec *rec = req->user_data;
    crowd *c = the_crowd;
    CFT_CHECK(c->t, cede_in_callback(c->loop) && item.flags == 0 && !item.buffer);
    CFT_CHECK(c->t, rec->done < rec->submitted); /* its done comes last */
    CFT_CHECK(c->t, (item.status == CEDE_OK) == (item.handle != 0));
    if (!item.handle) {
        c->notes++;
        c->why = item.status;
        return;
    }
    CFT_CHECK(c->t, c->count < 16);
    cft_keep_handle(c->t, item.handle);
    c->clients[c->count++] = item.handle;
}

static cft_rec *accept_all(cft *t, cede_handle listener)
{
    cft_rec *rec = cft_new(t);
    the_crowd = cft_alloc(t, sizeof *the_crowd);
    the_crowd->t = t;
    the_crowd->loop = cft_loop(t);
    cede_prep_accept_many(rec->req, listener, on_client);
    cft_submit(rec);
    return rec;
}

/* After an injected failure they may never come. */
static void until_clients(cft *t, const cft_rec *rec, uint32_t count)
{
    uint32_t vain = 0;
    while (the_crowd->count < count && !cft_is_done(rec) && vain < 20) {
        cft_run(t, CEDE_MILLISECOND);
        vain += cft_faulted(t);
    }
}

static void come(cft *t, const cede_address *at, cede_handle *out)
{
    cft_rec *connect = cft_connect(t, at);
    cft_await(t, connect);
    CFT_OK(t, connect);
    *out = connect->result.handle;
}

/* Which client is at the other end of an accepted stream: local ones of Windows are not accepted in
 * the order in which they were connected. */
static uint32_t whose(cft *t, cede_handle accepted, uint32_t count)
{
    cft_rec *name = cft_recv_all(t, accepted, 1);
    cft_await(t, name);
    CFT_OK(t, name);
    CFT_EXPECT(t, name->bytes[0] < count);
    return cft_faulted(t) ? 0 : name->bytes[0];
}

static void each_client_is_an_item(cft *t, uint32_t kind)
{
    cede_address at;
    cede_handle listener = cft_listening(t, kind, &at), client[4] = {0};
    cft_rec *rec = accept_all(t, listener);
    for (uint32_t i = 0; i < 4; i++)
        come(t, &at, &client[i]);
    until_clients(t, rec, 4);
    CFT_EXPECT(t, the_crowd->count == 4 && !cft_is_done(rec));
    for (uint8_t i = 0; i < 4; i++)
        cft_await(t, cft_send_all(t, client[i], &i, 1));
    for (uint32_t i = 0, seen = 0; i < 4; i++) {
        uint32_t who = whose(t, the_crowd->clients[i], 4);
        CFT_EXPECT(t, !(seen >> who & 1));
        seen |= 1u << who;
        cft_talk(t, client[who], the_crowd->clients[i]);
    }
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    CFT_EXPECT(t, rec->result.status == CEDE_ECANCELED && (rec->result.flags & CEDE_BY_WISH));
    CFT_CHECK(t, rec->result.count == the_crowd->count);
    cft_closed(t, listener);
}

CFT_CASE(accept_many_gives_each_client_and_then_its_done)
{
    each_client_is_an_item(t, CFT_TCP);
}

CFT_CASE(accept_many_gives_local_clients_too)
{
    each_client_is_an_item(t, CFT_LOCAL);
}

/* Who comes as it is cancelled is an item, or waits for the next accept: nobody is lost. */
CFT_CASE(accept_many_that_is_cancelled_loses_nobody)
{
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_TCP, &at), client = 0;
    cft_rec *rec = accept_all(t, listener);
    cft_rec *connect = cft_connect(t, &at);
    if (cft_below(t, 2))
        cft_flush(t);
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    cft_await(t, connect);
    CFT_OK(t, connect);
    client = connect->result.handle;
    CFT_CHECK(t, rec->result.count == the_crowd->count);
    if (the_crowd->count == 0) {
        cft_rec *next = cft_accept(t, listener);
        cft_await(t, next);
        CFT_OK(t, next);
        cft_talk(t, client, next->result.handle);
    } else {
        cft_talk(t, client, the_crowd->clients[0]);
    }
    cft_closed(t, listener);
}

CFT_CASE(listener_closed_ends_accept_many)
{
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_TCP, &at), client;
    cft_rec *rec = accept_all(t, listener);
    come(t, &at, &client);
    until_clients(t, rec, 1);
    cft_rec *close = cft_close_of(t, listener);
    cft_await(t, close);
    CFT_CHECK(t, cft_is_done(rec) && rec->returned_at < close->done_at);
    CFT_EXPECT(t, rec->result.status == CEDE_ECANCELED && (rec->result.flags & CEDE_BY_CLOSE));
    cft_talk(t, client, the_crowd->clients[0]); /* they live on */
}

CFT_CASE(accept_many_begins_anew_behind_its_done)
{
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_TCP, &at), client[2];
    cft_rec *rec = accept_all(t, listener);
    come(t, &at, &client[0]);
    until_clients(t, rec, 1);
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    rec = accept_all(t, listener);
    come(t, &at, &client[1]);
    until_clients(t, rec, 1);
    CFT_EXPECT(t, the_crowd->count == 1);
    cft_talk(t, client[1], the_crowd->clients[0]);
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    cft_closed(t, listener);
}

/* Opens files until the system has no descriptor left. */
static uint32_t use_up(cft *t, cede_handle *spare, uint32_t room)
{
    uint32_t count = 0;
    for (;;) {
        cft_rec *open = cft_new(t);
        cede_prep_open(open->req, cft_path(t, "spare"), CEDE_OPEN_READ, 0);
        cft_do(open);
        if (open->result.status != CEDE_OK)
            return count;
        CFT_CHECK(t, count < room);
        spare[count++] = open->result.handle;
    }
}

/* It waits, says so once, and the clients that came meanwhile are not lost. */
CFT_CASE(accept_many_outlives_the_descriptor_limit)
{
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_TCP, &at), spare[64], clients[3] = {0};
    uint32_t spares;
    cede_counts before, after;
    cft_file(t, "spare", NULL, 1, 1);
    for (uint32_t i = 0; i < 3; i++) /* they have their descriptors before there is none */
        come(t, &at, &clients[i]);
    cft_limit_descriptors(t, 8);
    spares = use_up(t, spare, 64);
    cft_rec *rec = accept_all(t, listener);
    while (!the_crowd->notes && !cft_is_done(rec))
        cft_run(t, CEDE_MILLISECOND);
    cede_count(cft_loop(t), &before);
    for (int i = 0; i < 3; i++)
        cft_run(t, CEDE_MILLISECOND);
    cede_count(cft_loop(t), &after);
    CFT_CHECK(t, after.restarted - before.restarted < 4); /* it is no spin */
    CFT_CHECK(t, the_crowd->notes == 1 && the_crowd->count == 0 && !cft_is_done(rec));
    CFT_CHECK(t, the_crowd->why == CEDE_EMFILE || the_crowd->why == CEDE_ENFILE);
    for (uint32_t i = 0; i < spares; i++)
        cft_closed(t, spare[i]);
    until_clients(t, rec, 3);
    CFT_CHECK(t, the_crowd->count == 3);
    for (uint32_t i = 0; i < 3; i++)
        cft_talk(t, clients[i], the_crowd->clients[i]);
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    CFT_CHECK(t, rec->result.count == 3);
    cft_closed(t, listener);
}

/* Until a client was taken again: however often it has tried meanwhile. */
CFT_CASE(accept_many_says_once_that_it_waits)
{
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_TCP, &at), spare[64], client = 0;
    cede_counts before, after;
    cft_file(t, "spare", NULL, 1, 1);
    come(t, &at, &client);
    cft_limit_descriptors(t, 8);
    uint32_t spares = use_up(t, spare, 64);
    cft_rec *rec = accept_all(t, listener);
    cede_count(cft_loop(t), &before);
    do {
        cft_run(t, 20 * CEDE_MILLISECOND);
        cede_count(cft_loop(t), &after);
    } while (after.restarted - before.restarted < 600);
    CFT_CHECK(t, the_crowd->notes == 1 && the_crowd->count == 0 && !cft_is_done(rec));
    for (uint32_t i = 0; i < spares; i++)
        cft_closed(t, spare[i]);
    until_clients(t, rec, 1);
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    cft_closed(t, listener);
}

CFT_CASE(accept_many_needs_a_listener_and_a_callback)
{
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_TCP, &at), one, other;
    cft_connected(t, CFT_PAIR, &one, &other);
    cft_rec *rec = accept_all(t, one);
    cft_await(t, rec);
    CFT_STATUS(t, rec, CEDE_EINVAL);
    rec = cft_reuse(rec);
    cede_prep_accept_many(rec->req, listener, NULL);
    cft_do(rec);
    CFT_STATUS(t, rec, CEDE_EINVAL);
    cft_closed(t, listener);
}
