/* Waiting for the last of many receives on one stream takes a time that grows with their number:
 * each walked the whole line behind it to find the awaited one (law 9, 14). */
#include "fake.h"

#include "cede/sim.h"

#define MANY 30000

static note line[MANY];
static char bytes[MANY];

REGRESSION(wait_goes_down_the_line)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_sim_config config = {.world = world};
    cede_options options = {.backend_table = &cede_sim_backend, .backend_config = &config};
    cede_ticket last = {0, 0};
    uint64_t begun = port_now();
    cede_handle reader;
    cede_loop *loop;

    port_limit(60);
    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    cede_sim_pipe *pipe = cede_sim_pipe_new(world, MANY, &reader, NULL);
    for (int i = 0; i < MANY; i++) {
        cede_prep_recv(&line[i].req, reader, &bytes[i], 1);
        last = cede_submit(loop, &line[i].req, note_done);
    }
    CHECK(cede_sim_pipe_put(pipe, bytes, MANY) == MANY);
    CHECK(cede_wait(loop, last, CEDE_FOREVER) == CEDE_OK);
    CHECK(line[0].order == 1 && line[MANY - 1].order == MANY);
    CHECK(port_now() - begun < 20 * CEDE_SECOND);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(cede_sim_free(world) == CEDE_OK);
    return 0;
}
