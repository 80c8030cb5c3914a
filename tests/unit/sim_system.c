/*
 * What only the simulated system has (cede/sim.h): names and programs that are told to it, signals
 * and changes at a chosen moment, reports of sends at a time of their own. One function a promise.
 */
#include "unit.h"

#include <string.h>

#include "cede/backend.h"
#include "cede/sim.h"

#define BIG 300000u

typedef struct item {
    cede_req req;
    cede_ticket ticket;
    cede_result result;
    int done;
    cede_handle second;
} item;

static item a, b, c;
static unsigned char out[BIG], in[BIG];

static void on_done(cede_req *req, cede_result result)
{
    item *i = CEDE_CONTAINER(req, item, req);
    i->done++;
    i->result = result;
}

static cede_loop *loop_in(cede_sim *world)
{
    cede_sim_config place = {.world = world};
    cede_options options = CEDE_OPTIONS_INIT;
    cede_loop *loop;
    REQUIRE(world, "no world");
    options.backend_table = &cede_sim_backend;
    options.backend_config = &place;
    REQUIRE(cede_loop_open(&options, &loop) == CEDE_OK, "no loop");
    return loop;
}

/* What is still open goes with the world. */
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

static cede_status await(cede_loop *loop, item *i)
{
    REQUIRE(cede_wait(loop, i->ticket, CEDE_FOREVER) == CEDE_OK && i->done == 1, "not done");
    return i->result.status;
}

static cede_status perform(cede_loop *loop, item *i)
{
    submit(loop, i);
    return await(loop, i);
}

/* ---- Sends ----------------------------------------------------------------------------------- */

/* Two ends of a stream over the network: not a local one. */
static void connected(cede_loop *loop, cede_handle *one, cede_handle *other)
{
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 80);
    cede_prep_listen(&a.req, &at, 0, 0);
    REQUIRE(perform(loop, &a) == CEDE_OK, "no listener");
    cede_prep_connect(&b.req, &at, 0);
    REQUIRE(perform(loop, &b) == CEDE_OK, "no connection");
    *one = b.result.handle;
    cede_prep_accept(&b.req, a.result.handle, NULL);
    REQUIRE(perform(loop, &b) == CEDE_OK, "no client");
    *other = b.result.handle;
}

/* What is sent without a copy is the network's until its done: a cancel does not hasten that. */
static void a_buffer_comes_back_in_its_own_time(void)
{
    cede_sim_config slow = {.latency_min_ns = CEDE_MILLISECOND, .latency_max_ns = CEDE_MILLISECOND};
    cede_sim *world = cede_sim_new(&slow);
    cede_loop *loop = loop_in(world);
    cede_handle one, other;
    connected(loop, &one, &other);
    memset(out, 'x', sizeof out);
    uint64_t began = cede_sim_now(world);
    cede_prep_send_zero_copy(&a.req, one, out, 100000);
    submit(loop, &a);
    cede_prep_recv_all(&b.req, other, in, 100000);
    REQUIRE(perform(loop, &b) == CEDE_OK, "%s", cede_status_name(b.result.status));
    REQUIRE(a.done == 0 || cede_sim_now(world) - began >= 2 * CEDE_MILLISECOND, "early");
    cede_cancel(a.ticket);
    REQUIRE(await(loop, &a) == CEDE_OK && a.result.count == 100000, "it has gone");
    REQUIRE(cede_sim_now(world) - began >= 2 * CEDE_MILLISECOND, "the cancel hastened it");
    began = cede_sim_now(world); /* a small one is copied */
    cede_prep_send_zero_copy(&a.req, one, out, 1000);
    REQUIRE(perform(loop, &a) == CEDE_OK, "%s", cede_status_name(a.result.status));
    REQUIRE(cede_sim_now(world) - began < 2 * CEDE_MILLISECOND, "nothing was lent");
    over(loop, world);
}

/* A file that becomes shorter while it is sent: the count is what went. */
static void a_file_shrinks_while_it_is_sent(void)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_loop *loop = loop_in(world);
    cede_handle one, other, file;
    connected(loop, &one, &other);
    memset(out, 'f', sizeof out);
    REQUIRE(cede_sim_put(world, "/f", out, sizeof out) == CEDE_OK, "no file");
    cede_prep_open(&a.req, "/f", CEDE_OPEN_READ, 0);
    REQUIRE(perform(loop, &a) == CEDE_OK, "no file");
    file = a.result.handle;
    cede_prep_send_file(&a.req, one, file, 0, BIG);
    submit(loop, &a);
    (void)cede_run(loop, CEDE_SECOND); /* the stream is full */
    REQUIRE(a.done == 0 && cede_sim_put(world, "/f", out, 1000) == CEDE_OK, "it did not wait");
    cede_prep_recv(&b.req, other, in, sizeof in);
    REQUIRE(perform(loop, &b) == CEDE_OK, "%s", cede_status_name(b.result.status));
    REQUIRE(await(loop, &a) == CEDE_EEOF, "%s", cede_status_name(a.result.status));
    REQUIRE(a.result.count == b.result.count && a.result.count > 1000 && a.result.count < BIG,
            "%" PRIu64 " of %" PRIu64, a.result.count, b.result.count);
    over(loop, world);
}

int main(void)
{
    a_buffer_comes_back_in_its_own_time();
    a_file_shrinks_while_it_is_sent();
    (void)c;
    return 0;
}
