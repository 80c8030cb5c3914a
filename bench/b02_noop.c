/*
 * B2: a no-op through the kernel: the cost of the bare interface.
 *
 * floor    a raw ring: fill the depth, submit and wait, reap all
 * eventfd  what a readiness loop does for the same: write, epoll_wait, read, for each descriptor
 * cede     cede_prep_roundtrip; each done submits the next
 */
#include "bench.h"

#include <liburing.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cede/cede.h>

enum { MOST = 32 };

/* ---- floor ----------------------------------------------------------------------------------- */

static void *ring_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct io_uring *ring = bench_alloc(1, sizeof *ring, 0);
    (void)env, (void)of, (void)why;
    bench_ring_open(ring, 256, 0);
    return ring;
}

static void ring_round(void *self, bench_run *run)
{
    struct io_uring *ring = self;
    unsigned depth = (unsigned)run->of->size;
    uint64_t batches = (run->ops + depth - 1) / depth;
    int bad = 0;

    run->ops = batches * depth;
    bench_start(run);
    for (uint64_t i = 0; i < batches; i++) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        for (unsigned j = 0; j < depth; j++) {
            io_uring_prep_nop(io_uring_get_sqe(ring));
        }
        io_uring_submit_and_wait(ring, depth);
        io_uring_for_each_cqe(ring, head, cqe)
        {
            bad |= cqe->res;
            count++;
        }
        io_uring_cq_advance(ring, count);
        bad |= count != depth;
    }
    bench_stop(run);
    if (bad) {
        bench_die("a no-op failed, or did not complete at once");
    }
}

static void ring_close(void *self)
{
    io_uring_queue_exit(self);
    free(self);
}

static const bench_contestant floor_ring = {"floor", BENCH_FLOOR, ring_open, ring_round,
                                            ring_close};

/* ---- epoll and eventfd ----------------------------------------------------------------------- */

struct poll {
    int epoll;
    int fds[MOST];
};

static void *poll_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct poll *poll = bench_alloc(1, sizeof *poll, 0);
    (void)env, (void)why;
    poll->epoll = (int)bench_check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    for (unsigned i = 0; i < of->size; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        poll->fds[i] = (int)bench_check(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd");
        bench_check(epoll_ctl(poll->epoll, EPOLL_CTL_ADD, poll->fds[i], &event), "epoll_ctl");
    }
    return poll;
}

static void poll_round(void *self, bench_run *run)
{
    struct poll *poll = self;
    int depth = (int)run->of->size;
    uint64_t batches = (run->ops + (unsigned)depth - 1) / (unsigned)depth, value = 1;
    bool bad = false;

    run->ops = batches * (unsigned)depth;
    bench_start(run);
    for (uint64_t i = 0; i < batches; i++) {
        struct epoll_event events[MOST];
        for (int j = 0; j < depth; j++) {
            bad |= write(poll->fds[j], &value, sizeof value) < 0;
        }
        bad |= epoll_wait(poll->epoll, events, MOST, -1) != depth;
        for (int j = 0; j < depth; j++) {
            bad |= read(poll->fds[events[j].data.u32], &value, sizeof value) < 0;
        }
    }
    bench_stop(run);
    if (bad) {
        bench_die("epoll with eventfd failed");
    }
}

static void poll_close(void *self)
{
    struct poll *poll = self;
    for (unsigned i = 0; i < MOST && poll->fds[i]; i++) {
        close(poll->fds[i]);
    }
    close(poll->epoll);
    free(poll);
}

static const bench_contestant peer_poll = {"epoll+eventfd", BENCH_PEER, poll_open, poll_round,
                                           poll_close};

/* ---- cede ------------------------------------------------------------------------------------ */

struct trips {
    cede_loop *loop;
    uint64_t left;
    cede_req reqs[MOST];
};

static void on_trip(cede_req *req, cede_result r)
{
    struct trips *trips = req->user_data;
    bench_cede_check(r.status, "roundtrip");
    if (trips->left) {
        trips->left--;
        cede_prep_roundtrip(req);
        cede_submit(trips->loop, req, on_trip);
    }
}

static void *trips_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct trips *trips = bench_alloc(1, sizeof *trips, 0);
    (void)env, (void)of, (void)why;
    trips->loop = bench_cede_open(0);
    for (unsigned i = 0; i < MOST; i++) {
        trips->reqs[i].user_data = trips;
    }
    return trips;
}

static void trips_round(void *self, bench_run *run)
{
    struct trips *trips = self;
    unsigned depth = (unsigned)run->of->size;
    run->ops = run->ops < depth ? depth : run->ops;
    trips->left = run->ops - depth;
    bench_start(run);
    for (unsigned i = 0; i < depth; i++) {
        cede_prep_roundtrip(&trips->reqs[i]);
        cede_submit(trips->loop, &trips->reqs[i], on_trip);
    }
    cede_run(trips->loop, CEDE_FOREVER);
    bench_stop(run);
}

static void trips_close(void *self)
{
    struct trips *trips = self;
    bench_cede_close(trips->loop);
    free(trips);
}

static const bench_contestant side_cede = {"cede", BENCH_CEDE, trips_open, trips_round,
                                           trips_close};

/* ---- The row --------------------------------------------------------------------------------- */

#define CASE(text, depth)                                                                          \
    {                                                                                              \
        .name = text, .size = depth, .plotted = 1, .instructions = true,                           \
        .instructions_above_floor = 60, .measures = {{"wall", "ns", false}, {"CPU", "ns", false}}, \
        .contestants = {&floor_ring, &peer_poll, &side_cede}, .goals = {                           \
            {"at most 1.10 of the floor", BENCH_CONTESTANT, 1, 0, "floor", 1.10},                  \
            {"ahead of every peer", BENCH_BEST_PEER, 1, 0, NULL, 0.999}                            \
        }                                                                                          \
    }

static const bench_case cases[] = {CASE("depth 1", 1), CASE("depth 32", 32)};

const bench_row bench_b2 = {"B2", "kernel no-op", cases, 2};
