/* The callback cedes its object anew, forgets to return, and frees it. */
#include "programs.h"

void on_done(cede_req *req, cede_result r)
{
    object *o = CEDE_CONTAINER(req, object, req);
    if (r.status == CEDE_EAGAIN) {
        cede_prep_read(&o->req, file, o->buffer, sizeof o->buffer, 0);
        (void)cede_submit(loop, &o->req, on_done);
        CEDE_GONE(o);
    }
    free(o); /* BAD */
}
