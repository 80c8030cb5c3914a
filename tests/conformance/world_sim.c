/*
 * The simulated backend's world: a cede_sim of its own for each run, whose manners follow from the
 * schedule. Nothing here is of the operating system, so time-outs cost nothing and S11 can walk
 * every order of events.
 */
#include "inner.h"

#include "cede/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct world {
    cft *t;
    cede_sim *sim;
    cede_sim_config config;
    cede_sim_config place; /* for cede_loop_open: only says where */
    bool given;
    char *says; /* what a child is to write */
    uint32_t hold;
    uint32_t lookups; /* the hold of these */
    cft_kth kth;      /* S9 */
} world;

#define EXPLORE_DEPTH 9
#define EXPLORE_RUNS  600

static const struct {
    cede_status status;
    bool for_good;
} faults[] = {{CEDE_EIO, false}, {CEDE_ENOMEM, false}, {CEDE_EIO, true}};

static uint32_t variants(uint32_t schedule)
{
    return schedule == 7 || schedule == 8 ? 2 : 0;
}

static cede_status fault_hook(void *context, const char *step)
{
    world *w = context;
    bool fails = cft_kth_fails(w->t, &w->kth, step, faults[w->kth.mode].for_good);
    return fails ? faults[w->kth.mode].status : CEDE_OK;
}

static void set_manners(cft *t, world *w)
{
    cede_sim_config *c = &w->config;
    uint64_t seed = cft_random(t);
    switch (cft_schedule(t)) {
    case 7:
        if (cft_variant(t) == 0) {
            c->immediate_permille = 1000;
        } else {
            c->latency_min_ns = c->latency_max_ns = CEDE_MILLISECOND;
            c->late_permille = 1000;
        }
        break;
    case 8:
        c->batch_most = 1 + cft_variant(t);
        c->refuse_permille = 300;
        break;
    case 9:
        c->fault = fault_hook;
        c->fault_context = w;
        break;
    case 11:
        *c = cede_sim_rough(seed);
        c->overtake_permille = 0; /* cases know one machine, where datagrams keep their order */
        break;
    default:
        break;
    }
    c->seed = seed;
}

/* ---- Children and signals -------------------------------------------------------------------- */

#define PROGRAM   "/bin/child"
#define SAYS_MOST (UINT64_C(1) << 20)

/* The same as child.c. */
static void begin_child(void *context, const cede_spawn *how, cede_sim_behaviour *does)
{
    world *w = context;
    const char *what = how->arguments[1] ? how->arguments[2] : NULL;
    does->flags = CEDE_SIM_WAITS;
    if (!what) {
        does->flags = 0;
        does->exit_code = 2;
        return;
    }
    if (!w->says)
        w->says = malloc(SAYS_MOST);
    if (!w->says)
        abort();
    does->output = w->says;
    if (strncmp(what, "exit:", 5) == 0) {
        does->flags = 0;
        does->exit_code = (uint32_t)strtoul(what + 5, NULL, 10);
    } else if (strcmp(what, "cat") == 0) {
        does->flags = CEDE_SIM_COPIES;
    } else if (strcmp(what, "deaf") == 0) {
        does->flags = CEDE_SIM_COPIES | CEDE_SIM_IGNORES_ASK;
        memcpy(w->says, "r", 1);
        does->output_bytes = 1;
    } else if (strcmp(what, "tell") == 0) {
        does->output_bytes = cft_child_told(how->arguments + 3, how->environment, how->directory,
                                            w->says, SAYS_MOST);
    } else if (strncmp(what, "big:", 4) == 0) {
        does->output_bytes = (size_t)strtoull(what + 4, NULL, 10);
        cft_fill(w->says, does->output_bytes, 9, 0);
    } else if (strcmp(what, "handles") == 0) {
        memcpy(w->says, "0", 1);
        does->output_bytes = 1;
    }
}

static const char *program(cft *t, void *state)
{
    (void)t;
    (void)state;
    return PROGRAM;
}

static bool raise_signal(cft *t, void *state, uint32_t signal)
{
    const world *w = state;
    (void)t;
    return cede_sim_signal(w->sim, signal) > 0;
}

static int signal_taken(cft *t, void *state, uint32_t signal)
{
    const world *w = state;
    (void)t;
    return cede_sim_signal_taken(w->sim, signal);
}

