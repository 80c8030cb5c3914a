/* A loop whose backend could not be bound to its thread starts nothing, ever. What it was asked for
 * fails; its handles are closed all the same, and so is the loop: it waited for ever for a backend
 * to take their closes. And the next loop, in the same memory, is none of that: all that it was
 * asked for failed. */
#include "fake.h"

static int taken;

static int take_nothing(fake *self, const cede_work *work)
{
    (void)self, (void)work;
    taken++;
    return FAKE_REFUSE;
}

static int report_at_once(fake *self, const cede_work *work)
{
    cede_core_done(self->core, work->token, CEDE_OK, 0, 0);
    return FAKE_REPORTED;
}

static cede_status bind_fails(void *self)
{
    (void)self;
    return CEDE_EPERM;
}

static int discarded;

static void count_discard(intptr_t native)
{
    (void)native;
    discarded++;
}

REGRESSION(lost_loop_closes)
{
    static fake backend;
    static note close, trip;
    cede_backend table = fake_backend;
    cede_options options = CEDE_OPTIONS_INIT;
    cede_loop *loop;
    cede_handle last;

    table.bind = bind_fails;
    table.discard = count_discard;
    backend.on_start = take_nothing;
    options.backend_table = &table;
    options.backend_config = &backend;
    port_limit(30);
    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    cede_prep_close(&close.req, fake_handle(CEDE_KIND_FILE, 0)); /* before it is known */
    cede_submit(loop, &close.req, note_done);
    cede_prep_roundtrip(&trip.req);
    cede_submit(loop, &trip.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 2);
    CHECK(trip.calls == 1 && trip.result.status == CEDE_EAGAIN);
    CHECK(close.calls == 1 && close.result.status == CEDE_OK && discarded == 1);
    cede_prep_close(&close.req, fake_handle(CEDE_KIND_FILE, 0));
    cede_submit(loop, &close.req, note_done);
    last = fake_handle(CEDE_KIND_FILE, 0);
    cede_prep_fsync(&trip.req, last); /* binds it */
    cede_submit(loop, &trip.req, note_done);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(close.calls == 2 && trip.calls == 2 && discarded == 3);

    table.bind = NULL;
    backend.on_start = report_at_once;
    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    cede_prep_roundtrip(&trip.req);
    cede_submit(loop, &trip.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1 && trip.result.status == CEDE_OK);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
