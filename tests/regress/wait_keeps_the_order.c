/* A wait for a scope passes over what does not lead to it; then the callback of a member makes two
 * requests of one stream lead there, one passed over, one not: by a third on the stream that joins
 * the scope, or by giving the stream to it. The second of the two came before the first (law 14).
 */
#include "fake.h"

static cede_loop *loop;
static cede_ticket life;
static cede_handle stream;
static note scope, member, first, second, third;

static void sends_more(cede_req *req, cede_result result)
{
    note_done(req, result);
    cede_prep_send(&third.req, stream, "3", 1);
    cede_in(&third.req, life);
    (void)note_submit(loop, &third, note_done);
}

static void owns_the_stream(cede_req *req, cede_result result)
{
    note_done(req, result);
    cede_own(life, stream);
}

static int at_once(fake *self, const cede_work *work)
{
    cede_core_done(self->core, work->token, CEDE_OK, 0, 1);
    return FAKE_REPORTED;
}

static void round_of(cede_done *act)
{
    static fake backend;
    static note aside;
    cede_ticket waits;

    memset(&backend, 0, sizeof backend);
    backend.on_start = at_once;
    notes = 0;
    third.calls = 0;
    loop = fake_loop(&backend);
    stream = fake_handle(CEDE_KIND_STREAM, 0);
    cede_prep_scope(&scope.req);
    life = note_submit(loop, &scope, note_done);
    cede_prep_send(&first.req, stream, "1", 1);
    (void)note_submit(loop, &first, note_done);
    cede_prep_send(&member.req, fake_handle(CEDE_KIND_STREAM, 0), "m", 1);
    cede_in(&member.req, life);
    (void)note_submit(loop, &member, act);
    cede_prep_send(&second.req, stream, "2", 1);
    (void)note_submit(loop, &second, note_done);
    cede_prep_pend(&aside.req);
    waits = note_submit(loop, &aside, note_done);
    CHECK(cede_wait(loop, waits, 0) == CEDE_EDEADLINE);
    CHECK(!first.calls && !member.calls && !second.calls); /* sealed, and not told */
    CHECK(cede_wait(loop, life, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(first.calls == 1 && member.calls == 1 && second.calls == 1 && scope.calls == 1);
    CHECK(first.order < second.order && second.order < scope.order);
    CHECK(!third.calls || (second.order < third.order && third.order < scope.order));
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

REGRESSION(wait_keeps_the_order)
{
    round_of(sends_more);
    CHECK(third.calls == 1);
    round_of(owns_the_stream);
    return 0;
}
