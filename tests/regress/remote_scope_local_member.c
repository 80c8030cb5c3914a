/* The ticket of a scope that another thread submitted is good on the loop's thread at once: to join
 * it, to own by it, to extend it; it has not ended, it was only not taken yet (law 12). */
#include "fake.h"

REGRESSION(remote_scope_local_member)
{
    static fake backend;
    static note scope, member, late;
    static char byte;
    cede_loop *loop = fake_loop(&backend);
    cede_handle handle = fake_handle(CEDE_KIND_PIPE, 0);
    cede_ticket life;

    (void)cede_run(loop, 0);
    cede_prep_scope(&scope.req);
    cede_submit_remote(loop, &scope.req, note_done, &life);
    cede_prep_nop(&member.req);
    cede_in(&member.req, life);
    cede_submit(loop, &member.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 2);
    CHECK(member.result.status == CEDE_OK);
    CHECK(scope.result.status == CEDE_OK && scope.result.count == 1);

    cede_prep_scope(&scope.req);
    cede_submit_remote(loop, &scope.req, note_done, &life);
    cede_own(life, handle);
    cede_prep_read(&late.req, handle, &byte, 1, CEDE_CURRENT);
    cede_submit(loop, &late.req, note_done);
    (void)cede_run(loop, 0);
    CHECK(late.calls == 0); /* the handle was not dropped */
    cede_cancel(life);
    CHECK(cede_run(loop, CEDE_FOREVER) == 2);
    CHECK((late.result.flags & CEDE_BY_ANY) == CEDE_BY_SCOPE);

    cede_prep_scope(&scope.req);
    cede_submit_remote(loop, &scope.req, note_done, &life);
    cede_extend(life, CEDE_MILLISECOND);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(scope.result.status == CEDE_EDEADLINE);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
