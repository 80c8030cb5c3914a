/* Reads the buffer after it was ceded. */
#include "programs.h"

int start(void)
{
    object *o = object_new();
    if (!o)
        return 0;
    cede_prep_read(&o->req, file, o->buffer, sizeof o->buffer, 0);
    (void)cede_submit(loop, &o->req, on_done);
    CEDE_GONE(o);
    return o->buffer[0]; /* BAD */
}
