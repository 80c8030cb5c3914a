/*
 * cede-proxy: a TCP proxy. Each client is connected to the target, and bytes go both ways, until
 * both sides have said all, one fails, or nothing has moved for too long.
 *
 *     cede-proxy LISTEN TARGET [--idle SECONDS] [--connect SECONDS] [--most CLIENTS]
 *                [--clients COUNT]
 *
 * TARGET is an address or HOST:PORT, which is looked up once; a host's addresses are tried in turn,
 * each for --connect seconds. At most so many CLIENTS are served at a time, and others wait in the
 * listener's backlog. With COUNT it takes so many, and ends with the last of them.
 *
 * What to see: a connection is a *scope*. Both streams belong to it, every request is a member of
 * it, its deadline is the idle time-out, and its end, for whatever reason, is the one place that
 * frees. There is no reference count, no list of open connections and no flag that says "closing".
 * A direction has one request: receive, send all of it, receive. So the slower side sets the pace,
 * a silent connection has no buffer, and one that is stuck has two: there are as many for each.
 *
 * No failure looks like an end. Both streams are set to be reset by their close, from the
 * beginning; one is set back when it has been sent everything, and its shutdown. So whatever else
 * ends a connection (a reset from the other side, a time-out, Ctrl-C, the end of this process) is
 * told to both sides as what it is, and an answer that was cut off is not taken for a short one.
 *
 * (A local target on Windows cannot be told that its client has said all, and ends by itself or by
 * --idle: such streams have no half close there.)
 */
#include "example_args.h"
#include "example_os.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define BUFFER_BYTES 32768
#define TARGETS_MOST 8

typedef struct pair pair;

/* Bytes one way. */
typedef struct way {
    cede_req req; /* a receive, a send, a shutdown or an option; of the first also the connect */
    pair *both;
    cede_handle from, to;
    bool over;
} way;

struct pair {
    cede_req scope;
    cede_ticket life;
    way up, down;   /* to the target; back */
    uint32_t tried; /* of the target's addresses */
};

static cede_loop *loop;
static cede_pool *pool;
static cede_address targets[TARGETS_MOST];
static uint32_t target_count;
static cede_handle listener;
static cede_req accept_req;
static cede_status accepted;        /* why there are no more clients */
static bool asked, no_more;         /* a client has been asked for; none will be any more */
static uint32_t pairs, most = 1000; /* clients at a time */
static unsigned long clients;       /* to come; 0: without end */
static uint64_t idle_ns = 60 * CEDE_SECOND, connect_ns = 10 * CEDE_SECOND;

static void stop(void)
{
    cede_stop(loop);
}

/* ---- A connection --------------------------------------------------------------------------- */

static void receive(way *w);
static void ask(void);

/* Everything has come back and both streams are closed. */
static void on_end(cede_req *req, cede_result r)
{
    (void)r;
    free(CEDE_CONTAINER(req, pair, scope)); /* the final act on it */
    pairs--;
    ask();
}

/* Local streams have no such option: there any close is an end, and no failure. */
static void set_linger(way *w, cede_handle handle, int64_t value, cede_done *done)
{
    cede_prep_set_option(&w->req, handle, CEDE_OPTION_LINGER, value);
    cede_in(&w->req, w->both->life);
    cede_submit(loop, &w->req, done);
}

static void on_over(cede_req *req, cede_result r)
{
    way *w = CEDE_CONTAINER(req, way, req);
    w->over = true;
    if (w->both->up.over && w->both->down.over)
        cede_fail(r.scope, CEDE_OK); /* a reason of OK: it is simply over */
}

static void on_shut(cede_req *req, cede_result r)
{
    way *w = CEDE_CONTAINER(req, way, req);
    if (r.status == CEDE_OK) /* it has been told all, which its close may not take back */
        set_linger(w, w->to, -1, on_over);
    else if (r.status == CEDE_ENOTSUP && w == &w->both->up)
        on_over(req, r); /* a local target on Windows, which only a close can tell: hear it out */
    else
        cede_fail(r.scope, r.status == CEDE_ENOTSUP ? CEDE_OK : r.status);
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

/* ---- Its beginning: the client's linger, the connect, the target's linger, the bytes --------- */

static void on_target_set(cede_req *req, cede_result r)
{
    pair *p = CEDE_CONTAINER(req, pair, down.req);
    (void)r;
    receive(&p->up);
    receive(&p->down);
}

static void try_next(pair *p);

static void on_connected(cede_req *req, cede_result r)
{
    pair *p = CEDE_CONTAINER(req, pair, up.req);
    if (r.status == CEDE_OK) {
        cede_own(r.scope, r.handle);
        cede_extend(r.scope, idle_ns); /* from here its idle time runs */
        p->up.to = p->down.from = r.handle;
        set_linger(&p->down, r.handle, 0, on_target_set);
    } else if (p->tried < target_count) {
        try_next(p);
    } else {
        cede_fail(r.scope, r.status);
    }
}

static void try_next(pair *p)
{
    cede_prep_connect(&p->up.req, &targets[p->tried++], 0);
    cede_in(&p->up.req, p->life);
    cede_within(&p->up.req, connect_ns);
    cede_submit(loop, &p->up.req, on_connected);
}

/* From here it can be ended. */
static void on_client_set(cede_req *req, cede_result r)
{
    pair *p = CEDE_CONTAINER(req, pair, up.req);
    (void)r;
    cede_prep_scope(&p->scope);
    p->life = cede_submit(loop, &p->scope, on_end);
    cede_own(p->life, p->up.from);
    try_next(p);
}

static void begin(cede_handle client)
{
    pair *p = calloc(1, sizeof *p);
    if (!p) {
        fprintf(stderr, "cede-proxy: a client was turned away: out of memory\n");
        cede_drop(client);
        return;
    }
    pairs++;
    p->up.both = p->down.both = p;
    p->up.from = p->down.to = client;
    cede_prep_set_option(&p->up.req, client, CEDE_OPTION_LINGER, 0);
    cede_submit(loop, &p->up.req, on_client_set);
    CEDE_GONE(p);
}

/* ---- Clients -------------------------------------------------------------------------------- */

static void on_client(cede_req *req, cede_result r)
{
    (void)req;
    asked = false;
    accepted = r.status;
    no_more = no_more || r.status || (clients && --clients == 0);
    if (r.handle)
        begin(r.handle);
    ask();
}

/* Asks for the next client where there is room for one: without, none is taken. While descriptors
 * are used up it waits, and the trace says so. */
static void ask(void)
{
    if (asked || no_more || pairs == most)
        return;
    asked = true;
    cede_prep_accept(&accept_req, listener, NULL);
    cede_submit(loop, &accept_req, on_client);
}

/* ---- The program ---------------------------------------------------------------------------- */

static cede_result last; /* of what main waits for */

static void on_done(cede_req *req, cede_result r)
{
    (void)req;
    last = r;
}

static cede_status wait_for(cede_req *req)
{
    cede_wait(loop, cede_submit(loop, req, on_done), CEDE_FOREVER);
    return last.status;
}

static void on_trace(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "cede-proxy: %s\n", line);
}

