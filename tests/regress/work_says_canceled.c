/* A work function may return CEDE_ECANCELED, and a count beside a failure: that is its result, also
 * when it was to be cancelled, and it does not run again (laws 2, 7). */
#include "fake.h"

static int runs;

static int runs_to_its_end(fake *self, uint64_t token)
{
    cede_work *work = fake_find(self, CEDE_OP_WORK);
    uint64_t count = 0;
    cede_core_touch(self->core, token, true);
    cede_status status = work->args->work.run(work->args->work.argument, &count);
    cede_core_touch(self->core, token, false);
    fake_report(self, token, status, count);
    return CEDE_CANCEL_NEVER;
}

static int run_it(fake *self, const cede_work *work)
{
    uint64_t count = 0;
    cede_status status = work->args->work.run(work->args->work.argument, &count);
    cede_core_done(self->core, work->token, status, 0, count);
    return FAKE_REPORTED;
}

static cede_status give_up(void *argument, uint64_t *count)
{
    (void)argument;
    runs++;
    *count = 7;
    return CEDE_ECANCELED;
}

REGRESSION(work_says_canceled)
{
    static fake backend;
    static note work;
    cede_loop *loop = fake_loop(&backend);

    backend.on_start = run_it;
    cede_prep_work(&work.req, give_up, NULL);
    cede_submit(loop, &work.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(runs == 1);
    CHECK(work.result.status == CEDE_ECANCELED && work.result.count == 7);
    CHECK(!(work.result.flags & CEDE_BY_ANY));

    backend.on_start = NULL;
    backend.on_cancel = runs_to_its_end;
    cede_prep_work(&work.req, give_up, NULL);
    cede_ticket ticket = cede_submit(loop, &work.req, note_done);
    CHECK(cede_run(loop, 0) == 0 && runs == 1);
    cede_cancel(ticket);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1 && runs == 2);
    CHECK(work.result.status == CEDE_ECANCELED && work.result.count == 7);
    CHECK((work.result.flags & CEDE_CANCEL_ASKED) && !(work.result.flags & CEDE_BY_ANY));
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
