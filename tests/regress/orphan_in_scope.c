/* A wait for a scope delivers its member that found no slot; a wait for anything else leaves such a
 * request alone and sleeps (law 9). */
#include "orphans.h"

REGRESSION(orphan_in_scope)
{
    static fake backend;
    static note scope, member, other, timer;
    cede_loop *loop;
    cede_ticket life, ticket;

    use_short_memory();
    loop = fake_loop(&backend);
    cede_prep_scope(&scope.req);
    life = cede_submit(loop, &scope.req, note_done);
    cede_prep_timer(&timer.req, 50 * CEDE_MILLISECOND);
    ticket = cede_submit(loop, &timer.req, note_done);
    fill_slots(loop, 2);
    cede_prep_nop(&member.req);
    cede_in(&member.req, life);
    cede_submit(loop, &member.req, note_done);
    cede_prep_nop(&other.req);
    cede_submit(loop, &other.req, note_done);
    CHECK(cede_wait(loop, ticket, CEDE_SECOND) == CEDE_OK);
    CHECK(timer.calls == 1 && member.calls == 0 && other.calls == 0);
    CHECK(backend.waits < 100);
    CHECK(cede_wait(loop, life, CEDE_SECOND) == CEDE_OK);
    CHECK(member.calls == 1 && member.result.status == CEDE_ENOMEM && scope.calls == 1);
    CHECK(other.calls == 0);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1 && other.calls == 1);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
