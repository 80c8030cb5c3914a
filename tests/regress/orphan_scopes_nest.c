/* Scopes that found no slot, nested in one that found none: an outer one's done frees what an inner
 * one's request lies in, so the inner one's comes first (law 12). It came after it where the inner
 * one was submitted while the outer one waited for a close, and where the outer one was still on
 * its way from another thread. */
#include "orphans.h"

typedef struct object {
    note middle, nested, close;
} object;

static int ended;

static void on_end(cede_req *req, cede_result result)
{
    object *o = CEDE_CONTAINER(req, object, middle.req);
    CHECK(result.status == CEDE_EENDED);
    CHECK(o->nested.calls == 1 && o->nested.result.status == CEDE_EENDED);
    memset(o, 0xdd, sizeof *o);
    free(o);
    ended++;
}

static cede_ticket nest(cede_loop *loop, cede_req *req, cede_ticket life, cede_done *done)
{
    cede_prep_scope(req);
    cede_in(req, life);
    return cede_submit(loop, req, done);
}

static void while_a_close_is_under_way(fake *backend, cede_loop *loop, cede_ticket life)
{
    object *o = calloc(1, sizeof *o);
    cede_ticket middle;
    CHECK(o);
    middle = nest(loop, &o->middle.req, life, on_end);
    cede_prep_close(&o->close.req, fake_handle(CEDE_KIND_FILE, 0));
    cede_in(&o->close.req, middle);
    (void)cede_submit(loop, &o->close.req, note_done);
    CHECK(cede_run(loop, 0) == 0 && cede_run(loop, 0) == 0 && fake_find(backend, CEDE_OP_CLOSE));
    (void)nest(loop, &o->nested.req, middle, note_done);
    CHECK(cede_run(loop, 0) == 0);
    fake_report(backend, fake_token(backend, CEDE_OP_CLOSE), CEDE_OK, 0);
    CHECK(cede_run(loop, CEDE_FOREVER) == 4);
}

static void while_it_is_on_its_way(cede_loop *loop, cede_ticket life)
{
    object *o = calloc(1, sizeof *o);
    cede_ticket middle;
    CHECK(o);
    cede_prep_scope(&o->middle.req);
    cede_in(&o->middle.req, life);
    cede_submit_remote(loop, &o->middle.req, on_end, &middle);
    (void)nest(loop, &o->nested.req, middle, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 3);
}

REGRESSION(orphan_scopes_nest)
{
    static fake backend = {.on_start = keep_closes};
    static note outer;
    cede_loop *loop;

    use_short_memory();
    CHECK(fake_handle(CEDE_KIND_FILE, 0)); /* the table of handles has its memory */
    loop = fake_loop(&backend);
    fill_slots(loop, 0);
    for (int i = 0; i < 2; i++) {
        cede_prep_scope(&outer.req);
        cede_ticket life = cede_submit(loop, &outer.req, note_done);
        if (i == 0)
            while_a_close_is_under_way(&backend, loop, life);
        else
            while_it_is_on_its_way(loop, life);
        CHECK(ended == i + 1 && outer.calls == i + 1);
    }
    memory_is_out = false;
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
