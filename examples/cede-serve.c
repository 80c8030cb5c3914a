/*
 * cede-serve: a server for static files over HTTP/1.1. This file: options, listening, threads, the
 * end. cede-serve.h tells how it is made.
 */
#include "cede-serve.h"
#include "example_args.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "usage: cede-serve [options] [DIRECTORY]\n"
    "Serves the files below a directory (the present one) over HTTP.\n"
    "\n"
    "  --at ADDRESS       listen there (127.0.0.1:8080); with port 0 the system picks one\n"
    "  --threads N        loops, each on its thread (1)\n"
    "  --hand-over        one thread accepts for all, as it is where listeners cannot share\n"
    "                     an address (Windows)\n"
    "  --connections N    at most, of two descriptors each; more clients wait outside (512)\n"
    "  --idle SECONDS     how long a client may think between requests (60)\n"
    "  --head SECONDS     within which a request must have come, with its body (10)\n"
    "  --send SECONDS     within which a client must take a piece of what it is sent (30)\n"
    "  --grace SECONDS    for answers in progress when it is asked to stop (10)\n"
    "  --no-list          no pages of the names in directories without index.html\n"
    "  --hidden           also names that begin with a dot\n"
    "  --clients N        stop after so many connections\n"
    "  --stats            at the end, say what was done\n"
    "  -v, --verbose      name each request\n"
    "  -h, --help         this text\n"
    "\n"
    "GET, HEAD and OPTIONS; ranges, conditions, connections that are kept and requests that\n"
    "come before they are asked for. Links that lead out of the directory are not followed.\n"
    "Ctrl-C completes the answers in progress; a second one does not.\n";

struct settings settings = {.idle_ns = 60 * CEDE_SECOND,
                            .head_ns = 10 * CEDE_SECOND,
                            .send_ns = 30 * CEDE_SECOND,
                            .grace_ns = 10 * CEDE_SECOND,
                            .threads = 1,
                            .connections = 512,
                            .list = true};
worker *workers;
static atomic_ulong taken;
static cede_address at = {.family = CEDE_ADDRESS_IPV4, .port = 8080, .ip = {127, 0, 0, 1}};

static int fail(const char *what, cede_status status)
{
    fprintf(stderr, "cede-serve: %s: %s\n", what, cede_strerror(status));
    return 1;
}

/* ---- Accepting ------------------------------------------------------------------------------ */

static void on_accept_over(cede_req *req, cede_result r);

static void accept_on(worker *w)
{
    w->accepts = true;
    cede_prep_accept_many(&w->accept, w->listener, on_client);
    cede_in(&w->accept, w->life);
    w->accepting = cede_submit(w->loop, &w->accept, on_accept_over);
}

void client_is_taken(void)
{
    if (atomic_fetch_add(&taken, 1) + 1 == settings.clients)
        cede_complete(workers[0].opened, CEDE_OK, true); /* these are served first */
}

void on_client(cede_req *req, cede_result item)
{
    static uint32_t turn; /* whose it is, if one accepts for all */
    worker *w = CEDE_CONTAINER(req, worker, accept), *server = w;
    if (!item.handle) { /* no descriptors left: it goes on by itself when there are */
        fprintf(stderr, "cede-serve: %s\n", cede_strerror(item.status));
        return;
    }
    if (++w->clients == w->clients_most)
        cede_cancel(w->accepting); /* for now; some may have been taken already, and are served */
    if (settings.threads > 1 && !workers[1].listener)
        server = &workers[turn++ % settings.threads];
    client_start(w, server, item.handle);
    client_is_taken();
}

void client_is_home(worker *w)
{
    w->clients--;
    if (!w->accepts && !w->closing && w->listener && w->clients < w->clients_most)
        accept_on(w);
}

/* Nobody comes in by this worker any more. Who it had others serve, was handed over before. */
static void shut(worker *w)
{
    cede_drop(w->listener);
    if (w != workers)
        return;
    for (uint32_t i = 1; i < settings.threads; i++)
        cede_complete(workers[i].opened, CEDE_OK, w->patient);
}

static void on_accept_over(cede_req *req, cede_result r)
{
    worker *w = CEDE_CONTAINER(req, worker, accept);
    w->accepts = false;
    if (w->closing) {
        shut(w);
    } else if (r.status != CEDE_ECANCELED) {
        fail("no more clients", r.status);
        cede_complete(workers[0].opened, r.status, 0);
    } else if (w->clients < w->clients_most) { /* there is room again already */
        accept_on(w);
    }
}

/* The server is to stop: the end of `open`, whose count tells whether those who are connected may
 * ask once more. */
