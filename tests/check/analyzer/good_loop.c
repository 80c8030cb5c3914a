/* A new object for each round; what is kept is a list of tickets. */
#include "programs.h"

unsigned start(cede_ticket *tickets, unsigned count)
{
    unsigned i;
    for (i = 0; i < count; i++) {
        object *o = object_new();
        if (!o)
            break;
        o->number = (int)i;
        cede_prep_read(&o->req, file, o->buffer, sizeof o->buffer, 64 * (int64_t)i);
        tickets[i] = cede_submit(loop, &o->req, on_done);
        CEDE_GONE(o);
    }
    return i;
}
