/*
 * sim_your_code: your own cancel code, tested in a simulated kernel.
 *
 * The first half is a program like yours: it copies a file, piece by piece, with a deadline; it may
 * be cancelled at any moment; whatever happens, no half-written file stays behind. The second half
 * runs it in five hundred kernels of bad manners, then along every schedule of a small variant, and
 * judges each run. A careless sister, who forgets one race, is found out and shown.
 *
 *     usage: sim_your_code
 */
#include "cede/cede.h"
#include "cede/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Your code ------------------------------------------------------------------------------- */

#define PIECE 64

struct copy {
    cede_req scope; /* the life of the copy: cancelled, everything in it ends */
    cede_req io;    /* the one operation that is under way */
    cede_loop *loop;
    const char *to_path;
    cede_handle from, to;
    uint64_t offset;
    bool careless;
    bool made; /* the destination is there because of us */
    cede_status *outcome;
    char buffer[PIECE];
};

static void on_read(cede_req *req, cede_result r);

static void read_piece(struct copy *copy, cede_ticket life)
{
    cede_prep_read(&copy->io, copy->from, copy->buffer, PIECE, (int64_t)copy->offset);
    cede_in(&copy->io, life);
    cede_submit(copy->loop, &copy->io, on_read);
}

static void on_written(cede_req *req, cede_result r)
{
    struct copy *copy = CEDE_CONTAINER(req, struct copy, io);
    if (r.status) {
        cede_fail(r.scope, r.status);
        return;
    }
    copy->offset += r.count;
    read_piece(copy, r.scope);
}

static void on_read(cede_req *req, cede_result r)
{
    struct copy *copy = CEDE_CONTAINER(req, struct copy, io);
    if (r.status) {
        cede_fail(r.scope, r.status);
        return;
    }
    if (r.count == 0)
        return; /* the end: nothing is left in the scope, so it ends, with success */
    cede_prep_write_all(&copy->io, copy->to, copy->buffer, r.count, (int64_t)copy->offset);
    cede_in(&copy->io, r.scope);
    cede_submit(copy->loop, &copy->io, on_written);
}

static void on_made(cede_req *req, cede_result r)
{
    struct copy *copy = CEDE_CONTAINER(req, struct copy, io);
    /* Cancelling does not revoke a completion: asked for or not, the file may be there. The
     * careless sister thinks that what she has cancelled has not happened. */
    if (copy->careless && (r.flags & CEDE_CANCEL_ASKED) && r.handle) {
        cede_drop(r.handle);
        return;
    }
    if (r.status) {
        cede_fail(r.scope, r.status);
        return;
    }
    copy->made = true;
    copy->to = r.handle;
    cede_own(r.scope, r.handle);
    read_piece(copy, r.scope);
}

static void on_opened(cede_req *req, cede_result r)
{
    struct copy *copy = CEDE_CONTAINER(req, struct copy, io);
    if (r.status) {
        cede_fail(r.scope, r.status);
        return;
    }
    copy->from = r.handle;
    cede_own(r.scope, r.handle);
    cede_prep_open(&copy->io, copy->to_path,
                   CEDE_OPEN_WRITE | CEDE_OPEN_CREATE | CEDE_OPEN_EXCLUSIVE, 0644);
    cede_in(&copy->io, r.scope);
    cede_submit(copy->loop, &copy->io, on_made);
}

static void on_removed(cede_req *req, cede_result r)
{
    struct copy *copy = CEDE_CONTAINER(req, struct copy, io);
    if (r.status)
        *copy->outcome = r.status;
    free(copy);
}

/* Comes last: nothing is under way any more, both files are closed. */
static void on_end(cede_req *req, cede_result r)
{
    struct copy *copy = CEDE_CONTAINER(req, struct copy, scope);
    *copy->outcome = r.status;
    if (r.status == CEDE_OK || !copy->made) {
        free(copy);
        return;
    }
    cede_prep_unlink(&copy->io, copy->to_path);
    cede_submit(copy->loop, &copy->io, on_removed);
}

/* Starts a copy; cancel the ticket to end it. *outcome is written when it is over. */
static cede_ticket start_copy(cede_loop *loop, const char *from, const char *to, uint64_t within_ns,
                              bool careless, cede_status *outcome)
{
    struct copy *copy = calloc(1, sizeof *copy);
    if (!copy) {
        *outcome = CEDE_ENOMEM;
        return (cede_ticket){0, 0};
    }
    copy->loop = loop;
    copy->to_path = to;
    copy->careless = careless;
    copy->outcome = outcome;
    cede_prep_scope(&copy->scope);
    cede_within(&copy->scope, within_ns);
    cede_ticket life = cede_submit(loop, &copy->scope, on_end);
    cede_prep_open(&copy->io, from, CEDE_OPEN_READ, 0);
    cede_in(&copy->io, life);
    cede_submit(loop, &copy->io, on_opened);
    CEDE_GONE(copy);
    return life;
}

/* ---- Its test -------------------------------------------------------------------------------- */

struct test {
    size_t bytes;
    uint64_t step_ns; /* a cancel comes after 1 to 7 of these, the deadline after 4 */
    bool full_disk;   /* now and then, a write fails */
    bool careless;
    uint64_t copied, cancelled, late, failed; /* how the runs ended */
};

