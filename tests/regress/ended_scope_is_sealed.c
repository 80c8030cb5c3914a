/* A scope whose last member has returned is sealed: a cancel while its handles are being closed
 * changes neither status nor flags (1b: Scopes); and that the handle's close is reported from
 * inside the cancel of a sibling does no harm. */
#include "fake.h"

static uint64_t held; /* the close of the nested scope's handle */

static int keep_closes(fake *self, const cede_work *work)
{
    (void)self;
    if (work->op == CEDE_OP_CLOSE)
        held = work->token;
    return FAKE_KEEP;
}

static int report_close_in_cancel(fake *self, uint64_t token)
{
    fake_report(self, held, CEDE_OK, 0);
    fake_report(self, token, CEDE_ECANCELED, 0);
    return CEDE_CANCEL_SENT;
}

REGRESSION(ended_scope_is_sealed)
{
    static fake backend;
    static note outer, inner, member, read;
    static char byte;
    cede_loop *loop = fake_loop(&backend);
    cede_ticket life, nested;

    backend.on_start = keep_closes;
    backend.on_cancel = report_close_in_cancel;
    cede_prep_scope(&outer.req);
    life = cede_submit(loop, &outer.req, note_done);
    cede_prep_read(&read.req, fake_handle(CEDE_KIND_FILE, 0), &byte, 1, 0);
    cede_in(&read.req, life);
    cede_submit(loop, &read.req, note_done);
    cede_prep_scope(&inner.req);
    cede_in(&inner.req, life);
    nested = cede_submit(loop, &inner.req, note_done);
    cede_own(nested, fake_handle(CEDE_KIND_PIPE, 0));
    cede_prep_nop(&member.req);
    cede_in(&member.req, nested);
    cede_submit(loop, &member.req, note_done);
    CHECK(cede_run(loop, 0) == 1);
    CHECK(cede_run(loop, 0) == 0);
    CHECK(member.calls == 1 && inner.calls == 0 && held);

    cede_cancel(life); /* ends the read, and with it the close is reported */
    backend.on_start = NULL;
    CHECK(cede_run(loop, CEDE_FOREVER) == 3);
    CHECK(read.result.status == CEDE_ECANCELED && (read.result.flags & CEDE_BY_SCOPE));
    CHECK(inner.calls == 1 && inner.result.status == CEDE_OK);
    CHECK(!(inner.result.flags & CEDE_BY_ANY));
    CHECK(outer.result.status == CEDE_ECANCELED && inner.order < outer.order);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
