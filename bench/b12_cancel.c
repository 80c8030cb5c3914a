/*
 * B12: cancelling pending reads in random order: from the first cancel to the last completion.
 *
 * A round makes so many reads of an empty pipe pending, each on a duplicate descriptor of its own
 * (ten to a descriptor where there are more reads than that), and cancels them all. Only the
 * cancels and the reaping of what was cancelled are measured.
 *
 * floor     a raw ring: ASYNC_CANCEL by user_data, without completions of their own, flushed and
 *           reaped in batches; the completion queue as large as it goes, for the kernel sizes its
 *           table of cancellable operations by it
 * libuv     uv_poll_start, then uv_close until its callback: how its memory comes back
 * libevent  event_add, then event_del, which has no completion at all
 * cede      reads through as many handles, cede_cancel, each done
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cede/cede.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <uv.h>

enum { DESCRIPTORS = 10000, BYTES = 16, BATCH = 256 };

/* Descriptors and the order of cancelling; buffers are never written. */
struct field {
    uint32_t count, fd_count;
    int pipe[2];
    int *fds;
    uint32_t *order;
    unsigned char *buffers;
};

static bool field_open(struct field *field, const bench_case *of, const char **why)
{
    struct rlimit limit;
    field->count = (uint32_t)of->size;
    field->fd_count = field->count < DESCRIPTORS ? field->count : DESCRIPTORS;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < field->fd_count + 1000u) {
        *why = "not enough descriptors (ulimit -Hn)";
        return false;
    }
    field->fds = bench_alloc(field->fd_count, sizeof *field->fds, 0);
    field->order = bench_permutation(field->count, 12);
    field->buffers = bench_alloc(field->count, BYTES, 64);
    return true;
}

static void field_close(struct field *field)
{
    free(field->fds);
    free(field->order);
    free(field->buffers);
}

/* The descriptors live for one round: those of all contestants at once would be too many. */
static void field_dup(struct field *field)
{
    bench_check(pipe2(field->pipe, O_CLOEXEC), "pipe2");
    for (uint32_t i = 0; i < field->fd_count; i++) {
        field->fds[i] = (int)bench_check(fcntl(field->pipe[0], F_DUPFD_CLOEXEC, 0), "dup");
    }
}

static void field_undup(struct field *field)
{
    for (uint32_t i = 0; i < field->fd_count; i++) {
        close(field->fds[i]);
    }
    close(field->pipe[0]);
    close(field->pipe[1]);
}

static int field_fd(const struct field *field, uint32_t which)
{
    return field->fds[which % field->fd_count];
}

/* ---- floor ----------------------------------------------------------------------------------- */

struct rings {
    struct field field;
    struct io_uring ring;
    uint32_t pending;
};

static void *rings_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct rings *rings = bench_alloc(1, sizeof *rings, 0);
    (void)env;
    if (!field_open(&rings->field, of, why)) {
        free(rings);
        return NULL;
    }
    bench_ring_open(&rings->ring, BATCH, 65536);
    return rings;
}

/* Flushes, waiting for `least` completions, and takes what has come. */
static void rings_turn(struct rings *rings, unsigned least)
{
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    bench_check_neg(io_uring_submit_and_wait(&rings->ring, least), "io_uring_enter");
    /* Without waiting liburing does not ask for what was cancelled just now; the kernel has it
     * in its list of deferred work. */
    if (least == 0) {
        bench_check_neg(io_uring_get_events(&rings->ring), "io_uring_enter");
    }
    io_uring_for_each_cqe(&rings->ring, head, cqe)
    {
        if (cqe->res != -ECANCELED) {
            bench_die("a cancelled read ended with %d", cqe->res);
        }
        count++;
    }
    io_uring_cq_advance(&rings->ring, count);
    rings->pending -= count;
}

static struct io_uring_sqe *rings_sqe(struct rings *rings)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&rings->ring);
    if (!sqe) {
        rings_turn(rings, 0);
        sqe = io_uring_get_sqe(&rings->ring);
    }
    return sqe;
}

