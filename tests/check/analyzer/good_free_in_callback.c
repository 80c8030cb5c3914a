/* The final free. */
#include "programs.h"

void on_up(cede_req *req, cede_result r)
{
    pair *p = CEDE_CONTAINER(req, pair, up);
    note(r.status);
    if (--p->left == 0)
        free(p);
}

void on_done(cede_req *req, cede_result r)
{
    object *o = CEDE_CONTAINER(req, object, req), *next = o->next;
    (void)r;
    free(o);
    if (next) {
        cede_prep_nop(&next->req);
        (void)cede_submit(loop, &next->req, on_done);
        CEDE_GONE(next);
    }
}
