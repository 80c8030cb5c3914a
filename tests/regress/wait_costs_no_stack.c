/* cede_wait's search of what must come first took stack for each turn of the way: a chain of
 * scopes, each linked to a member of the next, ended it. And what a search had not come to may not
 * be forgotten, nor found by the next one, however much there is of it (law 9). */
#include "fake.h"

#define STAGES 20000
#define WIDE   1000
#define TARGET 700

static note scopes[STAGES], firsts[STAGES], pend, after, awaited;

/* A thousand linked members, each of a scope of its own: when the first is looked at, a thousand
 * scopes are left to be looked at. One of these leads to the target. */
static void go_wide(cede_loop *loop)
{
    cede_ticket target;
    memset(scopes, 0, sizeof scopes);
    memset(firsts, 0, sizeof firsts);
    memset(&after, 0, sizeof after);
    memset(&pend, 0, sizeof pend);
    cede_prep_scope(&awaited.req);
    target = cede_submit(loop, &awaited.req, note_done);
    for (int i = WIDE - 1; i >= 0; i--) {
        cede_prep_scope(&scopes[i].req);
        cede_prep_nop(&firsts[i].req);
        if (i == TARGET) {
            cede_prep_nop(&after.req);
            cede_in(&after.req, target);
            cede_link(&scopes[i].req, &after.req, note_done);
        }
        cede_in(&firsts[i].req, cede_submit(loop, &scopes[i].req, note_done));
        if (i + 1 < WIDE)
            cede_link(&firsts[i].req, &firsts[i + 1].req, note_done);
    }
    cede_submit(loop, &firsts[0].req, note_done);
    cede_prep_pend(&pend.req);
    cede_ticket other = cede_submit(loop, &pend.req, note_done);
    CHECK(cede_wait(loop, other, 0) == CEDE_EDEADLINE); /* looks at all of it, in vain */
    CHECK(firsts[0].calls == 0);
    CHECK(cede_wait(loop, target, 10 * CEDE_SECOND) == CEDE_OK);
    for (int i = 0; i < WIDE; i++) {
        CHECK(firsts[i].calls == (i <= TARGET));
        CHECK(scopes[i].calls == (i == TARGET));
    }
    CHECK(after.calls == 1 && awaited.calls == 1 && pend.calls == 0);
}

static void go_deep(cede_loop *loop)
{
    cede_ticket next = {0, 0};
    for (int i = STAGES - 1; i >= 0; i--) {
        cede_prep_scope(&scopes[i].req);
        if (i + 1 < STAGES) {
            cede_prep_nop(&firsts[i].req);
            cede_in(&firsts[i].req, next);
            cede_link(&scopes[i].req, &firsts[i].req, note_done);
        }
        next = cede_submit(loop, &scopes[i].req, note_done);
    }
    cede_prep_nop(&after.req);
    cede_in(&after.req, next);
    cede_submit(loop, &after.req, note_done);
    cede_prep_pend(&pend.req);
    next = cede_submit(loop, &pend.req, note_done);
    CHECK(cede_wait(loop, next, 0) == CEDE_EDEADLINE);
    CHECK(after.calls == 0);
}

static void on_thread(void *context)
{
    static fake backend;
    cede_loop *loop = fake_loop(&backend);
    (void)context;
    go_deep(loop);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    loop = fake_loop(&backend);
    go_wide(loop);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

REGRESSION(wait_costs_no_stack)
{
    port_thread thread;
    port_start_on(&thread, on_thread, NULL, 256 * 1024);
    port_join(&thread);
    return 0;
}