static void rings_round(void *self, bench_run *run)
{
    struct rings *rings = self;
    struct field *field = &rings->field;
    field_dup(field);
    rings->pending = field->count;
    for (uint32_t i = 0; i < field->count; i++) {
        struct io_uring_sqe *sqe = rings_sqe(rings);
        io_uring_prep_read(sqe, field_fd(field, i), field->buffers + i * BYTES, BYTES,
                           (uint64_t)-1);
        io_uring_sqe_set_data64(sqe, i + 1);
    }
    rings_turn(rings, 0);
    run->ops = field->count;
    bench_start(run);
    for (uint32_t i = 0; i < field->count; i++) {
        struct io_uring_sqe *sqe = rings_sqe(rings);
        io_uring_prep_cancel64(sqe, field->order[i] + 1, 0);
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    }
    while (rings->pending) {
        rings_turn(rings, 1);
    }
    bench_stop(run);
    field_undup(field);
}

static void rings_close(void *self)
{
    struct rings *rings = self;
    io_uring_queue_exit(&rings->ring);
    field_close(&rings->field);
    free(rings);
}

static const bench_contestant floor_ring = {"floor", BENCH_FLOOR, rings_open, rings_round,
                                            rings_close};

/* ---- libuv ----------------------------------------------------------------------------------- */

struct uvs {
    struct field field;
    uv_loop_t loop;
    uint32_t closed;
    uv_poll_t polls[DESCRIPTORS];
};

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)poll, (void)status, (void)events;
    bench_die("an empty pipe became readable");
}

static void on_closed(uv_handle_t *handle)
{
    ((struct uvs *)handle->data)->closed++;
}

static void *uvs_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct uvs *uvs = bench_alloc(1, sizeof *uvs, 0);
    (void)env;
    *why = "one poll to a descriptor: not enough descriptors";
    if (of->size > DESCRIPTORS || !field_open(&uvs->field, of, why)) {
        free(uvs);
        return NULL;
    }
    bench_check_neg(uv_loop_init(&uvs->loop), "uv_loop_init");
    return uvs;
}

static void uvs_round(void *self, bench_run *run)
{
    struct uvs *uvs = self;
    struct field *field = &uvs->field;
    field_dup(field);
    for (uint32_t i = 0; i < field->count; i++) {
        uvs->polls[i].data = uvs;
        bench_check_neg(uv_poll_init(&uvs->loop, &uvs->polls[i], field->fds[i]), "uv_poll_init");
        uv_poll_start(&uvs->polls[i], UV_READABLE, on_ready);
    }
    uv_run(&uvs->loop, UV_RUN_NOWAIT); /* only here the descriptors go to epoll */
    uvs->closed = 0;
    run->ops = field->count;
    bench_start(run);
    for (uint32_t i = 0; i < field->count; i++) {
        uv_close((uv_handle_t *)&uvs->polls[field->order[i]], on_closed);
    }
    uv_run(&uvs->loop, UV_RUN_DEFAULT);
    bench_stop(run);
    if (uvs->closed != field->count) {
        bench_die("libuv: not all polls were closed");
    }
    field_undup(field);
}

static void uvs_close(void *self)
{
    struct uvs *uvs = self;
    bench_check_neg(uv_loop_close(&uvs->loop), "uv_loop_close");
    field_close(&uvs->field);
    free(uvs);
}

static const bench_contestant peer_uv = {"libuv", BENCH_PEER, uvs_open, uvs_round, uvs_close};

/* ---- libevent -------------------------------------------------------------------------------- */

struct events {
    struct field field;
    struct event_base *base;
    struct event events[DESCRIPTORS];
};

static void on_event(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what, (void)argument;
    bench_die("an empty pipe became readable");
}

static void *events_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct events *events = bench_alloc(1, sizeof *events, 0);
    (void)env;
    *why = "not enough descriptors";
    if (of->size > DESCRIPTORS || !field_open(&events->field, of, why)) {
        free(events);
        return NULL;
    }
    events->base = bench_event_base(false);
    return events;
}

static void events_round(void *self, bench_run *run)
{
    struct events *events = self;
    struct field *field = &events->field;
    field_dup(field);
    for (uint32_t i = 0; i < field->count; i++) {
        event_assign(&events->events[i], events->base, field->fds[i], EV_READ | EV_PERSIST,
                     on_event, NULL);
        bench_check(event_add(&events->events[i], NULL), "event_add");
    }
    event_base_loop(events->base, EVLOOP_NONBLOCK);
    run->ops = field->count;
    bench_start(run);
    for (uint32_t i = 0; i < field->count; i++) {
        event_del(&events->events[field->order[i]]);
    }
    event_base_loop(events->base, EVLOOP_NONBLOCK);
    bench_stop(run);
    field_undup(field);
}

