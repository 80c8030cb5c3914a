/* Ceded on one way, freed on the other. */
#include "programs.h"

int start(int wanted)
{
    object *o = object_new();
    if (!o)
        return -1;
    o->number = wanted;
    if (wanted) {
        cede_prep_nop(&o->req);
        (void)cede_submit(loop, &o->req, on_done);
        CEDE_GONE(o);
    } else {
        note(o->number);
        free(o);
    }
    return 0;
}
