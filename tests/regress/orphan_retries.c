/* A request that finds no slot and is submitted anew in its done, again and again, does not keep a
 * turn from ending (law 14), and in a closing loop it is stopped (law 17). */
#include "orphans.h"

static cede_loop *loop;
static uint64_t rounds;
static bool go_on = true;

static void again(cede_req *req, cede_result r)
{
    (void)r;
    rounds++;
    if (!go_on)
        return;
    cede_prep_nop(req);
    cede_submit(loop, req, again);
}

static void begin(fake *backend, cede_req *req)
{
    use_short_memory();
    loop = fake_loop(backend);
    fill_slots(loop, 0);
    cede_prep_nop(req);
    cede_submit(loop, req, again);
}

REGRESSION(orphan_retries)
{
    static fake backend;
    static cede_req req;

    if (regression_act) {
        begin(&backend, &req);
        (void)cede_loop_close(loop, CEDE_SECOND);
        return 0;
    }
    CHECK(regression_breaks_off("in-a-closing-loop"));

    begin(&backend, &req);
    CHECK(cede_run(loop, 0) == 1 && rounds == 1);
    CHECK(cede_run(loop, 0) == 1 && rounds == 2);
    (void)cede_run(loop, 5 * CEDE_MILLISECOND);
    go_on = false;
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
