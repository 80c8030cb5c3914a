/* A scope that is sealed and is joined by a close waits, off the queue, until that is over. When it
 * was set aside by a wait inside a callback, an outer wait that stood just behind it goes on (law
 * 9). */
#include "fake.h"

static cede_loop *loop;
static cede_ticket scope_ticket;
static note scope, member;
static cede_status inner;

static int keep_closes(fake *self, const cede_work *work)
{
    (void)self, (void)work;
    return FAKE_KEEP; /* until the test reports them */
}

static void on_first(cede_req *req, cede_result result)
{
    note_done(req, result);
    cede_prep_close(&member.req, fake_handle(CEDE_KIND_FILE, 0));
    cede_in(&member.req, scope_ticket);
    cede_submit(loop, &member.req, note_done);
    inner = cede_wait(loop, scope_ticket, 0);
}

REGRESSION(wait_sets_aside)
{
    static fake backend = {.on_start = keep_closes};
    static note target, first;
    cede_ticket ticket;

    loop = fake_loop(&backend);
    CHECK(cede_run(loop, 0) == 0); /* bound: wishes take effect in the call */
    cede_prep_scope(&scope.req);
    scope_ticket = cede_submit(loop, &scope.req, note_done);
    cede_fail(scope_ticket, CEDE_OK); /* empty: sealed, and the first of what is ready */
    cede_prep_scope(&target.req);
    ticket = cede_submit(loop, &target.req, note_done);
    cede_prep_nop(&first.req);
    cede_in(&first.req, ticket);
    cede_submit(loop, &first.req, on_first);
    cede_fail(ticket, CEDE_OK);
    CHECK(cede_wait(loop, ticket, CEDE_SECOND) == CEDE_OK);
    CHECK(first.calls == 1 && target.calls == 1 && inner == CEDE_EDEADLINE);
    CHECK(scope.calls == 0 && member.calls == 0);

    CHECK(cede_run(loop, 0) == 0);
    CHECK(fake_find(&backend, CEDE_OP_CLOSE));
    fake_report(&backend, fake_find(&backend, CEDE_OP_CLOSE)->token, CEDE_OK, 0);
    CHECK(cede_run(loop, CEDE_FOREVER) == 2);
    CHECK(member.calls == 1 && scope.calls == 1 && member.order < scope.order);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
