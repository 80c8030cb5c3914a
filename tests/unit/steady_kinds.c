/*
 * The kinds of operation whose steady state is looked at. Most are lanes: so many requests in
 * flight, each begun anew in its callback.
 */
#include "steady.h"
#include "unit.h"

#include <stdatomic.h>
#include <string.h>

#include "../port.h"

#define LANES 32u
#define BYTES 512u
#define ROUND 12u /* what a lane makes is gone again after so many (start_path) */

typedef struct lane lane;
typedef void start_fn(lane *);

struct lane {
    cede_req req, aside;
    cede_req member[4];
    steady *s;
    start_fn *start;
    uint64_t left;
    cede_ticket ticket;
    cede_status expected;
    unsigned number;
    _Alignas(8) char data[BYTES];
};

static lane lanes[LANES];
static uint64_t returned;

static void begin(lane *l)
{
    if (l->left == 0)
        return;
    l->left--;
    l->start(l);
}

static void judge(const lane *l, cede_result r)
{
    returned++;
    REQUIRE(r.status == l->expected, "%s instead of %s", cede_status_name(r.status),
            cede_status_name(l->expected));
}

static void again(cede_req *req, cede_result r)
{
    lane *l = req->user_data;
    judge(l, r);
    begin(l);
}

static void counted(cede_req *req, cede_result r)
{
    (void)req, (void)r;
    returned++;
}

/* `each`: how many operations a start stands for. */
static uint64_t run_lanes(steady *s, start_fn *start, uint64_t operations, unsigned each,
                          cede_status expected)
{
    returned = 0;
    for (unsigned i = 0; i < LANES; i++) {
        lane *l = &lanes[i];
        l->s = s;
        l->start = start;
        l->number = i;
        l->expected = expected;
        l->left = (operations / (LANES * each) + ROUND - 1) / ROUND * ROUND;
        l->req.user_data = l->aside.user_data = l;
        begin(l);
    }
    REQUIRE(cede_run(s->loop, CEDE_FOREVER) >= 0, "the loop broke");
    return returned;
}

static void submit(lane *l)
{
    l->ticket = cede_submit(l->s->loop, &l->req, again);
}

/* ---- The core's own ------------------------------------------------------------------------- */

static void start_nop(lane *l)
{
    cede_prep_nop(&l->req);
    submit(l);
}

static void start_roundtrip(lane *l)
{
    cede_prep_roundtrip(&l->req);
    submit(l);
}

static void start_timer(lane *l)
{
    cede_prep_timer(&l->req, (1 + l->number % 4) * 20 * CEDE_MICROSECOND);
    submit(l);
}

/* Put off, taken back, put forward: three places on the wheel. */
static void start_moved_timer(lane *l)
{
    cede_prep_timer(&l->req, CEDE_SECOND);
    submit(l);
    cede_extend(l->ticket, 3600 * CEDE_SECOND);
    cede_extend(l->ticket, CEDE_FOREVER);
    cede_extend(l->ticket, 20 * CEDE_MICROSECOND);
}

static void start_pend(lane *l)
{
    cede_prep_pend(&l->req);
    submit(l);
    cede_complete(l->ticket, CEDE_OK, l->number);
}

static void start_pend_with_deadline(lane *l)
{
    cede_prep_pend(&l->req);
    cede_within(&l->req, 20 * CEDE_MICROSECOND);
    submit(l);
}

static void start_cancelled_pend(lane *l)
{
    cede_prep_pend(&l->req);
    submit(l);
    cede_cancel(l->ticket);
}

static void start_scope(lane *l)
{
    cede_prep_scope(&l->req);
    submit(l);
    for (unsigned i = 0; i < 4; i++) {
        if (i % 2)
            cede_prep_pend(&l->member[i]);
        else
            cede_prep_nop(&l->member[i]);
        cede_in(&l->member[i], l->ticket);
        (void)cede_submit(l->s->loop, &l->member[i], counted);
    }
    cede_cancel(l->ticket);
}

