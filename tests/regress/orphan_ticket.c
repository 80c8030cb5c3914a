/* The refusal ticket: a wait for it delivers all such requests, remote ones too, also inside the
 * done of one; another loop's is CEDE_EINVAL (law 9; 1b: Names and room). A close is one of them,
 * and closes. */
#include "orphans.h"

static cede_loop *loop;
static cede_ticket ticket;
static cede_status inside;

static void waits(cede_req *req, cede_result r)
{
    (void)r;
    inside = cede_wait(loop, ticket, CEDE_FOREVER);
    note_done(req, r);
}

static void submits(void *context)
{
    note *n = context;
    cede_prep_nop(&n->req);
    cede_submit_remote(loop, &n->req, note_done, &ticket);
}

REGRESSION(orphan_ticket)
{
    static fake backend, second;
    static note local, remote, handle_close;
    cede_handle handle;
    cede_loop *other;
    port_thread thread;

    use_short_memory();
    handle = fake_handle(CEDE_KIND_FILE, 0);
    loop = fake_loop(&backend);
    other = fake_loop(&second);
    fill_slots(loop, 0);
    (void)cede_run(loop, 0);
    port_start(&thread, submits, &remote);
    port_join(&thread);
    CHECK(cede_wait(loop, ticket, CEDE_SECOND) == CEDE_OK);
    CHECK(remote.calls == 1 && remote.result.status == CEDE_ENOMEM);
    CHECK(cede_wait(other, ticket, 0) == CEDE_EINVAL);

    cede_prep_nop(&local.req);
    ticket = cede_submit(loop, &local.req, waits);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(local.calls == 1 && inside == CEDE_OK);

    /* A close without a slot closes, and the wait for it is one for the system's close. */
    cede_prep_close(&handle_close.req, handle);
    ticket = cede_submit(loop, &handle_close.req, note_done);
    CHECK(cede_wait(loop, ticket, CEDE_SECOND) == CEDE_OK);
    CHECK(handle_close.calls == 1 && handle_close.result.status == CEDE_OK);
    CHECK(backend.starts == 1);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(cede_loop_close(other, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
