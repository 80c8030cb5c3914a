/*
 * What the simulated backend promises besides being a backend (cede/sim.h): holds, patience, loops
 * that share a world, bounds, named pipes, many runs, hashes of trees. One function a promise.
 */
#include "unit.h"

#include <string.h>

#include "cede/backend.h"
#include "cede/sim.h"

#include "../port.h"

typedef struct item {
    cede_req req;
    cede_ticket ticket;
    cede_result result;
    int done;
    char buffer[256];
} item;

static item a, b;
static unsigned lines;

static void on_done(cede_req *req, cede_result result)
{
    item *i = CEDE_CONTAINER(req, item, req);
    i->done++;
    i->result = result;
}

static void count_line(void *context, const char *line)
{
    (void)context, (void)line;
    lines++;
}

static cede_loop *loop_in(cede_sim *world)
{
    cede_sim_config in = {.world = world};
    cede_options options = CEDE_OPTIONS_INIT;
    cede_loop *loop;
    REQUIRE(world, "no world");
    options.backend_table = &cede_sim_backend;
    options.backend_config = &in;
    options.trace = count_line;
    REQUIRE(cede_loop_open(&options, &loop) == CEDE_OK, "no loop");
    return loop;
}

static void over(cede_loop *loop, cede_sim *world)
{
    REQUIRE(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK, "the loop did not close");
    REQUIRE(cede_sim_free(world) == CEDE_OK, "somebody lives in the world");
}

static void submit(cede_loop *loop, item *i)
{
    i->done = 0;
    i->ticket = cede_submit(loop, &i->req, on_done);
}

static cede_status perform(cede_loop *loop, item *i)
{
    submit(loop, i);
    REQUIRE(cede_wait(loop, i->ticket, CEDE_FOREVER) == CEDE_OK && i->done == 1, "not done");
    return i->result.status;
}

static cede_handle opened(cede_loop *loop, const char *path, uint32_t flags)
{
    static item i;
    cede_prep_open(&i.req, path, flags, 0644);
    return perform(loop, &i) == CEDE_OK ? i.result.handle : 0;
}

/* ---- Holds ---------------------------------------------------------------------------------- */

static void a_deaf_kernel_is_waited_for(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    cede_sim_target reads = {.op = CEDE_OP_READ};
    cede_handle file;
    uint32_t hold;
    REQUIRE(cede_sim_put(world, "/f", "hello", 5) == CEDE_OK, "no file");
    file = opened(loop, "f", CEDE_OPEN_READ);
    hold = cede_sim_hold(world, &reads, CEDE_SIM_AT_START | CEDE_SIM_DEAF);
    cede_prep_read(&a.req, file, a.buffer, 5, 0);
    cede_within(&a.req, CEDE_MILLISECOND);
    submit(loop, &a);
    REQUIRE(cede_wait(loop, a.ticket, 10 * CEDE_SECOND) == CEDE_EDEADLINE, "it was let go");
    REQUIRE(cede_sim_held(world, hold) == 1, "%" PRIu64 " held", cede_sim_held(world, hold));
    lines = 0;
    REQUIRE(cede_loop_close(loop, CEDE_SECOND) == CEDE_EDEADLINE, "closed over a pending read");
    REQUIRE(lines > 0, "the close did not say for whom it waits");
    REQUIRE(cede_sim_free(world) == CEDE_EBUSY, "freed under a loop");
    cede_sim_release(world, 0);
    over(loop, world);
    REQUIRE(a.done == 1 && a.result.status == CEDE_OK && a.result.count == 5, "%s",
            cede_status_name(a.result.status));
    REQUIRE(memcmp(a.buffer, "hello", 5) == 0, "other bytes");
}

/* Completed and not reported, by the clock and by a hold: a cancel comes too late. */
static void what_is_sealed_is_not_cancelled(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    cede_sim_counts counts;
    cede_handle file;
    uint32_t hold;
    REQUIRE(cede_sim_put(world, "/f", "hello", 5) == CEDE_OK, "no file");
    file = opened(loop, "f", CEDE_OPEN_READ);
    cede_prep_read(&a.req, file, a.buffer, 5, 0);
    submit(loop, &a);
    (void)cede_run(loop, 0);
    cede_sim_advance(world, CEDE_MILLISECOND);
    cede_sim_count(world, &counts);
    REQUIRE(counts.sealed == 1 && counts.in_flight == 1 && a.done == 0, "not sealed");
    cede_cancel(a.ticket);
    REQUIRE(cede_run(loop, CEDE_FOREVER) == 1 && a.result.count == 5, "the bytes are lost");
    hold = cede_sim_hold(world, NULL, CEDE_SIM_AT_END);
    cede_prep_read(&a.req, file, a.buffer, 5, 0);
    submit(loop, &a);
    (void)cede_run(loop, CEDE_MILLISECOND);
    cede_cancel(a.ticket);
    (void)cede_run(loop, CEDE_MILLISECOND);
    REQUIRE(a.done == 0 && cede_sim_held(world, hold) == 1, "it was let go");
    cede_sim_release(world, hold);
    REQUIRE(cede_run(loop, CEDE_FOREVER) == 1 && a.result.status == CEDE_OK, "%s",
            cede_status_name(a.result.status));
    over(loop, world);
}