static void start_chain(lane *l)
{
    cede_prep_nop(&l->member[0]);
    cede_prep_roundtrip(&l->member[1]);
    cede_prep_nop(&l->req);
    cede_link(&l->member[0], &l->member[1], counted);
    cede_link(&l->member[1], &l->req, again);
    (void)cede_submit(l->s->loop, &l->member[0], counted);
}

static void start_refused(lane *l)
{
    cede_prep_read(&l->req, 0, l->data, sizeof l->data, 0);
    submit(l);
}

/* ---- The kernel's --------------------------------------------------------------------------- */

static cede_status little_work(void *argument, uint64_t *count)
{
    *count = (uintptr_t)argument;
    return CEDE_OK;
}

static void start_work(lane *l)
{
    cede_prep_work(&l->req, little_work, l);
    submit(l);
}

static void start_write(lane *l)
{
    cede_prep_write(&l->req, l->s->file, l->data, sizeof l->data, l->number * BYTES);
    submit(l);
}

static void start_read(lane *l)
{
    cede_prep_read(&l->req, l->s->file, l->data, sizeof l->data, l->number * BYTES);
    submit(l);
}

static void start_vectors(lane *l)
{
    static cede_vec pieces[LANES][2];
    cede_vec *v = pieces[l->number];
    v[0] = (cede_vec){l->data, BYTES / 2};
    v[1] = (cede_vec){l->data + BYTES / 2, BYTES / 2};
    if (l->left % 2)
        cede_prep_readv(&l->req, l->s->file, v, 2, l->number * BYTES);
    else
        cede_prep_writev(&l->req, l->s->file, v, 2, l->number * BYTES);
    submit(l);
}

static void start_whole(lane *l)
{
    if (l->left % 2)
        cede_prep_read_all(&l->req, l->s->file, l->data, BYTES, l->number * BYTES);
    else
        cede_prep_write_all(&l->req, l->s->file, l->data, BYTES, l->number * BYTES);
    submit(l);
}

static void start_stat(lane *l)
{
    static cede_stat stats[LANES];
    cede_prep_stat_handle(&l->req, l->s->file, &stats[l->number]);
    submit(l);
}

/* As many reads as writes, so that the last of both come back. */
static void start_pipe(lane *l)
{
    if (l->number % 2)
        cede_prep_read(&l->req, l->s->in, l->data, BYTES, CEDE_CURRENT);
    else
        cede_prep_write(&l->req, l->s->out, l->data, BYTES, CEDE_CURRENT);
    submit(l);
}

static void cancel_it(cede_req *req, cede_result r)
{
    const lane *l = req->user_data;
    (void)r;
    returned++;
    cede_cancel(l->ticket);
}

/* The same, from lent memory and from a file. */
static void start_sends(lane *l)
{
    if (l->number % 2)
        cede_prep_read_all(&l->req, l->s->in, l->data, BYTES, CEDE_CURRENT);
    else if (l->number % 4)
        cede_prep_send_zero_copy(&l->req, l->s->out, l->data, BYTES);
    else
        cede_prep_send_file(&l->req, l->s->out, l->s->file, 0, BYTES);
    submit(l);
}

static void ignored(cede_req *req, cede_result r)
{
    (void)req, (void)r;
}

static void start_cancelled_signals(lane *l)
{
    cede_prep_signal_many(&l->req, CEDE_SIGNAL_STOPS, ignored);
    submit(l);
    cede_prep_roundtrip(&l->aside);
    (void)cede_submit(l->s->loop, &l->aside, cancel_it);
}

static void start_poll(lane *l)
{
    cede_prep_poll(&l->req, l->s->empty, CEDE_POLL_IN);
    cede_within(&l->req, 20 * CEDE_MICROSECOND);
    submit(l);
}

