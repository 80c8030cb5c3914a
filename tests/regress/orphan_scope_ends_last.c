/* The done of a scope that found no slot frees the object that its members lie in: so theirs come
 * first, whether they found a slot or not, nested scopes from the inside, and in a wait too (law
 * 12). What joins it is told that it has ended. */
#include "orphans.h"

typedef struct object {
    note scope, inner;
    note members[4];
} object;

static int ended;

static void on_end(cede_req *req, cede_result result)
{
    object *o = CEDE_CONTAINER(req, object, scope.req);
    CHECK(result.status == CEDE_ENOMEM);
    CHECK(o->inner.calls == 1 && o->inner.result.status == CEDE_EENDED);
    for (int i = 0; i < 4; i++) {
        CHECK(o->members[i].calls == 1 && o->members[i].result.status == CEDE_EENDED);
        CHECK(o->members[i].result.flags == CEDE_BY_SCOPE);
        CHECK(i < 2 || o->members[i].order < o->inner.order);
    }
    CHECK(o->members[0].order < o->members[1].order);
    memset(o, 0xdd, sizeof *o);
    free(o);
    ended++;
}

static void join(cede_loop *loop, note *n, cede_ticket life)
{
    cede_prep_timer(&n->req, 1000);
    cede_in(&n->req, life);
    cede_submit(loop, &n->req, note_done);
}

static cede_ticket begin(cede_loop *loop, bool memory_comes_back)
{
    object *o = calloc(1, sizeof *o);
    cede_ticket life, inner;
    CHECK(o);
    memory_is_out = true;
    cede_prep_scope(&o->scope.req);
    life = cede_submit(loop, &o->scope.req, on_end);
    join(loop, &o->members[0], life);
    memory_is_out = !memory_comes_back;
    cede_prep_scope(&o->inner.req);
    cede_in(&o->inner.req, life);
    inner = cede_submit(loop, &o->inner.req, note_done);
    join(loop, &o->members[2], inner);
    join(loop, &o->members[1], life);
    join(loop, &o->members[3], inner);
    return life;
}

REGRESSION(orphan_scope_ends_last)
{
    static fake backend;
    static note other;
    cede_loop *loop;

    use_short_memory();
    loop = fake_loop(&backend);
    fill_slots(loop, 0);
    cede_prep_nop(&other.req);
    cede_submit(loop, &other.req, note_done);
    (void)begin(loop, false);
    CHECK(cede_run(loop, CEDE_FOREVER) == 7);
    CHECK(ended == 1 && other.calls == 1);
    CHECK(cede_wait(loop, begin(loop, false), CEDE_SECOND) == CEDE_OK && ended == 2);
    CHECK(cede_wait(loop, begin(loop, true), CEDE_SECOND) == CEDE_OK && ended == 3);
    memory_is_out = false;
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
