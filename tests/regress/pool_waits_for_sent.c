/* A receive that was sent by another thread before the pool's close, and not taken yet: the pool is
 * there for it (law 1: what a request names is lent to it). */
#include "fake.h"

#include "cede/sim.h"

REGRESSION(pool_waits_for_sent)
{
    static note receive;
    cede_sim *world = cede_sim_new(NULL);
    cede_sim_config config = {.world = world};
    cede_options options = {.backend_table = &cede_sim_backend, .backend_config = &config};
    cede_handle reader;
    cede_pool *pool;
    cede_loop *loop;

    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    CHECK(cede_pool_open(loop, 1, 8, 0, &pool) == CEDE_OK);
    cede_sim_pipe *pipe = cede_sim_pipe_new(world, 0, &reader, NULL);
    cede_prep_recv_pool(&receive.req, reader, pool);
    cede_submit_remote(loop, &receive.req, note_done, NULL);
    cede_pool_close(pool);
    CHECK(cede_sim_pipe_put(pipe, "abc", 3) == 3);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(receive.result.status == CEDE_OK && receive.result.count == 3);
    CHECK(memcmp(receive.result.buffer, "abc", 3) == 0);
    cede_pool_give(pool, receive.result.buffer);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(cede_sim_free(world) == CEDE_OK);
    return 0;
}