static void *start(cft *t)
{
    world *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    w->t = t;
    w->given = cft_given(t) != NULL;
    w->sim = cft_given(t);
    if (!w->given) {
        set_manners(t, w);
        w->sim = cede_sim_new(&w->config);
    }
    CFT_CHECK(t, w->sim != NULL);
    w->place.world = w->sim;
    CFT_CHECK(t, cede_sim_executable(w->sim, PROGRAM, NULL, begin_child, w) == CEDE_OK);
    return w;
}

static void end(cft *t, void *state)
{
    world *w = state;
    if (!w->given)
        CFT_CHECK(t, cede_sim_free(w->sim) == CEDE_OK);
    free(w->says);
    free(w);
}

static void options(cft *t, void *state, cede_options *out)
{
    world *w = state;
    (void)t;
    out->backend_config = &w->place;
}

static void fault(cft *t, void *state, uint32_t mode, uint64_t k)
{
    world *w = state;
    (void)t;
    cft_kth_arm(&w->kth, mode, k);
}

static bool fault_hit(cft *t, void *state)
{
    world *w = state;
    (void)t;
    return atomic_load(&w->kth.hit);
}

static bool shortens(cft *t, void *state)
{
    (void)state;
    return cft_schedule(t) == 11;
}

static int64_t open_natives(cft *t, void *state)
{
    world *w = state;
    cede_sim_counts counts;
    (void)t;
    cede_sim_count(w->sim, &counts);
    return (int64_t)counts.open;
}

/* ---- Files ---------------------------------------------------------------------------------- */

static void limit(cft *t, void *state, uint32_t more)
{
    world *w = state;
    cede_sim_counts counts;
    (void)t;
    cede_sim_count(w->sim, &counts);
    cede_sim_limit_open(w->sim, (uint32_t)counts.open + more);
}

static void path(cft *t, void *state, const char *name, char *out, size_t bytes)
{
    (void)t;
    (void)state;
    snprintf(out, bytes, "/tmp/%s", name);
}

static void make_file(cft *t, void *state, const char *name, const void *bytes, uint64_t count)
{
    world *w = state;
    char full[512];
    path(t, state, name, full, sizeof full);
    CFT_EXPECT(t, cede_sim_put(w->sim, full, bytes, count) == CEDE_OK);
}

static void make_fifo(cft *t, void *state, const char *name)
{
    world *w = state;
    char full[512];
    path(t, state, name, full, sizeof full);
    CFT_EXPECT(t, cede_sim_fifo(w->sim, full) == CEDE_OK);
}

static int64_t file_size(cft *t, void *state, const char *name)
{
    world *w = state;
    char full[512];
    cede_stat info;
    path(t, state, name, full, sizeof full);
    return cede_sim_stat(w->sim, full, &info) == CEDE_OK ? (int64_t)info.size_bytes : -1;
}

static uint64_t file_read(cft *t, void *state, const char *name, void *out, uint64_t count,
                          uint64_t offset)
{
    world *w = state;
    char full[512];
    path(t, state, name, full, sizeof full);
    int64_t got = cede_sim_get(w->sim, full, offset, out, count);
    return got > 0 ? (uint64_t)got : 0;
}

/* ---- Pipes ---------------------------------------------------------------------------------- */

static bool make_pipe(cft *t, void *state, cft_pipe *reader, cft_pipe *writer)
{
    world *w = state;
    cede_sim_pipe *pipe = cede_sim_pipe_new(w->sim, 0, reader ? &reader->handle : NULL,
                                            writer ? &writer->handle : NULL);
    if (!pipe) { /* no memory for a handle: a pipe without one, for the peer's functions */
        if (reader)
            reader->handle = 0;
        if (writer)
            writer->handle = 0;
        pipe = cede_sim_pipe_new(w->sim, 0, NULL, NULL);
        if (!pipe || !cft_faulted(t))
            return false;
        if (reader && writer)
            cede_sim_pipe_shut(pipe);
    }
    if (reader && !writer)
        reader->peer = (intptr_t)pipe;
    if (writer && !reader)
        writer->peer = (intptr_t)pipe;
    return true;
}

static uint64_t pipe_bytes(cft *t, void *state, const cft_pipe *pipe)
{
    (void)t;
    (void)state;
    (void)pipe;
    return 65536;
}