static void on_closing(cede_req *req, cede_result r)
{
    worker *w = CEDE_CONTAINER(req, worker, open);
    w->closing = true;
    w->patient = r.count != 0;
    if (!w->patient) {
        cede_extend(w->life, settings.grace_ns);
        clients_close(w);
    }
    if (w->accepts)
        cede_cancel(w->accepting);
    else
        shut(w);
}

/* ---- Workers -------------------------------------------------------------------------------- */

static void on_nothing(cede_req *req, cede_result r)
{
    (void)req;
    (void)r;
}

static void on_thread_end(cede_req *req, cede_result r)
{
    (void)req;
    if (r.status) {
        fail("a thread", r.status);
        cede_complete(workers[0].opened, r.status, 0);
    }
}

static cede_status close_worker(worker *w)
{
    cede_status status = cede_loop_close(w->loop, 5 * CEDE_SECOND);
    if (cede_pool_out(w->pool)) {
        fprintf(stderr, "cede-serve: %u buffers were not given back\n", cede_pool_out(w->pool));
        status = CEDE_EBUSY;
    }
    cede_pool_close(w->pool);
    return status;
}

/* A thread of the first loop's pool, which the worker has for itself. */
static cede_status work(void *argument, uint64_t *count)
{
    worker *w = argument;
    int64_t ran = cede_run(w->loop, CEDE_FOREVER);
    cede_status status = close_worker(w);
    (void)count;
    return ran < 0 ? (cede_status)ran : status;
}

/* Makes a worker ready: what is submitted before a loop runs is only staged, so this thread may do
 * it for all, and then has all their tickets. */
static cede_status prepare(worker *w)
{
    char why[256] = "";
    cede_options how = {.why = why, .why_bytes = sizeof why};
    cede_status status;
    how.pool_threads = w == workers ? 4 + settings.threads - 1 : 4;
    status = cede_loop_open(&how, &w->loop);
    if (status) {
        fprintf(stderr, "cede-serve: no loop: %s\n", why);
        return status;
    }
    status = cede_pool_open(w->loop, w->clients_most, IN_BYTES, sizeof(turn), &w->pool);
    if (status)
        return status;
    w->sends_files = cede_supports(w->loop, CEDE_OP_SEND_FILE);
    cede_prep_scope(&w->scope);
    w->life = cede_submit(w->loop, &w->scope, on_nothing);
    cede_prep_pend(&w->open);
    cede_in(&w->open, w->life);
    w->opened = cede_submit(w->loop, &w->open, on_closing);
    return CEDE_OK;
}

static cede_result last; /* of what main waits for */

static void on_last(cede_req *req, cede_result r)
{
    (void)req;
    last = r;
}

static cede_status wait_for(cede_req *req)
{
    cede_wait(workers[0].loop, cede_submit(workers[0].loop, req, on_last), CEDE_FOREVER);
    return last.status;
}

/* Where the system shares clients out among listeners, each worker has its own; else the first
 * accepts for all. Who listens first learns the port. */
static cede_status listen_all(void)
{
    uint32_t listeners = settings.hand_over ? 1 : settings.threads;
    uint32_t flags = CEDE_LISTEN_REPLACE | (listeners > 1 ? CEDE_LISTEN_SHARED : 0);
    cede_status status;
    cede_req req;
    for (uint32_t i = 0; i < listeners; i++) {
        cede_prep_listen(&req, &at, 0, flags);
        status = wait_for(&req);
        if (status == CEDE_ENOTSUP && listeners > 1) {
            listeners = 1;
            cede_prep_listen(&req, &at, 0, CEDE_LISTEN_REPLACE);
            status = wait_for(&req);
        }
        if (status)
            return status;
        workers[i].listener = last.handle;
        if (i > 0)
            continue;
        cede_prep_name(&req, workers[0].listener, CEDE_NAME_OWN, &at);
        status = wait_for(&req);
        if (status)
            return status;
    }
    for (uint32_t i = 0; i < listeners; i++) {
        worker *w = &workers[i];
        w->clients_most = (settings.connections + listeners - 1) / listeners;
        /* Which the accepted have from it: no small send waits for another. */
        cede_prep_set_option(&w->option, w->listener, CEDE_OPTION_NO_DELAY, 1);
        cede_submit(w->loop, &w->option, on_nothing);
        accept_on(w);
    }
    return CEDE_OK;
}

/* ---- Main ----------------------------------------------------------------------------------- */

/* The first asks for an end when what was begun is complete, the next for one at once. */
static void on_signal(cede_req *req, cede_result item)
{
    (void)req;
    (void)item;
    if (!workers[0].closing)
        cede_complete(workers[0].opened, CEDE_OK, 0);
    else
        for (uint32_t i = 0; i < settings.threads; i++)
            cede_cancel(workers[i].life); /* a name: it does no harm if that worker has ended */
}

