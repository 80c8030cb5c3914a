/* A relay amid an object is ceded, and ceded again. */
#include "programs.h"

struct side {
    char room[4096];
    cede_relay relay;
};

void start(cede_handle from, cede_handle to)
{
    struct side *side = malloc(sizeof *side);
    if (!side)
        return;
    cede_prep_relay(&side->relay, from, to, side->room, sizeof side->room, CEDE_TO_END);
    (void)cede_submit_relay(loop, &side->relay, on_done);
    CEDE_GONE(side);
    (void)cede_submit_relay(loop, &side->relay, on_done); /* BAD */
}
