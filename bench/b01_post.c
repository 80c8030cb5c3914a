/*
 * B1: posting to oneself. 32 posts are on their way all the time; each one's callback posts it
 * anew until the round's number is reached.
 *
 * floor     a list of structures with a function pointer, nothing else
 * libevent  event_active on an event without descriptor
 * libuv     uv_async_send on 32 handles: the one way it has to call back "soon, and once"
 * cede      cede_prep_nop, cede_submit in done
 */
#include "bench.h"

#include <stdlib.h>

#include <cede/cede.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <uv.h>

enum { DEPTH = 32 };

/* How many more to post, and how many are on their way. */
struct count {
    uint64_t left, pending;
};

static void begin(struct count *count, bench_run *run)
{
    run->ops = run->ops < DEPTH ? DEPTH : run->ops;
    count->left = run->ops - DEPTH;
    count->pending = DEPTH;
}

/* ---- floor ----------------------------------------------------------------------------------- */

struct post {
    struct post *next;
    void (*done)(struct post *);
    struct queue *queue;
};

struct queue {
    struct count count;
    struct post *first, **last;
    struct post posts[DEPTH];
};

static void queue_put(struct queue *queue, struct post *post)
{
    post->next = NULL;
    *queue->last = post;
    queue->last = &post->next;
}

static void on_queue(struct post *post)
{
    struct queue *queue = post->queue;
    if (queue->count.left) {
        queue->count.left--;
        queue_put(queue, post);
    }
}

static void *queue_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct queue *queue = bench_alloc(1, sizeof *queue, 0);
    (void)env, (void)of, (void)why;
    queue->last = &queue->first;
    for (unsigned i = 0; i < DEPTH; i++) {
        queue->posts[i].queue = queue;
        queue->posts[i].done = on_queue;
    }
    return queue;
}

static void queue_round(void *self, bench_run *run)
{
    struct queue *queue = self;
    begin(&queue->count, run);
    bench_start(run);
    for (unsigned i = 0; i < DEPTH; i++) {
        queue_put(queue, &queue->posts[i]);
    }
    while (queue->first) {
        struct post *batch = queue->first; /* a turn: what is there now, like every loop */
        queue->first = NULL;
        queue->last = &queue->first;
        while (batch) {
            struct post *post = batch;
            batch = post->next;
            post->done(post);
        }
    }
    bench_stop(run);
}

static const bench_contestant floor_queue = {"floor", BENCH_FLOOR, queue_open, queue_round, free};

/* ---- libevent -------------------------------------------------------------------------------- */

struct events;

struct active {
    struct event event;
    struct events *all;
};

struct events {
    struct count count;
    struct event_base *base;
    struct active posts[DEPTH];
};

static void on_event(evutil_socket_t fd, short what, void *argument)
{
    struct active *post = argument;
    (void)fd, (void)what;
    if (post->all->count.left) {
        post->all->count.left--;
        event_active(&post->event, EV_READ, 1);
    }
}

static void *events_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct events *events = bench_alloc(1, sizeof *events, 0);
    (void)env, (void)of, (void)why;
    events->base = bench_event_base(false);
    for (unsigned i = 0; i < DEPTH; i++) {
        struct active *post = &events->posts[i];
        post->all = events;
        bench_check(event_assign(&post->event, events->base, -1, 0, on_event, post), "event");
    }
    return events;
}

static void events_round(void *self, bench_run *run)
{
    struct events *events = self;
    begin(&events->count, run);
    bench_start(run);
    for (unsigned i = 0; i < DEPTH; i++) {
        event_active(&events->posts[i].event, EV_READ, 1);
    }
    event_base_loop(events->base, 0); /* ends when nothing is active */
    bench_stop(run);
}

static void events_close(void *self)
{
    struct events *events = self;
    event_base_free(events->base);
    free(events);
}

static const bench_contestant peer_event = {"libevent", BENCH_PEER, events_open, events_round,
                                            events_close};

/* ---- libuv ----------------------------------------------------------------------------------- */