/* The round trip lets the read get into the kernel first; those behind it are held. */
static void start_cancelled_read(lane *l)
{
    cede_prep_read(&l->req, l->s->empty, l->data, sizeof l->data, CEDE_CURRENT);
    submit(l);
    cede_prep_roundtrip(&l->aside);
    (void)cede_submit(l->s->loop, &l->aside, cancel_it);
}

static void start_read_with_deadline(lane *l)
{
    cede_prep_read(&l->req, l->s->empty, l->data, sizeof l->data, CEDE_CURRENT);
    cede_within(&l->req, 20 * CEDE_MICROSECOND);
    submit(l);
}

static void opened(cede_req *req, cede_result r)
{
    lane *l = req->user_data;
    judge(l, r);
    if (l->left % 4 == 0) {
        cede_drop(r.handle);
        returned++;
        begin(l);
        return;
    }
    cede_prep_close(&l->req, r.handle);
    submit(l);
}

static void start_open(lane *l)
{
    cede_prep_open(&l->aside, l->s->path, CEDE_OPEN_READ, 0);
    (void)cede_submit(l->s->loop, &l->aside, opened);
}

/* Wine makes none, and Windows only for those who may. */
#ifdef _WIN32
#define HAS_LINKS false
#else
#define HAS_LINKS true
#endif

/* Each lane has names of its own, which it makes, moves and removes. */
static void start_path(lane *l)
{
    static char here[LANES][64], there[LANES][64];
    static cede_stat stats[LANES];
    char *from = here[l->number], *to = there[l->number];
    switch (l->left % 6) {
    case 5:
        (void)snprintf(from, 64, "%s/a%u", l->s->folder, l->number);
        (void)snprintf(to, 64, "%s/b%u", l->s->folder, l->number);
        if (HAS_LINKS)
            cede_prep_symlink(&l->req, "somewhere", from);
        else
            cede_prep_mkdir(&l->req, from, 0700);
        break;
    case 4:
        cede_prep_rename(&l->req, from, to, 0);
        break;
    case 3:
        cede_prep_stat(&l->req, to, &stats[l->number], CEDE_NOFOLLOW);
        break;
    case 2:
        if (HAS_LINKS)
            cede_prep_unlink(&l->req, to);
        else
            cede_prep_rmdir(&l->req, to);
        break;
    case 1:
        cede_prep_mkdir(&l->req, from, 0700);
        break;
    default:
        cede_prep_rmdir(&l->req, from);
        break;
    }
    submit(l);
}

/* What is done to open files beside reading and writing. */
static void start_handle(lane *l)
{
    switch (l->left % 4) {
    case 0:
        cede_prep_truncate(&l->req, l->s->file, 65536);
        break;
    case 1:
        cede_prep_set_times(&l->req, l->s->file, CEDE_TIME_KEEP, 1);
        break;
    case 2:
        cede_prep_set_mode(&l->req, l->s->file, 0600);
        break;
    default:
        cede_prep_copy(&l->req, l->s->file, 0, l->s->file, 32768, 4096);
        break;
    }
    submit(l);
}

/* ---- From another thread -------------------------------------------------------------------- */

static struct {
    cede_loop *loop;
    uint64_t left;
    _Atomic uint32_t free[LANES];
    cede_ticket keep; /* what keeps the loop from being idle meanwhile */
} remote;

static void remote_done(cede_req *req, cede_result r)
{
    const lane *l = req->user_data;
    REQUIRE(r.status == CEDE_OK || r.status == CEDE_ECANCELED, "%s", cede_status_name(r.status));
    returned++;
    atomic_store_explicit(&remote.free[l->number], 1, memory_order_release);
}

