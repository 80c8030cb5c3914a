/* A request allocated alone, and one that is the first member. */
#include "programs.h"

struct first {
    cede_req req;
    int number;
};

void start(void)
{
    cede_req *req = malloc(sizeof *req);
    struct first *f = malloc(sizeof *f);
    if (!req || !f) {
        free(req);
        free(f);
        return;
    }
    cede_prep_nop(req);
    (void)cede_submit(loop, req, on_done);
    CEDE_GONE(req);
    f->number = 1;
    cede_prep_nop(&f->req);
    (void)cede_submit(loop, &f->req, on_done);
    CEDE_GONE(f);
}