static int fail(const char *what, cede_status status)
{
    fprintf(stderr, "cede-proxy: %s: %s\n", what, cede_strerror(status));
    return 1;
}

static const char usage[] =
    "usage: cede-proxy LISTEN TARGET [--idle SECONDS] [--connect SECONDS]\n"
    "                  [--most CLIENTS] [--clients COUNT]\n"
    "LISTEN is an address, TARGET an address with its port, or HOST:PORT.\n";

/* An option with a value; false: it makes no sense. */
static bool option(const char *name, const char *value)
{
    unsigned long n;
    if (strcmp(name, "--idle") == 0)
        return args_seconds(value, &idle_ns);
    if (strcmp(name, "--connect") == 0)
        return args_seconds(value, &connect_ns);
    if (strcmp(name, "--clients") == 0)
        return args_number(value, ULONG_MAX, &clients);
    if (strcmp(name, "--most") != 0 || !args_number(value, CEDE_POOL_MOST / 2, &n))
        return false;
    most = (uint32_t)n;
    return true;
}

static bool options(int count, char **words)
{
    for (int i = 3; i < count; i += 2) {
        if (i + 1 == count || !option(words[i], words[i + 1]))
            return false;
    }
    return true;
}

/* The target's addresses. */
static cede_status find_target(char *word)
{
    cede_req req;
    uint16_t port;
    target_count = 1;
    if (cede_address_parse(word, 0, &targets[0]) == CEDE_OK)
        return targets[0].family == CEDE_ADDRESS_LOCAL || targets[0].port ? CEDE_OK : CEDE_EINVAL;
    if (!args_host(word, &port))
        return CEDE_EINVAL;
    cede_prep_lookup(&req, word, port, CEDE_LOOKUP_ANY, targets, TARGETS_MOST);
    if (wait_for(&req) == CEDE_OK)
        target_count = last.count < TARGETS_MOST ? (uint32_t)last.count : TARGETS_MOST;
    return last.status;
}

static cede_status listen_at(const char *word, const cede_address *at)
{
    char text[CEDE_ADDRESS_TEXT];
    cede_address where;
    cede_req req;
    cede_prep_listen(&req, at, 0, CEDE_LISTEN_REPLACE);
    if (wait_for(&req))
        return last.status;
    listener = last.handle;
    cede_prep_name(&req, listener, CEDE_NAME_OWN, &where);
    if (wait_for(&req))
        return last.status;
    if (where.family != CEDE_ADDRESS_LOCAL) {
        cede_address_print(&where, text, sizeof text);
        word = text;
    }
    printf("listening at %s\n", word);
    fflush(stdout);
    return CEDE_OK;
}

int main(int count, char **words)
{
    cede_options how = {.trace = on_trace};
    cede_address at;
    cede_status status;
    int code = 0;
    os_begin(&count, &words);
    if (args_help(count, words, usage))
        return 0;
    if (count < 3 || !options(count, words) || cede_address_parse(words[1], 0, &at)) {
        fputs(usage, stderr);
        return 2;
    }
    status = cede_loop_open(&how, &loop);
    if (status)
        return fail("no loop", status);
    status = cede_pool_open(loop, 2 * most, BUFFER_BYTES, 0, &pool);
    if (status)
        return fail("no buffers", status);
    status = find_target(words[2]);
    if (status)
        return fail(words[2], status);
    os_on_interrupt(stop);
    status = listen_at(words[1], &at);
    if (status)
        return fail(words[1], status);
    ask();
    if (cede_run(loop, CEDE_FOREVER) < 0)
        code = fail("the loop", CEDE_EUNKNOWN);
    no_more = true;
    os_on_interrupt(NULL);
    status = cede_loop_close(loop, 5 * CEDE_SECOND); /* ends every scope */
    cede_pool_close(pool);
    if (accepted != CEDE_OK && accepted != CEDE_ECANCELED)
        return fail("no more clients", accepted);
    return status ? fail("close", status) : code;
}
