/*
 * Much at once: data both ways in pieces of all sizes, wishes of other threads among it (laws 4, 6,
 * 7, 14).
 */
#include "conformance.h"

#include <stdatomic.h>
#include <string.h>

enum { PIECE = 50000, PIECES = 5 };

/* One direction. */
typedef struct flow {
    cft *t;
    cede_handle from, to;
    uint64_t key, total, sent, got; /* bytes */
    uint64_t random;                /* its own: callbacks come in no certain order */
    unsigned char *memory;
    cede_vec *vec;
    cft_rec *send, *recv;
} flow;

static uint64_t any(flow *f, uint64_t below)
{
    f->random = f->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (f->random >> 33) % below;
}

static void cut(flow *f, uint64_t length)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < PIECES; i++) {
        uint64_t part = i == PIECES - 1 ? length - at : any(f, length - at + 1);
        f->vec[i] = (cede_vec){f->memory + at, part};
        at += part;
    }
}

static void on_sent(cft_rec *rec);

static void send_next(flow *f)
{
    uint64_t length = 1 + any(f, PIECE);
    if (length > f->total - f->sent)
        length = f->total - f->sent;
    if (length == 0)
        return;
    cft_fill(f->memory, length, f->key, f->sent);
    f->send->then = on_sent;
    f->send->data = f;
    switch (any(f, 3)) {
    case 0:
        cede_prep_send(f->send->req, f->from, f->memory, length);
        break;
    case 1:
        cede_prep_send_all(f->send->req, f->from, f->memory, length);
        break;
    default:
        cut(f, length);
        cede_prep_sendv(f->send->req, f->from, f->vec, PIECES);
        break;
    }
    cft_submit_on(f->send, cft_loop(f->t));
}

/* Its memory is the program's again, and is filled with something else at once. */
static void on_sent(cft_rec *rec)
{
    flow *f = rec->data;
    if (rec->result.status != CEDE_OK)
        return;
    f->sent += rec->result.count;
    memset(f->memory, 0x11, PIECE);
    send_next(f);
}

static void on_received(cft_rec *rec);

static void recv_next(flow *f)
{
    uint64_t length = 1 + any(f, PIECE);
    f->recv->then = on_received;
    f->recv->data = f;
    if (any(f, 2) || length > f->total - f->got)
        cede_prep_recv(f->recv->req, f->to, cft_buffer(f->recv, length), length);
    else
        cede_prep_recv_all(f->recv->req, f->to, cft_buffer(f->recv, length), length);
    cft_submit_on(f->recv, cft_loop(f->t));
}

static void on_received(cft_rec *rec)
{
    flow *f = rec->data;
    uint64_t count = rec->result.count;
    if (rec->result.status != CEDE_OK)
        return;
    CFT_EXPECT(f->t, count > 0);
    CFT_CHECK(f->t, cft_filled(rec->bytes, count, f->key, f->got));
    f->got += count;
    if (f->got < f->total && count)
        recv_next(f);
}

static flow *flow_between(cft *t, cede_handle from, cede_handle to, uint64_t key, uint64_t total)
{
    flow *f = cft_alloc(t, sizeof *f);
    f->t = t;
    f->from = from;
    f->to = to;
    f->key = key;
    f->total = total;
    f->random = cft_random(t);
    f->memory = cft_alloc(t, PIECE);
    f->vec = cft_alloc(t, PIECES * sizeof *f->vec);
    f->send = cft_new(t);
    f->recv = cft_new(t);
    return f;
}

static void both_ways(cft *t, uint32_t kind, uint64_t total)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    flow *there = flow_between(t, a, b, 21, total), *back = flow_between(t, b, a, 22, total);
    recv_next(there);
    recv_next(back);
    send_next(there);
    send_next(back);
    cft_settle(t);
    CFT_EXPECT(t, there->sent == total && there->got == total);
    CFT_EXPECT(t, back->sent == total && back->got == total);
    cft_closed(t, a);
    cft_closed(t, b);
}

CFT_CASE(tcp_carries_much_both_ways_in_random_pieces)
{
    both_ways(t, CFT_TCP, 500000);
}

CFT_CASE(local_streams_carry_much_both_ways_in_random_pieces)
{
    both_ways(t, CFT_LOCAL, 500000);
}

/* ---- Wishes from everywhere ------------------------------------------------------------------ */

enum { RECVS = 150, BYTES = 40 };

struct race {
    cft *t;
    cft_rec **recvs;
    uint64_t random;
    _Atomic uint32_t submitted;
};

/* Wishes for whatever has been submitted, again and again. */
static void cancel_some(void *context)
{
    struct race *race = context;
    uint64_t random = race->random ^ 0x77;
    for (uint32_t i = 0; i < 4 * RECVS; i++) {
        uint32_t most = atomic_load(&race->submitted);
        cft_dawdle(&random);
        if (most)
            cede_cancel(race->recvs[random % most]->ticket);
    }
}

