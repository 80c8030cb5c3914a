/* Two ways of one object; the scope that they are in frees it. */
#include "programs.h"

struct both {
    cede_req scope;
    cede_relay up, down;
    char rooms[2][4096];
};

static void on_end(cede_req *req, cede_result r)
{
    (void)r;
    free(CEDE_CONTAINER(req, struct both, scope));
}

void start(cede_handle client, cede_handle server)
{
    struct both *b = malloc(sizeof *b);
    cede_ticket life;
    if (!b)
        return;
    cede_prep_scope(&b->scope);
    life = cede_submit(loop, &b->scope, on_end);
    cede_prep_relay(&b->up, client, server, b->rooms[0], sizeof b->rooms[0], CEDE_TO_END);
    cede_in(&b->up.req, life);
    (void)cede_submit_relay(loop, &b->up, on_up);
    cede_prep_relay(&b->down, server, client, b->rooms[1], sizeof b->rooms[1], CEDE_TO_END);
    cede_in(&b->down.req, life);
    (void)cede_submit_relay(loop, &b->down, on_down);
    CEDE_GONE(b);
}
