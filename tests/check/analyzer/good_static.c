/* A static request, and a static object. */
#include "programs.h"

static cede_req tick;
static object once;

void start(void)
{
    cede_prep_timer(&tick, CEDE_SECOND);
    (void)cede_submit(loop, &tick, on_done);
    CEDE_GONE(&tick);
    cede_prep_read(&once.req, file, once.buffer, sizeof once.buffer, 0);
    (void)cede_submit(loop, &once.req, on_done);
    CEDE_GONE(&once);
}
