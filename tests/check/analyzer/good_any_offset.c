/* The request lies deep inside the object; the ticket is what is kept. */
#include "programs.h"

struct outer {
    char name[33];
    struct {
        object inner;
    } box[3];
    cede_handle handle;
};

cede_ticket start(void)
{
    struct outer *o = calloc(1, sizeof *o);
    cede_ticket ticket = {0, 0};
    if (!o)
        return ticket;
    cede_prep_read(&o->box[2].inner.req, file, o->box[2].inner.buffer, 64, 0);
    ticket = cede_submit(loop, &o->box[2].inner.req, on_done);
    CEDE_GONE(o);
    cede_cancel(ticket);
    return ticket;
}