/* ---- Threads, time, loops ------------------------------------------------------------------- */

static void complete_it(void *ticket)
{
    cede_complete(*(cede_ticket *)ticket, CEDE_OK, 7);
}

static void put_byte(void *pipe)
{
    (void)cede_sim_pipe_put(pipe, "x", 1);
}

static void another_thread_ends_a_sleep(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    port_thread thread;
    cede_handle reader;
    cede_sim_pipe *pipe = cede_sim_pipe_new(world, 0, &reader, NULL);
    for (int i = 0; i < 50; i++) {
        cede_prep_pend(&a.req);
        submit(loop, &a);
        port_start(&thread, complete_it, &a.ticket);
        REQUIRE(cede_run(loop, CEDE_FOREVER) == 1 && a.result.count == 7, "not completed");
        port_join(&thread);
        cede_prep_read(&a.req, reader, a.buffer, 10, CEDE_CURRENT);
        submit(loop, &a);
        port_start(&thread, put_byte, pipe);
        REQUIRE(cede_run(loop, CEDE_FOREVER) == 1 && a.result.count == 1, "no byte");
        port_join(&thread);
    }
    over(loop, world);
}

/* With patience without end an idle time-out lasts; without, an hour costs nothing. */
static void patience_makes_time_real(void)
{
    cede_sim_config patient = {.patience_ns = CEDE_FOREVER};
    cede_sim *world = cede_sim_new(&patient);
    cede_loop *loop = loop_in(world);
    uint64_t before = cede_sim_now(world), real = port_now();
    cede_prep_timer(&a.req, 30 * CEDE_MILLISECOND);
    REQUIRE(perform(loop, &a) == CEDE_OK, "%s", cede_status_name(a.result.status));
    REQUIRE(cede_sim_now(world) - before >= 30 * CEDE_MILLISECOND, "early by its clock");
    REQUIRE(port_now() - real >= 29 * CEDE_MILLISECOND, "early");
    over(loop, world);
    world = cede_sim_new(NULL);
    loop = loop_in(world);
    real = port_now();
    cede_prep_timer(&a.req, 3600 * CEDE_SECOND);
    REQUIRE(perform(loop, &a) == CEDE_OK, "%s", cede_status_name(a.result.status));
    REQUIRE(port_now() - real < 600 * CEDE_SECOND, "it waited for real");
    over(loop, world);
}

static void loops_share_a_world_and_no_other(void)
{
    cede_sim *world = cede_sim_new(NULL), *other = cede_sim_new(NULL);
    cede_loop *one = loop_in(world), *two = loop_in(world), *away = loop_in(other);
    cede_handle reader, writer, lone;
    REQUIRE(cede_sim_pipe_new(world, 0, &reader, &writer), "no pipe");
    cede_prep_read(&a.req, reader, a.buffer, 10, CEDE_CURRENT);
    submit(one, &a);
    cede_prep_write(&b.req, writer, "hey", 3, CEDE_CURRENT);
    submit(two, &b);
    (void)cede_run(two, 0);
    REQUIRE(cede_run(one, CEDE_FOREVER) == 1 && a.result.count == 3, "the bytes did not cross");
    REQUIRE(b.done == 0 && cede_run(two, CEDE_FOREVER) == 1 && b.done == 1, "on another loop");
    REQUIRE(cede_sim_pipe_new(world, 0, &lone, NULL), "no pipe");
    cede_prep_read(&b.req, lone, b.buffer, 1, CEDE_CURRENT);
    REQUIRE(perform(away, &b) == CEDE_EBADF, "%s", cede_status_name(b.result.status));
    over(away, other);
    REQUIRE(cede_loop_close(one, CEDE_FOREVER) == CEDE_OK, "the loop did not close");
    over(two, world);
    cede_drop(lone);
}

/* ---- Bounds --------------------------------------------------------------------------------- */

