/*
 * B3: posting from another thread: how many messages pass, and how soon a sleeper wakes.
 *
 * One thread posts, the main thread receives in its loop. 1024 messages are recycled: none is sent
 * again before it was received. In the wake cases one message at a time is sent to a loop that has
 * had time to fall asleep (or to look for work, where that is opted for), and the time from the
 * sender's clock reading to the receiver's is taken; a round's figure is the median of its posts.
 *
 * floor     an atomic list, a sleep flag, an eventfd read by a raw ring
 * libuv     the same list and uv_async_send
 * libevent  event_active from the other thread
 * cede      cede_submit_remote of no-ops
 */
#include "bench.h"

#include <liburing.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cede/cede.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <uv.h>

#include "floor_inbox.h"

/* Variants: the receiver sleeps at once, or looks for work first. */
enum { ASLEEP, LOOKING };

enum { MESSAGES = 1024, WAKES = 1024, SPIN_NS = 1000000, SETTLE_NS = 60000 };

/* What all contestants share: the sender and the count of what was received. */
struct traffic {
    void (*post)(void *self, unsigned message);
    void *self;
    bool wakes; /* one at a time */
    uint64_t ops;
    pthread_t sender;
    _Alignas(64) _Atomic uint64_t received; /* written by the receiver only */
    _Alignas(64) uint64_t sent_ns;          /* of the last message, when they go one at a time */
    double waits_ns[WAKES];
};

/* Another turn of a loop that looks for something; gives the processor away now and then. */
static void look_again(unsigned *turns)
{
    if (++*turns % 64 == 0) {
        sched_yield();
    }
}

static void settle(void)
{
    for (uint64_t until = bench_wall_ns() + SETTLE_NS; bench_wall_ns() < until;) {
    }
}

static void *sender_main(void *argument)
{
    struct traffic *traffic = argument;
    uint64_t room = traffic->wakes ? 1 : MESSAGES, received = 0;
    unsigned turns = 0;
    for (uint64_t sent = 0; sent < traffic->ops; sent++) {
        /* Out of messages: waits for half of them, not to be in the receiver's way at each one. */
        if (sent - received >= room) {
            while (sent - received > room / 2) {
                received = atomic_load_explicit(&traffic->received, memory_order_acquire);
                look_again(&turns);
            }
        }
        if (traffic->wakes) {
            settle();
            traffic->sent_ns = bench_wall_ns();
        }
        traffic->post(traffic->self, (unsigned)(sent % MESSAGES));
    }
    return NULL;
}

/* The receiver, for each message. true: that was the last. */
static bool received(void *context)
{
    struct traffic *traffic = context;
    uint64_t count = atomic_load_explicit(&traffic->received, memory_order_relaxed);
    if (traffic->wakes) {
        traffic->waits_ns[count] = (double)(bench_wall_ns() - traffic->sent_ns);
    }
    atomic_store_explicit(&traffic->received, ++count, memory_order_release);
    return count == traffic->ops;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A round: `receive` returns when `received` has said true. */
static void exchange(struct traffic *traffic, bench_run *run, void (*receive)(void *))
{
    traffic->ops = run->ops;
    atomic_store(&traffic->received, 0);
    bench_start(run);
    if (pthread_create(&traffic->sender, NULL, sender_main, traffic) != 0) {
        bench_die("no thread");
    }
    receive(traffic->self);
    bench_stop(run);
    pthread_join(traffic->sender, NULL);
    if (traffic->wakes) {
        qsort(traffic->waits_ns, run->ops, sizeof traffic->waits_ns[0], compare);
        run->out[0] = traffic->waits_ns[run->ops / 2] / 1000;
    }
}

static void prepare(struct traffic *traffic, const bench_case *of, void *self,
                    void (*post)(void *, unsigned))
{
    traffic->self = self;
    traffic->post = post;
    traffic->wakes = of->fixed;
}

/* ---- floor ----------------------------------------------------------------------------------- */

struct inbox {
    struct traffic traffic;
    bench_inbox box;
    bench_message messages[MESSAGES];
    struct io_uring ring;
    uint64_t woken;
    uint64_t spin_ns;
};

static void inbox_post(void *self, unsigned message)
{
    struct inbox *inbox = self;
    static const uint64_t one = 1;
    bench_message *m = &inbox->messages[message];
    m->received = received;
    m->context = &inbox->traffic;
    bench_inbox_push(&inbox->box, m);
    if (atomic_load(&inbox->box.asleep) && atomic_exchange(&inbox->box.asleep, false)) {
        bench_check(write(inbox->box.eventfd, &one, sizeof one), "eventfd");
    }
}

static void inbox_arm(struct inbox *inbox)
{
    io_uring_prep_read(io_uring_get_sqe(&inbox->ring), inbox->box.eventfd, &inbox->woken,
                       sizeof inbox->woken, 0);
    bench_check_neg(io_uring_submit(&inbox->ring), "submit");
}

/* Sleeps until something is in the list, after looking for it for so long. */
static void inbox_wait(struct inbox *inbox)
{
    struct io_uring_cqe *cqe;
    uint64_t until = inbox->spin_ns ? bench_wall_ns() + inbox->spin_ns : 0;
    while (until && bench_wall_ns() < until) {
        if (atomic_load_explicit(&inbox->box.first, memory_order_relaxed)) {
            return;
        }
    }
    atomic_store(&inbox->box.asleep, true);
    if (atomic_load(&inbox->box.first) && atomic_exchange(&inbox->box.asleep, false)) {
        return;
    }
    bench_check_neg(io_uring_wait_cqe(&inbox->ring, &cqe), "wait");
    io_uring_cqe_seen(&inbox->ring, cqe);
    inbox_arm(inbox);
}

static void inbox_receive(void *self)
{
    struct inbox *inbox = self;
    for (bool last = false; !last;) {
        bench_message *next, *m = bench_inbox_take(&inbox->box);
        if (!m) {
            inbox_wait(inbox);
        } else {
            /* A turn of a loop also looks for what the kernel has; without it this would only
             * fight with the sender for the list's head, and be slower. */
            bench_check_neg(io_uring_get_events(&inbox->ring), "io_uring_enter");
        }
        for (; m; m = next) {
            next = m->next;
            last = m->received(m->context);
        }
    }
}

static void *inbox_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct inbox *inbox = bench_alloc(1, sizeof *inbox, 64);
    (void)env, (void)why;
    prepare(&inbox->traffic, of, inbox, inbox_post);
    inbox->spin_ns = of->variant == LOOKING ? SPIN_NS : 0;
    inbox->box.eventfd = (int)bench_check(eventfd(0, EFD_CLOEXEC), "eventfd");
    bench_ring_open(&inbox->ring, 16, 0);
    inbox_arm(inbox);
    return inbox;
}

