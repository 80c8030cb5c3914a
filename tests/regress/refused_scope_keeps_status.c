/* cede_fail on a scope that was refused, and waits to be delivered, does not rewrite its status
 * (law 7). */
#include "fake.h"

REGRESSION(refused_scope_keeps_status)
{
    static fake backend;
    static note scope, pend;
    cede_loop *loop = fake_loop(&backend);
    cede_ticket ticket, life;

    cede_prep_pend(&pend.req);
    ticket = cede_submit(loop, &pend.req, note_done);
    cede_prep_scope(&scope.req);
    cede_in(&scope.req, ticket); /* no scope */
    (void)cede_run(loop, 0);
    life = cede_submit(loop, &scope.req, note_done);
    cede_fail(life, CEDE_EIO);
    (void)cede_run(loop, 0);
    CHECK(scope.result.status == CEDE_EINVAL);
    cede_cancel(ticket);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