struct asyncs {
    struct count count;
    uv_loop_t loop;
    uv_async_t posts[DEPTH];
};

static void on_async(uv_async_t *post)
{
    struct asyncs *asyncs = post->data;
    if (asyncs->count.left) {
        asyncs->count.left--;
        uv_async_send(post);
    } else if (--asyncs->count.pending == 0) {
        uv_stop(&asyncs->loop);
    }
}

static void *asyncs_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct asyncs *asyncs = bench_alloc(1, sizeof *asyncs, 0);
    (void)env, (void)of, (void)why;
    bench_check_neg(uv_loop_init(&asyncs->loop), "uv_loop_init");
    for (unsigned i = 0; i < DEPTH; i++) {
        bench_check_neg(uv_async_init(&asyncs->loop, &asyncs->posts[i], on_async), "uv_async");
        asyncs->posts[i].data = asyncs;
    }
    return asyncs;
}

static void asyncs_round(void *self, bench_run *run)
{
    struct asyncs *asyncs = self;
    begin(&asyncs->count, run);
    bench_start(run);
    for (unsigned i = 0; i < DEPTH; i++) {
        uv_async_send(&asyncs->posts[i]);
    }
    uv_run(&asyncs->loop, UV_RUN_DEFAULT);
    bench_stop(run);
}

static void asyncs_close(void *self)
{
    struct asyncs *asyncs = self;
    for (unsigned i = 0; i < DEPTH; i++) {
        uv_close((uv_handle_t *)&asyncs->posts[i], NULL);
    }
    uv_run(&asyncs->loop, UV_RUN_DEFAULT);
    bench_check_neg(uv_loop_close(&asyncs->loop), "uv_loop_close");
    free(asyncs);
}

static const bench_contestant peer_uv = {"libuv", BENCH_PEER, asyncs_open, asyncs_round,
                                         asyncs_close};

/* ---- cede ------------------------------------------------------------------------------------ */

struct nops {
    struct count count;
    cede_loop *loop;
    cede_req posts[DEPTH];
};

static void on_nop(cede_req *req, cede_result r)
{
    struct nops *nops = req->user_data;
    bench_cede_check(r.status, "nop");
    if (nops->count.left) {
        nops->count.left--;
        cede_prep_nop(req);
        cede_submit(nops->loop, req, on_nop);
    }
}

static void *nops_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct nops *nops = bench_alloc(1, sizeof *nops, 0);
    (void)env, (void)of, (void)why;
    nops->loop = bench_cede_open(0);
    for (unsigned i = 0; i < DEPTH; i++) {
        nops->posts[i].user_data = nops;
    }
    return nops;
}

static void nops_round(void *self, bench_run *run)
{
    struct nops *nops = self;
    begin(&nops->count, run);
    bench_start(run);
    for (unsigned i = 0; i < DEPTH; i++) {
        cede_prep_nop(&nops->posts[i]);
        cede_submit(nops->loop, &nops->posts[i], on_nop);
    }
    cede_run(nops->loop, CEDE_FOREVER);
    bench_stop(run);
}

static void nops_close(void *self)
{
    struct nops *nops = self;
    bench_cede_close(nops->loop);
    free(nops);
}

static const bench_contestant side_cede = {"cede", BENCH_CEDE, nops_open, nops_round, nops_close};

/* ---- The row --------------------------------------------------------------------------------- */

static const bench_case cases[] = {{
    .name = "32 deep",
    .size = DEPTH,
    .plotted = 1,
    .instructions = true,
    .instructions_limit = 60,
    .measures = {{"wall", "ns", false}, {"CPU", "ns", false}},
    .contestants = {&floor_queue, &peer_event, &peer_uv, &side_cede},
    .goals = {{"at most 8 ns", BENCH_ABSOLUTE, 1, 0, NULL, 8},
              {"ahead of every peer", BENCH_BEST_PEER, 1, 0, NULL, 0.999}},
}};

const bench_row bench_b1 = {"B1", "post to oneself", cases, 1};