static void inbox_round(void *self, bench_run *run)
{
    exchange(&((struct inbox *)self)->traffic, run, inbox_receive);
}

static void inbox_close(void *self)
{
    struct inbox *inbox = self;
    static const uint64_t one = 1;
    struct io_uring_cqe *cqe;
    bench_check(write(inbox->box.eventfd, &one, sizeof one), "eventfd");
    bench_check_neg(io_uring_wait_cqe(&inbox->ring, &cqe), "wait");
    io_uring_queue_exit(&inbox->ring);
    close(inbox->box.eventfd);
    free(inbox);
}

static const bench_contestant floor_inbox = {"floor", BENCH_FLOOR, inbox_open, inbox_round,
                                             inbox_close};

/* ---- libuv ----------------------------------------------------------------------------------- */

struct asyncs {
    struct traffic traffic;
    bench_inbox box;
    bench_message messages[MESSAGES];
    uv_loop_t loop;
    uv_async_t wake;
};

static void asyncs_post(void *self, unsigned message)
{
    struct asyncs *asyncs = self;
    bench_message *m = &asyncs->messages[message];
    m->received = received;
    m->context = &asyncs->traffic;
    bench_inbox_push(&asyncs->box, m);
    uv_async_send(&asyncs->wake);
}

static void on_async(uv_async_t *wake)
{
    struct asyncs *asyncs = wake->data;
    bench_message *next;
    for (bench_message *m = bench_inbox_take(&asyncs->box); m; m = next) {
        next = m->next;
        if (m->received(m->context)) {
            uv_stop(&asyncs->loop);
        }
    }
}

static void asyncs_receive(void *self)
{
    uv_run(&((struct asyncs *)self)->loop, UV_RUN_DEFAULT);
}

static void *asyncs_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct asyncs *asyncs = bench_alloc(1, sizeof *asyncs, 64);
    (void)env, (void)why;
    prepare(&asyncs->traffic, of, asyncs, asyncs_post);
    bench_check_neg(uv_loop_init(&asyncs->loop), "uv_loop_init");
    bench_check_neg(uv_async_init(&asyncs->loop, &asyncs->wake, on_async), "uv_async_init");
    asyncs->wake.data = asyncs;
    return asyncs;
}

static void asyncs_round(void *self, bench_run *run)
{
    exchange(&((struct asyncs *)self)->traffic, run, asyncs_receive);
}

static void asyncs_close(void *self)
{
    struct asyncs *asyncs = self;
    uv_close((uv_handle_t *)&asyncs->wake, NULL);
    uv_run(&asyncs->loop, UV_RUN_DEFAULT);
    bench_check_neg(uv_loop_close(&asyncs->loop), "uv_loop_close");
    free(asyncs);
}

