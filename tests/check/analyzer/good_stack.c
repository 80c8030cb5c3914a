/* A request on the stack, awaited before the frame is left. */
#include "programs.h"

int read_some(void)
{
    object o;
    cede_ticket ticket;
    o.number = 1;
    cede_prep_read(&o.req, file, o.buffer, sizeof o.buffer, 0);
    ticket = cede_submit(loop, &o.req, on_done);
    CEDE_GONE(&o);
    if (cede_wait(loop, ticket, CEDE_FOREVER) != CEDE_OK)
        abort();
    return o.number;
}