/* Law 7 under fire: each receive has what it says, and together they have all, in order. */
static void recvs_race_with_wishes(cft *t, uint32_t kind)
{
    struct race *race = cft_alloc(t, sizeof *race);
    unsigned char *data = cft_alloc(t, RECVS * BYTES);
    uint64_t at = 0;
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    cft_fill(data, RECVS * BYTES, 31, 0);
    race->t = t;
    race->random = cft_random(t);
    race->recvs = cft_alloc(t, RECVS * sizeof *race->recvs);
    cft_thread(t, cancel_some, race);
    cft_thread(t, cancel_some, race);
    for (uint32_t i = 0; i < RECVS; i++) {
        race->recvs[i] = cft_recv(t, b, BYTES);
        atomic_store(&race->submitted, i + 1);
        cft_await(t, cft_send_all(t, a, data + i * BYTES, BYTES));
    }
    cft_join(t);
    cft_closed(t, a);
    cft_settle(t);
    for (uint32_t i = 0; i < RECVS; i++) {
        const cft_rec *recv = race->recvs[i];
        CFT_CHECK(t, recv->result.status == CEDE_OK || recv->result.status == CEDE_ECANCELED);
        CFT_CHECK(t, cft_filled(recv->bytes, recv->result.count, 31, at));
        at += recv->result.count;
    }
    while (at < RECVS * BYTES) {
        cft_rec *recv = cft_recv(t, b, 1000);
        cft_await(t, recv);
        CFT_OK(t, recv);
        CFT_CHECK(t, recv->result.count > 0);
        CFT_CHECK(t, cft_filled(recv->bytes, recv->result.count, 31, at));
        at += recv->result.count;
    }
    CFT_CHECK(t, at == RECVS * BYTES);
    cft_closed(t, b);
}

CFT_CASE(tcp_recvs_race_with_wishes_of_two_threads)
{
    recvs_race_with_wishes(t, CFT_TCP);
}

CFT_CASE(local_recvs_race_with_wishes_of_two_threads)
{
    recvs_race_with_wishes(t, CFT_LOCAL);
}

/* Clients come while accepts are cancelled by others: each client is taken, once. */
CFT_CASE(accepts_race_with_wishes_of_two_threads)
{
    enum { CLIENTS = 60 };
    struct race *race = cft_alloc(t, sizeof *race);
    cft_rec *connects[CLIENTS];
    uint32_t taken = 0, tried = 0;
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_TCP, &at);
    race->t = t;
    race->random = cft_random(t);
    race->recvs = cft_alloc(t, RECVS * sizeof *race->recvs);
    cft_thread(t, cancel_some, race);
    cft_thread(t, cancel_some, race);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        race->recvs[tried++] = cft_accept(t, listener);
        atomic_store(&race->submitted, tried);
        connects[i] = cft_connect(t, &at);
        cft_await(t, connects[i]);
        CFT_OK(t, connects[i]);
    }
    cft_join(t);
    cft_turn(t);
    for (uint32_t i = 0; i < tried; i++)
        cede_cancel(race->recvs[i]->ticket);
    cft_settle(t);
    for (uint32_t i = 0; i < tried; i++)
        taken += race->recvs[i]->result.status == CEDE_OK;
    while (taken < CLIENTS) {
        cft_rec *accept = cft_accept(t, listener);
        cft_await(t, accept);
        CFT_OK(t, accept);
        taken++;
    }
    cft_rec *none = cft_accept(t, listener); /* there were no more */
    cft_turn(t);
    cft_flush(t);
    CFT_CHECK(t, !cft_is_done(none));
    cft_closed(t, listener);
}

struct poster {
    cft *t;
    cede_loop *loop;
    cede_handle handle;
    cft_rec *all[30];
};

static void post_sends(void *context)
{
    struct poster *p = context;
    for (uint32_t i = 0; i < 30; i++) {
        unsigned char piece[100];
        cft_fill(piece, 100, 41, i * 100);
        cede_prep_send_all(p->all[i]->req, p->handle, cft_input(p->all[i], piece, 100), 100);
        cft_submit_remote(p->all[i], p->loop);
    }
}

/* Law 14: one thread's submits keep their order on the stream. */
CFT_CASE(sends_posted_by_a_thread_keep_their_order)
{
    unsigned char *seen = cft_alloc(t, 3000);
    struct poster *p = cft_alloc(t, sizeof *p);
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    p->t = t;
    p->loop = cft_loop(t);
    p->handle = a;
    for (uint32_t i = 0; i < 30; i++)
        p->all[i] = cft_new(t);
    cft_thread(t, post_sends, p);
    size_t got = cft_take(t, b, seen, 3000);
    CFT_EXPECT(t, got == 3000 && cft_filled(seen, 3000, 41, 0));
    cft_join(t);
    cft_settle(t);
    for (uint32_t i = 0; i < 30; i++)
        CFT_MOVED(t, p->all[i], 100);
    cft_closed(t, a);
    cft_closed(t, b);
}