static const bench_contestant peer_uv = {"libuv", BENCH_PEER, asyncs_open, asyncs_round,
                                         asyncs_close};

/* ---- libevent -------------------------------------------------------------------------------- */

struct events {
    struct traffic traffic;
    struct event_base *base;
    struct event messages[MESSAGES];
};

static void events_post(void *self, unsigned message)
{
    event_active(&((struct events *)self)->messages[message], EV_READ, 1);
}

static void on_event(evutil_socket_t fd, short what, void *argument)
{
    struct events *events = argument;
    (void)fd, (void)what;
    if (received(&events->traffic)) {
        event_base_loopbreak(events->base);
    }
}

static void events_receive(void *self)
{
    event_base_loop(((struct events *)self)->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

static void *events_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct events *events = bench_alloc(1, sizeof *events, 64);
    (void)env, (void)why;
    prepare(&events->traffic, of, events, events_post);
    events->base = bench_event_base(true);
    for (unsigned i = 0; i < MESSAGES; i++) {
        bench_check(event_assign(&events->messages[i], events->base, -1, 0, on_event, events),
                    "event_assign");
    }
    return events;
}

static void events_round(void *self, bench_run *run)
{
    exchange(&((struct events *)self)->traffic, run, events_receive);
}

static void events_close(void *self)
{
    struct events *events = self;
    event_base_free(events->base);
    free(events);
}

static const bench_contestant peer_event = {"libevent", BENCH_PEER, events_open, events_round,
                                            events_close};

/* ---- cede ------------------------------------------------------------------------------------ */

struct nops {
    struct traffic traffic;
    cede_loop *loop;
    cede_ticket stay; /* a pend that keeps the loop from being idle */
    cede_req stay_req;
    cede_req messages[MESSAGES];
};

static void on_nop(cede_req *req, cede_result r)
{
    struct nops *nops = req->user_data;
    bench_cede_check(r.status, "remote nop");
    if (received(&nops->traffic)) {
        cede_stop(nops->loop);
    }
}

static void nops_post(void *self, unsigned message)
{
    struct nops *nops = self;
    cede_prep_nop(&nops->messages[message]);
    cede_submit_remote(nops->loop, &nops->messages[message], on_nop, NULL);
}

static void nops_receive(void *self)
{
    cede_run(((struct nops *)self)->loop, CEDE_FOREVER);
}

static void on_stay(cede_req *req, cede_result r)
{
    (void)req, (void)r;
}

static void *nops_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct nops *nops = bench_alloc(1, sizeof *nops, 64);
    (void)env, (void)why;
    prepare(&nops->traffic, of, nops, nops_post);
    nops->loop = bench_cede_open(of->variant == LOOKING ? SPIN_NS : 0);
    for (unsigned i = 0; i < MESSAGES; i++) {
        nops->messages[i].user_data = nops;
    }
    cede_prep_pend(&nops->stay_req);
    nops->stay = cede_submit(nops->loop, &nops->stay_req, on_stay);
    cede_run(nops->loop, 0);
    return nops;
}

static void nops_round(void *self, bench_run *run)
{
    exchange(&((struct nops *)self)->traffic, run, nops_receive);
}

static void nops_close(void *self)
{
    struct nops *nops = self;
    cede_cancel(nops->stay);
    bench_cede_close(nops->loop);
    free(nops);
}

static const bench_contestant side_cede = {"cede", BENCH_CEDE, nops_open, nops_round, nops_close};

/* ---- The row --------------------------------------------------------------------------------- */

static const bench_case cases[] = {
    {
        .name = "throughput",
        .measures = {{"wall", "ns", false}, {"CPU", "ns", false}},
        .contestants = {&floor_inbox, &peer_uv, &peer_event, &side_cede},
        .goals = {{"at most 1.1 of the floor", BENCH_CONTESTANT, 0, 0, "floor", 1.1}},
    },
    {
        .name = "wake, asleep",
        .size = WAKES,
        .fixed = true,
        .measures = {{"latency", "us", false}},
        .contestants = {&floor_inbox, &peer_uv, &peer_event, &side_cede},
        .goals = {{"equal to the floor (at most 1.1)", BENCH_CONTESTANT, 0, 0, "floor", 1.1}},
    },
    {
        .name = "wake, looking",
        .size = WAKES,
        .fixed = true,
        .variant = LOOKING,
        .measures = {{"latency", "us", false}},
        .contestants = {&floor_inbox, &side_cede},
        .goals = {{"below 1 us", BENCH_ABSOLUTE, 0, 0, NULL, 1}},
    },
};

const bench_row bench_b3 = {"B3", "post from another thread", cases, 3};
