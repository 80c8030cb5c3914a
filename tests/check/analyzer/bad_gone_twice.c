/* Two functions believe that they hand the object over. */
#include "programs.h"

static void hand_over(object *o)
{
    CEDE_GONE(o);
}

void start(void)
{
    object *o = object_new();
    if (!o)
        return;
    cede_prep_nop(&o->req);
    (void)cede_submit(loop, &o->req, on_done);
    hand_over(o);
    hand_over(o); /* BAD */
}