static void events_close(void *self)
{
    struct events *events = self;
    event_base_free(events->base);
    field_close(&events->field);
    free(events);
}

static const bench_contestant peer_event = {"libevent", BENCH_PEER, events_open, events_round,
                                            events_close};

/* ---- cede ------------------------------------------------------------------------------------ */

struct reads {
    struct field field;
    cede_loop *loop;
    uint32_t cancelled, waiting;
    cede_handle *handles;
    cede_ticket *tickets;
    cede_req *reqs;
};

static void on_read(cede_req *req, cede_result r)
{
    struct reads *reads = req->user_data;
    if (r.status != CEDE_ECANCELED) {
        bench_die("a cancelled read ended with %s", cede_status_name(r.status));
    }
    reads->cancelled++;
}

static void *reads_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct reads *reads = bench_alloc(1, sizeof *reads, 0);
    (void)env;
    if (!field_open(&reads->field, of, why)) {
        free(reads);
        return NULL;
    }
    reads->loop = bench_cede_open(0);
    reads->handles = bench_alloc(of->size, sizeof *reads->handles, 0);
    reads->tickets = bench_alloc(of->size, sizeof *reads->tickets, 0);
    reads->reqs = bench_alloc(of->size, sizeof *reads->reqs, 64);
    return reads;
}

static void note_waiting(void *context, const cede_pending *pending)
{
    struct reads *reads = context;
    reads->waiting += strcmp(pending->state, "INFLIGHT") != 0;
}

/* Each read is the first on its handle, so that none is held back behind another. */
static void reads_start(struct reads *reads)
{
    struct field *field = &reads->field;
    for (uint32_t i = 0; i < field->count; i++) {
        cede_req *req = &reads->reqs[i];
        reads->handles[i] = cede_import(field_fd(field, i), CEDE_KIND_PIPE, CEDE_IMPORT_BORROW);
        req->user_data = reads;
        cede_prep_read(req, reads->handles[i], field->buffers + i * BYTES, BYTES, CEDE_CURRENT);
        reads->tickets[i] = cede_submit(reads->loop, req, on_read);
    }
    do {
        cede_run(reads->loop, 0);
        reads->waiting = 0;
        cede_dump(reads->loop, note_waiting, reads);
    } while (reads->waiting);
}

static void reads_round(void *self, bench_run *run)
{
    struct reads *reads = self;
    struct field *field = &reads->field;
    field_dup(field);
    reads_start(reads);
    reads->cancelled = 0;
    run->ops = field->count;
    bench_start(run);
    for (uint32_t i = 0; i < field->count; i++) {
        cede_cancel(reads->tickets[field->order[i]]);
    }
    cede_run(reads->loop, CEDE_FOREVER);
    bench_stop(run);
    if (reads->cancelled != field->count) {
        bench_die("cede: not all reads came back");
    }
    for (uint32_t i = 0; i < field->count; i++) {
        cede_drop(reads->handles[i]);
    }
    cede_run(reads->loop, CEDE_FOREVER);
    field_undup(field);
}

static void reads_close(void *self)
{
    struct reads *reads = self;
    bench_cede_close(reads->loop);
    field_close(&reads->field);
    free(reads->handles);
    free(reads->tickets);
    free(reads->reqs);
    free(reads);
}

static const bench_contestant side_cede = {"cede", BENCH_CEDE, reads_open, reads_round,
                                           reads_close};

/* ---- The row --------------------------------------------------------------------------------- */

#define CASE(text, count, most, long)                                                  \
    {                                                                                  \
        .name = text, .size = count, .plotted = 1, .fixed = true, .slow = long,        \
        .rounds_max = most, .measures = {{"wall", "ns", false}, {"CPU", "ns", false}}, \
        .contestants = {&floor_ring, &peer_uv, &peer_event, &side_cede}, .goals = {    \
            {"at most 1.15 of the floor", BENCH_CONTESTANT, 1, 0, "floor", 1.15}       \
        }                                                                              \
    }

static const bench_case cases[] = {CASE("1k pending", 1000, 0, false),
                                   CASE("10k pending", 10000, 11, false),
                                   CASE("100k pending", 100000, 3, true)};

const bench_row bench_b12 = {"B12", "cancel to done", cases, 3};
