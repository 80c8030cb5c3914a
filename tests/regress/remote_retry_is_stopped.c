/* A request that an ended scope refuses, and that its done submits again and again, is stopped
 * after a thousand times, also when it is submitted as from another thread (law 17); one that comes
 * to its senses before is not. */
#include "fake.h"

static cede_loop *loop;
static cede_ticket life;
static unsigned rounds, most;

static void again(cede_req *req, cede_result r)
{
    CHECK(r.status == CEDE_EENDED || rounds == most);
    if (++rounds > most)
        return;
    cede_prep_nop(req);
    if (rounds < most)
        cede_in(req, life);
    cede_submit_remote(loop, req, again, NULL);
}

static void retry(unsigned times)
{
    static fake backend;
    static note scope;
    static cede_req req;
    loop = fake_loop(&backend);
    cede_prep_scope(&scope.req);
    life = cede_submit(loop, &scope.req, note_done);
    cede_cancel(life);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    rounds = 0;
    most = times;
    cede_prep_nop(&req);
    cede_in(&req, life);
    cede_submit_remote(loop, &req, again, NULL);
    (void)cede_run(loop, CEDE_FOREVER);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

REGRESSION(remote_retry_is_stopped)
{
    if (regression_act) {
        retry(100000);
        return 0;
    }
    CHECK(regression_breaks_off("for-ever"));
    retry(900);
    retry(900);
    return 0;
}
