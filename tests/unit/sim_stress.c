/*
 * The simulated backend under its rough manners: many writes to a file and a stream at once, with
 * deadlines and cancels at the seed's moments. Each request once; what a result says happened did
 * happen, and nothing else; the stream is whole and in order; the same seed makes the same run.
 *
 *     sim_stress [--seed N]
 */
#include "unit.h"

#include <string.h>

#include "cede/backend.h"
#include "cede/sim.h"

#define PAIRS 24
#define BYTES 3000u
#define EXTRA 0xee /* what a buffer holds before a read */

typedef struct item {
    cede_req req;
    cede_ticket ticket;
    cede_result result;
    int done;
    unsigned char buffer[BYTES];
} item;

typedef struct stage {
    cede_sim *world;
    cede_loop *loop;
    cede_handle file, reader, writer;
    cede_sim_pipe *pipe;
    item to_file[PAIRS], to_pipe[PAIRS], from_pipe[PAIRS], opening, closing;
} stage;

static stage now;

static void on_done(cede_req *req, cede_result result)
{
    item *i = CEDE_CONTAINER(req, item, req);
    i->done++;
    i->result = result;
}

static void submit(item *i)
{
    i->ticket = cede_submit(now.loop, &i->req, on_done);
}

static void await(const item *i)
{
    REQUIRE(cede_wait(now.loop, i->ticket, CEDE_FOREVER) == CEDE_OK, "a wait failed");
    REQUIRE(i->done == 1, "done %d times", i->done);
}

static void perhaps_within(item *i)
{
    if (cede_sim_choose(now.world, 4) == 1)
        cede_within(&i->req, cede_sim_choose(now.world, 100) * CEDE_MICROSECOND);
}

/* Far apart, so that they do not touch; some beyond 8 GiB. */
static int64_t place_of(int k)
{
    return (int64_t)k * BYTES + ((int64_t)(k % 3) << 33);
}

static void begin(cede_sim *world)
{
    static cede_sim_config in;
    cede_options options = CEDE_OPTIONS_INIT;
    memset(&now, 0, sizeof now);
    now.world = world;
    in.world = world;
    options.backend_table = &cede_sim_backend;
    options.backend_config = &in;
    options.queue_entries = 8;
    REQUIRE(cede_loop_open(&options, &now.loop) == CEDE_OK, "no loop");
    REQUIRE(cede_sim_put(world, "/f", "", 0) == CEDE_OK, "no file");
    cede_prep_open(&now.opening.req, "/f", CEDE_OPEN_READ | CEDE_OPEN_WRITE, 0);
    submit(&now.opening);
    await(&now.opening);
    now.file = now.opening.result.handle;
    now.pipe = cede_sim_pipe_new(world, 4096, &now.reader, &now.writer);
    REQUIRE(now.file && now.pipe, "no file or pipe");
}

static void submit_all(void)
{
    for (int k = 0; k < PAIRS; k++) {
        item *i = &now.to_file[k];
        memset(i->buffer, k + 1, BYTES);
        cede_prep_write(&i->req, now.file, i->buffer, BYTES, place_of(k));
        perhaps_within(i);
        submit(i);
    }
    for (int k = 0; k < PAIRS; k++) {
        item *i = &now.to_pipe[k];
        for (unsigned b = 0; b < BYTES; b++)
            i->buffer[b] = (unsigned char)((unsigned)k * 37 + b);
        if (cede_sim_choose(now.world, 2))
            cede_prep_write_all(&i->req, now.writer, i->buffer, BYTES, CEDE_CURRENT);
        else
            cede_prep_write(&i->req, now.writer, i->buffer, BYTES, CEDE_CURRENT);
        submit(i);
        i = &now.from_pipe[k];
        memset(i->buffer, EXTRA, BYTES);
        cede_prep_read(&i->req, now.reader, i->buffer, BYTES, CEDE_CURRENT);
        perhaps_within(i);
        submit(i);
    }
}

static void cancel_some(void)
{
    item *const all[3] = {now.to_file, now.to_pipe, now.from_pipe};
    for (int s = 0; s < 40; s++) {
        uint64_t ns = cede_sim_choose(now.world, 30) * CEDE_MICROSECOND;
        uint32_t which = cede_sim_choose(now.world, 9 * PAIRS);
        REQUIRE(cede_run(now.loop, ns) >= 0, "a run failed");
        if (which < 3 * PAIRS)
            cede_cancel(all[which % 3][which / 3].ticket);
    }
    cede_prep_close(&now.closing.req, now.writer);
    submit(&now.closing);
    await(&now.closing);
    for (int k = 0; k < PAIRS; k++)
        await(&now.to_file[k]);
    REQUIRE(cede_run(now.loop, CEDE_FOREVER) >= 0, "a run failed");
    for (unsigned w = 0; w < 3; w++) {
        for (int k = 0; k < PAIRS; k++)
            REQUIRE(all[w][k].done == 1, "done %d times", all[w][k].done);
    }
}

