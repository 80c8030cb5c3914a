/* The second round uses what the first ceded. */
#include "programs.h"

void start(void)
{
    object *o = object_new();
    if (!o)
        return;
    for (int i = 0; i < 2; i++) {
        o->number = i; /* BAD */
        cede_prep_nop(&o->req);
        (void)cede_submit(loop, &o->req, on_done);
        CEDE_GONE(o);
    }
}
