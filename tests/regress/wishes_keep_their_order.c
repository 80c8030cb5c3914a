/* One thread's remote submits and wishes take effect in the order made (1b: Threads): a member that
 * was submitted before its scope was failed is a member, and is ended as one. */
#include "fake.h"

REGRESSION(wishes_keep_their_order)
{
    static fake backend;
    static note scope, member, pend, nop;
    cede_loop *loop = fake_loop(&backend);
    cede_ticket life, ticket;

    (void)cede_run(loop, 0);
    cede_prep_scope(&scope.req);
    cede_submit_remote(loop, &scope.req, note_done, &life);
    cede_prep_pend(&member.req);
    cede_in(&member.req, life);
    cede_submit_remote(loop, &member.req, note_done, NULL);
    cede_fail(life, CEDE_EIO);
    CHECK(cede_run(loop, CEDE_FOREVER) == 2);
    CHECK(member.result.status == CEDE_ECANCELED && (member.result.flags & CEDE_BY_SCOPE));
    CHECK(scope.result.status == CEDE_EIO && scope.result.count == 1);

    cede_prep_pend(&pend.req);
    cede_submit_remote(loop, &pend.req, note_done, &ticket);
    cede_prep_nop(&nop.req);
    cede_submit_remote(loop, &nop.req, note_done, NULL);
    cede_complete(ticket, CEDE_OK, 0);
    CHECK(cede_run(loop, CEDE_FOREVER) == 2);
    CHECK(nop.order < pend.order);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
