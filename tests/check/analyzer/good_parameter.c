/* Whose memory it is, is not known here. */
#include "programs.h"

void write_out(object *o, object *other)
{
    cede_prep_write(&o->req, file, o->buffer, sizeof o->buffer, 0);
    (void)cede_submit(loop, &o->req, on_done);
    CEDE_GONE(o);
    note(other->number);
    free(other);
}
