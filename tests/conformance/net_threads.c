/*
 * One port, served by loops on several threads (laws 2, 8, 10): where the system shares clients
 * out, each loop has a listener of its own; elsewhere, and everywhere if one likes, one loop
 * accepts and hands over what it got, which is to pass the value on.
 *
 * The clients are the run's own loop's. Each says its number, is told who serves it, and resets
 * the connection, so that no port is kept from others for a minute.
 */
#include "conformance.h"

#include <stdatomic.h>
#include <string.h>

enum { SERVERS = 3, AT_ONCE = 16, VISITS_MOST = 256 };

typedef struct server {
    struct place *place;
    cede_loop *loop;
    cede_handle listener; /* 0: it is handed what it serves */
    cft_rec *keep;        /* its loop runs until this is completed */
    _Atomic uint32_t served;
    uint32_t number;
} server;

typedef struct place {
    cft *t;
    server servers[SERVERS];
    cede_address at;
    uint32_t turn;    /* of handing over; the first server's */
    cede_ticket told; /* of the run's loop: the address is known, a listener is closed */
    uint32_t visits;  /* so many clients there were */
    uint32_t welcome; /* of them, those that were served */
    bool is_welcome[VISITS_MOST];
    _Atomic uint32_t served[VISITS_MOST]; /* times */
} place;

/* ---- Servers: on their threads -------------------------------------------------------------- */

static void on_left(cft_rec *rec)
{
    CFT_CHECK(rec->t, rec->result.count == 0);
    cede_drop(rec->number);
}

static void on_answered(cft_rec *rec)
{
    server *s = rec->data;
    CFT_CHECK(rec->t, rec->result.status == CEDE_OK);
    rec->then = on_left;
    cede_prep_recv(rec->req, rec->number, cft_buffer(rec, 1), 1);
    cft_submit_on(rec, s->loop);
}

static void on_said(cft_rec *rec)
{
    server *s = rec->data;
    uint32_t who;
    memcpy(&who, rec->bytes, sizeof who);
    CFT_CHECK(rec->t, rec->result.status == CEDE_OK && who < VISITS_MOST);
    CFT_CHECK(rec->t, atomic_fetch_add(&s->place->served[who], 1) == 0);
    atomic_fetch_add(&s->served, 1);
    rec->then = on_answered;
    cede_prep_send_all(rec->req, rec->number, cft_input(rec, &s->number, sizeof s->number),
                       sizeof s->number);
    cft_submit_on(rec, s->loop);
}

static void serve(server *s, cede_handle stream)
{
    cft_rec *rec = cft_new(s->place->t);
    rec->data = s;
    rec->number = stream;
    rec->then = on_said;
    cede_prep_recv_all(rec->req, stream, cft_buffer(rec, 4), 4);
    cft_submit_on(rec, s->loop);
}

static void on_handed(cft_rec *rec)
{
    CFT_CHECK(rec->t, rec->result.status == CEDE_OK);
    serve(rec->data, rec->number); /* the record is still looked at by who has sent it */
}

static void on_client(cede_req *req, cede_result item)
{
    server *s = ((cft_rec *)req->user_data)->data;
    place *p = s->place;
    bool shared = p->servers[SERVERS - 1].listener != 0;
    server *at = shared ? s : &p->servers[p->turn++ % SERVERS];
    CFT_CHECK(p->t, item.status == CEDE_OK && item.handle);
    cft_keep_handle(p->t, item.handle);
    if (at == s) {
        serve(s, item.handle);
        return;
    }
    cft_rec *rec = cft_new(p->t);
    rec->data = at;
    rec->number = item.handle;
    rec->then = on_handed;
    cede_prep_nop(rec->req);
    cft_submit_remote(rec, at->loop);
}

static void on_closed(cft_rec *rec)
{
    server *s = rec->data;
    CFT_CHECK(rec->t, rec->result.status == CEDE_ECANCELED);
    CFT_CHECK(rec->t, rec->result.flags & CEDE_BY_CLOSE);
    cede_complete(s->place->told, CEDE_OK, 0);
}

static void on_named(cft_rec *rec)
{
    server *s = rec->data;
    CFT_CHECK(rec->t, rec->result.status == CEDE_OK);
    memcpy(&s->place->at, rec->bytes, sizeof s->place->at);
    cede_complete(s->place->told, CEDE_OK, 0);
}

static void run_server(void *context)
{
    server *s = context;
    CFT_CHECK(s->place->t, cft_run_on(s->loop, CEDE_FOREVER) >= 0);
    CFT_CHECK(s->place->t, cft_close_on(s->place->t, s->loop, CEDE_FOREVER) == CEDE_OK);
}

/* ---- Beginning and end ----------------------------------------------------------------------- */

/* Something of the servers' is awaited, by a pend of the run's loop that they complete. */
static cft_rec *until_told(place *p)
{
    cft_rec *told = cft_new(p->t);
    cede_prep_pend(told->req);
    cft_submit(told);
    p->told = told->ticket;
    return told;
}

static cede_handle listen_there(place *p, uint32_t flags)
{
    cft_rec *rec = cft_new(p->t);
    cede_prep_listen(rec->req, &p->at, 0, flags);
    cft_do(rec);
    if (rec->result.status == CEDE_ENOTSUP)
        return 0;
    CFT_OK(p->t, rec);
    return rec->result.handle;
}

