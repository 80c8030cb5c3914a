/* Inside the done of a member of a scope without a slot, a wait for that scope, or for one that it
 * is in, would wait for itself: CEDE_EDEADLK (law 9), and the scope's done, which may free what the
 * member lies in, comes when the member's has returned (law 12). Also of a member that is linked
 * behind another. */
#include "orphans.h"

static cede_loop *loop;
static cede_ticket outside, life;
static note outer, scope, head;
static bool inside;
static int ended;

static void on_scope(cede_req *req, cede_result result)
{
    CHECK(!inside);
    note_done(req, result);
    ended++;
}

static void on_member(cede_req *req, cede_result result)
{
    int before = ended;
    note_done(req, result);
    inside = true;
    CHECK(cede_wait(loop, life, CEDE_SECOND) == CEDE_EDEADLK);
    CHECK(cede_wait(loop, outside, CEDE_SECOND) == CEDE_EDEADLK);
    CHECK(ended == before);
    inside = false;
}

/* One slot is free, for the outer scope. */
static void begin(void)
{
    cede_prep_scope(&outer.req);
    outside = cede_submit(loop, &outer.req, note_done);
    memory_is_out = true;
    cede_prep_scope(&scope.req);
    cede_in(&scope.req, outside);
    life = cede_submit(loop, &scope.req, on_scope);
}

REGRESSION(orphan_member_waits)
{
    static fake backend;
    static note member;

    use_short_memory();
    loop = fake_loop(&backend);
    (void)cede_run(loop, 0);
    fill_slots(loop, 1);
    begin();
    cede_prep_nop(&member.req);
    cede_in(&member.req, life);
    cede_submit(loop, &member.req, on_member);
    cede_cancel(outside);
    CHECK(cede_wait(loop, outside, CEDE_SECOND) == CEDE_OK);
    CHECK(member.calls == 1 && ended == 1 && outer.calls == 1);

    begin();
    memory_is_out = false; /* the chain might have slots */
    cede_prep_nop(&head.req);
    cede_prep_nop(&member.req);
    cede_in(&member.req, life);
    cede_link(&head.req, &member.req, on_member);
    cede_submit(loop, &head.req, note_done);
    CHECK(cede_wait(loop, life, CEDE_SECOND) == CEDE_OK);
    CHECK(ended == 2 && member.calls == 2 && member.order < scope.order);
    CHECK(member.result.status == CEDE_EENDED && member.result.flags == CEDE_BY_SCOPE);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(head.calls == 1 && outer.calls == 2);
    return 0;
}
