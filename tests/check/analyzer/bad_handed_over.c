/* A function ceded the object; its caller goes on with it. */
#include "programs.h"

static void submit_read(object *o)
{
    cede_prep_read(&o->req, file, o->buffer, sizeof o->buffer, 0);
    (void)cede_submit(loop, &o->req, on_done);
    CEDE_GONE(o);
}

void start(void)
{
    object *o = object_new();
    if (!o)
        return;
    submit_read(o);
    note(o->number); /* BAD */
}
