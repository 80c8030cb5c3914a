/* cede_wait finds what must come first however long the chain of reasons is: scopes nested a
 * thousand deep, a thousand linked requests on one stream (law 9); and in a time that grows with
 * their number, not with its powers. */
#include "fake.h"

#define MANY 1000

static note scopes[MANY], links[MANY], last, pend, after;

REGRESSION(wait_reaches_deep)
{
    static fake backend;
    static char byte;
    cede_loop *loop = fake_loop(&backend);
    cede_handle pipe = fake_handle(CEDE_KIND_PIPE, CEDE_IMPORT_BORROW);
    cede_ticket outermost = {0, 0}, life = {0, 0}, ticket;

    for (int i = 0; i < MANY; i++) {
        cede_prep_scope(&scopes[i].req);
        if (i)
            cede_in(&scopes[i].req, life);
        life = cede_submit(loop, &scopes[i].req, note_done);
        if (!i)
            outermost = life;
    }
    cede_prep_nop(&last.req);
    cede_in(&last.req, life);
    cede_submit(loop, &last.req, note_done);
    CHECK(cede_wait(loop, outermost, 10 * CEDE_SECOND) == CEDE_OK);
    CHECK(last.order == 1 && scopes[0].order == MANY + 1);

    /* The first is ready, and leads to all the others; the awaited one is another. */
    for (int i = MANY - 1; i >= 0; i--) {
        cede_prep_write(&links[i].req, pipe, &byte, 1, CEDE_CURRENT);
        if (i + 1 < MANY)
            cede_link(&links[i].req, &links[i + 1].req, note_done);
    }
    cede_submit(loop, &links[0].req, note_done);
    cede_prep_pend(&pend.req);
    ticket = cede_submit(loop, &pend.req, note_done);
    CHECK(cede_wait(loop, ticket, 0) == CEDE_EDEADLINE);
    fake_report(&backend, backend.works[0].token, CEDE_OK, 1);
    CHECK(cede_wait(loop, ticket, 10 * CEDE_MILLISECOND) == CEDE_EDEADLINE);
    CHECK(links[0].calls == 0);
    cede_cancel(ticket);

    /* And the close of the stream, which they all come before. */
    cede_prep_close(&after.req, pipe);
    ticket = cede_submit(loop, &after.req, note_done);
    CHECK(cede_wait(loop, ticket, 10 * CEDE_SECOND) == CEDE_OK);
    for (int i = 0; i < MANY; i++)
        CHECK(links[i].calls == 1 && (!i || links[i].order > links[i - 1].order));
    CHECK(pend.calls == 0);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(pend.calls == 1);
    return 0;
}