enum { ALL_WELL, LOOP_FAILED, NEVER_ENDED, WRONG_COPY, HALF_LEFT, HANDLE_LEAKED };

static const char *const verdicts[] = {
    "all was well",
    "the loop failed",
    "the copy never ended",
    "the copy is no copy",
    "a half-written file is left",
    "a handle leaked",
};

static struct cancel_later {
    cede_req timer;
    cede_ticket life;
} later;

static void on_time(cede_req *req, cede_result r)
{
    (void)r;
    cede_cancel(CEDE_CONTAINER(req, struct cancel_later, timer)->life);
}

static int judge(cede_sim *world, struct test *test, cede_status outcome, const char *data)
{
    char copied[1024];
    cede_sim_counts counts;
    int64_t there = cede_sim_get(world, "/to", 0, copied, sizeof copied);
    cede_sim_count(world, &counts);
    test->copied += outcome == CEDE_OK;
    test->cancelled += outcome == CEDE_ECANCELED;
    test->late += outcome == CEDE_EDEADLINE;
    test->failed += outcome == CEDE_ENOSPC;
    if (outcome == 1)
        return NEVER_ENDED;
    if (outcome == CEDE_OK &&
        (there != (int64_t)test->bytes || memcmp(copied, data, test->bytes) != 0))
        return WRONG_COPY;
    if (outcome != CEDE_OK && there != CEDE_ENOENT)
        return HALF_LEFT;
    return counts.open ? HANDLE_LEAKED : ALL_WELL;
}

/* One run, in a new world each time: a copy, a deadline, and a cancel at a moment that the world
 * chooses. */
static int run_once(cede_sim *world, void *context)
{
    struct test *test = context;
    char data[1024];
    cede_sim_config config = {.world = world};
    cede_options options = {.backend_table = &cede_sim_backend, .backend_config = &config};
    cede_loop *loop;
    cede_status outcome = 1;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)('a' + i % 26);
    if (cede_sim_put(world, "/from", data, test->bytes) || cede_loop_open(&options, &loop))
        return LOOP_FAILED;
    if (test->full_disk && cede_sim_choose(world, 4) == 1) {
        cede_sim_target writes = {.op = CEDE_OP_WRITE_ALL, .skip = cede_sim_choose(world, 6)};
        (void)cede_sim_fail(world, &writes, CEDE_ENOSPC);
    }
    later.life = start_copy(loop, "/from", "/to", 4 * test->step_ns, test->careless, &outcome);
    uint32_t when = cede_sim_choose(world, 8);
    if (when > 0) {
        cede_prep_timer(&later.timer, when * test->step_ns);
        cede_submit(loop, &later.timer, on_time);
    }
    if (cede_run(loop, CEDE_FOREVER) < 0 || cede_loop_close(loop, CEDE_FOREVER))
        return LOOP_FAILED;
    return judge(world, test, outcome, data);
}

static void print_line(void *context, const char *line)
{
    (void)context;
    printf("        %s\n", line);
}

static void report(const char *what, const struct test *test, const cede_sim_stats *stats)
{
    char text[256];
    printf("%s: %llu runs, %llu decisions\n", what, (unsigned long long)stats->runs,
           (unsigned long long)stats->choices);
    printf("    %llu copied, %llu cancelled, %llu late, %llu with a full disk\n",
           (unsigned long long)test->copied, (unsigned long long)test->cancelled,
           (unsigned long long)test->late, (unsigned long long)test->failed);
    if (stats->failure == 0)
        printf("    %s\n", verdicts[ALL_WELL]);
    else
        printf("    found: %s, with %s\n",
               stats->failure > 0 ? verdicts[stats->failure] : cede_strerror(stats->failure),
               cede_sim_explain(stats, text, sizeof text));
}

int main(void)
{
    cede_sim_stats stats;
    int failures = 0;

    /* 500 kernels that shorten, delay, reorder, and lose cancels. */
    cede_sim_config rough = cede_sim_rough(1);
    struct test seeds = {.bytes = 200, .step_ns = 120 * CEDE_MICROSECOND, .full_disk = true};
    failures += cede_sim_seeds(&rough, run_once, &seeds, 1, 500, &stats) != CEDE_OK;
    report("500 seeds", &seeds, &stats);

    /* Every schedule of a small variant: one piece; cancels and reports may come late. */
    cede_sim_config small = {.cancel_lose_permille = 500, .late_permille = 500};
    struct test all = {.bytes = 10, .step_ns = 30 * CEDE_MICROSECOND};
    failures += cede_sim_explore(&small, run_once, &all, 12, 0, &stats) != CEDE_OK;
    report("every schedule, to 12 decisions", &all, &stats);

    /* The careless sister: found, and the run that found her shown. */
    struct test careless = {.bytes = 10, .step_ns = 30 * CEDE_MICROSECOND, .careless = true};
    bool found = cede_sim_explore(&small, run_once, &careless, 12, 0, &stats) != CEDE_OK;
    report("the careless sister", &careless, &stats);
    if (found) {
        small.trace = print_line;
        (void)cede_sim_replay(&small, run_once, &careless, stats.choice, stats.choice_count);
    }
    return failures == 0 && found ? 0 : 1;
}