static void judge_file(void)
{
    unsigned char seen[BYTES];
    for (int k = 0; k < PAIRS; k++) {
        cede_result r = now.to_file[k].result;
        uint64_t moved = r.status == CEDE_OK ? r.count : 0;
        memset(seen, 0, sizeof seen);
        REQUIRE(cede_sim_get(now.world, "/f", (uint64_t)place_of(k), seen, BYTES) >= 0, "no file");
        REQUIRE(r.status == CEDE_OK ? moved > 0
                                    : r.status == CEDE_ECANCELED || r.status == CEDE_EDEADLINE,
                "write %d: %s", k, cede_status_name(r.status));
        for (unsigned b = 0; b < BYTES; b++)
            REQUIRE(seen[b] == (b < moved ? k + 1 : 0), "write %d, byte %u of %" PRIu64, k, b,
                    moved);
    }
}

static void judge_stream(void)
{
    static unsigned char in[PAIRS * BYTES], out[PAIRS * BYTES];
    size_t sent = 0, got = 0;
    for (int k = 0; k < PAIRS; k++) {
        const item *w = &now.to_pipe[k], *r = &now.from_pipe[k];
        memcpy(in + sent, w->buffer, w->result.count);
        sent += w->result.count;
        REQUIRE(r->result.status == CEDE_OK || r->result.count == 0, "a failed read moved");
        memcpy(out + got, r->buffer, r->result.count);
        got += r->result.count;
        for (uint64_t b = r->result.count; b < BYTES; b++)
            REQUIRE(r->buffer[b] == EXTRA, "read %d wrote beyond its count", k);
    }
    REQUIRE(got <= sent && memcmp(in, out, got) == 0, "the stream is not what was written");
    REQUIRE(cede_sim_pipe_filled(now.pipe) == sent - got, "bytes are missing");
}

static int program(cede_sim *world, void *context)
{
    cede_sim_counts counts;
    begin(world);
    submit_all();
    cancel_some();
    judge_file();
    judge_stream();
    /* What is still open is closed by it, each time in the same order. */
    REQUIRE(cede_loop_close(now.loop, CEDE_FOREVER) == CEDE_OK, "the loop did not close");
    cede_sim_count(world, &counts);
    REQUIRE(counts.open == 0 && counts.in_flight == 0, "%" PRIu64 " left open", counts.open);
    *(uint64_t *)context = cede_sim_hash(world);
    return 0;
}

static cede_sim_config manners(unsigned which)
{
    cede_sim_config c = cede_sim_rough(0);
    switch (which) {
    case 1:
        c.immediate_permille = 1000;
        c.late_permille = 0;
        break;
    case 2:
        c.in_flight_most = 2;
        c.batch_most = 1;
        break;
    case 3:
        c.immediate_permille = 0;
        c.cancel_lost_permille = 800;
        c.cancel_again_permille = 500;
        break;
    case 4:
        c = (cede_sim_config){.flags = CEDE_SIM_IN_ORDER};
        break;
    case 5:
        c.batch_permille = 900;
        c.late_permille = 700;
        c.latency_min_ns = c.latency_max_ns = 1;
        break;
    default:
        break;
    }
    return c;
}

int main(int argc, char **argv)
{
    uint64_t first = unit_seed(argc, argv);
    cede_sim_stats stats;
    char text[128];
    for (unsigned which = 0; which < 6; which++) {
        cede_sim_config c = manners(which);
        for (uint64_t seed = first; seed < first + 40; seed++) {
            uint64_t hash = 0, again = 0;
            REQUIRE(cede_sim_seeds(&c, program, &hash, seed, 1, &stats) == CEDE_OK, "%s",
                    cede_sim_explain(&stats, text, sizeof text));
            REQUIRE(cede_sim_seeds(&c, program, &again, seed, 1, &stats) == CEDE_OK, "%s",
                    cede_sim_explain(&stats, text, sizeof text));
            REQUIRE(hash == again, "seed %" PRIu64 " was another run the second time", seed);
        }
    }
    return 0;
}
