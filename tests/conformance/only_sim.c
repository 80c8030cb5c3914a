/*
 * What only the simulated backend can show (laws 6, 16): operations that a platform has not.
 */
#include "conformance.h"

#include "cede/sim.h"

CFT_CASE(operation_that_is_not_there_says_so)
{
    cede_options options;
    cede_sim_config config = {.without = (UINT64_C(1) << CEDE_OP_FSYNC) |
                                         (UINT64_C(1) << CEDE_OP_STAT) |
                                         (UINT64_C(1) << CEDE_OP_ROUNDTRIP)};
    cft_options(t, &options);
    options.backend_config = &config;
    cede_loop *loop = cft_open(t, &options);
    for (uint32_t op = 1; op <= CEDE_OP_RECV_MANY; op++)
        CFT_CHECK(t, cede_supports(loop, op) == !(config.without >> op & 1));
    cft_rec *all[4];
    for (uint32_t i = 0; i < 4; i++)
        all[i] = cft_new(t);
    cede_prep_roundtrip(all[0]->req);
    cede_prep_stat(all[1]->req, "/tmp", cft_buffer(all[1], sizeof(cede_stat)), 0);
    cede_prep_nop(all[2]->req);
    cede_prep_mkdir(all[3]->req, "/tmp/d", 0755);
    for (uint32_t i = 0; i < 4; i++)
        cft_submit_on(all[i], loop);
    CFT_CHECK(t, cft_run_on(loop, CEDE_FOREVER) >= 0);
    CFT_STATUS(t, all[0], CEDE_ENOTSUP);
    CFT_STATUS(t, all[1], CEDE_ENOTSUP);
    CFT_OK(t, all[2]);
    CFT_OK(t, all[3]);
}

/* X9: a kernel that never answers: cancel and close wait, and the close says for whom. */
CFT_CASE(kernel_that_never_answers_is_waited_for)
{
    cede_options options;
    cede_sim_config config = {0};
    cede_sim *world = cede_sim_new(&config);
    CFT_CHECK(t, world != NULL);
    cede_sim_config place = {.world = world};
    cft_options(t, &options);
    options.backend_config = &place;
    cede_loop *loop = cft_open(t, &options);
    cede_sim_target all = {0};
    uint32_t hold = cede_sim_hold(world, &all, CEDE_SIM_AT_START | CEDE_SIM_DEAF);
    cft_rec *mute = cft_new(t);
    cede_prep_mkdir(mute->req, "/tmp/d", 0755);
    cede_within(mute->req, CEDE_MILLISECOND);
    cft_submit_on(mute, loop);
    CFT_CHECK(t, cft_wait_on(loop, mute->ticket, CEDE_SECOND) == CEDE_EDEADLINE);
    for (uint32_t i = 0; i < 20; i++) {
        cede_cancel(mute->ticket);
        CFT_CHECK(t, cft_run_on(loop, 10 * CEDE_MILLISECOND) >= 0);
    }
    CFT_CHECK(t, mute->done == 0);
    CFT_CHECK(t, cft_close_on(t, loop, CEDE_SECOND) == CEDE_EDEADLINE);
    CFT_CHECK(t, mute->done == 0);
    cede_sim_release(world, hold);
    CFT_CHECK(t, cft_close_on(t, loop, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, mute->done == 1);
    CFT_OK(t, mute);
    CFT_CHECK(t, cede_sim_free(world) == CEDE_OK);
}
