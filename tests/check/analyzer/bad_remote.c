/* Ceded to another thread's loop, and then awaited by looking at it. */
#include "programs.h"

int ask(void)
{
    object *o = object_new();
    if (!o)
        return 0;
    o->number = 0;
    cede_prep_nop(&o->req);
    cede_submit_remote(loop, &o->req, on_done, NULL);
    CEDE_GONE(o);
    while (!o->number) /* BAD */
        (void)cede_run(loop, CEDE_MILLISECOND);
    return 1;
}
