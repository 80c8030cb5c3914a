/* A backend may report any work as to be started again, a close and a drop too (backend.h). */
#include "fake.h"

static unsigned rounds;

static int interrupted(fake *self, const cede_work *work)
{
    static const cede_status say[] = {CEDE_REPORT_AGAIN, CEDE_REPORT_PARK, CEDE_OK};
    cede_core_done(self->core, work->token, say[rounds++ % 3], 0, 0);
    return FAKE_REPORTED;
}

REGRESSION(close_is_begun_anew)
{
    static fake backend;
    static note close;
    cede_loop *loop = fake_loop(&backend);

    backend.on_start = interrupted;
    cede_prep_close(&close.req, fake_handle(CEDE_KIND_FILE, 0));
    cede_submit(loop, &close.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(close.result.status == CEDE_OK && rounds == 3);
    cede_prep_close(&close.req, fake_handle(CEDE_KIND_FILE, 0));
    cede_submit(loop, &close.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(close.result.status == CEDE_OK && rounds == 6);
    {
        static note read;
        static char byte;
        cede_handle handle = fake_handle(CEDE_KIND_FILE, 0);
        cede_prep_nop(&read.req);
        (void)byte;
        cede_prep_scope(&read.req);
        cede_ticket life = cede_submit(loop, &read.req, note_done);
        cede_own(life, handle);
        cede_cancel(life);
        CHECK(cede_run(loop, CEDE_FOREVER) == 1);
        CHECK(read.calls == 1 && rounds == 9);
    }
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
