/* A wait and a close neither obey nor clear a stop, and do not spin under it (1b: Run). */
#include "fake.h"

REGRESSION(stop_leaves_wait_alone)
{
    static fake backend;
    static note timer, nop;
    cede_loop *loop = fake_loop(&backend);
    cede_ticket ticket;

    (void)cede_run(loop, 0);
    cede_stop(loop);
    cede_prep_timer(&timer.req, 50 * CEDE_MILLISECOND);
    ticket = cede_submit(loop, &timer.req, note_done);
    CHECK(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK);
    CHECK(timer.result.status == CEDE_OK);
    CHECK(backend.waits < 100);
    cede_prep_nop(&nop.req);
    cede_submit(loop, &nop.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 0 && nop.calls == 0);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1 && nop.calls == 1);
    cede_stop(loop);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