/* What is submitted before a loop runs is only staged: its thread binds it. */
static void start(server *s, cede_handle listener)
{
    cft *t = s->place->t;
    s->listener = listener;
    s->keep = cft_new(t);
    cede_prep_pend(s->keep->req);
    cft_submit_on(s->keep, s->loop);
    if (listener) {
        cft_rec *accept = cft_new(t);
        accept->data = s;
        accept->then = on_closed;
        cede_prep_accept_many(accept->req, listener, on_client);
        cft_submit_on(accept, s->loop);
    }
    if (s->number == 0) { /* who listens first learns the port */
        cft_rec *name = cft_new(t);
        name->data = s;
        name->then = on_named;
        cede_prep_name(name->req, listener, CEDE_NAME_OWN, cft_buffer(name, sizeof s->place->at));
        cft_submit_on(name, s->loop);
    }
}

/* NULL: listeners cannot share. */
static place *opened(cft *t, bool shared)
{
    place *p = cft_alloc(t, sizeof *p);
    uint32_t flags = shared ? CEDE_LISTEN_SHARED : 0;
    cede_options options;
    p->t = t;
    p->at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    cede_handle listener = listen_there(p, flags);
    if (!listener)
        return NULL;
    cft_options(t, &options);
    for (uint32_t i = 0; i < SERVERS; i++) {
        p->servers[i].place = p;
        p->servers[i].number = i;
        p->servers[i].loop = cft_open(t, &options);
    }
    cft_rec *told = until_told(p);
    start(&p->servers[0], listener);
    if (!shared) /* before the first hands anything over */
        for (uint32_t i = 1; i < SERVERS; i++)
            start(&p->servers[i], 0);
    cft_thread(t, run_server, &p->servers[0]);
    cft_await(t, told);
    for (uint32_t i = 1; i < SERVERS; i++) {
        if (shared)
            start(&p->servers[i], listen_there(p, flags));
        cft_thread(t, run_server, &p->servers[i]);
    }
    return p;
}

/* On another thread: it takes effect when the loop looks. */
static cft_rec *dropped(place *p, server *s)
{
    cft_rec *told = until_told(p);
    cede_drop(s->listener);
    return told;
}

/* Nobody was lost, and nobody served twice; the run's end counts the descriptors. */
static void close_all(place *p, const server *without)
{
    uint32_t served = 0;
    for (uint32_t i = 0; i < SERVERS; i++) {
        server *s = &p->servers[i];
        if (s->listener && (!without || s != without))
            cft_await(p->t, dropped(p, s));
        cede_complete(s->keep->ticket, CEDE_OK, 0);
    }
    cft_join(p->t);
    for (uint32_t i = 0; i < p->visits; i++)
        CFT_CHECK(p->t, atomic_load(&p->served[i]) == p->is_welcome[i]);
    for (uint32_t i = 0; i < SERVERS; i++)
        served += atomic_load(&p->servers[i].served);
    CFT_CHECK(p->t, served == p->welcome);
}

/* ---- Clients: on the run's loop ------------------------------------------------------------- */

/* A client that waited at a listener that was closed learns of it, in one of these words. */
static bool is_turned_away(const cft_rec *rec)
{
    int32_t status = rec->result.status;
    return status == CEDE_ECONNREFUSED || status == CEDE_ECONNRESET || status == CEDE_EPIPE ||
           status == CEDE_EEOF;
}

/* So many come at once. Returns how many were turned away. */
static uint32_t come(place *p, uint32_t count, server *closes)
{
    cft_rec *connect[AT_ONCE], *send[AT_ONCE], *answer[AT_ONCE], *told = NULL;
    uint32_t away = 0, first = p->visits;
    CFT_CHECK(p->t, first + count <= VISITS_MOST);
    for (uint32_t i = 0; i < count; i++) {
        connect[i] = cft_connect(p->t, &p->at);
        if (closes && i == count / 2)
            told = dropped(p, closes);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t who = p->visits++;
        cft_await(p->t, connect[i]);
        send[i] = cft_send_all(p->t, connect[i]->result.handle, &who, sizeof who);
        answer[i] = cft_recv_all(p->t, connect[i]->result.handle, sizeof who);
    }
    for (uint32_t i = 0; i < count; i++) {
        cft_await(p->t, send[i]);
        cft_await(p->t, answer[i]);
        if (answer[i]->result.status == CEDE_OK) {
            p->is_welcome[first + i] = true;
            p->welcome++;
        } else {
            CFT_CHECK(p->t, closes && (is_turned_away(connect[i]) || is_turned_away(answer[i])));
            away++;
        }
        if (connect[i]->result.handle) {
            cft_set(p->t, connect[i]->result.handle, CEDE_OPTION_LINGER, 0);
            cft_closed(p->t, connect[i]->result.handle);
        }
    }
    if (told)
        cft_await(p->t, told);
    return away;
}

CFT_CASE(listeners_on_several_threads_share_their_clients)
{
    place *p = opened(t, true);
    if (!p)
        return;
    server *closes = &p->servers[1];
    for (uint32_t i = 0; i < 5; i++)
        come(p, AT_ONCE, NULL);
    for (uint32_t i = 0; i < SERVERS; i++) /* by chance one in 10^14 has none */
        CFT_CHECK(t, atomic_load(&p->servers[i].served) > 0);
    uint32_t away = come(p, AT_ONCE, closes);
    uint32_t served = atomic_load(&closes->served);
    come(p, away, NULL); /* to the others, who go on */
    come(p, AT_ONCE, NULL);
    CFT_CHECK(t, atomic_load(&closes->served) == served);
    CFT_CHECK(t, p->welcome == 7 * AT_ONCE);
    close_all(p, closes);
}

CFT_CASE(streams_of_one_listener_are_served_on_several_threads)
{
    place *p = opened(t, false);
    for (uint32_t i = 0; i < 3; i++)
        come(p, AT_ONCE, NULL);
    for (uint32_t i = 0; i < SERVERS; i++)
        CFT_CHECK(t, atomic_load(&p->servers[i].served) == 3 * AT_ONCE / SERVERS);
    close_all(p, NULL);
}
