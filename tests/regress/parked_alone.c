/* A work that the backend parks for want of room while nothing else is in flight would wait for
 * nobody: it completes with CEDE_EAGAIN (law 15). While something is in flight, it waits. */
#include "fake.h"

static int park_writes(fake *self, const cede_work *work)
{
    if (work->op != CEDE_OP_WRITE)
        return FAKE_KEEP;
    cede_core_done(self->core, work->token, CEDE_REPORT_PARK, 0, 0);
    return FAKE_REPORTED;
}

REGRESSION(parked_alone)
{
    static fake backend;
    static note trip, write;
    static char byte;
    cede_loop *loop = fake_loop(&backend);

    backend.on_start = park_writes;
    cede_prep_roundtrip(&trip.req);
    cede_submit(loop, &trip.req, note_done);
    cede_prep_write(&write.req, fake_handle(CEDE_KIND_FILE, CEDE_IMPORT_BORROW), &byte, 1, 0);
    cede_submit(loop, &write.req, note_done);
    (void)cede_run(loop, 30 * CEDE_MILLISECOND);
    CHECK(write.calls == 0 && backend.waits < 50);
    fake_report(&backend, backend.works[0].token, CEDE_OK, 0);
    CHECK(cede_run(loop, CEDE_FOREVER) == 2);
    CHECK(write.result.status == CEDE_EAGAIN);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
