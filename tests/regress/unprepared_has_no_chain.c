/* A request that is submitted again without being prepared again completes with CEDE_EINVAL, and
 * nothing that its last preparation left behind is followed: neither chain nor scope (law 1). */
#include "fake.h"

REGRESSION(unprepared_has_no_chain)
{
    static fake backend;
    static note head, first;
    note *next = malloc(sizeof *next);
    cede_loop *loop = fake_loop(&backend);

    CHECK(next);
    memset(next, 0, sizeof *next);
    cede_prep_nop(&head.req);
    cede_prep_nop(&next->req);
    cede_link(&head.req, &next->req, note_done);
    cede_submit(loop, &head.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 2);
    memset(next, 0x5a, sizeof *next);
    free(next);

    cede_submit(loop, &head.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(head.calls == 2 && head.result.status == CEDE_EINVAL);

    memset(&first.req, 0xff, sizeof first.req);
    cede_submit(loop, &first.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(first.result.status == CEDE_EINVAL);

    memset(&first.req, 0xff, sizeof first.req);
    cede_prep_nop(&head.req);
    cede_link(&head.req, &first.req, note_done);
    cede_submit(loop, &head.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 2);
    CHECK(first.calls == 2 && first.result.status == CEDE_EINVAL);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
