/* The request lies deep inside; the use is of quite another part. */
#include "programs.h"

struct outer {
    char name[33];
    struct {
        object inner;
    } box[3];
    cede_handle handle;
};

cede_handle start(void)
{
    struct outer *o = calloc(1, sizeof *o);
    if (!o)
        return 0;
    cede_prep_read(&o->box[2].inner.req, file, o->box[2].inner.buffer, 64, 0);
    (void)cede_submit(loop, &o->box[2].inner.req, on_done);
    CEDE_GONE(o);
    return o->handle; /* BAD */
}
