/* A chain that finds no slots is delivered all the same, each once and in order, and counted: the
 * loop can be closed afterwards (1b: Names and room). A linked close among them closes. */
#include "orphans.h"

REGRESSION(orphaned_chain)
{
    static fake backend;
    static note head, middle, last, scope, read;
    static char byte;
    cede_loop *loop;
    cede_handle handle;
    cede_ticket life;
    cede_counts counts;

    for (unsigned spare = 0; spare < 3; spare++) {
        if (spare == 0)
            use_short_memory();
        memory_is_out = false;
        loop = fake_loop(&backend);
        handle = fake_handle(CEDE_KIND_PIPE, 0);
        backend.starts = 0;
        notes = 0;
        cede_prep_scope(&scope.req);
        life = cede_submit(loop, &scope.req, note_done);
        fill_slots(loop, spare + 1);
        cede_prep_write(&head.req, handle, &byte, 1, CEDE_CURRENT);
        cede_prep_nop(&middle.req);
        cede_prep_close(&last.req, handle);
        cede_in(&middle.req, life);
        cede_link(&head.req, &middle.req, note_done);
        cede_link(&middle.req, &last.req, note_done);
        head.calls = middle.calls = last.calls = scope.calls = 0;
        cede_submit(loop, &head.req, note_done);
        CHECK(cede_run(loop, CEDE_FOREVER) == 4);
        CHECK(head.calls == 1 && middle.calls == 1 && last.calls == 1 && scope.calls == 1);
        CHECK(head.order < middle.order && middle.order < last.order);
        CHECK(head.result.status == CEDE_ENOMEM);
        CHECK(middle.result.status == CEDE_ECANCELED && (middle.result.flags & CEDE_BY_LINK));
        CHECK(last.result.status == CEDE_OK && backend.starts == 1);
        CHECK(scope.order > middle.order && scope.result.count == 1);
        cede_count(loop, &counts);
        CHECK(counts.submitted - counts.delivered == FILLERS - spare - 1);
        memory_is_out = false;
        cede_prep_read(&read.req, handle, &byte, 1, CEDE_CURRENT);
        cede_submit(loop, &read.req, note_done);
        CHECK(cede_run(loop, CEDE_FOREVER) == 1 && read.result.status == CEDE_EBADF);
        CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    }
    return 0;
}
