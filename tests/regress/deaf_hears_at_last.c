/* sim: a read that is held and deaf has been cancelled; released, it must not come to wait for ever
 * for data, because the core, which was told that the cancel was taken up, does not ask again. */
#include "fake.h"

#include "cede/sim.h"

REGRESSION(deaf_hears_at_last)
{
    static char byte;
    static note read;
    cede_sim *world = cede_sim_new(NULL);
    cede_sim_config config = {.world = world};
    cede_options options = {.backend_table = &cede_sim_backend, .backend_config = &config};
    cede_handle reader, writer;
    cede_loop *loop;

    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    CHECK(cede_sim_pipe_new(world, 0, &reader, &writer));
    uint32_t hold = cede_sim_hold(world, NULL, CEDE_SIM_AT_START | CEDE_SIM_DEAF);
    cede_prep_read(&read.req, reader, &byte, 1, CEDE_CURRENT);
    cede_ticket ticket = cede_submit(loop, &read.req, note_done);
    (void)cede_run(loop, CEDE_MILLISECOND);
    CHECK(cede_sim_held(world, hold) == 1);
    cede_cancel(ticket);
    (void)cede_run(loop, CEDE_MILLISECOND);
    CHECK(read.calls == 0);
    cede_sim_release(world, hold);
    CHECK(cede_wait(loop, ticket, CEDE_SECOND) == CEDE_OK);
    CHECK(read.result.status == CEDE_ECANCELED);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    cede_drop(writer);
    CHECK(cede_sim_free(world) == CEDE_OK);
    return 0;
}
