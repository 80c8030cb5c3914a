/*
 * cede-proxy: a TCP proxy. Each client is connected to the target, and bytes go both ways, until
 * both sides have shut down, one fails, or nothing has moved for too long.
 *
 *     cede-proxy LISTEN TARGET [--idle SECONDS] [--connect SECONDS] [--clients COUNT]
 *
 * What to see: a connection is a *scope*. Both streams belong to it, every request is a member of
 * it, its deadline is the idle time-out, and its end, for whatever reason, is the one place that
 * frees. There is no reference count, no list of open connections and no flag that says "closing".
 * A direction has one request: receive, send all of it, receive. So the slower side sets the pace,
 * and a silent connection has no buffer.
 */
#include "example_os.h"

#include <stdio.h>
#include <stdlib.h>

#define BUFFERS      512
#define BUFFER_BYTES 65536

typedef struct pair pair;

/* Bytes one way. */
typedef struct way {
    cede_req req; /* a receive, a send or a shutdown */
    pair *both;
    cede_handle from, to;
    bool over;
} way;

struct pair {
    cede_req scope;
    cede_ticket life;
    way up, down; /* to the target; back. The first also connects. */
};

static cede_loop *loop;
static cede_pool *pool;
static cede_address target;
static cede_ticket accepting;
static unsigned long clients; /* to come; 0: without end */
static uint64_t idle_ns = 60 * CEDE_SECOND, connect_ns = 10 * CEDE_SECOND;

static void receive(way *w);

static void stop(void)
{
    cede_stop(loop);
}

/* Everything has come back and both streams are closed. */
static void on_end(cede_req *req, cede_result r)
{
    (void)r;
    free(CEDE_CONTAINER(req, pair, scope)); /* the final act */
}

static void on_shut(cede_req *req, cede_result r)
{
    way *w = CEDE_CONTAINER(req, way, req);
    if (r.status) {
        cede_fail(r.scope, r.status);
        return;
    }
    w->over = true;
    if (w->both->up.over && w->both->down.over)
        cede_fail(r.scope, CEDE_OK); /* a reason of OK: it is simply over */
}

static void on_sent(cede_req *req, cede_result r)
{
    way *w = CEDE_CONTAINER(req, way, req);
    cede_pool_give(pool, r.buffer);
    if (r.status) {
        cede_fail(r.scope, r.status);
        return;
    }
    cede_extend(r.scope, idle_ns);
    receive(w);
}

static void on_received(cede_req *req, cede_result r)
{
    way *w = CEDE_CONTAINER(req, way, req);
    if (r.status) {
        cede_fail(r.scope, r.status);
        return;
    }
    if (r.count == 0) { /* this side has said all: so say it to the other */
        cede_prep_shutdown(&w->req, w->to);
        cede_in(&w->req, r.scope);
        cede_submit(loop, &w->req, on_shut);
        return;
    }
    cede_extend(r.scope, idle_ns);
    cede_prep_send_all(&w->req, w->to, r.buffer, r.count);
    cede_in(&w->req, r.scope);
    cede_submit(loop, &w->req, on_sent);
}

static void receive(way *w)
{
    cede_prep_recv_pool(&w->req, w->from, pool);
    cede_in(&w->req, w->both->life);
    cede_submit(loop, &w->req, on_received);
}

static void on_connected(cede_req *req, cede_result r)
{
    pair *p = CEDE_CONTAINER(req, pair, up.req);
    if (r.status) {
        cede_fail(r.scope, r.status);
        return;
    }
    cede_own(r.scope, r.handle);
    p->up.to = p->down.from = r.handle;
    receive(&p->up);
    receive(&p->down);
}

