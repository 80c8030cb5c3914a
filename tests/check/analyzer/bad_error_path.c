/* One way to the clean-up leads past the submit. */
#include "programs.h"

int start(int length)
{
    int status = -1;
    object *o = object_new();
    if (!o || length > 64)
        goto out;
    cede_prep_read(&o->req, file, o->buffer, (uint64_t)length, 0);
    (void)cede_submit(loop, &o->req, on_done);
    CEDE_GONE(o);
    status = 0;
out:
    free(o); /* BAD */
    return status;
}
