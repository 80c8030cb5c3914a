/* A wish that another thread sent in time, and that reaches the loop when nothing is left to be
 * ended: loop close takes it, and does not go to sleep over it (law 11). */
#include "fake.h"

static note first, second;
static cede_ticket ticket;

static void cancel_second(void *context)
{
    (void)context;
    cede_cancel(ticket);
}

static void done_first(cede_req *req, cede_result result)
{
    port_thread other;
    note_done(req, result);
    port_start(&other, cancel_second, NULL); /* it is sealed by now, and not delivered yet */
    port_join(&other);
}

static void never_for_ever(fake *self, uint64_t timeout_ns)
{
    CHECK(self->count == 0 && timeout_ns != CEDE_FOREVER);
}

REGRESSION(close_meets_a_late_wish)
{
    static fake backend = {.on_wait = never_for_ever};
    cede_loop *loop = fake_loop(&backend);
    cede_prep_pend(&first.req);
    (void)cede_submit(loop, &first.req, done_first);
    cede_prep_pend(&second.req);
    ticket = cede_submit(loop, &second.req, note_done);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(first.calls == 1 && second.calls == 1 && second.result.status == CEDE_ECANCELED);
    return 0;
}
