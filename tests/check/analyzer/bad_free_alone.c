/* A request that was allocated alone is freed after it was ceded. */
#include "programs.h"

void start(void)
{
    cede_req *req = malloc(sizeof *req);
    if (!req)
        return;
    cede_prep_nop(req);
    (void)cede_submit(loop, req, on_done);
    CEDE_GONE(req);
    free(req); /* BAD */
}