/* Submits, completes and cancels, by turns. */
static void remote_thread(void *unused)
{
    uint64_t left = remote.left;
    (void)unused;
    while (left > 0) {
        for (unsigned i = 0; i < LANES && left > 0; i++) {
            lane *l = &lanes[i];
            cede_ticket ticket;
            if (!atomic_exchange_explicit(&remote.free[i], 0, memory_order_acquire))
                continue;
            left--;
            if (left % 4) {
                cede_prep_nop(&l->req);
                cede_submit_remote(remote.loop, &l->req, remote_done, NULL);
                continue;
            }
            cede_prep_pend(&l->req);
            cede_submit_remote(remote.loop, &l->req, remote_done, &ticket);
            if (left % 8)
                cede_cancel(ticket);
            else
                cede_complete(ticket, CEDE_OK, left);
            cede_cancel(ticket);
        }
        port_yield();
    }
    cede_complete(remote.keep, CEDE_OK, 0);
}

static uint64_t run_remote(steady *s, uint64_t operations)
{
    static cede_req keep;
    port_thread thread;
    returned = 0;
    remote.loop = s->loop;
    remote.left = operations;
    for (unsigned i = 0; i < LANES; i++) {
        lanes[i].number = i;
        lanes[i].req.user_data = &lanes[i];
        atomic_store(&remote.free[i], 1);
    }
    cede_prep_pend(&keep);
    remote.keep = cede_submit(s->loop, &keep, counted);
    port_start(&thread, remote_thread, NULL);
    REQUIRE(cede_run(s->loop, CEDE_FOREVER) >= 0, "the loop broke");
    port_join(&thread);
    REQUIRE(cede_run(s->loop, CEDE_FOREVER) >= 0, "the loop broke");
    return returned;
}

/* ---- The list ------------------------------------------------------------------------------- */

#define LANE_KIND(name, each, expected)                                \
    static uint64_t run_##name(steady *s, uint64_t operations)         \
    {                                                                  \
        return run_lanes(s, start_##name, operations, each, expected); \
    }
#define LANE_KINDS(X)                        \
    X(nop, 1, CEDE_OK)                       \
    X(roundtrip, 1, CEDE_OK)                 \
    X(timer, 1, CEDE_OK)                     \
    X(moved_timer, 1, CEDE_OK)               \
    X(pend, 1, CEDE_OK)                      \
    X(pend_with_deadline, 1, CEDE_EDEADLINE) \
    X(cancelled_pend, 1, CEDE_ECANCELED)     \
    X(scope, 5, CEDE_ECANCELED)              \
    X(chain, 3, CEDE_OK)                     \
    X(refused, 1, CEDE_EBADF)                \
    X(work, 1, CEDE_OK)                      \
    X(write, 1, CEDE_OK)                     \
    X(read, 1, CEDE_OK)                      \
    X(vectors, 1, CEDE_OK)                   \
    X(whole, 1, CEDE_OK)                     \
    X(stat, 1, CEDE_OK)                      \
    X(pipe, 1, CEDE_OK)                      \
    X(sends, 1, CEDE_OK)                     \
    X(cancelled_signals, 2, CEDE_ECANCELED)  \
    X(cancelled_read, 2, CEDE_ECANCELED)     \
    X(read_with_deadline, 1, CEDE_EDEADLINE) \
    X(open, 2, CEDE_OK)

LANE_KINDS(LANE_KIND)
LANE_KIND(path, 1, CEDE_OK)
LANE_KIND(handle, 1, CEDE_OK)

/* Windows has none of pipes. */
static cede_status polled(const steady *s)
{
    bool windows = strncmp(cede_backend_name(s->loop), "win32-", 6) == 0;
    return windows ? CEDE_ENOTSUP : CEDE_EDEADLINE;
}

LANE_KIND(poll, 1, polled(s))

#define ROW(name, each, expected) {#name, run_##name, 1},
const steady_kind steady_kinds[] = {LANE_KINDS(ROW){"remote", run_remote, 1},
                                    {"path", run_path, 2},
                                    {"handle", run_handle, 2},
                                    {"poll", run_poll, 2},
                                    {NULL, NULL, 0}};