static void bounds_are_kept(void)
{
    static char big[100000];
    static item many[50];
    cede_sim_config config = {.open_most = 2, .disk_bytes = 40960, .in_flight_most = 1};
    cede_sim *world = cede_sim_new(&config);
    cede_loop *loop = loop_in(world);
    cede_stat stat;
    cede_handle f = opened(loop, "f", CEDE_OPEN_WRITE | CEDE_OPEN_READ | CEDE_OPEN_CREATE);
    cede_handle g = opened(loop, "g", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    cede_prep_open(&a.req, "h", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE, 0644);
    REQUIRE(f && g && perform(loop, &a) == CEDE_EMFILE, "%s", cede_status_name(a.result.status));
    REQUIRE(cede_sim_stat(world, "h", &stat) == CEDE_ENOENT, "made though not opened");
    cede_prep_write_all(&a.req, f, big, sizeof big, 0);
    REQUIRE(perform(loop, &a) == CEDE_ENOSPC && a.result.count == 40960, "%" PRIu64,
            a.result.count);
    cede_prep_allocate(&a.req, g, 0, 1, 0);
    REQUIRE(perform(loop, &a) == CEDE_ENOSPC, "%s", cede_status_name(a.result.status));
    cede_prep_truncate(&a.req, f, 5000);
    REQUIRE(perform(loop, &a) == CEDE_OK, "%s", cede_status_name(a.result.status));
    cede_prep_allocate(&a.req, g, 0, 32768, 0);
    REQUIRE(perform(loop, &a) == CEDE_OK, "%s", cede_status_name(a.result.status));
    cede_prep_write_all(&a.req, g, big, 32768, 0); /* into what was allocated */
    REQUIRE(perform(loop, &a) == CEDE_OK, "%s", cede_status_name(a.result.status));
    for (int i = 0; i < 50; i++) {
        cede_prep_read(&many[i].req, f, many[i].buffer, 10, i);
        submit(loop, &many[i]);
    }
    REQUIRE(cede_run(loop, CEDE_FOREVER) == 50, "one at a time, and not all");
    over(loop, world);
}

static void starving_and_hanging(void)
{
    cede_sim_config config = {.starve_permille = 1000};
    cede_sim *world = cede_sim_new(&config);
    cede_loop *loop = loop_in(world);
    cede_stat stat;
    cede_prep_mkdir(&a.req, "d", 0755);
    REQUIRE(perform(loop, &a) == CEDE_EAGAIN, "%s", cede_status_name(a.result.status));
    over(loop, world);
    config = (cede_sim_config){.hang_permille = 1000};
    world = cede_sim_new(&config);
    loop = loop_in(world);
    cede_prep_mkdir(&a.req, "d", 0755);
    cede_within(&a.req, CEDE_SECOND);
    REQUIRE(perform(loop, &a) == CEDE_EDEADLINE, "%s", cede_status_name(a.result.status));
    REQUIRE(cede_sim_stat(world, "d", &stat) == CEDE_ENOENT, "it said that it did nothing");
    over(loop, world);
}

/* ---- Named pipes ---------------------------------------------------------------------------- */

static void named_pipes_wait_for_the_other_end(void)
{
    for (uint64_t seed = 1; seed < 50; seed++) {
        cede_sim_config config = cede_sim_rough(seed);
        cede_sim *world;
        cede_loop *loop;
        static item c;
        config.flags = CEDE_SIM_DEADLOCK_FAILS;
        world = cede_sim_new(&config);
        loop = loop_in(world);
        REQUIRE(cede_sim_fifo(world, "/x/fifo") == CEDE_OK, "no named pipe");
        cede_prep_open(&a.req, "/x/fifo", CEDE_OPEN_READ, 0);
        submit(loop, &a);
        (void)cede_run(loop, CEDE_MILLISECOND);
        REQUIRE(a.done == 0, "it did not wait");
        cede_cancel(a.ticket);
        REQUIRE(cede_run(loop, CEDE_FOREVER) == 1 && a.result.status == CEDE_ECANCELED, "%s",
                cede_status_name(a.result.status));
        cede_prep_open(&a.req, "/x/fifo", CEDE_OPEN_READ, 0);
        submit(loop, &a);
        cede_prep_open(&b.req, "/x/fifo", CEDE_OPEN_WRITE, 0);
        submit(loop, &b);
        REQUIRE(cede_wait(loop, a.ticket, CEDE_FOREVER) == CEDE_OK, "a wait failed");
        cede_drop(a.result.handle);
        REQUIRE(cede_wait(loop, b.ticket, CEDE_FOREVER) == CEDE_OK, "a wait failed");
        REQUIRE(a.result.handle && b.result.handle, "not opened");
        (void)cede_run(loop, CEDE_MILLISECOND);
        cede_prep_write(&c.req, b.result.handle, "q", 1, CEDE_CURRENT);
        REQUIRE(perform(loop, &c) == CEDE_EPIPE, "%s", cede_status_name(c.result.status));
        over(loop, world);
    }
}

/* ---- Many runs ------------------------------------------------------------------------------ */

static int stuck(cede_sim *world, void *context)
{
    cede_loop *loop = loop_in(world);
    cede_handle reader;
    (void)context;
    REQUIRE(cede_sim_pipe_new(world, 0, &reader, NULL), "no pipe");
    cede_prep_read(&a.req, reader, a.buffer, 10, CEDE_CURRENT);
    submit(loop, &a);
    lines = 0;
    REQUIRE(cede_run(loop, CEDE_FOREVER) == CEDE_EDEADLK && lines == 1, "%u lines", lines);
    REQUIRE(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK, "the loop did not close");
    REQUIRE(a.done == 1 && a.result.status == CEDE_ECANCELED, "not ended by the close");
    return 0;
}

/* Makes other decisions each time. */
static int fickle(cede_sim *world, void *context)
{
    int *runs = context;
    ++*runs;
    (void)cede_sim_choose(world, *runs % 2 ? 2 : 3);
    (void)cede_sim_choose(world, 2);
    return 0;
}

/* Twelve ways, the last of which fails. */
static int tree(cede_sim *world, void *context)
{
    uint32_t x = cede_sim_choose(world, 3), y = cede_sim_choose(world, 2);
    uint32_t z = x == 2 ? cede_sim_choose(world, 4) : 0;
    (void)context;
    return x == 2 && y == 1 && z == 3 ? 42 : 0;
}

static void many_runs(void)
{
    cede_sim_stats s;
    char text[100];
    int runs = 0;
    REQUIRE(cede_sim_seeds(NULL, stuck, NULL, 5, 3, &s) == CEDE_EUNKNOWN, "not found out");
    REQUIRE(s.failure == CEDE_EDEADLK && s.seed == 5, "seed %" PRIu64, s.seed);
    REQUIRE(strcmp(cede_sim_explain(&s, text, sizeof text), "seed 5") == 0, "%s", text);
    REQUIRE(cede_sim_explore(NULL, fickle, &runs, 10, 0, &s) == CEDE_EINVAL, "not noticed");
    REQUIRE(cede_sim_explore(NULL, tree, NULL, 10, 0, &s) == CEDE_EUNKNOWN, "not met");
    REQUIRE(s.failure == 42 && s.runs == 12 && s.choice_count == 3, "%" PRIu64 " runs", s.runs);
    REQUIRE(cede_sim_replay(NULL, tree, NULL, s.choice, 3) == 42, "not met again");
    REQUIRE(strcmp(cede_sim_explain(&s, text, sizeof text), "choices 2 1 3") == 0, "%s", text);
    REQUIRE(cede_sim_explore(NULL, tree, NULL, 1, 0, &s) == CEDE_OK, "beyond the depth");
    REQUIRE(s.runs == 3 && s.cut && s.complete, "%" PRIu64 " runs", s.runs);
    REQUIRE(cede_sim_explore(NULL, tree, NULL, 10, 5, &s) == CEDE_OK, "beyond the bound");
    REQUIRE(s.runs == 5 && !s.complete, "%" PRIu64 " runs", s.runs);
}

static void trees_have_hashes(void)
{
    cede_sim *one = cede_sim_new(NULL), *two = cede_sim_new(NULL);
    char seen[9];
    (void)cede_sim_put(one, "/a/b/c", "1", 1);
    (void)cede_sim_put(one, "/a/d", "2", 1);
    (void)cede_sim_put(two, "/a/d", "2", 1);
    (void)cede_sim_put(two, "/a/b/c", "x", 1);
    REQUIRE(cede_sim_hash_tree(two, "/") != cede_sim_hash_tree(one, "/"), "one byte differs");
    (void)cede_sim_put(two, "/a/b/c", "1", 1);
    REQUIRE(cede_sim_hash_tree(two, "/") == cede_sim_hash_tree(one, "/"), "nothing differs");
    REQUIRE(cede_sim_hash_tree(two, "/zz") == 0, "there is nothing");
    REQUIRE(cede_sim_mkdir(one, "/a/d/e") == CEDE_ENOTDIR, "below a file");
    REQUIRE(cede_sim_mkdir(one, "/q/r/s") == CEDE_OK, "directories on the way are made");
    REQUIRE(cede_sim_get(one, "/a/b/c", 0, seen, sizeof seen) == 1 && seen[0] == '1', "the byte");
    REQUIRE(cede_sim_get(one, "/a/b/c", 1, seen, sizeof seen) == 0, "the end");
    REQUIRE(cede_sim_get(one, "/a/b", 0, seen, sizeof seen) == CEDE_EISDIR, "a directory");
    (void)cede_sim_free(one);
    (void)cede_sim_free(two);
}

int main(void)
{
    a_deaf_kernel_is_waited_for();
    what_is_sealed_is_not_cancelled();
    another_thread_ends_a_sleep();
    patience_makes_time_real();
    loops_share_a_world_and_no_other();
    bounds_are_kept();
    starving_and_hanging();
    named_pipes_wait_for_the_other_end();
    many_runs();
    trees_have_hashes();
    return 0;
}
