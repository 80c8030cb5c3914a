/* A scope that owns borrowed handles, whose close needs no system call, ends once (law 12). */
#include "fake.h"

REGRESSION(scope_owns_borrowed)
{
    static fake backend;
    static note scope, member;
    cede_loop *loop = fake_loop(&backend);
    cede_ticket life;

    cede_prep_scope(&scope.req);
    life = cede_submit(loop, &scope.req, note_done);
    for (int i = 0; i < 3; i++)
        cede_own(life, fake_handle(CEDE_KIND_PIPE, i == 1 ? 0 : CEDE_IMPORT_BORROW));
    cede_prep_nop(&member.req);
    cede_in(&member.req, life);
    cede_submit(loop, &member.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 2);
    CHECK(scope.calls == 1 && scope.result.status == CEDE_OK);
    CHECK(backend.starts == 1); /* the one that is not borrowed */
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