static void on_client(cede_req *req, cede_result item)
{
    pair *p;
    (void)req;
    if (!item.handle) {
        fprintf(stderr, "cede-proxy: %s\n", cede_strerror(item.status));
        return;
    }
    if (clients && --clients == 0)
        cede_cancel(accepting); /* the run ends with those that are there */
    p = calloc(1, sizeof *p);
    if (!p) {
        fprintf(stderr, "cede-proxy: a client was turned away: out of memory\n");
        cede_drop(item.handle);
        return;
    }
    cede_prep_scope(&p->scope);
    cede_within(&p->scope, idle_ns);
    p->life = cede_submit(loop, &p->scope, on_end);
    cede_own(p->life, item.handle);
    p->up.both = p->down.both = p;
    p->up.from = p->down.to = item.handle;
    cede_prep_connect(&p->up.req, &target, 0);
    cede_in(&p->up.req, p->life);
    cede_within(&p->up.req, connect_ns);
    cede_submit(loop, &p->up.req, on_connected);
    CEDE_GONE(p);
}

static cede_result last; /* of what main waits for */

static void on_done(cede_req *req, cede_result r)
{
    (void)req;
    last = r;
}

static int fail(const char *what, cede_status status)
{
    fprintf(stderr, "cede-proxy: %s: %s\n", what, cede_strerror(status));
    return 1;
}

static int usage(void)
{
    fprintf(stderr, "usage: cede-proxy LISTEN TARGET [--idle SECONDS] [--connect SECONDS] "
                    "[--clients COUNT]\n");
    return 2;
}

static bool seconds(const char *text, uint64_t *ns)
{
    char *end;
    double value = strtod(text, &end);
    *ns = value > 0 && value < 1e9 ? (uint64_t)(value * (double)CEDE_SECOND) : 0;
    return *end == '\0' && *ns != 0;
}

static bool options(int count, char **words)
{
    for (int i = 3; i < count; i += 2) {
        uint64_t *ns = strcmp(words[i], "--idle") == 0      ? &idle_ns
                       : strcmp(words[i], "--connect") == 0 ? &connect_ns
                                                            : NULL;
        if (i + 1 == count)
            return false;
        if (strcmp(words[i], "--clients") == 0)
            clients = strtoul(words[i + 1], NULL, 10);
        else if (!ns || !seconds(words[i + 1], ns))
            return false;
    }
    return true;
}

/* The listener; 0: last says why not. */
static cede_handle listen_at(const cede_address *at)
{
    char text[CEDE_ADDRESS_TEXT] = "a local name";
    cede_address where;
    cede_handle listener;
    cede_req req;
    cede_prep_listen(&req, at, 0, CEDE_LISTEN_REPLACE);
    cede_wait(loop, cede_submit(loop, &req, on_done), CEDE_FOREVER);
    listener = last.handle;
    if (!listener)
        return 0;
    cede_prep_name(&req, listener, CEDE_NAME_OWN, &where);
    cede_wait(loop, cede_submit(loop, &req, on_done), CEDE_FOREVER);
    if (last.status)
        return 0;
    if (where.family != CEDE_ADDRESS_LOCAL)
        cede_address_print(&where, text, sizeof text);
    printf("listening at %s\n", text);
    fflush(stdout);
    return listener;
}

int main(int count, char **words)
{
    cede_address at;
    cede_handle listener;
    cede_req accept;
    cede_status status, accepted;
    os_begin(&count, &words);
    if (count < 3 || !options(count, words) || cede_address_parse(words[1], 0, &at) ||
        cede_address_parse(words[2], 0, &target))
        return usage();
    status = cede_loop_open(NULL, &loop);
    if (status)
        return fail("no loop", status);
    status = cede_pool_open(loop, BUFFERS, BUFFER_BYTES, 0, &pool);
    if (status)
        return fail("no buffers", status);
    listener = listen_at(&at);
    if (!listener)
        return fail(words[1], last.status);
    os_on_interrupt(stop);
    cede_prep_accept_many(&accept, listener, on_client);
    accepting = cede_submit(loop, &accept, on_done);
    if (cede_run(loop, CEDE_FOREVER) < 0)
        fail("the loop", CEDE_EUNKNOWN);
    accepted = last.status;
    os_on_interrupt(NULL);
    status = cede_loop_close(loop, 5 * CEDE_SECOND); /* ends every scope */
    cede_pool_close(pool);
    if (accepted != CEDE_OK && accepted != CEDE_ECANCELED)
        return fail("no more clients", accepted);
    return status ? fail("close", status) : 0;
}
