/* The callback owns the object, uses it, and cedes it again. */
#include "programs.h"

void on_done(cede_req *req, cede_result r)
{
    object *o = CEDE_CONTAINER(req, object, req);
    if (r.status == CEDE_OK && r.count > 0) {
        o->number++;
        cede_prep_read(&o->req, file, o->buffer, sizeof o->buffer, (int64_t)r.count);
        (void)cede_submit(loop, &o->req, on_done);
        CEDE_GONE(o);
        return;
    }
    note(o->number);
    free(o);
}
