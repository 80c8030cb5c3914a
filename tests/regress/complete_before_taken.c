/* A pend that is completed, and a scope that is failed, before the loop has taken their remote
 * submission keep the status and the count (law 6; 1b: Threads). */
#include "fake.h"

REGRESSION(complete_before_taken)
{
    static fake backend;
    static note pend, scope;
    cede_loop *loop = fake_loop(&backend);
    cede_ticket ticket;

    (void)cede_run(loop, 0); /* binds it */
    cede_prep_pend(&pend.req);
    cede_submit_remote(loop, &pend.req, note_done, &ticket);
    cede_complete(ticket, CEDE_EIO, 42);
    cede_prep_scope(&scope.req);
    cede_submit_remote(loop, &scope.req, note_done, &ticket);
    cede_fail(ticket, CEDE_ENOSPC);
    CHECK(cede_run(loop, CEDE_FOREVER) == 2);
    CHECK(pend.result.status == CEDE_EIO && pend.result.count == 42);
    CHECK(scope.result.status == CEDE_ENOSPC && (scope.result.flags & CEDE_BY_WISH));
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
