/* A backend without room fails the first staged request when nothing is in flight, but never a
 * close, which cannot fail for want of room, nor a drop: those are offered again (laws 10, 15). */
#include "fake.h"

static bool full;

static int when_there_is_room(fake *self, const cede_work *work)
{
    if (full)
        return FAKE_REFUSE;
    if (work->op == CEDE_OP_CLOSE) {
        cede_core_done(self->core, work->token, CEDE_OK, 0, 0);
        return FAKE_REPORTED;
    }
    return FAKE_KEEP;
}

REGRESSION(starved_close)
{
    static fake backend;
    static note close, trip;
    cede_loop *loop = fake_loop(&backend);

    full = true;
    backend.on_start = when_there_is_room;
    cede_prep_close(&close.req, fake_handle(CEDE_KIND_FILE, 0));
    cede_submit(loop, &close.req, note_done);
    cede_drop(fake_handle(CEDE_KIND_FILE, 0));
    cede_prep_roundtrip(&trip.req);
    cede_submit(loop, &trip.req, note_done);
    (void)cede_run(loop, 100 * CEDE_MILLISECOND);
    CHECK(trip.calls == 1 && trip.result.status == CEDE_EAGAIN);
    CHECK(close.calls == 0);
    CHECK(backend.waits < 200); /* it did not spin */
    full = false;
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(close.calls == 1 && close.result.status == CEDE_OK);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