static int64_t peer_write(cft *t, void *state, intptr_t peer, const void *bytes, size_t count)
{
    (void)t;
    (void)state;
    return (int64_t)cede_sim_pipe_put((cede_sim_pipe *)peer, bytes, count);
}

static int64_t peer_read(cft *t, void *state, intptr_t peer, void *out, size_t count)
{
    (void)t;
    (void)state;
    return (int64_t)cede_sim_pipe_take((cede_sim_pipe *)peer, out, count);
}

static void peer_close(cft *t, void *state, intptr_t peer)
{
    (void)t;
    (void)state;
    cede_sim_pipe_shut((cede_sim_pipe *)peer);
}

/* ---- Freezing ------------------------------------------------------------------------------- */

static void *frozen_buffer(cft *t, void *state, size_t bytes)
{
    (void)state;
    void *memory = cft_alloc(t, bytes);
    memset(memory, 0xee, bytes);
    return memory;
}

static void freeze(cft *t, void *state)
{
    world *w = state;
    cede_sim_target next = {0, NULL, NULL, 0, 1};
    w->hold = cede_sim_hold(w->sim, &next, CEDE_SIM_MIDWAY);
    CFT_CHECK(t, w->hold != 0);
}

static bool frozen(cft *t, void *state)
{
    world *w = state;
    (void)t;
    return cede_sim_held(w->sim, w->hold) > 0;
}

static void thaw(cft *t, void *state)
{
    world *w = state;
    (void)t;
    cede_sim_release(w->sim, w->hold);
}

static const char *frozen_file(cft *t, void *state, size_t bytes)
{
    (void)state;
    return cft_file(t, "frozen", NULL, bytes, 1);
}

static void hold_lookups(cft *t, void *state, bool hold)
{
    world *w = state;
    const cede_sim_target names = {.op = CEDE_OP_LOOKUP};
    (void)t;
    if (hold)
        w->lookups = cede_sim_hold(w->sim, &names, CEDE_SIM_AT_START);
    else if (w->lookups)
        cede_sim_release(w->sim, w->lookups);
}

static void complete(cft *t, void *state)
{
    world *w = state;
    uint64_t timeout_ns = 0;
    (void)cede_loop_waitable(cft_loop(t), &timeout_ns); /* flushes */
    cede_sim_advance(w->sim, CEDE_MILLISECOND);
}

/* ---- Every order ----------------------------------------------------------------------------- */

struct program {
    int (*run)(void *context, void *given);
    void *context;
};

static int explored(cede_sim *sim, void *context)
{
    const struct program *program = context;
    return program->run(program->context, sim);
}

static void explore(int (*run)(void *context, void *given), void *context)
{
    struct program program = {run, context};
    cede_sim_config rough = cede_sim_rough(1);
    cede_sim_stats stats;
    char text[256];
    memset(&stats, 0, sizeof stats);
    cede_status status =
        cede_sim_explore(&rough, explored, &program, EXPLORE_DEPTH, EXPLORE_RUNS, &stats);
    if (status != CEDE_OK) {
        printf("# exploring: %s: %s\n", cede_status_name(status),
               cede_sim_explain(&stats, text, sizeof text));
        fflush(stdout);
        _Exit(CFT_EXIT_FAILED);
    }
}

const cft_world cft_world_sim = {
    .name = "sim",
    .schedules = (1u << CFT_SCHEDULES) - 1u, /* less what deviations.def leaves out */
    .limit = limit,
    .variants = variants,
    .start = start,
    .end = end,
    .options = options,
    .open_natives = open_natives,
    .path = path,
    .make_file = make_file,
    .make_fifo = make_fifo,
    .file_size = file_size,
    .file_read = file_read,
    .pipe = make_pipe,
    .pipe_bytes = pipe_bytes,
    .peer_write = peer_write,
    .peer_read = peer_read,
    .peer_close = peer_close,
    .program = program,
    .raise = raise_signal,
    .signal_taken = signal_taken,
    .watch_room = 1024,
    .frozen_buffer = frozen_buffer,
    .freeze = freeze,
    .frozen = frozen,
    .thaw = thaw,
    .frozen_file = frozen_file,
    .hold_lookups = hold_lookups,
    .complete = complete,
    .fault_modes = sizeof faults / sizeof faults[0],
    .fault = fault,
    .fault_hit = fault_hit,
    .shortens = shortens,
    .explore = explore,
};
