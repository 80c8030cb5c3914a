/* Prepared and ceded again, before it came back. */
#include "programs.h"

static void submit_read(object *o, int64_t offset)
{
    cede_prep_read(&o->req, file, o->buffer, sizeof o->buffer, offset);
    (void)cede_submit(loop, &o->req, on_done);
    CEDE_GONE(o);
}

void start(void)
{
    object *o = object_new();
    if (!o)
        return;
    submit_read(o, 0);
    submit_read(o, 64); /* BAD */
}
