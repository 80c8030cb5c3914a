/* A cancel that the backend puts off is asked again on the loop's turns and, idle, with a back-off
 * that grows (law 6): never hundreds of times in one turn, never in a loop that spins. */
#include "fake.h"

static int not_now(fake *self, uint64_t token)
{
    (void)self, (void)token;
    return CEDE_CANCEL_AGAIN;
}

static uint64_t late;

static int found_nothing(fake *self, uint64_t token)
{
    (void)self;
    late = token;
    return CEDE_CANCEL_SENT;
}

static void say_so_later(fake *self, uint64_t timeout_ns)
{
    uint64_t token = late;
    (void)timeout_ns;
    late = 0;
    if (!token)
        return;
    cede_core_cancel_again(self->core, token);
    fake_wake(self); /* like a kernel's answer, it ends the wait */
}

static void idle_for(fake *backend, cede_loop *loop, uint64_t ns)
{
    backend->cancels = 0;
    (void)cede_run(loop, ns);
}

REGRESSION(cancel_backs_off)
{
    static fake backend;
    static note one;
    cede_loop *loop = fake_loop(&backend);
    cede_ticket ticket;

    backend.on_cancel = not_now;
    cede_prep_roundtrip(&one.req);
    ticket = cede_submit(loop, &one.req, note_done);
    (void)cede_run(loop, 0);
    cede_cancel(ticket);
    backend.cancels = 0;
    (void)cede_run(loop, 0);
    CHECK(backend.cancels >= 1 && backend.cancels <= 2);
    idle_for(&backend, loop, 200 * CEDE_MILLISECOND);
    CHECK(backend.cancels >= 2 && backend.cancels < 100);

    backend.on_cancel = found_nothing;
    backend.on_wait = say_so_later;
    idle_for(&backend, loop, 200 * CEDE_MILLISECOND);
    CHECK(backend.cancels >= 2 && backend.cancels < 100);

    backend.on_cancel = NULL;
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(one.result.status == CEDE_ECANCELED && (one.result.flags & CEDE_BY_WISH));
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
