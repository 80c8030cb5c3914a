/* A member that submits itself anew in its done keeps its scope alive; a wait for that scope ends
 * at its limit all the same, and timers go on meanwhile (laws 9, 14). */
#include "fake.h"

static cede_loop *loop;
static cede_ticket life;
static note scope, timer;
static uint64_t rounds;

static void again(cede_req *req, cede_result r)
{
    rounds++;
    if (r.status)
        return;
    cede_prep_nop(req);
    cede_in(req, life);
    cede_submit(loop, req, again);
}

REGRESSION(wait_has_an_end)
{
    static fake backend;
    static cede_req member;

    loop = fake_loop(&backend);
    cede_prep_scope(&scope.req);
    life = cede_submit(loop, &scope.req, note_done);
    cede_prep_timer(&timer.req, 0);
    cede_in(&timer.req, life);
    cede_submit(loop, &timer.req, note_done);
    cede_prep_nop(&member);
    cede_in(&member, life);
    cede_submit(loop, &member, again);
    CHECK(cede_wait(loop, life, 20 * CEDE_MILLISECOND) == CEDE_EDEADLINE);
    CHECK(timer.calls == 1 && rounds > 10);
    cede_cancel(life);
    CHECK(cede_run(loop, CEDE_FOREVER) >= 1);
    CHECK(scope.calls == 1);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
