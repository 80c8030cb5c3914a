/* An accept_many that waits for a descriptor says so once, by an item. Without memory for that item
 * it said nothing, and never did; now it is told when it has to wait again, and once (law 15). */
#include "fake.h"

static fake backend = {.own_time = true};
static unsigned told;

static void on_item(cede_req *req, cede_result item)
{
    (void)req;
    CHECK(item.handle == 0 && item.status == CEDE_EMFILE && item.os_error == 24);
    told++;
}

/* No descriptor, once more, for the accept that is offered again. */
static void no_descriptor(cede_loop *loop)
{
    uint64_t token;
    while (!fake_find(&backend, CEDE_OP_ACCEPT_MANY))
        (void)cede_run(loop, CEDE_MILLISECOND);
    token = fake_token(&backend, CEDE_OP_ACCEPT_MANY);
    backend.count = 0;
    cede_core_done(backend.core, token, CEDE_EMFILE, 24, 0);
    (void)cede_run(loop, 0);
}

REGRESSION(shortage_is_told_later)
{
    static note many;
    cede_ticket ticket;
    cede_loop *loop;
    use_short_memory();
    loop = fake_loop(&backend);
    cede_prep_accept_many(&many.req, fake_handle(CEDE_KIND_LISTENER, 0), on_item);
    ticket = note_submit(loop, &many, note_done);
    memory_is_out = true;
    while (cede_core_adopt(&fake_backend, 7, CEDE_KIND_FILE, 0))
        continue; /* till no entry is left */
    for (int i = 0; i < 3; i++)
        no_descriptor(loop);
    CHECK(told == 0);
    memory_is_out = false;
    for (int i = 0; i < 3; i++)
        no_descriptor(loop);
    CHECK(told == 1 && many.calls == 0);
    cede_cancel(ticket);
    CHECK(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK);
    CHECK(many.result.status == CEDE_ECANCELED && many.result.count == 0);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
