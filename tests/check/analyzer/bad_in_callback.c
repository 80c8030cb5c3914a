/* The callback cedes its object anew, and then counts in it. */
#include "programs.h"

void on_done(cede_req *req, cede_result r)
{
    object *o = CEDE_CONTAINER(req, object, req);
    cede_prep_read(&o->req, file, o->buffer, sizeof o->buffer, (int64_t)r.count);
    (void)cede_submit(loop, &o->req, on_done);
    CEDE_GONE(o);
    o->number++; /* BAD */
}
