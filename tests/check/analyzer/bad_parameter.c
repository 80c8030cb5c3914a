/* Also an object that came as a parameter is gone. */
#include "programs.h"

void write_out(object *o)
{
    cede_prep_write(&o->req, file, o->buffer, sizeof o->buffer, 0);
    (void)cede_submit(loop, &o->req, on_done);
    CEDE_GONE(o);
    free(o); /* BAD */
}
