/* Writes to the object after it was ceded. */
#include "programs.h"

void start(void)
{
    object *o = object_new();
    if (!o)
        return;
    cede_prep_nop(&o->req);
    (void)cede_submit(loop, &o->req, on_done);
    CEDE_GONE(o);
    o->number = 1; /* BAD */
}