static void on_no_signals(cede_req *req, cede_result r)
{
    (void)req;
    if (r.status != CEDE_ECANCELED)
        fail("no signals", r.status);
}

static int run(const char *directory)
{
    cede_status status = os_tree_open(&settings.tree, directory);
    char text[CEDE_ADDRESS_TEXT];
    cede_req signal;
    if (status)
        return fail(directory, status);
    for (uint32_t i = 0; i < settings.threads; i++) {
        workers[i].clients_most = settings.connections;
        status = prepare(&workers[i]);
        if (status)
            return fail("no worker", status);
    }
    status = listen_all();
    if (status)
        return fail("cannot listen there", status);
    cede_address_print(&at, text, sizeof text);
    printf("listening at %s\n", text);
    fflush(stdout);
    cede_prep_signal_many(&signal, CEDE_SIGNAL_STOPS, on_signal);
    cede_background(&signal); /* the run ends when all else has */
    cede_submit(workers[0].loop, &signal, on_no_signals);
    for (uint32_t i = 1; i < settings.threads; i++) {
        cede_prep_work(&workers[i].work, work, &workers[i]);
        cede_submit(workers[0].loop, &workers[i].work, on_thread_end);
    }
    if (cede_run(workers[0].loop, CEDE_FOREVER) < 0)
        return fail("the loop", CEDE_EUNKNOWN);
    status = close_worker(&workers[0]);
    return status ? fail("close", status) : 0;
}

static void say_stats(void)
{
    worker sum = {0};
    for (uint32_t i = 0; i < settings.threads; i++) {
        sum.served_clients += workers[i].served_clients;
        sum.requests += workers[i].requests;
        sum.refused += workers[i].refused;
        sum.sent_bytes += workers[i].sent_bytes;
        sum.clients += workers[i].clients;
    }
    printf("%" PRIu64 " connections, %" PRIu64 " requests, %" PRIu64 " of them refused, %" PRIu64
           " bytes sent, %u connections left\n",
           sum.served_clients, sum.requests, sum.refused, sum.sent_bytes, (unsigned)sum.clients);
}

/* An option with a value; false: it makes no sense. */
static bool option(const char *name, const char *value)
{
    const struct {
        const char *name;
        uint64_t *ns;
    } times[] = {{"--idle", &settings.idle_ns},
                 {"--head", &settings.head_ns},
                 {"--send", &settings.send_ns},
                 {"--grace", &settings.grace_ns}};
    unsigned long n;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        if (strcmp(name, times[i].name) == 0)
            return args_seconds(value, times[i].ns);
    }
    if (strcmp(name, "--at") == 0)
        return cede_address_parse(value, 8080, &at) == CEDE_OK && at.family != CEDE_ADDRESS_LOCAL;
    if (strcmp(name, "--clients") == 0)
        return args_number(value, 1000000000, &settings.clients);
    if (strcmp(name, "--threads") == 0 && args_number(value, 256, &n))
        settings.threads = (uint32_t)n;
    else if (strcmp(name, "--connections") == 0 && args_number(value, CEDE_POOL_MOST, &n))
        settings.connections = (uint32_t)n;
    else
        return false;
    return true;
}

static bool flag(const char *name)
{
    if (strcmp(name, "--no-list") == 0)
        settings.list = false;
    else if (strcmp(name, "--hidden") == 0)
        settings.hidden = true;
    else if (strcmp(name, "--hand-over") == 0)
        settings.hand_over = true;
    else if (strcmp(name, "--stats") == 0)
        settings.stats = true;
    else if (strcmp(name, "-v") == 0 || strcmp(name, "--verbose") == 0)
        settings.verbose = true;
    else
        return false;
    return true;
}

int main(int count, char **words)
{
    int i = 1, code;
    os_begin(&count, &words);
    if (args_help(count, words, usage))
        return 0;
    for (; i < count && words[i][0] == '-'; i++) {
        if (flag(words[i]))
            continue;
        if (i + 1 == count || !option(words[i], words[i + 1]))
            break;
        i++;
    }
    if (count - i > 1 || (i < count && words[i][0] == '-')) {
        fputs(usage, stderr);
        return 2;
    }
    workers = calloc(settings.threads, sizeof *workers);
    if (!workers)
        return fail("no workers", CEDE_ENOMEM);
    code = run(i < count ? words[i] : ".");
    if (settings.stats)
        say_stats();
    if (code == 0) /* else loops may be open still, which have requests in it */
        free(workers);
    return code;
}
