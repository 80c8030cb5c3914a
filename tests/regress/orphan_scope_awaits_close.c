/* A close that joined a scope that found no slot is a member as any other: the scope's done, which
 * may free what the close's request lies in, comes after the close's, though the system takes its
 * time (law 12). In a run, and in a wait; nested scopes from the inside. */
#include "orphans.h"

typedef struct object {
    note scope, inner, close;
} object;

static int ended;

static void on_end(cede_req *req, cede_result result)
{
    object *o = CEDE_CONTAINER(req, object, scope.req);
    CHECK(result.status == CEDE_ENOMEM);
    CHECK(o->close.calls == 1 && o->close.result.status == CEDE_OK);
    CHECK(o->inner.calls == 1 && o->inner.result.status == CEDE_EENDED);
    CHECK(o->close.order < o->inner.order);
    memset(o, 0xdd, sizeof *o);
    free(o);
    ended++;
}

static cede_ticket begin(cede_loop *loop)
{
    object *o = calloc(1, sizeof *o);
    cede_ticket life, inner;
    CHECK(o);
    cede_prep_scope(&o->scope.req);
    life = cede_submit(loop, &o->scope.req, on_end);
    cede_prep_scope(&o->inner.req);
    cede_in(&o->inner.req, life);
    inner = cede_submit(loop, &o->inner.req, note_done);
    cede_prep_close(&o->close.req, fake_handle(CEDE_KIND_FILE, 0));
    cede_in(&o->close.req, inner);
    cede_submit(loop, &o->close.req, note_done);
    return life;
}

static void report_close(fake *backend)
{
    CHECK(fake_find(backend, CEDE_OP_CLOSE));
    fake_report(backend, fake_find(backend, CEDE_OP_CLOSE)->token, CEDE_OK, 0);
}

REGRESSION(orphan_scope_awaits_close)
{
    static fake backend = {.on_start = keep_closes};
    cede_loop *loop;
    cede_ticket life;

    use_short_memory();
    CHECK(fake_handle(CEDE_KIND_FILE, 0)); /* the table of handles has its memory */
    loop = fake_loop(&backend);
    fill_slots(loop, 0);

    (void)begin(loop);
    CHECK(cede_run(loop, 0) == 0);
    CHECK(cede_run(loop, 0) == 0 && ended == 0);
    report_close(&backend);
    CHECK(cede_run(loop, CEDE_FOREVER) == 3 && ended == 1);

    life = begin(loop);
    CHECK(cede_wait(loop, life, 0) == CEDE_EDEADLINE && ended == 1);
    CHECK(cede_wait(loop, life, CEDE_MILLISECOND) == CEDE_EDEADLINE && ended == 1);
    report_close(&backend);
    CHECK(cede_wait(loop, life, CEDE_SECOND) == CEDE_OK && ended == 2);

    memory_is_out = false;
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
