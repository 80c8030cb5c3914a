/* The classic: cancel, then free. */
#include "programs.h"

void start(void)
{
    object *o = object_new();
    cede_ticket ticket;
    if (!o)
        return;
    cede_prep_read(&o->req, file, o->buffer, sizeof o->buffer, 0);
    ticket = cede_submit(loop, &o->req, on_done);
    CEDE_GONE(o);
    cede_cancel(ticket);
    free(o); /* BAD */
}
